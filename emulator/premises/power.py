"""Power of devices and hubs: what stops when it goes, and what goes on when it is back."""

from emulator.premises import device_log, han, hub, loading
from emulator.premises.context import Context
from emulator.premises.device_states import FirmwareState, LoadingEvent, LoadingState
from emulator.premises.hub_states import SlotEvent, SlotState
from emulator.premises.state import DeviceState, HubState


def switch(context: Context, eui: int, on: bool, now_ms: int) -> bool:
    """Switch a device; the CHF or GPF stands for the whole hub. False when there is none of this EUI."""
    device = context.state.devices.get(eui)
    if device is None:
        return False
    if device.device_type in han.IN_HUB:
        home = context.hub_of(device)
        if home.powered is not on:
            home.powered = on
            _hub_up(context, home, now_ms) if on else _hub_down(context, home, now_ms)
    elif device.powered is not on:
        device.powered = on
        context.note(device, "has power" if on else "has no power")
        if on:
            device_up(context, device, now_ms)
        else:
            loading.interrupt(context, device, LoadingEvent.POWER_LOST, now_ms)
    return True


def device_up(context: Context, device: DeviceState, now_ms: int) -> None:
    """A device has power again: take up what waited for it."""
    if device.firmware is FirmwareState.DEAD:
        return
    if device.activation is not None:
        device.activation.due_ms = now_ms + context.settings.activation_ms
        context.agenda.schedule(device.activation.due_ms, "device.activated", device.eui, device.activation.number)
    if device.pending is not None:
        due_ms = max(now_ms, device.pending.at_ms - device.clock_offset_ms)
        context.agenda.schedule(due_ms, "device.due", device.eui, device.pending.number)
    if device.loading is LoadingState.VERIFYING:
        loading.verify_later(context, device, now_ms)
    listen(context, device, now_ms)


def listen(context: Context, device: DeviceState, now_ms: int) -> None:
    """Device and hub hear one another again: messages, joining, images."""
    han.wake_for_messages(context, device, now_ms)
    entry = device_log.entry_of(context.hub_of(device), device.eui)
    if entry is not None and not entry.joined:
        context.agenda.schedule(now_ms + context.settings.join_ms, "hub.join", device.hub, device.eui)
    hub.announce(context, device, now_ms)


def _hub_down(context: Context, home: HubState, now_ms: int) -> None:
    context.journal("hub", home.eui, "the hub has no power", {})
    for eui in home.devices:
        loading.interrupt(context, context.state.devices[eui], LoadingEvent.TRANSFER_FAILED, now_ms)


def _hub_up(context: Context, home: HubState, now_ms: int) -> None:
    context.journal("hub", home.eui, "the hub has power", {})
    for slot in [slot for slot in home.slots if slot.state is SlotState.READY]:
        if context.faults.find("hub.loses_image", home.eui, now_ms) is not None:
            hub.free(context, home, slot, SlotEvent.LOST, now_ms)
    for eui in home.devices:
        device = context.state.devices[eui]
        if device.powered and device.device_type not in han.IN_HUB:
            listen(context, device, now_ms)
