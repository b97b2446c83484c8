"""Logs of gas meters over ZCL: snapshots, sampled data, top-ups and payments of debt (gbcs.md 7, usecase_spec.json GCS15b to
GCS18, GCS61).

A request names a place in a log, counted from the oldest entry that fits; beyond the last one there is nothing to be found. The
proxy answers for the meter.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from emulator.gbcs.gbz import NOT_FOUND, OCTET_STRING, encode_zcl
from emulator.gbcs.octets import Reader
from emulator.gbcs.times import CANCEL, read_utc_time, utc_time
from emulator.premises import billing, metering, objects
from emulator.premises.answers import ZclAnswer, ZclCall, ZclHandler, ZclHandlers, ZclReply
from emulator.premises.context import Context
from emulator.premises.load_shape import DAY_MS, GAS, HALF_HOUR_MS
from emulator.premises.rules.logs import CONSUMPTION_DEPTH, DAILY_DEPTH, PROFILE_DEPTH
from emulator.premises.state import DeviceState

METERING, PREPAYMENT = 0x0702, 0x0705
_REQUEST, _REPLY, _PLAIN_REPLY = 0x01, 0x19, 0x09
"""Frame controls: of requests, of replies that want no Default Response, and of those of the network data log (GCS18)."""

DAILY, BILLED, TARIFF_CHANGED, MODE_CHANGED = 0x0001, 0x0002, 0x0008, 0x2000
"""Causes of snapshots: those of the test messages; which of a change's two causes is which is inferred."""

_UINT8, _UINT16, _UINT24, _UINT32, _UINT48, _INT32, _UTC = 0x20, 0x21, 0x22, 0x23, 0x25, 0x2B, 0xE2
_BITMAP32 = 0x1B

TIERS, BLOCKS = 4, 4
_REGISTERS, _BALANCES = 0x06, 0x00
"""Types of the payloads of snapshots."""

_HALF_HOURS, _DAYS, _NETWORK = 0, 1, 2
"""Samples by their identifier."""

NETWORK_DEPTH = 41
"""Samples of the network data that are kept (usecase_spec.json GCS18)."""

INTERVALS = {_HALF_HOURS: 1_800, _DAYS: 0xFFFF}
"""How the length of a sample is written, in seconds; a day does not fit."""

_MOST = 0xFFFFFE
"""The largest sample; the next value says that there is none (ours)."""


def _field(type_: int, value: int) -> bytes:
    return encode_zcl(type_, value)


def _numbers(payload: bytes, *sizes: int) -> list[int]:
    reader = Reader(payload)
    return [int.from_bytes(reader.take(size, "field"), "little") for size in sizes]


def _moment(seconds: int, otherwise: int) -> int:
    """A limit of a period; the values of "now" and "never" leave it open."""
    at_ms = read_utc_time(seconds)
    return otherwise if at_ms is None or at_ms == CANCEL else at_ms


Run = Callable[[ZclCall, DeviceState], ZclAnswer]
"""Answers a request from what a meter has."""


def _of_meter(run: Run) -> ZclHandler:
    """A handler that reads a gas meter, itself or through its proxy."""

    def handler(call: ZclCall) -> ZclAnswer:
        meter = objects.mirrored(call.context, call.device)
        return ZclAnswer(NOT_FOUND) if meter is None else run(call, meter)

    return handler


def _snapshot(payload_of: Callable[[Context, DeviceState, int, int], bytes], reply: int) -> Run:
    """Get Snapshot and Get Prepay Snapshot: one snapshot of those between two times, by its place among them."""

    def run(call: ZclCall, meter: DeviceState) -> ZclAnswer:
        start, end, place, causes = _numbers(call.request.payload, 4, 4, 1, 4)
        first, last = _moment(start, 0), _moment(end, call.now_ms)
        found = [(at_ms, cause) for at_ms, cause in _snapshots(call, meter, causes) if first <= at_ms <= last]
        if place >= len(found):
            return ZclAnswer(NOT_FOUND)
        at_ms, cause = found[place]
        payload = _head(place, at_ms, len(found), cause) + payload_of(call.context, meter, at_ms, call.now_ms)
        return ZclAnswer(replies=(ZclReply(_REPLY, reply, payload),))

    return run


def _head(place: int, at_ms: int, found: int, cause: int) -> bytes:
    """Identifier, time, how many there are, index and count of commands, cause."""
    fields = (_UINT32, place), (_UTC, utc_time(at_ms)), (_UINT8, found), (_UINT8, 0), (_UINT8, 1), (_BITMAP32, cause)
    return b"".join(_field(*field) for field in fields)


def snapshot(context: Context, meter: DeviceState, at_ms: int, cause: int) -> bytes:
    """The one snapshot of an instant, as a meter publishes it by itself (decrypted.json GCS53)."""
    return _head(0, at_ms, 1, cause) + _registers(context, meter, at_ms, at_ms)


def _snapshots(call: ZclCall, meter: DeviceState, causes: int) -> list[tuple[int, int]]:
    """Times and causes of the snapshots that a meter keeps for any of these causes, oldest first."""
    found: list[tuple[int, int]] = []
    if causes & DAILY:
        newest = call.now_ms // DAY_MS
        found += [(day * DAY_MS, DAILY) for day in range(newest - DAILY_DEPTH + 1, newest + 1)]
    if causes & BILLED:
        found += [(at_ms, BILLED) for at_ms in billing.calendar_dates(call.context, meter, call.now_ms)]
    if causes & TARIFF_CHANGED:
        found += [(at_ms, TARIFF_CHANGED) for at_ms in billing.changes(meter, billing.TARIFFS, call.now_ms)]
    if causes & MODE_CHANGED:
        found += [(at_ms, MODE_CHANGED) for at_ms in billing.changes(meter, billing.MODES, call.now_ms)]
    depth = DAILY_DEPTH if causes & DAILY else billing.DEPTH
    return sorted(found)[-depth:]


def _registers(context: Context, meter: DeviceState, at_ms: int, now_ms: int) -> bytes:
    """Consumption, by time of use, and by block (decrypted.json GCS16a)."""
    tiers = metering.registers(context, meter, at_ms).tou[:TIERS]
    blocks = billing.gas_blocks(context, meter, at_ms)
    parts = [
        _field(_UINT8, _REGISTERS), _field(_UINT48, metering.total(context, meter, GAS, at_ms)),
        _field(_UINT8, TIERS), *(_field(_UINT48, value) for value in tiers),
        _field(_UINT8, 1 << 4 | BLOCKS), *(_field(_UINT48, value) for value in blocks),
    ]  # fmt: skip
    return b"".join(parts)


def _balances(context: Context, meter: DeviceState, at_ms: int, now_ms: int) -> bytes:
    """Accumulated debt, debts by their numbers, emergency credit, balance; the last two signed (decrypted.json GCS15b)."""
    held = billing.balances_at(context, meter, at_ms, now_ms)
    debts = held.time_debt_1, held.time_debt_2, held.payment_debt
    parts = [
        _field(_UINT8, _BALANCES), _field(_INT32, held.accumulated_debt), *(_field(_UINT32, max(0, debt)) for debt in debts),
        _field(_INT32, held.emergency_credit), _field(_INT32, held.meter),
    ]  # fmt: skip
    return b"".join(parts)


def _samples(call: ZclCall, meter: DeviceState) -> ZclAnswer:
    """Get Sampled Data: the samples that ended from a time on, as many as are asked for and there are."""
    identifier, start, _, wanted = _numbers(call.request.payload, 2, 4, 1, 2)
    kind = {_HALF_HOURS: (HALF_HOUR_MS, PROFILE_DEPTH), _DAYS: (DAY_MS, CONSUMPTION_DEPTH)}.get(identifier)
    if identifier == _NETWORK:
        return _network_samples(call, meter, wanted)
    if kind is None:
        return ZclAnswer(NOT_FOUND)
    step_ms, depth = kind
    newest = call.now_ms // step_ms
    oldest = newest - depth + 1
    first = -(-_moment(start, 0) // step_ms)
    ends = [end * step_ms for end in range(first, min(first + wanted, newest + 1))] if first >= oldest else []
    if not ends:
        return ZclAnswer(NOT_FOUND)
    values = _between(call, meter, [ends[0] - step_ms, *ends])
    return _sampled(_REPLY, identifier, ends[0], INTERVALS[identifier], values)


def _between(call: ZclCall, meter: DeviceState, borders: Sequence[int]) -> list[int]:
    """What was used between each instant and the next."""
    return [after - before for before, after in pairwise(metering.totals(call.context, meter, GAS, borders))]


def _network_samples(call: ZclCall, meter: DeviceState, wanted: int) -> ZclAnswer:
    """The gas network data: samples from when they were asked for on, as far as they are complete."""
    start, length_s, most = _sampling(call, meter)
    step_ms = length_s * 1000
    count = min(most, wanted, (call.now_ms - start) // step_ms)
    if count <= 0:
        return ZclAnswer(NOT_FOUND)
    values = _between(call, meter, [start + n * step_ms for n in range(count + 1)])
    return _sampled(_PLAIN_REPLY, _NETWORK, start, length_s, values)


def _sampling(call: ZclCall, meter: DeviceState) -> tuple[int, int, int]:
    """Since when the network data is sampled, how long a sample takes in seconds, and how many there are to be.

    Until somebody asks for it, it is of the meter's first afternoon (ours).
    """
    memory = meter.meter
    if memory is None or not memory.sampled_from_ms:
        return metering.fitted_ms(call.context, meter) + DAY_MS // 2, 360, NETWORK_DEPTH
    return memory.sampled_from_ms, memory.sample_s, memory.samples


def _sampled(control: int, identifier: int, start_ms: int, interval_s: int, values: Sequence[int]) -> ZclAnswer:
    fields = (_UINT16, identifier), (_UTC, utc_time(start_ms)), (_UINT8, 0), (_UINT16, interval_s), (_UINT16, len(values))
    payload = b"".join(_field(*field) for field in fields)
    payload += b"".join(_field(_UINT24, min(value, _MOST)) for value in values)
    return ZclAnswer(replies=(ZclReply(control, 0x07, payload),))


def _start_sampling(call: ZclCall) -> ZclAnswer:
    """Start Sampling: now, whatever was sampled before (test messages GCS31)."""
    _, start, _, seconds, count = _numbers(call.request.payload, 4, 4, 1, 2, 2)
    memory = metering.memory_of(call.device)
    memory.sampled_from_ms, memory.sample_s, memory.samples = (
        _moment(start, call.now_ms),
        max(1, seconds),
        min(count, NETWORK_DEPTH),
    )
    return ZclAnswer(replies=(ZclReply(_PLAIN_REPLY, 0x0D, _field(_UINT16, _NETWORK)),))


def _top_ups(call: ZclCall, meter: DeviceState) -> ZclAnswer:
    """Get Top Up Log: the newest first (test messages GCS15e)."""
    end, wanted = _numbers(call.request.payload, 4, 1)
    kept = billing.credits_of(call.context, meter)
    found = [entry for entry in reversed(kept) if _from(call) <= entry.at_ms <= _moment(end, call.now_ms)][:wanted]
    if not found:
        return ZclAnswer(NOT_FOUND)
    records = (
        encode_zcl(OCTET_STRING, entry.code.encode()) + _field(_INT32, entry.amount) + _field(_UTC, utc_time(entry.at_ms))
        for entry in found
    )
    return ZclAnswer(replies=(ZclReply(_REPLY, 0x05, bytes((0, 1)) + b"".join(records)),))


def _debts(call: ZclCall, meter: DeviceState) -> ZclAnswer:
    """Get Debt Repayment Log: the newest ones of a kind of debt, oldest of them first (test messages GCS15d)."""
    end, wanted, kind = _numbers(call.request.payload, 4, 1, 1)
    kept = billing.debt_payments_of(call.context, meter)
    last = _moment(end, call.now_ms)
    found = [entry for entry in kept if entry.kind == kind and _from(call) <= entry.at_ms <= last][-wanted:] if wanted else []
    if not found:
        return ZclAnswer(NOT_FOUND)
    records = (
        _field(_UTC, utc_time(entry.at_ms)) + _field(_UINT32, entry.amount) + _field(_UINT8, kind) + _field(_UINT32, entry.left)
        for entry in found
    )
    return ZclAnswer(replies=(ZclReply(_REPLY, 0x06, bytes((0, 1)) + b"".join(records)),))


def _from(call: ZclCall) -> int:
    """When the wanted part of a log begins; it stands beside the command."""
    return _moment(call.request.from_time or 0, 0)


ZCL: ZclHandlers = {
    (METERING, _REQUEST, 0x06): _of_meter(_snapshot(_registers, 0x06)),
    (METERING, _REQUEST, 0x07): _start_sampling,
    (METERING, _REQUEST, 0x08): _of_meter(_samples),
    (PREPAYMENT, _REQUEST, 0x07): _of_meter(_snapshot(_balances, 0x01)),
    (PREPAYMENT, _REQUEST, 0x08): _of_meter(_top_ups),
    (PREPAYMENT, _REQUEST, 0x0A): _of_meter(_debts),
}
"""Requests, by cluster, frame control and command."""
