"""Distribution of images: queues for a limited number of channels or sessions, transmission, repetition (ota.md 11.3).

One group of channels per technology and region, first come first served. A job holds a channel only while it transmits.
"""

from typing import Any

from emulator.csp.state import ImageJob
from emulator.csp.wan import Wan
from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, format_eui
from emulator.simulation.agenda import Event


class Distribution:
    """The image jobs of a WAN."""

    def __init__(self, wan: Wan) -> None:
        self._wan = wan
        self._state = wan.state

    def submit(self, job_key: str, hub: int, target: int, image_key: str, now_ms: int) -> None:
        """See :meth:`emulator.csp.csp.Csp.distribute`."""
        wan, state = self._wan, self._state
        if job_key in state.numbers:
            raise Broken(f"job {job_key} is distributed twice")
        images = wan.premises.images
        if hub not in state.hubs:
            wan.agenda.schedule(now_ms, "dsp.delivery", job_key, 0, "unknown hub")
            return
        if wan.faults.find("csp.rejects_image", hub, now_ms) is not None:
            wan.agenda.schedule(now_ms, "dsp.delivery", job_key, 0, "image rejected")
            return
        images.use(image_key)
        way = state.hubs[hub]
        job = ImageJob(
            job_key=job_key,
            number=wan.number(),
            hub=hub,
            target=target,
            image_key=image_key,
            size_bytes=len(images.octets(image_key)),
            group=group_name(way.technology, way.region),
            give_up_ms=now_ms + wan.settings.image_window_ms,
        )
        state.jobs[job.number] = job
        state.numbers[job_key] = job.number
        self._enqueue(job, now_ms)

    def cancel(self, job_key: str, now_ms: int) -> bool:
        """See :meth:`emulator.csp.csp.Csp.cancel`."""
        number = self._state.numbers.get(job_key)
        if number is None:
            return False
        job = self._state.jobs[number]
        queue = self._state.queues.get(job.group, [])
        if number in queue:
            queue.remove(number)
        transmitting = job.transmitting
        if transmitting:
            self._wan.premises.abandon_image(Eui64(job.hub), Eui64(job.target), job.image_key, now_ms)
        self._forget(job)
        if transmitting:
            self._free_channel(job, now_ms)
        return True

    def transmitted(self, event: Event) -> None:
        """``csp.transmitted (number)``: the last octet is out."""
        job = self._job(event)
        if job is None or not job.transmitting:
            return
        wan, now_ms = self._wan, event.at_ms
        hub, target = Eui64(job.hub), Eui64(job.target)
        lost = not wan.reachable(job.hub, now_ms) or wan.faults.find("wan.transfer_fails", job.hub, now_ms) is not None
        job.transmitting, job.due_ms = False, 0
        if lost:
            wan.premises.abandon_image(hub, target, job.image_key, now_ms)
            job.broken_off += 1
            self._later(job, "transfer failed", now_ms)
        else:
            image = wan.premises.images.octets(job.image_key)
            self._finish(job, wan.premises.receive_image(hub, target, job.image_key, image, now_ms), now_ms)
        self._free_channel(job, now_ms)

    def retry(self, event: Event) -> None:
        """``csp.retry (number)``: the wait after a failed try is over."""
        job = self._job(event)
        if job is not None and not job.transmitting:
            self._enqueue(job, event.at_ms)

    def describe_job(self, job_key: str, now_ms: int) -> dict[str, Any] | None:
        """See :meth:`emulator.csp.csp.Csp.describe_job`."""
        number = self._state.numbers.get(job_key)
        if number is None:
            return None
        job = self._state.jobs[number]
        queue = self._state.queues.get(job.group, [])
        if job.transmitting:
            what, until_ms = "the end of its transmission", job.due_ms
        elif number in queue:
            what, until_ms = f"a channel of {job.group}, {queue.index(number)} job(s) before it", None
        else:
            what, until_ms = "the next try to reach its hub", job.due_ms
        return {
            "job": job_key,
            "hub": format_eui(job.hub),
            "target": format_eui(job.target),
            "size_bytes": job.size_bytes,
            "attempts": job.attempts,
            "give_up_ms": job.give_up_ms,
            "waiting_for": {"what": what, "until_ms": until_ms},
        }

    def describe_group(self, technology: str, region: str) -> dict[str, Any]:
        """See :meth:`emulator.csp.csp.Csp.describe_group`."""
        group = group_name(technology, region)
        return {
            "technology": technology,
            "region": region,
            "parallel_images": self._wan.technologies[technology].parallel_images,
            "transmitting": self._state.busy.get(group, 0),
            "waiting": len(self._state.queues.get(group, [])),
        }

    def _job(self, event: Event) -> ImageJob | None:
        number = event.args[0]
        assert isinstance(number, int)
        return self._state.jobs.get(number)

    def _enqueue(self, job: ImageJob, now_ms: int) -> None:
        job.due_ms = 0
        self._state.queues.setdefault(job.group, []).append(job.number)
        self._fill_channels(job.group, now_ms)

    def _free_channel(self, job: ImageJob, now_ms: int) -> None:
        self._state.busy[job.group] -= 1
        self._fill_channels(job.group, now_ms)

    def _fill_channels(self, group: str, now_ms: int) -> None:
        """Start waiting jobs while there are channels; those that cannot start take none."""
        queue = self._state.queues.get(group, [])
        while queue and self._state.busy.get(group, 0) < self._limit(group):
            job = self._state.jobs[queue.pop(0)]
            if self._start(job, now_ms):
                self._state.busy[group] = self._state.busy.get(group, 0) + 1

    def _limit(self, group: str) -> int:
        return self._wan.technologies[group.partition("/")[0]].parallel_images

    def _start(self, job: ImageJob, now_ms: int) -> bool:
        wan = self._wan
        if not wan.reachable(job.hub, now_ms):
            self._later(job, "hub unreachable", now_ms)
            return False
        refusal = wan.premises.begin_image(Eui64(job.hub), Eui64(job.target), job.image_key, now_ms)
        if refusal:
            self._finish(job, refusal, now_ms)
            return False
        job.transmitting = True
        job.due_ms = now_ms + wan.technology(job.hub).transmission_ms(job.size_bytes)
        wan.agenda.schedule(job.due_ms, "csp.transmitted", job.number)
        wan.journal(
            "wan", job.target, f"{job.size_bytes} octets for {format_eui(job.target)} on {job.group}", {"due_ms": job.due_ms}
        )
        return True

    def _later(self, job: ImageJob, reason: str, now_ms: int) -> None:
        """Try again after a wait, unless the retries or the window are used up."""
        job.attempts += 1
        job.due_ms = now_ms + self._wan.settings.backoff_after(job.attempts)
        if job.broken_off > self._wan.settings.session_retries or job.due_ms > job.give_up_ms:
            self._finish(job, reason, now_ms)
        else:
            self._wan.agenda.schedule(job.due_ms, "csp.retry", job.number)

    def _finish(self, job: ImageJob, reason: str, now_ms: int) -> None:
        self._forget(job)
        outcome = ("was not delivered: " + reason) if reason else "is at its hub"
        self._wan.journal("wan", job.target, f"the image for {format_eui(job.target)} {outcome}", {})
        at_ms = self._wan.arrives_up_ms(job.hub, now_ms)
        self._wan.agenda.schedule(at_ms, "dsp.delivery", job.job_key, 0 if reason else 1, reason)

    def _forget(self, job: ImageJob) -> None:
        del self._state.jobs[job.number], self._state.numbers[job.job_key]
        self._wan.premises.images.release(job.image_key)


def group_name(technology: str, region: str) -> str:
    """The channel group of a technology in a region."""
    return f"{technology}/{region}"
