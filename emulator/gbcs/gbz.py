"""GBZ payloads: components with ZCL commands, and GBZ alerts.

Outer fields are big-endian, fields inside ZCL payloads little-endian.
Source: gbcs.md section 7, proven on all GBZ payloads of the test messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.gbcs.octets import Reader

PROFILE = b"\x01\x09"
READ_ATTRIBUTES, READ_ATTRIBUTES_RESPONSE, DEFAULT_RESPONSE = 0x00, 0x01, 0x0B
"""Profile-wide ZCL commands in use."""

SUCCESS, FAILURE, NOT_FOUND, HARDWARE_FAILURE = 0x00, 0x01, 0x8B, 0xC0
"""ZCL statuses in use."""

NOT_REACHED = 0xFF
"""What a Default Response names as the command where the device did not come to it (test messages GCS01b, GCS14)."""

_LAST, _ENCRYPTED, _FROM_TIME = 0x01, 0x02, 0x10
SERVER_TO_CLIENT, NO_DEFAULT_RESPONSE = 0x08, 0x10
"""Bits of the frame control."""

_FIXED = {
    0x10: 1, **{0x08 + n: n + 1 for n in range(8)}, **{0x18 + n: n + 1 for n in range(8)},
    **{0x20 + n: n + 1 for n in range(8)}, **{0x28 + n: n + 1 for n in range(8)},
    0x30: 1, 0x31: 2, 0xE0: 4, 0xE1: 4, 0xE2: 4, 0xF0: 8,
}  # fmt: skip
"""Octets of the fixed-size ZCL types: boolean, data, bitmap, unsigned, signed, enum, times, IEEE address."""

_SIGNED = range(0x28, 0x30)
_STRINGS = {0x41: 1, 0x42: 1, 0x43: 2, 0x44: 2}
"""Length octets of octet strings (41, 43) and character strings (42, 44)."""

OCTET_STRING, CHARACTER_STRING = 0x41, 0x42


@dataclass(frozen=True, slots=True)
class ZclValue:
    """A ZCL value with its type: int for the fixed-size types, bytes for strings, None for a string that is not valid."""

    type: int
    value: int | bytes | None

    def encode(self) -> bytes:
        """Type and value."""
        return bytes((self.type,)) + encode_zcl(self.type, self.value)


def encode_zcl(type_: int, value: int | bytes | None) -> bytes:
    """The octets of a value without its type; :class:`Malformed` when it does not fit."""
    if type_ in _STRINGS:
        size = _STRINGS[type_]
        if value is None:
            return b"\xff" * size
        if not isinstance(value, bytes) or len(value) >= (1 << 8 * size) - 1:
            raise Malformed(f"{value!r} is no ZCL string of type {type_:02x}")
        return len(value).to_bytes(size, "little") + value
    if type_ not in _FIXED or not isinstance(value, int):
        raise Malformed(f"{value!r} is no ZCL value of type {type_:02x}")
    try:
        return value.to_bytes(_FIXED[type_], "little", signed=type_ in _SIGNED)
    except OverflowError:
        raise Malformed(f"{value} does not fit ZCL type {type_:02x}", expected=f"{_FIXED[type_]} octets") from None


def read_zcl(reader: Reader, type_: int) -> int | bytes | None:
    """The next value of this type."""
    if type_ in _STRINGS:
        size = _STRINGS[type_]
        count = int.from_bytes(reader.take(size, "length of a ZCL string"), "little")
        return None if count == (1 << 8 * size) - 1 else reader.take(count, "ZCL string")
    if type_ not in _FIXED:
        raise reader.malformed(f"{type_:02x} is not a ZCL type in use", "a type of GBCS", reader.position - 1)
    return int.from_bytes(reader.take(_FIXED[type_], "ZCL value"), "little", signed=type_ in _SIGNED)


@dataclass(frozen=True, slots=True)
class Component:
    """One use-case specific component: a ZCL command to or from a cluster."""

    cluster: int
    frame_control: int
    sequence: int
    """Transaction sequence number: in requests the index of the component, from 0."""
    command: int
    payload: bytes
    """The ZCL payload; when ``frame_counter`` is set its encrypted form (:func:`emulator.gbcs.protect.seal`)."""
    from_time: int | None = None
    """UTCTime beside commands that have no time field of their own."""
    frame_counter: int | None = None
    """Counts the encrypted components of a message from 0; None for a clear one."""

    @property
    def encrypted(self) -> bool:
        """Whether the payload is encrypted."""
        return self.frame_counter is not None

    def encode(self, last: bool) -> bytes:
        """The component; ``last`` marks the end of the message."""
        control = _LAST * last
        header = b""
        payload = self.payload
        if self.frame_counter is not None:
            control |= _ENCRYPTED
            header = bytes((0, self.frame_counter))
            payload = len(payload).to_bytes(2, "big") + payload
        if self.from_time is not None:
            control |= _FROM_TIME
            header += self.from_time.to_bytes(4, "big")
        body = header + bytes((self.frame_control, self.sequence, self.command)) + payload
        return bytes((control,)) + self.cluster.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def encode_components(components: Sequence[Component]) -> bytes:
    """The content of a GBZ Command or Response."""
    last = len(components) - 1
    body = b"".join(component.encode(n == last) for n, component in enumerate(components))
    return PROFILE + bytes((len(components),)) + body


def decode_components(content: bytes) -> tuple[Component, ...]:
    """Read the content of a GBZ Command or Response."""
    reader = Reader(content)
    reader.expect(PROFILE, "profile id")
    count = reader.octet("number of components")
    components = []
    for index in range(count):
        start = reader.position
        components.append(read_component(reader))
        if bool(content[start] & _LAST) != (index == count - 1):
            raise reader.malformed(f"component {index} of {count} is marked wrongly", "bit 0 on the last one only", start)
    reader.finish("the components")
    return tuple(components)


def read_component(reader: Reader) -> Component:
    """The next component, whatever its last-component mark."""
    start = reader.position
    control = reader.octet("control field")
    if control & ~(_LAST | _ENCRYPTED | _FROM_TIME):
        raise reader.malformed(f"control field is {control:02x}", "bits 0, 1 and 4 only", start)
    cluster = reader.number(2, "cluster")
    count = reader.number(2, "length of the component")
    inner = Reader(reader.data, reader.position, reader.position + len(reader.take(count, "component")))
    frame_counter = from_time = None
    if control & _ENCRYPTED:
        inner.expect(b"\0", "additional header control")
        frame_counter = inner.octet("frame counter")
    if control & _FROM_TIME:
        from_time = inner.number(4, "from date-time")
    frame_control, sequence, command = inner.take(3, "ZCL header")
    if frame_counter is not None:
        size = inner.number(2, "length of the encrypted payload")
        payload = inner.take(size, "encrypted payload")
        inner.finish("the encrypted payload")
    else:
        payload = inner.take(inner.left, "ZCL payload")
    return Component(cluster, frame_control, sequence, command, payload, from_time, frame_counter)


@dataclass(frozen=True, slots=True)
class AttributeRecord:
    """One attribute in the answer to a read; ``value`` is None where the status is not success."""

    attribute: int
    status: int
    value: ZclValue | None = None


def read_request(cluster: int, sequence: int, attributes: Sequence[int]) -> Component:
    """A Read Attributes component."""
    payload = b"".join(attribute.to_bytes(2, "little") for attribute in attributes)
    return Component(cluster, 0x00, sequence, READ_ATTRIBUTES, payload)


def requested_attributes(component: Component) -> tuple[int, ...]:
    """The attribute identifiers of a Read Attributes component."""
    payload = component.payload
    if component.command != READ_ATTRIBUTES or component.frame_control & 0x03 or len(payload) % 2:
        raise Malformed("the component does not read attributes", expected="command 00 and pairs of octets")
    return tuple(int.from_bytes(payload[at : at + 2], "little") for at in range(0, len(payload), 2))


def encode_records(records: Sequence[AttributeRecord]) -> bytes:
    """The payload of a Read Attributes Response."""
    return b"".join(
        record.attribute.to_bytes(2, "little")
        + bytes((record.status,))
        + (record.value.encode() if record.value is not None else b"")
        for record in records
    )


def decode_records(payload: bytes) -> tuple[AttributeRecord, ...]:
    """Read the (clear) payload of a Read Attributes Response."""
    reader = Reader(payload)
    records = []
    while reader.left:
        attribute = int.from_bytes(reader.take(2, "attribute id"), "little")
        status = reader.octet("status")
        value = None
        if status == SUCCESS:
            type_ = reader.octet("ZCL type")
            value = ZclValue(type_, read_zcl(reader, type_))
        records.append(AttributeRecord(attribute, status, value))
    return tuple(records)


def read_response(request: Component, payload: bytes, frame_counter: int | None = None) -> Component:
    """The Read Attributes Response to ``request`` with these (clear or encrypted) records.

    Encrypted answers ask for no default response (frame control 18), clear ones do not (08), as in the test messages.
    """
    control = SERVER_TO_CLIENT | (NO_DEFAULT_RESPONSE if frame_counter is not None else 0)
    return Component(request.cluster, control, request.sequence, READ_ATTRIBUTES_RESPONSE, payload, frame_counter=frame_counter)


def default_response(request: Component, status: int, command: int | None = None) -> Component:
    """The Default Response to ``request``, direction inverted; ``command`` may be :data:`NOT_REACHED`."""
    control = 0 if request.frame_control & SERVER_TO_CLIENT else SERVER_TO_CLIENT
    payload = bytes((request.command if command is None else command, status))
    return Component(request.cluster, control, request.sequence, DEFAULT_RESPONSE, payload)


@dataclass(frozen=True, slots=True)
class GbzAlert:
    """The content of a GBZ Alert."""

    alert_code: int
    time: int
    """UTCTime: seconds since 2000."""
    extra: bytes = b""
    """What the use case adds; its presence sets the component count to 1."""

    def encode(self) -> bytes:
        """The content octets."""
        count = bytes((1 if self.extra else 0,))
        return PROFILE + count + self.alert_code.to_bytes(2, "big") + self.time.to_bytes(4, "big") + self.extra


def decode_alert(content: bytes) -> GbzAlert:
    """Read the content of a GBZ Alert."""
    reader = Reader(content)
    reader.expect(PROFILE, "profile id")
    start = reader.position
    count = reader.octet("number of components")
    code, time = reader.number(2, "alert code"), reader.number(4, "time")
    if count != (1 if reader.left else 0):
        raise reader.malformed(f"{count} components with {reader.left} octets of content", "1 with content, 0 without", start)
    return GbzAlert(code, time, reader.take(reader.left, "alert content"))


def alert_component(extra: bytes) -> Component | None:
    """The component that follows code and time of an alert (GCS53), or None where something else does."""
    reader = Reader(extra)
    try:
        component = read_component(reader)
        reader.finish("the component")
    except Malformed:
        return None
    return component
