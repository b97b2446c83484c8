"""What a measurement is and how it is taken.

A measurement is a context manager that sets up and yields a run: a function that does the work once and says how much it took and
what was done. Every run must have done the same, or the measurement fails.
"""

import hashlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One run."""

    value: float
    checked: dict[str, Any]
    """Counts and digests that show that the work was done; equal for all runs of a measurement."""
    beside: dict[str, float] = field(default_factory=dict)
    """What was measured beside the value, such as seconds of the processor."""


class Unmeasurable(Exception):
    """Something that is not part of the project is missing; the text says what."""


Run = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number that is worth watching."""

    name: str
    unit: str
    runs: int
    prepare: Callable[[], AbstractContextManager[Run]]


MEASUREMENTS: dict[str, Measurement] = {}


def measurement(name: str, unit: str, runs: int) -> Callable[[Callable[[], Iterator[Run]]], Callable[[], Iterator[Run]]]:
    """Register a generator that sets up, yields its run, and cleans up."""

    def register(prepare: Callable[[], Iterator[Run]]) -> Callable[[], Iterator[Run]]:
        MEASUREMENTS[name] = Measurement(name, unit, runs, contextmanager(prepare))
        return prepare

    return register


def per_operation(operation: Callable[[int], bytes], count: int) -> Run:
    """A run of ``count`` operations whose value is the mean time of one in microseconds.

    ``operation`` gets its number and returns octets that depend on its result; they go into the digest outside the timed part.
    """

    def run() -> Sample:
        results: list[bytes] = []
        used, started = time.process_time(), time.perf_counter()
        for number in range(count):
            results.append(operation(number))
        elapsed, used = time.perf_counter() - started, time.process_time() - used
        checked = {"operations": count, "digest": hashlib.sha256(b"".join(results)).hexdigest()[:16]}
        return Sample(elapsed * 1e6 / count, checked, {"cpu_us": round(used * 1e6 / count, 1)})

    return run


def take(chosen: Measurement) -> dict[str, Any]:
    """Take a measurement: a run to warm up where runs are cheap, then the counted ones."""
    with chosen.prepare() as run:
        if chosen.runs > 3:
            run()
        samples = [run() for _ in range(chosen.runs)]
    if any(sample.checked != samples[0].checked for sample in samples):
        raise RuntimeError(f"{chosen.name}: the runs did not do the same: {[sample.checked for sample in samples]}")
    values = [round(sample.value, 3) for sample in samples]
    median = round(statistics.median(values), 3)
    found: dict[str, Any] = {"beside": [sample.beside for sample in samples]} if samples[0].beside else {}
    return found | {
        "name": chosen.name,
        "value": median,
        "unit": chosen.unit,
        "runs": chosen.runs,
        "median": median,
        "values": values,
        "command": f"make bench ONLY={chosen.name}",
        "machine": {"processors": os.cpu_count(), "load": round(os.getloadavg()[0], 2)},
        "checked": samples[0].checked | {"python": sys.version.split()[0]},
    }
