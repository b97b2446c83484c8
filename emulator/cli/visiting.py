"""``dcc-emulator stock visit`` and ``fit``: an installer's visit with every message that a supplier sends for it, and what
hands do alone."""

import asyncio
from typing import Annotated, Any

import typer

from emulator.campaigns.site import at_world
from emulator.campaigns.visiting import Order, Visit, devices_of
from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.cli.remote import DEFAULT_SERVER, Addresses, Call, ServerOption, TokenOption, WorldOption, remote, tls
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.duis.datetimes import format_datetime
from emulator.scenarios.address import Address
from emulator.service.config import Logging
from emulator.service.logs import configure_logs


@verb
def visit(
    by: Annotated[str, typer.Option("--by", help="User of the supplier: its name or EUI.")],
    region: Annotated[str, typer.Option("--region", help="CSP region of the home.")],
    device: Annotated[
        list[str] | None,
        typer.Option("--device", help="Unit and its MPxN, EUI=MPxN; a display: EUI; may be repeated."),
    ] = None,
    hub: Annotated[str, typer.Option("--hub", help="EUI of the hub; as the supplier's policy has it when not given.")] = "",
    mpxn: Annotated[str, typer.Option("--mpxn", help="That 8.14.1 names; the first of a meter when not given.")] = "",
    post_code: Annotated[str, typer.Option("--post-code", help="Of the home.")] = "",
    address: Annotated[str, typer.Option("--address", help="The house.")] = "",
    update: Annotated[bool, typer.Option("--update", help="Send an older hub its firmware before anything joins it.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    duis: Annotated[str, typer.Option("--duis", help="URL of its DUIS service.", show_default=False)] = "",
    world: WorldOption = "default",
    token: TokenOption = "",
    json_output: JsonFlag = False,
) -> None:
    """Put a hub up in a home that never had one, with its devices, over DUIS.

    Ends with 1 when the visit failed; what was put up is with the installer then, unless a meter was commissioned already. Time
    moves as the visit goes on.
    """
    configure_logs(Logging(level="error", format="json"))
    found = asyncio.run(_carried_out(server, duis, world, token, by, region, device or [], hub, mpxn, post_code, address, update))
    if json_output:
        print_json(found)
    else:
        rows = [(format_datetime(step["at_ms"]), step["step"], step["outcome"]) for step in found["steps"]]
        print_rows(("At", "Step", "Outcome"), rows)
        print_fields("", {name: value for name, value in found.items() if name != "steps"})
    if not found["installed"]:
        console().print(f"the visit failed: {found['problem']}")
        raise typer.Exit(ExitCode.VERDICT)


async def _carried_out(
    server: str,
    duis: str,
    world: str,
    token: str,
    by: str,
    region: str,
    devices: list[str],
    hub: str,
    mpxn: str,
    post_code: str,
    address: str,
    update: bool,
) -> dict[str, Any]:
    found = Addresses.find(server, duis=duis)
    pairs = [(eui, number) for eui, _, number in (each.partition("=") for each in devices)]
    home = {"region": region, "post_code": post_code, "address_identifier": address}
    async with at_world(Address(found.control, found.duis, token, "127.0.0.1", tls()), world, by) as site:
        users = await site.control.users()
        company = next(row["party"] for row in users if parse_eui(row["user"]) == site.user)
        order = Order(company, home, devices_of(pairs), mpxn, parse_eui(hub) if hub else None, update)
        return await Visit(site, order).carry_out()


@remote
def fit(
    call: Call,
    device: Annotated[str, typer.Argument(help="EUI of the device, which the inventory must have.")],
    hub: Annotated[str, typer.Option("--hub", help="In the home of this hub; another hub takes its place.")] = "",
    region: Annotated[str, typer.Option("--region", help="CSP region of a home that the hub begins.")] = "",
    technology: Annotated[str, typer.Option("--technology", help="WAN technology of that home; else as the hub is.")] = "",
    uprn: Annotated[int | None, typer.Option("--uprn", min=1, help="Of that home.")] = None,
    post_code: Annotated[str, typer.Option("--post-code", help="Of that home.")] = "",
    address: Annotated[str, typer.Option("--address", help="The house.")] = "",
    supplier: Annotated[str, typer.Option("--supplier", help="Whose certificates it holds: EUI of a supplier.")] = "",
    network_operator: Annotated[
        str, typer.Option("--network-operator", help="Whose certificates it holds beside: EUI of a network operator.")
    ] = "",
) -> None:
    """Fit a device as an installer's hands do, without a message: beside a hub, in the place of one, or a hub in a new home.

    It joins once the hub's device log lists it (8.11).
    """
    said = {"technology": technology, "uprn": uprn, "post_code": post_code, "address_identifier": address}
    given = {name: value for name, value in said.items() if value}
    if bool(hub) == bool(region):
        expected = "one of --hub, in whose home, and --region, for a new home"
        raise Malformed("it is not said where", where="--hub", expected=expected)
    if given and not region:
        raise Malformed("a home that there is has its address", where="--hub", expected="--region, for a new home")
    where = {"hub": _eui(hub, "--hub")} if hub else {"home": {"region": region, **given}}
    parties = {
        "supplier": _eui(supplier, "--supplier"),
        "network_operator": _eui(network_operator, "--network-operator"),
    }
    eui = parse_eui(device)
    call.show(call.ask(lambda client: client.fit_device(eui, **where, **parties)))


def _eui(text: str, option: str) -> str | None:
    """An EUI in its usual form; None where none is given."""
    if not text:
        return None
    try:
        return format_eui(parse_eui(text))
    except Malformed as error:
        raise Malformed(error.detail, where=option, expected=error.expected) from None
