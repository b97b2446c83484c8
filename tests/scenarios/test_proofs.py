"""Requirements are proved by taking their behaviour away; verdicts and evidence can be handed on."""

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from emulator.cli.scenarios import application
from emulator.client.archive import MANIFEST
from emulator.domain.errors import Malformed
from emulator.scenarios.evidence import SCENARIO, bundle, read_bundle
from emulator.scenarios.library import library
from emulator.scenarios.model import Scenario
from emulator.scenarios.proofs import Requirement, Standing, Switch, counts, prove, requirements, switched
from emulator.scenarios.reading import read_scenario
from emulator.scenarios.report import Report
from emulator.scenarios.runner import in_process_server, run_scenario
from emulator.scenarios.verdicts import html, junit
from tests.scenarios.conftest import as_read


def test_every_switch_fits_its_scenario() -> None:
    for row in requirements().values():
        if row.scenario:
            named = {planned.step.name for planned in as_read(library()[row.scenario]).steps}
            assert row.expectation in named
            assert switched(row).steps


_IDS = ("| Q7-", "| M7-", "| T-", "| C-")


@pytest.mark.reference
def test_the_rows_are_those_of_the_reference(reference: Path) -> None:
    text = (reference / "ota" / "seeds_requirements.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith(_IDS)]
    listed = {row[1]: row[-2] for row in rows if row[-2] in "AB"}
    assert {id_: row.priority for id_, row in requirements().items()} == listed


async def test_a_row_is_covered_only_when_its_very_expectation_fails() -> None:
    row = requirements()["Q7-05"]
    async with in_process_server() as address:

        async def run(scenario: Scenario) -> Report:
            return await run_scenario(scenario, address)

        (proof,) = await prove(["Q7-05"], run)
        assert proof.standing is Standing.COVERED
        idle = row.model_copy(update={"switch": Switch(settings={"han.store_policy": "reject"})})
        report = await run(switched(idle))
        assert report.passed, "a switch that changes nothing takes nothing away"
    counted = counts([proof])
    assert counted["a_covered"] == 1
    assert counted["a_total"] >= 1


@pytest.mark.verify
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", sorted({row.scenario for row in requirements().values() if row.scenario}))
async def test_every_requirement_that_names_a_scenario_is_proved(scenario: str) -> None:
    wanted = [id_ for id_, row in requirements().items() if row.scenario == scenario]
    async with in_process_server() as address:
        proofs = await prove(wanted, lambda scenario: run_scenario(scenario, address))
    assert not [(proof.id, proof.standing, proof.detail) for proof in proofs if proof.standing is not Standing.COVERED]


def test_a_switch_that_fits_nothing_says_so() -> None:
    row = Requirement(
        priority="A", shows="x", scenario="S-07-reject", expectation="no room", switch=Switch(without=["no such step"])
    )
    with pytest.raises(Malformed, match="no such step"):
        switched(row)


async def test_verdicts_for_machines_and_people(tmp_path: Path) -> None:
    text = library()["S-23"].read_text("utf-8")
    changed = tmp_path / "S-23.toml"
    for name in (library()["S-23"].parent / "data").iterdir():
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name.name).write_bytes(name.read_bytes())
    changed.write_text(text.replace('answer = "E4"', 'answer = "E5"', 1) if 'answer = "E4"' in text else text, "utf-8")
    async with in_process_server() as address:
        reports = [await run_scenario(read_scenario(path), address) for path in (library()["S-07-reject"], changed)]
    root = ElementTree.fromstring(junit(reports))
    suites = {suite.get("name"): suite for suite in root}
    assert suites["S-07-reject"].get("failures") == "0"
    assert int(suites["S-07-reject"].get("tests", "0")) == len(reports[0].steps)
    page = html(reports)
    assert "S-07-reject" in page
    assert "http" not in page.split("<h1>")[0], "nothing is loaded from elsewhere"


async def test_evidence_is_run_again_and_a_changed_bundle_is_noticed(tmp_path: Path) -> None:
    scenario = read_scenario(library()["S-23"])
    async with in_process_server() as address:
        first, again = [await run_scenario(scenario, address, keep=True) for _ in range(2)]
        packed = bundle(scenario, first)
        assert packed == bundle(scenario, again), "the same run is the same bundle"
        path = tmp_path / "bundle.zip"
        path.write_bytes(packed)
        evidence = read_bundle(path, tmp_path / "unpacked")
        replayed = await run_scenario(evidence.scenario, address)
        assert replayed.digest == evidence.digest
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert json.loads(files[MANIFEST])["passed"] is True
    files[SCENARIO] += b"\n# changed\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(Malformed, match=r"scenario\.toml is not what was sealed"):
        read_bundle(path, tmp_path / "unpacked")
    path.write_bytes(b"no archive")
    with pytest.raises(Malformed, match="no evidence bundle"):
        read_bundle(path, tmp_path / "unpacked")


def test_the_command_line_proves_and_explains(tmp_path: Path) -> None:
    runner = CliRunner()
    proved = runner.invoke(application, ["prove", "Q7-05", "--json"])
    assert proved.exit_code == 0
    assert json.loads(proved.stdout)["requirements"][0]["covered"] is True
    unknown = runner.invoke(application, ["prove", "Q7-99"])
    assert unknown.exit_code == 2
    explained = runner.invoke(application, ["explain", "S-07-reject", "--json"])
    assert json.loads(explained.stdout)["proves"]
    ran = runner.invoke(application, ["run", "S-07-reject", "--evidence", str(tmp_path), "--junit", str(tmp_path / "j.xml")])
    assert ran.exit_code == 0
    (sealed,) = tmp_path.glob("*.zip")
    assert runner.invoke(application, ["replay", str(sealed)]).exit_code == 0
