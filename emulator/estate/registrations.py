"""Who is registered for an MPxN in which role, and from when (source: reference ota/access.md sections 1 and 5).

For an MPxN and a role there is at most one party at an instant. A registration begins at its ``from_ms`` (inclusive) and ends at
its ``to_ms`` (exclusive), or where the next one for the same MPxN and role begins, whichever is earlier. So what holds at an
instant does not depend on the order in which registrations were given.

There are two layers. The base is immutable and may hold the nation: columns made of the estate's registrations and its file
(:mod:`emulator.estate.registration_columns`), or a rule (:mod:`emulator.estate.registration_rule`). Over it lie the changes made
at run time: plain, small state that goes into snapshots. A changed MPxN is answered from the changes alone.

Both layers hold *change points*: numbers of 63 bits that sort by role, then instant::

    role code (3 bits, from bit 60) | from_ms (44 bits, from bit 16) | party (16 bits)

The party is an index into :attr:`Registrations.parties`, or :data:`NOBODY` where a registration ends and no other begins.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from emulator.domain.errors import Malformed
from emulator.domain.mpxn import check_mpxn, is_dummy, is_mpan
from emulator.domain.vocabulary import UserRole
from emulator.estate.model import Registration

ROLE_SHIFT = 60
FROM_SHIFT = 16
NOBODY = 0xFFFF
"""Party of a change point at which the role falls vacant."""
UNKNOWN = -1
"""What a base answers instead of a party for an MPxN that it does not have."""
FOREVER_MS = (1 << 44) - 1
"""End of an open registration; instants of registration data lie before it, in the year 2527."""

_NO_PARTY = (NOBODY, UNKNOWN)

MPAN_ROLES = (UserRole.IS, UserRole.ES, UserRole.RSA, UserRole.ED)
MPRN_ROLES = (UserRole.GS, UserRole.RSA, UserRole.GT)
"""Roles that are registered for each kind of MPxN; the RSA is the MOP or the MAM (access.md section 1, certain)."""

ROLE_CODES: Mapping[UserRole, int] = {
    UserRole.IS: 1,
    UserRole.ES: 2,
    UserRole.GS: 3,
    UserRole.RSA: 4,
    UserRole.ED: 5,
    UserRole.GT: 6,
}
"""How change points name a role. An Other User has no registration (access.md section 1)."""
ROLES: Mapping[int, UserRole] = {code: role for role, code in ROLE_CODES.items()}

MAX_PARTIES = NOBODY
"""Most companies of an estate that names registration: their indices have 16 bits."""
MAX_CHANGE_POINTS = 200_000
"""Most change points outside the base (chosen: they are written out in every snapshot, about 20 octets each)."""


class RegistrationBase(Protocol):
    """The immutable layer."""

    @property
    def digest(self) -> str:
        """Names its content."""

    def party_at(self, mpxn: str, role_code: int, at_ms: int) -> int:
        """Index of the party that holds the role at that instant, :data:`NOBODY`, or :data:`UNKNOWN`."""

    def parties_at(self, mpxns: Sequence[str], role_code: int, at_ms: int) -> Sequence[int]:
        """:meth:`party_at` of many MPxNs."""

    def change_points(self, mpxn: str) -> list[int]:
        """All change points of the MPxN, in order; none for an unknown one."""

    def changing(self, after_ms: int, until_ms: int) -> list[str]:
        """MPxNs with a change point where ``after_ms < from_ms <= until_ms``, in their order."""

    def next_change_ms(self, after_ms: int) -> int | None:
        """The earliest instant of a change point after this one, or None."""


class Layered:
    """A base that asks another one about MPxNs that it does not have."""

    def __init__(self, upper: RegistrationBase, lower: RegistrationBase) -> None:
        self.upper = upper
        self._lower = lower
        self.digest = upper.digest

    def party_at(self, mpxn: str, role_code: int, at_ms: int) -> int:
        """Index of the party that holds the role at that instant, :data:`NOBODY`, or :data:`UNKNOWN`."""
        party = self.upper.party_at(mpxn, role_code, at_ms)
        return self._lower.party_at(mpxn, role_code, at_ms) if party == UNKNOWN else party

    def parties_at(self, mpxns: Sequence[str], role_code: int, at_ms: int) -> Sequence[int]:
        """:meth:`party_at` of many MPxNs."""
        found = self.upper.parties_at(mpxns, role_code, at_ms)
        if UNKNOWN not in found:
            return found
        pairs = zip(mpxns, found, strict=True)
        return [self._lower.party_at(mpxn, role_code, at_ms) if party == UNKNOWN else party for mpxn, party in pairs]

    def change_points(self, mpxn: str) -> list[int]:
        """All change points of the MPxN, in order; none for an unknown one."""
        return self.upper.change_points(mpxn) or self._lower.change_points(mpxn)

    def changing(self, after_ms: int, until_ms: int) -> list[str]:
        """MPxNs with a change point where ``after_ms < from_ms <= until_ms``, in their order."""
        return sorted({*self.upper.changing(after_ms, until_ms), *self._lower.changing(after_ms, until_ms)})

    def next_change_ms(self, after_ms: int) -> int | None:
        """The earliest instant of a change point after this one, or None."""
        found = (self.upper.next_change_ms(after_ms), self._lower.next_change_ms(after_ms))
        return min((instant_ms for instant_ms in found if instant_ms is not None), default=None)


@dataclass(frozen=True, slots=True)
class RegistrationChange:
    """The party of an MPxN and role becomes another one, or none."""

    at_ms: int
    mpxn: str
    role: UserRole
    before: str | None
    after: str | None


def party_table(companies: Iterable[str]) -> list[str]:
    """The table of companies that indices refer to; raise :class:`Malformed` when there are too many."""
    table = sorted(set(companies))
    if len(table) > MAX_PARTIES:
        raise Malformed(f"{len(table)} companies are too many", where="parties", expected=f"at most {MAX_PARTIES}")
    return table


def change_point(role_code: int, from_ms: int, party: int) -> int:
    """Pack a change point."""
    return role_code << ROLE_SHIFT | from_ms << FROM_SHIFT | party


def from_of(point: int) -> int:
    """The instant of a change point."""
    return point >> FROM_SHIFT & FOREVER_MS


def find_party(points: Sequence[int], role_code: int, at_ms: int, start: int = 0, stop: int | None = None) -> int:
    """The party at an instant among ``points[start:stop]``, which are those of one MPxN; :data:`NOBODY` for none."""
    instant = at_ms if at_ms < FOREVER_MS else FOREVER_MS
    latest = (role_code << ROLE_SHIFT) + (instant << FROM_SHIFT) + NOBODY
    position = bisect_right(points, latest, start, stop) - 1
    if position >= start and (point := points[position]) >> ROLE_SHIFT == role_code:
        return point & NOBODY
    return NOBODY


def lay_out(tenures: Iterable[tuple[int, int]]) -> list[int]:
    """The change points of registrations for one MPxN, given as (change point of the beginning, end in ms).

    Raise :class:`Malformed` when two different ones begin at the same instant.
    """
    laid: list[int] = []
    ordered = sorted(set(tenures))
    for (point, to_ms), following in zip(ordered, [*ordered[1:], None], strict=True):
        ends_ms = FOREVER_MS
        if following is not None and following[0] >> ROLE_SHIFT == point >> ROLE_SHIFT:
            ends_ms = from_of(following[0])
            if ends_ms == from_of(point):
                role = ROLES[point >> ROLE_SHIFT]
                raise Malformed(f"two registrations as {role} begin at the same instant", expected="one party at an instant")
        laid.append(point)
        if to_ms < ends_ms:
            laid.append(change_point(point >> ROLE_SHIFT, to_ms, NOBODY))
    return laid


def check_registration(mpxn: str, role: UserRole, from_ms: int, to_ms: int | None, *, where: str = "") -> None:
    """Raise :class:`Malformed` when this cannot be a registration, whoever the party is."""
    check_mpxn(mpxn, where=where)
    if is_dummy(mpxn):
        raise Malformed(f"{mpxn} is a dummy MPxN of triage facilities", where=where, expected="the MPxN of a supply")
    if role not in (MPAN_ROLES if is_mpan(mpxn) else MPRN_ROLES):
        kind, roles = ("an MPAN", MPAN_ROLES) if is_mpan(mpxn) else ("an MPRN", MPRN_ROLES)
        raise Malformed(f"nobody is registered as {role} for {mpxn}", where=where, expected=f"for {kind} {', '.join(roles)}")
    if not 0 <= from_ms < FOREVER_MS:
        raise Malformed("the registration begins too early or too late", where=where, expected="a year from 1970 to 2526")
    if to_ms is not None and not from_ms < to_ms < FOREVER_MS:
        raise Malformed("the registration does not end after it begins", where=where, expected="an end after its start, or none")


@dataclass
class Registrations:
    """Both layers, and every question about them. Roles are those of registration data; OU is held by nobody.

    The fields are plain state. The base is not: it is attached when a world is made or restored.
    """

    parties: list[str] = field(default_factory=list)
    """Companies by index; fixed for the life of a world, because the base holds indices."""
    changed: dict[str, list[int]] = field(default_factory=dict)
    """MPxN → all its change points, for those that are not as in the base."""
    changed_points: int = 0
    """How many change points :attr:`changed` holds."""
    base_digest: str = ""
    """The digest of the base that belongs to it."""

    def __post_init__(self) -> None:
        self._base: RegistrationBase | None = None
        self._numbers = {name: number for number, name in enumerate(self.parties)}

    @property
    def base(self) -> RegistrationBase:
        """The immutable layer; only after :meth:`attach`."""
        assert self._base is not None
        return self._base

    def attach(self, base: RegistrationBase) -> None:
        """Put the base under the changes; raise :class:`Malformed` when it is another one than theirs."""
        if base.digest != self.base_digest:
            raise Malformed(
                f"the registration columns {base.digest[:12]} are not those of this world",
                where="registrations",
                expected=self.base_digest[:12],
            )
        self._base = base

    def party_number(self, company: str) -> int | None:
        """The index of a company; None for one that no registration can name."""
        return self._numbers.get(company)

    def party_for(self, mpxn: str, role: UserRole, at_ms: int) -> int | None:
        """Index of the party that holds the role for the MPxN at that instant, or None."""
        code = ROLE_CODES.get(role, 0)
        points = self.changed.get(mpxn)
        if points is not None:
            party = find_party(points, code, at_ms)
        else:
            assert self._base is not None
            party = self._base.party_at(mpxn, code, at_ms)
        return None if party in _NO_PARTY else party

    def parties_for(self, mpxns: Sequence[str], role: UserRole, at_ms: int) -> list[int | None]:
        """:meth:`party_for` of many MPxNs."""
        assert self._base is not None
        code, changed = ROLE_CODES.get(role, 0), self.changed
        found: list[int | None] = [None if party in _NO_PARTY else party for party in self._base.parties_at(mpxns, code, at_ms)]
        if changed:
            for place, mpxn in enumerate(mpxns):
                if mpxn in changed:
                    found[place] = self.party_for(mpxn, role, at_ms)
        return found

    def registered(self, mpxn: str, role: UserRole, party: int | None, at_ms: int) -> bool:
        """Whether the party with this index holds the role for the MPxN at that instant; False for no party."""
        return party is not None and self.party_for(mpxn, role, at_ms) == party

    def history(self, mpxn: str) -> list[Registration]:
        """All registrations for the MPxN, past and pending, by role and beginning."""
        return list(self._tenures(mpxn, self._points(mpxn)))

    def pending(self, mpxn: str, role: UserRole, at_ms: int) -> list[Registration]:
        """Registrations in the role that begin after that instant, the next first."""
        return [tenure for tenure in self.history(mpxn) if tenure.role is role and tenure.from_ms > at_ms]

    def changes(self, after_ms: int, until_ms: int, mpxns: Iterable[str] | None = None) -> list[RegistrationChange]:
        """Changes of party with ``after_ms < at_ms <= until_ms``, by instant, MPxN and role; for these MPxNs, or for all."""
        concerned = {*self.base.changing(after_ms, until_ms), *self.changed} if mpxns is None else set(mpxns)
        found = [change for mpxn in concerned for change in self._changes_of(mpxn) if after_ms < change.at_ms <= until_ms]
        return sorted(found, key=lambda change: (change.at_ms, change.mpxn, change.role))

    def next_change_of(self, mpxn: str, after_ms: int) -> int | None:
        """When the MPxN gets or loses a party next; None when nothing is pending."""
        return min((change.at_ms for change in self._changes_of(mpxn) if change.at_ms > after_ms), default=None)

    def put(self, registrations: Iterable[Registration]) -> int:
        """Register parties, all or none; the number of MPxNs that this concerned.

        For each MPxN and role, the given registrations supersede what was known from the earliest of them on: who held the role
        until then ends there, and what was pending is dropped. Raise :class:`Malformed` for what cannot be a registration.
        """
        given: dict[str, list[tuple[int, int]]] = {}
        for entry in registrations:
            given.setdefault(entry.mpxn, []).append(self._tenure(entry))
        updates = {mpxn: self._superseded(mpxn, tenures) for mpxn, tenures in given.items()}
        known = sum(len(self.changed.get(mpxn, ())) for mpxn in updates)
        points = self.changed_points - known + sum(map(len, updates.values()))
        if points > MAX_CHANGE_POINTS:
            raise Malformed(
                f"{points} change points outside the registration file are too many",
                where="registrations",
                expected=f"at most {MAX_CHANGE_POINTS}; the registration_file of the estate has room for the rest",
            )
        self.changed.update(updates)
        self.changed_points = points
        return len(updates)

    def changed_registrations(self) -> Iterator[Registration]:
        """All registrations of MPxNs that are not as in the base."""
        for mpxn, points in self.changed.items():
            yield from self._tenures(mpxn, points)

    def _points(self, mpxn: str) -> list[int]:
        points = self.changed.get(mpxn)
        return self.base.change_points(mpxn) if points is None else points

    def _tenure(self, entry: Registration) -> tuple[int, int]:
        where = f"registration of {entry.mpxn[:40]}"
        check_registration(entry.mpxn, entry.role, entry.from_ms, entry.to_ms, where=where)
        party = self._numbers.get(entry.party)
        if party is None:
            expected = f"one of {', '.join(self.parties[:50])}"
            raise Malformed(f"party {entry.party[:80]!r} is not declared", where=where, expected=expected)
        to_ms = FOREVER_MS if entry.to_ms is None else entry.to_ms
        return change_point(ROLE_CODES[entry.role], entry.from_ms, party), to_ms

    def _superseded(self, mpxn: str, tenures: list[tuple[int, int]]) -> list[int]:
        try:
            laid = lay_out(tenures)
        except Malformed as error:
            raise Malformed(error.detail, where=f"registration of {mpxn}", expected=error.expected) from None
        begin: dict[int, int] = {}
        for point in laid:
            begin.setdefault(point >> ROLE_SHIFT, from_of(point))
        kept = [point for point in self._points(mpxn) if from_of(point) < begin.get(point >> ROLE_SHIFT, FOREVER_MS)]
        return sorted(kept + laid)

    def _tenures(self, mpxn: str, points: Sequence[int]) -> Iterator[Registration]:
        for point, following in pairwise([*points, 0]):
            party = point & NOBODY
            if party != NOBODY:
                code = point >> ROLE_SHIFT
                to_ms = from_of(following) if following >> ROLE_SHIFT == code else None
                yield Registration(mpxn, ROLES[code], self.parties[party], from_of(point), to_ms)

    def _changes_of(self, mpxn: str) -> Iterator[RegistrationChange]:
        before, code = NOBODY, 0
        for point in self._points(mpxn):
            if point >> ROLE_SHIFT != code:
                before, code = NOBODY, point >> ROLE_SHIFT
            after = point & NOBODY
            if after != before:
                yield RegistrationChange(from_of(point), mpxn, ROLES[code], self._name(before), self._name(after))
            before = after

    def _name(self, party: int) -> str | None:
        return None if party == NOBODY else self.parties[party]
