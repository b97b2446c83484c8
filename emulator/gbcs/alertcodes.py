"""The alert codes, loaded from ``data/alert_codes.toml``: a short name of ours and whether the alert is a critical one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class AlertCode:
    """One alert code."""

    code: int
    name: str
    critical: bool
    """Whether its generic form is the critical alert."""
    source: str
    confidence: str
    """How sure ``critical`` is."""


def _load() -> Mapping[int, AlertCode]:
    text = resources.files("emulator.gbcs").joinpath("data/alert_codes.toml").read_text("utf-8")
    table = tomllib.loads(text)
    rows = {}
    for group in table["group"]:
        for code, name in group["codes"].items():
            rows[int(code, 16)] = AlertCode(int(code, 16), name, group["critical"], group["source"], group["confidence"])
    return rows


ALERT_CODES: Mapping[int, AlertCode] = _load()
"""All known codes."""


def alert_name(code: int) -> str:
    """The name of a code, or its number."""
    known = ALERT_CODES.get(code)
    return known.name if known else f"alert {code:04X}"
