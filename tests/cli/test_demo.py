"""The demo does what it says, and notices when it does not."""

import json
from pathlib import Path

import pytest

from emulator.cli.demo import command, story
from emulator.cli.demo.ledger import Ledger
from tests.cli.conftest import Run


def test_demo_is_in_order_and_leaves_its_transcript(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = run("demo", "--no-interop", "--json", "-o", folder)
    assert done.code == 0, done.out
    summary = done.json
    assert (summary["ok"], summary["failed"], summary["devices"]) == (True, [], 10)
    assert summary["checks"] > 150
    assert summary["wall_s"] > 0
    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert len(lines) == summary["messages"]
    assert all((folder / line["file"]).is_file() for line in lines)
    pushed = {line["code"] for line in lines if line["direction"] == "push"}
    assert {"N60", "N62", "N39", "8F72", "I0"} <= pushed
    kinds = {json.loads(line)["kind"] for line in (folder / "journal.jsonl").read_text().splitlines()}
    assert {"gbcs.command", "gbcs.response", "gbcs.alert", "inventory"} <= kinds


def test_demo_prints_its_steps_and_where_the_transcript_is(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = run("demo", "--no-interop", "-o", folder)
    assert done.code == 0
    for words in ("read the inventory", "wave 2", "activate", "everything is as it must be", str(folder)):
        assert words in done.out


def test_demo_ends_with_1_when_a_version_is_not_as_it_must_be(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_back = story.Story._read_back

    async def wrong(self: story.Story, track: object) -> None:
        await read_back(self, track)  # type: ignore[arg-type]
        ledger: Ledger = self._ledger
        ledger.verify("a device", "version it runs", "00010000", "00010100")

    monkeypatch.setattr(story.Story, "_read_back", wrong)
    done = run("demo", "--no-interop", "-o", tmp_path / "demo")
    assert done.code == 1
    assert "a device: version it runs is 00010000, not 00010100" in done.out
    assert "not everything is as it must be" in done.out


def test_demo_ends_with_1_when_a_step_cannot_go_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "TARGET_VERSION", "00099999")
    done = run("demo", "--no-interop", "--json", "-o", tmp_path / "demo")
    assert done.code == 1
    assert "firmware list has no ESME" in done.json["problem"]


def test_demo_does_not_write_over_another_transcript(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    assert run("demo", "-o", tmp_path).code == 2
