"""The fault plan: what goes wrong, for whom, when.

Behaviour asks at named points whether a fault applies to an entity now. The plan is plain state: explicit entries, looked
through in the order in which they were made. Chance is keyed by seed, number of the fault, entity and time, so the same plan and
the same questions give the same answers, and entries of other kinds make no difference.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import format_eui
from emulator.simulation.draws import Ratio, happens
from emulator.simulation.durations import DAY_MS
from emulator.simulation.faults.kinds import KINDS, Params, Value
from emulator.simulation.faults.selectors import Facts, FindFacts, Selector, nearest

Journal = Callable[[str, int | None, str, Mapping[str, Any]], None]
"""``journal(kind, entity, summary, data)``."""


class Faults(Protocol):
    """What behaviour needs of a fault plan."""

    def find(self, kind: str, entity: int, now_ms: int, sort: str = "", occasion: str = "") -> Params | None:
        """Whether a fault of this kind hits ``entity`` on this occasion: the parameters of the first that does, or None.

        ``sort`` is what the kind's ``narrowed_by`` compares with. ``occasion`` names the occasion where its time does not: chance
        is keyed by the one or the other. The occasion is counted and a hit journalled, so ask once.
        """
        ...

    def active(self, kind: str, entity: int, now_ms: int, sort: str = "") -> bool:
        """Whether :meth:`find` would find one; counts nothing."""
        ...


class Counted(StrEnum):
    """Whose occasions ``after`` and ``times`` count."""

    ALL = "all"
    """Those of everyone that the fault selects, together."""
    EACH = "each"
    """Those of each hub or device, for itself."""


class Condition(StrEnum):
    """How far a fault is."""

    PLANNED = "planned"
    """Its time has not come."""
    LIVE = "live"
    OVER = "over"
    """Its time is past."""
    USED_UP = "used up"
    """It has happened as often as it may, to everyone together."""


@dataclass(slots=True)
class FaultEntry:
    """One planned fault."""

    number: int
    """Names it; 0 until it is in a plan."""
    kind: str
    entity: int | None
    """EUI of the one hub or device that it can hit; None leaves that to :attr:`who`."""
    from_ms: int
    """Simulated time from which it applies."""
    to_ms: int | None
    """Exclusive end; None is for ever."""
    times: int | None
    """How often it may happen; None is without limit."""
    params: dict[str, Value] = field(default_factory=dict)
    devices: frozenset[int] = frozenset()
    """EUIs of several; none leaves that to :attr:`who`."""
    who: Selector = field(default_factory=Selector)
    after: int = 0
    """How many occasions it lets pass first."""
    counted: Counted = Counted.ALL
    chance: Ratio | None = None
    """How likely it is on an occasion; None is always."""
    daily: tuple[int, int] | None = None
    """Only between these times of the day, milliseconds after midnight UTC, the second exclusive; may go over midnight."""
    name: str = ""
    """For people."""
    hits: int = 0
    passed: int = 0
    """Occasions let pass because of :attr:`after`."""
    hits_of: dict[int, int] = field(default_factory=dict)
    """Hits by entity, where each is counted for itself."""
    passed_of: dict[int, int] = field(default_factory=dict)
    last_ms: int = 0
    """When it last hit; 0 before."""
    last_entity: int = 0

    @property
    def key(self) -> str:
        """What its draws are keyed by."""
        return f"fault {self.number}"

    def in_time(self, now_ms: int) -> bool:
        """Whether it applies now at all."""
        if now_ms < self.from_ms or (self.to_ms is not None and now_ms >= self.to_ms):
            return False
        if self.daily is None:
            return True
        (begin_ms, end_ms), clock_ms = self.daily, now_ms % DAY_MS
        return begin_ms <= clock_ms < end_ms if begin_ms < end_ms else clock_ms >= begin_ms or clock_ms < end_ms

    def is_for(self, entity: int, seed: int, facts: FindFacts) -> bool:
        """Whether it can hit an entity."""
        if self.entity not in (None, entity) or (self.devices and entity not in self.devices):
            return False
        return self.who.takes(entity, seed, self.key) and (not self.who.wanted or self.who.matches(facts(entity)))

    def narrows(self, sort: str) -> bool:
        """Whether it leaves out occasions of this sort."""
        wanted = self.params.get(KINDS[self.kind].narrowed_by, "")
        return wanted not in ("", sort)

    def spent(self, entity: int) -> bool:
        """Whether it has happened as often as it may, to an entity where each is counted for itself."""
        return self.times is not None and self.hits_on(entity) >= self.times

    def hits_on(self, entity: int) -> int:
        """How often it has happened: to an entity where each is counted for itself, else to everyone."""
        return self.hits_of.get(entity, 0) if self.counted is Counted.EACH else self.hits

    def passes_on(self, entity: int) -> int:
        """How many occasions were let pass, counted the same way."""
        return self.passed_of.get(entity, 0) if self.counted is Counted.EACH else self.passed

    def lets_pass(self, entity: int) -> bool:
        """Whether this is one of the occasions that :attr:`after` spares."""
        return self.passes_on(entity) < self.after

    def count_pass(self, entity: int) -> None:
        """An occasion was spared."""
        self.passed += 1
        if self.counted is Counted.EACH:
            self.passed_of[entity] = self.passed_of.get(entity, 0) + 1

    def count_hit(self, entity: int, now_ms: int) -> None:
        """It happened."""
        self.hits += 1
        self.last_ms, self.last_entity = now_ms, entity
        if self.counted is Counted.EACH and self.times is not None:
            self.hits_of[entity] = self.hits_of.get(entity, 0) + 1

    def condition(self, now_ms: int) -> Condition:
        """How far it is."""
        if self.counted is Counted.ALL and self.spent(0):
            return Condition.USED_UP
        if now_ms < self.from_ms:
            return Condition.PLANNED
        return Condition.OVER if self.to_ms is not None and now_ms >= self.to_ms else Condition.LIVE


@dataclass(slots=True)
class FaultState:
    """All that a snapshot needs of the plan."""

    entries: list[FaultEntry] = field(default_factory=list)
    next_number: int = 1


def _no_facts(entity: int) -> Facts:
    return {"eui": (format_eui(entity),)}


def _no_journal(kind: str, entity: int | None, summary: str, data: Mapping[str, Any]) -> None:
    pass


class FaultPlan:
    """The plan of one world."""

    def __init__(
        self,
        state: FaultState | None = None,
        *,
        seed: int = 0,
        facts: FindFacts = _no_facts,
        journal: Journal = _no_journal,
    ) -> None:
        """Over a state, new or restored. ``facts`` tells about hubs and devices, ``journal`` hears of every hit."""
        self.state = state or FaultState()
        self._seed = seed
        self._facts = facts
        self._journal = journal

    def add(
        self,
        kind: str,
        entity: int | None = None,
        *,
        from_ms: int = 0,
        to_ms: int | None = None,
        times: int | None = None,
        params: Mapping[str, object] | None = None,
        **more: Any,
    ) -> int:
        """Plan a fault and return its number; ``more`` are further fields of :class:`FaultEntry`. Raises as :func:`check`."""
        return self.put(FaultEntry(0, kind, entity, from_ms, to_ms, times, read_params(kind, params or {}), **more))

    def put(self, entry: FaultEntry) -> int:
        """Take in an entry under the next number and return that; raises as :func:`check`."""
        check(entry)
        entry.number = self.state.next_number
        self.state.next_number += 1
        self.state.entries.append(entry)
        return entry.number

    def remove(self, number: int) -> bool:
        """Drop an entry; False when there is none of this number."""
        kept = [entry for entry in self.state.entries if entry.number != number]
        found = len(kept) != len(self.state.entries)
        self.state.entries[:] = kept
        return found

    def clear(self) -> None:
        """Drop all entries."""
        self.state.entries.clear()

    @property
    def entries(self) -> tuple[FaultEntry, ...]:
        """The entries in the order in which they were made, the used-up ones included."""
        return tuple(self.state.entries)

    def selected(self, entry: FaultEntry, population: Iterable[int]) -> int:
        """How many of a population an entry can hit as things stand; one that is not in a plan yet as if it were the next."""
        number, entry.number = entry.number, entry.number or self.state.next_number
        count = sum(entry.is_for(entity, self._seed, self._facts) for entity in population)
        entry.number = number
        return count

    def find(self, kind: str, entity: int, now_ms: int, sort: str = "", occasion: str = "") -> Params | None:
        """See :meth:`Faults.find`."""
        for entry in self._applying(kind, entity, now_ms, sort):
            if entry.lets_pass(entity):
                entry.count_pass(entity)
            elif self._happens(entry, entity, now_ms, sort, occasion):
                entry.count_hit(entity, now_ms)
                self._note(entry, entity, sort)
                return entry.params
        return None

    def active(self, kind: str, entity: int, now_ms: int, sort: str = "") -> bool:
        """See :meth:`Faults.active`."""
        return any(
            not entry.lets_pass(entity) and self._happens(entry, entity, now_ms, sort)
            for entry in self._applying(kind, entity, now_ms, sort)
        )

    def selects(self, entry: FaultEntry, entity: int) -> bool:
        """Whether an entry can hit an entity as things stand."""
        return entry.is_for(entity, self._seed, self._facts)

    def struck(self, entry: FaultEntry, entity: int, now_ms: int) -> None:
        """A fault hit where behaviour does not ask the plan but keeps its chances itself (the network of images)."""
        entry.count_hit(entity, now_ms)
        self._note(entry, entity, "")

    def _applying(self, kind: str, entity: int, now_ms: int, sort: str) -> Iterable[FaultEntry]:
        if kind not in KINDS:
            raise Broken(f"there is no fault {kind}")
        for entry in self.state.entries:
            if entry.kind != kind or not entry.in_time(now_ms) or entry.spent(entity) or entry.narrows(sort):
                continue
            if entry.is_for(entity, self._seed, self._facts):
                yield entry

    def _happens(self, entry: FaultEntry, entity: int, now_ms: int, sort: str, occasion: str = "") -> bool:
        if entry.chance is None:
            return True
        at_ms, purpose = (0, f"{entry.key} {sort} {occasion}") if occasion else (now_ms, f"{entry.key} {sort}")
        return happens(entry.chance, self._seed, entity, at_ms, purpose)

    def _note(self, entry: FaultEntry, entity: int, sort: str) -> None:
        called = f"{entry.kind}, {entry.name}" if entry.name else entry.kind
        whom = format_eui(entity) if entity else "one of those whom it can hit"
        summary = f"fault {entry.number} ({called}) hits {whom}"
        self._journal(
            "fault", entity or None, summary, {"fault": entry.number, "kind": entry.kind, "hit": entry.hits, "sort": sort}
        )


def read_params(kind: str, values: Mapping[str, object]) -> dict[str, Value]:
    """The parameters of a fault of this kind; raise :class:`Malformed` for an unknown kind or name, or a wrong value."""
    if kind not in KINDS:
        raise Malformed(f"there is no fault {kind[:60]!r}", where="kind", expected=nearest(kind, KINDS))
    return KINDS[kind].read_params(values)


def check(entry: FaultEntry) -> None:
    """Raise :class:`Malformed` for an unknown kind and for what could never happen."""
    if entry.kind not in KINDS:
        raise Malformed(f"there is no fault {entry.kind[:60]!r}", where="kind", expected=nearest(entry.kind, KINDS))
    if entry.to_ms is not None and entry.to_ms <= entry.from_ms:
        raise Malformed("the fault would end before it begins", where="to_ms", expected=f"later than {entry.from_ms}")
    if entry.times is not None and entry.times < 1:
        raise Malformed("the fault would never happen", where="times", expected="1 or more, or none")
    if entry.after < 0:
        raise Malformed(f"after is {entry.after}", where="after", expected="a number of occasions, 0 or more")
    if entry.daily is not None and (entry.daily[0] == entry.daily[1] or not all(0 <= each < DAY_MS for each in entry.daily)):
        raise Malformed("the time of the day is empty", where="daily", expected="two different times, such as ['22:00', '06:00']")
