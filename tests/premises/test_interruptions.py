"""Things that come at a bad moment: reboots, outages and absences in the middle of something else."""

from dataclasses import replace

import pytest

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus
from emulator.premises.row_views import stored
from emulator.premises.settings import HanSettings
from tests.premises.homes import (
    DAY_MS,
    ESME,
    GPF,
    GSME,
    HOUR_MS,
    HUB,
    KA,
    MINUTE_MS,
    NEWER,
    PPMID,
    SECOND_MS,
    SUPPLIER,
    Keys,
    Rig,
    default_estate,
    with_device,
)

SLOW = HanSettings(store_images=4, activation_ms=600 * SECOND_MS)


def waits_for(rig: Rig, eui: Eui64) -> list[str]:
    described = rig.premises.describe(eui, rig.now_ms)
    assert described is not None
    return [wait["what"] for wait in described["waiting_for"]]


def held_hash(rig: Rig, eui: Eui64) -> bytes:
    image = rig.rows.held(eui)
    assert image is not None
    return image.manufacturer_image_hash


def held(rig: Rig, eui: Eui64 = ESME) -> bytes:
    rig.distribute(eui, rig.image(eui), "first")
    rig.run(HOUR_MS)
    return held_hash(rig, eui)


def test_an_image_that_arrives_while_the_device_reboots_waits() -> None:
    rig = Rig(SLOW)
    rig.activate(ESME, held(rig))
    rig.run(MINUTE_MS)
    rig.distribute(ESME, rig.image(ESME, NEWER), "second")
    rig.run(5 * MINUTE_MS)
    assert [each.state for each in stored(rig.rows, HUB)] == ["READY"]
    rig.run(HOUR_MS)
    assert len(rig.alerts(0x8F72)) == 2


def test_a_reboot_in_the_middle_of_a_transfer_delays_it() -> None:
    rig = Rig(SLOW)
    image_hash = held(rig)
    rig.distribute(ESME, rig.image(ESME, NEWER), "second")
    rig.run(20 * SECOND_MS)
    assert waits_for(rig, ESME) == ["the last block of its image 00010200"]
    rig.activate(ESME, image_hash)
    rig.run(5 * MINUTE_MS)
    assert len(rig.alerts(0x8F72)) == 1
    rig.run(HOUR_MS)
    assert len(rig.alerts(0x8F72)) == 2
    assert rig.read_version(ESME) == "00010100"


def test_a_reboot_in_the_middle_of_a_check_delays_it() -> None:
    rig = Rig(HanSettings(store_images=4, verification_ms=60 * SECOND_MS))
    image_hash = held(rig)
    rig.distribute(ESME, rig.image(ESME, NEWER), "second")
    rig.run(80 * SECOND_MS)
    assert waits_for(rig, ESME) == ["the check of its image 00010200"]
    rig.activate(ESME, image_hash)
    rig.run(HOUR_MS)
    assert len(rig.alerts(0x8F72)) == 2
    assert rig.rows.held(ESME).file_version == NEWER


def test_a_date_that_passes_while_the_command_waits_for_a_reboot_is_executed_at_once() -> None:
    rig = Rig(SLOW)
    image_hash = held(rig)
    rig.activate(ESME, image_hash)
    dated = rig.activate(ESME, image_hash, "2026-01-05T09:05:00Z")
    rig.run(DAY_MS)
    assert rig.answers(dated)[0].message.content.hex() == "0500"
    (alert,) = rig.alerts(0x8F67)
    assert (alert.says["activate_image_code"], alert.says["firmware_version"]) == (1, "00010100")


def test_a_command_for_a_device_that_loses_power_while_it_reboots() -> None:
    rig = Rig(SLOW)
    rig.activate(ESME, held(rig))
    rig.run(MINUTE_MS)
    read = rig.send("11.2", ESME)
    rig.run(MINUTE_MS)
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(DAY_MS)
    events = len(rig.agenda.entries)
    rig.run(DAY_MS)
    assert len(rig.agenda.entries) == events, "nothing piles up"
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert not rig.answers(read)
    assert rig.read_version(ESME) == "00010100"


def test_messages_at_a_hub_without_power_go_on_with_it() -> None:
    rig = Rig()
    read = rig.send("11.2", GSME)
    rig.run(10 * SECOND_MS)
    rig.premises.power(HUB, False, rig.now_ms)
    assert waits_for(rig, GSME)[0] == "its hub's power"
    rig.run(HOUR_MS)
    rig.premises.power(HUB, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert len(rig.answers(read)) == 1


def test_a_hub_without_power_takes_nothing_and_its_devices_reach_nobody() -> None:
    rig = Rig()
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(2 * MINUTE_MS)
    assert rig.rows.restarting(PPMID)
    message = rig.command("11.2", ESME)
    rig.premises.power(GPF, False, rig.now_ms)
    assert not rig.rows.hub_powered(HUB)
    rig.premises.power(HUB, False, rig.now_ms)
    rig.transmit(message)
    rig.premises.receive_command(HUB, ESME, b"", rig.now_ms)
    rig.run(10 * MINUTE_MS)
    assert not rig.alerts(0x8F8B)
    assert any("cannot reach the hub" in summary for *_, summary, _ in rig.journal)


def test_switching_what_is_switched_or_not_there() -> None:
    rig = Rig()
    assert rig.premises.power(ESME, True, rig.now_ms)
    assert rig.premises.power(HUB, True, rig.now_ms)
    assert not rig.premises.power(Eui64(1), True, rig.now_ms)
    assert not rig.premises.rejoin(Eui64(1), rig.now_ms)
    assert not rig.premises.set_credential(Eui64(1), 2, SUPPLIER, rig.now_ms)
    assert rig.premises.set_credential(ESME, 3, SUPPLIER, rig.now_ms)


def test_a_dead_device_stays_dead() -> None:
    rig = Rig()
    rig.faults.add("device.dies_on_activation", ESME)
    rig.activate(ESME, held(rig))
    rig.run(HOUR_MS)
    rig.premises.power(ESME, False, rig.now_ms)
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert waits_for(rig, ESME) == ["nothing: it did not come up after an activation"]


def test_a_device_that_waits_says_for_what() -> None:
    rig = Rig()
    assert waits_for(rig, ESME) == []
    rig.distribute(GSME, rig.image(GSME))
    rig.run(SECOND_MS)
    assert waits_for(rig, GSME) == ["image 00010100, which is on its way to the hub"]
    rig.run(MINUTE_MS)
    assert waits_for(rig, GSME) == ["asking for image 00010100, which lies at the hub"]
    rig.premises.power(PPMID, False, rig.now_ms)
    assert waits_for(rig, PPMID) == ["its power"]


def test_the_image_of_a_device_that_is_taken_away_while_it_checks_is_dropped() -> None:
    rig = Rig(HanSettings(verification_ms=HOUR_MS))
    rig.distribute(ESME, rig.image(ESME))
    rig.run(10 * MINUTE_MS)
    assert rig.state.images
    rig.premises.remove_device(ESME, rig.now_ms)
    rig.run(DAY_MS)
    assert not rig.state.images
    assert not rig.alerts(0x8F72)


def test_a_whitelisted_device_that_was_off_joins_when_the_hub_is_back() -> None:
    rig = Rig(estate=with_device(default_estate(), PPMID, status=DeviceStatus.PENDING))
    whitelist = {"InstallCode": "30313233343536373839414243444546", "JoinTimePeriod": "3600"}
    rig.send("8.11", HUB, {"DeviceID": format_eui(PPMID), "RequestType": "Add", "AddDeviceToCHFWhitelist": whitelist})
    rig.run(6 * SECOND_MS)
    rig.premises.power(HUB, False, rig.now_ms)
    rig.run(5 * MINUTE_MS)
    assert not rig.rows.on_han(PPMID)
    rig.premises.power(HUB, True, rig.now_ms)
    rig.run(MINUTE_MS)
    assert rig.rows.on_han(PPMID)
    assert rig.alerts(0x8F12)


class NoKeys(Keys):
    """A key store in which one key is missing."""

    def __init__(self, private: tuple[int, str] | None = None, public: tuple[int, str] | None = None) -> None:
        self.missing_private, self.missing_public = private, public

    def private_key(self, eui: int, usage: str):  # type: ignore[no-untyped-def]
        return None if (eui, usage) == self.missing_private else super().private_key(eui, usage)

    def public_key(self, eui: int, usage: str):  # type: ignore[no-untyped-def]
        return None if (eui, usage) == self.missing_public else super().public_key(eui, usage)

    def anchor(self, party: int, usage: str, *, prepayment: bool = False):  # type: ignore[no-untyped-def]
        return None if (party, usage) == self.missing_public else super().anchor(party, usage, prepayment=prepayment)


def test_without_its_own_key_a_device_cannot_speak() -> None:
    rig = Rig()
    rig.premises._context.keys = NoKeys(private=(ESME, "DS"))
    rig.distribute(ESME, rig.image(ESME))
    rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    assert [heard.alert_code for heard in rig.heard] == [0x8F8A]
    assert sum("cannot protect" in summary for *_, summary, _ in rig.journal) == 2


def test_without_its_recipient_s_key_a_device_says_only_what_it_signs() -> None:
    rig = Rig()
    rig.premises._context.keys = NoKeys(public=(SUPPLIER, KA))
    rig.distribute(ESME, rig.image(ESME))
    rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    assert [heard.alert_code for heard in rig.heard] == [0x8F8A, 0x8F72]
    assert sum("cannot protect" in summary for *_, summary, _ in rig.journal) == 1


def test_without_a_supplier_certificate_no_image_is_good() -> None:
    rig = Rig()
    rig.rows.signers.keys = NoKeys(public=(SUPPLIER, "DS"))
    rig.distribute(ESME, rig.image(ESME))
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F1C)


def test_images_for_what_takes_none() -> None:
    rig = Rig()
    key = rig.premises.images.hold(rig.image(ESME))
    for eui in (HUB, GPF):
        assert rig.premises.send_image(HUB, eui, key, rig.now_ms) == (-1, "no image for such a device")


def test_images_that_nobody_held() -> None:
    rig = Rig()
    with pytest.raises(Broken):
        rig.csp.distribute("job", HUB, ESME, "00" * 32, rig.now_ms)
    with pytest.raises(Broken):
        rig.premises.images.octets("00" * 32)


def test_the_cache_of_parsed_images_is_bounded() -> None:
    rig = Rig()
    device_type = rig.definition(ESME).device_type
    for version in range(1, 40):
        key = rig.premises.images.hold(rig.image(ESME, version, size=100))
        assert rig.premises.images.parsed(key, device_type).image.file_version == version
    assert len(rig.premises.images._parsed) <= 16


def test_a_device_that_falls_silent_does_not_report_either() -> None:
    rig = Rig()
    rig.distribute(ESME, rig.image(ESME))
    rig.faults.add("device.silent", ESME)
    rig.run(HOUR_MS)
    assert [heard.alert_code for heard in rig.heard] == [0x8F8A], "the hub is not silent"
    assert rig.rows.held(ESME)


def test_messages_and_wake_ups_of_a_meter_that_is_taken_away() -> None:
    rig = Rig()
    rig.send("11.2", GSME)
    rig.send("11.2", ESME)
    rig.run(6 * SECOND_MS - 1_500)
    rig.premises.remove_device(GSME, rig.now_ms)
    rig.premises.remove_device(ESME, rig.now_ms)
    rig.run(HOUR_MS)
    assert not rig.heard


def test_a_device_fitted_with_joins_has_them() -> None:
    rig = Rig()
    definition = replace(rig.definition(PPMID), eui=Eui64(0x77), joined_to=(ESME, Eui64(0x99)))
    rig.premises.add_device(definition, rig.now_ms)
    assert list(rig.state.devices[0x77].joined_to) == [ESME]
