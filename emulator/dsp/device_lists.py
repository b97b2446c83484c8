"""Lists of devices as firmware requests name them: read once, however many parts of the DSP look at them.

What a list says follows from its text alone, so what was read is kept for those who ask next. A list of 50,000 is read as one run
of octets, because nobody else is answered while a request is checked.
"""

import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui

_EUI: Final = r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}"
_WHOLE: Final = re.compile(rf"{_EUI}(?:,{_EUI})*+")
"""A list all of whose names are in the usual form."""
_NAME_CHARACTERS: Final = 24
"""A name in the usual form and what parts it from the next."""
_KEPT_LISTS: Final = 4
"""The text and numbers of the longest list are about 5 MB."""


@dataclass(frozen=True)
class DeviceList:
    """The devices that a text names."""

    count: int
    """How many names there are, those that cannot be read and repetitions included."""
    euis: tuple[Eui64, ...]
    """Each device that can be read once, in the order in which it is first named."""
    readable: int
    """How many of the names can be read, repetitions included."""
    unreadable: str | None = None
    """The first name that is none."""

    @cached_property
    def listing(self) -> "Listing":
        """The same devices for the audit trail."""
        return listing(self.euis)


@dataclass(frozen=True, slots=True)
class Listing:
    """Devices by EUI, each once, as records name them."""

    digest: str
    """One name for these devices."""
    names: tuple[str, ...]


@lru_cache(maxsize=_KEPT_LISTS)
def read_list(text: str) -> DeviceList:
    """Read ``00-DB-12-34-56-78-90-A0,00-DB-…``; what cannot be read is left out and told."""
    if len(text) % _NAME_CHARACTERS == _NAME_CHARACTERS - 1 and _WHOLE.fullmatch(text):
        octets = bytes.fromhex(text.replace("-", "").replace(",", ""))
        found = struct.unpack(f">{len(octets) // 8}Q", octets)
        return DeviceList(len(found), tuple(dict.fromkeys(map(Eui64, found))), len(found))
    names, euis = text.split(","), []
    unreadable: str | None = None
    for name in names:
        try:
            euis.append(parse_eui(name))
        except Malformed:
            unreadable = name if unreadable is None else unreadable
    return DeviceList(len(names), tuple(dict.fromkeys(euis)), len(euis), unreadable)


NOTHING_LISTED: Final = DeviceList(0, (), 0)
"""What a request names that has no list."""


def listing(devices: Iterable[int]) -> Listing:
    """Name devices for a record."""
    octets = _octets(devices)
    text = octets.hex("-").upper()
    names = tuple([text[start : start + _NAME_CHARACTERS - 1] for start in range(0, len(text), _NAME_CHARACTERS)])
    return Listing(hashlib.sha256(octets).hexdigest(), names)


def devices_digest(devices: Iterable[int]) -> str:
    """One name for a list of devices, whatever its order and however often it names one."""
    return hashlib.sha256(_octets(devices)).hexdigest()


def _octets(devices: Iterable[int]) -> bytes:
    euis = sorted(set(devices))
    return struct.pack(f">{len(euis)}Q", *euis)
