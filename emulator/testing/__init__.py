"""Helpers for the test suites of users: an emulator on free ports for the time of a test.

``pytest_plugins = ["emulator.testing.plugin"]`` gives the fixture ``dcc_emulator``.
"""

from emulator.testing.harness import RunningEmulator, running_emulator

__all__ = ["RunningEmulator", "running_emulator"]
