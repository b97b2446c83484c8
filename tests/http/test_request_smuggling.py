"""Where one request ends and the next begins, and which path and host it is for: nobody may disagree with us about that.

A proxy in front that reads a message otherwise than we do would let one sender's octets pass as another's request. So whatever
can be read in two ways is refused with 400 and the connection is closed: what follows on it is never taken for a request.
"""

import asyncio

import pytest

from emulator.client.requests import read_inventory
from tests.http.raw import read_answer
from tests.http.side import ESME, SUPPLIER, Side

PATH = "/api/v1/serviceD"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def exchange(side: Side, data: bytes, interface: str = "duis") -> tuple[list[int], bool]:
    """Statuses of all answers on one connection, and whether the server closed it before we did."""
    reader, writer = await asyncio.open_connection("127.0.0.1", side.emulator.ports[interface])
    found: list[int] = []
    try:
        writer.write(data)
        while True:
            async with asyncio.timeout(20):
                answer = await read_answer(reader)
            if answer is None:
                return found, True
            found.append(answer.status)
    except TimeoutError:
        return found, False
    finally:
        writer.close()


def post(*lines: str, body: bytes = b"", path: str = PATH, first: str = "") -> bytes:
    """A post with these header lines beside Host and Content-Type."""
    head = [first or f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/xml", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


CHUNKS = b"4\r\n<a/>\r\n0\r\n\r\n"
AMBIGUOUS: dict[str, bytes] = {
    "two lengths that differ": post("Content-Length: 4", "Content-Length: 44", body=b"<a/>"),
    "two lengths alike": post("Content-Length: 4", "Content-Length: 4", body=b"<a/>"),
    "two lengths in one": post("Content-Length: 4, 4", body=b"<a/>"),
    "two lengths in one that differ": post("Content-Length: 4, 44", body=b"<a/>"),
    "length and chunks": post("Content-Length: 4", "Transfer-Encoding: chunked", body=CHUNKS),
    "chunks and length": post("Transfer-Encoding: chunked", "Content-Length: 4", body=CHUNKS),
    "a signed length": post("Content-Length: +4", body=b"<a/>"),
    "a negative length": post("Content-Length: -4", body=b"<a/>"),
    "a hexadecimal length": post("Content-Length: 0x4", body=b"<a/>"),
    "a length with a point": post("Content-Length: 4.0", body=b"<a/>"),
    "a length with a line": post("Content-Length: 1_0", body=b"<a/>"),
    "a length in other digits": post("Content-Length: \u00b2", body=b"<a/>"),
    "an empty length": post("Content-Length: ", body=b"<a/>"),
    "a length without bounds": post("Content-Length: 99999999999999999999999999", body=b"<a/>"),
    "chunks under another name": post("Transfer-Encoding: xchunked", body=CHUNKS),
    "chunks that are not last": post("Transfer-Encoding: chunked, gzip", body=CHUNKS),
    "chunks twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKS),
    "chunks and identity": post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=CHUNKS),
    "a chunk size with a sign": post("Transfer-Encoding: chunked", body=b"+4\r\n<a/>\r\n0\r\n\r\n"),
    "a chunk size with a prefix": post("Transfer-Encoding: chunked", body=b"0x4\r\n<a/>\r\n0\r\n\r\n"),
    "a chunk size with a space": post("Transfer-Encoding: chunked", body=b"4 \r\n<a/>\r\n0\r\n\r\n"),
    "a chunk size too large": post("Transfer-Encoding: chunked", body=b"FFFFFFFFFFFFFFFF0\r\n<a/>\r\n0\r\n\r\n"),
    "a chunk that is longer": post("Transfer-Encoding: chunked", body=b"4\r\n<aaa/>\r\n0\r\n\r\n"),
    "chunk lines of line feeds": post("Transfer-Encoding: chunked", body=b"4\n<a/>\n0\n\n"),
    "a length behind the chunks": post("Transfer-Encoding: chunked", body=b"4\r\n<a/>\r\n0\r\nContent-Length: 99\r\n\r\n"),
    "a name with a space behind": post("Content-Length : 4", body=b"<a/>"),
    "a name with a space before": post(" Content-Length: 4", body=b"<a/>"),
    "a folded line": post("Content-Length:", " 4", body=b"<a/>"),
    "a folded encoding": post("Transfer-Encoding:", " chunked", body=CHUNKS),
    "a name with a NUL": post("Content\0-Length: 4", body=b"<a/>"),
    "a value with a NUL": post("X-A: b\0c", "Content-Length: 4", body=b"<a/>"),
    "a value with a lone CR": post("X-A: b\rContent-Length: 44", "Content-Length: 4", body=b"<a/>"),
    "a line without a colon": post("Content-Length 4", body=b"<a/>"),
    "a version of three": post("Content-Length: 4", body=b"<a/>", first=f"POST {PATH} HTTP/1.1.1"),
    "a method with a space": post("Content-Length: 4", body=b"<a/>", first=f"PO ST {PATH} HTTP/1.1"),
    "a tab for a space": post("Content-Length: 4", body=b"<a/>", first=f"POST\t{PATH}\tHTTP/1.1"),
    "HTTP/0.9": b"POST " + PATH.encode() + b"\r\n",
    "HTTP/2 as it is": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two hosts": post("Host: other", "Content-Length: 4", body=b"<a/>"),
}


@pytest.mark.parametrize("message", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
@pytest.mark.parametrize("interface", ["duis", "control"])
async def test_what_can_be_read_in_two_ways(default: Side, interface: str, message: bytes) -> None:
    """Refused once, and what comes behind is not answered. (One length given twice alike is refused, or read as that one.)"""
    said = len(default.emulator.log)
    statuses, closed = await exchange(default, message + SMUGGLED, interface)
    assert statuses in ([400], []), statuses
    assert closed
    assert "Traceback" not in default.emulator.log[said:]


ONE_WAY = {
    "chunk extensions": post("Transfer-Encoding: chunked", body=b"4;a=b\r\n<a/>\r\n0\r\n\r\n"),
    "trailers": post("Transfer-Encoding: chunked", body=b"4\r\n<a/>\r\n0\r\nX-A: b\r\n\r\n"),
    "any case": post("tRANSFER-eNCODING: CHUNKED", body=CHUNKS),
    "lengths with zeros": post("Content-Length: 0004", body=b"<a/>"),
    "spaces around a value": post("Content-Length:   4   ", body=b"<a/>"),
}


@pytest.mark.parametrize("message", ONE_WAY.values(), ids=ONE_WAY.keys())
async def test_what_has_one_meaning(default: Side, message: bytes) -> None:
    async with default.unchanged():
        statuses, _ = await exchange(default, message + SMUGGLED)
    assert statuses == [400, 404], "our refusal of <a/>, then the next request for what it is"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/../v1/serviceD", 404),
        ("/api/v1/%2e%2e/v1/serviceD", 404),
        ("/api/v1/./serviceD", 404),
        ("//api/v1/serviceD", 404),
        ("/api/v1//serviceD", 404),
        ("/api/v1/serviceD/", 404),
        ("/api%2Fv1%2FserviceD", 404),
        ("/api/v1/serviceD%00", 404),
        ("/api/v1/serviceD;a=b", 404),
        ("/api/v1/serviceD%0d%0aX-A:b", 404),
        ("/API/V1/serviceD", 404),
        ("/worlds/../api/v1/serviceD", 404),
        ("/worlds/..%2f..%2fetc/api/v1/serviceD", 404),
        ("/worlds/%2e%2e/api/v1/serviceD", 404),
        ("/worlds/default%2Fapi/api/v1/serviceD", 404),
        ("/worlds/" + "x" * 5000 + "/api/v1/serviceD", 404),
        ("/\\..\\api\\v1\\serviceD", 404),
    ],
)
async def test_paths_have_one_spelling(default: Side, path: str, status: int) -> None:
    """Dot segments, encoded slashes and the like lead nowhere: never to a service, never out of the worlds."""
    async with default.unchanged():
        statuses, _ = await exchange(default, post("Content-Length: 4", "Connection: close", body=b"<a/>", path=path))
    assert statuses in ([status], [400])


async def test_an_absolute_uri_is_read_for_its_path(default: Side) -> None:
    """As RFC 9112 section 3.2.2 wants it. Which host it names opens nothing: there is no virtual host here."""
    for host in ("localhost", "internal.example:1", "169.254.169.254"):
        async with default.unchanged():
            message = post("Content-Length: 4", "Connection: close", body=b"<a/>", path=f"http://{host}{PATH}")
            assert (await exchange(default, message))[0] == [400]


@pytest.mark.parametrize("first", ["CONNECT localhost:80 HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE / HTTP/1.1"])
async def test_methods_for_proxies(default: Side, first: str) -> None:
    async with default.unchanged():
        statuses, _ = await exchange(default, post("Connection: close", "X-Token: abc", first=first))
    assert all(status in (400, 404, 405) for status in statuses)


@pytest.mark.parametrize(
    "line",
    ["Upgrade: h2c", "Upgrade: websocket", "HTTP2-Settings: AAMAAABkAAQ", "X-HTTP-Method-Override: DELETE", "Range: bytes=0-"],
)
async def test_upgrades_and_overrides_are_values(side: Side, line: str) -> None:
    body = side.signed(read_inventory(SUPPLIER, ESME))
    prefix = f"/worlds/{side.name}"
    message = post(f"Content-Length: {len(body)}", line, "Connection: close, Upgrade", body=body, path=prefix + PATH)
    statuses, _ = await exchange(side, message)
    assert statuses == [200]


async def test_heads_are_bounded(default: Side) -> None:
    for lines in (["X-A: " + "b" * 100_000], [f"X-{number}: b" for number in range(5_000)], ["X" * 100_000 + ": b"]):
        async with default.unchanged():
            statuses, closed = await exchange(default, post(*lines, "Content-Length: 4", body=b"<a/>"))
        assert statuses in ([400], [431], [])
        assert closed
    statuses, closed = await exchange(default, post("Content-Length: 4", body=b"<a/>", path="/" + "a" * 100_000))
    assert (statuses, closed) == ([400], True)


NOT_TEXT = b"\xe9\xff\xc0\xaf"
HEADERS = [
    "Content-Type",
    "Content-Encoding",
    "Accept",
    "Origin",
    "Host",
    "Authorization",
    "Cookie",
    "DCC-Operator",
    "Expect",
    "Connection",
    "If-None-Match",
    "Range",
    "Transfer-Encoding",
    "Content-Length",
    "Upgrade",
    "Date",
]


@pytest.mark.parametrize("interface", ["duis", "smki", "control"])
@pytest.mark.parametrize("header", HEADERS)
async def test_headers_that_are_no_text(default: Side, interface: str, header: str) -> None:
    """Octets that are no UTF-8 are answered as any other wrong value is, or passed over; they are no error of ours."""
    said = len(default.emulator.log)
    path = {"duis": PATH, "smki": "/services/certificatesearch", "control": "/control/v1/worlds/default/wait"}[interface]
    head = [f"POST {path} HTTP/1.1", "Connection: close"]
    usual = {"Host": "localhost", "Content-Type": "application/xml", "Content-Length": "4"}
    head += [f"{name}: {value}" for name, value in usual.items() if name != header]
    message = "\r\n".join(head).encode() + b"\r\n" + header.encode() + b": " + NOT_TEXT + b"\r\n\r\n<a/>"
    statuses, closed = await exchange(default, message, interface)
    assert len(statuses) == 1
    assert 400 <= statuses[0] < 500
    assert closed
    assert "Traceback" not in default.emulator.log[said:]


@pytest.mark.parametrize("interface", ["duis", "smki", "control"])
@pytest.mark.parametrize(
    "path", ["/%e9%ff", "/worlds/%e9%ff/x", "/control/v1/worlds/%ff/clock", "/services/%ff", "/a?b=%ff", "/%00"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_paths_that_are_no_text(default: Side, interface: str, path: str, method: str) -> None:
    said = len(default.emulator.log)
    statuses, _ = await exchange(
        default, post("Content-Length: 0", "Connection: close", first=f"{method} {path} HTTP/1.1"), interface
    )
    assert statuses in ([404], [405], [400])
    raw = path.encode().replace(b"%e9%ff", b"\xe9\xff").replace(b"%ff", b"\xff")
    message = method.encode() + b" " + raw + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    statuses, _ = await exchange(default, message, interface)
    assert statuses in ([404], [405], [400])
    assert "Traceback" not in default.emulator.log[said:]
