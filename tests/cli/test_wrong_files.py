"""Files that are not what a verb needs, and tables on a narrow terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from emulator.cli import output
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image
from tests.cli.conftest import Run

SUPPLIER = "90-B3-D5-1F-30-01-00-00"
ESTATE_VERBS = [("estate", "show"), ("estate", "validate"), ("pki", "generate", "-o", "keys.json", "--estate")]


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Path:
    """The default world's keys."""
    path = tmp_path / "keystore.json"
    assert run("pki", "generate", "-o", path).code == 0
    return path


@pytest.mark.parametrize("verb", ESTATE_VERBS, ids=" ".join)
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"]", b"name = 1"], ids=["binary", "empty", "no TOML", "no estate"])
def test_what_is_no_estate_is_said_to_be_none(run: Run, tmp_path: Path, verb: tuple[str, ...], content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    done = run(*verb, path)
    assert done.code == (1 if "validate" in verb else 2)
    assert "mine.toml" in done.out + done.err


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("[settings.dsp]\nstrict_couner = true\n", "there is no setting 'strict_couner'"),
        ("[settings.han]\nstore_bytes = -5\n", "settings.han.store_bytes"),
        ("[settings.hann]\nstore_bytes = 5\n", "'hann' is not a part of settings"),
    ],
)
def test_settings_of_an_estate_are_checked_with_it(run: Run, tmp_path: Path, mistake: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{default_estate_toml()}\n{mistake}")
    done = run("estate", "validate", path)
    assert (done.code, words in done.out) == (1, True), done.out


def test_a_technology_that_is_not_there_is_found(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(default_estate_toml().replace('wan_technology = "radio"', 'wan_technology = "raido"'))
    done = run("estate", "validate", path)
    assert (done.code, "there is no WAN technology 'raido'" in done.out) == (1, True), done.out


def test_an_estate_says_who_supplies_whom(run: Run) -> None:
    shown = run("estate", "show").out
    assert next(line for line in shown.splitlines() if "00-DB-12-34-56-78-92-A0" in line).endswith("supplier2")
    assert "1200000002001  IS    supplier-two" in shown


@pytest.mark.parametrize("verb", [("pki", "list"), ("pki", "check"), ("inspect", "dd00", "--keys")], ids=" ".join)
def test_a_key_store_that_is_none_is_named(run: Run, tmp_path: Path, verb: tuple[str, ...]) -> None:
    path = tmp_path / "keys.bin"
    path.write_bytes(b"\xff")
    done = run(*verb, path)
    assert (done.code, done.err.startswith("error: keys.bin: not JSON")) == (2, True), done.err


def test_an_empty_key_store_is_a_verdict(run: Run, tmp_path: Path) -> None:
    done = run("pki", "check", tmp_path, "--json")
    assert (done.code, done.json["imported"], "nothing in it" in done.json["problem"]) == (1, 0, True)


def test_an_image_is_signed_once(run: Run, keys: Path, tmp_path: Path) -> None:
    content, image = tmp_path / "manufacturer.bin", tmp_path / "image.ota"
    content.write_bytes(generated_manufacturer_image("11E5", "00020101", "00010100", 2000))
    run("image", "build", content, "-o", image, "--manufacturer", "11E5", "--version", "00010100")
    sign = ("image", "sign", image, "-o", image, "--keys", keys, "--supplier", SUPPLIER)
    assert run(*sign).code == 0
    once = image.read_bytes()
    again = run(*sign)
    assert (again.code, f"bears the signature of {SUPPLIER} already" in again.err) == (2, True), again.err
    assert image.read_bytes() == once


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.xml",), "there is no such file"),
        (("dd00", "--schemas", "."), "schema"),
        (("dd00", "--smki", "nonsense"), "--smki: 'nonsense' is not a URL"),
        (("dd00", "--smki", "http://127.0.0.1:1", "--device", "nonsense"), "is not an EUI-64"),
    ],
)
def test_inspect_tells_wrong_usage_from_a_wrong_message(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("inspect", *arguments)
    assert (done.code, words in done.err) == (2, True), done.err
    assert run("inspect", "dd00").code == 1


@pytest.mark.parametrize("width", [20, 80, 300])
def test_identifiers_stay_whole_on_any_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(output, "console", lambda: Console(file=screen, width=width))
    output.print_rows(("Device", "Hub", "What"), [(SUPPLIER, SUPPLIER, "word " * 30)])
    shown = screen.getvalue() + capsys.readouterr().out
    assert shown.count(SUPPLIER) == 2
    assert shown.count("word") == 30
