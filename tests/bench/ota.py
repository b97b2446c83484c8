"""What it costs to bring an image to homes: a million devices, a nation, and a hundred thousand without the compiled kernels.

Each run is a process of its own, that loads or makes its compiled kernels first (``warm_up_s``), then builds the estate by its
rule, submits, and lets time go on until nothing more happens. The value is the wall time of all that; seconds of the processor
stand beside it, for the machine may have other work.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from emulator.fanout.network import Network
from emulator.fanout.specs import PoolSpec, Rule
from emulator.fanout.tables import DAY_S, KIB, DeviceProfile, HubProfile, Order, PoolProfile
from tests.bench.measure import Run, Sample, measurement

NATION = 30_000_000
"""Hubs, of two devices each."""
OLD, NEW = 0x01000000, 0x02000000
ESME, GSME, PPMID = 0, 1, 2
SUPPLIERS = 30
LONGEST_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Share:
    """A pool of the nation."""

    name: str
    parts: int
    """Of thirty."""
    profile: PoolProfile
    hubs: tuple[tuple[HubProfile, int], ...]


def nation() -> list[Share]:
    """All regions; capacities and rates are the defaults, the shares of the regions ours. Stores of a tenth hold one image
    only."""
    roomy = HubProfile(name="2G/3G")
    dual = HubProfile(name="2G/3G, dual band", dual_band=True)
    mesh = HubProfile(name="mesh", rate_bit_s=4_000)
    tight = HubProfile(name="2G/3G, small store", store_bytes=512 * KIB, policy_on_full="defer")
    cellular = ((roomy, 60), (dual, 25), (tight, 10), (mesh, 5))
    radio = (
        (HubProfile(name="radio"), 90),
        (HubProfile(name="radio, small store", store_bytes=512 * KIB, policy_on_full="defer"), 10),
    )
    lte = ((HubProfile(name="4G", rate_bit_s=1_000_000, dual_band=True), 1),)
    older, newer = PoolProfile(), PoolProfile(sessions=20_000)
    north = PoolProfile(kind="radio", cells=50)
    return [
        Share("Central", 11, replace(older, sessions=10_000), cellular),
        Share("South", 11, replace(older, sessions=10_000), cellular),
        Share("Central 4G", 8, newer, lte),
        Share("South 4G", 8, newer, lte),
        Share("North 4G", 2, newer, lte),
        *(Share(f"North {number}", 5, north, radio) for number in range(1, 5)),
    ]


def specs(hubs: int) -> list[PoolSpec]:
    """The nation at another size, its capacities in proportion."""
    meter = DeviceProfile(name="ESME", device_type=ESME)
    gas = DeviceProfile(name="GSME", device_type=GSME, wake_s=1_800)
    display = DeviceProfile(name="PPMID", device_type=PPMID, activates_itself=True, verify_s=0)
    parties = tuple((party, 1) for party in range(SUPPLIERS))
    found, first, shares = [], 0, nation()
    total = sum(share.parts for share in shares)
    for share in shares:
        count = hubs * share.parts // total if share is not shares[-1] else hubs - first
        size = (count * total, NATION * share.parts)
        profile = replace(
            share.profile,
            sessions=max(1, share.profile.sessions * size[0] // size[1]),
            cells=max(1, share.profile.cells * size[0] // size[1]),
        )
        rule = Rule(share.hubs, (((meter, 1),), ((gas, 3), (display, 1))), parties, OLD)
        found.append(PoolSpec(profile, share.name, count, rule, first))
        first += count
    return found


def campaign(hubs: int, compiled: bool, threads: int) -> dict[str, Any]:
    """One campaign to completion: what it took and what came of it."""
    started, used = time.perf_counter(), time.process_time()
    net = Network.create(1, specs(hubs), compiled=compiled, threads=threads)
    built = time.perf_counter()
    sizes = ((ESME, 450), (GSME, 300), (PPMID, 600))
    orders = [
        net.add_order(Order(size * KIB, NEW, device_types=1 << kind, lane=kind, activate_after_s=3_600, read_after_s=3_600))
        for kind, size in sizes
    ]
    taken = sum(net.submit_span(number, 0, pool.hubs, order) for order in orders for number, pool in enumerate(net.pools))
    net.advance(40 * DAY_S)
    ended, cpu = time.perf_counter(), time.process_time() - used
    counts: dict[str, int] = {}
    for order in orders:
        for kind, number in net.counts(order).items():
            counts[kind] = counts.get(kind, 0) + number
    events = sum(pool.events for pool in net.pools)
    return {
        "wall_s": ended - started,
        "build_s": built - started,
        "cpu_s": cpu,
        "us_per_device": cpu * 1e6 / taken,
        "bytes_per_device": net.bytes_per_device(),
        "checked": {"devices": taken, "events": events, "left": net.next_due() is not None, "counts": counts},
    }


def main() -> None:
    """``HUBS COMPILED THREADS RUNS``: take runs in this process and print each as a line of JSON."""
    hubs, compiled, threads, runs = (int(value) for value in sys.argv[1:])
    started = time.perf_counter()
    if compiled:
        assert campaign(100, True, 1)
    warm_up = time.perf_counter() - started
    for _ in range(runs):
        found = campaign(hubs, bool(compiled), threads)
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(json.dumps(found | {"peak_gib": int(peak.split()[1]) / (1 << 20), "warm_up_s": warm_up}), flush=True)


def taken(hubs: int, compiled: bool, threads: int, runs: int = 1) -> list[dict[str, Any]]:
    """Runs in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.ota", str(hubs), str(int(compiled)), str(threads), str(runs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LONGEST_S, cwd=Path(__file__).resolve().parents[2])
    return [json.loads(line) for line in done.stdout.splitlines()]


@cache
def national() -> dict[str, Any]:
    """The national run, taken once for all that is measured of it."""
    return taken(NATION, True, 2)[0]


def sample(name: str, found: dict[str, Any]) -> Sample:
    """One value of a run, with what stands beside it."""
    beside = ("wall_s", "build_s", "cpu_s", "us_per_device", "peak_gib", "warm_up_s")
    return Sample(found[name], found["checked"], {each: round(found[each], 3) for each in beside if each != name})


@measurement("ota.1m.wall_s", "s", runs=3)
def million() -> Iterator[Run]:
    """A million devices, compiled, on two threads."""
    yield lambda: sample("wall_s", taken(500_000, True, 2)[0])


@measurement("ota.100k.plain.wall_s", "s", runs=3)
def plain() -> Iterator[Run]:
    """A hundred thousand devices, interpreted."""
    yield lambda: sample("wall_s", taken(50_000, False, 1)[0])


@measurement("ota.national.wall_s", "s", runs=1)
def nation_wall() -> Iterator[Run]:
    """Thirty million homes of two devices, compiled, on two threads."""
    yield lambda: sample("wall_s", national())


@measurement("ota.national.peak_gib", "GiB", runs=1)
def nation_peak() -> Iterator[Run]:
    """The most memory that the process of the national run had."""
    yield lambda: sample("peak_gib", national())


@measurement("ota.national.bytes_per_device", "octets", runs=1)
def nation_octets() -> Iterator[Run]:
    """All that grows with the estate, per device."""
    yield lambda: sample("bytes_per_device", national())


@measurement("ota.cost_ratio_100k_60m", "ratio", runs=1)
def cost_ratio() -> Iterator[Run]:
    """Seconds of the processor per device, of sixty million devices against a hundred thousand (median of 11)."""

    def run() -> Sample:
        few = median(found["us_per_device"] for found in taken(50_000, True, 2, runs=11))
        many = national()["us_per_device"]
        return Sample(
            many / few, national()["checked"], {"us_per_device_100k": round(few, 3), "us_per_device_60m": round(many, 3)}
        )

    yield run


if __name__ == "__main__":
    main()
