"""A set of messages that nobody has seen: of our own making, with parties, devices and use-case names of its own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from emulator.conformance.cases import Case
from emulator.conformance.homes import VirtualHome, surroundings_of
from emulator.conformance.keys import FolderKeys
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, Eui64, RequestId, format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.dsp.commands import body_parameters
from emulator.duis.encode import encode_request
from emulator.duis.messages import Element, Request
from emulator.gbcs import times
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.message import Cra, decode_message
from emulator.gbcs.protect import sign
from emulator.gbcs.usecases import UseCase, all_routes, use_case_for
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.smki import Organisation, TestSmki
from tests.bench.gbcs import KNOWN_AT_HOME
from tests.conformance.test_steps import run
from tests.schema.sample_requests import REQUESTS

SMKI = TestSmki(seed=4_711)
PARTIES = {
    RemotePartyRole.ACCESS_CONTROL_BROKER: ACCESS_CONTROL_BROKER,
    RemotePartyRole.TRANSITIONAL_COS: TRANSITIONAL_COS,
    RemotePartyRole.SUPPLIER: Eui64(0x70B3D5AABB000001),
    RemotePartyRole.NETWORK_OPERATOR: Eui64(0x70B3D5AABB000002),
    RemotePartyRole.LOAD_CONTROLLER: Eui64(0x70B3D5AABB000003),
}
SUPPLIER = PARTIES[RemotePartyRole.SUPPLIER]
DEVICES = {kind: Eui64(0x0011223344556600 + 0x11 * number) for number, kind in enumerate(DeviceType, start=1)}
NOW = "2027-03-01T10:20:30Z"

ASKED = {
    "XYZ01": ("4.1.1", DeviceType.ESME),
    "XYZ02": ("4.1.1", DeviceType.GSME),
    "XYZ03": ("6.12", DeviceType.ESME),
    "XYZ04": ("6.7", DeviceType.GSME),
    "XYZ05": ("4.6.1", DeviceType.GSME),
    "XYZ06": ("11.2", DeviceType.ESME),
}


@dataclass(frozen=True)
class Published:
    """A use case as a set publishes it."""

    name: str
    row: UseCase
    user: Eui64
    device: Eui64
    reference: str
    variant: str
    body: Element
    parameters: Mapping[str, object]


def write_keys(folder: Path) -> None:
    """Certificates and private keys of parties and devices, as such folders have them."""
    records: list[CertificateRecord] = []
    for role, eui in PARTIES.items():
        records += SMKI.organisation_certificates(Organisation(eui, role, role.name.lower().replace("_", "")))
    meters = (Eui64(DEVICES[DeviceType.ESME] + number) for number in (1, 2))
    records += [SMKI.device_certificate(eui, usage) for eui in (*DEVICES.values(), *meters) for usage in Usage]
    for record in records:
        name = folder / f"{record.eui:016x}-{record.usage.lower()}"
        name.with_suffix(".pem").write_bytes(record.certificate.public_bytes(serialization.Encoding.PEM))
        assert record.private_key is not None
        form = serialization.PrivateFormat.TraditionalOpenSSL
        octets = record.private_key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        name.with_suffix(".key").write_bytes(octets)


def publish(folder: Path, keys: FolderKeys, use: Published, number: int) -> bytes:
    """Write the request, the Pre-Command and the Command of a use case as a set has them; the Command."""
    request_id = RequestId(use.user, use.device, number)
    request = Request(request_id, 1, use.reference, use.variant, use.body)
    folder.joinpath("requests", f"{use.name}_REQUEST_DUIS.XML").write_bytes(encode_request(request))
    message = build_command(
        use.row, user=use.user, user_counter=number, device=use.device, acb_counter=900 + number, parameters=use.parameters,
        now_ms=times.read_duis(NOW),
    )  # fmt: skip
    if use.row.critical:
        signing = keys.private_key(message.originator, "DS")
        assert signing is not None
        if use.row.needs_pre_command:
            folder.joinpath("set", f"{use.name}_PRECOMMAND_GBCS.HEX").write_text(message.encode()[:-1].hex())
        message = sign(message, signing)
    broker, public = keys.private_key(ACCESS_CONTROL_BROKER, "KA"), keys.public_key(use.device, "KA")
    assert broker is not None
    assert public is not None
    command = finish_command(message, broker, public)
    folder.joinpath("set", f"{use.name}_COMMAND_GBCS.HEX").write_text(command.hex().upper())
    return command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``keystore`` and room for ``set`` and ``requests``."""
    for name in ("set", "requests", "keystore"):
        tmp_path.joinpath(name).mkdir()
    write_keys(tmp_path / "keystore")
    return tmp_path


@pytest.fixture
def unseen(folder: Path) -> Path:
    """A few use cases with their Responses."""
    keys = FolderKeys(folder / "keystore")
    bodies = {variant: (reference, body) for (_, reference, variant), body in reversed(REQUESTS)}
    for number, (family, (variant, kind)) in enumerate(ASKED.items(), start=41):
        reference, body = bodies[variant]
        parameters = body_parameters(body)
        row = use_case_for(variant, kind, parameters, gbcs_version="4.2")
        assert row is not None
        use = Published(f"{family}_{variant}_SUCCESS", row, SUPPLIER, DEVICES[kind], reference, variant, body, parameters)
        command = publish(folder, keys, use, number)
        user, device = format_eui(SUPPLIER), format_eui(use.device)
        facts = Case(use.name, "", user, device, kind.value, "4.2", "A", user, number, 0, 0, NOW)
        answers = VirtualHome(facts, keys, surroundings_of([facts], keys)).take(command).messages
        (response,) = (octets for octets in answers if decode_message(octets).cra is Cra.RESPONSE)
        folder.joinpath("set", f"{use.name}_RESPONSE_GBCS.HEX").write_text(response.hex())
    return folder


def every_use_case() -> Iterator[Published]:
    """Every use case and type of device to which a sample leads, of meters of each kind."""
    seen: set[tuple[str, DeviceType]] = set()
    routed = {(route.variant, route.device_type) for route in all_routes()}
    for (_, reference, variant), body in REQUESTS:
        kinds = sorted(kind for asked, kind in routed if asked == variant)
        for kind, version, letter in product(kinds, ("4.2", "3.2"), "ABC"):
            parameters = {**body_parameters(body), **KNOWN_AT_HOME, "esme_variant": letter}
            row = use_case_for(variant, kind, parameters, gbcs_version=version)
            if row is None or (row.name, kind) in seen:
                continue
            device = DEVICES[kind] if kind is not DeviceType.ESME else Eui64(DEVICES[kind] + "ABC".index(letter))
            name = f"{row.name}z{kind}_{variant}_{'TWIN_' if letter == 'B' else ''}SUCCESS"
            user = PARTIES[min(row.known_parties, default=RemotePartyRole.SUPPLIER)]
            with suppress(Malformed):  # a body for the other kind of meter, or a sample of octets that is no certificate
                build_command(
                    row, user=user, user_counter=1, device=device, acb_counter=1, parameters=parameters,
                    now_ms=times.read_duis(NOW),
                )  # fmt: skip
                seen.add((row.name, kind))
                yield Published(name, row, user, device, reference, variant, body, parameters)


@pytest.mark.verify
def test_every_use_case_is_made_again_from_request_and_facts(folder: Path) -> None:
    keys = FolderKeys(folder / "keystore")
    uses = list(every_use_case())
    for number, use in enumerate(uses, start=100):
        publish(folder, keys, use, number)
    told = run("--rtds", folder / "set", "--templates", folder / "requests")
    assert told["cases"] == told["commands"] == told["identical_command"] == len(uses) > 220
    assert told["identical_precommand"] == told["precommands"] > 60
    assert told["not_produced"] == {}


def test_a_set_never_seen_is_made_again_to_the_octet(unseen: Path) -> None:
    told = run("--rtds", unseen / "set", "--templates", unseen / "requests")
    assert told["cases"] == len(ASKED)
    assert told["not_produced"] == told["not_answered"] == {}
    assert told["identical_precommand"] == told["precommands"] > 0
    assert told["identical_command"] == told["commands"] == len(ASKED)
    assert told["response_same_shape"] == told["response_verified"] == len(ASKED)
    assert json.dumps(told["different"]) == "[]"


def test_a_gbz_command_says_when_it_was_made(unseen: Path) -> None:
    listed = unseen / "cases.json"
    run("cases", "--rtds", unseen / "set", "--templates", unseen / "requests", "--out", listed)
    told = {case["case"]: case["current_utc"] for case in json.loads(listed.read_text())["cases"]}
    assert told["XYZ04_6.7_SUCCESS"] == NOW


def test_what_a_request_asks_otherwise_is_found_out(unseen: Path) -> None:
    asked = unseen / "requests" / "XYZ05_4.6.1_SUCCESS_REQUEST_DUIS.XML"
    said = asked.read_text()
    start = said.partition("StartDateTime>")[2].partition("<")[0]
    asked.write_text(said.replace(start, "2019-03-01T00:00:00Z"))
    told = run("--rtds", unseen / "set", "--templates", unseen / "requests")
    (differs,) = told["different"]
    assert differs["case"] == "XYZ05_4.6.1_SUCCESS"
    assert "asks for something else: ours is identical with ReadLogPeriod.StartDateTime = " in differs["reason"]
    assert (told["explained"], told["unexplained"]) == (1, 0)


def test_what_does_not_follow_from_the_request_stays_unexplained(unseen: Path) -> None:
    path = unseen / "set" / "XYZ01_4.1.1_SUCCESS_COMMAND_GBCS.HEX"
    octets = bytearray.fromhex(path.read_text())
    octets[octets.index(bytes.fromhex("00002b02")) + 1] ^= 1
    path.write_text(octets.hex())
    told = run("--rtds", unseen / "set", "--templates", unseen / "requests", "--only", "XYZ01")
    assert [each["reason"] for each in told["different"]] == [""]
    assert (told["explained"], told["unexplained"]) == (0, 1)
