"""The queues of the outbox: one per recipient, in it one lane per device."""

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Item:
    """A message that is not taken yet."""

    number: int
    recipient: int
    device: int | None
    request_id: str | None
    kind: str
    code: str
    queued_wall_ms: int
    body: bytes | None
    """None when it has to be read from the log."""
    ready_s: float
    """Not before, in seconds of the event loop."""
    reason: str = ""
    """Why not before: ``floor`` or ``back-off``."""
    attempts: int = 0
    rejections: int = 0
    status: int | None = None
    detail: str = ""
    url: str = ""
    """Where the last attempt went."""


@dataclass(slots=True)
class Lane:
    """Messages for one recipient about one device."""

    items: deque[Item] = field(default_factory=deque)
    sending: bool = False
    scheduled: bool = False


@dataclass(slots=True)
class Recipient:
    """A user's queues."""

    eui: int
    lanes: dict[int | None, Lane] = field(default_factory=dict)
    ready: deque[Lane] = field(default_factory=deque)
    waiting: list[tuple[float, int, Lane]] = field(default_factory=list)
    """Heap of lanes whose first message is not to go yet."""
    sending: int = 0
    held: int = 0
    """Messages not done."""
    unreachable: int = 0
    """Connection failures since the last answer."""
    resume_s: float = 0.0
    """Nothing goes before, for the endpoint could not be reached."""
    timer: asyncio.TimerHandle | None = None

    def reorder(self) -> None:
        """Put the waiting lanes in order again after their first messages changed."""
        self.waiting = [(lane.items[0].ready_s, tie, lane) for _, tie, lane in self.waiting]
        heapq.heapify(self.waiting)
