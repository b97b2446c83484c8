"""What a meter writes into its billing logs, and when: on the dates of its billing calendar, and when mode or tariff change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import decode_data
from emulator.premises import accounts
from emulator.premises.context import Context
from emulator.premises.load_shape import DAY_MS, GAS
from emulator.premises.metering import NOTHING_FLOWS, fitted_ms, memory_of, note, note_changes, used, value_at
from emulator.premises.state import CreditAdded, DebtPaid, DeviceState
from emulator.premises.switching import GAS_TARIFF, GOVERNING, date_fits, gas_tariff, of_day_ms
from emulator.simulation.draws import draw_below

DEPTH = 12
"""Entries that billing logs keep (usecase_spec.json ECS20b, ECS20c, GCS15b, GCS15c)."""

CREDITS_KEPT, DEBT_PAYMENTS_KEPT = 5, 10
"""Entries of the logs of credit added and of payments towards debt (usecase_spec.json ECS20a, ECS20d)."""

PAYMENT_DEBT = 2
"""Number of the debt that payments pay off; 0 and 1 are the debts by time (test messages GCS15d)."""

CALENDAR = "22 0-0:15.0.0.255 4"
"""Times and dates at which a bill is drawn up (ECS30a)."""

GAS_THRESHOLDS = ("0700 0100", "0700 0101", "0700 0102")
"""Consumption at which a gas meter goes from one block to the next."""

MODES = ("111 0-0:19.0.0.255 2", "0705 0000")
"""Payment mode, of an electricity and of a gas meter."""

TARIFFS = (
    *(f"20 0-0:13.0.{element}.255 {index}" for element in (0, 1) for index in (3, 4, 5)),
    *(f"113 0-0:19.20.{charge}.255 5" for charge in (0, 4, 5)),
    GAS_TARIFF, *(f"0700 04{place}" for place in ("00", "01", "02", "03", "10", "20", "30", "40")), *GAS_THRESHOLDS,
)  # fmt: skip
"""Switching tables and prices: each change of one is a change of tariff."""

VOLTAGE_LIMITS: Mapping[str, str] = {
    f"3 1-0:{phase}.{counter}.0.4": f"1 1-0:{phase}.{limit}.0.4 2"
    for phase in (32, 52, 72)
    for counter, limit in ((32, 31), (36, 35))
}
"""Limits of the average voltages of the phases, by what counts the periods beyond them (usecase_spec.json ECS23, ECS29a)."""

VOLTAGE_PERIODS = tuple(f"7 1-0:{phase}.24.0.255 4" for phase in (32, 52, 72))
"""Over how long the voltages of the phases are averaged."""

WATCHED = tuple(dict.fromkeys((
    *GOVERNING, CALENDAR, *MODES, *TARIFFS, *VOLTAGE_LIMITS.values(), *VOLTAGE_PERIODS,
    *(name for names in NOTHING_FLOWS.values() for name, _ in names),
)))  # fmt: skip
"""Attributes of which registers and logs need to know what they were."""


def remember(device: DeviceState, now_ms: int) -> None:
    """Note what a Command, or the date of one, has changed of the watched attributes."""
    if device.device_type not in (DeviceType.ESME, DeviceType.GSME):
        return
    note_changes(device, WATCHED, now_ms)
    if device.device_type is DeviceType.GSME and (tariff := gas_tariff(device)) is not None:
        note(device, GAS_TARIFF, tariff, now_ms)


@dataclass(frozen=True, slots=True)
class Balances:
    """Credit and debt, in the unit in which the meter keeps them."""

    meter: int = 0
    emergency_credit: int = 0
    accumulated_debt: int = 0
    time_debt_1: int = 0
    time_debt_2: int = 0
    payment_debt: int = 0


def balances_at(context: Context, device: DeviceState, at_ms: int, now_ms: int) -> Balances:
    """Credit and debt at an instant until now; 0 before they were ever changed."""
    return Balances(*accounts.figures_at(context, device, at_ms, now_ms))


def _number(value: str | None, *, gas: bool) -> int:
    if value is None:
        return 0
    octets = bytes.fromhex(value)
    return int.from_bytes(octets, "big", signed=True) if gas else decode_data(octets).number


def changes(device: DeviceState, attributes: Iterable[str], now_ms: int) -> list[int]:
    """When one of these attributes was changed, oldest first, as many as a log keeps."""
    history = device.meter.history if device.meter else {}
    found = {from_ms for attribute in attributes for from_ms, _ in history.get(attribute, []) if from_ms <= now_ms}
    return sorted(found)[-DEPTH:]


def calendar_dates(context: Context, device: DeviceState, now_ms: int) -> list[int]:
    """The instants at which a bill was drawn up, oldest first, as many as a log keeps.

    A meter whose calendar was never set draws one up at the beginning of each month (ours).
    """
    found: list[int] = []
    for day in range(now_ms // DAY_MS, fitted_ms(context, device) // DAY_MS, -1):
        due = {day * DAY_MS + of_day for of_day in _due(device, day)}
        found = [*sorted(at_ms for at_ms in due if at_ms <= now_ms), *found]
        if len(found) >= DEPTH:
            break
    return found[-DEPTH:]


def next_date(device: DeviceState, now_ms: int) -> int | None:
    """When the next bill is to be drawn up, or None where the calendar names no date within two years."""
    for day in range(now_ms // DAY_MS, now_ms // DAY_MS + 731):
        later = [day * DAY_MS + of_day for of_day in _due(device, day) if day * DAY_MS + of_day > now_ms]
        if later:
            return min(later)
    return None


def _due(device: DeviceState, day: int) -> list[int]:
    """At which milliseconds of a day the calendar that holds at its end draws up a bill."""
    when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
    value = value_at(device, CALENDAR, (day + 1) * DAY_MS - 1)
    if value is None:
        return [0] if when.day == 1 else []
    try:
        rows = decode_data(bytes.fromhex(value)).items
        return [of_day_ms(row.items[0].octets) for row in rows if date_fits(row.items[1].octets, when)]
    except (Malformed, IndexError, ValueError):
        return []


def gas_blocks(context: Context, device: DeviceState, at_ms: int) -> tuple[int, ...]:
    """What a gas meter has counted in each block since its last bill, or since its thresholds were set; nothing without any.

    That the counters begin anew with a bill is ours.
    """
    limits = [_number(value_at(device, attribute, at_ms), gas=True) for attribute in GAS_THRESHOLDS]
    history = device.meter.history if device.meter else {}
    set_ms = [from_ms for attribute in GAS_THRESHOLDS for from_ms, _ in history.get(attribute, []) if from_ms <= at_ms]
    if not set_ms or not any(limits):
        return (0,) * (len(limits) + 1)
    bills = calendar_dates(context, device, at_ms)
    left = used(context, device, GAS, max([*bills[-1:], max(set_ms)]), at_ms)
    blocks, before = [], 0
    for limit in limits:
        room = min(left, max(0, limit - before)) if limit else left
        blocks.append(room)
        left, before = left - room, before + room
    return (*blocks, left)


_DAYS_BETWEEN_TOP_UPS, _DAYS_BETWEEN_PAYMENTS = 6, 3
"""How many days lay between top-ups, and between payments, before the world began; ours."""

_PAYMENT = 100_000
"""What each of those payments was; ours."""


def credits_of(context: Context, device: DeviceState) -> list[CreditAdded]:
    """The log of credit added, oldest first. A meter was topped up now and then before the world began (ours)."""
    entries = []
    for n in range(CREDITS_KEPT, 0, -1):
        draws = [draw_below(limit, context.seed, device.eui, n, "top-up") for limit in (DAY_MS, 4, 10**20)]
        at_ms = context.start_ms - n * _DAYS_BETWEEN_TOP_UPS * DAY_MS + draws[0]
        entries.append(CreditAdded(at_ms // 1000 * 1000, 500_000 * (1 + draws[1]), f"{draws[2]:020}"))
    return [*entries, *(device.meter.credits if device.meter else ())][-CREDITS_KEPT:]


def debt_payments_of(context: Context, device: DeviceState) -> list[DebtPaid]:
    """The log of payments towards debt, oldest first. Before the world began a debt was paid off (ours)."""
    entries = []
    for n in range(DEBT_PAYMENTS_KEPT, 0, -1):
        of_day = draw_below(DAY_MS, context.seed, device.eui, n, "payment")
        at_ms = (context.start_ms - n * _DAYS_BETWEEN_PAYMENTS * DAY_MS + of_day) // 1000 * 1000
        entries.append(DebtPaid(at_ms, _PAYMENT, PAYMENT_DEBT, (n - 1) * _PAYMENT))
    return [*entries, *(device.meter.debt_payments if device.meter else ())][-DEBT_PAYMENTS_KEPT:]


def log_credit(device: DeviceState, amount: int, code: str, now_ms: int) -> None:
    """Enter credit that was added."""
    credits = memory_of(device).credits
    credits.append(CreditAdded(now_ms, amount, code))
    del credits[:-CREDITS_KEPT]


def log_debt_payment(device: DeviceState, amount: int, kind: int, left: int, now_ms: int) -> None:
    """Enter a payment towards the debt of this number, of which ``left`` is still owed."""
    payments = memory_of(device).debt_payments
    payments.append(DebtPaid(now_ms, amount, kind, left))
    del payments[:-DEBT_PAYMENTS_KEPT]
