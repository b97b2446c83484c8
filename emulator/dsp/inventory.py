"""The Smart Metering Inventory: reading it, changing it, and what the DSP believes of firmware.

Source: reference duis/duis.md sections 7.2 to 7.7.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.limits import MAX_INVENTORY_DEVICES_PER_ANSWER
from emulator.domain.mpxn import is_dummy
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole
from emulator.dsp.audit import Entry
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.registration import holders, other_parties
from emulator.dsp.state import InventoryEntry, Premises
from emulator.duis.messages import Element, element
from emulator.estate.model import CplEntry

_ANSWER_ORDER = (DeviceType.CHF, *(each for each in DeviceType if each is not DeviceType.CHF))
"""The hub comes first (duis.md 7.3, captured)."""

DESCRIPTIONS_KEPT = 4_096
"""Devices as 8.2 last listed them that are remembered: some 3 kB each."""

Outcome = Element | Refusal | None
"""A payload for the answer, a refusal, or success without data."""


def cpl_entry(context: Context, device: InventoryEntry, firmware_version: str) -> CplEntry | None:
    """The firmware list's row for this device model and version."""
    return context.state.cpl.get((device.device_type, device.manufacturer, device.model, firmware_version))


def date_of(at_ms: int) -> str:
    """The UTC date of an instant in ISO form."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def read_inventory(context: Context, case: Case) -> Outcome:
    """8.2: everything in the home of what was searched for, the hub first (duis.md 7.3)."""
    body = case.request.body
    reference = case.row.service_reference
    hubs, unplaced = _search(context, body)
    listed = [entry for hub in sorted(hubs) for entry in context.lookup.on_hub(hub)] + unplaced
    if not listed:
        return Refusal(context.codes.code("inventory_nothing_found", reference), "nothing in the inventory matches the search")
    if len(listed) > MAX_INVENTORY_DEVICES_PER_ANSWER:
        detail = f"{len(listed)} devices match the search; an answer holds {MAX_INVENTORY_DEVICES_PER_ANSWER}"
        return Refusal(context.codes.code("inventory_search_not_permitted", reference), detail)
    listed.sort(key=lambda entry: (entry.hub or 0, _ANSWER_ORDER.index(entry.device_type), entry.eui))
    return element("DSPInventory", *(_describe(context, entry) for entry in listed))


def _search(context: Context, body: Element) -> tuple[set[int], list[InventoryEntry]]:
    """The hubs of what was searched for, and found devices that are on no hub."""
    lookup = context.lookup
    if (uprn := body.value("UPRN")) is not None:
        return set(lookup.hubs_at_uprn(whole_number(uprn, "UPRN"))), []
    if (device_id := body.value("DeviceID")) is not None:
        entry = context.state.inventory.get(parse_eui(device_id))
        found = [entry] if entry else []
    elif (mpxn := body.value("MPxN")) is not None:
        found = [] if is_dummy(mpxn) else lookup.with_mpxn(mpxn)
    else:
        post_code = body.required("PropertyFilter", "PostCode")
        return set(lookup.hubs_at_address(post_code, body.required("PropertyFilter", "AddressIdentifier"))), []
    return {entry.hub for entry in found if entry.hub is not None}, [entry for entry in found if entry.hub is None]


def whole_number(text: str, where: str) -> int:
    """Read a number of the body; raise :class:`Malformed` for anything else."""
    digits = text.strip().removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise Malformed(f"{text[:40]!r} is not a whole number", where=where)
    return int(digits)


def _describe(context: Context, entry: InventoryEntry) -> Element:
    premises = context.state.premises.get(entry.hub) if entry.hub is not None else None
    listed = cpl_entry(context, entry, entry.firmware_version)
    return _device(
        *(entry.eui, entry.device_type, entry.status, entry.manufacturer, entry.model, entry.smets_version),
        *(entry.firmware_version, listed.status if listed else None, entry.date_commissioned, entry.import_mpxn),
        *(entry.secondary_import_mpan, entry.export_mpan, entry.esme_variant, entry.gbcs_version),
        *(_NOWHERE if premises is None else _place(premises)),
    )


_NOWHERE = (None, "", "", None, "", "")


def _place(premises: Premises) -> tuple[int | None, str, str, str | None, str, str]:
    return (
        *(premises.uprn, premises.post_code, premises.address_identifier, premises.region),
        *(premises.han_variant, premises.connectivity),
    )


@lru_cache(DESCRIPTIONS_KEPT)
def _device(
    eui: Eui64,
    device_type: DeviceType,
    status: DeviceStatus | None,
    manufacturer: str,
    model: str,
    smets_version: str,
    firmware_version: str,
    cpl_status: str | None,
    date_commissioned: str,
    import_mpxn: str,
    secondary_import_mpan: str,
    export_mpan: str,
    esme_variant: str,
    gbcs_version: str,
    uprn: int | None,
    post_code: str,
    address_identifier: str,
    region: str | None,
    han_variant: str,
    connectivity: str,
) -> Element:
    """One Device of DSPInventory, fields in the order of the schema; Type 2 devices have no status (duis.md 7.3).

    It follows from the arguments alone, so that a device that is read again costs a look at what it is made of.
    """
    hub, type_2 = device_type is DeviceType.CHF, device_type.type_2

    def optional(name: str, value: str | None) -> Element | None:
        return element(name, value) if value else None

    return element(
        "Device",
        element("DeviceID", format_eui(eui)),
        element("DeviceType", device_type),
        optional("DeviceStatus", status),
        element("DeviceManufacturer", manufacturer),
        element("DeviceModel", model),
        optional("SMETSCHTSVersion", smets_version),
        optional("DeviceFirmwareVersion", None if type_2 else firmware_version),
        optional("DeviceFirmwareVersionStatus", cpl_status),
        optional("CPLStatus", cpl_status),
        optional("DateCommissioned", f"{date_commissioned}Z" if date_commissioned else None),
        optional("ImportMPxN", import_mpxn),
        optional("SecondaryImportMPAN", secondary_import_mpan),
        optional("ExportMPAN", export_mpan),
        optional("ESMEVariant", esme_variant),
        optional("UPRN", str(uprn) if uprn else None),
        element("PropertyFilter", element("PostCode", post_code), element("AddressIdentifier", address_identifier))
        if post_code
        else None,
        optional("CSPRegion", region),
        optional("DeviceGBCSVersion", None if type_2 else gbcs_version),
        optional("HANVariant", han_variant if hub else None),
        optional("Connectivity", connectivity if hub else None),
    )


_RECORDED = (
    "status", "manufacturer", "model", "firmware_version", "gbcs_version", "smets_version", "esme_variant", "hub", "joined_to",
    "import_mpxn", "secondary_import_mpan", "export_mpan", "supplier",
)  # fmt: skip
"""Fields of an entry whose changes are on record, in this order."""
REPORTED = ("firmware_version", "gbcs_version")
"""Those that follow from what a device reports."""


@contextmanager
def recorded(
    context: Context, eui: Eui64, request_id: str = "", variant: str = "", *, unless: Collection[str] = ()
) -> Iterator[None]:
    """Put what changes inside in the inventory's entry of a device into the audit trail, one record with all of it.

    The record names the request that caused it, where one did; fields in ``unless`` do not make a record.
    """
    before = _values(context.state.inventory.get(eui))
    yield
    entry = context.state.inventory.get(eui)
    after = _values(entry)
    changed = [name for name in _RECORDED if before.get(name) != after.get(name)]
    if all(name in unless for name in changed):
        return
    context.audit(
        Entry(
            kind="inventory",
            outcome="changed" if before and after else "added" if after else "removed",
            request_id=request_id,
            user=request_id.partition(":")[0],
            operator=context.operator,
            device=format_eui(eui),
            mpxn="" if entry is None else entry.import_mpxn,
            variant=variant,
            before=_written(before, changed),
            after=_written(after, changed),
        )
    )


def _values(entry: InventoryEntry | None) -> dict[str, object]:
    return {} if entry is None else {name: getattr(entry, name) for name in _RECORDED}


def _written(values: Mapping[str, object], changed: Iterable[str]) -> str:
    """Fields and what they hold in one line; empty ones are left out."""
    return ", ".join(f"{name} {_text(value)}" for name in changed if (value := values.get(name)) not in (None, "", ()))


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return format_eui(value) if isinstance(value, int) else str(value)


def note(context: Context, entry: InventoryEntry, what: str) -> None:
    """Put a change of the inventory into the journal."""
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
    note(context, entry, f"now {status}")


def mpxns(name: str, entry: InventoryEntry) -> Element:
    """The MPxNs of a meter under an element of that name."""
    return element(
        name,
        element("ImportMPxN", entry.import_mpxn),
        element("SecondaryImportMPAN", entry.secondary_import_mpan) if entry.secondary_import_mpan else None,
        element("ExportMPAN", entry.export_mpan) if entry.export_mpan else None,
    )


def tell_status(
    context: Context, users: Iterable[Eui64], purpose: str, entry: InventoryEntry, change: Element, request_id: str | None = None
) -> None:
    """DeviceStatusChangeEvent with one of its changes (duis.md section 4)."""
    body = element("DeviceStatusChangeEvent", element("DeviceID", format_eui(entry.eui)), element("DeviceStatusChange", change))
    context.dcc_alert(users, purpose, body, device=entry.eui, request_id=request_id)


def registered_parties(context: Context, entry: InventoryEntry) -> list[Eui64]:
    """Everybody who is told that a meter comes or goes: suppliers, export supplier and network operators (N1, N16; medium)."""
    return holders(context, entry, (UserRole.IS, UserRole.GS, UserRole.ES, UserRole.ED, UserRole.GT), context.now_ms)


def meter_commissioned(context: Context, entry: InventoryEntry, commissioned_by: Eui64) -> None:
    """8.1.1 succeeded: the meter is Commissioned and the other registered parties are told (duis.md 7.7, N16)."""
    set_status(context, entry, DeviceStatus.COMMISSIONED)
    variant = element("ESMEVariant", entry.esme_variant) if entry.esme_variant else None
    change = element("MeterIdentity", mpxns("MeterMPxNs", entry), variant)
    others = other_parties(context, registered_parties(context, entry), commissioned_by)
    tell_status(context, others, "meter_commissioned", entry, change)


def load_control_may_change(context: Context, meter: InventoryEntry, *, variant: bool = False, version: bool = False) -> None:
    """ALCSHCALCSConfigurationChange to all parties of an ESME whose variant or GBCS version is another one now: what it does with
    load control may be (N58, low-medium). Which changes do affect it is in no source: see ``load_control_alert``."""
    wanted = context.settings.load_control_alert
    if meter.device_type is not DeviceType.ESME or not (variant or version) or wanted == "off":
        return
    switches = (each for each in context.lookup.on_hub(meter.hub) if each.device_type is DeviceType.HCALCS)
    if wanted == "joined" and not any(meter.eui in each.joined_to or each.eui in meter.joined_to for each in switches):
        return
    body = element(
        "ALCSHCALCSConfigurationChange",
        element("ESMEDeviceID", format_eui(meter.eui)),
        element("ESMEVariant", meter.esme_variant) if variant and meter.esme_variant else None,
        element("DeviceGBCSVersion", meter.gbcs_version) if version else None,
    )
    context.dcc_alert(registered_parties(context, meter), "load_control_configuration_changed", body, device=meter.eui)
