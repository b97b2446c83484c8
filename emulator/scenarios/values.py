"""Values as people write them in a scenario: durations and instants with units, response codes, requirement ids.

What is wrong with one is :class:`Malformed`, which pydantic carries to the place where it stood.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from emulator.domain.errors import Malformed
from emulator.domain.tables import response_codes
from emulator.duis.datetimes import format_datetime, parse_datetime_ms

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
_REQUIREMENT = re.compile(r"S-\d\d|A\d{1,2}|(?:M7|Q7|T|C)-\d{2,3}")

_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,47}")
MAX_NAME = 60
"""Characters of a name made up in a file."""
_UNITS_BYTES = {"B": 1, "kB": 1_000, "KiB": 1_024, "MB": 1_000_000, "MiB": 1_048_576}
MIN_IMAGE_BYTES, MAX_IMAGE_BYTES = 64, 10_000_000
"""Sizes that a built Manufacturer Image may have."""
SIZE_FORM = "a number with a unit such as '48 kB' or '1 MiB' (B, kB, KiB, MB, MiB)"
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


def size_bytes(value: object) -> int:
    """Read ``48 kB`` or ``1 MiB``; raise :class:`Malformed` for anything else, a bare number above all."""
    match = re.fullmatch(r"(\d+)\s*(B|kB|KiB|MB|MiB)", value.strip()) if isinstance(value, str) else None
    if match is None:
        detail = f"{value} has no unit" if isinstance(value, int | float) else f"{str(value)[:40]!r} is not a size"
        raise Malformed(detail, expected=SIZE_FORM)
    found = int(match[1]) * _UNITS_BYTES[match[2]]
    if not MIN_IMAGE_BYTES <= found <= MAX_IMAGE_BYTES:
        raise Malformed(f"{value} is not between {MIN_IMAGE_BYTES} and {MAX_IMAGE_BYTES} octets", expected=SIZE_FORM)
    return found


def _code(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    if re.fullmatch(r"http\.[1-5]\d\d", text) or text in response_codes():
        return text
    raise Malformed(f"there is no response code {text[:40]!r}", expected="one of the DUIS codes such as I99, or http.400")


def _requirement(value: object) -> str:
    if isinstance(value, str) and _REQUIREMENT.fullmatch(value):
        return value
    raise Malformed(f"{str(value)[:40]!r} is not the id of a requirement", expected="such as S-10, A5, M7-26 or Q7-76")


def _scenario_id(value: object) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise Malformed(f"{str(value)[:80]!r} is not an id", expected="a letter, then letters, digits and hyphens, 48 at most")


def _name(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and value == value.strip() and 0 < len(value) <= MAX_NAME:
        return value
    raise Malformed(f"{str(value)[:80]!r} is not a name", expected=f"one line of at most {MAX_NAME} characters")


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _alert_code(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{4}", value):
        return value.upper()
    raise Malformed(f"{str(value)[:40]!r} is not an alert code", expected="four hexadecimal digits in quotes, such as '8F72'")


def _written(description: str, *examples: str, **more: str) -> Any:
    return WithJsonSchema({"type": "string", "description": description, "examples": list(examples), **more})


Duration = Annotated[int, BeforeValidator(duration_ms), _written(DURATION_FORM, "90 min", "5 days", format="duration")]
"""Milliseconds, written with units."""
Size = Annotated[int, BeforeValidator(size_bytes), _written(SIZE_FORM, "48 kB")]
"""Octets, written with units."""
Moment = Annotated[Instant, BeforeValidator(read_instant), _written(INSTANT_FORM, "2026-01-05T08:00:00Z", "start + 2 h")]
"""An instant, absolute or relative."""
Code = Annotated[str, BeforeValidator(_code), _written("a DUIS response code, or http.NNN", "I99", "E4", "http.403")]
"""What a request is answered with."""
AlertCode = Annotated[str, BeforeValidator(_alert_code), _written("alert code of a device", "8F72")]
"""Of a device, four hexadecimal digits."""
RequirementId = Annotated[str, BeforeValidator(_requirement), _written("what a scenario or step shows", "S-10", "M7-26", "A5")]
"""A scenario, access test or requirement of the reference."""
ScenarioId = Annotated[str, BeforeValidator(_scenario_id), _written("name of a scenario", "S-10-guard-on")]
"""Names a scenario."""
Name = Annotated[str, BeforeValidator(_name), _written("a name made up in this file", "v2")]
"""By which other steps of the file refer to something."""
Reference = Annotated[str, WithJsonSchema({"type": "string", "format": "name"})]
"""A name that must be known: of a user, device, image or step."""
References = Annotated[
    list[str],
    BeforeValidator(_one_or_more),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}], "format": "names"}),
]
"""One name or selector, or a list of them."""
