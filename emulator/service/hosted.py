"""One world as a server hosts it: engine, log, outbox and edge put together, from start to stop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from emulator.domain.errors import EmulatorError
from emulator.domain.identifiers import parse_eui
from emulator.dsp.audit import Place
from emulator.dsp.effects import ControlAnswer
from emulator.dsp.inputs import ControlInput
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy
from emulator.engine import no_columns
from emulator.pki import storage as key_storage
from emulator.pki.keystore import KeyStore
from emulator.pki.repository import Repository
from emulator.service import recovery
from emulator.service.config import Settings
from emulator.service.deciding import Decisions
from emulator.service.edge import Edge
from emulator.service.endpoints import Endpoint, EndpointPolicy
from emulator.service.limits import UserLimits
from emulator.service.metrics import WorldMetrics
from emulator.service.outbox import Outbox
from emulator.service.persistence.columns import ColumnFolder
from emulator.service.persistence.contract import Log, OutboxEntry, Step, StorageFailed
from emulator.service.persistence.folder import DataFolder
from emulator.service.persistence.memory_log import MemoryLog
from emulator.service.persistence.sqlite_log import SqliteLog
from emulator.service.pump import Pump, Turn
from emulator.service.recorder import Recorder
from emulator.service.recovery import Origin, Recovered
from emulator.service.service_state import ServiceState
from emulator.service.snapshots import whole_state
from emulator.service.transport_faults import TransportFaults
from emulator.world import World, fork_world

_log = structlog.get_logger("world")

SNAPSHOT_SHARE = 50
"""A snapshot holds up everything while it is made; at least so many times as long passes before the next one."""
WAIT_LOOK_S = (0.005, 0.25)
"""How often a condition that somebody waits for is looked at: at most, and at least."""
KEYS_FOLDER = "keys"
"""Sub-folder of a world's data with its keys in the forms that others read."""
MAX_KEPT = 64
"""Snapshots of a world that are kept in memory."""
COLUMNS_FOLDER = "columns"
"""Sub-folder with what snapshots name and do not hold."""


class WorldState(StrEnum):
    """Life of a hosted world."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """Nothing new is taken; what was taken is answered."""
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Source:
    """A world as it was at one moment; nothing moves in it any more."""

    world: World
    service_state: dict[str, Any]
    origin: Origin
    once: bool = False
    """Whether one world begins from it and no other, so that it need not be copied again."""

    def begun(self, name: str) -> World:
        """A world that begins from it."""
        return replace(self.world, name=name) if self.once else fork_world(name, self.world)


class Unavailable(EmulatorError):
    """The world cannot take an input now; the text says why. HTTP 503."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the worlds of one server have in common."""

    settings: Settings
    schemas: SchemaSet
    policy: EndpointPolicy
    readers: Executor
    """Threads in which large bodies are read."""
    folder: DataFolder | None


def wall_ms() -> int:
    """UTC wall time, for people."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """A wall clock that is never set back."""
    return time.monotonic_ns() // 1_000_000


class HostedWorld:
    """A world and everything around it. Between :meth:`start` and :meth:`stop` it answers."""

    world: World
    log: Log
    pump: Pump
    outbox: Outbox
    edge: Edge
    service_state: ServiceState
    recorder: Recorder
    decisions: Decisions
    transport: TransportFaults

    def __init__(self, name: str, shared: Shared, metrics: WorldMetrics) -> None:
        self.name = name
        self.changing = asyncio.Lock()
        """Held while the world is made, begun anew or dropped: one of these at a time."""
        self.state = WorldState.STARTING
        self.metrics = metrics
        self.shared = shared
        self.settings = shared.settings
        self._changed = asyncio.Event()
        self._watched = False
        self._ticking: asyncio.Task[None] | None = None
        self._snapshotting = asyncio.Lock()
        self._snapshot_seq = 0
        self._no_snapshot_before_s = 0.0
        self.problem = ""
        """Why the world could not be taken up again."""
        self.origin = Origin(None)
        """What the world was made from."""
        self.kept: dict[str, Source] = {}
        """Snapshots by name, in memory."""

    # Start and stop

    async def start(self, origin: Origin | None = None, source: "Source | None" = None) -> None:
        """Open the log and take the world up, or make a new one; ``origin`` says from what, the settings do otherwise.

        ``source`` is a world to begin from as it was, made of the same ``origin``.

        Raises :class:`StorageUnusable` or :class:`Malformed` when that cannot be.
        """
        folder = None if self.shared.folder is None else self.shared.folder.world(self.name)
        storage = self.settings.storage
        self.log = MemoryLog(self.name, storage) if folder is None else await SqliteLog.open(folder, self.name, storage)
        try:
            keys, columns = self._keys_folder(), None if folder is None else ColumnFolder(folder / COLUMNS_FOLDER)
            metadata = await self.log.metadata()
            if origin is None and metadata:
                imported = recovery.kept_keys(keys)
                unused = recovery.unused_settings(self.settings, metadata, imported)
                if unused:
                    _log.warning("the world keeps what it was made with; a reset would use these", world=self.name, unused=unused)
                find = no_columns if columns is None else columns.find
                self.origin = recovery.origin_in(metadata)
                recovered = await recovery.recover(self.name, self.log, imported, self._edge_of, find)
            else:
                origin = self.origin = origin or recovery.origin_of(self.settings, wall_ms())
                world = source.begun(self.name) if source else recovery.make_with_keys(self.name, origin, self.settings, keys)
                if folder is not None:
                    await asyncio.to_thread(_keep_keys, folder / KEYS_FOLDER, world.keys)
                if columns is not None and world.columns is not None:
                    await asyncio.to_thread(columns.keep, world.columns)
                state = None if source is None else ServiceState.from_json(source.service_state, world.engine.now_ms, 0)
                recovered = await recovery.begin(self.log, world, self.settings, origin, state)
                if columns is not None:
                    columns.drop_others(None if world.columns is None else world.columns.digest)
            await self._run(recovered)
        except BaseException:
            with suppress(StorageFailed):
                await self.log.close()
            raise

    def _keys_folder(self) -> Path | None:
        return None if self.shared.folder is None else self.shared.folder.world(self.name) / KEYS_FOLDER

    def _edge_of(self, world: World) -> Edge:
        ours = not world.keys.imported()
        switches = self.settings.signatures
        policy = SignaturePolicy(
            check_role=ours if switches.check_role is None else switches.check_role,
            check_dates=ours if switches.check_dates is None else switches.check_dates,
            check_chain=ours if switches.check_chain is None else switches.check_chain,
        )
        unsigned = self.settings.duis.unsigned_acknowledgements
        return Edge(world.keys, self.shared.schemas, policy, unsigned_acknowledgements=unsigned)

    async def _run(self, recovered: Recovered) -> None:
        self.world = recovered.world
        self.edge = self._edge_of(self.world)
        self.service_state = recovered.state
        self.service_state.clock = recovered.state.clock.moved_to(self.world.engine.now_ms, monotonic_ms())
        self._snapshot_seq = recovered.snapshot_seq  # not the last input: else many short lives would make a long replay
        self.outbox = Outbox(
            *(self.settings.outbox, self.shared.policy, self.log, self.metrics),
            instant_ms=self.instant_ms,
            wall_ms=wall_ms,
            on_change=self._notify,
            spoil=lambda item: self.transport.of_push(item),
        )
        self.recorder = Recorder(self.log, self.edge, recovered.numbers, wall_ms=wall_ms, expect=self.outbox.expect)
        self.limits = UserLimits(self.settings.duis)
        self.transport = TransportFaults(self.world.engine, recovered.state, self.instant_ms, self.recorder.transport_fault)
        self.pump = Pump(
            *(self.world.engine, recovered.state),
            wall_ms=monotonic_ms,
            on_turn=self._time_passed,
            may_move=self._may_move,
            quiet=lambda: not self.outbox.busy,
        )
        self.decisions = Decisions(self.pump, self.recorder, self.world.keys, self.unavailable)
        self.log.on_durable = self._durable
        self.log.completed = self.edge.completed
        self.outbox.start(self._endpoints(), await self.log.undelivered())
        if recovered.surplus:
            await self.recorder.mark(Turn(self.world.engine.now_ms, recovered.surplus))
        if await self.log.trail.end() != self._known_audit_end():
            _log.error("the audit trail does not end where the world's does: verify it", world=self.name)
        if recovered.replayed:
            _log.info("replayed", world=self.name, inputs=recovered.replayed, undelivered=self.outbox.depth)
        self.pump.start()
        self._ticking = asyncio.create_task(self._tick(), name=f"tick {self.name}")
        self.state = WorldState.READY
        self.metrics.ready.set(1)

    def drain(self) -> None:
        """Take nothing new from now on, and let nobody wait for simulated time."""
        self.state = WorldState.DRAINING
        self.pump.give_up()
        self._notify()
        self.metrics.ready.set(0)

    async def stop(self, *, keep: bool = True) -> None:
        """Finish what is under way, write a snapshot (unless nothing is to be kept) and close the log."""
        self.state = WorldState.STOPPING
        self.metrics.ready.set(0)
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        await self.pump.stop()
        await self.outbox.stop(self.settings.stop_timeout_ms)
        try:
            if keep and self.log.failure is None:
                await self.snapshot()
        except (OSError, StorageFailed) as error:
            _log.error("no snapshot at the stop; the next start replays", world=self.name, error=str(error))
        finally:
            try:
                await self.log.close()
            except StorageFailed as error:
                _log.error("the log is behind at the stop", world=self.name, error=str(error))
            self.state = WorldState.STOPPED
            self._notify()

    def keep(self, name: str = "") -> "Source":
        """The world as it is now, for one world to begin there; under a name it is kept until the process ends, for any number.
        Raise :class:`Unavailable` when the world cannot be taken as it is, or too many are kept."""
        self._check_available()
        if name and name not in self.kept and len(self.kept) >= MAX_KEPT:
            raise Unavailable(f"{MAX_KEPT} snapshots are kept already")
        self.pump.settle()
        source = Source(fork_world(self.name, self.world), self.service_state.as_json(), self.origin, once=not name)
        if name:
            self.kept[name] = source
        return source

    async def reset(self, origin: Origin) -> None:
        """Forget everything and begin again from ``origin``; raise :class:`Malformed`, and change nothing, when it is no good."""
        recovery.make_with_keys(self.name, origin, self.settings, self._keys_folder())  # refused at once
        await self._begin_again(origin)

    async def restore(self, source: "Source") -> None:
        """Forget everything since and before, and go on from ``source``."""
        await self._begin_again(source.origin, source)

    async def _begin_again(self, origin: Origin, source: "Source | None" = None) -> None:
        async with self.changing:
            if self.state is not WorldState.READY:
                raise Unavailable(f"world {self.name} is {self.state.value}")
            await self.stop(keep=False)
            self.state = WorldState.STARTING
            try:
                await self.start(origin, source)
            except BaseException as error:
                self.state, self.problem = WorldState.STOPPED, str(error)
                raise

    async def snapshot(self) -> int:
        """Write a snapshot of now and drop what is no longer needed; the number of the input it follows."""
        async with self._snapshotting:
            started_s, busy = time.monotonic(), self.state is WorldState.READY
            parts = (self.world.engine, self.pump, self.recorder, self.service_state, self.log)
            row, data = await whole_state(*parts, busy=busy)
            self._no_snapshot_before_s = started_s + (1 + SNAPSHOT_SHARE) * (time.monotonic() - started_s)
            await self.recorder.instant(self.world.engine.now_ms)  # a barrier: all that it holds is durable before it is named
            await self.log.save_snapshot(data, row)
            self._snapshot_seq = row.seq
            return row.seq

    # Inputs

    def unavailable(self) -> str | None:
        """Why no input can be taken now, or None."""
        if self.state is not WorldState.READY:
            return f"world {self.name} is {self.state.value}"
        if self.log.failure is not None:
            return self.log.failure
        if self.pump.broken:
            return self.pump.broken
        if self.log.backlog_bytes > self.settings.storage.backlog_bytes:
            return "too much waits to be written"
        return None

    async def control(self, verb: str, params: dict[str, Any]) -> ControlAnswer:
        """Carry out a command of the engine; raise :class:`Unavailable` when none can be taken."""
        self._check_available()
        item = ControlInput(verb, params)
        turn = self.pump.control(item)
        durable = self.recorder.control(turn, item)
        self.outbox.set_endpoints(self._endpoints())
        await self._settled(durable)
        if turn.control is None:
            self.metrics.faults.inc()
            return ControlAnswer({}, "the emulator failed on this command; its log on stderr says where")
        return turn.control

    async def command(self, verb: str, params: dict[str, Any]) -> None:
        """Carry out a command of the service; raise :class:`Malformed` when it is refused."""
        self._check_available()
        durable = self.recorder.service(self.pump.command(verb, params), verb, params)
        self.outbox.set_endpoints(self._endpoints())
        await self._settled(durable)

    async def resend(self, entry: OutboxEntry) -> bool:
        """Queue a finished message again; False when it is queued already."""
        self._check_available()
        queued = self.outbox.resend(entry)
        await self._settled(self.recorder.instant(self.world.engine.now_ms))
        return queued

    def _check_available(self) -> None:
        problem = self.unavailable()
        if problem is not None:
            raise Unavailable(problem)

    async def _settled(self, durable: asyncio.Future[None]) -> None:
        try:
            await durable
        except StorageFailed as error:
            raise Unavailable(str(error)) from None

    # Looking and waiting

    def instant_ms(self) -> int:
        """The simulated time that it is now."""
        return self.pump.instant_ms()

    @property
    def last_seq(self) -> int:
        """The number of the last input."""
        return self.recorder.last_seq

    async def audit_end(self) -> Place:
        """The last record of the audit trail as the engine knows it; all up to it is durable when this returns."""
        end = self._known_audit_end()
        await self._settled(self.recorder.instant(self.world.engine.now_ms))
        return end

    def _known_audit_end(self) -> Place:
        audit = self.world.engine.state.dsp.audit
        return audit.number, audit.digest

    def check_endpoint(self, url: str) -> None:
        """Raise :class:`Malformed` when pushes may not go to ``url``."""
        self.shared.policy.check(url)

    def floor_ms(self, user: int) -> int | None:
        """The floor of a user's endpoint where it has one of its own."""
        return self.service_state.floors_ms.get(user)

    def repository(self) -> Repository:
        """The SMKI repository of this world."""
        return Repository(self.world.keys, lambda eui: self.world.views.device_exists(eui))

    async def wait(self, holds: Callable[[], Awaitable[bool]], timeout_s: float, within_ms: int) -> bool:
        """Wait until ``await holds()`` is true, at most so long in wall time; autojump moves up to ``within_ms`` meanwhile."""
        deadline_s = time.monotonic() + timeout_s
        with self.pump.jumping(self.instant_ms() + within_ms):
            while self.state is WorldState.READY:
                changed = self.changed
                if await holds():
                    return True
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return False
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, WAIT_LOOK_S[1])):
                        await changed.wait()
                        await asyncio.sleep(WAIT_LOOK_S[0])
        return False

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change of anything; take it before looking, and wait for it after."""
        self._watched = True
        return self._changed

    async def advance_to(self, instant_ms: int) -> bool:
        """Move simulated time and note how far it came; False when a stop came between.

        Raises :class:`Malformed` when the instant is in the past.
        """
        self._check_available()
        reached = await self.pump.advance_to(instant_ms)
        await self._settled(self.recorder.instant(self.world.engine.now_ms))
        return reached

    async def run_until_idle(self, timeout_s: float, within_ms: int) -> bool:
        """Jump from event to event until nobody waits and no push is under way; False when the time given did not suffice."""
        self._check_available()
        limit_ms = self.instant_ms() + within_ms

        async def done() -> bool:
            due_ms = self.pump.next_ms()
            return self.pump.idle() or (not self.outbox.busy and (due_ms is None or due_ms > limit_ms))

        with self.pump.jumping(limit_ms, any_mode=True):
            await self.wait(done, timeout_s, within_ms)
        await self._settled(self.recorder.instant(self.pump.settle()))
        return self.pump.idle()

    def _endpoints(self) -> dict[int, Endpoint]:
        return {
            parse_eui(user["user"]): Endpoint(user["endpoint"], self.service_state.floors_ms.get(parse_eui(user["user"])))
            for user in self.world.views.users()
        }

    # What goes on by itself

    def _time_passed(self, turn: Turn) -> None:
        if turn.fault:
            self.metrics.faults.inc()
        self.decisions.settle()
        self.recorder.mark(turn)

    def _may_move(self) -> bool:
        return self.log.failure is None and self.log.backlog_bytes <= self.settings.storage.backlog_bytes

    def _durable(self, step: Step) -> None:
        if step.acknowledges is not None:
            self.outbox.acknowledged(step.acknowledges)
        if step.deliveries:
            self.outbox.accept(step.deliveries)
        self._notify()

    def _notify(self) -> None:
        if self._watched:  # else nobody has it
            changed, self._changed, self._watched = self._changed, asyncio.Event(), False
            changed.set()
        self.pump.wake()

    async def _tick(self) -> None:
        """Note the passing of time, keep the gauges right, write a snapshot now and then."""
        noted_ms = self.world.engine.now_ms
        while True:
            await asyncio.sleep(self.settings.storage.mark_interval_ms / 1000)
            now_ms = self.pump.settle() if self._may_move() else noted_ms
            if now_ms > noted_ms:
                self.recorder.instant(now_ms)
                noted_ms = now_ms
            self.metrics.simulated_seconds.set(now_ms / 1000)
            self.metrics.outbox_messages.set(self.outbox.depth)
            self.metrics.outbox_lag_seconds.set(self.outbox.lag_s)
            self.metrics.backlog_bytes.set(self.log.backlog_bytes)
            due = self.recorder.last_seq - self._snapshot_seq >= self.settings.storage.snapshot_every_inputs
            if due and self._may_move() and time.monotonic() >= self._no_snapshot_before_s:
                try:
                    await self.snapshot()
                except (OSError, StorageFailed) as error:
                    _log.error("no snapshot", world=self.name, error=str(error))


def _keep_keys(folder: Path, keys: KeyStore) -> None:
    """Keep imported keys for later starts, and everything in the forms that other tools read."""
    key_storage.save(folder, key_storage.stored_keys(keys))
    key_storage.export(folder, keys)
