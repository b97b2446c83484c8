"""Tables of facts whose every value says where it comes from: TOML, one table per row, ``key = { value, source, estimate }``.

``source`` names a row of the reference's ota/limits.csv (``L031``), a section of another of its documents, or ``EMU`` for a
choice of ours; ``estimate`` is true where nobody could read the figure.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.domain.errors import Malformed


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    row: str
    estimate: bool


@dataclass(frozen=True, slots=True)
class SourcedRow:
    """One row: what it is, its values by key, and where each comes from."""

    name: str
    meaning: str
    values: Mapping[str, Any]
    sources: Mapping[str, Source]


def read_rows(
    text: str, source: str, columns: Mapping[str, type], required: frozenset[str] = frozenset()
) -> dict[str, SourcedRow]:
    """Rows by name; raise :class:`Malformed` with the place of a value that is missing, unknown, of another type or negative.

    ``columns`` are the keys that a row may have, with the type of each; ``required`` are those that it must have.
    """
    try:
        tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(str(error), where=source, expected="TOML") from None
    return {name: _row(name, table, source, columns, required) for name, table in tables.items()}


def _row(name: str, table: dict[str, Any], source: str, columns: Mapping[str, type], required: frozenset[str]) -> SourcedRow:
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for key in (*table, *sorted(required - table.keys())):
        if key == "meaning":
            continue
        where, cell = f"{source}: {name}.{key}", table.get(key)
        if key not in columns:
            raise Malformed(f"there is no column {key!r}", where=where, expected=f"one of {', '.join(columns)}")
        value: Any = cell.get("value") if isinstance(cell, dict) else None
        if type(value) is not columns[key] or (isinstance(value, int) and value < 0):
            raise Malformed("no such value here", where=where, expected=f"{{ value, source, estimate }}, {columns[key].__name__}")
        assert isinstance(cell, dict)
        values[key] = value
        sources[key] = Source(str(cell.get("source", "")), bool(cell.get("estimate", True)))
        if not sources[key].row:
            raise Malformed("the value has no source", where=where, expected="a row of the fact table, or EMU")
    return SourcedRow(name, str(table.get("meaning", "")), values, sources)
