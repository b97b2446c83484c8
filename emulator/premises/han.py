"""The home area network: who hears what, and when. Durations are worked out, not simulated block by block.

The block model is ota.md 16 and limits L073 to L078; Zigbee keeps a gas meter asleep between its wake-ups (L076, medium).
"""

from emulator.domain.vocabulary import DeviceType
from emulator.premises.context import Context
from emulator.premises.device_states import FirmwareState
from emulator.premises.state import DeviceState
from emulator.simulation.draws import draw_below

IN_HUB = frozenset((DeviceType.CHF, DeviceType.GPF))
"""Logical devices inside the Communications Hub: no radio between."""


def sleeps(device: DeviceState) -> bool:
    """Whether the device hears the HAN at its wake-ups only."""
    return device.device_type is DeviceType.GSME


def is_up(context: Context, device: DeviceState) -> bool:
    """Whether the device and its hub are powered, alive and joined, so that messages can pass between them."""
    return device.powered and device.on_han and device.firmware is not FirmwareState.DEAD and context.hub_of(device).powered


def next_wake_ms(context: Context, device: DeviceState, now_ms: int) -> int:
    """The first wake-up of a sleeping device at or after ``now_ms``; each device has a phase of its own."""
    interval = context.settings.gsme_wake_interval_ms
    phase = draw_below(interval, context.seed, device.eui, 0, "gsme wake")
    return now_ms + (phase - now_ms) % interval


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


def transfer_end_ms(context: Context, device: DeviceState, size_bytes: int, begin_ms: int) -> int:
    """When the last block of a file is in the device, when the first is asked for at ``begin_ms`` (a wake-up for sleepers)."""
    settings = context.settings
    blocks = -(-size_bytes // settings.block_bytes)
    sleeping_ms = 0
    if sleeps(device):
        whole_wakes, blocks = divmod(blocks - 1, settings.gsme_blocks_per_wake)
        blocks += 1
        sleeping_ms = whole_wakes * settings.gsme_wake_interval_ms
    return begin_ms + sleeping_ms + -(-blocks * 1_000 // settings.mains_blocks_per_s)
