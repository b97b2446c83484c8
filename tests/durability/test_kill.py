"""SIGKILL in the middle of traffic, again and again: the world ends as one that nobody killed.

The emulator is a process of its own with a data folder; users send and receive in this one. Three accounts are compared: what
the users saw on their side of the sockets, what the log holds in the end, and a reference run, which is the same inputs in a
world that lives through all of them.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from emulator.domain.identifiers import format_eui
from emulator.pki.keystore import KeyStore
from loadtests.homes import estate
from tests.durability.processes import Nursery, Service
from tests.durability.reference_run import Kept, kept_in, run_again
from tests.durability.story import HOMES, Witness
from tests.service.conftest import SUPPLIER, Endpoint, eventually

USER = format_eui(SUPPLIER)
KILLS_IN_START, KILLS_IN_STOP = 0.15, 0.10
"""How many of the kills come before it is ready, and while it stops gracefully."""


async def one_life(service: Service, witness: Witness, endpoint: Endpoint) -> None:
    """Start, let users at it, kill."""
    chance = witness.chance
    if chance.random() < KILLS_IN_START:
        await service.fork()
        await asyncio.sleep(chance.uniform(0, 0.25))
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL, service.words
        return
    await service.start()
    gone, known = asyncio.Event(), len(witness.sent)
    running = asyncio.create_task(witness.live(service, gone))
    await eventually(lambda: any(each.answer for each in witness.sent[known:]), timeout_s=60)
    await asyncio.sleep(chance.uniform(0, 0.25))
    if chance.random() < KILLS_IN_STOP:
        stopping = asyncio.create_task(service.end(signal.SIGTERM))
        number = service.number
        await asyncio.sleep(chance.uniform(0, 0.05))
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(number, signal.SIGKILL)
        await stopping
    else:
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL, service.words
    gone.set()
    await running


async def settle(service: Service) -> tuple[str, int]:
    """Start once more and let everything come to its end: digest and instant of the world. It stops gracefully."""
    await service.start()
    async with aiohttp.ClientSession() as http:
        for _ in range(600):
            async with http.post(f"{service.world}/wait", json={"condition": {"kind": "idle"}, "timeout_ms": 10_000}) as answer:
                idle = (await answer.json())["met"]
            async with http.get(f"{service.world}/outbox?state=queued&limit=1") as answer:
                queued = (await answer.json())["counts"]["queued"]
            if idle and not queued:
                break
            await asyncio.sleep(0.05)
        async with http.get(f"{service.world}/audit/verify") as answer:
            verdict = await answer.json()
        assert verdict["whole"], verdict
        async with http.get(f"{service.world}/digest") as answer:
            digest = (await answer.json())["digest"]
        async with http.get(service.world) as answer:
            now_ms = (await answer.json())["now_ms"]
    assert await service.end(signal.SIGTERM) == 0, service.words
    return digest, now_ms


def check_inputs(witness: Witness, kept: Kept) -> None:
    """Every acknowledged request is there once, with the answer that its user got; no other is there twice."""
    stored = Counter(body for kind, _, _, body, _ in kept.inputs if kind == "duis")
    assert set(stored.values()) == {1}
    assert stored.keys() <= {each.document for each in witness.sent}, "nobody sent that"
    answers = {body: answer for kind, _, _, body, answer in kept.inputs if kind == "duis"}
    for each in witness.acknowledged:
        assert answers.get(each.document) == each.answer, "lost, or answered otherwise"
    switched = sum(kind == "control" and "device.power" in verdict for kind, _, verdict, _, _ in kept.inputs)
    assert sum(known for _, known in witness.commands) <= switched <= len(witness.commands)


def check_messages(endpoint: Endpoint, kept: Kept) -> None:
    """Every message was delivered, as it was made, and in order for each device."""
    assert {state for *_, state in kept.messages} == {"delivered"}
    assert set(endpoint.taken) == {body for _, _, _, body, _ in kept.messages}
    first = {body: position for position, body in reversed(list(enumerate(endpoint.taken)))}
    lanes: dict[tuple[str, str | None], list[int]] = {}
    for _, recipient, device, body, _ in kept.messages:
        lanes.setdefault((recipient, device), []).append(first[body])
    for lane, positions in lanes.items():
        assert positions == sorted(positions), f"out of order: {lane}"


async def kill_and_compare(folder: Path, keys: KeyStore, seed: int, kills: int, forks: Nursery) -> None:
    text = estate(HOMES)
    service = Service(folder, forks)
    service.settings["worlds.estate"] = service.keep("estate.toml", text)
    witness = Witness(keys, random.Random(seed))
    endpoint = await Endpoint([204]).open()
    endpoint.chooser = lambda body: 503 if len(endpoint.bodies) % 7 == 0 else 204
    try:
        await service.start()
        target = f"{service.world}/users/{USER}/endpoint"
        async with aiohttp.ClientSession() as http, http.put(target, json={"url": endpoint.url}) as answer:
            assert answer.status == 200
        await service.end(signal.SIGKILL)
        for _ in range(kills):
            await one_life(service, witness, endpoint)
        digest, now_ms = await settle(service)
    finally:
        await service.gone()
        await endpoint.close()
    kept = kept_in(service.log, keys)
    check_inputs(witness, kept)
    check_messages(endpoint, kept)
    reference = run_again(kept, witness.sent, text, now_ms)
    assert reference.answers == [answer for kind, _, _, _, answer in kept.inputs if kind == "duis"]
    assert reference.pushes == [body for _, _, _, body, _ in kept.messages]
    assert reference.digest == digest
    codes = Counter(each.code for each in witness.sent)
    print(f"{kills} kills, {len(kept.inputs)} inputs, {len(kept.messages)} messages, answers {dict(codes)}")
    assert codes["I99"] > kills / 2, "there was traffic"
    assert codes["I0"] > kills / 4, "and Transforms, and the inventory"
    assert codes[""], "the kills came in the middle of it"
    assert '"level": "error"' not in service.words


async def test_a_world_that_is_killed_ends_as_one_that_is_not(tmp_path: Path, world_keys: KeyStore, forks: Nursery) -> None:
    async with asyncio.TaskGroup() as side_by_side:
        for seed in (1, 2):
            side_by_side.create_task(kill_and_compare(tmp_path / str(seed), world_keys, seed, 10, forks))


@pytest.mark.verify
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(11, 15))
async def test_nor_does_it_after_many_kills(tmp_path: Path, world_keys: KeyStore, seed: int, forks: Nursery) -> None:
    async with asyncio.TaskGroup() as side_by_side:
        for number in (1, 2):
            side_by_side.create_task(kill_and_compare(tmp_path / str(number), world_keys, 100 * seed + number, 40, forks))
