"""The pytest plugin as users have it: in a pytest of its own, on files of its own."""

from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"

pytest_plugins = ["pytester"]

FAILING = """
def test_fails(dcc, dcc_client):
    from emulator.client.requests import read_firmware_version
    answer = dcc_client.send(read_firmware_version(dcc.user("supplier"), dcc.device("ESME@central")))
    assert answer.code == "E1"
"""

SEVERAL = """
import pytest
from emulator.client.requests import read_firmware_version, update_firmware

@pytest.mark.dcc(seed=7)
def test_seed_and_isolation(dcc, dcc_client, dcc_receiver):
    assert dcc.seed == 7
    dcc.fault("device.silent", "ESME@central", times=1)
    sent = dcc_client.send(read_firmware_version(dcc.user("supplier"), dcc.device("ESME@central")))
    assert dcc_client.answer_to(sent.request_id).message.code == "E21"
    assert dcc_receiver.received

def test_another_world_has_no_faults(dcc, dcc_receiver):
    assert dcc.ask("faults") == []
    assert not dcc_receiver.received

@pytest.mark.dcc(scenario="S-07-reject")
def test_a_scenario(dcc):
    assert dcc.run_scenario().passed

def test_a_server(dcc_server):
    assert dcc_server.duis.startswith("http://127.0.0.1:")
"""


def readme_example() -> str:
    """The first Python block of the README that is a test."""
    blocks = README.read_text("utf-8").split("```python\n")[1:]
    return next(block.split("```")[0] for block in blocks if "def test_" in block)


@pytest.fixture
def own(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:asyncio -p no:schemathesis\nfilterwarnings = error")
    return pytester


def test_the_example_of_the_readme_worlds_seeds_scenarios_and_servers(own: pytest.Pytester) -> None:
    example = readme_example()
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    own.makepyfile(test_example=example, test_several=SEVERAL)
    result = own.runpytest_subprocess("-v")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["test_example.py::* PASSED*"])


def test_a_failure_says_how_to_make_it_again_and_what_happened(own: pytest.Pytester) -> None:
    own.makepyfile(test_failing=FAILING)
    result = own.runpytest_subprocess("-q", "--dcc-seed", "11", "--junit-xml=report.xml")
    assert "--dcc-seed 11" in (own.path / "report.xml").read_text("utf-8")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ['again: pytest "test_failing.py::test_fails" --dcc-seed 11', "world test-fails-1, seed 11", "*11.2*"]
    )
