"""Verdicts as files that other tools and people read: JUnit XML and one HTML page without anything from elsewhere."""

from collections.abc import Sequence
from html import escape
from xml.etree import ElementTree

from emulator.scenarios.proofs import Proof, Standing
from emulator.scenarios.report import Outcome, Report, StepResult

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "pre{background:#f6f6f6;padding:.6rem;overflow:auto}.passed{color:#176b2c}.failed{color:#a11}.not{color:#777}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}pre{background:#222}td,th{border-color:#333}"
    ".passed{color:#6fcf87}.failed{color:#ff7b72}}"
)


def junit(reports: Sequence[Report]) -> str:
    """JUnit XML: a suite per scenario, a case per step; times are of the wall, the simulated time is a property."""
    root = ElementTree.Element("testsuites", name="scenarios", tests=str(sum(len(report.steps) for report in reports)))
    for report in reports:
        failed = sum(step.outcome is Outcome.FAILED for step in report.steps)
        skipped = sum(step.outcome is Outcome.NOT_RUN for step in report.steps)
        suite = ElementTree.SubElement(
            *(root, "testsuite"),
            name=report.id, tests=str(len(report.steps)), failures=str(failed), skipped=str(skipped),
            errors="1" if report.problem else "0", time=f"{report.wall_ms / 1000:.3f}",
        )  # fmt: skip
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in (("seed", report.seed), ("digest", report.digest), ("simulated_ms", report.simulated_ms)):
            ElementTree.SubElement(properties, "property", name=name, value=str(value))
        for step in report.steps:
            case = ElementTree.SubElement(suite, "testcase", classname=report.id, name=f"{step.number} {step.title}", time="0")
            if step.failures:
                said = ElementTree.SubElement(case, "failure", message=_clean("; ".join(each.what for each in step.failures)))
                said.text = _clean("\n".join(_lines(step)))
            elif step.outcome is Outcome.NOT_RUN:
                ElementTree.SubElement(case, "skipped", message=_clean(report.problem) or "an earlier step ended the run")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Without the control characters that XML 1.0 cannot carry."""
    return "".join(each if each in "\t\n\r" or ord(each) >= 0x20 else "\N{REPLACEMENT CHARACTER}" for each in text)


def _lines(step: StepResult) -> list[str]:
    lines = []
    for failure in step.failures:
        lines += [f"{failure.what}: - expected, + seen", *failure.difference(), *failure.last_messages]
    return lines


def html(reports: Sequence[Report], proofs: Sequence[Proof] = ()) -> str:
    """One page: a line per scenario, what each found, and which requirements are proved."""
    passed = sum(report.passed for report in reports)
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Scenarios</title>',
        f"<style>{_STYLE}</style><h1>{passed} of {len(reports)} scenarios passed</h1><table><tr><th>Scenario<th>Verdict<th>"
        "Requests<th>Messages<th>Seed<th>Wall time<th>Digest</tr>",
    ]
    for report in reports:
        mark, word = ("passed", "passed") if report.passed else ("failed", "failed")
        parts.append(
            f'<tr><td><a href="#{escape(report.id)}">{escape(report.id)}</a> {escape(report.title)}<td class="{mark}">{word}'
            f"<td>{report.requests}<td>{report.messages}<td>{report.seed}<td>{report.wall_ms / 1000:.1f} s"
            f"<td><code>{report.digest[:16]}</code></tr>"
        )
    parts.append("</table>")
    parts += [_scenario(report) for report in reports]
    if proofs:
        parts.append(
            "<h2>Requirements</h2><table><tr><th>Id<th>Priority<th>What is shown<th>Scenario<th>Taken away by<th>Standing</tr>"
        )
        parts += [_proof(proof) for proof in proofs]
        parts.append("</table>")
    return "".join(parts) + "</html>\n"


def _scenario(report: Report) -> str:
    parts = [f'<h2 id="{escape(report.id)}">{escape(report.id)}</h2><p>{escape(report.title)}</p><table>']
    for step in report.steps:
        style = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.NOT_RUN: "not"}[step.outcome]
        shown = f"<pre>{escape(chr(10).join(_lines(step)))}</pre>" if step.failures else ""
        words = " ".join(step.requirements)
        parts.append(
            f'<tr><td>{step.number}<td>{escape(step.title)} {escape(words)}{shown}<td class="{style}">{step.outcome.value}</tr>'
        )
    problem = f'<p class="failed">{escape(report.problem)}</p>' if report.problem else ""
    return "".join(parts) + f"</table>{problem}"


def _proof(proof: Proof) -> str:
    row, style = proof.requirement, "passed" if proof.standing is Standing.COVERED else "failed"
    return (
        f"<tr><td>{proof.id}<td>{row.priority}<td>{escape(row.shows)}<td>{escape(row.scenario)} {escape(row.expectation)}"
        f'<td>{escape(row.switch.words())}<td class="{style}">{escape(proof.standing.value)}</tr>'
    )
