"""Every payload of an answer and every body of a DCC Alert but that of SMETS1, with values of our own."""

from emulator.duis.messages import Element, element
from tests.schema.sample_parts import (
    ESME,
    GPF,
    GSME,
    HUB,
    OCTETS,
    PPMID,
    REQUEST_ID,
    WHEN,
    Service,
    address,
    schedule,
    sub_ghz,
    text,
)

_INVENTORY = (
    element(
        "Device",
        text("DeviceID", HUB),
        text("DeviceType", "CHF"),
        text("DeviceStatus", "Commissioned"),
        text("DeviceManufacturer", "1234"),
        text("DeviceModel", "00010002"),
        text("SMETSCHTSVersion", "CHTS V1.0"),
        text("DeviceFirmwareVersion", "01020304"),
        text("DeviceFirmwareVersionStatus", "Active"),
        text("CPLStatus", "Active"),
        text("DateCommissioned", "2025-12-28Z"),
        text("ImportMPxN", "1200010001234"),
        text("SecondaryImportMPAN", "1200010001235"),
        text("ExportMPAN", "1200010005678"),
        text("ESMEVariant", "AD"),
        text("UPRN", "100023336956"),
        address("PropertyFilter"),
        text("CSPRegion", "4G North"),
        text("DeviceGBCSVersion", "4.2"),
        text("HANVariant", "Single Band"),
        text("S1SP", ""),
        text("Connectivity", "Cellular"),
    ),
    element(
        "Device",
        text("DeviceID", PPMID),
        text("DeviceType", "IHD"),
        text("DeviceManufacturer", "Acme"),
        text("DeviceModel", "Glance"),
    ),
)

_LEFT_OUT = (
    text("InvalidDeviceIDList", f"{ESME},{GSME}"),
    text("NotCommissionedDeviceIDList", ESME),
    text("NotApplicableFirmwareDeviceIDList", ESME),
    text("OtherRequestInProgressList", ESME),
    text("InvalidGBCSVersionList", ESME),
)

PAYLOAD = text("GBCSPayload", OCTETS)

PAYLOADS: tuple[tuple[Service, Element | None], ...] = (
    (("I99", "11.2", "11.2"), None),
    (("E65", "11.2", "11.2"), None),
    (("I0", "11.2", "11.2"), PAYLOAD),
    (("I0", "9.1", "9.1"), element("CINMessage", PAYLOAD, text("CustomerIdentificationNumber", "0042"))),
    (("I0", "4.8", "4.8.1"), element("DSPScheduledMessage", PAYLOAD, text("DSPScheduleID", "7"))),
    (
        ("I0", "11.3", "11.3"),
        element(
            "FutureDatedDeviceAlertMessage",
            text("FutureDatedAlertCode", "8F66"),
            PAYLOAD,
            text("InstructionNumber", "1"),
            text("TotalCommandInstructions", "1"),
        ),
    ),
    (("I0", "11.2", "11.2"), element("LocalCommand", PAYLOAD)),
    (("I0", "11.3", "11.3"), element("PreCommand", text("GBCSVersion", "4.2"), PAYLOAD)),
    (("I0", "8.2", "8.2"), element("DSPInventory", *_INVENTORY)),
    (
        ("I0", "8.6", "8.6"),
        element("DSPOptIn", text("DeviceID", ESME), text("DSPBrokerSecurityCredentialsKeyAgreement", OCTETS)),
    ),
    (("I0", "5.1", "5.1"), text("DSPScheduleID", "0")),
    (
        ("I0", "5.2", "5.2"),
        element(
            "DSPSchedulesRead",
            element(
                "DSPSchedules",
                text("DSPScheduleID", "7"),
                schedule("DSPScheduleDetails", "4.2", "4.2", element("DSPReadInstantaneousExportRegisters")),
            ),
        ),
    ),
    (("W110101", "11.1", "11.1"), element("DSPUpdateFirmwareWarning", *_LEFT_OUT)),
    (("W110401", "11.4", "11.4"), element("DSPUpdatePPMIDFirmwareWarning", *_LEFT_OUT[:1])),
    (
        ("I0", "12.1", "12.1"),
        element(
            "DSPWANMatrix",
            element("Request", text("UPRN", "1")),
            element("DSPWANMatrixResponse", text("CSPRegion", "North"), text("CSPRegionResponseCode", "E1010")),
            element(
                "DSPWANMatrixResponse",
                text("CSPRegion", "4G South"),
                text("CSPRegionResponseCode", "I0"),
                text("CoverageAvailability", "true"),
                text("AnticipatedCoverageDate", "2026-06-30"),
                text("WANTechnology", "4G"),
                text("ConnectivityLikelihood", "High"),
                text("AuxiliaryEquipmentRequired", "aerial"),
                text("AdditionalInformation", "none"),
            ),
        ),
    ),
)


def _moved_hub(name: str) -> Element:
    return element(
        name,
        text("OldCHFDeviceID", HUB),
        text("NewCHFDeviceID", "00-DB-12-34-56-78-90-C0"),
        text("OldGPFDeviceID", GPF),
        text("NewGPFDeviceID", "00-DB-12-34-56-78-90-C1"),
    )


def _status(*change: Element) -> Element:
    return element("DeviceStatusChangeEvent", text("DeviceID", ESME), element("DeviceStatusChange", *change))


def _points(name: str) -> Element:
    return element(name, text("ImportMPxN", "1200010001234"), text("ExportMPAN", "1200010005678"))


def _dual_band(*event: Element) -> Element:
    return element("DualBandCHAlert", text("CHFDeviceID", HUB), text("DeviceAlertCode", "8F20"), *event)


ALERTS: tuple[tuple[str, Element], ...] = (
    (
        "AD1",
        element("PowerOutageEvent", text("CommsHubDeviceID", HUB), text("StartDateTime", WHEN), text("MPxN", "1200010001234")),
    ),
    ("N16", _status(element("MeterIdentity", _points("MeterMPxNs"), text("ESMEVariant", "A")))),
    (
        "N1",
        _status(
            element(
                "MeterDecommissioningOrWithdrawal",
                _points("MeterDecommissionOrWithdrawal"),
                *(element("AssociatedType1Device", text("DeviceID", PPMID), text("DeviceType", "PPMID")) for _ in range(7)),
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
                text("SupplierCertificateType", "DigitalSigning"),
                text("SupplierCertificateType", "KeyAgreementTopUp"),
                text("NetworkOperatorCertificateType", "KeyAgreement"),
            )
        ),
    ),
    ("N45", _status(element("RecoveryComplete"))),
    ("N30", element("DeviceLogRestored", text("RestoredDate", "2026-02-01"), _moved_hub("CHFDeviceLog"))),
    ("N31", element("DeviceLogRestored", text("RestoredDate", "2026-02-01Z"), _moved_hub("GPFDeviceLog"))),
    ("N43", element("PPMIDRemoval", text("PPMIDDeviceID", PPMID), text("CHFDeviceID", HUB))),
    (
        "N42",
        element(
            "SecurityCredentialsUpdated",
            text("DeviceID", ESME),
            text("RemotePartyRole", "Supplier"),
            element("RemotePartySeqNumberChange", text("RemotePartyFloorSeqNumber", "9223372036854775807")),
            element("Certificates", text("CertificateType", "DigitalSigning"), text("CertificateHash", OCTETS)),
            element("Certificates", text("CertificateType", "KeyAgreement"), text("CertificateHash", OCTETS)),
        ),
    ),
    ("N58", element("ALCSHCALCSConfigurationChange", text("ESMEDeviceID", ESME), text("DeviceGBCSVersion", "4.2"))),
    (
        "N3",
        element(
            "CommandFailure",
            text("CommandRequestID", REQUEST_ID),
            text("DSPScheduleID", "7"),
            text("DeviceID", ESME),
        ),
    ),
    ("N6", element("DSPScheduleRemoval", text("DeviceID", ESME), text("DSPScheduleID", "7"))),
    ("N24", element("UpdateHANDeviceLogResult", text("UpdateHANDeviceLogServiceRequestID", REQUEST_ID))),
    (
        "N46",
        element(
            "QuarantinedRequest",
            element(
                "ADDCCThresholdBreach",
                text("RequestID", REQUEST_ID),
                text("QuarantineEventRef", "-12345678901234567890"),
            ),
        ),
    ),
    (
        "N999",
        element(
            "DUISVersionMismatch",
            element("DCCAlertVersionMismatch", text("DCCAlertCode", "N65"), text("DeviceID", ESME)),
            text("ServiceUserDUISVersion", "5.1"),
        ),
    ),
    (
        "N999",
        element(
            "DUISVersionMismatch",
            element(
                "ServiceResponseVersionMismatch",
                text("RequestID", REQUEST_ID),
                text("ServiceReference", "7.16"),
                text("ServiceReferenceVariant", "7.16"),
                text("ServiceRequestDUISVersion", "5.4"),
            ),
            text("ServiceUserDUISVersion", "5.1"),
        ),
    ),
    (
        "N59",
        element(
            "FirmwareUpgradeRequested",
            text("DeviceType", "PPMID"),
            text("FirmwareVersion", "01020304"),
            text("DeviceList", f"{PPMID},{PPMID.lower()}"),
        ),
    ),
    ("N18", element("FirmwareDistributionFailure", text("UpdateFirmwareRequestID", REQUEST_ID), text("MeterIDs", ESME))),
    (
        "N60",
        element(
            "CSPFirmwareDeliveryStatus",
            text("UpdateFirmwareRequestID", REQUEST_ID),
            text("CommsHubDeviceID", HUB),
            text("TargetDeviceID", ESME),
            text("FirmwareVersion", "01020304"),
            text("TimeStamp", WHEN),
            text("CommsHubTransferStatus", "Success"),
        ),
    ),
    (
        "N49",
        element(
            "FirmwareVersionMismatch",
            text("DeviceID", ESME),
            text("DeviceType", "ESME"),
            text("FirmwareVersionSMI", "01020304"),
            text("FirmwareVersionDevice", "01020303"),
        ),
    ),
    ("N64", element("CommsHubFirmwareActivation", text("DeviceID", HUB), text("FirmwareVersion", "01020304"))),
    (
        "N56",
        element(
            "SMETS1CHFirmwareNotification",
            text("DeviceID", HUB),
            text("FirmwareVersion", "01020304"),
            text("FirmwareVersionUpdateStatus", "UpdateRequested"),
        ),
    ),
    ("N26", element("ChangeOfSupplier", text("ChangeOfSupplierServiceRequestID", REQUEST_ID), text("ECoSErrorCode", "E01"))),
    (
        "N27",
        element(
            "ChangeOfSupplier",
            element("DeviceChangeOfSupplier", text("DeviceID", ESME), text("DeviceType", "ESME"), _points("MPxNs")),
        ),
    ),
    (
        "N63",
        element(
            "ECoSAlert",
            text("AlertID", REQUEST_ID),
            text("ECoSAlertCode", "A1"),
            text("DeviceID", ESME),
            text("AdditionalInformation", "text"),
        ),
    ),
    ("N65", element("CoSCertificateAlert", text("DeviceID", ESME), text("CertificateSerialNumber", "9" * 39))),
    (
        "N39",
        element(
            "PPMIDAlert",
            text("DeviceID", PPMID),
            text("DeviceAlertCode", "8F8B"),
            text("Timestamp", WHEN),
            element(
                "PPMIDFirmwareUpgradeAlert",
                text("FirmwareVersion", "01020304"),
                text("ActivateImageResultCode", "ActivationSuccess"),
            ),
        ),
    ),
    (
        "N62",
        element(
            "CommsHubAlert",
            text("CommsHubDeviceID", HUB),
            text("AlertCode", "8F8A"),
            text("TimeStamp", WHEN),
            element(
                "FirmwareTransferAlert",
                text("UpdateFirmwareRequestID", REQUEST_ID),
                text("OtherDeviceID", PPMID),
                text("FirmwareVersion", "01020304"),
                text("TransferResponseCode", "FileTransferSuccess"),
            ),
        ),
    ),
    ("N50", _dual_band()),
    ("N51", _dual_band(text("GBCSHexadecimalMessageCode", "0110"), sub_ghz("SubGHzConfigurationChanged"))),
    ("N52", _dual_band(element("LimitedDutyCycleActionTaken", text("DeviceIDToSuspend", GSME)))),
    (
        "N53",
        _dual_band(
            element(
                "SubGHzChannelChanged",
                element("OperatingSubGHzChannel", element("OperatingLowerBandSubGHzChannel", element("Channel61"))),
                text("ScanTrigger", "SMHANFormation"),
            )
        ),
    ),
    (
        "N54",
        _dual_band(
            element(
                "SubGHzChannelScanRequestAssessmentOutcome",
                text("StatusCode", "TooManyScansThisWeek"),
                text("ScanTrigger", "SubGHzNon-GSMEDeviceRequest"),
            )
        ),
    ),
    (
        "N55",
        _dual_band(element("MessageDiscardedDueToDutyCycleManagement", text("RequestID", REQUEST_ID), text("CRAFlag", "Alert"))),
    ),
    ("N55", _dual_band(element("NoMoreSubGHzDeviceCapacity", text("DeviceID", GSME), text("DeviceType", "GSME")))),
)
"""Code and body. The codes are there to be enumerated; that a code and a body belong together is not this table's claim."""
