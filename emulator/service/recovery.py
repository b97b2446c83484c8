"""The start of a world: made new, or taken up from its newest good snapshot and the inputs after it.

Nothing is believed: every answer and message that a replay makes is held against the digest of what was stored when it was made
first. A difference stops the start with words, for going on would contradict what users were told.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from emulator import __version__
from emulator.controls.estate import fault_add
from emulator.domain.errors import Broken, Malformed
from emulator.dsp.audit import Record
from emulator.dsp.effects import AuditEffect, Delivery, Effect
from emulator.dsp.inputs import ControlInput
from emulator.engine import FindColumns
from emulator.pki import storage as key_storage
from emulator.pki.formats import read_key_store
from emulator.pki.reports import ImportEntry, ImportReport
from emulator.service.config import Settings
from emulator.service.edge import Edge, fault_digest
from emulator.service.persistence.contract import (
    InputKind,
    InputRow,
    LastNumbers,
    Log,
    StorageUnusable,
    snapshot_row,
)
from emulator.service.pump import MAX_FAULTS_IN_PLACE, Turn, run_control, run_submit, run_time
from emulator.service.recorder import control_digest, read_command_verdict, read_duis_verdict
from emulator.service.service_state import ServiceState, new_state
from emulator.simulation.faults import read_plan
from emulator.world import World, create_world, restore_world

_log = structlog.get_logger("recovery")

REPLAY_BUDGET = 1_000
"""Events between two looks at the event loop, which answers health checks meanwhile."""


class ReplayDiffers(StorageUnusable):
    """The log does not lead to what was answered and queued."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a new world is made from."""

    estate_toml: str | None
    """None means the embedded estate."""
    seed: int | None = None
    start_ms: int | None = None
    """Simulated time at which it begins; None means as the estate says."""
    strict_counter: bool = False
    folder: Path | None = None
    """Where the files lie that the estate names; None when it is not a file."""
    faults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Faults that it begins with, by the place where each is written."""


@dataclass(slots=True)
class Recovered:
    """A world that is up to date with its log."""

    world: World
    state: ServiceState
    numbers: LastNumbers
    surplus: list[Effect] = field(default_factory=list)
    """Effects that the log does not hold yet: the process ended between making and storing them."""
    replayed: int = 0
    snapshot_seq: int = 0
    """The input that the snapshot follows from which the world was taken up."""


def origin_of(settings: Settings, wall_ms: int) -> Origin:
    """What the settings make a new world from; raise :class:`Malformed` when the estate cannot be read."""
    path = settings.worlds.estate
    try:
        text = None if path is None else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"cannot be read: {error}", where=str(path), expected="a TOML estate") from None
    start_ms = wall_ms if settings.clock.start == "wall" else None
    folder = None if path is None else path.parent
    return Origin(text, settings.worlds.seed, start_ms, settings.worlds.strict_counter, folder, _faults(settings.worlds.faults))


def _as_text(faults: Mapping[str, Mapping[str, Any]]) -> str:
    return json.dumps([dict(fault) for fault in faults.values()], sort_keys=True)


def _faults(path: Path | None) -> dict[str, Mapping[str, Any]]:
    if path is None:
        return {}
    try:
        listed = read_plan(path.read_bytes(), str(path))
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=str(path), expected="a fault plan in TOML") from None
    return {f"{path}: fault {number}": fault for number, fault in enumerate(listed, 1)}


def kept_keys(folder: Path | None) -> ImportReport | None:
    """The imported keys that a world was made with, from its folder of keys; None when it was made without."""
    stored = None if folder is None else key_storage.load(folder)
    if stored is None or not stored.imported:
        return None
    return ImportReport(tuple(ImportEntry(record.name, record) for record in stored.imported))


def wanted_keys(settings: Settings, folder: Path | None) -> ImportReport | None:
    """The keys to import into a new world: those that the settings name, else those that the world before it had."""
    if settings.keys.import_from is None:
        return kept_keys(folder)
    report = read_key_store(settings.keys.import_from)
    for entry in report.skipped:
        _log.warning("key not imported", place=entry.place, reason=entry.reason)
    return report


def make_world(name: str, origin: Origin, imported: ImportReport | None) -> World:
    """A new world; raise :class:`Malformed` when estate, settings, keys or faults do not hold together."""
    world = create_world(
        name,
        origin.estate_toml,
        seed=origin.seed,
        imported=imported,
        start_ms=origin.start_ms,
        strict_counter=origin.strict_counter,
        folder=origin.folder,
    )
    for place, fault in origin.faults.items():
        try:
            fault_add(world.engine, fault)
        except Malformed as error:
            raise Malformed(error.detail, where=f"{place}: {error.where}", expected=error.expected) from None
    return world


def make_with_keys(name: str, origin: Origin, settings: Settings, folder: Path | None) -> World:
    """The same, with the keys that settings or the world before it give."""
    return make_world(name, origin, wanted_keys(settings, folder))


def unused_settings(settings: Settings, metadata: Mapping[str, str], imported: ImportReport | None) -> list[str]:
    """Which settings differ from what a world was made with; they have no effect until it is reset."""
    unused = []
    if settings.worlds.seed is not None and str(settings.worlds.seed) != metadata.get("seed"):
        unused.append("worlds.seed")
    if settings.worlds.estate is not None and origin_of(settings, 0).estate_toml != metadata.get("estate"):
        unused.append("worlds.estate")
    if settings.worlds.faults is not None and _as_text(_faults(settings.worlds.faults)) != metadata.get("faults"):
        unused.append("worlds.faults")
    if settings.worlds.strict_counter != json.loads(metadata.get("strict_counter", "false")):
        unused.append("worlds.strict_counter")
    if settings.keys.import_from is not None and imported is None:
        unused.append("keys.import_from")
    return unused


def origin_in(metadata: Mapping[str, str]) -> Origin:
    """What a world was made from, by the metadata of its log."""
    return Origin(
        estate_toml=None if metadata["estate"] == "embedded" else metadata["estate"],
        seed=int(metadata["seed"]),
        strict_counter=json.loads(metadata.get("strict_counter", "false")),
    )


async def begin(log: Log, world: World, settings: Settings, origin: Origin, state: ServiceState | None = None) -> Recovered:
    """Start the log of a new world with a snapshot of its beginning; ``state`` is that of the service, new when not given."""
    state = state or new_state(settings.clock, world.engine.now_ms, 0)
    data = world.engine.snapshot() if log.keeps_snapshots else b""
    metadata = {
        "engine_version": __version__,
        "estate": "embedded" if origin.estate_toml is None else origin.estate_toml,
        "estate_name": world.estate.name,
        "seed": str(world.estate.seed),
        "created_wall_ms": str(time.time_ns() // 1_000_000),
        "strict_counter": json.dumps(origin.strict_counter),
        "faults": _as_text(origin.faults),
    }
    await log.begin(metadata, data, snapshot_row(0, world.engine.now_ms, __version__, state.as_json(), data))
    return Recovered(world, state, LastNumbers())


async def recover(
    name: str, log: Log, imported: ImportReport | None, edge_of: Callable[[World], Edge], find_columns: FindColumns
) -> Recovered:
    """Take a world up again; raise :class:`StorageUnusable` when that cannot be done faithfully."""
    reason = ""
    for row in await log.snapshots():
        data = await log.load_snapshot(row)
        if data is None:
            continue
        try:
            world = restore_world(name, data, imported=imported, columns=find_columns)
            state = ServiceState.from_json(row.service_state, row.at_ms, 0)
        except Exception as error:  # a damaged or foreign snapshot may fail anywhere; an older one may still be good
            _log.warning("snapshot cannot be restored", world=name, name=row.name, error=str(error))
            reason = reason or f" ({error})"
            continue
        replay = _Replay(name, world, state, edge_of(world), row.engine_version)
        return await replay.run(log, row.seq)
    raise StorageUnusable(
        f"world {name}: none of its snapshots can be read{reason}; restore the data folder from a copy or start anew"
    )


class _Replay:
    def __init__(self, name: str, world: World, state: ServiceState, edge: Edge, engine_version: str) -> None:
        self._name = name
        self._world = world
        self._state = state
        self._edge = edge
        self._engine_version = engine_version
        self._stored: dict[int, bytes] = {}
        self._stored_audit: dict[int, str] = {}
        self._numbers = LastNumbers()
        self._surplus: list[Effect] = []

    async def run(self, log: Log, seq: int) -> Recovered:
        """Apply every later input, then let time come as far as it had come."""
        self._numbers = await log.last_numbers()
        self._stored = await log.delivery_digests(seq)
        self._stored_audit = await log.audit_digests(seq)
        snapshot_seq, count = seq, 0
        async for row in log.inputs_after(seq):
            seq += 1
            if row.seq != seq:
                raise self._differs(f"input {seq} is missing from the log")
            await self._apply(row, await self._body(log, row))
            count += 1
            if count % 100 == 0:
                await asyncio.sleep(0)
        await self._advance(await log.instant_ms())
        if self._stored:
            raise self._differs(f"message {min(self._stored)} is in the log and was not made again")
        if self._stored_audit:
            raise self._differs(f"audit record {min(self._stored_audit)} is in the log and was not made again")
        if seq != self._numbers.input:
            raise self._differs(f"the log ends at input {seq} and should reach {self._numbers.input}")
        return Recovered(self._world, self._state, self._numbers, self._surplus, count, snapshot_seq)

    async def _body(self, log: Log, row: InputRow) -> bytes:
        try:
            return await log.load_body(row.body)
        except (OSError, ValueError) as error:
            raise self._differs(f"the body of input {row.seq} cannot be read: {error}") from None

    async def _apply(self, row: InputRow, body: bytes) -> None:
        engine = self._world.engine
        if row.at_ms < engine.now_ms:
            raise self._differs(f"input {row.seq} is of simulated time {row.at_ms}, which is past")
        if row.kind is InputKind.MARK:
            await self._advance(row.at_ms)
        elif row.kind is InputKind.SERVICE:
            verb, params = read_command_verdict(row.verdict, body)
            self._state.apply(verb, params, 0)
        elif row.kind is InputKind.CONTROL:
            verb, params = read_command_verdict(row.verdict, body)
            turn = run_control(engine, ControlInput(verb, params), row.at_ms)
            self._compare(row, control_digest(turn))
            self._take(turn)
        else:
            self._duis(row, body)

    def _duis(self, row: InputRow, body: bytes) -> None:
        try:
            request = self._edge.read_again(body)
        except Malformed as error:
            raise self._differs(f"input {row.seq} cannot be read any more: {error}") from None
        turn = run_submit(self._world.engine, read_duis_verdict(row.verdict, request), row.at_ms)
        self._compare(row, fault_digest(turn.fault) if turn.response is None else self._edge.digest(turn.response))
        self._take(turn)

    async def _advance(self, to_ms: int) -> None:
        engine = self._world.engine
        faults = 0
        while engine.now_ms < to_ms or (engine.next_wakeup() or to_ms + 1) <= to_ms:
            _, fault = run_time(engine, to_ms, REPLAY_BUDGET)
            self._take(Turn(engine.now_ms, engine.take_effects()))
            faults = faults + 1 if fault else 0
            if faults >= MAX_FAULTS_IN_PLACE:
                raise Broken(f"world {self._name}: the engine fails at simulated time {engine.now_ms}: {fault}")
            await asyncio.sleep(0)

    def _take(self, turn: Turn) -> None:
        """Hold messages and audit records against the stored ones; keep what was never stored."""
        for effect in turn.effects:
            if isinstance(effect, Delivery):
                known = self._take_delivery(effect)
            elif isinstance(effect, AuditEffect):
                known = self._take_audit(effect.record)
            else:
                known = effect.number <= self._numbers.effect
            if not known:
                self._surplus.append(effect)

    def _take_delivery(self, effect: Delivery) -> bool:
        stored = self._stored.pop(effect.number, None)
        if stored is None and effect.number > self._numbers.delivery:
            return False
        if stored is None:
            raise self._differs(f"message {effect.number} is made again and is not in the log")
        if self._edge.digest(effect.message) != stored:
            raise self._differs(f"message {effect.number} would be another one than was queued")
        return True

    def _take_audit(self, record: Record) -> bool:
        stored = self._stored_audit.pop(record.number, None)
        if stored is None and record.number > self._numbers.audit:
            return False
        if stored is None:
            raise self._differs(f"audit record {record.number} is made again and is not in the log")
        if record.digest != stored:
            raise self._differs(f"audit record {record.number} would be another one than was written")
        return True

    def _compare(self, row: InputRow, digest: bytes) -> None:
        if digest != row.digest:
            raise self._differs(f"input {row.seq} ({row.kind.value}) would be answered otherwise than it was")

    def _differs(self, what: str) -> ReplayDiffers:
        hint = (
            "the data folder is damaged"
            if self._engine_version == __version__
            else f"it was written by version {self._engine_version}, this is {__version__}; start that version and stop it "
            "gracefully, so that it writes a snapshot"
        )
        return ReplayDiffers(f"world {self._name} cannot be taken up faithfully: {what} ({hint})")
