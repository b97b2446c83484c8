"""An engine whose events are a list, to drive the pump without a world. Everything above it is tested on the real one."""

import heapq
from collections.abc import Callable

from emulator.controls import ControlledEngine
from emulator.domain.identifiers import Eui64
from emulator.dsp.effects import Answer, ControlAnswer, Delivery, Effect, JournalEntry
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import ServiceResponse


class ScriptedEngine(ControlledEngine):
    """Does at given instants what it was told."""

    def __init__(self, now_ms: int = 1_000) -> None:
        self._now_ms = now_ms
        self._events: list[tuple[int, int, Callable[[], None] | None]] = []
        self._made: list[Effect] = []
        self._order = 0
        self.waiting = 0
        self.log: list[tuple[str, int]] = []

    def at(self, at_ms: int, action: Callable[[], None] | None = None) -> None:
        """Do something at an instant."""
        self._order += 1
        heapq.heappush(self._events, (at_ms, self._order, action))

    def note(self, summary: str = "") -> None:
        """Make an effect."""
        self._order += 1
        self._made.append(JournalEntry(self._order, self._now_ms, "test", None, None, summary, {}))

    def deliver(self, number: int) -> None:
        """Make a message."""
        response = ServiceResponse("I0", self._now_ms, None, None, "8.2", "8.2")
        self._made.append(Delivery(number, self._now_ms, Eui64(1), None, None, response))

    @property
    def now_ms(self) -> int:
        return self._now_ms

    def submit(self, item: DuisInput, at_ms: int) -> Answer:
        self.advance(at_ms)
        self.log.append(("submit", at_ms))
        return Answer(ServiceResponse("I0", at_ms, None, None, "8.2", "8.2"))

    def control(self, item: ControlInput, at_ms: int) -> ControlAnswer:
        self.advance(at_ms)
        self.log.append((item.verb, at_ms))
        if item.verb == "fail":
            raise ZeroDivisionError("on purpose")
        return ControlAnswer({})

    def advance(self, to_ms: int, budget: int | None = None) -> bool:
        assert to_ms >= self._now_ms, "time does not go back"
        left = -1 if budget is None else budget
        while left and self._events and self._events[0][0] <= to_ms:
            at_ms, _, action = heapq.heappop(self._events)
            self._now_ms = max(self._now_ms, at_ms)
            self.log.append(("event", at_ms))
            left -= 1
            if action is not None:
                action()
        if self._events and self._events[0][0] <= to_ms:
            return False
        self._now_ms = to_ms
        return True

    def next_wakeup(self) -> int | None:
        return self._events[0][0] if self._events else None

    def awaited(self) -> int:
        return self.waiting

    def take_effects(self) -> list[Effect]:
        made, self._made = self._made, []
        return made
