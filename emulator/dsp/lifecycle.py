"""Devices come, join, are commissioned and go: 8.1.1, 8.3, 8.7, 8.8, 8.11 (reference duis/duis.md 7.5 to 7.7)."""

from collections.abc import Mapping

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.mpxn import is_dummy
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.dated import drop_dated
from emulator.dsp.gate import Case, eligible_roles
from emulator.dsp.inventory import (
    meter_commissioned,
    mpxns,
    recorded,
    registered_parties,
    set_status,
    tell_status,
    whole_number,
)
from emulator.dsp.jobs import cancel_jobs, hub_gone, supplier_changed
from emulator.dsp.registration import METERS, other_parties, registered, responsible, responsible_suppliers
from emulator.dsp.restoring import keep_log
from emulator.dsp.schedules import remove_of_lost_suppliers, remove_schedules
from emulator.dsp.state import InventoryEntry, PendingLogUpdate, Transaction, TransactionState
from emulator.dsp.transactions import command_failure, drop_held, names, release
from emulator.duis.messages import Element, element
from emulator.estate.registrations import RegistrationBase
from emulator.simulation.agenda import Agenda

DEVICE_LOG_ENTRIES = 16
"""Devices a hub's log holds beside the hub (limits.csv L045, medium)."""

TYPE_1 = (DeviceType.PPMID, DeviceType.HCALCS)
IN_SERVICE = (DeviceStatus.COMMISSIONED, DeviceStatus.SUSPENDED, DeviceStatus.INSTALLED_NOT_COMMISSIONED)
"""Statuses from which a device is decommissioned (duis.md 7.7, high)."""
MAX_ASSOCIATED = 7
"""Type 1 devices that N1 lists at most (duis.md section 4, certain)."""
OUT_OF_SERVICE = (DeviceStatus.DECOMMISSIONED, DeviceStatus.WITHDRAWN)


def check_device_log_update(context: Context, case: Case) -> Refusal | None:
    """What 8.11 asks of the device it names (duis.md 3.4, checks low)."""
    body = case.request.body
    details = body.find("AddDeviceToCHFWhitelist")
    entry = context.state.inventory.get(parse_eui(body.required("DeviceID")))
    adding = body.required("RequestType") == "Add"

    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, "8.11"), detail, where=check)

    if entry is None:
        return refuse("device_log_device_unknown", f"{body.value('DeviceID')} is not in the inventory")
    if not adding:
        if details is not None:
            return refuse("device_log_remove_with_details", "Remove goes without AddDeviceToCHFWhitelist")
        if entry.hub != case.target.eui:
            return refuse("device_log_on_another_hub", f"{format_eui(entry.eui)} is not on this hub")
        return None
    if details is None:
        return refuse("device_log_add_without_details", "Add needs AddDeviceToCHFWhitelist")
    if entry.device_type in (DeviceType.CHF, DeviceType.GPF):
        return refuse("device_log_device_status", f"a {entry.device_type} is part of a hub and not in its device log")
    if entry.hub not in (None, case.target.eui):
        return refuse("device_log_on_another_hub", f"{format_eui(entry.eui)} is on another hub")
    if entry.status not in (DeviceStatus.PENDING, DeviceStatus.WHITELISTED, None):
        return refuse("device_log_device_status", f"{format_eui(entry.eui)} is {entry.status}; expected Pending or Whitelisted")
    if entry.hub is None and (full := _full(context, case.target.eui, entry.device_type)):
        return refuse("device_log_hub_full", full)
    if entry.device_type in METERS:
        return _check_mpxn(context, case, entry, details)
    return None


def _full(context: Context, hub: Eui64, wanted: DeviceType) -> str:
    """Why a hub can list no further device of a type; empty where it can."""
    types: list[DeviceType] = [each.device_type for each in context.lookup.on_hub(hub) if each.device_type is not DeviceType.CHF]
    if len(types) >= DEVICE_LOG_ENTRIES:
        return f"the hub lists {len(types)} devices"
    most = {DeviceType.PPMID: context.settings.ppmids_per_hub, DeviceType.HCALCS: context.settings.hcalcs_per_hub}.get(wanted)
    return f"the hub lists {most} devices of type {wanted}" if most is not None and types.count(wanted) >= most else ""


def _check_mpxn(context: Context, case: Case, entry: InventoryEntry, details: Element) -> Refusal | None:
    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, "8.11"), detail, where=check)

    mpxn = details.value("ImportMPxN") or entry.import_mpxn
    if not mpxn:
        return refuse("device_log_mpxn_missing", "a meter is added with its ImportMPxN")
    role = UserRole.IS if entry.device_type is DeviceType.ESME else UserRole.GS
    if case.target.eui in context.state.test_hubs:
        if is_dummy(mpxn):
            return None
        return refuse("device_log_mpxn_not_registered", f"{mpxn} is no dummy MPxN, and the hub is that of a triage facility")
    if not registered(context, mpxn, role, case.sender.party, case.at_ms):
        return refuse("device_log_mpxn_not_registered", f"{mpxn} is not registered to {case.sender.party} as {role}")
    return None


def check_join(context: Context, case: Case) -> Refusal | None:
    """What 8.7.x asks of the other device: in the device log of the same hub, and in use (duis.md 3.4, checks low)."""
    missing, wrong_status = {
        "8.7.1": ("join_other_device", "join_other_device"),
        "8.7.2": ("join_not_whitelisted", "join_status"),
    }[case.row.srv]
    other_id = case.request.body.required("OtherDeviceID")
    other = context.state.inventory.get(parse_eui(other_id))
    if other is None or other.hub is None or other.hub != case.target.hub:
        detail = f"OtherDeviceID {other_id} is not on the hub of {format_eui(case.target.eui)}"
        return Refusal(context.codes.code(missing, "8.7"), detail, where=missing)
    if other.status in (DeviceStatus.PENDING, *OUT_OF_SERVICE):
        detail = f"OtherDeviceID {other_id} is {other.status}"
        return Refusal(context.codes.code(wrong_status, "8.7"), detail, where=wrong_status)
    return None


def check_unjoin(context: Context, case: Case) -> Refusal | None:
    """8.8.x needs a device that is known; whether the two are joined is for them to say (duis.md 3.4 citing MP178)."""
    other_id = case.request.body.required("OtherDeviceID")
    if parse_eui(other_id) in context.state.inventory:
        return None
    check = "unjoin_type_pair" if case.row.critical else "unjoin_non_critical_device"
    return Refusal(context.codes.code(check, "8.8"), f"OtherDeviceID {other_id} is not in the inventory", where=check)


def device_log_answered(context: Context, transaction: Transaction, hub: InventoryEntry, result: Mapping[str, object]) -> None:
    """The hub took CCS01 or CCS02 (duis.md 7.6). What is removed is gone with that, which the hub's alert may have said before;
    what is added still has to join, which the alert will tell."""
    if not result.get("ok"):
        return
    body = transaction.asked
    details = body.find("AddDeviceToCHFWhitelist")
    window_ms = whole_number(details.required("JoinTimePeriod"), "JoinTimePeriod") * 1000 if details is not None else 0
    update = PendingLogUpdate(
        request_id=str(transaction.request.request_id),
        user=transaction.user,
        hub=hub.eui,
        device=parse_eui(body.required("DeviceID")),
        adding=details is not None,
        deadline=-1,
        import_mpxn=(details.value("ImportMPxN") or "") if details is not None else "",
        secondary_import_mpan=(details.value("SecondaryImportMPAN") or "") if details is not None else "",
        export_mpan=(details.value("ExportMPAN") or "") if details is not None else "",
    )
    if not update.adding:
        _done(context, update)
        return
    due_ms = context.now_ms + window_ms + context.settings.hub_log_window_grace_ms
    update.deadline = context.agenda.schedule(due_ms, "dsp.device_log_window", update.request_id)
    context.state.log_updates.append(update)


def device_log_changed(context: Context, hub: InventoryEntry, result: Mapping[str, object]) -> None:
    """Alert 8F12 of the hub with its device log: what was to be added and now shows there is done (duis.md 7.6, medium)."""
    keep_log(context, hub.eui, result)
    devices = result.get("devices")
    listed = {each.get("device") for each in devices if isinstance(each, dict)} if isinstance(devices, list | tuple) else set()
    for update in [u for u in context.state.log_updates if u.hub == hub.eui and u.device in listed]:
        context.state.log_updates.remove(update)
        context.agenda.cancel(update.deadline)
        _done(context, update)


def _done(context: Context, update: PendingLogUpdate) -> None:
    """The device log is as asked: the inventory follows, and the user hears N24."""
    entry = context.state.inventory.get(update.device)
    if entry is not None:
        with recorded(context, entry.eui, update.request_id, "8.11"):
            _apply(context, update, entry)
    _tell(context, update, "device_log_updated")


def device_log_window_ended(context: Context, request_id: str) -> None:
    """No alert within the join window: N25, potentially unsuccessful."""
    for update in [u for u in context.state.log_updates if u.request_id == request_id]:
        context.state.log_updates.remove(update)
        _tell(context, update, "device_log_uncertain")


def _tell(context: Context, update: PendingLogUpdate, purpose: str) -> None:
    body = element("UpdateHANDeviceLogResult", element("UpdateHANDeviceLogServiceRequestID", update.request_id))
    context.dcc_alert([update.user], purpose, body, device=update.hub, request_id=update.request_id)


def _apply(context: Context, update: PendingLogUpdate, entry: InventoryEntry) -> None:
    if update.adding:
        with context.lookup.changing(entry):
            entry.hub = update.hub
            for name in ("import_mpxn", "secondary_import_mpan", "export_mpan"):
                setattr(entry, name, getattr(update, name) or getattr(entry, name))
        if entry.status is not None:
            set_status(context, entry, DeviceStatus.WHITELISTED)
        return
    others = other_parties(context, responsible_suppliers(context, entry, context.now_ms), update.user)
    cancel_jobs(context, entry.eui, "removed from the hub's device log")
    context.lookup.unjoin_all(entry)
    with context.lookup.changing(entry):
        entry.hub = None
    if entry.device_type is DeviceType.PPMID and others:
        body = element(
            "PPMIDRemoval",
            element("PPMIDDeviceID", format_eui(entry.eui)),
            element("CHFDeviceID", format_eui(update.hub)),
        )
        context.dcc_alert(others, "ppmid_removed", body, device=entry.eui, request_id=update.request_id)


def heard_from(context: Context, device: InventoryEntry) -> None:
    """First communication of a whitelisted device: it is installed (duis.md 7.7, medium)."""
    if device.status is DeviceStatus.WHITELISTED:
        with recorded(context, device.eui):
            set_status(context, device, DeviceStatus.INSTALLED_NOT_COMMISSIONED)


def clock_synchronised(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.1.1 answered: success commissions the meter (duis.md 7.7, high)."""
    if result.get("ok") and device.status is DeviceStatus.INSTALLED_NOT_COMMISSIONED:
        with recorded(context, device.eui, *names(transaction)):
            device.supplier = device.supplier or transaction.user
            meter_commissioned(context, device, transaction.user)


def joined(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.7.x answered: both ends know each other; a Type 1 device or GPF joined with a commissioned meter is commissioned."""
    other = _other(context, transaction)
    if not result.get("ok") or other is None:
        return
    asked = names(transaction)
    with recorded(context, device.eui, *asked), recorded(context, other.eui, *asked):
        _know_each_other(context, device, other)


def _know_each_other(context: Context, device: InventoryEntry, other: InventoryEntry) -> None:
    for one, two in ((device, other), (other, device)):
        if two.eui not in one.joined_to:
            one.joined_to = (*one.joined_to, two.eui)
        is_follower = one.device_type in (*TYPE_1, DeviceType.GPF)
        meter_ready = two.device_type in METERS and two.status is DeviceStatus.COMMISSIONED
        if is_follower and meter_ready and one.status is DeviceStatus.INSTALLED_NOT_COMMISSIONED:
            set_status(context, one, DeviceStatus.COMMISSIONED)


def unjoined(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.8.x answered: the two no longer know each other; what has no meter left gets no more firmware (ota.md 11.2)."""
    other = _other(context, transaction)
    if not result.get("ok") or other is None:
        return
    asked = names(transaction)
    with recorded(context, device.eui, *asked), recorded(context, other.eui, *asked):
        device.joined_to = tuple(eui for eui in device.joined_to if eui != other.eui)
        other.joined_to = tuple(eui for eui in other.joined_to if eui != device.eui)
    for entry in (device, other):
        joined = [context.state.inventory[eui] for eui in entry.joined_to if eui in context.state.inventory]
        if entry.device_type in TYPE_1 and not any(each.device_type in (*METERS, DeviceType.GPF) for each in joined):
            cancel_jobs(context, entry.eui, "joined with no meter any more")


def _other(context: Context, transaction: Transaction) -> InventoryEntry | None:
    return context.state.inventory.get(parse_eui(transaction.asked.required("OtherDeviceID")))


def registration_changed(context: Context, mpxn: str) -> None:
    """A registration for the MPxN begins or ends now: what was distributed may have lost its supplier (access.md section 5)."""
    for meter in context.lookup.with_mpxn(mpxn):
        for device in context.lookup.on_hub(meter.hub) or [meter]:
            supplier_changed(context, device)
            remove_of_lost_suppliers(context, device)
            _drop_of_lost_suppliers(context, device)


def _drop_of_lost_suppliers(context: Context, device: InventoryEntry) -> None:
    """Requests that are held for who will not be responsible at their date go now where the setting says so (N10, low)."""
    if context.settings.held_on_change_of_supplier == "check":
        return
    for held in context.lookup.held(device.eui):
        user, row = context.state.users[held.user], service_reference_variants()[held.request.service_reference_variant]
        when_ms = context.now_ms if held.due_ms is None else held.due_ms
        if not any(responsible(context, user, role, device, when_ms) for role in eligible_roles(context, user, row)):
            release(context, held, TransactionState.CANCELLED)
            command_failure(context, held, "held_request_dropped_change_of_supplier")


def registrations_changed(context: Context, after_ms: int) -> None:
    """Registrations that the world began with have begun or ended since ``after_ms``."""
    for mpxn in context.state.registrations.base.changing(after_ms, context.now_ms):
        registration_changed(context, mpxn)
    await_registrations(context.agenda, context.state.registrations.base, context.now_ms)


def await_registrations(agenda: Agenda, base: RegistrationBase, after_ms: int) -> None:
    """Wake when the next of the registrations that the world began with begins or ends."""
    next_ms = base.next_change_ms(after_ms)
    if next_ms is not None:
        agenda.schedule(next_ms, "dsp.registrations", after_ms)


def decommission(context: Context, case: Case) -> Refusal | None:
    """8.3: the device leaves; held requests and jobs end and the other parties are told (duis.md 7.5)."""
    entry = context.state.inventory.get(parse_eui(case.request.body.required("DeviceID")))

    def refuse(check: str, detail: str, reference: str = "") -> Refusal:
        return Refusal(context.codes.code(check, reference), detail, where=check)

    if entry is None:
        return refuse("device_unknown", f"{case.request.body.value('DeviceID')} is not in the inventory")
    if not any(
        responsible(context, case.sender, role, entry, case.at_ms) for role in eligible_roles(context, case.sender, case.row)
    ):
        return refuse("not_responsible", f"{case.sender.name} is not registered for {format_eui(entry.eui)}")
    if entry.status not in IN_SERVICE:
        return refuse("decommission_status", f"a device that is {entry.status or 'of Type 2'} cannot be decommissioned", "8.3")
    in_home = context.lookup.on_hub(entry.hub)
    is_hub = entry.device_type is DeviceType.CHF
    if is_hub and any(each.device_type in METERS and each.status in IN_SERVICE for each in in_home):
        return refuse("decommission_hub_has_meters", "meters of the hub are in service", "8.3")
    drop_held(context, entry, "held_request_dropped_decommissioned")
    drop_dated(context, entry, "held_request_dropped_decommissioned")
    remove_schedules(context, entry, "schedule_removed_decommissioned")
    cancel_jobs(context, entry.eui, "decommissioned")
    if is_hub:
        hub_gone(context, entry)
    _tell_decommissioned(context, case.sender.eui, entry, in_home)
    with recorded(context, entry.eui, str(case.request.request_id), case.row.srv):
        set_status(context, entry, DeviceStatus.DECOMMISSIONED)
    return None


def hub_withdrawn(context: Context, hub: InventoryEntry, by: Eui64) -> None:
    """A hub is returned or withdrawn: what was asked of it ahead ends, the schedules of its home do, and its images are lost.

    The other suppliers of its home hear of it as of a hub that was decommissioned (N8, low-medium; that a return counts, low).
    """
    others = other_parties(context, responsible_suppliers(context, hub, context.now_ms), by)
    tell_status(context, others, "hub_decommissioned", hub, element("CHFDecommissioning"))
    for device in context.lookup.on_hub(hub.eui):
        remove_schedules(context, device, "schedule_removed_withdrawn")
    drop_held(context, hub, "held_request_dropped_decommissioned")
    drop_dated(context, hub, "held_request_dropped_decommissioned")
    hub_gone(context, hub)


def _tell_decommissioned(context: Context, by: Eui64, entry: InventoryEntry, in_home: list[InventoryEntry]) -> None:
    """The other registered parties of a meter, and all suppliers on a hub, are told (N1, N8; low-medium)."""
    if entry.device_type in METERS:
        associated = [each for each in in_home if each.device_type in TYPE_1 and entry.eui in each.joined_to]
        change = element(
            "MeterDecommissioningOrWithdrawal",
            mpxns("MeterDecommissionOrWithdrawal", entry),
            *(
                element(
                    "AssociatedType1Device", element("DeviceID", format_eui(each.eui)), element("DeviceType", each.device_type)
                )
                for each in associated[:MAX_ASSOCIATED]
            ),
        )
        others = other_parties(context, registered_parties(context, entry), by)
        tell_status(context, others, "meter_decommissioned", entry, change)
    elif entry.device_type is DeviceType.CHF:
        suppliers = responsible_suppliers(context, entry, context.now_ms)
        tell_status(context, suppliers, "hub_decommissioned", entry, element("CHFDecommissioning"))
