"""SIGKILL in the middle of traffic: whatever was acknowledged is there afterwards, whatever was queued is pushed.

The server is a process of its own with a data folder; users send and receive in this one. The test believes only what it saw on
its side of the sockets: RequestIDs whose answer it got, and the messages that came.
"""

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.client.requests import read_firmware_version, read_inventory
from emulator.client.signing import CounterSource, sign_request, stamp
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.duis.messages import Request
from emulator.pki.keystore import KeyStore
from tests.service.conftest import ESME, SUPPLIER, Endpoint, eventually

USER = format_eui(SUPPLIER)
METERS = (ESME, Eui64(0x00DB1234567890A1), Eui64(0x00DB1234567890A2))
XML = {"Content-Type": "application/xml"}
_CODE = re.compile(rb"<sr:ResponseCode>(\w+)</sr:ResponseCode>")
_REQUEST_ID = re.compile(rb"<sr:RequestID>([^<]+)</sr:RequestID>")


@dataclass
class Service:
    """The process under test."""

    folder: Path
    process: asyncio.subprocess.Process | None = None
    said: dict[str, Any] = field(default_factory=dict)

    async def start(self) -> None:
        """Start on the data folder and wait until it is ready; fail with what it says when it is not."""
        settings = {
            "duis.port": "0",
            "smki.port": "0",
            "control.port": "0",
            "log.level": "warning",
            "storage.folder": str(self.folder),
            "storage.mark_interval_ms": "50",
            "storage.snapshot_every_inputs": "100",
            "clock.mode": "autojump",
            "clock.start": "estate",
            "outbox.push_floor_ms": "0",
            "outbox.retry_initial_ms": "20",
            "outbox.retry_cap_ms": "200",
        }
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulator.service"),
            *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith("DCC_")},
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        if not line:
            assert self.process.stderr is not None
            pytest.fail(f"the server did not start again: {(await self.process.stderr.read()).decode()}")
        self.said = json.loads(line)

    async def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        await self.process.communicate()

    @property
    def world(self) -> str:
        """Root of the control calls."""
        return f"{self.said['control']}/control/v1/worlds/default"


@dataclass
class Witness:
    """What the user saw."""

    keys: KeyStore
    counters: CounterSource = field(default_factory=CounterSource)
    acknowledged: dict[RequestId, str] = field(default_factory=dict)
    """Code by RequestID of every answer that came."""
    documents: dict[RequestId, tuple[str, bytes]] = field(default_factory=dict)
    unanswered: int = 0

    async def send(self, service: Service, http: aiohttp.ClientSession, request: Request) -> None:
        """Send a request; remember its answer if one comes."""
        request = stamp(request, self.counters)
        path = "D" if request.command_variant == 8 else "S"
        document = sign_request(request, self.keys)
        try:
            async with http.post(f"{service.said['duis']}/api/v1/service{path}", data=document, headers=XML) as answer:
                body = await answer.read()
                assert answer.status == 200, body
        except aiohttp.ClientError:
            self.unanswered += 1
            return
        code = _CODE.search(body)
        assert code is not None
        self.acknowledged[request.request_id] = code[1].decode()
        self.documents[request.request_id] = (path, document)


async def traffic(service: Service, witness: Witness, until: asyncio.Event) -> None:
    """Several users' worth of requests until the process is gone."""

    async def one(number: int) -> None:
        async with aiohttp.ClientSession() as http:
            for turn in range(10_000):
                if until.is_set():
                    return
                meter = METERS[(number + turn) % len(METERS)]
                request = read_inventory(SUPPLIER, meter) if turn % 3 == 0 else read_firmware_version(SUPPLIER, meter)
                await witness.send(service, http, request)

    await asyncio.gather(*(one(number) for number in range(6)))


async def kill_in_traffic(service: Service, witness: Witness, endpoint: Endpoint, after_s: float) -> None:
    """One round: start, send, kill, so long after the first answers."""
    await service.start()
    target = f"{service.world}/users/{USER}/endpoint"
    async with aiohttp.ClientSession() as http, http.put(target, json={"url": endpoint.url}) as answer:
        assert answer.status == 200
    gone, known = asyncio.Event(), len(witness.acknowledged)
    running = asyncio.create_task(traffic(service, witness, gone))
    await eventually(lambda: len(witness.acknowledged) > known + 5, timeout_s=60)
    await asyncio.sleep(after_s)
    await service.end(signal.SIGKILL)
    gone.set()
    await running


async def check_everything(service: Service, witness: Witness, endpoint: Endpoint) -> None:
    """Every answered request is known, every result that was promised has come."""
    await service.start()
    promised = {str(request).lower() for request, code in witness.acknowledged.items() if code == "I99"}
    async with aiohttp.ClientSession() as http:
        for _ in range(600):
            async with http.post(f"{service.world}/wait", json={"condition": {"kind": "idle"}, "timeout_ms": 10_000}) as answer:
                idle = (await answer.json())["met"]
            async with http.get(f"{service.world}/outbox?state=queued&limit=1") as answer:
                queued = (await answer.json())["counts"]["queued"]
            if idle and not queued:
                break
            await asyncio.sleep(0.05)
        came = Counter(found[1].decode().lower() for body in endpoint.taken if (found := _REQUEST_ID.search(body)))
        missing = promised - set(came)
        assert not missing, f"{len(missing)} of {len(promised)} promised results never came"
        for request_id, code in witness.acknowledged.items():
            async with http.get(
                f"{service.world}/journal", params={"request_id": str(request_id), "kind": "duis.request"}
            ) as answer:
                codes = [entry["data"]["code"] for entry in (await answer.json())["entries"]]
            assert codes == [code], f"{request_id} was answered {code} and the log has {codes}"
            async with http.get(f"{service.world}/audit", params={"request_id": str(request_id), "kind": "decision"}) as answer:
                outcomes = [record["entry"]["outcome"] for record in (await answer.json())["records"]]
            assert outcomes == [code], f"{request_id} was answered {code} and the audit trail has {outcomes}"
        async with http.get(f"{service.world}/audit/verify") as answer:
            verdict = await answer.json()
        assert verdict["whole"], verdict
        for path, document in list(witness.documents.values())[::25]:
            async with http.post(f"{service.said['duis']}/api/v1/service{path}", data=document, headers=XML) as answer:
                assert b">E44<" in await answer.read(), "a RequestID that was answered is used"


async def rounds(tmp_path: Path, keys: KeyStore, count: int) -> None:
    service, witness = Service(tmp_path / "data"), Witness(keys)
    endpoint = await Endpoint([204]).open()
    endpoint.chooser = lambda body: 503 if len(endpoint.bodies) % 7 == 0 else 204
    try:
        for number in range(count):
            await kill_in_traffic(service, witness, endpoint, 0.15 + 0.07 * (number % 5))
        await check_everything(service, witness, endpoint)
    finally:
        if service.process is not None and service.process.returncode is None:
            await service.end(signal.SIGKILL)
        await endpoint.close()
    assert len(witness.acknowledged) > 5 * count, "there was traffic"
    assert witness.unanswered, "the kills came in the middle of it"


async def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path, world_keys: KeyStore) -> None:
    await rounds(tmp_path, world_keys, 2)


@pytest.mark.verify
@pytest.mark.timeout(600)
async def test_nothing_acknowledged_is_lost_by_twenty_kills(tmp_path: Path, world_keys: KeyStore) -> None:
    await rounds(tmp_path, world_keys, 20)
