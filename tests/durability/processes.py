"""Emulators that are started, killed and started again on one data folder."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

START_S = 30.0


class Nursery:
    """The process that forks them (:mod:`tests.durability.nursery`)."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.durability.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("DCC_")},
        )

    async def ask(self, order: dict[str, Any]) -> int:
        """Its answer."""
        return await asyncio.to_thread(self._ask, json.dumps(order))

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """No more of them."""
        self._process.communicate()


@dataclass
class Service:
    """An emulator that is killed now and then; what it is told to be stays the same."""

    folder: Path
    nursery: Nursery
    settings: dict[str, object] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    """What it said when it was ready."""
    number: int = 0
    """Its process; 0 when there is none."""

    def keep(self, name: str, text: str) -> str:
        """Write a file beside the data folder; its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    async def fork(self) -> None:
        """Start, and do not wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        settings = {
            "duis.port": 0,
            "smki.port": 0,
            "control.port": 0,
            "log.level": "warning",
            "log.format": "json",
            "ready_file": str(self._ready),
            "storage.folder": str(self.folder / "data"),
            "storage.mark_interval_ms": 50,
            "storage.snapshot_every_inputs": 100,
            "clock.mode": "autojump",
            "clock.start": "estate",
            "outbox.push_floor_ms": 0,
            "outbox.retry_initial_ms": 20,
            "outbox.retry_cap_ms": 200,
            **self.settings,
        }
        self.number = await self.nursery.ask({"settings": settings, "stderr": str(self._stderr)})

    async def start(self) -> None:
        """Start and wait until it is ready; fail with what it says when it is not."""
        await self.fork()
        until_s = time.monotonic() + START_S
        while not self.ready:
            if time.monotonic() > until_s or not alive(self.number):
                pytest.fail(f"it did not start again: {self.words}")
            await asyncio.sleep(0.005)
        self.take_words()

    @property
    def ready(self) -> bool:
        """Whether it says so."""
        return self._ready.exists()

    def take_words(self) -> None:
        """Know where it listens."""
        self.said = json.loads(self._ready.read_text())

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the status of the process."""
        with suppress(ProcessLookupError):
            os.kill(self.number, number)
        process, self.number = self.number, 0
        return await self.nursery.ask({"wait": process})

    async def gone(self) -> None:
        """Whatever is left of it ends."""
        if self.number:
            await self.end(signal.SIGKILL)

    @property
    def words(self) -> str:
        """All that it ever said about itself."""
        return self._stderr.read_text() if self._stderr.exists() else ""

    @property
    def duis(self) -> str:
        """Root of the web services."""
        return str(self.said["duis"])

    @property
    def world(self) -> str:
        """Root of the control calls."""
        return f"{self.said['control']}/control/v1/worlds/default"

    @property
    def log(self) -> Path:
        """The database of its world."""
        return self.folder / "data" / "worlds" / "default" / "log.sqlite3"

    @property
    def _ready(self) -> Path:
        return self.folder / "ready.json"

    @property
    def _stderr(self) -> Path:
        return self.folder / "stderr.txt"


def alive(process: int) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
