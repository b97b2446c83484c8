"""Firmware of Communications Hubs: no service asks for it, the CSP does it, and suppliers hear of it (ota.md 9, N64).

A hub cannot be activated by 11.3, so its own update is the way back from suspension (duis.md 7.7: updated firmware restores).
"""

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.context import Context
from emulator.dsp.inventory import cpl_entry
from emulator.dsp.registration import responsible_suppliers
from emulator.dsp.versions import suspend_or_restore
from emulator.duis.messages import element


def hub_firmware_activated(context: Context, hub: int, version: str, gbcs_version: str) -> None:
    """A hub runs new firmware: every supplier at the premises hears of it, the inventory follows its CSP, and so does the status
    where the firmware is on the Central Products List.

    ``gbcs_version`` is what the CSP says of the firmware; empty leaves that to the Central Products List.
    """
    device = context.state.inventory.get(Eui64(hub))
    if device is None:
        context.journal("dropped", f"{format_eui(hub)} runs {version}, and is not in the inventory", device=hub)
        return
    listed = cpl_entry(context, device, version)
    gbcs_version = gbcs_version or (device.gbcs_version if listed is None else listed.gbcs_version)
    functions = [entry for entry in context.lookup.on_hub(device.eui) if entry.device_type in (DeviceType.CHF, DeviceType.GPF)]
    for entry in functions:
        entry.firmware_version, entry.gbcs_version = version, gbcs_version
    data = {"firmware_version": version, "gbcs_version": gbcs_version}
    context.journal("inventory", f"{format_eui(device.eui)}: firmware {version}", device=device.eui, data=data)
    body = element("CommsHubFirmwareActivation", element("DeviceID", format_eui(device.eui)), element("FirmwareVersion", version))
    users = responsible_suppliers(context, device, context.now_ms)
    context.dcc_alert(users, "hub_firmware_activated", body, device=device.eui)
    for entry in functions:
        if cpl_entry(context, entry, version) is not None:
            suspend_or_restore(context, entry)
