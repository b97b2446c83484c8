"""How simulated time follows wall time: paused, real time × k, or jumping from event to event.

A clock is a value. It never reads a clock: whoever drives it says what a monotonic wall clock shows (``wall_ms``, milliseconds
from any fixed origin) and gets back the simulated instant that belongs to it. Every change gives a new clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from emulator.domain.errors import Malformed
from emulator.simulation.draws import Ratio

MAX_RATE = 1_000_000
"""Simulated milliseconds per wall millisecond at most; faster runs are what autojump is for."""
MAX_INSTANT_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last instant that certificates and DUIS times can express."""


class ClockMode(StrEnum):
    """What makes simulated time move."""

    PAUSED = "paused"
    """Nothing but an explicit advance."""
    REAL_TIME = "real_time"
    """Wall time, multiplied by the rate."""
    AUTOJUMP = "autojump"
    """To the next event, whenever somebody waits and nothing else is under way; it stands still otherwise."""


_UNITY = Ratio(1, 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """A mode and the point where simulated and wall time were last tied together."""

    mode: ClockMode
    anchor_ms: int
    """Simulated instant at the anchor."""
    anchor_wall_ms: int
    """Wall reading at the anchor."""
    rate: Ratio = _UNITY
    """Simulated over wall time in real-time mode."""
    resumes_to: ClockMode = ClockMode.REAL_TIME
    """The mode that :meth:`resume` goes back to after a pause."""

    def at(self, wall_ms: int) -> int:
        """The simulated instant when the wall clock shows ``wall_ms``; never before the anchor."""
        if self.mode is not ClockMode.REAL_TIME or wall_ms <= self.anchor_wall_ms:
            return self.anchor_ms
        passed = (wall_ms - self.anchor_wall_ms) * self.rate.numerator // self.rate.denominator
        return min(self.anchor_ms + passed, MAX_INSTANT_MS)

    def wall_of(self, instant_ms: int) -> int | None:
        """The first wall reading at which :meth:`at` shows ``instant_ms`` or later; None while time does not move."""
        if self.mode is not ClockMode.REAL_TIME:
            return None
        ahead = max(0, instant_ms - self.anchor_ms)
        return self.anchor_wall_ms - (-ahead * self.rate.denominator // self.rate.numerator)

    def moved_to(self, instant_ms: int, wall_ms: int) -> "Clock":
        """The same clock showing ``instant_ms`` at ``wall_ms``: after an advance or a jump."""
        return replace(self, anchor_ms=min(instant_ms, MAX_INSTANT_MS), anchor_wall_ms=wall_ms)

    def pause(self, wall_ms: int) -> "Clock":
        """Stand still at the present instant, remembering the mode."""
        if self.mode is ClockMode.PAUSED:
            return self
        return replace(self.moved_to(self.at(wall_ms), wall_ms), mode=ClockMode.PAUSED, resumes_to=self.mode)

    def resume(self, wall_ms: int) -> "Clock":
        """Go on in the mode that was paused."""
        if self.mode is not ClockMode.PAUSED:
            return self
        return replace(self.moved_to(self.at(wall_ms), wall_ms), mode=self.resumes_to)

    def at_rate(self, rate: Ratio, wall_ms: int) -> "Clock":
        """Real time × ``rate`` from the present instant on; raise :class:`Malformed` unless 0 < rate <= MAX_RATE."""
        if rate.numerator <= 0 or rate.denominator <= 0 or rate.numerator > MAX_RATE * rate.denominator:
            raise Malformed(
                f"{rate.numerator}/{rate.denominator} is not a rate", where="rate", expected=f"more than 0, at most {MAX_RATE}"
            )
        return replace(self.moved_to(self.at(wall_ms), wall_ms), mode=ClockMode.REAL_TIME, rate=rate)

    def autojump(self, wall_ms: int) -> "Clock":
        """Jump from event to event from the present instant on."""
        return replace(self.moved_to(self.at(wall_ms), wall_ms), mode=ClockMode.AUTOJUMP)

    def as_json(self) -> dict[str, Any]:
        """The parts that outlive a process: mode and rate. The anchor does not, for the wall clock starts anew."""
        rate = [self.rate.numerator, self.rate.denominator]
        return {"mode": self.mode.value, "rate": rate, "resumes_to": self.resumes_to.value}

    @classmethod
    def from_json(cls, state: Mapping[str, Any], instant_ms: int, wall_ms: int) -> "Clock":
        """Take up a stored clock at ``instant_ms``; raise :class:`Malformed` when ``state`` is not one."""
        try:
            numerator, denominator = state["rate"]
            return cls(
                mode=ClockMode(state["mode"]),
                anchor_ms=instant_ms,
                anchor_wall_ms=wall_ms,
                rate=Ratio(int(numerator), int(denominator)),
                resumes_to=ClockMode(state["resumes_to"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"not the state of a clock: {error}", where="clock") from None


def parse_rate(text: str) -> Ratio:
    """Read ``60``, ``0.5`` or ``3/2``; raise :class:`Malformed` for anything else."""
    numerator, slash, denominator = text.strip().partition("/")
    if not slash and "." in numerator:
        whole, _, fraction = numerator.partition(".")
        numerator, denominator = whole + fraction, "1" + "0" * len(fraction)
    digits = numerator + denominator
    if not (numerator and digits.isascii() and digits.isdigit() and len(digits) <= 40):
        raise Malformed(f"{text[:40]!r} is not a rate", where="rate", expected="a number such as 60, 0.5 or 3/2")
    rate = Ratio(int(numerator), int(denominator or "1"))
    if rate.numerator == 0 or rate.denominator == 0 or rate.numerator > MAX_RATE * rate.denominator:
        raise Malformed(f"{text[:40]!r} is not a rate", where="rate", expected=f"more than 0, at most {MAX_RATE}")
    return rate
