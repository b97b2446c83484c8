"""The log of a world that ends with its process: same behaviour, no files. What nobody may miss is kept, the rest is bounded."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from emulator.domain.identifiers import format_eui
from emulator.service.config import Storage
from emulator.service.persistence.contract import (
    Body,
    DeliveryRow,
    DeliveryState,
    InputRow,
    JournalQuery,
    JournalRow,
    LastNumbers,
    OutboxEntry,
    OutboxQuery,
    OutcomeRow,
    SnapshotRow,
    Step,
    StorageFailed,
    StoredBody,
    Tally,
    request_key,
)
from emulator.service.persistence.device_lists import pack
from emulator.service.persistence.trails import MemoryTrail

MAX_EXCHANGES = 10_000
"""Requests whose bodies stay readable in the journal."""
MAX_RECORDS = 200_000
"""Records of the audit trail, where no setting says how many."""
MAX_EXCHANGE_BYTES = 256 * 1024 * 1024
"""Octets of those bodies together."""


@dataclass(slots=True)
class _Message:
    row: DeliveryRow
    outcome: OutcomeRow


class MemoryLog:
    """A :class:`emulator.service.persistence.contract.Log` without a disk."""

    failure: str | None = None
    keeps_snapshots = False

    def __init__(self, world: str, settings: Storage) -> None:
        self.world = world
        self.on_durable: Callable[[Step], None] = lambda _: None
        self.completed: Callable[[bytes], bytes] = lambda answer: answer
        self._settings = settings
        self._queue: list[tuple[Step, asyncio.Future[None]]] = []
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self._metadata: dict[str, str] = {}
        self._inputs: dict[int, InputRow] = {}
        self._input_bytes = 0
        self._messages: dict[int, _Message] = {}
        self._journal: deque[tuple[int, JournalRow]] = deque(maxlen=self._settings.keep_journal)
        self._journal_number = 0
        self._numbers = LastNumbers()
        self._instant_ms = 0
        self.trail = MemoryTrail(keep=self._settings.keep_audit or MAX_RECORDS)

    @property
    def backlog_bytes(self) -> int:
        """Memory held by steps that are not passed on yet."""
        return sum(step.size_bytes() for step, _ in self._queue)

    def append(self, step: Step) -> asyncio.Future[None]:
        """Take a step; it counts as durable at the next turn of the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if self._closed:
            future.set_exception(StorageFailed("the log is closed"))
            return future
        if not self._queue:
            loop.call_soon(self._flush)
        self._queue.append((step, future))
        return future

    def keep_body(self, body: bytes) -> Body:
        """Bodies stay where they are."""
        return body

    async def load_body(self, body: Body) -> bytes:
        """The octets of a body."""
        if isinstance(body, StoredBody):
            raise TypeError("a log in memory has no files")
        return body

    def _flush(self) -> None:
        batch, self._queue = self._queue, []
        for step, _ in batch:
            self._take(step)
        for step, future in batch:
            self.on_durable(step)
            if not future.done():
                future.set_result(None)

    def _take(self, step: Step) -> None:
        if step.input is not None:
            self._take_input(step.input)
        for row in step.deliveries:
            outcome = OutcomeRow(row.number, DeliveryState.QUEUED, 0, None, "", row.wall_ms)
            self._messages[row.number] = _Message(row, outcome)
        for outcome in step.outcomes:
            if outcome.number in self._messages:
                self._messages[outcome.number].outcome = outcome
        for entry in step.journal:
            self._journal_number += 1
            self._journal.append((self._journal_number, entry))
        for record in step.audit:
            self.trail.add(record.record)
            if record.devices:
                self.trail.add_list(record.record.entry.devices_digest, pack(record.devices))
        if step.instant_ms is not None:
            self._instant_ms = step.instant_ms
        self._numbers = _numbers_after(self._numbers, step)
        if len(self._messages) > 2 * self._settings.keep_deliveries + 1_000:
            self._drop_messages()

    def _take_input(self, row: InputRow) -> None:
        self._inputs[row.seq] = row
        self._input_bytes += len(row.body) + len(row.answer) if isinstance(row.body, bytes) else 0
        while len(self._inputs) > MAX_EXCHANGES or self._input_bytes > MAX_EXCHANGE_BYTES:
            oldest = self._inputs.pop(next(iter(self._inputs)))
            self._input_bytes -= len(oldest.body) + len(oldest.answer) if isinstance(oldest.body, bytes) else 0

    def _drop_messages(self) -> None:
        finished = [number for number, message in self._messages.items() if message.outcome.state is not DeliveryState.QUEUED]
        for number in finished[: max(0, len(finished) - self._settings.keep_deliveries)]:
            del self._messages[number]

    async def metadata(self) -> dict[str, str]:
        """Names and values that describe the world."""
        return dict(self._metadata)

    async def begin(self, metadata: dict[str, str], snapshot: bytes, row: SnapshotRow) -> None:
        """Forget everything and start a new world."""
        self._forget()
        self._metadata = dict(metadata)
        self._instant_ms = row.at_ms

    async def snapshots(self) -> list[SnapshotRow]:
        """None: there is no later start to serve."""
        return []

    async def load_snapshot(self, row: SnapshotRow) -> bytes | None:
        """None."""
        return None

    async def save_snapshot(self, snapshot: bytes | memoryview, row: SnapshotRow) -> None:
        """Nothing to keep it for."""

    async def instant_ms(self) -> int:
        """How far simulated time had come."""
        return self._instant_ms

    async def inputs_after(self, seq: int) -> AsyncIterator[InputRow]:
        """Inputs that are still held."""
        for row in list(self._inputs.values()):
            if row.seq > seq:
                yield row

    async def delivery_digests(self, after_seq: int) -> dict[int, bytes]:
        """Number and digest of messages that later inputs made."""
        return {number: message.row.digest for number, message in self._messages.items() if message.row.seq > after_seq}

    async def audit_digests(self, after_seq: int) -> dict[int, str]:
        """None: nothing is ever replayed."""
        return {}

    async def last_numbers(self) -> LastNumbers:
        """How far each numbering has come."""
        return self._numbers

    async def undelivered(self) -> list[OutboxEntry]:
        """Queued messages in order of their numbers."""
        return await self.outbox(OutboxQuery(state=DeliveryState.QUEUED, limit=len(self._messages)))

    async def delivery_body(self, number: int) -> bytes | None:
        """The XML of a message."""
        message = self._messages.get(number)
        return None if message is None else message.row.body

    async def outbox(self, query: OutboxQuery) -> list[OutboxEntry]:
        """Messages by number, ascending."""
        found = (m for number, m in self._messages.items() if number > query.after and _fits(m, query))
        return [_entry(message) for message in islice(found, query.limit)]

    async def tally(self, query: OutboxQuery) -> Tally:
        """Messages by state."""
        counts: dict[DeliveryState, int] = {}
        for message in self._messages.values():
            if _fits(message, query):
                counts[message.outcome.state] = counts.get(message.outcome.state, 0) + 1
        return Tally(counts)

    async def journal(self, query: JournalQuery) -> list[dict[str, Any]]:
        """Entries by number, ascending, as JSON values."""
        found = ((number, row) for number, row in self._journal if number > query.after and _matches(row, query))
        entries = [_journal_entry(number, row) for number, row in islice(found, query.limit)]
        if query.bodies:
            for entry in entries:
                self._add_bodies(entry)
        return entries

    def _add_bodies(self, entry: dict[str, Any]) -> None:
        exchange = self._inputs.get(entry["input"] or 0)
        if exchange is not None and exchange.kind == "duis" and isinstance(exchange.body, bytes):
            entry["request_xml"] = exchange.body.decode("utf-8", "replace")
            entry["answer_xml"] = self.completed(exchange.answer).decode("utf-8", "replace")
        message = self._messages.get(entry["delivery"] or 0)
        if message is not None:
            entry["push_xml"] = message.row.body.decode("utf-8", "replace")

    async def close(self) -> None:
        """Pass on what is queued."""
        self._flush()
        self._closed = True


def _numbers_after(numbers: LastNumbers, step: Step) -> LastNumbers:
    return LastNumbers(
        input=numbers.input if step.input is None else step.input.seq,
        delivery=step.deliveries[-1].number if step.deliveries else numbers.delivery,
        effect=next((entry.effect for entry in reversed(step.journal) if entry.effect is not None), numbers.effect),
        audit=step.audit[-1].record.number if step.audit else numbers.audit,
    )


def _fits(message: _Message, query: OutboxQuery) -> bool:
    row = message.row
    return (
        (query.state is None or message.outcome.state is query.state)
        and (query.recipient is None or row.recipient == query.recipient)
        and (query.device is None or row.device == query.device)
        and (query.request_id is None or _same_request(row.request_id, query.request_id))
    )


def _matches(row: JournalRow, query: JournalQuery) -> bool:
    return (
        (query.request_id is None or _same_request(row.request_id, query.request_id))
        and (query.device is None or row.device == query.device)
        and (query.kind is None or row.kind == query.kind or row.kind.startswith(query.kind + "."))
        and (query.since_ms is None or row.at_ms >= query.since_ms)
        and (query.until_ms is None or row.at_ms < query.until_ms)
        and (not query.text or query.text.lower() in row.summary.lower())
    )


def _same_request(held: str | None, wanted: str) -> bool:
    return held is not None and request_key(held) == request_key(wanted)


def _entry(message: _Message) -> OutboxEntry:
    row, outcome = message.row, message.outcome
    return OutboxEntry(
        number=row.number,
        at_ms=row.at_ms,
        wall_ms=row.wall_ms,
        recipient=row.recipient,
        device=row.device,
        request_id=row.request_id,
        kind=row.kind,
        code=row.code,
        size_bytes=len(row.body),
        state=outcome.state,
        attempts=outcome.attempts,
        status=outcome.status,
        detail=outcome.detail,
        changed_wall_ms=outcome.wall_ms,
    )


def _journal_entry(number: int, row: JournalRow) -> dict[str, Any]:
    return {
        "number": number,
        "at_ms": row.at_ms,
        "wall_ms": row.wall_ms,
        "kind": row.kind,
        "request_id": row.request_id,
        "device": None if row.device is None else format_eui(row.device),
        "summary": row.summary,
        "data": json.loads(json.dumps(row.data)),
        "input": row.seq,
        "delivery": row.delivery,
    }
