"""Auxiliary controllers: what they are told for a while, limits, resets, and the log of it (7.5 to 7.8, 7.13, 7.16)."""

from collections.abc import Mapping

from emulator.gbcs.dlms import AccessResult, Operation
from emulator.gbcs.times import CANCEL, read_cosem
from emulator.premises import event_logs, han, loads, timers
from emulator.premises.actions.tariffs import moving
from emulator.premises.answers import OTHER_REASON, DlmsCall, DlmsDated, DlmsHandlers
from emulator.premises.context import Context
from emulator.premises.readings import stored
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, Timer, Told

SET, LIMIT = "9 0-0:10.0.103.255 1", "9 0-0:10.0.107.255 1"
"""The methods that run a script (usecase_spec.json ECS47a, ECS47e)."""

ACTIVATE, DEACTIVATE, RESET = 0x11, 0x12, 0x20
"""Scripts of older devices, beside the number of the switch (test messages ECS47)."""

LIMITED, LIMIT_ENDED = 0x8F86, 0x8F87
"""A limit was taken up; it ended, or another took its place (test messages ECS101, ECS102)."""

LIMIT_ENDS = "limit of a load"
"""Kind of timer: the end of a limit."""

MINUTE_MS = 60_000
"""Unit of the durations of 7.5 and 7.6 (inferred)."""

TOLD, DONE, NOT_DONE = 0, 1, 2
"""Outcomes in the log: another device was told, it was done, it was not (test messages ECS35g, the meaning inferred)."""


def _part(device: DeviceState, controller: int, part: int) -> bytes | int:
    """What was set beside a script: a duration, or a date."""
    value = stored(device, f"1 0-0:94.44.{116 + controller}.{part} 2")
    if value is None:
        return b""
    return value.octets if isinstance(value.value, bytes) else value.number


def _period(device: DeviceState, controller: int, first: int) -> tuple[int, int] | None:
    """From when to when, in device time; None where that is no period."""
    limits = [_part(device, controller, part) for part in (first, first + 1)]
    start, end = (read_cosem(limit) if isinstance(limit, bytes) and limit else CANCEL for limit in limits)
    return None if end in (None, CANCEL) or start == CANCEL or (start or 0) >= end else (start or 0, end)


def _set(call: DlmsCall) -> AccessResult:
    high, low = divmod(call.data.number, 256)
    direction, controller, device = high & 0xF0, high & 0x0F, call.device
    if controller not in loads.CONTROLLERS or direction not in (0, loads.OUTPUT, loads.INPUT):
        return call.result(OTHER_REASON)
    memory, key = event_logs.loads_of(device), (direction or loads.OUTPUT) | controller
    device_ms = call.now_ms + device.clock_offset_ms
    if direction:
        period = _period(device, controller, 1)
        if period is None or low > loads.FULL:
            return call.result(OTHER_REASON)
        memory.told[key] = Told(low, *period)
    elif low in (ACTIVATE, DEACTIVATE):
        minutes = _part(device, controller, 1 if low == ACTIVATE else 2)
        if not isinstance(minutes, int):
            return call.result(OTHER_REASON)
        level = loads.FULL if low == ACTIVATE else 0
        memory.told[key] = Told(level, device_ms, device_ms + minutes * MINUTE_MS)
    elif low == RESET:
        memory.told.pop(key, None)
    else:
        return call.result(OTHER_REASON)
    _log(call.context, device, controller, call.data.number, call.now_ms)
    return call.result()


def _log(context: Context, device: DeviceState, controller: int, script: int, now_ms: int) -> None:
    """One entry for a switch of the meter; for another device one that it was told, and one for what came of it."""
    kept, at_ms = event_logs.loads_of(device).log, now_ms + device.clock_offset_ms
    other = loads.switch_of(context, device, controller)
    if other is None:
        kept.append((at_ms, script, DONE, 0))
    else:
        reached = han.is_up(context, other) and han.is_up(context, device)
        kept.append((at_ms, script, TOLD, at_ms))
        kept.append((at_ms + 2 * context.settings.han_latency_ms, controller << 8, DONE if reached else NOT_DONE, at_ms))
        context.note(other, f"is told {script:04X} by its meter" if reached else "does not hear its meter")
    del kept[: -event_logs.LOAD_LOG_DEPTH]


def _limit(call: DlmsCall) -> AccessResult:
    high, low = divmod(call.data.number, 256)
    direction, controller, device = high & 0xF0, high & 0x0F, call.device
    known = controller in loads.CONTROLLERS and direction in (loads.OUTPUT, loads.INPUT) and low <= loads.FULL
    period = _period(device, controller, 3) if known else None
    if period is None:
        return call.result(OTHER_REASON)
    memory = event_logs.loads_of(device)
    if high in memory.limits:
        _report_end(call.context, device, high, memory.limits.pop(high).level, call.now_ms)
    start, end = period
    memory.limits[high] = Told(low, start, end)
    values = {"direction_and_number": high, "start_ms": start, "end_ms": end, "level": low}
    call.context.log_event(device, LIMITED, call.now_ms)
    send_alert(call.context, device, LIMITED, call.now_ms, values)
    timers.start(call.context, device, LIMIT_ENDS, max(call.now_ms, end - device.clock_offset_ms), high)
    return call.result()


def _limit_ends(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    limit = event_logs.loads_of(device).limits.pop(timer.subject, None)
    if limit is not None:
        _report_end(context, device, timer.subject, limit.level, now_ms)


def _report_end(context: Context, device: DeviceState, controller: int, level: int, now_ms: int) -> None:
    context.log_event(device, LIMIT_ENDED, now_ms)
    send_alert(context, device, LIMIT_ENDED, now_ms, {"direction_and_number": controller, "level": level})


DLMS: DlmsHandlers = {(Operation.ACTION, SET): _set, (Operation.ACTION, LIMIT): _limit}

DLMS_DATED: Mapping[str, DlmsDated] = {
    "9000 0-0:94.44.128.26 6": moving(("10 0-1:12.0.2.255 2", loads.SCHEDULE)),
    "9000 0-0:94.44.128.35 6": moving(("11 0-1:11.0.3.255 2", loads.SPECIAL_DAYS)),
}
"""Calendar and special days (test messages ECS46c, ECS46d: one alert for each)."""

TIMERS: Mapping[str, timers.Run] = {LIMIT_ENDS: _limit_ends}
