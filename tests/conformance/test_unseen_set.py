"""A set of messages that nobody has seen: of our own making, with parties, devices and use-case names of its own."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from emulator.conformance.cases import Case
from emulator.conformance.homes import VirtualHome, surroundings_of
from emulator.conformance.keys import FolderKeys
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.dsp.commands import body_parameters
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request
from emulator.gbcs import times
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.message import Cra, decode_message
from emulator.gbcs.protect import sign
from emulator.gbcs.usecases import use_case_for
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.smki import Organisation, TestSmki
from tests.conformance.test_steps import run
from tests.schema.sample_requests import REQUESTS

SMKI = TestSmki(seed=4_711)
SUPPLIER, OPERATOR = Eui64(0x70B3D5AABB000001), Eui64(0x70B3D5AABB000002)
DEVICES = {DeviceType.ESME: Eui64(0x0011223344556611), DeviceType.GSME: Eui64(0x0011223344556622)}
NOW = "2027-03-01T10:20:30Z"

ASKED = {
    "XYZ01": ("4.1.1", DeviceType.ESME),
    "XYZ02": ("4.1.1", DeviceType.GSME),
    "XYZ03": ("6.12", DeviceType.ESME),
    "XYZ04": ("6.7", DeviceType.GSME),
    "XYZ05": ("4.6.1", DeviceType.GSME),
    "XYZ06": ("11.2", DeviceType.ESME),
}


def write_keys(folder: Path) -> None:
    """Certificates and private keys of parties and devices, as such folders have them."""
    records: list[CertificateRecord] = []
    for eui, role in (
        (ACCESS_CONTROL_BROKER, RemotePartyRole.ACCESS_CONTROL_BROKER),
        (SUPPLIER, RemotePartyRole.SUPPLIER),
        (OPERATOR, RemotePartyRole.NETWORK_OPERATOR),
    ):
        records += SMKI.organisation_certificates(Organisation(eui, role, role.name.lower().replace("_", "")))
    records += [SMKI.device_certificate(eui, usage) for eui in DEVICES.values() for usage in Usage]
    for record in records:
        name = folder / f"{record.eui:016x}-{record.usage.lower()}"
        name.with_suffix(".pem").write_bytes(record.certificate.public_bytes(serialization.Encoding.PEM))
        assert record.private_key is not None
        form = serialization.PrivateFormat.TraditionalOpenSSL
        octets = record.private_key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        name.with_suffix(".key").write_bytes(octets)


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """A folder with ``set/…/*.HEX``, ``keystore`` beside the messages, and ``requests``."""
    messages, requests, store = tmp_path / "set" / "some" / "where", tmp_path / "requests" / "all", tmp_path / "keystore"
    for folder in (messages, requests, store):
        folder.mkdir(parents=True)
    write_keys(store)
    keys = FolderKeys(store)
    bodies = {variant: (reference, body) for (_, reference, variant), body in REQUESTS}
    for number, (family, (variant, kind)) in enumerate(ASKED.items(), start=41):
        name, device = f"{family}_{variant}_SUCCESS", DEVICES[kind]
        reference, body = bodies[variant]
        request_id = RequestId(SUPPLIER, device, number)
        requests.joinpath(f"{name}_REQUEST_DUIS.XML").write_bytes(
            encode_request(Request(request_id, 1, reference, variant, body))
        )
        parameters = body_parameters(body)
        row = use_case_for(variant, kind, parameters, gbcs_version="4.2")
        assert row is not None
        message = build_command(
            row, user=SUPPLIER, user_counter=number, device=device, acb_counter=900, parameters=parameters,
            now_ms=times.read_duis(NOW),
        )  # fmt: skip
        if row.critical:
            signing = keys.private_key(SUPPLIER, "DS")
            assert signing is not None
            messages.joinpath(f"{name}_PRECOMMAND_GBCS.HEX").write_text(message.encode()[:-1].hex())
            message = sign(message, signing)
        broker, public = keys.private_key(ACCESS_CONTROL_BROKER, "KA"), keys.public_key(device, "KA")
        assert broker is not None
        assert public is not None
        command = finish_command(message, broker, public)
        messages.joinpath(f"{name}_COMMAND_GBCS.HEX").write_text(command.hex().upper())
        facts = Case(
            name, "", format_eui(SUPPLIER), format_eui(device), kind.value, "4.2", "A", format_eui(SUPPLIER), number, 0, 0, NOW
        )  # fmt: skip
        answers = VirtualHome(facts, keys, surroundings_of([facts], keys)).take(command).messages
        (response,) = (octets for octets in answers if decode_message(octets).cra is Cra.RESPONSE)
        messages.joinpath(f"{name}_RESPONSE_GBCS.HEX").write_text(response.hex())
    return tmp_path


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
