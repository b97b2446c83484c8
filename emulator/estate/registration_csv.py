"""Registration data from CSV: one registration a line, ``mpxn,role,party,from,to``.

``from`` and ``to`` are ISO 8601 dates (midnight UTC) or date-times (UTC unless they say otherwise); ``to`` is exclusive and empty
for a registration that is open. The order of lines means nothing.

Files are read in batches of a megabyte, column by column. Roles, companies and instants repeat, so each distinct text is read
once and then recognised by its octets. A batch with anything unusual in it is read again line by line, which takes quoted fields
and says what is wrong where.
"""

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from emulator.domain.errors import Malformed
from emulator.domain.mpxn import MAX_MPRN_DIGITS, MPAN_DIGITS, mpxn_key, mpxn_of_key
from emulator.estate.model import Registration
from emulator.estate.registration_columns import Int64s, Tenures
from emulator.estate.registrations import (
    FOREVER_MS,
    FROM_SHIFT,
    MPAN_ROLES,
    MPRN_ROLES,
    NOBODY,
    ROLE_CODES,
    ROLE_SHIFT,
    ROLES,
    change_point,
    check_registration,
    from_of,
)

HEADER = "mpxn,role,party,from,to"
MAX_ROWS = 500_000_000
"""Most lines of one file (chosen: every MPxN of the country in three roles, several times over)."""

_BATCH_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 16
"""What a longer line is cut to; it is refused for its fields then."""
_WORD = 8
_MAX_FIELD_WORDS = 6
_MAX_KNOWN_TEXTS = 1 << 20
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_MASKS = np.array([(1 << 8 * octets) - 1 for octets in range(_WORD + 1)], np.uint64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FITS = np.array(
    [[ROLES.get(code) in roles for code in range(8)] for roles in (MPRN_ROLES, MPAN_ROLES)],
)
"""Whether a role code goes with an MPRN (row 0) or an MPAN (row 1)."""


def read_tenures(file: BinaryIO, parties: Sequence[str], *, source: str) -> Tenures:
    """Read a whole file, a tenure from each line, in their order; raise :class:`Malformed` naming ``source`` and the line."""
    header = file.readline(256).removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    if header != HEADER.encode():
        raise Malformed(f"the first line is {header[:60]!r}", where=f"{source} line 1", expected=HEADER)
    reader = _Reader(parties, source)
    batches = [(_NONE, _NONE, _NONE)]
    rows = 0
    while octets := file.read(_BATCH_BYTES):
        octets += file.readline(_MAX_LINE_BYTES)
        batches.append(reader.batch(octets if octets.endswith(b"\n") else octets + b"\n", line_of(rows)))
        rows += len(batches[-1][0])
        if rows > MAX_ROWS:
            raise Malformed("too many lines", where=source, expected=f"at most {MAX_ROWS}")
    keys, points, ends_ms = (np.concatenate(column) for column in zip(*batches, strict=True))
    return Tenures(keys, points, ends_ms)


def line_of(position: int) -> int:
    """The line of the tenure at a position of :func:`read_tenures`."""
    return position + 2


def registrations_of(tenures: Tenures, parties: Sequence[str]) -> list[Registration]:
    """Tenures as records."""
    rows = zip(tenures.keys.tolist(), tenures.points.tolist(), tenures.ends_ms.tolist(), strict=True)
    return [
        Registration(
            mpxn_of_key(key),
            ROLES[point >> ROLE_SHIFT],
            parties[point & NOBODY],
            from_of(point),
            None if end_ms == FOREVER_MS else end_ms,
        )
        for key, point, end_ms in rows
    ]


Columns = tuple[Int64s, Int64s, Int64s]
_NONE: Int64s = np.zeros(0, np.int64)
_CODES_BY_NAME = {role.value: code for role, code in ROLE_CODES.items()}


class _Unusual(Exception):
    """A batch that has to be read line by line."""


class _Vocabulary:
    """Distinct texts of one field and the number that each stands for."""

    def __init__(self, read: Callable[[str], int]) -> None:
        self._read = read
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._words: NDArray[np.uint64] = np.zeros((_MAX_FIELD_WORDS, 0), np.uint64)
        self._numbers = _NONE

    def numbers(self, words: NDArray[np.uint64]) -> Int64s:
        """The number of each text, given by its octets as columns of words; raise :class:`_Unusual` when one has none."""
        if len(self._hashes) > _MAX_KNOWN_TEXTS:
            self._hashes, self._words, self._numbers = self._hashes[:0], self._words[:, :0], _NONE
        hashes = np.zeros(words.shape[1], np.uint64)
        for column in words:
            hashes = (hashes ^ column) * _MIX
            hashes ^= hashes >> _HALF
        places = self._hashes.searchsorted(hashes)
        fresh = self._hashes.take(places, mode="clip") != hashes if len(self._hashes) else np.ones(len(hashes), np.bool_)
        if fresh.any():
            self._learn(words[:, fresh], hashes[fresh])
            places = self._hashes.searchsorted(hashes)
        # Two texts may have one hash; what counts is the octets.
        if (self._words[: len(words), places] != words).any() or self._words[len(words) :, places].any():
            raise _Unusual
        return self._numbers[places]

    def _learn(self, words: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> None:
        fresh, first = np.unique(hashes, return_index=True)
        texts = np.zeros((_MAX_FIELD_WORDS, len(fresh)), np.uint64)
        texts[: len(words)] = words[:, first]
        numbers = []
        for row in texts.T.astype("<u8").tolist():
            octets = b"".join(word.to_bytes(_WORD, "little") for word in row)
            try:
                numbers.append(self._read(octets.rstrip(b"\0").decode()))
            except ValueError:
                raise _Unusual from None
        hashes = np.append(self._hashes, fresh)
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._words = np.append(self._words, texts, axis=1)[:, order]
        self._numbers = np.append(self._numbers, np.array(numbers, np.int64))[order]


class _Reader:
    def __init__(self, parties: Sequence[str], source: str) -> None:
        self._parties = {name: number for number, name in enumerate(parties)}
        self._source = source
        self._vocabularies = [_Vocabulary(read) for read in (self._role, self._party, self._beginning, self._end)]

    def batch(self, octets: bytes, first_line: int) -> Columns:
        """Keys, points and ends of whole lines."""
        try:
            return self._by_column(octets)
        except _Unusual:
            lines = octets.split(b"\n")[:-1]
            records = [self._record(text, f"{self._source} line {line}") for line, text in enumerate(lines, first_line)]
            keys, points, ends_ms = (np.array(column, np.int64) for column in zip(*records, strict=True))
            return keys, points, ends_ms

    def _by_column(self, octets: bytes) -> Columns:
        padded = octets + bytes(_MAX_FIELD_WORDS * _WORD)
        text = np.frombuffer(padded, np.uint8)
        commas, ends = np.flatnonzero(text == ord(",")), np.flatnonzero(text == ord("\n"))
        if len(commas) != 4 * len(ends) or b'"' in octets or b"\0" in octets:
            raise _Unusual
        starts = np.append(0, ends[:-1] + 1)
        ends = ends - (text[ends - 1] == ord("\r"))
        edges = np.column_stack((starts - 1, commas.reshape(-1, 4), ends))
        lengths = np.diff(edges) - 1
        if lengths.min() < 0 or lengths.max() > _MAX_FIELD_WORDS * _WORD:
            raise _Unusual
        # A word at every octet, so that fields can be taken from wherever they begin.
        words = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
        role, party, from_ms, end_ms = (
            vocabulary.numbers(_words(words, edges[:, field] + 1, lengths[:, field]))
            for field, vocabulary in enumerate(self._vocabularies, 1)
        )
        if (end_ms <= from_ms).any():
            raise _Unusual
        return _keys(text, starts, lengths[:, 0], role), role << ROLE_SHIFT | from_ms << FROM_SHIFT | party, end_ms

    def _record(self, text: bytes, where: str) -> tuple[int, int, int]:
        """Key, point and end of one line; raise :class:`Malformed` when it has none."""
        try:
            row = next(csv.reader([text.decode().removesuffix("\r")], strict=True), [])
            if len(row) != 5:
                raise Malformed(f"{len(row)} fields", expected=f"5: {HEADER}")
            mpxn, role, party, start, end = row
            code, number, from_ms, end_ms = self._role(role), self._party(party), self._beginning(start), self._end(end)
            check_registration(mpxn, ROLES[code], from_ms, None if end_ms == FOREVER_MS else end_ms)
        except Malformed as error:
            raise Malformed(error.detail, where=where, expected=error.expected) from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise Malformed(f"cannot be read: {error}", where=where, expected=HEADER) from None
        return mpxn_key(mpxn), change_point(code, from_ms, number), end_ms

    def _role(self, text: str) -> int:
        code = _CODES_BY_NAME.get(text)
        if code is None:
            raise Malformed(f"{text[:40]!r} is no role of registration data", expected=", ".join(_CODES_BY_NAME))
        return code

    def _party(self, text: str) -> int:
        number = self._parties.get(text)
        if number is None:
            raise Malformed(f"party {text[:80]!r} is not declared", expected=f"one of {', '.join(list(self._parties)[:50])}")
        return number

    def _beginning(self, text: str) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Malformed(f"{text[:40]!r} is no date", expected="an ISO 8601 date or date-time") from None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        instant_ms = (aware - _EPOCH) // timedelta(milliseconds=1)
        if not 0 <= instant_ms < FOREVER_MS:
            raise Malformed(f"{text[:40]} is too early or too late", expected="a year from 1970 to 2526")
        return instant_ms

    def _end(self, text: str) -> int:
        return self._beginning(text) if text else FOREVER_MS


def _words(words: NDArray[np.uint64], starts: Int64s, lengths: Int64s) -> NDArray[np.uint64]:
    """The octets of fields as columns of words, padded with zeros."""
    columns = [
        words[starts + begin] & _MASKS[np.clip(lengths - begin, 0, _WORD)]
        for begin in range(0, max(int(lengths.max()), 1), _WORD)
    ]
    return np.stack(columns)


def _keys(text: NDArray[np.uint8], starts: Int64s, lengths: Int64s, role_codes: Int64s) -> Int64s:
    """The keys of MPxNs; raise :class:`_Unusual` when one is none or has a role that does not go with it."""
    right = (lengths == MPAN_DIGITS) | ((lengths > 0) & (lengths <= MAX_MPRN_DIGITS))
    right &= _FITS[(lengths == MPAN_DIGITS).astype(np.int64), role_codes]
    keys = np.ones(len(starts), np.int64)
    for column in range(MPAN_DIGITS):
        digit = text[starts + column].astype(np.int64) - ord("0")
        within = lengths > column
        right &= ~within | ((digit >= 0) & (digit <= 9))
        keys = np.where(within, keys * 10 + digit, keys)
    if not right.all():
        raise _Unusual
    return keys
