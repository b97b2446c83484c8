"""What is made by a copy of the process: the octets of that moment, and nothing else of it."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from emulator.client.requests import read_firmware_version
from emulator.service import apart, snapshots
from emulator.service.apart import made_apart
from emulator.service.config import load_settings
from emulator.service.server import running_server
from tests.service.conftest import ESME, QUICK, SUPPLIER, Api, Clients

LARGE = 3_000_000


async def test_it_is_as_it_was_at_that_moment() -> None:
    state = {"n": 1}

    def make() -> bytes:
        time.sleep(0.2)
        return b"%d" % state["n"] + bytes(LARGE)

    making = asyncio.create_task(made_apart(make))
    await asyncio.sleep(0.05)
    state["n"] = 2
    assert await making == b"1" + bytes(LARGE)


async def test_everything_goes_on_meanwhile(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"

    def make() -> bytes:
        while not go_on.exists():
            time.sleep(0.005)
        return b"x"

    making = asyncio.create_task(made_apart(make))
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not making.done()
    go_on.touch()
    assert await making == b"x"


async def test_a_copy_that_fails_gives_nothing_and_stays_no_zombie(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[int] = []
    fork = os.fork

    def note() -> int:
        copies.append(fork())
        return copies[-1]

    def make() -> bytes:
        raise ValueError("on purpose")

    monkeypatch.setattr(os, "fork", note)

    assert await made_apart(make) is None
    (copy,) = copies
    with pytest.raises(ChildProcessError):
        os.waitpid(copy, os.WNOHANG)  # noqa: ASYNC222 (it is gone)


async def test_a_copy_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PATIENCE_S", 0.1)
    assert await made_apart(lambda: time.sleep(60) or b"") is None


async def test_it_holds_no_file_of_ours(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as held:
        listed = await made_apart(lambda: os.listdir("/proc/self/fd").__repr__().encode())
        assert listed is not None
        assert f"'{held.fileno()}'".encode() not in bytes(listed) or held.fileno() <= 3


@pytest.mark.parametrize("limit", ["APART_BYTES", "APART_INPUTS"])
async def test_a_large_world_is_kept_apart_while_requests_come(
    tmp_path: Path, clients: Clients, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Where the last snapshot was large, and where so much came since then that this one may be."""
    made: list[object] = []

    async def note(make: Callable[[], bytes]) -> memoryview | None:
        made.append(make)
        return await made_apart(make)

    monkeypatch.setattr(snapshots, limit, 0)
    monkeypatch.setattr(snapshots, "made_apart", note)
    loaded = load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path})
    async with running_server(loaded) as server:
        client, world = clients(server), server.worlds["default"]
        for _ in range(3):
            making = asyncio.create_task(world.snapshot())
            answers = await asyncio.gather(*(client.send(read_firmware_version(SUPPLIER, ESME)) for _ in range(5)))
            assert {answer.code for answer in answers} == {"I99"}
            await making
        assert len(made) >= 2
        digest = (await Api(http, server).ok("GET", "/digest"))["digest"]
        await world.outbox.stop(1_000)
        await world.pump.stop()
        await world.log.close()  # as a kill leaves it: the start goes on from the last of those snapshots
    async with running_server(loaded) as server:
        assert (await Api(http, server).ok("GET", "/digest"))["digest"] == digest
