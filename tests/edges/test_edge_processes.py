"""More processes behind the DUIS port answer as one does, in its order, and one that is killed loses nothing acknowledged."""

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.client.requests import read_firmware_version, read_inventory
from emulator.client.signing import sign_request, sign_xml
from emulator.domain.identifiers import RequestId, parse_eui
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.pki.keystore import KeyStore
from emulator.service.edge_link import MAX_KEYS, GivenKeys, HeldKeys
from emulator.world import key_store
from tests.http.running import Emulator, emulator_process

SUPPLIER, OTHER = parse_eui("90-B3-D5-1F-30-01-00-00"), parse_eui("90-B3-D5-1F-30-03-00-00")
ESME, NOBODY = parse_eui("00-DB-12-34-56-78-90-A0"), parse_eui("11-22-33-44-55-66-77-88")
FIRST_COUNTER = 1_900_000_000_000
XML = {"Content-Type": "application/xml"}

Make = Callable[..., Emulator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(emulator_process(tmp_path, clock__mode="paused", **settings))


@pytest.fixture(scope="session")
def keys() -> KeyStore:
    """Those of the default world."""
    return key_store(load_estate(default_estate_toml()))


def read(keys: KeyStore, number: int) -> bytes:
    """A signed 11.2."""
    return sign_request(counted(read_firmware_version(SUPPLIER, ESME), number), keys)


def counted(request: Request, number: int) -> Request:
    identity = request.request_id
    return replace(request, request_id=RequestId(identity.originator, identity.target, FIRST_COUNTER + number))


def post(emulator: Emulator, path: str, body: bytes, headers: dict[str, str] = XML) -> tuple[int, str, bytes]:
    with closing(HTTPConnection("127.0.0.1", emulator.ports["duis"], timeout=20)) as connection:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()


def occasions(keys: KeyStore) -> list[tuple[str, bytes]]:
    """Requests of every fate, some of them twice: known and unknown signers, broken in every layer, for nobody and too large."""
    reading, listing = read_firmware_version(SUPPLIER, ESME), read_inventory(SUPPLIER, ESME)
    good = sign_request(counted(reading, 1), keys)
    altered = good.replace(b"CommandVariant>1<", b"CommandVariant>5<")
    borrowed = sign_xml(encode_request(counted(reading, 2)), OTHER, keys)
    no_device = sign_request(counted(read_firmware_version(SUPPLIER, NOBODY), 3), keys)
    large = good.replace(b"</sr:Body>", b" " * 100_000 + b"</sr:Body>")
    inventory = sign_request(counted(listing, 4), keys)
    of_other = sign_request(counted(read_inventory(OTHER, ESME), 5), keys)
    strange = good.replace(b"<ds:X509SerialNumber>", b"<ds:X509SerialNumber>9")
    bodies = [good, good, altered, borrowed, no_device, large, inventory, of_other, strange, b"<sr:", b"", b"<a/>"]
    bodies.append(good.replace(b"ReadFirmwareVersion", b"ReadFirmwareVersions"))
    paths = ["/api/v1/serviceS", "/api/v1/serviceD", "/worlds/nowhere/api/v1/serviceS", "/worlds/default/api/v1/serviceS"]
    return [(path, body) for path in paths for body in bodies]


def logged(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "worlds" / "default" / "log.sqlite3")) as log:
        return list(log.execute("SELECT seq, verdict, digest, body, answer FROM inputs WHERE kind = 'duis' ORDER BY seq"))


def told(emulator: Emulator) -> list[tuple[str, str]]:
    """Requests and answers as the journal has them."""
    with urlopen(f"{emulator.url('control')}/control/v1/worlds/default/journal/transcript", timeout=20) as lines:
        entries = [json.loads(line) for line in lines]
    return [(entry["request_xml"], entry["answer_xml"]) for entry in entries if entry["kind"] == "duis.request"]


def test_three_processes_answer_and_log_as_one_does(start: Make, keys: KeyStore, tmp_path: Path) -> None:
    answers, logs = [], []
    for processes in (1, 3):
        folder = tmp_path / str(processes)
        with emulator_process(tmp_path, clock__mode="paused", storage__folder=folder, duis__processes=processes) as emulator:
            _wait_until_it_explains(emulator)
            answers.append([post(emulator, path, body) for path, body in occasions(keys)])
            others = (("GET", "/api/v1/serviceS"), ("POST", "/elsewhere"))
            answers[-1] += [_status(emulator, *other) for other in others]
            for path in ("/api/v1/serviceS", "/worlds/nowhere/api/v1/serviceS"):
                answers[-1].append(post(emulator, path, b"<a/>", {"Content-Type": "text/plain"}))
            sent = [
                (body, answer)
                for (_, body), (status, _, answer) in zip(occasions(keys), answers[-1], strict=False)
                if status == 200
            ]
            assert [(ask.encode(), answer.encode()) for ask, answer in told(emulator)] == sent, "signed as it was"
        logs.append(logged(folder))
    assert answers[0] == answers[1]
    assert {status for status, *_ in answers[0]} == {200, 400, 403, 404, 405, 415}
    assert logs[0] == logs[1]
    assert len(logs[0]) > 10


def _status(emulator: Emulator, method: str, path: str) -> tuple[int, str, bytes]:
    with closing(HTTPConnection("127.0.0.1", emulator.ports["duis"], timeout=20)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()


def _wait_until_it_explains(emulator: Emulator) -> None:
    """Each process reads the declarations of the schema by itself, and refuses more tersely before."""
    document = b'<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" schemaVersion="new"/>'
    explained = 0
    for _ in range(4_000):
        explained = explained + 1 if b"expected: " in post(emulator, "/api/v1/serviceD", document)[2] else 0
        if explained == 8:
            return
        time.sleep(0.02)
    pytest.fail("refusals are not explained")


def test_a_key_is_handed_over_once_and_its_number_means_it_until_it_is_given_to_another() -> None:
    given, held = GivenKeys(), HeldKeys()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(MAX_KEYS + 2)]
    for key in (*keys, *keys[:3], *keys[-3:]):
        number, octets = given.parts(key)
        assert number < MAX_KEYS
        assert held.take((number, octets)).private_numbers() == key.private_numbers()
        assert given.parts(key) == (number, None)


def test_what_a_process_knew_of_a_world_is_worth_nothing_after_a_reset(start: Make, keys: KeyStore) -> None:
    emulator = start(duis__processes=2)
    for number in range(3):
        assert (
            post(emulator, "/api/v1/serviceS", sign_request(counted(read_firmware_version(SUPPLIER, ESME), number), keys))[0]
            == 200
        )
    body = json.dumps({"seed": 4_711}).encode()
    reset = HttpRequest(f"{emulator.url('control')}/control/v1/worlds/default/reset", body, {"Content-Type": "application/json"})
    urlopen(reset, timeout=20).close()
    assert post(emulator, "/api/v1/serviceS", read(keys, 10))[0] == 403
    others = key_store(replace(load_estate(default_estate_toml()), seed=4_711))
    for number in (11, 12):
        assert post(emulator, "/api/v1/serviceS", read(others, number))[0] == 200


class Sender(threading.Thread):
    """Posts its requests one after the other, each again until it is answered, and keeps the answers in order."""

    def __init__(self, emulator: Emulator, requests: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self.emulator = emulator
        self.requests = requests
        self.answered: list[str] = []
        self.cuts = 0

    def run(self) -> None:
        for identity, body in self.requests:
            while True:
                try:
                    status, _, answer = post(self.emulator, "/api/v1/serviceS", body)
                except (OSError, HTTPException):
                    self.cuts += 1
                    time.sleep(0.02)
                    continue
                assert status == 200, answer
                self.answered.append(identity)
                break


def test_a_killed_process_loses_nothing_that_was_acknowledged(start: Make, keys: KeyStore, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    senders = []
    with emulator_process(tmp_path, clock__mode="paused", storage__folder=folder, duis__processes=3) as emulator:
        for lane in range(4):
            wanted = [counted(read_firmware_version(SUPPLIER, ESME), 1_000 * lane + number) for number in range(30)]
            senders.append(Sender(emulator, [(str(request.request_id), sign_request(request, keys)) for request in wanted]))
        for sender in senders:
            sender.start()
        for _ in range(3):
            time.sleep(0.15)
            for pid in _children(emulator.process.pid):
                os.kill(pid, signal.SIGKILL)
                break
        for sender in senders:
            sender.join(60)
        assert len(_until_there_are(2, emulator.process.pid)) == 2, "what died was started again"
        assert (
            post(emulator, "/api/v1/serviceS", sign_request(counted(read_firmware_version(SUPPLIER, ESME), 9_999), keys))[0]
            == 200
        )
    with closing(sqlite3.connect(folder / "worlds" / "default" / "log.sqlite3")) as log:
        order = [json.loads(entry).get("request_id", "") for (entry,) in log.execute("SELECT entry FROM audit ORDER BY number")]
    for sender in senders:
        assert sender.answered == [identity for identity, _ in sender.requests]
        first = [order.index(identity) for identity in sender.answered]
        assert first == sorted(first), "requests that followed one another are logged in that order"


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _until_there_are(count: int, pid: int) -> list[int]:
    for _ in range(3_000):
        found = _children(pid)
        if len(found) == count:
            return found
        time.sleep(0.02)
    return _children(pid)
