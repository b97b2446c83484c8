"""``dcc-emulator scenario``."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.scenarios.library import find, library
from emulator.service.config import load_settings
from emulator.service.server import Server
from tests.cli.conftest import Run, run
from tests.scenarios.conftest import HEAD

__all__ = ["run"]

READ = (
    HEAD
    + """
[[steps]]
do = "11.2"
by = "supplier"
device = "ESME@central"
answer = "I99"
"""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(READ, "utf-8")
    return path


@pytest.fixture
def server() -> Iterator[Server]:
    """A server in a thread, on usual time."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = Server(load_settings(env={}, flags={"duis.port": 0, "smki.port": 0, "control.port": 0}))
    asyncio.run_coroutine_threadsafe(made.start(), loop).result(30)
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_list(run: Run) -> None:
    shown = run("scenario", "list").out
    assert all(name in shown for name in library())
    listed = {row["id"]: row for row in run("scenario", "list", "--json").json}
    assert listed.keys() == library().keys()
    assert listed["S-12"]["requirements"] == ["S-12", "A6", "Q7-76", "Q7-77"]


def test_check(run: Run, file: Path) -> None:
    assert run("scenario", "check").code == 0
    assert run("scenario", "check", file).out == "test: 1 steps, nothing wrong\n"
    assert run("scenario", "check", file, "--json").json["checked"][0]["steps"] == 1
    file.write_text(READ.replace('"supplier"', '"suplier"'), "utf-8")
    ended = run("scenario", "check", file)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: mine.toml: step 1 (11.2): by: 'suplier' is not a user of the estate; expected perhaps 'supplier' or 'supplier2'\n"
    )


def test_run_passes(run: Run, file: Path) -> None:
    ended = run("scenario", "run", file)
    assert ended.code == 0
    assert ended.out.startswith("✔ test A test (1 request, 0 messages, 0 s of simulated time, ")
    ended = run("scenario", "run", file, "S-04", "--json", "--seed", "7")
    assert ended.code == 0
    assert (ended.json["passed"], ended.json["total"]) == (2, 2)
    assert [(each["id"], each["passed"], each["seed"]) for each in ended.json["scenarios"]] == [
        ("test", True, 7),
        ("S-04", True, 7),
    ]
    assert len(ended.json["scenarios"][1]["digest"]) == 64


@pytest.mark.parametrize(
    ("wanted", "full", "has_full", "has_suite"),
    [
        (None, False, False, True),
        (None, True, True, True),
        (["S-19"], False, False, True),
        (["S-19"], True, True, True),
        (["S-19-full"], False, True, False),
    ],
)
def test_full_size_is_run_when_it_is_meant(wanted: list[str] | None, full: bool, has_full: bool, has_suite: bool) -> None:
    meant = {path.stem for path in find(wanted, full=full)}
    assert ("S-19-full" in meant, "S-19" in meant) == (has_full, has_suite)


def test_run_fails(run: Run, file: Path) -> None:
    file.write_text(READ.replace("I99", "E4"), "utf-8")
    ended = run("scenario", "run", file)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].startswith("✘ test A test (1 request")
    assert lines[1:] == [
        "  step 1, 11.2: 11.2 by supplier",
        "    answer to 11.2 to ESME@central: - expected, + seen",
        "      - E4",
        "      + I99",
        f"  again: dcc-emulator scenario run {file} --seed 1",
    ]
    ended = run("scenario", "run", file, "--json")
    assert ended.code == 1
    assert ended.json["passed"] == 0
    assert ended.json["scenarios"][0]["steps"][0]["failures"] == [
        {"what": "answer to 11.2 to ESME@central", "expected": "E4", "seen": "I99", "last_messages": []}
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "it is not clear which scenarios are meant; expected ids, files, or --all for every shipped one"),
        (("--all", "S-01"), "it is not clear which scenarios are meant"),
        (("S-99",), "there is no scenario 'S-99'; expected perhaps"),
        (("absent.toml",), "absent.toml: cannot be read: No such file or directory; expected a scenario in TOML"),
        (("S-01", "--server", "nowhere"), "neither a URL nor a ready file"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], words: str) -> None:
    ended = run("scenario", "run", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert words in json.loads(run("scenario", "run", *arguments, "--json").out)["error"]["detail"]


def test_nobody_answers(run: Run, file: Path) -> None:
    assert run("scenario", "run", file, "--server", "http://127.0.0.1:1").code == 3


def test_against_a_running_server(run: Run, server: Server) -> None:
    ended = run("scenario", "run", "S-12", "--server", server.url(), "--duis", server.url("duis"), "--json")
    assert ended.code == 0
    assert ended.json["scenarios"][0]["digest"] == run("scenario", "run", "S-12", "--json").json["scenarios"][0]["digest"]
    assert list(server.worlds) == ["default"]
