"""The agenda: what is due when.

Entries are plain data so that a snapshot is the list itself. Ties are broken by the order of scheduling, which is a
function of the inputs, so a replay runs events in the same order.
"""

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

Value = int | str | bytes | None


class Event(NamedTuple):
    """One thing that is due. Events are in order as tuples are: by time, then by the order of scheduling, which no two share."""

    at_ms: int
    """Simulated milliseconds of UTC."""
    order: int
    """Position among all events ever scheduled; breaks ties."""
    topic: str
    """Names the handler, e.g. ``hub.command``."""
    args: tuple[Value, ...] = ()
    """Keys and small values for the handler; never references to objects."""


_CANCELLED_KEPT = 1_000
"""Cancelled events that may lie among the entries although they are more than half of them."""


@dataclass(slots=True)
class Agenda:
    """A priority queue of events with deterministic order."""

    entries: list[Event] = field(default_factory=list)
    next_order: int = 0
    cancelled: set[int] = field(default_factory=set)
    """Order numbers that are still among the entries and will not happen."""

    def schedule(self, at_ms: int, topic: str, *args: Value) -> int:
        """Add an event and return its order number, by which :meth:`cancel` finds it."""
        order = self.next_order
        self.next_order += 1
        heapq.heappush(self.entries, Event(at_ms, order, topic, args))
        return order

    def cancel(self, order: int) -> None:
        """Drop the event with this order number, which must not have happened yet."""
        self.cancelled.add(order)
        if len(self.cancelled) > max(_CANCELLED_KEPT, len(self.entries) // 2):
            self.settle()

    def settle(self) -> None:
        """Forget what is cancelled and put the entries in order: what will happen stays, what was looked at no longer shows."""
        self.entries = sorted(entry for entry in self.entries if entry.order not in self.cancelled)
        self.cancelled.clear()

    def next_at_ms(self) -> int | None:
        """When the earliest event is due."""
        while self.entries and self.entries[0].order in self.cancelled:
            self.cancelled.discard(heapq.heappop(self.entries).order)
        return self.entries[0].at_ms if self.entries else None

    def pop_due(self, now_ms: int) -> Event | None:
        """Take the earliest event that is due at ``now_ms``, or None."""
        due = self.next_at_ms()
        return heapq.heappop(self.entries) if due is not None and due <= now_ms else None
