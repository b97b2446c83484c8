"""How verbs read their parameters: each is taken, checked and refused by name."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.dsp.audit import Entry
from emulator.dsp.state import User
from emulator.engine import Engine
from emulator.simulation.clock import MAX_INSTANT_MS

Params = Mapping[str, Any]
HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")
MAX_URL = 2_000
MAX_TEXT = 200
"""Longest text parameter but an endpoint; far above every text of the inventory."""


def take(params: Params, name: str, kind: type, default: Any = ...) -> Any:
    """One parameter; an absent or null one is ``default`` where there is one."""
    value = params.get(name)
    if value is None and default is not ...:
        return default
    if value is None:
        raise Malformed(f"{name} is missing", where=name, expected=f"a value of type {kind.__name__}")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{name} is {str(value)[:60]!r}", where=name, expected=f"a value of type {kind.__name__}")
    return value


def text(params: Params, name: str, default: Any = ...) -> Any:
    """A text that can be shown and sent: printable, and not endless."""
    value = take(params, name, str, default)
    if isinstance(value, str) and not (value.isprintable() and len(value) <= MAX_TEXT):
        raise Malformed(f"{name} is {value[:60]!r}", where=name, expected=f"at most {MAX_TEXT} printable characters")
    return value


def word(params: Params, name: str, vocabulary: type[StrEnum], default: Any = ...) -> Any:
    """A word of a vocabulary."""
    value = take(params, name, str, default)
    try:
        return vocabulary(value)
    except ValueError:
        raise Malformed(f"there is no {name} {value[:60]!r}", where=name, expected=f"one of {', '.join(vocabulary)}") from None


def hexadecimal(params: Params, name: str, digits: int, default: Any = ...) -> Any:
    """``digits`` hexadecimal digits; an empty text only where that is the default."""
    value = take(params, name, str, default)
    if value != default and (len(value) != digits or not set(value) <= HEX_DIGITS):
        raise Malformed(f"{name} is {value[:80]!r}", where=name, expected=f"{digits} hexadecimal digits")
    return value


def instant(params: Params, name: str, default: Any = ...) -> Any:
    """An instant in milliseconds of UTC."""
    value = take(params, name, int, default)
    if value is not None and not 0 <= value <= MAX_INSTANT_MS:
        raise Malformed(f"{name} is {value}", where=name, expected=f"0 to {MAX_INSTANT_MS} milliseconds of UTC")
    return value


def eui_of(params: Params, name: str, default: Any = ...) -> Any:
    """An EUI in any of its spellings."""
    value = take(params, name, str, default)
    if value is None:
        return None
    try:
        return parse_eui(value)
    except Malformed as error:
        raise Malformed(error.detail, where=name, expected=error.expected) from None


def only(params: Params, *names: str) -> None:
    """Refuse parameters that the verb does not have."""
    for name in params:
        if name not in names:
            raise Malformed(f"{name!r} is not a parameter", where=str(name), expected=f"one of {', '.join(names)}")


def user_of(engine: Engine, params: Params) -> User:
    """The user that ``user`` names."""
    eui = eui_of(params, "user")
    user = engine.state.dsp.users.get(eui)
    if user is None:
        known = ", ".join(format_eui(each) for each in sorted(engine.state.dsp.users))
        raise Malformed(f"{format_eui(eui)} is not a user", where="user", expected=f"one of {known}")
    return user


def device_of(engine: Engine, params: Params) -> Eui64:
    """The device of the estate that ``device`` names."""
    eui: Eui64 = eui_of(params, "device")
    if engine.premises.describe(eui, engine.now_ms) is None:
        raise Malformed(f"{format_eui(eui)} is in no home", where="device", expected="the EUI of a device of the estate")
    return eui


def audit(engine: Engine, kind: str, outcome: str, reason: str, *, user: str = "") -> None:
    """Record a decision of the operator."""
    engine.context.audit(Entry(kind, outcome, reason, user=user))
