"""The control application: health and metrics under ``/_dcc``, the control API under ``/control/v1``."""

import hmac
from collections.abc import Callable, Collection, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from emulator import __version__
from emulator.service.api_page import POLICY, api_page
from emulator.service.config import Control
from emulator.service.control_access import access_routes
from emulator.service.control_audit import audit_routes
from emulator.service.control_estate import estate_routes
from emulator.service.control_events import event_routes
from emulator.service.control_faults import fault_routes
from emulator.service.control_firmware import firmware_routes
from emulator.service.control_records import record_routes
from emulator.service.control_reports import report_routes
from emulator.service.control_smki import smki_routes
from emulator.service.control_stock import stock_routes
from emulator.service.control_worlds import WorldHost, world_routes
from emulator.service.diagnosis import diagnose
from emulator.service.duis_app import go_on
from emulator.service.endpoints import is_address
from emulator.service.hosted import HostedWorld
from emulator.service.metrics import Metrics
from emulator.service.openapi import openapi_document
from emulator.service.routes import Route, add_routes, problem

DIAGNOSE = "/_dcc/diagnose"
"""The one path beside the control API that shows what is inside, and so needs the token."""
DOCS = "/control/v1/docs"
"""The one path of the control API that needs no token: a browser sends none, and the page says nothing of what is inside."""


Extension = Callable[[WorldHost], list[Route]]
"""Further operations, of packages above this one."""


def control_routes(host: WorldHost, extensions: Sequence[Extension] = ()) -> list[Route]:
    """Every operation of the control API."""
    return [
        *world_routes(host),
        *estate_routes(),
        *firmware_routes(),
        *fault_routes(),
        *access_routes(),
        *record_routes(),
        *event_routes(),
        *audit_routes(),
        *report_routes(),
        *smki_routes(),
        *stock_routes(),
        *(route for extension in extensions for route in extension(host)),
    ]


def control_app(host: WorldHost, settings: Control, metrics: Metrics, extensions: Sequence[Extension] = ()) -> web.Application:
    """The application."""
    token = None if settings.token is None else settings.token.get_secret_value()
    app = web.Application(client_max_size=settings.body_limit_bytes, middlewares=[_guard(token, settings)])
    routes = control_routes(host, extensions)
    document = openapi_document(routes, with_token=token is not None)

    page = api_page(document)

    async def openapi(request: web.Request) -> web.Response:
        return web.json_response(document)

    async def docs(request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    app.router.add_get("/control/v1/openapi.json", openapi, expect_handler=go_on)
    app.router.add_get(DOCS, docs, expect_handler=go_on)
    add_routes(app, routes, host.worlds, settings.body_limit_bytes)
    _add_own(app, host, metrics)
    app.router.add_route("*", "/{path:.*}", _wrong_path, expect_handler=go_on)
    return app


def _add_own(app: web.Application, host: WorldHost, metrics: Metrics) -> None:
    worlds: Mapping[str, HostedWorld] = host.worlds

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(request: web.Request) -> web.Response:
        problems = {name: world.unavailable() for name, world in worlds.items()}
        up = bool(problems) and not any(problems.values())
        return web.json_response({"status": "ready" if up else "not ready", "worlds": problems}, status=200 if up else 503)

    async def version(request: web.Request) -> web.Response:
        return web.json_response({"name": "dcc-csp-emulator", "version": __version__, "duis_schema": "5.4"})

    async def exposition(request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def diagnosis(request: web.Request) -> web.Response:
        return web.json_response(await diagnose(host))

    app.router.add_get(DIAGNOSE, diagnosis, expect_handler=go_on)
    for path, handler in (("health", health), ("ready", ready), ("version", version), ("metrics", exposition)):
        app.router.add_get(f"/_dcc/{path}", handler, expect_handler=go_on)


def _guard(token: str | None, settings: Control) -> Middleware:
    """Ask for the token where there is one, and keep out web pages that a browser opened elsewhere.

    Without a token the name by which the service is called must be one of its own, so that no page reaches it under the page's.
    """
    names = {"localhost", settings.host.lower(), *(name.strip().lower() for name in settings.allowed_hosts)}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None and not _is_own(request.host, names):
            return problem(
                403, f"{request.host[:200]!r} is no name of this service", where="Host", expected="control.allowed_hosts"
            )
        origin = request.headers.get("Origin")
        if origin is not None and not _same_origin(origin, request.host):
            return problem(403, f"a page of {origin[:200]} may not use this", where="Origin")
        if token is not None and request.path.startswith(("/control/", DIAGNOSE)) and request.path != DOCS:
            kind, _, given = request.headers.get("Authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(
                given.strip().encode("utf-8", "surrogateescape"), token.encode()
            ):
                refused = problem(401, "the token is missing or wrong", where="Authorization", expected="Bearer <token>")
                refused.headers["WWW-Authenticate"] = "Bearer"
                return refused
        return await handler(request)

    return guard


def _is_own(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names an address, which no foreign page can choose, or one of ``names``."""
    try:
        name = URL(f"http://{host}").host or ""
    except ValueError:
        return False
    return name.lower() in names or is_address(name)


def _same_origin(origin: str, host: str) -> bool:
    try:
        return URL(origin).authority == host
    except ValueError:
        return False


async def _wrong_path(request: web.Request) -> web.Response:
    return problem(404, f"there is nothing at {request.path[:200]}", where="path", expected="a path of /control/v1/openapi.json")
