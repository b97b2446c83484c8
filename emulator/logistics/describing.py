"""What there is to say of the books and of a unit, as JSON values."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.logistics import installing, reflash
from emulator.logistics.books import Books, unpacked
from emulator.logistics.columns import DAMAGED, OVERDUE, RESET, SEALS, UNREGISTERED, WIPED, Rows
from emulator.logistics.state import Order
from emulator.logistics.tables import states, truth_names, variants

Json = dict[str, Any]
_BACK = [states()[each].number for each in ("to_return", "returned", "in_triage", "lost", "scrapped")]
"""What is overdue no more: it went back, or never will."""


@dataclass(frozen=True, slots=True)
class StockView:
    """Looks at the books of one world."""

    books: Books
    now_ms: int

    def overview(self) -> Json:
        """How many units are where, and what is under way."""
        return overview(self.books)

    def units(self, offset: int = 0, limit: int | None = None, **wanted: str | None) -> tuple[int, list[Json]]:
        """How many units have a state, company, variant and version, and a portion of them."""
        rows = selected(self.books, **wanted)
        end = None if limit is None else offset + limit
        return len(rows), [unit(self.books, int(row), self.now_ms) for row in rows[offset:end]]

    def unit(self, text: str) -> Json | None:
        """One unit with every return and triage of it; None when there is none of this EUI."""
        try:
            row = self.books.unit(text)
        except Malformed:
            return None
        return {**unit(self.books, row, self.now_ms), **history(self.books, row)}

    def orders(self) -> list[Json]:
        """Orders to re-flash stock."""
        return [order(self.books, each) for each in self.books.state.orders]


def overview(books: Books) -> Json:
    """How many units are where, what was said about them, and what is under way."""
    return {
        "units": books.units.count,
        "visit_minutes": books.settings.visit_minutes,
        "overdue": int((~np.isin(books.units.state, _BACK) & ((books.units.flags & OVERDUE) != 0)).sum()),
        "states": {name: count for name, count in books.count_by_state().items() if count},
        "policies": {company: asdict(policy) for company, policy in sorted(books.state.policies.items())},
        "defects": [asdict(each) for each in books.state.defects],
        "under_way": [
            {"number": each.number, "event": each.event, "units": len(each.rows) // 4, "to": each.owner, "due_ms": each.due_ms}
            for each in books.state.shipments.values()
        ],
    }


def selected(
    books: Books, state: str | None = None, company: str | None = None, variant: str | None = None, version: str | None = None
) -> Rows:
    """The units that have all of this; raise :class:`Malformed` for a state or variant that there is not."""
    units = books.units
    for name, value, names in (("state", state, states()), ("variant", variant, variants())):
        if value is not None and value not in names:
            raise Malformed(f"there is no {name} {value!r}", where=name, expected=", ".join(names))
    chosen = np.ones(units.count, np.bool_)
    if state is not None:
        chosen &= units.state == states()[state].number
    if company is not None:
        chosen &= units.owner == books.number_of(company)
    if variant is not None:
        chosen &= units.variant == variants()[variant].number
    if version is not None:
        chosen &= books.versions_of(np.arange(units.count)) == int(version, 16)
    return units.where(chosen)


def unit(books: Books, row: int, now_ms: int) -> Json:
    """One unit as it stands in the books; ``truth`` is what nobody outside the emulator knows."""
    units, variant = books.units, books.variant_of(row)
    flags, mate = int(units.flags[row]), int(units.mate[row])
    lot = books.lot_of(row)
    return {
        "unit": format_eui(books.eui(row)),
        "gpf": format_eui(books.gpf(row)) if variant.is_hub else None,
        "manufacturer": lot.manufacturer,
        "model": lot.model,
        "smets_version": lot.smets_version,
        "notified": lot.notified,
        "type": variant.device_type.value,
        "variant": variant.name,
        "state": books.state_of(row),
        "place": states()[books.state_of(row)].place,
        "owner": books.owner(row),
        "version": f"{books.version_of(row):08X}",
        "carton": books.package("carton", row),
        "pallet": books.package("pallet", row),
        "days": max(0, now_ms // 1000 - int(units.since_s[row])) // 86_400,
        "seal": SEALS[int(units.seal[row])],
        "damaged": bool(flags & DAMAGED),
        "registered": not flags & UNREGISTERED,
        "wiped": bool(flags & WIPED),
        "reset": bool(flags & RESET),
        "tsat_end_ms": lot.tsat_end_ms or None,
        "overdue": bool(flags & OVERDUE),
        "generation": int(units.generation[row]),
        "truth": "firmware" if installing.shows(books, row, now_ms) else truth_names()[int(units.truth[row])],
        "came_with": None if mate < 0 else format_eui(books.eui(mate)),
        "triages_so_far": int(units.triages[row]),
        "triaged_version": next((each.version for each in reversed(books.state.triages) if each.row == row), None),
        "triaged_cpl_status": next((each.cpl_status for each in reversed(books.state.triages) if each.row == row), None),
        "standing": books.eui(row) in books.state.standing,
    }


def history(books: Books, row: int) -> Json:
    """Every return and triage of a unit."""
    return {
        "returns": [_plain(each) for each in books.state.returns if each.row == row],
        "triages": [_plain(each) for each in books.state.triages if each.row == row],
    }


def _plain(record: Any) -> Json:
    return {name: value for name, value in asdict(record).items() if name != "row"}


def order(books: Books, each: Order) -> Json:
    """An order to re-flash, with what became of its units."""
    return {
        "order": each.number,
        "company": each.by,
        "level": each.level,
        "items": list(each.items),
        "version": each.version,
        "state": each.state,
        "reason": each.reason or None,
        "evidence": each.evidence or None,
        "placed_ms": each.placed_ms,
        "changed_ms": each.changed_ms,
        "days_out": reflash.days_out(each),
        "units": len(each.results),
        "results": reflash.tally(each),
    }


def results(books: Books, each: Order) -> Iterator[tuple[int, str]]:
    """Every unit of an order with what became of it."""
    for row, result in zip(unpacked(each.rows), each.results, strict=True):
        yield int(row), reflash.RESULTS[result]
