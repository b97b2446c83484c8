"""Calls that meet: the same request many times, worlds that are made, begun anew and dropped while others ask."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.client.requests import activate_firmware, read_firmware_version
from emulator.duis.messages import Request
from tests.http.conftest import MakeSide
from tests.http.running import Emulator
from tests.http.side import ESME, SUPPLIER, Answer, Side, take

WORLDS = "/control/v1/worlds"


async def call(side: Side, method: str, path: str = "", *, after_s: float = 0.0, name: str | None = None) -> Answer:
    await asyncio.sleep(after_s)
    body = {} if name is None else {"name": name}
    async with side.http.request(method, side.emulator.url("control") + WORLDS + path, json=body) as answer:
        return await take(answer)


@pytest.mark.parametrize("given", [read_firmware_version(SUPPLIER, ESME), activate_firmware(SUPPLIER, ESME, bytes(32))])
async def test_one_request_many_times_at_once_is_taken_once(side: Side, given: Request) -> None:
    document, service = side.signed(given), "S" if given.command_variant == 1 else "T"
    answers = await asyncio.gather(*(side.ask(document, service) for _ in range(20)))
    assert sorted(Counter(answer.code for answer in answers).values()) == [1, 19]
    assert Counter(answer.code for answer in answers)["E44"] == 19


async def test_a_reset_while_requests_come(side: Side) -> None:
    """Each is answered by the world before or the world after, or told that it cannot be answered now."""
    found: Counter[tuple[int, str]] = Counter()

    async def traffic() -> None:
        while not done.is_set():
            answer = await side.post(side.signed(read_firmware_version(SUPPLIER, ESME)), "S")
            found[answer.status, "" if answer.status == 200 else answer.text] += 1

    done = asyncio.Event()
    tasks = [asyncio.create_task(traffic()) for _ in range(3)]
    for _ in range(3):
        assert (await call(side, "POST", f"/{side.name}/reset")).status == 200
    done.set()
    await asyncio.gather(*tasks)
    assert {status for status, _ in found} <= {200, 503}
    words = {text for _, text in found} - {""}
    assert words <= {f"world {side.name} is stopping\n", f"world {side.name} is starting\n"}


@pytest.fixture
async def on_disk(emulators: Callable[..., Emulator], sides: MakeSide, tmp_path: Path) -> Side:
    """With a data folder, where two worlds of one name would meet."""
    return await sides(emulators(storage__folder=tmp_path / "data"))


async def test_worlds_are_made_begun_anew_and_dropped_one_at_a_time(on_disk: Side) -> None:
    async def make() -> int:
        return (await call(on_disk, "POST", name="w")).status

    assert sorted(await asyncio.gather(make(), make(), make())) == [201, 409, 409]
    found = await asyncio.gather(*(call(on_disk, "POST", "/w/reset") for _ in range(3)))
    assert sorted(answer.status for answer in found) == [200, 503, 503]
    for after_s in (0.0, 0.02):
        reset, dropped = await asyncio.gather(call(on_disk, "POST", "/w/reset"), call(on_disk, "DELETE", "/w", after_s=after_s))
        assert (reset.status, dropped.status) == (200, 204)
        assert (await call(on_disk, "GET", "/w")).status == 404
        assert await make() == 201
    dropped, again, reset = await asyncio.gather(
        call(on_disk, "DELETE", "/w"),
        call(on_disk, "POST", name="w", after_s=0.005),
        call(on_disk, "POST", "/w/reset", after_s=0.005),
    )
    assert dropped.status == 204
    assert again.status in (201, 409)
    assert reset.status in (404, 503)
    found = await asyncio.gather(*(call(on_disk, "DELETE", "/w") for _ in range(3)))
    assert {answer.status for answer in found} <= {204, 404}
    assert (await call(on_disk, "GET", "/w")).status == 404
    assert await make() == 201
