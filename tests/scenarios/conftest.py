"""Scenarios from files and from text, run against a server in this process."""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import pytest

from emulator.scenarios.model import Scenario
from emulator.scenarios.reading import parse_scenario, read_scenario
from emulator.scenarios.report import Report
from emulator.scenarios.runner import in_process_server, run_scenario
from emulator.service.config import Logging
from emulator.service.logs import configure_logs

HEAD = """
[scenario]
id = "test"
title = "A test"
shows = "something"
"""

Run = Callable[[Scenario], Awaitable[Report]]


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """What servers in this process say is one line each."""
    configure_logs(Logging(level="error", format="json"))


@pytest.fixture
def run() -> Run:
    """Run one scenario on a server of its own."""

    async def runs(scenario: Scenario) -> Report:
        async with in_process_server() as server:
            return await run_scenario(scenario, server)

    return runs


@cache
def as_read(path: Path) -> Scenario:
    """A shipped scenario, for tests that look at many and run none."""
    return read_scenario(path)


def scenario_of(steps: str, head: str = HEAD) -> Scenario:
    """A scenario from the text of its steps and, if need be, of what comes before them."""
    return parse_scenario(head + steps, Path("test.toml"))


def found(report: Report) -> list[str]:
    """What is wrong, one line each."""
    return [f"{step.number} {failure.what}" for step in report.steps for failure in step.failures]
