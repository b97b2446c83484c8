"""``dcc-emulator world``: worlds of a server: list, make, fork, snapshot, restore, reset, drop."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.cli.output import JsonFlag, print_fields, print_json, print_rows, verb
from emulator.cli.remote import DEFAULT_SERVER, Call, ServerOption, TokenOption, ask, instant_ms, remote
from emulator.duis.datetimes import format_datetime

application = typer.Typer(no_args_is_help=True, help="Worlds of a server: list, make, fork, snapshot, restore, reset, drop.")

NameArgument = Annotated[str, typer.Argument(help="a-z 0-9 _ -", show_default=False)]
EstateOption = Annotated[
    Path | None, typer.Option("--estate", help="Estate in TOML; the server's when not given.", show_default=False)
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Keys and chance follow from it.", show_default=False)]
StartOption = Annotated[str, typer.Option("--start", help="Simulated time at which it begins; else as the estate says.")]


def _show(found: dict[str, Any], json_output: bool) -> None:
    if json_output:
        print_json(found)
    else:
        now = format_datetime(found["now_ms"]) if "now_ms" in found else None
        print_fields("", {"world": found["world"], "state": found["state"], "now": now, "seed": found.get("seed")})


def _origin(estate: Path | None, seed: int | None, start: str) -> dict[str, Any]:
    return {
        "estate": None if estate is None else estate.read_text("utf-8"),
        "seed": seed,
        "start_ms": instant_ms(start) if start else None,
    }


@application.command("list")
@verb
def list_worlds(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", json_output: JsonFlag = False) -> None:
    """List the worlds of a server."""
    worlds = ask(server, "default", token, lambda client: client.worlds())
    if json_output:
        print_json(worlds)
        return
    rows = [(each["world"], each["state"], format_datetime(each["now_ms"]) if "now_ms" in each else None) for each in worlds]
    print_rows(("World", "State", "Simulated"), rows)


@application.command("make")
@verb
def make(
    name: NameArgument,
    estate: EstateOption = None,
    seed: SeedOption = None,
    start: StartOption = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    json_output: JsonFlag = False,
) -> None:
    """Make a further world."""
    origin = _origin(estate, seed, start)
    _show(ask(server, "default", token, lambda client: client.make_world(name, **origin)), json_output)


@application.command("reset")
@remote
def reset(call: Call, estate: EstateOption = None, seed: SeedOption = None, start: StartOption = "") -> None:
    """Forget everything in a world and begin again."""
    origin = _origin(estate, seed, start)
    _show(call.ask(lambda client: client.reset(**origin)), call.as_json)


@application.command("snapshot")
@remote
def snapshot(
    call: Call, name: Annotated[str, typer.Argument(help="Keep it in memory under this name, to restore or fork it.")] = ""
) -> None:
    """Write a snapshot to the data folder now, or keep one in memory under a name."""
    found = call.ask(lambda client: client.snapshot(name))
    call.show(found)


@application.command("snapshots")
@remote
def snapshots(call: Call) -> None:
    """List the snapshots that are kept under names."""
    found = call.ask(lambda client: client.snapshots())
    if call.as_json:
        print_json(found)
    else:
        print_rows(("Name", "Simulated"), [(each["name"], format_datetime(each["now_ms"])) for each in found])


@application.command("restore")
@remote
def restore(call: Call, name: Annotated[str, typer.Argument(help="Name of a kept snapshot.", show_default=False)]) -> None:
    """Go back to a kept snapshot: state and clock; journal, outbox and audit trail begin anew."""
    _show(call.ask(lambda client: client.restore(name)), call.as_json)


@application.command("fork")
@remote
def fork(
    call: Call,
    name: NameArgument,
    kept: Annotated[str, typer.Option("--snapshot", help="Begin at this kept snapshot instead of now.")] = "",
    endpoints: Annotated[bool, typer.Option("--endpoints", help="Send messages to the users' endpoints as well.")] = False,
) -> None:
    """Make a world that begins where another is. Its messages wait for endpoints of its own unless told otherwise."""
    found = call.ask(lambda client: client.fork(name, snapshot=kept, endpoints=endpoints))
    _show(found, call.as_json)


@application.command("drop")
@verb
def drop(
    name: NameArgument, server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", json_output: JsonFlag = False
) -> None:
    """End a world that a call made and delete what is kept of it."""
    ask(server, name, token, lambda client: client.drop_world())
    print_json({"dropped": name}) if json_output else print_fields("", {"dropped": name})
