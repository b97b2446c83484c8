"""The homes of a world: hubs, their devices, and what happens between them.

Downwards calls come as methods, what is due comes as agenda events through :meth:`Premises.handle`. Upwards everything that a
hub or device sends to the WAN goes as the agenda event ``csp.upstream`` with the arguments ``(hub_eui, message octets)``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.identifiers import Eui64
from emulator.estate.model import DeviceDefinition, Estate
from emulator.premises.settings import HanSettings
from emulator.premises.state import PremisesState
from emulator.simulation.agenda import Agenda, Event
from emulator.simulation.faults import Faults

Journal = Callable[[str, int | None, str, Mapping[str, Any]], None]
"""``journal(kind, device, summary, data)``: what happened, for people; ``data`` holds JSON values."""


class DeviceKeys(Protocol):
    """Keys of devices and the live certificates of parties; ``usage`` is ``DS`` or ``KA``."""

    def private_key(self, eui: int, usage: str) -> ec.EllipticCurvePrivateKey | None:
        """The private key of a device, or None where it is not known."""
        ...

    def public_key(self, eui: int, usage: str) -> ec.EllipticCurvePublicKey | None:
        """The public key of a device's or party's live certificate, or None where there is none."""
        ...


class Premises:
    """All homes of a world, over one :class:`PremisesState`."""

    TOPICS = ("hub.", "han.", "device.")
    """Prefixes of the agenda topics that :meth:`handle` takes."""

    def __init__(
        self,
        estate: Estate,
        keys: DeviceKeys,
        state: PremisesState,
        agenda: Agenda,
        settings: HanSettings,
        faults: Faults,
        journal: Journal,
    ) -> None:
        """Behaviour over ``state``; an empty state is filled from ``estate``, a restored one is taken as it is."""
        raise NotImplementedError

    def receive_command(self, hub: Eui64, target: Eui64, message: bytes, now_ms: int) -> None:
        """A GBCS command for ``target`` (the hub itself or a device of its HAN) arrives at ``hub`` from the WAN."""
        raise NotImplementedError

    def begin_image(self, hub: Eui64, target: Eui64, image_key: str, now_ms: int) -> str:
        """Reserve room at ``hub`` for an image whose transfer over the WAN starts; ``""`` or the reason of refusal.

        Reasons: ``unknown hub``, ``hub off``, ``unknown device``, ``image too large``, ``store full``, ``newer image held``,
        ``hardware versions missing``, ``image malformed``.
        """
        raise NotImplementedError

    def receive_image(self, hub: Eui64, target: Eui64, image_key: str, image: bytes, now_ms: int) -> str:
        """The image is complete at the hub; ``""`` when it is ready for its device, else the reason of refusal.

        Reserves first where :meth:`begin_image` was not called; the reasons are the same.
        """
        raise NotImplementedError

    def abandon_image(self, hub: Eui64, target: Eui64, image_key: str, now_ms: int) -> None:
        """The transfer over the WAN ended without success; the reservation is free again."""
        raise NotImplementedError

    def hold_image(self, image: bytes) -> str:
        """Keep an OTA file while anybody uses it and return its key, the SHA-256 of the file in lower-case hexadecimal."""
        raise NotImplementedError

    def handle(self, event: Event) -> None:
        """Run one due event of :attr:`TOPICS`."""
        raise NotImplementedError

    def add_device(self, definition: DeviceDefinition, now_ms: int) -> None:
        """A device is fitted (12.2): powered, not on the HAN before the hub's device log lists it. Replaces none."""
        raise NotImplementedError

    def remove_device(self, eui: Eui64, now_ms: int) -> bool:
        """A device is taken away; False when there is none."""
        raise NotImplementedError

    def power(self, eui: Eui64, on: bool, now_ms: int) -> bool:
        """Switch a device or hub on or off; False when there is none."""
        raise NotImplementedError

    def set_credential(self, eui: Eui64, role: int, party: Eui64, now_ms: int) -> bool:
        """Put another party's certificates into the slots of ``role`` on a device, as after a change of supplier."""
        raise NotImplementedError

    def describe(self, eui: Eui64, now_ms: int) -> dict[str, Any] | None:
        """What a device or hub is and waits for, as JSON values; None when there is none of this EUI."""
        raise NotImplementedError
