"""Dictionaries that forget: beyond a limit the oldest entries go.

Dropping takes a tenth of the limit at a time, because looking for the oldest entry of a dictionary costs as much as the entries
that were dropped before it.
"""

from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def drop_oldest(entries: dict[K, V], limit: int) -> list[K]:
    """Where there are more entries than ``limit``, drop the oldest ones; returns their keys."""
    if len(entries) <= limit:
        return []
    dropped = list(islice(entries, len(entries) - limit + limit // 10))
    for key in dropped:
        del entries[key]
    return dropped
