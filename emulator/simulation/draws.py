"""Keyed chance: a draw is a function of (seed, entity, time, purpose), so its result does not depend on the order of draws.

Probabilities are ratios of integers (design point 3).
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """A probability ``numerator / denominator``."""

    numerator: int
    denominator: int


def draw(seed: int, entity: int, at_ms: int, purpose: str) -> int:
    """A uniform 64-bit number that depends on its arguments alone."""
    key = f"{seed}/{entity}/{at_ms}/{purpose}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def draw_below(limit: int, seed: int, entity: int, at_ms: int, purpose: str) -> int:
    """A number in ``0 .. limit-1``; the bias of at most ``limit / 2**64`` is accepted."""
    return draw(seed, entity, at_ms, purpose) * limit >> 64


def happens(ratio: Ratio, seed: int, entity: int, at_ms: int, purpose: str) -> bool:
    """Whether something of this probability happens to this entity now."""
    return draw_below(ratio.denominator, seed, entity, at_ms, purpose) < ratio.numerator
