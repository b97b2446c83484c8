"""Simulated time as a function of wall time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.simulation.clock import MAX_INSTANT_MS, MAX_RATE, Clock, ClockMode, parse_rate
from emulator.simulation.draws import Ratio

rates = st.builds(Ratio, st.integers(1, 10_000), st.integers(1, 10_000))
walls = st.integers(0, 10**12)
START = Clock(ClockMode.REAL_TIME, 1_000, 50)


def test_real_time_follows_the_wall() -> None:
    assert START.at(50) == 1_000
    assert START.at(150) == 1_100
    assert START.at(0) == 1_000, "never before its anchor"


def test_a_rate_counts_from_where_it_was_set() -> None:
    fast = START.at_rate(Ratio(60, 1), 150)
    assert fast.at(150) == 1_100
    assert fast.at(1_150) == 61_100
    assert START.at_rate(Ratio(1, 3), 50).at(53) == 1_001


def test_a_pause_stands_still_and_goes_on_without_a_leap() -> None:
    paused = START.pause(150)
    assert paused.mode is ClockMode.PAUSED
    assert paused.at(10_000) == 1_100
    assert paused.pause(200) == paused
    resumed = paused.resume(10_000)
    assert (resumed.mode, resumed.at(10_000), resumed.at(10_010)) == (ClockMode.REAL_TIME, 1_100, 1_110)
    assert resumed.resume(20_000) == resumed


def test_resume_goes_back_to_autojump() -> None:
    assert START.autojump(60).pause(70).resume(80).mode is ClockMode.AUTOJUMP


def test_autojump_moves_only_when_it_is_moved() -> None:
    jumping = START.autojump(150)
    assert jumping.at(99_999) == 1_100
    assert jumping.wall_of(5_000) is None
    assert jumping.moved_to(5_000, 160).at(161) == 5_000


def test_time_ends_with_the_year_9999() -> None:
    assert START.at(10**18) == MAX_INSTANT_MS


@given(rates, walls, walls, walls)
def test_time_never_goes_back(rate: Ratio, anchor: int, first: int, second: int) -> None:
    clock = Clock(ClockMode.REAL_TIME, 0, anchor, rate)
    early, late = sorted((first, second))
    assert clock.at(early) <= clock.at(late)


@given(rates, walls, walls)
def test_no_change_of_mode_moves_time(rate: Ratio, anchor: int, wall: int) -> None:
    clock = Clock(ClockMode.REAL_TIME, 1_000, anchor, rate)
    now_ms = clock.at(wall)
    for changed in (clock.pause(wall), clock.autojump(wall), clock.at_rate(Ratio(7, 3), wall), clock.pause(wall).resume(wall)):
        assert changed.at(wall) == now_ms


@given(rates, walls, st.integers(0, 10**9))
def test_wall_of_is_the_first_reading_that_shows_an_instant(rate: Ratio, anchor: int, ahead: int) -> None:
    clock = Clock(ClockMode.REAL_TIME, 5_000, anchor, rate)
    wall = clock.wall_of(5_000 + ahead)
    assert wall is not None
    assert clock.at(wall) >= 5_000 + ahead
    assert ahead == 0 or clock.at(wall - 1) < 5_000 + ahead


@given(rates, st.sampled_from(ClockMode))
def test_a_clock_survives_its_process(rate: Ratio, mode: ClockMode) -> None:
    clock = Clock(mode, 123, 456, rate, ClockMode.AUTOJUMP)
    again = Clock.from_json(clock.as_json(), 789, 1)
    assert (again.mode, again.rate, again.resumes_to, again.at(1)) == (mode, rate, ClockMode.AUTOJUMP, 789)


@pytest.mark.parametrize("state", [{}, {"mode": "fast", "rate": [1, 1], "resumes_to": "paused"}, {"mode": "paused", "rate": 1}])
def test_what_is_no_clock_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="not the state of a clock"):
        Clock.from_json(state, 0, 0)


@pytest.mark.parametrize(
    ("text", "rate"), [("60", Ratio(60, 1)), ("0.5", Ratio(5, 10)), ("3/2", Ratio(3, 2)), (" 1 ", Ratio(1, 1))]
)
def test_rates_are_read(text: str, rate: Ratio) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0/1", "1/0", "-1", "fast", "1e3", ".", "1/2/3", "²", "9" * 41, str(MAX_RATE + 1)])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="is not a rate"):
        parse_rate(text)


@pytest.mark.parametrize("rate", [Ratio(0, 1), Ratio(1, 0), Ratio(-1, 1), Ratio(MAX_RATE + 1, 1)])
def test_a_clock_takes_no_rate_that_is_none(rate: Ratio) -> None:
    with pytest.raises(Malformed, match="is not a rate"):
        START.at_rate(rate, 60)
