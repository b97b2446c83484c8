"""Settings of meters are read back: voltages, thresholds, calendars, meter points, conversion, flow."""

from collections.abc import Mapping

import pytest

from emulator.domain.identifiers import Eui64
from tests.premises.homes import ESME, GPF, GSME, HOUR_MS, NETWORK_OPERATOR, SUPPLIER, Heard, Rig, default_estate, with_device


def ask(rig: Rig, variant: str, eui: Eui64, parameters: Mapping[str, object] | None = None, user: Eui64 = SUPPLIER) -> Heard:
    message = rig.send(variant, eui, parameters, user)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


RMS = {
    f"RMS{name}{part}": str(10 * place + (part != "Threshold"))
    for place, name in enumerate(("ExtremeOverVoltage", "ExtremeUnderVoltage", "VoltageSag", "VoltageSwell"), 1)
    for part in ("Threshold", "MeasurementPeriod")
}
AVERAGE = {
    "AverageRMSVoltageMeasurementPeriod": "600",
    "AverageRMSOverVoltageThreshold": "261",
    "AverageRMSUnderVoltageThreshold": "209",
}


@pytest.mark.parametrize("keep", [{}, {"RMSVoltageCountersNotReset": ""}])
def test_voltage_limits_of_a_single_phase_meter(keep: dict[str, object]) -> None:
    rig = Rig()
    settings: dict[str, object] = {"RMSVoltageSettings": RMS, "SinglePhaseVoltageSettings": AVERAGE, **keep}
    assert ask(rig, "6.5", ESME, settings, NETWORK_OPERATOR).says["ok"]
    said = ask(rig, "6.2.1", ESME, {"esme_variant": "A"}).says
    assert said["rms_extreme_over_voltage_threshold"] == 10
    assert said["rms_voltage_swell_measurement_period"] == 41
    assert said["phase_1_average_rms_over_voltage_threshold"] == 261
    assert said["phase_1_average_rms_under_voltage_threshold"] == 209


READ_VOLTAGES = {"ReadLogPeriod": {"StartDateTime": "2026-01-01T00:00:00Z", "EndDateTime": "2026-01-01T00:30:00Z"}}


def phases() -> list[dict[str, object]]:
    return [
        {"Phase": str(phase), "PhaseVoltageSettings": AVERAGE | {"AverageRMSOverVoltageThreshold": str(260 + phase)}}
        for phase in (1, 2, 3)
    ]


def test_voltage_limits_of_a_polyphase_meter() -> None:
    rig = Rig(estate=with_device(default_estate(), ESME, esme_variant="C"))
    settings: dict[str, object] = {"RMSVoltageSettings": RMS, "PolyPhaseVoltageSettings": phases(), "esme_variant": "C"}
    assert ask(rig, "6.5", ESME, settings, NETWORK_OPERATOR).says["ok"]
    said = ask(rig, "6.2.1", ESME, {"esme_variant": "C"}).says
    assert [said[f"phase_{phase}_average_rms_over_voltage_threshold"] for phase in (1, 2, 3)] == [261, 262, 263]


def test_a_single_phase_meter_has_one_phase() -> None:
    rig = Rig()
    settings: dict[str, object] = {"RMSVoltageSettings": RMS, "PolyPhaseVoltageSettings": phases(), "esme_variant": "C"}
    answer = ask(rig, "6.5", ESME, settings, NETWORK_OPERATOR)
    assert set(answer.says["results"]) == {0, 4}


def test_counters_of_voltages_are_reset() -> None:
    assert ask(Rig(), "6.27", ESME, user=NETWORK_OPERATOR).says["ok"]


def test_power_thresholds() -> None:
    rig = Rig()
    assert ask(rig, "6.12", ESME, {"LowMediumPowerThreshold": "1000", "MediumHighPowerThreshold": "3000"}).says["ok"]
    assert ask(rig, "6.2.5", ESME).message.content.hex().endswith("010206000003e80600000bb8010100")


def test_meter_points_of_electricity() -> None:
    rig = Rig()
    definition = rig.definition(ESME)
    said = ask(rig, "6.2.7", ESME).says
    assert said["meter_point_administration_number_combined_mpans"] == definition.import_mpxn.encode()
    ask(rig, "6.20.1", ESME, {"ImportMPANs": {"ImportMPAN": "1312345678111", "SecondaryImportMPAN": "1312345678222"}})
    ask(rig, "6.20.2", ESME, {"ExportMPAN": "1312345678333"})
    said = ask(rig, "6.2.7", ESME).says
    assert said["meter_point_administration_number_combined_mpans"] == b"13123456781111312345678222"
    assert said["meter_point_administration_number_export_mpan"] == b"1312345678333"


def test_the_meter_point_of_gas_is_the_proxy_s_too() -> None:
    rig = Rig()
    assert ask(rig, "6.2.7", GSME).says["import_mprn"] == rig.definition(GSME).import_mpxn
    ask(rig, "6.20.1", GSME, {"ImportMPRN": "1234567890"})
    assert ask(rig, "6.2.7", GSME).says["import_mprn"] == ask(rig, "6.2.7", GPF).says["import_mprn"] == "1234567890"


def test_conversion_and_flow_of_gas() -> None:
    rig = Rig()
    assert ask(rig, "6.6", GSME, {"ConversionFactor": "1.02264", "CalorificValue": "39.5"}).says["ok"]
    flow = {
        "UncontrolledGasFlowRateDecimal": "0.0496", "SupplyTamperState": "Locked", "SupplyDepletionState": "Unchanged",
        "StabilisationPeriod": "7", "MeasurementPeriod": "90",
    }  # fmt: skip
    assert ask(rig, "6.7", GSME, flow).says["ok"]
    said = ask(rig, "6.2.8", GSME).says
    assert (said["conversion_factor"], said["calorific"]) == (102264, 395)
    assert (said["uncontrolled_gas_flow_rate"], said["uncontrolled_gas_flow_rate_scale_divisor"]) == (496, 10000)
    assert (said["uncontrolled_gas_flow_rate_stabilisation_period"], said["uncontrolled_gas_flow_rate_measurement_period"]) == (
        7,
        90,
    )
    identity = ask(rig, "6.2.4", GSME).says
    assert (identity["supply_tamper_state"], identity["supply_depletion_state"]) == (0, 3)


def test_what_tampering_does_to_electricity() -> None:
    rig = Rig()
    ask(rig, "6.25", ESME, {"SupplyTamperState": "Unchanged"})
    assert not ask(rig, "6.2.4", ESME).says["supply_tamper_state"]
    ask(rig, "6.25", ESME, {"SupplyTamperState": "Locked"})
    assert ask(rig, "6.2.4", ESME).says["supply_tamper_state"]


def test_the_billing_calendar_of_electricity() -> None:
    rig = Rig()
    calendar = {"BillingTime": "12:00:00.00Z", "Quarterly": {"DayOfMonth": "1", "BillingPeriodStartMonth": "1"}}
    assert ask(rig, "6.8", ESME, {"ElectricityBillingCalendar": calendar}).says["ok"]
    content = ask(rig, "6.2.3", ESME).message.content.hex()
    assert all(f"09040c0000000905ffff{month:02x}01ff" in content for month in (1, 4, 7, 10))


@pytest.mark.parametrize(("periodicity", "unit"), [("Daily", "01000021"), ("Weekly", "01000022"), ("SixMonthly", "06000023")])
def test_the_billing_calendar_of_gas_is_the_proxy_s_too(periodicity: str, unit: str) -> None:
    rig = Rig()
    assert ask(rig, "6.2.3", GSME).message.content.hex().endswith("0100002300")
    calendar = {"BillingPeriodStart": "2026-02-03T00:00:00Z", "Periodicity": periodicity}
    assert ask(rig, "6.8", GSME, {"GasBillingCalendar": calendar}).says["ok"]
    for eui in (GSME, GPF):
        assert ask(rig, "6.2.3", eui).message.content.hex().endswith(f"{unit}00")


def test_the_daily_reset_of_blocks_is_set() -> None:
    assert ask(Rig(), "6.26", ESME, {"DailyTariffBlockCounterMatrixReset": "true"}).says["ok"]


def test_the_demand_window_is_set_and_registers_are_reset() -> None:
    rig = Rig()
    window = {"MaximumDemandTimePeriodSchedule": {"StartTime": "17:00:00.00Z", "EndTime": "22:00:00.00Z"}}
    assert ask(rig, "6.18.1", ESME, window, NETWORK_OPERATOR).says["ok"]
    assert ask(rig, "6.18.2", ESME, {"MaxDemandActivePowerImportValue": ""}, NETWORK_OPERATOR).says["ok"]


def test_a_setting_that_cannot_be_made() -> None:
    rig = Rig()
    rig.faults.add("device.read_fails", GSME)
    assert not ask(rig, "6.6", GSME, {"ConversionFactor": "1.02264", "CalorificValue": "39.5"}).says["ok"]


def test_voltages_are_counted_by_the_limits_that_are_set() -> None:
    rig = Rig()
    name = "phase_1_average_rms_over_voltage_counter"
    before = ask(rig, "4.10", ESME, READ_VOLTAGES).says
    assert name in before, list(before)
    low = AVERAGE | {"AverageRMSOverVoltageThreshold": "1"}
    ask(rig, "6.5", ESME, {"RMSVoltageSettings": RMS, "SinglePhaseVoltageSettings": low}, NETWORK_OPERATOR)
    rig.run(24 * HOUR_MS)
    assert ask(rig, "4.10", ESME, READ_VOLTAGES).says[name] > 100
