"""What a run looks like: plots, and one page that shows them beside the figures."""

import csv
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.plans import Plan
from loadtests.verdict import Verdict
from loadtests.watch import Sample


def write_pages(plan: Plan, folder: Path, verdict: Verdict, samples: Sequence[Sample]) -> None:
    """``figures.json``, ``results.csv``, plots as PNG and ``index.html``; without matplotlib there are no plots."""
    told = {"plan": plan.name, "says": plan.says, "misses": verdict.misses, **verdict.figures}
    (folder / "figures.json").write_text(json.dumps(told, indent=1))
    with (folder / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("variant", "wall_ms", "simulated_ms"))
        for variant, values in sorted(verdict.latencies.wall_ms.items()):
            rows = zip(values, verdict.latencies.simulated_ms[variant], strict=True)
            writer.writerows((variant, f"{wall:.1f}", f"{simulated:.0f}") for wall, simulated in rows)
    plots = _plots(folder, verdict, samples)
    (folder / "index.html").write_text(_page(told, plots))


def _plots(folder: Path, verdict: Verdict, samples: Sequence[Sample]) -> list[str]:
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("Agg")
    from matplotlib import pyplot

    made = []

    def save(figure: Any, name: str) -> None:
        figure.tight_layout()
        figure.savefig(folder / name, dpi=90)
        pyplot.close(figure)
        made.append(name)

    began_s = samples[0]["wall_s"] if samples else 0.0
    minutes = [(each["wall_s"] - began_s) / 60 for each in samples]
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 6), sharex=True)
    for axis, column, label, unit in zip(
        axes.flat,
        ("rss_bytes", "descriptors", "tasks", "outbox"),
        ("memory of the emulator, MB", "descriptors", "tasks", "messages waiting"),
        (1e6, 1, 1, 1),
        strict=True,
    ):
        axis.plot(minutes, [each[column] / unit for each in samples])
        axis.set_title(label)
        axis.set_ylim(bottom=0)
        axis.set_xlabel("minutes of wall time")
    save(figure, "server.png")

    history = [row for row in _history(folder) if row["Name"] == "Aggregated" and row["50%"] not in ("", "N/A")]
    figure, axes = pyplot.subplots(2, 1, figsize=(11, 6), sharex=True)
    since = [(float(row["Timestamp"]) - began_s) / 60 for row in history]
    axes[0].plot(since, [float(row["Requests/s"]) for row in history])
    axes[0].set_title("requests a second, calls of the control API included")
    for percentile in ("50%", "99%"):
        axes[1].plot(since, [float(row[percentile]) for row in history], label=percentile)
    axes[1].set_title("answers, ms of wall time since the beginning")
    axes[1].legend()
    axes[1].set_xlabel("minutes of wall time")
    save(figure, "requests.png")

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4))
    for axis, found, label in (
        (axes[0], verdict.latencies.wall_ms, "acknowledgement to push, s of wall time"),
        (axes[1], verdict.latencies.simulated_ms, "acknowledgement to result, s of simulated time"),
    ):
        for variant, values in sorted(found.items()):
            axis.hist([value / 1000 for value in values], bins=60, histtype="step", label=variant)
        axis.set_title(label)
        axis.set_yscale("log")
        if found:
            axis.legend()
    save(figure, "results.png")
    return made


def _history(folder: Path) -> list[dict[str, str]]:
    path = folder / "locust_stats_history.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _page(told: dict[str, Any], plots: list[str]) -> str:
    rows = "".join(f"<tr><th>{html.escape(name)}<td>{html.escape(json.dumps(value))}" for name, value in told.items())
    images = "".join(f'<p><img src="{name}" alt="{name}">' for name in plots)
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(told["plan"])}</title>'
        "<style>body{font:14px sans-serif}th{text-align:left;vertical-align:top;padding-right:1em}</style>"
        f"<h1>{html.escape(told['plan'])}</h1><p>{'thresholds missed' if told['misses'] else 'all thresholds hold'}"
        f'<p><a href="locust.html">Report of Locust</a><table>{rows}</table>{images}\n'
    )
