"""Planned faults of which the columns decide when they happen: as chances there, and back as hits of the plan.

What behaviour asks the plan about itself (messages, commands) is not here. A chance stands for one fault and one hub or device.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from emulator.domain.vocabulary import DeviceType
from emulator.fanout import phases
from emulator.fanout.fields import C_LEFT, C_NUMBER, C_SKIP, CHANCE_WIDTH, PERCENT_SHIFT
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

WITHOUT_LIMIT = 1 << 30
"""How often a chance can happen that the fault does not limit: so often that it is not used up, and counted all the same."""


class PlannedChances:
    """The plan of a world in its columns."""

    def __init__(self, state: PremisesState, rows: Rows, plan: FaultPlan) -> None:
        self._state = state
        self._rows = rows
        self._plan = plan
        self._seen: object = None

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

    def collect(self, happened: Sequence[Happened], now_ms: int) -> None:
        """Count in the plan what has hit, and what was let pass."""
        planned = self._state.rows.planned
        entries = {entry.number: entry for entry in self._plan.entries}
        rows = {number: (left, skip) for number, left, skip in self._counters()} if planned else {}
        for each in planned:
            entry, (left, skip) = entries.get(each.fault), rows[each.chance]
            if entry is None:
                continue
            for _ in range(each.skip - skip):
                entry.count_pass(each.entity)
            for _ in range(each.left - left):
                self._plan.struck(entry, each.entity or self._whom(entry, happened), now_ms)
            each.left, each.skip = left, skip
        for entry in entries.values():
            shows = STANDS[entry.kind].outcome if entry.kind in STANDS else phases.NONE
            for one in happened if shows != phases.NONE and entry.in_time(now_ms) else ():
                if one.kind == shows and self._is_planned(entry, one.hub):
                    self._plan.struck(entry, one.hub, now_ms)
                elif one.kind == phases.DELIVERED and entry.lets_pass(one.hub) and self._plan.selects(entry, one.hub):
                    entry.count_pass(one.hub)

    def _is_planned(self, entry: FaultEntry, hub: int) -> bool:
        return any(each.fault == entry.number and each.entity in (EVERYONE, hub) for each in self._state.rows.planned)

    def _whom(self, entry: FaultEntry, happened: Sequence[Happened]) -> int:
        """Whom a fault for everyone hit, as what happened in the same moment shows."""
        hub = KINDS[entry.kind].subject is Subject.HUB
        return next((one.hub if hub else one.device for one in happened if one.device is not None), EVERYONE) or EVERYONE

    def changes_ms(self, now_ms: int) -> int | None:
        """When chances that follow the time of the day are others, or None."""
        ends = [_span(entry, now_ms)[1] for entry in self._plan.entries if entry.kind in STANDS and entry.daily is not None]
        return min((each for each in ends if each is not None and each > now_ms), default=None)

    def _counters(self) -> Iterator[tuple[int, int, int]]:
        for pool in self._rows.network.pools:
            table = pool.memory.tables["chances"]
            for at in range(0, len(table) if pool.chances else 0, CHANCE_WIDTH):
                yield int(table[at + C_NUMBER]), int(table[at + C_LEFT]), int(table[at + C_SKIP])

    def _selected(self, entry: FaultEntry) -> Iterator[int]:
        named = entry.devices if entry.entity is None else (entry.entity,)
        if not named and not entry.who.wanted and entry.who.share is None and entry.counted is Counted.ALL:
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
