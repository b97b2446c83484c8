"""Which requirement is shown where, and the proof that it is: a switch takes the behaviour away, and the expectation fails.

The rows are in ``data/requirements.toml``; their ids are those of the reference (``ota/seeds_requirements.md``), the words ours.
A row is covered only when its scenario passes as it is, and the named expectation fails once its switch is flipped.
"""

import copy
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emulator.domain.errors import Broken, Malformed
from emulator.scenarios.library import library
from emulator.scenarios.model import Scenario
from emulator.scenarios.reading import parse_scenario, read_scenario
from emulator.scenarios.report import Report
from emulator.scenarios.toml_text import put, to_toml

Table = dict[str, Any]
Run = Callable[[Scenario], Awaitable[Report]]
"""Runs a scenario to its end."""


class Switch(BaseModel):
    """What takes a behaviour away: the scenario is run again with these changes and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    settings: dict[str, Any] = {}
    """Settings of the world, by dotted path."""
    parties: list[Table] = []
    """`[[estate.parties]]` in addition."""
    changes: list[Table] = []
    """`[[estate.changes]]` in addition."""
    faults: list[Table] = []
    """`[[faults]]` in addition."""
    without: list[str] = []
    """Names of steps, or of planned `[[faults]]`, that are left out."""
    steps: dict[str, Table] = {}
    """Fields of steps, by their names."""
    plans: dict[str, Table] = {}
    """Keys of the plans of campaigns, by the name of their step and dotted path."""

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not any(getattr(self, name) for name in type(self).model_fields)

    def words(self) -> str:
        """The switch in a few words."""
        parts = [f"{path} = {value!r}" for path, value in self.settings.items()]
        for name in ("parties", "changes", "faults"):
            parts += [f"{name[:-1] if name != 'parties' else 'party'} {_short(each)}" for each in getattr(self, name)]
        parts += [f"without {name!r}" for name in self.without]
        parts += [f"step {name!r} with {_short(fields)}" for name, fields in self.steps.items()]
        parts += [f"plan of {name!r} with {_short(fields)}" for name, fields in self.plans.items()]
        return "; ".join(parts)


def _short(table: Table) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in table.items())


class Requirement(BaseModel):
    """One row: what is asked for, where it is shown, and what takes it away."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    priority: Annotated[str, Field(pattern="^[AB]$")]
    """A must be, B should be."""
    shows: Annotated[str, Field(min_length=1)]
    """What is shown, in a line."""
    scenario: str = ""
    """Id of a shipped scenario; empty while none shows it."""
    expectation: str = ""
    """Name of the step that fails when the behaviour is gone."""
    switch: Switch = Switch()
    """What takes it away."""
    missing: str = ""
    """Why no scenario shows it, or what of it the scenario does not show."""


class Standing(StrEnum):
    """What became of a proof."""

    COVERED = "covered"
    NOT_SHOWN = "no scenario shows it"
    SCENARIO_FAILS = "its scenario does not pass"
    NOT_NOTICED = "the expectation holds without the behaviour"


@dataclass(frozen=True, slots=True)
class Proof:
    """One row proved, or not."""

    id: str
    requirement: Requirement
    standing: Standing
    detail: str = ""

    def as_json(self) -> Table:
        """For ``--json``."""
        row = self.requirement
        return {
            "id": self.id,
            "priority": row.priority,
            "shows": row.shows,
            "scenario": row.scenario or None,
            "expectation": row.expectation or None,
            "switch": row.switch.words() or None,
            "covered": self.standing is Standing.COVERED,
            "standing": self.standing.value,
            "detail": self.detail or row.missing or None,
        }


@cache
def requirements() -> Mapping[str, Requirement]:
    """Every row by id, in order; :class:`Broken` for one that names what is not there."""
    text = resources.files("emulator.scenarios").joinpath("data/requirements.toml").read_text("utf-8")
    try:
        rows = TypeAdapter(dict[str, Requirement]).validate_python(tomllib.loads(text))
    except ValidationError as error:
        raise Broken(f"requirements.toml: {error}") from error
    for id_, row in rows.items():
        if row.scenario and (row.scenario not in library() or not row.expectation or row.switch.empty):
            raise Broken(f"requirements.toml: {id_} needs a shipped scenario, an expectation in it and a switch")
        if not row.scenario and not row.missing:
            raise Broken(f"requirements.toml: {id_} has no scenario and does not say why")
    return rows


def switched(row: Requirement) -> Scenario:
    """The scenario of a row with its switch flipped; :class:`Malformed` where the switch does not fit the file."""
    path = library()[row.scenario]
    document = tomllib.loads(path.read_text("utf-8"))
    switch = row.switch
    estate = document.setdefault("estate", {})
    put(estate.setdefault("settings", {}), switch.settings)
    for name, added in (("parties", switch.parties), ("changes", switch.changes)):
        if added:
            estate[name] = [*estate.get(name, []), *copy.deepcopy(added)]
    if switch.faults:
        document["faults"] = [*document.get("faults", []), *copy.deepcopy(switch.faults)]
    named = {step["name"]: step for step in document["steps"] if "name" in step}
    planned = {fault["name"] for fault in document.get("faults", []) if "name" in fault}
    for name in (*switch.without, *switch.steps, *switch.plans, row.expectation):
        if name not in named and not (name in planned and name in switch.without):
            raise Malformed(f"there is no step named {name!r}", where=path.name, expected=f"one of {', '.join(named)}")
    for name, fields in switch.steps.items():
        named[name].update(copy.deepcopy(fields))
    for name, fields in switch.plans.items():
        put(named[name].setdefault("plan", {}), fields)
    for part in ("steps", "faults"):
        if part in document:
            document[part] = [each for each in document[part] if each.get("name") not in switch.without]
    return parse_scenario(to_toml(document), path)


async def prove(ids: Iterable[str], run: Run, ran: Mapping[str, Report] | None = None) -> list[Proof]:
    """Prove rows by running their scenarios as they are and with the switch flipped.

    ``ran`` holds reports of scenarios that were run already, by id.
    """
    reports = dict(ran or {})
    proofs = []
    for id_ in ids:
        row = requirements()[id_]
        if row.scenario and row.scenario not in reports:
            reports[row.scenario] = await run(read_scenario(library()[row.scenario]))
        proofs.append(await _prove(id_, row, reports.get(row.scenario), run))
    return proofs


async def _prove(id_: str, row: Requirement, report: Report | None, run: Run) -> Proof:
    if report is None:
        return Proof(id_, row, Standing.NOT_SHOWN)
    if not report.passed:
        return Proof(id_, row, Standing.SCENARIO_FAILS, report.problem)
    scenario = switched(row)
    names = {planned.number: planned.step.name or planned.step.do for planned in scenario.steps}
    without = await run(scenario)
    failed = {names[step.number] for step in without.failed}
    if row.expectation in failed:
        return Proof(id_, row, Standing.COVERED)
    return Proof(id_, row, Standing.NOT_NOTICED, without.problem or f"failed instead: {', '.join(sorted(failed)) or 'nothing'}")


def counts(proofs: Iterable[Proof]) -> Table:
    """``a_covered``, ``a_total``, ``b_covered``, ``b_total`` of the whole table; a row that was not looked at is not covered."""
    covered = {proof.id for proof in proofs if proof.standing is Standing.COVERED}
    found: Table = {}
    for priority in "AB":
        rows = [id_ for id_, row in requirements().items() if row.priority == priority]
        found[f"{priority.lower()}_covered"] = sum(id_ in covered for id_ in rows)
        found[f"{priority.lower()}_total"] = len(rows)
    return found
