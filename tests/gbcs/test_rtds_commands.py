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
from emulator.gbcs.usecases import Originator, UseCase, all_use_cases, by_name, rows_of, use_case_for
from tests.gbcs.vectors import Pack, Vector

OTHER_REQUEST = {
    "GCS09_3.2": "another date", "GCS15c_4.4.3": "another period", "GCS61_4.17": "another period and certificate",
    "ECS21b_4.14_URP": "another certificate", "CS02bNOByNO_6.15.1": "other certificates",
    "CS02bSupplierBySupplier_6.15.1": "other certificates", "CS02gLoadControllerBySupplier_6.15.1": "other certificates",
    "CS02bNOByNOHandover_6.21": "other certificates", "CS02bSupplierBySupplierHandover_6.21": "other certificates",
    "CS02bSupplierByTransCoS_6.23": "other certificates", "CS02bACBByACB_8.5": "another certificate",
    "ECS25a_6.22": "other alerts",
}  # fmt: skip
"""Cases whose published request does not ask for what the published Command says, and in what they differ."""

OTHER_FAILURE = {
    "ECS01a_1.1.1_IMMEDIATE_ERROR", "ECS01b_1.2.1_IMMEDIATE_ERROR", "GCS05_2.1_FUTURE_DATED_ERROR", "CS01a_2.2_ERROR",
    "CS01b_2.2_ERROR", "GCS15d_4.4.4_ERROR", "GCS15e_4.4.5_NOT_FOUND", "GCS16a_4.6.1_ERROR", "GCS17_4.8.1_NOT_FOUND",
    "CS10a_6.13_NOT_FOUND", "ECS25a2_6.22_ERROR", "ECS25b3_6.22_ERROR", "GCS20_6.22_ERROR", "CS02aMAC_6.24.1_ERROR",
    "GCS23_6.6_ERROR", "ECS30a_6.8_ERROR",
}  # fmt: skip
"""Failing cases without a request of their own whose Command says something else than that of the successful sibling."""

ROLES = {
    0x90B3D51F30020000: RemotePartyRole.NETWORK_OPERATOR,
    0x90B3D51F30010008: RemotePartyRole.LOAD_CONTROLLER,
}
"""Of the test parties (gbcs.md 11); everyone else is a supplier."""

WITHOUT_REQUEST = {0x105, 0x106, 0x108, 0x125}
"""Codes that no Service Request asks for."""

NOW_MS = 1_420_070_400_000
"""2015-01-01, the time at which the published Commands were made (gbcs.md 7)."""

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
    found: dict[str, object] = dict(node.attrib)
    for child in node.iterchildren(tag=etree.Element):
        value: object = child.text or ""
        if len(child) or child.attrib:
            value = mapping(child) if len(child) else {**child.attrib, "text": child.text or ""}
        name = etree.QName(child).localname
        if name in found:
            earlier = found[name]
            value = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        found[name] = value
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
    return [
        vector
        for vector in pack.vectors
        if vector.kind == kind
        and rows_of(vector.message.message_code)
        and vector.message.message_code not in WITHOUT_REQUEST
        and vector.variant != "NA"
    ]


def chosen(vector: Vector, parameters: dict[str, object]) -> UseCase:
    """The row for the case: of the newest or an older GBCS version, and of the kind of meter that has it."""
    message = vector.message
    assert vector.device_type is not None
    # The failing case of 8.8.2 CS04B is a signed CS04AC (gbcs.md section 12, item 13).
    variant = "8.8.1" if vector.name == "CS04B_8.8.2_ERROR_COMMAND" else vector.variant
    role = ROLES.get(message.originator, RemotePartyRole.SUPPLIER)
    for version in ("4.2", "3.2"):
        for kind in "B" if "TWIN" in vector.name else "AC":
            parameters["esme_variant"] = kind
            row = use_case_for(variant, vector.device_type, parameters, gbcs_version=version, user_role=role)
            if row is not None and row.code == message.message_code:
                by_acb = message.originator == ACCESS_CONTROL_BROKER
                return replace(row, originator=Originator.ACB) if by_acb and row.originator is Originator.USER else row
    raise AssertionError(f"no row for {vector.name}")


def rebuild(pack: Pack, vector: Vector, parameters: dict[str, object] | None = None) -> bytes:
    """The Command (or Pre-Command) that we make of the same inputs."""
    message = vector.message
    parameters = facts(pack, vector) if parameters is None else parameters
    use_case = chosen(vector, parameters)
    behind = message.supplementary
    skeleton = build_command(
        use_case,
        user=behind.party if behind else message.originator,
        user_counter=behind.counter if behind and behind.counter is not None else message.counter,
        device=message.recipient,
        acb_counter=message.counter,
        parameters=parameters,
        now_ms=NOW_MS,
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


def as_the_command_says(vector: Vector, parameters: dict[str, Any]) -> dict[str, Any]:
    """The request altered to ask for what the published Command says: certificates, dates, alerts."""
    message, case = vector.message, vector.name.split("_")[0]
    altered = dict(parameters)
    if case.startswith("CS02"):
        return altered | certificates(decode_shape("update_credentials", message.content), altered)
    if message.supplementary is not None and message.supplementary.certificate is not None:
        altered["KAPublicSecurityCredentials"] = message.supplementary.certificate
    if case == "GCS09":
        altered["RestrictionDateTime"] = "2016-11-22T02:46:56Z"
    if case == "GCS15c":
        altered["ReadLogPeriod"] = {"StartDateTime": "2015-01-01T00:00:01Z", "EndDateTime": "2016-01-01T00:00:01Z"}
    if case == "GCS61":
        altered["ReadLogPeriod"] = {"StartDateTime": "2014-12-22T00:00:00Z", "EndDateTime": "2016-12-21T00:00:00Z"}
    if case == "ECS25a":
        choices = {"x810D": "Enable", "x810E": "Disable", "x81C4": "Disable", "x81C5": "Disable"}
        altered["ElectricitySupplierAlerts"] = {"SupplierESMECommon": choices}
    return altered


def certificates(said: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parts of a request for new credentials that say what ``said`` does."""
    names = {("0780", None): "DigitalSigningCertificate", ("0308", None): "KeyAgreementCertificate"}
    replaced = {
        names.get((each["target"]["usage"].hex(), each["target"]["cell"]), "KeyAgreementTopUpCertificate"): each["certificate"]
        for each in said["replacements"]
    }
    (holder,) = (name for name in parameters if name.endswith("ReplacementCertificates"))
    inner = "SupplierOrNetworkOperatorCertificates"
    altered: dict[str, Any] = {
        holder: {inner: replaced} if inner in parameters[holder] else replaced,
        "CertificationPathCertificates": {"Certificate": said["path"]},
        "ApplyTimeBasedCPVChecks": "true" if said["time_checks_off"] is None else "false",
    }
    return altered


def comparable(vector: Vector) -> bool:
    case = vector.name.removesuffix(f"_{vector.kind}")
    return case not in OTHER_FAILURE and not any(case.startswith(f"{name}_") for name in OTHER_REQUEST)


@pytest.mark.parametrize(("kind", "least"), [("COMMAND", 310), ("PRECOMMAND", 110)])
def test_commands_equal_the_published_ones(pack: Pack, kind: str, least: int) -> None:
    seen = [vector for vector in ours(pack, kind) if comparable(vector)]
    assert len(seen) >= least
    assert [vector.name for vector in seen if rebuild(pack, vector) != vector.octets] == []


def test_the_other_cases_do_differ(pack: Pack) -> None:
    """So that the lists of exceptions stay true."""
    others = [vector for vector in ours(pack, "COMMAND") if not comparable(vector)]
    same = {vector.name for vector in others if rebuild(pack, vector) == vector.octets}
    assert same <= {"ECS21b_4.14_KRP_ERROR_COMMAND", "GCS15c_4.4.3_ERROR_COMMAND"}


def test_they_would_equal_if_the_request_asked_for_the_same(pack: Pack) -> None:
    """What differs is the published request, not what we make of it."""
    others = [
        vector
        for kind in ("COMMAND", "PRECOMMAND")
        for vector in ours(pack, kind)
        if any(vector.name.startswith(f"{name}_") for name in OTHER_REQUEST) and rebuild(pack, vector) != vector.octets
    ]
    assert len(others) > 20
    asked = {vector.name: rebuild(pack, vector, as_the_command_says(vector, facts(pack, vector))) for vector in others}
    assert [vector.name for vector in others if asked[vector.name] != vector.octets] == []


def test_rows_without_a_vector_say_so(pack: Pack) -> None:
    seen = {vector.message.message_code for vector in pack.vectors if vector.kind == "COMMAND"}
    assert [row.name for row in all_use_cases() if row.request and row.code not in seen and "proven" in row.confidence] == []


def test_devices_read_every_command(pack: Pack) -> None:
    for vector in ours(pack, "COMMAND"):
        view = read_command(vector.message)
        assert view is not None, vector.name
        assert view.accesses or view.components or isinstance(view.values, dict)


def test_a_missing_parameter_is_named() -> None:
    row = by_name("CCS02")
    with pytest.raises(Malformed, match="DeviceID"):
        build_command(row, user=Eui64(1), user_counter=1, device=Eui64(2), acb_counter=1, parameters={}, now_ms=0)
