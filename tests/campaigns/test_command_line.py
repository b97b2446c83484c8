"""``dcc-emulator campaign`` from a plan to a comparison, and what the folders hold."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from emulator.campaigns.folder import write_run
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.scenarios.toml_text import to_toml
from emulator.testing.harness import running_emulator
from tests.campaigns.plans import SMALL, homes
from tests.cli.conftest import Run

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "campaigns"


def written(folder: Path, **tables: Any) -> Path:
    """A plan as a file."""
    path = folder / "plan.toml"
    path.write_text(to_toml({**SMALL, **tables}))
    return path


def test_a_run_leaves_its_result_report_and_curves(run: Run, tmp_path: Path) -> None:
    group = {"name": "all of it", "homes": ["central-*"]}
    path = written(tmp_path, groups=[group], estate=homes(6))
    done = run("campaign", "run", path, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.json == json.loads((tmp_path / "out" / "result.json").read_text())
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"result.json", "report.html", "curves-central.svg"}
    etree.parse(str(tmp_path / "out" / "curves-central.svg"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert not re.findall(r"(?:src|href)=|url\(|@import", page), "the report needs another file"
    assert "A small campaign" in page
    again = run("campaign", "run", path, "--out", tmp_path / "again")
    assert "✔ A small campaign: complete" in again.out
    assert "started wave 1: 1 devices" in again.err
    assert (tmp_path / "again" / "result.json").read_bytes() == (tmp_path / "out" / "result.json").read_bytes()


def test_the_examples_show_what_waves_are_for(run: Run, tmp_path: Path) -> None:
    for name in ("phased", "big-bang"):
        done = run("campaign", "run", EXAMPLES / f"{name}.toml", "--out", tmp_path / name)
        assert done.code == 1, done.err
        assert "lost contact" in done.out
    done = run("campaign", "compare", tmp_path / "phased", tmp_path / "big-bang", "--out", tmp_path / "side", "--json")
    phased, bang = done.json["runs"]
    assert (phased["name"], bang["name"]) == ("phased", "big-bang")
    assert phased["verdict"] == bang["verdict"] == "halted"
    assert 0 < phased["contact_lost"] < bang["contact_lost"]
    assert json.loads((tmp_path / "side" / "comparison.json").read_text()) == done.json
    for path in (tmp_path / "side").glob("*.svg"):
        etree.parse(str(path))
    table = run("campaign", "compare", tmp_path / "phased", tmp_path / "big-bang").out
    assert "Lost contact" in table


def test_more_channels_finish_earlier(run: Run, tmp_path: Path) -> None:
    """The example of the documentation, as it is run there."""
    folders = [tmp_path / f"channels-{count}" for count in (1, 2, 4, 8)]
    for folder in folders:
        done = run("campaign", "run", EXAMPLES / "channels.toml", "--channels", folder.name[9:], "--out", folder)
        assert done.code == 0, done.out
    found = run("campaign", "compare", *folders, "--json").json["runs"]
    assert [each["name"] for each in found] == [folder.name for folder in folders]
    hours = [each["at_hub_90"] for each in found]
    assert hours == sorted(hours, reverse=True)
    assert hours[0] > 2 * hours[2]
    assert len({each["configuration"] for each in found}) == 4


def test_a_deadline_is_missed_region_by_region(run: Run) -> None:
    """S-06: 4G is there in hours, the busy cellular regions are not."""
    done = run("campaign", "run", EXAMPLES / "urgent.toml", "--json")
    assert done.code == 1
    deadline, hours = done.json["deadline"], done.json["hours"]
    assert deadline["met"] is False
    assert {region: count for region, count in deadline["missed"].items() if region.startswith("4G")} == {
        "4G North": 0, "4G Central": 0, "4G South": 0,
    }  # fmt: skip
    assert deadline["missed"]["Central"] > 0
    assert hours["4G North"]["at_hub"]["90"] * 10 < hours["Central"]["at_hub"]["90"]


def test_one_device_of_a_generated_estate(run: Run) -> None:
    arguments = ("campaign", "device", EXAMPLES / "channels.toml", "02-DC-C0-00-00-00-05-00", "--estate", "town", "--at", "30m")
    seen = run(*arguments, "--json").json
    assert (seen["device"], seen["type"]) == ("02-DC-C0-00-00-00-05-00", "ESME")
    assert seen["waiting_for"]["until_s"] > 1800
    assert "region: North" in run(*arguments).out
    assert "there is no device" in run("campaign", "device", EXAMPLES / "channels.toml", "02-DC-C0-00-00-00-05-07").err


def test_a_plan_over_another_estate(run: Run, tmp_path: Path) -> None:
    """``--estate`` takes the place of the plan's own world."""
    path = written(tmp_path, campaign={**SMALL["campaign"], "poll": "2 h"}, estate=homes(2))
    done = run("campaign", "run", path, "--estate", "town", "--threads", "2", "--json")
    assert done.json["where"] == "over the generated estate town"
    assert done.json["total"]["requested"] > 5_000
    assert run("campaign", "run", path, "--estate", "twon").code == 2


def test_a_report_is_written_anew_from_its_result(run: Run, tmp_path: Path) -> None:
    group = {"name": "all of it", "homes": ["central-*"]}
    run("campaign", "run", written(tmp_path, groups=[group], estate=homes(2)), "--out", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_bytes()
    (tmp_path / "out" / "report.html").unlink()
    done = run("campaign", "report", tmp_path / "out")
    assert done.code == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == page


def test_pictures_are_made_where_matplotlib_is(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'plots' is not installed")
    path = written(tmp_path, groups=[{"name": "all of it", "homes": ["central-*"]}], estate=homes(2))
    assert run("campaign", "run", path, "--out", tmp_path / "out", "--png").code == 0
    assert (tmp_path / "out" / "curves-central.png").read_bytes().startswith(b"\x89PNG")
    done = run("campaign", "compare", tmp_path / "out", tmp_path / "out", "--out", tmp_path / "side", "--png")
    assert done.code == 0
    assert (tmp_path / "side" / "compare-verified.png").is_file()


def test_pictures_without_matplotlib_name_the_extra(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run("campaign", "run", written(tmp_path, estate=homes(1)), "--out", tmp_path / "out", "--png")
    assert done.code == 2
    assert "the extra 'plots'" in done.err
    assert not (tmp_path / "out").exists()
    with pytest.raises(Malformed, match="plots"):
        write_run(tmp_path / "out", {}, pictures=True)


def test_a_campaign_at_a_running_server(run: Run, tmp_path: Path) -> None:
    """Without a world of its own: the supplier's meters of the embedded estate, followed by ``watch``."""
    with running_emulator() as emulator:
        ready = tmp_path / "ready.json"
        ready.write_text(json.dumps({"control": emulator.control, "duis": emulator.duis, "smki": emulator.smki}))
        path = written(tmp_path, groups=[{"name": "mine", "regions": ["Central", "North"]}])
        before = emulator.ask(lambda control: control.endpoint(parse_eui("90-B3-D5-1F-30-01-00-00")))
        done = run("campaign", "run", path, "--server", ready, "--json")
        assert done.code == 0, done.out
        assert done.json["total"]["confirmed"] == 2
        assert {region: tally["confirmed"] for region, tally in done.json["regions"].items()} == {"Central": 1, "North": 1}
        seen = run("campaign", "watch", "--server", ready, "--json")
        assert [(request["accepted"], request["confirmed"]) for request in seen.json["requests"]] == [(1, 1), (1, 1)]
        assert "Confirmed" in run("campaign", "watch", "--server", ready, "--once").out
        after = emulator.ask(lambda control: control.endpoint(parse_eui("90-B3-D5-1F-30-01-00-00")))
        assert before["url"] in ("", after["url"])
        wrong = run("campaign", "run", written(tmp_path, effects=[{"kind": "device.silent"}]), "--server", ready)
        assert wrong.code == 2
        assert "plan faults through the control API" in wrong.err
        group = {"name": "copies", "homes": ["central-*"]}
        own = run("campaign", "run", written(tmp_path, groups=[group], estate=homes(2)), "--server", ready)
        assert own.code == 0, own.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "PLAN"), "it is not said where the campaign runs"),
        (("check", "nowhere.toml"), "cannot be read"),
        (("report", "nowhere"), "expected the folder that `campaign run --out` wrote"),
        (("compare", "nowhere"), "there is nothing to compare with"),
        (("report", "PLAN"), "this is not the result of a campaign"),
    ],
    ids=lambda value: "",
)
def test_wrong_use_is_said(run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    plan = written(tmp_path)
    done = run("campaign", *(plan if each == "PLAN" else each for each in arguments))
    assert done.code == 2
    assert words in done.err


def test_a_plan_is_checked_without_running_it(run: Run, tmp_path: Path) -> None:
    assert run("campaign", "check", written(tmp_path), "--json").json["campaign"] == "small"
    assert "small: nothing wrong" in run("campaign", "check", written(tmp_path)).out
    for path in EXAMPLES.glob("*.toml"):
        assert run("campaign", "check", path).code == 0
