"""Auxiliary controllers of an electricity meter: switches and proportional controllers of loads, five of them.

A controller does what it was told for a while (7.5, 7.6, 7.13), else is on while the boost button has it on (7.9), else does what
its calendar says (6.14.2, 6.14.3); at most what a limit allows (7.16). Only what was told is kept; the level follows from it and
the time. Levels are percent; a switch has 0 and 100.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from emulator.domain.identifiers import eui_bytes
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import Data, Tag
from emulator.premises.context import Context
from emulator.premises.readings import stored
from emulator.premises.state import DeviceState, Told
from emulator.simulation.draws import draw_below

CONTROLLERS = range(1, 6)

OUTPUT, INPUT = 0x10, 0x20
"""Directions, beside the number of the controller (test messages ECS47a, ECS101)."""

SCHEDULE, SPECIAL_DAYS = "10 0-0:12.0.2.255 2", "11 0-0:11.0.3.255 2"
"""The calendar in force (usecase_spec.json ECS61d)."""

FULL = 100

NUMBER, LIMIT = "1 0-0:94.44.0.2 2", "1 0-0:94.44.0.1 2"
NUMBERS = 10_000
"""The number of a meter is a fraction in ten thousandths: 2000 of a limit of 1000 s gives an offset of 200 s (ECS26c)."""

DEFAULT_OFFSET_LIMIT_S = 600
"""How far switching times are moved at most, until it is set; ours."""

NO_CONTROLLER = b""
"""Type and identifier of a controller that the meter does not have (test messages ECS61e)."""

DAY_MS = 86_400_000
_DAY = timedelta(days=1)
_LOOK_BACK_DAYS = 370
"""How far back the last switching of a calendar may lie."""


def offset_number(context: Context, device: DeviceState) -> int:
    """The random number of a meter, below :data:`NUMBERS`."""
    return draw_below(NUMBERS, context.seed, device.eui, 0, "randomised offset")


def offset_limit_s(device: DeviceState) -> int:
    """By how much switching times may be moved."""
    value = stored(device, LIMIT)
    return DEFAULT_OFFSET_LIMIT_S if value is None else value.number


def offset_s(context: Context, device: DeviceState) -> int:
    """By how much this meter moves its switching times."""
    return offset_limit_s(device) * offset_number(context, device) // NUMBERS


def identifier_of(context: Context, device: DeviceState, controller: int) -> bytes:
    """Type and identifier: the EUI of an HCALCS, zeros for a switch in the meter.

    Until they are set, the first controllers are the HCALCSs that joined the meter, the others switches of its own (ours).
    """
    value = stored(device, f"1 0-0:94.44.0.{20 + controller} 2")
    if value is not None:
        return value.octets
    joined = sorted(
        eui for eui in context.hub_of(device).devices
        if (other := context.state.devices[eui]).device_type is DeviceType.HCALCS and device.eui in other.joined_to
    )  # fmt: skip
    return eui_bytes(joined[controller - 1]) if controller <= len(joined) else bytes(8)


def switch_of(context: Context, device: DeviceState, controller: int) -> DeviceState | None:
    """The HCALCS that is this controller, if it is one and is there."""
    eui = int.from_bytes(identifier_of(context, device, controller), "big")
    other = context.state.devices.get(eui)
    return other if other is not None and other.hub == device.hub else None


def level(context: Context, device: DeviceState, direction: int, controller: int, now_ms: int) -> int:
    """What a controller does now, in percent."""
    at_ms, key, memory = now_ms + device.clock_offset_ms, direction | controller, device.loads
    told = None if memory is None else memory.told.get(key)
    if told is not None and holds(told, at_ms):
        wanted = told.level
    elif direction == OUTPUT and _boosted(context, device, controller, at_ms):
        wanted = FULL
    else:
        wanted = _by_calendar(context, device, key, at_ms)
    limit = None if memory is None else memory.limits.get(key)
    return min(wanted, limit.level) if limit is not None and holds(limit, at_ms) else wanted


def boosts(context: Context, device: DeviceState, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """When the customer had the boost button on, in device time: starts and ends of what began between two device times.

    On one day in four, for half an hour to two hours, by keyed chance (ours), and when somebody was made to press it.
    """
    found = list(_by_habit(context, device, from_ms, to_ms))
    pressed = device.loads.boosts if device.loads else []
    yield from sorted([*found, *(each for each in pressed if from_ms <= each[0] <= to_ms)])


def _by_habit(context: Context, device: DeviceState, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    for day in range(from_ms // DAY_MS, to_ms // DAY_MS + 1):
        drawn = draw_below(4 * 1_440 * 4, context.seed, device.eui, day, "boost")
        minute, quarter = divmod(drawn, 16)
        if quarter >= 4:
            continue
        start = day * DAY_MS + minute * 60_000
        if from_ms <= start <= to_ms:
            yield start, start + (quarter + 1) * 30 * 60_000


def _boosted(context: Context, device: DeviceState, controller: int, at_ms: int) -> bool:
    """Whether the boost button has a controller on; which controllers it has is set by 7.9 and 7.10."""
    follows = stored(device, f"1 0-0:94.44.6.{controller} 2")
    if follows is None or not follows.number:
        return False
    return any(start <= at_ms < end for start, end in boosts(context, device, at_ms - DAY_MS, at_ms))


def holds(told: Told, at_ms: int) -> bool:
    """Whether it is so at a device time."""
    return told.start_ms <= at_ms < told.end_ms


def _by_calendar(context: Context, device: DeviceState, key: int, at_ms: int) -> int:
    """The level of the last entry for the controller whose time has come; off where there is none."""
    schedule, specials = stored(device, SCHEDULE), stored(device, SPECIAL_DAYS)
    mine = [] if schedule is None else [found for row in schedule.items if (found := _action(row.items))[0] == key]
    if not mine:
        return 0
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms) - timedelta(seconds=offset_s(context, device))
    special = () if specials is None else tuple(row.items[1].octets for row in specials.items)
    day, second = at.date(), (at.hour * 60 + at.minute) * 60 + at.second
    for back in range(_LOOK_BACK_DAYS):
        latest = max(_switchings(mine, special, day - back * _DAY, second if back == 0 else 86_400), default=None)
        if latest is not None:
            return latest[2]
    return 0


_Action = tuple[int, int, int, tuple[Data, ...]]
"""Controller with its direction, second of the day, level, row."""


def _action(row: tuple[Data, ...]) -> _Action:
    """What a row of the calendar does, by its selector: 0n01 and 0n02 switch (ECS46c), 1nxx and 2nxx set a level (ECS46d)."""
    high, low = divmod(row[3].number, 256)
    direction = high & 0xF0
    level_ = low & 0x7F if direction else FULL if low == 1 else 0
    hour, minute, seconds = (0 if part == 0xFF else part for part in row[4].octets[:3])
    return (direction or OUTPUT) | high & 0x0F, (hour * 60 + minute) * 60 + seconds, level_, row


def _switchings(actions: list[_Action], special: tuple[bytes, ...], day: date, until_s: int) -> Iterator[tuple[int, int, int]]:
    """Second of the day, place and level of what is done on a day until a time of it."""
    found = next((number for number, pattern in enumerate(special) if _fits(pattern, day)), None)
    for place, (_, second, wanted, row) in enumerate(actions):
        bits, which = (row[6], day.weekday()) if found is None else (row[7], found)
        days = bits.value if bits.tag is Tag.BIT_STRING and isinstance(bits.value, str) else ""
        if second <= until_s and days[which : which + 1] == "1" and _between(row[8].octets, row[9].octets, day):
            yield second, place, wanted


def _fits(pattern: bytes, day: date) -> bool:
    """Whether a COSEM date with wildcards is this day."""
    year = int.from_bytes(pattern[:2], "big")
    return year in (0xFFFF, day.year) and pattern[2] in (0xFF, day.month) and pattern[3] in (0xFF, day.day)


def _between(first: bytes, last: bytes, day: date) -> bool:
    """Whether a day lies between two COSEM dates; years that are left open repeat every year."""
    start, end = ((int.from_bytes(at[:2], "big"), at[2], at[3]) for at in (first, last))
    if start[1] == 0xFF or end[1] == 0xFF:
        return True
    if start[0] == 0xFFFF or end[0] == 0xFFFF:
        here = (day.month, day.day)
        if start[1:] <= end[1:]:
            return start[1:] <= here <= end[1:]
        return here >= start[1:] or here <= end[1:]
    return start <= (day.year, day.month, day.day) <= end
