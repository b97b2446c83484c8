"""What every part of the DSP shares: state, settings, neighbours, and the way messages leave."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from emulator.csp.csp import Csp
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.tables import CheckCodes, alert_by_purpose
from emulator.domain.vocabulary import CspRegion
from emulator.dsp.audit import Entry, append, entry_text
from emulator.dsp.effects import AuditEffect, Delivery, Effect, JournalEntry, SharedData
from emulator.dsp.interface_versions import expressed, version_of
from emulator.dsp.lookup import Lookup
from emulator.dsp.releases import reports
from emulator.dsp.settings import DspSettings
from emulator.dsp.state import DspState
from emulator.dsp.throttling import GOES, Passage, pass_alert
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message, ServiceResponse
from emulator.pki.certificates import CertificateRecord
from emulator.pki.csr import SigningRequest
from emulator.simulation.agenda import Agenda
from emulator.simulation.faults import Faults


class PartyKeys(Protocol):
    """Keys the DSP works with."""

    def acb_key_agreement(self) -> EllipticCurvePrivateKey:
        """The Access Control Broker's key agreement key, for Command MACs."""

    def acb_digital_signature(self) -> EllipticCurvePrivateKey:
        """The Access Control Broker's signing key, for critical Commands it originates."""

    def device_key_agreement(self, device: int) -> EllipticCurvePublicKey | None:
        """A device's public key agreement key, from its certificate; None when it has none."""

    def user_digital_signatures(self, user: int) -> list[EllipticCurvePublicKey]:
        """The public keys with which a user may sign GBCS, the newest first: devices may hold an earlier certificate still."""

    def cos_digital_signature(self) -> EllipticCurvePrivateKey:
        """The signing key of the transitional CoS party, as which the DCC acts."""

    def party_certificate(self, party: int, usage: str) -> bytes | None:
        """DER of the live certificate of a party, ``DS`` or ``KA``."""

    def root(self) -> bytes | None:
        """DER of the root of the SMKI, or None where there is none."""

    def renew(self, party: int, generation: int) -> tuple[CertificateRecord, ...]:
        """New certificates of a party, live from now on; raise :class:`Malformed` where it has none to renew."""

    def issue(self, request: SigningRequest, number: int) -> bytes:
        """DER of a certificate for a device, by its signing request; ``number`` tells it from others."""

    def authority(self, *, of_devices: bool) -> bytes:
        """DER of the authority that issues certificates of organisations, or of devices."""

    def take_device_certificate(self, der: bytes) -> None:
        """A device uses this certificate from now on."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A request that is taken with a remark: the code of ``check`` goes with the answer."""

    check: str
    detail: str


CONTROLLED = frozenset({"control", "grant", "quarantine", "registration"})
"""Kinds of audit records that name the human who gave a control command."""


@dataclass(slots=True)
class Context:
    """One DSP at work. ``now_ms`` is set by the engine before each input and event."""

    state: DspState
    settings: DspSettings
    codes: CheckCodes
    agenda: Agenda
    keys: PartyKeys
    csp: Csp
    faults: Faults
    effects: list[Effect]
    numbers: dict[str, int]
    """Running numbers of deliveries and journal entries; part of the snapshot."""
    now_ms: int = 0
    operator: str = ""
    """The human behind the request that is being processed, as its sender names them."""
    controller: str = ""
    """The human behind the control command that is being carried out, as they name themselves."""
    lookup: Lookup = field(init=False)
    """Indices over ``state``."""

    def __post_init__(self) -> None:
        self.lookup = Lookup(self.state)

    def key(self) -> int:
        """A number not used before for a transaction, request or job."""
        key = self.state.next_key
        self.state.next_key += 1
        return key

    def next_acb_counter(self) -> int:
        """The Access Control Broker's next originator counter: above all before it and near the clock in milliseconds.

        It is taken by setting ``state.acb_counter``, once the command that carries it is certain to go.
        """
        return max(self.state.acb_counter + 1, self.now_ms)

    def next_cos_counter(self) -> int:
        """The same for the transitional CoS party, taken by setting ``state.cos_counter``."""
        return max(self.state.cos_counter + 1, self.now_ms)

    def journal(
        self,
        kind: str,
        summary: str,
        *,
        request_id: str | None = None,
        device: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Note something for the journal."""
        self.numbers["journal"] = number = self.numbers.get("journal", 0) + 1
        where, told = None if device is None else Eui64(device), data if isinstance(data, SharedData) else dict(data or {})
        self.effects.append(JournalEntry(number, self.now_ms, kind, request_id, where, summary, told))

    def audit(self, entry: Entry, devices: tuple[str, ...] = ()) -> None:
        """Record something in the audit trail; ``devices`` are the list that the entry names by digest, sorted."""
        if self.controller and entry.kind in CONTROLLED:
            entry = entry._replace(operator=self.controller)
        text = entry_text(entry)
        self.effects.append(AuditEffect(append(self.state.audit, entry, self.now_ms, text), devices, text))

    def region(self, device: int | None) -> CspRegion:
        """The CSP region of a device, by where its hub is."""
        entry = None if device is None else self.state.inventory.get(Eui64(device))
        premises = None if entry is None or entry.hub is None else self.state.premises.get(entry.hub)
        return CspRegion.UNKNOWN if premises is None else premises.region

    def region_on_record(self, device: int | None) -> str:
        """The same for the audit trail: empty where it is not known."""
        region = self.region(device)
        return "" if region is CspRegion.UNKNOWN else region.value

    def deliver(self, recipient: int, device: int | None, request_id: str | None, message: Message) -> None:
        """Queue a message for a user; by fault it may be lost before, or be queued more than once."""
        where = None if device is None else Eui64(device)
        for _ in range(self._copies(device, request_id, message)):
            self.numbers["delivery"] = number = self.numbers.get("delivery", 0) + 1
            self.audit(self._message_entry(recipient, device, request_id, message))
            self.effects.append(Delivery(number, self.now_ms, Eui64(recipient), where, request_id, message))

    def _passage(self, user: int, device: int, code: str) -> Passage:
        """Whether an alert goes to a user now, or is held back because so many went before it."""
        passage = pass_alert(self.state.throttling, self.settings, (user, device, code), self.now_ms)
        if passage.held:
            self.journal("throttled", f"alert {code} to {format_eui(user)} is held back", device=device, data={"code": code})
        return passage

    def _copies(self, device: int | None, request_id: str | None, message: Message) -> int:
        if device is None:
            return 1
        code = _code(message)
        if self.faults.find("dsp.loses_message", device, self.now_ms, code) is not None:
            self.journal("dropped", f"message {code} to a user is lost, by fault", request_id=request_id, device=device)
            return 0
        repeated = self.faults.find("dsp.repeats_message", device, self.now_ms, code)
        return 1 if repeated is None else 1 + int(repeated["copies"])

    def respond(
        self,
        user: int,
        device: int,
        request: RequestId,
        srv: tuple[str, str],
        code: str,
        payload: Element | None,
        shown: str | None,
    ) -> None:
        """Queue the asynchronous result of a request. ResponseID is ``device:user:counter of the request`` (duis.md 1.3);
        ``shown`` is the RequestID that it carries, None for none."""
        response_id = f"{format_eui(device)}:{format_eui(user)}:{request.counter}" if payload is not None else None
        self.deliver(user, device, shown, ServiceResponse(code, self.now_ms, shown, response_id, *srv, payload))

    def device_alert(self, user: int, device: int, counter: int, alert_code: int, gbcs: bytes) -> None:
        """Queue a Device Alert. ResponseID is ``device:user:counter of the device`` (duis.md 1.10, medium)."""
        passage = self._passage(user, device, f"{alert_code:04X}")
        if not passage.held:
            response_id = f"{format_eui(device)}:{format_eui(user)}:{counter}"
            self.deliver(user, device, None, DeviceAlert(self.now_ms, response_id, alert_code, gbcs, passage.told))

    def dcc_alert(
        self, users: Iterable[Eui64], purpose: str, body: Element, *, device: int | None, request_id: str | None = None
    ) -> None:
        """Queue a DCC Alert for each user, by EUI; the number belongs to the table, logic names the purpose (ota.md 5.3).

        ResponseID starts with the DCC's EUI and names each recipient (duis.md 1.10, medium).
        """
        row = alert_by_purpose()[purpose]
        if not reports(self.state.releases, self.settings, purpose):
            self.journal("dcc_alert", f"{row.code} {body.name} is not made yet", request_id=request_id, device=device)
            return
        recipients = sorted(users)
        for user in recipients:
            passage = GOES if device is None else self._passage(user, device, row.code)
            if passage.held:
                continue
            self.state.alert_counter = max(self.state.alert_counter + 1, self.now_ms)
            response_id = f"{format_eui(ACCESS_CONTROL_BROKER)}:{format_eui(user)}:{self.state.alert_counter}"
            alert = DccAlert(self.now_ms, response_id, row.code, body, passage.told)
            version = version_of(self.settings.duis_versions, user)
            since = self.settings.duis_since
            self.deliver(user, device, None, expressed(alert, version, since, device=device, request_id=request_id))
        self.journal(
            "dcc_alert",
            f"{row.code} {body.name} to {len(recipients)} user(s)",
            request_id=request_id,
            device=device,
            data={"code": row.code, "recipients": [format_eui(user) for user in recipients]},
        )

    def _message_entry(self, recipient: int, device: int | None, request_id: str | None, message: Message) -> Entry:
        """What the audit trail keeps of a message to a user."""
        return Entry(
            kind="message",
            outcome=_code(message),
            request_id=request_id or "",
            user=format_eui(recipient),
            device="" if device is None else format_eui(device),
            variant=message.service_reference_variant if isinstance(message, ServiceResponse) else "",
            region=self.region_on_record(device),
        )


def _code(message: Message) -> str:
    """What tells messages apart: response code, DCC Alert code, or alert code of a device."""
    match message:
        case ServiceResponse():
            return message.code
        case DccAlert():
            return message.alert_code
        case DeviceAlert():
            return f"{message.alert_code:04X}"
