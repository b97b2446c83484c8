"""The running side of a scenario: its world, the users with their clients and endpoints, and simulated time under control.

The world's clock stands; only steps move it. After every request and every move the stage waits until nothing is due and no
message is under way, so that what a step sees does not depend on how fast the machine is. Counters of RequestIDs come from
simulated time. Thus a file and a seed give the same octets.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.client.control import ControlClient
from emulator.client.decode import Decoded, decode_payload, payload_of
from emulator.client.errors import ClientError, Rejected
from emulator.client.receiver import Receiver
from emulator.client.session import DuisClient, Exchange
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.duis.datetimes import format_datetime
from emulator.ota.image import OtaImage
from emulator.pki.certificates import read_certificate, read_pem_certificate
from emulator.pki.keystore import KeyStore
from emulator.scenarios.messages import Seen, seen
from emulator.scenarios.names import Names
from emulator.scenarios.report import Failure

if TYPE_CHECKING:
    from emulator.scenarios.rehearsal import Rehearsal

SETTLE_S = 60.0
"""Wall time within which an emulator must have done what is due and delivered its messages."""
POLL_S = 0.001
"""Wall time between two looks at an emulator that is still busy."""
LAST_MESSAGES = 8
"""How many messages a failure shows."""


class NotSettled(ClientError):
    """The emulator did not come to rest."""


@dataclass(slots=True)
class Actor:
    """A DUIS user: its client and its endpoint."""

    eui: Eui64
    client: DuisClient
    receiver: Receiver
    taken: int = 0
    """Pushes looked at so far."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that a step sent and named."""

    request_id: RequestId
    user: Eui64
    at_ms: int
    local: bytes | None = None
    """The Command that its answer handed out for local delivery."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An OTA file that a step made."""

    image: OtaImage
    octets: bytes
    """As it is sent; tampering may have changed it."""
    device_type: DeviceType
    manufacturer: str
    model: str

    @property
    def hash(self) -> str:
        """SHA-256 of the Manufacturer Image as it was before any tampering."""
        return self.image.manufacturer_image_hash.hex()


@dataclass(slots=True)
class Stage:
    """Everything that steps act on."""

    control: ControlClient
    names: Names
    keys: KeyStore
    folder: Path
    """What files named in the scenario are relative to."""
    start_ms: int
    now_ms: int
    actors: dict[Eui64, Actor] = field(default_factory=dict)
    images: dict[str, BuiltImage] = field(default_factory=dict)
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    """Requests by the name of their step."""
    faults: dict[str, list[int]] = field(default_factory=dict)
    grants: dict[str, int] = field(default_factory=dict)
    """Numbers of grants by the name of their step."""
    answers: dict[str, bytes | None] = field(default_factory=dict)
    """What devices answered to Commands that were delivered by hand, by the name of the step that sent them."""
    campaigns: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Results of campaigns by the name of the step that ran them."""
    instants: dict[str, int] = field(default_factory=dict)
    """When each named step began."""
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[Seen] = field(default_factory=list)
    """Every message so far."""
    pending: list[Seen] = field(default_factory=list)
    """Messages that no expectation has accounted for."""
    failures: list[Failure] = field(default_factory=list)
    """Of the step that is being carried out."""
    rehearsal: "Rehearsal | None" = None
    """The run itself, for steps that look at it."""
    authority: bytes = b""
    """DER of who issues certificates to organisations; empty until it was asked for."""
    awaited: int = 0
    next_event_ms: int | None = None
    _certified: set[Eui64] = field(default_factory=set)

    # Judging

    def verify(self, what: str, expected: object, seen: object, *, about: Eui64 | None = None) -> bool:
        """Note a failure unless the two values are equal."""
        if expected == seen:
            return True
        self.fail(what, expected, seen, about=about)
        return False

    def fail(self, what: str, expected: object, seen: object, *, about: Eui64 | None = None) -> None:
        """Note that something is not as the file says, with the last messages that bear on it."""
        bearing = [each for each in self.messages if about is None or about in each.about or about == each.to]
        lines = tuple(self.line(each) for each in sorted(bearing, key=lambda each: each.order)[-LAST_MESSAGES:])
        self.failures.append(Failure(what, expected, seen, lines))

    def line(self, message: Seen) -> str:
        """A message in one line."""
        kind = f"{message.kind} {message.code}"
        if message.body is not None and message.body.name != "GBCSPayload":
            kind += f" {message.body.name}"
        about = ", ".join(sorted(self.names.shown(eui) for eui in message.about))
        request = self.step_of(message.requests)
        return (
            f"{format_datetime(message.at_ms)} to {self.names.shown(message.to)}: {kind}"
            + (f" about {about}" if about else "")
            + (f", for {request!r}" if request else "")
        )

    def step_of(self, requests: frozenset[RequestId]) -> str:
        """The name of the step that sent one of the requests; empty when none did."""
        return next((name for name, all_sent in self.sent.items() for sent in all_sent if sent.request_id in requests), "")

    # Time

    async def settle(self) -> None:
        """Wait until nothing is due and no message is under way, then take in what came."""
        try:
            async with asyncio.timeout(SETTLE_S):
                while not await self._at_rest():  # noqa: ASYNC110 (the other side is a server)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise NotSettled(f"the emulator is still busy after {SETTLE_S:.0f} s at {format_datetime(self.now_ms)}") from None
        for actor in self.actors.values():
            received = actor.receiver.received
            while actor.taken < len(received):
                push = received[actor.taken]
                actor.taken += 1
                if not push.duplicate:
                    message = seen(actor.eui, push)
                    self.messages.append(message)
                    self.pending.append(message)
            for refused in actor.receiver.refused:
                self.fail(f"message to {self.names.shown(actor.eui)}", "one that its endpoint can accept", refused.reason)
            actor.receiver.refused.clear()

    async def _at_rest(self) -> bool:
        clock = await self.control.clock()
        self.now_ms, self.awaited, self.next_event_ms = clock["now_ms"], clock["awaited"], clock["next_event_ms"]
        return not clock["pushing"] and (self.next_event_ms is None or self.next_event_ms > self.now_ms)

    async def advance_to(self, instant_ms: int) -> None:
        """Move time to an instant; raise :class:`Malformed` when it is past."""
        if instant_ms < self.now_ms:
            detail = f"{format_datetime(instant_ms)} is past: it is {format_datetime(self.now_ms)} by then"
            raise Malformed(detail, expected="a later instant")
        clock = await self.control.advance(to_ms=instant_ms, timeout_ms=round(SETTLE_S * 1000))
        if not clock["reached"]:
            raise NotSettled(f"the emulator did not reach {format_datetime(instant_ms)} within {SETTLE_S:.0f} s")
        await self.settle()

    async def run_until(self, holds: Callable[[], Awaitable[bool]], limit_ms: int) -> bool:
        """Go from one event to the next until ``holds``; False, and time is at ``limit_ms``, when it does not come by then."""
        while not await holds():
            due_ms = self.next_event_ms
            if due_ms is None or due_ms > limit_ms:
                await self.advance_to(limit_ms)
                return await holds()
            await self.advance_to(due_ms)
        return True

    async def idle(self) -> bool:
        """Whether nobody waits for anything that takes simulated time."""
        return self.awaited == 0

    # The emulator

    async def command(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A control operation on the scenario's world; what it refuses is :class:`Malformed`."""
        try:
            answer = await self._ask(method, path, body=body)
        except Rejected as error:
            raise Malformed(error.explanation) from None
        await self.settle()
        return answer

    async def tried(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """The same, for an operation that may be refused: why it is, or nothing."""
        try:
            await self._ask(method, path, body=body)
        except Rejected as error:
            return error.explanation
        await self.settle()
        return ""

    async def look(self, path: str, **query: Any) -> dict[str, Any]:
        """A description of something in the scenario's world; what is not there is :class:`Malformed`."""
        try:
            return await self._ask("GET", path, query=query)
        except Rejected as error:
            raise Malformed(error.explanation) from None

    async def decode(self, message: Seen) -> Decoded | None:
        """The GBCS message in a message, checked with the keys of all concerned; None where there is none."""
        payload = payload_of(message.push.message)
        if payload is None:
            return None
        for device in message.about:
            await self.certify(device)
        return decode_payload(payload, self.keys)

    async def certify(self, device: Eui64) -> None:
        """Add the certificates of a device to the key store, once."""
        if device not in self._certified:
            self._certified.add(device)
            found = await self._ask("GET", "certificates", query={"eui": format_eui(device)})
            for entry in found["certificates"]:
                self.keys.add(read_certificate(read_pem_certificate(entry["certificate"].encode())))

    async def learn_authority(self) -> None:
        """Ask who issues certificates to organisations, once."""
        if not self.authority:
            found = await self._ask("GET", "certificates/authorities")
            self.authority = read_pem_certificate(found["organisations"].encode())

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        content = await self.control.call(method, f"/control/v1/worlds/{self.control.world}/{path}", **options)
        found: dict[str, Any] = json.loads(content or b"{}")
        return found
