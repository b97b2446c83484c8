"""The same inputs in a world that nobody kills: what must have been answered, pushed, and be the state in the end."""

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from emulator.domain.vocabulary import WebService
from emulator.dsp.effects import Delivery
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy
from emulator.pki.keystore import KeyStore
from emulator.service.edge import Edge, Reading
from emulator.service.recorder import read_command_verdict
from emulator.service.recovery import Origin, make_world
from tests.durability.story import Sent


@dataclass
class Kept:
    """What the log of a killed emulator holds."""

    inputs: list[tuple[str, int, str, bytes, bytes]] = field(default_factory=list)
    """Kind, simulated time, verdict, body and answer."""
    messages: list[tuple[int, str, str | None, bytes, str]] = field(default_factory=list)
    """Number, recipient, device, body and state."""


def edge_of(keys: KeyStore) -> Edge:
    """As a server has it."""
    return Edge(keys, SchemaSet(), SignaturePolicy(check_role=True, check_dates=True, check_chain=True))


def kept_in(log: Path, keys: KeyStore) -> Kept:
    """Read a log that nobody writes; answers are as they were sent, signed with the DSP's key among ``keys``."""
    folder, completed = log.parent / "blobs", edge_of(keys).completed

    def whole(body: bytes | None, digest: bytes | None) -> bytes:
        if digest is None:
            return body or b""
        name = digest.hex()
        return (folder / name[:2] / name).read_bytes()

    with closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        inputs = connection.execute(
            "SELECT kind, at_ms, verdict, body, body_sha256, answer, answer_sha256 FROM inputs ORDER BY seq"
        )
        found = Kept([(kind, at, verdict, whole(*rest[:2]), completed(whole(*rest[2:]))) for kind, at, verdict, *rest in inputs])
        rows = connection.execute("SELECT number, recipient, device, body, body_sha256, state FROM outbox ORDER BY number")
        found.messages = [(number, user, device, whole(*rest[:2]), rest[2]) for number, user, device, *rest in rows]
    return found


@dataclass
class Reference:
    """What an uninterrupted run gave."""

    answers: list[bytes] = field(default_factory=list)
    pushes: list[bytes] = field(default_factory=list)
    digest: str = ""


def run_again(kept: Kept, sent: Sequence[Sent], estate: str, until_ms: int) -> Reference:
    """Give a new world what users sent, in the order and at the times at which the killed one took it."""
    world = make_world("default", Origin(estate), None)
    engine, edge, reference = world.engine, edge_of(world.keys), Reference()
    documents = {hashlib.sha256(each.document).digest(): each for each in sent}
    for kind, at_ms, verdict, body, _ in kept.inputs:
        if kind == "duis":
            mine = documents[hashlib.sha256(body).digest()]
            reading = edge.read(mine.document, at_ms)
            assert isinstance(reading, Reading), reading
            answer = engine.submit(DuisInput(WebService(mine.service), reading.request, reading.signer), at_ms)
            reference.answers.append(edge.write_answer(answer.response).complete())
        elif kind == "control":
            verb, params = read_command_verdict(verdict, body)
            engine.control(ControlInput(verb, params), at_ms)
        elif kind == "mark":
            engine.advance(at_ms)
        reference.pushes += _pushed(edge, engine.take_effects())
    engine.advance(until_ms)
    reference.pushes += _pushed(edge, engine.take_effects())
    reference.digest = engine.digest()
    return reference


def _pushed(edge: Edge, effects: Sequence[object]) -> list[bytes]:
    return [edge.write(effect.message).xml for effect in effects if isinstance(effect, Delivery)]
