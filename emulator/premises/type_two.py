"""Type 2 devices, IHDs and CADs: they may ask their hub for an image, and have no right to one (reference ota/ota.md 15 and 16).

A device that is fitted asks as often as any that polls. Nobody outside hears of it.
"""

from emulator.domain.vocabulary import DeviceType
from emulator.premises import han
from emulator.premises.context import Context
from emulator.premises.state import DeviceState

TYPE_TWO = frozenset((DeviceType.IHD, DeviceType.CAD))

NOT_AUTHORIZED = 0x7E
"""Status of a Query Next Image Response (ota.md 16, high)."""


def begin_to_ask(context: Context, device: DeviceState) -> None:
    """Let a device of type 2 ask from now on; the columns have come to now."""
    if device.device_type in TYPE_TWO:
        context.agenda.schedule(context.rows.ms(context.rows.network.now), "device.asks", device.eui)


def ask(context: Context, device: DeviceState, now_ms: int) -> None:
    """Query Next Image: the hub refuses, and the device asks again after a while."""
    if han.is_up(context, device):
        context.note(device, "asks for an image: NOT_AUTHORIZED", status=NOT_AUTHORIZED)
    context.agenda.schedule(now_ms + context.settings.query_poll_ms, "device.asks", device.eui)
