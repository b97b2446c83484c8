"""A user whose endpoint is down for a week of simulated time while 100,000 messages are made for it: they wait without filling
the memory, the emulator is killed and started in between, and all are delivered in order when the endpoint is there again."""

import asyncio
import re
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import aiohttp
import pytest

from emulator.domain.identifiers import format_eui
from emulator.service.persistence import rows
from emulator.service.persistence.contract import DeliveryRow, Step
from tests.durability.processes import Nursery, Service
from tests.service.conftest import SUPPLIER, nobody_there

WEEK_MS = 7 * 86_400_000
DEVICES = 400
BODY_BYTES = 3_000
MEMORY_BYTES = 220_000_000
"""What the waiting messages may take: the cache of bodies (64 MiB), and what is known of each; their bodies are 300 MB."""
_NUMBER = re.compile(rb"<m n='(\d+)' d='(\d+)'/>")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Taking(asyncio.Protocol):
    """An endpoint that takes all and remembers the numbers by device."""

    def __init__(self, taken: dict[int, list[int]]) -> None:
        self._taken, self._buffer = taken, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            assert length is not None
            whole = end + 4 + int(length[1])
            if len(self._buffer) < whole:
                return
            found = _NUMBER.search(self._buffer, end)
            assert found is not None
            self._taken.setdefault(int(found[2]), []).append(int(found[1]))
            del self._buffer[:whole]
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def queue(log: Path, first: int, count: int) -> None:
    """Messages as an emulator logs them, that no replay will ask about."""
    made = [
        DeliveryRow(
            *(number, 0, 1_000, 1_000, int(SUPPLIER), number % DEVICES, None, "response", "I0"),
            f"<m n='{number}' d='{number % DEVICES}'/>".encode().ljust(BODY_BYTES),
            b"",
        )
        for number in range(first, first + count)
    ]
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        rows.write_steps(connection, "default", [Step(deliveries=made)], lambda body: body)


def memory_bytes(process: int) -> int:
    """Resident memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096


@pytest.mark.verify
@pytest.mark.timeout(900)
async def test_a_week_without_an_endpoint(tmp_path: Path, forks: Nursery) -> None:
    count = 100_000
    service = Service(tmp_path, forks, {"clock.mode": "paused", "outbox.retry_initial_ms": 100, "outbox.retry_cap_ms": 500})
    taken: dict[int, list[int]] = {}
    down = nobody_there()
    loop = asyncio.get_running_loop()
    try:
        await service.start()
        port = down.getsockname()[1]
        url = f"{service.world}/users/{format_eui(SUPPLIER)}/endpoint"
        async with aiohttp.ClientSession() as http, http.put(url, json={"url": f"http://127.0.0.1:{port}/"}) as answer:
            assert answer.status == 200
        empty = memory_bytes(service.number)
        await service.end(signal.SIGTERM)
        for first in range(1, count + 1, 10_000):
            queue(service.log, first, 10_000)
        await service.start()
        async with aiohttp.ClientSession() as http:
            for _ in range(7):
                async with http.post(f"{service.world}/clock/advance", json={"by_ms": WEEK_MS // 7}) as answer:
                    assert (await answer.json())["reached"]
        grown = memory_bytes(service.number) - empty
        assert grown < MEMORY_BYTES, f"{grown} octets for what waits"
        assert not taken
        await service.end(signal.SIGKILL)
        up = await loop.create_server(lambda: Taking(taken), sock=down)
        await service.start()
        most = 0
        while sum(map(len, taken.values())) < count:
            await asyncio.sleep(0.2)
            most = max(most, memory_bytes(service.number) - empty)
        assert most < MEMORY_BYTES, f"{most} octets while it is delivered"
        assert len(taken) == DEVICES
        for device, numbers in taken.items():
            assert numbers == list(range(device or DEVICES, count + 1, DEVICES)), "each once, in order"
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            counts = {"queued": 1}
            while counts["queued"]:
                async with http.get(f"{service.world}/outbox?limit=1") as answer:
                    counts = (await answer.json())["counts"]
        assert counts["dead"] == 0
        print(f"{grown / 1e6:.0f} MB waiting, {most / 1e6:.0f} MB at most")
    finally:
        await service.gone()
        with suppress(UnboundLocalError):
            up.close()
        down.close()
