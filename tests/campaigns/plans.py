"""Plans for tests: a whole one, changed by key."""

from pathlib import Path
from typing import Any

from emulator.campaigns.plan import Document
from emulator.campaigns.reading import Plan, parse_plan
from emulator.scenarios.toml_text import to_toml

SMALL: dict[str, dict[str, Any]] = {
    "campaign": {"name": "small", "title": "A small campaign", "seed": 3, "waves": [1, 4, "rest"], "wait": "1 h"},
    "image": {"type": "ESME", "version": "00010100", "manufacturer": "11E5", "model": "00020101"},
}


def plan_of(folder: Path = Path(), **tables: Any) -> Plan:
    """:data:`SMALL` with other keys: a table of a plan adds to or replaces what is there, a list replaces it."""
    document: dict[str, Any] = {name: dict(table) for name, table in SMALL.items()}
    if "estate" in tables:
        tables = {"groups": [{"name": "copies", "homes": ["central-*"]}], **tables}
    for name, value in tables.items():
        document[name] = {**document.get(name, {}), **value} if isinstance(value, dict) else value
    return parse_plan(to_toml(document), folder / "plan.toml")


def document_of(**tables: Any) -> Document:
    """The same as it was read."""
    return plan_of(**tables).document


def homes(count: int, *types: str) -> dict[str, Any]:
    """An ``[estate]`` with so many copies of the central home."""
    return {"copies": [{"home": "central", "count": count, "types": ["CHF", *(types or ("ESME",))]}]}
