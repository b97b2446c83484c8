"""Further processes behind the DUIS port: starting them, answering for them, and starting them again when one has died.

They hold nothing that is not held here or by a client that waits. What a dead one had handed over is carried out and durable like
any other; the client sees its connection end and asks again, as it would after any cut.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emulator.domain.errors import Broken, Refusal
from emulator.domain.vocabulary import WebService
from emulator.duis.messages import Signer
from emulator.duis.signature import check_certificate
from emulator.service.answering import Asked, Reply, answer, plain
from emulator.service.config import Settings
from emulator.service.duis_app import unknown, world_named
from emulator.service.edge import Reading
from emulator.service.edge_link import GivenKeys, Link, Parts, reply_parts, request_of
from emulator.service.hosted import HostedWorld

_log = structlog.get_logger("edges")

BACKLOG = 512
START_S = 30.0
"""How long a process may take until it listens."""
AGAIN_S = 0.5
"""Pause before a process that died is started again."""


class EdgeProcesses:
    """All of them, from :meth:`listen` to :meth:`stop`."""

    def __init__(self, worlds: Mapping[str, HostedWorld], settings: Settings) -> None:
        self._worlds = worlds
        self._settings = settings
        self._listeners: list[socket.socket] = []
        self._edges: list[_Edge] = []
        self._stopping = False
        self._starting: set[asyncio.Task[None]] = set()

    def listen(self) -> int:
        """Bind the port and start the processes; the port. Raises :class:`OSError` when it is taken."""
        duis, count = self._settings.duis, self._settings.duis.processes - 1
        family = socket.AF_INET6 if ":" in duis.host else socket.AF_INET
        port = duis.port
        if count > 1 and port:  # sockets that share a port would share it with those of another emulator as well
            socket.create_server((duis.host, port), family=family).close()
        for _ in range(count):
            made = socket.create_server((duis.host, port), family=family, backlog=BACKLOG, reuse_port=count > 1)
            port = int(made.getsockname()[1])
            self._listeners.append(made)
        self._edges = [_Edge(self, listener) for listener in self._listeners]
        for edge in self._edges:
            self._start(edge)
        return port

    async def ready(self) -> None:
        """Wait until all listen; raise :class:`Broken` when one does not."""
        try:
            async with asyncio.timeout(START_S):
                await asyncio.gather(*(edge.listening.wait() for edge in self._edges))
        except TimeoutError:
            raise Broken(f"an edge process does not listen after {START_S} s") from None

    async def stop(self) -> None:
        """Let them finish what is under way, and end them."""
        self._stopping = True
        for starting in self._starting:
            starting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()  # the port is gone when the processes have closed their copies
        await asyncio.gather(*(edge.stop(self._settings.stop_timeout_ms) for edge in self._edges))

    def pids(self) -> list[int]:
        """Of those that run."""
        return [edge.process.pid for edge in self._edges if edge.process is not None]

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._settings

    def lost(self, edge: "_Edge") -> None:
        """A process has ended that nobody had asked to."""
        if self._stopping:
            return
        _log.warning("an edge process has died and is started again", pid=None if edge.process is None else edge.process.pid)
        self._start(edge, AGAIN_S)

    def _start(self, edge: "_Edge", pause_s: float = 0.0) -> None:
        task = asyncio.create_task(edge.start(pause_s))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def answer(self, name: str | None, message: Parts) -> tuple[Reply, Parts | None]:
        """Answer what an edge process hands over; with a certificate for it to know, where it did not. An empty message asks
        whether there is the world."""
        world = world_named(self._worlds, name)
        if world is None:
            return unknown(name), None
        if not message:
            return Reply(200, b""), None
        service, body, operator, verdict = WebService(message[0]), *message[1:]
        problem = world.unavailable()
        if problem is not None:
            return plain(503, problem), None
        read, taught = _vetted(world, verdict), None
        if read is None and len(body) <= self._settings.duis.offload_bytes:
            read = world.edge.read(body, world.instant_ms())
            taught = None if isinstance(read, Refusal) else _certificate(world, read.signer)
        try:
            return await answer(world, Asked(service, body, operator, completes=True), read), taught
        except Exception:
            _log.exception("a request could not be answered", world=world.name, service=service.value)
            return plain(500, "the emulator failed on this request; its log on stderr says where"), None


def _vetted(world: HostedWorld, verdict: Parts | None) -> Reading | Refusal | None:
    """What an edge process established, as far as it still holds; None when the body has to be read here."""
    if verdict is None:
        return None
    if isinstance(verdict[0], str):
        return Refusal(verdict[0], verdict[1], where=verdict[2], expected=verdict[3])
    edition, issuer, serial, parts = verdict
    certificate = world.world.keys.find_signing(issuer, serial) if edition == world.edge.edition else None
    if certificate is None or check_certificate(certificate, world.edge.policy, world.instant_ms(), "") is not None:
        return None
    request = request_of(parts)
    signer = Signer(certificate.eui, certificate.role, certificate.serial, certificate.issuer)
    return Reading(request, signer, world.world.keys.number)


def _certificate(world: HostedWorld, signer: Signer) -> Parts | None:
    found = world.world.keys.find_signing(signer.issuer, signer.serial)
    if found is None:
        return None
    key = found.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return world.edge.edition, found.issuer, found.serial, found.eui, key


def _start_process(command: list[str], numbers: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, pass_fds=numbers, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 (ours)


class _Edge:
    """One process and its successors on the same listening socket, whose queue of connections outlives them."""

    def __init__(self, owner: EdgeProcesses, listener: socket.socket) -> None:
        self.owner = owner
        self.listening = asyncio.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self._listener = listener
        self._link: Link | None = None
        self._keys = GivenKeys()
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, pause_s: float) -> None:
        """Start a process after a pause and give it its settings."""
        await asyncio.sleep(pause_s)
        if self.process is not None:
            await asyncio.to_thread(self.process.wait)
        ours, theirs = socket.socketpair()
        numbers = (self._listener.fileno(), theirs.fileno())
        with theirs:
            command = [sys.executable, "-m", "emulator.service.edge_process", *map(str, numbers)]
            self.process = await asyncio.to_thread(_start_process, command, numbers)
        self._ended.clear()
        link = self._link = Link(self._take, self._over)
        self._keys = GivenKeys()
        await asyncio.get_running_loop().create_connection(lambda: link, sock=ours)
        settings = self.owner.settings.model_dump(mode="json", include={"duis", "tls", "schemas", "log", "stop_timeout_ms"})
        link.send(("settings", settings))

    async def stop(self, timeout_ms: int) -> None:
        """Have it finish and end; it is killed when it takes much longer than it may."""
        if self.process is None:
            return
        if self._link is not None:
            self._link.send(("stop",))
        try:
            async with asyncio.timeout(timeout_ms / 1000 + 1):
                await self._ended.wait()
        except TimeoutError:
            self.process.kill()
        await asyncio.to_thread(self.process.wait)
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _over(self) -> None:
        self.listening.clear()
        self._ended.set()
        self._link = None
        self.owner.lost(self)

    def _take(self, messages: list[Any]) -> None:
        for message in messages:
            if message[0] == "ready":
                self.listening.set()
                continue
            task = asyncio.create_task(self._answer(*message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, world: str | None, *message: Any) -> None:
        link = self._link
        reply, taught = await self.owner.answer(world, message)
        if link is not None:
            signing = None if reply.key is None else self._keys.parts(reply.key)
            link.send((number, world, reply_parts(reply), signing, taught))
