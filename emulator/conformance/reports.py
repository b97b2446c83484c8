"""Reports of a comparison: counts, JUnit and a page."""

from collections.abc import Mapping, Sequence
from html import escape
from xml.sax.saxutils import quoteattr

from emulator.conformance.compare import DIFFERENT, IDENTICAL, MISSING, SAME_SHAPE, Verdict
from emulator.conformance.produce import Failed
from emulator.gbcs.dissect import Node

_LIKE = (IDENTICAL, SAME_SHAPE)


def summary(verdicts: Sequence[Verdict], cases: int, no_request: Mapping[str, str], failed: Failed) -> dict[str, object]:
    """The counts, per kind of message and per use case, and a list of what differs."""

    def of(kind: str) -> list[Verdict]:
        return [each for each in verdicts if each.kind.startswith(kind)]

    pre, commands, responses, alerts = (of(kind) for kind in ("PRECOMMAND", "COMMAND", "RESPONSE", "ALERT"))
    return {
        "cases": cases, "no_request": len(no_request),
        "precommands": len(pre), "identical_precommand": _count(pre, IDENTICAL),
        "commands": len(commands), "identical_command": _count(commands, IDENTICAL),
        "responses": len(responses), "response_identical": _count(responses, IDENTICAL),
        "response_same_shape": _count(responses, *_LIKE), "response_verified": _verified(responses),
        "response_decoded": sum(1 for each in responses if each.decoded),
        "alerts": len(alerts), "alert_same_shape": _count(alerts, *_LIKE), "alert_verified": _verified(alerts),
        "use_cases_identical_precommand": _whole(pre, IDENTICAL), "use_cases_identical_command": _whole(commands, IDENTICAL),
        "use_cases_response_same_shape": _whole(responses, *_LIKE), "use_cases": len({each.use_case for each in verdicts}),
        "explained": sum(1 for each in verdicts if each.reason),
        "unexplained": sum(1 for each in verdicts if _counts_as_different(each) and not each.reason),
        "without_request": list(no_request), "why_no_request": dict(no_request),
        "not_produced": failed.not_produced, "not_answered": failed.not_answered,
        "by_use_case": by_use_case(verdicts),
        "different": [
            {name: getattr(each, name) for name in ("case", "kind", "verdict", "octet", "where", "reason")}
            for each in verdicts if each.verdict in (SAME_SHAPE, DIFFERENT) and _counts_as_different(each)
        ],
    }  # fmt: skip


def by_use_case(verdicts: Sequence[Verdict]) -> dict[str, dict[str, str]]:
    """Use case → kind of message → how many are as they should be, such as ``2/3``."""
    told: dict[str, dict[str, str]] = {}
    for family in dict.fromkeys(each.use_case for each in verdicts):
        row = told.setdefault(family, {})
        for kind, wanted in (("precommand", (IDENTICAL,)), ("command", (IDENTICAL,)), ("response", _LIKE), ("alert", _LIKE)):
            found = [each for each in verdicts if each.use_case == family and each.kind.lower().startswith(kind)]
            if found:
                row[kind] = f"{_count(found, *wanted)}/{len(found)}"
    return told


def figures(verdicts: Sequence[Verdict]) -> dict[str, dict[str, object]]:
    """Message code → how many of each kind of message are as they should be, and which are not: figures of our own only."""
    told: dict[str, dict[str, object]] = {}
    asked = [
        each for each in verdicts if each.verdict != MISSING or each.where
    ]  # what is missing without a reason nobody asked for
    for code in sorted({each.code for each in asked if each.code is not None}):
        of_code = [each for each in asked if each.code == code]
        row: dict[str, object] = {"use_cases": sorted({each.use_case for each in of_code})}
        for kind, wanted in (("precommand", (IDENTICAL,)), ("command", (IDENTICAL,)), ("response", _LIKE), ("alert", _LIKE)):
            found = [each for each in of_code if each.kind.lower().startswith(kind)]
            if found:
                row[kind] = [_count(found, *wanted), len(found)]
                values = sorted({each.case for each in found if each.verdict == SAME_SHAPE} if SAME_SHAPE not in wanted else ())
                row[f"{kind}_differs"] = sorted({each.case for each in found if each.verdict not in _LIKE})
                row |= {f"{kind}_values": values} if values else {}
        told[f"{code:04X}"] = row
    return told


def junit(verdicts: Sequence[Verdict]) -> str:
    """A JUnit report: one test case per message; what was not produced is skipped, and what differs for a reason."""
    lines = []
    for each in verdicts:
        name = quoteattr(f"{each.case}_{each.kind}")
        inner = f"<skipped message={quoteattr(each.where or each.verdict)}/>" if each.verdict == MISSING else ""
        if _counts_as_different(each) and each.reason:
            inner = f"<skipped message={quoteattr(f'{_says(each)}; {each.reason}')}/>"
        elif _counts_as_different(each):
            inner = f"<failure message={quoteattr(_says(each))}/>"
        lines.append(f'<testcase classname="conformance.{escape(each.use_case)}" name={name}>{inner}</testcase>')
    failures = sum(1 for each in verdicts if _counts_as_different(each) and not each.reason)
    skipped = _count(verdicts, MISSING) + sum(1 for each in verdicts if _counts_as_different(each) and each.reason)
    head = f'<testsuite name="conformance" tests="{len(verdicts)}" failures="{failures}" skipped="{skipped}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *lines, "</testsuite>", ""])


def html(verdicts: Sequence[Verdict]) -> str:
    """A page with one row per message, and both sides decoded where they differ."""
    rows = []
    for each in verdicts:
        at = "" if each.octet is None else f"octet {each.octet}"
        verified = {True: "verifies", False: "does not verify", None: ""}[each.verified]
        both = ""
        if each.expected is not None and each.produced is not None:
            sides = (("published", each.expected), ("produced", each.produced))
            both = "".join(f"<td><b>{name}</b><pre>{escape(as_text(side))}</pre>" for name, side in sides)
            both = f"<details><summary>decoded</summary><table><tr>{both}</table></details>"
        cells = (escape(each.case), escape(each.kind), each.verdict, at, verified, escape(each.where) + _why(each) + both)
        rows.append("<tr><td>" + "<td>".join(cells))
    head = "<tr><th>case<th>message<th>verdict<th>first difference<th>keys<th>where"
    page = "<!doctype html><html lang=en><meta charset=utf-8><title>Conformance</title><h1>Conformance</h1>"
    return f"{page}{_overview(verdicts)}<table border=1>{head}{''.join(rows)}</table></html>\n"


def _why(each: Verdict) -> str:
    return f"<br><i>{escape(each.reason)}</i>" if each.reason else ""


def _overview(verdicts: Sequence[Verdict]) -> str:
    """A table of the counts by use case."""
    kinds = ("precommand", "command", "response", "alert")
    rows = [
        f"<tr><td>{escape(name)}" + "".join(f"<td>{row.get(kind, '')}" for kind in kinds)
        for name, row in by_use_case(verdicts).items()
    ]
    head = "<tr><th>use case<th>Pre-Command identical<th>Command identical<th>Response of the shape<th>alert of the shape"
    return f"<details><summary>by use case</summary><table border=1>{head}{''.join(rows)}</table></details>\n"


def as_text(node: Node, depth: int = 0) -> str:
    """A decoded message as indented lines."""
    meaning = f" ({node['meaning']})" if node.get("meaning") else ""
    line = "  " * depth + f"{node.get('name', node.get('summary', ''))} {node.get('value', '')}".rstrip() + meaning
    return "\n".join([line, *(as_text(field, depth + 1) for field in node.get("fields", []))])


def _counts_as_different(each: Verdict) -> bool:
    """Pre-Commands and Commands have to be identical; what devices say has to have the shape, and to verify."""
    if each.verdict == SAME_SHAPE and each.kind.startswith(("RESPONSE", "ALERT")):
        return each.verified is False
    return each.verdict in (SAME_SHAPE, DIFFERENT)


def _says(each: Verdict) -> str:
    at = "" if each.octet is None else f" at octet {each.octet}"
    return f"{each.verdict}{at}" + (f": {each.where}" if each.where else "")


def _count(verdicts: Sequence[Verdict], *wanted: str) -> int:
    return sum(1 for each in verdicts if each.verdict in wanted)


def _verified(verdicts: Sequence[Verdict]) -> int:
    return sum(1 for each in verdicts if each.verified)


def _whole(verdicts: Sequence[Verdict], *wanted: str) -> int:
    """Use cases all of whose messages are as they should be."""
    families = {each.use_case for each in verdicts}
    return len(families - {each.use_case for each in verdicts if each.verdict not in wanted})
