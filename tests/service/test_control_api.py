"""The control API: every operation once at least, its errors, its document."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from emulator.campaigns.hosting import EXTENSIONS
from emulator.client.requests import read_firmware_version, read_inventory
from emulator.pki.formats import read_crypto_zip, read_keystore_json
from emulator.service.control_app import control_routes
from tests.service.conftest import DEVICE, ESME, SUPPLIER, USER, Api, Clients, Endpoints, ServerFactory


async def test_health_readiness_version_and_metrics(api: Api, http: aiohttp.ClientSession) -> None:
    root = api.server.url()
    assert await api.ok("GET", f"{root}/_dcc/health") == {"status": "alive"}
    assert await api.ok("GET", f"{root}/_dcc/ready") == {"status": "ready", "worlds": {"default": None}}
    assert (await api.ok("GET", f"{root}/_dcc/version"))["version"]
    async with http.get(f"{root}/_dcc/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    assert 'dcc_ready{world="default"} 1.0' in text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for name in ("dcc_tasks", "process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"):
        assert float(values[name]) > 0


async def test_the_document_is_valid_and_complete(api: Api) -> None:
    document = await api.ok("GET", f"{api.server.url()}/control/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    routes = control_routes(api.server, EXTENSIONS)
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    assert described == {(route.path, route.method) for route in routes}
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    assert "securitySchemes" not in document["components"]


async def test_a_world_is_described(api: Api) -> None:
    world = await api.ok("GET")
    assert (world["world"], world["state"], world["problem"], world["estate"], world["homes"]) == (
        *("default", "ready", None, "default", 3),
    )
    assert (await api.ok("GET", f"{api.server.url()}/control/v1/worlds"))["worlds"] == [world]


async def test_the_clock_is_controlled(api: Api) -> None:
    start = (await api.ok("GET", "/clock"))["now_ms"]
    assert (await api.ok("POST", "/clock/pause"))["mode"] == "paused"
    advanced = await api.ok("POST", "/clock/advance", {"by_ms": 60_000})
    assert (advanced["reached"], advanced["now_ms"]) == (True, start + 60_000)
    assert (await api.ok("POST", "/clock/advance", {"to_ms": start + 90_000}))["now_ms"] == start + 90_000
    status, problem = await api("POST", "/clock/advance", {"to_ms": start})
    assert (status, problem["where"]) == (400, "to_ms")
    status, problem = await api("POST", "/clock/advance", {"to_ms": start, "by_ms": 1})
    assert (status, "exactly one" in problem["error"]) == (400, True)
    assert (await api.ok("POST", "/clock/resume"))["mode"] == "autojump"
    rated = await api.ok("POST", "/clock/rate", {"rate": "3600"})
    assert (rated["mode"], rated["rate"]) == ("real_time", "3600")
    await asyncio.sleep(0.05)
    assert (await api.ok("GET", "/clock"))["now_ms"] >= start + 90_000 + 50 * 3600
    assert (await api.ok("POST", "/clock/rate", {"rate": 0.5}))["rate"] == "5/10"
    status, problem = await api("POST", "/clock/rate", {"rate": "fast"})
    assert (status, problem["where"], problem["expected"]) == (400, "rate", "a number such as 60, 0.5 or 3/2")
    assert (await api.ok("POST", "/clock/autojump"))["mode"] == "autojump"


async def test_waiting_for_what_a_request_leads_to(api: Api, clients: Clients, endpoints: Endpoints) -> None:
    there = await endpoints().open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    answer = await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    waited = await api.ok("POST", "/wait", {"condition": {"kind": "answered", "request_id": answer.request_id}})
    assert waited["met"] is True
    assert len(there.taken) == 1
    for condition in (
        {"kind": "idle"},
        {"kind": "messages", "recipient": USER, "device": DEVICE},
        {"kind": "transaction", "request_id": answer.request_id, "states": ["answered"]},
        {"kind": "instant", "at_ms": waited["now_ms"]},
    ):
        assert (await api.ok("POST", "/wait", {"condition": condition, "timeout_ms": 2_000}))["met"], condition
    for condition in (
        {"kind": "messages", "count": 2},
        {"kind": "job", "device": DEVICE},
        {"kind": "transaction", "request_id": "x", "states": ["answered"]},
        {"kind": "instant", "at_ms": waited["now_ms"] + 10**9},
    ):
        assert not (await api.ok("POST", "/wait", {"condition": condition, "timeout_ms": 20}))["met"], condition
    status, problem = await api("POST", "/wait", {"condition": {"kind": "job", "device": "00-00-00-00-00-00-00-01"}})
    assert (status, problem["where"]) == (404, "condition.device")
    status, problem = await api("POST", "/wait", {"condition": {"kind": "rain"}})
    assert (status, problem["where"]) == (400, "condition")


async def test_running_until_idle_works_on_a_paused_clock(api: Api, clients: Clients, endpoints: Endpoints) -> None:
    there = await endpoints().open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    await api.ok("POST", "/clock/pause")
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    await asyncio.sleep(0.05)
    assert there.taken == []
    result = await api.ok("POST", "/clock/run-until-idle", {})
    assert (result["idle"], result["mode"], len(there.taken)) == (True, "paused", 1)


async def test_devices_and_inventory(api: Api) -> None:
    inventory = await api.ok("GET", "/inventory", type="ESME")
    assert inventory["count"] == 3
    assert {device["type"] for device in inventory["devices"]} == {"ESME"}
    hub = inventory["devices"][0]["hub"]
    at_home = await api.ok("GET", "/devices", hub=hub, limit=2)
    assert (at_home["count"] > 2, len(at_home["devices"])) == (True, 2)
    device = await api.ok("GET", f"/devices/{DEVICE.lower()}")
    assert (device["device"], device["inventory"]["type"], device["job"]) == (DEVICE, "ESME", None)
    assert device["state"]
    estate = await api.ok("GET", "/estate")
    assert (len(estate["homes"]), len(estate["parties"])) == (3, len({party["eui"] for party in estate["parties"]}))
    assert (await api("GET", "/devices/00-00-00-00-00-00-00-01"))[0] == 404
    status, problem = await api("GET", "/devices/nonsense")
    assert (status, problem["where"], problem["expected"]) == (400, "device", "8 hexadecimal octets joined by hyphens")
    assert await api.ok("PUT", f"/devices/{DEVICE}/power", {"on": False}) == {"device": DEVICE, "on": False}
    status, problem = await api("POST", f"/devices/{DEVICE}/fit", {"hub": DEVICE})
    assert (status, problem) == (
        400,
        {"error": f"{DEVICE} is not a hub", "where": "hub", "expected": "the EUI of a CHF of the estate"},
    )


async def test_users_and_endpoints(api: Api) -> None:
    users = (await api.ok("GET", "/users"))["users"]
    assert USER in {user["user"] for user in users}
    assert await api.ok("GET", f"/users/{USER}/endpoint") == {"user": USER, "url": "", "floor_ms": None}
    wanted = {"url": "http://127.0.0.1:1880/smartdcc/duis", "floor_ms": 5}
    assert await api.ok("PUT", f"/users/{USER}/endpoint", wanted) == {"user": USER, **wanted}
    assert await api.ok("GET", f"/users/{USER}/endpoint") == {"user": USER, **wanted}
    assert await api.ok("PUT", f"/users/{USER}/endpoint", {"url": ""}) == {"user": USER, "url": "", "floor_ms": None}
    status, problem = await api("PUT", f"/users/{USER}/endpoint", {"url": "http://192.0.2.1/"})
    assert (status, problem["where"]) == (400, "url")
    assert problem["expected"] == "loopback, or a host in outbox.allowed_hosts"
    assert (await api("GET", "/users/00-00-00-00-00-00-00-01/endpoint"))[0] == 404
    assert await api.ok("PUT", f"/users/{USER}/status", {"active": False}) == {"user": USER, "active": False}


async def test_certificates_and_key_stores(api: Api, http: aiohttp.ClientSession) -> None:
    found = await api.ok("GET", "/certificates", eui=USER, usage="DS")
    assert {entry["eui"] for entry in found["certificates"]} == {USER}
    assert all(entry["usage"] == "DS" and "PRIVATE" not in entry["certificate"] for entry in found["certificates"])
    assert (await api.ok("GET", "/certificates", eui=DEVICE))["count"] == 2
    async with http.get(f"{api.base}/keys/keystore.json?devices=true") as answer:
        report = read_keystore_json(await answer.read())
    assert ESME in {record.eui for record in report.records}
    assert not report.skipped
    async with http.get(f"{api.base}/keys/org-crypto.zip") as answer:
        assert answer.content_type == "application/zip"
        assert read_crypto_zip(await answer.read()).records


async def test_products_registrations_and_faults(api: Api) -> None:
    row = {"type": "ESME", "manufacturer": "1234", "model": "12345678", "firmware_version": "000000ff", "status": "Active"}
    assert await api.ok("PUT", "/firmware-list", row) == {"firmware_version": "000000FF", "status": "Active"}
    assert any(entry["firmware_version"] == "000000FF" for entry in (await api.ok("GET", "/firmware-list"))["products"])
    assert (await api("PUT", "/firmware-list", {**row, "status": "Old"}))[0] == 400
    registration = (await api.ok("GET", "/registrations"))["registrations"][0]
    wanted = {"mpxn": registration["mpxn"], "role": "IS", "party": "supplier-two"}
    assert (await api.ok("POST", "/registrations", wanted))["party"] == "supplier-two"
    assert (await api("POST", "/registrations", {**wanted, "party": "nobody"}))[0] == 400
    status, problem = await api("POST", "/faults", {"kind": "nonsense"})
    assert status == 400, problem
    kind = "device.silent"
    number = (await api.ok("POST", "/faults", {"kind": kind, "device": DEVICE, "times": 1}))["fault"]
    assert [entry["number"] for entry in (await api.ok("GET", "/faults"))["faults"]] == [number]
    assert (await api("DELETE", "/faults/999999"))[0] == 404
    assert (await api("DELETE", "/faults/x"))[0] == 400
    await api.ok("DELETE", f"/faults/{number}")
    await api.ok("POST", "/faults", {"kind": kind})
    await api.ok("DELETE", "/faults")
    assert (await api.ok("GET", "/faults"))["faults"] == []


async def test_jobs_and_transactions(api: Api, clients: Clients) -> None:
    assert await api.ok("GET", "/jobs", device=DEVICE) == {"count": 0, "requests": []}
    await api.ok("POST", "/clock/pause")
    answer = await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    found = await api.ok("GET", "/transactions", request_id=(answer.request_id or "").upper(), device=DEVICE, state="sent")
    assert (found["count"], found["transactions"][0]["variant"]) == (1, "11.2")
    assert (await api.ok("GET", "/transactions", state="answered"))["count"] == 0
    assert await api.ok("GET", "/schedules", device=DEVICE) == {"count": 0, "schedules": []}
    status, problem = await api("DELETE", f"/jobs/{DEVICE}")
    assert (status, "no open firmware job" in problem["error"]) == (400, True)


async def test_the_journal_tells_the_whole_story_of_a_request(
    api: Api, clients: Clients, endpoints: Endpoints, http: aiohttp.ClientSession
) -> None:
    there = await endpoints().open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    answer = await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    request_id = (answer.request_id or "").lower()
    await api.ok("POST", "/wait", {"condition": {"kind": "answered", "request_id": request_id}})
    entries = (await api.ok("GET", "/journal", request_id=request_id, bodies="true", decode="true"))["entries"]
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "duis.request"
    assert {"gate", "gbcs.command", "push.queued", "push.delivered"} <= set(kinds)
    assert [entry["number"] for entry in entries] == sorted(entry["number"] for entry in entries)
    assert "<sr:ReadFirmwareVersion" in entries[0]["request_xml"]
    assert ">I99<" in entries[0]["answer_xml"]
    pushed = next(entry for entry in entries if entry["kind"] == "push.delivered")
    assert pushed["push_xml"].encode() == there.taken[0]
    command = next(entry for entry in entries if entry["kind"] == "gbcs.command")
    assert {check["verdict"] for check in command["gbcs"]["checks"]} <= {"valid", "absent", "null"}
    page = await api.ok("GET", "/journal", limit=2)
    following = await api.ok("GET", "/journal", limit=2, after=page["next_after"])
    assert following["entries"][0]["number"] == page["next_after"] + 1
    async with http.get(f"{api.base}/journal/transcript") as streamed:
        assert streamed.content_type == "application/x-ndjson"
        lines = [json.loads(line) async for line in streamed.content]
    everything = (await api.ok("GET", "/journal", limit=10_000))["entries"]
    assert [line["number"] for line in lines] == [entry["number"] for entry in everything]


async def test_the_outbox_is_seen_and_dead_letters_are_resent(api: Api, clients: Clients, endpoints: Endpoints) -> None:
    there = await endpoints(400, 400, 400, 204).open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    answer = await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    await api.ok("POST", "/wait", {"condition": {"kind": "messages", "state": "dead"}})
    outbox = await api.ok("GET", "/outbox", state="dead", recipient=USER)
    (message,) = outbox["messages"]
    assert (message["request_id"], message["status"], message["device"], outbox["counts"]["dead"]) == (
        *(answer.request_id, 400, DEVICE, 1),
    )
    assert "GBCSPayload" in (await api.ok("GET", f"/outbox/{message['number']}"))["xml"]
    resent = await api.ok("POST", f"/outbox/{message['number']}/resend")
    assert resent["state"] in ("queued", "delivered")
    await api.ok("POST", "/wait", {"condition": {"kind": "messages"}})
    assert (await api("GET", "/outbox/77"))[0] == 404
    assert (await api("GET", "/outbox/first"))[0] == 400
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": ""})
    await api.ok("POST", f"/outbox/{message['number']}/resend")
    queued = (await api.ok("GET", "/outbox", state="queued"))["messages"]
    assert queued[0]["waits_for"]["for"] == "an endpoint to be set"
    status, problem = await api("POST", f"/outbox/{message['number']}/resend")
    assert (status, "queued already" in problem["error"]) == (409, True)
    assert await api.ok("POST", "/outbox/resend", recipient=USER) == {"queued": 0}


async def test_all_dead_letters_at_once(
    servers: ServerFactory, http: aiohttp.ClientSession, clients: Clients, endpoints: Endpoints
) -> None:
    server = await servers.start({"outbox.rejected_attempts": 1})
    api, there = Api(http, server), await endpoints(404).open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    for _ in range(3):
        await clients(server).send(read_firmware_version(SUPPLIER, ESME))
    await api.ok("POST", "/wait", {"condition": {"kind": "messages", "state": "dead", "count": 3}})
    there.statuses = [204]
    assert await api.ok("POST", "/outbox/resend") == {"queued": 3}
    assert (await api.ok("POST", "/wait", {"condition": {"kind": "messages", "count": 3}}))["met"]


async def test_a_reset_begins_again(api: Api, clients: Clients) -> None:
    before = await api.ok("GET", "/digest")
    client = clients(api.server)
    await client.send(read_inventory(SUPPLIER, ESME))
    assert (await api.ok("GET", "/digest"))["digest"] != before["digest"]
    assert (await api.ok("POST", "/reset", {}))["inputs"] == 0
    assert await api.ok("GET", "/digest") == before
    assert (await api.ok("GET", "/journal"))["entries"] == []
    assert (await client.send(read_inventory(SUPPLIER, ESME))).code == "I0"
    again = await api.ok("POST", "/reset", {"seed": 7, "start_ms": 1_800_000_000_000})
    assert (again["seed"], again["now_ms"]) == (7, 1_800_000_000_000)
    status, problem = await api("POST", "/reset", {"estate": "name = 3"})
    assert (status, "estate" in problem["where"]) == (400, True)
    assert (await api.ok("GET"))["seed"] == 7, "a refused reset changes nothing"


async def test_worlds_are_made_and_dropped(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({"worlds.limit": 2})
    api, worlds = Api(http, server, "trial"), f"{server.url()}/control/v1/worlds"
    made = await api.ok("POST", worlds, {"name": "trial", "seed": 5})
    assert (made["world"], made["seed"]) == ("trial", 5)
    assert (await api("POST", worlds, {"name": "trial"}))[0] == 409
    assert (await api("POST", worlds, {"name": "third"}))[0] == 409
    assert (await api("POST", worlds, {"name": "No"}))[0] == 400
    assert (await api("DELETE"))[0] == 204
    assert (await api("GET"))[0] == 404
    status, problem = await Api(http, server)("DELETE")
    assert (status, "one of the settings" in problem["error"]) == (409, True)


async def test_settings_are_shown_with_their_origin(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({"control.token": "sesame"})
    async with http.get(f"{server.url()}/control/v1/settings", headers={"Authorization": "Bearer sesame"}) as answer:
        settings = await answer.json()
    assert settings["duis.port"] == {"value": 0, "origin": "flag"}
    assert "sesame" not in json.dumps(settings)


async def test_a_token_is_asked_for_where_there_is_one(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({"control.token": "sesame"})
    url = f"{server.url()}/control/v1/worlds"
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic sesame"}, 401),
        ({"Authorization": "Bearer sesame"}, 200),
    ):
        async with http.get(url, headers=headers) as answer:
            assert answer.status == status, headers
            assert status == 200 or (await answer.json())["expected"] == "Bearer <token>"
    async with http.get(f"{server.url()}/_dcc/ready") as answer:
        assert answer.status == 200, "health is for everybody"
    async with http.get(f"{server.url()}/control/v1/openapi.json", headers={"Authorization": "Bearer sesame"}) as answer:
        document = await answer.json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["security"] == [{"token": []}]


async def test_pages_of_other_origins_are_kept_out(api: Api, http: aiohttp.ClientSession) -> None:
    for origin, status in (("http://evil.example", 403), ("null", 403), (api.server.url(), 200)):
        async with http.post(f"{api.base}/clock/pause", headers={"Origin": origin}) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "where"),
    [
        ("POST", "/clock/rate", b"{", 400, "body"),
        ("POST", "/clock/rate", b"[]", 400, "body"),
        ("POST", "/clock/rate", b"{}", 400, "rate"),
        ("POST", "/clock/rate", b'{"rate":"1","more":2}', 400, "more"),
        ("PUT", f"/users/{USER}/status", b'{"active":"perhaps"}', 400, "active"),
        ("GET", "/clock/rate", b"", 405, "method"),
        ("GET", "/nowhere", b"", 404, "path"),
        ("GET", "/journal?limit=0", b"", 400, "limit"),
        ("GET", "/journal?limit=x", b"", 400, "limit"),
        ("GET", "/journal?device=x", b"", 400, "device"),
        ("GET", "/journal?colour=red", b"", 400, "colour"),
    ],
)
async def test_errors_are_json_with_place_and_remedy(
    api: Api, http: aiohttp.ClientSession, method: str, path: str, body: bytes, status: int, where: str
) -> None:
    headers = {"Content-Type": "application/json"}
    async with http.request(method, api.base + path, data=io.BytesIO(body), headers=headers) as answer:
        assert (answer.status, answer.content_type) == (status, "application/json")
        problem = await answer.json()
    assert set(problem) == {"error", "where", "expected"}
    assert problem["where"] == where


async def test_bodies_must_be_json_and_not_huge(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({"control.body_limit_bytes": 1024})
    url = f"{server.url()}/control/v1/worlds/default/clock/rate"
    async with http.post(url, data=b"rate=1", headers={"Content-Type": "application/x-www-form-urlencoded"}) as answer:
        assert answer.status == 415
    async with http.post(url, data=b" " * 2_000, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 413
    async with http.get(f"{server.url()}/control/v1/worlds/none/clock") as answer:
        assert (answer.status, (await answer.json())["expected"]) == (404, "one of default")


async def test_an_error_of_ours_is_500_without_a_traceback(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(api.server.worlds["default"].world.views, "registrations", fail)
    status, problem = await api("GET", "/registrations")
    assert (status, "ZeroDivisionError" in json.dumps(problem)) == (500, False)


@pytest.mark.parametrize(
    ("condition", "where", "expected"),
    [
        ({"kind": "job", "device": DEVICE, "states": ["VERIFIED", "VERYFIED"]}, "condition.job.states.1", "perhaps 'VERIFIED'"),
        ({"kind": "jobs", "states": ["done"]}, "condition.jobs.states.0", "one of ACTIVATED"),
        ({"kind": "transaction", "request_id": "x", "states": ["answerd"]}, "condition.transaction.states.0", "'answered'"),
    ],
)
@pytest.mark.parametrize("path", ["/wait", "/clock/run-until"])
async def test_nobody_waits_for_a_state_that_does_not_exist(
    api: Api, path: str, condition: dict[str, object], where: str, expected: str
) -> None:
    status, found = await api("POST", path, {"condition": condition, "timeout_ms": 5_000})
    assert (status, found["where"]) == (400, where)
    assert expected in found["expected"]
