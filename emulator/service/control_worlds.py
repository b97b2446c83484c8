"""Control operations on worlds, their clocks, and waiting."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from emulator.domain.identifiers import format_eui
from emulator.service import recovery
from emulator.service.config import LoadedSettings
from emulator.service.control_clock import clock_of, clock_routes
from emulator.service.control_models import (
    Fork,
    KeepSnapshot,
    NewWorld,
    Reset,
    Restore,
)
from emulator.service.hosted import HostedWorld, Source, wall_ms
from emulator.service.recovery import Origin
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route


class WorldHost(Protocol):
    """Who makes and drops worlds."""

    worlds: Mapping[str, HostedWorld]
    loaded: LoadedSettings
    ports: dict[str, int]

    def url(self, interface: str = "control") -> str:
        """Where an interface is reached: ``duis``, ``smki`` or ``control``."""

    async def make_world(self, name: str, origin: Origin, source: Source | None = None) -> HostedWorld:
        """A further world, from ``origin`` or as ``source`` was; raise :class:`Malformed` or :class:`ControlRefused`."""

    async def drop_world(self, name: str) -> None:
        """End a world and delete what is kept of it."""


def world_routes(host: WorldHost) -> list[Route]:
    """The operations on worlds themselves."""

    async def all_worlds(call: Call) -> Answer:
        return {"worlds": [describe(world) for world in host.worlds.values()]}

    async def make(call: Call) -> Answer:
        wanted = call.given(NewWorld)
        return describe(await host.make_world(wanted.name, _origin(host, wanted)))

    async def drop(call: Call) -> Answer:
        await host.drop_world(call.hosted.name)
        return None

    async def reset(call: Call) -> Answer:
        await call.hosted.reset(_origin(host, call.given(Reset)))
        return describe(call.hosted)

    async def fork(call: Call) -> Answer:
        wanted, began = call.given(Fork), time.perf_counter()
        source = _kept(call.hosted, wanted.snapshot) if wanted.snapshot else call.hosted.keep()
        forked = await host.make_world(wanted.name, source.origin, source)
        if not wanted.endpoints:
            for user in [each for each in forked.world.engine.state.dsp.users.values() if each.endpoint]:
                await forked.control("user.endpoint", {"user": format_eui(user.eui), "url": ""})
        return {**describe(forked), "took_ms": round(1000 * (time.perf_counter() - began), 3)}

    async def settings(call: Call) -> Answer:
        return host.loaded.explained()

    tag = "worlds"
    return [
        Route("GET", "/control/v1/settings", settings, "Every setting with its value and where it came from", "server"),
        Route("GET", "/control/v1/worlds", all_worlds, "All worlds", tag),
        Route("POST", "/control/v1/worlds", make, "Make a further world", tag, body=NewWorld, status=201, problems=(409,)),
        Route("GET", WORLD, _describe, "Where a world stands", tag, needs_ready=False),
        Route("DELETE", WORLD, drop, "Delete a world", tag, status=204, needs_ready=False, problems=(409,)),
        Route("POST", f"{WORLD}/reset", reset, "Forget everything and begin again", tag, body=Reset),
        Route("POST", f"{WORLD}/snapshot", _snapshot, "Write a snapshot now, or keep one under a name", tag, body=KeepSnapshot),
        Route("GET", f"{WORLD}/snapshots", _snapshots, "Snapshots that are kept under names", tag),
        Route("POST", f"{WORLD}/restore", _restore, "Go back to a kept snapshot", tag, body=Restore),
        Route(
            "POST",
            f"{WORLD}/fork",
            fork,
            "Make a world that begins where this one is",
            tag,
            body=Fork,
            status=201,
            problems=(409,),
        ),
        Route("GET", f"{WORLD}/digest", _digest, "SHA-256 over the state, to compare runs", tag),
        *clock_routes(),
    ]


def _origin(host: WorldHost, wanted: NewWorld | Reset) -> Origin:
    usual = recovery.origin_of(host.loaded.settings, wall_ms())
    return Origin(
        estate_toml=usual.estate_toml if wanted.estate is None else wanted.estate,
        seed=usual.seed if wanted.seed is None else wanted.seed,
        start_ms=usual.start_ms if wanted.start_ms is None else wanted.start_ms,
        strict_counter=usual.strict_counter,
        folder=usual.folder if wanted.estate is None else None,
        faults=usual.faults if wanted.estate is None else {},
    )


def describe(world: HostedWorld) -> dict[str, Any]:
    """A world and how it stands."""
    if world.state != "ready":
        return {"world": world.name, "state": world.state.value, "problem": world.problem}
    return {
        "world": world.name,
        "state": world.state.value,
        "problem": world.unavailable(),
        **world.world.views.world(),
        "now_ms": world.instant_ms(),
        "clock": clock_of(world),
        "undelivered": world.outbox.depth,
        "inputs": world.last_seq,
    }


async def _describe(call: Call) -> Answer:
    return describe(call.hosted)


async def _snapshot(call: Call) -> Answer:
    name = call.given(KeepSnapshot).name
    if not name:
        return {"input": await call.hosted.snapshot()}
    kept = call.hosted.keep(name)
    return {"input": call.hosted.last_seq, "name": name, "now_ms": kept.world.engine.now_ms}


async def _snapshots(call: Call) -> Answer:
    kept = call.hosted.kept.items()
    return {"snapshots": [{"name": name, "now_ms": source.world.engine.now_ms} for name, source in kept]}


async def _restore(call: Call) -> Answer:
    await call.hosted.restore(_kept(call.hosted, call.given(Restore).snapshot))
    return describe(call.hosted)


def _kept(world: HostedWorld, name: str) -> Source:
    if name not in world.kept:
        expected = ", ".join(sorted(world.kept)) or "one that is kept first, and none is"
        raise ControlRefused(404, f"there is no snapshot {name!r}", where="snapshot", expected=expected)
    return world.kept[name]


async def _digest(call: Call) -> Answer:
    engine = call.hosted.world.engine
    return {"digest": engine.digest(), "now_ms": engine.now_ms, "input": call.hosted.last_seq}
