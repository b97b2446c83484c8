"""Reports of hubs installed and returned: recorded, checked against the network, and what they do to the inventory."""

import pytest

from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import DeviceStatus
from emulator.duis.messages import Element, element
from tests.dsp.bench_world import DAY_MS, SUPPLIER, SUPPLIER_TWO, Bench, bench_with, device
from tests.dsp.telling import told

HUB, ESME = device(0, "A2"), device(0, "A0")


def installed(srv: str = "8.14.1", hub: int = HUB) -> Element:
    return element(
        "CHFInstallSuccessSMWAN" if srv == "8.14.1" else "CHFInstallSuccessNoSMWAN",
        element("DeviceID", format_eui(hub)),
        element("CHFInstallType", "New CHF Install"),
        element("MPxN", "1200000000001"),
    )


def returned(other: int = ESME, hub: int = HUB) -> Element:
    return element("CHFFaultReturn", element("DeviceID", format_eui(hub)), element("OtherDeviceID", format_eui(other)))


def test_an_installed_hub_on_the_wan_is_commissioned() -> None:
    bench = Bench()
    entry = bench.world.engine.state.dsp.inventory[HUB]
    entry.status = DeviceStatus.PENDING
    assert bench.submit("8.14.1", installed()).code == "I99"
    assert entry.status is DeviceStatus.COMMISSIONED
    (report,) = bench.world.engine.state.dsp.hub_reports[HUB]
    assert (report.variant, report.by, report.said["MPxN"]) == ("8.14.1", SUPPLIER, "1200000000001")


def test_a_report_that_the_network_contradicts_is_recorded_and_says_so() -> None:
    bench = Bench()
    assert bench.submit("8.14.2", installed("8.14.2")).code == "W081401"
    assert bench.world.engine.state.dsp.hub_reports[HUB]
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    assert bench.submit("8.14.2", installed("8.14.2")).code == "I99"
    assert bench.submit("8.14.1", installed()).code == "W081401"


def test_a_hub_in_use_is_not_returned_and_one_out_of_use_is() -> None:
    bench = Bench()
    before = bench.world.engine.state.dsp.inventory[HUB].status
    assert bench.submit("8.14.3", returned()).code == "E081406"
    assert bench.world.engine.state.dsp.inventory[HUB].status is before
    for meter in (ESME, device(0, "A1")):
        assert bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(meter)))).code == "I99"
    assert bench.submit("8.14.3", returned()).code == "I99"
    assert bench.world.engine.state.dsp.inventory[HUB].status is DeviceStatus.WITHDRAWN
    assert bench.submit("8.14.1", installed()).code == "E081402", "it has been returned"


@pytest.mark.parametrize("srv", ["8.14.3", "8.4"])
def test_what_was_asked_ahead_of_a_hub_falls_with_it(srv: str) -> None:
    bench = Bench()
    for meter in (ESME, device(0, "A1")):
        bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(meter))))
    later = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-08T00:00:00Z"))
    assert bench.submit("11.2", later, to=HUB).code == "I99"
    bench.deliveries.clear()
    withdrawn = element("UpdateInventory", element("DeviceID", format_eui(HUB)), element("UpdateDeviceStatusCH", "Withdrawn"))
    assert bench.submit(srv, returned() if srv == "8.14.3" else withdrawn).code == "I99"
    assert told(bench.deliveries) == {"one": ["N3"]}
    assert not bench.advance(7 * DAY_MS)


def test_the_other_supplier_of_a_home_hears_that_its_hub_went_back() -> None:
    bench = Bench()
    gas = bench.world.engine.state.dsp.inventory[device(0, "A1")]
    bench.control("registration.put", mpxn=gas.import_mpxn, role="GS", party="supplier-two")
    for meter, user in ((ESME, SUPPLIER), (gas.eui, SUPPLIER_TWO)):
        body = element("DecommissionDevice", element("DeviceID", format_eui(meter)))
        assert bench.submit("8.3", body, user=user).code == "I99"
    bench.deliveries.clear()
    assert bench.submit("8.14.3", returned()).code == "I99"
    assert told(bench.deliveries) == {"two": ["N8"]}


@pytest.mark.parametrize(("srv", "body", "user", "code"), [
    ("8.14.1", installed(hub=ESME), SUPPLIER, "E081401"),
    ("8.14.1", installed(hub=0x1234), SUPPLIER, "E081401"),
    ("8.14.3", returned(other=0x1234), SUPPLIER, "E081405"),
    ("8.14.1", installed(), SUPPLIER_TWO, "E4"),
])  # fmt: skip
def test_what_is_refused_changes_nothing(srv: str, body: Element, user: int, code: str) -> None:
    bench = Bench()
    assert bench.submit(srv, body, user=user).code == code
    assert not bench.world.engine.state.dsp.hub_reports


def test_a_setting_makes_reports_mere_records() -> None:
    bench = bench_with(hub_status_reports="record")
    bench.world.engine.state.dsp.inventory[HUB].status = DeviceStatus.PENDING
    assert bench.submit("8.14.1", installed()).code == "I99"
    assert bench.world.engine.state.dsp.inventory[HUB].status is DeviceStatus.PENDING
