"""The data folder: one process at a time, one sub-folder per world."""

import contextlib
import fcntl
import os
import re
import shutil
from pathlib import Path

from emulator.domain.errors import Malformed
from emulator.service.persistence.contract import StorageUnusable

WORLD_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Names of worlds: they are folder names and path segments."""


def check_world_name(name: str) -> str:
    """Return ``name``; raise :class:`Malformed` when a world cannot have it."""
    if not WORLD_NAME.fullmatch(name):
        raise Malformed(
            f"{name[:80]!r} cannot name a world", where="world", expected="up to 63 of a-z 0-9 _ -, a letter or digit first"
        )
    return name


class DataFolder:
    """A data folder that this process holds."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    @classmethod
    def hold(cls, path: Path) -> "DataFolder":
        """Take the folder, made if need be; raise :class:`StorageUnusable` when that cannot be or another process has it."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageUnusable(f"data folder {path} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StorageUnusable(f"data folder {path} is in use by process {holder}; give each server its own") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        return cls(path, handle)

    def release(self) -> None:
        """Let another process have it."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = -1

    def worlds(self) -> list[str]:
        """Names of the worlds that have a folder."""
        parent = self.path / "worlds"
        if not parent.is_dir():
            return []
        return sorted(entry.name for entry in parent.iterdir() if entry.is_dir() and WORLD_NAME.fullmatch(entry.name))

    def world(self, name: str) -> Path:
        """The folder of a world, made if need be."""
        folder = self.path / "worlds" / check_world_name(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnusable(f"folder {folder} cannot be made: {error.strerror}") from None
        return folder

    def drop_world(self, name: str) -> None:
        """Delete all that is kept of a world, which must be closed."""
        shutil.rmtree(self.path / "worlds" / check_world_name(name), ignore_errors=True)
