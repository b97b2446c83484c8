"""Prepayment and debt of gas meters: modes, limits, balances, debts, emergency credit, top-ups (cluster 0705)."""

from collections.abc import Mapping

from emulator.gbcs import utrn
from emulator.gbcs.gbz import FAILURE, OCTET_STRING, encode_zcl, read_zcl
from emulator.gbcs.octets import Reader
from emulator.premises import billing, credit
from emulator.premises.actions.dating import CLIENT_TO_SERVER, REPLY, SERVER_TO_CLIENT, at_date, charging, numbers
from emulator.premises.answers import ZclAnswer, ZclCall, ZclDated, ZclHandlers, ZclReply
from emulator.premises.context import Context
from emulator.premises.credit import changing
from emulator.premises.objects import read_zcl as value_of
from emulator.premises.objects import write_zcl
from emulator.premises.state import DatedChange, DeviceState

PREPAYMENT = 0x0705
EMERGENCY_CREDIT, DEBT, EMERGENCY_SETUP, TOP_UP, ADJUSTMENT, MODE = 0x00, 0x02, 0x03, 0x04, 0x05, 0x06
LOW_CREDIT, MAXIMUM, DEBT_CAP = 0x09, 0x0B, 0x0C
MODE_ANSWER, TOP_UP_ANSWER = 0x02, 0x03

CONFIGURATION, EMERGENCY_LIMIT, EMERGENCY_THRESHOLD, LOW_LEVEL, CUT_OFF = 0x0000, 0x0010, 0x0011, 0x0031, 0x0040
MAXIMUM_BALANCE, MAXIMUM_TOP_UP, CAP = 0x0021, 0x0022, 0x0006
"""Attributes (usecase_spec.json GCS21b, GCS21j)."""

UNCHANGED = 0xFFFFFFFF
"""A cut-off value that leaves the one there is (usecase_spec.json GCS02); as a signed number it is -1."""

_U8, _U16, _U32, _BITS, _BITS16, _INT32, _ENUM, _TIME = 0x20, 0x21, 0x23, 0x18, 0x19, 0x2B, 0x30, 0x23

_MODE = (_U32, _U32, _TIME, _BITS16, _U32)
"""Provider, event, date, configuration, cut-off value."""


def _change_mode(call: ZclCall) -> ZclAnswer:
    """The answer says what emergency credit there is (test messages GCS02, GCS03, cancelled ones too)."""
    at_date(call, numbers(call.request.payload, *_MODE)[0][2], _set_mode)
    limits = (
        value_of(call.context, call.device, PREPAYMENT, attribute, call.now_ms)
        for attribute in (EMERGENCY_LIMIT, EMERGENCY_THRESHOLD)
    )
    fields = [(_BITS, 1), (_U32, 2), *((_U32, 0 if limit is None else limit.value) for limit in limits)]
    payload = b"".join(encode_zcl(type_, value) for type_, value in fields)
    return ZclAnswer(replies=(ZclReply(REPLY, MODE_ANSWER, payload),))


@charging
def _set_mode(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    *_, configuration, cut_off = numbers(change.payload, *_MODE)[0]
    write_zcl(device, PREPAYMENT, CONFIGURATION, configuration)
    if cut_off != UNCHANGED:
        signed = cut_off - (1 << 32) if cut_off >> 31 else cut_off
        write_zcl(device, PREPAYMENT, CUT_OFF, signed)


def _setup_emergency_credit(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, _U32, _TIME)[0][1], _set_emergency_credit)


@charging
def _set_emergency_credit(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    _, _, limit, threshold = numbers(change.payload, _U32, _TIME, _U32, _U32)[0]
    write_zcl(device, PREPAYMENT, EMERGENCY_LIMIT, limit)
    write_zcl(device, PREPAYMENT, EMERGENCY_THRESHOLD, threshold)


def _low_credit(call: ZclCall) -> ZclAnswer:
    """Its date stands before the ZCL header, since the command has no field for one (gbcs.md 7)."""
    return at_date(call, call.request.from_time or 0, _set_low_credit)


@charging
def _set_low_credit(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    write_zcl(device, PREPAYMENT, LOW_LEVEL, numbers(change.payload, _U32)[0][0])


def _maximum(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, _U32, _U32, _TIME)[0][2], _set_maximum)


@charging
def _set_maximum(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    *_, balance, top_up = numbers(change.payload, _U32, _U32, _TIME, _U32, _U32)[0]
    write_zcl(device, PREPAYMENT, MAXIMUM_BALANCE, balance)
    write_zcl(device, PREPAYMENT, MAXIMUM_TOP_UP, top_up)


def _debt_cap(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, _U32, _U32, _TIME)[0][2], _set_debt_cap)


@charging
def _set_debt_cap(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    write_zcl(device, PREPAYMENT, CAP, numbers(change.payload, _U32, _U32, _TIME, _INT32)[0][3])


_ADJUST, _RESET, _RESET_BILL, _ADJUST_BILL = range(4)
"""Types of adjustments (test messages GCS40a, GCS40b, GCS40d, GCS40c)."""


def _adjust(call: ZclCall) -> ZclAnswer:
    _, _, kind, amount = numbers(call.request.payload, _U32, _TIME, _ENUM, _INT32)[0]
    if kind not in range(4):
        return ZclAnswer(FAILURE)
    with changing(call.context, call.device, call.now_ms) as account:
        if kind == _ADJUST:
            account.meter += amount
        elif kind == _ADJUST_BILL:
            account.bill += amount
        elif kind == _RESET_BILL:
            account.bill = 0
        else:
            account.meter, account.accumulated_debt, account.emergency_credit, account.emergency_taken = 0, 0, 0, False
    return ZclAnswer()


_DEBT_TAIL = (_INT32, _ENUM, _ENUM, _U32, _U16, _ENUM, _U32, _U16)
"""After event and label: amount, method, type, start, collection time, frequency, recovery amount, share of payments."""

_DEBT_TYPES = {1: 0, 3: 1, 5: 2}
"""Which debt a type adds to (test messages GCS04)."""

LEAVE_DEBT, LEAVE_RATE = 0x7FFFFFFF, 0xFFFFFFFF
"""An amount and a rate that leave what there is (constants of usecase_spec.json GCS04; what they mean is inferred)."""


def _change_debt(call: ZclCall) -> ZclAnswer:
    """Add to a debt, and say how it is recovered: by rate and frequency, or as a share of payments."""
    reader = Reader(numbers(call.request.payload, _U32)[1])
    read_zcl(reader, OCTET_STRING)
    amount, _, type_, _, _, frequency, rate, share = numbers(reader.take(reader.left, "debt"), *_DEBT_TAIL)[0]
    debt = _DEBT_TYPES.get(type_)
    if debt is None:
        return ZclAnswer(FAILURE)
    with changing(call.context, call.device, call.now_ms) as account:
        if amount != LEAVE_DEBT:
            credit.add_debt(account, debt, amount)
        if debt == billing.PAYMENT_DEBT:
            write_zcl(call.device, PREPAYMENT, 0x0239, share)
        elif rate != LEAVE_RATE:
            write_zcl(call.device, PREPAYMENT, 0x0216 + 16 * debt, frequency)
            write_zcl(call.device, PREPAYMENT, 0x0217 + 16 * debt, rate)
    return ZclAnswer()


def _take_emergency_credit(call: ZclCall) -> ZclAnswer:
    taken = credit.take_emergency_credit(call.context, call.device, call.now_ms)
    return ZclAnswer() if taken else ZclAnswer(FAILURE)


ACCEPTED, REFUSED = 0, 1
"""Results of a top-up (test messages CS01b)."""


def _top_up(call: ZclCall) -> ZclAnswer:
    """The answer says what was added and what credit there is; nothing of it where the token is refused (test messages CS01b)."""
    (source,), rest = numbers(call.request.payload, _ENUM)
    text = read_zcl(Reader(rest), OCTET_STRING)
    assert isinstance(text, bytes)
    counter = call.view.message.counter >> utrn.COUNTER_SHIFT
    amount = credit.top_up(call.context, call.device, text.decode("latin-1"), counter, call.now_ms)
    account = call.device.account
    left = -1 if amount is None or account is None else account.meter
    result = REFUSED if amount is None else ACCEPTED
    fields = ((_ENUM, result), (_INT32, -1 if amount is None else amount), (_ENUM, source), (_INT32, left))
    payload = b"".join(encode_zcl(type_, value) for type_, value in fields)
    return ZclAnswer(replies=(ZclReply(SERVER_TO_CLIENT, TOP_UP_ANSWER, payload),))


ZCL: ZclHandlers = {
    (PREPAYMENT, CLIENT_TO_SERVER, EMERGENCY_CREDIT): _take_emergency_credit,
    (PREPAYMENT, CLIENT_TO_SERVER, DEBT): _change_debt,
    (PREPAYMENT, CLIENT_TO_SERVER, TOP_UP): _top_up,
    (PREPAYMENT, CLIENT_TO_SERVER, ADJUSTMENT): _adjust,
    (PREPAYMENT, CLIENT_TO_SERVER, EMERGENCY_SETUP): _setup_emergency_credit,
    (PREPAYMENT, CLIENT_TO_SERVER, MODE): _change_mode,
    (PREPAYMENT, CLIENT_TO_SERVER, LOW_CREDIT): _low_credit,
    (PREPAYMENT, CLIENT_TO_SERVER, MAXIMUM): _maximum,
    (PREPAYMENT, CLIENT_TO_SERVER, DEBT_CAP): _debt_cap,
}

ZCL_DATED: Mapping[tuple[int, int, int], ZclDated] = {
    (PREPAYMENT, CLIENT_TO_SERVER, EMERGENCY_SETUP): _set_emergency_credit,
    (PREPAYMENT, CLIENT_TO_SERVER, MODE): _set_mode,
    (PREPAYMENT, CLIENT_TO_SERVER, LOW_CREDIT): _set_low_credit,
    (PREPAYMENT, CLIENT_TO_SERVER, MAXIMUM): _set_maximum,
    (PREPAYMENT, CLIENT_TO_SERVER, DEBT_CAP): _set_debt_cap,
}
