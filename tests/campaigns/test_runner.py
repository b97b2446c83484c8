"""The runner alone, over a scripted target: what it never does, whatever comes, and that it always ends."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emulator.campaigns.conduct import Run, Target, conduct
from emulator.campaigns.funnel import ROLLBACK_WAVE, STAGES, Slice, Tallies, Tally, by
from emulator.campaigns.plan import Document
from emulator.campaigns.runner import Verdict
from emulator.campaigns.units import ACTIVATED, VERIFIED, Unit, Units
from emulator.campaigns.waves import Part
from emulator.domain.identifiers import Eui64
from emulator.domain.settings import DAY_MS, HOUR_MS, MINUTE_MS
from tests.campaigns.plans import document_of

START_MS = 1_767_600_000_000

FATES = ("good", "not delivered", "transfer failed", "signature bad", "activation failed", "contact lost", "silent")


@dataclass
class Scripted:
    """Devices whose fates are given; each step takes some minutes. Not a part of the emulator: it only answers the runner."""

    plan: Document
    fates: Sequence[Sequence[str]]
    now_ms: int = START_MS
    calls: list[tuple[int, str, int]] = field(default_factory=list)
    fate_of: dict[int, str] = field(default_factory=dict)
    retried: bool = False

    def __post_init__(self) -> None:
        self.units = Units(self.plan)

    @property
    def sizes(self) -> Sequence[int]:
        return [len(group) for group in self.fates]

    async def start(self, wave: int, parts: Sequence[Part]) -> None:
        self.calls.append((self.now_ms, "start", wave))
        for part in parts:
            for place in range(part.first, part.first + part.count):
                unit = Unit(Eui64(part.group * 1000 + place), wave, f"region {part.group}", "radio")
                self.fate_of[unit.eui] = self.fates[part.group][place]
                self.units.add(unit)
                self.units.reach(unit, 2, self.now_ms)
                unit.accepted_ms = self.now_ms

    async def retry(self, wave: int) -> None:
        self.calls.append((self.now_ms, "retry", wave))
        for unit in self.units.all:
            if unit.wave == wave and self.units.is_retriable(unit):
                self.units.again(unit, self.now_ms)
                unit.stage = max(unit.stage, 2)

    async def activate(self, date_ms: int | None) -> None:
        if date_ms is not None and self.now_ms < date_ms:
            return
        for unit in self.units.all:
            if unit.stage == VERIFIED and not unit.failure and not unit.activation_asked and self.units.wants_activation(unit):
                self.calls.append((self.now_ms, "activate", unit.wave))
                unit.activation_asked = True

    async def take_back(self) -> None:
        self.calls.append((self.now_ms, "take back", 0))

    async def hold(self, held: bool) -> None:
        self.calls.append((self.now_ms, "hold" if held else "let go", 0))

    async def read(self) -> None:
        for unit in self.units.all:
            if self.units.wants_read(unit):
                lost = self.fate_of[unit.eui] == "contact lost" and unit.stage >= ACTIVATED
                version = "new" if unit.stage >= ACTIVATED else "old"
                self.units.read_answered(unit, None if lost else version, "new", self.now_ms)

    async def stop(self) -> None:
        self.calls.append((self.now_ms, "stop", 0))
        self.units.stopped = True

    async def roll_back(self) -> None:
        self.calls.append((self.now_ms, "roll back", 0))
        for unit in [unit for unit in self.units.all if unit.stage >= ACTIVATED]:
            self.units.add(Unit(unit.eui, ROLLBACK_WAVE, unit.region, unit.technology, stage=2))

    async def give_up(self, wave: int) -> None:
        self.calls.append((self.now_ms, "give up", wave))
        self.units.give_up(wave, self.now_ms)

    async def poll(self) -> Tallies:
        return self.units.tallies(self.now_ms)

    async def wait(self, until_ms: int) -> None:
        assert until_ms > self.now_ms
        self.now_ms = until_ms
        for unit in self.units.all:
            if unit.failure or self.now_ms < unit.since_ms + 10 * MINUTE_MS:
                continue
            fate = "good" if unit.wave == ROLLBACK_WAVE else self.fate_of[unit.eui]
            if fate in ("not delivered", "transfer failed", "signature bad") and unit.stage < VERIFIED:
                self.units.fail(unit, fate, self.now_ms)
            elif fate == "silent":
                continue
            elif unit.stage < VERIFIED:
                self.units.reach(unit, unit.stage + 1, self.now_ms)
            elif unit.activation_asked and unit.stage == VERIFIED:
                self.units.activation_answered(unit, fate != "activation failed", self.now_ms)


async def run(document: Document, fates: Sequence[Sequence[str]]) -> tuple[Run, Scripted]:
    target = Scripted(document, fates)
    checked: Target = target
    return await conduct(document, checked), target


def drive(document: Document, fates: Sequence[Sequence[str]]) -> tuple[Run, Scripted]:
    """To the end."""
    return asyncio.run(run(document, fates))


SHARES = st.sampled_from(["0 %", "10 %", "50 %", "100 %"])
PLANS = st.fixed_dictionaries(
    {
        "campaign": st.fixed_dictionaries(
            {
                "waves": st.sampled_from([[1, 3, "rest"], ["rest"], [2, 2], [5, "rest"]]),
                "wait": st.sampled_from(["1 h", "1 days"]),
                "poll": st.sampled_from(["15 min", "1 h"]),
                "patience": st.just("3 days"),
                "order": st.sampled_from(["evenly", "in turn"]),
                "read_after": st.sampled_from(["always", "on_doubt"]),
                "windows": st.sampled_from([[], ["22:00-06:00"]]),
            }
        ),
        "gates": st.fixed_dictionaries(dict.fromkeys(("max_failed", "max_contact_lost", "max_awaited", "min_verified"), SHARES)),
        "emergency": st.fixed_dictionaries({"max_failed": SHARES, "min_devices": st.integers(1, 6)}),
        "activation": st.fixed_dictionaries({"rule": st.sampled_from(["after_verified", "none"])}),
        "retry": st.fixed_dictionaries({"attempts": st.integers(0, 2), "after": st.just("2 h")}),
        "rollback": st.sampled_from([{}, {"when": "halted", "version": "00010200"}, {"when": "stopped", "version": "00010200"}]),
        "operator": st.lists(
            st.fixed_dictionaries(
                {
                    "at": st.integers(0, 40).map(lambda hours: f"start + {hours} h"),
                    "do": st.sampled_from(["pause", "resume", "stop"]),
                }
            ),
            max_size=3,
        ),
    }
)
DEVICES = st.lists(st.lists(st.sampled_from(FATES), min_size=1, max_size=8), min_size=1, max_size=3)


@given(PLANS, DEVICES)
def test_whatever_comes_the_runner_keeps_its_rules_and_ends(tables: dict[str, Any], fates: list[list[str]]) -> None:
    document = document_of(**tables)
    done, target = drive(document, fates)
    runner, calls = done.runner, target.calls
    assert runner.finished
    assert runner.verdict is not None
    numbers = [wave for _, what, wave in calls if what == "start"]
    assert numbers == list(range(1, len(numbers) + 1))  # in order, each once
    starts = [at_ms for at_ms, what, _ in calls if what == "start"]
    assert all(later - earlier >= document.campaign.wait for earlier, later in pairwise(starts))
    for at_ms in starts if document.campaign.windows else ():
        assert (at_ms - 22 * HOUR_MS) % DAY_MS < 8 * HOUR_MS
    stops = [position for position, (_, what, _) in enumerate(calls) if what == "stop"]
    assert len(stops) <= 1
    if stops:
        after = [(what, wave) for _, what, wave in calls[stops[0] :]]
        assert not [what for what, wave in after if what in ("start", "retry") or (what == "activate" and wave != ROLLBACK_WAVE)]
        assert runner.verdict is Verdict.STOPPED
    if document.activation.rule == "none":
        assert not [wave for _, what, wave in calls if what == "activate" and wave != ROLLBACK_WAVE]
    assert all(unit.tries <= document.retry.attempts for unit in target.units.all)
    if runner.verdict is Verdict.COMPLETE:
        assert len(runner.started) == len(runner.waves)
    tallies = by("wave", done.tallies, waves=False)
    assert all(not tally.open + tally.unread for tally in tallies.values())
    for tally in tallies.values():
        assert list(tally.stages) == sorted(tally.stages, reverse=True)


@given(PLANS, DEVICES)
def test_the_same_campaign_goes_the_same_way(tables: dict[str, Any], fates: list[list[str]]) -> None:
    document = document_of(**tables)
    (first, one), (second, other) = drive(document, fates), drive(document, fates)
    assert first.runner.log == second.runner.log
    assert one.calls == other.calls


def test_a_gate_counts_devices_that_will_be_tried_again_only_at_the_end() -> None:
    tables: dict[str, Any] = {
        "campaign": {"waves": ["rest"]},
        "gates": {"max_failed": "0 %"},
        "retry": {"attempts": 1, "after": "2 h"},
    }
    done, target = drive(document_of(**tables), [["good", "not delivered"]])
    assert [what for _, what, _ in target.calls if what in ("start", "retry")] == ["start", "retry"]
    assert done.runner.verdict is Verdict.HALTED


def test_a_campaign_that_ends_without_everybody_has_missed_its_deadline() -> None:
    def met(*fates: str) -> bool | None:
        document = document_of(campaign={"waves": ["rest"], "deadline": "9 days"})
        return drive(document, [fates])[0].runner.deadline_met

    assert met("good", "good") is True
    assert met("good", "not delivered") is False
    assert met("good", "silent") is False


def test_a_window_far_away_is_waited_for_in_one_go() -> None:
    looks = 0

    class Counting(Scripted):
        async def poll(self) -> Tallies:
            nonlocal looks
            looks += 1
            return await super().poll()

    document = document_of(campaign={"start": "start + 30 days", "waves": ["rest"]})
    target = Counting(document, [["good"]])
    assert asyncio.run(conduct(document, target)).runner.verdict is Verdict.COMPLETE
    assert target.calls[0][0] == START_MS + 30 * DAY_MS
    assert looks < 20


def test_sums_are_exact() -> None:
    one = Tally((3, 3, 3, 2, 2, 1, 1, 0), {"not delivered": 1}, 1, 2, 1, 0)
    other = Tally((2,) * len(STAGES), {"signature bad": 2, "not delivered": 1}, 0, 0, 0, 1)
    tallies = {Slice(1, "North", "radio"): one, Slice(1, "South", "4g"): other, Slice(2, "North", "radio"): other}
    assert by("wave", tallies)[1] == one + other
    assert by("region", tallies)["North"].failures == {"not delivered": 2, "signature bad": 2}
    assert by("technology", tallies)["4g"] == other


async def test_a_look_is_taken_when_dates_are_taken_back_and_when_they_come() -> None:
    times = {"at": "start + 100 min", "take_back": "10 %", "take_back_at": "start + 70 min"}
    document = document_of(campaign={"waves": ["rest"], "poll": "45 min"}, activation=times)
    found, target = await run(document, [[""] * 3])
    took = [(at_ms - found.began_ms, call) for at_ms, call, _ in target.calls if call in ("take back", "activate")]
    assert took == [(70 * MINUTE_MS, "take back"), *[(100 * MINUTE_MS, "activate")] * 3]
