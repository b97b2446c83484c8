"""What the process with the worlds and an edge process say to each other, over a pair of sockets that nobody else has.

A frame is four octets of length and a marshalled list: everything that came up in one turn of an event loop. Both ends are the
same program, so the form may change with any version.
"""

import asyncio
import marshal
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import RequestId
from emulator.duis.messages import Element, Request
from emulator.duis.signature import complete_signature
from emulator.service.answering import Reply
from emulator.service.transport_faults import UNSPOILT, AnswerFaults

HEADER_BYTES = 4
MAX_KEYS = 64
"""Signing keys that an edge process holds at most; the worlds of a server have one each, until they are reset."""

Parts = tuple[Any, ...]


class Link(asyncio.Protocol):
    """One end. ``on_messages`` gets what came in a frame, ``on_end`` is called when the other process is gone."""

    def __init__(self, on_messages: Callable[[list[Any]], None], on_end: Callable[[], None]) -> None:
        self._on_messages = on_messages
        self._on_end = on_end
        self._buffer = bytearray()
        self._out: list[Any] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The sockets are there from the start."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The other process has ended, or was ended."""
        self._transport = None
        self._on_end()

    def data_received(self, data: bytes) -> None:
        """Pass on whole frames."""
        self._buffer += data
        while len(self._buffer) >= HEADER_BYTES:
            end = HEADER_BYTES + int.from_bytes(self._buffer[:HEADER_BYTES], "big")
            if len(self._buffer) < end:
                return
            messages = marshal.loads(memoryview(self._buffer)[HEADER_BYTES:end])  # noqa: S302 (from our own process)
            del self._buffer[:end]
            self._on_messages(messages)

    def send(self, message: Any) -> None:
        """Send with whatever else this turn of the event loop has to say; to nobody when the other end is gone."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(message)

    def _flush(self) -> None:
        octets = marshal.dumps(self._out)
        self._out = []
        if self._transport is not None:
            self._transport.write(len(octets).to_bytes(HEADER_BYTES, "big") + octets)

    def close(self) -> None:
        """Say what is to be said and end."""
        if self._transport is not None:
            self._flush()
            self._transport.close()


class GivenKeys:
    """Which signing keys the other end holds, and under which numbers."""

    def __init__(self) -> None:
        self._numbers: dict[EllipticCurvePrivateKey, int] = {}

    def parts(self, key: EllipticCurvePrivateKey) -> Parts:
        """The number of a key, and its octets where the other end is to hold it under this number from now on."""
        number = self._numbers.get(key)
        if number is not None:
            return number, None
        number = len(self._numbers)
        if number == MAX_KEYS:
            number = self._numbers.pop(next(iter(self._numbers)))
        self._numbers[key] = number
        return number, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class HeldKeys:
    """The keys that :class:`GivenKeys` gave, at the other end."""

    def __init__(self) -> None:
        self._keys: dict[int, EllipticCurvePrivateKey] = {}

    def take(self, parts: Parts) -> EllipticCurvePrivateKey:
        """The key that is meant."""
        number, octets = parts
        if octets is not None:
            key = load_der_private_key(octets, None)
            assert isinstance(key, EllipticCurvePrivateKey)
            self._keys[number] = key
        return self._keys[number]


def request_parts(request: Request) -> Parts:
    """A request as plain values; :func:`request_of` is the reverse."""
    preceding = request.preceding_request_id
    return (
        _identity_parts(request.request_id),
        request.command_variant,
        request.service_reference,
        request.service_reference_variant,
        _element_parts(request.body),
        request.schema_version,
        request.first_in_sequence,
        None if preceding is None else _identity_parts(preceding),
    )


def request_of(parts: Parts) -> Request:
    """The request that :func:`request_parts` took apart."""
    identity, variant, reference, reference_variant, body, version, first, preceding = parts
    before = None if preceding is None else RequestId(*preceding)
    return Request(RequestId(*identity), variant, reference, reference_variant, _element_of(body), version, first, before)


def _identity_parts(identity: RequestId) -> Parts:
    return identity.originator, identity.target, identity.counter, identity.text


def _element_parts(node: Element) -> Parts:
    return node.name, node.text, tuple([_element_parts(child) for child in node.children]), node.attributes


def _element_of(parts: Parts) -> Element:
    name, text, children, attributes = parts
    return Element(name, text, tuple([_element_of(child) for child in children]) if children else (), attributes)


def refusal_parts(refusal: Refusal) -> Parts:
    """A refusal as plain values, in the order of its fields."""
    return refusal.code, refusal.detail, refusal.where, refusal.expected


_FAULTS = tuple(AnswerFaults.__dataclass_fields__)


def reply_parts(reply: Reply) -> Parts:
    """A reply as plain values, but for the key; :func:`reply_of` is the reverse."""
    spoilt = None if reply.spoilt is UNSPOILT else tuple(getattr(reply.spoilt, name) for name in _FAULTS)
    return reply.status, reply.body, reply.content_type, spoilt, reply.retry_after_s


def reply_of(parts: Parts, key: EllipticCurvePrivateKey | None = None) -> Reply:
    """The reply that :func:`reply_parts` took apart, signed with ``key`` where there is one."""
    status, body, content_type, spoilt, retry_after_s = parts
    signed = body if key is None else complete_signature(body, key)
    return Reply(status, signed, content_type, UNSPOILT if spoilt is None else AnswerFaults(*spoilt), retry_after_s)
