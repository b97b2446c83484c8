"""The test SMKI: same seed, same octets; certificates as the profiles have them; chains that verify."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.profiles import ProfileName
from emulator.pki.smki import P256_ORDER, SerialNumbers, TestSmki
from tests.pki.parties import ESME, ORGANISATIONS, SUPPLIER, everything

ROOT = Path(__file__).resolve().parents[2]

PINNED = "67366d21a213171987f80dc64f0a4011516a97921fb8464e62a43f86938e32bd"
"""Digest of everything that seed 7 makes for the ten parties and one device, so that no change goes unseen."""

DIGEST = """
import hashlib
from emulator.pki.smki import TestSmki
from tests.pki.parties import everything
print(hashlib.sha256(b"".join(record.der for record in everything(TestSmki(7)))).hexdigest())
"""


def test_same_seed_same_octets() -> None:
    first, second = everything(TestSmki(7)), everything(TestSmki(7))
    assert [record.der for record in first] == [record.der for record in second]
    assert hashlib.sha256(b"".join(record.der for record in first)).hexdigest() == PINNED


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_another_process_makes_the_same_octets(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == PINNED


def test_order_of_asking_does_not_matter() -> None:
    forwards, backwards = TestSmki(3), TestSmki(3)
    euis = [Eui64(ESME + offset) for offset in range(4)]
    one = {eui: forwards.device_certificate(eui, Usage.KEY_AGREEMENT).der for eui in euis}
    other = {eui: backwards.device_certificate(eui, Usage.KEY_AGREEMENT).der for eui in reversed(euis)}
    assert one == other


def test_keys_differ_by_everything_they_depend_on() -> None:
    smki = TestSmki(1)
    keys = {
        smki.private_key(eui, usage, generation, purpose).private_numbers().private_value
        for eui in (1, 2)
        for usage in Usage
        for generation in (0, 1)
        for purpose in ("", "prepayment")
    }
    keys.add(TestSmki(2).private_key(1, Usage.KEY_AGREEMENT).private_numbers().private_value)
    assert len(keys) == 17
    assert all(0 < key < P256_ORDER for key in keys)


def chain_verifies(smki: TestSmki, record: CertificateRecord, at: datetime) -> bool:
    """Ask the path validation of the cryptography library, which knows nothing of ours."""
    anything = ExtensionPolicy.permit_all().may_be_present(x509.CertificatePolicies, Criticality.CRITICAL, None)
    authority = anything.require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    verifier = (
        PolicyBuilder()
        .store(Store([smki.root.certificate]))
        .time(at)
        .extension_policies(ee_policy=anything, ca_policy=authority)
        .build_client_verifier()
    )
    issuing = [smki.organisation_authority.certificate, smki.device_authority.certificate]
    try:
        return len(verifier.verify(record.certificate, issuing).chain) == 3
    except VerificationError:
        return False


def test_chains_verify_to_the_root(smki: TestSmki) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    for record in everything(smki):
        assert chain_verifies(smki, record, now), record
        assert smki.issued(record)
    stranger = TestSmki(8).device_certificate(ESME, Usage.KEY_AGREEMENT)
    assert not smki.issued(stranger)
    assert not chain_verifies(smki, stranger, now)
    assert not chain_verifies(smki, everything(smki)[0], datetime(2017, 12, 31, tzinfo=UTC))


def test_certificates_say_what_their_profiles_do(smki: TestSmki) -> None:
    records = {record.name: record for record in everything(smki)}
    assert {
        "Z1-supplier-ds",
        "Z1-supplier-ka",
        "Z1-supplierPP-ka",
        "xml-sign-90B3D51F30010000-ds",
        "Z1-accessControlBroker-ds",
        "Z1-accessControlBroker-ka",
        "dsp-xml-sign-90B3D51F30000002-ds",
    } <= records.keys()
    assert "Z1-recovery-ka" not in records
    assert "xml-sign-90B3D51F30030000-ds" not in records
    xml = records["xml-sign-90B3D51F30010000-ds"]
    assert (xml.role, xml.issuer, xml.usage, xml.eui) == (135, "CN=Z1,OU=07", Usage.DIGITAL_SIGNATURE, SUPPLIER)
    assert xml.certificate.subject.rfc4514_string() == "2.5.4.45=#0090b3d51f30010000,OU=87"
    assert records["dsp-xml-sign-90B3D51F30000002-ds"].role == 137
    assert records["Z1-supplierPP-ka"].prepayment
    assert not records["Z1-supplier-ka"].prepayment
    assert (xml.not_before_ms, xml.not_after_ms) == (1_514_764_800_000, 4_670_438_400_000)
    assert all(record.serial.bit_length() in range(125, 128) for record in records.values())


def test_device_certificate(smki: TestSmki) -> None:
    record = smki.device_certificate(ESME, Usage.KEY_AGREEMENT)
    assert (record.eui, record.role, record.name) == (ESME, None, "")
    assert len(record.certificate.subject.rdns) == 0
    assert record.not_after_ms == 253_402_300_799_000
    assert record.private_key is not None
    assert record.private_key.public_key() == record.public_key
    names = record.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    (name,) = names.value
    assert isinstance(name, x509.OtherName)
    assert name.value.hex() == "3019060d2a863a0001848fb90f01020201040800db1234567890a0"


def test_generations(smki: TestSmki) -> None:
    old, new = (smki.device_certificate(ESME, Usage.DIGITAL_SIGNATURE, generation) for generation in (0, 1))
    assert old.serial != new.serial
    assert old.public_key != new.public_key
    assert smki.organisation_certificates(ORGANISATIONS[4], 1)[0].name == "Z1b-supplier-ds"


def test_a_device_is_found_by_its_serial_alone() -> None:
    made = TestSmki(7).device_certificate(ESME, Usage.DIGITAL_SIGNATURE, 3)
    assert TestSmki(7).device_of(made.serial) == made
    assert TestSmki(8).device_of(made.serial) is None
    organisation = TestSmki(7).organisation_certificates(ORGANISATIONS[0])[0]
    assert TestSmki(7).device_of(organisation.serial) is None


@given(st.integers(0, 2**64 - 1), st.sampled_from(ProfileName), st.integers(0, 65_535), st.integers(0, 2**64))
def test_serial_numbers_are_a_permutation(eui: int, kind: ProfileName, generation: int, seed: int) -> None:
    serials = SerialNumbers(seed)
    number = serials.number(eui, kind, generation)
    assert len(f"{number:x}") == 32
    assert number < 2**127
    assert serials.find(number) == (eui, kind, generation)


@given(st.integers(-1, 2**160))
def test_foreign_serial_numbers_stand_for_nothing(serial: int) -> None:
    assert SerialNumbers(1).find(serial) is None


def test_a_generation_out_of_range_is_our_bug() -> None:
    with pytest.raises(Broken):
        SerialNumbers(1).number(1, ProfileName.DEVICE_DS, 65_536)


def test_signatures_of_the_authorities_are_valid_ecdsa(smki: TestSmki) -> None:
    root = smki.root.certificate
    root.verify_directly_issued_by(root)
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    assert smki.root.name == "CN=Z0,OU=00"
    assert smki.device_authority.name == "CN=Z1DV"
    assert len(smki.root.key_identifier) == 8
