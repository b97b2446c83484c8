"""Recordings read, compared, and sent again to a running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from emulator.client.recordings import differences, element_values, read_recording
from tests.cli.conftest import Run
from tests.http.running import Emulator, emulator_process

NS = "http://www.dccinterface.co.uk/ServiceUserGateway"
USER, DEVICE = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"


def request(counter: int, srv: str = "8.2", device: str = DEVICE, more: str = "") -> str:
    header = f"<RequestID>{USER}:{device}:{counter}</RequestID><ServiceReferenceVariant>{srv}</ServiceReferenceVariant>"
    return f"<Request>{header}<At>2026-01-0{counter % 9 + 1}T00:00:00Z</At>{more}</Request>"


def lines(*entries: tuple[str, str]) -> bytes:
    return b"".join(
        json.dumps({"kind": "duis.request", "request_xml": asked, "answer_xml": answer, "data": {"service": "D"}}).encode()
        + b"\n"
        for asked, answer in entries
    )


def told(first: bytes, second: bytes) -> list[tuple[str, str, str]]:
    found = differences(read_recording(first, "first"), read_recording(second, "second"))
    return [(each.where, each.first, each.second) for each in found]


def test_counters_instants_and_signatures_make_no_difference() -> None:
    signed = "<A><Code>I0</Code><Signature xmlns='http://www.w3.org/2000/09/xmldsig#'><X>{}</X></Signature></A>"
    assert told(lines((request(1), signed.format(1))), lines((request(2), signed.format(2)))) == []


def test_differences_are_told_by_path() -> None:
    first = lines((request(1), "<A><Code>I0</Code><D><S>1</S></D><D><S>2</S></D></A>"))
    second = lines((request(2), "<A><Code>E5</Code><D><S>1</S></D><D><S>3</S></D><E/></A>"))
    assert told(first, second) == [("A/Code", "I0", "E5"), ("A/D[2]/S", "2", "3"), ("A/E", "", "(empty)")]


def test_what_is_in_one_recording_only_shifts_nothing() -> None:
    first = lines(*((request(each, srv), "<A/>") for each, srv in ((1, "8.2"), (2, "11.2"), (3, "8.4"))))
    second = lines(*((request(each, srv), "<A/>") for each, srv in ((1, "8.2"), (2, "8.4"), (3, "11.1"))))
    assert told(first, second) == [("", "exchange 2", ""), ("", "", "exchange 3")]


def test_a_document_that_cannot_be_read_is_compared_as_it_is() -> None:
    assert element_values(b"HTTP 500") == {"": "HTTP 500"}


@pytest.mark.parametrize("content", [b"<xml/>", b"[1]", b'{"log": {}}', b'{"kind": 1}\n[]', b"\xff"])
def test_what_is_no_recording_is_refused(run: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    done = run("diff", tmp_path / "bad", tmp_path / "bad")
    assert done.code == 2
    assert "JSON lines" in done.err


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator_process(tmp_path_factory.mktemp("emulator")) as running:
        yield running


def make_world(emulator: Emulator, name: str) -> None:
    body = json.dumps({"name": name}).encode()
    with urlopen(Request(f"{emulator.url('control')}/control/v1/worlds", body, {"Content-Type": "application/json"})):
        pass


def test_a_replay_to_a_new_world_gives_the_same_and_to_another_does_not(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_world(emulator, name)
    at: dict[str, list[Any]] = {
        name: ["--server", emulator.url("control"), "--world", name, "--duis", emulator.url("duis")] for name in ("one", "two")
    }
    keys, lines_file, archive = tmp_path / "keystore.json", tmp_path / "one.jsonl", tmp_path / "one.har"
    with urlopen(f"{emulator.url('control')}/control/v1/worlds/one/keys/keystore.json") as answer:
        keys.write_bytes(answer.read())
    for srv in ("8.2", "11.2"):
        sent = run("send", srv, "-d", DEVICE, "--keys", keys, *at["one"])
        assert sent.code == 0, sent.err
    for output in (lines_file, archive):
        assert run("journal", "--output", output, *at["one"][:4]).code == 0
    compared = run("diff", lines_file, archive)
    assert compared.code == 0, compared.out
    same = run("replay", lines_file, "--pushes", *at["two"], "--json")
    assert (same.code, same.json["same"]) == (0, True), same.out
    again = run("replay", archive, *at["two"], "--json")
    assert (again.code, {each["where"] for each in again.json["differences"]} >= {"Response/Header/ResponseCode"}) == (1, True)
    anew = run("replay", archive, "--keys", keys, *at["two"], "--json")
    assert (anew.code, anew.json["differences"]) == (0, [])
