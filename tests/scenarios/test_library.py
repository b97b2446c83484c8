"""Every shipped scenario, and every kind of step, does what its file says."""

import re
from pathlib import Path

import pytest

from emulator import controls
from emulator.scenarios.library import find, library
from emulator.scenarios.model import Size
from emulator.scenarios.reading import read_about, read_scenario
from emulator.scenarios.steps import STEPS
from emulator.scenarios.steps import controls as control_steps
from tests.scenarios.conftest import Run, as_read, found

FILES = sorted((Path(__file__).parent / "files").glob("*.toml"))
SIZES = {name: read_about(path).size for name, path in library().items()}
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "write-a-scenario.md"


async def runs_green(path: Path, run: Run) -> None:
    report = await run(read_scenario(path))
    assert report.passed, [report.problem, *found(report)]


@pytest.mark.parametrize("name", [name for name, size in SIZES.items() if size is Size.SUITE])
async def test_shipped_scenario_passes(name: str, run: Run) -> None:
    await runs_green(library()[name], run)


@pytest.mark.verify
@pytest.mark.timeout(900)  # kernels are compiled where nobody has done it yet
@pytest.mark.parametrize("name", [name for name, size in SIZES.items() if size is Size.FULL])
async def test_long_scenario_passes(name: str, run: Run) -> None:
    await runs_green(library()[name], run)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_further_steps_work(path: Path, run: Run) -> None:
    await runs_green(path, run)


def test_a_file_is_called_like_its_scenario() -> None:
    for name, path in library().items():
        assert read_about(path).id == name


def test_every_kind_of_step_is_shown_somewhere() -> None:
    paths = [*library().values(), *FILES]
    used = {planned.step.do for path in paths for planned in as_read(path).steps}
    assert used >= STEPS.keys() - {"8.8.1", "8.8.2"}  # the same class as 8.7.1 and 8.7.2


def test_every_verb_of_the_control_interface_is_a_step() -> None:
    assert control_steps.STEPS.keys() == controls.VERBS.keys()


def test_requirements_exist(reference: Path) -> None:
    texts = [(reference / "ota" / name).read_text("utf-8") for name in ("scenarios.md", "access.md", "seeds_requirements.md")]
    known = set(re.findall(r"\b(?:S-\d\d|A\d{1,2}|(?:M7|Q7|T|C)-\d{2,3})\b", "\n".join(texts)))
    for path in library().values():
        scenario = as_read(path)
        named = {*scenario.about.requirements, *(each for planned in scenario.steps for each in planned.step.requirements)}
        assert named <= known, path.name


def test_scenarios_are_found_by_id_beginning_and_path() -> None:
    assert [path.stem for path in find(["S-21"])] == [
        "S-21-agent-copies",
        "S-21-agent",
        "S-21-hash",
        "S-21-own-jobs-only",
        "S-21-signature",
    ]
    assert [path.stem for path in find(["S-01", "S-01"])] == ["S-01"]
    assert find(["somewhere/mine.toml"]) == [Path("somewhere/mine.toml")]


async def test_the_scenario_of_the_guide_passes(run: Run, tmp_path: Path) -> None:
    text = re.search(r"```toml\n(# first\.toml.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert text is not None
    path = tmp_path / "first.toml"
    path.write_text(text[1], "utf-8")
    await runs_green(path, run)
