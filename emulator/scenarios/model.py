"""A scenario as a file has it. :mod:`emulator.scenarios.reading` makes one; steps are rows of :mod:`emulator.scenarios.steps`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from emulator.estate.model import Estate
from emulator.scenarios.estates import EstateSection
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Moment, Name, References, RequirementId, ScenarioId

MAX_STEPS = 10_000
"""Steps of one scenario."""


class Size(StrEnum):
    """When a scenario is run."""

    SUITE = "suite"
    """With every test run: a few seconds at most."""
    FULL = "full"
    """With the long tests."""


class About(BaseModel):
    """`[scenario]`: what it is and where it begins."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: ScenarioId
    """Its name; the file of a shipped scenario is called the same."""
    title: Annotated[str, Field(min_length=1, max_length=120)]
    """One line."""
    shows: Annotated[str, Field(min_length=1)]
    """What a reader learns from it."""
    requirements: list[RequirementId] = []
    """Scenarios, access tests and requirements of the reference that it shows."""
    size: Size = Size.SUITE
    """`suite`: run with every test run; `full`: with the long tests."""
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 1
    """Keys and chance follow from it."""
    start: Moment | None = None
    """Simulated time at which it begins, a date and time; that of the estate when not given."""


class Document(BaseModel):
    """A scenario file, steps not yet looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    scenario: About
    """What it is."""
    estate: EstateSection = EstateSection()
    """What the world starts with."""
    users: dict[Name, str] = {}
    """Short names for users: a name of the estate or an EUI."""
    devices: dict[Name, References] = {}
    """Short names for devices or groups of them: selectors, EUIs, other short names."""
    faults: list[dict[str, Any]] = []
    """`[[faults]]`: planned before the first step; the fields are those of step `fault.add`."""
    steps: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_STEPS)]
    """`[[steps]]`: what is done and what must come of it, in order; `do` names the kind of step."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One step with its place."""

    number: int
    """1, 2, 3 …; 0 for a fault that is planned before the first step."""
    step: Step
    place: str
    """How errors name it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One that can be run: everything in it is known to exist."""

    path: Path
    about: About
    estate_toml: str
    estate: Estate
    names: Names
    start_ms: int
    steps: tuple[Planned, ...]
