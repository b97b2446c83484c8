"""Faults between users and the DCC: which of the plan hit a request, its answer or a push.

They never reach the engine. The plan's entries are part of the world and come back with a replay; how often those of transport
have hit is counted here, for HTTP has its own order and pace, and is part of the service's own state: a snapshot keeps it, and
what came after the last one is not counted when the process dies. A request is taken and durable before its answer is spoilt.

Chance is keyed by RequestID or message number and by how often that was tried, not by time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulator.controls import ControlledEngine
from emulator.domain.identifiers import format_eui
from emulator.duis.messages import Request
from emulator.service.lanes import Item
from emulator.service.service_state import FaultCounts, ServiceState
from emulator.simulation.faults import KINDS, FaultEntry, FaultPlan, FaultState, Subject

Note = Callable[[int, str | None, str, Mapping[str, Any]], None]
"""``note(at_ms, request_id, summary, data)`` journals a hit."""

MAX_TRIED = 10_000
"""Latest RequestIDs of which is known how often they came."""


@dataclass(frozen=True, slots=True)
class AnswerFaults:
    """What happens to one answer on its way; nothing by default."""

    status: int = 0
    """The HTTP status instead of the answer; 0 is none."""
    delay_ms: int = 0
    reset: bool = False
    drip_ms: int = 0
    """How long the whole answer takes in small pieces; 0 is at once."""
    cut_percent: int = 0
    """How much of it comes before the connection ends; 0 is all."""


@dataclass(frozen=True, slots=True)
class PushFaults:
    """What happens to one attempt of a push; nothing by default."""

    delay_ms: int = 0
    cut_percent: int = 0
    """How much of it goes before the connection ends; 0 is all."""
    copies: int = 0
    """How many times more it goes once it was taken."""
    content_type: str = ""
    garbled: bool = False
    """Whether the XML signature is spoilt."""


UNSPOILT = AnswerFaults()
UNSPOILT_PUSH = PushFaults()


class TransportFaults:
    """The part of a world's fault plan that hits users."""

    def __init__(self, engine: ControlledEngine, state: ServiceState, instant_ms: Callable[[], int], note: Note) -> None:
        """``instant_ms`` gives simulated time, by which faults begin and end."""
        self._engine = engine
        self._state = state
        self._instant_ms = instant_ms
        self._note = note
        self._request_id: str | None = None
        self._tried: dict[str, int] = {}
        self.faults = FaultPlan(FaultState(), seed=engine.state.estate.seed, facts=engine.entities.facts, journal=self._hit)

    def refusal(self, request: Request) -> int:
        """The HTTP status with which a request is turned away, or 0."""
        if not self._follow_plan():
            return 0
        self._request_id = str(request.request_id)
        tried = self._tried.pop(self._request_id, 0) + 1
        self._tried[self._request_id] = tried
        if len(self._tried) > MAX_TRIED:
            del self._tried[next(iter(self._tried))]
        found = self.faults.find("duis.refuses_request", *self._occasion(request))
        self._count()
        return 0 if found is None else int(found["status"])

    def of_answer(self, request: Request) -> AnswerFaults:
        """What happens to the answer to a request."""
        if not self._follow_plan():
            return UNSPOILT
        self._request_id, occasion = str(request.request_id), self._occasion(request)
        failed = self.faults.find("duis.fails_answer", *occasion)
        late = self.faults.find("duis.delays_answer", *occasion)
        reset = self.faults.find("duis.resets_connection", *occasion)
        slow = self.faults.find("duis.drips_answer", *occasion)
        cut = self.faults.find("duis.truncates_answer", *occasion)
        self._count()
        return AnswerFaults(
            status=0 if failed is None else int(failed["status"]),
            delay_ms=0 if late is None else int(late["delay_ms"]),
            reset=reset is not None,
            drip_ms=0 if slow is None else int(slow["span_ms"]),
            cut_percent=0 if cut is None else int(cut["percent"]),
        )

    def of_push(self, item: Item) -> PushFaults:
        """What happens to the next attempt to push a message."""
        if not self._follow_plan():
            return UNSPOILT_PUSH
        self._request_id = item.request_id
        occasion = (item.recipient, self._instant_ms(), item.code, f"{item.number}/{item.attempts}")
        late = self.faults.find("push.delays_message", *occasion)
        cut = self.faults.find("push.breaks_off", *occasion)
        repeated = self.faults.find("push.repeats_message", *occasion)
        renamed = self.faults.find("push.wrong_content_type", *occasion)
        garbled = self.faults.find("push.garbles_signature", *occasion)
        self._count()
        return PushFaults(
            delay_ms=0 if late is None else int(late["delay_ms"]),
            cut_percent=0 if cut is None else int(cut["percent"]),
            copies=0 if repeated is None else int(repeated["copies"]),
            content_type="" if renamed is None else str(renamed["content_type"]),
            garbled=garbled is not None,
        )

    def described(self, fault: dict[str, Any]) -> dict[str, Any]:
        """A fault as the views have it, with what came of it over HTTP where it is one of these kinds."""
        self._follow_plan()
        entry = next((entry for entry in self.faults.entries if entry.number == fault["number"]), None)
        if entry is None:
            return fault
        return {
            **fault,
            "condition": entry.condition(self._instant_ms()).value,
            "hits": entry.hits,
            "passed": entry.passed,
            "last_hit": None if not entry.hits else {"at_ms": entry.last_ms, "entity": format_eui(entry.last_entity)},
        }

    def _occasion(self, request: Request) -> tuple[int, int, str, str]:
        tried = self._tried.get(str(request.request_id), 1)
        user = request.request_id.originator
        return user, self._instant_ms(), request.service_reference_variant, f"{request.request_id}/{tried}"

    def _follow_plan(self) -> bool:
        """Have the entries that the world's plan has now; whether there are any."""
        if not self._engine.faults.state.entries and not self.faults.state.entries:
            return False
        wanted = [entry for entry in self._engine.faults.state.entries if KINDS[entry.kind].subject is Subject.USER]
        known = {entry.number: entry for entry in self.faults.state.entries}
        if [entry.number for entry in wanted] != list(known):
            self.faults.state.entries[:] = [known.get(entry.number) or self._taken_up(entry) for entry in wanted]
            self._count()
        return bool(wanted)

    def _taken_up(self, entry: FaultEntry) -> FaultEntry:
        """An entry of our own, with what was counted before the process began."""
        return replace(entry, **self._state.transport.get(entry.number, FaultCounts()).as_fields())

    def _count(self) -> None:
        self._state.transport = {entry.number: FaultCounts.of(entry) for entry in self.faults.state.entries}

    def _hit(self, kind: str, entity: int | None, summary: str, data: Mapping[str, Any]) -> None:
        self._note(self._instant_ms(), self._request_id, summary, data)
