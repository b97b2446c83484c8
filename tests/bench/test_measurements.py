"""The measurements exist, and each says what it did."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from tests.bench import access, edge, gbcs, intake, logistics, ota, process, pushes, throughput, worlds  # noqa: F401
from tests.bench.measure import MEASUREMENTS, Measurement, Run, Sample, take

EDGE = (
    "parse_us", "validate_us", "verify_us", "sign_us", "persist_us", "whole_us", "floor_us", "floor_ratio",
    "one_process.requests_per_s", "two_cores.requests_per_s", "half_load.p99_ms", "roundtrip_per_s", "vs_wiremock_cpu_ratio",
    "memory_ratio",
)  # fmt: skip
OTA = (
    "home.wall_ms", "intake_50k.wall_s", "1m.wall_s", "100k.plain.wall_s", "national.wall_s", "national.peak_gib",
    "national.bytes_per_device", "cost_ratio_100k_60m",
)  # fmt: skip


def test_every_promised_measurement_is_there() -> None:
    others = {"start.ready_s", "demo.wall_s", "access.gate_us", "access.device_us", "access.registration_bytes_per_mpxn"}
    others |= {"logistics.million_units.wall_s", "push.per_s", "storm.200k.wall_s"}
    others |= {"access.agent_50k_ms", "access.agent_5k_ms", "gbcs.encode_us", "gbcs.answer_us"}
    assert set(MEASUREMENTS) >= {f"edge.{name}" for name in EDGE} | others | {f"ota.{name}" for name in OTA}


@pytest.mark.parametrize("name", ["edge.parse_us", "edge.persist_us", "edge.whole_us"])
def test_a_measurement_tells_what_was_done(name: str) -> None:
    chosen = MEASUREMENTS[name]
    result = json.loads(json.dumps(take(Measurement(chosen.name, chosen.unit, 1, chosen.prepare))))
    assert result.keys() >= {"name", "value", "unit", "runs", "median", "command", "checked"}
    assert result["name"] == name
    assert result["value"] == result["median"] > 0
    assert 200 in result["checked"].values()


def test_runs_that_differ_are_no_measurement() -> None:
    @contextmanager
    def prepare() -> Iterator[Run]:
        numbers = count()
        yield lambda: Sample(1.0, {"done": next(numbers)})

    with pytest.raises(RuntimeError, match="did not do the same"):
        take(Measurement("odd", "s", 2, prepare))
