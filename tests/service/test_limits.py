"""What one user may take, counted by hand on a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.service import limits
from emulator.service.config import Duis
from emulator.service.limits import HeldBodies, UserLimits

ONE, OTHER = 1, 2


def shares(**settings: float) -> UserLimits:
    return UserLimits(Duis(**{"user_concurrency": 0, **settings}))  # type: ignore[arg-type]


def test_without_limits_nothing_is_too_much() -> None:
    limit = shares()
    assert not any(limit.take(ONE, 0.0) for _ in range(10_000))


def test_a_rate_with_a_burst() -> None:
    limit = shares(user_rate=2, user_burst=3)
    assert [limit.take(ONE, 0.0) is None for _ in range(4)] == [True, True, True, False]
    assert limit.take(OTHER, 0.0) is None, "everybody has a share of their own"
    assert limit.take(ONE, 0.4) is not None
    assert limit.take(ONE, 0.5) is None, "half a second at two a second"
    assert [limit.take(ONE, 1_000.0) is None for _ in range(4)] == [True, True, True, False], "no more than a burst is saved up"


def test_when_to_come_again() -> None:
    limit = shares(user_rate=0.1, user_burst=1)
    assert limit.take(ONE, 0.0) is None
    excess = limit.take(ONE, 0.0)
    assert excess is not None
    assert excess.retry_after_s == 10
    assert excess.detail == "this user may send 0.1 requests a second, 1 at once"
    assert limit.take(ONE, 10.0) is None


def test_at_a_time() -> None:
    limit = shares(user_concurrency=2)
    assert [limit.take(ONE, 0.0) is None for _ in range(3)] == [True, True, False]
    assert limit.take(OTHER, 0.0) is None
    limit.give_back(ONE)
    assert limit.take(ONE, 0.0) is None


def test_giving_back_what_was_not_taken_makes_no_room() -> None:
    limit = shares(user_concurrency=1)
    limit.give_back(ONE)
    assert [limit.take(ONE, 0.0) is None for _ in range(2)] == [True, False]


def test_memory_is_bounded_and_who_is_at_work_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USERS_REMEMBERED", 10)
    limit = shares(user_concurrency=1)
    assert limit.take(ONE, 0.0) is None
    for user in range(100, 200):
        assert limit.take(user, 0.0) is None
        limit.give_back(user)
    assert limit.take(ONE, 0.0) is not None, "still under way"
    assert len(limit._shares) <= 11


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60), st.integers(1, 5), st.integers(1, 4))
def test_never_more_than_burst_and_rate_allow(steps: list[tuple[float, bool]], burst: int, rate: int) -> None:
    limit, now_s, taken = shares(user_rate=rate, user_burst=burst), 0.0, 0
    for pause_s, _ in steps:
        now_s += pause_s
        taken += limit.take(ONE, now_s) is None
        assert taken <= burst + rate * now_s + 1e-6


def test_bodies_together() -> None:
    held = HeldBodies(100)
    with held.hold(60) as first, held.hold(60) as second, held.hold(40) as third:
        assert (first, second, third) == (True, False, True)
    assert held.held_bytes == 0
    with held.hold(1_000) as alone:
        assert alone, "one always has room"
    with pytest.raises(ZeroDivisionError), held.hold(10):
        raise ZeroDivisionError
    assert held.held_bytes == 0
