"""Activation of held firmware: CS06 immediate, dated and cancelled, and the PPMID's own (ota.md 4 and 11.6).

Order of CS06 (firmware_examples.md 4): authenticate; a date is remembered and answered NULL; at its time: is an image held, is
the hash equal, does activation succeed. The version in the outcome is the one that runs after the attempt. How long it takes and
what comes of it is the columns' business; here are the checks and the messages.
"""

from collections.abc import Mapping

from emulator.domain.vocabulary import ActivateImageCode, DeviceType
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.times import CANCEL
from emulator.gbcs.usecases import by_code
from emulator.premises.context import Context
from emulator.premises.sending import send_alert, send_response
from emulator.premises.state import Activation, DeviceState, PendingActivation

DATED_DONE, DATED_FAILED = 0x8F66, 0x8F67
VERSION_CHANGED = 0x8F43
PPMID_ACTIVATION = 0x8F8B
"""Alert codes (ota.md 4)."""


def command(
    context: Context, device: DeviceState, message: GbcsMessage, payload: Mapping[str, object], now_ms: int
) -> bytes | None:
    """Execute CS06; the content of the Response, or None when it follows once the device runs again."""
    wanted, at_ms = payload["hash"], payload["execution_time_ms"]
    assert isinstance(wanted, bytes)
    device.pending = None  # a newer CS06 replaces a stored one, whatever it says
    if isinstance(at_ms, int):
        if at_ms != CANCEL:
            _remember(context, device, message, wanted, at_ms, now_ms)
        return encode_shape("activate_firmware_result", {})
    code = _attempt(context, device, wanted, Activation(command=message.encode()))
    return None if code is None else _outcome(context, device, code)


def _remember(context: Context, device: DeviceState, message: GbcsMessage, wanted: bytes, at_ms: int, now_ms: int) -> None:
    device.pending = PendingActivation(context.number(), wanted, message.originator, message.counter, at_ms)
    due_ms = max(now_ms, at_ms - device.clock_offset_ms)
    context.agenda.schedule(due_ms, "device.due", device.eui, device.pending.number)


def due(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The date of a remembered CS06 has come; a device without power executes it when it is up again."""
    pending = device.pending
    if pending is None or pending.number != number or not context.rows.powered(device.eui) or context.rows.dead(device.eui):
        return
    device.pending = None
    code = _attempt(context, device, pending.manufacturer_image_hash, Activation(dated=pending))
    if code is not None:
        _report_dated(context, device, pending, code, now_ms)


def _attempt(context: Context, device: DeviceState, wanted: bytes, activation: Activation) -> ActivateImageCode | None:
    """Begin to activate the held image; why that cannot start, or None. ``activation`` says who hears of the outcome."""
    held = context.rows.held(device.eui)
    if held is None or context.rows.restarting(device.eui):
        return ActivateImageCode.NO_IMAGE_HELD
    if context.settings.check_activation_hash and held.manufacturer_image_hash != wanted:
        return ActivateImageCode.HASH_MISMATCH
    refused = context.rows.activate(device.eui)
    if refused:
        return ActivateImageCode(refused)
    device.activation = activation
    context.note(device, f"activates {held.file_version:08X}, up again in {context.settings.activation_ms // 1000} s")
    return None


def ended(context: Context, device: DeviceState, code: ActivateImageCode, now_ms: int) -> None:
    """The device runs again, with the new firmware or the old one: whoever waits for it hears."""
    activation, device.activation = device.activation, None
    context.note(device, f"runs {context.rows.running_version(device.eui):08X} after activation: {code.name}")
    if code is ActivateImageCode.SUCCESS:
        version_changed(context, device, now_ms)
    if activation is None:
        return
    if activation.dated is not None:
        _report_dated(context, device, activation.dated, code, now_ms)
    elif activation.command:
        _answer(context, device, activation.command, code, now_ms)


def version_changed(context: Context, device: DeviceState, now_ms: int) -> None:
    """Another version runs than before: an entry of the event log, and an alert where the settings say so."""
    context.log_event(device, VERSION_CHANGED, now_ms)
    if context.settings.alert_on_version_change:
        send_alert(context, device, VERSION_CHANGED, now_ms)


def died(context: Context, device: DeviceState) -> None:
    """The device does not come up again: nobody hears anything."""
    device.activation = None
    context.note(device, "does not come up again")


def report_ppmid(context: Context, device: DeviceState, success: bool, now_ms: int) -> None:
    """CS09 to the DCC (ota.md 8 C7)."""
    values = {"version": version_octets(context, device), "code": 0 if success else 1}
    send_alert(context, device, PPMID_ACTIVATION, now_ms, values)


def is_legacy_ppmid(device: DeviceState) -> bool:
    """Whether it publishes nothing about its activation (ota.md 8 C8)."""
    return device.device_type is DeviceType.PPMID and not device.definition.supports_cs09


def version_octets(context: Context, device: DeviceState) -> bytes:
    """The running version as GBCS carries it, four octets."""
    return context.rows.running_version(device.eui).to_bytes(4, "big")


def _outcome(context: Context, device: DeviceState, code: ActivateImageCode) -> bytes:
    values = {"activate_image_code": int(code), "firmware_version": version_octets(context, device)}
    return encode_shape("activate_firmware_result", values)


def _answer(context: Context, device: DeviceState, octets: bytes, code: ActivateImageCode, now_ms: int) -> None:
    message = decode_message(octets)
    use_case = by_code(message.message_code, device.device_type)
    assert use_case is not None
    send_response(context, device, message, use_case, _outcome(context, device, code), now_ms)


def _report_dated(context: Context, device: DeviceState, dated: PendingActivation, code: ActivateImageCode, now_ms: int) -> None:
    alert_code = DATED_DONE if code is ActivateImageCode.SUCCESS else DATED_FAILED
    context.log_event(device, alert_code, now_ms)
    values = {"originator_counter": dated.counter, "code": int(code), "version": version_octets(context, device)}
    # To who signed the Command, whoever the supplier is by now (access.md 9).
    send_alert(context, device, alert_code, now_ms, values, time_ms=dated.at_ms, row="CS06-ALERT", recipient=dated.originator)
