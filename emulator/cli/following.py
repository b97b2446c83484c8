"""What becomes of a distribution (11.1, 11.4): every device followed until its firmware job says how it ended."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any

from emulator.client.control import ControlClient
from emulator.client.inspection import describe_message
from emulator.client.receiver import Receiver
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.dsp import job_states
from emulator.duis.messages import Element, Request, ServiceResponse

DISTRIBUTIONS = ("11.1", "11.4")

SETTLED = (
    *(job_states.VERIFIED, job_states.ACTIVATED, job_states.CONFIRMED, job_states.MISMATCH, job_states.ORPHANED),
    *(job_states.FAILED_CSP, job_states.FAILED_HAN, job_states.FAILED_VERIFY, job_states.FAILED_ACTIVATE),
    *(job_states.UNKNOWN, job_states.CANCELLED),
)
"""States in which the network has nothing more to do for an image."""

WELL = (job_states.VERIFIED, job_states.ACTIVATED, job_states.CONFIRMED)

LAST_PUSHES_S, _LOOK_S = 5.0, 0.05
"""Wall time for the pushes that a job's end brings; they may have to wait for earlier ones about the same device."""


def devices_in_question(request: Request, answer: ServiceResponse) -> list[Eui64]:
    """The devices of an accepted distribution without those that the answer leaves out."""
    left_out = set() if answer.payload is None else set(_euis(answer.payload))
    return [eui for eui in dict.fromkeys(_euis(request.body)) if eui not in left_out]


async def follow(
    user: Eui64, devices: Iterable[Eui64], control: ControlClient, receiver: Receiver, wait_s: float
) -> dict[str, Any]:
    """Wait until all jobs have settled, at most ``wait_s`` of wall time: how each stands, and what was pushed meanwhile."""
    deadline = time.monotonic() + wait_s
    jobs: dict[str, Any] = {}
    for eui in map(format_eui, devices):
        left_ms = max(0, round(1000 * (deadline - time.monotonic())))
        await control.wait("job", device=eui, states=list(SETTLED), timeout_ms=left_ms)
        job = (await control.device(parse_eui(eui)))["job"] or {}
        jobs[eui] = {"state": job.get("state"), "reason": job.get("reason") or None}
    await control.set_endpoint(user, receiver.url, 0)  # answered when all that came before it is in the outbox
    await _all_pushed(jobs, control)
    pushes = [describe_message(push.message) for push in receiver.received if not push.duplicate]
    return {"devices": jobs, "pushes": pushes}


async def _all_pushed(devices: Iterable[str], control: ControlClient) -> None:
    deadline = time.monotonic() + LAST_PUSHES_S
    for eui in devices:
        while (await control.outbox(device=eui, state="queued", limit=1))["messages"]:
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_LOOK_S)


def problem_of(result: dict[str, Any], wait_s: float) -> str:
    """What is not as it should be; nothing when every device has verified its image."""
    states = {device: job["state"] for device, job in result["devices"].items()}
    late = [device for device, state in states.items() if state not in SETTLED]
    if late:
        return f"after {wait_s:g} s not done: {', '.join(late)}; `dcc-emulator clock autojump` lets hours pass at once"
    failed = [f"{device} {state}" for device, state in states.items() if state not in WELL]
    return f"it failed: {', '.join(failed)}" if failed else ""


def _euis(element: Element) -> Iterator[Eui64]:
    """The members of all lists of devices in a body."""
    if element.name.endswith("DeviceIDList"):
        yield from (parse_eui(text.strip()) for text in element.text.split(","))
    for child in element:
        yield from _euis(child)
