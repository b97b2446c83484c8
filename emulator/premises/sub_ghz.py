"""The sub-GHz radio of a dual-band hub: its settings, the channel in use, scans that may change it (6.28 to 6.32).

A channel is one bit of a page: the page in the highest 5 of 32 bits, the channel by its place from the lowest (DBCH04). How loud
channels are is keyed chance per day; a scan takes the quietest of those that are allowed.
"""

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import Data, Tag, decode_data
from emulator.premises import event_logs, timers
from emulator.premises.context import Context
from emulator.premises.readings import store, stored
from emulator.premises.sending import send_alert
from emulator.premises.state import MAX_EVENT_LOG, DeviceState, Timer
from emulator.simulation.draws import draw_below

SETTINGS, SCAN, CHANNEL = "1 0-0:94.44.10.0 2", "1 0-0:94.44.10.1 2", "1 0-0:94.44.10.2 2"

DEFAULT_SETTINGS = bytes.fromhex(
    "020f0420e00000030420e80000030420f00000030420f800000312007d1200c811041200061106110a1213ba117d12005a121388120bb8"
)
"""What holds until it is set: the values of test message DBCH03."""

PAGES = range(4)
"""Pages 28 to 31, the first four members of the settings."""

CHANGES_PER_WEEK = 6
"""Place of the highest number of changes of the channel per week among the settings (usecase_spec.json DBCH03)."""

CHANNEL_CHANGED, SCAN_BEGUN, SCAN_ASSESSED, SETTINGS_CHANGED, NOT_CHANGED = 0x8F26, 0x8F27, 0x8F28, 0x8F2A, 0x8F2B

SCAN_ENDS = "sub-GHz scan"
SCAN_MS = 600_000
"""How long a scan takes; ours."""

ON_REQUEST = b"\x00"
"""Why a scan was made: a remote party asked for it (test messages DBCH07, DBCH08 with duis.md A.4; inferred)."""

ACCEPTED, GSME_OTA_UNDERWAY = b"\x00", b"\x04"
"""What becomes of a request to scan: it is followed (test message DBCH08 with duis.md A.4; inferred), or not because a gas meter
loads an image (ota.md F25, section 13; its number by its place in duis.md A.4, inferred). The other reasons have numbers of their
own, of which no source says when they are used; no request is refused for them."""

DAY_MS = 86_400_000
_LOUDNESS = 64
_BITS = 32


def require_radio(context: Context, device: DeviceState) -> None:
    """:class:`Malformed` for a hub of one band."""
    if not context.rows.hub_dual_band(device.hub):
        raise Malformed("the hub has no sub-GHz radio", where="sub-GHz", expected="a dual-band hub")


def settings_of(device: DeviceState) -> Data:
    """The settings in force."""
    return stored(device, SETTINGS) or decode_data(DEFAULT_SETTINGS)


def set_settings(context: Context, device: DeviceState, settings: Data, now_ms: int) -> None:
    """Take settings over and report them; :class:`Malformed` for settings of another shape."""
    require_radio(context, device)
    if [item.tag for item in settings.items] != [item.tag for item in decode_data(DEFAULT_SETTINGS).items]:
        raise Malformed("the settings have another shape", where="sub-GHz settings", expected="4 pages and 11 numbers")
    store(device, SETTINGS, settings)
    context.log_event(device, SETTINGS_CHANGED, now_ms)
    send_alert(context, device, SETTINGS_CHANGED, now_ms, {"settings": settings})


def channel_of(context: Context, device: DeviceState) -> str:
    """The channel in use, as 32 bits; until a scan changed it, one of the allowed by the seed."""
    value = stored(device, CHANNEL)
    if value is not None:
        return _bits(value)
    allowed = _allowed(device)
    return allowed[draw_below(len(allowed), context.seed, device.eui, 0, "sub-GHz channel")]


def _bits(data: Data) -> str:
    if data.tag is not Tag.BIT_STRING or not isinstance(data.value, str) or len(data.value) != _BITS:
        raise Malformed("a page of channels is not 32 bits", where="sub-GHz", expected="a bit string")
    return data.value


def _allowed(device: DeviceState) -> list[str]:
    """The channels that the settings allow; the first of the first page where they allow none."""
    items = settings_of(device).items
    pages = [_bits(items[page]) for page in PAGES]
    found = [
        page[:5] + "".join("1" if place == chosen else "0" for place in range(5, _BITS))
        for page in pages
        for chosen in range(_BITS - 1, 4, -1)
        if page[chosen] == "1"
    ]
    return found or [pages[0][:5] + "0" * (_BITS - 6) + "1"]


def scan(context: Context, device: DeviceState, now_ms: int) -> None:
    """Say whether the request is followed, and begin to listen to the channels (6.29): not while a gas meter loads an image."""
    require_radio(context, device)
    context.log_event(device, SCAN_ASSESSED, now_ms)
    status = GSME_OTA_UNDERWAY if _gas_meter_loads(context, device.hub) else ACCEPTED
    send_alert(context, device, SCAN_ASSESSED, now_ms, {"status": status.hex(), "trigger": ON_REQUEST.hex()})
    if status != ACCEPTED:
        context.note(device, "scans no channels while a gas meter loads an image")
        return
    context.log_event(device, SCAN_BEGUN, now_ms)
    timers.start(context, device, SCAN_ENDS, now_ms + SCAN_MS)


def scan_ends(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    """Change to the quietest channel, unless there were too many changes in the last week."""
    before, day = channel_of(context, device), now_ms // DAY_MS
    quietest = min(_allowed(device), key=lambda channel: (_loudness(context, device, channel, day), channel != before, channel))
    if quietest != before:
        week_ago = now_ms + device.clock_offset_ms - 7 * DAY_MS
        log = event_logs.logs_of(device).channels
        changes = sum(1 for at_ms, _, _ in log if at_ms > week_ago)
        if changes >= settings_of(device).items[CHANGES_PER_WEEK].number:
            context.log_event(device, NOT_CHANGED, now_ms)
        else:
            _change(context, device, quietest, now_ms)


def _gas_meter_loads(context: Context, hub: int) -> bool:
    devices = (context.state.devices[eui] for eui in context.state.hubs[hub].devices if eui in context.state.devices)
    return any(each.device_type is DeviceType.GSME and context.rows.loading(each.eui) == "DOWNLOADING" for each in devices)


def _loudness(context: Context, device: DeviceState, channel: str, day: int) -> int:
    return draw_below(_LOUDNESS, context.seed, device.eui, day, f"sub-GHz {channel}")


def _change(context: Context, device: DeviceState, channel: str, now_ms: int) -> None:
    store(device, CHANNEL, Data(Tag.BIT_STRING, channel))
    log = event_logs.logs_of(device).channels
    octets = int(channel, 2).to_bytes(4, "big") + Data(Tag.OCTET_STRING, ON_REQUEST).encode()
    log.append((now_ms + device.clock_offset_ms, CHANNEL_CHANGED, octets.hex()))
    del log[:-MAX_EVENT_LOG]
    context.note(device, f"changes to sub-GHz channel {channel}")
    send_alert(context, device, CHANNEL_CHANGED, now_ms, {"channel": channel, "reason": ON_REQUEST.hex()})
