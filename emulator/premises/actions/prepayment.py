"""Prepayment of electricity meters: settings, balances, debts, emergency credit, top-ups.

What becomes active when is of usecase_spec.json (ECS08a and ECS26a, by their names), methods are of ECS04a, ECS04b, ECS07, ECS09
and CS01a.
"""

from collections.abc import Mapping

from emulator.gbcs import dlms, utrn
from emulator.gbcs.dlms import AccessResult, Operation
from emulator.premises import credit
from emulator.premises.actions.tariffs import ACCOUNT, move, moving
from emulator.premises.answers import OTHER_REASON, DlmsCall, DlmsDated, DlmsHandlers
from emulator.premises.context import Context
from emulator.premises.credit import changing
from emulator.premises.readings import store, stored
from emulator.premises.state import Account, DatedChange, DeviceState, Timer
from emulator.premises.timers import Run

METER_BALANCE, EMERGENCY_CREDIT, ACCUMULATED_DEBT = (f"112 0-0:19.10.{number}.255" for number in range(3))
"""Credits: of the emergency credit, attribute 9 is its limit, 10 the balance at which it can be had."""

DEBTS = tuple(f"113 0-0:19.20.{number}.255" for number in (1, 2, 3))
"""Time debts 1 and 2, payment debt."""

TOP_UP = "115 0-0:19.40.0.255 1"

DISABLEMENT = "21 0-0:16.0.1.255 2"
"""The balance at which supply ends, a list of one."""

NEXT_DISABLEMENT = "9000 0-0:94.44.128.22 4"


def _change_disablement(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    value = stored(device, NEXT_DISABLEMENT)
    with changing(context, device, now_ms):
        if value is not None:
            store(device, DISABLEMENT, dlms.array(value))


def _adjust(call: DlmsCall) -> AccessResult:
    amount = call.data.number
    with changing(call.context, call.device, call.now_ms) as account:
        account.meter += amount
    return call.result()


def _reset(call: DlmsCall) -> AccessResult:
    """Method 2 of a credit: it becomes what is given."""
    amount = call.data.number
    with changing(call.context, call.device, call.now_ms) as account:
        set_credit(account, call.attribute, amount)
    return call.result()


def set_credit(account: Account, attribute: str, amount: int) -> None:
    """Make a credit what is given; emergency credit of nothing is none that was taken (ours)."""
    if attribute.startswith(METER_BALANCE):
        account.meter, account.carry = amount, 0
    elif attribute.startswith(EMERGENCY_CREDIT):
        account.emergency_credit = amount
        account.emergency_taken = account.emergency_taken and amount > 0
    else:
        account.accumulated_debt = amount


def _take_emergency_credit(call: DlmsCall) -> AccessResult:
    taken = credit.take_emergency_credit(call.context, call.device, call.now_ms)
    return call.result() if taken else call.result(OTHER_REASON)


def _change_debt(call: DlmsCall) -> AccessResult:
    debt, amount = DEBTS.index(call.attribute.rpartition(" ")[0]), call.data.number
    with changing(call.context, call.device, call.now_ms) as account:
        credit.add_debt(account, debt, amount)
    return call.result()


def _activate_recovery(call: DlmsCall) -> AccessResult:
    """Method 2 of a charge: its passive rate becomes the one in force."""
    named = call.attribute.rpartition(" ")[0]
    with changing(call.context, call.device, call.now_ms):
        move(call.device, [(f"{named} 6", f"{named} 5")])
    return call.result()


def _set(call: DlmsCall) -> AccessResult:
    """What is in force as soon as it is set."""
    with changing(call.context, call.device, call.now_ms):
        store(call.device, call.attribute, call.data)
    return call.result()


def _top_up(call: DlmsCall) -> AccessResult:
    """The top-up counter is of the Command that brings the token (gbcs.md 5)."""
    text, counter = call.data.octets.decode("latin-1"), call.view.message.counter >> utrn.COUNTER_SHIFT
    taken = credit.top_up(call.context, call.device, text, counter, call.now_ms)
    return call.result() if taken is not None else call.result(OTHER_REASON)


DLMS: DlmsHandlers = {
    (Operation.ACTION, f"{METER_BALANCE} 1"): _adjust,
    **{(Operation.ACTION, f"{named} 2"): _reset for named in (METER_BALANCE, EMERGENCY_CREDIT, ACCUMULATED_DEBT)},
    (Operation.ACTION, f"{EMERGENCY_CREDIT} 3"): _take_emergency_credit,
    **{(Operation.ACTION, f"{named} 4"): _change_debt for named in DEBTS},
    **{(Operation.ACTION, f"{named} 2"): _activate_recovery for named in DEBTS[:2]},
    **{(Operation.SET, f"{named} 8"): _set for named in DEBTS[:2]},
    (Operation.SET, f"{DEBTS[2]} 13"): _set,
    (Operation.SET, "9000 0-0:94.44.2.20 2"): _set,
    (Operation.ACTION, TOP_UP): _top_up,
}

DLMS_DATED: Mapping[str, DlmsDated] = {
    "9000 0-0:94.44.2.10 6": moving(("9000 0-0:94.44.2.10 4", "9000 0-0:94.44.2.10 2")),
    "9000 0-0:94.44.2.20 6": moving(("9000 0-0:94.44.2.20 4", "9000 0-0:94.44.2.20 2")),
    "9000 0-0:94.44.128.2 6": moving(("9000 0-0:94.44.128.2 4", f"{EMERGENCY_CREDIT} 9")),
    "9000 0-0:94.44.128.3 6": moving(("9000 0-0:94.44.128.3 4", f"{EMERGENCY_CREDIT} 10")),
    "9000 0-0:94.44.128.9 6": moving(("9000 0-0:94.44.128.9 4", f"{ACCOUNT} 16")),
    "9000 0-0:94.44.128.12 6": moving(("9000 0-0:94.44.128.12 4", f"{ACCOUNT} 18")),
    "9000 0-0:94.44.128.13 6": moving(("9000 0-0:94.44.128.13 4", f"{ACCOUNT} 19")),
    "9000 0-0:94.44.128.22 6": _change_disablement,
    "9000 0-0:94.44.128.28 6": moving(("10 0-1:12.0.1.255 2", "10 0-0:12.0.1.255 2")),
    "9000 0-0:94.44.128.31 6": moving(("11 0-1:11.0.2.255 2", "11 0-0:11.0.2.255 2")),
}
"""Limits of credit, limit and threshold of emergency credit, low credit, cap of debt recovery and its period, disablement, and
the non-disablement calendar with its special days."""


def _look(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    credit.look(context, device, now_ms)


TIMERS: Mapping[str, Run] = {credit.TIMER: _look}
"""Credit of a meter in prepayment mode is looked at whenever something about it becomes otherwise."""
