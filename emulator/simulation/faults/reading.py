"""A fault as people write it, the same everywhere: scenario files, plan files, control API, command line, tests.

``kind``; whom: ``device`` (an EUI or a list of them) or ``who`` (a selector); when: ``from`` and ``to`` (or ``from_ms`` and
``to_ms``), ``chance``, ``times``, ``after``, ``counted``, ``daily``; ``params`` of the kind; ``name`` for people.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.simulation.clock import MAX_INSTANT_MS
from emulator.simulation.durations import DAY_MS, DURATION_FORM, HOUR_MS, INSTANT_FORM, MINUTE_MS, duration_ms, read_instant
from emulator.simulation.faults.kinds import Value
from emulator.simulation.faults.plan import Counted, FaultEntry, read_params
from emulator.simulation.faults.selectors import Selector, nearest, read_ratio, read_selector

KEYS: Mapping[str, str] = {
    "kind": "what goes wrong",
    "device": "whom it hits: the EUI of a hub or device, or a list of them; see who",
    "who": "whom it hits: a table of conditions that must all hold; everyone when not given",
    "from": f"from when: {INSTANT_FORM}, or a span from now; at once when not given",
    "to": "until when, the same way, exclusive; for ever when not given",
    "from_ms": "from when, as milliseconds of UTC",
    "to_ms": "until when, as milliseconds of UTC",
    "chance": "how likely it is on an occasion: [n, d]; always when not given",
    "times": "how often it may happen; without limit when not given",
    "after": "how many occasions it lets pass first",
    "counted": "whose occasions after and times count: all (together) or each (every hub or device for itself)",
    "daily": "only between two times of the day, UTC, such as ['22:00', '06:00']",
    "params": "what the kind needs beside that",
    "name": "for people",
}
"""Every key and what it means."""

MAX_DEVICES = 10_000
"""Devices that one fault may list."""
MAX_FAULTS = 1_000
"""Faults of one plan file."""
MAX_COUNT = 2**31


def read_fault(values: Mapping[str, object], now_ms: int, start_ms: int | None = None) -> FaultEntry:
    """The fault that values describe, not yet in a plan; spans count from ``now_ms``, ``start`` is ``start_ms``.

    Raise :class:`Malformed` with key and remedy for whatever is wrong or could never happen.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in KEYS:
            raise Malformed(
                f"{str(name)[:40]!r} is not a key of a fault", where=str(name)[:40], expected=nearest(str(name), KEYS)
            )
    if "kind" not in given:
        raise Malformed("kind is missing", where="kind", expected="what goes wrong")
    devices, who = _whom(given)
    from_ms, to_ms = (_instant(given, name, now_ms, start_ms) for name in ("from", "to"))
    if to_ms is not None and to_ms <= max(now_ms, from_ms or 0):
        detail = "it is past by now" if to_ms <= now_ms else "the fault would end before it begins"
        raise Malformed(detail, where="to" if "to" in given else "to_ms", expected="a later instant")
    return FaultEntry(
        *(0, _text(given, "kind"), next(iter(devices)) if len(devices) == 1 else None, from_ms or 0, to_ms),
        times=_count(given, "times", 1) if "times" in given else None,
        params=_params(given),
        devices=devices if len(devices) > 1 else frozenset(),
        who=who,
        after=_count(given, "after", 0) if "after" in given else 0,
        counted=_counted(given),
        chance=read_ratio(given["chance"], "chance") if "chance" in given else None,
        daily=_daily(given["daily"]) if "daily" in given else None,
        name=_text(given, "name") if "name" in given else "",
    )


def read_plan(data: bytes, source: str) -> list[dict[str, Any]]:
    """The faults of a plan file, tables ``[[faults]]`` in TOML, still as they are written.

    Raise :class:`Malformed` where it is no such file; :func:`read_fault` reads each.
    """
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(str(error), where=source, expected="TOML 1.0") from None
    strange = [name for name in document if name != "faults"]
    if strange:
        raise Malformed(f"{strange[0][:40]!r} is not a key of a fault plan", where=source, expected="tables [[faults]]")
    listed = document.get("faults", [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed) or len(listed) > MAX_FAULTS:
        raise Malformed("faults is not right", where=source, expected=f"at most {MAX_FAULTS} tables [[faults]]")
    return [{name: _plain(value) for name, value in each.items()} for each in listed]


def _plain(value: object) -> object:
    """TOML has instants and times of its own; everywhere else they are text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _text(given: Mapping[str, object], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 200:
        raise Malformed(f"{name} is {str(value)[:60]!r}", where=name, expected="a text in quotes, at most 200 characters")
    return value


def _count(given: Mapping[str, object], name: str, least: int) -> int:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < MAX_COUNT:
        raise Malformed(f"{name} is {str(value)[:40]!r}", where=name, expected=f"a whole number, {least} or more")
    return value


def _counted(given: Mapping[str, object]) -> Counted:
    value = given.get("counted", Counted.ALL)
    if value not in list(Counted):
        raise Malformed(f"counted is {str(value)[:40]!r}", where="counted", expected="one of all, each")
    return Counted(str(value))


def _params(given: Mapping[str, object]) -> dict[str, Value]:
    params = given.get("params", {})
    if not isinstance(params, Mapping):
        raise Malformed(f"params is {str(params)[:40]!r}", where="params", expected="a table of names and values")
    return read_params(_text(given, "kind"), params)


def _whom(given: Mapping[str, object]) -> tuple[frozenset[int], Selector]:
    who = read_selector(given["who"]) if "who" in given else Selector()
    if "device" not in given:
        return frozenset(), who
    if who.wanted or who.share:
        raise Malformed("both device and who are given", where="who", expected="one of them; who takes eui, too")
    device = given["device"]
    listed = device if isinstance(device, list | tuple) else [device]
    if not 0 < len(listed) <= MAX_DEVICES:
        raise Malformed(f"device has {len(listed)} entries", where="device", expected=f"1 to {MAX_DEVICES} EUIs")
    euis: list[int] = []
    for each in listed:
        if not isinstance(each, str):
            raise Malformed(f"device is {str(each)[:60]!r}", where="device", expected="an EUI in quotes, or a list of them")
        try:
            euis.append(parse_eui(each))
        except Malformed as error:
            raise Malformed(error.detail, where="device", expected=error.expected) from None
    return frozenset(euis), who


def _instant(given: Mapping[str, object], name: str, now_ms: int, start_ms: int | None) -> int | None:
    number, text = given.get(f"{name}_ms"), given.get(name)
    if number is not None and text is not None:
        raise Malformed(f"both {name} and {name}_ms are given", where=name, expected="one of them")
    if number is not None:
        where, at_ms = f"{name}_ms", number
    elif text is not None:
        where, at_ms = name, _written(text, name, now_ms, start_ms)
    else:
        return None
    if isinstance(at_ms, bool) or not isinstance(at_ms, int) or not 0 <= at_ms <= MAX_INSTANT_MS:
        raise Malformed(f"{where} is {str(at_ms)[:40]}", where=where, expected=f"0 to {MAX_INSTANT_MS} milliseconds of UTC")
    return at_ms


def _written(text: object, name: str, now_ms: int, start_ms: int | None) -> int:
    try:
        if isinstance(text, str) and re.fullmatch(r"(\d+\s*[a-z]+\s*)+", text.strip()):
            return now_ms + duration_ms(text)
        instant = read_instant(text)
    except Malformed as error:
        remedy = f"{INSTANT_FORM}, or a span from now: {DURATION_FORM}"
        raise Malformed(error.detail, where=name, expected=remedy) from None
    if instant.base == "start" and start_ms is None:
        raise Malformed(f"{instant} means nothing here", where=name, expected="an instant, or a span from now such as '2 h'")
    return instant.at_ms(start_ms or 0, now_ms)


def _daily(raw: object) -> tuple[int, int]:
    expected = "two different times of the day, UTC, such as ['22:00', '06:00']"
    listed = raw if isinstance(raw, list | tuple) else str(raw).split("-")
    found = [re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", each.strip()) if isinstance(each, str) else None for each in listed]
    if len(found) == 2 and found[0] is not None and found[1] is not None:
        begin_ms, end_ms = (int(match[1]) * HOUR_MS + int(match[2]) * MINUTE_MS for match in found if match is not None)
        if begin_ms != end_ms:
            return begin_ms % DAY_MS, end_ms % DAY_MS
    raise Malformed(f"{str(raw)[:60]!r} is no part of the day", where="daily", expected=expected)
