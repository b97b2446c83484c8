"""The registration file of an estate is read once; after that the world's own columns hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.domain.errors import Malformed
from emulator.estate.declaration import default_estate_toml
from emulator.estate.registration_csv import HEADER
from emulator.service import recovery
from emulator.service.config import LoadedSettings, load_settings
from emulator.service.persistence.columns import ColumnFolder
from emulator.service.persistence.contract import StorageUnusable
from emulator.service.server import Server, running_server
from tests.estate.registration_model import columns
from tests.service.conftest import QUICK

MPXN = "1200000000777"
START_MS = 1_767_600_000_000


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    path = tmp_path / "estate" / "our.toml"
    path.parent.mkdir()
    path.write_text(f'registration_file = "registrations.csv"\n{default_estate_toml()}')
    (path.parent / "registrations.csv").write_text(f"{HEADER}\n{MPXN},IS,supplier-two,2025-01-01,\n")
    return path


@pytest.fixture
def kept(tmp_path: Path, estate: Path) -> LoadedSettings:
    return load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path / "data", "worlds.estate": estate})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "worlds" / "default" / "columns"


def kept_columns(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def ask(http: aiohttp.ClientSession) -> Callable[..., Any]:
    async def call(server: Server, method: str, path: str, body: object = None) -> Any:
        url = f"{server.url()}/control/v1/worlds/default{path}"
        async with http.request(method, url, **({"json": body} if body is not None else {})) as answer:
            return await answer.json()

    return call


async def test_a_world_keeps_its_registrations_without_the_file(
    kept: LoadedSettings, estate: Path, folder: Path, ask: Callable[..., Any]
) -> None:
    async with running_server(kept) as server:
        csv = f"{HEADER}\n{MPXN},IS,supplier-one,2030-01-01,\n"
        assert await ask(server, "POST", "/registrations/load", {"csv": csv}) == {"registrations": 1, "mpxns": 1}
        before = await ask(server, "GET", f"/registrations?mpxn={MPXN}")
        assert [entry["party"] for entry in before["registrations"]] == ["supplier-two", "supplier-one"]
        digest = await ask(server, "GET", "/digest")
    (name,) = kept_columns(folder)
    (estate.parent / "registrations.csv").unlink()
    async with running_server(kept) as server:
        assert await ask(server, "GET", f"/registrations?mpxn={MPXN}") == before
        assert await ask(server, "GET", "/digest") == digest
    assert kept_columns(folder) == [name]


async def test_a_reset_reads_the_file_again_and_drops_the_old_columns(
    kept: LoadedSettings, estate: Path, folder: Path, ask: Callable[..., Any]
) -> None:
    async with running_server(kept) as server:
        (old,) = kept_columns(folder)
        (estate.parent / "registrations.csv").write_text(f"{HEADER}\n{MPXN},IS,supplier-one,2025-01-01,\n")
        await ask(server, "POST", "/reset", {})
        found = await ask(server, "GET", f"/registrations?mpxn={MPXN}")
        assert [entry["party"] for entry in found["registrations"]] == ["supplier-one"]
        (new,) = kept_columns(folder)
        assert new != old
        await ask(server, "POST", "/reset", {"estate": default_estate_toml()})
        assert kept_columns(folder) == []


async def test_an_estate_that_is_sent_names_no_file(kept: LoadedSettings, ask: Callable[..., Any]) -> None:
    text = f'registration_file = "registrations.csv"\n{default_estate_toml()}'
    async with running_server(kept) as server:
        problem = await ask(server, "POST", "/reset", {"estate": text})
        assert "an estate that is not a file cannot name one" in problem["error"]
        found = await ask(server, "GET", f"/registrations?mpxn={MPXN}")
        assert [entry["party"] for entry in found["registrations"]] == ["supplier-two"]


@pytest.mark.parametrize("damage", [b"", b"x"], ids=["gone", "damaged"])
async def test_without_its_columns_a_world_does_not_start(kept: LoadedSettings, folder: Path, damage: bytes) -> None:
    async with running_server(kept):
        (name,) = kept_columns(folder)
    path = folder / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage:
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(StorageUnusable, match="none of its snapshots can be read"):
        async with running_server(kept):
            pass


def test_a_new_world_is_refused_with_the_line_that_is_wrong(kept: LoadedSettings, estate: Path) -> None:
    (estate.parent / "registrations.csv").write_text(f"{HEADER}\n{MPXN},IS,supplier-six,2025-01-01,\n")
    with pytest.raises(Malformed, match=r"registrations\.csv line 2: party 'supplier-six' is not declared"):
        recovery.make_world("default", recovery.origin_of(kept.settings, START_MS), None)


def test_columns_are_kept_whole(tmp_path: Path) -> None:
    folder, subject = ColumnFolder(tmp_path / "columns"), columns([])
    assert folder.find(subject.digest) is None
    folder.keep(subject)
    folder.keep(subject)
    found = folder.find(subject.digest)
    assert found is not None
    assert found.digest == subject.digest
    (path,) = folder.folder.iterdir()
    path.rename(path.with_name("0.columns"))
    assert folder.find("0") is None
    folder.drop_others(None)
    assert list(folder.folder.iterdir()) == []
