"""Users who take too much: too fast, too many at a time, too large, too slow, too often connected. Others go on meanwhile."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterator

import pytest

from emulator.client.requests import read_inventory
from emulator.duis.messages import ServiceResponse
from tests.http.conftest import MakeSide
from tests.http.raw import read_answer, request_head, speak
from tests.http.running import Emulator, emulator_process
from tests.http.side import ESME, SUPPLIER, SUPPLIER_TWO, Side

MIB = 1024 * 1024


@pytest.mark.parametrize("processes", [1, pytest.param(3, marks=pytest.mark.verify)])
async def test_too_fast(emulators: Callable[..., Emulator], sides: MakeSide, processes: int) -> None:
    """429 with Retry-After; what was refused is no input: its RequestID is still good, and nobody else is slowed down."""
    side = await sides(emulators(duis__user_rate=0.01, duis__user_burst=2, duis__processes=processes))
    requests = [side.stamped(read_inventory(SUPPLIER, ESME)) for _ in range(3)]
    forged = side.signed(requests[0]).replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA", 1)
    assert {(await side.post(forged)).status for _ in range(5)} == {403}, "and these use up nobody's share"
    assert [(await side.post(side.signed(each))).status for each in requests[:2]] == [200, 200]
    async with side.unchanged():
        refused = await side.post(side.signed(requests[2]))
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 100
    assert refused.text == "this user may send 0.01 requests a second, 2 at once\n"
    assert (await side.post(side.signed(read_inventory(SUPPLIER_TWO, ESME)))).status == 200
    async with side.http.get(f"{side.emulator.url('control')}/_dcc/metrics") as answer:
        assert 'code="http.429"' in await answer.text()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator that takes one request of a user at a time and one large body."""
    limits = {"duis__user_concurrency": 1, "duis__held_bytes": MIB, "duis__body_timeout_ms": 20_000}
    with emulator_process(tmp_path_factory.mktemp("narrow"), **limits) as running:
        yield running


async def test_too_many_at_a_time(narrow: Emulator, sides: MakeSide) -> None:
    """Each is answered or refused; a refused one can be sent again."""
    side = await sides(narrow)
    bodies = [side.signed(read_inventory(SUPPLIER, ESME)) for _ in range(20)]
    answers = await asyncio.gather(*(side.post(body) for body in bodies))
    assert {answer.status for answer in answers} <= {200, 429}
    for answer, body in zip(answers, bodies, strict=True):
        again = answer if answer.status == 200 else await side.post(body)
        assert again.status == 200
        read = side.reader.read(again.body)
        assert isinstance(read, ServiceResponse)
        assert read.code == "I0"


async def test_too_many_large_bodies(narrow: Emulator, sides: MakeSide) -> None:
    """One that has no room is refused before its body is read, small ones go on, and room comes back."""
    side = await sides(narrow)
    head = request_head(side, "D", {"Content-Type": "application/xml", "Content-Length": str(MIB)})
    reader, slow = await asyncio.open_connection("127.0.0.1", side.emulator.ports["duis"])
    slow.write(head)
    await asyncio.sleep(0.2)
    refused = await speak(side.emulator, head)
    assert refused is not None
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["connection"] == "close"
    assert (await side.post(side.signed(read_inventory(SUPPLIER, ESME)))).status == 200
    slow.write(b" " * MIB)
    answer = await read_answer(reader)
    assert answer is not None
    assert answer.status == 400
    slow.close()
    answer = await speak(side.emulator, head + b" " * MIB)
    assert answer is not None
    assert answer.status == 400


HALF_HEADS = (b"", b"POST", b"POST /api/v1/serviceD HTTP/1.1\r\nHost: localhost\r\nX-A: ")


@pytest.mark.verify
async def test_heads_that_do_not_come(emulators: Callable[..., Emulator], sides: MakeSide) -> None:
    """Slowloris: a connection is not kept open by an octet now and then; many such hold up nobody."""
    side = await sides(emulators(duis__idle_timeout_ms=5_001))
    ports = [side.emulator.ports[name] for name in ("duis", "smki", "control")]
    held = [await asyncio.open_connection("127.0.0.1", port) for port in ports for _ in range(60)]
    beginnings = [HALF_HEADS[number % 3] for number in range(len(held))]
    for (_, writer), beginning in zip(held, beginnings, strict=True):
        writer.write(beginning)
    assert (await side.post(side.signed(read_inventory(SUPPLIER, ESME)))).status == 200

    async def drip(writer: asyncio.StreamWriter, beginning: bytes) -> None:
        for _ in range(40):
            await asyncio.sleep(0.25)
            writer.write(b"x" if beginning else b"")

    async def ends(reader: asyncio.StreamReader) -> bool:
        async with asyncio.timeout(60):
            try:
                while await reader.read(1000):
                    pass
            except ConnectionError:
                pass
        return True

    dripping = [asyncio.create_task(drip(writer, begun)) for (_, writer), begun in zip(held, beginnings, strict=True)]
    assert all(await asyncio.gather(*(ends(reader) for reader, _ in held)))
    for task in dripping:
        task.cancel()
    for _, writer in held:
        writer.close()


@pytest.mark.parametrize("size", [1, 7])
async def test_bodies_that_come_by_the_octet(default: Side, size: int) -> None:
    """The time for a body is for the whole of it, not for each piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", default.emulator.ports["duis"])
    writer.write(request_head(default, "D", {"Content-Type": "application/xml", "Content-Length": "1000"}))

    async def drip() -> None:
        for _ in range(30):
            writer.write(b" " * size)
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(60):
        answer = await read_answer(reader)
    dripping.cancel()
    assert answer is not None
    assert answer.status == 408
    writer.close()


@pytest.mark.parametrize("interface", ["duis", "smki", "control"])
@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "zstd", "compress", "x-gzip", "gzip, gzip", "identity, gzip", "GZIP"]
)
async def test_bodies_that_would_unfold(default: Side, interface: str, coding: str) -> None:
    """A kilobyte of gzip is a megabyte of blanks; nothing here unfolds it, whatever it calls itself."""
    bomb = gzip.compress(gzip.compress(b" " * MIB)) if "," in coding else gzip.compress(b" " * MIB)
    bomb = zlib.compress(b" " * MIB) if coding == "deflate" else bomb
    path, kind = {
        "duis": ("/api/v1/serviceD", "application/xml"),
        "smki": ("/services/certificatesearch", "application/xml"),
        "control": ("/control/v1/worlds/default/wait", "application/json"),
    }[interface]
    headers = {"Content-Type": kind, "Content-Encoding": coding, "Content-Length": str(len(bomb)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode()
    async with default.unchanged():
        answer = await speak(default.emulator, head + bomb, interface=interface)
    assert answer is not None
    assert answer.status == 415
    assert "compressed bodies are not taken" in answer.text


async def test_a_bomb_as_a_transfer_coding(default: Side) -> None:
    bomb = gzip.compress(b" " * MIB)
    head = request_head(default, "D", {"Content-Type": "application/xml", "Transfer-Encoding": "gzip, chunked"})
    answer = await speak(default.emulator, head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(bomb), bomb))
    assert answer is not None
    assert answer.status in (400, 501)


async def test_hundreds_of_connections_that_say_nothing(default: Side) -> None:
    held = [await asyncio.open_connection("127.0.0.1", default.emulator.ports["duis"]) for _ in range(300)]
    assert (await default.post(default.signed(read_inventory(SUPPLIER, ESME)))).status == 200
    for _, writer in held:
        writer.close()
