"""Faults from the command line, from plan files, in tests and at the start of a server: one schema, one plan."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.simulation.faults import FACTS, KINDS
from emulator.testing import RunningEmulator, plugin, running_emulator
from tests.cli.conftest import Run
from tests.service.conftest import ESME

METER, HUB = format_eui(ESME), format_eui(ESME + 2)
HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "faults.md"


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    with running_emulator() as found:
        yield found


@pytest.fixture
def at(emulator: RunningEmulator, run: Run) -> Iterator[Run]:
    """Run a verb against it; its plan is empty at first and at last."""
    emulator.ask(lambda control: control.clear_faults())
    yield lambda *arguments, **options: run(*arguments, "--server", emulator.control, **options)
    emulator.ask(lambda control: control.clear_faults())


def listed(at: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = at("fault", "list", "--json").json
    return found


def test_kinds_are_listed_without_a_server(run: Run) -> None:
    shown = run("fault", "kinds").out
    assert all(kind in shown for kind in KINDS)
    assert all(name in shown for name in FACTS)
    found = run("fault", "kinds", "--json").json
    assert [kind["kind"] for kind in found["kinds"]] == list(KINDS)
    delays = next(kind for kind in found["kinds"] if kind["kind"] == "wan.delays_messages")
    assert [param["name"] for param in delays["params"]] == ["direction", "delay_ms"]


def test_the_server_tells_the_same_kinds(emulator: RunningEmulator) -> None:
    found = emulator.ask(lambda control: control.fault_kinds())
    assert [kind["name"] for kind in found["kinds"]] == list(KINDS)
    assert [fact["name"] for fact in found["who"]] == list(FACTS)


def test_a_fault_from_added_to_removed(at: Run, emulator: RunningEmulator) -> None:
    options = (
        "--from",
        "30m",
        "--to",
        "2h",
        "--chance",
        "1/20",
        "--times",
        "5",
        "--after",
        "2",
        "--each",
        "--daily",
        "22:00-06:00",
    )
    done = at(
        "fault", "add", "device.alert_lost", "--device", METER, *options, "--param", "code=8f72", "--name", "lost", "--json"
    )
    (planned,) = done.json
    assert planned["matches"] == 1
    (fault,) = listed(at)
    now_ms = emulator.ask(lambda control: control.clock())["now_ms"]
    assert abs(fault["from_ms"] - now_ms - 1_800_000) < 60_000
    assert fault["to_ms"] - fault["from_ms"] == 5_400_000
    shown = {
        name: fault[name]
        for name in ("number", "kind", "entity", "chance", "times", "after", "counted", "daily", "params", "name")
    }
    assert shown == {
        "number": planned["fault"],
        "kind": "device.alert_lost",
        "entity": METER,
        "chance": [1, 20],
        "times": 5,
        "after": 2,
        "counted": "each",
        "daily": ["22:00", "06:00"],
        "params": {"code": "8F72"},
        "name": "lost",
    }
    assert (fault["condition"], fault["hits"], fault["last_hit"]) == ("planned", 0, None)
    table = at("fault", "list").out
    assert "1/20, after 2, 5 times, each, 22:00-06:00" in table
    assert at("fault", "remove", planned["fault"]).code == 0
    assert listed(at) == []


def test_whom_by_what_is_true_of_them(at: Run) -> None:
    who = ("--who", "type=ESME", "--who", "type=GSME", "--who", "share=1/2")
    (planned,) = at("fault", "add", "device.silent", *who, "--json").json
    (fault,) = listed(at)
    assert fault["who"] == {"type": ["ESME", "GSME"], "share": [1, 2]}
    (again,) = at("fault", "add", "device.silent", "--who", "type=?SME", "--json").json
    assert 0 < planned["matches"] <= again["matches"] < 20
    assert "type ESME GSME, share 1/2" in at("fault", "list").out
    assert at("fault", "remove", "--all").code == 0
    assert listed(at) == []


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing": ((), "what is to go wrong is not clear"),
    "no such kind": (("device.slient",), "perhaps 'device.silent'"),
    "nobody there": (
        ("wan.unreachable", "--who", "technology=raido"),
        "who.technology: no hub has technology 'raido'; expected perhaps",
    ),
    "a meter for a hub": (
        ("wan.unreachable", "--device", METER),
        f"hits hubs, and {METER} is of type ESME; expected its hub, {HUB}",
    ),
    "a stranger": (("device.silent", "--device", "00-00-00-00-00-00-00-01"), "is in no home; expected the EUI of a device"),
    "a stranger among others": (("device.silent", "-d", METER, "-d", "00-00-00-00-00-00-00-01"), "is in no home"),
    "no assignment": (("device.silent", "--who", "North"), "--who: 'North' is not an assignment; expected NAME=VALUE"),
    "twice": (("device.silent", "--who", "share=1/2", "--who", "share=1/3"), "share is given twice"),
    "a wrong unit": (("device.slow", "--param", "delay_ms=5 parsecs"), "params.delay_ms: 'parsecs' is not a unit of time"),
    "a time that is past": (("device.silent", "--to", "2001-01-01T00:00:00Z"), "to: it is past by now"),
    "a share of nobody": (("device.silent", "--who", "share=1/2000000000"), "who.share: with this seed the share takes nobody"),
    "both": (("device.silent", "-d", METER, "--who", "type=ESME"), "both device and who are given"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG.keys())
def test_wrong_faults_are_told_in_words(at: Run, arguments: tuple[str, ...], said: str) -> None:
    done = at("fault", "add", *arguments)
    assert done.code == 2
    assert said in done.err
    assert listed(at) == []


def test_which_fault_to_remove(at: Run) -> None:
    assert "which fault is not clear" in at("fault", "remove").err
    assert "which fault is not clear" in at("fault", "remove", 1, "--all").err
    assert "there is no fault 99" in at("fault", "remove", 99).err


def plan_of_the_how_to() -> str:
    (block,) = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    return str(block)


def test_a_plan_file_is_planned_as_a_whole_or_not_at_all(at: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    text = '[[faults]]\nkind = "device.silent"\n'
    text += '[[faults]]\nkind = "device.slow"\nwho = { type = "GSME" }\nparams = { delay_ms = "2 h" }\n'
    file.write_text(text)
    assert [each["fault"] for each in at("fault", "add", "--file", file, "--json").json] == [f["number"] for f in listed(at)]
    at("fault", "remove", "--all")
    file.write_text(text + '[[faults]]\nkind = "device.slow"\nwho = { region = "Nroth" }\n')
    done = at("fault", "add", "--file", file)
    assert (done.code, listed(at)) == (2, [])
    assert f"{file}: fault 3" in done.err
    assert "there is no region 'Nroth'" in done.err


def test_the_plan_of_the_how_to_is_good(tmp_path: Path, run: Run) -> None:
    """But for its model and share, which the default estate is too small for."""
    file = tmp_path / "plan.toml"
    file.write_text(plan_of_the_how_to().replace(", share = [1, 100]", ""))
    with running_emulator({"worlds.faults": file}) as emulator:
        found = run("fault", "list", "--server", emulator.control, "--json").json
        assert [fault["kind"] for fault in found] == ["wan.transfer_fails", "device.activation_fails"]
        assert found[0]["name"] == "flaky north"


def test_a_server_begins_with_a_plan_and_keeps_what_became_of_it(tmp_path: Path) -> None:
    file, data = tmp_path / "plan.toml", tmp_path / "data"
    file.write_text('[[faults]]\nkind = "device.silent"\nfrom = "now + 1 h"\ntimes = 3\n')
    settings = {"worlds.faults": file, "storage.folder": data}
    with running_emulator(settings) as emulator:
        (fault,) = emulator.ask(lambda control: control.faults())
        assert (fault["kind"], fault["times"], fault["condition"]) == ("device.silent", 3, "planned")
        emulator.ask(lambda control: control.add_fault("device.slow"))
    with running_emulator(settings) as emulator:
        assert [fault["kind"] for fault in emulator.ask(lambda control: control.faults())] == ["device.silent", "device.slow"]
    file.write_text('[[faults]]\nkind = "device.silent"\ntimes = 0\n')
    with pytest.raises(Malformed, match=r"plan\.toml: fault 1: times: times is '0'"), running_emulator({"worlds.faults": file}):
        pass


def test_explain_says_which_faults_hit(at: Run, run: Run, emulator: RunningEmulator) -> None:
    at("fault", "add", "wan.loses_downstream", "--device", HUB, "--times", "1")
    at("fault", "add", "device.wrong_version", "--device", METER, "--param", "version=00000099")
    beside = ("--server", emulator.control, "--duis", emulator.duis, "--smki", emulator.smki, "--json")
    first = run("send", "11.2", "-d", METER, *beside).json["answers"][-1]["request_id"]
    second = run("send", "11.2", "-d", METER, *beside).json["answers"][-1]["request_id"]
    found = at("explain", first, "--json").json["faults"]
    assert [entry["summary"].partition(" hits")[0] for entry in found][:1] == [
        f"fault {listed(at)[0]['number']} (wan.loses_downstream)"
    ]
    assert "device.wrong_version" in at("explain", second).out
    assert [(fault["condition"], fault["hits"]) for fault in listed(at)] == [("used up", 1), ("live", 1)]
    assert "(device.wrong_version) hits" in at("journal", "--kind", "fault").out


def test_faults_for_the_time_of_a_test(dcc_emulator: RunningEmulator, dcc_fault: plugin.PlanFault) -> None:
    number = dcc_fault("wan.unreachable", who={"region": "Central"}, to="2 h")
    with dcc_emulator.fault("device.silent", ESME) as second:
        assert [fault["number"] for fault in dcc_emulator.ask(lambda control: control.faults())] == [number, second]
    assert [fault["number"] for fault in dcc_emulator.ask(lambda control: control.faults())] == [number]
