"""The rules of CONTRIBUTING.md that a machine can check. Layers and banned calls are checked by import-linter and ruff."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "emulator"
MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 80
BINARY = {".png", ".zip", ".ico", ".gz"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def project_files() -> Iterator[Path]:
    """Every text file of the project: what version control holds or would add, or all of it where there is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix not in BINARY:
            yield path


def test_modules_are_short() -> None:
    long = {named(path): lines for path in modules() if (lines := source(path).count("\n")) > MAX_MODULE_LINES}
    assert not long, f"modules of more than {MAX_MODULE_LINES} lines"


def test_functions_are_short() -> None:
    long = [
        f"{named(path)}:{node.lineno} {node.name} has {length} lines"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not long


def test_public_things_are_explained() -> None:
    """Modules, public classes and public functions of the package have a docstring."""
    silent = []
    for path in modules():
        if not ast.get_docstring(tree(path)):
            silent.append(named(path))
        for node in tree(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                registered = any(isinstance(decorator, ast.Call) for decorator in node.decorator_list)
                if not ast.get_docstring(node) and not (registered and not isinstance(node, ast.ClassDef)):
                    silent.append(f"{named(path)}:{node.lineno} {node.name}")
    assert not silent


def test_names_say_what_a_module_is_about() -> None:
    vague = {"util", "utils", "helper", "helpers", "manager", "misc", "common"}
    assert not [named(path) for path in modules() if path.stem in vague]
    assert not [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and re.search(r"(Manager|Helper|Utils?)$", node.name)
    ]


def test_every_table_row_has_source_and_confidence() -> None:
    """Tables made of ``columns`` and ``rows`` name both columns, and no row leaves one of them empty."""
    bare = []
    for path in sorted(PACKAGE.rglob("data/*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        if "columns" not in document:
            continue
        columns = document["columns"]
        for row in document["rows"]:
            facts = dict(zip(columns, row, strict=True))
            if not facts.get("source") or not facts.get("confidence"):
                bare.append(f"{named(path)}: {row[0]}")
    assert not bare


def test_nothing_is_left_to_do() -> None:
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    left = [f"{named(path)}: {marker.search(text).group()}" for path in project_files() if marker.search(text := source(path))]  # type: ignore[union-attr]
    assert not left


def test_no_machine_and_no_registry_is_named() -> None:
    """Paths of one machine and hosts of package registries have no place in a file of the project."""
    roots = "|".join(("home", "root", "work", "Users", "opt/pypi", "opt/wheels"))
    machine = re.compile(rf"(?<![\w./$}}-])/(?:{roots})/[\w.]")
    hosts = ("pypi" + ".org", "python" + "hosted", "registry." + "npm", "deb." + "debian", "npm" + "js.")
    registry = re.compile("|".join(map(re.escape, hosts)))
    found = []
    for path in project_files():
        for number, line in enumerate(source(path).splitlines(), 1):
            if machine.search(line) or registry.search(line):
                found.append(f"{named(path)}:{number} {line.strip()[:80]}")
    assert not found


def test_what_is_imported_is_declared() -> None:
    declared = {
        re.split(r"[<>=\[ ]", requirement)[0].replace("-", "_")
        for requirement in tomllib.loads(source(ROOT / "pyproject.toml"))["project"]["dependencies"]
    }
    optional = {"emulator/fanout/linking.py": {"numba"}}  # imported only where the extra is installed
    imported = set()
    for path in modules():
        here = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                here |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                here.add(node.module.partition(".")[0])
        imported |= here - optional.get(named(path), set())
    own = {"emulator", "pytest"}  # helpers for the tests of users are imported by pytest itself
    assert imported - set(sys.stdlib_module_names) - own <= declared


def test_security_rules_are_silenced_with_a_reason() -> None:
    bare = []
    for path in project_files():
        if path.suffix == ".py" and "tests" not in path.relative_to(ROOT).parts[:1]:
            for number, line in enumerate(source(path).splitlines(), 1):
                if re.search(r"# noqa: S\d+\b(?! \(\w)", line):
                    bare.append(f"{named(path)}:{number}")
    assert not bare
