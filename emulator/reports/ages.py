"""How old units are when they go back, and how many of them fail, by firmware version (T-04, T-12)."""

from bisect import bisect_right
from collections.abc import Sequence

from emulator.engine import Engine
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit

BEGINS = (0, 1, 31, 91, 366, 731, 1_826)
"""First day of each band of ages: the first day, a month, a quarter, a year, two, five, and what is older. Ours."""


def _ages(engine: Engine, filters: Filters) -> Sequence[Row]:
    books = engine.logistics.books
    found: dict[tuple[str, str, int], Row] = {}
    for record in books.state.returns:
        if filters.get("supplier") not in (None, record.by):
            continue
        band = bisect_right(BEGINS, record.age_days) - 1
        key = (books.variant_of(record.row).device_type.value, record.version, band)
        row = found.setdefault(
            key,
            {
                "type": key[0],
                "version": key[1],
                "from_days": BEGINS[band],
                "to_days": BEGINS[band + 1] - 1 if band + 1 < len(BEGINS) else None,
                **dict.fromkeys(("units", "never_installed", "failing"), 0),
            },
        )
        row["units"] += 1
        row["never_installed"] += not record.installer
        row["failing"] += bool(books.units.truth[record.row])
    return [{**found[key], "failing_percent": found[key]["failing"] * 100 // found[key]["units"]} for key in sorted(found)]


AGES = Report(
    "stock-ages",
    "Units that went back by their age then: since they were installed, or were in stock where they never were.",
    (
        Column("type", "device type"),
        Column("version", "firmware version then"),
        Column("from_days", "first day of the band of ages", Unit.NUMBER),
        Column("to_days", "its last day", Unit.NUMBER),
        Column("units", "how many", Unit.NUMBER),
        Column("never_installed", "how many of them out of stock", Unit.NUMBER),
        Column("failing", "with how many something was wrong, which the emulator alone knows", Unit.NUMBER),
        Column("failing_percent", "share of these", Unit.NUMBER),
    ),
    (Filter("supplier", "of this supplier", Unit.COMPANY),),
    row=lambda engine, row: row,
    select=_ages,
)
