"""``dcc-emulator estate``: look at an estate declared in TOML, and check it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.duis.datetimes import format_datetime
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import Estate, Party
from emulator.world import create_world

application = typer.Typer(no_args_is_help=True, help="Show and check estates: homes, devices, parties, firmware list.")

DEFAULT_NAME = "embedded default"

File = Annotated[Path | None, typer.Argument(help="TOML estate; without one the embedded default.", exists=True, dir_okay=False)]


@application.command("show")
@verb
def show_estate(file: File = None, json_output: JsonFlag = False) -> None:
    """Tabulate what an estate declares."""
    estate = read_estate(file)
    if json_output:
        print_json(_as_json(estate))
        return
    console().print(f"estate {estate.name}: seed {estate.seed}, begins {format_datetime(estate.start_ms)}")
    print_rows(("EUI", "Name", "Company", "Roles"), [_party(party) for party in estate.parties], title="Parties")
    names = {party.eui: party.name for party in estate.parties}
    for home in estate.homes:
        rows = [
            (
                format_eui(device.eui),
                device.device_type,
                device.manufacturer,
                device.model,
                device.firmware_version,
                device.status,
                device.import_mpxn or None,
                None if device.supplier is None else names.get(device.supplier, format_eui(device.supplier)),
            )
            for device in home.devices
        ]
        columns = ("EUI", "Type", "Manufacturer", "Model", "Firmware", "Status", "MPxN", "Supplier")
        print_rows(columns, rows, title=f"Home {home.name} ({home.region}, {home.wan_technology})")
    registered = [
        (r.mpxn, r.role, r.party, format_datetime(r.from_ms), None if r.to_ms is None else format_datetime(r.to_ms))
        for r in estate.registrations
    ]
    print_rows(("MPxN", "Role", "Company", "From", "To"), registered, title="Registrations")
    rows_cpl = [(e.device_type, e.manufacturer, e.model, e.firmware_version, e.status, e.image_hash or None) for e in estate.cpl]
    print_rows(("Type", "Manufacturer", "Model", "Firmware", "Status", "Hash"), rows_cpl, title="Firmware list")


@application.command("validate")
@verb
def validate_estate(file: File = None, json_output: JsonFlag = False) -> None:
    """Check an estate and its settings by making a world of it; ends with 1 and names the place when something is wrong."""
    name = DEFAULT_NAME if file is None else str(file)
    try:
        folder = None if file is None else file.parent
        estate = create_world(estate_toml=estate_text(file), source=name, folder=folder).estate
    except Malformed as error:
        verdict: dict[str, object] = {"estate": name, "valid": False, "detail": error.detail, "where": error.where}
        verdict["expected"] = error.expected or None
    else:
        devices = sum(len(home.devices) for home in estate.homes)
        verdict = {"estate": name, "valid": True, "homes": len(estate.homes), "devices": devices, "parties": len(estate.parties)}
    if json_output:
        print_json(verdict)
    else:
        print_fields("", verdict)
    if not verdict["valid"]:
        raise typer.Exit(ExitCode.VERDICT)


@application.command("template")
@verb
def print_template(json_output: JsonFlag = False) -> None:
    """Print the embedded default as TOML, to start an estate of one's own from."""
    if json_output:
        print_json({"toml": default_estate_toml()})
    else:
        console().out(default_estate_toml())


def read_estate(file: Path | None) -> Estate:
    """The estate of a file, or the embedded default; raise :class:`Malformed` when it is none."""
    return load_estate(estate_text(file), source=DEFAULT_NAME if file is None else str(file))


def estate_text(file: Path | None) -> str:
    """The TOML of a file, or the embedded default; raise :class:`Malformed` for a file that is no text."""
    if file is None:
        return default_estate_toml()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"cannot be read: {error}", where=str(file), expected="a TOML estate") from None


def _party(party: Party) -> tuple[object, ...]:
    return format_eui(party.eui), party.name, party.party, " ".join(party.roles) or None


def _as_json(estate: Estate) -> dict[str, object]:
    """The estate as it was read, with EUIs in their usual form."""
    document = asdict(estate)
    for party in document["parties"]:
        party["eui"] = format_eui(party["eui"])
    for home in document["homes"]:
        home["hub"] = format_eui(home["hub"])
        for device in home["devices"]:
            for key in ("eui", "hub", "supplier", "network_operator"):
                device[key] = None if device[key] is None else format_eui(device[key])
            device["joined_to"] = [format_eui(other) for other in device["joined_to"]]
    return document
