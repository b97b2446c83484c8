"""The pytest plugin: ``pytest_plugins = ["emulator.testing.plugin"]``."""

from collections.abc import Iterator

import pytest

from emulator.testing.harness import RunningEmulator, running_emulator


@pytest.fixture
def dcc_emulator() -> Iterator[RunningEmulator]:
    """A fresh emulator of the default world, in memory, on simulated time."""
    with running_emulator() as running:
        yield running
