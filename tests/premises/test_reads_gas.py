"""Registers, snapshots and samples of gas meters, asked for at the meter and at its proxy."""

from collections.abc import Mapping
from typing import Any

import pytest

from emulator.gbcs.gbz import decode_components
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.times import read_duis
from emulator.premises import billing, metering
from emulator.premises.gas_calendars import TARIFF
from emulator.premises.gas_calendars import key as calendar_key
from emulator.premises.load_shape import DAY_MS, GAS
from emulator.premises.objects import write_zcl
from emulator.premises.state import Account
from tests.premises.homes import GPF, GSME, HOUR_MS, KA, NETWORK_OPERATOR, SUPPLIER, Rig, key

EVER = "2001-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


def read(rig: Rig, variant: str, start: str = "", end: str = "", user: Any = SUPPLIER, eui: Any = GSME) -> Mapping[str, Any]:
    parameters: dict[str, object] = {"ReadLogPeriod": {"StartDateTime": start, "EndDateTime": end}} if start else {}
    message = rig.send(variant, eui, parameters, user=user)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer.says


def total(rig: Rig, at_ms: int) -> int:
    return metering.total(rig.premises._context, rig.state.devices[GSME], GAS, at_ms)


def test_registers() -> None:
    rig = Rig()
    says = read(rig, "4.1.1", user=NETWORK_OPERATOR)
    tiers = read(rig, "4.1.2")
    assert says["ok"]
    assert 0 <= tiers["tou_consumption_1"] - says["consumption"] < 2_000
    assert tiers["tou_consumption_2"] == 0
    blocks = read(rig, "4.1.4")
    assert [blocks[f"block_consumption_{block}"] for block in (1, 2, 3, 4)] == [0, 0, 0, 0]


@pytest.mark.parametrize("eui", [GSME, GPF])
def test_half_hours_add_up_to_the_register(eui: Any) -> None:
    rig = Rig()
    rig.run(DAY_MS)
    start, end = "2026-01-05T00:30:00Z", "2026-01-06T00:00:00Z"
    (sampled,) = read(rig, "4.8.1", start, end, eui=eui)["sampled_data"]
    assert (sampled["sample_id"], sampled["interval_s"], sampled["time"]) == (0, 1_800, read_duis(start))
    assert len(sampled["samples"]) == 48
    midnight = read_duis(end)
    assert sum(sampled["samples"]) == total(rig, midnight) - total(rig, midnight - DAY_MS)
    says = read(rig, "4.6.1", "2026-01-05T00:00:00Z", end, eui=eui)
    first, second = says["snapshots"]
    assert says["statuses"] == [0x8B] * 29
    assert says["ok"], "what lies beyond the last entry is no failure"
    assert (first["time"], second["time"], first["found"], first["cause"]) == (midnight - DAY_MS, midnight, 2, 1)
    assert second["consumption"] - first["consumption"] == sum(sampled["samples"])
    assert second["tiers"] == [second["consumption"], 0, 0, 0]


def test_days_of_the_proxy() -> None:
    rig = Rig()
    (sampled,) = read(rig, "4.17", "2026-01-03T00:00:00Z", "2027-01-05T00:00:00Z", eui=GPF)["sampled_data"]
    assert sampled["interval_s"] == 0xFFFF
    midnight = read_duis("2026-01-05T00:00:00Z")
    assert sampled["samples"] == [
        total(rig, midnight - back * DAY_MS) - total(rig, midnight - (back + 1) * DAY_MS) for back in (2, 1, 0)
    ]


def test_logs_keep_so_many_entries() -> None:
    rig = Rig()
    assert len(read(rig, "4.6.1", *EVER)["snapshots"]) == 31
    assert len(read(rig, "4.14", *EVER)["prepay_snapshots"]) == 31
    billed = read(rig, "4.4.3", *EVER)
    assert len(billed["snapshots"]) == len(billed["prepay_snapshots"]) == 12
    assert billed["statuses"] == []
    changed = read(rig, "4.4.2", *EVER)
    assert changed["statuses"] == [0x8B] * 24
    assert not changed["ok"]
    assert read(rig, "4.8.1", "2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z")["statuses"] == [0x8B]
    assert read(rig, "4.8.1", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z")["statuses"] == [0x8B]


def test_a_change_of_mode_and_of_tariff_is_a_snapshot_with_its_cause() -> None:
    rig = Rig()
    device = rig.state.devices[GSME]
    write_zcl(device, 0x0705, 0x0000, 0x0C94)
    read(rig, "4.1.1")
    rig.run(DAY_MS)
    write_zcl(device, 0x0700, 0x0410, 25)
    device.account = Account(rig.now_ms, meter=-17, history=[(rig.now_ms, (-17, 0, 0, 0, 0, 0))])
    read(rig, "4.1.1")
    says = read(rig, "4.4.2", *EVER)
    assert [entry["cause"] for entry in says["snapshots"]] == [0x2000, 0x08]
    assert [entry["meter_balance"] for entry in says["prepay_snapshots"]] == [0, -17]


def test_times_of_use_follow_the_published_calendar() -> None:
    rig = Rig()
    device, context = rig.state.devices[GSME], rig.premises._context
    head = bytes(12)
    day = head + bytes((1, 0, 1, 0)) + (0).to_bytes(2, "little") + b"\2" + (420).to_bytes(2, "little") + b"\1"
    day = head + bytes((1,)) + bytes((2, 0, 1, 0)) + day[16:]
    device.attributes[calendar_key(TARIFF, "active")] = (5).to_bytes(8, "big").hex()
    for command, part in ((1, day), (2, head + bytes((1, *[1] * 7))), (3, head + bytes.fromhex("0001ff0101ff01"))):
        device.attributes[calendar_key(TARIFF, "part", 5, command, f"{0 if command == 3 else 1:02x}")] = part.hex()
    read(rig, "4.1.1")
    set_ms = device.meter.history["0707 tariff"][0][0]  # type: ignore[union-attr]
    rig.run(2 * DAY_MS)
    midnight = rig.now_ms // DAY_MS * DAY_MS
    tiers = metering.registers(context, device, midnight).tou
    assert sum(tiers) == total(rig, midnight)
    seven = 7 * HOUR_MS
    nights = sum(total(rig, at_ms + seven) - total(rig, at_ms) for at_ms in (midnight - DAY_MS,))
    nights += max(0, total(rig, midnight - 2 * DAY_MS + seven) - max(total(rig, set_ms), total(rig, midnight - 2 * DAY_MS)))
    assert tiers[1] == nights > 0
    assert read(rig, "4.1.2")["tou_consumption_2"] > tiers[1]


def test_blocks_fill_one_after_the_other_until_the_bill() -> None:
    rig = Rig()
    device, context = rig.state.devices[GSME], rig.premises._context
    for place, limit in enumerate((1_000, 3_000, 0)):
        write_zcl(device, 0x0700, 0x0100 + place, limit)
    read(rig, "4.1.1")
    rig.run(3 * DAY_MS)
    says = read(rig, "4.1.4", eui=GPF)
    assert (says["block_consumption_1"], says["block_consumption_2"], says["block_consumption_4"]) == (1_000, 2_000, 0)
    assert says["block_consumption_3"] > 0
    bill = read_duis("2026-02-01T00:00:00Z")
    assert sum(billing.gas_blocks(context, device, bill + HOUR_MS)) == total(rig, bill + HOUR_MS) - total(rig, bill)


def test_network_data_is_recorded_when_it_was_asked_for() -> None:
    rig = Rig()
    (first,) = read(rig, "4.10")["sampled_data"]
    assert first["time"] == metering.fitted_ms(rig.premises._context, rig.state.devices[GSME]) + DAY_MS // 2
    assert len(first["samples"]) == 41
    started = read(rig, "14.1")
    assert started["sampling"] == [{"sample_id": 2}]
    (some,) = read(rig, "4.10")["sampled_data"]
    assert 0 < len(some["samples"]) < 41
    rig.run(DAY_MS)
    message = rig.send("4.10", GSME)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    (component,) = decode_components(answer.message.content)
    assert component.frame_control == 0x09
    (whole,) = answer.says["sampled_data"]
    assert len(whole["samples"]) == 41
    assert whole["interval_s"] == 360
    assert whole["samples"][: len(some["samples"])] == some["samples"]
    end = whole["time"] + 41 * 360_000
    assert abs(sum(whole["samples"]) - (total(rig, end) - total(rig, whole["time"] // 1_000 * 1_000))) <= 1


def test_top_ups_and_payments_of_debt_are_logged() -> None:
    rig = Rig()
    before = read(rig, "4.4.5", *EVER)["credits"]
    assert [entry["time"] for entry in before] == sorted((entry["time"] for entry in before), reverse=True)
    assert len(before) == 5
    old = read(rig, "4.4.4", *EVER)["debt_payments"]
    assert [entry["left"] for entry in old] == [100_000 * left for left in range(9, -1, -1)]
    since = "2026-01-05T00:00:00Z", EVER[1]
    assert read(rig, "4.4.5", *since)["statuses"] == [0x8B]
    assert read(rig, "4.4.4", *since)["statuses"] == [0x8B]
    device = rig.state.devices[GSME]
    for n in range(7):
        billing.log_credit(device, 1_000 * n, f"{n:020}", rig.now_ms + n * 60_000)
        billing.log_debt_payment(device, 100 * n, billing.PAYMENT_DEBT if n else 0, 700 - 100 * n, rig.now_ms + n * 60_000)
    rig.run(HOUR_MS)
    credits = read(rig, "4.4.5", *EVER)["credits"]
    assert [entry["amount"] for entry in credits] == [6_000, 5_000, 4_000, 3_000, 2_000]
    assert credits[0]["code"] == "00000000000000000006"
    payments = read(rig, "4.4.4", *since, eui=GPF)["debt_payments"]
    assert [(entry["amount"], entry["debt"], entry["left"]) for entry in payments] == [
        (100 * n, 2, 700 - 100 * n) for n in range(1, 7)
    ]


def test_a_proxy_without_a_meter_finds_nothing() -> None:
    rig = Rig()
    rig.premises.remove_device(GSME, rig.now_ms)
    assert set(read(rig, "4.6.1", *EVER, eui=GPF)["statuses"]) == {0x8B}


def test_the_same_key_opens_every_part_of_an_answer() -> None:
    rig = Rig()
    message = rig.send("4.4.3", GSME, {"ReadLogPeriod": {"StartDateTime": EVER[0], "EndDateTime": EVER[1]}})
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    components = decode_components(answer.message.content)
    assert [component.frame_counter for component in components] == list(range(24))
    assert [component.sequence for component in components] == list(range(24))
    assert read_result(answer.message)["encrypted"]
    assert len(read_result(answer.message, ReaderKeys(key(SUPPLIER, KA), key(GSME, KA).public_key()))["snapshots"]) == 12  # type: ignore[arg-type]


def test_balances() -> None:
    rig = Rig()
    device = rig.state.devices[GSME]
    device.account = Account(rig.now_ms, meter=-1_500, emergency_credit=200, debts=[0, 0, 70])
    says = read(rig, "4.3", eui=GPF)
    assert (says["meter_balance"], says["emergency_credit_balance"], says["payment_debt"]) == (-1_500, 200, 70)
    assert (says["accumulated_debt"], says["time_debt_1"], says["time_debt_2"]) == (0, 0, 0)
    balance = read(rig, "4.18")
    assert (balance["meter_balance"], balance["bill_to_date"]) == (-1_500, 0)
