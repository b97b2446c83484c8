"""``dcc-emulator grant``: what suppliers let their agents do with firmware."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.cli.output import print_json, print_rows
from emulator.cli.remote import Call, instant_ms, remote
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.duis.datetimes import format_datetime
from emulator.ota.image import parse_image

application = typer.Typer(no_args_is_help=True, help="What suppliers let agents do: grants and approvals.")

Number = Annotated[int, typer.Argument(help="Number of the grant.", min=1)]
Limits = list[str] | None


@application.command("list")
@remote
def grant_list(call: Call) -> None:
    """List grants and approvals."""
    found = call.ask(lambda client: client.grants())
    if call.as_json:
        print_json(found)
        return
    grants = [_grant_row(grant) for grant in found["grants"]]
    print_rows(("Grant", "Supplier", "Agent", "From", "To", "Live", "Approval", "Limited to"), grants)
    if found["approvals"]:
        approvals = [_approval_row(approval) for approval in found["approvals"]]
        print_rows(("Approval", "Grant", "Version", "Image", "List", "Used by"), approvals)


def _grant_row(grant: dict[str, Any]) -> tuple[object, ...]:
    names = ("mpxns", "models", "regions", "versions")
    limits = [f"{name} {' '.join(grant[name][:5])}{' …' if len(grant[name]) > 5 else ''}" for name in names if grant[name]]
    exclusive = ["exclusive"] if grant["exclusive"] else []
    return (
        *(grant["number"], grant["supplier"], grant["agent"]),
        *(format_datetime(grant["from_ms"]), format_datetime(grant["to_ms"]), grant["live"], grant["approval"]),
        "; ".join([*limits, f"{grant['max_devices']} devices", *exclusive]),
    )


def _approval_row(approval: dict[str, Any]) -> tuple[object, ...]:
    digest = approval["devices_digest"]
    return (
        *(approval["number"], approval["grant"], approval["version"], f"{approval['image_hash'][:16]}…"),
        *(f"{digest[:16]}…" if digest else "any", approval["used_by"] or None),
    )


@application.command("put")
@remote
def grant_put(
    call: Call,
    supplier: Annotated[str, typer.Option("--supplier", help="Company that grants.")],
    agent: Annotated[str, typer.Option("--agent", help="User ID of the agent (EUI).")],
    until: Annotated[str, typer.Option("--to", help="Up to this simulated instant.")],
    since: Annotated[str, typer.Option("--from", help="From this simulated instant on; by default now.")] = "",
    mpxn: Annotated[Limits, typer.Option("--mpxn", help="Only this MPxN; may be repeated.")] = None,
    mpxns: Annotated[Path | None, typer.Option("--mpxns", help="Only the MPxNs of this file, one a line.", exists=True)] = None,
    model: Annotated[Limits, typer.Option("--model", help="Only this model, MANUFACTURER/MODEL; may be repeated.")] = None,
    region: Annotated[Limits, typer.Option("--region", help="Only this CSP region; may be repeated.")] = None,
    version: Annotated[Limits, typer.Option("--version", help="Only this firmware version; may be repeated.")] = None,
    max_devices: Annotated[int | None, typer.Option("--max-devices", min=0, help="Most devices of one request.")] = None,
    approval: Annotated[str, typer.Option("--approval", help="none, per_version or per_batch.")] = "none",
    on_change_of_supplier: Annotated[
        str, typer.Option("--on-change-of-supplier", help="What becomes of its jobs then: cancel or let_run.")
    ] = "cancel",
    exclusive: Annotated[bool, typer.Option("--exclusive", help="Nobody else distributes to what it covers.")] = False,
) -> None:
    """Let an agent distribute firmware for a supplier; what is not limited is not."""
    eui, to_ms = parse_eui(agent), instant_ms(until)
    limits: dict[str, Any] = {
        "from_ms": instant_ms(since) if since else None,
        "mpxns": [*(mpxn or ()), *(mpxns.read_text("utf-8").split() if mpxns else ())],
        "models": model or [],
        "regions": region or [],
        "versions": version or [],
        "max_devices": max_devices,
        "approval": approval,
        "on_change_of_supplier": on_change_of_supplier,
        "exclusive": exclusive,
    }
    found = call.ask(lambda client: client.put_grant(supplier, eui, to_ms, **limits))
    call.show(found)


@application.command("revoke")
@remote
def grant_revoke(call: Call, number: Number) -> None:
    """End a grant now."""
    found = call.ask(lambda client: client.revoke_grant(number))
    call.show(found)


@application.command("approve")
@remote
def grant_approve(
    call: Call,
    number: Number,
    image: Annotated[Path | None, typer.Option("--image", help="OTA file to approve.", exists=True, dir_okay=False)] = None,
    version: Annotated[str, typer.Option("--version", help="Firmware version; by default that of the image.")] = "",
    image_hash: Annotated[str, typer.Option("--hash", help="SHA-256 of the Manufacturer Image, in place of the image.")] = "",
    device: Annotated[list[str] | None, typer.Option("--device", help="For exactly these devices; may be repeated.")] = None,
    devices: Annotated[Path | None, typer.Option("--devices", help="The same from a file, one EUI a line.", exists=True)] = None,
) -> None:
    """Approve an image under a grant, for any devices or for exactly one list of them."""
    if (image is None) == (not image_hash):
        raise Malformed("what is approved is not clear", expected="one of --image and --hash")
    if image is not None:
        parsed = parse_image(image.read_bytes())
        version, image_hash = version or parsed.firmware_version, parsed.manufacturer_image_hash.hex()
    if not version:
        raise Malformed("a hash needs the version that it is of", where="--version", expected="such as 00010100")
    listed = [*(device or ()), *(devices.read_text("utf-8").split() if devices else ())]
    euis: list[Eui64] = [parse_eui(text) for text in listed]
    found = call.ask(lambda client: client.approve(number, version, image_hash, euis))
    call.show(found)
