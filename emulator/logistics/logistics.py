"""Logistics of one world: the books, and their ties to the inventory, the homes and the agenda.

The DSP knows nothing of it. A unit's entry in the inventory is made when somebody first asks for it, and follows the books until
the unit stands in an emulated home. What suppliers report over DUIS comes as the event ``stock.reported``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import CplStatus, CspRegion, DeviceStatus, DeviceType
from emulator.dsp import smki
from emulator.dsp.context import Context
from emulator.dsp.inventory import recorded
from emulator.dsp.registration import METERS
from emulator.dsp.state import HubReport, InventoryEntry
from emulator.dsp.state import Premises as Place
from emulator.duis.messages import Element, Request
from emulator.logistics import fitting, installing, reflash, returning
from emulator.logistics.books import Books, unpacked
from emulator.logistics.columns import Rows
from emulator.logistics.settings import LogisticsSettings
from emulator.logistics.state import CSP, LogisticsState, Lot, Order
from emulator.logistics.tables import Variant, variants
from emulator.simulation.agenda import Event

OPENED = 0x8F3F
"""Alert of a device that is tampered with (T-07, medium)."""
FIRST_REUSE_KEY = 100
"""Number of the first key pair that a reused device makes; those before are left to 6.17."""
_STATUS: Mapping[str, DeviceStatus] = {
    "installed": DeviceStatus.COMMISSIONED,
    "test_hub": DeviceStatus.COMMISSIONED,
    **dict.fromkeys(("to_return", "returned", "in_triage", "lost", "scrapped"), DeviceStatus.WITHDRAWN),
}
"""What the inventory has of a hub that does not stand; all others are Pending."""


class Logistics:
    """The logistics of a world over one :class:`LogisticsState`."""

    TOPICS = ("stock.",)
    """Prefix of the agenda topics that :meth:`handle` takes."""

    def __init__(self, state: LogisticsState, context: Context, settings: LogisticsSettings, seed: int) -> None:
        """Over a state, new or restored."""
        self.state = state
        self.settings = settings
        self.books = Books(state, settings, seed)
        self._context = context

    @property
    def now_ms(self) -> int:
        """Now."""
        return self._context.now_ms

    def handle(self, event: Event) -> None:
        """Run one due event."""
        try:
            handler = _HANDLERS[event.topic]
        except KeyError:
            raise Broken(f"logistics have no event {event.topic}") from None
        number = event.args[0]
        assert isinstance(number, int)
        handler(self, number)

    def keep(self) -> None:
        """Put the columns into the state, for a snapshot."""
        self.books.keep()

    def keep_digest(self) -> None:
        """Put what tells the columns from others into the state, to compare it."""
        self.books.keep_digest()

    # The inventory

    def make_known(self, request: Request) -> None:
        """Give the units that a request names their entries in the inventory."""
        if self.state.lots:
            for eui in (request.request_id.target, *_euis(request.body)):
                self.entry(eui)

    def entry(self, eui: int) -> InventoryEntry | None:
        """The inventory's entry of a unit or of a hub's GPF, made if need be; None for what the inventory does not have."""
        known = self._context.state.inventory.get(Eui64(eui))
        row = self.books.row_of(eui, gpf=True)
        if known is not None and row is not None and self.books.eui(row) not in self.state.standing:
            known.held_by = self._holder(row)
        if known is not None or row is None or not self.books.lot_of(row).notified:
            return known
        unit = self._described(row)
        self._context.lookup.add_device(unit)
        if unit.device_type is DeviceType.CHF:
            assert unit.associated_gpf is not None
            gpf = replace(unit, eui=unit.associated_gpf, device_type=DeviceType.GPF, hub=unit.eui, associated_gpf=None)
            self._context.lookup.add_device(gpf)
        return self._context.state.inventory.get(Eui64(eui))

    def peek(self, eui: int) -> InventoryEntry | None:
        """The inventory's entry of any device, or what a unit's would be; changes nothing."""
        known, row = self._context.state.inventory.get(Eui64(eui)), self.books.row_of(eui)
        if known is not None or row is None or not self.books.lot_of(row).notified:
            return known
        return self._described(row)

    def _described(self, row: int) -> InventoryEntry:
        books, variant, lot = self.books, self.books.variant_of(row), self.books.lot_of(row)
        eui, version = books.eui(row), f"{books.version_of(row):08X}"
        product = (variant.device_type, lot.manufacturer, lot.model, version)
        listed = self._context.state.cpl.get(product)
        return InventoryEntry(
            eui=eui,
            device_type=variant.device_type,
            hub=eui if variant.is_hub else None,
            manufacturer=lot.manufacturer,
            model=lot.model,
            smets_version=lot.smets_version,
            firmware_version=version,
            gbcs_version="" if listed is None else listed.gbcs_version,
            status=self._status(row, variant),
            associated_gpf=books.gpf(row) if variant.is_hub else None,
            held_by=self._holder(row),
        )

    def _holder(self, row: int) -> str:
        """Who alone may report on a unit: its owner while it has it, the CSP while it is elsewhere; nobody for one in a home."""
        state = self.books.state_of(row)
        return "" if state == "installed" else self.books.owner(row) if state in ("supplier_store", "installer") else CSP

    def _status(self, row: int, variant: Variant) -> DeviceStatus:
        state = self.books.state_of(row)
        if variant.is_hub:
            return _STATUS.get(state, DeviceStatus.PENDING)
        gone = _STATUS.get(state) is DeviceStatus.WITHDRAWN
        return DeviceStatus.DECOMMISSIONED if gone else DeviceStatus.PENDING

    def follow(self, rows: Iterable[int]) -> None:
        """Let the entries of units that do not stand say what the books say."""
        for row in map(int, rows):
            eui = self.books.eui(row)
            known = self._context.state.inventory.get(eui)
            if known is None or eui in self.state.standing:
                continue
            said = self._described(row)
            others = [known]
            if said.associated_gpf is not None and (gpf := self._context.state.inventory.get(said.associated_gpf)):
                others.append(gpf)
            for entry in others:
                with recorded(self._context, entry.eui):
                    entry.status, entry.held_by = said.status, said.held_by
                    if entry.status is DeviceStatus.PENDING or entry.device_type in METERS:
                        entry.firmware_version, entry.gbcs_version = said.firmware_version, said.gbcs_version

    def released(self, manufacturer: str, model: str) -> list[int]:
        """Firmware versions of a model of hub that the Central Products List has as active, in their order."""
        wanted = (DeviceType.CHF, manufacturer, model, CplStatus.ACTIVE)
        listed = self._context.state.cpl.values()
        return sorted(
            int(each.firmware_version, 16)
            for each in listed
            if (each.device_type, each.manufacturer, each.model, each.status) == wanted
        )

    def released_for(self, company: str) -> list[int]:
        """The same for the hubs that a company has, whatever their model."""
        rows = self.books.held(company, ("installer", "supplier_store", "csp_warehouse"))
        lots = [self.books.lot_of(int(row)) for row in rows[np.unique(self.books.lot_numbers(rows), return_index=True)[1]]]
        models = {(lot.manufacturer, lot.model) for lot in lots}
        return sorted({version for manufacturer, model in models for version in self.released(manufacturer, model)})

    # Moving goods

    def send(self, event: str, rows: Rows, *, owner: str = "", days: int | None = None, after_ms: int = 0) -> int:
        """Let goods be under way; when they arrive."""
        due_ms = self.now_ms + after_ms + (self.settings.transit_days if days is None else days) * DAY_MS
        shipment = self.books.ship(event, rows, due_ms, owner)
        self._context.agenda.schedule(due_ms, "stock.arrives", shipment.number)
        return due_ms

    def _arrives(self, number: int) -> None:
        rows = self.books.arrive(number, self.now_ms)
        self.follow(rows)
        self.journal(f"shipment {number} arrives: {len(rows)} units")

    def note_order(self, order: Order) -> None:
        """An order was placed: if it was accepted, its goods go."""
        self.journal(f"order {order.number} by {order.by}: {order.state} {order.reason}".rstrip())
        if order.state == "under way":
            self._context.agenda.schedule(self.now_ms + self.settings.transit_days * DAY_MS, "stock.facility", order.number)
        elif order.state == "at the facility":
            after_ms = reflash.work_ms(self.books, len(reflash.waiting(self.books, order)))
            self._context.agenda.schedule(self.now_ms + after_ms, "stock.done", order.number)

    def _at_facility(self, number: int) -> None:
        work_ms = reflash.arrive(self.books, self.state.orders[number - 1], self.now_ms)
        self._context.agenda.schedule(self.now_ms + work_ms, "stock.done", number)

    def _done(self, number: int) -> None:
        order = self.state.orders[number - 1]
        back = reflash.done(self.books, order, self.now_ms)
        self.follow(unpacked(order.rows))
        due_ms = self.send("arrive" if order.first_delivery else "redeliver", back, owner=order.deliver_to)
        self._context.agenda.schedule(due_ms, "stock.closed", number)
        self.journal(f"order {number} is done: {reflash.tally(order)}")

    def _closed(self, number: int) -> None:
        order = self.state.orders[number - 1]
        order.state, order.changed_ms = "closed", self.now_ms

    # Homes

    def check_fit(self, eui: int, event: str) -> int | None:
        """The place of a unit that may be put into a home, or on the bench; None for no unit. Raise :class:`Malformed` where it
        may not."""
        row = self.books.row_of(eui)
        if row is not None:
            self.books.check(event, _one(row))
        return row

    def fitted(self, row: int, event: str) -> None:
        """A unit stands in a home from now on, or in the triage facility: as its test hub, or joined with that."""
        eui = self.books.eui(row)
        if event == "begin triage":
            supplier = self._context.state.inventory[eui].supplier
            self.forget_home([row])
            self._context.state.inventory[eui].supplier = supplier
        if event != "install":
            self.books.move(event, _one(row))
        else:
            installing.put_in(self.books, _one(row), self.now_ms)
        self.state.standing[eui] = row
        for each in (eui, self.books.gpf(row)) if self.books.variant_of(row).is_hub else (eui,):
            entry = self._context.state.inventory[each]
            entry.held_by = ""
            self._renew_keys(each, int(self.books.units.generation[row]))

    def _renew_keys(self, eui: Eui64, generation: int) -> None:
        """A device that is used again has key pairs and certificates of its own that nobody had before (T-16)."""
        if not generation:
            return
        number = FIRST_REUSE_KEY + generation

        def issue(request: bytes) -> bytes:
            return smki.issue(self._context, request).certificate

        for usage, der in self._context.csp.premises.renew_own_keys(eui, number, issue):
            self._context.state.device_certificates[eui, usage] = der
            self._context.keys.take_device_certificate(der)

    def version_for(self, row: int | None) -> str:
        """What a unit runs, in eight digits; empty for what is no unit."""
        return "" if row is None else f"{self.books.version_of(row):08X}"

    def variant_for(self, row: int | None) -> Variant | None:
        """What a unit is; None for what is no unit."""
        return None if row is None else self.books.variant_of(row)

    def stand_test_hub(self, row: int, company: str, region: CspRegion) -> None:
        """Put a hub up in the triage facility of a company, online, for meters with dummy MPxNs to join."""
        variant, eui = self.books.variant_of(row), self.books.eui(row)
        if not variant.is_hub:
            raise Malformed(f"{format_eui(eui)} is no hub", where="unit", expected="a hub")
        self.books.check("stand as test hub", _one(row))
        self.books.check_owner(company, _one(row))
        entry = self.known(eui)
        user = next((each.eui for each in self._context.lookup.users_of(company)), None)
        place = Place(eui, region, han_variant=variant.han_variant, connectivity="Cellular")
        fitting.put_up(
            self._context, entry, place, variant.technology, user, version=self.version_for(row), hub_variant=variant.hub_variant
        )
        self._context.state.test_hubs[eui] = company
        self.fitted(row, "stand as test hub")

    def known(self, eui: int) -> InventoryEntry:
        """The inventory's entry of a unit; raise :class:`Malformed` where the inventory has none."""
        entry = self.entry(eui)
        if entry is None:
            raise Malformed(
                f"{format_eui(Eui64(eui))} is not in the inventory", where="unit", expected="a device notified by 12.2"
            )
        return entry

    # Returns

    def _reported(self, eui: int) -> None:
        """A supplier reported a hub over DUIS: 8.14.1 and 8.14.2 put it into a home, 8.14.3 and 8.14.4 send it back."""
        reports = self._context.state.hub_reports.get(eui)
        row = self.books.row_of(eui)
        if not reports:
            return
        report = reports[-1]
        company = self._context.state.users[report.by].party
        if report.variant in ("8.14.1", "8.14.2"):
            if row is not None and self.books.state_of(row) in ("installer", "supplier_store"):
                installing.put_in(self.books, _one(row), report.at_ms)
            return
        row = self._adopt(Eui64(eui), company) if row is None else row
        self._send_back(row, report, company)

    def _send_back(self, row: int, report: HubReport, company: str) -> None:
        said = report.said
        reason = said.get("CHFFaultReason") or said.get("CHFNoFaultReturnType", "")
        try:
            self.books.check("lose" if reason == returning.LOST else "send back", _one(row))
            self._leave(row)
            going = returning.send_back(
                self.books, _one(row), self.now_ms, by=company, variant=report.variant, reason=reason,
                method=said.get("CHFConnectionMethod", ""),
            )  # fmt: skip
        except Malformed as error:
            self.journal(f"the return of {format_eui(self.books.eui(row))} is not taken in: {error}")
            return
        if len(going):
            self.send("take back", going, days=self.settings.return_transit_days)
        self.follow([row])

    def take_back(self, euis: Iterable[Eui64], company: str, with_hub: Eui64 | None) -> int:
        """Units that no message tells of go back: meters that were taken out of use, and what nobody installed.

        Raise :class:`Malformed` where one is in use, is somebody else's, or is not there.
        """
        context, rows = self._context, []
        hub = None if with_hub is None else self.books.row_of(with_hub)
        if with_hub is not None and hub is None:
            raise Malformed(f"{format_eui(with_hub)} is no unit of the books", where="with", expected="a hub that went back")
        listed = list(euis)
        if len(set(listed)) < len(listed):
            raise Malformed("a unit is named twice", where="units", expected="each once")
        for eui in listed:
            entry, row = context.state.inventory.get(eui), self.books.row_of(eui)
            if entry is None and row is None:
                raise Malformed(f"{format_eui(eui)} is not there", where="units", expected="a device or a unit of the books")
            if row is not None:
                self.books.check("send back", _one(row))
                self.books.check_owner(company, _one(row))
            out = (DeviceStatus.DECOMMISSIONED, DeviceStatus.WITHDRAWN, None)
            in_use = row is None or (eui in self.state.standing and self.books.state_of(row) != "test_hub")
            if entry is not None and in_use and entry.status not in out:
                detail = f"{format_eui(eui)} is {entry.status}"
                raise Malformed(detail, where="units", expected="one that was decommissioned (8.3) or withdrawn before")
        for eui in listed:
            found = self.books.row_of(eui)
            row = self._adopt(eui, company) if found is None else found
            self._leave(row)
            rows.append(row)
        going = returning.send_back(self.books, _many(rows), self.now_ms, by=company, other=hub)
        self.send("take back", going, days=self.settings.return_transit_days)
        self.follow(rows)
        return len(rows)

    def _adopt(self, eui: Eui64, company: str) -> int:
        """A device of the estate that goes back comes into the books as it is."""
        context = self._context
        entry, place = context.state.inventory[eui], context.state.premises.get(eui)
        running = context.csp.premises.state.devices.get(eui)
        version = entry.firmware_version if running is None else f"{context.csp.premises.rows.running_version(eui):08X}"
        is_hub = entry.device_type is DeviceType.CHF
        technology = context.csp.state.hubs[eui].technology if is_hub and eui in context.csp.state.hubs else ""
        variant = _variant_for(entry.device_type, technology, "" if place is None else place.han_variant)
        gpfs = [each.eui for each in context.lookup.on_hub(eui) if each.device_type is DeviceType.GPF] if is_hub else []
        lot = Lot(0, 1, eui, 1, entry.manufacturer, entry.model, entry.smets_version, notified=False, gpf=(gpfs or [Eui64(0)])[0])
        since = _days(entry.date_commissioned) if entry.date_commissioned else self.now_ms
        numbers = _many([self.books.version_number(int(version or "0", 16))]).astype("u2")
        rows = self.books.add(lot, variant, "installed", company, numbers, since // 1000)
        self.books.units.installed_s[rows] = since // 1000
        self.books.units.installer[rows] = self.books.company(company)
        self.state.standing[eui] = int(rows[0])
        return int(rows[0])

    def _leave(self, row: int) -> None:
        """A unit that stands in a home leaves it; what it runs then is what it runs from now on."""
        context, eui = self._context, self.books.eui(row)
        premises = context.csp.premises
        self.state.standing.pop(eui, None)
        context.state.test_hubs.pop(eui, None)
        there = premises.state.devices.get(eui)
        if there is None:
            return
        self.books.units.version[row] = self.books.version_number(premises.rows.running_version(eui))
        if there.device_type is not DeviceType.CHF:
            premises.remove_device(eui, self.now_ms)
            return
        left = [each for each in premises.state.hubs[eui].devices if each not in (eui, self.books.gpf(row))]
        if left:
            premises.power(eui, False, self.now_ms)
        else:
            premises.remove_device(eui, self.now_ms)

    def forget_home(self, rows: Iterable[int]) -> None:
        """Units that are to be used again belong to no home: the inventory has them as when they were new (T-16)."""
        context = self._context
        for row in map(int, rows):
            eui, is_hub = self.books.eui(row), self.books.variant_of(row).is_hub
            for each in (eui, self.books.gpf(row)) if is_hub else (eui,):
                entry = context.state.inventory.get(each)
                if entry is None:
                    continue
                with recorded(context, each):
                    context.lookup.unjoin_all(entry)
                    with context.lookup.changing(entry):
                        entry.hub = eui if is_hub else None
                        entry.import_mpxn = entry.secondary_import_mpan = entry.export_mpan = ""
                        entry.joined_to = ()
                    entry.supplier = entry.network_operator = None
                    entry.date_commissioned = ""
                    entry.status = DeviceStatus.PENDING
                    if is_hub:
                        entry.associated_gpf = self.books.gpf(row) if each == eui else None
            context.lookup.drop_premises(eui)

    def leave_bench(self, rows: Iterable[int]) -> None:
        """What stood on the bench leaves it, without a trace of its dummy MPxN."""
        for row in [row for row in map(int, rows) if self.books.eui(row) in self.state.standing]:
            self._leave(row)
            self.forget_home([row])
            self.follow([row])

    def tell_opened(self, rows: Iterable[int]) -> None:
        """What stands in a home tells its supplier that somebody opens it (T-07)."""
        for row in map(int, rows):
            eui = self.books.eui(row)
            if eui in self.state.standing:
                self._context.csp.premises.tampered(eui, OPENED, self.now_ms)

    def update_installed(self, rows: Rows, version: str, duration_ms: int) -> int:
        """The CSP sends firmware to hubs in homes. Those that stand get it over the air, the others are as if they had."""
        standing = [row for row in map(int, rows) if self.books.eui(row) in self.state.standing]
        for row in standing:
            hub = self.books.eui(row)
            self._context.csp.premises.update_hub(hub, int(version, 16), "", duration_ms, self.now_ms)
            self._context.agenda.schedule(self.now_ms + duration_ms + DAY_MS, "stock.updated", int(hub))
        others = _many(sorted(set(map(int, rows)) - set(standing)))
        installing.update_installed(self.books, others, int(version, 16), self.now_ms)
        self.follow(others)
        return len(standing)

    def _updated(self, eui: int) -> None:
        row, premises = self.books.row_of(eui), self._context.csp.premises
        if row is not None and eui in self.state.standing and eui in premises.state.hubs:
            version = premises.rows.running_version(eui)
            if version != self.books.version_of(row):
                installing.update_installed(self.books, _one(row), version, self.now_ms)

    def journal(self, summary: str, device: int | None = None) -> None:
        """Note something of logistics."""
        self._context.journal("stock", summary, device=device)


def _variant_for(device_type: DeviceType, technology: str, han_variant: str) -> Variant:
    """What comes nearest to a device that nobody booked in."""
    possible = [each for each in variants().values() if each.device_type is device_type]
    if not possible:
        raise Malformed(f"a {device_type} does not go back this way", where="units", expected="a hub, a meter or a PPMID")
    for each in possible:
        if each.is_hub and each.technology == technology and each.han_variant == (han_variant or "Single Band"):
            return each
    return next((each for each in possible if each.technology == technology), possible[0])


def _euis(body: Element) -> Iterator[int]:
    """Every EUI that the leaves of a body name."""
    for child in body:
        yield from _euis(child)
    if len(body.text) >= 23 and "-" in body.text:
        for text in body.text.split(","):
            try:
                yield parse_eui(text.strip())
            except Malformed:
                continue


def _one(row: int) -> Rows:
    return np.array([row], np.int64)


def _many(rows: Iterable[int]) -> Rows:
    return np.array(list(rows), np.int64)


def _days(date: str) -> int:
    """The beginning of an ISO date in milliseconds of UTC."""
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)


_HANDLERS: Mapping[str, Callable[[Logistics, int], None]] = {
    "stock.arrives": Logistics._arrives,
    "stock.facility": Logistics._at_facility,
    "stock.done": Logistics._done,
    "stock.closed": Logistics._closed,
    "stock.reported": Logistics._reported,
    "stock.updated": Logistics._updated,
}
"""What happens at each topic; the argument is the number of a shipment or order, or an EUI."""
