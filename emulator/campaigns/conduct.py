"""Carries out what the runner decides, on any target, and keeps the course of the numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from emulator.campaigns.funnel import Tallies, by
from emulator.campaigns.plan import Document
from emulator.campaigns.runner import (
    Activate,
    Command,
    GiveUp,
    Hold,
    Read,
    RetryWave,
    RollBack,
    Runner,
    StartWave,
    Stop,
    TakeBack,
)
from emulator.campaigns.waves import Part

COURSE_STAGES = ("at_hub", "verified", "activated", "confirmed")
"""Stages whose course over time is kept."""


class Target(Protocol):
    """Where a campaign runs. Times are simulated milliseconds of UTC; counts are exact."""

    @property
    def sizes(self) -> Sequence[int]:
        """Devices of each group of the plan."""
        ...

    @property
    def now_ms(self) -> int:
        """Simulated time."""
        ...

    async def start(self, wave: int, parts: Sequence[Part]) -> None:
        """Request the devices of a wave."""
        ...

    async def retry(self, wave: int) -> None:
        """Request again the devices of a wave that the plan wants tried again."""
        ...

    async def activate(self, date_ms: int | None) -> None:
        """Activate what is due, or tell it the date of its activation."""
        ...

    async def take_back(self) -> None:
        """Cancel the dates of the plan's share of the devices."""
        ...

    async def hold(self, held: bool) -> None:
        """Hold activations back that follow by themselves, or let them go on."""
        ...

    async def read(self) -> None:
        """Read what is due."""
        ...

    async def stop(self) -> None:
        """Cancel what is not at a device; activate nothing more."""
        ...

    async def roll_back(self) -> None:
        """Take back devices that run the image; they are counted in :data:`~emulator.campaigns.funnel.ROLLBACK_WAVE`."""
        ...

    async def give_up(self, wave: int) -> None:
        """Count the open devices of a wave as failed."""
        ...

    async def poll(self) -> Tallies:
        """The numbers now."""
        ...

    async def wait(self, until_ms: int) -> None:
        """Move to a time, or stop earlier at one when something came."""
        ...


Course = dict[str, list[tuple[int, tuple[int, ...]]]]
"""Per region, from time to time: milliseconds, and the devices at :data:`COURSE_STAGES`."""


@dataclass(slots=True)
class Run:
    """A campaign that is under way or over."""

    runner: Runner
    began_ms: int
    ended_ms: int = 0
    tallies: Tallies = field(default_factory=dict)
    course: Course = field(default_factory=dict)

    def keep(self, now_ms: int, tallies: Tallies) -> None:
        """Note the numbers; a region's entry is kept only when it differs from the one before."""
        self.tallies, self.ended_ms = tallies, now_ms
        for region, tally in by("region", tallies, waves=True).items():
            values = tuple(tally.at(stage) for stage in COURSE_STAGES)
            entries = self.course.setdefault(str(region), [(self.began_ms, (0,) * len(COURSE_STAGES))])
            if entries[-1][1] != values:
                entries.append((now_ms, values))


Observer = Callable[[Run], None]
"""Told after each look."""


async def conduct(
    document: Document,
    target: Target,
    observer: Observer = lambda _: None,
    limit_ms: int | None = None,
    *,
    attended: bool = False,
) -> Run:
    """Run a campaign to its end, or to an instant; one that is ``attended`` waits for somebody while it is paused or halted."""
    run = Run(Runner(document, target.sizes, target.now_ms, attended=attended), target.now_ms)
    runner = run.runner
    while True:
        tallies = await target.poll()
        run.keep(target.now_ms, tallies)
        commands = runner.decide(target.now_ms, by("wave", tallies, waves=False))
        observer(run)
        if runner.finished or (limit_ms is not None and target.now_ms >= limit_ms):
            return run
        for command in commands:
            await _carry_out(command, target)
        if not any(isinstance(command, Stop | RollBack | GiveUp) for command in commands):
            until_ms = max(runner.until_ms, target.now_ms + 1)
            await target.wait(until_ms if limit_ms is None else min(until_ms, limit_ms))


async def _carry_out(command: Command, target: Target) -> None:
    match command:
        case StartWave(wave, parts):
            await target.start(wave, parts)
        case RetryWave(wave):
            await target.retry(wave)
        case Activate(date_ms):
            await target.activate(date_ms)
        case TakeBack():
            await target.take_back()
        case Hold(held):
            await target.hold(held)
        case Read():
            await target.read()
        case Stop():
            await target.stop()
        case RollBack():
            await target.roll_back()
        case GiveUp(wave):
            await target.give_up(wave)
