"""The audit trail of a server: asked over HTTP, verified, exported, replayed; and what happens when somebody edits it."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.client.control import ControlClient
from emulator.client.errors import Rejected
from emulator.client.requests import read_firmware_version, read_inventory, update_firmware
from emulator.client.session import DuisClient
from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp.audit import Record, read_record
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image
from emulator.estate.registration_csv import HEADER
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from emulator.service.audit_trail import read_export, verify_trail
from emulator.service.config import LoadedSettings, load_settings
from emulator.service.persistence.database import SCHEMA_VERSION
from emulator.service.persistence.offline import data_folder_trail
from emulator.service.recovery import ReplayDiffers
from emulator.service.server import Server, running_server
from tests.http.images import VERSION, product
from tests.service.conftest import ESME, QUICK, SUPPLIER, SUPPLIER_2, Endpoint
from tests.service.test_operator import post as post_as
from tests.service.test_recovery import change, without_snapshot

Clients = Callable[..., DuisClient]
STRANGER = Eui64(0xFE00000000000001)


@pytest.fixture
def kept(tmp_path: Path) -> LoadedSettings:
    return load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path / "data", "storage.blob_bytes": 1024})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "worlds" / "default" / "log.sqlite3"


def control(server: Server) -> ControlClient:
    return ControlClient(server.url(), timeout_s=30)


def meter_image(keys: KeyStore) -> bytes:
    """An OTA file that the default estate's list of products names."""
    row = product("ESME")
    key = keys.live(SUPPLIER, Usage.DIGITAL_SIGNATURE)
    assert key is not None
    return build(
        generated_manufacturer_image(row.manufacturer, row.model, VERSION, row.image_bytes),
        manufacturer_code=int(row.manufacturer, 16),
        image_type=0,
        file_version=int(VERSION, 16),
        header_string="test image",
        hardware_versions=(0x0100, 0x0200),
        private_key=key.private_key,
    )


async def some_traffic(server: Server, clients: Clients) -> list[str]:
    """An inventory read, a version read with its result, an image for a meter and 200 devices that are none: their RequestIDs."""
    client = clients(server)
    listed = [ESME, *(Eui64(STRANGER + n) for n in range(200))]
    requests = [
        read_inventory(SUPPLIER, ESME),
        read_firmware_version(SUPPLIER, ESME),
        update_firmware(SUPPLIER, meter_image(client.keys), VERSION, listed),
    ]
    answers = [await client.send(request) for request in requests]
    assert [answer.code for answer in answers] == ["I0", "I99", "W110101"]
    async with control(server) as api:
        await api.run_until_idle(timeout_ms=1_000)
    return [answer.request_id or "" for answer in answers]


async def records(api: ControlClient, **query: Any) -> list[Record]:
    return [read_record(values) for values in await api.audit(**query)]


async def test_every_request_and_message_is_recorded(server: Server, clients: Clients) -> None:
    inventory, version, image = await some_traffic(server, clients)
    async with control(server) as api:
        everything = await records(api, limit=1_000)
        assert [record.number for record in everything] == list(range(1, len(everything) + 1))
        decided = {record.entry.request_id: record.entry for record in everything if record.entry.kind == "decision"}
        assert {decided[inventory].outcome, decided[version].outcome[0], decided[version].device} == {"I0", "I", format_eui(ESME)}
        assert decided[version].user == format_eui(SUPPLIER)
        assert decided[version].variant == "11.2"
        assert (decided[image].version, decided[image].image_hash) == (VERSION, product("ESME").image_hash)
        (message,) = await records(api, request_id=version, kind="message")
        assert (message.entry.outcome, message.entry.user) == ("I0", format_eui(SUPPLIER))
        assert (await api.verify_audit())["whole"] is True


async def test_questions_are_answered_over_http(server: Server, clients: Clients) -> None:
    _, version, image = await some_traffic(server, clients)
    async with control(server) as api:
        everything = await records(api, limit=1_000)
        assert await records(api, request_id=version.upper()) == [r for r in everything if r.entry.request_id == version]
        assert await records(api, user=SUPPLIER.to_bytes(8, "big").hex()) == [
            r for r in everything if r.entry.user == format_eui(SUPPLIER)
        ]
        assert await records(api, user=format_eui(SUPPLIER_2)) == []
        first, last = everything[0], everything[-1]
        assert await records(api, from_ms=last.at_ms + 1) == []
        assert len(await records(api, to_ms=last.at_ms + 1, limit=1_000)) == len(everything)
        assert [r.number for r in await records(api, limit=2)] == [1, 2]
        assert await records(api, after=1, limit=1) == [everything[1]]
        assert await records(api, newest_first=True, limit=1) == [last]
        assert await records(api, newest_first=True, before=2) == [first]
        (sent,) = await records(api, variant="11.1", kind="decision")
        assert sent.entry.request_id == image
        assert sent in await records(api, device=format_eui(ESME), variant="11.1")
        assert await records(api, image_hash=sent.entry.image_hash.upper()) != []
        with pytest.raises(Rejected, match="device"):
            await api.audit(device="nobody")
        with pytest.raises(Rejected, match="colour"):
            await api.audit(colour="blue")


async def test_the_answer_says_how_to_go_on(server: Server, clients: Clients, http: aiohttp.ClientSession) -> None:
    await some_traffic(server, clients)
    url = f"{server.url()}/control/v1/worlds/default/audit"
    for query, after, before in (
        ("limit=2", 2, None),
        ("limit=1&newest_first=true&before=3", None, 2),
        ("kind=nothing", None, None),
    ):
        async with http.get(f"{url}?{query}") as answer:
            found = await answer.json()
        assert (found["next_after"], found["next_before"]) == (after, before)


async def test_a_list_of_devices_is_one_record_with_the_list_beside_it(server: Server, clients: Clients) -> None:
    _, _, image = await some_traffic(server, clients)
    async with control(server) as api:
        (record,) = await records(api, request_id=image, kind="decision")
        listed = await api.audit_devices(record.entry.devices_digest)
        assert len(listed) == record.entry.devices
        assert format_eui(ESME) in listed
        with pytest.raises(Rejected, match="there is no list"):
            await api.audit_devices("0" * 64)


async def test_the_operator_is_in_the_record(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    await post_as(http, server, world_keys, "J. Doe")
    async with control(server) as api:
        (record,) = await records(api, kind="decision")
    assert record.entry.operator == "J. Doe"


async def test_who_gives_a_control_command_is_in_its_record(server: Server) -> None:
    async with ControlClient(server.url(), operator="A. Lovelace") as api:
        await api.put_threshold("11.1", requests=7)
        (record,) = await records(api, kind="control")
    assert (record.entry.outcome, record.entry.operator) == ("threshold set", "A. Lovelace")
    async with control(server) as api:
        await api.put_threshold("11.1", requests=8)
        assert [each.entry.operator for each in await records(api, kind="control")] == ["A. Lovelace", ""]


async def test_an_export_is_verified_anywhere(server: Server, clients: Clients) -> None:
    await some_traffic(server, clients)
    async with control(server) as api:
        lines = (await api.export_audit()).splitlines()
        everything = await records(api, limit=1_000)
    trail, end = read_export(lines)
    verdict = await verify_trail(trail, end=end)
    assert (verdict.whole, verdict.records, end) == (True, len(everything), (everything[-1].number, everything[-1].digest))
    assert sum("devices" in json.loads(line) and "entry" not in json.loads(line) for line in lines) == verdict.lists == 2


EDITS = {
    "edited": ("UPDATE audit SET entry = json_set(entry, '$.outcome', 'E4') WHERE number = 2", 2),
    "dropped": ("DELETE FROM audit WHERE number = 1", 1),
    "cut off": ("DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)", None),
    "list": ("DELETE FROM device_lists", None),
}


@pytest.mark.parametrize(("statement", "number"), EDITS.values(), ids=EDITS.keys())
async def test_an_edit_behind_the_back_of_a_server_is_found(
    kept: LoadedSettings, clients: Clients, database: Path, tmp_path: Path, statement: str, number: int | None
) -> None:
    async with running_server(kept) as server, control(server) as api:
        await some_traffic(server, clients)
        assert (await api.verify_audit())["whole"] is True
        change(database, statement)
        found = await api.verify_audit()
        assert found["whole"] is False
        assert found["broken_at"] == (number or found["broken_at"])
        assert found["problem"]
    async with data_folder_trail(tmp_path / "data", "default") as (trail, marks):
        assert marks, "the stop wrote a snapshot"
        again = await verify_trail(trail, marks=marks)
        assert (again.whole, again.broken_at) == (False, found["broken_at"])


@pytest.mark.parametrize("registration_file", [False, True])
async def test_a_data_folder_is_verified_without_its_server(clients: Clients, tmp_path: Path, registration_file: bool) -> None:
    estate = tmp_path / "estate.toml"
    estate.write_text(('registration_file = "registrations.csv"\n' if registration_file else "") + default_estate_toml())
    (tmp_path / "registrations.csv").write_text(f"{HEADER}\n1200000000777,IS,supplier-two,2025-01-01,\n")
    flags = {**QUICK, "storage.folder": tmp_path / "data", "worlds.estate": estate}
    async with running_server(load_settings(env={}, flags=flags)) as server, control(server) as api:
        await some_traffic(server, clients)
        end = (await api.verify_audit())["end"]
    async with data_folder_trail(tmp_path / "data", "default") as (trail, marks):
        assert marks[end["number"]] == end["digest"]
        verdict = await verify_trail(trail, marks=marks)
        assert (verdict.whole, verdict.end) == (True, (end["number"], end["digest"]))


@pytest.mark.parametrize("graceful", [True, False], ids=["from the snapshot", "by replay"])
async def test_the_trail_goes_on_where_it_stopped(kept: LoadedSettings, clients: Clients, graceful: bool) -> None:
    async with running_server(kept) as server, control(server) as api:
        await some_traffic(server, clients)
        before = await records(api, limit=1_000)
        if not graceful:
            await without_snapshot(server)
    async with running_server(kept) as server, control(server) as api:
        assert await records(api, limit=1_000) == before
        await clients(server).send(read_inventory(SUPPLIER, ESME))
        assert len(await records(api, limit=1_000)) == len(before) + 1
        assert (await api.verify_audit())["whole"] is True


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "UPDATE audit SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE number = 2",
            "record 2 would be another one",
        ),
        ("DELETE FROM audit WHERE number = 2", "audit record 2 is made again and is not in the log"),
        (
            "INSERT INTO audit (number, world, seq, at_ms, previous, digest, entry) SELECT 999, world, seq, at_ms, '', '', '{}' "
            "FROM audit WHERE number = 2",
            "audit record 999 is in the log and was not made again",
        ),
    ],
)
async def test_a_replay_that_makes_other_records_stops_the_start(
    kept: LoadedSettings, clients: Clients, database: Path, statement: str, says: str
) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients)
        await without_snapshot(server)
    change(database, statement)
    with pytest.raises(ReplayDiffers, match=says):
        async with running_server(kept):
            pass


async def test_a_trail_that_was_cut_before_the_snapshot_is_told_at_the_start_and_stays_broken(
    kept: LoadedSettings, clients: Clients, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_server(kept) as server, control(server) as api:
        await some_traffic(server, clients)
        end = (await api.verify_audit())["end"]["number"]
    change(database, f"DELETE FROM audit WHERE number = {end}")
    async with running_server(kept) as server, control(server) as api:
        await clients(server).send(read_inventory(SUPPLIER, ESME))
        found = await api.verify_audit()
        assert (found["whole"], found["broken_at"]) == (False, end)


async def test_records_that_a_crash_kept_from_the_log_are_written_after_it(
    kept: LoadedSettings, clients: Clients, database: Path
) -> None:
    async with running_server(kept) as server, control(server) as api:
        await some_traffic(server, clients)
        before = await records(api, limit=1_000)
        await without_snapshot(server)
    change(database, "DELETE FROM audit", "DELETE FROM device_lists", "DELETE FROM outbox", "DELETE FROM journal")
    async with running_server(kept) as server, control(server) as api:
        assert await records(api, limit=1_000) == before
        assert (await api.verify_audit())["whole"] is True
        await without_snapshot(server)
    async with running_server(kept) as server, control(server) as api:
        assert await records(api, limit=1_000) == before, "and once only"


async def test_a_world_of_format_1_goes_on_with_a_trail(kept: LoadedSettings, clients: Clients, database: Path) -> None:
    async with running_server(kept) as server:
        await some_traffic(server, clients)
        await without_snapshot(server)
    change(
        database,
        *(f"DROP TABLE {name}" for name in ("audit", "device_lists", "audit_start", "journal_data")),
        *("ALTER TABLE journal DROP COLUMN earlier", "CREATE INDEX outbox_by_seq ON outbox (seq)"),
        "PRAGMA user_version = 1",
    )
    async with running_server(kept) as server, control(server) as api:
        assert (await api.verify_audit())["whole"] is True
        assert await records(api, kind="decision"), "the replay made them"
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


async def test_a_reset_begins_a_new_trail(kept: LoadedSettings, clients: Clients, endpoints: Callable[..., Endpoint]) -> None:
    async with running_server(kept) as server, control(server) as api:
        await some_traffic(server, clients)
        await api.reset()
        assert await records(api) == []
        found = await api.verify_audit()
        assert (found["whole"], found["records"]) == (True, 0)
