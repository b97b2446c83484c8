"""Chance over columns: a draw is a function of seed, entity and purpose (as :mod:`emulator.simulation.draws`, many at a time)."""

import hashlib

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def draws_below(limit: int, seed: int, entities: npt.NDArray[np.uint64], purpose: str) -> npt.NDArray[np.int64]:
    """For each entity a number in ``0 .. limit-1``; ``limit`` is below 2**31."""
    key = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    with np.errstate(over="ignore"):
        mixed = (entities.astype(np.uint64) ^ np.uint64(int.from_bytes(key, "big"))) + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        mixed ^= mixed >> np.uint64(31)
    found: npt.NDArray[np.int64] = ((mixed >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32)).astype(np.int64)
    return found
