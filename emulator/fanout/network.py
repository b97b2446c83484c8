"""The network as its callers see it: pools, homes, orders, time, and what happened.

Time is whole seconds from the start of the world ("ticks"). Nothing here depends on how time is sliced, on threads, or on whether
kernels run interpreted or compiled: the same seed and acts at the same ticks give the same :meth:`Network.digest`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from emulator.domain.errors import Malformed
from emulator.fanout import snapshot
from emulator.fanout.columns import DEVICE_COLUMNS
from emulator.fanout.compiling import can_compile
from emulator.fanout.declarations import Declarations
from emulator.fanout.fields import BESIDE, HUB_LISTENED, HUB_OFF_FLAG, NODE_WIDTH, S_LISTENED, UNUSED
from emulator.fanout.kernels import calls
from emulator.fanout.phases import AGENDA_ONLY, ALREADY_THERE, FIRMWARE, IDLE, JOBS, LOST, NONE, OUTCOMES, PHASES, REASONS
from emulator.fanout.pools import FOR_EVER, Raw, RunningPool
from emulator.fanout.specs import Outcome, PoolSpec, Waiting, rule_table, shift_of
from emulator.fanout.tables import Chance, DeviceProfile, HubProfile, Order, row

HUB_PLACE = 255
"""The place in the id of a hub."""
MANY = 20_000
"""Hubs from which a network is compiled unless it is said otherwise."""


class Network:
    """All pools of a world or of a nation."""

    def __init__(
        self, seed: int, specs: Sequence[PoolSpec], *, compiled: bool | None = None, threads: int = 1, day_s: int = 0
    ) -> None:
        """``day_s`` is the second of the day at tick 0. Raise :class:`Malformed` when compiled kernels are wanted and not
        there."""
        if compiled is None:
            compiled = can_compile() and sum(spec.hubs for spec in specs) >= MANY
        elif compiled and not can_compile():
            raise Malformed(
                "compiled kernels need the extra 'scale'", where="compiled", expected="pip install dcc-csp-emulator[scale]"
            )
        self.seed = seed
        self.compiled = compiled
        self.threads = threads
        self.specs = tuple(specs)
        self.day_s = day_s
        self.declared = Declarations.empty(compiled)
        self._target = 0
        self._arrived = True
        """Whether all pools came to the tick that was asked for."""
        rules = [[] if spec.rule is None else rule_table(spec.rule, self.declared) for spec in specs]
        self.pools = [self._pool(number, spec, rules[number]) for number, spec in enumerate(specs)]
        self._over_pools(lambda pool: pool.call(calls.POPULATE, 0, pool.hubs) if pool.rule else 0)

    @classmethod
    def create(
        cls, seed: int, specs: Sequence[PoolSpec], *, compiled: bool | None = None, threads: int = 1, day_s: int = 0
    ) -> "Network":
        """See :meth:`__init__`."""
        return cls(seed, specs, compiled=compiled, threads=threads, day_s=day_s)

    def add_pool(self, spec: PoolSpec) -> int:
        """A further pool, without homes of its own so far; return its number."""
        self._settle()
        pool = self._pool(len(self.pools), spec, [])
        self.specs = (*self.specs, spec)
        self.pools.append(pool)
        self.declared.write_chances(self.pools)
        pool.run(self._target, FOR_EVER)
        return pool.number

    # Homes

    def add_hub(self, pool: int, profile: HubProfile, cell: int = 0) -> int:
        """A further hub; return its id."""
        self._settle()
        hub = self.pools[pool].add_hub(self.declared.hub_profile(profile), cell)
        return pool << 40 | hub << 8 | HUB_PLACE

    def add_device(self, hub: int, profile: DeviceProfile, party: int = 0, version: int = 0) -> int:
        """A further device at a hub; return its id."""
        self._settle()
        pool, number = self.pools[hub >> 40], hub >> 8 & 0xFFFFFFFF
        place = pool.free_place(number)
        columns = pool.memory.columns
        columns["profile"][place] = self.declared.device_profile(profile)
        columns["running"][place] = self.declared.version(version)
        self._need_parties(party)
        columns["party"][place] = party
        return (hub >> 8 << 8) | (place - (number << pool.shift))

    def remove_device(self, device: int) -> None:
        """Take a device away, and with it what is under way for it. Nothing is reported."""
        self._settle()
        pool, place = self._place(device)
        for each in (*self._beside(pool, place), place):
            pool.act(calls.FORGET, each)

    def remove_hub(self, hub: int) -> None:
        """Take a hub and its devices away."""
        self._settle()
        pool, number = self.pools[hub >> 40], hub >> 8 & 0xFFFFFFFF
        profiles = pool.memory.columns["profile"]
        places = [each for each in range(number << pool.shift, (number + 1) << pool.shift) if profiles[each] != UNUSED]
        for place in sorted(places, key=lambda each: -int(profiles[each])):  # what lies beside a device goes before it
            pool.act(calls.FORGET, place)
        pool.memory.columns["hub_flags"][number] = HUB_OFF_FLAG
        pool.memory.columns["hub_profile"][number] = 0

    def set_party(self, device: int, party: int) -> None:
        """Let a device hold another party's credentials (change of supplier)."""
        self._settle()
        self._need_parties(party)
        pool, place = self._place(device)
        pool.memory.columns["party"][place] = party

    def set_profile(self, device: int, profile: DeviceProfile) -> None:
        """Let a device be of another model from now on."""
        self._settle()
        pool, place = self._place(device)
        pool.memory.columns["profile"][place] = self.declared.device_profile(profile)

    def set_running(self, device: int, version: int) -> None:
        """A device runs another version, by a way that is not modelled here (a local update, ota.md F39)."""
        self._settle()
        pool, place = self._place(device)
        pool.memory.columns["running"][place] = self.declared.version(version)

    # Orders and chances

    def add_order(self, order: Order, signed_for: Iterable[int] | None = None) -> int:
        """Number of a new order. ``signed_for`` are the parties whose key its signature verifies with; None is all.

        An image that is larger than ``part_bytes`` becomes a chain of orders, of which the first stands for all.
        """
        self._settle()
        numbers = self.declared.add_order(order, signed_for)
        for pool in self.pools:
            pool.grow_orders()
            for number in numbers:
                pool.clear_order(number)
        return numbers[0]

    def set_verdict(self, order: int, party: int, good: bool) -> None:
        """Whether the signature on an order's image verifies for devices that hold a party's credentials."""
        self._settle()
        self._need_parties(party)
        self.declared.set_verdict(order, party, good)

    def remove_order(self, order: int) -> bool:
        """Forget an order nobody has anything of any more, so that its number can be used again: False if somebody has."""
        self._settle()
        parts = self.declared.parts(order)
        for pool in self.pools:
            columns = pool.memory.columns
            for place in range(pool.hubs << pool.shift):
                if columns["held"][place] == order or (columns["order"][place] in parts and columns["phase"][place] != IDLE):
                    return False
        for pool in self.pools:
            columns = pool.memory.columns
            for place in range(pool.hubs << pool.shift):
                if columns["order"][place] in parts:
                    columns["order"][place], columns["job"][place] = NONE, 0
        del self.declared.orders[order]
        self.declared.free_orders += reversed(parts)
        return True

    def add_chance(self, chance: Chance) -> int:
        """Number of a new chance; raise :class:`Malformed` for an unknown kind or a probability that is none."""
        self._settle()
        return self.declared.add_chance(chance, self.pools)

    def remove_chance(self, number: int) -> bool:
        """Drop a chance: False when there is none of this number."""
        self._settle()
        found = self.declared.chances.pop(number, None)
        self.declared.write_chances(self.pools)
        return found is not None

    # Acts

    def submit(self, device: int, order: int, listened: bool = True) -> str:
        """Send an order's image to a device: ``""``, or why it is not taken."""
        self._settle()
        pool, place = self._place(device)
        columns = pool.memory.columns
        moving = columns["phase"][place] != IDLE and columns["phase"][place] not in AGENDA_ONLY
        if moving and columns["profile"][place] < BESIDE:
            parts = self.declared.parts(order)
            under_way = [place, *self._beside(pool, place)]
            if any(columns["order"][each] in parts for each in under_way):
                return REASONS[ALREADY_THERE]
            beside = pool.free_place(place >> pool.shift)
            place = self._place(device)[1]
            return REASONS[pool.act(calls.SUBMIT_BESIDE, place, beside, order, int(listened), listened=1)]
        return REASONS[pool.act(calls.SUBMIT, place, order, int(listened), listened=1)]

    def submit_many(self, devices: Iterable[int], order: int, listened: bool = False) -> dict[str, int]:
        """Send an order to devices by id; how many were not taken, by reason."""
        refused: dict[str, int] = {}
        for device in devices:
            reason = self.submit(device, order, listened)
            if reason:
                refused[reason] = refused.get(reason, 0) + 1
        return refused

    def submit_span(self, pool: int, first: int, last: int, order: int, listened: bool = False) -> int:
        """Send an order to every device it is for at the hubs ``first`` to ``last`` (exclusive) of a pool; return how many took
        it.

        Those with another image under way are counted as NOT_TAKEN.
        """
        self._settle()
        chosen = self.pools[pool]
        count = (last - first) << chosen.shift if listened else 0
        return chosen.act(calls.SUBMIT_SPAN, first, last, order, int(listened), listened=count)

    def cancel(self, device: int, order: int | None = None) -> bool:
        """Stop what is under way for a device, or only if it is of an order: False when there is nothing to stop."""
        self._settle()
        pool, place = self._place(device)
        stopped = False
        for each in (place, *self._beside(pool, place)):
            parent = self.declared.parent(int(pool.memory.columns["order"][each]))
            if order in (None, parent):
                stopped = bool(pool.act(calls.CANCEL, each)) or stopped
        return stopped

    def stop_order(self, order: int, at_hub: bool = False) -> int:
        """Cancel an order for everybody whose image is not at its hub yet, or also there; return for how many."""
        self._settle()
        return sum(pool.act(calls.STOP, order, int(at_hub)) for pool in self.pools)

    def hold_activation(self, order: int, held: bool) -> None:
        """Hold back the 11.3 that follow by the times of an order; when they are let go, those that were due come within the hour
        (:data:`emulator.fanout.fields.HELD_BACK_S`)."""
        self._settle()
        self.declared.hold_activation(order, held)

    def activate(self, device: int, at: int = 0, order: int | None = None) -> int:
        """A device has accepted an 11.3 for the image of an order (None: whatever it holds), now or for a later tick.

        Return the code of CS06 with which it refuses (1 no image held, 2 hash mismatch), or 0; the rest is told by outcomes.
        """
        self._settle()
        pool, place = self._place(device)
        return pool.act(calls.ACTIVATE, place, NONE if order is None else order, at)

    def set_power(self, entity: int, on: bool) -> None:
        """Power of a hub or a device."""
        self._settle()
        pool, place = self._place(entity)
        if entity & 0xFF == HUB_PLACE:
            pool.act(calls.HUB_POWER, place, int(on))
        else:
            pool.act(calls.DEVICE_POWER, place, int(on))

    def rejoin(self, device: int) -> None:
        """A device that left the HAN joins it again."""
        self._settle()
        pool, place = self._place(device)
        pool.act(calls.JOINED, place, 1)

    def leave_han(self, device: int) -> None:
        """A device leaves the HAN."""
        self._settle()
        pool, place = self._place(device)
        pool.act(calls.JOINED, place, 0)

    def hub_update(self, hub: int, at: int, seconds: int, waits: int | None = None, listened: bool = True) -> None:
        """A hub's own firmware begins to come at a tick and takes so many seconds; then the hub restarts."""
        self._settle()
        pool, number = self._place(hub)
        if waits is None:
            waits = self.declared.hubs[int(pool.memory.columns["hub_profile"][number])].update_waits
        flags = pool.memory.columns["hub_flags"]
        if listened and not flags[number] & HUB_LISTENED:
            flags[number] |= HUB_LISTENED
            pool.s[S_LISTENED] += 1
        pool.act(calls.UPDATE_HUB, number, at, waits, seconds)

    def set_capacity(self, pool: int, count: int, cell: int = NONE) -> None:
        """Sessions of a pool, or channels of one of its cells or of all."""
        self._settle()
        self.pools[pool].set_capacity(count, cell)
        self.pools[pool].act(calls.CAPACITY)

    def set_outage(self, pool: int, until: int, cell: int = NONE) -> None:
        """Nothing gets through in a pool or one of its cells until a tick; one in the past ends it."""
        self._settle()
        self.pools[pool].act(calls.OUTAGE, cell, until)

    # Time

    @property
    def now(self) -> int:
        """The tick that all pools have come to."""
        return min((pool.now for pool in self.pools), default=self._target)

    def next_due(self) -> int | None:
        """The next tick at which something happens, or None."""
        self._settle()
        found = [due for pool in self.pools if (due := pool.next_due()) is not None]
        return min(found, default=None)

    def advance(self, to: int, budget: int | None = None, after_each: Callable[[RunningPool], None] | None = None) -> bool:
        """Go on to a tick, what is due at it included: True when all pools are there.

        With a budget each pool stops after about so many events; calling again goes on. An act meanwhile finishes the way first.
        ``after_each`` hears of every pool that has run; with it they run one after the other.
        """
        self._target = max(self._target, to)
        limit = FOR_EVER if budget is None else budget
        if after_each is None:
            self._arrived = all(self._over_pools(lambda pool: pool.run(self._target, limit)))
            return self._arrived
        self._arrived = True
        for pool in self.pools:
            self._arrived &= pool.run(self._target, limit)
            after_each(pool)
        return self._arrived

    def take_outcomes(self) -> list[Outcome]:
        """What happened to those listened to up to now, in order of time, then pool."""
        now, found, later = self.now, [], {}
        for pool in self.pools:
            raws = pool.take()
            later[pool.number] = [raw for raw in raws if raw[0] > now]
            found += [(raw[0], pool.number, index, raw) for index, raw in enumerate(raws) if raw[0] <= now]
        for pool in self.pools:
            pool.taken = later[pool.number]
        return [self._outcome(self.pools[number], raw) for _, number, _, raw in sorted(found)]

    # Looking

    def counts(self, order: int) -> Mapping[str, int]:
        """How often each kind of outcome has happened for an order; kinds that never did are left out."""
        return self._total("counts", order, OUTCOMES)

    def jobs(self, order: int) -> Mapping[str, int]:
        """Devices by the state of their job, as the DSP sees it, for an order."""
        return self._total("jobs", order, JOBS)

    def series(self, pool: int, kind: str) -> list[int]:
        """How often a kind of outcome happened in each hour, of all orders."""
        table = self.pools[pool].memory.tables["series"]
        return [int(table[place]) for place in range(OUTCOMES.index(kind), len(table), len(OUTCOMES))]

    def waiting(self, device: int) -> Waiting:
        """What a device waits for, until when, and how many are before it."""
        pool, place = self._place(device)
        columns = pool.memory.columns
        phase = PHASES[int(columns["phase"][place])]
        due: int | None = int(columns["due"][place])
        ahead = 0
        if due == NONE:
            order = int(columns["order"][place])
            due = None if phase == "IDLE" or order == NONE else int(pool.memory.tables["until"][order])
            ahead = self._ahead(pool, place) if phase == "QUEUED" else 0
        return Waiting(phase, due, ahead)

    def look(self, device: int) -> dict[str, int | str]:
        """Everything that is known of a device, with names for states and orders as they were given."""
        pool, place = self._place(device)
        found: dict[str, int | str] = {name: int(pool.memory.columns[name][place]) for name in DEVICE_COLUMNS}
        found["phase"] = PHASES[int(found["phase"])]
        found["firmware"] = FIRMWARE[int(found["firmware"])]
        found["job"] = JOBS[int(found["job"])]
        found["running"] = self.declared.shared.tables["versions"][int(found["running"])]
        found["order"] = self.declared.parent(int(found["order"]))
        return found

    def device_ids(self, pool: int, first: int = 0, last: int | None = None) -> Iterable[int]:
        """Ids of the devices at the hubs ``first`` to ``last`` (exclusive) of a pool."""
        chosen = self.pools[pool]
        profile = chosen.memory.columns["profile"]
        for hub in range(first, chosen.hubs if last is None else last):
            for place in range(1 << chosen.shift):
                if profile[hub << chosen.shift | place] < BESIDE:
                    yield pool << 40 | hub << 8 | place

    def devices(self) -> int:
        """How many devices there are."""
        return sum(pool.call(calls.COUNT_DEVICES) for pool in self.pools)

    def bytes_per_device(self) -> float:
        """Octets of memory per device of all that grows with the estate: columns, agenda, jobs. Interpreted, places of lists."""
        memory = sum(pool.memory.bytes_in_use + 8 * pool.nodes_in_use * NODE_WIDTH for pool in self.pools)
        return memory / max(1, self.devices())

    def digest(self) -> str:
        """A digest of all that is, the same for the same seed and acts."""
        self._settle()
        return snapshot.digest(self)

    def dump(self) -> bytes:
        """Everything, so that :meth:`load` goes on as this one would."""
        self._settle()
        return snapshot.dump(self)

    @classmethod
    def load(cls, octets: bytes, *, compiled: bool | None = None, threads: int = 1) -> "Network":
        """A network from a dump; raise :class:`Malformed` for anything else."""
        return snapshot.load(cls, octets, compiled, threads)

    def resume(self, now: int) -> None:
        """The pools were put to a tick from outside."""
        self._target = now

    # Below: what the above share

    def _pool(self, number: int, spec: PoolSpec, rule: list[int]) -> RunningPool:
        first = number << 32 if spec.first_hub == NONE else spec.first_hub
        hubs = spec.hubs if spec.rule else 0
        return RunningPool(
            number, self.declared.shared, row(spec.profile), rule, hubs, shift_of(spec), first, self.seed, self.day_s
        )

    def _over_pools(self, do: Callable[[RunningPool], int]) -> list[int]:
        """Do something with every pool, by as many threads as there are; the largest first."""
        if self.threads == 1 or len(self.pools) == 1:
            return [do(pool) for pool in self.pools]
        with ThreadPoolExecutor(self.threads) as workers:
            return list(workers.map(do, sorted(self.pools, key=lambda pool: -pool.hubs)))

    def _settle(self) -> None:
        """Finish the way to the tick that was asked for, before anything else happens."""
        while not self._arrived:
            self.advance(self._target)

    def _place(self, entity: int) -> tuple[RunningPool, int]:
        """The pool and row of a device, or of a hub."""
        pool, hub, place = self.pools[entity >> 40], entity >> 8 & 0xFFFFFFFF, entity & 0xFF
        return pool, hub if place == HUB_PLACE else hub << pool.shift | place

    def _beside(self, pool: RunningPool, place: int) -> list[int]:
        """Rows that carry a second image for a device."""
        columns, first = pool.memory.columns, place >> pool.shift << pool.shift
        rows = range(first, first + (1 << pool.shift))
        return [each for each in rows if columns["profile"][each] == BESIDE and columns["party"][each] == place - first]

    def _need_parties(self, party: int) -> None:
        if self.declared.need_parties(party):
            for pool in self.pools:
                pool.grow_orders()

    def _total(self, table: str, order: int, names: Sequence[str]) -> dict[str, int]:
        found = {}
        for number, name in enumerate(names):
            total = sum(int(pool.memory.tables[table][order * len(names) + number]) for pool in self.pools)
            if total:
                found[name] = total
        return found

    def _outcome(self, pool: RunningPool, raw: Raw) -> Outcome:
        tick, place, order, kind, code = raw
        first = pool.number << 40
        if place < 0:
            return Outcome(tick, first | (-1 - place) << 8 | HUB_PLACE, order, kind, code % LOST, code >= LOST)
        within = place & (1 << pool.shift) - 1
        columns = pool.memory.columns
        if columns["profile"][place] == BESIDE:
            within = int(columns["party"][place])
        return Outcome(tick, first | place >> pool.shift << 8 | within, order, kind, code % LOST, code >= LOST)

    def _ahead(self, pool: RunningPool, place: int) -> int:
        """How many stand before a device in its queue."""
        links, ahead = pool.memory.columns["link"], 0
        each = pool.queue_head(int(pool.memory.columns["order"][place]))
        while each not in (place, NONE):
            each, ahead = int(links[each]), ahead + 1
        return ahead
