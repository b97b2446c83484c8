"""Campaigns over generated estates: exact numbers, the same whatever the threads, every device open to a look."""

import asyncio
from typing import Any

import numpy as np
import pytest

from emulator.campaigns.conduct import Run
from emulator.campaigns.funnel import CANCELLED, NOTHING_HEARD, ROLLBACK_WAVE, STAGES, Tally, by, total
from emulator.campaigns.network_target import CHANCES, NetworkTarget
from emulator.campaigns.plan import Document
from emulator.campaigns.population import eui_of
from emulator.campaigns.reading import Plan
from emulator.campaigns.result import as_bytes, result_of
from emulator.campaigns.runner import Verdict
from emulator.campaigns.running import run_over_population
from emulator.domain.errors import Malformed
from emulator.fanout.tables import CHANCE_KINDS
from emulator.simulation.durations import DAY_MS
from emulator.simulation.faults import KINDS
from tests.campaigns.plans import plan_of

HUBS = 1_200
TOWN = {"name": "town", "hubs": HUBS}


def small(**tables: Any) -> Plan:
    """A plan over a part of the town."""
    campaign = {"waves": [1, 10, 100, "rest"], "wait": "1 day", "poll": "1 h", **tables.pop("campaign", {})}
    population = {**TOWN, **tables.pop("population", {})}
    image = {"manufacturer": "", "model": "", **tables.pop("image", {})}
    return plan_of(campaign=campaign, population=population, image=image, **tables)


def ran(plan: Plan, threads: int = 1) -> tuple[Run, NetworkTarget]:
    return asyncio.run(run_over_population(plan, threads))


def waves(run: Run) -> dict[int | str, Tally]:
    return by("wave", run.tallies, waves=False)


def test_a_campaign_reaches_everybody_and_repeats_itself_whatever_the_threads() -> None:
    plan = small(campaign={"deadline": "30 days"})
    (first, one), (second, other) = ran(plan), ran(plan, threads=2)
    assert first.runner.verdict is Verdict.COMPLETE
    found = waves(first)
    assert [tally.requested for tally in found.values()] == [1, 10, 100, HUBS - 111]
    everything = total(found.values())
    assert everything.requested == everything.accepted == HUBS
    assert everything.at("confirmed") + everything.failed + everything.contact_lost == HUBS
    assert everything.at("confirmed") > HUBS * 0.9
    assert as_bytes(result_of(plan, first, "x")) == as_bytes(result_of(plan, second, "x"))
    assert one.network.digest() == other.network.digest()
    regions = by("region", first.tallies)
    assert set(regions) == {"North", "Central", "South", "4G North", "4G Central", "4G South"}
    assert total(regions.values()) == everything
    assert first.runner.deadline_met is (everything.at("activated") == HUBS)


def test_the_rows_are_what_the_rule_says() -> None:
    target = NetworkTarget(small())
    for number, pool in enumerate(target.estate.pools):
        running = target.network.pools[number]
        hubs = np.arange(pool.first, pool.first + pool.hubs)
        profiles = np.asarray(running.memory.columns["profile"]).reshape(-1, 1 << running.shift)[: pool.hubs]
        for place in range(target.estate.places):
            names = [target.network.declared.devices[profile].name for profile in profiles[:, place]]
            kinds = [target.estate.kinds[kind].model for kind in target.estate.kind_of(pool, hubs, place)]
            assert names == [f"{model.type} {model.manufacturer} {model.model}" for model in kinds]
        parties = np.asarray(running.memory.columns["party"]).reshape(-1, 1 << running.shift)[: pool.hubs, 0]
        assert (parties == target.estate.supplier_of(hubs)).all()


def test_any_device_can_be_looked_at_in_the_middle() -> None:
    plan = small(campaign={"waves": ["rest"]})
    _, target = asyncio.run(run_over_population(plan, until_ms=30 * 60_000))
    phases, jobs = set(), set()
    for hub in range(0, HUBS, 7):
        seen = target.describe(eui_of(hub, 0))
        phases.add(seen["phase"])
        jobs.add(seen["job"])
        assert (seen["waiting_for"] is None) == (seen["phase"] == "IDLE")
        assert seen["type"] == "ESME"
    assert len(phases) > 2
    assert "WITH_CSP" in jobs
    with pytest.raises(Malformed, match="town"):
        target.describe(eui_of(HUBS, 0))


def test_a_defect_halts_waves_early_and_a_big_bang_late() -> None:
    """S-18: half a per cent of lost contact is the gate, five per cent of the devices fall off."""
    tables: dict[str, Any] = {
        "effects": [{"kind": "han.drop_after_activation", "share": "5 %"}],
        "gates": {"max_contact_lost": "0.5 %"},
    }
    phased, _ = ran(small(**tables))
    bang, _ = ran(small(campaign={"waves": ["rest"]}, **tables))
    lost = [total(run.tallies.values()).contact_lost for run in (phased, bang)]
    assert phased.runner.verdict is bang.runner.verdict is Verdict.HALTED
    assert len(phased.runner.started) < 4
    assert 0 < lost[0] * 4 < lost[1]


def test_a_defect_is_rolled_back() -> None:
    run, target = ran(
        small(
            campaign={"waves": [200, "rest"]},
            effects=[{"kind": "han.drop_after_activation", "share": "10 %"}],
            gates={"max_contact_lost": "1 %"},
            rollback={"when": "halted", "version": "00010200"},
        )
    )
    found = waves(run)
    assert run.runner.verdict is Verdict.HALTED
    assert [decision.what for decision in run.runner.log] == ["started", "halted", "rolled back", "finished"]
    # those off the HAN run the image too, whether or not anybody knows
    assert found[ROLLBACK_WAVE].requested == found[1].at("activated") + found[1].contact_lost
    assert found[ROLLBACK_WAVE].at("confirmed") == found[1].at("activated")
    assert len(target.network.counts(0)) > 3


def test_who_falls_silent_and_off_the_han_is_lost_once() -> None:
    shares = {"han.drop_after_activation": "50 %", "device.stops_reporting": "50 %"}
    run, target = ran(small(campaign={"waves": ["rest"]}, effects=[{"kind": kind, "share": shares[kind]} for kind in shares]))
    tally = waves(run)[1]
    counts = [target.network.counts(batch.number) for batch in target._batches]
    activated, fell, silent = (
        sum(each.get(kind, 0) for each in counts) for kind in ("ACTIVATED", "FELL_OFF", "STOPPED_REPORTING")
    )
    assert max(fell, silent) < tally.contact_lost < fell + silent
    assert tally.contact_lost == pytest.approx(activated * 0.75, rel=0.1)


def test_a_pause_holds_activations_back() -> None:
    operator = [{"at": "start + 1 min", "do": "pause"}, {"at": "start + 20 days", "do": "resume"}]
    hubs = HUBS // 4  # devices that are held ask again and again
    plan = small(campaign={"waves": ["rest"], "poll": "1 day"}, operator=operator, population={"hubs": hubs})
    (first, one), (second, other) = ran(plan), ran(plan, threads=2)
    assert [decision.what for decision in first.runner.log] == ["started", "paused", "resumed", "finished"]
    assert waves(first)[1].at("confirmed") > hubs * 0.9
    for region, entries in first.course.items():
        before = [values for at_ms, values in entries if at_ms < first.began_ms + 20 * 86_400_000]
        assert any(verified for _, verified, _, _ in before), region
        assert not any(activated for _, _, activated, _ in before), region
    assert as_bytes(result_of(plan, first, "x")) == as_bytes(result_of(plan, second, "x"))
    assert one.network.digest() == other.network.digest()


def test_an_emergency_stops_what_is_under_way() -> None:
    run, _ = ran(
        small(
            campaign={"waves": ["rest"], "poll": "10 min"},
            effects=[{"kind": "device.verify_fails", "share": "50 %"}],
            emergency={"max_signature_bad": "5 %"},
        )
    )
    tally = waves(run)[1]
    assert run.runner.verdict is Verdict.STOPPED
    assert tally.failures["cancelled"] > HUBS // 4
    assert not tally.open + tally.unread


def test_what_failed_is_tried_again() -> None:
    tables: dict[str, Any] = {"campaign": {"waves": [400]}, "effects": [{"kind": "han.transfer_fails", "share": "40 %"}]}
    once, _ = ran(small(**tables))
    again, _ = ran(small(retry={"attempts": 3, "after": "2 h"}, **tables))
    first, retried = waves(once)[1], waves(again)[1]
    assert first.requested == retried.requested == 400
    assert 0 < retried.failed < first.failed // 3
    assert [decision.what for decision in again.runner.log].count("retried") >= 3
    assert list(retried.stages) == sorted(retried.stages, reverse=True)


def test_ppmids_and_gas_meters_of_one_region() -> None:
    for image in ({"type": "PPMID"}, {"type": "GSME", "manufacturer": "12A5", "model": "00030101"}):
        run, _ = ran(
            small(image=image, groups=[{"name": "north", "regions": ["North", "4G North"]}], campaign={"waves": [5, "rest"]})
        )
        everything = total(run.tallies.values())
        assert everything.requested > 30
        assert everything.at("confirmed") > everything.requested * 0.95
        assert set(by("region", run.tallies)) == {"North", "4G North"}
        assert {stage: everything.at(stage) for stage in STAGES[:3]} == dict.fromkeys(STAGES[:3], everything.requested)


def test_displays_that_cannot_report_are_read() -> None:
    """S-14: nothing is heard of them; those that run the image say so when they are asked."""
    image = {"type": "PPMID", "manufacturer": "13D1", "model": "00040201"}
    plan: dict[str, Any] = {"image": image, "campaign": {"waves": ["rest"]}}
    good, _ = ran(small(**plan))
    bad, _ = ran(small(effects=[{"kind": "device.activation_fails", "share": "50 %"}], **plan))
    found, failed = (total(run.tallies.values()) for run in (good, bad))
    assert found.at("confirmed") == found.requested - found.failed
    assert failed.failures["nothing heard"] > 0.3 * failed.requested
    unread, _ = ran(small(**{**plan, "campaign": {"waves": ["rest"], "read_after": "never"}}))
    assert total(unread.tallies.values()).failures["nothing heard"] > 0.9 * found.requested


def test_lost_answers_are_read() -> None:
    """F35: the DSP does not hear of the activation, the read shows it."""
    run, target = ran(small(campaign={"waves": [300]}, effects=[{"kind": "wan.loses_upstream", "share": "20 %"}]))
    tally = waves(run)[1]
    assert tally.open == tally.unread == 0
    seen_by_dsp = sum(target.network.jobs(order).get("CONFIRMED", 0) for order in range(len(target.network.declared.orders)))
    assert 300 * 0.4 < seen_by_dsp < tally.at("confirmed") < 300


def test_groups_of_named_devices() -> None:
    euis = [f"02-DC-C0-00-00-00-{hub:02X}-00" for hub in (3, 1, 200)]
    run, _ = ran(small(groups=[{"name": "three", "devices": euis}], campaign={"waves": ["rest"]}))
    assert total(run.tallies.values()).requested == 3


def test_more_channels_are_faster() -> None:
    def hours(channels: int) -> float:
        population = {"name": "region", "hubs": 6_000, "channels": channels, "other_images": 3}
        plan = small(population=population, groups=[{"name": "north", "regions": ["North"]}], campaign={"waves": ["rest"]})
        return float(result_of(plan, ran(plan)[0], "x")["hours"]["North"]["at_hub"]["90"])

    one, four = hours(1), hours(4)
    assert four < one


def test_urgent_images_go_first() -> None:
    """S-06: the priority of an image decides what it waits for when others are under way."""

    def hours(priority: str) -> float:
        population = {"other_images": 3, "sessions": 1}
        campaign = {"waves": ["rest"], "priority": priority, "poll": "30 min"}
        plan = small(population=population, campaign=campaign, groups=[{"name": "central", "regions": ["Central"]}])
        return float(result_of(plan, ran(plan)[0], "x")["hours"]["Central"]["at_hub"]["50"])

    assert hours("urgent") < hours("background")


def test_every_effect_is_a_fault_and_a_chance() -> None:
    assert set(CHANCES) <= set(KINDS)
    assert {chance for chances in CHANCES.values() for chance in chances} <= set(CHANCE_KINDS)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"population": {"name": "twon"}}, "population.name: there is no generated estate 'twon'; expected perhaps 'town'"),
        ({"image": {"type": "CAD"}}, "image: town has no CAD"),
        ({"image": {"manufacturer": "11E5"}}, "expected manufacturer and model, or none of them"),
        ({"groups": [{"name": "a", "homes": ["b"]}]}, "groups.1.homes: a generated estate has no names of homes"),
        ({"groups": [{"name": "a", "regions": ["Mars"]}]}, "groups.1: no device is in it"),
        ({"groups": [{"name": "a", "devices": ["02-DC-C0-00-00-00-01-01"]}]}, "is not a device that the image is for"),
        ({"effects": [{"kind": "device.silent"}]}, "effects.1.kind: there is no fault 'device.silent' here"),
        ({"effects": [{"kind": "device.verify_fails", "times": 1}]}, "effects.1.times"),
        ({"population": {"other_images": 16}}, "population.other_images"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_the_estate_does_not_have_is_said(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        NetworkTarget(small(**tables))
    assert words in str(caught.value)


def test_plans_are_documents_like_others() -> None:
    assert isinstance(small().document, Document)


def test_dates_of_a_generated_estate_are_kept_and_taken_back() -> None:
    """S-43 in small: nobody before the date, nobody of those it was taken back from."""
    times = {"at": "start + 4 days", "take_back": "50 %", "take_back_at": "start + 3 days"}
    near = [{"name": "4G", "regions": ["4G North", "4G Central", "4G South"]}]
    plan = small(campaign={"waves": ["rest"]}, activation=times, groups=near)
    run, _ = ran(plan)
    tally = total(run.tallies.values())
    assert tally.at("verified") == tally.requested
    assert tally.at("confirmed") + tally.failures[CANCELLED] == tally.requested
    assert tally.requested * 2 < tally.failures[CANCELLED] * 5 < tally.requested * 3
    early = [counts[2] for course in run.course.values() for at_ms, counts in course if at_ms < run.began_ms + 4 * DAY_MS]
    assert not any(early)
    assert as_bytes(result_of(plan, run, "again")) == as_bytes(result_of(plan, ran(plan)[0], "again"))


def test_who_is_silent_in_a_generated_estate_is_told_to_activate_all_the_same() -> None:
    """S-41 in small."""
    lost = [{"kind": "wan.loses_upstream", "share": "30 %"}]
    campaign = {"waves": ["rest"], "patience": "3 days", "read_after": "on_doubt"}
    near = [{"name": "4G", "regions": ["4G North", "4G Central", "4G South"]}]
    told, _ = ran(small(campaign=campaign, effects=lost, groups=near, activation={"unheard_after": "1 day"}))
    waiting, _ = ran(small(campaign=campaign, effects=lost, groups=near))
    all_told, some = total(told.tallies.values()), total(waiting.tallies.values())
    assert all_told.at("activated") == all_told.requested
    assert 0 < some.at("activated") < some.requested
    assert some.failures == {NOTHING_HEARD: some.requested - some.at("activated")}
