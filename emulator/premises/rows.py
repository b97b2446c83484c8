"""Homes in the columns of the fan-out core: which row stands for which device, images as orders, one event on the agenda.

Everything that an image does between the DSP and the version that runs is in :class:`emulator.fanout.network.Network`, and only
there. This module translates: EUIs to rows and back, milliseconds to ticks, files to orders, certificates to verdicts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.estate.model import DeviceDefinition, Home
from emulator.fanout import phases
from emulator.fanout.fields import (
    HUB_OFF_FLAG,
    LANES,
    N_A,
    N_DUE,
    N_KIND,
    N_ROW,
    NODE_DEVICE,
    NODE_WIDTH,
    OFF,
    OFF_HAN,
    REBOOTING,
    SILENT,
)
from emulator.fanout.kernels.agenda import next_wake
from emulator.fanout.network import HUB_PLACE, Network
from emulator.fanout.pools import RunningPool
from emulator.fanout.specs import Outcome
from emulator.fanout.tables import Order
from emulator.premises.images import SIGNED_BY_SUPPLIER, Images
from emulator.premises.neighbours import HubPlaces, SupplierKeys
from emulator.premises.profiles import device_kind, device_profile, hub_profile, hub_variant, seconds
from emulator.premises.settings import HanSettings
from emulator.premises.signers import Signers
from emulator.premises.state import DeviceState, RowsState, SentImage
from emulator.simulation.agenda import Agenda

TICK_MS = 1_000

ENDED = frozenset(
    {
        phases.NOT_DELIVERED, phases.TRANSFER_FAILED, phases.IMAGE_LOST, phases.CANCELLED, phases.VERIFIED, phases.VERIFY_FAILED,
    }
)  # fmt: skip
"""Outcomes after which the file of an image is no longer needed for a device."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One outcome in the columns."""

    at_ms: int
    hub: int
    """EUI of the hub."""
    device: int | None
    """EUI of the device; None when it happened to the hub."""
    image: SentImage | None
    kind: int
    """One of :data:`emulator.fanout.phases.OUTCOMES`."""
    code: int
    leaves_later: bool = False
    """Whether the device leaves the HAN in the same moment, and has not yet."""


_LOADING: Mapping[int, str] = {phases.SERVING: "DOWNLOADING", phases.VERIFYING: "VERIFYING"}


class Rows:
    """The columns of one world, by EUI. Changes take effect at the tick to which :meth:`advance` brought the columns."""

    def __init__(
        self,
        state: RowsState,
        network: Network,
        images: Images,
        agenda: Agenda,
        settings: HanSettings,
        places: HubPlaces,
        keys: SupplierKeys,
        certificates: Mapping[str, bytes],
    ) -> None:
        """Over a state and its columns, new or restored; ``certificates`` are those put into devices, by digest."""
        self.state = state
        self.network = network
        self.images = images
        self._agenda = agenda
        self._settings = settings
        self._places = places
        self.signers = Signers(state, keys, certificates)
        self._euis = {number: eui for eui, number in (*state.devices.items(), *state.hubs.items())}
        self._touched = True
        self.leaving = False
        """Whether what is being told happened before the device left the HAN, in the same moment."""

    def keep(self) -> None:
        """Put the columns into the state, for a snapshot."""
        self.state.columns = self.network.dump()

    def keep_digest(self) -> None:
        """Put what tells the columns from others into the state, to compare it."""
        self.state.columns = bytes.fromhex(self.network.digest())

    # Homes and devices

    def add_hub(self, home: Home) -> None:
        """Give a home its row."""
        variant, places = hub_variant(home.hub_variant), self._places
        profile = hub_profile(variant, self._settings, places.rate_bit_s(home), alt_han=home.alt_han)
        name = places.pool(home)
        if name not in self.state.pools:
            self.state.pools[name] = self.network.add_pool(places.spec(home))
        pool = self.state.pools[name]
        number = self.network.add_hub(pool, profile, places.cell(home))
        self.state.hubs[home.hub], self._euis[number] = number, home.hub

    def add_device(self, definition: DeviceDefinition, *, joined: bool, alt_han: bool) -> None:
        """Give a device its row; with ``alt_han`` it is reached over an alternative HAN."""
        kind = device_kind(definition.profile, definition.device_type)
        profile = device_profile(
            kind,
            self._settings,
            reports=definition.supports_cs09,
            alt_han=alt_han,
            capacity_bytes=definition.image_capacity_bytes,
        )
        hub, version = self.state.hubs[definition.hub], int(definition.firmware_version, 16)
        number = self.network.add_device(hub, profile, self.signers.number(definition.supplier), version)
        self.state.devices[definition.eui], self._euis[number] = number, definition.eui
        if not joined:
            self.network.leave_han(number)
        self._touched = True

    def remove_device(self, eui: int, *, hub_stays: bool) -> None:
        """Take a device away. An image that waits at a hub which stays lies there until it expires."""
        number, orders = self.state.devices[eui], self.state.moving.get(eui, [])
        self._touched = True
        if hub_stays and orders and self.column("phase", number) in (phases.READY, phases.SERVING):
            self.network.set_power(number, False)
            hub = next(each for each, row in self.state.hubs.items() if row >> 8 == number >> 8)
            self.state.gone[number] = (eui, hub)
            del self.state.devices[eui]
            return
        self.network.remove_device(number)
        self._drop(eui, number)

    def remove_hub(self, eui: int) -> None:
        """Take a hub away, with whatever lies in it."""
        number = self.state.hubs.pop(eui)
        for device, (target, hub) in list(self.state.gone.items()):
            if hub == eui:
                self._drop(target, device)
        self.network.remove_hub(number)
        del self._euis[number]
        self._touched = True

    def _drop(self, eui: int, number: int) -> None:
        self.state.devices.pop(eui, None)
        self.state.gone.pop(number, None)
        self._euis.pop(number, None)
        for order in list(self.state.moving.get(eui, ())):
            self._release(eui, order)

    # What devices and hubs are

    def running_version(self, eui: int) -> int:
        """The OTA file version that runs, as one number."""
        return int(self.network.look(self.state.devices[eui])["running"])

    def set_running(self, eui: int, version: int) -> None:
        """Let another version run, by a way that is none of the DCC's."""
        self.network.set_running(self.state.devices[eui], version)

    def held(self, eui: int) -> SentImage | None:
        """The verified image that a device holds, or restarts into; None when it holds none."""
        order = self.column("held", self.state.devices[eui])
        return None if order == phases.NONE else self.state.images[order]

    def firmware(self, eui: int) -> str:
        """``RUNNING``, ``HELD``, ``ACTIVATING`` or ``DEAD`` (ota.md 11.6)."""
        return phases.FIRMWARE[self.column("firmware", self.state.devices[eui])]

    def dead(self, eui: int) -> bool:
        """Whether a device did not come up after an activation."""
        return self.column("firmware", self.state.devices[eui]) == phases.DEAD

    def restarting(self, eui: int) -> bool:
        """Whether a device restarts into new firmware."""
        return self.column("firmware", self.state.devices[eui]) == phases.IN_ACTIVATION

    def up_again_ms(self, eui: int) -> int:
        """When a device that restarts is up again, if it has power."""
        number = self.state.devices[eui]
        if self.column("phase", number) == phases.ACTIVATING:
            return self.ms(self.column("due", number))
        tables, place = self.pool_of(number).memory.tables, self.place(number)
        nodes = range(0, len(tables["nodes"]), NODE_WIDTH)
        wanted = (NODE_DEVICE, place, phases.ACTIVATING)
        dues = (
            int(tables["nodes"][at + N_DUE])
            for at in nodes
            if tuple(tables["nodes"][at + each] for each in (N_KIND, N_ROW, N_A)) == wanted
        )
        return self.ms(next(dues, self.network.now))

    def loading(self, eui: int) -> str:
        """How far an image has come into a device: ``IDLE``, ``DOWNLOADING`` or ``VERIFYING``."""
        return _LOADING.get(self.column("phase", self.state.devices[eui]), "IDLE")

    def powered(self, eui: int) -> bool:
        """Whether a device has power; the logical devices in a hub have its."""
        return not self.column("flags", self.state.devices[eui]) & OFF

    def set_power(self, eui: int, on: bool) -> None:
        """Switch a device."""
        self.network.set_power(self.state.devices[eui], on)
        self._touched = True

    def on_han(self, eui: int) -> bool:
        """Whether a device is joined to its hub; one whose last words are being told is."""
        return self.leaving or not self.column("flags", self.state.devices[eui]) & OFF_HAN

    def join(self, eui: int) -> None:
        """A device joins the HAN, or is back on it."""
        self.network.rejoin(self.state.devices[eui])
        self._touched = True

    def leave(self, eui: int) -> None:
        """A device leaves the HAN."""
        self.network.leave_han(self.state.devices[eui])
        self._touched = True

    def silent(self, eui: int) -> bool:
        """Whether a device's firmware sends nothing any more (ota.md F41)."""
        return bool(self.column("flags", self.state.devices[eui]) & SILENT)

    def hub_powered(self, eui: int) -> bool:
        """Whether a hub has power."""
        return not self.hub_column("hub_flags", eui) & HUB_OFF_FLAG

    def hub_serves(self, eui: int) -> bool:
        """Whether the HAN of a hub is up."""
        return not self.hub_column("hub_flags", eui) & (HUB_OFF_FLAG | REBOOTING)

    def hub_dual_band(self, eui: int) -> bool:
        """Whether a hub has the sub-GHz radio."""
        return self.network.declared.hubs[self.hub_column("hub_profile", eui)].dual_band

    def set_hub_power(self, eui: int, on: bool) -> None:
        """Switch a hub."""
        self.network.set_power(self.state.hubs[eui], on)
        self._touched = True

    def update_hub(self, eui: int, duration_ms: int) -> None:
        """A hub gets firmware of its own, which comes for so long; then it restarts (ota.md 11.5)."""
        self.network.hub_update(self.state.hubs[eui], self.network.now, seconds(duration_ms))
        self._touched = True

    def set_capacity(self, pool: str, channels: int, cell: int = -1) -> None:
        """Images sent at a time in a pool, or of radio in one of its cells or in each; raises as :meth:`_pool`."""
        self.network.set_capacity(self._pool(pool, cell), channels, cell)
        self._touched = True

    def set_outage(self, pool: str, until_ms: int, cell: int = -1) -> None:
        """No image gets through in a pool or one of its cells until an instant; one that is past ends that."""
        self.network.set_outage(self._pool(pool, cell), self.tick(until_ms), cell)
        self._touched = True

    def _pool(self, pool: str, cell: int) -> int:
        """The number of a pool; raise :class:`Malformed` when there is none of this name, or no such cell (-1 is all)."""
        number = self.state.pools.get(pool)
        if number is None:
            raise Malformed(f"there is no pool {pool!r}", where="pool", expected=f"one of {', '.join(self.state.pools)}")
        cells = self.network.specs[number].profile.cells
        if not -1 <= cell < cells:
            raise Malformed(f"there is no cell {cell}", where="cell", expected=f"0 to {cells - 1}, or none for all")
        return number

    def set_supplier(self, device: DeviceState) -> None:
        """A device trusts another supplier: what it checks from now on it checks for that one."""
        self.network.set_party(self.state.devices[device.eui], self.signers.of(device))
        for order in self.state.moving.get(device.eui, ()):
            self._judge(self.state.images[order], device)

    def next_wake_ms(self, eui: int, now_ms: int) -> int:
        """The first wake-up of a sleeping device after now."""
        number = self.state.devices[eui]
        return self.ms(next_wake(self.pool_of(number).view(), self.place(number), self.tick(now_ms) + 1))

    # Images

    def submit(self, device: DeviceState, image_key: str, now_ms: int, sender: int = 0) -> tuple[int, str]:
        """Put an image on its way to a device: the order, and why it is not taken (empty: it is)."""
        image = self._sent(device, image_key, now_ms, sender)
        reason = self.network.submit(self.state.devices[device.eui], image.number)
        self._look_at(now_ms)
        if not reason:
            self.state.moving.setdefault(device.eui, []).append(image.number)
            image.uses += 1
            self.images.use(image_key)
            self._judge(image, device)
        return image.number, reason

    def cancel(self, eui: int, order: int) -> None:
        """Take an image back that is on its way."""
        number = self.state.devices.get(eui)
        if number is not None:
            self.network.cancel(number, order)
            self._release(eui, order)
        self._touched = True

    def activate(self, eui: int) -> int:
        """Restart a device into the image that it holds: the code of CS06 with which it refuses, or 0."""
        self._touched = True
        return self.network.activate(self.state.devices[eui])

    # Time

    def tick(self, now_ms: int) -> int:
        """The tick that an instant lies in."""
        return max(0, (now_ms - self.state.origin_ms) // TICK_MS)

    def ms(self, tick: int) -> int:
        """The instant at which a tick begins."""
        return self.state.origin_ms + tick * TICK_MS

    def advance(self, now_ms: int, after_each: Callable[[RunningPool], None] | None = None) -> list[Happened]:
        """Bring the columns up to an instant: what happened to those somebody listens to, in order; ``after_each`` hears of every
        pool that has come there, before the next one goes on."""
        tick = self.tick(now_ms)
        if tick <= self.network.now and not self._touched:
            return []
        self._touched = True
        self.network.advance(tick, after_each=after_each)
        found: list[Happened] = []
        leaves: set[int] = set()
        for outcome in reversed(self.network.take_outcomes()):
            if outcome.kind == phases.FELL_OFF:
                leaves.add(outcome.device)
            happened = self._happened(outcome, outcome.device in leaves and outcome.kind != phases.FELL_OFF)
            if happened is not None:
                found.append(happened)
        found.reverse()
        for each in found:
            self._ended(each)
        return found

    def rearm(self, at_most_ms: int | None = None) -> None:
        """See to it that the agenda has an event for when the columns go on, or earlier for something else about them."""
        if not self._touched:
            return
        self._touched = False
        state, due = self.state, self.network.next_due()
        due_ms = at_most_ms if due is None else self.ms(due)
        if due_ms is not None and at_most_ms is not None:
            due_ms = min(due_ms, at_most_ms)
        if state.due >= 0 and due_ms == state.due_ms:
            return
        if state.due >= 0:
            self._agenda.cancel(state.due)
        state.due, state.due_ms = -1, 0
        if due_ms is not None:
            state.due, state.due_ms = self._agenda.schedule(due_ms, "columns.due"), due_ms

    def is_behind(self, now_ms: int) -> bool:
        """Whether the columns have not yet come to an instant."""
        return self.tick(now_ms) > self.network.now

    def _look_at(self, now_ms: int) -> None:
        """Have the agenda look at the columns at an instant, however much changes there until then."""
        self._touched, state = True, self.state
        if state.due < 0 or state.due_ms > now_ms:
            if state.due >= 0:
                self._agenda.cancel(state.due)
            state.due, state.due_ms = self._agenda.schedule(now_ms, "columns.due"), now_ms

    def due_came(self) -> None:
        """The agenda's event for the columns has come."""
        self.state.due, self.state.due_ms = -1, 0
        self._touched = True

    def _happened(self, outcome: Outcome, leaves_later: bool) -> Happened | None:
        at_ms, image = self.ms(outcome.tick), self.state.images.get(outcome.order)
        if outcome.device & HUB_PLACE == HUB_PLACE:
            hub = self._euis.get(outcome.device)
            return None if hub is None else Happened(at_ms, hub, None, image, outcome.kind, outcome.code)
        there = self._euis.get(outcome.device), self._euis.get(outcome.device | HUB_PLACE)
        eui, hub = self.state.gone.get(outcome.device, there)
        if eui is None or hub is None:
            return None
        return Happened(at_ms, hub, eui, image, outcome.kind, outcome.code, leaves_later)

    def _ended(self, each: Happened) -> None:
        """The file of an image may no longer be needed for a device, and the row of one that was taken away neither."""
        if each.kind not in ENDED or each.image is None or each.device is None:
            return
        self._release(each.device, each.image.number)
        gone = next((number for number, (eui, _) in self.state.gone.items() if eui == each.device), None)
        if gone is not None and each.device not in self.state.moving:
            self.network.remove_device(gone)
            self._drop(each.device, gone)

    # Orders

    def _sent(self, device: DeviceState, image_key: str, now_ms: int, sender: int) -> SentImage:
        parsed = self.images.parsed(image_key, device.device_type)
        image, definition = parsed.image, device.definition
        fits = image.fits_hardware(definition.hardware_version)
        own = definition.manufacturer.upper() == f"{image.manufacturer_code:04X}"
        key = (image_key, self.tick(now_ms), device.device_type.value, fits, own, sender)
        known = self.state.newest.get(key)
        if known is not None:
            return self.state.images[known]
        self._forget_old()
        order = Order(
            size_bytes=image.size_bytes,
            version=image.file_version,
            manufacturer=-1 if own else 1,
            min_hardware=-1 if fits else 1,
            max_hardware=-1 if fits else 0,
            force_replace=bool(image.force_replace),
            lane=self.signers.number(sender or None) % LANES,
            signed=device.device_type in SIGNED_BY_SUPPLIER and self._settings.check_supplier_signature,
            part_bytes=self._settings.part_of(image.size_bytes),
        )
        number = self.network.add_order(order, signed_for=())
        found = SentImage(
            number, image_key, parsed.manufacturer_image_hash, image.file_version, image.size_bytes,
            device.device_type in SIGNED_BY_SUPPLIER,
        )  # fmt: skip
        self.state.images[number] = found
        self.state.newest = {each: order for each, order in self.state.newest.items() if each[1] == key[1]} | {key: number}
        return found

    def _forget_old(self) -> None:
        """Give numbers of orders back that nobody has anything of, when there are many."""
        images = self.state.images
        if len(images) % FORGET_EVERY:
            return
        for number in [number for number, image in images.items() if not image.uses]:
            if self.network.remove_order(number):
                del images[number]
        self.state.newest.clear()

    def _judge(self, image: SentImage, device: DeviceState) -> None:
        """Let the columns know whether the signature is good for a device: the real check, once per order and party."""
        number = self.signers.of(device)
        if not image.signed or not number or number in image.judged_for:
            return
        image.judged_for.append(number)
        certificate = self.signers.certificate(number)
        parsed = self.images.parsed(image.image_key, device.device_type).image
        good = certificate is not None and parsed.verify_supplier_signature(certificate.public_key)
        self.network.set_verdict(image.number, number, good)

    def _release(self, eui: int, order: int) -> None:
        orders = self.state.moving.get(eui, [])
        if order not in orders:
            return
        orders.remove(order)
        if not orders:
            del self.state.moving[eui]
        image = self.state.images[order]
        image.uses -= 1
        self.images.release(image.image_key)

    # Columns

    def pool_of(self, number: int) -> RunningPool:
        """The pool of a device or hub by its id."""
        return self.network.pools[number >> 40]

    def place(self, number: int) -> int:
        """Where a device stands in the columns of its pool, by its id."""
        return (number >> 8 & _ROW) << self.pool_of(number).shift | number & HUB_PLACE

    def column(self, name: str, number: int) -> int:
        """What a column says of a device, by its id."""
        return int(self.pool_of(number).memory.columns[name][self.place(number)])

    def hub_column(self, name: str, eui: int) -> int:
        """What a column says of a hub."""
        number = self.state.hubs[eui]
        return int(self.pool_of(number).memory.columns[name][number >> 8 & _ROW])

    def _hub_of(self, device: int) -> int:
        return self._euis.get(device | HUB_PLACE, 0)


_ROW = 0xFFFFFFFF
FORGET_EVERY = 1_000
"""Orders after which those that are over are looked for; ours."""
