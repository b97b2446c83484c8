"""What logistics cost: fees as published, prices of ours, and what pays from how many returns on (T-06, T-19, C-13)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emulator.domain.settings import DAY_MS
from emulator.logistics import reflash, returning, stock
from emulator.logistics.books import Books
from emulator.logistics.settings import LEVELS, LogisticsSettings
from emulator.logistics.tables import variant_list

VOLUMES = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
"""Returns of a year for which a break-even is shown."""
CHARGED = ("supplier_store", "installer", "to_reflash", "reflashing", "from_reflash", "installed")
"""Where the hubs are for whose days in stock a supplier is charged, beside those that went back."""
HOLDINGS = (30, 200, 1_000, 5_000, 20_000)
"""Hubs that a supplier has in stock, for which the smallest lot is swept: from a small supplier (C-13) to a large one."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A year of so many returns, with triage and without."""

    returns: int
    without_pence: int
    """Every hub that was returned as faulty is charged as one that cannot be used again."""
    with_pence: int
    """Triage finds those without a fault, which are used again."""

    @property
    def pays(self) -> bool:
        """Whether triage pays."""
        return self.with_pence < self.without_pence


def volume(settings: LogisticsSettings, returns: int) -> Volume:
    """What a year costs with so many single-band hubs that are returned as faulty."""
    free = returns * settings.no_fault_found_percent // 100
    alarms = free * settings.triage_false_alarms_percent // 100
    missed = (returns - free) * (100 - settings.triage_dcc_finds_percent) // 100
    used_again = free - alarms + missed
    with_pence = (
        settings.triage_fixed_pence
        + returns * settings.triage_pence
        + used_again * settings.redeployable_fee_pence
        + (returns - used_again) * settings.single_band_fee_pence
    )
    return Volume(returns, returns * settings.single_band_fee_pence, with_pence)


def break_even(settings: LogisticsSettings) -> int | None:
    """The fewest returns of a year from which triage pays; None where it never does."""
    low, high = 1, 10_000_000
    if not volume(settings, high).pays:
        return None
    while low < high:
        middle = (low + high) // 2
        if volume(settings, middle).pays:
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True, slots=True)
class Sweep:
    """A supplier with so many old hubs, under one smallest lot."""

    level: str
    holding: int
    reachable: int
    """Hubs that whole lots hold."""
    orders: int
    cost_pence: int
    visits_pence: int
    """What updates during visits of all of them would cost instead."""

    @property
    def stuck(self) -> int:
        """Hubs that no order can hold."""
        return self.holding - self.reachable


def sweep(settings: LogisticsSettings, level: str, holding: int, minutes: int) -> Sweep:
    """One order for all whole lots; an update during a visit takes ``minutes``."""
    size = {"unit": 1, "carton": settings.carton_units, "pallet": settings.carton_units * settings.pallet_cartons}[level]
    reachable = holding // size * size
    orders = 1 if reachable else 0
    cost = orders * settings.reflash_lot_pence + reachable * settings.reflash_pence
    return Sweep(level, holding, reachable, orders, cost, holding * minutes * settings.visit_minute_pence)


def sweeps(settings: LogisticsSettings, minutes: int) -> Iterator[Sweep]:
    """Every smallest lot with every holding."""
    for level in LEVELS:
        for holding in HOLDINGS:
            yield sweep(settings, level, holding, minutes)


def lot_break_even(settings: LogisticsSettings, minutes: int) -> int | None:
    """The fewest hubs of an order from which re-flashing is cheaper than updates during visits; None where it never is."""
    saved = minutes * settings.visit_minute_pence - settings.reflash_pence
    return None if saved <= 0 else settings.reflash_lot_pence // saved + 1


def spent(books: Books, company: str, now_ms: int) -> dict[str, tuple[int, int]]:
    """By item, how many of it a company had and what they cost in pence, so far. A hub in stock is charged until it is installed
    or returned (L107)."""
    settings, number = books.settings, books.number_of(company)
    found: dict[str, tuple[int, int]] = {}

    def add(item: str, count: int, pence: int) -> None:
        before = found.get(item, (0, 0))
        found[item] = (before[0] + count, before[1] + pence)

    for record in books.state.returns:
        if record.by == company:
            add(f"returns, {record.variant or 'no message'}", 1, returning.fee_pence(books, record))
            if variant_list()[int(books.units.variant[record.row])].is_hub:
                add("stock", 1, record.stock_days * settings.stock_day_pence)
    for look in books.state.triages:
        if look.by == company:
            add("triage", 1, settings.triage_pence)
    for order in books.state.orders:
        if order.by == company and order.state != "rejected":
            done = order.results.count(reflash.DONE)
            add("re-flash", done, settings.reflash_lot_pence + done * settings.reflash_pence)
    for run in books.state.runs:
        if run.by == company:
            add("visits", run.units, run.minutes * settings.visit_minute_pence)
    rows = stock.hubs_of(books, company, CHARGED)
    if number >= 0 and len(rows):
        installed_s = books.units.installed_s[rows].astype(np.int64)
        until_s = np.where(installed_s > 0, installed_s, now_ms // 1000)
        days = np.maximum(until_s - books.units.since_s[rows].astype(np.int64), 0) // (DAY_MS // 1000)
        add("stock", len(rows), int(days.sum()) * settings.stock_day_pence)
    return found
