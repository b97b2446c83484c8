"""Logistics of one world: the books, and their ties to the inventory, the homes and the agenda.

The DSP knows nothing of it. A unit's entry in the inventory is made when somebody first asks for it, and follows the books until
the unit stands in an emulated home. What suppliers report over DUIS comes as the event ``stock.reported``.
"""

from collections.abc import Callable, Mapping

import numpy as np

from emulator.domain.errors import Broken
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import CplStatus, DeviceType
from emulator.dsp.context import Context
from emulator.logistics import reflash, stock
from emulator.logistics.books import Books, unpacked
from emulator.logistics.columns import Rows
from emulator.logistics.entries import Entries
from emulator.logistics.going_back import GoingBack
from emulator.logistics.homes import Homes
from emulator.logistics.settings import LogisticsSettings
from emulator.logistics.state import LogisticsState, Lot, Order
from emulator.logistics.symptoms import Symptoms
from emulator.simulation.agenda import Event
from emulator.simulation.faults import FaultPlan


class Logistics:
    """The logistics of a world over one :class:`LogisticsState`."""

    TOPICS = ("stock.",)
    """Prefix of the agenda topics that :meth:`handle` takes."""

    def __init__(
        self, state: LogisticsState, context: Context, settings: LogisticsSettings, seed: int, faults: FaultPlan
    ) -> None:
        """Over a state, new or restored."""
        self.state = state
        self.settings = settings
        self.books = Books(state, settings, seed)
        self._context = context
        self.entries = Entries(self.books, context)
        self.homes = Homes(self.books, self.entries, context, Symptoms(self.books, faults))
        self.going_back = GoingBack(
            self.books, self.entries, self.homes, context, lambda event, rows, days: self.send(event, rows, days=days)
        )

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
        self.entries.follow(rows)
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
        self.entries.follow(unpacked(order.rows))
        due_ms = self.send("arrive" if order.first_delivery else "redeliver", back, owner=order.deliver_to)
        self._context.agenda.schedule(due_ms, "stock.closed", number)
        self.journal(f"order {number} is done: {reflash.tally(order)}")

    def _closed(self, number: int) -> None:
        order = self.state.orders[number - 1]
        order.state, order.changed_ms = "closed", self.now_ms

    def note_lot(self, lot: Lot) -> None:
        """A lot was booked in: on its TSAT end date what was not installed is overdue."""
        if lot.tsat_end_ms:
            self._context.agenda.schedule(max(lot.tsat_end_ms, self.now_ms), "stock.tsat_ends", self.state.lots.index(lot))

    def _tsat_ends(self, number: int) -> None:
        late = stock.end_tsat(self.books, self.state.lots[number])
        self.journal(f"the TSAT end date of lot {number + 1} is there: {late} hubs must go back")

    def journal(self, summary: str, device: int | None = None) -> None:
        """Note something of logistics."""
        self._context.journal("stock", summary, device=device)


_HANDLERS: Mapping[str, Callable[[Logistics, int], None]] = {
    "stock.arrives": Logistics._arrives,
    "stock.facility": Logistics._at_facility,
    "stock.done": Logistics._done,
    "stock.closed": Logistics._closed,
    "stock.reported": lambda logistics, eui: logistics.going_back.reported(eui),
    "stock.tsat_ends": Logistics._tsat_ends,
    "stock.shows": lambda logistics, eui: logistics.homes.shows(eui),
    "stock.updated": lambda logistics, eui: logistics.homes.updated(eui),
}
"""What happens at each topic; the argument is the number of a shipment or order, or an EUI."""
