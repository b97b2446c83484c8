"""The attacks on XML parsers that OWASP lists, each against every place where XML of a peer is read.

Nothing is read, fetched, expanded or kept; what is not refused is text like any other. Files and ports that would be touched are
watched, not trusted to be out of reach.
"""

import gc
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from emulator.domain.errors import Malformed
from emulator.duis.decode import decode_request
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from emulator.pki.repository import parse_data_request, parse_search_request
from tests.duis.parties import READ_FIRMWARE, SR, SUPPLIER, refused, verify

SECRET = "the content of a file"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
READERS: dict[str, Callable[[bytes], object]] = {
    "DUIS": parse_document,
    "search": parse_search_request,
    "retrieve": parse_data_request,
}


@pytest.fixture(scope="module")
def schemas() -> SchemaSet:
    return SchemaSet()


class Trap:
    """A file and a listening port that no document may make anybody touch."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "secret.txt"
        self.file.write_text(SECRET)
        (folder / "evil.dtd").write_text(f"<!ENTITY stolen SYSTEM '{self.file.as_uri()}'>")
        self.schema = folder / "evil.xsd"
        self.schema.write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a"/></xs:schema>')
        self.folder = folder.as_uri()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/x"

    def close(self) -> None:
        """Whoever had connected would be waiting."""
        with pytest.raises(BlockingIOError):
            self._listener.accept()
        self._listener.close()


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


DOCUMENT_TYPES: dict[str, str] = {
    "file entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "{file}">]><a>&e;</a>',
    "remote entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "{url}">]><a>&e;</a>',
    "public identifier": '<!DOCTYPE a [<!ENTITY e PUBLIC "-//x" "{url}">]><a>&e;</a>',
    "in an attribute": '<!DOCTYPE a [<!ENTITY e "x">]><a b="&e;"/>',
    "parameter entity": '<!DOCTYPE a [<!ENTITY % p SYSTEM "{url}"> %p;]><a/>',
    "parameter entity out of band": (
        '<!DOCTYPE a [<!ENTITY % f SYSTEM "{file}"><!ENTITY % d SYSTEM "{folder}/evil.dtd"> %d;]><a>&stolen;</a>'
    ),
    "parameter entity of a local file": (
        '<!DOCTYPE a [<!ENTITY % l SYSTEM "{folder}/evil.dtd"><!ENTITY % x "<!ENTITY &#37; y SYSTEM \'{url}\'>"> %l; %x;]><a/>'
    ),
    "external subset": '<!DOCTYPE a SYSTEM "{url}"><a/>',
    "external public subset": '<!DOCTYPE a PUBLIC "-//x" "{url}"><a/>',
    "billion laughs": (
        '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">'
        '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]><a>&e;&e;&e;&e;</a>'
    ),
    "quadratic blow-up": '<!DOCTYPE a [<!ENTITY e "' + "x" * 50_000 + '">]><a>' + "&e;" * 50_000 + "</a>",
    "recursive entity": '<!DOCTYPE a [<!ENTITY e "&f;"><!ENTITY f "&e;">]><a>&e;</a>',
    "attribute defaults": '<!DOCTYPE a [<!ATTLIST a schemaVersion CDATA "9.9">]><a/>',
    "notation": '<!DOCTYPE a [<!NOTATION n SYSTEM "{url}"><!ENTITY e SYSTEM "{file}" NDATA n>]><a/>',
    "conditional section": '<!DOCTYPE a [<![INCLUDE[<!ENTITY e "x">]]>]><a/>',
    "jar scheme": '<!DOCTYPE a [<!ENTITY e SYSTEM "jar:{url}!/x">]><a>&e;</a>',
    "in lower case": '<!doctype a [<!entity e "x">]><a>&e;</a>',
    "behind a comment": '<!-- > --><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
    "behind a declaration": '<?xml version="1.0" standalone="no"?>\n\n<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("document", DOCUMENT_TYPES.values(), ids=DOCUMENT_TYPES.keys())
def test_document_types(trap: Trap, reader: Callable[[bytes], object], document: str) -> None:
    body = document
    for name, value in (("{file}", trap.file.as_uri()), ("{folder}", trap.folder), ("{url}", trap.url)):
        body = body.replace(name, value)
    with pytest.raises(Malformed) as refusal:
        reader(body.encode())
    assert SECRET not in str(refusal.value)
    trap.close()


@pytest.mark.parametrize("entity", ["&e;", "&xxe;", "&lt;&undefined;", "&#0;", "&#xFFFE;", "&#xD800;", "&#x110000;", "&;", "&#;"])
def test_entities_that_are_none(entity: str) -> None:
    with pytest.raises(Malformed):
        parse_document(f"<a>{entity}</a>".encode())


@pytest.mark.parametrize(
    "instruction",
    [
        '<?xml-stylesheet type="text/xsl" href="{url}"?>',
        '<?xml-model href="{url}"?>',
        "<?php system('id') ?>",
        '<?xml-stylesheet type="text/xsl" href="#s"?><!--x-->',
    ],
)
def test_instructions_to_whoever_reads(trap: Trap, instruction: str) -> None:
    text = instruction.replace("{url}", trap.url)
    for document in (f"{text}<a/>", f"<a>{text}</a>", f"<a/>{text}"):
        with pytest.raises(Malformed, match="processing instruction"):
            parse_document(document.encode())
    trap.close()


INERT = {
    "XInclude of a text": '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{file}" parse="text"/>',
    "XInclude of the old namespace": '<xi:include xmlns:xi="http://www.w3.org/2003/XInclude" href="{url}"/>',
    "XSLT": '<x:value-of xmlns:x="http://www.w3.org/1999/XSL/Transform" select="document(\'{url}\')"/>',
    "XLink": '<l xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{url}" xlink:show="embed"/>',
    "XML base": '<l xml:base="{url}"/>',
    "an SVG image": '<image xmlns="http://www.w3.org/2000/svg" href="{url}"/>',
    "a SOAP envelope": '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>',
}


@pytest.mark.parametrize("piece", INERT.values(), ids=INERT.keys())
def test_what_other_processors_would_follow_is_an_element_that_the_schema_has_not(
    trap: Trap, schemas: SchemaSet, piece: str
) -> None:
    inside = piece.replace("{file}", trap.file.as_uri()).replace("{url}", trap.url).encode()
    document = READ_FIRMWARE.replace(b"</sr:ReadFirmwareVersion>", inside + b"</sr:ReadFirmwareVersion>")
    root = parse_document(SUPPLIER.sign_any(document))
    assert SECRET.encode() not in etree.tostring(root)
    assert schemas.validate(root) is not None
    trap.close()


@pytest.mark.parametrize(
    "attribute",
    [
        f'{XSI} xsi:schemaLocation="{SR} {{schema}}"',
        f'{XSI} xsi:schemaLocation="{SR} {{url}}"',
        f'{XSI} xsi:schemaLocation="urn:other {{url}}"',
        f'{XSI} xsi:noNamespaceSchemaLocation="{{schema}}"',
        f'{XSI} xsi:noNamespaceSchemaLocation="{{url}}"',
    ],
)
def test_a_document_cannot_bring_its_own_schema(trap: Trap, schemas: SchemaSet, attribute: str) -> None:
    """The hint is looked at by nobody: what was wrong stays wrong, what was right stays right."""
    given = attribute.replace("{schema}", trap.schema.as_uri()).replace("{url}", trap.url)
    wrong = parse_document(f"<a {given}/>".encode())
    assert schemas.validate(wrong) is not None
    start = READ_FIRMWARE.replace(f" {XSI}".encode(), b"").replace(b"<sr:Request ", f"<sr:Request {given} ".encode(), 1)
    assert schemas.validate(parse_document(start.replace(b"ReadFirmwareVersion", b"ReadAnything"))) is not None
    schemas.validate(parse_document(start))
    trap.close()


@pytest.mark.parametrize(
    "change",
    [
        (b"<sr:ReadFirmwareVersion>", f'<sr:ReadFirmwareVersion {XSI} xsi:type="sr:Anything">'.encode()),
        (b"<sr:ReadFirmwareVersion>", f'<sr:ReadFirmwareVersion {XSI} xsi:nil="true">'.encode()),
        (b"<sr:CommandVariant>1", f'<sr:CommandVariant {XSI} xsi:nil="true">'.encode()),
        (b"<sr:CommandVariant>1", f'<sr:CommandVariant {XSI} xsi:type="xs:string" xmlns:xs="urn:x">1'.encode()),
    ],
)
def test_types_that_the_document_chooses(schemas: SchemaSet, change: tuple[bytes, bytes]) -> None:
    assert schemas.validate(parse_document(READ_FIRMWARE.replace(*change, 1))) is not None


DECLARED = b'<?xml version="1.0" encoding="%s"?>'
ENCODINGS = {
    "UTF-7": DECLARED % b"UTF-7" + b"+ADw-a/+AD4-",
    "UTF-7 without a word": "<a/>".encode("utf-7") + b"+ADwAIQ-DOCTYPE",
    "UTF-16 with a mark": "<a/>".encode("utf-16"),
    "UTF-16 BE without one": "<a/>".encode("utf-16-be"),
    "UTF-16 LE without one": "<a/>".encode("utf-16-le"),
    "UTF-16 that says it is UTF-8": '<?xml version="1.0" encoding="UTF-8"?><a/>'.encode("utf-16"),
    "UTF-32 with a mark": "<a/>".encode("utf-32"),
    "UTF-32 BE without one": "<a/>".encode("utf-32-be"),
    "UTF-32 LE without one": "<a/>".encode("utf-32-le"),
    "UTF-8 that says it is UTF-16": DECLARED % b"UTF-16" + b"<a/>",
    "UCS-4": DECLARED % b"ISO-10646-UCS-4" + b"<a/>",
    "Latin-1": DECLARED % b"ISO-8859-1" + b"<a/>",
    "EBCDIC": '<?xml version="1.0" encoding="cp037"?><a/>'.encode("cp037"),
    "a document type in UTF-16": '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'.encode("utf-16"),
    "a document type in UTF-16 without a mark": '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'.encode("utf-16-le"),
    "a document type in UTF-32": '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'.encode("utf-32"),
    "a document type in EBCDIC": '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'.encode("cp037"),
    "overlong slash": b"<a>\xc0\xaf</a>",
    "overlong less-than": b"\xc0\xbca/>",
    "a surrogate": b"<a>\xed\xa0\x80</a>",
    "beyond Unicode": b"<a>\xf4\x90\x80\x80</a>",
    "a cut sequence": b"<a>\xe2\x82</a>",
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf<a/>",
    "a mark inside the declaration": b"<\xef\xbb\xbf?xml version='1.0'?><a/>",
    "NUL before": b"\0<a/>",
    "NUL behind": b"<a/>\0",
    "NUL in a text": b"<a>x\0y</a>",
    "NUL in a name": b"<a\0b/>",
    "NUL in an attribute": b"<a b='\0'/>",
    "escape": b"<a>\x1b[2J</a>",
    "XML 1.1": b'<?xml version="1.1"?><a>&#1;</a>',
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("document", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_encodings_and_control_characters(reader: Callable[[bytes], object], document: bytes) -> None:
    with pytest.raises(Malformed):
        reader(document)


@pytest.mark.parametrize(
    "written",
    [
        b"90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1<!-- -->000",
        b"90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1<!---->0<!--1-->00",
        b"<!--x-->90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1000<!--y-->",
        b"90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1<![CDATA[00]]>0",
        b"<![CDATA[90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1000]]>",
        b"90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1&#48;00",
    ],
)
def test_a_text_in_pieces_is_read_as_the_whole_that_was_signed(written: bytes) -> None:
    """Comments, CDATA and character references, put in after signing where that leaves the digest alone."""
    plain = b"90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1000"
    signed = SUPPLIER.sign(READ_FIRMWARE).replace(plain, written, 1)
    assert not hasattr(verify(signed), "code")
    assert str(decode_request(parse_document(signed)).request_id).lower() == plain.decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'xmlns:sr="{SR}"', f'xmlns:sr="{SR}/"'),
        (f'xmlns:sr="{SR}"', f'xmlns:sr="{SR.upper()}"'),
        ("<sr:Body>", '<sr:Body xmlns:sr="urn:other">'),
        ("<sr:ReadFirmwareVersion>", '<sr:ReadFirmwareVersion xmlns:sr="urn:other">'),
        ("<sr:Header>", '<Header xmlns="urn:other">'),
        ("<sr:RequestID>", '<sr:RequestID xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGatewaY">'),
        ('schemaVersion="5.2"', 'sr:schemaVersion="5.2"'),
        ('schemaVersion="5.2"', f'schemaVersion="5.2" sr:schemaVersion="9.9" xmlns:sr2="{SR}"'),
    ],
)
def test_names_of_other_namespaces(schemas: SchemaSet, before: str, after: str) -> None:
    document = READ_FIRMWARE.decode().replace(before, after, 1)
    if after.startswith("<Header"):
        document = document.replace("</sr:Header>", "</Header>")
    try:
        root = parse_document(document.encode())
    except Malformed:
        return
    assert schemas.validate(root) is not None


@pytest.mark.parametrize(
    "document",
    [
        b"<a b='1' b='2'/>",
        b"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        b"<a xmlns:xml='urn:other'/>",
        b"<a xmlns:xmlns='urn:other'/>",
        b"<a xmlns:p=''/>",
        b"<p:a/>",
        b"<a p:b='1'/>",
        b"<a:b:c xmlns:a='u'/>",
        b"<xml:a xmlns:xml='urn:x'/>",
    ],
)
def test_namespaces_that_cannot_be(schemas: SchemaSet, document: bytes) -> None:
    try:
        root = parse_document(document)
    except Malformed:
        return
    assert schemas.validate(root) is not None


BOMBS = {
    "deep": b"<a>" * 100_000 + b"</a>" * 100_000,
    "deep without an end": b"<a>" * 1_000_000,
    "many attributes": b"<a " + b" ".join(b"b%d=''" % number for number in range(300_000)) + b"/>",
    "many elements": b"<a>" + b"<b/>" * 2_000_000 + b"</a>",
    "many namespaces": b"<a " + b" ".join(b"xmlns:p%d='u'" % number for number in range(100_000)) + b"/>",
    "a long name": b"<" + b"a" * 10_000_000 + b"/>",
    "a long attribute": b"<a b='" + b"x" * 15_000_000 + b"'/>",
    "a long comment": b"<!--" + b"-x" * 7_000_000 + b"--><a/>",
    "many comments": b"<a>" + b"<!---->" * 2_000_000 + b"</a>",
    "an open comment": b"<a><!--" + b"x" * 15_000_000,
    "an open CDATA": b"<a><![CDATA[" + b"]" * 15_000_000,
    "many character references": b"<a>" + b"&#9;" * 3_000_000 + b"</a>",
    "many instructions": b"<a>" + b"<?b?>" * 3_000_000 + b"</a>",
}


@pytest.mark.parametrize("document", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_cheap(document: bytes) -> None:
    """Refused or read, within a small multiple of the octets that came."""
    gc.collect()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = ""
    try:
        parse_document(document)
    except Malformed as refusal:
        said = str(refusal)
    assert len(said) < 1_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 1_000_000


def test_a_second_document_behind_the_first() -> None:
    signed = SUPPLIER.sign(READ_FIRMWARE)
    for more in (signed, b"<a/>", b"text", b"&#32;", b"<![CDATA[]]>"):
        with pytest.raises(Malformed):
            parse_document(signed + more)


def test_white_space_that_xml_does_not_know_is_a_change() -> None:
    signed = SUPPLIER.sign(READ_FIRMWARE)
    for space in ("\u00a0", "\u2028", "\u200b", "\ufeff"):
        refused(signed.replace(b":1000<", f":1000{space}<".encode()))
