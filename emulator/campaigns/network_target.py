"""A campaign over a generated estate: millions of devices in this process, moved by the fan-out core, counted exactly.

A wave is one order for each pool, so that its numbers are there per region. 11.3 and 11.2 follow by the order's own times, as a
supplier's tool would send them; what the DSP sees of each device's job makes the stages. No messages are made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.campaigns.estate_network import (
    TYPE_NUMBERS,
    Applicable,
    Index,
    describe,
    members_of,
    opened,
    order_of,
)
from emulator.campaigns.funnel import (
    ACTIVATION_FAILED,
    CANCELLED,
    NOT_DELIVERED,
    NOTHING_HEARD,
    ROLLBACK_WAVE,
    SIGNATURE_BAD,
    TRANSFER_FAILED,
    VERSION_DIFFERS,
    Slice,
    Tallies,
    Tally,
)
from emulator.campaigns.plan import PPM, ReadAfter
from emulator.campaigns.population import tables
from emulator.campaigns.reading import Plan, known_kind
from emulator.campaigns.waves import Part
from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.fanout.fields import OFF, OFF_HAN, SILENT
from emulator.fanout.kernels.draws import draw32
from emulator.fanout.phases import DEAD, FOR_TAKING_BACK, HELD, JOBS, OUTCOMES
from emulator.fanout.tables import Chance, Order

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[np.integer]]

LOOKED_AT = ("order", "job", "running", "flags", "firmware")
"""Columns of the network that are looked at."""

START_MS = 1_767_600_000_000
"""When a generated estate begins: 2026-01-05T08:00:00Z, as the embedded estate does."""

CHANCES: Mapping[str, tuple[str, ...]] = {
    "csp.rejects_image": ("file_damaged",),
    "wan.unreachable": ("unreachable",),
    "wan.transfer_fails": ("session_error",),
    "wan.loses_upstream": ("alert_lost", "response_lost"),
    "hub.store_full": ("store_full",),
    "hub.loses_image": ("hub_image_lost",),
    "han.transfer_fails": ("drops_transfer",),
    "han.drop_after_download": ("falls_off_after_download",),
    "han.drop_after_activation": ("falls_off_after_activation",),
    "device.never_queries": ("never_queries",),
    "device.verify_fails": ("signature_bad",),
    "device.loses_image": ("held_lost",),
    "device.activation_fails": ("activation_fails",),
    "device.dies_on_activation": ("activation_dies",),
    "device.stops_reporting": ("stops_reporting",),
    "device.supply_off": ("supply_off",),
}
"""Faults as a plan names them, and what the fan-out core calls them."""

FAILED_JOBS: Mapping[str, str] = {
    "FAILED_CSP": NOT_DELIVERED,
    "FAILED_HAN": TRANSFER_FAILED,
    "FAILED_VERIFY": SIGNATURE_BAD,
    "FAILED_ACTIVATE": ACTIVATION_FAILED,
    "UNKNOWN": NOTHING_HEARD,
    "MISMATCH": VERSION_DIFFERS,
    "CANCELLED": CANCELLED,
}
MOVING = ("QUEUED", "WITH_CSP", "AT_CH", "DOWNLOADED")
"""States of jobs of which more is awaited in any case."""
UNREACHABLE = OFF | OFF_HAN | SILENT
"""Flags of devices that answer no read."""
STAGE_OF_JOB: Mapping[str, int] = {
    "QUEUED": 2, "WITH_CSP": 2, "FAILED_CSP": 2, "CANCELLED": 2, "AT_CH": 3, "FAILED_HAN": 3, "UNKNOWN": 3, "DOWNLOADED": 4,
    "FAILED_VERIFY": 4, "FAILED_ACTIVATE": 4, "VERIFIED": 5, "ORPHANED": 5, "ACTIVATED": 6, "MISMATCH": 6, "CONFIRMED": 7,
}  # fmt: skip
"""The furthest stage (of :data:`~emulator.campaigns.funnel.STAGES`) that a job in a state has come to at least."""


@dataclass(slots=True)
class Batch:
    """One order: a wave, or another try of it, in one pool."""

    number: int
    """The network's, of the order."""
    wave: int
    pool: int
    requested: int
    taken: int
    since_s: int
    image: str
    tries: int
    """How often its devices were tried before."""
    retried: dict[str, int] = field(default_factory=dict)
    """Devices that a later order tries again, by the reason for which they failed here."""
    overdue: int | None = None
    read: int = 0
    """Devices of unknown outcome that were looked at."""
    found: dict[str, int] = field(default_factory=dict)
    """Of those, by the state of their job, devices that answered and run the image."""
    given_up: bool = False
    taken_back: int = 0
    """Devices that hold the image and whose date of activation was cancelled."""
    looked: tuple[bool, bool, int] = (False, False, 0)
    """What there was when its devices were last looked through for their date."""


class NetworkTarget:
    """A campaign over one generated estate."""

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        """Make the estate; raise :class:`Malformed` for what it does not have."""
        document, file = plan.document, plan.path.name
        self.plan = plan
        self.estate, self.network = opened(plan, threads, START_MS)
        self._applicable = Applicable.of(self.estate, document, f"{file}: image")
        self._members = members_of(plan, self._applicable)
        self._batches: list[Batch] = []
        self._stopped = False
        self._told = np.zeros(self._applicable.count, np.bool_)
        """Devices that were told to activate, or will not be, otherwise than by the orders' own times."""
        self._taken_back = np.zeros(self._applicable.count, np.bool_)
        self._listed_bytes = max(row["image_bytes"] for row in tables()["models"] if row["type"] == document.image.type)
        self._chances: list[int] = []
        for number, effect in enumerate(document.effects, 1):
            where = f"{file}: effects.{number}"
            known_kind(effect.kind, CHANCES, f"{where}.kind")
            if effect.times is not None:
                raise Malformed("a generated estate does not count occasions", where=f"{where}.times", expected="a share")
            for kind in CHANCES[effect.kind]:
                self._chances.append(self.network.add_chance(Chance(kind, effect.share, PPM)))
        self._send_others()

    # What the runner asks of it

    @property
    def sizes(self) -> Sequence[int]:
        """Devices of each group."""
        return [len(members.index) for members in self._members]

    @property
    def now_ms(self) -> int:
        """Simulated time."""
        return START_MS + self.network.now * 1_000

    async def start(self, wave: int, parts: Sequence[Part]) -> None:
        """Send a wave."""
        chosen = np.sort(np.concatenate([self._members[part.group].next(part.count) for part in parts]))
        self._send(wave, chosen, self.plan.document.image.version, self.plan.document.image.size)

    async def retry(self, wave: int) -> None:
        """Send again what did not come to its device, or failed there."""
        for batch in [each for each in self._batches if each.wave == wave and self._retriable(each)]:
            counts, reasons = self._failures(batch), self._retriable_reasons()
            jobs = [job for job, reason in FAILED_JOBS.items() if reason in reasons and counts.get(reason)]
            rows = self._rows(batch, jobs)
            for reason in {FAILED_JOBS[job] for job in jobs}:
                batch.retried[reason] = batch.retried.get(reason, 0) + counts[reason]
            self._send(wave, rows, batch.image, self.plan.document.image.size, batch.tries + 1)

    async def activate(self, date_ms: int | None) -> None:
        """From the date of activation on, those that hold the image activate; after long silence some are told all the same.

        The orders' own times do the rest.
        """
        activation = self.plan.document.activation
        for batch in [each for each in self._batches if each.wave != ROLLBACK_WAVE]:
            if date_ms is not None:
                self._act_on_date(batch, come=self.now_ms >= date_ms)
            if activation.unheard_after is not None and self.network.now >= batch.since_s + activation.unheard_after // 1_000:
                self._tell(batch, ("AT_CH", "DOWNLOADED", "UNKNOWN"), self.network.now + 1)

    def _act_on_date(self, batch: Batch, *, come: bool) -> None:
        looked = (come, bool(self._taken_back.any()), self._total(batch, "jobs", JOBS).get("VERIFIED", 0))
        if looked == batch.looked or not (come or looked[1]):
            return
        batch.looked = looked
        self._keep_back(batch)
        if come:
            self._tell(batch, ("VERIFIED",), 0)

    async def take_back(self) -> None:
        """Draw whose date is cancelled."""
        seed = self.plan.document.campaign.seed
        whom: Any = np.arange(self._applicable.count, dtype=np.int64)
        drawn: Any = draw32(seed, whom, 0, FOR_TAKING_BACK)
        self._taken_back = np.asarray(drawn * PPM >> 32 < self.plan.document.activation.take_back)

    def _keep_back(self, batch: Batch) -> None:
        """Those whose date was cancelled have it no more once they hold the image, or never get one."""
        chosen = self._untold(batch, ("VERIFIED",))
        kept = chosen[self._taken_back[chosen]]
        self._told[kept] = True
        batch.taken_back += len(kept)

    def _tell(self, batch: Batch, jobs: Sequence[str], at_s: int) -> None:
        """11.3 to every device of a batch whose job is in one of these states; without an image in it, it would refuse."""
        chosen = self._untold(batch, jobs)
        self._told[chosen] = True
        for index in chosen.tolist():
            self.network.activate(self._applicable.device_id(index), at_s, batch.number)

    def _untold(self, batch: Batch, jobs: Sequence[str]) -> Index:
        wanted = [JOBS.index(job) for job in jobs]
        found = self._where(
            batch.pool,
            lambda columns, rows: (
                (columns["order"][rows] == batch.number)
                & np.isin(columns["job"][rows], wanted)
                & (columns["firmware"][rows] == HELD)
            ),
        )
        return found[~self._told[found]]

    async def hold(self, held: bool) -> None:
        """Hold back the 11.3 of all waves; when they are let go, those that were due come within the hour."""
        for batch in self._batches:
            if batch.wave != ROLLBACK_WAVE:
                self.network.hold_activation(batch.number, held)

    async def read(self) -> None:
        """Look at the devices whose outcome is not known, once nothing of their batch moves or many more have become so.

        The others are read by the orders' own times.
        """
        for batch in self._batches:
            jobs, counts = self._total(batch, "jobs", JOBS), self._total(batch, "counts", OUTCOMES)
            doubtful = self._doubtful(jobs, counts)
            moving = sum(jobs.get(job, 0) for job in MOVING)
            if doubtful > batch.read and (not moving or doubtful * 20 > batch.read * 21):
                batch.read = doubtful
                batch.found = {job: len(self._running_new(batch, job)) for job in ("UNKNOWN", "VERIFIED")}

    async def stop(self) -> None:
        """Cancel what is not at a device; activate nothing more: no command of these orders reaches a device from now on."""
        self._stopped = True
        for batch in self._batches:
            self.network.stop_order(batch.number, at_hub=True)
            self.network.add_chance(Chance("command_lost", order=batch.number))

    async def roll_back(self) -> None:
        """The old firmware, under a higher version, for every device that runs the campaign's."""
        rollback = self.plan.document.rollback
        assert rollback.version is not None
        for number in self._chances:
            self.network.remove_chance(number)
        self._send(ROLLBACK_WAVE, self._running(self.plan.document.image.version), rollback.version, rollback.size)

    async def give_up(self, wave: int) -> None:
        """Count the open devices of a wave as failed."""
        for batch in self._batches:
            if batch.wave == wave:
                batch.given_up = True

    async def poll(self) -> Tallies:
        """The numbers now."""
        found: dict[Slice, Tally] = {}
        for batch in self._batches:
            pool = self.estate.pools[batch.pool]
            part = Slice(batch.wave, pool.region, pool.technology)
            found[part] = found.get(part, Tally()) + self._tally(batch)
        return dict(sorted(found.items()))

    async def wait(self, until_ms: int) -> None:
        """Move to a time, with a look at each moment at which a service level ends."""
        until_s = -(-(until_ms - START_MS) // 1_000)
        level_s = self.plan.document.campaign.service_level // 1_000
        ends = sorted({batch.since_s + level_s for batch in self._batches if batch.overdue is None})
        for due_s in ends:
            if due_s > until_s:
                break
            self.network.advance(max(due_s - 1, self.network.now))  # before what is given up at that very moment
            for batch in self._batches:
                if batch.overdue is None and batch.since_s + level_s == due_s:
                    jobs = self._total(batch, "jobs", JOBS)
                    batch.overdue = jobs.get("QUEUED", 0) + jobs.get("WITH_CSP", 0)
        self.network.advance(until_s)

    def describe(self, eui: int) -> dict[str, Any]:
        """One device as it is now, and what it waits for; raise :class:`Malformed` where there is none."""
        return describe(self.estate, self.network, eui)

    # Sending

    def _send(self, wave: int, chosen: Index, version: str, size: int | None, tries: int = 0) -> None:
        """One order for each pool that has any of the chosen."""
        document = self.plan.document
        activate_s = -1
        if wave == ROLLBACK_WAVE:
            activate_s = 0
        elif document.activation.rule == "after_verified" and document.activation.at is None:
            activate_s = document.activation.delay // 1_000
        read_s = -1 if document.campaign.read_after is not ReadAfter.ALWAYS else document.campaign.read_delay // 1_000
        order = order_of(
            document, version=version, size_bytes=size or self._listed_bytes, activate_after_s=activate_s, read_after_s=read_s
        )
        self._told[chosen] = False
        offsets = self._applicable.offsets
        bounds = np.searchsorted(chosen, offsets)
        batches = {}
        for pool in range(len(self.estate.pools)):
            count = int(bounds[pool + 1] - bounds[pool])
            if count:
                number = self.network.add_order(order)
                batches[pool] = Batch(number, wave, pool, count, 0, self.network.now, version, tries)
        for pool, first, last, _ in self._applicable.spans(chosen):
            batches[pool].taken += self.network.submit_span(pool, first, last, batches[pool].number)
        self._batches += batches.values()

    # Numbers

    def _send_others(self) -> None:
        """The images of others that are under way from the beginning."""
        wanted = self.plan.document.population
        assert wanted is not None
        models = [row for row in tables()["models"] if row["type"] != self.plan.document.image.type][: wanted.other_images]
        if len(models) < wanted.other_images:
            where = f"{self.plan.path.name}: population.other_images"
            raise Malformed(f"there are {len(models)} models of other types", where=where, expected="at most so many")
        for row in models:
            order = Order(
                size_bytes=row["image_bytes"],
                version=int(self.estate.fitted_version, 16) + 1,
                device_types=1 << TYPE_NUMBERS[row["type"]],
                model=int(row["model"], 16),
                lane=1,
            )
            number = self.network.add_order(order)
            for pool, rule in enumerate(self.estate.pools):
                self.network.submit_span(pool, 0, rule.hubs, number)

    def _failures(self, batch: Batch) -> dict[str, int]:
        jobs = self._total(batch, "jobs", JOBS)
        found: dict[str, int] = {}
        for job, reason in FAILED_JOBS.items():
            count = jobs.get(job, 0) - batch.retried.get(reason, 0)
            if count:
                found[reason] = found.get(reason, 0) + count
        return found

    def _total(self, batch: Batch, table: str, names: Sequence[str]) -> Mapping[str, int]:
        """What a table of the batch's pool, the only one that has the order, counts of it."""
        counted = self.network.pools[batch.pool].memory.tables[table]
        first = batch.number * len(names)
        return {name: int(count) for place, name in enumerate(names, first) if (count := counted[place])}

    def _retriable_reasons(self) -> set[str]:
        return set(self.plan.document.retry.of) & set(FAILED_JOBS.values())

    def _retriable(self, batch: Batch) -> int:
        """Devices of a batch that the plan wants tried again."""
        if batch.wave == ROLLBACK_WAVE or self._stopped or batch.tries >= self.plan.document.retry.attempts:
            return 0
        reasons = self._retriable_reasons()
        return sum(count for reason, count in self._failures(batch).items() if reason in reasons)

    def _tally(self, batch: Batch) -> Tally:
        document = self.plan.document
        jobs, counts = self._total(batch, "jobs", JOBS), self._total(batch, "counts", OUTCOMES)
        gone = sum(batch.retried.values())
        furthest = [0] * 8
        for job, stage in STAGE_OF_JOB.items():
            furthest[stage] += jobs.get(job, 0)
        for job, reason in FAILED_JOBS.items():
            if batch.retried.get(reason):
                furthest[STAGE_OF_JOB[job]] -= batch.retried[reason]
        for job, count in batch.found.items():
            furthest[STAGE_OF_JOB[job]] -= count
            furthest[STAGE_OF_JOB["CONFIRMED"]] += count
        furthest[0] = batch.requested - batch.taken
        stages = [sum(furthest[number:]) for number in range(8)]
        failures = self._failures(batch)
        if batch.requested > batch.taken:
            failures["not taken"] = batch.requested - batch.taken
        if batch.found.get("UNKNOWN"):
            failures[NOTHING_HEARD] -= batch.found["UNKNOWN"]
        if batch.taken_back:
            failures[CANCELLED] = failures.get(CANCELLED, 0) + batch.taken_back
        refused = 0 if document.image.type is DeviceType.PPMID else counts.get("ACTIVATION_FAILED", 0)
        if refused:
            failures[ACTIVATION_FAILED] = failures.get(ACTIVATION_FAILED, 0) + refused
        open_, unread = self._awaited(batch, jobs, counts)
        if batch.given_up:
            failures[NOTHING_HEARD] = failures.get(NOTHING_HEARD, 0) + open_
            open_ = unread = 0
        lost = 0
        if document.campaign.read_after is not ReadAfter.NEVER:
            lost = sum(counts.get(kind, 0) for kind in ("FELL_OFF", "DIED", "STOPPED_REPORTING")) - self._lost_twice(batch)
        assert stages[0] == batch.requested - gone
        kept = {reason: count for reason, count in sorted(failures.items()) if count}
        return Tally(tuple(stages), kept, lost, batch.overdue or 0, open_, unread, self._retriable(batch))

    def _lost_twice(self, batch: Batch) -> int:
        """Devices of a batch that fell silent and off the HAN, which new firmware can do at once; they are lost once.

        The device of a later try was the batch's as well, so the first batch of a wave in a pool counts for all.
        """
        family = [each for each in self._batches if (each.wave, each.pool) == (batch.wave, batch.pool)]
        if batch is not family[0]:
            return 0
        counts = [self._total(each, "counts", OUTCOMES) for each in family]
        if not all(any(each.get(kind) for each in counts) for kind in ("FELL_OFF", "STOPPED_REPORTING")):
            return 0
        numbers, both = [each.number for each in family], OFF_HAN | SILENT
        found = self._where(
            batch.pool,
            lambda columns, rows: np.isin(columns["order"][rows], numbers) & (columns["flags"][rows] & both == both),
        )
        return len(found)

    def _doubtful(self, jobs: Mapping[str, int], counts: Mapping[str, int]) -> int:
        """Devices whose outcome the supplier does not know."""
        document = self.plan.document
        if document.campaign.read_after is ReadAfter.NEVER:
            return 0
        return jobs.get("UNKNOWN", 0) + self._silent(jobs, counts)

    def _silent(self, jobs: Mapping[str, int], counts: Mapping[str, int]) -> int:
        """Meters that did not answer a command; a PPMID that says nothing is UNKNOWN to the DSP in the end."""
        if self.plan.document.image.type is DeviceType.PPMID:
            return counts.get("UNANSWERED", 0)
        known = sum(jobs.get(job, 0) for job in ("ACTIVATED", "CONFIRMED", "MISMATCH"))
        return counts.get("ACTIVATED", 0) - known + counts.get("DIED", 0) + counts.get("UNANSWERED", 0)

    def _awaited(self, batch: Batch, jobs: Mapping[str, int], counts: Mapping[str, int]) -> tuple[int, int]:
        """Devices that are open, and unread."""
        document = self.plan.document
        stopped = self._stopped and batch.wave != ROLLBACK_WAVE
        is_ppmid = document.image.type is DeviceType.PPMID
        wants = batch.wave == ROLLBACK_WAVE or (document.activation.rule == "after_verified" and not stopped)
        reads = document.campaign.read_after is ReadAfter.ALWAYS and not stopped
        held = jobs.get("VERIFIED", 0) - batch.taken_back if wants and not is_ppmid else 0
        activated = jobs.get("ACTIVATED", 0) if reads else 0
        refused = 0 if is_ppmid else counts.get("ACTIVATION_FAILED", 0)
        left = max(0, held + activated - refused - self._silent(jobs, counts))
        unread = min(left, activated)
        moving = sum(jobs.get(job, 0) for job in MOVING)
        return moving + left - unread, unread + max(0, self._doubtful(jobs, counts) - batch.read)

    # Looking at rows

    def _rows(self, batch: Batch, jobs: Sequence[str]) -> Index:
        """Devices of a batch whose job is in one of these states."""
        wanted = [JOBS.index(job) for job in jobs]
        return self._where(
            batch.pool, lambda columns, rows: (columns["order"][rows] == batch.number) & np.isin(columns["job"][rows], wanted)
        )

    def _running_new(self, batch: Batch, job: str) -> Index:
        """Devices of a batch in a state that would answer a read with the version that was sent."""
        number, state = self.network.declared.version(int(batch.image, 16)), JOBS.index(job)
        return self._where(
            batch.pool,
            lambda columns, rows: (
                (columns["order"][rows] == batch.number)
                & (columns["job"][rows] == state)
                & (columns["running"][rows] == number)
                & (columns["flags"][rows] & UNREACHABLE == 0)
                & (columns["firmware"][rows] != DEAD)
            ),
        )

    def _running(self, version: str) -> Index:
        """Devices that run a version."""
        number = self.network.declared.version(int(version, 16))
        pools = range(len(self.estate.pools))
        return np.concatenate([self._where(pool, lambda columns, rows: columns["running"][rows] == number) for pool in pools])

    def _where(self, pool: int, holds: Callable[[Columns, Numbers], Bools]) -> Index:
        applicable, running = self._applicable, self.network.pools[pool]
        rows = (applicable.hubs[pool].astype(np.int64) << running.shift) | applicable.place
        columns = {name: np.asarray(running.memory.columns[name]) for name in LOOKED_AT}
        return (np.flatnonzero(holds(columns, rows)) + applicable.offsets[pool]).astype(np.int32)
