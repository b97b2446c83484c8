"""``dcc-emulator scenario``: list, check and run scenarios."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from emulator.cli.output import ExitCode, JsonFlag, console, print_json, print_rows, verb
from emulator.cli.remote import Addresses
from emulator.domain.errors import Malformed
from emulator.scenarios.library import find, library
from emulator.scenarios.model import Scenario
from emulator.scenarios.reading import read_scenario
from emulator.scenarios.report import Outcome, Report, StepResult
from emulator.scenarios.runner import Address, in_process_server, run_scenario
from emulator.service.config import Logging
from emulator.service.logs import configure_logs
from emulator.simulation.durations import format_duration

application = typer.Typer(no_args_is_help=True, help="List, check and run scenarios: who does what, and what must come of it.")

Wanted = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of shipped scenarios (S-10 means all that begin so), or TOML files.", show_default=False),
]


@application.command("list")
@verb
def list_scenarios(json_output: JsonFlag = False) -> None:
    """List the scenarios that come with the emulator."""
    rows = [_described(read_scenario(path)) for path in library().values()]
    if json_output:
        print_json(rows)
        return
    print_rows(
        ("Id", "Size", "Title", "Shows"),
        [(row["id"], row["size"], row["title"], " ".join(row["requirements"]) or None) for row in rows],
    )


def _described(scenario: Scenario) -> dict[str, Any]:
    about = scenario.about
    return {
        "id": about.id,
        "title": about.title,
        "shows": " ".join(about.shows.split()),
        "requirements": list(about.requirements),
        "size": about.size.value,
        "seed": about.seed,
        "steps": sum(planned.number > 0 for planned in scenario.steps),
        "file": str(scenario.path),
    }


@application.command("check")
@verb
def check_scenarios(scenarios: Wanted = None, json_output: JsonFlag = False) -> None:
    """Check files without running them: every key, unit, name and reference. Ends with 2 when something is wrong."""
    paths = _paths(scenarios, everything=not scenarios)
    checked = [_described(read_scenario(path)) for path in paths]
    if json_output:
        print_json({"checked": checked})
    else:
        for row in checked:
            console().print(f"{row['id']}: {row['steps']} steps, nothing wrong")


@application.command("run")
@verb
def run_scenarios(
    scenarios: Wanted = None,
    everything: Annotated[bool, typer.Option("--all", help="All shipped scenarios.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Another seed than the file's.", show_default=False)] = None,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            envvar="DCC_SERVER",
            help="Run in a new world of this server (URL of its control service, or its ready "
            "file); without it in a server of its own.",
            show_default=False,
        ),
    ] = "",
    duis: Annotated[str, typer.Option("--duis", help="URL of its DUIS service.", show_default=False)] = "",
    token: Annotated[
        str, typer.Option("--token", envvar="DCC_CONTROL__TOKEN", help="Token of its control service.", show_default=False)
    ] = "",
    listen: Annotated[str, typer.Option("--listen", help="Address on which users take messages.")] = "127.0.0.1",
    json_output: JsonFlag = False,
) -> None:
    """Run scenarios and judge them.

    Ends with 1 when something is not as a file says, with 2 when a file is wrong, with 3 when the server does not answer.
    """
    configure_logs(Logging(level="error", format="json"))
    wanted = [read_scenario(path, seed=seed) for path in _paths(scenarios, everything=everything)]
    reports = asyncio.run(_run(wanted, _server(server, duis, token, listen), quiet=json_output))
    passed = sum(report.passed for report in reports)
    if json_output:
        print_json({"passed": passed, "total": len(reports), "scenarios": [report.as_json() for report in reports]})
    elif len(reports) > 1:
        console().print(
            Text(f"{passed} of {len(reports)} scenarios passed", style="bold" if passed == len(reports) else "bold red")
        )
    if passed < len(reports):
        raise typer.Exit(ExitCode.VERDICT)


def _paths(scenarios: list[str] | None, *, everything: bool) -> list[Path]:
    if bool(scenarios) == everything:
        raise Malformed("it is not clear which scenarios are meant", expected="ids, files, or --all for every shipped one")
    return list(library().values()) if everything else find(scenarios or [])


@asynccontextmanager
async def _server(server: str, duis: str, token: str, listen: str) -> AsyncIterator[Address]:
    if server:
        found = Addresses.find(server, duis=duis)
        yield Address(found.control, found.duis, token, listen)
    else:
        async with in_process_server() as address:
            yield address


async def _run(scenarios: list[Scenario], server: AbstractAsyncContextManager[Address], *, quiet: bool) -> list[Report]:
    reports = []
    async with server as address:
        for scenario in scenarios:
            with _progress(scenario, console(), quiet=quiet) as observer:
                report = await run_scenario(scenario, address, observer)
            reports.append(report)
            if not quiet:
                _print(report, scenario)
    return reports


@contextmanager
def _progress(scenario: Scenario, out: Console, *, quiet: bool) -> Iterator[Callable[[StepResult], None]]:
    """Show the step that is being carried out, where somebody watches."""
    if quiet or not out.is_terminal:
        yield lambda _: None
        return
    with out.status(scenario.about.id) as status:
        total = len(scenario.steps)

        def show(result: StepResult) -> None:
            status.update(Text(f"{scenario.about.id} {result.number}/{total} {result.title}"))

        yield show


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _print(report: Report, scenario: Scenario) -> None:
    out = console()
    mark, style = ("✔", "green") if report.passed else ("✘", "bold red")
    counts = f"{_many(report.requests, 'request')}, {_many(report.messages, 'message')}"
    what = f"{counts}, {format_duration(report.simulated_ms)} of simulated time"
    out.print(Text.assemble((mark, style), f" {report.id} {report.title} ({what}, {report.wall_ms / 1000:.1f} s)"))
    for step in report.failed:
        out.print(Text(f"  step {step.number}, {step.do}: {step.title}", style="bold"))
        for failure in step.failures:
            out.print(Text(f"    {failure.what}: - expected, + seen"))
            for line in failure.difference():
                out.print(Text(f"      {line}", style={"-": "green", "+": "red"}.get(line[0], "")))
            if failure.last_messages:
                out.print(Text("      last messages:", style="dim"))
            for line in failure.last_messages:
                out.print(Text(f"        {line}", style="dim"))
    if report.problem:
        left = sum(step.outcome is Outcome.NOT_RUN for step in report.steps)
        out.print(Text(f"  {report.problem}", style="red"))
        out.print(Text(f"  {left} steps were not run"))
    if not report.passed:
        which = report.id if library().get(report.id) == scenario.path else scenario.path
        out.print(Text(f"  again: dcc-emulator scenario run {which} --seed {report.seed}", style="dim"))
