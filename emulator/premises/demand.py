"""The highest demand of a meter: the half-hour in which it measured most since a reset."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from emulator.premises.context import Context
from emulator.premises.load_shape import DAY_MS, HALF_HOUR_MS, Spans, Stream, day_flow
from emulator.premises.metering import fitted_ms, streams_of, without_supply
from emulator.premises.state import DeviceState

Window = tuple[int, int]
"""Two times of day in milliseconds; the second may be on the next day."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The highest demand of a half-hour."""

    power_w: int
    ended_ms: int
    """0 where no half-hour has ended yet."""


def highest_demand(
    context: Context,
    device: DeviceState,
    streams: Sequence[Stream],
    from_ms: int,
    to_ms: int,
    window: Window | None = None,
) -> Demand:
    """The highest mean power of the half-hours between two instants, or of those of them that lie wholly in a window."""
    best = Demand(0, 0)
    measured = [stream for stream in streams if stream in streams_of(device)]
    from_ms, without = max(from_ms, fitted_ms(context, device)), without_supply(device)
    for day in range(from_ms // DAY_MS, to_ms // DAY_MS + 1) if measured else ():
        peak = _day_peak(context.seed, device.eui, tuple(measured), without, day, from_ms, to_ms, window)
        if peak is not None and 2 * peak[0] > best.power_w:
            best = Demand(2 * peak[0], peak[1])
    return best


@lru_cache(maxsize=8192)
def _whole_day_peak(
    seed: int, eui: int, streams: tuple[Stream, ...], without: Spans, day: int, window: Window | None
) -> tuple[int, int]:
    curves = [day_flow(seed, eui, stream, without, day) for stream in streams]
    best = (0, day * DAY_MS)
    for slot in range(len(curves[0]) - 1):
        energy = sum(curve[slot + 1] - curve[slot] for curve in curves)
        if energy > best[0] and (window is None or _inside(slot * HALF_HOUR_MS, window)):
            best = energy, day * DAY_MS + (slot + 1) * HALF_HOUR_MS
    return best


def _day_peak(
    seed: int, eui: int, streams: tuple[Stream, ...], without: Spans, day: int, from_ms: int, to_ms: int, window: Window | None
) -> tuple[int, int] | None:
    """Energy and end of the highest half-hour of a day, of those that lie wholly between two instants."""
    if from_ms <= day * DAY_MS and (day + 1) * DAY_MS <= to_ms:
        return _whole_day_peak(seed, eui, streams, without, day, window)
    curves = [day_flow(seed, eui, stream, without, day) for stream in streams]
    found = [
        (sum(curve[slot + 1] - curve[slot] for curve in curves), day * DAY_MS + (slot + 1) * HALF_HOUR_MS)
        for slot in range(len(curves[0]) - 1)
        if from_ms <= day * DAY_MS + slot * HALF_HOUR_MS
        and day * DAY_MS + (slot + 1) * HALF_HOUR_MS <= to_ms
        and (window is None or _inside(slot * HALF_HOUR_MS, window))
    ]
    return max(found, key=lambda peak: (peak[0], -peak[1]), default=None)


def _inside(of_day: int, window: Window) -> bool:
    """Whether the half-hour that begins at a time of day lies in the window."""
    start, end = window
    length = (end - start) % DAY_MS or DAY_MS
    return (of_day - start) % DAY_MS + HALF_HOUR_MS <= length
