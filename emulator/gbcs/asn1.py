"""DER for the ASN.1 payloads: a generic reader and declared shapes.

What is written is plain DER; what is read may have lengths longer than needed, because the test devices write ``82 00 9F``
(CS02a and CS02b Responses of the test messages, proven). Everything else is as DER has it.

A shape says once how a payload is written and gives both directions; what it reads is a mapping of plain values. The shapes of
the use cases are in :mod:`emulator.gbcs.shapes`. Source: gbcs.md section 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs import times
from emulator.gbcs.octets import Reader, encode_length, with_length

MAX_DEPTH = 24
"""Deepest nesting read; ours, above that of a certificate."""

INTEGER, BIT_STRING, OCTET_STRING, NULL, ENUMERATED, GENERALIZED_TIME, SEQUENCE = 0x02, 0x03, 0x04, 0x05, 0x0A, 0x18, 0x30
_CONSTRUCTED, _CONTEXT = 0x20, 0x80


@dataclass(frozen=True, slots=True)
class Element:
    """One DER element where it was found."""

    tag: int
    contents: bytes
    offset: int
    """Octet of the tag within the payload."""
    raw: bytes
    """Tag, length and contents as they stood."""
    children: tuple["Element", ...] = ()
    """The elements inside a constructed one."""

    @property
    def constructed(self) -> bool:
        """Whether it holds elements."""
        return bool(self.tag & _CONSTRUCTED)

    def malformed(self, detail: str, expected: str = "") -> Malformed:
        """The error for this element."""
        return Malformed(detail, where=f"octet {self.offset}", expected=expected)


def decode_element(data: bytes) -> Element:
    """One element that fills ``data``; lengths definite, tags of one octet, NULL empty, integers shortest."""
    reader = Reader(data)
    element = _read_element(reader, 0)
    reader.finish("the DER element")
    return element


def _read_element(reader: Reader, depth: int) -> Element:
    if depth > MAX_DEPTH:
        raise reader.malformed("DER is nested too deeply", f"at most {MAX_DEPTH} levels")
    offset = reader.position
    tag = reader.octet("DER tag")
    if tag & 0x1F == 0x1F or tag == 0:
        raise reader.malformed(f"DER tag {tag:02x} is not in use", "a tag of one octet", offset)
    count = reader.length("DER element", shortest=False)
    start = reader.position
    contents = reader.take(count, "DER element")
    children = []
    if tag & _CONSTRUCTED:
        inner = Reader(reader.data, start, reader.position)
        while inner.left:
            children.append(_read_element(inner, depth + 1))
    element = Element(tag, contents, offset, reader.data[offset : reader.position], tuple(children))
    if tag == NULL and contents:
        raise element.malformed("NULL has contents", "05 00")
    if tag in (INTEGER, ENUMERATED) and contents != _integer_octets(int.from_bytes(contents, "big", signed=True)):
        raise element.malformed("the integer is not in its shortest form")
    return element


def _integer_octets(value: int) -> bytes:
    return value.to_bytes((value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1, "big", signed=True)


class Shape(Protocol):
    """How one value is written."""

    @property
    def tags(self) -> frozenset[int]:
        """Tags with which it may begin."""

    def encode(self, value: object) -> bytes:
        """The element; :class:`Malformed` when the value is none of this shape."""

    def decode(self, element: Element) -> object:
        """The value; :class:`Malformed` when the element is none of this shape."""


def _check(element: Element, tag: int, what: str) -> None:
    if element.tag != tag:
        raise element.malformed(f"DER tag is {element.tag:02x}", f"{tag:02x}, {what}")


@dataclass(frozen=True, slots=True)
class Integer:
    """INTEGER between two bounds."""

    low: int = 0
    high: int = 2**64 - 1
    tags: frozenset[int] = frozenset((INTEGER,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, int) or not self.low <= value <= self.high:
            raise Malformed(f"{value!r} is not the integer wanted", expected=f"{self.low} to {self.high}")
        return bytes((INTEGER,)) + with_length(_integer_octets(value))

    def decode(self, element: Element) -> int:
        """See :class:`Shape`."""
        _check(element, INTEGER, "an integer")
        value = int.from_bytes(element.contents, "big", signed=True)
        if not self.low <= value <= self.high:
            raise element.malformed(f"the integer is {value}", f"{self.low} to {self.high}")
        return value


@dataclass(frozen=True, slots=True)
class Octets:
    """OCTET STRING of a fixed size; its value is bytes."""

    size: int
    tags: frozenset[int] = frozenset((OCTET_STRING,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, bytes) or len(value) != self.size:
            raise Malformed(f"{value!r} is not the octet string wanted", expected=f"{self.size} octets")
        return bytes((OCTET_STRING,)) + with_length(value)

    def decode(self, element: Element) -> bytes:
        """See :class:`Shape`."""
        _check(element, OCTET_STRING, "an octet string")
        if len(element.contents) != self.size:
            raise element.malformed(f"the octet string has {len(element.contents)} octets", str(self.size))
        return element.contents


@dataclass(frozen=True, slots=True)
class Enumerated:
    """ENUMERATED; its value is an int."""

    tags: frozenset[int] = frozenset((ENUMERATED,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        return bytes((ENUMERATED,)) + Integer(0, 255).encode(value)[1:]

    def decode(self, element: Element) -> int:
        """See :class:`Shape`."""
        _check(element, ENUMERATED, "an enumerated value")
        return int.from_bytes(element.contents, "big", signed=True)


@dataclass(frozen=True, slots=True)
class BitString:
    """BIT STRING; its value is the contents, with the octet that counts the unused bits."""

    tags: frozenset[int] = frozenset((BIT_STRING,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, bytes) or not value or value[0] > 7:
            raise Malformed(f"{value!r} is not a bit string", expected="the number of unused bits, then the bits")
        return bytes((BIT_STRING,)) + with_length(value)

    def decode(self, element: Element) -> bytes:
        """See :class:`Shape`."""
        _check(element, BIT_STRING, "a bit string")
        return element.contents


@dataclass(frozen=True, slots=True)
class Tagged:
    """A shape with a context-specific tag in place of its own."""

    number: int
    shape: Shape

    @property
    def tags(self) -> frozenset[int]:
        """See :class:`Shape`."""
        return frozenset(_CONTEXT | (tag & _CONSTRUCTED) | self.number for tag in self.shape.tags)

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        plain = self.shape.encode(value)
        return bytes((_CONTEXT | (plain[0] & _CONSTRUCTED) | self.number,)) + plain[1:]

    def decode(self, element: Element) -> object:
        """See :class:`Shape`."""
        (own,) = self.shape.tags
        _check(element, _CONTEXT | (own & _CONSTRUCTED) | self.number, "a tagged value")
        return self.shape.decode(replace(element, tag=own))


@dataclass(frozen=True, slots=True)
class Eui:
    """OCTET STRING of 8 octets whose value is an EUI-64."""

    tags: frozenset[int] = frozenset((OCTET_STRING,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, int) or not 0 <= value < 2**64:
            raise Malformed(f"{value!r} is not an EUI-64")
        return bytes((OCTET_STRING, 8)) + value.to_bytes(8, "big")

    def decode(self, element: Element) -> Eui64:
        """See :class:`Shape`."""
        return Eui64(int.from_bytes(Octets(8).decode(element), "big"))


@dataclass(frozen=True, slots=True)
class Time:
    """GeneralizedTime; its value is milliseconds, :data:`emulator.gbcs.times.CANCEL` for never."""

    tags: frozenset[int] = frozenset((GENERALIZED_TIME,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, int):
            raise Malformed(f"{value!r} is not a time", expected="milliseconds")
        return bytes((GENERALIZED_TIME,)) + with_length(times.generalized(value).encode())

    def decode(self, element: Element) -> int:
        """See :class:`Shape`."""
        _check(element, GENERALIZED_TIME, "a GeneralizedTime")
        try:
            return times.read_generalized(element.contents.decode("latin-1"))
        except Malformed as problem:
            raise element.malformed(problem.detail, problem.expected) from None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A whole SEQUENCE kept as its octets."""

    tags: frozenset[int] = frozenset((SEQUENCE,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, bytes):
            raise Malformed(f"{value!r} is not a certificate", expected="DER octets")
        return self.decode(decode_element(value))

    def decode(self, element: Element) -> bytes:
        """See :class:`Shape`."""
        _check(element, SEQUENCE, "a certificate")
        return element.raw


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a sequence; an optional one that is absent reads as None and is left out for None."""

    name: str
    shape: Shape
    optional: bool = False
    inline: bool = False
    """The names of the inner sequence stand in the outer mapping."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """SEQUENCE of named fields; its value is a mapping."""

    fields: tuple[Field, ...]
    tags: frozenset[int] = frozenset((SEQUENCE,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, Mapping):
            raise Malformed(f"{value!r} is not a mapping", expected=", ".join(field.name for field in self.fields))
        parts = []
        for field in self.fields:
            member = value if field.inline else value.get(field.name)
            if member is None and field.optional:
                continue
            if member is None:
                raise Malformed(f"field {field.name} is missing", where=field.name)
            parts.append(field.shape.encode(member))
        body = b"".join(parts)
        return bytes((SEQUENCE,)) + encode_length(len(body)) + body

    def decode(self, element: Element) -> dict[str, object]:
        """See :class:`Shape`."""
        _check(element, SEQUENCE, "a sequence")
        children = list(element.children)
        values: dict[str, object] = {}
        for field in self.fields:
            if children and children[0].tag in field.shape.tags:
                member = field.shape.decode(children.pop(0))
                values |= member if field.inline and isinstance(member, dict) else {field.name: member}
            elif field.optional:
                values[field.name] = None
            else:
                found = f"tag {children[0].tag:02x}" if children else "the end"
                raise (children[0] if children else element).malformed(f"{found} stands where {field.name} belongs")
        if children:
            raise children[0].malformed(f"{len(children)} elements follow the last field", "nothing more")
        return values


@dataclass(frozen=True, slots=True)
class SequenceOf:
    """SEQUENCE OF one shape; its value is a list."""

    item: Shape
    tags: frozenset[int] = frozenset((SEQUENCE,))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, list | tuple):
            raise Malformed(f"{value!r} is not a list")
        return bytes((SEQUENCE,)) + with_length(b"".join(self.item.encode(item) for item in value))

    def decode(self, element: Element) -> list[object]:
        """See :class:`Shape`."""
        _check(element, SEQUENCE, "a sequence")
        return [self.item.decode(child) for child in element.children]


@dataclass(frozen=True, slots=True)
class Named:
    """A payload that is one unnamed value, read as a mapping of one name."""

    name: str
    shape: Shape

    @property
    def tags(self) -> frozenset[int]:
        """See :class:`Shape`."""
        return self.shape.tags

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if not isinstance(value, Mapping) or value.get(self.name) is None:
            raise Malformed(f"field {self.name} is missing", where=self.name)
        return self.shape.encode(value[self.name])

    def decode(self, element: Element) -> dict[str, object]:
        """See :class:`Shape`."""
        return {self.name: self.shape.decode(element)}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several named values, told apart by their tags."""

    options: tuple[Named, ...]

    @property
    def tags(self) -> frozenset[int]:
        """See :class:`Shape`."""
        return frozenset().union(*(option.tags for option in self.options))

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        for option in self.options:
            if isinstance(value, Mapping) and value.get(option.name) is not None:
                return option.encode(value)
        raise Malformed(f"{value!r} is none of the choices", expected=" or ".join(option.name for option in self.options))

    def decode(self, element: Element) -> dict[str, object]:
        """See :class:`Shape`."""
        for option in self.options:
            if element.tag in option.tags:
                return option.decode(element)
        raise element.malformed(f"DER tag is {element.tag:02x}", " or ".join(option.name for option in self.options))


@dataclass(frozen=True, slots=True)
class OrNull:
    """NULL for an empty mapping, else a shape. Without a shape: always NULL."""

    shape: Shape | None = None

    @property
    def tags(self) -> frozenset[int]:
        """See :class:`Shape`."""
        return frozenset((NULL,)) | (self.shape.tags if self.shape else frozenset())

    def encode(self, value: object) -> bytes:
        """See :class:`Shape`."""
        if self.shape is None or value is None or value == {}:
            return bytes((NULL, 0))
        return self.shape.encode(value)

    def decode(self, element: Element) -> object:
        """See :class:`Shape`."""
        if element.tag == NULL:
            return {}
        if self.shape is None:
            raise element.malformed(f"DER tag is {element.tag:02x}", "05, NULL")
        return self.shape.decode(element)
