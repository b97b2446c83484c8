"""Pushes: at least once, in order per recipient and device, retried or dead-lettered by what the endpoint says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from emulator.service.config import Outbox as OutboxSettings
from emulator.service.config import Storage
from emulator.service.endpoints import Endpoint as Address
from emulator.service.endpoints import EndpointPolicy
from emulator.service.metrics import Metrics
from emulator.service.outbox import Outbox
from emulator.service.persistence.contract import (
    DeliveryRow,
    DeliveryState,
    JournalQuery,
    OutboxEntry,
    OutboxQuery,
    Step,
    snapshot_row,
)
from emulator.service.persistence.memory_log import MemoryLog
from tests.service.conftest import Endpoint, eventually, nobody_there

USER, USER_2, DEVICE, DEVICE_2 = 1, 2, 100, 200
QUICK: dict[str, Any] = {"push_floor_ms": 0, "retry_initial_ms": 20, "retry_cap_ms": 80, "timeout_ms": 400}


class Bench:
    """An outbox over a log in memory."""

    def __init__(self, **settings: Any) -> None:
        self.settings = OutboxSettings(**{**QUICK, **settings})
        self.log = MemoryLog("default", Storage())
        self.metrics = Metrics()
        self.changes = 0
        self.outbox = self.make()
        self.number = 0

    def make(self) -> Outbox:
        outbox = Outbox(
            self.settings,
            EndpointPolicy(self.settings.allowed_hosts),
            self.log,
            self.metrics.world("default"),
            instant_ms=lambda: 1_000,
            wall_ms=lambda: 5_000,
            on_change=self._changed,
        )
        self.log.on_durable = self._durable
        return outbox

    def _changed(self) -> None:
        self.changes += 1

    def _durable(self, step: Step) -> None:
        if step.acknowledges is not None:
            self.outbox.acknowledged(step.acknowledges)
        if step.deliveries:
            self.outbox.accept(step.deliveries)

    def deliver(
        self,
        *devices: int | None,
        user: int = USER,
        request_id: str | None = None,
        size: int = 0,
        acknowledges: str | None = None,
    ) -> list[int]:
        """Log one message per device and return their numbers."""
        made = []
        for device in devices:
            self.number += 1
            body = f"<m{self.number} d='{device}'/>".encode().ljust(size, b" ")
            row = DeliveryRow(self.number, 1, 1_000, 5_000, user, device, request_id, "response", "I0", body, b"")
            made.append(row)
        self.outbox.expect(len(made))
        self.log.append(Step(deliveries=made, acknowledges=acknowledges))
        return [row.number for row in made]

    async def entry(self, number: int) -> OutboxEntry:
        (found,) = await self.log.outbox(OutboxQuery(after=number - 1, limit=1))
        return found

    async def until(self, state: DeliveryState, count: int) -> None:
        async with asyncio.timeout(60):
            while (await self.log.tally(OutboxQuery())).of(state) < count:  # noqa: ASYNC110 (looked at from outside)
                await asyncio.sleep(0.005)


@pytest.fixture
async def bench() -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(**settings))
        return made[-1]

    yield make
    for each in made:
        await each.outbox.stop(1_000)


Make = Callable[..., Bench]
Endpoints = Callable[..., Endpoint]


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_any_2xx_takes_a_message(bench: Make, endpoints: Endpoints, status: int) -> None:
    made, there = bench(), await endpoints(status).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE)
    await made.until(DeliveryState.DELIVERED, 1)
    entry = await made.entry(1)
    assert (entry.status, entry.attempts) == (status, 1)
    assert there.bodies == [b"<m1 d='100'/>"]
    assert there.headers[0]["Content-Type"] == "application/xml"
    assert made.outbox.depth == 0
    assert not made.outbox.busy
    assert made.changes == 1
    assert b'dcc_pushes_total{outcome="delivered",world="default"} 1.0' in made.metrics.exposition()


@pytest.mark.parametrize("status", [400, 404, 413, 302, 401])
async def test_a_rejected_message_is_tried_a_few_times_then_dead_and_the_next_one_goes(
    bench: Make, endpoints: Endpoints, status: int
) -> None:
    made, there = bench(), await endpoints(status, status, status, 204).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE, DEVICE)
    await made.until(DeliveryState.DELIVERED, 1)
    dead = await made.entry(1)
    assert (dead.state, dead.status, dead.attempts) == (DeliveryState.DEAD, status, 3)
    assert [body[:3] for body in there.bodies] == [b"<m1", b"<m1", b"<m1", b"<m2"]
    kinds = [entry["kind"] for entry in await made.log.journal(JournalQuery(kind="push"))]
    assert kinds == ["push.retry", "push.retry", "push.dead", "push.delivered"]


@pytest.mark.parametrize("status", [500, 503, 408, 429])
async def test_later_means_later_with_growing_pauses(bench: Make, endpoints: Endpoints, status: int) -> None:
    made, there = bench(), await endpoints(status, status, status, status, 204).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE)
    await made.until(DeliveryState.DELIVERED, 1)
    pauses = [late - early for early, late in zip(there.at_s, there.at_s[1:], strict=False)]
    for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.08), strict=True):
        assert least - 0.005 <= pause < least + 0.5
    assert (await made.entry(1)).attempts == 5


async def test_transient_failures_have_a_limit_too(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(transient_attempts=3, retry_initial_ms=1), await endpoints(500).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE)
    await made.until(DeliveryState.DEAD, 1)
    assert len(there.bodies) == 3


async def test_a_slow_endpoint_times_out_and_is_tried_again(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(timeout_ms=100), await endpoints(204, delay_s=0.3).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE)
    await made.until(DeliveryState.QUEUED, 1)
    async with asyncio.timeout(60):
        while not (entry := await made.entry(1)).attempts:  # noqa: ASYNC110 (looked at from outside)
            await asyncio.sleep(0.005)
    assert (entry.state, entry.status, entry.detail) == (DeliveryState.QUEUED, None, "no answer within 100 ms")
    there.delay_s = 0
    await made.until(DeliveryState.DELIVERED, 1)


async def test_an_endpoint_that_is_down_gets_everything_when_it_comes_up(bench: Make, endpoints: Endpoints) -> None:
    made, held = bench(), nobody_there()
    port = held.getsockname()[1]
    made.outbox.start({USER: Address(f"http://127.0.0.1:{port}/push")}, [])
    made.deliver(*range(20))
    await asyncio.sleep(0.3)
    await made.until(DeliveryState.QUEUED, 20)
    waiting = made.outbox.waits_for(20)
    assert waiting is not None
    attempts = sum([(await made.entry(number)).attempts for number in range(1, 21)])
    assert attempts < 20, "while nobody is there one message at a time tries"
    held.close()
    up = await endpoints().open(port)
    await made.until(DeliveryState.DELIVERED, 20)
    assert len(up.bodies) == 20


async def test_order_holds_per_recipient_and_device_while_devices_go_side_by_side(bench: Make, endpoints: Endpoints) -> None:
    made = bench(recipient_concurrency=4)
    failed: set[bytes] = set()

    def fail_each_third_once(body: bytes) -> int:
        number = int(body[2:].split(b" ")[0])
        if number % 3 or body in failed:
            return 204
        failed.add(body)
        return 500

    there = await endpoints(chooser=fail_each_third_once, delay_s=0.005).open()
    made.outbox.start({USER: Address(there.url)}, [])
    devices = [1, 2, 3, 4, 5, None] * 10
    made.deliver(*devices)
    await made.until(DeliveryState.DELIVERED, 60)
    for device in {*devices}:
        numbers = [int(body[2:].split(b" ")[0]) for body in there.taken if f"d='{device}'".encode() in body]
        assert numbers == sorted(numbers)
        assert len(numbers) == 10
    assert 1 < there.most_at_once <= 4


async def test_one_device_never_has_two_messages_under_way(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(), await endpoints(delay_s=0.01).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(*[DEVICE] * 8)
    await made.until(DeliveryState.DELIVERED, 8)
    assert there.most_at_once == 1


async def test_a_hanging_recipient_holds_up_nobody_else(bench: Make, endpoints: Endpoints) -> None:
    made = bench(timeout_ms=5_000, recipient_concurrency=2, total_concurrency=4)
    hanging, well = await endpoints(delay_s=0.6).open(), await endpoints().open()
    made.outbox.start({USER: Address(hanging.url), USER_2: Address(well.url)}, [])
    made.deliver(*range(50))
    made.deliver(*range(50), user=USER_2)
    await eventually(lambda: len(well.taken) == 50)
    assert hanging.most_at_once == 2
    await made.outbox.stop(10)


async def test_all_connections_together_are_bounded(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(total_concurrency=3, recipient_concurrency=2), await endpoints(delay_s=0.005).open()
    made.outbox.start({user: Address(there.url) for user in range(1, 6)}, [])
    for user in range(1, 6):
        made.deliver(*range(10), user=user)
    await made.until(DeliveryState.DELIVERED, 50)
    assert there.most_at_once <= 3


async def test_without_an_endpoint_messages_wait_and_say_so(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(), await endpoints().open()
    made.outbox.start({USER: Address("")}, [])
    made.deliver(DEVICE, DEVICE)
    await eventually(lambda: made.outbox.waits_for(2) is not None)
    assert made.outbox.waits_for(1) == {"state": "waiting", "for": "an endpoint to be set", "until_wall_ms": None}
    assert made.outbox.waits_for(2) == {"state": "waiting", "for": "message 1 before it", "until_wall_ms": None}
    assert made.outbox.waits_for(3) is None
    assert not made.outbox.busy, "autojump does not wait for an endpoint that nobody set"
    made.outbox.set_endpoints({USER: Address(there.url)})
    await made.until(DeliveryState.DELIVERED, 2)


async def test_a_new_endpoint_ends_a_back_off(bench: Make, endpoints: Endpoints) -> None:
    made, wrong, right = (
        bench(retry_initial_ms=60_000, retry_cap_ms=60_000),
        await endpoints(500).open(),
        await endpoints().open(),
    )
    made.outbox.start({USER: Address(wrong.url)}, [])
    made.deliver(DEVICE)
    await eventually(lambda: len(wrong.bodies) == 1)
    await eventually(lambda: (made.outbox.waits_for(1) or {}).get("for") == "back-off")
    waiting = made.outbox.waits_for(1)
    assert waiting is not None
    assert 50_000 < waiting["until_wall_ms"] - 5_000 <= 60_000
    assert not made.outbox.busy
    made.outbox.set_endpoints({USER: Address(right.url)})
    await made.until(DeliveryState.DELIVERED, 1)


async def test_the_floor_lies_between_acknowledgement_and_result(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(push_floor_ms=150), await endpoints().open()
    made.outbox.start({USER: Address(there.url)}, [])
    started = asyncio.get_running_loop().time()
    made.deliver(DEVICE, request_id="A:B:1", acknowledges="a:b:1")
    made.deliver(DEVICE_2, request_id="A:B:2")
    await eventually(lambda: len(there.taken) == 1)
    assert there.taken[0][:3] == b"<m2", "what answers no fresh request goes at once"
    assert made.outbox.busy
    assert (made.outbox.waits_for(1) or {})["for"] == "floor"
    await made.until(DeliveryState.DELIVERED, 2)
    assert there.at_s[1] - started >= 0.15
    assert not made.outbox.busy


async def test_an_endpoint_may_have_a_floor_of_its_own(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(push_floor_ms=60_000), await endpoints().open()
    made.outbox.start({USER: Address(there.url, floor_ms=0)}, [])
    made.deliver(DEVICE, request_id="A:B:1", acknowledges="A:B:1")
    await made.until(DeliveryState.DELIVERED, 1)


async def test_old_acknowledgements_are_forgotten(bench: Make, endpoints: Endpoints) -> None:
    made = bench(push_floor_ms=1)
    made.outbox.start({}, [])
    for counter in range(5_000):
        made.outbox.acknowledged(f"a:b:{counter}")
        if counter % 1_000 == 0:
            await asyncio.sleep(0.003)
    assert len(made.outbox._acknowledged) <= 2_001


async def test_a_message_is_busy_from_the_moment_it_is_made(bench: Make, endpoints: Endpoints) -> None:
    made = bench()
    made.outbox.start({}, [])
    made.outbox.expect(1)
    assert made.outbox.busy


async def test_dead_letters_can_be_sent_again_before_their_successors(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(rejected_attempts=1, retry_initial_ms=60_000, retry_cap_ms=60_000), await endpoints(400, 500, 204).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE, DEVICE)
    await made.until(DeliveryState.DEAD, 1)
    await eventually(lambda: len(there.bodies) == 2)
    await asyncio.sleep(0.02)
    entry = await made.entry(1)
    assert made.outbox.resend(entry)
    assert not made.outbox.resend(entry)
    assert (made.outbox.waits_for(2) or {})["for"] == "message 1 before it"
    await made.until(DeliveryState.DELIVERED, 1)
    assert (made.outbox.waits_for(2) or {})["for"] == "back-off"
    made.outbox.set_endpoints({USER: Address(there.url + "?again")})
    await made.until(DeliveryState.DELIVERED, 2)
    assert [body[:3] for body in there.taken] == [b"<m1", b"<m2"]


async def test_a_full_outbox_takes_dead_letters_only(bench: Make, endpoints: Endpoints) -> None:
    made = bench(recipient_limit=3)
    made.outbox.start({}, [])
    made.deliver(*range(5))
    await made.until(DeliveryState.DEAD, 2)
    assert "outbox of this recipient is full (3 messages)" in (await made.entry(5)).detail
    assert made.outbox.depth == 3


async def test_what_could_not_be_written_is_dead_at_once(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(), await endpoints().open()
    made.outbox.start({USER: Address(there.url)}, [])
    row = DeliveryRow(1, 1, 1_000, 5_000, USER, DEVICE, None, "response", "I0", b"", b"")
    made.log.append(Step(deliveries=(row,)))
    await made.until(DeliveryState.DEAD, 1)
    assert there.bodies == []


async def test_large_messages_are_counted_and_still_tried(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(body_cache_bytes=0), await endpoints().open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE, size=150_000)
    await made.until(DeliveryState.DELIVERED, 1)
    assert len(there.taken[0]) == 150_000, "read from the log when it went"
    assert b'dcc_oversized_messages_total{world="default"} 1.0' in made.metrics.exposition()


async def test_a_message_that_is_no_longer_kept_is_dead(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(body_cache_bytes=0), await endpoints().open()
    made.outbox.start({}, [])
    made.deliver(DEVICE)
    await made.until(DeliveryState.QUEUED, 1)

    async def gone(number: int) -> None:
        return None

    made.log.delivery_body = gone  # type: ignore[method-assign,assignment]
    made.outbox.set_endpoints({USER: Address(there.url)})
    await made.until(DeliveryState.DEAD, 1)
    assert "no longer kept" in (await made.entry(1)).detail


async def test_the_next_process_goes_on_where_this_one_stopped(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(push_floor_ms=60), await endpoints(500).open()
    await made.log.begin({}, b"", snapshot_row(0, 0, "1", {}, b""))
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE, DEVICE, DEVICE_2, request_id="a:b:1")
    await eventually(lambda: len(there.bodies) >= 2)
    await made.outbox.stop(1_000)
    there.statuses, there.bodies = [204], []
    made.outbox = made.make()
    started = asyncio.get_running_loop().time()
    made.outbox.start({USER: Address(there.url)}, await made.log.undelivered())
    assert made.outbox.depth == 3
    await made.until(DeliveryState.DELIVERED, 3)
    assert there.at_s[-1] - started >= 0.06, "the acknowledgement may have left just before the stop"
    assert (await made.entry(1)).attempts >= 2


async def test_a_stop_lets_a_push_finish(bench: Make, endpoints: Endpoints) -> None:
    made, there = bench(), await endpoints(delay_s=0.1).open()
    made.outbox.start({USER: Address(there.url)}, [])
    made.deliver(DEVICE, DEVICE)
    await eventually(lambda: len(there.bodies) == 1)
    await made.outbox.stop(2_000)
    assert (await made.entry(1)).state is DeliveryState.DELIVERED
    assert (await made.entry(2)).state is DeliveryState.QUEUED


async def test_an_endpoint_that_is_not_allowed_is_never_called(bench: Make) -> None:
    made = bench()
    made.outbox.start({USER: Address("http://192.0.2.1/push")}, [])
    made.deliver(DEVICE)
    await eventually(lambda: "an endpoint that is allowed" in (made.outbox.waits_for(1) or {}).get("for", ""))
    assert (await made.entry(1)).attempts == 0


async def test_the_lag_is_the_age_of_the_oldest(bench: Make) -> None:
    made = bench()
    made.outbox.start({}, [])
    assert made.outbox.lag_s == 0
    made.deliver(DEVICE)
    await made.until(DeliveryState.QUEUED, 1)
    made.outbox._wall_ms = lambda: 12_000
    assert made.outbox.lag_s == 7
