"""What changes in the inventory and in registration data is on record with what was there before: once for each cause."""

import pytest

from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import Entry
from emulator.duis.messages import element
from tests.dsp.bench_world import SUPPLIER, SUPPLIER_TWO, Bench, device
from tests.dsp.test_firmware import manufacturer_image_hash

ESME, GSME, PPMID, SOUTH_PPMID = device(0, "A0"), device(0, "A1"), device(0, "A4"), device(2, "A4")
NEW = "00-DB-12-34-56-78-99-A0"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def records(bench: Bench, kind: str) -> list[Entry]:
    return [record.entry for record in bench.audit if record.entry.kind == kind]


def test_what_a_device_announces_is_on_record_until_it_is_deleted(bench: Bench) -> None:
    new = bench.submit(
        "12.2",
        element(
            "DevicePrenotification",
            element("DeviceID", NEW),
            element("DeviceType", "ESME"),
            element("DeviceManufacturer", "11E5"),
            element("DeviceModel", "00020101"),
            element("FirmwareVersion", "00010000"),
        ),
    )
    change = element("UpdateDeviceStatusExceptCH", "InstalledNotCommissioned")
    bench.submit("8.4", element("UpdateInventory", element("DeviceID", NEW), change))
    bench.submit("8.4", element("UpdateInventory", element("DeviceID", NEW), element("UpdateDeviceStatusExceptCH", "Pending")))
    bench.submit("8.4", element("UpdateInventory", element("DeviceID", NEW), element("DeleteDevice")))
    added, changed, back, removed = records(bench, "inventory")
    assert new.code == "I99"
    assert (added.outcome, added.before) == ("added", "")
    assert added.after.startswith("status Pending, manufacturer 11E5, model 00020101, firmware_version 00010000")
    assert (changed.outcome, changed.before, changed.after) == ("changed", "status Pending", "status InstalledNotCommissioned")
    assert (changed.user, changed.variant, changed.device) == (format_eui(SUPPLIER), "8.4", NEW)
    assert back.after == "status Pending"
    assert (removed.outcome, removed.before, removed.after) == ("removed", added.after, "")


def test_what_changes_nothing_makes_no_record(bench: Bench) -> None:
    assert bench.submit("8.4", element("UpdateInventory", element("DeviceID", format_eui(ESME)), element("DeleteDevice"))).code
    bench.submit("11.2", to=ESME)
    bench.run_until_idle()
    assert not records(bench, "inventory")


def test_an_activation_is_recorded_with_its_request(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    assert not records(bench, "inventory")
    _, acknowledged = bench.activate(ESME, manufacturer_image_hash(bench, "ESME"))
    bench.run_until_idle()
    (entry,) = records(bench, "inventory")
    assert acknowledged is not None
    assert (entry.request_id, entry.variant) == (acknowledged.request_id, "11.3")
    assert (entry.before, entry.after) == ("firmware_version 00010000", "firmware_version 00010100")


def test_a_request_for_a_list_costs_no_record_for_each_device(bench: Bench) -> None:
    """The record of the request has version and list, the device its state: a campaign costs records per request."""
    bench.distribute("11.4", "PPMID", [PPMID, SOUTH_PPMID])
    bench.run_until_idle()
    state = bench.world.engine.state.dsp
    assert state.inventory[PPMID].firmware_version == "00010100"
    assert not records(bench, "inventory")
    (decision,) = records(bench, "decision")
    assert (decision.devices, decision.version) == (2, "00010100")


def test_a_withdrawn_version_is_one_record_with_the_list_of_devices(bench: Bench) -> None:
    row = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": "00010000"}
    bench.control("cpl.put", **row, status="Withdrawn")
    (entry,) = records(bench, "inventory")
    assert (entry.devices, entry.before, entry.after) == (3, "status Commissioned", "status Suspended")
    bench.control("cpl.put", **row, status="Active")
    assert [each.after for each in records(bench, "inventory")] == ["status Suspended", "status Commissioned"]
    assert [(each.before, each.after) for each in records(bench, "control")] == [
        ("status Active", "status Withdrawn"),
        ("status Withdrawn", "status Active"),
    ]


def test_one_registration_is_one_record_with_who_held_it(bench: Bench) -> None:
    bench.control("registration.put", mpxn="1200000000001", role="IS", party="supplier-two", to_ms=bench.now_ms + 1000)
    (entry,) = records(bench, "registration")
    assert (entry.mpxn, entry.role, entry.before) == ("1200000000001", "IS", "supplier-one")
    assert entry.after == "supplier-two from 2026-01-05T08:00:00.000Z to 2026-01-05T08:00:01.000Z"


def test_many_registrations_are_one_record_with_their_hash(bench: Bench) -> None:
    lines = "".join(f"{1_200_000_000_000 + number},IS,supplier-two,2026-01-01,\n" for number in range(1, 500))
    bench.control("registration.load", csv="mpxn,role,party,from,to\n" + lines)
    (entry,) = records(bench, "registration")
    assert (entry.outcome, entry.reason, len(entry.file_hash)) == ("loaded", "499 registrations", 64)


def test_credentials_and_users_are_on_record(bench: Bench) -> None:
    bench.control("device.credentials", device=format_eui(GSME), party=format_eui(SUPPLIER_TWO))
    bench.control("user.status", user=format_eui(SUPPLIER), active=False)
    assert [entry.outcome for entry in records(bench, "control")] == ["credentials", "user suspended"]
