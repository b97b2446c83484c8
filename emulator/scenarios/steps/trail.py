"""What must be on record: entries of the audit trail and of the journal.

Rows describe records among all since the beginning, and exactly so many of them must be there: unlike messages, a record may be
looked at by several steps.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import UserRole
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import Count
from emulator.scenarios.values import Reference, References
from emulator.service.audit_trail import read_export, verify_export

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

PAGE = 1_000
"""Records taken at a time."""
SHOWN = 8
STREAM_S = 10.0
"""Wall time within which a stream must have brought what the journal has."""
"""How many of the nearest records a failure shows."""
RecordKind = Literal["decision", "exclusion", "message", "inventory", "grant", "registration", "quarantine", "control"]


class _Row(BaseModel):
    """What rows of both kinds have."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    request: Reference = ""
    """The step whose request it belongs to; where that sent several, one of them."""
    device: References = []
    """Devices that it is about, or whose list names them; there must be so many for each of them."""
    since: Reference = ""
    """Only what was recorded since this step began."""
    count: Count = 1
    """How many, exactly; `0` for none."""

    def check(self, names: Names, where: str) -> None:
        """Look up everything that the row names."""
        names.devices_of(self.device, f"{where}.device")
        if self.request:
            names.known("request", self.request, names.requests, f"{where}.request")
        if self.since:
            names.known("step", self.since, names.steps, f"{where}.since")

    def queries(self, stage: "Stage") -> Iterator[tuple[Eui64 | None, dict[str, str]]]:
        """For each device, or once for None, the part of the row that the server looks up."""
        for eui in stage.names.devices_of(self.device, "device") or (None,):
            yield eui, {} if eui is None else {"device": format_eui(eui)}

    def requests_of(self, stage: "Stage") -> frozenset[str] | None:
        """RequestIDs that a record must have one of; None for any."""
        if not self.request:
            return None
        return frozenset(str(sent.request_id) for sent in stage.sent.get(self.request, []))

    def begins_ms(self, stage: "Stage") -> int:
        """The instant from which records count."""
        return stage.instants[self.since] if self.since else 0


class AuditRow(_Row):
    """Records of the audit trail: kind, who, for whom, about what, with what outcome. What is left out may be anything."""

    kind: RecordKind
    """`decision` on a request, `exclusion` of what was not taken of its list, `message` to a user, change of `inventory`,
    `registration` or `grant`, `quarantine`, `control`."""
    outcome: str = ""
    """What came of it: a response code, an alert code, a state."""
    reason: str = ""
    """Words that its reason holds."""
    user: Reference = ""
    """Who acted, or to whom a message went."""
    role: UserRole | None = None
    """In which role."""
    operator: str | None = None
    """The human behind the user; `""` for none."""
    acting_for: str | None = None
    """The suppliers for whom an agent acted, by company; `""` for none."""
    grant: Reference | None = None
    """Name of the step that made the grant under which it was done; `""` for none."""
    variant: str = ""
    """Service Reference Variant."""
    version: str = ""
    """Firmware version."""
    image: Reference = ""
    """The built image whose hash it names."""
    before: str | None = None
    """What the inventory or registration held before, as the record has it."""
    after: str | None = None
    """What it holds now."""

    def check(self, names: Names, where: str) -> None:
        """Users, images, grants, variants."""
        super().check(names, where)
        if self.user:
            names.user(self.user, f"{where}.user")
        if self.image:
            names.known("image", self.image, names.images, f"{where}.image")
        if self.grant:
            names.known("grant", self.grant, names.grants, f"{where}.grant")
        if self.variant and self.variant not in service_reference_variants():
            remedy = suggest(self.variant, service_reference_variants())
            raise Malformed(f"there is no variant {self.variant!r}", where=f"{where}.variant", expected=remedy)

    def wanted(self, stage: "Stage") -> dict[str, str]:
        """Fields that must be equal, in the form of the record."""
        user = format_eui(stage.names.user(self.user, "user")) if self.user else None
        grant = self.grant and str(stage.grants.get(self.grant, "none"))
        fields = {
            "kind": self.kind,
            "outcome": self.outcome or None,
            "user": user,
            "role": None if self.role is None else self.role.value,
            "operator": self.operator,
            "acting_for": self.acting_for,
            "grant": grant,
            "variant": self.variant or None,
            "version": self.version or None,
            "image_hash": stage.images[self.image].hash if self.image else None,
            "before": self.before,
            "after": self.after,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        parts = [self.kind, self.outcome, f"for {self.request!r}" if self.request else "", f"of {self.user}" if self.user else ""]
        return " ".join(part for part in parts if part)


class ExpectAudit(Step):
    """The audit trail holds exactly these records, and its chain is whole."""

    records: list[AuditRow] = []
    """Rows as below: `{ kind = "decision", request = "update", user = "supplier", outcome = "I99" }` and the like."""
    whole: bool = True
    """Whether the chain of all records is whole: none was edited, dropped or put in."""

    def check(self, names: Names) -> None:
        """Every row."""
        for number, row in enumerate(self.records, 1):
            row.check(names, f"records.{number}")

    async def run(self, stage: "Stage") -> None:
        """Walk the chain, then count row by row."""
        verdict = await stage.look("audit/verify")
        stage.verify("the audit trail is whole", self.whole, verdict["whole"])
        for row in self.records:
            for eui, query in row.queries(stage):
                await self._count(stage, row, eui, query)

    async def _count(self, stage: "Stage", row: AuditRow, eui: Eui64 | None, query: dict[str, str]) -> None:
        wanted, requests, since_ms = row.wanted(stage), row.requests_of(stage), row.begins_ms(stage)
        found, near = 0, []
        async for record in _pages(stage, "audit", "records", {**query, "kind": row.kind}):
            entry = record["entry"]
            if record["at_ms"] < since_ms or (requests is not None and entry.get("request_id") not in requests):
                continue
            seen = {name: entry.get(name, "") for name in wanted}
            if seen == wanted and row.reason in entry.get("reason", ""):
                found += 1
            else:
                near.append({**seen, **({"reason": entry.get("reason", "")} if row.reason else {})})
        if found != row.count:
            about = "" if eui is None else f" about {stage.names.shown(eui)}"
            expected = {"count": row.count, **wanted, **({"reason": row.reason} if row.reason else {})}
            stage.fail(f"records of {row}{about}", expected, {"count": found, "others": near[-SHOWN:]}, about=eui)


class ExpectEditFound(Step):
    """Somebody edits a copy of the exported audit trail, and whoever verifies the copy finds it."""

    record: AuditRow
    """The record that is edited: the first that fits."""
    edit: Literal["edited", "dropped"] = "edited"
    """Whether it gets other values, or is left out."""
    values: dict[str, str] = {}
    """Its other values, by name: `{ user = "…" }`."""
    found: bool = True
    """Whether that is found."""

    def check(self, names: Names) -> None:
        """The record, and something to edit."""
        self.record.check(names, "record")
        if (self.edit == "edited") != bool(self.values):
            expected = "values of an edited record, and none of a dropped one"
            raise Malformed("it is not clear what is edited", where="values", expected=expected)

    async def run(self, stage: "Stage") -> None:
        """Export, edit and verify."""
        lines = [json.loads(line) for line in (await stage.control.export_audit()).splitlines()]
        wanted, requests = self.record.wanted(stage), self.record.requests_of(stage)
        fitting = [line for line in lines if "entry" in line and self._fits(line["entry"], wanted, requests)]
        if not fitting:
            stage.fail(f"a record of {self.record} to edit", "at least one", "none")
            return
        if self.edit == "dropped":
            lines.remove(fitting[0])
        else:
            fitting[0]["entry"].update(self.values)
        verdict = await verify_export(*read_export(json.dumps(line).encode() for line in lines))
        stage.verify("what was edited is found", self.found, not verdict.whole)
        if self.found:
            stage.verify("the record that is wrong first", fitting[0]["number"], verdict.broken_at)

    def _fits(self, entry: Mapping[str, Any], wanted: Mapping[str, str], requests: frozenset[str] | None) -> bool:
        if requests is not None and entry.get("request_id") not in requests:
            return False
        return all(entry.get(name, "") == value for name, value in wanted.items())


class JournalRow(_Row):
    """Entries of the journal: what happened inside, to which device, in words."""

    kind: str
    """`gate`, `job`, `inventory`, `device`, `dropped`, `gbcs.command` … or the beginning of it up to a dot."""
    text: str = ""
    """Words that its line holds."""
    data: dict[str, Any] = {}
    """Values that it keeps, by name."""

    def __str__(self) -> str:
        return self.kind + (f" {self.text!r}" if self.text else "") + (f" for {self.request!r}" if self.request else "")


class ExpectJournal(Step):
    """The journal holds exactly these entries."""

    entries: Annotated[list[JournalRow], Field(min_length=1)]
    """Rows as below: `{ kind = "device", device = "ESME@central", text = "drops" }` and the like."""
    stream: bool = False
    """Whether they are taken from the stream of events, as who follows a server gets it, in place of the journal."""

    def check(self, names: Names) -> None:
        """Every row."""
        for number, row in enumerate(self.entries, 1):
            row.check(names, f"entries.{number}")

    async def run(self, stage: "Stage") -> None:
        """Count row by row."""
        for row in self.entries:
            for eui, query in row.queries(stage):
                await self._count(stage, row, eui, query)

    async def _count(self, stage: "Stage", row: JournalRow, eui: Eui64 | None, query: dict[str, str]) -> None:
        requests, since_ms = row.requests_of(stage), row.begins_ms(stage)
        found, near = 0, []
        for entry in await self._entries(stage, {**query, "kind": row.kind}):
            if entry["at_ms"] < since_ms or (requests is not None and entry["request_id"] not in requests):
                continue
            held = {name: entry["data"].get(name) for name in row.data}
            if held == row.data and row.text in entry["summary"]:
                found += 1
            else:
                near.append(entry["summary"])
        if found != row.count:
            about = "" if eui is None else f" about {stage.names.shown(eui)}"
            expected = {"count": row.count, "text": row.text, **row.data}
            stage.fail(f"journal: {row}{about}", expected, {"count": found, "others": near[-SHOWN:]}, about=eui)

    async def _entries(self, stage: "Stage", query: dict[str, Any]) -> list[dict[str, Any]]:
        """All up to now; of a stream that has not brought them within :data:`STREAM_S`, those that it has."""
        entries = [entry async for entry in _pages(stage, "journal", "entries", query)]
        if not self.stream or not entries:
            return entries
        streamed: list[dict[str, Any]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(STREAM_S):
                async for entry in stage.control.events(after=0, count=len(entries), **query):
                    streamed.append(entry)
        return streamed


async def _pages(stage: "Stage", path: str, name: str, query: Mapping[str, str]) -> Any:
    """All that a question finds, page by page."""
    after: int | None = 0
    while after is not None:
        page = await stage.look(path, **query, after=after, limit=PAGE)
        for each in page[name]:
            yield each
        after = page["next_after"] if len(page[name]) == PAGE else None


STEPS: Mapping[str, type[Step]] = {
    "expect-audit": ExpectAudit,
    "expect-edit-found": ExpectEditFound,
    "expect-journal": ExpectJournal,
}
"""Steps that look at records."""
