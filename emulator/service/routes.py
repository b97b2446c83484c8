"""The control API as a table: one row per operation, from which come the routes, the checks and the OpenAPI document."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from emulator.domain.errors import EmulatorError, Malformed
from emulator.domain.operators import OPERATOR_HEADER, check_operator
from emulator.service.duis_app import BodyRefused, go_on, read_body
from emulator.service.explained import explained
from emulator.service.hosted import HostedWorld, Unavailable

_log = structlog.get_logger("control")

BODY_TIMEOUT_MS = 30_000
M = TypeVar("M", bound=BaseModel)


class ControlRefused(EmulatorError):
    """A control call that is not carried out."""

    def __init__(self, status: int, error: str, *, where: str = "", expected: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.where = where
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Call:
    """One control call, checked."""

    request: web.Request
    world: HostedWorld | None
    path: Mapping[str, str]
    body: BaseModel | None
    query: BaseModel | None

    @property
    def hosted(self) -> HostedWorld:
        """The world that the path names."""
        assert self.world is not None
        return self.world

    def given(self, kind: type[M]) -> M:
        """The body or the query, which the route says is of this kind."""
        for found in (self.body, self.query):
            if isinstance(found, kind):
                return found
        raise TypeError(f"the route takes no {kind.__name__}")

    def number(self, name: str, expected: str) -> int:
        """A number in the path; raise :class:`ControlRefused` for what is none."""
        text = self.path[name]
        if not (text.isascii() and text.isdigit() and len(text) < 18):
            raise ControlRefused(400, f"{text[:40]!r} is not a number", where=name, expected=expected)
        return int(text)

    async def carry_out(self, verb: str, **params: Any) -> dict[str, Any]:
        """Carry out a command of the engine, without parameters that are None; raise :class:`ControlRefused` with its refusal.

        Who gives it may name themselves in the header that DUIS requests have for that.
        """
        if operator := check_operator(self.request.headers.get(OPERATOR_HEADER, "")):
            params["operator"] = operator
        answer = await self.hosted.control(verb, {name: value for name, value in params.items() if value is not None})
        if answer.error is not None:
            parts = answer.result
            where, expected = str(parts.get("where", "")), str(parts.get("expected", ""))
            raise ControlRefused(400 if parts else 500, str(parts.get("detail", answer.error)), where=where, expected=expected)
        return answer.result


Answer = web.StreamResponse | Mapping[str, Any] | Sequence[Any] | None
WORLD = "/control/v1/worlds/{world}"
"""Where the operations on one world are."""

Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    method: str
    path: str
    """With ``{world}`` the call is about one world, which must be there."""
    handler: Handler
    summary: str
    tag: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    media_type: str = "application/json"
    """Of the answer."""
    needs_ready: bool = True
    """Whether the world must be able to answer."""
    problems: tuple[int, ...] = field(default=())
    """Further statuses beside those that any operation may have."""

    @property
    def place(self) -> str:
        """Where something is wrong when nothing more exact can be said: the body, the query, or what the path names last."""
        if self.body is not None or self.query is not None:
            return "body" if self.body is not None else "query"
        return self.path.rpartition("{")[2].partition("}")[0] if "{" in self.path else "path"

    @property
    def operation_id(self) -> str:
        """A name for clients, made from method and path."""
        words = self.path.removeprefix("/control/v1/").removeprefix("worlds/{world}").replace("{", "by_").replace("}", "")
        name = "_".join(part for part in words.replace(".", "_").replace("-", "_").split("/") if part) or "world"
        return f"{self.method.lower()}_{name}"


def add_routes(app: web.Application, routes: Sequence[Route], worlds: Mapping[str, HostedWorld], limit_bytes: int) -> None:
    """Put the table into an application; other methods of its paths get 405."""
    resources: dict[str, list[Route]] = {}
    for route in routes:
        resources.setdefault(route.path, []).append(route)
    for path, operations in resources.items():
        resource = app.router.add_resource(path)
        for route in operations:
            resource.add_route(route.method, _checked(route, worlds, limit_bytes), expect_handler=go_on)
        resource.add_route("*", _wrong_method(", ".join(route.method for route in operations)), expect_handler=go_on)


def _checked(route: Route, worlds: Mapping[str, HostedWorld], limit_bytes: int) -> Callable[[web.Request], Awaitable[Any]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            call = Call(
                request,
                _world(route, request, worlds),
                request.match_info,
                await _body(route, request, limit_bytes),
                _query(route, request),
            )
            answer = await route.handler(call)
        except BodyRefused as refused:
            return problem(refused.reply.status, str(refused), where="body")
        except ControlRefused as error:
            where = error.where or (route.place if error.status == 400 else "")
            return problem(error.status, str(error), where=where, expected=error.expected)
        except Unavailable as error:
            return problem(503, str(error))
        except ValidationError as error:
            kinds = [kind for kind in (route.body, route.query) if kind is not None]
            words, where, expected = explained(error, kinds, route.place)
            return problem(400, words, where=where, expected=expected)
        except Malformed as error:
            return problem(400, error.detail, where=error.where or route.place, expected=error.expected)
        except Exception:
            _log.exception("a control call failed", path=request.path)
            return problem(500, "the emulator failed on this call; its log on stderr says where")
        if isinstance(answer, web.StreamResponse):
            return answer
        if answer is None:
            return web.Response(status=204)
        return web.Response(status=route.status, text=json.dumps(answer, default=str), content_type="application/json")

    return handle


def _world(route: Route, request: web.Request, worlds: Mapping[str, HostedWorld]) -> HostedWorld | None:
    if "{world}" not in route.path:
        return None
    name = request.match_info["world"]
    world = worlds.get(name)
    if world is None:
        raise ControlRefused(404, f"there is no world {name!r}", where="world", expected=f"one of {', '.join(sorted(worlds))}")
    if route.needs_ready and world.state != "ready":
        raise ControlRefused(503, f"world {name} is {world.state.value}")
    return world


async def _body(route: Route, request: web.Request, limit_bytes: int) -> BaseModel | None:
    if route.body is None:
        return None
    if not request.body_exists and not needs_body(route.body):
        return route.body()
    data = await read_body(request, ("application/json",), limit_bytes, BODY_TIMEOUT_MS)
    return route.body.model_validate_json(data)


def needs_body(model: type[BaseModel]) -> bool:
    """Whether there is something that a caller has to say; otherwise a body may be left out."""
    return any(field.is_required() for field in model.model_fields.values())


def _query(route: Route, request: web.Request) -> BaseModel | None:
    if route.query is None:
        return None
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise ControlRefused(400, f"{name[:40]!r} is given more than once", where=name[:40], expected="one value")
    return route.query.model_validate(dict(request.query))


def problem(status: int, error: str, *, where: str = "", expected: str = "") -> web.Response:
    """An error as every control call has it."""
    body = json.dumps({"error": error, "where": where, "expected": expected})
    return web.Response(status=status, text=body, content_type="application/json")


def _wrong_method(allowed: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        found = problem(405, f"{request.method} is not for {request.path}", where="method", expected=allowed)
        found.headers["Allow"] = allowed
        return found

    return handle
