"""Signing requests of devices, and what is issued for them."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs.message import decode_message
from emulator.gbcs.results import read_result
from emulator.pki.certificates import Usage
from emulator.pki.csr import make_signing_request, read_signing_request
from emulator.pki.smki import TestSmki

SMKI = TestSmki(seed=7)
DEVICE = Eui64(0x00DB1234567890A0)
KEY = SMKI.private_key(DEVICE, Usage.DIGITAL_SIGNATURE, 1, "made by the device")
REQUEST = make_signing_request(DEVICE, Usage.DIGITAL_SIGNATURE, KEY)


@pytest.mark.parametrize("usage", list(Usage))
def test_what_is_made_is_read(usage: Usage) -> None:
    made = make_signing_request(DEVICE, usage, KEY)
    found = read_signing_request(made)
    assert (found.eui, found.usage, found.public_key) == (DEVICE, usage, KEY.public_key())
    assert made == make_signing_request(DEVICE, usage, KEY), "the same key, the same octets"


def test_what_is_issued_is_for_the_key_of_the_request() -> None:
    asked = read_signing_request(REQUEST)
    issued = SMKI.issue_to_device(asked.eui, asked.usage, asked.public_key, 1)
    assert (issued.eui, issued.usage, issued.public_key) == (DEVICE, asked.usage, KEY.public_key())
    assert SMKI.issued(issued)
    assert SMKI.device_of(issued.serial) is None, "it does not follow from its number"
    assert issued.serial not in {SMKI.device_certificate(DEVICE, usage, number).serial for usage in Usage for number in (0, 1)}


def test_the_published_request_is_read(reference: Path) -> None:
    file = reference / "gbcs/rtds/messages/6.17_CS02c/CS02c_6.17_SUCCESS_RESPONSE_GBCS.HEX"
    said = read_result(decode_message(bytes.fromhex(file.read_text())))
    published = bytes.fromhex(str(said["certification_request"]))
    found = read_signing_request(published)
    assert (found.eui, found.usage) == (DEVICE, Usage.DIGITAL_SIGNATURE)
    ours, theirs = x509.load_der_x509_csr(REQUEST), x509.load_der_x509_csr(published)
    assert ours.subject == theirs.subject
    assert [(each.oid, each.critical) for each in ours.extensions] == [(each.oid, each.critical) for each in theirs.extensions]
    assert abs(len(REQUEST) - len(published)) <= 3, "but for the integers of the signature"


def test_a_request_of_an_organisation_or_another_kind_of_key_is_none() -> None:
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name([]))
    plain = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    other = builder.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256()).public_bytes(Encoding.DER)
    rivest = builder.sign(rsa.generate_private_key(65_537, 2_048), hashes.SHA256()).public_bytes(Encoding.DER)
    for request in (plain, other, rivest, b"", b"\x30\x00", bytes(20_000)):
        with pytest.raises(Malformed):
            read_signing_request(request)


@given(st.integers(0, len(REQUEST) - 1), st.integers(1, 255))
def test_a_changed_request_is_refused(place: int, change: int) -> None:
    changed = bytearray(REQUEST)
    changed[place] ^= change
    with pytest.raises(Malformed):
        read_signing_request(bytes(changed))
