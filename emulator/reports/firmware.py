"""Reports on firmware requests and their jobs, as far as the DSP remembers them (setting ``keep_jobs``)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import CspRegion
from emulator.dsp import deadlines, job_states
from emulator.dsp.state import FirmwareRequest, Job
from emulator.engine import Engine
from emulator.premises.hub import STORE_FULL
from emulator.premises.row_views import stored
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit

OF_REQUESTS = (
    Filter("user", "of requests of this user", Unit.USER),
    Filter("request_id", "of this request", Unit.REQUEST),
)
"""Filters that choose among firmware requests."""


def requests(engine: Engine, filters: Filters) -> Iterator[FirmwareRequest]:
    """Firmware requests that the filters leave, in the order in which they came."""
    user, request_id = filters.get("user"), filters.get("request_id", "").lower()
    for request in engine.state.dsp.firmware_requests.values():
        if user in (None, request.user) and request_id in ("", request.request_id.lower()):
            yield request


def region_of(engine: Engine, hub: int | None) -> CspRegion:
    """Where a hub is."""
    premises = None if hub is None else engine.state.dsp.premises.get(hub)  # type: ignore[call-overload]
    return CspRegion.UNKNOWN if premises is None else premises.region


# campaign-funnel

_STAGES = {
    "at_hub": job_states.AT_CH,
    "downloaded": job_states.DOWNLOADED,
    "verified": job_states.VERIFIED,
    "activated": job_states.ACTIVATED,
    "confirmed": job_states.CONFIRMED,
}
_ORDER = {state: position for position, state in enumerate(job_states.STAGES)}
_BAD = frozenset(
    {
        job_states.FAILED_CSP, job_states.FAILED_HAN, job_states.FAILED_VERIFY, job_states.FAILED_ACTIVATE,
        job_states.MISMATCH, job_states.UNKNOWN,
    }
)  # fmt: skip


def _select_funnel(engine: Engine, filters: Filters) -> Sequence[FirmwareRequest]:
    device = filters.get("device")
    named = None if device is None else {job.request for job in engine.context.lookup.jobs_of(device)}
    return [request for request in requests(engine, filters) if named is None or request.key in named]


def _funnel_row(engine: Engine, request: FirmwareRequest) -> Row:
    jobs = engine.state.dsp.jobs
    kinds = Counter((job.furthest, job.state) for job in map(jobs.__getitem__, request.jobs))
    reached, states = [0] * len(job_states.STAGES), Counter[str]()
    for (furthest, state), number in kinds.items():
        reached[_ORDER[job_states.furthest(furthest, state)]] += number
        states[state] += number
    return {
        "request_id": request.request_id,
        "user": format_eui(request.user),
        "acting_for": " ".join(request.acting_for) or None,
        "variant": request.service_reference_variant,
        "version": request.firmware_version,
        "accepted_ms": request.accepted_ms,
        "requested": max(request.listed, len(request.jobs)),
        "accepted": len(request.jobs),
        **{name: sum(reached[_ORDER[stage] :]) for name, stage in _STAGES.items()},
        "orphaned": states[job_states.ORPHANED],
        "cancelled": states[job_states.CANCELLED],
        "failed": sum(states[state] for state in _BAD),
        "open": request.open_jobs,
        "due_ms": deadlines.due_ms(engine.context.settings, request),
        "missed": sum(deadlines.missed(engine.context.settings, request, jobs[key], engine.now_ms) for key in request.jobs),
    }


FUNNEL = Report(
    "campaign-funnel",
    "How far each accepted 11.1 or 11.4 has come. A device that has come to one stage counts in all stages before it, "
    "whether or not each was reported.",
    (
        Column("request_id", "the request", Unit.REQUEST),
        Column("user", "who sent it", Unit.USER),
        Column("acting_for", "suppliers for whom an agent sent it"),
        Column("variant", "Service Reference Variant"),
        Column("version", "firmware version that it distributes"),
        Column("accepted_ms", "when it was accepted", Unit.INSTANT),
        Column("requested", "devices that it named", Unit.NUMBER),
        Column("accepted", "devices that may have the image", Unit.NUMBER),
        Column("at_hub", "devices whose image was at their hub", Unit.NUMBER),
        Column("downloaded", "devices that took the image", Unit.NUMBER),
        Column("verified", "devices that found it authentic", Unit.NUMBER),
        Column("activated", "devices that reported that they run it", Unit.NUMBER),
        Column("confirmed", "devices whose version was read since", Unit.NUMBER),
        Column("orphaned", "devices that hold an image of who is no longer responsible", Unit.NUMBER),
        Column("cancelled", "jobs that were given up", Unit.NUMBER),
        Column("failed", "jobs that ended in a failure, in silence or with another version", Unit.NUMBER),
        Column("open", "jobs for which something is awaited", Unit.NUMBER),
        Column("due_ms", "when its images should be at their hubs (setting distribution_deadline_ms)", Unit.INSTANT),
        Column("missed", "devices whose image was not at its hub by then", Unit.NUMBER),
    ),
    (*OF_REQUESTS, Filter("device", "of requests with a job for this device", Unit.DEVICE)),
    row=_funnel_row,
    select=_select_funnel,
)


# transfer-time


@dataclass(slots=True)
class _Transfers:
    """Image transfers of one region."""

    region: CspRegion
    times_ms: list[int] = field(default_factory=list)
    waiting: int = 0
    never: int = 0


def _select_transfers(engine: Engine, filters: Filters) -> Sequence[_Transfers]:
    found: dict[CspRegion, _Transfers] = {}
    for request in requests(engine, filters):
        for key in request.jobs:
            job = engine.state.dsp.jobs[key]
            region = region_of(engine, job.hub)
            if region in (filters.get("region") or region,):
                _count_transfer(found.setdefault(region, _Transfers(region)), request, job)
    return [found[region] for region in CspRegion if region in found]


def _count_transfer(transfers: _Transfers, request: FirmwareRequest, job: Job) -> None:
    if job.at_hub_ms is not None:
        transfers.times_ms.append(job.at_hub_ms - request.accepted_ms)
    elif job.state in job_states.BEFORE_HUB:
        transfers.waiting += 1
    elif job_states.furthest(job.furthest, job.state) in job_states.BEFORE_HUB:
        transfers.never += 1


def _transfers_row(engine: Engine, transfers: _Transfers) -> Row:
    times, target_ms = sorted(transfers.times_ms), engine.context.settings.distribution_deadline_ms
    return {
        "region": transfers.region.value,
        "count": len(times),
        "median_ms": times[(len(times) - 1) // 2] if times else None,
        "max_ms": times[-1] if times else None,
        "target_ms": target_ms,
        "late": sum(each > target_ms for each in times),
        "waiting": transfers.waiting,
        "never": transfers.never,
    }


TRANSFER_TIME = Report(
    "transfer-time",
    "How long images took from the acceptance of their request until they were reported to be at their hubs, by region.",
    (
        Column("region", "region of the hub", Unit.REGION),
        Column("count", "images that came to their hub", Unit.NUMBER),
        Column("median_ms", "the lower median of their times", Unit.DURATION),
        Column("max_ms", "the longest time", Unit.DURATION),
        Column(
            "target_ms", "time after which a distribution counts as overdue (setting distribution_deadline_ms)", Unit.DURATION
        ),
        Column("late", "images that took longer than that", Unit.NUMBER),
        Column("waiting", "images still on their way", Unit.NUMBER),
        Column("never", "images that did not come there", Unit.NUMBER),
    ),
    (*OF_REQUESTS, Filter("region", "of this region", Unit.REGION)),
    row=_transfers_row,
    select=_select_transfers,
)


# buffer-contention


def _select_contention(engine: Engine, filters: Filters) -> Sequence[Job]:
    hub, device, jobs = filters.get("hub"), filters.get("device"), engine.state.dsp.jobs
    found = (jobs[key] for request in requests(engine, filters) for key in request.jobs)
    return [
        job
        for job in found
        if job.state == job_states.FAILED_CSP and job.reason == STORE_FULL
        if hub in (None, job.hub) and device in (None, job.device)
    ]


def _contention_row(engine: Engine, job: Job) -> Row:
    request = engine.state.dsp.firmware_requests[job.request]
    known = job.hub in engine.state.premises.hubs
    lying = list(stored(engine.premises.rows, job.hub)) if known else []
    entry = engine.state.dsp.inventory.get(job.device)
    return {
        "device": format_eui(job.device),
        "type": None if entry is None else entry.device_type.value,
        "hub": format_eui(job.hub),
        "region": region_of(engine, job.hub).value,
        "request_id": request.request_id,
        "user": format_eui(request.user),
        "version": request.firmware_version,
        "told_ms": job.since_ms,
        "images_now": len(lying),
        "used_bytes_now": sum(each.image.size_bytes for each in lying),
    }


BUFFER_CONTENTION = Report(
    "buffer-contention",
    "Jobs whose image was refused because the image store that a home shares was full, with what the store holds now. What "
    "it held at the time is not kept.",
    (
        Column("device", "for which the image was", Unit.DEVICE),
        Column("type", "its device type"),
        Column("hub", "whose store was full", Unit.DEVICE),
        Column("region", "region of the hub", Unit.REGION),
        Column("request_id", "the request", Unit.REQUEST),
        Column("user", "who sent it", Unit.USER),
        Column("version", "firmware version that it distributes"),
        Column("told_ms", "when the CSP reported the refusal", Unit.INSTANT),
        Column("images_now", "images in the store now", Unit.NUMBER),
        Column("used_bytes_now", "size of those images", Unit.OCTETS),
    ),
    (*OF_REQUESTS, Filter("device", "of this device", Unit.DEVICE), Filter("hub", "at this hub", Unit.DEVICE)),
    row=_contention_row,
    select=_select_contention,
)
