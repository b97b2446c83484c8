"""The human behind a User ID: named in a header, kept beside the request, there again after a replay."""

from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from emulator.client.requests import read_inventory
from emulator.client.session import DuisClient
from emulator.client.signing import CounterSource, sign_request, stamp
from emulator.domain.errors import Broken, Malformed
from emulator.domain.vocabulary import WebService
from emulator.dsp.inputs import DuisInput
from emulator.duis.messages import Signer
from emulator.pki.keystore import KeyStore
from emulator.service import recovery
from emulator.service.config import load_settings
from emulator.service.persistence.contract import JournalQuery
from emulator.service.recorder import duis_verdict, read_duis_verdict
from emulator.service.server import Server, running_server
from tests.service.conftest import ESME, QUICK, SUPPLIER

COUNTERS = CounterSource()
REQUEST = read_inventory(SUPPLIER, ESME)


async def post(http: aiohttp.ClientSession, server: Server, keys: KeyStore, *operators: str) -> tuple[int, str]:
    headers = CIMultiDict([("Content-Type", "application/xml"), *(("DCC-Operator", name) for name in operators)])
    body = sign_request(stamp(REQUEST, COUNTERS), keys)
    async with http.post(f"{server.url('duis')}/api/v1/serviceD", data=body, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("name", ["a.smith", "J. Doe (shift 2)", "x" * 64, ""])
async def test_a_named_operator_is_taken(server: Server, http: aiohttp.ClientSession, world_keys: KeyStore, name: str) -> None:
    status, _ = await post(http, server, world_keys, name)
    assert status == 200
    url = f"{server.url()}/control/v1/worlds/default/journal?kind=duis.request"
    async with http.get(url) as answer:
        (entry,) = (await answer.json())["entries"]
    assert entry["data"].get("operator", "") == name


@pytest.mark.parametrize("names", [("x" * 65,), ("Zoë",), ("tab\there",), ("one", "two")])
async def test_what_cannot_be_a_name_is_400(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore, names: tuple[str, ...]
) -> None:
    status, text = await post(http, server, world_keys, *names)
    says = "at most 64 printable ASCII characters" if len(names) == 1 else "there 2 times; expected once at most"
    assert (status, "DCC-Operator" in text, says in text) == (400, True, True)
    assert server.worlds["default"].last_seq == 0


async def test_a_client_names_its_operator(server: Server, world_keys: KeyStore) -> None:
    async with DuisClient(server.url("duis"), SUPPLIER, world_keys, operator="a.smith", timeout_s=20) as client:
        assert (await client.send(REQUEST)).code == "I0"
    (entry,) = await server.worlds["default"].log.journal(JournalQuery(kind="duis.request"))
    assert entry["data"]["operator"] == "a.smith"
    with pytest.raises(Malformed, match="cannot name an operator"):
        DuisClient(server.url("duis"), SUPPLIER, world_keys, operator="two\r\nlines: yes")


async def test_a_replay_knows_the_operator(
    tmp_path: Path, http: aiohttp.ClientSession, world_keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(env={}, flags={**QUICK, "storage.folder": tmp_path / "data"})
    async with running_server(settings) as server:
        for names in (("a.smith",), ()):
            assert (await post(http, server, world_keys, *names))[0] == 200

        async def no_snapshot() -> int:
            return 0

        server.worlds["default"].snapshot = no_snapshot  # type: ignore[method-assign]
    seen: list[str] = []
    submit = recovery.run_submit

    def spy(engine: object, item: DuisInput, at_ms: int) -> object:
        seen.append(item.operator)
        return submit(engine, item, at_ms)  # type: ignore[arg-type]

    monkeypatch.setattr(recovery, "run_submit", spy)
    async with running_server(settings):
        assert seen == ["a.smith", ""]


def test_a_verdict_without_operator_is_one_of_nobody() -> None:
    item = DuisInput(WebService.NON_DEVICE, REQUEST, Signer(SUPPLIER, 2, 77, 'CN="Z1"'), 'a "quoted" name')
    assert read_duis_verdict(duis_verdict(item), REQUEST) == item
    nobody = DuisInput(item.web_service, REQUEST, item.signer)
    assert "operator" not in duis_verdict(nobody)
    assert read_duis_verdict(duis_verdict(nobody), REQUEST) == nobody
    with pytest.raises(Broken):
        read_duis_verdict("[]", REQUEST)
