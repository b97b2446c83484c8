"""Each published Command, given to a virtual device: its Response has the published shape."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.conformance.cases import DEVICE_DIGITS, SET_TIME, Case, list_cases, messages_in, octets_in
from emulator.conformance.homes import Surroundings, VirtualHome, surroundings_of
from emulator.conformance.keys import FolderKeys
from emulator.conformance.shapes import difference
from emulator.domain.identifiers import format_eui
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.usecases import by_code

ELSEWHERE = {
    "GCS01b_1.2.1_FUTURE_DATED_BLOCK_ERROR", "GCS13c_4.1.2_ERROR", "GCS15b_4.4.2_ERROR", "GCS15c_4.4.3_ERROR",
    "ECS46d_6.14.3_IMMEDIATE_APC_OUTPUT_ERROR", "ECS26m_6.2.4_ERROR", "GCS20_6.22_ERROR", "ECS29d_6.5_ERROR",
    "ECS47a_7.13_ALCS_DEACTIVATE_ERROR", "ECS61e_7.15_ERROR", "GCS33_7.4_ERROR",
}  # fmt: skip
"""Failing messages in which it is another part of the Command than the last but one that fails."""

OTHERWISE = {
    "CS02fSignature_NA_ERROR": "a role that the device knows and does not tell",
}


def case_of(name: str, command: GbcsMessage) -> Case:
    """The case of a Command that no request asks for."""
    user = command.supplementary.party if command.supplementary else command.originator
    kind = DEVICE_DIGITS[command.recipient & 0xFF]
    return Case(
        case=name, request="", originator=format_eui(command.originator), device=format_eui(command.recipient),
        device_type=kind.value, gbcs_version="4.2", esme_variant="A", user=format_eui(user), user_counter=command.counter,
        acb_counter=command.counter, device_counter=0, current_utc=SET_TIME,
    )  # fmt: skip


def pairs(messages: Path) -> Iterator[tuple[str, bytes, GbcsMessage]]:
    """Name, Command and published Response of what devices act on."""
    for name, kinds in messages_in(messages).items():
        if {"COMMAND", "RESPONSE"} <= set(kinds):
            octets = octets_in(kinds["COMMAND"])
            command = decode_message(octets)
            row = by_code(command.message_code, DEVICE_DIGITS.get(command.recipient & 0xFF))
            if row is not None and row.carried_out:
                yield name, octets, decode_message(octets_in(kinds["RESPONSE"]))


@pytest.mark.reference
@pytest.mark.verify
def test_responses_have_the_published_shape(reference: Path) -> None:
    messages = reference / "gbcs/rtds/messages"
    keys = FolderKeys(reference / "gbcs/rtds/keystore")
    listed = {case.case: case for case in list_cases(messages, reference / "duis/templates").cases}
    around: Surroundings = surroundings_of(listed.values(), keys)
    unlike, seen = {}, 0
    for name, command, published in pairs(messages):
        seen += 1
        home = VirtualHome(listed.get(name) or case_of(name, decode_message(command)), keys, around)
        answers = [message for octets in home.take(command).messages if (message := decode_message(octets)).cra is Cra.RESPONSE]
        told = difference(answers[0], published, keys) if answers else "; ".join(home.answers.notes[-2:])
        if told is not None:
            unlike[name] = told
    assert seen > 370
    assert {name: told for name, told in unlike.items() if name not in ELSEWHERE | set(OTHERWISE)} == {}
