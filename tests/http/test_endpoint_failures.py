"""Users' endpoints that are down, slow or unwilling: nothing is lost, order holds, and what cannot be delivered can be seen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from emulator.client.errors import Rejected
from emulator.client.receiver import Answerer, Received, Receiver
from emulator.client.requests import read_firmware_version
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.duis.messages import ServiceResponse
from tests.http.side import ESME, GSME, NETWORK_OPERATOR, SUPPLIER, Side

ATTEMPTS_WHEN_REJECTED = 3
"""The default of ``outbox.rejected_attempts``."""


@dataclass
class Moods:
    """What an endpoint answers, one after the other; after that it takes what comes."""

    statuses: list[int] = field(default_factory=list)
    delay_s: float = 0.0
    at_s: list[float] = field(default_factory=list)
    hang_up: bool = False
    media_types: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response | None:
        self.at_s.append(time.monotonic())
        self.media_types.append(request.headers["Content-Type"])
        if self.hang_up:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if not self.statuses:
            return None
        status = self.statuses.pop(0)
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:9/"} if 300 <= status < 400 else {})


@asynccontextmanager
async def endpoint(side: Side, user: Eui64 = SUPPLIER, moods: Answerer | None = None, **how: Any) -> AsyncIterator[Receiver]:
    """A user's endpoint, told to the emulator."""
    async with Receiver(side.reader, answerer=moods, **how) as receiver:
        await side.control.set_endpoint(user, receiver.url)
        yield receiver
        await side.control.set_endpoint(user, "")


async def read(side: Side, device: Eui64 = ESME, user: Eui64 = SUPPLIER) -> RequestId:
    """Ask for a firmware version; its result will be pushed."""
    request = side.stamped(read_firmware_version(user, device))
    assert (await side.ask(request)).code == "I99"
    return request.request_id


async def settled(side: Side, **counts: int) -> list[dict[str, Any]]:
    """Wait until the outbox has just so many messages in these states; the messages in their order."""
    async with asyncio.timeout(60):
        while True:
            found = await side.control.outbox()
            if found["counts"] == {"queued": 0, "delivered": 0, "dead": 0, **counts}:
                return list(found["messages"])
            await asyncio.sleep(0.02)


async def looks(side: Side, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the only message, or the first of several, looks like that."""
    async with asyncio.timeout(60):
        while not holds(message := (await side.control.outbox())["messages"][0]):  # noqa: ASYNC110 (seen from outside)
            await asyncio.sleep(0.02)
    return message


def answered(pushes: list[Received]) -> list[RequestId]:
    """Which requests were answered, in the order in which that came."""
    return [push.request_id for push in pushes if push.request_id is not None]


async def test_a_push_is_taken(side: Side) -> None:
    moods = Moods()
    async with endpoint(side, moods=moods) as receiver:
        asked = await read(side)
        push = await receiver.answer_to(asked)
        (message,) = await settled(side, delivered=1)
    assert isinstance(push.message, ServiceResponse)
    assert push.message.code == "I0"
    assert moods.media_types == ["application/xml"]
    assert {name: message[name] for name in ("state", "attempts", "status", "recipient", "device", "kind", "code")} == {
        "state": "delivered",
        "attempts": 1,
        "status": 204,
        "recipient": format_eui(SUPPLIER),
        "device": format_eui(ESME),
        "kind": "response",
        "code": "I0",
    }


async def test_without_an_endpoint_messages_wait(side: Side) -> None:
    asked = [await read(side) for _ in range(3)]
    messages = await settled(side, queued=3)
    assert messages[0]["waits_for"]["for"] == "an endpoint to be set"
    assert messages[1]["waits_for"]["for"] == f"message {messages[0]['number']} before it"
    async with endpoint(side) as receiver:
        await settled(side, delivered=3)
    assert answered(receiver.received) == asked


async def test_an_endpoint_that_is_down(side: Side) -> None:
    """It is tried again and again with growing pauses, and gets everything in order when it comes up."""
    async with Receiver(side.reader) as gone:
        port = gone.port
    await side.control.set_endpoint(SUPPLIER, gone.url)
    asked = [await read(side) for _ in range(3)]
    await settled(side, queued=3)
    message = await looks(side, lambda message: message["attempts"] >= 4)
    assert message["status"] is None
    assert "Cannot connect" in message["detail"] or "refused" in message["detail"]
    assert message["waits_for"]["for"].startswith(("back-off", "the endpoint's answer"))
    async with endpoint(side, port=port) as receiver:
        messages = await settled(side, delivered=3)
    assert answered(receiver.received) == asked
    assert [message["attempts"] for message in messages][1:] == [1, 1]


async def test_a_slow_endpoint(side: Side) -> None:
    """After half a second (``outbox.timeout_ms``) nobody waits for its answer any more; it may get a message twice."""
    moods = Moods(delay_s=0.8)
    async with endpoint(side, moods=moods) as receiver:
        asked = await read(side)
        await settled(side, queued=1)
        message = await looks(side, lambda message: message["attempts"] >= 1)
        assert (message["status"], message["detail"]) == (None, "no answer within 500 ms")
        moods.delay_s = 0.0
        (message,) = await settled(side, delivered=1)
    assert message["attempts"] >= 2
    assert set(answered(receiver.received)) == {asked}


async def test_an_endpoint_that_hangs_up(side: Side) -> None:
    moods = Moods(hang_up=True)
    async with endpoint(side, moods=moods) as receiver:
        asked = await read(side)
        await settled(side, queued=1)
        message = await looks(side, lambda message: message["attempts"] >= 3)
        assert message["status"] is None
        assert message["detail"]
        moods.hang_up = False
        await receiver.answer_to(asked)
        await settled(side, delivered=1)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429])
async def test_answers_that_mean_later(side: Side, status: int) -> None:
    """More often than a rejection would be tried, with pauses that double from 20 ms to 80 ms here."""
    moods = Moods([status] * 5)
    async with endpoint(side, moods=moods) as receiver:
        asked = await read(side)
        await receiver.answer_to(asked)
        (message,) = await settled(side, delivered=1)
    assert message["attempts"] == 6
    pauses = [later - earlier for earlier, later in zip(moods.at_s, moods.at_s[1:], strict=False)]
    for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.08, 0.08), strict=True):
        assert pause >= least


@pytest.mark.parametrize("status", [400, 401, 404, 405, 413, 415, 301, 302, 307])
async def test_answers_that_mean_no(side: Side, status: int) -> None:
    """Three times, then the message is a dead letter that can be seen and sent again, and the next one goes."""
    moods = Moods([status] * ATTEMPTS_WHEN_REJECTED)
    async with endpoint(side, moods=moods) as receiver:
        first, second = await read(side), await read(side)
        await receiver.answer_to(second)
        dead, _ = await settled(side, dead=1, delivered=1)
        assert answered(receiver.received) == [second]
        assert (dead["state"], dead["status"], dead["attempts"]) == ("dead", status, ATTEMPTS_WHEN_REJECTED)
        assert dead["request_id"] == str(first)
        (entry,) = await side.control.journal(kind="push.dead")
        assert f"attempt 3: {status}" in entry["summary"]
        assert str(first) in (await side.control.message(dead["number"]))["xml"]

        again = await side.control.resend(dead["number"])
        assert again["state"] in ("queued", "delivered")
        await receiver.answer_to(first)
        await settled(side, delivered=2)
        with pytest.raises(Rejected, match="there is no message 4711"):
            await side.control.resend(4711)
    assert answered(receiver.received) == [second, first]


async def test_all_dead_letters_of_a_user_can_be_sent_again(side: Side) -> None:
    moods = Moods([400] * ATTEMPTS_WHEN_REJECTED * 3)
    async with endpoint(side, moods=moods) as receiver:
        asked = [await read(side) for _ in range(3)]
        await settled(side, dead=3)
        assert await side.control.resend(recipient=NETWORK_OPERATOR) == {"queued": 0}
        assert await side.control.resend(recipient=SUPPLIER) == {"queued": 3}
        await settled(side, delivered=3)
    assert answered(receiver.received) == asked


async def test_a_push_that_is_too_large_for_it(side: Side) -> None:
    """The stock client answers 413 above 100 kB; ours is told a smaller bound here."""
    async with endpoint(side, max_bytes=500) as receiver:
        await read(side)
        (dead,) = await settled(side, dead=1)
    assert dead["status"] == 413
    assert [refused.status for refused in receiver.refused] == [413] * ATTEMPTS_WHEN_REJECTED


async def test_order_holds_for_a_device_and_devices_do_not_wait_for_each_other(side: Side) -> None:
    """The first message of one device meets a bad endpoint; the other device's overtake it, its own do not."""

    def held(document: bytes) -> bool:
        return str(asked[0]).encode() in document

    tries = 0

    async def moods(request: web.Request) -> web.Response | None:
        nonlocal tries
        if held(await request.read()) and tries < 6:
            tries += 1
            return web.Response(status=503)
        return None

    await side.control.pause()
    async with endpoint(side, moods=moods) as receiver:
        asked = [await read(side, device) for device in (ESME, GSME, ESME, GSME, ESME)]
        await side.control.autojump()
        await settled(side, delivered=5)
    order = answered(receiver.received)
    assert [each for each in order if each.target == ESME] == [asked[0], asked[2], asked[4]]
    assert {each for each in order if each.target == GSME} == {asked[1], asked[3]}
    assert max(order.index(asked[1]), order.index(asked[3])) < order.index(asked[0])


async def test_users_do_not_wait_for_each_other(side: Side) -> None:
    async with endpoint(side, NETWORK_OPERATOR) as receiver:
        async with Receiver(side.reader) as gone:
            pass
        await side.control.set_endpoint(SUPPLIER, gone.url)
        await read(side)
        asked = await read(side, user=NETWORK_OPERATOR)
        await receiver.answer_to(asked)
        await settled(side, queued=1, delivered=1)
    assert len(receiver.received) == 1


async def test_never_before_the_acknowledgement_could_be_processed(side: Side) -> None:
    """Simulated time has jumped to the result long before; the push keeps the wall-clock floor of its endpoint."""
    arrivals: dict[RequestId | None, float] = {}

    def observe(push: Received) -> None:
        arrivals[push.request_id] = time.monotonic()

    async with Receiver(side.reader, observer=observe) as receiver:
        await side.control.set_endpoint(SUPPLIER, receiver.url, floor_ms=600)
        asked: dict[RequestId, float] = {}
        for device in (ESME, GSME):
            before = time.monotonic()
            request_id = await read(side, device)
            asked[request_id] = before
            await asyncio.sleep(0.1)
        messages = (await side.control.outbox())["messages"]
        assert {message["waits_for"]["for"] for message in messages} <= {"floor"}
        for request_id in asked:
            await receiver.answer_to(request_id)
    for request_id, before in asked.items():
        assert arrivals[request_id] - before >= 0.6


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/push",
        "http://10.0.0.1:1880/smartdcc/duis",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1:1/",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http:///x",
        "127.0.0.1:1880",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/" + "x" * 3_000,
    ],
)
async def test_addresses_that_are_not_pushed_to(side: Side, url: str) -> None:
    """Loopback only, unless the operator allows more: a test tool must not be made to call anybody."""
    async with side.unchanged():
        with pytest.raises(Rejected, match=r"^HTTP 400: url: .*expected") as refused:
            await side.control.set_endpoint(SUPPLIER, url)
    assert refused.value.status == 400
