"""What was declared to a network: profiles, versions, orders, verdicts, chances, and the tables that kernels read of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.domain.errors import Malformed
from emulator.fanout.fields import (
    C_LEFT,
    C_NUMBER,
    C_SKIP,
    CHANCE_WIDTH,
    HELD_BACK,
    LANES,
    O_ACTIVATE_AFTER,
    O_NEXT_PART,
    O_PARENT,
    ORDER_WIDTH,
    PRIORITIES,
)
from emulator.fanout.phases import JOB_TRANSITIONS, JOBS, NONE, SIGHTS
from emulator.fanout.pools import RunningPool, Shared
from emulator.fanout.tables import CHANCE_KINDS, Chance, DeviceProfile, HubProfile, Order, row

MOST = 32_767
"""Orders and versions that columns can number."""
MOST_PROFILES = 253


@dataclass(slots=True)
class Declarations:
    """Everything by number. The lists of :attr:`shared` are made of it and follow it."""

    shared: Shared
    hubs: list[HubProfile] = field(default_factory=list)
    devices: list[DeviceProfile] = field(default_factory=list)
    versions: dict[int, int] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    free_orders: list[int] = field(default_factory=list)
    chances: dict[int, Chance] = field(default_factory=dict)
    next_chance: int = 0
    parties: int = 1
    for_all: list[int] = field(default_factory=list)
    """Orders whose signature verifies for everybody of whom nothing else was said."""

    @classmethod
    def empty(cls, arrays: bool) -> "Declarations":
        """Nothing declared yet."""
        job_next = [NONE] * (len(JOBS) * len(SIGHTS))
        for (job, sight), after in JOB_TRANSITIONS.items():
            job_next[job * len(SIGHTS) + sight] = after
        tables: dict[str, list[int]] = {name: [] for name in ("hps", "dps", "orders", "verdicts", "versions")}
        return cls(Shared(arrays, tables | {"job_next": job_next}))

    def hub_profile(self, profile: HubProfile) -> int:
        """Number of a variant of hub; an equal one has the same."""
        return self._profile(self.hubs, "hps", profile)

    def device_profile(self, profile: DeviceProfile) -> int:
        """Number of a model of device; an equal one has the same."""
        return self._profile(self.devices, "dps", profile)

    def _profile(self, known: list[Any], table: str, profile: Any) -> int:
        if profile in known:
            return known.index(profile)
        if len(known) >= MOST_PROFILES:
            raise Malformed("too many profiles", where=table, expected=f"at most {MOST_PROFILES}")
        values = row(profile)
        known.append(profile)
        self.shared.tables[table] += values
        self.shared.version += 1
        return len(known) - 1

    def version(self, version: int) -> int:
        """The number by which columns know a version of 32 bits."""
        found = self.versions.get(version)
        if found is None:
            if len(self.versions) >= MOST:
                raise Malformed("too many versions", where="version", expected=f"at most {MOST}")
            found = self.versions[version] = len(self.versions)
            self.shared.tables["versions"].append(version)
            self.shared.version += 1
        return found

    def need_parties(self, party: int) -> bool:
        """Make room for the verdicts of a party: True when there was none."""
        if not 0 <= party < LANES:
            raise Malformed(f"there is no party {party}", where="party", expected=f"0 to {LANES - 1}")
        if party < self.parties:
            return False
        wanted = min(LANES, max(party + 1, 2 * self.parties))
        old = self.shared.tables["verdicts"]
        new: list[int] = []
        for at in range(0, len(old), self.parties):
            good = int(at // self.parties in self.for_all)
            new += old[at : at + self.parties] + [good] * (wanted - self.parties)
        self.shared.tables["verdicts"], self.parties = new, wanted
        self.shared.version += 1
        return True

    def add_order(self, order: Order, signed_for: Iterable[int] | None) -> list[int]:
        """Numbers of an order and of its parts, the order first."""
        if not 0 <= order.lane < LANES or not 0 <= order.priority < PRIORITIES or order.size_bytes < 1:
            raise Malformed("an order is not right", where="order", expected="size above 0, lane 0 to 255, priority 0 to 2")
        count = max(1, -(-order.size_bytes // order.part_bytes)) if order.part_bytes else 1
        numbers = [self._order_number() for _ in range(count)]
        for index, number in enumerate(numbers):
            size = order.size_bytes
            if order.part_bytes:
                size = min(order.part_bytes, order.size_bytes - index * order.part_bytes)
            following = numbers[index + 1] if index + 1 < count else NONE
            self._write_order(number, order, size, following, numbers[0])
        self.orders[numbers[0]] = order
        good = set(signed_for or ())
        for party in good:
            self.need_parties(party)
        if numbers[0] in self.for_all:
            self.for_all.remove(numbers[0])
        if signed_for is None:
            self.for_all.append(numbers[0])
        for party in range(self.parties):
            self.shared.tables["verdicts"][numbers[0] * self.parties + party] = int(signed_for is None or party in good)
        self.shared.version += 1
        return numbers

    def set_verdict(self, order: int, party: int, good: bool) -> None:
        """Whether an order's signature verifies for a party."""
        self.need_parties(party)
        self.shared.tables["verdicts"][order * self.parties + party] = int(good)
        self.shared.version += 1

    def hold_activation(self, order: int, held: bool) -> None:
        """Whether the supplier holds back the 11.3 that follow by an order's times."""
        after_s = self.orders[order].activate_after_s
        if after_s >= 0:
            for number in self.parts(order):
                self.shared.tables["orders"][number * ORDER_WIDTH + O_ACTIVATE_AFTER] = HELD_BACK if held else after_s
            self.shared.version += 1

    def _order_number(self) -> int:
        if self.free_orders:
            return self.free_orders.pop()
        number = len(self.shared.tables["orders"]) // ORDER_WIDTH
        if number >= MOST:
            raise Malformed("too many orders at a time", where="order", expected=f"at most {MOST}")
        self.shared.tables["orders"] += [0] * ORDER_WIDTH
        self.shared.tables["verdicts"] += [0] * self.parties
        return number

    def _write_order(self, number: int, order: Order, size: int, following: int, parent: int) -> None:
        values = [
            size, self.version(order.version), order.device_types, order.model, order.manufacturer, order.min_hardware,
            order.max_hardware if order.max_hardware >= 0 else (1 << 31) - 1, int(order.force_replace), int(order.signed),
            order.lane, order.priority, order.request, order.activate_after_s, order.read_after_s,
            NONE if order.from_version < 0 else self.version(order.from_version), following, parent, order.size_bytes,
        ]  # fmt: skip
        self.shared.tables["orders"][number * ORDER_WIDTH : (number + 1) * ORDER_WIDTH] = values

    def parent(self, order: int) -> int:
        """The order of a part, or NONE."""
        return NONE if order == NONE else self.shared.tables["orders"][order * ORDER_WIDTH + O_PARENT]

    def parts(self, order: int) -> list[int]:
        """An order and its further parts."""
        found = [order]
        while (following := self.shared.tables["orders"][found[-1] * ORDER_WIDTH + O_NEXT_PART]) != NONE:
            found.append(following)
        return found

    def add_chance(self, chance: Chance, pools: Sequence[RunningPool]) -> int:
        """Number of a new chance."""
        if chance.kind not in CHANCE_KINDS:
            raise Malformed(f"there is no chance {chance.kind!r}", where="kind", expected=f"one of {', '.join(CHANCE_KINDS)}")
        if not 0 <= chance.numerator <= chance.denominator <= 1 << 31 or chance.denominator == 0:
            raise Malformed("this is no probability", where="denominator", expected="numerator <= denominator <= 2**31")
        number = self.next_chance
        self.next_chance += 1
        self.chances[number] = chance
        self.write_chances(pools)
        return number

    def write_chances(self, pools: Sequence[RunningPool]) -> None:
        """Give every pool the chances that can happen in it; how often a limited one still can is kept."""
        for pool in pools:
            old = pool.memory.tables["chances"]
            left = (
                {
                    int(old[at + C_NUMBER]): (int(old[at + C_LEFT]), int(old[at + C_SKIP]))
                    for at in range(0, len(old), CHANCE_WIDTH)
                }
                if pool.chances
                else {}
            )
            rows = []
            for number, chance in self.chances.items():
                where = chance.device >> 40 if chance.device >= 0 else chance.pool
                if where in (NONE, pool.number):
                    rows.append(chance_row(number, chance, pool.shift, *left.get(number, (chance.first_n, chance.skip_n))))
            pool.set_chances(rows)


def chance_row(number: int, chance: Chance, shift: int, left: int, skip: int) -> list[int]:
    """A chance as kernels of a pool with so many places at a hub see it."""
    device = NONE
    if chance.device >= 0:
        device = (chance.device >> 8 & 0xFFFFFFFF) << shift | chance.device & 0xFF
    hub_to = chance.hub + 1 if chance.hub_to < 0 else chance.hub_to
    return [
        CHANCE_KINDS[chance.kind], chance.numerator, chance.denominator, chance.cell, chance.hub, hub_to, device, chance.order,
        chance.profile, left, chance.from_s, chance.to_s, chance.value, skip, NONE, number,
    ]  # fmt: skip
