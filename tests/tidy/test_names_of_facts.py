"""Logic names checks; the tables have them."""

import ast
from pathlib import Path

from emulator.domain.tables import default_check_codes

PACKAGE = Path(__file__).resolve().parents[2] / "emulator"


def test_checks_that_logic_names_exist() -> None:
    known = {name for name, _ in default_check_codes()}
    named = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "code" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    named.add(first.value)
    assert named
    assert named <= known


def test_no_check_is_listed_in_vain() -> None:
    said = {
        node.value
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "domain"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    unused = sorted({name for name, _ in default_check_codes()} - said)
    assert not unused, "a setting that nothing reads"
