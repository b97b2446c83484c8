"""What must have come of it: messages at users, devices, firmware jobs, time.

Messages are accounted for once: what an expectation has matched, no later one sees, so that ``expect-nothing-else`` can say that
nobody got anything beside.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from emulator.client.decode import Verdict
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.duis.datetimes import format_datetime
from emulator.scenarios.messages import Seen
from emulator.scenarios.names import Names
from emulator.scenarios.steps.clock import check_job_states
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import NONE, Count, Expected, Found, Wanted, check_values, plain, value_at, value_of
from emulator.scenarios.values import Duration, Reference, References
from emulator.simulation.durations import format_duration

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class ExpectMessages(Step):
    """Exactly these messages have come, among those that no earlier step has accounted for; others may have come as well."""

    messages: Annotated[list[Wanted], Field(min_length=1)]
    """Rows as below: `{ to = "supplier", device_alert = "8F72", device = "ESME@central" }` and the like."""

    def check(self, names: Names) -> None:
        """Every row."""
        for number, row in enumerate(self.messages, 1):
            row.check(names, f"messages.{number}")

    async def run(self, stage: "Stage") -> None:
        """Compare row by row."""
        for row in self.messages:
            await self._compare(stage, row)

    async def _compare(self, stage: "Stage", row: Wanted) -> None:
        matched: dict[int, Seen] = {}
        for found in await row.found(stage):
            matched |= {id(message): message for message in found.messages}
            if len(found.messages) != row.count:
                self._miscounted(stage, row, found)
        stage.pending[:] = [message for message in stage.pending if id(message) not in matched]
        for message in sorted(matched.values(), key=lambda message: message.order):
            await self._check_further(stage, row, message)

    def _miscounted(self, stage: "Stage", row: Wanted, found: Found) -> None:
        """Too few or too many; with what the nearest message held where one was of the kind."""
        shown = stage.names.shown
        expected: dict[str, object] = {"count": row.count}
        seen: dict[str, object] = {"count": len(found.messages)}
        if found.near is not None and len(found.messages) < row.count:
            expected |= row.holds(stage)
            seen |= found.near
        about = f" about {shown(found.device)}" if found.device is not None else ""
        whom = found.user if found.device is None else found.device
        stage.fail(f"{row} to {shown(found.user)}{about}", expected, seen, about=whom)

    async def _check_further(self, stage: "Stage", row: Wanted, message: Seen) -> None:
        what = f"{row} to {stage.names.shown(message.to)} of {format_datetime(message.at_ms)}"
        decoded = await stage.decode(message)
        if decoded is not None:
            verdicts = {decoded.signature, decoded.mac}
            holds = Verdict.VALID in verdicts and verdicts <= {Verdict.VALID, Verdict.ABSENT}
            stage.verify(f"protection of {what} holds", row.protected, holds, about=next(iter(message.about), None))
        if row.after:
            self._on_time(stage, row, message, what)

    def _on_time(self, stage: "Stage", row: Wanted, message: Seen, what: str) -> None:
        took_ms = message.at_ms - stage.instants[row.after]
        early = row.not_before is not None and took_ms < row.not_before
        late = row.within is not None and took_ms > row.within
        if early or late:
            bounds = [f"at least {format_duration(row.not_before)}"] if row.not_before is not None else []
            bounds += [f"at most {format_duration(row.within)}"] if row.within is not None else []
            stage.fail(f"time from {row.after!r} to {what}", " and ".join(bounds), format_duration(took_ms))


class ExpectNothingElse(Step):
    """Nobody has got any message that no expectation has accounted for."""

    async def run(self, stage: "Stage") -> None:
        """Look at what is left."""
        left = [stage.line(message) for message in sorted(stage.pending, key=lambda message: message.order)]
        stage.pending.clear()
        stage.verify("further messages", [], left)


class ExpectDevice(Step):
    """Devices are as said: in the inventory, in truth, in their newest firmware job."""

    device: References
    """Which; every one of them."""
    inventory: dict[str, Expected] = {}
    """What the DCC believes, by name: `status`, `firmware_version`, `gbcs_version`, `import_mpxn` …"""
    state: dict[str, Expected] = {}
    """What the device is, by path: `running_version`, `firmware`, `held_image.hash`, `on_han` …; `none` for what is not there."""
    job: str = ""
    """State of its newest firmware job, or `none`."""

    def check(self, names: Names) -> None:
        """Devices and values."""
        names.devices_of(self.device, "device")
        if not (self.inventory or self.state or self.job):
            raise Malformed("nothing is expected of it", where="inventory", expected="inventory, state or job")
        check_values(names, self.inventory.values(), "inventory")
        check_values(names, self.state.values(), "state")
        if self.job and self.job != NONE:
            check_job_states([self.job], "job")

    def title(self, names: Names) -> str:
        """Whom."""
        return self.name or f"expect of {', '.join(self.device)}"

    async def run(self, stage: "Stage") -> None:
        """Compare each."""
        for eui in stage.names.devices_of(self.device, "device"):
            found = await stage.look(f"devices/{format_eui(eui)}")
            for part, expected in (("inventory", self.inventory), ("state", self.state)):
                if expected:
                    seen = {path: plain(value_at(found[part], path, part)) for path in expected}
                    wanted = {path: value_of(stage, value) for path, value in expected.items()}
                    stage.verify(f"{part} of {stage.names.shown(eui)}", wanted, seen, about=eui)
            if self.job:
                job = found["job"]
                state = NONE if job is None else job["state"]
                stage.verify(f"job of {stage.names.shown(eui)}", self.job, state, about=eui)


class ExpectJobs(Step):
    """So many firmware jobs have been started since the beginning, in these states."""

    count: Count | None = None
    """How many in all."""
    states: dict[str, Count] = {}
    """How many are in each state, exactly: a state that is not named has none."""
    device: References = []
    """Of these devices only."""
    request: Reference = ""
    """Of the request that this step sent only."""
    by: Reference = ""
    """Of requests of this user only."""
    exceptions: bool = False
    """Of those in the queue of exceptions only, which lists what does not go on by itself."""

    def check(self, names: Names) -> None:
        """States and filters."""
        if self.exceptions and (self.request or self.by):
            raise Malformed("the queue of exceptions does not say whose", where="exceptions", expected="no request and no by")
        if self.count is None and not self.states:
            raise Malformed("nothing is expected", where="count", expected="count = 0, or states")
        check_job_states(list(self.states), "states")
        names.devices_of(self.device, "device")
        if self.request:
            names.known("request", self.request, names.requests, "request")
        if self.by:
            names.user(self.by, "by")

    async def run(self, stage: "Stage") -> None:
        """Count."""
        jobs = await self._jobs(stage)
        states: dict[str, int] = {}
        for job in jobs:
            states[job["state"]] = states.get(job["state"], 0) + 1
        if self.count is not None:
            stage.verify("firmware jobs started", self.count, len(jobs))
        if self.states:
            stage.verify("firmware jobs by state", {name: count for name, count in self.states.items() if count}, states)

    async def _jobs(self, stage: "Stage") -> list[dict[str, Any]]:
        names = stage.names
        devices = {format_eui(eui) for eui in names.devices_of(self.device, "device")}
        if self.exceptions:
            found = (await stage.look("exceptions", limit=10_000))["jobs"]
            return [job for job in found if not devices or job["device"] in devices]
        requests = (await stage.look("jobs", limit=10_000))["requests"]
        if self.request:
            sent = {str(each.request_id) for each in stage.sent.get(self.request, [])}
            requests = [each for each in requests if each["request_id"] in sent]
        if self.by:
            requests = [each for each in requests if each["user"] == format_eui(names.user(self.by, "by"))]
        return [job for each in requests for job in each["jobs"] if not devices or job["device"] in devices]


class ExpectTime(Step):
    """So much simulated time has passed since a step began."""

    after: Reference
    """Which step."""
    at_least: Duration | None = None
    """No less."""
    at_most: Duration | None = None
    """No more."""

    def check(self, names: Names) -> None:
        """Step and bounds."""
        names.known("step", self.after, names.steps, "after")
        if self.at_least is None and self.at_most is None:
            raise Malformed("nothing is expected", where="at_most", expected="at_least or at_most")

    async def run(self, stage: "Stage") -> None:
        """Compare."""
        took_ms = stage.now_ms - stage.instants[self.after]
        if self.at_least is not None and took_ms < self.at_least:
            stage.fail(f"time since {self.after!r}", f"at least {format_duration(self.at_least)}", format_duration(took_ms))
        if self.at_most is not None and took_ms > self.at_most:
            stage.fail(f"time since {self.after!r}", f"at most {format_duration(self.at_most)}", format_duration(took_ms))


STEPS: Mapping[str, type[Step]] = {
    "expect-messages": ExpectMessages,
    "expect-nothing-else": ExpectNothingElse,
    "expect-device": ExpectDevice,
    "expect-jobs": ExpectJobs,
    "expect-time": ExpectTime,
}
"""Steps that only look."""
