"""Registration data in columns: an immutable base for millions of MPxNs.

An MPxN takes 8 octets for its key, 4 for the place of its change points, 2 to 4 for finding it, and 8 for each change point:
about 39 with a supplier, an agent and a network operator. The columns are of ``array``, because Python reads single numbers from
those faster than from numpy. Keys are not sorted as numbers but by a product that scatters them evenly: its upper bits say where
to look, and a look-up touches three places in memory where a bisection of ten million would touch twenty-three.

The columns do not depend on the order of the registrations they are made of, so neither does their digest. They are saved as one
file beside the snapshots that name the digest.
"""

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.domain.errors import Malformed
from emulator.domain.mpxn import MPAN_DIGITS, mpxn_key, mpxn_of_key
from emulator.estate.registrations import FOREVER_MS, FROM_SHIFT, NOBODY, ROLE_SHIFT, UNKNOWN, find_party

Int64s = NDArray[np.int64]

_SCATTER = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio, an odd number: multiplying by it modulo 2**64 can be undone."""
_GATHER = pow(_SCATTER, -1, 1 << 64)
_MASK = (1 << 64) - 1
_KEYS_PER_BUCKET = 2
_ROWS_PER_PART = 1 << 17
_MAGIC = b"registration columns 1\n"


@dataclass(frozen=True, slots=True)
class Tenures:
    """Registrations as columns of equal length, in any order."""

    keys: Int64s
    """MPxNs (:func:`emulator.domain.mpxn.mpxn_key`)."""
    points: Int64s
    """The change point with which each begins."""
    ends_ms: Int64s
    """Exclusive; ``FOREVER_MS`` where open."""


class RegistrationColumns:
    """A :class:`emulator.estate.registrations.RegistrationBase` in columns."""

    def __init__(self, keys: "array[int]", starts: "array[int]", points: "array[int]") -> None:
        """Take scattered keys in order, the place of each key's first change point and one past the end, and change points."""
        self._keys = keys
        self._starts = starts
        self._points = points
        self._pending: tuple[int, Int64s, Int64s] | None = None
        bits = max(0, (len(keys) // _KEYS_PER_BUCKET).bit_length())
        self._shift = 64 - bits
        edges = np.arange(1 << bits, dtype=np.uint64) << np.uint64(self._shift) if bits else np.zeros(1, np.uint64)
        found = np.frombuffer(keys, np.uint64).searchsorted(edges) if keys else np.zeros(1, np.int64)
        self._buckets = _column("I", np.append(found, len(keys)).astype(np.uint32))
        self.digest = self._digest()

    def __len__(self) -> int:
        """How many MPxNs there are."""
        return len(self._keys)

    @property
    def size_bytes(self) -> int:
        """Octets of all columns."""
        return sum(len(column) * column.itemsize for column in (self._keys, self._starts, self._points, self._buckets))

    def party_at(self, mpxn: str, role_code: int, at_ms: int) -> int:
        """Index of the party that holds the role at that instant, ``NOBODY``, or ``UNKNOWN`` when the MPxN is not here."""
        position = self._find(mpxn)
        if position < 0:
            return UNKNOWN
        return find_party(self._points, role_code, at_ms, self._starts[position], self._starts[position + 1])

    def parties_at(self, mpxns: Sequence[str], role_code: int, at_ms: int) -> list[int]:
        """:meth:`party_at` of many MPxNs, in a few passes over all of them."""
        if not len(self._keys):
            return [UNKNOWN] * len(mpxns)
        asked = _keys_of(mpxns)
        scattered = asked.astype(np.uint64) * np.uint64(_SCATTER)
        keys, starts, points = np.frombuffer(self._keys, np.uint64), np.frombuffer(self._starts, np.uint32), self._all_points()
        position = np.minimum(keys.searchsorted(scattered), len(keys) - 1)
        known = (asked >= 0) & (keys[position] == scattered)
        latest = np.int64((role_code << ROLE_SHIFT) + (min(at_ms, FOREVER_MS) << FROM_SHIFT) + NOBODY)
        place, ends = starts[position].astype(np.int64), starts[position + 1].astype(np.int64)
        found = np.full(len(mpxns), NOBODY, np.int64)
        # The last point that is not after the instant counts: each pass looks at the next point of every MPxN.
        while len(points) and (left := (place < ends)).any():
            point = points[np.minimum(place, len(points) - 1)]
            fits = left & (point <= latest)
            found = np.where(fits, np.where(point >> ROLE_SHIFT == role_code, point & NOBODY, NOBODY), found)
            place += 1
        found[~known] = UNKNOWN
        parties: list[int] = found.tolist()
        return parties

    def change_points(self, mpxn: str) -> list[int]:
        """All change points of the MPxN, in order; none for an unknown one."""
        position = self._find(mpxn)
        return [] if position < 0 else self._points[self._starts[position] : self._starts[position + 1]].tolist()

    def changing(self, after_ms: int, until_ms: int) -> list[str]:
        """MPxNs with a change point where ``after_ms < from_ms <= until_ms``, in their order."""
        from_ms, places = self._later(after_ms)
        start, stop = from_ms.searchsorted((after_ms, until_ms), "right").tolist()
        first_points = np.frombuffer(self._starts, np.uint32)
        positions = np.unique(first_points.searchsorted(places[start:stop].astype(np.uint32), "right") - 1)
        return sorted(mpxn_of_key(self._keys[position] * _GATHER & _MASK) for position in positions.tolist())

    def next_change_ms(self, after_ms: int) -> int | None:
        """The earliest instant of a change point after this one, or None."""
        from_ms, _ = self._later(after_ms)
        position = int(from_ms.searchsorted(after_ms, "right"))
        return int(from_ms[position]) if position < len(from_ms) else None

    def _later(self, after_ms: int) -> tuple[Int64s, Int64s]:
        """Instants and places of all change points after an instant, by instant, with perhaps some before it.

        They are found once and kept, because time goes forwards and few registrations are pending.
        """
        if self._pending is None or after_ms < self._pending[0]:
            points = self._all_points()
            places = np.flatnonzero(_from_ms(points) > after_ms)
            places = places[np.argsort(_from_ms(points[places]), kind="stable")]
            self._pending = after_ms, _from_ms(points[places]), places
        return self._pending[1:]

    def _all_points(self) -> Int64s:
        return np.frombuffer(self._points, np.int64) if self._points else np.zeros(0, np.int64)

    def save(self) -> Iterator[bytes]:
        """The octets of the columns' file, in pieces; :func:`load_columns` reads them."""
        yield _MAGIC
        yield len(self._keys).to_bytes(8, "little") + len(self._points).to_bytes(8, "little")
        for column in (self._keys, self._starts, self._points):
            yield from _little_endian(column)

    def _find(self, mpxn: str) -> int:
        key = mpxn_key(mpxn)
        if key < 0:
            return -1
        scattered = key * _SCATTER & _MASK
        bucket = scattered >> self._shift
        end = self._buckets[bucket + 1]
        position = bisect_left(self._keys, scattered, self._buckets[bucket], end)
        return position if position < end and self._keys[position] == scattered else -1

    def _digest(self) -> str:
        hasher = hashlib.sha256()
        for piece in self.save():
            hasher.update(piece)
        return hasher.hexdigest()


def _keys_of(mpxns: Sequence[str]) -> Int64s:
    """:func:`mpxn_key` of many."""
    text = "".join(mpxns)
    if set(map(len, mpxns)) != {MPAN_DIGITS} or not text.isascii() or not text.isdigit():
        return np.array([mpxn_key(mpxn) for mpxn in mpxns], np.int64)
    digits = np.frombuffer(text.encode(), np.uint8).reshape(len(mpxns), MPAN_DIGITS).astype(np.int64) - ord("0")
    keys: Int64s = digits @ 10 ** np.arange(MPAN_DIGITS - 1, -1, -1, dtype=np.int64) + 10**MPAN_DIGITS
    return keys


def columns_of(tenures: Tenures, place: Callable[[int], str]) -> RegistrationColumns:
    """Lay tenures out as columns.

    Raise :class:`Malformed` when two that differ begin at the same instant for an MPxN and role; ``place`` names a tenure by its
    position in the file it came from.
    """
    scattered = tenures.keys.astype(np.uint64) * np.uint64(_SCATTER)
    # Part by part in the order of keys, so that sorting needs little memory beyond the columns.
    bits = min(8, max(1, (len(scattered) // _ROWS_PER_PART).bit_length()))
    part = (scattered >> np.uint64(64 - bits)).astype(np.uint8)
    order = np.argsort(part, kind="stable")
    edges = np.cumsum(np.bincount(part, minlength=1 << bits)).tolist()
    del part
    keys = np.empty(len(scattered), np.uint64)
    starts = np.empty(len(scattered) + 1, np.uint32)
    points = np.empty(len(scattered) + int((tenures.ends_ms < FOREVER_MS).sum()), np.int64)
    known = laid = 0
    for start, stop in pairwise([0, *edges]):
        chosen = order[start:stop]
        part_of = (scattered[chosen], tenures.points[chosen], tenures.ends_ms[chosen])
        distinct, first, laid_out = _lay_out(*part_of, chosen, place)
        keys[known : known + len(distinct)] = distinct
        starts[known : known + len(distinct)] = first + laid
        points[laid : laid + len(laid_out)] = laid_out
        known, laid = known + len(distinct), laid + len(laid_out)
    starts[known] = laid
    del scattered, order
    return RegistrationColumns(_column("Q", keys[:known]), _column("I", starts[: known + 1]), _column("q", points[:laid]))


def _lay_out(
    keys: NDArray[np.uint64], points: Int64s, ends_ms: Int64s, positions: Int64s, place: Callable[[int], str]
) -> tuple[NDArray[np.uint64], Int64s, Int64s]:
    """Distinct keys in order, the place of the first change point of each, and the change points."""
    order = np.lexsort((points, keys))
    keys, points, ends_ms = keys[order], points[order], ends_ms[order]
    repeated = _equal_next(keys) & _equal_next(points) & _equal_next(ends_ms)
    if repeated.any():
        order, keys, points, ends_ms = order[~repeated], keys[~repeated], points[~repeated], ends_ms[~repeated]
    # A tenure ends at the latest where the next one of the same MPxN and role begins.
    succeeded = np.flatnonzero(_equal_next(keys) & _equal_next(points >> ROLE_SHIFT))
    successors_ms = _from_ms(points[succeeded + 1])
    clash = succeeded[_from_ms(points[succeeded]) == successors_ms]
    if len(clash):
        one, other = sorted(positions[order[clash[0] : clash[0] + 2]].tolist())
        raise Malformed(
            f"begins at the same instant as {place(one)}, for the same MPxN and role",
            where=place(other),
            expected="one party at an instant",
        )
    latest_ms = np.full(len(keys), FOREVER_MS, np.int64)
    latest_ms[succeeded] = successors_ms
    vacant = ends_ms < latest_ms
    # Each tenure takes one place, and the place after it where its role falls vacant.
    places = np.cumsum(1 + vacant.astype(np.int64)) - 1 - vacant
    laid = np.empty(len(points) + int(vacant.sum()), np.int64)
    laid[places] = points
    laid[places[vacant] + 1] = points[vacant] >> ROLE_SHIFT << ROLE_SHIFT | ends_ms[vacant] << FROM_SHIFT | NOBODY
    first = np.flatnonzero(~_equal_last(keys))
    return keys[first], places[first], laid


def load_columns(file: BufferedIOBase, *, source: str) -> RegistrationColumns:
    """Read what :meth:`RegistrationColumns.save` wrote; raise :class:`Malformed` for anything else."""
    head = file.read(len(_MAGIC) + 16)
    if not head.startswith(_MAGIC) or len(head) != len(_MAGIC) + 16:
        raise Malformed("not registration columns", where=source, expected="a file saved by the emulator")
    keys = int.from_bytes(head[len(_MAGIC) : -8], "little")
    points = int.from_bytes(head[-8:], "little")
    columns = []
    for typecode, length in (("Q", keys), ("I", keys + 1), ("q", points)):
        try:
            column = array(typecode, [0]) * length
        except (OverflowError, MemoryError):
            raise Malformed("the columns are larger than memory", where=source, expected="a whole file") from None
        if file.readinto(memoryview(column).cast("B")) != length * column.itemsize:
            raise Malformed("the columns are cut short", where=source, expected="a whole file")
        if sys.byteorder == "big":
            column.byteswap()
        columns.append(column)
    if file.read(1):
        raise Malformed("the columns go on after their end", where=source, expected="a whole file")
    return RegistrationColumns(*columns)


def _from_ms(points: Int64s) -> Int64s:
    return points >> FROM_SHIFT & FOREVER_MS


def _equal_next(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each value equals the one after it; the last does not."""
    return np.append(values[:-1] == values[1:], np.zeros(min(1, len(values)), np.bool_))


def _equal_last(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each value equals the one before it; the first does not."""
    return np.append(np.zeros(min(1, len(values)), np.bool_), values[:-1] == values[1:])


def _column(typecode: str, values: NDArray[Any]) -> "array[int]":
    """A column of exactly this size: arrays that grow keep room for more."""
    column: array[int] = array(typecode, [0]) * len(values)
    if column:
        np.frombuffer(column, values.dtype)[:] = values
    return column


def _little_endian(column: "array[int]") -> Iterator[bytes]:
    """The octets of a column in small pieces, so that writing needs no second copy of it."""
    step = 1 << 16
    for start in range(0, len(column), step):
        piece = column[start : start + step]
        if sys.byteorder == "big":
            piece.byteswap()
        yield piece.tobytes()
