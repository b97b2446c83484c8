"""A test SMKI in which everything follows from a seed.

Private keys are functions of (seed, EUI, usage, generation, purpose), serial numbers a keyed permutation of what they number,
signatures are deterministic (RFC 6979) and validity counts from a fixed epoch, so the same seed gives the same octets on any
machine, nothing has to be stored, and a device's certificate is made when somebody first asks for it.

Whoever knows the seed knows every key: for testing only.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from string import ascii_lowercase

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# The string type of a name attribute has no public name; the SMKI uses BIT STRING and PrintableString (measured).
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, eui_bytes
from emulator.pki.certificates import HARDWARE_MODULE_NAME, CertificateRecord, Usage, read_certificate
from emulator.pki.profiles import Profile, ProfileName, profile

DEFAULT_EPOCH_MS = 1_514_764_800_000
"""2018-01-01T00:00:00Z, from which the DCC's own XML signing test certificates are valid (duis.md section 2.2, measured)."""

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Number of points of the curve P-256 (SEC 2)."""

DEVICES_REMEMBERED = 65_536
"""Device certificates kept in memory, about 1.5 kB each; older ones are made again (our choice)."""

MADE_BY_DEVICES = 0x8000
"""Generations from here on number certificates of keys that devices made."""

_NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

_PROFILES = tuple(ProfileName)
_DEVICE_PROFILE = {Usage.DIGITAL_SIGNATURE: ProfileName.DEVICE_DS, Usage.KEY_AGREEMENT: ProfileName.DEVICE_KA}
_USAGE = {"digitalSignature": Usage.DIGITAL_SIGNATURE, "keyAgreement": Usage.KEY_AGREEMENT}
_PURPOSE = {
    ProfileName.ORGANISATION_PP_KA: "prepayment",
    ProfileName.ORGANISATION_XML_SIGN: "xml-sign",
    ProfileName.DSP_XML_SIGN: "dsp-xml-sign",
}
"""What sets the keys of one EUI and usage apart."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A party that gets organisation certificates."""

    eui: Eui64
    role: int
    """Remote Party Role of its GBCS certificates."""
    name: str
    """Such as ``supplier``; part of its entry names, so without a hyphen."""
    xml_signing: bool = False
    """A DUIS user with a certificate of its own for signing requests."""
    prepayment: bool = False
    """A supplier with a key agreement key for top-up tokens."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The root or an issuing authority."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @property
    def name(self) -> str:
        """RFC 2253 text, as in the issuer of what it signs."""
        return self.certificate.subject.rfc4514_string()

    @property
    def key_identifier(self) -> bytes:
        """The 8 octets of its SubjectKeyIdentifier."""
        return key_identifier(self.private_key.public_key())


class SerialNumbers:
    """Serial numbers of 16 octets, as the SMKI has them, that only the holder of the seed can read.

    A number is the encryption of what it stands for, so a certificate can be found by its number without any index.
    """

    __slots__ = ("_cipher",)

    _LOWEST, _BEYOND = 1 << 124, 1 << 127
    """Positive as a DER INTEGER, 16 octets long, 32 hexadecimal digits without a leading zero."""

    def __init__(self, seed: int) -> None:
        key = hashlib.sha256(f"emulator test SMKI serial/{seed}".encode()).digest()[:16]
        # One block under ECB is a permutation of 128-bit numbers; nothing is kept secret with it.
        self._cipher = Cipher(AES(key), ECB())  # noqa: S305 (permutes single numbers; hides nothing)

    def number(self, eui: int, kind: ProfileName, generation: int) -> int:
        """The serial number of the certificate of this kind and generation (0 … 65,535) for this EUI."""
        if not 0 <= generation <= 0xFFFF:
            raise Broken(f"generation {generation} of a certificate")
        value = 1 << 124 | _PROFILES.index(kind) << 80 | generation << 64 | eui
        return self._walk(value, self._cipher.encryptor().update)

    def find(self, serial: int) -> tuple[Eui64, ProfileName, int] | None:
        """What a serial number stands for; None for a number that is not ours."""
        if not self._LOWEST <= serial < self._BEYOND:
            return None
        value = self._walk(serial, self._cipher.decryptor().update)
        kind = value >> 80 & (1 << 44) - 1
        if value >> 124 != 1 or kind >= len(_PROFILES):
            return None
        return Eui64(value & (1 << 64) - 1), _PROFILES[kind], value >> 64 & 0xFFFF

    def _walk(self, value: int, permute: Callable[[bytes], bytes]) -> int:
        """Apply the permutation until the result is a valid serial number again, which makes it a permutation of those."""
        while True:
            value = int.from_bytes(permute(value.to_bytes(16, "big")), "big")
            if self._LOWEST <= value < self._BEYOND:
                return value


class TestSmki:
    """The authorities, keys and certificates of one world."""

    __test__ = False  # not a test case, whatever its name makes pytest think

    def __init__(self, seed: int, epoch_ms: int = DEFAULT_EPOCH_MS) -> None:
        """``epoch_ms`` (milliseconds of UTC, whole seconds count) is from when certificates are valid."""
        self.seed = seed
        self.epoch_ms = epoch_ms
        self.serials = SerialNumbers(seed)
        self._device = lru_cache(DEVICES_REMEMBERED)(self._make_device)

    def private_key(self, eui: int, usage: Usage, generation: int = 0, purpose: str = "") -> ec.EllipticCurvePrivateKey:
        """The P-256 key of an EUI; ``purpose`` sets apart further keys of the same usage (``prepayment``, ``xml-sign`` …)."""
        text = f"emulator test SMKI key/{self.seed}/{eui:016x}/{usage}/{generation}/{purpose}"
        # 512 bits reduced to 256 leave a bias below 2**-255 (FIPS 186-5, A.2.1).
        scalar = int.from_bytes(hashlib.sha512(text.encode()).digest(), "big") % (P256_ORDER - 1) + 1
        return ec.derive_private_key(scalar, ec.SECP256R1())

    @cached_property
    def root(self) -> Authority:
        """The trust anchor."""
        return self._authority(ProfileName.ROOT)

    @cached_property
    def organisation_authority(self) -> Authority:
        """Issuer of organisation certificates, ``CN=Z1,OU=07``."""
        return self._authority(ProfileName.ORGANISATION_AUTHORITY)

    @cached_property
    def device_authority(self) -> Authority:
        """Issuer of device certificates."""
        return self._authority(ProfileName.DEVICE_AUTHORITY)

    def organisation_certificates(self, organisation: Organisation, generation: int = 0) -> tuple[CertificateRecord, ...]:
        """All certificates of a party, in the order of the profiles, with their private keys.

        Generations 0 … 25 bear the names ``Z1``, ``Z1b`` … ``Z1z``; the DCC's clients use the first only.
        """
        wanted = {
            ProfileName.ORGANISATION_DS: True,
            ProfileName.ORGANISATION_KA: True,
            ProfileName.ORGANISATION_PP_KA: organisation.prepayment,
            ProfileName.ORGANISATION_XML_SIGN: organisation.xml_signing,
            ProfileName.DSP_XML_SIGN: True,
        }
        return tuple(
            self._organisation_certificate(organisation, profile(name), generation)
            for name, wants in wanted.items()
            if wants and organisation.role in profile(name).holders
        )

    def device_certificate(self, eui: Eui64, usage: Usage, generation: int = 0) -> CertificateRecord:
        """The certificate of a device, with its private key."""
        return self._device(eui, usage, generation)

    def device_of(self, serial: int) -> CertificateRecord | None:
        """The device certificate with this serial number; None when the number is not one of ours or not a device's.

        Every EUI has a number, so the caller asks whether there is such a device.
        """
        found = self.serials.find(serial)
        if found is None or found[1] not in _DEVICE_PROFILE.values():
            return None
        eui, kind, generation = found
        if generation >= MADE_BY_DEVICES:
            return None  # its key does not follow from the seed and the generation
        return self.device_certificate(eui, _USAGE[profile(kind).key_usage], generation)

    def issued(self, record: CertificateRecord) -> bool:
        """Whether one of our issuing authorities signed the certificate, so that its chain ends at our root."""
        for authority in (self.organisation_authority, self.device_authority):
            if authority.name == record.issuer:
                try:
                    record.certificate.verify_directly_issued_by(authority.certificate)
                except (InvalidSignature, ValueError, TypeError):
                    return False
                return True
        return False

    def _authority(self, name: ProfileName) -> Authority:
        chosen = profile(name)
        private_key = self.private_key(0, Usage.DIGITAL_SIGNATURE, purpose=name)
        own = _authority_name(chosen)
        issuer = None if name == ProfileName.ROOT else self.root
        certificate = self._sign(
            chosen,
            subject=own,
            public_key=private_key.public_key(),
            serial=self.serials.number(0, name, 0),
            issuer_name=_authority_name(profile(chosen.issuer)),
            issuer_key=private_key if issuer is None else issuer.private_key,
        )
        return Authority(certificate, private_key)

    def _organisation_certificate(self, party: Organisation, chosen: Profile, generation: int) -> CertificateRecord:
        usage = _USAGE[chosen.key_usage]
        private_key = self.private_key(party.eui, usage, generation, _PURPOSE.get(chosen.name, ""))
        role = party.role if chosen.role < 0 else chosen.role
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
                x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\0" + eui_bytes(party.eui), _ASN1Type.BitString),
            ]
        )
        authority = self.organisation_authority
        certificate = self._sign(
            chosen,
            subject=subject,
            public_key=private_key.public_key(),
            serial=self.serials.number(party.eui, chosen.name, generation),
            issuer_name=authority.certificate.subject,
            issuer_key=authority.private_key,
        )
        prefix = "Z1" + ("" if generation == 0 else ascii_lowercase[generation])
        return read_certificate(
            certificate.public_bytes(Encoding.DER),
            name=chosen.entry_name.format(prefix=prefix, name=party.name, eui=f"{party.eui:016X}"),
            prepayment=chosen.name == ProfileName.ORGANISATION_PP_KA,
            private_key=private_key,
        )

    def issue_to_device(self, eui: Eui64, usage: Usage, public_key: ec.EllipticCurvePublicKey, number: int) -> CertificateRecord:
        """A certificate for a key that a device made itself; ``number`` (below 32,768) tells it from the others of the device."""
        return self._issue_to_device(eui, usage, public_key, MADE_BY_DEVICES + number)

    def _issue_to_device(
        self, eui: Eui64, usage: Usage, public_key: ec.EllipticCurvePublicKey, generation: int
    ) -> CertificateRecord:
        chosen = profile(_DEVICE_PROFILE[usage])
        authority = self.device_authority
        certificate = self._sign(
            chosen,
            subject=x509.Name([]),
            public_key=public_key,
            serial=self.serials.number(eui, chosen.name, generation),
            issuer_name=authority.certificate.subject,
            issuer_key=authority.private_key,
            device=eui,
        )
        return read_certificate(certificate.public_bytes(Encoding.DER))

    def _make_device(self, eui: Eui64, usage: Usage, generation: int) -> CertificateRecord:
        private_key = self.private_key(eui, usage, generation)
        issued = self._issue_to_device(eui, usage, private_key.public_key(), generation)
        return replace(issued, private_key=private_key)

    def _sign(
        self,
        chosen: Profile,
        *,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        serial: int,
        issuer_name: x509.Name,
        issuer_key: ec.EllipticCurvePrivateKey,
        device: Eui64 | None = None,
    ) -> x509.Certificate:
        start = datetime.fromtimestamp(self.epoch_ms // 1000, UTC)
        end = start + timedelta(days=chosen.validity_days) if chosen.validity_days else _NO_EXPIRY
        builder = x509.CertificateBuilder(
            issuer_name=issuer_name,
            subject_name=subject,
            public_key=public_key,
            serial_number=serial,
            not_valid_before=start,
            not_valid_after=end,
        )
        extensions: dict[str, Callable[[], x509.ExtensionType]] = {
            "basicConstraints": lambda: x509.BasicConstraints(ca=True, path_length=None),
            "keyUsage": lambda: key_usage(chosen.key_usage),
            "subjectKeyIdentifier": lambda: x509.SubjectKeyIdentifier(key_identifier(public_key)),
            "subjectAltName": lambda: hardware_module_name(chosen.hardware_type, device or 0),
            "certificatePolicies": lambda: x509.CertificatePolicies(
                [x509.PolicyInformation(ObjectIdentifier(chosen.policy), None)]
            ),
            "authorityKeyIdentifier": lambda: x509.AuthorityKeyIdentifier(key_identifier(issuer_key.public_key()), None, None),
        }
        for name, critical in chosen.extensions:
            builder = builder.add_extension(extensions[name](), critical)
        return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


def key_identifier(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Eight octets: 0100 and the last 60 bits of the SHA-1 of the point (RFC 5280, 4.2.1.2 (2)).

    All 416 certificates of the GBCS test data have it so (measured).
    """
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    digest = hashlib.sha1(point, usedforsecurity=False).digest()
    return bytes([0x40 | digest[12] & 0x0F]) + digest[13:]


def _authority_name(chosen: Profile) -> x509.Name:
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{max(chosen.role, 0):02X}", _ASN1Type.PrintableString)
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, chosen.common_name, _ASN1Type.PrintableString)
    return x509.Name([unit, common_name] if chosen.role >= 0 else [common_name])


def key_usage(purpose: str) -> x509.KeyUsage:
    """The extension with one bit, by its X.509 name."""
    return x509.KeyUsage(
        digital_signature=purpose == "digitalSignature",
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=purpose == "keyAgreement",
        key_cert_sign=purpose == "keyCertSign",
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def hardware_module_name(hardware_type: str, eui: int) -> x509.SubjectAlternativeName:
    """The name of a device: SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING } (RFC 4108) as an otherName."""
    identifier = _object_identifier(hardware_type)
    content = identifier + b"\x04\x08" + eui_bytes(eui)
    value = b"\x30" + bytes([len(content)]) + content
    return x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, value)])


def _object_identifier(dotted: str) -> bytes:
    """DER of an object identifier of fewer than 128 octets."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(0x80 | arc & 0x7F)
        content += bytes(reversed(octets))
    return bytes([0x06, len(content)]) + bytes(content)
