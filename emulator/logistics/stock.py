"""Stock: lots are booked in, delivered and handed out by a supplier's policy for firmware versions."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from emulator.domain.errors import Malformed
from emulator.domain.settings import DAY_MS
from emulator.logistics.books import Books
from emulator.logistics.chance import draws_below
from emulator.logistics.columns import OVERDUE, UNREGISTERED, Rows
from emulator.logistics.settings import LEVELS
from emulator.logistics.state import CSP, Defect, Lot, Policy
from emulator.logistics.tables import states, variant_list, variants

RULES = ("newest", "newest-minus", "pinned")
"""What a supplier may want to install: the newest version, one so many before it, or a certain one (ota.md 10)."""
KINDS = ("install", "service")
"""When a defect of a version shows: at installation, or after a while in service (C-01, C-07)."""


def book_in(
    books: Books,
    now_ms: int,
    lot: Lot,
    variant: str,
    shares: Mapping[int, int],
    *,
    owner: str = CSP,
    age_days: int = 0,
    mixed: bool = False,
) -> Rows:
    """Take a lot of new units in, with firmware versions in parts of the whole.

    ``mixed`` scatters the versions over cartons and pallets; else they come one after the other.
    """
    kind = variants().get(variant)
    if kind is None:
        raise Malformed(f"there is no variant {variant!r}", where="variant", expected=", ".join(variants()))
    if not shares or min(shares.values()) < 1:
        raise Malformed("no versions are said", where="versions", expected="a part of at least 1 for each version")
    if age_days < 0 or now_ms < age_days * DAY_MS:
        raise Malformed(f"age_days is {age_days}", where="age_days", expected="days since the units were made")
    total = sum(shares.values())
    if lot.first_eui == 0:
        lot.first_eui = books.state.next_eui
    lot.step = 2 if kind.is_hub else 1
    bounds = np.cumsum([part * lot.count // total for part in shares.values()])
    bounds[-1] = max(lot.count, 1)
    places = np.arange(max(lot.count, 1))
    if mixed:
        entities = (places + lot.first_eui).astype(np.uint64)
        places = draws_below(max(lot.count, 1), books.seed, entities, "version")
    which = np.searchsorted(bounds, places, side="right")
    state = "csp_warehouse" if owner == CSP else "supplier_store"
    numbers = np.array([books.version_number(version) for version in shares], np.uint16)
    rows = books.add(lot, kind, state, owner, numbers[which], (now_ms - age_days * DAY_MS) // 1000)
    books.state.next_eui = max(books.state.next_eui, lot.first_eui + lot.count * lot.step)
    return rows


def put_policy(books: Books, company: str, policy: Policy) -> None:
    """What a company installs from now on; raise :class:`Malformed` where that is not said in full."""
    if policy.rule not in RULES:
        raise Malformed(f"there is no rule {policy.rule!r}", where="rule", expected=", ".join(RULES))
    if (policy.rule == "pinned") != bool(policy.version) or (policy.rule == "newest-minus") != (policy.minus > 0):
        expected = "version for pinned, minus from 1 on for newest-minus, neither for newest"
        raise Malformed(f"the policy {policy.rule} is not complete", where="rule", expected=expected)
    books.state.policies[company] = policy


def put_defect(books: Books, defect: Defect) -> None:
    """A version is known to be bad from now on; raise :class:`Malformed` for what cannot be."""
    if defect.kind not in KINDS:
        raise Malformed(f"there is no kind {defect.kind!r}", where="kind", expected=", ".join(KINDS))
    if not 0 < defect.percent <= 100 or not 0 <= defect.onset_days <= 10_000:
        raise Malformed("such a defect cannot be", where="percent", expected="1 to 100, with 0 to 10000 days until it shows")
    books.state.defects[:] = [each for each in books.state.defects if (each.version, each.kind) != (defect.version, defect.kind)]
    books.state.defects.append(defect)


def policy_of(books: Books, company: str) -> Policy:
    """What a company installs: the newest unless it said otherwise."""
    return books.state.policies.get(company, Policy("newest"))


def wanted_version(books: Books, company: str, released: Sequence[int]) -> int:
    """The version that a company's policy asks for among those that are released; raise :class:`Malformed` for none."""
    policy, known = policy_of(books, company), sorted(set(released))
    if policy.rule == "pinned":
        return int(policy.version, 16)
    place = len(known) - 1 - policy.minus
    if place < 0:
        detail = f"{len(known)} versions are released: {policy.rule} {policy.minus or ''}".rstrip()
        raise Malformed(detail, where="policy", expected="a policy that some version meets")
    return known[place]


def pick(books: Books, company: str, count: int, places: Sequence[str], released: Sequence[int], variant: str = "") -> Rows:
    """The hubs that a company takes from what it has: of the version it wants, then older ones from the newest on, the oldest
    stock first. A pinned version is the only one.

    Raise :class:`Malformed` where there are not so many.
    """
    rows = hubs_of(books, company, places, variant)
    late = (books.units.flags[rows] & OVERDUE) != 0
    rows = rows[~late]
    wanted = wanted_version(books, company, released)
    versions = books.versions_of(rows)
    fits = versions == wanted if policy_of(books, company).rule == "pinned" else versions <= wanted
    rows, versions = rows[fits], versions[fits]
    if count < 1 or len(rows) < count:
        where = " or ".join(places).replace("_", " ")
        said = f", for {late.sum()} are past their TSAT end date" if late.any() else ""
        detail = f"{company} has {len(rows)} hubs at {where} that its policy lets it use, not {count}{said}"
        raise Malformed(detail, where="count", expected=f"1 to {len(rows)}" if len(rows) else "a delivery first")
    order = np.lexsort((rows, books.units.since_s[rows], -versions))
    chosen: Rows = rows[order[:count]]
    return chosen


def hubs_of(books: Books, company: str, places: Sequence[str], variant: str = "") -> Rows:
    """The hubs of a company in some states, of one variant or of any."""
    rows = books.held(company, places)
    numbers = [each.number for each in variant_list() if each.is_hub and variant in ("", each.name)]
    return rows[np.isin(books.units.variant[rows], numbers)]


def end_tsat(books: Books, lot: Lot) -> int:
    """The TSAT end date of a lot is there: how many of its hubs were never installed, and must go back now."""
    rows = np.arange(lot.first_row, lot.first_row + lot.count)
    numbers = [states()[each].number for each in _IN_STOCK]
    late = rows[np.isin(books.units.state[rows], numbers) & (books.units.installed_s[rows] == 0)]
    books.units.flags[late] |= OVERDUE
    return len(late)


_IN_STOCK = ("csp_warehouse", "to_supplier", "supplier_store", "installer", "to_reflash", "reflashing", "from_reflash")


def registered(books: Books, rows: Rows) -> npt.NDArray[np.bool_]:
    """Which units the order system has as registered to their owners."""
    found: npt.NDArray[np.bool_] = (books.units.flags[rows] & UNREGISTERED) == 0
    return found


def take(books: Books, company: str, level: str, count: int, state: str, variant: str = "") -> Rows:
    """So many units, cartons or pallets of what a company has somewhere, the first; raise :class:`Malformed` for too many."""
    if level not in LEVELS:
        raise Malformed(f"there is no level {level!r}", where="level", expected=", ".join(LEVELS))
    rows = books.held(company, (state,))
    if variant:
        kind = variants().get(variant)
        if kind is None:
            raise Malformed(f"there is no variant {variant!r}", where="variant", expected=", ".join(variants()))
        rows = rows[books.units.variant[rows] == kind.number]
    if level == "unit":
        chosen, there = rows[:count], len(rows)
    else:
        column = books.units.carton if level == "carton" else books.units.pallet
        packages = np.unique(column[rows])
        chosen, there = rows[np.isin(column[rows], packages[:count])], len(packages)
    if count < 1 or there < count:
        detail = f"{company} has {there} {level}s at {state.replace('_', ' ')}, not {count}"
        raise Malformed(detail, where="count", expected=f"1 to {there}" if there else "a lot that is booked in first")
    return chosen
