"""What suppliers report of Communications Hubs: installed (8.14.1, 8.14.2) and returned (8.14.3, 8.14.4).

The reports are records for the CSP. What they do to the inventory is domain knowledge of low confidence (duis.md 7.5 and 7.7) and
therefore a setting (``hub_status_reports``). One that the network contradicts is recorded all the same, and says so (W081401).
"""

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.mpxn import is_dummy
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.dsp.context import Context, Noted
from emulator.dsp.gate import Case, eligible_roles
from emulator.dsp.inventory import recorded, set_status
from emulator.dsp.lifecycle import hub_withdrawn
from emulator.dsp.registration import responsible
from emulator.dsp.state import HubReport, InventoryEntry

INSTALLS = {"8.14.1": True, "8.14.2": False}
"""Reports of an installation, and whether the SM WAN was there."""

KEPT = 20
"""Reports of a hub that are remembered; ours."""
BEFORE_SERVICE = (DeviceStatus.PENDING, DeviceStatus.INSTALLED_NOT_COMMISSIONED)
GONE = (DeviceStatus.DECOMMISSIONED, DeviceStatus.WITHDRAWN)
"""Statuses in which a hub is not installed, and has been returned."""


def report(context: Context, case: Case) -> Refusal | Noted | None:
    """Take a report of a hub; what it says is kept with the hub and told in the journal."""
    body = case.request.body
    hub = context.state.inventory.get(parse_eui(body.required("DeviceID")))
    if hub is None or hub.device_type is not DeviceType.CHF:
        return _refuse(context, "hub_status_unknown", f"{body.required('DeviceID')} is no hub of the inventory")
    roles = eligible_roles(context, case.sender, case.row)
    if not any(responsible(context, case.sender, role, hub, case.at_ms) for role in roles):
        return _refuse(context, "not_responsible", f"{case.sender.name} is not registered for the home of {format_eui(hub.eui)}")
    if hub.eui in context.state.test_hubs or is_dummy(body.value("MPxN") or ""):
        return _refuse(context, "not_responsible", "test hubs and dummy MPxNs are not installed or returned")
    if hub.status in GONE:
        return _refuse(context, "hub_status_status", f"the hub is {hub.status}")
    if hub.held_by and hub.held_by != case.sender.party:
        return _refuse(context, "not_responsible", f"{format_eui(hub.eui)} is in the stock of {hub.held_by}")
    install = case.row.srv in INSTALLS
    other = body.value("OtherDeviceID")
    if other is not None and parse_eui(other) not in context.state.inventory:
        return _refuse(context, "hub_status_other_device", f"{other} is not in the inventory")
    if not install and _serves(context, hub):
        return _refuse(context, "hub_status_in_use", "meters of the hub are in service")
    said = {child.name: child.text for child in body}
    reports = context.state.hub_reports.setdefault(hub.eui, [])
    reports.append(HubReport(case.row.srv, case.sender.eui, case.at_ms, said))
    del reports[:-KEPT]
    context.agenda.schedule(context.now_ms, "stock.reported", int(hub.eui))
    context.journal("hub", f"{case.row.srv} about {format_eui(hub.eui)} by {case.sender.name}", device=hub.eui, data=said)
    on_wan = context.csp.seen(hub.eui, context.now_ms)
    if context.settings.hub_status_reports == "apply":
        with recorded(context, hub.eui, str(case.request.request_id), case.row.srv):
            _apply(context, case, hub, on_wan)
    if install and on_wan is not INSTALLS[case.row.srv]:
        found = "is" if on_wan else "is not"
        return Noted("hub_status_discrepancy", f"recorded, although the hub {found} on the SM WAN")
    return None


def _serves(context: Context, hub: InventoryEntry) -> bool:
    meters = (DeviceType.ESME, DeviceType.GSME)
    in_service = (DeviceStatus.COMMISSIONED, DeviceStatus.SUSPENDED)
    return any(each.device_type in meters and each.status in in_service for each in context.lookup.on_hub(hub.eui))


def _apply(context: Context, case: Case, hub: InventoryEntry, on_wan: bool) -> None:
    srv = case.row.srv
    if srv not in INSTALLS:
        hub_withdrawn(context, hub, case.sender.eui)
        set_status(context, hub, DeviceStatus.WITHDRAWN)
    elif hub.status in BEFORE_SERVICE:
        commissioned = INSTALLS[srv] and on_wan
        set_status(context, hub, DeviceStatus.COMMISSIONED if commissioned else DeviceStatus.INSTALLED_NOT_COMMISSIONED)


def _refuse(context: Context, check: str, detail: str) -> Refusal:
    reference = "8.14" if check.startswith("hub_status") else ""
    return Refusal(context.codes.code(check, reference), detail, where=check)
