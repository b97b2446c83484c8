"""Our own messages with our own keys: built again from their inputs, read back, verified, and judged by an independent checker.

``tests/golden`` holds what goes in, the octets, and what has to be read from them, so that the suite proves itself where the
published messages are not at hand.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, parse_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs import times
from emulator.gbcs.alerts import alert_content, build_alert, protect_alert
from emulator.gbcs.commands import CommandView, accept_signed, build_command, finish_command, read_command
from emulator.gbcs.dlms import AccessResponse, AccessResult, decode_data, invoke_id
from emulator.gbcs.explain import explain
from emulator.gbcs.gbz import Component, encode_components, read_response
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import PrivateKey, PublicKey, seal, shared_secret, sign
from emulator.gbcs.protected import protected_result, sealing_key
from emulator.gbcs.responses import build_response, protect_response
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.usecases import GbzItem, UseCase, alert_use_case, all_use_cases, by_code, use_case_for
from tests.conftest import absent

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: list[dict[str, Any]] = json.loads((GOLDEN / "messages.json").read_text())
BY_NAME = {case["name"]: case for case in CASES}
HEXADECIMAL = {"other_device_certificate", "hash", "version", "firmware_version", "han_id", "link_key_hash"}
CHECKED_IN_EVERY_RUN = ("ECS52 to a hub", "GCS38 answer", "CS06 now", "CS06 done", "8F1C of a gas meter", "8F12", "ECS17b answer")


class Keys:
    """The private keys of every party of the set."""

    def private_key(self, eui: Eui64, usage: str) -> PrivateKey | None:
        key = load_pem_private_key((GOLDEN / "keys" / f"{eui:016x}-{usage.lower()}.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def public_key(self, eui: Eui64, usage: str) -> PublicKey | None:
        key = self.private_key(eui, usage)
        return key.public_key() if key else None


KEYS = Keys()


def private(eui: Eui64, usage: str) -> PrivateKey:
    key = KEYS.private_key(eui, usage)
    assert key is not None
    return key


def octets(value: Any) -> Any:
    """Values of the file as a caller would give them: octets instead of hexadecimal text."""
    if isinstance(value, list):
        return [octets(item) for item in value]
    if isinstance(value, dict):
        return {name: bytes.fromhex(item) if name in HEXADECIMAL else octets(item) for name, item in value.items()}
    return value


def golden(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize("case", golden("command"))
def test_commands(case: dict[str, Any]) -> None:
    user, device = parse_eui(case["user"]), parse_eui(case["device"])
    parameters = octets(case["parameters"])
    use_case = use_case_for(
        case["variant"],
        DeviceType(case["device_type"]),
        parameters,
        gbcs_version=case["gbcs_version"],
        user_role=RemotePartyRole[case["user_role"]],
    )
    assert use_case is not None
    assert use_case.name == case["use_case"]
    skeleton = build_command(
        use_case,
        user=user,
        user_counter=case["user_counter"],
        device=device,
        acb_counter=case["acb_counter"],
        parameters=parameters,
        now_ms=0,
    )
    message = skeleton
    assert use_case.needs_pre_command == ("pre_command" in case)
    if use_case.needs_pre_command:
        assert skeleton.encode().hex() == case["pre_command"]
        message = accept_signed(skeleton, sign(skeleton, private(user, "DS")).encode())
    elif use_case.critical:
        message = sign(skeleton, private(ACCESS_CONTROL_BROKER, "DS"))
    finished = finish_command(message, private(ACCESS_CONTROL_BROKER, "KA"), private(device, "KA").public_key())
    assert finished.hex() == case["message"]
    view = read_command(decode_message(finished))
    assert view is not None
    assert view.use_case.code == use_case.code


def content_of(case: dict[str, Any], use_case: UseCase, command: GbcsMessage) -> bytes:
    view = read_command(command)
    assert view is not None
    device = private(command.recipient, "KA")
    key = sealing_key(command, shared_secret(device, private(command.originator, "KA").public_key()))
    if "values" in case:
        return encode_shape(use_case.response_shape, octets(case["values"]))
    if "records" in case:
        return encode_components(list(read_responses(case, view, key)))
    if "protected" in case:
        values = [decode_data(bytes.fromhex(text)) for text in case["protected"]]
        results = [AccessResult(view.accesses[0].operation, 0, protected_result(command, values, key))]
    else:
        results = [
            AccessResult(access.operation, code, decode_data(bytes.fromhex(text)))
            for access, (code, text) in zip(view.accesses, case["answers"], strict=True)
        ]
    return AccessResponse(invoke_id(command.counter), tuple(results)).encode()


def read_responses(case: dict[str, Any], view: CommandView, key: bytes) -> Iterator[Component]:
    for request, item, text in zip(view.components, view.use_case.request, case["records"], strict=True):
        assert isinstance(item, GbzItem)
        payload = bytes.fromhex(text)
        if item.encrypted_answer:
            yield read_response(request, seal(payload, key, view.message.recipient), frame_counter=0)
        else:
            yield read_response(request, payload)


@pytest.mark.parametrize("case", golden("response"))
def test_responses(case: dict[str, Any]) -> None:
    command = decode_message(bytes.fromhex(BY_NAME[case["command"]]["message"]))
    use_case = by_code(command.message_code)
    assert use_case is not None
    content = content_of(case, use_case, command)
    at_ms = times.read_duis(case["device_time"])
    response = protect_response(
        build_response(command, use_case, content, at_ms, time_status=case.get("time_status")),
        use_case,
        device_private_ds=private(command.recipient, "DS"),
        device_private_ka=private(command.recipient, "KA"),
        recipient_public_ka=private(command.originator, "KA").public_key(),
    )
    assert response.encode().hex() == case["message"]
    keys = ReaderKeys(private(command.originator, "KA"), private(command.recipient, "KA").public_key())
    assert read_result(decode_message(response.encode()), keys) == case["result"]


@pytest.mark.parametrize("case", golden("alert"))
def test_alerts(case: dict[str, Any]) -> None:
    code, device, recipient = int(case["alert_code"], 16), parse_eui(case["device"]), parse_eui(case["recipient"])
    use_case = alert_use_case(code, DeviceType(case["device_type"]))
    assert use_case is not None
    assert use_case.name == case["use_case"]
    assert (use_case.recipient is RemotePartyRole.ACCESS_CONTROL_BROKER) == (recipient == ACCESS_CONTROL_BROKER)
    at_ms = times.read_duis(case["time"])
    content = alert_content(
        use_case, counter=case["counter"], alert_code=code, time_ms=at_ms, values=octets(case["values"])
    )  # fmt: skip
    alert = protect_alert(
        build_alert(use_case, device=device, recipient=recipient, counter=case["counter"], content=content),
        use_case,
        device_private_ds=private(device, "DS"),
        device_private_ka=private(device, "KA"),
        recipient_public_ka=private(recipient, "KA").public_key(),
    )
    assert alert.encode().hex() == case["message"]
    assert read_result(alert) == case["result"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_protection_holds_and_is_noticed_when_broken(case: dict[str, Any]) -> None:
    message = bytes.fromhex(case["message"])
    told = explain(message, KEYS)
    assert told["use_case"] or told["title"]
    assert {check["verdict"] for check in told["checks"]} <= {"valid", "null", "absent"}
    assert "valid" in {check["verdict"] for check in told["checks"]}
    decoded = decode_message(message)
    altered = replace(decoded, counter=decoded.counter ^ 1)
    assert "invalid" in {check["verdict"] for check in explain(altered.encode(), KEYS)["checks"]}


def test_the_set_names_rows_of_the_table() -> None:
    assert {case["use_case"] for case in CASES} <= {row.name for row in all_use_cases()}


def judge(reference: Path, case: dict[str, Any]) -> None:
    checker = reference.parent / "tools" / "gbcs_check" / "check.py"
    if not checker.is_file():
        absent("reference", "the independent checker is not beside the reference folder")
    done = subprocess.run(
        [sys.executable, "-B", str(checker), "-", "--keys", str(GOLDEN / "keys")],
        input=case["message"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert "valid" in (verdict["signature"], verdict["mac"])
    assert verdict["signature"] in ("valid", "null")
    assert verdict["mac"] in ("valid", None)


@pytest.mark.reference
@pytest.mark.parametrize("name", CHECKED_IN_EVERY_RUN)
def test_independent_checker(reference: Path, name: str) -> None:
    judge(reference, BY_NAME[name])


@pytest.mark.reference
@pytest.mark.verify
@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_independent_checker_on_all(reference: Path, case: dict[str, Any]) -> None:
    judge(reference, case)
