"""What a meter does on an event, as its parties have set it: whether it reports it, tells the HAN, logs it, sounds an alarm.

An electricity meter keeps a string of 256 bits per party and behaviour, in which alert 8Xnn has bit 255 - nn; a gas meter keeps
an octet per event (6.22 and 6.2.10, proven). What cannot be set is always reported and logged.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from functools import cache
from importlib import resources

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import Data, Tag, decode_data
from emulator.premises.state import DeviceState

BITS = 256
PARTIES: Mapping[str, str] = {"supplier": "1 0-30:97.98", "network_operator": "1 0-33:97.98"}
"""Where a party's behaviours lie: class and the first groups of the OBIS code."""


class Octet(IntFlag):
    """Behaviour of a gas meter on one event (test messages GCS20, GCS20r)."""

    LOG = 0x03
    WAN = 0x08
    HAN = 0x10
    ALARM = 0x40


KINDS: Mapping[int, str] = {11: "wan", 12: "han", 13: "alarm", 14: "logged"}
"""Behaviours by group D of what sets them; what reads them is 4 more (usecase_spec.json ECS25a to ECS25r2)."""

READ_OFFSET = 4

_FLAGS: Mapping[str, Octet] = {"wan": Octet.WAN, "han": Octet.HAN, "logged": Octet.LOG, "alarm": Octet.ALARM}


@dataclass(frozen=True, slots=True)
class _Defaults:
    """Which events can be set, and what is so until they are."""

    codes: frozenset[int]
    on: Mapping[str, frozenset[int]]


@cache
def _table() -> Mapping[tuple[DeviceType, str], _Defaults]:
    found = {}
    for row in tomllib.loads(_text())["behaviour"]:
        on = {kind: _codes(row.get(kind, [])) for kind in ("wan", "han", "alarm", "logged")}
        codes = _codes(row.get("silent", [])).union(*on.values())
        found[DeviceType(row["device"]), row["party"]] = _Defaults(codes, on)
    return found


@cache
def log_names() -> Mapping[int, str]:
    """Event codes by the log that keeps them, beside the event log, which keeps the others."""
    return {code: row["name"] for row in tomllib.loads(_text())["log"] for code in _codes(row["codes"])}


def _text() -> str:
    return resources.files("emulator.premises").joinpath("data/events.toml").read_text("utf-8")


def _codes(texts: list[str]) -> frozenset[int]:
    return frozenset(int(text, 16) for text in texts)


def reports(device: DeviceState, code: int) -> bool:
    """Whether an alert goes over the WAN."""
    return _is_on(device, code, "wan")


def logs(device: DeviceState, code: int) -> bool:
    """Whether an event is logged."""
    return _is_on(device, code, "logged")


def _is_on(device: DeviceState, code: int, kind: str) -> bool:
    for party in PARTIES:
        defaults = _table().get((device.device_type, party))
        if defaults is None or code not in defaults.codes:
            continue
        if device.device_type is DeviceType.GSME:
            return bool(octet_of(device, code) & _FLAGS[kind])
        return bits_of(device, party, kind)[_place(code)] == "1"
    return True


def _place(code: int) -> int:
    return BITS - 1 - (code & 0xFF)


# --- electricity meters ----------------------------------------------------------------------------------------------------


def bits_of(device: DeviceState, party: str, kind: str) -> str:
    """The bits of a behaviour as they are."""
    group = next(group for group, named in KINDS.items() if named == kind) + READ_OFFSET
    kept = device.attributes.get(f"{PARTIES[party]}.{group}.255 2")
    if kept is not None:
        return _text_of(decode_data(bytes.fromhex(kept)))
    on = _table()[DeviceType.ESME, party].on[kind]
    places = {_place(code) for code in on}
    return "".join("1" if place in places else "0" for place in range(BITS))


def _text_of(data: Data) -> str:
    if data.tag is not Tag.BIT_STRING or not isinstance(data.value, str):
        raise Malformed(f"{data.tag.name} holds no bits", where="DLMS parameter", expected="a bit string")
    return data.value


def set_bits(device: DeviceState, party: str, kind: str, setting: Data) -> None:
    """Set behaviours: 256 bits say which, 256 to what; :class:`Malformed` for anything else.

    Bits of what cannot be set are passed over.
    """
    text = _text_of(setting)
    if len(text) != 2 * BITS:
        raise Malformed(f"a setting of behaviours has {len(text)} bits", where="DLMS parameter", expected=f"{2 * BITS} bits")
    mask, wanted = text[:BITS], text[BITS:]
    settable = {_place(code) for code in _table()[DeviceType.ESME, party].codes}
    before = bits_of(device, party, kind)
    after = "".join(wanted[place] if mask[place] == "1" and place in settable else before[place] for place in range(BITS))
    group = next(group for group, named in KINDS.items() if named == kind) + READ_OFFSET
    device.attributes[f"{PARTIES[party]}.{group}.255 2"] = Data(Tag.BIT_STRING, after).encode().hex()


# --- gas meters ------------------------------------------------------------------------------------------------------------


def octet_of(device: DeviceState, code: int) -> int:
    """The behaviour of a gas meter on an event that can be set."""
    kept = device.attributes.get(f"event {code:04X}")
    if kept is not None:
        return int(kept, 16)
    on = _table()[DeviceType.GSME, "supplier"].on
    return sum(flag for kind, flag in _FLAGS.items() if code in on[kind])


def set_octet(device: DeviceState, code: int, octet: int) -> bool:
    """Set the behaviour of a gas meter on an event; False where that cannot be set."""
    if code not in _table()[DeviceType.GSME, "supplier"].codes:
        return False
    device.attributes[f"event {code:04X}"] = f"{octet:02X}"
    return True


def settable_codes(device_type: DeviceType, party: str = "supplier") -> list[int]:
    """Events whose behaviour can be set, in order."""
    defaults = _table().get((device_type, party))
    return sorted(defaults.codes) if defaults else []
