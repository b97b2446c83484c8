"""Whether the body of a request fits its device: what is for one type of device alone, which log is cleared or read, whose alerts
are set (source: reference duis/duis.md 3.4, checks low; element names schema V5.4, certain)."""

from collections.abc import Mapping

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.registration import responsible
from emulator.duis.datetimes import parse_datetime_ms

_PRICES: Mapping[tuple[str, ...], DeviceType] = {
    ("PriceElements", "ElectricityPriceElements"): DeviceType.ESME,
    ("PriceElements", "GasPriceElements"): DeviceType.GSME,
}

PARTS: Mapping[str, Mapping[tuple[str, ...], DeviceType]] = {
    "1.1.1": {("ElecTariffElements",): DeviceType.ESME, ("GasTariffElements",): DeviceType.GSME, **_PRICES},
    "1.2.1": _PRICES,
    "2.1": {("UpdatePrepayConfigElectricity",): DeviceType.ESME, ("UpdatePrepayConfigGas",): DeviceType.GSME},
    "2.3": {("ElecDebtRecovery1",): DeviceType.ESME, ("GasDebtRecovery1",): DeviceType.GSME},
    "6.8": {("ElectricityBillingCalendar",): DeviceType.ESME, ("GasBillingCalendar",): DeviceType.GSME},
    "6.20.1": {("ImportMPANs",): DeviceType.ESME, ("ImportMPRN",): DeviceType.GSME},
    "6.22": {
        ("ElectricitySupplierAlerts",): DeviceType.ESME,
        ("ElectricitySupplierHANAlertSettings",): DeviceType.ESME,
        ("ElectricitySupplierAlarmSettings",): DeviceType.ESME,
        ("ElectricitySupplierLoggingSettings",): DeviceType.ESME,
        ("ElectricityNetworkOperatorAlerts",): DeviceType.ESME,
        ("ElectricityNetworkOperatorLoggingSettings",): DeviceType.ESME,
        ("GasSupplierAlerts",): DeviceType.GSME,
        ("GasSupplierAlertEventSettings",): DeviceType.GSME,
    },
    "8.9": {("ReadSecurityDetails",): DeviceType.CHF},
}
"""Choices of a body by Service Reference Variant, and the type of device that each is for."""

_ALERTS_OF = {"ElectricitySupplier": UserRole.IS, "ElectricityNetworkOperator": UserRole.ED, "GasSupplier": UserRole.GS}
"""Beginning of the element of 6.22, and the role whose alerts it sets."""


def check(context: Context, case: Case) -> Refusal | None:
    """Refuse a body whose parts are for another type of device."""
    kind = case.target.device_type
    for path, wanted in PARTS[case.row.srv].items():
        if kind is not wanted and case.request.body.find(*path) is not None:
            return _refuse(context, case, "body_for_device", f"{'/'.join(path)} does not go to a {kind}; expected {wanted}")
    return None


def check_alert_behaviour(context: Context, case: Case) -> Refusal | None:
    """6.22: each role sets its own alerts."""
    refusal = check(context, case)
    if refusal is not None:
        return refusal
    for child in case.request.body:
        role = next((role for beginning, role in _ALERTS_OF.items() if child.name.startswith(beginning)), None)
        if role is None:
            continue
        if role not in case.eligible or not responsible(context, case.sender, role, case.target, case.at_ms):
            detail = f"{child.name} is for role {role}, which {case.sender.name} has not for {format_eui(case.target.eui)}"
            return _refuse(context, case, "alerts_of_other_role", detail)
    return None


def check_event_log(context: Context, case: Case) -> Refusal | None:
    """3.3: an ESME has more than one log, and the request names one; others have one, and it names none."""
    kind, log = case.target.device_type, case.request.body.value("ESMEEventLogType")
    if kind is DeviceType.ESME and log is None:
        return _refuse(context, case, "event_log_missing", "ESMEEventLogType says which log of an ESME is cleared")
    if kind is not DeviceType.ESME and log is not None:
        return _refuse(context, case, "body_for_device", f"ESMEEventLogType does not go to a {kind}; expected ESME")
    return None


def check_period(context: Context, case: Case) -> Refusal | None:
    """4.17: the period that is read does not end before it begins."""
    start, end = (case.request.body.required("ReadLogPeriod", f"{limit}DateTime") for limit in ("Start", "End"))
    if parse_datetime_ms(start) <= parse_datetime_ms(end):
        return None
    return _refuse(context, case, "log_period", f"the period from {start} to {end} ends before it begins")


def _refuse(context: Context, case: Case, check: str, detail: str) -> Refusal:
    return Refusal(context.codes.code(check, case.row.service_reference), detail, where=check)
