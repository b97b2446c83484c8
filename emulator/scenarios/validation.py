"""Tables of a file as models. What is wrong with one is :class:`Malformed` in our words, with the place and the remedy."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from emulator.domain.errors import Malformed
from emulator.scenarios.names import suggest

M = TypeVar("M", bound=BaseModel)


def validated(kind: type[M], raw: Mapping[str, Any], place: str, subject: str) -> M:
    """A table of a file as its model; what is wrong with it is :class:`Malformed` that names ``place``, key and remedy."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise _explained(error, kind, place, subject) from None


def _explained(error: ValidationError, kind: type[BaseModel], place: str, subject: str) -> Malformed:
    """The first thing that pydantic found, in our words."""
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")  # a misspelt key is also a missing one
    path = [str(part + 1) if isinstance(part, int) else part for part in first["loc"] if part != "[key]"]
    where = f"{place}: {'.'.join(path[:-1])}" if len(path) > 1 else place
    name = path[-1] if path else ""
    if first["type"] == "extra_forbidden":
        holder = _model_at(kind, first["loc"][:-1])
        known = [field.alias or key for key, field in holder.model_fields.items()]
        near = suggest(name, known)
        remedy = near if near.startswith("perhaps") else f"one of {', '.join(known)}"
        owner = subject if len(path) == 1 else ".".join(path[:-1])
        return Malformed(f"{name!r} is not a key of {owner}", where=where, expected=remedy)
    if first["type"] == "missing":
        field = _model_at(kind, first["loc"][:-1]).model_fields.get(name)
        return Malformed(f"{name!r} is missing", where=where, expected=_as_remedy(field.description if field else None))
    full = f"{place}: {'.'.join(path)}" if path else place
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, Malformed):
        return Malformed(cause.detail, where=full, expected=cause.expected)
    given = first.get("input")
    return Malformed(f"{str(given)[:80]!r} is not right: {first['msg'][:1].lower()}{first['msg'][1:]}", where=full)


def _as_remedy(text: str | None) -> str:
    line = " ".join((text or "").split()).rstrip(".")
    return line[:1].lower() + line[1:]


def _model_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """The model whose fields stand at a place; positions and keys of tables lead to what they hold."""
    here = kind
    for part in location:
        field = here.model_fields.get(str(part)) if not isinstance(part, int) else None
        if field is not None:
            here = next((each for each in _models_in(field.annotation)), here)
    return here


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)
