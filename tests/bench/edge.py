"""What one request costs at the edge of the service: a signed 11.2, and its signed acknowledgement.

Every operation gets a document of its own, as in traffic. ``edge.floor_us`` is what the same request costs in bare calls of lxml
and cryptography, with nothing of ours around them.
"""

import asyncio
import base64
import gc
import hashlib
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from emulator.client.requests import read_firmware_version
from emulator.client.signing import sign_request
from emulator.domain.errors import Refusal
from emulator.domain.identifiers import RequestId, parse_eui
from emulator.domain.vocabulary import WebService
from emulator.dsp.inputs import DuisInput
from emulator.duis.encode import encode_message
from emulator.duis.messages import ServiceResponse, Signer
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet, default_folder
from emulator.duis.signature import SignaturePolicy, sign_document, verify_document
from emulator.pki.certificates import CertificateRecord
from emulator.service.collecting import keep_out_of_collections
from emulator.service.config import Storage
from emulator.service.deciding import Decisions, Exchange
from emulator.service.edge import Edge
from emulator.service.persistence.contract import InputKind, InputRow, JournalRow, LastNumbers, Step
from emulator.service.persistence.sqlite_log import SqliteLog
from emulator.service.pump import Pump
from emulator.service.recorder import Recorder
from emulator.service.service_state import ServiceState
from emulator.simulation.clock import Clock, ClockMode
from emulator.world import World, create_world
from tests.bench.measure import Run, Sample, measurement, per_operation

SUPPLIER = parse_eui("90-B3-D5-1F-30-01-00-00")
ESME = parse_eui("00-DB-12-34-56-78-90-A0")
DOCUMENTS = 200
AT_A_TIME = 32
POLICY = SignaturePolicy(check_role=True, check_dates=True, check_chain=True)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A world, signed requests to it, each with its own RequestID, and the keys that are at work."""

    world: World
    documents: list[bytes]
    dsp: CertificateRecord
    supplier: CertificateRecord

    @property
    def now_ms(self) -> int:
        """The world's instant."""
        return self.world.engine.now_ms


def signed_requests(world: World, first_counter: int, number: int) -> list[bytes]:
    """Signed 11.2 requests to one ESME."""
    request = read_firmware_version(SUPPLIER, ESME)
    identities = [RequestId(SUPPLIER, ESME, first_counter + at) for at in range(number)]
    return [sign_request(replace(request, request_id=identity), world.keys) for identity in identities]


@cache
def traffic() -> Traffic:
    """What all measurements of this module share."""
    world = create_world()
    dsp, supplier = world.keys.dsp_signing(), world.keys.xml_signing(SUPPLIER)
    assert dsp is not None
    assert supplier is not None
    return Traffic(world, signed_requests(world, world.engine.now_ms, DOCUMENTS), dsp, supplier)


def acknowledgements(number: int) -> list[bytes]:
    """Unsigned acknowledgements as the emulator writes them."""
    now_ms = traffic().now_ms
    identities = [str(RequestId(SUPPLIER, ESME, now_ms + at)) for at in range(number)]
    return [encode_message(ServiceResponse("I99", now_ms, identity, None, "11.2", "11.2")) for identity in identities]


@measurement("edge.parse_us", "us", runs=9)
def parse() -> Iterator[Run]:
    """Octets to a tree, with every guard of the parser."""
    documents = traffic().documents
    yield per_operation(lambda number: parse_document(documents[number]).tag.encode(), DOCUMENTS)


@measurement("edge.validate_us", "us", runs=9)
def validate() -> Iterator[Run]:
    """A tree against the schemas."""
    schemas, trees = SchemaSet(), [parse_document(document) for document in traffic().documents]
    yield per_operation(lambda number: repr(schemas.validate(trees[number])).encode(), DOCUMENTS)


@measurement("edge.verify_us", "us", runs=9)
def verify() -> Iterator[Run]:
    """The signature of a tree, its certificate with role, dates and chain."""
    keys, trees = traffic().world.keys, [parse_document(document) for document in traffic().documents]

    def operation(number: int) -> bytes:
        signer = verify_document(trees[number], keys, POLICY, traffic().now_ms)
        assert isinstance(signer, Signer)
        return signer.eui.to_bytes(8, "big")

    yield per_operation(operation, DOCUMENTS)


@measurement("edge.sign_us", "us", runs=9)
def sign() -> Iterator[Run]:
    """Signing an acknowledgement that is already octets."""
    dsp, plain = traffic().dsp, acknowledgements(DOCUMENTS)
    key = dsp.private_key
    assert key is not None
    yield per_operation(
        lambda number: sign_document(plain[number], issuer=dsp.issuer, serial=dsp.serial, private_key=key), DOCUMENTS
    )


@measurement("edge.persist_us", "us", runs=5)
def persist() -> Iterator[Run]:
    """A request with its answer and its journal entry in SQLite, synced; as many at a time as there are documents."""
    documents, answers, numbers = traffic().documents, acknowledgements(DOCUMENTS), count(1)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        log = runner.run(_open_log(folder))

        def step(at: int) -> Step:
            seq = next(numbers)
            row = InputRow(seq, InputKind.DUIS, seq, seq, "{}", bytes(32), documents[at], answers[at])
            return Step(row, journal=(JournalRow(seq, seq, "duis.request", None, ESME, "11.2", {"code": "I99"}, seq=seq),))

        async def write() -> None:
            await asyncio.gather(*(log.append(step(at)) for at in range(DOCUMENTS)))

        async def written(after: int) -> list[object]:
            return [row.body async for row in log.inputs_after(after)]

        def run() -> Sample:
            after = runner.run(_last(log))
            started = time.perf_counter()
            runner.run(write())
            elapsed = time.perf_counter() - started
            found = runner.run(written(after))
            return Sample(elapsed * 1e6 / DOCUMENTS, {"steps": len(found), "as_written": found == documents})

        try:
            yield run
        finally:
            runner.run(log.close())


async def _open_log(folder: str) -> SqliteLog:
    return await SqliteLog.open(Path(folder), "default", Storage())


def _standing_pump(world: World) -> Pump:
    """Whose time stands still."""
    state = ServiceState(Clock(ClockMode.PAUSED, world.engine.now_ms, 0))
    return Pump(world.engine, state, wall_ms=lambda: 0, on_turn=lambda _: None, may_move=lambda: False, quiet=lambda: True)


async def _last(log: SqliteLog) -> int:
    return (await log.last_numbers()).input


@measurement("edge.whole_us", "us", runs=5)
def whole() -> Iterator[Run]:
    """Octets of a request to octets of its durable answer, through the engine, as many at a time as connections would bring; HTTP
    alone is missing."""
    world, counters = create_world(), count(1)
    edge = Edge(world.keys, SchemaSet(), POLICY)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        log = runner.run(_open_log(folder))
        recorder = Recorder(log, edge, LastNumbers(0, 0, 0), wall_ms=lambda: world.engine.now_ms, expect=lambda _: None)

        pump = _standing_pump(world)
        decisions = Decisions(pump, recorder, world.keys, lambda: None)

        async def answered(document: bytes) -> bytes:
            reading = await edge.read_together(document, pump.instant_ms())
            assert not isinstance(reading, Refusal)
            item = DuisInput(WebService.SEND_COMMAND, reading.request, reading.signer)
            exchange = Exchange(item, document, reading.keys_number)
            await decisions.carry_out(exchange)
            assert exchange.durable is not None
            await exchange.durable
            assert exchange.written is not None
            assert exchange.written.writing is not None
            return exchange.written.writing.complete()

        async def serve(documents: list[bytes]) -> list[bytes]:
            answers: list[bytes] = []
            for start in range(0, len(documents), AT_A_TIME):
                answers += await asyncio.gather(*map(answered, documents[start : start + AT_A_TIME]))
            return answers

        def run() -> Sample:
            documents = signed_requests(world, world.engine.now_ms + next(counters) * DOCUMENTS, DOCUMENTS)
            used, started = time.process_time(), time.perf_counter()
            answers = runner.run(serve(documents))
            elapsed, used = time.perf_counter() - started, time.process_time() - used
            checked = {"requests": DOCUMENTS, "answers": response_codes(answers)}
            return Sample(elapsed * 1e6 / DOCUMENTS, checked, {"cpu_us": round(used * 1e6 / DOCUMENTS, 1)})

        thresholds = gc.get_threshold()
        keep_out_of_collections()  # as the service does when it is ready
        try:
            yield run
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
            runner.run(log.close())


def response_codes(answers: list[bytes]) -> dict[str, int]:
    """How many answers had which code."""
    return dict(Counter(code.decode() for answer in answers for code in re.findall(rb"ResponseCode>([A-Z0-9]+)<", answer)))


@measurement("edge.floor_us", "us", runs=9)
def floor() -> Iterator[Run]:
    """The same request in bare calls: parse, validate, canonicalise and digest twice, verify; and sign an answer."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    schema = etree.XMLSchema(etree.parse(default_folder() / "duis.xsd"))
    documents, plain = traffic().documents, acknowledgements(DOCUMENTS)
    public, private = traffic().supplier.public_key, traffic().dsp.private_key
    assert private is not None
    ds = "{http://www.w3.org/2000/09/xmldsig#}"
    deterministic = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

    def operation(number: int) -> bytes:
        root = etree.fromstring(documents[number], parser)
        assert schema.validate(root)
        signature = root.find(f"{ds}Signature")
        assert signature is not None
        info = etree.tostring(signature[0], method="c14n", exclusive=True)
        value = base64.b64decode(signature[1].text or "")
        declared = base64.b64decode(signature[0].findtext(f".//{ds}DigestValue") or "")
        root.remove(signature)
        assert hashlib.sha256(etree.tostring(root, method="c14n")).digest() == declared
        der = encode_dss_signature(int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big"))
        public.verify(der, info, ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(private.sign(hashlib.sha256(plain[number]).digest(), deterministic))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    yield per_operation(operation, DOCUMENTS)
