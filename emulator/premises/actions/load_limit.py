"""The load limit: an electricity meter whose import stays above a threshold counts, reports, and may cut off (6.4)."""

from collections.abc import Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import AccessResult, Operation, Tag
from emulator.premises import event_logs, supply, timers
from emulator.premises.actions.tariffs import moving
from emulator.premises.answers import DlmsCall, DlmsDated, DlmsHandlers
from emulator.premises.context import Context
from emulator.premises.load_shape import HALF_HOUR_MS
from emulator.premises.metering import imports_of, used
from emulator.premises.readings import store, stored
from emulator.premises.state import DatedChange, DeviceState, Timer

CUTS_OFF, THRESHOLD_W, PERIOD_S, RESTORATION_S = (
    "9000 0-0:94.44.0.3 2", "71 0-0:17.0.0.255 4", "71 0-0:17.0.0.255 6", "71 0-0:17.0.0.255 7",
)  # fmt: skip
"""What holds (usecase_spec.json ECS27)."""

COUNTER = "3 0-0:94.44.42.255"

ABOVE, CUT_OFF, RESTORED = 0x8F01, 0x8F33, 0x8F34
"""Import is above the limit; the supply was cut off and armed for it; it is on again after the restoration period."""

EXCEEDED, LOOK_AGAIN, RESTORES = "load limit exceeded", "load limit looked at again", "load limit restores"
"""Kinds of timers."""

_LOOK_AHEAD = 7 * 48
"""Half-hours that are looked at in advance: the load shape is known."""


def _number(device: DeviceState, attribute: str) -> int | None:
    value = stored(device, attribute)
    return None if value is None else value.number


def watch(context: Context, device: DeviceState, now_ms: int) -> None:
    """Plan for when the limit will next be exceeded, or for looking again; once per time that the load stays above it."""
    timers.stop(device, EXCEEDED)
    timers.stop(device, LOOK_AGAIN)
    threshold_w, period_s = _number(device, THRESHOLD_W), _number(device, PERIOD_S)
    if threshold_w is None or period_s is None:
        return
    above_since: int | None = None
    first = now_ms // HALF_HOUR_MS
    for slot in range(first, first + _LOOK_AHEAD):
        start = max(now_ms, slot * HALF_HOUR_MS)
        if _power_w(context, device, slot) <= threshold_w:
            above_since = None
            continue
        above_since = start if above_since is None else above_since
        due = above_since + period_s * 1000
        if due < (slot + 1) * HALF_HOUR_MS:
            timers.start(context, device, EXCEEDED, due)
            return
    timers.start(context, device, LOOK_AGAIN, (first + _LOOK_AHEAD) * HALF_HOUR_MS)


def _power_w(context: Context, device: DeviceState, slot: int) -> int:
    """The mean power of a half-hour."""
    start = slot * HALF_HOUR_MS
    return 2 * sum(used(context, device, stream, start, start + HALF_HOUR_MS) for stream in imports_of(device))


def _exceeded(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    if supply.state_of(device) == supply.ON:
        count = (_number(device, f"{COUNTER} 2") or 0) + 1
        store(device, f"{COUNTER} 2", dlms.number(Tag.UINT32, count))
        event_logs.happened(context, device, ABOVE, now_ms)
        if _number(device, CUTS_OFF):
            supply.switch(context, device, supply.ARMED, "its load is above the limit")
            event_logs.happened(context, device, CUT_OFF, now_ms)
            restoration_ms = (_number(device, RESTORATION_S) or 0) * 1000
            if restoration_ms:
                timers.start(context, device, RESTORES, now_ms + restoration_ms)
    threshold_w, slot = _number(device, THRESHOLD_W) or 0, now_ms // HALF_HOUR_MS
    later = range(slot + 1, slot + _LOOK_AHEAD)
    below = next((each for each in later if _power_w(context, device, each) <= threshold_w), None)
    watch(context, device, (slot + _LOOK_AHEAD if below is None else below) * HALF_HOUR_MS)


def _look_again(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    watch(context, device, now_ms)


def _restores(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    if supply.state_of(device) == supply.ARMED:
        supply.switch(context, device, supply.ON, "the restoration period is over")
        event_logs.happened(context, device, RESTORED, now_ms)


def _setting(source: str, target: str) -> DlmsDated:
    """A setting becomes active, and the limit is looked at with it."""
    move = moving((source, target))

    def run(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
        move(context, device, change, now_ms)
        watch(context, device, now_ms)

    return run


def _reset(call: DlmsCall) -> AccessResult:
    store(call.device, f"{COUNTER} 2", dlms.number(Tag.UINT32, 0))
    return call.result()


DLMS: DlmsHandlers = {(Operation.ACTION, f"{COUNTER} 1"): _reset}

DLMS_DATED: Mapping[str, DlmsDated] = {
    "9000 0-0:94.44.0.3 6": _setting("9000 0-0:94.44.0.3 4", CUTS_OFF),
    "9000 0-0:94.44.128.7 6": _setting("9000 0-0:94.44.128.7 4", THRESHOLD_W),
    "9000 0-0:94.44.128.6 6": _setting("9000 0-0:94.44.128.6 4", PERIOD_S),
    "9000 0-0:94.44.128.8 6": _setting("9000 0-0:94.44.128.8 4", RESTORATION_S),
}
"""Each of the four has an activation time, and an alert, of its own (test messages ECS28a)."""

TIMERS: Mapping[str, timers.Run] = {EXCEEDED: _exceeded, LOOK_AGAIN: _look_again, RESTORES: _restores}
