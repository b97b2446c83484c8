"""The pump alone moves time: by the wall, by jumps, when told; and inputs come between its slices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from emulator.domain.errors import Malformed
from emulator.dsp.inputs import ControlInput
from emulator.service.pump import MAX_FAULTS_IN_PLACE, Pump, Turn
from emulator.service.service_state import ServiceState
from emulator.simulation.clock import Clock, ClockMode
from emulator.simulation.draws import Ratio
from tests.service.conftest import eventually
from tests.service.scripted_engine import ScriptedEngine

NOTHING = ControlInput("nothing", {})


@dataclass
class Bench:
    """A pump with every part of its surroundings in the hand of the test."""

    engine: ScriptedEngine
    pump: Pump
    state: ServiceState
    wall: list[int]
    turns: list[Turn] = field(default_factory=list)
    moving: bool = True
    quiet: bool = True


Make = Callable[..., Bench]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    pumps: list[Pump] = []

    def bench(mode: ClockMode = ClockMode.AUTOJUMP, rate: Ratio | None = None) -> Bench:
        engine, wall = ScriptedEngine(1_000), [0]
        state = ServiceState(Clock(mode, 1_000, 0, rate or Ratio(1, 1)))
        made: Bench
        pump = Pump(
            engine,
            state,
            wall_ms=lambda: wall[0],
            on_turn=lambda turn: made.turns.append(turn),
            may_move=lambda: made.moving,
            quiet=lambda: made.quiet,
        )
        made = Bench(engine, pump, state, wall)
        pumps.append(pump)
        return made

    yield bench
    for pump in pumps:
        await pump.stop()


async def breathe() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_idle_world_stands_still(make: Make) -> None:
    bench = make()
    bench.engine.at(5_000)
    bench.pump.start()
    await breathe()
    assert (bench.engine.now_ms, bench.pump.instant_ms()) == (1_000, 1_000)


async def test_autojump_goes_from_event_to_event_while_somebody_waits(make: Make) -> None:
    bench = make()
    bench.engine.waiting = 1
    bench.engine.at(5_000, bench.engine.note)
    bench.engine.at(900_000, lambda: setattr(bench.engine, "waiting", 0))
    bench.engine.at(999_000)
    bench.pump.start()
    await eventually(lambda: bench.engine.waiting == 0)
    await breathe()
    assert bench.engine.log == [("event", 5_000), ("event", 900_000)]
    assert bench.pump.instant_ms() == 900_000
    assert [turn.at_ms for turn in bench.turns] == [5_000], "only slices with effects are recorded"


async def test_autojump_waits_for_pushes_to_end(make: Make) -> None:
    bench = make()
    bench.engine.waiting, bench.quiet = 1, False
    bench.engine.at(5_000)
    bench.pump.start()
    await breathe()
    assert bench.engine.now_ms == 1_000
    bench.quiet = True
    await eventually(lambda: bench.engine.now_ms == 5_000)


async def test_an_explicit_waiter_makes_time_jump_up_to_its_limit(make: Make) -> None:
    bench = make()
    bench.engine.at(5_000)
    bench.engine.at(50_000)
    bench.pump.start()
    with bench.pump.jumping(10_000):
        await eventually(lambda: bench.engine.now_ms == 5_000)
        await breathe()
    assert bench.engine.now_ms == 5_000
    with bench.pump.jumping(60_000):
        await eventually(lambda: bench.engine.now_ms == 50_000)


async def test_a_waiter_moves_no_paused_clock_unless_it_may(make: Make) -> None:
    bench = make(ClockMode.PAUSED)
    bench.engine.at(5_000)
    bench.pump.start()
    with bench.pump.jumping(10_000):
        await breathe()
        assert bench.engine.now_ms == 1_000
    with bench.pump.jumping(10_000, any_mode=True):
        await eventually(lambda: bench.engine.now_ms == 5_000)


async def test_real_time_follows_the_wall(make: Make) -> None:
    bench = make(ClockMode.REAL_TIME, Ratio(10, 1))
    bench.engine.at(1_400, bench.engine.note)
    bench.pump.start()
    await breathe()
    bench.wall[0] = 39
    assert bench.pump.instant_ms() == 1_390
    bench.wall[0] = 41
    bench.pump.wake()
    await eventually(lambda: ("event", 1_400) in bench.engine.log)
    assert bench.pump.instant_ms() == 1_410


async def test_real_time_sleeps_until_the_next_event(make: Make) -> None:
    bench = make(ClockMode.REAL_TIME)
    start = asyncio.get_running_loop().time()
    bench.engine.at(1_030)
    real = bench.pump
    real._wall_ms = lambda: int((asyncio.get_running_loop().time() - start) * 1000)
    real.start()
    await eventually(lambda: ("event", 1_030) in bench.engine.log)
    assert asyncio.get_running_loop().time() - start >= 0.03


async def test_an_input_happens_now(make: Make) -> None:
    bench = make(ClockMode.REAL_TIME)
    bench.wall[0] = 500
    assert bench.pump.control(NOTHING).at_ms == 1_500
    bench.wall[0] = 400
    assert bench.pump.control(NOTHING).at_ms == 1_500, "time never goes back"


async def test_an_input_does_not_wait_for_time_to_catch_up(make: Make) -> None:
    bench = make(ClockMode.REAL_TIME)
    for at_ms in range(1_001, 60_001):
        bench.engine.at(at_ms, bench.engine.note)
    bench.wall[0] = 100_000
    turn = bench.pump.control(NOTHING)
    assert turn.at_ms < 60_000, "one slice at most came before it"
    bench.pump.start()
    await eventually(lambda: bench.engine.now_ms >= 60_000)
    assert bench.pump.instant_ms() == 101_000


async def test_events_come_between_slices_of_a_long_advance(make: Make) -> None:
    bench = make(ClockMode.PAUSED)
    for at_ms in range(1_001, 100_001):
        bench.engine.at(at_ms)
    bench.pump.start()
    advancing = asyncio.create_task(bench.pump.advance_to(100_000))
    between = 0
    while not advancing.done():
        await asyncio.sleep(0)
        between += bench.pump.control(NOTHING).at_ms < 100_000
    await advancing
    assert between > 5
    assert bench.engine.now_ms == 100_000
    instants = [at_ms for _, at_ms in bench.engine.log]
    assert instants == sorted(instants)


@pytest.mark.parametrize("mode", ClockMode)
async def test_advance_comes_exactly_to_its_instant_in_any_mode(make: Make, mode: ClockMode) -> None:
    bench = make(mode)
    bench.engine.at(40_000)
    bench.engine.at(50_001)
    bench.pump.start()
    await bench.pump.advance_to(50_000)
    assert (bench.engine.now_ms, bench.pump.instant_ms()) == (50_000, 50_000)
    await bench.pump.advance_to(50_000)
    with pytest.raises(Malformed, match="not ahead"):
        await bench.pump.advance_to(49_999)
    assert bench.engine.log == [("event", 40_000)]


async def test_advances_come_one_after_the_other(make: Make) -> None:
    bench = make(ClockMode.PAUSED)
    bench.pump.start()
    await asyncio.gather(bench.pump.advance_to(2_000), bench.pump.advance_to(3_000))
    assert bench.engine.now_ms == 3_000


async def test_an_abandoned_advance_stops(make: Make) -> None:
    bench = make(ClockMode.PAUSED)
    bench.moving = False
    bench.pump.start()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await bench.pump.advance_to(9_000)
    bench.moving = True
    await asyncio.sleep(0.1)
    assert bench.engine.now_ms == 1_000


async def test_an_advance_can_be_given_up(make: Make) -> None:
    bench = make(ClockMode.PAUSED)
    bench.moving = False
    bench.pump.start()
    advancing = asyncio.create_task(bench.pump.advance_to(9_000))
    await breathe()
    bench.pump.give_up()
    assert await advancing is False
    bench.moving = True
    assert await bench.pump.advance_to(9_000) is True


async def test_time_stands_still_while_the_log_cannot_follow(make: Make) -> None:
    bench = make()
    bench.engine.waiting, bench.moving = 1, False
    bench.engine.at(5_000)
    bench.pump.start()
    await asyncio.sleep(0.08)
    assert bench.engine.now_ms == 1_000
    bench.moving = True
    await eventually(lambda: bench.engine.now_ms == 5_000)


async def test_what_is_due_now_happens_even_when_paused(make: Make) -> None:
    bench = make(ClockMode.PAUSED)
    bench.engine.at(1_000)
    bench.pump.start()
    await eventually(lambda: bench.engine.log == [("event", 1_000)])


async def test_settling_brings_the_engine_to_the_clock(make: Make) -> None:
    bench = make(ClockMode.REAL_TIME)
    bench.wall[0] = 5_000
    assert bench.pump.settle() == 6_000
    assert bench.engine.now_ms == 6_000


async def test_commands_change_the_clock_without_moving_it(make: Make) -> None:
    bench = make(ClockMode.REAL_TIME)
    bench.wall[0] = 500
    assert bench.pump.command("clock.pause", {}) == 1_500
    bench.wall[0] = 900
    assert bench.pump.instant_ms() == 1_500
    bench.pump.command("clock.rate", {"rate": "2"})
    bench.wall[0] = 1_000
    assert bench.pump.instant_ms() == 1_700
    bench.pump.command("clock.autojump", {})
    assert bench.state.clock.mode is ClockMode.AUTOJUMP
    with pytest.raises(Malformed, match="no command"):
        bench.pump.command("clock.stop", {})
    with pytest.raises(Malformed, match="is not a rate"):
        bench.pump.command("clock.rate", {"rate": "0"})


async def test_an_error_of_the_engine_is_an_outcome(make: Make) -> None:
    bench = make()
    turn = bench.pump.control(ControlInput("fail", {}))
    assert (turn.control, turn.fault, turn.at_ms) == (None, "ZeroDivisionError", 1_000)
    assert bench.pump.control(NOTHING).fault == ""
    assert bench.pump.broken == ""


async def test_an_event_that_fails_is_recorded_and_passed(make: Make) -> None:
    bench = make()
    bench.engine.waiting = 1

    def fail() -> None:
        bench.engine.note("before")
        raise RuntimeError("on purpose")

    bench.engine.at(5_000, fail)
    bench.engine.at(6_000, bench.engine.note)
    bench.pump.start()
    await eventually(lambda: bench.engine.now_ms == 6_000)
    assert [(turn.at_ms, turn.fault, len(turn.effects)) for turn in bench.turns] == [(5_000, "RuntimeError", 1), (6_000, "", 1)]


async def test_an_engine_that_only_fails_is_broken(make: Make) -> None:
    bench = make()
    bench.engine.waiting = 1

    def fail_again() -> None:
        bench.engine.at(5_000, fail_again)
        raise RuntimeError("on purpose")

    bench.engine.at(5_000, fail_again)
    bench.pump.start()
    await eventually(lambda: bool(bench.pump.broken))
    await breathe()
    assert "fails at simulated time 5000: RuntimeError" in bench.pump.broken
    assert len(bench.turns) == MAX_FAULTS_IN_PLACE


async def test_idle_is_nobody_waiting_and_nothing_under_way(make: Make) -> None:
    bench = make()
    assert bench.pump.idle()
    bench.quiet = False
    assert not bench.pump.idle()
    bench.quiet, bench.engine.waiting = True, 1
    assert not bench.pump.idle()


async def test_time_gives_way_to_requests_between_its_slices(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.service.pump.GIVE_WAY_S", 3_600.0)
    monkeypatch.setattr("emulator.service.pump.SLICE_S", 0.0)
    bench = make()
    bench.engine.waiting = 1
    for number in range(50):
        bench.engine.at(2_000 + number, bench.engine.note)
    with bench.pump.visiting(), bench.pump.visiting():
        bench.pump.start()
        await breathe()
        assert len(bench.turns) == 1, "the one who asks gets every turn of the loop after a slice"
    await eventually(lambda: len(bench.turns) == 50)
