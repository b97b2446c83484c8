"""The audit trail in both kinds of log: kept with its input, never changed, found again by every question."""

import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import BEGINNING, Query, Record, filled, select, verify
from emulator.dsp.grants import devices_digest
from emulator.service.config import Storage
from emulator.service.persistence import audit_rows
from emulator.service.persistence.contract import AuditQuery, InputRow, LastNumbers, Log, Step, StorageFailed, snapshot_row
from emulator.service.persistence.database import SCHEMA_VERSION
from emulator.service.persistence.device_lists import names, pack, unpack
from emulator.service.persistence.memory_log import MemoryLog
from emulator.service.persistence.sqlite_log import SqliteLog
from tests.service.audit_chains import OTHER, USER, Chain, device, request_id
from tests.service.test_world_logs import SETTINGS, input_row, open_log


def steps_of(chain: Chain) -> list[Step]:
    """The chain as the turns of a pump bring it."""
    seqs = sorted({row.seq for row in chain.rows})
    return [Step(input_row(seq), audit=[row for row in chain.rows if row.seq == seq]) for seq in seqs]


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    made: Log = MemoryLog("default", SETTINGS) if request.param == "memory" else await open_log(tmp_path / "w")
    yield made
    await made.close()


async def numbers(log: Log, after: int = 0, before: int | None = None, **wanted: Any) -> list[int]:
    return [record.number for record in await log.trail.records(AuditQuery(Query(**wanted), after, before))]


async def test_records_are_found_again_as_they_were(log: Log) -> None:
    chain = Chain().some()
    for step in steps_of(chain):
        await log.append(step)
    records = await log.trail.records(AuditQuery())
    assert records == [row.record for row in chain.rows]
    assert verify(records, expected_end=await log.trail.end()) is None
    assert await log.trail.start() == BEGINNING
    assert await log.trail.end() == (6, chain.state.digest)
    assert (await log.last_numbers()).audit == 6


QUESTIONS = [
    Query(),
    Query(device=device(1)),
    Query(device=device(2)),
    Query(device=device(8)),
    Query(device=device(600)),
    Query(device=device(601)),
    Query(user=USER),
    Query(user=OTHER, variant="11.1"),
    Query(request_id=request_id(2).upper()),
    Query(kind="inventory"),
    Query(variant="11.2"),
    Query(image_hash="bb" * 32),
    Query(from_ms=2_000, to_ms=4_000),
    Query(device=device(8), from_ms=4_000, kind="decision"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_every_question_finds_what_the_rule_says(log: Log, question: Query) -> None:
    chain = Chain().some()
    for step in steps_of(chain):
        await log.append(step)
    lists = {row.record.entry.devices_digest: frozenset(row.devices) for row in chain.rows if row.devices}
    wanted = list(select((row.record for row in chain.rows), question, lists))
    assert await log.trail.records(AuditQuery(question)) == wanted
    newest_first = await log.trail.records(AuditQuery(question, newest_first=True))
    assert newest_first == wanted[::-1]


async def test_records_come_in_portions_from_either_end(log: Log) -> None:
    for step in steps_of(Chain().some()):
        await log.append(step)
    assert await numbers(log, after=4) == [5, 6]
    assert await numbers(log, after=1, before=4) == [2, 3]
    found = await log.trail.records(AuditQuery(limit=2, newest_first=True, before=6))
    assert [record.number for record in found] == [5, 4]


async def test_a_list_is_kept_once_and_told_by_its_digest(log: Log) -> None:
    chain = Chain()
    chain.add(1, range(5))
    chain.add(1, range(5))
    chain.add(2, range(5))
    for step in steps_of(chain):
        await log.append(step)
    digest = chain.rows[0].record.entry.devices_digest
    octets = await log.trail.device_list(digest)
    assert octets is not None
    assert unpack(octets) == [device(n) for n in range(5)]
    assert await log.trail.device_list("00" * 32) is None
    assert await numbers(log, device=device(4)) == [1, 2, 3]


async def test_a_new_world_begins_a_new_chain(log: Log) -> None:
    for step in steps_of(Chain().some()):
        await log.append(step)
    await log.begin({"made": "anew"}, b"genesis", snapshot_row(0, 1_000, "1", {}, b"genesis"))
    assert await numbers(log) == []
    assert await log.trail.end() == BEGINNING
    assert await log.last_numbers() == LastNumbers()
    assert await log.trail.device_list(devices_digest([1])) is None


@given(st.sets(st.integers(0, 2**64 - 1)), st.integers(0, 2**64 - 1))
def test_a_packed_list_has_the_digest_and_the_devices_of_its_list(euis: set[int], other: int) -> None:
    octets = pack(format_eui(eui) for eui in euis)
    assert hashlib.sha256(octets).hexdigest() == devices_digest(euis)
    assert unpack(octets) == [format_eui(eui) for eui in sorted(euis)]
    assert all(names(octets, eui) for eui in euis)
    assert names(octets, other) == (other in euis)


# On disk


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    made = await open_log(tmp_path / "w")
    yield made
    await made.close()


async def test_a_replay_is_told_what_was_written(disk: SqliteLog) -> None:
    chain = Chain().some()
    for step in steps_of(chain):
        await disk.append(step)
    digests = {row.record.number: row.record.digest for row in chain.rows}
    assert await disk.audit_digests(0) == digests
    assert await disk.audit_digests(2) == {number: digests[number] for number in (5, 6)}


async def test_records_and_their_input_are_written_together_or_not_at_all(disk: SqliteLog, monkeypatch: Any) -> None:
    first, second, third = steps_of(Chain().some())
    await disk.append(first)

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    write = audit_rows.write_audit
    monkeypatch.setattr("emulator.service.persistence.rows.write_audit", full)
    with pytest.raises(StorageFailed, match="full"):
        await disk.append(second)
    assert await numbers(disk) == [1, 2]
    assert [row.seq async for row in disk.inputs_after(0)] == [1]
    monkeypatch.setattr("emulator.service.persistence.rows.write_audit", write)
    await disk.append(third)
    assert await numbers(disk) == [1, 2, 3, 4, 5, 6]
    assert [row.seq async for row in disk.inputs_after(0)] == [1, 2, 3]


async def test_a_large_list_is_a_file_that_stays(disk: SqliteLog) -> None:
    chain = Chain().some()
    for step in steps_of(chain):
        await disk.append(step)
    digest = chain.rows[4].record.entry.devices_digest
    (blob,) = [path for path in (disk.folder / "blobs").rglob("*") if path.is_file()]
    assert (blob.name, blob.stat().st_size) == (digest, 593 * 8)
    os.utime(blob, (1, 1))
    await disk.save_snapshot(b"s", snapshot_row(3, 1, "1", {}, b"s"))
    assert await disk.trail.device_list(digest) is not None
    blob.write_bytes(b"\0" * 593 * 8)
    assert await disk.trail.device_list(digest) is None, "damaged"
    blob.unlink()
    assert await disk.trail.device_list(digest) is None, "gone"
    assert await numbers(disk, device=device(300)) == []


async def many(log: SqliteLog) -> Chain:
    """1,500 records of 30 inputs, each input with a list of its own."""
    chain = Chain()
    for seq in range(1, 31):
        chain.add(seq, range(seq, seq + 3))
        for _ in range(49):
            chain.add(seq, device=device(seq))
    for step in steps_of(chain):
        await log.append(step)
        if step.input is not None and step.input.seq % 10 == 0:
            await log.save_snapshot(b"s", snapshot_row(step.input.seq, 1, "1", {}, b"s"))
    return chain


async def test_the_trail_is_kept_whole_by_default(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "w", Storage(keep_snapshots=2, keep_inputs=0, keep_journal=100, keep_deliveries=0))
    await many(log)
    assert len(await log.trail.records(AuditQuery(limit=10_000))) == 1_500
    await log.close()


async def test_a_limit_drops_the_oldest_and_says_where_the_chain_begins(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "w", Storage(keep_snapshots=2, keep_audit=1_000))
    chain = await many(log)
    records = await log.trail.records(AuditQuery(limit=10_000))
    assert (records[0].number, records[-1].number) == (501, 1_500)
    assert await log.trail.start() == (500, chain.rows[499].record.digest)
    assert verify(records, start=await log.trail.start(), expected_end=await log.trail.end()) is None
    assert await log.trail.device_list(chain.rows[0].record.entry.devices_digest) is None
    assert await log.trail.device_list(chain.rows[500].record.entry.devices_digest) is not None
    await log.close()


async def test_a_limit_spares_what_a_replay_makes_again(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "w", Storage(keep_snapshots=2, keep_audit=1_000))
    chain = Chain()
    for _ in range(1_500):
        chain.add(1)
    await log.append(Step(input_row(1), audit=chain.rows))
    await log.save_snapshot(b"s", snapshot_row(1, 1, "1", {}, b"s"))
    assert len(await log.audit_digests(0)) == 1_500, "the oldest snapshot is of before"
    await log.close()


async def test_a_log_in_memory_has_the_same_limit() -> None:
    log = MemoryLog("default", Storage(keep_audit=1_000))
    chain = Chain()
    for _ in range(1_200):
        chain.add()
    await log.append(Step(input_row(1), audit=chain.rows))
    assert await log.trail.start() == (200, chain.rows[199].record.digest)
    assert len(await log.trail.records(AuditQuery(limit=10_000))) == 1_000
    await log.close()


def statements(number: int) -> str:
    return resources.files("emulator.service.persistence").joinpath(f"schema_v{number}.sql").read_text("utf-8")


async def test_a_database_of_format_1_is_brought_forward(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    with sqlite3.connect(folder / "log.sqlite3") as connection:
        connection.executescript(statements(1) + "PRAGMA user_version = 1;")
        connection.execute("INSERT INTO meta VALUES ('default', 'made', 'long ago')")
        connection.execute(
            "INSERT INTO inputs VALUES (1, 'default', 'duis', 1001, 5, '{}', x'00', x'3c782f3e', NULL, 4, NULL, NULL, 0)"
        )
        connection.execute("INSERT INTO progress VALUES ('default', 1500)")
    connection.close()
    log = await open_log(folder)
    assert await log.metadata() == {"made": "long ago"}
    (row,) = [row async for row in log.inputs_after(0)]
    assert isinstance(row, InputRow)
    assert (row.body, await log.instant_ms(), await log.last_numbers()) == (b"<x/>", 1_500, LastNumbers(1))
    assert await numbers(log) == []
    chain = Chain()
    chain.add(2, range(3))
    await log.append(Step(input_row(2), audit=chain.rows))
    await log.close()
    again = await open_log(folder)
    assert await numbers(again, device=device(1)) == [1]
    assert await again.last_numbers() == LastNumbers(2, audit=1)
    await again.close()
    with sqlite3.connect(folder / "log.sqlite3") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


async def test_questions_about_a_device_or_request_use_an_index(disk: SqliteLog) -> None:
    def plan(connection: sqlite3.Connection, query: AuditQuery) -> str:
        where, values = audit_rows._conditions(query, [])
        found = connection.execute(f"EXPLAIN QUERY PLAN SELECT number FROM audit WHERE {where} ORDER BY number LIMIT 9", values)
        return " ".join(row[3] for row in found)

    of_device = await disk._writer.call(plan, AuditQuery(Query(device=device(1))))
    assert "audit_by_device" in of_device
    assert "audit_by_list" in of_device
    assert "audit_by_request" in await disk._writer.call(plan, AuditQuery(Query(request_id=request_id(1))))


async def test_a_record_that_was_made_unreadable_is_shown_as_such(disk: SqliteLog) -> None:
    for step in steps_of(Chain().some()):
        await disk.append(step)

    def edit(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE audit SET entry = '{\"surprise\": 1}' WHERE number = 2")
        connection.execute("UPDATE audit SET entry = '[]' WHERE number = 4")

    await disk._writer.call(edit)
    records: list[Record] = await disk.trail.records(AuditQuery())
    assert [record.number for record in records if record.entry.kind == "unreadable"] == [2, 4]
    found = verify(records)
    assert found is not None
    assert found.number == 2
    assert filled(records[0].entry)["device"] == device(1)
