"""Which devices come in which wave, and when one may begin. Integers only."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from emulator.domain.settings import DAY_MS
from emulator.simulation.draws import draw_below

REST = "rest"
"""The last wave: all that are left."""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive devices of a group, in the group's own order."""

    group: int
    first: int
    count: int


def cut(sizes: Sequence[int], waves: Sequence[int | str], *, evenly: bool) -> tuple[tuple[Part, ...], ...]:
    """Cut groups of these sizes into waves; every device of the groups comes in at most one.

    A wave of n takes devices from all groups alike while they last (``evenly``), or from the first group that has any. ``rest``
    takes all that are left. Waves for which nothing is left are not there.
    """
    taken = [0] * len(sizes)
    found = []
    for wave in waves:
        left = [size - done for size, done in zip(sizes, taken, strict=True)]
        wanted = sum(left) if wave == REST else min(int(wave), sum(left))
        counts = _alike(left, wanted) if evenly else _in_turn(left, wanted)
        parts = tuple(Part(group, taken[group], count) for group, count in enumerate(counts) if count)
        if parts:
            found.append(parts)
        taken = [done + count for done, count in zip(taken, counts, strict=True)]
    return tuple(found)


def _in_turn(left: Sequence[int], wanted: int) -> list[int]:
    counts = []
    for available in left:
        counts.append(min(available, wanted))
        wanted -= counts[-1]
    return counts


def _alike(left: Sequence[int], wanted: int) -> list[int]:
    """Fill the groups level by level; what does not divide goes to the first ones."""
    counts = [0] * len(left)
    while wanted:
        able = [group for group, available in enumerate(left) if counts[group] < available]
        level = max(1, min(wanted // len(able), *(left[group] - counts[group] for group in able)))
        for group in able[:wanted]:
            counts[group] += level
        wanted -= level * len(able[:wanted])
    return counts


@dataclass(frozen=True, slots=True)
class Shuffle:
    """A fixed order of the numbers 0 … size-1 in which any of them can be computed: ``(first + step × n) mod size``.

    The first devices of a group are then spread over all of it, so that a pilot does not stand in one street.
    """

    size: int
    first: int
    step: int

    @classmethod
    def of(cls, size: int, seed: int, group: int) -> "Shuffle":
        """The order of one group of a campaign."""
        if size < 2:
            return cls(size, 0, 1)
        step = 1 + draw_below(size - 1, seed, group, 0, "campaign.step")
        while gcd(step, size) != 1:
            step = step % size + 1
        return cls(size, draw_below(size, seed, group, 0, "campaign.first"), step)

    def __getitem__(self, position: int) -> int:
        return (self.first + self.step * position) % self.size


def opens_ms(windows: Sequence[tuple[int, int]], now_ms: int) -> int:
    """When a wave may begin, from ``now_ms`` on: within a window, given as milliseconds of the day; always without any."""
    if not windows:
        return now_ms
    midnight_ms = now_ms - now_ms % DAY_MS
    return min(_opens(midnight_ms, window, now_ms) for window in windows)


def _opens(midnight_ms: int, window: tuple[int, int], now_ms: int) -> int:
    begin, end = window
    length = (end - begin) % DAY_MS or DAY_MS
    for day in (-1, 0, 1):
        opening = midnight_ms + day * DAY_MS + begin
        if now_ms < opening + length:
            return max(now_ms, opening)
    raise AssertionError("a window opens every day")
