"""Plain values to TOML: the estate of a scenario goes to the server as the text that an operator would have written."""

import copy
import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(document: Mapping[str, Any]) -> str:
    """TOML that reads back as ``document``: strings, whole numbers, floats, booleans, dates, lists and tables."""
    return "".join(f"{_key(name)} = {_value(value)}\n" for name, value in document.items())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(name))} = {_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    raise TypeError(f"TOML has no form for {type(value).__name__}")


def put(table: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Put values at dotted paths of a table, whose sections are made where they are not there."""
    for dotted, value in values.items():
        *sections, name = dotted.split(".")
        place = table
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = copy.deepcopy(value)
