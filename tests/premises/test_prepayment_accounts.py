"""What meters make of money: charges, balances, top-ups, debts, emergency credit, and supply that ends for want of credit."""

from collections.abc import Mapping
from typing import Any

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.estate import snapshot
from emulator.gbcs import utrn
from emulator.gbcs.gbz import decode_components
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import shared_secret
from emulator.premises import metering, supply
from emulator.premises.load_shape import GAS, IMPORT, SECOND
from emulator.premises.terms import WH_OF_GAS
from tests.premises.homes import (
    DAY_MS,
    ESME,
    GPF,
    GSME,
    HOUR_MS,
    KA,
    MINUTE_MS,
    SMKI,
    SUPPLIER,
    Heard,
    Rig,
    default_estate,
    key,
    with_device,
)
from tests.premises.tariff_bodies import (
    CREDIT,
    Body,
    electricity_prepayment_settings,
    electricity_prices,
    electricity_tariff,
    gas_block_tariff,
    gas_prepayment_settings,
    gas_prices,
    gas_tariff,
    prepayment,
    second_tariff,
)

METERS = [ESME, GSME]
POUND = 100_000
BY_NIGHT, ARMED_BY_IT = 0x8F83, 0x8168
"""Alerts that depend on the time of day, and on what the meter is set to report."""

SETTINGS: Mapping[str, Any] = {"MaxCreditThreshold": 50 * POUND, "MaxMeterBalance": 80 * POUND, "DebtRecoveryRateCap": 0}


def told(rig: Rig, variant: str, eui: Eui64, body: Body) -> Heard:
    """Send a Command that is answered."""
    message = rig.send(variant, eui, body)
    rig.run(MINUTE_MS if eui == ESME else HOUR_MS)
    (answer,) = rig.answers(message)
    return answer


def done(rig: Rig, variant: str, eui: Eui64, body: Body) -> Heard:
    """Send a Command that succeeds."""
    answer = told(rig, variant, eui, body)
    assert answer.says["ok"], answer.says
    return answer


def balances(rig: Rig, eui: Eui64) -> dict[str, int]:
    """4.3."""
    says = told(rig, "4.3", eui, {}).says
    names = ("meter_balance", "emergency_credit_balance", "accumulated_debt", "time_debt_1", "time_debt_2", "payment_debt")
    return {name: says.get(name, says.get(name.removesuffix("_balance"))) for name in names}


def token(eui: Eui64, counter: int, pence: int) -> str:
    """A UTRN of the supplier."""
    secret = shared_secret(SMKI.private_key(SUPPLIER, KA, purpose="prepayment"), key(eui, KA).public_key())
    return utrn.make(pence, secret, SUPPLIER, eui, counter)


def top_up(rig: Rig, eui: Eui64, counter: int, pence: int, text: str = "") -> Heard:
    """2.2 with the counter that goes with the token."""
    before, rig.counter = rig.counter, (counter << 32) - 1
    message = rig.send("2.2", eui, {"UTRN": text or token(eui, counter, pence)})
    rig.counter = before
    rig.run(MINUTE_MS if eui == ESME else HOUR_MS)
    return rig.answers(message)[-1]


def settings(eui: Eui64, **changes: object) -> Body:
    """2.1 without a non-disablement calendar that matters."""
    given = {**SETTINGS, **changes}
    return electricity_prepayment_settings(**given) if eui == ESME else gas_prepayment_settings(**given)


def flat_tariff(eui: Eui64, price: int, standing: int = 0) -> Body:
    """One price all day."""
    if eui == ESME:
        return electricity_tariff(("00:00", "1"), prices=(price,), standing=standing)
    return gas_tariff(gas_prices(price, price, standing=standing))


def on_prepayment(eui: Eui64, price: int = 20_000, standing: int = 0, **changes: object) -> Rig:
    """A meter in prepayment mode with ten pounds on it, at noon; gas costs a tenth."""
    rig = Rig()
    rig.run(4 * HOUR_MS)
    done(rig, "1.1.1", eui, flat_tariff(eui, price if eui == ESME else price // 10, standing))
    done(rig, "2.1", eui, settings(eui, **changes))
    done(rig, "1.6", eui, prepayment())
    assert top_up(rig, eui, 1, 1_000).says["ok"]
    rig.heard.clear()
    return rig


def used(rig: Rig, eui: Eui64, from_ms: int, to_ms: int) -> int:
    """Wh between two moments."""
    stream, factor = (IMPORT, 1) if eui == ESME else (GAS, WH_OF_GAS)
    return factor * metering.used(rig.premises._context, rig.state.devices[eui], stream, from_ms, to_ms)


def alerts(rig: Rig, *without: int) -> list[int]:
    """The codes of all alerts, in the order in which they were heard."""
    codes = [heard.alert_code for heard in rig.heard if heard.message.cra == 3 and heard.alert_code is not None]
    return [code for code in codes if code not in without]


def test_a_credit_meter_charges_by_time_of_use_and_day() -> None:
    rig = Rig()
    done(rig, "1.1.1", ESME, electricity_tariff(("00:00", "1"), ("07:00", "2"), prices=(10_000, 30_000), standing=20_000))
    done(rig, "1.5", ESME, {"CreditMode": {"ResetMeterBalance": ""}})
    begun = rig.state.devices[ESME].account
    assert begun is not None
    start, fine = begun.settled_ms, begun.carry
    rig.run(10 * DAY_MS)
    message = rig.send("4.18", ESME)
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    end = answer.at_ms
    cheap = dear = 0
    for day in range(start // DAY_MS, end // DAY_MS + 1):
        midnight, morning, next_day = day * DAY_MS, day * DAY_MS + 7 * HOUR_MS, (day + 1) * DAY_MS
        cheap += used(rig, ESME, *sorted((max(start, midnight), max(start, min(end, morning)))))
        dear += used(rig, ESME, max(start, min(end, morning)), min(end, next_day))
    days = end // DAY_MS - start // DAY_MS
    expected = (cheap * 10_000 + dear * 30_000 + fine) // 1_000 + days * 20_000
    assert answer.says["meter_balance"] == pytest.approx(-expected, abs=100), "the answer is a second or two later"
    assert -answer.says["meter_balance"] > 10 * 20_000


@pytest.mark.parametrize("eui", METERS)
def test_reads_change_nothing(eui: Eui64) -> None:
    often, once = on_prepayment(eui), on_prepayment(eui)
    for _ in range(20):
        often.run(HOUR_MS)
        balances(often, eui)
    once.run(often.now_ms - once.now_ms)
    assert often.state.devices[eui].account == once.state.devices[eui].account
    assert balances(often, eui) == balances(once, eui)


@pytest.mark.parametrize("eui", METERS)
def test_an_account_goes_on_from_a_snapshot(eui: Eui64) -> None:
    rig = on_prepayment(eui)
    rig.run(DAY_MS)
    account = rig.state.devices[eui].account
    assert snapshot.load(snapshot.dump(account)) == account


@pytest.mark.parametrize("eui", METERS)
def test_prepayment_takes_what_is_used_from_the_balance(eui: Eui64) -> None:
    rig = on_prepayment(eui, standing=5_000)
    before, start = balances(rig, eui)["meter_balance"], rig.heard[-1].at_ms
    rig.run(2 * HOUR_MS)
    after, end = balances(rig, eui)["meter_balance"], rig.heard[-1].at_ms
    assert before - after == pytest.approx(used(rig, eui, start, end) * (20 if eui == ESME else 2), abs=2_000)
    assert 9 * POUND < after < before <= 10 * POUND


@pytest.mark.parametrize("eui", METERS)
def test_top_ups(eui: Eui64) -> None:
    rig = on_prepayment(eui, price=0)
    before = balances(rig, eui)["meter_balance"]
    answer = top_up(rig, eui, 2, 550)
    assert answer.says["ok"]
    assert answer.message.date_time is not None
    after = balances(rig, eui)["meter_balance"]
    assert after - before == 550 * 1_000
    if eui == GSME:
        (said,) = decode_components(answer.message.content)
        assert (said.frame_control, said.command) == (0x09, 0x03)
        assert said.payload[:6] == b"\0" + (550_000).to_bytes(4, "little") + b"\0"
    period = {"ReadLogPeriod": {"StartDateTime": "2026-01-01T00:00:00Z", "EndDateTime": "2026-03-01T00:00:00Z"}}
    assert told(rig, "4.4.5", eui, period).says["ok"]


def refused(rig: Rig, eui: Eui64, answer: Heard, code: int) -> None:
    """A top-up was refused for this reason."""
    assert alerts(rig)[-1] == code
    if eui == ESME:
        assert answer.says["results"] == [250]
    else:
        (said,) = decode_components(answer.message.content)
        assert said.payload == bytes.fromhex("01ffffffff00ffffffff")


@pytest.mark.parametrize("eui", METERS)
def test_top_ups_that_are_refused(eui: Eui64) -> None:
    rig = on_prepayment(eui)
    before = balances(rig, eui)
    refused(rig, eui, top_up(rig, eui, 1, 1_000), 0x8F51)
    other_meter = ESME if eui == GSME else GSME
    refused(rig, eui, top_up(rig, eui, 5, 0, token(other_meter, 5, 1_000)), 0x8F63)
    refused(rig, eui, top_up(rig, eui, 5, 0, token(eui, 4, 1_000)), 0x8F63)
    refused(rig, eui, top_up(rig, eui, 5, 0, "12345678901211314156"), 0x8F63)
    refused(rig, eui, top_up(rig, eui, 6, 5_001), 0x8F5B)
    assert balances(rig, eui)["meter_balance"] <= before["meter_balance"]
    assert top_up(rig, eui, 7, 5_000).says["ok"]
    refused(rig, eui, top_up(rig, eui, 8, 4_000), 0x8F47)
    assert top_up(rig, eui, 3, 100).says["ok"], "an older token that was not used is good"


@pytest.mark.parametrize("eui", METERS)
def test_credit_runs_low_and_out_and_emergency_credit_helps(eui: Eui64) -> None:
    rig = on_prepayment(
        eui, price=30_000, LowCreditThreshold=5 * POUND, EmergencyCreditThreshold=2 * POUND, EmergencyCreditLimit=POUND
    )
    there = rig.state.devices[eui]
    rig.run(60 * DAY_MS)
    assert alerts(rig, BY_NIGHT, ARMED_BY_IT) == [0x810D, 0x8119, 0x8F0F]
    assert supply.state_of(there) == supply.OFF
    assert 0 >= balances(rig, eui)["meter_balance"] > -5 * POUND, "gas was used by night, when supply goes on"
    answer = done(rig, "2.5", eui, {})
    assert answer.says["ok"]
    assert alerts(rig, BY_NIGHT, ARMED_BY_IT)[3:] == [0x81AB, 0x8F32]
    assert supply.state_of(there) == supply.ARMED
    assert balances(rig, eui)["emergency_credit_balance"] == pytest.approx(POUND, abs=10_000)
    assert not told(rig, "2.5", eui, {}).says["ok"], "it can be had once"
    rig.run(30 * DAY_MS)
    assert alerts(rig, BY_NIGHT, ARMED_BY_IT)[5:] == [0x81AA, 0x8F0F]
    before = balances(rig, eui)["meter_balance"]
    assert top_up(rig, eui, 2, 2_000).says["ok"]
    left = balances(rig, eui)
    assert left["emergency_credit_balance"] == 0
    assert left["meter_balance"] - before == pytest.approx(19 * POUND, abs=POUND // 2), "a pound paid emergency credit back"
    assert alerts(rig, BY_NIGHT, ARMED_BY_IT)[7:] == [0x8F32]
    rig.assert_all_authentic()


@pytest.mark.parametrize("eui", METERS)
def test_supply_is_not_cut_off_by_night(eui: Eui64) -> None:
    rig = Rig()
    rig.run(14 * HOUR_MS)  # ten in the evening
    done(rig, "1.1.1", eui, flat_tariff(eui, 30_000))
    done(rig, "2.1", eui, settings(eui))
    done(rig, "1.6", eui, prepayment(1))
    there = rig.state.devices[eui]
    assert alerts(rig)[-2:] == [0x8F0F, 0x8F83]
    assert supply.state_of(there) == supply.ON
    rig.run(6 * HOUR_MS)
    assert supply.state_of(there) == supply.ON
    rig.run(6 * HOUR_MS)
    assert supply.state_of(there) == supply.OFF
    done(rig, "1.6", eui, CREDIT)
    assert supply.state_of(there) == supply.ARMED


def debts(
    eui: Eui64, time_1: int = 0, time_2: int = 0, payment: int = 0, rates: tuple[int, int] = (0, 0), share: int = 0
) -> Body:
    """2.3, recovered daily."""
    body: Body = {
        "TimeDebtRegister1": str(time_1), "TimeDebtRegister2": str(time_2), "PaymentDebtRegister": str(payment),
        "DebtRecoveryPerPayment": str(share),
    }  # fmt: skip
    for number, rate in enumerate(rates, 1):
        if eui == ESME:
            body[f"ElecDebtRecovery{number}"] = {
                "DebtRecoveryRate": str(rate), "DebtRecoveryRatePriceScale": "-5", "DebtRecoveryRatePeriod": "DAILY",
            }  # fmt: skip
        else:
            body[f"GasDebtRecovery{number}"] = {"DebtRecoveryRate": str(rate), "DebtRecoveryRatePeriod": "DAILY"}
    return body


@pytest.mark.parametrize("eui", METERS)
def test_debts_are_recovered_over_time_and_from_payments(eui: Eui64) -> None:
    rig = on_prepayment(eui, price=0)
    done(rig, "2.3", eui, debts(eui, 30_000, 20_000, 3 * POUND, (10_000, 5_000), share=2_500))
    assert balances(rig, eui) == {
        "meter_balance": 10 * POUND, "emergency_credit_balance": 0, "accumulated_debt": 0, "time_debt_1": 30_000,
        "time_debt_2": 20_000, "payment_debt": 3 * POUND,
    }  # fmt: skip
    rig.run(2 * DAY_MS)
    held = balances(rig, eui)
    assert (held["time_debt_1"], held["time_debt_2"], held["meter_balance"]) == (10_000, 10_000, 970_000)
    rig.run(3 * DAY_MS)
    held = balances(rig, eui)
    assert (held["time_debt_1"], held["time_debt_2"], held["meter_balance"]) == (0, 0, 950_000)
    top_up(rig, eui, 2, 800)
    held = balances(rig, eui)
    assert (held["payment_debt"], held["meter_balance"]) == (POUND, 950_000 + 6 * POUND), "a quarter goes towards the debt"
    top_up(rig, eui, 3, 1_000)
    held = balances(rig, eui)
    assert (held["payment_debt"], held["meter_balance"]) == (0, 950_000 + 15 * POUND)
    assert alerts(rig) == [0x81A7, 0x81A8, 0x81A9]
    done(rig, "2.3", eui, debts(eui, 5_000))
    assert balances(rig, eui)["time_debt_1"] == 5_000, "amounts are added"
    period = {"ReadLogPeriod": {"StartDateTime": "2026-01-01T00:00:00Z", "EndDateTime": "2026-03-01T00:00:00Z"}}
    assert told(rig, "4.4.4", eui, period).says["ok"]


def test_payments_towards_debt_are_capped() -> None:
    rig = on_prepayment(GSME, price=0, DebtRecoveryRateCap=POUND)
    done(rig, "2.3", GSME, debts(GSME, payment=9 * POUND, share=5_000))
    for counter in (2, 3):
        top_up(rig, GSME, counter, 150)
    assert balances(rig, GSME)["payment_debt"] == 8 * POUND
    rig.run(8 * DAY_MS)
    top_up(rig, GSME, 4, 150)
    assert balances(rig, GSME)["payment_debt"] == 8 * POUND - 75_000


def test_standing_charges_without_credit_become_debt_that_payments_meet() -> None:
    rig = on_prepayment(ESME, price=0)
    done(rig, "1.2.1", ESME, electricity_prices((0,), standing=4_000, scale=-3))
    rig.run(5 * DAY_MS)
    held = balances(rig, ESME)
    assert (held["meter_balance"], held["accumulated_debt"]) == (0, 10 * POUND)
    top_up(rig, ESME, 2, 1_200)
    held = balances(rig, ESME)
    assert (held["meter_balance"], held["accumulated_debt"]) == (2 * POUND, 0)


@pytest.mark.parametrize("eui", METERS)
def test_balances_are_adjusted_and_reset(eui: Eui64) -> None:
    rig = on_prepayment(eui, price=0)
    done(rig, "1.5", eui, {"PrepaymentMode": {"AdjustMeterBalance": "-250000"}})
    assert balances(rig, eui)["meter_balance"] == 750_000
    done(rig, "1.5", eui, {"PrepaymentMode": {"ResetMeterBalance": ""}})
    assert balances(rig, eui)["meter_balance"] == 0


def test_a_gas_meter_in_credit_mode_counts_a_bill_up_by_block() -> None:
    rig = Rig()
    done(rig, "1.1.1", GSME, gas_block_tariff((100_000, 200_000), (1_000, 2_000, 3_000)))
    rig.run(20 * DAY_MS)
    first = told(rig, "4.18", GSME, {}).says
    assert first["bill_to_date"] > 20 * 22_465
    assert first["meter_balance"] == 0
    assert told(rig, "4.18", GPF, {}).says["bill_to_date"] >= first["bill_to_date"]
    done(rig, "1.5", GSME, {"CreditMode": {"AdjustMeterBalance": "5000"}})
    adjusted = told(rig, "4.18", GSME, {}).says["bill_to_date"]
    assert adjusted >= first["bill_to_date"] + 5_000
    done(rig, "1.5", GSME, {"CreditMode": {"ResetMeterBalance": ""}})
    assert told(rig, "4.18", GSME, {}).says["bill_to_date"] < 2 * 22_465


def test_daily_logs_hold_the_balances_of_midnights() -> None:
    rig = on_prepayment(ESME, price=0, standing=10_000)
    rig.run(3 * DAY_MS)
    message: GbcsMessage = rig.send(
        "4.14", ESME, {"ReadLogPeriod": {"StartDateTime": "2026-01-06T00:00:00Z", "EndDateTime": "2026-01-08T00:00:00Z"}}
    )
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    assert [entry["meter_balance"] for entry in answer.says["prepayment_daily_log"]] == [990_000, 980_000, 970_000]


@pytest.mark.parametrize("eui", METERS)
def test_what_customers_do_at_the_meter(eui: Eui64) -> None:
    rig = on_prepayment(eui, price=0, EmergencyCreditThreshold=80 * POUND, EmergencyCreditLimit=POUND)
    text = rig.premises.issue_token(eui, 700)
    assert rig.premises.customer(eui, text, rig.now_ms)
    assert not rig.premises.customer(eui, text, rig.now_ms), "it was used"
    assert not rig.premises.customer(eui, "1" * 20, rig.now_ms)
    assert rig.premises.customer(eui, None, rig.now_ms)
    assert not rig.premises.customer(eui, None, rig.now_ms), "it is taken"
    rig.run(HOUR_MS)
    assert alerts(rig)[:3] == [0x810E, 0x8F51, 0x8F63]
    held = balances(rig, eui)
    assert (held["meter_balance"], held["emergency_credit_balance"]) == (17 * POUND, POUND)
    with pytest.raises(Malformed, match="no meter"):
        rig.premises.customer(GPF, text, rig.now_ms)
    rig.premises.power(eui, False, rig.now_ms)
    with pytest.raises(Malformed, match="no power"):
        rig.premises.customer(eui, text, rig.now_ms)
    rig.assert_all_authentic()


def test_an_electricity_meter_charges_by_block() -> None:
    rig = Rig()
    body = electricity_tariff(standing=0)
    day = {"StartTime": "00:00:00.00Z", "BlockTariffAction": "1"}
    body["ElecTariffElements"]["SwitchingTable"]["DayProfiles"]["DayProfile"][0]["ProfileSchedule"] = [day]
    thresholds = body["ElecTariffElements"]["ThresholdMatrix"]["Thresholds"]
    thresholds[0]["BlockThreshold"] = [{"index": "1", "text": "20000"}, {"index": "2", "text": "50000"}]
    prices = [{"index": str(block), "text": str(price)} for block, price in enumerate((10_000, 20_000, 30_000), 1)]
    blocks = [{"index": "1", "BlockPrice": prices}]
    body["PriceElements"]["ElectricityPriceElements"].pop("TOUTariff")
    body["PriceElements"]["ElectricityPriceElements"]["BlockTariff"] = {"BlockPrices": blocks}
    done(rig, "1.1.1", ESME, body)
    done(rig, "1.7", ESME, {})
    account = rig.state.devices[ESME].account
    assert account is not None
    before, start = told(rig, "4.18", ESME, {}).says["meter_balance"], rig.heard[-1].at_ms
    rig.run(20 * DAY_MS)
    after, end = told(rig, "4.18", ESME, {}).says["meter_balance"], rig.heard[-1].at_ms
    energy = used(rig, ESME, start, end)
    assert energy > 60_000
    assert before - after == pytest.approx(20_000 * 10 + 30_000 * 20 + (energy - 50_000) * 30, abs=5_000)


def test_the_second_element_is_charged_too() -> None:
    rig = Rig(estate=with_device(default_estate(), ESME, esme_variant="B"))
    done(rig, "1.1.1", ESME, electricity_tariff(("00:00", "1"), prices=(10_000,), standing=0))
    done(rig, "1.1.2", ESME, second_tariff(20_000, 20_000, 20_000, 20_000))
    before, start = told(rig, "4.18", ESME, {}).says["meter_balance"], rig.heard[-1].at_ms
    rig.run(3 * DAY_MS)
    after, end = told(rig, "4.18", ESME, {}).says["meter_balance"], rig.heard[-1].at_ms
    context, there = rig.premises._context, rig.state.devices[ESME]
    expected = 10 * used(rig, ESME, start, end) + 20 * metering.used(context, there, SECOND, start, end)
    assert before - after == pytest.approx(expected, abs=5_000)


NONSENSE = {"0f00": "an integer", "0100": "an empty list", "090100": "octets", "010109021234": "a list of octets"}


@pytest.mark.parametrize("value", NONSENSE)
def test_what_cannot_be_understood_counts_as_not_set(value: str) -> None:
    rig = on_prepayment(ESME)
    there = rig.state.devices[ESME]
    for attribute in (
        "10 0-0:12.0.1.255 2", "11 0-0:11.0.2.255 2", "111 0-0:19.0.0.255 11", "111 0-0:19.0.0.255 16", "113 0-0:19.20.0.255 5",
        "113 0-0:19.20.1.255 8", "113 0-0:19.20.4.255 5", "21 0-0:16.0.1.255 2", "20 0-0:13.0.0.255 5", "21 0-0:16.0.11.255 2",
    ):  # fmt: skip
        there.attributes[attribute] = value
        rig.run(2 * DAY_MS)
        assert balances(rig, ESME)["meter_balance"] is not None
    there.attributes["111 0-0:19.0.0.255 2"] = value
    rig.run(2 * DAY_MS)
    assert balances(rig, ESME)["meter_balance"] is not None
