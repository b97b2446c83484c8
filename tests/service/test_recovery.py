"""What a server was told and has told others survives it; what does not fit stops the start."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.client.requests import read_firmware_version, read_inventory, update_firmware
from emulator.client.session import DuisClient
from emulator.domain.identifiers import Eui64, format_eui
from emulator.estate.registration_csv import HEADER
from emulator.pki.formats import to_keystore_json
from emulator.pki.keystore import KeyStore
from emulator.service import recovery
from emulator.service.config import LoadedSettings, load_settings
from emulator.service.persistence import rows
from emulator.service.persistence.contract import DeliveryState, OutboxQuery, StorageUnusable
from emulator.service.recovery import ReplayDiffers
from emulator.service.server import Server, running_server
from tests.service.conftest import ESME, QUICK, SUPPLIER, Endpoint

USER = format_eui(SUPPLIER)
Clients = Callable[..., DuisClient]
Endpoints = Callable[..., Endpoint]


@pytest.fixture
def kept(tmp_path: Path) -> LoadedSettings:
    return load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path / "data"})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "worlds" / "default" / "log.sqlite3"


def change(database: Path, *statements: str) -> None:
    connection = sqlite3.connect(database)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def call(http: aiohttp.ClientSession, server: Server, method: str, path: str, body: object = None) -> Any:
    url = f"{server.url()}/control/v1/worlds/default{path}"
    async with http.request(method, url, **({"json": body} if body is not None else {})) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def some_traffic(server: Server, clients: Clients, http: aiohttp.ClientSession, url: str = "") -> None:
    """Answers, pushes, refusals, control commands, time."""
    await call(http, server, "PUT", f"/users/{USER}/endpoint", {"url": url, "floor_ms": 7})
    client = clients(server)
    await client.send(read_inventory(SUPPLIER, ESME))
    await client.send(read_firmware_version(SUPPLIER, ESME))
    await client.send(read_firmware_version(SUPPLIER, Eui64(1)))
    await call(http, server, "POST", "/wait", {"condition": {"kind": "messages", "state": "delivered" if url else "queued"}})
    await call(http, server, "POST", "/clock/rate", {"rate": "2"})
    await call(http, server, "POST", "/clock/pause")
    await call(http, server, "POST", "/clock/advance", {"by_ms": 3_600_000})


async def without_snapshot(server: Server) -> None:
    """End a server as a crash would: everything acknowledged is in the log, no snapshot is written."""

    async def none() -> int:
        return 0

    server.worlds["default"].snapshot = none  # type: ignore[method-assign]


@pytest.mark.parametrize("graceful", [True, False], ids=["from the snapshot", "by replay"])
async def test_a_world_goes_on_as_it_was(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, endpoints: Endpoints, graceful: bool
) -> None:
    there = await endpoints().open()
    async with running_server(kept) as server:
        await some_traffic(server, clients, http, there.url)
        before = await call(http, server, "GET", "/digest")
        described = await call(http, server, "GET", "")
        journal = (await call(http, server, "GET", "/journal?limit=1000"))["entries"]
        if not graceful:
            await without_snapshot(server)
    async with running_server(kept) as server:
        assert await call(http, server, "GET", "/digest") == before
        again = await call(http, server, "GET", "")
        assert again["clock"] == described["clock"]
        assert again["clock"]["rate"] == "2"
        endpoint = await call(http, server, "GET", f"/users/{USER}/endpoint")
        assert endpoint == {"user": USER, "url": there.url, "floor_ms": 7}
        assert (await call(http, server, "GET", "/journal?limit=1000"))["entries"] == journal
        assert (await clients(server).send(read_inventory(SUPPLIER, ESME))).code == "I0"
    assert len(there.taken) == 1, "what was delivered is not pushed again"


async def test_undelivered_messages_are_pushed_by_the_next_process(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, endpoints: Endpoints
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        await without_snapshot(server)
        log = server.worlds["default"].log
        (entry,) = await log.undelivered()
        body = await log.delivery_body(entry.number)
    there = await endpoints().open()
    async with running_server(kept) as server:
        await call(http, server, "PUT", f"/users/{USER}/endpoint", {"url": there.url})
        await call(http, server, "POST", "/wait", {"condition": {"kind": "messages"}})
    assert there.taken == [body]


async def test_a_request_id_stays_used(kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession) -> None:
    sent: list[bytes] = []
    async with running_server(kept) as server:
        client = clients(server)
        client.observer = lambda exchange: sent.append(exchange.request)
        await client.send(read_inventory(SUPPLIER, ESME))
        await without_snapshot(server)
    async with running_server(kept) as server:
        url, headers = f"{server.url('duis')}/api/v1/serviceD", {"Content-Type": "application/xml"}
        async with http.post(url, data=sent[0], headers=headers) as answer:
            assert "<sr:ResponseCode>E44<" in await answer.text()


async def test_a_large_request_is_replayed_from_its_file(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, database: Path
) -> None:
    async with running_server(kept) as server:
        await clients(server).send(update_firmware(SUPPLIER, b"\x01" * 200_000, "00000001", [ESME]))
        before = await call(http, server, "GET", "/digest")
        await without_snapshot(server)
    blobs = [path for path in (database.parent / "blobs").rglob("*") if path.is_file()]
    assert [path.stat().st_size > 200_000 for path in blobs] == [True]
    async with running_server(kept) as server:
        assert await call(http, server, "GET", "/digest") == before
        await without_snapshot(server)
    blobs[0].write_bytes(b"damaged")
    with pytest.raises(ReplayDiffers, match=r"the body of input 1 cannot be read: blob \w+ is damaged"):
        async with running_server(kept):
            pass


async def test_a_large_command_is_replayed_from_its_file(
    kept: LoadedSettings, http: aiohttp.ClientSession, database: Path
) -> None:
    csv = HEADER + "".join(f"\n{1_200_000_100_000 + n},IS,supplier-two,2025-01-01," for n in range(3_000))
    async with running_server(kept) as server:
        loaded = await call(http, server, "POST", "/registrations/load", {"csv": csv})
        assert loaded["registrations"] == 3_000
        (entry,) = (await call(http, server, "GET", "/journal?kind=control"))["entries"]
        assert entry["data"]["csv"].endswith(f"… ({len(csv)} characters)"), "the journal does not repeat it"
        before = await call(http, server, "GET", "/digest")
        await without_snapshot(server)
    (blob,) = [path for path in (database.parent / "blobs").rglob("*") if path.is_file()]
    assert blob.stat().st_size > len(csv)
    async with running_server(kept) as server:
        assert await call(http, server, "GET", "/digest") == before


async def test_a_damaged_snapshot_falls_back_to_the_one_before(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, database: Path
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        before = await call(http, server, "GET", "/digest")
    newest = max((database.parent / "snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    async with running_server(kept) as server:
        assert await call(http, server, "GET", "/digest") == before


async def test_a_snapshot_that_is_whole_and_makes_no_sense_falls_back_as_well(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, database: Path
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        before = await call(http, server, "GET", "/digest")
    change(database, "UPDATE snapshots SET service_state = '{}' WHERE seq = (SELECT MAX(seq) FROM snapshots)")
    async with running_server(kept) as server:
        assert await call(http, server, "GET", "/digest") == before


async def test_without_any_snapshot_nothing_starts(kept: LoadedSettings, database: Path) -> None:
    async with running_server(kept):
        pass
    for path in (database.parent / "snapshots").iterdir():
        path.unlink()
    with pytest.raises(StorageUnusable, match="none of its snapshots can be read"):
        async with running_server(kept):
            pass


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE inputs SET digest = zeroblob(32) WHERE kind = 'duis'", r"input 3 \(duis\) would be answered otherwise"),
        ("UPDATE inputs SET digest = zeroblob(32) WHERE kind = 'control'", r"\(control\) would be answered otherwise"),
        ("UPDATE outbox SET digest = zeroblob(32)", "message 1 would be another one than was queued"),
        ("DELETE FROM outbox", ""),
        ("DELETE FROM inputs WHERE seq = 4", "input 4 is missing"),
        ("UPDATE inputs SET at_ms = 1 WHERE seq = 5", "which is past"),
        ("UPDATE inputs SET body = x'3c782f3e' WHERE seq = 3", "input 3 cannot be read any more"),
        ("UPDATE inputs SET verdict = '{' WHERE seq = 3", "verdict cannot be read"),
        ("UPDATE inputs SET verdict = '[]' WHERE seq = 2", "command cannot be read"),
    ],
)
async def test_a_log_that_does_not_lead_to_what_was_said_stops_the_start(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, database: Path, statement: str, says: str
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        await without_snapshot(server)
    change(database, statement)
    if not says:
        async with running_server(kept) as server:
            assert (await server.worlds["default"].log.tally(OutboxQuery())).of(DeliveryState.QUEUED) == 1, "made again"
        return
    with pytest.raises(Exception, match=says) as stopped:
        async with running_server(kept):
            pass
    assert isinstance(stopped.value, ReplayDiffers) is ("verdict" not in statement)
    with pytest.raises(Exception, match=says):
        async with running_server(kept):
            pass


async def test_a_message_that_only_the_log_knows_stops_the_start(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, database: Path
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        await without_snapshot(server)
    columns = (
        "world, seq, at_ms, wall_ms, recipient, kind, code, digest, body, body_bytes, state, attempts, detail, changed_wall_ms"
    )
    change(database, f"INSERT INTO outbox (number, {columns}) SELECT 99, {columns} FROM outbox")
    with pytest.raises(ReplayDiffers, match="message 99 is in the log and was not made again"):
        async with running_server(kept):
            pass


async def test_another_version_is_named_when_it_may_be_the_reason(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, database: Path
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        await without_snapshot(server)
    change(database, "UPDATE inputs SET digest = zeroblob(32)", "UPDATE snapshots SET engine_version = '0.0.9'")
    with pytest.raises(ReplayDiffers, match=r"written by version 0\.0\.9"):
        async with running_server(kept):
            pass


async def test_effects_that_were_made_and_not_stored_are_stored_at_the_start(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, endpoints: Endpoints, database: Path
) -> None:
    """The process may end after simulated time was noted and before what happened in it."""
    async with running_server(kept) as server:
        await some_traffic(server, clients, http)
        await without_snapshot(server)
    told = "kind = 'gbcs.response' OR instr(earlier, '[\"gbcs.response\"')"
    change(database, "DELETE FROM outbox", f"DELETE FROM journal WHERE {told}")
    there = await endpoints().open()
    async with running_server(kept) as server:
        await call(http, server, "PUT", f"/users/{USER}/endpoint", {"url": there.url})
        assert (await call(http, server, "POST", "/wait", {"condition": {"kind": "messages"}}))["met"]
        await without_snapshot(server)
    assert len(there.taken) == 1
    async with running_server(kept) as server:
        assert server.worlds["default"].outbox.depth == 0


async def test_an_error_of_ours_happens_again_in_a_replay(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, world_keys: KeyStore
) -> None:
    from emulator.client.errors import Rejected
    from emulator.dsp.dsp import Dsp

    submit = Dsp.submit

    def fail_on_inventory(self: Dsp, item: Any) -> Any:
        if item.request.service_reference_variant == "8.2":
            raise ZeroDivisionError("on purpose")
        return submit(self, item)

    monkeypatch.setattr(Dsp, "submit", fail_on_inventory)
    async with running_server(kept) as server:
        with pytest.raises(Rejected):
            await clients(server).send(read_inventory(SUPPLIER, ESME))
        assert (await clients(server).send(read_firmware_version(SUPPLIER, ESME))).code == "I99"
        await without_snapshot(server)
    async with running_server(kept) as server:
        assert server.worlds["default"].last_seq >= 2
        await without_snapshot(server)
    monkeypatch.undo()
    with pytest.raises(ReplayDiffers, match=r"would be (answered otherwise|another one)"):
        async with running_server(kept):
            pass


async def test_a_disk_that_fails_stops_acknowledgements_and_nothing_else(
    kept: LoadedSettings, clients: Clients, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.client.errors import Rejected

    write = rows.write_steps
    full = {"now": False}

    def maybe(connection: sqlite3.Connection, *rest: Any) -> None:
        if full["now"]:
            raise sqlite3.OperationalError("database or disk is full")
        write(connection, *rest)

    monkeypatch.setattr(rows, "write_steps", maybe)
    async with running_server(kept) as server:
        client, world = clients(server), server.worlds["default"]
        full["now"] = True
        with pytest.raises(Rejected, match="disk is full"):
            await client.send(read_firmware_version(SUPPLIER, ESME))
        reached = world.last_seq
        with pytest.raises(Rejected, match="disk is full"):
            await client.send(read_firmware_version(SUPPLIER, ESME))
        assert world.last_seq == reached, "the second one never reached the engine"
        async with http.get(f"{server.url()}/_dcc/ready") as answer:
            assert answer.status == 503
            assert "disk is full" in (await answer.json())["worlds"]["default"]
        async with http.put(
            f"{server.url()}/control/v1/worlds/default/users/{USER}/endpoint", json={"url": "http://127.0.0.1:9/"}
        ) as answer:
            assert answer.status == 503
        full["now"] = False
        await world.recorder.instant(world.instant_ms())
        assert (await client.send(read_inventory(SUPPLIER, ESME))).code == "I0"
        await without_snapshot(server)
    async with running_server(kept) as server:
        assert server.worlds["default"].last_seq >= 2


async def test_snapshots_come_by_themselves(kept: LoadedSettings, clients: Clients, database: Path, tmp_path: Path) -> None:
    flags = {**QUICK, "storage.folder": tmp_path / "data", "storage.snapshot_every_inputs": 100, "storage.mark_interval_ms": 20}
    async with running_server(load_settings(env={}, flags=flags)) as server:
        client, world = clients(server), server.worlds["default"]
        for _ in range(101):
            await client.send(read_inventory(SUPPLIER, ESME))
        from tests.service.conftest import eventually

        await eventually(lambda: world._snapshot_seq >= 100)
        assert len(await world.log.snapshots()) == 2


async def test_imported_keys_stay_with_their_world(
    kept: LoadedSettings, clients: Clients, tmp_path: Path, world_keys: KeyStore
) -> None:
    """The official key store, once imported, is kept with the data; signing rules follow."""
    store = tmp_path / "keystore.json"
    store.write_bytes(to_keystore_json(world_keys.records(SUPPLIER)))
    flags = {**QUICK, "storage.folder": tmp_path / "data"}
    async with running_server(load_settings(env={}, flags={**flags, "keys.import_from": store})) as server:
        assert server.worlds["default"].edge.policy.check_dates is False
        assert (await clients(server).send(read_inventory(SUPPLIER, ESME))).code == "I0"
        imported = {record.key for record in server.worlds["default"].world.keys.imported()}
        await without_snapshot(server)
    store.unlink()
    async with running_server(load_settings(env={}, flags=flags)) as server:
        world = server.worlds["default"]
        assert {record.key for record in world.world.keys.imported()} == imported
        assert world.edge.policy.check_dates is False
        await world.reset(recovery.Origin(None))
        assert {record.key for record in world.world.keys.imported()} == imported, "a reset keeps them"
    async with running_server(load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path / "other"})) as server:
        assert server.worlds["default"].edge.policy.check_dates is True


async def test_settings_that_come_too_late_are_named(kept: LoadedSettings, tmp_path: Path) -> None:
    async with running_server(kept) as server:
        metadata = await server.worlds["default"].log.metadata()
    assert recovery.unused_settings(kept.settings, metadata, None) == []
    estate = tmp_path / "estate.toml"
    estate.write_text("name = 'other'")
    late = {"worlds.seed": 77, "worlds.strict_counter": True, "worlds.estate": estate, "keys.import_from": tmp_path}
    settings = load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path / "data", **late}).settings
    assert recovery.unused_settings(settings, metadata, None) == [
        *("worlds.seed", "worlds.estate", "worlds.strict_counter", "keys.import_from"),
    ]
    flags = {**QUICK, "storage.folder": tmp_path / "data", "worlds.seed": 77}
    async with running_server(load_settings(env={}, flags=flags)) as server:
        assert server.worlds["default"].world.estate.seed == 1


def test_the_start_of_a_world_follows_the_settings(tmp_path: Path) -> None:
    wall = load_settings(env={}).settings
    assert recovery.origin_of(wall, 123).start_ms == 123
    estate = load_settings(env={}, flags={"clock.start": "estate", "worlds.seed": 4, "worlds.strict_counter": True}).settings
    assert recovery.origin_of(estate, 123) == recovery.Origin(None, 4, None, True)
