"""Two-stage firmware: image, receipt alert, CS06 in all its outcomes, the new version (ota.md flows A and B)."""

import hashlib

import pytest

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.gbcs.message import Cra
from emulator.ota.image import parse_image
from emulator.premises.row_views import stored
from emulator.premises.settings import HanSettings
from tests.premises.homes import (
    DAY_MS,
    ESME,
    GSME,
    HCALCS,
    HOUR_MS,
    HUB,
    MINUTE_MS,
    NEW,
    NEWER,
    OTHER_SUPPLIER,
    SECOND_MS,
    SUPPLIER,
    Rig,
)

TWO_STAGE = {"ESME": (ESME, 0x00CE), "GSME": (GSME, 0x00CF), "HCALCS": (HCALCS, 0x00CE)}
CANCEL = "3000-12-31T00:00:00.00Z"


def held(rig: Rig, eui: Eui64 = ESME, version: int = NEW) -> bytes:
    """Bring an image into the device and return its hash."""
    image = rig.image(eui, version)
    rig.distribute(eui, image, f"job {version:08X}")
    rig.run(6 * HOUR_MS)
    return parse_image(image, trailer=True).manufacturer_image_hash


def after(rig: Rig, days: int) -> tuple[str, int]:
    """A date so many days ahead, as DUIS writes it and in milliseconds."""
    at_ms = rig.estate.start_ms + days * DAY_MS
    return f"2026-01-{5 + days:02}T08:00:00Z", at_ms


@pytest.mark.parametrize(("eui", "code"), TWO_STAGE.values(), ids=TWO_STAGE)
def test_image_to_new_version(eui: Eui64, code: int) -> None:
    rig = Rig()
    image = rig.image(eui)
    image_hash = parse_image(image, trailer=True).manufacturer_image_hash
    rig.distribute(eui, image)
    rig.run(6 * HOUR_MS)

    assert [outcome[1:] for outcome in rig.deliveries] == [("job", 1, "")]
    (transfer,) = rig.alerts(0x8F8A)
    assert (transfer.message.originator, transfer.message.recipient) == (HUB, ACCESS_CONTROL_BROKER)
    assert (transfer.says["device"], transfer.says["firmware_version"], transfer.says["transfer_code"]) == (eui, "00010100", 0)
    (receipt,) = rig.alerts(0x8F72)
    assert (receipt.message.message_code, receipt.message.originator, receipt.message.recipient) == (code, eui, SUPPLIER)
    assert receipt.says["hash"] == image_hash.hex()
    assert rig.deliveries[0][0] < transfer.at_ms < receipt.at_ms
    assert rig.rows.firmware(eui) == "HELD"
    assert rig.read_version(eui) == "00010000"

    command = rig.activate(eui, image_hash)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(command)
    assert (answer.says["activate_image_code"], answer.says["firmware_version"]) == (0, "00010100")
    assert answer.message.date_time is not None
    assert answer.message.mac is None
    assert rig.read_version(eui) == "00010100"
    assert [code for _, code in rig.state.devices[eui].events] == [0x8F72, 0x8F43]
    assert not rig.state.images
    assert not list(stored(rig.rows, HUB))
    rig.assert_all_authentic()


def test_activation_without_image() -> None:
    rig = Rig()
    command = rig.activate(ESME, hashlib.sha256(b"anything").digest())
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(command)
    assert (answer.says["activate_image_code"], answer.says["firmware_version"]) == (1, "00010000")
    assert not answer.says["ok"]


def test_activation_with_another_hash_and_again_with_the_right_one() -> None:
    rig = Rig()
    image_hash = held(rig)
    command = rig.activate(ESME, hashlib.sha256(b"anything").digest())
    rig.run(MINUTE_MS)
    assert rig.answers(command)[0].says["activate_image_code"] == 2
    command = rig.activate(ESME, image_hash)
    rig.run(10 * MINUTE_MS)
    assert rig.answers(command)[0].says["activate_image_code"] == 0


def test_activation_fails_and_may_be_tried_again() -> None:
    rig = Rig()
    image_hash = held(rig)
    rig.faults.add("device.activation_fails", ESME, times=1)
    command = rig.activate(ESME, image_hash)
    rig.run(10 * MINUTE_MS)
    answer = rig.answers(command)[0].says
    assert (answer["activate_image_code"], answer["firmware_version"]) == (3, "00010000")
    command = rig.activate(ESME, image_hash)
    rig.run(10 * MINUTE_MS)
    assert rig.answers(command)[0].says["activate_image_code"] == 0


def test_the_answer_comes_when_the_device_runs_again() -> None:
    rig = Rig(HanSettings(activation_ms=300 * SECOND_MS))
    image_hash = held(rig)
    begun_ms = rig.now_ms
    command = rig.activate(ESME, image_hash)
    rig.run(4 * MINUTE_MS)
    assert not rig.answers(command)
    waits = rig.premises.describe(ESME, rig.now_ms)
    assert waits is not None
    assert waits["waiting_for"][0]["what"] == "the end of its activation"
    early = rig.send("11.2", ESME)  # reaches the hub while the meter reboots
    rig.run(4 * MINUTE_MS)
    assert begun_ms + 5 * MINUTE_MS < rig.answers(command)[0].at_ms < begun_ms + 6 * MINUTE_MS
    assert rig.answers(early)[0].says["firmware_version"] == "00010100"


def test_dated_activation() -> None:
    rig = Rig()
    image_hash = held(rig)
    date, at_ms = after(rig, 3)
    command = rig.activate(ESME, image_hash, date)
    rig.run(MINUTE_MS)
    (accepted,) = rig.answers(command)
    assert accepted.message.content.hex() == "0500"
    described = rig.premises.describe(ESME, rig.now_ms)
    assert described is not None
    assert described["pending_activation"]["at_ms"] == at_ms
    assert described["waiting_for"] == [{"what": "the date of its activation", "until_ms": at_ms}]
    rig.run(at_ms - rig.now_ms - SECOND_MS)
    assert not rig.alerts(0x8F66)
    rig.run(HOUR_MS)
    (alert,) = rig.alerts(0x8F66)
    assert alert.message.message_code == 0x00CA
    assert alert.says["originator_counter"] == command.counter
    assert (alert.says["time_ms"], alert.says["activate_image_code"], alert.says["firmware_version"]) == (at_ms, 0, "00010100")
    assert rig.state.devices[ESME].pending is None
    assert rig.read_version(ESME) == "00010100"


@pytest.mark.parametrize(("fault", "code"), [(None, 2), ("device.loses_image", 1), ("device.activation_fails", 3)])
def test_dated_activation_that_fails(fault: str | None, code: int) -> None:
    rig = Rig()
    image_hash = held(rig) if fault else hashlib.sha256(b"other").digest()
    if fault:
        rig.faults.add(fault, ESME)
    else:
        held(rig)
    date, at_ms = after(rig, 2)
    rig.activate(ESME, image_hash, date)
    rig.run(at_ms - rig.now_ms + HOUR_MS)
    (alert,) = rig.alerts(0x8F67)
    assert (alert.says["activate_image_code"], alert.says["firmware_version"]) == (code, "00010000")
    assert not rig.alerts(0x8F66)


def test_cancelled_activation() -> None:
    rig = Rig()
    image_hash = held(rig)
    date, at_ms = after(rig, 3)
    rig.activate(ESME, image_hash, date)
    rig.run(HOUR_MS)
    cancel = rig.activate(ESME, image_hash, CANCEL)
    rig.run(HOUR_MS)
    assert rig.answers(cancel)[0].message.content.hex() == "0500"
    rig.run(at_ms - rig.now_ms + HOUR_MS)
    assert not rig.alerts(0x8F66)
    assert not rig.alerts(0x8F67)
    assert rig.read_version(ESME) == "00010000"


def test_a_newer_date_replaces_the_older() -> None:
    rig = Rig()
    image_hash = held(rig)
    first, second = after(rig, 2), after(rig, 4)
    rig.activate(ESME, image_hash, first[0])
    rig.run(HOUR_MS)
    newer = rig.activate(ESME, image_hash, second[0])
    rig.run(second[1] - rig.now_ms - HOUR_MS)
    assert not rig.alerts(0x8F66)
    rig.run(2 * HOUR_MS)
    (alert,) = rig.alerts(0x8F66)
    assert alert.says["originator_counter"] == newer.counter


def test_a_date_that_passes_without_power_is_kept() -> None:
    rig = Rig()
    image_hash = held(rig)
    date, at_ms = after(rig, 2)
    rig.activate(ESME, image_hash, date)
    rig.run(HOUR_MS)
    assert rig.premises.power(ESME, False, rig.now_ms)
    rig.run(at_ms - rig.now_ms + DAY_MS)
    assert not rig.alerts(0x8F66)
    assert rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F66)[0].says["firmware_version"] == "00010100"


def test_a_newer_image_replaces_the_held_one() -> None:
    rig = Rig()
    first = held(rig)
    second = held(rig, version=NEWER)
    assert [alert.says["hash"] for alert in rig.alerts(0x8F72)] == [first.hex(), second.hex()]
    stale = rig.activate(ESME, first)
    rig.run(10 * MINUTE_MS)
    assert rig.answers(stale)[0].says["activate_image_code"] == 2
    rig.activate(ESME, second)
    rig.run(10 * MINUTE_MS)
    assert rig.read_version(ESME) == "00010200"


def test_an_image_of_another_supplier_is_not_verified() -> None:
    rig = Rig()
    image = rig.image(ESME, signer=OTHER_SUPPLIER)
    rig.distribute(ESME, image)
    rig.run(HOUR_MS)
    (alert,) = rig.alerts(0x8F1C)
    assert alert.message.message_code == 0x00CE
    assert alert.says["hash"] == parse_image(image, trailer=True).manufacturer_image_hash.hex()
    assert not rig.alerts(0x8F72)
    assert rig.alerts(0x8F8A), "the transfer itself succeeded"
    command = rig.activate(ESME, bytes.fromhex(alert.says["hash"]))
    rig.run(HOUR_MS)
    assert rig.answers(command)[0].says["activate_image_code"] == 1


def test_a_bad_image_leaves_the_held_one() -> None:
    rig = Rig()
    good = held(rig)
    rig.distribute(ESME, rig.image(ESME, NEWER, signer=OTHER_SUPPLIER), "bad")
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F1C)
    rig.activate(ESME, good)
    rig.run(HOUR_MS)
    assert rig.read_version(ESME) == "00010100"


def test_after_a_change_of_supplier_the_receipt_goes_to_the_new_one() -> None:
    rig = Rig()
    rig.distribute(ESME, rig.image(ESME))
    assert rig.premises.set_credential(ESME, 2, OTHER_SUPPLIER, rig.now_ms)
    rig.run(HOUR_MS)
    (alert,) = rig.alerts(0x8F1C)
    assert alert.message.recipient == OTHER_SUPPLIER


def test_a_change_of_supplier_cancels_the_dated_activation() -> None:
    for cancels in (True, False):
        rig = Rig(HanSettings(store_images=4, fd_cancel_on_credential_change=cancels))
        image_hash = held(rig)
        date, at_ms = after(rig, 2)
        rig.activate(ESME, image_hash, date)
        rig.run(HOUR_MS)
        rig.premises.set_credential(ESME, 2, OTHER_SUPPLIER, rig.now_ms)
        rig.run(at_ms - rig.now_ms + HOUR_MS)
        told = [alert.message.recipient for alert in rig.alerts(0x8F66)]
        assert told == ([] if cancels else [SUPPLIER]), "to who signed it"


def test_a_device_that_dies() -> None:
    rig = Rig()
    image_hash = held(rig)
    rig.faults.add("device.dies_on_activation", ESME)
    command = rig.activate(ESME, image_hash)
    rig.run(HOUR_MS)
    assert not rig.answers(command)
    read = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    assert not rig.answers(read)
    described = rig.premises.describe(ESME, rig.now_ms)
    assert described is not None
    assert described["firmware"] == "DEAD"


@pytest.mark.parametrize("fault", ["han.drop_after_download", "han.drop_after_activation"])
def test_a_device_that_leaves_the_han(fault: str) -> None:
    rig = Rig()
    rig.faults.add(fault, ESME)
    image_hash = held(rig)
    assert rig.alerts(0x8F72), "its receipt was still sent"
    command = rig.activate(ESME, image_hash)
    rig.run(HOUR_MS)
    assert not rig.answers(command)
    described = rig.premises.describe(ESME, rig.now_ms)
    assert described is not None
    assert described["waiting_for"][0]["what"] == "being joined to the HAN"
    assert rig.premises.rejoin(ESME, rig.now_ms)
    assert rig.read_version(ESME) == ("00010000" if fault == "han.drop_after_download" else "00010100")


def test_change_of_version_as_an_alert_is_a_setting() -> None:
    rig = Rig(HanSettings(store_images=4, alert_on_version_change=True))
    image_hash = held(rig)
    rig.activate(ESME, image_hash)
    rig.run(HOUR_MS)
    (alert,) = rig.alerts(0x8F43)
    assert alert.message.cra is Cra.ALERT
    rig.assert_all_authentic()


def test_activation_that_loses_power_goes_on_with_it() -> None:
    rig = Rig()
    image_hash = held(rig)
    command = rig.activate(ESME, image_hash)
    rig.run(MINUTE_MS)
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(HOUR_MS)
    assert not rig.answers(command)
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(10 * MINUTE_MS)
    assert rig.answers(command)[0].says["activate_image_code"] == 0
