"""The memory of a pool: columns of devices and hubs, the wheel, nodes, queues, counts.

Interpreted, a column is a list of integers. Compiled, it is a view of one block of memory in which everything about a home lies
together, 64 octets for two devices, so that an event touches one line of the cache: columns to read and write, rows to the
machine.
"""

from typing import NamedTuple, Protocol

import numpy as np

from emulator.fanout.fields import (
    BLOCK_LOG2,
    CELL_WIDTH,
    PRIORITIES,
    Q_TURNS,
    STATE_WIDTH,
    TURN_WIDTH,
    UNUSED,
)
from emulator.fanout.phases import NONE, OUTCOMES


class Ints(Protocol):
    """A list of integers, an array of them, or a test that watches one."""

    def __getitem__(self, place: int, /) -> int: ...

    def __setitem__(self, place: int, value: int, /) -> None: ...

    def __len__(self) -> int: ...


class Pool(NamedTuple):
    """All that a kernel sees. Row of a device: ``hub << S_SHIFT | place at the hub``."""

    link: Ints
    """Next in the list that the row is in: a row, ``-2 - node``, or -1 at the end."""
    due: Ints
    """Tick of its entry on the agenda; -1 is none."""
    progress: Ints
    """On the WAN octets left (or segments, in repair); READY the tick of expiry; then blocks left after the running chunk."""
    order: Ints
    """The order whose image is under way or was last, -1 for none."""
    held: Ints
    """The order whose verified image it holds, -1 for none."""
    running: Ints
    """Number of the version it runs."""
    phase: Ints
    firmware: Ints
    job: Ints
    tries: Ints
    """On the WAN tries so far, and sixteen times the sessions that broke off; in a cast rounds so far."""
    flags: Ints
    profile: Ints
    party: Ints
    """Whose credentials it holds."""
    used: Ints
    """Octets taken of a hub's store."""
    slots: Ints
    hub_flags: Ints
    hub_profile: Ints
    cell: Ints
    heads: Ints
    """First entry of each bucket of the wheel."""
    blocks: Ints
    """Entries in each block of buckets."""
    nodes: Ints
    s: Ints
    cells: Ints
    queues: Ints
    counts: Ints
    """Outcomes by order and kind."""
    jobs: Ints
    """Devices by order and job."""
    series: Ints
    """Outcomes by hour and kind."""
    out: Ints
    until: Ints
    """Tick at which each order is given up, -1 before its first submission."""
    complete: Ints
    """By order and round: the chance of 2**32 to have every segment."""
    missing: Ints
    """By order: sixteenths of the spread of missing segments."""
    chance_first: Ints
    chances: Ints
    pp: Ints
    hps: Ints
    dps: Ints
    orders: Ints
    verdicts: Ints
    versions: Ints
    job_next: Ints
    rule: Ints


DEVICE_COLUMNS: dict[str, tuple[str, int, int]] = {
    "link": ("<i4", 0, NONE),
    "due": ("<i4", 4, NONE),
    "progress": ("<i4", 8, 0),
    "order": ("<i2", 12, NONE),
    "held": ("<i2", 14, NONE),
    "running": ("<i2", 16, 0),
    "phase": ("u1", 18, 0),
    "firmware": ("u1", 19, 0),
    "job": ("u1", 20, 0),
    "tries": ("u1", 21, 0),
    "flags": ("u1", 22, 0),
    "profile": ("u1", 23, UNUSED),
    "party": ("u1", 31, 0),
}
"""Type, place in the home's memory, and content of an unused row."""

HUB_COLUMNS: dict[str, tuple[str, int, int]] = {
    "used": ("<i4", 24, 0),
    "slots": ("u1", 28, 0),
    "hub_flags": ("u1", 29, 0),
    "hub_profile": ("u1", 30, UNUSED),
    "cell": ("<i2", 56, 0),
}
"""The same of a hub: what its first device leaves free, and ``cell`` what its second does."""

SHARED = ("pp", "hps", "dps", "orders", "verdicts", "versions", "job_next", "rule")
"""Tables that kernels only read; ``pp`` and ``rule`` are a pool's own, the others are one for all."""

OWN: dict[str, tuple[str, int]] = {
    "heads": ("<i4", NONE),
    "blocks": ("<i4", 0),
    "nodes": ("<i8", 0),
    "s": ("<i8", 0),
    "cells": ("<i8", NONE),
    "queues": ("<i8", NONE),
    "counts": ("<i8", 0),
    "jobs": ("<i8", 0),
    "series": ("<i8", 0),
    "out": ("<i8", 0),
    "until": ("<i8", NONE),
    "complete": ("<i8", 0),
    "missing": ("<i8", 0),
    "chance_first": ("<i8", NONE),
    "chances": ("<i8", 0),
}
"""Tables that a pool changes: type and content where nothing is."""

LINE = 64
"""Octets of a line of the cache."""


class Memory:
    """The columns and tables of one pool, as lists or as arrays."""

    def __init__(self, arrays: bool, hubs: int, shift: int, cells: int, buckets_log2: int, chains_log2: int) -> None:
        self.arrays = arrays
        self.shift = shift
        self.room = 0
        """Hubs that the columns have room for."""
        self.columns: dict[str, Ints] = {}
        self.memory = np.empty(0, np.uint8)
        self._allocate(hubs, shift)
        sizes = {
            "heads": 1 << buckets_log2 + chains_log2,
            "blocks": 1 << buckets_log2 - BLOCK_LOG2,
            "s": STATE_WIDTH,
            "cells": cells * CELL_WIDTH,
            "queues": Q_TURNS + PRIORITIES * TURN_WIDTH,
            "nodes": 0,
            "series": len(OUTCOMES),
        }
        self.tables: dict[str, Ints] = {}
        for name in OWN:
            self.tables[name] = self.table(name, sizes.get(name, 0))

    def table(self, name: str, size: int) -> Ints:
        """A table of this size as it is before anything happened."""
        kind, empty = OWN[name]
        return np.full(size, empty, kind) if self.arrays else [empty] * size

    def grow_table(self, name: str, size: int) -> None:
        """Give a table at least this size, with room to spare where it is an array."""
        old = self.tables[name]
        if len(old) >= size:
            return
        if isinstance(old, list):
            old.extend([OWN[name][1]] * (size - len(old)))
            return
        new = self.table(name, max(size, len(old) * 2))
        assert isinstance(new, np.ndarray)
        new[: len(old)] = old
        self.tables[name] = new

    def grow_hubs(self, hubs: int) -> None:
        """Make room for this many hubs."""
        if hubs > self.room:
            self._rebuild(max(hubs, self.room * 2), self.shift)

    def restride(self, shift: int) -> None:
        """Give every hub ``1 << shift`` places for devices. Links must be moved by the caller."""
        self._rebuild(self.room, shift)

    @property
    def bytes_in_use(self) -> int:
        """Octets of the columns of homes; of lists their places, eight octets each."""
        if self.arrays:
            return len(self.memory) - LINE
        return 8 * sum(len(column) for column in self.columns.values())

    def _rebuild(self, hubs: int, shift: int) -> None:
        old, old_shift, old_room = self.columns, self.shift, self.room
        self._allocate(hubs, shift)
        for name in HUB_COLUMNS:
            _copy(old[name], self.columns[name], old_room, 1, 1)
        for name in DEVICE_COLUMNS:
            _copy(old[name], self.columns[name], old_room, 1 << old_shift, 1 << shift)

    def _allocate(self, hubs: int, shift: int) -> None:
        """New columns. Two hubs at least, so that an array never counts as contiguous."""
        hubs = max(hubs, 2)
        rows = hubs << shift
        self.room, self.shift = hubs, shift
        if not self.arrays:
            self.columns = {name: [empty] * rows for name, (_, _, empty) in DEVICE_COLUMNS.items()}
            self.columns |= {name: [empty] * hubs for name, (_, _, empty) in HUB_COLUMNS.items()}
            return
        stride = 32 if shift else 36
        self.memory = np.zeros(rows * stride + LINE, np.uint8)
        start = -self.memory.ctypes.data % LINE
        views: dict[str, np.ndarray] = {}
        for name, (kind, place, _) in DEVICE_COLUMNS.items():
            views[name] = np.ndarray((rows,), kind, self.memory, start + place, (stride,))
        for name, (kind, place, _) in HUB_COLUMNS.items():
            at = place if shift or name != "cell" else 32
            views[name] = np.ndarray((hubs,), kind, self.memory, start + at, (stride << shift,))
        for name, (_, _, empty) in (DEVICE_COLUMNS | HUB_COLUMNS).items():
            if empty:
                views[name][:] = empty
        self.columns = dict(views)


def _copy(old: Ints, new: Ints, hubs: int, per_hub: int, new_per_hub: int) -> None:
    """Copy the rows of hubs into columns with another number of places at each."""
    kept = min(per_hub, new_per_hub)
    for place in range(kept):
        if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
            new[place : hubs * new_per_hub : new_per_hub] = old[place : hubs * per_hub : per_hub]
        else:
            assert isinstance(old, list)
            assert isinstance(new, list)
            new[place : hubs * new_per_hub : new_per_hub] = old[place : hubs * per_hub : per_hub]
