"""The log of a world in SQLite: one writer with group commit, readers beside it, large bodies and snapshots as files."""

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from emulator.service.config import Storage
from emulator.service.persistence import retention, rows
from emulator.service.persistence.blobs import BlobFolder, drop_drafts, write_durably
from emulator.service.persistence.contract import (
    Body,
    InputRow,
    JournalQuery,
    LastNumbers,
    OutboxEntry,
    OutboxQuery,
    SnapshotRow,
    Step,
    StorageFailed,
    StorageUnusable,
    StoredBody,
    Tally,
)
from emulator.service.persistence.database import Database, open_database, open_reader
from emulator.service.persistence.journal_rows import read_journal
from emulator.service.persistence.trails import SqliteTrail

_log = structlog.get_logger("storage")

MAX_BATCH_STEPS = 4_096
"""Steps of one transaction at most."""
PRUNE_EVERY_ENTRIES = 5_000
"""Journal entries after which the retention limits are applied, if no snapshot does so before."""
_READ_AHEAD = 500

_Queued = tuple[Step, int, asyncio.Future[None] | None]
"""A step, the memory that it holds, and who waits for it."""


class SqliteLog:
    """A :class:`emulator.service.persistence.contract.Log` in a folder of its own."""

    keeps_snapshots = True

    def __init__(self, folder: Path, world: str, settings: Storage, writer: Database, reader: Database) -> None:
        self.folder = folder
        self.world = world
        self.on_durable: Callable[[Step], None] = lambda _: None
        self.completed: Callable[[bytes], bytes] = lambda answer: answer
        self._settings = settings
        self._writer = writer
        self._reader = reader
        self._blobs = BlobFolder(folder / "blobs")
        self.trail = SqliteTrail(reader, self._blobs)
        self._queue: list[_Queued] = []
        self._backlog_bytes = 0
        self._failure: str | None = None
        self._wanted = asyncio.Event()
        self._exclusive = asyncio.Lock()
        self._closing = False
        self._unpruned = 0
        self._task = asyncio.create_task(self._write(), name=f"log {world}")

    @classmethod
    async def open(cls, folder: Path, world: str, settings: Storage) -> "SqliteLog":
        """Open or make the log; raise :class:`StorageUnusable` when that cannot be."""
        files = [folder / name for name in ("blobs", "snapshots")]
        try:
            for each in files:
                each.mkdir(parents=True, exist_ok=True)
            drop_drafts(*files)
        except OSError as error:
            raise StorageUnusable(f"{folder} cannot be written: {error.strerror}") from None
        path = folder / "log.sqlite3"
        writer = await open_database(path)
        return cls(folder, world, settings, writer, await open_reader(path))

    @property
    def failure(self) -> str | None:
        """Why nothing can become durable at the moment, or None."""
        return self._failure

    @property
    def backlog_bytes(self) -> int:
        """Memory held by steps that are not durable yet."""
        return self._backlog_bytes

    def append(self, step: Step) -> asyncio.Future[None]:
        """Queue a step; see the contract."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closing:
            future.set_exception(StorageFailed("the log is closed"))
            return future
        size_bytes = step.size_bytes()
        self._queue.append((step, size_bytes, future))
        self._backlog_bytes += size_bytes
        self._wanted.set()
        return future

    def keep_body(self, body: bytes) -> Body:
        """Put a large body into its file; blocks."""
        if len(body) <= self._settings.blob_bytes:
            return body
        return StoredBody(self._blobs.put(body), len(body))

    async def load_body(self, body: Body) -> bytes:
        """The octets of a body."""
        if isinstance(body, bytes):
            return body
        return await asyncio.to_thread(self._blobs.get, body.sha256)

    async def _write(self) -> None:
        """The one writer: whatever is queued becomes one transaction; what failed is tried again, in order."""
        while not (self._closing and not self._queue):
            await self._wanted.wait()
            self._wanted.clear()
            while self._queue:
                batch, self._queue = self._queue[:MAX_BATCH_STEPS], self._queue[MAX_BATCH_STEPS:]
                try:
                    async with self._exclusive:
                        await self._writer.call(rows.write_steps, self.world, [step for step, _, _ in batch], self.keep_body)
                except Exception as error:  # whatever it is: acknowledge nothing, keep the steps, say so
                    if self._fail(batch, error):
                        return
                    await asyncio.sleep(self._settings.retry_ms / 1000)
                else:
                    self._finish(batch)
                    await self._prune_in_passing(batch)

    async def _prune_in_passing(self, batch: Sequence[_Queued]) -> None:
        self._unpruned += sum(len(step.journal) for step, _, _ in batch)
        if self._unpruned >= PRUNE_EVERY_ENTRIES:
            self._unpruned = 0
            with contextlib.suppress(sqlite3.Error):  # a disk that fails is found by the next write
                async with self._exclusive:
                    await self._writer.call(retention.prune, self.world, self._settings)

    def _finish(self, batch: Sequence[_Queued]) -> None:
        if self._failure is not None:
            _log.info("storage works again", world=self.world)
            self._failure = None
        for step, size_bytes, future in batch:
            self._backlog_bytes -= size_bytes
            try:
                self.on_durable(step)
            except Exception:
                _log.exception("a durable step could not be passed on", world=self.world)
            if future is not None and not future.done():
                future.set_result(None)

    def _fail(self, batch: Sequence[_Queued], error: Exception) -> bool:
        """Tell everybody who waits, keep the steps for another try; True when there will be none."""
        if self._failure is None:
            _log.error("storage failed; nothing is acknowledged until it works again", world=self.world, error=str(error))
        self._failure = f"the log cannot be written: {error}"
        waiting = [*batch, *self._queue]
        for _, _, future in waiting:
            if future is not None and not future.done():
                future.set_exception(StorageFailed(self._failure))
                future.exception()  # a step nobody waits for is no surprise
        self._queue = [(step, size_bytes, None) for step, size_bytes, _ in waiting]
        if self._closing:
            self._queue.clear()
        return self._closing

    async def metadata(self) -> dict[str, str]:
        """Names and values that describe the world."""
        found = await self._reader.execute_fetchall("SELECT name, value FROM meta WHERE world = ?", (self.world,))
        return dict(_pair(row) for row in found)

    async def begin(self, metadata: dict[str, str], snapshot: bytes, row: SnapshotRow) -> None:
        """Forget everything and start a new world from its first snapshot."""
        await asyncio.to_thread(self._write_snapshot_file, row, snapshot)
        async with self._exclusive:
            await self._writer.call(retention.start_anew, self.world, metadata, row)
        await self._drop_files()

    async def snapshots(self) -> list[SnapshotRow]:
        """Kept snapshots, newest first."""
        return await self._reader.call(rows.read_snapshots)

    async def load_snapshot(self, row: SnapshotRow) -> bytes | None:
        """The octets of a snapshot, or None when they are missing or damaged."""
        try:
            content = await asyncio.to_thread((self.folder / "snapshots" / row.name).read_bytes)
        except OSError as error:
            _log.warning("snapshot cannot be read", world=self.world, name=row.name, error=str(error))
            return None
        if hashlib.sha256(content).digest() != row.sha256:
            _log.warning("snapshot is damaged", world=self.world, name=row.name)
            return None
        return content

    async def save_snapshot(self, snapshot: bytes | memoryview, row: SnapshotRow) -> None:
        """Keep a snapshot, then drop what no kept snapshot and no retention limit needs."""
        await asyncio.to_thread(self._write_snapshot_file, row, snapshot)
        async with self._exclusive:
            await self._writer.call(rows.write_snapshot, self.world, row)
        while True:
            async with self._exclusive:
                if not await self._writer.call(retention.prune, self.world, self._settings):
                    break
        await self._drop_files()

    def _write_snapshot_file(self, row: SnapshotRow, snapshot: bytes | memoryview) -> None:
        write_durably(self.folder / "snapshots" / row.name, snapshot)

    async def _drop_files(self) -> None:
        kept, named = await self._writer.call(retention.named_files)
        await asyncio.to_thread(retention.drop_files, self.folder / "snapshots", kept, self._blobs, named)

    async def instant_ms(self) -> int:
        """How far simulated time had come."""
        found = await self._reader.execute_fetchall("SELECT instant_ms FROM progress WHERE world = ?", (self.world,))
        return next((instant for (instant,) in found), 0)

    async def inputs_after(self, seq: int) -> AsyncIterator[InputRow]:
        """Inputs with a greater number, in order."""
        while True:
            page = await self._reader.call(rows.read_inputs, seq, _READ_AHEAD)
            for row in page:
                yield row
            if len(page) < _READ_AHEAD:
                return
            seq = page[-1].seq

    async def delivery_digests(self, after_seq: int) -> dict[int, bytes]:
        """Number and digest of messages that later inputs made."""
        return dict(await self._reader.call(rows.digests_after, "outbox", after_seq))

    async def audit_digests(self, after_seq: int) -> dict[int, str]:
        """Number and digest of audit records that later inputs made."""
        return dict(await self._reader.call(rows.digests_after, "audit", after_seq))

    async def last_numbers(self) -> LastNumbers:
        """How far each numbering has come."""
        return await self._reader.call(retention.last_numbers)

    async def undelivered(self) -> list[OutboxEntry]:
        """Queued messages in order of their numbers."""
        return await self._reader.call(retention.read_undelivered)

    async def delivery_body(self, number: int) -> bytes | None:
        """The XML of a message, or None when it is no longer kept."""
        return await self._body_of("SELECT body, body_sha256 FROM outbox WHERE number = ?", number)

    async def outbox(self, query: OutboxQuery) -> list[OutboxEntry]:
        """Messages by number, ascending."""
        return await self._reader.call(rows.read_outbox, query)

    async def tally(self, query: OutboxQuery) -> Tally:
        """Messages by state."""
        return Tally(await self._reader.call(rows.count_outbox, query))

    async def journal(self, query: JournalQuery) -> list[dict[str, Any]]:
        """Entries by number, ascending, as JSON values."""
        entries = await self._reader.call(read_journal, query)
        if query.bodies:
            for entry in entries:
                await self._add_bodies(entry)
        return entries

    async def _add_bodies(self, entry: dict[str, Any]) -> None:
        wanted: list[tuple[str, str, int | None]] = [
            ("request_xml", "SELECT body, body_sha256 FROM inputs WHERE seq = ? AND kind = 'duis'", entry["input"]),
            ("answer_xml", "SELECT answer, answer_sha256 FROM inputs WHERE seq = ? AND kind = 'duis'", entry["input"]),
            ("push_xml", "SELECT body, body_sha256 FROM outbox WHERE number = ?", entry["delivery"]),
        ]
        for name, statement, number in wanted:
            if number is not None:
                content = await self._body_of(statement, number)
                if content:
                    content = self.completed(content) if name == "answer_xml" else content
                    entry[name] = content.decode("utf-8", "replace")

    async def _body_of(self, statement: str, number: int) -> bytes | None:
        found = list(await self._reader.execute_fetchall(statement, (number,)))
        if not found:
            return None
        body, digest = found[0]
        if digest is None:
            return body  # type: ignore[no-any-return]
        return await asyncio.to_thread(self._blobs.get, digest)

    async def close(self) -> None:
        """Write what is queued and let go of the files; raise :class:`StorageFailed` when something could not be written."""
        self._closing = True
        self._wanted.set()
        try:
            await self._task
            if self._failure is not None:
                raise StorageFailed(self._failure)
        finally:
            for connection in (self._reader, self._writer):
                await connection.close()


def _pair(row: sqlite3.Row) -> tuple[Any, Any]:
    return row[0], row[1]
