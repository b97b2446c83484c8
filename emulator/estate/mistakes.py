"""What is wrong with a declared estate, in words that name the place by what stands there and say what would be right."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from emulator.domain.errors import Malformed

_NAMED_BY = {
    "homes": ("name",),
    "devices": ("eui",),
    "parties": ("name", "eui"),
    "registrations": ("mpxn", "role"),
    "cpl": ("type", "model"),
}
"""By which keys an entry of a list is named in messages."""


def explain_mistake(error: ValidationError, raw: Mapping[str, Any], model: type[BaseModel], source: str) -> Malformed:
    """The first mistake that ``model`` found in ``raw``; ``source`` names the document."""
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if isinstance(part, int) or not part.startswith(("function-", "nullable"))]
    holder, field = _find(model, location)
    name = str(location[-1]) if location else "the document"
    given, kind = first.get("input"), first["type"]
    if kind == "missing":
        detail, expected = f"{name} is missing", _expected(field) or "a value"
    elif kind == "extra_forbidden":
        detail, expected = f"{name!r} is not a key here", f"one of {', '.join(holder.model_fields)}"
    elif kind in ("too_long", "too_short"):
        detail, expected = f"{name} has {first['ctx']['actual_length']} entries", _expected(field) or first["msg"]
    else:
        shown = str(given)[:80] if isinstance(given, str | int | float) else f"a {type(given).__name__}"
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        detail = f"{name} is {shown!r}"
        bounded = kind.startswith(("greater_", "less_")) and not (field and field.description)
        expected = reason if bounded else _expected(field) or reason
    where = ", ".join(filter(None, (place(raw, location[:-1]), name if location else "")))
    return Malformed(detail, where=f"{source}: {where}" if where else source, expected=expected)


def place(raw: Any, location: Sequence[int | str]) -> str:
    """``home 'central', device 00-DB-…`` for ``homes, 0, devices, 3``."""
    words, here, listed = [], raw, ""
    for part in location:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(part, str):
            listed = part
            if not isinstance(here, list):
                words.append(part)
            continue
        names = [str(here[key]) for key in _NAMED_BY.get(listed, ()) if isinstance(here, Mapping) and key in here]
        words.append(f"{_singular(listed)} {' '.join(names)}" if names else f"{_singular(listed)} number {part + 1}")
    return ", ".join(words)


def _singular(name: str) -> str:
    return {"parties": "party"}.get(name, name.removesuffix("s"))


def _find(model: type[BaseModel], location: Sequence[int | str]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The table that holds the key at this location, and the declaration of the key where it has one."""
    holder, field = model, None
    for part in location:
        if isinstance(part, int):
            continue
        if field is not None and (inner := _table_of(field.annotation)) is not None:
            holder = inner
        field = holder.model_fields.get(part)
    return holder, field


def _table_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_of(part)) is not None), None)


def _expected(field: FieldInfo | None) -> str:
    """What a key takes, in words."""
    if field is None:
        return ""
    if field.description:
        return field.description
    return _kind(field.annotation)


def _kind(annotation: Any) -> str:
    options = [part for part in (annotation, *get_args(annotation)) if isinstance(part, type)]
    for option in options:
        if issubclass(option, Enum):
            return f"one of {', '.join(str(member.value) for member in option)}"
    plain = {bool: "true or false", int: "a number", str: "text"}
    return next((words for option in options for kind, words in plain.items() if option is kind), "")
