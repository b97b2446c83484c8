"""The DUIS services as a client meets them: the whole path of one request over a socket, good and bad."""

import asyncio
import gzip
import io
import re
from collections.abc import Callable
from dataclasses import replace

import aiohttp
import pytest

from emulator.client.requests import read_firmware_version, read_inventory, remove_from_device_log, update_firmware
from emulator.client.session import DuisClient
from emulator.client.signing import CounterSource, sign_request, sign_xml, stamp
from emulator.domain.identifiers import Eui64, RequestId
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request, ServiceResponse
from emulator.duis.parse import parse_document
from emulator.duis.signature import sign_document
from emulator.pki.keystore import KeyStore
from emulator.service.duis_connections import Connections
from emulator.service.server import Server, schema_set
from tests.service.conftest import ESME, OTHER_USER, SUPPLIER, SUPPLIER_2, ServerFactory

XML = {"Content-Type": "application/xml"}
COUNTERS = CounterSource()
STRANGER = Eui64(0x90B3D51F30990000)


def signed(request: Request, keys: KeyStore) -> bytes:
    return sign_request(stamp(request, COUNTERS), keys)


async def post(
    http: aiohttp.ClientSession, server: Server, body: bytes, service: str = "S", headers: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Status, media type and body."""
    url = f"{server.url('duis')}/api/v1/service{service}"
    async with http.post(url, data=io.BytesIO(body), headers=XML if headers is None else headers) as answer:
        return answer.status, answer.content_type, await answer.text()


async def code_of(http: aiohttp.ClientSession, server: Server, body: bytes, service: str = "S") -> str:
    """The ResponseCode of a functional outcome."""
    status, media_type, text = await post(http, server, body, service)
    assert (status, media_type) == (200, "application/xml"), text
    found = re.search(r"<sr:ResponseCode>(\w+)</sr:ResponseCode>", text)
    assert found is not None
    return found[1]


async def test_an_answer_is_compact_signed_xml(server: Server, clients: Callable[..., DuisClient]) -> None:
    client = clients(server)
    documents: list[bytes] = []
    client.observer = lambda exchange: documents.append(exchange.answer)
    answer = await client.send(read_inventory(SUPPLIER, ESME))
    assert (answer.code, answer.payload is not None) == ("I0", True)
    assert b">\n" not in documents[0]
    assert b"<ds:SignatureValue>" in documents[0]
    acknowledgement = await client.send(read_firmware_version(SUPPLIER, ESME))
    assert (acknowledgement.code, acknowledgement.response_id) == ("I99", None)


async def test_headers_of_stock_clients_are_fine(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    headers = {
        "Content-Type": "application/xml; charset=utf-8",
        "Accept-Encoding": "gzip, deflate, br",
        "Connection": "keep-alive",
    }
    status, media_type, _ = await post(http, server, signed(read_inventory(SUPPLIER, ESME), world_keys), "D", headers)
    assert (status, media_type) == (200, "application/xml")


async def test_another_world_has_a_path_of_its_own(
    servers: ServerFactory, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    server = await servers.start({"worlds.names": ["default", "second", "default"]})
    body = signed(read_inventory(SUPPLIER, ESME), world_keys)
    root = server.url("duis")
    for prefix, status in (("/worlds/second", 200), ("/worlds/default", 200), ("/worlds/third", 404)):
        async with http.post(f"{root}{prefix}/api/v1/serviceD", data=body, headers=XML) as answer:
            assert answer.status == status
    assert await code_of(http, server, body, "D") == "E44", "the default world is the one without a prefix"


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/api/v1/serviceS", 405, "takes POST"),
        ("PUT", "/api/v1/serviceD", 405, "takes POST"),
        ("POST", "/api/v1/serviceX", 404, "/api/v1/serviceT"),
        ("POST", "/api/v1/services", 404, "nothing here"),
        ("GET", "/", 404, "nothing here"),
        ("POST", "/worlds/none/api/v1/serviceS", 404, "no world 'none'"),
    ],
)
async def test_other_paths_and_methods(
    server: Server, http: aiohttp.ClientSession, method: str, path: str, status: int, says: str
) -> None:
    async with http.request(method, server.url("duis") + path, data=b"<x/>", headers=XML) as answer:
        assert (answer.status, answer.content_type) == (status, "text/plain")
        assert says in await answer.text()
        assert status != 405 or answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("given", ["text/xml", "text/plain", "application/json", "application/x-www-form-urlencoded", ""])
async def test_the_wrong_media_type_is_415(server: Server, http: aiohttp.ClientSession, given: str) -> None:
    url = f"{server.url('duis')}/api/v1/serviceS"
    async with http.post(url, data=b"<x/>", headers={"Content-Type": given}) as answer:
        assert answer.status == 415
        assert "must be application/xml" in await answer.text()


async def test_no_media_type_is_415(server: Server, http: aiohttp.ClientSession) -> None:
    url = f"{server.url('duis')}/api/v1/serviceS"
    async with http.post(url, data=b"<x/>", skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_compressed_bodies_are_not_unpacked(server: Server, http: aiohttp.ClientSession, encoding: str) -> None:
    bomb = gzip.compress(b"<x>" + b" " * 20_000_000)
    headers = {**XML, "Content-Encoding": encoding}
    status, _, text = await post(http, server, bomb, headers=headers)
    assert (status, "compressed" in text) == (415, True)


async def test_17_megabytes_are_too_much(server: Server, http: aiohttp.ClientSession) -> None:
    status, _, text = await post(http, server, b"<x>" + b" " * 17_000_000)
    assert (status, "at most 16777216" in text) == (413, True)

    async def chunks() -> object:
        for _ in range(17):
            yield b" " * 1_000_000

    url = f"{server.url('duis')}/api/v1/serviceS"
    async with http.post(url, data=chunks(), headers=XML) as answer:
        assert answer.status == 413, "without Content-Length as well"


async def test_the_limit_itself_is_taken(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({"duis.body_limit_bytes": 2_000})
    for size, status in ((2_000, 400), (2_001, 413)):
        assert (await post(http, server, b"<x>" + b" " * (size - 3)))[0] == status


ENTITIES = b'<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
BILLION_LAUGHS = b"<!DOCTYPE l [" + ENTITIES + b"]><l>&c;&c;&c;&c;</l>"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty"),
        (b"not XML", "the body is not XML"),
        (b"<sr:Request", ""),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "document type"),
        (BILLION_LAUGHS, "document type"),
        (b"<x/>", ""),
        (b'<Request xmlns="urn:other" schemaVersion="5.4"/>', ""),
        (b"<a>" * 300, "nested too deeply"),
    ],
    ids=["empty", "text", "cut off", "DOCTYPE", "entity bomb", "no namespace", "wrong namespace", "deep"],
)
async def test_what_is_no_request_is_400_with_an_explanation(
    server: Server, http: aiohttp.ClientSession, body: bytes, says: str
) -> None:
    status, media_type, text = await post(http, server, body)
    assert (status, media_type) == (400, "text/plain")
    assert says in text
    assert "Traceback" not in text
    async with http.get(f"{server.url()}/control/v1/worlds/default/journal?kind=duis.refused") as answer:
        (entry,) = (await answer.json())["entries"]
    assert entry["data"]["status"] == 400


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (b' schemaVersion="5.4"', b"", "schemaVersion"),
        (b' schemaVersion="5.4"', b' schemaVersion="new"', "schemaVersion"),
        (b"<sr:CommandVariant>1</sr:CommandVariant>", b"", "CommandVariant"),
        (b"<sr:CommandVariant>1<", b"<sr:CommandVariant>10<", "CommandVariant"),
        (b"<sr:ServiceReference>11.2<", b"<sr:ServiceReference>99.9<", "ServiceReference"),
        (b"<sr:RequestID>", b"<sr:RequestID>x", "RequestID"),
        (b"</sr:Body>", b"<sr:More/></sr:Body>", "More"),
    ],
)
async def test_schema_errors_name_the_element_and_what_was_expected(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore, before: bytes, after: bytes, says: str
) -> None:
    document = encode_request(stamp(read_firmware_version(SUPPLIER, ESME), COUNTERS))
    assert before in document
    status, _, text = await post(http, server, sign_xml(document.replace(before, after), SUPPLIER, world_keys))
    assert status == 400
    assert says in text


async def test_any_decimal_schema_version_is_fine(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    for version in (b"5.1", b"5.2", b"99"):
        document = encode_request(stamp(read_inventory(SUPPLIER, ESME), COUNTERS)).replace(b'"5.4"', b'"%s"' % version)
        assert await code_of(http, server, sign_xml(document, SUPPLIER, world_keys), "D") == "I0"


async def test_what_is_not_properly_signed_is_403(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    request = stamp(read_firmware_version(SUPPLIER, ESME), COUNTERS)
    document, good = encode_request(request), sign_request(request, world_keys)
    cut = good.index(b"<ds:Signature ")
    signature = good[cut : good.rindex(b"</sr:Request>")]
    wrong_key = sign_xml(document, SUPPLIER_2, world_keys)
    serial = re.compile(rb"(<ds:X509SerialNumber>)(\d+)")
    supplier_serial = serial.search(good)
    assert supplier_serial is not None
    cases = {
        "unsigned": document,
        "changed": good.replace(b"<sr:CommandVariant>1<", b"<sr:CommandVariant>5<"),
        "wrong key": serial.sub(rb"\g<1>" + supplier_serial[2], wrong_key),
        "unknown serial": serial.sub(rb"\g<1>42", good),
        "another's certificate": wrong_key,
        "weak algorithm": good.replace(b"xmldsig-more#ecdsa-sha256", b"xmldsig-more#ecdsa-sha1"),
    }
    for name, body in cases.items():
        status, media_type, text = await post(http, server, body)
        assert (status, media_type) == (403, "text/plain"), f"{name}: {text}"
    for name, body in {
        "two signatures": good.replace(b"</sr:Request>", signature + b"</sr:Request>"),
        "moved": document.replace(b"<sr:Body>", signature + b"<sr:Body>"),
    }.items():
        status, _, text = await post(http, server, body)
        assert status in (400, 403), f"{name}: {text}"
    smuggled = good.replace(b"</ds:Signature>", b"<ds:Object>" + document + b"</ds:Object></ds:Signature>")
    status, _, _ = await post(http, server, smuggled)
    assert status in (400, 403)
    assert await code_of(http, server, good) == "I99", "none of them used up the RequestID"


async def test_a_role_that_does_not_sign_is_refused_unless_switched_off(
    servers: ServerFactory, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    request = stamp(read_firmware_version(SUPPLIER, ESME), COUNTERS)
    record = next(r for r in world_keys.records(SUPPLIER) if r.role == 2 and r.usage == "DS" and r.private_key)
    assert record.private_key is not None
    body = sign_document(encode_request(request), issuer=record.issuer, serial=record.serial, private_key=record.private_key)
    strict, lenient = await servers.start({}), await servers.start({"signatures.check_role": False})
    assert (await post(http, strict, body))[0] == 403
    assert await code_of(http, lenient, body) == "I99"


async def test_functional_refusals_are_200_with_their_code(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    read = read_firmware_version(SUPPLIER, ESME)
    first = stamp(read, COUNTERS)
    assert await code_of(http, server, sign_request(first, world_keys)) == "I99"
    lower = replace(first, request_id=RequestId(SUPPLIER, ESME, first.request_id.counter - 10_000))
    unknown = Eui64(0x00DB1234567890AF)
    consistent = read_inventory(SUPPLIER, ESME)
    cases: list[tuple[str, Request, str, str]] = [
        ("repeated RequestID", first, "S", "E44"),
        ("lower counter", lower, "S", "I99"),
        ("wrong web service", read, "D", "E13"),
        ("variant 9", replace(read, command_variant=9), "S", "E12"),
        ("variant and body differ", replace(read, body=consistent.body), "S", "E12"),
        ("unknown device", read_firmware_version(SUPPLIER, unknown), "S", "E19"),
        ("not responsible", read_firmware_version(SUPPLIER_2, ESME), "S", "E4"),
        ("wrong type of device", remove_from_device_log(SUPPLIER, ESME, unknown), "S", "E11"),
    ]
    for name, request, service, code in cases:
        assert await code_of(http, server, signed(request, world_keys), service) == code, name
    async with http.get(f"{server.url()}/_dcc/metrics") as answer:
        metrics = await answer.text()
    assert 'dcc_requests_total{code="E13",srv="11.2",world="default"} 1.0' in metrics


async def test_a_lower_counter_is_refused_when_counters_are_strict(
    servers: ServerFactory, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    server = await servers.start({"worlds.strict_counter": True})
    first = stamp(read_firmware_version(SUPPLIER, ESME), COUNTERS)
    lower = replace(first, request_id=RequestId(SUPPLIER, ESME, first.request_id.counter - 1))
    assert await code_of(http, server, sign_request(first, world_keys)) == "I99"
    assert await code_of(http, server, sign_request(lower, world_keys)) == "E45"


async def test_a_user_that_is_none_is_told_at_its_level(
    servers: ServerFactory, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    """The recovery party has keys and is no DUIS user."""
    recovery = Eui64(0x90B3D51F30000001)
    server = await servers.start({"signatures.check_role": False})
    assert await code_of(http, server, signed(read_firmware_version(recovery, ESME), world_keys)) == "E1"


async def test_refusals_may_go_unsigned_as_dcc_boxed_sends_them(
    servers: ServerFactory, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    server = await servers.start({"duis.unsigned_acknowledgements": True})
    _, _, refused = await post(http, server, signed(read_firmware_version(SUPPLIER, ESME), world_keys), "D")
    assert "<sr:ResponseCode>E13<" in refused
    assert "Signature" not in refused
    _, _, accepted = await post(http, server, signed(read_firmware_version(SUPPLIER, ESME), world_keys))
    assert "<ds:Signature" in accepted


async def test_every_answer_is_valid_against_the_schemas(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    schemas = schema_set(None)
    for request, service in (
        (read_inventory(SUPPLIER, ESME), "D"),
        (read_firmware_version(SUPPLIER, ESME), "S"),
        (read_firmware_version(SUPPLIER, ESME), "T"),
    ):
        _, _, text = await post(http, server, signed(request, world_keys), service)
        assert schemas.validate(parse_document(text.encode())) is None


async def test_a_large_request_holds_up_nobody(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    devices = [Eui64(0x00DB000000000000 + n) for n in range(20_000)]
    large = signed(update_firmware(SUPPLIER, b"\x00" * 3_000_000, "00000001", devices), world_keys)
    small = [signed(read_inventory(SUPPLIER, ESME), world_keys) for _ in range(5)]
    sending = asyncio.create_task(post(http, server, large, "D"))
    beside = 0
    for body in small:
        assert await code_of(http, server, body, "D") == "I0"
        beside += not sending.done()
    status, _, text = await sending
    assert status == 200, text
    assert beside


async def test_a_body_that_does_not_come_is_408(servers: ServerFactory) -> None:
    server = await servers.start({"duis.body_timeout_ms": 100})
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["duis"])
    writer.write(b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: 100\r\n\r\n<sr:")
    answer = await asyncio.wait_for(reader.read(4096), 60)
    assert answer.startswith(b"HTTP/1.1 408")
    writer.close()


async def test_a_truncated_body_changes_nothing(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    body = signed(read_firmware_version(SUPPLIER, ESME), world_keys)
    head = f"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["duis"])
    writer.write(head.encode() + body[:-50])
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(4096), 60)
    assert not answer or answer.startswith(b"HTTP/1.1 400")
    writer.close()
    assert server.worlds["default"].last_seq == 0
    assert await code_of(http, server, body) == "I99"


async def test_an_idle_connection_is_kept_longer_than_stock_clients_keep_theirs(server: Server) -> None:
    (runner,) = [runner for runner in server._runners if server.ports["duis"] in [a[1] for a in runner.addresses]]
    assert isinstance(runner.server, Connections)
    assert runner.server.idle_timeout_s == 75
    assert runner.server.general()._keepalive_timeout == 75


async def test_an_error_of_ours_is_500_and_not_forgotten(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = server.worlds["default"]

    def fail(*_: object) -> ServiceResponse:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(world.world.engine.dsp, "submit", fail)
    status, media_type, text = await post(http, server, signed(read_inventory(SUPPLIER, ESME), world_keys), "D")
    assert (status, media_type) == (500, "text/plain")
    assert "ZeroDivisionError" not in text
    assert world.last_seq == 1
    assert b'dcc_engine_faults_total{world="default"} 1.0' in server.metrics.exposition()
    monkeypatch.undo()
    monkeypatch.setattr(world.edge, "read_together", fail)
    assert (await post(http, server, b"<x/>"))[0] == 500


async def test_a_stopping_server_says_503(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore) -> None:
    server.worlds["default"].drain()
    status, _, text = await post(http, server, signed(read_inventory(SUPPLIER, ESME), world_keys), "D")
    assert (status, text) == (503, "world default is draining\n")
    async with http.get(f"{server.url()}/_dcc/ready") as answer:
        assert answer.status == 503


def test_requests_of_this_module_are_well_formed(world_keys: KeyStore) -> None:
    parse_document(signed(read_firmware_version(OTHER_USER, ESME), world_keys))
