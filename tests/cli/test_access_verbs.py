"""Grants, quarantine, explanations and the audit trail from the command line, against a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.domain.identifiers import format_eui
from emulator.testing.harness import RunningEmulator, running_emulator
from tests.cli.conftest import Ran, Run
from tests.http.images import VERSION, product
from tests.service.conftest import ESME, OTHER_USER, SUPPLIER, SUPPLIER_2

METER, USER, RIVAL, AGENT = (format_eui(eui) for eui in (ESME, SUPPLIER, SUPPLIER_2, OTHER_USER))
FAR = "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """A server with a data folder."""
    with running_emulator({"storage.folder": tmp_path_factory.mktemp("data")}) as found:
        yield found


@pytest.fixture
def at(emulator: RunningEmulator, run: Run) -> Run:
    """Run a verb against it."""
    return lambda *arguments, **options: run(*arguments, "--server", emulator.control, **options)


def send(run: Run, emulator: RunningEmulator, *arguments: str) -> Ran:
    beside = ("--duis", emulator.duis, "--smki", emulator.smki, "--json")
    return run("send", *arguments, "--server", emulator.control, *beside)


def request_id(done: Ran) -> str:
    return str(done.json["answers"][-1]["request_id"])


def test_a_grant_from_put_to_revoked(at: Run, emulator: RunningEmulator, tmp_path: Path) -> None:
    users = at("users", "list", "--json").json
    supplier = next(each["party"] for each in users if each["user"] == USER)
    listed = tmp_path / "mpxns.txt"
    listed.write_text("1200000000001\n1200000000002\n")
    limits = ("--mpxns", listed, "--mpxn", "1200000000003", "--version", VERSION, "--approval", "per_version")
    put = at("grant", "put", "--supplier", supplier, "--agent", AGENT, "--to", FAR, *limits, "--max-devices", "9", "--json")
    number = put.json["grant"]
    (grant,) = at("grant", "list", "--json").json["grants"]
    assert (grant["number"], grant["max_devices"], grant["live"]) == (number, 9, True)
    assert grant["mpxns"] == ["1200000000001", "1200000000002", "1200000000003"]
    approved = at("grant", "approve", number, "--hash", product("ESME").image_hash, "--version", VERSION)
    assert (approved.code, "approval" in approved.out) == (0, True)
    shown = at("grant", "list").out
    assert f"mpxns 1200000000001 1200000000002 1200000000003; versions {VERSION}; 9 devices" in shown
    assert product("ESME").image_hash[:16] in shown
    assert at("grant", "revoke", number).code == 0
    assert at("grant", "list", "--json").json["grants"][0]["live"] is False


def test_wrong_grants_are_told_in_words(at: Run, tmp_path: Path) -> None:
    assert at("grant", "put", "--supplier", "Nobody", "--agent", AGENT, "--to", "1970-01-01T00:00:00Z").code in (1, 2)
    assert at("grant", "put", "--supplier", "Nobody", "--agent", "x", "--to", FAR).code == 2
    assert at("grant", "approve", "1").code == 2
    assert at("grant", "approve", "1", "--hash", "ab" * 32).code == 2
    assert at("grant", "revoke", "99").code != 0


def test_quarantine_from_list_to_release(at: Run, run: Run, emulator: RunningEmulator) -> None:
    emulator.ask(lambda control: control.put_threshold("8.2", RIVAL, requests=0))
    for _ in range(2):
        send(run, emulator, "8.2", "-d", METER, "--user", RIVAL)
    held = at("quarantine", "list", "--json").json
    assert [each["user"] for each in held] == [RIVAL, RIVAL]
    assert "the threshold is 0" in at("quarantine", "list").out
    first, second = (each["reference"] for each in held)
    assert at("quarantine", "release", first).code == 0
    assert at("quarantine", "delete", second, "--json").json["reference"] == second
    assert at("quarantine", "list", "--json").json == []
    gone = at("quarantine", "delete", second)
    assert (gone.code != 0, "nothing is quarantined" in gone.err) == (True, True)


def test_a_granted_request_is_explained(at: Run, run: Run, emulator: RunningEmulator) -> None:
    wanted = request_id(send(run, emulator, "11.2", "-d", METER, "--operator", "J. Doe"))
    emulator.ask(lambda control: control.run_until_idle(timeout_ms=1_000))
    shown = at("explain", wanted.lower())
    assert shown.code == 0
    for piece in (
        "11.2 as Command Variant 1 came to serviceS by J. Doe",
        "granted in role IS",
        "✓ not_responsible",
        "transactions",
        "gbcs.command",
    ):
        assert piece in shown.out
    assert at("explain", wanted, "--json").json["gates"][0]["granted"] is True


def test_a_refused_request_is_explained(at: Run, run: Run, emulator: RunningEmulator) -> None:
    done = send(run, emulator, "11.2", "-d", METER, "--user", RIVAL)
    shown = at("explain", request_id(done)).out
    code = done.json["answers"][-1]["code"]
    assert f": {code}\n" in shown
    assert "refused by not_responsible" in shown
    assert "✗ not_responsible: " in shown
    assert "looked at" in shown
    unknown = at("explain", f"{USER}:{METER}:77")
    assert (unknown.code, "nothing is known of request" in unknown.err) == (2, True)


def test_the_trail_of_a_server(at: Run, run: Run, emulator: RunningEmulator, tmp_path: Path) -> None:
    wanted = request_id(send(run, emulator, "11.2", "-d", METER, "--operator", "a.smith"))
    (decision,) = at("audit", "query", "--request-id", wanted, "--kind", "decision", "--json").json
    assert decision["entry"]["operator"] == "a.smith"
    shown = at("audit", "query", "--device", METER, "--user", USER, "--newest-first", "--limit", "5").out
    assert f"{USER} IS (a.smith)" in shown
    assert at("audit", "last-image", "--device", METER).code == 1
    verified = at("audit", "verify")
    assert (verified.code, "the trail is whole" in verified.out) == (0, True)
    export = tmp_path / "audit.jsonl"
    assert at("audit", "export", "-o", export, "--json").json["lines"] > 3
    assert run("audit", "verify", "--file", export).code == 0
