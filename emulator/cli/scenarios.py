"""``dcc-emulator scenario``: list, check and run scenarios."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from emulator.cli.output import ExitCode, JsonFlag, console, print_json, print_rows, verb
from emulator.cli.remote import Addresses, tls
from emulator.domain.errors import Malformed
from emulator.scenarios.address import Address
from emulator.scenarios.evidence import bundle, read_bundle
from emulator.scenarios.library import find, library
from emulator.scenarios.model import Planned, Scenario
from emulator.scenarios.names import suggest
from emulator.scenarios.proofs import Proof, Standing, counts, prove, requirements
from emulator.scenarios.reading import read_scenario
from emulator.scenarios.regression import Comparison, compare
from emulator.scenarios.report import Outcome, Report, StepResult
from emulator.scenarios.runner import in_process_server, run_scenario
from emulator.scenarios.schema import scenario_schema
from emulator.scenarios.verdicts import html, junit
from emulator.service.config import Logging
from emulator.service.logs import configure_logs
from emulator.simulation.durations import format_duration

application = typer.Typer(no_args_is_help=True, help="List, check and run scenarios: who does what, and what must come of it.")

Wanted = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of shipped scenarios (S-10 means all that begin so), or TOML files.", show_default=False),
]

FullOption = Annotated[
    bool,
    typer.Option("--full", help="Those of full size too, which take minutes with the extra `scale` and hours without."),
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
    paths = _paths(scenarios, everything=not scenarios, full=True)
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
    full: FullOption = False,
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
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write verdicts as JUnit XML.", show_default=False)] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write verdicts as one HTML page.", show_default=False)] = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", help="Write a bundle per scenario into this folder; see `replay`.", show_default=False),
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Run scenarios and judge them. With `--json` the requirements that they show are proved as well (`scenario prove`).

    Ends with 1 when something is not as a file says, with 2 when a file is wrong, with 3 when the server does not answer.
    """
    configure_logs(Logging(level="error", format="json"))
    wanted = [read_scenario(path, seed=seed) for path in _paths(scenarios, everything=everything, full=full)]
    work = _run(wanted, _server(server, duis, token, listen), quiet=json_output, proving=json_output, keep=evidence is not None)
    reports, proofs = asyncio.run(work)
    if junit_file is not None:
        junit_file.write_text(junit(reports), "utf-8")
    if html_file is not None:
        html_file.write_text(html(reports, proofs), "utf-8")
    if evidence is not None:
        evidence.mkdir(parents=True, exist_ok=True)
        for scenario, report in zip(wanted, reports, strict=True):
            (evidence / f"{report.id}-{report.seed}.zip").write_bytes(bundle(scenario, report))
    passed = sum(report.passed for report in reports)
    if json_output:
        verdicts = [report.as_json() for report in reports]
        print_json({"passed": passed, "total": len(reports), **counts(proofs), "scenarios": verdicts,
                    "requirements": [proof.as_json() for proof in proofs]})  # fmt: skip
    elif len(reports) > 1:
        console().print(
            Text(f"{passed} of {len(reports)} scenarios passed", style="bold" if passed == len(reports) else "bold red")
        )
    if passed < len(reports):
        raise typer.Exit(ExitCode.VERDICT)


def _paths(scenarios: list[str] | None, *, everything: bool, full: bool) -> list[Path]:
    if bool(scenarios) == everything:
        raise Malformed("it is not clear which scenarios are meant", expected="ids, files, or --all for every shipped one")
    return find(scenarios or None, full=full)


@asynccontextmanager
async def _server(server: str, duis: str, token: str, listen: str) -> AsyncIterator[Address]:
    if server:
        found = Addresses.find(server, duis=duis)
        yield Address(found.control, found.duis, token, listen, tls())
    else:
        async with in_process_server() as address:
            yield address


async def _run(
    scenarios: list[Scenario], server: AbstractAsyncContextManager[Address], *, quiet: bool, proving: bool, keep: bool
) -> tuple[list[Report], list[Proof]]:
    reports, proofs = [], []
    async with server as address:
        for scenario in scenarios:
            with _progress(scenario, console(), quiet=quiet) as observer:
                report = await run_scenario(scenario, address, observer, keep=keep)
            reports.append(report)
            if not quiet:
                _print(report, scenario)
        if proving:
            ran = {scenario.about.id: report for scenario, report in zip(scenarios, reports, strict=True) if _shipped(scenario)}
            shown = [id_ for id_, row in requirements().items() if row.scenario in ran]
            proofs = await prove(shown, lambda scenario: run_scenario(scenario, address), ran)
    return reports, proofs


def _shipped(scenario: Scenario) -> bool:
    return library().get(scenario.about.id) == scenario.path


@application.command("replay")
@verb
def replay(
    bundles: Annotated[list[Path], typer.Argument(help="Evidence bundles that `run --evidence` wrote.", show_default=False)],
    json_output: JsonFlag = False,
) -> None:
    """Run evidence bundles again and compare: the same scenario, seed and emulator give the same requests and messages.

    Ends with 1 when one differs, with 2 for a file that is no bundle or was changed.
    """
    configure_logs(Logging(level="error", format="json"))
    rows = [asyncio.run(_replay(path)) for path in bundles]
    if json_output:
        print_json({"bundles": rows})
    else:
        print_rows(("File", "Scenario", "Sealed by", "Digest", "Same"),
                   [(row["file"], row["scenario"], row["emulator"], row["digest"][:16], "yes" if row["same"] else "no")
                    for row in rows])  # fmt: skip
    if not all(row["same"] for row in rows):
        raise typer.Exit(ExitCode.VERDICT)


async def _replay(path: Path) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        evidence = read_bundle(path, Path(folder))
        async with in_process_server() as address:
            report = await run_scenario(evidence.scenario, address)
    return {
        "file": str(path),
        "scenario": report.id,
        "emulator": evidence.manifest["emulator"],
        "digest": evidence.digest,
        "now": report.digest,
        "same": report.digest == evidence.digest,
    }


@application.command("schema")
@verb
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors that complete and check with it."""
    print_json(scenario_schema())


@application.command("explain")
@verb
def explain(
    scenario: Annotated[str, typer.Argument(help="Id of a shipped scenario, or a TOML file.", show_default=False)],
    json_output: JsonFlag = False,
) -> None:
    """Say what a scenario does, step by step, and what it shows."""
    for path in _paths([scenario], everything=False, full=True):
        read = read_scenario(path)
        proved = {id_: row for id_, row in requirements().items() if row.scenario == read.about.id and _shipped(read)}
        if json_output:
            print_json({**_described(read), "plan": [_planned(planned, read) for planned in read.steps],
                        "proves": {id_: row.shows for id_, row in proved.items()}})  # fmt: skip
            continue
        console().print(Text(f"{read.about.id} {read.about.title}", style="bold"))
        console().print(Text(" ".join(read.about.shows.split())))
        rows = [_planned(planned, read) for planned in read.steps]
        print_rows(
            ("Step", "Kind", "What", "Shows"),
            [(row["number"] or "fault", row["do"], row["title"], " ".join(row["requirements"]) or None) for row in rows],
        )
        for id_, row in proved.items():
            console().print(Text(f"{id_}: {row.shows} (step {row.expectation!r} fails with {row.switch.words()})"))


def _planned(planned: Planned, scenario: Scenario) -> dict[str, Any]:
    step = planned.step
    return {"number": planned.number, "do": step.do, "title": step.title(scenario.names), "requirements": list(step.requirements)}


@application.command("compare")
@verb
def compare_settings(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Ids (S-10 means all of S-10…), or TOML files.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every scenario that the package ships.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the world as PATH=VALUE, such as dsp.sr_11_4=false.", show_default=False),
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Run scenarios before and after a change of settings, such as a release, and say which verdicts are others then.

    Ends with 1 when one is.
    """
    configure_logs(Logging(level="error", format="json"))
    changed = dict(_setting(text) for text in settings or [])
    if not changed:
        raise Malformed("nothing is changed", where="--set", expected="at least one setting, such as dsp.sr_11_4=false")
    compared = asyncio.run(_compare(_paths(scenarios, everything=everything, full=False), changed))
    if json_output:
        print_json({"settings": changed, "same": all(each.same for each in compared),
                    "scenarios": [each.as_json() for each in compared]})  # fmt: skip
    else:
        words = {True: "passed", False: "failed"}
        rows = [
            (each.id, words[each.before], words[each.after], each.identical, "; ".join(each.failed) or None) for each in compared
        ]
        print_rows(("Scenario", "Before", "After", "Same messages", "Steps that fail then"), rows)
    if not all(each.same for each in compared):
        raise typer.Exit(ExitCode.VERDICT)


def _setting(text: str) -> tuple[str, Any]:
    """Path and value of one; a value is TOML, or a text where it is none."""
    path, sign, value = text.partition("=")
    if not sign or "." not in path:
        raise Malformed(f"{text!r} is no setting", where="--set", expected="PATH=VALUE, such as dsp.sr_11_4=false")
    try:
        return path, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return path, value


async def _compare(paths: list[Path], settings: dict[str, Any]) -> list[Comparison]:
    async with in_process_server() as address:
        return await compare(paths, settings, lambda scenario: run_scenario(scenario, address))


@application.command("prove")
@verb
def prove_requirements(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of requirements (Q7-05), or of scenarios whose requirements are meant; all when not given.",
                       show_default=False),
    ] = None,
    json_output: JsonFlag = False,
) -> None:  # fmt: skip
    """Prove that scenarios show what they say: take each behaviour away and see that the expectation for it fails.

    Ends with 1 when a requirement that names a scenario is not covered.
    """
    configure_logs(Logging(level="error", format="json"))
    ids = _requirement_ids(wanted or [])
    proofs = asyncio.run(_prove(ids))
    if json_output:
        print_json({**counts(proofs), "requirements": [proof.as_json() for proof in proofs]})
    else:
        print_rows(
            ("Id", "Priority", "Scenario", "Expectation", "Switch", "Standing"),
            [(proof.id, proof.requirement.priority, proof.requirement.scenario or None, proof.requirement.expectation or None,
              proof.requirement.switch.words() or None, proof.standing.value) for proof in proofs],
        )  # fmt: skip
    if any(proof.requirement.scenario and proof.standing is not Standing.COVERED for proof in proofs):
        raise typer.Exit(ExitCode.VERDICT)


async def _prove(ids: list[str]) -> list[Proof]:
    async with in_process_server() as address:
        return await prove(ids, lambda scenario: run_scenario(scenario, address))


def _requirement_ids(wanted: list[str]) -> list[str]:
    rows = requirements()
    if not wanted:
        return list(rows)
    found = []
    for text in wanted:
        named = [id_ for id_, row in rows.items() if text in (id_, row.scenario)]
        if not named:
            raise Malformed(f"{text!r} is no requirement and no scenario that shows one", expected=suggest(text, rows))
        found += named
    return list(dict.fromkeys(found))


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
