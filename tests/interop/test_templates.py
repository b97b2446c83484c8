"""Every request that the DCC's own tool can sign is accepted or refused for the right reason; ``outcomes.toml`` says which."""

import asyncio
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator.client.control import ControlClient
from emulator.client.documents import MessageReader
from emulator.client.official import OfficialTools
from emulator.client.session import DuisClient
from emulator.domain.identifiers import parse_eui
from emulator.domain.tables import WEB_SERVICE
from emulator.dsp.commands import body_parameters
from emulator.duis.decode import decode_request
from emulator.duis.messages import Request, ServiceResponse
from emulator.duis.parse import parse_document
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.gbcs.usecases import UseCase, use_case_for
from emulator.pki.keystore import KeyStore
from emulator.service.config import load_settings
from emulator.service.server import Server, running_server
from emulator.testing.harness import FOR_TESTS

TABLE: dict[str, Any] = tomllib.loads((Path(__file__).parent / "outcomes.toml").read_text("utf-8"))
SUFFIX = "_REQUEST_DUIS.XML"
USER = parse_eui("90-B3-D5-1F-30-01-00-00")
CHANGES_THE_WORLD = ("8.3", "8.4", "8.11")
"""Variants whose templates come last: they take the device away that the others are about."""
LOCAL_DELIVERY = (2, 6)
"""Command Variants that ask for the Command to be handed out only."""
DEVICES = {device.eui: device for home in load_estate(default_estate_toml()).homes for device in home.devices}
"""The devices of the default world."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request."""

    kind: str
    """``answered``, ``acknowledged``, ``warned``, ``refused``; or ``invalid`` by the schema, which none should be."""
    detail: str
    """The payload, the check that refused, or why it is not valid."""


def expected(signed: dict[str, Any], entry: dict[str, Any]) -> Outcome:
    """What becomes of a template by ``outcomes.toml``, and where that says nothing, by the use-case table."""
    name, variant = signed["name"].removesuffix(SUFFIX), entry["service_reference_variant"]
    if name in TABLE["refused_templates"]:
        return Outcome("refused", TABLE["refused_templates"][name][0])
    if "FUTURE_DATED" in name:
        return Outcome("refused", "future_date_out_of_window")
    if variant in TABLE["refused"]:
        return Outcome("refused", TABLE["refused"][variant][0])
    if variant in TABLE["warned"]:
        return Outcome("warned", TABLE["warned"][variant])
    if variant in TABLE["answered"]:
        return Outcome("answered", TABLE["answered"][variant])
    if variant in TABLE["acknowledged"]["variants"]:
        return Outcome("acknowledged", "")
    row = use_case_of(decode_request(parse_document(signed["xml"].encode())))
    if row is not None and row.needs_pre_command:
        return Outcome("answered", "PreCommand")
    if row is None or not row.carried_out:
        return Outcome("refused", "service_not_emulated")
    return Outcome("answered", "LocalCommand") if entry["command_variant"] in LOCAL_DELIVERY else Outcome("acknowledged", "")


def use_case_of(request: Request) -> UseCase | None:
    """The row that the table chooses for the device of the default world; None where the world has no such device."""
    device = DEVICES.get(request.request_id.target)
    if device is None:
        return None
    parameters = {**body_parameters(request.body), "esme_variant": device.esme_variant}
    variant = request.service_reference_variant
    return use_case_for(variant, device.device_type, parameters, gbcs_version=device.gbcs_version)


async def outcome_of(signed: dict[str, Any], entry: dict[str, Any], talk: "Conversation") -> Outcome:
    """Post what the DCC's tool signed, as its client would, and see what becomes of it."""
    status, _, content = await talk.client.post(WEB_SERVICE[entry["command_variant"]], signed["xml"].encode())
    if status == 400:
        return Outcome("invalid", content.decode())
    assert status == 200, content
    message = talk.reader.read(content)
    assert isinstance(message, ServiceResponse)
    assert message.request_id == signed["request_id"]  # echoed as it came: EUIs in lower case
    assert message.service_reference_variant == entry["service_reference_variant"]
    if message.code == "I99":
        return Outcome("acknowledged", "")
    if message.code.startswith("W"):
        return Outcome("warned", message.code)
    if message.code == "I0":
        return Outcome("answered", message.payload.name if message.payload else "")
    refusals = await talk.control.journal(request_id=signed["request_id"], kind="refusal")
    code, check, _ = refusals[-1]["summary"].split(": ", 2)
    assert code == message.code
    return Outcome("refused", check)


@dataclass
class Conversation:
    """Ways to the server."""

    client: DuisClient
    reader: MessageReader
    control: ControlClient


class Signer:
    """Signs templates with the DCC's tool, each once: the messages serve every server, for each counts RequestIDs anew."""

    def __init__(self, tools: OfficialTools) -> None:
        self.tools = tools
        self.entries = {entry["file"]: entry for entry in tools.templates()}
        self._signed: dict[str, dict[str, Any]] = {}

    def sign(self, files: list[str]) -> list[dict[str, Any]]:
        missing = [{"name": file, "template": file} for file in files if file not in self._signed]
        if missing:
            self._signed |= {result["name"]: result for result in self.tools.sign(missing)}
        return [self._signed[file] for file in files]


@pytest.fixture(scope="session")
def signer(interop: OfficialTools) -> Signer:
    return Signer(interop)


async def run(server: Server, signer: Signer, keys: KeyStore, names: set[str] | None = None) -> None:
    """Send templates and compare what becomes of them with the table."""
    entries = {file: entry for file, entry in signer.entries.items() if names is None or file.removesuffix(SUFFIX) in names}
    order = sorted(entries, key=lambda file: entries[file]["service_reference_variant"] in CHANGES_THE_WORLD)
    results = await asyncio.to_thread(signer.sign, order)
    unsigned = {result["name"].removesuffix(SUFFIX) for result in results if "error" in result}
    assert unsigned == set(TABLE["not_signed"]["templates"]) & {file.removesuffix(SUFFIX) for file in entries}
    wrong: list[str] = []
    async with DuisClient(server.url("duis"), USER, keys) as client, ControlClient(server.url()) as control:
        talk = Conversation(client, MessageReader(keys), control)
        for signed in (result for result in results if "xml" in result):
            entry = entries[signed["name"]]
            found = await outcome_of(signed, entry, talk)
            wanted = expected(signed, entry)
            if found != wanted:
                wrong.append(f"{signed['name']}: {found.kind} {found.detail}, not {wanted.kind} {wanted.detail}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(300)
async def test_a_spread_of_templates(server: Server, signer: Signer, official_keys: KeyStore) -> None:
    names = set(TABLE["spread"]["templates"])
    assert len(names) == 30
    await run(server, signer, official_keys, names)


@pytest.mark.verify
@pytest.mark.timeout(900)
async def test_every_template(server: Server, signer: Signer, official_keys: KeyStore) -> None:
    await run(server, signer, official_keys)


@pytest.mark.verify
@pytest.mark.reference
@pytest.mark.timeout(900)
async def test_every_template_under_the_published_schemas(
    reference: Path, interop: OfficialTools, signer: Signer, official_keys: KeyStore
) -> None:
    settings = {**FOR_TESTS, "keys.import_from": interop.keystore_json, "schemas.folder": reference / "duis" / "xsd"}
    async with running_server(load_settings(env={}, flags=settings)) as server:
        await run(server, signer, official_keys)


def test_the_table_names_templates_that_exist(signer: Signer) -> None:
    known = {file.removesuffix(SUFFIX) for file in signer.entries}
    assert known >= {*TABLE["spread"]["templates"], *TABLE["refused_templates"], *TABLE["not_signed"]["templates"]}
