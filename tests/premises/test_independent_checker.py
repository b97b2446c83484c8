"""Every kind of message that the homes send, under an independent checker that shares no code with the project."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from tests.premises.homes import (
    DAY_MS,
    ESME,
    GPF,
    GSME,
    HCALCS,
    HOUR_MS,
    HUB,
    NETWORK_OPERATOR,
    NEWER,
    OTHER_SUPPLIER,
    PPMID,
    SUPPLIER,
    Rig,
    key,
)

DRIVER = """
import contextlib, io, json, sys
tool, keys, *messages = sys.argv[1:]
sys.path.insert(0, tool)
import check
results = []
for message in messages:
    sys.argv = ["check.py", message, "--keys", keys]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = check.main()
    results.append([code, json.loads(out.getvalue())])
print(json.dumps(results))
"""
"""Runs the checker over many messages in one process."""


@pytest.fixture
def checker(reference: Path) -> Path:
    folder = reference.parent / "tools" / "gbcs_check"
    if not (folder / "check.py").exists():
        pytest.skip("the independent checker is not beside the reference folder")
    return folder


def write_keys(folder: Path) -> Path:
    """All keys, as the checker wants them."""
    parties = (ACCESS_CONTROL_BROKER, SUPPLIER, OTHER_SUPPLIER, NETWORK_OPERATOR, HUB, GPF, ESME, GSME, PPMID, HCALCS)
    for eui in parties:
        for usage in ("DS", "KA"):
            name = f"{eui:016x}-{usage.lower()}"
            private = key(eui, usage).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            public = key(eui, usage).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            (folder / f"{name}.key").write_bytes(private)
            (folder / f"{name}.pem").write_bytes(public)
    return folder


def everything() -> Rig:
    """Make the homes say all that they can."""
    rig = Rig()
    for eui in (ESME, GSME, HCALCS, PPMID):
        rig.distribute(eui, rig.image(eui), hex(eui))
    rig.run(6 * HOUR_MS)
    rig.activate(HCALCS, rig.rows.held(HCALCS).manufacturer_image_hash)
    rig.activate(GSME, bytes(32))
    rig.activate(ESME, rig.rows.held(ESME).manufacturer_image_hash, "2026-01-06T08:00:00Z")
    rig.run(2 * DAY_MS)
    rig.distribute(ESME, rig.image(ESME, NEWER, signer=OTHER_SUPPLIER), "bad")
    rig.distribute(GSME, rig.image(GSME, NEWER, signer=OTHER_SUPPLIER), "bad gas")
    rig.faults.add("han.transfer_fails", PPMID, times=1)
    rig.distribute(PPMID, rig.image(PPMID, NEWER), "failing")
    rig.run(6 * HOUR_MS)
    for eui in (HUB, GPF, ESME, GSME, PPMID, HCALCS):
        rig.send("11.2", eui)
    for variant, eui in (("4.1.1", ESME), ("4.1.1", GSME), ("4.1.1", GPF), ("6.2.4", ESME), ("6.2.4", GSME), ("6.2.4", HUB)):
        rig.send(variant, eui)
    for eui in (HUB, GSME, ESME, PPMID):
        rig.send("8.9", eui)
    rig.send("8.9", HUB, {"ReadSecurityDetails": ""})
    for eui in (ESME, GSME):
        rig.send("8.1.1", eui, {"CurrentDateTime": "2026-01-07T08:00:00Z", "TolerancePeriod": "86400"})
        rig.send("8.8.1", eui, {"OtherDeviceID": format_eui(PPMID), "other_device_type": "PPMID"})
        rig.send("11.3", eui, {"FirmwareHash": "00" * 32}, user=OTHER_SUPPLIER)
    rig.run(HOUR_MS)
    rig.send("8.11", HUB, {"DeviceID": format_eui(Eui64(PPMID)), "RequestType": "Remove"})
    rig.run(HOUR_MS)
    return rig


def test_the_checker_finds_every_message_right(checker: Path, tmp_path: Path) -> None:
    rig = everything()
    messages = []
    for number, heard in enumerate(rig.heard):
        messages.append(tmp_path / f"{number}.hex")
        messages[-1].write_text(heard.octets.hex())
    keys = write_keys(tmp_path)
    command = [sys.executable, "-c", DRIVER, str(checker), str(keys), *map(str, messages)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout)
    assert len(results) == len(rig.heard)
    for heard, (code, found) in zip(rig.heard, results, strict=True):
        assert code == 0, (heard.octets.hex(), found)
        assert (found["signature"], found["mac"]) in (("valid", None), ("null", "valid")), found
    codes = {heard.message.message_code for heard in rig.heard}
    assert codes >= {
        0x12,
        0xCA,
        0xCE,
        0xCF,
        0x128,
        0x12B,
        0x129,
        0x59,
        0x84,
        0x18,
        0x02,
        0x0F,
        0x13,
        0x62,
        0x7F,
        0x27,
        0x74,
        0x1000,
    }
    alerts = {heard.alert_code for heard in rig.heard} - {None}
    assert alerts == {0x8F72, 0x8F1C, 0x8F66, 0x8F8A, 0x8F89, 0x8F8B, 0x8F30, 0x8F12}
