"""Help for the test suites of users: the pytest plugin ``dcc``, and an emulator on free ports for the time of a test.

Names are looked up when they are used: pytest imports this package in every run, and most runs need nothing of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.testing.harness import RunningEmulator, running_emulator
    from emulator.testing.worlds import Dcc, world_of

__all__ = ["Dcc", "RunningEmulator", "running_emulator", "world_of"]

_PLACES = {"RunningEmulator": "harness", "running_emulator": "harness", "Dcc": "worlds", "world_of": "worlds"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
