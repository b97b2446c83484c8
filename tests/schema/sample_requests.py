"""Requests of every body that the project's schemas cover, with values of our own."""

from base64 import b64encode

from emulator.duis.messages import Element, element
from tests.schema.sample_calendars import CALENDARS
from tests.schema.sample_commands import COMMANDS
from tests.schema.sample_parts import (
    ESME,
    EXECUTION,
    GPF,
    GSME,
    HUB,
    OCTETS,
    PERIOD,
    PPMID,
    WHEN,
    Service,
    address,
    period,
    schedule,
    service,
    text,
)


def _hub_installation(name: str, *more: Element) -> Element:
    return element(
        name,
        text("DeviceID", HUB),
        text("CHFInstallType", "New CHF Install"),
        text("InstallDateTime", WHEN),
        text("UserRefID", "JOB 4711"),
        text("MPxN", "1200010001234"),
        text("GISData", "51.5007,-0.1246"),
        text("AerialInstall", "false"),
        text("CHFLocation", "Indoors on external wall"),
        *more,
        text("AdditionalInformation", "meter cupboard"),
    )


def _image(name: str, *devices: str) -> Element:
    return element(
        name,
        text("FirmwareImage", b64encode(bytes.fromhex("1ef1ee0b") + bytes(96)).decode()),
        text("FirmwareVersion", "01020304"),
        text("DeviceIDList", ",".join(devices)),
    )


UNDATED_READS = {
    "4.11.1": "ReadTariffPrimaryElement",
    "4.11.2": "ReadTariffSecondaryElement",
    "4.16": "ReadActivePowerImport",
    "6.2.1": "ReadDeviceConfigurationVoltage",
    "6.2.2": "ReadDeviceConfigurationRandomisation",
    "6.2.3": "ReadDeviceConfigurationBillingCalendar",
    "6.2.4": "ReadDeviceConfigurationIdentityExcMPxN",
    "6.2.5": "ReadDeviceConfigurationInstantaneousPowerThresholds",
    "6.2.7": "ReadDeviceConfigurationMPxN",
    "6.2.8": "ReadDeviceConfigurationGas",
    "6.2.9": "ReadDeviceConfigurationPaymentMode",
    "6.2.10": "ReadDeviceConfigurationEventAndAlertBehaviours",
    "7.4": "ReadSupplyStatus",
    "14.1": "RecordNetworkDataGAS",
}

DATED_READS = {
    "4.1.1": "ReadInstantaneousImportRegisters",
    "4.1.2": "ReadInstantaneousImportTOUMatrices",
    "4.1.3": "ReadInstantaneousImportTOUWithBlocksMatrices",
    "4.1.4": "ReadInstantaneousImportBlockCounters",
    "4.2": "ReadInstantaneousExportRegisters",
    "4.3": "ReadInstantaneousPrepayValues",
    "4.12.1": "ReadMaximumDemandImportRegisters",
    "4.12.2": "ReadMaximumDemandExportRegisters",
    "4.13": "ReadPrepaymentConfiguration",
    "4.15": "ReadLoadLimitData",
    "4.18": "ReadMeterBalance",
    "7.7": "ReadALCSData",
    "7.14": "ReadAuxiliaryControllerConfigurationData",
    "7.15": "ReadAuxiliaryControllerOperationalData",
}

LOGS = {
    "4.4.4": "RetrieveBillingDataLogDebtPayments",
    "4.4.5": "RetrieveBillingDataLogPrepaymentCredits",
    "4.6.2": "RetrieveExportDailyReadLog",
    "4.8.2": "ReadReactiveImportProfileData",
    "4.8.3": "ReadExportProfileData",
    "7.11": "ReadBoostButtonDetails",
}

LOGS_FOR_ANYONE = {
    "4.4.2": "RetrieveCoMOrTariffTriggeredBillingDataLog",
    "4.4.3": "RetrieveBillingCalendarTriggeredBillingDataLog",
    "4.6.1": "RetrieveImportDailyReadLog",
    "4.8.1": "ReadActiveImportProfileData",
    "4.10": "ReadNetworkData",
    "4.14": "ReadPrepaymentDailyReadLog",
    "4.17": "RetrieveDailyConsumptionLog",
}

REQUESTS: tuple[tuple[Service, Element], ...] = (
    *COMMANDS,
    *CALENDARS,
    *((service(variant), element(name)) for variant, name in (UNDATED_READS | DATED_READS).items()),
    *((service(variant), element(name, EXECUTION)) for variant, name in DATED_READS.items()),
    *((service(variant), element(name, PERIOD)) for variant, name in (LOGS | LOGS_FOR_ANYONE).items()),
    *(
        (service(variant), element(name, EXECUTION, PERIOD, text("KAPublicSecurityCredentials", OCTETS)))
        for variant, name in LOGS_FOR_ANYONE.items()
    ),
    (service("6.13"), element("ReadEventOrSecurityLog", PERIOD, text("LogToRead", "Security"))),
    (("8", "5.1", "5.1"), schedule("CreateSchedule", "4.8", "4.8.1", period("DSPReadActiveImportProfileData"))),
    (("8", "5.1", "5.1"), schedule("CreateSchedule", "14.1", "14.1", element("DSPRecordNetworkDataGAS"))),
    (("8", "5.2", "5.2"), element("ReadSchedule", text("DeviceID", ESME))),
    (("8", "5.3", "5.3"), element("DeleteSchedule", text("DSPScheduleID", "1000000000000"))),
    (
        ("4", "8.1", "8.1.1"),
        element("CommissionDeviceSynchroniseClock", text("CurrentDateTime", WHEN), text("TolerancePeriod", "86400")),
    ),
    (("8", "8.2", "8.2"), element("ReadInventory", text("UPRN", "999999999999"))),
    (("8", "8.2", "8.2"), element("ReadInventory", text("DeviceID", ESME.lower()))),
    (("8", "8.2", "8.2"), element("ReadInventory", text("MPxN", "1200010001234"))),
    (("8", "8.2", "8.2"), element("ReadInventory", address("PropertyFilter"))),
    (("8", "8.3", "8.3"), element("DecommissionDevice", text("DeviceID", PPMID))),
    (("8", "8.4", "8.4"), element("UpdateInventory", text("DeviceID", ESME), text("UpdateDeviceStatusExceptCH", "Pending"))),
    (("8", "8.4", "8.4"), element("UpdateInventory", text("DeviceID", HUB), text("UpdateDeviceStatusCH", "Withdrawn"))),
    (("8", "8.4", "8.4"), element("UpdateInventory", text("DeviceID", ESME), element("DeleteDevice"))),
    (
        ("8", "8.4", "8.4"),
        element("UpdateInventory", text("DeviceID", GSME), element("UpdateMPxN", text("ImportMPxN", "74000001"))),
    ),
    (
        ("8", "8.4", "8.4"),
        element(
            "UpdateInventory",
            text("DeviceID", ESME),
            element(
                "UpdateDeviceDetails",
                text("DeviceManufacturer", "1234"),
                text("DeviceModel", "00010002"),
                text("SMETSCHTSVersion", "SMETS V2.0"),
                text("FirmwareVersion", "01020304"),
                text("ESMEVariant", "BDEF"),
            ),
        ),
    ),
    (("4", "8.7", "8.7.1"), element("JoinServiceCritical", text("OtherDeviceID", PPMID))),
    (("1", "8.7", "8.7.2"), element("JoinServiceNonCritical", text("OtherDeviceID", GSME))),
    (("4", "8.8", "8.8.1"), element("UnjoinServiceCritical", text("OtherDeviceID", PPMID))),
    (("1", "8.8", "8.8.2"), element("UnjoinServiceNonCritical", text("OtherDeviceID", GSME))),
    (("1", "8.9", "8.9"), element("ReadDeviceLog", EXECUTION, element("ReadSecurityDetails"))),
    (
        ("1", "8.11", "8.11"),
        element(
            "UpdateHANDeviceLog",
            EXECUTION,
            text("DeviceID", ESME),
            text("RequestType", "Add"),
            element(
                "AddDeviceToCHFWhitelist",
                text("JoinTimePeriod", "3600"),
                text("InstallCode", "00112233445566778899aabbccddeeff"),
                text("ImportMPxN", "1200010001234"),
                text("ExportMPAN", "1200010005678"),
            ),
        ),
    ),
    (("1", "8.11", "8.11"), element("UpdateHANDeviceLog", text("DeviceID", ESME), text("RequestType", "Remove"))),
    (("8", "8.14", "8.14.1"), _hub_installation("CHFInstallSuccessSMWAN")),
    (
        ("8", "8.14", "8.14.2"),
        _hub_installation(
            "CHFInstallSuccessNoSMWAN",
            text("PremiseType", "Low Rise Apartment (MDU <= 5 floors)"),
            text("MetalObstructionCheck", "true"),
            text("ConnectivityObstructionCheck", "0"),
            text("SharedObstructionCheck", "1"),
        ),
    ),
    (
        ("8", "8.14", "8.14.3"),
        element(
            "CHFFaultReturn",
            text("DeviceID", HUB),
            text("CHFFaultReturnType", "Fault identified post installation"),
            text("UserRefDateTime", WHEN),
            text("UserRefID", "JOB 4712"),
            text("OtherDeviceID", ESME),
            text("IncidentReference", "INC000000000042"),
            text("CHFConnectionMethod", "Hot-shoe"),
            text("CHFFaultReason", "LED Fault"),
            text("AdditionalInformation", ""),
        ),
    ),
    (
        ("8", "8.14", "8.14.4"),
        element("CHFNoFaultReturn", text("DeviceID", HUB), text("CHFNoFaultReturnType", "Lost or Stolen Hub")),
    ),
    (("8", "11.1", "11.1"), _image("UpdateFirmware", ESME, GSME)),
    (("1", "11.2", "11.2"), element("ReadFirmwareVersion")),
    (("4", "11.3", "11.3"), element("ActivateFirmware", text("FirmwareHash", "0a" * 32))),
    (("4", "11.3", "11.3"), element("ActivateFirmware", EXECUTION, text("FirmwareHash", "0A" * 32))),
    (("5", "11.3", "11.3"), element("SignedPreCommand", EXECUTION, text("GBCSPayload", OCTETS))),
    (("8", "11.4", "11.4"), _image("UpdatePPMIDFirmware", PPMID)),
    (("8", "12.1", "12.1"), element("RequestWANMatrix", address("PartialAddress"))),
    (
        ("8", "12.2", "12.2"),
        element(
            "DevicePrenotification",
            text("DeviceID", HUB),
            text("DeviceManufacturer", "1234"),
            text("DeviceModel", "00010002"),
            text("DeviceType", "CHF"),
            text("SMETSCHTSVersion", "CHTS V1.0"),
            text("FirmwareVersion", "01020304"),
            text("AssociatedGPFDeviceID", GPF),
        ),
    ),
)
