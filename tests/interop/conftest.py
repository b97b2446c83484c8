"""The DCC's own clients as a fixture, and a server that knows the DCC's own test keys."""

from collections.abc import AsyncIterator

import pytest

from emulator.client.keys import load_key_store
from emulator.client.official import OfficialTools, Unavailable
from emulator.pki.keystore import KeyStore
from emulator.service.config import Logging, load_settings
from emulator.service.logs import configure_logs
from emulator.service.server import Server, running_server
from emulator.testing.harness import FOR_TESTS
from tests.conftest import absent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here runs the DCC's own tools."""
    for item in items:
        if item.path.parent.name == "interop":
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def interop() -> OfficialTools:
    """The DCC's own tools, installed on demand by exact version into a folder that is not versioned.

    Where that cannot be, the test is skipped, or fails when ``DCC_REQUIRE`` names ``interop``.
    """
    try:
        return OfficialTools.open(install=True)
    except Unavailable as missing:
        absent("interop", f"the DCC's own tools are not available: {missing}")
        raise


@pytest.fixture(scope="session")
def official_keys(interop: OfficialTools) -> KeyStore:
    """The DCC's test parties with their private keys; read where the package has them, never copied."""
    return load_key_store(interop.keystore_json)


@pytest.fixture
async def server(interop: OfficialTools) -> AsyncIterator[Server]:
    """A server of the default world that took the DCC's test keys over."""
    configure_logs(Logging(level="error", format="json"))
    async with running_server(load_settings(env={}, flags={**FOR_TESTS, "keys.import_from": interop.keystore_json})) as running:
        yield running
