"""The runner: the same octets every time, any server, nothing left behind, and words when it cannot go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulator.client import session
from emulator.client.control import ControlClient
from emulator.client.errors import Unexpected, Unreachable
from emulator.domain.errors import Malformed
from emulator.scenarios import runner
from emulator.scenarios.address import Address
from emulator.scenarios.library import library
from emulator.scenarios.reading import parse_scenario, read_scenario
from emulator.scenarios.report import Failure, Outcome
from emulator.scenarios.runner import in_process_server, run_scenario
from emulator.service.config import load_settings
from emulator.service.server import running_server
from tests.scenarios.conftest import HEAD, Run, found, scenario_of

FREE_PORTS: dict[str, object] = {"duis.port": 0, "smki.port": 0, "control.port": 0}
READ = """
[[steps]]
do = "11.2"
name = "read"
by = "supplier"
device = "ESME@central"
answer = "I99"
"""


@asynccontextmanager
async def usual_server(**flags: object) -> AsyncIterator[Address]:
    """A server as somebody may have it: time runs, pushes wait for their floor."""
    named = {name.replace("_", ".", 1): value for name, value in flags.items()}
    async with running_server(load_settings(env={}, flags={**FREE_PORTS, **named})) as server:
        yield Address(server.url(), server.url("duis"), str(flags.get("control_token", "")))


@pytest.mark.parametrize("name", ["S-10-guard-on", "S-12"])
async def test_equal_files_and_seeds_give_equal_octets(name: str) -> None:
    path = library()[name]
    async with in_process_server() as server:
        first = await run_scenario(read_scenario(path), server)
        second = await run_scenario(read_scenario(path), server)
        other = await run_scenario(read_scenario(path, seed=2), server)
    async with usual_server() as server:
        elsewhere = await run_scenario(read_scenario(path), server)
    assert first.passed
    assert other.passed
    assert elsewhere.passed
    assert first.digest == second.digest == elsewhere.digest
    assert (first.simulated_ms, first.messages) == (elsewhere.simulated_ms, elsewhere.messages)
    assert other.digest != first.digest
    assert other.seed == 2


async def test_nothing_is_left_on_a_server() -> None:
    async with usual_server() as server, ControlClient(server.control) as control:
        assert (await run_scenario(scenario_of(READ), server)).passed
        with pytest.raises(Malformed):
            await run_scenario(scenario_of("[[steps]]\ndo = 'advance'\nto = 'start - 1 h'\n"), server)
        assert [world["world"] for world in await control.worlds()] == ["default"]


async def test_a_server_that_wants_a_token() -> None:
    async with usual_server(control_token="open sesame") as server:
        assert (await run_scenario(scenario_of(READ), server)).passed
        with pytest.raises(Malformed, match="it makes no world for test: HTTP 401: Authorization: the token is missing or wrong"):
            await run_scenario(scenario_of(READ), Address(server.control, server.duis))


async def test_a_server_whose_time_runs_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LEAD_MS", -3_600_000)  # as if an hour and more had gone by before the clock was stopped
    async with usual_server() as server, ControlClient(server.control) as control:
        with pytest.raises(Malformed, match=r"before it could be stopped; expected a server with a lower clock\.rate"):
            await run_scenario(scenario_of(READ), server)
        assert [world["world"] for world in await control.worlds()] == ["default"]


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(Unreachable):
        await run_scenario(scenario_of(READ), Address("http://127.0.0.1:1", "http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            "do = 'advance'\nto = 'start - 1 s'",
            "step 2 (advance): to: 2026-01-05T07:59:59.000Z is past: it is 2026-01-05T08:00:00.000Z by then",
        ),
        (
            "do = 'job.cancel'\ndevice = 'ESME@north'",
            "step 2 (job.cancel): device: 00-DB-12-34-56-78-91-A0 has no open firmware job",
        ),
        (
            "do = 'expect-device'\ndevice = 'ESME@central'\nstate = { runing_version = '1' }",
            "step 2 (expect-device): state: there is no 'runing_version'; expected perhaps 'running_version'",
        ),
        (
            "do = 'expect-device'\ndevice = 'stranger'\njob = 'none'",
            "step 2 (expect-device): device: there is no device 00-DB-12-34-56-99-99-99",
        ),
        (
            "do = 'template'\nby = 'supplier'\nfile = 'absent.xml'\nanswer = 'I99'",
            "step 2 (template): file: absent.xml cannot be read",
        ),
    ],
)
async def test_a_step_that_cannot_be_carried_out(step: str, words: str, run: Run) -> None:
    head = HEAD + "[devices]\nstranger = '00-DB-12-34-56-99-99-99'\n"
    with pytest.raises(Malformed) as caught:
        await run(scenario_of(f"{READ}\n[[steps]]\n{step}\n", head))
    assert str(caught.value).startswith(f"test.toml: {words}")


async def test_everything_wrong_is_reported_at_once(run: Run) -> None:
    report = await run(
        scenario_of(
            READ.replace("I99", "I0")
            + """
        [[steps]]
        do = "wait"
        answered = "read"
        within = "1 s"

        [[steps]]
        do = "run-until-idle"
        within = "1 s"

        [[steps]]
        do = "run-until-idle"

        [[steps]]
        do = "expect-messages"
        messages = [
          { to = "supplier", response = "I0", request = "read", values = { firmware_version = "00010100" } },
          { to = ["supplier", "supplier2"], device_alert = "8F72" },
        ]

        [[steps]]
        do = "expect-nothing-else"

        [[steps]]
        do = "expect-device"
        device = "ESME@central"
        job = "none"
    """
        )
    )
    assert not report.passed
    assert [step.outcome for step in report.steps] == [Outcome.FAILED] * 3 + [Outcome.PASSED] + [Outcome.FAILED] * 2 + [
        Outcome.PASSED
    ]
    assert found(report) == [
        "1 answer to 11.2 to ESME@central",
        "2 within 1 s",
        "3 idle within 1 s",
        "5 response I0 for 'read' to supplier",
        "5 device alert 8F72 to supplier",
        "5 device alert 8F72 to supplier2",
        "6 further messages",
    ]
    version = report.steps[4].failures[0]
    assert version.difference() == [
        "- count: 1",
        "- firmware_version: 00010100",
        "+ count: 0",
        "+ firmware_version: 00010000",
    ]
    assert report.steps[5].failures[0].seen == [version.last_messages[-1]]
    assert "response I0 about ESME@central, for 'read'" in version.last_messages[-1]


async def test_messages_are_accounted_for_once(run: Run) -> None:
    row = '{ to = "supplier", response = "I0", request = "read" }'
    report = await run(
        scenario_of(f"""{READ}
        [[steps]]
        do = "run-until-idle"
        [[steps]]
        do = "expect-messages"
        messages = [{row}]
        [[steps]]
        do = "expect-messages"
        messages = [{row}]
    """)
    )
    assert found(report) == ["4 response I0 for 'read' to supplier"]


async def test_an_answer_that_cannot_be_believed_ends_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Unexpected("the Pre-Command is not what was asked for")

    monkeypatch.setattr(session, "check_pre_command", refuse)
    text = "[[steps]]\ndo = '8.1.1'\nby = 'supplier'\ndevice = 'ESME@central'\nanswer = 'I99'\n"
    report = await run(scenario_of(text + READ))
    assert not report.passed
    assert report.problem == "test.toml: step 1 (8.1.1): the Pre-Command is not what was asked for"
    assert [step.outcome for step in report.steps] == [Outcome.FAILED, Outcome.NOT_RUN]


def test_differences_are_line_by_line() -> None:
    failure = Failure("x", {"a": ["1", "2"], "b": {"c": None}}, {"a": ["2"], "b": {"c": True}})
    assert failure.difference() == ["- a:", "-   1", "-   2", "- b: c: null", "+ a: 2", "+ b: c: true"]
    assert Failure("x", "one\ntwo", "one\nthree").difference() == ["  one", "- two", "+ three"]
    assert Failure("x", "", []).difference() == ['- ""', "+ []"]


def test_files_are_relative_to_the_scenario(tmp_path: Path) -> None:
    scenario = parse_scenario(HEAD + READ, tmp_path / "deep" / "test.toml")
    assert scenario.path.parent == tmp_path / "deep"


WAITS = """
[[steps]]
do = "hub.update"
hub = "CHF@central"
version = "00020000"
takes = "2 h"

[[steps]]
do = "wait"
device = "CHF@*"
state = { running_version = "00020000" }
within = "3 h"
"""


async def test_a_wait_in_vain_names_all_that_are_missing() -> None:
    estate = '[[estate.cpl]]\ntype = "CHF"\nmanufacturer = "10C0"\nmodel = "00010101"\nfirmware_version = "00020000"\n'
    async with in_process_server() as server:
        report = await run_scenario(scenario_of(estate + WAITS), server)
    (failure,) = report.steps[-1].failures
    assert failure.seen == {
        "state of CHF@north": "running_version 00010000",
        "state of CHF@south": "running_version 00010000",
    }
    assert report.simulated_ms == 3 * 3_600_000


UPDATE = """
[[steps]]
do = "image"
name = "{0}"
device = "ESME@central"
version = "{0}"
signed_by = "supplier"

[[steps]]
do = "cpl.put"
image = "{0}"

[[steps]]
do = "11.1"
by = "supplier"
image = "{0}"
devices = "ESME@central"
answer = "I99"

[[steps]]
do = "wait"
device = "ESME@central"
job = ["VERIFIED"]

[[steps]]
do = "11.3"
by = "supplier"
device = "ESME@central"
image = "{0}"
answer = "I99"

[[steps]]
do = "run-until-idle"

[[steps]]
do = "expect-device"
device = "ESME@central"
state = {{ running_version = "{1}" }}
"""


async def test_a_fault_that_selects_by_version_follows_the_version(run: Run) -> None:
    """Nobody runs the version when the fault is planned; who has come to it does not leave it any more."""
    fault = '[[faults]]\nkind = "device.activation_fails"\nwho = { type = "ESME", firmware_version = "00010100" }\n'
    report = await run(scenario_of(fault + UPDATE.format("00010100", "00010100") + UPDATE.format("00010200", "00010100")))
    assert report.passed, found(report)
