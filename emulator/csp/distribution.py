"""Distribution of images: which job of the DSP is which order of the columns, and what the DSP hears (ota.md 11.3).

Queues, channels, sessions, repetition and give-up are in the columns; here is only what they cannot know.
"""

from typing import Any

from emulator.csp.state import ImageJob
from emulator.csp.wan import Wan
from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, format_eui
from emulator.premises import row_views
from emulator.simulation.agenda import Event

IMAGE_REJECTED = "image rejected"
"""Why the CSP does not take a file that is damaged (ota.md F12)."""
TOO_LARGE = "image larger than the csp takes"
"""Why it does not take one that nothing is wrong with (ota.md 11.3, S-08)."""


class Distribution:
    """The image jobs of a WAN."""

    def __init__(self, wan: Wan) -> None:
        self._wan = wan
        self._state = wan.state

    def submit(self, job_key: str, hub: int, target: int, image_key: str, now_ms: int, sender: int) -> None:
        """See :meth:`emulator.csp.csp.Csp.distribute`."""
        wan, state = self._wan, self._state
        if job_key in state.jobs:
            raise Broken(f"job {job_key} is distributed twice")
        size_bytes = len(wan.premises.images.octets(image_key))
        if wan.faults.find("csp.rejects_image", hub, now_ms) is not None:
            wan.agenda.schedule(now_ms, "dsp.delivery", job_key, 0, IMAGE_REJECTED)
            return
        if size_bytes > wan.settings.max_image_bytes:
            text = f"the csp does not take an image of {size_bytes} octets for {format_eui(Eui64(target))}"
            wan.journal("wan", target, text, {"size_bytes": size_bytes, "max_image_bytes": wan.settings.max_image_bytes})
            wan.agenda.schedule(now_ms, "dsp.delivery", job_key, 0, TOO_LARGE)
            return
        order, refusal = wan.premises.send_image(Eui64(hub), Eui64(target), image_key, now_ms, sender)
        if refusal:
            wan.agenda.schedule(now_ms, "dsp.delivery", job_key, 0, refusal)
            return
        state.jobs[job_key] = ImageJob(job_key, hub, target, order, size_bytes)
        state.keys[target, order] = job_key

    def cancel(self, job_key: str, now_ms: int) -> bool:
        """See :meth:`emulator.csp.csp.Csp.cancel`."""
        job = self._state.jobs.get(job_key)
        if job is None:
            return False
        self._forget(job)
        self._wan.premises.recall_image(Eui64(job.target), job.order, now_ms)
        return True

    def delivered(self, event: Event) -> None:
        """``csp.delivered (target, order, reason)``: the image is at its hub, or will not come there."""
        target, order, reason = event.args
        assert isinstance(target, int)
        assert isinstance(order, int)
        assert isinstance(reason, str)
        wan, now_ms = self._wan, event.at_ms
        job_key = self._state.keys.get((target, order))
        if job_key is None:
            return
        job = self._state.jobs[job_key]
        self._forget(job)
        outcome = ("was not delivered: " + reason) if reason else "is at its hub"
        wan.journal("wan", job.target, f"the image for {format_eui(job.target)} {outcome}", {})
        wan.agenda.schedule(wan.arrives_up_ms(job.hub, now_ms), "dsp.delivery", job.job_key, 0 if reason else 1, reason)

    def describe_job(self, job_key: str, now_ms: int) -> dict[str, Any] | None:
        """See :meth:`emulator.csp.csp.Csp.describe_job`."""
        job = self._state.jobs.get(job_key)
        if job is None:
            return None
        rows = self._wan.premises.rows
        waits = row_views.waits(rows, job.target)
        what, until_ms = waits[0] if waits else ("the csp's report of its delivery", None)
        return {
            "job": job_key,
            "hub": format_eui(job.hub),
            "target": format_eui(job.target),
            "size_bytes": job.size_bytes,
            **row_views.tries(rows, job.target),
            "waiting_for": {"what": what, "until_ms": until_ms},
        }

    def _forget(self, job: ImageJob) -> None:
        del self._state.jobs[job.job_key], self._state.keys[job.target, job.order]
