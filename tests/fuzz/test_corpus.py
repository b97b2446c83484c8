"""Every input that fuzzing was begun with, reached something new by, or crashed on: none breaks a promise any more."""

import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parent / "corpus"
MAX_CORPUS_BYTES = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    broken = {}
    for path in inputs:
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:  # every one of them is to be named
            broken[path.name] = repr(error)
    assert not broken


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_changes_of_the_corpus(name: str, data: st.DataObject) -> None:
    """A handful of changes without guidance, so that no harness stands still: cut, joined, overwritten."""
    octets = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    one, other = data.draw(st.sampled_from(octets)), data.draw(st.sampled_from(octets))
    place, written = data.draw(st.integers(0, len(one))), data.draw(st.binary(max_size=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile on names given twice
        TARGETS[name](one[:place] + written + one[place + len(written) :])
        TARGETS[name](one[:place] + other[place:])


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MAX_CORPUS_BYTES
