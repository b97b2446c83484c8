"""What the parser takes, and every trap it must not step into."""

import base64

import pytest
from lxml import etree

from emulator.domain.errors import Malformed
from emulator.domain.limits import (
    HUGE_BODY_BYTES,
    MAX_ATTRIBUTES,
    MAX_BODY_BYTES,
    MAX_ELEMENT_DEPTH,
    MAX_ELEMENTS,
    MAX_FIRMWARE_IMAGE_BYTES,
    MAX_NAMESPACE_PREFIXES,
)
from emulator.duis.decode import decode_request
from emulator.duis.parse import parse_document
from tests.duis.parties import READ_FIRMWARE, SR

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))


def refused(data: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse_document(data)
    assert caught.value.expected
    return caught.value


def test_the_root_comes_back() -> None:
    root = parse_document(READ_FIRMWARE)
    assert root.tag == f"{{{SR}}}Request"
    assert root.nsmap == {"sr": SR, "xsi": "http://www.w3.org/2001/XMLSchema-instance"}


@pytest.mark.parametrize(
    "document",
    [
        b"<a/>",
        b"\xef\xbb\xbf<a/>",
        b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><a/>',
        b"<?xml version='1.0' encoding='UTF-8' standalone='no'?>\r\n<a/>",
        b'<?xml version="1.0"?><a/>',
        b"<!-- before --><a/><!-- after -->\n",
        "<a>£ é \U0001f600</a>".encode(),
        b"<a>&lt;&amp;&#13;&#x41;</a>",
        b"<a><![CDATA[<b>]]></a>",
        b"<a><!-- <?only a comment?> --></a>",
    ],
)
def test_forms_of_plain_utf_8(document: bytes) -> None:
    assert parse_document(document).tag == "a"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "empty"),
        (b" \r\n\t ", "empty"),
        (b"hello", "not XML"),
        (b'{"a": 1}', "not XML"),
        (b"PK\x03\x04 zip", "not XML"),
        (READ_FIRMWARE[:-1], "cut off"),
        (READ_FIRMWARE[:-200], "cut off"),
        (READ_FIRMWARE[:100], "cut off"),
        (READ_FIRMWARE[: READ_FIRMWARE.index(b"<sr:Body>") + 9], "cut off"),
        (b"<a><b></a></b>", "not well-formed"),
        (b"<a/><a/>", "not well-formed"),
        (b"<a>&unknown;</a>", "not well-formed"),
        (b"<sr:a/>", "not well-formed"),
        (b'<a b="1" b="2"/>', "not well-formed"),
        (b"<a>\x01</a>", "not well-formed"),
        (b"<a>&#0;</a>", "not well-formed"),
        (b"<a>\x00</a>", "not well-formed"),
        (b"<a>\xe9</a>", "not well-formed"),
        (b"<a>\xc0\xbc</a>", "not well-formed"),
        (b"<a>\xed\xa0\x80</a>", "not well-formed"),
    ],
)
def test_what_is_not_xml_is_refused_with_a_place(document: bytes, words: str) -> None:
    error = refused(document)
    assert words in str(error)
    assert words == "empty" or error.where.startswith("line ")


def test_a_place_has_line_and_column() -> None:
    assert refused(b"<a>\n  <b></c>\n</a>").where == "line 2, column 10"


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16-LE", "UTF-16-BE", "UTF-32"])
def test_other_encodings_are_refused(encoding: str) -> None:
    assert "UTF-8" in refused("<a>é</a>".encode(encoding)).expected


@pytest.mark.parametrize("name", ["ISO-8859-1", "UTF-16", "UTF-7", "windows-1252", "US-ASCII"])
def test_a_declared_encoding_other_than_utf_8_is_refused(name: str) -> None:
    error = refused(f'<?xml version="1.0" encoding="{name}"?><a/>'.encode())
    assert name in error.detail
    assert error.expected == "UTF-8"


@pytest.mark.parametrize(
    "declaration", ['<?xml version="1.1"?>', '<?xml encoding="UTF-8"?>', "<?xml ?>", '<?xml version="1.0" encoding="UTF-8?>']
)
def test_a_declaration_that_cannot_be_read_is_refused(declaration: str) -> None:
    assert "declaration" in refused(declaration.encode() + b"<a/>").detail


@pytest.mark.parametrize(
    "prolog",
    [
        "<!DOCTYPE a>",
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a PUBLIC "-//x//y" "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE a [<!ENTITY e "x">]>',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1/x"> %e;]>',
        '<!DOCTYPE a [<!ATTLIST a schemaVersion CDATA "9.9">]>',
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>',
        '\n<!-- comment -->\n<?xml-stylesheet href="x"?><!DOCTYPE a>',
    ],
)
def test_document_types_are_refused_whatever_they_hold(prolog: str) -> None:
    """Default attributes (which even a hardened lxml applies), entities and files all need a DOCTYPE."""
    error = refused(f'<?xml version="1.0"?>{prolog}<a>&e;</a>'.encode())
    assert "document type" in error.detail
    assert error.where.startswith("line ")


def test_processing_instructions_are_refused_wherever_they_stand() -> None:
    for document in (b"<?go?><a/>", b"<a><?go there?></a>", b"<a/><?go?>", b"<?xml-stylesheet href='x'?><a/>"):
        assert "processing instruction" in refused(document).detail


def test_comments_cannot_split_a_text() -> None:
    """With the comment kept, ``.text`` of the RequestID would end in ``:1`` and the signature would still hold."""
    root = parse_document(READ_FIRMWARE.replace(b":1000<", b":1<!-- x -->000<"))
    assert decode_request(root).request_id.counter == 1000
    assert not [node for node in root.iter() if not isinstance(node.tag, str)]


def test_depth_is_bounded_for_small_and_for_huge_bodies() -> None:
    def nested(levels: int, padding: int = 0) -> bytes:
        return b"<a>" * levels + b" " * padding + b"</a>" * levels

    for padding in (0, HUGE_BODY_BYTES):
        assert parse_document(nested(MAX_ELEMENT_DEPTH, padding)).tag == "a"
        assert "nested too deeply" in refused(nested(MAX_ELEMENT_DEPTH + 1, padding)).detail


def test_elements_are_bounded() -> None:
    assert len(parse_document(b"<a>" + b"<b></b>" * (MAX_ELEMENTS - 1) + b"</a>")) == MAX_ELEMENTS - 1
    assert "too many elements" in refused(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>").detail


def test_attributes_are_bounded() -> None:
    def document(count: int) -> bytes:
        return b"<a " + b" ".join(b'b%d=""' % number for number in range(count)) + b"/>"

    assert len(parse_document(document(MAX_ATTRIBUTES)).attrib) == MAX_ATTRIBUTES
    assert "too many attributes" in refused(document(MAX_ATTRIBUTES + 1)).detail


def test_namespace_prefixes_are_bounded_but_may_be_declared_often() -> None:
    def document(count: int) -> bytes:
        return b"<a " + b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(count)) + b"/>"

    assert len(parse_document(document(MAX_NAMESPACE_PREFIXES)).nsmap) == MAX_NAMESPACE_PREFIXES
    assert "namespace prefixes" in refused(document(MAX_NAMESPACE_PREFIXES + 1)).detail
    assert len(parse_document(b"<a>" + b'<n:b xmlns:n="urn:n"/>' * 400 + b"</a>")) == 400


@pytest.mark.timeout(40)  # less than without the bounds
def test_costly_documents_within_the_bounds_stay_cheap_to_canonicalise() -> None:
    """1,000 prefixes over 20,000 elements take 49 s; the worst that passes must not stall a server."""
    prefixes = b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(MAX_NAMESPACE_PREFIXES))
    root = parse_document(b"<a " + prefixes + b">" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>")
    assert etree.tostring(root, method="c14n")


def test_the_largest_firmware_image_passes() -> None:
    """libxml2 alone refuses text of more than 10,000,000 octets, which the schema allows."""
    image = base64.b64encode(bytes(MAX_FIRMWARE_IMAGE_BYTES))
    root = parse_document(b"<a><b>" + image + b"</b></a>")
    assert len(root[0].text or "") == len(image)


def test_a_body_of_17_mb_is_refused() -> None:
    error = refused(b"<a>" + b"x" * 17_000_000 + b"</a>")
    assert f"{MAX_BODY_BYTES:,}" in error.expected
    assert "17,000,007" in error.detail


def test_text_above_the_limit_of_libxml2_passes_only_in_huge_bodies() -> None:
    assert parse_document(b"<a>" + b"x" * (HUGE_BODY_BYTES - 7) + b"</a>").text
    assert parse_document(b"<a>" + b"x" * 11_000_000 + b"</a>").text
