"""The pytest plugin: ``pytest_plugins = ["emulator.testing.plugin"]``."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from emulator.domain.identifiers import Eui64
from emulator.testing.harness import RunningEmulator, running_emulator


class PlanFault(Protocol):
    """Plans a fault and gives its number; the arguments are those of :meth:`RunningEmulator.fault`."""

    def __call__(self, kind: str, device: Eui64 | None = None, **options: Any) -> int:
        """Plan it."""
        ...


@pytest.fixture
def dcc_emulator() -> Iterator[RunningEmulator]:
    """A fresh emulator of the default world, in memory, on simulated time."""
    with running_emulator() as running:
        yield running


@pytest.fixture
def dcc_fault(dcc_emulator: RunningEmulator) -> Iterator[PlanFault]:
    """Plans a fault in the default world and takes it back after the test: ``dcc_fault("device.silent", eui, times=1)``."""
    with ExitStack() as stack:
        yield lambda kind, device=None, **options: stack.enter_context(dcc_emulator.fault(kind, device, **options))
