"""A test DCCKI: the authority whose certificates the two ends of a TLS connection to the DCC show each other.

Production uses mutually authenticated TLS with DCCKI certificates (duis.md section 1.2, domain knowledge, high); their profile is
not public, so these are plain X.509 certificates on P-256 for use with TLS and nothing else. Everything follows from a secret,
which may be random octets, so that nobody else has the keys, or those of a seed, so that the same seed gives the same octets.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emulator.domain.errors import Malformed
from emulator.pki.certificates import read_pem_certificate, read_private_key
from emulator.pki.smki import P256_ORDER, key_usage

AUTHORITY_DAYS = 3_650
ISSUED_DAYS = 365
"""How long certificates are valid (our choice)."""

MAX_NAME = 64
"""Longest common name (RFC 5280, upper bound of a common name)."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""Names of a server that listens where it does by default."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key, in PEM."""

    certificate: bytes
    private_key: bytes


@dataclass(frozen=True)
class Dccki:
    """One authority."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, secret: bytes, now_ms: int) -> "Dccki":
        """A new authority, valid from the day before ``now_ms`` (milliseconds of UTC)."""
        key = _key(secret, "authority")
        name = _name("Test DCCKI authority")
        builder = _builder(name, name, key.public_key(), _serial(secret, "authority"), now_ms, AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(key_usage("keyCertSign"), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True), key)

    @classmethod
    def read(cls, certificate: bytes, private_key: bytes) -> "Dccki":
        """An authority from its PEM; raise :class:`Malformed` where certificate and key are none or do not belong together."""
        found = x509.load_der_x509_certificate(read_pem_certificate(certificate))
        key = read_private_key(private_key)
        if found.public_key() != key.public_key():
            raise Malformed("certificate and private key do not belong together", expected="those of one authority")
        return cls(found, key)

    @cached_property
    def pem(self) -> bytes:
        """The certificate, for those who trust this authority."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def private_key_pem(self) -> bytes:
        """The key, for the authority alone."""
        return _key_pem(self.private_key)

    def issue_server(self, secret: bytes, names: Sequence[str], now_ms: int, days: int = ISSUED_DAYS) -> Issued:
        """For a server that is reached by these host names and addresses, the first of which it is called."""
        if not names:
            raise Malformed("a server has a name", expected="a host name or address")
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(secret, names[0], ExtendedKeyUsageOID.SERVER_AUTH, now_ms, days, alternatives)

    def issue_client(self, secret: bytes, name: str, now_ms: int, days: int = ISSUED_DAYS) -> Issued:
        """For a client of this name; a server of the same authority lets it in."""
        return self._issue(secret, name, ExtendedKeyUsageOID.CLIENT_AUTH, now_ms, days, None)

    def _issue(
        self,
        secret: bytes,
        name: str,
        purpose: x509.ObjectIdentifier,
        now_ms: int,
        days: int,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> Issued:
        place = f"{purpose.dotted_string}/{name}/{now_ms // 1000}/{days}"
        key = _key(secret, place)
        builder = _builder(_name(name), self.certificate.subject, key.public_key(), _serial(secret, place), now_ms, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(key_usage("digitalSignature"), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private_key.public_key())
        builder = builder.add_extension(authority, critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self.private_key, hashes.SHA256(), ecdsa_deterministic=True)
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def secret_of_seed(seed: int) -> bytes:
    """The secret of a world's seed: repeatable, and known to whoever knows the seed."""
    return hashlib.sha256(f"emulator test DCCKI/{seed}".encode()).digest()


def _derived(secret: bytes, purpose: str) -> int:
    return int.from_bytes(hmac.digest(secret, purpose.encode(), "sha512"), "big")


def _key(secret: bytes, place: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(_derived(secret, f"key/{place}") % (P256_ORDER - 1) + 1, ec.SECP256R1())


def _serial(secret: bytes, place: str) -> int:
    """Positive and of at most 20 octets (RFC 5280, 4.1.2.2)."""
    return _derived(secret, f"serial/{place}") % 2**158 + 1


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, serial: int, now_ms: int, days: int
) -> x509.CertificateBuilder:
    """Valid from a day before, so that clocks may differ; ``days`` of zero or less make one that has expired."""
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    start = now + timedelta(days=min(days, 0) - 1)
    return x509.CertificateBuilder(issuer, subject, public_key, serial, start, now + timedelta(days=days))


def _name(text: str) -> x509.Name:
    if not 0 < len(text) <= MAX_NAME or not text.isprintable():
        raise Malformed(f"{text[:80]!r} cannot be the name of a certificate", expected=f"1 to {MAX_NAME} printable characters")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        return x509.DNSName(text)
    except ValueError:
        raise Malformed(f"{text[:80]!r} is not a host name", expected="ASCII letters, digits, hyphens and points") from None


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
