"""The object stores of the devices: COSEM attributes and ZCL attributes by device type, from ``data/objects.toml``.

A value that was set stays; everything else follows from the device, the seed and the time, and is not stored.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import eui_bytes
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs import dlms
from emulator.gbcs.dlms import Attribute, Data, Tag, decode_data
from emulator.gbcs.gbz import ZclValue
from emulator.gbcs.times import cosem
from emulator.premises.context import Context
from emulator.premises.faulty import version_named
from emulator.premises.state import DeviceState
from emulator.simulation.draws import draw_below

HOUR_MS = 3_600_000
CLOCK_RELIABLE, CLOCK_UNRELIABLE = 0, 2
"""Clock status: the answers to ECS70 and GCS28 are 0 on success; 2 is doubtful in COSEM and the failing code of GCS28."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule may look at."""

    context: Context
    device: DeviceState
    now_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of a kind of device."""

    rule: str
    constant: bytes
    type: int
    mirrored: bool
    source: str
    confidence: str


def _grown(reading: Reading, purpose: str, least: int, spread: int, per_hour: int) -> int:
    """A register that began at a seeded reading and grows by a seeded rate: up to ``per_hour`` units an hour."""
    context, eui = reading.context, reading.device.eui
    begun = least + draw_below(spread, context.seed, eui, 0, f"{purpose} begin")
    rate = per_hour // 4 + draw_below(per_hour, context.seed, eui, 0, f"{purpose} rate")
    return begun + max(0, reading.now_ms - context.start_ms) * rate // HOUR_MS


def _import_registers(reading: Reading) -> Data:
    def unit(enum: int) -> Data:
        return dlms.structure(dlms.number(Tag.INT8, 0), dlms.number(Tag.ENUM, enum))

    active = dlms.number(Tag.UINT32, _grown(reading, "active import", 1_000_000, 20_000_000, 800) & 0xFFFFFFFF)
    reactive = dlms.number(Tag.UINT32, _grown(reading, "reactive import", 100_000, 2_000_000, 80) & 0xFFFFFFFF)
    items = [active, unit(30), reactive, unit(32)]
    if "B" in reading.device.definition.esme_variant:  # twin element meters have a fifth value
        items.append(dlms.number(Tag.UINT32, _grown(reading, "second import", 500_000, 9_000_000, 400) & 0xFFFFFFFF))
    return dlms.structure(*items)


def _active_devices(reading: Reading) -> Data:
    context, log = reading.context, reading.context.hub_of(reading.device).device_log
    return dlms.array(*(_log_entry(context, entry.device, entry.last_communication_ms) for entry in log))


def _log_entry(context: Context, device: int, last_ms: int) -> Data:
    """One entry with the state of its link; the test messages give the types, link figures are seeded."""

    def drawn(purpose: str, spread: int) -> int:
        return draw_below(spread, context.seed, device, 0, f"link {purpose}")

    best, lqi = -30 - drawn("rssi", 20), 180 + drawn("lqi", 60)
    rssi = [dlms.number(Tag.INT8, value) for value in (best, best - 15, best - 40)]
    quality = [dlms.number(Tag.UINT8, value) for value in (lqi, lqi - 60, lqi - 120)]
    counts = [dlms.number(Tag.UINT8, value) for value in (1, 0, 100, 1, 1)]
    status = Data(Tag.BIT_STRING, "11001000")
    seen = dlms.octets(cosem(last_ms or context.start_ms))
    return dlms.structure(dlms.octets(eui_bytes(device)), status, *rssi, *quality, seen, *counts)


def _text(value: str, size: int) -> bytes:
    return value.encode("latin-1", "replace")[:size].ljust(size)


RULES: Mapping[str, Callable[[Reading], int | bytes | Data]] = {
    "eui": lambda reading: eui_bytes(reading.device.eui),
    "firmware_version": lambda reading: version_named(reading.context, reading.device, reading.now_ms).to_bytes(4, "big"),
    "hardware_version": lambda reading: reading.device.definition.hardware_version & 0xFF,
    "manufacturer": lambda reading: _text(reading.device.definition.manufacturer, 4),
    "model": lambda reading: _text(reading.device.definition.model, 8),
    "esme_variant": lambda reading: _text(reading.device.definition.esme_variant or "A", 1),
    "clock": lambda reading: cosem(reading.now_ms + reading.device.clock_offset_ms),
    "clock_status": lambda reading: CLOCK_RELIABLE if reading.device.clock_reliable else CLOCK_UNRELIABLE,
    "import_registers": _import_registers,
    "gas_consumption": lambda reading: _grown(reading, "gas", 200_000, 9_000_000, 400),
    "active_devices": _active_devices,
}
"""How values come about that are not constant."""


@cache
def rows(kind: str) -> Mapping[tuple[str, DeviceType], Row]:
    """The rows of ``cosem`` or ``zcl``, by attribute and device type."""
    table = tomllib.loads(resources.files("emulator.premises").joinpath("data/objects.toml").read_text("utf-8"))
    found: dict[tuple[str, DeviceType], Row] = {}
    for raw in table[kind]:
        row = _row(raw, kind)
        for device in raw["devices"]:
            found[raw["attribute"], DeviceType(device)] = row
    return found


def _row(raw: Mapping[str, Any], kind: str) -> Row:
    type_ = raw.get("type", 0)
    rule = raw.get("rule", "")
    if rule and rule not in RULES:
        raise ValueError(f"objects.toml: {raw['attribute']} has the unknown rule {rule}")
    return Row(
        rule=rule,
        constant=bytes.fromhex(raw.get("constant", "")),
        type=Tag[type_] if kind == "cosem" and type_ else type_,
        mirrored=raw.get("mirrored", False),
        source=raw["source"],
        confidence=raw["confidence"],
    )


def members(data: Data, count: int) -> tuple[Data, ...]:
    """The elements of a structure of ``count``; :class:`Malformed` for anything else."""
    if len(data.items) != count:
        raise Malformed(f"a structure has {len(data.items)} elements", where="DLMS parameter", expected=str(count))
    return data.items


def read_cosem(context: Context, device: DeviceState, attribute: Attribute, now_ms: int) -> Data | None:
    """The value of a COSEM attribute, or None where the device has none."""
    key = str(attribute)
    if key in device.attributes:
        return decode_data(bytes.fromhex(device.attributes[key]))
    row = rows("cosem").get((key, device.device_type))
    if row is None:
        return None
    if not row.rule:
        return decode_data(row.constant)
    value = RULES[row.rule](Reading(context, device, now_ms))
    if isinstance(value, Data):
        return value
    return dlms.octets(value) if isinstance(value, bytes) else dlms.number(Tag(row.type), value)


def write_cosem(device: DeviceState, attribute: Attribute, value: Data) -> None:
    """Set a COSEM attribute."""
    device.attributes[str(attribute)] = value.encode().hex()


def read_zcl(context: Context, device: DeviceState, cluster: int, attribute: int, now_ms: int) -> ZclValue | None:
    """The value of a ZCL attribute, or None where the device has none."""
    row = rows("zcl").get((f"{cluster:04X} {attribute:04X}", device.device_type))
    if row is None:
        return None
    if not row.rule:
        return ZclValue(row.type, int.from_bytes(row.constant, "big"))
    subject = _mirrored(context, device) if row.mirrored else device
    if subject is None:
        return None
    value = RULES[row.rule](Reading(context, subject, now_ms))
    assert not isinstance(value, Data), "rules of ZCL attributes give numbers or octets"
    return ZclValue(row.type, value)


def _mirrored(context: Context, device: DeviceState) -> DeviceState | None:
    """Whose values a device answers with: its own, or for a GPF those of the gas meter of its home."""
    if device.device_type is not DeviceType.GPF:
        return device
    home = (context.state.devices[eui] for eui in context.hub_of(device).devices)
    return next((other for other in home if other.device_type is DeviceType.GSME), None)
