"""Large documents, hostile documents, several threads."""

from base64 import b64encode, encodebytes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree
from xmlschema import XMLSchema

from emulator.domain.limits import MAX_DEVICES_PER_REQUEST, MAX_ELEMENTS, MAX_FIRMWARE_IMAGE_BYTES
from emulator.duis.namespaces import DS, DUIS, XMLDSIG
from emulator.duis.schema import SchemaSet
from tests.schema.published import parse
from tests.schema.sample_requests import REQUESTS
from tests.schema.samples import request, samples

# A request is judged in 0.14 s at most; where the work grows with the square of its length it takes many minutes.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def ours() -> SchemaSet:
    schema = SchemaSet()
    schema.warm()
    return schema


def _firmware(image: str, devices: str) -> etree._Element:
    document = request(*next(row for row in REQUESTS if row[1].name == "UpdateFirmware"))
    for name, text in (("FirmwareImage", image), ("DeviceIDList", devices)):
        (element,) = document.iter(f"{DUIS}{name}")
        element.text = text
    return document


def _octets(count: int) -> bytes:
    return (bytes(range(256)) * (count // 256 + 1))[:count]


def _devices(count: int) -> str:
    return ",".join(f"00-DB-12-34-{octets[0:2]}-{octets[2:4]}-{octets[4:6]}-A0" for octets in (f"{n:06X}" for n in range(count)))


def _judged(schema: SchemaSet, document: etree._Element) -> tuple[str, str]:
    refusal = schema.validate(document)
    return ("", "") if refusal is None else (refusal.where.rpartition("/")[2], refusal.detail)


def test_largest_request(ours: SchemaSet) -> None:
    image, devices = b64encode(_octets(MAX_FIRMWARE_IMAGE_BYTES)).decode(), _devices(MAX_DEVICES_PER_REQUEST)
    assert _judged(ours, _firmware(image, devices)) == ("", "")


def test_largest_image_with_line_breaks(ours: SchemaSet) -> None:
    assert _judged(ours, _firmware(encodebytes(_octets(MAX_FIRMWARE_IMAGE_BYTES)).decode(), _devices(1))) == ("", "")


def test_one_octet_too_many(ours: SchemaSet) -> None:
    image = b64encode(_octets(MAX_FIRMWARE_IMAGE_BYTES + 1)).decode()
    where, detail = _judged(ours, _firmware(image, _devices(1)))
    assert (where, detail) == ("FirmwareImage", "FirmwareImage has a length of 10,240,001")


def test_stray_character_at_the_end_of_the_largest_image(ours: SchemaSet) -> None:
    image = b64encode(_octets(MAX_FIRMWARE_IMAGE_BYTES)).decode()
    assert _judged(ours, _firmware(image[:-4] + "*" + image[-4:], _devices(1))) == ("FirmwareImage", "FirmwareImage contains '*'")


def test_one_device_too_many(ours: SchemaSet) -> None:
    where, detail = _judged(ours, _firmware("AAEC", _devices(MAX_DEVICES_PER_REQUEST + 1)))
    assert (where, detail) == ("DeviceIDList", "DeviceIDList has a length of 1,200,023")


def test_last_of_50_000_devices_is_wrong(ours: SchemaSet) -> None:
    where, detail = _judged(ours, _firmware("AAEC", _devices(MAX_DEVICES_PER_REQUEST)[:-1] + "G"))
    assert where == "DeviceIDList"
    assert detail.endswith(", whose entry 50,000 is '00-DB-12-34-00-C3-4F-AG'")


def _signed(inside: str) -> etree._Element:
    text = etree.tostring(request(*REQUESTS[0])).decode()
    return parse(
        text.replace("</sr:Request>", f'<ds:Signature xmlns:ds="{XMLDSIG}">{inside}</ds:Signature></sr:Request>').encode()
    )


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param("<ds:SignedInfo>" + "<ds:Reference/>" * (MAX_ELEMENTS - 20) + "</ds:SignedInfo>", id="faulty references"),
        pytest.param("<ds:Object>" * 60 + "<ds:KeyValue/>" + "</ds:Object>" * 60, id="nested objects"),
        pytest.param("<a/>" * (MAX_ELEMENTS - 20), id="foreign elements"),
        pytest.param("<ds:SignedInfo " + " ".join(f'a{n}=""' for n in range(9_000)) + "/>", id="attributes"),
    ],
)
def test_many_faults(ours: SchemaSet, inside: str) -> None:
    where, _ = _judged(ours, _signed(inside))
    assert where


OBJECT = (
    "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm='a'/><ds:SignatureMethod Algorithm='a'/><ds:Reference>"
    "<ds:DigestMethod Algorithm='a'/><ds:DigestValue>AA==</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    "<ds:SignatureValue>AA==</ds:SignatureValue><ds:Object><x:a xmlns:x='urn:x'>text</x:a></ds:Object>"
)


def test_a_schema_that_the_document_points_at_is_not_read(ours: SchemaSet, tmp_path: Path) -> None:
    hint = tmp_path / "x.xsd"
    hint.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x">'
        '<xs:element name="a" type="xs:int"/></xs:schema>'
    )
    document = _signed(OBJECT)
    assert ours.validate(document) is None
    document.set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", f"urn:x {hint.as_uri()}")
    assert ours.validate(document) is None
    for element in document.iter(f"{DS}Object"):
        element[0].set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", f"urn:x {hint.as_uri()}")
    assert ours.validate(document) is None


def test_entity_reference_is_refused(ours: SchemaSet) -> None:
    text = etree.tostring(request(*REQUESTS[0])).decode().replace("<sr:Body>", "<sr:Body>&a;")
    refusal = ours.validate(parse(f"<!DOCTYPE a [<!ENTITY a ''>]>{text}".encode()))
    assert refusal is not None
    assert refusal.code == "http.400"
    assert "entity reference" in refusal.detail


TEXTS = (
    "",
    "AAEC",
    "AA==",
    " A A\n= =\t",
    "AAE=",
    "AA",
    "A===",
    "AB==",
    "AAEC*",
    "*",
    "-_-_",
    "AA==AA==",
    "A\u0661==",
)


def test_base64_is_what_its_type_says(ours: SchemaSet) -> None:
    """libxml2 alone passes over foreign characters; xmlschema is the judge here."""
    simple = XMLSchema.meta_schema.types["base64Binary"]
    for text in TEXTS:
        document = request(*next(row for row in REQUESTS if row[1].name == "SignedPreCommand"))
        (payload,) = document.iter(f"{DUIS}GBCSPayload")
        payload.text = text
        assert (ours.validate(document) is None) == simple.is_valid(text), repr(text)
        payload.text = f"{text}\u00a0"
        assert ours.validate(document) is not None, "a no-break space is not white space in XML"


def test_threads_do_not_mix_their_answers() -> None:
    schema = SchemaSet()
    documents = [document for _, document in samples()]
    broken = []
    for document in documents:
        wrong = parse(etree.tostring(document))
        wrong.set("schemaVersion", "new")
        broken.append(wrong)

    def judge(number: int) -> bool:
        index = number % len(documents)
        if number % 2:
            refusal = schema.validate(parse(etree.tostring(broken[index])))
            return refusal is not None and "schemaVersion" in refusal.detail
        return schema.validate(parse(etree.tostring(documents[index]))) is None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(judge, range(2_000)))
