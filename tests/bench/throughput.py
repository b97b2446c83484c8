"""The emulator under load over HTTP, as processes of its own, with the generator on the same cores.

Requests are signed 11.2 and 8.2 in turn, each with its own RequestID, made before the clock starts. Simulated time stands still,
so that devices' answers wait and only the way to the durable, signed acknowledgement is measured; ``edge.roundtrip_per_s`` is the
other half. Beside each rate stands what one request costs in processor time, which other work on the machine disturbs less.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from emulator.client.requests import read_firmware_version, read_inventory
from emulator.client.signing import sign_request
from emulator.domain.identifiers import RequestId, format_eui
from emulator.duis.messages import Request
from emulator.world import World, create_world
from tests.bench.edge import ESME, SUPPLIER, floor, whole
from tests.bench.load import PATIENCE_S, Report, cpu_seconds, hammer, http_post
from tests.bench.measure import Run, Sample, Unmeasurable, measurement
from tests.bench.process import Served, served
from tests.bench.sink import Sink, sink

REQUESTS = 6_000
WARM_UP = 600
CONNECTIONS = 64
"""Two batches of what is read together (``service/together.py``): one is on its way while the other waits for the disk."""
REQUESTS_OF_TWO = 18_000
CONNECTIONS_OF_TWO = 384
"""With two processes a request stands in three queues: until the one has read it, the other has decided it, the disk has it. In a
closed loop each of them has work only while there are enough requests for all the batches that are under way at a time."""
ROUND_TRIPS = 3_000
TARGET_PER_S = 2_000
"""What one process is to reach; half of it is the load under which answer times are measured."""


@cache
def _signing_world() -> World:
    """A world like the served one, for its keys."""
    return create_world()


_counters = count(1)


def reads(number: int) -> list[bytes]:
    """11.2 requests to one ESME, as HTTP requests; none is ever made twice."""
    return [_signed(read_firmware_version(SUPPLIER, ESME), "S") for _ in range(number)]


def mixed(number: int) -> list[bytes]:
    """11.2 and 8.2 in turn."""
    kinds = ((read_firmware_version(SUPPLIER, ESME), "S"), (read_inventory(SUPPLIER, ESME), "D"))
    return [_signed(*kinds[at % 2]) for at in range(number)]


def _signed(request: Request, service: str) -> bytes:
    world = _signing_world()
    target = request.request_id.target
    identity = RequestId(SUPPLIER, target, world.engine.now_ms + next(_counters))
    return http_post(f"/api/v1/service{service}", sign_request(replace(request, request_id=identity), world.keys))


def port_of(url: str) -> int:
    """The port of an address."""
    port = urlsplit(url).port
    assert port is not None
    return port


@contextmanager
def paused(**settings: str) -> Iterator[Served]:
    """An emulator, durable, whose time stands still, warmed up."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), clock__mode="paused", **settings) as found:
        hammer(port_of(found.duis), mixed(WARM_UP), connections=CONNECTIONS)
        yield found


def loaded(pid: int, load: Callable[[], Report]) -> tuple[Report, dict[str, float]]:
    """A load, and what it cost for each answer: to the server with all processes, to the first of them, and to the generator."""
    before = cpu_seconds(pid), cpu_seconds(pid, alone=True)
    report = load()
    used, first = cpu_seconds(pid) - before[0], cpu_seconds(pid, alone=True) - before[1]
    beside = {
        "server_cpu_us": round(used * 1e6 / report.requests, 1),
        "first_process_cpu_us": round(first * 1e6 / report.requests, 1),
        "generator_cpu_us": round(report.generator_cpu_s * 1e6 / report.requests, 1),
        "p50_ms": round(report.percentile_ms(50), 2),
        "p99_ms": round(report.percentile_ms(99), 2),
    }
    return report, beside


def rate(found: Served, connections: int = CONNECTIONS, number: int = REQUESTS) -> Run:
    """As many requests a second as it answers."""

    def run() -> Sample:
        requests = mixed(number)
        report, beside = loaded(found.pid, lambda: hammer(port_of(found.duis), requests, connections=connections))
        checked = {"requests": number, "answers": report.answers, "connections": connections}
        return Sample(report.per_s, checked, beside)

    return run


@measurement("edge.one_process.requests_per_s", "1/s", runs=3)
def one_process() -> Iterator[Run]:
    """Requests answered durably by one process, closed loop."""
    with paused() as found:
        yield rate(found)


@measurement("edge.memory_ratio", "ratio", runs=3)
def memory_ratio() -> Iterator[Run]:
    """Processor time of a request that is answered durably over that of one in memory, taken in turn: the price of the disk."""
    with paused() as durable, paused(storage__folder="") as memory:
        on_disk, in_memory = rate(durable), rate(memory)

        def run() -> Sample:
            dear, cheap = on_disk(), in_memory()
            costs = {name: sample.beside["server_cpu_us"] for name, sample in (("durable_us", dear), ("memory_us", cheap))}
            rates = {"durable_per_s": round(dear.value, 1), "memory_per_s": round(cheap.value, 1)}
            return Sample(costs["durable_us"] / costs["memory_us"], cheap.checked, costs | rates)

        yield run


@measurement("edge.two_cores.requests_per_s", "1/s", runs=3)
def two_cores() -> Iterator[Run]:
    """The same by two processes behind one port, which with the generator have two cores."""
    with paused(duis__processes="2") as found:
        yield rate(found, CONNECTIONS_OF_TWO, REQUESTS_OF_TWO)


@measurement("edge.half_load.p99_ms", "ms", runs=3)
def half_load() -> Iterator[Run]:
    """The time within which 99 of 100 answers come from one process, at half the rate that it is to reach; open loop."""
    with paused() as found:

        def run() -> Sample:
            requests, per_s = mixed(REQUESTS // 2), TARGET_PER_S / 2
            report, beside = loaded(
                found.pid, lambda: hammer(port_of(found.duis), requests, connections=CONNECTIONS, per_s=per_s)
            )
            checked = {"requests": report.requests, "answers": report.answers, "per_s": per_s}
            return Sample(report.percentile_ms(99), checked, beside | {"sent_per_s": round(report.per_s, 1)})

        yield run


@measurement("edge.floor_ratio", "ratio", runs=5)
def floor_ratio() -> Iterator[Run]:
    """``edge.whole_us`` over ``edge.floor_us``, taken in turn so that the machine is the same for both."""
    with contextmanager(whole)() as ours, contextmanager(floor)() as bare:

        def run() -> Sample:
            above, below = ours(), bare()
            beside = {"whole_us": round(above.value, 1), "floor_us": round(below.value, 1)}
            beside |= {"whole_cpu_us": above.beside["cpu_us"], "floor_cpu_us": below.beside["cpu_us"]}
            beside["cpu_ratio"] = round(above.beside["cpu_us"] / below.beside["cpu_us"], 3)
            return Sample(above.value / below.value, above.checked | {"floor": below.checked}, beside)

        yield run


@measurement("edge.roundtrip_per_s", "1/s", runs=3)
def round_trips() -> Iterator[Run]:
    """From an 11.2 to the endpoint's 204 for the device's answer, all under way at once; simulated time runs a thousandfold."""
    settings = {"clock__rate": "1000", "outbox__push_floor_ms": "0"}
    with sink("deliver") as target, tempfile.TemporaryDirectory() as folder, served(Path(folder), **settings) as found:
        _set_endpoint(found, target)

        def run() -> Sample:
            return round_trip(found, target, ROUND_TRIPS)

        round_trip(found, target, WARM_UP)
        yield run


def round_trip(found: Served, target: Sink, number: int) -> Sample:
    """So many 11.2, until the sink has every answer."""
    requests = reads(number)
    target.seen(forget=True)
    before, started = (cpu_seconds(found.pid), cpu_seconds(target.pid)), time.perf_counter()
    report = hammer(port_of(found.duis), requests, connections=CONNECTIONS)
    answered_s = time.perf_counter() - started
    while (seen := target.seen())["count"] < number:
        if time.perf_counter() - started > PATIENCE_S:
            raise TimeoutError(f"{seen['count']} of {number} answers came")
        time.sleep(0.02)
    wall_s = time.perf_counter() - started
    used, sunk = cpu_seconds(found.pid) - before[0], cpu_seconds(target.pid) - before[1]
    beside = {
        "answered_s": round(answered_s, 2),
        "server_cpu_us": round(used * 1e6 / number, 1),
        "sink_cpu_us": round(sunk * 1e6 / number, 1),
    }
    return Sample(number / wall_s, {"requests": number, "answers": report.answers, "pushed": target.seen()}, beside)


def _set_endpoint(found: Served, target: Sink) -> None:
    request = urllib.request.Request(
        f"{found.control}/control/v1/worlds/default/users/{format_eui(SUPPLIER)}/endpoint",
        data=json.dumps({"url": target.url}).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=10).close()


@dataclass(frozen=True, slots=True)
class Canned:
    """A running WireMock with one stub."""

    port: int
    pid: int


@contextmanager
def wiremock(answer: bytes) -> Iterator[Canned]:
    """WireMock, from the npm package that bundles its jar (or ``DCC_WIREMOCK``, a jar), answering every POST with ``answer``.

    Raises :class:`Unmeasurable` without Java or the package.
    """
    java, npm = shutil.which("java"), shutil.which("npm")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jar = os.environ.get("DCC_WIREMOCK", "")
        if java is None or not (jar or npm):
            raise Unmeasurable("needs java, and npm or the jar of WireMock in DCC_WIREMOCK")
        if not jar:
            fetched = subprocess.run([str(npm), "install", "wiremock@3"], cwd=folder, capture_output=True, check=False)
            found = list(folder.glob("node_modules/wiremock/build/*.jar"))
            if fetched.returncode or not found:
                raise Unmeasurable("npm did not give the package wiremock")
            jar = str(found[0])
        (folder / "mappings").mkdir()
        stub = {
            "request": {"method": "POST", "urlPattern": "/.*"},
            "response": {"status": 200, "body": answer.decode(), "headers": {"Content-Type": "application/xml"}},
        }
        (folder / "mappings" / "any.json").write_text(json.dumps(stub))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        quiet = ("--no-request-journal", "--disable-banner", "--root-dir", name)
        process = subprocess.Popen([java, "-jar", jar, "--port", str(port), *quiet], stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield Canned(port, process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int) -> None:
    started = time.perf_counter()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.perf_counter() - started > PATIENCE_S:
                raise
            time.sleep(0.1)


WIREMOCK_WARM_UP = 40_000
"""Requests after which the compiler of its machine has done what it will."""


@measurement("edge.vs_wiremock_cpu_ratio", "ratio", runs=3)
def versus_wiremock() -> Iterator[Run]:
    """Answers for each second of the processor, against a WireMock that reads nothing and sends one canned answer; in turn."""
    answer = b"<sr:Response><ResponseCode>I0</ResponseCode>".ljust(3_000, b" ") + b"</sr:Response>"
    with paused() as found, wiremock(answer) as canned:
        requests = mixed(1_000)
        for _ in range(WIREMOCK_WARM_UP // len(requests)):
            hammer(canned.port, requests, connections=CONNECTIONS)

        def run() -> Sample:
            requests = mixed(REQUESTS)
            ours, beside = loaded(found.pid, lambda: hammer(port_of(found.duis), requests, connections=CONNECTIONS))
            theirs, other = loaded(canned.pid, lambda: hammer(canned.port, requests * 3, connections=CONNECTIONS))
            ratio = other["server_cpu_us"] / beside["server_cpu_us"]
            rates = {"per_s": round(ours.per_s, 1), "wiremock_per_s": round(theirs.per_s, 1)}
            costs = {"server_cpu_us": beside["server_cpu_us"], "wiremock_cpu_us": other["server_cpu_us"]}
            return Sample(ratio, {"answers": ours.answers, "canned": theirs.answers}, rates | costs)

        yield run
