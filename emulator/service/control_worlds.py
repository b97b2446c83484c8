"""Control operations on worlds, their clocks, and waiting."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from emulator.domain.identifiers import format_eui
from emulator.service import recovery
from emulator.service.config import LoadedSettings
from emulator.service.control_models import (
    Advance,
    AnsweredCondition,
    Condition,
    Fork,
    IdleCondition,
    InstantCondition,
    JobCondition,
    KeepSnapshot,
    MessagesCondition,
    NewWorld,
    Rate,
    Reset,
    Restore,
    RunUntilIdle,
    TransactionCondition,
    Wait,
)
from emulator.service.hosted import HostedWorld, Source, wall_ms
from emulator.service.persistence.contract import DeliveryState, OutboxQuery
from emulator.service.recovery import Origin
from emulator.service.routes import Answer, Call, ControlRefused, Route
from emulator.simulation.clock import MAX_INSTANT_MS

WORLD = "/control/v1/worlds/{world}"


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
        Route("POST", f"{WORLD}/wait", _wait, "Wait until a condition holds", tag, body=Wait),
        *_clock_routes(),
    ]


def _clock_routes() -> list[Route]:
    tag, clock = "clock", f"{WORLD}/clock"
    summary = "Jump from event to event until nobody waits on simulated time"
    return [
        Route("GET", clock, _clock, "Simulated time and how it moves", tag),
        Route("POST", f"{clock}/pause", _command("clock.pause"), "Stand still", tag),
        Route("POST", f"{clock}/resume", _command("clock.resume"), "Go on as before the pause", tag),
        Route("POST", f"{clock}/autojump", _command("clock.autojump"), "Jump whenever somebody waits", tag),
        Route("POST", f"{clock}/rate", _rate, "Follow wall time × rate", tag, body=Rate),
        Route("POST", f"{clock}/advance", _advance, "Move time as fast as possible, in any mode", tag, body=Advance),
        Route("POST", f"{clock}/run-until-idle", _run_until_idle, summary, tag, body=RunUntilIdle),
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


def clock_of(world: HostedWorld) -> dict[str, Any]:
    """Simulated time and how it moves."""
    clock = world.service_state.clock
    rate = clock.rate
    return {
        "now_ms": world.instant_ms(),
        "mode": clock.mode.value,
        "rate": f"{rate.numerator}/{rate.denominator}" if rate.denominator != 1 else str(rate.numerator),
        "next_event_ms": world.world.engine.next_wakeup(),
        "awaited": world.world.engine.awaited(),
        "pushing": world.outbox.busy,
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


async def _clock(call: Call) -> Answer:
    return clock_of(call.hosted)


def _command(verb: str) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        await call.hosted.command(verb, {})
        return clock_of(call.hosted)

    return handle


async def _rate(call: Call) -> Answer:
    await call.hosted.command("clock.rate", {"rate": str(call.given(Rate).rate)})
    return clock_of(call.hosted)


async def _advance(call: Call) -> Answer:
    wanted, world = call.given(Advance), call.hosted
    to_ms = wanted.to_ms if wanted.to_ms is not None else world.instant_ms() + (wanted.by_ms or 0)
    reached = False
    with suppress(TimeoutError):
        async with asyncio.timeout(wanted.timeout_ms / 1000):
            reached = await world.advance_to(min(to_ms, MAX_INSTANT_MS) if wanted.to_ms is None else to_ms)
    return {"reached": reached, **clock_of(world)}


async def _run_until_idle(call: Call) -> Answer:
    wanted, world = call.given(RunUntilIdle), call.hosted
    idle = await world.run_until_idle(wanted.timeout_ms / 1000, wanted.within_ms)
    return {"idle": idle, **clock_of(world)}


async def _wait(call: Call) -> Answer:
    wanted, world = call.given(Wait), call.hosted
    holds = _CONDITIONS[wanted.condition.kind]
    met = await world.wait(lambda: holds(world, wanted.condition), wanted.timeout_ms / 1000, wanted.within_ms)
    return {"met": met, **clock_of(world)}


async def _is_idle(world: HostedWorld, condition: Condition) -> bool:
    assert isinstance(condition, IdleCondition)
    return world.pump.idle()


async def _has_come(world: HostedWorld, condition: Condition) -> bool:
    assert isinstance(condition, InstantCondition)
    return world.instant_ms() >= condition.at_ms


async def _has_messages(world: HostedWorld, condition: Condition) -> bool:
    assert isinstance(condition, MessagesCondition)
    query = OutboxQuery(recipient=condition.recipient, device=condition.device, request_id=condition.request_id)
    return (await world.log.tally(query)).of(condition.state) >= condition.count


async def _is_answered(world: HostedWorld, condition: Condition) -> bool:
    assert isinstance(condition, AnsweredCondition)
    tally = await world.log.tally(OutboxQuery(request_id=condition.request_id))
    return tally.of(DeliveryState.DELIVERED) > 0


async def _job_stands(world: HostedWorld, condition: Condition) -> bool:
    assert isinstance(condition, JobCondition)
    device = world.world.views.device(condition.device)
    if device is None:
        raise ControlRefused(404, f"there is no device {format_eui(condition.device)}", where="condition.device")
    job = device["job"]
    if job is None:
        return False
    return job["state"] in condition.states if condition.states else not job["open"]


async def _transaction_stands(world: HostedWorld, condition: Condition) -> bool:
    assert isinstance(condition, TransactionCondition)
    found = world.world.views.transactions(request_id=condition.request_id)
    return any(entry["state"] in condition.states for entry in found.items)


_CONDITIONS: Mapping[str, Callable[[HostedWorld, Any], Awaitable[bool]]] = {
    "idle": _is_idle,
    "instant": _has_come,
    "messages": _has_messages,
    "answered": _is_answered,
    "job": _job_stands,
    "transaction": _transaction_stands,
}
"""How each kind of condition is looked at."""
