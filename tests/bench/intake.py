"""What the fan-out costs where every message is made: a home of three devices, and the largest list of devices over HTTP.

For the list, a server of its own has a world with 50,000 meters, each in a home with a hub. One 11.1 names them all; reads of the
inventory are sent one after the other beside it.
"""

import asyncio
import copy
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from emulator.client.requests import read_inventory
from emulator.client.signing import sign_request
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui, parse_eui
from emulator.domain.limits import MAX_DEVICES_PER_REQUEST
from emulator.duis.messages import Request
from emulator.estate.declaration import default_estate_toml
from emulator.scenarios.toml_text import to_toml
from emulator.world import World, create_world, restore_world
from tests.bench.edge import SUPPLIER, response_codes
from tests.bench.measure import Run, Sample, measurement
from tests.bench.process import Served, served
from tests.dsp.bench_world import Bench, firmware_body

COPIED = {"CHF": "A2", "ESME": "A0"}
SMALL = 2_000
"""Reads that are ready to be sent beside a large request; more than there is time for."""
PAUSE_S = 0.01


def meter(number: int) -> Eui64:
    """The meter of copied home ``number``."""
    return Eui64(parse_eui("00-DB-12-34-56-78-90-A0") + (number << 24))


def estate() -> str:
    """The default estate and 50,000 homes like its first, with a hub and an electricity meter each."""
    document = tomllib.loads(default_estate_toml())
    first = document["homes"][0]
    kept = [device for device in first["devices"] if device["type"] in COPIED]
    (mpan,) = {device["import_mpxn"] for device in kept if device["type"] == "ESME"}
    registered = [row for row in document["registrations"] if row["mpxn"] == mpan]
    for number in range(1, MAX_DEVICES_PER_REQUEST + 1):
        home: dict[str, Any] = {key: value for key, value in first.items() if key not in ("devices", "uprn")}
        home["name"] = f"{first['name']}-{number}"
        home["devices"] = copy.deepcopy(kept)
        for device in home["devices"]:
            device["eui"] = format_eui(parse_eui(device["eui"]) + (number << 24))
            device["joined_to"] = []
            if device["type"] == "ESME":
                device["import_mpxn"] = f"{int(mpan) + number * 10_000:013d}"
                device.pop("export_mpan", None)
                document["registrations"] += [{**row, "mpxn": device["import_mpxn"]} for row in registered]
        document["homes"].append(home)
    return to_toml(document)


def large_request(world: World) -> bytes:
    """The signed 11.1 for all meters."""
    image = Bench(world).image("ESME")
    body = firmware_body("11.1", image, "00010100", [meter(number) for number in range(1, MAX_DEVICES_PER_REQUEST + 1)])
    return sign_request(
        Request(RequestId(SUPPLIER, ACCESS_CONTROL_BROKER, world.engine.now_ms), 8, "11.1", "11.1", body), world.keys
    )


def small_requests(world: World) -> list[bytes]:
    """Signed reads of the inventory, each with its own counter."""
    request, first = read_inventory(SUPPLIER, device=meter(0)), world.engine.now_ms + 1
    to = request.request_id.target
    return [sign_request(replace(request, request_id=RequestId(SUPPLIER, to, first + at)), world.keys) for at in range(SMALL)]


async def post(http: aiohttp.ClientSession, found: Served, document: bytes) -> tuple[bytes, float]:
    """The answer to a document, and how long it took."""
    sent, headers = time.perf_counter(), {"Content-Type": "application/xml"}
    async with http.post(f"{found.duis}/api/v1/serviceD", data=document, headers=headers) as answer:
        return await answer.read(), time.perf_counter() - sent


async def counts(http: aiohttp.ClientSession, found: Served) -> dict[str, int]:
    """The jobs of the request by their state."""
    async with http.get(f"{found.control}/control/v1/worlds/default/jobs", params={"job_limit": 0}) as answer:
        (request,) = (await answer.json())["requests"]
        return dict(request["counts"])


async def intake(found: Served, large: bytes, small: list[bytes]) -> Sample:
    """Send the large request and small ones beside it, until all devices are with the CSPs."""
    took: list[float] = []
    answers: list[bytes] = []
    ended = asyncio.Event()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:

        async def beside() -> None:
            for document in small:
                if ended.is_set():
                    return
                answer, seconds = await post(http, found, document)
                answers.append(answer)
                took.append(seconds)
                await asyncio.sleep(PAUSE_S)

        others = asyncio.create_task(beside())
        await asyncio.sleep(0.5)
        alone = sorted(took)[len(took) // 2]
        took.clear()
        began = time.perf_counter()
        answer, accepted_s = await post(http, found, large)
        while (jobs := await counts(http, found)).get("QUEUED"):  # noqa: ASYNC110  there is only asking
            await asyncio.sleep(0.05)
        queued_s = time.perf_counter() - began
        ended.set()
        await others
    checked = {"answer": response_codes([answer]), "jobs": sum(jobs.values()), "beside": set(response_codes(answers))}
    small_ms = {
        "small_alone_ms": alone * 1e3,
        "small_median_ms": sorted(took)[len(took) // 2] * 1e3,
        "small_worst_ms": max(took) * 1e3,
    }
    rest = {"with_csps_s": queued_s, "small_requests": len(took), **small_ms}
    return Sample(
        accepted_s, checked | {"beside": sorted(checked["beside"])}, {name: round(value, 3) for name, value in rest.items()}
    )


@measurement("ota.home.wall_ms", "ms", runs=9)
def one_home() -> Iterator[Run]:
    """A whole campaign for the three devices of a home, in simulated time and with every message signed: electricity meter, gas
    meter and PPMID get images, the meters are told to activate them and are read afterwards."""
    text = f'{default_estate_toml()}\n[settings.han]\nstore_policy = "defer"\n'  # three images, two of which have room
    again = create_world(estate_toml=text).engine.snapshot()

    def run() -> Sample:
        bench = Bench(restore_world("bench", again))
        devices = {
            kind: parse_eui(f"00-DB-12-34-56-78-90-{last}") for kind, last in (("ESME", "A0"), ("GSME", "A1"), ("PPMID", "A4"))
        }
        images = {kind: bench.image(kind) for kind in devices}
        began = time.perf_counter()
        codes = [
            bench.distribute("11.4" if kind == "PPMID" else "11.1", kind, [eui], image=images[kind]).code
            for kind, eui in devices.items()
        ]
        bench.run_until_idle()
        jobs = {job.device: job for job in bench.world.engine.state.dsp.jobs.values()}
        for kind in ("ESME", "GSME"):
            request = bench.world.engine.state.dsp.firmware_requests[jobs[devices[kind]].request]
            bench.activate(devices[kind], bytes.fromhex(request.image_hash))
        bench.run_until_idle()
        for eui in devices.values():
            codes.append(bench.submit("11.2", to=eui).code)
        bench.run_until_idle()
        elapsed_ms = (time.perf_counter() - began) * 1e3
        states = {kind: jobs[eui].state for kind, eui in devices.items()}
        return Sample(elapsed_ms, {"codes": codes, "jobs": states, "messages": len(bench.deliveries)})

    yield run


@measurement("ota.intake_50k.wall_s", "s", runs=3)
def large_list() -> Iterator[Run]:
    """From sending an 11.1 for 50,000 meters until it is acknowledged: validated, split into its lists, a job queued for each.

    ``with_csps_s`` beside it is until the last of them is with its CSP.
    """
    world = create_world()
    large, small = large_request(world), small_requests(world)
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "estate.toml").write_text(estate())

        def run() -> Sample:
            with tempfile.TemporaryDirectory() as data, served(Path(data), patience_s=300, worlds__estate=str(file)) as found:
                return asyncio.run(intake(found, large, small))

        yield run
