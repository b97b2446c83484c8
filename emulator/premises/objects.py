"""The object stores of the devices: COSEM and ZCL attributes by device type, from ``data/objects/*.toml``.

A value that was set stays; everything else follows from the device, the seed and the time, and is not stored.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from emulator.domain.errors import Broken
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs import dlms
from emulator.gbcs.dlms import Access, Attribute, Data, Tag, decode_data
from emulator.gbcs.gbz import OCTET_STRING, ZclValue
from emulator.gbcs.protected import ProtectedAttribute
from emulator.premises.context import Context
from emulator.premises.readings import Reading, stored
from emulator.premises.rules import RULES
from emulator.premises.state import DeviceState

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
"""``{1..5}`` in an attribute: the row stands for each number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of a kind of device."""

    rule: str
    constant: bytes
    type: int
    mirrored: bool
    settable: bool
    variants: str
    """First letters of the ESME variants that have it; empty: all."""
    source: str
    confidence: str

    def fits(self, device: DeviceState) -> bool:
        """Whether a device of this type has the attribute by its variant."""
        return not self.variants or (device.definition.esme_variant or "A")[0] in self.variants


@cache
def rows(kind: str) -> Mapping[tuple[str, DeviceType], Row]:
    """The rows of ``cosem`` or ``zcl``, by attribute and device type; :class:`Broken` for a wrong one."""
    found: dict[tuple[str, DeviceType], Row] = {}
    for file in sorted(resources.files("emulator.premises").joinpath("data/objects").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        for raw in tomllib.loads(file.read_text("utf-8")).get(kind, []):
            row = _row(raw, kind, file.name)
            for key in ((attribute, DeviceType(name)) for attribute in _expanded(raw["attribute"]) for name in raw["devices"]):
                if key in found:
                    raise Broken(f"{file.name}: {key[1]} has {key[0]} twice")
                found[key] = row
    return found


def _expanded(attribute: str) -> Iterator[str]:
    """The attributes that a row with ``{a..b}`` stands for."""
    match = _RANGE.search(attribute)
    if match is None:
        yield attribute
        return
    for number in range(int(match[1]), int(match[2]) + 1):
        yield from _expanded(f"{attribute[: match.start()]}{number}{attribute[match.end() :]}")


def _row(raw: Mapping[str, Any], kind: str, file: str) -> Row:
    type_ = raw.get("type", 0)
    rule = raw.get("rule", "")
    if rule and rule not in RULES:
        raise Broken(f"{file}: {raw['attribute']} has the unknown rule {rule}")
    return Row(
        rule=rule,
        constant=bytes.fromhex(raw.get("constant", "")),
        type=Tag[type_] if kind == "cosem" and type_ else type_,
        mirrored=raw.get("mirrored", False),
        settable=raw.get("settable", False),
        variants=raw.get("variants", ""),
        source=raw["source"],
        confidence=raw["confidence"],
    )


def cosem_row(device: DeviceState, attribute: str) -> Row | None:
    """The row of an attribute that this device has, or None."""
    row = rows("cosem").get((attribute, device.device_type))
    return row if row is not None and row.fits(device) else None


def read_cosem(
    context: Context, device: DeviceState, wanted: Attribute | Access | ProtectedAttribute, now_ms: int
) -> Data | None:
    """The value of a COSEM attribute, or None where the device has none."""
    attribute = wanted if isinstance(wanted, Attribute) else wanted.attribute
    key = str(attribute)
    row = cosem_row(device, key)
    if row is None:
        return None
    if (kept := stored(device, key)) is not None:
        return kept
    if not row.rule:
        return decode_data(row.constant)
    reading = Reading(context, device, now_ms, key)
    if isinstance(wanted, Access):
        reading = replace(reading, selector=wanted.selector, selection=wanted.selection)
    elif isinstance(wanted, ProtectedAttribute):
        reading = replace(reading, period=wanted.period)
    value = RULES[row.rule](reading)
    if isinstance(value, Data):
        return value
    return dlms.octets(value) if isinstance(value, bytes) else dlms.number(Tag(row.type), value)


def read_zcl(context: Context, device: DeviceState, cluster: int, attribute: int, now_ms: int) -> ZclValue | None:
    """The value of a ZCL attribute, or None where the device has none."""
    key = zcl_key(cluster, attribute)
    row = rows("zcl").get((key, device.device_type))
    if row is None:
        return None
    subject = mirrored(context, device) if row.mirrored else device
    if subject is None:
        return None
    if key in subject.attributes:
        return _zcl_value(row, bytes.fromhex(subject.attributes[key]))
    if not row.rule:
        return _zcl_value(row, row.constant)
    value = RULES[row.rule](Reading(context, subject, now_ms, key))
    assert not isinstance(value, Data), "rules of ZCL attributes give numbers or octets"
    return ZclValue(row.type, value)


def write_zcl(device: DeviceState, cluster: int, attribute: int, value: int | bytes) -> None:
    """Set a ZCL attribute: a number, kept as the shortest big-endian octets, or the octets of a string."""
    octets = value if isinstance(value, bytes) else value.to_bytes(max(1, (value.bit_length() + 8) // 8), "big", signed=value < 0)
    device.attributes[zcl_key(cluster, attribute)] = octets.hex()


def zcl_key(cluster: int, attribute: int) -> str:
    """How a ZCL attribute is named in tables and state."""
    return f"{cluster:04X} {attribute:04X}"


_SIGNED, _STRINGS = range(0x28, 0x30), range(OCTET_STRING, OCTET_STRING + 4)


def _zcl_value(row: Row, octets: bytes) -> ZclValue:
    if row.type in _STRINGS:
        return ZclValue(row.type, octets)
    return ZclValue(row.type, int.from_bytes(octets, "big", signed=row.type in _SIGNED))


def mirrored(context: Context, device: DeviceState) -> DeviceState | None:
    """Whose values a device answers with: its own, or for a GPF those of the gas meter of its home."""
    if device.device_type is not DeviceType.GPF:
        return device
    home = (context.state.devices[eui] for eui in context.hub_of(device).devices)
    return next((other for other in home if other.device_type is DeviceType.GSME), None)
