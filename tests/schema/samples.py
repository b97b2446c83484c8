"""One message or more of every body, payload and alert that the project's schemas cover, with values of our own."""

from base64 import b64encode
from collections.abc import Iterator

from lxml import etree

from emulator.duis.messages import Element, element
from emulator.duis.namespaces import SERVICE_USER_GATEWAY

SUPPLIER = "90-B3-D5-1F-30-01-00-00"
DCC = "90-B3-D5-1F-30-00-00-02"
HUB = "00-DB-12-34-56-78-90-B0"
ESME = "00-DB-12-34-56-78-90-A0"
GSME = "00-DB-12-34-56-78-90-A1"
GPF = "00-DB-12-34-56-78-90-B1"
PPMID = "00-DB-12-34-56-78-90-A3"
REQUEST_ID = f"{SUPPLIER}:{ESME}:1767225600000"
OCTETS = b64encode(bytes.fromhex("df0901000000019f")).decode()
WHEN = "2026-02-01T06:00:00Z"

Service = tuple[str, str, str]
"""Command variant, Service Reference, variant."""


def _text(name: str, value: str) -> Element:
    return element(name, value)


def _hub_installation(name: str, *more: Element) -> Element:
    return element(
        name,
        _text("DeviceID", HUB),
        _text("CHFInstallType", "New CHF Install"),
        _text("InstallDateTime", WHEN),
        _text("UserRefID", "JOB 4711"),
        _text("MPxN", "1200010001234"),
        _text("GISData", "51.5007,-0.1246"),
        _text("AerialInstall", "false"),
        _text("CHFLocation", "Indoors on external wall"),
        *more,
        _text("AdditionalInformation", "meter cupboard"),
    )


def _address(name: str) -> Element:
    return element(name, _text("PostCode", "SW1A 1AA"), _text("AddressIdentifier", "10"))


def _image(name: str, *devices: str) -> Element:
    return element(
        name,
        _text("FirmwareImage", b64encode(bytes.fromhex("1ef1ee0b") + bytes(96)).decode()),
        _text("FirmwareVersion", "01020304"),
        _text("DeviceIDList", ",".join(devices)),
    )


def _schedule(name: str, reference: str, variant: str, read: Element) -> Element:
    return element(
        name,
        _text("ScheduleFrequency", "Half-Yearly"),
        _text("ScheduleStartDate", "2026-03-01Z"),
        _text("ScheduleEndDate", "2027-03-01"),
        _text("ScheduleExecutionStartTime", "02:30:00Z"),
        _text("KAPublicSecurityCredential", OCTETS),
        _text("DSPScheduledServiceReference", reference),
        _text("DSPScheduledServiceReferenceVariant", variant),
        _text("DeviceID", ESME),
        read,
    )


def _period(name: str) -> Element:
    return element(
        name,
        _text("StartDateOffset", "-400"),
        _text("StartTime", "00:00:00Z"),
        _text("EndDateOffset", "0"),
        _text("EndTime", "23:59:59Z"),
    )


EXECUTION = _text("ExecutionDateTime", WHEN)


def _service(variant: str, command_variant: str = "1") -> Service:
    return command_variant, ".".join(variant.split(".")[:2]), variant


PERIOD = element("ReadLogPeriod", _text("StartDateTime", "2026-01-01T00:00:00Z"), _text("EndDateTime", WHEN))

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
    *((_service(variant), element(name)) for variant, name in (UNDATED_READS | DATED_READS).items()),
    *((_service(variant), element(name, EXECUTION)) for variant, name in DATED_READS.items()),
    *((_service(variant), element(name, PERIOD)) for variant, name in (LOGS | LOGS_FOR_ANYONE).items()),
    *(
        (_service(variant), element(name, EXECUTION, PERIOD, _text("KAPublicSecurityCredentials", OCTETS)))
        for variant, name in LOGS_FOR_ANYONE.items()
    ),
    (_service("6.13"), element("ReadEventOrSecurityLog", PERIOD, _text("LogToRead", "Security"))),
    (("8", "5.1", "5.1"), _schedule("CreateSchedule", "4.8", "4.8.1", _period("DSPReadActiveImportProfileData"))),
    (("8", "5.1", "5.1"), _schedule("CreateSchedule", "14.1", "14.1", element("DSPRecordNetworkDataGAS"))),
    (("8", "5.2", "5.2"), element("ReadSchedule", _text("DeviceID", ESME))),
    (("8", "5.3", "5.3"), element("DeleteSchedule", _text("DSPScheduleID", "1000000000000"))),
    (
        ("4", "8.1", "8.1.1"),
        element("CommissionDeviceSynchroniseClock", _text("CurrentDateTime", WHEN), _text("TolerancePeriod", "86400")),
    ),
    (("8", "8.2", "8.2"), element("ReadInventory", _text("UPRN", "999999999999"))),
    (("8", "8.2", "8.2"), element("ReadInventory", _text("DeviceID", ESME.lower()))),
    (("8", "8.2", "8.2"), element("ReadInventory", _text("MPxN", "1200010001234"))),
    (("8", "8.2", "8.2"), element("ReadInventory", _address("PropertyFilter"))),
    (("8", "8.3", "8.3"), element("DecommissionDevice", _text("DeviceID", PPMID))),
    (("8", "8.4", "8.4"), element("UpdateInventory", _text("DeviceID", ESME), _text("UpdateDeviceStatusExceptCH", "Pending"))),
    (("8", "8.4", "8.4"), element("UpdateInventory", _text("DeviceID", HUB), _text("UpdateDeviceStatusCH", "Withdrawn"))),
    (("8", "8.4", "8.4"), element("UpdateInventory", _text("DeviceID", ESME), element("DeleteDevice"))),
    (
        ("8", "8.4", "8.4"),
        element("UpdateInventory", _text("DeviceID", GSME), element("UpdateMPxN", _text("ImportMPxN", "74000001"))),
    ),
    (
        ("8", "8.4", "8.4"),
        element(
            "UpdateInventory",
            _text("DeviceID", ESME),
            element(
                "UpdateDeviceDetails",
                _text("DeviceManufacturer", "1234"),
                _text("DeviceModel", "00010002"),
                _text("SMETSCHTSVersion", "SMETS V2.0"),
                _text("FirmwareVersion", "01020304"),
                _text("ESMEVariant", "BDEF"),
            ),
        ),
    ),
    (("4", "8.7", "8.7.1"), element("JoinServiceCritical", _text("OtherDeviceID", PPMID))),
    (("1", "8.7", "8.7.2"), element("JoinServiceNonCritical", _text("OtherDeviceID", GSME))),
    (("4", "8.8", "8.8.1"), element("UnjoinServiceCritical", _text("OtherDeviceID", PPMID))),
    (("1", "8.8", "8.8.2"), element("UnjoinServiceNonCritical", _text("OtherDeviceID", GSME))),
    (("1", "8.9", "8.9"), element("ReadDeviceLog", EXECUTION, element("ReadSecurityDetails"))),
    (
        ("1", "8.11", "8.11"),
        element(
            "UpdateHANDeviceLog",
            EXECUTION,
            _text("DeviceID", ESME),
            _text("RequestType", "Add"),
            element(
                "AddDeviceToCHFWhitelist",
                _text("JoinTimePeriod", "3600"),
                _text("InstallCode", "00112233445566778899aabbccddeeff"),
                _text("ImportMPxN", "1200010001234"),
                _text("ExportMPAN", "1200010005678"),
            ),
        ),
    ),
    (("1", "8.11", "8.11"), element("UpdateHANDeviceLog", _text("DeviceID", ESME), _text("RequestType", "Remove"))),
    (("8", "8.14", "8.14.1"), _hub_installation("CHFInstallSuccessSMWAN")),
    (
        ("8", "8.14", "8.14.2"),
        _hub_installation(
            "CHFInstallSuccessNoSMWAN",
            _text("PremiseType", "Low Rise Apartment (MDU <= 5 floors)"),
            _text("MetalObstructionCheck", "true"),
            _text("ConnectivityObstructionCheck", "0"),
            _text("SharedObstructionCheck", "1"),
        ),
    ),
    (
        ("8", "8.14", "8.14.3"),
        element(
            "CHFFaultReturn",
            _text("DeviceID", HUB),
            _text("CHFFaultReturnType", "Fault identified post installation"),
            _text("UserRefDateTime", WHEN),
            _text("UserRefID", "JOB 4712"),
            _text("OtherDeviceID", ESME),
            _text("IncidentReference", "INC000000000042"),
            _text("CHFConnectionMethod", "Hot-shoe"),
            _text("CHFFaultReason", "LED Fault"),
            _text("AdditionalInformation", ""),
        ),
    ),
    (
        ("8", "8.14", "8.14.4"),
        element("CHFNoFaultReturn", _text("DeviceID", HUB), _text("CHFNoFaultReturnType", "Lost or Stolen Hub")),
    ),
    (("8", "11.1", "11.1"), _image("UpdateFirmware", ESME, GSME)),
    (("1", "11.2", "11.2"), element("ReadFirmwareVersion")),
    (("4", "11.3", "11.3"), element("ActivateFirmware", _text("FirmwareHash", "0a" * 32))),
    (("4", "11.3", "11.3"), element("ActivateFirmware", EXECUTION, _text("FirmwareHash", "0A" * 32))),
    (("5", "11.3", "11.3"), element("SignedPreCommand", EXECUTION, _text("GBCSPayload", OCTETS))),
    (("8", "11.4", "11.4"), _image("UpdatePPMIDFirmware", PPMID)),
    (("8", "12.1", "12.1"), element("RequestWANMatrix", _address("PartialAddress"))),
    (
        ("8", "12.2", "12.2"),
        element(
            "DevicePrenotification",
            _text("DeviceID", HUB),
            _text("DeviceManufacturer", "1234"),
            _text("DeviceModel", "00010002"),
            _text("DeviceType", "CHF"),
            _text("SMETSCHTSVersion", "CHTS V1.0"),
            _text("FirmwareVersion", "01020304"),
            _text("AssociatedGPFDeviceID", GPF),
        ),
    ),
)

_INVENTORY = (
    element(
        "Device",
        _text("DeviceID", HUB),
        _text("DeviceType", "CHF"),
        _text("DeviceStatus", "Commissioned"),
        _text("DeviceManufacturer", "1234"),
        _text("DeviceModel", "00010002"),
        _text("SMETSCHTSVersion", "CHTS V1.0"),
        _text("DeviceFirmwareVersion", "01020304"),
        _text("DeviceFirmwareVersionStatus", "Active"),
        _text("CPLStatus", "Active"),
        _text("DateCommissioned", "2025-12-28Z"),
        _text("ImportMPxN", "1200010001234"),
        _text("SecondaryImportMPAN", "1200010001235"),
        _text("ExportMPAN", "1200010005678"),
        _text("ESMEVariant", "AD"),
        _text("UPRN", "100023336956"),
        _address("PropertyFilter"),
        _text("CSPRegion", "4G North"),
        _text("DeviceGBCSVersion", "4.2"),
        _text("HANVariant", "Single Band"),
        _text("S1SP", ""),
        _text("Connectivity", "Cellular"),
    ),
    element(
        "Device",
        _text("DeviceID", PPMID),
        _text("DeviceType", "IHD"),
        _text("DeviceManufacturer", "Acme"),
        _text("DeviceModel", "Glance"),
    ),
)

_LEFT_OUT = (
    _text("InvalidDeviceIDList", f"{ESME},{GSME}"),
    _text("NotCommissionedDeviceIDList", ESME),
    _text("NotApplicableFirmwareDeviceIDList", ESME),
    _text("OtherRequestInProgressList", ESME),
    _text("InvalidGBCSVersionList", ESME),
)

_PAYLOAD = _text("GBCSPayload", OCTETS)

PAYLOADS: tuple[tuple[Service, Element | None], ...] = (
    (("I99", "11.2", "11.2"), None),
    (("E65", "11.2", "11.2"), None),
    (("I0", "11.2", "11.2"), _PAYLOAD),
    (("I0", "9.1", "9.1"), element("CINMessage", _PAYLOAD, _text("CustomerIdentificationNumber", "0042"))),
    (("I0", "4.8", "4.8.1"), element("DSPScheduledMessage", _PAYLOAD, _text("DSPScheduleID", "7"))),
    (
        ("I0", "11.3", "11.3"),
        element(
            "FutureDatedDeviceAlertMessage",
            _text("FutureDatedAlertCode", "8F66"),
            _PAYLOAD,
            _text("InstructionNumber", "1"),
            _text("TotalCommandInstructions", "1"),
        ),
    ),
    (("I0", "11.2", "11.2"), element("LocalCommand", _PAYLOAD)),
    (("I0", "11.3", "11.3"), element("PreCommand", _text("GBCSVersion", "4.2"), _PAYLOAD)),
    (("I0", "8.2", "8.2"), element("DSPInventory", *_INVENTORY)),
    (
        ("I0", "8.6", "8.6"),
        element("DSPOptIn", _text("DeviceID", ESME), _text("DSPBrokerSecurityCredentialsKeyAgreement", OCTETS)),
    ),
    (("I0", "5.1", "5.1"), _text("DSPScheduleID", "0")),
    (
        ("I0", "5.2", "5.2"),
        element(
            "DSPSchedulesRead",
            element(
                "DSPSchedules",
                _text("DSPScheduleID", "7"),
                _schedule("DSPScheduleDetails", "4.2", "4.2", element("DSPReadInstantaneousExportRegisters")),
            ),
        ),
    ),
    (("W110101", "11.1", "11.1"), element("DSPUpdateFirmwareWarning", *_LEFT_OUT)),
    (("W110401", "11.4", "11.4"), element("DSPUpdatePPMIDFirmwareWarning", *_LEFT_OUT[:1])),
    (
        ("I0", "12.1", "12.1"),
        element(
            "DSPWANMatrix",
            element("Request", _text("UPRN", "1")),
            element("DSPWANMatrixResponse", _text("CSPRegion", "North"), _text("CSPRegionResponseCode", "E1010")),
            element(
                "DSPWANMatrixResponse",
                _text("CSPRegion", "4G South"),
                _text("CSPRegionResponseCode", "I0"),
                _text("CoverageAvailability", "true"),
                _text("AnticipatedCoverageDate", "2026-06-30"),
                _text("WANTechnology", "4G"),
                _text("ConnectivityLikelihood", "High"),
                _text("AuxiliaryEquipmentRequired", "aerial"),
                _text("AdditionalInformation", "none"),
            ),
        ),
    ),
)


def _moved_hub(name: str) -> Element:
    return element(
        name,
        _text("OldCHFDeviceID", HUB),
        _text("NewCHFDeviceID", "00-DB-12-34-56-78-90-C0"),
        _text("OldGPFDeviceID", GPF),
        _text("NewGPFDeviceID", "00-DB-12-34-56-78-90-C1"),
    )


def _status(*change: Element) -> Element:
    return element("DeviceStatusChangeEvent", _text("DeviceID", ESME), element("DeviceStatusChange", *change))


def _points(name: str) -> Element:
    return element(name, _text("ImportMPxN", "1200010001234"), _text("ExportMPAN", "1200010005678"))


def _dual_band(*event: Element) -> Element:
    return element("DualBandCHAlert", _text("CHFDeviceID", HUB), _text("DeviceAlertCode", "8F20"), *event)


def _sub_ghz() -> Element:
    return element(
        "SubGHzConfigurationChanged",
        element("LowerBandSubGHzChannels0To26", element("Channel0"), element("Channel26")),
        element("LowerBandSubGHzChannels27To34", element("Channel30")),
        element("LowerBandSubGHzChannels35To61"),
        element("UpperBandSubGHzChannels0To26", *(element(f"Channel{number}") for number in range(27))),
        _text("NormalLimitedDutyCycleThreshold", "1.8"),
        _text("LimitedCriticalDutyCycleThreshold", "2.4"),
        _text("MaximumSubGHzChannelChangesPerWeek", "7"),
        _text("GSMECurfew", "65535"),
        _text("ChannelQuieterThreshold", "255"),
        _text("ChannelNoisierThreshold", "0"),
        _text("NonGSMEPoorCommsPercentageThreshold", "99.99"),
        _text("NonGSMEPoorCommsMeasurementPeriods", "150"),
        _text("LocalCHNoiseMeasurementPeriod", "61"),
        _text("LocalCHFailurePercentage", "1"),
        _text("LocalCHRetryPercentage", "100.00"),
    )


ALERTS: tuple[tuple[str, Element], ...] = (
    (
        "AD1",
        element("PowerOutageEvent", _text("CommsHubDeviceID", HUB), _text("StartDateTime", WHEN), _text("MPxN", "1200010001234")),
    ),
    ("N16", _status(element("MeterIdentity", _points("MeterMPxNs"), _text("ESMEVariant", "A")))),
    (
        "N1",
        _status(
            element(
                "MeterDecommissioningOrWithdrawal",
                _points("MeterDecommissionOrWithdrawal"),
                *(element("AssociatedType1Device", _text("DeviceID", PPMID), _text("DeviceType", "PPMID")) for _ in range(7)),
            )
        ),
    ),
    ("N9", _status(element("DeviceRemovedFromInventory"))),
    ("N8", _status(element("CHFDecommissioning"))),
    ("N28", _status(element("DeviceSuspended"))),
    ("N29", _status(element("DeviceRestored"))),
    (
        "N44",
        _status(
            element(
                "RecoveryCompleteACBCredentials",
                _text("SupplierCertificateType", "DigitalSigning"),
                _text("SupplierCertificateType", "KeyAgreementTopUp"),
                _text("NetworkOperatorCertificateType", "KeyAgreement"),
            )
        ),
    ),
    ("N45", _status(element("RecoveryComplete"))),
    ("N30", element("DeviceLogRestored", _text("RestoredDate", "2026-02-01"), _moved_hub("CHFDeviceLog"))),
    ("N31", element("DeviceLogRestored", _text("RestoredDate", "2026-02-01Z"), _moved_hub("GPFDeviceLog"))),
    ("N43", element("PPMIDRemoval", _text("PPMIDDeviceID", PPMID), _text("CHFDeviceID", HUB))),
    (
        "N42",
        element(
            "SecurityCredentialsUpdated",
            _text("DeviceID", ESME),
            _text("RemotePartyRole", "Supplier"),
            element("RemotePartySeqNumberChange", _text("RemotePartyFloorSeqNumber", "9223372036854775807")),
            element("Certificates", _text("CertificateType", "DigitalSigning"), _text("CertificateHash", OCTETS)),
            element("Certificates", _text("CertificateType", "KeyAgreement"), _text("CertificateHash", OCTETS)),
        ),
    ),
    ("N58", element("ALCSHCALCSConfigurationChange", _text("ESMEDeviceID", ESME), _text("DeviceGBCSVersion", "4.2"))),
    (
        "N3",
        element(
            "CommandFailure",
            _text("CommandRequestID", REQUEST_ID),
            _text("DSPScheduleID", "7"),
            _text("DeviceID", ESME),
        ),
    ),
    ("N6", element("DSPScheduleRemoval", _text("DeviceID", ESME), _text("DSPScheduleID", "7"))),
    ("N24", element("UpdateHANDeviceLogResult", _text("UpdateHANDeviceLogServiceRequestID", REQUEST_ID))),
    (
        "N46",
        element(
            "QuarantinedRequest",
            element(
                "ADDCCThresholdBreach",
                _text("RequestID", REQUEST_ID),
                _text("QuarantineEventRef", "-12345678901234567890"),
            ),
        ),
    ),
    (
        "N999",
        element(
            "DUISVersionMismatch",
            element("DCCAlertVersionMismatch", _text("DCCAlertCode", "N65"), _text("DeviceID", ESME)),
            _text("ServiceUserDUISVersion", "5.1"),
        ),
    ),
    (
        "N999",
        element(
            "DUISVersionMismatch",
            element(
                "ServiceResponseVersionMismatch",
                _text("RequestID", REQUEST_ID),
                _text("ServiceReference", "7.16"),
                _text("ServiceReferenceVariant", "7.16"),
                _text("ServiceRequestDUISVersion", "5.4"),
            ),
            _text("ServiceUserDUISVersion", "5.1"),
        ),
    ),
    (
        "N59",
        element(
            "FirmwareUpgradeRequested",
            _text("DeviceType", "PPMID"),
            _text("FirmwareVersion", "01020304"),
            _text("DeviceList", f"{PPMID},{PPMID.lower()}"),
        ),
    ),
    ("N18", element("FirmwareDistributionFailure", _text("UpdateFirmwareRequestID", REQUEST_ID), _text("MeterIDs", ESME))),
    (
        "N60",
        element(
            "CSPFirmwareDeliveryStatus",
            _text("UpdateFirmwareRequestID", REQUEST_ID),
            _text("CommsHubDeviceID", HUB),
            _text("TargetDeviceID", ESME),
            _text("FirmwareVersion", "01020304"),
            _text("TimeStamp", WHEN),
            _text("CommsHubTransferStatus", "Success"),
        ),
    ),
    (
        "N49",
        element(
            "FirmwareVersionMismatch",
            _text("DeviceID", ESME),
            _text("DeviceType", "ESME"),
            _text("FirmwareVersionSMI", "01020304"),
            _text("FirmwareVersionDevice", "01020303"),
        ),
    ),
    ("N64", element("CommsHubFirmwareActivation", _text("DeviceID", HUB), _text("FirmwareVersion", "01020304"))),
    (
        "N56",
        element(
            "SMETS1CHFirmwareNotification",
            _text("DeviceID", HUB),
            _text("FirmwareVersion", "01020304"),
            _text("FirmwareVersionUpdateStatus", "UpdateRequested"),
        ),
    ),
    ("N26", element("ChangeOfSupplier", _text("ChangeOfSupplierServiceRequestID", REQUEST_ID), _text("ECoSErrorCode", "E01"))),
    (
        "N27",
        element(
            "ChangeOfSupplier",
            element("DeviceChangeOfSupplier", _text("DeviceID", ESME), _text("DeviceType", "ESME"), _points("MPxNs")),
        ),
    ),
    (
        "N63",
        element(
            "ECoSAlert",
            _text("AlertID", REQUEST_ID),
            _text("ECoSAlertCode", "A1"),
            _text("DeviceID", ESME),
            _text("AdditionalInformation", "text"),
        ),
    ),
    ("N65", element("CoSCertificateAlert", _text("DeviceID", ESME), _text("CertificateSerialNumber", "9" * 39))),
    (
        "N39",
        element(
            "PPMIDAlert",
            _text("DeviceID", PPMID),
            _text("DeviceAlertCode", "8F8B"),
            _text("Timestamp", WHEN),
            element(
                "PPMIDFirmwareUpgradeAlert",
                _text("FirmwareVersion", "01020304"),
                _text("ActivateImageResultCode", "ActivationSuccess"),
            ),
        ),
    ),
    (
        "N62",
        element(
            "CommsHubAlert",
            _text("CommsHubDeviceID", HUB),
            _text("AlertCode", "8F8A"),
            _text("TimeStamp", WHEN),
            element(
                "FirmwareTransferAlert",
                _text("UpdateFirmwareRequestID", REQUEST_ID),
                _text("OtherDeviceID", PPMID),
                _text("FirmwareVersion", "01020304"),
                _text("TransferResponseCode", "FileTransferSuccess"),
            ),
        ),
    ),
    ("N50", _dual_band()),
    ("N51", _dual_band(_text("GBCSHexadecimalMessageCode", "0110"), _sub_ghz())),
    ("N52", _dual_band(element("LimitedDutyCycleActionTaken", _text("DeviceIDToSuspend", GSME)))),
    (
        "N53",
        _dual_band(
            element(
                "SubGHzChannelChanged",
                element("OperatingSubGHzChannel", element("OperatingLowerBandSubGHzChannel", element("Channel61"))),
                _text("ScanTrigger", "SMHANFormation"),
            )
        ),
    ),
    (
        "N54",
        _dual_band(
            element(
                "SubGHzChannelScanRequestAssessmentOutcome",
                _text("StatusCode", "TooManyScansThisWeek"),
                _text("ScanTrigger", "SubGHzNon-GSMEDeviceRequest"),
            )
        ),
    ),
    (
        "N55",
        _dual_band(
            element("MessageDiscardedDueToDutyCycleManagement", _text("RequestID", REQUEST_ID), _text("CRAFlag", "Alert"))
        ),
    ),
    ("N55", _dual_band(element("NoMoreSubGHzDeviceCapacity", _text("DeviceID", GSME), _text("DeviceType", "GSME")))),
)
"""Code and body. The codes are there to be enumerated; that a code and a body belong together is not this table's claim."""


def to_xml(tree: Element, parent: etree._Element | None = None) -> etree._Element:
    """Write a tree in the DUIS namespace."""
    tag = f"{{{SERVICE_USER_GATEWAY}}}{tree.name}"
    made = etree.Element(tag, nsmap={"sr": SERVICE_USER_GATEWAY}) if parent is None else etree.SubElement(parent, tag)
    for name, value in tree.attributes:
        made.set(name, value)
    if tree.text:
        made.text = tree.text
    for child in tree.children:
        to_xml(child, made)
    return made


def request(service: Service, body: Element) -> etree._Element:
    variant, reference, reference_variant = service
    header = element(
        "Header",
        _text("RequestID", REQUEST_ID),
        _text("FirstInSequence", "false"),
        _text("PrecedingServiceRequestID", REQUEST_ID.lower()),
        _text("CommandVariant", variant),
        _text("ServiceReference", reference),
        _text("ServiceReferenceVariant", reference_variant),
    )
    return to_xml(element("Request", header, element("Body", body), schemaVersion="5.4"))


def response(code: str, body: Element, request_id: str | None = REQUEST_ID) -> etree._Element:
    header = element(
        "Header",
        None if request_id is None else _text("RequestID", request_id),
        _text("ResponseID", f"{ESME}:{SUPPLIER}:18446744073709551615"),
        _text("ResponseCode", code),
        _text("ResponseDateTime", "2026-02-01T06:00:00.123Z"),
    )
    return to_xml(element("Response", header, element("Body", body), schemaVersion="5.10"))


def samples() -> Iterator[tuple[str, etree._Element]]:
    """Every sample with a name."""
    for service, body in REQUESTS:
        yield f"{service[2]} {body.name}", request(service, body)
    for (code, reference, variant), payload in PAYLOADS:
        message = element(
            "ResponseMessage", _text("ServiceReference", reference), _text("ServiceReferenceVariant", variant), payload
        )
        yield f"{code} {payload.name if payload else 'without payload'}", response(code, message)
    throttling = (_text("ThrottledAlertSequenceId", "4294967295"), _text("ThrottledAlertCount", "2"))
    device_alert = element("DeviceAlertMessage", _text("AlertCode", "8F72"), *throttling, _PAYLOAD)
    yield "DeviceAlertMessage", response("I0", device_alert, request_id=None)
    for code, body in ALERTS:
        alert = element("DCCAlertMessage", _text("DCCAlertCode", code), *throttling, element("DCCAlert", body))
        yield f"{code} {body.name} {body.children[-1].name}", response("I0", alert, request_id=None)
