"""Every row of the failure catalogue is shown by something that says who hears of it, and that nobody else does."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from emulator.scenarios.library import library

ROOT = Path(__file__).resolve().parents[2]
ROWS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text("utf-8"))
NUMBERS = [f"F{number:02}" for number in range(1, 46)]


def functions(path: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_row_is_left_out() -> None:
    assert list(ROWS) == NUMBERS


def test_the_rows_are_those_of_the_reference(reference: Path) -> None:
    text = (reference / "ota" / "ota.md").read_text("utf-8")
    assert re.findall(r"^\| (F\d\d) \|", text, re.MULTILINE) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_row_is_shown(number: str) -> None:
    row = ROWS[number]
    assert row["where"]
    assert row["failure"]
    assert row["seen"]
    assert row["tests"]
    for name in row["tests"]:
        path, _, function = name.partition("::")
        found = functions(path)[function]
        called = {node.func.id for node in ast.walk(found) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        looked_at = {node.attr for node in ast.walk(found) if isinstance(node, ast.Attribute)}
        looks = called & {"told", "verified", "updated", "read_version"} or "deliveries" in looked_at
        assert looks, f"{function} does not look at who is told"
        numbers = re.findall(r"f(\d\d)", function)
        within = range(int(numbers[0]), int(numbers[-1]) + 1) if numbers else [int(number[1:])]
        assert int(number[1:]) in within, f"{function} is named after another row"
    for name in row["scenarios"]:
        assert name in library(), name


def test_every_test_of_a_row_is_in_the_catalogue() -> None:
    named = {name for row in ROWS.values() for name in row["tests"]}
    for path in ("tests/dsp/test_failure_catalogue.py", "tests/failures/test_further_rows.py"):
        of_rows = {f"{path}::{name}" for name in functions(path) if re.match(r"test_f\d\d", name)}
        assert of_rows <= named
