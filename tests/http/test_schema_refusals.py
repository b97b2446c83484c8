"""Documents that are XML and not DUIS: 400 with the element, what it has and what was expected. They are signed as they are."""

from collections.abc import Callable

import pytest

from emulator.client.requests import (
    activate_firmware,
    device_prenotification,
    read_firmware_version,
    read_import_registers,
    read_inventory,
    update_firmware,
    update_inventory,
)
from emulator.client.requests import status_change as change_status
from emulator.domain.identifiers import format_eui
from emulator.domain.limits import MAX_DEVICE_ID_LIST_CHARACTERS, MAX_DEVICES_PER_REQUEST
from emulator.domain.vocabulary import DeviceType
from emulator.duis.messages import Request
from tests.duis.parties import SR
from tests.http.side import ESME, SUPPLIER, Side, device

INVENTORY = read_inventory(SUPPLIER, ESME)
READ = read_firmware_version(SUPPLIER, ESME)
FIRMWARE = update_firmware(SUPPLIER, b"image", "00010100", [ESME])
ACTIVATION = activate_firmware(SUPPLIER, ESME, bytes(32))
NEW_DEVICE = device_prenotification(
    SUPPLIER,
    device(0, "F0"),
    DeviceType.ESME,
    manufacturer="11E5",
    model="00020101",
    smets_version="SMETS V5.1",
    firmware_version="00010000",
    esme_variant="A",
)
STATUS = update_inventory(SUPPLIER, ESME, change_status("Suspended"))
DATED = read_import_registers(SUPPLIER, ESME, at_ms=1_800_000_000_000)

Change = Callable[[bytes], bytes]


def swap(old: str, new: str) -> Change:
    """Replace one piece of the document, which must be there."""

    def change(document: bytes) -> bytes:
        assert old.encode() in document, old
        return document.replace(old.encode(), new.encode(), 1)

    return change


def element_to(name: str, text: str) -> Change:
    """Give the first element of a name another text."""

    def change(document: bytes) -> bytes:
        start = document.index(f"<sr:{name}>".encode()) + len(name) + 5
        return document[:start] + text.encode() + document[document.index(b"</sr:", start) :]

    return change


async def refusal(side: Side, request: Request, change: Change, service: str = "D") -> str:
    answer = await side.refuses(side.party().sign(change(side.xml(request))), service)
    assert answer.status == 400
    return answer.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swap(SR, "http://www.dccinterface.co.uk/ServiceUserGateway2"), "is in namespace"),
        (swap(SR, SR.lower()), "is in namespace"),
        (lambda document: document.replace(f' xmlns:sr="{SR}"'.encode(), b"").replace(b"sr:", b""), "is in no namespace"),
        (lambda document: document.replace(b"sr:Request ", b"sr:Response ").replace(b"/sr:Request>", b"/sr:Response>"), "Header"),
        (lambda document: document.replace(b"sr:Request ", b"sr:Query ").replace(b"/sr:Request>", b"/sr:Query>"), "Query"),
    ],
    ids=["another namespace", "another case", "none", "a response", "another root"],
)
async def test_wrong_namespace_or_document_element(default: Side, change: Change, says: str) -> None:
    text = await refusal(default, INVENTORY, change)
    assert says in text
    assert "expected: " in text


async def test_an_element_of_another_namespace(default: Side) -> None:
    text = await refusal(
        default, READ, swap("<sr:CommandVariant>1</sr:CommandVariant>", '<CommandVariant xmlns="urn:x">1</CommandVariant>')
    )
    assert text == (f"CommandVariant is in namespace urn:x\nwhere: Request/Header/CommandVariant\nexpected: namespace {SR}\n")


ENVELOPE = {
    "no schemaVersion": (swap(' schemaVersion="5.4"', ""), "attribute schemaVersion of Request is missing", "Request"),
    "schemaVersion of words": (swap('"5.4"', '"new"'), "schemaVersion of Request has the value 'new'", "Request"),
    "another attribute": (swap('"5.4"', '"5.4" more="x"'), "has an attribute more, which it may not have", "Request"),
    "no header": (
        lambda document: document[: document.index(b"<sr:Header>")] + document[document.index(b"<sr:Body>") :],
        "Body is not in its place",
        "Request/Body",
    ),
    "header twice": (swap("</sr:Header>", "</sr:Header><sr:Header></sr:Header>"), "Header", "Request/Header[2]"),
    "fields in another order": (
        swap(
            "<sr:CommandVariant>8</sr:CommandVariant><sr:ServiceReference>8.2</sr:ServiceReference>",
            "<sr:ServiceReference>8.2</sr:ServiceReference><sr:CommandVariant>8</sr:CommandVariant>",
        ),
        "ServiceReference is not in its place",
        "Request/Header/ServiceReference",
    ),
    "a field too many": (
        swap("</sr:Header>", "<sr:Priority>1</sr:Priority></sr:Header>"),
        "Priority is not allowed",
        "Request/Header",
    ),
    "text between": (
        swap("<sr:Header>", "<sr:Header>now"),
        "text stands between the elements of Header: 'now'",
        "Request/Header",
    ),
    "two bodies": (swap("</sr:ReadInventory>", "</sr:ReadInventory><sr:ReadInventory/>"), "ReadInventory", "Request/Body"),
    "unknown body": (
        swap("<sr:ReadInventory>", "<sr:ReadEverything/><sr:ReadInventory>"),
        "ReadEverything is not allowed",
        "Body/ReadEverything",
    ),
    "short EUI": (
        element_to("RequestID", "90-B3-D5:90-B3-D5-1F-30-00-00-02:1"),
        "RequestID has the value '90-B3-D5:",
        "Request/Header/RequestID",
    ),
    "no counter": (
        element_to("RequestID", "90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02"),
        "RequestID has the value",
        "Request/Header/RequestID",
    ),
    "negative counter": (
        element_to("RequestID", "90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02:-1"),
        "RequestID has the value",
        "Header/RequestID",
    ),
    "Command Variant of words": (
        element_to("CommandVariant", "eight"),
        "CommandVariant has the value 'eight'",
        "Request/Header/CommandVariant",
    ),
    "unknown reference": (
        element_to("ServiceReference", "99.9"),
        "ServiceReference has the value '99.9'",
        "Request/Header/ServiceReference",
    ),
    "unknown variant": (
        element_to("ServiceReferenceVariant", "8.2.77"),
        "ServiceReferenceVariant has the value '8.2.77'",
        "Header/ServiceReferenceVariant",
    ),
}


@pytest.mark.parametrize(("change", "says", "place"), ENVELOPE.values(), ids=ENVELOPE.keys())
async def test_faults_of_the_envelope(default: Side, change: Change, says: str, place: str) -> None:
    text = await refusal(default, INVENTORY, change)
    assert says in text
    assert f"where: {place}" in text or f"/{place}\n" in text
    assert "expected: " in text or "may not have" in text


FAMILIES = {
    "inventory: bad EUI": (
        INVENTORY,
        element_to("DeviceID", "00-DB"),
        "DeviceID has the value '00-DB'",
        "Body/ReadInventory/DeviceID",
    ),
    "inventory: two keys": (
        INVENTORY,
        swap("</sr:ReadInventory>", "<sr:UPRN>1</sr:UPRN></sr:ReadInventory>"),
        "UPRN",
        "Body/ReadInventory/UPRN",
    ),
    "inventory: empty": (
        INVENTORY,
        swap(f"<sr:DeviceID>{format_eui(ESME)}</sr:DeviceID>", ""),
        "ReadInventory is empty",
        "Body/ReadInventory",
    ),
    "inventory: unknown status": (STATUS, swap("Suspended", "Asleep"), "has the value 'Asleep'", "Body/UpdateInventory"),
    "commissioning: unknown type": (
        NEW_DEVICE,
        element_to("DeviceType", "TOASTER"),
        "DeviceType has the value 'TOASTER'",
        "DeviceType",
    ),
    "commissioning: no model": (
        NEW_DEVICE,
        swap("<sr:DeviceModel>00020101</sr:DeviceModel>", ""),
        "DeviceType is not in its place",
        "DeviceType",
    ),
    "firmware: version too long": (
        FIRMWARE,
        element_to("FirmwareVersion", "000101000"),
        "FirmwareVersion has a length of 9",
        "Body/UpdateFirmware/FirmwareVersion",
    ),
    "firmware: no image": (
        FIRMWARE,
        swap("<sr:FirmwareImage>aW1hZ2U=</sr:FirmwareImage>", ""),
        "FirmwareVersion is not in its place",
        "UpdateFirmware",
    ),
    "firmware: image not base64": (FIRMWARE, swap("aW1hZ2U=", "aW1h!!!!"), "FirmwareImage", "Body/UpdateFirmware/FirmwareImage"),
    "firmware: image half a base64": (
        FIRMWARE,
        swap("aW1hZ2U=", "aW1hZ2U"),
        "FirmwareImage",
        "Body/UpdateFirmware/FirmwareImage",
    ),
    "firmware: devices not separated": (
        FIRMWARE,
        element_to("DeviceIDList", "00-DB 00-DC"),
        "DeviceIDList",
        "Body/UpdateFirmware/DeviceIDList",
    ),
    "firmware: trailing comma": (
        FIRMWARE,
        element_to("DeviceIDList", f"{format_eui(ESME)},"),
        "DeviceIDList has the value",
        "Body/UpdateFirmware/DeviceIDList",
    ),
    "firmware: no device": (FIRMWARE, element_to("DeviceIDList", ""), "DeviceIDList", "Body/UpdateFirmware/DeviceIDList"),
}


@pytest.mark.parametrize(("given", "change", "says", "place"), FAMILIES.values(), ids=FAMILIES.keys())
async def test_faults_of_bodies(default: Side, given: Request, change: Change, says: str, place: str) -> None:
    text = await refusal(default, given, change)
    assert says in text
    assert f"{place}" in text.partition("where: ")[2].partition("\n")[0]
    assert "expected: " in text


DEVICE_REQUESTS = {
    "hash of 31 octets": (ACTIVATION, element_to("FirmwareHash", "00" * 31), "FirmwareHash has a length of 31", "T"),
    "hash not hexadecimal": (ACTIVATION, element_to("FirmwareHash", "zz" * 32), "FirmwareHash", "T"),
    "read with content": (
        READ,
        swap("<sr:ReadFirmwareVersion></sr:", "<sr:ReadFirmwareVersion>now</sr:"),
        "ReadFirmwareVersion",
        "S",
    ),
    "date in words": (DATED, element_to("ExecutionDateTime", "tomorrow"), "ExecutionDateTime has the value 'tomorrow'", "S"),
    "thirtieth of February": (
        DATED,
        element_to("ExecutionDateTime", "2027-02-30T08:00:00.00Z"),
        "ExecutionDateTime has the value",
        "S",
    ),
}


@pytest.mark.parametrize(("given", "change", "says", "service"), DEVICE_REQUESTS.values(), ids=DEVICE_REQUESTS.keys())
async def test_faults_of_requests_to_devices(default: Side, given: Request, change: Change, says: str, service: str) -> None:
    text = await refusal(default, given, change, service)
    assert says in text
    assert "where: Request/Body/" in text


async def test_50_001_devices(default: Side) -> None:
    """The schema's bound on characters is that of 50,000 devices, so the schema refuses one more."""
    euis = ",".join(format_eui(eui) for eui in range(MAX_DEVICES_PER_REQUEST + 1))
    assert len(euis) == MAX_DEVICE_ID_LIST_CHARACTERS + 24
    text = await refusal(default, FIRMWARE, element_to("DeviceIDList", euis))
    assert "DeviceIDList has a length of 1,200,023" in text
    assert "where: Request/Body/UpdateFirmware/DeviceIDList" in text
    assert "1,199,999" in text
