"""``dcc-emulator pki``: generate, list, export and check key stores."""

import os
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.estates import read_estate
from emulator.cli.output import ExitCode, JsonFlag, console, print_json, print_rows, verb
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.duis.datetimes import format_datetime
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.formats import read_key_store, to_crypto_files, to_crypto_zip, to_keystore_json, to_pem_files
from emulator.world import key_store

application = typer.Typer(no_args_is_help=True, help="Generate, list, export and check certificates and keys.")


class Form(StrEnum):
    """Forms in which key stores are written."""

    KEYSTORE_JSON = "keystore.json"
    ORG_CRYPTO_ZIP = "org-crypto.zip"
    PEM = "pem"
    """A folder of ``<eui>-{ds,ka}.pem`` and ``.key``."""
    CERT_KEY = "cert-key"
    """A folder with ``cert/`` and ``key/``: the archive unpacked."""


KeyStorePath = Annotated[Path, typer.Argument(help="keystore.json, org-crypto.zip or a folder of PEM.", exists=True)]
EstateOption = Annotated[
    Path | None, typer.Option("--estate", help="TOML estate; without one the embedded default.", exists=True, dir_okay=False)
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all keys; without one the estate's.")]
FormOption = Annotated[Form, typer.Option("--form", help="Form of the output.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="File or, for folder forms, folder to write.")]
DeviceOption = Annotated[list[str] | None, typer.Option("--device", help="EUI of a device to include; may be repeated.")]


@application.command("generate")
@verb
def generate(
    output: OutputOption,
    form: FormOption = Form.KEYSTORE_JSON,
    estate: EstateOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    all_devices: Annotated[bool, typer.Option("--all-devices", help="Include every device of the estate.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Write the keys that a world of this estate and seed has. The same seed gives the same octets anywhere."""
    declared = read_estate(estate)
    if seed is not None:
        declared = replace(declared, seed=seed)
    keys = key_store(declared)
    wanted = [parse_eui(text) for text in device or ()]
    if all_devices:
        wanted += [each.eui for home in declared.homes for each in home.devices]
    records = keys.records()
    for eui in dict.fromkeys(wanted):
        records += [record for usage in Usage if (record := keys.device(eui, usage)) is not None]
    _write(records, form, output, json_output)


@application.command("list")
@verb
def list_keys(source: KeyStorePath, json_output: JsonFlag = False) -> None:
    """List what a key store holds."""
    rows = [_describe(record) for record in read_key_store(source).records]
    if json_output:
        print_json(rows)
        return
    columns = ("EUI", "Usage", "Role", "Name", "Serial", "Issuer", "Until", "Private key")
    print_rows(columns, [tuple(row[key] for key in _COLUMNS) for row in rows])


@application.command("export")
@verb
def export(
    source: KeyStorePath,
    output: OutputOption,
    form: FormOption = Form.KEYSTORE_JSON,
    eui: Annotated[list[str] | None, typer.Option("--eui", help="Only this party; may be repeated.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Write a key store in another form."""
    wanted: set[Eui64] = {parse_eui(text) for text in eui or ()}
    records = [record for record in read_key_store(source).records if not wanted or record.eui in wanted]
    if not records:
        raise Malformed("nothing to write", where=str(source), expected="certificates of the parties asked for")
    _write(records, form, output, json_output)


@application.command("check")
@verb
def check(
    source: KeyStorePath,
    estate: EstateOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Say what an emulator would make of a key store: entries skipped, and the live keys of each party of the estate.

    Ends with 1 when an entry is unreadable, when there is none, or when a world could not be made with it.
    """
    report = read_key_store(source)
    declared = read_estate(estate)
    problem = "" if report.records or report.skipped else "nothing in it; a world made with it has generated keys only"
    live: list[dict[str, object]] = []
    try:
        keys = key_store(declared, report)
    except Malformed as error:
        problem = str(error)
    else:
        for party in declared.parties:
            for usage in Usage:
                choice = keys.explain_live(party.eui, usage)
                live.append({"eui": format_eui(party.eui), "party": party.name, "usage": usage, "choice": choice.reason})
    skipped = [{"place": entry.place, "reason": entry.reason} for entry in report.skipped]
    verdict = {"imported": len(report.records), "skipped": skipped, "problem": problem or None, "live": live}
    if json_output:
        print_json(verdict)
    else:
        console().print(str(report))
        print_rows(("EUI", "Party", "Usage", "Live certificate"), [tuple(row.values()) for row in live])
        if problem:
            console().print(problem)
    if skipped or problem:
        raise typer.Exit(ExitCode.VERDICT)


_COLUMNS = ("eui", "usage", "role", "name", "serial", "issuer", "not_after", "private_key")


def _describe(record: CertificateRecord) -> dict[str, object]:
    return {
        "eui": format_eui(record.eui),
        "usage": str(record.usage),
        "role": record.role,
        "name": record.name or None,
        "serial": f"{record.serial:X}",
        "issuer": record.issuer,
        "not_after": format_datetime(record.not_after_ms),
        "private_key": record.private_key is not None,
    }


def _write(records: Iterable[CertificateRecord], form: Form, output: Path, json_output: bool) -> None:
    """Private keys are written for their owner's eyes only."""
    kept = list(records)
    if form in (Form.PEM, Form.CERT_KEY):
        files = to_pem_files(kept) if form is Form.PEM else to_crypto_files(kept)
        for name, content in files.items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, content)
    else:
        write_private(output, to_keystore_json(kept) if form is Form.KEYSTORE_JSON else to_crypto_zip(kept))
    if json_output:
        print_json({"output": str(output), "form": form, "certificates": len(kept)})
    else:
        console().print(f"{len(kept)} certificates written to {output}")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read; one that others may read already is replaced."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
