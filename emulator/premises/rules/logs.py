"""Rules of logs that fill by themselves: half-hours, days, billing. All are worked out from the load shape.

An entry bears the time at which its period ended; a read gives those between its two dates, both counted. Shapes and depths:
test messages and usecase_spec.json ECS20b to ECS22c, ECS66.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise

from emulator.domain.errors import Malformed
from emulator.gbcs import dlms, times
from emulator.gbcs.dlms import CompactArray, Data, Tag, TypeDescription
from emulator.premises import billing, metering
from emulator.premises.context import Context
from emulator.premises.load_shape import DAY_MS, EXPORT, HALF_HOUR_MS, IMPORT, Stream
from emulator.premises.readings import Reading, Rule
from emulator.premises.rules.registers import uint32
from emulator.premises.state import DeviceState

PROFILE_DEPTH, SHORT_PROFILE_DEPTH, DAILY_DEPTH, CONSUMPTION_DEPTH = 19056, 4464, 31, 731
"""Entries that logs keep (usecase_spec.json ECS22b, ECS22a and c, ECS21a to c, ECS66)."""

_UINT32, _INT32 = TypeDescription(Tag.UINT32), TypeDescription(Tag.INT32)


def period_of(reading: Reading) -> tuple[int, int]:
    """From when to when entries are wanted, in milliseconds; as far as the clock has come where the read does not say."""
    start: int | None = None
    end: int | None = None
    if reading.period is not None:
        start, end = (times.read_cosem(limit) for limit in reading.period)
    elif reading.selector == 1 and reading.selection is not None:
        if len(reading.selection.items) != 4:
            raise Malformed("the range has not four parts", where="selective read", expected="column, from, to, columns")
        start, end = (times.read_utc_time(limit.number) for limit in reading.selection.items[1:3])
    return start or 0, min(reading.now_ms, reading.now_ms if end is None else end)


def ends(reading: Reading, step_ms: int, depth: int) -> range:
    """The ends of the wanted periods of a log that keeps ``depth`` of them."""
    start, end = period_of(reading)
    newest = reading.now_ms // step_ms * step_ms
    oldest = max(newest - (depth - 1) * step_ms, metering.fitted_ms(reading.context, reading.device) + step_ms)
    first = -(-max(start, oldest) // step_ms) * step_ms
    return range(first, end + 1, step_ms)


def entries(description: tuple[TypeDescription, ...], rows: Iterable[tuple[Data, ...]]) -> Data:
    """The buffer of a log: a compact array of structures."""
    shape = TypeDescription(Tag.STRUCTURE, members=description)
    return Data(Tag.COMPACT_ARRAY, CompactArray(shape, tuple(dlms.structure(*row) for row in rows)))


def timestamp(at_ms: int) -> Data:
    """Seconds since 2000."""
    return dlms.number(Tag.UINT32, times.utc_time(at_ms))


Totals = Callable[[Context, DeviceState, Sequence[int]], list[int]]
"""A register's readings at some instants."""


def _of(stream: Stream) -> Totals:
    return lambda context, device, instants: metering.totals(context, device, stream, instants)


def _reactive_of(stream: Stream) -> Totals:
    return lambda context, device, instants: metering.reactive_totals(context, device, stream, instants)


def _whole_import(context: Context, device: DeviceState, instants: Sequence[int]) -> list[int]:
    """Of all elements."""
    elements = (metering.totals(context, device, stream, instants) for stream in metering.imports_of(device))
    return [sum(values) for values in zip(*elements, strict=True)]


def _used(registers: Sequence[Totals], step_ms: int, depth: int, reading: Reading) -> Data:
    """A log of what each register has grown by in each period."""
    instants = ends(reading, step_ms, depth)
    borders = [instants.start - step_ms, *instants]
    columns = ([after - before for before, after in pairwise(of(reading.context, reading.device, borders))] for of in registers)
    rows = ((timestamp(end), *map(uint32, values)) for end, *values in zip(instants, *columns, strict=True))
    return entries((_UINT32,) * (1 + len(registers)), rows)


def _active_import(reading: Reading) -> Data:
    registers = [_of(stream) for stream in metering.imports_of(reading.device)]
    return _used(registers, HALF_HOUR_MS, PROFILE_DEPTH, reading)


def _daily_export(reading: Reading) -> Data:
    instants = ends(reading, DAY_MS, DAILY_DEPTH)
    values = metering.totals(reading.context, reading.device, EXPORT, instants)
    return entries((_UINT32,) * 2, ((timestamp(at_ms), uint32(value)) for at_ms, value in zip(instants, values, strict=True)))


def register_description(*, twin: bool, balances: bool = False) -> tuple[TypeDescription, ...]:
    """Columns of a log of registers: time, totals, time of use, four blocks, and the six balances where it has them."""

    def many(count: int) -> TypeDescription:
        return TypeDescription(Tag.ARRAY, count, (_UINT32,))

    totals, seconds = (2, (many(metering.SECOND_REGISTERS),)) if twin else (1, ())
    blocks = (many(metering.COLUMNS),) * metering.BLOCKS
    tail = (_INT32,) * 6 if balances else ()
    return _UINT32, *(_UINT32,) * totals, many(metering.TOU_REGISTERS), *seconds, *blocks, *tail


def register_rows(reading: Reading, instants: Sequence[int]) -> Iterator[tuple[Data, ...]]:
    """The registers at some instants in their order, in the order of :func:`register_description`."""

    def many(values: Iterable[int]) -> Data:
        return dlms.array(*map(uint32, values))

    context, device = reading.context, reading.device
    twin = metering.is_twin(device)
    second = metering.second_registers_at(context, device, instants) if twin else iter([()] * len(instants))
    for at_ms, values, seconds in zip(instants, metering.registers_at(context, device, instants), second, strict=True):
        totals = (uint32(metering.total(context, device, stream, at_ms)) for stream in metering.imports_of(device))
        yield timestamp(at_ms), *totals, many(values.tou), *((many(seconds),) if twin else ()), *map(many, values.blocks)


def _daily_registers(reading: Reading) -> Data:
    rows = register_rows(reading, ends(reading, DAY_MS, DAILY_DEPTH))
    return entries(register_description(twin=metering.is_twin(reading.device)), rows)


def _daily_balances(reading: Reading) -> Data:
    rows = (balance_row(reading, end) for end in ends(reading, DAY_MS, DAILY_DEPTH))
    return entries((_UINT32, *(_INT32,) * 6), rows)


def balance_row(reading: Reading, at_ms: int) -> tuple[Data, ...]:
    """Time and balances at an instant."""
    return timestamp(at_ms), *_balances(reading, at_ms)


def _balances(reading: Reading, at_ms: int) -> tuple[Data, ...]:
    """In the order of the logs: emergency credit, meter balance, debts (usecase_spec.json ECS20b, ECS21b)."""
    held = billing.balances_at(reading.context, reading.device, at_ms, reading.now_ms)
    values = (held.emergency_credit, held.meter, held.payment_debt, held.time_debt_1, held.time_debt_2, held.accumulated_debt)
    return tuple(dlms.number(Tag.INT32, value) for value in values)


def _wanted(reading: Reading, instants: Iterable[int]) -> list[int]:
    """Those of a log's newest instants that a read wants."""
    start, end = period_of(reading)
    return [at_ms for at_ms in instants if start <= at_ms <= end]


def _billed(reading: Reading) -> list[int]:
    return _wanted(reading, billing.calendar_dates(reading.context, reading.device, reading.now_ms))


def _billed_registers(reading: Reading) -> Data:
    rows = register_rows(reading, _billed(reading))
    return entries(register_description(twin=metering.is_twin(reading.device)), rows)


def _billed_balances(reading: Reading) -> Data:
    rows = (balance_row(reading, at_ms) for at_ms in _billed(reading))
    return entries((_UINT32, *(_INT32,) * 6), rows)


def _changed(reading: Reading) -> Data:
    changes = _wanted(reading, billing.changes(reading.device, (*billing.MODES, *billing.TARIFFS), reading.now_ms))
    both = zip(changes, register_rows(reading, changes), strict=True)
    rows = ((*row, *_balances(reading, at_ms)) for at_ms, row in both)
    return entries(register_description(twin=metering.is_twin(reading.device), balances=True), rows)


def _logged(reading: Reading, amounts: Iterable[tuple[int, int]]) -> Data:
    """A log of times and amounts."""
    start, end = period_of(reading)
    rows = ((timestamp(at_ms), uint32(amount)) for at_ms, amount in amounts if start <= at_ms <= end)
    return entries((_UINT32, _UINT32), rows)


def _credits(reading: Reading) -> Data:
    kept = billing.credits_of(reading.context, reading.device)
    return _logged(reading, ((entry.at_ms, entry.amount) for entry in kept))


def _debt_payments(reading: Reading) -> Data:
    kept = billing.debt_payments_of(reading.context, reading.device)
    return _logged(reading, ((entry.at_ms, entry.amount) for entry in kept if entry.kind == billing.PAYMENT_DEBT))


def _prepayment_balances(reading: Reading) -> Data:
    """ECS19 has an order of its own."""
    held = billing.balances_at(reading.context, reading.device, reading.now_ms, reading.now_ms)
    values = (held.meter, held.emergency_credit, held.accumulated_debt, held.time_debt_1, held.time_debt_2, held.payment_debt)
    return dlms.structure(*(dlms.number(Tag.INT32, value) for value in values))


RULES: Mapping[str, Rule] = {
    "log_active_import": _active_import,
    "log_reactive_import": partial(_used, (_reactive_of(IMPORT),), HALF_HOUR_MS, SHORT_PROFILE_DEPTH),
    "log_export": partial(_used, (_of(EXPORT), _reactive_of(EXPORT)), HALF_HOUR_MS, SHORT_PROFILE_DEPTH),
    "log_daily_registers": _daily_registers,
    "log_daily_balances": _daily_balances,
    "log_daily_export": _daily_export,
    "log_daily_consumption": partial(_used, (_whole_import,), DAY_MS, CONSUMPTION_DEPTH),
    "log_billed_registers": _billed_registers,
    "log_billed_balances": _billed_balances,
    "log_changes": _changed,
    "log_credits": _credits,
    "log_debt_payments": _debt_payments,
    "prepayment_balances": _prepayment_balances,
}
