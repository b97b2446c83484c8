"""Registration as a rule: who holds a role follows from the seed and the MPxN, so that a generated estate stores no rows."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from emulator.domain.errors import Malformed
from emulator.domain.mpxn import is_dummy, is_mpan, mpxn_key
from emulator.estate.model import RegistrationRule
from emulator.estate.registrations import MPAN_ROLES, MPRN_ROLES, ROLE_CODES, UNKNOWN, change_point
from emulator.simulation.draws import draw_below


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    last: int
    parties: tuple[int, ...]
    shares: tuple[int, ...]
    """Cumulative; the last is the sum."""


class RuleBase:
    """A :class:`emulator.estate.registrations.RegistrationBase` of rules."""

    digest = ""

    def __init__(self, seed: int, rules: tuple[RegistrationRule, ...], parties: list[str]) -> None:
        """Take the estate's seed and its table of companies; raise :class:`Malformed` for a rule that cannot be."""
        self._seed = seed
        by_role: dict[int, list[_Range]] = {}
        for number, rule in enumerate(rules, 1):
            by_role.setdefault(ROLE_CODES.get(rule.role, 0), []).append(_range(rule, parties, f"registration rule {number}"))
        self._ranges: dict[int, tuple[list[int], list[_Range], str]] = {}
        for role, code in ROLE_CODES.items():
            ranges = sorted(by_role.get(code, ()), key=lambda each: each.first)
            for lower, upper in pairwise(ranges):
                if upper.first <= lower.last:
                    raise Malformed(
                        f"two rules say who is registered as {role} for {str(upper.first)[1:]}",
                        where="registration_rules",
                        expected="ranges that do not overlap",
                    )
            if ranges:
                self._ranges[code] = ([each.first for each in ranges], ranges, f"registration.{role}")

    def party_at(self, mpxn: str, role_code: int, at_ms: int) -> int:
        """Index of the party that holds the role, or ``UNKNOWN``."""
        found = self._ranges.get(role_code)
        key = mpxn_key(mpxn)
        if found is None or key < 0 or at_ms < 0 or is_dummy(mpxn):
            return UNKNOWN
        firsts, ranges, purpose = found
        position = bisect_right(firsts, key) - 1
        if position < 0 or key > ranges[position].last:
            return UNKNOWN
        shares = ranges[position].shares
        drawn = draw_below(shares[-1], self._seed, key, 0, purpose)
        return ranges[position].parties[bisect_right(shares, drawn)]

    def parties_at(self, mpxns: Sequence[str], role_code: int, at_ms: int) -> list[int]:
        """:meth:`party_at` of many MPxNs."""
        return [self.party_at(mpxn, role_code, at_ms) for mpxn in mpxns]

    def change_points(self, mpxn: str) -> list[int]:
        """One for each role that a rule gives for the MPxN."""
        found = ((code, self.party_at(mpxn, code, 0)) for code in self._ranges)
        return [change_point(code, 0, party) for code, party in sorted(found) if party != UNKNOWN]

    def changing(self, after_ms: int, until_ms: int) -> list[str]:
        """None: what a rule says holds for good."""
        return []

    def next_change_ms(self, after_ms: int) -> int | None:
        """None, likewise."""
        return None


def _range(rule: RegistrationRule, parties: list[str], where: str) -> _Range:
    first, last = mpxn_key(rule.first_mpxn), mpxn_key(rule.last_mpxn)
    if first < 0 or last < first or len(rule.first_mpxn) != len(rule.last_mpxn):
        raise Malformed(
            f"{rule.first_mpxn!r} to {rule.last_mpxn!r} is no range",
            where=where,
            expected="two MPxNs with equally many digits, the lower first",
        )
    if rule.role not in (MPAN_ROLES if is_mpan(rule.first_mpxn) else MPRN_ROLES):
        raise Malformed(f"nobody is registered as {rule.role} for {rule.first_mpxn}", where=where, expected="a role that fits")
    for company, share in rule.shares:
        position = bisect_left(parties, company)
        if position == len(parties) or parties[position] != company:
            raise Malformed(f"party {company!r} is not declared", where=where, expected=f"one of {', '.join(parties[:50])}")
        if share < 1:
            raise Malformed(f"the share of {company!r} is {share}", where=where, expected="1 or more")
    if not rule.shares:
        raise Malformed("there are no shares", where=where, expected="at least one company")
    numbers = tuple(bisect_left(parties, company) for company, _ in rule.shares)
    return _Range(first, last, numbers, tuple(accumulate(share for _, share in rule.shares)))
