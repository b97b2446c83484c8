"""The table: what is chosen for whom, and what its expressions can say."""

import csv
from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs import dlms, times
from emulator.gbcs.alertcodes import ALERT_CODES, alert_name
from emulator.gbcs.commands import accept_signed, build_command, command_content, read_command
from emulator.gbcs.expressions import Environment, compile_expression
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.messagecodes import MESSAGE_NAMES
from emulator.gbcs.protect import sign
from emulator.gbcs.results import read_result
from emulator.gbcs.templates import apply, make_template
from emulator.gbcs.usecases import (
    Originator,
    alert_use_case,
    all_routes,
    all_use_cases,
    by_code,
    by_name,
    load_row,
    parse_version,
    use_case_for,
)
from tests.gbcs.test_golden import private

ENVIRONMENT = Environment({"A": {"B": "12"}, "L": [{"N": "1"}, {"N": "2"}], "T": "x"}, 0x1234, Eui64(1), Eui64(2), 0, 5000)


def test_every_row_has_source_and_confidence() -> None:
    assert [row.name for row in all_use_cases() if not row.source or not row.confidence or not row.title] == []
    assert {row.code for row in all_use_cases()} <= set(MESSAGE_NAMES) | {0xCA, 0xCE, 0xCF, 0x1000, 0x1001}


def test_firmware_version_goes_the_way_of_the_device() -> None:
    chosen = {kind: use_case_for("11.2", kind) for kind in DeviceType}
    names = {kind.value: row.name for kind, row in chosen.items() if row}
    assert names == {
        "ESME": "ECS52", "CHF": "ECS52", "GSME": "GCS38", "GPF": "GCS38", "PPMID": "CS08", "HCALCS": "CS08",
    }  # fmt: skip
    through_acb = {kind.value for kind, row in chosen.items() if row and row.originator is Originator.ACB}
    assert through_acb == {"CHF", "PPMID", "HCALCS"}


def test_a_party_that_the_device_does_not_know_goes_through_the_acb() -> None:
    for role in (RemotePartyRole.SUPPLIER, RemotePartyRole.NETWORK_OPERATOR):
        row = use_case_for("11.2", DeviceType.ESME, user_role=role)
        assert row is not None
        assert row.originator is Originator.USER
    row = use_case_for("11.2", DeviceType.ESME, user_role=RemotePartyRole.OTHER)
    assert row is not None
    assert row.originator is Originator.ACB
    row = use_case_for("4.1.1", DeviceType.ESME, user_role=RemotePartyRole.OTHER)
    assert row is not None
    message = build_command(
        row, user=Eui64(7), user_counter=8, device=Eui64(9), acb_counter=10, parameters={}, now_ms=0, certificate=b"\x30" * 20
    )
    assert (message.originator, message.counter) == (ACCESS_CONTROL_BROKER, 10)
    assert message.supplementary is not None
    assert (message.supplementary.party, message.supplementary.counter) == (7, 8)
    assert message.supplementary.certificate == b"\x30" * 20


def test_what_the_acb_does_for_itself_stays_its_own() -> None:
    body = {"RemotePartyRole": "NetworkOperator"}
    row = use_case_for("6.21", DeviceType.ESME, body, user_role=RemotePartyRole.SUPPLIER)
    assert row is not None
    assert row.originator is Originator.ACB_ALONE


@pytest.mark.parametrize(
    ("version", "code"), [("", 0xF9), ("4.3", 0xF9), ("4.0", 0xF9), ("3.2", 0x3F), ("v3.2", 0x3F), ("nonsense", 0xF9)]
)
def test_the_gbcs_version_chooses_between_old_and_new_codes(version: str, code: int) -> None:
    row = use_case_for("6.2.4", DeviceType.ESME, gbcs_version=version)
    assert row is not None
    assert row.code == code


def test_the_body_chooses() -> None:
    def name(variant: str, kind: DeviceType, **parameters: object) -> str | None:
        row = use_case_for(variant, kind, parameters)
        return row.name if row else None

    assert name("8.11", DeviceType.CHF, RequestType="Add") == "CCS01"
    assert name("8.11", DeviceType.CHF, RequestType="Remove") == "CCS02"
    assert name("8.11", DeviceType.CHF) is None
    assert name("8.9", DeviceType.CHF) == "CCS06"
    assert name("8.9", DeviceType.CHF, ReadSecurityDetails="") == "CCS07"
    assert name("8.7.2", DeviceType.PPMID, other_device_type="GSME") == "CS03C"
    assert name("8.7.2", DeviceType.PPMID, other_device_type=DeviceType.ESME) == "CS03A2"
    assert name("11.3", DeviceType.PPMID) is None
    assert name("99.9", DeviceType.ESME) is None


def test_who_signs() -> None:
    def signs(variant: str, kind: DeviceType, **parameters: object) -> bool:
        row = use_case_for(variant, kind, parameters)
        assert row is not None
        return row.needs_pre_command

    assert signs("11.3", DeviceType.ESME)
    assert signs("8.7.1", DeviceType.HCALCS)
    assert not signs("8.7.2", DeviceType.PPMID, other_device_type="ESME")
    assert not signs("11.2", DeviceType.ESME)
    critical = use_case_for("8.7.2", DeviceType.PPMID, {"other_device_type": "ESME"})
    assert critical is not None
    assert critical.critical


def test_alerts_find_their_row() -> None:
    def row(code: int, kind: DeviceType) -> tuple[str, RemotePartyRole | None] | None:
        found = alert_use_case(code, kind)
        return (found.name, found.recipient) if found else None

    supplier, acb = RemotePartyRole.SUPPLIER, RemotePartyRole.ACCESS_CONTROL_BROKER
    assert row(0x8F72, DeviceType.ESME) == ("FirmwareReceipt-DLMS", supplier)
    assert row(0x8F1C, DeviceType.GSME) == ("FirmwareReceipt-GBZ", supplier)
    assert row(0x8F8B, DeviceType.PPMID) == ("CS09", acb)
    assert row(0x8F12, DeviceType.CHF) == ("CS14", acb)
    assert row(0x8F43, DeviceType.GSME) == ("GenericCritical-GBZ", supplier)
    assert row(0x8F43, DeviceType.CHF) == ("GenericCritical-DLMS", acb)
    assert row(0x810E, DeviceType.ESME) == ("Generic-DLMS", supplier)
    assert row(0x8F43, DeviceType.PPMID) is None
    assert row(0x9999, DeviceType.ESME) is None


def test_one_code_may_have_two_forms() -> None:
    dlms_row, gbz_row = by_code(0x1000, DeviceType.ESME), by_code(0x1000, DeviceType.GSME)
    assert dlms_row is not None
    assert gbz_row is not None
    assert (dlms_row.format, gbz_row.format) == ("dlms", "gbz")
    assert by_code(0xFFFF) is None
    assert by_code(0x1000, DeviceType.PPMID) is None


@pytest.mark.reference
def test_codes_categories_and_flags_agree_with_the_reference(reference: Path) -> None:
    with (reference / "gbcs" / "message_codes.csv").open() as file:
        facts = {int(row["code"], 16): row for row in csv.DictReader(file)}
    for row in all_use_cases():
        fact = facts[row.code]
        if fact["message_category"]:
            assert fact["message_category"].removesuffix(" +UTRN") == row.category.value, row.name
        if fact["replay_protection"] in ("Yes", "No"):
            assert (fact["replay_protection"] == "Yes") == row.replay_protected, row.name
        assert row.format.value.upper() in fact["format"].replace(".", "").upper(), row.name
    variants = {route.variant for route in all_routes()}
    assert {"11.2", "11.3", "8.1.1", "8.7.1", "8.7.2", "8.8.1", "8.8.2", "8.9", "8.11", "6.11", "6.2.4", "4.1.1"} <= variants


@pytest.mark.reference
def test_every_alert_code_has_a_name(reference: Path) -> None:
    with (reference / "gbcs" / "alert_codes.csv").open() as file:
        rows = {int(row["alert_code"], 16): row for row in csv.DictReader(file)}
    assert set(rows) == set(ALERT_CODES)
    for code, row in rows.items():
        generic = [part for part in row["rtds_samples"].split(";") if "0x1000" in part or "0x1001" in part]
        for part in generic:
            assert ALERT_CODES[code].critical == (" sig " in part)
    assert alert_name(0x1234) == "alert 1234"


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("uint16(A.B)", "12000c"),
        ("structure(enum(1), octets('0a0b'), null())", "020316010902" + "0a0b" + "00"),
        ("array(each(L, uint8(N)))", "010211011102"),
        ("boolean('true')", "03ff"),
        ("boolean('false')", "0300"),
        ("bits('1010')", "0404a0"),
        ("int8(-3)", "0ffd"),
        ("visible('ab')", "0a026162"),
        ("octets(cosem_time($time))", "090c07b20101ff000005008000ff"),
        ("uint32(plus(A.B, multiply(2, 0x10)))", "060000002c"),
        ("uint8(choose(T, 'y', 1, 'x', 2))", "1102"),
        ("uint8(choose(T, 'y', 1, 9))", "1109"),
        ("uint8(default(Missing?, 7))", "1107"),
        ("octets(join(zcl(0x21, 258), ascii('a')))", "090302" + "0161"),
        ("octets(eui_octets('00-00-00-00-00-00-00-05'))", "09080000000000000005"),
    ],
)
def test_expressions(text: str, octets: str) -> None:
    value = compile_expression(text)(ENVIRONMENT)
    assert isinstance(value, dlms.Data)
    assert value.encode().hex() == octets


@pytest.mark.parametrize("text", ["", "uint8(", "uint8(1", "uint8 1)", "nosuch(1)", "$nosuch", "1 2", "each(L)", "a, b", "#"])
def test_expressions_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    ["Missing", "A.C", "A.B.C", "uint8(300)", "uint8('x')", "octets('0')", "eui('x')", "moment('x')", "flag('x')", "bits('2')",
     "base64('?')", "choose(T, 'a', 1)", "structure(1)", "visible(1)", "zcl(0x21, 70000)", "zcl(0x99, 1)"],
)  # fmt: skip
def test_values_that_cannot_be_written(text: str) -> None:
    with pytest.raises(Malformed):
        compile_expression(text)(ENVIRONMENT)


def test_white_space_around_a_word_does_not_choose_another_message() -> None:
    for said in ("LoadController", " LoadController\n"):
        row = use_case_for("6.24.1", DeviceType.ESME, {"RemotePartyRole": [said, "Supplier"]})
        assert row is not None
        assert row.name == "CS02f"


def test_what_is_no_certificate_is_not_sent_as_one() -> None:
    row = use_case_for("4.8.1", DeviceType.ESME, {"KAPublicSecurityCredentials": ""})
    assert row is not None
    period = {"ReadLogPeriod": {"StartDateTime": "2026-01-01T00:00:00Z", "EndDateTime": "2026-01-01T24:00:00Z"}}
    for octets in ("", "AAEC", "3wkBAAAAAAGf"):
        parameters = {**period, "KAPublicSecurityCredentials": octets}
        with pytest.raises(Malformed):
            build_command(row, user=Eui64(1), user_counter=1, device=Eui64(2), acb_counter=1, parameters=parameters, now_ms=0)


def test_templates_name_values() -> None:
    values: dict[str, object] = {}
    data = dlms.structure(dlms.octets(b"\1\2"), dlms.array(dlms.structure(dlms.octets(bytes(8)), dlms.Data(dlms.Tag.ENUM, 3))))
    apply(make_template(["a:hex", ["*b", "c:eui", "-", "d"], "e"]), data, values)
    assert values == {"a": "0102", "b": [{"c": 0}]}
    with pytest.raises(ValueError, match="form"):
        make_template("a:nosuch")
    with pytest.raises(ValueError, match="template"):
        make_template(3)


def test_a_row_with_a_mistake_is_refused() -> None:
    row = {"name": "X", "code": 1, "title": "x", "category": "SME.C.NC", "source": "s", "confidence": "c"}
    for mistake in (
        {"format": "nosuch"},
        {"format": "asn1", "response": "nosuch"},
        {"format": "dlms", "request": [{"get": "nonsense"}]},
        {"format": "dlms", "request": [{"get": "1 0-0:1.0.0.255 2", "value": "nosuch("}]},
        {"format": "dlms", "routes": [{"variant": "1", "device": "nosuch"}]},
    ):
        with pytest.raises((ValueError, Malformed)):
            load_row({**row, **mistake})


def test_an_altered_pre_command_is_refused() -> None:
    row = by_name("CS06")
    given = {"user": Eui64(1), "user_counter": 5, "device": Eui64(2), "acb_counter": 0, "now_ms": 0}
    ours = build_command(row, parameters={"FirmwareHash": "ab" * 32}, **given)  # type: ignore[arg-type]
    theirs = build_command(row, parameters={"FirmwareHash": "ac" * 32}, **given)  # type: ignore[arg-type]
    key = private(ACCESS_CONTROL_BROKER, "DS")
    assert accept_signed(ours, sign(ours, key).encode()).signature
    with pytest.raises(Malformed, match="altered"):
        accept_signed(ours, sign(theirs, key).encode())
    with pytest.raises(Malformed, match="not signed"):
        accept_signed(ours, ours.encode())


def test_a_payload_that_contradicts_its_header_is_refused() -> None:
    row = by_name("CS06")
    content = command_content(
        row, counter=5, originator=Eui64(1), recipient=Eui64(2), parameters={"FirmwareHash": "ab" * 32}, now_ms=0
    )
    with pytest.raises(Malformed, match="counter"):
        read_command(GbcsMessage(Cra.COMMAND, 6, Eui64(1), Eui64(2), row.code, content))
    view = read_command(GbcsMessage(Cra.COMMAND, 5, Eui64(1), Eui64(2), row.code, content))
    assert view is not None
    assert view.values["execution_time_ms"] is times.IMMEDIATE
    assert read_command(GbcsMessage(Cra.COMMAND, 5, Eui64(1), Eui64(2), 0xFFFF, content)) is None
    with pytest.raises(Malformed, match="no result"):
        read_result(GbcsMessage(Cra.COMMAND, 5, Eui64(1), Eui64(2), row.code, content))


def test_versions() -> None:
    assert parse_version("4.2") == (4, 2)
    assert parse_version("") == ()
