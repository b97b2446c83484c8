"""Worlds full of chance keep what must always hold, and a world that does not is found."""

import json

import pytest
from typer.testing import CliRunner

from emulator.cli.main import application
from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import Entry, append
from emulator.swarm import invariants
from emulator.swarm.play import begin, calm_down, let_happen
from emulator.swarm.run import play_seed


@pytest.mark.parametrize("seed", range(6))
def test_a_small_swarm(seed: int) -> None:
    assert not play_seed(seed).broken


@pytest.mark.verify
@pytest.mark.timeout(900)
def test_a_larger_swarm() -> None:
    assert not [found for seed in range(100, 160) if (found := play_seed(seed)).broken]


def test_a_seed_says_everything() -> None:
    assert play_seed(3) == play_seed(3)
    assert play_seed(3).digest != play_seed(4).digest


def test_a_lost_result_is_noticed() -> None:
    play = begin(1)
    let_happen(play, 20)
    calm_down(play)
    assert not list(invariants.nothing_acknowledged_is_lost(play))
    answered = next(
        each
        for each in play.deliveries
        for asked in play.asked
        if asked.answer.code == "I99"
        and asked.request.service_reference_variant in invariants.ANSWERED_LATER
        and str(getattr(each.message, "request_id", "")).lower() == str(asked.request.request_id).lower()
    )
    play.deliveries = [each for each in play.deliveries if each is not answered]
    assert list(invariants.nothing_acknowledged_is_lost(play))


def test_a_job_without_the_right_to_it_is_noticed() -> None:
    play = begin(1)
    while not any(asked.answer.code in ("I99", "W110101") for asked in play.asked if asked.request.body.name == "UpdateFirmware"):
        let_happen(play, 5)
    accepted = next(asked for asked in play.asked if asked.request.body.name == "UpdateFirmware" and asked.answer.code[0] in "IW")
    for key in play.registered:
        play.registered[key] = "nobody"
    assert list(invariants.jobs_are_authorised(play, accepted))


def test_a_stale_inventory_and_a_broken_chain_are_noticed() -> None:
    play = begin(2)
    assert not list(invariants.inventory_agrees_after_reads(play))
    device = play.devices()[0]
    play.control("fault.add", kind="dsp.inventory_not_updated", device=format_eui(device.eui))
    play.world.engine.state.dsp.inventory[device.eui].firmware_version = "00000001"
    play.deliveries.clear()
    real, invariants.calm_down = invariants.calm_down, lambda play: None
    try:
        assert list(invariants.inventory_agrees_after_reads(play))
    finally:
        invariants.calm_down = real
    assert not list(invariants.audit_is_whole(play))
    append(play.world.engine.state.dsp.audit, Entry("control", "never put out"), play.now_ms)
    assert list(invariants.audit_is_whole(play))


def test_the_command_line_names_what_shows_it_again() -> None:
    ran = CliRunner().invoke(application, ["swarm", "--seeds", "2", "--steps", "10", "--json"])
    assert ran.exit_code == 0
    found = json.loads(ran.stdout)
    assert (found["seeds"], found["broken"]) == (2, 0)


@pytest.mark.parametrize("steps", [1, 7])
def test_as_many_things_happen_as_are_asked_for(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[int] = []
    monkeypatch.setattr("emulator.swarm.run.let_happen", lambda play, steps: happened.append(steps))
    play_seed(5, steps)
    assert sum(happened) == steps
