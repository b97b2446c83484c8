"""One-stage firmware of PPMIDs: transfer report, activation by itself, CS09 or silence (ota.md flow C)."""

from dataclasses import replace

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from tests.premises.homes import ESME, HOUR_MS, HUB, LEGACY_PPMID, NEWER, PPMID, SOUTH_HUB, Rig


def test_a_ppmid_activates_by_itself_and_reports() -> None:
    rig = Rig()
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(HOUR_MS)
    (transfer,), (activation,) = rig.alerts(0x8F8A), rig.alerts(0x8F8B)
    assert transfer.message.originator == HUB
    assert transfer.says["device"] == PPMID
    assert (activation.message.message_code, activation.message.originator) == (0x012B, PPMID)
    assert activation.message.recipient == ACCESS_CONTROL_BROKER
    assert (activation.says["firmware_version"], activation.says["activate_code"]) == ("00010100", 0)
    assert activation.at_ms - transfer.at_ms > 60_000, "it reboots in between"
    assert not rig.alerts(0x8F72)
    assert rig.read_version(PPMID) == "00010100"
    rig.assert_all_authentic()


def test_a_legacy_ppmid_says_nothing() -> None:
    rig = Rig()
    rig.distribute(LEGACY_PPMID, rig.image(LEGACY_PPMID))
    rig.run(HOUR_MS)
    assert [heard.alert_code for heard in rig.heard] == [0x8F8A]
    assert rig.heard[0].hub == SOUTH_HUB
    assert rig.read_version(LEGACY_PPMID) == "00010100"


def test_a_failed_activation_is_reported_with_the_old_version() -> None:
    rig = Rig()
    rig.faults.add("device.activation_fails", PPMID, times=1)
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(HOUR_MS)
    (activation,) = rig.alerts(0x8F8B)
    assert (activation.says["firmware_version"], activation.says["activate_code"]) == ("00010000", 1)
    rig.distribute(PPMID, rig.image(PPMID, NEWER), "second")
    rig.run(HOUR_MS)
    assert rig.read_version(PPMID) == "00010200"


def test_a_ppmid_that_finds_its_image_bad_drops_it() -> None:
    rig = Rig()
    rig.faults.add("device.verify_fails", PPMID)
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(HOUR_MS)
    assert rig.alerts(0x8F8B)[0].says["activate_code"] == 1
    assert not rig.alerts(0x8F1C), "that alert is for images signed by a supplier"
    assert rig.read_version(PPMID) == "00010000"


def test_a_stray_activation_command_is_not_for_a_ppmid() -> None:
    rig = Rig()
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(HOUR_MS)
    told = len(rig.heard)
    # CS06 as for a meter, with the PPMID as recipient.
    message = rig.command("11.3", ESME, {"FirmwareHash": "00" * 32})
    rig.transmit(replace(message, recipient=PPMID))
    rig.run(HOUR_MS)
    assert len(rig.heard) == told
