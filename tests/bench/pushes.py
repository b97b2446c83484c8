"""What it costs to bring alerts to a user's endpoint: from the engine over signature, log and HTTP to the 204 and its record.

The endpoint is a :mod:`sink <tests.bench.sink>` on the same cores.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp.effects import Delivery, Effect
from emulator.duis.messages import DeviceAlert
from emulator.duis.schema import SchemaSet
from emulator.service.config import Outbox as OutboxSettings
from emulator.service.config import Storage
from emulator.service.edge import Edge
from emulator.service.endpoints import Endpoint, EndpointPolicy
from emulator.service.metrics import Metrics
from emulator.service.outbox import Outbox
from emulator.service.persistence.contract import LastNumbers, OutboxQuery, Step
from emulator.service.persistence.sqlite_log import SqliteLog
from emulator.service.pump import Turn
from emulator.service.recorder import Recorder
from emulator.world import create_world
from tests.bench.edge import POLICY, SUPPLIER, traffic
from tests.bench.load import cpu_seconds
from tests.bench.measure import Run, Sample, measurement
from tests.bench.sink import MODES, Sink, sink

PUSHES = 10_000
STORM = 200_000
TURN = 50
"""Alerts of one turn of the engine."""
BACKLOG_BYTES = 4 * 1024 * 1024
"""Unwritten octets beyond which the engine waits, as the pump makes it."""
FIRST_DEVICE = 0x00DB400000000000
PAYLOAD = bytes.fromhex("df09") + bytes(range(200))
"""As long as a signed GBCS alert."""
NOW_MS = 1_767_225_600_000


class Sender:
    """Recorder, log and outbox as a hosted world has them, without its engine."""

    def __init__(self, log: SqliteLog, target: Sink) -> None:
        self.log = log
        self.outbox = Outbox(
            OutboxSettings(),
            EndpointPolicy(()),
            log,
            Metrics().world("default"),
            instant_ms=lambda: NOW_MS,
            wall_ms=lambda: NOW_MS,
            on_change=self._changed,
        )
        edge = Edge(create_world().keys, SchemaSet(), POLICY)
        self.recorder = Recorder(log, edge, LastNumbers(), wall_ms=lambda: NOW_MS, expect=self.outbox.expect)
        log.on_durable = self._durable
        self.outbox.start({SUPPLIER: Endpoint(target.url)}, [])
        self._numbers = count(1)
        self._done = asyncio.Event()

    def _durable(self, step: Step) -> None:
        if step.deliveries:
            self.outbox.accept(step.deliveries)

    def _changed(self) -> None:
        if not self.outbox.busy:
            self._done.set()

    def alerts(self, devices: int) -> list[Effect]:
        """One alert of each device."""
        made: list[Effect] = []
        for position in range(devices):
            number, device = next(self._numbers), Eui64(FIRST_DEVICE + position)
            response_id = f"{format_eui(device)}:{format_eui(SUPPLIER)}:{number}"
            alert = DeviceAlert(NOW_MS, response_id, 0x8F72, PAYLOAD)
            made.append(Delivery(number, NOW_MS, SUPPLIER, device, None, alert))
        return made

    async def send(self, effects: list[Effect]) -> None:
        """Bring all to the endpoint; over when the outcome of the last is durable."""
        for start in range(0, len(effects), TURN):
            while self.log.backlog_bytes > BACKLOG_BYTES:  # noqa: ASYNC110 (the pump looks as well)
                await asyncio.sleep(0.005)
            self.recorder.mark(Turn(NOW_MS, effects[start : start + TURN]))
            await asyncio.sleep(0)
        while self.outbox.depth or self.outbox.busy:
            self._done.clear()
            await self._done.wait()
        await self.recorder.instant(NOW_MS)


@asynccontextmanager
async def sender(target: Sink) -> AsyncIterator[Sender]:
    """A sender for the time of a ``with`` block."""
    with tempfile.TemporaryDirectory() as folder:
        log = await SqliteLog.open(Path(folder), "default", Storage(keep_deliveries=2 * STORM))
        made = Sender(log, target)
        try:
            yield made
        finally:
            await made.outbox.stop(1_000)
            await log.close()


async def drained(made: Sender, target: Sink, devices: int) -> Sample:
    """Alerts of so many devices, and what the sink and the log say of them."""
    effects = made.alerts(devices)
    target.seen(forget=True)
    before = (time.process_time(), cpu_seconds(target.pid), time.perf_counter())
    await made.send(effects)
    wall_s = time.perf_counter() - before[2]
    ours, theirs = time.process_time() - before[0], cpu_seconds(target.pid) - before[1]
    seen = target.seen()
    states = (await made.log.tally(OutboxQuery())).counts
    checked = {"devices": devices, "seen": seen, "states": sorted(state.value for state in states)}
    beside = {"sender_cpu_us": round(ours * 1e6 / devices, 1), "sink_cpu_us": round(theirs * 1e6 / devices, 1)}
    return Sample(wall_s, checked, beside)


@measurement("push.per_s", "1/s", runs=3)
def pushes() -> Iterator[Run]:
    """Alerts of ten thousand devices to one endpoint; beside it what one costs the sender, stage by stage, and the sink."""
    with sink("deliver") as target, asyncio.Runner() as runner:
        opened = sender(target)
        made = runner.run(opened.__aenter__())

        def run() -> Sample:
            stages = _sign_us(made)
            found = runner.run(drained(made, target, PUSHES))
            return Sample(PUSHES / found.value, found.checked, found.beside | stages)

        try:
            runner.run(made.send(made.alerts(1_000)))
            yield run
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _sign_us(made: Sender) -> dict[str, float]:
    """Seconds of the processor for the parts that need no socket: the message's octets with their signature."""
    traffic()
    effects = made.alerts(1_000)
    edge = Edge(create_world().keys, SchemaSet(), POLICY)
    started = time.process_time()
    for effect in effects:
        assert isinstance(effect, Delivery)
        edge.write(effect.message)
    return {"encode_and_sign_us": round((time.process_time() - started) * 1e6 / len(effects), 1)}


@measurement("storm.200k.wall_s", "s", runs=1)
def storm() -> Iterator[Run]:
    """Alerts of two hundred thousand devices at once, until the last is recorded as taken: with a sink that checks every message
    (the value), one that also verifies signatures of a sample, and one that counts."""

    async def through(mode: str) -> Sample:
        with sink(mode) as target:
            async with sender(target) as made:
                return await drained(made, target, STORM)

    def run() -> Sample:
        found = {mode: asyncio.run(through(mode)) for mode in MODES}
        beside = {f"{mode}_{name}": value for mode, each in found.items() for name, value in each.beside.items()}
        walls = {f"{mode}_wall_s": round(each.value, 2) for mode, each in found.items()}
        return Sample(found["deliver"].value, {mode: each.checked for mode, each in found.items()}, walls | beside)

    yield run
