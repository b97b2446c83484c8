"""Units in emulated homes and in triage facilities: how they come there, what they run there, and how they leave."""

from collections.abc import Iterable
from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.settings import DAY_MS, HOUR_MS, MINUTE_MS
from emulator.domain.vocabulary import CspRegion, DeviceType, RemotePartyRole
from emulator.dsp import smki
from emulator.dsp.context import Context
from emulator.dsp.registration import METERS
from emulator.dsp.state import InventoryEntry
from emulator.dsp.state import Premises as Place
from emulator.logistics import fitting, installing
from emulator.logistics.books import Books
from emulator.logistics.columns import Rows, many, one
from emulator.logistics.entries import Entries
from emulator.logistics.symptoms import Symptoms

OPENED = 0x8F3F
"""Alert of a device that is tampered with (T-07, medium)."""
FIRST_REUSE_KEY = 100
"""Number of the first key pair that a reused device makes; those before are left to 6.17."""


class Homes:
    """Where units stand."""

    def __init__(self, books: Books, entries: Entries, context: Context, symptoms: Symptoms) -> None:
        """Over the books of a world."""
        self._symptoms = symptoms
        self._books = books
        self._entries = entries
        self._context = context

    def fit(self, entry: InventoryEntry, home: Place, *, supplier: Eui64 | None, network_operator: Eui64 | None) -> None:
        """Put a device into a home: a hub in the place of its hub, anything else beside it; at a test hub it is on the bench.

        Raise :class:`Malformed` where that cannot be.
        """
        context, eui, is_hub = self._context, entry.eui, entry.device_type is DeviceType.CHF
        test = home.hub in context.state.test_hubs
        if is_hub:
            fitting.check_free(context, entry)
            if test:
                raise Malformed(f"{format_eui(home.hub)} is a test hub", where="hub", expected="a hub in a home")
        event = "begin triage" if test else "install"
        row = self._check(eui, event)
        version = "" if row is None else f"{self._books.version_of(row):08X}"
        if is_hub:
            self._make_ready(eui, row)
            variant = None if row is None else self._books.variant_of(row)
            fitting.replace_hub(context, entry, home, supplier, version, variant)
        else:
            definition = fitting.definition_of(entry, home.hub, supplier, version)
            context.csp.premises.add_device(replace(definition, network_operator=network_operator), context.now_ms)
            entry.supplier, entry.network_operator = supplier, network_operator
        if row is not None:
            self._fitted(row, event)

    def begin(
        self, entry: InventoryEntry, where: tuple[Place, str], *, supplier: Eui64 | None, network_operator: Eui64 | None
    ) -> None:
        """Begin a home with a pre-notified hub and its GPF where no hub ever was.

        Raise :class:`Malformed` where that cannot be, or where the hub is reached another way than is said.
        """
        fitting.check_free(self._context, entry)
        row = self._check(entry.eui, "install")
        place, technology = where
        self._put_up(entry, row, place, technology, supplier, network_operator)
        if row is not None:
            self._fitted(row, "install")

    def check_begin(self, rows: Rows) -> None:
        """Raise :class:`Malformed` where one of some hubs is not in the inventory, or stands somewhere already."""
        for row in map(int, rows):
            eui = self._books.eui(row)
            if self._entries.peek(eui) is None:
                raise Malformed(f"{format_eui(eui)} is not in the inventory", where="count", expected="hubs notified by 12.2")
            if eui in self._context.state.premises:
                raise Malformed(f"{format_eui(eui)} stands somewhere already", where="count", expected="hubs that do not")

    def begin_many(self, rows: Rows, company: str, region: CspRegion) -> None:
        """Begin a home with each of some hubs of a company."""
        supplier = self._supplier(company)
        for row in map(int, rows):
            eui = self._books.eui(row)
            place = Place(eui, region, connectivity="Cellular")
            self.begin(self._entries.known(eui), (place, ""), supplier=supplier, network_operator=None)

    def _supplier(self, company: str) -> Eui64 | None:
        users = self._context.lookup.users_of(company)
        return next((each.eui for each in users if each.remote_party_role is RemotePartyRole.SUPPLIER), None)

    def _put_up(
        self,
        entry: InventoryEntry,
        row: int | None,
        place: Place,
        technology: str,
        supplier: Eui64 | None,
        network_operator: Eui64 | None,
    ) -> None:
        version, hub_variant = "", ""
        place.han_variant, technology = place.han_variant or "Single Band", technology or "cellular"
        if row is not None:
            variant, version = self._books.variant_of(row), f"{self._books.version_of(row):08X}"
            place.han_variant, hub_variant, technology = variant.han_variant, variant.hub_variant, variant.technology
        self._make_ready(entry.eui, row)
        fitting.put_up(
            self._context, entry, place, technology, supplier, network_operator, version=version, hub_variant=hub_variant
        )

    def _check(self, eui: int, event: str) -> int | None:
        """The place of a unit that may be put into a home, or on the bench; None for no unit. Raise :class:`Malformed` where it
        may not."""
        row = self._books.row_of(eui)
        if row is not None:
            self._books.check(event, one(row))
        return row

    def _make_ready(self, eui: Eui64, row: int | None) -> None:
        """A hub comes: what it left behind where it stood before is gone, and what is wrong with it is wrong from the start."""
        if eui in self._context.csp.premises.state.hubs:
            self._context.csp.premises.remove_device(eui, self._context.now_ms)
        if row is not None:
            self._symptoms.begin(row, self._context.now_ms)

    def _fitted(self, row: int, event: str) -> None:
        """A unit stands in a home from now on, or in the triage facility: as its test hub, or joined with that."""
        books, eui, now_ms = self._books, self._books.eui(row), self._context.now_ms
        if event == "begin triage":
            supplier = self._context.state.inventory[eui].supplier
            self._entries.forget_home([row])
            self._context.state.inventory[eui].supplier = supplier
        if event != "install":
            books.move(event, one(row))
        else:
            installing.put_in(books, one(row), now_ms)
        books.state.standing[eui] = row
        self._symptoms.begin(row, now_ms)
        self._wait_for_defect(row)
        for each in (eui, books.gpf(row)) if books.variant_of(row).is_hub else (eui,):
            entry = self._context.state.inventory[each]
            entry.held_by = ""
            self._renew_keys(each, int(books.units.generation[row]))

    def feel(self, rows: Rows) -> None:
        """Something else is the matter with units: where they stand, that is felt from now on."""
        for row in map(int, rows):
            self._symptoms.end(row)
            if self._books.eui(row) in self._books.state.standing:
                self._symptoms.begin(row, self._context.now_ms)

    def _wait_for_defect(self, row: int) -> None:
        shows_ms = int(self._books.units.shows_s[row]) * 1000
        if shows_ms > self._context.now_ms:
            self._context.agenda.schedule(shows_ms, "stock.shows", int(self._books.eui(row)))

    def shows(self, eui: int) -> None:
        """The defect of its version shows at a unit from now on, if it still stands."""
        row = self._books.row_of(eui)
        if row is not None and eui in self._books.state.standing:
            self._symptoms.begin(row, self._context.now_ms)

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

    def stand_test_hub(self, row: int, company: str, region: CspRegion) -> None:
        """Put a hub up in the triage facility of a company, online, for meters with dummy MPxNs to join."""
        variant, eui = self._books.variant_of(row), self._books.eui(row)
        if not variant.is_hub:
            raise Malformed(f"{format_eui(eui)} is no hub", where="unit", expected="a hub")
        self._books.check("stand as test hub", one(row))
        self._books.check_owner(company, one(row))
        entry = self._entries.known(eui)
        self._put_up(entry, row, Place(eui, region, connectivity="Cellular"), "", self._supplier(company), None)
        self._context.state.test_hubs[eui] = company
        self._fitted(row, "stand as test hub")

    def leave(self, row: int) -> None:
        """A unit that stands in a home leaves it; what it runs then is what it runs from now on."""
        context, eui = self._context, self._books.eui(row)
        premises = context.csp.premises
        self._books.state.standing.pop(eui, None)
        context.state.test_hubs.pop(eui, None)
        self._symptoms.end(row)
        there = premises.state.devices.get(eui)
        if there is None:
            return
        self._books.units.version[row] = self._books.version_number(premises.rows.running_version(eui))
        if there.device_type is not DeviceType.CHF:
            premises.remove_device(eui, self._context.now_ms)
            return
        left = [each for each in premises.state.hubs[eui].devices if each not in (eui, self._books.gpf(row))]
        if left:
            premises.power(eui, False, self._context.now_ms)
        else:
            premises.remove_device(eui, self._context.now_ms)

    def leave_bench(self, rows: Iterable[int]) -> None:
        """What stood on the bench leaves it, without a trace of its dummy MPxN."""
        for row in [row for row in map(int, rows) if self._books.eui(row) in self._books.state.standing]:
            self.leave(row)
            self._entries.forget_home([row])
            self._entries.follow([row])

    def take_down(self, rows: Rows) -> None:
        """What was put up during a visit that failed is with the installer again, the hub last.

        Raise :class:`Malformed` where something does not stand, a meter is in service, or something else would stay without hub.
        """
        euis = {self._books.eui(row) for row in map(int, rows)}
        for eui in euis:
            hub = self._context.csp.premises.state.hubs.get(eui)
            for each in (eui,) if hub is None else (eui, *hub.devices):
                entry = self._context.state.inventory.get(Eui64(each))
                if each not in euis and entry is not None and entry.device_type not in (DeviceType.CHF, DeviceType.GPF):
                    detail = f"{format_eui(each)} would stay without its hub"
                    raise Malformed(detail, where="units", expected="everything that stands at the hub")
                if eui not in self._books.state.standing or (entry and entry.device_type in METERS and entry.date_commissioned):
                    detail = f"{format_eui(each)} does not come down"
                    raise Malformed(detail, where="units", expected="what stands in an emulated home and was not commissioned")
        for row in sorted(map(int, rows), key=lambda each: self._books.variant_of(each).is_hub):
            self.leave(row)
            self._books.move("take down", one(row))
            self._entries.forget_home([row])
            self._entries.follow([row])

    def update_on_site(self, row: int, version: int, minutes: int) -> None:
        """The CSP sends a hub its firmware while the installer waits."""
        hub, now_ms, duration_ms = self._books.eui(row), self._context.now_ms, minutes * MINUTE_MS
        self._context.csp.premises.update_hub(hub, version, "", duration_ms, now_ms)
        self._context.agenda.schedule(now_ms + duration_ms + HOUR_MS, "stock.updated", int(hub))

    def tell_opened(self, rows: Iterable[int]) -> None:
        """What stands in a home tells its supplier that somebody opens it (T-07)."""
        for row in map(int, rows):
            eui = self._books.eui(row)
            if eui in self._books.state.standing:
                self._context.csp.premises.tampered(eui, OPENED, self._context.now_ms)

    def update_installed(self, rows: Rows, version: str, duration_ms: int) -> int:
        """The CSP sends firmware to hubs in homes. Those that stand get it over the air, the others are as if they had."""
        standing = [row for row in map(int, rows) if self._books.eui(row) in self._books.state.standing]
        for row in standing:
            hub = self._books.eui(row)
            self._context.csp.premises.update_hub(hub, int(version, 16), "", duration_ms, self._context.now_ms)
            self._context.agenda.schedule(self._context.now_ms + duration_ms + DAY_MS, "stock.updated", int(hub))
        others = many(sorted(set(map(int, rows)) - set(standing)))
        installing.update_installed(self._books, others, int(version, 16), self._context.now_ms)
        self._entries.follow(others)
        return len(standing)

    def updated(self, eui: int) -> None:
        row, premises = self._books.row_of(eui), self._context.csp.premises
        if row is not None and eui in self._books.state.standing and eui in premises.state.hubs:
            version = premises.rows.running_version(eui)
            if version != self._books.version_of(row):
                installing.update_installed(self._books, one(row), version, self._context.now_ms)
                self._wait_for_defect(row)
