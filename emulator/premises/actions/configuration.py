"""Settings of gas meters: conversion, flow, what tampering does, billing calendar, MPRN (6.6, 6.7, 6.8, 6.20.1)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from emulator.domain.errors import Malformed
from emulator.gbcs import dlms
from emulator.gbcs.gbz import NOT_FOUND, OCTET_STRING, encode_zcl, read_zcl
from emulator.gbcs.octets import Reader
from emulator.gbcs.times import cosem, read_utc_time, utc_time
from emulator.premises import billing
from emulator.premises.actions.bills import follow
from emulator.premises.actions.dating import CLIENT_TO_SERVER, SERVER_TO_CLIENT, numbers
from emulator.premises.answers import ZclAnswer, ZclCall, ZclHandler, ZclHandlers, ZclReply
from emulator.premises.metering import fitted_ms, month_start
from emulator.premises.objects import mirrored, write_zcl
from emulator.premises.readings import store

PRICE, METERING, DEVICE_MANAGEMENT = 0x0700, 0x0702, 0x0708

CONVERSION, CALORIFIC, BLOCK_PERIOD, BILLING_PERIOD, GET_BILLING_PERIOD = 0x02, 0x03, 0x01, 0x09, 0x0B
SUPPLY_STATUS, FLOW_THRESHOLD = 0x0D, 0x0E
CHANGE_MPRN = 0x03

BILLING, BLOCKS = "0700 billing period", "0700 block period"
"""Where the periods are kept as they were published."""

DAYS, WEEKS, MONTHS = 0x21, 0x22, 0x23
"""Units of a billing period (test messages GCS25, GCS25a; days and weeks by analogy)."""

_U8, _BITS, _U16, _U24, _U32, _ENUM = 0x20, 0x18, 0x21, 0x22, 0x23, 0x30
_PERIOD = (_U32, _U32, _U32, _U24, _BITS, _BITS)
"""Provider, event, start, duration, its unit, tariff."""


def _setter(cluster: int, types: Sequence[int], attributes: Sequence[int | None]) -> ZclHandler:
    """Fields that become attributes; None is passed over."""

    def run(call: ZclCall) -> ZclAnswer:
        values, _ = numbers(call.request.payload, *types)
        for attribute, value in zip(attributes, values, strict=True):
            if attribute is not None:
                write_zcl(call.device, cluster, attribute, value)
        return ZclAnswer()

    return run


def _set_billing_period(call: ZclCall) -> ZclAnswer:
    """The period is read back, and bills are drawn up by it."""
    (_, _, start, duration, unit, _), _ = numbers(call.request.payload, *_PERIOD)
    start_ms = read_utc_time(start)
    dates = _dates(call.now_ms if start_ms is None else start_ms, duration, unit)
    call.device.attributes[BILLING] = call.request.payload.hex()
    store(call.device, billing.CALENDAR, dates)
    follow(call.context, call.device, call.now_ms)
    return ZclAnswer()


def _dates(start_ms: int, duration: int, unit: int) -> dlms.Data:
    """A billing period as the times and dates on which it ends, as an electricity meter keeps it."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=start_ms)
    time = dlms.octets(cosem(start_ms)[5:9])
    if unit == DAYS and duration == 1:
        patterns = [bytes((0xFF,) * 5)]
    elif unit == WEEKS and duration == 1:
        patterns = [bytes((0xFF, 0xFF, 0xFF, 0xFF, at.isoweekday()))]
    elif unit == MONTHS and duration == 1:
        patterns = [bytes((0xFF, 0xFF, 0xFF, at.day, 0xFF))]
    elif unit == MONTHS and 1 < duration <= 12 and 12 % duration == 0:
        months = [(at.month - 1 + step) % 12 + 1 for step in range(0, 12, duration)]
        patterns = [bytes((0xFF, 0xFF, month, at.day, 0xFF)) for month in months]
    else:
        raise Malformed(f"a period of {duration} of unit {unit:02X}", where="billing period", expected="days to a year")
    return dlms.array(*(dlms.structure(time, dlms.octets(pattern)) for pattern in patterns))


def _set_block_period(call: ZclCall) -> ZclAnswer:
    numbers(call.request.payload, *_PERIOD)
    call.device.attributes[BLOCKS] = call.request.payload.hex()
    return ZclAnswer()


def _get_billing_period(call: ZclCall) -> ZclAnswer:
    """The period in force, as it was published; a proxy answers for its meter."""
    meter = mirrored(call.context, call.device)
    if meter is None:
        return ZclAnswer(NOT_FOUND)
    kept = meter.attributes.get(BILLING)
    payload = bytes.fromhex(kept) if kept else _monthly(month_start(fitted_ms(call.context, meter)))
    return ZclAnswer(replies=(ZclReply(SERVER_TO_CLIENT, BILLING_PERIOD, payload),))


def _monthly(start_ms: int) -> bytes:
    """What holds until it is set: a bill at the beginning of each month (ours)."""
    values = (0, 0, utc_time(start_ms), 1, MONTHS, 0)
    return b"".join(encode_zcl(type_, value) for type_, value in zip(_PERIOD, values, strict=True))


def _set_mprn(call: ZclCall) -> ZclAnswer:
    _, rest = numbers(call.request.payload, _U32, _U32, _U32)
    value = read_zcl(Reader(rest), OCTET_STRING)
    if not isinstance(value, bytes):
        raise Malformed("the MPRN is missing", where="ZCL payload", expected="an octet string")
    write_zcl(call.device, METERING, 0x0307, value)
    return ZclAnswer()


ZCL: ZclHandlers = {
    (PRICE, SERVER_TO_CLIENT, CONVERSION): _setter(PRICE, (_U32, _U32, _U32, _BITS), (None, None, 0x0302, 0x0303)),
    (PRICE, SERVER_TO_CLIENT, CALORIFIC): _setter(PRICE, (_U32, _U32, _U32, _ENUM, _BITS), (None, None, 0x0304, 0x0305, 0x0306)),
    (METERING, CLIENT_TO_SERVER, FLOW_THRESHOLD): _setter(
        METERING,
        (_U32, _U32, _U16, _ENUM, _U16, _U16, _U8, _U16),
        (None, None, 0x0B10, 0x0B11, 0x0B12, 0x0B13, 0x0B14, 0x0B15),
    ),
    (METERING, CLIENT_TO_SERVER, SUPPLY_STATUS): _setter(
        METERING, (_U32, _ENUM, _ENUM, _ENUM, _ENUM), (None, 0x0607, 0x0608, None, None)
    ),
    (PRICE, SERVER_TO_CLIENT, BILLING_PERIOD): _set_billing_period,
    (PRICE, SERVER_TO_CLIENT, BLOCK_PERIOD): _set_block_period,
    (PRICE, CLIENT_TO_SERVER, GET_BILLING_PERIOD): _get_billing_period,
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, CHANGE_MPRN): _set_mprn,
}
