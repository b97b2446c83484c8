"""What a run found: per step whether all held, and where not, what was expected and what was seen."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.duis.datetimes import format_datetime


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    """A step before it could not be carried out."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as the file says."""

    what: str
    expected: object
    """JSON values."""
    seen: object
    last_messages: tuple[str, ...] = ()
    """The latest messages that bear on it, one line each."""

    def difference(self) -> list[str]:
        """Lines beginning with ``-`` (expected), ``+`` (seen) or a space (both)."""
        expected, seen = list(_lines(self.expected)), list(_lines(self.seen))
        lines: list[str] = []
        for tag, begin, end, seen_begin, seen_end in difflib.SequenceMatcher(None, expected, seen, autojunk=False).get_opcodes():
            if tag == "equal":
                lines += [f"  {line}" for line in expected[begin:end]]
            else:
                lines += [f"- {line}" for line in expected[begin:end]] + [f"+ {line}" for line in seen[seen_begin:seen_end]]
        return lines


@dataclass(slots=True)
class StepResult:
    """One step carried out."""

    number: int
    do: str
    title: str
    requirements: tuple[str, ...] = ()
    outcome: Outcome = Outcome.NOT_RUN
    at_ms: int | None = None
    """Simulated time at which it began."""
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """One run of one scenario."""

    id: str
    title: str
    seed: int
    steps: list[StepResult]
    problem: str = ""
    """Why the run ended before its last step; empty when it did not."""
    simulated_ms: int = 0
    wall_ms: int = 0
    digest: str = ""
    """SHA-256 over every request, answer and message. The same file and seed give the same one."""
    messages: int = 0
    requests: int = 0
    exchanges: Sequence[tuple[bytes, int, bytes]] = ()
    """Requests with status and answer, in the order of sending, where they were to be kept."""
    pushes: Sequence[bytes] = ()
    """Messages in an order of simulated time, where they were to be kept."""

    @property
    def passed(self) -> bool:
        """Whether every step was carried out and everything was as the file says."""
        return not self.problem and all(step.outcome is Outcome.PASSED for step in self.steps)

    @property
    def failed(self) -> list[StepResult]:
        """The steps with something that is not as it must be."""
        return [step for step in self.steps if step.failures]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "id": self.id,
            "title": self.title,
            "passed": self.passed,
            "seed": self.seed,
            "digest": self.digest,
            "problem": self.problem or None,
            "simulated_ms": self.simulated_ms,
            "wall_ms": self.wall_ms,
            "requests": self.requests,
            "messages": self.messages,
            "steps": [_step_as_json(step) for step in self.steps],
        }


def _step_as_json(step: StepResult) -> dict[str, Any]:
    return {
        "number": step.number,
        "do": step.do,
        "title": step.title,
        "requirements": list(step.requirements),
        "outcome": step.outcome.value,
        "at": None if step.at_ms is None else format_datetime(step.at_ms),
        "failures": [
            {
                "what": failure.what,
                "expected": failure.expected,
                "seen": failure.seen,
                "last_messages": list(failure.last_messages),
            }
            for failure in step.failures
        ],
    }


def transcript_digest(exchanges: Iterable[tuple[bytes, int, bytes]], pushes: Iterable[bytes]) -> str:
    """SHA-256 over requests with status and answer in the order of sending, then messages in an order of simulated time."""
    digest = hashlib.sha256()
    for request, status, answer in exchanges:
        digest.update(hashlib.sha256(request).digest() + status.to_bytes(2, "big") + hashlib.sha256(answer).digest())
    for push in pushes:
        digest.update(hashlib.sha256(push).digest())
    return digest.hexdigest()


def _lines(value: object) -> Iterable[str]:
    """A value as lines that can be compared one by one."""
    if isinstance(value, Mapping) and value:
        for name, each in sorted(value.items()):
            inner = list(_lines(each))
            yield f"{name}: {inner[0]}" if len(inner) == 1 else f"{name}:"
            if len(inner) != 1:
                yield from (f"  {line}" for line in inner)
    elif isinstance(value, list | tuple) and value:
        for each in value:
            yield " ".join(_lines(each))
    elif isinstance(value, str):
        yield from value.splitlines() or ['""']
    else:
        yield json.dumps(value, default=str)
