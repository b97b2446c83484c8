"""Key stores in and out: nothing lost on the way, one bad entry spoils no other, hostile archives are refused."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.pki import formats
from emulator.pki.certificates import CertificateRecord, CertificateStatus, Usage
from emulator.pki.formats import (
    read_crypto_zip,
    read_files,
    read_folder,
    read_key_store,
    read_keystore_json,
    to_crypto_files,
    to_crypto_zip,
    to_keystore_json,
    to_pem_files,
)
from emulator.pki.keystore import KeyStore
from emulator.pki.reports import ImportReport
from emulator.pki.smki import TestSmki
from tests.pki.parties import ESME, NETWORK_OPERATOR, SUPPLIER, SUPPLIER_2, everything, organisation_certificates

SMKI = TestSmki(7)
ALL = everything(SMKI)
ORGANISATIONS = organisation_certificates(SMKI)
SUPPLIERS = [record for record in ORGANISATIONS if record.eui == SUPPLIER]
SECOND_SUPPLIER = next(record for record in ORGANISATIONS if record.eui == SUPPLIER_2)

Described = set[tuple[bytes, str, bool, int | None]]


def described(records: list[CertificateRecord] | tuple[CertificateRecord, ...], *, names: bool = True) -> Described:
    return {
        (
            record.der,
            record.name if names else "",
            record.prepayment,
            record.private_key.private_numbers().private_value if record.private_key else None,
        )
        for record in records
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# --- there and back


def test_keystore_json_there_and_back() -> None:
    data = to_keystore_json(ALL)
    assert data == to_keystore_json(reversed(ALL))
    report = read_keystore_json(data)
    assert not report.skipped
    assert described(report.records) == described(ALL)


def test_keystore_json_has_the_published_form() -> None:
    tree = json.loads(to_keystore_json(ALL))
    entries = tree["90b3d51f30010000"]["digitalSignature"]
    record = next(record for record in SUPPLIERS if record.name == "Z1-supplier-ds")
    entry = entries[str(record.serial)]
    assert entry.keys() == {"certificate", "privateKey", "role", "name"}
    assert (entry["role"], entry["name"]) == (2, "Z1-supplier-ds")
    assert entry["certificate"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert entry["privateKey"].startswith("-----BEGIN PRIVATE KEY-----\n")
    device = tree["00db1234567890a0"]["keyAgreement"]
    assert [entry.keys() for entry in device.values()] == [{"certificate", "privateKey"}]


def test_zip_there_and_back() -> None:
    data = to_crypto_zip(ALL)
    assert data == to_crypto_zip(ALL)
    report = read_crypto_zip(data)
    assert not report.skipped
    assert described(report.records) == described(ORGANISATIONS)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert "org-crypto/cert/Z1-supplier-ds.pem" in names
    assert "org-crypto/key/Z1-supplier-ds.key" in names


def test_unpacked_zip_there_and_back(tmp_path: Path) -> None:
    report = read_folder(write(tmp_path, to_crypto_files(ALL)))
    assert not report.skipped
    assert described(report.records) == described(ORGANISATIONS)


def test_folder_by_eui_there_and_back(tmp_path: Path) -> None:
    files = to_pem_files(ALL)
    assert {"90b3d51f30010000-pp-ka.pem", "90b3d51f30010000-xml-ds.key", "00db1234567890a0-ka.key"} <= files.keys()
    report = read_folder(write(tmp_path, files))
    assert not report.skipped
    assert described(report.records, names=False) == described(ALL, names=False)
    store = KeyStore()
    for record in report.records:
        store.add(record)
    for prepayment in (False, True):
        live = store.live(SUPPLIER, Usage.KEY_AGREEMENT, prepayment=prepayment)
        assert live is not None
        assert live.prepayment is prepayment


@given(st.sets(st.sampled_from(range(len(ALL)))))
def test_any_selection_survives_every_form(chosen: set[int]) -> None:
    records = [ALL[index] for index in chosen]
    organisations = [record for record in records if record.role is not None]
    assert described(read_keystore_json(to_keystore_json(records)).records) == described(records)
    assert described(read_crypto_zip(to_crypto_zip(records)).records) == described(organisations)
    assert described(read_files(to_pem_files(records)).records, names=False) == described(records, names=False)


@pytest.mark.parametrize("form", ["json", "zip", "folder"])
def test_whichever_form_it_is(form: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    if form == "folder":
        write(path, to_pem_files(ORGANISATIONS))
    else:
        path.write_bytes(to_keystore_json(ORGANISATIONS) if form == "json" else to_crypto_zip(ORGANISATIONS))
    assert len(read_key_store(path).records) == len(ORGANISATIONS)


def test_what_is_out_of_use_is_not_exported() -> None:
    superseded = replace(SUPPLIERS[0], status=CertificateStatus.NOT_IN_USE)
    assert json.loads(to_keystore_json([superseded])) == {}
    assert to_crypto_files([superseded]) == {}
    assert to_pem_files([superseded]) == {}


def test_names_are_made_safe_and_unique() -> None:
    bad = replace(SUPPLIERS[0], name="../../etc/passwd")
    unnamed = [replace(record, name="") for record in SUPPLIERS]
    twice = [SUPPLIERS[0], replace(SECOND_SUPPLIER, name=SUPPLIERS[0].name)]
    assert set(to_crypto_files([bad])) == {"cert/_.._etc_passwd.pem", "key/_.._etc_passwd.key"}
    assert "cert/Z1-supplier90b3d51f30010000PP-ka.pem" in to_crypto_files(unnamed)
    assert "cert/xml-sign-90B3D51F30010000-ds.pem" in to_crypto_files(unnamed)
    assert len(to_crypto_files(twice)) == 4


# --- one bad entry


def keystore_with(change: Callable[[dict[str, Any]], None]) -> ImportReport:
    tree = json.loads(to_keystore_json(SUPPLIERS))
    change(tree)
    return read_keystore_json(json.dumps(tree).encode())


def entry_of(tree: dict[str, Any], name: str = "Z1-supplier-ds") -> tuple[dict[str, Any], str]:
    for serials in tree["90b3d51f30010000"].values():
        for serial, content in serials.items():
            if content["name"] == name:
                return serials, serial
    raise AssertionError(name)


def set_field(field: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        serials, serial = entry_of(tree)
        serials[serial][field] = value

    return change


def rename_serial(tree: dict[str, Any]) -> None:
    serials, serial = entry_of(tree)
    serials["17"] = serials.pop(serial)


def rename_eui(tree: dict[str, Any]) -> None:
    serials, serial = entry_of(tree)
    tree["90b3d51f30020000"] = {"digitalSignature": {serial: serials.pop(serial)}}


def rename_usage(tree: dict[str, Any]) -> None:
    serials, serial = entry_of(tree)
    tree["90b3d51f30010000"]["keyAgreement"][serial] = serials.pop(serial)


def unknown_usage(tree: dict[str, Any]) -> None:
    serials, serial = entry_of(tree)
    tree["90b3d51f30010000"]["keyCertSign"] = {serial: serials.pop(serial)}


OTHER_KEY = to_pem_files(SUPPLIERS)["90b3d51f30010000-ka.key"].decode()

ONE_BAD = {
    "no PEM": (set_field("certificate", "hello"), "no certificate"),
    "no base64": (set_field("certificate", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"), "base64"),
    "damaged": (set_field("certificate", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"), "not a readable"),
    "not text": (set_field("certificate", 5), "PEM text"),
    "surrogate": (set_field("certificate", "\ud800"), "no certificate"),
    "key of another": (set_field("privateKey", OTHER_KEY), "does not belong"),
    "key damaged": (set_field("privateKey", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----"), "private key"),
    "key not text": (set_field("privateKey", []), "PEM text"),
    "role of another": (set_field("role", 3), "role"),
    "role not a number": (set_field("role", "2"), "wrong type"),
    "role a truth": (set_field("role", True), "wrong type"),
    "name not text": (set_field("name", 7), "wrong type"),
    "name with a line break": (set_field("name", "a\nb"), "plain text"),
    "name without end": (set_field("name", "a" * 300), "plain text"),
    "another serial": (rename_serial, "serial"),
    "another EUI": (rename_eui, "90b3d51f30010000"),
    "another usage": (rename_usage, "DS"),
    "unknown usage": (unknown_usage, "not a usage"),
}


@pytest.mark.parametrize("what", ONE_BAD)
def test_one_bad_entry_spoils_no_other(what: str) -> None:
    change, reason = ONE_BAD[what]
    report = keystore_with(change)
    assert len(report.records) == 3
    (skipped,) = report.skipped
    assert reason in skipped.reason
    assert "1 skipped" in str(report)
    str(report).encode()


def test_missing_private_key_is_said() -> None:
    report = keystore_with(lambda tree: set_field("privateKey", None)(tree))
    assert len(report.records) == 4
    assert [entry.reason for entry in report.entries if entry.reason] == ["no private key"]


def test_a_name_repeated_in_json_is_seen() -> None:
    content = json.dumps(json.loads(to_keystore_json(SUPPLIERS[:1]))["90b3d51f30010000"])
    report = read_keystore_json(f'{{"90b3d51f30010000": {content}, "90b3d51f30010000": {content}}}'.encode())
    assert len(report.records) == 1
    assert "the same certificate" in report.skipped[0].reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"a": 5}',
        b'{"a": {"digitalSignature": 5}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_no_key_store_at_all(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_keystore_json(data)


def test_strange_names_are_skipped() -> None:
    report = read_keystore_json(json.dumps({"\ud800": {"digitalSignature": {"\u2028": {}}}}).encode())
    assert len(report.skipped) == 1
    str(report).encode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_any_json_is_reported_or_refused(tree: object) -> None:
    try:
        report = read_keystore_json(json.dumps(tree).encode())
    except Malformed:
        return
    assert not report.records


def test_files_that_do_not_fit_together() -> None:
    files = to_pem_files(SUPPLIERS)
    network_operator = to_pem_files(r for r in ORGANISATIONS if r.eui == NETWORK_OPERATOR)
    files["90b3d51f30020000-ka.pem"] = files["90b3d51f30010000-ka.pem"]
    files["90b3d51f30030000-ds.key"] = files["90b3d51f30010000-ds.key"]
    files["90b3d51f30020000-xml-ds.pem"] = network_operator["90b3d51f30020000-ds.pem"]
    files["90b3d51f30020000-ds.pem"] = network_operator["90b3d51f30020000-xml-ds.pem"]
    files["README.pem"] = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
    report = read_files(files)
    assert len(report.records) == 4
    reasons = {entry.place: entry.reason for entry in report.skipped}
    assert "90b3d51f30010000" in reasons["90b3d51f30020000-ka.pem"]
    assert reasons["90b3d51f30030000-ds.key"] == "a private key without a certificate"
    assert "role 3" in reasons["90b3d51f30020000-xml-ds.pem"]
    assert "role 135" in reasons["90b3d51f30020000-ds.pem"]
    assert "no certificate" in reasons["README.pem"]


def test_private_keys_in_one_file() -> None:
    files = {name: content for name, content in to_pem_files(SUPPLIERS).items() if name.endswith(".pem")}
    key = SUPPLIERS[0].private_key
    assert key is not None
    keys = {
        "90b3d51f30010000-ds": f"{key.private_numbers().private_value:064x}",
        "90b3d51f30010000-ka": "0" * 64,
        "90b3d51f30010000-pp-ka": "xyz",
        "90b3d51f30010000-xml-ds": "f" * 64,
        "abababababababab-ka": "01",
    }
    files["private_keys.json"] = json.dumps({"keys": keys}).encode()
    report = read_files(files)
    assert [r.private_key is not None for r in report.records] == [True, False]
    reasons = {entry.place: entry.reason for entry in report.skipped}
    assert "P-256" in reasons["90b3d51f30010000-ka.pem"]
    assert "P-256" in reasons["90b3d51f30010000-xml-ds.pem"]
    assert "hexadecimal" in reasons["private_keys.json: 90b3d51f30010000-pp-ka"]
    assert "without a certificate" in reasons["private_keys.json: abababababababab-ka"]
    broken = read_files({"private_keys.json": b"[]"})
    assert "not a JSON object" in broken.skipped[0].reason


def test_folders_are_read_with_care(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside.pem"
    outside.write_text(SUPPLIERS[0].pem)
    folder = write(tmp_path / "keys", to_crypto_files(SUPPLIERS))
    (folder / "link.pem").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    (folder / "big.pem").write_bytes(bytes(20_000))
    (folder / "notes.txt").write_text("not looked at")
    os.mkfifo(folder / "pipe.pem")
    write(folder, {"a/b/c/d/deep.pem": SUPPLIERS[0].pem.encode()})
    report = read_folder(folder)
    assert len(report.records) == 4
    assert {entry.place for entry in report.skipped} == {"link.pem", "big.pem", "pipe.pem"}
    monkeypatch.setattr(formats, "MAX_IMPORT_ENTRIES", 5)
    with pytest.raises(Malformed, match="too much"):
        read_folder(folder)
    with pytest.raises(Malformed, match="cannot be read"):
        read_folder(tmp_path / "absent")
    with pytest.raises(Malformed, match="cannot be read"):
        read_key_store(tmp_path / "absent")


# --- hostile archives


def archive(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", compression) as file:
        for name, content in entries:
            file.writestr(zipfile.ZipInfo(name), content, compression)
    return output.getvalue()


def encrypted() -> bytes:
    data = bytearray(archive([("a/cert/x.pem", b"x")]))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def overlapping() -> bytes:
    """Three thousand names for one piece of data."""
    data = archive([("cert/00000.pem", bytes(16_000))], zipfile.ZIP_DEFLATED)
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = b"".join(data[start:end].replace(b"00000.pem", b"%05d.pem" % number) for number in range(3000))
    tail = bytearray(data[end:])
    tail[8:12] = (3000).to_bytes(2, "little") * 2
    tail[12:16] = len(directory).to_bytes(4, "little")
    return data[:start] + directory + bytes(tail)


def longer_than_declared() -> bytes:
    data = bytearray(archive([("cert/x.pem", bytes(5_000_000))], zipfile.ZIP_DEFLATED))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = (10).to_bytes(4, "little")
    return bytes(data)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "up": lambda: archive([("../cert/x.pem", b"x")]),
    "up inside": lambda: archive([("a/../../cert/x.pem", b"x")]),
    "absolute": lambda: archive([("/etc/cert/x.pem", b"x")]),
    "backslash": lambda: archive([("cert\\..\\x.pem", b"x")]),
    "drive": lambda: archive([("c:/cert/x.pem", b"x")]),
    "twice": lambda: archive([("cert/x.pem", b"x"), ("cert/x.pem", b"y")]),
    "big entry": lambda: archive([("cert/x.pem", bytes(17_000))]),
    "bomb": lambda: archive([("cert/x.pem", bytes(200_000_000))], zipfile.ZIP_DEFLATED),
    "longer than declared": longer_than_declared,
    "many": lambda: archive([(f"cert/{n}.txt", b"") for n in range(20_001)]),
    "adding up": lambda: archive([(f"cert/{n}.pem", bytes(16_000)) for n in range(1100)], zipfile.ZIP_DEFLATED),
    "long": lambda: b"PK" + bytes(17 * 1024 * 1024),
    "encrypted": encrypted,
    "overlapping": overlapping,
    "rare packing": lambda: archive([("cert/x.pem", b"x" * 100)], zipfile.ZIP_LZMA),
    "cut off": lambda: to_crypto_zip(SUPPLIERS)[:-30],
    "no archive": lambda: b"PK\x03\x04 and nothing else",
    "empty": lambda: b"",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archive(what: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_crypto_zip(HOSTILE[what]())
    assert len(str(refused.value)) < 400


@given(st.data())
def test_damaged_archives_are_refused_or_reported(data: st.DataObject) -> None:
    octets = bytearray(to_crypto_zip(SUPPLIERS[:1]))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        report = read_crypto_zip(bytes(octets))
    except Malformed:
        return
    assert {record.der for record in report.records} <= {SUPPLIERS[0].der}


@given(st.binary(max_size=200))
def test_any_octets_after_the_mark_are_refused(octets: bytes) -> None:
    with pytest.raises(Malformed):
        read_crypto_zip(b"PK\x03\x04" + octets)


def test_device_certificates_have_no_room_in_the_archive() -> None:
    assert to_crypto_files([SMKI.device_certificate(Eui64(ESME), Usage.KEY_AGREEMENT)]) == {}
    assert to_crypto_files([replace(SUPPLIERS[0], private_key=None)]) == {}
