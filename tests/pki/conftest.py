"""A small test SMKI and key store."""

import pytest

from emulator.pki.keystore import KeyStore, seeded_key_store
from emulator.pki.smki import TestSmki
from tests.pki.parties import organisation_certificates


@pytest.fixture(scope="session")
def smki() -> TestSmki:
    return TestSmki(7)


@pytest.fixture
def store(smki: TestSmki) -> KeyStore:
    return seeded_key_store(smki, organisation_certificates(smki))
