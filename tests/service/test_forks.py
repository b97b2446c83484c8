"""Worlds that begin where another is, and worlds that go back."""

from emulator.client.control import ControlClient
from emulator.client.requests import read_firmware_version
from emulator.domain.identifiers import format_eui
from tests.service.conftest import ESME, SUPPLIER, USER, Api, Clients, Endpoints, ServerFactory


async def test_a_fork_begins_where_its_source_is_and_goes_its_own_way(api: Api, clients: Clients) -> None:
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    async with ControlClient(api.server.url()) as source, ControlClient(api.server.url(), "what-if") as other:
        await source.pause()
        made = await source.fork("what-if")
        assert made["now_ms"] == (await source.clock())["now_ms"]
        assert (await other.clock())["mode"] == "paused", "it stands still as its source does"
        before = await source.digest()
        await other.set_power(ESME, False)
        assert await source.digest() == before
        twins = [await source.fork(f"twin-{number}") for number in (1, 2)]
        assert twins[0]["now_ms"] == twins[1]["now_ms"]
        digests = []
        for number in (1, 2):
            async with ControlClient(api.server.url(), f"twin-{number}") as twin:
                assert await twin.run_until_idle()
                digests.append(await twin.digest())
                assert await twin.transactions() == await twin.transactions()
        assert digests[0] == digests[1], "the same future from the same moment"


async def test_a_fork_keeps_its_messages_to_itself(api: Api, clients: Clients, endpoints: Endpoints) -> None:
    there = await endpoints(204).open()
    await api.ok("PUT", f"/users/{USER}/endpoint", {"url": there.url})
    await api.ok("POST", "/clock/pause")
    await clients(api.server).send(read_firmware_version(SUPPLIER, ESME))
    await api.ok("POST", "/fork", {"name": "silent"})
    fork = Api(api.http, api.server, "silent")
    await fork.ok("POST", "/clock/run-until-idle", {})
    assert (await fork.ok("GET", "/outbox"))["counts"]["queued"] == 1
    assert not there.taken
    await fork.ok("GET", "/audit/verify")


async def test_a_world_goes_back_to_a_kept_snapshot(api: Api, clients: Clients) -> None:
    await api.ok("POST", "/clock/pause")
    await api.ok("POST", "/snapshot", {"name": "before"})
    digest = (await api.ok("GET", "/digest"))["digest"]
    await api.ok("PUT", f"/devices/{format_eui(ESME)}/power", {"on": False})
    await api.ok("POST", "/clock/advance", {"by_ms": 86_400_000})
    for _ in range(2):
        back = await api.ok("POST", "/restore", {"snapshot": "before"})
        assert (await api.ok("GET", f"/devices/{format_eui(ESME)}"))["state"]["powered"] is True
        assert (await api.ok("GET", "/clock"))["now_ms"] == back["now_ms"]
    assert [each["name"] for each in (await api.ok("GET", "/snapshots"))["snapshots"]] == ["before"]
    assert digest
    status, problem = await api("POST", "/restore", {"snapshot": "after"})
    assert status == 404
    assert "before" in problem["expected"]


async def test_forks_outlive_the_process(servers: ServerFactory, tmp_path: object) -> None:
    flags = {"storage.folder": str(tmp_path)}
    server = await servers.start(flags)
    async with ControlClient(server.url()) as control, ControlClient(server.url(), "kept") as fork:
        await control.pause()
        await control.set_power(ESME, False)
        await control.fork("kept")
        await fork.advance(by_ms=3_600_000)
        digest = await fork.digest()
    await server.stop()
    again = await servers.start({**flags, "worlds.names": ["default", "kept"]})
    async with ControlClient(again.url(), "kept") as fork:
        assert await fork.digest() == digest
