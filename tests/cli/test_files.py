"""Verbs that work on files alone: image, pki, estate, version."""

import hashlib
from pathlib import Path

import pytest

from emulator import __version__
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image
from emulator.pki.formats import read_key_store
from tests.cli.conftest import Run

SUPPLIER = "90-B3-D5-1F-30-01-00-00"


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Path:
    """The default world's keys in the form of the DCC's clients."""
    path = tmp_path / "keystore.json"
    assert run("pki", "generate", "-o", path).code == 0
    return path


@pytest.fixture
def unsigned(run: Run, tmp_path: Path) -> Path:
    """An OTA file without trailer."""
    content, path = tmp_path / "manufacturer.bin", tmp_path / "image.ota"
    content.write_bytes(generated_manufacturer_image("11E5", "00020101", "00010100", 2000))
    options = ("--manufacturer", "11E5", "--version", "00010100", "--header", "Meter", "--hardware", "0101-0102")
    assert run("image", "build", content, "-o", path, *options).code == 0
    return path


def test_version_says_what_is_at_work(run: Run) -> None:
    assert run("version", "--json").json["emulator"] == __version__
    assert __version__ in run("version").out


def test_image_is_built_signed_and_shown(run: Run, unsigned: Path, keys: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.ota"
    assert run("image", "sign", unsigned, "-o", signed, "--keys", keys, "--supplier", SUPPLIER).code == 0
    shown = run("image", "show", signed, "--keys", keys, "--json")
    assert shown.code == 0
    image = generated_manufacturer_image("11E5", "00020101", "00010100", 2000)
    expected = {
        "valid": True,
        "firmware_version": "00010100",
        "hardware_versions": "0101-0102",
        "header_string": "Meter",
        "manufacturer_image_bytes": 2000,
        "hash": hashlib.sha256(image).hexdigest(),
        "force_replace": 0,
        "signed_by": [SUPPLIER],
    }
    assert {name: shown.json[name] for name in expected} == expected
    assert "00010100" in run("image", "show", signed).out


def test_altered_image_is_a_verdict_not_an_error_of_usage(run: Run, unsigned: Path, keys: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.ota"
    run("image", "sign", unsigned, "-o", signed, "--keys", keys, "--supplier", SUPPLIER)
    data = bytearray(signed.read_bytes())
    data[100] ^= 1
    signed.write_bytes(data)
    shown = run("image", "show", signed, "--keys", keys, "--json")
    assert (shown.code, shown.json["signed_by"]) == (1, "nobody in the key store")
    signed.write_bytes(data[:70])
    cut = run("image", "show", signed, "--json")
    assert (cut.code, cut.json["valid"]) == (1, False)
    assert "octet 52" in cut.json["detail"]


def test_wrong_options_end_with_2_and_a_plain_word(run: Run, unsigned: Path, keys: Path, tmp_path: Path) -> None:
    target = tmp_path / "x"
    assert run("image", "show", tmp_path / "missing").code == 2
    bad = run("image", "build", unsigned, "-o", target, "--manufacturer", "XYZ1", "--version", "00010100")
    assert (bad.code, "--manufacturer: 'XYZ1'; expected 4 hexadecimal digits" in bad.err) == (2, True)
    other = run("image", "sign", unsigned, "-o", target, "--keys", keys, "--supplier", "00-DB-12-34-56-78-90-A0", "--json")
    assert (other.code, other.json["error"]["kind"]) == (2, "Malformed")
    assert run("image", "sign", unsigned, "-o", target, "--keys", unsigned, "--supplier", SUPPLIER).code == 2
    assert not target.exists()


def test_generated_keys_are_the_same_octets_each_time(run: Run, keys: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    run("pki", "generate", "-o", again)
    assert again.read_bytes() == keys.read_bytes()
    run("pki", "generate", "-o", again, "--seed", "2")
    assert again.read_bytes() != keys.read_bytes()
    assert keys.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("form", ["keystore.json", "org-crypto.zip", "pem", "cert-key"])
def test_keys_survive_every_form(run: Run, keys: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "exported"
    assert run("pki", "export", keys, "-o", target, "--form", form).code == 0
    before, after = ({record.serial for record in read_key_store(path).records} for path in (keys, target))
    assert after == before


def test_devices_are_included_on_request(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    run("pki", "generate", "-o", path, "--device", "00-DB-12-34-56-78-90-A0")
    rows = run("pki", "list", path, "--json").json
    assert [row["usage"] for row in rows if row["eui"] == "00-DB-12-34-56-78-90-A0"] == ["DS", "KA"]
    run("pki", "generate", "-o", path, "--all-devices")
    assert sum(row["role"] is None for row in run("pki", "list", path, "--json").json) == 2 * 16


def test_check_tells_good_from_bad_entries(run: Run, keys: Path, tmp_path: Path) -> None:
    good = run("pki", "check", keys, "--json")
    assert (good.code, good.json["skipped"], good.json["problem"]) == (0, [], None)
    assert "is the one that passes" in next(row["choice"] for row in good.json["live"] if row["eui"] == SUPPLIER)
    broken = tmp_path / "broken.json"
    broken.write_text(keys.read_text().replace("BEGIN CERTIFICATE", "BEGIN NOTHING", 1))
    assert run("pki", "check", broken).code == 1
    broken.write_text("{")
    assert run("pki", "check", broken).code == 2


def test_estate_is_shown_and_checked(run: Run, tmp_path: Path) -> None:
    assert run("estate", "validate", "--json").json["devices"] == 16
    shown = run("estate", "show", "--json").json
    assert shown["homes"][0]["devices"][2]["eui"] == "00-DB-12-34-56-78-90-A0"
    assert "00-DB-12-34-56-78-90-A0" in run("estate", "show").out
    path = tmp_path / "estate.toml"
    path.write_text(run("estate", "template").out)
    assert run("estate", "validate", path).code == 0
    path.write_text('registration_file = "registrations.csv"\n' + default_estate_toml())
    (tmp_path / "registrations.csv").write_text("mpxn,role,party,from,to\n1200000000002,IS,supplier-one,2025-01-01,\n")
    assert run("estate", "validate", path).code == 0
    (tmp_path / "registrations.csv").write_text("mpxn,role,party,from,to\n1200000000002,IS,supplier-one,,\n")
    assert run("estate", "validate", path, "--json").json["where"] == "registrations.csv line 2"
    path.write_text(default_estate_toml().replace('region = "North"', 'region = "Nowhere"'))
    wrong = run("estate", "validate", path, "--json")
    assert (wrong.code, wrong.json["valid"]) == (1, False)
    assert "region" in wrong.json["where"]
    assert run("estate", "show", path).code == 2


def test_no_colour_is_written_where_none_is_wanted(run: Run) -> None:
    assert "\x1b[" not in run("estate", "show").out + run("image", "show", "nothing").err
