"""All that a server knows of one device, in one ZIP file for whoever looks for the fault (Q7-22).

Inside: what the device and the inventory say, firmware jobs, requests to it, every message about it with its XML, the journal
with bodies, the audit trail, planned faults, versions, and ``manifest.json`` with the SHA-256 of each. No wall time of the
making is inside.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from typing import Any

from emulator.client.control import ControlClient
from emulator.domain.identifiers import Eui64, format_eui

MANIFEST = "manifest.json"
PAGE = 1_000
"""Entries asked for at a time."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every entry of an archive: the octets must not depend on the day."""


def zipped(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """A ZIP file with a manifest, to which the SHA-256 of each file is added; the same values give the same octets."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: as_json({**manifest, "files": hashes}), **files}.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def as_json(value: object, *, indent: int | None = 2) -> bytes:
    """A value as a file, or as a line of one."""
    return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode()


async def device_archive(control: ControlClient, device: Eui64) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is known of a device: how many entries there are of each kind, and the files; :class:`Rejected` for no device."""
    eui = format_eui(device)
    described = await control.device(device)
    found: dict[str, list[Any]] = {
        "jobs": await control.jobs(device=eui, limit=PAGE),
        "transactions": await control.transactions(device=eui, limit=PAGE),
        "messages": [await control.message(each["number"]) async for each in _messages(control, eui)],
        "journal": [each async for each in _journal(control, eui)],
        "audit": [each async for each in _audit(control, eui)],
        "faults": [each for each in await control.faults() if not each["devices"] or eui in each["devices"]],
    }
    files = {"device.json": as_json(described), "versions.json": as_json(await control.version())}
    for name, entries in found.items():
        files[f"{name}.jsonl"] = b"".join(as_json(entry, indent=None) for entry in entries)
    return {name: len(entries) for name, entries in found.items()}, files


async def _messages(control: ControlClient, eui: str) -> AsyncIterator[dict[str, Any]]:
    after = 0
    while page := (await control.outbox(device=eui, after=after, limit=PAGE))["messages"]:
        for each in page:
            yield each
        after = page[-1]["number"]


async def _journal(control: ControlClient, eui: str) -> AsyncIterator[dict[str, Any]]:
    after = 0
    while page := await control.journal(device=eui, after=after, limit=PAGE, bodies=True):
        for each in page:
            yield each
        after = page[-1]["number"]


async def _audit(control: ControlClient, eui: str) -> AsyncIterator[dict[str, Any]]:
    after = 0
    while page := await control.audit(device=eui, after=after, limit=PAGE):
        for each in page:
            yield each
        after = page[-1]["number"]
