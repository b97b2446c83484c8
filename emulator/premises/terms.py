"""On what terms a meter charges: payment mode, prices, standing charge, debts, limits of credit, as they are in force.

An electricity meter has them in COSEM objects, a gas meter in ZCL attributes and calendars; here both look alike. What was never
set is nothing: no price, no limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import NULL, Data, decode_data
from emulator.premises import gas_calendars
from emulator.premises.metering import is_twin
from emulator.premises.state import Account, DeviceState
from emulator.premises.switching import GOVERNING, PRIMARY, SECONDARY, Tables, date_fits, of_day_ms, scripts_of

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
FINE = 1000
"""Parts of a hundred-thousandth in which charges are counted: a price per kWh of scale -5 for one Wh is one of them."""

WH_OF_GAS = 11
"""Energy of a thousandth of a cubic metre, in Wh; ours, the meter's calorific value and conversion do not change it."""

FIRST_BLOCK_SCRIPT, SECOND_SCRIPTS = 100, 200
"""Scripts beyond these choose a column of blocks, or a rate of the second element (test messages ECS01a, ECS01c)."""

HOURLY = "00"
"""How a gas meter keeps that a debt is recovered every hour; otherwise daily (test messages GCS04)."""

_PREPAYMENT_MODE = 2
_GAS_PREPAYMENT, _GAS_KEEP_WHEN_OFF, _GAS_KEEP_IN_EMERGENCY = 0x0003, 0x0400, 0x0800
"""Bits of a gas meter's configuration (test messages GCS02, GCS03)."""

Prices = tuple[int, Mapping[int, int]]
"""Power of ten that makes a price one of fine parts per Wh, and the prices by index."""

_NO_PRICES: Prices = (0, {})


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms at one moment."""

    gas: bool
    twin: bool
    prepayment: bool
    prices: Sequence[Prices]
    """By element."""
    tables: Tables
    """Switching tables and thresholds of an electricity meter."""
    standing: int
    """Standing charge of a day."""
    recoveries: tuple[tuple[int, int], ...]
    """Amount and period (ms) by time debt."""
    disablement: int
    low_credit: int
    emergency_limit: int
    emergency_threshold: int
    most_balance: int
    most_top_up: int
    share: int
    """Of a payment towards debt, in ten-thousandths."""
    cap: int
    """Most that goes towards debt in a period."""
    cap_period_ms: int
    debt_rests_when_off: bool
    debt_rests_in_emergency: bool

    @property
    def idle(self) -> bool:
        """Whether nothing is ever charged."""
        return not (self.standing or any(any(table.values()) for _, table in self.prices))


def terms_of(device: DeviceState) -> Terms:
    """The terms in force."""
    return _gas_terms(device) if device.device_type is DeviceType.GSME else _electricity_terms(device)


# --- electricity meters ----------------------------------------------------------------------------------------------------


def _electricity_terms(device: DeviceState) -> Terms:
    def number(attribute: str) -> int:
        return _number(device.attributes.get(attribute, ""))

    twin = is_twin(device)
    elements = ("113 0-0:19.20.0.255 5", "113 0-0:19.20.5.255 5")[: 2 if twin else 1]
    rests = _debt_rests(device.attributes.get("111 0-0:19.0.0.255 11", ""))
    return Terms(
        gas=False, twin=twin, prepayment=number("111 0-0:19.0.0.255 2") == _PREPAYMENT_MODE,
        prices=tuple(_prices(device.attributes.get(name, "")) for name in elements),
        tables=tuple((name, device.attributes[name]) for name in GOVERNING if name in device.attributes),
        standing=_charge(device, "113 0-0:19.20.4.255"),
        recoveries=tuple(
            (_charge(device, f"113 0-0:19.20.{debt}.255"), max(HOUR_MS, (number(f"113 0-0:19.20.{debt}.255 8") or 86_400) * 1000))
            for debt in (1, 2)
        ),
        disablement=number("21 0-0:16.0.1.255 2"), low_credit=number("111 0-0:19.0.0.255 16"),
        emergency_limit=number("112 0-0:19.10.1.255 9"), emergency_threshold=number("112 0-0:19.10.1.255 10"),
        most_balance=number("9000 0-0:94.44.2.20 2"), most_top_up=number("9000 0-0:94.44.2.10 2"),
        share=number("113 0-0:19.20.3.255 13"), cap=number("111 0-0:19.0.0.255 18") * FINE,
        cap_period_ms=number("111 0-0:19.0.0.255 19") * 1000, debt_rests_when_off=rests[0], debt_rests_in_emergency=rests[1],
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _number(value: str) -> int:
    """A number, or the first of a list; 0 for what is neither."""
    try:
        data = decode_data(bytes.fromhex(value)) if value else NULL
        return data.number if isinstance(data.value, int) or data is NULL else data.items[0].number
    except (Malformed, IndexError):
        return 0


@lru_cache(maxsize=1024)
def _debt_rests(configuration: str) -> tuple[bool, bool]:
    """Whether time debts are left alone while supply is off, and while emergency credit pays: the pairs of meter balance and of
    emergency credit with them (test messages ECS03; which pair stands for which is inferred)."""
    try:
        rows = decode_data(bytes.fromhex(configuration)).items if configuration else ()
        found = {(row.items[0].octets[4], row.items[1].octets[4]): str(row.items[2].value) for row in rows}
    except (Malformed, IndexError):
        return False, False
    return found.get((0, 1), "111") != "111", found.get((1, 1), "111") != "111"


@lru_cache(maxsize=1024)
def _prices(matrix: str) -> Prices:
    """A price matrix, by the octet of each index."""
    if not matrix:
        return _NO_PRICES
    try:
        scaling, _, table = decode_data(bytes.fromhex(matrix)).items
        commodity, price = (item.number for item in scaling.items)
        rows = {int.from_bytes(row.items[0].octets, "big"): row.items[1].number for row in table.items}
    except (Malformed, ValueError, IndexError):
        return _NO_PRICES
    return price - commodity + 8, rows


def _charge(device: DeviceState, named: str) -> int:
    """The one amount of a charge, in hundred-thousandths."""
    exponent, rows = _prices(device.attributes.get(f"{named} 5", ""))
    return scaled(sum(rows.values()), exponent - 3)


def scaled(amount: int, exponent: int) -> int:
    """An amount times a power of ten."""
    power: int = 10 ** abs(exponent)
    return amount * power if exponent >= 0 else amount // power


# --- gas meters ------------------------------------------------------------------------------------------------------------


def _gas_terms(device: DeviceState) -> Terms:
    def number(attribute: str, *, signed: bool = False) -> int:
        return int.from_bytes(bytes.fromhex(device.attributes.get(attribute, "00")), "big", signed=signed)

    mode = number("0705 0000")
    by_block = {0xA1 + place: number(f"0700 040{place}") for place in range(4)}
    by_tier = {tier: number(f"0700 04{tier}0") for tier in range(1, 5)}
    thresholds = tuple(("threshold", f"{number(f'0700 010{place}')}") for place in range(3))
    scheme = (("scheme", f"{number('0700 scheme')}"), ("divisor", f"{number('0700 0203') or 1000}"))
    return Terms(
        gas=True, twin=False, prepayment=mode & _GAS_PREPAYMENT == _GAS_PREPAYMENT, prices=((0, by_block | by_tier),),
        tables=(*scheme, *thresholds), standing=number("0700 0301"),
        recoveries=tuple(
            (number(f"0705 02{debt}7"), HOUR_MS if device.attributes.get(f"0705 02{debt}6") == HOURLY else DAY_MS)
            for debt in (1, 2)
        ),
        disablement=number("0705 0040", signed=True), low_credit=number("0705 0031"),
        emergency_limit=number("0705 0010"), emergency_threshold=number("0705 0011"), most_balance=number("0705 0021"),
        most_top_up=number("0705 0022"), share=number("0705 0239"), cap=number("0705 0006", signed=True),
        cap_period_ms=7 * DAY_MS, debt_rests_when_off=bool(mode & _GAS_KEEP_WHEN_OFF),
        debt_rests_in_emergency=not mode & _GAS_KEEP_IN_EMERGENCY,
    )  # fmt: skip


def is_by_block(terms: Terms) -> bool:
    """Whether a gas meter charges by block."""
    return int(dict(terms.tables[:1])["scheme"]) & 0xF0 == 0x10


def gas_thresholds(terms: Terms) -> list[int]:
    """The thresholds of a gas meter that are used, in Wh."""
    divisor = int(terms.tables[1][1])
    found = (int(value) * 1000 // divisor for _, value in terms.tables[2:])
    return [threshold for threshold in found if threshold]


# --- what holds when --------------------------------------------------------------------------------------------------------


def rates(device: DeviceState, terms: Terms, element: int, day: int) -> Sequence[tuple[int, int]]:
    """Milliseconds of the day and script, or tier of a gas meter, from midnight on."""
    if terms.gas:
        return gas_calendars.schedule(device, gas_calendars.TARIFF, day) or ((0, 1),)
    first = SECOND_SCRIPTS + 1 if element == SECONDARY else 1
    return scripts_of(terms.tables, element, day) or ((0, first),)


def rate_at(device: DeviceState, terms: Terms, element: int, at_ms: int) -> int:
    """The script or tier at an instant."""
    day, of_day = divmod(at_ms, DAY_MS)
    return next(script for from_ms, script in reversed(rates(device, terms, element, day)) if from_ms <= of_day)


def gas_price(device: DeviceState, account: Account, at_ms: int) -> int:
    """The price per kWh of a gas meter at this moment of its account, in hundred-thousandths; 0 without any."""
    terms = terms_of(device)
    index = rate_at(device, terms, PRIMARY, at_ms)
    if is_by_block(terms):
        index = 0xA1 + _block(gas_thresholds(terms), account.blocks.get(0, 0))
    exponent, prices = terms.prices[PRIMARY]
    return scaled(prices.get(index, 0), exponent)


def _block(limits: Sequence[int], used: int) -> int:
    return sum(used >= limit for limit in limits)


def is_spared(device: DeviceState, at_ms: int) -> bool:
    """Whether supply is not to end for want of credit at this time, by the non-disablement calendar."""
    day, of_day = divmod(at_ms, DAY_MS)
    if device.device_type is DeviceType.GSME:
        begun = [
            value for from_ms, value in gas_calendars.schedule(device, gas_calendars.NON_DISABLEMENT, day) if from_ms <= of_day
        ]
        return bool(begun) and begun[-1] == 1
    tables = device.attributes.get("10 0-0:12.0.1.255 2", ""), device.attributes.get("11 0-0:11.0.2.255 2", "")
    for back in range(8):
        begun = [action for from_ms, action in _non_disablement(*tables, day - back) if back or from_ms <= of_day]
        if begun:
            return begun[-1] == _START
    return False


_START = 32
"""Script that begins non-disablement; 33 ends it (test messages ECS08a)."""


@lru_cache(maxsize=4096)
def _non_disablement(schedule: str, special: str, day: int) -> tuple[tuple[int, int], ...]:
    """Milliseconds of the day and script of the entries of a schedule that apply to a day since 1970."""
    when = gas_calendars.date_of(day)
    try:
        entries = decode_data(bytes.fromhex(schedule)).items if schedule else ()
        days = decode_data(bytes.fromhex(special)).items if special else ()
        return tuple(sorted(action for row in entries if (action := _action(row, days, when)) is not None))
    except (Malformed, IndexError, ValueError):
        return ()


def _action(row: Data, days: Sequence[Data], when: date) -> tuple[int, int] | None:
    """Millisecond of the day and script of an entry of a schedule, or None where it does not apply to this date."""
    _, enabled, _, script, time, _, weekdays, special_days, begin, end = row.items
    on_weekday = str(weekdays.value)[when.weekday()] == "1"
    chosen = (entry for bit, entry in zip(str(special_days.value), days, strict=False) if bit == "1")
    on_special = any(date_fits(entry.items[1].octets, when) for entry in chosen)
    if not enabled.number or not (on_weekday or on_special) or not _within(when, begin.octets, end.octets):
        return None
    return of_day_ms(time.octets), script.number


def _within(when: date, begin: bytes, end: bytes) -> bool:
    """Whether a date lies between two COSEM dates, the year of which may be left open."""
    today = when.year, when.month, when.day

    def limit(octets: bytes, open_day: int) -> tuple[int, int, int]:
        year = int.from_bytes(octets[:2], "big")
        return (today[0] if year == 0xFFFF else year, octets[2], octets[3] if octets[3] != 0xFF else open_day)

    first, last = limit(begin, 1), limit(end, 31)
    return first <= today <= last if first <= last else today >= first or today <= last
