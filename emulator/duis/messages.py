"""Typed DUIS messages.

The body of a message is an :class:`Element` tree: 130 request bodies and 37 response bodies have one representation, and the
fact tables name the fields. Times are simulated milliseconds of UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId


@dataclass(frozen=True, slots=True)
class Element:
    """One XML element of the DUIS namespace: either text or children."""

    name: str
    """Local name without prefix."""
    text: str = ""
    children: tuple["Element", ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator["Element"]:
        return iter(self.children)

    def find(self, *path: str) -> "Element | None":
        """The first descendant along ``path``, or None."""
        here = self
        for name in path:
            for child in here.children:
                if child.name == name:
                    here = child
                    break
            else:
                return None
        return here

    def value(self, *path: str) -> str | None:
        """The text of the element at ``path``, or None where it is absent."""
        found = self.find(*path)
        return None if found is None else found.text

    def required(self, *path: str) -> str:
        """The text at ``path``; raise :class:`Malformed` where it is absent."""
        found = self.value(*path)
        if found is None:
            raise Malformed(f"element {'/'.join(path)} is missing", where=self.name)
        return found


def element(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """Build an element from text or children; ``None`` children are left out, which is how optional fields are written."""
    if len(content) == 1 and content[0].__class__ is str and not attributes:  # what most of a message consists of
        return Element(name, content[0])
    children = tuple([part for part in content if isinstance(part, Element)])
    text = "" if len(children) == len(content) else "".join([part for part in content if isinstance(part, str)])
    return Element(name, text, children, tuple(sorted(attributes.items())))


@dataclass(frozen=True, slots=True)
class Request:
    """A Service Request or Signed Pre-Command as a user sent it."""

    request_id: RequestId
    command_variant: int
    service_reference: str
    service_reference_variant: str
    body: Element
    """The one child of Body, e.g. ``ReadFirmwareVersion`` or ``SignedPreCommand``."""
    schema_version: str = "5.4"
    first_in_sequence: bool | None = None
    preceding_request_id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class ServiceResponse:
    """A Response whose body is a ResponseMessage: acknowledgement, result or functional refusal."""

    code: str
    at_ms: int
    request_id: str | None
    """Echo of the RequestID as it arrived."""
    response_id: str | None
    """``device:user:counter`` for a device's answer; None in acknowledgements."""
    service_reference: str
    service_reference_variant: str
    payload: Element | None = None
    """One of the 13 payload choices, or None."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """That alerts like this one were held back before it (duis.md section 1.10, low: the schema has the fields alone)."""

    sequence_id: int
    """Which time of holding back it was."""
    count: int
    """How many were held back."""


@dataclass(frozen=True, slots=True)
class DeviceAlert:
    """A Response whose body is a DeviceAlertMessage. The code is always I0: stock clients route anything else to errors."""

    at_ms: int
    response_id: str
    alert_code: int
    gbcs_payload: bytes
    throttled: Throttled | None = None


@dataclass(frozen=True, slots=True)
class DccAlert:
    """A Response whose body is a DCCAlertMessage."""

    at_ms: int
    response_id: str
    alert_code: str
    """AD1 or N1 .. N999."""
    body: Element
    """One of the 24 children of DCCAlert."""
    throttled: Throttled | None = None


Message = ServiceResponse | DeviceAlert | DccAlert
"""Everything the DCC sends to a user."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request, as its certificate says."""

    eui: Eui64
    role: int
    serial: int
    issuer: str
