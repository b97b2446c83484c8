"""The part of DLMS/COSEM that GBCS uses: A-XDR data, access request and response, data notification.

Source: gbcs.md section 6, proven on all DLMS payloads of the test messages.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from emulator.domain.errors import Malformed
from emulator.gbcs.octets import Reader, encode_length, with_length

MAX_DEPTH = 16
"""Deepest nesting of arrays and structures read; ours, twice what the use cases need."""


class Tag(IntEnum):
    """Data types, named by what they hold."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INT32 = 5
    UINT32 = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    COMPACT_ARRAY = 19
    INT64 = 20
    UINT64 = 21
    ENUM = 22


_NUMBERS = {
    Tag.BOOLEAN: (1, False), Tag.INT32: (4, True), Tag.UINT32: (4, False), Tag.INT8: (1, True), Tag.INT16: (2, True),
    Tag.UINT8: (1, False), Tag.UINT16: (2, False), Tag.INT64: (8, True), Tag.UINT64: (8, False), Tag.ENUM: (1, False),
}  # fmt: skip
"""Octets and sign of the fixed-size types. A boolean is kept as its octet: meters write true as FF, some fields as 01."""

_TAGS = {int(tag): tag for tag in Tag}


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """Type of the elements of a compact array."""

    tag: Tag
    count: int = 0
    """Elements of an array."""
    members: tuple["TypeDescription", ...] = ()
    """The element type of an array, the member types of a structure."""


@dataclass(frozen=True, slots=True)
class CompactArray:
    """An array whose elements are written without tags."""

    description: TypeDescription
    items: tuple["Data", ...]


@dataclass(frozen=True, slots=True)
class Data:
    """One DLMS value.

    ``value`` by tag: None (null), int (numbers, enum, boolean octet), bytes (octet string), str (visible and UTF-8 strings; bit
    strings as ``"0101"``), tuple of :class:`Data` (array, structure), :class:`CompactArray`.
    """

    tag: Tag
    value: "int | bytes | str | tuple[Data, ...] | CompactArray | None" = None

    def encode(self) -> bytes:
        """Tag and contents."""
        return bytes((self.tag,)) + _encode_contents(self)

    @property
    def items(self) -> tuple["Data", ...]:
        """The elements of an array, structure or compact array; :class:`Malformed` for anything else."""
        if isinstance(self.value, CompactArray):
            return self.value.items
        if isinstance(self.value, tuple):
            return self.value
        raise Malformed(f"DLMS {self.tag.name} has no elements", expected="an array or structure")

    @property
    def number(self) -> int:
        """The value of a number, enum or boolean; :class:`Malformed` for anything else."""
        if isinstance(self.value, int):
            return self.value
        raise Malformed(f"DLMS {self.tag.name} is not a number", expected="a number")

    @property
    def octets(self) -> bytes:
        """The value of an octet string; :class:`Malformed` for anything else."""
        if isinstance(self.value, bytes):
            return self.value
        raise Malformed(f"DLMS {self.tag.name} is not an octet string", expected="an octet string")


NULL = Data(Tag.NULL)


def octets(value: bytes) -> Data:
    """An octet string."""
    return Data(Tag.OCTET_STRING, value)


def structure(*items: Data) -> Data:
    """A structure."""
    return Data(Tag.STRUCTURE, items)


def array(*items: Data) -> Data:
    """An array."""
    return Data(Tag.ARRAY, items)


def number(tag: Tag, value: int) -> Data:
    """A number of a fixed-size type; :class:`Malformed` when it does not fit."""
    size, signed = _NUMBERS[tag]
    try:
        value.to_bytes(size, "big", signed=signed)
    except OverflowError:
        raise Malformed(f"{value} does not fit DLMS {tag.name}", expected=f"{size} octets") from None
    return Data(tag, value)


def _encode_contents(data: Data) -> bytes:
    tag, value = data.tag, data.value
    match value:
        case None:
            return b""
        case int():
            size, signed = _NUMBERS[tag]
            return value.to_bytes(size, "big", signed=signed)
        case bytes():
            return with_length(value)
        case tuple():
            return encode_length(len(value)) + b"".join(item.encode() for item in value)
        case CompactArray():
            contents = b"".join(_encode_untagged(item) for item in value.items)
            return _encode_description(value.description) + with_length(contents)
    if tag is Tag.BIT_STRING:
        padded = value.ljust(-len(value) % 8 + len(value), "0")
        return encode_length(len(value)) + bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    return with_length(value.encode("latin-1" if tag is Tag.VISIBLE_STRING else "utf-8"))


def _encode_untagged(data: Data) -> bytes:
    if data.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return b"".join(_encode_untagged(item) for item in data.items)
    return _encode_contents(data)


def _encode_description(description: TypeDescription) -> bytes:
    members = b"".join(_encode_description(member) for member in description.members)
    if description.tag is Tag.ARRAY:
        return bytes((Tag.ARRAY,)) + description.count.to_bytes(2, "big") + members
    if description.tag is Tag.STRUCTURE:
        return bytes((Tag.STRUCTURE, len(description.members))) + members
    return bytes((description.tag,))


def read_data(reader: Reader, depth: int = 0) -> Data:
    """The next value of ``reader``."""
    tag = _read_tag(reader, depth)
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        start = reader.position
        count = reader.length(f"DLMS {tag.name}")
        if count > reader.left:
            raise reader.malformed(f"DLMS {tag.name} of {count} elements is cut short", f"at most {reader.left}", start)
        return Data(tag, tuple(read_data(reader, depth + 1) for _ in range(count)))
    if tag is Tag.COMPACT_ARRAY:
        description = _read_description(reader, depth + 1)
        count = reader.length("compact array")
        inner = Reader(reader.data, reader.position, reader.position + len(reader.take(count, "compact array")))
        items = []
        while inner.left:
            items.append(_read_untagged(inner, description))
        return Data(tag, CompactArray(description, tuple(items)))
    return _read_plain(reader, tag)


def decode_data(octets_: bytes) -> Data:
    """One value that fills ``octets_``."""
    reader = Reader(octets_)
    data = read_data(reader)
    reader.finish("the DLMS value")
    return data


def _read_tag(reader: Reader, depth: int) -> Tag:
    if depth > MAX_DEPTH:
        raise reader.malformed("DLMS data is nested too deeply", f"at most {MAX_DEPTH} levels")
    octet = reader.octet("DLMS type")
    tag = _TAGS.get(octet)
    if tag is None:
        raise reader.malformed(f"{octet} is not a DLMS type in use", "a type of GBCS", reader.position - 1)
    return tag


def _read_plain(reader: Reader, tag: Tag) -> Data:
    if tag is Tag.NULL:
        return NULL
    if tag in _NUMBERS:
        size, signed = _NUMBERS[tag]
        return Data(tag, reader.number(size, f"DLMS {tag.name}", signed=signed))
    start = reader.position
    count = reader.length(f"DLMS {tag.name}")
    if tag is Tag.BIT_STRING:
        bits = "".join(f"{octet:08b}" for octet in reader.take((count + 7) // 8, "bit string"))
        if "1" in bits[count:]:
            raise reader.malformed("the bits after a bit string are not zero", "zero bits", start)
        return Data(tag, bits[:count])
    raw = reader.take(count, f"DLMS {tag.name}")
    if tag is Tag.OCTET_STRING:
        return Data(tag, raw)
    try:
        return Data(tag, raw.decode("latin-1" if tag is Tag.VISIBLE_STRING else "utf-8"))
    except UnicodeDecodeError:
        raise reader.malformed("the string is not UTF-8", "UTF-8", start) from None


def _read_description(reader: Reader, depth: int) -> TypeDescription:
    tag = _read_tag(reader, depth)
    if tag is Tag.ARRAY:
        count = reader.number(2, "element count")
        if not count:  # what there is of them is bounded by the contents, which an empty array has none of
            raise reader.malformed("an array inside a compact array has no elements", "1 or more")
        return TypeDescription(tag, count, (_read_description(reader, depth + 1),))
    if tag is Tag.STRUCTURE:
        count = reader.octet("member count")
        if not 0 < count <= reader.left:
            raise reader.malformed(f"a compact array structure has {count} members", f"1 to {reader.left}")
        return TypeDescription(tag, members=tuple(_read_description(reader, depth + 1) for _ in range(count)))
    if tag in (Tag.NULL, Tag.COMPACT_ARRAY):
        raise reader.malformed(f"a compact array cannot hold {tag.name}", "a type that takes octets")
    return TypeDescription(tag)


def _read_untagged(reader: Reader, description: TypeDescription) -> Data:
    if description.tag is Tag.ARRAY:
        return Data(Tag.ARRAY, tuple(_read_untagged(reader, description.members[0]) for _ in range(description.count)))
    if description.tag is Tag.STRUCTURE:
        return Data(Tag.STRUCTURE, tuple(_read_untagged(reader, member) for member in description.members))
    return _read_plain(reader, description.tag)


_OBIS = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attribute:
    """What an access is about: an attribute, or a method, of a COSEM object."""

    class_id: int
    obis: bytes
    """6 octets."""
    index: int

    @classmethod
    def parse(cls, text: str) -> "Attribute":
        """Read ``class obis index``, e.g. ``1 0-0:0.2.1.255 2``; the last octet may stand without its meaning."""
        parts = text.split()
        found = _OBIS.fullmatch(parts[1]) if len(parts) == 3 else None
        if found is None or found[6] is None:
            raise Malformed(f"{text[:60]!r} is not a COSEM attribute", expected="class A-B:C.D.E.F index")
        return cls(int(parts[0]), bytes(int(part) for part in found.groups()), int(parts[2]))

    def __str__(self) -> str:
        a, b, c, d, e, f = self.obis
        return f"{self.class_id} {a}-{b}:{c}.{d}.{e}.{f} {self.index}"

    def encode(self) -> bytes:
        """Class, OBIS code, index."""
        return self.class_id.to_bytes(2, "big") + self.obis + bytes((self.index,))


class Operation(IntEnum):
    """What is done with the attribute or method."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_SELECTIVE = 4


@dataclass(frozen=True, slots=True)
class Access:
    """One item of an access request."""

    operation: Operation
    attribute: Attribute
    data: Data = NULL
    """The value to set or the parameter of the method; null for a get."""
    selector: int = 0
    """Access selector of a selective get."""
    selection: Data = NULL
    """Its parameters."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The content of a DLMS Command."""

    invoke_id: int
    items: tuple[Access, ...]

    def encode(self) -> bytes:
        """The content octets."""
        specs = []
        for item in self.items:
            spec = bytes((item.operation,)) + item.attribute.encode()
            if item.operation is Operation.GET_SELECTIVE:
                spec += bytes((item.selector,)) + item.selection.encode()
            specs.append(spec)
        count = encode_length(len(self.items))
        data = b"".join(item.data.encode() for item in self.items)
        return b"\xd9" + self.invoke_id.to_bytes(4, "big") + b"\0" + count + b"".join(specs) + count + data


@dataclass(frozen=True, slots=True)
class AccessResult:
    """One item of an access response."""

    operation: Operation
    code: int
    """0 is success."""
    data: Data = NULL


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """The content of a DLMS Response: results in the order of the request."""

    invoke_id: int
    items: tuple[AccessResult, ...]

    def encode(self) -> bytes:
        """The content octets; the request's list is not echoed."""
        count = encode_length(len(self.items))
        data = b"".join(item.data.encode() for item in self.items)
        codes = b"".join(bytes((item.operation, item.code)) for item in self.items)
        return b"\xda" + self.invoke_id.to_bytes(4, "big") + b"\0\0" + count + data + count + codes


@dataclass(frozen=True, slots=True)
class DataNotification:
    """The content of a DLMS Alert."""

    invoke_id: int
    value: Data

    def encode(self) -> bytes:
        """The content octets."""
        return b"\x0f" + self.invoke_id.to_bytes(4, "big") + b"\0" + self.value.encode()


def invoke_id(counter: int) -> int:
    """``20`` and the low 24 bits of the originator counter (gbcs.md section 6, proven on 743 messages)."""
    return 0x20000000 | counter & 0xFFFFFF


def _start(content: bytes, tag: int, what: str) -> tuple[Reader, int]:
    reader = Reader(content)
    reader.expect(bytes((tag,)), f"tag of the {what}")
    invoke = reader.number(4, "invoke id")
    reader.expect(b"\0", f"date-time of the {what}")
    return reader, invoke


def _count(reader: Reader, what: str, size: int) -> int:
    start = reader.position
    count = reader.length(what)
    if count * size > reader.left:
        raise reader.malformed(f"{what} of {count} is cut short", f"{count * size} octets at least", start)
    return count


def _expect_count(reader: Reader, count: int, what: str) -> None:
    start = reader.position
    found = reader.length(what)
    if found != count:
        raise reader.malformed(f"{what} has {found} items", str(count), start)


def decode_access_request(content: bytes) -> AccessRequest:
    """Read the content of a DLMS Command."""
    reader, invoke = _start(content, 0xD9, "access request")
    specs = []
    for _ in range(_count(reader, "list of requests", 10)):
        octet = reader.octet("operation")
        if octet not in (1, 2, 3, 4):
            raise reader.malformed(f"{octet} is not an operation", "1 to 4", reader.position - 1)
        operation = Operation(octet)
        attribute = Attribute(reader.number(2, "class"), reader.take(6, "OBIS code"), reader.octet("index"))
        selector, selection = 0, NULL
        if operation is Operation.GET_SELECTIVE:
            selector, selection = reader.octet("access selector"), read_data(reader)
        specs.append((operation, attribute, selector, selection))
    _expect_count(reader, len(specs), "list of data")
    items = tuple(Access(op, attribute, read_data(reader), sel, data) for op, attribute, sel, data in specs)
    reader.finish("the access request")
    return AccessRequest(invoke, items)


def decode_access_response(content: bytes) -> AccessResponse:
    """Read the content of a DLMS Response."""
    reader, invoke = _start(content, 0xDA, "access response")
    reader.expect(b"\0", "echo of the request list")
    data = [read_data(reader) for _ in range(_count(reader, "list of data", 1))]
    _expect_count(reader, len(data), "list of results")
    items = []
    for value in data:
        octet = reader.octet("operation")
        if octet not in (1, 2, 3):
            raise reader.malformed(f"{octet} is not an operation of a result", "1 to 3", reader.position - 1)
        items.append(AccessResult(Operation(octet), reader.octet("result"), value))
    reader.finish("the access response")
    return AccessResponse(invoke, tuple(items))


def decode_notification(content: bytes) -> DataNotification:
    """Read the content of a DLMS Alert."""
    reader, invoke = _start(content, 0x0F, "data notification")
    value = read_data(reader)
    reader.finish("the data notification")
    return DataNotification(invoke, value)
