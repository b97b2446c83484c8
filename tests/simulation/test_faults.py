"""The fault plan: who is hit, when, how often; order and plain state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.estate.snapshot import dump, load
from emulator.simulation.faults import KINDS, FaultEntry, FaultPlan

KIND = "device.silent"


def test_an_entry_hits_its_entity_in_its_time() -> None:
    plan = FaultPlan()
    plan.add(KIND, 7, from_ms=100, to_ms=200)
    hits = [(entity, at) for entity in (6, 7) for at in (99, 100, 199, 200) if plan.find(KIND, entity, at) is not None]
    assert hits == [(7, 100), (7, 199)]
    assert plan.find("device.activation_fails", 7, 150) is None


def test_everyone_is_an_entity() -> None:
    plan = FaultPlan()
    plan.add(KIND)
    assert all(plan.active(KIND, entity, 10**15) for entity in (0, 1, 2**64 - 1))


def test_a_limited_entry_is_used_up_by_finding_not_by_looking() -> None:
    plan = FaultPlan()
    plan.add(KIND, 7, times=2, params={"after_ms": 5})
    assert [plan.active(KIND, 7, 0) for _ in range(5)] == [True] * 5
    assert [plan.find(KIND, 7, 0) for _ in range(3)] == [{"after_ms": 5}, {"after_ms": 5}, None]
    assert not plan.active(KIND, 7, 0)


def test_the_first_entry_that_applies_is_taken() -> None:
    plan = FaultPlan()
    first = plan.add(KIND, 7, times=1, params={"n": 1})
    second = plan.add(KIND, params={"n": 2})
    assert [plan.find(KIND, 7, 0), plan.find(KIND, 7, 0)] == [{"n": 1}, {"n": 2}]
    assert plan.remove(second)
    assert not plan.remove(second)
    assert [entry.number for entry in plan.entries] == [first]
    plan.clear()
    assert plan.entries == ()
    assert plan.add(KIND) == second + 1, "numbers are never used again"


@pytest.mark.parametrize(
    ("kind", "options", "where"),
    [
        ("device.sleeps", {}, "kind"),
        (KIND, {"from_ms": 5, "to_ms": 5}, "to_ms"),
        (KIND, {"times": 0}, "times"),
    ],
)
def test_senseless_entries_are_refused(kind: str, options: dict[str, int], where: str) -> None:
    with pytest.raises(Malformed) as caught:
        FaultPlan().add(kind, **options)  # type: ignore[arg-type]
    assert caught.value.where == where
    assert caught.value.expected


@given(
    st.lists(
        st.builds(
            FaultEntry,
            number=st.integers(1, 9),
            kind=st.sampled_from(sorted(KINDS)),
            entity=st.none() | st.integers(0, 3),
            from_ms=st.integers(0, 9),
            to_ms=st.none() | st.integers(1, 20),
            times=st.none() | st.integers(1, 3),
        )
    ),
    st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 3), st.integers(0, 20))),
)
def test_a_restored_plan_goes_on_the_same(entries: list[FaultEntry], questions: list[tuple[str, int, int]]) -> None:
    plan = FaultPlan()
    plan.state.entries.extend(entries)
    half = len(questions) // 2
    for question in questions[:half]:
        plan.find(*question)
    restored = FaultPlan(load(dump(plan.state)))
    assert [plan.find(*question) for question in questions[half:]] == [restored.find(*question) for question in questions[half:]]
    assert plan.state == restored.state
