"""Ways into the DSP's state that would otherwise mean looking through all of it.

Everything here follows from the state: it is built when a world is made or restored and is never part of a snapshot. Whoever
changes what an index is made of does it through this module. Answers come in an order that follows from the state, so that a
restored world goes on like one that was never stopped.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.state import DspState, InventoryEntry, Job, Premises, Schedule, Transaction, TransactionState, User
from emulator.estate.model import CplEntry

Index = dict[Any, set[int]]
"""From a key to the EUIs or numbers that have it."""


class Lookup:
    """Indices over one :class:`DspState`."""

    def __init__(self, state: DspState) -> None:
        """Build them all."""
        self._state = state
        self._on_hub: Index = {}
        self._with_mpxn: Index = {}
        self._of_model: Index = {}
        self._at_uprn: Index = {}
        self._at_address: Index = {}
        self._at_post_code: Index = {}
        self._held: Index = {}
        self._dated: Index = {}
        self._schedules: Index = {}
        self._sequenced: dict[str, int] = {}
        self._followers: Index = {}
        self._jobs: dict[int, tuple[int, ...]] = {}
        """Oldest first. Tuples, because fifty thousand new sets would keep the garbage collector busy for half an answer."""
        self._users: dict[str, list[User]] = {}
        self._products: dict[tuple[str, str], list[CplEntry]] = {}
        for entry in state.inventory.values():
            self._each(entry, _put)
        for premises in state.premises.values():
            self._place(premises)
        for user in sorted(state.users.values(), key=lambda user: user.eui):
            self._users.setdefault(user.party, []).append(user)
        for transaction in state.transactions.values():
            if transaction.state in (TransactionState.HELD, TransactionState.WAITING):
                self.add_held(transaction)
            if transaction.state is TransactionState.ACCEPTED_BY_DEVICE:
                self.add_dated(transaction)
            self.add_sequenced(transaction)
        for schedule in state.schedules.values():
            _put(self._schedules, schedule.device, schedule.number)
        for job in state.jobs.values():
            self.add_job(job)
        for product in state.cpl.values():
            self._products.setdefault((product.manufacturer, product.firmware_version), []).append(product)

    # Devices

    def on_hub(self, hub: int | None) -> list[InventoryEntry]:
        """Devices of a hub's home, the hub itself among them, by EUI; none for no hub."""
        return [] if hub is None else self._entries(self._on_hub.get(hub, ()))

    def with_mpxn(self, mpxn: str) -> list[InventoryEntry]:
        """Devices that carry an MPxN as any of their three, by EUI."""
        return self._entries(self._with_mpxn.get(mpxn, ()))

    def of_model(self, device_type: DeviceType, manufacturer: str, model: str) -> list[InventoryEntry]:
        """All devices of a model, by EUI."""
        return self._entries(self._of_model.get((device_type, manufacturer, model), ()))

    def add_device(self, entry: InventoryEntry) -> None:
        """Take a device into the inventory."""
        self._state.inventory[entry.eui] = entry
        self._each(entry, _put)

    def add_premises(self, premises: Premises) -> None:
        """A hub stands somewhere now."""
        self._state.premises[premises.hub] = premises
        self._place(premises)

    def drop_premises(self, hub: Eui64) -> None:
        """A hub stands nowhere any more."""
        premises = self._state.premises.pop(hub, None)
        if premises is not None:
            self._place(premises, _take)

    def _place(self, premises: Premises, change: Callable[[Index, Any, int], None] | None = None) -> None:
        change = change or _put
        if premises.uprn is not None:
            change(self._at_uprn, premises.uprn, premises.hub)
        if premises.post_code:
            change(self._at_address, _address(premises.post_code, premises.address_identifier), premises.hub)
            change(self._at_post_code, _address(premises.post_code, "")[0], premises.hub)

    def drop_device(self, entry: InventoryEntry) -> None:
        """Take a device out of the inventory, and out of the devices that are joined with it."""
        self._each(entry, _take)
        del self._state.inventory[entry.eui]
        self.unjoin_all(entry)

    @contextmanager
    def changing(self, entry: InventoryEntry) -> Iterator[None]:
        """While inside, hub, MPxNs, manufacturer and model of a device may change."""
        self._each(entry, _take)
        try:
            yield
        finally:
            self._each(entry, _put)

    def unjoin_all(self, entry: InventoryEntry) -> None:
        """A device and those joined with it no longer know each other."""
        for eui in entry.joined_to:
            other = self._state.inventory.get(eui)
            if other is not None:
                other.joined_to = tuple(each for each in other.joined_to if each != entry.eui)
        entry.joined_to = ()

    def _each(self, entry: InventoryEntry, act: Callable[[Index, Any, int], None]) -> None:
        act(self._of_model, (entry.device_type, entry.manufacturer, entry.model), entry.eui)
        if entry.hub is not None:
            act(self._on_hub, entry.hub, entry.eui)
        for mpxn in {entry.import_mpxn, entry.secondary_import_mpan, entry.export_mpan} - {""}:
            act(self._with_mpxn, mpxn, entry.eui)

    def _entries(self, euis: Iterable[int]) -> list[InventoryEntry]:
        return [self._state.inventory[Eui64(eui)] for eui in sorted(euis)]

    # Places, parties, products

    def hubs_at_uprn(self, uprn: int) -> list[int]:
        """Hubs of the premises with this number."""
        return sorted(self._at_uprn.get(uprn, ()))

    def hubs_at_address(self, post_code: str, address_identifier: str) -> list[int]:
        """Hubs at an address, without regard to case and to spaces of the post code."""
        return sorted(self._at_address.get(_address(post_code, address_identifier), ()))

    def hubs_at_post_code(self, post_code: str) -> list[int]:
        """Hubs of all premises with a post code."""
        return sorted(self._at_post_code.get(_address(post_code, "")[0], ()))

    def users_of(self, party: str) -> list[User]:
        """User IDs of a company, by EUI."""
        return self._users.get(party, [])

    def products(self, manufacturer: str, firmware_version: str) -> list[CplEntry]:
        """Rows of the Central Products List for a version of a manufacturer, in the order of the list."""
        return self._products.get((manufacturer, firmware_version), [])

    def put_product(self, product: CplEntry) -> None:
        """Add a row to the Central Products List or replace it."""
        key = (product.device_type, product.manufacturer, product.model, product.firmware_version)
        known, rows = self._state.cpl.get(key), self._products.setdefault((product.manufacturer, product.firmware_version), [])
        self._state.cpl[key] = product
        if known is None:
            rows.append(product)
        else:
            rows[rows.index(known)] = product

    # What waits

    def held(self, device: int) -> list[Transaction]:
        """Requests to a device that the DSP holds until their date or for their sequence, oldest first."""
        return [self._state.transactions[key] for key in sorted(self._held.get(device, ()))]

    def add_held(self, transaction: Transaction) -> None:
        """A request is held from now on."""
        _put(self._held, transaction.device, transaction.key)
        if transaction.state is TransactionState.WAITING:
            _put(self._followers, _preceding(transaction), transaction.key)

    def drop_held(self, transaction: Transaction) -> None:
        """A request is held no longer."""
        _take(self._held, transaction.device, transaction.key)
        _take(self._followers, _preceding(transaction), transaction.key)

    def dated(self, device: int) -> list[Transaction]:
        """Requests whose Commands a device will execute at their dates, oldest first."""
        return [self._state.transactions[key] for key in sorted(self._dated.get(device, ()))]

    def add_dated(self, transaction: Transaction) -> None:
        """A device will execute a Command at its date."""
        _put(self._dated, transaction.device, transaction.key)

    def drop_dated(self, transaction: Transaction) -> None:
        """It will not, or has."""
        _take(self._dated, transaction.device, transaction.key)

    def add_sequenced(self, transaction: Transaction) -> None:
        """A request may stand in a sequence."""
        if transaction.sequenced:
            self._sequenced[str(transaction.request.request_id).lower()] = transaction.key

    def drop_sequenced(self, transaction: Transaction) -> None:
        """A request is forgotten."""
        if (
            transaction.sequenced
            and self._sequenced.get(request_id := str(transaction.request.request_id).lower()) == transaction.key
        ):
            del self._sequenced[request_id]

    def in_sequence(self, request_id: str) -> Transaction | None:
        """The request of a sequence with this RequestID."""
        key = self._sequenced.get(request_id.lower())
        return None if key is None else self._state.transactions[key]

    def followers(self, request_id: str) -> list[Transaction]:
        """The requests that wait for the one with this RequestID, oldest first."""
        return [self._state.transactions[key] for key in sorted(self._followers.get(request_id.lower(), ()))]

    def schedules_of(self, device: int) -> list[Schedule]:
        """Schedules of a device, whosoever they are, oldest first."""
        return [self._state.schedules[number] for number in sorted(self._schedules.get(device, ()))]

    def add_schedule(self, schedule: Schedule) -> None:
        """There is a new schedule."""
        self._state.schedules[schedule.number] = schedule
        _put(self._schedules, schedule.device, schedule.number)

    def drop_schedule(self, schedule: Schedule) -> None:
        """A schedule is no more."""
        del self._state.schedules[schedule.number]
        _take(self._schedules, schedule.device, schedule.number)

    def jobs_of(self, device: int) -> list[Job]:
        """Firmware jobs of a device, newest first."""
        return [self._state.jobs[key] for key in reversed(self._jobs.get(device, ()))]

    def add_job(self, job: Job) -> None:
        """A device has a new job."""
        self._jobs[job.device] = (*self._jobs.get(job.device, ()), job.key)

    def drop_job(self, job: Job) -> None:
        """A job is forgotten."""
        left = tuple(key for key in self._jobs[job.device] if key != job.key)
        if left:
            self._jobs[job.device] = left
        else:
            del self._jobs[job.device]

    def differences(self, other: "Lookup") -> list[str]:
        """Names of the indices in which two lookups differ; for tests of their upkeep."""
        return [name for name, value in vars(self).items() if name != "_state" and value != getattr(other, name)]


def _address(post_code: str, address_identifier: str) -> tuple[str, str]:
    return post_code.replace(" ", "").upper(), address_identifier.strip().upper()


def _preceding(transaction: Transaction) -> str:
    return str(transaction.request.preceding_request_id).lower()


def _put(index: Index, key: Any, number: int) -> None:
    index.setdefault(key, set()).add(number)


def _take(index: Index, key: Any, number: int) -> None:
    kept = index.get(key, set())
    kept.discard(number)
    if not kept:
        index.pop(key, None)
