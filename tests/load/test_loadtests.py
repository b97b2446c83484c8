"""What load is measured with: pools, receivers, plans and verdicts. The runs themselves are `make load`."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.domain.errors import Malformed
from emulator.duis.encode import encode_message
from emulator.duis.messages import ServiceResponse
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy
from emulator.service.edge import Edge, Reading
from emulator.world import create_world
from loadtests.homes import SUPPLIER, estate, home
from loadtests.plans import Plan, Thresholds, read_plans
from loadtests.pool import MAKERS, read_pool, world_keys, write_pool
from loadtests.sink import Connection, Sink
from loadtests.verdict import judge
from loadtests.watch import growth

SIGNED = SignaturePolicy(check_role=True, check_dates=True, check_chain=True)


def test_every_home_can_be_read(tmp_path: Path) -> None:
    world = create_world(estate_toml=estate(3))
    inventory = world.engine.state.dsp.inventory
    for number in range(3):
        here = home(number)
        assert inventory[here.esme].hub == inventory[here.gsme].hub == here.hub
    assert len({entry.import_mpxn for eui, entry in inventory.items() if eui in {home(n).esme for n in range(3)}}) == 3


def test_a_pool_is_signed_and_shared(tmp_path: Path) -> None:
    write_pool(path := tmp_path / "pool", dict.fromkeys(MAKERS, 1), 2, 12)
    whole = list(read_pool(path))
    assert len(whole) == len({each.request_id for each in whole}) == 12
    shares = [list(read_pool(path, share, 3)) for share in range(3)]
    assert sorted(each.request_id for share in shares for each in share) == sorted(each.request_id for each in whole)
    edge = Edge(world_keys(), SchemaSet(), SIGNED)
    now_ms = create_world().engine.now_ms
    for each in whole:
        reading = edge.read(each.document, now_ms)
        assert isinstance(reading, Reading), reading
        assert str(reading.request.request_id) == each.request_id
        assert reading.request.request_id.originator == SUPPLIER


def response(counter: int, at_ms: int, code: str = "I0") -> bytes:
    """A result of an 11.2, unsigned."""
    request, answer = (
        f"90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:{counter}",
        "00-DB-12-34-56-78-90-A0:90-B3-D5-1F-30-01-00-00",
    )
    return encode_message(ServiceResponse(code, at_ms, request, f"{answer}:{counter}", "11.2", "11.2"))


class Transport:
    """Takes what a connection writes."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def close(self) -> None:
        """Nothing."""


def pushed(*bodies: bytes, step: int = 7) -> tuple[Sink, str, bytes]:
    """A receiver that got these in small pieces: itself, its lines, its answers."""
    lines = io.StringIO()
    sink, transport = Sink(csv.writer(lines)), Transport()
    connection = Connection(sink)
    connection.connection_made(transport)  # type: ignore[arg-type]
    octets = b"".join(b"POST /user HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body for body in bodies)
    for position in range(0, len(octets), step):
        connection.data_received(octets[position : position + step])
    return sink, lines.getvalue(), transport.written


def test_a_receiver_takes_what_comes_in_order() -> None:
    sink, lines, written = pushed(response(1, 1_000), response(2, 2_000), response(3, 2_000, "E21"))
    assert (sink.counts.taken, sink.counts.responses, sink.counts.duplicates, sink.counts.disorder) == (3, 3, 0, 0)
    assert written.count(b"204 No Content") == 3
    assert [line.split(",")[1:4] for line in lines.split()] == [
        ["1000", "response", "I0"],
        ["2000", "response", "I0"],
        ["2000", "response", "E21"],
    ]


def test_a_receiver_sees_repetition_and_disorder() -> None:
    sink, _, _ = pushed(response(1, 2_000), response(1, 2_000), response(2, 1_000), b"<rubbish/>")
    assert (sink.counts.duplicates, sink.counts.disorder, sink.counts.unreadable) == (1, 1, 1)
    assert "1000 after 2000" in sink.counts.first_disorder


def test_growth_is_from_the_middle_to_the_end() -> None:
    samples = [{"rss_bytes": float(value)} for value in [*range(50), *[100] * 5, *[100] * 35, *[120] * 10]]
    assert growth(samples, "rss_bytes") == (100, 120)


def left(folder: Path, *, came: int = 3, rate: float = 50.0, **counts: Any) -> Path:
    """What a run of three requests leaves."""
    folder.mkdir()
    row = {"Type": "POST", "Name": "11.2", "Request Count": 3, "Failure Count": 0, "Requests/s": rate}
    row |= {"50%": 5, "90%": 8, "99%": 9}
    with (folder / "locust_stats.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerows([row, {**row, "Name": "control power", "99%": 900}, {**row, "Name": "Aggregated"}])
    (folder / "acknowledged-0.csv").write_text("".join(f"1.0,500,11.2,A:B:{number}\n" for number in range(3)))
    pushes = "".join(f"1.25,2500,response,I0,a:b:{number},B\n" for number in range(came))
    (folder / "pushes.csv").write_text(f"wall_s,made_ms,kind,code,request_id,device\n{pushes}")
    told = {"taken": came, "device_alerts": 0, "dcc_alerts": 0, "duplicates": 0, "disorder": 0, "unreadable": 0}
    (folder / "pushes.json").write_text(json.dumps({**told, "first_disorder": "", **counts}))
    return folder


STRICT = Plan(
    "reads",
    "",
    ("Reads",),
    1,
    1,
    1,
    "1",
    thresholds=Thresholds(requests_per_s_min=40, lost_max=0, duplicates_max=0, disorder_max=0, answer_p99_ms_max=20),
)


def test_wall_and_simulated_time_are_told_apart(tmp_path: Path) -> None:
    verdict = judge(STRICT, left(tmp_path / "run"), [], 0)
    assert verdict.misses == []
    assert verdict.figures["result_wall_ms"]["11.2"] == {"p50": 250, "p90": 250, "p99": 250, "count": 3}
    assert verdict.figures["result_simulated_ms"]["11.2"]["p50"] == 2_000
    assert verdict.figures["requests"] == 3, "calls of the control API are no requests"


@pytest.mark.parametrize(
    ("how", "waiting", "miss"),
    [
        ({"came": 2}, 0, "lost is 1"),
        ({}, 4, "lost is 4"),
        ({"duplicates": 1}, 0, "duplicates is 1"),
        ({"disorder": 2}, 0, "disorder is 2"),
        ({"rate": 39.0}, 0, "requests_per_s is 39.0, at least 40 wanted"),
    ],
)
def test_what_is_missed_is_said(tmp_path: Path, how: dict[str, Any], waiting: int, miss: str) -> None:
    (found,) = judge(STRICT, left(tmp_path / "run", **how), [], waiting).misses
    assert found.startswith(miss)


def test_a_figure_that_is_not_there_is_missed(tmp_path: Path) -> None:
    wanting = replace(STRICT, thresholds=Thresholds(memory_growth_share_max=0.1))
    assert judge(wanting, left(tmp_path / "run"), [], 0).misses == ["memory_growth_share is None, at most 0.1 wanted"]


def test_the_plans_can_be_read() -> None:
    plans = read_plans()
    assert {"reads", "campaigns", "mixed", "storm", "soak"} <= plans.keys()
    for plan in plans.values():
        assert plan.mix.keys() <= MAKERS.keys()
        assert plan.thresholds.lost_max == plan.thresholds.duplicates_max == plan.thresholds.disorder_max == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[reads", "cannot be read"),
        ("[reads]\nuser = 1\n", "unknown key 'user'"),
        ("[reads.thresholds]\nlost = 1\n", "unknown key 'lost'"),
        ("[reads]\nclasses = []\n", "lacks something"),
    ],
)
def test_what_is_no_plan_is_explained(tmp_path: Path, text: str, says: str) -> None:
    (path := tmp_path / "plans.toml").write_text(text)
    with pytest.raises(Malformed, match=says):
        read_plans(path)
