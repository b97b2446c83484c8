"""Whose certificates a device holds: read, replaced by the parties that may, at once and at a date, and what follows from it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, RECOVERY, TRANSITIONAL_COS, WAN_PROVIDER, Eui64
from emulator.domain.vocabulary import RemotePartyRole
from emulator.duis.datetimes import format_datetime
from emulator.estate import snapshot
from emulator.gbcs.commands import finish_command
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.protect import sign, verify_mac, verify_signature
from emulator.gbcs.shapes import encode_shape
from emulator.pki.certificates import Usage, read_certificate
from emulator.pki.csr import read_signing_request
from emulator.pki.smki import Organisation, TestSmki, key_identifier
from emulator.premises.settings import HanSettings
from emulator.premises.state import PremisesState
from tests.premises.homes import (
    DAY_MS,
    DS,
    ESME,
    GPF,
    GSME,
    HOUR_MS,
    HUB,
    KA,
    NETWORK_OPERATOR,
    OTHER_SUPPLIER,
    SMKI,
    SUPPLIER,
    Heard,
    Rig,
    certificates,
    default_estate,
    key,
    with_device,
)

AUTHORITY = SMKI.organisation_authority.certificate.public_bytes(Encoding.DER)
FIRST, NEXT = 0, 1
FOREVER = "3000-12-31T00:00:00Z"
SIGNING, AGREEMENT = "0780", "0308"


def texts(*ders: bytes) -> list[str]:
    return [base64.b64encode(der).decode() for der in ders]


def new_certificates(party: Eui64, generation: int = NEXT) -> dict[str, str]:
    """What a body of 6.15.1, 6.21 and 6.23 says of a party's certificates."""
    names = {(DS, False): "DigitalSigning", (KA, False): "KeyAgreement", (KA, True): "KeyAgreementTopUp"}
    wanted = (record for record in certificates(party, generation) if record.role in (2, 3))
    return {f"{names[each.usage, each.prepayment]}Certificate": texts(each.der)[0] for each in wanted}


def renewal(party: Eui64, role: str = "Supplier", path: Sequence[bytes] = (AUTHORITY,), **more: object) -> dict[str, object]:
    """The body of a 6.15.1 by a party for itself."""
    return {
        "RemotePartyRole": role,
        "RemotePartyFloorSeqNumber": "7",
        "ReplacementCertificates": {"SupplierOrNetworkOperatorCertificates": new_certificates(party)},
        "CertificationPathCertificates": {"Certificate": texts(*path)},
        "ApplyTimeBasedCPVChecks": "true",
        **more,
    }


def change_of_supplier(party: Eui64 = OTHER_SUPPLIER, **more: object) -> dict[str, object]:
    """The body of a 6.23."""
    return {
        "SupplierFloorSeqNumber": "100",
        "SupplierPrepaymentTopUpFloorSeqNumber": "9",
        "SupplierReplacementCertificates": new_certificates(party, FIRST),
        "CertificationPathCertificates": {"Certificate": texts(AUTHORITY)},
        "ApplyTimeBasedCPVChecks": "true",
        "ImportMPxN": "1234567890123",
        **more,
    }


def outcome(heard: Heard) -> list[tuple[str, int, int, int]]:
    """Per certificate: key usage, result, party before and after."""
    told = heard.says["outcome"]
    return [
        (each["target"]["usage"].hex(), each["result"], each["party_before"], each["party_after"]) for each in told["replaced"]
    ]


def ask(rig: Rig, message: GbcsMessage) -> Mapping[str, Any]:
    """The one answer to a message that is sent now."""
    rig.transmit(message)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    return answer.says


def parties(rig: Rig, eui: Eui64, *roles: str) -> list[Any]:
    found = ask(rig, rig.command("6.24.1", eui, {"RemotePartyRole": list(roles)}))["parties"]
    assert isinstance(found, list)
    return found


def key_id(party: Eui64, usage: Usage, generation: int = FIRST) -> bytes:
    (record,) = (each for each in certificates(party, generation) if (each.usage, each.prepayment) == (usage, False))
    return key_identifier(record.public_key)


# Reading


def test_the_parties_that_a_device_holds() -> None:
    supplier, operator, broker, cos = parties(Rig(), ESME, "Supplier", "NetworkOperator", "ACB", "TransCoS")
    assert [each["party"] for each in supplier["credentials"]] == [SUPPLIER] * 3
    assert [each["usage"].hex() for each in supplier["credentials"]] == [SIGNING, AGREEMENT, AGREEMENT]
    assert [each["cell"] for each in supplier["credentials"]] == [None, None, 1]
    assert supplier["credentials"][0]["key"] == key_id(SUPPLIER, DS)
    assert [each["party"] for each in operator["credentials"]] == [NETWORK_OPERATOR] * 2
    assert [each["party"] for each in broker["credentials"]] == [ACCESS_CONTROL_BROKER]
    assert [each["party"] for each in cos["credentials"]] == [TRANSITIONAL_COS]
    assert {each["status"] for each in (supplier, operator, broker, cos)} == {0}


def test_a_role_for_which_a_device_has_no_cell() -> None:
    rig = Rig(estate=with_device(default_estate(), GSME, network_operator=None))
    broker, operator = parties(rig, GSME, "ACB", "NetworkOperator")
    assert broker["status"] == 0
    assert (operator["status"], operator["credentials"]) == (25, None)


def test_the_counter_that_a_device_knows_of_a_party() -> None:
    rig = Rig()
    message = rig.send("11.3", ESME, {"FirmwareHash": "11" * 32})
    rig.run(HOUR_MS)
    (supplier,) = parties(rig, ESME, "Supplier")
    assert supplier["counter"] == message.counter


def test_the_root_has_a_key_and_no_party() -> None:
    (root,) = parties(Rig(), ESME, "Root")
    assert [(each["usage"].hex(), each["party"]) for each in root["credentials"]] == [("0204", 0)]


def test_a_party_that_signs_its_question_gets_a_signed_answer() -> None:
    """CS02a with a signature in place of the MAC (gbcs.md 3)."""
    rig = Rig()
    asked = encode_shape("retrieve_credentials", {"asking": {"role": 5, "usage": bytes.fromhex(SIGNING)}, "roles": [2]})
    message = sign(GbcsMessage(Cra.COMMAND, 6_000, TRANSITIONAL_COS, ESME, 0x0008, asked), key(TRANSITIONAL_COS, DS))
    rig.csp.send_command(HUB, ESME, message.encode(), rig.now_ms)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    assert answer.message.mac is None
    assert verify_signature(answer.message, key(ESME, DS).public_key())


def test_a_gas_proxy_without_supplier_holds_the_access_control_broker_s_certificates() -> None:
    rig = Rig(estate=with_device(default_estate(), GPF, supplier=None, network_operator=None))
    supplier, operator = parties(rig, GPF, "Supplier", "NetworkOperator")
    for each in (*supplier["credentials"], *operator["credentials"]):
        assert each["party"] == ACCESS_CONTROL_BROKER


# A party replaces its own


def test_a_supplier_replaces_its_certificates() -> None:
    rig = Rig()
    message = rig.command("6.15.1", ESME, renewal(SUPPLIER))
    said = ask(rig, message)
    told = said["outcome"]
    assert (told["counter"], told["mode"]) == (message.counter, 2)
    assert [(each["role"], each["floor"]) for each in told["floors"]] == [(2, 7)]
    assert [each["result"] for each in told["replaced"]] == [0, 0, 0]
    first = told["replaced"][0]
    assert (first["key_before"], first["key_after"]) == (key_id(SUPPLIER, DS), key_id(SUPPLIER, DS, NEXT))
    assert rig.state.devices[ESME].command_counters[SUPPLIER] == 7
    assert 0x8F70 in [code for _, code in rig.state.devices[ESME].events]
    (supplier,) = parties(rig, ESME, "Supplier")
    assert supplier["credentials"][0]["key"] == key_id(SUPPLIER, DS, NEXT)


def test_only_the_new_key_signs_from_then_on() -> None:
    rig = Rig()
    ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER)))
    old = rig.send("11.3", ESME, {"FirmwareHash": "11" * 32})
    rig.run(HOUR_MS)
    assert not rig.answers(old)
    new = sign(rig.command("11.3", ESME, {"FirmwareHash": "11" * 32}), SMKI.private_key(SUPPLIER, DS, NEXT))
    assert "activate_image_code" in ask(rig, new)


def test_answers_are_for_the_key_that_the_device_holds() -> None:
    rig = Rig()
    ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER)))
    read = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(read)
    assert verify_mac(answer.message, key(ESME, KA), SMKI.private_key(SUPPLIER, KA, NEXT).public_key())


def test_images_are_checked_with_the_certificate_that_the_device_holds() -> None:
    rig = Rig()
    ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER)))
    rig.distribute(ESME, rig.image(ESME))
    rig.run(DAY_MS)
    assert rig.alerts(0x8F1C)
    assert not rig.alerts(0x8F72)


def test_a_party_that_renewed_its_certificates_is_not_trusted_before_they_are_replaced() -> None:
    rig = Rig()
    message = sign(rig.command("11.3", ESME, {"FirmwareHash": "11" * 32}), SMKI.private_key(SUPPLIER, DS, NEXT))
    rig.transmit(message)
    rig.run(HOUR_MS)
    assert not rig.answers(message)


def test_a_network_operator_replaces_its_certificates() -> None:
    rig = Rig()
    message = rig.command("6.15.1", ESME, renewal(NETWORK_OPERATOR, "NetworkOperator"), user=NETWORK_OPERATOR)
    assert [each["result"] for each in ask(rig, message)["outcome"]["replaced"]] == [0, 0]


def test_the_load_controller_s_certificates_come_from_the_supplier() -> None:
    rig = Rig()
    message = rig.command("6.15.1", ESME, renewal(SUPPLIER, "LoadController"))
    rig.transmit(message)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    assert answer.says["outcome"]["mode"] == 11
    # It has no cell for top-ups, and whose certificates lie there first are the Access Control Broker's.
    assert outcome(answer) == [
        (SIGNING, 0, ACCESS_CONTROL_BROKER, SUPPLIER), (AGREEMENT, 0, ACCESS_CONTROL_BROKER, SUPPLIER), (AGREEMENT, 25, 0, 0),
    ]  # fmt: skip
    (controller,) = ask(rig, rig.command("6.24.1", ESME, {"RemotePartyRole": ["LoadController"]}))["parties"]
    assert [each["party"] for each in controller["credentials"]] == [SUPPLIER, SUPPLIER]


# What is not replaced


def test_another_party_s_signature_does_not_replace_anything() -> None:
    rig = Rig()
    message = sign(rig.command("6.15.1", ESME, renewal(SUPPLIER)), key(OTHER_SUPPLIER, DS))
    rig.transmit(message)
    rig.run(HOUR_MS)
    assert not rig.answers(message)
    assert rig.state.devices[ESME].changed_credentials is None


def test_a_certificate_whose_issuer_leads_nowhere_stays_out() -> None:
    """The others of the same command are replaced all the same (test message CS02bSupplierBySupplier ERROR)."""
    rig = Rig()
    stranger = TestSmki(seed=99)
    body = renewal(SUPPLIER, path=[AUTHORITY, stranger.organisation_authority.certificate.public_bytes(Encoding.DER)])
    party = Organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "party")
    (foreign,) = (each for each in stranger.organisation_certificates(party) if each.usage is KA)
    inner = new_certificates(SUPPLIER) | {"KeyAgreementCertificate": texts(foreign.der)[0]}
    body["ReplacementCertificates"] = {"SupplierOrNetworkOperatorCertificates": inner}
    told = ask(rig, rig.command("6.15.1", ESME, body))["outcome"]["replaced"]
    assert [each["result"] for each in told] == [0, 10, 0]
    assert told[1]["key_before"] == told[1]["key_after"] == key_id(SUPPLIER, KA)
    read = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(read)
    assert verify_mac(answer.message, key(ESME, KA), key(SUPPLIER, KA).public_key())


@pytest.mark.parametrize("wrong", ["another usage", "of a device", "not a certificate"])
def test_a_bad_certificate_stays_out_and_the_others_go_in(wrong: str) -> None:
    bad = {
        "another usage": certificates(SUPPLIER, NEXT)[0].der,
        "of a device": SMKI.device_certificate(ESME, KA).der,
        "not a certificate": bytes.fromhex("3003020105"),
    }[wrong]
    body = renewal(SUPPLIER)
    inner = new_certificates(SUPPLIER) | {"KeyAgreementCertificate": texts(bad)[0]}
    body["ReplacementCertificates"] = {"SupplierOrNetworkOperatorCertificates": inner}
    rig = Rig()
    said = ask(rig, rig.command("6.15.1", ESME, body))
    assert [each["result"] for each in said["outcome"]["replaced"]] == [0, 5, 0]


def test_what_expired_is_refused_where_that_is_asked_for() -> None:
    late = HanSettings(check_certificate_time=True)
    body = renewal(SUPPLIER)
    for han, asked, results in ((late, "true", [5, 5, 5]), (late, "false", [0, 0, 0]), (None, "true", [0, 0, 0])):
        rig = Rig(han)
        rig.state.devices[ESME].clock_offset_ms = -20 * 365 * DAY_MS
        said = ask(rig, rig.command("6.15.1", ESME, body | {"ApplyTimeBasedCPVChecks": asked}))
        assert [each["result"] for each in said["outcome"]["replaced"]] == results


@pytest.mark.parametrize("changed", [{"mode": 3}, {"counter": 5}, {"signer": {"role": 3, "usage": bytes.fromhex(SIGNING)}}])
def test_a_command_that_contradicts_itself_is_not_executed(changed: dict[str, object]) -> None:
    rig = Rig()
    message = rig.command("6.15.1", ESME, renewal(SUPPLIER))
    content = encode_shape(
        "update_credentials",
        {
            "mode": 2, "signer": {"role": 2, "usage": bytes.fromhex(SIGNING)}, "counter": message.counter, "replacements": [],
            "path": [], **changed,
        },
    )  # fmt: skip
    forged = sign(GbcsMessage(Cra.COMMAND, message.counter, SUPPLIER, ESME, 0x0102, content), key(SUPPLIER, DS))
    rig.transmit(forged)
    rig.run(HOUR_MS)
    assert not rig.answers(forged)
    assert any("cannot execute" in summary for *_, summary, _ in rig.journal)


# At a date


def test_a_dated_replacement_waits_and_is_reported() -> None:
    rig = Rig()
    message = rig.command("6.15.1", ESME, renewal(SUPPLIER, ExecutionDateTime=_in_days(rig, 2)))
    assert ask(rig, message)["outcome"] is None
    assert rig.state.devices[ESME].changed_credentials is None
    rig.run(3 * DAY_MS)
    (alert,) = rig.alerts(0x8F66)
    assert (alert.message.message_code, alert.message.recipient) == (0x00CB, SUPPLIER)
    assert alert.says["outcome"]["counter"] == message.counter
    assert [result for _, result, _, _ in outcome(alert)] == [0, 0, 0]


def test_a_dated_replacement_that_fails_in_part_is_8f67() -> None:
    rig = Rig()
    body = renewal(SUPPLIER, path=[certificates(SUPPLIER)[0].der], ExecutionDateTime=_in_days(rig, 1))
    ask(rig, rig.command("6.15.1", ESME, body))
    rig.run(2 * DAY_MS)
    (alert,) = rig.alerts(0x8F67)
    assert [result for _, result, _, _ in outcome(alert)] == [10, 10, 10]


def test_a_dated_replacement_is_cancelled() -> None:
    rig = Rig()
    ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER, ExecutionDateTime=_in_days(rig, 2))))
    assert ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER, ExecutionDateTime=FOREVER)))["outcome"] is None
    rig.run(3 * DAY_MS)
    assert not rig.alerts(0x8F66)
    assert rig.state.devices[ESME].changed_credentials is None


def _in_days(rig: Rig, days: int) -> str:
    return format_datetime(rig.now_ms + days * DAY_MS)


# The DCC's parties


def test_the_change_of_supplier_party_puts_the_new_supplier_in() -> None:
    rig = Rig()
    message = rig.command("6.23", ESME, change_of_supplier())
    rig.transmit(message)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    assert (message.originator, answer.message.recipient) == (TRANSITIONAL_COS, TRANSITIONAL_COS)
    assert verify_signature(answer.message, key(ESME, DS).public_key())
    assert outcome(answer) == [
        (SIGNING, 0, SUPPLIER, OTHER_SUPPLIER),
        (AGREEMENT, 0, SUPPLIER, OTHER_SUPPLIER),
        (AGREEMENT, 0, SUPPLIER, OTHER_SUPPLIER),
    ]
    assert [(each["role"], each["floor"]) for each in answer.says["outcome"]["floors"]] == [(2, 100)]
    device = rig.state.devices[ESME]
    assert device.credentials[2] == OTHER_SUPPLIER
    assert device.command_counters == {OTHER_SUPPLIER: 100, TRANSITIONAL_COS: message.counter}
    assert device.changed_credentials is not None
    assert device.changed_credentials.top_up_floor == 9
    assert not device.changed_credentials.cells, "they are the certificates that a device holds of the party anyway"


def test_afterwards_the_old_supplier_has_no_authority() -> None:
    rig = Rig()
    rig.send("6.23", ESME, change_of_supplier())
    rig.run(HOUR_MS)
    old = rig.send("11.3", ESME, {"FirmwareHash": "11" * 32})
    rig.run(HOUR_MS)
    assert not rig.answers(old)
    (alert,) = rig.alerts(0x8F30)
    assert alert.message.recipient == OTHER_SUPPLIER
    assert "activate_image_code" in ask(rig, rig.command("11.3", ESME, {"FirmwareHash": "11" * 32}, user=OTHER_SUPPLIER))


def test_a_change_of_supplier_at_a_date_is_told_to_its_party() -> None:
    rig = Rig()
    rig.send("6.23", ESME, change_of_supplier(ExecutionDateTime=_in_days(rig, 1)))
    rig.run(HOUR_MS)
    pending = rig.activate(ESME, bytes(32), _in_days(rig, 3))
    rig.run(DAY_MS)
    (alert,) = rig.alerts(0x8F66)
    assert alert.message.recipient == TRANSITIONAL_COS
    assert rig.state.devices[ESME].pending is None, f"what {pending.originator:016x} dated ahead dies with its certificates"


def test_counters_begin_at_their_floors() -> None:
    rig = Rig()
    rig.send("6.23", ESME, change_of_supplier(SupplierFloorSeqNumber="900000"))
    rig.run(HOUR_MS)
    low = rig.send("11.3", ESME, {"FirmwareHash": "11" * 32}, user=OTHER_SUPPLIER)
    rig.run(HOUR_MS)
    assert not rig.answers(low)


def test_the_access_control_broker_hands_over_a_device_that_it_controls() -> None:
    rig = Rig(estate=with_device(default_estate(), GPF, supplier=None, network_operator=None))
    for party, role in ((SUPPLIER, "Supplier"), (NETWORK_OPERATOR, "NetworkOperator")):
        body = renewal(party, role) | {"ReplacementCertificates": new_certificates(party, FIRST)}
        message = rig.command("6.21", GPF, body)
        rig.transmit(message)
        rig.run(HOUR_MS)
        (answer,) = rig.answers(message)
        assert message.originator == ACCESS_CONTROL_BROKER
        assert {(result, before, after) for _, result, before, after in outcome(answer)} == {(0, ACCESS_CONTROL_BROKER, party)}
    again = rig.send("6.21", GPF, renewal(SUPPLIER) | {"ReplacementCertificates": new_certificates(SUPPLIER)})
    rig.run(HOUR_MS)
    assert not rig.answers(again), "its supplier signs now"


def test_the_access_control_broker_replaces_its_own_certificate() -> None:
    rig = Rig()
    (agreement,) = (each for each in certificates(ACCESS_CONTROL_BROKER, NEXT) if each.usage is KA)
    body = {
        "ACBFloorSeqNumber": "0",
        "ReplacementCertificates": {"KeyAgreementCertificate": texts(agreement.der)[0]},
        "CertificationPathCertificates": {"Certificate": texts(AUTHORITY)},
        "ApplyTimeBasedCPVChecks": "true",
    }
    assert [each["result"] for each in ask(rig, rig.command("8.5", ESME, body))["outcome"]["replaced"]] == [0]
    old = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    assert not rig.answers(old), "the MAC is made with a key that the device does not know any more"


@pytest.mark.parametrize(
    ("code", "mode", "party", "role", "target", "eui"),
    [
        (0x0105, 5, WAN_PROVIDER, 6, 6, HUB),
        (0x0106, 6, TRANSITIONAL_COS, 5, 5, ESME),
        (0x0108, 8, RECOVERY, 1, 5, ESME),
    ],
)
def test_what_no_user_asks_for(code: int, mode: int, party: Eui64, role: int, target: int, eui: Eui64) -> None:
    rig = Rig()
    holder = {5: TRANSITIONAL_COS, 6: WAN_PROVIDER}[target]
    (new,) = (each for each in certificates(holder, NEXT) if each.usage is DS)
    content = encode_shape(
        "update_credentials",
        {
            "mode": mode, "signer": {"role": role, "usage": bytes.fromhex(SIGNING)}, "counter": 9_000, "path": [AUTHORITY],
            "replacements": [{"certificate": new.der, "target": {"role": target, "usage": bytes.fromhex(SIGNING)}}],
        },
    )  # fmt: skip
    message = sign(GbcsMessage(Cra.COMMAND, 9_000, party, eui, code, content), key(party, DS))
    octets = message.encode()
    if code != 0x0108:  # which goes without the Access Control Broker
        octets = finish_command(message, key(ACCESS_CONTROL_BROKER, KA), key(eui, KA).public_key())
    rig.csp.send_command(HUB, eui, octets, rig.now_ms)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    assert outcome(answer) == [(SIGNING, 0, holder, holder)]


# The device's own keys


@pytest.mark.parametrize(("kind", "usage"), [("Digital Signature", DS), ("Key Agreement", KA)])
def test_a_device_makes_a_key_and_takes_its_certificate(kind: str, usage: Usage) -> None:
    rig = Rig()
    said = ask(rig, rig.command("6.17", ESME, {"CredentialType": kind}))
    request = read_signing_request(bytes.fromhex(str(said["certification_request"])))
    assert (request.eui, request.usage) == (ESME, usage)
    before = ask(rig, rig.command("6.24.2", ESME, {"CredentialType": kind}))["certificate"]
    assert before == SMKI.device_certificate(ESME, usage).der.hex().upper()
    issued = SMKI.issue_to_device(ESME, usage, request.public_key, 1)
    message = rig.command("6.15.2", ESME, {"DeviceCertificate": texts(issued.der)[0]})
    assert ask(rig, message)["code"] == 0
    (answer,) = rig.answers(message)
    signing = issued.public_key if usage is DS else key(ESME, DS).public_key()
    assert verify_signature(answer.message, signing)
    assert {0x8F4D, 0x8F4F} & {code for _, code in rig.state.devices[ESME].events}
    again = rig.command("6.24.2", ESME, {"CredentialType": kind})
    agreed = issued.public_key if usage is KA else key(ESME, KA).public_key()
    rig.csp.send_command(HUB, ESME, finish_command(again, key(ACCESS_CONTROL_BROKER, KA), agreed), rig.now_ms)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(again)
    assert answer.says["certificate"] == issued.der.hex().upper()


def test_certificates_that_a_device_does_not_take() -> None:
    rig = Rig()
    issued = SMKI.issue_to_device(ESME, DS, key(SUPPLIER, DS).public_key(), 1)
    others = {
        1: bytes.fromhex("3003020105"),
        2: SMKI.device_certificate(GSME, DS).der,
        4: SMKI.device_certificate(ESME, KA).der,
        5: issued.der,
    }
    ask(rig, rig.command("6.17", ESME, {"CredentialType": "Digital Signature"}))
    for code, der in others.items():
        assert ask(rig, rig.command("6.15.2", ESME, {"DeviceCertificate": texts(der)[0]}))["code"] == code
    assert read_certificate(others[2]).eui == GSME


def test_a_snapshot_keeps_what_was_replaced() -> None:
    rig = Rig()
    ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER)))
    rig.premises.rows.keep()
    state = snapshot.load(snapshot.dump(rig.state))
    assert isinstance(state, PremisesState)
    again = Rig(state=state)
    again.counter = rig.counter
    (supplier,) = parties(again, ESME, "Supplier")
    assert supplier["credentials"][0]["key"] == key_id(SUPPLIER, DS, NEXT)


def test_devices_without_changes_hold_nothing_more() -> None:
    rig = Rig()
    ask(rig, rig.command("6.15.1", ESME, renewal(SUPPLIER)))
    assert [eui for eui, device in rig.state.devices.items() if device.changed_credentials is not None] == [ESME]
    assert len(rig.state.certificates) == 3


USAGES = st.sampled_from([bytes.fromhex("0780"), bytes.fromhex("0308"), bytes.fromhex("0204"), bytes.fromhex("00")])
ROLES = st.integers(0, 9) | st.sampled_from([127, 255])
TARGETS = st.fixed_dictionaries({"role": ROLES, "usage": USAGES, "cell": st.sampled_from([None, 0, 1, 9])})
ANY_CERTIFICATE = st.sampled_from(
    [
        AUTHORITY,
        *(record.der for party in (SUPPLIER, OTHER_SUPPLIER) for record in certificates(party, NEXT)),
        SMKI.device_certificate(ESME, DS).der,
        bytes.fromhex("3000"),
    ]
)
FLOORS = st.fixed_dictionaries(
    {
        "role": ROLES,
        "floor": st.integers(0, 2**64 - 1),
        "top_up_floors": st.none()
        | st.lists(st.fixed_dictionaries({"kind": st.integers(0, 2), "floor": st.integers(0, 9)}), max_size=2),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    replacements=st.lists(st.fixed_dictionaries({"certificate": ANY_CERTIFICATE, "target": TARGETS}), max_size=4),
    path=st.lists(ANY_CERTIFICATE, max_size=4),
    floors=st.none() | st.lists(FLOORS, max_size=3),
    floor=st.none() | st.integers(0, 2**64 - 1),
)
def test_any_replacement_is_answered(
    replacements: list[Any], path: list[bytes], floors: list[Any] | None, floor: int | None
) -> None:
    """Whatever a supplier signs: an outcome for each certificate, and a device that can still be asked whom it trusts."""
    rig = Rig()
    counter = rig.command("11.2", ESME).counter
    content = encode_shape(
        "update_credentials",
        {
            "mode": 2, "signer": {"role": 2, "usage": bytes.fromhex(SIGNING)}, "counter": counter, "floor": floor,
            "other_floors": floors, "replacements": replacements, "path": path,
        },
    )  # fmt: skip
    message = sign(GbcsMessage(Cra.COMMAND, counter, SUPPLIER, ESME, 0x0102, content), key(SUPPLIER, DS))
    rig.transmit(message)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    told = answer.says["outcome"]["replaced"]
    assert len(told) == len(replacements)
    assert {each["result"] for each in told} <= {0, 5, 10, 25}
    assert all(each["target"]["role"] == 2 for each in told if each["result"] == 0)
    assert all(each["role"] == 2 for each in answer.says["outcome"]["floors"])
    asked = encode_shape(
        "retrieve_credentials", {"asking": {"role": 4, "usage": bytes.fromhex(AGREEMENT)}, "roles": [0, 2, 9, 255]}
    )
    reading = GbcsMessage(Cra.COMMAND, 2**62, ACCESS_CONTROL_BROKER, ESME, 0x0008, asked)
    rig.transmit(reading)
    rig.run(HOUR_MS)
    assert len(rig.answers(reading)) == 1
