"""The Command of every use case, of our own making: as it was committed, readable, authentic, explained, and answered.

Where no published messages are at hand, this is what holds the table of use cases together.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.conformance.homes import Surroundings, VirtualHome
from emulator.conformance.keys import FolderKeys
from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.commands import read_command
from emulator.gbcs.explain import explain
from emulator.gbcs.message import Cra, decode_message
from emulator.gbcs.results import read_result
from emulator.gbcs.usecases import Format, Originator
from tests.bench.gbcs import DEVICES, PARTIES, Use, case_of, keys_in, uses
from tests.gbcs.test_rtds_messages import unnamed
from tests.golden.make import COMMANDS, commands

GOLDEN: dict[str, dict[str, str]] = json.loads(COMMANDS.read_text())
USES = {use.row.name: use for use in uses()}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> FolderKeys:
    """Keys made from the names of their holders."""
    return keys_in(tmp_path_factory.mktemp("keys"))


def contents(told: dict[str, Any]) -> list[dict[str, Any]]:
    (content,) = (field for field in told["fields"] if field["name"] == "content")
    assert "unreadable" not in content
    found = content["fields"]
    assert isinstance(found, list)
    return found


def test_commands_are_as_they_were() -> None:
    now = commands()
    assert {name: row for name, row in now.items() if GOLDEN.get(name) != row} == {}, (
        "if that is meant: python -m tests.golden.make"
    )
    assert set(GOLDEN) == set(now)
    assert len(now) > 170


@pytest.mark.parametrize("name", GOLDEN)
def test_a_command_is_read_and_explained(name: str, keys: FolderKeys) -> None:
    octets = bytes.fromhex(GOLDEN[name]["message"])
    view = read_command(decode_message(octets))
    assert view is not None
    assert view.message.message_code == USES[name].row.code
    told = explain(octets, keys)
    assert {check["verdict"] for check in told["checks"]} <= {"valid", "null"}
    assert list(unnamed(contents(told))) == []
    assert told["result"] or view.use_case.format is Format.ASN1  # that may be NULL


@given(name=st.sampled_from(sorted(GOLDEN)), place=st.floats(0, 1, exclude_max=True), octet=st.binary(min_size=0, max_size=3))
def test_a_spoilt_message_is_explained_or_said_to_be_unreadable(name: str, place: float, octet: bytes) -> None:
    message = decode_message(bytes.fromhex(GOLDEN[name]["message"]))
    at = int(place * len(message.content))
    spoilt = replace(message, content=message.content[:at] + octet + message.content[at + 1 :])
    json.dumps(explain(spoilt.encode()))


def carried_out() -> Iterator[Use]:
    """What devices act on; hubs and displays know no supplier and take what the DCC sends."""
    for use in USES.values():
        by_user = use.row.originator is Originator.USER
        if use.row.carried_out and not (by_user and use.device_type in (DeviceType.CHF, DeviceType.PPMID)):
            yield use


@pytest.mark.verify
@pytest.mark.parametrize("name", [use.row.name for use in carried_out()])
def test_a_device_answers_authentically(name: str, keys: FolderKeys) -> None:
    use, octets = USES[name], bytes.fromhex(GOLDEN[name]["message"])
    home = VirtualHome(case_of(use), keys, Surroundings(DEVICES, PARTIES))
    home.prepare(octets)
    home.deliver(octets)
    found = [octets for octets in home.wait().messages if decode_message(octets).cra is Cra.RESPONSE]
    assert len(found) == 1, home.answers.notes
    response = decode_message(found[0])
    assert (response.originator, response.message_code) == (Eui64(DEVICES[use.device_type]), use.row.code)
    told = explain(found[0], keys)
    assert "valid" in {check["verdict"] for check in told["checks"]}
    assert "invalid" not in {check["verdict"] for check in told["checks"]}
    assert list(unnamed(contents(told))) == []
    assert read_result(response)["use_case"]
