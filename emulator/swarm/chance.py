"""The chance of one play: draws in a row, all from its seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from emulator.simulation.draws import draw_below

T = TypeVar("T")


@dataclass(slots=True)
class Chance:
    """Draws that follow from a seed and their number."""

    seed: int
    drawn: int = 0

    def below(self, limit: int) -> int:
        """0 to ``limit - 1``."""
        self.drawn += 1
        return draw_below(limit, self.seed, 0, self.drawn, "swarm")

    def between(self, least: int, most: int) -> int:
        """``least`` to ``most``, both included."""
        return least + self.below(most - least + 1)

    def one_in(self, count: int, of: int = 1) -> bool:
        """True ``of`` times in ``count`` on average."""
        return self.below(count) < of

    def choice(self, things: Sequence[T]) -> T:
        """One of them."""
        return things[self.below(len(things))]

    def sample(self, things: Sequence[T], count: int) -> list[T]:
        """So many of them, each once."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in range(count)]
