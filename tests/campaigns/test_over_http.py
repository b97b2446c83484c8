"""Campaigns against a real emulator over HTTP: gates, pause, emergency stop, retry, rollback, each at small size."""

import json

import pytest

from emulator.campaigns.conduct import Run
from emulator.campaigns.funnel import (
    ACTIVATION_FAILED,
    CANCELLED,
    NOT_DELIVERED,
    NOTHING_HEARD,
    ROLLBACK_WAVE,
    SIGNATURE_BAD,
    Tally,
    by,
    total,
)
from emulator.campaigns.reading import Plan
from emulator.campaigns.result import result_of
from emulator.campaigns.runner import Verdict
from emulator.campaigns.running import run_in_new_world
from emulator.domain.errors import Malformed
from emulator.simulation.durations import DAY_MS
from tests.campaigns.plans import homes, plan_of

HOMES = 11


def waves(run: Run) -> dict[int | str, Tally]:
    return by("wave", run.tallies, waves=False)


def decisions(run: Run) -> list[tuple[str, int | None]]:
    return [(decision.what, decision.wave) for decision in run.runner.log]


async def ran(plan: Plan) -> Run:
    return await run_in_new_world(plan)


async def test_a_campaign_goes_well_and_repeats_itself_to_the_octet() -> None:
    plan = plan_of(
        campaign={"waves": [1, 4, "rest"], "deadline": "2 days"},
        gates={"min_verified": "100 %", "max_failed": "0 %", "max_contact_lost": "0 %"},
        groups=[{"name": "copies", "homes": ["central-*"]}, {"name": "north", "regions": ["North"]}],
        estate=homes(HOMES),
    )
    first, second = await ran(plan), await ran(plan)
    assert first.runner.verdict is Verdict.COMPLETE
    assert decisions(first) == [
        ("started", 1), ("passed", 1), ("started", 2), ("passed", 2), ("started", 3), ("finished", None),
    ]  # fmt: skip
    assert {wave: tally.stages for wave, tally in waves(first).items()} == {1: (1,) * 8, 2: (4,) * 8, 3: (HOMES - 4,) * 8}
    assert {region: tally.requested for region, tally in by("region", first.tallies).items()} == {"Central": HOMES, "North": 1}
    assert first.runner.deadline_met
    one, other = (json.dumps(result_of(plan, run, "http")) for run in (first, second))
    assert one == other


async def test_a_gate_halts_a_campaign_and_a_big_bang_hits_everybody() -> None:
    """S-18 in small: contact loss is measured by reads."""
    tables = {
        "estate": homes(19),
        "effects": [{"kind": "han.drop_after_activation", "share": "50 %"}],
        "gates": {"max_contact_lost": "10 %"},
    }
    phased = await ran(plan_of(campaign={"waves": [1, 4, "rest"]}, **tables))
    bang = await ran(plan_of(campaign={"waves": ["rest"]}, **tables))
    assert phased.runner.verdict is bang.runner.verdict is Verdict.HALTED
    lost = [total(run.tallies.values()).contact_lost for run in (phased, bang)]
    assert 0 < lost[0] <= 5 < lost[1]
    halted = next(decision for decision in phased.runner.log if decision.what == "halted")
    assert "lost contact" in halted.why
    assert "at most 10 %" in halted.why


async def test_a_bad_signature_halts_the_campaign() -> None:
    run = await ran(plan_of(image={"signed_by": "supplier2"}, gates={"max_signature_bad": "0 %"}, estate=homes(4)))
    assert run.runner.verdict is Verdict.HALTED
    assert waves(run)[1].failures == {SIGNATURE_BAD: 1}
    assert waves(run)[1].contact_lost == 0
    assert len(run.runner.started) == 1


async def test_too_few_verified_images_halt_the_campaign() -> None:
    run = await ran(
        plan_of(
            campaign={"waves": [2, "rest"]},
            gates={"min_verified": "90 %"},
            estate=homes(4),
            effects=[{"kind": "hub.store_full"}],
        )
    )
    assert run.runner.verdict is Verdict.HALTED
    assert waves(run)[1].failures == {NOT_DELIVERED: 2}
    assert "0 of 2 devices verified" in run.runner.log[-2].why


async def test_an_operator_pauses_and_goes_on() -> None:
    plan = plan_of(
        campaign={"waves": [1, "rest"]},
        estate=homes(4),
        operator=[{"at": "start + 30 min", "do": "pause"}, {"at": "start + 10 h", "do": "resume"}],
    )
    run = await ran(plan)
    assert run.runner.verdict is Verdict.COMPLETE
    assert decisions(run) == [
        ("started", 1), ("paused", None), ("resumed", None), ("passed", 1), ("started", 2), ("finished", None),
    ]  # fmt: skip
    second = next(decision for decision in run.runner.log if decision == run.runner.log[4])
    assert second.at_ms == run.began_ms + 10 * 3_600_000


async def test_a_campaign_that_nobody_resumes_ends_paused() -> None:
    run = await ran(plan_of(estate=homes(2), operator=[{"at": "start + 30 min", "do": "pause"}]))
    assert run.runner.verdict is Verdict.PAUSED
    assert len(run.runner.started) == 1


async def test_an_operator_goes_on_in_spite_of_a_gate() -> None:
    run = await ran(
        plan_of(
            campaign={"waves": [2, "rest"]},
            gates={"max_failed": "0 %"},
            estate=homes(4),
            effects=[{"kind": "device.activation_fails", "times": 1}],
            operator=[{"at": "start + 2 days", "do": "resume"}],
        )
    )
    assert [what for what, _ in decisions(run)] == ["started", "halted", "resumed", "passed", "started", "halted", "finished"]


async def test_an_emergency_stops_everything() -> None:
    """Half of the devices fail to activate; those that wait for their activation do not get it."""
    run = await ran(
        plan_of(
            campaign={"waves": [4, "rest"], "poll": "5 min"},
            emergency={"max_failed": "10 %", "min_devices": 4},
            activation={"delay": "1 h"},
            estate=homes(9),
            effects=[{"kind": "device.activation_fails"}],
        )
    )
    assert run.runner.verdict is Verdict.STOPPED
    assert [what for what, _ in decisions(run)] == ["started", "stopped", "finished"]
    assert waves(run)[1].failures == {ACTIVATION_FAILED: 4}
    assert waves(run)[1].contact_lost == 0


async def test_an_operator_stops_what_is_on_its_way() -> None:
    run = await ran(
        plan_of(
            campaign={"waves": ["rest"], "poll": "1 min"},
            image={"type": "GSME", "manufacturer": "12A5", "model": "00030101"},
            estate=homes(3, "ESME", "GPF", "GSME"),
            operator=[{"at": "start + 1 min", "do": "stop"}],
        )
    )
    assert run.runner.verdict is Verdict.STOPPED
    tally = waves(run)[1]
    assert tally.failures == {"cancelled": tally.requested}
    assert tally.at("verified") == 0


async def test_what_failed_is_tried_again() -> None:
    run = await ran(
        plan_of(
            campaign={"waves": ["rest"]},
            gates={"max_failed": "0 %", "min_verified": "100 %"},
            retry={"attempts": 2, "after": "1 h"},
            estate=homes(4),
            effects=[{"kind": "hub.store_full", "times": 1}],
        )
    )
    assert run.runner.verdict is Verdict.COMPLETE
    assert [what for what, _ in decisions(run)] == ["started", "retried", "finished"]
    assert waves(run)[1].at("confirmed") == waves(run)[1].requested


async def test_a_rollback_takes_back_those_that_run_the_image() -> None:
    run = await ran(
        plan_of(
            campaign={"waves": [4, "rest"]},
            gates={"max_contact_lost": "0 %"},
            rollback={"when": "halted", "version": "00010200"},
            estate=homes(9),
            effects=[{"kind": "han.drop_after_activation", "share": "50 %"}],
        )
    )
    assert run.runner.verdict is Verdict.HALTED
    found = waves(run)
    assert 0 < found[1].contact_lost < 4
    assert found[ROLLBACK_WAVE].requested == found[1].at("activated")
    assert found[ROLLBACK_WAVE].at("confirmed") == found[1].at("confirmed") > 0
    assert [what for what, _ in decisions(run)] == ["started", "halted", "rolled back", "finished"]


async def test_ppmids_need_no_activation() -> None:
    run = await ran(
        plan_of(
            image={"type": "PPMID", "manufacturer": "13D0", "model": "00040101"},
            campaign={"waves": [1, "rest"]},
            estate=homes(3, "ESME", "PPMID"),
        )
    )
    assert run.runner.verdict is Verdict.COMPLETE
    assert total(run.tallies.values()).at("confirmed") == total(run.tallies.values()).requested


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"campaign": {"by": "suplier"}}, "campaign.by: 'suplier' is not a user of the world; expected perhaps 'supplier'"),
        ({"campaign": {"priority": "urgent"}}, "campaign.priority: DUIS has no field for a priority"),
        ({"image": {"model": "00990101"}}, "groups.1: no device is in it"),
        ({"image": {"version": "00010199"}}, "image.version: version 00010199 of 11E5 00020101 has no image"),
        ({"groups": [{"name": "mars", "regions": ["Mars"]}]}, "groups.1: no device is in it"),
        ({"effects": [{"kind": "device.sulks"}]}, "effects.1.kind: there is no fault 'device.sulks'"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
async def test_what_the_world_does_not_have_is_said(tables: dict[str, object], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        await ran(plan_of(estate=homes(1), **tables))
    assert words in str(caught.value)


async def test_devices_take_a_date_and_part_of_them_lose_it_again() -> None:
    """S-43 in small."""
    times = {"at": "start + 3 days", "take_back": "50 %", "take_back_at": "start + 2 days"}
    run = await ran(plan_of(campaign={"waves": ["rest"]}, activation=times, estate=homes(8)))
    tally = waves(run)[1]
    taken_back = tally.failures[CANCELLED]
    assert 0 < taken_back < 8
    assert (tally.at("verified"), tally.at("confirmed")) == (8, 8 - taken_back)
    assert decisions(run) == [("started", 1), ("taken back", None), ("finished", None)]
    course = {at_ms - run.began_ms: counts for at_ms, counts in run.course["Central"]}
    assert all(counts[2] == 0 for since_ms, counts in course.items() if since_ms < 3 * DAY_MS)


async def test_an_emergency_stop_takes_dates_back() -> None:
    acts = [{"at": "start + 1 day", "do": "stop"}]
    plan = plan_of(campaign={"waves": ["rest"]}, activation={"at": "start + 3 days"}, operator=acts, estate=homes(3))
    run = await ran(plan)
    assert run.runner.verdict is Verdict.STOPPED
    assert waves(run)[1].failures == {CANCELLED: 3}
    assert waves(run)[1].at("activated") == 0


async def test_whoever_is_silent_is_told_to_activate_all_the_same() -> None:
    """S-41 in small: no receipt comes, and the meters hold the image."""
    faults = [{"kind": "device.alert_lost", "share": "100 %"}]
    told = await ran(
        plan_of(campaign={"waves": ["rest"]}, activation={"unheard_after": "1 day"}, effects=faults, estate=homes(3))
    )
    waiting = await ran(plan_of(campaign={"waves": ["rest"], "patience": "3 days"}, effects=faults, estate=homes(3)))
    assert waves(told)[1].at("confirmed") == 3
    assert waves(waiting)[1].at("activated") == 0
    assert waves(waiting)[1].failures == {NOTHING_HEARD: 3}
