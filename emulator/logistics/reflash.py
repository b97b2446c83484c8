"""Re-flashing of stock: orders, what refuses them, what becomes of each unit (ota.md 10, SEED-MP155)."""

from collections.abc import Sequence

import numpy as np

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.settings import DAY_MS, MINUTE_MS
from emulator.logistics import stock
from emulator.logistics.books import Books, packed, unpacked
from emulator.logistics.chance import draws_below
from emulator.logistics.columns import DAMAGED, NO_FAULT, WENT_BACK, Rows
from emulator.logistics.settings import LEVELS
from emulator.logistics.state import Order
from emulator.logistics.tables import state_names, variant_list

RESULTS = ("waits", "re-flashed", "fails", "has the version", "image is not for it", "in the fault process", "lost")
"""What becomes of a unit of an order."""
WAITS, DONE, FAILED, SAME, OTHER_MODEL, IN_FAULT, LOST = range(len(RESULTS))
DAMAGED_PACKAGING, NOT_REGISTERED, OTHER_ADDRESS = (
    "damaged packaging",
    "not registered to that supplier",
    "delivery address mismatch",
)
"""The reasons for which an order is rejected (ota.md 10, high)."""


def place(
    books: Books, by: str, level: str, items: Sequence[str], image: tuple[str, str, int], now_ms: int, *, address: str = ""
) -> Order:
    """An order to re-flash: accepted and sent away, or rejected for one of three reasons, with what shows it.

    ``image`` says manufacturer, model and version of what is flashed, ``address`` is the company to whose address the goods are
    to go back; its own when not given. Raise :class:`Malformed` for what is no order at all, and then nothing has changed.
    """
    if not books.settings.mp155:
        raise Malformed("nobody re-flashes stock here", where="mp155", expected="the setting stock.mp155")
    rows = books.named(level, items)
    least = books.settings.min_lot
    if LEVELS.index(level) < LEVELS.index(least):
        raise Malformed(f"the order is by {level}", where="level", expected=f"at least a {least}")
    size = {"unit": 1, "carton": books.settings.carton_units}.get(
        least, books.settings.carton_units * books.settings.pallet_cartons
    )
    if len(rows) < size:
        raise Malformed(f"{len(rows)} units are less than a {least}", where="items", expected=f"at least {size} units")
    reason, evidence = _rejection(books, by, rows, address or by)
    if not reason:
        _check_whole(books, by, level, rows)
        books.check("order re-flash", _sound(books, rows) if level != "unit" else rows)
    order = Order(len(books.state.orders) + 1, by, level, tuple(items), f"{image[2]:08X}", "rejected", now_ms, reason, evidence)
    order.manufacturer, order.model = image[:2]
    order.changed_ms = now_ms
    books.state.orders.append(order)
    if reason:
        return order
    order.state = "under way"
    order.rows = packed(rows)
    results = np.full(len(rows), WAITS, np.uint8)
    results[~np.isin(rows, _sound(books, rows))] = IN_FAULT
    order.results = results.tobytes()
    going = rows[results == WAITS]
    books.move("order re-flash", going)
    return order


def _rejection(books: Books, by: str, rows: Rows, address: str) -> tuple[str, str]:
    units = books.units
    others = rows[(units.owner[rows] != books.number_of(by)) | ~stock.registered(books, rows)]
    if len(others):
        return NOT_REGISTERED, f"{len(others)} of {len(rows)}, such as {format_eui(books.eui(int(others[0])))}"
    damaged = rows[(units.flags[rows] & DAMAGED) != 0]
    if len(damaged):
        return DAMAGED_PACKAGING, f"{len(damaged)} of {len(rows)}, such as {format_eui(books.eui(int(damaged[0])))}"
    if address != by:
        return OTHER_ADDRESS, f"the address is that of {address}, the goods are of {by}"
    return "", ""


def _check_whole(books: Books, by: str, level: str, rows: Rows) -> None:
    """A unit that is in the fault process has no place in another one (C-14); of a carton or pallet it is left out and told."""
    if level != "unit":
        return
    faulty = rows[~np.isin(rows, _sound(books, rows))]
    if len(faulty):
        detail = f"{format_eui(books.eui(int(faulty[0])))} is in the fault process ({books.state_of(int(faulty[0]))})"
        raise Malformed(detail, where="items", expected="units in the supplier's store that nobody returned")


def _sound(books: Books, rows: Rows) -> Rows:
    """Those that are not in the fault process: not returned, not on their way there."""
    units = books.units
    in_fault = np.isin(units.state[rows], [n for n, name in enumerate(state_names()) if name in _FAULT])
    return rows[~in_fault]


_FAULT = ("to_return", "returned", "in_triage", "lost", "scrapped")


def arrive(books: Books, order: Order, now_ms: int) -> int:
    """The goods of an order are at the facility; how long until all have been through it, in milliseconds."""
    going = waiting(books, order)
    books.move("take for re-flash", going)
    order.state, order.changed_ms = "at the facility", now_ms
    return work_ms(books, len(going))


def work_ms(books: Books, count: int) -> int:
    """How long the facility works on so many units."""
    settings = books.settings
    return -(-count // settings.reflash_places) * settings.reflash_minutes * MINUTE_MS


def waiting(books: Books, order: Order) -> Rows:
    """Units of an order that were not done yet; those that were lost on the way are marked so."""
    rows, results = unpacked(order.rows), np.frombuffer(order.results, np.uint8).copy()
    gone = (results == WAITS) & (books.units.state[rows] == _LOST)
    results[gone] = LOST
    order.results = results.tobytes()
    left: Rows = rows[results == WAITS]
    return left


_LOST = state_names().index("lost")


def done(books: Books, order: Order, now_ms: int) -> Rows:
    """The facility is through with an order: each unit gets the version, or does not; what goes back."""
    rows, results = unpacked(order.rows), np.frombuffer(order.results, np.uint8).copy()
    todo = results == WAITS
    version, units = int(order.version, 16), books.units
    fits = np.array([_fits(books, int(row), order.manufacturer, order.model) for row in rows], np.bool_)
    results[todo & ~fits] = OTHER_MODEL
    same = todo & fits & (books.versions_of(rows) == version)
    results[same] = SAME
    rest = todo & fits & ~same
    limit = books.settings.reflash_failures_per_10000
    fails = draws_below(10_000, books.seed, books.euis(rows), f"re-flash {order.number}") < limit
    results[rest & fails], results[rest & ~fails] = FAILED, DONE
    order.results = results.tobytes()
    units.version[rows[results == DONE]] = books.version_number(version)
    books.move("fail re-flash", rows[todo & (results == FAILED)])
    units.flags[rows[todo & (results == FAILED)]] &= ~np.uint8(NO_FAULT)
    back: Rows = rows[todo & (results != FAILED)]
    units.flags[rows[todo & (results != FAILED) & (results != DONE)]] |= WENT_BACK
    books.move("deliver re-flashed" if order.first_delivery else "re-flashed", back)
    order.state, order.changed_ms = "redelivery", now_ms
    return back


def _fits(books: Books, row: int, manufacturer: str, model: str) -> bool:
    lot = books.lot_of(row)
    return variant_list()[int(books.units.variant[row])].is_hub and (lot.manufacturer, lot.model) == (manufacturer, model)


def before_delivery(books: Books, rows: Rows, image: tuple[str, str, int], owner: str, now_ms: int) -> Order:
    """The CSP's own order for what it is about to deliver to ``owner`` for the first time (C-04)."""
    books.move("re-flash first", rows)
    order = Order(
        len(books.state.orders) + 1, "csp", "unit", (), f"{image[2]:08X}", "at the facility", now_ms, first_delivery=True
    )
    order.manufacturer, order.model, order.deliver_to = *image[:2], owner
    order.rows, order.results, order.changed_ms = packed(rows), bytes(len(rows)), now_ms
    books.state.orders.append(order)
    return order


def tally(order: Order) -> dict[str, int]:
    """How many units of an order had which result."""
    counts = np.bincount(np.frombuffer(order.results, np.uint8), minlength=len(RESULTS))
    return {name: int(counts[number]) for number, name in enumerate(RESULTS) if counts[number]}


def days_out(order: Order) -> int:
    """How long the goods of an order were, or have been, out of stock, in whole days."""
    return -(-(order.changed_ms - order.placed_ms) // DAY_MS)
