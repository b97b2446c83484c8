"""Scenario files, and bundles of evidence, of people one does not know: nothing outside their folder is read or written."""

import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.estate.declaration import default_estate_toml
from emulator.estate.registration_base import registration_path
from emulator.scenarios import evidence
from emulator.scenarios.estates import path_below
from emulator.scenarios.evidence import ESTATE, FILES, MANIFEST, SCENARIO, TRANSCRIPT, VERDICT, read_bundle
from emulator.scenarios.reading import parse_scenario

SECRET = "the content of a file outside"
ELSEWHERE = {
    "up": "../secret.toml",
    "up and down": "inner/../../secret.toml",
    "absolute": "{outside}/secret.toml",
    "by a link": "link.toml",
    "through a linked folder": "linked/secret.toml",
    "a device": "/dev/zero",
    "of the process": "/proc/self/environ",
    "NUL": "a\0b",
    "too long": "x" * 5_000,
    "a URL": "file://{outside}/secret.toml",
    "of the home": "~/.ssh/id_rsa",
    "a variable": "$HOME/.netrc",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a scenario with links that lead out of it."""
    (tmp_path / "secret.toml").write_text(SECRET)
    inside = tmp_path / "scenario"
    (inside / "inner").mkdir(parents=True)
    (inside / "link.toml").symlink_to(tmp_path / "secret.toml")
    (inside / "linked").symlink_to(tmp_path)
    return inside


def named(name: str, folder: Path) -> str:
    return name.replace("{outside}", str(folder.parent))


@pytest.mark.parametrize("key", ["file", "registration_file"])
@pytest.mark.parametrize("name", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_files_that_a_scenario_names(folder: Path, key: str, name: str) -> None:
    text = f'[scenario]\nid = "S-99"\ntitle = "x"\n[estate]\n{key} = {json.dumps(named(name, folder))}\n'
    with pytest.raises(Malformed) as refusal:
        parse_scenario(text, folder / "scenario.toml")
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("name", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_files_that_steps_and_estates_name(folder: Path, name: str) -> None:
    finders = (lambda given: path_below(folder, given, "file"), lambda given: registration_path(folder, given))
    for find in finders:
        said, found = "", folder
        try:
            found = find(named(name, folder))
        except Malformed as refusal:
            said = str(refusal)
        assert SECRET not in said
        assert found.resolve().is_relative_to(folder.resolve())


# --- bundles


def sealed(more: dict[str, bytes] | None = None, **manifest: object) -> dict[str, bytes]:
    """The files of a bundle whose hashes are right."""
    scenario = b'[scenario]\nid = "S-99"\ntitle = "x"\n'
    files = {SCENARIO: scenario, ESTATE: default_estate_toml().encode(), VERDICT: b"{}", TRANSCRIPT: b"", **(more or {})}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    about = {"format": 1, "seed": 1, "digest": "0", "emulator": "0", "files": hashes, **manifest}
    return {MANIFEST: json.dumps(about).encode(), **files}


def packed(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return output.getvalue()


def with_link() -> bytes:
    """An entry that is a symbolic link, and a file that would be written through it."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in sealed({FILES + "a": b"/tmp", FILES + "a/b": b"x"}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if name == FILES + "a" else 0o100644) << 16
            archive.writestr(entry, content)
    return output.getvalue()


def declaring_less() -> bytes:
    data = bytearray(packed(sealed({FILES + "a": bytes(5_000_000)}), zipfile.ZIP_DEFLATED))
    for place in (data.rindex(b"PK\x01\x02") + 24,):
        data[place : place + 4] = struct.pack("<I", 10)
    return bytes(data)


def broken_stream() -> bytes:
    data = bytearray(packed(sealed({FILES + "a": bytes(range(256)) * 40}), zipfile.ZIP_DEFLATED))
    place = data.index(b"files/a") + 7
    data[place : place + 20] = b"\xff" * 20
    return bytes(data)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "up": lambda: packed(sealed({FILES + "../x": b"y"})),
    "far up": lambda: packed(sealed({FILES + "../../../../../../tmp/x": b"y"})),
    "absolute": lambda: packed(sealed({FILES + "/tmp/x-of-a-bundle": b"y"})),
    "through a folder that is a file": lambda: packed(sealed({FILES + "a": b"b", FILES + "a/b": b"c"})),
    "a folder": lambda: packed(sealed({FILES: b"b"})),
    "a link": with_link,
    "NUL": lambda: packed(sealed({FILES + "a\udcff": b"b"})) if os.name == "nt" else packed(sealed({FILES + "x" * 3000: b"b"})),
    "bomb": lambda: packed(sealed({FILES + str(n): bytes(6_000_000) for n in range(4)}), zipfile.ZIP_DEFLATED),
    "many": lambda: packed(sealed({FILES + str(n): b"" for n in range(2_001)})),
    "declaring less": declaring_less,
    "broken stream": broken_stream,
    "not sealed": lambda: packed({**sealed(), FILES + "more": b"x"}),
    "wrong hash": lambda: packed({**sealed(), VERDICT: b"{ }"}),
    "no manifest": lambda: packed({name: content for name, content in sealed().items() if name != MANIFEST}),
    "seed in words": lambda: packed(sealed(seed="one")),
    "manifest of lists": lambda: packed({**sealed(), MANIFEST: b"[]"}),
    "deep manifest": lambda: packed({**sealed(), MANIFEST: b"[" * 100_000}),
    "empty": lambda: b"",
    "cut off": lambda: packed(sealed())[:-40],
    "tar": lambda: b"scenario.toml" + bytes(500),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes]) -> None:
    monkeypatch.setattr(evidence, "MAX_BUNDLE_BYTES", 20_000_000)
    path, folder = tmp_path / "bundle.zip", tmp_path / "unpacked"
    folder.mkdir()
    path.write_bytes(make())
    with pytest.raises(Malformed):
        read_bundle(path, folder)
    assert {each.name for each in tmp_path.iterdir()} == {"bundle.zip", "unpacked"}
    assert not any(each.is_symlink() for each in folder.rglob("*"))
    assert not Path("/tmp/x-of-a-bundle").exists()


def test_a_bundle_in_order(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(packed(sealed({FILES + "a/b.xml": b"<a/>"}), zipfile.ZIP_DEFLATED))
    with suppress(Malformed):  # the scenario in it is too short to run
        read_bundle(path, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "a" / "b.xml").read_bytes() == b"<a/>"
