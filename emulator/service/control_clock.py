"""Control operations on simulated time, and waiting for something on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from pydantic import Field, model_validator

from emulator.service.conditions import Condition, Look, look
from emulator.service.control_models import Instant, Model, WallMs
from emulator.service.hosted import HostedWorld
from emulator.service.routes import WORLD, Answer, Call, Route
from emulator.simulation.clock import MAX_INSTANT_MS
from emulator.simulation.durations import DAY_MS

QUIET_LOOK_S = 0.002
"""Wall time between two looks whether messages are still under way."""


class Rate(Model):
    """Real time × rate."""

    rate: str | int | float = Field(description="simulated over wall time: 60, 0.5 or 3/2")


class Advance(Model):
    """How far simulated time is to move."""

    by_ms: int | None = Field(None, ge=0, le=MAX_INSTANT_MS)
    to_ms: Instant | None = None
    timeout_ms: WallMs = 600_000

    @model_validator(mode="after")
    def _one_of_them(self) -> "Advance":
        if (self.by_ms is None) == (self.to_ms is None):
            raise ValueError("exactly one of by_ms and to_ms is needed")
        return self


class RunUntilIdle(Model):
    """Jump from event to event until nobody waits on simulated time."""

    within_ms: int = Field(30 * DAY_MS, gt=0, le=MAX_INSTANT_MS, description="simulated time to spend at most")
    timeout_ms: WallMs = 600_000


class Step(Model):
    """How many events are to come."""

    count: int = Field(1, ge=1, le=1_000_000)
    timeout_ms: WallMs = 600_000


class Wait(Model):
    """What to wait for, and how long."""

    condition: Condition = Field(discriminator="kind")
    timeout_ms: WallMs = 30_000
    within_ms: int = Field(30 * DAY_MS, gt=0, le=MAX_INSTANT_MS, description="simulated time that autojump may spend on it")


class RunUntil(Model):
    """Until when to go from event to event, and how far at most."""

    condition: Condition = Field(discriminator="kind")
    timeout_ms: WallMs = 600_000
    within_ms: int = Field(30 * DAY_MS, gt=0, le=MAX_INSTANT_MS, description="simulated time to spend at most")


def clock_routes() -> list[Route]:
    """Simulated time of a world."""
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
        Route("POST", f"{clock}/step", _step, "Go on by so many events, in any mode", tag, body=Step),
        Route("POST", f"{clock}/run-until", _run_until, "Go from event to event until a condition holds", tag, body=RunUntil),
        Route("POST", f"{WORLD}/wait", _wait, "Wait until a condition holds", "worlds", body=Wait),
    ]


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

    async def holds() -> bool:
        return (await look(world, wanted.condition)).holds

    met = await world.wait(holds, wanted.timeout_ms / 1000, wanted.within_ms)
    return {"met": met, "seen": (await look(world, wanted.condition)).seen, **clock_of(world)}


async def _step(call: Call) -> Answer:
    wanted, world = call.given(Step), call.hosted
    deadline_s, done = time.monotonic() + wanted.timeout_ms / 1000, 0
    while done < wanted.count and time.monotonic() < deadline_s:
        due_ms = world.world.engine.next_wakeup()
        if due_ms is None:
            break
        await world.advance_to(max(due_ms, world.instant_ms()))
        done += 1
    return {"events": done, **clock_of(world)}


async def _run_until(call: Call) -> Answer:
    wanted, world = call.given(RunUntil), call.hosted
    found, ended_by = await _go_on(world, wanted)
    return {"met": found.holds, "ended_by": ended_by, "seen": found.seen, **clock_of(world)}


async def _go_on(world: HostedWorld, wanted: RunUntil) -> tuple[Look, str]:
    """Go to the first event after which the condition holds: how it stands then, and what ended it.

    What it ends by is ``condition``, ``nothing due`` where no event is left, ``within_ms`` or ``timeout_ms``. Before each look
    the messages of the event are pushed. With a clock that does not stand, events may pass between two looks.
    """
    deadline_s, limit_ms = time.monotonic() + wanted.timeout_ms / 1000, world.instant_ms() + wanted.within_ms
    while True:
        while world.outbox.busy and time.monotonic() < deadline_s:  # noqa: ASYNC110 (pushes are others' work)
            await asyncio.sleep(QUIET_LOOK_S)
        found = await look(world, wanted.condition)
        now_ms, due_ms = world.instant_ms(), world.world.engine.next_wakeup()
        if found.holds:
            return found, "condition"
        if time.monotonic() >= deadline_s:
            return found, "timeout_ms"
        if due_ms is None or due_ms > limit_ms:
            last_ms = limit_ms if due_ms is not None or wanted.condition.kind == "instant" else now_ms
            if last_ms <= now_ms:
                return found, "nothing due" if due_ms is None else "within_ms"
            await world.advance_to(min(last_ms, MAX_INSTANT_MS))
        else:
            await world.advance_to(max(due_ms, now_ms))
