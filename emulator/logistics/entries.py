"""What the inventory has of units: entries that are made when somebody first asks for one, and follow the books until the unit
stands in an emulated home."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.dsp.context import Context
from emulator.dsp.inventory import recorded
from emulator.dsp.registration import METERS
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import Element, Request
from emulator.logistics.books import Books
from emulator.logistics.state import CSP
from emulator.logistics.tables import Variant

_STATUS: Mapping[str, DeviceStatus] = {
    "installed": DeviceStatus.COMMISSIONED,
    "test_hub": DeviceStatus.COMMISSIONED,
    **dict.fromkeys(("to_return", "returned", "in_triage", "lost", "scrapped"), DeviceStatus.WITHDRAWN),
}
"""What the inventory has of a hub that does not stand; all others are Pending."""


class Entries:
    """The inventory as far as it tells of units."""

    def __init__(self, books: Books, context: Context) -> None:
        """Over the books of a world."""
        self._books = books
        self._context = context

    def make_known(self, request: Request) -> None:
        """Give the units that a request names their entries in the inventory."""
        if self._books.state.lots:
            for eui in (request.request_id.target, *_euis(request.body)):
                self.entry(eui)

    def entry(self, eui: int) -> InventoryEntry | None:
        """The inventory's entry of a unit or of a hub's GPF, made if need be; None for what the inventory does not have."""
        known = self._context.state.inventory.get(Eui64(eui))
        row = self._books.row_of(eui, gpf=True)
        if known is not None and row is not None and self._books.eui(row) not in self._books.state.standing:
            known.held_by = self._holder(row)
        if known is not None or row is None or not self._books.lot_of(row).notified:
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
        known, row = self._context.state.inventory.get(Eui64(eui)), self._books.row_of(eui)
        if known is not None or row is None or not self._books.lot_of(row).notified:
            return known
        return self._described(row)

    def _described(self, row: int) -> InventoryEntry:
        books, variant, lot = self._books, self._books.variant_of(row), self._books.lot_of(row)
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
        state = self._books.state_of(row)
        return "" if state == "installed" else self._books.owner(row) if state in ("supplier_store", "installer") else CSP

    def _status(self, row: int, variant: Variant) -> DeviceStatus:
        state = self._books.state_of(row)
        if variant.is_hub:
            return _STATUS.get(state, DeviceStatus.PENDING)
        gone = _STATUS.get(state) is DeviceStatus.WITHDRAWN
        return DeviceStatus.DECOMMISSIONED if gone else DeviceStatus.PENDING

    def follow(self, rows: Iterable[int]) -> None:
        """Let the entries of units that do not stand say what the books say."""
        for row in map(int, rows):
            eui = self._books.eui(row)
            known = self._context.state.inventory.get(eui)
            if known is None or eui in self._books.state.standing:
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

    def known(self, eui: int) -> InventoryEntry:
        """The inventory's entry of a unit; raise :class:`Malformed` where the inventory has none."""
        entry = self.entry(eui)
        if entry is None:
            raise Malformed(
                f"{format_eui(Eui64(eui))} is not in the inventory", where="unit", expected="a device notified by 12.2"
            )
        return entry

    def forget_home(self, rows: Iterable[int]) -> None:
        """Units that are to be used again belong to no home: the inventory has them as when they were new (T-16)."""
        context = self._context
        for row in map(int, rows):
            eui, is_hub = self._books.eui(row), self._books.variant_of(row).is_hub
            for each in (eui, self._books.gpf(row)) if is_hub else (eui,):
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
                        entry.associated_gpf = self._books.gpf(row) if each == eui else None
            context.lookup.drop_premises(eui)


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
