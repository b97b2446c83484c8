"""Registers, logs, demands and voltages of electricity meters: worked out from one curve, so that all of it adds up."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.estate import snapshot
from emulator.gbcs.commands import build_command
from emulator.gbcs.dlms import Data, Tag, array, number, octets, structure
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.times import read_duis
from emulator.gbcs.usecases import Originator, use_case_for
from emulator.pki.smki import Organisation
from emulator.premises import billing, metering
from emulator.premises.load_shape import DAY_MS, EXPORT, IMPORT, SECOND, STREAMS, counted, day_curve
from emulator.premises.readings import store
from emulator.premises.state import Account, DeviceState
from tests.premises.homes import (
    ESME,
    HOUR_MS,
    KA,
    MINUTE_MS,
    NETWORK_OPERATOR,
    SMKI,
    SUPPLIER,
    Rig,
    default_estate,
    key,
    with_device,
)

HALF_HOUR_MS = HOUR_MS // 2
OTHER_USER = Eui64(0x00DB123456780004)
RIG = Rig()
"""For what needs a world and leaves it as it is."""


def read(rig: Rig, variant: str, start: str = "", end: str = "", user: Any = SUPPLIER, eui: Any = ESME) -> Mapping[str, Any]:
    """What a read says, of the period where one is given."""
    parameters: dict[str, object] = {"ReadLogPeriod": {"StartDateTime": start, "EndDateTime": end}} if start else {}
    parameters["esme_variant"] = rig.definition(eui).esme_variant
    message = rig.send(variant, eui, parameters, user=user)
    rig.run(MINUTE_MS if eui == ESME else HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    assert answer.says["ok"], answer.says
    return answer.says


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_curve_never_falls_and_its_halves_make_the_whole(stream: Any) -> None:
    for day in (10_000, 10_957, 20_453):
        curve = day_curve(7, ESME, stream, day)
        assert len(curve) == 49
        assert list(curve) == sorted(curve)
        assert (curve[0], curve[-1]) == (counted(7, ESME, stream, day * DAY_MS), counted(7, ESME, stream, (day + 1) * DAY_MS))
        assert counted(7, ESME, stream, day * DAY_MS + 3 * HALF_HOUR_MS) == curve[3]
    year = [counted(7, ESME, stream, day * DAY_MS) for day in range(20_454, 20_454 + 365)]
    assert all(after > before for before, after in pairwise(year))
    assert counted(7, ESME, stream, 20_500 * DAY_MS) != counted(8, ESME, stream, 20_500 * DAY_MS)


def test_seasons_and_nights() -> None:
    def used(stream: Any, first_day: int) -> int:
        return counted(1, ESME, stream, (first_day + 28) * DAY_MS) - counted(1, ESME, stream, first_day * DAY_MS)

    january, july = 20_455, 20_636
    assert used(IMPORT, january) > used(IMPORT, july)
    assert used(EXPORT, july) > 3 * used(EXPORT, january)
    night = day_curve(1, ESME, EXPORT, july)
    assert night[8] == night[0]
    assert night[30] > night[20]


def test_registers_grow_by_the_sum_of_the_half_hours() -> None:
    rig = Rig()
    before = rig.now_ms
    first = read(rig, "4.1.1")
    rig.run(DAY_MS)
    second = read(rig, "4.1.1", user=NETWORK_OPERATOR)
    device, context = rig.state.devices[ESME], rig.premises._context
    log = read(rig, "4.8.1", "2026-01-05T08:30:00Z", "2026-01-06T08:00:00Z")["active_import_log"]
    assert [entry["time"] for entry in log] == [before + n * HALF_HOUR_MS for n in range(1, 49)]
    assert all("secondary_active_import" not in entry for entry in log)
    whole = sum(entry["active_import"] for entry in log)
    assert whole == metering.used(context, device, IMPORT, before, before + DAY_MS)
    assert abs(second["active_import"] - first["active_import"] - whole) < 100, "the answers come seconds later"
    assert first["active_import"] > 1_000_000
    reactive = read(rig, "4.8.2", "2026-01-05T08:30:00Z", "2026-01-06T08:00:00Z")["reactive_import_log"]
    assert 0 < sum(entry["reactive_import"] for entry in reactive) < whole


def test_days_are_differences_of_registers() -> None:
    rig = Rig()
    registers = read(rig, "4.6.1", "2026-01-01T00:00:00Z", "2026-01-05T23:00:00Z")["daily_register_log"]
    days = read(rig, "4.17", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z")["daily_consumption_log"]
    assert [entry["time"] for entry in days] == [entry["time"] for entry in registers]
    differences = [after["active_import"] - before["active_import"] for before, after in pairwise(registers)]
    assert differences == [entry["consumption"] for entry in days[1:]]
    halves = read(rig, "4.8.1", "2026-01-03T00:30:00Z", "2026-01-04T00:00:00Z")["active_import_log"]
    assert sum(entry["active_import"] for entry in halves) == days[3]["consumption"]
    assert all(sum(entry["tou_registers"]) == entry["active_import"] for entry in registers)


def test_logs_keep_so_many_entries() -> None:
    rig = Rig()
    ever = "2001-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
    for variant, name, depth in (
        ("4.6.1", "daily_register_log", 31),
        ("4.14", "prepayment_daily_log", 31),
        ("4.6.2", "daily_export_log", 31),
        ("4.8.2", "reactive_import_log", 4464),
        ("4.8.3", "export_log", 4464),
        ("4.17", "daily_consumption_log", 731),
        ("4.10", "phase_1_voltage_log", 4320),
        ("4.4.3", "billing_log", 12),
        ("4.4.3", "prepayment_log", 12),
        ("4.4.2", "change_log", 0),
    ):
        user = NETWORK_OPERATOR if variant == "4.8.3" else SUPPLIER
        assert len(read(rig, variant, *ever, user=user)[name]) == depth, name
    device, context = rig.state.devices[ESME], rig.premises._context
    assert metering.fitted_ms(context, device) < rig.now_ms - 731 * DAY_MS
    assert metering.total(context, device, IMPORT, metering.fitted_ms(context, device)) == 0


def test_reads_of_the_future_and_of_before_the_log_are_empty() -> None:
    rig = Rig()
    assert read(rig, "4.8.1", "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z")["active_import_log"] == []
    assert read(rig, "4.6.2", "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")["daily_export_log"] == []


def test_export_follows_the_export_mpan() -> None:
    rig = Rig()
    says = read(rig, "4.2", user=NETWORK_OPERATOR)
    assert says["active_export_register"] > says["reactive_export_register"] > 0
    log = read(rig, "4.8.3", "2026-01-04T00:30:00Z", "2026-01-05T00:00:00Z", user=NETWORK_OPERATOR)["export_log"]
    daily = read(rig, "4.6.2", "2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z")["daily_export_log"]
    assert daily[1]["active_export"] - daily[0]["active_export"] == sum(entry["active_export"] for entry in log)
    without = Rig(estate=with_device(default_estate(), ESME, export_mpan=""))
    assert read(without, "4.2", user=NETWORK_OPERATOR)["active_export_register"] == 0
    demand = read(without, "4.12.2", user=NETWORK_OPERATOR)
    assert demand["maximum_demand_active_power_export"] == 0


def test_a_twin_element_meter_measures_both() -> None:
    rig = Rig(estate=with_device(default_estate(), ESME, esme_variant="B"))
    says = read(rig, "4.1.1")
    assert says["secondary_active_import"] > 0
    power = read(rig, "4.16")
    assert power["active_power_import"] >= power["primary_active_power_import"]
    registers = read(rig, "4.1.2")
    assert (len(registers["tou_registers"]), len(registers["second_tou_registers"])) == (48, 4)
    assert abs(sum(registers["second_tou_registers"]) - says["secondary_active_import"]) < 100
    (day,) = read(rig, "4.6.1", "2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z")["daily_register_log"]
    assert sum(day["second_tou_registers"]) == day["secondary_active_import"]
    (half,) = read(rig, "4.8.1", "2026-01-05T03:00:00Z", "2026-01-05T03:00:00Z")["active_import_log"]
    assert half["secondary_active_import"] > 0
    whole = read(rig, "4.17", "2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z")["daily_consumption_log"]
    context, device, at_ms = rig.premises._context, rig.state.devices[ESME], read_duis("2026-01-05T00:00:00Z")
    both = sum(metering.used(context, device, stream, at_ms - DAY_MS, at_ms) for stream in (IMPORT, SECOND))
    assert whole[0]["consumption"] == both


def _time(hour: int) -> Data:
    return octets(bytes((hour, 0, 0, 0)))


def _calendar(rig: Rig, *actions: tuple[int, int]) -> None:
    _set_calendar(rig.state.devices[ESME], *actions)


def _set_calendar(device: DeviceState, *actions: tuple[int, int]) -> None:
    """The same day all year."""
    name = octets(b"all"), octets(bytes.fromhex("ffff0101ff000000008000ff")), octets(b"\1")
    store(device, "20 0-0:13.0.0.255 3", array(structure(*name)))
    store(device, "20 0-0:13.0.0.255 4", array(structure(octets(b"\1"), *[number(Tag.UINT8, 1)] * 7)))
    script = octets(bytes.fromhex("00000a0064ff"))
    day = array(*(structure(_time(hour), script, number(Tag.UINT16, code)) for hour, code in actions))
    store(device, "20 0-0:13.0.0.255 5", array(structure(number(Tag.UINT8, 1), day)))


def test_time_of_use_follows_the_switching_table_from_its_change_on() -> None:
    rig = Rig()
    before = read(rig, "4.1.2")["tou_registers"]
    assert before[1:] == [0] * 47
    _calendar(rig, (7, 2), (23, 1))
    read(rig, "4.16")
    changed_ms = rig.state.devices[ESME].meter.history["20 0-0:13.0.0.255 5"][0][0]  # type: ignore[union-attr]
    rig.run(2 * DAY_MS)
    after = read(rig, "4.1.2")["tou_registers"]
    total = read(rig, "4.1.1")["active_import"]
    assert after[1] > after[0] - before[0] > 0
    assert abs(sum(after) - total) < 100
    context, device = rig.premises._context, rig.state.devices[ESME]
    midnight = read_duis("2026-01-07T00:00:00Z")
    values = metering.registers(context, device, midnight)
    assert sum(values.tou) == metering.total(context, device, IMPORT, midnight)
    night = [(read_duis(f"2026-01-0{n}T23:00:00Z"), read_duis(f"2026-01-0{n + 1}T07:00:00Z")) for n in (5, 6)]
    counted_by_night = sum(metering.used(context, device, IMPORT, start, min(end, midnight)) for start, end in night)
    assert values.tou[0] == metering.total(context, device, IMPORT, changed_ms) + counted_by_night
    (entry,) = read(rig, "4.6.1", "2026-01-05T00:00:00Z", "2026-01-05T12:00:00Z")["daily_register_log"]
    assert entry["tou_registers"][1] == 0, "what was before the change stays as it was"
    (change,) = read(rig, "4.4.2", "2026-01-01T00:00:00Z", "2026-12-05T12:00:00Z")["change_log"]
    assert change["time"] == changed_ms // 1000 * 1000
    assert sum(change["tou_registers"]) == change["active_import"]


def test_blocks_fill_one_after_the_other_and_start_anew() -> None:
    rig = Rig()
    device, context = rig.state.devices[ESME], rig.premises._context
    _calendar(rig, (0, 103))
    store(device, "21 0-0:16.0.13.255 2", array(*(number(Tag.UINT32, limit) for limit in (3_000, 5_000, 0xFFFFFFFF))))
    read(rig, "4.16")
    before = metering.total(context, device, IMPORT, rig.state.devices[ESME].meter.history["20 0-0:13.0.0.255 5"][0][0])  # type: ignore[union-attr]
    rig.run(5 * DAY_MS)
    says = read(rig, "4.1.3")["block_registers_and_counters"]
    rows = [says[n : n + 16] for n in range(0, 64, 16)]
    assert [row[2] for row in rows[:2]] == [3_000, 2_000]
    assert rows[2][2] > 0
    assert [row[10] for row in rows] == [row[2] for row in rows]
    assert abs(sum(row[2] for row in rows) + before - read(rig, "4.1.1")["active_import"]) < 100
    metering.memory_of(device).block_resets.append(rig.now_ms)
    rig.run(HOUR_MS)
    again = read(rig, "4.1.3")["block_registers_and_counters"]
    assert 0 < again[10] < 3_000
    assert again[2] == 3_000 + again[10]
    store(device, "22 0-0:15.1.0.255 4", array(structure(_time(0), octets(b"\xff" * 5))))
    read(rig, "4.16")
    rig.run(3 * DAY_MS)
    day = metering.registers(context, device, rig.now_ms).counters
    midnight = rig.now_ms // DAY_MS * DAY_MS
    assert sum(row[2] for row in day) == metering.used(context, device, IMPORT, midnight, rig.now_ms)


def test_the_highest_demand_is_that_of_a_half_hour() -> None:
    rig = Rig()
    rig.run(10 * DAY_MS)
    says = read(rig, "4.12.1")
    log = read(rig, "4.8.1", "2026-01-01T00:30:00Z", "2026-02-01T00:00:00Z")["active_import_log"]
    highest = max(entry["active_import"] for entry in log)
    assert says["maximum_demand_active_energy_import"] == 2 * highest
    evening = [entry["active_import"] for entry in log if 16 * HOUR_MS < entry["time"] % DAY_MS <= 19 * HOUR_MS]
    assert says["maximum_demand_configurable_time_active_power_import"] == 2 * max(evening)
    assert says["maximum_demand_active_energy_import_date_time_of_last_reset"] == read_duis("2026-01-01T00:00:00Z")
    stamped = says["maximum_demand_active_energy_import_date_time_stamp"]
    assert next(entry["active_import"] for entry in log if entry["time"] == stamped) == highest
    device = rig.state.devices[ESME]
    metering.memory_of(device).resets["4 1-0:1.6.0.255"] = rig.now_ms
    again = read(rig, "4.12.1")
    assert again["maximum_demand_active_energy_import"] == 0
    assert again["maximum_demand_configurable_time_active_power_import"] == 2 * max(evening)


def test_voltages() -> None:
    rig = Rig(estate=with_device(default_estate(), ESME, esme_variant="C"))
    rig.run(60 * DAY_MS)
    says = read(rig, "4.10", "2026-01-01T00:30:00Z", "2026-04-01T00:00:00Z")
    assert says["phase_1_average_rms_voltage_profile_data_log_measurement_period"] == 1_800
    for phase in (1, 2, 3):
        volts = [entry["average_rms_voltage"] for entry in says[f"phase_{phase}_voltage_log"]]
        assert says[f"phase_{phase}_average_rms_under_voltage_counter"] == sum(1 for value in volts if value < 216) > 0
        assert says[f"phase_{phase}_average_rms_over_voltage_counter"] == sum(1 for value in volts if value > 253) > 0
    store(rig.state.devices[ESME], "7 1-0:52.24.0.255 4", number(Tag.UINT32, 3_600))
    read(rig, "4.16")
    rig.run(DAY_MS)
    later = read(rig, "4.10", "2026-01-01T00:30:00Z", "2026-04-01T00:00:00Z")
    hourly = [entry["time"] for entry in later["phase_2_voltage_log"]][-20:]
    assert {after - before for before, after in pairwise(hourly)} == {HOUR_MS}


def test_the_same_seed_says_the_same() -> None:
    first, second = (read(Rig(), "4.6.1", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z") for _ in range(2))
    assert first == second


def test_a_party_that_the_meter_does_not_know_reads_half_hours_for_itself() -> None:
    rig = Rig()
    certificate = next(c for c in SMKI.organisation_certificates(Organisation(OTHER_USER, 127, "otherUser")) if c.usage is KA)
    use_case = use_case_for("4.8.1", DeviceType.ESME)
    assert use_case is not None
    period = {"StartDateTime": "2026-01-05T00:00:00Z", "EndDateTime": "2026-01-05T06:00:00Z"}
    message = build_command(
        replace(use_case, originator=Originator.ACB), user=OTHER_USER, user_counter=5, device=ESME, acb_counter=6,
        parameters={"ReadLogPeriod": period}, now_ms=rig.now_ms, certificate=certificate.der,
    )  # fmt: skip
    rig.transmit(message)
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    assert answer.message.supplementary is not None
    assert answer.message.supplementary.originator_counter == 1
    says = read_result(answer.message, ReaderKeys(key(OTHER_USER, KA), key(ESME, KA).public_key()))
    assert len(says["active_import_log"]) == 13  # type: ignore[arg-type]


def test_a_meter_at_fault_reads_nothing() -> None:
    rig = Rig()
    rig.faults.add("device.read_fails", ESME)
    message = rig.send("4.2", ESME, user=NETWORK_OPERATOR)
    rig.run(MINUTE_MS)
    assert rig.answers(message)[0].says["results"] == [1, 1, 1, 1]


def test_what_was_done_to_a_meter_is_in_its_snapshot() -> None:
    rig = Rig()
    _calendar(rig, (7, 2), (23, 1))
    read(rig, "4.16")
    device = rig.state.devices[ESME]
    metering.memory_of(device).block_resets.append(rig.now_ms)
    metering.memory_of(device).resets["4 1-0:1.6.0.255"] = rig.now_ms
    again = snapshot.load(snapshot.dump(device))
    assert again == device
    at_ms = rig.now_ms + 3 * DAY_MS
    assert metering.registers(rig.premises._context, again, at_ms) == metering.registers(rig.premises._context, device, at_ms)


def test_a_bill_is_drawn_up_on_the_dates_of_the_calendar() -> None:
    rig = Rig()
    monthly = read(rig, "4.4.3", "2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert [entry["time"] for entry in monthly["billing_log"]] == [
        read_duis(f"{month}-01T00:00:00Z") for month in ("2025-10", "2025-11", "2025-12", "2026-01")
    ]
    device = rig.state.devices[ESME]
    store(device, "22 0-0:15.0.0.255 4", array(structure(_time(12), octets(bytes.fromhex("ffffffffff")))))
    read(rig, "4.16")
    rig.run(3 * DAY_MS)
    daily = read(rig, "4.4.3", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")["billing_log"]
    assert [entry["time"] for entry in daily] == [
        read_duis(f"2026-01-{day:02}T{hour}:00:00Z") for day, hour in ((1, "00"), (5, "12"), (6, "12"), (7, "12"))
    ]


def _price_list(*prices: tuple[int, int]) -> Data:
    entries = (structure(octets(bytes((index,))), number(Tag.INT16, price)) for index, price in prices)
    return structure(structure(), structure(), array(*entries))


def test_the_price_is_that_of_the_register_which_counts() -> None:
    rig = Rig()
    device = rig.state.devices[ESME]
    assert read(rig, "4.11.1")["active_price"] == 0
    _calendar(rig, (7, 2), (23, 102))
    store(device, "113 0-0:19.20.0.255 5", _price_list((2, 3_000), (0xA2, 900), (0xB2, 1_100)))
    store(device, "21 0-0:16.0.12.255 2", array(number(Tag.UINT32, 500)))
    store(device, "113 0-0:19.20.5.255 5", _price_list((1, 777)))
    assert read(rig, "4.16")["active_power_import"] > 0
    assert read(rig, "4.11.1")["active_price"] == 3_000
    assert read(rig, "4.11.2")["secondary_active_tariff_price"] == 777
    rig.run(15 * HOUR_MS + 10 * MINUTE_MS)
    assert read(rig, "4.11.1")["active_price"] == 900
    rig.run(5 * HOUR_MS)
    context = rig.premises._context
    assert sum(row[1] for row in metering.registers(context, device, rig.now_ms).counters) > 500
    assert read(rig, "4.11.1")["active_price"] == 1_100


def test_logs_of_credit_and_of_payments_towards_debt() -> None:
    rig = Rig()
    device = rig.state.devices[ESME]
    ever = "2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"
    assert len(read(rig, "4.4.5", *ever)["credits"]) == 5
    assert len(read(rig, "4.4.4", *ever)["debt_payments"]) == 10
    billing.log_credit(device, 700_000, "0" * 20, rig.now_ms)
    billing.log_debt_payment(device, 900, 1, 0, rig.now_ms)
    billing.log_debt_payment(device, 800, billing.PAYMENT_DEBT, 100, rig.now_ms)
    since = "2026-01-05T00:00:00Z", ever[1]
    assert [entry["amount"] for entry in read(rig, "4.4.5", *since)["credits"]] == [700_000]
    assert [entry["amount"] for entry in read(rig, "4.4.4", *since)["debt_payments"]] == [800]


def test_balances() -> None:
    rig = Rig()
    device = rig.state.devices[ESME]
    assert read(rig, "4.18")["meter_balance"] == 0
    device.account = Account(rig.now_ms, meter=-4_000, emergency_credit=9, history=[(rig.now_ms, (-4_000, 9, 0, 0, 0, 0))])
    assert read(rig, "4.18")["meter_balance"] == -4_000
    says = read(rig, "4.3")
    assert (says["meter_balance"], says["emergency_credit_balance"], says["payment_debt"]) == (-4_000, 9, 0)
    rig.run(DAY_MS)
    (entry,) = read(rig, "4.14", "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z")["prepayment_daily_log"]
    assert entry["meter_balance"] == -4_000


def test_nothing_is_measured_while_the_supply_is_off() -> None:
    rig = Rig()
    context, device = rig.premises._context, rig.state.devices[ESME]
    _calendar(rig, (7, 2), (23, 1))
    rig.send("7.2", ESME)
    rig.run(MINUTE_MS)
    (off_ms, _), *_ = device.meter.history["70 0-0:96.3.10.255 3"]  # type: ignore[union-attr]
    before = metering.total(context, device, IMPORT, off_ms)
    rig.run(2 * DAY_MS)
    assert read(rig, "4.1.1")["active_import"] == before
    assert read(rig, "4.16")["active_power_import"] == 0
    demand = metering.memory_of(device).resets
    demand["4 1-0:1.6.0.255"] = off_ms
    assert read(rig, "4.12.1")["maximum_demand_active_energy_import"] == 0
    rig.send("7.1", ESME)
    rig.run(MINUTE_MS)
    on_ms = device.meter.history["70 0-0:96.3.10.255 3"][-1][0]  # type: ignore[union-attr]
    rig.run(DAY_MS)
    now_ms = rig.now_ms
    grown = metering.total(context, device, IMPORT, now_ms) - before
    assert grown == counted(context.seed, ESME, IMPORT, now_ms) - counted(context.seed, ESME, IMPORT, on_ms)
    assert sum(metering.registers(context, device, now_ms).tou) == before + grown
    log = read(rig, "4.8.1", "2026-01-05T09:00:00Z", "2026-01-08T08:00:00Z")["active_import_log"]
    values = [entry["active_import"] for entry in log]
    assert values[:90] == [0] * 90
    assert read(rig, "4.12.1")["maximum_demand_active_energy_import"] == 2 * max(values)


def test_a_calendar_that_cannot_be_followed_leaves_everything_in_one_register() -> None:
    for attribute, value in (
        ("20 0-0:13.0.0.255 3", array(structure(octets(b"all"), octets(b"\xff"), octets(b"\1")))),
        ("20 0-0:13.0.0.255 4", array(structure(octets(b"\1")))),
        (
            "20 0-0:13.0.0.255 5",
            array(structure(number(Tag.UINT8, 1), array(structure(octets(b"\7"), octets(b""), octets(b""))))),
        ),
        ("11 0-0:11.0.0.255 2", array(structure(number(Tag.UINT16, 1), octets(b"\7"), number(Tag.UINT8, 1)))),
        ("21 0-0:16.0.11.255 2", octets(b"none")),
    ):
        rig = Rig()
        _calendar(rig, (0, 101))
        store(rig.state.devices[ESME], attribute, value)
        read(rig, "4.16")
        rig.run(DAY_MS)
        context, device = rig.premises._context, rig.state.devices[ESME]
        values = metering.registers(context, device, rig.now_ms)
        whole = sum(values.tou) + sum(map(sum, values.blocks))
        assert whole == metering.total(context, device, IMPORT, rig.now_ms)


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(
        st.lists(st.tuples(st.integers(0, 23), st.sampled_from([1, 2, 48, 101, 108, 201, 0])), max_size=4), min_size=1, max_size=3
    ),
    limits=st.lists(st.integers(0, 20_000), max_size=3),
    resets=st.lists(st.integers(0, 10 * DAY_MS), max_size=3),
    hours=st.integers(1, 240),
)
def test_the_registers_always_sum_up(days: list[list[tuple[int, int]]], limits: list[int], resets: list[int], hours: int) -> None:
    rig = RIG
    device, context = replace(rig.state.devices[ESME], attributes={}, meter=None), rig.premises._context
    for n, actions in enumerate(days):
        at_ms = rig.now_ms + n * 2 * DAY_MS
        _set_calendar(device, *actions)
        store(device, "21 0-0:16.0.11.255 2", array(*(number(Tag.UINT32, limit) for limit in sorted(limits))))
        billing.remember(device, at_ms)
    metering.memory_of(device).block_resets += [rig.now_ms + reset for reset in sorted(resets)]
    instants = [rig.now_ms + hour * HOUR_MS for hour in (0, hours // 2, hours)]
    series = list(metering.registers_at(context, device, instants))
    for at_ms, values in zip(instants, series, strict=True):
        assert values == metering.registers(context, device, at_ms)
        assert sum(values.tou) + sum(map(sum, values.blocks)) == metering.total(context, device, IMPORT, at_ms)
        assert all(
            counter <= block
            for row, rows in zip(values.counters, values.blocks, strict=True)
            for counter, block in zip(row, rows, strict=True)
        )
    for before, after in pairwise(series):
        assert all(old <= new for old, new in zip(before.tou, after.tou, strict=True))


def test_registers_begin_anew_when_they_are_told_to() -> None:
    rig = Rig()
    device = rig.state.devices[ESME]

    def send(variant: str, parameters: dict[str, object], user: Eui64 = SUPPLIER) -> int:
        message = rig.send(variant, ESME, {"esme_variant": "A", **parameters}, user=user)
        rig.run(MINUTE_MS)
        (answer,) = rig.answers(message)
        assert answer.says["results"]
        assert answer.says["ok"]
        return answer.at_ms

    both = {"MaxDemandActivePowerImportValue": "", "MaxDemandActivePowerExportValue": ""}
    reset_ms = send("6.18.2", both, NETWORK_OPERATOR)
    demand = read(rig, "4.12.1")
    assert demand["maximum_demand_active_energy_import"] == 0
    assert 0 <= reset_ms - demand["maximum_demand_active_energy_import_date_time_of_last_reset"] < MINUTE_MS
    assert demand["maximum_demand_configurable_time_active_power_import"] > 0
    assert read(rig, "4.12.2", user=NETWORK_OPERATOR)["maximum_demand_active_power_export"] == 0
    rig.run(90 * DAY_MS)
    ever = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"
    assert read(rig, "4.10", *ever)["phase_1_average_rms_over_voltage_counter"] > 0
    send("6.27", {}, NETWORK_OPERATOR)
    assert read(rig, "4.10", *ever)["phase_1_average_rms_over_voltage_counter"] == 0
    _calendar(rig, (0, 101))
    store(device, "21 0-0:16.0.11.255 2", array(number(Tag.UINT32, 500)))
    read(rig, "4.16")
    rig.run(DAY_MS)
    send("1.7", {})
    counters = read(rig, "4.1.3")["block_registers_and_counters"][8::16]
    assert counters[0] < 500


def test_nothing_is_measured_during_an_outage() -> None:
    rig = Rig()
    context, device = rig.premises._context, rig.state.devices[ESME]
    first_ms = rig.now_ms
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(3 * HOUR_MS)
    dark = metering.total(context, device, IMPORT, rig.now_ms)
    assert dark == metering.total(context, device, IMPORT, first_ms)
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    log = read(rig, "4.8.1", "2026-01-05T08:30:00Z", "2026-01-05T12:00:00Z")["active_import_log"]
    assert [entry["active_import"] > 0 for entry in log] == [False] * 6 + [True] * 2
    rig.send("7.2", ESME)
    rig.run(MINUTE_MS)
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(HOUR_MS)
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    (start, end), (again, _) = metering.without_supply(device)
    assert (start, end) == (first_ms, first_ms + 3 * HOUR_MS)
    assert metering.used(context, device, IMPORT, again, rig.now_ms) == 0
