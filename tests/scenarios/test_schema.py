"""The published schema takes what the reader takes, and refuses what it refuses."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from emulator.scenarios.library import library
from emulator.scenarios.schema import scenario_schema
from emulator.scenarios.steps import STEPS

VALIDATOR = Draft202012Validator(scenario_schema())


def document(path: Path) -> Any:
    return json.loads(json.dumps(tomllib.loads(path.read_text("utf-8")), default=str))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(scenario_schema())


@pytest.mark.parametrize("path", library().values(), ids=lambda path: path.stem)
def test_shipped_scenarios_fit(path: Path) -> None:
    assert not list(VALIDATOR.iter_errors(document(path)))


def test_mistakes_are_noticed() -> None:
    for change in (
        lambda it: it["steps"].append({"do": "no such step"}),
        lambda it: it["steps"][0].update(nonsense=1),
        lambda it: it["steps"].clear(),
        lambda it: it.update(nonsense={}),
        lambda it: it["scenario"].pop("id"),
        lambda it: it.update(faults=[{"kind": 1}]),
    ):
        wrong = document(library()["S-01"])
        change(wrong)  # type: ignore[no-untyped-call]
        assert list(VALIDATOR.iter_errors(wrong))


def test_every_kind_of_step_is_described() -> None:
    assert {f"step {kind}" for kind in STEPS} <= scenario_schema()["$defs"].keys()
