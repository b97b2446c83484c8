"""SQLite as this project uses it: WAL, full synchronisation, numbered migrations, whole functions on the database's thread."""

import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from emulator.service.persistence.contract import StorageUnusable

T = TypeVar("T")

SCHEMA_VERSION = 3
"""The newest ``schema_vN.sql``; ``PRAGMA user_version`` of a database says which it has."""
BUSY_TIMEOUT_S = 10.0


class Database(aiosqlite.Connection):
    """An aiosqlite connection that can also run a whole function on its thread: one hop for a transaction, however many rows."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False)

        super().__init__(connect, iter_chunk_size=256)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run ``function(connection, *arguments)`` on the thread of the connection and return what it returns."""
        result: T = await self._execute(function, self._conn, *arguments)  # type: ignore[no-untyped-call]
        return result


async def open_database(path: Path) -> Database:
    """Open for writing and bring the schema up to date; raise :class:`StorageUnusable` when that cannot be."""
    database = Database(path)
    try:
        await database
    except sqlite3.Error as error:
        raise StorageUnusable(f"{path} cannot be opened: {error}") from None
    try:
        await database.call(_prepare)
    except sqlite3.Error as error:
        await database.close()
        raise StorageUnusable(f"{path} cannot be used: {error}") from None
    except StorageUnusable:
        await database.close()
        raise
    return database


class Reader(Database):
    """A connection that reads. Whatever it does raises :class:`StorageUnusable` where the file is damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=True)
        self._path = path

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        except sqlite3.DatabaseError as error:
            raise StorageUnusable(f"{self._path} cannot be read: {error}") from None


async def open_reader(path: Path) -> Database:
    """Open for reading beside the writer."""
    database = Reader(path)
    await database
    return database


def _keep_as_it_was(connection: sqlite3.Connection, version: int) -> None:
    """Leave a copy for the program that wrote it, should this one not be able to go on with what it holds."""
    (path,) = (file for _, name, file in connection.execute("PRAGMA database_list") if name == "main")
    copy = Path(f"{path}.format-{version}")
    if not copy.exists():
        connection.execute("VACUUM INTO ?", (str(copy),))


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -16384")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StorageUnusable(
            f"the log has format {version}, this program knows formats up to {SCHEMA_VERSION}: use the program that wrote it"
        )
    if 0 < version < SCHEMA_VERSION:
        _keep_as_it_was(connection, version)
    for number in range(version + 1, SCHEMA_VERSION + 1):
        script = resources.files("emulator.service.persistence").joinpath(f"schema_v{number}.sql").read_text("utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
    connection.execute("BEGIN IMMEDIATE")  # fails here, not at the first request, when the file cannot be written
    connection.execute("COMMIT")
