"""``dcc-emulator inspect``: one DUIS or GBCS message explained."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.client.inspection import Inspection, flat, inspect
from emulator.client.keys import load_key_store
from emulator.client.smki import SmkiClient
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.duis.schema import SchemaSet
from emulator.pki.keystore import KeyStore

Message = Annotated[
    str,
    typer.Argument(help="A file, `-` for standard input, or the message itself in hexadecimal or base64.", show_default=False),
]
Keys = Annotated[Path | None, typer.Option("--keys", help="Key store to check signatures and MACs with.", exists=True)]
Smki = Annotated[str, typer.Option("--smki", help="URL of an SMKI service to ask for the certificates of --device.")]
Devices = Annotated[list[str] | None, typer.Option("--device", help="Device whose certificates are fetched; may be repeated.")]
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
    store = KeyStore() if keys is None else load_key_store(keys)
    if smki:
        asyncio.run(_fetch(smki, store, device or []))
    try:
        found = inspect(_read(message), store, SchemaSet(schemas))
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
    meaning = f" – {node['meaning']}" if node.get("meaning") else ""
    value = "" if node.get("value") is None else f": {node['value']}"
    console().print(f"{node.get('offset', ''):>5} {'  ' * depth}{node.get('name', '')}{value}{meaning}")
    inner = node.get("fields")
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


async def _fetch(url: str, store: KeyStore, devices: list[str]) -> None:
    async with SmkiClient(url, store) as client:
        for text in devices:
            await client.fetch(parse_eui(text))
