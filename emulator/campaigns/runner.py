"""The runner of a campaign: what to do next, from the plan, the time and the numbers seen so far. It does nothing itself.

:meth:`Runner.decide` gives commands; :mod:`emulator.campaigns.conduct` has a target carry them out, and asks again at
:attr:`Runner.until_ms` or earlier. What the runner decided, and why, is in :attr:`Runner.log`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from emulator.campaigns.funnel import NOTHING_HEARD, ROLLBACK_WAVE, SIGNATURE_BAD, Tally, total
from emulator.campaigns.plan import PPM, Act, Document, Emergency, Gates, ReadAfter, RollbackWhen
from emulator.campaigns.waves import Part, cut, opens_ms


class Phase(StrEnum):
    """Where a campaign stands."""

    SCHEDULED = "scheduled"
    """No wave has begun."""
    RUNNING = "running"
    """Waves begin as the plan has it."""
    PAUSED = "paused"
    """An operator paused it."""
    HALTED = "halted"
    """A gate did not hold: no further wave begins, what is on its way goes on."""
    STOPPED = "stopped"
    """An emergency, or an operator, stopped everything."""
    ROLLING_BACK = "rolling back"
    """Devices that run the image are taken back."""
    FINISHED = "finished"
    """Nothing is awaited any more; see :attr:`Runner.verdict`."""


class Verdict(StrEnum):
    """How a campaign ended."""

    COMPLETE = "complete"
    """Every wave had its turn and an outcome for every device."""
    INCOMPLETE = "incomplete"
    """Every wave had its turn; of some devices nothing was heard for as long as the plan waits."""
    HALTED = "halted"
    """A gate halted it."""
    STOPPED = "stopped"
    """It was stopped."""
    PAUSED = "paused"
    """An operator paused it and nobody resumed it."""


@dataclass(frozen=True, slots=True)
class StartWave:
    """Send the requests of a wave."""

    wave: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class RetryWave:
    """Request again what the plan wants tried again."""

    wave: int


@dataclass(frozen=True, slots=True)
class Activate:
    """Tell every device of started waves to activate that verified the image at least the plan's delay ago and was not told."""

    date_ms: int | None = None
    """The date that they are told, where there is one."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Cancel the date of activation of a share of the devices, those included that have yet to verify the image."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold activations back that follow by themselves, or let them go on."""

    held: bool


@dataclass(frozen=True, slots=True)
class Read:
    """Read every device that the plan wants read, is through, and has not been read."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel what is not yet at a device; activate nothing more."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Bring the rollback image to every device that runs the campaign's, and activate it."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Count the devices of a wave of which nothing was heard as failed."""

    wave: int


Command = StartWave | RetryWave | Activate | TakeBack | Hold | Read | Stop | RollBack | GiveUp


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry of the log."""

    at_ms: int
    what: str
    """``started``, ``passed``, ``halted``, ``retried``, ``paused``, ``resumed``, ``stopped``, ``rolled back``, ``given up``,
    ``taken back``, ``deadline missed``, ``finished``."""
    wave: int | None
    why: str


@dataclass(slots=True)
class WaveState:
    """What the runner remembers of a wave that began."""

    number: int
    started_ms: int
    passed_ms: int | None = None
    """When its gate let the next wave begin."""
    since_ms: int = 0
    """When it began, or was last tried again."""
    retry_ms: int | None = None
    """When failures are tried again."""
    excused: bool = False
    """Whether an operator went on in spite of its gate."""
    given_up: bool = False


_ROLLBACK_PHASES = {
    RollbackWhen.NEVER: (),
    RollbackWhen.STOPPED: (Phase.STOPPED,),
    RollbackWhen.HALTED: (Phase.HALTED, Phase.STOPPED),
}


def per_million(count: int, of: int) -> int:
    """A share, rounded up: a gate of 0 % lets nothing through."""
    return -(-count * PPM // of) if of else 0


def percent(share: int) -> str:
    """A share in words."""
    return f"{share // 10_000}.{share % 10_000:04d}".rstrip("0").rstrip(".") + " %"


def breach(limits: Gates | Emergency, tally: Tally, excused: int = 0) -> str:
    """Which limit does not hold, in words; empty when all hold. ``excused`` failures are not counted."""
    failed = tally.failed - excused
    for name, count, of, limit in (
        ("failed", failed, tally.requested, limits.max_failed),
        ("lost contact", tally.contact_lost, tally.accepted, limits.max_contact_lost),
        ("found the signature bad", tally.failures.get(SIGNATURE_BAD, 0), tally.accepted, limits.max_signature_bad),
    ):
        share = per_million(count, of)
        if share > limit:
            return f"{count} of {of} devices {name}: {percent(share)}, at most {percent(limit)}"
    return ""


class Runner:
    """Follows one plan."""

    def __init__(self, document: Document, sizes: Sequence[int], start_ms: int, *, attended: bool = False) -> None:
        """``sizes`` are the devices of each group, ``start_ms`` what ``start`` of the plan means, in milliseconds of UTC.

        A campaign that is ``attended`` does not end while it is paused or halted: somebody may still go on with it.
        """
        self.plan = document
        self.attended = attended
        self.resting = False
        """Whether nothing will come before somebody intervenes."""
        self.waves = cut(sizes, document.campaign.waves, evenly=document.campaign.order == "evenly")
        self.phase = Phase.SCHEDULED
        self.verdict: Verdict | None = None
        self.started: list[WaveState] = []
        self.log: list[Decision] = []
        self.until_ms = start_ms
        begin = document.campaign.start
        self.begin_ms = start_ms if begin is None else begin.at_ms(start_ms, start_ms)
        self.deadline_ms = None if document.campaign.deadline is None else self.begin_ms + document.campaign.deadline
        self.deadline_met: bool | None = None
        self._operator = sorted(
            ((each.at.at_ms(start_ms, start_ms), number, each.do) for number, each in enumerate(document.operator)),
        )
        date, back = document.activation.at, document.activation.take_back_at
        self._date_ms = None if date is None else date.at_ms(start_ms, start_ms)
        self._back_ms = None if back is None else back.at_ms(start_ms, start_ms)
        self._rollback: WaveState | None = None
        self._before_pause = Phase.RUNNING

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.phase is Phase.FINISHED

    def decide(self, now_ms: int, seen: Mapping[int | str, Tally]) -> list[Command]:
        """What to do now; ``seen`` has the numbers of each wave that began, and of :data:`ROLLBACK_WAVE`."""
        commands: list[Command] = []
        if self.finished:
            return commands
        self.until_ms = now_ms + self.plan.campaign.poll
        self._judge_deadline(now_ms, seen)
        self._operate(now_ms, commands)
        self.resting = self.attended and self.phase is Phase.PAUSED and not self._operator
        self._watch(now_ms, seen, commands)
        if self.phase in (Phase.SCHEDULED, Phase.RUNNING):
            self._retry(now_ms, seen, commands)
            self._gate(now_ms, seen)
        if self.phase in (Phase.SCHEDULED, Phase.RUNNING):
            self._start(now_ms, seen, commands)
        if self.phase in (Phase.RUNNING, Phase.HALTED, Phase.ROLLING_BACK) and self.started:
            commands.append(Activate(self._date_ms))
            self._take_back(now_ms, commands)
        if self.started and self.plan.campaign.read_after is not ReadAfter.NEVER:
            commands.append(Read())
        self._give_up(now_ms, seen, commands)
        self._finish(now_ms, seen, commands)
        for at_ms, _, _ in self._operator[:1]:
            self._wake(at_ms)
        return commands

    def intervene(self, act: Act) -> None:
        """Do at the next look what the plan has no ``[[operator]]`` for."""
        self._operator.insert(0, (self.begin_ms - 1, -1, act))

    def retry_now(self) -> None:
        """Try again at the next look what the plan wants tried again; a campaign that a gate halted goes on with that."""
        for wave in self.started:
            wave.retry_ms = 0
        if self.phase is Phase.HALTED:
            self.phase = Phase.RUNNING

    # The clock

    def _wake(self, at_ms: int) -> None:
        self.until_ms = min(self.until_ms, at_ms)

    def _take_back(self, now_ms: int, commands: list[Command]) -> None:
        """Cancel dates when it is time to, and wake at either instant."""
        if self._back_ms is not None and self._back_ms <= now_ms:
            self._back_ms = None
            commands.append(TakeBack())
            self._note(now_ms, "taken back", None, f"{percent(self.plan.activation.take_back)} of the dates of activation")
        for at_ms in (self._date_ms, self._back_ms):
            if at_ms is not None and at_ms > now_ms:
                self._wake(at_ms)

    def _note(self, now_ms: int, what: str, wave: int | None = None, why: str = "") -> None:
        self.log.append(Decision(now_ms, what, wave, why))

    def _judge_deadline(self, now_ms: int, seen: Mapping[int | str, Tally]) -> None:
        """Whether every device of the plan runs the image, or holds it, by then."""
        if self.deadline_ms is None or self.deadline_met is not None:
            return
        wanted = sum(part.count for wave in self.waves for part in wave)
        all_waves = total(tally for wave, tally in seen.items() if wave != ROLLBACK_WAVE)
        reached = all_waves.at("verified" if self.plan.activation.rule == "none" else "activated")
        if now_ms <= self.deadline_ms:
            if reached == wanted:
                self.deadline_met = True
            elif now_ms < self.deadline_ms:
                self._wake(self.deadline_ms)
        if self.deadline_met is None and now_ms >= self.deadline_ms:
            self.deadline_met = False
            self._note(now_ms, "deadline missed", None, f"{reached} of {wanted} devices")

    # People and emergencies

    def _operate(self, now_ms: int, commands: list[Command]) -> None:
        while self._operator and self._operator[0][0] <= now_ms:
            _, _, act = self._operator.pop(0)
            if act is Act.PAUSE and self.phase in (Phase.SCHEDULED, Phase.RUNNING):
                self._before_pause, self.phase = self.phase, Phase.PAUSED
                commands.append(Hold(True))
                self._note(now_ms, "paused", None, "by an operator")
            elif act is Act.RESUME and self.phase is Phase.PAUSED:
                self.phase = self._before_pause
                commands.append(Hold(False))
                for wave in self.started if self.attended else ():
                    wave.since_ms, wave.given_up = now_ms, False
                self._note(now_ms, "resumed", None, "by an operator")
            elif act is Act.RESUME and self.phase is Phase.HALTED:
                self.phase = Phase.RUNNING
                for wave in self.started:
                    wave.excused = True
                self._note(now_ms, "resumed", None, "by an operator, in spite of the gate")
            elif act is Act.STOP and self.phase not in (Phase.STOPPED, Phase.ROLLING_BACK):
                self._stop(now_ms, "by an operator", commands)

    def _watch(self, now_ms: int, seen: Mapping[int | str, Tally], commands: list[Command]) -> None:
        if self.phase not in (Phase.RUNNING, Phase.PAUSED, Phase.HALTED):
            return
        all_waves = total(tally for wave, tally in seen.items() if wave != ROLLBACK_WAVE)
        if all_waves.requested >= self.plan.emergency.min_devices:
            why = breach(self.plan.emergency, all_waves)
            if why:
                self._stop(now_ms, why, commands)

    def _stop(self, now_ms: int, why: str, commands: list[Command]) -> None:
        self.phase = Phase.STOPPED
        self._note(now_ms, "stopped", None, why)
        commands.append(Stop())

    # Waves

    def _retry(self, now_ms: int, seen: Mapping[int | str, Tally], commands: list[Command]) -> None:
        for wave in self.started:
            count = seen.get(wave.number, Tally()).retriable
            if not count:
                wave.retry_ms = None
                continue
            if wave.retry_ms is None:
                wave.retry_ms = now_ms + self.plan.retry.after
            if now_ms < wave.retry_ms:
                self._wake(wave.retry_ms)
                continue
            wave.retry_ms, wave.since_ms, wave.given_up = None, now_ms, False
            commands.append(RetryWave(wave.number))
            self._note(now_ms, "retried", wave.number, f"{count} devices")

    def _gate(self, now_ms: int, seen: Mapping[int | str, Tally]) -> None:
        """Halt where a started wave does not hold its limits."""
        for wave in self.started:
            if wave.excused:
                continue
            tally = seen.get(wave.number, Tally())
            why = breach(self.plan.gates, tally, tally.retriable) or self._too_few(wave, tally)
            if why:
                self.phase = Phase.HALTED
                self._note(now_ms, "halted", wave.number, why)
                return

    def _too_few(self, wave: WaveState, tally: Tally) -> str:
        """What is wrong when a wave has come to rest with too few verified images."""
        if tally.open or tally.unread or tally.retriable or not tally.requested:
            return ""
        share = tally.at("verified") * PPM // tally.accepted if tally.accepted else 0
        wanted = self.plan.gates.min_verified
        if share >= wanted:
            return ""
        return f"{tally.at('verified')} of {tally.accepted} devices verified: {percent(share)}, at least {percent(wanted)}"

    def _passes(self, now_ms: int, wave: WaveState, tally: Tally) -> bool:
        """Whether the next wave may follow this one."""
        if wave.passed_ms is not None:
            return True
        ready_ms = wave.started_ms + self.plan.campaign.wait
        if now_ms < ready_ms:
            self._wake(ready_ms)
            return False
        if not wave.excused:
            gates = self.plan.gates
            awaited = tally.open + tally.unread + tally.retriable
            too_few = tally.at("verified") * PPM < gates.min_verified * tally.accepted
            if too_few or awaited * PPM > gates.max_awaited * tally.requested:
                return False
        wave.passed_ms = now_ms
        self._note(now_ms, "passed", wave.number, f"{tally.at('verified')} of {tally.accepted} devices verified")
        return True

    def _start(self, now_ms: int, seen: Mapping[int | str, Tally], commands: list[Command]) -> None:
        if len(self.started) == len(self.waves):
            return
        if self.started and not self._passes(now_ms, self.started[-1], seen.get(self.started[-1].number, Tally())):
            return
        at_ms = opens_ms(self.plan.campaign.windows, max(now_ms, self.begin_ms))
        if at_ms > now_ms:
            self.until_ms = min(at_ms, self.until_ms) if self.started else at_ms
            return
        number = len(self.started) + 1
        parts = self.waves[number - 1]
        self.started.append(WaveState(number, now_ms, since_ms=now_ms))
        self.phase = Phase.RUNNING
        commands.append(StartWave(number, parts))
        self._note(now_ms, "started", number, f"{sum(part.count for part in parts)} devices")

    # The end

    def _give_up(self, now_ms: int, seen: Mapping[int | str, Tally], commands: list[Command]) -> None:
        if self.resting:
            return
        patience_ms = self.plan.campaign.patience
        begun = [*self.started] if self._rollback is None else [*self.started, self._rollback]
        for wave in begun:
            tally = seen.get(wave.number, Tally())
            if tally.open + tally.unread and not wave.given_up and now_ms >= wave.since_ms + patience_ms:
                wave.given_up = True
                commands.append(GiveUp(wave.number))
                self._note(now_ms, "given up", wave.number, f"{NOTHING_HEARD} of {tally.open + tally.unread} devices")

    def _at_rest(self, seen: Mapping[int | str, Tally]) -> bool:
        retrying = self.phase in (Phase.SCHEDULED, Phase.RUNNING)
        for wave in self.started:
            tally = seen.get(wave.number, Tally())
            if tally.open or tally.unread or not tally.requested or (retrying and tally.retriable):
                return False
        return True

    def _finish(self, now_ms: int, seen: Mapping[int | str, Tally], commands: list[Command]) -> None:
        if any(isinstance(command, StartWave | RetryWave | Stop | GiveUp) for command in commands):
            return
        if self._rollback is not None:
            tally = seen.get(ROLLBACK_WAVE, Tally())
            if now_ms > self._rollback.started_ms and not tally.open + tally.unread:
                self._end(now_ms, self.verdict or Verdict.STOPPED)
            return
        if not self._at_rest(seen):
            return
        if any(act is Act.RESUME for _, _, act in self._operator) and self.phase in (Phase.PAUSED, Phase.HALTED):
            return
        self.resting |= self.attended and self.phase is Phase.HALTED and not self._rolls_back(seen)
        if self.resting:
            return
        ended = {Phase.HALTED: Verdict.HALTED, Phase.STOPPED: Verdict.STOPPED, Phase.PAUSED: Verdict.PAUSED}.get(self.phase)
        if ended is not None:
            if self._rolls_back(seen):
                self.phase, self.verdict = Phase.ROLLING_BACK, ended
                self._rollback = WaveState(ROLLBACK_WAVE, now_ms, since_ms=now_ms)
                commands.append(RollBack())
                self._note(now_ms, "rolled back", None, f"to {self.plan.rollback.version}")
            else:
                self._end(now_ms, ended)
        elif len(self.started) == len(self.waves):
            silent = any(seen.get(wave.number, Tally()).failures.get(NOTHING_HEARD) for wave in self.started)
            self._end(now_ms, Verdict.INCOMPLETE if silent else Verdict.COMPLETE)

    def _rolls_back(self, seen: Mapping[int | str, Tally]) -> bool:
        if self.phase not in _ROLLBACK_PHASES[self.plan.rollback.when]:
            return False
        return any(tally.at("activated") for wave, tally in seen.items() if wave != ROLLBACK_WAVE)

    def _end(self, now_ms: int, verdict: Verdict) -> None:
        self.phase, self.verdict = Phase.FINISHED, verdict
        if self.deadline_ms is not None and self.deadline_met is None:
            self.deadline_met = False  # what is not there by now never will be
        self._note(now_ms, "finished", None, verdict.value)
