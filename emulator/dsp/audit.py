"""The audit trail: who did what, for whom, under which grant, with what outcome; append-only and hash-chained.

Each record names the digest of the one before it, so that a record that was edited, dropped or put in is found
(reference ota/access.md section 7, M7-33). A list of devices is one record with the list by digest: a national campaign costs
records per request, not per device. What a device answered or reported is a record only where a message went to somebody.

A change of the inventory is a record, with what was there before and after, where a request about that one device or an operator
caused it; one cause that changes many devices is one record with their list. What a PPMID reports of an image that a request for
a list brought it (11.4) is none: the record of that request has the version and the list, that of its alert the time, and the
device its state. A Gas Proxy Function follows its hub.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from operator import itemgetter
from typing import NamedTuple

from emulator.domain.errors import Malformed

GENESIS = "0" * 64
"""The digest that the first record names."""


class Entry(NamedTuple):
    """What is to be recorded. Empty fields do not apply."""

    kind: str
    """``decision``, ``exclusion`` (what was not taken of a list that was taken in part), ``message``, ``inventory``,
    ``grant``, ``registration``, ``quarantine`` or ``control``."""
    outcome: str
    """A response code, an alert code, a state: what came of it."""
    reason: str = ""
    request_id: str = ""
    user: str = ""
    """User ID that acted, or to whom a message went."""
    role: str = ""
    operator: str = ""
    """The human who acted under the User ID, as the sender named them; of a control command, the one who gave it, as they named
    themselves."""
    acting_for: str = ""
    """The supplier for whom an agent acted."""
    grant: str = ""
    """Numbers of the grants that were used."""
    device: str = ""
    devices: int = 0
    """How many devices a list names."""
    devices_digest: str = ""
    """Under which the list is kept."""
    mpxn: str = ""
    variant: str = ""
    version: str = ""
    image_hash: str = ""
    file_hash: str = ""
    """SHA-256 of the whole OTA file, header and trailer included; of registration data, of the text that was loaded."""
    region: str = ""
    """CSP region of the one device, where it is known."""
    before: str = ""
    """What the inventory, or registration, held before a change: fields and values."""
    after: str = ""
    """The same after it; of a grant that was given, its terms and filters."""


_FIELDS = Entry._fields
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_PREFIXES = tuple(f"{json.dumps(name)}:" for name in sorted(_FIELDS))
_values_of = itemgetter(*map(_FIELDS.index, sorted(_FIELDS)))


class Record(NamedTuple):
    """An entry in its place in the chain."""

    number: int
    at_ms: int
    previous: str
    """Digest of the record before."""
    entry: Entry
    digest: str
    """SHA-256 over number, time, previous digest and entry."""

    def as_json(self) -> dict[str, object]:
        """JSON values; fields of the entry that are empty are left out."""
        return {
            "number": self.number,
            "at_ms": self.at_ms,
            "previous": self.previous,
            "entry": filled(self.entry),
            "digest": self.digest,
        }


@dataclass(slots=True)
class AuditState:
    """Where the chain ends."""

    number: int = 0
    digest: str = GENESIS


def append(state: AuditState, entry: Entry, at_ms: int, text: str = "") -> Record:
    """Put an entry at the end of the chain; ``text`` is its :func:`entry_text` where that is at hand."""
    number = state.number + 1
    digest = _digest(number, at_ms, state.digest, text or entry_text(entry))
    record = Record(number, at_ms, state.digest, entry, digest)
    state.number, state.digest = number, digest
    return record


def filled(entry: Entry) -> dict[str, str | int]:
    """The fields of an entry that are not empty. Only they count: a field that a later version adds changes no digest."""
    return {name: value for name in _FIELDS if (value := getattr(entry, name))}


def entry_text(entry: Entry) -> str:
    """:func:`filled` as JSON with sorted names and without spaces: the text that is digested, and kept."""
    parts = [
        prefix + (quoted(value) if value.__class__ is str else _ENCODER.encode(value))
        for prefix, value in zip(_PREFIXES, _values_of(entry), strict=True)
        if value
    ]
    return f"{{{','.join(parts)}}}"


def _digest(number: int, at_ms: int, previous: str, text: str) -> str:
    return hashlib.sha256(f"[{number},{at_ms},{quoted(previous)},{text}]".encode()).hexdigest()


def read_record(values: Mapping[str, object]) -> Record:
    """A record from its JSON values; raise :class:`Malformed` for anything else. Whether it is true is for :func:`verify`."""
    try:
        body = values["entry"]
        if not isinstance(body, Mapping) or not set(_FIELDS) >= set(body):
            raise ValueError("entry has other fields than a record")
        number, at_ms = values["number"], values["at_ms"]
        if not isinstance(number, int) or not isinstance(at_ms, int):
            raise ValueError("number and at_ms are numbers")
        entry = Entry(**{"kind": "", "outcome": "", **body})
        return Record(number, at_ms, str(values["previous"]), entry, str(values["digest"]))
    except (KeyError, ValueError, TypeError) as error:
        raise Malformed(f"not an audit record: {error}", where="audit", expected="what as_json() gives") from None


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is broken first."""

    number: int
    """The record that is wrong or missing."""
    problem: str


Place = tuple[int, str]
"""Number and digest of a record."""
BEGINNING: Place = (0, GENESIS)
"""What the first record follows."""


def verify(records: Iterable[Record], *, start: Place = BEGINNING, expected_end: Place | None = None) -> Break | None:
    """Walk a chain, or the part of it after ``start``; None when it is whole.

    ``expected_end`` is the last record as the engine knows it, so that a cut-off end is found too.
    """
    number, previous = start
    for record in records:
        number += 1
        if record.number != number:
            return Break(number, f"record {number} is missing; found {record.number} in its place")
        if record.previous != previous:
            return Break(number, f"record {number} does not follow the one before it: a record was edited, dropped or put in")
        if record.digest != _digest(record.number, record.at_ms, record.previous, entry_text(record.entry)):
            return Break(number, f"record {number} was edited: its content does not have its digest")
        previous = record.digest
    if expected_end is None or expected_end == (number, previous):
        return None
    if expected_end[0] > number:
        return Break(number + 1, f"the chain ends at record {number}; the world's last record is {expected_end[0]}")
    return Break(number, f"the chain ends at record {number} with another digest than the world's record {expected_end[0]}")


@dataclass(frozen=True, slots=True)
class Query:
    """Which records somebody wants; every field that is set must fit."""

    device: str = ""
    user: str = ""
    request_id: str = ""
    """Compared without regard to case (wire_contract.md section 0 item 4)."""
    kind: str = ""
    variant: str = ""
    image_hash: str = ""
    from_ms: int | None = None
    to_ms: int | None = None
    """Exclusive."""


def select(records: Iterable[Record], query: Query, lists: Mapping[str, frozenset[str]]) -> Iterator[Record]:
    """The records a query asks for, in order. ``lists`` are the device lists by digest: a record whose list names the device
    concerns it."""
    for record in records:
        entry = record.entry
        if query.from_ms is not None and record.at_ms < query.from_ms:
            continue
        if query.to_ms is not None and record.at_ms >= query.to_ms:
            continue
        if query.device and query.device != entry.device and query.device not in lists.get(entry.devices_digest, frozenset()):
            continue
        wanted = (
            (query.user, entry.user),
            (query.request_id.lower(), entry.request_id.lower()),
            (query.kind, entry.kind),
            (query.variant, entry.variant),
            (query.image_hash, entry.image_hash),
        )
        if all(not want or want == has for want, has in wanted):
            yield record
