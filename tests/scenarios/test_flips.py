"""A wrong expectation is noticed, wherever it stands: a scenario that passes proves something."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from emulator.scenarios.library import library
from emulator.scenarios.runner import in_process_server, run_scenario
from tests.scenarios.conftest import found
from tests.scenarios.flips import Flipped, flipped, looking, together

NAMES = ("operating", "local", "prepayment", "stock", "happenings")
OPERATING, LOCAL, PREPAYMENT, STOCK, HAPPENINGS = (Path(__file__).parent / "files" / f"{name}.toml" for name in NAMES)
OWN = (OPERATING, LOCAL, PREPAYMENT, STOCK, HAPPENINGS)
QUICK = [*(library()[name] for name in ("S-04", "S-14", "S-35", "A1-roles")), OPERATING, LOCAL, STOCK]

LARGE = ("S-15-full", "S-41-full", "S-43-full")
"""Full sizes that act as S-15 and so on do, where every expectation is turned around by itself; a run of these takes long."""


async def check_noticed(paths: Sequence[Path], flips: Iterable[Flipped]) -> int:
    """Run scenarios with their looking steps asked wrongly, and the others that must fail; return how many were turned around."""
    missed, turned = [], 0
    async with in_process_server() as server:
        for path in paths:
            scenario, asked, unnoticed = looking(path)
            report = await run_scenario(scenario, server)
            assert report.passed, [report.problem, *found(report)]
            missed += unnoticed
            turned += len(asked)
        for flip in flips:
            report = await run_scenario(flip.scenario, server)
            turned += 1
            if flip.step not in {step.number for step in report.failed}:
                missed.append(flip.what)
    assert not missed
    return turned


async def test_every_kind_of_expectation_can_fail() -> None:
    flips: dict[str, Flipped] = {}
    for path in QUICK:
        for flip in flipped(path):
            flips.setdefault(flip.kind, flip)
    assert await check_noticed(QUICK, flips.values()) > 100


@pytest.mark.verify
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "path", [*(path for name, path in library().items() if name not in LARGE), *OWN], ids=lambda path: path.stem
)
async def test_every_expectation_can_fail(path: Path) -> None:
    await check_noticed([path], flipped(path))


@pytest.mark.verify
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", LARGE)
async def test_every_expecting_step_of_a_large_scenario_can_fail(name: str) -> None:
    scenario, steps = together(library()[name])
    async with in_process_server() as server:
        report = await run_scenario(scenario, server)
    assert steps <= {step.number for step in report.failed}
