"""``dcc-emulator inspect``: one DUIS or GBCS message explained."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.cli.remote import check_url, tls, wrong_calls
from emulator.client.inspection import Inspection, flat, inspect
from emulator.client.keys import fetch_key_store, load_key_store
from emulator.client.smki import SmkiClient
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.duis.schema import SchemaSet
from emulator.pki.keystore import KeyStore

_EUI = re.compile(r"\b[0-9A-F]{2}(?:-[0-9A-F]{2}){7}\b")

Message = Annotated[
    str,
    typer.Argument(help="A file, `-` for standard input, or the message itself in hexadecimal or base64.", show_default=False),
]
Keys = Annotated[Path | None, typer.Option("--keys", help="Key store to check signatures and MACs with.", exists=True)]
Smki = Annotated[str, typer.Option("--smki", help="URL of an SMKI service to ask for certificates; without --keys for keys too.")]
Devices = Annotated[list[str] | None, typer.Option("--device", help="Further device to ask --smki for; may be repeated.")]
Schemas = Annotated[Path | None, typer.Option("--schemas", help="Folder of other schemas.", exists=True, file_okay=False)]
Fields = Annotated[bool, typer.Option("--fields", help="Show every field with its offset.")]


@verb
def inspect_message(
    message: Message = "-",
    keys: Keys = None,
    smki: Smki = "",
    device: Devices = None,
    schemas: Schemas = None,
    fields: Fields = False,
    json_output: JsonFlag = False,
) -> None:
    """Explain one DUIS or GBCS message, and check it as far as the keys at hand allow.

    Ends with 1 when something about it is wrong.
    """
    content, schema_set = _read(message), SchemaSet(schemas)
    store = KeyStore() if keys is None else load_key_store(keys)
    if smki:
        check_url(smki, "--smki")
        store = asyncio.run(_fetch(smki, store if keys else None, [parse_eui(text) for text in device or ()], content))
    try:
        found = inspect(content, store, schema_set)
    except Malformed as error:
        found = Inspection({"kind": "unreadable"})
        found.note("structure", str(error))
    if json_output:
        print_json({"in_order": found.in_order, **found.report, "checks": found.checks})
    else:
        summary = str(found.report.get("summary") or found.report.get("message") or found.report["kind"])
        print_fields(summary, flat(found.report))
        if fields:
            _print_octets(found)
        print_rows(("Check", "Verdict", "Reason"), [tuple(check.values()) for check in found.checks])
    if not found.in_order:
        raise typer.Exit(ExitCode.VERDICT)


def _print_octets(found: Inspection) -> None:
    explanation = found.report.get("gbcs", found.report)
    console().print("fields:")
    for node in explanation.get("fields", ()):
        _print_node(node, 1)


def _print_node(node: dict[str, object], depth: int) -> None:
    said = " – ".join(str(node[key]) for key in ("about", "meaning") if node.get(key))
    meaning = f" – {said}" if said else ""
    value = "" if node.get("value") is None else f": {node['value']}"
    console().print(f"{node.get('offset', ''):>5} {'  ' * depth}{node.get('name', '')}{value}{meaning}")
    plain = node.get("plaintext")
    inner = plain.get("fields") if isinstance(plain, dict) else node.get("fields")
    if isinstance(plain, str):
        console().print(f"{'':>5} {'  ' * (depth + 1)}{plain}")
    if isinstance(inner, list):
        for child in inner:
            _print_node(child, depth + 1)


def _read(message: str) -> bytes:
    if message == "-":
        return sys.stdin.buffer.read()
    path = Path(message)
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError:  # a message is longer than a file name may be
        pass
    if "/" in message.rstrip("=")[:2] or message.lower().endswith((".xml", ".hex", ".bin", ".txt")):
        raise Malformed("there is no such file", where=message[:80])
    return message.encode()


async def _fetch(url: str, store: KeyStore | None, devices: list[Eui64], content: bytes) -> KeyStore:
    """What the service has of these devices and of a GBCS message's parties; without a key store the users' test keys too."""
    with wrong_calls():
        known = await fetch_key_store(url, tls()) if store is None else store
        async with SmkiClient(url, known, tls=tls()) as client:
            for eui in dict.fromkeys((*devices, *_parties(content))):
                await client.fetch(eui)
    return known


def _parties(content: bytes) -> list[Eui64]:
    try:
        report = inspect(content, KeyStore()).report
    except Malformed:
        return []
    summary = str(report.get("gbcs", report).get("summary", ""))
    return [parse_eui(text) for text in _EUI.findall(summary)]
