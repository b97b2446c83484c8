"""Every access test and every scenario of access control has its file, which says so, and ends with what is on record."""

import pytest

from emulator.scenarios.library import library
from emulator.scenarios.reading import read_about
from tests.scenarios.conftest import as_read

ACCESS = {
    "A1": ["A1-roles"],
    "A2": ["A1-roles", "A2-agent-reads"],
    "A3": ["A1-roles", "A3-no-right"],
    "A4": ["A4-foreign-meter", "S-35"],
    "A5": ["A5-mixed-list", "S-35"],
    "A6": ["A6-hcalcs", "A6-hcalcs-any-meter", "A6-shared-ppmid", "S-12"],
    "A7": ["A7-grant", "S-22"],
    "A8": ["A8-change-of-supplier", "S-28-verified"],
    "A9": ["A9-no-grants"],
    "A10": ["A10-device-refuses", "A10-wrong-supplier"],
    "A11": ["A11-new-supplier-activates", "S-28-verified"],
    "A12": ["A12-receipts", "A1-roles", "S-21-agent"],
    "A13": ["A13-on-record"],
}
"""Tests of the reference's list and the files that show them."""
SCENARIOS = {
    "S-10": ["S-10-agent-guard-off", "S-10-agent-guard-on", "S-10-guard-off", "S-10-guard-on"],
    "S-12": ["S-12"],
    "S-21": ["S-21-agent", "S-21-agent-copies", "S-21-hash", "S-21-signature"],
    "S-22": ["S-22"],
    "S-23": ["S-23"],
    "S-28": [
        "S-28-accepted",
        "S-28-agent",
        "S-28-agent-let-run",
        "S-28-at-hub",
        "S-28-credentials",
        "S-28-dated",
        "S-28-verified",
    ],
    "S-35": ["S-35"],
    "S-40": ["S-40"],
}
"""Scenarios of the reference and the files that show them: S-21 with both of its faults, S-28 with every cut point."""


@pytest.mark.parametrize(("wanted", "files"), [*ACCESS.items(), *SCENARIOS.items()], ids=lambda value: str(value)[:12])
def test_each_has_its_files(wanted: str, files: list[str]) -> None:
    assert set(files) <= library().keys()
    assert all(wanted in read_about(library()[name]).requirements for name in files)


def test_no_number_is_left_out() -> None:
    assert list(ACCESS) == [f"A{number}" for number in range(1, 14)]


def test_a_file_that_is_named_after_a_test_shows_it() -> None:
    for name, path in library().items():
        parts = name.split("-")
        wanted = parts[0] if name.startswith("A") else "-".join(parts[:2])
        assert wanted in read_about(path).requirements, name


@pytest.mark.parametrize("name", sorted({name for files in ACCESS.values() for name in files if name.startswith("A")}))
def test_an_access_test_ends_with_what_is_on_record(name: str) -> None:
    """A13: all of them appear in the audit trail."""
    assert "expect-audit" in {planned.step.do for planned in as_read(library()[name]).steps}
