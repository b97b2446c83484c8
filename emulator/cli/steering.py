"""The verbs of ``dcc-emulator campaign`` for campaigns that run in a server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.campaigns.folder import REPORT, write_run
from emulator.campaigns.funnel import STAGES
from emulator.campaigns.reading import read_plan
from emulator.cli.output import ExitCode, console, print_fields, print_json, print_rows
from emulator.cli.remote import Call, remote
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


@remote
def start(
    call: Call,
    plan: Annotated[Path, typer.Argument(help="A campaign plan in TOML.", show_default=False)],
    wait: WaitOption = False,
) -> None:
    """Start a campaign in a world of a running server; it goes on there by the world's clock when this command has ended."""
    name = read_plan(plan).name
    text = plan.read_text("utf-8")
    found = call.ask(lambda control: control.start_campaign(text))
    if wait:
        found = _follow(call, name)
    _tell(found, as_json=call.as_json)
    if wait:
        _judge(found)


@remote
def list_campaigns(call: Call) -> None:
    """List the campaigns of a world of a running server."""
    found = call.ask(lambda control: control.campaigns())
    if call.as_json:
        print_json({"campaigns": found})
        return
    rows = [
        (each["campaign"], each["phase"], each["verdict"], len(each.get("waves", ())), each.get("waves_of_plan"), each["title"])
        for each in found
    ]
    print_rows(("Campaign", "Phase", "Verdict", "Wave", "Of", "Title"), rows)


@remote
def show(
    call: Call,
    name: CampaignName,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it until it ends or rests; then end with 1 unless complete.")
    ] = False,
) -> None:
    """Show how a campaign stands: phase, waves and their funnel, what was decided."""
    found = _follow(call, name) if wait else call.ask(lambda control: control.campaign(name))
    _tell(found, as_json=call.as_json)
    if wait:
        _judge(found)


@remote
def result(
    call: Call,
    name: CampaignName,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for result, report and curves.", show_default=False)] = None,
) -> None:
    """Fetch everything about a campaign so far, and write the folder that `campaign run --out` would."""
    found = call.ask(lambda control: control.campaign_result(name))
    files = [] if out is None else write_run(out, found, pictures=False)
    if call.as_json or out is None:
        print_json(found)
    else:
        console().print(f"report: {next(path for path in files if path.name == REPORT)}")


@remote
def drop(call: Call, name: CampaignName) -> None:
    """Break a campaign off, where it still runs, and forget it. What it has sent stays sent."""
    call.ask(lambda control: control.drop_campaign(name))
    call.show({"dropped": name})


def _steering(act: str) -> Callable[..., None]:
    @remote
    def steer(call: Call, name: CampaignName) -> None:
        _tell(call.ask(lambda control: control.steer_campaign(name, act)), as_json=call.as_json)

    return steer


def _follow(call: Call, name: str) -> Json:
    """Wait until it ends or rests, and say on the way what it decides."""
    told = 0

    def question(control: ControlClient) -> Awaitable[Json]:
        return control.wait_for_campaign(name, timeout_ms=LOOK_MS)

    while True:
        found = call.ask(question)
        decisions = found.get("decisions", [])
        for each in () if call.as_json else decisions[told:]:
            wave = "" if each["wave"] is None else f" wave {each['wave']}"
            console().print(
                f"{format_datetime(each['at_ms'])} {each['what']}{wave}" + (f": {each['why']}" if each["why"] else "")
            )
        told = len(decisions)
        if found["at_rest"]:
            return found


def _tell(found: Json, *, as_json: bool) -> None:
    if as_json:
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
