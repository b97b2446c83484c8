"""Both kinds of log keep the same contract; the one on disk also keeps its word after failures."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.domain.errors import Malformed
from emulator.service.config import Storage
from emulator.service.persistence import rows
from emulator.service.persistence.blobs import BlobFolder
from emulator.service.persistence.contract import (
    AuditQuery,
    DeliveryRow,
    DeliveryState,
    InputKind,
    InputRow,
    JournalQuery,
    JournalRow,
    LastNumbers,
    Log,
    OutboxQuery,
    OutcomeRow,
    Step,
    StorageFailed,
    StorageUnusable,
    StoredBody,
    snapshot_row,
)
from emulator.service.persistence.folder import DataFolder, check_world_name
from emulator.service.persistence.memory_log import MemoryLog
from emulator.service.persistence.sqlite_log import SqliteLog
from tests.service.audit_chains import Chain

USER, DEVICE = 0x90B3D51F30010000, 0xFFFFFFFFFFFFFFFE
REQUEST = "90-b3-d5-1f-30-01-00-00:ff-ff-ff-ff-ff-ff-ff-fe:7"
SETTINGS = Storage(blob_bytes=2_000, retry_ms=20)


def input_row(seq: int, body: bytes = b"<request/>", answer: bytes = b"<answer/>", at_ms: int | None = None) -> InputRow:
    return InputRow(seq, InputKind.DUIS, 1_000 + seq if at_ms is None else at_ms, 5, '{"v":1}', b"d" * 32, body, answer)


def delivery_row(number: int, seq: int = 1, body: bytes = b"<push/>", request_id: str | None = REQUEST) -> DeliveryRow:
    return DeliveryRow(number, seq, 1_001, 6, USER, DEVICE, request_id, "response", "I0", body, bytes([number % 256]) * 32)


def journal_row(kind: str = "gate", at_ms: int = 1_001, **more: Any) -> JournalRow:
    return JournalRow(at_ms, 7, kind, REQUEST, DEVICE, f"something {kind}", {"n": 1}, **more)


async def open_log(folder: Path, settings: Storage = SETTINGS) -> SqliteLog:
    log = await SqliteLog.open(folder, "default", settings)
    if not await log.metadata():
        await log.begin({"made": "here"}, b"genesis", snapshot_row(0, 1_000, "1", {}, b"genesis"))
    return log


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    made: Log = MemoryLog("default", SETTINGS) if request.param == "memory" else await open_log(tmp_path / "w")
    if isinstance(made, MemoryLog):
        await made.begin({"made": "here"}, b"genesis", snapshot_row(0, 1_000, "1", {}, b"genesis"))
    yield made
    await made.close()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    made = await open_log(tmp_path / "w")
    yield made
    await made.close()


async def collected(log: Log, after: int = 0) -> list[InputRow]:
    return [row async for row in log.inputs_after(after)]


async def test_a_step_is_found_again_in_all_its_parts(log: Log) -> None:
    step = Step(input_row(1), (delivery_row(1), delivery_row(2)), (journal_row(seq=1, delivery=2, effect=9),), instant_ms=1_500)
    await log.append(step)
    (row,) = await collected(log)
    assert (row.seq, row.kind, row.at_ms, await log.load_body(row.body)) == (1, InputKind.DUIS, 1_001, b"<request/>")
    assert await log.last_numbers() == LastNumbers(1, 2, 9)
    assert await log.instant_ms() == 1_500
    assert await log.delivery_digests(0) == {1: b"\x01" * 32, 2: b"\x02" * 32}
    assert await log.delivery_digests(1) == {}
    assert [entry.number for entry in await log.undelivered()] == [1, 2]
    assert await log.delivery_body(2) == b"<push/>"
    assert await log.delivery_body(3) is None
    (entry,) = await log.journal(JournalQuery(bodies=True))
    assert (entry["kind"], entry["device"], entry["data"]) == ("gate", "FF-FF-FF-FF-FF-FF-FF-FE", {"n": 1})
    assert (entry["request_xml"], entry["answer_xml"], entry["push_xml"]) == ("<request/>", "<answer/>", "<push/>")
    assert await log.metadata() == {"made": "here"}


async def test_steps_become_durable_in_their_order_before_their_futures_end(log: Log) -> None:
    durable: list[int] = []
    log.on_durable = lambda step: durable.append(step.input.seq if step.input else 0)
    futures = [log.append(Step(input_row(seq))) for seq in range(1, 41)]
    assert durable == []
    await futures[20]
    assert durable[:21] == list(range(1, 22))
    await asyncio.gather(*futures)
    assert durable == list(range(1, 41))
    assert log.backlog_bytes == 0


async def test_outcomes_move_messages(log: Log) -> None:
    await log.append(Step(input_row(1), [delivery_row(number) for number in (1, 2, 3)]))
    await log.append(
        Step(
            outcomes=(
                OutcomeRow(1, DeliveryState.DELIVERED, 2, 204, "No Content", 9),
                OutcomeRow(3, DeliveryState.DEAD, 3, 400, "Bad Request", 9),
            )
        )
    )
    assert [entry.number for entry in await log.undelivered()] == [2]
    (dead,) = await log.outbox(OutboxQuery(state=DeliveryState.DEAD))
    assert (dead.number, dead.attempts, dead.status, dead.detail) == (3, 3, 400, "Bad Request")
    tally = await log.tally(OutboxQuery(recipient=USER))
    assert [tally.of(state) for state in DeliveryState] == [1, 1, 1]
    assert (await log.tally(OutboxQuery(recipient=1))).counts == {}


async def test_messages_are_searched_without_regard_to_case(log: Log) -> None:
    await log.append(Step(input_row(1), (delivery_row(1), delivery_row(2)._replace(request_id=None, device=None))))
    assert [entry.number for entry in await log.outbox(OutboxQuery(request_id=REQUEST.upper()))] == [1]
    assert [entry.number for entry in await log.outbox(OutboxQuery(device=DEVICE))] == [1]
    assert [entry.number for entry in await log.outbox(OutboxQuery(after=1))] == [2]
    assert [entry.number for entry in await log.outbox(OutboxQuery(limit=1))] == [1]


async def test_the_journal_is_searched_by_request_device_kind_and_time(log: Log) -> None:
    other = JournalRow(3_000, 8, "job", None, None, "a job", {})
    await log.append(Step(journal=(journal_row("gbcs.command"), journal_row("gbcs.response", 2_000), other)))

    async def kinds(**conditions: Any) -> list[str]:
        return [entry["kind"] for entry in await log.journal(JournalQuery(**conditions))]

    assert await kinds() == ["gbcs.command", "gbcs.response", "job"]
    assert await kinds(request_id=REQUEST.upper()) == ["gbcs.command", "gbcs.response"]
    assert await kinds(device=DEVICE, since_ms=2_000) == ["gbcs.response"]
    assert await kinds(kind="gbcs") == ["gbcs.command", "gbcs.response"]
    assert await kinds(kind="gbcs.command") == ["gbcs.command"]
    assert await kinds(kind="gb") == []
    assert await kinds(until_ms=2_000) == ["gbcs.command"]
    assert await kinds(after=1, limit=1) == ["gbcs.response"]


async def test_a_new_beginning_forgets_everything(log: Log) -> None:
    await log.append(Step(input_row(1), (delivery_row(1),), (journal_row(),), instant_ms=9_000))
    await log.begin({"made": "anew"}, b"second", snapshot_row(0, 50, "1", {}, b"second"))
    assert await collected(log) == []
    assert await log.undelivered() == []
    assert await log.journal(JournalQuery()) == []
    assert await log.instant_ms() == 50
    assert await log.metadata() == {"made": "anew"}
    assert await log.last_numbers() == LastNumbers()


async def test_a_closed_log_takes_nothing(log: Log) -> None:
    await log.close()
    with pytest.raises(StorageFailed, match="closed"):
        await log.append(Step(input_row(1)))
    log.close = _nothing  # type: ignore[method-assign]


async def _nothing() -> None:
    pass


async def test_the_journal_in_memory_is_bounded() -> None:
    log = MemoryLog("default", Storage(keep_journal=100))
    await log.append(Step(journal=[journal_row() for _ in range(250)]))
    entries = await log.journal(JournalQuery(limit=1_000))
    assert [entries[0]["number"], entries[-1]["number"]] == [151, 250]


async def test_the_audit_trail_in_memory_is_bounded_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.service.persistence.memory_log.MAX_RECORDS", 5)
    log, chain = MemoryLog("default", Storage()), Chain()
    for _ in range(20):
        chain.add()
    await log.append(Step(audit=chain.rows))
    records = await log.trail.records(AuditQuery())
    assert [record.number for record in records] == [16, 17, 18, 19, 20]
    assert await log.trail.start() == (15, records[0].previous), "what is left can be walked"


async def test_memory_drops_finished_messages_and_no_others() -> None:
    log = MemoryLog("default", Storage(keep_deliveries=10))
    await log.append(Step(deliveries=[delivery_row(number) for number in range(1, 1_101)]))
    done = [OutcomeRow(number, DeliveryState.DELIVERED, 1, 204, "", 1) for number in range(1, 1_000)]
    await log.append(Step(outcomes=done))
    await log.append(Step(deliveries=[delivery_row(1_101)]))
    tally = await log.tally(OutboxQuery())
    assert (tally.of(DeliveryState.DELIVERED), tally.of(DeliveryState.QUEUED)) == (10, 102)


# On disk


async def test_what_is_written_is_there_for_the_next_process(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "w")
    await log.append(Step(input_row(1), (delivery_row(1),), instant_ms=1_234))
    await log.close()
    again = await open_log(tmp_path / "w")
    assert [row.seq for row in await collected(again)] == [1]
    assert [entry.number for entry in await again.undelivered()] == [1]
    await again.close()


async def test_queued_steps_share_transactions(disk: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = rows.write_steps

    def counting(connection: sqlite3.Connection, world: str, steps: Any, keep: Any) -> None:
        sizes.append(len(steps))
        write(connection, world, steps, keep)

    monkeypatch.setattr(rows, "write_steps", counting)
    await asyncio.gather(*(disk.append(Step(input_row(seq))) for seq in range(1, 301)))
    assert sum(sizes) == 300
    assert len(sizes) <= 3


async def test_large_bodies_lie_once_in_files(disk: SqliteLog) -> None:
    large, answer = b"x" * 5_000, b"y" * 3_000
    kept = await asyncio.to_thread(disk.keep_body, large)
    assert isinstance(kept, StoredBody)
    await disk.append(Step(input_row(1)._replace(body=kept, answer=answer), (delivery_row(1, body=large),)))
    await disk.append(Step(input_row(2, body=large)))
    blobs = [path for path in (disk.folder / "blobs").rglob("*") if path.is_file()]
    assert sorted(path.stat().st_size for path in blobs) == [3_000, 5_000]
    assert [await disk.load_body(row.body) for row in await collected(disk)] == [large, large]
    assert await disk.delivery_body(1) == large
    blob = next(path for path in blobs if path.stat().st_size == 5_000)
    blob.write_bytes(b"x" * 4_999 + b"!")
    with pytest.raises(ValueError, match="damaged"):
        await disk.delivery_body(1)


async def test_snapshots_are_newest_first_and_damage_is_noticed(disk: SqliteLog) -> None:
    for seq in (1, 2):
        await disk.append(Step(input_row(seq)))
        await disk.save_snapshot(b"state %d" % seq, snapshot_row(seq, 1_000 + seq, "1", {"clock": seq}, b"state %d" % seq))
    newest, older, first = await disk.snapshots()
    assert [row.seq for row in (newest, older, first)] == [2, 1, 0]
    assert newest.service_state == {"clock": 2}
    assert await disk.load_snapshot(newest) == b"state 2"
    (disk.folder / "snapshots" / newest.name).write_bytes(b"state 3")
    assert await disk.load_snapshot(newest) is None
    (disk.folder / "snapshots" / older.name).unlink()
    assert await disk.load_snapshot(older) is None
    assert await disk.load_snapshot(first) == b"genesis"


async def test_retention_keeps_what_a_replay_needs(tmp_path: Path) -> None:
    settings = Storage(blob_bytes=2_000, keep_snapshots=2, keep_inputs=0, keep_journal=100, keep_deliveries=0)
    log = await open_log(tmp_path / "w", settings)
    for seq in range(1, 7):
        await log.append(Step(input_row(seq), (delivery_row(seq, seq),), [journal_row() for _ in range(50)]))
        if seq != 3:
            await log.append(Step(outcomes=(OutcomeRow(seq, DeliveryState.DELIVERED, 1, 204, "", 1),)))
        if seq in (2, 4, 5):
            await log.save_snapshot(b"%d" % seq, snapshot_row(seq, 1_000, "1", {}, b"%d" % seq))
    assert [row.seq for row in await log.snapshots()] == [5, 4]
    assert [row.seq for row in await collected(log)] == [5, 6], "4 and earlier are in the oldest kept snapshot"
    assert [entry.number for entry in await log.outbox(OutboxQuery())] == [3, 5, 6], "3 is not delivered"
    assert len(await log.journal(JournalQuery(limit=1_000))) <= 150
    assert len(list((log.folder / "snapshots").iterdir())) == 2
    await log.close()


async def test_the_journal_is_bounded_without_any_snapshot(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "w", Storage(keep_journal=1_000))
    for _ in range(3):
        await log.append(Step(journal=[journal_row() for _ in range(5_000)]))
    await log.append(Step(input_row(1)))
    entries = await log.journal(JournalQuery(limit=100_000))
    assert len(entries) <= 11_000
    assert entries[-1]["number"] == 15_000
    await log.close()


async def test_unnamed_blobs_go_when_they_are_old(disk: SqliteLog) -> None:
    import os

    of_an_earlier_process = BlobFolder(disk.folder / "blobs")
    old = of_an_earlier_process.path(of_an_earlier_process.put(b"a" * 3_000))
    body = disk.keep_body(b"b" * 3_000)
    assert isinstance(body, StoredBody)
    young = of_an_earlier_process.path(body.sha256)
    for path in (old, young):
        os.utime(path, (1, 1))  # whatever the clock of the machine says
    await disk.save_snapshot(b"s", snapshot_row(0, 1, "1", {}, b"s"))
    assert not old.exists()
    assert young.exists(), "the row that names it may be on its way"


@pytest.fixture
def refusing(disk: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Makes every write fail as a full or read-only disk does, and lets it work again."""
    write = rows.write_steps
    failing = {"now": False}

    def maybe(connection: sqlite3.Connection, world: str, steps: Any, keep: Any) -> None:
        connection.execute(f"PRAGMA query_only = {'ON' if failing['now'] else 'OFF'}")
        write(connection, world, steps, keep)

    monkeypatch.setattr(rows, "write_steps", maybe)

    def switch(to: bool) -> None:
        failing["now"] = to

    return switch


async def test_what_cannot_be_written_is_not_acknowledged_and_tried_again(
    disk: SqliteLog, refusing: Callable[[bool], None]
) -> None:
    durable: list[int] = []
    disk.on_durable = lambda step: durable.append(step.input.seq if step.input else 0)
    await disk.append(Step(input_row(1)))
    refusing(True)
    with pytest.raises(StorageFailed, match="readonly"):
        await disk.append(Step(input_row(2)))
    assert disk.failure is not None
    waiting = disk.append(Step(input_row(3)))
    with pytest.raises(StorageFailed):
        await waiting
    assert durable == [1]
    refusing(False)
    await disk.append(Step(input_row(4)))
    assert disk.failure is None
    assert durable == [1, 2, 3, 4], "nothing is lost and nothing overtakes"
    assert [row.seq for row in await collected(disk)] == [1, 2, 3, 4]


async def test_a_full_disk_fails_like_any_other(disk: SqliteLog) -> None:
    await disk.append(Step(input_row(1)))
    (pages,) = await disk._writer.call(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await disk._writer.call(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    with pytest.raises(StorageFailed, match="full"):
        await disk.append(
            Step(input_row(2)._replace(answer=b"z" * 1_900, body=b"z" * 1_900), [delivery_row(n) for n in range(99)])
        )
    await disk._writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    await disk.append(Step(input_row(3)))
    assert [row.seq for row in await collected(disk)] == [1, 2, 3]


async def test_a_log_that_is_behind_at_its_end_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await open_log(tmp_path / "w")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows, "write_steps", full)
    pending = log.append(Step(input_row(1)))
    with pytest.raises(StorageFailed, match="No space left"):
        await log.close()
    with pytest.raises(StorageFailed):
        await pending


async def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "w")
    await log.close()
    with sqlite3.connect(tmp_path / "w" / "log.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageUnusable, match="format 99"):
        await open_log(tmp_path / "w")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "log.sqlite3").write_bytes(b"no database at all " * 100)
    with pytest.raises(StorageUnusable, match="not a database"):
        await open_log(tmp_path / "w")


# The data folder


def test_one_process_per_data_folder(tmp_path: Path) -> None:
    first = DataFolder.hold(tmp_path / "data")
    with pytest.raises(StorageUnusable, match=r"in use by process [0-9]+"):
        DataFolder.hold(tmp_path / "data")
    first.release()
    second = DataFolder.hold(tmp_path / "data")
    second.world("default")
    assert second.worlds() == ["default"]
    second.drop_world("default")
    assert second.worlds() == []
    second.release()
    second.release()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="cannot be used"):
        DataFolder.hold(tmp_path / "file" / "data")


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "x" * 64, "a.b"])
def test_names_of_worlds_stay_inside_their_folder(name: str) -> None:
    with pytest.raises(Malformed, match="cannot name a world"):
        check_world_name(name)
