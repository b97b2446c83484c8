"""Calendars of gas meters: published part by part, in force from a date, given back to who asks (cluster 0707).

What Get commands bring is what was published.
"""

from collections.abc import Iterable, Mapping

from emulator.domain.errors import Malformed
from emulator.gbcs.gbz import NOT_FOUND
from emulator.gbcs.times import CANCEL, read_utc_time
from emulator.premises.actions.dating import CALENDARS, CLIENT_TO_SERVER, REPLY, SERVER_TO_CLIENT, at_date, charging, numbers
from emulator.premises.answers import ZclAnswer, ZclCall, ZclDated, ZclHandlers, ZclReply
from emulator.premises.context import Context
from emulator.premises.gas_calendars import (
    CALENDAR,
    DAY,
    NON_DISABLEMENT,
    SEASONS,
    SPECIAL_DAYS,
    TARIFF,
    WEEK,
    key,
    parts,
)
from emulator.premises.objects import mirrored
from emulator.premises.state import DatedChange, DeviceState

TYPE_OF_ASKED: Mapping[int, int] = {0xFFFFFFFF: TARIFF, 0xFFFFFFFE: NON_DISABLEMENT}
"""What Get commands name instead of a calendar's identifier (test messages GCS21b, GCS21f)."""

_U8, _U32, _ENUM, _TIME = 0x20, 0x23, 0x30, 0x23


def _publish(call: ZclCall) -> ZclAnswer:
    start, type_ = numbers(call.request.payload, _U32, _U32, _U32, _TIME, _ENUM)[0][3:]
    return at_date(call, start, _begin, f"calendar {type_}")


@charging
def _begin(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    """A calendar comes into force: those before it are forgotten, those that wait stay."""
    type_ = numbers(change.payload, _U32, _U32, _U32, _TIME, _ENUM)[0][4]
    kept = {change.counter, *(waiting.counter for waiting in device.dated.values())}
    part_of = key(type_, "part ")
    for name in [name for name in device.attributes if name.startswith(part_of)]:
        if int(name.split()[4]) not in kept:
            del device.attributes[name]
    device.attributes[key(type_, "active")] = change.counter.to_bytes(8, "big").hex()


def _publish_part(call: ZclCall) -> ZclAnswer:
    """A day, a week or the seasons, of the calendar that the same Command publishes."""
    payload, command = call.request.payload, call.request.command
    (_, _, calendar, number), _ = numbers(payload, _U32, _U32, _U32, _U8)
    start, type_ = _published(call, calendar)
    if read_utc_time(start) != CANCEL:
        name = key(type_, "part", call.view.message.counter, command, f"{0 if command == SEASONS else number:02x}")
        call.device.attributes[name] = payload.hex()
    return ZclAnswer()


def _published(call: ZclCall, calendar: int) -> tuple[int, int]:
    """Start time and type of the calendar of this identifier in the Command."""
    for component in call.view.components:
        if component.cluster == CALENDARS and component.command == CALENDAR and component.sequence < call.request.sequence:
            _, _, identifier, start, type_ = numbers(component.payload, _U32, _U32, _U32, _TIME, _ENUM)[0]
            if identifier == calendar:
                return start, type_
    raise Malformed("a part of a calendar that is not published with it", where=f"calendar {calendar:08X}")


def _publish_special_days(call: ZclCall) -> ZclAnswer:
    start, type_ = numbers(call.request.payload, _U32, _U32, _U32, _TIME, _ENUM)[0][3:]
    return at_date(call, start, _begin_special_days, f"calendar {type_}")


@charging
def _begin_special_days(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    type_ = numbers(change.payload, _U32, _U32, _U32, _TIME, _ENUM)[0][4]
    device.attributes[key(type_, "special days")] = change.payload.hex()


def _get(call: ZclCall) -> ZclAnswer:
    """Days or weeks from a number on, up to as many as are asked for (0: all), or the seasons."""
    command = call.request.command
    (_, asked), rest = numbers(call.request.payload, _U32, _U32)
    first, most = (0, 0) if command == SEASONS else numbers(rest, _U8, _U8)[0]
    found = [part for part in _of_home(call, asked, command) if command == SEASONS or part[12] >= first]
    return _answer(command, found[: most or None])


def _get_special_days(call: ZclCall) -> ZclAnswer:
    _, _, type_, _, _ = numbers(call.request.payload, _TIME, _U8, _ENUM, _U32, _U32)[0]
    subject = mirrored(call.context, call.device)
    return _answer(SPECIAL_DAYS, [] if subject is None else parts(subject, type_, SPECIAL_DAYS))


def _of_home(call: ZclCall, asked: int, command: int) -> Iterable[bytes]:
    """What the meter has: of the type that is asked for, or of the calendar of this identifier."""
    subject = mirrored(call.context, call.device)
    if subject is None:
        return []
    if asked in TYPE_OF_ASKED:
        return parts(subject, TYPE_OF_ASKED[asked], command)
    both = (part for type_ in (TARIFF, NON_DISABLEMENT) for part in parts(subject, type_, command))
    return [part for part in both if int.from_bytes(part[8:12], "little") == asked]


def _answer(command: int, found: Iterable[bytes]) -> ZclAnswer:
    replies = tuple(ZclReply(REPLY, command, payload) for payload in found)
    return ZclAnswer(replies=replies) if replies else ZclAnswer(NOT_FOUND)


ZCL: ZclHandlers = {
    (CALENDARS, SERVER_TO_CLIENT, CALENDAR): _publish,
    **{(CALENDARS, SERVER_TO_CLIENT, part): _publish_part for part in (DAY, WEEK, SEASONS)},
    (CALENDARS, SERVER_TO_CLIENT, SPECIAL_DAYS): _publish_special_days,
    **{(CALENDARS, CLIENT_TO_SERVER, part): _get for part in (DAY, WEEK, SEASONS)},
    (CALENDARS, CLIENT_TO_SERVER, SPECIAL_DAYS): _get_special_days,
}

ZCL_DATED: Mapping[tuple[int, int, int], ZclDated] = {
    (CALENDARS, CLIENT_TO_SERVER, CALENDAR): _begin,
    (CALENDARS, CLIENT_TO_SERVER, SPECIAL_DAYS): _begin_special_days,
}
"""By the frame control that alerts name."""
