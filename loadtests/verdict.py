"""What came of a run: counts, wall and simulated latencies apart, and whether the thresholds hold."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.plans import Plan
from loadtests.watch import Sample, growth

SMALL_SHARE = 0.01
"""Kinds of request that are less of the whole have no say in ``answer_p99_ms``: a few are no measurement."""
PERCENTILES = (50, 90, 99)


@dataclass
class Latencies:
    """Of the results that came, by variant."""

    wall_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """From the acknowledgement at the user to the push at its receiver."""
    simulated_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Between the times that the two messages say."""


@dataclass
class Verdict:
    """A run."""

    figures: dict[str, Any]
    misses: list[str]
    """Thresholds that do not hold, in words."""
    latencies: Latencies


def judge(plan: Plan, folder: Path, samples: Sequence[Sample], left: int) -> Verdict:
    """Read what a run left in its folder; ``left`` is what was still waiting for delivery in the end."""
    rows = [row for row in _rows(folder / "locust_stats.csv") if row["Name"] != "Aggregated"]
    duis = [row for row in rows if not row["Name"].startswith("control")]
    sink = json.loads((folder / "pushes.json").read_text())
    latencies, lost = _results(folder)
    requests, failures = _sum(duis, "Request Count"), _sum(rows, "Failure Count")
    figures: dict[str, Any] = {
        "requests": requests,
        "failures": failures,
        "failure_share": failures / requests if requests else 1.0,
        "requests_per_s": sum(float(row["Requests/s"]) for row in duis),
        "answer_p99_ms": max(
            (float(row["99%"]) for row in duis if int(row["Request Count"]) >= SMALL_SHARE * requests), default=0.0
        ),
        "answers_ms": {row["Name"]: {f"p{p}": _number(row[f"{p}%"]) for p in PERCENTILES} for row in duis},
        "acknowledged": sum(len(each) for each in latencies.wall_ms.values()) + len(lost),
        "lost": len(lost) + left,
        "lost_first": lost[:5],
        **{name: sink[name] for name in ("taken", "device_alerts", "dcc_alerts", "duplicates", "disorder", "unreadable")},
        "first_disorder": sink["first_disorder"],
        "result_wall_ms": {name: _percentiles(each) for name, each in sorted(latencies.wall_ms.items())},
        "result_simulated_ms": {name: _percentiles(each) for name, each in sorted(latencies.simulated_ms.items())},
        **_use(samples, requests),
    }
    return Verdict(figures, _misses(plan, figures), latencies)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _sum(rows: Iterable[dict[str, str]], column: str) -> int:
    return sum(int(row[column]) for row in rows)


def _number(text: str) -> float | None:
    return None if text in ("", "N/A") else float(text)


def _results(folder: Path) -> tuple[Latencies, list[str]]:
    """Join what was acknowledged with what came; RequestIDs of which nothing came."""
    came: dict[str, tuple[float, float]] = {}
    for row in _rows(folder / "pushes.csv"):
        if row["request_id"] and row["kind"] == "response":
            came.setdefault(row["request_id"].lower(), (float(row["wall_s"]), float(row["made_ms"])))
    latencies, lost = Latencies(), []
    for path in sorted(folder.glob("acknowledged-*.csv")):
        with path.open(newline="") as file:
            for wall_s, at_ms, variant, request_id in csv.reader(file):
                found = came.get(request_id.lower())
                if found is None:
                    lost.append(request_id)
                else:
                    latencies.wall_ms[variant].append((found[0] - float(wall_s)) * 1000)
                    latencies.simulated_ms[variant].append(found[1] - float(at_ms))
    return latencies, lost


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in PERCENTILES} | {
        "count": len(ordered)
    }


def _use(samples: Sequence[Sample], requests: int) -> dict[str, Any]:
    if not samples:
        return {}
    first, last = samples[0], samples[-1]
    middle, end = growth(samples, "rss_bytes")
    descriptors, tasks = growth(samples, "descriptors"), growth(samples, "tasks")
    seconds = max(last["wall_s"] - first["wall_s"], 1e-9)
    return {
        "seconds": round(seconds, 1),
        "simulated_hours": round((last["simulated_s"] - first["simulated_s"]) / 3600, 2),
        "rss_mb": {"first": _mb(first["rss_bytes"]), "middle": _mb(middle), "end": _mb(end)},
        "memory_growth_share": round(end / middle - 1, 4) if middle else 0.0,
        "descriptors": [round(each, 1) for each in descriptors],
        "descriptor_growth": round(descriptors[1] - descriptors[0], 1),
        "tasks": [round(each, 1) for each in tasks],
        "task_growth": round(tasks[1] - tasks[0], 1),
        "server_cpu_share": round((last["cpu_s"] - first["cpu_s"]) / seconds, 3),
        "server_cpu_us_per_request": round((last["cpu_s"] - first["cpu_s"]) / requests * 1e6) if requests else 0,
        "disk_mb": _mb(last["disk_bytes"]),
        "outbox_most": max(each["outbox"] for each in samples),
    }


def _mb(size_bytes: float) -> float:
    return round(size_bytes / 1e6, 1)


def _misses(plan: Plan, figures: dict[str, Any]) -> list[str]:
    """``NAME_min`` and ``NAME_max`` are held against the figure ``NAME``."""
    found = []
    for name in plan.thresholds.__dataclass_fields__:
        limit = getattr(plan.thresholds, name)
        if limit is None:
            continue
        figure, _, bound = name.rpartition("_")
        value = figures.get(figure)
        if value is None or (value < limit if bound == "min" else value > limit):
            found.append(f"{figure} is {value}, {'at least' if bound == 'min' else 'at most'} {limit} wanted")
    return found
