"""Typed messages to XML and back, compared with published schemas, templates and sample messages."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from lxml import etree

from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import RequestId
from emulator.domain.limits import MAX_ELEMENT_DEPTH
from emulator.duis.decode import check_schema_version, decode_message, decode_request
from emulator.duis.encode import encode_message, encode_request
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message, Request, ServiceResponse, Throttled, element
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from tests.duis.duis_messages import messages, requests
from tests.duis.parties import DS, READ_FIRMWARE, SR, SUPPLIER

REQUEST_ID = "90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1000"
AT_MS = 1_795_222_923_456
AT = "2026-11-21T01:02:03.456Z"
ACKNOWLEDGEMENT = ServiceResponse("I99", AT_MS, REQUEST_ID, None, "11.2", "11.2")
DEVICE_ALERT = DeviceAlert(AT_MS, "00-DB-12-34-56-78-90-A0:90-B3-D5-1F-30-01-00-00:2019", 0x8F72, b"\xdd\x00\x01")


def without_white_space(root: etree._Element) -> bytes:
    """Exclusive canonical form of the document without its signature, compact."""
    for signature in root.findall(f"{{{DS}}}Signature"):
        root.remove(signature)
    for node in root.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None
    return etree.tostring(root, method="c14n", exclusive=True, with_comments=False)


@given(requests)
def test_requests_come_back(request: Request) -> None:
    for document in (encode_request(request), SUPPLIER.sign(encode_request(request))):
        assert decode_request(parse_document(document)) == request


@given(messages)
def test_messages_come_back(message: Message) -> None:
    for document in (encode_message(message), SUPPLIER.sign(encode_message(message))):
        assert decode_message(parse_document(document)) == message


def test_an_acknowledgement_octet_by_octet() -> None:
    assert encode_message(ACKNOWLEDGEMENT).decode() == (
        f'<sr:Response xmlns:sr="{SR}" schemaVersion="5.4"><sr:Header><sr:RequestID>{REQUEST_ID}</sr:RequestID>'
        f"<sr:ResponseCode>I99</sr:ResponseCode><sr:ResponseDateTime>{AT}</sr:ResponseDateTime></sr:Header><sr:Body>"
        "<sr:ResponseMessage><sr:ServiceReference>11.2</sr:ServiceReference>"
        "<sr:ServiceReferenceVariant>11.2</sr:ServiceReferenceVariant></sr:ResponseMessage></sr:Body></sr:Response>"
    )


def test_a_device_alert_octet_by_octet() -> None:
    assert encode_message(DEVICE_ALERT, "5.1").decode() == (
        f'<sr:Response xmlns:sr="{SR}" schemaVersion="5.1"><sr:Header>'
        "<sr:ResponseID>00-DB-12-34-56-78-90-A0:90-B3-D5-1F-30-01-00-00:2019</sr:ResponseID>"
        f"<sr:ResponseCode>I0</sr:ResponseCode><sr:ResponseDateTime>{AT}</sr:ResponseDateTime></sr:Header><sr:Body>"
        "<sr:DeviceAlertMessage><sr:AlertCode>8F72</sr:AlertCode><sr:GBCSPayload>3QAB</sr:GBCSPayload>"
        "</sr:DeviceAlertMessage></sr:Body></sr:Response>"
    )


def test_alert_codes_have_four_digits() -> None:
    assert b"<sr:AlertCode>0081</sr:AlertCode>" in encode_message(DeviceAlert(AT_MS, "", 0x81, b""))


def test_text_and_attributes_are_escaped_as_canonical_xml_does() -> None:
    body = element("Message", element("Text", "a<b>&\"'\r\n\t£"), element("Empty"), b="x\t\n\r<>&\"'", a="1")
    document = encode_message(DccAlert(AT_MS, "x", "N60", body))
    assert (
        '<sr:Message a="1" b="x&#x9;&#xA;&#xD;&lt;>&amp;&quot;\'"><sr:Text>a&lt;b&gt;&amp;"\'&#xD;\n\t£</sr:Text>'
        "<sr:Empty></sr:Empty></sr:Message>"
    ).encode() in document
    assert decode_message(parse_document(document)) == DccAlert(AT_MS, "x", "N60", body)


@pytest.mark.parametrize("text", ["\x00", "a\x0bb", "\ufffe", "\ud800", "\x7f\x1f"])
def test_text_that_xml_cannot_carry(text: str) -> None:
    with pytest.raises(Malformed, match=r"U\+"):
        encode_message(DccAlert(AT_MS, "x", "N60", element("Body", element("Text", text))))


def test_an_element_has_text_or_children() -> None:
    with pytest.raises(Broken):
        encode_message(DccAlert(AT_MS, "x", "N60", Element("Body", "text", (element("Child"),))))


def test_the_request_id_is_echoed_as_it_arrived() -> None:
    request = decode_request(parse_document(READ_FIRMWARE))
    assert str(request.request_id) == REQUEST_ID
    assert request.request_id == RequestId.parse(REQUEST_ID.upper())
    assert encode_request(request).count(REQUEST_ID.encode()) == 1
    assert request.schema_version == "5.2"
    assert (request.first_in_sequence, request.preceding_request_id) == (None, None)


def test_header_fields_lose_the_white_space_that_their_types_collapse() -> None:
    padded = READ_FIRMWARE.replace(b"RequestID>9", b"RequestID>\n 9").replace(b"1</sr:CommandV", b"1 </sr:CommandV")
    assert decode_request(parse_document(padded)) == decode_request(parse_document(READ_FIRMWARE))


# published documents


def test_every_published_template_is_read_and_written_back(reference: Path) -> None:
    for file in sorted((reference / "duis" / "templates").glob("*.XML")):
        root = parse_document(file.read_bytes())
        written = encode_request(decode_request(root))
        assert written == without_white_space(root), file.name


def test_every_sample_of_a_response_is_read_and_written_back(reference: Path) -> None:
    files = sorted((reference / "duis" / "samples").glob("*.xml"))
    assert files
    for file in files:
        root = parse_document(file.read_bytes())
        assert encode_message(decode_message(root)) == without_white_space(root), file.name


def test_what_we_write_is_valid_by_the_published_schema(reference: Path) -> None:
    published = SchemaSet(reference / "duis" / "xsd")
    payload = element("GBCSPayload", "3QAB")
    alert = decode_message(parse_document((reference / "duis" / "samples" / "dcc_alert_N60.xml").read_bytes()))
    for message in (ACKNOWLEDGEMENT, DEVICE_ALERT, ServiceResponse("I0", AT_MS, None, None, "11.2", "11.2", payload), alert):
        root = parse_document(SUPPLIER.sign(encode_message(message)))
        assert published.validate(root) is None
    for file in sorted((reference / "duis" / "templates").glob("*.XML"))[::10]:
        request = decode_request(parse_document(file.read_bytes()))
        root = parse_document(SUPPLIER.sign(encode_request(request)))
        assert published.validate(root) is None, file.name


def test_what_we_write_is_valid_by_our_own_schema() -> None:
    own = SchemaSet()
    for message in (ACKNOWLEDGEMENT, DEVICE_ALERT):
        assert own.validate(parse_document(SUPPLIER.sign(encode_message(message)))) is None
    assert own.validate(parse_document(SUPPLIER.sign(READ_FIRMWARE))) is None


# what is not as it should be


def changed(before: str, after: str) -> bytes:
    document = READ_FIRMWARE.replace(before.encode(), after.encode())
    assert document != READ_FIRMWARE
    return document


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (SR, "urn:other", "/Request"),
        ("sr:Request ", "sr:Response ", ""),
        ("<sr:Body>", "<sr:Body></sr:Body><sr:Body>", "Request"),
        ("<sr:Header>", "<sr:Header></sr:Header><sr:Header>", "Request"),
        ("<sr:Header>", "<sr:Wrap></sr:Wrap><sr:Header>", "Request"),
        ("</sr:Body>", "</sr:Body><sr:More></sr:More>", "Request"),
        (' schemaVersion="5.2"', "", "Request"),
        ("<sr:ReadFirmwareVersion></sr:ReadFirmwareVersion>", "", "Request/Body"),
        ("</sr:ReadFirmwareVersion>", "</sr:ReadFirmwareVersion><sr:Second></sr:Second>", "Request/Body"),
        ("<sr:ReadFirmwareVersion>", "<sr:ReadFirmwareVersion>x<sr:a></sr:a>", "Request/Body/ReadFirmwareVersion"),
        ("<sr:ReadFirmwareVersion>", "<sr:ReadFirmwareVersion><sr:a></sr:a>x", "Request/Body/ReadFirmwareVersion"),
        ("<sr:ReadFirmwareVersion>", '<sr:ReadFirmwareVersion><a xmlns="urn:x"></a>', "Request/Body/ReadFirmwareVersion"),
        ("<sr:ReadFirmwareVersion>", '<sr:ReadFirmwareVersion xsi:nil="true">', "Request/Body"),
        ("<sr:CommandVariant>1<", "<sr:CommandVariant>one<", "Request/Header/CommandVariant"),
        ("<sr:CommandVariant>1<", "<sr:CommandVariant>\u0661<", "Request/Header/CommandVariant"),
        ("<sr:CommandVariant>1<", "<sr:CommandVariant>-1<", "Request/Header/CommandVariant"),
        ("<sr:CommandVariant>1</sr:CommandVariant>", "", "Request/Header/CommandVariant"),
        ("<sr:CommandVariant>1<", "<sr:CommandVariant><sr:a></sr:a>1<", ""),
        (
            "<sr:CommandVariant>",
            "<sr:FirstInSequence>maybe</sr:FirstInSequence><sr:CommandVariant>",
            "Request/Header/FirstInSequence",
        ),
        ("<sr:CommandVariant>", "<sr:RequestID>x</sr:RequestID><sr:CommandVariant>", "Request/Header/CommandVariant"),
        ("</sr:Header>", "<sr:RequestID>x</sr:RequestID></sr:Header>", "Request/Header"),
        (":1000<", ":01000<", "Request/Header/RequestID"),
        (":1000<", ":18446744073709551616<", "Request/Header/RequestID"),
        ("90-b3-d5", "90-b3-dz", "Request/Header/RequestID"),
    ],
)
def test_requests_that_cannot_be_read(before: str, after: str, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode_request(parse_document(changed(before, after)))
    assert caught.value.expected
    if where:
        assert caught.value.where == where


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<sr:ResponseCode>I99</sr:ResponseCode>", ""),
        (AT, "yesterday"),
        ("<sr:ServiceReference>11.2</sr:ServiceReference>", ""),
        ("</sr:ResponseMessage>", "<sr:A></sr:A><sr:B></sr:B></sr:ResponseMessage>"),
        ("ResponseMessage>", "SMETS1ResponseMessage>"),
        ("ResponseMessage>", "DeviceAlertMessage>"),
        ("<sr:Body>", "<sr:Body><sr:A></sr:A>"),
    ],
)
def test_answers_that_cannot_be_read(before: str, after: str) -> None:
    document = encode_message(ACKNOWLEDGEMENT).decode()
    assert before in document
    with pytest.raises(Malformed):
        decode_message(parse_document(document.replace(before, after).encode()))


def test_requests_and_answers_are_told_apart() -> None:
    with pytest.raises(Malformed, match="Request"):
        decode_message(parse_document(READ_FIRMWARE))
    with pytest.raises(Malformed, match="Response"):
        decode_request(parse_document(encode_message(ACKNOWLEDGEMENT)))


@pytest.mark.parametrize(
    ("before", "after"), [("8F72", "8F7"), ("8F72", "8F7G"), ("8F72", "8F7200"), ("3QAB", "3QA"), ("3QAB", "3Q*B"), ("I0", "E20")]
)
def test_alerts_that_cannot_be_read(before: str, after: str) -> None:
    with pytest.raises(Malformed):
        decode_message(parse_document(encode_message(DEVICE_ALERT).decode().replace(before, after).encode()))


def test_what_an_alert_says_of_those_held_back_is_read_and_written() -> None:
    text = encode_message(DEVICE_ALERT).decode()
    fields = "<sr:ThrottledAlertSequenceId>1</sr:ThrottledAlertSequenceId><sr:ThrottledAlertCount>2</sr:ThrottledAlertCount>"
    throttled = text.replace("<sr:GBCSPayload>", f"{fields}<sr:GBCSPayload>").replace("3QAB", "3Q\n AB")
    told = replace(DEVICE_ALERT, throttled=Throttled(1, 2))
    assert decode_message(parse_document(throttled.encode())) == told
    assert fields.encode() in encode_message(told)
    assert decode_message(parse_document(encode_message(told))) == told
    for wrong in ("x", "-1", "", "99999999999"):
        with pytest.raises(Malformed, match="number"):
            decode_message(parse_document(throttled.replace("Count>2<", f"Count>{wrong}<").encode()))


def test_the_deepest_document_that_parses_is_read() -> None:
    body = element("Deepest")
    for _ in range(MAX_ELEMENT_DEPTH - 3):
        body = element("Level", body)
    request = Request(RequestId.parse(REQUEST_ID), 1, "11.2", "11.2", body)
    document = encode_request(request)
    assert decode_request(parse_document(document)) == request
    with pytest.raises(Malformed):
        parse_document(document.replace(b"<sr:Deepest>", b"<sr:Deepest><sr:a></sr:a>"))


@pytest.mark.timeout(60)  # a second at most, but for work that grows with the square of its length
def test_the_largest_request_is_written_and_read() -> None:
    body = element("UpdateFirmware", element("FirmwareImage", "A" * 13_653_336), element("DeviceIDList", "0" * 1_199_999))
    request = Request(RequestId.parse(REQUEST_ID), 8, "11.1", "11.1", body)
    assert decode_request(parse_document(encode_request(request))) == request


@pytest.mark.parametrize(
    ("text", "supported", "accepted"),
    [
        ("5.4", (), True),
        ("5", (), True),
        ("99", (), True),
        (" 5.2\n", (), True),
        ("-1.5", (), True),
        (".5", (), True),
        ("5.4", ("5.2", "5.4"), True),
        ("5.40", ("5.4",), True),
        ("5.1", ("5.10",), True),
        ("5.3", ("5.2", "5.4"), False),
        ("5,4", (), False),
        ("five", (), False),
        ("", (), False),
        ("1e3", (), False),
        ("NaN", (), False),
        ("\u0665", (), False),
    ],
)
def test_schema_versions(text: str, supported: tuple[str, ...], accepted: bool) -> None:
    refusal = check_schema_version(text, supported)
    assert (refusal is None) is accepted
    assert refusal is None or (refusal.code, refusal.where) == ("http.400", "schemaVersion")


def listing(*devices: Element) -> ServiceResponse:
    return replace(ACKNOWLEDGEMENT, payload=element("DSPInventory", *devices))


def test_a_device_that_is_listed_again_is_written_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.duis.encode.MAX_REMEMBERED", 2)
    devices = [element("Device", element("DeviceID", f"{number}"), element("DeviceModel", "a<b")) for number in range(5)]
    for device in (*devices, *devices):
        once = encode_message(listing(device))
        assert once == encode_message(listing(device)) == encode_message(listing(replace(device)))
        assert f"<sr:Device><sr:DeviceID>{device.value('DeviceID')}</sr:DeviceID><sr:DeviceModel>a&lt;b<".encode() in once
    both = encode_message(listing(devices[3], devices[4]))
    assert both.index(b"<sr:DeviceID>3<") < both.index(b"<sr:DeviceID>4<")
