"""The command line, run in process."""

from tests.cli.conftest import run as run
