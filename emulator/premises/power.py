"""Power of devices and hubs: what goes on when it is back. What images do meanwhile is in the columns."""

from emulator.premises import dated, device_log, han, timers
from emulator.premises.context import Context
from emulator.premises.state import DeviceState, HubState


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
    if not on or context.rows.dead(device.eui):
        return
    if device.pending is not None:
        due_ms = max(now_ms, device.pending.at_ms - device.clock_offset_ms)
        context.agenda.schedule(due_ms, "device.due", device.eui, device.pending.number)
    dated.again(context, device, now_ms)
    timers.again(context, device, now_ms)
    listen(context, device, now_ms)


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
