"""Reads of meters from end to end: what is pushed for a request can be opened by who asked, and adds up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from emulator.client.control import ControlClient
from emulator.client.decode import decode_payload, payload_of
from emulator.client.documents import MessageReader
from emulator.client.keys import fetch_key_store
from emulator.client.receiver import Receiver
from emulator.client.requests import service_request
from emulator.client.session import DuisClient
from emulator.client.smki import SmkiClient
from emulator.domain.identifiers import Eui64, RequestId
from emulator.duis.messages import Element, ServiceResponse, element
from emulator.service.config import load_settings
from emulator.service.server import running_server
from emulator.testing.harness import FOR_TESTS
from tests.http.side import ESME, SUPPLIER

GPF = Eui64(ESME + 3)
MIDNIGHT, HALF_PAST, NEXT = "2026-01-04T00:00:00Z", "2026-01-04T00:30:00Z", "2026-01-05T00:00:00Z"

Ask = Callable[..., Awaitable[dict[str, Any]]]
"""Sends a request and gives what its response says."""


def period(start: str, end: str) -> Element:
    return element("ReadLogPeriod", element("StartDateTime", start), element("EndDateTime", end))


@pytest.fixture
async def says() -> AsyncIterator[Ask]:
    async with running_server(load_settings(env={}, flags=dict(FOR_TESTS))) as server:
        keys = await fetch_key_store(server.url("smki"))
        reader = MessageReader(keys)
        async with (
            DuisClient(server.url("duis"), SUPPLIER, keys, reader=reader) as client,
            Receiver(reader) as receiver,
            ControlClient(server.url()) as control,
            SmkiClient(server.url("smki"), keys) as smki,
        ):
            await control.set_endpoint(SUPPLIER, receiver.url)

            async def ask(variant: str, device: Eui64, *fields: Element) -> dict[str, Any]:
                await smki.fetch(device)
                answer = await client.send(service_request(SUPPLIER, variant, *fields, target=device))
                assert (answer.code, answer.request_id is None) == ("I99", False), answer
                push = await receiver.answer_to(RequestId.parse(str(answer.request_id)))
                assert isinstance(push.message, ServiceResponse)
                payload = payload_of(push.message)
                assert payload is not None
                decoded = decode_payload(payload, keys)
                assert decoded.trusted
                return dict(decoded.values)

            yield ask


async def test_what_a_meter_says_adds_up(says: Ask) -> None:
    halves = (await says("4.8.1", ESME, period(HALF_PAST, NEXT)))["active_import_log"]
    days = (await says("4.17", ESME, period(NEXT, NEXT)))["daily_consumption_log"]
    assert len(halves) == 48
    assert sum(entry["active_import"] for entry in halves) == days[0]["consumption"]
    registers = (await says("4.6.1", ESME, period(MIDNIGHT, NEXT)))["daily_register_log"]
    assert registers[1]["active_import"] - registers[0]["active_import"] == days[0]["consumption"]


async def test_the_gas_proxy_has_the_samples_of_its_meter(says: Ask) -> None:
    (sampled,) = (await says("4.8.1", GPF, period(HALF_PAST, NEXT)))["sampled_data"]
    first, second = (await says("4.6.1", GPF, period(MIDNIGHT, NEXT)))["snapshots"]
    assert sum(sampled["samples"]) == second["consumption"] - first["consumption"]
