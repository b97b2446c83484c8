"""What a refusal says: where, what is wrong, what would have been right."""

from collections.abc import Callable

import pytest
from lxml import etree

from emulator.duis.namespaces import DUIS, SERVICE_USER_GATEWAY
from emulator.duis.schema import SchemaSet
from tests.schema.mutants import mutants
from tests.schema.sample_answers import ALERTS
from tests.schema.sample_parts import ESME
from tests.schema.sample_requests import REQUESTS
from tests.schema.samples import request, response, samples

Change = Callable[[etree._Element], object]


@pytest.fixture(scope="module")
def ours() -> SchemaSet:
    schema = SchemaSet()
    schema.warm()
    return schema


def _sample(body: str) -> etree._Element:
    return request(*next((service, tree) for service, tree in REQUESTS if tree.name == body))


def _find(document: etree._Element, name: str) -> etree._Element:
    found = next(document.iter(f"{DUIS}{name}"), None)
    assert found is not None
    return found


def _set(name: str, text: str) -> Change:
    return lambda document: setattr(_find(document, name), "text", text)


def _drop(name: str) -> Change:
    def change(document: etree._Element) -> None:
        element = _find(document, name)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return change


def _add(parent: str, tag: str, text: str = "", at: int | None = None) -> Change:
    def change(document: etree._Element) -> None:
        holder = _find(document, parent)
        child = etree.Element(tag)
        child.text = text or None
        holder.insert(len(holder) if at is None else at, child)

    return change


VALUES: tuple[tuple[str, Change, str, str, str], ...] = (
    (
        "ReadFirmwareVersion",
        _set("RequestID", "90-B3-D5-1F-30-01-00-00:1"),
        "Request/Header/RequestID",
        "RequestID has the value '90-B3-D5-1F-30-01-00-00:1'",
        "originator EUI-64, target EUI-64 and counter (0 to 2^64-1, no leading zero), joined by colons",
    ),
    (
        "ReadFirmwareVersion",
        _set("CommandVariant", "10"),
        "Request/Header/CommandVariant",
        "CommandVariant has the value '10'",
        "one of 1, 2, 3, 4, 5, 6, 7, 8, 9",
    ),
    (
        "ReadFirmwareVersion",
        _set("ServiceReferenceVariant", "11.9"),
        "Request/Header/ServiceReferenceVariant",
        "has the value '11.9'",
        "one of 1.1.1, 1.1.2, 1.2.1, 1.2.2, 1.5, 1.6, 1.7, 2.1, 2.2, 2.3, 2.5, 3.1 … (129 in all)",
    ),
    (
        "ReadFirmwareVersion",
        _set("ServiceReference", " 11.2"),
        "Request/Header/ServiceReference",
        "ServiceReference has the value ' 11.2', in which white space counts",
        "(95 in all)",
    ),
    (
        "ReadFirmwareVersion",
        _set("FirstInSequence", "yes"),
        "Request/Header/FirstInSequence",
        "FirstInSequence has the value 'yes'",
        "true, false, 1 or 0",
    ),
    (
        "ReadFirmwareVersion",
        lambda document: document.set("schemaVersion", "five"),
        "Request",
        "attribute schemaVersion of Request has the value 'five'",
        "a decimal number",
    ),
    (
        "ActivateFirmware",
        _set("FirmwareHash", "00ff"),
        "Request/Body/ActivateFirmware/FirmwareHash",
        "FirmwareHash has a length of 2: '00ff'",
        "exactly 32 octets as pairs of hexadecimal digits",
    ),
    (
        "ActivateFirmware",
        _set("FirmwareHash", "0"),
        "Request/Body/ActivateFirmware/FirmwareHash",
        "FirmwareHash has the value '0'",
        "exactly 32 octets as pairs of hexadecimal digits",
    ),
    (
        "UpdateFirmware",
        _set("FirmwareVersion", "010203040"),
        "Request/Body/UpdateFirmware/FirmwareVersion",
        "FirmwareVersion has a length of 9: '010203040'",
        "1 to 8 characters",
    ),
    (
        "UpdateFirmware",
        _set("DeviceIDList", f"{ESME},{ESME}, {ESME}"),
        "Request/Body/UpdateFirmware/DeviceIDList",
        "(72 characters), whose entry 3 is ' 00-DB-12-34-56-78-90-A0'",
        "EUI-64s joined by single commas, without spaces, at most 1,199,999 characters",
    ),
    (
        "UpdateFirmware",
        _set("FirmwareImage", "AAECA==="),
        "Request/Body/UpdateFirmware/FirmwareImage",
        "FirmwareImage has the value 'AAECA==='",
        "at most 10,240,000 octets in base64",
    ),
    (
        "UpdateFirmware",
        _set("FirmwareImage", "AAEC\u2028"),
        "Request/Body/UpdateFirmware/FirmwareImage",
        "FirmwareImage contains '\\u2028'",
        "base64: letters, digits, +, / and = at the end",
    ),
    (
        "CommissionDeviceSynchroniseClock",
        _set("CurrentDateTime", "2026-01-31 09:30"),
        "Request/Body/CommissionDeviceSynchroniseClock/CurrentDateTime",
        "CurrentDateTime has the value '2026-01-31 09:30'",
        "a date and time such as 2026-01-31T09:30:00Z",
    ),
    (
        "CommissionDeviceSynchroniseClock",
        _set("TolerancePeriod", "86401"),
        "Request/Body/CommissionDeviceSynchroniseClock/TolerancePeriod",
        "TolerancePeriod has the value '86401'",
        "a whole number from 0 to 86400",
    ),
    (
        "ReadInventory",
        _set("UPRN", ""),
        "Request/Body/ReadInventory/UPRN",
        "UPRN has no value",
        "a whole number from 1, at most 12 digits",
    ),
    (
        "DecommissionDevice",
        _set("DeviceID", ESME.replace("-", "")),
        "Request/Body/DecommissionDevice/DeviceID",
        "DeviceID has the value '00DB1234567890A0'",
        "an EUI-64 such as 00-DB-12-34-56-78-90-A0",
    ),
    (
        "CreateSchedule",
        _set("StartDateOffset", "-401"),
        "Request/Body/CreateSchedule/DSPReadActiveImportProfileData/StartDateOffset",
        "StartDateOffset has the value '-401'",
        "a whole number from -400 to 0",
    ),
    (
        "CHFInstallSuccessSMWAN",
        _set("GISData", "x" * 26),
        "Request/Body/CHFInstallSuccessSMWAN/GISData",
        "GISData has a length of 26: 'xxxxxxxxxxxxxxxxxxxxxxxxxx'",
        "at most 25 characters",
    ),
)

STRUCTURE: tuple[tuple[str, Change, str, str, str], ...] = (
    (
        "ReadFirmwareVersion",
        lambda document: document.attrib.pop("schemaVersion"),
        "Request",
        "attribute schemaVersion of Request is missing",
        "a decimal number",
    ),
    (
        "ReadFirmwareVersion",
        lambda document: _find(document, "Body").set("id", "1"),
        "Request/Body",
        "Body has an attribute id, which it may not have",
        "",
    ),
    (
        "ReadFirmwareVersion",
        _drop("CommandVariant"),
        "Request/Header/ServiceReference",
        "ServiceReference is not in its place in Header, or excluded by what precedes it",
        "CommandVariant",
    ),
    (
        "ReadFirmwareVersion",
        _drop("ServiceReferenceVariant"),
        "Request/Header",
        "ServiceReferenceVariant is missing from Header",
        "",
    ),
    ("ReadFirmwareVersion", _drop("ReadFirmwareVersion"), "Request/Body", "Body is empty", "one of SignedPreCommand, "),
    (
        "ReadFirmwareVersion",
        _add("Body", f"{DUIS}ReadInventory"),
        "Request/Body/ReadInventory",
        "ReadInventory is not in its place in Body, or excluded by what precedes it",
        "the end of Body",
    ),
    (
        "ReadFirmwareVersion",
        _add("Body", f"{DUIS}ReadFirmwareVersions", at=0),
        "Request/Body/ReadFirmwareVersions",
        "ReadFirmwareVersions is not allowed in Body",
        "one of ReadFirmwareVersion, ",
    ),
    (
        "ReadFirmwareVersion",
        _add("Body", "{urn:other}ReadFirmwareVersion", at=0),
        "Request/Body/ReadFirmwareVersion",
        "ReadFirmwareVersion is in namespace urn:other",
        f"namespace {SERVICE_USER_GATEWAY}",
    ),
    (
        "ReadFirmwareVersion",
        _add("Body", "ReadFirmwareVersion", at=0),
        "Request/Body/ReadFirmwareVersion",
        "ReadFirmwareVersion is in no namespace",
        f"namespace {SERVICE_USER_GATEWAY}",
    ),
    (
        "ReadFirmwareVersion",
        _add("ReadFirmwareVersion", f"{DUIS}FirmwareVersion"),
        "Request/Body/ReadFirmwareVersion/FirmwareVersion",
        "FirmwareVersion is not allowed in ReadFirmwareVersion",
        "ExecutionDateTime",
    ),
    (
        "DecommissionDevice",
        _add("DecommissionDevice", f"{DUIS}DeviceID", ESME),
        "Request/Body/DecommissionDevice/DeviceID[2]",
        "DeviceID stands in DecommissionDevice more often than it may",
        "the end of DecommissionDevice",
    ),
    (
        "DecommissionDevice",
        lambda document: setattr(_find(document, "DecommissionDevice"), "text", " now "),
        "Request/Body/DecommissionDevice",
        "text stands between the elements of DecommissionDevice: 'now'",
        "elements only",
    ),
    (
        "DecommissionDevice",
        _add("DeviceID", f"{DUIS}EUI"),
        "Request/Body/DecommissionDevice/DeviceID",
        "DeviceID contains elements instead of a value",
        "an EUI-64 such as 00-DB-12-34-56-78-90-A0",
    ),
    (
        "ReadDeviceConfigurationIdentityExcMPxN",
        _set("ReadDeviceConfigurationIdentityExcMPxN", "\n"),
        "Request/Body/ReadDeviceConfigurationIdentityExcMPxN",
        "ReadDeviceConfigurationIdentityExcMPxN is not empty",
        "<ReadDeviceConfigurationIdentityExcMPxN/> with nothing inside, not even white space",
    ),
    (
        "ActivateFirmware",
        _drop("FirmwareHash"),
        "Request/Body/ActivateFirmware",
        "ActivateFirmware is empty",
        "one of ExecutionDateTime, FirmwareHash",
    ),
    (
        "UpdateFirmware",
        lambda document: _find(document, "FirmwareVersion").addnext(_find(document, "FirmwareImage")),
        "Request/Body/UpdateFirmware/FirmwareVersion",
        "FirmwareVersion is not in its place in UpdateFirmware, or excluded by what precedes it",
        "FirmwareImage",
    ),
    (
        "ReadFirmwareVersion",
        lambda document: document.append(etree.Element("{http://www.w3.org/2000/09/xmldsig#}Signature")),
        "Request/Signature",
        "SignedInfo is missing from Signature",
        "",
    ),
    (
        "ReadFirmwareVersion",
        lambda document: setattr(document, "tag", "Request"),
        "Request",
        "the document element Request is in no namespace",
        f"Request or Response in namespace {SERVICE_USER_GATEWAY}",
    ),
    (
        "ReadFirmwareVersion",
        lambda document: setattr(document, "tag", "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"),
        "Envelope",
        "the document element Envelope is not one of this interface",
        f"Request or Response in namespace {SERVICE_USER_GATEWAY}",
    ),
)


@pytest.mark.parametrize(
    ("body", "change", "where", "detail", "expected"),
    [pytest.param(*row, id=f"{number} {row[2]}") for number, row in enumerate(VALUES + STRUCTURE)],
)
def test_words(ours: SchemaSet, body: str, change: Change, where: str, detail: str, expected: str) -> None:
    document = _sample(body)
    change(document)
    refusal = ours.validate(document)
    assert refusal is not None
    assert refusal.code == "http.400"
    assert refusal.where == where
    assert detail in refusal.detail
    assert refusal.expected == expected or (expected and expected in refusal.expected)


def test_position_among_equals(ours: SchemaSet) -> None:
    _, document = next((name, document) for name, document in samples() if "DSPInventory" in name)
    devices = list(document.iter(f"{DUIS}Device"))
    devices[1].remove(devices[1][1])
    refusal = ours.validate(document)
    assert refusal is not None
    assert refusal.where == "Response/Body/ResponseMessage/DSPInventory/Device[2]/DeviceManufacturer"
    assert refusal.expected == "DeviceType"


def test_default_namespace_and_prefix_say_the_same(ours: SchemaSet) -> None:
    document = _sample("UpdateFirmware")
    _set("FirmwareVersion", "")(document)
    text = etree.tostring(document).decode()
    unprefixed = etree.fromstring(text.replace("xmlns:sr", "xmlns").replace("sr:", ""))
    assert ours.validate(unprefixed) == ours.validate(document) != None  # noqa: E711


def test_without_explanation(ours: SchemaSet) -> None:
    document = _sample("DecommissionDevice")
    _set("DeviceID", "x")(document)
    refusal = ours.validate(document, explain=False)
    assert refusal is not None
    assert (refusal.code, refusal.where, refusal.expected) == ("http.400", "", "")


def test_explaining_a_valid_document(ours: SchemaSet) -> None:
    assert ours.explain(_sample("ReadInventory")).detail == "the document is valid"


def test_response_is_explained_too(ours: SchemaSet) -> None:
    document = response("I100", ALERTS[0][1])
    refusal = ours.validate(document)
    assert refusal is not None
    assert refusal.where == "Response/Header/ResponseCode"
    assert refusal.expected == "one of I0, I99, E1, E2, E3, E4, E5, E11, E12, E13, E17, E19 … (194 in all)"


def test_every_mutant_gets_words(ours: SchemaSet) -> None:
    """No fault is so odd that explaining it fails, and none is left without a place."""
    explained = 0
    for number, (_, sample) in enumerate(samples()):
        for mutant in mutants(sample, first=number, every=97):
            refusal = ours.validate(mutant)
            if refusal is not None:
                explained += 1
                assert refusal.where.split("/")[0] in {"Request", "Response", "RequestX", "ResponseX"}
                assert refusal.detail
                assert "{" not in refusal.where
    assert explained > 500


@pytest.mark.parametrize(
    ("body", "change", "where", "detail", "expected"),
    [pytest.param(*row, id=f"{number} {row[2]}") for number, row in enumerate(VALUES + STRUCTURE)],
)
def test_words_while_the_declarations_are_being_read(body: str, change: Change, where: str, detail: str, expected: str) -> None:
    """The place is the same; what is wrong and what was expected come from libxml2."""
    schema = SchemaSet()
    document = _sample(body)
    change(document)
    with schema._reading:
        refusal = schema.validate(document)
    assert refusal is not None
    assert schema.declarations is None
    assert refusal.where == where
    assert refusal.detail
    assert SERVICE_USER_GATEWAY not in refusal.detail or "namespace" in refusal.detail
