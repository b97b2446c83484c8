"""TLS of the listeners and of pushes: 1.2 or newer, with or without certificates of the clients.

Which authority a client's certificate must come from is the whole of the check, with validity and purpose: who may speak for
which user is settled by the signature of each request, as without TLS.
"""

import ssl
from pathlib import Path

from emulator.domain.errors import Malformed
from emulator.service.config import Outbox, Tls

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Suites of TLS 1.2 that are offered (RFC 9325 section 4.2); those of 1.3 are all sound."""


def listener_context(settings: Tls) -> ssl.SSLContext | None:
    """What the listeners speak; None is plain HTTP. Raise :class:`Malformed` for files that cannot be used."""
    if settings.certificate is None:
        if settings.key is not None or settings.client_ca is not None:
            raise Malformed("there is no certificate", where="tls.certificate", expected="a PEM file")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    _load_own(context, settings.certificate, settings.key, "tls.certificate")
    if settings.client_ca is not None:
        _load_authorities(context, settings.client_ca, "tls.client_ca")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def push_context(settings: Outbox) -> ssl.SSLContext | bool:
    """How endpoints at ``https`` are checked, and what they are shown; raise :class:`Malformed` for files that cannot be used."""
    if settings.ca is None and settings.certificate is None:
        return settings.verify_tls
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_authorities(context, settings.ca, "outbox.ca")
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate is not None:
        _load_own(context, settings.certificate, settings.key, "outbox.certificate")
    return context


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path | None, where: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # no prompt: an encrypted key is refused
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Malformed(
            f"certificate or key cannot be used: {error}", where=where, expected="PEM files that belong together"
        ) from None


def _load_authorities(context: ssl.SSLContext, path: Path, where: str) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Malformed(f"no authorities can be read from it: {error}", where=where, expected="a PEM file") from None
