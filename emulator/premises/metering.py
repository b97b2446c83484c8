"""What a meter has registered: its load shape, counted since it was fitted and allotted by its tariff.

Everything here is worked out from the seed, the time and what was done to the meter
(:class:`~emulator.premises.state.MeterMemory`).
Registers of time of use and of blocks always sum up to the total, since each piece of the curve is counted by one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from emulator.domain.vocabulary import DeviceType
from emulator.premises.context import Context
from emulator.premises.load_shape import (
    DAY_MS,
    EXPORT,
    GAS,
    IMPORT,
    SECOND,
    Spans,
    Stream,
    flowed,
    reactive_permille,
)
from emulator.premises.state import DeviceState, MeterMemory
from emulator.premises.switching import (
    GAS_METER,
    GAS_TARIFF,
    GOVERNING,
    PRIMARY,
    SECONDARY,
    Tables,
    daily_reset_ms,
    has_calendar,
    scripts_of,
    thresholds,
)
from emulator.simulation.draws import draw_below

TOU_REGISTERS, SECOND_REGISTERS, COLUMNS, BLOCKS = 48, 4, 8, 4
"""Registers of the first and of the second element, columns and rows of the block matrix (usecase_spec.json ECS17d, ECS20c)."""

MAX_HISTORY = 1_000
"""Changes of one attribute, and resets, that a meter remembers; ours. Of older ones it is as if the next had held before."""

_EVER_MS = 1 << 62

_BLOCK_SCRIPTS, _SECOND_SCRIPTS = 100, 200
_LEAST_AGE_DAYS, _AGE_SPREAD_DAYS = 800, 400
"""How long before the world's start a meter was fitted; ours, longer than its longest log."""


def note_changes(device: DeviceState, attributes: Sequence[str], now_ms: int) -> None:
    """Note which of these attributes have changed, and when."""
    for attribute in attributes:
        value = device.attributes.get(attribute)
        if value is not None:
            note(device, attribute, value, now_ms)


def note(device: DeviceState, name: str, value: str, now_ms: int) -> None:
    """Note a value under a name, if it is another than the last one."""
    history = memory_of(device).history.setdefault(name, [])
    if not history or history[-1][1] != value:
        history.append((now_ms, value))
        del history[:-MAX_HISTORY]


def memory_of(device: DeviceState) -> MeterMemory:
    """What the meter remembers, to be written to."""
    if device.meter is None:
        device.meter = MeterMemory()
    return device.meter


def value_at(device: DeviceState, attribute: str, at_ms: int) -> str | None:
    """What a watched attribute was set to at an instant, or None while it was not set."""
    history = device.meter.history.get(attribute, []) if device.meter else []
    return next((value for from_ms, value in reversed(history) if from_ms <= at_ms), None)


def fitted_ms(context: Context, device: DeviceState) -> int:
    """When the meter began to count: a midnight some years before the world began."""
    return (context.start_ms // DAY_MS - _age_days(context.seed, device.eui)) * DAY_MS


@lru_cache(maxsize=4096)
def _age_days(seed: int, eui: int) -> int:
    return _LEAST_AGE_DAYS + draw_below(_AGE_SPREAD_DAYS, seed, eui, 0, "fitted")


def streams_of(device: DeviceState) -> Sequence[Stream]:
    """What the meter measures: gas, or import by its elements, and export where the premises have an export MPAN."""
    if device.device_type is DeviceType.GSME:
        return (GAS,)
    export = (EXPORT,) if device.definition.export_mpan else ()
    return (*imports_of(device), *export)


def imports_of(device: DeviceState) -> Sequence[Stream]:
    """Import, by element."""
    return (IMPORT, SECOND) if is_twin(device) else (IMPORT,)


def is_twin(device: DeviceState) -> bool:
    """Whether the meter has a second element."""
    return device.definition.esme_variant.startswith("B")


def total(context: Context, device: DeviceState, stream: Stream, at_ms: int) -> int:
    """A register's reading at an instant: Wh, or thousandths of a cubic metre; 0 for what the meter does not measure."""
    return used(context, device, stream, fitted_ms(context, device), at_ms)


def used(context: Context, device: DeviceState, stream: Stream, from_ms: int, to_ms: int) -> int:
    """What was counted between two instants."""
    if stream not in streams_of(device):
        return 0
    begun, seed, eui, without = fitted_ms(context, device), context.seed, device.eui, without_supply(device)
    return flowed(seed, eui, stream, without, max(begun, to_ms)) - flowed(seed, eui, stream, without, max(begun, from_ms))


POWER = "power"
"""What an electricity meter remembers of outages: 00 from when it had no power, 01 from when it had it again."""

NOTHING_FLOWS: Mapping[DeviceType, Sequence[tuple[str, str]]] = {
    DeviceType.ESME: (("70 0-0:96.3.10.255 3", "1600"), (POWER, "00")),
    DeviceType.GSME: (("0702 0014", "00"),),
}
"""What is remembered under which name while nothing is measured: the supply is off, as :mod:`.supply` keeps it, or there is no
power. Where the supply is armed, the customer switches it on at once (ours)."""


def without_supply(device: DeviceState) -> Spans:
    """When nothing was measured."""
    if device.meter is None:
        return ()
    history = device.meter.history
    return _spans_of(tuple((tuple(history.get(name, ())), off) for name, off in NOTHING_FLOWS.get(device.device_type, ())))


@lru_cache(maxsize=1024)
def _spans_of(histories: tuple[tuple[tuple[tuple[int, str], ...], str], ...]) -> Spans:
    """The times with these values, joined where they overlap."""
    found: list[tuple[int, int]] = []
    for history, off in histories:
        ends = [from_ms for from_ms, _ in history[1:]] + [_EVER_MS]
        found += [(start, end) for (start, value), end in zip(history, ends, strict=False) if value == off]
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return tuple(joined)


def totals(context: Context, device: DeviceState, stream: Stream, instants: Sequence[int]) -> list[int]:
    """A register's readings at several instants."""
    if stream not in streams_of(device):
        return [0] * len(instants)
    begun, seed, eui, without = fitted_ms(context, device), context.seed, device.eui, without_supply(device)
    at_first = flowed(seed, eui, stream, without, begun)
    return [flowed(seed, eui, stream, without, at_ms) - at_first if at_ms > begun else 0 for at_ms in instants]


def month_start(at_ms: int) -> int:
    """When the month of an instant began."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return (at_ms // DAY_MS - at.day + 1) * DAY_MS


def reactive(context: Context, device: DeviceState, stream: Stream, at_ms: int) -> int:
    """The reactive register beside an active one, in varh."""
    return reactive_totals(context, device, stream, (at_ms,))[0]


def reactive_totals(context: Context, device: DeviceState, stream: Stream, instants: Sequence[int]) -> list[int]:
    """Its readings at several instants."""
    permille = reactive_permille(context.seed, device.eui, stream)
    return [value * permille // 1000 for value in totals(context, device, stream, instants)]


@dataclass(frozen=True, slots=True)
class Registers:
    """What the tariff's registers read."""

    tou: tuple[int, ...]
    """By time of use; of a second element, its own."""
    blocks: tuple[tuple[int, ...], ...]
    """Rows of the block matrix, by column."""
    counters: tuple[tuple[int, ...], ...]
    """The same since the blocks were last started anew."""


def registers(context: Context, device: DeviceState, at_ms: int) -> Registers:
    """The registers of the first element at an instant; of a gas meter those by time of use."""
    return next(iter(registers_at(context, device, (at_ms,))))


def registers_at(context: Context, device: DeviceState, instants: Sequence[int]) -> Iterator[Registers]:
    """The same at several instants, in their order, for which everything is counted once."""
    stream = streams_of(device)[0]
    element = GAS_METER if stream is GAS else PRIMARY
    allotment, first = _Allotment(), fitted_ms(context, device)
    for at_ms in instants:
        for start, end, tables in _spans(context, device, first, at_ms):
            for piece_start, piece_end, restarted in _between_resets(device, tables, start, end):
                if restarted:
                    allotment.restart()
                amounts = _by_script(context, device, stream, tables, element, piece_start, piece_end)
                for script, amount in amounts.items():
                    allotment.count(script, amount, tables)
        first = max(first, at_ms)
        yield allotment.registers()


def second_registers(context: Context, device: DeviceState, at_ms: int) -> tuple[int, ...]:
    """The registers of the second element."""
    return next(iter(second_registers_at(context, device, (at_ms,))))


def second_registers_at(context: Context, device: DeviceState, instants: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The same at several instants, in their order."""
    sums, first = [0] * SECOND_REGISTERS, fitted_ms(context, device)
    for at_ms in instants:
        for start, end, tables in _spans(context, device, first, at_ms):
            for script, amount in _by_script(context, device, SECOND, tables, SECONDARY, start, end).items():
                place = script - _SECOND_SCRIPTS - 1
                sums[place if 0 <= place < SECOND_REGISTERS else 0] += amount
        first = max(first, at_ms)
        yield tuple(sums)


@dataclass(frozen=True, slots=True)
class Counting:
    """Which register counts."""

    place: int
    """Number of the time of use, or of the column of the block matrix, from 1."""
    block: int | None = None
    """Row of the block matrix, from 0; None for a register by time of use."""


def counting(context: Context, device: DeviceState, element: int, at_ms: int) -> Counting:
    """Which register of an element counts at an instant."""
    tables = tables_at(device, at_ms)
    scripts = scripts_of(tables, element, at_ms // DAY_MS) if has_calendar(tables, element) else ()
    script = next((script for of_day, script in reversed(scripts) if of_day <= at_ms % DAY_MS), 1)
    if element == SECONDARY:
        place = script - _SECOND_SCRIPTS
        return Counting(place if 1 <= place <= SECOND_REGISTERS else 1)
    column = script - _BLOCK_SCRIPTS
    if not 1 <= column <= COLUMNS:
        return Counting(script if 1 <= script <= TOU_REGISTERS else 1)
    used_up = sum(row[column - 1] for row in registers(context, device, at_ms).counters)
    limits = thresholds(tables, column)
    return Counting(column, next((block for block, limit in enumerate(limits) if used_up < limit), len(limits)))


class _Allotment:
    """Counts amounts by script."""

    __slots__ = ("_blocks", "_counters", "_tou")

    def __init__(self) -> None:
        self._tou = [0] * TOU_REGISTERS
        self._blocks = [[0] * COLUMNS for _ in range(BLOCKS)]
        self.restart()

    def restart(self) -> None:
        """Start the blocks' counters anew."""
        self._counters = [[0] * COLUMNS for _ in range(BLOCKS)]

    def count(self, script: int, amount: int, tables: Tables) -> None:
        """Scripts that name no register of this meter count in the first."""
        column = script - _BLOCK_SCRIPTS - 1
        if not 0 <= column < COLUMNS:
            self._tou[script - 1 if 1 <= script <= TOU_REGISTERS else 0] += amount
            return
        before = sum(row[column] for row in self._counters)
        limits = thresholds(tables, column + 1)
        for block in range(BLOCKS):
            limit = limits[block] if block < len(limits) else None
            room = amount if limit is None else min(amount, max(0, limit - before))
            self._blocks[block][column] += room
            self._counters[block][column] += room
            amount, before = amount - room, before + room

    def registers(self) -> Registers:
        return Registers(tuple(self._tou), tuple(map(tuple, self._blocks)), tuple(map(tuple, self._counters)))


def _spans(context: Context, device: DeviceState, begun: int, at_ms: int) -> Iterator[tuple[int, int, Tables]]:
    """The times between changes of the tariff, between two instants."""
    history = device.meter.history if device.meter else {}
    watched = (*GOVERNING, GAS_TARIFF)
    changes = {from_ms for name in watched for from_ms, _ in history.get(name, []) if begun < from_ms < at_ms}
    borders = [begun, *sorted(changes), max(begun, at_ms)]
    for start, end in pairwise(borders):
        yield start, end, tables_at(device, start)


def tables_at(device: DeviceState, at_ms: int) -> Tables:
    """The switching tables and thresholds in force at an instant."""
    values = ((attribute, value_at(device, attribute, at_ms)) for attribute in (*GOVERNING, GAS_TARIFF))
    return tuple((attribute, value) for attribute, value in values if value is not None)


def _between_resets(device: DeviceState, tables: Tables, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """The pieces of a span between resets of the blocks' counters, and whether each begins with one."""
    resets = {at_ms for at_ms in (device.meter.block_resets if device.meter else ()) if start <= at_ms < end}
    daily = daily_reset_ms(tables)
    if daily is not None:
        resets.update(range(start + (daily - start) % DAY_MS, end, DAY_MS))
    borders = [*sorted(resets | {start}), end]
    for first, last in pairwise(borders):
        yield first, last, first in resets


def _by_script(
    context: Context, device: DeviceState, stream: Stream, tables: Tables, element: int, start: int, end: int
) -> dict[int, int]:
    """What was counted under each script between two instants."""
    if not has_calendar(tables, element):
        return {1: used(context, device, stream, start, end)}
    sums: dict[int, int] = {}
    at_ms, without = start, without_supply(device)
    while at_ms < end:
        day, next_day = at_ms // DAY_MS, (at_ms // DAY_MS + 1) * DAY_MS
        if at_ms == day * DAY_MS and next_day <= end:
            pieces: Sequence[tuple[int, int]] = _day_by_script(context.seed, device.eui, stream, without, tables, element, day)
        else:
            pieces = list(_part_by_script(context.seed, device.eui, stream, without, tables, element, at_ms, min(end, next_day)))
        for script, amount in pieces:
            sums[script] = sums.get(script, 0) + amount
        at_ms = next_day
    return sums


@lru_cache(maxsize=8192)
def _day_by_script(
    seed: int, eui: int, stream: Stream, without: Spans, tables: Tables, element: int, day: int
) -> tuple[tuple[int, int], ...]:
    return tuple(_part_by_script(seed, eui, stream, without, tables, element, day * DAY_MS, (day + 1) * DAY_MS))


def _part_by_script(
    seed: int, eui: int, stream: Stream, without: Spans, tables: Tables, element: int, start: int, end: int
) -> Iterator[tuple[int, int]]:
    """Scripts and what was counted under each, for a part of one day."""
    midnight = start // DAY_MS * DAY_MS
    actions = scripts_of(tables, element, start // DAY_MS) or ((0, 1),)
    for (of_day, script), (until, _) in zip(actions, [*actions[1:], (DAY_MS, 0)], strict=True):
        first, last = max(start, midnight + of_day), min(end, midnight + until)
        if first < last:
            yield script, flowed(seed, eui, stream, without, last) - flowed(seed, eui, stream, without, first)
