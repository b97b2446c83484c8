"""Organisation and device certificates of the SMKI, read from and described as :class:`CertificateRecord`.

Profiles as measured on the DCC's test certificates (wire_contract.md sections 4 and 5, duis.md sections 2.2 and 8, certain): an
organisation is named in the subject by a Remote Party Role (OU) and its EUI-64 (uniqueIdentifier), a device in the
subjectAltName by a hardwareModuleName; every key is P-256 and serves one purpose, named by a single keyUsage bit.
"""

import base64
import re
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key
from cryptography.x509.oid import ExtensionOID, NameOID, ObjectIdentifier, SignatureAlgorithmOID

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.duis.signature import normalise_issuer

HARDWARE_MODULE_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.4")
"""The otherName that carries a device's EUI (wire_contract.md section 5, certain)."""

MAX_CERTIFICATE_BYTES = 16_384
"""Of one certificate or key, PEM or DER. Those of the SMKI have about 400 octets (measured); the margin is ours."""

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)

_ECDSA_WITH_NULL = bytes.fromhex("300c06082a8648ce3d0403020500")
"""ecdsa-with-SHA256 with explicit NULL parameters: not DER that the cryptography library reads; two test certificates have it
(perf.md section 1, measured)."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for octets that are not such a certificate or key."""


class Usage(StrEnum):
    """What a certificate's key is for, in the words of the SMKI repository (duis.md section 8, certain)."""

    DIGITAL_SIGNATURE = "DS"
    KEY_AGREEMENT = "KA"


class CertificateStatus(StrEnum):
    """Status of a certificate in the SMKI repository (duis.md section 8, certain)."""

    PENDING = "P"
    IN_USE = "I"
    NOT_IN_USE = "N"
    EXPIRED = "E"
    REVOKED = "R"


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """One certificate, what it says, and the private key where it is known.

    Records compare by the certificate and what is said about it; the key objects follow from it and are left out.
    """

    eui: Eui64
    usage: Usage
    role: int | None
    """Remote Party Role; None for a device."""
    name: str
    """Entry name in a key store, on which the DCC's clients select; empty for none."""
    prepayment: bool
    """A key agreement key for top-up tokens."""
    serial: int
    issuer: str
    """RFC 2253 text, such as ``CN=Z1,OU=07``."""
    der: bytes = field(repr=False)
    not_before_ms: int
    not_after_ms: int
    public_key: ec.EllipticCurvePublicKey = field(compare=False, repr=False)
    private_key: ec.EllipticCurvePrivateKey | None = field(default=None, compare=False, repr=False)
    status: CertificateStatus = CertificateStatus.IN_USE

    @property
    def key(self) -> tuple[str, int]:
        """Issuer and serial: the identity of a certificate."""
        return self.issuer, self.serial

    @property
    def certificate(self) -> x509.Certificate:
        """The parsed certificate, made anew on each call."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()


def read_certificate(
    der: bytes,
    *,
    name: str = "",
    prepayment: bool = False,
    private_key: ec.EllipticCurvePrivateKey | None = None,
    status: CertificateStatus = CertificateStatus.IN_USE,
) -> CertificateRecord:
    """Read a DER certificate; raise :class:`Malformed` when it is not an organisation or device certificate of the SMKI profile.

    ``private_key`` must belong to the certificate.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Malformed(f"a certificate of {len(der)} octets", expected=f"at most {MAX_CERTIFICATE_BYTES}")
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = _public_key(certificate)
        usage = usage_of(certificate.extensions)
        eui, role = _holder(certificate)
        record = CertificateRecord(
            eui=eui,
            usage=usage,
            role=role,
            name=name,
            prepayment=prepayment,
            serial=certificate.serial_number,
            issuer=normalise_issuer(certificate.issuer.rfc4514_string()),
            der=der,
            not_before_ms=round(certificate.not_valid_before_utc.timestamp() * 1000),
            not_after_ms=round(certificate.not_valid_after_utc.timestamp() * 1000),
            public_key=public_key,
            private_key=private_key,
            status=status,
        )
    except Malformed:
        raise
    except UNREADABLE as error:
        why = "its signature algorithm has NULL parameters" if _ECDSA_WITH_NULL in der else _brief(error)
        raise Malformed(f"not a readable certificate: {why}", expected="an X.509 certificate") from None
    if private_key is not None and private_key.public_key() != public_key:
        raise Malformed("the private key does not belong to the certificate", expected="a matching pair")
    return record


def read_pem_certificate(pem: bytes) -> bytes:
    """The DER octets of the first certificate in PEM text; raise :class:`Malformed` when there is none."""
    if len(pem) > MAX_CERTIFICATE_BYTES:
        raise Malformed(f"a PEM file of {len(pem)} octets", expected=f"at most {MAX_CERTIFICATE_BYTES}")
    found = _PEM.search(pem)
    if found is None:
        raise Malformed("no certificate in it", expected="BEGIN CERTIFICATE … END CERTIFICATE")
    try:
        return base64.b64decode(b"".join(found[1].split()), validate=True)
    except ValueError:
        raise Malformed("the text between BEGIN and END CERTIFICATE is not base64", expected="PEM") from None


def read_private_key(data: bytes) -> ec.EllipticCurvePrivateKey:
    """Read an unencrypted P-256 private key, PEM or DER; raise :class:`Malformed` for anything else."""
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise Malformed(f"a key file of {len(data)} octets", expected=f"at most {MAX_CERTIFICATE_BYTES}")
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, None)
    except UNREADABLE as error:
        raise Malformed(f"not a readable private key: {_brief(error)}", expected="an unencrypted PKCS#8 key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed("not an elliptic curve key on P-256", expected="a P-256 key")
    return key


def _public_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise Malformed("the certificate is not signed with ECDSA and SHA-256", expected="ecdsa-with-SHA256")
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed("the certificate's key is not on P-256", expected="an elliptic curve key on P-256")
    return key


def usage_of(extensions: x509.Extensions) -> Usage:
    """The one purpose that keyUsage names; raise :class:`Malformed` for none or several."""
    for extension in extensions:
        if isinstance(extension.value, x509.KeyUsage):
            bits = extension.value
            others = (bits.content_commitment, bits.key_encipherment, bits.data_encipherment, bits.key_cert_sign, bits.crl_sign)
            if not any(others) and bits.digital_signature != bits.key_agreement:
                return Usage.DIGITAL_SIGNATURE if bits.digital_signature else Usage.KEY_AGREEMENT
    raise Malformed("the certificate has no keyUsage of one purpose", expected="digitalSignature or keyAgreement alone")


def _holder(certificate: x509.Certificate) -> tuple[Eui64, int | None]:
    """The EUI of the holder and, for an organisation, its Remote Party Role."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    identifiers = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
    if not units and not identifiers:
        return device_eui(certificate.extensions), None
    if len(units) != 1 or len(identifiers) != 1:
        raise Malformed("the subject does not name one organisation", expected="one OU and one uniqueIdentifier")
    identifier = identifiers[0].value
    if not isinstance(identifier, bytes) or len(identifier) != 9 or identifier[0] != 0:
        raise Malformed("the uniqueIdentifier is not an EUI-64", expected="a BIT STRING of 64 bits")
    return Eui64(int.from_bytes(identifier[1:], "big")), _role(str(units[0].value))


def _role(unit: str) -> int:
    """Two hexadecimal digits; one older DSP certificate has three decimal ones (duis.md section 2.2, measured)."""
    if re.fullmatch(r"[0-9A-Fa-f]{2}", unit):
        return int(unit, 16)
    if re.fullmatch(r"[0-9]{3}", unit) and int(unit) <= 255:
        return int(unit)
    raise Malformed(f"the subject's OU {unit[:20]!r} is not a Remote Party Role", expected="two hexadecimal digits")


def device_eui(extensions: x509.Extensions) -> Eui64:
    """The EUI in the hardwareModuleName; raise :class:`Malformed` when there is none."""
    for extension in extensions:
        if extension.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME and isinstance(extension.value, x509.SubjectAlternativeName):
            for name in extension.value:
                if isinstance(name, x509.OtherName) and name.type_id == HARDWARE_MODULE_NAME:
                    return _hardware_serial(name.value)
    raise Malformed("the certificate names neither an organisation nor a device", expected="a subject or a hardwareModuleName")


def _hardware_serial(value: bytes) -> Eui64:
    """HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING } (RFC 4108)."""
    type_end = 4 + value[3] if len(value) > 4 else 0
    well_formed = value[:1] == b"\x30" and value[1] == len(value) - 2 < 0x80 and value[2] == 0x06
    if not (type_end and well_formed and value[type_end : type_end + 2] == b"\x04\x08" and len(value) == type_end + 10):
        raise Malformed("the hardwareModuleName does not carry an EUI-64", expected="a serial number of 8 octets")
    return Eui64(int.from_bytes(value[type_end + 2 :], "big"))


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
