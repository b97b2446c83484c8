"""Registration columns beside the snapshots that name them: too large for a snapshot, and the same for all of a world's life."""

import contextlib
import os
from pathlib import Path

import structlog

from emulator.domain.errors import Malformed
from emulator.estate.registration_columns import RegistrationColumns, load_columns
from emulator.service.persistence.blobs import sync_folder

_log = structlog.get_logger("storage")
_SUFFIX = ".columns"


class ColumnFolder:
    """A folder of columns named by their digest. Its methods block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, columns: RegistrationColumns) -> None:
        """Write columns, whole or not at all, and return when they would survive a loss of power.

        Raises :class:`OSError` when the disk does not take them.
        """
        path = self.folder / f"{columns.digest}{_SUFFIX}"
        if path.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with draft.open("wb") as file:
                file.writelines(columns.save())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        sync_folder(self.folder)

    def find(self, digest: str) -> RegistrationColumns | None:
        """The columns with a digest, or None when they are missing or damaged."""
        path = self.folder / f"{digest}{_SUFFIX}"
        try:
            with path.open("rb") as file:
                columns = load_columns(file, source=path.name)
        except (OSError, Malformed) as error:
            _log.warning("registration columns cannot be read", name=path.name, error=str(error))
            return None
        if columns.digest != digest:
            _log.warning("registration columns are damaged", name=path.name)
            return None
        return columns

    def drop_others(self, digest: str | None) -> None:
        """Delete all columns but these."""
        for path in self.folder.glob(f"*{_SUFFIX}"):
            if path.name != f"{digest}{_SUFFIX}":
                path.unlink(missing_ok=True)
