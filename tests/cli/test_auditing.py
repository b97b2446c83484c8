"""The verbs of the audit trail on a data folder and on an export; those on a server are in test_access_verbs.py."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.service.audit_chains import OTHER, USER, Chain, device, request_id
from tests.service.test_audit_log import steps_of
from tests.service.test_world_logs import open_log


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with the six records of :meth:`Chain.some`."""

    async def fill() -> None:
        log = await open_log(tmp_path / "data" / "worlds" / "default")
        for step in steps_of(Chain().some()):
            await log.append(step)
        await log.close()

    asyncio.run(fill())
    return tmp_path / "data"


@pytest.fixture
def export(run: Run, data: Path, tmp_path: Path) -> Path:
    """The same as a file."""
    path = tmp_path / "audit.jsonl"
    done = run("audit", "export", "--data", data, "-o", path)
    assert (done.code, "10 lines in" in done.out) == (0, True)
    return path


def edit(data: Path, statement: str) -> None:
    connection = sqlite3.connect(data / "worlds" / "default" / "log.sqlite3")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_folder_and_its_export_are_whole(run: Run, data: Path, export: Path) -> None:
    for source in (("--data", data), ("--file", export)):
        done = run("audit", "verify", *source)
        assert (done.code, "the trail is whole" in done.out) == (0, True)
        found = run("audit", "verify", *source, "--json").json
        assert (found["whole"], found["records"], found["lists"], found["broken_at"]) == (True, 6, 2, None)


def test_an_edited_row_is_found(run: Run, data: Path) -> None:
    edit(data, "UPDATE audit SET entry = json_set(entry, '$.operator', 'somebody else') WHERE number = 5")
    done = run("audit", "verify", "--data", data)
    assert done.code == 1
    assert "the trail is broken at record 5: record 5 was edited" in done.out
    edit(data, "DELETE FROM audit WHERE number = 2")
    assert run("audit", "verify", "--data", data, "--json").json["broken_at"] == 2


def test_an_edited_line_is_found(run: Run, export: Path) -> None:
    content = export.read_text()
    export.write_text(content.replace("J. Doe", "J. Roe"))
    assert run("audit", "verify", "--file", export, "--json").json["broken_at"] == 5
    export.write_text("".join(content.splitlines(keepends=True)[:-1]))
    done = run("audit", "verify", "--file", export)
    assert (done.code, "the trail is broken at record 7: the export has no last line" in done.out) == (1, True)
    export.write_text(content.splitlines()[0] + "\nsomething else\n")
    done = run("audit", "verify", "--file", export)
    assert (done.code, "line 2" in done.err) == (2, True)


def test_who_touched_a_device_between_two_instants(run: Run, data: Path, export: Path) -> None:
    for source in (("--data", data), ("--file", export)):
        arguments = ("audit", "query", "--device", device(8), "--from", "1970-01-01T00:00:04Z", "--to", "1970-01-01T00:00:06Z")
        (record,) = run(*arguments, *source, "--json").json
        assert (record["number"], record["entry"]["operator"]) == (5, "J. Doe")
        shown = run(*arguments, *source).out
        assert f"{OTHER} (J. Doe)" in shown
        assert "list of 593" in shown
        assert "11.1 image bbbbbbbbbbbbbbbb…" in shown


def test_other_questions(run: Run, data: Path) -> None:
    def numbers(*arguments: str) -> list[int]:
        return [record["number"] for record in run("audit", "query", "--data", data, "--json", *arguments).json]

    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers("--newest-first", "--limit", "2") == [6, 5]
    assert numbers("--user", OTHER.replace("-", "").lower(), "--variant", "11.1") == [5]
    assert numbers("--request-id", request_id(2).upper()) == [2]
    assert numbers("--kind", "inventory") == [4]
    assert numbers("--image-hash", "AA" * 32) == [3]
    assert "00010000 → 00010100" in run("audit", "query", "--data", data, "--kind", "inventory").out


def test_who_last_sent_an_image_before_an_alert(run: Run, data: Path, export: Path) -> None:
    alert = "1970-01-01T00:00:06Z"
    for source in (("--data", data), ("--file", export)):
        found = run("audit", "last-image", "--device", device(8), "--before", alert, *source, "--json").json
        assert (found["number"], found["entry"]["user"]) == (5, OTHER)
        earlier = run("audit", "last-image", "--device", device(8), "--before", "1970-01-01T00:00:05Z", *source)
        assert (earlier.code, "record 3" in earlier.out, USER in earlier.out) == (0, True, True)
        nobody = run("audit", "last-image", "--device", device(800), *source)
        assert (nobody.code, nobody.out.strip()) == (1, f"nobody sent {device(800)} an image")


def test_what_is_not_there_is_told_in_words(run: Run, data: Path, export: Path, tmp_path: Path) -> None:
    done = run("audit", "verify", "--data", tmp_path, "--json")
    assert (done.code, "there is no world 'default' in it" in done.json["error"]["detail"]) == (2, True)
    assert run("audit", "verify", "--data", data, "--world", "other").code == 2
    assert run("audit", "query", "--data", data, "--file", export).code == 2
    assert run("audit", "query", "--data", data, "--device", "nobody").code == 2
    assert run("audit", "query", "--data", data, "--from", "yesterday").code == 2
    assert run("audit", "verify", "--server", "http://127.0.0.1:1").code == 3


def test_an_export_is_json_lines(export: Path) -> None:
    lines = [json.loads(line) for line in export.read_text().splitlines()]
    assert lines[0] == {"start": {"number": 0, "digest": "0" * 64}}
    assert lines[-1]["end"]["number"] == 6
    assert lines[3]["devices"] == [device(n) for n in range(1, 10)]
