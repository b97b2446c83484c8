"""Every expectation of a scenario turned into one that must fail.

Steps that only look are asked all their wrong questions in one run, each before the right one (:func:`looking`). What is expected
of a step that acts is turned around in a run of its own, which ends with that step (:func:`flipped`).
"""

import copy
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulator.client.errors import ClientError
from emulator.scenarios.model import Planned, Scenario
from emulator.scenarios.reading import parse_scenario, read_scenario
from emulator.scenarios.stage import Stage
from emulator.scenarios.steps.step import Step
from emulator.scenarios.toml_text import to_toml

Table = dict[str, Any]
Flip = Callable[[Table], None]


@dataclass(frozen=True, slots=True)
class Flipped:
    """A scenario with one expectation that must fail."""

    what: str
    step: int
    """The step that must fail."""
    kind: str
    """Which key of which kind of step was turned around."""
    scenario: Scenario


class Turned(Step):
    """A step that looks, after it was asked wrongly in every way."""

    step: Any
    wrongly: Any
    """What is turned around, and the step that asks so."""
    unnoticed: Any
    """Takes what was turned around and found nothing wrong."""

    async def run(self, stage: Stage) -> None:
        """Ask wrongly, each time with what the right question will find; then ask."""
        pending = stage.pending[:]
        for what, step in self.wrongly:
            try:
                await step.run(stage)
                noticed = bool(stage.failures)
            except ClientError:
                noticed = True
            if not noticed:
                self.unnoticed.append(what)
            stage.failures.clear()
            stage.pending[:] = pending
        await self.step.run(stage)


def looking(path: Path) -> tuple[Scenario, list[str], list[str]]:
    """A scenario whose every step that looks is asked wrongly as well; what is turned around, and a list that takes, as it runs,
    what nobody noticed. It must pass: wrong questions change nothing."""
    original = tomllib.loads(path.read_text("utf-8"))
    every = {number: list(_flips(step)) for number, step in enumerate(original["steps"], 1) if _looks(step)}
    wrongly: dict[int, list[tuple[str, Step]]] = {number: [] for number, flips in every.items() if flips}
    for turn in range(max((len(flips) for flips in every.values()), default=0)):
        document = copy.deepcopy(original)
        for number, flips in every.items():
            if turn < len(flips):
                flips[turn][1](document["steps"][number - 1])
        for planned in parse_scenario(to_toml(document), path).steps:
            flips = every.get(planned.number, [])
            if turn < len(flips):
                wrongly[planned.number].append((f"step {planned.number} {flips[turn][0]}", planned.step))
    unnoticed: list[str] = []

    def turned(planned: Planned) -> Planned:
        if planned.number not in wrongly:
            return planned
        step = planned.step
        ways = {"step": step, "wrongly": wrongly[planned.number], "unnoticed": unnoticed}
        return replace(planned, step=Turned.model_construct(do=step.do, name=step.name, requirements=step.requirements, **ways))

    scenario = read_scenario(path)
    asked = [what for ways in wrongly.values() for what, _ in ways]
    return replace(scenario, steps=tuple(turned(planned) for planned in scenario.steps)), asked, unnoticed


def _looks(step: Table) -> bool:
    return bool(step["do"].startswith("expect-"))


def flipped(path: Path) -> Iterator[Flipped]:
    """The others, one at a time, each to the step that must fail."""
    original = tomllib.loads(path.read_text("utf-8"))
    for number, step in enumerate(original["steps"], 1):
        for what, flip in () if _looks(step) else _flips(step):
            yield _with(original, path, (number, what), lambda document, n=number, flip=flip: flip(document["steps"][n - 1]))
        if step["do"] == "expect-nothing-else":
            before = _last_expected(original["steps"][: number - 1])
            if before is not None:
                yield _with(original, path, (number, "left"), lambda document, at=before: document["steps"][at]["messages"].pop())


def together(path: Path) -> tuple[Scenario, set[int]]:
    """The first of every step that expects something, all at once, and the steps that must fail; requests and waits stay."""
    document = tomllib.loads(path.read_text("utf-8"))
    steps: set[int] = set()
    for number, step in enumerate(document["steps"], 1):
        flips = list(_flips(step)) if _looks(step) else []
        if flips:
            flips[0][1](step)
            steps.add(number)
    return parse_scenario(to_toml(document), path), steps


def _with(original: Table, path: Path, at: tuple[int, str], flip: Flip) -> Flipped:
    document = {**copy.deepcopy(original), "steps": copy.deepcopy(original["steps"][: at[0]])}
    flip(document)
    for each in document["steps"]:
        if each.get("messages") == []:  # nothing is left to expect
            each.clear()
            each.update({"do": "advance", "by": "0 s"})
    number, what = at
    do = original["steps"][number - 1]["do"]
    words = [word for word in what.split() if not word.isdecimal()]
    kind = " ".join(([do] if _looks(original["steps"][number - 1]) else []) + words[:1])
    return Flipped(f"step {number} {what}", number, kind, parse_scenario(to_toml(document), path))


def _last_expected(steps: list[Table]) -> int | None:
    """The nearest step with an expected message, with none that would account for everything between."""
    for position in range(len(steps) - 1, -1, -1):
        if steps[position]["do"] == "expect-nothing-else":
            return None
        if steps[position]["do"] == "expect-messages":
            return position if steps[position]["messages"][-1].get("count", 1) else None
    return None


def _flips(step: Table) -> Iterator[tuple[str, Flip]]:
    """What can be turned around in a step."""
    do = step["do"]
    if "answer" in step:
        yield "answer", lambda it: it.update(answer="E70" if it["answer"] != "E70" else "E71")
    if "transform" in step:
        yield "transform", lambda it: it.update(transform="E70")
    if do in ("11.1", "11.4") and step["answer"] == "W110101":
        for name in step["lists"]:
            yield f"without {name}", lambda it, name=name: it["lists"].pop(name)
    for key in ("payload", "inventory", "state"):
        for name in step[key] if isinstance(step.get(key), dict) else ():
            yield f"{key} {name}", lambda it, key=key, name=name: it[key].update({name: _other(it[key][name])})
    for selector, elements in step.get("shows", {}).items():
        for name in elements:
            yield (
                f"shows {name}",
                lambda it, selector=selector, name=name: it["shows"][selector].update(
                    {name: _other(it["shows"][selector][name])}
                ),
            )
    if do == "8.2" and "devices" in step:
        yield "devices", lambda it: it.update(devices="ESME@south")
    if do == "device.deliver":
        yield "answers", lambda it: it.update(answers=not it.get("answers", True))
        for name in step.get("values", {}):
            yield f"values {name}", lambda it, name=name: it["values"].update({name: _other(it["values"][name])})
    if do == "device.side_channel" and "outcome" in step:
        yield "outcome", lambda it: it.update(outcome="taken" if it["outcome"] != "taken" else "banned")
    if do == "device.credit":
        yield "taken", lambda it: it.update(taken=not it.get("taken", True))
    if do == "expect-device" and "job" in step:
        yield "job", lambda it: it.update(job="QUEUED")
    if do == "expect-jobs":
        if "count" in step:
            yield "count", lambda it: it.update(count=it["count"] + 1)
        for state in step.get("states", {}):
            yield f"states {state}", lambda it, state=state: it["states"].update({state: it["states"][state] + 1})
    if do == "random-requests":
        if "11.3" in step.get("services", ["11.3"]):
            yield "transform", lambda it: it.update(transform="E70")
        if "allowed" in step:
            yield "allowed", lambda it: it.pop("allowed")
    if do == "expect-time":
        yield "at_most", lambda it: it.update(at_most="1 ms", at_least="0 ms")
        yield "at_least", lambda it: it.update(at_least="500 days", at_most="501 days")
    if do == "wait":
        yield "within", lambda it: it.update(within="1 ms")
    if do == "expect-campaign":
        yield from _flips_of_campaign(step)
    if do == "expect-report":
        yield from _flips_of_report(step)
    for name in step.get("gives", {}):
        yield f"gives {name}", lambda it, name=name: it["gives"].update({name: _other(it["gives"][name])})
    if "refused" in step:
        yield "refused", lambda it: it.update(refused="something else")
    if do == "expect-stock":
        yield "count", lambda it: it.update(count=it["count"] + 1)
    if do in ("expect-unit", "expect-order"):
        for key in ("values", "results"):
            for name in step.get(key, {}):
                yield f"{key} {name}", lambda it, key=key, name=name: it[key].update({name: _other(it[key][name])})
    if do == "expect-evidence":
        for name in ("requests", "messages"):
            if name in step:
                yield name, lambda it, name=name: it.update({name: it[name] + 1})
        if "edit" in step:
            yield "found", lambda it: it.update(found=False)
    if do == "expect-archive":
        for name in step["entries"]:
            yield f"entries {name}", lambda it, name=name: it["entries"].update({name: it["entries"][name] + 1})
    if do == "compare-release":
        yield "differ", lambda it: it.update(differ=[name for name in it["scenarios"] if name not in it.get("differ", [])][:1])
    if do == "expect-edit-found":
        yield "found", lambda it: it.update(found=False)
    if do == "expect-audit":
        yield "whole", lambda it: it.update(whole=False)
    for key, flips_of_row in _ROWS.items():
        rows = step.get(key) if do.startswith("expect-") else None
        for position in range(len(rows) if isinstance(rows, list) else 0):
            for what, flip in flips_of_row(step[key][position]):
                yield f"row {position + 1} {what}", lambda it, key=key, at=position, flip=flip: flip(it[key][at])


def _flips_of_row(row: Table) -> Iterator[tuple[str, Flip]]:
    yield "count", lambda it: it.update(count=it.get("count", 1) + 1)
    if row.get("count", 1):
        yield "to", lambda it: it.update(to="otherUser")
        if "device" in row:
            yield "device", lambda it: it.update(device="GPF@central")
        if "device_alert" in row:
            yield "device_alert", lambda it: it.update(device_alert="8F8A")
        if "dcc_alert" in row:
            other = "N999" if row["dcc_alert"] in ("AD1", "PowerOutageEvent") else "AD1"
            yield "dcc_alert", lambda it: it.update(dcc_alert=other)
        if "response" in row:
            yield "response", lambda it: it.update(response="E70")
        for key in ("body", "values"):
            for name in row.get(key, {}):
                yield f"{key} {name}", lambda it, key=key, name=name: it[key].update({name: _other(it[key][name])})
        if "throttled" in row:
            yield "throttled", lambda it: it.update(throttled=it["throttled"] + 1)
        if "within" in row:
            yield "within", lambda it: it.update(within="1 ms")
        if "not_before" in row:
            yield "not_before", lambda it: it.update(not_before="400 days", within="401 days")
        if "values" in row or "device_alert" in row:
            yield "protected", lambda it: it.update(protected=False)


def _flips_of_record(row: Table) -> Iterator[tuple[str, Flip]]:
    """Of a row of the audit trail or of the journal."""
    yield "count", lambda it: it.update(count=it.get("count", 1) + 1)
    if row.get("count", 1):
        for key, other in _OTHER_RECORD.items():
            if key in row:
                value = other if row[key] != other else "supplier"
                yield key, lambda it, key=key, value=value: it.update({key: value})
        for name in row.get("data", {}):
            yield f"data {name}", lambda it, name=name: it["data"].update({name: _other(it["data"][name])})


def _flips_of_campaign(step: Table) -> Iterator[tuple[str, Flip]]:
    for name in step.get("values", {}):
        yield f"values {name}", lambda it, name=name: it["values"].update({name: _other(it["values"][name])})
    for part, other in (("at_least", 10**12), ("at_most", -1)):
        for name in step.get(part, {}):
            yield f"{part} {name}", lambda it, part=part, name=name, other=other: it[part].update({name: other})
    for position, row in enumerate(step.get("decisions", ())):
        yield (
            f"row {position + 1} decisions",
            lambda it, at=position, row=row: it["decisions"][at].update(count=row.get("count", 1) + 1),
        )


def _flips_of_report(step: Table) -> Iterator[tuple[str, Flip]]:
    if "count" in step:
        yield "count", lambda it: it.update(count=it["count"] + 1)
    for part in ("where", "values"):
        for name, value in step.get(part, {}).items():
            other = _OTHER_CELL.get(name, _other(value))
            yield f"{part} {name}", lambda it, part=part, name=name, other=other: it[part].update({name: other})


_OTHER_CELL = {
    **dict.fromkeys(("user", "sender", "agent"), "networkOperator"),
    **dict.fromkeys(("party", "supplier"), "otherUser"),
    **dict.fromkeys(("request_id", "grant"), "none"),
    **dict.fromkeys(("device", "unit"), "GPF@south"),
    "to_ms": "start",
    "activates_ms": "start",
    "reported_ms": "start",
    "left_ms": "1 ms",
}
"""Cells of other kinds than text, number and flag that no report has in a scenario."""

_OTHER_RECORD = {
    **dict.fromkeys(("outcome", "reason", "operator", "acting_for", "before", "after", "text"), "something else"),
    "user": "otherUser",
    "role": "OU",
    "device": "GPF@south",
    "version": "0000FFFF",
    "variant": "4.1.1",
}
"""What no row says."""

_ROWS: dict[str, Callable[[Table], Iterator[tuple[str, Flip]]]] = {
    "messages": _flips_of_row,
    "records": _flips_of_record,
    "entries": _flips_of_record,
}
"""Rows of expectations and how each is turned around."""


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return "something else"
