"""Units as columns: some forty octets each, whatever their number."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from emulator.domain.errors import Malformed

Rows = npt.NDArray[np.int64]
"""Places of units in the columns."""
Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[np.generic]


def one(row: int) -> Rows:
    """One place."""
    return np.array([row], np.int64)


def many(rows: Iterable[int]) -> Rows:
    """Some places."""
    return np.array(list(rows), np.int64)


COLUMNS: dict[str, str] = {
    "state": "u1",
    "variant": "u1",
    "truth": "u1",
    "seal": "u1",
    "flags": "u1",
    "triages": "u1",
    "returns": "u1",
    "owner": "u2",
    "installer": "u2",
    "version": "u2",
    "generation": "u1",
    "carton": "u4",
    "pallet": "u4",
    "since_s": "u4",
    "installed_s": "u4",
    "updated_s": "u4",
    "removed_s": "u4",
    "shows_s": "u4",
    "mate": "i4",
}
"""Name and type of each. ``…_s`` are seconds of UTC, 0 for never; companies and versions are indices of lists; ``mate`` is the
place of the unit that came back together with this one, or -1."""

SEALED, BROKEN, RESEALED = range(3)
"""Seals."""
SEALS = ("sealed", "broken", "resealed")
DAMAGED, WIPED, RESET, UNREGISTERED, NO_FAULT, FAILS_INSTALL, WENT_BACK, OVERDUE = (1 << bit for bit in range(8))
"""Flags: packaging is damaged; credentials are wiped; reset; not registered to its owner in the order system; came back as one
without fault; its installation failed; it was taken to the facility and came back as it was; it was not installed by its TSAT end
date, and must go back."""


class Columns:
    """All units of a world. Rows are only ever added."""

    __slots__ = (*COLUMNS, "count")

    state: npt.NDArray[np.uint8]
    variant: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    seal: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    triages: npt.NDArray[np.uint8]
    returns: npt.NDArray[np.uint8]
    owner: npt.NDArray[np.uint16]
    installer: npt.NDArray[np.uint16]
    version: npt.NDArray[np.uint16]
    generation: npt.NDArray[np.uint8]
    carton: npt.NDArray[np.uint32]
    pallet: npt.NDArray[np.uint32]
    since_s: npt.NDArray[np.uint32]
    installed_s: npt.NDArray[np.uint32]
    updated_s: npt.NDArray[np.uint32]
    removed_s: npt.NDArray[np.uint32]
    shows_s: npt.NDArray[np.uint32]
    mate: npt.NDArray[np.int32]

    def __init__(self) -> None:
        """None yet."""
        self.count = 0
        for name, kind in COLUMNS.items():
            setattr(self, name, np.zeros(0, kind))

    def add(self, count: int) -> Rows:
        """So many new rows, all zero; their places."""
        for name, kind in COLUMNS.items():
            setattr(self, name, np.concatenate((getattr(self, name), np.zeros(count, kind))))
        self.count += count
        rows = np.arange(self.count - count, self.count)
        self.mate[rows] = -1
        return rows

    def where(self, mask: Mask) -> Rows:
        """Places at which something holds."""
        return np.flatnonzero(mask)

    def columns(self) -> Iterator[tuple[str, Column]]:
        """Each with its name."""
        for name in COLUMNS:
            yield name, getattr(self, name)

    def dump(self) -> dict[str, bytes]:
        """Every column as little-endian octets, for a snapshot; nothing while there are no units."""
        return {name: column.astype(f"<{COLUMNS[name]}").tobytes() for name, column in self.columns()} if self.count else {}

    def digest(self) -> dict[str, bytes]:
        """What tells the columns from others."""
        return {name: hashlib.sha256(octets).digest() for name, octets in self.dump().items()}

    @classmethod
    def load(cls, octets: dict[str, bytes]) -> "Columns":
        """The columns of :meth:`dump`; raise :class:`Malformed` for others."""
        found = cls()
        if octets:
            for name, kind in COLUMNS.items():
                setattr(found, name, np.frombuffer(octets.get(name, b""), f"<{kind}").astype(kind))
            found.count = len(found.state)
            if any(len(column) != found.count for _, column in found.columns()):
                raise Malformed("columns of units differ in length", where="snapshot")
        return found

    def bytes_per_unit(self) -> float:
        """Octets of one row."""
        return float(sum(np.dtype(kind).itemsize for kind in COLUMNS.values()))
