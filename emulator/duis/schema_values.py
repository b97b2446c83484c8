"""What a simple type of a schema demands, in words; and values, shown short."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xmlschema.validators import XsdSimpleType

_XS = "{http://www.w3.org/2001/XMLSchema}"
_VALUES_LISTED = 12
_QUOTED = 60
_PATTERN_SHOWN = 80

_WORDS = {
    "string": "text",
    "token": "text",
    "boolean": "true, false, 1 or 0",
    "dateTime": "a date and time such as 2026-01-31T09:30:00Z",
    "date": "a date such as 2026-01-31",
    "time": "a time of day such as 09:30:00Z",
    "base64Binary": "octets in base64",
    "hexBinary": "octets as pairs of hexadecimal digits",
    "decimal": "a decimal number",
    "anyURI": "a URI",
    "ID": "a name that no other Id of the document has",
}
"""Built-in types by what they ask for; the whole numbers follow from their bounds."""

_UNITS = {
    "string": "characters",
    "token": "characters",
    "base64Binary": "octets in base64",
    "hexBinary": "octets as pairs of hexadecimal digits",
}
"""What a length counts."""

_WHOLE_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-(2**7), 2**7 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
}

_EUI = "00-DB-12-34-56-78-90-A0"
_EUI_FORM = re.compile(r"[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){7}")

_PATTERN_MEANINGS = (
    (
        f"{_EUI}:{_EUI}:18446744073709551615",
        "originator EUI-64, target EUI-64 and counter (0 to 2^64-1, no leading zero), joined by colons",
    ),
    (f"{_EUI},{_EUI}", "EUI-64s joined by single commas, without spaces"),
    (_EUI, f"an EUI-64 such as {_EUI}"),
    ("01234567890123456789", "20 digits"),
    ("0123", "4 digits"),
)
"""A pattern means what the first of these examples that it takes shows: so the words fit any folder's way of writing it."""


def quote(value: str) -> str:
    """A value in quotes, control characters visible, shortened with its length where it is long."""
    if len(value) <= _QUOTED:
        return repr(value)
    return f"{value[:_QUOTED]!r}… ({len(value):,} characters)"


def first_bad_entry(text: str) -> str:
    """Which entry of a list of EUI-64s is not one; empty where all are, or where this is no such list."""
    entries = text.split(",")
    if not _EUI_FORM.fullmatch(entries[0]) and len(entries[0]) != len(_EUI):
        return ""
    for number, entry in enumerate(entries, 1):
        if not _EUI_FORM.fullmatch(entry):
            return f", whose entry {number:,} is {quote(entry)}"
    return ""


def describe_type(simple: "XsdSimpleType") -> str:
    """What the values of a simple type are, from its facets and those of the types it restricts."""
    facets, builtin = _gather(simple)
    if "enumeration" in facets:
        return _choice([str(value) for value in facets["enumeration"].enumeration])
    if builtin in _WHOLE_NUMBERS or builtin == "decimal":
        return ", ".join([_number(builtin, facets), *_digits(facets)])
    length = _length(facets)
    if "pattern" in facets:
        return ", ".join([_pattern(facets["pattern"]), *([f"{length} characters"] if length else [])])
    return f"{length} {_UNITS.get(builtin, builtin)}" if length else _WORDS.get(builtin, builtin)


def _gather(simple: Any) -> tuple[dict[str, Any], str]:
    """Facets by name, the innermost restriction first, and the name of the built-in type below them."""
    facets: dict[str, Any] = {}
    here = simple
    while here is not None and not str(here.name).startswith(_XS):
        for name, facet in here.facets.items():
            facets.setdefault(str(name).removeprefix(_XS), facet)
        here = here.base_type
    return facets, "string" if here is None else str(here.local_name)


def _choice(values: list[str]) -> str:
    shown = ", ".join(values[:_VALUES_LISTED])
    if len(values) > _VALUES_LISTED:
        return f"one of {shown} … ({len(values)} in all)"
    return f"one of {shown}" if len(values) > 1 else shown


def _pattern(facet: Any) -> str:
    for example, meaning in _PATTERN_MEANINGS:
        if _takes(facet, example) and not _takes(facet, "~"):
            return meaning
    shown = " or ".join(facet.regexps)
    return f"text of the form {shown[:_PATTERN_SHOWN]}{'…' if len(shown) > _PATTERN_SHOWN else ''}"


def _takes(facet: Any, example: str) -> bool:
    return any(pattern.match(example) is not None for pattern in facet.patterns)


def _number(builtin: str, facets: dict[str, Any]) -> str:
    low, high = _WHOLE_NUMBERS.get(builtin, (None, None))
    words = "a decimal number" if builtin == "decimal" else "a whole number"
    if "minExclusive" in facets:
        words += f" over {facets['minExclusive'].value}"
    else:
        low = facets["minInclusive"].value if "minInclusive" in facets else low
        words += "" if low is None else f" from {low}"
    if "maxExclusive" in facets:
        words += f" under {facets['maxExclusive'].value}"
    else:
        high = facets["maxInclusive"].value if "maxInclusive" in facets else high
        words += "" if high is None else f" up to {high}" if low is None else f" to {high}"
    return words


def _length(facets: dict[str, Any]) -> str:
    exact, low, high = (facets[name].value if name in facets else None for name in ("length", "minLength", "maxLength"))
    if exact is None and low == high:
        exact = low
    if exact is not None:
        return f"exactly {exact:,}"
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    if high is not None:
        return f"at most {high:,}"
    return "" if low is None else f"at least {low:,}"


def _digits(facets: dict[str, Any]) -> Iterator[str]:
    if "totalDigits" in facets:
        yield f"at most {facets['totalDigits'].value} digits"
    if "fractionDigits" in facets:
        yield f"at most {facets['fractionDigits'].value} after the decimal point"
