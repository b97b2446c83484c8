"""The same scenarios before and after a change of settings, such as a release, and what differs between the two (Q7-56)."""

import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.scenarios.model import Scenario
from emulator.scenarios.reading import parse_scenario
from emulator.scenarios.report import Report
from emulator.scenarios.toml_text import put, to_toml

Run = Callable[[Scenario], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scenario in both runs."""

    id: str
    before: bool
    """Whether it passed before the change."""
    after: bool
    """Whether it passed after it."""
    failed: tuple[str, ...]
    """Titles of the steps that failed after it and had not before."""
    identical: bool
    """Whether every request, answer and message was the same to the octet."""

    @property
    def same(self) -> bool:
        """Whether the change makes no difference to the verdict."""
        return self.before == self.after and not self.failed

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "id": self.id,
            "before": self.before,
            "after": self.after,
            "same": self.same,
            "failed": list(self.failed),
            "identical": self.identical,
        }


def with_settings(path: Path, settings: Mapping[str, Any]) -> Scenario:
    """A scenario whose world has other settings, by dotted path; raise :class:`Malformed` for one that there is not."""
    document = tomllib.loads(path.read_text("utf-8"))
    put(document.setdefault("estate", {}).setdefault("settings", {}), settings)
    return parse_scenario(to_toml(document), path)


async def compare(paths: Iterable[Path], settings: Mapping[str, Any], run: Run) -> list[Comparison]:
    """Run each scenario as it is and with other settings."""
    found = []
    for path in paths:
        before, after = await run(with_settings(path, {})), await run(with_settings(path, settings))
        failed_before = {step.number for step in before.failed}
        failed = tuple(step.title for step in after.failed if step.number not in failed_before)
        identical = before.digest == after.digest
        found.append(Comparison(after.id, before.passed, after.passed, failed, identical))
    return found
