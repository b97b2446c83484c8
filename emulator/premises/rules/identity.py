"""Rules of what a device is: names, versions, clock, log of the hub."""

from collections.abc import Mapping

from emulator.domain.identifiers import eui_bytes
from emulator.gbcs import dlms
from emulator.gbcs.dlms import Data, Tag
from emulator.gbcs.times import cosem
from emulator.premises.context import Context
from emulator.premises.faulty import version_named
from emulator.premises.readings import Reading, Rule
from emulator.simulation.draws import draw_below

CLOCK_RELIABLE, CLOCK_UNRELIABLE = 0, 2
"""Clock status: the answers to ECS70 and GCS28 are 0 on success; 2 is doubtful in COSEM and the failing code of GCS28."""


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


RULES: Mapping[str, Rule] = {
    "eui": lambda reading: eui_bytes(reading.device.eui),
    "firmware_version": lambda reading: version_named(reading.context, reading.device, reading.now_ms).to_bytes(4, "big"),
    "hardware_version": lambda reading: reading.device.definition.hardware_version & 0xFF,
    "manufacturer": lambda reading: _text(reading.device.definition.manufacturer, 4),
    "model": lambda reading: _text(reading.device.definition.model, 8),
    "esme_variant": lambda reading: _text(reading.device.definition.esme_variant or "A", 1),
    "clock": lambda reading: cosem(reading.now_ms + reading.device.clock_offset_ms),
    "clock_status": lambda reading: CLOCK_RELIABLE if reading.device.clock_reliable else CLOCK_UNRELIABLE,
    "active_devices": _active_devices,
}
