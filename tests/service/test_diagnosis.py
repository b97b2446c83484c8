"""What a server says about itself, and which remedies it knows."""

from pathlib import Path
from typing import Any

import aiohttp

from emulator.client.requests import read_firmware_version
from emulator.service.server import Server
from tests.service.conftest import ESME, SUPPLIER, USER, Api, Clients, ServerFactory, eventually


async def diagnosis(http: aiohttp.ClientSession, server: Server, **headers: str) -> dict[str, Any]:
    async with http.get(f"{server.url()}/_dcc/diagnose", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def test_a_new_server_is_in_order(server: Server, http: aiohttp.ClientSession) -> None:
    found = await diagnosis(http, server)
    assert (found["in_order"], found["warnings"], found["ports"]) == (True, [], server.ports)
    assert found["settings"]["duis.port"] == {"value": 0, "origin": "flag"}
    world = found["worlds"]["default"]
    assert (world["clock"]["mode"], world["storage"]["folder"], world["outbox"]["failing"]) == ("autojump", None, [])


async def test_what_waits_is_told_with_a_remedy(servers: ServerFactory, http: aiohttp.ClientSession, clients: Clients) -> None:
    server = await servers.start({"clock.mode": "paused"})
    api = Api(http, server)
    await api("POST", "/faults", {"kind": "device.silent"})
    await clients(server).send(read_firmware_version(SUPPLIER, ESME))
    found = await diagnosis(http, server)
    told = {each["where"]: each for each in found["warnings"]}
    assert set(told) == {"worlds.default.clock", "worlds.default.faults"}
    assert "time stands still" in told["worlds.default.clock"]["problem"]
    assert "autojump" in told["worlds.default.clock"]["remedy"]
    await api("POST", "/clock/rate", {"rate": 1})
    assert "autojump is off" in (await diagnosis(http, server))["warnings"][0]["problem"]


async def test_endpoints_that_fail_are_told_with_their_last_answer(
    server: Server, http: aiohttp.ClientSession, clients: Clients
) -> None:
    api = Api(http, server)
    await clients(server).send(read_firmware_version(SUPPLIER, ESME))
    await api("POST", "/clock/run-until-idle", {"timeout_ms": 2_000})
    await eventually(lambda: bool(server.worlds["default"].outbox.depth))
    (failing,) = (await diagnosis(http, server))["worlds"]["default"]["outbox"]["failing"]
    assert (failing["user"], failing["held"], failing["url"]) == (USER, 1, "")
    await api("PUT", f"/users/{USER}/endpoint", {"url": "http://127.0.0.1:9/push"})
    outbox = server.worlds["default"].outbox
    await eventually(lambda: any("Client" in str(each["reason"]) for each in outbox.failing()))
    (warning,) = (await diagnosis(http, server))["warnings"]
    assert "http://127.0.0.1:9/push" in warning["remedy"]


async def test_the_data_folder_is_measured(servers: ServerFactory, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    storage = (await diagnosis(http, await servers.start({"storage.folder": str(tmp_path / "data")})))["worlds"]["default"][
        "storage"
    ]
    assert storage["size_bytes"] > 0
    assert storage["free_bytes"] > 0
    assert storage["last_snapshot"]["inputs_since"] == storage["inputs"]


async def test_it_needs_the_token_and_keeps_it(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({"control.token": "a-secret-of-ours"})
    async with http.get(f"{server.url()}/_dcc/diagnose") as answer:
        assert answer.status == 401
    found = await diagnosis(http, server, Authorization="Bearer a-secret-of-ours")
    assert "a-secret-of-ours" not in str(found)
