"""What is wrong with a body or a query of a control call, in words: the place, what is wrong there, and the remedy."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from emulator.simulation.faults.selectors import nearest

Models = Sequence[type[BaseModel]]

EXPECTED = "; expected "
"""Stands in the words of our own checks before the remedy."""
FORMS: Mapping[Any, str] = {int: "a whole number", str: "a text", bool: "true or false", float: "a number"}
"""What is expected of a field without words of its own."""


def explained(error: ValidationError, kinds: Models, whole: str) -> tuple[str, str, str]:
    """The first thing that was found: words, place and remedy. ``kinds`` are the models that a call is held against, ``whole`` is
    the place of what is wrong with all of it."""
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")  # a misspelt key is also a missing one
    where = ".".join(str(part) for part in first["loc"]) or whole
    holders = _models_at([kind for kind in kinds if kind.__name__ == error.title], first["loc"][:-1])
    name = str(first["loc"][-1]) if first["loc"] else ""
    known = {field.alias or key: field for holder in holders for key, field in holder.model_fields.items()}
    context, message = first.get("ctx", {}), first["msg"].removeprefix("Value error, ")
    given = json.dumps(first["input"], default=str)[:80]
    match first["type"]:
        case "extra_forbidden":
            return f"there is no {name[:60]!r}", where, nearest(name, known) if known else "nothing more"
        case "missing":
            return f"{name!r} is missing", where, _meaning(known.get(name)) or "a value"
        case "union_tag_invalid":
            tags = [tag.strip(" '") for tag in str(context.get("expected_tags", "")).split(",")]
            return f"there is no {str(context.get('tag'))[:60]!r}", where, nearest(str(context.get("tag")), tags)
        case "union_tag_not_found":
            return "'kind' is missing", where, f"one of {', '.join(_kinds(holders, name))}"
        case "json_invalid":
            return message, where, "a JSON object"
        case "value_error" if EXPECTED in message and not _meaning(known.get(name)):
            said, _, expected = message.partition(EXPECTED)
            return said, where, expected
    rule = message.removeprefix("Input should be ")
    if rule != message:
        return f"{given} is not right", where, rule
    return f"{message} (got {given})", where, _meaning(known.get(name))


def _kinds(holders: Models, name: str) -> list[str]:
    """The tags of the models that may stand at a field."""
    fields = [field for holder in holders if (field := holder.model_fields.get(name)) is not None]
    return [str(tag) for field in fields for model in _models_in(field.annotation) for tag in _tags(model)]


def _meaning(field: FieldInfo | None) -> str:
    if field is None:
        return ""
    text = " ".join((field.description or "").split()).rstrip(".")
    if text:
        return text[:1].lower() + text[1:]
    return FORMS.get(field.annotation, "")


def _models_at(kinds: Models, location: Sequence[int | str]) -> Models:
    """The models whose fields stand at a place; positions lead to what a list holds, tags to one of several."""
    here = list(kinds)
    for part in location:
        if isinstance(part, int):
            continue
        tagged = [kind for kind in here if part in _tags(kind)]
        fields = [field for kind in here if (field := kind.model_fields.get(part)) is not None]
        here = tagged or [model for field in fields for model in _models_in(field.annotation)] or here
    return here


def _tags(kind: type[BaseModel]) -> Iterator[Any]:
    for field in kind.model_fields.values():
        if get_origin(field.annotation) is Literal:
            yield from get_args(field.annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
