"""The user's own endpoint: takes pushes, checks them, answers as the stock client does and correlates them with requests.

Answers (source: wire_contract.md section 2, measured): 204 valid, 400 not valid, 404 another path or media type, 413 too large.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import web

from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer, NothingCame
from emulator.client.signing import wall_clock_ms
from emulator.domain.identifiers import RequestId
from emulator.duis.messages import Message, ServiceResponse
from emulator.listening import AddressSite

MAX_PUSH_BYTES = 102_400
"""What the stock client takes (source: wire_contract.md section 0 item 10, measured)."""

PATH = "/smartdcc/duis"
"""The stock client's default path (source: wire_contract.md section 2)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One push that was accepted."""

    order: int
    """1, 2, 3 … as they arrived, duplicates included."""
    at_ms: int
    """Wall clock when it arrived."""
    document: bytes
    message: Message
    request_id: RequestId | None
    """The request it answers; compared without regard to case."""
    duplicate: bool
    """Whether the same octets came before: deliveries are at least once."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One push that was not accepted."""

    at_ms: int
    document: bytes
    status: int
    reason: str


Answerer = Callable[[web.Request], Awaitable[web.Response | None]]
"""Looks at a push before it is read and may answer in its place, to try what the DCC does about a bad endpoint."""


@dataclass(slots=True)
class Receiver:
    """An HTTP endpoint for pushes. Use as an async context manager; :attr:`url` is where the DCC has to push to."""

    reader: MessageReader
    host: str = "127.0.0.1"
    port: int = 0
    """0: any free port."""
    path: str = PATH
    max_bytes: int = MAX_PUSH_BYTES
    answerer: Answerer | None = None
    tls: ssl.SSLContext | None = None
    """As :func:`emulator.client.tls.endpoint_tls` makes it; without one the endpoint speaks plain HTTP."""
    observer: Callable[[Received], None] | None = None
    received: list[Received] = field(default_factory=list, init=False)
    refused: list[Refused] = field(default_factory=list, init=False)
    url: str = field(default="", init=False)
    _seen: set[bytes] = field(default_factory=set, init=False)
    _arrival: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _runner: web.AppRunner | None = field(default=None, init=False)

    async def __aenter__(self) -> "Receiver":
        application = web.Application(client_max_size=2**30)
        application.router.add_post(self.path, self._push)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = AddressSite(self._runner, self.host, self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"{'http' if self.tls is None else 'https'}://{self.host}:{self.port}{self.path}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def wait_for(self, predicate: Callable[[Received], bool], timeout_s: float = 10.0) -> Received:
        """The first push for which ``predicate`` holds, whether it came already or comes within ``timeout_s`` of wall time."""
        try:
            async with asyncio.timeout(timeout_s):
                async for push in self.pushes():
                    if predicate(push):
                        return push
        except TimeoutError:
            pass
        raise NothingCame(f"no such push within {timeout_s} s; {len(self.received)} came, {len(self.refused)} were refused")

    async def answer_to(self, request_id: RequestId, timeout_s: float = 10.0) -> Received:
        """The first push that answers a request."""
        return await self.wait_for(lambda push: push.request_id == request_id, timeout_s)

    async def pushes(self) -> AsyncIterator[Received]:
        """All pushes from the first one on, in order of arrival, without end."""
        position = 0
        while True:
            while position < len(self.received):
                yield self.received[position]
                position += 1
            self._arrival.clear()
            await self._arrival.wait()

    async def _push(self, request: web.Request) -> web.Response:
        if self.answerer is not None:
            answer = await self.answerer(request)
            if answer is not None:
                return answer
        if request.content_type != "application/xml":
            return self._refuse(b"", 404, f"media type {request.content_type!r}")
        document = await request.read()
        if len(document) > self.max_bytes:
            return self._refuse(document, 413, f"{len(document)} octets")
        try:
            message = self.reader.read(document)
        except BadAnswer as error:
            return self._refuse(document, 400, str(error))
        self._record(document, message)
        return web.Response(status=204)

    def _record(self, document: bytes, message: Message) -> None:
        digest = hashlib.sha256(document).digest()
        answered = message.request_id if isinstance(message, ServiceResponse) else None
        push = Received(
            order=len(self.received) + 1,
            at_ms=wall_clock_ms(),
            document=document,
            message=message,
            request_id=None if answered is None else RequestId.parse(answered),
            duplicate=digest in self._seen,
        )
        self._seen.add(digest)
        self.received.append(push)
        if self.observer is not None:
            self.observer(push)
        self._arrival.set()

    def _refuse(self, document: bytes, status: int, reason: str) -> web.Response:
        self.refused.append(Refused(wall_clock_ms(), document, status, reason))
        return web.Response(status=status)
