"""Which register counts when: the switching tables of tariffs, read from the calendar that a meter holds.

Scripts 1 to 48 choose a time-of-use register, 101 to 108 a column of the block matrix, 201 to 204 a register of the second
element (test messages ECS01a and ECS24b). Times are UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from emulator.domain.errors import Malformed
from emulator.gbcs.dlms import Data, decode_data
from emulator.premises.gas_calendars import DAY, SEASONS, SPECIAL_DAYS, TARIFF, WEEK, key, parts, schedule_of
from emulator.premises.load_shape import DAY_MS
from emulator.premises.state import DeviceState

PRIMARY, SECONDARY, GAS_METER = 0, 1, 2
"""Elements: of an electricity meter the last group but one of the calendars' OBIS codes (usecase_spec.json ECS24, ECS24b); a gas
meter's calendar comes in parts of its own."""

GAS_TARIFF = "0707 tariff"
"""What a gas meter's switching table is remembered as: see :func:`gas_tariff`."""

GOVERNING: Sequence[str] = (
    *(f"20 0-0:13.0.{element}.255 {index}" for element in (PRIMARY, SECONDARY) for index in (3, 4, 5)),
    *(f"11 0-0:11.0.{element}.255 2" for element in (PRIMARY, SECONDARY)),
    *(f"21 0-0:16.0.{number}.255 2" for number in range(11, 19)),
    "22 0-0:15.1.0.255 4",
)
"""Attributes on which it depends what register counts: seasons, weeks, days, special days, thresholds, daily resets of blocks."""

Tables = tuple[tuple[str, str], ...]
"""Governing attributes with their values in hexadecimal, as far as they were ever set, in their order."""

_ANY = 0xFF
_OPEN = 0xFFFFFFFF
"""A threshold that is not used (derive.md)."""


@dataclass(frozen=True, slots=True)
class _Calendar:
    seasons: tuple[tuple[bytes, bytes], ...]
    """Start (year and month and day, with wildcards) and week name."""
    weeks: Mapping[bytes, tuple[int, ...]]
    """Day identifiers from Monday."""
    days: Mapping[int, tuple[tuple[int, int], ...]]
    """Milliseconds of the day and script, in time order."""
    special: tuple[tuple[bytes, int], ...]
    """Date with wildcards, and day identifier."""

    def day_of(self, when: date) -> tuple[tuple[int, int], ...]:
        """The actions of a date."""
        for pattern, day in self.special:
            if date_fits(pattern, when):
                return self.days.get(day, ())
        week = self.weeks.get(self._season(when), ())
        return self.days.get(week[when.weekday()], ()) if len(week) == 7 else ()

    def _season(self, when: date) -> bytes:
        """The week of the season that began last; before the first of a year, the last one goes on."""
        begun = []
        for pattern, week in self.seasons:
            year = int.from_bytes(pattern[:2], "big")
            for guess in (when.year, when.year - 1) if year == 0xFFFF else (year,):
                start = _date(guess, pattern[2], pattern[3])
                if start is not None and start <= when:
                    begun.append((start, week))
        if begun:
            return max(begun)[1]
        return self.seasons[-1][1] if self.seasons else b""


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, 1 if month == _ANY else month, 1 if day == _ANY else day)
    except ValueError:
        return None


def date_fits(pattern: bytes, when: date) -> bool:
    """Whether a COSEM date (year, month, day, weekday) with wildcards is this date."""
    year, month, day, weekday = int.from_bytes(pattern[:2], "big"), *pattern[2:5]
    wanted = (year, 0xFFFF, when.year), (month, _ANY, when.month), (day, _ANY, when.day), (weekday, _ANY, when.isoweekday())
    return all(part in (wildcard, actual) for part, wildcard, actual in wanted)


def of_day_ms(octets: bytes) -> int:
    """The millisecond of the day of a COSEM time; parts that are left open are 0."""
    hour, minute, second = (0 if part == _ANY else part for part in octets[:3])
    return ((hour * 60 + minute) * 60 + second) * 1000 % DAY_MS


@lru_cache(maxsize=256)
def _calendar(tables: Tables, element: int) -> _Calendar:
    """The calendar of an element; empty where the meter holds none that can be followed."""
    held = dict(tables)
    calendar, special = f"20 0-0:13.0.{element}.255", f"11 0-0:11.0.{element}.255 2"
    try:
        seasons = tuple((row.items[1].octets, row.items[2].octets) for row in _rows(held, f"{calendar} 3"))
        weeks = {row.items[0].octets: tuple(day.number for day in row.items[1:]) for row in _rows(held, f"{calendar} 4")}
        days = {row.items[0].number: _actions(row.items[1]) for row in _rows(held, f"{calendar} 5")}
        specials = tuple((row.items[1].octets, row.items[2].number) for row in _rows(held, special))
    except (Malformed, IndexError, ValueError):
        return _Calendar((), {}, {}, ())
    if any(len(date) < 5 for date, _ in (*seasons, *specials)):
        return _Calendar((), {}, {}, ())
    return _Calendar(seasons, weeks, days, specials)


def _rows(held: Mapping[str, str], attribute: str) -> tuple[Data, ...]:
    return decode_data(bytes.fromhex(held[attribute])).items if attribute in held else ()


def _actions(data: Data) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((of_day_ms(row.items[0].octets), row.items[2].number) for row in data.items))


@lru_cache(maxsize=8192)
def scripts_of(tables: Tables, element: int, day: int) -> tuple[tuple[int, int], ...]:
    """Milliseconds of the day and script, from midnight on, for a day since 1970; empty where no calendar says anything.

    What began the day before goes on until the first action of a day.
    """
    if element == GAS_METER:
        held = dict(tables).get(GAS_TARIFF)
        return () if held is None else schedule_of(*_gas_parts(held), day)
    calendar = _calendar(tables, element)
    if not calendar.days:
        return ()
    when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
    actions = calendar.day_of(when)
    if actions and actions[0][0] == 0:
        return actions
    for back in range(1, 8):
        before = calendar.day_of(when - timedelta(days=back))
        if before:
            return ((0, before[-1][1]), *actions)
    return ((0, actions[-1][1]), *actions) if actions else ()


def has_calendar(tables: Tables, element: int) -> bool:
    """Whether a switching table was ever set for an element."""
    wanted = GAS_TARIFF if element == GAS_METER else f"20 0-0:13.0.{element}.255 5"
    return any(name == wanted for name, _ in tables)


def gas_tariff(device: DeviceState) -> str | None:
    """The switching table of a gas meter as text: days, weeks, seasons and special days; None where it was never set."""
    if not any(name.startswith(key(TARIFF)) for name in device.attributes):
        return None
    return "|".join(
        ",".join(part.hex() for part in parts(device, TARIFF, command)) for command in (DAY, WEEK, SEASONS, SPECIAL_DAYS)
    )


@lru_cache(maxsize=256)
def _gas_parts(text: str) -> tuple[tuple[bytes, ...], ...]:
    return tuple(tuple(bytes.fromhex(part) for part in kind.split(",") if part) for kind in text.split("|"))


@lru_cache(maxsize=256)
def thresholds(tables: Tables, column: int) -> tuple[int, ...]:
    """The up to three thresholds of a column of the block matrix (from 1), in Wh (inferred); those not used are left out."""
    try:
        rows = _rows(dict(tables), f"21 0-0:16.0.{10 + column}.255 2")
        return tuple(row.number for row in rows if row.number != _OPEN)[:3]
    except Malformed:
        return ()


@lru_cache(maxsize=256)
def daily_reset_ms(tables: Tables) -> int | None:
    """At which millisecond of the day the block counters start anew, or None where they do so only when told."""
    try:
        for row in _rows(dict(tables), "22 0-0:15.1.0.255 4"):
            return of_day_ms(row.items[0].octets)
    except (Malformed, IndexError, ValueError):
        pass
    return None
