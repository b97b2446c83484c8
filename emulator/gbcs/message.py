"""The outer structure of a GBCS message: general ciphering, general signing, grouping header.

Source of the whole layout: gbcs.md section 1, proven on all 1275 test messages. All integers are big-endian.
"""

from dataclasses import dataclass
from enum import IntEnum

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, eui_bytes
from emulator.gbcs.octets import Reader, encode_length, with_length

MAX_MESSAGE_BYTES = 1_048_576
"""Longest message read; ours, far above the longest the use cases can make."""

SIGNATURE_BYTES = 64
MAC_BYTES = 12

_CIPHERING = b"\xdd" + bytes(6)
_SECURITY_HEADER = bytes.fromhex("1100000000")
_SIGNING = 0xDF
_OTHER_PLAIN, _OTHER_PARTY, _OTHER_COUNTER, _OTHER_ORIGINATOR_COUNTER = 2, 10, 18, 26


class Cra(IntEnum):
    """Command, Response or Alert: the first octet of the transaction id."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


@dataclass(frozen=True, slots=True)
class Supplementary:
    """The fields after the message code when another party stands behind the ACB (gbcs.md section 4)."""

    party: Eui64
    """The remote party on whose behalf the ACB acts, or whom the alert concerns."""
    counter: int | None = None
    """That party's counter: the one of the DUIS RequestID."""
    originator_counter: int | None = None
    """The device's own counter, in Responses with data encrypted for an unknown remote party."""
    certificate: bytes | None = None
    """DER of the party's key-agreement certificate, in Commands that read sensitive data for it."""

    def encode(self) -> bytes:
        """The octets after the message code."""
        if self.counter is None:
            if self.originator_counter is not None or self.certificate is not None:
                raise Broken("supplementary fields stand in a fixed order: party, counter, then one more")
            return eui_bytes(self.party)
        octets = eui_bytes(self.party) + self.counter.to_bytes(8, "big")
        if self.originator_counter is not None and self.certificate is not None:
            raise Broken("supplementary fields hold an originator counter or a certificate, not both")
        if self.originator_counter is not None:
            return octets + self.originator_counter.to_bytes(8, "big")
        return octets + (self.certificate or b"")


@dataclass(frozen=True, slots=True)
class GbcsMessage:
    """One message in its parts. Equality is octet equality of what :meth:`encode` gives."""

    cra: Cra
    counter: int
    """Originator counter, 64 bits; a Response repeats the Command's, an Alert has the device's own."""
    originator: Eui64
    recipient: Eui64
    message_code: int
    content: bytes
    """The payload: DLMS, GBZ or DER."""
    supplementary: Supplementary | None = None
    date_time: bytes | None = None
    """12-octet COSEM date-time of the grouping header, or None."""
    signature: bytes | None = b""
    """None: no signature octets at all (a test Pre-Command); ``b""``: null signature; else 64 octets r || s."""
    mac: bytes | None = None
    """12 octets; None leaves the general-ciphering layer away."""

    def encode(self) -> bytes:
        """The message, octet for octet."""
        signing = self.general_signing()
        if self.mac is None:
            return signing
        if self.signature is None:
            raise Broken("a message with a MAC has a signature field, null at least")
        return cipher(signing, self.mac)

    def general_signing(self) -> bytes:
        """From ``DF`` up to and including the signature octets: what the MAC covers."""
        octets = bytes((_SIGNING,)) + self.to_be_signed()
        return octets if self.signature is None else octets + with_length(self.signature)

    def to_be_signed(self) -> bytes:
        """From the octet after ``DF`` to the last octet of the content: what the signature covers."""
        other = self.message_code.to_bytes(2, "big") + (self.supplementary.encode() if self.supplementary else b"")
        return b"".join(
            (
                b"\x09",
                bytes((self.cra,)),
                self.counter.to_bytes(8, "big"),
                b"\x08",
                eui_bytes(self.originator),
                b"\x08",
                eui_bytes(self.recipient),
                with_length(self.date_time or b""),
                with_length(other),
                with_length(self.content),
            )
        )


def cipher(signing: bytes, mac: bytes) -> bytes:
    """The general-ciphering layer around :meth:`GbcsMessage.general_signing`."""
    body = _SECURITY_HEADER + signing + mac
    return _CIPHERING + encode_length(len(body)) + body


def decode_message(data: bytes) -> GbcsMessage:
    """Read one message; :class:`~emulator.domain.errors.Malformed` names the octet where reading stopped.

    ``decode_message(x).encode() == x`` for whatever is accepted: lengths must be in their shortest form.
    """
    reader = Reader(data)
    if len(data) > MAX_MESSAGE_BYTES:
        raise reader.malformed(f"the message has {len(data)} octets", f"at most {MAX_MESSAGE_BYTES}")
    mac = None
    if data[:1] == b"\xdd":
        reader.expect(_CIPHERING, "general-ciphering header")
        count = reader.length("ciphered service")
        if count != reader.left:
            raise reader.malformed(f"{reader.left} octets follow the length", str(count))
        reader.expect(_SECURITY_HEADER, "security header")
        if reader.left < MAC_BYTES:
            raise reader.malformed("the MAC is cut short", f"{MAC_BYTES} octets at the end")
        reader.end -= MAC_BYTES
        mac = data[reader.end :]
    return _decode_signing(reader, mac)


def _decode_signing(reader: Reader, mac: bytes | None) -> GbcsMessage:
    reader.expect(bytes((_SIGNING,)), "general-signing tag")
    reader.expect(b"\x09", "length of the transaction id")
    flag = reader.octet("CRA flag")
    if flag not in (1, 2, 3):
        raise reader.malformed(f"CRA flag is {flag}", "1 command, 2 response or 3 alert", reader.position - 1)
    counter = reader.number(8, "originator counter")
    reader.expect(b"\x08", "length of the originator title")
    originator = Eui64(reader.number(8, "originator title"))
    reader.expect(b"\x08", "length of the recipient title")
    recipient = Eui64(reader.number(8, "recipient title"))
    date_time = _decode_date_time(reader)
    code, supplementary = _decode_other(reader)
    content = reader.block("content")
    signature = None
    if reader.left or mac is not None:
        start = reader.position
        signature = reader.block("signature")
        if len(signature) not in (0, SIGNATURE_BYTES):
            raise reader.malformed(f"the signature has {len(signature)} octets", "0 or 64", start)
    reader.finish("the signature")
    return GbcsMessage(
        Cra(flag), counter, originator, recipient, code, content, supplementary, date_time, signature, mac
    )  # fmt: skip


def _decode_date_time(reader: Reader) -> bytes | None:
    start = reader.position
    octets = reader.block("date-time")
    if len(octets) not in (0, 12):
        raise reader.malformed(f"date-time has {len(octets)} octets", "0 or 12", start)
    return octets or None


def _decode_other(reader: Reader) -> tuple[int, Supplementary | None]:
    start = reader.position
    count = reader.length("other information")
    if count < _OTHER_ORIGINATOR_COUNTER and count not in (_OTHER_PLAIN, _OTHER_PARTY, _OTHER_COUNTER):
        raise reader.malformed(f"other information has {count} octets", "2, 10, 18, 26 or more", start)
    code = reader.number(2, "message code")
    if count == _OTHER_PLAIN:
        return code, None
    party = Eui64(reader.number(8, "supplementary remote party"))
    if count == _OTHER_PARTY:
        return code, Supplementary(party)
    counter = reader.number(8, "supplementary remote party counter")
    if count == _OTHER_COUNTER:
        return code, Supplementary(party, counter)
    if count == _OTHER_ORIGINATOR_COUNTER:
        return code, Supplementary(party, counter, reader.number(8, "supplementary originator counter"))
    certificate = reader.take(count - _OTHER_COUNTER, "supplementary certificate")
    return code, Supplementary(party, counter, certificate=certificate)
