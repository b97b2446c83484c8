"""HTTP itself: methods, paths, connections, worlds, and octets that are no HTTP."""

import asyncio
import itertools

import pytest

from emulator.client.requests import read_firmware_version, read_inventory
from emulator.domain.identifiers import format_eui
from emulator.duis.messages import ServiceResponse
from tests.http.conftest import MakeSide
from tests.http.raw import read_answer, request_head, speak
from tests.http.running import Emulator
from tests.http.side import ESME, SUPPLIER, Side, assert_plain, device, take

DUIS_PATHS = ["/api/v1/serviceS", "/api/v1/serviceT", "/api/v1/serviceD"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", [*DUIS_PATHS, "/worlds/default/api/v1/serviceD"])
async def test_other_methods(default: Side, method: str, path: str) -> None:
    async with default.http.request(method, default.emulator.url("duis") + path) as found:
        answer = await take(found)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        assert_plain(answer)
        assert answer.text == f"{path} takes POST with a signed sr:Request, not {method}\n"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v1/serviceX",
        "/api/v1/services",
        "/api/v1/SERVICES",
        "/api/v1/serviceS/",
        "/api/v2/serviceS",
        "//api/v1/serviceS",
        "/api/v1/serviceS/../serviceX",
        "/worlds/default/api/v1/",
        "/worlds//api/v1/serviceS",
        "/worlds/a/b/api/v1/serviceS",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/serviceS%00",
        "/api/v1/serviceS%2f",
        "/services/certificatesearch",
        "/control/v1/worlds",
        "/_dcc/health",
    ],
)
async def test_other_paths(default: Side, path: str) -> None:
    async with default.unchanged():
        answer = await speak(default.emulator, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer is not None
    assert_plain(answer)
    assert answer.status == 404
    assert "DUIS requests go to /api/v1/serviceT, /api/v1/serviceS, /api/v1/serviceD" in answer.text


@pytest.mark.parametrize(
    "name",
    ["nowhere", "DEFAULT", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc", "a%0d%0aSet-Cookie:%20x=y", "%3Cscript%3E", "%00", "..", "%C3%A9"],
)
async def test_unknown_worlds(default: Side, name: str) -> None:
    head = f"POST /worlds/{name}/api/v1/serviceD HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
    answer = await speak(default.emulator, head)
    assert answer is not None
    assert answer.status == 404
    assert_plain(answer)
    assert "there is no world '" in answer.text
    assert "set-cookie" not in answer.headers
    assert "\r" not in answer.text


async def test_a_query_changes_nothing(side: Side) -> None:
    request = side.stamped(read_inventory(SUPPLIER, ESME))
    url = f"{side.url()}/api/v1/serviceD?apikey=x&world=default"
    async with side.http.post(url, data=side.signed(request), headers={"Content-Type": "application/xml"}) as answer:
        assert answer.status == 200


async def test_injected_headers_are_values(side: Side) -> None:
    """Headers that steer proxies or frameworks say nothing here."""
    forged = {
        "X-Forwarded-For": "1.2.3.4",
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/api/v1/serviceS",
        "Host": "evil.example",
        "Cookie": "a=b",
        "Authorization": "Bearer x",
        "SOAPAction": "x",
    }
    answer = await side.post(side.signed(read_inventory(SUPPLIER, ESME)), headers=forged)
    assert answer.status == 200
    assert not {"set-cookie", "location"} & answer.headers.keys()
    assert b"evil" not in answer.body


NOT_HTTP = {
    "words": b"hello there\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303"),
    "a long URL": b"POST /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
    "a length in words": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"POST / HTTP/1.1\r\nHost: x\r\nX: a\r\n b: c\r\n\r\n",
    "a space in a name": b"POST / HTTP/1.1\r\nHost: x\r\nX Y: a\r\n\r\n",
    "a bare line feed": b"POST / HTTP/1.1\r\nHost: x\nX: a\r\n\r\n",
    "HTTP/9": b"POST / HTTP/9.9\r\nHost: x\r\n\r\n",
    "an invented method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "octets above ASCII in a path": "POST /worlds/é HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
}


@pytest.mark.parametrize("octets", NOT_HTTP.values(), ids=NOT_HTTP.keys())
@pytest.mark.parametrize("interface", ["duis", "smki", "control"])
async def test_what_is_not_http(default: Side, interface: str, octets: bytes) -> None:
    """400 in plain words, nothing on the server's log, and the next one is served."""
    async with default.unchanged():
        answer = await speak(default.emulator, octets, interface=interface)
    assert answer is not None
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert "Traceback" not in answer.text
    assert "Traceback" not in default.emulator.log


async def test_expectations(side: Side) -> None:
    body = side.signed(read_inventory(SUPPLIER, ESME))
    headers = {"Content-Type": "application/xml", "Content-Length": str(len(body)), "Connection": "close"}
    unknown = await speak(side.emulator, request_head(side, "D", {**headers, "Expect": "miracles"}))
    assert unknown is not None
    assert unknown.status == 417
    reader, writer = await asyncio.open_connection("127.0.0.1", side.emulator.ports["duis"])
    writer.write(request_head(side, "D", {**headers, "Expect": "100-continue"}))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    answer = await read_answer(reader)
    assert answer is not None
    assert answer.status == 200
    writer.close()


async def converse(side: Side, count: int, *, pause_s: float = 0.0, pipelined: bool = False) -> list[ServiceResponse]:
    """Several requests over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", side.emulator.ports["duis"])
    asked = [side.stamped(read_inventory(SUPPLIER, ESME)) for _ in range(count)]
    found = []
    messages = []
    for request in asked:
        body = side.signed(request)
        messages.append(request_head(side, "D", {"Content-Type": "application/xml", "Content-Length": str(len(body))}) + body)
    if pipelined:
        writer.write(b"".join(messages))
    for number, message in enumerate(messages):
        if number and pause_s:
            await asyncio.sleep(pause_s)
        if not pipelined:
            writer.write(message)
        answer = await read_answer(reader)
        assert answer is not None
        read = side.reader.read(answer.body)
        assert isinstance(read, ServiceResponse)
        found.append(read)
    writer.close()
    assert [answer.request_id for answer in found] == [str(request.request_id) for request in asked]
    return found


@pytest.mark.parametrize("pipelined", [False, True])
async def test_connections_stay_open(side: Side, pipelined: bool) -> None:
    assert {answer.code for answer in await converse(side, 3, pipelined=pipelined)} == {"I0"}


@pytest.mark.verify
async def test_connections_outlive_the_pauses_of_stock_clients(side: Side) -> None:
    """They drop an idle connection after 5 s and never repeat a POST, so ours must live longer (wire_contract.md section 1)."""
    await converse(side, 2, pause_s=5.5)


async def test_http_1_0(side: Side) -> None:
    body = side.signed(read_inventory(SUPPLIER, ESME))
    head = request_head(side, "D", {"Content-Type": "application/xml", "Content-Length": str(len(body))})
    answer = await speak(side.emulator, head.replace(b"HTTP/1.1", b"HTTP/1.0") + body)
    assert answer is not None
    assert answer.status == 200


async def test_many_at_once_get_their_own_answers(side: Side) -> None:
    """Reads of the inventory and of devices, good ones and bad ones, all together."""
    homes = itertools.cycle((0, 1, 2))

    async def inventory() -> None:
        wanted = device(next(homes), "A0")
        answer = await side.ask(read_inventory(SUPPLIER, wanted))
        assert answer.payload is not None
        assert format_eui(wanted) in {entry.value("DeviceID") for entry in answer.payload}

    async def reading() -> None:
        assert (await side.ask(read_firmware_version(SUPPLIER, ESME))).code == "I99"

    async def nonsense() -> None:
        assert (await side.post(b"<a>")).status == 400

    await asyncio.gather(*(each() for each in [inventory, reading, nonsense] * 25))
    assert len(await side.control.transactions()) == 25


async def test_worlds_are_worlds_apart(emulator: Emulator, sides: MakeSide) -> None:
    """The same request is taken once by each; what it does in one is not seen in the other."""
    one, other = await sides(emulator, "one-of-two"), await sides(emulator, "two-of-two", seed=7)
    request = one.stamped(read_firmware_version(SUPPLIER, ESME))
    assert (await one.ask(request)).code == "I99"
    async with other.unchanged():
        answer = await other.post(one.signed(request), "S")
    assert answer.status == 403, "a world of another seed has other keys"
    other.keys = other.reader.keys = await other.control.key_store()
    assert (await other.ask(request)).code == "I99"
    assert (await one.refused(request)).code == "E44"
    assert len(await one.control.transactions()) == len(await other.control.transactions()) == 1


async def test_the_default_world_has_both_paths(default: Side) -> None:
    url = f"{default.emulator.url('duis')}/worlds/default/api/v1/serviceD"
    async with default.unchanged(), default.http.post(url, data=b"<a>", headers={"Content-Type": "application/xml"}) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("path", ["/_dcc/health", "/_dcc/ready", "/_dcc/version"])
async def test_health(emulator: Emulator, default: Side, path: str) -> None:
    async with default.http.get(emulator.url("control") + path) as answer:
        assert answer.status == 200
        found = await answer.json()
    assert found.get("status", "alive") in ("alive", "ready")


async def test_metrics_are_in_the_format_of_prometheus(emulator: Emulator, default: Side) -> None:
    await default.post(b"no")
    async with default.http.get(f"{emulator.url('control')}/_dcc/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    assert "# TYPE" in text
    assert 'code="http.400"' in text
