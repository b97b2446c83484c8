"""What samples are made of."""

from base64 import b64encode

from emulator.duis.messages import Element, element

SUPPLIER = "90-B3-D5-1F-30-01-00-00"
HUB = "00-DB-12-34-56-78-90-B0"
ESME = "00-DB-12-34-56-78-90-A0"
GSME = "00-DB-12-34-56-78-90-A1"
GPF = "00-DB-12-34-56-78-90-B1"
PPMID = "00-DB-12-34-56-78-90-A3"
REQUEST_ID = f"{SUPPLIER}:{ESME}:1767225600000"
OCTETS = b64encode(bytes.fromhex("df0901000000019f")).decode()
WHEN = "2026-02-01T06:00:00Z"

Service = tuple[str, str, str]
"""Command variant or response code, Service Reference, variant."""


def text(name: str, value: str) -> Element:
    return element(name, value)


def address(name: str) -> Element:
    return element(name, text("PostCode", "SW1A 1AA"), text("AddressIdentifier", "10"))


def schedule(name: str, reference: str, variant: str, read: Element) -> Element:
    return element(
        name,
        text("ScheduleFrequency", "Half-Yearly"),
        text("ScheduleStartDate", "2026-03-01Z"),
        text("ScheduleEndDate", "2027-03-01"),
        text("ScheduleExecutionStartTime", "02:30:00Z"),
        text("KAPublicSecurityCredential", OCTETS),
        text("DSPScheduledServiceReference", reference),
        text("DSPScheduledServiceReferenceVariant", variant),
        text("DeviceID", ESME),
        read,
    )


def period(name: str) -> Element:
    return element(
        name,
        text("StartDateOffset", "-400"),
        text("StartTime", "00:00:00Z"),
        text("EndDateOffset", "0"),
        text("EndTime", "23:59:59Z"),
    )


def sub_ghz(name: str) -> Element:
    return element(
        name,
        element("LowerBandSubGHzChannels0To26", element("Channel0"), element("Channel26")),
        element("LowerBandSubGHzChannels27To34", element("Channel30")),
        element("LowerBandSubGHzChannels35To61"),
        element("UpperBandSubGHzChannels0To26", *(element(f"Channel{number}") for number in range(27))),
        text("NormalLimitedDutyCycleThreshold", "1.8"),
        text("LimitedCriticalDutyCycleThreshold", "2.4"),
        text("MaximumSubGHzChannelChangesPerWeek", "7"),
        text("GSMECurfew", "65535"),
        text("ChannelQuieterThreshold", "255"),
        text("ChannelNoisierThreshold", "0"),
        text("NonGSMEPoorCommsPercentageThreshold", "99.99"),
        text("NonGSMEPoorCommsMeasurementPeriods", "150"),
        text("LocalCHNoiseMeasurementPeriod", "61"),
        text("LocalCHFailurePercentage", "1"),
        text("LocalCHRetryPercentage", "100.00"),
    )


def service(variant: str, command_variant: str = "1") -> Service:
    return command_variant, ".".join(variant.split(".")[:2]), variant


EXECUTION = text("ExecutionDateTime", WHEN)
PERIOD = element("ReadLogPeriod", text("StartDateTime", "2026-01-01T00:00:00Z"), text("EndDateTime", WHEN))
