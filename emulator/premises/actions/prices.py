"""Prices of gas meters: tariff, block thresholds and prices as they are published, the price in force, the billing period
(cluster 0700)."""

from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.gbcs.gbz import NOT_FOUND, OCTET_STRING, encode_zcl, read_zcl
from emulator.gbcs.octets import Reader
from emulator.gbcs.times import utc_time
from emulator.premises.accounts import at_present
from emulator.premises.actions.dating import CLIENT_TO_SERVER, REPLY, SERVER_TO_CLIENT, at_date, charging, numbers
from emulator.premises.answers import ZclAnswer, ZclCall, ZclDated, ZclHandlers, ZclReply
from emulator.premises.context import Context
from emulator.premises.objects import mirrored, write_zcl
from emulator.premises.objects import read_zcl as value_of
from emulator.premises.state import DatedChange, DeviceState
from emulator.premises.switching import PRIMARY
from emulator.premises.terms import gas_price, is_by_block, rate_at, terms_of

PRICES = 0x0700
PRICE, TARIFF, PRICE_MATRIX, BLOCK_THRESHOLDS = 0x00, 0x04, 0x05, 0x06
DAY_MINUTES = 1_440
"""How long a price holds as the meter says it (test messages GCS21f)."""

BLOCKS, TIERS, THRESHOLDS = 4, 4, 3
"""Block prices, prices by time of use, and thresholds of a gas meter (usecase_spec.json GCS21f)."""

_U8, _U16, _U24, _U32, _U48, _BITS, _ENUM, _TIME = 0x20, 0x21, 0x22, 0x23, 0x25, 0x18, 0x30, 0x23

_TARIFF_HEAD = (_U32, _U32, _U32, _TIME, _BITS)
"""Provider, event, tariff, start, type and charging scheme; then its label."""

_TARIFF_TAIL: Mapping[str, tuple[int, int | None]] = {
    "tiers": (_U8, None),
    "thresholds": (_U8, None),
    "unit": (_ENUM, 0x0615),
    "currency": (_U16, 0x0616),
    "trailing digit": (_BITS, 0x0617),
    "standing charge": (_U32, 0x0301),
    "tier block mode": (_U8, None),
    "multiplier": (_U24, 0x0202),
    "divisor": (_U24, 0x0203),
}
"""What follows the label, with the attribute in which it can be read (usecase_spec.json GCS01a and GCS21f)."""


def _publish_tariff(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, *_TARIFF_HEAD)[0][3], _set_tariff)


@charging
def _set_tariff(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    head, rest = numbers(change.payload, *_TARIFF_HEAD)
    device.attributes[SCHEME] = f"{head[-1]:02X}"
    reader = Reader(rest)
    read_zcl(reader, OCTET_STRING)
    for type_, attribute in _TARIFF_TAIL.values():
        value = read_zcl(reader, type_)
        if attribute is not None and isinstance(value, int):
            write_zcl(device, PRICES, attribute, value)


SCHEME = "0700 scheme"
"""Where the type and charging scheme of the tariff are kept, which no attribute in use says."""

_MATRIX_HEAD = (_U32, _U32, _TIME, _U32, _U8, _U8, _BITS)
"""Provider, event, start, tariff, command index and total, sub-payload control."""


def _publish_matrix(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, *_MATRIX_HEAD)[0][2], _set_prices)


@charging
def _set_prices(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    head, rest = numbers(change.payload, *_MATRIX_HEAD)
    by_tier = bool(head[-1])
    reader = Reader(rest)
    while reader.left:
        place, price = read_zcl(reader, _U8), read_zcl(reader, _U32)
        assert isinstance(place, int)
        assert isinstance(price, int)
        if not (1 <= place <= TIERS if by_tier else place < BLOCKS):
            raise Malformed(f"there is no price {place:02X}", where="price matrix", expected="a block or tier of the meter")
        write_zcl(device, PRICES, 0x0400 + 16 * place if by_tier else 0x0400 + place, price)


def _publish_thresholds(call: ZclCall) -> ZclAnswer:
    return at_date(call, numbers(call.request.payload, *_MATRIX_HEAD)[0][2], _set_thresholds)


@charging
def _set_thresholds(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    (*_, count), rest = numbers(change.payload, *_MATRIX_HEAD, _U8)
    if count & 0x0F > THRESHOLDS:
        raise Malformed(f"{count & 0x0F} thresholds", where="block thresholds", expected=f"at most {THRESHOLDS}")
    for place, threshold in enumerate(numbers(rest, *[_U48] * (count & 0x0F))[0]):
        write_zcl(device, PRICES, 0x0100 + place, threshold)
    if device.account is not None:
        device.account.blocks.clear()


def _get_price(call: ZclCall) -> ZclAnswer:
    """The price now, and its tier of how many (test messages GCS21f)."""
    subject = mirrored(call.context, call.device)
    currency = None if subject is None else value_of(call.context, subject, PRICES, 0x0616, call.now_ms)
    if subject is None or currency is None:
        return ZclAnswer(NOT_FOUND)
    at_ms, terms = call.now_ms + subject.clock_offset_ms, terms_of(subject)
    tier = 1 if is_by_block(terms) else rate_at(subject, terms, PRIMARY, at_ms)
    price = gas_price(subject, at_present(call.context, subject, call.now_ms), at_ms)
    now = utc_time(call.now_ms + call.device.clock_offset_ms)
    fields = (
        (_U32, 0), (_U8, 0), (_U32, now), (_TIME, now), (_ENUM, 1), (_U16, currency.value), (_BITS, 0x50 | tier),
        (_BITS, TIERS << 4 | tier), (_TIME, 0), (_U16, DAY_MINUTES), (_U32, price),
    )  # fmt: skip
    return ZclAnswer(replies=(ZclReply(REPLY, PRICE, b"".join(encode_zcl(type_, value) for type_, value in fields)),))


ZCL: ZclHandlers = {
    (PRICES, SERVER_TO_CLIENT, TARIFF): _publish_tariff,
    (PRICES, SERVER_TO_CLIENT, PRICE_MATRIX): _publish_matrix,
    (PRICES, SERVER_TO_CLIENT, BLOCK_THRESHOLDS): _publish_thresholds,
    (PRICES, CLIENT_TO_SERVER, PRICE): _get_price,
}

ZCL_DATED: Mapping[tuple[int, int, int], ZclDated] = {
    (PRICES, SERVER_TO_CLIENT, TARIFF): _set_tariff,
    (PRICES, SERVER_TO_CLIENT, PRICE_MATRIX): _set_prices,
    (PRICES, SERVER_TO_CLIENT, BLOCK_THRESHOLDS): _set_thresholds,
}
