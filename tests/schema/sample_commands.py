"""Requests that tell a device, or a party's place in it, to change; with values of our own."""

from emulator.duis.messages import Element, element
from tests.schema.sample_parts import ESME, EXECUTION, GPF, HUB, OCTETS, PERIOD, REQUEST_ID, WHEN, Service, service, sub_ghz, text

COMMANDS_WITHOUT_PARAMETERS = {
    "1.7": "ResetTariffBlockCounterMatrix",
    "2.5": "ActivateEmergencyCredit",
    "3.5": "DisablePrivacyPIN",
    "6.29": "RequestCHFSubGHzChannelScan",
    "6.30": "ReadCHFSubGHzConfiguration",
    "6.31": "ReadCHFSubGHzChannel",
    "7.1": "EnableSupply",
    "7.2": "DisableSupply",
    "7.3": "ArmSupply",
    "9.1": "RequestCustomerIdentificationNumber",
}

CERTIFICATION_PATH = (
    element("CertificationPathCertificates", *(text("Certificate", OCTETS) for _ in range(3))),
    text("ApplyTimeBasedCPVChecks", "true"),
)

LARGEST_FLOOR = "9223372036854775807"


def _each(names: str, value: str) -> tuple[Element, ...]:
    return tuple(text(name, value) for name in names.split())


def _electricity_debt(name: str) -> Element:
    return element(
        name,
        text("DebtRecoveryRate", "-32768"),
        text("DebtRecoveryRatePriceScale", "-128"),
        text("DebtRecoveryRatePeriod", "HOURLY"),
    )


def _gas_debt(name: str) -> Element:
    return element(name, text("DebtRecoveryRate", "2147483647"), text("DebtRecoveryRatePeriod", "DAILY"))


def _debt(*recovery: Element) -> Element:
    registers = _each("TimeDebtRegister1 TimeDebtRegister2 PaymentDebtRegister", "-5")
    return element("UpdateDebt", *registers, text("DebtRecoveryPerPayment", "10000"), *recovery)


def _voltage(*limits: Element) -> Element:
    rms = _each(
        "RMSExtremeOverVoltageMeasurementPeriod RMSExtremeOverVoltageThreshold RMSExtremeUnderVoltageMeasurementPeriod "
        "RMSExtremeUnderVoltageThreshold RMSVoltageSagMeasurementPeriod RMSVoltageSagThreshold "
        "RMSVoltageSwellMeasurementPeriod RMSVoltageSwellThreshold",
        "4294967295",
    )
    return element("UpdateDeviceConfigurationVoltage", EXECUTION, element("RMSVoltageSettings", *rms), *limits)


AVERAGE_VOLTAGE = _each("AverageRMSOverVoltageThreshold AverageRMSUnderVoltageThreshold AverageRMSVoltageMeasurementPeriod", "0")


def _phase(number: int) -> Element:
    return element("PolyPhaseVoltageSettings", text("Phase", str(number)), element("PhaseVoltageSettings", *AVERAGE_VOLTAGE))


def _gas_flow(rate: Element) -> Element:
    return element(
        "UpdateDeviceConfigurationGasFlow",
        rate,
        text("SupplyDepletionState", "Locked"),
        text("SupplyTamperState", "Unchanged"),
        text("StabilisationPeriod", "255"),
        text("MeasurementPeriod", "65535"),
    )


def _billing(calendar: Element) -> tuple[Service, Element]:
    return service("6.8", "4"), element("UpdateDeviceConfigurationBillingCalendar", calendar)


def _billing_date(name: str) -> Element:
    day, month = text("DayOfMonth", "28"), text("BillingPeriodStartMonth", "12")
    return element("ElectricityBillingCalendar", text("BillingTime", "00:00:00Z"), element(name, day, month))


def _controller(name: str) -> Element:
    return element(
        name,
        text("StartDateTime", WHEN),
        text("EndDateTime", WHEN),
        text("CommandedStateLevel", "100"),
        element("InputFromControlledLoad"),
        auxiliaryControllerN="5",
    )


def _boost(name: str, button: str) -> Element:
    return element(name, EXECUTION, *(element(button, "true", index=str(number)) for number in range(1, 6)))


COMMANDS: tuple[tuple[Service, Element], ...] = (
    *((service(variant, "4"), element(name)) for variant, name in COMMANDS_WITHOUT_PARAMETERS.items()),
    # balance, debt and credit
    (service("1.5", "4"), element("UpdateMeterBalance", element("PrepaymentMode", text("AdjustMeterBalance", "-2147483648")))),
    (service("1.5", "4"), element("UpdateMeterBalance", element("CreditMode", element("ResetMeterBalance")))),
    (service("1.6", "4"), element("UpdatePaymentMode", EXECUTION, element("Credit"))),
    (
        service("1.6", "4"),
        element(
            "UpdatePaymentMode",
            element(
                "Prepayment",
                *_each("SuspendDebtDisabled SuspendDebtEmergency", "true"),
                text("DisablementThreshold", "0"),
            ),
        ),
    ),
    (service("2.2"), element("TopUpDevice", text("UTRN", "01234567890123456789"))),
    (service("2.3", "4"), _debt(_electricity_debt("ElecDebtRecovery1"), _electricity_debt("ElecDebtRecovery2"))),
    (service("2.3", "4"), _debt(_gas_debt("GasDebtRecovery1"), _gas_debt("GasDebtRecovery2"))),
    # what a customer sees
    (service("3.1"), element("DisplayMessage", EXECUTION, text("SupplierMessage", "~" * 116))),
    (service("3.2"), element("RestrictAccessForChangeOfTenancy", EXECUTION, text("RestrictionDateTime", WHEN))),
    (service("3.3"), element("ClearEventLog")),
    (service("3.3"), element("ClearEventLog", text("ESMEEventLogType", "ALCS"))),
    (
        service("3.4"),
        element("UpdateSupplierName", text("SupplierName", "Any Energy Ltd."), text("SupplierTelephoneNumber", "020 7946 0000")),
    ),
    # settings of meters
    (
        service("6.4.1", "4"),
        element(
            "UpdateDeviceConfigurationLoadLimitingGeneralSettings",
            EXECUTION,
            *_each("LoadLimitPeriod LoadLimitPowerThreshold LoadLimitRestorationPeriod", "4294967295"),
            text("LoadLimitSupplyState", "Disable"),
        ),
    ),
    (service("6.4.2"), element("UpdateDeviceConfigurationLoadLimitingCounterReset", EXECUTION)),
    (service("6.5"), _voltage(element("SinglePhaseVoltageSettings", *AVERAGE_VOLTAGE))),
    (service("6.5"), _voltage(_phase(1), _phase(2), _phase(3), element("RMSVoltageCountersNotReset"))),
    (
        service("6.6", "4"),
        element(
            "UpdateDeviceConfigurationGasConversion",
            text("CalorificValue", "429496729.5"),
            text("ConversionFactor", "1.02264"),
        ),
    ),
    (service("6.7", "4"), _gas_flow(text("UncontrolledGasFlowRate", "65535"))),
    (service("6.7", "4"), _gas_flow(text("UncontrolledGasFlowRateDecimal", "6.5535"))),
    _billing(element("ElectricityBillingCalendar", text("BillingTime", "00:00:00Z"), element("Daily"))),
    _billing(element("ElectricityBillingCalendar", text("BillingTime", "00:00:00Z"), text("Weekly", "7"))),
    _billing(element("ElectricityBillingCalendar", text("BillingTime", "00:00:00Z"), text("Monthly", "28"))),
    _billing(_billing_date("Quarterly")),
    _billing(_billing_date("SixMonthly")),
    _billing(_billing_date("Yearly")),
    _billing(element("GasBillingCalendar", text("BillingPeriodStart", WHEN), text("Periodicity", "SixMonthly"))),
    (
        service("6.11", "4"),
        element("SynchroniseClock", text("CurrentDateTime", WHEN), text("TolerancePeriod", "0")),
    ),
    (
        service("6.12"),
        element(
            "UpdateDeviceConfigurationInstantaneousPowerThreshold",
            *_each("LowMediumPowerThreshold MediumHighPowerThreshold", "1500"),
        ),
    ),
    (
        service("6.18.1"),
        element(
            "SetMaximumDemandConfigurableTimePeriod",
            element("MaximumDemandTimePeriodSchedule", text("StartTime", "17:00:00Z"), text("EndTime", "19:30:00Z")),
        ),
    ),
    (
        service("6.18.2"),
        element(
            "ResetMaximumDemandRegisters",
            element("MaxDemandActivePowerImportValue"),
            element("MaxDemandConfigTimeActivePowerImportValue"),
        ),
    ),
    (
        service("6.20.1"),
        element(
            "SetDeviceConfigurationImportMPxN",
            element("ImportMPANs", *_each("ImportMPAN SecondaryImportMPAN", "1200010001234")),
        ),
    ),
    (service("6.20.1"), element("SetDeviceConfigurationImportMPxN", EXECUTION, text("ImportMPRN", "7400000001"))),
    (service("6.20.2"), element("SetDeviceConfigurationExportMPAN", text("ExportMPAN", "1200010005678"))),
    (
        service("6.26", "4"),
        element(
            "UpdateDeviceConfigurationDailyResettingOfTariffBlockCounterMatrix",
            text("DailyTariffBlockCounterMatrixReset", "0"),
        ),
    ),
    (service("6.27"), element("UpdateDeviceConfigurationRMSVoltageCounterReset")),
    # credentials
    (
        service("6.15.1", "4"),
        element(
            "UpdateSecurityCredentialsKRP",
            EXECUTION,
            text("RemotePartyRole", "NetworkOperator"),
            text("RemotePartyFloorSeqNumber", LARGEST_FLOOR),
            element(
                "ReplacementCertificates",
                element("SupplierOrNetworkOperatorCertificates", text("KeyAgreementCertificate", OCTETS)),
            ),
            *CERTIFICATION_PATH,
        ),
    ),
    (service("6.15.2", "4"), element("UpdateSecurityCredentialsDevice", text("DeviceCertificate", OCTETS))),
    (service("6.17", "4"), element("IssueSecurityCredentials", text("CredentialType", "Digital Signature"))),
    (
        service("6.21"),
        element(
            "RequestHandoverOfDCCControlledDevice",
            text("RemotePartyRole", "Supplier"),
            *_each("RemotePartyFloorSeqNumber RemotePartyPrepaymentTopUpFloorSeqNumber", LARGEST_FLOOR),
            element(
                "ReplacementCertificates",
                *_each("DigitalSigningCertificate KeyAgreementCertificate KeyAgreementTopUpCertificate", OCTETS),
            ),
            *CERTIFICATION_PATH,
        ),
    ),
    (
        service("6.23"),
        element(
            "UpdateSecurityCredentialsCoS",
            EXECUTION,
            text("SupplierFloorSeqNumber", "0"),
            element("SupplierReplacementCertificates", text("DigitalSigningCertificate", OCTETS)),
            *CERTIFICATION_PATH,
            text("ImportMPxN", "1200010001234"),
        ),
    ),
    (
        service("6.24.1"),
        element("RetrieveDeviceSecurityCredentialsKRP", *(text("RemotePartyRole", "TransCoS") for _ in range(7))),
    ),
    (
        service("6.24.2", "4"),
        element("RetrieveDeviceSecurityCredentialsDevice", text("CredentialType", "Key Agreement")),
    ),
    (
        service("8.5"),
        element(
            "ServiceOptOut",
            EXECUTION,
            text("ACBFloorSeqNumber", "1"),
            element("ReplacementCertificates", text("KeyAgreementCertificate", OCTETS)),
            *CERTIFICATION_PATH,
        ),
    ),
    (
        service("8.6", "8"),
        element(
            "ServiceOptIn",
            text("DeviceID", ESME),
            text("DeviceType", "ESME"),
            element("MPxNs", text("ImportMPxN", "1200010001234"), text("SecondaryImportMPAN", "1200010001235")),
            text("OptInDate", "2026-02-01"),
        ),
    ),
    # supply and auxiliary load
    (service("6.25", "4"), element("SetElectricitySupplyTamperState", text("SupplyTamperState", "Locked"))),
    (
        service("7.5", "4"),
        element("ActivateAuxiliaryLoad", element("ActivateALCSHCALCS", text("Duration", "65535"), index="1")),
    ),
    (
        service("7.6", "4"),
        element("DeactivateAuxiliaryLoad", element("DeactivateALCSHCALCS", text("Duration", "0"), index="5")),
    ),
    (service("7.8", "4"), element("ResetAuxiliaryLoad", element("ResetALCSHCALCS", index="3"))),
    (service("7.9"), _boost("AddAuxiliaryLoadToBoostButton", "AddToBoostButton")),
    (service("7.10"), _boost("RemoveAuxiliaryLoadFromBoostButton", "RemoveFromBoostButton")),
    (service("7.12", "4"), element("SetRandomisedOffsetLimit", text("RandomisedOffsetLimit", "1799"))),
    (service("7.13", "4"), _controller("SetAuxiliaryControllerState")),
    (service("7.16", "4"), _controller("LimitAPCLevel")),
    # hubs
    (service("6.28"), sub_ghz("SetCHFSubGHzConfiguration")),
    (service("6.32"), element("ReadCHFSubGHzChannelLog", PERIOD)),
    (service("8.12.1"), element("RestoreHANDeviceLog", text("OldCHFID", HUB))),
    (service("8.12.2"), element("RestoreGPFDeviceLog", text("OldGPFID", GPF))),
    (
        service("8.13", "8"),
        element("ReturnLocalCommandResponse", text("OriginalRequestID", REQUEST_ID), text("DeviceGBCSResponse", OCTETS)),
    ),
)
