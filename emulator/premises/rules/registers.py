"""Rules of registers: totals, power, time of use, blocks, highest demand. Shapes: test messages ECS17a to ECS18b, GCS13a to c."""

from collections.abc import Mapping, Sequence
from functools import partial

from emulator.domain.errors import Malformed
from emulator.gbcs import dlms
from emulator.gbcs.dlms import Data, Tag
from emulator.gbcs.times import cosem
from emulator.premises import billing, metering
from emulator.premises.demand import Demand, Window, highest_demand
from emulator.premises.load_shape import EXPORT, GAS, HALF_HOUR_MS, IMPORT, SECOND, Stream, counted
from emulator.premises.readings import Reading, Rule
from emulator.premises.switching import of_day_ms

WATT, WATT_HOUR, VAR_HOUR = 27, 30, 32
"""Units of COSEM registers in use (usecase_spec.json ECS17a to c)."""

_LIMIT = 1 << 32
"""Registers of 32 bits start anew at it."""

DEMANDS: Mapping[str, tuple[Sequence[Stream], str]] = {
    "4 1-0:1.6.0.255": ((IMPORT, SECOND), "1 0-0:94.44.5.1 2"),
    "4 1-0:1.6.1.255": ((IMPORT, SECOND), "1 0-0:94.44.5.0 2"),
    "4 1-0:2.6.0.255": ((EXPORT,), "1 0-0:94.44.5.2 2"),
}
"""Objects of highest demand: what they measure, and the attribute that says when they were last reset."""

CONFIGURABLE, WINDOW = "4 1-0:1.6.1.255", "10 0-0:12.0.0.255 2"
"""The highest demand within a window, and the schedule that gives the window: script 1 opens it, 2 closes it (ECS37)."""


def uint32(value: int) -> Data:
    """A register's reading."""
    return dlms.number(Tag.UINT32, value % _LIMIT)


def scaled(unit: int) -> Data:
    """Scaler 0 with a unit."""
    return dlms.structure(dlms.number(Tag.INT8, 0), dlms.number(Tag.ENUM, unit))


def _total(stream: Stream, reading: Reading) -> int:
    return metering.total(reading.context, reading.device, stream, reading.now_ms) % _LIMIT


def _reactive(stream: Stream, reading: Reading) -> int:
    return metering.reactive(reading.context, reading.device, stream, reading.now_ms) % _LIMIT


def _import_registers(reading: Reading) -> Data:
    active, reactive = uint32(_total(IMPORT, reading)), uint32(_reactive(IMPORT, reading))
    items = [active, scaled(WATT_HOUR), reactive, scaled(VAR_HOUR)]
    if metering.is_twin(reading.device):
        items.append(uint32(_total(SECOND, reading)))
    return dlms.structure(*items)


def _power_w(reading: Reading, streams: Sequence[Stream]) -> int:
    """The mean power of the half-hour that passes, as far as there is supply."""
    start, now_ms = reading.now_ms // HALF_HOUR_MS * HALF_HOUR_MS, reading.now_ms
    if any(off_ms <= now_ms < on_ms for off_ms, on_ms in metering.without_supply(reading.device)):
        return 0
    seed, eui = reading.context.seed, reading.device.eui
    return 2 * sum(counted(seed, eui, stream, start + HALF_HOUR_MS) - counted(seed, eui, stream, start) for stream in streams)


def _power(reading: Reading) -> Data:
    whole, first = _power_w(reading, metering.imports_of(reading.device)), _power_w(reading, (IMPORT,))
    return dlms.structure(uint32(whole), scaled(WATT), uint32(first))


def _by_time_of_use(reading: Reading) -> Data:
    values = metering.registers(reading.context, reading.device, reading.now_ms)
    elements = [values.tou]
    if metering.is_twin(reading.device):
        elements.append(metering.second_registers(reading.context, reading.device, reading.now_ms))
    return dlms.structure(*(dlms.array(*map(uint32, element)) for element in elements))


def _by_block(reading: Reading) -> Data:
    """Per block, first the registers of its columns, then their counters: 64 values (the order is our reading of ECS17e)."""
    values = metering.registers(reading.context, reading.device, reading.now_ms)
    rows = (row + counters for row, counters in zip(values.blocks, values.counters, strict=True))
    return dlms.structure(dlms.array(*(uint32(value) for row in rows for value in row)))


def _object(reading: Reading) -> str:
    return reading.attribute.rpartition(" ")[0]


def last_reset_ms(reading: Reading, named: str) -> int:
    """When a highest demand or a counter was last reset: as remembered, or when the month began in which the world did."""
    resets = reading.device.meter.resets if reading.device.meter else {}
    return resets.get(named, metering.month_start(reading.context.start_ms))


def _demand(reading: Reading) -> Demand:
    named = _object(reading)
    window = _window(reading) if named == CONFIGURABLE else None
    context, device, now_ms = reading.context, reading.device, reading.now_ms
    return highest_demand(context, device, DEMANDS[named][0], last_reset_ms(reading, named), now_ms, window)


def _window(reading: Reading) -> Window | None:
    schedule = reading.stored(WINDOW)
    try:
        times = {row.items[3].number: of_day_ms(row.items[4].octets) for row in (schedule or DEFAULT_WINDOW).items}
        return times[1], times[2]
    except (Malformed, KeyError, IndexError, ValueError):
        return None


def _entry(index: int, script: int, hour: int) -> Data:
    """One entry of the schedule; all but script and time is the same in every Command (usecase_spec.json ECS18b)."""
    number, octets = dlms.number, dlms.octets
    return dlms.structure(
        number(Tag.UINT16, index), Data(Tag.BOOLEAN, 0xFF), octets(bytes.fromhex("00000a8064ff")), number(Tag.UINT16, script),
        octets(bytes((hour, 0, 0, 0))), number(Tag.UINT16, 0xFFFF), Data(Tag.BIT_STRING, "1" * 7), Data(Tag.BIT_STRING, ""),
        octets(bytes.fromhex("000001ffff")), octets(b"\xff" * 5),
    )  # fmt: skip


DEFAULT_WINDOW = dlms.array(_entry(1, 1, 16), _entry(2, 2, 19))
"""From 16 to 19 o'clock; ours."""


def _demand_reset(reading: Reading) -> bytes:
    named = next(name for name, (_, attribute) in DEMANDS.items() if attribute == reading.attribute)
    return cosem(last_reset_ms(reading, named))


def _gas_tier(reading: Reading) -> int:
    """Attributes 0100, 0102, 0104, 0106: consumption in a time of use."""
    tier = int(reading.attribute.split()[1], 16) >> 1 & 0x7F
    return metering.registers(reading.context, reading.device, reading.now_ms).tou[tier]


def _gas_block(reading: Reading) -> int:
    """Attributes 0700 to 0703: consumption in a block."""
    block = int(reading.attribute.split()[1], 16) & 0xFF
    return billing.gas_blocks(reading.context, reading.device, reading.now_ms)[block]


RULES: Mapping[str, Rule] = {
    "import_registers": _import_registers,
    "export_register": partial(_total, EXPORT),
    "reactive_export_register": partial(_reactive, EXPORT),
    "power_import": _power,
    "registers_by_time_of_use": _by_time_of_use,
    "registers_by_block": _by_block,
    "highest_demand": lambda reading: _demand(reading).power_w,
    "highest_demand_time": lambda reading: cosem(_demand(reading).ended_ms or last_reset_ms(reading, _object(reading))),
    "highest_demand_reset": _demand_reset,
    "highest_demand_window": lambda reading: DEFAULT_WINDOW,
    "gas_consumption": partial(_total, GAS),
    "gas_by_time_of_use": _gas_tier,
    "gas_by_block": _gas_block,
}
