"""The inventory as users read and change it: 8.2, 8.4, 8.11, 12.2, joins (reference duis/duis.md section 7)."""

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus
from emulator.duis.encode import encode_message
from emulator.duis.messages import Element, ServiceResponse, element
from emulator.duis.parse import parse_document
from tests.dsp.bench_world import NETWORK_OPERATOR, OTHER_USER, SUPPLIER, SUPPLIER_TWO, Bench, bench_with, device
from tests.dsp.telling import schemas, told

ESME, GSME, HUB, GPF, PPMID, HCALCS = (device(0, last) for last in ("A0", "A1", "A2", "A3", "A4", "A5"))
NEW, NEW_HUB, NEW_GPF = device(8, "A0"), device(8, "A2"), device(8, "A3")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def read(bench: Bench, *search: Element, user: int = SUPPLIER) -> ServiceResponse:
    answer = bench.submit("8.2", element("ReadInventory", *search), user=user)
    assert schemas().validate(parse_document(encode_message(answer))) is None
    return answer


def listed(answer: ServiceResponse) -> list[str | None]:
    assert answer.payload is not None
    return [entry.value("DeviceID") for entry in answer.payload]


def notify(bench: Bench, eui: int, kind: str, user: int = SUPPLIER, **fields: str) -> str:
    row = {"CHF": ("10C0", "00010101"), "ESME": ("11E5", "00020101"), "GSME": ("12A5", "00030101")}.get(kind, ("GEO", "Trio"))
    values = {"DeviceManufacturer": row[0], "DeviceModel": row[1], "DeviceType": kind, "FirmwareVersion": "00010000", **fields}
    order = (
        "DeviceManufacturer", "DeviceModel", "DeviceType", "SMETSCHTSVersion", "FirmwareVersion", "ESMEVariant",
        "AssociatedGPFDeviceID",
    )  # fmt: skip
    children = (element(name, values[name]) for name in order if values.get(name))
    return bench.submit("12.2", element("DevicePrenotification", element("DeviceID", format_eui(eui)), *children), user=user).code


def change(bench: Bench, eui: int, what: Element, user: int = SUPPLIER) -> str:
    return bench.submit("8.4", element("UpdateInventory", element("DeviceID", format_eui(eui)), what), user=user).code


@pytest.mark.parametrize(
    "search",
    [
        element("DeviceID", format_eui(ESME)),
        element("DeviceID", format_eui(ESME).lower()),
        element("MPxN", "1200000000001"),
        element("MPxN", "1300000000001"),
        element("UPRN", "+01001"),
        element("PropertyFilter", element("PostCode", "mk11aa"), element("AddressIdentifier", "1 TEST LANE")),
    ],
)
def test_every_search_finds_the_whole_home_hub_first(bench: Bench, search: Element) -> None:
    assert listed(read(bench, search)) == [format_eui(eui) for eui in (HUB, ESME, GSME, GPF, HCALCS, PPMID)]


@pytest.mark.parametrize("user", [SUPPLIER_TWO, NETWORK_OPERATOR, OTHER_USER])
def test_anybody_may_read(bench: Bench, user: int) -> None:
    assert read(bench, element("UPRN", "1001"), user=user).code == "I0"


def test_nothing_and_too_much(bench: Bench) -> None:
    assert read(bench, element("MPxN", "0")).code == "E080201"
    for home in (1, 2):
        with bench.world.engine.context.lookup.changing(bench.world.engine.state.dsp.inventory[device(home, "A0")]):
            bench.world.engine.state.dsp.inventory[device(home, "A0")].import_mpxn = "1200000000001"
    assert listed(read(bench, element("MPxN", "1200000000001")))[0] == format_eui(HUB)
    for number in range(7):
        assert notify(bench, device(8, "B0") + number, "ESME") == "I99"
        entry = bench.world.engine.state.dsp.inventory[Eui64(device(8, "B0") + number)]
        with bench.world.engine.context.lookup.changing(entry):
            entry.import_mpxn = "1200000000001"
    assert read(bench, element("MPxN", "1200000000001")).code == "E080202"


def test_a_hub_is_notified_with_its_gas_proxy_and_nothing_else_is(bench: Bench) -> None:
    gpf = format_eui(NEW_GPF)
    assert notify(bench, NEW_HUB, "CHF") == "E120207"
    assert notify(bench, NEW_HUB, "CHF", AssociatedGPFDeviceID=format_eui(NEW_HUB)) == "E120201"
    assert notify(bench, NEW, "ESME", AssociatedGPFDeviceID=gpf) == "E120207"
    assert notify(bench, NEW_GPF, "GPF") == "E120207"
    assert notify(bench, NEW_HUB, "CHF", AssociatedGPFDeviceID=gpf) == "I99"
    assert notify(bench, NEW_GPF, "ESME") == "E120203"
    assert notify(bench, SUPPLIER, "ESME") == "E120203"
    inventory = bench.world.engine.state.dsp.inventory
    assert {inventory[eui].status for eui in (NEW_HUB, NEW_GPF)} == {DeviceStatus.PENDING}
    assert listed(read(bench, element("DeviceID", gpf))) == [format_eui(NEW_HUB), gpf]


def test_what_is_notified_is_on_the_products_list_in_use(bench: Bench) -> None:
    assert notify(bench, NEW, "ESME", FirmwareVersion="00090000") == "E120204"
    bench.control("cpl.put", type="ESME", manufacturer="11E5", model="00020101", firmware_version="00010100", status="Expired")
    assert notify(bench, NEW, "ESME", FirmwareVersion="00010100") == "E120204"
    assert notify(bench, NEW, "CAD", FirmwareVersion="v1.2") == "I99"


def test_products_are_the_same_in_small_letters(bench: Bench) -> None:
    for version in ("0001abcd", "0001ABCE"):
        bench.control("cpl.put", type="ESME", manufacturer="11E5", model="00020101", firmware_version=version)
    inventory = bench.world.engine.state.dsp.inventory
    assert notify(bench, NEW, "ESME", DeviceManufacturer="11e5", FirmwareVersion="0001abcd") == "I99"
    assert (inventory[NEW].manufacturer, inventory[NEW].firmware_version) == ("11E5", "0001ABCD")
    assert change(bench, NEW, element("UpdateDeviceDetails", element("FirmwareVersion", "0001abce"))) == "I99"
    assert inventory[NEW].firmware_version == "0001ABCE"
    display = Eui64(NEW + 1)
    assert notify(bench, display, "CAD", FirmwareVersion="v1.2") == "I99"
    assert (inventory[display].model, inventory[display].firmware_version) == ("Trio", "v1.2"), "free text of a Type 2 device"


def test_what_a_device_is_can_be_corrected_until_it_is_commissioned(bench: Bench) -> None:
    assert notify(bench, NEW, "ESME") == "I99"
    details = element("UpdateDeviceDetails", element("FirmwareVersion", "00010100"))
    bench.control(
        "cpl.put",
        type="ESME",
        manufacturer="11E5",
        model="00020101",
        firmware_version="00010300",
        gbcs_version="4.3",
    )
    assert change(bench, NEW, element("UpdateDeviceDetails", element("FirmwareVersion", "00010300"))) == "I99"
    entry = bench.world.engine.state.dsp.inventory[NEW]
    assert (entry.firmware_version, entry.gbcs_version) == ("00010300", "4.3")
    assert change(bench, NEW, element("UpdateDeviceDetails", element("FirmwareVersion", "00090000"))) == "E080407"
    assert change(bench, GSME, element("UpdateDeviceDetails", element("ESMEVariant", "B"))) == "E080405"
    assert change(bench, ESME, details) == "E080405"
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010000"


@pytest.mark.parametrize(
    ("eui", "what", "code"),
    [
        (ESME, element("UpdateDeviceStatusCH", "Withdrawn"), "E080406"),
        (HUB, element("UpdateDeviceStatusExceptCH", "Pending"), "E080406"),
        (ESME, element("UpdateDeviceStatusExceptCH", "Pending"), "E080405"),
        (ESME, element("DeleteDevice"), "E080409"),
        (PPMID, element("UpdateMPxN", element("ImportMPxN", "1200000000001")), "E080406"),
        (GSME, element("UpdateMPxN", element("ExportMPAN", "1300000000001")), "E080406"),
        (ESME, element("UpdateMPxN", element("ImportMPxN", "7400000001")), "E080410"),
        (ESME, element("UpdateMPxN", element("ImportMPxN", "1200000001001")), "I99"),
    ],
)
def test_changes_and_their_codes(bench: Bench, eui: int, what: Element, code: str) -> None:
    assert change(bench, eui, what) == code


def test_who_may_change_what(bench: Bench) -> None:
    assert change(bench, ESME, element("UpdateMPxN", element("ImportMPxN", "1")), user=SUPPLIER_TWO) == "E080411"
    assert change(bench, NEW, element("DeleteDevice")) == "E19"
    notify(bench, NEW, "CAD")
    assert change(bench, NEW, element("DeleteDevice"), user=OTHER_USER) == "E080411", "another party's"
    assert change(bench, NEW, element("DeleteDevice")) == "I99"
    assert told(bench.deliveries) == {"one": ["N9"]}
    notify(bench, NEW, "CAD", user=OTHER_USER)
    assert change(bench, NEW, element("DeleteDevice"), user=OTHER_USER) == "I99"
    assert told(bench.deliveries) == {"one": ["N9"], "other": ["N9"]}


def test_who_notified_a_device_and_whose_it_is_hear_that_it_is_deleted(bench: Bench) -> None:
    notify(bench, NEW, "ESME", user=OTHER_USER)
    assert change(bench, NEW, element("UpdateMPxN", element("ImportMPxN", "1200000001001")), user=SUPPLIER) == "E080411"
    with bench.world.engine.context.lookup.changing(bench.world.engine.state.dsp.inventory[NEW]):
        bench.world.engine.state.dsp.inventory[NEW].import_mpxn = "1200000001001"
    assert change(bench, NEW, element("DeleteDevice"), user=SUPPLIER) == "I99"
    assert told(bench.deliveries) == {"one": ["N9"], "other": ["N9"]}


def test_a_new_number_is_found_at_once(bench: Bench) -> None:
    change(bench, ESME, element("UpdateMPxN", element("ImportMPxN", "1200000001001")))
    assert read(bench, element("MPxN", "1200000000001")).code == "E080201"
    assert format_eui(ESME) in listed(read(bench, element("MPxN", "1200000001001")))


def test_a_deleted_hub_takes_its_gas_proxy_along(bench: Bench) -> None:
    notify(bench, NEW_HUB, "CHF", AssociatedGPFDeviceID=format_eui(NEW_GPF))
    assert change(bench, NEW_HUB, element("DeleteDevice")) == "I99"
    assert not {NEW_HUB, NEW_GPF} & set(bench.world.engine.state.dsp.inventory)


def device_log(bench: Bench, eui: int, request: str, **details: str) -> str:
    added = element("AddDeviceToCHFWhitelist", *(element(name, text) for name, text in details.items())) if details else None
    body = element("UpdateHANDeviceLog", element("DeviceID", format_eui(eui)), element("RequestType", request), added)
    return bench.submit("8.11", body, to=HUB).code


def test_what_a_device_log_takes(bench: Bench) -> None:
    details = {"JoinTimePeriod": "60", "InstallCode": "001122334455"}
    assert device_log(bench, NEW, "Add", **details) == "E081101"
    assert device_log(bench, ESME, "Add", **details) == "E081102"
    assert device_log(bench, device(1, "A0"), "Add", **details) == "E081104"
    assert device_log(bench, device(1, "A0"), "Remove") == "E081104"
    assert device_log(bench, ESME, "Add") == "E081105"
    assert device_log(bench, ESME, "Remove", **details) == "E081106"
    notify(bench, NEW, "ESME")
    assert device_log(bench, NEW, "Add", **details) == "E081107"
    assert device_log(bench, NEW, "Add", **details, ImportMPxN="1200000002001") == "E081108"
    notify(bench, NEW_HUB, "CHF", AssociatedGPFDeviceID=format_eui(NEW_GPF))
    assert device_log(bench, NEW_HUB, "Add", **details) == "E081102"
    assert device_log(bench, NEW, "Add", **details, ImportMPxN="1200000000001") == "I99"
    assert told(bench.run_until_idle()) == {"one": ["8.11 I0", "N25"]}, "nobody fitted it, so it never joined"


@pytest.mark.parametrize("kind", ["PPMID", "HCALCS"])
def test_a_hub_lists_so_many_displays_and_load_controllers(kind: str) -> None:
    bench = bench_with(ppmids_per_hub=2, hcalcs_per_hub=2)
    row = next(row for row in bench.world.estate.cpl if row.device_type == kind)
    codes = []
    for number in range(2):
        new = Eui64(NEW + number)
        fields = {"DeviceManufacturer": row.manufacturer, "DeviceModel": row.model, "FirmwareVersion": row.firmware_version}
        assert notify(bench, new, kind, **fields) == "I99"
        bench.control("device.fit", device=format_eui(new), hub=format_eui(HUB))
        codes.append(device_log(bench, new, "Add", JoinTimePeriod="600", InstallCode="001122334455"))
        bench.run_until_idle()
    assert codes == ["I99", "E081109"], "with the one that was there"
    assert device_log(bench, NEW, "Remove") == "I99"
    bench.run_until_idle()
    assert device_log(bench, Eui64(NEW + 1), "Add", JoinTimePeriod="600", InstallCode="001122334455") == "I99"


@pytest.mark.parametrize(
    ("srv", "target", "other", "code"),
    [
        ("8.7.1", ESME, NEW, "E080702"),
        ("8.7.1", ESME, device(1, "A4"), "E080702"),
        ("8.7.2", PPMID, NEW, "E080721"),
        ("8.7.2", PPMID, HCALCS, "E080722"),
        ("8.8.1", ESME, NEW, "E080801"),
        ("8.8.2", PPMID, NEW, "E080822"),
        ("8.8.2", GSME, GPF, "I99"),
        ("8.7.2", GSME, GPF, "I99"),
        ("8.7.1", ESME, HCALCS, "I0"),
    ],
)
def test_joins_need_a_fitting_partner_on_the_hub(bench: Bench, srv: str, target: int, other: int, code: str) -> None:
    names = {"8.7.1": "JoinServiceCritical", "8.7.2": "JoinServiceNonCritical", "8.8.1": "UnjoinServiceCritical"}
    body = element(names.get(srv, "UnjoinServiceNonCritical"), element("OtherDeviceID", format_eui(other)))
    assert bench.submit(srv, body, to=target, variant=4 if srv.endswith(".1") else 1).code == code


def test_the_version_of_a_hub_is_that_of_its_gas_proxy(bench: Bench) -> None:
    bench.control("cpl.put", type="CHF", manufacturer="10C0", model="00010101", firmware_version="00010500", gbcs_version="4.3")
    bench.control("cpl.put", type="GPF", manufacturer="10C0", model="00010101", firmware_version="00010500", gbcs_version="4.3")
    bench.world.engine.premises.side_channel(HUB, 0x00010500, bench.now_ms)
    assert bench.submit("11.2", to=GPF).code == "E11", "a GPF has no version of its own to read"
    assert bench.submit("11.2", to=HUB).code == "I99"
    assert told(bench.run_until_idle()) == {"one": ["11.2 I0", "N49"]}
    inventory = bench.world.engine.state.dsp.inventory
    assert {(inventory[eui].firmware_version, inventory[eui].gbcs_version) for eui in (HUB, GPF)} == {("00010500", "4.3")}
