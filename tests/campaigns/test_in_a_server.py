"""Campaigns that a server runs in its worlds: by calls, on the world's clock, ended with the world."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emulator.campaigns.hosting import EXTENSIONS
from emulator.cli.main import application
from emulator.client.control import ControlClient
from emulator.client.errors import Rejected
from emulator.domain.identifiers import parse_eui
from emulator.domain.settings import DAY_MS, HOUR_MS
from emulator.scenarios.estates import EstateSection, build_estate
from emulator.scenarios.toml_text import to_toml
from emulator.service.config import load_settings
from emulator.service.server import Server, running_server
from emulator.testing.harness import FOR_TESTS, running_emulator
from tests.campaigns.plans import SMALL, homes

Run = tuple[Server, ControlClient]


def plan(**tables: Any) -> dict[str, Any]:
    """A plan for the copies of the central home of :func:`world`."""
    document: dict[str, Any] = {name: dict(table) for name, table in SMALL.items()}
    document["groups"] = [{"name": "copies", "homes": ["central-*"]}]
    for name, value in tables.items():
        document[name] = {**document.get(name, {}), **value} if isinstance(value, dict) else value
    return document


@asynccontextmanager
async def world(count: int, **flags: object) -> AsyncIterator[Run]:
    """A server of its own whose default world has so many copies of a home."""
    estate, _ = build_estate(EstateSection.model_validate(homes(count)), Path(), 3)
    settings = load_settings(env={}, flags={**FOR_TESTS, **flags})
    async with running_server(settings, EXTENSIONS) as server, ControlClient(server.url()) as control:
        await control.reset(estate=estate, seed=3)
        yield server, control


def decided(found: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(each["what"], each["wave"]) for each in found["decisions"]]


async def test_a_campaign_goes_on_by_the_clock_of_the_world() -> None:
    """Paused, it stands; moved on by somebody, it acts at its own instants, though time was moved in one go."""
    async with world(8) as (_, control):
        await control.pause()
        started = await control.start_campaign(plan())
        assert (started["phase"], started["over"]) in (("scheduled", False), ("running", False))
        found = await control.wait_for_campaign("small", timeout_ms=200)
        assert (found["met"], found["phase"], len(found["waves"])) == (False, "running", 1)
        began_ms = found["began_ms"]
        assert (await control.clock())["now_ms"] == began_ms
        assert (await control.advance(by_ms=90 * 60_000))["reached"]
        found = await control.campaign("small")
        assert [wave["started_ms"] - began_ms for wave in found["waves"]] == [0, HOUR_MS]
        await control.advance(by_ms=2 * DAY_MS)
        found = await control.wait_for_campaign("small")
        assert (found["met"], found["verdict"], found["total"]["confirmed"]) == (True, "complete", 8)
        assert [each["campaign"] for each in await control.campaigns()] == ["small"]
        result = await control.campaign_result("small")
        assert result["course"]["regions"]["Central"][-1][1:] == [8, 8, 8, 8]
        page = await control.call("GET", "/control/v1/worlds/default/campaigns/small/report")
        assert b"A small campaign" in page


async def test_a_campaign_gives_the_same_however_time_is_moved() -> None:
    results = []
    for spans in ((2 * DAY_MS,), (7 * 60_000,) * 60 + (DAY_MS,), ()):
        async with world(5) as (_, control):
            await (control.pause() if spans else control.autojump())
            await control.start_campaign(plan())
            for by_ms in spans:
                await control.advance(by_ms=by_ms)
            found = await control.wait_for_campaign("small")
            assert found["verdict"] == "complete"
            results.append(await control.campaign_result("small"))
    assert results[0] == results[1] == results[2]


async def test_somebody_pauses_goes_on_and_stops() -> None:
    async with world(6) as (_, control):
        await control.pause()
        await control.start_campaign(plan())
        await control.wait_for_campaign("small", timeout_ms=100)
        assert (await control.steer_campaign("small", "pause"))["phase"] == "paused"
        with pytest.raises(Rejected, match="campaign small is paused; expected one that is scheduled or running"):
            await control.steer_campaign("small", "pause")
        assert (await control.advance(by_ms=10 * DAY_MS))["reached"], "time passes, whoever is paused"
        found = await control.wait_for_campaign("small")
        assert (found["at_rest"], found["over"], len(found["waves"])) == (True, False, 1)
        found = await control.steer_campaign("small", "resume")
        assert found["phase"] == "running"
        await control.advance(by_ms=10 * 60_000)
        stopped = await control.steer_campaign("small", "stop")
        assert ("stopped", None) in decided(stopped)
        await control.advance(by_ms=DAY_MS)
        found = await control.wait_for_campaign("small")
        assert (found["over"], found["verdict"]) == (True, "stopped")
        with pytest.raises(Rejected, match="campaign small is over"):
            await control.steer_campaign("small", "resume")


async def test_a_halted_campaign_waits_for_somebody_who_tries_again() -> None:
    async with world(6) as (_, control):
        fault = await control.add_fault("device.activation_fails")
        await control.start_campaign(plan(gates={"max_failed": "0 %"}))
        found = await control.wait_for_campaign("small")
        assert (found["phase"], found["over"], found["total"]["failed"]) == ("halted", False, 1)
        assert "1 of 1 devices failed" in found["decisions"][-1]["why"]
        await control.remove_fault(fault)
        assert (await control.steer_campaign("small", "retry"))["phase"] == "running"
        found = await control.wait_for_campaign("small")
        assert (found["verdict"], found["total"]["confirmed"], found["total"]["failed"]) == ("complete", 6, 0)
        assert decided(found)[:4] == [("started", 1), ("halted", 1), ("retried", 1), ("passed", 1)]


async def test_a_campaign_ends_with_its_world_and_gives_the_endpoint_back(tmp_path: Path) -> None:
    user = parse_eui("90-B3-D5-1F-30-01-00-00")
    async with world(2, **{"storage.folder": tmp_path / "data"}) as (_, control):
        await control.set_endpoint(user, "http://127.0.0.1:9/mine", 5)
        await control.pause()
        await control.start_campaign(plan())
        assert (await control.endpoint(user))["url"] != "http://127.0.0.1:9/mine"
        await control.drop_campaign("small")
        assert await control.campaigns() == []
        found = await control.endpoint(user)
        assert (found["url"], found["floor_ms"]) == ("http://127.0.0.1:9/mine", 5)
        await control.start_campaign(plan())
        await control.reset()
        assert await control.campaigns() == []
        await control.set_endpoint(user, "http://127.0.0.1:9/mine")
        await control.pause()
        await control.start_campaign(plan(groups=[]))
    settings = load_settings(env={}, flags={**FOR_TESTS, "storage.folder": tmp_path / "data"})
    async with running_server(settings) as server, ControlClient(server.url()) as control:
        assert (await control.endpoint(user))["url"] == "http://127.0.0.1:9/mine", "a stop gives it back, too"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (plan(estate=homes(1)), "plan: estate: the campaign runs in a world of this server; expected no such table"),
        (plan(population={"name": "town"}), "plan: population"),
        (plan(effects=[{"kind": "device.silent"}]), "plan: effects: .*expected faults that are planned in the world"),
        (plan(image={"file": "/etc/passwd"}), "plan: image.file"),
        (
            plan(campaign={"by": "suplier"}),
            "plan: campaign.by: 'suplier' is not a user of the world; .*'supplier'",
        ),
        (plan(campaign={"wavs": [1]}), "'wavs' is not a key of campaign; expected perhaps 'waves'"),
        (plan(groups=[{"name": "mars", "regions": ["Mars"]}]), "plan: groups.1: no device is in it"),
        (to_toml(plan(campaign={"wait": "1 fortnight"})), "plan: campaign.wait"),
        ("[campaign", "plan: .*expected TOML"),
        ("", "'campaign' is missing|'image' is missing"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
async def test_a_plan_that_is_none_for_a_world_is_refused(refusing: ControlClient, given: Any, words: str) -> None:
    with pytest.raises(Rejected, match=words) as caught:
        await refusing.start_campaign(given)
    assert caught.value.status == 400
    assert await refusing.campaigns() == []


@pytest.fixture
async def refusing() -> AsyncIterator[ControlClient]:
    async with world(1) as (_, control):
        yield control


async def test_one_campaign_of_a_user_at_a_time() -> None:
    async with world(2) as (_, control):
        await control.pause()
        await control.start_campaign(plan())
        for name, words in (("small", "campaign small is under way"), ("other", "campaign small of that user is under way")):
            with pytest.raises(Rejected, match=words) as caught:
                await control.start_campaign(plan(campaign={"name": name}))
            assert caught.value.status == 409
        with pytest.raises(Rejected, match="there is no campaign 'other'; expected small"):
            await control.campaign("other")


async def test_a_server_stops_while_a_campaign_runs() -> None:
    async with world(2) as (server, control):
        await control.pause()
        await control.start_campaign(plan())
        async with asyncio.timeout(60):
            await server.stop()


def test_campaigns_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    document = plan(campaign={"waves": ["rest"]})
    del document["groups"]
    file.write_text(to_toml(document), "utf-8")
    with running_emulator() as emulator:

        def run(*words: str, code: int = 0) -> str:
            done = CliRunner().invoke(application, ["campaign", *words, "--server", emulator.control])
            assert done.exit_code == code, done.output
            return done.output

        assert "started wave 1" in run("start", str(file), "--wait")
        assert "complete" in run("list")
        assert "wave 1" in run("show", "small", "--wait")
        assert "report.html" in run("result", "small", "--out", str(tmp_path / "out"))
        assert (tmp_path / "out" / "result.json").is_file()
        assert "campaign small is over" in run("pause", "small", code=1)
        assert '"dropped": "small"' in run("drop", "small", "--json")
        assert "there is no campaign" in run("show", "small", code=2)


async def test_a_campaign_begins_at_the_instant_at_which_another_was_stopped() -> None:
    """On a clock that stands: its RequestIDs are others than those of the first, and its requests are taken."""
    async with world(2) as (_, control):
        await control.pause()
        for name in ("first", "second"):
            await control.start_campaign(plan(campaign={"name": name}))
            await control.wait_for_campaign(name, timeout_ms=100)
            found = await control.steer_campaign(name, "pause")
            assert found["total"]["accepted"] == found["total"]["requested"] > 0, found["total"]
            await control.steer_campaign(name, "stop")
            await control.drop_campaign(name)
