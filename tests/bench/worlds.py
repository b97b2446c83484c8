"""What worlds of the default estate cost, in memory: to fork one, to begin it anew, and to let a day of it pass."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from statistics import median

from emulator.client.control import ControlClient
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import DeviceType
from emulator.estate.declaration import default_estate_toml
from emulator.scenarios.runner import in_process_server
from emulator.world import create_world, restore_world
from tests.bench.measure import Run, Sample, measurement
from tests.dsp.bench_world import Bench

FORKS = 20
RESETS = 5
DAYS = 10
READ = frozenset({DeviceType.ESME, DeviceType.GSME, DeviceType.PPMID})
"""Types of device that are read."""


def _at_server(work: Callable[[ControlClient, str], Awaitable[Sample]]) -> Iterator[Run]:
    """A server in this process with a world of the default estate, its clock standing; ``work`` is one run."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def begin() -> tuple[ControlClient, str]:
            address = await stack.enter_async_context(in_process_server())
            control = await stack.enter_async_context(ControlClient(address.control, "default"))
            await control.pause()
            return control, address.control

        control, url = runner.run(begin())

        async def once() -> Sample:
            return await work(control, url)

        try:
            yield lambda: runner.run(once())
        finally:
            runner.run(stack.aclose())


@measurement("world.fork_ms", "ms", runs=5)
def fork() -> Iterator[Run]:
    """The median of several forks, as the server says; beside it that of the whole call."""
    numbers = itertools.count(1)

    async def work(control: ControlClient, url: str) -> Sample:
        took_ms, calls_ms = [], []
        for number in itertools.islice(numbers, FORKS):
            began = time.perf_counter()
            made = await control.fork(f"fork-{number}")
            calls_ms.append(1_000 * (time.perf_counter() - began))
            took_ms.append(made["took_ms"])
            async with ControlClient(url, made["world"]) as forked:
                assert await forked.digest() == await control.digest()
                await forked.drop_world()
        return Sample(median(took_ms), {"forks": FORKS}, {"call_ms": round(median(calls_ms), 3)})

    yield from _at_server(work)


@measurement("world.reset_ms", "ms", runs=5)
def reset() -> Iterator[Run]:
    """The median of several resets, over HTTP."""

    async def work(control: ControlClient, url: str) -> Sample:
        calls_ms, digests = [], set()
        for _ in range(RESETS):
            began = time.perf_counter()
            await control.reset()
            calls_ms.append(1_000 * (time.perf_counter() - began))
            await control.pause()
            digests.add(await control.digest())
        return Sample(median(calls_ms), {"resets": RESETS, "digests": len(digests)})

    yield from _at_server(work)


@measurement("world.simulated_day.wall_ms", "ms", runs=5)
def simulated_day() -> Iterator[Run]:
    """The mean of days on which each meter and display is read once (11.2), every message signed; beside it that of days on which
    nobody sends anything."""
    again = create_world(estate_toml=default_estate_toml()).engine.snapshot()

    def run() -> Sample:
        bench = Bench(restore_world("bench", again))
        devices = [entry.eui for entry in bench.world.engine.state.dsp.inventory.values() if entry.device_type in READ]
        codes: Counter[str] = Counter()
        began = time.perf_counter()
        for _ in range(DAYS):
            day_ms = bench.now_ms + DAY_MS
            codes.update(bench.submit("11.2", to=eui).code for eui in devices)
            bench.advance(day_ms - bench.now_ms)
        read_ms = 1_000 * (time.perf_counter() - began)
        began = time.perf_counter()
        bench.advance(DAYS * DAY_MS)
        quiet_ms = 1_000 * (time.perf_counter() - began)
        checked = {"days": DAYS, "codes": dict(codes), "messages": len(bench.deliveries)}
        return Sample(read_ms / DAYS, checked, {"quiet_ms": round(quiet_ms / DAYS, 4)})

    yield run
