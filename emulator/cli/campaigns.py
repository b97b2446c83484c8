"""``dcc-emulator campaign``: run firmware campaigns, watch them, report on them and compare them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from emulator.campaigns.conduct import Observer, Run
from emulator.campaigns.curves import plotting
from emulator.campaigns.folder import REPORT, compare, read_run, write_comparison, write_run
from emulator.campaigns.funnel import ROLLBACK_WAVE, STAGES, total
from emulator.campaigns.pages import COMPARED, compared, shown
from emulator.campaigns.reading import Plan, read_plan
from emulator.campaigns.result import result_of
from emulator.campaigns.running import run_at_world, run_in_new_world, run_over_population
from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.cli.remote import Addresses, ServerOption, TokenOption, WorldOption, ask, duration_ms, tls
from emulator.cli.steering import add_verbs
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.duis.datetimes import format_datetime
from emulator.scenarios.address import Address
from emulator.service.config import Logging
from emulator.service.logs import configure_logs
from emulator.simulation.durations import format_duration

application = typer.Typer(no_args_is_help=True, help="Run firmware campaigns in waves behind gates, and compare them.")
add_verbs(application)

MOST_REQUESTS = 10_000
"""Rows of one report."""
WATCHED = ("requested", "accepted", "at_hub", "downloaded", "verified", "activated", "confirmed", "failed", "open", "missed")
"""Counts of the report `campaign-funnel` that are followed."""

Folder = Annotated[Path, typer.Argument(help="Folder that `campaign run --out` wrote, or its result.json.", show_default=False)]
Png = Annotated[bool, typer.Option("--png", help="Pictures too; needs the extra `plots`.")]
PlanFile = Annotated[Path, typer.Argument(help="A campaign plan in TOML.", show_default=False)]


@application.command("check")
@verb
def check_plan(plan: PlanFile, json_output: JsonFlag = False) -> None:
    """Check a plan without running it: every key, unit and choice. Ends with 2 when something is wrong."""
    read = read_plan(plan)
    found = {"campaign": read.name, "configuration": read.digest}
    if json_output:
        print_json(found)
    else:
        console().print(f"{read.name}: nothing wrong")


@application.command("run")
@verb
def run_campaign(
    plan: PlanFile,
    estate: Annotated[
        str, typer.Option("--estate", help="A generated estate to run over, in place of the plan's own.", show_default=False)
    ] = "",
    channels: Annotated[
        int | None, typer.Option("--channels", min=1, help="Radio channels of each cell of it.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Another seed than the plan's.", show_default=False)] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads over a generated estate.")] = 1,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            envvar="DCC_SERVER",
            help="URL of the control service of a running emulator, or its ready file. A plan with [estate] gets a world of its "
            "own there, another runs in --world. Without it a plan with [estate] runs in a server of its own.",
            show_default=False,
        ),
    ] = "",
    world: WorldOption = "default",
    duis: Annotated[str, typer.Option("--duis", help="URL of its DUIS service.", show_default=False)] = "",
    token: TokenOption = "",
    listen: Annotated[str, typer.Option("--listen", help="Address on which the supplier takes messages.")] = "127.0.0.1",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for result, report and curves.", show_default=False)] = None,
    pictures: Png = False,
    json_output: JsonFlag = False,
) -> None:
    """Run a plan to its end.

    Ends with 1 when the campaign was halted or stopped, did not come to its end, or missed its deadline.
    """
    configure_logs(Logging(level="error", format="json"))
    if pictures:
        plotting()
    read = read_plan(plan, _overrides(estate, channels, seed))
    began_s = time.monotonic()
    with _progress(quiet=json_output) as observer:
        run, where = _run(read, observer, threads=threads, server=server, world=world, duis=duis, token=token, listen=listen)
    result = result_of(read, run, where)
    files = [] if out is None else write_run(out, result, pictures=pictures)
    if json_output:
        print_json(result)
    else:
        _print(result, round(time.monotonic() - began_s, 1))
        if files:
            console().print(f"report: {next(path for path in files if path.name == REPORT)}")
    if result["verdict"] != "complete" or (result["deadline"] or {}).get("met") is False:
        raise typer.Exit(ExitCode.VERDICT)


def _overrides(estate: str, channels: int | None, seed: int | None) -> dict[str, dict[str, Any]]:
    population: dict[str, Any] = {**({"name": estate} if estate else {}), **({} if channels is None else {"channels": channels})}
    campaign = {} if seed is None else {"seed": seed}
    return {name: values for name, values in (("campaign", campaign), ("population", population)) if values}


def _run(
    plan: Plan, observer: Observer, *, threads: int, server: str, world: str, duis: str, token: str, listen: str
) -> tuple[Run, str]:
    document = plan.document
    if document.population is not None:
        run, _ = asyncio.run(run_over_population(plan, threads, observer))
        return run, f"over the generated estate {document.population.name}"
    address = None
    if server:
        found = Addresses.find(server, duis=duis)
        address = Address(found.control, found.duis, token, listen, tls())
    if document.estate is not None:
        return asyncio.run(run_in_new_world(plan, address, observer)), "over DUIS"
    if address is None:
        remedy = "[estate] or [population] in the plan, --estate, or --server"
        raise Malformed("it is not said where the campaign runs", where=plan.path.name, expected=remedy)
    return asyncio.run(run_at_world(plan, address, world, observer)), "over DUIS"


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Observer]:
    """A bar on standard error where somebody watches, else a line for each decision."""
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet:
        yield lambda _: None
        return
    if not out.is_terminal:
        told = 0

        def tell(run: Run) -> None:
            nonlocal told
            for each in run.runner.log[told:]:
                wave = f" wave {each.wave}" if each.wave is not None else ""
                out.print(Text(f"{format_datetime(each.at_ms)} {each.what}{wave}" + (f": {each.why}" if each.why else "")))
            told = len(run.runner.log)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("campaign", total=None)

        def draw(run: Run) -> None:
            runner = run.runner
            tallies = [tally for part, tally in run.tallies.items() if part.wave != ROLLBACK_WAVE]
            found = total(tallies)
            progress.update(
                task,
                total=sum(part.count for wave in runner.waves for part in wave),
                completed=found.requested - found.open - found.unread,
                description=f"wave {len(runner.started)} of {len(runner.waves)}, {runner.phase}, {format_datetime(run.ended_ms)}",
            )

        yield draw


def _print(result: dict[str, Any], wall_s: float) -> None:
    out = console()
    verdict = str(result["verdict"])
    mark, style = ("✔", "green") if verdict == "complete" else ("✘", "bold red")
    span = format_duration(result["ended_ms"] - result["began_ms"])
    out.print(Text.assemble((mark, style), f" {result['title']}: {verdict} ({span} of simulated time, {wall_s} s)"))
    for row in result["decisions"]:
        if row["why"] and row["what"] in ("halted", "stopped", "deadline missed", "given up"):
            wave = f", wave {row['wave']}" if row["wave"] is not None else ""
            out.print(Text(f"  {row['what']}{wave}: {row['why']}", style="red"))
    for region, count in (result["deadline"] or {"missed": {}})["missed"].items():
        if count:
            out.print(Text(f"  {count} not there by the deadline: {region}", style="red"))
    rows: list[tuple[str, dict[str, Any]]] = [(f"wave {wave['wave']}", wave) for wave in result["waves"]]
    if result["rollback"] is not None:
        rows.append(("rollback", result["rollback"]))
    rows += [*result["regions"].items(), ("all", result["total"])]
    names = (*STAGES, "failed", "contact_lost", "overdue")
    print_rows(
        ("", *(name.replace("_", " ") for name in names)),
        [(name, *(tally[column] for column in names)) for name, tally in rows],
    )
    for reason, count in result["total"]["failures"].items():
        out.print(Text(f"  {count} failed: {reason}"))


@application.command("device")
@verb
def look_at_device(
    plan: PlanFile,
    device: Annotated[str, typer.Argument(help="EUI of a device of the generated estate.", show_default=False)],
    at: Annotated[str, typer.Option("--at", help="How long after the beginning, such as 2d12h.")] = "0s",
    estate: Annotated[str, typer.Option("--estate", help="Another generated estate than the plan's.", show_default=False)] = "",
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads.")] = 1,
    json_output: JsonFlag = False,
) -> None:
    """Run a plan over a generated estate up to a time and look at one device: what it is, how it stands, what it waits for."""
    read = read_plan(plan, _overrides(estate, None, None))
    _, target = asyncio.run(run_over_population(read, threads, until_ms=duration_ms(at)))
    found = target.describe(parse_eui(device))
    if json_output:
        print_json(found)
    else:
        print_fields(f"{device}, {format_datetime(target.now_ms)}", found)


@application.command("report")
@verb
def report(folder: Folder, pictures: Png = False, json_output: JsonFlag = False) -> None:
    """Write the report and the curves of a run anew from its result, and print it."""
    result = read_run(folder)
    files = write_run(folder if folder.is_dir() else folder.parent, result, pictures=pictures)
    if json_output:
        print_json(result)
        return
    _print(result, 0.0)
    for path in files:
        console().print(str(path))


@application.command("compare")
@verb
def compare_runs(
    folders: Annotated[list[Path], typer.Argument(help="Folders of two runs or more.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the comparison and its curves.", show_default=False)
    ] = None,
    pictures: Png = False,
    json_output: JsonFlag = False,
) -> None:
    """Put runs side by side."""
    if len(folders) < 2:
        raise Malformed("there is nothing to compare with", expected="folders of two runs or more")
    results = list(zip(_names(folders), map(read_run, folders), strict=True))
    files = [] if out is None else write_comparison(out, results, pictures=pictures)
    if json_output:
        print_json(compare(results))
        return
    rows = [(title, *(shown(key, compared(result, key)) for _, result in results)) for title, key in COMPARED]
    print_rows(("", *(name for name, _ in results)), rows)
    for path in files:
        console().print(str(path))


def _names(folders: list[Path]) -> list[str]:
    """Short names that differ: the folder's own, with those above it where that is not enough."""
    resolved = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in resolved) + 1):
        names = ["/".join(path.parts[-depth:]) for path in resolved]
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {folder.name}" for number, folder in enumerate(resolved, 1)]


@application.command("watch")
@verb
def watch(
    server: ServerOption = "http://127.0.0.1:8080",
    world: WorldOption = "default",
    token: TokenOption = "",
    every: Annotated[str, typer.Option("--every", help="Wall time between two looks.")] = "2s",
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest requests.")] = 20,
    json_output: JsonFlag = False,
) -> None:
    """Follow the report `campaign-funnel` of a running emulator, the DSP's view of each 11.1 and 11.4, until no job is open."""
    pause_s = duration_ms(every) / 1000
    before: list[dict[str, Any]] | None = None
    while True:
        found = ask(server, world, token, lambda control: control.report("campaign-funnel", limit=MOST_REQUESTS))
        rows = found["rows"][-limit:]
        if rows != before:
            _show(rows, json_output=json_output)
            before = rows
        if once or not any(row["open"] for row in rows):
            return
        time.sleep(pause_s)


def _show(rows: list[dict[str, Any]], *, json_output: bool) -> None:
    if json_output:
        print_json({"requests": rows})
        return
    names = ("request_id", "variant", "version", *WATCHED, "due_ms")
    shown_rows = [[format_datetime(row[name]) if name == "due_ms" else row[name] for name in names] for row in rows]
    print_rows([name.removesuffix("_ms").replace("_", " ").capitalize() for name in names], shown_rows)
