"""Activation of held firmware: CS06 immediate, dated and cancelled, and the PPMID's own (ota.md 4 and 11.6).

Order of CS06 (firmware_examples.md 4): authenticate; a date is remembered and answered NULL; at its time: is an image held, is
the hash equal, does activation succeed. The version in the outcome is the one that runs after the attempt.
"""

from collections.abc import Mapping

from emulator.domain.vocabulary import ActivateImageCode, DeviceType
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.times import CANCEL
from emulator.gbcs.usecases import by_code
from emulator.premises import hub
from emulator.premises.context import Context
from emulator.premises.device_states import FirmwareEvent, FirmwareState, advance_firmware
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
    code = _refusal(context, device, wanted, now_ms)
    if code is not None:
        return _outcome(device, code)
    start(context, device, now_ms, command=message.encode())
    return None


def _remember(context: Context, device: DeviceState, message: GbcsMessage, wanted: bytes, at_ms: int, now_ms: int) -> None:
    device.pending = PendingActivation(context.number(), wanted, message.originator, message.counter, at_ms)
    due_ms = max(now_ms, at_ms - device.clock_offset_ms)
    context.agenda.schedule(due_ms, "device.due", device.eui, device.pending.number)


def due(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The date of a remembered CS06 has come; a device without power executes it when it is up again."""
    pending = device.pending
    if pending is None or pending.number != number or not device.powered or device.firmware is FirmwareState.DEAD:
        return
    device.pending = None
    code = _refusal(context, device, pending.manufacturer_image_hash, now_ms)
    if code is None:
        start(context, device, now_ms, dated=pending)
    else:
        _report_dated(context, device, pending, code, now_ms)


def _refusal(context: Context, device: DeviceState, wanted: bytes, now_ms: int) -> ActivateImageCode | None:
    """Why activation cannot start, or None."""
    if device.firmware is FirmwareState.HELD and context.faults.find("device.loses_image", device.eui, now_ms) is not None:
        _drop_held(device, FirmwareEvent.IMAGE_LOST)
    if device.firmware is not FirmwareState.HELD:
        return ActivateImageCode.NO_IMAGE_HELD
    return None if device.held_hash == wanted else ActivateImageCode.HASH_MISMATCH


def start(
    context: Context, device: DeviceState, now_ms: int, command: bytes = b"", dated: PendingActivation | None = None
) -> None:
    """Begin to activate the held image."""
    device.firmware = advance_firmware(device.firmware, FirmwareEvent.ACTIVATION_STARTS)
    due_ms = now_ms + context.settings.activation_ms
    device.activation = Activation(context.number(), due_ms, command, dated)
    context.note(device, f"activates {device.held_version:08X}, up again in {context.settings.activation_ms // 1000} s")
    context.agenda.schedule(due_ms, "device.activated", device.eui, device.activation.number)


def activated(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The device runs again, or does not."""
    activation = device.activation
    if activation is None or activation.number != number or not device.powered:
        return
    device.activation = None
    if context.faults.find("device.dies_on_activation", device.eui, now_ms) is not None:
        device.firmware = advance_firmware(device.firmware, FirmwareEvent.BOOT_FAILED)
        context.note(device, "does not come up again, by fault")
        return
    code = ActivateImageCode.SUCCESS
    if context.faults.find("device.activation_fails", device.eui, now_ms) is not None:
        code = ActivateImageCode.ACTIVATION_FAILURE
        device.firmware = advance_firmware(device.firmware, FirmwareEvent.BOOT_FAILED_FALLBACK)
    else:
        _run_held(context, device, now_ms)
    context.note(device, f"runs {device.running_version:08X} after activation: {code.name}")
    if activation.dated is not None:
        _report_dated(context, device, activation.dated, code, now_ms)
    elif activation.command:
        _answer(context, device, activation.command, code, now_ms)
    elif device.device_type is DeviceType.PPMID:
        report_ppmid(context, device, code is ActivateImageCode.SUCCESS, now_ms)
    hub.announce(context, device, now_ms)


def _run_held(context: Context, device: DeviceState, now_ms: int) -> None:
    device.running_version = device.held_version
    _drop_held(device, FirmwareEvent.BOOT_OK)
    context.log_event(device, VERSION_CHANGED, now_ms)
    if context.faults.find("han.drop_after_activation", device.eui, now_ms) is not None:
        device.on_han = False
        context.note(device, "leaves the HAN after its activation, by fault")
    elif context.settings.alert_on_version_change:
        send_alert(context, device, VERSION_CHANGED, now_ms)


def _drop_held(device: DeviceState, event: FirmwareEvent) -> None:
    device.firmware = advance_firmware(device.firmware, event)
    device.held_hash, device.held_version = b"", 0


def report_ppmid(context: Context, device: DeviceState, success: bool, now_ms: int) -> None:
    """CS09 to the DCC; a legacy PPMID publishes nothing (ota.md 8 C7, C8)."""
    if not device.definition.supports_cs09:
        context.note(device, "does not report its activation: legacy kind")
        return
    send_alert(context, device, PPMID_ACTIVATION, now_ms, {"version": version_octets(device), "code": 0 if success else 1})


def version_octets(device: DeviceState) -> bytes:
    """The running version as GBCS carries it, four octets."""
    return device.running_version.to_bytes(4, "big")


def _outcome(device: DeviceState, code: ActivateImageCode) -> bytes:
    values = {"activate_image_code": int(code), "firmware_version": version_octets(device)}
    return encode_shape("activate_firmware_result", values)


def _answer(context: Context, device: DeviceState, octets: bytes, code: ActivateImageCode, now_ms: int) -> None:
    message = decode_message(octets)
    use_case = by_code(message.message_code, device.device_type)
    assert use_case is not None
    send_response(context, device, message, use_case, _outcome(device, code), now_ms)


def _report_dated(context: Context, device: DeviceState, dated: PendingActivation, code: ActivateImageCode, now_ms: int) -> None:
    alert_code = DATED_DONE if code is ActivateImageCode.SUCCESS else DATED_FAILED
    context.log_event(device, alert_code, now_ms)
    values = {"originator_counter": dated.counter, "code": int(code), "version": version_octets(device)}
    send_alert(context, device, alert_code, now_ms, values, time_ms=dated.at_ms)
