"""The DCC's own clients as a fixture. They are installed on demand, by exact version, into a folder that is not versioned."""

import os

import pytest

from emulator.client.official import OfficialTools, Unavailable


@pytest.fixture(scope="session")
def interop() -> OfficialTools:
    """The DCC's own tools; absent ones skip the test, or fail it when ``DCC_REQUIRE`` names ``interop``."""
    try:
        return OfficialTools.open(install=True)
    except Unavailable as missing:
        if "interop" in os.environ.get("DCC_REQUIRE", "").replace(",", " ").split():
            pytest.fail(f"DCC_REQUIRE asks for the official tools: {missing}")
        pytest.skip(f"official tools not available: {missing}")
