"""The books and the rest of a world: inventory, DUIS reports with every reason, dummy MPxNs, keys."""

from typing import Any

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.mpxn import is_dummy
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import DeviceStatus, UserRole
from emulator.duis.messages import Element, element
from emulator.estate.model import RegistrationRule
from emulator.estate.registration_rule import RuleBase
from emulator.estate.registrations import UNKNOWN
from emulator.logistics import describing
from emulator.logistics.tables import truths
from emulator.reports.ages import AGES
from tests.dsp.bench_world import SUPPLIER_TWO, Bench, device

FIRST = 0x00DB_5000_0000_0000
ESME, GSME, HUB = device(0, "A0"), device(0, "A1"), device(0, "A2")
REASONS = [each.reason for name, each in truths().items() if each.reason and name != "firmware"]
TYPES = [
    "(general)",
    "(non-dom opt out)",
    "(dual supplier HAN variant replacement)",
    "(SM WAN variant replacement requested by DCC)",
]
NO_FAULT = [*(f"No Fault Return {each}" for each in TYPES), "Lost or Stolen Hub"]


def with_stock(**more: Any) -> Bench:
    bench = Bench()
    lot = {"variant": "cellular-single", "count": 20, "versions": {"00010000": 1}, "manufacturer": "10C0", "model": "00010101"}
    bench.control("stock.book", **{**lot, "owner": "supplier-one", **more})
    return bench


def fault_return(hub: int, reason: str, method: str = "Hot-shoe") -> Element:
    return element(
        "CHFFaultReturn",
        element("DeviceID", format_eui(Eui64(hub))),
        element("CHFFaultReturnType", "Fault identified prior to installation"),
        element("OtherDeviceID", format_eui(Eui64(ESME))),
        element("CHFConnectionMethod", method),
        element("CHFFaultReason", reason),
    )


def no_fault_return(hub: int, kind: str) -> Element:
    return element("CHFNoFaultReturn", element("DeviceID", format_eui(Eui64(hub))), element("CHFNoFaultReturnType", kind))


def test_the_inventory_makes_entries_only_of_units_that_somebody_asks_for() -> None:
    bench = with_stock()
    engine = bench.world.engine
    before = len(engine.state.dsp.inventory)
    read = element("ReadInventory", element("DeviceID", format_eui(Eui64(FIRST + 3))))
    assert bench.submit("8.2", read).code == "I0", "the Gas Proxy Function of the second hub"
    assert len(engine.state.dsp.inventory) == before + 2
    entry = engine.state.dsp.inventory[Eui64(FIRST + 2)]
    assert (entry.status, entry.firmware_version, entry.held_by) == (DeviceStatus.PENDING, "00010000", "supplier-one")
    assert bench.world.views.device(FIRST + 4) is not None, "looking changes nothing"
    assert len(engine.state.dsp.inventory) == before + 2


def test_what_is_not_notified_waits_for_12_2() -> None:
    bench = with_stock(notified=False)
    read = element("ReadInventory", element("DeviceID", format_eui(Eui64(FIRST))))
    assert bench.submit("8.2", read).code == "E080201"
    notify = element(
        "DevicePrenotification",
        element("DeviceID", format_eui(Eui64(FIRST))),
        element("DeviceManufacturer", "10C0"),
        element("DeviceModel", "00010101"),
        element("DeviceType", "CHF"),
        element("FirmwareVersion", "00010000"),
        element("AssociatedGPFDeviceID", format_eui(Eui64(FIRST + 1))),
    )
    assert bench.submit("12.2", notify).code == "I99"
    assert bench.submit("8.2", read).code == "I0"
    bench.control("device.fit", device=format_eui(Eui64(FIRST)), hub=format_eui(Eui64(HUB)))
    assert bench.world.engine.logistics.books.state_of(0) == "installed"


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("method", ["Hot-shoe", "Cradle", "ESME"])
def test_every_reason_and_connection_method_is_on_record(reason: str, method: str) -> None:
    bench = with_stock()
    assert bench.submit("8.14.3", fault_return(FIRST, reason, method)).code == "I99"
    engine = bench.world.engine
    engine.advance(engine.now_ms)
    (record,) = engine.state.logistics.returns
    assert (record.variant, record.reason, record.method, record.by) == ("8.14.3", reason, method, "supplier-one")
    assert engine.logistics.books.state_of(0) == "to_return"
    assert engine.state.dsp.inventory[Eui64(FIRST)].status is DeviceStatus.WITHDRAWN
    engine.advance(engine.now_ms + 4 * DAY_MS)
    assert engine.logistics.books.state_of(0) == "returned"


@pytest.mark.parametrize("kind", NO_FAULT)
def test_every_type_without_fault_is_on_record(kind: str) -> None:
    bench = with_stock()
    assert bench.submit("8.14.4", no_fault_return(FIRST, kind)).code == "I99"
    engine = bench.world.engine
    engine.advance(engine.now_ms)
    assert engine.state.logistics.returns[0].reason == kind
    assert engine.logistics.books.state_of(0) == ("lost" if kind == NO_FAULT[-1] else "to_return")


def test_only_who_has_a_unit_reports_on_it() -> None:
    bench = with_stock()
    assert bench.submit("8.14.4", no_fault_return(FIRST, NO_FAULT[0]), user=SUPPLIER_TWO).code == "E4"
    assert bench.world.engine.logistics.books.state_of(0) == "supplier_store"
    assert not bench.world.engine.state.logistics.returns


def test_a_reported_installation_puts_the_hub_into_a_home() -> None:
    bench = with_stock()
    body = element(
        "CHFInstallSuccessNoSMWAN",
        element("DeviceID", format_eui(Eui64(FIRST))),
        element("CHFInstallType", "CHF Install - no SM WAN"),
        element("MPxN", "1200000000001"),
    )
    assert bench.submit("8.14.2", body).code == "I99"
    engine = bench.world.engine
    engine.advance(engine.now_ms)
    assert engine.logistics.books.state_of(0) == "installed"
    dummy = element("CHFInstallSuccessSMWAN", element("DeviceID", format_eui(Eui64(FIRST + 2))), element("MPxN", "9999900000001"))
    assert bench.submit("8.14.1", dummy).code == "E4", "a dummy MPxN is no home"


def test_nobody_is_ever_registered_for_a_dummy_mpxn() -> None:
    bench = Bench()
    for mpxn, role in (("9999900000001", "IS"), ("9999900001", "GS")):
        assert is_dummy(mpxn)
        with pytest.raises(AssertionError, match="dummy"):
            bench.control("registration.put", mpxn=mpxn, role=role, party="supplier-one")
        with pytest.raises(AssertionError, match="dummy"):
            bench.control("registration.load", csv=f"mpxn,role,party,from,to\n{mpxn},{role},supplier-one,2026-01-01,")
    rule = RegistrationRule(UserRole.IS, "9000000000000", "9999999999999", (("supplier-one", 1),))
    base = RuleBase(1, (rule,), ["supplier-one"])
    assert base.party_at("9999900000001", 1, 0) == UNKNOWN
    assert base.party_at("9999800000001", 1, 0) == 0
    assert not is_dummy("1200000000001")


def test_a_unit_of_an_unknown_lot_is_no_unit() -> None:
    with pytest.raises(Malformed, match="no unit of the books"):
        with_stock().world.engine.logistics.books.unit("00-DB-50-FF-00-00-00-00")


def test_a_test_hub_is_its_companys_until_it_is_taken_down() -> None:
    bench = with_stock()
    engine, hub = bench.world.engine, format_eui(Eui64(FIRST))
    bench.control("triage.hub", unit=hub, company="supplier-one", region="Central")
    assert engine.state.dsp.test_hubs == {Eui64(FIRST): "supplier-one"}
    assert bench.submit("8.14.4", no_fault_return(FIRST, NO_FAULT[0])).code == "E4", "a test hub is not returned over DUIS"
    bench.control("returns.take", company="supplier-one", units=[hub])
    assert not engine.state.dsp.test_hubs
    assert engine.logistics.books.state_of(0) == "to_return"


def test_what_is_not_installed_by_its_tsat_end_date_goes_back() -> None:
    bench = with_stock(count=4)
    engine = bench.world.engine
    end_ms = engine.now_ms + DAY_MS
    late = {"variant": "cellular-dual", "count": 3, "versions": {"00010000": 1}, "manufacturer": "10C0", "model": "00010101"}
    first = bench.control("stock.book", **late, owner="supplier-one", tsat_end_ms=end_ms)["first"]
    bench.control("stock.install", company="supplier-one", count=1, variant="cellular-dual")
    bench.advance(2 * DAY_MS)
    books = engine.logistics.books
    assert describing.overview(books)["overdue"] == 2
    assert not describing.unit(books, 4, engine.now_ms)["overdue"], "the one that was installed in time"
    with pytest.raises(AssertionError, match=r"0 hubs at supplier store .* 2 are past their TSAT end date"):
        bench.control("stock.issue", company="supplier-one", count=1, variant="cellular-dual")
    second = format_eui(Eui64(parse_eui(str(first)) + 2))
    with pytest.raises(AssertionError, match="TSAT end date: install is not for it; expected that it goes back"):
        bench.control("device.fit", device=second, home={"region": "Central"})
    assert len(bench.control("stock.issue", company="supplier-one", count=4)["listed"]) == 4, "the lot without a date"
    bench.control("returns.take", company="supplier-one", units=[second])
    assert describing.overview(books)["overdue"] == 1


def test_a_hub_that_is_put_up_after_its_tsat_end_date_is_in_a_home_and_must_go_back() -> None:
    bench = with_stock(count=1, tsat_end_ms=Bench().world.engine.now_ms + DAY_MS)
    bench.advance(2 * DAY_MS)
    engine, hub = bench.world.engine, format_eui(Eui64(FIRST))
    said = (element("DeviceID", hub), element("CHFInstallType", "CHF Install - no SM WAN"), element("MPxN", "1200000000001"))
    assert bench.submit("8.14.2", element("CHFInstallSuccessNoSMWAN", *said)).code == "I99", "a record for the CSP"
    engine.advance(engine.now_ms)
    unit = describing.unit(engine.logistics.books, 0, engine.now_ms)
    assert (unit["state"], unit["overdue"]) == ("installed", True)
    assert describing.overview(engine.logistics.books)["overdue"] == 1, "it must go back"
    assert bench.submit("8.14.4", no_fault_return(FIRST, NO_FAULT[0])).code == "I99"
    engine.advance(engine.now_ms)
    assert describing.overview(engine.logistics.books)["overdue"] == 0


def test_a_hub_was_installed_when_its_report_says() -> None:
    bench = with_stock(age_days=30)
    engine, now_ms = bench.world.engine, bench.world.engine.now_ms
    said = (element("CHFInstallType", "CHF Install - no SM WAN"), element("MPxN", "1200000000001"))
    for number, date in ((0, "2025-12-31T09:00:00Z"), (1, "2001-01-01T00:00:00Z"), (2, "2099-01-01T00:00:00Z")):
        hub = element("DeviceID", format_eui(Eui64(FIRST + 2 * number)))
        body = element("CHFInstallSuccessNoSMWAN", hub, said[0], element("InstallDateTime", date), said[1])
        assert bench.submit("8.14.2", body).code == "I99"
    engine.advance(engine.now_ms)
    units = engine.logistics.books.units
    assert int(units.installed_s[0]) == 1_767_171_600
    assert int(units.installed_s[1]) == int(units.since_s[1]), "not before it was there"
    assert int(units.installed_s[2]) * 1000 == now_ms, "and not later than now"


@pytest.mark.parametrize("first", ["hub", "meter"])
def test_the_device_that_a_fault_return_names_came_with_the_hub(first: str) -> None:
    bench = with_stock()
    meters = {"variant": "esme-han", "count": 2, "versions": {"00010000": 1}, "manufacturer": "11E5", "model": "00020101"}
    meter = str(bench.control("stock.book", **meters, owner="supplier-one")["first"])
    hub_returned = element(
        "CHFFaultReturn",
        element("DeviceID", format_eui(Eui64(FIRST))),
        element("CHFFaultReturnType", "Fault identified prior to installation"),
        element("OtherDeviceID", meter),
        element("CHFConnectionMethod", "ESME"),
        element("CHFFaultReason", "SMHAN Interface Fault"),
    )
    engine = bench.world.engine
    for turn in ("hub", "meter") if first == "hub" else ("meter", "hub"):
        if turn == "hub":
            assert bench.submit("8.14.3", hub_returned).code == "I99"
            engine.advance(engine.now_ms)
        else:
            bench.control("returns.take", company="supplier-one", units=[meter])
    books = engine.logistics.books
    assert describing.unit(books, 0, engine.now_ms)["came_with"] == meter
    assert describing.unit(books, books.unit(meter), engine.now_ms)["came_with"] == format_eui(Eui64(FIRST))
    assert describing.unit(books, 1, engine.now_ms)["came_with"] is None


def test_ages_at_return_are_in_bands() -> None:
    bench = with_stock(age_days=400)
    bench.control("stock.install", company="supplier-one", count=2)
    bench.advance(40 * DAY_MS)
    for number in (0, 1, 2):
        bench.control("stock.mark", units=[format_eui(Eui64(FIRST + 2 * number))], truth="han" if number else "none")
        assert bench.submit("8.14.4", no_fault_return(FIRST + 2 * number, NO_FAULT[0])).code == "I99"
    engine = bench.world.engine
    engine.advance(engine.now_ms)
    keys = ("from_days", "to_days", "units", "never_installed", "failing", "failing_percent")
    rows = AGES.select(engine, {"supplier": "supplier-one"})
    assert [tuple(row[key] for key in keys) for row in rows] == [(31, 90, 2, 0, 1, 50), (366, 730, 1, 1, 1, 100)]
    assert not AGES.select(engine, {"supplier": "supplier-two"})


def test_lots_of_meters_follow_each_other() -> None:
    bench = Bench()
    lot = {"variant": "gsme", "count": 3, "versions": {"00010000": 1}, "manufacturer": "12A5", "model": "00030101"}
    firsts = [parse_eui(str(bench.control("stock.book", **lot)["first"])) for _ in range(3)]
    assert [each - firsts[0] for each in firsts] == [0, 3, 6]
    with pytest.raises(AssertionError, match="is a unit already"):
        bench.control("stock.book", **lot, first=format_eui(Eui64(firsts[2] + 2)))
