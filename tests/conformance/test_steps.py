"""The three steps of conformance on the published messages, and that answering sees none of what is expected."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emulator.cli.main import application

FAMILIES = ("1.5_GCS40a", "4.1.1_ECS17b", "6.24.1_CS02fMAC", "6.2.10_ECS25r2", "8.9_CS07", "NA_CS02fSignature")


def run(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(application, ["conformance", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def messages(reference: Path, tmp_path: Path) -> Path:
    """A few folders of the set, deeper than usual."""
    folder = tmp_path / "set" / "deeper"
    for family in FAMILIES:
        folder.joinpath(family).mkdir(parents=True)
        for path in (reference / "gbcs/rtds/messages" / family).iterdir():
            folder.joinpath(family, path.name).write_bytes(path.read_bytes())
    return tmp_path / "set"


@pytest.mark.reference
def test_steps(reference: Path, messages: Path, tmp_path: Path) -> None:
    keys, templates = reference / "gbcs/rtds/keystore", reference / "duis/templates"
    cases, made = tmp_path / "cases.json", tmp_path / "made"
    listed = run("cases", "--rtds", messages, "--templates", templates, "--out", cases)
    assert listed["no_request"] == 2
    hidden = messages.rename(tmp_path / "hidden")
    assert run("produce", "--cases", cases, "--keys", keys, "--out", made)["not_produced"] == {}
    hidden.rename(messages)
    junit, page = tmp_path / "junit.xml", tmp_path / "page.html"
    told = run("compare", "--produced", made, "--rtds", messages, "--keys", keys, "--junit", junit, "--html", page)
    assert told["identical_precommand"] == told["precommands"] == 2
    assert told["identical_command"] == told["commands"] - 2  # those that no request asks for
    assert int(str(told["response_same_shape"])) >= 4
    assert "<skipped message=" in junit.read_text()
    assert "GCS40a_1.5_SUCCESS" in page.read_text()


@pytest.mark.reference
def test_a_difference_is_placed_and_decoded(reference: Path, messages: Path, tmp_path: Path) -> None:
    keys, templates = reference / "gbcs/rtds/keystore", reference / "duis/templates"
    cases, made = tmp_path / "cases.json", tmp_path / "made"
    run("cases", "--rtds", messages, "--templates", templates, "--out", cases)
    document = json.loads(cases.read_text())
    for case in document["cases"]:
        case["current_utc"] = "2016-01-01T00:00:00Z"
    cases.write_text(json.dumps(document))
    run("produce", "--cases", cases, "--keys", keys, "--out", made)
    told = run("compare", "--produced", made, "--rtds", messages, "--keys", keys)
    listed = told["different"]
    assert isinstance(listed, list)
    different = [entry for entry in listed if entry["kind"] == "COMMAND"]
    assert {entry["case"].split("_")[0] for entry in different} == {"GCS40a"}
    assert {entry["verdict"] for entry in different} == {"same shape"}


def test_odd_files_are_named_and_do_not_stop_the_others(tmp_path: Path) -> None:
    messages, requests, keys = tmp_path / "rtds" / "deep", tmp_path / "templates", tmp_path / "rtds" / "keystore"
    for folder in (messages, requests, keys):
        folder.mkdir(parents=True)
    messages.joinpath("README.md").write_text("no message")
    messages.joinpath("ODD1_1.5_SUCCESS_COMMAND.hex").write_text("not hexadecimal")
    messages.joinpath("ODD2_1.5_SUCCESS_COMMAND.HEX").write_bytes(b"\xff\xfe")
    messages.joinpath("ODD3_1.5_SUCCESS_RESPONSE.HEX").write_text("dd00")
    messages.joinpath("NONE_1.5_SUCCESS_COMMAND.HEX").write_text("df00")
    for name in ("ODD1", "ODD2", "ODD3"):
        requests.joinpath(f"{name}_1.5_SUCCESS_REQUEST_DUIS.XML").write_text("<no request")
    told = run("--rtds", tmp_path / "rtds", "--templates", requests)
    assert told["cases"] == 0
    assert told["without_request"] == ["NONE_1.5_SUCCESS"]
    assert isinstance(told["not_produced"], dict)
    assert set(told["not_produced"]) == {f"ODD{number}_1.5_SUCCESS" for number in (1, 2, 3)}


@pytest.mark.reference
def test_an_alert_whose_command_is_not_published_follows_from_the_request(reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for path in (reference / "gbcs/rtds/messages/1.6_ECS03").glob("*8F66*"):
        folder.joinpath(path.name).write_bytes(path.read_bytes())
    told = run("--rtds", folder, "--templates", reference / "duis/templates", "--keys", reference / "gbcs/rtds/keystore")
    assert (told["cases"], told["no_request"]) == (1, 0)
    assert told["alerts"] == told["alert_same_shape"] == told["alert_verified"] == 2
