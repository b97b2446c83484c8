"""The service time of a distribution: who missed it, and the end of what never comes to its hub (ota.md 11.1, L013)."""

from emulator.dsp.context import Context
from emulator.dsp.job_states import BEFORE_HUB, furthest
from emulator.dsp.jobs import delivered
from emulator.dsp.settings import DspSettings
from emulator.dsp.state import FirmwareRequest, Job


def due_ms(settings: DspSettings, request: FirmwareRequest) -> int:
    """Until when the images of a request should be at their hubs."""
    return request.accepted_ms + settings.distribution_deadline_ms


def missed(settings: DspSettings, request: FirmwareRequest, job: Job, now_ms: int) -> bool:
    """Whether the image of a job was not at its hub in time: it came later, is still on its way, or ended on it later."""
    limit_ms = due_ms(settings, request)
    if now_ms <= limit_ms:
        return False
    if job.at_hub_ms is not None:
        return job.at_hub_ms > limit_ms
    if job.state in BEFORE_HUB:
        return True
    return furthest(job.furthest, job.state) in BEFORE_HUB and job.since_ms > limit_ms


def watch(context: Context, request: FirmwareRequest) -> None:
    """A request was accepted: look at it when its time is over."""
    at_ms = due_ms(context.settings, request) + 1
    request.deadline = context.agenda.schedule(at_ms, "dsp.distribution_due", request.key)


def time_over(context: Context, key: int) -> None:
    """The service time of a request is over: the journal has how many of its images are not at their hubs."""
    request = context.state.firmware_requests[key]
    late = len(_on_their_way(context, request))
    request.deadline = -1
    if late == 0:
        return
    context.journal(
        "job",
        f"overdue: {late} of {len(request.jobs)} image(s) not at their hubs in time",
        request_id=request.request_id,
        data={"overdue": late},
    )
    limit_ms = request.accepted_ms + context.settings.distribution_limit_ms
    request.deadline = context.agenda.schedule(max(limit_ms, context.now_ms), "dsp.distribution_limit", key)


def limit_reached(context: Context, key: int) -> None:
    """What is not at its hub by now is given up, as if the CSP had reported that (ota.md 11.2)."""
    request = context.state.firmware_requests[key]
    request.deadline = -1
    for job in _on_their_way(context, request):
        context.csp.cancel(str(job.key), context.now_ms)
        delivered(context, str(job.key), False, "not delivered in time")


def _on_their_way(context: Context, request: FirmwareRequest) -> list[Job]:
    jobs = (context.state.jobs[number] for number in request.jobs)
    return [job for job in jobs if job.state in BEFORE_HUB]
