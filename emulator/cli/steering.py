"""The verbs of ``dcc-emulator campaign`` for campaigns that run in a server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.campaigns.folder import REPORT, write_run
from emulator.campaigns.funnel import STAGES
from emulator.campaigns.reading import read_plan
from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.cli.remote import DEFAULT_SERVER, ServerOption, TokenOption, WorldOption, ask
from emulator.client.control import ControlClient
from emulator.client.control_calls import Json
from emulator.duis.datetimes import format_datetime

CampaignName = Annotated[str, typer.Argument(help="Name of a campaign of the server.", show_default=False)]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow it until it ends or rests; end with 1 unless it is complete.")]
COUNTS = (*STAGES, "failed", "contact_lost", "overdue", "open")
"""Numbers that are shown of a wave."""
LOOK_MS = 10_000
"""Wall time of one wait; then how the campaign stands is shown."""


def add_verbs(application: typer.Typer) -> None:
    """Put the verbs beside the others."""
    for name, action in (("start", start), ("list", list_campaigns), ("show", show), ("result", result), ("drop", drop)):
        application.command(name)(action)
    for name, text in (
        ("pause", "Begin no wave, send no activation, try nothing again; what is on its way goes on."),
        ("resume", "Go on after a pause; after a gate halted the campaign, go on in spite of it."),
        ("stop", "Emergency stop: no further request or activation, and what is not yet at a device is cancelled."),
        ("retry", "Try once more, now, what failed for a reason of the plan's [retry]; a halted campaign goes on with that."),
    ):
        application.command(name, help=text)(_steering(name))


@verb
def start(
    plan: Annotated[Path, typer.Argument(help="A campaign plan in TOML.", show_default=False)],
    server: ServerOption = DEFAULT_SERVER,
    world: WorldOption = "default",
    token: TokenOption = "",
    wait: WaitOption = False,
    json_output: JsonFlag = False,
) -> None:
    """Start a campaign in a world of a running server; it goes on there by the world's clock when this command has ended."""
    name = read_plan(plan).name
    text = plan.read_text("utf-8")
    found = ask(server, world, token, lambda control: control.start_campaign(text))
    if wait:
        found = _follow(server, world, token, name, quiet=json_output)
    _tell(found, json_output=json_output)
    if wait:
        _judge(found)


@verb
def list_campaigns(
    server: ServerOption = DEFAULT_SERVER, world: WorldOption = "default", token: TokenOption = "", json_output: JsonFlag = False
) -> None:
    """List the campaigns of a world of a running server."""
    found = ask(server, world, token, lambda control: control.campaigns())
    if json_output:
        print_json({"campaigns": found})
        return
    rows = [
        (each["campaign"], each["phase"], each["verdict"], len(each.get("waves", ())), each.get("waves_of_plan"), each["title"])
        for each in found
    ]
    print_rows(("Campaign", "Phase", "Verdict", "Wave", "Of", "Title"), rows)


@verb
def show(
    name: CampaignName,
    server: ServerOption = DEFAULT_SERVER,
    world: WorldOption = "default",
    token: TokenOption = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it until it ends or rests; then end with 1 unless complete.")
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Show how a campaign stands: phase, waves and their funnel, what was decided."""
    if wait:
        found = _follow(server, world, token, name, quiet=json_output)
    else:
        found = ask(server, world, token, lambda control: control.campaign(name))
    _tell(found, json_output=json_output)
    if wait:
        _judge(found)


@verb
def result(
    name: CampaignName,
    server: ServerOption = DEFAULT_SERVER,
    world: WorldOption = "default",
    token: TokenOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for result, report and curves.", show_default=False)] = None,
    json_output: JsonFlag = False,
) -> None:
    """Fetch everything about a campaign so far, and write the folder that `campaign run --out` would."""
    found = ask(server, world, token, lambda control: control.campaign_result(name))
    files = [] if out is None else write_run(out, found, pictures=False)
    if json_output or out is None:
        print_json(found)
    else:
        console().print(f"report: {next(path for path in files if path.name == REPORT)}")


@verb
def drop(
    name: CampaignName,
    server: ServerOption = DEFAULT_SERVER,
    world: WorldOption = "default",
    token: TokenOption = "",
    json_output: JsonFlag = False,
) -> None:
    """Break a campaign off, where it still runs, and forget it. What it has sent stays sent."""
    ask(server, world, token, lambda control: control.drop_campaign(name))
    print_json({"dropped": name}) if json_output else print_fields("", {"dropped": name})


def _steering(act: str) -> Callable[..., None]:
    @verb
    def steer(
        name: CampaignName,
        server: ServerOption = DEFAULT_SERVER,
        world: WorldOption = "default",
        token: TokenOption = "",
        json_output: JsonFlag = False,
    ) -> None:
        _tell(ask(server, world, token, lambda control: control.steer_campaign(name, act)), json_output=json_output)

    return steer


def _follow(server: str, world: str, token: str, name: str, *, quiet: bool) -> Json:
    """Wait until it ends or rests, and say on the way what it decides."""
    told = 0

    def question(control: ControlClient) -> Awaitable[Json]:
        return control.wait_for_campaign(name, timeout_ms=LOOK_MS)

    while True:
        found = ask(server, world, token, question)
        decisions = found.get("decisions", [])
        for each in () if quiet else decisions[told:]:
            wave = "" if each["wave"] is None else f" wave {each['wave']}"
            console().print(
                f"{format_datetime(each['at_ms'])} {each['what']}{wave}" + (f": {each['why']}" if each["why"] else "")
            )
        told = len(decisions)
        if found["at_rest"]:
            return found


def _tell(found: Json, *, json_output: bool) -> None:
    if json_output:
        print_json(found)
        return
    fields: dict[str, Any] = {name: found[name] for name in ("campaign", "phase", "verdict")}
    if found["problem"]:
        fields["problem"] = found["problem"]
    if "devices" in found:
        fields |= {"devices": found["devices"], "next look": _instant(found["next_look_ms"])}
    print_fields(found["title"], fields)
    rows = [(f"wave {wave['wave']}", wave) for wave in found.get("waves", ())]
    if found.get("rollback") is not None:
        rows.append(("rollback", found["rollback"]))
    if rows:
        print_rows(
            ("", *(column.replace("_", " ") for column in COUNTS)),
            [(name, *(tally[column] for column in COUNTS)) for name, tally in [*rows, ("all", found["total"])]],
        )
    for each in found.get("decisions", ()):
        if each["why"] and each["what"] in ("halted", "stopped", "deadline missed", "given up"):
            console().print(f"{format_datetime(each['at_ms'])} {each['what']}: {each['why']}")


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_datetime(at_ms)


def _judge(found: Json) -> None:
    missed = (found.get("deadline") or {}).get("met") is False
    if found["verdict"] != "complete" or missed:
        raise typer.Exit(ExitCode.VERDICT)
