"""The keys of the default world, and where emulators come from."""

from collections.abc import Iterator

import pytest

from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.pki.keystore import KeyStore
from emulator.world import key_store
from tests.durability.processes import Nursery


@pytest.fixture(scope="session")
def world_keys() -> KeyStore:
    """Everything the default world knows; servers make the same keys from the same seed."""
    return key_store(load_estate(default_estate_toml()))


@pytest.fixture(scope="session")
def forks() -> Iterator[Nursery]:
    """One for all tests of a process."""
    found = Nursery()
    yield found
    found.close()
