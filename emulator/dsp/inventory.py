"""The Smart Metering Inventory: reading it, changing it, and what the DSP believes of firmware.

Source: reference duis/duis.md sections 7.2 to 7.7.
"""

from datetime import UTC, datetime

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.limits import MAX_INVENTORY_DEVICES_PER_ANSWER
from emulator.domain.vocabulary import CplStatus, DeviceStatus, DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.registration import network_operators, registered, responsible, responsible_suppliers
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import Element, element
from emulator.estate.model import CplEntry

_ANSWER_ORDER = (DeviceType.CHF, *(each for each in DeviceType if each is not DeviceType.CHF))
"""The hub comes first (duis.md 7.3, captured)."""

Outcome = Element | Refusal | None
"""A payload for the answer, a refusal, or success without data."""


def cpl_entry(context: Context, device: InventoryEntry, firmware_version: str) -> CplEntry | None:
    """The firmware list's row for this device model and version."""
    for entry in context.state.cpl:
        if (entry.device_type, entry.manufacturer, entry.model, entry.firmware_version) == (
            device.device_type,
            device.manufacturer,
            device.model,
            firmware_version,
        ):
            return entry
    return None


def date_of(at_ms: int) -> str:
    """The UTC date of an instant in ISO form."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def read_inventory(context: Context, case: Case) -> Outcome:
    """8.2: everything in the home of what was searched for, the hub first (duis.md 7.3)."""
    body = case.request.body
    reference = case.row.service_reference
    found = _search(context, body)
    if not found:
        return Refusal(context.codes.code("inventory_nothing_found", reference), "nothing in the inventory matches the search")
    hubs = {entry.hub for entry in found if entry.hub is not None}
    listed = [entry for entry in context.state.inventory.values() if entry.hub in hubs] + [e for e in found if e.hub is None]
    listed.sort(key=lambda entry: (entry.hub or 0, _ANSWER_ORDER.index(entry.device_type), entry.eui))
    return element("DSPInventory", *(_describe(context, entry) for entry in listed[:MAX_INVENTORY_DEVICES_PER_ANSWER]))


def _search(context: Context, body: Element) -> list[InventoryEntry]:
    inventory = context.state.inventory
    if (device_id := body.value("DeviceID")) is not None:
        entry = inventory.get(parse_eui(device_id))
        return [entry] if entry else []
    if (mpxn := body.value("MPxN")) is not None:
        return [e for e in inventory.values() if mpxn in (e.import_mpxn, e.secondary_import_mpan, e.export_mpan)]
    premises = context.state.premises.values()
    if (uprn := body.value("UPRN")) is not None:
        hubs = {p.hub for p in premises if p.uprn == int(uprn)}
    else:
        post_code = body.required("PropertyFilter", "PostCode").replace(" ", "").upper()
        address = body.required("PropertyFilter", "AddressIdentifier").strip().upper()
        hubs = {
            p.hub
            for p in premises
            if p.post_code.replace(" ", "").upper() == post_code and p.address_identifier.upper() == address
        }
    return [entry for entry in inventory.values() if entry.hub in hubs]


def _describe(context: Context, entry: InventoryEntry) -> Element:
    """One Device of DSPInventory, fields in the order of the schema; Type 2 devices have no status (duis.md 7.3)."""
    premises = context.state.premises.get(entry.hub) if entry.hub is not None else None
    listed = cpl_entry(context, entry, entry.firmware_version)
    hub = entry.device_type is DeviceType.CHF
    type_2 = entry.device_type.type_2

    def optional(name: str, value: str | None) -> Element | None:
        return element(name, value) if value else None

    located = premises is not None and bool(premises.post_code)
    return element(
        "Device",
        element("DeviceID", format_eui(entry.eui)),
        element("DeviceType", entry.device_type),
        optional("DeviceStatus", entry.status),
        element("DeviceManufacturer", entry.manufacturer),
        element("DeviceModel", entry.model),
        optional("SMETSCHTSVersion", entry.smets_version),
        optional("DeviceFirmwareVersion", None if type_2 else entry.firmware_version),
        optional("DeviceFirmwareVersionStatus", listed.status if listed else None),
        optional("CPLStatus", listed.status if listed else None),
        optional("DateCommissioned", f"{entry.date_commissioned}Z" if entry.date_commissioned else None),
        optional("ImportMPxN", entry.import_mpxn),
        optional("SecondaryImportMPAN", entry.secondary_import_mpan),
        optional("ExportMPAN", entry.export_mpan),
        optional("ESMEVariant", entry.esme_variant),
        optional("UPRN", str(premises.uprn) if premises and premises.uprn else None),
        element(
            "PropertyFilter",
            element("PostCode", premises.post_code),
            element("AddressIdentifier", premises.address_identifier),
        )
        if premises is not None and located
        else None,
        optional("CSPRegion", premises.region if premises else None),
        optional("DeviceGBCSVersion", None if type_2 else entry.gbcs_version),
        optional("HANVariant", premises.han_variant if premises and hub else None),
        optional("Connectivity", premises.connectivity if premises and hub else None),
    )


def prenotify(context: Context, case: Case) -> Outcome:
    """12.2: a device becomes known, Pending; a hub brings its GPF with it (duis.md 7.2)."""
    body, reference = case.request.body, case.row.service_reference
    device_type = DeviceType(body.required("DeviceType"))
    eui = parse_eui(body.required("DeviceID"))
    gpf_text = body.value("AssociatedGPFDeviceID")
    gpf = None if gpf_text is None else parse_eui(gpf_text)

    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, reference), detail, where=check)

    if device_type is DeviceType.CHF and gpf is None:
        return refuse("prenotified_gpf_missing", "a CHF is notified with its AssociatedGPFDeviceID")
    if gpf is not None and gpf == eui:
        return refuse("prenotified_hub_is_gpf", "the CHF and its GPF have different EUIs")
    for identity in (eui, gpf):
        if identity is not None and identity in context.state.inventory:
            return refuse("prenotified_already_known", f"{format_eui(identity)} is in the inventory already")
    entry = InventoryEntry(
        eui=eui,
        device_type=device_type,
        hub=eui if device_type is DeviceType.CHF else None,
        manufacturer=body.required("DeviceManufacturer"),
        model=body.required("DeviceModel"),
        smets_version=body.value("SMETSCHTSVersion") or "",
        firmware_version=body.value("FirmwareVersion") or "",
        gbcs_version="",
        status=None if device_type.type_2 else DeviceStatus.PENDING,
        esme_variant=body.value("ESMEVariant") or "",
        notified_by=case.sender.eui,
        associated_gpf=gpf,
    )
    listed = cpl_entry(context, entry, entry.firmware_version)
    if not device_type.type_2 and listed is None:
        return refuse(
            "prenotified_not_on_cpl",
            f"{device_type} {entry.manufacturer}/{entry.model} with firmware {entry.firmware_version or '(none)'} is not on the "
            "Central Products List",
        )
    entry.gbcs_version = listed.gbcs_version if listed else ""
    context.state.inventory[eui] = entry
    if gpf is not None:
        context.state.inventory[gpf] = InventoryEntry(
            eui=gpf,
            device_type=DeviceType.GPF,
            hub=eui,
            manufacturer=entry.manufacturer,
            model=entry.model,
            smets_version=entry.smets_version,
            firmware_version=entry.firmware_version,
            gbcs_version=entry.gbcs_version,
            status=DeviceStatus.PENDING,
            notified_by=case.sender.eui,
        )
    _note(context, entry, "pre-notified")
    return None


_USER_STATUS_CHANGES: dict[tuple[DeviceStatus, DeviceStatus], bool] = {
    (DeviceStatus.PENDING, DeviceStatus.INSTALLED_NOT_COMMISSIONED): True,
    (DeviceStatus.WHITELISTED, DeviceStatus.INSTALLED_NOT_COMMISSIONED): True,
    (DeviceStatus.WHITELISTED, DeviceStatus.PENDING): True,
    (DeviceStatus.INSTALLED_NOT_COMMISSIONED, DeviceStatus.PENDING): True,
}
"""Status changes a user may make on a device other than a hub (duis.md 7.7, medium)."""

_HUB_STATUS_CHANGES: dict[tuple[DeviceStatus, DeviceStatus], bool] = {
    (DeviceStatus.PENDING, DeviceStatus.INSTALLED_NOT_COMMISSIONED): True,
    (DeviceStatus.PENDING, DeviceStatus.COMMISSIONED): True,
    (DeviceStatus.INSTALLED_NOT_COMMISSIONED, DeviceStatus.COMMISSIONED): True,
    (DeviceStatus.INSTALLED_NOT_COMMISSIONED, DeviceStatus.WITHDRAWN): True,
    (DeviceStatus.COMMISSIONED, DeviceStatus.WITHDRAWN): True,
}
"""The same for hubs (duis.md 7.4 values certain, transitions medium)."""


def update_inventory(context: Context, case: Case) -> Outcome:
    """8.4: exactly one kind of change to one device (duis.md 7.4)."""
    body = case.request.body
    entry = context.state.inventory.get(parse_eui(body.required("DeviceID")))
    if entry is None:
        return Refusal(context.codes.code("device_unknown"), f"{body.value('DeviceID')} is not in the inventory")
    if not _may_update(context, case, entry):
        return _refuse_84(
            context, "inventory_not_notifying_party", f"{case.sender.name} neither notified nor is responsible for it"
        )
    choice = body.children[1]
    refusal = _UPDATES[choice.name](context, case, entry, choice)
    if refusal is None:
        _note(context, entry, choice.name)
    return refusal


def _may_update(context: Context, case: Case, entry: InventoryEntry) -> bool:
    if entry.notified_by == case.sender.eui:
        return True
    return any(
        responsible(context.state, case.sender, role, entry, case.at_ms) for role in case.sender.roles if role is not UserRole.OU
    ) or (entry.device_type.type_2 and UserRole.OU in case.sender.roles)


def _refuse_84(context: Context, check: str, detail: str) -> Refusal:
    return Refusal(context.codes.code(check, "8.4"), detail, where=check)


def _update_status(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    wanted = DeviceStatus(choice.text)
    hub_choice = choice.name == "UpdateDeviceStatusCH"
    if hub_choice != (entry.device_type is DeviceType.CHF):
        return _refuse_84(context, "inventory_choice_for_type", f"{choice.name} does not fit a {entry.device_type}")
    table = _HUB_STATUS_CHANGES if hub_choice else _USER_STATUS_CHANGES
    if entry.status is None or not table.get((entry.status, wanted)):
        return _refuse_84(context, "inventory_status_change", f"from {entry.status} to {wanted} is not a change a user may make")
    entry.status = wanted
    if wanted is DeviceStatus.COMMISSIONED:
        entry.date_commissioned = date_of(case.at_ms)
    return None


def _update_details(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    changed = {
        "manufacturer": choice.value("DeviceManufacturer") or entry.manufacturer,
        "model": choice.value("DeviceModel") or entry.model,
        "smets_version": choice.value("SMETSCHTSVersion") or entry.smets_version,
        "firmware_version": choice.value("FirmwareVersion") or entry.firmware_version,
    }
    variant = choice.value("ESMEVariant")
    if variant is not None and entry.device_type is not DeviceType.ESME:
        return _refuse_84(context, "inventory_esme_variant", f"a {entry.device_type} has no ESMEVariant")
    on_list = any(
        (e.device_type, e.manufacturer, e.model, e.firmware_version)
        == (entry.device_type, changed["manufacturer"], changed["model"], changed["firmware_version"])
        for e in context.state.cpl
    )
    if not entry.device_type.type_2 and not on_list:
        return _refuse_84(context, "inventory_not_on_cpl", f"{'/'.join(changed.values())} is not on the Central Products List")
    for name, value in changed.items():
        setattr(entry, name, value)
    entry.esme_variant = variant or entry.esme_variant
    return None


def _delete(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    if entry.status not in (DeviceStatus.PENDING, None):
        return _refuse_84(context, "inventory_delete", f"only a Pending device can be deleted, this one is {entry.status}")
    del context.state.inventory[entry.eui]
    if entry.associated_gpf in context.state.inventory:
        del context.state.inventory[entry.associated_gpf]
    if entry.notified_by is not None:
        body = element(
            "DeviceStatusChangeEvent",
            element("DeviceID", format_eui(entry.eui)),
            element("DeviceStatusChange", element("DeviceRemovedFromInventory")),
        )
        context.dcc_alert([entry.notified_by], "device_removed", body, device=entry.eui, request_id=str(case.request.request_id))
    return None


def _update_mpxn(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    kind = choice.children[0]
    field, roles = {
        "ImportMPxN": ("import_mpxn", (UserRole.IS, UserRole.GS)),
        "SecondaryImportMPAN": ("secondary_import_mpan", (UserRole.IS,)),
        "ExportMPAN": ("export_mpan", (UserRole.ES,)),
    }[kind.name]
    if entry.device_type not in (DeviceType.ESME, DeviceType.GSME):
        return _refuse_84(context, "inventory_choice_for_type", f"a {entry.device_type} has no MPxN")
    held = [role for role in roles if role in case.sender.roles]
    if not any(registered(context.state, kind.text, role, case.sender.party, case.at_ms) for role in held):
        return _refuse_84(context, "inventory_mpxn", f"{kind.text} is not registered to {case.sender.party}")
    setattr(entry, field, kind.text)
    return None


_UPDATES = {
    "UpdateDeviceStatusExceptCH": _update_status,
    "UpdateDeviceStatusCH": _update_status,
    "UpdateDeviceDetails": _update_details,
    "DeleteDevice": _delete,
    "UpdateMPxN": _update_mpxn,
}


def _note(context: Context, entry: InventoryEntry, what: str) -> None:
    context.journal(
        "inventory",
        f"{entry.device_type} {format_eui(entry.eui)}: {what}; {entry.status}, firmware {entry.firmware_version}",
        device=entry.eui,
        data={"status": entry.status, "firmware_version": entry.firmware_version},
    )


def set_status(context: Context, entry: InventoryEntry, status: DeviceStatus) -> None:
    """Change a status and note it."""
    if entry.status is status:
        return
    entry.status = status
    if status is DeviceStatus.COMMISSIONED and not entry.date_commissioned:
        entry.date_commissioned = date_of(context.now_ms)
    _note(context, entry, f"now {status}")


def suspend_or_restore(context: Context, entry: InventoryEntry) -> None:
    """Bring the status in line with the CPL: off the list suspends, back on it restores (duis.md 7.7, high)."""
    listed = cpl_entry(context, entry, entry.firmware_version)
    usable = listed is not None and listed.status is CplStatus.ACTIVE
    if entry.status is DeviceStatus.COMMISSIONED and not usable:
        entry.status_before_suspension = entry.status
        set_status(context, entry, DeviceStatus.SUSPENDED)
        _tell_suppliers(context, entry, "device_suspended", "DeviceSuspended")
    elif entry.status is DeviceStatus.SUSPENDED and usable:
        set_status(context, entry, entry.status_before_suspension or DeviceStatus.COMMISSIONED)
        entry.status_before_suspension = None
        _tell_suppliers(context, entry, "device_restored", "DeviceRestored")


def _tell_suppliers(context: Context, entry: InventoryEntry, purpose: str, change: str) -> None:
    body = element(
        "DeviceStatusChangeEvent",
        element("DeviceID", format_eui(entry.eui)),
        element("DeviceStatusChange", element(change)),
    )
    users = responsible_suppliers(context.state, entry, context.now_ms)
    context.dcc_alert(users, purpose, body, device=entry.eui)


def mpxns(name: str, entry: InventoryEntry) -> Element:
    """The MPxNs of a meter under an element of that name."""
    return element(
        name,
        element("ImportMPxN", entry.import_mpxn),
        element("SecondaryImportMPAN", entry.secondary_import_mpan) if entry.secondary_import_mpan else None,
        element("ExportMPAN", entry.export_mpan) if entry.export_mpan else None,
    )


def meter_commissioned(context: Context, entry: InventoryEntry, commissioned_by: Eui64) -> None:
    """8.1.1 succeeded: the meter is Commissioned and the other registered parties are told (duis.md 7.7, N16)."""
    set_status(context, entry, DeviceStatus.COMMISSIONED)
    others = set(network_operators(context.state, entry, context.now_ms))
    others |= set(responsible_suppliers(context.state, entry, context.now_ms))
    body = element(
        "DeviceStatusChangeEvent",
        element("DeviceID", format_eui(entry.eui)),
        element(
            "DeviceStatusChange",
            element(
                "MeterIdentity",
                mpxns("MeterMPxNs", entry),
                element("ESMEVariant", entry.esme_variant) if entry.esme_variant else None,
            ),
        ),
    )
    context.dcc_alert(sorted(others - {commissioned_by}), "meter_commissioned", body, device=entry.eui)
