"""What people and the surroundings do to devices, and what devices say of themselves about it."""

from dataclasses import replace

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.premises.settings import HanSettings
from tests.premises.homes import ESME, GPF, GSME, HOUR_MS, HUB, MINUTE_MS, PPMID, Rig, default_estate

COVER, MAGNET, LOCKED = 0x8F74, 0x8F75, 0x81BE


def happen(rig: Rig, eui: int, code: int) -> None:
    rig.premises.happens(eui, code, rig.now_ms)  # type: ignore[arg-type]
    rig.run(HOUR_MS)
    rig.assert_all_authentic()


def supply(rig: Rig) -> object:
    message = rig.send("7.4", ESME)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    return answer.says["supply_state_output_state"]


def test_tampering_is_reported_and_locks_the_supply() -> None:
    rig = Rig()
    before = supply(rig)
    happen(rig, ESME, COVER)
    assert len(rig.alerts(COVER)) == len(rig.alerts(LOCKED)) == 1
    assert supply(rig) != before
    happen(rig, ESME, MAGNET)
    assert (len(rig.alerts(MAGNET)), len(rig.alerts(LOCKED))) == (1, 1)


def test_a_meter_that_was_told_to_keeps_its_supply() -> None:
    rig = Rig()
    rig.send("6.25", ESME, {"SupplyTamperState": "Unchanged"})
    rig.run(HOUR_MS)
    before = supply(rig)
    happen(rig, ESME, COVER)
    assert rig.alerts(COVER)
    assert not rig.alerts(LOCKED)
    assert supply(rig) == before


def test_every_device_reports_only_what_it_has() -> None:
    rig = Rig()
    happen(rig, GSME, 0x81A0)
    assert [each.says["integrity_issue"] for each in rig.alerts(0x81A0)] == ["0005"]
    for eui, code in ((PPMID, COVER), (ESME, 0x8F66), (HUB, 0x1234), (GPF, 0x8071), (0x1, COVER)):
        with pytest.raises(Malformed):
            rig.premises.happens(eui, code, rig.now_ms)  # type: ignore[arg-type]


def test_an_update_of_an_auxiliary_controller_says_what_it_does() -> None:
    rig = Rig()
    happen(rig, ESME, 0x8F88)
    (alert,) = rig.alerts(0x8F88)
    assert alert.says["update"] == '{"outputState": "0", "inputState": "0", "other-data": ""}'


def test_a_discarded_message_is_named() -> None:
    rig = Rig()
    happen(rig, HUB, 0x8F2C)
    (alert,) = rig.alerts(0x8F2C)
    discarded = bytes.fromhex(alert.says["discarded"])
    assert int.from_bytes(discarded[:8], "big") == GSME
    assert len(discarded) == 25


def test_the_boost_button_is_logged_and_switches_its_loads() -> None:
    rig = Rig()
    rig.premises.boost(ESME, 45, rig.now_ms)
    begun = rig.now_ms
    rig.run(HOUR_MS)
    boosts = rig.premises.state.devices[ESME].loads
    assert boosts is not None
    ((start, end),) = boosts.boosts
    assert end - start == 45 * MINUTE_MS
    assert abs(start - begun) < HOUR_MS
    for minutes in (0, 100_000):
        with pytest.raises(Malformed):
            rig.premises.boost(ESME, minutes, rig.now_ms)
    with pytest.raises(Malformed):
        rig.premises.boost(GSME, 5, rig.now_ms)


def test_the_gas_proxy_reports_its_log() -> None:
    rig = Rig()
    for code, variant in ((0, "8.8.2"), (1, "8.7.2")):
        rig.send(variant, GSME, {"OtherDeviceID": "00-DB-12-34-56-78-90-A3", "other_device_type": DeviceType.GPF})
        rig.run(HOUR_MS)
        assert len(rig.alerts(0x8071)) == code + 1
    first, second = (each.says["devices"] for each in rig.alerts(0x8071))
    assert GSME not in [each["device"] for each in first]
    assert GSME in [each["device"] for each in second]
    rig.assert_all_authentic()


def test_a_meter_says_that_it_has_no_such_command() -> None:
    rig = Rig()
    message = rig.command("11.2", GSME)
    stray = replace(message, recipient=ESME)
    rig.transmit(stray)
    rig.run(HOUR_MS)
    alerts = rig.alerts(0x8F85)
    assert [each.says["command"] for each in alerts] in ([], [f"{message.message_code:04X}{message.counter:016X}"])


def test_a_full_dual_band_hub_says_so() -> None:
    estate = default_estate()
    estate = replace(estate, homes=tuple(replace(home, hub_variant="dual-band") for home in estate.homes))
    rig = Rig(estate=estate, han=HanSettings(device_log_entries=1))
    body = {
        "DeviceID": "00-DB-12-34-56-78-90-EE", "RequestType": "Add",
        "AddDeviceToCHFWhitelist": {"JoinTimePeriod": "600", "InstallCode": "00112233445566778899AABBCCDDEEFF"},
    }  # fmt: skip
    rig.send("8.11", HUB, body)
    rig.run(HOUR_MS)
    (alert,) = rig.alerts(0x8F2D)
    assert alert.says["device"] == 0x00DB1234567890EE
