"""Reports that count homes and devices: what can be updated over the air, and the visits that it spares."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.domain.vocabulary import CspRegion, DeviceStatus, DeviceType
from emulator.dsp import job_states
from emulator.dsp.firmware import hub_passes_on, passes_on
from emulator.dsp.jobs import job_of
from emulator.dsp.registration import supplier_parties
from emulator.dsp.releases import RELEASED_TYPES
from emulator.dsp.state import InventoryEntry
from emulator.engine import Engine
from emulator.premises.terms import terms_of
from emulator.reports.firmware import region_of
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit

METERS = frozenset({DeviceType.ESME, DeviceType.GSME})
TO_BE_INSTALLED = frozenset({DeviceStatus.PENDING, DeviceStatus.WHITELISTED, DeviceStatus.INSTALLED_NOT_COMMISSIONED})
COUNTED = frozenset({*METERS, *RELEASED_TYPES, DeviceType.IHD, DeviceType.CAD})
"""Device types of the census: hubs have their firmware from the CSPs, and a GPF is part of its hub."""

# update-census


@dataclass(slots=True)
class _Count:
    """Devices of one type in one region."""

    device_type: DeviceType
    region: CspRegion
    installed: int = 0
    to_be_installed: int = 0
    now: int = 0
    later: int = 0
    no_right: int = 0
    hub_too_old: int = 0
    no_hub: int = 0


def _select_census(engine: Engine, filters: Filters) -> Sequence[_Count]:
    supplier, wanted = filters.get("supplier"), filters.get("type")
    found: dict[tuple[DeviceType, CspRegion], _Count] = {}
    for entry in engine.state.dsp.inventory.values():
        if entry.device_type not in COUNTED or wanted not in (None, entry.device_type.value):
            continue
        if supplier is None or supplier in supplier_parties(engine.context, entry, engine.now_ms):
            region = region_of(engine, entry.hub)
            _count(engine, entry, found.setdefault((entry.device_type, region), _Count(entry.device_type, region)))
    order = {region: number for number, region in enumerate(CspRegion)}
    return [found[key] for key in sorted(found, key=lambda key: (key[0].value, order[key[1]]))]


def _count(engine: Engine, entry: InventoryEntry, count: _Count) -> None:
    """Put one device where it belongs: it can be updated now, only once everything is released, or never as it stands."""
    if entry.status in TO_BE_INSTALLED:
        count.to_be_installed += 1
    else:
        count.installed += 1
    if entry.device_type not in (*METERS, *RELEASED_TYPES):
        count.no_right += 1
    elif entry.hub is None:
        count.no_hub += 1
    elif entry.device_type in METERS or passes_on(engine.context, entry):
        count.now += 1
    elif hub_passes_on(engine.context, entry):
        count.later += 1
    else:
        count.hub_too_old += 1


def _census_row(engine: Engine, count: _Count) -> Row:
    return {
        "type": count.device_type.value,
        "region": count.region.value,
        "installed": count.installed,
        "to_be_installed": count.to_be_installed,
        "now": count.now,
        "after_release": count.now + count.later,
        "never": count.no_right + count.hub_too_old,
        "no_right": count.no_right,
        "hub_too_old": count.hub_too_old,
        "no_hub": count.no_hub,
    }


UPDATE_CENSUS = Report(
    "update-census",
    "How many devices could have firmware over the air now, how many once the releases of DSP and CSPs are live, how many are "
    "stranded as they stand; by type and region (Q7-18).",
    (
        Column("type", "their device type"),
        Column("region", "region of their hubs", Unit.REGION),
        Column("installed", "devices that are installed", Unit.NUMBER),
        Column("to_be_installed", "devices that are notified and not commissioned yet", Unit.NUMBER),
        Column("now", "devices that can be updated now", Unit.NUMBER),
        Column("after_release", "devices that can be once DSP and CSPs have released it, those of now included", Unit.NUMBER),
        Column("never", "devices that cannot then either, as they and their hubs are", Unit.NUMBER),
        Column("no_right", "of those: devices of a kind that has no right to updates", Unit.NUMBER),
        Column("hub_too_old", "of those: devices whose hub's firmware does not pass images on to them", Unit.NUMBER),
        Column("no_hub", "devices of which nobody knows a hub yet", Unit.NUMBER),
    ),
    (Filter("type", "of this device type"), Filter("supplier", "devices of this supplier now", Unit.COMPANY)),
    row=_census_row,
    select=_select_census,
)


# visits-avoided


class Payment(StrEnum):
    """How a home pays for its energy."""

    PREPAYMENT = "prepayment"
    CREDIT = "credit"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _Visits:
    """Devices of one type in homes that pay in one way, by what became of their newest firmware job."""

    device_type: DeviceType
    payment: Payment
    states: list[str] = field(default_factory=list)


def payment_of(engine: Engine, entry: InventoryEntry) -> Payment:
    """How the home of a device pays: as its own account has it for a meter, that of the electricity meter for all others."""
    device = engine.state.premises.devices.get(entry.eui)
    if device is None or device.device_type not in METERS:
        around = [] if entry.hub is None else engine.context.lookup.on_hub(entry.hub)
        meters = [each.eui for each in around if each.device_type is DeviceType.ESME]
        device = next((engine.state.premises.devices[eui] for eui in meters if eui in engine.state.premises.devices), None)
    if device is None:
        return Payment.UNKNOWN
    return Payment.PREPAYMENT if terms_of(device).prepayment else Payment.CREDIT


def _select_visits(engine: Engine, filters: Filters) -> Sequence[_Visits]:
    supplier = filters.get("supplier")
    found: dict[tuple[DeviceType, Payment], _Visits] = {}
    for entry in engine.state.dsp.inventory.values():
        job = job_of(engine.context, entry.eui)
        if job is None or (supplier and supplier not in supplier_parties(engine.context, entry, engine.now_ms)):
            continue
        key = entry.device_type, payment_of(engine, entry)
        found.setdefault(key, _Visits(*key)).states.append(job.state)
    return [found[key] for key in sorted(found)]


def _visits_row(engine: Engine, visits: _Visits) -> Row:
    avoided = sum(state in (job_states.ACTIVATED, job_states.CONFIRMED) for state in visits.states)
    needed = sum(state in job_states.TROUBLED for state in visits.states)
    return {
        "type": visits.device_type.value,
        "payment": visits.payment.value,
        "devices": len(visits.states),
        "avoided": avoided,
        "needed": needed,
        "open": len(visits.states) - avoided - needed,
    }


VISITS_AVOIDED = Report(
    "visits-avoided",
    "Devices that firmware was sent to, by what it takes to have it there: nothing more where they run it, a visit where their "
    "newest job failed; by type, and by how the home pays. How a home pays its meter knows (Q7-14).",
    (
        Column("type", "their device type"),
        Column("payment", "how the home pays: prepayment, credit, or unknown without a meter"),
        Column("devices", "devices with a firmware job", Unit.NUMBER),
        Column("avoided", "visits that are spared: devices that run what was sent", Unit.NUMBER),
        Column("needed", "visits that are left to do: devices of which the newest job failed", Unit.NUMBER),
        Column("open", "devices of which the outcome is still awaited, or whose job was cancelled", Unit.NUMBER),
    ),
    (Filter("supplier", "devices of this supplier now", Unit.COMPANY),),
    row=_visits_row,
    select=_select_visits,
)
