"""``pki dccki``, and verbs that use its certificates against a server with mutual TLS."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.http.running import Emulator, emulator_process


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    """An authority with a server and a client."""
    made = run("pki", "dccki", "make", tmp_path / "dccki", "--json")
    assert [Path(name).name for name in made.json["files"]] == ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"]
    return tmp_path / "dccki"


@pytest.fixture
def secured(folder: Path, tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that wants certificates."""
    files = {"tls__certificate": folder / "server.pem", "tls__key": folder / "server.key", "tls__client_ca": folder / "ca.pem"}
    with emulator_process(tmp_path, **files, ready_file=tmp_path / "ready.json") as running:
        yield running


def shown(folder: Path, name: str) -> tuple[object, ...]:
    return "--ca", folder / "ca.pem", "--cert", folder / f"{name}.pem", "--key", folder / f"{name}.key"


def test_private_keys_are_for_their_owner_alone(run: Run, folder: Path) -> None:
    assert run("pki", "dccki", "issue", folder, "adapter").code == 0
    keys = list(folder.glob("*.key"))
    assert len(keys) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_keys_are_random_unless_there_is_a_seed(run: Run, tmp_path: Path) -> None:
    for name, options in (("one", ()), ("two", ()), ("three", ("--seed", 7)), ("four", ("--seed", 7))):
        assert run("pki", "dccki", "make", tmp_path / name, *options).code == 0
    one, two, three, four = ((tmp_path / name / "ca.key").read_bytes() for name in ("one", "two", "three", "four"))
    assert one != two
    assert three == four


@pytest.mark.parametrize("name", ["../x", "a/b", "ca", "", ".", "..", "a\\b"])
def test_names_that_lead_elsewhere(run: Run, folder: Path, name: str) -> None:
    before = sorted(folder.parent.rglob("*"))
    assert run("pki", "dccki", "issue", folder, name).code == 2
    assert sorted(folder.parent.rglob("*")) == before


def test_an_authority_is_not_overwritten(run: Run, folder: Path) -> None:
    key = (folder / "ca.key").read_bytes()
    assert run("pki", "dccki", "make", folder).code == 2
    assert (folder / "ca.key").read_bytes() == key


def test_what_cannot_be_used(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("pki", "dccki", "issue", tmp_path / "nowhere", "x").code == 2
    assert run("--ca", folder / "ca.key", "users", "list").code == 2
    assert run("--key", folder / "client.key", "users", "list").code == 2


def test_verbs_over_mutual_tls(run: Run, folder: Path, secured: Emulator, tmp_path: Path) -> None:
    assert run("pki", "dccki", "issue", folder, "late", "--days", 0).code == 0
    server = ("--server", tmp_path / "ready.json")
    client = shown(folder, "client")
    assert run(*client, "users", "list", *server).code == 0
    sent = run(*client, "send", "8.2", "--device", "00-DB-12-34-56-78-90-A0", *server, "--json")
    assert sent.json["in_order"] is True
    assert run(*client, "audit", "verify", *server).code == 0
    for wrong in ((), ("--ca", folder / "ca.pem"), shown(folder, "late"), shown(folder, "server")):
        assert run(*wrong, "users", "list", *server).code == 3
