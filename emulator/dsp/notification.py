"""Changes of the Smart Metering Inventory that users ask for: 12.2 and 8.4 (reference duis/duis.md 7.2, 7.4 and 7.7)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import CplStatus, DeviceStatus, DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.inventory import cpl_entry, date_of, load_control_may_change, note, recorded, tell_status
from emulator.dsp.jobs import cancel_jobs
from emulator.dsp.lifecycle import hub_withdrawn
from emulator.dsp.registration import METERS, registered, responsible, responsible_suppliers
from emulator.dsp.schedules import remove_schedules
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import Element, element
from emulator.estate.model import CplEntry

Vocabulary = TypeVar("Vocabulary", bound=StrEnum)


def word(vocabulary: type[Vocabulary], text: str, where: str) -> Vocabulary:
    """One of a closed set of words; raise :class:`Malformed` for anything else."""
    try:
        return vocabulary(text)
    except ValueError:
        raise Malformed(f"{text[:40]!r} does not exist", where=where, expected=", ".join(vocabulary)) from None


# 12.2


def prenotify(context: Context, case: Case) -> Refusal | None:
    """12.2: a device becomes known, Pending; a hub brings its GPF with it (duis.md 7.2)."""
    body = case.request.body
    device_type = word(DeviceType, body.required("DeviceType"), "DeviceType")
    eui = parse_eui(body.required("DeviceID"))
    gpf_text = body.value("AssociatedGPFDeviceID")
    gpf = None if gpf_text is None else parse_eui(gpf_text)
    refusal = _check_identities(context, case, device_type, eui, gpf)
    if refusal is not None:
        return refusal
    entry = InventoryEntry(
        eui=eui,
        device_type=device_type,
        hub=eui if device_type is DeviceType.CHF else None,
        manufacturer=_product(device_type, body.required("DeviceManufacturer")),
        model=_product(device_type, body.required("DeviceModel")),
        smets_version=body.value("SMETSCHTSVersion") or "",
        firmware_version=_product(device_type, body.value("FirmwareVersion") or ""),
        gbcs_version="",
        status=None if device_type.type_2 else DeviceStatus.PENDING,
        esme_variant=body.value("ESMEVariant") or "",
        notified_by=case.sender.eui,
        associated_gpf=gpf,
    )
    listed = cpl_entry(context, entry, entry.firmware_version)
    if not device_type.type_2 and not _usable(listed):
        product = f"{entry.manufacturer}/{entry.model} with firmware {entry.firmware_version or '(none)'}"
        detail = f"{device_type} {product} is not on the Central Products List"
        return _refuse(context, case, "prenotified_not_on_cpl", detail)
    entry.gbcs_version = listed.gbcs_version if listed else ""
    for new in (entry, None if gpf is None else _gas_proxy(entry, gpf)):
        if new is not None:
            with recorded(context, new.eui, str(case.request.request_id), case.row.srv):
                context.lookup.add_device(new)
    note(context, entry, "pre-notified")
    return None


def _product(device_type: DeviceType, text: str) -> str:
    """A manufacturer, model or version as the Central Products List writes them: hexadecimal digits, in capitals here as in 11.1;
    of a Type 2 device it is free text (duis.md 7.2, medium)."""
    return text if device_type.type_2 else text.upper()


def _refuse(context: Context, case: Case, check: str, detail: str) -> Refusal:
    return Refusal(context.codes.code(check, case.row.service_reference), detail, where=check)


def _usable(listed: CplEntry | None) -> bool:
    return listed is not None and listed.status is CplStatus.ACTIVE


def _check_identities(context: Context, case: Case, device_type: DeviceType, eui: Eui64, gpf: Eui64 | None) -> Refusal | None:
    """Hub and GPF are notified together, and nothing is notified twice (duis.md 7.2, medium)."""
    if device_type is DeviceType.CHF and gpf is None:
        return _refuse(context, case, "prenotified_gpf_missing", "a CHF is notified with its AssociatedGPFDeviceID")
    if device_type is DeviceType.GPF:
        return _refuse(context, case, "prenotified_gpf_missing", "a GPF is notified with its CHF, as AssociatedGPFDeviceID")
    if gpf is not None and device_type is not DeviceType.CHF:
        return _refuse(context, case, "prenotified_gpf_missing", f"AssociatedGPFDeviceID goes with a CHF, not with {device_type}")
    if gpf == eui:
        return _refuse(context, case, "prenotified_hub_is_gpf", "the CHF and its GPF have different EUIs")
    for identity in (eui, gpf):
        if identity is not None and (identity in context.state.inventory or identity in context.state.users):
            return _refuse(context, case, "prenotified_already_known", f"{format_eui(identity)} is known already")
    return None


def _gas_proxy(hub: InventoryEntry, eui: Eui64) -> InventoryEntry:
    """The GPF of a hub; it copies what the hub is (duis.md 7.3, captured)."""
    return InventoryEntry(
        eui=eui,
        device_type=DeviceType.GPF,
        hub=hub.eui,
        manufacturer=hub.manufacturer,
        model=hub.model,
        smets_version=hub.smets_version,
        firmware_version=hub.firmware_version,
        gbcs_version=hub.gbcs_version,
        status=hub.status,
        notified_by=hub.notified_by,
    )


# 8.4

_USER_STATUS_CHANGES = frozenset(
    {
        (DeviceStatus.PENDING, DeviceStatus.INSTALLED_NOT_COMMISSIONED),
        (DeviceStatus.WHITELISTED, DeviceStatus.INSTALLED_NOT_COMMISSIONED),
        (DeviceStatus.WHITELISTED, DeviceStatus.PENDING),
        (DeviceStatus.INSTALLED_NOT_COMMISSIONED, DeviceStatus.PENDING),
    }
)
"""Status changes a user may make on a device other than a hub (duis.md 7.7, medium)."""

_HUB_STATUS_CHANGES = frozenset(
    {
        (DeviceStatus.PENDING, DeviceStatus.INSTALLED_NOT_COMMISSIONED),
        (DeviceStatus.PENDING, DeviceStatus.COMMISSIONED),
        (DeviceStatus.INSTALLED_NOT_COMMISSIONED, DeviceStatus.COMMISSIONED),
        (DeviceStatus.INSTALLED_NOT_COMMISSIONED, DeviceStatus.WITHDRAWN),
        (DeviceStatus.COMMISSIONED, DeviceStatus.WITHDRAWN),
        (DeviceStatus.SUSPENDED, DeviceStatus.WITHDRAWN),
    }
)
"""The same for hubs (duis.md 7.4 values certain, transitions medium)."""

_BEFORE_COMMISSIONING = frozenset({DeviceStatus.PENDING, DeviceStatus.WHITELISTED, DeviceStatus.INSTALLED_NOT_COMMISSIONED, None})
"""Statuses in which a user may correct what a device is; later the device itself proves it (ota.md 5.1)."""


def update_inventory(context: Context, case: Case) -> Refusal | None:
    """8.4: exactly one kind of change to one device (duis.md 7.4)."""
    body = case.request.body
    entry = context.state.inventory.get(parse_eui(body.required("DeviceID")))
    if entry is None:
        detail = f"{body.value('DeviceID')} is not in the inventory"
        return Refusal(context.codes.code("device_unknown"), detail, where="device_unknown")
    if not _may_update(context, case, entry):
        detail = f"{case.sender.name} neither notified it nor is responsible for it"
        return _refuse(context, case, "inventory_not_notifying_party", detail)
    choice = next((child for child in body.children if child.name in _UPDATES), None)
    if choice is None:
        raise Malformed("no change is asked for", where="UpdateInventory", expected=f"one of {', '.join(_UPDATES)}")
    with recorded(context, entry.eui, str(case.request.request_id), case.row.srv):
        refusal = _UPDATES[choice.name](context, case, entry, choice)
    if refusal is None:
        note(context, entry, choice.name)
    return refusal


def _may_update(context: Context, case: Case, entry: InventoryEntry) -> bool:
    """Who notified the device or is responsible for it; Other Users no Type 2 device of another party (duis.md 7.8, low)."""
    if entry.notified_by == case.sender.eui:
        return True
    roles = [role for role in case.sender.roles if role is not UserRole.OU]
    if any(responsible(context, case.sender, role, entry, case.at_ms) for role in roles):
        return True
    return entry.device_type.type_2 and entry.notified_by is None and UserRole.OU in case.sender.roles


def _update_status(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    wanted = word(DeviceStatus, choice.text, choice.name)
    hub_choice = choice.name == "UpdateDeviceStatusCH"
    if hub_choice != (entry.device_type is DeviceType.CHF):
        return _refuse(context, case, "inventory_choice_for_type", f"{choice.name} does not fit a {entry.device_type}")
    changes = _HUB_STATUS_CHANGES if hub_choice else _USER_STATUS_CHANGES
    if (entry.status, wanted) not in changes:
        detail = f"from {entry.status} to {wanted} is not a change a user may make"
        return _refuse(context, case, "inventory_status_change", detail)
    entry.status = wanted
    if wanted is DeviceStatus.COMMISSIONED:
        entry.date_commissioned = date_of(case.at_ms)
    elif wanted is DeviceStatus.WITHDRAWN:
        hub_withdrawn(context, entry, case.sender.eui)
    return None


def _update_details(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    if entry.status not in _BEFORE_COMMISSIONING:
        detail = f"{format_eui(entry.eui)} is {entry.status}; what it is can be corrected until it is commissioned"
        return _refuse(context, case, "inventory_status_change", detail)
    variant = choice.value("ESMEVariant")
    if variant is not None and entry.device_type is not DeviceType.ESME:
        return _refuse(context, case, "inventory_esme_variant", f"a {entry.device_type} has no ESMEVariant")
    manufacturer = _product(entry.device_type, choice.value("DeviceManufacturer") or entry.manufacturer)
    model = _product(entry.device_type, choice.value("DeviceModel") or entry.model)
    version = _product(entry.device_type, choice.value("FirmwareVersion") or entry.firmware_version)
    listed = context.state.cpl.get((entry.device_type, manufacturer, model, version))
    if not entry.device_type.type_2 and not _usable(listed):
        detail = f"{manufacturer}/{model}/{version} is not on the Central Products List"
        return _refuse(context, case, "inventory_not_on_cpl", detail)
    with context.lookup.changing(entry):
        entry.manufacturer, entry.model, entry.firmware_version = manufacturer, model, version
    entry.smets_version = choice.value("SMETSCHTSVersion") or entry.smets_version
    before = entry.esme_variant, entry.gbcs_version
    entry.gbcs_version = listed.gbcs_version if listed is not None else entry.gbcs_version
    entry.esme_variant = variant or entry.esme_variant
    changed = {"variant": entry.esme_variant != before[0], "version": entry.gbcs_version != before[1]}
    load_control_may_change(context, entry, **changed)
    return None


def _delete(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    if entry.status not in (DeviceStatus.PENDING, None):
        detail = f"only a Pending device can be deleted, this one is {entry.status}"
        return _refuse(context, case, "inventory_delete", detail)
    request_id = str(case.request.request_id)
    told = set(responsible_suppliers(context, entry, context.now_ms))
    if entry.notified_by is not None:
        told.add(entry.notified_by)
    cancel_jobs(context, entry.eui, "deleted from the inventory")
    remove_schedules(context, entry, "schedule_removed_decommissioned")
    context.lookup.drop_device(entry)
    gpf = context.state.inventory.get(entry.associated_gpf or Eui64(0))
    if gpf is not None:
        cancel_jobs(context, gpf.eui, "deleted from the inventory")
        with recorded(context, gpf.eui, request_id, case.row.srv):
            context.lookup.drop_device(gpf)
    # Who notified it, and whose it is (N9, low-medium).
    tell_status(context, told, "device_removed", entry, element("DeviceRemovedFromInventory"), request_id)
    return None


_MPXNS: Mapping[str, tuple[str, Mapping[DeviceType, UserRole]]] = {
    "ImportMPxN": ("import_mpxn", {DeviceType.ESME: UserRole.IS, DeviceType.GSME: UserRole.GS}),
    "SecondaryImportMPAN": ("secondary_import_mpan", {DeviceType.ESME: UserRole.IS}),
    "ExportMPAN": ("export_mpan", {DeviceType.ESME: UserRole.ES}),
}
"""Field of the inventory and, by device type, the role that must be registered for the new number (duis.md 7.8, low)."""


def _update_mpxn(context: Context, case: Case, entry: InventoryEntry, choice: Element) -> Refusal | None:
    kind = next((child for child in choice.children if child.name in _MPXNS), None)
    if kind is None:
        raise Malformed("no number is given", where="UpdateMPxN", expected=f"one of {', '.join(_MPXNS)}")
    field, roles = _MPXNS[kind.name]
    role = roles.get(entry.device_type)
    if entry.device_type not in METERS or role is None:
        return _refuse(context, case, "inventory_choice_for_type", f"a {entry.device_type} has no {kind.name}")
    if role not in case.sender.roles or not registered(context, kind.text, role, case.sender.party, case.at_ms):
        return _refuse(context, case, "inventory_mpxn", f"{kind.text} is not registered to {case.sender.party} as {role}")
    with context.lookup.changing(entry):
        setattr(entry, field, kind.text)
    return None


_UPDATES = {
    "UpdateDeviceStatusExceptCH": _update_status,
    "UpdateDeviceStatusCH": _update_status,
    "UpdateDeviceDetails": _update_details,
    "DeleteDevice": _delete,
    "UpdateMPxN": _update_mpxn,
}
