"""Values as people write them in a scenario: durations and instants with units, response codes, requirement ids.

What is wrong with one is :class:`Malformed`, which pydantic carries to the place where it stood.
"""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from emulator.domain.errors import Malformed
from emulator.domain.tables import response_codes
from emulator.simulation.durations import DURATION_FORM, INSTANT_FORM, Instant, duration_ms, read_instant

_REQUIREMENT = re.compile(r"S-\d\d|A\d{1,2}|(?:M7|Q7|T|C)-\d{2,3}")

_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,47}")
MAX_NAME = 60
"""Characters of a name made up in a file."""
_UNITS_BYTES = {"B": 1, "kB": 1_000, "KiB": 1_024, "MB": 1_000_000, "MiB": 1_048_576}
MIN_IMAGE_BYTES, MAX_IMAGE_BYTES = 64, 10_000_000
"""Sizes that a built Manufacturer Image may have."""
SIZE_FORM = "a number with a unit such as '48 kB' or '1 MiB' (B, kB, KiB, MB, MiB)"


def size_bytes(value: object) -> int:
    """Read ``48 kB`` or ``1 MiB``; raise :class:`Malformed` for anything else, a bare number above all."""
    match = re.fullmatch(r"(\d+)\s*(B|kB|KiB|MB|MiB)", value.strip()) if isinstance(value, str) else None
    if match is None:
        detail = f"{value} has no unit" if isinstance(value, int | float) else f"{str(value)[:40]!r} is not a size"
        raise Malformed(detail, expected=SIZE_FORM)
    found = int(match[1]) * _UNITS_BYTES[match[2]]
    if not MIN_IMAGE_BYTES <= found <= MAX_IMAGE_BYTES:
        raise Malformed(f"{value} is not between {MIN_IMAGE_BYTES} and {MAX_IMAGE_BYTES} octets", expected=SIZE_FORM)
    return found


def _code(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    if re.fullmatch(r"http\.[1-5]\d\d", text) or text in response_codes():
        return text
    raise Malformed(f"there is no response code {text[:40]!r}", expected="one of the DUIS codes such as I99, or http.400")


def _requirement(value: object) -> str:
    if isinstance(value, str) and _REQUIREMENT.fullmatch(value):
        return value
    raise Malformed(f"{str(value)[:40]!r} is not the id of a requirement", expected="such as S-10, A5, M7-26 or Q7-76")


def _scenario_id(value: object) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise Malformed(f"{str(value)[:80]!r} is not an id", expected="a letter, then letters, digits and hyphens, 48 at most")


def _name(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and value == value.strip() and 0 < len(value) <= MAX_NAME:
        return value
    raise Malformed(f"{str(value)[:80]!r} is not a name", expected=f"one line of at most {MAX_NAME} characters")


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _alert_code(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{4}", value):
        return value.upper()
    raise Malformed(f"{str(value)[:40]!r} is not an alert code", expected="four hexadecimal digits in quotes, such as '8F72'")


def _written(description: str, *examples: str, **more: str) -> Any:
    return WithJsonSchema({"type": "string", "description": description, "examples": list(examples), **more})


Duration = Annotated[int, BeforeValidator(duration_ms), _written(DURATION_FORM, "90 min", "5 days", format="duration")]
"""Milliseconds, written with units."""
Size = Annotated[int, BeforeValidator(size_bytes), _written(SIZE_FORM, "48 kB")]
"""Octets, written with units."""
Moment = Annotated[Instant, BeforeValidator(read_instant), _written(INSTANT_FORM, "2026-01-05T08:00:00Z", "start + 2 h")]
"""An instant, absolute or relative."""
Code = Annotated[str, BeforeValidator(_code), _written("a DUIS response code, or http.NNN", "I99", "E4", "http.403")]
"""What a request is answered with."""
AlertCode = Annotated[str, BeforeValidator(_alert_code), _written("alert code of a device", "8F72")]
"""Of a device, four hexadecimal digits."""
RequirementId = Annotated[str, BeforeValidator(_requirement), _written("what a scenario or step shows", "S-10", "M7-26", "A5")]
"""A scenario, access test or requirement of the reference."""
ScenarioId = Annotated[str, BeforeValidator(_scenario_id), _written("name of a scenario", "S-10-guard-on")]
"""Names a scenario."""
Name = Annotated[str, BeforeValidator(_name), _written("a name made up in this file", "v2")]
"""By which other steps of the file refer to something."""
Reference = Annotated[str, WithJsonSchema({"type": "string", "format": "name"})]
"""A name that must be known: of a user, device, image or step."""
References = Annotated[
    list[str],
    BeforeValidator(_one_or_more),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}], "format": "names"}),
]
"""One name or selector, or a list of them."""
