"""The audit trail of a data folder, read without a server; one may be at work on the folder meanwhile."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from emulator.domain.errors import Malformed
from emulator.estate import snapshot
from emulator.service.persistence.blobs import BlobFolder
from emulator.service.persistence.contract import SnapshotRow, StorageUnusable
from emulator.service.persistence.database import Database, open_reader
from emulator.service.persistence.folder import check_world_name
from emulator.service.persistence.rows import read_snapshots
from emulator.service.persistence.trails import SqliteTrail

_FIRST_FORMAT_WITH_TRAIL = 2


@asynccontextmanager
async def data_folder_trail(data: Path, world: str) -> AsyncIterator[tuple[SqliteTrail, dict[int, str]]]:
    """The trail of a world, and the digests of records that its snapshots know.

    Raises :class:`Malformed` when there is no such world or its log holds no trail.
    """
    folder = data / "worlds" / check_world_name(world)
    path = folder / "log.sqlite3"
    if not path.is_file():
        raise Malformed(f"there is no world {world!r} in it", where=str(data), expected="the data folder of a server")
    try:
        database = await open_reader(path)
    except (sqlite3.Error, StorageUnusable) as error:
        raise Malformed(f"cannot be read: {error}", where=str(path)) from None
    try:
        marks = await _marks(database, folder)
        yield SqliteTrail(database, BlobFolder(folder / "blobs")), marks
    except StorageUnusable as error:
        raise Malformed(f"cannot be read: {error}", where=str(path)) from None
    finally:
        await database.close()


async def _marks(database: Database, folder: Path) -> dict[int, str]:
    """Where the trail stood, by number, when each kept snapshot was written. Snapshots that cannot be read know nothing."""
    ((version,),) = await database.execute_fetchall("PRAGMA user_version")
    if version < _FIRST_FORMAT_WITH_TRAIL:
        raise Malformed(f"the log has format {version}, which holds no audit trail", where=str(folder))
    rows = await database.call(read_snapshots)
    return dict(await asyncio.to_thread(_known, folder / "snapshots", rows))


def _known(folder: Path, rows: list[SnapshotRow]) -> list[tuple[int, str]]:
    found = []
    for row in rows:
        try:
            content = (folder / row.name).read_bytes()
            if hashlib.sha256(content).digest() == row.sha256:
                end = snapshot.load(content).dsp.audit  # of the state alone: registration columns have nothing to do with it
                found.append((end.number, end.digest))
        except (OSError, Malformed, AttributeError):
            continue
    return [(number, digest) for number, digest in found if number]
