"""Prepayment and debt of gas meters: modes, limits, debts (cluster 0705)."""

from collections.abc import Mapping

from emulator.gbcs.gbz import encode_zcl
from emulator.premises.actions.dating import CLIENT_TO_SERVER, REPLY, at_date, numbers
from emulator.premises.answers import ZclAnswer, ZclCall, ZclDated, ZclHandlers, ZclReply
from emulator.premises.context import Context
from emulator.premises.objects import read_zcl as value_of
from emulator.premises.objects import write_zcl
from emulator.premises.state import DatedChange, DeviceState

PREPAYMENT = 0x0705
DEBT, EMERGENCY_SETUP, MODE, LOW_CREDIT, MAXIMUM, DEBT_CAP = 0x02, 0x03, 0x06, 0x09, 0x0B, 0x0C
MODE_ANSWER = 0x02

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


def _set_mode(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    *_, configuration, cut_off = numbers(change.payload, *_MODE)[0]
    write_zcl(device, PREPAYMENT, CONFIGURATION, configuration)
    if cut_off != UNCHANGED:
        signed = cut_off - (1 << 32) if cut_off >> 31 else cut_off
        write_zcl(device, PREPAYMENT, CUT_OFF, signed)


def _setup_emergency_credit(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, _U32, _TIME)[0][1], _set_emergency_credit)


def _set_emergency_credit(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    _, _, limit, threshold = numbers(change.payload, _U32, _TIME, _U32, _U32)[0]
    write_zcl(device, PREPAYMENT, EMERGENCY_LIMIT, limit)
    write_zcl(device, PREPAYMENT, EMERGENCY_THRESHOLD, threshold)


def _low_credit(call: ZclCall) -> ZclAnswer:
    """Its date stands before the ZCL header, since the command has no field for one (gbcs.md 7)."""
    return at_date(call, call.request.from_time or 0, _set_low_credit)


def _set_low_credit(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    write_zcl(device, PREPAYMENT, LOW_LEVEL, numbers(change.payload, _U32)[0][0])


def _maximum(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, _U32, _U32, _TIME)[0][2], _set_maximum)


def _set_maximum(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    *_, balance, top_up = numbers(change.payload, _U32, _U32, _TIME, _U32, _U32)[0]
    write_zcl(device, PREPAYMENT, MAXIMUM_BALANCE, balance)
    write_zcl(device, PREPAYMENT, MAXIMUM_TOP_UP, top_up)


def _debt_cap(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, _U32, _U32, _TIME)[0][2], _set_debt_cap)


def _set_debt_cap(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    write_zcl(device, PREPAYMENT, CAP, numbers(change.payload, _U32, _U32, _TIME, _INT32)[0][3])


ZCL: ZclHandlers = {
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
