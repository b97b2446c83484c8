"""Key stores of the field: the GBCS test data and that of the DCC's clients are imported, theirs reads ours."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from emulator.client.official import OfficialTools, Unavailable
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.pki.certificates import Usage
from emulator.pki.formats import read_folder, read_key_store, to_crypto_files, to_crypto_zip, to_keystore_json
from emulator.pki.keystore import PREFERRED_DSP_SERIAL, KeyStore
from tests.conftest import absent
from tests.pki.parties import ESME, NETWORK_OPERATOR, OTHER_USER, SUPPLIER, SUPPLIER_2

DS, KA = Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT


def serial(store: KeyStore, eui: Eui64, usage: Usage, prepayment: bool = False) -> str:
    record = store.live(eui, usage, prepayment=prepayment)
    assert record is not None, store.explain_live(eui, usage, prepayment=prepayment).reason
    assert record.private_key is not None
    return f"{record.serial:X}"


LIVE_SERIALS = {
    (SUPPLIER, DS, False): "4FBC525201A1D7586C1BC1C4734DEB9F",
    (SUPPLIER, KA, False): "3B362657731E6B2BBE078650CFA14F15",
    (SUPPLIER, KA, True): "703733774EF2B8E50F7AF2BBB33C198F",
    (SUPPLIER_2, DS, False): "39EAFF0055CE4DAF085AC874C7C84BD3",
    (ACCESS_CONTROL_BROKER, KA, False): "37CDF206B07DDEF852FBC62950F22ED0",
}
"""Source: wire_contract.md sections 4.1 and 4.3, measured."""


@pytest.mark.reference
def test_gbcs_test_data(reference: Path, store: KeyStore) -> None:
    report = read_folder(reference / "gbcs" / "rtds" / "keystore")
    reasons = {entry.place: entry.reason for entry in report.skipped}
    assert reasons == {
        "90b3d51f30000007-ka.pem": "the certificate is that of 90b3d51f30030000; expected 90b3d51f30000007",
        "fffffffffffffffe-ka.pem": "no certificate in it; expected BEGIN CERTIFICATE … END CERTIFICATE",
        "private_keys.json: 123456789abcdef0-ka": "a private key without a certificate",
        "private_keys.json: abababababababab-ka": "a private key without a certificate",
    }
    assert Counter(record.role for record in report.records) == {None: 400, 2: 6, 3: 2, 4: 2, 8: 2, 1: 1, 5: 1, 6: 1}
    assert store.adopt(report).skipped == report.skipped
    for (eui, usage, prepayment), expected in LIVE_SERIALS.items():
        assert serial(store, eui, usage, prepayment) == expected
    # The devices' private keys are not published, so emulated devices keep their own.
    device = store.device(ESME, DS)
    assert device is not None
    assert device.issuer == "CN=Z1DV"


@pytest.fixture(scope="module")
def tools() -> OfficialTools:
    try:
        return OfficialTools.open(install=True)
    except Unavailable as reason:
        absent("interop", f"the DCC's own tools are not here: {reason}")
        raise


@pytest.mark.interop
def test_key_store_of_the_official_clients(tools: OfficialTools, store: KeyStore) -> None:
    report = read_key_store(tools.keystore_json)
    assert len(report.entries) == 33
    assert sorted(entry.place.split()[-1] for entry in report.skipped) == ["mdr-ds", "mdr-ka"]
    assert all("NULL parameters" in entry.reason for entry in report.skipped)
    assert store.adopt(report).skipped == report.skipped
    for (eui, usage, prepayment), expected in LIVE_SERIALS.items():
        assert serial(store, eui, usage, prepayment) == expected
    for eui in (SUPPLIER, NETWORK_OPERATOR, OTHER_USER):
        signing = store.xml_signing(eui)
        assert signing is not None
        assert (signing.role, signing.issuer, signing.not_after_ms) == (135, "CN=Z1,OU=07", 4_670_438_400_000)
        assert not store.chain_trusted(signing)
    dsp = store.dsp_signing()
    assert dsp is not None
    assert dsp.serial == PREFERRED_DSP_SERIAL
    with_space = store.find_signing("CN=Z1, OU=07", dsp.serial)
    assert with_space is not None
    assert with_space.role == 137


QUERIES = """
const { KeyStoreDB } = require(process.argv[1] + '/node_modules/@smartdcc/dccboxed-keystore/dist/db.js');
const { KeyUsage } = require(process.argv[1] + '/node_modules/@smartdcc/dccboxed-keystore/dist/certificateMetadata.js');
(async () => {
  const db = await KeyStoreDB.new(process.argv[2]);
  const answers = [];
  for (const [eui, keyUsage] of JSON.parse(process.argv[3])) {
    for (const lookup of ['certificate', 'privateKey']) {
      const found = (await db.query({ eui, keyUsage: KeyUsage[keyUsage], lookup })) ?? [];
      answers.push(found.map(({ serial, role, name }) => [serial.toString(), role ?? null, name ?? '']));
    }
  }
  console.log(JSON.stringify(answers));
})();
"""


@pytest.mark.interop
def test_the_official_client_reads_our_key_store(tools: OfficialTools, store: KeyStore, tmp_path: Path) -> None:
    records = [*store.records(), *(record for usage in Usage if (record := store.device(ESME, usage)))]
    path = tmp_path / "keystore.json"
    path.write_bytes(to_keystore_json(records))
    usages = {DS: "digitalSignature", KA: "keyAgreement"}
    wanted = sorted({(record.eui, record.usage) for record in records})
    question = json.dumps([[f"{eui:016x}", usages[usage]] for eui, usage in wanted])
    command = ["node", "-e", QUERIES, str(tools.packages), str(path), question]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for index, (eui, usage) in enumerate(wanted):
        expected = sorted(
            [str(record.serial), record.role, record.name] for record in records if (record.eui, record.usage) == (eui, usage)
        )
        assert sorted(answers[2 * index]) == expected
        assert sorted(answers[2 * index + 1]) == expected


def test_exported_archive_has_pairs_only(store: KeyStore) -> None:
    """The client's build script stops at a certificate without its key."""
    files = to_crypto_files(store.records())
    certificates = {Path(name).stem for name in files if name.startswith("cert/")}
    assert certificates == {Path(name).stem for name in files if name.startswith("key/")}
    assert len(certificates) == len(store)
    assert to_crypto_zip(store.records())[:2] == b"PK"
