"""What devices run: proofs of a version, the inventory that follows them, suspension and restoration.

Source: reference ota/ota.md A11, F38 and F39; duis/duis.md 3.1, 6.3 and 7.7.
"""

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import CplStatus, DeviceStatus, DeviceType
from emulator.dsp.audit import Entry
from emulator.dsp.context import Context
from emulator.dsp.device_lists import listing
from emulator.dsp.inventory import cpl_entry, load_control_may_change, set_status, tell_status
from emulator.dsp.jobs import advance_job, job_of
from emulator.dsp.registration import responsible_suppliers
from emulator.dsp.schedules import remove_on_suspension
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import element
from emulator.estate.model import CplEntry

_BELIEVED = {"response": {"response", "alert"}, "alert": {"alert"}, "112_only": set[str]()}
"""By the setting ``smi_update_on``: reports of an activation that the inventory follows."""


def version_activated(context: Context, device: InventoryEntry, version: str, *, by: str) -> None:
    """A device reported that it now runs a version, by ``response`` or ``alert``: the inventory follows where ``smi_update_on``
    lets it. One that is not listed is told, not believed."""
    device.reported_version, device.reported_ms = version, context.now_ms
    if by not in _BELIEVED[context.settings.smi_update_on]:
        return
    listed = cpl_entry(context, device, version)
    if listed is None and version != device.firmware_version:
        _tell_mismatch(context, device, version)
    _follow(context, device, version, listed)


def version_read(context: Context, device: InventoryEntry, version: str) -> None:
    """A device answered which version it runs: jobs are confirmed by it, a stale inventory is told and corrected."""
    device.reported_version, device.reported_ms = version, context.now_ms
    device.read_version, device.read_ms = version, context.now_ms
    job = job_of(context, device.eui)
    expected = job is not None and context.state.firmware_requests[job.request].file_version == version
    differs = version != device.firmware_version
    if job is not None:
        events = ("version_equal", "version_new" if differs else "") if expected else ("version_differs",)
        any(advance_job(context, job, event, f"runs {version}") for event in events)
    listed = cpl_entry(context, device, version)
    told = context.settings.mismatch_alert
    if differs and (told == "any" or (told == "unexplained" and not (expected and listed is not None))):
        _tell_mismatch(context, device, version)
    if context.settings.update_inventory_on_read:
        _follow(context, device, version, listed)


def version_announced(context: Context, device: InventoryEntry, version: str) -> None:
    """The maker of a device said which version it runs: the inventory follows a listed one; nothing is proved by it (Q7-62)."""
    device.reported_version, device.reported_ms = version, context.now_ms
    _follow(context, device, version, cpl_entry(context, device, version))


def _tell_mismatch(context: Context, device: InventoryEntry, version: str) -> None:
    """FirmwareVersionMismatch to the responsible suppliers (duis.md 6.4, body high)."""
    if context.settings.mismatch_alert == "off":
        return
    body = element(
        "FirmwareVersionMismatch",
        element("DeviceID", format_eui(device.eui)),
        element("DeviceType", device.device_type),
        element("FirmwareVersionSMI", device.firmware_version),
        element("FirmwareVersionDevice", version),
    )
    context.dcc_alert(_suppliers(context, device), "firmware_version_mismatch", body, device=device.eui)


def _follow(context: Context, device: InventoryEntry, version: str, listed: CplEntry | None) -> None:
    """Let the inventory show a proven version; a GPF shows what its hub runs (duis.md 7.3, captured)."""
    if listed is not None and version != device.firmware_version and not _overlooked(context, device, version):
        speaks_otherwise = device.gbcs_version != listed.gbcs_version
        device.firmware_version, device.gbcs_version = version, listed.gbcs_version
        load_control_may_change(context, device, version=speaks_otherwise)
        data = {"firmware_version": version}
        context.journal("inventory", f"{format_eui(device.eui)}: firmware {version}", device=device.eui, data=data)
        if device.device_type is DeviceType.CHF:
            for entry in context.lookup.on_hub(device.eui):
                if entry.device_type is DeviceType.GPF:
                    entry.firmware_version, entry.gbcs_version = version, listed.gbcs_version
                    if cpl_entry(context, entry, version) is not None:
                        suspend_or_restore(context, entry)
    suspend_or_restore(context, device)


def _overlooked(context: Context, device: InventoryEntry, version: str) -> bool:
    """Whether, by fault, the inventory keeps what it has (F38)."""
    if context.faults.find("dsp.inventory_not_updated", device.eui, context.now_ms) is None:
        return False
    context.journal("inventory", f"{format_eui(device.eui)}: firmware {version} is overlooked, by fault", device=device.eui)
    return True


def product_changed(context: Context, product: CplEntry) -> None:
    """A row of the Central Products List is another one: devices that run it are suspended or restored, in one record of the
    audit trail for each way in which they change."""
    changed: dict[tuple[str, str], list[Eui64]] = {}
    for device in context.lookup.of_model(product.device_type, product.manufacturer, product.model):
        before = device.status
        suspend_or_restore(context, device)
        if device.status is not before:
            changed.setdefault((f"status {before}", f"status {device.status}"), []).append(device.eui)
    for (was, now), euis in changed.items():
        listed = listing(euis)
        context.audit(
            Entry(
                kind="inventory",
                outcome="changed",
                reason=f"{product.firmware_version} is {product.status} on the Central Products List",
                devices=len(euis),
                devices_digest=listed.digest,
                version=product.firmware_version,
                before=was,
                after=now,
            ),
            listed.names,
        )


def suspend_or_restore(context: Context, entry: InventoryEntry) -> None:
    """Bring the status in line with the CPL: off the list suspends, back on it restores (duis.md 7.7, high)."""
    listed = cpl_entry(context, entry, entry.firmware_version)
    usable = listed is not None and listed.status is CplStatus.ACTIVE
    if entry.status is DeviceStatus.COMMISSIONED and not usable:
        entry.status_before_suspension = entry.status
        set_status(context, entry, DeviceStatus.SUSPENDED)
        tell_status(context, _suppliers(context, entry), "device_suspended", entry, element("DeviceSuspended"))
        remove_on_suspension(context, entry)
    elif entry.status is DeviceStatus.SUSPENDED and usable:
        set_status(context, entry, entry.status_before_suspension or DeviceStatus.COMMISSIONED)
        entry.status_before_suspension = None
        tell_status(context, _suppliers(context, entry), "device_restored", entry, element("DeviceRestored"))


def _suppliers(context: Context, entry: InventoryEntry) -> list[Eui64]:
    return responsible_suppliers(context, entry, context.now_ms)
