"""The main job, below the wire: distribute, follow, activate, prove, and what goes wrong on the way."""

import hashlib
from base64 import b64decode

import pytest

from emulator.domain.identifiers import format_eui
from emulator.duis.messages import element
from emulator.gbcs.message import decode_message
from emulator.gbcs.results import read_result
from tests.dsp.bench_world import (
    NETWORK_OPERATOR,
    OTHER_USER,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    dcc_alerts,
    device,
    device_alerts,
    responses,
)

ESME, GSME, CHF, PPMID, HCALCS = "A0", "A1", "A2", "A4", "A5"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def manufacturer_image_hash(bench: Bench, kind: str, version: str = "00010100") -> bytes:
    entry = next(e for e in bench.world.estate.cpl if e.device_type == kind and e.firmware_version == version)
    return bytes.fromhex(entry.image_hash)


def version_in_inventory(bench: Bench, eui: int) -> str:
    found = bench.submit("8.2", element("ReadInventory", element("DeviceID", format_eui(eui))))
    assert found.payload is not None
    entry = next(d for d in found.payload if d.value("DeviceID") == format_eui(eui))
    return entry.required("DeviceFirmwareVersion")


def read_version(bench: Bench, eui: int, user: int = SUPPLIER) -> str:
    assert bench.submit("11.2", to=eui, user=user).code == "I99"
    answer = next(r for r in responses(bench.run_until_idle()) if r.service_reference == "11.2")
    assert answer.code == "I0"
    assert answer.payload is not None
    return str(read_result(decode_message(b64decode(answer.payload.text)))["firmware_version"])


@pytest.mark.parametrize(("kind", "last"), [("ESME", ESME), ("GSME", GSME), ("HCALCS", HCALCS)])
def test_a_meter_takes_verifies_activates_and_proves_new_firmware(bench: Bench, kind: str, last: str) -> None:
    eui = device(0, last)
    answer = bench.distribute("11.1", kind, [eui])
    assert (answer.code, answer.payload) == ("I99", None)
    fresh = bench.run_until_idle()
    assert len(dcc_alerts(fresh, "N60")) == 1
    transfer = dcc_alerts(fresh, "N62")[0].body.find("FirmwareTransferAlert")
    assert transfer is not None
    assert transfer.value("TransferResponseCode") == "FileTransferSuccess"
    assert transfer.value("FirmwareVersion") == "00010100"
    receipt = read_result(decode_message(device_alerts(fresh, 0x8F72)[0].gbcs_payload))
    assert receipt["hash"] == manufacturer_image_hash(bench, kind).hex()
    assert version_in_inventory(bench, eui) == "00010000"

    _, sent = bench.activate(eui, manufacturer_image_hash(bench, kind))
    assert sent is not None
    assert sent.code == "I99"
    fresh = bench.run_until_idle()
    outcome = [r for r in responses(fresh) if r.service_reference == "11.3"]
    assert [r.code for r in outcome] == ["I0"]
    assert outcome[0].response_id == f"{format_eui(eui)}:{format_eui(SUPPLIER)}:{bench.counter}"
    assert version_in_inventory(bench, eui) == "00010100"
    assert read_version(bench, eui) == "00010100"
    assert bench.world.views.device(eui)["job"]["state"] == "CONFIRMED"  # type: ignore[index]


def test_a_ppmid_activates_by_itself_and_both_suppliers_hear_of_it(bench: Bench) -> None:
    eui = device(1, PPMID)
    assert bench.distribute("11.4", "PPMID", [eui]).code == "I99"
    bench.run_until_idle()
    assert [d.recipient for d in bench.deliveries if d.message in dcc_alerts(bench.deliveries, "N59")] == [SUPPLIER_TWO]
    assert {d.recipient for d in bench.deliveries if d.message in dcc_alerts(bench.deliveries, "N39")} == {SUPPLIER, SUPPLIER_TWO}
    assert version_in_inventory(bench, eui) == "00010100"


def test_a_legacy_ppmid_is_silent_until_it_is_read(bench: Bench) -> None:
    eui = device(2, PPMID)
    assert bench.distribute("11.4", "PPMID", [eui]).code == "I99"
    fresh = bench.run_until_idle()
    assert dcc_alerts(fresh, "N62")
    assert not dcc_alerts(fresh, "N39")
    assert bench.world.views.device(eui)["job"]["state"] == "UNKNOWN"  # type: ignore[index]
    assert version_in_inventory(bench, eui) == "00010000"
    assert read_version(bench, eui) == "00010100"
    assert version_in_inventory(bench, eui) == "00010100"


def test_a_mixed_list_is_split_into_the_warning_lists(bench: Bench) -> None:
    own, foreign, unknown, wrong_type = device(0, ESME), device(2, ESME), device(7, ESME), device(0, GSME)
    answer = bench.distribute("11.1", "ESME", [own, foreign, unknown, wrong_type])
    assert answer.code == "W110101"
    assert answer.payload is not None
    assert answer.payload.value("InvalidDeviceIDList") == ",".join(map(format_eui, [foreign, unknown]))
    assert answer.payload.value("NotApplicableFirmwareDeviceIDList") == format_eui(wrong_type)
    again = bench.distribute("11.1", "ESME", [own])
    assert again.code == "E110101"


def test_one_distribution_per_device_at_a_time(bench: Bench) -> None:
    own, other = device(0, ESME), device(1, ESME)
    assert bench.distribute("11.1", "ESME", [own]).code == "I99"
    answer = bench.distribute("11.1", "ESME", [own, other])
    assert answer.code == "W110101"
    assert answer.payload is not None
    assert answer.payload.value("OtherRequestInProgressList") == format_eui(own)


@pytest.mark.parametrize("user", [NETWORK_OPERATOR, OTHER_USER])
def test_who_is_no_supplier_may_not_distribute(bench: Bench, user: int) -> None:
    assert bench.distribute("11.1", "ESME", [device(0, ESME)], user=user).code == "E2"
    assert not bench.world.engine.state.dsp.jobs


def test_images_are_refused_for_what_is_wrong_with_them(bench: Bench) -> None:
    good = bench.image("ESME")
    devices = [device(0, ESME)]
    assert bench.distribute("11.1", "ESME", devices, image=b"\0" + good[1:]).code == "E110105"
    assert bench.distribute("11.1", "ESME", devices, image=good + b"\0").code == "E110105"
    assert bench.distribute("11.1", "ESME", devices, image=bench.image("ESME", signer=None)).code == "E110105"
    tampered = good[:100] + bytes([good[100] ^ 1]) + good[101:]
    assert bench.distribute("11.1", "ESME", devices, image=tampered).code == "E110103"
    assert bench.distribute("11.1", "ESME", devices, version="00010099").code == "E110102"
    assert bench.distribute("11.1", "ESME", devices, version="0001FFFF", image=good).code == "E110102"
    assert not bench.world.engine.state.dsp.jobs


def test_an_image_signed_by_another_supplier_fails_on_the_device(bench: Bench) -> None:
    eui = device(0, ESME)
    assert bench.distribute("11.1", "ESME", [eui], signer=SUPPLIER_TWO).code == "I99"
    fresh = bench.run_until_idle()
    assert device_alerts(fresh, 0x8F1C)
    assert bench.world.views.device(eui)["job"]["state"] == "FAILED_VERIFY"  # type: ignore[index]


@pytest.mark.parametrize(
    ("fault", "image_hash", "code"),
    [
        (None, None, 0),
        ("device.loses_image", None, 1),
        (None, hashlib.sha256(b"another").digest(), 2),
        ("device.activation_fails", None, 3),
    ],
)
def test_activation_has_four_outcomes(bench: Bench, fault: str | None, image_hash: bytes | None, code: int) -> None:
    eui = device(0, ESME)
    bench.distribute("11.1", "ESME", [eui])
    bench.run_until_idle()
    if fault:
        bench.control("fault.add", kind=fault, device=format_eui(eui))
    bench.activate(eui, image_hash or manufacturer_image_hash(bench, "ESME"))
    answer = next(r for r in responses(bench.run_until_idle()) if r.service_reference == "11.3")
    assert answer.payload is not None
    result = read_result(decode_message(b64decode(answer.payload.text)))
    assert result["activate_image_code"] == code
    expected = "00010100" if code == 0 else "00010000"
    assert result["firmware_version"] == expected
    assert version_in_inventory(bench, eui) == expected


def test_a_request_goes_on_when_the_first_of_its_devices_fails_at_once(bench: Bench) -> None:
    """The image stays for the others, although nobody used it yet when the first job ended."""
    devices = [device(home, PPMID) for home in range(3)]
    bench.control("fault.add", kind="hub.store_full", device=format_eui(device(0, CHF)))
    assert bench.distribute("11.4", "PPMID", devices).code == "I99"
    fresh = bench.run_until_idle()
    assert [alert.body.value("TargetDeviceID") for alert in dcc_alerts(fresh, "N61")] == [format_eui(devices[0])]
    assert {alert.body.value("TargetDeviceID") for alert in dcc_alerts(fresh, "N60")} == {format_eui(eui) for eui in devices[1:]}
