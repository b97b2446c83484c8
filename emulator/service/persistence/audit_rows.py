"""Rows of the audit trail ⇄ records; all SQL about them is here."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import eui_hex
from emulator.dsp.audit import BEGINNING, Entry, Place, Record, entry_text, read_record
from emulator.service.persistence.contract import UNREADABLE, AuditQuery, AuditRow, Body, StoredBody, request_key
from emulator.service.persistence.device_lists import EUI_BYTES, pack

_RECORD = "INSERT INTO audit (number, world, seq, at_ms, previous, digest, entry) VALUES (?, ?, ?, ?, ?, ?, ?)"
_LIST = "INSERT OR IGNORE INTO device_lists (digest, world, devices, lowest, highest, octets) VALUES (?, ?, ?, ?, ?, ?)"

Values = tuple[Any, ...]


def record_values(world: str, row: AuditRow) -> Values:
    """What :func:`write_audit` writes of a record."""
    record = row.record
    text = row.text or entry_text(record.entry)
    return (record.number, world, row.seq, record.at_ms, record.previous, record.digest, text)


def list_values(world: str, rows: Iterable[AuditRow], keep: Callable[[bytes], Body]) -> list[Values]:
    """What :func:`write_audit` writes of the lists that records name; large ones are in their files afterwards."""
    found: dict[str, Values] = {}
    for row in rows:
        digest = row.record.entry.devices_digest
        if row.devices and digest not in found:
            octets = pack(row.devices)
            kept = keep(octets)
            ends = (octets[:EUI_BYTES].hex(), octets[-EUI_BYTES:].hex())
            found[digest] = (digest, world, len(octets) // EUI_BYTES, *ends, None if isinstance(kept, StoredBody) else kept)
    return list(found.values())


def write_audit(connection: sqlite3.Connection, records: list[Values], lists: list[Values]) -> None:
    """Add to the trail, inside a transaction of the caller."""
    if lists:
        connection.executemany(_LIST, lists)
    if records:
        connection.executemany(_RECORD, records)


def read_audit(connection: sqlite3.Connection, query: AuditQuery, list_digests: Iterable[str]) -> list[Record]:
    """Records that fit, by number; ``list_digests`` are those of the lists that name the wanted device."""
    where, values = _conditions(query, list_digests)
    order = "DESC" if query.newest_first else "ASC"
    rows = connection.execute(
        f"SELECT number, at_ms, previous, digest, entry FROM audit WHERE {where} ORDER BY number {order} LIMIT ?",  # noqa: S608 (own columns)
        (*values, query.limit),
    )
    return [_record(*row) for row in rows]


def _conditions(query: AuditQuery, list_digests: Iterable[str]) -> tuple[str, list[Any]]:
    wanted = query.wanted
    conditions: list[tuple[str, Any]] = [
        ("number > ?", query.after),
        ("number < ?", query.before),
        ("at_ms >= ?", wanted.from_ms),
        ("at_ms < ?", wanted.to_ms),
        ("request_key = ?", request_key(wanted.request_id) or None),
    ]
    for name in ("user", "kind", "variant", "image_hash"):
        conditions.append((f"json_extract(entry, '$.{name}') = ?", getattr(wanted, name) or None))
    used = [(text, value) for text, value in conditions if value is not None]
    where, values = " AND ".join(text for text, _ in used), [value for _, value in used]
    if wanted.device:
        where += " AND (device = ? OR list_digest IN (SELECT value FROM json_each(?)))"
        values += [wanted.device, json.dumps(list(list_digests))]
    return where, values


def _record(number: int, at_ms: int, previous: str, digest: str, entry: str) -> Record:
    values = {"number": number, "at_ms": at_ms, "previous": previous, "digest": digest}
    try:
        return read_record({**values, "entry": json.loads(entry)})
    except (Malformed, ValueError):
        return Record(number, at_ms, previous, Entry(UNREADABLE, ""), digest)


def read_lists_about(connection: sqlite3.Connection, device: int) -> list[tuple[str, bytes | None]]:
    """Digest and octets of the lists that may name a device; octets that lie in a file are None."""
    eui = eui_hex(device)
    rows = connection.execute("SELECT digest, octets FROM device_lists WHERE lowest <= ? AND highest >= ?", (eui, eui))
    return list(rows)


def read_list(connection: sqlite3.Connection, digest: str) -> tuple[bytes | None] | None:
    """The octets of a list, None in their place where they lie in a file, or None when there is no such list."""
    found: tuple[bytes | None] | None = connection.execute(
        "SELECT octets FROM device_lists WHERE digest = ?", (digest,)
    ).fetchone()
    return found


def read_start(connection: sqlite3.Connection) -> Place:
    """What the first kept record follows."""
    found: Place | None = connection.execute("SELECT number, digest FROM audit_start").fetchone()
    return BEGINNING if found is None else found


def read_end(connection: sqlite3.Connection) -> Place:
    """The last record."""
    found: Place | None = connection.execute("SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return read_start(connection) if found is None else found


def prune_audit(connection: sqlite3.Connection, world: str, keep: int, oldest_seq: int, limit: int) -> int:
    """Drop the oldest records beyond ``keep``, at most ``limit``, none that a replay may make again; how many were dropped."""
    last = connection.execute(
        "SELECT number, digest FROM audit WHERE seq <= ? AND number <= (SELECT COALESCE(MAX(number), 0) FROM audit) - ? "
        "AND number <= (SELECT COALESCE(MIN(number), 0) FROM audit) + ? ORDER BY number DESC LIMIT 1",
        (oldest_seq, keep, limit - 1),
    ).fetchone()
    if last is None:
        return 0
    connection.execute("INSERT OR REPLACE INTO audit_start (world, number, digest) VALUES (?, ?, ?)", (world, *last))
    dropped = connection.execute("DELETE FROM audit WHERE number <= ?", (last[0],)).rowcount
    connection.execute(
        "DELETE FROM device_lists WHERE digest NOT IN (SELECT list_digest FROM audit WHERE list_digest IS NOT NULL)"
    )
    return dropped
