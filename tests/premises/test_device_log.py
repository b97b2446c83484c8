"""The CHF device log: whitelisting, joining, removal, and the hub's alerts about it (duis.md 7.6)."""

from dataclasses import replace

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import CspRegion, DeviceStatus, DeviceType
from emulator.estate.model import DeviceDefinition, Home
from emulator.premises.settings import HanSettings
from tests.premises.homes import DAY_MS, ESME, HOUR_MS, HUB, MINUTE_MS, PPMID, SECOND_MS, Rig, default_estate, with_device

NEW_PPMID = Eui64(0x00DB123456789CA4)


def definition(rig: Rig, **changes: object) -> DeviceDefinition:
    return replace(rig.definition(PPMID), eui=NEW_PPMID, status=DeviceStatus.PENDING, joined_to=(), **changes)  # type: ignore[arg-type]


def add(rig: Rig, eui: Eui64 = NEW_PPMID, period_s: int = 600) -> list[int]:
    """8.11 Add; the results of the Response."""
    whitelist = {"InstallCode": "30313233343536373839414243444546", "JoinTimePeriod": str(period_s)}
    message = rig.send("8.11", HUB, {"DeviceID": format_eui(eui), "RequestType": "Add", "AddDeviceToCHFWhitelist": whitelist})
    rig.run(MINUTE_MS)
    return list(rig.answers(message)[0].says["results"])


def remove(rig: Rig, eui: Eui64) -> list[int]:
    """8.11 Remove; the results of the Response."""
    message = rig.send("8.11", HUB, {"DeviceID": format_eui(eui), "RequestType": "Remove"})
    rig.run(MINUTE_MS)
    return list(rig.answers(message)[0].says["results"])


def test_a_fitted_device_joins_when_it_is_whitelisted() -> None:
    rig = Rig()
    rig.premises.add_device(definition(rig), rig.now_ms)
    read = rig.send("11.2", NEW_PPMID)
    rig.run(HOUR_MS)
    assert not rig.answers(read), "it is not on the HAN yet"
    assert add(rig) == [0, 0, 0]
    (alert,) = rig.alerts(0x8F12)
    assert (alert.message.message_code, alert.message.recipient) == (0x0018, ACCESS_CONTROL_BROKER)
    assert alert.message.mac is not None
    assert NEW_PPMID in [entry["device"] for entry in alert.says["devices"]]
    assert rig.read_version(NEW_PPMID) == "00010000"
    rig.assert_all_authentic()


def test_a_device_that_is_not_there_does_not_join() -> None:
    rig = Rig()
    assert add(rig) == [0, 0, 0]
    rig.run(DAY_MS)
    assert not rig.alerts(0x8F12)
    described = rig.premises.describe(HUB, rig.now_ms)
    assert described is not None
    assert described["device_log"][-1]["joined"] is False


def test_a_device_that_gets_power_within_the_period_joins() -> None:
    for late, joins in ((False, True), (True, False)):
        rig = Rig()
        rig.premises.add_device(definition(rig), rig.now_ms)
        rig.premises.power(NEW_PPMID, False, rig.now_ms)
        assert add(rig) == [0, 0, 0]
        rig.run(HOUR_MS if late else MINUTE_MS)
        rig.premises.power(NEW_PPMID, True, rig.now_ms)
        rig.run(MINUTE_MS)
        assert bool(rig.alerts(0x8F12)) is joins


def test_removal() -> None:
    rig = Rig()
    assert remove(rig, PPMID) == [0]
    assert PPMID not in [entry["device"] for entry in rig.alerts(0x8F12)[0].says["devices"]]
    read = rig.send("11.2", PPMID)
    rig.run(HOUR_MS)
    assert not rig.answers(read)
    assert remove(rig, PPMID) == [1]
    assert add(rig, PPMID) == [0, 0, 0]
    assert rig.read_version(PPMID) == "00010000"


def test_removal_ends_a_transfer() -> None:
    rig = Rig()
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(40 * SECOND_MS)
    assert rig.rows.loading(PPMID) == "DOWNLOADING"
    assert remove(rig, PPMID) == [0]
    assert rig.rows.loading(PPMID) == "IDLE"
    rig.run(15 * DAY_MS)
    assert [alert.says["transfer_code"] for alert in rig.alerts(0x8F89)] == [1]
    assert not rig.state.images


def test_the_log_is_limited() -> None:
    rig = Rig(HanSettings(device_log_entries=4))
    assert add(rig) == [250, 0, 0]


def test_the_log_with_key_hashes() -> None:
    rig = Rig()
    message = rig.send("8.9", HUB, {"ReadSecurityDetails": ""})
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    assert [entry["device"] for entry in answer.says["devices"]] == [entry.device for entry in rig.state.hubs[HUB].device_log]
    assert len(bytes.fromhex(answer.says["devices"][0]["link_key_hash"])) == 16
    assert answer.says["historic_devices"] == []


def test_the_log_with_link_states() -> None:
    rig = Rig()
    rig.send("11.2", PPMID)
    rig.run(HOUR_MS)
    heard_ms = rig.heard[0].at_ms
    message = rig.send("8.9", HUB)
    rig.run(MINUTE_MS)
    seen = {entry["device"]: entry["last_communication_ms"] for entry in rig.answers(message)[0].says["devices"]}
    assert heard_ms - MINUTE_MS < seen[PPMID] <= heard_ms
    assert seen[ESME] == rig.estate.start_ms


def test_devices_by_status() -> None:
    for status, on_han in ((DeviceStatus.PENDING, False), (DeviceStatus.WHITELISTED, False), (DeviceStatus.SUSPENDED, True)):
        rig = Rig(estate=with_device(default_estate(), PPMID, status=status))
        assert rig.rows.on_han(PPMID) is on_han
        listed = PPMID in [entry.device for entry in rig.state.hubs[HUB].device_log]
        assert listed is (status is not DeviceStatus.PENDING)


def test_devices_that_cannot_be_fitted() -> None:
    rig = Rig()
    with pytest.raises(Malformed, match="already"):
        rig.premises.add_device(rig.definition(ESME), rig.now_ms)
    with pytest.raises(Malformed, match="no hub"):
        rig.premises.add_device(definition(rig, hub=Eui64(1)), rig.now_ms)


def test_a_new_hub_begins_a_home() -> None:
    rig = Rig()
    hub = Eui64(0x00DB123456789CA2)
    home = Home("new", CspRegion.CENTRAL, hub, (replace(rig.definition(HUB), eui=hub, hub=hub),))
    rig.premises.add_home(home, rig.now_ms)
    with pytest.raises(Malformed):
        rig.premises.add_home(home, rig.now_ms)
    other = Eui64(0x00DB123456789CB2)
    device = replace(rig.definition(HUB), eui=other, hub=other)
    assert "4g/4G North" not in rig.rows.state.pools
    far = replace(home, hub=other, devices=(device,), region=CspRegion.NORTH_4G, wan_technology="4g")
    rig.premises.add_home(far, rig.now_ms)
    assert "4g/4G North" in rig.rows.state.pools, "where no hub was before"
    rig.csp.add_hub(hub, "cellular", "Central")
    rig.premises.add_device(definition(rig, hub=hub), rig.now_ms)
    assert rig.read_version(hub) == "00010000"
    assert rig.definition(hub).device_type is DeviceType.CHF
    assert not rig.premises.rejoin(NEW_PPMID, rig.now_ms)
