"""The calendars that a gas meter has: what was published to it, or ours where nothing ever was, and what they say of a day.

A calendar is known by its type and the counter of the Command that brought it; its days, weeks and seasons come in the same
Command. Parts are kept as they were published.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from emulator.premises.state import DeviceState

TARIFF, NON_DISABLEMENT = 0, 3
"""Types of calendars: the switching table, and when supply is not ended for want of credit (test messages GCS05, GCS21b)."""

CALENDAR, DAY, WEEK, SEASONS, SPECIAL_DAYS = range(5)
"""Commands, of Publish and Get alike."""

_SAME_DAYS, _SAME_WEEKS = 4, 2
"""As many days and weeks as a tariff may have (usecase_spec.json GCS01a); in a calendar that was never set they are all alike."""

_ANY = 0xFF


def key(type_: int, *parts: object) -> str:
    """Where something of a calendar lies among the attributes of a device."""
    return " ".join((f"0707 calendar {type_}", *map(str, parts)))


def parts(device: DeviceState, type_: int, command: int) -> tuple[bytes, ...]:
    """The days, weeks, seasons or special days of the calendar in force, as they were published, by number."""
    if command == SPECIAL_DAYS:
        octets = device.attributes.get(key(type_, "special days"))
        return _never_set(type_, command) if octets is None else (bytes.fromhex(octets),)
    active = device.attributes.get(key(type_, "active"))
    if active is None:
        return _never_set(type_, command)
    part_of = key(type_, "part", int(active, 16), command, "")
    return tuple(bytes.fromhex(value) for name, value in sorted(device.attributes.items()) if name.startswith(part_of))


def _never_set(type_: int, command: int) -> tuple[bytes, ...]:
    head = bytes(12)
    if command == DAY:
        all_day = bytes((1, 0, 1, type_, 0, 0, 1 if type_ == TARIFF else 0))
        return tuple(head + bytes((day,)) + all_day for day in range(1, _SAME_DAYS + 1))
    if command == WEEK:
        return tuple(head + bytes((week, *[week] * 7)) for week in range(1, _SAME_WEEKS + 1))
    if command == SEASONS:
        return (head + bytes.fromhex("0001ff0101ff01"),)
    return (head + bytes(4) + bytes((type_, 1, 0, 1)) + bytes.fromhex("ff0c19ff01"),)


Schedule = tuple[tuple[int, int], ...]
"""Milliseconds of the day and what holds from then on: a tier, or 1 and 0 for the begin and end of non-disablement."""


def schedule(device: DeviceState, type_: int, day: int) -> Schedule:
    """What the calendar in force says of a day since 1970, from midnight on; empty where it says nothing."""
    days, weeks, seasons, special = (parts(device, type_, command) for command in (DAY, WEEK, SEASONS, SPECIAL_DAYS))
    return schedule_of(days, weeks, seasons, special, day)


@lru_cache(maxsize=4096)
def schedule_of(
    days: tuple[bytes, ...], weeks: tuple[bytes, ...], seasons: tuple[bytes, ...], special: tuple[bytes, ...], day: int
) -> Schedule:
    """What a calendar of these parts says of a day since 1970, as :func:`schedule` does."""
    when = date_of(day)
    wanted = _special(special, when)
    if wanted is None:
        week = next((part[13:20] for part in weeks if part[12] == _season(seasons, when)), b"")
        wanted = week[when.weekday()] if len(week) == 7 else -1
    entries = next((part[17:] for part in days if part[12] == wanted), b"")
    found = sorted(
        (int.from_bytes(entries[at : at + 2], "little") * 60_000, entries[at + 2]) for at in range(0, len(entries) - 2, 3)
    )
    if found and found[0][0]:
        found.insert(0, (0, found[-1][1]))
    return tuple(found)


def date_of(day: int) -> date:
    """The date of a day since 1970."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()


def _special(special: Sequence[bytes], when: date) -> int | None:
    entries = b"".join(part[20:] for part in special)
    for at in range(0, len(entries) - 4, 5):
        if _fits(entries[at : at + 4], when):
            return entries[at + 4]
    return None


def _season(seasons: Sequence[bytes], when: date) -> int:
    """The week of the season that began last; before the first of a year, the last one goes on."""
    entries = b"".join(part[14:] for part in seasons)
    begun: list[tuple[date, int]] = []
    for at in range(0, len(entries) - 4, 5):
        year, month, day, _, week = entries[at : at + 5]
        for guess in (when.year, when.year - 1) if year == _ANY else (1900 + year,):
            start = _date(guess, month, day)
            if start is not None and start <= when:
                begun.append((start, week))
    if begun:
        return max(begun)[1]
    return entries[-1] if entries else -1


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, 1 if month == _ANY else month, 1 if day == _ANY else day)
    except ValueError:
        return None


def _fits(pattern: bytes, when: date) -> bool:
    """Whether a ZCL date (years since 1900, month, day, weekday) with wildcards is this date."""
    year, month, day, weekday = pattern
    pairs = (year, when.year - 1900), (month, when.month), (day, when.day), (weekday, when.isoweekday())
    return all(part in (_ANY, actual) for part, actual in pairs)
