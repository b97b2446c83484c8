"""The ``dcc-emulator`` command line."""

from emulator.cli.main import main

__all__ = ["main"]
