"""The homes of a world: hubs, their devices, and what happens between them.

Downwards calls come as methods, what is due comes as agenda events through :meth:`Premises.handle`. Upwards everything that a
hub or device sends to the WAN goes as the agenda event ``csp.upstream`` with the arguments ``(hub_eui, message octets)``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.estate.model import DeviceDefinition, Estate, Home
from emulator.premises import (
    activation,
    billing,
    credit,
    device,
    device_log,
    faulty,
    fitting,
    han,
    happenings,
    hub,
    joins,
    outcomes,
    own_keys,
    power,
    sending,
    type_two,
)
from emulator.premises.chances import PlannedChances
from emulator.premises.context import Context, DeviceKeys, Journal
from emulator.premises.describe import describe
from emulator.premises.rows import Rows
from emulator.premises.settings import HanSettings
from emulator.premises.state import MAX_WAITING, DeviceState, PremisesState
from emulator.simulation.agenda import Agenda, Event
from emulator.simulation.faults import FaultPlan

__all__ = ["DeviceKeys", "HanSettings", "Journal", "Premises", "PremisesState"]


class Premises:
    """All homes of a world, over one :class:`PremisesState`."""

    TOPICS = ("hub.", "device.", "columns.")
    """Prefixes of the agenda topics that :meth:`handle` takes."""

    def __init__(
        self,
        estate: Estate,
        keys: DeviceKeys,
        state: PremisesState,
        agenda: Agenda,
        settings: HanSettings,
        faults: FaultPlan,
        journal: Journal,
        rows: Rows,
    ) -> None:
        """Behaviour over ``state``; an empty state is filled from ``estate``, a restored one is taken as it is."""
        self.state = state
        self.rows = rows
        self.chances = PlannedChances(state, rows, faults)
        self.images = rows.images
        self._context = Context(estate.seed, estate.start_ms, keys, state, agenda, settings, faults, journal, self.images, rows)
        if not state.hubs:
            fitting.fill(self._context, estate)

    def receive_command(self, hub_eui: Eui64, target: Eui64, message: bytes, now_ms: int) -> None:
        """A GBCS command for ``target`` (the hub itself or a device of its HAN) arrives at ``hub`` from the WAN.

        A sleeping device gets it at its next wake-up; a device that is off or not on the HAN never does.
        """
        context = self._context
        home, there = self.state.hubs.get(hub_eui), self.state.devices.get(target)
        if home is None or not self.rows.hub_powered(hub_eui) or there is None or target not in home.devices:
            context.journal("hub", target, f"a command is lost: {format_eui(hub_eui)} cannot take it", {"gbcs": message.hex()})
        elif not han.is_up(context, there):
            context.note(there, "cannot be reached over the HAN: a command is lost", gbcs=message.hex())
        elif han.sleeps(there):
            self._keep(there, message, now_ms)
        else:
            at_ms = han.hears_at_ms(context, there, now_ms) + context.settings.processing_ms
            context.agenda.schedule(at_ms, "device.command", target, message)

    def deliver(self, target: Eui64, message: bytes, now_ms: int) -> bytes | None:
        """Hand a device a GBCS command on the spot, as an installer's terminal does; what it answers there and then, if it does.

        What it answers later, such as the outcome of an activation, and its alerts go over the WAN. :class:`Malformed` when there
        is no such device or it cannot listen.
        """
        there, context = self.state.devices.get(target), self._context
        if there is None:
            raise Malformed(f"there is no device {format_eui(target)}", where="device", expected="one that stands in a home")
        in_hub = there.device_type in han.IN_HUB
        powered = self.rows.hub_powered(there.hub) if in_hub else self.rows.powered(target) and not self.rows.dead(target)
        if not powered or self.rows.restarting(target):
            raise Malformed(f"{format_eui(target)} has no power or restarts", where="device", expected="one that listens")
        self.settle(now_ms)
        answers: list[bytes] = []
        context.by_hand = answers
        try:
            device.take_command(context, there, message, now_ms)
        finally:
            context.by_hand = None
        self.settle(now_ms)
        return answers[0] if answers else None

    def issue_token(self, meter: Eui64, pence: int) -> str:
        """The UTRN that the supplier of a meter would sell; :class:`Malformed` where there is none to be had."""
        return credit.issue(self._context, self._meter(meter), pence)

    def customer(self, meter: Eui64, utrn: str | None, now_ms: int) -> bool:
        """What a customer does at a meter or its display: type a UTRN in, or (None) take the emergency credit. Whether the meter
        takes it or has it to give. :class:`Malformed` when there is no such meter or it has no power."""
        there = self._meter(meter)
        self.settle(now_ms)
        if utrn is None:
            taken = credit.take_emergency_credit(self._context, there, now_ms)
        else:
            taken = credit.top_up(self._context, there, utrn, None, now_ms) is not None
        billing.remember(there, now_ms)
        return self._settled(taken, now_ms)

    def happens(self, eui: Eui64, code: int, now_ms: int) -> None:
        """Let something happen at a device that it reports by an alert code; :class:`Malformed` when it has no such event, has no
        power, or there is no such device."""
        there = self._working(eui)
        self.settle(now_ms)
        happenings.happen(self._context, there, code, now_ms)
        billing.remember(there, now_ms)
        self.settle(now_ms)

    def boost(self, meter: Eui64, minutes: int, now_ms: int) -> None:
        """The customer presses the boost button of an electricity meter; :class:`Malformed` for any other device."""
        there = self._meter(meter)
        if there.device_type is not DeviceType.ESME:
            raise Malformed(f"{format_eui(meter)} has no boost button", where="device", expected="an ESME")
        happenings.press_boost(self._context, there, minutes, now_ms)

    def _working(self, eui: Eui64) -> DeviceState:
        there = self.state.devices.get(eui)
        if there is None:
            raise Malformed(f"{format_eui(eui)} does not stand in a home", where="device", expected="a device")
        if not self.rows.powered(eui) or self.rows.dead(eui):
            raise Malformed(f"{format_eui(eui)} has no power", where="device", expected="one that works")
        return there

    def _meter(self, eui: Eui64) -> DeviceState:
        there = self.state.devices.get(eui)
        if there is None or there.device_type not in (DeviceType.ESME, DeviceType.GSME):
            raise Malformed(f"{format_eui(eui)} is no meter that stands in a home", where="device", expected="an ESME or GSME")
        return self._working(eui)

    def send_image(self, hub_eui: Eui64, target: Eui64, image_key: str, now_ms: int, sender: int = 0) -> tuple[int, str]:
        """Put a held image on its way to a hub for a device: the order that outcomes name, or -1 and why it is not taken.

        ``csp.delivered`` with target, order and reason (empty: it is at the hub) tells what comes of it. Who waits for the same
        capacity is served in turn by ``sender``.
        """
        refused = hub.refusal(self._context, hub_eui, target, image_key)
        if refused:
            return -1, refused
        if self.rows.is_behind(now_ms):
            self.settle(now_ms)
        else:
            self.chances.refresh(now_ms)
        submitted = self.rows.submit(self.state.devices[target], image_key, now_ms, sender)
        self.chances.collect((), now_ms, (hub_eui, target))
        return submitted

    def recall_image(self, target: Eui64, order: int, now_ms: int) -> None:
        """Take back an image that is not yet at its hub."""
        self.settle(now_ms)
        self.rows.cancel(target, order)
        self.settle(now_ms)

    def reachable(self, hub_eui: Eui64) -> bool:
        """Whether a hub exists and has power."""
        return hub_eui in self.state.hubs and self.rows.hub_powered(hub_eui)

    def settle(self, now_ms: int) -> None:
        """Bring the columns up to now, and tell what happened there; does nothing where they are."""
        self.chances.refresh(now_ms)
        happened = self.rows.advance(now_ms, self.chances.after_each)
        self.chances.collect(happened, now_ms)
        for each in happened:
            there = None if each.device is None else self.state.devices.get(each.device)
            if each.device is None:
                outcomes.hub_told(self._context, each.hub, each.kind, each.code, now_ms)
            elif there is not None:
                self.rows.leaving = each.leaves_later
                outcomes.told(self._context, there, each.image, each.kind, each.code, now_ms)
            elif each.image is not None:
                outcomes.told_of_gone(self._context, each.hub, each.device, each.image, each.kind, each.code, now_ms)
        self.rows.leaving = False
        self.chances.refresh(now_ms)
        self.rows.rearm(self.chances.changes_ms(now_ms))

    def handle(self, event: Event) -> None:
        """Run one due event of :attr:`TOPICS`; events about devices and hubs that are gone do nothing."""
        try:
            handler = _HANDLERS[event.topic]
        except KeyError:
            raise Broken(f"homes have no event {event.topic}") from None
        self.settle(event.at_ms)
        handler(self, event)
        self.rows.rearm()

    def add_device(self, definition: DeviceDefinition, now_ms: int) -> None:
        """Fit a device (12.2): powered, and on the HAN once the hub's device log lists it and lets it join (8.11).

        :class:`Malformed` when the EUI is taken or the hub does not exist.
        """
        self.settle(now_ms)
        fitting.add(self._context, definition)

    def add_home(self, home: Home, now_ms: int) -> None:
        """Begin a further home with its hub and devices.

        :class:`Malformed` when one of them is there already, or no pool for its hub.
        """
        self.settle(now_ms)
        fitting.begin_home(self._context, home)

    def remove_device(self, eui: Eui64, now_ms: int) -> bool:
        """Take a device away, a hub with its whole home; False when there is none."""
        self.settle(now_ms)
        return self._settled(fitting.remove(self._context, eui, now_ms), now_ms)

    def power(self, eui: Eui64, on: bool, now_ms: int) -> bool:
        """Switch a device or hub on or off; False when there is none."""
        self.settle(now_ms)
        return self._settled(power.switch(self._context, eui, on, now_ms), now_ms)

    def rejoin(self, eui: Eui64, now_ms: int) -> bool:
        """Bring a device that fell off the HAN back onto it, as a visit would; False when its hub does not list it."""
        fallen = self.state.devices.get(eui)
        entry = None if fallen is None else device_log.entry_of(self._context.hub_of(fallen), eui)
        if fallen is None or entry is None or not entry.joined:
            return False
        self.settle(now_ms)
        self.rows.join(eui)
        self._context.note(fallen, "is back on the HAN")
        power.listen(self._context, fallen, now_ms)
        return self._settled(True, now_ms)

    def set_credential(self, eui: Eui64, role: int, party: Eui64, now_ms: int) -> bool:
        """Put another party's certificates into the slots of ``role`` on a device, as after a change of supplier."""
        self.settle(now_ms)
        return fitting.set_credential(self._context, eui, role, party)

    def renew_own_keys(self, eui: Eui64, number: int, issue: Callable[[bytes], bytes]) -> list[tuple[str, bytes]]:
        """Let a device make its ``number``-th key pairs and take the certificates that ``issue`` gives for its signing requests:
        usage and DER of each. None for no device."""
        there = self.state.devices.get(eui)
        return [] if there is None else own_keys.renew(self._context, there, number, issue)

    def tampered(self, eui: Eui64, code: int, now_ms: int) -> None:
        """Somebody opens a device: it keeps the event in its log and tells its supplier, if it stands in a home."""
        there = self.state.devices.get(eui)
        if there is not None:
            self.settle(now_ms)
            self._context.log_event(there, code, now_ms)
            sending.send_alert(self._context, there, code, now_ms)

    def side_channel(self, eui: Eui64, version: int, now_ms: int) -> bool:
        """Change what a device runs without the DCC, as its maker can over the internet (ota.md 15); False when there is none."""
        there = self.state.devices.get(eui)
        if there is None:
            return False
        self.settle(now_ms)
        self.rows.set_running(eui, version)
        activation.version_changed(self._context, there, now_ms)
        return True

    def makers_way_closed(self, eui: Eui64) -> bool:
        """Whether the firmware that a device runs takes none from its maker any more (setting ``local_upgrade_ends_at``)."""
        end = self._context.settings.local_upgrade_ends_at
        return bool(end) and self.rows.running_version(eui) >= int(end, 16)

    def set_capacity(self, pool: str, channels: int, cell: int, now_ms: int) -> None:
        """Change how many images a pool sends at a time; ``cell`` -1 is all of it."""
        self.settle(now_ms)
        self.rows.set_capacity(pool, channels, cell)
        self.settle(now_ms)

    def set_outage(self, pool: str, until_ms: int, cell: int, now_ms: int) -> None:
        """Let no image through in a pool or one of its cells until an instant."""
        self.settle(now_ms)
        self.rows.set_outage(pool, until_ms, cell)
        self.settle(now_ms)

    def update_hub(self, hub_eui: Eui64, version: int, gbcs_version: str, duration_ms: int, now_ms: int) -> bool:
        """The CSP sends a hub its own firmware, which takes so long to come (ota.md 9); False when there is no such hub."""
        home = self.state.hubs.get(hub_eui)
        if home is None:
            return False
        self.settle(now_ms)
        home.coming_version, home.coming_gbcs_version = version, gbcs_version
        self.rows.update_hub(hub_eui, duration_ms)
        return self._settled(True, now_ms)

    def device_log(self, hub: Eui64) -> tuple[bytes, list[tuple[int, bytes]]] | None:
        """HAN id of a hub, and the devices of its log with the hashes of their link keys; None when there is no such hub."""
        home = self.state.hubs.get(hub)
        return None if home is None else device_log.on_record(self._context, home)

    def joined_with(self, eui: Eui64) -> list[tuple[int, int]]:
        """The devices that a device knows, with the codes of their types (GBCS); none for no device."""
        there = self.state.devices.get(eui)
        return [] if there is None else [(other, joins.type_code(kind)) for other, kind in there.joined_to.items()]

    def describe(self, eui: Eui64, now_ms: int) -> dict[str, Any] | None:
        """What a device or hub is and waits for, as JSON values; None when there is none of this EUI."""
        found = self.state.devices.get(eui)
        return None if found is None else describe(self._context, found, now_ms)

    def _settled(self, result: bool, now_ms: int) -> bool:
        """What a change brought at once is told, and the columns are looked at again in time."""
        self.settle(now_ms)
        return result

    def _go_on(self, event: Event) -> None:
        self.rows.due_came()
        self.settle(event.at_ms)

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

    def _asks(self, event: Event) -> None:
        there = self._device(event)
        if there is not None:
            type_two.ask(self._context, there, event.at_ms)

    def _command(self, event: Event) -> None:
        there, message = self._device(event), event.args[1]
        assert isinstance(message, bytes)
        if there is None:
            return
        if not han.is_up(self._context, there):
            self._context.note(there, "cannot be reached over the HAN: a command is lost", gbcs=message.hex())
        elif self.rows.restarting(there.eui):
            # The hub repeats what a rebooting device does not acknowledge.
            at_ms = max(event.at_ms, self.rows.up_again_ms(there.eui)) + self._context.settings.han_latency_ms
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
    "device.wakes": Premises._wakes,
    "device.command": Premises._command,
    "device.due": lambda premises, event: premises._step(event, activation.due),
    "device.change": lambda premises, event: premises._step(event, device.change_due),
    "device.timer": lambda premises, event: premises._step(event, device.timer_due),
    "device.asks": Premises._asks,
    "columns.due": Premises._go_on,
}
"""What happens at each topic. Arguments: EUIs of hub or device first, then the message or the number that names the step."""
