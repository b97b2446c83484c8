"""What every part of the homes shares: state, settings, neighbours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.identifiers import format_eui
from emulator.pki.certificates import CertificateRecord
from emulator.premises import behaviours
from emulator.premises.images import Images
from emulator.premises.rows import Rows
from emulator.premises.settings import HanSettings
from emulator.premises.state import MAX_EVENT_LOG, DeviceState, HubState, PremisesState
from emulator.simulation.agenda import Agenda
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

    def anchor(self, party: int, usage: str, *, prepayment: bool = False) -> CertificateRecord | None:
        """The certificate of a party that devices hold until another is put in its place, or None where there is none."""
        ...

    def own_certificate(self, device: int, usage: str) -> CertificateRecord | None:
        """The certificate with which a device was made, or None where it has none."""
        ...

    def generated_key(self, device: int, usage: str, number: int) -> ec.EllipticCurvePrivateKey:
        """The key pair that a device makes as its ``number``-th of a usage."""
        ...

    def root(self) -> bytes | None:
        """DER of the root certificate that devices hold, or None where there is none."""
        ...


@dataclass(slots=True)
class Context:
    """The homes of one world at work."""

    seed: int
    start_ms: int
    """Simulated time at which the world began; registers count from here."""
    keys: DeviceKeys
    state: PremisesState
    agenda: Agenda
    settings: HanSettings
    faults: Faults
    journal: Journal
    images: Images
    rows: Rows
    """What images do, and what devices run and hold."""
    by_hand: list[bytes] | None = None
    """Responses to a Command that is being delivered by hand, while it is."""

    def number(self) -> int:
        """A number not used before for a pending activation."""
        number = self.state.next_number
        self.state.next_number += 1
        return number

    def hub_of(self, device: DeviceState) -> HubState:
        """The hub of a device's home."""
        return self.state.hubs[device.hub]

    def note(self, device: DeviceState, summary: str, **data: Any) -> None:
        """An entry of kind ``device`` for the journal."""
        self.journal("device", device.eui, f"{device.device_type} {format_eui(device.eui)} {summary}", data)

    def log_event(self, device: DeviceState, code: int, now_ms: int) -> None:
        """An entry of the log that keeps such events, unless the device was told to pass over them."""
        if not behaviours.logs(device, code):
            return
        device.events.append((now_ms + device.clock_offset_ms, code))
        names = behaviours.log_names()
        same = [place for place, (_, other) in enumerate(device.events) if names.get(other) == names.get(code)]
        if len(same) > MAX_EVENT_LOG:
            del device.events[same[0]]
