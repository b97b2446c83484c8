"""What the whole program costs, as processes of their own: from start to ready, and the demo."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.bench.measure import Run, Sample, measurement

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running emulator."""

    duis: str
    control: str
    pid: int
    ready_s: float
    """From the start of the process to its ready file."""


@contextmanager
def served(folder: Path, *, patience_s: float = PATIENCE_S, **more: str) -> Iterator[Served]:
    """An emulator on free loopback ports, durable in ``folder``, at the instant of its estate; stopped at the end.

    ``more`` are further settings, with ``__`` for the dot in their names; an empty one is not set.
    """
    ready = folder / "ready.json"
    settings = {
        "duis.port": "0",
        "smki.port": "0",
        "control.port": "0",
        "ready_file": str(ready),
        "storage.folder": str(folder / "data"),
        "clock.start": "estate",
        "log.level": "warning",
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    flags = [flag for key, value in settings.items() if value for flag in ("--set", f"{key}={value}")]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "emulator.service", *flags], stdout=subprocess.DEVNULL)
    try:
        while not ready.exists():
            if process.poll() is not None or time.perf_counter() - started > patience_s:
                raise RuntimeError("the emulator did not become ready")
            time.sleep(0.002)
        elapsed = time.perf_counter() - started
        found = json.loads(ready.read_text())
        yield Served(found["duis"], found["control"], process.pid, elapsed)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(patience_s)


@measurement("start.ready_s", "s", runs=5)
def start() -> Iterator[Run]:
    """A first start: keys generated, data folder made, three listeners up, one world ready."""

    def run() -> Sample:
        with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as found:
            return Sample(found.ready_s, {"answers": asyncio.run(_ready(found.control))})

    yield run


async def _ready(control: str) -> dict[str, object]:
    async with aiohttp.ClientSession() as http, http.get(f"{control}/_dcc/ready") as answer:
        return {"status": answer.status, "says": (await answer.json())["status"]}


@measurement("demo.wall_s", "s", runs=3)
def demo() -> Iterator[Run]:
    """The demo as a user runs it, from its start to its verdict."""

    def run() -> Sample:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "emulator", "demo"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
                capture_output=True,
                timeout=PATIENCE_S * 2,
                check=False,
            )
            return Sample(time.perf_counter() - started, {"exit_code": done.returncode})

    yield run
