"""What every answer and push is: compact, valid, and signed so that anybody's library verifies it."""

import re
from collections.abc import Callable

import pytest
from lxml import etree

from emulator.client.requests import activate_firmware, read_firmware_version, read_import_registers, read_inventory
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, format_eui
from emulator.domain.tables import WEB_SERVICE
from emulator.duis.messages import Request
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from tests.duis.parties import DS, SR, signxml_accepts, xmlsec_accepts
from tests.http.conftest import MakeSide
from tests.http.images import distribute, image
from tests.http.running import Emulator
from tests.http.side import ESME, GSME, NOBODY, SUPPLIER, Side, party_of


def check_document(side: Side, schemas: SchemaSet, document: bytes) -> etree._Element:
    """All that must be so of whatever the DCC signs (wire_contract.md sections 0 and 3)."""
    root = parse_document(document)
    assert schemas.validate(root) is None
    assert root.tag == f"{{{SR}}}Response"
    assert root.get("schemaVersion") == "5.4"
    dsp = side.record(ACCESS_CONTROL_BROKER)
    assert xmlsec_accepts(document, party_of(dsp))
    assert signxml_accepts(document, party_of(dsp))
    signature = root[-1]
    assert signature.tag == f"{{{DS}}}Signature"
    assert signature.findtext(f".//{{{DS}}}X509SerialNumber") == str(dsp.serial)
    assert signature.findtext(f".//{{{DS}}}X509IssuerName") == dsp.issuer
    assert not re.search(rb">\s+<", document), "white space between elements makes stock clients refuse the signature"
    for element in root.iter():
        text = element.text or ""
        assert text == text.strip(), "so does white space around values"
        assert "\n" not in text or element.tag == f"{{{DS}}}SignatureValue"
    canonical = etree.tostring(root, method="c14n")
    assert document.partition(b"?>")[2] == canonical, "what is sent is its own canonical form"
    return root


ANSWERS: dict[str, tuple[Request, str]] = {
    "I0 with data": (read_inventory(SUPPLIER, ESME), "I0"),
    "I0 with a Pre-Command": (activate_firmware(SUPPLIER, ESME, bytes(32)), "I0"),
    "I99": (read_firmware_version(SUPPLIER, ESME), "I99"),
    "generic error": (read_firmware_version(SUPPLIER, NOBODY), "E19"),
    "error of a service": (read_inventory(SUPPLIER, NOBODY), "E080201"),
}


@pytest.mark.parametrize(("given", "code"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_answers(side: Side, schemas: SchemaSet, given: Request, code: str) -> None:
    request = side.stamped(given)
    answer = await side.post(side.signed(request), WEB_SERVICE[request.command_variant].value)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert "transfer-encoding" not in answer.headers
    assert "content-encoding" not in answer.headers
    root = check_document(side, schemas, answer.body)
    texts = {etree.QName(element).localname: element.text for element in root[0]}
    assert list(texts) == ["RequestID", "ResponseCode", "ResponseDateTime"]
    assert (texts["RequestID"], texts["ResponseCode"]) == (str(request.request_id), code)
    message = root[1][0]
    assert [etree.QName(element).localname for element in message][:2] == ["ServiceReference", "ServiceReferenceVariant"]
    assert message[1].text == request.service_reference_variant


async def test_a_warning(side: Side, schemas: SchemaSet) -> None:
    request = side.stamped(distribute(image(side, "ESME"), [ESME, NOBODY, GSME]))
    answer = await side.post(side.signed(request))
    root = check_document(side, schemas, answer.body)
    assert root.findtext(f".//{{{SR}}}ResponseCode") == "W110101"
    assert root.findtext(f".//{{{SR}}}InvalidDeviceIDList") == format_eui(NOBODY)


async def test_pushes(side: Side, schemas: SchemaSet) -> None:
    """Responses, DCC Alerts and Device Alerts, as they wait in the outbox."""
    for request in (
        read_firmware_version(SUPPLIER, ESME),
        read_import_registers(SUPPLIER, ESME),
        distribute(image(side, "ESME"), [ESME]),
    ):
        assert (await side.ask(request)).code == "I99"
    assert await side.control.wait("idle")
    messages = (await side.control.outbox())["messages"]
    assert {message["kind"] for message in messages} == {"response", "dcc_alert", "device_alert"}
    for message in messages:
        document = (await side.control.message(message["number"]))["xml"].encode()
        root = check_document(side, schemas, document)
        assert root.findtext(f".//{{{SR}}}ResponseCode") == "I0"
        assert not root.findall(f".//{{{SR}}}ThrottledAlertCount"), "stock clients answer 400 to these"
        assert len(document) < 100 * 1024


async def test_answers_can_be_unsigned_as_those_of_dcc_boxed(
    emulators: Callable[..., Emulator], sides: MakeSide, schemas: SchemaSet
) -> None:
    side = await sides(emulators(duis__unsigned_acknowledgements="true"))
    answer = await side.post(side.signed(read_inventory(SUPPLIER, NOBODY)))
    root = parse_document(answer.body)
    assert schemas.validate(root) is None
    assert root.find(f"{{{DS}}}Signature") is None
    answer = await side.post(side.signed(read_inventory(SUPPLIER, ESME)))
    check_document(side, schemas, answer.body)


async def test_the_same_seed_gives_the_same_octets(side: Side, emulator: Emulator, sides: MakeSide) -> None:
    """Two worlds of one seed answer one request alike, signature included."""
    other = await sides(emulator, "twin")
    document = side.signed(read_inventory(SUPPLIER, ESME))
    first, second = await side.post(document), await other.post(document)
    assert first.body == second.body
