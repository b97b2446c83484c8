"""The Communications Service Providers: commands and images down to the hubs, messages up from them.

What is due comes as agenda events through :meth:`Csp.handle`. Upwards it schedules

``dsp.upstream``       ``(hub, message)``             a message of a home reached the DSP
``dsp.delivery``       ``(job_key, 1 | 0, reason)``   an image did or did not get to its hub (alerts N60, N61)
``dsp.undeliverable``  ``(hub, target, message)``     a command could not be delivered within its window
"""

from typing import Any

from emulator.csp.regions import CspSettings
from emulator.csp.state import CspState
from emulator.domain.identifiers import Eui64
from emulator.estate.model import Estate
from emulator.premises.premises import Journal, Premises
from emulator.simulation.agenda import Agenda, Event
from emulator.simulation.faults import Faults


class Csp:
    """The WAN of a world, over one :class:`CspState`."""

    TOPICS = ("csp.",)
    """Prefixes of the agenda topics that :meth:`handle` takes."""

    def __init__(
        self,
        estate: Estate,
        state: CspState,
        agenda: Agenda,
        settings: CspSettings,
        faults: Faults,
        seed: int,
        premises: Premises,
        journal: Journal,
    ) -> None:
        """Behaviour over ``state``; ``seed`` keys the draws of latencies."""
        raise NotImplementedError

    def send_command(self, hub: Eui64, target: Eui64, message: bytes, now_ms: int) -> None:
        """Carry a GBCS command to ``hub`` for ``target``.

        A hub that cannot be reached is tried again until the window of :attr:`CspSettings.command_window_ms` is over; then
        ``dsp.undeliverable`` is due.
        """
        raise NotImplementedError

    def hold_image(self, image: bytes) -> str:
        """Keep an OTA file while any job, hub or device uses it; returns the ``image_key`` for :meth:`distribute`.

        An image that nothing uses any more is dropped, so hold it again before distributing it again later.
        """
        raise NotImplementedError

    def distribute(self, job_key: str, hub: Eui64, target: Eui64, image_key: str, now_ms: int) -> None:
        """Queue an image for one device; ``dsp.delivery`` tells the outcome. A ``job_key`` is used once."""
        raise NotImplementedError

    def cancel(self, job_key: str, now_ms: int) -> bool:
        """Take back a job that is not yet at its hub; False when it is over or unknown. No ``dsp.delivery`` follows."""
        raise NotImplementedError

    def handle(self, event: Event) -> None:
        """Run one due event of :attr:`TOPICS`."""
        raise NotImplementedError

    def describe_job(self, job_key: str, now_ms: int) -> dict[str, Any] | None:
        """What a distribution is doing and waits for, as JSON values; None when it is over or unknown."""
        raise NotImplementedError

    def describe_region(self, technology: str, now_ms: int) -> dict[str, Any]:
        """Channels in use and jobs waiting of one technology, as JSON values."""
        raise NotImplementedError
