"""Reading and writing octets: the length rule and the bounded reader that all GBCS codecs share.

Lengths are one octet below 0x80, else ``0x80 | n`` and n octets, always in the shortest form
(source: gbcs.md section 1, proven on all test messages).
"""

from emulator.domain.errors import Malformed

MAX_LENGTH_OCTETS = 4


def encode_length(count: int) -> bytes:
    """The shortest length octets for ``count``."""
    if count < 0x80:
        return bytes((count,))
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def with_length(octets: bytes) -> bytes:
    """``octets`` preceded by their length."""
    return encode_length(len(octets)) + octets


class Reader:
    """Takes octets off a buffer between two offsets; every failure names the absolute offset.

    Raises :class:`Malformed` with ``where="octet N"`` and never reads past ``end``.
    """

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = start
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """How many octets remain."""
        return self.end - self.position

    def malformed(self, detail: str, expected: str = "", at: int | None = None) -> Malformed:
        """The error to raise for what stands at ``at`` (default: here)."""
        return Malformed(detail, where=f"octet {self.position if at is None else at}", expected=expected)

    def take(self, count: int, what: str) -> bytes:
        """The next ``count`` octets."""
        if count > self.end - self.position:
            raise self.malformed(f"{what} is cut short", f"{count} octets, {self.left} are there")
        start = self.position
        self.position = start + count
        return self.data[start : self.position]

    def number(self, count: int, what: str, *, signed: bool = False) -> int:
        """An integer of ``count`` octets, most significant first."""
        return int.from_bytes(self.take(count, what), "big", signed=signed)

    def octet(self, what: str) -> int:
        """The next octet."""
        if self.position >= self.end:
            raise self.malformed(f"{what} is missing", "one more octet")
        value = self.data[self.position]
        self.position += 1
        return value

    def length(self, what: str, *, shortest: bool = True) -> int:
        """A length, by default only in its shortest form."""
        start = self.position
        first = self.octet(f"length of {what}")
        if first < 0x80:
            return first
        count = first & 0x7F
        if not 1 <= count <= MAX_LENGTH_OCTETS:
            raise self.malformed(f"length of {what} has {count} octets", f"1 to {MAX_LENGTH_OCTETS}", start)
        value = self.number(count, f"length of {what}")
        if shortest and encode_length(value) != self.data[start : self.position]:
            raise self.malformed(f"length of {what} is not in its shortest form", encode_length(value).hex(), start)
        return value

    def block(self, what: str) -> bytes:
        """Octets preceded by their length."""
        return self.take(self.length(what), what)

    def expect(self, octets: bytes, what: str) -> None:
        """Exactly these octets."""
        start = self.position
        found = self.take(len(octets), what)
        if found != octets:
            raise self.malformed(f"{what} is {found.hex()}", octets.hex(), start)

    def finish(self, what: str) -> None:
        """Nothing may be left."""
        if self.left:
            raise self.malformed(f"{self.left} octets follow {what}", "nothing more")
