"""Plans: what a load is and what it has to reach, from ``plans.toml``."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from emulator.domain.errors import Malformed

PLANS = Path(__file__).with_name("plans.toml")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What must hold of a result; None is not asked for. Growth is from the middle of a run to its end."""

    requests_per_s_min: float | None = None
    failure_share_max: float | None = None
    answer_p99_ms_max: float | None = None
    lost_max: int | None = None
    duplicates_max: int | None = None
    disorder_max: int | None = None
    device_alerts_min: int | None = None
    dcc_alerts_min: int | None = None
    memory_growth_share_max: float | None = None
    descriptor_growth_max: float | None = None
    task_growth_max: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One load."""

    name: str
    says: str
    classes: tuple[str, ...]
    users: int
    seconds: int
    homes: int
    clock: str
    """``autojump``, ``paused`` or the rate of simulated over wall time."""
    per_user: float = 0.0
    """Requests per second of one user; 0 for as fast as they are answered."""
    pool: int = 0
    """Requests signed before the load begins; 0 for signing as it goes."""
    mix: dict[str, int] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)
    """Classes of which there are so many users; the others share the rest."""
    thresholds: Thresholds = Thresholds()


def read_plans(path: Path = PLANS) -> dict[str, Plan]:
    """All plans by name; raise :class:`Malformed` for what is not one."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(f"cannot be read: {error}", where=str(path), expected="plans in TOML") from None
    return {name: _plan(name, dict(given)) for name, given in document.items()}


def _plan(name: str, given: dict[str, Any]) -> Plan:
    thresholds = given.pop("thresholds", {})
    for what, kind, where in ((given, Plan, name), (thresholds, Thresholds, f"{name}.thresholds")):
        unknown = what.keys() - {each.name for each in fields(kind)}
        if unknown:
            raise Malformed(f"unknown key {min(unknown)!r}", where=where, expected=", ".join(each.name for each in fields(kind)))
    try:
        return Plan(name=name, **{**given, "classes": tuple(given["classes"])}, thresholds=Thresholds(**thresholds))
    except (KeyError, TypeError) as error:
        raise Malformed(f"the plan lacks something: {error}", where=name) from None
