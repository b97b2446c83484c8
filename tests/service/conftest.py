"""A server on free ports, the keys of its default world, and endpoints that answer as told."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from emulator.campaigns.hosting import EXTENSIONS
from emulator.client.session import DuisClient
from emulator.domain.identifiers import Eui64, format_eui
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.listening import AddressSite
from emulator.pki.keystore import KeyStore
from emulator.service.config import Logging, load_settings
from emulator.service.logs import configure_logs
from emulator.service.server import Server, running_server
from emulator.world import key_store

SUPPLIER = Eui64(0x90B3D51F30010000)
SUPPLIER_2 = Eui64(0x90B3D51F30030000)
OTHER_USER = Eui64(0x00DB123456780004)
ESME = Eui64(0x00DB1234567890A0)
FREE_PORTS: dict[str, object] = {"duis.port": 0, "smki.port": 0, "control.port": 0}
QUICK: dict[str, object] = {
    **FREE_PORTS,
    "clock.mode": "autojump",
    "clock.start": "estate",
    "outbox.push_floor_ms": 0,
    "outbox.retry_initial_ms": 20,
}


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """What servers in this process say is one line each."""
    configure_logs(Logging(level="warning", format="json"))


@pytest.fixture(scope="session")
def world_keys() -> KeyStore:
    """Everything the default world knows; servers make the same keys from the same seed."""
    return key_store(load_estate(default_estate_toml()))


@dataclass
class ServerFactory:
    """Starts servers that end with the test."""

    stack: AsyncExitStack

    async def __call__(self, **flags: object) -> Server:
        """A server with other settings than :data:`QUICK`; ``duis_port`` stands for ``duis.port``."""
        return await self.start(flags)

    async def start(self, flags: dict[str, object]) -> Server:
        """The same with dotted names."""
        settings = load_settings(env={}, flags={**QUICK, **flags})
        return await self.stack.enter_async_context(running_server(settings, EXTENSIONS))


@pytest.fixture
async def servers() -> AsyncIterator[ServerFactory]:
    """A factory of servers."""
    async with AsyncExitStack() as stack:
        yield ServerFactory(stack)


@pytest.fixture
async def server(servers: ServerFactory) -> Server:
    """A server in memory whose time jumps from event to event."""
    return await servers.start({})


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A session for calls as anybody could make them."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def clients(world_keys: KeyStore) -> AsyncIterator[Callable[..., DuisClient]]:
    """Makes clients of a server that are closed with the test."""
    async with AsyncExitStack() as stack:
        made: list[DuisClient] = []

        def client(server: Server, user: Eui64 = SUPPLIER) -> DuisClient:
            made.append(DuisClient(server.url("duis"), user, world_keys, timeout_s=20))
            stack.push_async_callback(made[-1].close)
            return made[-1]

        yield client


@dataclass
class Endpoint:
    """A user's endpoint that answers with the statuses it is told, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    delay_s: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    """What came, refused or not."""
    taken: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    """Seconds of the event loop."""
    at_once: int = 0
    most_at_once: int = 0
    chooser: Callable[[bytes], int] | None = None
    """Decides by the body instead."""
    url: str = ""
    runner: web.AppRunner | None = None

    async def open(self, port: int = 0) -> "Endpoint":
        """Listen."""
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/push", self._take)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await AddressSite(self.runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self.port}/push"
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.runner is not None
        return int(self.runner.addresses[0][1])

    async def close(self) -> None:
        """Listen no more."""
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def _take(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.read()
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
            self.at_s.append(asyncio.get_running_loop().time())
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self.chooser is not None:
                status = self.chooser(body)
            else:
                status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            if 200 <= status < 300:
                self.taken.append(body)
            return web.Response(status=status)
        finally:
            self.at_once -= 1


@pytest.fixture
async def endpoints() -> AsyncIterator[Callable[..., Endpoint]]:
    """Makes endpoints that are closed with the test; ``await endpoints().open()``."""
    made: list[Endpoint] = []

    def endpoint(*statuses: int, **how: object) -> Endpoint:
        made.append(Endpoint(list(statuses) or [204], **how))  # type: ignore[arg-type]
        return made[-1]

    yield endpoint
    for each in made:
        await each.close()


def nobody_there() -> socket.socket:
    """A port where nobody listens, which no other process is given as long as the socket is open."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


async def eventually(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until ``condition()`` holds; fail after ``timeout_s``."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (looked at from outside)
            await asyncio.sleep(0.005)


Clients = Callable[..., DuisClient]
Endpoints = Callable[..., Endpoint]
USER, DEVICE = format_eui(SUPPLIER), format_eui(ESME)


class Api:
    """Calls of one world."""

    def __init__(self, http: aiohttp.ClientSession, server: Server, world: str = "default") -> None:
        self.http, self.server = http, server
        self.base = f"{server.url()}/control/v1/worlds/{world}"

    async def __call__(self, method: str, path: str = "", body: object = None, **query: Any) -> tuple[int, Any]:
        """Status and JSON."""
        url = path if path.startswith("http") else self.base + path
        given = {"json": body} if body is not None else {}
        async with self.http.request(method, url, params={k: str(v) for k, v in query.items()}, **given) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def ok(self, method: str, path: str = "", body: object = None, **query: Any) -> Any:
        """The JSON of a call that works."""
        status, result = await self(method, path, body, **query)
        assert status in (200, 201, 204), result
        return result


@pytest.fixture
def api(http: aiohttp.ClientSession, server: Server) -> Api:
    return Api(http, server)
