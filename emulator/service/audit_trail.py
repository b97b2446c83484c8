"""The audit trail verified, exported and read back.

An export is one JSON object a line: where the chain begins, the records in order, each list of devices before the first record
that names it, and where the chain ends.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from emulator.domain.errors import Malformed
from emulator.dsp.audit import Break, Entry, Place, Query, Record, read_record, verify
from emulator.service.persistence.contract import UNREADABLE, AuditQuery, Trail
from emulator.service.persistence.device_lists import pack, unpack
from emulator.service.persistence.trails import MemoryTrail

PAGE = 1_000
"""Records read at a time."""


@dataclass(frozen=True, slots=True)
class TrailVerdict:
    """What a walk along a trail has found."""

    whole: bool
    records: int
    """How many are in order, from the first on."""
    lists: int
    """How many lists of devices they name."""
    start: Place
    end: Place
    """The last record that is in order."""
    broken_at: int | None
    """The first record that is wrong or missing."""
    problem: str

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "start": _place(self.start), "end": _place(self.end)}


def _place(place: Place) -> dict[str, Any]:
    return {"number": place[0], "digest": place[1]}


async def verify_trail(trail: Trail, *, end: Place | None = None, marks: Mapping[int, str] | None = None) -> TrailVerdict:
    """Walk a trail from its start.

    ``end`` is where it must end, as somebody else knows; records after it are not looked at. ``marks`` are digests of records, by
    number, that somebody else knows too: who writes a whole chain anew misses them.
    """
    start = place = await trail.start()
    walk = _Walk(trail, marks or {})
    before = None if end is None else end[0] + 1
    broken: Break | None = None
    while broken is None and (page := await trail.records(AuditQuery(after=place[0], before=before, limit=PAGE))):
        broken = await asyncio.to_thread(verify, page, start=place)
        sound = page if broken is None else page[: max(0, broken.number - place[0] - 1)]
        broken = await walk.beside(sound) or broken
        if broken is not None:
            sound = sound[: max(0, broken.number - place[0] - 1)]
        if sound:
            place = (sound[-1].number, sound[-1].digest)
    if broken is None and end is not None:
        broken = verify((), start=place, expected_end=end)
    last_mark = max(walk.marks, default=0)
    if broken is None and last_mark > place[0]:
        broken = Break(place[0] + 1, f"the chain ends at record {place[0]}; a snapshot knows record {last_mark}")
    return TrailVerdict(
        whole=broken is None,
        records=place[0] - start[0],
        lists=len(walk.lists),
        start=start,
        end=place,
        broken_at=None if broken is None else broken.number,
        problem="" if broken is None else broken.problem,
    )


async def verify_export(trail: Trail, end: Place | None) -> TrailVerdict:
    """Walk the trail of an export, which must end where its last line says; ``end`` is None where that line is missing."""
    found = await verify_trail(trail)
    number = found.end[0]
    if not found.whole or found.end == end:
        return found
    if end is None:
        problem = "the export has no last line: its end was cut off"
    elif end[0] < number:
        problem, number = f"the export goes on after record {end[0]}, where it says that it ends", end[0]
    else:
        problem = f"the export ends at record {number}; its last line names record {end[0]}"
    return replace(found, whole=False, broken_at=number + 1, problem=problem)


class _Walk:
    """What is looked at beside the chain itself."""

    def __init__(self, trail: Trail, marks: Mapping[int, str]) -> None:
        self.lists: set[str] = set()
        self.marks = marks
        self._trail = trail

    async def beside(self, records: Iterable[Record]) -> Break | None:
        """The first record that is not the one known elsewhere, or whose list of devices is not there."""
        for record in records:
            number = record.number
            if self.marks.get(number, record.digest) != record.digest:
                return Break(number, f"record {number} is not the one that a snapshot knows: the chain was written anew")
            digest = record.entry.devices_digest
            if digest and digest not in self.lists:
                octets = await self._trail.device_list(digest)
                if octets is None:
                    return Break(number, f"the list of devices that record {number} names is missing or was edited")
                self.lists.add(digest)
        return None


async def export_lines(trail: Trail, end: Place) -> AsyncIterator[bytes]:
    """The lines of an export of the records up to ``end``."""
    place = await trail.start()
    yield _line({"start": _place(place)})
    lists: set[str] = set()
    while page := await trail.records(AuditQuery(after=place[0], before=end[0] + 1, limit=PAGE)):
        for record in page:
            digest = record.entry.devices_digest
            if digest and digest not in lists:
                lists.add(digest)
                octets = await trail.device_list(digest)
                yield _line({"devices_digest": digest, "devices": [] if octets is None else unpack(octets)})
            yield _line(record.as_json())
        place = (page[-1].number, page[-1].digest)
    yield _line({"end": _place(end)})


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def read_export(lines: Iterable[bytes]) -> tuple[MemoryTrail, Place | None]:
    """The trail of an export, and where it says that it ends, or None when its last line is missing.

    Raises :class:`Malformed` for what is no export. An export that was edited is one, and its trail is not whole.
    """
    trail, end = MemoryTrail(), None
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise ValueError("a line is one JSON object")
            if end is not None:
                raise ValueError("it goes on after its last line")
            if number == 1:
                trail = MemoryTrail(_read_place(values["start"]))
            elif "entry" in values:
                trail.add(_read_record(values))
            elif "end" in values:
                end = _read_place(values["end"])
            else:
                trail.add_list(str(values["devices_digest"]), pack(values["devices"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = error.detail if isinstance(error, Malformed) else str(error)
            raise Malformed(f"not an export of the audit trail: {what}", where=f"line {number}") from None
    return trail, end


def _read_place(values: Mapping[str, Any]) -> Place:
    return int(values["number"]), str(values["digest"])


def _read_record(values: Mapping[str, Any]) -> Record:
    try:
        return read_record(values)
    except Malformed:
        return Record(int(values["number"]), int(values["at_ms"]), str(values["previous"]), Entry(UNREADABLE, ""), "")


IMAGE_VARIANTS = ("11.1", "11.4")
"""Service Reference Variants that send an image."""
LET_THROUGH = ("I", "W")
"""First letters of the response codes of requests that were taken, wholly or in part."""


class Records(Protocol):
    """Whatever answers questions about a trail."""

    async def records(self, query: AuditQuery) -> list[Record]:
        """Records that fit, by number."""


async def last_sent_image(trail: Records, device: str, before_ms: int | None = None) -> Record | None:
    """The decision by which an image was last let through for a device before an instant, such as that of an alert.

    One with a code W is none for the devices that the request's record of kind ``exclusion`` names.
    """
    query = AuditQuery(Query(device=device, kind="decision", to_ms=before_ms), limit=PAGE, newest_first=True)
    while page := await trail.records(query):
        for record in page:
            entry = record.entry
            if entry.variant not in IMAGE_VARIANTS or not entry.outcome.startswith(LET_THROUGH):
                continue
            excluded = Query(device=device, request_id=entry.request_id, kind="exclusion")
            if not (entry.outcome.startswith("W") and await trail.records(AuditQuery(excluded, limit=1))):
                return record
        query = replace(query, before=page[-1].number)
    return None
