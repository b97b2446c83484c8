"""What steps on runs need of the runner: the evidence of the run so far, and runs of other scenarios."""

import io
import json
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emulator.client.archive import MANIFEST
from emulator.domain.errors import Malformed
from emulator.scenarios.evidence import TRANSCRIPT, bundle, read_bundle
from emulator.scenarios.library import library
from emulator.scenarios.model import Scenario
from emulator.scenarios.names import suggest
from emulator.scenarios.regression import Comparison, compare
from emulator.scenarios.report import Report
from emulator.scenarios.stage import Stage


@dataclass(frozen=True, slots=True)
class ReadEvidence:
    """An evidence bundle as a reader found it."""

    refused: str
    """Why it is not taken; empty when it is."""
    requests: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The run that is under way."""

    scenario: Scenario
    report: Report
    note: Callable[[Report, Stage], None]
    """Puts into a report what has come so far, the transcript as well."""
    run: Callable[[Scenario], Awaitable[Report]]

    def read_evidence(self, stage: Stage, edit: str = "", *, checked: bool = True) -> ReadEvidence:
        """Seal the run so far, change an octet of a file in it, and read it; unless ``checked``, as a reader that trusts it."""
        self.note(self.report, stage)
        packed = bundle(self.scenario, self.report)
        if edit:
            packed = _edited(packed, edit)
        with TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(packed)) as archive:
            lines = archive.read(TRANSCRIPT).splitlines()
            if checked:
                path = Path(folder) / "bundle.zip"
                path.write_bytes(packed)
                try:
                    read_bundle(path, Path(folder) / "files")
                except Malformed as error:
                    return ReadEvidence(error.detail)
        kinds = [] if edit else [set(json.loads(line)) for line in lines]
        return ReadEvidence("", sum("request" in kind for kind in kinds), sum("message" in kind for kind in kinds))

    async def compare(self, scenarios: Sequence[str], settings: Mapping[str, Any]) -> list[Comparison]:
        """Run shipped scenarios as they are and with other settings."""
        paths = library()
        for name in scenarios:
            if name not in paths:
                raise Malformed(f"there is no shipped scenario {name!r}", where="scenarios", expected=suggest(name, paths))
        return await compare([paths[name] for name in scenarios], settings, self.run)


def _edited(packed: bytes, name: str) -> bytes:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive, zipfile.ZipFile(changed, "w") as other:
        if name not in archive.namelist() or name == MANIFEST:
            expected = ", ".join(each for each in archive.namelist() if each != MANIFEST)
            raise Malformed(f"there is no {name!r} to be edited", where="edit", expected=expected)
        for entry in archive.infolist():
            content = archive.read(entry)
            other.writestr(entry, content[:-1] + bytes([content[-1] ^ 1]) if entry.filename == name else content)
    return changed.getvalue()
