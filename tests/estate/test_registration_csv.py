"""Registration from CSV: the columns it becomes, every form it may have, and every complaint with its line."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import UserRole
from emulator.estate import registration_csv as subject
from emulator.estate.model import Registration
from emulator.estate.registration_columns import columns_of
from emulator.estate.registration_csv import HEADER, line_of, read_tenures, registrations_of
from tests.estate.registration_model import COMPANIES, histories

MPAN, MPRN = "1200000000001", "7400000001"
DAY_MS = 86_400_000


def read(text: str | bytes, parties: tuple[str, ...] = COMPANIES) -> list[Registration]:
    octets = text.encode() if isinstance(text, str) else text
    return registrations_of(read_tenures(io.BytesIO(octets), parties, source="some.csv"), parties)


def lines(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


def iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat()


def written(entries: list[Registration], **dialect: object) -> str:
    out = io.StringIO()
    writer = csv.writer(out, **dialect)  # type: ignore[arg-type]
    out.write(HEADER + "\n")
    for entry in entries:
        ends = "" if entry.to_ms is None else iso(entry.to_ms)
        writer.writerow((entry.mpxn, entry.role.value, entry.party, iso(entry.from_ms), ends))
    return out.getvalue()


@given(histories(), st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans())
def test_what_is_written_is_read(entries: list[Registration], end: str, quoting: int, last_line_ends: bool) -> None:
    text = written(entries, lineterminator=end, quoting=quoting)
    assert read(text if last_line_ends else text.rstrip("\r\n")) == entries


@given(histories(), st.integers(1, 200))
def test_batches_leave_no_trace(entries: list[Registration], size: int) -> None:
    text = written(entries, lineterminator="\n").encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "_BATCH_BYTES", size)
        patch.setattr(subject, "_MAX_KNOWN_TEXTS", 3)
        assert read(text) == entries


def test_dates_and_times() -> None:
    text = lines(
        f"{MPAN},IS,one,1970-01-02,1970-01-03",
        f"{MPAN},ED,one,1970-01-02T00:00:00.001Z,",
        f"{MPRN},GS,one,1970-01-02T01:00:00+01:00,1970-01-02T00:00:00.002",
    )
    assert read(text) == [
        Registration(MPAN, UserRole.IS, "one", DAY_MS, 2 * DAY_MS),
        Registration(MPAN, UserRole.ED, "one", DAY_MS + 1),
        Registration(MPRN, UserRole.GS, "one", DAY_MS, DAY_MS + 2),
    ]


def test_an_empty_file_and_a_byte_order_mark() -> None:
    assert read(HEADER) == []
    assert read(b"\xef\xbb\xbf" + lines(f"{MPAN},IS,one,2025-01-01,").encode())[0].party == "one"


def test_leading_zeros_and_every_length() -> None:
    mpxns = ["0000000000000", *("0" * digits for digits in range(1, 11)), "9999999999999"]
    roles = ["IS" if len(mpxn) == 13 else "GS" for mpxn in mpxns]
    text = lines(*(f"{mpxn},{role},one,2025-01-01," for mpxn, role in zip(mpxns, roles, strict=True)))
    assert [entry.mpxn for entry in read(text)] == mpxns


def test_companies_with_long_and_foreign_names() -> None:
    names = ("a" * 48, "a" * 49, "größer & söhne", 'comma, and "quote"')
    for name in names:
        out = io.StringIO()
        csv.writer(out).writerow((MPAN, "IS", name, "2025-01-01", ""))
        assert read(HEADER + "\n" + out.getvalue(), names)[0].party == name


GOOD = f"{MPAN},IS,one,2025-01-01,"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("", "0 fields"),
        (f"{MPAN},IS,one,2025-01-01", "4 fields; expected 5: mpxn,role,party,from,to"),
        (f"{MPAN},IS,one,2025-01-01,,", "6 fields"),
        (f"{MPAN}0,IS,one,2025-01-01,", f"'{MPAN}0' is not an MPxN; expected an MPAN of 13 digits or an MPRN of 1 to 10"),
        ("12000000000,GS,one,2025-01-01,", "is not an MPxN"),
        (",GS,one,2025-01-01,", "'' is not an MPxN"),
        (f" {MPAN},IS,one,2025-01-01,", "is not an MPxN"),
        ("12000000000O1,IS,one,2025-01-01,", "is not an MPxN"),
        ("120000000000/,IS,one,2025-01-01,", "is not an MPxN"),
        ("120000000000:,IS,one,2025-01-01,", "is not an MPxN"),
        ("１２３,GS,one,2025-01-01,", "is not an MPxN"),
        ("7\0,GS,one,2025-01-01,", "is not an MPxN"),
        (f"{MPAN},IS,one\0,2025-01-01,", "party 'one\\x00' is not declared"),
        (f"{MPAN},IS,one,2025-01-01\n{MPAN},IS,one,2025-01-01,,", "4 fields"),
        (f"{MPAN},GS,one,2025-01-01,", "nobody is registered as GS for 1200000000001; expected for an MPAN IS, ES, RSA, ED"),
        (f"{MPRN},IS,one,2025-01-01,", "nobody is registered as IS for 7400000001; expected for an MPRN GS, RSA, GT"),
        (f"{MPAN},OU,one,2025-01-01,", "'OU' is no role of registration data; expected IS, ES, GS, RSA, ED, GT"),
        (f"{MPAN},is,one,2025-01-01,", "'is' is no role"),
        (f"{MPAN},IS,One,2025-01-01,", "party 'One' is not declared; expected one of agent, one, three, two"),
        (f"{MPAN},IS,one,,", "'' is no date; expected an ISO 8601 date or date-time"),
        (f"{MPAN},IS,one,2025-02-30,", "'2025-02-30' is no date"),
        (f"{MPAN},IS,one,2025-01-01,never", "'never' is no date"),
        (f"{MPAN},IS,one,1969-12-31,", "too early or too late"),
        (f"{MPAN},IS,one,2528-01-01,", "too early or too late"),
        (f"{MPAN},IS,one,2025-01-01,2025-01-01", "does not end after it begins"),
        (f'{MPAN},IS,"one,2025-01-01,', "cannot be read"),
        (b"\xff\xfe,IS,one,2025-01-01,", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(row: str | bytes, complaint: str) -> None:
    octets = row.encode() if isinstance(row, str) else row
    for after in (GOOD, f"{GOOD}\nwrong too"):
        text = "\n".join((HEADER, *[GOOD] * 5)).encode() + b"\n" + octets + f"\n{after}\n".encode()
        with pytest.raises(Malformed) as caught:
            read(text)
        assert str(caught.value).startswith("some.csv line 7: ")
        assert complaint in str(caught.value)


def test_a_fault_in_a_later_batch_has_the_right_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_BATCH_BYTES", 100)
    with pytest.raises(Malformed, match=r"some.csv line 52: 'x' is no role"):
        read(lines(*[GOOD] * 50, f"{MPAN},x,one,2025-01-01,"))


@pytest.mark.parametrize("first", ["", "mpxn,role,party,from", "mpxn;role;party;from;to", GOOD])
def test_the_first_line_is_the_header(first: str) -> None:
    with pytest.raises(Malformed, match=r"some.csv line 1: the first line is .* expected mpxn,role,party,from,to"):
        read(first + "\n" + GOOD + "\n")


def test_two_parties_from_one_instant_are_refused_with_their_lines() -> None:
    text = lines(GOOD, f"{MPAN},ED,one,2025-01-01,", GOOD, f"{MPAN},IS,two,2025-01-01,")
    tenures = read_tenures(io.BytesIO(text.encode()), COMPANIES, source="some.csv")
    with pytest.raises(Malformed, match="line 5: begins at the same instant as line"):
        columns_of(tenures, lambda position: f"line {line_of(position)}")


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_ROWS", 3)
    assert len(read(lines(*[GOOD] * 3))) == 3
    with pytest.raises(Malformed, match="too many lines; expected at most 3"):
        read(lines(*[GOOD] * 4))
