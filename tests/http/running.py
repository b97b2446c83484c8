"""An emulator in a process of its own, reached over HTTP alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

QUICK: dict[str, object] = {
    "duis.port": 0,
    "smki.port": 0,
    "control.port": 0,
    "clock.mode": "autojump",
    "clock.start": "estate",
    "outbox.push_floor_ms": 0,
    "outbox.retry_initial_ms": 20,
    "outbox.retry_cap_ms": 80,
    "outbox.timeout_ms": 500,
    "duis.body_timeout_ms": 1_000,
    "worlds.limit": 100,
    "log.format": "json",
}
"""Free ports, time that jumps, and pauses that tests can wait for."""


@dataclass
class Emulator:
    """A running process with its addresses."""

    process: subprocess.Popen[str]
    ports: dict[str, int]
    stderr: Path

    def url(self, interface: str) -> str:
        """Of ``duis``, ``smki`` or ``control``."""
        return f"http://127.0.0.1:{self.ports[interface]}"

    @property
    def log(self) -> str:
        """What the process has said about itself."""
        return self.stderr.read_text("utf-8")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def emulator_process(folder: Path, **settings: object) -> Iterator[Emulator]:
    """Start an emulator and stop it in the end; it must stop gracefully and never have met an error of its own.

    ``duis__port`` stands for ``duis.port``; what is not given is :data:`QUICK`. ``folder`` takes its log.
    """
    chosen = {**QUICK, **{name.replace("__", "."): value for name, value in settings.items()}}
    assignments = [f"--set={name}={value}" for name, value in chosen.items()]
    stderr = folder / f"stderr-{len(list(folder.glob('stderr-*')))}.txt"
    with stderr.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator.service", *assignments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("DCC_")},
        )
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
        assert line, f"no start: {stderr.read_text('utf-8')}"
        emulator = Emulator(process, json.loads(line)["ports"], stderr)
        try:
            yield emulator
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
    assert process.returncode in (0, -signal.SIGKILL)
    assert "Traceback" not in emulator.log
    assert '"level": "error"' not in emulator.log
