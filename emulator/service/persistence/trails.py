"""The audit trail of a world, in memory or in a database, as :class:`~emulator.service.persistence.contract.Trail` has it."""

import asyncio
import hashlib
import mmap
from collections import Counter, deque
from itertools import islice

from emulator.domain.identifiers import parse_eui
from emulator.dsp.audit import BEGINNING, Place, Record, select
from emulator.service.persistence import audit_rows
from emulator.service.persistence.blobs import BlobFolder
from emulator.service.persistence.contract import AuditQuery
from emulator.service.persistence.database import Database
from emulator.service.persistence.device_lists import names


class MemoryTrail:
    """A trail in memory."""

    def __init__(self, start: Place = BEGINNING, keep: int | None = None) -> None:
        """``start`` is what the first record follows; beyond ``keep`` records the oldest are dropped, and lists with
        the last record that names them."""
        self._start = start
        self._keep = keep
        self._records: deque[Record] = deque()
        self._lists: dict[str, bytes] = {}
        self._named: Counter[str] = Counter()
        """Kept records by the list that they name."""

    def add(self, record: Record) -> None:
        """Put a record at the end."""
        self._records.append(record)
        if record.entry.devices_digest:
            self._named[record.entry.devices_digest] += 1
        if self._keep is not None and len(self._records) > self._keep:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        dropped = self._records.popleft()
        self._start = (dropped.number, dropped.digest)
        digest = dropped.entry.devices_digest
        if digest:
            self._named[digest] -= 1
            if not self._named[digest]:
                del self._named[digest]
                self._lists.pop(digest, None)

    def add_list(self, digest: str, octets: bytes) -> None:
        """Keep a list that records name."""
        self._lists.setdefault(digest, octets)

    async def start(self) -> Place:
        """What the first kept record follows."""
        return self._start

    async def end(self) -> Place:
        """The last record."""
        return (self._records[-1].number, self._records[-1].digest) if self._records else self._start

    async def records(self, query: AuditQuery) -> list[Record]:
        """Records that fit, by number."""
        device = query.wanted.device
        about = {digest for digest, octets in self._lists.items() if device and names(octets, parse_eui(device))}
        kept = reversed(self._records) if query.newest_first else iter(self._records)
        before = query.before
        portion = (record for record in kept if record.number > query.after and (before is None or record.number < before))
        return list(islice(select(portion, query.wanted, dict.fromkeys(about, frozenset({device}))), query.limit))

    async def device_list(self, digest: str) -> bytes | None:
        """The octets of a list, or None when it is missing or damaged."""
        return _whole(self._lists.get(digest), digest)


class SqliteTrail:
    """A trail in a database and its folder of blobs."""

    def __init__(self, reader: Database, blobs: BlobFolder) -> None:
        self._reader = reader
        self._blobs = blobs

    async def start(self) -> Place:
        """What the first kept record follows."""
        return await self._reader.call(audit_rows.read_start)

    async def end(self) -> Place:
        """The last record."""
        return await self._reader.call(audit_rows.read_end)

    async def records(self, query: AuditQuery) -> list[Record]:
        """Records that fit, by number."""
        about = await self._lists_naming(parse_eui(query.wanted.device)) if query.wanted.device else []
        return await self._reader.call(audit_rows.read_audit, query, about)

    async def _lists_naming(self, device: int) -> list[str]:
        candidates = await self._reader.call(audit_rows.read_lists_about, device)
        return await asyncio.to_thread(self._those_naming, candidates, device)

    def _those_naming(self, candidates: list[tuple[str, bytes | None]], device: int) -> list[str]:
        return [digest for digest, octets in candidates if self._names(digest, octets, device)]

    def _names(self, digest: str, octets: bytes | None, device: int) -> bool:
        if octets is not None:
            return names(octets, device)
        try:
            with (
                self._blobs.path(bytes.fromhex(digest)).open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            ):
                return names(mapped, device)
        except (OSError, ValueError):  # gone or empty, which :meth:`device_list` tells who verifies the trail
            return False

    async def device_list(self, digest: str) -> bytes | None:
        """The octets of a list, or None when it is missing or damaged."""
        found = await self._reader.call(audit_rows.read_list, digest)
        if found is None:
            return None
        if found[0] is not None:
            return _whole(found[0], digest)
        try:
            return await asyncio.to_thread(self._blobs.get, bytes.fromhex(digest))
        except (OSError, ValueError):
            return None


def _whole(octets: bytes | None, digest: str) -> bytes | None:
    return octets if octets is not None and hashlib.sha256(octets).hexdigest() == digest else None
