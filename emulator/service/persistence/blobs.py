"""Large bodies as files: one for equal content, named by its SHA-256, on the disk before any row names it."""

import contextlib
import hashlib
import os
import threading
import time
from pathlib import Path


def write_durably(path: Path, content: bytes | memoryview) -> None:
    """Put ``content`` at ``path``, whole or not at all, and return when it would survive a loss of power.

    Raises :class:`OSError` when the disk does not take it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def drop_drafts(*folders: Path) -> None:
    """Delete what :func:`write_durably` had not finished when an earlier process ended; nobody may be writing."""
    for folder in folders:
        for draft in (*folder.glob(".*.*"), *folder.glob("??/.*.*")):
            draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class BlobFolder:
    """A folder of blobs. Its methods block; they may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._changing = threading.Lock()
        self._put_s: dict[bytes, float] = {}
        """When this process last put each, by a clock that nobody sets."""

    def put(self, content: bytes) -> bytes:
        """Keep ``content`` and return its SHA-256."""
        digest = hashlib.sha256(content).digest()
        path = self.path(digest)
        with self._changing:
            self._put_s[digest] = time.monotonic()
            if path.exists() and path.stat().st_size == len(content):
                return digest
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder)
        write_durably(path, content)
        return digest

    def get(self, digest: bytes) -> bytes:
        """The content; raises :class:`OSError` when it is gone and :class:`ValueError` when it is damaged."""
        content = self.path(digest).read_bytes()
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(f"blob {digest.hex()} is damaged")
        return content

    def drop_unnamed(self, named: set[bytes], grace_s: float) -> int:
        """Delete blobs that nothing names, sparing those that this process has put within ``grace_s``; how many went.

        A blob is there before the row that names it. One of an earlier process that has no row will never have one.
        """
        now_s, dropped = time.monotonic(), 0
        with self._changing:
            self._put_s = {digest: put_s for digest, put_s in self._put_s.items() if now_s - put_s < grace_s}
        for path in self.folder.glob("??/*"):
            if len(path.name) == 64 and bytes.fromhex(path.name) not in named:
                dropped += self._drop(path)
        return dropped

    def _drop(self, path: Path) -> int:
        with self._changing, contextlib.suppress(FileNotFoundError):
            if bytes.fromhex(path.name) not in self._put_s:
                path.unlink()
                return 1
        return 0

    def path(self, digest: bytes) -> Path:
        """Where the content with this SHA-256 lies, if it does."""
        name = digest.hex()
        return self.folder / name[:2] / name
