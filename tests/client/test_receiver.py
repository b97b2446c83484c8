"""The endpoint answers pushes as the stock client does, and keeps what came."""

import asyncio
import base64

import aiohttp
import pytest
from aiohttp import web

from emulator.client.documents import MessageReader
from emulator.client.errors import NothingCame
from emulator.client.receiver import MAX_PUSH_BYTES, Receiver
from emulator.domain.identifiers import RequestId
from emulator.duis.encode import encode_message
from emulator.duis.messages import DeviceAlert, ServiceResponse, element
from emulator.pki.keystore import KeyStore
from tests.client.conftest import ESME, USER, signed_by

REQUEST_ID = RequestId(USER, ESME, 5)
XML = {"Content-Type": "application/xml"}


def answer(counter: int = 5, payload: str = "AAAA") -> ServiceResponse:
    return ServiceResponse(
        "I0", 0, str(RequestId(USER, ESME, counter)), None, "11.2", "11.2", element("GBCSPayload", payload)
    )  # fmt: skip


async def push(url: str, document: bytes, headers: dict[str, str] | None = None) -> int:
    async with aiohttp.ClientSession() as http, http.post(url, data=document, headers=headers or XML) as response:
        assert await response.read() == b""
        return response.status


async def test_good_push_is_taken_and_correlated(reader: MessageReader, world_keys: KeyStore) -> None:
    async with Receiver(reader) as receiver:
        waiting = asyncio.create_task(receiver.answer_to(REQUEST_ID))
        assert await push(receiver.url, signed_by(world_keys, answer())) == 204
        found = await waiting
    assert (found.order, found.request_id, found.duplicate) == (1, REQUEST_ID, False)
    assert isinstance(found.message, ServiceResponse)
    assert found.message.code == "I0"


async def test_request_id_is_matched_without_regard_to_case(reader: MessageReader, world_keys: KeyStore) -> None:
    lower = ServiceResponse("I0", 0, str(REQUEST_ID).lower(), None, "11.2", "11.2")
    async with Receiver(reader) as receiver:
        await push(receiver.url, signed_by(world_keys, lower))
        assert (await receiver.answer_to(REQUEST_ID, 1)).request_id == REQUEST_ID


async def test_second_delivery_of_the_same_octets_is_marked(reader: MessageReader, world_keys: KeyStore) -> None:
    document = signed_by(world_keys, answer())
    async with Receiver(reader) as receiver:
        for _ in range(2):
            assert await push(receiver.url, document) == 204
        assert [(entry.order, entry.duplicate) for entry in receiver.received] == [(1, False), (2, True)]


async def test_what_is_not_valid_gets_400(reader: MessageReader, world_keys: KeyStore) -> None:
    good = signed_by(world_keys, answer())
    wrong = {
        "not XML": b"hello",
        "schema": good.replace(b"<sr:ResponseCode>I0<", b"<sr:ResponseCode>I100<"),
        "altered": good.replace(b":5</sr:RequestID>", b":6</sr:RequestID>"),
        "unsigned": encode_message(answer()),
        "signed by a user": signed_by(world_keys, answer(), USER),
    }
    async with Receiver(reader) as receiver:
        for name, document in wrong.items():
            assert await push(receiver.url, document) == 400, name
        assert receiver.received == []
        assert [entry.status for entry in receiver.refused] == [400] * len(wrong)


async def test_other_path_media_type_and_size_get_what_the_stock_client_answers(
    reader: MessageReader, world_keys: KeyStore
) -> None:
    document = signed_by(world_keys, answer())
    large = signed_by(world_keys, answer(payload=base64.b64encode(bytes(MAX_PUSH_BYTES)).decode()))
    async with Receiver(reader) as receiver:
        assert await push(receiver.url, document, {"Content-Type": "text/xml"}) == 404
        assert await push(receiver.url, document, {"Content-Type": "application/xml; charset=utf-8"}) == 204
        assert await push(receiver.url, large) == 413
        async with aiohttp.ClientSession() as http, http.post(receiver.url + "/other", data=document) as response:
            assert response.status == 404


async def test_alerts_are_waited_for_by_what_they_say(reader: MessageReader, world_keys: KeyStore) -> None:
    alert = DeviceAlert(0, f"{RequestId(ESME, USER, 9)}", 0x8F72, b"\xdf\x09")
    async with Receiver(reader) as receiver:
        await push(receiver.url, signed_by(world_keys, answer()))
        await push(receiver.url, signed_by(world_keys, alert))
        found = await receiver.wait_for(lambda entry: isinstance(entry.message, DeviceAlert), 60)
    assert (found.message, found.request_id) == (alert, None)


async def test_waiting_in_vain_says_what_came(reader: MessageReader) -> None:
    async with Receiver(reader) as receiver:
        with pytest.raises(NothingCame, match="0 came, 0 were refused"):
            await receiver.answer_to(REQUEST_ID, 0.05)


async def test_several_wait_at_once(reader: MessageReader, world_keys: KeyStore) -> None:
    async with Receiver(reader) as receiver:
        waiting = [asyncio.create_task(receiver.answer_to(RequestId(USER, ESME, counter))) for counter in (3, 1, 2)]
        await asyncio.sleep(0)
        for counter in (1, 2, 3):
            await push(receiver.url, signed_by(world_keys, answer(counter)))
        assert [entry.order for entry in await asyncio.gather(*waiting)] == [3, 1, 2]


async def test_an_endpoint_can_be_made_to_misbehave(reader: MessageReader, world_keys: KeyStore) -> None:
    statuses = iter((500, 413))

    async def answerer(_: web.Request) -> web.Response | None:
        status = next(statuses, None)
        return None if status is None else web.Response(status=status)

    document = signed_by(world_keys, answer())
    async with Receiver(reader, answerer=answerer) as receiver:
        assert [await push(receiver.url, document) for _ in range(3)] == [500, 413, 204]
        assert len(receiver.received) == 1
