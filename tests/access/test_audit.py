"""The audit trail: every kind of tampering is found, and questions find their records."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp.audit import (
    GENESIS,
    AuditState,
    Break,
    Entry,
    Query,
    Record,
    append,
    entry_text,
    filled,
    read_record,
    select,
    verify,
)
from emulator.service.audit_trail import export_lines, last_sent_image, read_export, verify_export, verify_trail
from emulator.service.persistence.device_lists import pack
from emulator.service.persistence.trails import MemoryTrail
from tests.dsp.bench_world import AGENT, SUPPLIER, SUPPLIER_TWO, Bench, device

ESME, NORTH_ESME, SOUTH_ESME = (device(home, "A0") for home in range(3))


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
        records[at] = record._replace(at_ms=record.at_ms + 1)
    elif how in ("digest", "previous"):
        records[at] = record._replace(**{how: "f" * 64})
    elif how == "forge":
        # A forger who recomputes the digest of one record breaks the link to the next, or the known end.
        forged = append(AuditState(record.number - 1, record.previous), record.entry._replace(outcome="E4"), record.at_ms)
        records[at] = forged
    else:
        records[at] = record._replace(entry=record.entry._replace(**{how: "changed"}))
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


def trail_of(bench: Bench, lists: dict[str, list[int]] | None = None) -> MemoryTrail:
    trail = MemoryTrail()
    for record in bench.audit:
        trail.add(record)
    for digest, devices in (lists or {}).items():
        trail.add_list(digest, pack([format_eui(eui) for eui in devices]))
    return trail


async def test_who_was_refused_a_device_has_not_sent_it_an_image() -> None:
    bench = Bench()
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    bench.run_until_idle()
    assert bench.distribute("11.1", "ESME", [SOUTH_ESME, ESME, ESME], user=SUPPLIER_TWO).code == "W110101"
    (taken,) = [r.entry for r in bench.audit if (r.entry.kind, r.entry.outcome) == ("decision", "W110101")]
    (excluded,) = [r.entry for r in bench.audit if r.entry.kind == "exclusion"]
    assert (taken.devices, excluded.devices) == (3, 1)
    assert (excluded.request_id, excluded.outcome, excluded.reason) == (taken.request_id, "W110101", "InvalidDeviceIDList: 1")
    first = next(r.entry for r in bench.audit if r.entry.kind == "decision")
    lists = {first.devices_digest: [ESME], taken.devices_digest: [ESME, SOUTH_ESME]}
    trail = trail_of(bench, {**lists, excluded.devices_digest: [ESME]})
    for eui, user in ((ESME, SUPPLIER), (SOUTH_ESME, SUPPLIER_TWO)):
        found = await last_sent_image(trail, format_eui(eui))
        assert found is not None
        assert found.entry.user == format_eui(user)


def test_decisions_and_messages_have_the_region_of_their_device() -> None:
    bench = Bench()
    for eui in (ESME, NORTH_ESME, Eui64(1)):
        bench.submit("11.2", to=eui)
    bench.run_until_idle()
    found = {(r.entry.kind, r.entry.device, r.entry.region) for r in bench.audit if r.entry.kind in ("decision", "message")}
    central, north = ((format_eui(eui), region) for eui, region in ((ESME, "Central"), (NORTH_ESME, "North")))
    expected = {(kind, *each) for kind in ("decision", "message") for each in (central, north)}
    assert found == expected | {("decision", format_eui(1), "")}


def test_the_record_of_a_grant_holds_its_terms_and_filters() -> None:
    bench = Bench()
    terms = {"supplier": "supplier-one", "agent": format_eui(AGENT), "to_ms": 4_000_000_000_000, "from_ms": 5}
    many = [f"{n:013d}" for n in range(101)]
    bench.control("grant.put", **terms, mpxns=["2", "1"], regions=["North"], exclusive=True)
    bench.control("grant.put", **terms, mpxns=many)
    bench.control("grant.revoke", grant=1)
    first, second, revoked = [r.entry.after for r in bench.audit if r.entry.kind == "grant"]
    assert first.startswith("from 5; to 4000000000000; max_devices 50000; approval none; ")
    assert first.endswith("exclusive; mpxns 1 2; regions North")
    digest = hashlib.sha256("\n".join(many).encode()).hexdigest()
    assert second.endswith(f"; mpxns 101 of sha256 {digest}")
    assert revoked == ""


async def test_a_list_is_forgotten_with_the_last_record_that_names_it() -> None:
    trail, state, lists = MemoryTrail(keep=2), AuditState(), {}
    for number, eui in enumerate([ESME, NORTH_ESME, ESME, SOUTH_ESME]):
        octets = pack([format_eui(eui)])
        digest = hashlib.sha256(octets).hexdigest()
        lists[eui] = digest
        trail.add(append(state, Entry("decision", "I99", devices=1, devices_digest=digest), number))
        trail.add_list(digest, octets)
    assert await trail.device_list(lists[NORTH_ESME]) is None
    assert await trail.device_list(lists[ESME]) is not None, "record 3 names it as record 1 did"
    trail.add(append(state, Entry("control", "nothing"), 9))
    assert await trail.device_list(lists[ESME]) is None
    assert await trail.device_list(lists[SOUTH_ESME]) is not None
    assert (await verify_trail(trail, end=await trail.end())).whole


async def test_an_export_ends_where_its_last_line_says() -> None:
    bench = Bench()
    for _ in range(3):
        bench.submit("11.2", to=ESME)
    trail = trail_of(bench)
    whole = [line async for line in export_lines(trail, await trail.end())]
    assert (await verify_export(*read_export(whole))).whole
    state = AuditState(*(await trail.end()))
    forged = json.dumps(append(state, Entry("decision", "I99", user="nobody"), bench.now_ms).as_json()).encode()
    found = await verify_export(*read_export([*whole[:-1], forged, whole[-1]]))
    assert (found.whole, found.broken_at) == (False, state.number)
    assert "goes on after" in found.problem
    with pytest.raises(Malformed, match="goes on after its last line"):
        read_export([*whole, forged])
    assert "its end was cut off" in (await verify_export(*read_export(whole[:-1]))).problem
    assert "its last line names record" in (await verify_export(*read_export([*whole[:-2], whole[-1]]))).problem


@given(
    st.builds(Entry, kind=st.text(), outcome=st.text(), reason=st.text(), devices=st.integers(0, 50_000), before=st.text()),
    st.integers(0, 2**40),
)
def test_the_text_that_is_digested_is_plain_json_with_sorted_names(entry: Entry, at_ms: int) -> None:
    text = entry_text(entry)
    assert text == json.dumps(filled(entry), sort_keys=True, separators=(",", ":"))
    record, again = append(AuditState(), entry, at_ms), append(AuditState(), entry, at_ms, text)
    whole = json.dumps([1, at_ms, GENESIS, filled(entry)], sort_keys=True, separators=(",", ":"))
    assert record == again
    assert record.digest == hashlib.sha256(whole.encode()).hexdigest()
