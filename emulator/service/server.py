"""A server: worlds, three listeners, start and stop in the right order."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import structlog
from aiohttp import web

from emulator.domain.errors import Malformed
from emulator.duis.schema import SchemaSet
from emulator.listening import AddressSite
from emulator.service.collecting import keep_out_of_collections
from emulator.service.config import LOOPBACK, Control, Listener, LoadedSettings, Settings
from emulator.service.control_app import Extension, control_app
from emulator.service.duis_app import Hosted
from emulator.service.duis_connections import DuisRunner
from emulator.service.edge_processes import EdgeProcesses
from emulator.service.endpoints import EndpointPolicy
from emulator.service.hosted import HostedWorld, Shared, Source, WorldState
from emulator.service.metrics import Metrics
from emulator.service.persistence.blobs import write_durably
from emulator.service.persistence.contract import StorageUnusable
from emulator.service.persistence.folder import DataFolder, check_world_name
from emulator.service.recovery import Origin
from emulator.service.routes import ControlRefused
from emulator.service.smki_app import smki_app
from emulator.service.tls import listener_context, push_context

_log = structlog.get_logger("server")

READER_THREADS = 2
"""Threads that read large bodies; the machine's other cores are for the event loop's own work."""


class Server:
    """Everything one process serves. :meth:`start`, then :meth:`stop`."""

    def __init__(self, loaded: LoadedSettings, extensions: Sequence[Extension] = ()) -> None:
        """``extensions`` are further operations of the control API. Raises :class:`Malformed` for settings that cannot be."""
        check_exposure(loaded.settings.control)
        self._tls = listener_context(loaded.settings.tls)
        push_context(loaded.settings.outbox)  # to find now what cannot be used
        self.loaded = loaded
        self._extensions = extensions
        self.metrics = Metrics()
        self._worlds: dict[str, HostedWorld] = {}
        self.worlds: Mapping[str, HostedWorld] = self._worlds
        self.ports: dict[str, int] = {}
        """``duis``, ``smki`` and ``control``, when they listen."""
        self._policy = EndpointPolicy(loaded.settings.outbox.allowed_hosts)
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="reader")
        self._runners: list[web.AppRunner] = []
        self._folder: DataFolder | None = None
        self._shared: Shared | None = None
        self._warming: asyncio.Task[None] | None = None
        self._edges: EdgeProcesses | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def url(self, interface: str = "control") -> str:
        """Where an interface is reached: ``duis``, ``smki`` or ``control``."""
        listener: Listener = getattr(self.settings, interface)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.host, listener.host)  # noqa: S104 (compared, not bound)
        return f"{self._scheme(interface)}://{f'[{host}]' if ':' in host else host}:{self.ports[interface]}"

    def _scheme(self, interface: str) -> str:
        return "http" if self._tls is None or interface not in self.settings.tls.listeners else "https"

    async def start(self) -> None:
        """Take the data folder, listen, bring up the worlds; raise :class:`EmulatorError` or :class:`OSError` when that fails.

        The listeners are there first, so that health answers while a long log is replayed.
        """
        settings = self.settings
        try:
            if settings.storage.folder is not None:
                self._folder = DataFolder.hold(settings.storage.folder)
            schemas = schema_set(settings.schemas.folder)
            self._shared = Shared(settings, schemas, self._policy, self._readers, self._folder)
            control = control_app(self, settings.control, self.metrics, self._extensions)
            await self._listen("control", settings.control, self._runner(control))
            if settings.duis.processes > 1:
                self._edges = EdgeProcesses(self.worlds, settings)
                self.ports["duis"] = self._edges.listen()
            else:
                runner = DuisRunner(Hosted(self.worlds), settings.duis, stop_timeout_ms=settings.stop_timeout_ms)
                await self._listen("duis", settings.duis, runner)
            await self._listen("smki", settings.smki, self._runner(smki_app(self.worlds)))
            kept = self._folder.worlds() if self._folder is not None else []
            for name in dict.fromkeys((*settings.worlds.names, *kept)):
                await self._start_world(name, None)
            if self._edges is not None:
                await self._edges.ready()
            self._warming = asyncio.create_task(asyncio.to_thread(schemas.warm))
        except BaseException:
            await self.stop()
            raise

    def _runner(self, app: web.Application) -> web.AppRunner:
        idle_s, stop_s = self.settings.duis.idle_timeout_ms / 1000, self.settings.stop_timeout_ms / 1000
        return web.AppRunner(app, access_log=None, keepalive_timeout=idle_s, shutdown_timeout=stop_s, auto_decompress=False)

    async def _listen(self, name: str, listener: Listener, runner: web.AppRunner) -> None:
        await runner.setup()
        self._runners.append(runner)
        tls = self._tls if self._scheme(name) == "https" else None
        await AddressSite(runner, listener.host, listener.port, reuse_address=True, ssl_context=tls).start()
        self.ports[name] = int(runner.addresses[0][1])

    async def _start_world(self, name: str, origin: Origin | None, source: Source | None = None) -> HostedWorld:
        assert self._shared is not None
        world = HostedWorld(check_world_name(name), self._shared, self.metrics.world(name))
        self._worlds[name] = world
        try:
            async with world.changing:
                await world.start(origin, source)
        except BaseException:
            del self._worlds[name]
            raise
        return world

    async def make_world(self, name: str, origin: Origin, source: Source | None = None) -> HostedWorld:
        """A further world, from ``origin`` or as ``source`` was.

        Raises :class:`ControlRefused` when there is one of that name or there are too many.
        """
        check_world_name(name)
        if name in self._worlds:
            raise ControlRefused(409, f"there is a world {name!r} already", where="name", expected="a new name")
        if len(self._worlds) >= self.settings.worlds.limit:
            raise ControlRefused(409, f"there are {len(self._worlds)} worlds", where="name", expected="fewer than worlds.limit")
        return await self._start_world(name, origin, source)

    async def drop_world(self, name: str) -> None:
        """End a world and delete what is kept of it; raise :class:`ControlRefused` for one that the settings name."""
        if name in self.settings.worlds.names:
            raise ControlRefused(409, f"world {name} is one of the settings", where="world", expected="a world made by a call")
        world = self._worlds[name]
        async with world.changing:
            if self._worlds.get(name) is not world:
                raise ControlRefused(404, f"there is no world {name!r}", where="world")
            if world.state is not WorldState.STOPPED:
                await world.stop(keep=False)
            if self._folder is not None:
                await asyncio.to_thread(self._folder.drop_world, name)
            del self._worlds[name]  # not before: until then its folder is in use and its name is taken

    async def stop(self) -> None:
        """Refuse new requests, finish those under way, stop the worlds, let go of everything."""
        for world in self._worlds.values():
            if world.state is WorldState.READY:
                await world.pump.dismiss()
        for world in self._worlds.values():
            if world.state is WorldState.READY:
                world.drain()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._edges is not None:
            await self._edges.stop()
            self._edges = None
        for world in list(self._worlds.values()):
            if world.state in (WorldState.DRAINING, WorldState.READY):  # ready: a reset ended while the listeners closed
                await world.stop()
        if self._warming is not None:
            await asyncio.gather(self._warming, return_exceptions=True)
        self._readers.shutdown(wait=True)
        if self._folder is not None:
            self._folder.release()
            self._folder = None


def check_exposure(control: Control) -> None:
    """Raise :class:`Malformed` for a control API that anybody on the network could use."""
    if control.host not in LOOPBACK and control.token is None and not control.open:
        raise Malformed(
            f"whoever reaches {control.host} would control everything",
            where="control.host",
            expected="control.token, or loopback, or control.open=true where something else guards it",
        )


@cache
def schema_set(folder: Path | None) -> SchemaSet:
    """The schemas of a folder, compiled once per process."""
    return SchemaSet(folder)


@asynccontextmanager
async def running_server(loaded: LoadedSettings, extensions: Sequence[Extension] = ()) -> AsyncIterator[Server]:
    """A server for the time of a ``with`` block."""
    server = Server(loaded, extensions)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def serve(loaded: LoadedSettings, extensions: Sequence[Extension] = ()) -> None:
    """Serve until SIGTERM or SIGINT; once everything listens the ports are on stdout, one line of JSON, and in the ready file."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    ready_file = loaded.settings.ready_file
    withdraw(ready_file)
    server = Server(loaded, extensions)
    starting = asyncio.create_task(server.start())
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            return
        await starting
        keep_out_of_collections()
        announce(server, ready_file)
        await stopped
        _log.info("stopping")
    finally:
        stopped.cancel()
        withdraw(ready_file)
        await server.stop()


def withdraw(ready_file: Path | None) -> None:
    """Say that it is not, or no longer, so."""
    if ready_file is not None:
        with suppress(OSError):
            ready_file.unlink()


def announce(server: Server, ready_file: Path | None) -> None:
    """Say that everything listens and where."""
    line = json.dumps({"ready": True, "ports": server.ports, **{name: server.url(name) for name in server.ports}})
    if ready_file is not None:
        try:
            ready_file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(ready_file, line.encode() + b"\n")
        except OSError as error:
            raise StorageUnusable(f"the ready file {ready_file} cannot be written: {error.strerror}") from None
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    _log.info("ready", **server.ports)
