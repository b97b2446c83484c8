"""Logs of gas meters, read into names."""

import json
from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.gbcs.gbz import Component
from emulator.gbcs.zcl_replies import REPLIES, read_reply

SAMPLES = "000080a7341c00080702000a00000b0000"


def read(cluster: int, command: int, payload: bytes, control: int = 0x19) -> dict[str, object]:
    values: dict[str, object] = {}
    read_reply(Component(cluster, control, 0, command, payload), payload, values)
    return values


def test_samples() -> None:
    (entry,) = read(0x0702, 0x07, bytes.fromhex(SAMPLES))["sampled_data"]  # type: ignore[misc]
    assert (entry["samples"], entry["interval_s"], entry["sample_id"]) == ([10, 11], 1_800, 0)


@pytest.mark.parametrize("cut", range(1, len(SAMPLES) // 2))
def test_what_is_cut_short_is_not_read(cut: int) -> None:
    with pytest.raises(Malformed):
        read(0x0702, 0x07, bytes.fromhex(SAMPLES)[:cut])


def test_what_follows_the_payload_is_not_passed_over() -> None:
    with pytest.raises(Malformed):
        read(0x0702, 0x07, bytes.fromhex(SAMPLES) + b"\0")


def test_other_commands_say_nothing() -> None:
    assert read(0x0702, 0x55, b"") == {}
    assert read(0x0702, 0x07, bytes.fromhex(SAMPLES), control=0x01) == {}


def test_the_published_plaintexts(reference: Path) -> None:
    """Each reads to its end, and the periods of snapshots and samples are those that were asked for."""
    plain = json.loads((reference / "gbcs" / "decrypted.json").read_text())
    commands = {
        "GCS15c": (0x0702, 0x06), "GCS16a": (0x0702, 0x06), "GCS17": (0x0702, 0x07), "GCS18": (0x0702, 0x07),
        "GCS61": (0x0702, 0x07), "GCS15d": (0x0705, 0x06), "GCS53": (0x0702, 0x06),
    }  # fmt: skip
    seen = set()
    for case in plain:
        family = case["name"].split("_")[0]
        if family not in commands:
            continue
        payload = bytes.fromhex(case["plain"])
        cluster, command = commands[family]
        if family == "GCS15c" and payload[15] == 0:  # type of the payload: balances
            cluster, command = 0x0705, 0x01
        (name, _) = REPLIES[cluster, command]
        entries = read(cluster, command, payload)[name]
        assert isinstance(entries, list)
        assert entries
        assert all(entry["time"] > 400_000_000_000 for entry in entries)
        seen.add(family)
    assert seen == set(commands)
