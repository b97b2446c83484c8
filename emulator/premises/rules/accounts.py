"""Rules of balances: what a meter has charged, what credit there is, what is owed."""

from collections.abc import Mapping
from operator import itemgetter

from emulator.premises.accounts import at_present, figures
from emulator.premises.readings import Reading, Rule
from emulator.premises.state import Account

METER, EMERGENCY_CREDIT, ACCUMULATED_DEBT, TIME_DEBT_1, TIME_DEBT_2, PAYMENT_DEBT = range(6)

_MOST = 0x7FFFFFFF
"""The largest number of a balance (its types in test messages ECS82, GCS14)."""


def _figure(place: int) -> Rule:
    """A balance as it is now, as far as the attribute holds it."""
    return lambda reading: max(-_MOST - 1, min(_MOST, itemgetter(place)(figures(_account(reading)))))


def _owed(place: int) -> Rule:
    """A debt, where the attribute has no sign."""
    return lambda reading: max(0, min(_MOST, itemgetter(place)(figures(_account(reading)))))


def _account(reading: Reading) -> Account:
    return at_present(reading.context, reading.device, reading.now_ms)


RULES: Mapping[str, Rule] = {
    "meter_balance": _figure(METER),
    "emergency_credit_balance": _figure(EMERGENCY_CREDIT),
    "accumulated_debt": _figure(ACCUMULATED_DEBT),
    "time_debt_1": _owed(TIME_DEBT_1),
    "time_debt_2": _owed(TIME_DEBT_2),
    "payment_debt": _owed(PAYMENT_DEBT),
    "gas_bill": lambda reading: max(0, min(_MOST, _account(reading).bill)),
}
