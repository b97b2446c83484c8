"""The fault plan: who is hit, when, how often, how likely; order and plain state."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import format_eui
from emulator.estate.snapshot import dump, load
from emulator.premises.chances import STANDS
from emulator.simulation.draws import Ratio
from emulator.simulation.faults import KINDS, Condition, Counted, FaultEntry, FaultPlan, Form, Selector

KIND, OTHER, NARROWED = "device.silent", "device.read_fails", "device.alert_lost"
PACKAGE = Path(__file__).resolve().parents[2] / "emulator"
REGIONS = ("North", "Central", "South")
HOUR_MS = 3_600_000


def facts(entity: int) -> dict[str, tuple[str, ...]]:
    """Devices are spread over the regions by their number."""
    return {"eui": (format_eui(entity),), "region": (REGIONS[entity % 3],)}


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
    plan.add("device.slow", 7, times=2, params={"delay_ms": "5 s"})
    assert [plan.active("device.slow", 7, 0) for _ in range(5)] == [True] * 5
    assert [plan.find("device.slow", 7, 0) for _ in range(3)] == [{"delay_ms": 5_000}, {"delay_ms": 5_000}, None]
    assert not plan.active("device.slow", 7, 0)
    (entry,) = plan.entries
    assert (entry.hits, entry.last_entity, entry.condition(0)) == (2, 7, Condition.USED_UP)


def test_the_first_entry_that_applies_is_taken() -> None:
    plan = FaultPlan()
    first = plan.add("device.slow", 7, times=1, params={"delay_ms": 1})
    second = plan.add("device.slow", params={"delay_ms": 2})
    assert [plan.find("device.slow", 7, 0), plan.find("device.slow", 7, 0)] == [{"delay_ms": 1}, {"delay_ms": 2}]
    assert plan.remove(second)
    assert not plan.remove(second)
    assert [entry.number for entry in plan.entries] == [first]
    plan.clear()
    assert plan.entries == ()
    assert plan.add(KIND) == second + 1, "numbers are never used again"


def test_first_occasions_are_let_pass() -> None:
    plan = FaultPlan()
    plan.add(KIND, after=2, times=1)
    assert [plan.active(KIND, 7, 0), *(plan.find(KIND, entity, 0) is not None for entity in (7, 8, 7, 7))] == [
        *(False, False, False, True, False)
    ]
    plan = FaultPlan()
    plan.add(KIND, after=1, times=1, counted=Counted.EACH)
    hits = [(entity, plan.find(KIND, entity, 0) is not None) for entity in (7, 8, 7, 8, 7, 9)]
    assert hits == [(7, False), (8, False), (7, True), (8, True), (7, False), (9, False)]
    assert plan.entries[0].condition(0) is Condition.LIVE, "there may be others that it has not hit yet"


def test_part_of_the_day() -> None:
    plan = FaultPlan()
    plan.add(KIND, daily=(22 * HOUR_MS, 6 * HOUR_MS))
    plan.add(OTHER, daily=(9 * HOUR_MS, 10 * HOUR_MS))
    hours = range(24, 48)
    assert [hour - 24 for hour in hours if plan.active(KIND, 7, hour * HOUR_MS)] == [0, 1, 2, 3, 4, 5, 22, 23]
    assert [hour - 24 for hour in hours if plan.active(OTHER, 7, hour * HOUR_MS)] == [9]


def test_occasions_of_another_sort_are_left_out() -> None:
    plan = FaultPlan()
    plan.add(NARROWED, params={"code": "8f72"}, times=1)
    asked = [plan.find(NARROWED, 7, 0, code) for code in ("8F1C", "8F72", "8F72")]
    assert asked == [None, {"code": "8F72"}, None]


def test_every_hit_is_told_once() -> None:
    told: list[tuple[Any, ...]] = []
    plan = FaultPlan(journal=lambda *entry: told.append(entry))
    plan.add(KIND, 7, times=1, name="quiet")
    plan.active(KIND, 7, 5)
    plan.find(KIND, 7, 5)
    plan.find(KIND, 7, 6)
    assert told == [
        (
            *("fault", 7, f"fault 1 ({KIND}, quiet) hits 00-00-00-00-00-00-00-07"),
            {"fault": 1, "kind": KIND, "hit": 1, "sort": ""},
        )
    ]


def test_conditions_of_a_fault() -> None:
    plan = FaultPlan()
    plan.add(KIND, from_ms=10, to_ms=20)
    assert [plan.entries[0].condition(at) for at in (9, 10, 20)] == [Condition.PLANNED, Condition.LIVE, Condition.OVER]


@pytest.mark.parametrize(
    ("kind", "options", "where"),
    [
        ("device.sleeps", {}, "kind"),
        (KIND, {"from_ms": 5, "to_ms": 5}, "to_ms"),
        (KIND, {"times": 0}, "times"),
        (KIND, {"after": -1}, "after"),
        (KIND, {"daily": (5, 5)}, "daily"),
        (KIND, {"params": {"delay_ms": 5}}, "params"),
        ("device.slow", {"params": {"delay_ms": 0}}, "params.delay_ms"),
        ("device.slow", {"params": {"delay_ms": "5"}}, "params.delay_ms"),
        ("device.slow", {"params": {"delay_ms": "5 parsecs"}}, "params.delay_ms"),
        ("device.slow", {"params": {"delay_ms": True}}, "params.delay_ms"),
        (NARROWED, {"params": {"code": "8F7"}}, "params.code"),
    ],
)
def test_senseless_entries_are_refused(kind: str, options: dict[str, Any], where: str) -> None:
    plan = FaultPlan()
    with pytest.raises(Malformed) as caught:
        plan.add(kind, **options)
    assert caught.value.where == where
    assert caught.value.expected
    assert (plan.entries, plan.state.next_number) == ((), 1)


def test_a_kind_that_does_not_exist_is_not_asked_for() -> None:
    with pytest.raises(Broken):
        FaultPlan().find("device.sleeps", 7, 0)


def test_every_kind_is_asked_for_somewhere() -> None:
    """The registry holds no promise, and nothing asks for what it does not hold."""
    asked = {
        found
        for part in ("csp", "dsp", "premises", "service")
        for path in (PACKAGE / part).rglob("*.py")
        for found in re.findall(r"faults\.(?:find|active)\(\s*\"([\w.]+)\"", path.read_text("utf-8"))
    }
    assert asked & set(STANDS) == {"wan.unreachable"}, "the network keeps the chances of its kinds itself, beside messages"
    assert asked | set(STANDS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_rows_are_whole(kind: Any) -> None:
    assert kind.meaning
    assert kind.occasion
    assert re.fullmatch(r"(F\d\d ?)+|EMU|ota\.md [\d.]+", kind.source)
    params = {param.name: param for param in kind.params}
    assert kind.narrowed_by in ("", *params)
    for param in kind.params:
        assert param.read(param.default) == param.default
        assert (param.form is Form.DURATION) == param.name.endswith("_ms")
        assert (param.form is Form.TEXT) == bool(param.pattern)
    assert kind.read_params({}) == {name: param.default for name, param in params.items()}


# Properties

RATIOS = st.integers(1, 20).flatmap(lambda d: st.builds(Ratio, st.integers(1, d), st.just(d)))
SELECTORS = st.builds(
    Selector,
    st.lists(st.tuples(st.just("region"), st.lists(st.sampled_from([*REGIONS, "*th"]), min_size=1).map(tuple)), max_size=1).map(
        tuple
    ),
    st.none() | RATIOS,
)
OPTIONS = st.fixed_dictionaries(
    {
        "entity": st.none() | st.integers(0, 9),
        "from_ms": st.integers(0, 9),
        "to_ms": st.none() | st.integers(10, 30),
        "times": st.none() | st.integers(1, 3),
        "who": SELECTORS,
        "after": st.integers(0, 2),
        "counted": st.sampled_from(Counted),
        "chance": st.none() | RATIOS,
        "daily": st.none() | st.just((5, 15)),
    }
)
KINDS_ASKED = st.sampled_from([KIND, OTHER, NARROWED])
PLANS = st.lists(st.tuples(KINDS_ASKED, OPTIONS), max_size=5)
QUESTIONS = st.lists(st.tuples(KINDS_ASKED, st.integers(0, 9), st.integers(0, 30)), max_size=60)
SEEDS = st.integers(0, 2**63 - 1)
Entries = list[tuple[str, dict[str, Any]]]
Questions = list[tuple[str, int, int]]


def planned(seed: int, entries: Entries) -> FaultPlan:
    plan = FaultPlan(seed=seed, facts=facts)
    for kind, options in entries:
        plan.add(kind, **options)
    return plan


def hits(plan: FaultPlan, questions: Questions) -> list[bool]:
    return [plan.find(*question) is not None for question in questions]


@given(SEEDS, PLANS, QUESTIONS)
def test_same_seed_plan_and_questions_give_the_same_answers(seed: int, entries: Entries, questions: Questions) -> None:
    one, other = planned(seed, entries), planned(seed, entries)
    for kind, entity, at_ms in questions:
        other.active(kind, entity + 1, at_ms)
    looked = [one.active(*question) for question in questions[:1]]
    answers = hits(one, questions)
    assert answers == hits(other, questions)
    assert looked == answers[:1], "who looks sees what would happen"
    assert one.state == other.state


@given(SEEDS, PLANS, QUESTIONS)
def test_a_restored_plan_goes_on_the_same(seed: int, entries: Entries, questions: Questions) -> None:
    plan, half = planned(seed, entries), len(questions) // 2
    hits(plan, questions[:half])
    restored = FaultPlan(load(dump(plan.state)), seed=seed, facts=facts)
    assert hits(plan, questions[half:]) == hits(restored, questions[half:])
    assert plan.state == restored.state


@given(SEEDS, PLANS, PLANS, QUESTIONS)
def test_entries_of_other_kinds_make_no_difference(seed: int, entries: Entries, more: Entries, questions: Questions) -> None:
    alone = planned(seed, entries)
    asked = {kind for kind, _ in entries} or {KIND}
    others = [(kind, options) for kind, options in more if kind not in asked]
    beside = planned(seed, entries + others)
    about = [question for question in questions if question[0] in asked]
    for question in questions:
        if question[0] not in asked:
            beside.find(*question)
    assert hits(alone, about) == hits(beside, about)


@given(SEEDS, st.integers(1, 9), st.integers(0, 5), st.lists(st.integers(0, 20), min_size=20, max_size=40))
def test_first_n_are_exactly_n(seed: int, times: int, after: int, entities: list[int]) -> None:
    plan = FaultPlan(seed=seed)
    plan.add(KIND, times=times, after=after)
    found: list[bool] = []
    for at_ms, entity in enumerate(entities):
        found.append(plan.find(KIND, entity, at_ms) is not None)
        plan = FaultPlan(load(dump(plan.state)), seed=seed)
    assert found == [after <= number < after + times for number in range(len(entities))]


@given(SEEDS, RATIOS)
def test_chances_and_shares_are_about_what_they_say(seed: int, ratio: Ratio) -> None:
    plan = FaultPlan(seed=seed, facts=facts)
    plan.add(KIND, chance=ratio)
    plan.add(OTHER, who=Selector((), ratio))
    wanted, allowed = 1_000 * ratio.numerator // ratio.denominator, 120
    assert abs(sum(hits(plan, [(KIND, 7, at_ms) for at_ms in range(1_000)])) - wanted) < allowed
    shared = [plan.find(OTHER, entity, 0) is not None for entity in range(1_000)]
    assert abs(sum(shared) - wanted) < allowed
    assert shared == [plan.find(OTHER, entity, 99) is not None for entity in range(1_000)], "a share is of the same ones always"
    assert plan.selected(plan.entries[1], range(1_000)) == sum(shared)


def test_an_older_snapshot_can_be_read() -> None:
    """Entries had no more than these fields, and `times` was what was left."""
    tree = json.loads(dump(FaultEntry(1, KIND, 7, 0, None, 0)))
    fields = {name: tree["v"][name] for name in ("number", "kind", "entity", "from_ms", "to_ms", "times", "params")}
    restored = load(json.dumps({**tree, "c": "emulator.simulation.faults:FaultEntry", "v": fields}).encode())
    assert restored.condition(0) is Condition.USED_UP
