"""The SMKI repository over HTTP (wire_contract.md section 5): search, retrieve, and the archive of organisation certificates."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from emulator.domain.errors import Malformed
from emulator.pki.formats import to_crypto_zip
from emulator.pki.repository import (
    MAX_REQUEST_BYTES,
    encode_data_response,
    encode_search_response,
    parse_data_request,
    parse_search_request,
)
from emulator.service.duis_app import BodyRefused, Worlds, find_world, go_on, read_body
from emulator.service.hosted import HostedWorld

_log = structlog.get_logger("smki")

BAD_PARAMETERS = 401
NOTHING_FOUND = 402
"""Statuses that the DCC's key store client tells apart (wire_contract.md section 5, read from its source)."""
BODY_TIMEOUT_MS = 10_000

Look = Callable[[HostedWorld, bytes, str], tuple[int, bytes]]


def smki_app(worlds: Worlds) -> web.Application:
    """The application. Like the original it takes any ``apikey`` and asks for none."""
    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    audit = _Audit()
    for prefix in ("", "/worlds/{world}"):
        for path, look in (("certificatesearch", _search), ("retrievecertificate", _retrieve)):
            resource = app.router.add_resource(f"{prefix}/services/{path}")
            resource.add_route("POST", _handler(worlds, look, audit), expect_handler=go_on)
            resource.add_route("*", _wrong_method("POST"), expect_handler=go_on)
        archive = app.router.add_resource(f"{prefix}/assets/crypto/org-crypto.zip")
        for method in ("GET", "HEAD"):
            archive.add_route(method, _archive(worlds), expect_handler=go_on)
        archive.add_route("*", _wrong_method("GET, HEAD"), expect_handler=go_on)
    app.router.add_route("*", "/{path:.*}", _wrong_path, expect_handler=go_on)
    return app


class _Audit:
    """References by which an exchange can be named; they only have to differ."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def next(self) -> str:
        return f"{next(self._count):010d}-emulator"


def _search(world: HostedWorld, body: bytes, reference: str) -> tuple[int, bytes]:
    found = world.repository().search(parse_search_request(body))
    return (200, encode_search_response(found, reference)) if found else (NOTHING_FOUND, b"")


def _retrieve(world: HostedWorld, body: bytes, reference: str) -> tuple[int, bytes]:
    found = world.repository().retrieve(parse_data_request(body))
    return (200, encode_data_response(found, reference)) if found is not None else (NOTHING_FOUND, b"")


def _handler(worlds: Worlds, look: Look, audit: _Audit) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        world = _ready_world(worlds, request)
        if isinstance(world, web.Response):
            return world
        try:
            body = await read_body(request, ("application/xml", "text/xml"), MAX_REQUEST_BYTES, BODY_TIMEOUT_MS)
            status, answer = look(world, body, audit.next())
        except BodyRefused as refused:
            return refused.reply
        except Malformed as error:
            return web.Response(status=BAD_PARAMETERS, text=f"{error}\n")
        except Exception:
            _log.exception("the repository failed", world=world.name)
            return web.Response(status=500, text="the emulator failed on this request; its log on stderr says where\n")
        if status == NOTHING_FOUND:
            return web.Response(status=status, text="there is no such certificate\n")
        return web.Response(status=status, body=answer, content_type="application/xml", charset="utf-8")

    return handle


def _archive(worlds: Worlds) -> Callable[[web.Request], Awaitable[web.Response]]:
    made: dict[str, tuple[object, bytes]] = {}

    async def handle(request: web.Request) -> web.Response:
        world = _ready_world(worlds, request)
        if isinstance(world, web.Response):
            return world
        keys = world.world.keys
        version = (id(keys), keys.number)
        if made.get(world.name, (None, b""))[0] != version:
            made[world.name] = (version, await asyncio.to_thread(to_crypto_zip, keys.records()))
        content = made[world.name][1]
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(content)), "Content-Type": "application/zip"})
        return web.Response(body=content, content_type="application/zip")

    return handle


def _ready_world(worlds: Worlds, request: web.Request) -> HostedWorld | web.Response:
    world = find_world(worlds, request)
    if world is None:
        return web.Response(status=404, text=f"there is no world {request.match_info.get('world')!r}\n")
    if world.state != "ready":
        return web.Response(status=503, text=f"world {world.name} is {world.state.value}\n")
    return world


def _wrong_method(allowed: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        text = f"{request.path} takes {allowed}, not {request.method}\n"
        return web.Response(status=405, headers={"Allow": allowed}, text=text)

    return handle


async def _wrong_path(request: web.Request) -> web.Response:
    return web.Response(
        status=404,
        text="there is nothing here; the repository has /services/certificatesearch, /services/retrievecertificate "
        "and /assets/crypto/org-crypto.zip\n",
    )
