"""How a server is: versions, settings, ports, and of each world clock, storage and outbox; what is amiss, with its remedy."""

import asyncio
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from emulator import __version__
from emulator.service.config import LOOPBACK, LoadedSettings
from emulator.service.hosted import HostedWorld, WorldState, monotonic_ms
from emulator.service.persistence.contract import DeliveryState, OutboxQuery
from emulator.simulation.clock import ClockMode
from emulator.simulation.durations import HOUR_MS

LIBRARIES = ("aiohttp", "cryptography", "lxml", "numpy", "pydantic")
LEAST_FREE_BYTES = 1 << 30
"""Free space of a disk below which there is a warning."""

Problem = dict[str, str]


class Diagnosed(Protocol):
    """What is looked at."""

    loaded: LoadedSettings
    worlds: Mapping[str, HostedWorld]
    ports: dict[str, int]


async def diagnose(host: Diagnosed) -> dict[str, Any]:
    """Everything as JSON values; ``warnings`` each have ``where``, ``problem`` and ``remedy``."""
    worlds = {name: await _world(world) for name, world in sorted(host.worlds.items())}
    warnings = [*_server_warnings(host), *(each for name, found in worlds.items() for each in _world_warnings(name, found))]
    return {
        "in_order": not warnings,
        "warnings": warnings,
        "versions": {
            "emulator": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in LIBRARIES},
        },
        "platform": platform.platform(),
        "ports": host.ports,
        "worlds": worlds,
        "settings": host.loaded.explained(),
    }


async def _world(world: HostedWorld) -> dict[str, Any]:
    found: dict[str, Any] = {"state": world.state.value, "problem": world.unavailable()}
    if world.state is not WorldState.READY:
        return {**found, "problem": world.problem or found["problem"]}
    engine, clock, due_ms = world.world.engine, world.service_state.clock, world.world.engine.next_wakeup()
    now_ms = world.instant_ms()
    until_ms = None if due_ms is None else clock.wall_of(due_ms)
    tally = await world.log.tally(OutboxQuery())
    live = [fault["number"] for fault in world.world.views.faults() if fault["condition"] == "live"]
    return {
        **found,
        "clock": {
            "mode": clock.mode.value,
            "now_ms": now_ms,
            "awaited": engine.awaited(),
            "next_event_ms": due_ms,
            "next_event_in_wall_ms": None if until_ms is None else max(0, until_ms - monotonic_ms()),
        },
        "storage": await _storage(world),
        "outbox": {
            "queued": tally.of(DeliveryState.QUEUED),
            "dead": tally.of(DeliveryState.DEAD),
            "oldest_s": round(world.outbox.lag_s, 1),
            "failing": world.outbox.failing(),
        },
        "live_faults": live,
    }


async def _storage(world: HostedWorld) -> dict[str, Any]:
    rows = await world.log.snapshots()
    last = max(rows, key=lambda row: row.seq, default=None)
    found: dict[str, Any] = {
        "folder": None,
        "inputs": world.last_seq,
        "backlog_bytes": world.log.backlog_bytes,
        "last_snapshot": None
        if last is None
        else {"input": last.seq, "at_ms": last.at_ms, "size_bytes": last.size_bytes, "inputs_since": world.last_seq - last.seq},
    }
    if world.shared.folder is None:
        return found
    folder = world.shared.folder.world(world.name)
    size_bytes, free_bytes = await asyncio.to_thread(_measured, folder)
    return {**found, "folder": str(folder), "size_bytes": size_bytes, "free_bytes": free_bytes}


def _measured(folder: Path) -> tuple[int, int]:
    """Octets in a folder, and free on its disk."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(place, name)).st_size
            except OSError:
                continue  # it went meanwhile
    return size, shutil.disk_usage(folder).free


def _server_warnings(host: Diagnosed) -> Iterator[Problem]:
    control = host.loaded.settings.control
    if control.host not in LOOPBACK and control.token is None:  # only with control.open
        yield _problem(
            "control.host", f"anybody who reaches {control.host} controls this", "set control.token, or listen on loopback"
        )


def _world_warnings(name: str, found: Mapping[str, Any]) -> Iterator[Problem]:
    where = f"worlds.{name}"
    if found["problem"]:
        yield _problem(where, str(found["problem"]), "read the log of the server on stderr")
    if found["state"] != WorldState.READY.value:
        return
    yield from _clock_warnings(f"{where}.clock", found["clock"])
    storage, outbox = found["storage"], found["outbox"]
    if storage.get("free_bytes", LEAST_FREE_BYTES) < LEAST_FREE_BYTES:
        free = f"{storage['free_bytes'] >> 20} MiB are left on the disk"
        yield _problem(f"{where}.storage", free, "make room, or set storage.folder to another disk")
    if outbox["dead"]:
        remedy = "`dcc-emulator outbox list --state dead` says why, `dcc-emulator outbox resend` queues them again"
        yield _problem(f"{where}.outbox", f"{outbox['dead']} messages were given up", remedy)
    for each in outbox["failing"]:
        if each["url"]:
            remedy = f"see that something answers at {each['url']}, or set another endpoint"
        else:
            remedy = f"`dcc-emulator users endpoint {each['user']} URL`"
        yield _problem(f"{where}.outbox", f"{each['held']} messages for {each['user']} wait: {each['reason']}", remedy)
    if found["live_faults"]:
        numbers = ", ".join(map(str, found["live_faults"][:10]))
        yield _problem(
            f"{where}.faults", f"planned faults are live: {numbers}", "`dcc-emulator fault list`, `dcc-emulator fault remove`"
        )


def _clock_warnings(where: str, clock: Mapping[str, Any]) -> Iterator[Problem]:
    waiting = clock["awaited"]
    if not waiting or clock["mode"] == ClockMode.AUTOJUMP.value:
        return
    remedy = "`dcc-emulator clock autojump`, or `dcc-emulator clock advance` by a time"
    left_ms = clock["next_event_in_wall_ms"]
    if clock["mode"] == ClockMode.PAUSED.value:
        yield _problem(where, f"time stands still, and {waiting} requests or jobs wait", remedy)
    elif left_ms is not None and left_ms > HOUR_MS:
        yield _problem(where, f"{waiting} requests or jobs wait, the next event is {left_ms // HOUR_MS} hours away", remedy)
    else:
        yield _problem(where, f"autojump is off, and {waiting} requests or jobs wait for simulated time to pass", remedy)


def _problem(where: str, problem: str, remedy: str) -> Problem:
    return {"where": where, "problem": problem, "remedy": remedy}
