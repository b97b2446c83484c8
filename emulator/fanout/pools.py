"""One pool at work: its memory, the room it needs, and the way into its kernels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.fanout.columns import Ints, Memory, Pool
from emulator.fanout.compiling import compiled
from emulator.fanout.fields import (
    C_ROW,
    CELL_CAPACITY,
    CELL_CASTS,
    CELL_CASTS_TAIL,
    CELL_REPAIR,
    CELL_REPAIR_TAIL,
    CELL_WIDTH,
    CHANCE_COUNT,
    CHANCE_WIDTH,
    FEW_BUCKETS_LOG2,
    FEW_CHAINS_LOG2,
    LANES,
    MANY_BUCKETS_LOG2,
    MANY_CHAINS_LOG2,
    MAX_ROUNDS,
    MISSING_STEPS,
    N_HEAD,
    N_JOIN,
    N_JOIN_TAIL,
    N_KIND,
    N_LINK,
    N_NEXT,
    N_ROW,
    N_TAIL,
    NODE_DEVICE,
    NODE_DEVICE_POWER,
    NODE_EXPIRY,
    NODE_ROLL_BACK,
    NODE_SELF_CHECK,
    NODE_SUPPLY,
    NODE_WIDTH,
    O_LANE,
    O_PRIORITY,
    O_SIZE,
    ORDER_WIDTH,
    OUTCOME_WIDTH,
    PP_BACKGROUND,
    PP_BROADCAST_ROUNDS,
    PP_CELLS,
    PP_CHANNELS,
    PP_KIND,
    PP_SEGMENT_BYTES,
    PP_SEGMENT_LOSS,
    PP_SESSIONS,
    Q_HEAD,
    Q_TURNS,
    QUEUE_WIDTH,
    S_BUCKETS,
    S_CAPACITY,
    S_CELL_FILL,
    S_CELLS,
    S_CHAINS,
    S_DAY,
    S_EVENTS,
    S_FILL,
    S_FIRST_HUB,
    S_HOURS,
    S_HUBS,
    S_LISTENED,
    S_NODE_FREE,
    S_NODES_LEFT,
    S_NOW,
    S_OUTCOMES,
    S_PARTIES,
    S_PENDING,
    S_RETRY_AT,
    S_SCHEDULED,
    S_SEED,
    S_SHIFT,
    UNUSED,
)
from emulator.fanout.kernels import calls
from emulator.fanout.kernels.loop import DONE, MORE, NEED_NODES, OUTCOMES_EACH, SPARE_NODES
from emulator.fanout.phases import NONE, OUTCOMES, RADIO
from emulator.fanout.radio_tables import complete_after, missing_after

FOR_EVER = (1 << 31) - 2
"""The last tick there is."""
FIRST_NODES = 128
MANY_HUBS = 4_096
"""Hubs at the start from which a pool gets the large wheel."""
MAX_HOURS = 24 * 366
"""Hours of a series; what comes later counts in the last."""

_LISTS = (CELL_CASTS, CELL_CASTS_TAIL, CELL_REPAIR, CELL_REPAIR_TAIL)

Raw = tuple[int, int, int, int, int]
"""An outcome as kernels tell it: tick, row, order, kind, code."""


@dataclass(slots=True)
class Shared:
    """Tables that all pools read; their own lists are the truth, arrays are made of them."""

    arrays: bool
    tables: dict[str, list[int]]
    version: int = 0
    """Goes up with every change."""

    def as_seen(self, name: str) -> Ints:
        """A table in the form that kernels take."""
        return as_seen(self.tables[name], self.arrays)


def as_seen(values: list[int], arrays: bool) -> Ints:
    """A list as it is, or as an array."""
    return np.array(values, np.int64) if arrays else values


class RunningPool:
    """A pool and its kernels."""

    def __init__(
        self,
        number: int,
        shared: Shared,
        pp: list[int],
        rule: list[int],
        hubs: int,
        shift: int,
        first_hub: int,
        seed: int,
        day: int,
    ) -> None:
        self.number = number
        self.shared = shared
        self.pp = pp
        self.rule = rule
        buckets, chains = (FEW_BUCKETS_LOG2, FEW_CHAINS_LOG2) if hubs < MANY_HUBS else (MANY_BUCKETS_LOG2, MANY_CHAINS_LOG2)
        self.memory = Memory(shared.arrays, hubs, shift, pp[PP_CELLS], buckets, chains)
        self.chances = 0
        """Chances that can happen in it."""
        self.taken: list[Raw] = []
        """Outcomes that left the kernels' buffer."""
        self._view: Pool | None = None
        self._seen = -1
        self._call: Callable[..., int] = compiled(calls.call) if shared.arrays else calls.call
        s = self.s
        s[S_SEED], s[S_FIRST_HUB], s[S_HUBS], s[S_SHIFT], s[S_DAY] = seed, first_hub, hubs, shift, day
        s[S_PENDING] = s[S_CELL_FILL] = s[S_NODE_FREE] = s[S_RETRY_AT] = NONE
        s[S_CELLS], s[S_HOURS] = pp[PP_CELLS], 1
        s[S_BUCKETS], s[S_CHAINS] = (1 << buckets) - 1, chains
        queues, cells = self.memory.tables["queues"], self.memory.tables["cells"]
        for place in range(Q_TURNS, len(queues)):
            queues[place] = 0
        for cell in range(pp[PP_CELLS]):
            for place in range(CELL_WIDTH):
                cells[cell * CELL_WIDTH + place] = NONE if place in _LISTS else 0
        self.memory.tables["chance_first"] = self.memory.table("chance_first", CHANCE_COUNT)
        self.set_capacity(pp[PP_CHANNELS] if pp[PP_KIND] == RADIO else pp[PP_SESSIONS], NONE)
        self.grow_orders()
        self.grow_nodes()

    @property
    def s(self) -> Ints:
        """The state of the pool."""
        return self.memory.tables["s"]

    @property
    def now(self) -> int:
        """The tick it has come to."""
        return int(self.s[S_NOW])

    @property
    def hubs(self) -> int:
        """Hubs it has, those that are gone included."""
        return int(self.s[S_HUBS])

    @property
    def events(self) -> int:
        """Entries of the agenda that it has worked off."""
        return int(self.s[S_EVENTS])

    @property
    def shift(self) -> int:
        """Each hub has ``1 << shift`` places."""
        return int(self.s[S_SHIFT])

    def view(self) -> Pool:
        """What kernels see."""
        if self._view is None or self._seen != self.shared.version:
            shared = {name: self.shared.as_seen(name) for name in self.shared.tables}
            own = {"pp": as_seen(self.pp, self.shared.arrays), "rule": as_seen(self.rule, self.shared.arrays)}
            self._view = Pool(**self.memory.columns, **self.memory.tables, **shared, **own)
            self._seen = self.shared.version
        return self._view

    def changed(self) -> None:
        """Memory was moved: the next call sees the new one."""
        self._view = None

    def call(self, what: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> int:
        """One call of a kernel."""
        return int(self._call(self.view(), what, a, b, c, d))

    def act(self, what: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0, listened: int = 0) -> int:
        """Do something now and let everything follow that follows now; ``listened`` devices may be listened to anew by it."""
        while self.s[S_NODES_LEFT] < SPARE_NODES + 2 * self.pp[PP_CELLS]:
            self.grow_nodes()
        self._make_room_to_tell(listened)
        result = self.call(what, a, b, c, d)
        while (lack := self.call(calls.SETTLE)) != DONE:
            self._make_room(lack)
        return result

    def run(self, to: int, budget: int) -> bool:
        """Go on to a tick, or about so many events: whether it came there."""
        if not self.s[S_SCHEDULED] and self.s[S_PENDING] == NONE and not self.s[S_FILL] and self.s[S_CELL_FILL] == NONE:
            self.s[S_NOW] = max(to, self.now)
            return True
        self._grow_series(to)
        while True:
            found = self.call(calls.RUN, to, budget)
            if found in (DONE, MORE):
                return found == DONE
            self._make_room(found)

    def next_due(self) -> int | None:
        """The next tick at which something happens, or None."""
        if not self.s[S_SCHEDULED] and self.s[S_PENDING] == NONE and not self.s[S_FILL] and self.s[S_CELL_FILL] == NONE:
            return None
        found = self.call(calls.NEXT, FOR_EVER)
        return None if found == FOR_EVER else found

    def take(self) -> list[Raw]:
        """Take the outcomes out of the kernels' buffer."""
        out, count = self.memory.tables["out"], int(self.s[S_OUTCOMES])
        self.s[S_OUTCOMES] = 0
        flat = [int(out[place]) for place in range(count * OUTCOME_WIDTH)]
        it = iter(flat)
        self.taken += zip(it, it, it, it, it, strict=True)
        found, self.taken = self.taken, []
        return found

    def queue_head(self, order: int) -> int:
        """The first device in the queue of an order's priority and party."""
        orders, at = self.shared.tables["orders"], order * ORDER_WIDTH
        return int(self.memory.tables["queues"][(orders[at + O_PRIORITY] * LANES + orders[at + O_LANE]) * QUEUE_WIDTH + Q_HEAD])

    @property
    def nodes_in_use(self) -> int:
        """Nodes that are on the agenda or in a cell."""
        return len(self.memory.tables["nodes"]) // NODE_WIDTH - int(self.s[S_NODES_LEFT])

    def set_capacity(self, count: int, cell: int) -> None:
        """Sessions of the pool, or channels of a cell or of all; less what other traffic takes."""
        usable = count * (1_000 - self.pp[PP_BACKGROUND]) // 1_000
        self.s[S_CAPACITY] = usable
        cells = self.memory.tables["cells"]
        for each in range(self.pp[PP_CELLS]):
            if cell in (NONE, each):
                cells[each * CELL_WIDTH + CELL_CAPACITY] = usable

    def grow_orders(self) -> None:
        """Follow the number of orders and of parties."""
        orders = len(self.shared.tables["orders"]) // ORDER_WIDTH
        known = len(self.memory.tables["until"])
        self.s[S_PARTIES] = max(1, len(self.shared.tables["verdicts"]) // max(orders, 1))
        self.memory.grow_table("counts", orders * len(OUTCOMES))
        self.memory.grow_table("jobs", orders * 16)
        self.memory.grow_table("until", orders)
        if self.pp[PP_KIND] == RADIO:
            self.memory.grow_table("complete", orders * MAX_ROUNDS)
            self.memory.grow_table("missing", orders * MISSING_STEPS)
            for order in range(min(known, orders), orders):
                self.set_radio(order)
        self.changed()

    def clear_order(self, order: int) -> None:
        """Make the counts of an order zero, for one that takes its number."""
        for name, width in (("counts", len(OUTCOMES)), ("jobs", 16)):
            table = self.memory.tables[name]
            for place in range(order * width, (order + 1) * width):
                table[place] = 0
        self.memory.tables["until"][order] = NONE
        if self.pp[PP_KIND] == RADIO:
            self.set_radio(order)

    def set_radio(self, order: int) -> None:
        """Work out how a broadcast of an order goes."""
        size, pp = self.shared.tables["orders"][order * ORDER_WIDTH + O_SIZE], self.pp
        segments = -(-size // pp[PP_SEGMENT_BYTES])
        rows = (
            ("complete", complete_after(segments, pp[PP_SEGMENT_LOSS])),
            ("missing", missing_after(segments, pp[PP_SEGMENT_LOSS], pp[PP_BROADCAST_ROUNDS])),
        )
        for name, values in rows:
            for place, value in enumerate(values, order * len(values)):
                self.memory.tables[name][place] = value

    def set_chances(self, rows: Sequence[list[int]]) -> None:
        """Put these chances in place of what is there, in order."""
        self.chances = len(rows)
        first = self.memory.table("chance_first", CHANCE_COUNT)
        chances = self.memory.table("chances", max(1, len(rows)) * CHANCE_WIDTH)
        last: dict[int, int] = {}
        for number, values in enumerate(rows):
            kind = values[0]
            for place, value in enumerate(values):
                chances[number * CHANCE_WIDTH + place] = value
            if kind in last:
                chances[last[kind] * CHANCE_WIDTH + CHANCE_WIDTH - 2] = number
            else:
                first[kind] = number
            last[kind] = number
        self.memory.tables["chance_first"], self.memory.tables["chances"] = first, chances
        self.changed()

    def chances_written(self) -> None:
        """Chances came with a dump."""
        self.chances = sum(1 for number in range(CHANCE_COUNT) if self.memory.tables["chance_first"][number] != NONE)

    def add_hub(self, profile: int, cell: int) -> int:
        """A further hub without devices; return its row."""
        hub = self.hubs
        self.memory.grow_hubs(hub + 1)
        self.s[S_HUBS] = hub + 1
        self.memory.columns["hub_profile"][hub] = profile
        self.memory.columns["cell"][hub] = cell
        self.changed()
        return hub

    def free_place(self, hub: int) -> int:
        """An unused place at a hub, made when there is none; return its row."""
        profile = self.memory.columns["profile"]
        for row in range(hub << self.shift, (hub + 1) << self.shift):
            if profile[row] == UNUSED:
                return row
        if self.shift == 7:
            raise ValueError("a hub has no place for another device")
        self._restride(self.shift + 1)
        return self.free_place(hub)

    def grow_nodes(self) -> None:
        """More nodes: twice as many. How many there are depends only on what was done, not on when it was looked at."""
        count = len(self.memory.tables["nodes"]) // NODE_WIDTH
        new = max(FIRST_NODES + 2 * self.pp[PP_CELLS], 2 * count)
        self.memory.grow_table("nodes", new * NODE_WIDTH)
        nodes = self.memory.tables["nodes"]
        for node in range(new - 1, count - 1, -1):
            nodes[node * NODE_WIDTH + N_NEXT] = self.s[S_NODE_FREE]
            self.s[S_NODE_FREE] = node
        self.s[S_NODES_LEFT] += new - count
        self.changed()

    def _make_room(self, lack: int) -> None:
        if lack == NEED_NODES:
            self.grow_nodes()
        else:
            self._make_room_to_tell()

    def _make_room_to_tell(self, listened: int = 0) -> None:
        self.taken = self.take()
        wanted = OUTCOMES_EACH * (int(self.s[S_LISTENED]) + listened + 1) * OUTCOME_WIDTH
        if len(self.memory.tables["out"]) < 2 * wanted:
            self.memory.grow_table("out", 2 * wanted + 64 * OUTCOME_WIDTH)
            self.changed()

    def _grow_series(self, to: int) -> None:
        hours = min(to // 3_600 + 1, MAX_HOURS)
        if hours > self.s[S_HOURS]:
            self.memory.grow_table("series", hours * len(OUTCOMES))
            self.s[S_HOURS] = hours
            self.changed()

    def _restride(self, shift: int) -> None:
        old, s = self.shift, self.s
        self.memory.restride(shift)
        s[S_SHIFT] = shift

        def moved(row: int) -> int:
            return (row >> old) << shift | (row & ((1 << old) - 1)) if row >= 0 else row

        for table, place in self._places_of_rows():
            table[place] = moved(int(table[place]))
        self.changed()

    def _places_of_rows(self) -> Iterator[tuple[Any, int]]:
        """Everywhere that a row of a device is written down."""
        tables, links = self.memory.tables, self.memory.columns["link"]
        for row in range(self.hubs << self.shift):
            if links[row] >= 0:
                yield links, row
        for place in range(len(tables["heads"])):
            if tables["heads"][place] >= 0:
                yield tables["heads"], place
        for place in range(Q_TURNS):
            yield tables["queues"], place
        for cell in range(self.pp[PP_CELLS]):
            yield tables["cells"], cell * CELL_WIDTH + CELL_REPAIR
            yield tables["cells"], cell * CELL_WIDTH + CELL_REPAIR_TAIL
        about_device = (NODE_EXPIRY, NODE_DEVICE, NODE_ROLL_BACK, NODE_SELF_CHECK, NODE_DEVICE_POWER, NODE_SUPPLY)
        for at in range(0, len(tables["nodes"]), NODE_WIDTH):
            for place in (N_LINK, N_HEAD, N_TAIL, N_JOIN, N_JOIN_TAIL):
                yield tables["nodes"], at + place
            if tables["nodes"][at + N_KIND] in about_device:
                yield tables["nodes"], at + N_ROW
        yield tables["s"], S_PENDING
        for at in range(0, len(tables["chances"]), CHANCE_WIDTH):
            yield tables["chances"], at + C_ROW
        for place in range(1, int(self.s[S_OUTCOMES]) * OUTCOME_WIDTH, OUTCOME_WIDTH):
            yield tables["out"], place
