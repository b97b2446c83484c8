"""An evidence bundle: all that a run rests on and all that came of it, in one ZIP file that anybody can run again and compare.

Inside: the scenario file and the estate that it made, seed, versions, the transcript, the verdict, and ``manifest.json`` with the
SHA-256 of each. No wall time is inside, so that the same run gives the same octets.
"""

import hashlib
import json
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import emulator
from emulator.client.archive import MANIFEST, as_json, zipped
from emulator.domain.errors import Malformed
from emulator.duis.datetimes import format_datetime
from emulator.scenarios.model import Scenario
from emulator.scenarios.reading import parse_scenario
from emulator.scenarios.report import Report

SCENARIO, ESTATE, VERDICT, TRANSCRIPT = "scenario.toml", "estate.toml", "verdict.json", "transcript.jsonl"
FORMAT = 1
MAX_BUNDLE_BYTES = 1 << 30
"""Largest bundle read, unpacked; ours."""
MAX_NAME = 200
"""Longest text taken for the name of a file."""
FILES = "files/"
"""Where the files lie that the scenario names."""
MAX_ENTRIES = 2_000
"""Most files of a bundle; ours."""
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, *(KeyError, TypeError, ValueError, RuntimeError))


def bundle(scenario: Scenario, report: Report) -> bytes:
    """The ZIP file of one run, whose ``report`` holds its transcript."""
    verdict = {name: value for name, value in report.as_json().items() if name != "wall_ms"}
    files = {
        SCENARIO: scenario.path.read_bytes(),
        **{FILES + name: content for name, content in _named_files(scenario.path)},
        ESTATE: scenario.estate_toml.encode(),
        VERDICT: as_json(verdict),
        TRANSCRIPT: b"".join(as_json(entry, indent=None) for entry in _transcript(report)),
    }
    manifest = {
        "format": FORMAT,
        "scenario": scenario.about.id,
        "seed": report.seed,
        "start": format_datetime(scenario.start_ms),
        "emulator": emulator.__version__,
        "digest": report.digest,
        "passed": report.passed,
    }
    return zipped(manifest, files)


def _named_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files beside a scenario that it names: registrations, estates, images."""
    for text in sorted(set(_texts(tomllib.loads(path.read_text("utf-8"))))):
        named = path.parent / text
        inside = not Path(text).is_absolute() and named.resolve().is_relative_to(path.parent.resolve())
        if inside and len(text) < MAX_NAME and "\n" not in text and named.is_file():
            yield text, named.read_bytes()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _transcript(report: Report) -> list[dict[str, Any]]:
    exchanges = [
        {"request": request.decode("utf-8", "replace"), "status": status, "answer": answer.decode("utf-8", "replace")}
        for request, status, answer in report.exchanges
    ]
    return [*exchanges, *({"message": push.decode("utf-8", "replace")} for push in report.pushes)]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A bundle as it was read."""

    manifest: Mapping[str, Any]
    scenario: Scenario

    @property
    def digest(self) -> str:
        """The digest of the run that it holds."""
        return str(self.manifest["digest"])


def read_bundle(path: Path, folder: Path) -> Evidence:
    """Read a bundle and check every hash in it; :class:`Malformed` for anything that is not one, or was changed.

    The files that its scenario names are unpacked into ``folder``.
    """
    where = str(path)
    try:
        files = _unpacked(path, where)
        manifest = json.loads(files[MANIFEST])
        hashes, seed = dict(manifest["files"]), int(manifest["seed"])
        str(manifest["digest"]), str(manifest["emulator"])
    except OSError as error:
        raise Malformed(f"it cannot be read: {error.strerror}", where=where, expected="an evidence bundle") from None
    except Malformed:  # a ValueError too
        raise
    except _UNREADABLE as error:
        raise Malformed(
            f"it is no evidence bundle: {error}", where=where, expected="what `scenario run --evidence` writes"
        ) from None
    for name in {SCENARIO, ESTATE, VERDICT, TRANSCRIPT, *hashes, *files} - {MANIFEST}:
        if name not in files or hashlib.sha256(files[name]).hexdigest() != hashes.get(name):
            raise Malformed(f"{name} is not what was sealed", where=where, expected="the SHA-256 in manifest.json")
    for name in files:
        if name.startswith(FILES):
            _write_below(folder, name.removeprefix(FILES), files[name], where)
    scenario = parse_scenario(files[SCENARIO].decode("utf-8", "replace"), folder / SCENARIO, seed=seed)
    return Evidence(manifest, replace(scenario, estate_toml=files[ESTATE].decode("utf-8", "replace")))


def _unpacked(path: Path, where: str) -> dict[str, bytes]:
    """The entries by name; what they unpack to is bounded by what the archive says of them, to which zipfile holds it."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BUNDLE_BYTES:
            expected = f"at most {MAX_ENTRIES} files of {MAX_BUNDLE_BYTES} octets unpacked"
            raise Malformed("it is too large", where=where, expected=expected)
        for entry in entries:
            if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                expected = "plain or deflated entries"
                raise Malformed(f"{entry.filename[:MAX_NAME]!r} is packed in a rare way", where=where, expected=expected)
        return {entry.filename: archive.read(entry) for entry in entries}


def _write_below(folder: Path, name: str, content: bytes, where: str) -> None:
    """Write one file that the scenario names; whatever would lie elsewhere, or takes another's place, is refused."""
    target = folder / name
    try:
        if not name or not target.resolve().is_relative_to(folder.resolve()):
            raise Malformed(f"{name[:MAX_NAME]!r} leads elsewhere", where=where, expected="a path below files/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except (OSError, ValueError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(f"{name[:MAX_NAME]!r} cannot be unpacked", where=where, expected="names of files") from None
