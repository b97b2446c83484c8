"""The value expressions of the use-case table.

A row says what stands in a payload with a small expression: ``structure(octets(eui(DeviceID)), enum(1))``. It is

* a number ``90`` or ``0x1F``, a text ``'Add'``,
* a parameter by its path ``AddDeviceToCHFWhitelist.JoinTimePeriod``; with ``?`` at the end it may be absent (None),
* ``$counter``, ``$originator``, ``$recipient``, ``$party`` (whom it is for), ``$now``, ``$time`` of the message being built,
* a function of expressions (:data:`emulator.gbcs.functions.FUNCTIONS`); ``each(list, expression)`` evaluates once per element of
  a list, whose names then come first (``item`` for a plain value; ``$element`` is it, ``$place`` its number from 1);
  ``if(test, one, other)`` evaluates only what it chooses.

Attributes of a DUIS element stand beside its children under their names; the text of an element that has attributes is ``text``.

Expressions are compiled when the table is loaded; evaluating one raises :class:`Malformed` that names the parameter.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs.calendars import listed
from emulator.gbcs.functions import FUNCTIONS, look_up


class Environment(NamedTuple):
    """What an expression can speak of."""

    parameters: Mapping[str, object]
    counter: int
    originator: Eui64
    recipient: Eui64
    now_ms: int
    time_ms: int = 0
    """The time an Alert carries."""
    party: Eui64 | None = None
    """The supplementary remote party; None: the originator speaks for itself."""
    place: int = 0
    """Which element of a list is looked at, from 1."""
    element: object = None
    """That element."""


Expression = Callable[[Environment], object]

_VARIABLES: Mapping[str, Callable[[Environment], object]] = {
    "$counter": lambda env: env.counter,
    "$originator": lambda env: env.originator,
    "$recipient": lambda env: env.recipient,
    "$now": lambda env: env.now_ms,
    "$time": lambda env: env.time_ms,
    "$party": lambda env: env.originator if env.party is None else env.party,
    "$place": lambda env: env.place,
    "$element": lambda env: env.element,
}


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
    if word == "if":
        return _if(arguments, text), rest
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
    return lambda env: [item(inner) for inner in elements(source(env), env)]


def elements(found: object, env: Environment) -> list[Environment]:
    """What an expression sees for each element of a list."""
    seen = []
    for place, element in enumerate(listed(found), start=1):
        names = element if isinstance(element, Mapping) else {"item": element}
        seen.append(env._replace(parameters={**env.parameters, **names}, place=place, element=element))
    return seen


def _if(arguments: list[Expression], text: str) -> Expression:
    if len(arguments) != 3:
        raise Malformed(f"if takes a condition and two expressions, in {text!r}")
    condition, one, other = arguments
    return lambda env: one(env) if condition(env) else other(env)
