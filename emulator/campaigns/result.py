"""What came of a campaign, as JSON values. The same plan, seed and version give the same bytes: no wall time is in it."""

import json
from typing import Any

import emulator
from emulator.campaigns.conduct import COURSE_STAGES, Run
from emulator.campaigns.funnel import ROLLBACK_WAVE, Tally, by, total
from emulator.campaigns.reading import Plan
from emulator.campaigns.runner import WaveState
from emulator.domain.errors import Malformed
from emulator.domain.settings import HOUR_MS

FORMAT = 1
"""Of the file; a reader refuses another one."""
PERCENTILES = (50, 90, 99, 100)
"""Shares of those who came to a stage whose times are told."""


def result_of(plan: Plan, run: Run, where: str) -> dict[str, Any]:
    """The result; ``where`` says what the campaign ran over."""
    document, runner = plan.document, run.runner
    waves = by("wave", run.tallies, waves=False)
    of_plan = [tally for wave, tally in waves.items() if wave != ROLLBACK_WAVE]
    return {
        "format": FORMAT,
        "campaign": document.campaign.name,
        "title": document.campaign.title,
        "where": where,
        "seed": document.campaign.seed,
        "configuration": plan.digest,
        "versions": {"emulator": emulator.__version__},
        "plan": document.model_dump(mode="json", exclude_defaults=True),
        "verdict": None if runner.verdict is None else runner.verdict.value,
        "began_ms": run.began_ms,
        "ended_ms": run.ended_ms,
        "deadline": _deadline(plan, run),
        "devices": sum(part.count for wave in runner.waves for part in wave),
        "total": total(of_plan).as_json(),
        "waves": [_wave(state, waves.get(state.number, Tally())) for state in runner.started],
        "rollback": waves[ROLLBACK_WAVE].as_json() if ROLLBACK_WAVE in waves else None,
        "regions": {str(name): tally.as_json() for name, tally in by("region", run.tallies).items()},
        "technologies": {str(name): tally.as_json() for name, tally in by("technology", run.tallies).items()},
        "decisions": [{"at_ms": each.at_ms, "what": each.what, "wave": each.wave, "why": each.why} for each in runner.log],
        "course": {
            "stages": list(COURSE_STAGES),
            "regions": {region: [[at_ms, *values] for at_ms, values in entries] for region, entries in run.course.items()},
        },
        "hours": _hours(run),
    }


def _wave(state: WaveState, tally: Tally) -> dict[str, Any]:
    return {
        "wave": state.number,
        "started_ms": state.started_ms,
        "passed_ms": state.passed_ms,
        **tally.as_json(),
    }


def _deadline(plan: Plan, run: Run) -> dict[str, Any] | None:
    """Whether it was met, and per region the devices that were not there by then (Q7-64)."""
    runner = run.runner
    if runner.deadline_ms is None:
        return None
    place = COURSE_STAGES.index("verified" if plan.document.activation.rule == "none" else "activated")
    missed = {}
    for region, tally in by("region", run.tallies).items():
        reached = [values[place] for at_ms, values in run.course[str(region)] if at_ms <= runner.deadline_ms]
        missed[str(region)] = tally.requested - max(reached, default=0)
    return {"at_ms": runner.deadline_ms, "met": runner.deadline_met, "missed": missed}


def _hours(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """Per region and stage: hours from the beginning until so many per cent of those who came to the stage had come."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for region, entries in run.course.items():
        for place, stage in enumerate(COURSE_STAGES):
            last = max(values[place] for _, values in entries)
            if last:
                found.setdefault(region, {})[stage] = {
                    str(share): _first_hour(entries, place, last * share, run.began_ms) for share in PERCENTILES
                }
    return found


def _first_hour(entries: list[tuple[int, tuple[int, ...]]], place: int, hundredths: int, began_ms: int) -> float:
    at_ms = next(at_ms for at_ms, values in entries if values[place] * 100 >= hundredths)
    return round((at_ms - began_ms) / HOUR_MS, 2)


def as_bytes(result: dict[str, Any]) -> bytes:
    """The file."""
    return json.dumps(result, indent=1, ensure_ascii=False).encode() + b"\n"


def from_bytes(data: bytes, where: str) -> dict[str, Any]:
    """A result that was written; raise :class:`Malformed` when it is none."""
    try:
        found = json.loads(data)
        if found["format"] == FORMAT:
            return found  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError):
        pass
    raise Malformed("this is not the result of a campaign", where=where, expected="result.json of `campaign run --out`")
