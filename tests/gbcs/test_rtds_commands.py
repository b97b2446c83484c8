"""Commands built from the DUIS templates equal the published ones, octet for octet.

Signature octets cannot be reproduced; they are put in, and then the MAC, which covers them, has to be the same.
"""

from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs.commands import build_command, finish_command, read_command
from emulator.gbcs.shapes import decode_shape
from emulator.gbcs.usecases import Originator, all_use_cases, by_name, rows_of, use_case_for
from tests.gbcs.vectors import Pack, Vector

OLDER = {0x0004, 0x003F, 0x0092, 0x009E}
"""Codes that devices of an older GBCS version use."""

OTHER_TYPES = {
    0x9A: DeviceType.HCALCS,
    0x93: DeviceType.ESME,
    0x98: DeviceType.PPMID,
    0x94: DeviceType.GSME,
    0x9C: DeviceType.GPF,
}
"""What the other device of a join is; the request does not say it."""


def mapping(node: Any) -> dict[str, object]:
    """A DUIS body as nested mappings."""
    found: dict[str, object] = {}
    for child in node.iterchildren(tag=etree.Element):
        found[etree.QName(child).localname] = mapping(child) if len(child) else child.text or ""
    return found


def facts(pack: Pack, vector: Vector) -> dict[str, object]:
    """The parameters of a Command: its template's body and what the DSP would add."""
    path = pack.template(vector.name)
    parameters: dict[str, object] = {}
    if path is not None:
        body = etree.parse(path).getroot().find("{*}Body")
        assert body is not None
        parameters = mapping(body[0])
    row = rows_of(vector.message.message_code)[0]
    shape = getattr(row.request[0], "shape", "")
    if shape == "join":
        parameters |= joining(vector)
    if shape == "unjoin" and "_ERROR_" in vector.name:
        parameters["OtherDeviceID"] = f"{decode_shape(shape, vector.message.content)['other_device']:016x}"
    if shape == "restore_log":
        parameters = decode_shape(shape, vector.message.content)
    if shape == "set_clock" and "_ERROR_" in vector.name:
        parameters |= {"CurrentDateTime": "2015-01-01T01:00:00Z"}
    if shape == "activate_firmware" and "FUTURE_DATED_ERROR" in vector.name:
        parameters |= {"ExecutionDateTime": "2030-01-01T00:00:00Z"}
    return parameters


def joining(vector: Vector) -> dict[str, object]:
    """The other device's type and certificate, and its EUI where no template has it."""
    said = decode_shape("join", vector.message.content)
    other = said["other_device"]
    assert isinstance(other, int)
    if "_ERROR_" in vector.name:
        types = {0: DeviceType.GSME, 5: DeviceType.PPMID}
        return {"OtherDeviceID": f"{other:016x}", "other_device_type": types[int(str(said["other_device_type"]))]}
    # The certificate is one that the pack has nowhere else.
    return {"other_device_type": OTHER_TYPES[other & 0xFF], "other_device_certificate": said["certificate"]}


def ours(pack: Pack, kind: str) -> list[Vector]:
    return [vector for vector in pack.vectors if vector.kind == kind and rows_of(vector.message.message_code)]


def rebuild(pack: Pack, vector: Vector) -> bytes:
    """The Command (or Pre-Command) that we make of the same inputs."""
    message = vector.message
    # The failing case of 8.8.2 CS04B is a signed CS04AC (gbcs.md section 12, item 13).
    variant = "8.8.1" if vector.name == "CS04B_8.8.2_ERROR_COMMAND" else vector.variant
    by_acb = message.originator == ACCESS_CONTROL_BROKER
    parameters = facts(pack, vector)
    assert vector.device_type is not None
    use_case = use_case_for(
        variant,
        vector.device_type,
        parameters,
        gbcs_version="3.2" if message.message_code in OLDER else "4.2",
        user_role=RemotePartyRole.OTHER if by_acb else RemotePartyRole.SUPPLIER,
    )
    assert use_case is not None
    assert use_case.code == message.message_code
    assert (use_case.originator is not Originator.USER) == by_acb
    behind = message.supplementary
    skeleton = build_command(
        use_case,
        user=behind.party if behind else message.originator,
        user_counter=behind.counter if behind and behind.counter is not None else message.counter,
        device=message.recipient,
        acb_counter=message.counter,
        parameters=parameters,
        now_ms=0,
    )
    assert skeleton.signature == b""
    if vector.kind == "PRECOMMAND":
        assert use_case.needs_pre_command
        return replace(skeleton, signature=None).encode()
    assert use_case.critical == bool(message.signature)
    return finish_command(
        replace(skeleton, signature=message.signature),
        pack.private[ACCESS_CONTROL_BROKER, "KA"],
        pack.public[message.recipient, "KA"],
    )


def test_commands_equal_the_published_ones(pack: Pack) -> None:
    seen = ours(pack, "COMMAND")
    assert len(seen) > 60
    different = [vector.name for vector in seen if rebuild(pack, vector) != vector.octets]
    assert not different


def test_pre_commands_equal_the_published_ones(pack: Pack) -> None:
    seen = ours(pack, "PRECOMMAND")
    assert len(seen) > 15
    different = [vector.name for vector in seen if rebuild(pack, vector) != vector.octets]
    assert not different


def test_every_row_with_a_command_has_a_vector(pack: Pack) -> None:
    seen = {vector.message.message_code for vector in ours(pack, "COMMAND")}
    assert {row.name for row in all_use_cases() if row.request and row.code not in seen} == set()


def test_devices_read_every_command(pack: Pack) -> None:
    for vector in ours(pack, "COMMAND"):
        view = read_command(vector.message)
        assert view is not None, vector.name
        assert view.accesses or view.components or isinstance(view.values, dict)


def test_a_missing_parameter_is_named() -> None:
    row = by_name("CCS02")
    with pytest.raises(Malformed, match="DeviceID"):
        build_command(row, user=Eui64(1), user_counter=1, device=Eui64(2), acb_counter=1, parameters={}, now_ms=0)
