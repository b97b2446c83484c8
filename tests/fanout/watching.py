"""Lists that watch what kernels store, and what must hold of a network between any two acts."""

from typing import Any

import numpy as np

from emulator.fanout.columns import DEVICE_COLUMNS, HUB_COLUMNS, OWN
from emulator.fanout.fields import (
    BESIDE,
    CELL_BUSY,
    CELL_CASTS,
    CELL_WIDTH,
    HP_SLOTS,
    HP_STORE,
    HUB_WIDTH,
    N_A,
    N_NEXT,
    NODE_WIDTH,
    O_SIZE,
    ON_AIR,
    ORDER_WIDTH,
    PP_KIND,
    RESERVED,
    S_BUSY,
    S_LISTENED,
)
from emulator.fanout.network import Network
from emulator.fanout.phases import FIRMWARE_TRANSITIONS, IDLE, NONE, RADIO, REPAIRING, SENDING, TRANSITIONS
from emulator.fanout.pools import RunningPool

KINDS = {name: kind for name, (kind, *_) in (DEVICE_COLUMNS | HUB_COLUMNS | OWN).items()}


CHANGES = {"phase": TRANSITIONS, "firmware": FIRMWARE_TRANSITIONS}
GET, SET = list.__getitem__, list.__setitem__


class Watched(list):  # type: ignore[type-arg]
    """A column or table that takes only integers of its width."""

    def __init__(self, name: str, values: list[int]) -> None:
        super().__init__(values)
        self.name = name
        limits = np.iinfo(np.dtype(KINDS[name]))
        self.least, self.most = int(limits.min), int(limits.max)
        self.changes = CHANGES.get(name)
        """Of a state: which it may take."""

    def __setitem__(self, place: Any, value: Any) -> None:
        if place.__class__ is not slice:
            assert place >= 0, (self.name, place)
            assert isinstance(value, int), (self.name, value)
            assert self.least <= value <= self.most, (self.name, value)
            if self.changes is not None:
                before = self[place]
                assert before == value or (before, value) in self.changes, (self.name, before, value)
        SET(self, place, value)

    def __getitem__(self, place: Any) -> Any:
        if place.__class__ is not slice and place < 0:
            raise AssertionError((self.name, place))
        return GET(self, place)


def watch(net: Network) -> None:
    """Let every list of an interpreted network be a watched one."""
    for pool in net.pools:
        for tables in (pool.memory.columns, pool.memory.tables):
            for name, values in tables.items():
                if not isinstance(values, Watched):
                    assert isinstance(values, list)
                    tables[name] = Watched(name, values)
        pool.changed()


def check(net: Network) -> None:
    """The store is accounted and within its limits, and so is the air."""
    for pool in net.pools:
        _check_stores(pool)
        _check_capacity(pool)


def _check_stores(pool: RunningPool) -> None:
    columns, orders, hps = pool.memory.columns, pool.shared.tables["orders"], pool.shared.tables["hps"]
    listened = 0
    for hub in range(pool.hubs):
        used = slots = 0
        for row in range(hub << pool.shift, (hub + 1) << pool.shift):
            listened += columns["flags"][row] & 1
            if columns["flags"][row] & RESERVED:
                assert columns["phase"][row] != IDLE
                used += orders[columns["order"][row] * ORDER_WIDTH + O_SIZE]
                slots += 1
            if columns["profile"][row] == BESIDE:
                assert columns["phase"][row] != IDLE
        assert (used, slots) == (columns["used"][hub], columns["slots"][hub])
        profile = columns["hub_profile"][hub] * HUB_WIDTH
        assert used <= hps[profile + HP_STORE]
        assert slots <= hps[profile + HP_SLOTS]
        listened += 1 if columns["hub_flags"][hub] & 8 else 0
    assert listened == pool.s[S_LISTENED]


def _check_capacity(pool: RunningPool) -> None:
    columns, cells, nodes = pool.memory.columns, pool.memory.tables["cells"], pool.memory.tables["nodes"]
    rows = range(pool.hubs << pool.shift)
    if pool.pp[PP_KIND] != RADIO:
        assert pool.s[S_BUSY] == sum(columns["phase"][row] == SENDING for row in rows)
        return
    busy = [0] * (len(cells) // CELL_WIDTH)
    for row in rows:
        if columns["phase"][row] == REPAIRING:
            busy[columns["cell"][row >> pool.shift]] += 1
    for cell in range(len(busy)):
        node = cells[cell * CELL_WIDTH + CELL_CASTS]
        while node != NONE:
            busy[cell] += nodes[node * NODE_WIDTH + N_A] == ON_AIR
            node = nodes[node * NODE_WIDTH + N_NEXT]
        assert busy[cell] == cells[cell * CELL_WIDTH + CELL_BUSY]
