"""Endpoints that mean harm or are broken: each harms itself alone, and what is sent to it is not forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import pytest

from emulator.service.endpoints import Endpoint as Address
from emulator.service.persistence.contract import DeliveryState, OutboxQuery
from tests.service.conftest import Endpoint, eventually
from tests.service.test_outbox_pushes import Bench, Make, bench

__all__ = ["bench"]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD, FIRST = 1, 2
"""Users: one with an endpoint in order, and the others."""
HEAD = b"HTTP/1.1 200 OK\r\n"


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the connection and nothing more."""
    await asyncio.sleep(3_600)


async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads all and is silent."""
    while await reader.read(1 << 16):
        pass


async def trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An octet of its answer at a time."""
    for octet in HEAD + b"Content-Length: 10000\r\n\r\n" + bytes(10_000):
        writer.write(bytes([octet]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def trickles_its_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer of which the status comes at once and the end never."""
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hangs up at once."""


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hangs up without a word in the middle of the message."""
    await reader.read(10)
    writer.transport.abort()


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hangs up in the middle of its answer."""
    await reader.read(1 << 16)
    writer.write(HEAD + b"Content-Le")


async def endless_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Fields without end."""
    writer.write(HEAD)
    while True:
        writer.write(b"X-Field: " + b"x" * 60_000 + b"\r\n")
        await writer.drain()


async def speaks_another_language(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Not HTTP."""
    writer.write(b"220 mail.example ESMTP\r\n")
    await reader.read(1 << 16)


async def status_99(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A status that is none."""
    await reader.read(1 << 16)
    writer.write(b"HTTP/1.1 99 What\r\nContent-Length: 0\r\n\r\n")


HOSTILE: list[Talk] = [
    *(never_reads, never_answers, trickles, trickles_its_body, closes, resets, breaks_off, endless_head),
    *(speaks_another_language, status_99),
]


async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the message and answers with a terabyte."""
    await reader.read(1 << 16)
    writer.write(HEAD + b"Content-Length: 1000000000000\r\n\r\n")
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends the emulator elsewhere."""
    while await reader.read(1 << 16):
        writer.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")


async def listening(stack: AsyncExitStack, talk: Talk) -> Address:
    """The address of an endpoint that talks like this."""
    open_now: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        with suppress(OSError):
            await talk(reader, writer)
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)

    async def close() -> None:
        server.close()
        for writer in list(open_now):
            writer.transport.abort()

    stack.push_async_callback(close)
    return Address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def test_each_harms_itself_alone(bench: Make) -> None:
    made: Bench = bench(timeout_ms=1_000, recipient_concurrency=2, total_concurrency=2 * len(HOSTILE) + 2)
    well = await Endpoint([204]).open()
    async with AsyncExitStack() as stack:
        users = {user: await listening(stack, talk) for user, talk in enumerate(HOSTILE, FIRST)}
        made.outbox.start({GOOD: Address(well.url), **users}, [])
        for user in users:
            made.deliver(*range(20), user=user)
        numbers = [number for _ in range(10) for number in made.deliver(*range(20), user=GOOD)]
        await eventually(lambda: len(well.taken) == len(numbers))
        delivered = await made.log.outbox(OutboxQuery(state=DeliveryState.DELIVERED, recipient=GOOD, limit=1_000))
        assert [entry.number for entry in delivered] == numbers
        for user, talk in enumerate(HOSTILE, FIRST):
            counts = (await made.log.tally(OutboxQuery(recipient=user))).counts
            if talk is trickles_its_body:
                continue  # it said 200, and whoever says so has taken the message
            assert counts == {DeliveryState.QUEUED: 20}, talk.__name__
        await made.outbox.stop(10)
    await well.close()


@pytest.mark.parametrize(("talk", "state"), [(huge, DeliveryState.DELIVERED), (redirects, DeliveryState.DEAD)])
async def test_an_answer_is_read_as_far_as_it_says_something(bench: Make, talk: Talk, state: DeliveryState) -> None:
    made: Bench = bench(timeout_ms=2_000, rejected_attempts=2)
    async with AsyncExitStack() as stack:
        made.outbox.start({FIRST: await listening(stack, talk)}, [])
        made.deliver(*range(4), user=FIRST)
        await made.until(state, 4)
        await made.outbox.stop(10)


async def test_more_silent_endpoints_than_connections_leave_room_for_others(bench: Make) -> None:
    made: Bench = bench(timeout_ms=300, retry_initial_ms=500, retry_cap_ms=500, recipient_concurrency=4, total_concurrency=8)
    well = await Endpoint([204]).open()
    async with AsyncExitStack() as stack:
        users = {user: await listening(stack, never_answers) for user in range(FIRST, FIRST + 6)}
        made.outbox.start({**users, GOOD: Address(well.url)}, [])
        for user in users:
            made.deliver(*range(20), user=user)
        made.deliver(*range(20), user=GOOD)
        await eventually(lambda: len(well.taken) == 20)
        await made.outbox.stop(10)
    await well.close()
