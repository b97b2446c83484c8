"""Firmware jobs on their way: hand-over to the csp, outcomes, silence, and who hears of them (reference ota/ota.md 11.2)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp import job_states
from emulator.dsp.context import Context
from emulator.dsp.registration import (
    SUPPLIERS,
    claims,
    registered,
    responsible,
    responsible_suppliers,
    supplier_parties,
)
from emulator.dsp.releases import reports
from emulator.dsp.retention import complete_request
from emulator.dsp.state import FirmwareRequest, InventoryEntry, Job
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import element

T = TypeVar("T")

UNDISTRIBUTABLE = frozenset(
    {"unknown hub", "unknown device", "image rejected", "image malformed", "image larger than the csp takes"}
)
"""Reasons of the csp that are told as FirmwareDistributionFailure: the CSP does not know the device, finds the file damaged, or
too large for itself (ota.md F12 and F13, scenarios.md S-08, body medium). All others mean that the hub did not get the image:
CSPFirmwareDeliveryStatus (F14 to F18)."""


HAND_OVER_STEP_MS = 2
"""Between two portions of jobs for the csp; ours."""


def portions(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, at most ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_open(job: Job) -> bool:
    """Whether something is still awaited for it."""
    return job.state not in job_states.TERMINAL


def in_progress(context: Context, device: InventoryEntry) -> bool:
    """Whether another distribution for the device has not ended (OtherRequestInProgressList)."""
    jobs = context.lookup.jobs_of(device.eui)
    if not jobs:
        return False
    blocking = job_states.IN_PROGRESS[context.settings.in_progress_until]
    return any(job.state in blocking for job in jobs)


def job_of(context: Context, device: int, *, image_hash: str = "", file_version: str = "") -> Job | None:
    """The newest job of a device, or the newest whose image has this hash or this version; None when there is none."""
    for job in context.lookup.jobs_of(device):
        request = context.state.firmware_requests[job.request]
        if image_hash in ("", request.image_hash) and file_version in ("", request.file_version):
            return job
    return None


def job_reported(context: Context, device: int, event: str, *, image_hash: str = "", file_version: str = "") -> Job | None:
    """The job that a hub's or device's report on an image is about.

    Of several under way with the same image (without ``in_progress_guard``) the oldest whose state the report changes, for hubs
    and devices go through images in their order; else the newest.
    """
    found = None
    for job in context.lookup.jobs_of(device):
        request = context.state.firmware_requests[job.request]
        if image_hash not in ("", request.image_hash) or file_version not in ("", request.file_version):
            continue
        changes = is_open(job) and job_states.transition(job.state, event) not in (None, job.state)
        if found is None or changes:
            found = job
    return found


def add_jobs(context: Context, request: FirmwareRequest, devices: Sequence[InventoryEntry], grants: Mapping[Eui64, int]) -> None:
    """Devices are to get the image of a request, under these grants where an agent asks."""
    state, now_ms, first = context.state, context.now_ms, context.state.next_key
    state.next_key += len(devices)
    for key, device in enumerate(devices, first):
        assert device.hub is not None
        job = Job(key, request.key, device.eui, device.hub, job_states.QUEUED, "", now_ms)
        if grants:
            job.grant = grants.get(device.eui, 0)
        state.jobs[key] = job
        context.lookup.add_job(job)
    request.jobs += range(first, state.next_key)
    state.open_jobs += len(devices)
    request.open_jobs += len(devices)


def hand_over(context: Context, key: int, begin: int) -> None:
    """Give the jobs of an accepted request to the csp, some at a time: from position ``begin`` on."""
    request = context.state.firmware_requests.get(key)
    if request is None:
        return
    end = begin + context.settings.hand_over_jobs
    for number in islice(request.jobs, begin, end):
        job = context.state.jobs[number]
        if advance_job(context, job, "handed_over"):
            context.csp.distribute(str(job.key), job.hub, job.device, request.image_key, context.now_ms, request.user)
    if end < len(request.jobs):
        # Not at the same instant, for whoever asks something meanwhile waits for all that is due before.
        context.agenda.schedule(context.now_ms + HAND_OVER_STEP_MS, "dsp.hand_over", key, end)
    else:
        context.csp.release_image(request.image_key)


def advance_job(context: Context, job: Job, event: str, reason: str = "") -> bool:
    """Apply an event to a job; False, and nothing changes, when its state does not know the event."""
    state = job_states.transition(job.state, event)
    if state is None:
        return False
    request, was_open = context.state.firmware_requests[job.request], is_open(job)
    entered = state != job.state
    job.reason = reason or job.reason
    if entered:
        job.state, job.since_ms = state, context.now_ms
        job.furthest = job_states.furthest(job.furthest, state)
        if state == job_states.AT_CH:
            job.at_hub_ms = context.now_ms
        _watch(context, job)
    context.journal(
        "job",
        f"{format_eui(job.device)}: {event} → {state}" + (f" ({reason})" if reason else ""),
        request_id=request.request_id,
        device=job.device,
        data={"state": state, "event": event, "reason": reason},
    )
    if was_open and not is_open(job):
        context.state.open_jobs -= 1
        request.open_jobs -= 1
        if request.open_jobs == 0:
            complete_request(context, request)
    return True


def _watch(context: Context, job: Job) -> None:
    """Limit how long nothing may be heard of a job in its new state."""
    if job.deadline >= 0:
        context.agenda.cancel(job.deadline)
        job.deadline, job.until_ms = -1, 0
    settings, device = context.settings, context.state.inventory.get(job.device)
    if job.state == job_states.AT_CH:
        patience_ms = settings.silence_ms
    elif job.state == job_states.DOWNLOADED:
        activates_itself = device is not None and device.device_type is DeviceType.PPMID
        patience_ms = settings.ppmid_silence_ms if activates_itself else settings.receipt_silence_ms
    else:
        return
    job.until_ms = context.now_ms + patience_ms
    job.deadline = context.agenda.schedule(job.until_ms, "dsp.silence", job.key)


def silence(context: Context, key: int) -> None:
    """Nothing more was heard of a job for as long as its state allows."""
    job = context.state.jobs.get(key)
    if job is not None:
        job.deadline = -1
        advance_job(context, job, "silence", "nothing heard")


def delivered(context: Context, job_key: str, success: bool, reason: str) -> None:
    """The csp's leg ended; the requester hears of it (duis.md 6.4, N60 and N61 medium-high)."""
    job = context.state.jobs.get(int(job_key))
    if job is None or not advance_job(context, job, "delivered" if success else "csp_failed", reason):
        return
    request = context.state.firmware_requests[job.request]
    purpose = "firmware_delivered" if success else "firmware_not_delivered"
    # Before hubs' failures had an alert of their own they were told like the others.
    if not success and (reason in UNDISTRIBUTABLE or not reports(context.state.releases, context.settings, purpose)):
        _tell_undistributed_later(context, request, job)
        return
    body = element(
        "CSPFirmwareDeliveryStatus",
        element("UpdateFirmwareRequestID", request.request_id),
        element("CommsHubDeviceID", format_eui(job.hub)),
        element("TargetDeviceID", format_eui(job.device)),
        element("FirmwareVersion", request.firmware_version),
        element("TimeStamp", format_datetime(context.now_ms)),
        element("CommsHubTransferStatus", "Success" if success else "Failure"),
    )
    context.dcc_alert(told(context, request, [job.device]), purpose, body, device=job.device, request_id=request.request_id)


def told(context: Context, request: FirmwareRequest, devices: Sequence[int]) -> list[Eui64]:
    """Who hears how a distribution goes: the requester, and for an agent's the responsible suppliers (access.md section 9)."""
    users = {request.user}
    if request.by_agent:
        for eui in devices:
            device = context.state.inventory.get(Eui64(eui))
            if device is not None:
                users |= set(responsible_suppliers(context, device, context.now_ms))
    return sorted(users)


def _tell_undistributed_later(context: Context, request: FirmwareRequest, job: Job) -> None:
    if request.key not in context.state.untold:
        context.state.untold[request.key] = []
        due_ms = context.now_ms + context.settings.distribution_failure_collect_ms
        context.agenda.schedule(due_ms, "dsp.distribution_failure", request.key)
    context.state.untold[request.key].append(job.key)


def tell_undistributed(context: Context, key: int) -> None:
    """FirmwareDistributionFailure to the requester, for all devices that failed since the first of them (ota.md F12, F13)."""
    request = context.state.firmware_requests.get(key)
    if request is None:
        return
    for some in portions(context.state.untold.pop(key, []), context.settings.devices_per_alert):
        devices = [context.state.jobs[number].device for number in some]
        body = element(
            "FirmwareDistributionFailure",
            element("UpdateFirmwareRequestID", request.request_id),
            element("MeterIDs", ",".join(format_eui(device) for device in devices)),
        )
        one = devices[0] if len(devices) == 1 else None
        context.dcc_alert(
            told(context, request, devices), "distribution_failure", body, device=one, request_id=request.request_id
        )


def cancel_jobs(context: Context, device: int, reason: str) -> None:
    """End what is open for a device that left (ota.md F43)."""
    for job in context.lookup.jobs_of(device):
        if is_open(job):
            context.csp.cancel(str(job.key), context.now_ms)
            advance_job(context, job, "cancelled", reason)


def hub_gone(context: Context, hub: InventoryEntry) -> None:
    """A hub left service: images on the way to it cannot be delivered, those in its store are lost (ota.md F13, F44)."""
    for device in context.lookup.on_hub(hub.eui):
        hub_lost(context, device, hub.eui)


def hub_lost(context: Context, device: InventoryEntry, hub: Eui64) -> None:
    """A device has lost its hub, and the image for it that was there or on its way there."""
    for job in context.lookup.jobs_of(device.eui):
        if job.hub != hub or not is_open(job):
            continue
        context.csp.cancel(str(job.key), context.now_ms)
        delivered(context, str(job.key), False, "unknown hub")
        advance_job(context, job, "hub_gone", "the hub left service")


def supplier_changed(context: Context, device: InventoryEntry) -> None:
    """The registration of a device changed (ota.md 11.2; access.md sections 4 and 5).

    Verified images of who is no longer responsible are orphaned. What is not yet at its hub is cancelled or runs on, as the
    grant says for an agent and ``on_change_of_supplier`` for a supplier; the end of an agent's appointment does that too, and
    its supplier goes on with what is on the device.
    """
    parties = supplier_parties(context, device, context.now_ms)
    for job in context.lookup.jobs_of(device.eui):
        request = context.state.firmware_requests[job.request]
        grant = context.state.grants.grants.get(job.grant)
        supplied = _supplier_stays(context, request, job, device, parties)
        if supplied and (grant is None or _agent_stays(context, request, device)):
            continue
        reason = "the supplier changed" if not supplied else "the agent changed"
        if not supplied:
            advance_job(context, job, "change_of_supplier", "the requester is no longer responsible")
        policy = context.settings.on_change_of_supplier if grant is None else grant.on_change_of_supplier.value
        if job.state in job_states.BEFORE_HUB and policy == "cancel":
            context.csp.cancel(str(job.key), context.now_ms)
            advance_job(context, job, "cancelled", reason)


def _supplier_stays(context: Context, request: FirmwareRequest, job: Job, device: InventoryEntry, parties: Sequence[str]) -> bool:
    """Whether the supplier that asked for a job, or let an agent ask, is still one of the device's."""
    if job.grant:
        grant = context.state.grants.grants.get(job.grant)
        return any(supplier in parties for supplier in (request.acting_for if grant is None else (grant.supplier,)))
    user = context.state.users[request.user]
    return any(role in user.roles and responsible(context, user, role, device, context.now_ms) for role in SUPPLIERS)


def _agent_stays(context: Context, request: FirmwareRequest, device: InventoryEntry) -> bool:
    party = context.state.users[request.user].party
    return any(
        role is UserRole.RSA and registered(context, mpxn, role, party, context.now_ms) for mpxn, role in claims(context, device)
    )
