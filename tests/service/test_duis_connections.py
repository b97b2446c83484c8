"""Where the usual request is read without aiohttp: nothing that is not plainly one, and the same answers to the octet."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from hypothesis import given
from hypothesis import strategies as st

from emulator.client.requests import read_inventory
from emulator.client.signing import CounterSource, sign_request, stamp
from emulator.domain.vocabulary import WebService
from emulator.pki.keystore import KeyStore
from emulator.service.answering import Reply
from emulator.service.duis_connections import MAX_AHEAD_BYTES, MAX_HEAD_BYTES, Connections, read_head, write_head
from emulator.service.server import Server
from tests.service.conftest import ESME, SUPPLIER, eventually

USUAL = b"POST /api/v1/serviceD HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/xml\r\nContent-Length: 4\r\n\r\n"
GENERAL = b"DCC-Operator: someone\r\n"
"""A field that is for aiohttp to read."""
COUNTERS = CounterSource()


def request(body: bytes, *fields: bytes, path: str = "/api/v1/serviceD") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"".join(fields) + b"\r\n" + body


def signed(keys: KeyStore) -> bytes:
    return sign_request(stamp(read_inventory(SUPPLIER, ESME), COUNTERS), keys)


class Talk:
    """A connection with answers by octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def answer(self) -> tuple[bytes, bytes]:
        """Head without the time of day, and body."""
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length is not None
            return re.sub(rb"Date: [^\r]+", b"Date: *", head), await self.reader.readexactly(int(length[1]))


@asynccontextmanager
async def talk(server: Server) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["duis"])
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()


def connections_of(server: Server) -> Connections:
    (found,) = [each.server for each in server._runners if isinstance(each.server, Connections)]
    return found


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"", b"", (None, WebService.NON_DEVICE, 4)),
        (b"serviceD", b"serviceT", (None, WebService.TRANSFORM, 4)),
        (b"/api", b"/worlds/a-1/api", ("a-1", WebService.NON_DEVICE, 4)),
        (b"xml\r\n", b"xml; charset=utf-8\r\n", (None, WebService.NON_DEVICE, 4)),
        (b"Host", b"Connection: Keep-Alive\r\nX-Of-Theirs: a, b;c\r\nhost", (None, WebService.NON_DEVICE, 4)),
    ],
)
def test_the_usual_head(old: bytes, new: bytes, found: tuple[str | None, WebService, int]) -> None:
    assert read_head(USUAL.replace(old, new, 1)) == found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"GET"),
        (b"POST", b"post"),
        (b"POST ", b"POST  "),
        (b"serviceD", b"serviceX"),
        (b"serviceD", b"serviceD/"),
        (b"serviceD", b"serviceD?a=b"),
        (b"/api", b"/worlds//api"),
        (b"/api", b"/worlds/a%2e/api"),
        (b"/api", b"http://localhost/api"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
        (b"Host: localhost\r\n", b""),
        (b"Host: localhost\r\n", b"Host: localhost\n"),
        (b"Host: localhost", b"Host:"),
        (b"Host: localhost", b"Host : localhost"),
        (b"Host: localhost", b"Host: localhost\r\nHost: localhost"),
        (b"Host: localhost", b"Host: localhost\r\n folded"),
        (b"Host: localhost", b"Host: local\0host"),
        (b"Host: localhost", b"Host: local\rhost"),
        (b"Host: localhost", b"Host: \xe9"),
        (b"Host", b"Connection: close\r\nHost"),
        (b"Host", b"Connection: keep-alive, upgrade\r\nHost"),
        (b"Host", b"Expect: 100-continue\r\nHost"),
        (b"Host", b"Upgrade: h2c\r\nHost"),
        (b"Host", b"Transfer-Encoding: chunked\r\nHost"),
        (b"Host", b"transfer-encoding: identity\r\nHost"),
        (b"Host", b"Content-Encoding: gzip\r\nHost"),
        (b"Host", GENERAL + b"Host"),
        (b"Content-Length: 4\r\n", b""),
        (b"Length: 4", b"Length: 04"),
        (b"Length: 4", b"Length: +4"),
        (b"Length: 4", b"Length: 0"),
        (b"Length: 4", b"Length: 4, 4"),
        (b"Length: 4", b"Length: 4\r\nContent-length: 4"),
        (b"Length: 4", b"Length: 9999999999"),
        (b"application/xml", b"text/xml"),
        (b"application/xml", b"application/xml; boundary=a"),
    ],
)
def test_what_is_not_plainly_usual(old: bytes, new: bytes) -> None:
    assert old in USUAL
    assert read_head(USUAL.replace(old, new, 1)) is None


_ODD = [bytes([octet]) for octet in (*range(256), *b"\r\n\t :;,=/-04" * 20)]
_ODD += [
    b"\r\n",
    b"\r\n ",
    b": ",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.1",
]
_CHANGE = st.tuples(st.integers(0, len(USUAL) - 5), st.integers(0, 3), st.lists(st.sampled_from(_ODD), max_size=2).map(b"".join))


@given(st.lists(_CHANGE, max_size=3))
def test_whatever_is_read_here_aiohttp_reads_alike(changes: list[tuple[int, int, bytes]]) -> None:
    head = USUAL
    for at, less, more in changes:
        head = head[:at] + more + head[at + less :]
    end = head.find(b"\r\n\r\n") + 4
    found = read_head(head[:end])
    if found is None:
        return
    assert len(head[:end]) > 3
    world, service, length = found
    parser = HttpRequestParser(BaseProtocol(Mock()), Mock(), 2**16, max_line_size=8190, max_headers=128, max_field_size=8190)
    ((message, payload),), upgraded, tail = parser.feed_data(head[:end] + b"x" * length)
    assert (message.method, message.version, message.should_close, message.chunked) == ("POST", HttpVersion11, False, False)
    assert message.path == f"{'' if world is None else f'/worlds/{world}'}/api/v1/service{service.value}"
    assert (message.upgrade, upgraded, message.compression, tail) == (False, False, None, b"")
    assert payload.is_eof()
    assert payload.total_bytes == length


@pytest.mark.parametrize(
    ("path", "known", "status"),
    [("/api/v1/serviceD", True, b"200"), ("/api/v1/serviceD", False, b"400"), ("/worlds/none/api/v1/serviceS", False, b"404")],
)
async def test_answers_are_those_of_aiohttp(server: Server, world_keys: KeyStore, path: str, known: bool, status: bytes) -> None:
    found: list[tuple[bytes, bytes]] = []
    for fields in ((), (GENERAL,)):
        async with talk(server) as client:
            await client.send(request(signed(world_keys) if known else b"<x/>", *fields, path=path))
            found.append(await client.answer())
            await eventually(lambda: len(connections_of(server).open) == (0 if fields else 1))  # noqa: B023 (at once)
    (here, its_body), (there, other_body) = found
    assert here.startswith(b"HTTP/1.1 " + status)
    assert here == there
    assert known or its_body == other_body


def test_a_reply_may_say_when_to_come_again() -> None:
    head = write_head(Reply(429, b"later\n", "text/plain", retry_after_s=2))
    assert head.startswith(
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
    )


async def test_requests_of_all_kinds_follow_each_other_on_a_connection(server: Server, world_keys: KeyStore) -> None:
    usual, general = (lambda: request(signed(world_keys))), (lambda: request(signed(world_keys), GENERAL))
    async with talk(server) as client:
        for octets in (usual(), usual(), general(), usual()):
            await client.send(octets)
            assert (await client.answer())[0].startswith(b"HTTP/1.1 200 OK")
    async with talk(server) as client:
        await client.send(usual())
        await client.send(usual() + general() + usual())
        for _ in range(4):
            assert (await client.answer())[0].startswith(b"HTTP/1.1 200 OK")
    assert server.worlds["default"].last_seq == 8


@pytest.mark.parametrize("at", [10, MAX_HEAD_BYTES // 20, -1])
async def test_a_request_may_come_in_pieces(server: Server, world_keys: KeyStore, at: int) -> None:
    octets = request(signed(world_keys))
    async with talk(server) as client:
        for pause_s in (0.0, 0.2):  # less than it waits here, and more
            await client.send(octets[:at])
            await asyncio.sleep(pause_s)
            await client.send(octets[at:])
            assert (await client.answer())[0].startswith(b"HTTP/1.1 200 OK")
            octets = request(signed(world_keys))


async def test_who_sends_ahead_is_answered_in_order_and_held_back(server: Server, world_keys: KeyStore) -> None:
    number = 3 * MAX_AHEAD_BYTES // 2_000
    bodies = [signed(world_keys) for _ in range(number)]
    async with talk(server) as client:
        await client.send(request(bodies[0]))
        sending = asyncio.create_task(client.send(b"".join(map(request, bodies[1:]))))
        for body in bodies:
            identity = re.search(rb"RequestID>[^<]+<", body)
            assert identity is not None
            assert identity[0] in (await client.answer())[1]
        await sending


async def test_who_hangs_up_has_asked_all_the_same(server: Server, world_keys: KeyStore) -> None:
    async with talk(server) as client:
        await client.send(request(signed(world_keys)))
    async with talk(server) as client:
        await client.send(request(signed(world_keys)))
        await client.answer()
    assert server.worlds["default"].last_seq == 2
    await eventually(lambda: not connections_of(server).open)


async def test_idle_connections_are_closed(server: Server, world_keys: KeyStore) -> None:
    connections_of(server).idle_timeout_s = 0.05
    async with talk(server) as silent, talk(server) as client:
        assert await asyncio.wait_for(silent.reader.read(), 30) == b""
        with pytest.raises(asyncio.IncompleteReadError):
            await client.answer()
    connections_of(server).idle_timeout_s = 30.0
    async with talk(server) as client:
        await client.send(request(signed(world_keys)))
        assert (await client.answer())[0].startswith(b"HTTP/1.1 200 OK")


async def test_a_stop_answers_what_is_under_way(server: Server, world_keys: KeyStore) -> None:
    async with talk(server) as idle, talk(server) as client:
        await client.send(request(signed(world_keys)))
        while not any(connection._answering for connection in connections_of(server).open):  # noqa: ASYNC110 (it is short)
            await asyncio.sleep(0)
        await server.stop()
        assert (await client.answer())[0].startswith(b"HTTP/1.1 ")
        assert await client.reader.read() == await idle.reader.read() == b""
