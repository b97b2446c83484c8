"""The functions that the value expressions of the use-case table can call.

Each takes evaluated arguments. What belongs to dates and schedules is in :mod:`emulator.gbcs.calendars`.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.gbcs import calendars, times
from emulator.gbcs.dlms import NULL, Data, Tag, number
from emulator.gbcs.gbz import encode_zcl

_text = calendars.text_of


def integer(value: object) -> int:
    """A decimal text or a number."""
    if isinstance(value, int):
        return value
    try:
        return int(_text(value))
    except ValueError:
        raise Malformed(f"{value!r} is not a whole number") from None


def octets_of(value: object) -> bytes:
    """Hexadecimal text, or octets as they are."""
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(_text(value))
    except ValueError:
        raise Malformed(f"{value!r} is not hexadecimal") from None


def base64_octets(value: object) -> bytes:
    """The octets of a base64 text with any white space, or octets as they are."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode("".join(_text(value).split()), validate=True)
    except binascii.Error:
        raise Malformed("the text is not base64") from None


def _eui(value: object) -> int:
    return value if isinstance(value, int) else parse_eui(_text(value))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value)
    if text not in ("true", "false", "1", "0"):
        raise Malformed(f"{text!r} is not a truth value", expected="true or false")
    return text in ("true", "1")


def moment(value: object) -> int | None:
    """Milliseconds of an xs:dateTime; the cancelling date becomes CANCEL, an absent one stays None."""
    return value if value is None or isinstance(value, int) else times.read_duis(_text(value))


def _choose(value: object, *pairs: object) -> object:
    said = value.strip() if isinstance(value, str) else value
    for key, result in zip(pairs[::2], pairs[1::2], strict=False):
        if key == said:
            return result
    if len(pairs) % 2:
        return pairs[-1]
    raise Malformed(f"{value!r} is not one of the values with a meaning here", expected=", ".join(map(str, pairs[::2])))


def _data(value: object) -> Data:
    if isinstance(value, Data):
        return value
    raise Malformed(f"{value!r} is no DLMS value")


def _items(values: tuple[object, ...]) -> tuple[Data, ...]:
    flat: list[object] = []
    for value in values:
        flat.extend(value if isinstance(value, list) else [value])
    return tuple(_data(value) for value in flat)


def _numeric(tag: Tag) -> Callable[..., Data]:
    return lambda value: number(tag, integer(value))


def _bits(value: object) -> Data:
    text = _text(value)
    if set(text) - {"0", "1"}:
        raise Malformed(f"{text!r} is not a bit string", expected="0 and 1")
    return Data(Tag.BIT_STRING, text)


def _scaled(value: object, places: int) -> int:
    """A decimal number times a power of ten, which has to be whole."""
    try:
        scaled = Decimal(_text(value)).scaleb(integer(places))
    except InvalidOperation:
        raise Malformed(f"{value!r} is not a decimal number") from None
    if scaled != scaled.to_integral_value():
        raise Malformed(f"{value!r} has more than {places} decimal places")
    return int(scaled)


def _whole(value: object, places: int) -> int:
    """As :func:`_scaled`, cut off where more places are given."""
    try:
        return int(Decimal(_text(value)).scaleb(integer(places)))
    except InvalidOperation:
        raise Malformed(f"{value!r} is not a decimal number") from None


def look_up(parameters: object, path: str) -> object:
    """The parameter at a path of names joined by ``.``; None where it is absent."""
    here = parameters
    for name in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


def _where(elements: object, key: object, value: object) -> object:
    """The first element in which the attribute or child ``key`` has this number, or None."""
    name, wanted = _text(key), integer(value)
    return next((each for each in calendars.listed(elements) if calendars.number_in(each, name) == wanted), None)


def _channel_page(channels: object, page: object, base: object) -> Data:
    """A page of sub-GHz channels: its number in the five highest of 32 bits, a bit per channel from the lowest (DBCH04)."""
    named = channels if isinstance(channels, Mapping) else {}
    mask = sum(1 << int(str(name).removeprefix("Channel")) - integer(base) for name in named)
    return Data(Tag.BIT_STRING, f"{integer(page) << 27 | mask:032b}")


def _join(*values: object) -> bytes:
    parts: list[object] = []
    for value in values:
        parts.extend(value if isinstance(value, list) else [value])
    return b"".join(octets_of(part) for part in parts)


def _entries(start: object, end: object) -> Data:
    """The selection of a profile's entries between two instants (gbcs.md 6, proven on the reads of logs)."""
    column = Data(Tag.STRUCTURE, (
        number(Tag.UINT16, 1), Data(Tag.OCTET_STRING, bytes.fromhex("00005e2c64ff")), number(Tag.INT8, 2), number(Tag.UINT16, 0),
    ))  # fmt: skip
    limits = (number(Tag.UINT32, times.utc_time(moment(at), publish=True)) for at in (start, end))
    return Data(Tag.STRUCTURE, (column, *limits, Data(Tag.ARRAY, ())))


def _samples(start: object, end: object, minutes: object) -> int:
    """How many samples of so many minutes lie between two instants, both ends counted (GCS17, proven)."""
    first, last = moment(start), moment(end)
    if first is None or last is None or last < first:
        raise Malformed("the period to read is not one", expected="a start before its end")
    return min((last - first) // (integer(minutes) * 60_000) + 1, 0xFFFF)


def _alert_bits(settings: object, meter_kind: object) -> Data:
    """512 bits: which alerts are set, and to what; alert 8Xnn has bit 255 - nn of either half (ECS25a1, a2, a3, proven).

    Alerts that only polyphase meters have are left out for the others (ECS25b, proven).
    """
    mask, value = 0, 0
    groups = settings.items() if isinstance(settings, Mapping) else ()
    for kind, group in groups:
        if not isinstance(group, Mapping) or ("PolyPhase" in str(kind) and meter_kind != "polyphase"):
            continue
        for name, choice in group.items():
            place = int(str(name)[-2:], 16)
            mask |= 1 << place
            value |= (_text(choice) == "Enable") << place
    return Data(Tag.BIT_STRING, f"{mask:0256b}{value:0256b}")


_EVENT_FLAGS = {"WANAlert": 0x08, "HANAlert": 0x10, "EventLog": 0x03, "Alarm": 0x40}


def _event_configurations(settings: object) -> list[object]:
    """Alert codes grouped by their configuration octet; the order of the groups is that of GCS20."""
    groups: dict[int, list[int]] = {}
    for name, choices in settings.items() if isinstance(settings, Mapping) else ():
        if isinstance(choices, Mapping):
            octet = sum(flag for element, flag in _EVENT_FLAGS.items() if _text(choices.get(element, "")) == "Enable")
            groups.setdefault(octet, []).append(int(str(name).removeprefix("x"), 16))
    ordered = sorted(groups, key=lambda octet: (-(octet & 0x08), -(octet & 0x10), octet & 0x43))
    return [{"configuration": octet, "alerts": [{"code": code} for code in groups[octet]]} for octet in ordered]


def _either(value: object, *others: object) -> object:
    return next((found for found in (value, *others) if found is not None), None)


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "integer": integer,
    "hex": octets_of,
    "base64": base64_octets,
    "ascii": lambda value: _text(value).encode("ascii", "replace"),
    "eui": _eui,
    "eui_octets": lambda value: _eui(value).to_bytes(8, "big"),
    "moment": moment,
    "flag": _flag,
    "plus": lambda *values: sum(integer(value) for value in values),
    "multiply": lambda left, right: integer(left) * integer(right),
    "scaled": _scaled,
    "whole": _whole,
    "default": lambda value, other: other if value is None else value,
    "either": _either,
    "present": lambda value: value is not None,
    "equal": lambda left, right: str(left).strip() == str(right),
    "choose": _choose,
    "member": lambda value, path: look_up(value, _text(path)),
    "where": _where,
    "indexed": lambda elements, place: _where(elements, "index", place),
    "format": lambda pattern, *values: _text(pattern).format(*values),
    "text": lambda value: None if value is None else _text(value),
    "listed": lambda *values: list(values) if len(values) != 1 else calendars.listed(values[0]),
    "given": lambda *values: [value for value in values if value is not None],
    "fields": lambda *pairs: {str(name): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)},
    "nothing": lambda: None,
    "ordered": lambda elements, key: calendars.in_order(calendars.listed(elements), key),
    "numbers": lambda first, last: list(range(integer(first), integer(last) + 1)),
    "count": lambda elements: len(calendars.listed(elements)),
    "cosem_time": lambda at_ms: times.cosem(moment(at_ms)),
    "cosem_date": calendars.cosem_date,
    "clock_time": calendars.clock_time,
    "minutes_of": calendars.minutes_of,
    "season_start": calendars.season_start,
    "weekday_bits": calendars.weekday_bits,
    "place_bits": calendars.place_bits,
    "utc_time": lambda at_ms: times.utc_time(moment(at_ms)),
    "utc_time_publish": lambda at_ms: times.utc_time(moment(at_ms), publish=True),
    "zcl_date": calendars.zcl_date,
    "samples": _samples,
    "entries": _entries,
    "alert_bits": _alert_bits,
    "channel_page": _channel_page,
    "billing_dates": calendars.billing_dates,
    "event_configurations": _event_configurations,
    "encoded": lambda value: _data(value).encode(),
    "join": _join,
    "zcl": lambda type_, value: encode_zcl(type_, value if isinstance(value, bytes) else integer(value)),
    "null": lambda: NULL,
    "octets": lambda value: Data(Tag.OCTET_STRING, octets_of(value)),
    "visible": lambda value: Data(Tag.VISIBLE_STRING, _text(value)),
    "utf8": lambda value: Data(Tag.UTF8_STRING, _text(value)),
    "bits": _bits,
    "boolean": lambda value: number(Tag.BOOLEAN, 0xFF if _flag(value) else 0),
    "structure": lambda *values: Data(Tag.STRUCTURE, _items(values)),
    "array": lambda *values: Data(Tag.ARRAY, _items(values)),
    **{tag.name.lower(): _numeric(tag) for tag in (
        Tag.INT8, Tag.INT16, Tag.INT32, Tag.INT64, Tag.UINT8, Tag.UINT16, Tag.UINT32, Tag.UINT64, Tag.ENUM,
    )},
}  # fmt: skip
"""What a row can call. DLMS types are named by what they hold: ``uint16``, ``octets``, ``structure`` …"""
