"""Whether a certificate leads to an authority that a device trusts.

The authorities come with the message that brings the certificate (the certification path of CS02b). Trusted are the root, and an
authority that issued a certificate which the device holds already: the root of an imported key store is not known here, and who
issued what is held belongs to the same infrastructure (our decision).
"""

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from emulator.pki.certificates import MAX_CERTIFICATE_BYTES, UNREADABLE

MAX_PATH = 3
"""Certificates of a path (DUIS schema: one to three, certain)."""


def path_is_trusted(certificate: bytes, path: Sequence[bytes], root: bytes | None, held: Iterable[bytes]) -> bool:
    """Whether ``certificate`` leads by way of authorities in ``path`` to the ``root`` or to one that issued something ``held``.

    All are DER; what cannot be read leads nowhere. Validity periods are not looked at.
    """
    current = _load(certificate)
    authorities = [each for each in map(_load, path[:MAX_PATH]) if each is not None and _is_authority(each)]
    anchor = None if root is None else _load(root)
    passed: list[x509.Certificate] = []
    while current is not None:
        if anchor is not None and _issued(current, anchor):
            return True
        issuer = next((each for each in authorities if each not in passed and _issued(current, each)), None)
        if issuer is not None:
            passed.append(issuer)
        current = issuer
    known = [each for each in map(_load, held) if each is not None]
    return any(_issued(each, authority) for authority in passed for each in known)


def _load(der: bytes) -> x509.Certificate | None:
    if len(der) > MAX_CERTIFICATE_BYTES:
        return None
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether keyUsage lets it sign certificates; some authorities of the test data have no basicConstraints."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    except (*UNREADABLE, x509.ExtensionNotFound):
        return False
    return usage.value.key_cert_sign


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    if certificate.issuer != authority.subject:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
