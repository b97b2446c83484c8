"""A server as a process: ports, ready file, signals, and what it says when it cannot start."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from emulator.domain.errors import EmulatorError, Malformed
from emulator.service.config import load_settings, parse_assignments
from emulator.service.server import running_server
from tests.service.conftest import FREE_PORTS, eventually


class Process:
    """``python -m emulator.service`` with free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *settings: str) -> "Process":
        arguments = [f"{name}=0" for name in FREE_PORTS]
        arguments += ["log.format=json", f"ready_file={self.ready_file}", *settings]
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulator.service"),
            *(part for argument in arguments for part in ("--set", argument)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith("DCC_")},
        )
        return self

    async def ready(self) -> dict[str, object]:
        """What it says on stdout when it is."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 120)
        return json.loads(line)  # type: ignore[no-any-return]

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; exit status and stderr."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        _, errors = await asyncio.wait_for(self.process.communicate(), 120)
        return self.process.returncode or 0, errors.decode()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    made = Process(tmp_path)
    yield made
    if made.process is not None and made.process.returncode is None:
        made.process.kill()
        await made.process.communicate()


async def test_the_chosen_ports_are_on_stdout_and_in_the_ready_file(process: Process, http: aiohttp.ClientSession) -> None:
    await process.start()
    said = await process.ready()
    assert json.loads(process.ready_file.read_text()) == said
    ports = said["ports"]
    assert isinstance(ports, dict)
    assert set(ports) == {"duis", "smki", "control"}
    assert all(port > 0 for port in ports.values())
    async with http.get(f"{said['control']}/_dcc/ready") as answer:
        assert answer.status == 200
    async with http.get(f"{said['smki']}/assets/crypto/org-crypto.zip") as answer:
        assert answer.status == 200
    status, errors = await process.end()
    assert status == 0, errors
    assert not process.ready_file.exists(), "it is ready no more"


async def test_a_graceful_stop_writes_a_snapshot(process: Process, tmp_path: Path) -> None:
    await process.start(f"storage.folder={tmp_path / 'data'}")
    await process.ready()
    status, errors = await process.end(signal.SIGINT)
    assert status == 0, errors
    assert "Traceback" not in errors
    snapshots = tmp_path / "data" / "worlds" / "default" / "snapshots"
    assert len(list(snapshots.iterdir())) == 1, "the one of the beginning is the one of the end: nothing happened"


async def test_a_second_process_on_the_same_folder_is_refused(process: Process, tmp_path: Path) -> None:
    folder = f"storage.folder={tmp_path / 'data'}"
    await process.start(folder)
    await process.ready()
    (tmp_path / "second").mkdir()
    second = await Process(tmp_path / "second").start(folder)
    status, errors = await second.end(0)
    assert status == 2
    assert process.process is not None
    assert f"in use by process {process.process.pid}" in errors
    assert "Traceback" not in errors
    await process.end()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("duis.prt=1", "unknown setting 'duis.prt'"),
        ("duis.port=x", "duis.port"),
        ("worlds.estate=absent.toml", "cannot be read"),
        ("schemas.folder=/nonexistent", "schema"),
        ("keys.import_from=absent.json", "cannot be read"),
        ("clock.rate=fast", "is not a rate"),
        ("worlds.names=Default", "cannot name a world"),
        ("storage.folder=/dev/null/x", "cannot be used"),
        ("duis.host=192.0.2.77", "192.0.2.77"),
        ("outbox.allowed_hosts=a, ", "allowed host is empty"),
    ],
)
async def test_a_start_that_cannot_be_is_explained(setting: str, says: str) -> None:
    with pytest.raises((EmulatorError, OSError), match=says):
        async with running_server(load_settings(env={}, flags={**FREE_PORTS, **parse_assignments([setting])})):
            pass


async def test_the_explanation_is_one_line_on_stderr(process: Process) -> None:
    await process.start("worlds.estate=absent.toml")
    status, errors = await process.end(0)
    assert status == 2
    assert (
        errors
        == "error: absent.toml: cannot be read: [Errno 2] No such file or directory: 'absent.toml'; expected a TOML estate\n"
    )


async def test_a_port_that_is_taken_is_refused(process: Process, http: aiohttp.ClientSession) -> None:
    await process.start()
    ports = (await process.ready())["ports"]
    assert isinstance(ports, dict)
    with pytest.raises(OSError, match="address already in use"):
        async with running_server(load_settings(env={}, flags={**FREE_PORTS, "smki.port": ports["smki"]})):
            pass
    await process.end()


async def test_what_could_not_start_holds_nothing(tmp_path: Path) -> None:
    flags = {**FREE_PORTS, "storage.folder": tmp_path / "data"}
    with pytest.raises(Malformed):
        async with running_server(load_settings(env={}, flags={**flags, "clock.rate": "fast"})):
            pass
    async with running_server(load_settings(env={}, flags=flags)) as server:
        assert server.worlds["default"].state == "ready"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_the_ready_file_must_be_writable(process: Process, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process.ready_file = tmp_path / "file" / "ready.json"
    await process.start()
    status, errors = await process.end(0)
    assert status == 2
    assert "ready file" in errors


async def test_health_answers_while_worlds_start(
    tmp_path: Path, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.service.hosted import HostedWorld

    gate, start = asyncio.Event(), HostedWorld.start

    async def slow(self: HostedWorld, *from_what: object) -> None:
        await gate.wait()
        await start(self)

    monkeypatch.setattr(HostedWorld, "start", slow)
    from emulator.service.server import Server

    server = Server(load_settings(env={}, flags=FREE_PORTS))
    starting = asyncio.create_task(server.start())
    await eventually(lambda: "smki" in server.ports)
    async with http.get(f"{server.url()}/_dcc/health") as answer:
        assert answer.status == 200
    async with http.get(f"{server.url()}/_dcc/ready") as answer:
        assert (answer.status, (await answer.json())["worlds"]) == (503, {"default": "world default is starting"})
    async with http.post(
        f"{server.url('duis')}/api/v1/serviceD", data=b"<x/>", headers={"Content-Type": "application/xml"}
    ) as answer:
        assert answer.status == 503
    async with http.get(f"{server.url()}/control/v1/worlds/default/clock") as answer:
        assert answer.status == 503
    async with http.get(f"{server.url()}/control/v1/worlds/default") as answer:
        assert (await answer.json())["state"] == "starting"
    gate.set()
    await starting
    async with http.get(f"{server.url()}/_dcc/ready") as answer:
        assert answer.status == 200
    await server.stop()


async def test_a_data_folder_keeps_every_world_it_has(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    flags = {**FREE_PORTS, "storage.folder": tmp_path / "data"}
    async with (
        running_server(load_settings(env={}, flags=flags)) as server,
        http.post(f"{server.url()}/control/v1/worlds", json={"name": "second", "seed": 3}) as answer,
    ):
        assert answer.status == 201
    async with running_server(load_settings(env={}, flags=flags)) as server:
        assert sorted(server.worlds) == ["default", "second"]
        assert server.worlds["second"].world.estate.seed == 3
