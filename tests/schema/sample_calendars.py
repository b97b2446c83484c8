"""Requests that are made of calendars: tariffs, prepayment, load schedules; and alert behaviour; with values of our own."""

from emulator.duis.messages import Element, element
from tests.schema.sample_parts import ESME, EXECUTION, Service, service, text

ANY_DATE = (
    element("Year", element("NonSpecifiedYear")),
    element("Month", element("NonSpecifiedMonth")),
    element("DayOfMonth", element("NonSpecifiedDayOfMonth")),
    element("DayOfWeek", element("NonSpecifiedDayOfWeek")),
)

LEAP_DAY = (
    element("Year", text("SpecifiedYear", "2028")),
    element("Month", text("SpecifiedMonth", "2")),
    element("DayOfMonth", text("SpecifiedDayOfMonth", "29")),
    element("DayOfWeek", text("SpecifiedDayOfWeek", "2")),
)

LAST_DAYS = (
    element("Year", text("SpecifiedYear", "9999")),
    element("Month", text("SpecifiedMonth", "12")),
    element("DayOfMonth", element("SecondLastDayOfMonth")),
    element("DayOfWeek", element("NonSpecifiedDayOfWeek")),
)

GAS_DATE = (
    element("GasYearWithWildcards", text("SpecifiedYear", "2027")),
    element("GasMonthWithWildcards", element("NonSpecifiedMonth")),
    element("GasDayOfMonthWithWildcards", element("GasNonSpecifiedDayOfMonth")),
    element("GasDayOfWeekWithWildcards", text("SpecifiedDayOfWeek", "7")),
)

WEEKDAYS = element(
    "DaysOfWeekApplicability",
    *(element("DayOfWeekApplicability", text("DayOfWeekID", day)) for day in ("Monday", "Wednesday", "Sunday")),
)


def _indexed(name: str, *values: str) -> tuple[Element, ...]:
    return tuple(element(name, value, index=str(at)) for at, value in enumerate(values, 1))


def _week(name: str, *days: str) -> Element:
    return element("WeekProfile", text("WeekName", name), *_indexed("ReferencedDayName", *days))


def _season(name: str, week: str, date: tuple[Element, ...]) -> Element:
    start = element("SeasonStartDate", *date)
    return element("Season", text("SeasonName", name), start, text("ReferencedWeekName", week))


def _special_days(*days: str) -> Element:
    return element(
        "SpecialDays",
        *(element("SpecialDay", element("Date", *LEAP_DAY), text("ReferencedDayName", day)) for day in days),
    )


def _electricity_day(name: str, *actions: tuple[str, str, str]) -> Element:
    rows = (element("ProfileSchedule", text("StartTime", start), text(kind, number)) for start, kind, number in actions)
    return element("DayProfile", text("DayName", name), *rows)


def _electricity_table(*days: Element) -> Element:
    return element(
        "SwitchingTable",
        element("DayProfiles", *days),
        element("WeekProfiles", _week("1", *"1111122"), _week("4", *("16",) * 7)),
        element("Seasons", _season("winter", "1", LAST_DAYS), _season("", "4", ANY_DATE)),
    )


def _electricity_prices(tariff: Element) -> Element:
    return element(
        "PriceElements",
        element(
            "ElectricityPriceElements",
            text("StandingCharge", "-32768"),
            text("StandingChargeScale", "-128"),
            text("PriceScale", "127"),
            tariff,
        ),
    )


def _gas_prices(tariff: Element) -> Element:
    charge = (text("CurrencyUnits", "ECB"), text("StandingCharge", "4294967295"))
    return element("PriceElements", element("GasPriceElements", *charge, tariff))


SECONDARY_PRICES = element("PriceElements", text("PriceScale", "-5"), *_indexed("ElectricityPriceElement", "1875", "-1", "0"))

BLOCKS = element("BlockPrices", *_indexed("BlockPrice", "2011", "1503", "32767", "0"), index="8")

RATES = _indexed("TOUPrice", "1050", "2731")

ELECTRICITY_TARIFF = element(
    "ElecTariffElements",
    text("CurrencyUnits", "GBP"),
    _electricity_table(
        _electricity_day("1", ("00:00:00Z", "TOUTariffAction", "48"), ("07:30:00Z", "BlockTariffAction", "8")),
        _electricity_day("2", ("00:00:00Z", "TOUTariffAction", "1")),
        _electricity_day("16", ("12:00:00Z", "BlockTariffAction", "1")),
    ),
    _special_days("16", "1"),
    element(
        "ThresholdMatrix",
        *(element("Thresholds", *_indexed("BlockThreshold", "4294967295", "7"), index=str(at)) for at in range(1, 9)),
    ),
)

GAS_TARIFF = element(
    "GasTariffElements",
    element(
        "SwitchingTable",
        element(
            "DayProfiles",
            element("DayProfile", text("DayName", "1"), text("TOUTariffAction", "4")),
            element("DayProfile", text("DayName", "4"), element("BlockTariff")),
        ),
        element("WeekProfiles", _week("1", *"1111144")),
        element(
            "Seasons",
            element("Season", element("SeasonStartDate", *GAS_DATE), text("ReferencedWeekName", "2")),
        ),
    ),
    element("SpecialDays", element("SpecialDay", element("Date", *GAS_DATE), text("ReferencedDayName", "4"))),
    element("ThresholdMatrix", *_indexed("BlockThreshold", "281474976710655", "0")),
)

ELECTRICITY_PREPAYMENT = element(
    "UpdatePrepayConfigElectricity",
    text("DebtRecoveryRateCap", "65535"),
    *(text(name, "-500") for name in ("EmergencyCreditLimit", "EmergencyCreditThreshold", "LowCreditThreshold")),
    element(
        "ElectricityNonDisablementCalendar",
        element("ElectricitySpecialDays", element("SpecialDay", element("Date", *LEAP_DAY), index="1")),
        element(
            "ElectricityNonDisablementSchedule",
            text("NonDisablementScript", "START"),
            element("SpecialDaysApplicability", element("SpecialDayApplicability", text("SpecialDayID", "1"))),
            WEEKDAYS,
            element(
                "ScheduleDatesAndTime",
                text("SwitchTime", "18:00:00.00Z"),
                text("StartDate", "2026-01-01"),
                text("EndDate", "2036-12-31Z"),
            ),
        ),
    ),
    text("MaxMeterBalance", "2147483647"),
    text("MaxCreditThreshold", "100000"),
)

GAS_PREPAYMENT = element(
    "UpdatePrepayConfigGas",
    text("DebtRecoveryRateCap", "-2147483648"),
    *(text(name, "4294967295") for name in ("EmergencyCreditLimit", "EmergencyCreditThreshold", "LowCreditThreshold")),
    element(
        "GasNonDisablementCalendar",
        element(
            "DayProfiles",
            element(
                "GasNonDisablementDayProfile",
                element("TimeStartAction", text("StartTime", "00:00:00Z"), text("NonDisablementAction", "STOP")),
                element("TimeStartAction", text("StartTime", "21:00:00Z"), text("NonDisablementAction", "START")),
                text("GasDayName", "5"),
            ),
        ),
        element("WeekProfiles", _week("2", *"1234555")),
        element(
            "SeasonProfiles",
            element("Season", element("SeasonStartDate", *GAS_DATE), text("ReferencedWeekName", "1")),
        ),
        element("SpecialDays", element("SpecialDay", element("Date", *GAS_DATE), text("ReferencedDayName", "5"))),
    ),
    text("MaxMeterBalance", "0"),
    text("MaxCreditThreshold", "4294967295"),
)


def _switching(name: str, start: tuple[Element, ...], end: tuple[Element, ...]) -> Element:
    return element(name, text("SwitchTime", "23:59:59Z"), element("StartDate", *start), element("EndDate", *end))


LOAD_SCHEDULE = element(
    "UpdateDeviceConfigurationALCScheduler",
    EXECUTION,
    element(
        "ALCSHCALCSConnectionSchedule",
        element("ActivateDeactivateSwitch", element("ActivateSwitch"), index="5"),
        element("SpecialDaysApplicability", index="1"),
        element("SpecialDaysApplicability", index="2"),
        WEEKDAYS,
        _switching("ALCSScheduleDatesAndTime", ANY_DATE, LAST_DAYS),
    ),
    element(
        "ALCSHCALCSConnectionSchedule",
        element("ActivateDeactivateSwitch", element("DeactivateSwitch"), index="1"),
        _switching("ALCSScheduleDatesAndTime", LEAP_DAY, ANY_DATE),
    ),
    element(
        "ALCSHCALCSSpecialDays",
        element("ALCSHCALCSSpecialDay", *LEAP_DAY, index="1"),
        element("ALCSHCALCSSpecialDay", *ANY_DATE, index="2"),
    ),
    element("SwitchTypeAndId", element("ALCS"), index="1"),
    element("SwitchTypeAndId", text("HCALCS", ESME), index="5"),
)

CONTROLLER_SCHEDULE = element(
    "UpdateDeviceConfigurationAuxiliaryControllerScheduler",
    element(
        "AuxiliaryControllerSchedule",
        element(
            "AuxiliaryControllerAction",
            text("CommandedStateLevel", "100"),
            element("InputFromControlledLoad"),
            auxiliaryControllerN="5",
        ),
        element("SpecialDaysApplicability", identifier="1"),
        WEEKDAYS,
        _switching("AuxiliaryControllerSchedulePeriodAndTime", ANY_DATE, ANY_DATE),
    ),
    element(
        "AuxiliaryControllerSpecialDayDefinitions",
        element("AuxiliaryControllerSpecialDayDefinition", *ANY_DATE, identifier="1"),
    ),
)


def _codes(name: str, *codes: str) -> Element:
    return element(name, *(text(code, "Enable" if at % 2 else "Disable") for at, code in enumerate(codes)))


def _esme_supplier(name: str) -> Element:
    common = _codes("SupplierESMECommon", "x810D", "x8145", "x81A0", "x81C6")
    return element(name, common, _codes("SupplierESMEPolyPhase", "x81B7"))


def _esme_network(name: str, phases: Element) -> Element:
    return element(name, _codes("NetworkOperatorESMECommon", "x8014", "x8015"), phases)


ALERTS = (
    _esme_supplier("ElectricitySupplierAlerts"),
    _esme_supplier("ElectricitySupplierHANAlertSettings"),
    _esme_supplier("ElectricitySupplierAlarmSettings"),
    _esme_supplier("ElectricitySupplierLoggingSettings"),
    _esme_network("ElectricityNetworkOperatorAlerts", _codes("NetworkOperatorESMESinglePhase", "x8002", "x802C", "x8010")),
    _esme_network("ElectricityNetworkOperatorLoggingSettings", _codes("NetworkOperatorESMEPolyPhase", "x8003", "x8016", "x8013")),
    _codes("GasSupplierAlerts", "x810D", "x81A1", "x81C5"),
    element(
        "GasSupplierAlertEventSettings",
        *(_codes(code, "WANAlert", "HANAlert", "EventLog", "Alarm") for code in ("x810D", "x8161", "x81C6")),
    ),
)

CALENDARS: tuple[tuple[Service, Element], ...] = (
    # tariffs and prices
    (
        service("1.1.1", "4"),
        element(
            "UpdateImportTariffPrimaryElement",
            EXECUTION,
            ELECTRICITY_TARIFF,
            _electricity_prices(element("HybridTariff", BLOCKS, *RATES)),
        ),
    ),
    (
        service("1.1.1", "4"),
        element("UpdateImportTariffPrimaryElement", GAS_TARIFF, _gas_prices(element("TOUTariff", *RATES))),
    ),
    (
        service("1.1.2", "4"),
        element(
            "UpdateImportTariffSecondaryElement",
            _electricity_table(_electricity_day("1", ("00:00:00Z", "TOUTariffAction", "4"))),
            _special_days(),
            SECONDARY_PRICES,
        ),
    ),
    (
        service("1.2.1", "4"),
        element("UpdatePricePrimaryElement", EXECUTION, _electricity_prices(element("BlockTariff", BLOCKS))),
    ),
    (service("1.2.1", "4"), element("UpdatePricePrimaryElement", _electricity_prices(element("TOUTariff", *RATES)))),
    (
        service("1.2.1", "4"),
        element(
            "UpdatePricePrimaryElement",
            _gas_prices(element("BlockTariff", *_indexed("BlockPrice", "4294967295", "1"), text("NumberOfThresholds", "3"))),
        ),
    ),
    (service("1.2.2", "4"), element("UpdatePriceSecondaryElement", EXECUTION, SECONDARY_PRICES)),
    # prepayment
    (service("2.1", "4"), element("UpdatePrepayConfiguration", EXECUTION, ELECTRICITY_PREPAYMENT)),
    (service("2.1", "4"), element("UpdatePrepayConfiguration", GAS_PREPAYMENT)),
    # load schedules
    (
        service("6.14.1", "4"),
        element(
            "UpdateDeviceConfigurationALCDescriptions",
            element("ALCSHCALCSDescription", text("SwitchDescription", "Immersion heater ~ 3kW"), index="1"),
            element("ALCSHCALCSDescription", text("SwitchDescription", " "), index="5"),
        ),
    ),
    (service("6.14.2", "4"), LOAD_SCHEDULE),
    (service("6.14.3", "4"), CONTROLLER_SCHEDULE),
    # alert behaviour
    *((service("6.22"), element("ConfigureAlertBehaviour", alerts)) for alerts in ALERTS),
)
