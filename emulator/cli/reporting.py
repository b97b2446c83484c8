"""``dcc-emulator report``: tables over a world and its audit trail."""

from typing import Annotated, Any

import typer

from emulator.cli.output import console, print_json, print_rows
from emulator.cli.remote import Call, ask, duration_ms, instant_ms, remote
from emulator.duis.datetimes import format_datetime
from emulator.reports.report import Unit
from emulator.simulation.durations import format_duration

LIST = "list"
"""In place of a name: which reports there are."""


@remote
def report(
    call: Call,
    name: Annotated[str, typer.Argument(help="Name of a report, or `list`.")] = LIST,
    user: Annotated[str, typer.Option("--user", help="User ID (EUI).")] = "",
    sender: Annotated[str, typer.Option("--sender", help="User ID (EUI) of who sent an image.")] = "",
    supplier: Annotated[str, typer.Option("--supplier", help="Company.")] = "",
    device: Annotated[str, typer.Option("--device", help="EUI of a device.")] = "",
    hub: Annotated[str, typer.Option("--hub", help="EUI of a hub.")] = "",
    region: Annotated[str, typer.Option("--region", help="CSP region.")] = "",
    request_id: Annotated[str, typer.Option("--request-id", help="RequestID.")] = "",
    device_type: Annotated[str, typer.Option("--type", help="Device type, such as ESME.")] = "",
    variant: Annotated[str, typer.Option("--variant", help="Service Reference Variant, such as 11.1.")] = "",
    within: Annotated[str, typer.Option("--within", help="Simulated time, such as 2h or 7d.")] = "",
    longer_than: Annotated[str, typer.Option("--longer-than", help="Held for more than this simulated time, such as 7d.")] = "",
    since: Annotated[str, typer.Option("--from", help="From this simulated instant on.")] = "",
    until: Annotated[str, typer.Option("--to", help="Before this simulated instant.")] = "",
    supplier_changed: Annotated[
        bool | None, typer.Option("--supplier-changed/--supplier-unchanged", help="Held after a change of supplier, or not.")
    ] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Rows to leave out.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many rows at most.")] = 100,
) -> None:
    """Show a report, or with `list` which there are. Each has filters of its own and names them when it is given another."""
    filters: dict[str, Any] = {
        "user": user or None,
        "sender": sender or None,
        "supplier": supplier or None,
        "device": device or None,
        "hub": hub or None,
        "region": region or None,
        "request_id": request_id or None,
        "type": device_type or None,
        "variant": variant or None,
        "within_ms": duration_ms(within) if within else None,
        "longer_than_ms": duration_ms(longer_than) if longer_than else None,
        "from_ms": instant_ms(since) if since else None,
        "to_ms": instant_ms(until) if until else None,
        "supplier_changed": supplier_changed,
    }
    if name == LIST:
        _list(call.server, call.world, call.token, as_json=call.as_json)
        return
    found = call.ask(lambda client: client.report(name, offset=offset, limit=limit, **filters))
    if call.as_json:
        print_json(found)
        return
    columns = found["columns"]
    rows = [[_said(row[column["name"]], column["unit"]) for column in columns] for row in found["rows"]]
    print_rows([_heading(column["name"]) for column in columns], rows)
    last = offset + len(rows)
    if len(rows) < found["count"]:
        console().print(f"rows {min(offset + 1, last)} to {last} of {found['count']}")


def _list(server: str, world: str, token: str, *, as_json: bool) -> None:
    found = ask(server, world, token, lambda client: client.reports())
    if as_json:
        print_json(found)
    else:
        rows = [(each["name"], " ".join(part["name"] for part in each["filters"]), each["says"]) for each in found]
        print_rows(("Report", "Filters", "What it says"), rows)


def _heading(name: str) -> str:
    return name.removesuffix("_ms").replace("_", " ").capitalize()


def _said(value: Any, unit: str) -> object:
    """A cell in words: instants as dates, durations with units."""
    if value is None:
        return None
    if unit == Unit.INSTANT:
        return format_datetime(value)
    return format_duration(value) if unit == Unit.DURATION else value
