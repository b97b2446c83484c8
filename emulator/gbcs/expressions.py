"""The value expressions of the use-case table.

A row says what stands in a payload with a small expression: ``structure(octets(eui(DeviceID)), enum(1))``. It is

* a number ``90`` or ``0x1F``, a text ``'Add'``,
* a parameter by its path ``AddDeviceToCHFWhitelist.JoinTimePeriod``; with ``?`` at the end it may be absent (None),
* ``$counter``, ``$originator``, ``$recipient``, ``$now``, ``$time`` of the message being built,
* a function of expressions; ``each(path, expression)`` evaluates once per element of a list, whose names then come first.

Expressions are compiled when the table is loaded; evaluating one raises :class:`Malformed` that names the parameter.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.gbcs import times
from emulator.gbcs.dlms import NULL, Data, Tag, number
from emulator.gbcs.gbz import encode_zcl


@dataclass(frozen=True, slots=True)
class Environment:
    """What an expression can speak of."""

    parameters: Mapping[str, object]
    counter: int
    originator: Eui64
    recipient: Eui64
    now_ms: int
    time_ms: int = 0
    """The time an Alert carries."""


Expression = Callable[[Environment], object]

_VARIABLES: Mapping[str, Callable[[Environment], object]] = {
    "$counter": lambda env: env.counter,
    "$originator": lambda env: env.originator,
    "$recipient": lambda env: env.recipient,
    "$now": lambda env: env.now_ms,
    "$time": lambda env: env.time_ms,
}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise Malformed(f"{value!r} is not a text")


def integer(value: object) -> int:
    """A decimal text or a number."""
    if isinstance(value, int):
        return value
    try:
        return int(_text(value))
    except ValueError:
        raise Malformed(f"{value!r} is not a whole number") from None


def octets_of(value: object) -> bytes:
    """Hexadecimal text, or octets as they are."""
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(_text(value))
    except ValueError:
        raise Malformed(f"{value!r} is not hexadecimal") from None


def _base64(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode("".join(_text(value).split()), validate=True)
    except binascii.Error:
        raise Malformed("the text is not base64") from None


def _eui(value: object) -> int:
    return value if isinstance(value, int) else parse_eui(_text(value))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value)
    if text not in ("true", "false", "1", "0"):
        raise Malformed(f"{text!r} is not a truth value", expected="true or false")
    return text in ("true", "1")


def moment(value: object) -> int | None:
    """Milliseconds of an xs:dateTime; the cancelling date becomes CANCEL, an absent one stays None."""
    return value if value is None or isinstance(value, int) else times.read_duis(_text(value))


def _choose(value: object, *pairs: object) -> object:
    for key, result in zip(pairs[::2], pairs[1::2], strict=False):
        if key == value:
            return result
    if len(pairs) % 2:
        return pairs[-1]
    raise Malformed(f"{value!r} is not one of the values with a meaning here", expected=", ".join(map(str, pairs[::2])))


def _data(value: object) -> Data:
    if isinstance(value, Data):
        return value
    raise Malformed(f"{value!r} is no DLMS value")


def _items(values: tuple[object, ...]) -> tuple[Data, ...]:
    flat: list[object] = []
    for value in values:
        flat.extend(value if isinstance(value, list) else [value])
    return tuple(_data(value) for value in flat)


def _numeric(tag: Tag) -> Callable[..., Data]:
    return lambda value: number(tag, integer(value))


def _bits(value: object) -> Data:
    text = _text(value)
    if set(text) - {"0", "1"}:
        raise Malformed(f"{text!r} is not a bit string", expected="0 and 1")
    return Data(Tag.BIT_STRING, text)


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "integer": integer,
    "hex": octets_of,
    "base64": _base64,
    "ascii": lambda value: _text(value).encode("ascii", "replace"),
    "eui": _eui,
    "eui_octets": lambda value: _eui(value).to_bytes(8, "big"),
    "moment": moment,
    "flag": _flag,
    "plus": lambda *values: sum(integer(value) for value in values),
    "multiply": lambda left, right: integer(left) * integer(right),
    "default": lambda value, other: other if value is None else value,
    "choose": _choose,
    "cosem_time": lambda at_ms: times.cosem(moment(at_ms)),
    "utc_time": lambda at_ms: times.utc_time(moment(at_ms)),
    "utc_time_publish": lambda at_ms: times.utc_time(moment(at_ms), publish=True),
    "encoded": lambda value: _data(value).encode(),
    "join": lambda *values: b"".join(octets_of(value) for value in values),
    "zcl": lambda type_, value: encode_zcl(type_, value if isinstance(value, bytes) else integer(value)),
    "null": lambda: NULL,
    "octets": lambda value: Data(Tag.OCTET_STRING, octets_of(value)),
    "visible": lambda value: Data(Tag.VISIBLE_STRING, _text(value)),
    "utf8": lambda value: Data(Tag.UTF8_STRING, _text(value)),
    "bits": _bits,
    "boolean": lambda value: number(Tag.BOOLEAN, 0xFF if _flag(value) else 0),
    "structure": lambda *values: Data(Tag.STRUCTURE, _items(values)),
    "array": lambda *values: Data(Tag.ARRAY, _items(values)),
    **{tag.name.lower(): _numeric(tag) for tag in (
        Tag.INT8, Tag.INT16, Tag.INT32, Tag.INT64, Tag.UINT8, Tag.UINT16, Tag.UINT32, Tag.UINT64, Tag.ENUM,
    )},
}  # fmt: skip
"""What a row can call. DLMS types are named by what they hold: ``uint16``, ``octets``, ``structure`` …"""


def look_up(parameters: Mapping[str, object], path: str) -> object:
    """The parameter at a path of names joined by ``.``; None where it is absent."""
    here: object = parameters
    for name in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


_TOKEN = re.compile(r"\s*(?:(0x[0-9A-Fa-f]+|-?\d+)|'([^']*)'|(\$[a-z]+)|([A-Za-z_][\w.]*\??)|([(),]))")


def compile_expression(text: str) -> Expression:
    """Make a function of an expression; :class:`Malformed` where it is not one."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if not found:
            raise Malformed(f"{text!r} is not an expression", where=f"character {position + 1}")
        kind = ("number", "text", "variable", "name", "mark")[(found.lastindex or 1) - 1]
        tokens.append((kind, found[found.lastindex or 1]))
        position = found.end()
    expression, rest = _parse(tokens, text)
    if rest:
        raise Malformed(f"{rest[0][1]!r} follows the end of {text!r}")
    return expression


def _parse(tokens: list[tuple[str, str]], text: str) -> tuple[Expression, list[tuple[str, str]]]:
    if not tokens:
        raise Malformed(f"{text!r} ends too early")
    (kind, word), rest = tokens[0], tokens[1:]
    if kind == "number":
        constant = int(word, 0)
        return lambda env: constant, rest
    if kind == "text":
        return lambda env: word, rest
    if kind == "variable" and word in _VARIABLES:
        return _VARIABLES[word], rest
    if kind != "name":
        raise Malformed(f"{word!r} stands where a value belongs in {text!r}")
    if rest[:1] != [("mark", "(")]:
        return _parameter(word), rest
    arguments, rest = _parse_arguments(rest[1:], text)
    if word == "each":
        return _each(arguments, text), rest
    if word not in FUNCTIONS:
        raise Malformed(f"{word!r} is not a function of the use-case table, in {text!r}")
    return _call(FUNCTIONS[word], arguments), rest


def _parse_arguments(tokens: list[tuple[str, str]], text: str) -> tuple[list[Expression], list[tuple[str, str]]]:
    arguments: list[Expression] = []
    if tokens[:1] == [("mark", ")")]:
        return arguments, tokens[1:]
    while True:
        argument, tokens = _parse(tokens, text)
        arguments.append(argument)
        mark = tokens[0][1] if tokens else ""
        if mark not in (",", ")"):
            raise Malformed(f"a parenthesis is not closed in {text!r}")
        tokens = tokens[1:]
        if mark == ")":
            return arguments, tokens


def _parameter(word: str) -> Expression:
    path, optional = word.removesuffix("?"), word.endswith("?")

    def evaluate(env: Environment) -> object:
        value = look_up(env.parameters, path)
        if value is None and not optional:
            raise Malformed("the parameter is missing", where=path)
        return value

    return evaluate


def _call(function: Callable[..., object], arguments: list[Expression]) -> Expression:
    return lambda env: function(*(argument(env) for argument in arguments))


def _each(arguments: list[Expression], text: str) -> Expression:
    if len(arguments) != 2:
        raise Malformed(f"each takes a list and an expression, in {text!r}")
    source, item = arguments

    def evaluate(env: Environment) -> object:
        found = source(env)
        elements = found if isinstance(found, list | tuple) else [] if found is None else [found]
        inner = [element if isinstance(element, Mapping) else {"item": element} for element in elements]
        return [item(replace(env, parameters={**env.parameters, **element})) for element in inner]

    return evaluate
