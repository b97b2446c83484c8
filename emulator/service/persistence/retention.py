"""What is dropped, when, and what must stay: every kept snapshot can be replayed to the present."""

import contextlib
import sqlite3
from pathlib import Path

from emulator.service.config import Storage
from emulator.service.persistence.audit_rows import prune_audit, read_end
from emulator.service.persistence.blobs import BlobFolder
from emulator.service.persistence.contract import DeliveryState, LastNumbers, OutboxEntry, OutboxQuery, SnapshotRow
from emulator.service.persistence.rows import read_outbox, write_snapshot

PRUNE_ROWS = 5_000
"""Rows of one table deleted in one transaction, so that appends wait for milliseconds only."""
BLOB_GRACE_S = 3_600.0
"""A blob is written before the row that names it; younger ones are never dropped."""


_TABLES = (
    *("meta", "inputs", "outbox", "journal", "journal_data", "snapshots", "progress"),
    *("audit", "device_lists", "audit_start"),
)


def start_anew(connection: sqlite3.Connection, world: str, metadata: dict[str, str], row: SnapshotRow) -> None:
    """In one transaction: forget everything, name the first snapshot."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 (own names)
        values = [(world, name, value) for name, value in metadata.items()]
        connection.executemany("INSERT INTO meta (world, name, value) VALUES (?, ?, ?)", values)
        write_snapshot(connection, world, row)
        connection.execute("INSERT INTO progress (world, instant_ms) VALUES (?, ?)", (world, row.at_ms))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def prune(connection: sqlite3.Connection, world: str, settings: Storage) -> bool:
    """Drop one portion of what is beyond the limits; False when nothing was left to drop.

    An input stays while a kept snapshot precedes it; a message stays while it is undelivered or a replay may make it again. The
    audit trail stays whole unless it has a limit.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        dropped = _prune(connection, world, settings)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return dropped


def _prune(connection: sqlite3.Connection, world: str, settings: Storage) -> bool:
    connection.execute(
        "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)", (settings.keep_snapshots,)
    )
    (oldest,) = connection.execute("SELECT COALESCE(MIN(seq), 0) FROM snapshots").fetchone()
    dropped = connection.execute(
        "DELETE FROM inputs WHERE seq IN (SELECT seq FROM inputs WHERE seq <= ? "
        "AND seq <= (SELECT COALESCE(MAX(seq), 0) FROM inputs) - ? ORDER BY seq LIMIT ?)",
        (oldest, settings.keep_inputs, PRUNE_ROWS),
    ).rowcount
    dropped += connection.execute(
        "DELETE FROM journal WHERE number IN (SELECT number FROM journal "
        "WHERE number <= (SELECT COALESCE(MAX(number), 0) FROM journal) - ? ORDER BY number LIMIT ?)",
        (settings.keep_journal, PRUNE_ROWS),
    ).rowcount
    dropped += connection.execute(
        "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox WHERE state <> 'queued' AND seq <= ? "
        "AND number <= (SELECT COALESCE(MAX(number), 0) FROM outbox) - ? ORDER BY number LIMIT ?)",
        (oldest, settings.keep_deliveries, PRUNE_ROWS),
    ).rowcount
    if settings.keep_audit is not None:
        dropped += prune_audit(connection, world, settings.keep_audit, oldest, PRUNE_ROWS)
    return dropped > 0


def named_files(connection: sqlite3.Connection) -> tuple[set[str], set[bytes]]:
    """File names of kept snapshots, digests of kept blobs."""
    snapshots = {name for (name,) in connection.execute("SELECT name FROM snapshots")}
    blobs = connection.execute(
        "SELECT body_sha256 FROM inputs WHERE body_sha256 IS NOT NULL "
        "UNION SELECT answer_sha256 FROM inputs WHERE answer_sha256 IS NOT NULL "
        "UNION SELECT body_sha256 FROM outbox WHERE body_sha256 IS NOT NULL"
    )
    lists = connection.execute("SELECT digest FROM device_lists WHERE octets IS NULL")
    return snapshots, {digest for (digest,) in blobs} | {bytes.fromhex(digest) for (digest,) in lists}


def drop_files(folder: Path, kept: set[str], blobs: BlobFolder, named: set[bytes]) -> None:
    """Delete snapshot files and blobs that no row names."""
    for path in folder.iterdir():
        if path.name not in kept and path.name.endswith(".snapshot"):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    blobs.drop_unnamed(named, BLOB_GRACE_S)


def last_numbers(connection: sqlite3.Connection) -> LastNumbers:
    """How far each numbering has come."""
    (seq,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM inputs").fetchone()
    (snapshot_seq,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM snapshots").fetchone()
    (delivery,) = connection.execute("SELECT COALESCE(MAX(number), 0) FROM outbox").fetchone()
    found = connection.execute("SELECT effect FROM journal WHERE effect IS NOT NULL ORDER BY number DESC LIMIT 1").fetchone()
    return LastNumbers(max(seq, snapshot_seq), delivery, found[0] if found else 0, read_end(connection)[0])


def read_undelivered(connection: sqlite3.Connection) -> list[OutboxEntry]:
    """Queued messages in order of their numbers."""
    return read_outbox(connection, OutboxQuery(state=DeliveryState.QUEUED, limit=-1))
