"""Power outages as the CSPs see them: a hub that is without power for minutes (AD1; duis.md section 4, L043)."""

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.registration import holders
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import element

TOLD = (UserRole.IS, UserRole.ED)
"""Import suppliers and the electricity network operator of the premises."""

OUT_OF_SERVICE = frozenset((DeviceStatus.DECOMMISSIONED, DeviceStatus.WITHDRAWN))


def power_outage(context: Context, hub: int, since_ms: int) -> None:
    """A hub has had no power since an instant: each MPAN there is told of once. That power is back nobody says (duis.md 4)."""
    device = context.state.inventory.get(Eui64(hub))
    if device is None or device.status in OUT_OF_SERVICE:
        context.journal("dropped", f"{format_eui(hub)} has no power, and is not in service", device=hub)
        return
    for meter in context.lookup.on_hub(device.eui):
        if meter.device_type is not DeviceType.ESME or not meter.import_mpxn:
            continue
        body = element(
            "PowerOutageEvent",
            element("CommsHubDeviceID", format_eui(device.eui)),
            element("StartDateTime", format_datetime(since_ms)),
            element("MPxN", meter.import_mpxn),
        )
        context.dcc_alert(holders(context, meter, TOLD, context.now_ms), "power_outage", body, device=device.eui)
