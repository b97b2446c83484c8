"""An emulator in a thread of this process, reached over HTTP like any other."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from emulator.campaigns.hosting import EXTENSIONS
from emulator.client.blocking import BlockingClient
from emulator.client.control import ControlClient
from emulator.client.keys import fetch_key_store
from emulator.domain.identifiers import Eui64
from emulator.pki.keystore import KeyStore
from emulator.service.config import LoadedSettings, load_settings
from emulator.service.server import running_server

T = TypeVar("T")

FOR_TESTS: Mapping[str, object] = {
    "duis.port": 0,
    "smki.port": 0,
    "control.port": 0,
    "clock.mode": "autojump",
    "clock.start": "estate",
    "outbox.push_floor_ms": 0,
    "log.level": "error",
}
"""Free ports, a fixed epoch, time that jumps while somebody waits, and no wait before a push: our client correlates at once."""


@dataclass(frozen=True, slots=True)
class RunningEmulator:
    """Where its services are, and clients for them."""

    duis: str
    smki: str
    control: str

    def keys(self) -> KeyStore:
        """The organisations' certificates and test keys."""
        return asyncio.run(fetch_key_store(self.smki))

    def client(self, user: Eui64, keys: KeyStore | None = None) -> BlockingClient:
        """A user with an endpoint; tell the emulator of it with :meth:`connect`."""
        return BlockingClient(self.duis, user, keys or self.keys())

    def connect(self, user: Eui64, client: BlockingClient) -> None:
        """Let the user's pushes go to the client's endpoint."""
        self.ask(lambda control: control.set_endpoint(user, client.endpoint))

    @contextmanager
    def fault(self, kind: str, device: Eui64 | None = None, **options: Any) -> Iterator[int]:
        """A fault for the time of a ``with`` block; ``options`` are the further keys of a fault (docs/reference/faults.md).

        Gives its number. Raises :class:`~emulator.client.errors.Rejected` with the remedy when it cannot be planned.
        """
        number = self.ask(lambda control: control.add_fault(kind, device, **options))
        try:
            yield number
        finally:
            self.ask(lambda control: control.remove_fault(number))

    def ask(self, question: Callable[[ControlClient], Awaitable[T]], world: str = "default", token: str = "") -> T:
        """Put a question to the control service."""

        async def run() -> T:
            async with ControlClient(self.control, world, token=token) as client:
                return await question(client)

        return asyncio.run(run())


@contextmanager
def running_emulator(settings: Mapping[str, object] | None = None) -> Iterator[RunningEmulator]:
    """An emulator for the time of a ``with`` block; ``settings`` by dotted key are added to :data:`FOR_TESTS`.

    Raises what the start raises.
    """
    loaded = load_settings(env={}, flags={**FOR_TESTS, **(settings or {})})
    started: Future[RunningEmulator] = Future()
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(_live(loaded, started, stopping)), name="dcc-emulator", daemon=True
    )
    thread.start()
    try:
        yield started.result()
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


async def _live(loaded: LoadedSettings, started: "Future[RunningEmulator]", stopping: asyncio.Event) -> None:
    try:
        async with running_server(loaded, EXTENSIONS) as server:
            started.set_result(RunningEmulator(server.url("duis"), server.url("smki"), server.url("control")))
            await stopping.wait()
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)
