"""Watching a world: the stream of events, what needs attention, the search, the traffic as HAR."""

import asyncio
import json
from typing import Any

import aiohttp

from emulator.client.control import ControlClient
from emulator.client.requests import read_firmware_version
from tests.service.conftest import ESME, SUPPLIER, USER, Api, Clients, Endpoints


async def collect(control: ControlClient, count: int, **query: Any) -> list[dict[str, Any]]:
    return [entry async for entry in control.events(count=count, **query)]


async def test_events_come_as_they_happen_and_go_on_at_a_cursor(api: Api, clients: Clients) -> None:
    async with ControlClient(api.server.url()) as control:
        waiting = asyncio.create_task(collect(control, 3))
        await asyncio.sleep(0)
        await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
        first = await asyncio.wait_for(waiting, 60)
        assert [entry["number"] for entry in first] == sorted(entry["number"] for entry in first)
        later = await collect(control, 2, after=first[-1]["number"])
        assert later[0]["number"] == first[-1]["number"] + 1
        await control.pause()
        (clock,) = await collect(control, 1, kind="control.clock")
        assert clock["kind"] == "control.clock.pause", "the clock's changes are events too"


async def test_a_stream_ends_when_the_server_stops(api: Api) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{api.base}/events") as stream:
        assert stream.status == 200
        api.server.worlds["default"].drain()
        assert await stream.read() == b"", "nothing happened, and nothing will"


async def test_a_browser_resumes_with_the_id_of_the_last_event(api: Api, clients: Clients) -> None:
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{api.base}/events?count=1", headers={"Last-Event-ID": "1"}) as stream:
            assert stream.content_type == "text/event-stream"
            text = (await stream.read()).decode()
            assert text.startswith("id: 2\nevent: ")
            assert json.loads(text.split("data: ")[1])["number"] == 2
        async with http.get(f"{api.base}/events", headers={"Last-Event-ID": "second"}) as refused:
            assert refused.status == 400
            assert (await refused.json())["where"] == "Last-Event-ID"


async def test_what_needs_attention(api: Api, clients: Clients, endpoints: Endpoints) -> None:
    assert (await api.ok("GET", "/exceptions"))["dead_letters"] == []
    there = await endpoints(400, 400, 400).open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    await api.ok("POST", "/wait", {"condition": {"kind": "messages", "state": "dead"}})
    found = await api.ok("GET", "/exceptions")
    assert [letter["recipient"] for letter in found["dead_letters"]] == [USER]
    assert found["jobs"] == []
    assert found["storage"] is None


async def test_the_journal_is_searched_and_archived(api: Api, clients: Clients) -> None:
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    await api.ok("POST", "/wait", {"condition": {"kind": "idle"}})
    found = (await api.ok("GET", "/journal", text="FROM 90-B3"))["entries"]
    assert found
    assert all("from 90-B3" in entry["summary"] for entry in found)
    assert (await api.ok("GET", "/journal", text="no such words"))["entries"] == []
    archive = (await api.ok("GET", "/journal/har"))["log"]
    assert archive["version"] == "1.2"
    exchange = archive["entries"][0]
    assert "<sr:Request" in exchange["request"]["postData"]["text"]
    assert "I99" in exchange["response"]["content"]["text"]
    assert exchange["request"]["bodySize"] == len(exchange["request"]["postData"]["text"].encode())
