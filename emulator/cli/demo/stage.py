"""Everything the demo plays with: an emulator in this process, reached over HTTP alone, and the users with their endpoints."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulator.cli.demo.ledger import DemoFailed
from emulator.cli.demo.transcript import Transcript
from emulator.client.control import ControlClient
from emulator.client.decode import Decoded, decode_payload, payload_of
from emulator.client.documents import MessageReader
from emulator.client.errors import NothingCame
from emulator.client.keys import fetch_key_store
from emulator.client.receiver import Received, Receiver
from emulator.client.session import DuisClient
from emulator.client.smki import SmkiClient
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.duis.messages import DccAlert, DeviceAlert, Element
from emulator.pki.keystore import KeyStore
from emulator.service.config import load_settings
from emulator.service.server import Server, running_server

PUSH_TIMEOUT_S = 20.0
"""Wall time within which an expected push must come; simulated time takes none."""


@dataclass(slots=True)
class Actor:
    """A DUIS user: its client and its endpoint."""

    eui: Eui64
    client: DuisClient
    receiver: Receiver


@dataclass(slots=True)
class Stage:
    """The emulator and the users."""

    control: ControlClient
    keys: KeyStore
    actors: dict[Eui64, Actor] = field(default_factory=dict)

    async def push(self, user: Eui64, predicate: Callable[[Received], bool], what: str) -> Received:
        """The push to a user that ``what`` names; :class:`DemoFailed` when it does not come."""
        receiver = self.actors[user].receiver
        try:
            return await receiver.wait_for(predicate, PUSH_TIMEOUT_S)
        except NothingCame as error:
            raise DemoFailed(f"{what} did not come: {error}") from error

    async def answer(self, user: Eui64, request_id: RequestId, what: str) -> Received:
        """The push that answers a request."""
        return await self.push(user, lambda push: push.request_id == request_id, what)

    async def dcc_alert(self, user: Eui64, body: str, names: Callable[[Element], bool], what: str) -> DccAlert:
        """The DCC Alert with this body about what ``names`` says."""

        def matches(push: Received) -> bool:
            alert = push.message
            return isinstance(alert, DccAlert) and alert.body.name == body and names(alert.body)

        found = (await self.push(user, matches, what)).message
        assert isinstance(found, DccAlert)
        return found

    async def device_alert(self, user: Eui64, device: Eui64, code: int, what: str) -> tuple[DeviceAlert, Decoded]:
        """The alert of a device with this code, decoded and checked."""

        def matches(push: Received) -> bool:
            alert = push.message
            return (
                isinstance(alert, DeviceAlert) and alert.alert_code == code and alert.response_id.startswith(format_eui(device))
            )

        found = (await self.push(user, matches, what)).message
        assert isinstance(found, DeviceAlert)
        return found, decode_payload(found.gbcs_payload, self.keys)

    def decode(self, push: Received) -> Decoded:
        """The GBCS message of a push, checked with the keys at hand."""
        payload = payload_of(push.message)
        if payload is None:
            raise DemoFailed(f"the message with RequestID {push.request_id} holds no GBCS message")
        return decode_payload(payload, self.keys)


@asynccontextmanager
async def emulator_server(folder: Path | None, keys: Path | None = None) -> AsyncIterator[Server]:
    """An emulator on free ports with a fixed seed and epoch, on time that jumps while somebody waits."""
    flags: dict[str, object] = {
        "duis.port": 0,
        "smki.port": 0,
        "control.port": 0,
        "clock.mode": "autojump",
        "clock.start": "estate",
        "outbox.push_floor_ms": 0,
    }
    if folder is not None:
        flags["storage.folder"] = folder
    if keys is not None:
        flags["keys.import_from"] = keys
    async with running_server(load_settings(env={}, flags=flags)) as server:
        yield server


@asynccontextmanager
async def set_stage(server: Server, users: set[Eui64], devices: list[Eui64], transcript: Transcript) -> AsyncIterator[Stage]:
    """Give the users their keys, the devices' certificates, clients and endpoints."""
    async with AsyncExitStack() as stack:
        keys = await fetch_key_store(server.url("smki"))
        smki = await stack.enter_async_context(SmkiClient(server.url("smki"), keys))
        for device in devices:
            if len(await smki.fetch(device)) != 2:
                raise DemoFailed(f"the SMKI repository does not have the two certificates of {format_eui(device)}")
        stage = Stage(await stack.enter_async_context(ControlClient(server.url())), keys)
        reader = MessageReader(keys)
        for user in sorted(users):
            receiver = Receiver(reader, observer=lambda push, user=user: transcript.push(user, push))  # type: ignore[misc]
            await stack.enter_async_context(receiver)
            client = DuisClient(
                server.url("duis"),
                user,
                keys,
                reader=reader,
                observer=lambda exchange, user=user: transcript.exchange(user, exchange),  # type: ignore[misc]
            )
            stage.actors[user] = Actor(user, await stack.enter_async_context(client), receiver)
            await stage.control.set_endpoint(user, receiver.url)
        yield stage
