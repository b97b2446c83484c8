"""The supply of meters: off, armed, on again, by the supplier, the load limit and firmware."""

from collections.abc import Mapping

import pytest

from emulator.domain.identifiers import Eui64
from emulator.gbcs.times import as_text
from emulator.premises import supply
from tests.premises.homes import DAY_MS, ESME, GPF, GSME, HOUR_MS, MINUTE_MS, NETWORK_OPERATOR, SUPPLIER, Heard, Rig


def ask(rig: Rig, variant: str, eui: Eui64, parameters: Mapping[str, object] | None = None, user: Eui64 = SUPPLIER) -> Heard:
    message = rig.send(variant, eui, parameters, user)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


def alerts(rig: Rig) -> list[int]:
    return [code for heard in rig.heard if (code := heard.alert_code) is not None]


def electricity_state(rig: Rig) -> object:
    return ask(rig, "7.4", ESME).says["supply_state_output_state"]


def gas_state(rig: Rig, eui: Eui64 = GSME) -> object:
    return ask(rig, "7.4", eui).says["supply_status"]


def test_electricity_goes_off_and_comes_back() -> None:
    rig = Rig()
    assert electricity_state(rig) == 1
    assert ask(rig, "7.2", ESME).says["ok"]
    assert electricity_state(rig) == 0
    assert ask(rig, "7.1", ESME).says["ok"]
    assert electricity_state(rig) == 1
    assert not alerts(rig)


def test_arming_lets_the_customer_switch_on_and_is_reported() -> None:
    rig = Rig()
    ask(rig, "7.2", ESME)
    ask(rig, "7.3", ESME)
    assert electricity_state(rig) == 2
    assert alerts(rig) == [0x8F32]
    assert 0x8F32 in [code for _, code in rig.state.devices[ESME].events]


def test_arming_does_nothing_while_the_supply_is_on() -> None:
    rig = Rig()
    assert ask(rig, "7.3", ESME).says["ok"]
    assert electricity_state(rig) == 1
    assert not alerts(rig)


def test_gas_goes_off_and_is_armed_and_the_proxy_says_so() -> None:
    rig = Rig()
    assert gas_state(rig) == 2
    answer = ask(rig, "7.2", GSME)
    assert answer.message.content.hex().endswith("0000000000"), "supply status response: at once, off"
    assert gas_state(rig) == gas_state(rig, GPF) == 0
    ask(rig, "7.3", GSME)
    assert gas_state(rig) == 1
    assert alerts(rig) == [0x8F32]


def test_the_battery_of_a_gas_meter_runs_down() -> None:
    rig = Rig()
    first = ask(rig, "7.4", GSME).says["remaining_battery_days"]
    rig.run(10 * DAY_MS)
    assert ask(rig, "7.4", GPF).says["remaining_battery_days"] == first - 10


def test_the_network_operator_reads_the_state() -> None:
    assert ask(Rig(), "7.4", ESME, user=NETWORK_OPERATOR).says["supply_state_output_state"] == 1


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_a_supply_that_cannot_be_read_or_switched(eui: Eui64) -> None:
    rig = Rig()
    rig.faults.add("device.read_fails", eui)
    assert not ask(rig, "7.2", eui).says["ok"]
    assert supply.state_of(rig.state.devices[eui]) == supply.ON


LIMIT = {
    "LoadLimitSupplyState": "Disable",
    "LoadLimitPowerThreshold": "1",
    "LoadLimitPeriod": "300",
    "LoadLimitRestorationPeriod": "900",
}


def test_the_load_limit_cuts_off_counts_and_restores() -> None:
    rig = Rig()
    assert ask(rig, "6.4.1", ESME, LIMIT).says["ok"]
    assert alerts(rig) == [0x8F01, 0x8F33, 0x8F34]
    events = [(at_ms, code) for at_ms, code in rig.state.devices[ESME].events if code in (0x8F01, 0x8F33, 0x8F34)]
    assert events[2][0] - events[1][0] == 15 * MINUTE_MS
    read = ask(rig, "4.15", ESME).says
    assert read["load_limit_counter"] == 1
    assert read["load_limit_power_threshold"] == 1
    assert read["load_limit_period_timer"] == 300
    assert read["load_limit_restoration_period_timer"] == 900
    assert ask(rig, "6.4.2", ESME).says["ok"]
    assert ask(rig, "4.15", ESME).says["load_limit_counter"] == 0


def test_a_limit_that_is_never_reached() -> None:
    rig = Rig()
    ask(rig, "6.4.1", ESME, LIMIT | {"LoadLimitPowerThreshold": "100000", "LoadLimitSupplyState": "Unchanged"})
    rig.run(30 * DAY_MS)
    assert not alerts(rig)
    assert ask(rig, "4.15", ESME).says["load_limit_counter"] == 0


def test_a_limit_dated_ahead_is_reported_by_each_of_its_settings() -> None:
    rig = Rig()
    rig.run(HOUR_MS)
    ask(rig, "6.4.1", ESME, LIMIT | {"ExecutionDateTime": date_of(rig, 2 * DAY_MS), "LoadLimitPowerThreshold": "90000"})
    assert ask(rig, "4.15", ESME).says["load_limit_power_threshold"] != 90000
    rig.run(3 * DAY_MS)
    assert alerts(rig) == [0x8F66] * 4
    assert ask(rig, "4.15", ESME).says["load_limit_power_threshold"] == 90000


def test_a_dated_limit_is_cancelled() -> None:
    rig = Rig()
    ask(rig, "6.4.1", ESME, LIMIT | {"ExecutionDateTime": date_of(rig, 2 * DAY_MS)})
    ask(rig, "6.4.1", ESME, LIMIT | {"ExecutionDateTime": "3000-12-31T00:00:00Z"})
    rig.run(3 * DAY_MS)
    assert not alerts(rig)


def date_of(rig: Rig, ahead_ms: int) -> str:

    return as_text(rig.now_ms + ahead_ms)
