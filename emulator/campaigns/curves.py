"""Curves over time, as SVG written here, and as PNG where matplotlib is installed."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import pairwise
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.settings import DAY_MS, HOUR_MS

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 84, 130, 34, 44
"""Margins of a figure in its own units; the right one holds the names of the lines."""
COLOURS = ("#3b6fb6", "#2a9d8f", "#c77d0a", "#b5446e", "#6d597a", "#4d7c0f", "#8a4b2d", "#475569")
"""Told apart in light and dark, and by most people who see few colours."""
STEPS = (1, 2, 5)
NO_PLOTS = "the extra 'plots': pip install 'dcc-csp-emulator[plots]'"


@dataclass(frozen=True, slots=True)
class Line:
    """A count that changes in steps: it holds from each point to the next."""

    name: str
    points: Sequence[tuple[int, int]]
    """Milliseconds since the beginning, and the count."""


def lines_of(result: Mapping[str, Any], region: str) -> list[Line]:
    """The stages of one region of a result."""
    course, began_ms = result["course"], result["began_ms"]
    entries = course["regions"][region]
    end_ms = result["ended_ms"] - began_ms
    return [
        Line(stage.replace("_", " "), [*((row[0] - began_ms, row[place]) for row in entries), (end_ms, entries[-1][place])])
        for place, stage in enumerate(course["stages"], 1)
    ]


def sum_of(result: Mapping[str, Any], stage: str, name: str) -> Line:
    """One stage over all regions."""
    place = result["course"]["stages"].index(stage) + 1
    changes: dict[int, int] = {}
    for entries in result["course"]["regions"].values():
        before = 0
        for row in entries:
            changes[row[0]] = changes.get(row[0], 0) + row[place] - before
            before = row[place]
    points, count = [], 0
    for at_ms in sorted(changes):
        count += changes[at_ms]
        points.append((at_ms - result["began_ms"], count))
    return Line(name, [*points, (result["ended_ms"] - result["began_ms"], count)])


def svg(title: str, lines: Sequence[Line], *, y_name: str = "devices", x_name: str = "") -> str:
    """A figure that needs nothing else. With ``x_name`` the points are numbers of that and not times."""
    span_ms = max((line.points[-1][0] for line in lines), default=0) or HOUR_MS
    most = max((count for line in lines for _, count in line.points), default=0) or 1
    unit_ms, unit = _scale(span_ms, x_name)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(at_ms: int) -> float:
        return round(LEFT + width * at_ms / span_ms, 2)

    def y(count: int) -> float:
        return round(TOP + height * (1 - count / most), 2)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<style>text{fill:#1f2937}.grid{stroke:#d1d5db}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}"
        ".grid{stroke:#4b5563}}</style>",
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    for count in _ticks(most):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + width}" y1="{y(count)}" y2="{y(count)}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(count) + 4}" text-anchor="end">{count:,}</text>')
    for number in _ticks(max(1, span_ms // unit_ms)):
        parts.append(f'<text x="{x(number * unit_ms)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number:,}</text>')
    parts.append(f'<text x="{LEFT + width / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(unit)}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{TOP - 8}" text-anchor="end">{escape(y_name)}</text>')
    labels = _apart([y(line.points[-1][1]) + 4 for line in lines])
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = f"M{x(line.points[0][0])} {y(line.points[0][1])}" + "".join(
            f"H{x(at_ms)}V{y(count)}" for at_ms, count in line.points[1:]
        )
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
        name = f"{escape(line.name)}"
        parts.append(f'<text x="{LEFT + width + 8}" y="{labels[number]}" style="fill:{colour}" font-weight="600">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def png(title: str, lines: Sequence[Line], *, y_name: str = "devices", x_name: str = "") -> bytes:
    """The same as a picture; raise :class:`Malformed` that names the extra where matplotlib is not installed."""
    figures = plotting()
    span_ms = max((line.points[-1][0] for line in lines), default=0)
    unit_ms, unit = _scale(span_ms, x_name)
    figure = figures.Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    for number, line in enumerate(lines):
        times, counts = [at_ms / unit_ms for at_ms, _ in line.points], [count for _, count in line.points]
        axes.step(times, counts, where="post", color=COLOURS[number % len(COLOURS)], label=line.name)
    axes.set(title=title, xlabel=unit, ylabel=y_name, ylim=(0, None))
    axes.grid(alpha=0.3)
    if lines:
        axes.legend(frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _scale(span_ms: int, x_name: str) -> tuple[int, str]:
    """One unit of the axis, and what the axis is called."""
    if x_name:
        return 1, x_name
    return (DAY_MS, "days since the start") if span_ms > 3 * DAY_MS else (HOUR_MS, "hours since the start")


def plotting() -> Any:
    """matplotlib's figures without any display; raise :class:`Malformed` where it is not installed."""
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError:
        raise Malformed("matplotlib is not installed, and PNG needs it", where="--png", expected=NO_PLOTS) from None


def _ticks(most: int) -> list[int]:
    """Round numbers from 0 up, about five of them."""
    step = next(step * 10**power for power in range(20) for step in STEPS if step * 10**power * 5 >= most)
    return list(range(0, most + 1, step))


def _apart(places: Sequence[float], least: float = 15) -> list[float]:
    """Places of labels, moved up so that none lies on another."""
    found = list(places)
    order = sorted(range(len(found)), key=lambda number: (found[number], number))
    for above, below in reversed(list(pairwise(order))):
        found[above] = min(found[above], found[below] - least)
    return [round(place, 2) for place in found]
