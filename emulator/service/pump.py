"""The only place that drives an engine: gives inputs their order and simulated time, and moves time between them.

All of it happens on one event loop. An input is processed in one go, without waiting for anything; time passes in slices of a few
milliseconds of wall time, and inputs that arrive meanwhile come between two slices. Results do not depend on where slices end.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from emulator.controls import ControlledEngine
from emulator.domain.errors import Malformed
from emulator.dsp.effects import ControlAnswer, Effect
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import ServiceResponse
from emulator.service.service_state import ServiceState
from emulator.simulation.clock import MAX_INSTANT_MS, ClockMode

_log = structlog.get_logger("pump")

SLICE_S = 0.005
"""Wall time after which a slice ends, once the event is over that is being handled."""
GIVE_WAY_S = 0.005
"""How long time stands still after a slice for requests that are under way: as long as the slice took, so both go on."""
MAX_FAULTS_IN_PLACE = 100
"""Errors of the engine without progress after which the world counts as broken."""
QUIET_POLL_S = 0.05
"""How often a clock that waits for pushes to end looks again."""


class Turn(NamedTuple):
    """What one input, or one slice of time, made."""

    at_ms: int
    effects: list[Effect]
    response: ServiceResponse | None = None
    control: ControlAnswer | None = None
    fault: str = ""
    """The kind of our own error that interrupted it; replays meet the same one."""


@dataclass(slots=True)
class _Licence:
    """Permission to jump while somebody waits."""

    limit_ms: int
    any_mode: bool


class Participant:
    """Somebody of the server's own who acts in the world at instants that it says, such as a campaign.

    Time jumps to such an instant, and no farther until the next one is said; a clock that follows wall time goes on.
    """

    def __init__(self, pump: "Pump", at_ms: int) -> None:
        self._pump = pump
        self._come = asyncio.Event()
        self._at_ms = at_ms
        self._holds = True

    @property
    def stop_ms(self) -> int | None:
        """Where time stops for it; None when it only looks on."""
        return self._at_ms if self._holds else None

    async def reach(self, instant_ms: int, *, holds: bool = True) -> None:
        """Wait until simulated time has come to ``instant_ms``; without ``holds`` time passes as if nobody waited."""
        self._at_ms, self._holds = instant_ms, holds
        self._come.clear()
        self._pump.wake()
        await self._come.wait()

    def hold(self) -> None:
        """Let time jump no farther while it acts."""
        self._at_ms, self._holds = self._pump.instant_ms(), True

    def look(self, now_ms: int) -> None:
        """Go on when its instant has come."""
        if self._at_ms <= now_ms:
            self._come.set()


class Visitors:
    """How many wait for an answer; entered by each of them."""

    def __init__(self) -> None:
        self.count = 0
        self.gone = asyncio.Event()
        """Set when the last one leaves."""

    def __enter__(self) -> None:
        self.count += 1
        if self.count == 1:
            self.gone.clear()

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self.gone.set()


class Pump:
    """Drives the engine of one world."""

    def __init__(
        self,
        engine: ControlledEngine,
        state: ServiceState,
        *,
        wall_ms: Callable[[], int],
        on_turn: Callable[[Turn], None],
        may_move: Callable[[], bool],
        quiet: Callable[[], bool],
    ) -> None:
        """``state`` has the clock; ``wall_ms`` is a monotonic one; ``on_turn`` takes slices that had effects; ``may_move`` says
        whether the log keeps up; ``quiet`` whether no message is under way to a user."""
        self.engine = engine
        self._state = state
        self.broken = ""
        """Why the engine cannot go on; empty while it can."""
        self._wall_ms = wall_ms
        self._on_turn = on_turn
        self._may_move = may_move
        self._quiet = quiet
        self._woken = asyncio.Event()
        self._visitors = Visitors()
        self._licences: list[_Licence] = []
        self._participants: list[Participant] = []
        self._guests: set[asyncio.Task[None]] = set()
        self._forced_ms: int | None = None
        self._forced_done: asyncio.Future[None] | None = None
        self._forcing = asyncio.Lock()
        self._faults_in_place = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Let time move."""
        self._task = asyncio.create_task(self._run(), name="pump")

    def ends_with(self, guest: asyncio.Task[None]) -> None:
        """Something that is to be cancelled when time stands still."""
        self._guests.add(guest)
        guest.add_done_callback(self._guests.discard)

    async def dismiss(self) -> None:
        """End everything that :meth:`ends_with` was told of."""
        guests = tuple(self._guests)
        for guest in guests:
            guest.cancel()
        await asyncio.gather(*guests, return_exceptions=True)

    async def stop(self) -> None:
        """Let time stand still for good."""
        await self.dismiss()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Look again: something has changed."""
        self._woken.set()

    # Inputs

    def submit(self, item: DuisInput) -> Turn:
        """Process one request now."""
        at_ms = self._input_instant()
        turn = run_submit(self.engine, item, at_ms)
        self._after_input(turn)
        return turn

    def control(self, item: ControlInput) -> Turn:
        """Process one control command now."""
        at_ms = self._input_instant()
        turn = run_control(self.engine, item, at_ms)
        self._after_input(turn)
        return turn

    def _after_input(self, turn: Turn) -> None:
        if turn.fault:
            self._faulted(turn.fault)
        self.wake()

    def instant_ms(self) -> int:
        """The simulated time that it is now."""
        return max(self.engine.now_ms, self._state.clock.at(self._wall_ms()))

    def _input_instant(self) -> int:
        """When the next input happens: now, or as far as time has come while the engine is still catching up."""
        now_ms = self.instant_ms()
        due_ms = self.engine.next_wakeup()
        if due_ms is None or due_ms > now_ms:
            return now_ms
        return now_ms if self._slice(now_ms) else self.engine.now_ms

    def visiting(self) -> "Visitors":
        """While inside, somebody waits for an answer: time that has much to catch up with gives way between its slices.

        An answer takes many turns of the event loop, and each of them would wait for a slice.
        """
        return self._visitors

    # The clock

    def settle(self) -> int:
        """Let the engine's time be what the clock shows, unless something is due before that; the engine's time."""
        instant_ms = self._input_instant()
        due_ms = self.engine.next_wakeup()
        if due_ms is None or due_ms > instant_ms:
            self.engine.advance(instant_ms)
        return self.engine.now_ms

    def command(self, verb: str, params: dict[str, Any]) -> int:
        """Carry out a command of the service, such as ``clock.pause``, at the instant returned; raise :class:`Malformed` for a
        refused one."""
        wall_ms, instant_ms = self._wall_ms(), self.instant_ms()
        self._state.clock = self._state.clock.moved_to(instant_ms, wall_ms)
        self._state.apply(verb, params, wall_ms)
        self.wake()
        return instant_ms

    async def advance_to(self, instant_ms: int) -> bool:
        """Move time to ``instant_ms`` as fast as possible, in any mode; False when that was given up.

        Raises :class:`Malformed` when the instant is in the past.
        """
        async with self._forcing:
            now_ms = self.instant_ms()
            if not now_ms <= instant_ms <= MAX_INSTANT_MS:
                raise Malformed(f"{instant_ms} is not ahead", where="to_ms", expected=f"{now_ms} .. {MAX_INSTANT_MS}")
            self._forced_ms = instant_ms
            self._forced_done = asyncio.get_running_loop().create_future()
            self.wake()
            try:
                await self._forced_done
            finally:
                self._forced_ms = self._forced_done = None
            return self.engine.now_ms >= instant_ms

    def give_up(self) -> None:
        """End an advance that is under way where it is."""
        self._forced_ms = None
        if self._forced_done is not None and not self._forced_done.done():
            self._forced_done.set_result(None)

    @contextmanager
    def jumping(self, limit_ms: int, *, any_mode: bool = False) -> Iterator[None]:
        """While inside, autojump moves up to ``limit_ms`` for somebody who waits; with ``any_mode`` other modes do as well."""
        licence = _Licence(limit_ms, any_mode)
        self._licences.append(licence)
        self.wake()
        try:
            yield
        finally:
            self._licences.remove(licence)

    @contextmanager
    def participating(self) -> Iterator[Participant]:
        """Somebody who acts at instants of its own, from now on; time does not jump over it."""
        participant = Participant(self, self.instant_ms())
        self._participants.append(participant)
        try:
            yield participant
        finally:
            self._participants.remove(participant)
            self.wake()

    def next_ms(self) -> int | None:
        """When something happens next by itself: an event, or somebody who takes part; None when nothing will."""
        instants = (self.engine.next_wakeup(), *(each.stop_ms for each in self._participants))
        return min((at_ms for at_ms in instants if at_ms is not None), default=None)

    def idle(self) -> bool:
        """Whether nobody waits on simulated time and nothing is under way."""
        return self.engine.awaited() == 0 and self._quiet() and not self._joined()

    def _joined(self) -> bool:
        return any(each.stop_ms is not None for each in self._participants)

    # Time

    async def _run(self) -> None:
        try:
            await self._move()
        except Exception as error:
            self.broken = f"time stands still after an error of the emulator: {type(error).__name__}"
            _log.exception("the pump failed")

    async def _move(self) -> None:
        while True:
            self._woken.clear()
            now_ms = self.instant_ms()
            for participant in self._participants:
                participant.look(now_ms)
            goal_ms, look_again_s = self._goal()
            if goal_ms is not None and not self.broken:
                self._slice(goal_ms)
                await self._give_way()
                continue
            try:
                async with asyncio.timeout(look_again_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _give_way(self) -> None:
        await asyncio.sleep(0)
        if self._visitors.count:
            with suppress(TimeoutError):
                async with asyncio.timeout(GIVE_WAY_S):
                    await self._visitors.gone.wait()

    def _goal(self) -> tuple[int | None, float | None]:
        """The instant to move to now, or None and how long to sleep (for ever if None) before looking again."""
        if not self._may_move():
            return None, QUIET_POLL_S
        stop_ms = min((each.stop_ms for each in self._participants if each.stop_ms is not None), default=MAX_INSTANT_MS)
        if self._forced_ms is not None:
            if self.engine.now_ms < min(self._forced_ms, stop_ms):
                return min(self._forced_ms, stop_ms), None
            self._end_forced()
        due_ms, next_ms = self.engine.next_wakeup(), self.next_ms()
        wall_ms = self._wall_ms()
        now_ms = self._state.clock.at(wall_ms)
        if due_ms is not None and due_ms <= now_ms:
            return now_ms, None
        if next_ms is not None and now_ms < next_ms <= self._jump_limit_ms():
            return (next_ms, None) if self._quiet() else (None, QUIET_POLL_S)
        ahead_ms = next_ms if next_ms is not None and next_ms > now_ms else due_ms
        wall_due_ms = None if ahead_ms is None else self._state.clock.wall_of(ahead_ms)
        return None, None if wall_due_ms is None else max(0.0, (wall_due_ms - wall_ms) / 1000)

    def _jump_limit_ms(self) -> int:
        """How far time may jump; less than any instant when it may not."""
        autojump = self._state.clock.mode is ClockMode.AUTOJUMP
        if autojump and (self.engine.awaited() > 0 or self._joined()):
            return MAX_INSTANT_MS
        return max((licence.limit_ms for licence in self._licences if autojump or licence.any_mode), default=-1)

    def _slice(self, goal_ms: int) -> bool:
        """Move towards ``goal_ms`` for a few milliseconds of wall time; True when it was reached."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        reached, fault = run_time(self.engine, goal_ms, 1)
        while not reached and not fault and loop.time() - started_s < SLICE_S:
            reached, fault = run_time(self.engine, goal_ms, 1)
        effects = self.engine.take_effects()
        now_ms = self.engine.now_ms
        wall_ms = self._wall_ms()
        if now_ms > self._state.clock.at(wall_ms):
            self._state.clock = self._state.clock.moved_to(now_ms, wall_ms)
        if effects or fault:
            self._on_turn(Turn(now_ms, effects, fault=fault))
        if fault:
            self._faulted(fault)
        else:
            self._faults_in_place = 0
        self._end_forced()
        return reached

    def _end_forced(self) -> None:
        if self._forced_ms is not None and self.engine.now_ms >= self._forced_ms:
            self.give_up()

    def _faulted(self, fault: str) -> None:
        self._faults_in_place += 1
        if self._faults_in_place >= MAX_FAULTS_IN_PLACE and not self.broken:
            self.broken = f"the engine fails at simulated time {self.engine.now_ms}: {fault}"
            _log.error("world is broken", reason=self.broken)


def run_submit(engine: ControlledEngine, item: DuisInput, at_ms: int) -> Turn:
    """Process one request. An error of ours is a fault in the turn: it is logged and answered like any other outcome."""
    try:
        answer = engine.submit(item, at_ms)
    except Exception as error:
        return Turn(engine.now_ms, engine.take_effects(), fault=_fault(error))
    return Turn(at_ms, engine.take_effects(), response=answer.response)


def run_control(engine: ControlledEngine, item: ControlInput, at_ms: int) -> Turn:
    """Process one control command; errors as in :func:`run_submit`."""
    try:
        answer = engine.control(item, at_ms)
    except Exception as error:
        return Turn(engine.now_ms, engine.take_effects(), fault=_fault(error))
    return Turn(at_ms, engine.take_effects(), control=answer)


def run_time(engine: ControlledEngine, to_ms: int, budget: int | None = None) -> tuple[bool, str]:
    """Move time; True when ``to_ms`` was reached, and the fault that interrupted it, if any."""
    try:
        return engine.advance(to_ms, budget), ""
    except Exception as error:
        return False, _fault(error)


def _fault(error: Exception) -> str:
    _log.exception("the engine failed", exc_info=error)
    return type(error).__name__
