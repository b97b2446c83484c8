"""Connections to the DUIS port: the request that everybody sends is read here, all else is left to aiohttp.

Nearly every request is one POST with a length, whole in the octets that arrive, on a connection where nothing else is under way.
Such a one needs none of what a general server has to have ready. Whatever is not plainly of this form, to the octet, takes its
whole connection to aiohttp with everything that was received, and stays there: what can be read in two ways is never read here.
"""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final, cast
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE

from emulator.domain.operators import OPERATOR_HEADER
from emulator.domain.vocabulary import WebService
from emulator.service.answering import Reply
from emulator.service.config import Duis
from emulator.service.duis_app import Answerer, answered, duis_app
from emulator.service.transport_faults import UNSPOILT

MAX_HEAD_BYTES: Final = 2_048
"""Longest head that is read here."""
WAIT_S: Final = 0.05
"""How long the rest of a body may take, which mostly comes with the next packet; slower ones are for aiohttp to wait for."""
MAX_AHEAD_BYTES: Final = 64 * 1024
"""Octets that are taken from a client before its last request is answered."""

_REQUEST_LINE: Final = re.compile(rb"POST (?:/worlds/([A-Za-z0-9][A-Za-z0-9_-]*))?/api/v1/service([A-Z]) HTTP/1\.1")
_FIELD: Final = re.compile(rb"([A-Za-z][A-Za-z0-9-]*): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_LENGTH: Final = re.compile(rb"[1-9][0-9]{0,8}")
_MEDIA_TYPE: Final = re.compile(rb"application/xml(?:; ?charset=[Uu][Tt][Ff]-8)?")
_NOT_HERE: Final = frozenset(
    name.encode()
    for name in (
        *(
            "content-encoding",
            "content-transfer-encoding",
            "cookie",
            "expect",
            "http2-settings",
            "keep-alive",
            "proxy-connection",
        ),
        *("te", "trailer", "transfer-encoding", "upgrade", OPERATOR_HEADER.lower()),
    )
)
"""Fields that mean something to a server. Others are only carried, whatever they are called."""


@lru_cache(maxsize=1_024)
def read_head(head: bytes) -> tuple[str | None, WebService, int] | None:
    """World, web service and length of body that a head names, up to and with its empty line; None for whatever is not plain."""
    first, *lines = head[:-4].split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None or line[2].decode() not in list(WebService):
        return None
    fields: dict[bytes, bytes] = {}
    for each in lines:
        field = _FIELD.fullmatch(each)
        if field is None or (name := field[1].lower()) in fields:
            return None
        fields[name] = field[2]
    length, media_type = fields.get(b"content-length", b""), fields.get(b"content-type", b"")
    if not _LENGTH.fullmatch(length) or not _MEDIA_TYPE.fullmatch(media_type) or b"host" not in fields:
        return None
    if not _NOT_HERE.isdisjoint(fields) or fields.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return None if line[1] is None else line[1].decode(), WebService(line[2].decode()), int(length)


def write_head(reply: Reply) -> bytes:
    """Status line and fields, to the octet as aiohttp writes them."""
    again = f"Retry-After: {reply.retry_after_s}\r\n" if reply.retry_after_s else ""
    return (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n{again}Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n{_date_and_server(int(time.time()))}"
    ).encode("ascii")


@lru_cache(maxsize=2)
def _date_and_server(now_s: int) -> str:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n"


class DuisRunner(web.AppRunner):
    """Runs the DUIS application; listeners that are started with it serve the usual request at once."""

    def __init__(self, answerer: Answerer, settings: Duis, *, stop_timeout_ms: int) -> None:
        """``stop_timeout_ms`` is how long requests that are under way may take when the listeners close."""
        self._connections = Connections(answerer, settings, self._general, stop_timeout_ms / 1000)
        app = duis_app(answerer, settings, self._connections.decided)
        app.on_shutdown.append(self._connections.shutdown)
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=settings.idle_timeout_ms / 1000,
            shutdown_timeout=stop_timeout_ms / 1000,
            auto_decompress=False,
        )

    @property
    def server(self) -> web.Server | None:
        """What listeners call for every connection."""
        return cast("web.Server", self._connections)

    def _general(self) -> asyncio.Protocol:
        general = super().server
        assert general is not None
        return general()


class Connections:
    """Makes a protocol for every connection, and knows which are open."""

    def __init__(
        self, answerer: Answerer, settings: Duis, general: Callable[[], asyncio.Protocol], stop_timeout_s: float
    ) -> None:
        """``general`` makes aiohttp's protocol for a connection that is not for this one."""
        self.answerer = answerer
        self.general = general
        self.idle_timeout_s = settings.idle_timeout_ms / 1000
        self.max_body_bytes = min(settings.offload_bytes, settings.body_limit_bytes)
        self.decided: WeakKeyDictionary[asyncio.BaseTransport, Reply] = WeakKeyDictionary()
        """Answers that aiohttp is to send on a connection in place of asking for one."""
        self.open: set[Connection] = set()
        self._stop_timeout_s = stop_timeout_s

    def __call__(self) -> "Connection":
        """A protocol for a connection."""
        return Connection(self)

    async def shutdown(self, _: web.Application) -> None:
        """Close what is idle, and the others when they have been answered."""
        answering = [found for connection in list(self.open) if (found := connection.finish()) is not None]
        if answering:
            await asyncio.wait(answering, timeout=self._stop_timeout_s)
        for connection in list(self.open):
            connection.close()


class Connection(asyncio.Protocol):
    """One connection, until it ends or goes to aiohttp."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answering: asyncio.Task[None] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._idle_until_s = 0.0
        self._full = False
        self._finishing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there, with nothing to say yet."""
        self._transport = cast("asyncio.Transport", transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connections.open.add(self)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """What is under way is carried out, for nobody."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Answer a plain request; anything else is for aiohttp."""
        self._received = self._received + data if self._received else data
        if self._answering is None:
            self._go_on()
        elif len(self._received) > MAX_AHEAD_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        self._full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        if self._answering is None and self._received:
            self._go_on()

    def finish(self) -> asyncio.Task[None] | None:
        """Take nothing new; close now, or return what has to end before that."""
        self._finishing = True
        if self._answering is None:
            self.close()
        return self._answering

    def close(self) -> None:
        """End the connection when what was written has gone."""
        if self._transport is not None:
            self._transport.close()
        self._leave()

    def _go_on(self) -> None:
        if self._full or self._finishing:
            return
        received = self._received
        end = received.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 4
        found = read_head(received[:end]) if end > 3 else None
        if found is None or found[2] > self._connections.max_body_bytes or len(received) > end + found[2]:
            self._hand_over()
            return
        if len(received) < end + found[2]:
            if self._waiting is None:
                self._waiting = self._loop.call_later(WAIT_S, self._hand_over)
            return
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self._received = b""
        self._answering = self._loop.create_task(self._answer(received, end, found[0], found[1]))

    async def _answer(self, received: bytes, end: int, world: str | None, service: WebService) -> None:
        reply = await answered(self._connections.answerer, world, service, received[end:], "")
        self._answering = None
        transport = self._transport
        if transport is None:
            return
        if reply.spoilt is not UNSPOILT:
            self._connections.decided[transport] = reply
            self._received = received + self._received
            self._hand_over()
            return
        transport.write(write_head(reply) + reply.body)
        if self._finishing:
            self.close()
            return
        self._rest()
        if self._received:
            transport.resume_reading()
            self._go_on()

    def _hand_over(self) -> None:
        """Let aiohttp have the connection and what was received on it."""
        transport, received = self._transport, self._received
        self._leave()
        if transport is None or transport.is_closing():
            return
        general = self._connections.general()
        transport.set_protocol(general)
        general.connection_made(transport)
        transport.resume_reading()
        general.data_received(received)

    def _leave(self) -> None:
        self._transport = None
        self._received = b""
        self._connections.open.discard(self)
        for timer in (self._waiting, self._idle):
            if timer is not None:
                timer.cancel()
        self._waiting = self._idle = None

    def _rest(self) -> None:
        """Nothing is under way: it may be so for a while."""
        self._idle_until_s = self._loop.time() + self._connections.idle_timeout_s
        if self._idle is None:
            self._idle = self._loop.call_at(self._idle_until_s, self._look)

    def _look(self) -> None:
        """End the connection when it has been idle for too long."""
        self._idle = None
        if self._answering is not None or self._received:
            return  # it rests anew when that is done
        if self._loop.time() >= self._idle_until_s:
            self.close()
        else:
            self._idle = self._loop.call_at(self._idle_until_s, self._look)
