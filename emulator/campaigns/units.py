"""What a supplier knows of each device of a campaign: one record a device, and the numbers that follow from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from emulator.campaigns.funnel import (
    ACTIVATION_FAILED,
    CANCELLED,
    NOTHING_HEARD,
    ROLLBACK_WAVE,
    SIGNATURE_BAD,
    STAGE_NUMBER,
    STAGES,
    VERSION_DIFFERS,
    Slice,
    Tallies,
    Tally,
)
from emulator.campaigns.plan import PPM, Document, ReadAfter
from emulator.domain.identifiers import Eui64
from emulator.domain.settings import HOUR_MS
from emulator.domain.vocabulary import DeviceType
from emulator.simulation.draws import draw_below

REQUESTED, ACCEPTED, WITH_CSP, AT_HUB, DOWNLOADED, VERIFIED, ACTIVATED, CONFIRMED = range(len(STAGES))
assert STAGE_NUMBER["confirmed"] == CONFIRMED

PPMID_SILENCE_MS = HOUR_MS
"""How long a PPMID that took its image may be silent before it is read (L038, low)."""


@dataclass(slots=True)
class Unit:
    """One device in one wave."""

    eui: Eui64
    wave: int
    region: str
    technology: str
    stage: int = REQUESTED
    """The furthest of :data:`~emulator.campaigns.funnel.STAGES` that it came to."""
    failure: str = ""
    """Why it failed; empty while it has not."""
    accepted_ms: int = 0
    at_hub_ms: int = 0
    since_ms: int = 0
    """When the last outcome came, in the DCC's time."""
    verified_ms: int = 0
    activation_asked: bool = False
    dated: bool = False
    """Whether that was for a date that has yet to come."""
    doubtful: bool = False
    """Whether the outcome of its activation is not known: the answer did not come."""
    read_asked: bool = False
    read_done: bool = False
    contact_lost: bool = False
    tries: int = 0
    """How often it was tried again."""


@dataclass(slots=True)
class Units:
    """The records of a campaign."""

    plan: Document
    all: list[Unit] = field(default_factory=list)
    current: dict[Eui64, Unit] = field(default_factory=dict)
    """The newest record of each device."""
    stopped: bool = False
    further_tries: int = 0
    """Tries that somebody allowed beyond the plan's."""

    def add(self, unit: Unit) -> None:
        """A device joins a wave."""
        self.all.append(unit)
        self.current[unit.eui] = unit

    @property
    def activates_itself(self) -> bool:
        """Whether the devices need no 11.3 (ota.md C6)."""
        return self.plan.image.type is DeviceType.PPMID

    def is_taken_back(self, unit: Unit) -> bool:
        """Whether the unit is one of those whose date of activation is cancelled; who they are follows from the seed."""
        share = self.plan.activation.take_back
        return draw_below(PPM, self.plan.campaign.seed, unit.eui, 0, "campaign.taking back") < share

    def wants_activation(self, unit: Unit) -> bool:
        """Whether the device is to run the image, not only to hold it."""
        if self.activates_itself or unit.wave == ROLLBACK_WAVE:
            return True
        return self.plan.activation.rule == "after_verified" and not self.stopped

    def is_open(self, unit: Unit) -> bool:
        """Whether something is still awaited for the device."""
        if unit.failure or unit.stage < ACCEPTED or unit.doubtful:
            return False
        if self.stopped and unit.wave != ROLLBACK_WAVE and unit.activation_asked and unit.stage == VERIFIED:
            return True
        return unit.stage < (ACTIVATED if self.wants_activation(unit) else VERIFIED)

    def wants_read(self, unit: Unit) -> bool:
        """Whether the plan wants the device read now that it is through, and no read has had an outcome."""
        if unit.read_done or self.is_open(unit) or unit.stage < ACCEPTED:
            return False
        uncertain = unit.doubtful or (unit.failure == ACTIVATION_FAILED and not self.is_retriable(unit))
        if self.plan.campaign.read_after is ReadAfter.ON_DOUBT:
            return uncertain
        reached = unit.stage >= VERIFIED or unit.failure == SIGNATURE_BAD
        return self.plan.campaign.read_after is ReadAfter.ALWAYS and (uncertain or reached)

    def is_retriable(self, unit: Unit) -> bool:
        """Whether the plan wants the device tried again."""
        retry = self.plan.retry
        if unit.wave == ROLLBACK_WAVE or self.stopped:
            return False
        return unit.failure in retry.of and unit.tries < retry.attempts + self.further_tries

    # What happens

    def reach(self, unit: Unit, stage: int, at_ms: int) -> None:
        """The device came to a stage; one that it had passed changes nothing."""
        if unit.failure in (NOTHING_HEARD, CANCELLED) and stage > unit.stage:
            unit.failure = ""  # it came after all
        if stage <= unit.stage:
            return
        if unit.stage < AT_HUB <= stage:
            unit.at_hub_ms = at_ms
        if unit.stage < VERIFIED <= stage:
            unit.verified_ms = at_ms
        unit.stage, unit.since_ms = stage, at_ms

    def fail(self, unit: Unit, reason: str, at_ms: int) -> None:
        """The device failed."""
        if not unit.failure:
            unit.failure, unit.since_ms = reason, at_ms

    def activation_answered(self, unit: Unit, succeeded: bool | None, at_ms: int) -> None:
        """An 11.3 had an outcome; None: no answer came, so what the device runs is not known."""
        if succeeded is None:
            unit.doubtful, unit.since_ms = unit.stage < ACTIVATED and not unit.read_done, at_ms
            if self.plan.campaign.read_after is ReadAfter.NEVER:
                self.fail(unit, NOTHING_HEARD, at_ms)
        elif succeeded:
            unit.doubtful = False
            self.reach(unit, ACTIVATED, at_ms)
        else:
            self.fail(unit, ACTIVATION_FAILED, at_ms)

    def read_answered(self, unit: Unit, version: str | None, wanted: str, at_ms: int) -> None:
        """An 11.2 had an outcome: the version that runs, or None where the device could not be reached."""
        unit.read_done, unit.contact_lost = True, version is None
        if version is None:
            return
        if version == wanted:
            unit.doubtful = False
            if unit.failure in (ACTIVATION_FAILED, NOTHING_HEARD):
                unit.failure = ""
            self.reach(unit, CONFIRMED, at_ms)
        elif unit.doubtful:
            unit.doubtful = False
            self.fail(unit, ACTIVATION_FAILED, at_ms)
        elif unit.stage >= ACTIVATED:
            self.fail(unit, VERSION_DIFFERS, at_ms)

    def doubt(self, now_ms: int) -> None:
        """A PPMID that took its image and does not report its activation may be one that cannot (ota.md C8)."""
        if self.activates_itself:
            for unit in self.all:
                if unit.stage == DOWNLOADED and not unit.failure and now_ms >= unit.since_ms + PPMID_SILENCE_MS:
                    self.activation_answered(unit, None, unit.since_ms)

    def give_up(self, wave: int, at_ms: int) -> None:
        """Nothing more is awaited for a wave."""
        for unit in self.all:
            if unit.wave != wave:
                continue
            if self.is_open(unit):
                self.fail(unit, NOTHING_HEARD, at_ms)
            if self.wants_read(unit):
                unit.read_done = unit.contact_lost = True

    def again(self, unit: Unit, at_ms: int) -> None:
        """The device is tried again."""
        verified = unit.failure == ACTIVATION_FAILED
        unit.tries += 1
        unit.failure, unit.doubtful, unit.activation_asked, unit.dated = "", False, False, False
        unit.read_asked = unit.read_done = unit.contact_lost = False
        unit.since_ms = at_ms
        if not verified:
            unit.stage, unit.at_hub_ms = REQUESTED, 0

    # Numbers

    def tallies(self, now_ms: int) -> Tallies:
        """The numbers now."""
        parts: dict[Slice, list[Unit]] = {}
        for unit in self.all:
            parts.setdefault(Slice(unit.wave, unit.region, unit.technology), []).append(unit)
        return {part: self._tally(units, now_ms) for part, units in sorted(parts.items())}

    def _tally(self, units: Iterable[Unit], now_ms: int) -> Tally:
        furthest = [0] * len(STAGES)
        failures: dict[str, int] = {}
        contact_lost = overdue = open_ = unread = retriable = 0
        for unit in units:
            furthest[unit.stage] += 1
            if unit.failure:
                failures[unit.failure] = failures.get(unit.failure, 0) + 1
            contact_lost += unit.contact_lost
            overdue += self._overdue(unit, now_ms)
            open_ += self.is_open(unit)
            unread += self.wants_read(unit)
            retriable += self.is_retriable(unit)
        stages = tuple(sum(furthest[number:]) for number in range(len(STAGES)))
        return Tally(stages, dict(sorted(failures.items())), contact_lost, overdue, open_, unread, retriable)

    def _overdue(self, unit: Unit, now_ms: int) -> bool:
        """Whether the image was not at the hub within the service level."""
        if unit.stage < ACCEPTED:
            return False
        end_ms = unit.at_hub_ms or (unit.since_ms if unit.failure else now_ms)
        return end_ms >= unit.accepted_ms + self.plan.campaign.service_level
