"""Faults between users and the DCC as both ends of a connection see them; what the world knows is as if nothing had happened."""

import asyncio
import io
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.client.errors import ClientError, Unreachable
from emulator.client.requests import read_firmware_version, read_inventory
from emulator.client.session import DuisClient
from emulator.client.signing import CounterSource, sign_request, stamp
from emulator.domain.identifiers import Eui64
from emulator.pki.keystore import KeyStore
from emulator.service.push import with_other_signature
from emulator.service.server import Server
from tests.service.conftest import ESME, SUPPLIER, SUPPLIER_2, USER, Api, Clients, Endpoints, ServerFactory, eventually

XML = {"Content-Type": "application/xml"}


async def plan(api: Api, kind: str, **how: Any) -> int:
    status, found = await api("POST", "/faults", {"kind": kind, **how})
    assert status == 201, found
    return int(found["fault"])


async def fault(api: Api, number: int) -> dict[str, Any]:
    return dict((await api("GET", f"/faults/{number}"))[1])


def signed(keys: KeyStore, user: Eui64 = SUPPLIER) -> bytes:
    return sign_request(stamp(read_inventory(user, ESME), CounterSource()), keys)


async def post(http: aiohttp.ClientSession, server: Server, body: bytes) -> tuple[int, bytes]:
    async with http.post(f"{server.url('duis')}/api/v1/serviceD", data=io.BytesIO(body), headers=XML) as answer:
        return answer.status, await answer.read()


async def codes_in_journal(api: Api) -> list[str]:
    return [entry["data"]["code"] for entry in (await api("GET", "/journal", kind="duis.request"))[1]["entries"]]


async def test_a_turned_away_request_is_unknown_and_may_come_again(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    api, body = Api(http, server), signed(world_keys)
    number = await plan(api, "duis.refuses_request", times=1, params={"status": 502})
    assert (await post(http, server, body))[0] == 502
    assert await codes_in_journal(api) == []
    status, answer = await post(http, server, body)
    assert (status, b"<sr:ResponseCode>I0<" in answer) == (200, True)
    shown = await fault(api, number)
    assert (shown["hits"], shown["condition"], shown["last_hit"]["entity"]) == (1, "used up", USER)


@pytest.mark.parametrize(
    ("kind", "params"),
    [("duis.fails_answer", {"status": 500}), ("duis.resets_connection", {}), ("duis.truncates_answer", {"percent": 30})],
)
async def test_a_lost_answer_belongs_to_a_request_that_was_taken(
    server: Server, http: aiohttp.ClientSession, clients: Clients, kind: str, params: dict[str, Any]
) -> None:
    api = Api(http, server)
    await plan(api, kind, times=1, params=params)
    client = clients(server)
    with pytest.raises(ClientError):
        await client.send(read_inventory(SUPPLIER, ESME))
    assert await codes_in_journal(api) == ["I0"]
    assert (await client.send(read_inventory(SUPPLIER, ESME))).code == "I0"


async def test_a_reset_is_no_orderly_end(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    await plan(Api(http, server), "duis.resets_connection")
    port, body = server.ports["duis"], signed(world_keys)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/v1/serviceD HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_slow_and_late_answers_are_whole(server: Server, http: aiohttp.ClientSession, clients: Clients) -> None:
    api, client = Api(http, server), clients(server)
    await plan(api, "duis.drips_answer", times=1, params={"span_ms": "300 ms"})
    await plan(api, "duis.delays_answer", times=1, params={"delay_ms": 100})
    started_s = time.monotonic()
    assert (await client.send(read_inventory(SUPPLIER, ESME))).code == "I0"
    assert time.monotonic() - started_s >= 0.4


async def test_a_client_that_gives_up_in_time_sees_a_late_answer_as_none(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    await plan(Api(http, server), "duis.delays_answer", params={"delay_ms": "2 s"})
    async with DuisClient(server.url("duis"), SUPPLIER, world_keys, timeout_s=0.2) as client:
        with pytest.raises(Unreachable):
            await client.send(read_inventory(SUPPLIER, ESME))


async def test_only_who_and_what_is_selected_is_hit(server: Server, http: aiohttp.ClientSession, clients: Clients) -> None:
    api = Api(http, server)
    await plan(api, "duis.fails_answer", device=USER, params={"srv": "8.2"})
    await plan(api, "duis.fails_answer", who={"role": "ED"})
    other, hit = clients(server, SUPPLIER_2), clients(server)
    assert (await other.send(read_inventory(SUPPLIER_2, ESME))).code == "I0"
    assert (await hit.send(read_firmware_version(SUPPLIER, ESME))).code == "I99"
    with pytest.raises(ClientError):
        await hit.send(read_inventory(SUPPLIER, ESME))


async def test_users_that_do_not_exist_are_refused(server: Server, http: aiohttp.ClientSession) -> None:
    api = Api(http, server)
    for whom, where in (
        ({"device": "00-00-00-00-00-00-00-09"}, "device"),
        ({"who": {"user": "nobody"}}, "who.user"),
        ({"who": {"role": "XX"}}, "who.role"),
        ({"who": {"region": "North"}}, "who.region"),
    ):
        status, found = await api("POST", "/faults", {"kind": "duis.fails_answer", **whom})
        assert (status, found["where"], bool(found["expected"])) == (400, where, True), found


async def test_chance_follows_seed_and_request_not_time(servers: ServerFactory, world_keys: KeyStore) -> None:
    """The same documents meet the same fate on another server, and a repetition of one has a chance of its own."""
    documents = [sign_request(stamp(read_inventory(SUPPLIER, ESME), counters), world_keys) for counters in [CounterSource()] * 12]
    fates = []
    async with aiohttp.ClientSession() as http:
        for _ in range(2):
            server = await servers()
            await plan(Api(http, server), "duis.refuses_request", chance=[1, 2])
            fates.append([(await post(http, server, document))[0] for document in documents])
            again = [(await post(http, server, documents[0]))[0] for _ in range(12)]
            assert {200, 503} == set(again)
    assert fates[0] == fates[1]
    assert set(fates[0]) == {200, 503}


async def test_the_journal_and_the_explanation_tell_of_a_hit(
    server: Server, http: aiohttp.ClientSession, clients: Clients
) -> None:
    api, client = Api(http, server), clients(server)
    number = await plan(api, "duis.delays_answer", name="tired", params={"delay_ms": 1})
    sent: list[str] = []
    client.observer = lambda exchange: sent.append(str(exchange.request_id))
    await client.send(read_inventory(SUPPLIER, ESME))
    (entry,) = (await api("GET", "/journal", kind="fault"))[1]["entries"]
    assert (entry["request_id"], entry["data"]["fault"]) == (sent[0], number)
    explained = (await api("GET", "/explain", request_id=sent[0]))[1]
    assert [hit["summary"] for hit in explained["faults"]] == [entry["summary"]]


async def answered(server: Server, http: aiohttp.ClientSession, clients: Clients, endpoint_url: str) -> None:
    """One request to a device whose result is pushed."""
    status, _ = await Api(http, server)("PUT", f"/users/{USER}/endpoint", {"url": endpoint_url})
    assert status in (200, 204)
    assert (await clients(server).send(read_firmware_version(SUPPLIER, ESME))).code == "I99"


async def test_a_push_that_breaks_off_comes_again(
    server: Server, http: aiohttp.ClientSession, clients: Clients, endpoints: Endpoints
) -> None:
    api, endpoint = Api(http, server), await endpoints().open()
    await plan(api, "push.breaks_off", times=2, params={"percent": 60})
    await answered(server, http, clients, endpoint.url)
    await eventually(lambda: len(endpoint.taken) == 1)
    retries = (await api("GET", "/journal", kind="push.retry"))[1]["entries"]
    assert ["planned fault" in entry["summary"] for entry in retries] == [True, True]


async def test_a_push_goes_late_twice_and_as_something_else(
    server: Server, http: aiohttp.ClientSession, clients: Clients, endpoints: Endpoints
) -> None:
    api, endpoint = Api(http, server), await endpoints().open()
    for kind, params in (
        ("push.repeats_message", {"copies": 2}),
        ("push.wrong_content_type", {"content_type": "text/html"}),
        ("push.delays_message", {"delay_ms": 200}),
    ):
        await plan(api, kind, params=params)
    started_s = asyncio.get_running_loop().time()
    await answered(server, http, clients, endpoint.url)
    await eventually(lambda: len(endpoint.taken) == 3)
    assert len(set(endpoint.taken)) == 1
    assert {headers["Content-Type"] for headers in endpoint.headers} == {"text/html"}
    assert endpoint.at_s[0] - started_s >= 0.2


async def test_a_garbled_signature_is_the_only_difference(
    server: Server, http: aiohttp.ClientSession, clients: Clients, endpoints: Endpoints
) -> None:
    api, endpoint = Api(http, server), await endpoints(400, 204).open()
    number = await plan(api, "push.garbles_signature", times=1, params={"code": "I0"})
    await answered(server, http, clients, endpoint.url)
    await eventually(lambda: len(endpoint.taken) == 1)
    spoilt, sound = endpoint.bodies
    assert spoilt == with_other_signature(sound)
    assert sum(a != b for a, b in zip(spoilt, sound, strict=True)) == 1
    assert (await fault(api, number))["hits"] == 1


async def test_counts_come_back_and_the_log_replays(
    servers: ServerFactory, http: aiohttp.ClientSession, world_keys: KeyStore, tmp_path: Path
) -> None:
    """What HTTP spoilt is no part of what the world does: it is taken up from its log as ever."""
    from emulator.service.config import load_settings
    from emulator.service.server import running_server
    from tests.service.conftest import QUICK

    settings = load_settings(env={}, flags={**QUICK, "storage.folder": str(tmp_path / "data")})
    digests: list[str] = []
    for expected in ([503, 503, 200], [200, 200, 200]):
        async with running_server(settings) as server:
            world = server.worlds["default"]
            digests.append(world.world.engine.digest())
            if expected[0] == 503:
                await plan(Api(http, server), "duis.fails_answer", times=2)
            assert [(await post(http, server, signed(world_keys)))[0] for _ in range(3)] == expected
            digests.append(world.world.engine.digest())
    assert digests[1] == digests[2]
