"""Logs of what happened: filled by it, read by period, cleared; and what meters report and log as they were told."""

from collections.abc import Mapping

import pytest

from emulator.domain.identifiers import Eui64
from emulator.gbcs import dlms
from emulator.gbcs.gbz import decode_components
from emulator.gbcs.times import as_text, utc_time
from emulator.premises import event_logs
from emulator.premises.sending import send_alert
from tests.premises.homes import DAY_MS, ESME, GPF, GSME, HOUR_MS, HUB, MINUTE_MS, NETWORK_OPERATOR, SUPPLIER, Heard, Rig


def ask(rig: Rig, variant: str, eui: Eui64, parameters: Mapping[str, object] | None = None, user: Eui64 = SUPPLIER) -> Heard:
    message = rig.send(variant, eui, parameters, user)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


def period(start_ms: int, end_ms: int) -> dict[str, object]:
    return {"StartDateTime": as_text(start_ms), "EndDateTime": as_text(end_ms)}


def read(rig: Rig, eui: Eui64, log: str, from_ms: int | None = None, to_ms: int | None = None) -> list[tuple[int, ...]]:
    """Seconds since 2000, code, and what more there is, of the entries of a log."""
    wanted = period(rig.now_ms - 30 * DAY_MS if from_ms is None else from_ms, rig.now_ms + DAY_MS if to_ms is None else to_ms)
    answer = ask(rig, "6.13", eui, {"LogToRead": log, "ReadLogPeriod": wanted})
    if eui in (GSME, GPF):
        return zcl_entries(answer)
    (item,) = dlms.decode_access_response(answer.message.content).items
    rows = (row.items for row in item.data.items)
    return [(row[0].number, row[1].number, *(_number(each) for each in row[2:])) for row in rows]


def _number(data: dlms.Data) -> int:
    return int.from_bytes(data.value, "big") if isinstance(data.value, bytes) else data.number


def zcl_entries(answer: Heard) -> list[tuple[int, ...]]:
    (component,) = decode_components(answer.message.content)
    if component.command == 0x0B:
        assert component.payload == bytes.fromhex("008b")
        return []
    payload, found = component.payload[5:], []
    assert component.payload[2:5] == bytes((0, 1, 0))
    while payload:
        more = payload[8 : 8 + payload[7]]
        found.append(
            (int.from_bytes(payload[3:7], "little"), int.from_bytes(payload[1:3], "little"), int.from_bytes(more, "big"))
        )
        payload = payload[8 + len(more) :]
    assert len(found) == int.from_bytes(component.payload[:2], "little")
    return found


def codes(entries: list[tuple[int, ...]]) -> list[int]:
    return [entry[1] for entry in entries]


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_commands_are_logged_with_their_codes(eui: Eui64) -> None:
    rig = Rig()
    ask(rig, "7.2", eui)
    rig.faults.add("device.read_fails", eui, to_ms=rig.now_ms + HOUR_MS)
    ask(rig, "7.2", eui)
    code = {ESME: 0x0050, GSME: 0x0081}[eui]
    assert [entry[1:] for entry in read(rig, eui, "Event")] == [(0x8154, code), (0x8155, code)]


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_entries_are_read_by_period(eui: Eui64) -> None:
    rig = Rig()
    ask(rig, "7.2", eui)
    rig.run(2 * DAY_MS)
    border = rig.now_ms
    ask(rig, "7.3", eui)
    assert 0x8F32 in codes(read(rig, eui, "Event", border))
    before = read(rig, eui, "Event", border - 3 * DAY_MS, border)
    assert before
    assert all(entry[0] <= utc_time(border) for entry in before)
    assert read(rig, eui, "Event", border - 300 * DAY_MS, border - 200 * DAY_MS) == []


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_the_security_log_has_what_was_not_authentic(eui: Eui64) -> None:
    rig = Rig()
    rig.faults.add("device.rejects_command", eui, times=1)
    rig.send("7.2", eui)
    rig.run(HOUR_MS)
    assert codes(read(rig, eui, "Security")) == [0x8F3D]
    assert 0x8F3D not in codes(read(rig, eui, "Event"))


def test_the_hub_has_logs_of_its_own() -> None:
    rig = Rig()
    rig.premises._context.log_event(rig.state.devices[HUB], 0x8F12, rig.now_ms)
    rig.premises._context.log_event(rig.state.devices[HUB], 0x8F43, rig.now_ms)
    rig.premises._context.log_event(rig.state.devices[HUB], 0x8F66, rig.now_ms)
    assert codes(read(rig, HUB, "Security")) == [0x8F12, 0x8F43]
    assert codes(read(rig, HUB, "Event")) == [0x8F66]


def test_the_proxy_tells_its_own_log_and_that_of_the_meter() -> None:
    rig = Rig()
    ask(rig, "7.2", GSME)
    assert read(rig, GPF, "Event") == []
    assert read(rig, GPF, "GSMEEvent") == read(rig, GSME, "Event")
    assert read(rig, GPF, "GSMESecurity") == []


@pytest.mark.parametrize(("minutes", "code"), [(1, 0x8F35), (10, 0x8F36)])
def test_an_outage_is_logged_and_a_long_one_reported(minutes: int, code: int) -> None:
    rig = Rig()
    rig.premises.power(ESME, False, rig.now_ms)
    lost_ms = rig.now_ms
    rig.run(minutes * MINUTE_MS)
    rig.premises.power(ESME, True, rig.now_ms)
    back_ms = rig.now_ms
    rig.run(MINUTE_MS)
    assert read(rig, ESME, "PowerEvent") == [(utc_time(back_ms), code, 60 * minutes)]
    reported = rig.alerts(0x8F36)
    if minutes < 3:
        assert not reported
    else:
        (alert,) = reported
        assert alert.message.recipient == NETWORK_OPERATOR
        assert (alert.says["interrupted_ms"], alert.says["restored_ms"]) == (lost_ms, back_ms)


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_the_event_log_is_cleared_which_the_security_log_says(eui: Eui64) -> None:
    rig = Rig()
    ask(rig, "7.2", eui)
    assert read(rig, eui, "Event")
    answer = ask(rig, "3.3", eui, {"ESMEEventLogType": "ESME"} if eui == ESME else {})
    assert answer.says["ok"]
    assert codes(read(rig, eui, "Event")) == []
    assert codes(read(rig, eui, "Security")) == [0x8F52]


def test_the_log_of_loads_is_cleared() -> None:
    rig = Rig()
    ask(rig, "7.5", ESME, {"ActivateALCSHCALCS": {"index": "3", "Duration": "30"}})
    assert len(read(rig, ESME, "ALCSEvent")) == 1
    ask(rig, "3.3", ESME, {"ESMEEventLogType": "ALCS"})
    assert read(rig, ESME, "ALCSEvent") == []


def test_a_log_keeps_its_newest_hundred() -> None:
    rig = Rig()
    context, device = rig.premises._context, rig.state.devices[ESME]
    context.log_event(device, 0x8F3D, rig.now_ms)
    for second in range(120):
        context.log_event(device, 0x8F32, rig.now_ms + 1_000 * second)
    rig.run(HOUR_MS)
    found = event_logs.entries(device, event_logs.EVENT, 0, rig.now_ms)
    assert len(found) == 100
    assert len(event_logs.entries(device, event_logs.SECURITY, 0, rig.now_ms)) == 1


# --- behaviours ------------------------------------------------------------------------------------------------------------


def bit(said: Mapping[str, object], name: str, code: int) -> str:
    return str(said[name])[255 - (code & 0xFF)]


WAN = "alerts_configuration_settings_supplier_settings_for_wan_alerting"
HAN = "alerts_configuration_settings_supplier_settings_for_han_device_sharing"
ALARM = "events_configuration_settings_supplier_settings_for_alarms"
LOGGED = "events_configuration_settings_supplier_setting_for_logging"


@pytest.mark.parametrize(("element", "name"), [
    ("ElectricitySupplierAlerts", WAN), ("ElectricitySupplierHANAlertSettings", HAN),
    ("ElectricitySupplierAlarmSettings", ALARM), ("ElectricitySupplierLoggingSettings", LOGGED),
])  # fmt: skip
def test_behaviours_of_electricity_are_read_back(element: str, name: str) -> None:
    rig = Rig()
    before = ask(rig, "6.2.10", ESME, {"user_role": "SUPPLIER"}).says
    settings = {"SupplierESMECommon": {"x81C4": "Enable", "x81A0": "Disable"}}
    assert ask(rig, "6.22", ESME, {element: settings}).says["ok"]
    after = ask(rig, "6.2.10", ESME, {"user_role": "SUPPLIER"}).says
    assert (bit(after, name, 0x81C4), bit(after, name, 0x81A0)) == ("1", "0")
    assert bit(after, name, 0x81AE) == bit(before, name, 0x81AE)
    assert all(after[other] == before[other] for other in (WAN, HAN, ALARM, LOGGED) if other != name)


def test_behaviours_of_the_network_operator_are_its_own() -> None:
    rig = Rig()
    settings = {"ElectricityNetworkOperatorAlerts": {"NetworkOperatorESMECommon": {"x8014": "Disable"}}}
    ask(rig, "6.22", ESME, settings, NETWORK_OPERATOR)
    logging = {"ElectricityNetworkOperatorLoggingSettings": {"NetworkOperatorESMESinglePhase": {"x8020": "Enable"}}}
    ask(rig, "6.22", ESME, logging, NETWORK_OPERATOR)
    said = ask(rig, "6.2.10", ESME, {"user_role": "NETWORK_OPERATOR"}, NETWORK_OPERATOR).says
    start = "configuration_settings_network_operator_setting"
    assert bit(said, f"alerts_{start}s_for_wan_alerting", 0x8014) == "0"
    assert bit(said, f"events_{start}_for_logging", 0x8020) == "1"


def gas_settings(**choices: str) -> dict[str, object]:
    four = {"WANAlert": "Enable", "HANAlert": "Disable", "EventLog": "Enable", "Alarm": "Disable"} | choices
    return {"GasSupplierAlertEventSettings": {"x81C4": four}}


def test_behaviours_of_gas_are_read_back() -> None:
    rig = Rig()
    assert "c4811b" in ask(rig, "6.2.10", GSME).message.content.hex()
    ask(rig, "6.22", GSME, gas_settings(WANAlert="Disable", Alarm="Enable"))
    assert "c48143" in ask(rig, "6.2.10", GSME).message.content.hex()


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_an_alert_that_is_disabled_is_not_sent_and_one_that_is_masked_not_logged(eui: Eui64) -> None:
    rig = Rig()
    context, device = rig.premises._context, rig.state.devices[eui]

    def happens() -> tuple[int, bool]:
        sent = len(rig.alerts(0x81C4))
        logged = len(device.events)
        event_logs.happened(context, device, 0x81C4, rig.now_ms)
        rig.run(MINUTE_MS)
        return len(rig.alerts(0x81C4)) - sent, len(device.events) > logged

    assert happens() == (1, True)
    if eui == ESME:
        ask(rig, "6.22", eui, {"ElectricitySupplierAlerts": {"SupplierESMECommon": {"x81C4": "Disable"}}})
        assert happens() == (0, True)
        ask(rig, "6.22", eui, {"ElectricitySupplierLoggingSettings": {"SupplierESMECommon": {"x81C4": "Disable"}}})
    else:
        ask(rig, "6.22", eui, gas_settings(WANAlert="Disable"))
        assert happens() == (0, True)
        ask(rig, "6.22", eui, gas_settings(WANAlert="Disable", EventLog="Disable"))
    assert happens() == (0, False)


def test_what_cannot_be_set_is_always_sent() -> None:
    rig = Rig()
    settings = {"ElectricitySupplierAlerts": {"SupplierESMECommon": {f"x81{place:02X}": "Disable" for place in (0x32, 0xA0)}}}
    ask(rig, "6.22", ESME, settings)
    send_alert(rig.premises._context, rig.state.devices[ESME], 0x8F32, rig.now_ms)
    rig.run(MINUTE_MS)
    assert len(rig.alerts(0x8F32)) == 1


def test_commands_that_are_not_to_be_logged_are_not() -> None:
    rig = Rig()
    ask(rig, "6.22", ESME, {"ElectricitySupplierLoggingSettings": {"SupplierESMECommon": {"x8154": "Disable"}}})
    ask(rig, "7.2", ESME)
    assert codes(read(rig, ESME, "Event")) == []
