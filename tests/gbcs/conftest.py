"""The published test messages, where the reference folder is present."""

from pathlib import Path

import pytest

from tests.gbcs.vectors import Pack


@pytest.fixture(scope="session")
def pack(reference: Path) -> Pack:
    """The published messages."""
    return Pack(reference)
