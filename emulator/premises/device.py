"""How a device takes a GBCS Command: authenticate, execute, answer.

What fails authentication gets no Response (firmware_examples.md 8): it is logged, and a party without authority is reported to
the supplier as the test messages show (8F30). Whether 8F3D and 8F53 are sent for the other failures is not in the sources, so
sending them is a setting.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs.commands import CommandView, read_command
from emulator.gbcs.dlms import decode_access_response
from emulator.gbcs.gbz import DEFAULT_RESPONSE, decode_components
from emulator.gbcs.gbz import SUCCESS as ZCL_SUCCESS
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.protect import verify_mac, verify_signature
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.usecases import Asn1Item, Format, UseCase, by_code
from emulator.pki.certificates import Usage
from emulator.premises import (
    activation,
    billing,
    cosem,
    credential_updates,
    credentials,
    dated,
    event_logs,
    faulty,
    joins,
    own_keys,
    timers,
    zcl,
)
from emulator.premises.actions import TIMERS
from emulator.premises.actions.clock import synchronise
from emulator.premises.answers import Answer
from emulator.premises.context import Context
from emulator.premises.credentials import agreement_key, own_key, roles_held, signing_key
from emulator.premises.rules.identity import CLOCK_RELIABLE, CLOCK_UNRELIABLE
from emulator.premises.sending import send_alert, send_response
from emulator.premises.state import DeviceState

NO_AUTHORITY, NOT_AUTHENTIC, OTHER_FAILURE = 0x8F30, 0x8F3D, 0x8F53
"""Security events by alert code (gbcs.md appendix)."""

UNKNOWN_COMMAND = 0x8F85
"""A Command that the device does not know (ECS100)."""

TOP_UPS = (0x0007, 0x0097)
"""CS01a and CS01b: their counters are those of the tokens, apart from all others (gbcs.md 5), and a meter remembers those that it
took (:mod:`emulator.premises.credit`)."""

Payload = Mapping[str, object]
Asn1Handler = Callable[[Context, DeviceState, GbcsMessage, Payload, int], bytes | None]
"""Runs an ASN.1 Command: ``(context, device, message, payload, now_ms)`` to the content of the Response, None for later."""


def take_command(context: Context, device: DeviceState, octets: bytes, now_ms: int) -> None:
    """A command reached the device."""
    if context.faults.find("device.silent", device.eui, now_ms) is not None:
        context.note(device, "takes no notice of a command, by fault", gbcs=octets.hex())
        return
    try:
        message = decode_message(octets)
    except Malformed as error:
        context.note(device, f"drops a message that it cannot read: {error}", gbcs=octets.hex())
        return
    use_case = by_code(message.message_code, device.device_type)
    if message.cra is not Cra.COMMAND or message.recipient != device.eui or use_case is None or not use_case.request:
        context.note(device, f"drops a message that is no command for it: {message.message_code:04X}", gbcs=octets.hex())
        if message.cra is Cra.COMMAND and message.recipient == device.eui and device.device_type is DeviceType.ESME:
            _report_unknown(context, device, message, now_ms)
        return
    failure = authenticate(context, device, message, use_case)
    if failure is None and context.faults.find("device.rejects_command", device.eui, now_ms, f"{use_case.code:04X}") is not None:
        failure = NOT_AUTHENTIC, "it finds the MAC wrong, by fault"
    if failure is not None:
        code, reason = failure
        context.log_event(device, code, now_ms)
        context.note(device, f"drops {use_case.name} of {format_eui(message.originator)}: {reason}", gbcs=octets.hex())
        if code == NO_AUTHORITY or context.settings.alert_on_authentication_failure:
            send_alert(context, device, code, now_ms)
        return
    if _counts(use_case):
        device.command_counters[message.originator] = message.counter
    faulty.drift(context, device, now_ms)
    _execute(context, device, message, use_case, now_ms)


def _report_unknown(context: Context, device: DeviceState, message: GbcsMessage, now_ms: int) -> None:
    """Tell a party that the meter knows and whose Command comes through the ACB that the meter has no such Command (ECS100)."""
    known = set(roles_held(device, message.originator)) - {RemotePartyRole.ACCESS_CONTROL_BROKER}
    private_key = own_key(context, device, Usage.KEY_AGREEMENT)
    broker = agreement_key(context, device, device.credentials[RemotePartyRole.ACCESS_CONTROL_BROKER])
    if known and private_key is not None and broker is not None and message.mac and verify_mac(message, private_key, broker):
        said = {"command": f"{message.message_code:04X}{message.counter:016X}"}
        send_alert(context, device, UNKNOWN_COMMAND, now_ms, said, recipient=message.originator)


def authenticate(context: Context, device: DeviceState, message: GbcsMessage, use_case: UseCase) -> tuple[int, str] | None:
    """Event code and reason when the device does not accept the command, or None."""
    roles = [role for role in roles_held(device, message.originator) if may_send(device, use_case, role)]
    if not roles:
        return NO_AUTHORITY, "the sender has no authority for it"
    if not _signed_alone(message):
        private_key = own_key(context, device, Usage.KEY_AGREEMENT)
        broker = agreement_key(context, device, device.credentials[RemotePartyRole.ACCESS_CONTROL_BROKER])
        if private_key is None or broker is None or not verify_mac(message, private_key, broker):
            return NOT_AUTHENTIC, "the MAC is not that of the Access Control Broker"
    if use_case.critical or _signed_alone(message):
        signers = (signing_key(context, device, role) for role in roles)
        if not any(signer is not None and verify_signature(message, signer) for signer in signers):
            return NOT_AUTHENTIC, "the signature is not that of its sender"
    elif message.signature:
        return NOT_AUTHENTIC, "it is signed and should not be"
    highest = device.command_counters.get(message.originator, -1)
    if _counts(use_case) and message.counter <= highest:
        return OTHER_FAILURE, f"its counter {message.counter} is not above {highest}"
    return None


def _signed_alone(message: GbcsMessage) -> bool:
    """Whether it is a Command that goes with a signature in place of the ACB's MAC (gbcs.md 3)."""
    return message.mac is None and message.message_code in (credential_updates.RECOVERY, *credentials.READERS)


def _counts(use_case: UseCase) -> bool:
    """Whether a Command's counter has to be above those of its sender before."""
    return use_case.replay_protected and use_case.code not in TOP_UPS


def may_send(device: DeviceState, use_case: UseCase, role: RemotePartyRole) -> bool:
    """Whether the table lets a party in this role send the command to this device.

    The ACB stands in for unknown parties in what is not critical; critical commands it signs itself only for devices that know
    no supplier (gbcs.md 3 and 4). Of parties that replace certificates the mode of the command says whose signature it needs.
    """
    mode = credential_updates.MODES.get(use_case.code)
    if mode is not None:
        return role is mode.signer
    if use_case.code in credentials.READERS:
        return True
    if role is RemotePartyRole.ACCESS_CONTROL_BROKER:
        return not use_case.critical or RemotePartyRole.SUPPLIER not in device.credentials
    if use_case.known_parties:
        return role in use_case.known_parties
    return role is RemotePartyRole.SUPPLIER


def _execute(context: Context, device: DeviceState, message: GbcsMessage, use_case: UseCase, now_ms: int) -> None:
    try:
        view = read_command(message)
        assert view is not None, "the table knew the code before"
        if use_case.format is Format.DLMS:
            answer: Answer | None = cosem.execute(context, device, view, now_ms)
        elif use_case.format is Format.GBZ:
            answer = zcl.execute(context, device, view, now_ms)
        else:
            answer = _execute_asn1(context, device, view, now_ms)
    except Malformed as error:
        context.note(device, f"cannot execute {use_case.name}: {error}", gbcs=message.encode().hex())
        return
    billing.remember(device, now_ms)
    if use_case.replay_protected:
        event_logs.log_command(device, answer is None or not _failed(use_case, answer.content), use_case.code, now_ms)
    if _signed_alone(message):
        use_case = replace(use_case, signed_answer=True)  # the answer has the protection of the Command (gbcs.md 3)
    if answer is not None:
        send_response(context, device, message, use_case, answer.content, now_ms, answer.originator_counter)


def _failed(use_case: UseCase, content: bytes) -> bool:
    """Whether the device answers that something of a Command was not done."""
    if use_case.format is Format.DLMS:
        return any(item.code for item in decode_access_response(content).items)
    if use_case.format is Format.GBZ:
        parts = decode_components(content)
        return any(part.command == DEFAULT_RESPONSE and part.payload[1:] != bytes((ZCL_SUCCESS,)) for part in parts)
    return False


def change_due(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The date of a change has come."""
    change = dated.due(context, device, number)
    if change is not None and change.form == Format.ASN1:
        credential_updates.carry_out_dated(context, device, change, now_ms)
    elif change is not None:
        dated.make(context, device, change, now_ms, APPLIERS)
        billing.remember(device, now_ms)


def timer_due(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The time has come for something that the device does by itself."""
    timers.due(context, device, number, now_ms, TIMERS)
    billing.remember(device, now_ms)


APPLIERS: Mapping[str, dated.Apply] = {Format.DLMS: cosem.activate, Format.GBZ: zcl.apply_dated}
"""How a dated change is made, by the format of its Command."""


def _execute_asn1(context: Context, device: DeviceState, view: CommandView, now_ms: int) -> Answer | None:
    item = view.use_case.request[0]
    handler = HANDLERS.get(item.shape) if isinstance(item, Asn1Item) else None
    if handler is None:
        raise Malformed(f"no behaviour for {view.use_case.name}", where=view.use_case.name)
    content = handler(context, device, view.message, view.values, now_ms)
    return None if content is None else Answer(content)


def _no_parameters(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """CS07 and CS08 both carry NULL; the use case tells them apart."""
    broken = context.faults.find("device.read_fails", device.eui, now_ms) is not None
    if message.message_code == joins.READ_JOINED:
        return joins.read_joined(device, broken=broken)
    version = bytes(4) if broken else faulty.version_named(context, device, now_ms).to_bytes(4, "big")
    return encode_shape("firmware_version", {"firmware_version": version, "read_code": int(broken)})


def _set_clock(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    start_ms, end_ms = payload["from_ms"], payload["to_ms"]
    assert isinstance(start_ms, int)
    assert isinstance(end_ms, int)
    synchronise(context, device, start_ms, end_ms, now_ms)
    status = CLOCK_RELIABLE if device.clock_reliable else CLOCK_UNRELIABLE
    values = {"device_time_ms": now_ms + device.clock_offset_ms, "time_status": status}
    return encode_shape("set_clock_result", values)


HANDLERS: Mapping[str, Asn1Handler] = {
    "activate_firmware": activation.command,
    "null": _no_parameters,
    "set_clock": _set_clock,
    "join": joins.join,
    "unjoin": joins.unjoin,
    "restore_log": joins.restore_log,
    "retrieve_credentials": credentials.read_parties,
    "update_credentials": credential_updates.command,
    "key_usage": own_keys.by_usage,
    "certificate": own_keys.take_certificate,
}
"""ASN.1 Commands by the shape of their payload."""
