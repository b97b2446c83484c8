"""EUI-64s, RequestIDs and the DCC's own identity.

An EUI-64 is kept as an ``int`` so that it can be a column value; text forms exist only at the edges. EUIs compare without
regard to case because stock clients send RequestIDs in lower case and bodies in upper case
(source: reference clients/wire_contract.md section 0 item 4, measured).
"""

import re
from dataclasses import dataclass, field
from typing import NewType

from emulator.domain.errors import Malformed

Eui64 = NewType("Eui64", int)
"""A 64-bit extended unique identifier, 0 .. 2**64-1."""

MAX_COUNTER = 2**64 - 1
"""Largest RequestID counter (source: DUIS schema V5.4, certain)."""

ACCESS_CONTROL_BROKER = Eui64(0x90B3D51F30000002)
"""The EUI by which users address the DCC itself and under which the Access Control Broker acts on devices
(source: DCC Boxed test parties, wire_contract.md section 4.1, certain)."""

TRANSITIONAL_COS = Eui64(0x90B3D51F30000004)
"""The party that gives a device a new supplier (source: gbcs.md section 11, certain)."""

RECOVERY = Eui64(0x90B3D51F30000001)
WAN_PROVIDER = Eui64(0x90B3D51F30000007)
"""The recovery party and the WAN provider (source: gbcs.md section 11, certain)."""

_EUI = re.compile(r"[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){7}|[0-9A-Fa-f]{16}")
_COUNTER = re.compile(r"0|[1-9][0-9]{0,19}")


def parse_eui(text: str) -> Eui64:
    """Read ``00-DB-12-34-56-78-90-A0`` or ``00db1234567890a0``; raise :class:`Malformed` for anything else."""
    if not _EUI.fullmatch(text):
        raise Malformed(f"{text[:60]!r} is not an EUI-64", expected="8 hexadecimal octets joined by hyphens")
    return Eui64(int(text.replace("-", ""), 16))


def format_eui(eui: int) -> str:
    """Write the hyphenated upper-case form used in DUIS."""
    return eui.to_bytes(8, "big").hex("-").upper()


def eui_hex(eui: int) -> str:
    """Write 16 lower-case hexadecimal digits, the form of key-store files."""
    return f"{eui:016x}"


def eui_bytes(eui: int) -> bytes:
    """The 8 octets of the EUI, most significant first: the GBCS system title."""
    return eui.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class RequestId:
    """``originator:target:counter``, the identity of a Service Request (source: DUIS schema V5.4, certain)."""

    originator: Eui64
    target: Eui64
    counter: int
    text: str = field(default="", compare=False)
    """The form in which it arrived; answers echo it unchanged."""

    def __str__(self) -> str:
        return self.text or f"{format_eui(self.originator)}:{format_eui(self.target)}:{self.counter}"

    @classmethod
    def parse(cls, text: str) -> "RequestId":
        """Read the three parts; raise :class:`Malformed` when one is not as the schema has it."""
        parts = text.split(":")
        if len(parts) != 3 or not _COUNTER.fullmatch(parts[2]) or int(parts[2]) > MAX_COUNTER:
            raise Malformed(f"{text[:80]!r} is not a RequestID", expected="originator EUI:target EUI:counter")
        return cls(parse_eui(parts[0]), parse_eui(parts[1]), int(parts[2]), text)
