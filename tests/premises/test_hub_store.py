"""The hub's image store: room, replacement, expiry, unfit images, power cuts (ota.md 11.4, failures F18 to F28)."""

from typing import Any

import pytest

from emulator.domain.identifiers import Eui64
from emulator.domain.settings import read_settings
from emulator.domain.vocabulary import DeviceType
from emulator.premises.row_views import stored
from emulator.premises.settings import HanSettings
from emulator.premises.state import PremisesState
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
    OLD,
    PPMID,
    SECOND_MS,
    Rig,
    default_estate,
    with_device,
)


def failed(rig: Rig) -> list[tuple[int, int]]:
    """Devices and codes of the hub's failure reports."""
    return [(alert.says["device"], alert.says["transfer_code"]) for alert in rig.alerts(0x8F89)]


def deliver(rig: Rig, eui: Eui64, version: int = NEW, **options: Any) -> str:
    """Send an image and wait until it is at the hub: why it is not, if so."""
    told = len(rig.deliveries)
    image = rig.image(eui, version, **options)
    rig.distribute(eui, image, f"job {told} {len(rig.csp_state.jobs)} {rig.now_ms}")
    while len(rig.deliveries) == told:
        rig.run(SECOND_MS)
    return rig.deliveries[-1][3]


def test_the_store_is_shared_and_limited_in_number() -> None:
    rig = Rig(HanSettings(store_images=2))
    rig.distribute(GSME, rig.image(GSME), "gas")
    rig.distribute(ESME, rig.image(ESME), "electricity")
    rig.distribute(PPMID, rig.image(PPMID), "display")
    rig.run(MINUTE_MS)
    assert {job: (ok, reason) for _, job, ok, reason in rig.deliveries} == {
        "gas": (1, ""),
        "electricity": (1, ""),
        "display": (0, "store full"),
    }
    rig.run(HOUR_MS)  # the electricity meter has taken its image, the room is free again
    rig.distribute(PPMID, rig.image(PPMID), "display again")
    rig.run(HOUR_MS)
    assert rig.deliveries[-1][1:] == ("display again", 1, "")


def test_the_store_is_limited_in_octets() -> None:
    rig = Rig(HanSettings(store_images=9, store_bytes=50_000))
    assert deliver(rig, GSME, size=30_000) == ""
    assert deliver(rig, ESME, size=19_000) == ""
    assert deliver(rig, PPMID, size=1_000) == "store full"
    described = rig.premises.describe(HUB, rig.now_ms)
    assert described is not None
    assert described["image_store"]["used_bytes"] == sum(each.image.size_bytes for each in stored(rig.rows, HUB))
    assert described["image_store"]["used_bytes"] <= 50_000


def test_an_image_larger_than_the_hub_takes() -> None:
    rig = Rig(HanSettings(max_image_bytes=20_000))
    assert deliver(rig, ESME, size=20_001) == "image too large"
    assert deliver(rig, ESME, size=19_000) == ""


def test_refusals_name_their_reason() -> None:
    rig = Rig(HanSettings(hw_version_mandatory=True))
    key = rig.premises.images.hold(rig.image(ESME))
    assert rig.premises.send_image(Eui64(1), ESME, key, rig.now_ms) == (-1, "unknown hub")
    assert rig.premises.send_image(HUB, Eui64(1), key, rig.now_ms) == (-1, "unknown device")
    assert rig.premises.send_image(HUB, ESME, key, rig.now_ms) == (-1, "hardware versions missing")
    assert rig.premises.send_image(HUB, ESME, rig.premises.images.hold(b"rubbish"), rig.now_ms) == (-1, "image malformed")
    rig.faults.add("hub.store_full", HUB, times=1)
    assert deliver(rig, ESME, hardware_versions=(0, 0xFFFF)) == "store full"
    assert deliver(rig, ESME, hardware_versions=(0, 0xFFFF)) == ""


def test_a_newer_image_replaces_a_waiting_one() -> None:
    rig = Rig()
    assert deliver(rig, GSME, NEW) == ""
    assert deliver(rig, GSME, NEW) == "newer image held", "the same image is there already"
    assert deliver(rig, GSME, NEWER) == ""
    assert deliver(rig, GSME, NEW) == "newer image held"
    rig.run(MINUTE_MS)
    assert failed(rig) == [(GSME, 1)]
    assert [each.image.file_version for each in stored(rig.rows, HUB)] == [NEWER]


def test_force_replace_makes_way_for_an_older_image_of_the_same_device() -> None:
    rig = Rig()
    assert deliver(rig, GSME, NEWER) == ""
    assert deliver(rig, ESME, NEW) == ""
    assert deliver(rig, GSME, NEW, force_replace=1) == ""
    rig.run(MINUTE_MS)
    assert failed(rig) == [(GSME, 1)]


def test_a_replaced_image_frees_its_room_first() -> None:
    rig = Rig(HanSettings(store_images=1))
    assert deliver(rig, GSME, NEW) == ""
    assert deliver(rig, GSME, NEWER) == ""
    assert deliver(rig, ESME, NEW) == "store full"


def test_an_image_that_nobody_asks_for_expires() -> None:
    rig = Rig()
    rig.faults.add("device.never_queries", ESME)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(13 * DAY_MS)
    assert rig.deliveries[0][2] == 1
    assert not failed(rig)
    described = rig.premises.describe(ESME, rig.now_ms)
    assert described is not None
    assert "lies at the hub" in described["waiting_for"][0]["what"]
    rig.run(2 * DAY_MS)
    assert failed(rig) == [(ESME, 1)]
    assert not rig.state.images


def test_a_device_that_asks_late_still_gets_its_image() -> None:
    rig = Rig()
    rig.faults.add("device.never_queries", ESME, to_ms=rig.now_ms + 3 * DAY_MS)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(5 * DAY_MS)
    assert rig.alerts(0x8F72)


def test_hardware_that_the_image_is_not_for() -> None:
    rig = Rig()
    rig.distribute(ESME, rig.image(ESME, hardware_versions=(0x0200, 0x0300)))
    rig.run(HOUR_MS)
    assert rig.deliveries[0][2:] == (1, "")
    assert failed(rig) == [(ESME, 2)]
    assert not rig.alerts(0x8F72)
    let_through = Rig(HanSettings(check_hardware_version=False))
    let_through.distribute(ESME, let_through.image(ESME, hardware_versions=(0x0200, 0x0300)))
    let_through.run(HOUR_MS)
    assert failed(let_through) == [(ESME, 3)], "the device itself reads the header"
    assert not let_through.alerts(0x8F72)
    unchecked = Rig(HanSettings(check_hardware_version=False, check_own_hardware_version=False))
    unchecked.distribute(ESME, unchecked.image(ESME, hardware_versions=(0x0200, 0x0300)))
    unchecked.run(HOUR_MS)
    assert unchecked.alerts(0x8F72)


def test_an_image_that_names_no_hardware_is_for_any() -> None:
    rig = Rig(HanSettings(check_hardware_version=False))
    rig.distribute(ESME, rig.image(ESME, hardware_versions=None))
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F72)


def test_a_device_with_too_little_room() -> None:
    rig = Rig(estate=with_device(default_estate(), ESME, image_capacity_bytes=10_000))
    rig.distribute(ESME, rig.image(ESME, size=10_000))
    rig.run(HOUR_MS)
    assert failed(rig) == [(ESME, 3)]
    assert not list(stored(rig.rows, HUB))


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"version": OLD}, "check_file_version"), ({"version": NEW, "manufacturer_code": 0x9999}, "check_manufacturer")],
)
def test_images_that_a_device_ignores(options: dict[str, int], setting: str) -> None:
    rig = Rig()
    rig.distribute(ESME, rig.image(ESME, **options))
    rig.run(15 * DAY_MS)
    assert failed(rig) == [(ESME, 1)], "it lies there until it expires"
    unchecked = Rig(read_settings(HanSettings, {setting: False}))
    unchecked.distribute(ESME, unchecked.image(ESME, **options))
    unchecked.run(HOUR_MS)
    assert unchecked.alerts(0x8F72)


def test_a_transfer_that_breaks_off() -> None:
    rig = Rig()
    rig.faults.add("han.transfer_fails", ESME, times=1)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(HOUR_MS)
    assert failed(rig) == [(ESME, 3)]
    rig.distribute(ESME, rig.image(ESME), "again")
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F72)


def test_a_hub_that_loses_its_image_says_nothing() -> None:
    rig = Rig()
    rig.faults.add("hub.loses_image", HUB, times=1)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(DAY_MS)
    assert rig.deliveries[0][2:] == (1, "")
    assert not rig.heard
    assert not rig.state.images


def test_reports_for_some_device_types_only() -> None:
    rig = Rig(HanSettings(ccs08_for=(DeviceType.PPMID, DeviceType.HCALCS)))
    for eui in (ESME, HCALCS):
        rig.distribute(eui, rig.image(eui), hex(eui))
    rig.run(HOUR_MS)
    assert [alert.says["device"] for alert in rig.alerts(0x8F8A)] == [HCALCS]
    assert len(rig.alerts(0x8F72)) == 2


def test_power_cut_of_a_device_during_the_transfer() -> None:
    rig = Rig()
    assert deliver(rig, ESME) == ""
    rig.run(20 * SECOND_MS)
    assert rig.rows.loading(ESME) == "DOWNLOADING"
    rig.premises.power(ESME, False, rig.now_ms)
    assert [each.state for each in stored(rig.rows, HUB)] == ["READY"]
    rig.run(DAY_MS)
    assert not rig.heard
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F72)
    assert not rig.state.images


def test_power_cut_of_a_device_during_the_check() -> None:
    rig = Rig()
    assert deliver(rig, ESME) == ""
    rig.run(52 * SECOND_MS)
    assert rig.rows.loading(ESME) == "VERIFYING"
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(HOUR_MS)
    assert not rig.alerts(0x8F72)
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(MINUTE_MS)
    assert len(rig.alerts(0x8F72)) == 1


@pytest.mark.parametrize("loses", [False, True])
def test_power_cut_of_the_hub(loses: bool) -> None:
    rig = Rig()
    assert deliver(rig, ESME) == ""
    assert deliver(rig, GSME) == ""
    rig.run(20 * SECOND_MS)
    rig.premises.power(HUB, False, rig.now_ms)
    rig.run(HOUR_MS)
    assert not rig.heard
    if loses:
        rig.faults.add("hub.loses_image", HUB)
    rig.premises.power(HUB, True, rig.now_ms)
    rig.run(2 * HOUR_MS)
    assert len(rig.alerts(0x8F72)) == (0 if loses else 2)
    assert not rig.state.images


def test_a_device_that_is_off_when_its_image_expires() -> None:
    rig = Rig()
    assert deliver(rig, ESME) == ""
    rig.run(20 * SECOND_MS)
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(15 * DAY_MS)
    assert failed(rig) == [(ESME, 1)]


def test_a_device_that_is_taken_away() -> None:
    rig = Rig()
    assert deliver(rig, ESME) == ""
    rig.run(20 * SECOND_MS)
    assert rig.premises.remove_device(ESME, rig.now_ms)
    assert not rig.premises.remove_device(ESME, rig.now_ms)
    rig.run(15 * DAY_MS)
    assert failed(rig) == [(ESME, 1)]
    assert rig.premises.describe(ESME, rig.now_ms) is None
    assert not rig.state.images


def test_a_hub_that_is_taken_away() -> None:
    rig = Rig()
    assert deliver(rig, ESME) == ""
    rig.distribute(GSME, rig.image(GSME))
    rig.run(4 * SECOND_MS)
    assert rig.premises.remove_device(HUB, rig.now_ms)
    rig.run(10 * DAY_MS)
    assert not rig.heard
    assert rig.deliveries[1][2:] == (0, "unknown hub")
    assert not rig.state.images
    assert HUB not in rig.state.hubs


def test_state_is_filled_once() -> None:
    state = PremisesState()
    first = Rig(state=state)
    first.premises.remove_device(PPMID, first.now_ms)
    again = Rig(state=state)
    assert PPMID not in again.state.devices
