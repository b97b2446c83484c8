"""Watching a world: the stream of events, what needs attention, the search, the traffic as HAR."""

import asyncio
import json
import re
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

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
            assert text.startswith("id: 2-")
            assert "\nevent: " in text
            assert json.loads(text.split("data: ")[1])["number"] == 2
        async with http.get(f"{api.base}/events", headers={"Last-Event-ID": "second"}) as refused:
            assert refused.status == 400
            assert (await refused.json())["where"] == "Last-Event-ID"


@pytest.mark.parametrize("begin", ["reset", "restore"])
async def test_a_stream_over_a_world_that_begins_anew_misses_nothing(api: Api, begin: str) -> None:
    """Numbers begin again; neither a stream that is open nor a cursor of before leaves out what comes then."""
    if begin == "restore":
        await api.ok("POST", "/snapshot", {"name": "then"})
    for _ in range(3):
        await api.ok("POST", "/clock/pause")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{api.base}/events?count=3") as stream:
            last = re.findall(r"^id: (\S+)$", (await stream.read()).decode(), re.MULTILINE)[-1]
        async with http.get(f"{api.base}/events", params={"after": 3}) as stream:
            await api.ok("POST", f"/{begin}", {"snapshot": "then"} if begin == "restore" else {})
            assert await asyncio.wait_for(stream.read(), 10) == b"", "it ends with the world that it was about"
        await api.ok("POST", "/clock/autojump")
        async with http.get(f"{api.base}/events?count=1", headers={"Last-Event-ID": last}) as stream:
            text = (await asyncio.wait_for(stream.read(), 10)).decode()
            assert text.startswith(": the world has begun anew")
            assert "control.clock.autojump" in text
            assert f"id: 1-{last.partition('-')[2]}" not in text


async def test_a_python_client_goes_on_when_the_world_begins_anew(api: Api) -> None:
    await api.ok("POST", "/clock/pause")
    async with ControlClient(api.server.url()) as control:
        waiting = asyncio.create_task(collect(control, 3))
        await asyncio.sleep(0.1)
        await api.ok("POST", "/reset", {})
        await api.ok("POST", "/clock/autojump")
        await api.ok("POST", "/clock/pause")
        found = await asyncio.wait_for(waiting, 30)
    assert [(entry["number"], entry["summary"]) for entry in found] == [
        (1, "clock.pause"),
        (1, "clock.autojump"),
        (2, "clock.pause"),
    ]


async def test_a_cursor_that_no_event_has_had_is_refused_with_the_remedy(api: Api) -> None:
    await api.ok("POST", "/clock/pause")
    for query in ("after=2", f"after={2**63}", "after=-1", "count=0", "kind=a&kind=b"):
        async with aiohttp.ClientSession() as http, http.get(f"{api.base}/events?{query}") as refused:
            found = await refused.json()
            assert (refused.status, found["where"], bool(found["expected"])) == (400, query.partition("=")[0], True), found
    async with aiohttp.ClientSession() as http, http.get(f"{api.base}/events", headers={"Last-Event-ID": "2"}) as refused:
        assert (refused.status, (await refused.json())["where"]) == (400, "Last-Event-ID")


@pytest.mark.parametrize("path", ["journal", "journal/transcript", "journal/har", "outbox", "audit"])
async def test_a_cursor_beyond_all_numbers_is_refused(api: Api, path: str) -> None:
    status, found = await api("GET", f"/{path}", after=2**63)
    assert (status, found["where"]) == (400, "after")


async def test_a_reader_who_goes_away_is_no_failure(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream writes into a connection that is no longer there; nobody is told of an error."""
    monkeypatch.setattr("emulator.service.control_events.QUIET_S", 0.01)
    with capture_logs() as logs:
        async with aiohttp.ClientSession() as http, http.get(f"{api.base}/events") as stream:
            assert await stream.content.readline() == b": nothing new\n"
        await asyncio.sleep(0.2)
    assert [each for each in logs if each["log_level"] in ("error", "warning")] == []


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


async def test_an_archive_is_whole_however_long_the_journal(api: Api, clients: Clients, endpoints: Endpoints) -> None:
    """Entries without an exchange count for nothing, and the places of pushes are told."""
    there = await endpoints(503, 204).open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    for _ in range(105):
        await api.ok("POST", "/clock/autojump")
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    await api.ok("POST", "/wait", {"condition": {"kind": "messages"}})
    entries = (await api.ok("GET", "/journal/har"))["log"]["entries"]
    requests = [entry for entry in entries if entry["_kind"] == "duis.request"]
    pushes = [entry for entry in entries if entry["_kind"].startswith("push.")]
    assert [(entry["response"]["status"], entry["response"]["statusText"]) for entry in requests] == [(200, "OK")]
    assert [(entry["request"]["url"], entry["response"]["status"]) for entry in pushes] == [(there.url, 503), (there.url, 204)]
    limited = await api.ok("GET", "/journal/har", limit=100)
    assert limited["log"]["entries"] == []
