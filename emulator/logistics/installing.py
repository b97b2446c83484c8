"""Installation: how long visits take, which fail by their firmware, and where defects of versions show (C-01, C-02, C-07)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from emulator.domain.settings import DAY_MS, KIB
from emulator.logistics import stock
from emulator.logistics.books import Books
from emulator.logistics.chance import draws_below
from emulator.logistics.columns import FAILS_INSTALL, Rows, one
from emulator.logistics.state import Defect, InstallRun
from emulator.logistics.tables import variant_list

Rates = Mapping[str, int]
"""Bits per second by WAN technology."""


def update_minutes(books: Books, technology: str, rates: Rates) -> int:
    """How long a hub's firmware takes over the air while the installer waits (L104, by the rate of the region)."""
    bits = books.settings.hub_image_kib * KIB * 8
    return -(-bits // (rates[technology] * 60))


def have_installed(
    books: Books,
    company: str,
    count: int,
    released: Sequence[int],
    rates: Rates,
    now_ms: int,
    *,
    update: bool,
    variant: str = "",
    ready: Callable[[Rows], None] | None = None,
) -> tuple[InstallRun, Rows]:
    """So many visits by a company, with what its policy gives it; the run, and the hubs that can be put in now.

    With ``update`` an older hub gets the wanted version during the visit, unless that would be too long. Hubs that fail stay with
    the installer. ``ready`` refuses what cannot be put up. Raise :class:`Malformed` where there are not so many hubs.
    """
    rows = stock.pick(books, company, count, ("installer", "supplier_store"), released, variant)
    books.check("install", rows)
    if ready is not None:
        ready(rows)
    wanted = stock.wanted_version(books, company, released)
    run = InstallRun(books.state.next_number, company, stock.policy_of(books, company).rule, now_ms, units=len(rows))
    books.state.next_number += 1
    minutes = np.full(len(rows), books.settings.visit_minutes, np.int64)
    if update:
        longer = np.array([update_minutes(books, each.technology, rates) if each.is_hub else 0 for each in variant_list()])
        extra = longer[books.units.variant[rows]]
        older = books.versions_of(rows) < wanted
        fits = minutes + extra <= books.settings.max_visit_minutes
        updated = rows[older & fits]
        books.units.version[updated] = books.version_number(wanted)
        minutes[older & fits] += extra[older & fits]
        run.updated, run.too_long = len(updated), int((older & ~fits).sum())
    fails = _failing(books, rows)
    run.minutes, run.failed = int(minutes.sum()), int(fails.sum())
    books.units.flags[rows[fails]] |= FAILS_INSTALL
    books.state.runs.append(run)
    return run, rows[~fails]


def note_visit(
    books: Books, company: str, rows: Rows, minutes: int, now_ms: int, *, updated: bool, too_long: bool, failed: bool
) -> InstallRun:
    """A visit that was carried out for real is on record as those of the books alone are."""
    run = InstallRun(books.state.next_number, company, stock.policy_of(books, company).rule, now_ms, 1, minutes)
    run.updated, run.too_long, run.failed = int(updated), int(too_long), int(failed)
    books.state.next_number += 1
    if failed:
        books.units.flags[rows] |= FAILS_INSTALL
    books.state.runs.append(run)
    return run


def put_in(books: Books, rows: Rows, now_ms: int, *, overdue: bool = False) -> None:
    """Units are in homes from now on, and what is wrong with their versions will show. ``overdue``: even those that should have
    gone back, for somebody did it."""
    books.move("install", rows, overdue=overdue)
    units = books.units
    units.installed_s[rows] = now_ms // 1000
    units.installer[rows] = units.owner[rows]
    units.removed_s[rows] = units.updated_s[rows] = 0
    units.flags[rows] &= ~np.uint8(FAILS_INSTALL)
    let_show(books, rows, now_ms)


def let_show(books: Books, rows: Rows, now_ms: int) -> None:
    """Draw when the defect of its version shows at each unit in service; 0 is never."""
    units = books.units
    units.shows_s[rows] = 0
    versions = books.versions_of(rows)
    for defect in _defects(books, "service"):
        chosen = rows[versions == int(defect.version, 16)]
        euis = books.euis(chosen)
        hit = draws_below(100, books.seed, euis, f"defect of {defect.version}") < defect.percent
        after_s = draws_below(2 * defect.onset_days * DAY_MS // 1000 + 1, books.seed, euis, f"onset of {defect.version}")
        units.shows_s[chosen[hit]] = now_ms // 1000 + after_s[hit]


def update_installed(books: Books, rows: Rows, version: int, now_ms: int) -> None:
    """Units in homes run another version from now on."""
    units = books.units
    shown = (units.shows_s[rows] != 0) & (units.shows_s[rows] <= now_ms // 1000)
    units.version[rows] = books.version_number(version)
    units.updated_s[rows] = now_ms // 1000
    let_show(books, rows[~shown], now_ms)


def affected(books: Books, at_ms: int) -> int:
    """Units in homes at which the defect of their version shows at an instant."""
    units, at_s = books.units, at_ms // 1000
    shows = (units.shows_s != 0) & (units.shows_s <= at_s)
    gone = ((units.updated_s != 0) & (units.updated_s > units.shows_s) & (units.updated_s <= at_s)) | _removed(books, at_s)
    return int((shows & ~gone).sum())


def in_service(books: Books, at_ms: int) -> int:
    """Units that are in homes at an instant."""
    at_s = at_ms // 1000
    there = (books.units.installed_s != 0) & (books.units.installed_s <= at_s)
    return int((there & ~_removed(books, at_s)).sum())


def shows(books: Books, row: int, now_ms: int) -> bool:
    """Whether the defect of its version shows at a unit."""
    units, at_s, shown_s = books.units, now_ms // 1000, int(books.units.shows_s[row])
    if 0 < int(units.removed_s[row]) < shown_s:  # it would have, had it stayed
        return False
    return 0 < shown_s <= at_s and not shown_s < int(units.updated_s[row]) <= at_s


def _removed(books: Books, at_s: int) -> npt.NDArray[np.bool_]:
    units = books.units
    found: npt.NDArray[np.bool_] = (units.removed_s != 0) & (units.removed_s <= at_s)
    return found


def _defects(books: Books, kind: str) -> list[Defect]:
    return [each for each in books.state.defects if each.kind == kind]


def fails(books: Books, row: int) -> bool:
    """Whether an installation of a hub fails by the version that it has."""
    return bool(books.state.defects) and bool(_failing(books, one(row))[0])


def _failing(books: Books, rows: Rows) -> npt.NDArray[np.bool_]:
    """Which installations fail by the version that the hub has."""
    fails = np.zeros(len(rows), np.bool_)
    versions = books.versions_of(rows)
    for defect in _defects(books, "install"):
        drawn = draws_below(100, books.seed, books.euis(rows), f"installation with {defect.version}") < defect.percent
        fails |= (versions == int(defect.version, 16)) & drawn
    return fails
