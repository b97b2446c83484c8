"""A supplier's place at an emulator: its client and endpoint, what it is sent, and simulated time through the control API.

Requests are made and messages taken over HTTP, as any supplier does. After every request and every move the site waits until
nothing is due and no message is under way, so that what a campaign sees does not depend on how fast the machine is.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from emulator.client.control import ControlClient
from emulator.client.decode import decode_payload, payload_of
from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer, ClientError, Rejected
from emulator.client.receiver import Receiver
from emulator.client.session import DuisClient
from emulator.client.signing import CounterSource
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui, parse_eui
from emulator.domain.settings import HOUR_MS
from emulator.domain.vocabulary import DeviceType
from emulator.pki.certificates import read_certificate, read_pem_certificate
from emulator.pki.keystore import KeyStore
from emulator.scenarios.address import LEAD_MS, Address
from emulator.scenarios.messages import Seen, seen
from emulator.scenarios.names import suggest
from emulator.service.server import schema_set

REQUEST_TIMEOUT_S = 120.0
"""Wall time for one request; 50,000 devices and an image make 15 MB."""
STALL_S = 120.0
"""Wall time in which an emulator must make some progress."""
POLL_S = 0.002
"""Wall time between two looks at an emulator that is busy."""
LOOKED_AT = 1_000
"""At how many decisions of the last hour is looked for RequestIDs that are used."""
PAGE = 5_000
"""Devices asked for at a time."""


class Stalled(ClientError):
    """The emulator makes no progress."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A device as the inventory and the estate have it."""

    eui: Eui64
    hub: Eui64 | None
    manufacturer: str
    model: str
    firmware_version: str
    home: str
    region: str
    technology: str
    payment: str = ""
    """How the home pays; empty where nobody asked."""


@dataclass(slots=True)
class Site:
    """One supplier at one world."""

    control: ControlClient
    client: DuisClient
    receiver: Receiver
    keys: KeyStore
    user: Eui64
    now_ms: int = 0
    next_event_ms: int | None = None
    follow: Callable[[int], Awaitable[None]] | None = None
    """Waits for an instant of a clock that others move; without it the site moves time itself."""
    taken: int = 0
    """Pushes looked at so far."""
    _new: list[Seen] = field(default_factory=list)
    _certified: set[Eui64] = field(default_factory=set)

    # Time

    async def settle(self) -> None:
        """Wait until nothing is due and no message is under way, then take in what came."""
        loop = asyncio.get_running_loop()
        last, since_s = -1, loop.time()
        while True:
            clock = await self.control.clock()
            self.now_ms, self.next_event_ms = clock["now_ms"], clock["next_event_ms"]
            if not clock["pushing"] and (self.next_event_ms is None or self.next_event_ms > self.now_ms):
                break
            if len(self.receiver.received) != last:
                last, since_s = len(self.receiver.received), loop.time()
            elif loop.time() - since_s > STALL_S:
                raise Stalled(f"the emulator made no progress within {STALL_S:.0f} s")
            await asyncio.sleep(POLL_S)
        if self.receiver.refused:
            raise BadAnswer(f"a message was not acceptable: {self.receiver.refused[0].reason}")
        received = self.receiver.received
        self._new += [seen(self.user, push) for push in received[self.taken :] if not push.duplicate]
        self.taken = len(received)

    async def advance_to(self, instant_ms: int) -> None:
        """Move time to an instant; one that is past, on a clock that runs by itself, needs no move."""
        if self.follow is not None:
            await self.follow(instant_ms)
            await self.settle()
            return
        while self.now_ms < instant_ms:
            try:
                clock = await self.control.advance(to_ms=instant_ms, timeout_ms=round(STALL_S * 1000))
            except Rejected:
                clock = {**await self.control.clock(), "reached": False}
                if clock["now_ms"] <= self.now_ms:
                    raise
            if not clock["reached"] and clock["now_ms"] <= self.now_ms:
                raise Stalled(f"the emulator's clock did not move within {STALL_S:.0f} s")
            self.now_ms = clock["now_ms"]
        await self.settle()

    def take(self) -> list[Seen]:
        """The messages since the last time, in an order that does not depend on which push came first."""
        found, self._new = sorted(self._new, key=lambda message: message.order), []
        return found

    # What is there

    async def values(self, message: Seen) -> Mapping[str, object]:
        """What the GBCS message in a message says; empty where there is none."""
        payload = payload_of(message.push.message)
        if payload is None:
            return {}
        decoded = decode_payload(payload, self.keys)
        if decoded.values.get("encrypted"):
            for device in message.about - self._certified:
                self._certified.add(device)
                await self._certify(device)
            decoded = decode_payload(payload, self.keys)
        return decoded.values

    async def _certify(self, device: Eui64) -> None:
        found = await self.ask("GET", "certificates", query={"eui": format_eui(device)})
        for entry in found["certificates"]:
            self.keys.add(read_certificate(read_pem_certificate(entry["certificate"].encode())))

    async def fitted(self, device_type: str, *, payment: bool = False) -> list[Fitted]:
        """All devices of a type, in the inventory's order; with ``payment`` how their homes pay, which takes a look at each."""
        found = await self._listed(device_type)
        if not payment:
            return found
        meters = {each.hub: each.eui for each in await self._listed(DeviceType.ESME)}
        known = []
        for each in found:
            meter = each.eui if device_type in (DeviceType.ESME, DeviceType.GSME) else meters.get(each.hub)
            state = {} if meter is None else (await self.control.device(meter))["state"] or {}
            known.append(replace(each, payment=state.get("payment", "")))
        return known

    async def _listed(self, device_type: str) -> list[Fitted]:
        estate = await self.ask("GET", "estate")
        homes = {parse_eui(home["hub"]): home for home in estate["homes"]}
        found: list[Fitted] = []
        while True:
            page = await self.ask("GET", "inventory", query={"type": device_type, "offset": len(found), "limit": PAGE})
            found += [_fitted(entry, homes) for entry in page["devices"]]
            if not page["devices"] or len(found) >= page["count"]:
                return found

    async def add_faults(self, kind: str, entities: Iterable[Eui64], times: int | None) -> list[int]:
        """Plan a fault for each hub or device; the numbers of the faults."""
        found = []
        for eui in entities:
            try:
                found.append(await self.control.add_fault(kind, eui, **({} if times is None else {"times": times})))
            except Rejected as error:
                raise Malformed(error.explanation) from None
        return found

    async def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """A control operation on the world; what it refuses is :class:`Malformed`."""
        try:
            content = await self.control.call(method, f"/control/v1/worlds/{self.control.world}/{path}", **options)
        except Rejected as error:
            raise Malformed(error.explanation, where=path) from None
        found: dict[str, Any] = json.loads(content or b"{}")
        return found


def _fitted(entry: Mapping[str, Any], homes: Mapping[Eui64, Mapping[str, Any]]) -> Fitted:
    hub = None if entry["hub"] is None else parse_eui(entry["hub"])
    home = {} if hub is None else homes.get(hub, {})
    return Fitted(
        eui=parse_eui(entry["device"]),
        hub=hub,
        manufacturer=entry["manufacturer"],
        model=entry["model"],
        firmware_version=entry["firmware_version"],
        home=home.get("name", ""),
        region=home.get("region", "Unknown"),
        technology=home.get("wan_technology", "unknown"),
    )


@asynccontextmanager
async def new_world(server: Address, name: str, estate_toml: str, seed: int, start_ms: int) -> AsyncIterator[str]:
    """A world of its own on a server, its clock standing at ``start_ms``; deleted at the end."""
    world = f"{name.lower()}-{secrets.token_hex(4)}"
    async with ControlClient(server.control, world, token=server.token, tls=server.tls) as control:
        origin = {"name": world, "estate": estate_toml, "seed": seed, "start_ms": start_ms - LEAD_MS}
        try:
            await control.call("POST", "/control/v1/worlds", body=origin)
        except Rejected as error:
            raise Malformed(f"it makes no world for {name}: {error}", where=server.control) from None
        try:
            await control.pause()
            await control.advance(to_ms=start_ms)
            yield world
        finally:
            with suppress(ClientError):
                await control.call("DELETE", f"/control/v1/worlds/{world}")


@asynccontextmanager
async def at_world(
    server: Address, world: str, user: str, follow: Callable[[int], Awaitable[None]] | None = None
) -> AsyncIterator[Site]:
    """A supplier at a world of a server; its pushes come here until the end. ``user`` is a name or an EUI; ``follow`` as in
    :class:`Site`."""
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(ControlClient(server.control, world, token=server.token, tls=server.tls))
        found = {row["name"]: row for row in await control.users()}
        row = found.get(user) or next((each for each in found.values() if each["user"] == user.upper()), None)
        if row is None:
            raise Malformed(f"{user!r} is not a user of the world", where="campaign.by", expected=suggest(user, found))
        eui = parse_eui(row["user"])
        keys = await control.key_store()
        reader = MessageReader(keys, schema_set(None))
        receiver = await stack.enter_async_context(Receiver(reader, server.listen))
        prefix = "" if world == "default" else f"/worlds/{world}"
        site: Site
        client = DuisClient(
            f"{server.duis.rstrip('/')}{prefix}",
            eui,
            keys,
            timeout_s=REQUEST_TIMEOUT_S,
            reader=reader,
            counters=CounterSource(lambda: site.now_ms),
            tls=server.tls,
        )
        client.counters.last = await _last_counter(control, eui)
        site = Site(control, await stack.enter_async_context(client), receiver, keys, eui, follow=follow)
        before = await control.endpoint(eui)
        await control.set_endpoint(eui, receiver.url, floor_ms=0)
        try:
            await site.settle()
            yield site
        finally:
            with suppress(ClientError):
                await control.set_endpoint(eui, before["url"], before["floor_ms"])


async def _last_counter(control: ControlClient, user: Eui64) -> int:
    """The greatest counter that an earlier campaign of the user can have come to by now, or 0: its RequestIDs are used."""
    now_ms = int((await control.clock())["now_ms"])
    decided = await control.audit(user=format_eui(user), from_ms=max(0, now_ms - HOUR_MS), newest_first=True, limit=LOOKED_AT)
    used = [each["entry"].get("request_id") for each in decided]
    counters = [found.counter for found in map(RequestId.parse, filter(None, used)) if found.originator == user]
    return max((each for each in counters if each < now_ms + HOUR_MS), default=0)
