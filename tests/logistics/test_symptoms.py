"""New homes out of stock, and what is wrong with a unit as it is felt there."""

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.settings import DAY_MS, HOUR_MS
from emulator.domain.vocabulary import DeviceStatus
from emulator.duis.messages import element
from emulator.logistics.tables import symptoms, truths
from emulator.simulation.faults import KINDS, Subject
from emulator.world import restore_world
from tests.dsp.bench_world import SUPPLIER, Bench, dcc_alerts, device
from tests.logistics.test_ties import FIRST, HUB, with_stock

METER = 0x00DB_5001_0000_0000
MPXN = "1200000009001"
PLACE = {"region": "Central", "post_code": "ZZ1 9ZZ", "address_identifier": "7"}


def unit(number: int) -> str:
    return format_eui(Eui64(FIRST + 2 * number))


def with_meters() -> Bench:
    bench = with_stock()
    meters = {"variant": "esme-optical", "count": 4, "versions": {"00010000": 1}, "manufacturer": "11E5", "model": "00020101"}
    bench.control("stock.book", **meters, owner="supplier-one", first=format_eui(Eui64(METER)))
    bench.control("registration.put", mpxn=MPXN, role="IS", party="supplier-one")
    return bench


def begin(bench: Bench, number: int = 0) -> DeviceStatus | None:
    bench.control("device.fit", device=unit(number), home=PLACE, supplier=format_eui(SUPPLIER))
    return bench.world.engine.state.dsp.inventory[Eui64(FIRST + 2 * number)].status


def whitelist(bench: Bench, number: int = 0) -> list[str]:
    """8.11 of the first meter, and whether N24 or N25 came of it."""
    bench.control("device.fit", device=format_eui(Eui64(METER)), hub=unit(number), supplier=format_eui(SUPPLIER))
    add = element(
        "UpdateHANDeviceLog",
        element("DeviceID", format_eui(Eui64(METER))),
        element("RequestType", "Add"),
        element(
            "AddDeviceToCHFWhitelist",
            element("JoinTimePeriod", "600"),
            element("InstallCode", "00" * 16),
            element("ImportMPxN", MPXN),
        ),
    )
    assert bench.submit("8.11", add, to=FIRST + 2 * number).code == "I99"
    found = bench.advance(2 * HOUR_MS)
    return [code for code in ("N24", "N25") if dcc_alerts(found, code)]


def test_a_hub_out_of_stock_begins_a_home() -> None:
    bench = with_meters()
    assert begin(bench) is DeviceStatus.COMMISSIONED
    engine = bench.world.engine
    assert engine.logistics.books.state_of(0) == "installed"
    read = element("ReadInventory", element("PropertyFilter", element("PostCode", "ZZ1 9ZZ"), element("AddressIdentifier", "7")))
    assert bench.submit("8.2", read).code == "I0"
    assert whitelist(bench) == ["N24"]
    assert engine.state.dsp.inventory[Eui64(METER)].status is DeviceStatus.WHITELISTED


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"home": PLACE, "hub": format_eui(HUB)}, "one of hub"),
        ({}, "one of hub"),
        ({"home": {"region": "Nowhere"}}, "no region"),
        ({"home": {"region": "Central", "technology": "smoke"}}, "WAN technology"),
        ({"home": {"region": "Central", "post_code": "Z"}}, "6 to 8"),
        ({"home": {"region": "Central", "uprn": 10**12}}, "1 to 12 digits"),
        ({"home": PLACE, "network_operator": format_eui(SUPPLIER)}, "network operator"),
        ({"home": PLACE, "device": format_eui(device(0, "A0"))}, "is a ESME"),
        ({"home": PLACE, "device": format_eui(HUB)}, "stands somewhere already"),
    ],
)
def test_no_home_begins_with_what_cannot_be(params: dict[str, object], said: str) -> None:
    bench = with_stock()
    with pytest.raises(AssertionError, match=said):
        bench.control("device.fit", **{"device": unit(0), **params})
    assert bench.world.engine.state.logistics.standing == {}
    assert not bench.world.engine.faults.entries


def test_every_symptom_is_a_fault_of_hub_or_device() -> None:
    for cause, listed in symptoms().items():
        assert cause in truths() or cause.startswith("defect ")
        for each in listed:
            assert KINDS[each.fault].subject is not Subject.USER
            assert 0 < each.percent <= 100


def test_a_hub_whose_wan_fails_is_not_commissioned() -> None:
    bench = with_stock()
    bench.control("stock.mark", units=[unit(0)], truth="wan")
    assert begin(bench) is DeviceStatus.PENDING
    body = element(
        "CHFInstallSuccessNoSMWAN",
        element("DeviceID", unit(0)),
        element("CHFInstallType", "CHF Install - no SM WAN"),
        element("MPxN", "1200000000001"),
    )
    assert bench.submit("8.14.2", body).code == "I99"
    assert bench.world.engine.state.dsp.inventory[Eui64(FIRST)].status is DeviceStatus.INSTALLED_NOT_COMMISSIONED
    assert begin(bench, 1) is DeviceStatus.COMMISSIONED, "the fault is of the one hub alone"


def test_a_fault_leaves_with_its_unit() -> None:
    bench = with_stock()
    bench.control("stock.mark", units=[unit(0), unit(1)], truth="wan")
    begin(bench)
    begin(bench, 1)
    faults = bench.world.engine.faults
    assert [entry.devices for entry in faults.entries] == [frozenset((FIRST, FIRST + 2))]
    bench.control("stock.mark", units=[unit(1)], truth="none")
    assert [entry.devices for entry in faults.entries] == [frozenset((FIRST,))]
    bench.control("stock.mark", units=[unit(0)], truth="none")
    assert not faults.entries


def test_nothing_joins_a_hub_whose_han_fails() -> None:
    bench = with_meters()
    bench.control("stock.mark", units=[unit(0)], truth="han")
    assert begin(bench) is DeviceStatus.COMMISSIONED
    assert whitelist(bench) == ["N25"]


def test_old_firmware_makes_an_installation_fail_until_it_is_updated() -> None:
    bench = with_meters()
    listed = {"type": "CHF", "manufacturer": "10C0", "model": "00010101", "firmware_version": "00010100"}
    bench.control("cpl.put", **listed)
    bench.control("stock.defect", version="00010000", kind="install", percent=100)
    begin(bench)
    assert whitelist(bench) == ["N25"]
    bench.control("stock.update", version="00010100", duration_ms=HOUR_MS)
    bench.advance(2 * DAY_MS)
    bench.control("device.fit", device=format_eui(Eui64(METER + 1)), hub=unit(0), supplier=format_eui(SUPPLIER))
    add = element(
        "UpdateHANDeviceLog",
        element("DeviceID", format_eui(Eui64(METER + 1))),
        element("RequestType", "Add"),
        element(
            "AddDeviceToCHFWhitelist",
            element("JoinTimePeriod", "600"),
            element("InstallCode", "00" * 16),
            element("ImportMPxN", MPXN),
        ),
    )
    assert bench.submit("8.11", add, to=FIRST).code == "I99"
    assert dcc_alerts(bench.advance(2 * HOUR_MS), "N24")


def test_a_defect_in_service_shows_in_its_time_and_is_in_snapshots() -> None:
    bench = with_stock()
    bench.control("stock.defect", version="00010000", kind="service", percent=100, onset_days=10)
    begin(bench)
    engine = bench.world.engine
    assert not engine.faults.entries
    bench.collect()
    again = restore_world("again", engine.snapshot()).engine
    for each in (engine, again):
        each.advance(each.now_ms + 20 * DAY_MS)
        (entry,) = each.faults.entries
        assert entry.devices == frozenset((FIRST,))
        assert entry.from_ms == int(each.logistics.books.units.shows_s[0]) * 1000
    assert engine.digest() == again.digest()


def test_a_hub_begins_a_home_where_no_hub_of_its_kind_was() -> None:
    bench = with_stock(variant="4g")
    engine = bench.world.engine
    before = set(engine.state.premises.rows.pools)
    assert begin(bench) is DeviceStatus.COMMISSIONED
    assert set(engine.state.premises.rows.pools) - before == {"4g/Central"} - before
    listed = {"type": "CHF", "manufacturer": "10C0", "model": "00010101", "firmware_version": "00010100"}
    bench.control("cpl.put", **listed)
    bench.control("stock.update", version="00010100", duration_ms=HOUR_MS)
    again = restore_world("again", engine.snapshot()).engine
    for each in (engine, again):
        each.advance(each.now_ms + 2 * DAY_MS)
        assert each.premises.rows.running_version(Eui64(FIRST)) == 0x00010100
        each.take_effects()
    assert engine.digest() == again.digest()


def test_a_visit_on_record_must_be_one() -> None:
    bench = with_meters()
    engine = bench.world.engine
    begin(bench)
    whitelist(bench)
    given: dict[str, object] = {"company": "supplier-one", "units": [unit(0), format_eui(Eui64(METER))], "minutes": 70}
    for wrong, said in (
        ({"company": "supplier-two"}, "is of supplier-one"),
        ({"units": [unit(0), unit(0)]}, "named twice"),
        ({"units": [unit(1)]}, "supplier store"),
        ({"units": [format_eui(Eui64(METER))]}, "no hub"),
        ({"minutes": 0}, "minutes is 0"),
        ({"units": [unit(0)], "failed": True}, "would stay without its hub"),
    ):
        before = engine.digest()
        with pytest.raises(AssertionError, match=said):
            bench.control("stock.visit", **{**given, **wrong})
        assert engine.digest() == before
    assert bench.control("stock.visit", **given, failed=True)["failed"] is True
    assert engine.logistics.books.state_of(0) == "installer"
    assert engine.state.dsp.inventory[Eui64(METER)].status is DeviceStatus.PENDING
    assert begin(bench) is DeviceStatus.COMMISSIONED, "it can be put up anew"
    assert whitelist(bench) == ["N24"]


def test_an_installer_waits_for_firmware_only_at_a_hub_that_stands() -> None:
    bench = with_meters()
    for wrong, said in (
        ({"unit": unit(0)}, "no hub in an emulated home"),
        ({"unit": format_eui(Eui64(METER))}, "no hub in an emulated home"),
        ({"unit": unit(0), "version": "00010000"}, "does not go with unit"),
        ({}, "version is missing"),
    ):
        with pytest.raises(AssertionError, match=said):
            bench.control("stock.update", **wrong)
    begin(bench)
    bench.control("cpl.put", type="CHF", manufacturer="10C0", model="00010101", firmware_version="00010100")
    assert bench.control("stock.update", unit=unit(0)) == {
        "hubs": 1, "over_the_air": 1, "version": "00010100", "minutes": 45, "too_long": False,
    }  # fmt: skip
    bench.advance(2 * HOUR_MS)
    assert bench.world.engine.premises.rows.running_version(Eui64(FIRST)) == 0x00010100


def test_hubs_that_begin_homes_are_checked_before_anything_happens() -> None:
    bench = with_stock(notified=False)
    bench.control("cpl.put", type="CHF", manufacturer="10C0", model="00010101", firmware_version="00010100")
    before = bench.world.engine.digest()
    with pytest.raises(AssertionError, match="not in the inventory"):
        bench.control("stock.install", company="supplier-one", count=3, region="Central", update=True)
    assert bench.world.engine.digest() == before
