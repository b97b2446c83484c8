"""What the emulator uses while it is under load: memory, descriptors, tasks, processor, disk, backlog; from its metrics."""

import csv
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

METRICS = {
    "rss_bytes": "process_resident_memory_bytes",
    "descriptors": "process_open_fds",
    "cpu_s": "process_cpu_seconds_total",
    "tasks": "dcc_tasks",
    "outbox": "dcc_outbox_messages",
    "outbox_lag_s": "dcc_outbox_lag_seconds",
    "backlog_bytes": "dcc_log_backlog_bytes",
    "simulated_s": "dcc_simulated_time_seconds",
}
"""Columns of ``server.csv``; what several worlds have is added up."""
COLUMNS = ("wall_s", *METRICS, "disk_bytes")
_VALUE = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)

Sample = dict[str, float]


def sample(control: str, folder: Path | None) -> Sample:
    """One look; raises :class:`OSError` when nobody answers."""
    with urllib.request.urlopen(f"{control}/_dcc/metrics", timeout=10) as answer:  # noqa: S310 (ours)
        text = answer.read().decode()
    totals: dict[str, float] = {}
    for name, value in _VALUE.findall(text):
        totals[name] = totals.get(name, 0.0) + float(value)
    found = {column: totals.get(metric, 0.0) for column, metric in METRICS.items()}
    return {"wall_s": time.time(), **found, "disk_bytes": float(_size(folder)) if folder is not None else 0.0}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # gone meanwhile
            continue
    return total


class Watch:
    """Looks every few seconds in a thread of its own and writes what it sees."""

    def __init__(self, control: str, folder: Path | None, path: Path, every_s: float) -> None:
        self.samples: list[Sample] = []
        self._ended = threading.Event()
        self._arguments = (control, folder, path, every_s)
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        control, folder, path, every_s = self._arguments
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            while True:
                try:
                    self.samples.append(sample(control, folder))
                    writer.writerow(self.samples[-1])
                    file.flush()
                except (OSError, urllib.error.URLError):
                    pass
                if self._ended.wait(every_s):
                    return


def growth(samples: Iterable[Sample], column: str) -> tuple[float, float]:
    """Mean of a tenth of the time in the middle, and of the last tenth."""
    found = list(samples)
    if len(found) < 4:
        value = found[-1][column] if found else 0.0
        return value, value
    tenth = max(1, len(found) // 10)
    middle = found[len(found) // 2 : len(found) // 2 + tenth]
    return _mean(each[column] for each in middle), _mean(each[column] for each in found[-tenth:])


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
