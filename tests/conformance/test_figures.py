"""The committed figures of the coverage page: nothing that compared well with published messages gets lost."""

import json
from pathlib import Path

import pytest

from tests.conformance.test_steps import run

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "conformance.json"
KINDS = ("precommand", "command", "response", "alert")


def test_the_figures_hold_counts_and_names_only() -> None:
    for code, row in json.loads(FIGURES.read_text()).items():
        assert len(code) == 4
        for kind in set(KINDS) & set(row):
            good, count = row[kind]
            assert count - good == len(row[f"{kind}_differs"]) + len(row.get(f"{kind}_values", ())) or kind == "alert"


@pytest.mark.reference
@pytest.mark.verify
def test_nothing_compares_worse_than_it_did(reference: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "figures.json"
    run("--rtds", reference / "gbcs/rtds/messages", "--templates", reference / "duis/templates", "--figures", fresh)
    now, then = json.loads(fresh.read_text()), json.loads(FIGURES.read_text())
    worse = {
        f"{code} {kind}": (row[kind], now[code][kind])
        for code, row in then.items()
        for kind in KINDS
        if kind in row and now[code][kind][0] < row[kind][0]
    }
    assert worse == {}
