"""What a client makes of answers, good and bad. The server here says what a test tells it to."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer, KeyMissing, Rejected, Unexpected, Unreachable
from emulator.client.precommand import PreCommandCheck, check_pre_command
from emulator.client.requests import activate_firmware, join, read_firmware_version, read_inventory
from emulator.client.session import DuisClient, Exchange, SignedCommand
from emulator.client.signing import CounterSource, stamp
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.duis.decode import decode_request
from emulator.duis.encode import encode_message
from emulator.duis.messages import Request, ServiceResponse, element
from emulator.duis.parse import parse_document
from emulator.gbcs.commands import build_command
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import verify_signature
from emulator.gbcs.usecases import use_case_for
from emulator.listening import AddressSite
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from emulator.world import create_world
from tests.client.conftest import ESME, USER, signed_by

HASH = bytes(range(32))
Handler = Callable[[str, Request], Awaitable[web.Response]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """A server whose every answer is the handler's."""

    async def handle(request: web.Request) -> web.Response:
        document = decode_request(parse_document(await request.read()))
        return await handler(request.path[-1], document)

    application = web.Application()
    application.router.add_post("/api/v1/{service}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await AddressSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def response_to(request: Request, code: str, payload: object = None) -> ServiceResponse:
    references = (request.service_reference, request.service_reference_variant)
    return ServiceResponse(code, 0, str(request.request_id), None, *references, payload)  # type: ignore[arg-type]


def xml(document: bytes, **options: object) -> web.Response:
    return web.Response(body=document, **{"content_type": "application/xml", **options})  # type: ignore[arg-type]


@pytest.fixture
def make_client(keys: KeyStore, reader: MessageReader) -> Callable[..., DuisClient]:
    def make(url: str, **options: object) -> DuisClient:
        return DuisClient(url, USER, keys, reader=reader, **options)  # type: ignore[arg-type]

    return make


async def test_each_variant_goes_to_its_web_service(world_keys: KeyStore, make_client: Callable[..., DuisClient]) -> None:
    seen: list[tuple[str, str]] = []
    observed: list[Exchange] = []

    async def handler(service: str, request: Request) -> web.Response:
        seen.append((service, request.service_reference_variant))
        return xml(signed_by(world_keys, response_to(request, "I99")))

    async with server(handler) as url, make_client(url, observer=observed.append) as client:
        answers = [
            await client.send(request)
            for request in (read_firmware_version(USER, ESME), activate_firmware(USER, ESME, HASH), read_inventory(USER, ESME))
        ]
    assert seen == [("S", "11.2"), ("T", "11.3"), ("D", "8.2")]
    assert [answer.code for answer in answers] == ["I99"] * 3
    counters = [exchange.request_id.counter for exchange in observed]
    assert counters == sorted(set(counters))
    assert all(exchange.status == 200 for exchange in observed)


async def test_functional_refusal_is_an_answer(world_keys: KeyStore, make_client: Callable[..., DuisClient]) -> None:
    async def handler(_: str, request: Request) -> web.Response:
        return xml(signed_by(world_keys, response_to(request, "E19")))

    async with server(handler) as url, make_client(url) as client:
        assert (await client.send(read_firmware_version(USER, ESME))).code == "E19"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("forbidden", Rejected, "HTTP 403: the signature"),
        ("text", BadAnswer, "media type 'text/plain'"),
        ("garbage", BadAnswer, "cannot be read"),
        ("unsigned", BadAnswer, "not signed"),
        ("by a user", BadAnswer, "role 135, which does not sign here"),
        ("other request", BadAnswer, "is for RequestID"),
    ],
)
async def test_bad_answers_are_named(
    name: str, error: type[Exception], words: str, world_keys: KeyStore, make_client: Callable[..., DuisClient]
) -> None:
    async def handler(_: str, request: Request) -> web.Response:
        good = response_to(request, "I99")
        other = replace(good, request_id=str(replace(request.request_id, counter=1, text="")))
        return {
            "forbidden": lambda: web.Response(status=403, text="the signature is wrong"),
            "text": lambda: web.Response(text="hello"),
            "garbage": lambda: xml(b"<a>"),
            "unsigned": lambda: xml(encode_message(good)),
            "by a user": lambda: xml(signed_by(world_keys, good, USER)),
            "other request": lambda: xml(signed_by(world_keys, other)),
        }[name]()

    async with server(handler) as url, make_client(url) as client:
        with pytest.raises(error, match=words):
            await client.send(read_firmware_version(USER, ESME))


async def test_silence_and_absence_are_unreachable(make_client: Callable[..., DuisClient]) -> None:
    async def handler(_: str, __: Request) -> web.Response:
        await asyncio.sleep(5)
        raise AssertionError

    async with server(handler) as url, make_client(url, timeout_s=0.1) as client:
        with pytest.raises(Unreachable, match=r"did not answer within 0\.1 s"):
            await client.send(read_firmware_version(USER, ESME))
    async with make_client(url) as client:
        with pytest.raises(Unreachable):
            await client.send(read_firmware_version(USER, ESME))


def pre_command(request: Request, *, parameters: dict[str, object] | None = None, device: Eui64 = ESME) -> GbcsMessage:
    use_case = use_case_for("11.3", DeviceType.ESME, {}, user_role=RemotePartyRole.SUPPLIER)
    assert use_case is not None
    return build_command(
        use_case,
        user=USER,
        user_counter=request.request_id.counter,
        device=device,
        acb_counter=1,
        parameters=parameters or {"FirmwareHash": HASH.hex(), "device_type": DeviceType.ESME},
        now_ms=0,
    )


def pre_command_answer(request: Request, message: GbcsMessage) -> ServiceResponse:
    encoded = base64.b64encode(message.encode()).decode()
    payload = element("PreCommand", element("GBCSVersion", "4.2"), element("GBCSPayload", encoded))
    return response_to(request, "I0", payload)


async def test_critical_request_is_transformed_checked_signed_and_sent(
    world_keys: KeyStore, make_client: Callable[..., DuisClient]
) -> None:
    sent: list[Request] = []

    async def handler(service: str, request: Request) -> web.Response:
        sent.append(request)
        answer = pre_command_answer(request, pre_command(request)) if service == "T" else response_to(request, "I99")
        return xml(signed_by(world_keys, answer))

    async with server(handler) as url, make_client(url) as client:
        done = await client.transform_and_send(activate_firmware(USER, ESME, HASH))
    assert isinstance(done, SignedCommand)
    assert (done.acknowledgement.code, done.content_compared) == ("I99", True)
    assert [request.command_variant for request in sent] == [4, 5]
    assert sent[0].request_id == sent[1].request_id
    signed = decode_message(base64.b64decode(sent[1].body.required("GBCSPayload")))
    record = world_keys.live(USER, Usage.DIGITAL_SIGNATURE)
    assert record is not None
    assert verify_signature(signed, record.public_key)


async def test_refused_transform_is_its_answer(world_keys: KeyStore, make_client: Callable[..., DuisClient]) -> None:
    async def handler(_: str, request: Request) -> web.Response:
        return xml(signed_by(world_keys, response_to(request, "E4")))

    async with server(handler) as url, make_client(url) as client:
        answer = await client.transform_and_send(activate_firmware(USER, ESME, HASH))
    assert isinstance(answer, ServiceResponse)
    assert answer.code == "E4"


async def test_a_pre_command_for_something_else_is_never_signed(
    world_keys: KeyStore, make_client: Callable[..., DuisClient]
) -> None:
    services: list[str] = []

    async def handler(service: str, request: Request) -> web.Response:
        services.append(service)
        other = pre_command(request, parameters={"FirmwareHash": bytes(32).hex(), "device_type": DeviceType.ESME})
        return xml(signed_by(world_keys, pre_command_answer(request, other)))

    async with server(handler) as url, make_client(url) as client:
        with pytest.raises(Unexpected, match="payload is not the one that the request asks for"):
            await client.transform_and_send(activate_firmware(USER, ESME, HASH))
    assert services == ["T"]


async def test_a_user_without_signing_key_is_told(
    world_keys: KeyStore, keys: KeyStore, make_client: Callable[..., DuisClient]
) -> None:
    only_xml = KeyStore()
    for record in keys.records():
        if record.role in (135, 137):
            only_xml.add(record)

    async def handler(_: str, request: Request) -> web.Response:
        return xml(signed_by(world_keys, pre_command_answer(request, pre_command(request))))

    async with server(handler) as url, DuisClient(url, USER, only_xml) as client:
        with pytest.raises(KeyMissing, match="no digital-signature key"):
            await client.transform_and_send(activate_firmware(USER, ESME, HASH))


def test_header_of_a_pre_command_is_compared() -> None:
    request = stamp(activate_firmware(USER, ESME, HASH), CounterSource(clock=lambda: 9))
    good = pre_command(request)
    assert check_pre_command(request, good).problem is None
    wrong = {
        "recipient": replace(good, recipient=Eui64(1)),
        "originator": replace(good, originator=Eui64(1)),
        "counter": replace(good, counter=8),
        "signed": replace(good, signature=bytes(64)),
        "message code": replace(good, message_code=0x0059),
    }
    for word, message in wrong.items():
        problem = check_pre_command(request, message).problem
        assert problem is not None, word
        assert word in problem


def test_the_other_device_of_a_join_is_compared_although_its_type_is_not_known() -> None:
    use_case = use_case_for("8.7.1", DeviceType.ESME, {"other_device_type": DeviceType.PPMID})
    assert use_case is not None
    facts = {
        "OtherDeviceID": "00-DB-12-34-56-78-90-A4",
        "other_device_type": DeviceType.PPMID,
        "device_type": DeviceType.ESME,
    }
    message = build_command(
        use_case, user=USER, user_counter=9, device=ESME, acb_counter=1, parameters=facts, now_ms=0
    )  # fmt: skip
    wanted = stamp(join(USER, ESME, Eui64(0x00DB1234567890A4), critical=True), CounterSource(clock=lambda: 9))
    assert check_pre_command(wanted, message) == PreCommandCheck(None, content_compared=True)
    other = stamp(join(USER, ESME, Eui64(0x00DB1234567890A5), critical=True), CounterSource(clock=lambda: 9))
    assert "payload" in str(check_pre_command(other, message).problem)


def test_the_certificate_that_the_dcc_adds_to_a_join_is_compared() -> None:
    gsme, ppmid = Eui64(0x00DB1234567890A1), Eui64(0x00DB1234567890A4)
    keys = create_world().engine.context.keys
    use_case = use_case_for("8.7.1", DeviceType.GSME, {"other_device_type": DeviceType.PPMID})
    assert use_case is not None

    def message(certified: Eui64) -> GbcsMessage:
        facts = {"OtherDeviceID": format_eui(ppmid), "other_device_type": DeviceType.PPMID, "device_type": DeviceType.GSME}
        certificate = keys.party_certificate(certified, "KA")
        parameters = {**facts, "other_device_certificate": certificate}
        return build_command(
            use_case, user=USER, user_counter=9, device=gsme, acb_counter=1, parameters=parameters, now_ms=0
        )  # fmt: skip

    wanted = stamp(join(USER, gsme, ppmid, critical=True), CounterSource(clock=lambda: 9))
    assert check_pre_command(wanted, message(ppmid)) == PreCommandCheck(None, content_compared=True)
    assert "payload" in str(check_pre_command(wanted, message(gsme)).problem), "a certificate of another device"
