"""Data folders that older versions left: those whose snapshots can be read are taken up, the others are refused and stay usable.

``data/format-N.zip`` is what an emulator of that format wrote when it was stopped in the middle of a firmware distribution: four
requests, messages that nobody has taken, time that stands still. ``told.json`` in it says what its user saw. Logs of format 1 are
from before images moved in columns, and so are their snapshots.
"""

import json
import sqlite3
import zipfile
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.client.requests import read_firmware_version
from emulator.client.signing import sign_request, stamp
from emulator.pki.keystore import KeyStore
from emulator.service.config import LoadedSettings, load_settings
from emulator.service.persistence.contract import StorageUnusable
from emulator.service.persistence.database import SCHEMA_VERSION
from emulator.service.server import running_server
from tests.durability.story import METERS, Witness
from tests.service.conftest import SUPPLIER, USER, Api, Endpoints, endpoints, eventually

__all__ = ["endpoints"]

DATA = Path(__file__).with_name("data")
FORMATS = range(1, SCHEMA_VERSION + 1)
XML = {"Content-Type": "application/xml"}


def format_of(log: Path) -> int:
    with closing(sqlite3.connect(log)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_there_is_a_folder_of_every_format() -> None:
    schemas = [each.name for each in resources.files("emulator.service.persistence").iterdir() if each.name.endswith(".sql")]
    assert sorted(schemas) == [f"schema_v{number}.sql" for number in FORMATS]
    assert [(DATA / f"format-{number}.zip").exists() for number in FORMATS] == [True] * SCHEMA_VERSION


def old(folder: Path, number: int) -> tuple[dict[str, Any], LoadedSettings, Path]:
    """What the user of such an emulator saw, settings for one that goes on with it, and its log."""
    with zipfile.ZipFile(DATA / f"format-{number}.zip") as archive:
        archive.extractall(folder)
    ports = {"duis.port": 0, "smki.port": 0, "control.port": 0}
    loaded = load_settings(env={}, flags={**ports, "storage.folder": folder / "data", "outbox.push_floor_ms": 0})
    log = folder / "data" / "worlds" / "default" / "log.sqlite3"
    assert format_of(log) == number
    return json.loads((folder / "told.json").read_text()), loaded, log


async def test_what_cannot_be_taken_up_says_why_and_can_still_be_used(tmp_path: Path) -> None:
    _, loaded, log = old(tmp_path, 1)
    with closing(sqlite3.connect(log)) as connection:
        before = list(connection.iterdump())
    for _ in range(2):
        with pytest.raises(StorageUnusable, match=r"from before images moved in columns.*go on with the version"):
            async with running_server(loaded):
                pass
    kept = log.with_name("log.sqlite3.format-1")
    with closing(sqlite3.connect(kept)) as connection:
        assert list(connection.iterdump()) == before
    assert format_of(kept) == 1


@pytest.mark.parametrize("number", FORMATS[1:])
async def test_an_old_folder_is_taken_up(number: int, tmp_path: Path, world_keys: KeyStore, endpoints: Endpoints) -> None:
    told, loaded, log = old(tmp_path, number)
    endpoint = await endpoints().open()
    waiting = [message["number"] for message in told["outbox"]["messages"]]
    assert waiting

    async with running_server(loaded) as server, aiohttp.ClientSession() as http:
        api = Api(http, server)
        world = await api.ok("GET")
        assert (world["now_ms"], world["inputs"]) == (told["world"]["now_ms"], told["world"]["inputs"])
        found = await api.ok("GET", "/outbox")
        assert [message["number"] for message in found["messages"]] == waiting
        for each in told["sent"]:
            if each["document"]:
                url = f"{server.url('duis')}/api/v1/service{each['service']}"
                async with http.post(url, data=each["document"].encode(), headers=XML) as answer:
                    assert b">E44<" in await answer.read(), "a RequestID that was answered is used"
        await api.ok("PUT", f"/users/{USER}/endpoint", {"url": endpoint.url})
        await eventually(lambda: len(endpoint.taken) >= len(waiting))
        await api.ok("POST", "/clock/run-until-idle", {"timeout_ms": 60_000})
        jobs = [job["state"] for request in (await api.ok("GET", "/jobs"))["requests"] for job in request["jobs"]]
        assert jobs == ["VERIFIED", "VERIFIED"], "what was under way has come to its end"
        digest = (await api.ok("GET", "/digest"))["digest"]
    assert format_of(log) == SCHEMA_VERSION

    async with running_server(loaded) as server, aiohttp.ClientSession() as http:
        api = Api(http, server)
        assert (await api.ok("GET", "/digest"))["digest"] == digest
        assert (await api.ok("GET", "/audit/verify"))["whole"]
        request = stamp(read_firmware_version(SUPPLIER, METERS[0]), Witness(world_keys, None).counters)  # type: ignore[arg-type]
        document = sign_request(request, world_keys)
        async with http.post(f"{server.url('duis')}/api/v1/serviceS", data=document, headers=XML) as answer:
            assert b">I99<" in await answer.read()
