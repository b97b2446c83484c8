"""The whole state of a hosted world as octets, with what a log has to know of it."""

from emulator import __version__
from emulator.engine import Engine
from emulator.service.apart import made_apart
from emulator.service.persistence.contract import Log, SnapshotRow, snapshot_row
from emulator.service.pump import Pump
from emulator.service.recorder import Recorder
from emulator.service.service_state import ServiceState

APART_BYTES = 4_000_000
"""Where the last snapshot was larger, the next one is made apart: it would hold up everything for a large part of a second."""
APART_INPUTS = 1_000
"""And where so many inputs have come since then, for then it is not known how large this one will be."""


async def whole_state(
    engine: Engine, pump: Pump, recorder: Recorder, state: ServiceState, log: Log, *, busy: bool
) -> tuple[SnapshotRow, bytes | memoryview]:
    """The state of now, even where it takes a while to make; ``busy`` says whether there is anything that it would hold up."""
    for apart in (True, False) if busy and await _large(log, recorder.last_seq) else (False,):
        now_ms, seq, service = pump.settle(), recorder.last_seq, state.as_json()
        octets = await made_apart(engine.snapshot) if apart else engine.snapshot() if log.keeps_snapshots else b""
        if octets is not None:
            return snapshot_row(seq, now_ms, __version__, service, octets), octets
    raise AssertionError("what is made here is made")


async def _large(log: Log, seq: int) -> bool:
    last = (await log.snapshots())[:1]
    return any(row.size_bytes > APART_BYTES or seq - row.seq > APART_INPUTS for row in last)
