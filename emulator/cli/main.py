"""The verbs of ``dcc-emulator`` put together."""

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

import emulator
from emulator.cli import (
    auditing,
    authorities,
    calling,
    campaigns,
    comparing,
    conformance,
    delivering,
    diagnosing,
    estates,
    explaining,
    faults,
    granting,
    images,
    inspecting,
    keystores,
    quarantining,
    reporting,
    scenarios,
    sending,
    serving,
    stocking,
    swarming,
    world,
    worlds,
)
from emulator.cli.demo.command import demo
from emulator.cli.output import JsonFlag, console, print_fields, print_json, verb
from emulator.cli.remote import use_tls

application = typer.Typer(
    name="dcc-emulator",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reference emulator of the GB smart-metering DCC and its CSP networks.",
    epilog="Exit codes: 0 in order, 1 a verdict that is not, 2 wrong usage or input, 3 nobody answers.",
)
application.add_typer(images.application, name="image")
application.add_typer(keystores.application, name="pki")
keystores.application.add_typer(authorities.application, name="dccki")
application.add_typer(estates.application, name="estate")
application.add_typer(scenarios.application, name="scenario")
application.add_typer(campaigns.application, name="campaign")
application.add_typer(conformance.application, name="conformance")
application.add_typer(auditing.application, name="audit")
application.add_typer(granting.application, name="grant")
application.add_typer(quarantining.application, name="quarantine")
application.add_typer(faults.application, name="fault")
application.add_typer(stocking.application, name="stock")
application.add_typer(worlds.application, name="world")
application.add_typer(world.clock, name="clock")
application.add_typer(world.outbox, name="outbox")
application.add_typer(world.users, name="users")
application.command("devices")(world.devices)
application.command("journal")(world.journal)
application.command("exceptions")(world.exceptions)
application.command("diff")(comparing.diff)
application.command("replay")(comparing.replay)
application.command("report")(reporting.report)
application.command("call")(calling.call)
application.command("explain")(explaining.explain)
application.command("diagnose")(diagnosing.diagnose)
application.command("serve")(serving.serve)
application.command("send")(sending.send)
application.command("deliver")(delivering.deliver)
application.command("demo")(demo)
application.command("swarm")(swarming.swarm)
application.command("inspect")(inspecting.inspect_message)


def _say_version(wanted: bool) -> None:
    if wanted:
        console().print(f"dcc-emulator {emulator.__version__}")
        raise typer.Exit


@application.callback()
@verb
def root(
    version_wanted: Annotated[
        bool, typer.Option("--version", help="Say the version and end.", callback=_say_version, is_eager=True)
    ] = False,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", envvar="DCC_CA", help="Authorities of servers, in PEM.", exists=True, dir_okay=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--cert", envvar="DCC_CERTIFICATE", help="Client certificate in PEM.", exists=True, dir_okay=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", envvar="DCC_KEY", help="Its private key in PEM.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Reference emulator of the GB smart-metering DCC and its CSP networks."""
    use_tls(ca, certificate, key)


@application.command("version")
@verb
def version(json_output: JsonFlag = False) -> None:
    """Say which versions are at work."""
    libraries = {name: metadata.version(name) for name in ("aiohttp", "cryptography", "lxml", "xmlschema")}
    fields: dict[str, object] = {"emulator": emulator.__version__, "python": platform.python_version(), **libraries}
    if json_output:
        print_json(fields)
    else:
        print_fields("", fields)


def main() -> None:
    """Run the command line."""
    try:
        application()
    except KeyboardInterrupt:
        sys.exit(130)
