"""Whether two messages have the same shape: everything but the values.

Titles, message code, supplementary fields, results and kinds of values have to agree; what a number or a string says may differ,
and how long a list is that depends on what the device has: elements of an array, entries of a log, records that are read one by
one until none is left.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.gbcs import asn1, gbz
from emulator.gbcs.dlms import (
    AccessResponse,
    CompactArray,
    Data,
    Tag,
    decode_access_request,
    decode_access_response,
    decode_data,
    decode_notification,
)
from emulator.gbcs.explain import KeyLookup, reader_secret
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.protect import unseal
from emulator.gbcs.protected import is_protected_result, unsealing_key

_LISTS = (Tag.ARRAY, Tag.COMPACT_ARRAY)


def difference(mine: GbcsMessage, theirs: GbcsMessage, keys: KeyLookup | None = None) -> str | None:
    """Where ours first has another shape than theirs, in words; None where the shapes are the same.

    Encrypted parts are compared where ``keys`` open both.
    """
    return next((text for text in _differences(mine, theirs, keys) if text), None)


def _differences(mine: GbcsMessage, theirs: GbcsMessage, keys: KeyLookup | None) -> Iterator[str | None]:
    yield _unlike("message", mine.cra.name.lower(), theirs.cra.name.lower())
    yield _unlike("message code", f"{mine.message_code:04X}", f"{theirs.message_code:04X}")
    yield _unlike("originator", format_eui(mine.originator), format_eui(theirs.originator))
    yield _unlike("recipient", format_eui(mine.recipient), format_eui(theirs.recipient))
    if mine.cra is not Cra.ALERT:
        yield _unlike("counter", mine.counter, theirs.counter)
    yield _unlike("date-time", bool(mine.date_time), bool(theirs.date_time))
    yield _unlike("supplementary fields", _behind(mine), _behind(theirs))
    yield _unlike("signature", bool(mine.signature), bool(theirs.signature))
    yield _unlike("MAC", mine.mac is not None, theirs.mac is not None)
    opened = [_Opener(message, keys) for message in (mine, theirs)]
    yield content_difference(opened[0], opened[1])


def _behind(message: GbcsMessage) -> tuple[object, ...] | None:
    behind = message.supplementary
    if behind is None:
        return None
    return format_eui(behind.party), behind.counter, behind.originator_counter is not None, behind.certificate is not None


def _unlike(what: str, mine: object, theirs: object) -> str | None:
    return None if mine == theirs else f"{what}: {mine}, published {theirs}"


class _Opener:
    """A message with the key to its encrypted parts, if at hand."""

    def __init__(self, message: GbcsMessage, keys: KeyLookup | None) -> None:
        self.message = message
        try:
            secret, _ = reader_secret(message, keys)
        except Malformed:
            secret = None
        self.key = None if secret is None else unsealing_key(message, secret)

    def plain(self, octets: bytes) -> bytes | None:
        """The plaintext of a part; None where there is no key."""
        return None if self.key is None else unseal(octets, self.key, self.message.originator)


def content_difference(mine: _Opener, theirs: _Opener) -> str | None:
    """Where the contents differ in shape."""
    ours, published = mine.message.content, theirs.message.content
    if ours[:1] != published[:1]:
        return f"content begins with {ours[:1].hex()}, published {published[:1].hex()}"
    try:
        first = published[:1]
        if first == b"\xd9":
            left, right = (decode_access_request(each).items for each in (ours, published))
            return _unlike("accesses", [str(each.attribute) for each in left], [str(each.attribute) for each in right]) or _each(
                "access", [_data("data", a.data, b.data, mine, theirs) for a, b in zip(left, right, strict=True)]
            )
        if first == b"\xda":
            return _responses(decode_access_response(ours), decode_access_response(published), mine, theirs)
        if first == b"\x0f":
            return _data("alert", decode_notification(ours).value, decode_notification(published).value, mine, theirs)
        if published[:2] == gbz.PROFILE:
            return _gbz(mine, theirs)
        return _der("content", asn1.decode_element(ours), asn1.decode_element(published))
    except Malformed as problem:
        return f"cannot be read: {problem}"


def _each(what: str, found: Sequence[str | None]) -> str | None:
    return next((f"{what} {number}: {text}" for number, text in enumerate(found) if text), None)


def _responses(left: AccessResponse, right: AccessResponse, mine: _Opener, theirs: _Opener) -> str | None:
    counted = _unlike("results", len(left.items), len(right.items))
    if counted:
        return counted
    return _each(
        "result",
        [
            _unlike("operation", a.operation.name.lower(), b.operation.name.lower())
            or _unlike("code", a.code, b.code)
            or _data("data", a.data, b.data, mine, theirs)
            for a, b in zip(left.items, right.items, strict=True)
        ],
    )


def _data(where: str, left: Data, right: Data, mine: _Opener, theirs: _Opener) -> str | None:
    if left.tag is not right.tag and not (left.tag in _LISTS and right.tag in _LISTS):
        return f"{where}: {_named(left)}, published {_named(right)}"
    if right.tag in _LISTS:
        return _list(where, left.items, right.items, mine, theirs)
    if right.tag is Tag.STRUCTURE:
        if len(left.items) != len(right.items):
            return f"{where}: a structure of {len(left.items)}, published of {len(right.items)}"
        found = (_data(f"{where}.{n}", a, b, mine, theirs) for n, (a, b) in enumerate(zip(left.items, right.items, strict=True)))
        first = next((text for text in found if text), None)
        return first or (_sealed(where, left, right, mine, theirs) if is_protected_result(right) else None)
    return None


def _list(where: str, left: Sequence[Data], right: Sequence[Data], mine: _Opener, theirs: _Opener) -> str | None:
    """Every element of ours has to be like one of theirs; no elements are like any."""
    if not right:
        return None
    for number, element in enumerate(left):
        found = [_data(f"{where}[{number}]", element, other, mine, theirs) for other in right]
        if all(found):
            return found[min(number, len(found) - 1)]
    return None


def _sealed(where: str, left: Data, right: Data, mine: _Opener, theirs: _Opener) -> str | None:
    opened = mine.plain(left.items[1].octets), theirs.plain(right.items[1].octets)
    if opened[0] is None or opened[1] is None:
        return None
    return _data(f"{where} decrypted", decode_data(opened[0]), decode_data(opened[1]), mine, theirs)


def _named(data: Data) -> str:
    text = data.tag.name.lower().replace("_", "-")
    if data.tag not in (Tag.STRUCTURE, *_LISTS):
        return text
    return f"{text} of {len(data.value.items if isinstance(data.value, CompactArray) else data.items)}"


def _gbz(mine: _Opener, theirs: _Opener) -> str | None:
    if theirs.message.cra is Cra.ALERT:
        return _gbz_alert(mine, theirs)
    left, right = (gbz.decode_components(each.message.content) for each in (mine, theirs))
    counted = _unlike("components", len(left), len(right))
    if counted:
        return counted
    kinds = [_kinds(part, opener) for part, opener in ((left, mine), (right, theirs))]
    runs = _runs(right)
    found = []
    for number, (kind, published) in enumerate(zip(*kinds, strict=True)):
        alike = [kinds[1][other] for other in runs[number]]
        fits = any(_fits(kind, other) for other in alike)
        found.append(None if fits else f"{_text(kind)}, published {_text(published)}")
    return _each("component", found)


def _runs(components: Sequence[gbz.Component]) -> list[list[int]]:
    """By component: itself, and where records are read one by one its neighbours that hold one or say that there is none."""
    runs: list[list[int]] = []
    begun = 0
    for number in range(1, len(components) + 1):
        if number == len(components) or components[number].cluster != components[begun].cluster:
            members = [other for other in range(begun, number) if _one_by_one(components[other])]
            for other in range(begun, number):
                runs.append([other, *members] if other in members and len(members) > 2 else [other])
            begun = number
    return runs


def _one_by_one(component: gbz.Component) -> bool:
    if component.frame_control & 0x03:
        return True
    return component.command == gbz.DEFAULT_RESPONSE and component.payload[1:] == bytes((gbz.NOT_FOUND,))


Kind = tuple[Any, ...]


def _kinds(components: Sequence[gbz.Component], opener: _Opener) -> list[Kind]:
    return [_kind(component, opener) for component in components]


def _kind(component: gbz.Component, opener: _Opener) -> Kind:
    head = (f"{component.cluster:04X}", f"{component.frame_control & 0x09:02X}", f"{component.command:02X}", component.encrypted)
    payload = opener.plain(component.payload) if component.encrypted else component.payload
    if component.frame_control & 0x03:
        return (*head, None if payload is None else len(payload))
    if payload is None:
        return (*head, None)
    if component.command == gbz.READ_ATTRIBUTES_RESPONSE:
        records = gbz.decode_records(payload)
        return (*head, tuple((f"{r.attribute:04X}", r.status, None if r.value is None else r.value.type) for r in records))
    return (*head, payload.hex() if component.command == gbz.DEFAULT_RESPONSE else len(payload))


def _fits(mine: Kind, theirs: Kind) -> bool:
    """Cluster commands may be of any length: their records depend on what the device has."""
    if mine[:-1] != theirs[:-1]:
        return False
    return mine[-1] == theirs[-1] or None in (mine[-1], theirs[-1]) or isinstance(theirs[-1], int)


def _text(kind: Kind) -> str:
    cluster, control, command, encrypted, payload = kind
    return f"cluster {cluster} control {control} command {command}{' encrypted' if encrypted else ''} {payload}"


def _gbz_alert(mine: _Opener, theirs: _Opener) -> str | None:
    left, right = (gbz.decode_alert(each.message.content) for each in (mine, theirs))
    return _unlike("alert code", f"{left.alert_code:04X}", f"{right.alert_code:04X}") or _unlike(
        "octets after code and time", len(left.extra), len(right.extra)
    )


def _der(where: str, left: asn1.Element, right: asn1.Element) -> str | None:
    if left.tag != right.tag:
        return f"{where}: tag {left.tag:02X}, published {right.tag:02X}"
    if not right.constructed:
        return None
    ours, published = left.children, right.children
    if len(ours) != len(published):
        if not (_uniform(ours) and _uniform(published)):
            return f"{where}: {len(ours)} elements, published {len(published)}"
        return _der(f"{where}.0", ours[0], published[0]) if ours and published else None
    found = (_der(f"{where}.{n}", a, b) for n, (a, b) in enumerate(zip(ours, published, strict=True)))
    return next((text for text in found if text), None)


def _uniform(elements: Sequence[asn1.Element]) -> bool:
    """Whether elements may be a list: all of one tag."""
    return len({element.tag for element in elements}) <= 1
