"""One emulator for all tests of a process, a world of it for every test that changes one."""

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import aiohttp
import pytest

from emulator.client.control import ControlClient
from emulator.client.documents import MessageReader
from emulator.client.keys import key_store_of
from emulator.duis.schema import SchemaSet
from emulator.pki.formats import read_keystore_json
from emulator.pki.keystore import KeyStore
from tests.duis.parties import SR
from tests.http.running import Emulator, emulator_process
from tests.http.side import Side

_NUMBERS = itertools.count(1)

MakeSide = Callable[..., Awaitable[Side]]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator in memory."""
    with emulator_process(tmp_path_factory.mktemp("emulator")) as running:
        wait_until_it_explains(running)
        yield running


def wait_until_it_explains(running: Emulator) -> None:
    """For the first moments the declarations of the schema are still being read, and refusals are terser."""
    document = f'<sr:Request xmlns:sr="{SR}" schemaVersion="new"/>'.encode()
    request = Request(f"{running.url('duis')}/api/v1/serviceD", document, {"Content-Type": "application/xml"})
    for _ in range(3_000):
        try:
            urlopen(request)
        except HTTPError as refused:
            with refused:
                if b"expected: " in refused.read():
                    return
        time.sleep(0.02)
    pytest.fail("refusals are not explained")


@pytest.fixture
def emulators(tmp_path: Path) -> Iterator[Callable[..., Emulator]]:
    """Starts emulators with settings of their own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(emulator_process(tmp_path, **settings))


@pytest.fixture(scope="session")
def keys(emulator: Emulator) -> KeyStore:
    """All keys of a world, as the control API hands them out; all worlds of one seed have the same."""
    with urlopen(f"{emulator.url('control')}/control/v1/worlds/default/keys/keystore.json?devices=true") as answer:
        return key_store_of(read_keystore_json(answer.read()))


@pytest.fixture(scope="session")
def schemas() -> SchemaSet:
    """The project's schemas, compiled once."""
    return SchemaSet()


@pytest.fixture
async def sides(keys: KeyStore, schemas: SchemaSet) -> AsyncIterator[MakeSide]:
    """Gives the user's side of a world, which is made if it is not there yet: ``await sides(emulator, "name")``."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))

        async def make(running: Emulator, name: str = "default", **origin: object) -> Side:
            control = await stack.enter_async_context(ControlClient(running.url("control"), name))
            if name != "default":
                await control.call("POST", "/control/v1/worlds", body={"name": name, **origin})
                stack.push_async_callback(_drop, running, control)
            return Side(running, name, http, control, keys, MessageReader(keys, schemas))

        yield make


async def _drop(running: Emulator, control: ControlClient) -> None:
    if running.process.poll() is None:
        await control.call("DELETE", f"/control/v1/worlds/{control.world}")


@pytest.fixture
async def default(emulator: Emulator, sides: MakeSide) -> Side:
    """The world that all tests share: for what changes nothing."""
    return await sides(emulator)


@pytest.fixture
async def side(emulator: Emulator, sides: MakeSide) -> Side:
    """A world of one's own."""
    return await sides(emulator, f"test-{next(_NUMBERS)}")
