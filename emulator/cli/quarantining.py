"""``dcc-emulator quarantine``: requests that anomaly detection holds for an operator."""

from typing import Annotated

import typer

from emulator.cli.output import print_json, print_rows
from emulator.cli.remote import OPERATOR_VARIABLE, Call, remote
from emulator.duis.datetimes import format_datetime

application = typer.Typer(no_args_is_help=True, help="Requests that anomaly detection holds for an operator.")

Operator = Annotated[
    str, typer.Option("--operator", envvar=OPERATOR_VARIABLE, help="The human who does this, for the audit trail.")
]
Reference = Annotated[int, typer.Argument(help="Reference of the quarantined request.", min=1)]


@application.command("list")
@remote
def quarantine_list(call: Call) -> None:
    """List what is in quarantine."""
    found = call.ask(lambda client: client.quarantine())
    if call.as_json:
        print_json(found)
        return
    columns = ("Reference", "Simulated", "User", "Variant", "RequestID", "Why")
    rows = [
        (held["reference"], format_datetime(held["at_ms"]), held["user"], held["variant"], held["request_id"], held["reason"])
        for held in found
    ]
    print_rows(columns, rows)


@application.command("release")
@remote
def quarantine_release(call: Call, reference: Reference, operator: Operator = "") -> None:
    """Let a request go on."""
    found = call.ask(lambda client: client.release(reference, operator=operator))
    call.show(found)


@application.command("delete")
@remote
def quarantine_delete(call: Call, reference: Reference, operator: Operator = "") -> None:
    """Delete a request."""
    found = call.ask(lambda client: client.delete_quarantined(reference, operator=operator))
    call.show(found)
