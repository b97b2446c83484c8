"""``dcc-emulator quarantine``: requests that anomaly detection holds for an operator."""

from typing import Annotated

import typer

from emulator.cli.output import JsonFlag, print_fields, print_json, print_rows, verb
from emulator.cli.remote import DEFAULT_SERVER, OPERATOR_VARIABLE, ServerOption, TokenOption, WorldOption, ask
from emulator.duis.datetimes import format_datetime

application = typer.Typer(no_args_is_help=True, help="Requests that anomaly detection holds for an operator.")

Operator = Annotated[
    str, typer.Option("--operator", envvar=OPERATOR_VARIABLE, help="The human who does this, for the audit trail.")
]
Reference = Annotated[int, typer.Argument(help="Reference of the quarantined request.", min=1)]


@application.command("list")
@verb
def quarantine_list(
    server: ServerOption = DEFAULT_SERVER, world: WorldOption = "default", token: TokenOption = "", json_output: JsonFlag = False
) -> None:
    """List what is in quarantine."""
    found = ask(server, world, token, lambda client: client.quarantine())
    if json_output:
        print_json(found)
        return
    columns = ("Reference", "Simulated", "User", "Variant", "RequestID", "Why")
    rows = [
        (held["reference"], format_datetime(held["at_ms"]), held["user"], held["variant"], held["request_id"], held["reason"])
        for held in found
    ]
    print_rows(columns, rows)


@application.command("release")
@verb
def quarantine_release(
    reference: Reference,
    operator: Operator = "",
    server: ServerOption = DEFAULT_SERVER,
    world: WorldOption = "default",
    token: TokenOption = "",
    json_output: JsonFlag = False,
) -> None:
    """Let a request go on."""
    found = ask(server, world, token, lambda client: client.release(reference, operator=operator))
    print_json(found) if json_output else print_fields("", found)


@application.command("delete")
@verb
def quarantine_delete(
    reference: Reference,
    operator: Operator = "",
    server: ServerOption = DEFAULT_SERVER,
    world: WorldOption = "default",
    token: TokenOption = "",
    json_output: JsonFlag = False,
) -> None:
    """Delete a request."""
    found = ask(server, world, token, lambda client: client.delete_quarantined(reference, operator=operator))
    print_json(found) if json_output else print_fields("", found)
