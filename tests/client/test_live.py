"""The client against a real emulator, over HTTP: what the unit tests cannot know."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from emulator.client import requests
from emulator.client.control import ControlClient
from emulator.client.decode import Verdict, decode_payload, payload_of
from emulator.client.documents import MessageReader
from emulator.client.errors import NothingCame, Rejected, Unreachable
from emulator.client.keys import fetch_key_store
from emulator.client.receiver import Receiver
from emulator.client.session import DuisClient, SignedCommand
from emulator.client.smki import SmkiClient
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.domain.vocabulary import WebService
from emulator.duis.messages import ServiceResponse
from emulator.pki.certificates import CertificateStatus, Usage
from emulator.pki.keystore import KeyStore
from emulator.service.config import load_settings
from emulator.service.server import Server, running_server
from emulator.testing import RunningEmulator, running_emulator
from emulator.testing.harness import FOR_TESTS
from tests.client.conftest import ESME, USER

HUB, GSME = Eui64(ESME + 2), Eui64(ESME + 1)


@dataclass
class Conversation:
    """A user connected to a server."""

    server: Server
    keys: KeyStore
    client: DuisClient
    receiver: Receiver
    control: ControlClient
    smki: SmkiClient

    async def result(self, answer: ServiceResponse) -> ServiceResponse:
        """What is pushed for an acknowledged request."""
        assert answer.code == "I99", answer
        assert answer.request_id is not None
        push = await self.receiver.answer_to(RequestId.parse(answer.request_id))
        assert isinstance(push.message, ServiceResponse)
        return push.message


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    async with running_server(load_settings(env={}, flags=dict(FOR_TESTS))) as server:
        keys = await fetch_key_store(server.url("smki"))
        reader = MessageReader(keys)
        async with (
            DuisClient(server.url("duis"), USER, keys, reader=reader) as client,
            Receiver(reader) as receiver,
            ControlClient(server.url()) as control,
            SmkiClient(server.url("smki"), keys) as smki,
        ):
            await control.set_endpoint(USER, receiver.url)
            yield Conversation(server, keys, client, receiver, control, smki)


async def test_a_read_goes_all_the_way_and_back(talk: Conversation) -> None:
    await talk.smki.fetch(ESME)
    message = await talk.result(await talk.client.send(requests.read_firmware_version(USER, ESME)))
    payload = payload_of(message)
    assert payload is not None
    decoded = decode_payload(payload, talk.keys)
    assert (decoded.values["firmware_version"], decoded.mac) == ("00010000", Verdict.VALID)
    assert message.response_id is not None
    assert message.response_id.startswith(f"{format_eui(ESME)}:{format_eui(USER)}:")


async def test_sensitive_data_is_decrypted_with_the_users_key(talk: Conversation) -> None:
    await talk.smki.fetch(ESME)
    message = await talk.result(await talk.client.send(requests.read_import_registers(USER, ESME)))
    payload = payload_of(message)
    assert payload is not None
    decoded = decode_payload(payload, talk.keys)
    assert decoded.trusted
    assert decoded.values["ok"]
    assert not decoded.values.get("encrypted")
    assert isinstance(decoded.values["active_import"], int)


@pytest.mark.parametrize("device", [ESME, GSME])
async def test_a_critical_command_needs_both_of_the_users_keys(talk: Conversation, device: Eui64) -> None:
    await talk.smki.fetch(device)
    done = await talk.client.transform_and_send(requests.activate_firmware(USER, device, hashlib.sha256(b"none").digest()))
    assert isinstance(done, SignedCommand)
    assert done.content_compared
    payload = payload_of(await talk.result(done.acknowledgement))
    assert payload is not None
    decoded = decode_payload(payload, talk.keys)
    assert (decoded.signature, decoded.values["activate_image_code"]) == (Verdict.VALID, 1)


async def test_smki_knows_devices_organisations_and_strangers(talk: Conversation) -> None:
    records = await talk.smki.fetch(HUB)
    assert {(record.eui, record.usage, record.role) for record in records} == {(HUB, usage, None) for usage in Usage}
    assert await talk.smki.search(Eui64(0x00DB1234567890FF)) == []
    assert len(await talk.smki.search(USER, organisation=True)) >= 3
    assert await talk.smki.retrieve("1234") is None


async def test_refusals_below_duis_are_told_in_words(talk: Conversation) -> None:
    status, media_type, explanation = await talk.client.post(WebService.SEND_COMMAND, b"<a/>")
    assert (status, media_type) == (400, "text/plain")
    assert b"Request" in explanation
    keys = await fetch_key_store(talk.server.url("smki"))
    record = keys.xml_signing(USER)
    assert record is not None
    async with DuisClient(talk.server.url("duis"), USER, keys) as client:
        keys.set_status(record.serial, CertificateStatus.NOT_IN_USE)
        with pytest.raises(Rejected, match=r"HTTP 403: .*role 2"):
            await client.send(requests.read_inventory(USER, ESME))


async def test_a_repeated_request_id_is_refused(talk: Conversation) -> None:
    request = requests.read_inventory(USER, ESME)
    first = await talk.client.send(request)
    again = replace(request, request_id=RequestId.parse(first.request_id or ""))
    assert (first.code, (await talk.client.send(again)).code[0]) == ("I0", "E")


async def test_other_worlds_are_reached_by_their_prefix(talk: Conversation) -> None:
    await talk.control.call("POST", "/control/v1/worlds", body={"name": "second", "seed": 9})
    keys = await fetch_key_store(f"{talk.server.url('smki')}/worlds/second")
    async with DuisClient(f"{talk.server.url('duis')}/worlds/second", USER, keys) as client:
        assert (await client.send(requests.read_inventory(USER, ESME))).code == "I0"
    async with DuisClient(talk.server.url("duis"), USER, keys) as mistaken:
        with pytest.raises(Rejected, match="HTTP 403"):
            await mistaken.send(requests.read_inventory(USER, ESME))


async def test_control_moves_time_and_holds_messages_back(talk: Conversation) -> None:
    await talk.control.set_endpoint(USER, "")
    before = (await talk.control.clock())["now_ms"]
    answer = await talk.client.send(requests.read_firmware_version(USER, ESME))
    assert answer.request_id is not None
    assert await talk.control.wait("transaction", request_id=answer.request_id, states=["answered"])
    assert (await talk.control.clock())["now_ms"] > before
    with pytest.raises(NothingCame):
        await talk.receiver.answer_to(RequestId.parse(answer.request_id), 0.1)
    counts = (await talk.control.outbox(request_id=answer.request_id))["counts"]
    assert counts["queued"] == 1
    await talk.control.set_endpoint(USER, talk.receiver.url, 0)
    await talk.receiver.answer_to(RequestId.parse(answer.request_id))
    assert await talk.control.wait("answered", request_id=answer.request_id)


async def test_control_finds_what_happened_to_a_request(talk: Conversation) -> None:
    answer = await talk.client.send(requests.read_firmware_version(USER, ESME))
    await talk.result(answer)
    kinds = {entry["kind"] for entry in await talk.control.journal(request_id=answer.request_id)}
    assert {"duis.request", "gate", "gbcs.command", "gbcs.response", "push.queued"} <= kinds
    octets = [entry for entry in await talk.control.transcript(request_id=answer.request_id) if "gbcs" in entry]
    assert [entry["gbcs"]["use_case"] for entry in octets] == ["ECS52", "ECS52"]


async def test_control_says_what_is_wrong_with_a_call(talk: Conversation) -> None:
    with pytest.raises(Rejected, match="there is no device"):
        await talk.control.device(Eui64(1))
    with pytest.raises(Rejected, match="there is no user"):
        await talk.control.set_endpoint(ESME, talk.receiver.url)
    async with ControlClient(talk.server.url(), "nowhere") as lost:
        with pytest.raises(Rejected, match="there is no world 'nowhere'"):
            await lost.clock()


async def test_key_store_with_devices_checks_everything(talk: Conversation) -> None:
    store = await talk.control.key_store(devices=True)
    record = store.live(ESME, Usage.KEY_AGREEMENT)
    assert record is not None
    assert record.private_key is not None


def test_scripts_need_no_asyncio() -> None:
    with running_emulator() as running, running.client(USER) as client:
        running.connect(USER, client)
        answer = client.send(requests.read_firmware_version(USER, ESME))
        assert answer.request_id is not None
        push = client.answer_to(answer.request_id)
        assert isinstance(push.message, ServiceResponse)
        assert push.message.code == "I0"
        critical = client.transform_and_send(requests.activate_firmware(USER, ESME, bytes(32)))
        assert isinstance(critical, SignedCommand)
        assert client.wait_for(lambda found: found.request_id == critical.transform.request_id).order == 2


def test_a_start_that_fails_is_raised() -> None:
    with pytest.raises(ValueError, match="cannot be read"), running_emulator({"worlds.estate": "/nowhere"}):
        pytest.fail("it started")


async def test_a_stopped_server_is_unreachable(talk: Conversation) -> None:
    url = talk.server.url("duis")
    await talk.server.stop()
    async with DuisClient(url, USER, talk.keys) as client:
        with pytest.raises(Unreachable):
            await client.send(requests.read_inventory(USER, ESME))


def test_the_fixture_for_other_suites_is_an_emulator(dcc_emulator: RunningEmulator) -> None:
    assert dcc_emulator.ask(lambda control: control.ready())
    assert dcc_emulator.keys().xml_signing(USER) is not None
