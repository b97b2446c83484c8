"""Rows of the log ⇄ records of the contract. All SQL that names more than one column is here,
but for that of the audit trail and of the journal."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from emulator.domain.identifiers import eui_hex
from emulator.service.persistence.audit_rows import list_values, record_values, write_audit
from emulator.service.persistence.contract import (
    Body,
    DeliveryRow,
    DeliveryState,
    InputKind,
    InputRow,
    OutboxEntry,
    OutboxQuery,
    OutcomeRow,
    SnapshotRow,
    Step,
    StoredBody,
    request_key,
)
from emulator.service.persistence.journal_rows import journal_values, shared_values, write_journal

Keep = Callable[[bytes], Body]
"""Turns a body that is too large for a row into a :class:`StoredBody`."""

_INPUT = (
    "INSERT INTO inputs (seq, world, kind, at_ms, wall_ms, verdict, digest, body, body_sha256, body_bytes, "
    "answer, answer_sha256, answer_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELIVERY = (
    "INSERT INTO outbox (number, world, seq, at_ms, wall_ms, recipient, device, request_id, request_key, kind, code, digest, "
    "body, body_sha256, body_bytes, state, attempts, detail, changed_wall_ms) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, '', ?)"
)
_OUTCOME = "UPDATE outbox SET state = ?, attempts = ?, status = ?, detail = ?, changed_wall_ms = ? WHERE number = ?"
_PROGRESS = "INSERT OR REPLACE INTO progress (world, instant_ms) VALUES (?, ?)"
_SNAPSHOT = (
    "INSERT OR REPLACE INTO snapshots (seq, world, at_ms, engine_version, service_state, sha256, size_bytes, name) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_OUTBOX_COLUMNS = (
    "number, at_ms, wall_ms, recipient, device, request_id, kind, code, body_bytes, "
    "state, attempts, status, detail, changed_wall_ms"
)


def write_steps(connection: sqlite3.Connection, world: str, steps: Sequence[Step], keep: Keep) -> None:
    """One transaction with all that ``steps`` hold; on :class:`sqlite3.Error` or :class:`OSError` nothing has changed."""
    inputs = [_input_values(world, step.input, keep) for step in steps if step.input is not None]
    deliveries = [_delivery_values(world, row, keep) for step in steps for row in step.deliveries]
    journal = [values for step in steps for values in journal_values(world, step.journal)]
    shared = shared_values(row for step in steps for row in step.journal)
    outcomes = [_outcome_values(row) for step in steps for row in step.outcomes]
    records = [record_values(world, row) for step in steps for row in step.audit]
    lists = list_values(world, (row for step in steps for row in step.audit), keep)
    instants = [step.instant_ms for step in steps if step.instant_ms is not None]
    connection.execute("BEGIN IMMEDIATE")
    try:
        if inputs:
            connection.executemany(_INPUT, inputs)
        if deliveries:
            connection.executemany(_DELIVERY, deliveries)
        if outcomes:
            connection.executemany(_OUTCOME, outcomes)
        write_journal(connection, journal, shared)
        write_audit(connection, records, lists)
        if instants:
            connection.execute(_PROGRESS, (world, instants[-1]))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def write_snapshot(connection: sqlite3.Connection, world: str, row: SnapshotRow) -> None:
    """Name a snapshot whose file is durable already."""
    state = json.dumps(row.service_state, separators=(",", ":"))
    values = (row.seq, world, row.at_ms, row.engine_version, state, row.sha256, row.size_bytes, row.name)
    connection.execute(_SNAPSHOT, values)


def _split(body: Body) -> tuple[bytes | None, bytes | None, int]:
    if isinstance(body, StoredBody):
        return None, body.sha256, body.size_bytes
    return body, None, len(body)


def _input_values(world: str, row: InputRow, keep: Keep) -> tuple[Any, ...]:
    body = row.body if isinstance(row.body, StoredBody) else keep(row.body)
    answer = keep(row.answer)
    return (
        *(row.seq, world, row.kind.value, row.at_ms, row.wall_ms, row.verdict, row.digest),
        *_split(body),
        *_split(answer),
    )


def _delivery_values(world: str, row: DeliveryRow, keep: Keep) -> tuple[Any, ...]:
    device = None if row.device is None else eui_hex(row.device)
    key = None if row.request_id is None else request_key(row.request_id)
    return (
        *(row.number, world, row.seq, row.at_ms, row.wall_ms, eui_hex(row.recipient), device, row.request_id, key),
        *(row.kind, row.code, row.digest),
        *_split(keep(row.body)),
        row.wall_ms,
    )


def _outcome_values(row: OutcomeRow) -> tuple[Any, ...]:
    return (row.state.value, row.attempts, row.status, row.detail, row.wall_ms, row.number)


def read_inputs(connection: sqlite3.Connection, after_seq: int, limit: int) -> list[InputRow]:
    """Inputs after a number, without their answers, which a replay compares by digest."""
    rows = connection.execute(
        "SELECT seq, kind, at_ms, wall_ms, verdict, digest, body, body_sha256, body_bytes FROM inputs WHERE seq > ? "
        "ORDER BY seq LIMIT ?",
        (after_seq, limit),
    )
    return [
        InputRow(seq, InputKind(kind), at_ms, wall_ms, verdict, digest, body if sha is None else StoredBody(sha, size))
        for seq, kind, at_ms, wall_ms, verdict, digest, body, sha, size in rows
    ]


def digests_after(connection: sqlite3.Connection, table: str, after_seq: int) -> list[tuple[int, Any]]:
    """Number and digest of the messages or records that later inputs made: the last ones, because numbers rise with inputs."""
    (before,) = connection.execute(
        f"SELECT COALESCE((SELECT number FROM {table} WHERE seq <= ? ORDER BY number DESC LIMIT 1), 0)",  # noqa: S608 (own names)
        (after_seq,),
    ).fetchone()
    found = connection.execute(f"SELECT number, digest FROM {table} WHERE number > ? ORDER BY number", (before,))  # noqa: S608 (own names)
    return list(found)


def read_snapshots(connection: sqlite3.Connection) -> list[SnapshotRow]:
    """Snapshots, newest first."""
    rows = connection.execute(
        "SELECT seq, at_ms, engine_version, service_state, sha256, size_bytes, name FROM snapshots ORDER BY seq DESC"
    )
    return [SnapshotRow(seq, at_ms, version, json.loads(state), *rest) for seq, at_ms, version, state, *rest in rows]


def read_outbox(connection: sqlite3.Connection, query: OutboxQuery) -> list[OutboxEntry]:
    """Messages that fit, by number."""
    where, values = _outbox_conditions(query)
    rows = connection.execute(
        f"SELECT {_OUTBOX_COLUMNS} FROM outbox WHERE number > ?{where} ORDER BY number LIMIT ?",  # noqa: S608 (own columns)
        (query.after, *values, query.limit),
    )
    return [_outbox_entry(row) for row in rows]


def count_outbox(connection: sqlite3.Connection, query: OutboxQuery) -> dict[DeliveryState, int]:
    """Messages that fit, by state."""
    where, values = _outbox_conditions(query)
    rows = connection.execute(f"SELECT state, COUNT(*) FROM outbox WHERE 1{where} GROUP BY state", values)  # noqa: S608 (own columns)
    return {DeliveryState(state): count for state, count in rows}


def _outbox_conditions(query: OutboxQuery) -> tuple[str, tuple[Any, ...]]:
    conditions = (
        ("state", None if query.state is None else query.state.value),
        ("recipient", None if query.recipient is None else eui_hex(query.recipient)),
        ("device", None if query.device is None else eui_hex(query.device)),
        ("request_key", None if query.request_id is None else request_key(query.request_id)),
    )
    used = [(column, value) for column, value in conditions if value is not None]
    return "".join(f" AND {column} = ?" for column, _ in used), tuple(value for _, value in used)


def _outbox_entry(row: tuple[Any, ...]) -> OutboxEntry:
    number, at_ms, wall_ms, recipient, device, request_id, kind, code, size, state, attempts, status, detail, changed = row
    return OutboxEntry(
        number=number,
        at_ms=at_ms,
        wall_ms=wall_ms,
        recipient=int(recipient, 16),
        device=None if device is None else int(device, 16),
        request_id=request_id,
        kind=kind,
        code=code,
        size_bytes=size,
        state=DeliveryState(state),
        attempts=attempts,
        status=status,
        detail=detail,
        changed_wall_ms=changed,
    )
