"""Disks that are full, read-only or damaged, and stops under load: what is acknowledged stays true, and words say the rest."""

import asyncio
import random
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.client.requests import read_firmware_version, update_firmware
from emulator.client.signing import sign_request, stamp
from emulator.estate.declaration import default_estate_toml
from emulator.pki.keystore import KeyStore
from tests.durability.processes import Nursery, Service, alive
from tests.durability.reference_run import kept_in, run_again
from tests.durability.story import METERS, Witness
from tests.service.conftest import SUPPLIER, eventually

STILL: dict[str, object] = {"clock.mode": "paused", "storage.snapshot_every_inputs": 100_000}
PAGE = 4096


@pytest.fixture
async def service(tmp_path: Path, forks: Nursery) -> AsyncIterator[Service]:
    """An emulator whose time stands still."""
    made = Service(tmp_path / "one", forks, dict(STILL))
    yield made
    await made.gone()


@pytest.fixture
def witness(world_keys: KeyStore) -> Witness:
    return Witness(world_keys, random.Random(1))


async def reads(service: Service, witness: Witness, count: int) -> int:
    """Send so many reads; how many were acknowledged."""
    before = len(witness.acknowledged)
    async with aiohttp.ClientSession() as http:
        for _ in range(count):
            request = stamp(read_firmware_version(SUPPLIER, METERS[0]), witness.counters)
            await witness.post(service, http, "S", sign_request(request, witness.keys))
    return len(witness.acknowledged) - before


async def ask(service: Service, method: str, path: str = "", **given: Any) -> tuple[int, Any]:
    """A call of the control API."""
    url = path if path.startswith("http") else service.world + path
    async with aiohttp.ClientSession() as http, http.request(method, url, **given) as answer:
        return answer.status, await answer.json()


async def digest(service: Service) -> str:
    return str((await ask(service, "GET", "/digest"))[1]["digest"])


async def test_a_full_disk_stops_acknowledgements_until_there_is_room(service: Service, witness: Witness) -> None:
    service.settings["storage.retry_ms"] = 20
    await service.start()
    assert await reads(service, witness, 5) == 5
    full = max(path.stat().st_size for path in service.log.parent.glob("log.sqlite3*")) + 2 * PAGE
    resource.prlimit(service.number, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    while await reads(service, witness, 1):
        assert len(witness.sent) < 500
    assert await reads(service, witness, 3) == 0
    health, ready = (f"{service.said['control']}/_dcc/{name}" for name in ("health", "ready"))
    assert (await ask(service, "GET", health))[0] == 200
    status, said = await ask(service, "GET", ready)
    assert status == 503
    assert "the log cannot be written" in said["worlds"]["default"]
    resource.prlimit(service.number, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with asyncio.timeout(60):
        while (await ask(service, "GET", ready))[0] != 200:  # noqa: ASYNC110 (there is only asking)
            await asyncio.sleep(0.02)
    assert await reads(service, witness, 3) == 3
    before = await digest(service)
    await service.end(signal.SIGKILL)
    await service.start()
    assert await digest(service) == before
    await service.end(signal.SIGTERM)
    answers = {body: answer for kind, _, _, body, answer in kept_in(service.log, witness.keys).inputs if kind == "duis"}
    assert all(answers[each.document] == each.answer for each in witness.acknowledged)
    assert len(answers) == len(witness.acknowledged) + 1, "of the refused ones only the first had reached the engine"


async def test_a_read_only_folder_is_refused_with_words(service: Service, witness: Witness) -> None:
    await service.start()
    await reads(service, witness, 3)
    before = await digest(service)
    await service.end(signal.SIGKILL)
    everything = [service.folder / "data", *(service.folder / "data").rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        await service.fork()
        assert await service.nursery.ask({"wait": service.number}) == 2
        service.number = 0
        last = service.words.splitlines()[-1]
        assert last.startswith("error: ")
        assert "cannot be" in last
        assert "Traceback" not in service.words
    finally:
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)
    await service.start()
    assert await digest(service) == before


async def test_snapshots_that_cannot_be_written_stop_nothing_else(service: Service, witness: Witness) -> None:
    await service.start()
    snapshots = service.log.parent / "snapshots"
    snapshots.chmod(0o555)
    try:
        assert (await ask(service, "POST", "/snapshot", json={}))[0] >= 500
        assert await reads(service, witness, 3) == 3
    finally:
        snapshots.chmod(0o755)
    assert (await ask(service, "POST", "/snapshot", json={}))[0] == 200


def cut(wal: bytes) -> bytes:
    """The last page was not written."""
    return wal[: -PAGE - 24]


def torn(wal: bytes) -> bytes:
    """Half of the last page was."""
    return wal[: -PAGE // 2]


def flipped(wal: bytes) -> bytes:
    """A bit of the last page is another."""
    return wal[:-100] + bytes([wal[-100] ^ 1]) + wal[-99:]


def followed(wal: bytes) -> bytes:
    """Rubbish behind it."""
    return wal + bytes(range(256)) * 40


@pytest.mark.parametrize("damage", [cut, torn, flipped, followed])
async def test_behind_a_damaged_tail_the_world_is_as_it_was_before_it(
    service: Service, witness: Witness, damage: Callable[[bytes], bytes]
) -> None:
    await service.start()
    await reads(service, witness, 20)
    await service.end(signal.SIGKILL)
    wal = service.log.with_name("log.sqlite3-wal")
    wal.write_bytes(damage(wal.read_bytes()))
    await service.start()
    now, (_, world) = await digest(service), await ask(service, "GET")
    await service.end(signal.SIGTERM)
    kept = kept_in(service.log, witness.keys)
    known = [each.document for each in witness.acknowledged]
    there = [body for kind, _, _, body, _ in kept.inputs if kind == "duis"]
    assert there == known[: len(there)], "a beginning of what was acknowledged, without gaps"
    assert len(known) - len(there) <= 2, "no more than the damage took"
    assert run_again(kept, witness.sent, default_estate_toml(), world["now_ms"]).digest == now


@pytest.mark.verify
async def test_a_damaged_database_is_refused_or_does_not_matter(service: Service, witness: Witness) -> None:
    await service.start()
    await reads(service, witness, 60)
    before = await digest(service)
    await service.end(signal.SIGTERM)
    whole = service.log.read_bytes()
    refused = 0
    for position in range(0, len(whole), max(PAGE, len(whole) // 12)):
        service.log.write_bytes(whole[:position] + b"\xa5" * 64 + whole[position + 64 :])
        await service.fork()
        async with asyncio.timeout(60):
            while alive(service.number) and not service.ready:  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.01)
        if service.ready:
            service.take_words()
            assert await digest(service) == before
            await service.gone()
        else:
            assert await service.nursery.ask({"wait": service.number}) == 2
            refused += 1
            assert service.words.splitlines()[-1].startswith("error: ")
        service.number = 0
        assert "Traceback" not in service.words
        for rest in service.log.parent.glob("log.sqlite3-*"):
            rest.unlink()
    assert refused, "the first page, for one"


@pytest.mark.verify
async def test_any_snapshot_will_do(service: Service, witness: Witness, tmp_path: Path) -> None:
    await service.start()
    for _ in range(3):
        await reads(service, witness, 5)
        assert (await ask(service, "POST", "/snapshot", json={}))[0] == 200
    before = await digest(service)
    await service.end(signal.SIGKILL)
    shutil.copytree(service.folder / "data", tmp_path / "kept")
    for damaged in range(4):
        shutil.rmtree(service.folder / "data")
        shutil.copytree(tmp_path / "kept", service.folder / "data")
        files = sorted((service.log.parent / "snapshots").iterdir(), reverse=True)
        assert len(files) == 3
        for number, path in enumerate(files[:damaged]):
            (path.unlink, lambda path=path: path.write_bytes(b""), lambda path=path: path.write_bytes(b"x"))[number]()
        if damaged == 3:
            await service.fork()
            assert await service.nursery.ask({"wait": service.number}) == 2
            service.number = 0
            assert "none of its snapshots can be read" in service.words
            assert "Traceback" not in service.words
        else:
            await service.start()
            assert await digest(service) == before
            await service.end(signal.SIGKILL)


async def test_a_stop_under_load_answers_what_was_taken(service: Service, witness: Witness) -> None:
    service.settings["clock.mode"] = "autojump"
    for _ in range(3):
        await service.start()
        gone, known = asyncio.Event(), len(witness.acknowledged)
        running = asyncio.create_task(witness.live(service, gone))
        await eventually(lambda known=known: len(witness.acknowledged) > known + 20, timeout_s=60)  # type: ignore[misc]
        assert await service.end(signal.SIGTERM) == 0, service.words
        gone.set()
        await running
        with closing(sqlite3.connect(service.log)) as connection:
            (last,) = connection.execute("SELECT MAX(seq) FROM inputs").fetchone()
            (snapshot,) = connection.execute("SELECT MAX(seq) FROM snapshots").fetchone()
        assert snapshot == last, "nothing to be replayed"
    stored = {body for kind, _, _, body, _ in kept_in(service.log, witness.keys).inputs if kind == "duis"}
    assert stored == {each.document for each in witness.acknowledged}
    assert '"level": "error"' not in service.words


async def test_a_wall_clock_that_is_set_changes_nothing(
    tmp_path: Path, world_keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.service.config import load_settings
    from emulator.service.server import running_server

    step_s, true_s, true_ns = [0], time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: true_s() + step_s[0])
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + step_s[0] * 10**9)
    ports = {"duis.port": 0, "smki.port": 0, "control.port": 0}
    loaded = load_settings(
        env={}, flags={**ports, "clock.start": "estate", "storage.folder": tmp_path, "outbox.push_floor_ms": 0}
    )
    witness = Witness(world_keys, random.Random(2))
    witness.counters.clock = lambda: true_ns() // 1_000_000

    async def send(server: Any) -> None:
        service = Service(tmp_path, None, said={"duis": server.url("duis"), "control": server.url()})  # type: ignore[arg-type]
        assert await reads(service, witness, 3) == 3
        large = stamp(update_firmware(SUPPLIER, b"\x01" * 100_000, "00000001", [METERS[0]]), witness.counters)
        async with aiohttp.ClientSession() as http:
            assert (await witness.post(service, http, "D", sign_request(large, witness.keys))).code

    async with running_server(loaded) as server:
        world = server.worlds["default"]
        began_ms, began_s = world.instant_ms(), time.monotonic()
        for step_s[0] in (0, -86_400, 3_650 * 86_400, -3_650 * 86_400, 0):
            await send(server)
            await world.snapshot()
        passed_ms = world.instant_ms() - began_ms
        assert 0 <= passed_ms <= (time.monotonic() - began_s) * 1000 + 1_000, "simulated time knows no steps"
        assert world.outbox.lag_s < 60
    for step_s[0] in (-86_400, 86_400):
        async with running_server(loaded) as server:
            world = server.worlds["default"]
            before_ms = world.instant_ms()
            await send(server)
            assert world.instant_ms() - before_ms < 60_000
            await world.outbox.stop(1)
            await world.pump.stop()
            await world.log.close()  # as a kill leaves it: all is replayed, large bodies as well
    async with running_server(loaded) as server:
        assert (await server.worlds["default"].log.last_numbers()).input >= len(witness.sent)
