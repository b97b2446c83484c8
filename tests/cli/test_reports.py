"""Reports from the command line, against a server."""

from collections.abc import Iterator

import pytest

from emulator.domain.identifiers import format_eui
from emulator.reports.registry import REPORTS
from emulator.testing.harness import RunningEmulator, running_emulator
from tests.cli.conftest import Run
from tests.service.conftest import ESME, OTHER_USER, SUPPLIER

METER, USER, AGENT = (format_eui(eui) for eui in (ESME, SUPPLIER, OTHER_USER))


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    """A server on which an agent has read a version and has been refused."""
    with running_emulator() as found:
        yield found


@pytest.fixture
def at(emulator: RunningEmulator, run: Run) -> Run:
    """Run a verb against it."""
    return lambda *arguments, **options: run(*arguments, "--server", emulator.control, **options)


def test_which_there_are(at: Run) -> None:
    assert [each["name"] for each in at("report", "list", "--json").json] == list(REPORTS)
    shown = at("report").out
    assert all(name in shown for name in REPORTS)


def test_every_report_can_be_shown(at: Run) -> None:
    for name, report in REPORTS.items():
        shown = at("report", name)
        assert shown.code == 0
        heading = report.columns[0].name.removesuffix("_ms").replace("_", " ").capitalize()
        assert shown.out.startswith(heading)
        assert at("report", name, "--json").json["columns"][0]["name"] == report.columns[0].name


def test_every_filter_has_an_option(at: Run) -> None:
    asked = at("report", "--help").out
    renamed = {"from_ms": "--from", "to_ms": "--to", "within_ms": "--within", "longer_than_ms": "--longer-than"}
    for each in {each.name for report in REPORTS.values() for each in report.filters}:
        assert renamed.get(each, f"--{each.replace('_', '-')}") in asked, each
    assert at("report", "combinations", "--type", "ESME").code == 0


def test_what_an_agent_did(at: Run, run: Run, emulator: RunningEmulator) -> None:
    beside = ("--server", emulator.control, "--duis", emulator.duis, "--smki", emulator.smki)
    assert run("send", "11.2", "-d", METER, "--user", AGENT, *beside).code == 0
    assert run("send", "6.15.1", "-d", METER, "--user", AGENT, *beside).code != 0
    found = at("report", "rsa-activity", "--user", AGENT, "--variant", "11.2", "--json").json
    assert [(row["verdict"], row["requests"]) for row in found["rows"]] == [("accepted", 1)]
    shown = at("report", "rsa-activity", "--user", AGENT, "--limit", "1").out
    assert AGENT in shown
    assert "Z" in shown.splitlines()[1]


def test_a_grant_in_words(at: Run) -> None:
    supplier = next(each["party"] for each in at("users", "list", "--json").json if each["user"] == USER)
    at("grant", "put", "--supplier", supplier, "--agent", AGENT, "--to", "2099-01-01T00:00:00Z")
    assert at("report", "expiring-grants", "--within", "7d", "--json").json["count"] == 0
    shown = at("report", "expiring-grants", "--within", "40000d", "--supplier", supplier).out
    assert "2099-01-01T00:00:00" in shown
    assert "days" in shown


def test_what_is_wrong_is_told_in_words(at: Run) -> None:
    unknown = at("report", "funnel")
    assert (unknown.code, "there is no report 'funnel'; expected one of campaign-funnel" in unknown.err) == (2, True)
    no_filter = at("report", "held-images", "--region", "North")
    assert (no_filter.code, "has no filter 'region'; expected supplier, sender, device" in no_filter.err) == (2, True)
    assert at("report", "held-images", "--longer-than", "7d", "--json").json["count"] == 0
    assert at("report", "expiring-grants", "--within", "soon").code == 2
    assert at("report", "rsa-activity", "--from", "yesterday").code == 2
