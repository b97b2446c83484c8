"""Alerts of a dual-band hub about its sub-GHz radio, 0110 to 0115, become DualBandCHAlert for the suppliers of the home.

Which alert becomes which element follows from their names (reference duis/duis.md 7.6, medium; A.4 for the elements).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.dsp.context import Context
from emulator.dsp.registration import responsible_suppliers
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import Element, element

Result = Mapping[str, object]

TRIGGERS = (
    "RemotePartyCommand", "GSMERequest", "GSMEMissedItsCurfew", "GSMEMissingForTheLastDay", "CHDetectedMessageFailureProblems",
    "CHDetectedMessageRetryProblems", "SubGHzNon-GSMEDeviceRequest", "SMHANFormation",
)  # fmt: skip
STATUSES = (
    "ScanRequestAccepted", "HHTConnected", "DutyCycleUsageIsTooHigh", "JoiningIsCurrentlyPermitted",
    "GSMEOTADistributionUnderway", "TooManyScansToday", "TooManyCommandsToday", "TooManyScansThisWeek",
)  # fmt: skip
"""What an octet of the alert says, by its number: 0 in test messages DBCH07 and DBCH08; that the others count on in the order of
the DUIS enumerations is inferred."""

PAGES: Mapping[int, tuple[str, str, int]] = {
    28: ("LowerBandSubGHzChannels0To26", "OperatingLowerBandSubGHzChannel", 0),
    29: ("LowerBandSubGHzChannels27To34", "OperatingLowerBandSubGHzChannel", 27),
    30: ("LowerBandSubGHzChannels35To61", "OperatingLowerBandSubGHzChannel", 35),
    31: ("UpperBandSubGHzChannels0To26", "OperatingUpperBandSubGHzChannel", 0),
}
"""Elements of the channels of a page, and the number of its first channel (DBCH04)."""

NUMBERS: tuple[tuple[str, str, int], ...] = (
    ("NormalLimitedDutyCycleThreshold", "normal_limited_threshold", 2),
    ("LimitedCriticalDutyCycleThreshold", "limited_critical_threshold", 2),
    ("MaximumSubGHzChannelChangesPerWeek", "channel_changes_per_week", 0),
    ("GSMECurfew", "gsme_curfew", 0),
    ("ChannelQuieterThreshold", "channel_quieter_threshold", 0),
    ("ChannelNoisierThreshold", "channel_noisier_threshold", 0),
    ("NonGSMEPoorCommsPercentageThreshold", "poor_communications_percentage", 2),
    ("NonGSMEPoorCommsMeasurementPeriods", "poor_communications_periods", 0),
    ("LocalCHNoiseMeasurementPeriod", "noise_measurement_period", 0),
    ("LocalCHFailurePercentage", "failure_percentage", 2),
    ("LocalCHRetryPercentage", "retry_percentage", 2),
)
"""Element, name of the setting, and decimal places (DBCH04, the other way round)."""

CRA_FLAGS = {1: "Command", 2: "Response", 3: "Alert"}


def report(context: Context, hub: InventoryEntry, result: Result) -> None:
    """Tell the suppliers of the home; :class:`Malformed` for content that the element cannot say."""
    code = _number(result, "message_code")
    body = element(
        "DualBandCHAlert",
        element("CHFDeviceID", format_eui(hub.eui)),
        element("DeviceAlertCode", f"{_number(result, 'alert_code'):04X}"),
        element("GBCSHexadecimalMessageCode", f"{code:04X}"),
        EVENTS[code](context, result),
    )
    users = responsible_suppliers(context, hub, context.now_ms)
    context.dcc_alert(users, "dual_band_hub_alert", body, device=hub.eui)


def _limited(context: Context, result: Result) -> Element:
    return element("LimitedDutyCycleActionTaken", element("DeviceIDToSuspend", format_eui(_eui(result))))


def _changed(context: Context, result: Result) -> Element:
    page, channels = _page(result.get("channel"))
    _, band, first = PAGES[page]
    if len(channels) != 1:
        raise Malformed(f"{len(channels)} channels are in use", where="channel", expected="one")
    return element(
        "SubGHzChannelChanged",
        element("OperatingSubGHzChannel", element(band, element(f"Channel{first + channels[0]}"))),
        element("ScanTrigger", _word(result, "reason", TRIGGERS)),
    )


def _assessed(context: Context, result: Result) -> Element:
    return element(
        "SubGHzChannelScanRequestAssessmentOutcome",
        element("StatusCode", _word(result, "status", STATUSES)),
        element("ScanTrigger", _word(result, "trigger", TRIGGERS)),
    )


def _configured(context: Context, result: Result) -> Element:
    pages = []
    for number in PAGES:
        page, channels = _page(result.get(f"page_{number}"))
        name, _, first = PAGES[page]
        pages.append(element(name, *(element(f"Channel{first + channel}") for channel in channels)))
    values = (element(name, f"{Decimal(_number(result, said)).scaleb(-places).normalize():f}") for name, said, places in NUMBERS)
    return element("SubGHzConfigurationChanged", *pages, *values)


def _discarded(context: Context, result: Result) -> Element:
    octets = bytes.fromhex(str(result.get("discarded", "")))
    if len(octets) != 25 or octets[16] not in CRA_FLAGS:
        raise Malformed("the discarded message is not named", where="DBCH10", expected="two EUIs, a flag and a counter")
    originator, recipient, counter = (int.from_bytes(octets[at : at + 8], "big") for at in (0, 8, 17))
    request_id = RequestId(Eui64(originator), Eui64(recipient), counter)
    return element(
        "MessageDiscardedDueToDutyCycleManagement",
        element("RequestID", str(request_id)),
        element("CRAFlag", CRA_FLAGS[octets[16]]),
    )


def _no_room(context: Context, result: Result) -> Element:
    eui = _eui(result)
    known = context.state.inventory.get(eui)
    return element(
        "NoMoreSubGHzDeviceCapacity",
        element("DeviceID", format_eui(eui)),
        element("DeviceType", known.device_type) if known is not None else None,
    )


EVENTS: Mapping[int, Callable[[Context, Result], Element]] = {
    0x0110: _limited,
    0x0111: _changed,
    0x0112: _assessed,
    0x0113: _configured,
    0x0114: _discarded,
    0x0115: _no_room,
}
"""What becomes of an alert, by message code."""


def _page(bits: object) -> tuple[int, list[int]]:
    """The number of a page, and its channels from 0, from 32 bits as text."""
    text = str(bits)
    if len(text) != 32 or set(text) - {"0", "1"} or int(text[:5], 2) not in PAGES:
        raise Malformed("that is no page of channels", where="sub-GHz", expected="32 bits, the page in the first five")
    return int(text[:5], 2), [place for place in range(27) if text[31 - place] == "1"]


def _number(result: Result, name: str) -> int:
    value = result.get(name)
    if not isinstance(value, int):
        raise Malformed(f"{name} is not a number", where="GBCS content", expected=f"a number, not {value!r}")
    return value


def _eui(result: Result) -> Eui64:
    return Eui64(_number(result, "device"))


def _word(result: Result, name: str, words: tuple[str, ...]) -> str:
    octets = bytes.fromhex(str(result.get(name, "")))
    if len(octets) != 1 or octets[0] >= len(words):
        raise Malformed(f"{name} is {octets.hex() or 'missing'}", where="sub-GHz", expected=f"00 to {len(words) - 1:02}")
    return words[octets[0]]
