"""Read-only descriptions of a world as JSON values, for the control interface and the console. Nothing here changes state."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp import deadlines, job_states
from emulator.dsp.anomaly import Quarantined
from emulator.dsp.jobs import is_open, job_of
from emulator.dsp.releases import FEATURES, Feature, is_on
from emulator.dsp.state import FirmwareRequest, InventoryEntry, Job, Schedule, Transaction, TransactionState
from emulator.engine import Engine
from emulator.logistics.describing import StockView
from emulator.reports.registry import REPORTS, report_named
from emulator.reports.report import Gathering
from emulator.simulation.durations import HOUR_MS, MINUTE_MS
from emulator.simulation.faults import KINDS, FaultEntry

T = TypeVar("T")

Waits = list[dict[str, Any]]
"""What something waits for: ``what`` in words and ``until_ms``, None where nobody knows."""

DESCRIBED_JOBS = 200
"""Jobs of one answer that say what they wait for; finding that out takes time with the length of the queues."""


@dataclass(frozen=True, slots=True)
class Page:
    """A portion of a list, and how long the whole list is."""

    count: int
    items: list[dict[str, Any]]


class Views:
    """Looks at one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def world(self) -> dict[str, Any]:
        """Where the world stands."""
        state = self._engine.state
        return {
            "estate": state.estate.name,
            "seed": state.estate.seed,
            "now_ms": state.now_ms,
            "homes": len(state.dsp.premises),
            "devices": len(state.dsp.inventory),
            "users": len(state.dsp.users),
            "awaited": self._engine.awaited(),
            "next_wakeup_ms": self._engine.next_wakeup(),
            "deliveries": state.numbers.get("delivery", 0),
        }

    def users(self) -> list[dict[str, Any]]:
        """The DUIS users and their endpoints."""
        return [
            {
                "user": format_eui(user.eui),
                "name": user.name,
                "party": user.party,
                "roles": [role.value for role in user.roles],
                "remote_party_role": user.remote_party_role.name,
                "active": user.active,
                "endpoint": user.endpoint,
            }
            for user in self._engine.state.dsp.users.values()
        ]

    def companies(self) -> list[str]:
        """The companies that there are: of users, of registration data, and the CSP, which has what was not delivered yet."""
        state = self._engine.state
        return sorted(
            {*state.logistics.companies, *state.dsp.registrations.parties, *(each.party for each in state.estate.parties)}
        )

    def endpoint(self, user: int) -> str:
        """Where a user's pushes go; empty while it has no endpoint."""
        found = self._engine.state.dsp.users.get(Eui64(user))
        return found.endpoint if found is not None else ""

    def device_exists(self, eui: int) -> bool:
        """Whether the inventory or a home holds this EUI."""
        engine = self._engine
        return engine.logistics.entries.peek(eui) is not None or engine.premises.describe(Eui64(eui), engine.now_ms) is not None

    def devices(
        self,
        *,
        device_type: str | None = None,
        status: str | None = None,
        hub: int | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> Page:
        """Devices as the inventory has them, from the ``offset``-th on, at most ``limit``."""
        context = self._engine.context
        entries = context.state.inventory.values() if hub is None else context.lookup.on_hub(hub)
        found = [
            entry
            for entry in entries
            if device_type in (None, entry.device_type.value) and status in (None, entry.status and entry.status.value)
        ]
        end = None if limit is None else offset + limit
        return Page(len(found), [self._inventory(entry) for entry in found[offset:end]])

    def device(self, eui: int) -> dict[str, Any] | None:
        """One device: what the inventory believes, what the device is, its firmware job; None when there is none."""
        entry = self._engine.logistics.entries.peek(eui)
        real = self._engine.premises.describe(Eui64(eui), self._engine.now_ms)
        if entry is None and real is None:
            return None
        job = job_of(self._engine.context, eui)
        return {
            "device": format_eui(eui),
            "inventory": None if entry is None else self._inventory(entry),
            "state": real,
            "job": None if job is None else self._job(job),
        }

    def jobs(
        self,
        *,
        request_id: str | None = None,
        device: int | None = None,
        offset: int = 0,
        limit: int | None = None,
        job_offset: int = 0,
        job_limit: int | None = None,
    ) -> Page:
        """Firmware requests in the order in which they came, with how far they are and with their jobs.

        Taken are the newest ``limit`` after leaving out ``offset`` of the newest; of each the jobs from the ``job_offset``-th on,
        at most ``job_limit``, and with ``device`` the jobs of that device alone.
        """
        dsp, wanted = self._engine.state.dsp, request_id and request_id.lower()
        named = None if device is None else {job.request for job in self._engine.context.lookup.jobs_of(device)}
        found = [
            request
            for request in dsp.firmware_requests.values()
            if wanted in (None, request.request_id.lower()) and (named is None or request.key in named)
        ]
        items = []
        for request in _newest(found, offset, limit):
            jobs = [dsp.jobs[key] for key in request.jobs]
            if device is not None:
                jobs = [job for job in jobs if job.device == device]
            end = None if job_limit is None else job_offset + job_limit
            shown = enumerate(jobs[job_offset:end])
            described = [self._job(job, waits=position < DESCRIBED_JOBS) for position, job in shown]
            items.append({**self._request(request), "jobs": described})
        return Page(len(found), items)

    def _request(self, request: FirmwareRequest) -> dict[str, Any]:
        dsp, settings = self._engine.state.dsp, self._engine.context.settings
        counts: dict[str, int] = {}
        for key in request.jobs:
            state = dsp.jobs[key].state
            counts[state] = counts.get(state, 0) + 1
        missed = sum(deadlines.missed(settings, request, dsp.jobs[key], self._engine.now_ms) for key in request.jobs)
        late = sum(counts.get(state, 0) for state in (job_states.QUEUED, job_states.WITH_CSP))
        return {
            "request_id": request.request_id,
            "variant": request.service_reference_variant,
            "user": format_eui(request.user),
            "firmware_version": request.firmware_version,
            "image_hash": request.image_hash,
            "accepted_ms": request.accepted_ms,
            "open": request.open_jobs > 0,
            "overdue": bool(late) and self._engine.now_ms > request.accepted_ms + settings.distribution_deadline_ms,
            "due_ms": deadlines.due_ms(settings, request),
            "missed": missed,
            "counts": dict(sorted(counts.items())),
        }

    def troubled_jobs(self, limit: int) -> list[dict[str, Any]]:
        """The newest firmware jobs that do not go on by themselves: failed, unknown, or with another version than was sent."""
        found: list[dict[str, Any]] = []
        for job in reversed(self._engine.state.dsp.jobs.values()):
            if len(found) == limit:
                break
            if job.state in job_states.TROUBLED:
                found.append(self._job(job))
        return found

    def transactions(
        self,
        *,
        request_id: str | None = None,
        device: int | None = None,
        state: str | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> Page:
        """Requests to devices and how far they are, in the order in which they came: the newest ``limit``, without ``offset`` of
        the newest."""
        wanted = request_id and request_id.lower()
        found = [
            transaction
            for transaction in self._engine.state.dsp.transactions.values()
            if device in (None, transaction.device)
            and state in (None, transaction.state.value)
            and wanted in (None, str(transaction.request.request_id).lower())
        ]
        return Page(len(found), [self._transaction(each) for each in _newest(found, offset, limit)])

    def schedules(self, *, device: int | None = None, user: int | None = None) -> list[dict[str, Any]]:
        """DSP schedules by number, of a device or user where one is named."""
        return [
            self._schedule(each)
            for each in self._engine.state.dsp.schedules.values()
            if device in (None, each.device) and user in (None, each.user)
        ]

    def registrations(self, mpxn: str | None = None) -> list[dict[str, Any]]:
        """Who is, was and will be registered: for an MPxN, or for those that the estate itself or a change at run time names."""
        state = self._engine.state
        store = state.dsp.registrations
        mpxns = {entry.mpxn for entry in state.estate.registrations} | store.changed.keys() if mpxn is None else {mpxn}
        return [asdict(entry) for each in sorted(mpxns) for entry in store.history(each)]

    def firmware_list(self) -> list[dict[str, Any]]:
        """The Central Products List."""
        return [asdict(entry) for entry in self._engine.state.dsp.cpl.values()]

    def faults(self) -> list[dict[str, Any]]:
        """The fault plan: what was planned and what came of it."""
        return [self._fault(entry) for entry in self._engine.faults.entries]

    def fault(self, number: int) -> dict[str, Any] | None:
        """One fault, and how many it can hit as things stand; None when there is none of this number."""
        engine = self._engine
        entry = next((entry for entry in engine.faults.entries if entry.number == number), None)
        if entry is None:
            return None
        population = engine.entities.population(KINDS[entry.kind].subject)
        return {**self._fault(entry), "matches": engine.faults.selected(entry, population)}

    def _fault(self, entry: FaultEntry) -> dict[str, Any]:
        share, chance = entry.who.share, entry.chance
        who: dict[str, Any] = {name: list(values) for name, values in entry.who.wanted}
        hit = format_eui(entry.last_entity) if entry.last_entity else None
        return {
            "number": entry.number,
            "kind": entry.kind,
            "name": entry.name,
            "entity": None if entry.entity is None else format_eui(entry.entity),
            "devices": [format_eui(eui) for eui in sorted(entry.devices)],
            "who": {**who, **({} if share is None else {"share": [share.numerator, share.denominator]})},
            "from_ms": entry.from_ms,
            "to_ms": entry.to_ms,
            "daily": None if entry.daily is None else [_time_of_day(each_ms) for each_ms in entry.daily],
            "chance": None if chance is None else [chance.numerator, chance.denominator],
            "times": entry.times,
            "after": entry.after,
            "counted": entry.counted.value,
            "params": entry.params,
            "condition": entry.condition(self._engine.now_ms).value,
            "hits": entry.hits,
            "passed": entry.passed,
            "last_hit": None if not entry.hits else {"at_ms": entry.last_ms, "entity": hit},
        }

    def explain(self, request_id: str) -> dict[str, Any] | None:
        """What the engine has of a request now; None when it has nothing."""
        dsp = self._engine.state.dsp
        wanted = request_id.lower()
        transactions = [t for t in dsp.transactions.values() if str(t.request.request_id).lower() == wanted]
        requests = [r for r in dsp.firmware_requests.values() if r.request_id.lower() == wanted]
        held = [q for q in dsp.anomaly.quarantine.values() if str(q.request.request_id).lower() == wanted]
        if not (transactions or requests or held):
            return None
        return {
            "transactions": [self._transaction(each) for each in transactions],
            "jobs": [self._job(dsp.jobs[key]) for each in requests for key in each.jobs[:100]],
            "quarantine": [self._held(each) for each in held],
        }

    def grants(self) -> dict[str, Any]:
        """What suppliers let agents do, and approvals."""
        state, now_ms = self._engine.state.dsp.grants, self._engine.now_ms
        return {
            "grants": [
                {
                    **asdict(grant),
                    "agent": format_eui(grant.agent),
                    "live": grant.live(now_ms),
                    **{name: sorted(getattr(grant, name)) for name in ("mpxns", "models", "regions", "versions")},
                }
                for grant in state.grants.values()
            ],
            "approvals": [asdict(token) for token in state.tokens.values()],
        }

    def quarantine(self) -> list[dict[str, Any]]:
        """Requests that wait for an operator."""
        return [self._held(each) for each in self._engine.state.dsp.anomaly.quarantine.values()]

    def anomaly(self) -> dict[str, Any]:
        """Thresholds, and what users have sent of the services that have one."""
        state = self._engine.state.dsp.anomaly
        return {
            "thresholds": [
                {**asdict(each), "user": "*" if each.user is None else format_eui(each.user)} for each in state.thresholds
            ],
            "usage": [
                {"user": format_eui(user), "variant": variant, **asdict(usage)} for (user, variant), usage in state.usage.items()
            ],
        }

    def releases(self) -> dict[str, Any]:
        """What is released, feature by feature, and for which firmware versions of hubs an operator has said so."""
        dsp, settings = self._engine.state.dsp, self._engine.context.settings
        return {
            "features": [
                {"feature": feature.value, "on": is_on(dsp.releases, settings, feature), **asdict(row)}
                for feature, row in FEATURES.items()
                if feature is not Feature.HUB
            ],
            "hub_gbcs_version": settings.ppmid_hub_gbcs_version,
            "hub_versions": dict(sorted(dsp.releases.hub_versions.items())),
        }

    def upgrade_paths(self) -> list[dict[str, Any]]:
        """Versions of models and those from which they may be reached."""
        names = ("type", "manufacturer", "model", "firmware_version")
        found = self._engine.state.dsp.upgrade_paths
        return [{**dict(zip(names, key, strict=True)), "from_versions": list(found[key])} for key in sorted(found)]

    @property
    def stock(self) -> StockView:
        """Hubs and meters outside homes."""
        return StockView(self._engine.logistics.books, self._engine.now_ms)

    def reports(self) -> list[dict[str, Any]]:
        """The reports that there are: name, meaning, columns, filters."""
        return [report.described() for report in REPORTS.values()]

    def gathering(self, name: str, filters: Mapping[str, object]) -> Gathering | None:
        """The beginning of a report that is read from the audit trail, which whoever has that lets see its records; None for a
        report on the state alone. Raise :class:`Malformed` as :meth:`report` does."""
        report = report_named(name)
        return report.gathering(self._engine, report.read(filters))

    def report(
        self,
        name: str,
        filters: Mapping[str, object],
        gathering: Gathering | None = None,
        *,
        offset: int = 0,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """A report: ``columns``, ``count`` and ``rows`` from the ``offset``-th on, at most ``limit``.

        ``gathering`` is what :meth:`gathering` gave, after it has seen its records. Raise :class:`Malformed` naming the reports
        there are for an unknown one, and the report's filters for an unknown filter.
        """
        report, engine = report_named(name), self._engine
        given = report.read(filters)
        if gathering is None and report.gathering(engine, given) is not None:
            raise Malformed(
                f"report {name} is read from the audit trail", where="gathering", expected="what Views.gathering gave"
            )
        subjects = report.select(engine, given) if gathering is None else gathering.subjects()
        return report.table(engine, subjects, offset, limit)

    def _held(self, held: Quarantined) -> dict[str, Any]:
        return {
            "reference": held.reference,
            "request_id": str(held.request.request_id),
            "variant": held.request.service_reference_variant,
            "user": format_eui(held.user),
            "at_ms": held.at_ms,
            "reason": held.reason,
        }

    def _inventory(self, entry: InventoryEntry) -> dict[str, Any]:
        return {
            "device": format_eui(entry.eui),
            "type": entry.device_type.value,
            "status": None if entry.status is None else entry.status.value,
            "hub": None if entry.hub is None else format_eui(entry.hub),
            "manufacturer": entry.manufacturer,
            "model": entry.model,
            "firmware_version": entry.firmware_version,
            "gbcs_version": entry.gbcs_version,
            "import_mpxn": entry.import_mpxn,
            "export_mpan": entry.export_mpan,
            "joined_to": [format_eui(eui) for eui in entry.joined_to],
        }

    def _job(self, job: Job, *, waits: bool = True) -> dict[str, Any]:
        open_ = is_open(job)
        return {
            "device": format_eui(job.device),
            "hub": format_eui(job.hub),
            "state": job.state,
            "reason": job.reason,
            "since_ms": job.since_ms,
            "open": open_,
            "waiting_for": self._waits_of_job(job) if open_ and waits else [],
        }

    def _waits_of_job(self, job: Job) -> Waits:
        """Design point 10: from the hand-over to the device's own reasons."""
        if job.state == job_states.QUEUED:
            return [_wait("being handed to the csp", self._engine.now_ms)]
        found: Waits = []
        described = self._engine.csp.describe_job(str(job.key), self._engine.now_ms)
        if described is not None:
            found.append(described["waiting_for"])
        elif job.state == job_states.WITH_CSP:
            found.append(_wait("the csp's report of its delivery"))
        else:
            found += self._waits_of_device(job.device)
            found.append(_wait("a report of hub or device, for the last time", job.until_ms or None))
        return found

    def _transaction(self, transaction: Transaction) -> dict[str, Any]:
        return {
            "request_id": str(transaction.request.request_id),
            "variant": transaction.request.service_reference_variant,
            "device": format_eui(transaction.device),
            "user": format_eui(transaction.user),
            "state": transaction.state.value,
            "due_ms": transaction.due_ms,
            "waiting_for": self._waits_of_transaction(transaction),
        }

    def _schedule(self, schedule: Schedule) -> dict[str, Any]:
        asked = schedule.details.value
        return {
            "schedule": schedule.number,
            "variant": asked("DSPScheduledServiceReferenceVariant"),
            "frequency": asked("ScheduleFrequency"),
            "device": format_eui(schedule.device),
            "user": format_eui(schedule.user),
            "request_id": schedule.request_id,
            "created_ms": schedule.created_ms,
            "next_ms": schedule.next_ms,
            "last_date": asked("ScheduleEndDate"),
            "runs": schedule.runs,
        }

    def _waits_of_transaction(self, transaction: Transaction) -> Waits:
        if transaction.state is TransactionState.HELD:
            return [_wait("its date", transaction.due_ms)]
        if transaction.state is TransactionState.ACCEPTED_BY_DEVICE:
            return [_wait("its date on the device", transaction.due_ms), *self._waits_of_device(transaction.device)]
        if transaction.state is TransactionState.WAITING:
            return [_wait(f"{transaction.request.preceding_request_id}, which is before it", transaction.until_ms)]
        if transaction.state is TransactionState.HANDED_OUT:
            return [_wait("its delivery by the user, who may return the Response")]
        if transaction.state is not TransactionState.SENT:
            return []
        entry = self._engine.state.dsp.inventory.get(transaction.device)
        hub = None if entry is None or entry.hub is None else self._engine.csp.describe_hub(entry.hub, self._engine.now_ms)
        waiting = [] if hub is None else hub["waiting_messages"]
        on_the_way = [each for each in waiting if each["target"] in (None, format_eui(transaction.device))]
        return [
            _wait("the Response of its device, for the last time", transaction.until_ms or None),
            *(_wait("its hub, which cannot be reached: the next try", each["next_try_ms"]) for each in on_the_way),
            *self._waits_of_device(transaction.device),
        ]

    def _waits_of_device(self, eui: int) -> Waits:
        described = self._engine.premises.describe(Eui64(eui), self._engine.now_ms)
        return [] if described is None else list(described["waiting_for"])


def _time_of_day(at_ms: int) -> str:
    return f"{at_ms // HOUR_MS:02}:{at_ms % HOUR_MS // MINUTE_MS:02}"


def _wait(what: str, until_ms: int | None = None) -> dict[str, Any]:
    return {"what": what, "until_ms": until_ms}


def _newest(found: Sequence[T], offset: int, limit: int | None) -> Sequence[T]:
    """The last ``limit`` of a list but for the very last ``offset``, in its order."""
    end = max(0, len(found) - offset)
    return found[0 if limit is None else max(0, end - limit) : end]
