"""Columns: what they say about many MPxNs, how they are saved, what they weigh."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.mpxn import mpxn_key, mpxn_of_key
from emulator.domain.vocabulary import UserRole
from emulator.estate.model import Registration
from emulator.estate.registration_columns import RegistrationColumns, Tenures, columns_of, load_columns
from emulator.estate.registrations import FOREVER_MS, NOBODY, ROLE_CODES, UNKNOWN, change_point
from tests.estate.registration_model import columns, histories

MPXNS = 20_000
ROLES = (UserRole.IS, UserRole.RSA, UserRole.ED)


def many(order: np.ndarray | None = None) -> RegistrationColumns:
    """Every second MPAN from 1000000000000 on, each with three parties that follow from its number."""
    numbers = np.repeat(np.arange(MPXNS, dtype=np.int64), len(ROLES))
    codes = np.tile(np.array([ROLE_CODES[role] for role in ROLES]), MPXNS)
    points = (codes << 60) | (numbers << 16) | (numbers * codes) % 97
    order = np.arange(len(numbers)) if order is None else order
    keys = 11 * 10**12 + 2 * numbers
    return columns_of(Tenures(keys[order], points[order], np.full(len(keys), FOREVER_MS)), str)


def saved(subject: RegistrationColumns) -> bytes:
    return b"".join(subject.save())


def test_every_mpxn_is_found_and_no_other() -> None:
    subject = many()
    assert len(subject) == MPXNS
    for number in range(0, MPXNS, 7):
        for role in ROLES:
            code = ROLE_CODES[role]
            assert subject.party_at(f"{10**12 + 2 * number}", code, number) == number * code % 97
            assert subject.party_at(f"{10**12 + 2 * number}", code, number - 1) == NOBODY
            assert subject.party_at(f"{10**12 + 2 * number + 1}", code, FOREVER_MS) == UNKNOWN
    assert subject.change_points("1000000000000") == [change_point(ROLE_CODES[role], 0, 0) for role in ROLES]
    assert subject.change_points("7") == []


@given(histories(), st.integers(0, 2**44), st.sampled_from(sorted(ROLE_CODES.values())))
def test_many_mpxns_are_looked_up_like_one(entries: list[Registration], at_ms: int, code: int) -> None:
    subject = columns(entries)
    for extra in ([], ["x", "7", "9999999999999", ""]):
        mpxns = [entry.mpxn for entry in entries] + extra
        for instant_ms in (at_ms, *(entry.from_ms for entry in entries)):
            assert subject.parties_at(mpxns, code, instant_ms) == [subject.party_at(each, code, instant_ms) for each in mpxns]
    mpans = [mpxn for mpxn in (entry.mpxn for entry in entries) if len(mpxn) == 13]
    assert subject.parties_at(mpans, code, at_ms) == [subject.party_at(mpan, code, at_ms) for mpan in mpans]


def test_the_order_of_rows_leaves_no_trace(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(MPXNS * len(ROLES))
    assert saved(many(order)) == saved(many())
    assert many(order).digest == many().digest


def test_changing_names_the_mpxns_of_a_window() -> None:
    subject = many()
    assert subject.changing(9, 12) == ["1000000000020", "1000000000022", "1000000000024"]
    assert subject.changing(MPXNS, FOREVER_MS) == []
    assert subject.changing(2, 3) == ["1000000000006"]
    assert [subject.next_change_ms(after_ms) for after_ms in (-1, 0, 12, MPXNS - 1)] == [0, 1, 13, None]
    assert columns([]).next_change_ms(-1) is None
    assert columns([]).changing(-1, FOREVER_MS) == []


def test_three_registrations_take_less_than_forty_octets() -> None:
    assert many().size_bytes / MPXNS < 40


@given(histories())
def test_columns_are_saved_and_loaded(entries: list[Registration]) -> None:
    subject = columns(entries)
    loaded = load_columns(io.BytesIO(saved(subject)), source="columns")
    assert saved(loaded) == saved(subject)
    assert loaded.digest == subject.digest
    for entry in entries:
        assert loaded.change_points(entry.mpxn) == subject.change_points(entry.mpxn) != []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda octets: b"", "not registration columns"),
        (lambda octets: b"x" + octets, "not registration columns"),
        (lambda octets: octets[:30], "not registration columns"),
        (lambda octets: octets[:-1], "cut short"),
        (lambda octets: octets + b"x", "go on after their end"),
        (lambda octets: octets[:23] + b"\xff" * 8 + octets[31:], "larger than memory"),
        (lambda octets: octets[:23] + b"\x09" + octets[24:], "cut short"),
    ],
)
def test_a_damaged_file_is_refused(change: object, complaint: str) -> None:
    octets = saved(columns([Registration("7", UserRole.GS, "one", 1)]))
    with pytest.raises(Malformed, match=f"columns: .*{complaint}"):
        load_columns(io.BytesIO(change(octets)), source="columns")  # type: ignore[operator]


@pytest.mark.parametrize("mpxn", ["0", "0000000000", "9999999999", "0000000000000", "9999999999999"])
def test_an_mpxn_and_its_key_are_one(mpxn: str) -> None:
    assert mpxn_of_key(mpxn_key(mpxn)) == mpxn
    assert 0 < mpxn_key(mpxn) < 2**63
