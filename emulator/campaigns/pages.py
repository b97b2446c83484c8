"""Reports in HTML that need no other file: one campaign, or several side by side."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from emulator.campaigns.curves import lines_of, sum_of, svg
from emulator.campaigns.funnel import STAGES
from emulator.campaigns.runner import per_million, percent
from emulator.duis.datetimes import format_datetime
from emulator.simulation.durations import format_duration

_STYLE = """
:root{color-scheme:light dark;--line:#d1d5db;--soft:#f3f4f6;--bar:#3b6fb6;--bad:#b42318;--good:#1a7f5a}
@media(prefers-color-scheme:dark){:root{--line:#4b5563;--soft:#1f2937;--bar:#6f9fdc;--bad:#f0877a;--good:#5cc8a0}}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child,.words td,.words th{text-align:left}
.scroll{overflow-x:auto}.bar{background:var(--bar);height:.8rem;border-radius:2px;min-width:1px}
.verdict{font-weight:600}.bad{color:var(--bad)}.good{color:var(--good)}
pre{background:var(--soft);padding:.8rem;overflow-x:auto;border-radius:4px;font-size:13px}
svg{width:100%;height:auto}footer{margin:2rem 0;font-size:13px}
"""

_COLUMNS = (*STAGES[1:], "failed", "contact_lost", "overdue")
"""What tables show beside who was requested."""


def report_page(result: Mapping[str, Any]) -> str:
    """One campaign."""
    decided = [row["what"] for row in result["decisions"] if row["what"] in ("halted", "paused", "stopped", "resumed", "retried")]
    under_way = decided[-1] if decided and decided[-1] in ("halted", "paused", "stopped") else "running"
    verdict = result["verdict"] or under_way
    mark = {"complete": "good", "running": ""}.get(verdict, "bad")
    parts = [
        f"<h1>{escape(result['title'])}</h1>",
        f"<p><span class='verdict {mark}'>{escape(verdict)}</span>, {result['total']['requested']:,} of {result['devices']:,} "
        f"devices requested, {format_duration(result['ended_ms'] - result['began_ms'])} of simulated time from "
        f"{format_datetime(result['began_ms'])}, {escape(result['where'])}.{_deadline(result)}</p>",
        "<h2>Funnel</h2>",
        _funnel(result["total"]),
        *_failures(result["total"]),
        "<h2>What was decided</h2>",
        _words(
            ("When", "What", "Wave", "Why"),
            ((format_datetime(row["at_ms"]), row["what"], row["wave"] or "", row["why"]) for row in result["decisions"]),
        ),
        "<h2>Waves</h2>",
        _tallies("Wave", [(str(wave["wave"]), wave) for wave in result["waves"]] + _rollback(result)),
        "<h2>Regions</h2>",
        _tallies("Region", result["regions"].items()),
        *(svg(region, lines_of(result, region)) for region in result["course"]["regions"]),
        "<h2>Technologies of hubs</h2>",
        _tallies("Technology", result["technologies"].items()),
        "<h2>Hours from the start until so many had come</h2>",
        _hours(result),
    ]
    return _page(result["title"], parts, [result])


def comparison_page(results: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Several campaigns side by side, each with a name."""
    rows = [(title, *(shown(key, compared(result, key)) for _, result in results)) for title, key in COMPARED]
    parts = [
        "<h1>Campaigns side by side</h1>",
        _table(("", *(name for name, _ in results)), rows),
        *(
            svg(stage.replace("_", " "), [sum_of(result, stage, name) for name, result in results])
            for stage in ("at_hub", "verified", "activated")
        ),
    ]
    return _page("Campaigns side by side", parts, [result for _, result in results])


COMPARED: tuple[tuple[str, str], ...] = (
    ("Verdict", "verdict"),
    ("Waves begun", "waves"),
    ("Simulated time", "time"),
    *((stage.replace("_", " ").capitalize(), stage) for stage in STAGES),
    ("Failed", "failed"),
    ("Lost contact", "contact_lost"),
    ("Overdue", "overdue"),
    ("90 % at hub (h)", "at_hub 90"),
    ("90 % verified (h)", "verified 90"),
    ("90 % activated (h)", "activated 90"),
    ("Deadline", "deadline"),
)
"""Rows of a comparison: how they are called, and what they show."""


def compared(result: Mapping[str, Any], key: str) -> Any:
    """One value of a comparison as JSON."""
    if key == "waves":
        return len(result["waves"])
    if key == "time":
        return result["ended_ms"] - result["began_ms"]
    if key == "deadline":
        return None if result["deadline"] is None else result["deadline"]["met"]
    stage, _, share = key.partition(" ")
    if share:
        hours = [stages[stage][share] for stages in result["hours"].values() if stage in stages]
        return max(hours, default=None)
    return result["verdict"] if key == "verdict" else result["total"][key]


def shown(key: str, value: Any) -> str:
    """The same in words."""
    if value is None:
        return "–"
    if key == "time":
        return format_duration(value)
    if isinstance(value, bool):
        return "met" if value else "missed"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _deadline(result: Mapping[str, Any]) -> str:
    deadline = result["deadline"]
    if deadline is None:
        return ""
    late = ", ".join(f"{count:,} in {escape(region)}" for region, count in deadline["missed"].items() if count)
    verdict = "met" if deadline["met"] else f"missed{f' by {late}' if late else ''}"
    return f" The deadline, {format_datetime(deadline['at_ms'])}, was {verdict}."


def _rollback(result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [] if result["rollback"] is None else [("rollback", result["rollback"])]


def _funnel(total: Mapping[str, Any]) -> str:
    rows = []
    for stage in STAGES:
        share = per_million(total[stage], total["requested"])
        bar = f"<div class='bar' style='width:{share / 10_000:.2f}%'></div>"
        words = f"<td>{stage.replace('_', ' ')}</td><td>{total[stage]:,}</td><td>{percent(share)}</td>"
        rows.append(f"<tr>{words}<td style='width:50%'>{bar}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _failures(total: Mapping[str, Any]) -> list[str]:
    if not total["failures"]:
        return []
    return [
        "<h2>Failures</h2>",
        _table(("Reason", "Devices"), ((name, f"{count:,}") for name, count in total["failures"].items())),
    ]


def _tallies(name: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    columns = (name, "requested", *(column.replace("_", " ") for column in _COLUMNS))
    return _table(columns, ((key, *(f"{tally[column]:,}" for column in ("requested", *_COLUMNS))) for key, tally in rows))


def _hours(result: Mapping[str, Any]) -> str:
    rows = [
        (region, stage.replace("_", " "), *(f"{hours:,}" for hours in shares.values()))
        for region, stages in result["hours"].items()
        for stage, shares in stages.items()
    ]
    return _table(("Region", "Stage", "50 %", "90 %", "99 %", "100 %"), rows) if rows else "<p>Nobody came to any stage.</p>"


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]], kind: str = "") -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='scroll'><table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _words(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    return _table(columns, rows, "words")


def _page(title: str, parts: Iterable[str], results: Iterable[Mapping[str, Any]]) -> str:
    made = "".join(
        f"<p>{escape(result['campaign'])}: seed {result['seed']}, configuration {result['configuration'][:16]}, "
        f"emulator {escape(result['versions']['emulator'])}</p>"
        for result in results
    )
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + f"\n<footer>{made}</footer>"
        "</body></html>\n"
    )
