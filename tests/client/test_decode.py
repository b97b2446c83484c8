"""Payloads are read and their protection is judged by the keys at hand."""

import base64
from dataclasses import replace

import pytest

from emulator.client.decode import Verdict, decode_payload, payload_of
from emulator.client.inspection import inspect, read_octets
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.duis.messages import DccAlert, DeviceAlert, ServiceResponse, element
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.protect import add_mac, sign
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.keystore import KeyStore
from tests.client.conftest import ESME, USER, signed_by

FIRMWARE_VERSION = bytes.fromhex("DA20000001000001090400010100010100")
ACTIVATED = bytes.fromhex("3009020100040400010100")


@pytest.fixture
def version_answer(world_keys: KeyStore) -> GbcsMessage:
    """A meter's answer to 11.2, with its MAC."""
    message = GbcsMessage(Cra.RESPONSE, 1, ESME, USER, 0x0059, FIRMWARE_VERSION)
    device, user = world_keys.device(ESME, Usage.KEY_AGREEMENT), world_keys.live(USER, Usage.KEY_AGREEMENT)
    assert device is not None
    assert device.private_key is not None
    assert user is not None
    return add_mac(message, device.private_key, user.public_key)


@pytest.fixture
def activation_answer(world_keys: KeyStore) -> GbcsMessage:
    """A meter's signed answer to 11.3."""
    date_time = bytes.fromhex("07DF0101FF000000008000FF")
    message = GbcsMessage(Cra.RESPONSE, 2, ESME, USER, 0x0012, ACTIVATED, date_time=date_time)
    device = world_keys.device(ESME, Usage.DIGITAL_SIGNATURE)
    assert device is not None
    assert device.private_key is not None
    return sign(message, device.private_key)


def test_mac_is_checked_and_the_version_read(version_answer: GbcsMessage, keys: KeyStore) -> None:
    decoded = decode_payload(version_answer.encode(), keys)
    assert (decoded.values["firmware_version"], decoded.mac, decoded.signature) == ("00010100", Verdict.VALID, Verdict.ABSENT)
    assert decoded.trusted


def test_one_private_key_of_the_two_is_enough(version_answer: GbcsMessage, keys: KeyStore) -> None:
    alone = KeyStore()
    for record in keys.records(usage=Usage.KEY_AGREEMENT):
        if record.eui in (USER, ESME):
            alone.add(record)
    assert decode_payload(version_answer.encode(), alone).mac is Verdict.VALID


def test_altered_answer_is_not_trusted(version_answer: GbcsMessage, keys: KeyStore) -> None:
    altered = replace(version_answer, content=FIRMWARE_VERSION.replace(b"\x00\x01\x01\x00\x01", b"\x00\x01\x02\x00\x01"))
    decoded = decode_payload(altered.encode(), keys)
    assert (decoded.values["firmware_version"], decoded.mac) == ("00010200", Verdict.INVALID)
    assert not decoded.trusted


def test_signature_is_checked_and_the_result_read(activation_answer: GbcsMessage, keys: KeyStore) -> None:
    decoded = decode_payload(activation_answer.encode(), keys)
    assert (decoded.signature, decoded.mac) == (Verdict.VALID, Verdict.ABSENT)
    assert (decoded.values["activate_image_code"], decoded.values["firmware_version"]) == (0, "00010100")


def test_without_certificates_nothing_is_called_valid(activation_answer: GbcsMessage, version_answer: GbcsMessage) -> None:
    for message in (activation_answer, version_answer):
        decoded = decode_payload(message.encode(), KeyStore())
        assert Verdict.UNKNOWN in (decoded.signature, decoded.mac)
        assert not decoded.trusted


def test_payload_is_found_wherever_it_stands() -> None:
    encoded = base64.b64encode(b"octets").decode()
    direct = element("GBCSPayload", encoded)
    nested = [element(name, element("GBCSVersion", "4.2"), direct) for name in ("PreCommand", "LocalCommand")]
    for payload in (direct, *nested):
        assert payload_of(ServiceResponse("I0", 0, None, None, "11.2", "11.2", payload)) == b"octets"
    assert payload_of(DeviceAlert(0, "", 0x8F72, b"octets")) == b"octets"
    assert payload_of(ServiceResponse("I99", 0, None, None, "11.2", "11.2")) is None
    assert payload_of(DccAlert(0, "", "N60", element("CSPFirmwareDeliveryStatus"))) is None


def test_a_payload_that_is_not_base64_is_malformed() -> None:
    with pytest.raises(Malformed, match="not base64"):
        payload_of(ServiceResponse("I0", 0, None, None, "11.2", "11.2", element("GBCSPayload", "***")))


@pytest.mark.parametrize("form", ["octets", "hexadecimal", "base64", "wrapped"])
def test_inspection_takes_any_form(form: str, version_answer: GbcsMessage, keys: KeyStore) -> None:
    octets = version_answer.encode()
    texts = {
        "octets": octets,
        "hexadecimal": octets.hex().encode() + b"\n",
        "base64": base64.b64encode(octets),
        "wrapped": base64.encodebytes(octets),
    }
    found = inspect(texts[form], keys)
    assert found.in_order
    assert found.report["use_case"] == "ECS52"
    assert found.report["result"]["firmware_version"] == "00010100"


def test_inspection_refuses_what_is_no_message() -> None:
    with pytest.raises(Malformed, match="this is no message"):
        read_octets(b"hello, world")


def test_inspection_goes_into_the_payload_of_a_push(activation_answer: GbcsMessage, keys: KeyStore, world_keys: KeyStore) -> None:
    encoded = base64.b64encode(activation_answer.encode()).decode()
    push = ServiceResponse("I0", 0, f"{_eui(USER)}:{_eui(ESME)}:2", None, "11.3", "11.3", element("GBCSPayload", encoded))
    found = inspect(signed_by(world_keys, push), keys)
    assert {check["what"]: check["verdict"] for check in found.checks} == {
        "schema": "valid",
        "XML signature": "valid",
        "GBCS signature": "valid",
        "GBCS MAC": "absent",
    }
    assert found.report["signed_by"]["eui"] == "90-B3-D5-1F-30-00-00-02"
    assert found.report["gbcs"]["result"]["firmware_version"] == "00010100"


def test_inspection_names_what_was_altered(activation_answer: GbcsMessage, keys: KeyStore, world_keys: KeyStore) -> None:
    push = ServiceResponse("I0", 0, None, None, "11.3", "11.3")
    altered = signed_by(world_keys, push).replace(b">I0<", b">I99<")
    found = inspect(altered, keys)
    assert not found.in_order
    assert "changed after it was signed" in next(c["reason"] for c in found.checks if c["verdict"] == "invalid")


def _eui(eui: Eui64) -> str:
    return "-".join(f"{octet:02X}" for octet in eui.to_bytes(8, "big"))


def test_public_certificates_alone_are_enough_for_signatures(activation_answer: GbcsMessage, keys: KeyStore) -> None:
    (record,) = keys.records(ESME, Usage.DIGITAL_SIGNATURE)
    assert isinstance(record, CertificateRecord)
    assert record.private_key is None
    store = KeyStore()
    store.add(record)
    assert decode_payload(activation_answer.encode(), store).signature is Verdict.VALID
