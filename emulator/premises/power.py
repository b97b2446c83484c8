"""Power of devices and hubs: what goes on when it is back. What images do meanwhile is in the columns."""

from collections.abc import Mapping

from emulator.domain.vocabulary import DeviceType
from emulator.premises import dated, device_log, event_logs, han, metering, timers
from emulator.premises.context import Context
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, HubState, Timer

RESTORED, RESTORED_LATE = 0x8F35, 0x8F36
"""Supply is back; after an outage of three minutes or more (alert_codes.csv)."""

LONG_OUTAGE_MS = 180_000

UP_AGAIN = "power is back"
"""Kind of timer."""

BOOT_MS = 1_000
"""After how long a meter that has power again says so; ours."""


def switch(context: Context, eui: int, on: bool, now_ms: int) -> bool:
    """Switch a device; the CHF or GPF stands for the whole hub. False when there is none of this EUI."""
    device = context.state.devices.get(eui)
    if device is None:
        return False
    if device.device_type in han.IN_HUB:
        home = context.hub_of(device)
        if context.rows.hub_powered(home.eui) is not on:
            context.rows.set_hub_power(home.eui, on)
            hub_switched(context, home, on, now_ms)
    elif context.rows.powered(eui) is not on:
        context.rows.set_power(eui, on)
        switched(context, device, on, now_ms)
    return True


def switched(context: Context, device: DeviceState, on: bool, now_ms: int) -> None:
    """A device lost its power or has it again."""
    context.note(device, "has power" if on else "has no power")
    _note_outage(context, device, on, now_ms)
    if not on or context.rows.dead(device.eui):
        return
    if device.pending is not None:
        due_ms = max(now_ms, device.pending.at_ms - device.clock_offset_ms)
        context.agenda.schedule(due_ms, "device.due", device.eui, device.pending.number)
    dated.again(context, device, now_ms)
    timers.again(context, device, now_ms)
    listen(context, device, now_ms)


def _note_outage(context: Context, device: DeviceState, on: bool, now_ms: int) -> None:
    """An electricity meter remembers since when it has no power, and says so once it is up again."""
    if device.device_type is not DeviceType.ESME or context.rows.dead(device.eui):
        return
    logs = event_logs.logs_of(device)
    metering.note(device, metering.POWER, f"{on:02}", now_ms)
    if on:
        logs.powered_ms = now_ms
        timers.start(context, device, UP_AGAIN, now_ms + BOOT_MS)
    else:
        logs.unpowered_ms = now_ms
        timers.stop(device, UP_AGAIN)


def _up_again(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    """Log the end of an outage; one of 3 minutes or more is reported to the network operator (ECS80)."""
    logs = event_logs.logs_of(device)
    if context.rows.restarting(device.eui):
        timers.start(context, device, UP_AGAIN, context.rows.up_again_ms(device.eui) + BOOT_MS)
        return
    since_ms, back_ms = logs.unpowered_ms, logs.powered_ms
    logs.unpowered_ms = logs.powered_ms = -1
    if since_ms < 0:
        return
    long = back_ms - since_ms >= LONG_OUTAGE_MS
    event_logs.log_outage(device, RESTORED_LATE if long else RESTORED, (back_ms - since_ms) // 1000, back_ms)
    if long:
        values = {"interrupted_ms": since_ms + device.clock_offset_ms, "restored_ms": back_ms + device.clock_offset_ms}
        send_alert(context, device, RESTORED_LATE, now_ms, values)


TIMERS: Mapping[str, timers.Run] = {UP_AGAIN: _up_again}


def listen(context: Context, device: DeviceState, now_ms: int) -> None:
    """Device and hub hear one another again: messages, joining."""
    han.wake_for_messages(context, device, now_ms)
    entry = device_log.entry_of(context.hub_of(device), device.eui)
    if entry is not None and not entry.joined:
        context.agenda.schedule(now_ms + context.settings.join_ms, "hub.join", device.hub, device.eui)


def hub_switched(context: Context, home: HubState, on: bool, now_ms: int) -> None:
    """A hub lost its power or has it again."""
    context.journal("hub", home.eui, "the hub has power" if on else "the hub has no power", {})
    context.agenda.schedule(now_ms, "csp.power", home.eui, int(on))
    if not on:
        return
    for eui in home.devices:
        device = context.state.devices[eui]
        if device.device_type not in han.IN_HUB and context.rows.powered(eui):
            listen(context, device, now_ms)
