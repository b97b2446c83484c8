"""What the service itself remembers of a world beside the engine: how time moves, and which endpoints want another floor.

It changes by logged commands only, so snapshot and replay restore it like everything else; how often faults of transport have hit
is as of the last snapshot.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import eui_hex, parse_eui
from emulator.service.config import ClockSettings
from emulator.simulation.clock import Clock, ClockMode, parse_rate
from emulator.simulation.faults import FaultEntry

MAX_FLOOR_MS = 60_000
"""Longest floor that an endpoint can ask for."""


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """What came of one planned fault of transport."""

    hits: int = 0
    passed: int = 0
    hits_of: Mapping[int, int] = field(default_factory=dict)
    """By user, where each is counted for itself."""
    passed_of: Mapping[int, int] = field(default_factory=dict)
    last_ms: int = 0
    last_entity: int = 0

    @classmethod
    def of(cls, entry: FaultEntry) -> "FaultCounts":
        """Those of an entry of the plan."""
        counts = (entry.hits, entry.passed, dict(entry.hits_of), dict(entry.passed_of), entry.last_ms, entry.last_entity)
        return cls(*counts)

    def as_fields(self) -> dict[str, Any]:
        """Fields of a :class:`FaultEntry`."""
        each = {"hits_of": dict(self.hits_of), "passed_of": dict(self.passed_of)}
        return {"hits": self.hits, "passed": self.passed, "last_ms": self.last_ms, "last_entity": self.last_entity, **each}

    def as_json(self) -> dict[str, Any]:
        """For a snapshot."""
        fields = self.as_fields()
        return {**fields, **{name: {eui_hex(user): count for user, count in fields[name].items()} for name in _EACH}}

    @classmethod
    def from_json(cls, counts: Mapping[str, Any]) -> "FaultCounts":
        """The reverse."""
        hits_of, passed_of = ({int(user, 16): int(count) for user, count in counts[name].items()} for name in _EACH)
        numbers = (int(counts[name]) for name in ("last_ms", "last_entity"))
        return cls(int(counts["hits"]), int(counts["passed"]), hits_of, passed_of, *numbers)


_EACH = ("hits_of", "passed_of")


@dataclass(slots=True)
class ServiceState:
    """Clock, floors and counts of one world."""

    clock: Clock
    floors_ms: dict[int, int] = field(default_factory=dict)
    """User → wall time between acknowledgement and push, where it differs from the server's setting."""
    transport: dict[int, FaultCounts] = field(default_factory=dict)
    """Number of a planned fault of transport → what came of it."""

    def as_json(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "clock": self.clock.as_json(),
            "floors_ms": {eui_hex(user): floor for user, floor in self.floors_ms.items()},
            **({"transport": {str(number): each.as_json() for number, each in self.transport.items()}} if self.transport else {}),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any], instant_ms: int, wall_ms: int) -> "ServiceState":
        """Of a snapshot; raise :class:`Malformed` when it is not one."""
        clock = Clock.from_json(state.get("clock", {}), instant_ms, wall_ms)
        try:
            return cls(
                clock,
                {int(user, 16): int(floor) for user, floor in state.get("floors_ms", {}).items()},
                {int(number): FaultCounts.from_json(each) for number, each in state.get("transport", {}).items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Malformed(f"not the state of a service: {error}", where="floors_ms, transport") from None

    def apply(self, verb: str, params: Mapping[str, Any], wall_ms: int) -> None:
        """Carry out a command of :data:`COMMANDS`; raise :class:`Malformed`, and change nothing, when it is refused."""
        command = COMMANDS.get(verb)
        if command is None:
            raise Malformed(f"there is no command {verb!r}", expected=f"one of {', '.join(sorted(COMMANDS))}")
        command(self, params, wall_ms)


def new_state(settings: ClockSettings, instant_ms: int, wall_ms: int) -> ServiceState:
    """How a new world starts."""
    clock = Clock(ClockMode.PAUSED, instant_ms, wall_ms).at_rate(parse_rate(settings.rate), wall_ms)
    if settings.mode == "autojump":
        clock = clock.autojump(wall_ms)
    elif settings.mode == "paused":
        clock = clock.pause(wall_ms)
    return ServiceState(clock)


def _pause(state: ServiceState, params: Mapping[str, Any], wall_ms: int) -> None:
    state.clock = state.clock.pause(wall_ms)


def _resume(state: ServiceState, params: Mapping[str, Any], wall_ms: int) -> None:
    state.clock = state.clock.resume(wall_ms)


def _rate(state: ServiceState, params: Mapping[str, Any], wall_ms: int) -> None:
    state.clock = state.clock.at_rate(parse_rate(str(params["rate"])), wall_ms)


def _autojump(state: ServiceState, params: Mapping[str, Any], wall_ms: int) -> None:
    state.clock = state.clock.autojump(wall_ms)


def _floor(state: ServiceState, params: Mapping[str, Any], wall_ms: int) -> None:
    user, floor_ms = parse_eui(params["user"]), params["floor_ms"]
    if floor_ms is None:
        state.floors_ms.pop(user, None)
    elif not 0 <= floor_ms <= MAX_FLOOR_MS:
        raise Malformed(f"{floor_ms} is no floor", where="floor_ms", expected=f"0 .. {MAX_FLOOR_MS}")
    else:
        state.floors_ms[user] = floor_ms


COMMANDS: Mapping[str, Callable[[ServiceState, Mapping[str, Any], int], None]] = {
    "clock.pause": _pause,
    "clock.resume": _resume,
    "clock.rate": _rate,
    "clock.autojump": _autojump,
    "endpoint.floor": _floor,
}
"""Every command by name."""
