"""Whatever is wrong with a file is said with its place and the remedy."""

import tomllib
from pathlib import Path
from string import Template

import pytest

from emulator.domain.errors import Malformed
from emulator.scenarios.reading import MAX_FILE_BYTES, parse_scenario, read_scenario
from tests.scenarios.conftest import HEAD

IMAGE = """
[[steps]]
do = "image"
name = "v2"
device = "ESME@central"
version = "00010100"
signed_by = "supplier"
"""
UPDATE = """
[[steps]]
do = "11.1"
name = "update"
by = "supplier"
image = "v2"
devices = "ESME@central"
answer = "I99"
"""


def said(text: str) -> str:
    with pytest.raises(Malformed) as caught:
        parse_scenario(text, Path("test.toml"))
    return str(caught.value)


CASES = tomllib.loads((Path(__file__).parent / "wrong_files.toml").read_text("utf-8"))


def check(text: str, message: str) -> None:
    found = said(text)
    assert found.startswith(message[:-1]) if message.endswith("…") else found == message


@pytest.mark.parametrize("case", CASES["files"], ids=lambda case: case["what"])
def test_a_file_that_is_wrong(case: dict[str, str]) -> None:
    check(Template(case["text"]).substitute(HEAD=HEAD, IMAGE=IMAGE), case["said"])


@pytest.mark.parametrize("case", CASES["steps"], ids=lambda case: case["what"])
def test_a_step_that_is_wrong(case: dict[str, str]) -> None:
    check(f"{HEAD}{IMAGE}{UPDATE}\n[[steps]]\n{case['text']}\n", case["said"])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    absent, binary, long = tmp_path / "absent.toml", tmp_path / "binary.toml", tmp_path / "long.toml"
    binary.write_bytes(b"\xff")
    with long.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for path, words in ((absent, "cannot be read: No such file or directory"), (binary, "not UTF-8"), (long, "at most 16777216")):
        with pytest.raises(Malformed, match=words) as caught:
            read_scenario(path)
        assert str(path) in str(caught.value)
