"""How a client trusts a server that speaks TLS, and what it shows of itself."""

import ssl
from pathlib import Path

from emulator.domain.errors import Malformed


def client_tls(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext | None:
    """For the argument ``tls`` of the clients; None where nothing is given, which trusts what the system trusts.

    ``ca`` are the authorities of the server in PEM; ``certificate`` and ``key`` (which may be in the same file) are shown to a
    server that asks for them. TLS 1.2 or newer. Raises :class:`Malformed` for files that cannot be used.
    """
    if ca is None and certificate is None:
        if key is not None:
            raise Malformed("a key without a certificate", expected="both")
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError, ValueError) as error:
        named = ", ".join(str(path) for path in (ca, certificate, key) if path is not None)
        raise Malformed(f"certificates cannot be used: {error}", where=named, expected="PEM files") from None
    return context


def endpoint_tls(certificate: Path, key: Path | None = None, client_ca: Path | None = None) -> ssl.SSLContext:
    """For the argument ``tls`` of a receiver; with ``client_ca`` it takes pushes of senders with its certificates alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Malformed(f"certificates cannot be used: {error}", where=str(certificate), expected="PEM files") from None
    return context
