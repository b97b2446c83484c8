"""Reports on hubs and meters outside homes: stock, installations, defects, returns, triage, orders, costs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import DeviceType
from emulator.dsp import job_states
from emulator.dsp.jobs import is_open, job_of
from emulator.engine import Engine
from emulator.logistics import describing, installing, money, returning, triage
from emulator.logistics.books import Books
from emulator.logistics.state import ReturnRecord
from emulator.logistics.tables import state_names, states, truth_names, variant_list
from emulator.premises.state import DeviceState
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit

SUPPLIER = Filter("supplier", "of this supplier", Unit.COMPANY)
MAX_DAYS = 4_000
"""Days of a curve at most."""


def _books(engine: Engine) -> Books:
    return engine.logistics.books


def _of(filters: Filters, company: str) -> bool:
    return filters.get("supplier") in (None, company)


def _report(
    name: str, says: str, columns: Iterable[Column], select: Callable[[Engine, Filters], Sequence[Row]], *filters: Filter
) -> Report:
    return Report(name, says, tuple(columns), filters, row=lambda engine, row: row, select=select)


# stock-versions


def _versions(engine: Engine, filters: Filters) -> Sequence[Row]:
    books, now_s = _books(engine), engine.now_ms // 1000
    units = books.units
    if not units.count:
        return []
    key = (units.owner.astype(np.int64) << 40) | (units.state.astype(np.int64) << 32)
    key |= (units.variant.astype(np.int64) << 16) | units.version
    found, place, counts = np.unique(key, return_inverse=True, return_counts=True)
    days = (now_s - units.since_s.astype(np.int64)) // (DAY_MS // 1000)
    sums = np.bincount(place, days, len(found))
    oldest = np.zeros(len(found), np.int64)
    np.maximum.at(oldest, place, days)
    rows = []
    for number, each in enumerate(map(int, found)):
        company = books.state.companies[each >> 40]
        if _of(filters, company):
            rows.append(
                {
                    "supplier": company,
                    "state": state_names()[each >> 32 & 0xFF],
                    "place": states()[state_names()[each >> 32 & 0xFF]].place,
                    "variant": variant_list()[each >> 16 & 0xFF].name,
                    "version": f"{books.state.versions[each & 0xFFFF]:08X}",
                    "units": int(counts[number]),
                    "days": int(sums[number]) // int(counts[number]),
                    "oldest_days": int(oldest[number]),
                }
            )
    return rows


VERSIONS = _report(
    "stock-versions",
    "Units by who has them, where they are, what they are and what they run, and how long they have been there.",
    (
        Column("supplier", "who has them; csp for what was not delivered yet", Unit.COMPANY),
        Column("state", "their state"),
        Column("place", "where that is"),
        Column("variant", "what they are"),
        Column("version", "firmware version"),
        Column("units", "how many", Unit.NUMBER),
        Column("days", "days there, on average", Unit.NUMBER),
        Column("oldest_days", "days of the oldest", Unit.NUMBER),
    ),
    _versions,
    SUPPLIER,
)


# stock-installations


def _installations(engine: Engine, filters: Filters) -> Sequence[Row]:
    return [
        {
            "run": run.number,
            "supplier": run.by,
            "at_ms": run.at_ms,
            "policy": run.rule,
            "visits": run.units,
            "minutes": run.minutes,
            "minutes_a_visit": run.minutes // max(1, run.units),
            "updated": run.updated,
            "too_long": run.too_long,
            "failed": run.failed,
        }
        for run in _books(engine).state.runs
        if _of(filters, run.by)
    ]


INSTALLATIONS = _report(
    "stock-installations",
    "Visits to install hubs: how long they took, which hubs got their firmware meanwhile, and which failed by their firmware.",
    (
        Column("run", "number of the visits that were ordered together", Unit.NUMBER),
        Column("supplier", "whose installers", Unit.COMPANY),
        Column("at_ms", "when", Unit.INSTANT),
        Column("policy", "by which rule hubs were chosen"),
        Column("visits", "how many", Unit.NUMBER),
        Column("minutes", "of all visits together", Unit.NUMBER),
        Column("minutes_a_visit", "on average", Unit.NUMBER),
        Column("updated", "hubs that got firmware during the visit", Unit.NUMBER),
        Column("too_long", "hubs that did not, because the visit would have been too long", Unit.NUMBER),
        Column("failed", "installations that failed", Unit.NUMBER),
    ),
    _installations,
    SUPPLIER,
)


# stock-defects


def _defects(engine: Engine, filters: Filters) -> Sequence[Row]:
    books = _books(engine)
    begun = books.units.installed_s[books.units.installed_s != 0]
    if not len(begun) or not any(each.kind == "service" for each in books.state.defects):
        return []
    first_ms = int(begun.min()) * 1000
    first_ms = max(first_ms, min(each.known_ms for each in books.state.defects))
    days = min(MAX_DAYS, (engine.now_ms - first_ms) // DAY_MS)
    return [
        {
            "day": day,
            "at_ms": at_ms,
            "in_service": installing.in_service(books, at_ms),
            "affected": installing.affected(books, at_ms),
        }
        for day in range(days + 1)
        for at_ms in (first_ms + day * DAY_MS,)
    ]


DEFECTS = _report(
    "stock-defects",
    "Hubs in service day by day, and at how many of them the defect of their firmware shows.",
    (
        Column("day", "since the first that is known", Unit.NUMBER),
        Column("at_ms", "its beginning", Unit.INSTANT),
        Column("in_service", "hubs in homes", Unit.NUMBER),
        Column("affected", "hubs at which the defect shows", Unit.NUMBER),
    ),
    _defects,
)


# stock-returns


def _truth(engine: Engine, record: ReturnRecord) -> str:
    return truth_names()[int(_books(engine).units.truth[record.row])]


def _returns(engine: Engine, filters: Filters) -> Sequence[Row]:
    books = _books(engine)
    found: dict[tuple[Any, ...], Row] = {}
    looks = {each.row: each for each in books.state.triages}
    for record in books.state.returns:
        if not _of(filters, record.by):
            continue
        changed = bool(record.installer) and record.installer != record.by
        if filters.get("supplier_changed") not in (None, changed):
            continue
        mate = int(books.units.mate[record.row])
        key = (record.variant, record.reason, _truth(engine, record), changed, mate >= 0)
        row = found.setdefault(
            key,
            {
                "variant": record.variant or None,
                "reason": record.reason or None,
                "truth": key[2],
                "supplier_changed": changed,
                "linked": mate >= 0,
                **dict.fromkeys(("units", "early", "triaged", "no_fault_found", "fees_pence"), 0),
            },
        )
        look = looks.get(record.row)
        row["units"] += 1
        row["early"] += record.age_days < 90
        row["triaged"] += look is not None
        row["no_fault_found"] += look is not None and not look.found
        row["fees_pence"] += returning.fee_pence(books, record)
    return [found[key] for key in sorted(found)]


RETURNS = _report(
    "stock-returns",
    "Units that went back, by what was said and what was true. What was true is known to the emulator alone.",
    (
        Column("variant", "8.14.3 or 8.14.4"),
        Column("reason", "what the supplier said"),
        Column("truth", "what really was the matter"),
        Column("supplier_changed", "whether another supplier had installed them", Unit.FLAG),
        Column("linked", "whether hub and meter came together", Unit.FLAG),
        Column("units", "how many", Unit.NUMBER),
        Column("early", "how many within 90 days of installation", Unit.NUMBER),
        Column("triaged", "how many were triaged", Unit.NUMBER),
        Column("no_fault_found", "in how many of those no fault was found", Unit.NUMBER),
        Column("fees_pence", "what they cost their supplier, with the published fees", Unit.NUMBER),
    ),
    _returns,
    SUPPLIER,
    Filter("supplier_changed", "only those after a change of supplier, or only the others", Unit.FLAG),
)


# stock-triage


def _triage(engine: Engine, filters: Filters) -> Sequence[Row]:
    rows = []
    for (way, swapped), counts in sorted(triage.confusion(_books(engine)).items()):
        looked = sum(counts.values())
        none = counts["missed"] + counts["no_fault"]
        right = counts["found"] + counts["no_fault"]
        rows.append(
            {
                "way": way,
                "swapped": swapped,
                "looked_at": looked,
                **counts,
                "no_fault_found_percent": none * 100 // looked,
                "right_percent": right * 100 // looked,
            }
        )
    return rows


TRIAGE = _report(
    "stock-triage",
    "What triage found against what was true, by way and by whether hub and device were tried with others.",
    (
        Column("way", "the DCC's, the maker's own, or a supplier's own for SMETS1"),
        Column("swapped", "whether hub and device were tried with others", Unit.FLAG),
        Column("looked_at", "how many looks", Unit.NUMBER),
        Column("found", "faults that were found", Unit.NUMBER),
        Column("missed", "faults that were not", Unit.NUMBER),
        Column("false_alarms", "faults that were found where there was none", Unit.NUMBER),
        Column("no_fault", "units rightly found free of faults", Unit.NUMBER),
        Column("no_fault_found_percent", "share in which no fault was found", Unit.NUMBER),
        Column("right_percent", "share that was judged rightly", Unit.NUMBER),
    ),
    _triage,
)


# stock-orders


def _orders(engine: Engine, filters: Filters) -> Sequence[Row]:
    books = _books(engine)
    rows = []
    for order in books.state.orders:
        if not _of(filters, order.by):
            continue
        for row, result in describing.results(books, order):
            rows.append(
                {
                    "order": order.number,
                    "supplier": order.by,
                    "unit": format_eui(books.eui(row)),
                    "variant": books.variant_of(row).name,
                    "state": order.state,
                    "result": result,
                    "version": f"{books.version_of(row):08X}",
                    "days_out": describing.order(books, order)["days_out"],
                }
            )
    return rows


ORDERS = _report(
    "stock-orders",
    "Every unit of the orders to re-flash, with what became of it.",
    (
        Column("order", "number of the order", Unit.NUMBER),
        Column("supplier", "who ordered", Unit.COMPANY),
        Column("unit", "the unit", Unit.DEVICE),
        Column("variant", "what it is"),
        Column("state", "state of the order"),
        Column("result", "what became of the unit"),
        Column("version", "what it runs"),
        Column("days_out", "days out of stock", Unit.NUMBER),
    ),
    _orders,
    SUPPLIER,
)


# stock-costs, stock-break-even, stock-lots


def _costs(engine: Engine, filters: Filters) -> Sequence[Row]:
    books = _books(engine)
    return [
        {"supplier": company, "item": item, "count": count, "pence": pence}
        for company in books.state.companies[1:]
        if _of(filters, company)
        for item, (count, pence) in sorted(money.spent(books, company, engine.now_ms).items())
    ]


COSTS = _report(
    "stock-costs",
    "What suppliers have spent so far: returns by the published fees, the rest by prices that are settings.",
    (
        Column("supplier", "who", Unit.COMPANY),
        Column("item", "for what"),
        Column("count", "how many", Unit.NUMBER),
        Column("pence", "how much", Unit.NUMBER),
    ),
    _costs,
    SUPPLIER,
)


def _break_even(engine: Engine, filters: Filters) -> Sequence[Row]:
    settings = engine.logistics.settings
    at = money.break_even(settings)
    volumes = sorted({*money.VOLUMES, *(() if at is None else (at,))})
    return [
        {
            "returns": each.returns,
            "without_pence": each.without_pence,
            "with_pence": each.with_pence,
            "pays": each.pays,
            "break_even": each.returns == at,
        }
        for each in (money.volume(settings, number) for number in volumes)
    ]


BREAK_EVEN = _report(
    "stock-break-even",
    "From how many returns of a year on triage pays: single-band hubs returned as faulty, charged as such or used again.",
    (
        Column("returns", "returns of a year", Unit.NUMBER),
        Column("without_pence", "cost without triage", Unit.NUMBER),
        Column("with_pence", "cost with triage", Unit.NUMBER),
        Column("pays", "whether triage pays", Unit.FLAG),
        Column("break_even", "whether it pays from here on", Unit.FLAG),
    ),
    _break_even,
)


def _lots(engine: Engine, filters: Filters) -> Sequence[Row]:
    settings = engine.logistics.settings
    rates = {name: each.image_rate_bits_per_s for name, each in engine.csp.technologies.items()}
    minutes = installing.update_minutes(_books(engine), "cellular", rates)
    at = money.lot_break_even(settings, minutes)
    return [
        {
            "level": each.level,
            "holding": each.holding,
            "reachable": each.reachable,
            "stuck": each.stuck,
            "cost_pence": each.cost_pence,
            "visits_pence": each.visits_pence,
            "pays": at is not None and each.reachable >= at,
            "break_even": at,
        }
        for each in money.sweeps(settings, minutes)
    ]


LOTS = _report(
    "stock-lots",
    "What a smallest lot for re-flashing means for suppliers with more or less stock, against updates during visits.",
    (
        Column("level", "smallest lot"),
        Column("holding", "old hubs that a supplier has", Unit.NUMBER),
        Column("reachable", "those that whole lots hold", Unit.NUMBER),
        Column("stuck", "those that no order can hold", Unit.NUMBER),
        Column("cost_pence", "cost of re-flashing", Unit.NUMBER),
        Column("visits_pence", "cost of updates during visits", Unit.NUMBER),
        Column("pays", "whether re-flashing is cheaper", Unit.FLAG),
        Column("break_even", "hubs of an order from which it is", Unit.NUMBER),
    ),
    _lots,
)

# combinations

_FAILS = {
    job_states.FAILED_CSP: "distribution",
    job_states.FAILED_HAN: "download",
    job_states.FAILED_VERIFY: "verification",
    job_states.FAILED_ACTIVATE: "activation",
}


def _failing_step(engine: Engine, device: DeviceState) -> str:
    """The first step at which a device with this hub fails; empty where all is well, or nothing was asked of it."""
    log = engine.premises.state.hubs[device.hub].device_log
    if not any(each.device == device.eui and each.joined for each in log):
        return "joining"
    job = job_of(engine.context, device.eui)
    if job is None:
        return ""
    if job.state == job_states.UNKNOWN:
        reached = engine.premises.rows.running_version(device.eui) != int(device.definition.firmware_version, 16)
        return "report" if reached else "download"
    return _FAILS.get(job.state, "waiting" if is_open(job) else "")


def _model(device: DeviceState) -> str:
    definition = device.definition
    name = definition.profile or definition.device_type.value
    reports = "" if definition.supports_cs09 else " without report"
    return f"{definition.manufacturer}/{definition.model} {name}{reports} {definition.image_capacity_bytes // 1024} KiB"


def _combinations(engine: Engine, filters: Filters) -> Sequence[Row]:
    found: dict[tuple[str, ...], Row] = {}
    hubs = {home.hub: home.hub_variant or "standard" for home in engine.state.estate.homes}
    for device in engine.premises.state.devices.values():
        if device.device_type in (DeviceType.CHF, DeviceType.GPF) or device.hub not in hubs:
            continue
        technology = engine.state.csp.hubs[Eui64(device.hub)].technology
        version = f"{engine.premises.rows.running_version(device.hub):08X}"
        key = (device.device_type.value, _model(device), hubs[Eui64(device.hub)], technology, version)
        row = found.setdefault(
            key, {**dict(zip(_CELL, key, strict=True)), "devices": 0, "failing": 0, "first_failing_step": None}
        )
        step = _failing_step(engine, device)
        row["devices"] += 1
        row["failing"] += bool(step)
        row["first_failing_step"] = row["first_failing_step"] or step or None
    rows = [{**row, "passed": not row["failing"]} for row in found.values() if filters.get("type") in (None, row["type"])]
    return sorted(rows, key=lambda row: [str(row[each]) for each in _CELL])


_CELL = ("type", "model", "hub_variant", "technology", "hub_version")
COMBINATIONS = _report(
    "combinations",
    "Device models with hub variants and hub versions: whether the newest image came and ran, or the first step that fails.",
    (
        Column("type", "device type"),
        Column("model", "manufacturer, model, and what the model can"),
        Column("hub_variant", "variant of the hub"),
        Column("technology", "how the hub is reached"),
        Column("hub_version", "firmware version of the hub"),
        Column("devices", "how many devices", Unit.NUMBER),
        Column("failing", "how many fail", Unit.NUMBER),
        Column("first_failing_step", "joining, distribution, download, verification, activation, report, or still waiting"),
        Column("passed", "whether all is well", Unit.FLAG),
    ),
    _combinations,
    Filter("type", "devices of this type"),
)

REPORTS = (COMBINATIONS, VERSIONS, INSTALLATIONS, DEFECTS, RETURNS, TRIAGE, ORDERS, COSTS, BREAK_EVEN, LOTS)
"""All reports on stock."""
