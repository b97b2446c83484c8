"""Durations and instants as people write them, with units: ``90 min``, ``now + 2 h``, ``2026-01-05T08:00:00Z``.

What is wrong with one is :class:`Malformed` with the form that it should have.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from emulator.domain.datetimes import format_datetime, parse_datetime_ms
from emulator.domain.errors import Malformed

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

_UNITS_MS = {
    "ms": 1,
    **dict.fromkeys(("s", "second", "seconds"), SECOND_MS),
    **dict.fromkeys(("min", "minute", "minutes"), MINUTE_MS),
    **dict.fromkeys(("h", "hour", "hours"), HOUR_MS),
    **dict.fromkeys(("d", "day", "days"), DAY_MS),
    **dict.fromkeys(("week", "weeks"), WEEK_MS),
}
_PART = re.compile(r"(\d+)\s*([a-z]+)\s*")
_RELATIVE = re.compile(r"(start|now)(?:\s*([+-])\s*(.+))?")
DURATION_FORM = "a number with a unit such as '90 min', '5 days' or '1 h 30 min' (ms, s, min, h, days, weeks)"
INSTANT_FORM = "2026-01-05T08:00:00Z, 'start + 2 h' or 'now + 90 min'"


def duration_ms(value: object) -> int:
    """Read ``90 min``, ``5 days``, ``1 h 30 min``; raise :class:`Malformed` for anything else, a bare number above all."""
    if isinstance(value, int | float):
        raise Malformed(f"{value} has no unit", expected=DURATION_FORM)
    text = value.strip() if isinstance(value, str) else ""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text):
        detail = f"{text} has no unit" if text.isdecimal() else f"{str(value)[:60]!r} is not a duration"
        raise Malformed(detail, expected=DURATION_FORM)
    for _, unit in parts:
        if unit not in _UNITS_MS:
            raise Malformed(f"{unit!r} is not a unit of time", expected=DURATION_FORM)
    return sum(int(number) * _UNITS_MS[unit] for number, unit in parts)


def format_duration(span_ms: int) -> str:
    """The largest units that matter: ``5 days 2 h``, ``90 s``, ``250 ms``."""
    found, left = [], abs(span_ms)
    for unit, size_ms in (("days", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)):
        number, left = divmod(left, size_ms)
        if number:
            found.append(f"{number} {unit.removesuffix('s') if number == 1 and len(unit) > 2 else unit}")
    return ("-" if span_ms < 0 else "") + (" ".join(found[:3]) or "0 s")


@dataclass(frozen=True, slots=True)
class Instant:
    """A point of simulated time: of UTC, after the scenario's start, or after the moment at which its step is carried out."""

    base: Literal["utc", "start", "now"]
    offset_ms: int

    def at_ms(self, start_ms: int, now_ms: int) -> int:
        """Simulated milliseconds of UTC."""
        return self.offset_ms + {"utc": 0, "start": start_ms, "now": now_ms}[self.base]

    def __str__(self) -> str:
        if self.base == "utc":
            return format_datetime(self.offset_ms)
        sign = "-" if self.offset_ms < 0 else "+"
        return f"{self.base} {sign} {format_duration(abs(self.offset_ms))}" if self.offset_ms else self.base


def read_instant(value: object) -> Instant:
    """Read a date and time with its zone, or a distance from ``start`` or ``now``; raise :class:`Malformed` otherwise."""
    if isinstance(value, Instant):
        return value
    if isinstance(value, int | float):
        raise Malformed(f"{value} is a bare number", expected=INSTANT_FORM)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Malformed(f"{value.isoformat()} has no zone", expected=f"{value.isoformat()}Z")
        return Instant("utc", round(value.timestamp() * 1000))
    text = value.strip() if isinstance(value, str) else ""
    match = _RELATIVE.fullmatch(text)
    if match is not None:
        base, sign, span = match.groups()
        offset_ms = 0 if span is None else duration_ms(span)
        return Instant("start" if base == "start" else "now", -offset_ms if sign == "-" else offset_ms)
    try:
        at_ms = parse_datetime_ms(text)
    except Malformed:
        raise Malformed(f"{str(value)[:60]!r} is not an instant", expected=INSTANT_FORM) from None
    if not re.search(r"(Z|[+-]\d\d:\d\d)$", text):
        raise Malformed(f"{text} has no zone", expected=f"{text}Z")
    return Instant("utc", at_ms)
