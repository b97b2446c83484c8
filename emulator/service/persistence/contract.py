"""What a log keeps and what every kind of log can do. The rest of the service knows only this.

One :class:`Step` is what one turn of the pump made. Its parts become durable together or not at all, steps become durable in
the order in which they were appended, and nothing of a step may be seen outside before that.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from emulator.domain.errors import EmulatorError
from emulator.dsp.audit import Place, Query, Record


class StorageUnusable(EmulatorError):
    """The log cannot be opened or does not fit: wrong folder, another process, a newer format, nothing that can be restored."""


class StorageFailed(EmulatorError):
    """A write did not become durable (disk full, read-only, I/O error). Nothing of it may be acknowledged."""


class InputKind(StrEnum):
    """What an entry of the log is."""

    DUIS = "duis"
    """A DUIS request; the body is the XML as it arrived, the verdict names web service and signer."""
    CONTROL = "control"
    """A command for the engine; the verdict holds verb and parameters."""
    SERVICE = "service"
    """A command for the service's own state: clock, push floors; the verdict holds verb and parameters."""
    MARK = "mark"
    """Time passed and had effects."""


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A large body that already lies in its file."""

    sha256: bytes
    size_bytes: int


Body = bytes | StoredBody


class InputRow(NamedTuple):
    """One input, with the answer it got."""

    seq: int
    """1, 2, 3 … over the life of the world, without gaps."""
    kind: InputKind
    at_ms: int
    """Simulated time at which it was processed."""
    wall_ms: int
    """UTC wall time, for people."""
    verdict: str
    """JSON: what the edge established, or the command."""
    digest: bytes
    """SHA-256 of the answer before signing; what a replay must make again."""
    body: Body = b""
    answer: bytes = b""
    """The answer; where it is signed, its Signature may have no more than the name of the signer (:attr:`Log.completed`)."""


class DeliveryRow(NamedTuple):
    """A message for a user's endpoint, as made."""

    number: int
    seq: int
    """The input or mark that made it."""
    at_ms: int
    wall_ms: int
    recipient: int
    device: int | None
    request_id: str | None
    kind: str
    """``response``, ``device_alert`` or ``dcc_alert``."""
    code: str
    """Response code, alert code in hexadecimal, or DCC Alert code."""
    body: bytes
    """Signed XML."""
    digest: bytes
    """SHA-256 of the message before signing."""


class DeliveryState(StrEnum):
    """Where a message stands, as far as it outlives the process."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"


class OutcomeRow(NamedTuple):
    """What became of a message at an attempt or by an operator."""

    number: int
    state: DeliveryState
    attempts: int
    status: int | None
    """HTTP status of the last attempt; None when there was no answer."""
    detail: str
    wall_ms: int


class JournalRow(NamedTuple):
    """Something that happened, for people. Derived: losing it loses no state."""

    at_ms: int
    wall_ms: int
    kind: str
    request_id: str | None
    device: int | None
    summary: str
    data: dict[str, Any]
    seq: int | None = None
    """The input whose request and answer belong to it."""
    delivery: int | None = None
    """The message that belongs to it."""
    effect: int | None = None
    """Number of the engine's effect, by which a replay knows what is written already."""


class AuditRow(NamedTuple):
    """A record of the audit trail, as made."""

    record: Record
    seq: int
    """The input or mark that made it."""
    devices: tuple[str, ...] = ()
    """The list that the record names by digest."""
    text: str = ""
    """The entry as it was digested, where that is at hand."""


class Step(NamedTuple):
    """Everything that becomes durable together."""

    input: InputRow | None = None
    deliveries: Sequence[DeliveryRow] = ()
    journal: Sequence[JournalRow] = ()
    outcomes: Sequence[OutcomeRow] = ()
    audit: Sequence[AuditRow] = ()
    instant_ms: int | None = None
    """Simulated time has come this far."""
    acknowledges: str | None = None
    """RequestID whose answer leaves when this is durable."""

    def size_bytes(self) -> int:
        """Roughly the memory that it holds."""
        size = 200 * (len(self.journal) + len(self.outcomes) + len(self.audit) + 1)
        for record in self.audit:
            size += 80 * len(record.devices)
        if self.input is not None:
            size += len(self.input.answer) + (len(self.input.body) if isinstance(self.input.body, bytes) else 0)
        for delivery in self.deliveries:
            size += len(delivery.body)
        return size


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """The whole state after input ``seq``."""

    seq: int
    at_ms: int
    engine_version: str
    service_state: dict[str, Any]
    """The service's own state at that point: clock, push floors."""
    sha256: bytes
    size_bytes: int
    name: str
    """File name, or a key of a log in memory."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A message and what is known of its delivery."""

    number: int
    at_ms: int
    wall_ms: int
    recipient: int
    device: int | None
    request_id: str | None
    kind: str
    code: str
    size_bytes: int
    state: DeliveryState
    attempts: int
    status: int | None
    detail: str
    changed_wall_ms: int


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Which journal entries; every given condition must hold."""

    request_id: str | None = None
    device: int | None = None
    kind: str | None = None
    """A kind, or its beginning up to a dot."""
    since_ms: int | None = None
    until_ms: int | None = None
    after: int = 0
    """Entries with a greater number."""
    limit: int = 100
    bodies: bool = False
    """With the XML of request, answer and push."""
    text: str = ""
    """What the summary contains, whatever the case of its letters (of ASCII)."""


@dataclass(frozen=True, slots=True)
class OutboxQuery:
    """Which messages; every given condition must hold."""

    state: DeliveryState | None = None
    recipient: int | None = None
    device: int | None = None
    request_id: str | None = None
    after: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which records of the audit trail, and which portion of them."""

    wanted: Query = field(default_factory=Query)
    after: int = 0
    """Records with a greater number."""
    before: int | None = None
    """Records with a smaller number."""
    limit: int = 100
    newest_first: bool = False


class Trail(Protocol):
    """The audit trail of one world, to be looked at."""

    async def start(self) -> Place:
        """What the first kept record follows."""

    async def end(self) -> Place:
        """The last record."""

    async def records(self, query: AuditQuery) -> list[Record]:
        """Records that fit, by number. One that cannot be read has the kind :data:`UNREADABLE`, and so not its digest."""

    async def device_list(self, digest: str) -> bytes | None:
        """The octets of a list (:mod:`device_lists`), or None when it is missing or damaged."""


UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages are in each state."""

    counts: dict[DeliveryState, int] = field(default_factory=dict)

    def of(self, state: DeliveryState) -> int:
        """The number in one state."""
        return self.counts.get(state, 0)


@dataclass(frozen=True, slots=True)
class LastNumbers:
    """The greatest number of each kind that is in the log, 0 where there is none."""

    input: int = 0
    delivery: int = 0
    effect: int = 0
    audit: int = 0


class Log(Protocol):
    """A log of one world. Everything but :meth:`append` and the properties may wait for a disk."""

    on_durable: Callable[[Step], None]
    """Called for every step when it has become durable, in order; set before the first append."""

    completed: Callable[[bytes], bytes]
    """Makes of an answer as it was logged what was sent; set with :attr:`on_durable`."""

    keeps_snapshots: bool
    """Whether snapshots outlive the process; where not, none need be made."""

    @property
    def failure(self) -> str | None:
        """Why nothing can become durable at the moment, or None."""

    @property
    def trail(self) -> Trail:
        """The audit trail, as far as it is durable."""

    @property
    def backlog_bytes(self) -> int:
        """Memory held by steps that are not durable yet."""

    def append(self, step: Step) -> asyncio.Future[None]:
        """Queue a step. The future ends when it is durable, or with :class:`StorageFailed`: then it will still be tried again."""

    def keep_body(self, body: bytes) -> Body:
        """Put a large body where it lies once and is safe; may be called from any thread and takes as long as a disk does."""

    async def load_body(self, body: Body) -> bytes:
        """The octets of a body."""

    async def metadata(self) -> dict[str, str]:
        """Names and values that describe the world."""

    async def begin(self, metadata: dict[str, str], snapshot: bytes, row: SnapshotRow) -> None:
        """Forget everything and start a new world from its first snapshot."""

    async def snapshots(self) -> list[SnapshotRow]:
        """Kept snapshots, newest first."""

    async def load_snapshot(self, row: SnapshotRow) -> bytes | None:
        """The octets of a snapshot, or None when they are missing or damaged."""

    async def save_snapshot(self, snapshot: bytes | memoryview, row: SnapshotRow) -> None:
        """Keep a snapshot, then drop what no kept snapshot and no retention limit needs."""

    async def instant_ms(self) -> int:
        """How far simulated time had come."""

    def inputs_after(self, seq: int) -> AsyncIterator[InputRow]:
        """Inputs with a greater number, in order."""

    async def delivery_digests(self, after_seq: int) -> dict[int, bytes]:
        """Number and digest of messages that later inputs made."""

    async def audit_digests(self, after_seq: int) -> dict[int, str]:
        """Number and digest of audit records that later inputs made."""

    async def last_numbers(self) -> LastNumbers:
        """How far each numbering has come."""

    async def undelivered(self) -> list[OutboxEntry]:
        """Queued messages in order of their numbers."""

    async def delivery_body(self, number: int) -> bytes | None:
        """The XML of a message, or None when it is no longer kept."""

    async def outbox(self, query: OutboxQuery) -> list[OutboxEntry]:
        """Messages by number, ascending."""

    async def tally(self, query: OutboxQuery) -> Tally:
        """Messages by state; ``after`` and ``limit`` of the query do not count."""

    async def journal(self, query: JournalQuery) -> list[dict[str, Any]]:
        """Entries by number, ascending, as JSON values."""

    async def close(self) -> None:
        """Finish what is queued and let go of the files."""


def snapshot_row(
    seq: int, at_ms: int, engine_version: str, service_state: dict[str, Any], snapshot: bytes | memoryview, *, name: str = ""
) -> SnapshotRow:
    """Describe a snapshot; its file is named by input number and content."""
    digest = hashlib.sha256(snapshot).digest()
    name = name or f"{seq:012d}-{digest.hex()[:12]}.snapshot"
    return SnapshotRow(seq, at_ms, engine_version, service_state, digest, len(snapshot), name)


def request_key(request_id: str) -> str:
    """How RequestIDs are compared: without regard to case (wire_contract.md section 0 item 4)."""
    return request_id.lower()
