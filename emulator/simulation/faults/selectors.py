"""Whom a fault hits: hubs or devices by what can be told about them.

The lower layers do not know the estate, so whoever asks gives the facts: a mapping from the names of :data:`FACTS` to texts,
looked up when a selector needs them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import CspRegion, DeviceType, UserRole
from emulator.simulation.draws import Ratio, happens

Facts = Mapping[str, tuple[str, ...]]
"""What can be told about one hub or device; what cannot is an empty tuple."""
FindFacts = Callable[[int], Facts]
"""The facts of the hub or device with this EUI; empty ones where there is none."""

SHOWN = 12
"""How many of the values that exist an error lists."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something by which hubs and devices can be selected."""

    meaning: str
    choices: tuple[str, ...] = ()
    """All values there are; empty where they depend on the estate."""
    changes: bool = False
    """Whether it may change while the world runs: then a selector that matches nobody now may match somebody later."""


FACTS: Mapping[str, Fact] = {
    "eui": Fact("the EUI itself"),
    "hub": Fact("EUI of the hub of its home; of a hub its own"),
    "type": Fact("device type; CHF for hubs", tuple(DeviceType)),
    "manufacturer": Fact("manufacturer, four hexadecimal digits for most types; of a hub the CHF's"),
    "model": Fact("model, eight hexadecimal digits for most types; of a hub the CHF's"),
    "region": Fact("CSP region", tuple(CspRegion)),
    "technology": Fact("how its hub is reached: a WAN technology such as `cellular` or `radio`"),
    "hub_variant": Fact("HAN variant of its hub, such as `Single Band`"),
    "connectivity": Fact("WAN variant of its hub as the inventory has it, such as `Cellular`"),
    "firmware_version": Fact("the version that runs at that moment, eight hexadecimal digits", changes=True),
    "supplier": Fact(
        "company, name or EUI of the supplier whose certificates it holds at that moment; of a hub any of its home", changes=True
    ),
    "role": Fact("role in which a user acts; of users only", tuple(UserRole)),
    "user": Fact("company, name or EUI of a user; of users only"),
}
"""The names that a selector may use, beside ``share``."""


@dataclass(frozen=True, slots=True)
class Selector:
    """All conditions must hold; of the values of one condition any."""

    wanted: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name of a fact and its values, in which ``*`` and ``?`` match as in file names; case makes no difference."""
    share: Ratio | None = None
    """Of those that all this is true of, on average so many; who they are follows from the seed and the fault's number."""

    def matches(self, facts: Facts) -> bool:
        """Whether the conditions hold, the share left aside."""
        return all(any_matches(values, facts.get(name, ())) for name, values in self.wanted)

    def takes(self, entity: int, seed: int, key: str) -> bool:
        """Whether the share includes an entity."""
        return self.share is None or happens(self.share, seed, entity, 0, f"{key} share")

    def lasting(self, *, share: bool = False) -> "Selector":
        """The conditions on what does not change, with or without the share."""
        wanted = tuple((name, values) for name, values in self.wanted if not FACTS[name].changes)
        return Selector(wanted, self.share if share else None)

    def __str__(self) -> str:
        said = [f"{name} {' or '.join(values)}" for name, values in self.wanted]
        if self.share is not None:
            said.append(f"{self.share.numerator} of {self.share.denominator}")
        return ", ".join(said) or "everyone"


def any_matches(patterns: Iterable[str], values: Iterable[str]) -> bool:
    """Whether a value is as one of the patterns has it."""
    return any(_matches(pattern, value) for pattern in patterns for value in values)


def _matches(pattern: str, value: str) -> bool:
    pattern, value = pattern.upper(), value.upper()
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(value, pattern.replace("[", "[[]"))
    return pattern == value


def read_selector(raw: object, where: str = "who") -> Selector:
    """A selector as files and calls have it: names of facts with a text or a list of texts, and ``share`` as ``[n, d]``.

    Raise :class:`Malformed` for unknown names and for values that cannot exist.
    """
    if not isinstance(raw, Mapping):
        raise Malformed(f"{where} is {str(raw)[:40]!r}", where=where, expected=f"a table with {', '.join(FACTS)} or share")
    wanted: list[tuple[str, tuple[str, ...]]] = []
    share = None
    for name, value in raw.items():
        place = f"{where}.{str(name)[:40]}"
        if name == "share":
            share = read_ratio(value, place)
        elif name not in FACTS:
            raise Malformed(f"{str(name)[:40]!r} selects nobody", where=where, expected=nearest(str(name), [*FACTS, "share"]))
        elif value is not None:
            wanted.append((name, _values(name, value, place)))
    return Selector(tuple(wanted), share)


def _values(name: str, raw: object, where: str) -> tuple[str, ...]:
    listed: list[Any] = list(raw) if isinstance(raw, list | tuple) else [raw]
    if not listed or not all(isinstance(each, str) and each.isprintable() and 0 < len(each) <= 200 for each in listed):
        raise Malformed(f"{name} is {str(raw)[:60]!r}", where=where, expected="a text in quotes, or a list of them")
    choices = FACTS[name].choices
    for each in listed:
        if choices and not any_matches([each], choices):
            raise Malformed(f"there is no {name} {each[:40]!r}", where=where, expected=nearest(each, choices))
    return tuple(_eui_form(each) if name in ("eui", "hub") else each for each in listed)


def _eui_form(text: str) -> str:
    """EUIs and beginnings of them compare in the hyphenated form."""
    bare = text.rstrip("*")
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){1,8}", bare) or text.count("*") > 1:
        return text
    return "-".join(re.findall("..", bare.upper())) + text[len(bare) :]


def read_ratio(raw: object, where: str) -> Ratio:
    """``[n, d]`` or ``"n/d"``, not 0 and not more than 1; raise :class:`Malformed` otherwise."""
    expected = "[n, d] with whole numbers and 0 < n <= d, such as [1, 20]"
    parts: object = raw.split("/") if isinstance(raw, str) else raw
    if isinstance(parts, list | tuple) and len(parts) == 2:
        numbers = [int(part) if isinstance(part, str) and part.isascii() and part.isdecimal() else part for part in parts]
        first, second = numbers
        if all(isinstance(each, int) and not isinstance(each, bool) for each in numbers) and 0 < first <= second < 2**31:
            return Ratio(first, second)
    raise Malformed(f"{str(raw)[:40]!r} is not a share or chance", where=where, expected=expected)


def check_selects(selector: Selector, subject: str, population: Iterable[int], find_facts: FindFacts) -> None:
    """Raise :class:`Malformed` with the remedy when a selector can match nobody of a population.

    What may change while the world runs, and the share, are not held against it.
    """
    lasting, everyone = selector.lasting(), [find_facts(entity) for entity in population]
    if not lasting.wanted or any(lasting.matches(facts) for facts in everyone):
        return
    for name, values in lasting.wanted:
        existing = sorted({value for facts in everyone for value in facts.get(name, ())})
        for value in values:
            if not any_matches([value], existing):
                raise Malformed(f"no {subject} has {name} {value!r}", where=f"who.{name}", expected=nearest(value, existing))
    raise Malformed(f"no {subject} is all of this: {lasting}", where="who", expected="conditions that hold together")


def nearest(text: str, known: Iterable[str]) -> str:
    """What could be meant by a name that does not exist: the nearest ones, or all when they are few."""
    names = sorted(map(str, known))
    near = get_close_matches(text, names, n=3, cutoff=0.6)
    if near:
        return "perhaps " + " or ".join(repr(name) for name in near)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"one of {', '.join(names[:SHOWN])}{more}" if names else "nothing: there is none"
