"""Looking at the run itself: the evidence that it leaves, archives of devices, other scenarios before and after a change."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emulator.client.archive import device_archive
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import Count
from emulator.scenarios.values import References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


Kind = Literal["jobs", "transactions", "messages", "journal", "audit", "faults"]


class ExpectEvidence(Step):
    """The evidence of the run so far, sealed as `scenario run --evidence` does and read as `scenario replay` does, holds so much;
    where somebody edits a file in it, that is found."""

    requests: Count | None = None
    """Requests with their answers in its transcript."""
    messages: Count | None = None
    """Messages in its transcript."""
    edit: str = ""
    """A file in it that somebody changes: `verdict.json`, `transcript.jsonl`, `scenario.toml`, `estate.toml`."""
    found: bool = True
    """Whether that is found."""
    compared: bool = True
    """Whether the reader compares the hashes."""

    async def run(self, stage: "Stage") -> None:
        """Seal it, change it, read it."""
        rehearsal = stage.rehearsal
        if rehearsal is None:
            raise Malformed("nobody keeps the transcript here", where="do", expected="a run of the scenario runner")
        read = rehearsal.read_evidence(stage, self.edit, checked=self.compared)
        if self.edit:
            stage.verify(f"the edit of {self.edit} is found", self.found, bool(read.refused))
            return
        stage.verify("evidence", "whole", read.refused or "whole")
        for name in ("requests", "messages"):
            wanted = getattr(self, name)
            if wanted is not None:
                stage.verify(f"{name} in the transcript", wanted, getattr(read, name))


class CompareRelease(Step):
    """Run shipped scenarios as they are and with other settings, in worlds of their own, as `scenario compare` does."""

    scenarios: Annotated[list[str], Field(min_length=1)]
    """Their ids."""
    settings: dict[str, Any]
    """What the change is: settings of the world by dotted path."""
    differ: list[str] = []
    """Those whose verdict must be another afterwards; that of all others must stay."""

    def check(self, names: Names) -> None:
        """Who differs is compared."""
        for each in self.differ:
            if each not in self.scenarios:
                raise Malformed(f"{each!r} is not compared", where="differ", expected=", ".join(self.scenarios))

    async def run(self, stage: "Stage") -> None:
        """Run them twice."""
        if stage.rehearsal is None:
            raise Malformed("nobody runs other scenarios here", where="do", expected="a run of the scenario runner")
        compared = await stage.rehearsal.compare(self.scenarios, self.settings)
        stage.verify("passed before", dict.fromkeys(self.scenarios, True), {each.id: each.before for each in compared})
        wanted = {name: name not in self.differ for name in self.scenarios}
        seen = {each.id: each.same for each in compared}
        if wanted != seen:
            steps = {each.id: list(each.failed) for each in compared if each.failed}
            stage.fail("the same afterwards", wanted, {**seen, "failed": steps})


class ExpectArchive(Step):
    """The archive of devices (`dcc-emulator devices EUI --archive`) holds so many entries of each kind and says what they are."""

    device: References
    """Which; each has one of its own."""
    entries: Annotated[
        dict[Literal["jobs", "transactions", "messages", "journal", "audit", "faults"], Count], Field(min_length=1)
    ]
    """How many of each kind, exactly."""

    def check(self, names: Names) -> None:
        """The devices."""
        names.devices_of(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Make it and count."""
        for eui in stage.names.devices_of(self.device, "device"):
            counts, files = await device_archive(stage.control, eui)
            about = f"of {stage.names.shown(eui)}"
            stage.verify(
                f"entries in the archive {about}", dict(self.entries), {name: counts[name] for name in self.entries}, about=eui
            )
            described = await stage.look(f"devices/{format_eui(eui)}")
            stage.verify(f"description in the archive {about}", described, json.loads(files["device.json"]), about=eui)


STEPS: Mapping[str, type[Step]] = {
    "expect-evidence": ExpectEvidence,
    "expect-archive": ExpectArchive,
    "compare-release": CompareRelease,
}
"""Steps on runs."""
