"""What a report is, and how its filters are read.

A report is one row of :data:`emulator.reports.registry.REPORTS`. It first selects what its rows are about, which takes time with
the size of what it reads, and then describes only the rows of the page that was asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import CspRegion
from emulator.dsp.audit import Entry, Query, Record
from emulator.engine import Engine
from emulator.simulation.clock import MAX_INSTANT_MS

Row = dict[str, Any]
Filters = Mapping[str, Any]
"""Values of the filters that were given, read."""


class Unit(StrEnum):
    """What a column holds or a filter takes."""

    TEXT = "text"
    USER = "user"
    """A User ID, hexadecimal with hyphens."""
    DEVICE = "device"
    """EUI of a device or hub, hexadecimal with hyphens."""
    COMPANY = "company"
    REQUEST = "request"
    """A RequestID."""
    GRANT = "grant"
    """The number of a grant."""
    REGION = "region"
    FLAG = "flag"
    NUMBER = "number"
    OCTETS = "octets"
    INSTANT = "instant"
    """Simulated time, milliseconds of UTC."""
    DURATION = "duration"
    """Milliseconds of simulated time."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. A cell is None where there is no value."""

    name: str
    says: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True, slots=True)
class Filter:
    """What a report may be limited by."""

    name: str
    says: str
    unit: Unit = Unit.TEXT


class Gathering(Protocol):
    """A report over the audit trail while it reads: whoever has the trail gives it the records of its queries, in their order."""

    def queries(self) -> Sequence[Query]:
        """What it wants to see, one query after the other."""

    def wants_list(self, entry: Entry) -> bool:
        """Whether it needs the devices that the entry names by digest."""

    def take(self, record: Record, devices: Sequence[str]) -> None:
        """Look at a record, with the devices of its list if they were wanted."""

    def subjects(self) -> Sequence[Any]:
        """What the rows are about, when everything has been seen."""


def _no_gathering(engine: Engine, filters: Filters) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Report:
    """One report."""

    name: str
    says: str
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...]
    row: Callable[[Engine, Any], Row]
    """Describes one subject."""
    select: Callable[[Engine, Filters], Sequence[Any]] = field(default=lambda engine, filters: ())
    """The subjects of a report over the state of the world."""
    gathering: Callable[[Engine, Filters], Gathering | None] = _no_gathering
    """The beginning of a report over the audit trail; None for one over the state of the world."""

    def described(self) -> dict[str, Any]:
        """Name, meaning, columns and filters as JSON values."""
        return {
            "name": self.name,
            "says": self.says,
            "columns": [_described(column) for column in self.columns],
            "filters": [_described(each) for each in self.filters],
        }

    def read(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Read filters from text or plain values; None is not given. Raise :class:`Malformed` for one that the report does not
        have, naming those it has, and for a value that is none."""
        known = {each.name: each for each in self.filters}
        found = {}
        for name, value in given.items():
            if value is None:
                continue
            if name not in known:
                raise Malformed(f"report {self.name} has no filter {name[:40]!r}", where=name[:40], expected=", ".join(known))
            found[name] = _READ.get(known[name].unit, _text)(value, name)
        return found

    def table(self, engine: Engine, subjects: Sequence[Any], offset: int, limit: int | None) -> dict[str, Any]:
        """The report on these subjects, from the ``offset``-th on, at most ``limit`` rows; ``count`` is how many there are."""
        end = None if limit is None else offset + limit
        return {
            "name": self.name,
            "columns": [_described(column) for column in self.columns],
            "count": len(subjects),
            "rows": [self.row(engine, subject) for subject in subjects[offset:end]],
        }


def _described(part: Column | Filter) -> dict[str, str]:
    return {"name": part.name, "says": part.says, "unit": part.unit.value}


def _text(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    raise Malformed(f"{str(value)[:40]!r} is not a text", where=name, expected="a text")


def _eui(value: object, name: str) -> Eui64:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return Eui64(value)
    try:
        return parse_eui(_text(value, name))
    except Malformed as error:
        raise Malformed(error.detail, where=name, expected=error.expected) from None


def _number(value: object, name: str) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= MAX_INSTANT_MS:
        return int(text)
    raise Malformed(f"{str(value)[:40]!r} is not a number", where=name, expected=f"0 to {MAX_INSTANT_MS}")


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Malformed(f"{str(value)[:40]!r} is neither true nor false", where=name, expected="true or false")


def _region(value: object, name: str) -> CspRegion:
    try:
        return CspRegion(_text(value, name))
    except ValueError:
        detail = f"there is no region {str(value)[:40]!r}"
        raise Malformed(detail, where=name, expected=", ".join(CspRegion)) from None


_READ: Mapping[Unit, Callable[[object, str], Any]] = {
    **dict.fromkeys((Unit.USER, Unit.DEVICE), _eui),
    **dict.fromkeys((Unit.NUMBER, Unit.GRANT, Unit.OCTETS, Unit.INSTANT, Unit.DURATION), _number),
    Unit.FLAG: _flag,
    Unit.REGION: _region,
}
"""How a value of a filter is read; all others are texts."""


def request_column(says: str) -> Column:
    """Which firmware request."""
    return Column("request_id", says, Unit.REQUEST)


def shown_user(user: int | None) -> str | None:
    """A User ID as reports have it."""
    return None if user is None else format_eui(user)
