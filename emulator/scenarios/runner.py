"""Runs a scenario against a server, always over HTTP with real signatures, and judges it.

The server may be one of ours in this process or any running one: in both cases the scenario gets a world of its own and leaves
none behind.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from emulator.client.control import ControlClient
from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer, ClientError, KeyMissing, Rejected, Unexpected
from emulator.client.receiver import Receiver
from emulator.client.session import DuisClient
from emulator.client.signing import CounterSource
from emulator.domain.errors import Malformed
from emulator.duis.datetimes import format_datetime
from emulator.scenarios.address import LEAD_MS, Address
from emulator.scenarios.model import Planned, Scenario
from emulator.scenarios.rehearsal import Rehearsal
from emulator.scenarios.report import Outcome, Report, StepResult, transcript_digest
from emulator.scenarios.stage import Actor, NotSettled, Stage
from emulator.service.config import load_settings
from emulator.service.server import running_server, schema_set

REQUEST_TIMEOUT_S = 60.0
"""Wall time for one request; generous, because machines that run tests are busy."""
IN_PROCESS_WORLDS = 64

Observer = Callable[[StepResult], None]
"""Told before and after each step."""


@asynccontextmanager
async def in_process_server() -> AsyncIterator[Address]:
    """A server in this process, on free ports and in memory."""
    flags: dict[str, object] = {
        "duis.port": 0,
        "smki.port": 0,
        "control.port": 0,
        "clock.mode": "paused",
        "clock.start": "estate",
        "outbox.push_floor_ms": 0,
        "worlds.limit": IN_PROCESS_WORLDS,
    }
    async with running_server(load_settings(env={}, flags=flags)) as server:
        yield Address(server.url(), server.url("duis"))


async def run_scenario(scenario: Scenario, server: Address, observer: Observer = lambda _: None, *, keep: bool = False) -> Report:
    """Run it from its first step to its last; ``keep`` the transcript in the report.

    A step that finds something wrong does not end the run, so that every expectation is judged. Raise :class:`Malformed` for a
    step that cannot be carried out as it is written and for a server that makes no world, :class:`ClientError` when the server
    cannot be used otherwise.
    """
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        stage = await _set_stage(scenario, server, stack)
        report = Report(
            scenario.about.id,
            scenario.about.title,
            scenario.about.seed,
            [_result(scenario, planned) for planned in scenario.steps],
        )
        stage.rehearsal = Rehearsal(scenario, report, _note, lambda other: run_scenario(other, server))
        await _play(scenario, stage, report, observer)
    _note(report, stage)
    if not keep:
        report.exchanges = report.pushes = ()
    report.wall_ms = round((time.monotonic() - began_s) * 1000)
    return report


def _note(report: Report, stage: Stage) -> None:
    """Put into a report what has come so far."""
    report.simulated_ms = stage.now_ms - stage.start_ms
    report.requests, report.messages = len(stage.exchanges), len(stage.messages)
    exchanges = [(each.request, each.status, each.answer) for each in stage.exchanges]
    pushes = [message.push.document for message in sorted(stage.messages, key=lambda message: message.order)]
    report.digest = transcript_digest(exchanges, pushes)
    report.exchanges, report.pushes = exchanges, pushes


def _result(scenario: Scenario, planned: Planned) -> StepResult:
    step = planned.step
    return StepResult(planned.number, step.do, step.title(scenario.names), tuple(step.requirements))


async def _set_stage(scenario: Scenario, server: Address, stack: AsyncExitStack) -> Stage:
    """Make a world, stop its clock at the scenario's start, give every user a client and an endpoint."""
    world = f"{scenario.about.id.lower()}-{secrets.token_hex(4)}"
    control = await stack.enter_async_context(ControlClient(server.control, world, token=server.token, tls=server.tls))
    origin = {"name": world, "estate": scenario.estate_toml, "seed": scenario.about.seed, "start_ms": scenario.start_ms - LEAD_MS}
    try:
        await control.call("POST", "/control/v1/worlds", body=origin)
    except Rejected as error:
        raise Malformed(f"it makes no world for {scenario.about.id}: {error}", where=server.control) from None
    stack.push_async_callback(_delete, control, world)
    clock = await control.pause()
    if clock["now_ms"] > scenario.start_ms:
        detail = f"the clock of the new world was at {format_datetime(clock['now_ms'])} before it could be stopped"
        raise Malformed(detail, where=server.control, expected="a server with a lower clock.rate")
    keys = await control.key_store()
    stage = Stage(control, scenario.names, keys, scenario.path.parent, scenario.start_ms, scenario.start_ms)
    reader = MessageReader(keys, schema_set(None))
    for party in scenario.estate.parties:
        if party.roles:
            receiver = await stack.enter_async_context(Receiver(reader, server.listen))
            client = DuisClient(
                f"{server.duis.rstrip('/')}/worlds/{world}",
                party.eui,
                keys,
                timeout_s=REQUEST_TIMEOUT_S,
                reader=reader,
                counters=CounterSource(lambda: stage.now_ms),
                observer=stage.exchanges.append,
                tls=server.tls,
            )
            stage.actors[party.eui] = Actor(party.eui, await stack.enter_async_context(client), receiver)
            await control.set_endpoint(party.eui, receiver.url, floor_ms=0)
    await stage.advance_to(scenario.start_ms)
    return stage


async def _delete(control: ControlClient, world: str) -> None:
    with suppress(ClientError):
        await control.call("DELETE", f"/control/v1/worlds/{world}")


async def _play(scenario: Scenario, stage: Stage, report: Report, observer: Observer) -> None:
    for planned, result in zip(scenario.steps, report.steps, strict=True):
        result.at_ms = stage.now_ms
        if planned.step.name:
            stage.instants[planned.step.name] = stage.now_ms
        observer(result)
        try:
            await planned.step.run(stage)
        except Malformed as error:
            where = f"{planned.place}: {error.where}" if error.where else planned.place
            raise Malformed(error.detail, where=where, expected=error.expected) from None
        except (BadAnswer, Unexpected, KeyMissing, NotSettled) as error:
            report.problem = f"{planned.place}: {error}"
        result.failures = stage.failures[:]
        stage.failures.clear()
        result.outcome = Outcome.FAILED if result.failures or report.problem else Outcome.PASSED
        observer(result)
        if report.problem:
            return
