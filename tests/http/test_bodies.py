"""Bodies that never become a request: wrong media, cut off, too large, hostile, or no XML at all."""

import asyncio
import gzip
import time

import pytest

from emulator.client.requests import read_inventory
from tests.http.raw import request_head, speak
from tests.http.side import ESME, SUPPLIER, Side, assert_plain

MIB = 1024 * 1024


def request(side: Side) -> bytes:
    """A request that is in order."""
    return side.signed(read_inventory(SUPPLIER, ESME))


NOT_XML = [
    (b"", "the body is empty", "expected: an XML document"),
    (b" \r\n ", "the body is empty", "expected: an XML document"),
    (b"hello", "the body is not XML", "line 1, column 1"),
    (b'{"RequestID": 1}', "the body is not XML", "line 1, column 1"),
    (b"\x00\x01\x02", "not encoded in UTF-8", "expected: UTF-8"),
    (b"%PDF-1.7\n\xff\xfe", "the body is not XML", "line 1, column 1"),
    (b"<a><b></a>", "not well-formed: Opening and ending tag mismatch", "line 1"),
    (b"<a/><b/>", "not well-formed: Extra content at the end of the document", "line 1, column 5"),
    (b"<a>\n<b", "the document is cut off", "expected: a whole XML document"),
    (b"<a>\xff</a>", "not well-formed", "line 1"),
    ("<a/>".encode("utf-16"), "not encoded in UTF-8", "expected: UTF-8"),
    (b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "encoded in ISO-8859-1", "expected: UTF-8"),
    (b'<?xml version="1.1"?><a/>', "the XML declaration cannot be read", "line 1, column 1"),
    (b"<a><?run me?></a>", "processing instruction", "expected: XML without processing instructions"),
    (b"<a>&nbsp;</a>", "not well-formed: Entity 'nbsp' not defined", "line 1"),
    (b"<a>" * 70 + b"</a>" * 70, "nested too deeply", "at most 64 levels"),
    (b"<a>" * 300 + b"</a>" * 300, "nested too deeply", "at most 64 levels"),
    (b"<a>" + b"<b/>" * 20_000 + b"</a>", "too many elements", "at most 10,000"),
]


@pytest.mark.parametrize(("body", "says", "place"), NOT_XML, ids=[repr(body[:20]) for body, _, _ in NOT_XML])
async def test_what_is_not_xml(default: Side, body: bytes, says: str, place: str) -> None:
    answer = await default.refuses(body)
    assert answer.status == 400
    assert says in answer.text
    assert place in answer.text


@pytest.mark.parametrize("service", ["S", "T", "D"])
async def test_all_services_refuse_alike(default: Side, service: str) -> None:
    assert (await default.refuses(b"hello", service)).status == 400


@pytest.mark.parametrize(
    ("media_type", "given"),
    [
        ("text/xml", "text/xml"),
        ("application/json", "application/json"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("application/soap+xml", "application/soap+xml"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("nonsense", "nonsense"),
        ("", "the body must be application/xml"),
    ],
)
async def test_wrong_media_type(default: Side, media_type: str, given: str) -> None:
    answer = await default.refuses(request(default), headers={"Content-Type": media_type})
    assert answer.status == 415
    assert "the body must be application/xml" in answer.text
    assert given in answer.text


async def test_no_media_type(default: Side) -> None:
    body = request(default)
    async with default.unchanged():
        answer = await speak(default.emulator, request_head(default, "D", {"Content-Length": str(len(body))}) + body)
    assert_plain(answer)
    assert answer.status == 415
    assert "without a named type" in answer.text


@pytest.mark.parametrize("media_type", ["application/xml; charset=utf-8", "Application/XML", 'application/xml;charset="UTF-8"'])
async def test_parameters_of_the_media_type_do_not_matter(side: Side, media_type: str) -> None:
    assert (await side.post(request(side), headers={"Content-Type": media_type})).status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity", "GZIP"])
async def test_compressed_bodies_are_not_taken(default: Side, coding: str) -> None:
    bomb = gzip.compress(bytes(64 * MIB)) if coding == "gzip" else gzip.compress(request(default))
    answer = await default.refuses(bomb, headers={"Content-Encoding": coding})
    assert answer.status == 415
    assert "compressed bodies are not taken" in answer.text


async def test_a_truncated_body(default: Side) -> None:
    """Less came than was announced before the client hung up: nobody is left who wants the request, or could be told."""
    body = request(default)
    head = request_head(default, "D", {"Content-Type": "application/xml", "Content-Length": str(len(body) + 100)})
    async with default.unchanged():
        assert await speak(default.emulator, head + body, hang_up=True) is None
        assert await speak(default.emulator, head + body[:100], hang_up=True) is None
        await asyncio.sleep(0.1)


async def test_a_body_that_is_longer_than_announced(default: Side) -> None:
    """The surplus is no request; whichever of the two is answered, it is 400."""
    body = request(default)
    head = request_head(default, "D", {"Content-Type": "application/xml", "Content-Length": str(len(body) - 50)})
    async with default.unchanged():
        answer = await speak(default.emulator, head + body)
    assert answer is not None
    assert answer.status == 400


async def test_a_body_that_does_not_come(default: Side) -> None:
    body = request(default)
    head = request_head(default, "D", {"Content-Type": "application/xml", "Content-Length": str(len(body))})
    began = time.monotonic()
    async with default.unchanged():
        answer = await speak(default.emulator, head + body[:-1])
    assert_plain(answer)
    assert answer.status == 408
    assert "the body did not come within 1000 ms" in answer.text
    assert answer.headers["connection"] == "close"
    assert time.monotonic() - began > 0.9


async def test_slow_clients_hold_up_nobody(default: Side) -> None:
    """Forty bodies that trickle, and a request beside them. A machine that is held up itself gets further turns."""
    head = request_head(default, "D", {"Content-Type": "application/xml", "Content-Length": "5000"})
    for _ in range(20):
        slow = [asyncio.create_task(speak(default.emulator, head + b"<a>")) for _ in range(40)]
        await asyncio.sleep(0.05)
        assert (await default.post(b"hello")).status == 400
        before = not any(task.done() for task in slow)
        assert {answer.status for answer in await asyncio.gather(*slow)} == {408}
        if before:
            return
    pytest.fail("a request waits for the bodies of others")


async def test_a_chunked_body(side: Side) -> None:
    body = request(side)
    head = request_head(side, "D", {"Content-Type": "application/xml", "Transfer-Encoding": "chunked"})
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:1000], body[1000:]))
    answer = await speak(side.emulator, head + chunks + b"0\r\n\r\n")
    assert (answer.status, answer.media_type) == (200, "application/xml")
    async with side.unchanged():
        assert await speak(side.emulator, head + chunks, hang_up=True) is None
        await asyncio.sleep(0.05)


async def test_a_17_mb_body_is_refused_before_it_is_sent(default: Side) -> None:
    head = request_head(default, "D", {"Content-Type": "application/xml", "Content-Length": str(17 * MIB)})
    async with default.unchanged():
        answer = await speak(default.emulator, head)
    assert_plain(answer)
    assert answer.status == 413
    assert f"the body has {17 * MIB} octets; at most {16 * MIB} are taken" in answer.text


async def test_a_17_mb_body_without_a_length(default: Side) -> None:
    async def parts() -> object:
        for _ in range(17 * 4):
            yield b" " * (MIB // 4)

    url = f"{default.url()}/api/v1/serviceD"
    async with (
        default.unchanged(),
        default.http.post(url, data=parts(), headers={"Content-Type": "application/xml"}) as answer,
    ):
        assert answer.status == 413
        assert f"at most {16 * MIB} octets are taken" in await answer.text()


DOCTYPES = {
    "internal": b'<!DOCTYPE a [<!ATTLIST a schemaVersion CDATA "9.9">]><a/>',
    "external": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd"><a/>',
    "file": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;]><a/>',
    "bomb": b"<!DOCTYPE a [<!ENTITY b0 'lol'>"
    + b"".join(b"<!ENTITY b%d '%s'>" % (n, b"&b%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><a>&b11;</a>",
    "quadratic bomb": b"<!DOCTYPE a [<!ENTITY b '" + b"x" * 50_000 + b"'>]><a>" + b"&b;" * 20_000 + b"</a>",
}


@pytest.mark.timeout(60)  # one that goes off takes memory for minutes
@pytest.mark.parametrize("document", DOCTYPES.values(), ids=DOCTYPES.keys())
async def test_document_types_and_entity_bombs(default: Side, document: bytes) -> None:
    answer = await default.refuses(document)
    assert answer.status == 400
    assert "the document has a document type declaration" in answer.text
    assert "where: line 1, column 1\nexpected: XML without DOCTYPE\n" in answer.text


async def test_a_doctype_before_a_request_that_is_in_order(default: Side) -> None:
    declaration, _, rest = request(default).partition(b"?>")
    answer = await default.refuses(declaration + b'?>\n<!DOCTYPE sr:Request SYSTEM "x">' + rest)
    assert answer.status == 400
    assert "line 2, column 1" in answer.text


async def test_a_refusal_is_in_the_journal(side: Side) -> None:
    await side.refuses(b"hello", "S")
    entry = (await side.control.journal(kind="duis.refused"))[-1]
    assert entry["summary"].startswith("serviceS: HTTP 400: ")
    assert entry["data"]["status"] == 400
