"""Compares produced messages with the published ones.

A signature cannot be reproduced, so the published one is put in and the MAC over it made again; then every octet counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from xml.sax.saxutils import quoteattr

from emulator.conformance.cases import messages_in, octets_in
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.gbcs.dissect import Node
from emulator.gbcs.explain import KeyLookup, explain
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.protect import add_mac

IDENTICAL, SAME_SHAPE, DIFFERENT, MISSING = "identical", "same shape", "different", "not produced"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one message compares."""

    case: str
    kind: str
    verdict: str
    octet: int | None = None
    """The first octet that differs, from 0."""
    expected: Node | None = None
    produced: Node | None = None
    """Both decoded, where they differ."""


def compare_folders(produced: Path, published: Path, keys: KeyLookup) -> list[Verdict]:
    """A verdict per published message."""
    ours = messages_in(produced)
    return [
        compare(case, kind, ours.get(case, {}).get(kind), path, keys)
        for case, kinds in messages_in(published).items()
        for kind, path in kinds.items()
    ]


def compare(case: str, kind: str, made: Path | None, published: Path, keys: KeyLookup) -> Verdict:
    """Compare one message; ``made`` is None where nothing was produced."""
    if made is None:
        return Verdict(case, kind, MISSING)
    expected = octets_in(published)
    theirs, mine = decode_message(expected), decode_message(octets_in(made))
    again = _with_signature(mine, theirs, keys).encode()
    if again == expected:
        return Verdict(case, kind, IDENTICAL)
    octet = next((n for n, (a, b) in enumerate(zip(again, expected, strict=False)) if a != b), min(len(again), len(expected)))
    left, right = explain(expected), explain(again)
    verdict = SAME_SHAPE if _shape(left) == _shape(right) else DIFFERENT
    return Verdict(case, kind, verdict, octet, left, right)


def _with_signature(mine: GbcsMessage, theirs: GbcsMessage, keys: KeyLookup) -> GbcsMessage:
    """Ours with the published signature octets, and the MAC over them."""
    if bool(mine.signature) == bool(theirs.signature) or not mine.signature:
        mine = replace(mine, signature=theirs.signature, mac=None) if mine.signature or not theirs.signature else mine
    if theirs.mac is None or mine.mac is not None:
        return mine
    first = ACCESS_CONTROL_BROKER if mine.cra is Cra.COMMAND else mine.originator
    for own, other in ((first, mine.recipient), (mine.recipient, first)):
        private, public = keys.private_key(own, "KA"), keys.public_key(other, "KA")
        if private is not None and public is not None:
            return add_mac(mine, private, public)
    raise Malformed("there are not the keys to make the MAC again", where=f"{mine.message_code:04X}")


def _shape(node: object) -> object:
    """Names and nesting, without values."""
    if isinstance(node, Mapping):
        return node.get("name"), [_shape(field) for field in node.get("fields", [])]
    return None


def summary(verdicts: list[Verdict], cases: int, no_request: list[str], failed: Mapping[str, str]) -> dict[str, object]:
    """The counts, and a list of what differs."""

    def count(kind: str, *wanted: str) -> int:
        return sum(1 for verdict in verdicts if verdict.kind.startswith(kind) and verdict.verdict in wanted)

    def all_of(kind: str) -> int:
        return sum(1 for verdict in verdicts if verdict.kind.startswith(kind))

    return {
        "cases": cases, "no_request": len(no_request), "not_produced": dict(failed),
        "precommands": all_of("PRECOMMAND"), "identical_precommand": count("PRECOMMAND", IDENTICAL),
        "commands": all_of("COMMAND"), "identical_command": count("COMMAND", IDENTICAL),
        "responses": all_of("RESPONSE"), "response_same_shape": count("RESPONSE", IDENTICAL, SAME_SHAPE),
        "alerts": all_of("ALERT"), "alert_same_shape": count("ALERT", IDENTICAL, SAME_SHAPE),
        "different": [
            {"case": each.case, "kind": each.kind, "verdict": each.verdict, "octet": each.octet}
            for each in verdicts if each.verdict in (SAME_SHAPE, DIFFERENT)
        ],
    }  # fmt: skip


def junit(verdicts: list[Verdict]) -> str:
    """A JUnit report: one test case per message; what was not produced is skipped."""
    lines = []
    for each in verdicts:
        name = quoteattr(f"{each.case}_{each.kind}")
        inner = "<skipped/>" if each.verdict == MISSING else ""
        if each.verdict in (SAME_SHAPE, DIFFERENT):
            inner = f"<failure message={quoteattr(f'{each.verdict} at octet {each.octet}')}/>"
        lines.append(f'<testcase classname="conformance" name={name}>{inner}</testcase>')
    failures = sum(1 for each in verdicts if each.verdict in (SAME_SHAPE, DIFFERENT))
    head = f'<testsuite name="conformance" tests="{len(verdicts)}" failures="{failures}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *lines, "</testsuite>", ""])


def html(verdicts: list[Verdict]) -> str:
    """A page with one row per message, and both sides decoded where they differ."""
    rows = []
    for each in verdicts:
        at = "" if each.octet is None else f"octet {each.octet}"
        both = ""
        if each.expected is not None and each.produced is not None:
            both = "".join(f"<pre>{escape(_text(side))}</pre>" for side in (each.expected, each.produced))
            both = f"<details><summary>decoded</summary>{both}</details>"
        rows.append(f"<tr><td>{escape(each.case)}<td>{escape(each.kind)}<td>{each.verdict}<td>{at}<td>{both}")
    head = "<tr><th>case<th>message<th>verdict<th>first difference<th>expected, produced"
    return f"<!doctype html><meta charset=utf-8><title>Conformance</title><table border=1>{head}{''.join(rows)}</table>\n"


def _text(node: Node, depth: int = 0) -> str:
    line = "  " * depth + f"{node.get('name', node.get('summary', ''))} {node.get('value', '')}".rstrip()
    return "\n".join([line, *(_text(field, depth + 1) for field in node.get("fields", []))])
