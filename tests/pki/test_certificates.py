"""Reading certificates: what is accepted, what is refused, and that nothing else happens."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.pki.certificates import (
    CertificateRecord,
    Usage,
    read_certificate,
    read_pem_certificate,
    read_private_key,
)
from emulator.pki.smki import TestSmki
from tests.pki.parties import ESME, SUPPLIER, everything

EUI_BITS = b"\0" + SUPPLIER.to_bytes(8, "big")
P256_KEY = ec.derive_private_key(7, ec.SECP256R1())


def usage_bits(*, signature: bool = False, agreement: bool = False, cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(signature, False, False, False, agreement, cert_sign, False, False, False)


def certificate(
    *,
    unit: str | None = "02",
    identifier: bytes | None = EUI_BITS,
    usage: x509.KeyUsage | None = None,
    alt_name: bytes | None = None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = P256_KEY,
    digest: hashes.SHA256 | hashes.SHA384 | None = None,
) -> bytes:
    subject: list[x509.NameAttribute[str] | x509.NameAttribute[bytes]] = []
    if unit is not None:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    if identifier is not None:
        subject.append(x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, identifier, _ASN1Type.BitString))
    builder = (
        x509.CertificateBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "T1")]))
        .subject_name(x509.Name(subject))
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if alt_name is not None:
        other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), alt_name)
        builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=True)
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


SIGNS = usage_bits(signature=True)


@pytest.mark.parametrize(
    ("unit", "role"), [("02", 2), ("87", 135), ("89", 137), ("7f", 127), ("7F", 127), ("137", 137), ("127", 127)]
)
def test_role_is_hexadecimal_except_in_the_oldest_certificate(unit: str, role: int) -> None:
    record = read_certificate(certificate(unit=unit, usage=SIGNS))
    assert (record.role, record.eui, record.usage, record.issuer) == (role, SUPPLIER, Usage.DIGITAL_SIGNATURE, "CN=T1")
    assert (record.not_before_ms, record.not_after_ms) == (1_577_836_800_000, 1_893_456_000_000)


BAD: dict[str, Callable[[], bytes]] = {
    "role of one digit": lambda: certificate(unit="2", usage=SIGNS),
    "role of words": lambda: certificate(unit="supplier", usage=SIGNS),
    "role beyond an octet": lambda: certificate(unit="300", usage=SIGNS),
    "no identifier": lambda: certificate(identifier=None, usage=SIGNS),
    "no role": lambda: certificate(unit=None, usage=SIGNS),
    "identifier too short": lambda: certificate(identifier=EUI_BITS[:-1], usage=SIGNS),
    "identifier with unused bits": lambda: certificate(identifier=b"\x01" + EUI_BITS[1:-1] + b"\x00", usage=SIGNS),
    "no usage": lambda: certificate(),
    "two usages": lambda: certificate(usage=usage_bits(signature=True, agreement=True)),
    "an authority": lambda: certificate(usage=usage_bits(cert_sign=True)),
    "signature and authority": lambda: certificate(usage=usage_bits(signature=True, cert_sign=True)),
    "P-384": lambda: certificate(usage=SIGNS, key=ec.derive_private_key(7, ec.SECP384R1())),
    "SHA-384": lambda: certificate(usage=SIGNS, digest=hashes.SHA384()),
    "RSA": lambda: certificate(usage=SIGNS, key=rsa.generate_private_key(65537, 2048)),
    "nobody": lambda: certificate(unit=None, identifier=None, usage=SIGNS),
    "device serial too short": lambda: certificate(
        unit=None, identifier=None, usage=SIGNS, alt_name=bytes.fromhex("300b06022a030405deadbeef00")
    ),
    "device name cut off": lambda: certificate(unit=None, identifier=None, usage=SIGNS, alt_name=bytes.fromhex("300106")),
    "empty": lambda: b"",
    "text": lambda: b"certificate",
    "long": lambda: bytes(20_000),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(what: str) -> None:
    with pytest.raises(Malformed):
        read_certificate(BAD[what]())


def test_device_of_another_maker() -> None:
    name = bytes.fromhex("300e06022a03040800db1234567890a0")
    record = read_certificate(certificate(unit=None, identifier=None, usage=usage_bits(agreement=True), alt_name=name))
    assert (record.eui, record.role, record.usage) == (ESME, None, Usage.KEY_AGREEMENT)


def test_signature_algorithm_with_null_parameters_is_named(smki: TestSmki) -> None:
    """Two test certificates of the field are so encoded; the reason must say it."""
    plain, with_null = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300c06082a8648ce3d0403020500")
    der = bytearray(smki.device_certificate(ESME, Usage.KEY_AGREEMENT).der.replace(plain, with_null))
    der[2:4] = (len(der) - 4).to_bytes(2, "big")
    der[6:8] = (int.from_bytes(der[6:8], "big") + 2).to_bytes(2, "big")
    with pytest.raises(Malformed, match="NULL parameters"):
        read_certificate(bytes(der))


@given(st.data())
def test_damage_is_refused_or_read(data: st.DataObject) -> None:
    """Whatever happens to a certificate's octets, it is read or refused as malformed."""
    records = everything(TestSmki(7))[-3:]
    der = bytearray(data.draw(st.sampled_from(records)).der)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Malformed):
        assert isinstance(read_certificate(bytes(der[: data.draw(st.integers(1, len(der)))])), CertificateRecord)


@given(st.binary(max_size=300))
def test_any_octets_are_refused(octets: bytes) -> None:
    for read in (read_certificate, read_pem_certificate, read_private_key):
        with pytest.raises(Malformed):
            read(octets)


def test_keys(smki: TestSmki) -> None:
    key = smki.private_key(ESME, Usage.KEY_AGREEMENT)
    for encoding in (Encoding.PEM, Encoding.DER):
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            assert read_private_key(key.private_bytes(encoding, form, NoEncryption())).public_key() == key.public_key()
    with pytest.raises(Malformed, match="private key"):
        read_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    other = ec.derive_private_key(7, ec.SECP384R1())
    with pytest.raises(Malformed, match="P-256"):
        read_private_key(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(Malformed, match="does not belong"):
        read_certificate(smki.device_certificate(ESME, Usage.DIGITAL_SIGNATURE).der, private_key=key)


def test_pem_with_text_around_it(smki: TestSmki) -> None:
    record = smki.device_certificate(ESME, Usage.DIGITAL_SIGNATURE)
    assert read_pem_certificate(b"Subject: ESME\r\n" + record.pem.replace("\n", "\r\n").encode() + b"\r\n") == record.der
    with pytest.raises(Malformed, match="base64"):
        read_pem_certificate(b"-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----")


def test_records_do_not_show_keys(smki: TestSmki) -> None:
    assert "private" not in repr(smki.device_certificate(ESME, Usage.DIGITAL_SIGNATURE))
