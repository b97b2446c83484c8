"""Units that go back: reported over DUIS by 8.14.3 and 8.14.4, or taken along without a message."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.dsp.context import Context
from emulator.dsp.state import HubReport
from emulator.duis.datetimes import parse_datetime_ms
from emulator.logistics import installing, returning
from emulator.logistics.books import Books
from emulator.logistics.columns import OVERDUE, Rows, many, one
from emulator.logistics.entries import Entries
from emulator.logistics.homes import Homes
from emulator.logistics.state import Lot
from emulator.logistics.tables import Variant, variants

COMING_BACK = ("to_return", "returned")
"""Where a unit is that went back and that nobody looks at."""
Send = Callable[[str, Rows, int], int]
"""Lets goods be under way for so many days (:meth:`emulator.logistics.logistics.Logistics.send`)."""


class GoingBack:
    """What leaves homes and stores for the place where returns go."""

    def __init__(self, books: Books, entries: Entries, homes: Homes, context: Context, send: Send) -> None:
        """Over the books of a world."""
        self._books = books
        self._entries = entries
        self._homes = homes
        self._context = context
        self._send = send

    def reported(self, eui: int) -> None:
        """A supplier reported a hub over DUIS: 8.14.1 and 8.14.2 put it into a home, 8.14.3 and 8.14.4 send it back."""
        reports = self._context.state.hub_reports.get(eui)
        row = self._books.row_of(eui)
        if not reports:
            return
        report = reports[-1]
        company = self._context.state.users[report.by].party
        if report.variant in ("8.14.1", "8.14.2"):
            if row is not None and self._books.state_of(row) in ("installer", "supplier_store"):
                self._put_in(row, report)
            return
        row = self._adopt(Eui64(eui), company) if row is None else row
        self._send_back(row, report, company)

    def _put_in(self, row: int, report: HubReport) -> None:
        eui = self._books.eui(row)
        at_ms = report.at_ms
        if said := report.said.get("InstallDateTime"):
            at_ms = min(at_ms, max(parse_datetime_ms(said), int(self._books.units.since_s[row]) * 1000))
        try:
            installing.put_in(self._books, one(row), at_ms, overdue=True)
        except Malformed as error:
            self._context.journal("stock", f"the installation is not taken in: {error}", device=eui)
            return
        if self._books.units.flags[row] & OVERDUE:
            text = f"{format_eui(eui)} is in a home although its TSAT end date is past: it must go back all the same"
            self._context.journal("stock", text, device=eui)

    def _send_back(self, row: int, report: HubReport, company: str) -> None:
        said = report.said
        reason = said.get("CHFFaultReason") or said.get("CHFNoFaultReturnType", "")
        try:
            self._books.check("lose" if reason == returning.LOST else "send back", one(row))
            self._homes.leave(row)
            going = returning.send_back(
                self._books, one(row), self._context.now_ms, by=company, variant=report.variant, reason=reason,
                method=said.get("CHFConnectionMethod", ""), other=self._attached(said.get("OtherDeviceID")),
            )  # fmt: skip
        except Malformed as error:
            self._context.journal("stock", f"the return of {format_eui(self._books.eui(row))} is not taken in: {error}")
            return
        if len(going):
            self._send("take back", going, self._books.settings.return_transit_days)
        self._entries.follow([row])

    def _attached(self, other: str | None) -> int | None:
        """The unit on which a hub sat, as 8.14.3 says (T-03), if it is on its way back, or there, without its hub."""
        row = None if other is None else self._books.row_of(parse_eui(other))
        if row is None or self._books.state_of(row) not in COMING_BACK or int(self._books.units.mate[row]) >= 0:
            return None
        return row

    def _hub_of(self, eui: Eui64) -> int | None:
        """The hub that 8.14.3 told of as having sat on a device, if it is on its way back, or there, without that."""
        for hub, reports in self._context.state.hub_reports.items():
            if reports[-1].variant == "8.14.3" and reports[-1].said.get("OtherDeviceID", "").upper() == format_eui(eui):
                return self._attached(format_eui(hub))
        return None

    def take_back(self, euis: Iterable[Eui64], company: str, with_hub: Eui64 | None) -> int:
        """Units that no message tells of go back: meters that were taken out of use, and what nobody installed.

        Raise :class:`Malformed` where one is in use, is somebody else's, or is not there.
        """
        context, rows = self._context, []
        hub = None if with_hub is None else self._books.row_of(with_hub)
        if with_hub is not None and hub is None:
            raise Malformed(f"{format_eui(with_hub)} is no unit of the books", where="with", expected="a hub that went back")
        listed = list(euis)
        if len(set(listed)) < len(listed):
            raise Malformed("a unit is named twice", where="units", expected="each once")
        for eui in listed:
            entry, row = context.state.inventory.get(eui), self._books.row_of(eui)
            if entry is None and row is None:
                raise Malformed(f"{format_eui(eui)} is not there", where="units", expected="a device or a unit of the books")
            if row is not None:
                self._books.check("send back", one(row))
                self._books.check_owner(company, one(row))
            out = (DeviceStatus.DECOMMISSIONED, DeviceStatus.WITHDRAWN, None)
            in_use = row is None or (eui in self._books.state.standing and self._books.state_of(row) != "test_hub")
            if entry is not None and in_use and entry.status not in out:
                detail = f"{format_eui(eui)} is {entry.status}"
                raise Malformed(detail, where="units", expected="one that was decommissioned (8.3) or withdrawn before")
        if hub is None and len(listed) == 1:
            hub = self._hub_of(listed[0])
        for eui in listed:
            found = self._books.row_of(eui)
            row = self._adopt(eui, company) if found is None else found
            self._homes.leave(row)
            rows.append(row)
        going = returning.send_back(self._books, many(rows), self._context.now_ms, by=company, other=hub)
        self._send("take back", going, self._books.settings.return_transit_days)
        self._entries.follow(rows)
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
        since = _days(entry.date_commissioned) if entry.date_commissioned else self._context.now_ms
        numbers = many([self._books.version_number(int(version or "0", 16))]).astype("u2")
        rows = self._books.add(lot, variant, "installed", company, numbers, since // 1000)
        self._books.units.installed_s[rows] = since // 1000
        self._books.units.installer[rows] = self._books.company(company)
        self._books.state.standing[eui] = int(rows[0])
        return int(rows[0])


def _variant_for(device_type: DeviceType, technology: str, han_variant: str) -> Variant:
    """What comes nearest to a device that nobody booked in."""
    possible = [each for each in variants().values() if each.device_type is device_type]
    if not possible:
        raise Malformed(f"a {device_type} does not go back this way", where="units", expected="a hub, a meter or a PPMID")
    for each in possible:
        if each.is_hub and each.technology == technology and each.han_variant == (han_variant or "Single Band"):
            return each
    return next((each for each in possible if each.technology == technology), possible[0])


def _days(date: str) -> int:
    """The beginning of an ISO date in milliseconds of UTC."""
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)
