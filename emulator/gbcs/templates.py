"""Templates that give names to decoded values, as the rows of the use-case table write them.

``"firmware_version:hex"`` names a value and says how to show it; ``"-"`` skips one. A list names the elements of a structure in
order; a list that begins with ``"*devices"`` names an array, and the rest of it each element; one that begins with ``"|"`` holds
lists of which the one with as many names as there are elements counts. Missing elements at the end are left out (a single-element
meter answers without those of the second element).
"""

from collections.abc import Callable, Mapping, Sequence

from emulator.domain.errors import Malformed
from emulator.gbcs import times
from emulator.gbcs.dlms import Data, Tag

Template = str | tuple["Template", ...]
"""See the module's description."""


def _hex(value: object) -> object:
    return value.hex().upper() if isinstance(value, bytes) else value


def _text(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _eui(value: object) -> object:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else value


def _time(value: object) -> object:
    if isinstance(value, bytes):
        try:
            return times.read_cosem(value)
        except Malformed:
            return value.hex().upper()
    return times.read_utc_time(value) if isinstance(value, int) else value


FORMS: Mapping[str, Callable[[object], object]] = {
    "": lambda value: value,
    "hex": _hex,
    "lower_hex": lambda value: value.hex() if isinstance(value, bytes) else value,
    "text": _text,
    "eui": _eui,
    "time": _time,
    "flag": bool,
}
"""How a value is shown: as it is, as hexadecimal or plain text, as EUI-64, as milliseconds, as truth value."""


def make_template(source: object) -> Template:
    """A template from what TOML holds; ``ValueError`` when it is none."""
    if isinstance(source, str):
        if source.partition(":")[2] not in FORMS:
            raise ValueError(f"{source!r} names a form that does not exist")
        return source
    if isinstance(source, list):
        return tuple(make_template(part) for part in source)
    raise ValueError(f"{source!r} is not a template")


def show(template: str, value: object, into: dict[str, object]) -> None:
    """Put one plain value under its name."""
    name, _, form = template.partition(":")
    if name != "-":
        into[name] = FORMS[form](plain(value) if isinstance(value, Data) else value)


def apply(template: Template, data: Data, into: dict[str, object]) -> None:
    """Put the values of ``data`` under the names of ``template``; what does not fit the template is left out."""
    if isinstance(template, str):
        show(template, data, into)
        return
    if template and isinstance(template[0], str) and template[0].startswith("*"):
        into[template[0][1:]] = [_element(template[1:], item) for item in _elements(data)]
        return
    if template and template[0] == "|":
        count = len(_elements(data))
        template = next((part for part in template[1:] if isinstance(part, tuple) and len(part) == count), ())
    for part, item in zip(template, _elements(data), strict=False):
        apply(part, item, into)


def _elements(data: Data) -> Sequence[Data]:
    return data.items if data.tag in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY) else ()


def _element(template: tuple[Template, ...], item: Data) -> object:
    values: dict[str, object] = {}
    apply(template, item, values)
    return values


def plain(data: Data) -> object:
    """A DLMS value as numbers, texts, octets, lists and None."""
    if data.tag in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY):
        return [plain(item) for item in data.items]
    if data.tag is Tag.BOOLEAN:
        return bool(data.value)
    return data.value
