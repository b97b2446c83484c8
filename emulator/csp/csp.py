"""The Communications Service Providers: commands and images down to the hubs, messages up from them.

What is due comes as agenda events through :meth:`Csp.handle`. Upwards it schedules

``dsp.upstream``       ``(hub, message)``             a message of a home reached the DSP
``dsp.delivery``       ``(job_key, 1 | 0, reason)``   an image did or did not get to its hub (alerts N60, N61)
``dsp.undeliverable``  ``(hub, target, message)``     a command could not be delivered within its window
``dsp.hub_firmware``   ``(hub, version, gbcs)``       a hub runs new firmware of its own
``dsp.power_outage``   ``(hub, since_ms)``            a hub has had no power for minutes
"""

from collections.abc import Callable, Mapping
from typing import Any

from emulator.csp.distribution import Distribution
from emulator.csp.regions import CspSettings, Technology
from emulator.csp.state import CspState, WaitingMessage, WanHub
from emulator.csp.wan import Wan
from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.settings import MINUTE_MS
from emulator.estate.model import Estate
from emulator.premises.context import Journal
from emulator.premises.premises import Premises
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
        """Behaviour over ``state``; ``seed`` keys the draws of latencies. An empty state takes its hubs from ``estate``."""
        self.state = state
        self.premises = premises
        self._wan = Wan(state, agenda, settings, faults, seed, premises, journal)
        self._distribution = Distribution(self._wan)
        if not state.hubs:
            for home in estate.homes:
                self.add_hub(home.hub, home.wan_technology, home.region)

    @property
    def technologies(self) -> Mapping[str, Technology]:
        """The ways of reaching hubs, by name."""
        return self._wan.technologies

    @property
    def power_alert_ms(self) -> int:
        """How long a hub is without power before the DSP hears of it."""
        return self._wan.settings.power_alert_ms

    def add_hub(self, hub: Eui64, technology: str, region: str) -> None:
        """Make a hub known with the way it is reached; raise :class:`Malformed` for an unknown technology."""
        self._wan.check_technology(technology)
        self.state.hubs[hub] = WanHub(technology, str(region))

    def send_command(self, hub: Eui64, target: Eui64, message: bytes, now_ms: int) -> None:
        """Carry a GBCS command to ``hub`` for ``target``.

        A hub that cannot be reached is tried again until the window of :attr:`CspSettings.command_window_ms` is over; then
        ``dsp.undeliverable`` is due.
        """
        if self._wan.faults.find("wan.loses_downstream", hub, now_ms) is not None:
            self._wan.journal("wan", hub, "a command is lost on its way down, by fault", {"gbcs": message.hex()})
            return
        self._send(WaitingMessage(0, hub, target, message, now_ms + self._wan.settings.command_window_ms, 0, 0), now_ms)

    def hold_image(self, image: bytes) -> str:
        """Keep an OTA file while any job, hub or device uses it; returns the ``image_key`` for :meth:`distribute`.

        An image that nothing uses any more is dropped, so hold it again before distributing it again later.
        """
        return self._wan.premises.images.hold(image)

    def keep_image(self, image_key: str) -> None:
        """Count as a user of a held image, so that it stays until :meth:`release_image` although no job needs it yet."""
        self._wan.premises.images.use(image_key)

    def release_image(self, image_key: str) -> None:
        """Need an image no longer; the jobs that got it meanwhile keep it."""
        self._wan.premises.images.release(image_key)

    def distribute(self, job_key: str, hub: Eui64, target: Eui64, image_key: str, now_ms: int, sender: int = 0) -> None:
        """Queue an image for one device; ``dsp.delivery`` tells the outcome. A ``job_key`` is used once.

        Whoever waits for the same capacity is served in turn by ``sender``, the user who sent it.
        Reasons of failure are those of :mod:`emulator.premises.hub` and :data:`emulator.fanout.phases.REASONS`.
        """
        self._distribution.submit(job_key, hub, target, image_key, now_ms, sender)

    def cancel(self, job_key: str, now_ms: int) -> bool:
        """Take back a job that is not yet at its hub; False when it is over or unknown. No ``dsp.delivery`` follows."""
        return self._distribution.cancel(job_key, now_ms)

    def handle(self, event: Event) -> None:
        """Run one due event of :attr:`TOPICS`."""
        try:
            handler = _HANDLERS[event.topic]
        except KeyError:
            raise Broken(f"the csp has no event {event.topic}") from None
        handler(self, event)

    def hub_update_ms(self, hub: Eui64) -> int:
        """How long firmware of its own takes to come to a hub; :class:`Malformed` when there is no such hub (ota.md 9, L041)."""
        if hub not in self.state.hubs:
            raise Malformed(f"{format_eui(hub)} is not a hub", where="hub", expected="the EUI of a CHF that is there")
        return self._wan.technology(hub).hub_update_minutes * MINUTE_MS

    def describe_job(self, job_key: str, now_ms: int) -> dict[str, Any] | None:
        """What a distribution is doing and waits for, as JSON values; None when it is over or unknown."""
        return self._distribution.describe_job(job_key, now_ms)

    def seen(self, hub: Eui64, now_ms: int) -> bool:
        """Whether a hub is known and seems to be on the WAN; looking is no occasion for faults."""
        return hub in self.state.hubs and self._wan.seems_reachable(hub, now_ms)

    def describe_hub(self, hub: Eui64, now_ms: int) -> dict[str, Any] | None:
        """How a hub is reached, whether it is, and the messages that wait for it; None when it is unknown."""
        known = self.state.hubs.get(hub)
        if known is None:
            return None
        return {
            "technology": known.technology,
            "region": known.region,
            "reachable": self._wan.seems_reachable(hub, now_ms),
            "waiting_messages": [
                {"target": format_eui(m.target) if m.target else None, "next_try_ms": m.due_ms, "until_ms": m.give_up_ms}
                for m in self.state.messages.values()
                if m.hub == hub
            ],
        }

    def _upstream(self, event: Event) -> None:
        hub, message = event.args
        assert isinstance(hub, int)
        assert isinstance(message, bytes)
        if self._wan.faults.find("wan.loses_upstream", hub, event.at_ms) is not None:
            self._wan.journal("wan", hub, "a message from the home is lost, by fault", {"gbcs": message.hex()})
            return
        give_up_ms = event.at_ms + self._wan.settings.command_window_ms
        self._send(WaitingMessage(0, hub, 0, message, give_up_ms, 0, 0), event.at_ms)

    def _hub_runs(self, event: Event) -> None:
        hub, version, gbcs_version = event.args
        assert isinstance(hub, int)
        at_ms = self._wan.arrives_up_ms(hub, event.at_ms)
        self._wan.agenda.schedule(at_ms, "dsp.hub_firmware", hub, version, gbcs_version)

    def _power(self, event: Event) -> None:
        hub, on = event.args
        assert isinstance(hub, int)
        way = self.state.hubs.get(hub)
        if way is None:
            return
        way.dark_since_ms = 0 if on else event.at_ms
        if not on:
            due_ms = event.at_ms + self._wan.settings.power_alert_ms
            self._wan.agenda.schedule(due_ms, "csp.still_dark", hub, event.at_ms)

    def _still_dark(self, event: Event) -> None:
        hub, since_ms = event.args
        assert isinstance(hub, int)
        way = self.state.hubs.get(hub)
        if way is not None and way.dark_since_ms == since_ms:
            self._wan.agenda.schedule(event.at_ms, "dsp.power_outage", hub, since_ms)

    def _again(self, event: Event) -> None:
        number = event.args[0]
        assert isinstance(number, int)
        waiting = self.state.messages.pop(number, None)
        if waiting is not None:
            self._send(waiting, event.at_ms)

    def _send(self, waiting: WaitingMessage, now_ms: int) -> None:
        """Carry a message down or up, or keep it while its hub cannot be reached."""
        wan, hub, message = self._wan, waiting.hub, waiting.message
        if wan.reachable(hub, now_ms):
            down = bool(waiting.target)
            due_ms = wan.arrives_down_ms(hub, now_ms) if down else wan.arrives_up_ms(hub, now_ms)
            for at_ms in wan.arrivals_ms(hub, "down" if down else "up", due_ms, now_ms):
                if down:
                    wan.agenda.schedule(at_ms, "hub.command", hub, waiting.target, message)
                else:
                    wan.agenda.schedule(at_ms, "dsp.upstream", hub, message)
            return
        waiting.attempts += 1
        waiting.due_ms = now_ms + wan.settings.backoff_after(waiting.attempts)
        if waiting.due_ms <= waiting.give_up_ms:
            waiting.number = wan.number()
            self.state.messages[waiting.number] = waiting
            wan.agenda.schedule(waiting.due_ms, "csp.again", waiting.number)
            wan.journal("wan", hub, f"{format_eui(hub)} cannot be reached; next try in {(waiting.due_ms - now_ms) // 1000} s", {})
        elif waiting.target:
            wan.agenda.schedule(max(now_ms, waiting.give_up_ms), "dsp.undeliverable", hub, waiting.target, message)
        else:
            wan.journal("wan", hub, "a message from the home is given up", {"gbcs": message.hex()})


_HANDLERS: Mapping[str, Callable[[Csp, Event], None]] = {
    "csp.upstream": Csp._upstream,
    "csp.again": Csp._again,
    "csp.delivered": lambda csp, event: csp._distribution.delivered(event),
    "csp.hub_runs": Csp._hub_runs,
    "csp.power": Csp._power,
    "csp.still_dark": Csp._still_dark,
}
"""What happens at each topic."""
