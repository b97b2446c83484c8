"""The key folder of a world: what is stored comes back, nobody else reads it, damage is said."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from emulator.domain.errors import Malformed
from emulator.pki.certificates import Usage
from emulator.pki.formats import read_folder, read_key_store
from emulator.pki.keystore import KeyStore
from emulator.pki.reports import ImportEntry, ImportReport
from emulator.pki.smki import TestSmki
from emulator.pki.storage import KEYS_FILE, StoredKeys, export, load, open_key_store, save, stored_keys
from tests.pki.parties import ESME, ORGANISATIONS, SUPPLIER


def used_store() -> KeyStore:
    store = open_key_store(StoredKeys(7), ORGANISATIONS)
    foreign = TestSmki(8)
    records = [*foreign.organisation_certificates(ORGANISATIONS[4]), foreign.device_certificate(ESME, Usage.KEY_AGREEMENT)]
    records[1] = replace(records[1], private_key=None)
    store.adopt(ImportReport(tuple(ImportEntry("", record) for record in records)))
    store.revoke(foreign.organisation_certificates(ORGANISATIONS[4])[3].serial)
    store.revoke(store.records(ORGANISATIONS[6].eui)[0].serial)
    store.revoke(TestSmki(7).device_certificate(ESME, Usage.DIGITAL_SIGNATURE).serial)
    return store


def state(store: KeyStore) -> tuple[object, ...]:
    records = {record.key: (record, record.private_key is not None) for record in store.records()}
    chosen = [store.live(p.eui, usage, prepayment=pp) for p in ORGANISATIONS for usage in Usage for pp in (False, True)]
    devices = [store.device(ESME, usage) for usage in Usage]
    return records, chosen, devices, store.xml_signing(SUPPLIER), store.dsp_signing(), store.number


def test_everything_comes_back(tmp_path: Path) -> None:
    store = used_store()
    save(tmp_path / "world", stored_keys(store))
    stored = load(tmp_path / "world")
    assert stored == stored_keys(store)
    assert stored is not None
    assert state(open_key_store(stored, ORGANISATIONS)) == state(store)


def test_nothing_stored_yet(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert load(tmp_path / "absent") is None


def test_saving_is_for_the_owner_alone_and_whole(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    folder.mkdir(mode=0o755)
    (folder / f".{KEYS_FILE}.new").write_text("left by a crash")
    save(folder, StoredKeys(1))
    save(folder, StoredKeys(2))
    assert [path.name for path in folder.iterdir()] == [KEYS_FILE]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEYS_FILE).stat().st_mode) == 0o600
    assert load(folder) == StoredKeys(2)


def test_a_link_in_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".{KEYS_FILE}.new").symlink_to(victim)
    save(tmp_path, StoredKeys(1))
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 2}',
        b'{"format": 1}',
        b'{"format": 1, "seed": "x", "epoch_ms": 0, "number": 0, "imported": [], "statuses": []}',
        b'{"format": 1, "seed": 1, "epoch_ms": 0, "number": 0, "imported": [5], "statuses": []}',
        b'{"format": 1, "seed": 1, "epoch_ms": 0, "number": 0, "imported": [], "statuses": [["a", "z", "R"]]}',
        b'{"format": 1, "seed": 1, "epoch_ms": 0, "number": 0, "imported": [], "statuses": [["a", "1", "X"]]}',
    ],
)
def test_damage_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEYS_FILE).write_bytes(content)
    with pytest.raises(Malformed, match=KEYS_FILE):
        load(tmp_path)


def test_a_damaged_certificate_is_said(tmp_path: Path) -> None:
    save(tmp_path, stored_keys(used_store()))
    document = json.loads((tmp_path / KEYS_FILE).read_text())
    document["imported"][0]["certificate"] = document["imported"][0]["certificate"].replace("M", "N")
    (tmp_path / KEYS_FILE).write_text(json.dumps(document))
    with pytest.raises(Malformed):
        load(tmp_path)


def test_a_store_without_a_seed_is_not_stored() -> None:
    with pytest.raises(ValueError, match="seed"):
        stored_keys(KeyStore())


def test_export_of_everything(tmp_path: Path, store: KeyStore) -> None:
    devices = [record for usage in Usage if (record := store.device(ESME, usage))]
    paths = export(tmp_path / "export", store, devices)
    assert {path.relative_to(tmp_path).as_posix() for path in paths} >= {
        "export/keystore.json",
        "export/org-crypto.zip",
        "export/root.pem",
        "export/issuing.pem",
        "export/pem/00db1234567890a0-ka.pem",
    }
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths)
    assert len(read_key_store(tmp_path / "export" / "keystore.json").records) == len(store) + 2
    assert len(read_key_store(tmp_path / "export" / "org-crypto.zip").records) == len(store)
    assert len(read_folder(tmp_path / "export" / "pem").records) == len(store) + 2
    root = x509.load_pem_x509_certificate((tmp_path / "export" / "root.pem").read_bytes())
    for issuing in x509.load_pem_x509_certificates((tmp_path / "export" / "issuing.pem").read_bytes()):
        issuing.verify_directly_issued_by(root)
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in export(tmp_path / "export", store, devices)] == before
