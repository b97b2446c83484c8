"""Rules of the supply and of auxiliary loads: battery, offset of switching times, controllers, their log."""

import json
from collections.abc import Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import Data, Tag, TypeDescription
from emulator.premises import loads, supply
from emulator.premises.loads import DAY_MS
from emulator.premises.metering import fitted_ms
from emulator.premises.readings import Reading, Rule
from emulator.premises.rules.logs import entries, period_of, timestamp

BATTERY_DAYS = 5_500
"""How long the battery of a gas meter lasts from when it was fitted; ours."""

_SWITCH_LOG = tuple(TypeDescription(tag) for tag in (Tag.UINT32, Tag.UINT16, Tag.ENUM, Tag.UINT32))


BOOST_LOG_DEPTH = 25
"""Entries of the log of the boost button (usecase_spec.json ECS61c)."""

BOOST_LOG_DAYS = 366
"""How far back it is worked out."""


def _controller(reading: Reading) -> int:
    """The last digit of the last group of the OBIS code names it; of a disconnect control the second group."""
    named = reading.attribute.split()[1]
    if named.startswith("0-0:"):
        return int(named.rpartition(".")[2]) % 10
    return int(named[2])


def _battery_days(reading: Reading) -> int:
    return max(0, BATTERY_DAYS - (reading.now_ms - fitted_ms(reading.context, reading.device)) // DAY_MS)


def _output(reading: Reading) -> int:
    """Whether the load switch of the meter is closed."""
    return 0xFF if supply.state_of(reading.device) == supply.ON else 0


def _level(reading: Reading, direction: int) -> int:
    return loads.level(reading.context, reading.device, direction, _controller(reading), reading.now_ms)


def _switched_on(reading: Reading) -> int:
    return 0xFF if _level(reading, loads.OUTPUT) else 0


def _state(reading: Reading) -> Data:
    """What a controller does, as text (test messages ECS61e)."""
    if loads.identifier_of(reading.context, reading.device, _controller(reading)) == loads.NO_CONTROLLER:
        return Data(Tag.UTF8_STRING, "{}")
    said = {"outputState": _level(reading, loads.OUTPUT), "inputState": _level(reading, loads.INPUT)}
    return Data(Tag.UTF8_STRING, json.dumps(said))


def _described(reading: Reading) -> Data:
    return Data(Tag.VISIBLE_STRING, f"Load {_controller(reading)}")


def _log(reading: Reading) -> Data:
    start, end = period_of(reading)
    memory = reading.device.loads
    rows = (
        (
            timestamp(at_ms), dlms.number(Tag.UINT16, script), dlms.number(Tag.ENUM, outcome),
            dlms.number(Tag.UINT32, asked_ms // 1000),
        )
        for at_ms, script, outcome, asked_ms in (memory.log if memory else ())
        if start <= at_ms <= end
    )  # fmt: skip
    return entries(_SWITCH_LOG, rows)


def _boost_log(reading: Reading) -> Data:
    """The newest entries that lie in the period."""
    start, end = period_of(reading)
    begun = max(start, fitted_ms(reading.context, reading.device), end - BOOST_LOG_DAYS * DAY_MS)
    found = list(loads.boosts(reading.context, reading.device, begun, end))[-BOOST_LOG_DEPTH:]
    rows = ((timestamp(began), timestamp(ended)) for began, ended in found)
    return entries((TypeDescription(Tag.UINT32), TypeDescription(Tag.UINT32)), rows)


RULES: Mapping[str, Rule] = {
    "battery_days": _battery_days,
    "load_switch": _output,
    "controller_level": _switched_on,
    "controller_state": _state,
    "controller_description": _described,
    "controller_identifier": lambda reading: loads.identifier_of(reading.context, reading.device, _controller(reading)),
    "offset_number": lambda reading: loads.offset_number(reading.context, reading.device),
    "offset": lambda reading: loads.offset_s(reading.context, reading.device),
    "controller_log": _log,
    "boost_log": _boost_log,
}
