"""The money of a meter: what it has charged, credit, emergency credit and debts, as tariff, load and time make them.

An account is kept as it was when something was last done to it. What it is later follows from the load shape and the terms, which
do not change meanwhile, since every change of terms brings the account up to date first. So reads change nothing.

How charges are met is ours, built on which credit pays which charge (test messages ECS03): the meter balance pays as far as the
disablement threshold, then emergency credit that was taken. What neither pays is accumulated debt where it is a standing charge
or a time debt; consumption brings the balance below the threshold. In credit mode an electricity meter counts down from its last
reset, and a gas meter counts its bill up.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from itertools import pairwise

from emulator.domain.vocabulary import DeviceType
from emulator.premises import metering
from emulator.premises.context import Context
from emulator.premises.load_shape import GAS
from emulator.premises.state import Account, DeviceState
from emulator.premises.switching import PRIMARY, daily_reset_ms, thresholds
from emulator.premises.terms import (
    DAY_MS,
    FINE,
    FIRST_BLOCK_SCRIPT,
    WH_OF_GAS,
    Terms,
    gas_thresholds,
    is_by_block,
    is_spared,
    rate_at,
    rates,
    scaled,
    terms_of,
)

HALF_HOUR_MS = 1_800_000
KEPT = 100
"""Balances of the past that are kept, beside those of the first of each month; ours, more than the longest daily log."""

TIME_DEBTS = (0, 1)
COLLECTED: Mapping[int, int] = {0: 0x81A7, 1: 0x81A8, 2: 0x81A9}
"""Alerts that a debt is paid off, by debt (alert_codes.csv)."""

Happened = list[tuple[int, int]]
"""Simulated time and alert code."""

Figures = tuple[int, ...]
"""Meter balance, emergency credit, accumulated debt, time debts 1 and 2, payment debt."""


def figures(account: Account) -> Figures:
    """The balances of an account."""
    return account.meter, account.emergency_credit, account.accumulated_debt, *account.debts


def at_present(context: Context, device: DeviceState, now_ms: int) -> Account:
    """The account as it is now, to be looked at only."""
    if device.account is None:
        return Account(now_ms)
    account = deepcopy(device.account)
    advance(context, device, account, terms_of(device), now_ms)
    return account


def figures_at(context: Context, device: DeviceState, at_ms: int, now_ms: int) -> Figures:
    """The balances at an instant until now; nothing before anything was done to the account."""
    account = at_present(context, device, now_ms)
    if at_ms >= now_ms:
        return figures(account)
    return next((held for from_ms, held in reversed(account.history) if from_ms <= at_ms), (0,) * len(figures(account)))


def brought_up(context: Context, device: DeviceState, now_ms: int) -> tuple[Account, Happened]:
    """The account, to be changed, with all charges until now in it, and what happened on the way."""
    if device.account is None:
        device.account = Account(now_ms, blocks=_counted_blocks(context, device, now_ms))
        return device.account, []
    happened = advance(context, device, device.account, terms_of(device), now_ms)
    return device.account, happened


def _counted_blocks(context: Context, device: DeviceState, now_ms: int) -> dict[int, int]:
    """What the blocks have counted since they were last started anew."""
    if device.device_type is DeviceType.GSME:
        return {0: metering.used(context, device, GAS, metering.month_start(now_ms), now_ms) * WH_OF_GAS}
    counters = metering.registers(context, device, now_ms).counters
    columns = (sum(row[column] for row in counters) for column in range(metering.COLUMNS))
    return {column: total for column, total in enumerate(columns, start=1) if total}


def note(account: Account, at_ms: int) -> None:
    """Keep the balances of this moment, for logs."""
    if account.history and account.history[-1][0] == at_ms:
        account.history.pop()
    account.history.append((at_ms, figures(account)))
    if len(account.history) > 2 * KEPT:
        old = account.history[:-KEPT]
        account.history[:-KEPT] = [entry for entry in old if _first_of_month(entry[0])][-KEPT:]


def _first_of_month(at_ms: int) -> bool:
    return at_ms % DAY_MS == 0 and datetime.fromtimestamp(at_ms // 1000, UTC).day == 1


def advance(context: Context, device: DeviceState, account: Account, terms: Terms, to_ms: int) -> Happened:
    """Take all charges until an instant; what was paid off meanwhile."""
    happened: Happened = []
    if terms.idle and not any(account.debts):
        account.settled_ms = max(account.settled_ms, to_ms)
        return happened
    while account.settled_ms < to_ms:
        day = account.settled_ms // DAY_MS
        for start, end in pairwise(_borders(context, device, account, terms, day, to_ms)):
            _charge(context, device, account, terms, start, end)
            account.settled_ms = end
            happened += _at_border(account, terms, end)
    return happened


def _borders(context: Context, device: DeviceState, account: Account, terms: Terms, day: int, to_ms: int) -> Sequence[int]:
    """The moments of a day, from where the account is, between which one rate holds and nothing falls due."""
    begin, end = account.settled_ms, min((day + 1) * DAY_MS, to_ms)
    midnight = day * DAY_MS
    found = {midnight + from_ms for element in range(len(terms.prices)) for from_ms, _ in rates(device, terms, element, day)}
    for amount, period_ms in terms.recoveries:
        if amount and terms.prepayment:
            found.update(range(-(-midnight // period_ms) * period_ms, end + 1, period_ms))
    if terms.prepayment:
        found.update(range(midnight, end + 1, HALF_HOUR_MS))
    found.update(_resets(device, terms, day))
    return [begin, *sorted(at_ms for at_ms in found if begin < at_ms < end), end]


def _resets(device: DeviceState, terms: Terms, day: int) -> Iterator[int]:
    """When the blocks are started anew on a day: by command, or daily; those of a gas meter by the month."""
    if terms.gas:
        return
    yield from (device.meter.block_resets if device.meter else ())
    daily = daily_reset_ms(terms.tables)
    if daily is not None:
        yield day * DAY_MS + daily


def _charge(context: Context, device: DeviceState, account: Account, terms: Terms, start: int, end: int) -> None:
    """Charge what was used between two moments at one rate; nothing while the supply was off for want of credit."""
    if account.cut_off:
        return
    if terms.gas:
        if metering.month_start(start) == start:
            account.blocks.clear()
    elif start in set(_resets(device, terms, start // DAY_MS)):
        account.blocks.clear()
    for element, (exponent, prices) in enumerate(terms.prices):
        used = metering.used(context, device, metering.streams_of(device)[element], start, end)
        script = rate_at(device, terms, element, start)
        for index, amount in _priced(account, terms, element, script, used):
            account.carry += scaled(amount * prices.get(index, 0), exponent)
    whole, account.carry = divmod(account.carry, FINE)
    _spend(account, terms, whole, owed=False)


def _priced(account: Account, terms: Terms, element: int, script: int, used: int) -> Iterator[tuple[int, int]]:
    """Index of the price and energy in Wh, split at the thresholds of the blocks."""
    if terms.gas:
        energy = used * WH_OF_GAS
        if is_by_block(terms):
            yield from ((0xA1 + block, part) for block, part in _by_block(account, 0, gas_thresholds(terms), energy))
        else:
            yield script, energy
        return
    column = script - FIRST_BLOCK_SCRIPT
    if element == PRIMARY and 1 <= column <= metering.COLUMNS:
        limits = thresholds(terms.tables, column)
        yield from ((0xA0 + 16 * block + column, part) for block, part in _by_block(account, column, limits, used))
    else:
        yield script % 100 if element != PRIMARY else script, used


def _by_block(account: Account, column: int, limits: Sequence[int], amount: int) -> Iterator[tuple[int, int]]:
    before = account.blocks.get(column, 0)
    account.blocks[column] = before + amount
    for block in range(metering.BLOCKS):
        room = max(0, limits[block] - before) if block < len(limits) else amount
        part = min(amount, room)
        if part:
            yield block, part
        amount, before = amount - part, before + part


def _at_border(account: Account, terms: Terms, at_ms: int) -> Happened:
    """The standing charge of a day that ends, time debts that fall due, and the balances of midnight."""
    happened: Happened = []
    if at_ms % DAY_MS == 0 and terms.standing:
        _spend(account, terms, terms.standing, owed=True)
    for debt in TIME_DEBTS:
        rate, period_ms = terms.recoveries[debt]
        if terms.prepayment and rate and at_ms % period_ms == 0 and account.debts[debt] and not _rests(account, terms):
            amount = min(rate, account.debts[debt])
            account.debts[debt] -= amount
            _spend(account, terms, amount, owed=True)
            if not account.debts[debt]:
                happened.append((at_ms, COLLECTED[debt]))
    if at_ms % DAY_MS == 0:
        note(account, at_ms)
    return happened


def _rests(account: Account, terms: Terms) -> bool:
    """Whether time debts are not recovered just now."""
    if account.cut_off:
        return terms.debt_rests_when_off
    return terms.debt_rests_in_emergency and account.emergency_taken and account.meter <= terms.disablement


def _spend(account: Account, terms: Terms, amount: int, *, owed: bool) -> None:
    """Let credit meet a charge; ``owed`` is what becomes debt where there is none."""
    if not terms.prepayment:
        if terms.gas:
            account.bill += amount
        else:
            account.meter -= amount
        return
    part = min(amount, max(0, account.meter - terms.disablement))
    account.meter -= part
    rest = amount - part
    if account.emergency_taken:
        part = min(rest, account.emergency_credit)
        account.emergency_credit -= part
        rest -= part
    if owed:
        account.accumulated_debt += rest
    else:
        account.meter -= rest


# --- what the account is like -----------------------------------------------------------------------------------------------

LOW, AVAILABLE, EXHAUSTED, BELOW, SPARED = 0x810D, 0x8119, 0x81AA, 0x8F0F, 0x8F83
"""Alerts on credit: low, emergency credit can be had, it is used up, below the disablement threshold, and that supply goes on
all the same (alert_codes.csv)."""


def conditions(device: DeviceState, account: Account, terms: Terms, at_ms: int) -> list[int]:
    """What is so of an account in prepayment mode, by alert code."""
    if not terms.prepayment:
        return []
    helped = account.emergency_taken and account.emergency_credit > 0
    credit = account.meter + (account.emergency_credit if helped else 0)
    below = account.meter < terms.disablement and not helped
    found = {
        LOW: credit < terms.low_credit,
        AVAILABLE: bool(terms.emergency_limit) and not account.emergency_taken and account.meter <= terms.emergency_threshold,
        EXHAUSTED: account.emergency_taken and not helped,
        BELOW: below,
        SPARED: below and not account.cut_off and is_spared(device, at_ms + device.clock_offset_ms),
    }
    return [code for code, so in found.items() if so]


def next_look_ms(context: Context, device: DeviceState, now_ms: int) -> int | None:
    """When something about the account will be otherwise, or a day from now; None where nothing will be of itself."""
    terms, account = terms_of(device), device.account
    if account is None or not terms.prepayment or account.cut_off or (terms.idle and not any(account.debts)):
        return None
    ahead = deepcopy(account)
    ahead.history.clear()
    at_ms = now_ms
    while at_ms < now_ms + DAY_MS:
        at_ms = (at_ms // HALF_HOUR_MS + 1) * HALF_HOUR_MS
        advance(context, device, ahead, terms, at_ms)
        if conditions(device, ahead, terms, at_ms) != account.told:
            break
    return at_ms
