"""The home area network: who hears a message, and when. Zigbee keeps a gas meter asleep between its wake-ups (L076, medium)."""

from emulator.domain.vocabulary import DeviceType
from emulator.premises.context import Context
from emulator.premises.state import DeviceState

IN_HUB = frozenset((DeviceType.CHF, DeviceType.GPF))
"""Logical devices inside the Communications Hub: no radio between."""


def sleeps(device: DeviceState) -> bool:
    """Whether the device hears the HAN at its wake-ups only."""
    return device.device_type is DeviceType.GSME


def is_up(context: Context, device: DeviceState) -> bool:
    """Whether the device and its hub are powered, alive and joined, so that messages can pass between them."""
    rows = context.rows
    if device.device_type in IN_HUB:
        return rows.hub_powered(device.hub)
    return rows.powered(device.eui) and rows.on_han(device.eui) and not rows.dead(device.eui) and rows.hub_serves(device.hub)


def next_wake_ms(context: Context, device: DeviceState, now_ms: int) -> int:
    """The first wake-up of a sleeping device after ``now_ms``; each device has a phase of its own."""
    return context.rows.next_wake_ms(device.eui, now_ms)


def hears_at_ms(context: Context, device: DeviceState, now_ms: int) -> int:
    """When something sent from the hub at ``now_ms`` reaches the device."""
    if device.device_type in IN_HUB:
        return now_ms
    if sleeps(device):
        return next_wake_ms(context, device, now_ms)
    return now_ms + context.settings.han_latency_ms


def reaches_hub_ms(context: Context, device: DeviceState, now_ms: int) -> int:
    """When something sent by the device at ``now_ms`` reaches the hub: a sleeping device wakes by itself to send."""
    return now_ms if device.device_type in IN_HUB else now_ms + context.settings.han_latency_ms


def wake_for_messages(context: Context, device: DeviceState, now_ms: int) -> None:
    """See to it that a sleeping device takes the messages that lie at the hub at its next wake-up."""
    if device.waiting and not device.wakes_ms and is_up(context, device):
        device.wakes_ms = next_wake_ms(context, device, now_ms)
        context.agenda.schedule(device.wakes_ms, "device.wakes", device.eui)
