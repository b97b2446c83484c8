"""Who is registered when: both layers against a naive model, at every instant of a small world."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import UserRole
from emulator.estate import registrations as subject
from emulator.estate import snapshot
from emulator.estate.model import Registration
from emulator.estate.registrations import FOREVER_MS, Registrations, party_table
from tests.estate.registration_model import (
    COMPANIES,
    LAST_MS,
    MPXNS,
    QUESTIONS,
    Model,
    answers,
    columns,
    histories,
    over,
)

MPAN, MPRN = MPXNS[0], MPXNS[-1]


def expected(model: Model) -> dict[tuple[str, UserRole, int], str | None]:
    return {key: model.party_for(*key) for key in QUESTIONS}


@given(histories(), st.lists(histories(6), max_size=4))
def test_every_instant_is_as_in_the_model(base: list[Registration], changes: list[list[Registration]]) -> None:
    model, store = Model(list(base)), over(columns(base))
    assert answers(store) == expected(model)
    for change in changes:
        model.put(change)
        store.put(change)
        assert answers(store) == expected(model)
    assert store.changed_points == sum(map(len, store.changed.values()))


@given(histories(), st.lists(histories(6), max_size=3))
def test_columns_and_changes_say_the_same(base: list[Registration], changes: list[list[Registration]]) -> None:
    in_columns, in_changes = over(columns(base)), over(columns([]))
    in_changes.put(base)
    for change in changes:
        in_columns.put(change)
        in_changes.put(change)
    for mpxn in MPXNS:
        assert in_columns.history(mpxn) == in_changes.history(mpxn)
        for role in subject.ROLE_CODES:
            assert in_columns.pending(mpxn, role, 4) == in_changes.pending(mpxn, role, 4)
    for after_ms in range(-1, LAST_MS, 3):
        assert in_columns.changes(after_ms, after_ms + 4) == in_changes.changes(after_ms, after_ms + 4)


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_registrations_means_nothing(entries: list[Registration], chance: object) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert columns(entries).digest == columns(shuffled).digest
    one, other = over(columns([])), over(columns([]))
    one.put(entries)
    other.put(shuffled)
    assert answers(one) == answers(other)
    assert all(one.history(mpxn) == other.history(mpxn) for mpxn in MPXNS)


@given(histories(), histories())
def test_what_is_registered_for_others_means_nothing(entries: list[Registration], unrelated: list[Registration]) -> None:
    rest = [entry for entry in unrelated if entry.mpxn != MPAN]
    alone, among = over(columns(entries)), over(columns(entries))
    among.put(rest)
    for role in subject.ROLE_CODES:
        for at_ms in range(LAST_MS + 1):
            assert alone.party_for(MPAN, role, at_ms) == among.party_for(MPAN, role, at_ms)


@given(histories())
def test_a_history_can_be_told_again(entries: list[Registration]) -> None:
    store = over(columns(entries))
    told = [entry for mpxn in MPXNS for entry in store.history(mpxn)]
    for one, other in pairwise(told):
        if (one.mpxn, one.role) == (other.mpxn, other.role):
            assert one.to_ms is not None
            assert one.to_ms <= other.from_ms
    again = over(columns([]))
    again.put(told)
    assert answers(again) == answers(store)


@given(histories())
def test_changes_are_where_the_answer_changes(entries: list[Registration]) -> None:
    store = over(columns(entries))
    found = store.changes(-1, LAST_MS + 1)
    assert found == sorted(found, key=lambda change: (change.at_ms, change.mpxn, change.role))
    named = {
        (change.mpxn, change.role, change.at_ms): (change.before, change.after)
        for change in store.changes(-1, LAST_MS + 1, MPXNS)
    }
    assert named == {(c.mpxn, c.role, c.at_ms): (c.before, c.after) for c in found}
    said = answers(store)
    for mpxn, role, at_ms in QUESTIONS:
        if at_ms >= 0:
            now, then = said[mpxn, role, at_ms], said[mpxn, role, at_ms - 1]
            assert named.get((mpxn, role, at_ms)) == (None if now == then else (then, now))
    for mpxn in MPXNS:
        for after_ms in range(-1, LAST_MS + 1):
            later = [change.at_ms for change in found if change.mpxn == mpxn and change.at_ms > after_ms]
            assert store.next_change_of(mpxn, after_ms) == min(later, default=None)


@given(histories(), histories(6))
def test_a_snapshot_holds_the_changes_and_names_the_base(base: list[Registration], change: list[Registration]) -> None:
    store = over(columns(base))
    store.put(change)
    octets = snapshot.dump(store)
    restored = snapshot.load(octets)
    assert isinstance(restored, Registrations)
    restored.attach(columns(base))
    assert restored == store
    assert snapshot.dump(restored) == octets
    assert answers(restored) == answers(store)
    restored.put([Registration(MPAN, UserRole.IS, "one", 3)])
    assert restored.party_for(MPAN, UserRole.IS, 3) == COMPANIES.index("one")


def test_a_base_of_another_world_is_refused() -> None:
    entries = [Registration(MPAN, UserRole.IS, "one", 1)]
    store = over(columns(entries))
    for other in (columns([]), columns([*entries, Registration(MPAN, UserRole.ED, "one", 1)])):
        with pytest.raises(Malformed, match="are not those of this world"):
            store.attach(other)
    assert store.party_for(MPAN, UserRole.IS, 1) == COMPANIES.index("one")


def test_a_registration_holds_from_its_first_instant_to_before_its_last() -> None:
    store = over(columns([Registration(MPAN, UserRole.IS, "one", 5, 9), Registration(MPAN, UserRole.IS, "two", 9)]))
    at = [store.party_for(MPAN, UserRole.IS, at_ms) for at_ms in (4, 5, 8, 9, FOREVER_MS, 2**62)]
    one, two = COMPANIES.index("one"), COMPANIES.index("two")
    assert at == [None, one, one, two, two, two]
    assert store.registered(MPAN, UserRole.IS, one, 8)
    assert not store.registered(MPAN, UserRole.IS, one, 9)
    assert not store.registered(MPAN, UserRole.IS, None, 4)
    assert not store.registered(MPAN, UserRole.ED, two, 9)
    assert store.pending(MPAN, UserRole.IS, 5) == [Registration(MPAN, UserRole.IS, "two", 9)]


@pytest.mark.parametrize("mpxn", ["", "12000000000011", "12000000000", "120000000000", "12 0000000001", "１２３", "-1", "1_0"])
def test_what_is_no_mpxn_is_registered_for_nobody(mpxn: str) -> None:
    store = over(columns([Registration(MPAN, UserRole.IS, "one", 1), Registration("10", UserRole.GS, "one", 1)]))
    assert store.party_for(mpxn, UserRole.IS, 5) is None
    assert store.history(mpxn) == []
    with pytest.raises(Malformed, match="is not an MPxN"):
        store.put([Registration(mpxn, UserRole.GS, "one", 1)])


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (Registration(MPAN, UserRole.GS, "one", 1), "nobody is registered as GS"),
        (Registration(MPRN, UserRole.ED, "one", 1), "nobody is registered as ED"),
        (Registration(MPAN, UserRole.OU, "one", 1), "nobody is registered as OU"),
        (Registration(MPAN, UserRole.IS, "four", 1), "party 'four' is not declared; expected one of agent, one, three, two"),
        (Registration(MPAN, UserRole.IS, "one", 5, 5), "does not end after it begins"),
        (Registration(MPAN, UserRole.IS, "one", -1), "too early or too late"),
        (Registration(MPAN, UserRole.IS, "one", FOREVER_MS), "too early or too late"),
        (Registration(MPAN, UserRole.IS, "one", 1, FOREVER_MS), "does not end after it begins"),
    ],
)
def test_what_cannot_be_registered_changes_nothing(entry: Registration, complaint: str) -> None:
    store = over(columns([]))
    good = Registration(MPAN, UserRole.IS, "one", 1)
    with pytest.raises(Malformed, match=complaint):
        store.put([good, entry])
    assert store.changed == {}
    assert store.put([good, good]) == 1


def test_two_parties_from_one_instant_are_refused() -> None:
    both = [Registration(MPAN, UserRole.IS, company, 3) for company in ("one", "two")]
    with pytest.raises(Malformed, match=f"registration of {MPAN}: two registrations as IS begin at the same instant"):
        over(columns([])).put(both)
    with pytest.raises(Malformed, match="entry 1: begins at the same instant as entry 0"):
        columns(both)


def test_changes_outside_the_base_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_CHANGE_POINTS", 3)
    store = over(columns([]))
    store.put([Registration(MPAN, UserRole.IS, "one", 1, 2), Registration(MPRN, UserRole.GS, "one", 1)])
    with pytest.raises(Malformed, match=r"4 change points .* at most 3; the registration_file"):
        store.put([Registration(MPRN, UserRole.GT, "one", 1)])
    store.put([Registration(MPAN, UserRole.IS, "one", 1)])
    assert store.changed_points == 2


def test_the_table_of_companies_is_sorted_and_limited() -> None:
    assert party_table(["b", "a", "b"]) == ["a", "b"]
    with pytest.raises(Malformed, match="65536 companies are too many"):
        party_table(map(str, range(65_536)))
