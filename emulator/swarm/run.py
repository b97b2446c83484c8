"""Plays seeds and says what did not hold; each finding names the command that shows it again."""

from collections.abc import Iterator
from dataclasses import dataclass

from emulator.domain.errors import EmulatorError
from emulator.swarm import invariants
from emulator.swarm.invariants import Broken
from emulator.swarm.play import Play, begin, calm_down, let_happen

STEPS = 30
"""Things that happen in a world."""
AT_ONCE = 5
"""Things between two looks at what must always hold."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a seed came to."""

    seed: int
    broken: tuple[Broken, ...]
    digest: str
    requests: int
    jobs: int
    faults: int

    @property
    def again(self) -> str:
        """The command that plays it again."""
        return f"dcc-emulator swarm --seed {self.seed}"


def play_seed(seed: int, steps: int = STEPS) -> Found:
    """Play one seed; an error of the emulator is a finding too."""
    play = begin(seed)
    unauthorised: list[Broken] = []
    play.look = lambda play, asked: unauthorised.extend(invariants.jobs_are_authorised(play, asked))
    try:
        broken = (*_play(play, steps), *unauthorised)
    except (EmulatorError, AssertionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        broken = (Broken("the emulator does not fail", f"{type(error).__name__}: {error}"),)
    jobs = len(play.world.engine.state.dsp.jobs)
    happened = sum(entry.kind == "fault" for entry in play.journal)
    return Found(seed, broken, play.world.engine.digest(), len(play.asked), jobs, happened)


def _play(play: Play, steps: int) -> Iterator[Broken]:
    for done in range(0, steps, AT_ONCE):
        let_happen(play, min(AT_ONCE, steps - done))
        yield from invariants.store_within_capacity(play)
        if play.chance.one_in(5):
            play.through_a_snapshot()
    calm_down(play)
    yield from invariants.store_within_capacity(play)
    yield from invariants.nothing_acknowledged_is_lost(play)
    yield from invariants.jobs_end_or_say_what_they_wait_for(play)
    yield from invariants.inventory_agrees_after_reads(play)
    yield from invariants.audit_is_whole(play)
