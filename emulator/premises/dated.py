"""Changes that a device was told to make at a date of its own clock: kept, superseded, cancelled, made and reported.

One alert 8F66 or 8F67 per activated attribute or command (gbcs.md 6 and 7, proven). A change that is to be made at once is made
without an alert. A newer change of the same attribute or command replaces the one that waits.
"""

from collections.abc import Callable, Mapping

from emulator.domain.errors import Malformed
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.times import CANCEL
from emulator.gbcs.usecases import Format
from emulator.premises.context import Context
from emulator.premises.sending import send_alert
from emulator.premises.state import DatedChange, DeviceState

DONE, FAILED = 0x8F66, 0x8F67
"""Alert codes of a dated instruction (gbcs.md appendix B)."""

ALERTS: Mapping[Format, str] = {Format.DLMS: "FutureDated-DLMS", Format.GBZ: "FutureDated-GBZ"}
"""Rows of the use-case table for the outcome, by the format of the Command."""

Apply = Callable[[Context, DeviceState, DatedChange, int], None]
"""Makes a change: ``(context, device, change, now_ms)``; :class:`Malformed` where it cannot be made."""


def plan(
    context: Context,
    device: DeviceState,
    message: GbcsMessage,
    form: Format,
    instruction: bytes,
    at_ms: int | None,
    now_ms: int,
    payload: bytes = b"",
    part: str = "",
) -> DatedChange | None:
    """Take up an instruction: the change to be made now, or None where it waits or was cancelled.

    ``instruction`` is what the alert repeats after message code and counter: class, OBIS and attribute, or cluster, frame control
    and command. ``at_ms`` is device time, None for now, :data:`CANCEL` to cancel. ``payload`` is kept for the date. ``part``
    tells apart what may wait beside another change by the same instruction.
    """
    key = f"{form} {instruction.hex()}{part and f' {part}'}"
    device.dated.pop(key, None)
    if at_ms == CANCEL:
        context.note(device, f"cancels what it was to do about {key}")
        return None
    number = context.number()
    change = DatedChange(number, str(form), instruction, payload, message.message_code, message.counter, at_ms or 0)
    if at_ms is None or at_ms <= now_ms + device.clock_offset_ms:
        return change
    device.dated[key] = change
    context.agenda.schedule(at_ms - device.clock_offset_ms, "device.change", device.eui, number)
    return None


def again(context: Context, device: DeviceState, now_ms: int) -> None:
    """The device has power again: what waited, or should have been made meanwhile, is planned anew."""
    for change in device.dated.values():
        context.agenda.schedule(max(now_ms, change.at_ms - device.clock_offset_ms), "device.change", device.eui, change.number)


def due(context: Context, device: DeviceState, number: int) -> DatedChange | None:
    """The date of a change has come: the change, which waits no longer, or None where there is nothing to be done now."""
    key = next((key for key, change in device.dated.items() if change.number == number), None)
    if key is None or not context.rows.powered(device.eui) or context.rows.dead(device.eui):
        return None
    return device.dated.pop(key)


def make(context: Context, device: DeviceState, change: DatedChange, now_ms: int, appliers: Mapping[str, Apply]) -> None:
    """Make a change by the applier of its format and report it."""
    code = DONE
    try:
        appliers[change.form](context, device, change, now_ms)
    except Malformed as error:
        context.note(device, f"cannot do at its date what it was told: {error}")
        code = FAILED
    context.log_event(device, code, now_ms)
    told = change.message_code.to_bytes(2, "big") + change.counter.to_bytes(8, "big") + change.instruction
    send_alert(context, device, code, now_ms, {"instruction": told}, time_ms=change.at_ms, row=ALERTS[Format(change.form)])
