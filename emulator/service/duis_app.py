"""The three DUIS web services over HTTP (wire_contract.md section 1).

Functional outcomes are HTTP 200 with a signed Response, for stock clients never look at the body of anything else; what lies
below DUIS gets an HTTP status and a line of plain text.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import HttpVersion11, web

from emulator.domain.errors import Malformed
from emulator.domain.operators import OPERATOR_HEADER, check_operator
from emulator.domain.vocabulary import WebService
from emulator.service.answering import Asked, Reply, answer, plain
from emulator.service.config import Duis
from emulator.service.hosted import HostedWorld
from emulator.service.limits import HeldBodies
from emulator.service.spoiling import spoil
from emulator.service.transport_faults import UNSPOILT

_log = structlog.get_logger("duis")

Worlds = Mapping[str, HostedWorld]
DEFAULT_WORLD = "default"
"""The world whose paths have no prefix, unless there is only another one."""

_PATHS = ", ".join(f"/api/v1/service{service.value}" for service in WebService)


class BodyRefused(Exception):
    """A request whose body is not read; ``reply`` says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = web.Response(status=status, text=f"{text}\n")


class Answerer(Protocol):
    """Who decides; a world is named as in the path, None where that names none."""

    async def knows(self, name: str | None) -> bool:
        """Whether there is this world."""

    async def answer(self, name: str | None, service: WebService, body: bytes, operator: str) -> Reply:
        """Answer a request."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """Answers for worlds of this process."""

    worlds: Worlds

    async def knows(self, name: str | None) -> bool:
        """Whether it is hosted here."""
        return world_named(self.worlds, name) is not None

    async def answer(self, name: str | None, service: WebService, body: bytes, operator: str) -> Reply:
        """Answer a request."""
        world = world_named(self.worlds, name)
        return unknown(name) if world is None else await answer(world, Asked(service, body, operator))


def unknown(name: str | None) -> Reply:
    """There is no such world."""
    return plain(404, f"there is no world {name!r}")


def duis_app(
    answerer: Answerer, settings: Duis, decided: MutableMapping[asyncio.BaseTransport, Reply] | None = None
) -> web.Application:
    """The application. Start it with ``auto_decompress=False``, so that a compressed body cannot unfold here.

    ``decided`` are replies to the next request of connections; ``answerer`` is not asked for them again.
    """
    ready = {} if decided is None else decided
    app = web.Application(client_max_size=settings.body_limit_bytes + 1)  # aiohttp takes less than that, not as much
    held = HeldBodies(settings.held_bytes)
    for prefix in ("", "/worlds/{world}"):
        for service in WebService:
            resource = app.router.add_resource(f"{prefix}/api/v1/service{service.value}")
            resource.add_route("POST", _handler(answerer, settings, service, held, ready), expect_handler=go_on)
            resource.add_route("*", _wrong_method, expect_handler=go_on)
    app.router.add_route("*", "/{path:.*}", _wrong_path, expect_handler=go_on)
    return app


def _handler(
    answerer: Answerer,
    settings: Duis,
    service: WebService,
    held: HeldBodies,
    decided: MutableMapping[asyncio.BaseTransport, Reply],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        size_bytes = request.content_length if request.content_length is not None else settings.body_limit_bytes
        if size_bytes <= settings.offload_bytes or size_bytes > settings.body_limit_bytes:
            return await take(request)
        with held.hold(size_bytes) as has_room:
            if has_room:
                return await take(request)
        refused = web.Response(status=503, headers={"Retry-After": "1"}, text="too many large bodies are under way\n")
        refused.force_close()  # what follows of the body is not read
        return refused

    async def take(request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("world")
        try:
            operator = read_operator(request)
            body = await read_body(request, ("application/xml",), settings.body_limit_bytes, settings.body_timeout_ms)
        except BodyRefused as refused:
            if await answerer.knows(name):
                return refused.reply
            missing = unknown(name)
            return web.Response(status=missing.status, body=missing.body, content_type=missing.content_type)
        known = decided.pop(request.transport, None) if request.transport is not None else None
        reply = await answered(answerer, name, service, body, operator) if known is None else known
        if reply.spoilt != UNSPOILT:
            return await spoil(request, reply)
        headers = {"Retry-After": str(reply.retry_after_s)} if reply.retry_after_s else None
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type, headers=headers)

    return handle


async def answered(answerer: Answerer, name: str | None, service: WebService, body: bytes, operator: str) -> Reply:
    """What ``answerer`` says, or that it failed."""
    try:
        return await answerer.answer(name, service, body, operator)
    except Exception:
        _log.exception("a request could not be answered", world=name, service=service.value)
        return plain(500, "the emulator failed on this request; its log on stderr says where")


def find_world(worlds: Worlds, request: web.Request) -> HostedWorld | None:
    """The world that a path names: by its prefix, else the default one, else the only one."""
    return world_named(worlds, request.match_info.get("world"))


def world_named(worlds: Worlds, name: str | None) -> HostedWorld | None:
    """The world of this name; without one the default world, else the only one."""
    if name is not None:
        return worlds.get(name)
    found = worlds.get(DEFAULT_WORLD)
    return next(iter(worlds.values())) if found is None and len(worlds) == 1 else found


def read_operator(request: web.Request) -> str:
    """The human whom a sender names as acting under its User ID, or ""; raise :class:`BodyRefused` for what cannot be a name."""
    given = request.headers.getall(OPERATOR_HEADER, [""])
    if len(given) > 1:
        raise BodyRefused(400, f"{OPERATOR_HEADER} is there {len(given)} times; expected once at most")
    try:
        return check_operator(given[0])
    except Malformed as error:
        raise BodyRefused(400, str(error)) from None


async def go_on(request: web.Request) -> None:
    """Answer ``Expect: 100-continue``, on which a client waits with its body; refuse with 417 what else it may expect."""
    if request.version < HttpVersion11:
        return
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="nothing but 100-continue can be expected here\n")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun


async def read_body(request: web.Request, media_types: tuple[str, ...], limit_bytes: int, timeout_ms: int) -> bytes:
    """The whole body; raise :class:`BodyRefused` for the wrong kind, too much, or one that does not come."""
    if request.content_type not in media_types or "Content-Type" not in request.headers:
        given = request.headers.get("Content-Type", "without a named type")[:200].encode("ascii", "backslashreplace").decode()
        raise BodyRefused(415, f"the body must be {' or '.join(media_types)}; it came {given}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BodyRefused(415, "compressed bodies are not taken")
    if request.content_length is not None and request.content_length > limit_bytes:
        raise BodyRefused(413, f"the body has {request.content_length} octets; at most {limit_bytes} are taken")
    try:
        if request.content.is_eof():  # as most bodies are by now; a clock costs more than they do
            return await request.read()
        async with asyncio.timeout(timeout_ms / 1000):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyRefused(413, f"the body is too large; at most {limit_bytes} octets are taken") from None
    except TimeoutError:
        refused = BodyRefused(408, f"the body did not come within {timeout_ms} ms")
        refused.reply.force_close()
        raise refused from None
    except (web.RequestPayloadError, ConnectionError):
        refused = BodyRefused(400, "the body was cut off")
        refused.reply.force_close()
        raise refused from None


async def _wrong_method(request: web.Request) -> web.Response:
    return web.Response(
        status=405, headers={"Allow": "POST"}, text=f"{request.path} takes POST with a signed sr:Request, not {request.method}\n"
    )


async def _wrong_path(request: web.Request) -> web.Response:
    return web.Response(status=404, text=f"there is nothing here; DUIS requests go to {_PATHS} (or /worlds/<name> before that)\n")
