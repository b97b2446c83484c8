"""What is noted per case: its request, and what a request cannot carry."""

from pathlib import Path

import pytest

from emulator.conformance.cases import list_cases, request_for
from emulator.conformance.keys import FolderKeys
from emulator.conformance.produce import produce
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.usecases import use_case_for

USER = Eui64(0x90B3D51F30010000)
HUB = Eui64(0x00DB1234567890A2)
GAS_PROXY = Eui64(0x00DB1234567890A3)
TYPES = {HUB: DeviceType.CHF, GAS_PROXY: DeviceType.GPF}
LOG = {
    "han_id": "0011223344556677",
    "devices": [
        {"device": "00-DB-12-34-56-78-90-A0", "link_key_hash": "aa" * 16},
        {"device": "00-DB-12-34-56-78-90-A1", "link_key_hash": "bb" * 16},
    ],
}


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        ("A1_1.1_X_SUCCESS", "A1_1.1_X_SUCCESS"),
        ("A1_1.1_X_ERROR", "A1_1.1_X_SUCCESS"),
        ("A1_1.1_X_NOT_FOUND", "A1_1.1_X_SUCCESS"),
        ("A1_1.1_IMMEDIATE_ERROR", "A1_1.1_IMMEDIATE_TOU_SUCCESS"),
        ("A1_1.1_LATER_SUCCESS", None),
        ("A1_1.2_ERROR", None),
        ("A2_1.1_ERROR", None),
    ],
)
def test_the_request_of_a_case(case: str, wanted: str | None) -> None:
    names = ("A1_1.1_CANCELLATION_SUCCESS", "A1_1.1_IMMEDIATE_BLOCK_SUCCESS", "A1_1.1_IMMEDIATE_TOU_SUCCESS", "A1_1.1_X_SUCCESS")
    found = request_for(case, {name: Path(name) for name in names})
    assert (found and found.name) == wanted


@pytest.mark.reference
@pytest.mark.parametrize(
    ("template", "device", "facts"),
    [
        ("CCS03_8.12.1_SUCCESS", HUB, LOG),
        ("GCS59_8.12.2_SUCCESS", GAS_PROXY, {"devices": [{"device": "00-DB-12-34-56-78-90-A1", "device_type": 0}]}),
    ],
)
def test_what_is_restored_is_noted(
    reference: Path, tmp_path: Path, template: str, device: Eui64, facts: dict[str, object]
) -> None:
    keys = FolderKeys(reference / "gbcs/rtds/keystore")
    broker, recipient = keys.private_key(ACCESS_CONTROL_BROKER, "KA"), keys.public_key(device, "KA")
    assert broker is not None
    assert recipient is not None
    row = use_case_for(template.split("_")[1], TYPES[device], facts)
    assert row is not None
    message = build_command(row, user=USER, user_counter=1002, device=device, acb_counter=5, parameters=facts, now_ms=0)
    published = finish_command(message, broker, recipient)
    tmp_path.joinpath(f"{template}_COMMAND_GBCS.HEX").write_text(published.hex())
    listing = list_cases(tmp_path, reference / "duis/templates")
    (case,), without = listing.cases, listing.no_request
    assert without == []
    assert case.home == facts
    assert produce(case, keys)["COMMAND"] == published
