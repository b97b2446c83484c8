"""Running the command line in process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from emulator.cli.main import application


@dataclass(frozen=True, slots=True)
class Ran:
    """How a verb ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb with arguments; nothing it does may end in a traceback."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: object, stdin: bytes | None = None) -> Ran:
        done = CliRunner().invoke(application, [str(argument) for argument in arguments], input=stdin)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        assert "Traceback" not in done.output
        return Ran(done.exit_code, done.stdout, done.stderr)

    return invoke
