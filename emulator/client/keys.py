"""A user's key store: what it signs with, and whom it trusts."""

import ssl
from pathlib import Path

from emulator.client.smki import SmkiClient
from emulator.pki.formats import read_crypto_zip, read_key_store
from emulator.pki.keystore import KeyStore
from emulator.pki.reports import ImportReport


def load_key_store(path: Path) -> KeyStore:
    """Read a ``keystore.json``, an ``org-crypto.zip`` or a folder of PEM; entries that cannot be read are left out.

    Raises :class:`~emulator.domain.errors.Malformed` when it is none of these.
    """
    return key_store_of(read_key_store(path))


async def fetch_key_store(smki_url: str, tls: ssl.SSLContext | None = None) -> KeyStore:
    """The organisations' test keys as an emulator's SMKI service hands them out."""
    async with SmkiClient(smki_url, KeyStore(), tls=tls) as client:
        return key_store_of(read_crypto_zip(await client.organisations_zip()))


def key_store_of(report: ImportReport) -> KeyStore:
    """A key store with everything that was read."""
    store = KeyStore()
    for record in report.records:
        store.add(record)
    return store
