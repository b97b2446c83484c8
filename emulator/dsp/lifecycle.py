"""Devices come, join, are commissioned and go: 8.1.1, 8.3, 8.7, 8.8, 8.11 (reference duis/duis.md 7.5 to 7.7)."""

from collections.abc import Mapping

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.firmware import cancel_jobs
from emulator.dsp.gate import Case
from emulator.dsp.inventory import meter_commissioned, mpxns, set_status
from emulator.dsp.registration import network_operators, registered, responsible, responsible_suppliers
from emulator.dsp.state import InventoryEntry, PendingLogUpdate, Transaction, TransactionState
from emulator.duis.messages import Element, element

DEVICE_LOG_ENTRIES = 16
"""Devices a hub's log holds beside the hub (limits.csv L045, medium)."""

METERS = (DeviceType.ESME, DeviceType.GSME)
TYPE_1 = (DeviceType.PPMID, DeviceType.HCALCS)


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
    if entry.hub not in (None, case.target.eui):
        return refuse("device_log_on_another_hub", f"{format_eui(entry.eui)} is on another hub")
    if entry.status not in (DeviceStatus.PENDING, DeviceStatus.WHITELISTED, None):
        return refuse("device_log_device_status", f"{format_eui(entry.eui)} is {entry.status}; expected Pending or Whitelisted")
    listed = sum(e.hub == case.target.eui and e.device_type is not DeviceType.CHF for e in context.state.inventory.values())
    if entry.hub is None and listed >= DEVICE_LOG_ENTRIES:
        return refuse("device_log_hub_full", f"the hub lists {listed} devices")
    if entry.device_type in METERS:
        return _check_mpxn(context, case, entry, details)
    return None


def _check_mpxn(context: Context, case: Case, entry: InventoryEntry, details: Element) -> Refusal | None:
    mpxn = details.value("ImportMPxN") or entry.import_mpxn
    if not mpxn:
        return Refusal(context.codes.code("device_log_mpxn_missing", "8.11"), "a meter is added with its ImportMPxN")
    role = UserRole.IS if entry.device_type is DeviceType.ESME else UserRole.GS
    if not registered(context.state, mpxn, role, case.sender.party, case.at_ms):
        code = context.codes.code("device_log_mpxn_not_registered", "8.11")
        return Refusal(code, f"{mpxn} is not registered to {case.sender.party} as {role}")
    return None


def device_log_answered(context: Context, transaction: Transaction, hub: InventoryEntry, result: Mapping[str, object]) -> None:
    """The hub took CCS01 or CCS02; its alert tells whether the device log changed (duis.md 7.6)."""
    if not result.get("ok"):
        return
    body = transaction.request.body
    details = body.find("AddDeviceToCHFWhitelist")
    window_ms = int(details.required("JoinTimePeriod")) * 1000 if details is not None else 0
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
    due_ms = context.now_ms + window_ms + context.settings.hub_log_window_grace_ms
    update.deadline = context.agenda.schedule(due_ms, "dsp.device_log_window", update.request_id)
    context.state.log_updates.append(update)


def device_log_changed(context: Context, hub: InventoryEntry, result: Mapping[str, object]) -> None:
    """Alert 8F12 of the hub with its device log: what was asked of it and now shows there is done, N24 (duis.md 7.6, medium)."""
    devices = result.get("devices")
    listed = {each.get("device") for each in devices if isinstance(each, dict)} if isinstance(devices, list | tuple) else set()
    for update in [u for u in context.state.log_updates if u.hub == hub.eui and u.adding == (u.device in listed)]:
        context.state.log_updates.remove(update)
        context.agenda.cancel(update.deadline)
        entry = context.state.inventory.get(update.device)
        if entry is not None:
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
        entry.hub = update.hub
        for name in ("import_mpxn", "secondary_import_mpan", "export_mpan"):
            setattr(entry, name, getattr(update, name) or getattr(entry, name))
        if entry.status is not None:
            set_status(context, entry, DeviceStatus.WHITELISTED)
        return
    others = set(responsible_suppliers(context.state, entry, context.now_ms)) - {update.user}
    entry.hub, entry.joined_to = None, ()
    cancel_jobs(context, entry.eui, "removed from the hub's device log")
    if entry.device_type is DeviceType.PPMID and others:
        body = element(
            "PPMIDRemoval",
            element("PPMIDDeviceID", format_eui(entry.eui)),
            element("CHFDeviceID", format_eui(update.hub)),
        )
        context.dcc_alert(sorted(others), "ppmid_removed", body, device=entry.eui, request_id=update.request_id)


def heard_from(context: Context, device: InventoryEntry) -> None:
    """First communication of a whitelisted device: it is installed (duis.md 7.7, medium)."""
    if device.status is DeviceStatus.WHITELISTED:
        set_status(context, device, DeviceStatus.INSTALLED_NOT_COMMISSIONED)


def clock_synchronised(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.1.1 answered: success commissions the meter (duis.md 7.7, high)."""
    if result.get("ok") and device.status is DeviceStatus.INSTALLED_NOT_COMMISSIONED:
        device.supplier = device.supplier or transaction.user
        meter_commissioned(context, device, transaction.user)


def joined(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.7.x answered: both ends know each other; a Type 1 device or GPF joined with a commissioned meter is commissioned."""
    other = context.state.inventory.get(parse_eui(transaction.request.body.required("OtherDeviceID")))
    if not result.get("ok") or other is None:
        return
    for one, two in ((device, other), (other, device)):
        if two.eui not in one.joined_to:
            one.joined_to = (*one.joined_to, two.eui)
        is_follower = one.device_type in (*TYPE_1, DeviceType.GPF)
        meter_ready = two.device_type in METERS and two.status is DeviceStatus.COMMISSIONED
        if is_follower and meter_ready and one.status is DeviceStatus.INSTALLED_NOT_COMMISSIONED:
            set_status(context, one, DeviceStatus.COMMISSIONED)


def unjoined(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.8.x answered: the two no longer know each other."""
    other = context.state.inventory.get(parse_eui(transaction.request.body.required("OtherDeviceID")))
    if result.get("ok") and other is not None:
        device.joined_to = tuple(eui for eui in device.joined_to if eui != other.eui)
        other.joined_to = tuple(eui for eui in other.joined_to if eui != device.eui)


def decommission(context: Context, case: Case) -> Refusal | None:
    """8.3: the device leaves; held requests and jobs end and the other parties are told (duis.md 7.5)."""
    entry = context.state.inventory.get(parse_eui(case.request.body.required("DeviceID")))

    def refuse(check: str, reference: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, reference), detail, where=check)

    if entry is None:
        return refuse("device_unknown", "", f"{case.request.body.value('DeviceID')} is not in the inventory")
    roles = [role for role in case.sender.roles if role in case.row.roles]
    if not any(responsible(context.state, case.sender, role, entry, case.at_ms) for role in roles):
        return refuse("not_responsible", "", f"{case.sender.name} is not registered for {format_eui(entry.eui)}")
    permitted = (DeviceStatus.COMMISSIONED, DeviceStatus.SUSPENDED, DeviceStatus.INSTALLED_NOT_COMMISSIONED)
    if entry.status not in permitted:
        return refuse("decommission_status", "8.3", f"a device that is {entry.status or 'of Type 2'} cannot be decommissioned")
    in_home = [e for e in context.state.inventory.values() if e.hub == entry.hub]
    if entry.device_type is DeviceType.CHF and any(e.device_type in METERS and e.status in permitted for e in in_home):
        return refuse("decommission_hub_has_meters", "8.3", "meters of the hub are in service")
    _drop_held(context, entry)
    cancel_jobs(context, entry.eui, "decommissioned")
    _tell_decommissioned(context, case.sender.eui, entry, in_home)
    set_status(context, entry, DeviceStatus.DECOMMISSIONED)
    return None


def _drop_held(context: Context, entry: InventoryEntry) -> None:
    for transaction in context.state.transactions.values():
        if transaction.device != entry.eui or transaction.state is not TransactionState.HELD:
            continue
        context.agenda.cancel(transaction.deadline)
        transaction.state = TransactionState.CANCELLED
        request_id = str(transaction.request.request_id)
        body = element("CommandFailure", element("CommandRequestID", request_id), element("DeviceID", format_eui(entry.eui)))
        purpose = "held_request_dropped_decommissioned"
        context.dcc_alert([transaction.user], purpose, body, device=entry.eui, request_id=request_id)


def _tell_decommissioned(context: Context, by: Eui64, entry: InventoryEntry, in_home: list[InventoryEntry]) -> None:
    if entry.device_type in METERS:
        others = set(network_operators(context.state, entry, context.now_ms))
        others |= set(responsible_suppliers(context.state, entry, context.now_ms))
        associated = [e for e in in_home if e.device_type in TYPE_1 and entry.eui in e.joined_to]
        change = element(
            "MeterDecommissioningOrWithdrawal",
            mpxns("MeterDecommissionOrWithdrawal", entry),
            *(
                element("AssociatedType1Device", element("DeviceID", format_eui(e.eui)), element("DeviceType", e.device_type))
                for e in associated[:7]
            ),
        )
        purpose = "meter_decommissioned"
    elif entry.device_type is DeviceType.CHF:
        others = set(responsible_suppliers(context.state, entry, context.now_ms))
        change, purpose = element("CHFDecommissioning"), "hub_decommissioned"
    else:
        return
    body = element("DeviceStatusChangeEvent", element("DeviceID", format_eui(entry.eui)), element("DeviceStatusChange", change))
    context.dcc_alert(sorted(others - {by}), purpose, body, device=entry.eui)
