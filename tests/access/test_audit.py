"""The audit trail: every kind of tampering is found, and questions find their records."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.dsp.audit import AuditState, Break, Entry, Query, Record, append, read_record, select, verify


def chain(count: int = 6) -> tuple[AuditState, list[Record]]:
    state = AuditState()
    records = [
        append(state, Entry("decision", "I99", user=f"user {n % 2}", request_id=f"r{n}", device=f"d{n % 3}"), n * 10)
        for n in range(count)
    ]
    return state, records


def test_a_whole_chain_is_whole_also_after_a_trip_through_json() -> None:
    state, records = chain()
    again = [read_record(json.loads(json.dumps(record.as_json()))) for record in records]
    assert again == records
    assert verify(again, expected_end=(state.number, state.digest)) is None


@given(st.integers(0, 5), st.sampled_from(["at_ms", "outcome", "user", "digest", "previous", "drop", "swap", "double", "forge"]))
def test_every_change_is_found(at: int, how: str) -> None:
    state, records = chain()
    record = records[at]
    if how == "drop":
        del records[at]
    elif how == "swap":
        other = (at + 1) % len(records)
        records[at], records[other] = records[other], records[at]
    elif how == "double":
        records.insert(at, record)
    elif how == "at_ms":
        records[at] = replace(record, at_ms=record.at_ms + 1)
    elif how in ("digest", "previous"):
        records[at] = replace(record, **{how: "f" * 64})
    elif how == "forge":
        # A forger who recomputes the digest of one record breaks the link to the next, or the known end.
        forged = append(AuditState(record.number - 1, record.previous), replace(record.entry, outcome="E4"), record.at_ms)
        records[at] = forged
    else:
        records[at] = replace(record, entry=replace(record.entry, **{how: "changed"}))
    found = verify(records, expected_end=(state.number, state.digest))
    assert found is not None
    assert found.number - 1 in (at, at + 1, (at + 1) % len(records))


def test_a_cut_off_end_is_found_by_who_knows_the_end() -> None:
    state, records = chain()
    assert verify(records[:-1]) is None
    found = verify(records[:-1], expected_end=(state.number, state.digest))
    assert found == Break(6, "the chain ends at record 5; the world's last record is 6")


def test_a_chain_that_goes_on_after_its_known_end_is_found() -> None:
    state, records = chain()
    end = (state.number, state.digest)
    found = verify([*records, append(state, Entry("decision", "I99"), 100)], expected_end=end)
    assert found is not None
    assert found.number == 7


def test_part_of_a_chain_is_walked_from_the_record_before_it() -> None:
    state, records = chain()
    before = (records[2].number, records[2].digest)
    assert verify(records[3:], start=before, expected_end=(state.number, state.digest)) is None
    assert verify(records[4:], start=before) == Break(4, "record 4 is missing; found 5 in its place")
    assert verify(records[3:], start=(3, "0" * 64)) is not None


def test_questions_find_their_records() -> None:
    _, records = chain()
    assert [r.number for r in select(records, Query(device="d1"), {})] == [2, 5]
    assert [r.number for r in select(records, Query(user="user 0", from_ms=20, to_ms=40), {})] == [3]
    assert [r.number for r in select(records, Query(request_id="R4"), {})] == [5]
    listed = append(AuditState(), Entry("decision", "I99", devices=2, devices_digest="x"), 0)
    lists = {"x": frozenset({"d7", "d8"})}
    assert list(select([listed], Query(device="d8"), lists)) == [listed]
    assert not list(select([listed], Query(device="d9"), lists))


@pytest.mark.parametrize(
    "values", [{}, {"number": 1, "at_ms": 0, "previous": "", "digest": "", "entry": {"surprise": 1}}, {"number": "1"}]
)
def test_what_is_no_record_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_record(values)
