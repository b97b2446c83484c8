"""The books: which units there are, where they are, and the one gate through which they move.

Pure: an instant is an argument, chance follows from the seed. What is wrong is :class:`Malformed`, and then nothing has changed.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.logistics.columns import BROKEN, OVERDUE, Columns, Mask, Rows
from emulator.logistics.settings import LEVELS, LogisticsSettings
from emulator.logistics.state import CSP, LogisticsState, Lot, Shipment
from emulator.logistics.tables import Variant, moves, state_names, states, variant_list

_FORWARD = ("install", "issue", "stand as test hub", "order re-flash")
"""What does not happen any more to a hub that is overdue."""
MAX_UNITS = 5_000_000
"""Units of a world; ours."""
_PREFIX = {"carton": "C", "pallet": "P"}


def packed(rows: Rows) -> bytes:
    """Places as octets."""
    return rows.astype("<u4").tobytes()


def unpacked(octets: bytes) -> Rows:
    """Places of :func:`packed`."""
    return np.frombuffer(octets, "<u4").astype(np.int64)


class Books:
    """The units of a world over one :class:`LogisticsState`."""

    def __init__(self, state: LogisticsState, settings: LogisticsSettings, seed: int) -> None:
        """Over a state, new or restored."""
        self.state = state
        self.settings = settings
        self.seed = seed
        self.units = Columns.load(state.columns)
        state.columns = {}
        self._lots_by_row = [lot.first_row for lot in state.lots]
        self._lots_by_eui = sorted((lot.first_eui, number) for number, lot in enumerate(state.lots))

    # What there is

    def company(self, name: str) -> int:
        """The number of a company, new if need be."""
        if name not in self.state.companies:
            self.state.companies.append(name)
        return self.state.companies.index(name)

    def number_of(self, name: str) -> int:
        """The number of a company; -1 for one that the books do not have."""
        return self.state.companies.index(name) if name in self.state.companies else -1

    def owner(self, row: int) -> str:
        """Whose a unit is."""
        return self.state.companies[int(self.units.owner[row])]

    def version_number(self, version: int) -> int:
        """The number of a firmware version, new if need be."""
        if version not in self.state.versions:
            self.state.versions.append(version)
        return self.state.versions.index(version)

    def version_of(self, row: int) -> int:
        """What a unit runs."""
        return self.state.versions[int(self.units.version[row])]

    def versions_of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """What units run."""
        known = np.array([*self.state.versions, 0], np.int64)
        found: npt.NDArray[np.int64] = known[self.units.version[rows]]
        return found

    def state_of(self, row: int) -> str:
        """The name of a unit's state."""
        return state_names()[int(self.units.state[row])]

    def variant_of(self, row: int) -> Variant:
        """What a unit is."""
        return variant_list()[int(self.units.variant[row])]

    def lot_of(self, row: int) -> Lot:
        """The lot of a unit."""
        return self.state.lots[bisect_right(self._lots_by_row, row) - 1]

    def lot_numbers(self, rows: Rows) -> Rows:
        """The numbers of the lots of units, from 0."""
        return np.searchsorted(np.array(self._lots_by_row), rows, side="right") - 1

    def eui(self, row: int) -> Eui64:
        """The EUI of a unit."""
        lot = self.lot_of(row)
        return Eui64(lot.first_eui + (row - lot.first_row) * lot.step)

    def gpf(self, row: int) -> Eui64:
        """The EUI of the Gas Proxy Function of a hub."""
        return Eui64(self.lot_of(row).gpf or self.eui(row) + 1)

    def euis(self, rows: Rows) -> npt.NDArray[np.uint64]:
        """The EUIs of units."""
        if not self.state.lots:
            return np.zeros(0, np.uint64)
        places = np.searchsorted(np.array(self._lots_by_row), rows, side="right") - 1
        first = np.array([lot.first_eui for lot in self.state.lots], np.uint64)[places]
        step = np.array([lot.step for lot in self.state.lots], np.int64)[places]
        start = np.array(self._lots_by_row, np.int64)[places]
        found: npt.NDArray[np.uint64] = first + ((rows - start) * step).astype(np.uint64)
        return found

    def row_of(self, eui: int, *, gpf: bool = False) -> int | None:
        """The place of a unit; with ``gpf`` also by the EUI of a hub's Gas Proxy Function. None where there is none."""
        place = bisect_right(self._lots_by_eui, (eui, len(self.state.lots))) - 1
        if place >= 0:
            lot = self.state.lots[self._lots_by_eui[place][1]]
            number, left = divmod(eui - lot.first_eui, lot.step)
            if number < lot.count and (left == 0 or (gpf and left == 1)):
                return lot.first_row + number
        return None

    def unit(self, text: str, where: str = "unit") -> int:
        """The place of the unit of an EUI; raise :class:`Malformed` where there is none."""
        try:
            eui = parse_eui(text)
        except Malformed as error:
            raise Malformed(error.detail, where=where, expected=error.expected) from None
        row = self.row_of(eui)
        if row is None:
            raise Malformed(f"{text} is no unit of the books", where=where, expected="one that was booked in or came back")
        return row

    # Taking in

    def add(self, lot: Lot, variant: Variant, state: str, owner: str, versions: npt.NDArray[np.uint16], since_s: int) -> Rows:
        """Take a lot in, packed in cartons and pallets of its own; raise :class:`Malformed` where an EUI is taken."""
        last = lot.first_eui + lot.count * lot.step - 1
        if not 0 < lot.first_eui <= last < 1 << 64 or lot.count < 1:
            raise Malformed("the EUIs of the lot do not fit", where="first_eui", expected="room for all of its units")
        if self.units.count + lot.count > MAX_UNITS:
            raise Malformed(f"{lot.count} more units are too many", where="count", expected=f"{MAX_UNITS} in all")
        for other in self.state.lots:
            end = other.first_eui + other.count * other.step - 1
            if lot.first_eui <= end and other.first_eui <= last:
                taken = format_eui(Eui64(max(lot.first_eui, other.first_eui)))
                raise Malformed(f"{taken} is a unit already", where="first_eui", expected="EUIs of their own")
        lot.first_row = self.units.count
        rows, units, settings = self.units.add(lot.count), self.units, self.settings
        self.state.lots.append(lot)
        self._lots_by_row.append(lot.first_row)
        self._lots_by_eui = sorted((each.first_eui, number) for number, each in enumerate(self.state.lots))
        units.state[rows] = states()[state].number
        units.variant[rows] = variant.number
        units.owner[rows] = self.company(owner)
        units.version[rows] = versions
        units.since_s[rows] = since_s
        places = np.arange(lot.count)
        units.carton[rows] = self.state.cartons + 1 + places // settings.carton_units
        units.pallet[rows] = self.state.pallets + 1 + places // (settings.carton_units * settings.pallet_cartons)
        self.state.cartons, self.state.pallets = int(units.carton[rows[-1]]), int(units.pallet[rows[-1]])
        return rows

    # Naming

    def named(self, level: str, items: Sequence[str]) -> Rows:
        """The units that EUIs, cartons (``C12``) or pallets (``P3``) name; raise :class:`Malformed` for an unknown one and for
        what is named twice."""
        if level not in LEVELS:
            raise Malformed(f"there is no level {level!r}", where="level", expected=", ".join(LEVELS))
        if not items:
            raise Malformed("nothing is named", where="items", expected=f"at least one {level}")
        if len({each.upper() for each in items}) < len(items):
            twice = next(each for place, each in enumerate(items) if each.upper() in {other.upper() for other in items[:place]})
            raise Malformed(f"{twice} is named twice", where="items", expected="each once")
        if level == "unit":
            rows = [self.unit(each, "items") for each in items]
            if len(set(rows)) < len(rows):
                raise Malformed("a unit is named twice", where="items", expected="each once")
            return np.array(rows, np.int64)
        column, last = (self.units.carton, self.state.cartons) if level == "carton" else (self.units.pallet, self.state.pallets)
        numbers = [self._package(level, each, last) for each in items]
        return self.units.where(np.isin(column, numbers))

    def _package(self, level: str, text: str, last: int) -> int:
        digits = text[1:]
        known = text[:1].upper() == _PREFIX[level] and digits.isascii() and digits.isdigit() and len(digits) < 9
        if not known or not 0 < int(digits) <= last:
            expected = f"{_PREFIX[level]}1 to {_PREFIX[level]}{last}" if last else f"a {level} that was booked in"
            raise Malformed(f"there is no {level} {text[:20]!r}", where="items", expected=expected)
        return int(digits)

    def package(self, level: str, row: int) -> str:
        """The carton or pallet of a unit."""
        column = self.units.carton if level == "carton" else self.units.pallet
        return f"{_PREFIX[level]}{int(column[row])}"

    def held(self, company: str, places: Iterable[str]) -> Rows:
        """What a company has in some states."""
        numbers = [states()[each].number for each in places]
        return self.units.where(np.isin(self.units.state, numbers) & (self.units.owner == self.number_of(company)))

    # Moving

    def check(self, event: str, rows: Rows, step: str = "", *, overdue: bool = False) -> None:
        """The gate: raise :class:`Malformed` naming the first unit to which this cannot happen where it is.

        ``step`` is how people call it, where that is not the event; ``overdue`` says that it happened to hubs past their TSAT end
        date too.
        """
        move = moves()[event]
        if event in _FORWARD and not overdue:
            late = rows[(self.units.flags[rows] & OVERDUE) != 0]
            if len(late):
                detail = f"{format_eui(self.eui(int(late[0])))} was not installed by its TSAT end date: {event} is not for it"
                raise Malformed(detail, where="unit", expected="that it goes back")
        wrong = rows[~np.isin(self.units.state[rows], list(move.come_from))]
        if len(wrong):
            row = int(wrong[0])
            places = " or ".join(f"'{state_names()[each].replace('_', ' ')}'" for each in sorted(move.come_from))
            at = self.state_of(row).replace("_", " ")
            detail = f"{format_eui(self.eui(row))} is in the state '{at}': {step or event} is not for it"
            raise Malformed(detail, where="unit", expected=f"the state {places}")
        if event in ("install", "restock", "stand as test hub") and self.settings.reseal_required:
            broken = rows[self.units.seal[rows] == BROKEN]
            if len(broken):
                detail = f"the seal of {format_eui(self.eui(int(broken[0])))} is broken: {event} is not for it"
                raise Malformed(detail, where="unit", expected="one that is sealed, or was sealed anew")

    def in_state(self, name: str) -> Mask:
        """Which units are in a state."""
        found: Mask = self.units.state == states()[name].number
        return found

    def move(self, event: str, rows: Rows, *, overdue: bool = False) -> None:
        """Let something happen to units that :meth:`check` let pass."""
        self.check(event, rows, overdue=overdue)
        self.units.state[rows] = moves()[event].to

    def ship(self, event: str, rows: Rows, due_ms: int, owner: str = "") -> Shipment:
        """Goods are under way until then."""
        shipment = Shipment(self.state.next_number, event, packed(rows), owner, due_ms)
        self.state.next_number += 1
        self.state.shipments[shipment.number] = shipment
        return shipment

    def arrive(self, number: int, now_ms: int) -> Rows:
        """Goods come to where they were sent, but for what was lost on the way; the units that came."""
        shipment = self.state.shipments.pop(number)
        rows = unpacked(shipment.rows)
        rows = rows[np.isin(self.units.state[rows], list(moves()[shipment.event].come_from))]
        self.move(shipment.event, rows)
        if shipment.owner:
            self.units.owner[rows] = self.company(shipment.owner)
        if shipment.event != "redeliver":
            self.units.since_s[rows] = now_ms // 1000
        return rows

    def check_owner(self, company: str, rows: Rows, where: str = "by") -> None:
        """Raise :class:`Malformed` naming the first unit that another company has."""
        others = rows[self.units.owner[rows] != self.number_of(company)]
        if len(others):
            row = int(others[0])
            detail = f"{format_eui(self.eui(row))} is of {self.owner(row)}, not of {company}"
            raise Malformed(detail, where=where, expected="its owner")

    def count_by_state(self) -> dict[str, int]:
        """How many units are in each state; all together they are all units."""
        found = np.bincount(self.units.state, minlength=len(state_names()))
        return {name: int(found[number]) for number, name in enumerate(state_names()) if number}

    def keep(self) -> None:
        """Put the columns into the state, for a snapshot."""
        self.state.columns = self.units.dump()

    def keep_digest(self) -> None:
        """Put what tells the columns from others into the state, to compare it."""
        self.state.columns = self.units.digest()

    @property
    def owned_by_csp(self) -> Rows:
        """What has not been delivered yet."""
        return self.held(CSP, ("csp_warehouse",))
