"""What an import found, entry by entry."""

from dataclasses import dataclass

from emulator.pki.certificates import CertificateRecord


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """One certificate, key or file of an import."""

    place: str
    """Where it stands in what was imported, such as a file name."""
    record: CertificateRecord | None
    """What it is; None when it was skipped."""
    reason: str = ""
    """Why it was skipped, or what to know of it although it was imported."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The outcome of an import; a bad entry is skipped and never keeps a good one out."""

    entries: tuple[ImportEntry, ...]

    @property
    def records(self) -> tuple[CertificateRecord, ...]:
        """What was imported."""
        return tuple(entry.record for entry in self.entries if entry.record is not None)

    @property
    def skipped(self) -> tuple[ImportEntry, ...]:
        """What was not, with the reasons."""
        return tuple(entry for entry in self.entries if entry.record is None)

    def __str__(self) -> str:
        lines = [f"{len(self.records)} imported, {len(self.skipped)} skipped"]
        lines += [f"{'skipped' if e.record is None else 'imported'} {e.place}: {e.reason}" for e in self.entries if e.reason]
        return "\n".join(lines)
