"""The homes of a world: hubs, their devices, and what happens between them.

Downwards calls come as methods, what is due comes as agenda events through :meth:`Premises.handle`. Upwards everything that a
hub or device sends to the WAN goes as the agenda event ``csp.upstream`` with the arguments ``(hub_eui, message octets)``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, format_eui
from emulator.estate.model import DeviceDefinition, Estate
from emulator.premises import activation, device, device_log, faulty, fitting, han, hub, loading, power
from emulator.premises.context import Context, DeviceKeys, Journal
from emulator.premises.describe import describe
from emulator.premises.images import Images
from emulator.premises.settings import HanSettings
from emulator.premises.state import MAX_WAITING, DeviceState, PremisesState
from emulator.simulation.agenda import Agenda, Event
from emulator.simulation.faults import Faults

__all__ = ["DeviceKeys", "HanSettings", "Journal", "Premises", "PremisesState"]


class Premises:
    """All homes of a world, over one :class:`PremisesState`."""

    TOPICS = ("hub.", "han.", "device.")
    """Prefixes of the agenda topics that :meth:`handle` takes."""

    def __init__(
        self,
        estate: Estate,
        keys: DeviceKeys,
        state: PremisesState,
        agenda: Agenda,
        settings: HanSettings,
        faults: Faults,
        journal: Journal,
    ) -> None:
        """Behaviour over ``state``; an empty state is filled from ``estate``, a restored one is taken as it is."""
        self.state = state
        self.images = Images(state)
        self._context = Context(estate.seed, estate.start_ms, keys, state, agenda, settings, faults, journal, self.images)
        if not state.hubs:
            fitting.fill(self._context, estate)

    def receive_command(self, hub_eui: Eui64, target: Eui64, message: bytes, now_ms: int) -> None:
        """A GBCS command for ``target`` (the hub itself or a device of its HAN) arrives at ``hub`` from the WAN.

        A sleeping device gets it at its next wake-up; a device that is off or not on the HAN never does.
        """
        context = self._context
        home, there = self.state.hubs.get(hub_eui), self.state.devices.get(target)
        if home is None or not home.powered or there is None or target not in home.devices:
            context.journal("hub", target, f"a command is lost: {format_eui(hub_eui)} cannot take it", {"gbcs": message.hex()})
        elif not han.is_up(context, there):
            context.note(there, "cannot be reached over the HAN: a command is lost", gbcs=message.hex())
        elif han.sleeps(there):
            self._keep(there, message, now_ms)
        else:
            at_ms = han.hears_at_ms(context, there, now_ms) + context.settings.processing_ms
            context.agenda.schedule(at_ms, "device.command", target, message)

    def begin_image(self, hub_eui: Eui64, target: Eui64, image_key: str, now_ms: int) -> str:
        """Reserve room at a hub for a held image whose transfer over the WAN starts; ``""`` or the reason of refusal.

        Reasons: ``unknown hub``, ``hub off``, ``unknown device``, ``no image for such a device``, ``image malformed``,
        ``hardware versions missing``, ``image too large``, ``newer image held``, ``store full``.
        """
        return hub.begin_image(self._context, hub_eui, target, image_key, now_ms)

    def receive_image(self, hub_eui: Eui64, target: Eui64, image_key: str, image: bytes, now_ms: int) -> str:
        """The image is complete at the hub; ``""`` when the hub has it, else the reason of refusal.

        Reserves first where :meth:`begin_image` was not called; the reasons are the same. An image that the hub has and then
        finds unfit for the device's hardware is not refused here but reported by the hub (8F89).
        """
        if not self.images.held(image_key) and self.images.hold(image) != image_key:
            raise Broken(f"{image_key} is not the key of the image")
        return hub.receive_image(self._context, hub_eui, target, image_key, now_ms)

    def abandon_image(self, hub_eui: Eui64, target: Eui64, image_key: str, now_ms: int) -> None:
        """The transfer over the WAN ended without success; the reservation is free again."""
        hub.abandon_image(self._context, hub_eui, target, image_key, now_ms)

    def reachable(self, hub_eui: Eui64) -> bool:
        """Whether a hub exists and has power."""
        home = self.state.hubs.get(hub_eui)
        return home is not None and home.powered

    def handle(self, event: Event) -> None:
        """Run one due event of :attr:`TOPICS`; events about devices and hubs that are gone do nothing."""
        try:
            handler = _HANDLERS[event.topic]
        except KeyError:
            raise Broken(f"homes have no event {event.topic}") from None
        handler(self, event)

    def add_device(self, definition: DeviceDefinition, now_ms: int) -> None:
        """Fit a device (12.2): powered, and on the HAN once the hub's device log lists it and lets it join (8.11).

        A definition of a CHF with its own EUI as hub begins a new home. :class:`Malformed` when the EUI is taken or the hub
        does not exist.
        """
        fitting.add(self._context, definition)

    def remove_device(self, eui: Eui64, now_ms: int) -> bool:
        """Take a device away, a hub with its whole home; False when there is none."""
        return fitting.remove(self._context, eui, now_ms)

    def power(self, eui: Eui64, on: bool, now_ms: int) -> bool:
        """Switch a device or hub on or off; False when there is none."""
        return power.switch(self._context, eui, on, now_ms)

    def rejoin(self, eui: Eui64, now_ms: int) -> bool:
        """Bring a device that fell off the HAN back onto it, as a visit would; False when its hub does not list it."""
        fallen = self.state.devices.get(eui)
        entry = None if fallen is None else device_log.entry_of(self._context.hub_of(fallen), eui)
        if fallen is None or entry is None or not entry.joined:
            return False
        fallen.on_han = True
        self._context.note(fallen, "is back on the HAN")
        power.listen(self._context, fallen, now_ms)
        return True

    def set_credential(self, eui: Eui64, role: int, party: Eui64, now_ms: int) -> bool:
        """Put another party's certificates into the slots of ``role`` on a device, as after a change of supplier."""
        return fitting.set_credential(self._context, eui, role, party)

    def describe(self, eui: Eui64, now_ms: int) -> dict[str, Any] | None:
        """What a device or hub is and waits for, as JSON values; None when there is none of this EUI."""
        found = self.state.devices.get(eui)
        return None if found is None else describe(self._context, found, now_ms)

    def _keep(self, sleeper: DeviceState, message: bytes, now_ms: int) -> None:
        if len(sleeper.waiting) >= MAX_WAITING:
            self._context.note(sleeper, "has too many messages waiting: a command is lost", gbcs=message.hex())
            return
        sleeper.waiting.append(message)
        han.wake_for_messages(self._context, sleeper, now_ms)

    def _command_arrives(self, event: Event) -> None:
        hub_eui, target, message = event.args
        assert isinstance(hub_eui, int)
        assert isinstance(target, int)
        assert isinstance(message, bytes)
        self.receive_command(Eui64(hub_eui), Eui64(target), message, event.at_ms)

    def _wakes(self, event: Event) -> None:
        sleeper = self._device(event)
        if sleeper is None:
            return
        sleeper.wakes_ms = 0
        if not han.is_up(self._context, sleeper):
            return  # its messages lie at the hub until it is up again
        for position, message in enumerate(sleeper.waiting, start=1):
            at_ms = event.at_ms + position * self._context.settings.processing_ms
            self._context.agenda.schedule(at_ms, "device.command", sleeper.eui, message)
        sleeper.waiting.clear()

    def _command(self, event: Event) -> None:
        there, message = self._device(event), event.args[1]
        assert isinstance(message, bytes)
        if there is None:
            return
        if not han.is_up(self._context, there):
            self._context.note(there, "cannot be reached over the HAN: a command is lost", gbcs=message.hex())
        elif there.activation is not None:
            # The hub repeats what a rebooting device does not acknowledge.
            at_ms = there.activation.due_ms + self._context.settings.han_latency_ms
            self._context.agenda.schedule(at_ms, "device.command", there.eui, message)
        elif len(event.args) == 2 and (late_ms := faulty.delay_ms(self._context, there, event.at_ms)):
            self._context.note(there, f"takes a command {late_ms // 1000} s later, by fault", gbcs=message.hex())
            self._context.agenda.schedule(event.at_ms + late_ms, "device.command", there.eui, message, "late")
        else:
            device.take_command(self._context, there, message, event.at_ms)

    def _join(self, event: Event) -> None:
        hub_eui, eui = event.args
        assert isinstance(hub_eui, int)
        assert isinstance(eui, int)
        home = self.state.hubs.get(hub_eui)
        if home is not None:
            device_log.try_to_join(self._context, home, eui, event.at_ms)

    def _expire(self, event: Event) -> None:
        hub_eui, number = event.args
        assert isinstance(hub_eui, int)
        assert isinstance(number, int)
        hub.expire(self._context, hub_eui, number, event.at_ms)

    def _query(self, event: Event) -> None:
        there = self._device(event)
        if there is not None:
            loading.query(self._context, there, event.at_ms)

    def _device(self, event: Event) -> DeviceState | None:
        eui = event.args[0]
        assert isinstance(eui, int)
        return self.state.devices.get(eui)

    def _step(self, event: Event, run: Callable[[Context, DeviceState, int, int], None]) -> None:
        there, number = self._device(event), event.args[1]
        assert isinstance(number, int)
        if there is not None:
            run(self._context, there, number, event.at_ms)


_HANDLERS: Mapping[str, Callable[[Premises, Event], None]] = {
    "hub.command": Premises._command_arrives,
    "hub.join": Premises._join,
    "hub.expiry": Premises._expire,
    "han.query": Premises._query,
    "han.transferred": lambda premises, event: premises._step(event, loading.transferred),
    "device.wakes": Premises._wakes,
    "device.command": Premises._command,
    "device.verified": lambda premises, event: premises._step(event, loading.verified),
    "device.due": lambda premises, event: premises._step(event, activation.due),
    "device.activated": lambda premises, event: premises._step(event, activation.activated),
}
"""What happens at each topic. Arguments: EUIs of hub or device first, then the message or the number that names the step."""
