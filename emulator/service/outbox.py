"""Pushes to user endpoints: at least once, in order per recipient and device, until taken or dead-lettered.

Rules. A message goes when it is durable, when the floor after its acknowledgement has passed and when its predecessor of the same
recipient and device is done. Any 2xx is taken. 5xx, 408, 425, 429, time-outs and connection failures are retried with doubling
back-off; every other answer a few times. Then the message is dead-lettered, visible and resendable, and the next one goes. While
an endpoint cannot be reached one message at a time tries. All times here are wall time.
"""

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.service.config import Outbox as OutboxSettings
from emulator.service.endpoints import Endpoint, EndpointPolicy
from emulator.service.lanes import Item, Lane, Recipient
from emulator.service.metrics import WorldMetrics
from emulator.service.persistence.contract import (
    DeliveryRow,
    DeliveryState,
    JournalRow,
    Log,
    OutboxEntry,
    OutcomeRow,
    Step,
    StorageUnusable,
    request_key,
)
from emulator.service.push import Pusher, PushResult, Verdict
from emulator.service.transport_faults import UNSPOILT_PUSH, PushFaults

_log = structlog.get_logger("outbox")

_JOURNAL_KINDS = {
    DeliveryState.QUEUED: "push.retry",
    DeliveryState.DELIVERED: "push.delivered",
    DeliveryState.DEAD: "push.dead",
}


class Outbox:
    """The messages of one world that are not taken yet."""

    def __init__(
        self,
        settings: OutboxSettings,
        policy: EndpointPolicy,
        log: Log,
        metrics: WorldMetrics,
        *,
        instant_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        on_change: Callable[[], None],
        spoil: Callable[[Item], PushFaults] = lambda item: UNSPOILT_PUSH,
    ) -> None:
        """``instant_ms`` gives simulated time for the journal, ``on_change`` is called when a push has ended, ``spoil`` says what
        goes wrong on purpose with the next attempt."""
        self._settings = settings
        self._policy = policy
        self._log = log
        self._metrics = metrics
        self._instant_ms = instant_ms
        self._wall_ms = wall_ms
        self._on_change = on_change
        self._spoil = spoil
        self._endpoints: dict[int, Endpoint] = {}
        self._recipients: dict[int, Recipient] = {}
        self._items: dict[int, Item] = {}
        self._acknowledged: dict[str, float] = {}
        """When, by request, the youngest last."""
        self._longest_floor_s = settings.push_floor_ms / 1000
        self._expected = 0
        self._sending = 0
        self._floor_until_s = 0.0
        self._cached_bytes = 0
        self._tie = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._blocks: dict[int, str] = {}
        """Why nothing goes to the endpoint of a user."""
        self._pusher: Pusher | None = None
        self._stopping = False
        self._clock = asyncio.get_running_loop().time

    def start(self, endpoints: Mapping[int, Endpoint], undelivered: Sequence[OutboxEntry]) -> None:
        """Take up what an earlier process left, and begin to push. Acknowledgements may be as young as the last moment."""
        self._pusher = Pusher(self._settings, self._policy)
        self._take_endpoints(endpoints)
        now = self._now()
        for entry in undelivered:
            floor_s = now + self._floor_s(entry.recipient) if entry.request_id is not None else now
            item = Item(
                *(entry.number, entry.recipient, entry.device, entry.request_id, entry.kind, entry.code, entry.wall_ms),
                body=None,
                ready_s=floor_s,
                reason="floor",
                attempts=entry.attempts,
                status=entry.status,
                detail=entry.detail,
            )
            self._add(item)
        self._kick_all()

    async def stop(self, timeout_ms: int) -> None:
        """Start nothing more, let what is under way finish, at most so long."""
        self._stopping = True
        for recipient in self._recipients.values():
            if recipient.timer is not None:
                recipient.timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_ms / 1000)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pusher is not None:
            await self._pusher.close()

    # What the pump and the recorder say

    def expect(self, count: int) -> None:
        """So many messages were made and are not durable yet."""
        self._expected += count

    def acknowledged(self, request_id: str) -> None:
        """The acknowledgement of this request leaves now."""
        now, key = self._now(), request_key(request_id)
        self._acknowledged.pop(key, None)  # a Signed Pre-Command repeats the RequestID of its Transform
        self._acknowledged[key] = now
        while (oldest := next(iter(self._acknowledged))) and now - self._acknowledged[oldest] > self._longest_floor_s:
            del self._acknowledged[oldest]

    def accept(self, rows: Sequence[DeliveryRow]) -> None:
        """Take messages that have become durable."""
        touched: dict[int, Recipient] = {}
        for row in rows:
            self._expected = max(0, self._expected - 1)
            if len(row.body) > self._settings.push_size_bytes:
                self._metrics.oversized.inc()
            recipient = self._recipient(row.recipient)
            body = self._cache(row.body)
            ready_s, reason = self._floor_of(row)
            item = Item(
                *(row.number, row.recipient, row.device, row.request_id, row.kind, row.code, row.wall_ms),
                body=body,
                ready_s=ready_s,
                reason=reason,
            )
            if not row.body:
                item.detail = "the emulator could not write this message; its log on stderr says why"
            elif recipient.held >= self._settings.recipient_limit:
                item.detail = f"the outbox of this recipient is full ({self._settings.recipient_limit} messages)"
            if item.detail:
                self._uncache(item)
                self._record(item, DeliveryState.DEAD)
                continue
            self._add(item)
            touched[row.recipient] = recipient
        for recipient in touched.values():
            self._kick(recipient)

    def set_endpoints(self, endpoints: Mapping[int, Endpoint]) -> None:
        """Users' endpoints may have changed; messages for those that did start afresh."""
        before = self._endpoints
        self._take_endpoints(endpoints)
        for eui, recipient in self._recipients.items():
            if before.get(eui) != self._endpoints.get(eui):
                recipient.unreachable, recipient.resume_s = 0, 0.0
                for lane in recipient.lanes.values():
                    for item in lane.items:
                        if item.reason == "back-off":
                            item.ready_s = 0.0
                recipient.reorder()
                self._kick(recipient)

    def _take_endpoints(self, endpoints: Mapping[int, Endpoint]) -> None:
        self._endpoints = {eui: endpoint for eui, endpoint in endpoints.items() if endpoint.url}
        self._longest_floor_s = max((self._floor_s(eui) for eui in endpoints), default=self._settings.push_floor_ms / 1000)
        self._blocks = {}
        for eui, endpoint in self._endpoints.items():
            try:
                self._policy.check(endpoint.url)
            except Malformed as error:
                self._blocks[eui] = f"an endpoint that is allowed: {error.detail}"

    def resend(self, entry: OutboxEntry) -> bool:
        """Queue a finished message again; False when it is queued already."""
        if entry.number in self._items:
            return False
        item = Item(
            *(entry.number, entry.recipient, entry.device, entry.request_id, entry.kind, entry.code, entry.wall_ms),
            body=None,
            ready_s=self._now(),
            detail="resent by an operator",
        )
        self._add(item)
        self._record(item, DeliveryState.QUEUED)
        self._kick(self._recipient(entry.recipient))
        return True

    # What others ask

    @property
    def busy(self) -> bool:
        """Whether a message is under way or about to go; autojump waits for that."""
        if self._expected or self._sending:
            return True
        now = self._now()
        return now < self._floor_until_s or any(
            recipient.ready and now >= recipient.resume_s and self._blocked(recipient.eui) is None
            for recipient in self._recipients.values()
        )

    @property
    def depth(self) -> int:
        """Messages that are not done."""
        return len(self._items)

    @property
    def lag_s(self) -> float:
        """Age of the oldest of them."""
        oldest = next(iter(self._items.values()), None)
        return 0.0 if oldest is None else max(0, self._wall_ms() - oldest.queued_wall_ms) / 1000

    def failing(self) -> list[dict[str, Any]]:
        """Users whose messages cannot go, or did not at their last attempt: why."""
        found = []
        for eui, recipient in sorted(self._recipients.items()):
            heads = [lane.items[0] for lane in recipient.lanes.values() if lane.items]
            failed = next((item for item in heads if item.attempts and item.detail), None)
            blocked = self._blocked(eui)
            if not heads or (blocked is None and failed is None):
                continue
            url = self._endpoints[eui].url if eui in self._endpoints else ""
            reason = blocked if failed is None else f"{failed.status or ''} {failed.detail}".strip()
            found.append({"user": format_eui(eui), "url": url, "held": recipient.held, "reason": reason})
        return found

    def waits_for(self, number: int) -> dict[str, Any] | None:
        """What a queued message waits for, and until when (UTC wall milliseconds); None when it is not queued here."""
        item = self._items.get(number)
        if item is None:
            return None
        recipient = self._recipient(item.recipient)
        lane = recipient.lanes[item.device]
        blocked = self._blocked(item.recipient)
        if lane.items[0] is not item:
            return {"state": "waiting", "for": f"message {lane.items[0].number} before it", "until_wall_ms": None}
        if lane.sending:
            return {"state": "sending", "for": "the endpoint's answer", "until_wall_ms": None}
        if blocked is not None:
            return {"state": "waiting", "for": blocked, "until_wall_ms": None}
        now = self._now()
        until_s = max(item.ready_s, recipient.resume_s)
        if until_s <= now:
            return {"state": "waiting", "for": "a free connection", "until_wall_ms": None}
        reason = item.reason if item.ready_s >= recipient.resume_s else "back-off: the endpoint cannot be reached"
        return {"state": "waiting", "for": reason, "until_wall_ms": self._wall_ms() + round((until_s - now) * 1000)}

    # Queues

    def _now(self) -> float:
        return self._clock()

    def _recipient(self, eui: int) -> Recipient:
        found = self._recipients.get(eui)
        if found is None:
            found = self._recipients[eui] = Recipient(eui)
        return found

    def _blocked(self, eui: int) -> str | None:
        return self._blocks.get(eui) if eui in self._endpoints else "an endpoint to be set"

    def _floor_s(self, eui: int) -> float:
        endpoint = self._endpoints.get(eui)
        floor_ms = self._settings.push_floor_ms if endpoint is None or endpoint.floor_ms is None else endpoint.floor_ms
        return floor_ms / 1000

    def _floor_of(self, row: DeliveryRow) -> tuple[float, str]:
        acknowledged = None if row.request_id is None else self._acknowledged.get(request_key(row.request_id))
        if acknowledged is None:
            return 0.0, ""
        return acknowledged + self._floor_s(row.recipient), "floor"

    def _cache(self, body: bytes) -> bytes | None:
        if self._cached_bytes + len(body) > self._settings.body_cache_bytes:
            return None
        self._cached_bytes += len(body)
        return body

    def _uncache(self, item: Item) -> None:
        if item.body is not None:
            self._cached_bytes -= len(item.body)
            item.body = None

    def _add(self, item: Item) -> None:
        """Put a message into its lane by number; one that is resent goes before its successors."""
        recipient = self._recipient(item.recipient)
        lane = recipient.lanes.get(item.device)
        if lane is None:
            lane = recipient.lanes[item.device] = Lane()
        position = len(lane.items)
        first_free = 1 if lane.sending else 0
        while position > first_free and lane.items[position - 1].number > item.number:
            position -= 1
        lane.items.insert(position, item)
        recipient.held += 1
        self._items[item.number] = item
        if item.reason == "floor" and self._blocked(item.recipient) is None:
            self._floor_until_s = max(self._floor_until_s, item.ready_s)
        if lane.scheduled and lane.items[0] is item:
            recipient.reorder()
        self._schedule(recipient, lane)

    def _schedule(self, recipient: Recipient, lane: Lane) -> None:
        if lane.sending or lane.scheduled or not lane.items:
            return
        lane.scheduled = True
        if lane.items[0].ready_s <= self._now():
            recipient.ready.append(lane)
        else:
            self._tie += 1
            heapq.heappush(recipient.waiting, (lane.items[0].ready_s, self._tie, lane))

    def _kick_all(self) -> None:
        for recipient in self._recipients.values():
            self._kick(recipient)

    def _kick(self, recipient: Recipient) -> None:
        """Start what may go now and set the alarm for what may go next."""
        if recipient.timer is not None:
            recipient.timer.cancel()
            recipient.timer = None
        if self._stopping or not recipient.held or self._blocked(recipient.eui) is not None:
            return
        now = self._now()
        while recipient.waiting and recipient.waiting[0][0] <= now:
            recipient.ready.append(heapq.heappop(recipient.waiting)[2])
        limit = self._settings.recipient_concurrency if not recipient.unreachable else 1
        if now >= recipient.resume_s:
            while recipient.ready and recipient.sending < limit and self._sending < self._settings.total_concurrency:
                lane = recipient.ready.popleft()
                lane.scheduled = False
                if lane.items[0].ready_s > now:  # another message has taken the head meanwhile
                    self._schedule(recipient, lane)
                else:
                    self._start(recipient, lane)
        alarms = [recipient.waiting[0][0]] if recipient.waiting else []
        if recipient.ready and now < recipient.resume_s:
            alarms.append(recipient.resume_s)
        if alarms:
            recipient.timer = asyncio.get_running_loop().call_at(min(alarms), self._kick, recipient)

    # One attempt

    def _start(self, recipient: Recipient, lane: Lane) -> None:
        lane.sending = True
        recipient.sending += 1
        self._sending += 1
        task = asyncio.create_task(self._attempt(recipient, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, recipient: Recipient, lane: Lane) -> None:
        item = lane.items[0]
        started_s = self._now()
        result: PushResult | None = None
        try:
            result = await self._post(item)
        finally:
            full = self._sending >= self._settings.total_concurrency
            lane.sending = False
            recipient.sending -= 1
            self._sending -= 1
        self._metrics.push_seconds.observe(self._now() - started_s)
        self._conclude(recipient, lane, item, result)
        self._schedule(recipient, lane)
        if full:
            self._kick_all()
        else:
            self._kick(recipient)
        self._on_change()

    async def _post(self, item: Item) -> PushResult:
        try:
            body = item.body if item.body is not None else await self._log.delivery_body(item.number)
        except (OSError, ValueError, StorageUnusable) as error:
            return PushResult(Verdict.LATER, None, f"the message cannot be read: {error}")
        if body is None:
            return PushResult(Verdict.LOST, None, "the message is no longer kept")
        endpoint = self._endpoints.get(item.recipient)
        if endpoint is None or self._pusher is None:
            return PushResult(Verdict.LATER, None, "the endpoint was removed")
        item.url = endpoint.url
        return await self._pusher.push(endpoint.url, body, self._spoil(item))

    def _conclude(self, recipient: Recipient, lane: Lane, item: Item, result: PushResult) -> None:
        """Decide whether the message is taken, tried again or dead."""
        item.attempts += 1
        item.status, item.detail = result.status, result.detail
        now = self._now()
        if result.verdict is Verdict.UNREACHABLE:
            if now >= recipient.resume_s:  # else another attempt of the same moment has said so
                recipient.unreachable += 1
                recipient.resume_s = now + self._back_off_s(recipient.unreachable)
        else:
            recipient.unreachable, recipient.resume_s = 0, 0.0
        if result.verdict is Verdict.TAKEN:
            self._remove(recipient, lane, item, DeliveryState.DELIVERED)
            return
        rejected = result.verdict is Verdict.REJECTED
        item.rejections += 1 if rejected else 0
        failures = item.rejections if rejected else item.attempts
        limit = self._settings.rejected_attempts if rejected else self._settings.transient_attempts
        if result.verdict is Verdict.LOST or failures >= limit:
            self._remove(recipient, lane, item, DeliveryState.DEAD)
            return
        item.reason = "back-off"
        item.ready_s = now + self._back_off_s(failures)
        self._record(item, DeliveryState.QUEUED)

    def _back_off_s(self, failures: int) -> float:
        """Doubling from the first delay to the cap."""
        delay_ms = self._settings.retry_initial_ms << min(failures - 1, 30)
        return min(delay_ms, self._settings.retry_cap_ms) / 1000

    def _remove(self, recipient: Recipient, lane: Lane, item: Item, state: DeliveryState) -> None:
        lane.items.remove(item)
        recipient.held -= 1
        del self._items[item.number]
        if not lane.items:
            recipient.lanes.pop(item.device, None)
        self._uncache(item)
        self._record(item, state)

    def _record(self, item: Item, state: DeliveryState) -> None:
        """Log the outcome; nobody waits for that: what is lost in a crash is pushed once more."""
        outcome = OutcomeRow(item.number, state, item.attempts, item.status, item.detail, self._wall_ms())
        answer = item.detail if item.status is None else f"{item.status} {item.detail}".rstrip()
        kind = _JOURNAL_KINDS[state]
        entry = JournalRow(
            at_ms=self._instant_ms(),
            wall_ms=outcome.wall_ms,
            kind=kind,
            request_id=item.request_id,
            device=item.device,
            summary=f"{item.kind} {item.code} to {format_eui(item.recipient)}, attempt {item.attempts}: {answer}",
            data={"attempts": item.attempts, "status": item.status, "detail": item.detail, "url": item.url},
            delivery=item.number,
        )
        self._metrics.pushes[kind.removeprefix("push.")].inc()
        if state is DeliveryState.DEAD:
            _log.warning("message dead-lettered", number=item.number, answer=answer)
        self._log.append(Step(outcomes=(outcome,), journal=(entry,)))
