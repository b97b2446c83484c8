"""``python -m emulator.service.edge_process LISTENER LINK``: a process that takes requests for the one that has the worlds.

It does what needs nobody else: HTTP, XML, schema, signature, decoding; and signing. What it establishes it hands over with the
body; the other process decides, logs and writes the answer, and says with which key it is to be signed. It knows the certificates
that it was told of, under the number of the registry's content, and hands over unread what was signed with another. It never
starts on its own and ends with the process that started it.
"""

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import WebService
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy, SigningCertificate
from emulator.listening import SocketSite
from emulator.service.answering import Reply
from emulator.service.collecting import keep_out_of_collections
from emulator.service.config import Settings
from emulator.service.duis_connections import DuisRunner
from emulator.service.edge import Draft, decode, parse, validate, verify
from emulator.service.edge_link import HeldKeys, Link, Parts, refusal_parts, reply_of, request_parts
from emulator.service.logs import configure_logs
from emulator.service.tls import listener_context
from emulator.service.together import Together

SIGNATURE_ALONE = SignaturePolicy(check_role=False, check_dates=False, check_chain=False)
"""What is asked here; the process with the worlds asks the rest of every certificate, every time."""
_FOREVER_MS = 2**62
NOT_FOUND = 404
AT_ONCE = 24
"""Requests read, at most, before they are handed over: the other process is to have work while this one reads the next."""


class KnownCertificates:
    """The certificates of one world that this process was told of, of one edition of its registry."""

    def __init__(self, edition: int) -> None:
        self.edition = edition
        self._found: dict[tuple[str, int], SigningCertificate] = {}

    def learn(self, issuer: str, serial: int, eui: int, public_key: bytes) -> None:
        """One more."""
        key = load_der_public_key(public_key)
        assert isinstance(key, EllipticCurvePublicKey)
        self._found[issuer, serial] = SigningCertificate(Eui64(eui), 0, serial, issuer, key, 0, _FOREVER_MS, False, True)

    def find_signing(self, issuer: str, serial: int) -> SigningCertificate | None:
        """The certificate, or None, which says nothing about it."""
        return self._found.get((issuer, serial))


class EdgeProcess:
    """Everything in this process."""

    def __init__(self) -> None:
        self.link = Link(self._take, self._over)
        self._stopping = asyncio.Event()
        self._greeted: asyncio.Future[Settings] = asyncio.get_running_loop().create_future()
        self._together: Together[Draft] | None = None
        self._offload_bytes = 0
        self._known: dict[str | None, KnownCertificates] = {}
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._keys = HeldKeys()
        self._number = 0

    async def run(self, listener: socket.socket, link: socket.socket) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.link, sock=link)
        settings = await self._greeted
        configure_logs(settings.log)
        schemas = SchemaSet(settings.schemas.folder)
        self._together = Together(parse, partial(validate, schemas=schemas), verify, decode, at_once=AT_ONCE)
        self._offload_bytes = settings.duis.offload_bytes
        runner = DuisRunner(self, settings.duis, stop_timeout_ms=settings.stop_timeout_ms)
        await runner.setup()
        tls = listener_context(settings.tls) if "duis" in settings.tls.listeners else None
        await SocketSite(runner, listener, ssl_context=tls).start()
        self.link.send(("ready",))
        warming = asyncio.create_task(asyncio.to_thread(schemas.warm))
        warming.add_done_callback(lambda _: keep_out_of_collections())
        await self._stopping.wait()
        await runner.cleanup()
        await asyncio.gather(warming, return_exceptions=True)

    def _take(self, messages: list[Any]) -> None:
        for message in messages:
            if message[0] == "settings":
                self._greeted.set_result(Settings.model_validate(message[1]))
            elif message[0] == "stop":
                self._stopping.set()
            else:
                self._take_reply(*message)

    def _take_reply(self, number: int, world: str | None, reply: Parts, signing: Parts | None, taught: Parts | None) -> None:
        if taught is not None:
            edition, *certificate = taught
            known = self._known.get(world)
            if known is None or known.edition != edition:
                known = self._known[world] = KnownCertificates(edition)
            known.learn(*certificate)
        key = None if signing is None else self._keys.take(signing)
        waiting = self._waiting.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply_of(reply, key))

    def _over(self) -> None:
        """Nobody is left to answer for; connections end with the process, so that clients see it at once."""
        os._exit(1)

    async def knows(self, name: str | None) -> bool:
        """Whether the process with the worlds has this one."""
        return (await self._asked(name)).status != NOT_FOUND

    async def answer(self, name: str | None, service: WebService, body: bytes, operator: str) -> Reply:
        """The answer of the process with the worlds."""
        return await self._asked(name, service.value, body, operator, await self._read(name, body))

    async def _asked(self, world: str | None, *message: Any) -> Reply:
        self._number = number = self._number + 1
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self.link.send((number, world, *message))
        return await waiting

    async def _read(self, world: str | None, body: bytes) -> Parts | None:
        """What can be said of a body here: why it is no valid document, or which request it is; None is nothing."""
        if len(body) > self._offload_bytes:
            return None
        assert self._together is not None
        known = self._known.get(world)
        draft = Draft(body, known, SIGNATURE_ALONE, 0)
        await self._together(draft)
        if draft.refusal is not None and not draft.valid:
            return refusal_parts(draft.refusal)
        if known is None or draft.request is None or draft.signer is None:
            return None
        return known.edition, draft.signer.issuer, draft.signer.serial, request_parts(draft.request)


def main() -> None:
    """Serve on the inherited sockets whose numbers are given."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the process with the worlds says when to stop
    listener, link = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])

    async def serve() -> None:
        await EdgeProcess().run(listener, link)

    asyncio.run(serve())
    os._exit(0)  # the end of the link is no accident any more


if __name__ == "__main__":
    main()
