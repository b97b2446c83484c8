"""Private keys and the token are in their own places and nowhere else: no log, answer, bundle or file of another kind has any."""

import base64
import json
import re
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from emulator.client.control import ControlClient
from emulator.client.requests import read_firmware_version, read_inventory
from emulator.pki.keystore import KeyStore
from emulator.service.config import load_settings
from tests.http.conftest import MakeSide
from tests.http.running import Emulator, emulator_process
from tests.http.side import ESME, SUPPLIER, Side

TOKEN = "3f7a-unmistakable-token"
HANDED_OUT = re.compile(r"/keys/|/org-crypto\.zip")
"""What is there to hand out the test keys of a world."""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Path]]:
    """An emulator with a token and a data folder that says as much about itself as it can; a second process signs."""
    folder = tmp_path_factory.mktemp("secrets")
    places = {"control__token": TOKEN, "storage__folder": folder / "data"}
    with emulator_process(folder, **places, log__level="debug", duis__processes=2) as running:
        yield running, folder / "data"


@pytest.fixture
async def side(used: tuple[Emulator, Path], sides: MakeSide) -> AsyncIterator[Side]:
    """Somebody who has the token and has done a few things, right and wrong."""
    found = await sides(used[0])
    async with ControlClient(used[0].url("control"), token=TOKEN) as control:
        await found.post(found.signed(read_inventory(SUPPLIER, ESME)))
        await found.post(found.signed(read_firmware_version(SUPPLIER, ESME)), "S")
        await found.post(b"<wrong/>")
        await control.run_until_idle()
        for token in ("", "wrong"):
            url = f"{used[0].url('control')}/control/v1/settings?token={TOKEN}"
            async with found.http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 401
                assert TOKEN not in await answer.text()
        found.control = control
        yield found


def secrets_of(keys: KeyStore) -> list[bytes]:
    """Private keys of the world's parties in the forms in which they could be written."""
    found = [b"PRIVATE KEY", TOKEN.encode(), base64.b64encode(TOKEN.encode())]
    for record in keys.records():
        if record.private_key is not None:
            scalar = record.private_key.private_numbers().private_value
            octets = scalar.to_bytes(32, "big")
            found += [
                octets,
                octets.hex().encode(),
                octets.hex().upper().encode(),
                base64.b64encode(octets)[:42],
                str(scalar).encode(),
            ]
    return found


async def test_no_answer_of_the_control_api_has_any(side: Side) -> None:
    """Every operation that reads: diagnose, settings, journal, transcript, HAR, audit, outbox, snapshots, reports …"""
    secrets = secrets_of(side.keys)
    document = json.loads(await side.control.call("GET", "/control/v1/openapi.json"))
    values = {"world": "default", "device": f"{ESME:016x}", "user": f"{SUPPLIER:016x}", "number": "1", "name": "funnel"}
    seen = 0
    paths = [path for path, operations in document["paths"].items() if "get" in operations and not path.endswith("/events")]
    for path in [*paths, "/_dcc/diagnose", "/_dcc/metrics", "/_dcc/version", "/control/v1/openapi.json", "/control/v1/docs"]:
        if HANDED_OUT.search(path):
            continue
        url = side.emulator.url("control") + re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], "1"), path)
        async with side.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            content = await answer.read()
        seen += answer.status == 200
        assert not [secret for secret in secrets if secret in content], path
    assert seen > 20


async def test_no_log_has_any(side: Side) -> None:
    said = side.emulator.log.encode()
    assert not [secret for secret in secrets_of(side.keys) if secret in said]


async def test_files_are_for_their_owner_and_keys_in_one_place(side: Side, used: tuple[Emulator, Path]) -> None:
    """What is kept of a world and of its snapshots, read to the last octet."""
    await side.control.snapshot()
    secrets = secrets_of(side.keys)
    kept = [path for path in used[1].rglob("*") if path.is_file()]
    assert len(kept) > 5
    for path in kept:
        inside = path.relative_to(used[1]).parts
        if "keys" not in inside[:-1]:
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], inside
        elif b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, inside
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, inside


async def test_no_other_user_of_the_machine_reads_a_data_folder(used: tuple[Emulator, Path], side: Side) -> None:
    assert stat.S_IMODE(used[1].stat().st_mode) & 0o077 == 0


def test_settings_do_not_show_the_token(tmp_path: Path) -> None:
    """It can be given by the environment or a file, so that a list of processes need not have it; settings show a mask."""
    config = tmp_path / "emulator.toml"
    config.write_text(f'[control]\ntoken = "{TOKEN}"\n')
    for loaded in (load_settings(config, env={}), load_settings(env={"DCC_CONTROL__TOKEN": TOKEN})):
        assert TOKEN not in json.dumps(loaded.explained())
        assert TOKEN not in repr(loaded)
        assert TOKEN not in str(loaded.settings)
