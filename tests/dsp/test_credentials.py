"""Certificates on devices, as users see it: replaced, read, renewed, and a change of supplier from the request to its end."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, Eui64, format_eui
from emulator.dsp import credentials
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Element, ServiceResponse, element
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import sign, verify_signature
from emulator.gbcs.results import read_result
from emulator.pki.certificates import CertificateRecord, Usage, read_certificate
from emulator.pki.smki import key_identifier
from emulator.world import fork_world, restore_world
from tests.dsp.bench_world import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NETWORK_OPERATOR,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    bench_with,
    dcc_alerts,
    device,
    responses,
)
from tests.dsp.telling import bodies, told

ESME, GSME, GPF = (device(0, last) for last in ("A0", "A1", "A3"))
MPAN = "1200000000001"
DS, KA = Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT
NEVER = "3000-12-31T00:00:00Z"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def text(der: bytes) -> str:
    return base64.b64encode(der).decode()


def certificates(bench: Bench, party: Eui64, *, top_ups: bool = True) -> list[tuple[str, CertificateRecord]]:
    keys = bench.world.keys
    found = {
        "DigitalSigning": keys.live(party, DS), "KeyAgreement": keys.live(party, KA),
        "KeyAgreementTopUp": keys.live(party, KA, prepayment=True) if top_ups else None,
    }  # fmt: skip
    return [(kind, record) for kind, record in found.items() if record is not None]


def offered(bench: Bench, party: Eui64, *, top_ups: bool = True) -> list[Element]:
    return [element(f"{kind}Certificate", text(each.der)) for kind, each in certificates(bench, party, top_ups=top_ups)]


def path(bench: Bench) -> list[Element]:
    assert bench.world.keys.smki is not None
    der = bench.world.keys.smki.organisation_authority.certificate.public_bytes(Encoding.DER)
    return [
        element("CertificationPathCertificates", element("Certificate", text(der))),
        element("ApplyTimeBasedCPVChecks", "true"),
    ]


def change_of_supplier(bench: Bench, *, party: Eui64 = SUPPLIER_TWO, at: str = "", mpxn: str = MPAN) -> Element:
    return element(
        "UpdateSecurityCredentialsCoS",
        element("ExecutionDateTime", at) if at else None,
        element("SupplierFloorSeqNumber", "5"),
        element("SupplierPrepaymentTopUpFloorSeqNumber", "6"),
        element("SupplierReplacementCertificates", *offered(bench, party)),
        *path(bench),
        element("ImportMPxN", mpxn),
    )


def renewal(bench: Bench, party: Eui64, role: str = "Supplier", at: str = "", owner: Eui64 | None = None) -> Element:
    top_ups = role == "Supplier"
    return element(
        "UpdateSecurityCredentialsKRP",
        element("ExecutionDateTime", at) if at else None,
        element("RemotePartyRole", role),
        element("RemotePartyFloorSeqNumber", "0"),
        element(
            "ReplacementCertificates",
            element("SupplierOrNetworkOperatorCertificates", *offered(bench, owner or party, top_ups=top_ups)),
        ),
        *path(bench),
    )


def handover(bench: Bench, role: str, owner: Eui64) -> Element:
    return element(
        "RequestHandoverOfDCCControlledDevice",
        element("RemotePartyRole", role),
        element("RemotePartyFloorSeqNumber", "0"),
        element("ReplacementCertificates", *offered(bench, owner, top_ups=role == "Supplier")),
        *path(bench),
    )


def payload(response: ServiceResponse) -> GbcsMessage:
    assert response.payload is not None
    assert response.payload.name == "GBCSPayload"
    return decode_message(base64.b64decode(response.payload.text))


def result(bench: Bench) -> Any:
    """What the device said last in answer to a request."""
    return read_result(payload(responses(bench.deliveries)[-1]))


def gain(bench: Bench, from_ms: int | None = None, mpxn: str = MPAN, role: str = "IS") -> None:
    """The second supplier becomes the registered one."""
    bench.control("registration.put", mpxn=mpxn, role=role, party="supplier-two", from_ms=from_ms or bench.now_ms)
    bench.advance(1)


def in_days(bench: Bench, days: float) -> str:
    return format_datetime(bench.now_ms + int(days * DAY_MS))


def activation() -> Element:
    return element("ActivateFirmware", element("FirmwareHash", "00" * 32))


# Change of supplier


def test_who_asked_for_new_certificates_may_be_told_like_the_others() -> None:
    bench = bench_with(credentials_alert_to_requester=True)
    gain(bench)
    assert bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"two": ["6.23 I0", "N42"], "one": ["N27"], "network": ["N42"]}


def test_a_change_of_supplier_at_once(bench: Bench) -> None:
    gain(bench)
    assert bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO).code == "I99"
    heard = told(bench.advance(HOUR_MS))
    assert heard == {"two": ["6.23 I0"], "one": ["N27"], "network": ["N42"]}
    answer = payload(responses(bench.deliveries)[-1])
    assert answer.recipient == TRANSITIONAL_COS
    assert [each["result"] for each in result(bench)["outcome"]["replaced"]] == [0, 0, 0]
    state = bench.world.engine.state
    assert state.dsp.inventory[ESME].supplier == SUPPLIER_TWO
    assert state.dsp.cos_counter == answer.counter
    (completed,) = bodies(bench.deliveries, "N27")
    assert completed.value("DeviceChangeOfSupplier", "MPxNs", "ImportMPxN") == MPAN
    (updated,) = bodies(bench.deliveries, "N42")
    hashes = [each.value("CertificateHash") for each in updated.children if each.name == "Certificates"]
    wanted = [hashlib.sha1(each.der, usedforsecurity=False).digest() for _, each in certificates(bench, SUPPLIER_TWO)]
    assert hashes == [text(each) for each in wanted]


def test_afterwards_each_supplier_gets_what_is_its_own(bench: Bench) -> None:
    gain(bench)
    bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO)
    bench.advance(HOUR_MS)
    assert bench.critical("11.3", activation(), ESME).code == "E4"
    assert bench.critical("11.3", activation(), ESME, user=SUPPLIER_TWO).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"two": ["11.3 I0"]}


def test_without_the_gate_the_device_refuses_the_old_supplier() -> None:
    bench = bench_with(check_responsibility=False)
    bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO)
    bench.advance(HOUR_MS)
    assert bench.critical("11.3", activation(), ESME).code == "I99"
    heard = told(bench.advance(2 * DAY_MS))
    assert heard["two"] == ["8F30"]
    assert "11.3 E21" in heard["one"]


def test_between_registration_and_credentials_the_device_trusts_the_old_one(bench: Bench) -> None:
    gain(bench)
    assert bench.critical("11.3", activation(), ESME, user=SUPPLIER_TWO).code == "I99"
    heard = told(bench.advance(2 * DAY_MS))
    assert heard["one"] == ["8F30"]
    assert "11.3 E21" in heard["two"]


def test_a_dated_change_is_held_checked_again_and_executed_at_its_date(bench: Bench) -> None:
    at_ms = bench.now_ms + 5 * DAY_MS
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-two", from_ms=at_ms)
    assert bench.submit("6.23", change_of_supplier(bench, at=in_days(bench, 5)), to=ESME, user=SUPPLIER_TWO).code == "I99"
    assert not bench.advance(3 * DAY_MS + 23 * HOUR_MS), "the DSP keeps it until a day before"
    assert told(bench.advance(2 * HOUR_MS)) == {"two": ["6.23 I0"]}
    assert result(bench)["outcome"] is None
    assert bench.world.engine.state.dsp.inventory[ESME].supplier == SUPPLIER
    heard = told(bench.advance(DAY_MS))
    assert heard == {"two": ["6.23 8F66"], "one": ["N27"], "network": ["N42"]}
    dated = responses(bench.deliveries)[-1].payload
    assert dated is not None
    assert (dated.value("InstructionNumber"), dated.value("TotalCommandInstructions")) == ("1", "1")
    assert bench.world.engine.state.dsp.inventory[ESME].supplier == SUPPLIER_TWO
    assert not bench.world.engine.context.lookup.dated(ESME)


def test_a_change_whose_registration_fell_away_is_refused_when_due(bench: Bench) -> None:
    at_ms = bench.now_ms + 5 * DAY_MS
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-two", from_ms=at_ms)
    bench.submit("6.23", change_of_supplier(bench, at=in_days(bench, 5)), to=ESME, user=SUPPLIER_TWO)
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-one", from_ms=at_ms)
    heard = told(bench.advance(6 * DAY_MS))
    assert set(heard) == {"two"}
    assert "6.23 E4" in heard["two"]
    (refused,) = bodies(bench.deliveries, "N26")
    assert refused.value("ChangeOfSupplierServiceRequestID") == responses(bench.deliveries)[-1].request_id


def test_what_is_held_is_cancelled_by_the_supplier_that_is_to_be(bench: Bench) -> None:
    at_ms = bench.now_ms + 5 * DAY_MS
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-two", from_ms=at_ms)
    bench.submit("6.23", change_of_supplier(bench, at=in_days(bench, 5)), to=ESME, user=SUPPLIER_TWO)
    assert bench.submit("6.23", change_of_supplier(bench, at=NEVER), to=ESME, user=SUPPLIER_TWO).code == "I99"
    bench.advance(6 * DAY_MS)
    assert told(bench.deliveries) == {"two": ["6.23 I0"]}
    assert bench.world.engine.state.dsp.inventory[ESME].supplier == SUPPLIER


def test_what_the_device_holds_is_cancelled_there(bench: Bench) -> None:
    at_ms = bench.now_ms + DAY_MS // 2
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-two", from_ms=at_ms)
    bench.submit("6.23", change_of_supplier(bench, at=in_days(bench, 0.5)), to=ESME, user=SUPPLIER_TWO)
    bench.advance(HOUR_MS)
    assert bench.submit("6.23", change_of_supplier(bench, at=NEVER), to=ESME, user=SUPPLIER_TWO).code == "I99"
    bench.advance(2 * DAY_MS)
    assert told(bench.deliveries) == {"two": ["6.23 I0", "6.23 I0"]}
    assert bench.world.engine.state.premises.devices[ESME].credentials[2] == SUPPLIER
    assert not bench.world.engine.context.lookup.dated(ESME)


def test_what_the_old_supplier_dated_ahead_falls_away(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    image_hash = bench.world.engine.premises.rows.held(ESME)
    assert image_hash is not None
    bench.activate(ESME, image_hash.manufacturer_image_hash, at=in_days(bench, 5))
    bench.advance(HOUR_MS)
    gain(bench)
    bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO)
    heard = told(bench.advance(HOUR_MS))
    assert heard["one"] == ["N27", "N10"]
    assert bench.world.engine.state.premises.devices[ESME].pending is None
    assert "11.3 E30" not in told(bench.advance(10 * DAY_MS)).get("one", [])


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"mpxn": "7400000001"}, "E062303"), ({"party": SUPPLIER}, "E062302")],
)
def test_a_change_that_does_not_fit_is_refused(bench: Bench, changed: dict[str, Any], code: str) -> None:
    gain(bench)
    assert bench.submit("6.23", change_of_supplier(bench, **changed), to=ESME, user=SUPPLIER_TWO).code == code


def test_a_change_by_who_is_not_to_be_the_supplier_is_refused(bench: Bench) -> None:
    assert bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO).code == "E4"


def replaced(body: Element, name: str, *children: Element | str) -> Element:
    """The body with another content of one element, at any depth."""
    if body.name == name:
        return element(name, *children)
    if not body.children:
        return body
    return element(body.name, *(replaced(each, name, *children) for each in body.children))


def test_certificates_that_lead_nowhere_are_refused(bench: Bench) -> None:
    gain(bench)
    own = text(certificates(bench, SUPPLIER_TWO)[0][1].der)
    body = replaced(change_of_supplier(bench), "CertificationPathCertificates", element("Certificate", own))
    assert bench.submit("6.23", body, to=ESME, user=SUPPLIER_TWO).code == "E062301"


def test_a_certificate_for_another_purpose_is_refused(bench: Bench) -> None:
    gain(bench)
    body = replaced(change_of_supplier(bench), "KeyAgreementCertificate", text(certificates(bench, SUPPLIER_TWO)[0][1].der))
    assert bench.submit("6.23", body, to=ESME, user=SUPPLIER_TWO).code == "E062301"


def test_the_gas_supplier_changes_on_meter_and_proxy(bench: Bench) -> None:
    gain(bench, mpxn="7400000001", role="GS")
    for eui in (GSME, GPF):
        body = change_of_supplier(bench, mpxn="7400000001")
        assert bench.submit("6.23", body, to=eui, user=SUPPLIER_TWO).code == "I99"
    bench.advance(DAY_MS)
    inventory = bench.world.engine.state.dsp.inventory
    assert [inventory[eui].supplier for eui in (GSME, GPF)] == [SUPPLIER_TWO] * 2


# A party renews its certificates


def test_a_renewed_party_is_trusted_once_its_certificates_are_replaced(bench: Bench) -> None:
    old = bench.key(SUPPLIER)
    renewed = bench.control("party.renew", party=format_eui(SUPPLIER))
    assert [each["usage"] for each in renewed["certificates"]] == ["DS", "KA", "KA"]  # type: ignore[attr-defined]
    assert bench.critical("11.3", activation(), ESME).code == "I99", "the DCC knows both keys"
    heard = told(bench.advance(2 * DAY_MS))
    assert "11.3 E21" in heard["one"], "the device knows only the one that it holds"
    bench.deliveries.clear()

    body = renewal(bench, SUPPLIER)
    assert signed_by(bench, "6.15.1", body, ESME, old).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"one": ["6.15.1 I0"], "network": ["N42"]}
    assert bench.critical("11.3", activation(), ESME).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"one": ["11.3 I0"]}


def signed_by(bench: Bench, srv: str, body: Element, to: Eui64, key: Any, user: Eui64 = SUPPLIER) -> ServiceResponse:
    first = bench.submit(srv, body, to=to, user=user, variant=4)
    assert first.payload is not None, first
    signed = sign(decode_message(base64.b64decode(first.payload.required("GBCSPayload"))), key).encode()
    return bench.submit(
        srv, element("SignedPreCommand", element("GBCSPayload", text(signed))), to=to, user=user, variant=5, counter=bench.counter
    )


def test_a_snapshot_keeps_what_was_renewed(bench: Bench) -> None:
    bench.control("party.renew", party=format_eui(SUPPLIER))
    again = restore_world("again", bench.world.engine.snapshot())
    for usage in Usage:
        assert again.keys.live(SUPPLIER, usage) == bench.world.keys.live(SUPPLIER, usage)
        assert again.keys.anchor(SUPPLIER, usage) == bench.world.keys.anchor(SUPPLIER, usage)
    assert len(again.keys.signing_keys(SUPPLIER)) == 2


def test_a_fork_renews_for_itself(bench: Bench) -> None:
    bench.control("party.renew", party=format_eui(SUPPLIER))
    fork = Bench(fork_world("fork", bench.world))
    assert fork.world.keys.live(SUPPLIER, DS) == bench.world.keys.live(SUPPLIER, DS)
    fork.control("party.renew", party=format_eui(SUPPLIER))
    assert fork.world.keys.live(SUPPLIER, DS) != bench.world.keys.live(SUPPLIER, DS)
    assert fork.world.keys.anchor(SUPPLIER, DS) == bench.world.keys.anchor(SUPPLIER, DS)


def test_a_dated_renewal_is_reported_at_its_date(bench: Bench) -> None:
    old = bench.key(SUPPLIER)
    bench.control("party.renew", party=format_eui(SUPPLIER))
    signed_by(bench, "6.15.1", renewal(bench, SUPPLIER, at=in_days(bench, 2)), ESME, old)
    assert told(bench.advance(DAY_MS)) == {"one": ["6.15.1 I0"]}
    assert told(bench.advance(2 * DAY_MS)) == {"one": ["6.15.1 8F66"], "network": ["N42"]}


def test_a_network_operator_renews_its_certificates(bench: Bench) -> None:
    old = bench.key(NETWORK_OPERATOR)
    bench.control("party.renew", party=format_eui(NETWORK_OPERATOR))
    body = renewal(bench, NETWORK_OPERATOR, "NetworkOperator")
    assert signed_by(bench, "6.15.1", body, ESME, old, NETWORK_OPERATOR).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"network": ["6.15.1 I0"], "one": ["N42"]}


@pytest.mark.parametrize("role", ["NetworkOperator", "ACB", "Root"])
def test_a_supplier_replaces_no_other_role(bench: Bench, role: str) -> None:
    assert bench.submit("6.15.1", renewal(bench, SUPPLIER, role), to=ESME, variant=4).code == "E061501"


def test_a_supplier_offers_its_own_certificates_only(bench: Bench) -> None:
    assert bench.submit("6.15.1", renewal(bench, SUPPLIER, owner=SUPPLIER_TWO), to=ESME, variant=4).code == "E061506"


@pytest.mark.parametrize("party", [ACCESS_CONTROL_BROKER, Eui64(0x00DB123456780004)])
def test_who_holds_nothing_on_devices_is_not_renewed(bench: Bench, party: Eui64) -> None:
    with pytest.raises(AssertionError, match="not renewed"):
        bench.control("party.renew", party=format_eui(party))


# Reading, and handing over


def test_the_parties_that_a_device_holds_are_read(bench: Bench) -> None:
    body = element(
        "RetrieveDeviceSecurityCredentialsKRP", element("RemotePartyRole", "Supplier"), element("RemotePartyRole", "ACB")
    )
    assert bench.submit("6.24.1", body, to=ESME).code == "I99"
    bench.advance(HOUR_MS)
    supplier, broker = result(bench)["parties"]
    live = bench.world.keys.live(SUPPLIER, DS)
    assert live is not None
    assert supplier["credentials"][0]["key"] == key_identifier(live.public_key)
    assert broker["credentials"][0]["party"] == ACCESS_CONTROL_BROKER


def test_a_device_that_the_dcc_controls_is_handed_over(bench: Bench) -> None:
    assert bench.submit("6.21", handover(bench, "Supplier", SUPPLIER), to=GPF).code == "E062101"
    bench.world.engine.state.dsp.inventory[GPF].supplier = None
    del bench.world.engine.state.premises.devices[GPF].credentials[2]
    assert bench.submit("6.21", handover(bench, "Supplier", SUPPLIER_TWO), to=GPF).code == "E062103"
    assert bench.submit("6.21", handover(bench, "LoadController", SUPPLIER), to=GPF).code == "E062102"
    assert bench.submit("6.21", handover(bench, "Supplier", SUPPLIER), to=GPF).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"one": ["6.21 I0"]}
    assert bench.world.engine.state.dsp.inventory[GPF].supplier == SUPPLIER
    assert bench.submit("6.21", handover(bench, "NetworkOperator", NETWORK_OPERATOR), to=GPF).code == "I99"
    assert told(bench.advance(HOUR_MS)) == {"one": ["6.21 I0"], "network": ["N42"]}


# A device's own certificate


HUB = Eui64(0x00DB1234567890A2)


def new_certificate(bench: Bench, kind: str, device: Eui64 = ESME) -> bytes:
    """6.17, and what the SMKI issues for it."""
    assert bench.critical("6.17", element("IssueSecurityCredentials", element("CredentialType", kind)), device).code == "I99"
    bench.advance(HOUR_MS)
    request = text(bytes.fromhex(result(bench)["certification_request"]))
    issued = bench.control("certificate.issue", request=request)
    assert issued["device"] == format_eui(device)
    return base64.b64decode(str(issued["certificate"]))


@pytest.mark.parametrize(("kind", "usage"), [("Digital Signature", DS), ("Key Agreement", KA)])
def test_a_device_gets_a_new_certificate_and_the_dcc_uses_it(bench: Bench, kind: str, usage: Usage) -> None:
    der = new_certificate(bench, kind)
    body = element("UpdateSecurityCredentialsDevice", element("DeviceCertificate", text(der)))
    assert bench.critical("6.15.2", body, ESME).code == "I99"
    bench.advance(HOUR_MS)
    assert result(bench)["code"] == 0
    record = bench.world.keys.device(ESME, usage)
    assert record is not None
    assert record.der == der
    # Commands and answers go on under the new key.
    assert bench.critical("11.3", activation(), ESME).code == "I99"
    bench.advance(HOUR_MS)
    answer = payload(responses(bench.deliveries)[-1])
    signing = bench.world.keys.device(ESME, DS)
    assert signing is not None
    assert verify_signature(answer, signing.public_key)
    again = restore_world("again", bench.world.engine.snapshot()).keys.device(ESME, usage)
    assert again is not None
    assert again.der == der
    read = element("RetrieveDeviceSecurityCredentialsDevice", element("CredentialType", kind))
    assert bench.critical("6.24.2", read, ESME).code == "I99"
    bench.advance(HOUR_MS)
    assert bytes.fromhex(result(bench)["certificate"]) == der


@pytest.mark.parametrize("device", [HUB, GPF])
def test_a_hub_gets_a_new_certificate(bench: Bench, device: Eui64) -> None:
    """The CHF holds no supplier's certificates: the ACB sends in its place."""
    der = new_certificate(bench, "Digital Signature", device)
    body = element("UpdateSecurityCredentialsDevice", element("DeviceCertificate", text(der)))
    assert bench.critical("6.15.2", body, device).code == "I99"
    bench.advance(HOUR_MS)
    assert result(bench)["code"] == 0
    read = element("RetrieveDeviceSecurityCredentialsDevice", element("CredentialType", "Digital Signature"))
    assert bench.critical("6.24.2", read, device).code == "I99"
    bench.advance(HOUR_MS)
    assert bytes.fromhex(result(bench)["certificate"]) == der


def test_a_certificate_of_another_device_is_refused(bench: Bench) -> None:
    assert bench.world.keys.smki is not None
    other = bench.world.keys.smki.device_certificate(GSME, DS).der
    body = element("UpdateSecurityCredentialsDevice", element("DeviceCertificate", text(other)))
    assert bench.submit("6.15.2", body, to=ESME, variant=4).code == "E061507"


def test_only_what_the_device_took_is_used(bench: Bench) -> None:
    der = new_certificate(bench, "Digital Signature")
    assert read_certificate(der).eui == ESME
    used = bench.world.keys.device(ESME, DS)
    assert used is not None
    assert used.der != der
    assert bench.world.keys.seeded_device(read_certificate(der).serial) is None


def test_no_certificate_without_a_request(bench: Bench) -> None:
    for request in ("!", text(b"\x30\x00"), "A" * 50_000):
        with pytest.raises(AssertionError):
            bench.control("certificate.issue", request=request)


def test_alerts_are_for_those_whom_it_concerns(bench: Bench) -> None:
    """Nobody hears of a change that did not happen."""
    gain(bench)
    bench.world.engine.faults.add("device.silent", ESME)
    bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO)
    codes: Sequence[Any] = (*dcc_alerts(bench.advance(MINUTE_MS), "N27"), *dcc_alerts(bench.deliveries, "N42"))
    assert not codes


@pytest.mark.parametrize(
    "claim", [{"party_after": 0x1122}, {"result": 10}, {"target": {"role": 7, "usage": b"\x02\x04", "cell": None}}]
)
def test_what_a_device_cannot_have_done_changes_nothing(bench: Bench, claim: dict[str, Any]) -> None:
    gain(bench)
    bench.submit("6.23", change_of_supplier(bench), to=ESME, user=SUPPLIER_TWO)
    context = bench.world.engine.context
    (transaction,) = context.state.transactions.values()
    target = {"role": 2, "usage": b"\x07\x80", "cell": None}
    entry = {"target": target, "result": 0, "party_before": SUPPLIER, "party_after": SUPPLIER_TWO, **claim}
    outcome = {"counter": transaction.counter, "mode": 7, "floors": [], "replaced": [entry]}
    credentials.answered(context, transaction, context.state.inventory[ESME], {"outcome": outcome})
    assert context.state.inventory[ESME].supplier == SUPPLIER
    assert not bench.collect()
