"""Bodies of requests about tariffs and prepayment, as :func:`emulator.gbcs.commands.command_content` takes them."""

from typing import Any

Body = dict[str, Any]

NEVER = "3000-12-31T00:00:00Z"


def dated(body: Body, date: str | None) -> Body:
    """The body with an execution date, if any."""
    return body | ({"ExecutionDateTime": date} if date else {})


def _any_year(month: int, day: int) -> Body:
    return {
        "Year": {"NonSpecifiedYear": ""}, "Month": {"SpecifiedMonth": f"{month:02}"},
        "DayOfMonth": {"SpecifiedDayOfMonth": f"{day:02}"}, "DayOfWeek": {"NonSpecifiedDayOfWeek": ""},
    }  # fmt: skip


def _gas_year(month: int, day: int) -> Body:
    return {
        "GasYearWithWildcards": {"NonSpecifiedYear": ""}, "GasMonthWithWildcards": {"SpecifiedMonth": f"{month:02}"},
        "GasDayOfMonthWithWildcards": {"SpecifiedDayOfMonth": f"{day:02}"},
        "GasDayOfWeekWithWildcards": {"NonSpecifiedDayOfWeek": ""},
    }  # fmt: skip


def _week(name: str, days: str) -> Body:
    return {"WeekName": name, "ReferencedDayName": [{"index": str(n), "text": day} for n, day in enumerate(days, 1)]}


def switching_table(action: str, *actions: tuple[str, str]) -> Body:
    """One season and week of day 1, which has these times and actions; day 2 is the special one."""
    schedule = [{"StartTime": f"{time}:00.00Z", action: number} for time, number in actions]
    return {
        "Seasons": {"Season": {"SeasonName": "all", "SeasonStartDate": _any_year(1, 1), "ReferencedWeekName": "1"}},
        "WeekProfiles": {"WeekProfile": _week("1", "1111111")},
        "DayProfiles": {
            "DayProfile": [
                {"DayName": "1", "ProfileSchedule": schedule},
                {"DayName": "2", "ProfileSchedule": [{"StartTime": "00:00:00.00Z", action: actions[0][1]}]},
            ]
        },
    }


SPECIAL_DAYS: Body = {"SpecialDay": [{"Date": _any_year(12, 25), "ReferencedDayName": "2"}]}


def electricity_prices(prices: tuple[int, ...] = (2121, 1000), standing: int = 20_000, scale: int = -5) -> Body:
    """1.2.1: time-of-use prices per kWh, and standing charge per day with its scale."""
    return {
        "PriceElements": {
            "ElectricityPriceElements": {
                "StandingCharge": str(standing), "StandingChargeScale": str(scale), "PriceScale": "-5",
                "TOUTariff": {"TOUPrice": [{"index": str(n), "text": str(price)} for n, price in enumerate(prices, 1)]},
            }
        }
    }  # fmt: skip


def electricity_tariff(
    *actions: tuple[str, str], prices: tuple[int, ...] = (2121, 1000), standing: int = 20_000, scale: int = -5
) -> Body:
    """1.1.1 for an electricity meter."""
    thresholds = [{"index": str(n), "BlockThreshold": [{"index": "1", "text": "4294967295"}]} for n in range(1, 9)]
    return {
        "ElecTariffElements": {
            "CurrencyUnits": "GBP", "SpecialDays": SPECIAL_DAYS, "ThresholdMatrix": {"Thresholds": thresholds},
            "SwitchingTable": switching_table("TOUTariffAction", *(actions or (("00:00", "1"), ("07:00", "2")))),
        },
        **electricity_prices(prices, standing, scale),
    }  # fmt: skip


def second_prices(*prices: int) -> Body:
    """1.2.2."""
    table = [{"index": str(n), "text": str(price)} for n, price in enumerate(prices, 1)]
    return {"PriceElements": {"PriceScale": "-5", "ElectricityPriceElement": table}}


def second_tariff(*prices: int) -> Body:
    """1.1.2."""
    return {
        "SwitchingTable": switching_table("TOUTariffAction", ("00:00", "1"), ("07:00", "3")),
        "SpecialDays": SPECIAL_DAYS,
        **second_prices(*prices),
    }


def electricity_prepayment_settings(**changes: object) -> Body:
    """2.1 for an electricity meter: supply stays from ten in the evening until eight, and all Christmas."""
    always = {"StartDate": "65535-01-01Z", "EndDate": "65535-12-31Z"}
    days = [{"DayOfWeekID": day} for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")]
    schedule = [
        {
            "NonDisablementScript": script, "SpecialDaysApplicability": special,
            "DaysOfWeekApplicability": {"DayOfWeekApplicability": days},
            "ScheduleDatesAndTime": {"SwitchTime": f"{time}:00.00Z", **always},
        }
        for script, time, special in (
            ("START", "22:00", ""),
            ("STOP", "08:00", ""),
            ("START", "00:00", {"SpecialDayApplicability": [{"SpecialDayID": "1"}]}),
        )
    ]  # fmt: skip
    calendar = {
        "ElectricitySpecialDays": {"SpecialDay": [{"index": "1", "Date": _any_year(12, 25)}]},
        "ElectricityNonDisablementSchedule": schedule,
    }
    amounts = {
        "DebtRecoveryRateCap": "30", "EmergencyCreditLimit": "300000", "EmergencyCreditThreshold": "100000",
        "LowCreditThreshold": "200000", "MaxMeterBalance": "5000000", "MaxCreditThreshold": "1000000",
    }  # fmt: skip
    given = {name: str(value) for name, value in changes.items()}
    return {"UpdatePrepayConfigElectricity": {**amounts, "ElectricityNonDisablementCalendar": calendar, **given}}


def prepayment(threshold: int = 0, *, suspend: bool = False) -> Body:
    """1.6 into prepayment."""
    flag = "true" if suspend else "false"
    return {"Prepayment": {"SuspendDebtDisabled": flag, "SuspendDebtEmergency": flag, "DisablementThreshold": str(threshold)}}


CREDIT: Body = {"Credit": ""}
"""1.6 into credit."""


def gas_prices(*prices: int, standing: int = 22_465) -> Body:
    """1.2.1 for a gas meter: by time of use."""
    table = [{"index": str(n), "text": str(price)} for n, price in enumerate(prices, 1)]
    elements = {"CurrencyUnits": "GBP", "StandingCharge": str(standing), "TOUTariff": {"TOUPrice": table}}
    return {"PriceElements": {"GasPriceElements": elements}}


def gas_block_prices(*prices: int, standing: int = 22_465) -> Body:
    """1.2.1 for a gas meter: by block."""
    table = [{"index": str(n), "text": str(price)} for n, price in enumerate(prices, 1)]
    blocks = {"NumberOfThresholds": str(len(prices) - 1), "BlockPrice": table}
    return {
        "PriceElements": {"GasPriceElements": {"CurrencyUnits": "GBP", "StandingCharge": str(standing), "BlockTariff": blocks}}
    }


def _gas_switching(day_profiles: Body) -> Body:
    season = {"SeasonStartDate": _gas_year(1, 1), "ReferencedWeekName": "1"}
    weeks = {"WeekProfile": _week("1", "1111122")}
    return {"WeekProfiles": weeks, "DayProfiles": day_profiles, "Seasons": {"Season": season}}


def gas_tariff(prices: Body | None = None, days: tuple[int, ...] = (1, 2)) -> Body:
    """1.1.1 for a gas meter: weekdays have one tier, weekends another; Christmas is like a weekend."""
    profiles = [{"DayName": str(n), "TOUTariffAction": str(tier)} for n, tier in enumerate(days, 1)]
    elements = {
        "SwitchingTable": _gas_switching({"DayProfile": profiles}),
        "SpecialDays": {"SpecialDay": [{"Date": _gas_year(12, 25), "ReferencedDayName": "2"}]},
    }
    return {"GasTariffElements": elements, **(prices or gas_prices(3121, 2500, 5000))}


def gas_block_tariff(thresholds: tuple[int, ...], prices: tuple[int, ...]) -> Body:
    """1.1.1 for a gas meter: by block, one day all year."""
    body = gas_tariff(gas_block_prices(*prices))
    steps = [{"index": str(n), "text": str(step)} for n, step in enumerate(thresholds, 1)]
    elements = body["GasTariffElements"] | {"ThresholdMatrix": {"BlockThreshold": steps}}
    return body | {"GasTariffElements": elements}


def gas_prepayment_settings(**changes: object) -> Body:
    """2.1 for a gas meter: supply stays from ten in the evening until eight."""
    day = {
        "GasDayName": "1",
        "TimeStartAction": [
            {"StartTime": f"{time}:00.00Z", "NonDisablementAction": action}
            for time, action in (("00:00", "START"), ("08:00", "STOP"), ("22:00", "START"))
        ],
    }
    all_day = {"GasDayName": "2", "TimeStartAction": [{"StartTime": "00:00:00.00Z", "NonDisablementAction": "START"}]}
    table = _gas_switching({"GasNonDisablementDayProfile": [day, all_day]})
    calendar = {
        "SeasonProfiles": table["Seasons"], "WeekProfiles": table["WeekProfiles"], "DayProfiles": table["DayProfiles"],
        "SpecialDays": {"SpecialDay": [{"Date": _gas_year(12, 25), "ReferencedDayName": "2"}]},
    }  # fmt: skip
    amounts = {
        "DebtRecoveryRateCap": "100000", "EmergencyCreditLimit": "300000", "EmergencyCreditThreshold": "100000",
        "LowCreditThreshold": "200000", "MaxMeterBalance": "5000000", "MaxCreditThreshold": "1000000",
    }  # fmt: skip
    given = {name: str(value) for name, value in changes.items()}
    return {"UpdatePrepayConfigGas": {**amounts, "GasNonDisablementCalendar": calendar, **given}}
