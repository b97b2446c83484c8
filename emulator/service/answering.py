"""The way of one DUIS request through the service: edge, pump, log, and only then the answer."""

import asyncio
import time
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from emulator.domain.errors import Refusal
from emulator.domain.vocabulary import WebService
from emulator.dsp.firmware import named_devices
from emulator.dsp.inputs import DuisInput
from emulator.service.deciding import Exchange
from emulator.service.edge import Reading
from emulator.service.hosted import HostedWorld
from emulator.service.persistence.contract import Body, StorageFailed
from emulator.service.transport_faults import UNSPOILT, AnswerFaults

PLANNED = "the service is not available: a planned fault of the emulator"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to a DUIS client."""

    status: int
    body: bytes
    content_type: str = "application/xml"
    spoilt: AnswerFaults = UNSPOILT
    """What goes wrong on purpose on its way."""
    retry_after_s: int = 0
    """When to come again, where that is said."""
    key: EllipticCurvePrivateKey | None = None
    """With which the signature of the body is still to be completed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    service: WebService
    body: bytes
    operator: str = ""
    """The human whom the sender named."""
    completes: bool = False
    """Whether whoever asks completes the signature of the answer."""


async def answer(world: HostedWorld, asked: Asked, read: Reading | Refusal | None = None) -> Reply:
    """Answer one request; ``read`` is what the edge said of it where it has been asked.

    The answer is given when the request is durable.
    """
    started_s = time.perf_counter()
    problem = world.unavailable()
    if problem is not None:
        return plain(503, problem)
    with world.pump.visiting():
        return await _answer(world, asked, read, started_s)


async def _answer(world: HostedWorld, asked: Asked, read: Reading | Refusal | None, started_s: float) -> Reply:
    service, body = asked.service, asked.body
    try:
        reading, kept = await _read(world, body) if read is None else (read, body)
    except OSError as error:
        return plain(503, f"the request cannot be kept: {error.strerror}")
    if isinstance(reading, Refusal):
        world.recorder.refused(world.instant_ms(), service, reading.http_status, str(reading), len(body))
        world.metrics.count_request("", reading.code)
        return plain(reading.http_status, explained(reading))
    problem = world.unavailable()  # a large body took its time
    if problem is not None:
        return plain(503, problem)
    turned_away = world.transport.refusal(reading.request)
    if turned_away:
        return plain(turned_away, PLANNED)
    excess = world.limits.take(reading.signer.eui, time.monotonic())
    if excess is not None:
        world.metrics.count_request(reading.request.service_reference_variant, "http.429")
        return replace(plain(429, excess.detail), retry_after_s=excess.retry_after_s)
    exchange = Exchange(DuisInput(service, reading.request, reading.signer, asked.operator), kept, reading.keys_number)
    try:
        reply = await _carry_out(world, exchange, started_s, completes=asked.completes)
    finally:
        world.limits.give_back(reading.signer.eui)
    return await _answer(world, asked, None, started_s) if exchange.stale else reply


async def _carry_out(world: HostedWorld, exchange: Exchange, started_s: float, *, completes: bool) -> Reply:
    """Hand a request that may come to the world, and answer when it is durable."""
    await world.decisions.carry_out(exchange)
    if exchange.durable is None:
        return plain(503, exchange.problem)
    assert exchange.written is not None
    writing = exchange.written.writing
    if writing is not None:  # signed while the disk is at work, unless elsewhere
        said = Reply(200, writing.xml, key=writing.key) if completes else Reply(200, writing.complete())
    try:
        await exchange.durable
    except StorageFailed as error:
        return plain(503, str(error))
    assert exchange.turn is not None
    request, response = exchange.item.request, exchange.turn.response
    srv = request.service_reference_variant
    world.metrics.request_seconds[exchange.item.web_service.value].observe(time.perf_counter() - started_s)
    if writing is None or response is None:
        world.metrics.count_request(srv, "http.500")
        world.metrics.faults.inc()
        return plain(500, "the emulator failed on this request; its log on stderr says where")
    world.metrics.count_request(srv, response.code)
    spoilt = world.transport.of_answer(request)
    if spoilt is UNSPOILT:
        return said
    return replace(plain(spoilt.status, PLANNED) if spoilt.status else said, spoilt=spoilt)


async def _read(world: HostedWorld, body: bytes) -> tuple[Reading | Refusal, Body]:
    """Read a body: small ones here, large ones in a thread, where they also reach the disk."""
    if len(body) <= world.settings.duis.offload_bytes:
        edge = world.edge
        found = await edge.read_together(body, world.instant_ms())
        stale = edge is not world.edge or (isinstance(found, Reading) and found.keys_number != world.world.keys.number)
        return world.edge.read(body, world.instant_ms()) if stale else found, body
    loop = asyncio.get_running_loop()
    while True:
        reading, kept = await loop.run_in_executor(world.shared.readers, _read_large, world, body, world.instant_ms())
        if isinstance(reading, Refusal) or reading.keys_number == world.world.keys.number:
            return reading, kept


def _read_large(world: HostedWorld, body: bytes, now_ms: int) -> tuple[Reading | Refusal, Body]:
    reading = world.edge.read(body, now_ms)
    if isinstance(reading, Refusal):
        return reading, body
    _ = named_devices(reading.request).listing  # a long list is read here, where it holds nobody up
    return reading, world.log.keep_body(body)


def plain(status: int, text: str) -> Reply:
    """A line of text with an HTTP status."""
    return Reply(status, f"{text}\n".encode(), "text/plain")


def explained(refusal: Refusal) -> str:
    """A refusal for people: what, where, what would have been right."""
    lines = [refusal.detail]
    if refusal.where:
        lines.append(f"where: {refusal.where}")
    if refusal.expected:
        lines.append(f"expected: {refusal.expected}")
    return "\n".join(lines)
