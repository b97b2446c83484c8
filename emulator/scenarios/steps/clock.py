"""Moving simulated time, and waiting for something on it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp import job_states
from emulator.duis.datetimes import format_datetime
from emulator.scenarios.messages import Kind
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import Expected, Wanted, check_values, plain, value_at, value_of
from emulator.scenarios.values import Duration, Moment, References
from emulator.simulation.durations import DAY_MS, format_duration

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

JOB_STATES = frozenset({*job_states.TERMINAL, *(state for state, _ in job_states.TRANSITIONS)})
"""Every state of a firmware job."""


def check_job_states(states: Mapping[str, object] | list[str], where: str) -> None:
    """Raise :class:`Malformed` for a state that no job has."""
    for state in states:
        if state not in JOB_STATES:
            raise Malformed(f"no job is ever {state!r}", where=where, expected=suggest(state, JOB_STATES))


class Advance(Step):
    """Move simulated time."""

    by: Duration | None = None
    """How far."""
    to: Moment | None = None
    """Or until when."""

    def check(self, names: Names) -> None:
        """Exactly one of them."""
        if (self.by is None) == (self.to is None):
            raise Malformed("exactly one of by and to is needed", where="by", expected="such as by = '90 min'")

    def title(self, names: Names) -> str:
        """How far."""
        return f"advance by {format_duration(self.by)}" if self.by is not None else f"advance to {self.to}"

    async def run(self, stage: "Stage") -> None:
        """Move it."""
        to_ms = stage.now_ms + self.by if self.by is not None else 0
        if self.to is not None:
            to_ms = self.to.at_ms(stage.start_ms, stage.now_ms)
        try:
            await stage.advance_to(to_ms)
        except Malformed as error:
            raise Malformed(error.detail, where="to", expected=error.expected) from None


class RunUntilIdle(Step):
    """Go from event to event until nobody waits for anything: no open request, no firmware job under way."""

    within: Duration = 30 * DAY_MS
    """Simulated time that it may take; more is a failure."""

    async def run(self, stage: "Stage") -> None:
        """Run."""
        began_ms = stage.now_ms
        if not await stage.run_until(stage.idle, began_ms + self.within):
            what = f"idle within {format_duration(self.within)}"
            stage.fail(what, "nobody waits", f"{stage.awaited} wait at {format_datetime(stage.now_ms)}")


class Wait(Step):
    """Go from event to event until requests are answered, firmware jobs are in a state, or messages have come."""

    answered: References = []
    """Steps whose requests must have their result; for future-dated ones the first message counts."""
    device: References = []
    """Devices whose newest firmware job must be in one of `job`."""
    job: list[str] = []
    """States; any in which a job has ended when not given."""
    inventory: dict[str, Expected] = {}
    """What the DCC must believe of `device`, as in `expect-device`; in place of its job."""
    state: dict[str, Expected] = {}
    """What `device` must be, as in `expect-device`; in place of its job."""
    messages: list[Wanted] = []
    """Messages, in the form of `expect-messages`: at least so many of each that no expectation has accounted for."""
    within: Duration = 30 * DAY_MS
    """Simulated time that it may take; more is a failure."""

    def check(self, names: Names) -> None:
        """Something to wait for."""
        if sum(map(bool, (self.answered, self.device, self.messages))) != 1:
            remedy = "what to wait for"
            raise Malformed("exactly one of answered, device and messages is needed", where="answered", expected=remedy)
        if self.job and not self.device:
            raise Malformed("nobody says whose job", where="device", expected="devices")
        for text in self.answered:
            names.known("request", text, names.requests, "answered")
        if (self.inventory or self.state) and (self.job or not self.device):
            raise Malformed("it is not clear of what", where="state", expected="devices, and no job")
        names.devices_of(self.device, "device")
        check_values(names, self.inventory.values(), "inventory")
        check_values(names, self.state.values(), "state")
        check_job_states(self.job, "job")
        for number, row in enumerate(self.messages, 1):
            row.check(names, f"messages.{number}")
            if row.count == 0 or row.after:
                remedy = "an expect-messages step for times and absence"
                raise Malformed("is not a message to wait for", where=f"messages.{number}", expected=remedy)

    def title(self, names: Names) -> str:
        """For what."""
        if self.answered:
            return f"wait for the answer to {', '.join(self.answered)}"
        if self.messages:
            return f"wait for {', '.join(map(str, self.messages))}"
        if self.inventory or self.state:
            return f"wait for {', '.join(self.device)} to be {self._words()}"
        return f"wait for the job of {', '.join(self.device)}" + (f" to be {' or '.join(self.job)}" if self.job else "")

    def _words(self) -> str:
        """The values that are waited for."""
        return ", ".join(f"{path} {value}" for path, value in (self.inventory | self.state).items())

    async def run(self, stage: "Stage") -> None:
        """Wait."""
        last: Eui64 | None = None

        async def holds() -> bool:
            """Whether nothing is missing; the device that was last found missing is looked at before all others."""
            nonlocal last
            if last is not None and await self._unlike(stage, last):
                return False
            last = await self._first_unlike(stage)
            return last is None and not await self._missing(stage)

        if not await stage.run_until(holds, stage.now_ms + self.within):
            missing: dict[str, object] = dict(await self._missing(stage))
            for eui in stage.names.devices_of(self.device, "device"):
                missing |= await self._unlike(stage, eui)
            expected = self._words() or (
                "all" if self.answered or self.messages else " or ".join(self.job or ["the end of its job"])
            )
            stage.fail(f"within {format_duration(self.within)}", dict.fromkeys(missing, expected), missing)

    async def _missing(self, stage: "Stage") -> dict[str, str]:
        """Answers and messages that have not come."""
        if self.answered:
            return self._unanswered(stage)
        return await self._unsent(stage)

    async def _first_unlike(self, stage: "Stage") -> Eui64 | None:
        for eui in stage.names.devices_of(self.device, "device"):
            if await self._unlike(stage, eui):
                return eui
        return None

    async def _unlike(self, stage: "Stage", eui: Eui64) -> dict[str, str]:
        """How a device or its job is, where that is not as it must be."""
        described = await stage.look(f"devices/{format_eui(eui)}")
        if not (self.inventory or self.state):
            return self._unfinished(stage.names.shown(eui), described["job"])
        found: dict[str, str] = {}
        for part, wanted in (("inventory", self.inventory), ("state", self.state)):
            seen = {path: plain(value_at(described[part], path, part)) for path in wanted}
            if seen != {path: value_of(stage, value) for path, value in wanted.items()}:
                found[f"{part} of {stage.names.shown(eui)}"] = ", ".join(f"{path} {value}" for path, value in seen.items())
        return found

    def _unfinished(self, device: str, job: Mapping[str, Any] | None) -> dict[str, str]:
        """The state of its newest job, where that is none of those that are waited for."""
        if job is None:
            return {device: "no job"}
        return {device: job["state"]} if (job["state"] not in self.job if self.job else job["open"]) else {}

    async def _unsent(self, stage: "Stage") -> dict[str, str]:
        found: dict[str, str] = {}
        for row in self.messages:
            for each in await row.found(stage):
                if len(each.messages) < row.count:
                    about = f" about {stage.names.shown(each.device)}" if each.device is not None else ""
                    found[f"{row} to {stage.names.shown(each.user)}{about}"] = f"{len(each.messages)} of {row.count}"
        return found

    def _unanswered(self, stage: "Stage") -> dict[str, str]:
        answered = {each for message in stage.messages if message.kind is Kind.RESPONSE for each in message.requests}
        found: dict[str, str] = {}
        for text in self.answered:
            sent = stage.sent.get(text, [])
            count = sum(each.request_id in answered for each in sent)
            if not sent or count < len(sent):
                found[text] = f"{count} of {len(sent)}" if sent else "no request was taken"
        return found


STEPS: Mapping[str, type[Step]] = {"advance": Advance, "run-until-idle": RunUntilIdle, "wait": Wait}
"""Steps on simulated time."""
