"""What changes the state of a world. Each is in the durable log, with its order and simulated time, before it is acknowledged."""

from dataclasses import dataclass
from typing import Any

from emulator.domain.vocabulary import WebService
from emulator.duis.messages import Request, Signer


@dataclass(frozen=True, slots=True)
class DuisInput:
    """A DUIS request that passed the edge: well-formed, schema-valid, signed by ``signer``."""

    web_service: WebService
    request: Request
    signer: Signer
    operator: str = ""
    """The human who acts under the User ID, as the sender names them; printable ASCII, at most 64 characters."""


@dataclass(frozen=True, slots=True)
class ControlInput:
    """A command of the control interface, e.g. ``user.endpoint`` or ``device.power``."""

    verb: str
    params: dict[str, Any]
    """JSON values only; the log keeps them as JSON."""


Input = DuisInput | ControlInput
