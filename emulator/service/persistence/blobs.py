"""Large bodies as files: one for equal content, named by its SHA-256, on the disk before any row names it."""

import contextlib
import hashlib
import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
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

    def put(self, content: bytes) -> bytes:
        """Keep ``content`` and return its SHA-256."""
        digest = hashlib.sha256(content).digest()
        path = self.path(digest)
        if path.exists() and path.stat().st_size == len(content):
            path.touch()  # young again, so that it is not dropped before the new row names it
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

    def drop_unnamed(self, named: set[bytes], younger_than_s: float) -> int:
        """Delete blobs that nothing names, sparing those written after the instant given in seconds of the file system."""
        dropped = 0
        for path in self.folder.glob("??/*"):
            if path.name.startswith("."):
                stale = True
            elif len(path.name) == 64:
                stale = bytes.fromhex(path.name) not in named
            else:
                stale = False
            with contextlib.suppress(FileNotFoundError):
                if stale and path.stat().st_mtime < younger_than_s:
                    path.unlink()
                    dropped += 1
        return dropped

    def path(self, digest: bytes) -> Path:
        """Where the content with this SHA-256 lies, if it does."""
        name = digest.hex()
        return self.folder / name[:2] / name
