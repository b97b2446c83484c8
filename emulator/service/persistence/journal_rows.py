"""Rows of the journal ⇄ its entries; all SQL about them is here.

What one step of the log says of one request lies in one row, because a row costs more than what stands in it: the last entry in
the columns, those before it in ``earlier``: JSON, a list of whether the last one is about the device of the row, and the others.
Each entry has a number all the same; that of the row is its last one's.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from emulator.domain.identifiers import eui_hex, format_eui
from emulator.dsp.effects import SharedData
from emulator.service.persistence.contract import JournalQuery, JournalRow, request_key

MAX_ENTRIES = 16
"""Entries of one row, which retention drops together."""

_JSON = json.JSONEncoder(separators=(",", ":"))
_ROW = (
    "INSERT INTO journal (number, world, at_ms, wall_ms, kind, request_id, request_key, device, summary, data, seq, delivery, "
    "effect, earlier) VALUES ((SELECT COALESCE(MAX(number), 0) FROM journal) + ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COLUMNS = "number, at_ms, wall_ms, kind, request_id, device, summary, data, seq, delivery, earlier"

Values = tuple[Any, ...]


def journal_values(world: str, entries: Iterable[JournalRow]) -> Iterator[Values]:
    """What :func:`write_journal` writes of the entries of one step."""
    group: list[JournalRow] = []
    device: int | None = None
    for entry in entries:
        if group and not (len(group) < MAX_ENTRIES and _belongs(entry, group[-1], device)):
            yield _values(world, group, device)
            group, device = [], None
        group.append(entry)
        device = entry.device if device is None else device
    if group:
        yield _values(world, group, device)


def _belongs(entry: JournalRow, last: JournalRow, device: int | None) -> bool:
    """Whether an entry can lie in the row of the one before it, which is about ``device`` as far as it is about any."""
    return (
        entry.request_id is not None
        and entry.request_id == last.request_id
        and (entry.device is None or device is None or entry.device == device)
        and entry.at_ms == last.at_ms
        and entry.wall_ms == last.wall_ms
    )


def _values(world: str, group: list[JournalRow], device: int | None) -> Values:
    last = group[-1]
    effect, earlier = last.effect, None
    if len(group) > 1:
        effect = next((entry.effect for entry in reversed(group) if entry.effect is not None), None)
        earlier = f"[{_about(last)},{','.join(map(_text, group[:-1]))}]"
    return (
        *(len(group), world, last.at_ms, last.wall_ms, last.kind, last.request_id),
        None if last.request_id is None else request_key(last.request_id),
        None if device is None else eui_hex(device),
        *(last.summary, _data(last), last.seq, last.delivery, effect, earlier),
    )


def _about(entry: JournalRow) -> str:
    return "false" if entry.device is None else "true"


def _text(entry: JournalRow) -> str:
    """An earlier entry of a row: kind, whether it is about the device of the row, summary, data, input and message."""
    numbers = ",".join("null" if number is None else str(number) for number in (entry.seq, entry.delivery))
    return f"[{quoted(entry.kind)},{_about(entry)},{quoted(entry.summary)},{_data(entry)},{numbers}]"


def _data(entry: JournalRow) -> str:
    """JSON, or the number of what many say."""
    if isinstance(entry.data, SharedData):
        return str(entry.data.number)
    return _JSON.encode(entry.data) if entry.data else "{}"


def shared_values(entries: Iterable[JournalRow]) -> list[Values]:
    """What :func:`write_journal` writes of data that many say, once."""
    found = {entry.data.number: entry.data.text for entry in entries if isinstance(entry.data, SharedData)}
    return list(found.items())


def write_journal(connection: sqlite3.Connection, rows: list[Values], shared: list[Values]) -> None:
    """Add to the journal, inside a transaction of the caller."""
    if shared:
        connection.executemany("INSERT OR IGNORE INTO journal_data (number, text) VALUES (?, ?)", shared)
    if rows:
        connection.executemany(_ROW, rows)


def read_journal(connection: sqlite3.Connection, query: JournalQuery) -> list[dict[str, Any]]:
    """Entries that fit, by number, as JSON values."""
    where, values = _conditions(query)
    rows = connection.execute(f"SELECT {_COLUMNS} FROM journal WHERE {where} ORDER BY number", values)  # noqa: S608 (own columns)
    fitting = (entry for row in rows for entry in _entries(row) if _fits(entry, query))
    found = list(islice(fitting, max(query.limit, 0)))
    rows.close()
    for entry in found:
        if isinstance(entry["data"], int):
            (text,) = connection.execute("SELECT text FROM journal_data WHERE number = ?", (entry["data"],)).fetchone()
            entry["data"] = json.loads(text)
    return found


def _conditions(query: JournalQuery) -> tuple[str, list[Any]]:
    """What holds for every row with an entry that fits, and for few others."""
    conditions: list[tuple[str, tuple[Any, ...]]] = [("number > ?", (query.after,))]
    if query.request_id is not None:
        conditions.append(("request_key = ?", (request_key(query.request_id),)))
    if query.device is not None:
        conditions.append(("device = ?", (eui_hex(query.device),)))
    if query.since_ms is not None:
        conditions.append(("at_ms >= ?", (query.since_ms,)))
    if query.until_ms is not None:
        conditions.append(("at_ms < ?", (query.until_ms,)))
    if query.text:
        conditions.append(("(earlier IS NOT NULL OR instr(lower(summary), lower(?)) > 0)", (query.text,)))
    if query.kind is not None:
        begins = json.dumps(query.kind)[:-1]
        wanted = (query.kind, len(query.kind) + 1, query.kind + ".", f'[{begins}"', f"[{begins}.")
        conditions.append(("(kind = ? OR substr(kind, 1, ?) = ? OR instr(earlier, ?) OR instr(earlier, ?))", wanted))
    return " AND ".join(text for text, _ in conditions), [value for _, values in conditions for value in values]


def _entries(row: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    number, at_ms, wall_ms, kind, request_id, device, summary, data, seq, delivery, earlier = row
    about, entries = True, []
    if earlier is not None:
        about, *entries = json.loads(earlier)
    entries.append([kind, about, summary, json.loads(data), seq, delivery])
    where = None if device is None else format_eui(int(device, 16))
    for place, (kind, about, summary, data, seq, delivery) in enumerate(entries, number - len(entries) + 1):
        yield {
            "number": place,
            "at_ms": at_ms,
            "wall_ms": wall_ms,
            "kind": kind,
            "request_id": request_id,
            "device": where if about else None,
            "summary": summary,
            "data": data,
            "input": seq,
            "delivery": delivery,
        }


def _fits(entry: dict[str, Any], query: JournalQuery) -> bool:
    """What the conditions on rows leave open."""
    return (
        entry["number"] > query.after
        and (query.device is None or entry["device"] is not None)
        and (query.kind is None or entry["kind"] == query.kind or entry["kind"].startswith(query.kind + "."))
        and (not query.text or query.text.lower() in entry["summary"].lower())
    )
