"""What homes use and make: one seeded curve per device and stream, of integers.

A curve is the energy counted since 1970, a function of (seed, device, stream, time) alone. It never falls, and everything that
meters say (registers, half-hours, days, highest demand) is a difference of two of its values, so that all of it adds up.

A day's share follows the season and the weekday, and differs from its neighbours by keyed chance; within the day it is spread
over the half-hours by the time of day and keyed chance, and evenly within a half-hour. The figures are inventions of ours.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from emulator.simulation.draws import draw_below

DAY_MS, HALF_HOUR_MS = 86_400_000, 1_800_000
SLOTS = DAY_MS // HALF_HOUR_MS
"""Half-hours of a day."""

_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CYCLE_DAYS = 7 * 1461
"""Days after which season and weekday repeat: 28 years of four-year cycles."""
_THURSDAY = 3
"""Weekday of 1970-01-01, Monday being 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One measured quantity: Wh, or thousandths of a cubic metre of gas. There is one object of each, equal to itself alone."""

    name: str
    least_per_day: int
    """A device's mean day lies between this and twice this."""
    months: Sequence[int]
    """Share of each month's days, in thousandths of the mean day."""
    weekend: int
    """Share of Saturdays and Sundays, in thousandths of a weekday."""
    hours: Sequence[int]
    """Weight of each hour of a day, UTC."""


_HOME = (3, 3, 3, 3, 3, 4, 7, 9, 8, 6, 6, 6, 7, 6, 6, 7, 10, 14, 15, 13, 11, 9, 7, 4)
_NIGHT = (16, 16, 16, 16, 16, 14, 8, 2, 1, 1, 1, 1, 2, 2, 1, 1, 1, 2, 2, 2, 2, 3, 6, 12)
_SUN = (0, 0, 0, 0, 0, 1, 3, 6, 10, 13, 15, 16, 16, 15, 13, 10, 7, 4, 2, 1, 0, 0, 0, 0)
_HEATING = (1, 1, 1, 1, 2, 6, 14, 15, 9, 5, 4, 4, 5, 4, 4, 6, 10, 14, 14, 12, 9, 6, 3, 1)
_WINTRY = (1280, 1220, 1110, 980, 880, 810, 790, 800, 880, 990, 1130, 1250)
_COLD = (2150, 1950, 1500, 950, 480, 250, 210, 220, 420, 900, 1500, 1960)
_SUNNY = (250, 480, 900, 1330, 1650, 1740, 1700, 1480, 1110, 700, 330, 210)

IMPORT = Stream("active import", 5_200, _WINTRY, 1120, _HOME)
SECOND = Stream("second import", 3_000, _WINTRY, 1000, _NIGHT)
"""What the second element of a twin-element meter measures: storage heating by night."""
EXPORT = Stream("active export", 5_600, _SUNNY, 1000, _SUN)
GAS = Stream("gas", 1_900, _COLD, 1080, _HEATING)


@cache
def _days(stream: Stream) -> tuple[int, ...]:
    """Shares of the days before each day of the cycle, in millionths of a mean day."""
    sums, total = [0], 0
    for day in range(_CYCLE_DAYS):
        year, of_year = _year_of(day)
        share = _share_of_date(stream, of_year, leap=year % 4 == 2)
        weekday = (day + _THURSDAY) % 7
        total += share * (stream.weekend if weekday >= 5 else 1000)
        sums.append(total)
    return tuple(sums)


def _year_of(day: int) -> tuple[int, int]:
    """Year since 1970 and day of it (from 0); every fourth year has 366 days, 1972 the first."""
    cycle, rest = divmod(day, 1461)
    for year, length in enumerate((365, 365, 366, 365)):
        if rest < length:
            return 4 * cycle + year, rest
        rest -= length
    raise AssertionError("a cycle has four years")


def _share_of_date(stream: Stream, of_year: int, *, leap: bool) -> int:
    """Between the middles of two months, in proportion."""
    rest = of_year
    for month, length in enumerate(_MONTHS):
        length += leap and month == 1
        if rest < length:
            other = (month + (1 if 2 * rest >= length else -1)) % 12
            away = abs(2 * rest + 1 - length)
            return (stream.months[month] * (2 * length - away) + stream.months[other] * away) // (2 * length)
        rest -= length
    raise AssertionError("a year has twelve months")


def _smooth(stream: Stream, day: int) -> int:
    cycles, rest = divmod(day, _CYCLE_DAYS)
    sums = _days(stream)
    return cycles * sums[-1] + sums[rest]


@lru_cache(maxsize=4096)
def mean_per_day(seed: int, eui: int, stream: Stream) -> int:
    """The mean day of a device."""
    return stream.least_per_day + draw_below(stream.least_per_day, seed, eui, 0, f"{stream.name} per day")


@lru_cache(maxsize=16384)
def _before_day(seed: int, eui: int, stream: Stream, day: int) -> int:
    """What was counted before a day.

    Chance moves the border between two days by less than four fifths of the smaller one, so that no day comes out below nothing.
    """
    mean = mean_per_day(seed, eui, stream)
    yesterday, today, tomorrow = (_smooth(stream, n) for n in (day - 1, day, day + 1))
    moved = min(today - yesterday, tomorrow - today) * draw_below(800, seed, eui, day, stream.name) // 1000
    return mean * (today + moved) // 1_000_000


@lru_cache(maxsize=4096)
def day_curve(seed: int, eui: int, stream: Stream, day: int) -> tuple[int, ...]:
    """What was counted at the 49 borders of the half-hours of a day (days since 1970)."""
    start = _before_day(seed, eui, stream, day)
    used = _before_day(seed, eui, stream, day + 1) - start
    chance = hashlib.blake2b(f"{seed}/{eui}/{day}/{stream.name} half-hours".encode(), digest_size=SLOTS).digest()
    sums, total = [0], 0
    for slot, octet in enumerate(chance):
        total += stream.hours[slot // 2] * (48 + octet)
        sums.append(total)
    return tuple(start + used * part // total for part in sums)


def counted(seed: int, eui: int, stream: Stream, at_ms: int) -> int:
    """What the curve has counted since 1970 at an instant; it never falls."""
    day, of_day = divmod(at_ms, DAY_MS)
    slot, within = divmod(of_day, HALF_HOUR_MS)
    curve = day_curve(seed, eui, stream, day)
    return curve[slot] + (curve[slot + 1] - curve[slot]) * within // HALF_HOUR_MS


Spans = tuple[tuple[int, int], ...]
"""Times from and to which there was no supply, in milliseconds, one after the other."""


def flowed(seed: int, eui: int, stream: Stream, without: Spans, at_ms: int) -> int:
    """What the curve has counted at an instant, less what it would have without supply."""
    value = counted(seed, eui, stream, at_ms)
    for start, end in without:
        if start < at_ms:
            value -= counted(seed, eui, stream, min(end, at_ms)) - counted(seed, eui, stream, start)
    return value


def day_flow(seed: int, eui: int, stream: Stream, without: Spans, day: int) -> tuple[int, ...]:
    """:func:`day_curve`, less what it would have counted without supply."""
    if not any(start < (day + 1) * DAY_MS and day * DAY_MS < end for start, end in without):
        return day_curve(seed, eui, stream, day)
    return tuple(flowed(seed, eui, stream, without, day * DAY_MS + slot * HALF_HOUR_MS) for slot in range(SLOTS + 1))


def reactive_permille(seed: int, eui: int, stream: Stream) -> int:
    """Reactive energy beside a stream of active energy, in thousandths of it."""
    return 80 + draw_below(220, seed, eui, 0, f"{stream.name} reactive")


_BATCH = 64
"""Periods of voltage drawn at once."""
_LOWEST_V, _HIGHEST_V = 212, 256
"""Average voltages on the worst occasions, one period of 256 each."""


@lru_cache(maxsize=2048)
def _voltages(seed: int, eui: int, phase: int, period_ms: int, batch: int) -> bytes:
    key = f"{seed}/{eui}/{batch}/voltage {phase} {period_ms}".encode()
    return hashlib.blake2b(key, digest_size=_BATCH).digest()


def average_voltage(seed: int, eui: int, phase: int, period_ms: int, period: int) -> int:
    """Average RMS voltage in V of a phase in a period, counted since 1970: 236 to 250 V, now and then too low or too high."""
    batch, place = divmod(period, _BATCH)
    return _volts(_voltages(seed, eui, phase, period_ms, batch)[place])


def _volts(octet: int) -> int:
    return {0: _LOWEST_V, 255: _HIGHEST_V}.get(octet, 236 + octet % 15)


def count_voltages(seed: int, eui: int, phase: int, period_ms: int, periods: range, wanted: Callable[[int], bool]) -> int:
    """In how many periods, counted since 1970, the average voltage is one that is wanted."""
    table = bytes(wanted(_volts(octet)) for octet in range(256))
    count = 0
    for batch in range(periods.start // _BATCH, -(-periods.stop // _BATCH)):
        first, last = max(periods.start - batch * _BATCH, 0), min(periods.stop - batch * _BATCH, _BATCH)
        count += _voltages(seed, eui, phase, period_ms, batch)[first:last].translate(table).count(1)
    return count


STREAMS: Mapping[str, Stream] = {stream.name: stream for stream in (IMPORT, SECOND, EXPORT, GAS)}
"""Every stream by name."""
