"""Planned faults of which the columns decide when they happen: as chances there, and back as hits of the plan.

What behaviour asks the plan about itself (messages, commands) is not here. A chance stands for one fault and one hub or device.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from emulator.domain.vocabulary import DeviceType
from emulator.fanout import phases
from emulator.fanout.columns import Ints
from emulator.fanout.fields import C_LEFT, C_NUMBER, C_SKIP, CHANCE_WIDTH, PERCENT_SHIFT
from emulator.fanout.pools import RunningPool
from emulator.fanout.tables import Chance
from emulator.premises.rows import TICK_MS, Happened, Rows
from emulator.premises.state import PlannedChance, PremisesState
from emulator.simulation.durations import DAY_MS
from emulator.simulation.faults import FACTS, KINDS, Counted, FaultEntry, FaultPlan, Subject


@dataclass(frozen=True, slots=True)
class Stands:
    """What a kind of fault is in the columns."""

    chances: tuple[str, ...]
    """Kinds of :data:`emulator.fanout.tables.CHANCES`."""
    param: str = ""
    """The parameter that says how much."""
    unit: int = 1
    """What one of the columns' units is in the parameter's."""
    outcome: int = phases.NONE
    """The outcome that shows a hit, where the columns ask more than once for one occasion."""
    at: str = ""
    """The parameter that says at which percent of a transfer (:data:`emulator.fanout.fields.PERCENT_SHIFT`)."""


STANDS: Mapping[str, Stands] = {
    "wan.unreachable": Stands(("unreachable",)),
    "wan.transfer_fails": Stands(("session_error",), outcome=phases.SESSION_BROKEN),
    "hub.store_full": Stands(("store_full",)),
    "hub.loses_image": Stands(("hub_image_lost", "hub_store_lost")),
    "han.transfer_fails": Stands(("drops_transfer",)),
    "han.drop_after_download": Stands(("falls_off_after_download",)),
    "han.drop_after_activation": Stands(("falls_off_after_activation",)),
    "device.never_queries": Stands(("never_queries",)),
    "device.verify_fails": Stands(("signature_bad",)),
    "device.loses_image": Stands(("held_lost",)),
    "device.activation_fails": Stands(("activation_fails",)),
    "device.dies_on_activation": Stands(("activation_dies",)),
    "wan.loses_segments": Stands(("segment_loss",), "permille"),
    "han.loses_blocks": Stands(("block_loss",), "permille"),
    "han.begins_anew": Stands(("wrong_offset",)),
    "han.drop_after_hub_restart": Stands(("falls_off_after_reboot",)),
    "device.refuses_image": Stands(("invalid_image",)),
    "device.supply_off": Stands(("supply_off",), "after_ms", TICK_MS),
    "device.stops_reporting": Stands(("stops_reporting",)),
    "device.rolls_back": Stands(("rolls_back",), "after_ms", TICK_MS),
    "device.self_check_fails": Stands(("self_check_fails",), "after_ms", TICK_MS),
    "hub.power_cut": Stands(("power_cut_hub",), "off_ms", TICK_MS, at="percent"),
    "device.power_cut": Stands(("power_cut_device",), "off_ms", TICK_MS, at="percent"),
    "hub.update_fails": Stands(("hub_update_fails",)),
    "hub.bricks": Stands(("hub_bricks",)),
}
"""By kind of fault."""

EVERYONE = 0
"""Stands for all hubs or devices, in place of an EUI."""

ONE_BY_ONE = 200
"""Up to so many devices of a world have chances of their own under a fault for everyone, so that a hit says whom it hit; not
where occasions are counted, and not where chance draws, which would be another for each."""

WITHOUT_LIMIT = 1 << 30
"""How often a chance can happen that the fault does not limit: so often that it is not used up, and counted all the same."""


class PlannedChances:
    """The plan of a world in its columns."""

    def __init__(self, state: PremisesState, rows: Rows, plan: FaultPlan) -> None:
        self._state = state
        self._rows = rows
        self._plan = plan
        self._seen: object = None
        self._counted: list[tuple[int, PlannedChance, int, int]] = []
        """By whom something was counted (pool, chance), hits and occasions let pass."""
        self._tables: dict[int, list[int]] = {}
        """Chances by pool as they were looked at last."""

    @property
    def after_each(self) -> Callable[[RunningPool], None] | None:
        """What is to hear of every pool that has gone on; None while no fault is planned."""
        return self._spread if self._state.rows.planned else None

    def refresh(self, now_ms: int) -> None:
        """Bring the chances in line with the plan; quick where nothing of it has changed."""
        planned, network = self._state.rows.planned, self._rows.network
        entries = [entry for entry in self._plan.entries if entry.kind in STANDS]
        if not entries and not planned:
            return
        counted = [(each.number, each.hits, each.passed, each.devices) for each in entries]
        seen = (counted, len(self._state.devices), self.changes_ms(now_ms), self._what_changes(entries))
        if seen == self._seen:
            return
        self._seen = seen
        wanted = dict(self._wanted(entries, now_ms))
        for each in [each for each in planned if self._stale(each, wanted.get((each.fault, each.entity, each.kind)))]:
            network.remove_chance(each.chance)
            planned.remove(each)
        known = {(each.fault, each.entity, each.kind) for each in planned}
        for key, chance in wanted.items():
            if key not in known:
                number = network.add_chance(chance)
                planned.append(PlannedChance(*key, number, chance.first_n, chance.skip_n, (chance.from_s, chance.to_s)))

    def _what_changes(self, entries: Iterable[FaultEntry]) -> object:
        """The facts by which entries select and that may change, as they are now: equal to an earlier one where none has."""
        names = {name for each in entries for name, _ in each.who.wanted if FACTS[name].changes}
        if names - {"firmware_version"}:
            return object()  # equal to nothing: these are not compared
        columns = [cast(Iterable[int], pool.memory.columns["running"]) for pool in self._rows.network.pools]
        return [array("i", column).tobytes() for column in columns] if names else None

    def _wanted(self, entries: Iterable[FaultEntry], now_ms: int) -> Iterator[tuple[tuple[int, int, str], Chance]]:
        for entry in entries:
            stands = STANDS[entry.kind]
            for entity in self._selected(entry) if entry.to_ms is None or now_ms < entry.to_ms else ():
                waits = stands.outcome != phases.NONE and entry.lets_pass(entity)
                if not entry.spent(entity) and not waits:
                    for kind in stands.chances:
                        yield (entry.number, entity, kind), self._chance(entry, entity, kind, now_ms)

    def _stale(self, each: PlannedChance, wanted: Chance | None) -> bool:
        if wanted is None or each.span != (wanted.from_s, wanted.to_s) or each.skip != wanted.skip_n:
            return True
        return wanted.first_n < WITHOUT_LIMIT and each.left != wanted.first_n

    def _spread(self, ran: RunningPool) -> None:
        """Note what a pool has counted, and have all others know of it before they go on: occasions count together."""
        table = ran.memory.tables["chances"]
        if not ran.chances or self._tables.get(ran.number) == _values(table):
            return
        by_number = {each.chance: each for each in self._state.rows.planned}
        used: dict[object, tuple[int, int]] = {}
        for number, left, skip in _counters(ran):
            each = by_number.get(number)
            if each is not None and (left, skip) != (each.left, each.skip):
                hits, passes = each.left - left, each.skip - skip
                self._counted.append((ran.number, each, hits, passes))
                before = used.get(self._counts(each), (0, 0))
                used[self._counts(each)] = before[0] + hits, before[1] + passes
        if used:
            self._write(used)
        self._tables[ran.number] = _values(table)

    def _write(self, used: Mapping[object, tuple[int, int]]) -> None:
        """Put what is left of counts into all chances that share them."""
        for each in self._state.rows.planned:
            hits, passes = used.get(self._counts(each), (0, 0))
            each.left = each.left if each.left < 0 else max(0, each.left - hits)
            each.skip = max(0, each.skip - passes)
        by_number = {each.chance: (each.left, each.skip) for each in self._state.rows.planned}
        for pool in self._rows.network.pools:
            table = pool.memory.tables["chances"]
            for at in range(0, len(table) if pool.chances else 0, CHANCE_WIDTH):
                counts = by_number.get(int(table[at + C_NUMBER]))
                if counts is not None:
                    table[at + C_LEFT], table[at + C_SKIP] = counts

    def _counts(self, each: PlannedChance) -> object:
        """What a chance counts: the occasions of a fault, or those of one hub or device."""
        entry = next((entry for entry in self._plan.entries if entry.number == each.fault), None)
        return (each.fault, each.entity) if entry is not None and entry.counted is Counted.EACH else each.fault

    def collect(self, happened: Sequence[Happened], now_ms: int, asked: tuple[int, int] | None = None) -> None:
        """Count in the plan what has hit, and what was let pass; ``asked`` are the hub and device about which nothing has
        happened that shows it."""
        entries = {entry.number: entry for entry in self._plan.entries}
        for ran in self._rows.network.pools if self._state.rows.planned else ():
            self._spread(ran)
        counted, self._counted = self._counted, []
        for pool, each, hits, passes in counted:
            if (entry := entries.get(each.fault)) is not None:
                for _ in range(passes):
                    entry.count_pass(each.entity)
                there = [asked] if asked else [(one.hub, one.device) for one in happened if self._pool(one.hub) == pool]
                for entity in [each.entity] * hits if each.entity else _whom(entry, there, hits, passes):
                    self._plan.struck(entry, entity, now_ms)
        shown = [entry for entry in entries.values() if entry.kind in STANDS and STANDS[entry.kind].outcome != phases.NONE]
        for one in happened if shown else ():
            self._count_outcome(one, [entry for entry in shown if entry.in_time(now_ms)], now_ms)

    def _count_outcome(self, one: Happened, entries: Sequence[FaultEntry], now_ms: int) -> None:
        """Count what shows by its outcome alone: a hit of the first fault that it can be of, or an occasion let pass."""
        hit = (each for each in entries if STANDS[each.kind].outcome == one.kind and self._is_planned(each, one.hub))
        if (entry := next(hit, None)) is not None:
            self._plan.struck(entry, one.hub, now_ms)
        for entry in entries if one.kind == phases.DELIVERED else ():
            if entry.lets_pass(one.hub) and self._plan.selects(entry, one.hub):
                entry.count_pass(one.hub)

    def _is_planned(self, entry: FaultEntry, hub: int) -> bool:
        return any(each.fault == entry.number and each.entity in (EVERYONE, hub) for each in self._state.rows.planned)

    def _pool(self, hub: int) -> int:
        return self._rows.state.hubs.get(hub, -1) >> 40

    def changes_ms(self, now_ms: int) -> int | None:
        """When chances that follow the time of the day are others, or None."""
        ends = [_span(entry, now_ms)[1] for entry in self._plan.entries if entry.kind in STANDS and entry.daily is not None]
        return min((each for each in ends if each is not None and each > now_ms), default=None)

    def _selected(self, entry: FaultEntry) -> Iterator[int]:
        named = entry.devices if entry.entity is None else (entry.entity,)
        if not named and not entry.who.wanted and entry.who.share is None and entry.counted is Counted.ALL:
            limited = entry.times is not None or entry.after or entry.chance is not None
            if limited or len(self._state.devices) > ONE_BY_ONE:
                yield EVERYONE
                return
        hubs = KINDS[entry.kind].subject is Subject.HUB
        for eui in sorted(named) if named else self._state.hubs if hubs else self._state.devices:
            device = self._state.devices.get(eui)
            if device is not None and (device.device_type is DeviceType.CHF) is hubs and self._plan.selects(entry, eui):
                yield eui

    def _chance(self, entry: FaultEntry, entity: int, kind: str, now_ms: int) -> Chance:
        rows, stands = self._rows, STANDS[entry.kind]
        from_ms, to_ms = _span(entry, now_ms)
        hub = KINDS[entry.kind].subject is Subject.HUB
        number = EVERYONE if entity == EVERYONE else rows.state.hubs[entity] if hub else rows.state.devices[entity]
        value = entry.params.get(stands.param, 0) if stands.param else 0  # one that is old may not have it
        percent = entry.params[stands.at] if stands.at else 0
        assert isinstance(value, int)
        assert isinstance(percent, int)
        by_outcome = stands.outcome != phases.NONE
        return Chance(
            kind,
            numerator=1 if entry.chance is None else entry.chance.numerator,
            denominator=1 if entry.chance is None else entry.chance.denominator,
            pool=-1 if entity == EVERYONE else number >> 40,
            hub=number >> 8 & 0xFFFFFFFF if hub and entity != EVERYONE else -1,
            device=-1 if hub or entity == EVERYONE else number,
            first_n=-1 if by_outcome else WITHOUT_LIMIT if entry.times is None else entry.times - entry.hits_on(entity),
            skip_n=0 if by_outcome else max(0, entry.after - entry.passes_on(entity)),
            from_s=self._tick(from_ms),
            to_s=-1 if to_ms is None else self._tick(to_ms),
            value=value // stands.unit | percent << PERCENT_SHIFT,
        )

    def _tick(self, at_ms: int) -> int:
        """The first tick at or after an instant."""
        return max(0, -((self._rows.state.origin_ms - at_ms) // TICK_MS))


def _whom(entry: FaultEntry, there: Iterable[tuple[int, int | None]], hits: int, passes: int) -> list[int]:
    """Whom a fault for everyone hit so often after it let so many pass, as hubs and devices show to which something happened."""
    hub = KINDS[entry.kind].subject is Subject.HUB
    shown = list(dict.fromkeys(one[0] if hub else one[1] for one in there if one[1] is not None))
    found = shown[passes : passes + hits] or shown[: min(hits, 1)]
    return found + (found[-1:] or [EVERYONE]) * (hits - len(found))


def _values(table: Ints) -> list[int]:
    return [table[at] for at in range(len(table))]


def _counters(pool: RunningPool) -> Iterator[tuple[int, int, int]]:
    """Number of each chance of a pool, how often it can still happen, and how many occasions it still lets pass."""
    table = pool.memory.tables["chances"]
    for at in range(0, len(table) if pool.chances else 0, CHANCE_WIDTH):
        yield int(table[at + C_NUMBER]), int(table[at + C_LEFT]), int(table[at + C_SKIP])


def _span(entry: FaultEntry, now_ms: int) -> tuple[int, int | None]:
    """When a fault applies, or applies next: from, and until."""
    if entry.daily is None:
        return entry.from_ms, entry.to_ms
    begin_ms, end_ms = entry.daily
    length_ms = (end_ms - begin_ms) % DAY_MS
    begun_ms = max(now_ms, entry.from_ms) - (max(now_ms, entry.from_ms) - begin_ms) % DAY_MS
    if begun_ms + length_ms <= now_ms:
        begun_ms += DAY_MS
    ends_ms = begun_ms + length_ms
    return max(begun_ms, entry.from_ms), ends_ms if entry.to_ms is None else min(ends_ms, entry.to_ms)
