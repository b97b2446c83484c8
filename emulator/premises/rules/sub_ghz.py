"""Rules of the sub-GHz radio of hubs: settings, channel, log of channels (DBCH01 to DBCH03)."""

from collections.abc import Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import Data, Tag, TypeDescription
from emulator.premises import sub_ghz
from emulator.premises.readings import Reading, Rule
from emulator.premises.rules.logs import entries, period_of, timestamp

_ENTRY = tuple(TypeDescription(tag) for tag in (Tag.UINT32, Tag.UINT16, Tag.OCTET_STRING))


def _settings(reading: Reading) -> Data:
    sub_ghz.require_radio(reading.context, reading.device)
    return sub_ghz.settings_of(reading.device)


def _channel(reading: Reading) -> Data:
    sub_ghz.require_radio(reading.context, reading.device)
    return Data(Tag.BIT_STRING, sub_ghz.channel_of(reading.context, reading.device))


def _log(reading: Reading) -> Data:
    """Time, event, channel with the reason (test messages DBCH02)."""
    sub_ghz.require_radio(reading.context, reading.device)
    start, end = period_of(reading)
    kept = reading.device.logs.channels if reading.device.logs else []
    rows = (
        (timestamp(at_ms), dlms.number(Tag.UINT16, code), dlms.octets(bytes.fromhex(said)))
        for at_ms, code, said in kept
        if start <= at_ms <= end
    )
    return entries(_ENTRY, rows)


RULES: Mapping[str, Rule] = {"sub_ghz_settings": _settings, "sub_ghz_channel": _channel, "sub_ghz_log": _log}
