"""``dcc-emulator fault``: what goes wrong on purpose."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.cli.output import JsonFlag, console, print_json, print_rows, verb
from emulator.cli.remote import Call, duration_ms, remote
from emulator.client.control import ControlClient
from emulator.client.errors import Rejected
from emulator.domain.errors import Malformed
from emulator.duis.datetimes import format_datetime
from emulator.simulation.faults import FACTS, KINDS, read_plan

application = typer.Typer(no_args_is_help=True, help="Faults on purpose: what goes wrong, for whom, when.")

Several = list[str] | None


@application.command("kinds")
@verb
def fault_kinds(json_output: JsonFlag = False) -> None:
    """List what can go wrong, with parameters, and by what one selects whom."""
    if json_output:
        print_json({"kinds": [_kind(name) for name in KINDS], "who": {name: fact.meaning for name, fact in FACTS.items()}})
        return
    rows = [(kind.name, kind.subject, " ".join(param.name for param in kind.params), kind.meaning) for kind in KINDS.values()]
    print_rows(("Kind", "Hits a", "Parameters", "What happens"), rows)
    print_rows(
        ("--who", "Selects by"), [*((name, fact.meaning) for name, fact in FACTS.items()), ("share", "so many of these, n/d")]
    )


def _kind(name: str) -> dict[str, Any]:
    kind = KINDS[name]
    params = [{"name": each.name, "meaning": each.meaning, "default": each.default, "takes": each.takes} for each in kind.params]
    return {"kind": name, "hits": kind.subject, "meaning": kind.meaning, "occasion": kind.occasion, "params": params}


@application.command("list")
@remote
def fault_list(call: Call) -> None:
    """List planned faults, the used-up ones included, and how often each has hit."""
    found = call.ask(lambda client: client.faults())
    if call.as_json:
        print_json(found)
        return
    columns = ("Fault", "Kind", "Condition", "Hits", "Last hit", "From", "To", "How often", "Whom, and name")
    print_rows(columns, [_row(fault) for fault in found])


def _row(fault: dict[str, Any]) -> tuple[object, ...]:
    last = fault["last_hit"]
    often = [f"{fault['chance'][0]}/{fault['chance'][1]}"] if fault["chance"] else []
    often += [f"after {fault['after']}"] if fault["after"] else []
    often += [f"{fault['times']} times"] if fault["times"] else []
    often += ["each"] if fault["counted"] == "each" else []
    often += ["-".join(fault["daily"])] if fault["daily"] else []
    whom = [fault["entity"]] if fault["entity"] else fault["devices"][:3] + ["…"] * (len(fault["devices"]) > 3)
    whom += [f"{name} {('/' if name == 'share' else ' ').join(map(str, values))}" for name, values in fault["who"].items()]
    return (
        *(fault["number"], fault["kind"], fault["condition"], fault["hits"]),
        f"{last['entity'] or 'somebody'} {format_datetime(last['at_ms'])}" if last else None,
        format_datetime(fault["from_ms"]) if fault["from_ms"] else None,
        None if fault["to_ms"] is None else format_datetime(fault["to_ms"]),
        ", ".join(often) or None,
        "; ".join([", ".join(whom) or "everyone", *([fault["name"]] if fault["name"] else [])]),
    )


@application.command("add")
@remote
def fault_add(
    call: Call,
    kind: Annotated[str, typer.Argument(help="What goes wrong; `fault kinds` lists them.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="Plan all faults of a TOML file instead.", exists=True, dir_okay=False)
    ] = None,
    device: Annotated[Several, typer.Option("--device", "-d", help="Whom: EUI of a hub or device; may be repeated.")] = None,
    who: Annotated[
        Several, typer.Option("--who", metavar="NAME=VALUE", help="Whom, such as region=North or share=1/20; all must hold.")
    ] = None,
    since: Annotated[str, typer.Option("--from", help="From when: an instant, or a span from now such as 2h.")] = "",
    until: Annotated[str, typer.Option("--to", help="Until when, the same way.")] = "",
    chance: Annotated[str, typer.Option("--chance", help="How likely on an occasion, such as 1/20.")] = "",
    times: Annotated[int | None, typer.Option("--times", min=1, help="How often at most.", show_default=False)] = None,
    after: Annotated[int | None, typer.Option("--after", min=0, help="Occasions to let pass first.", show_default=False)] = None,
    each: Annotated[bool, typer.Option("--each", help="Count --times and --after for each hub or device for itself.")] = False,
    daily: Annotated[str, typer.Option("--daily", help="Only in this part of the day, UTC, such as 22:00-06:00.")] = "",
    param: Annotated[Several, typer.Option("--param", metavar="NAME=VALUE", help="What the kind needs; may be repeated.")] = None,
    name: Annotated[str, typer.Option("--name", help="A name, for people.")] = "",
) -> None:
    """Plan a fault, or all faults of a file."""
    if bool(kind) == (file is not None):
        raise Malformed("what is to go wrong is not clear", expected="a KIND, or --file; `dcc-emulator fault kinds` lists kinds")
    if file is not None:
        plan = {f"{file}: fault {number}": each for number, each in enumerate(read_plan(file.read_bytes(), str(file)), 1)}
    else:
        given = {
            "kind": kind,
            "device": device,
            "who": _assignments(who, "--who", repeatable=True),
            "from": _moment(since),
            "to": _moment(until),
            "chance": chance,
            "times": times,
            "after": after,
            "counted": "each" if each else None,
            "daily": daily,
            "params": {key: _number(value) for key, value in _assignments(param, "--param").items()},
            "name": name,
        }
        plan = {"": {key: value for key, value in given.items() if value not in (None, "", {}, [])}}
    planned = call.ask(lambda client: _plan(client, plan))
    if call.as_json:
        print_json(planned)
    else:
        rows = [(each["fault"], fault["kind"], each["matches"]) for each, fault in zip(planned, plan.values(), strict=True)]
        print_rows(("Fault", "Kind", "Can hit now"), rows)


async def _plan(client: ControlClient, plan: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, or none."""
    planned: list[dict[str, Any]] = []
    for place, fault in plan.items():
        try:
            planned.append(await client.plan_fault(fault))
        except Rejected as error:
            for done in planned:
                await client.remove_fault(done["fault"])
            if not place:
                raise
            raise Malformed(error.explanation, where=place) from None
    return planned


def _assignments(given: Several, option: str, *, repeatable: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise Malformed(f"{text!r} is not an assignment", where=option, expected="NAME=VALUE")
        if key in found and repeatable and key != "share":
            found[key] = [*(found[key] if isinstance(found[key], list) else [found[key]]), value]
        elif key in found:
            raise Malformed(f"{key} is given twice", where=option, expected="each name once")
        else:
            found[key] = value
    return found


def _moment(text: str) -> str:
    """Spans may be written as everywhere on the command line (``30m``); what is none is for the server to read."""
    try:
        return f"now + {duration_ms(text)} ms"
    except Malformed:
        return text


def _number(text: str) -> int | str:
    """Numbers that are not codes: ``5``, but not ``0012``."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and str(int(digits)) == digits else text


@application.command("remove")
@remote
def fault_remove(
    call: Call,
    number: Annotated[int | None, typer.Argument(help="Number of the fault.", min=1, show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take all faults back.")] = False,
) -> None:
    """Take a fault back, or all of them."""
    if (number is None) != everything:
        raise Malformed("which fault is not clear", expected="a NUMBER, or --all; `dcc-emulator fault list` lists them")
    if number is None:
        call.ask(lambda client: client.clear_faults())
    else:
        wanted = number
        call.ask(lambda client: client.remove_fault(wanted))
    if call.as_json:
        print_json({"fault": number})
    else:
        console().print("all faults are taken back" if number is None else f"fault {number} is taken back")
