"""How the certificates that a device holds are replaced: CS02b and CS02g in their modes, at once and at a date.

Each certificate is judged and replaced for itself, and the answer says of every cell who was there before and after, by the key
identifier (test messages of CS02b and CS02g). A command for a date is answered at once without an outcome; 00CB or 0124 tells it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.gbcs.commands import read_command
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.times import CANCEL
from emulator.gbcs.usecases import Format
from emulator.pki.certificates import CertificateRecord, read_certificate
from emulator.pki.paths import path_is_trusted
from emulator.pki.smki import key_identifier
from emulator.premises import dated
from emulator.premises.context import Context
from emulator.premises.credentials import (
    DIGITAL_SIGNATURE,
    TOP_UPS,
    USAGES,
    Cell,
    changed_credentials,
    forget,
    held,
    party_in,
    put,
    roles_of,
    slots_of,
)
from emulator.premises.sending import send_alert
from emulator.premises.state import DatedChange, DeviceState

REPLACED, BAD_CERTIFICATE, NO_TRUST_ANCHOR, NO_CELL = 0, 5, 10, 25
"""What became of one certificate. 0 and 10 (its issuer leads to no authority that is trusted) are in the test messages of CS02b,
25 in those of CS02a. They are status codes of the Trust Anchor Management Protocol (RFC 5934); its 5 is inferred from that."""

CREDENTIALS_UPDATED = 0x8F70
"""Event of replaced credentials (gbcs.md appendix); whether it is also an alert is not known, so it is logged only."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Who may ask for what by one message code."""

    mode: int
    signer: RemotePartyRole
    """Whose signature the device asks for, the ACB's being its MAC."""
    roles: frozenset[RemotePartyRole]
    """Whose certificates are replaced."""
    alert: str
    """Row of the use-case table that tells the outcome at a date."""


_EACH = frozenset(RemotePartyRole) - {RemotePartyRole.ROOT}
_DATED, _DATED_LOAD_CONTROLLER = "CS02b-ALERT", "CS02g-ALERT"

MODES: Mapping[int, Mode] = {
    0x0102: Mode(2, RemotePartyRole.SUPPLIER, frozenset({RemotePartyRole.SUPPLIER}), _DATED),
    0x0103: Mode(3, RemotePartyRole.NETWORK_OPERATOR, frozenset({RemotePartyRole.NETWORK_OPERATOR}), _DATED),
    0x0104: Mode(4, RemotePartyRole.ACCESS_CONTROL_BROKER, frozenset({RemotePartyRole.ACCESS_CONTROL_BROKER}), _DATED),
    0x0105: Mode(5, RemotePartyRole.WAN_PROVIDER, frozenset({RemotePartyRole.WAN_PROVIDER}), _DATED),
    0x0106: Mode(6, RemotePartyRole.TRANSITIONAL_COS, frozenset({RemotePartyRole.TRANSITIONAL_COS}), _DATED),
    0x0107: Mode(7, RemotePartyRole.TRANSITIONAL_COS, frozenset({RemotePartyRole.SUPPLIER}), _DATED),
    0x0108: Mode(8, RemotePartyRole.RECOVERY, _EACH, _DATED),
    0x0125: Mode(10, RemotePartyRole.LOAD_CONTROLLER, frozenset({RemotePartyRole.LOAD_CONTROLLER}), _DATED_LOAD_CONTROLLER),
    0x0126: Mode(11, RemotePartyRole.SUPPLIER, frozenset({RemotePartyRole.LOAD_CONTROLLER}), _DATED_LOAD_CONTROLLER),
}
"""By message code (gbcs.md 8; message_codes.csv; all proven by test messages)."""

RECOVERY = 0x0108
"""Signed by the recovery party alone: the one Command without the ACB's MAC beside CS02a (gbcs.md 3)."""

Payload = Mapping[str, object]


def command(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """CS02b and CS02g; :class:`Malformed` where the parts of the Command contradict one another."""
    mode = _agreeing_mode(message, payload)
    at_ms = payload["execution_time_ms"]
    assert at_ms is None or isinstance(at_ms, int)
    instruction = message.message_code.to_bytes(2, "big")
    if isinstance(at_ms, int) and at_ms != CANCEL:
        at_ms = max(at_ms, now_ms + device.clock_offset_ms + 1)  # a date that is past is still answered without an outcome
    dated.plan(context, device, message, Format.ASN1, instruction, at_ms, now_ms, message.encode())
    if at_ms is not None:
        return encode_shape("update_credentials_result", {"accepted": {}})
    outcome = _carry_out(context, device, message, payload, mode, now_ms)
    return encode_shape("update_credentials_result", {"accepted": {}, "outcome": outcome})


def carry_out_dated(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    """The date of an update has come: make it and tell its sender."""
    message = decode_message(change.payload)
    view = read_command(message)
    assert view is not None, "it was read when it came"
    mode = MODES[message.message_code]
    outcome = _carry_out(context, device, message, view.values, mode, now_ms)
    replaced = outcome["replaced"]
    assert isinstance(replaced, list)
    code = dated.FAILED if any(each["result"] for each in replaced) else dated.DONE
    context.log_event(device, code, now_ms)
    send_alert(
        context, device, code, now_ms, {"outcome": outcome}, time_ms=change.at_ms, row=mode.alert, recipient=message.originator
    )


def _agreeing_mode(message: GbcsMessage, payload: Payload) -> Mode:
    mode, signer = MODES.get(message.message_code), payload["signer"]
    if mode is None or payload["mode"] != mode.mode:
        raise Malformed(f"mode {payload['mode']} does not go with {message.message_code:04X}", where="mode")
    if signer is not None and signer != {"role": int(mode.signer), "usage": DIGITAL_SIGNATURE}:
        raise Malformed("the command names another cell as its signer's", where="signer", expected=mode.signer.name)
    if payload["counter"] != message.counter:
        raise Malformed(f"counter {payload['counter']} is not that of the header", where="counter", expected=str(message.counter))
    return mode


def _carry_out(
    context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, mode: Mode, now_ms: int
) -> dict[str, object]:
    """Replace what can be replaced; the outcome as Response and Alert tell it."""
    replacements, path = payload["replacements"], payload["path"]
    assert isinstance(replacements, list)
    assert isinstance(path, list)
    before: dict[int, int | None] = {role: party_in(device, role) for role in roles_of(device.device_type)}
    device_time_ms = now_ms + device.clock_offset_ms if payload["time_checks_off"] is None else None
    judged = [_judge(context, device, each, path, mode, device_time_ms) for each in replacements]
    for role in {each.cell.role for each in judged if each.cell is not None and each.result == REPLACED}:
        _put_role(context, device, role, [each for each in judged if each.result == REPLACED])
    floors = _floors(payload, mode)
    _set_floors(device, before, floors)
    done = {each.cell.role for each in judged if each.cell is not None and each.result == REPLACED}
    if done:
        context.log_event(device, CREDENTIALS_UPDATED, now_ms)
    if RemotePartyRole.SUPPLIER in done:
        supplier_replaced(context, device, before.get(RemotePartyRole.SUPPLIER))
    return {"counter": message.counter, "mode": mode.mode, "floors": floors, "replaced": [each.told for each in judged]}


@dataclass(frozen=True, slots=True)
class _Judged:
    """One certificate and what becomes of it."""

    target: Payload
    cell: Cell | None
    result: int
    before: CertificateRecord | None
    record: CertificateRecord | None

    @property
    def told(self) -> dict[str, object]:
        """As the outcome says it: who was there before and after; nobody is zeros."""
        after = self.record if self.result == REPLACED else self.before
        return {
            "target": self.target,
            "result": self.result,
            "party_before": 0 if self.before is None else self.before.eui,
            "key_before": bytes(8) if self.before is None else key_identifier(self.before.public_key),
            "party_after": 0 if after is None else after.eui,
            "key_after": bytes(8) if after is None else key_identifier(after.public_key),
        }


def _put_role(context: Context, device: DeviceState, role: int, replaced: list[_Judged]) -> None:
    """Put the new certificates of a role into their cells; what is not replaced stays, whoever has the role now."""
    slots = slots_of(device.device_type, role)
    assert slots is not None
    there = {cell: held(context, device, cell) for cell in slots.cells}
    there |= {each.cell: each.record for each in replaced if each.cell in there}
    first = there[slots.cells[0]]
    if first is not None and first.eui != party_in(device, role):
        device.credentials[role] = first.eui
        context.note(device, f"trusts {format_eui(first.eui)} as {slots.role.name}")
    forget(device, role)
    for cell, record in there.items():
        if record is not None and not _same(record, held(context, device, cell)):
            put(context, device, cell, record)


def _same(one: CertificateRecord, other: CertificateRecord | None) -> bool:
    return other is not None and one.der == other.der


def _cell(target: Payload) -> Cell | None:
    role, bits = target["role"], target["usage"]
    assert isinstance(role, int)
    usage = USAGES.get(bits) if isinstance(bits, bytes) else None
    return None if usage is None else Cell(role, usage, target["cell"] == TOP_UPS)


def _judge(
    context: Context, device: DeviceState, replacement: Payload, path: list[bytes], mode: Mode, device_time_ms: int | None
) -> _Judged:
    """Whether a certificate may take its cell."""
    der, target = replacement["certificate"], replacement["target"]
    assert isinstance(der, bytes)
    assert isinstance(target, Mapping)
    cell = _cell(target)
    slots = None if cell is None else slots_of(device.device_type, cell.role)
    if cell is None or slots is None or cell not in slots.cells or slots.role not in mode.roles:
        return _Judged(target, cell, NO_CELL, None, None)
    before = held(context, device, cell)
    try:
        record = read_certificate(der, prepayment=cell.prepayment)
    except Malformed:
        return _Judged(target, cell, BAD_CERTIFICATE, before, None)
    if record.role is None or record.usage is not cell.usage or not _in_time(context, record, device_time_ms):
        return _Judged(target, cell, BAD_CERTIFICATE, before, None)
    trusted = [each.der for each in _everything_held(context, device)]
    leads = path_is_trusted(der, path, context.keys.root(), trusted)
    return _Judged(target, cell, REPLACED if leads else NO_TRUST_ANCHOR, before, record)


def _in_time(context: Context, record: CertificateRecord, device_time_ms: int | None) -> bool:
    """Whether the certificate is valid now, where the Command and the settings ask for that."""
    if device_time_ms is None or not context.settings.check_certificate_time:
        return True
    return record.not_before_ms <= device_time_ms <= record.not_after_ms


def _everything_held(context: Context, device: DeviceState) -> list[CertificateRecord]:
    slots = [slots_of(device.device_type, role) for role in roles_of(device.device_type)]
    records = [held(context, device, cell) for each in slots if each is not None for cell in each.cells]
    return [record for record in records if record is not None]


def _floors(payload: Payload, mode: Mode) -> list[dict[str, object]]:
    """The floors that the Command sets, the signer's own first, as the answer repeats them; none of roles that are not its own
    to replace."""
    given = payload["other_floors"] or []
    assert isinstance(given, list)
    others = [each for each in given if each["role"] in mode.roles]
    own = []
    if payload["floor"] is not None:
        own = [{"role": int(mode.signer), "floor": payload["floor"], "top_up_floors": payload["top_up_floors"]}]
    return [*own, *others]


def _set_floors(device: DeviceState, before: Mapping[int, int | None], floors: list[dict[str, object]]) -> None:
    """Counters begin anew at their floors, for the party that now is in each role (gbcs.md 5)."""
    for each in floors:
        role, floor, top_ups = each["role"], each["floor"], each["top_up_floors"]
        assert isinstance(role, int)
        assert isinstance(floor, int)
        party, old = party_in(device, role), before.get(role)
        if old is not None and old != party and old not in device.credentials.values():
            device.command_counters.pop(old, None)
        if party is not None:
            device.command_counters[party] = floor
        if isinstance(top_ups, list) and top_ups:
            changed_credentials(device).top_up_floor = top_ups[0]["floor"]


def supplier_replaced(context: Context, device: DeviceState, before: int | None) -> None:
    """The device may hold another supplier's certificates now: images are checked with them, and what the one before dated ahead
    may die (ota.md 13)."""
    context.rows.set_supplier(device)
    if device.credentials.get(RemotePartyRole.SUPPLIER) != before and context.settings.fd_cancel_on_credential_change:
        device.pending = None
        device.dated.clear()
