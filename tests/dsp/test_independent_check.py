"""Every GBCS message of the main job is right in the eyes of a checker that shares no code with us."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.domain.identifiers import Eui64
from emulator.pki.certificates import Usage
from emulator.pki.formats import to_pem_files
from tests.conftest import absent
from tests.dsp.bench_world import SUPPLIER, Bench, device
from tests.dsp.test_firmware import manufacturer_image_hash


@pytest.fixture(scope="module")
def checker(reference: Path) -> Path:
    found = reference.parent / "tools" / "gbcs_check" / "check.py"
    if not found.is_file():
        absent("reference", "the independent GBCS checker is not beside the reference folder")
    return found


@pytest.fixture(scope="module")
def messages() -> tuple[Bench, dict[tuple[str, int, int], str]]:
    """One message of each code, kind and sender type from a whole campaign, as hexadecimal text."""
    bench = Bench()
    for kind, last in (("ESME", "A0"), ("GSME", "A1"), ("HCALCS", "A5")):
        # One after the other: the hub's store holds two images.
        bench.distribute("11.1", kind, [device(0, last)])
        bench.run_until_idle()
    bench.distribute("11.4", "PPMID", [device(0, "A4")])
    bench.run_until_idle()
    for kind, last in (("ESME", "A0"), ("GSME", "A1"), ("HCALCS", "A5")):
        bench.activate(device(0, last), manufacturer_image_hash(bench, kind), at="2026-02-01T00:00:00Z" if last == "A0" else None)
    bench.run_until_idle()
    bench.world.engine.advance(bench.now_ms + 40 * 86_400_000)
    for last in ("A0", "A1", "A2", "A4", "A5"):
        bench.submit("11.2", to=device(0, last), user=SUPPLIER)
    bench.run_until_idle()
    bench.collect()
    found: dict[tuple[str, int, int], str] = {}
    for entry in bench.journal:
        if "gbcs" in entry.data and entry.device is not None:
            device_type = bench.world.engine.state.dsp.inventory[entry.device].device_type
            found.setdefault(
                (entry.kind, int(entry.summary[:4], 16), list(type(device_type)).index(device_type)), entry.data["gbcs"]
            )
    return bench, found


def test_the_checker_finds_every_message_right(
    checker: Path, messages: tuple[Bench, dict[tuple[str, int, int], str]], tmp_path: Path
) -> None:
    bench, found = messages
    codes = {(kind, code) for kind, code, _ in found}
    assert {("gbcs.command", c) for c in (0x0012, 0x0059, 0x0084, 0x0129)} <= codes
    assert {("gbcs.response", c) for c in (0x0012, 0x0059, 0x0084, 0x0129)} <= codes
    assert {("gbcs.alert", c) for c in (0x00CA, 0x00CE, 0x00CF, 0x0128, 0x012B)} <= codes
    records = list(bench.world.keys.records())
    for eui in bench.world.engine.state.dsp.inventory:
        for usage in Usage:
            record = bench.world.keys.device(Eui64(eui), usage)
            assert record is not None
            records.append(record)
    for name, content in to_pem_files(records).items():
        (tmp_path / name).write_bytes(content)
    for key, message in found.items():
        run = subprocess.run(
            [sys.executable, str(checker), "-", "--keys", str(tmp_path)],
            input=message,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.stdout, (key, run.stderr[-500:])
        verdict = json.loads(run.stdout)
        assert run.returncode == 0, (key, verdict)
        assert "valid" in (verdict["signature"], verdict["mac"]), (key, verdict)
        assert "missing" not in f"{verdict['signature']} {verdict['mac']}", (key, verdict)
