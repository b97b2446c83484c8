"""What the short names of a scenario stand for: users, devices, images, steps.

A device is named by the ``[devices]`` table, by its EUI, or by a selector ``TYPE@home`` in which ``*`` and ``?`` match as in file
names (``ESME@*``, ``*@central``). Whatever matches nothing is :class:`Malformed` with the nearest names that exist.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.estate.model import DeviceDefinition, Estate

SHOWN = 12
"""How many of the names that exist an error lists."""


def suggest(text: str, known: Iterable[str]) -> str:
    """What could be meant by a name that does not exist: the nearest ones, or all when they are few."""
    names = sorted(known)
    near = get_close_matches(text, names, n=3, cutoff=0.6)
    if near:
        return "perhaps " + " or ".join(repr(name) for name in near)
    if not names:
        return "one that is defined first, and none is"
    return "one of " + ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def select(estate: Estate, selector: str) -> tuple[Eui64, ...]:
    """The devices that ``TYPE@home`` names, in the order of the estate; empty when it matches none."""
    kind, _, home_name = selector.partition("@")
    return tuple(
        device.eui
        for home in estate.homes
        if fnmatchcase(home.name, home_name)
        for device in home.devices
        if fnmatchcase(device.device_type.value, kind)
    )


@dataclass(slots=True)
class Names:
    """The names of one scenario. Steps add theirs as they are checked, so that a step can only refer to earlier ones."""

    estate: Estate
    users: dict[str, Eui64] = field(default_factory=dict)
    groups: dict[str, tuple[Eui64, ...]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)
    steps: set[str] = field(default_factory=set)
    _devices: dict[Eui64, DeviceDefinition] = field(default_factory=dict)
    _shown: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, estate: Estate, users: Mapping[str, str], devices: Mapping[str, Sequence[str]]) -> "Names":
        """From the estate and the ``[users]`` and ``[devices]`` tables; raise :class:`Malformed` naming the entry."""
        names = cls(estate)
        for party in estate.parties:
            if party.roles:
                names.users[party.name] = party.eui
                names._shown[party.eui] = party.name
        for home in estate.homes:
            types = [device.device_type for device in home.devices]
            for device in home.devices:
                names._devices[device.eui] = device
                if types.count(device.device_type) == 1:
                    names._shown[device.eui] = f"{device.device_type}@{home.name}"
        for name, text in users.items():
            names.users[name] = eui = names.user(text, f"users.{name}")
            names._shown[eui] = name
        for name, texts in devices.items():
            names._declare(name, texts)
        return names

    def _declare(self, name: str, texts: Sequence[str]) -> None:
        if "@" in name or _eui(name) is not None:
            raise Malformed(f"{name!r} cannot name a device", where="devices", expected="a name without @ that is no EUI")
        found: list[Eui64] = []
        for text in texts:
            eui = _eui(text)
            found += [eui] if eui is not None else self._resolve(text, f"devices.{name}")
        self.groups[name] = tuple(dict.fromkeys(found))
        if len(self.groups[name]) == 1:
            self._shown[self.groups[name][0]] = name

    # Looking up

    def user(self, text: str, where: str) -> Eui64:
        """The User ID that a name or an EUI stands for."""
        if text in self.users:
            return self.users[text]
        eui = _eui(text)
        if eui is not None and eui in self.users.values():
            return eui
        raise Malformed(f"{text!r} is not a user of the estate", where=where, expected=suggest(text, self.users))

    def users_of(self, texts: Iterable[str], where: str) -> tuple[Eui64, ...]:
        """Several users, each once."""
        return tuple(dict.fromkeys(self.user(text, where) for text in texts))

    def device(self, text: str, where: str) -> Eui64:
        """The one device that a name stands for."""
        found = self._resolve(text, where)
        if len(found) != 1:
            raise Malformed(f"{text!r} is {len(found)} devices", where=where, expected="the name of a single device")
        return found[0]

    def devices_of(self, texts: Iterable[str], where: str) -> tuple[Eui64, ...]:
        """All devices that names stand for, each once, in order."""
        return tuple(dict.fromkeys(eui for text in texts for eui in self._resolve(text, where)))

    def definition(self, text: str, where: str) -> DeviceDefinition:
        """How the estate declares the one device that a name stands for."""
        found = self._devices.get(self.device(text, where))
        if found is None:
            raise Malformed(f"{text!r} is not in the estate", where=where, expected="a device of the estate")
        return found

    def company(self, text: str, where: str) -> str:
        """The party that a company's name, or a user's, stands for."""
        companies = {party.party for party in self.estate.parties}
        if text in companies:
            return text
        if text in self.users:
            return next(party.party for party in self.estate.parties if party.eui == self.users[text])
        raise Malformed(f"{text!r} is not a party", where=where, expected=suggest(text, companies | set(self.users)))

    def known(self, kind: str, text: str, defined: set[str], where: str) -> str:
        """``text``, when a step before this one defined it."""
        if text not in defined:
            raise Malformed(f"no step before this one defines {kind} {text!r}", where=where, expected=suggest(text, defined))
        return text

    def shown(self, eui: int) -> str:
        """A device or user as reports name it: its short name, its selector, or its EUI."""
        return self._shown.get(eui) or format_eui(eui)

    def _resolve(self, text: str, where: str) -> tuple[Eui64, ...]:
        if text in self.groups:
            return self.groups[text]
        if "@" in text:
            found = select(self.estate, text)
            if found:
                return found
            known = {f"{device.device_type}@{home.name}" for home in self.estate.homes for device in home.devices}
            raise Malformed(f"selector {text!r} matches no device", where=where, expected=suggest(text, known))
        eui = _eui(text)
        if eui is None:
            remedy = suggest(text, self.groups) if self.groups else "a selector such as ESME@central, or a name of [devices]"
            raise Malformed(f"there is no device {text!r}", where=where, expected=remedy)
        if eui not in self._devices and eui not in {each for group in self.groups.values() for each in group}:
            remedy = "an EUI of the estate; one that is meant to be unknown is declared under [devices]"
            raise Malformed(f"{text} is not in the estate", where=where, expected=remedy)
        return (eui,)


def _eui(text: str) -> Eui64 | None:
    return parse_eui(text) if re.fullmatch(r"[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){7}|[0-9A-Fa-f]{16}", text) else None
