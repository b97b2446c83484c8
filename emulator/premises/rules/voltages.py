"""Rules of voltages: the averages of each phase, and how many of them were beyond their limits (ECS23, ECS23b)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from emulator.gbcs.dlms import Data, Tag, TypeDescription, decode_data
from emulator.premises.billing import VOLTAGE_LIMITS
from emulator.premises.load_shape import average_voltage, count_voltages
from emulator.premises.metering import fitted_ms, value_at
from emulator.premises.readings import Reading, Rule
from emulator.premises.rules.logs import entries, period_of, timestamp
from emulator.premises.rules.registers import last_reset_ms, uint32

DEPTH = 4320
"""Averages that a log keeps (usecase_spec.json ECS23)."""

PERIOD_S, LOW_V, HIGH_V = 1_800, 216, 253
"""Until they are set: over how long voltages are averaged (ours), and limits (ours too; data/objects/configuration.toml)."""

_UINT32 = TypeDescription(Tag.UINT32)


def _phase(reading: Reading) -> int:
    """Value group C names it: 32, 52 or 72."""
    return int(reading.attribute.split(":")[1].split(".")[0])


def _set_at(reading: Reading, attribute: str, at_ms: int, otherwise: int) -> int:
    value = value_at(reading.device, attribute, at_ms)
    return otherwise if value is None else decode_data(bytes.fromhex(value)).number


def _spans(reading: Reading, attributes: Sequence[str], from_ms: int) -> Iterator[tuple[int, int]]:
    """The times between changes of some attributes, until now."""
    history = reading.device.meter.history if reading.device.meter else {}
    changes = {at_ms for attribute in attributes for at_ms, _ in history.get(attribute, ()) if from_ms < at_ms < reading.now_ms}
    yield from pairwise((from_ms, *sorted(changes), max(from_ms, reading.now_ms)))


def _step_ms(reading: Reading, at_ms: int) -> int:
    """Over how long voltages were averaged at an instant."""
    return max(1, _set_at(reading, f"7 1-0:{_phase(reading)}.24.0.255 4", at_ms, PERIOD_S)) * 1000


def _averages(reading: Reading, from_ms: int) -> Iterator[tuple[int, int]]:
    """Ends of averaging periods after an instant, and the averages in V, by the periods that were set at their times."""
    phase, seed, eui = _phase(reading), reading.context.seed, reading.device.eui
    for start, end in _spans(reading, (f"7 1-0:{phase}.24.0.255 4",), from_ms):
        step_ms = _step_ms(reading, start)
        for period in range(-(-start // step_ms), end // step_ms):
            yield (period + 1) * step_ms, average_voltage(seed, eui, phase, step_ms, period)


def _log(reading: Reading) -> Data:
    start, end = period_of(reading)
    step_ms = _step_ms(reading, reading.now_ms)
    oldest = max(fitted_ms(reading.context, reading.device), reading.now_ms - (DEPTH + 1) * step_ms)
    kept = list(_averages(reading, oldest))[-DEPTH:]
    rows = ((timestamp(at_ms), uint32(volts)) for at_ms, volts in kept if start <= at_ms <= end)
    return entries((_UINT32, _UINT32), rows)


def _counter(reading: Reading) -> int:
    """How many averages were beyond the limit that was set at their time, since the last reset."""
    phase, counter = _phase(reading), reading.attribute.rpartition(" ")[0]
    attribute, low = VOLTAGE_LIMITS[counter], ".32.0.4" in counter
    watched = (attribute, f"7 1-0:{phase}.24.0.255 4")
    count = 0
    for start, end in _spans(reading, watched, last_reset_ms(reading, counter)):
        step_ms, limit = _step_ms(reading, start), _set_at(reading, attribute, start, LOW_V if low else HIGH_V)
        beyond = limit.__gt__ if low else limit.__lt__
        periods = range(-(-start // step_ms), end // step_ms)
        count += count_voltages(reading.context.seed, reading.device.eui, phase, step_ms, periods, beyond)
    return count


RULES: Mapping[str, Rule] = {
    "log_voltage": _log,
    "voltage_counter": _counter,
}
