"""Grants of suppliers to agents: absence denies, every filter narrows, approvals are used up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import CspRegion
from emulator.dsp.grants import (
    MAX_APPROVALS,
    MAX_GRANT_MPXNS,
    MAX_GRANTS,
    GrantState,
    Offers,
    Subject,
    approval_for,
    approve,
    covers,
    devices_digest,
    put_grant,
    refusal,
    revoke,
)

AGENT = Eui64(0x90B3D51F30050000)
SUBJECT = Subject("1200000000001", "11E5/00020101", CspRegion.CENTRAL, "00010100")


def grant_values(**changes: object) -> dict[str, object]:
    return {"supplier": "supplier-one", "agent": format_eui(AGENT), "from_ms": 100, "to_ms": 200, **changes}


def helps(state: GrantState, at_ms: int, subject: Subject = SUBJECT, supplier: str = "supplier-one") -> bool:
    """Whether any grant of the supplier to the agent lets it have the subject."""
    offers = Offers(grant for grant in state.grants.values() if grant.agent == AGENT)
    return any(not refusal(grant, subject, at_ms) for grant in offers.of(supplier, subject.mpxn))


def test_absence_denies() -> None:
    assert not helps(GrantState(), 150)
    assert not Offers([])


@pytest.mark.parametrize(("at_ms", "live"), [(99, False), (100, True), (199, True), (200, False)])
def test_a_grant_lives_from_its_first_to_before_its_last_instant(at_ms: int, live: bool) -> None:
    state = GrantState()
    put_grant(state, grant_values(), 0)
    assert helps(state, at_ms) is live


def test_a_grant_is_of_one_supplier_for_one_agent() -> None:
    state = GrantState()
    put_grant(state, grant_values(agent=format_eui(AGENT + 1)), 0)
    assert not helps(state, 150)
    put_grant(state, grant_values(), 0)
    assert helps(state, 150)
    assert not helps(state, 150, supplier="supplier-two")


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), st.sets(st.sampled_from("abc"))), max_size=12))
def test_offers_are_the_grants_that_may_cover_oldest_first(given_: list[tuple[str, set[str]]]) -> None:
    state = GrantState()
    for supplier, mpxns in given_:
        put_grant(state, grant_values(supplier=supplier, mpxns=sorted(mpxns)), 0)
    offers = Offers(state.grants.values())
    for supplier in ("one", "two"):
        for mpxn in "abcd":
            expected = [g for g in state.grants.values() if g.supplier == supplier and (not g.mpxns or mpxn in g.mpxns)]
            assert offers.of(supplier, mpxn) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mpxns": ["1200000000002"]}, "MPxN"),
        ({"models": ["11E5/00020102"]}, "model"),
        ({"regions": ["North"]}, "region"),
        ({"versions": ["00010200"]}, "version"),
    ],
)
def test_each_filter_narrows(changes: dict[str, object], reason: str) -> None:
    state = GrantState()
    grant = put_grant(state, grant_values(**changes), 0)
    assert reason in covers(grant, SUBJECT)
    assert not helps(state, 150)


def test_a_revoked_grant_denies_from_that_instant_on() -> None:
    state = GrantState()
    grant = put_grant(state, grant_values(), 0)
    revoke(state, grant.number, 150)
    assert helps(state, 149)
    assert not helps(state, 150)
    revoke(state, grant.number, 160)
    assert grant.revoked_ms == 150, "a second revocation changes nothing"


def test_a_version_is_approved_for_every_list_and_a_batch_for_one_list_once() -> None:
    state, digest, other = GrantState(), devices_digest([1, 2]), devices_digest([1, 3])
    version = put_grant(state, grant_values(approval="per_version"), 0)
    assert isinstance(approval_for(state, version, "00010100", "aa", digest), str)
    approve(state, {"grant": version.number, "version": "00010100", "image_hash": "AA"})
    assert not isinstance(approval_for(state, version, "00010100", "aa", digest), str)
    assert not isinstance(approval_for(state, version, "00010100", "aa", other), str)
    assert isinstance(approval_for(state, version, "00010100", "bb", digest), str)
    batch = put_grant(state, grant_values(approval="per_batch"), 0)
    devices = [format_eui(1), format_eui(2)]
    token = approve(state, {"grant": batch.number, "version": "00010100", "image_hash": "aa", "devices": devices})
    assert approval_for(state, batch, "00010100", "aa", digest) is token
    assert isinstance(approval_for(state, batch, "00010100", "aa", other), str)
    token.used_by = "somebody"
    assert isinstance(approval_for(state, batch, "00010100", "aa", digest), str)


def test_an_approval_says_what_its_grant_asks_for() -> None:
    state = GrantState()
    for approval, devices in (("per_batch", []), ("per_version", [format_eui(1)])):
        number = put_grant(state, grant_values(approval=approval), 0).number
        with pytest.raises(Malformed, match="devices are"):
            approve(state, {"grant": number, "version": "00010100", "image_hash": "aa", "devices": devices})
    assert not state.tokens


def test_models_and_versions_are_compared_without_regard_to_case() -> None:
    state = GrantState()
    put_grant(state, grant_values(models=["11e5/00020101"], versions=["0001010a"]), 0)
    assert helps(state, 150, Subject(SUBJECT.mpxn, SUBJECT.model, SUBJECT.region, "0001010A"))


def test_grants_that_have_ended_make_room_and_others_do_not() -> None:
    state = GrantState()
    ended = put_grant(state, grant_values(to_ms=101, approval="per_version"), 0)
    approve(state, {"grant": ended.number, "version": "00010100", "image_hash": "aa"})
    for _ in range(MAX_GRANTS - 1):
        put_grant(state, grant_values(), 0)
    with pytest.raises(Malformed, match="too many grants"):
        put_grant(state, grant_values(), 100)
    assert len(state.grants) == MAX_GRANTS
    put_grant(state, grant_values(), 101)
    assert len(state.grants) == MAX_GRANTS
    assert ended.number not in state.grants
    assert not state.tokens


def test_grants_name_so_many_mpxns_in_all() -> None:
    state = GrantState()
    half = [str(number) for number in range(MAX_GRANT_MPXNS // 2)]
    first = put_grant(state, grant_values(mpxns=half), 0)
    put_grant(state, grant_values(mpxns=half), 0)
    with pytest.raises(Malformed, match="too many grants"):
        put_grant(state, grant_values(mpxns=["1"]), 0)
    revoke(state, first.number, 50)
    put_grant(state, grant_values(mpxns=["1"]), 50)
    assert sorted(state.grants) == [2, 3]


def test_used_approvals_make_room_and_others_do_not() -> None:
    state = GrantState()
    values = {"grant": put_grant(state, grant_values(), 0).number, "version": "00010100", "image_hash": "aa"}
    first = approve(state, values)
    for _ in range(MAX_APPROVALS - 1):
        approve(state, values)
    with pytest.raises(Malformed, match="too many approvals"):
        approve(state, values)
    first.used_by = "a request"
    approve(state, values)
    assert len(state.tokens) == MAX_APPROVALS


@pytest.mark.parametrize(
    "changes",
    [
        {"supplier": ""},
        {"agent": "nobody"},
        {"to_ms": 100},
        {"to_ms": None},
        {"max_devices": -1},
        {"approval": "sometimes"},
        {"regions": ["West"]},
        {"mpxns": "1200000000001"},
        {"surprise": 1},
        {"exclusive": "yes"},
        {"exclusive": 1},
    ],
)
def test_bad_grants_are_refused_and_change_nothing(changes: dict[str, object]) -> None:
    state = GrantState()
    with pytest.raises(Malformed):
        put_grant(state, grant_values(**changes), 0)
    assert state == GrantState()


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.randoms(use_true_random=False))
def test_the_digest_of_a_list_is_that_of_its_set(devices: list[int], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = devices + devices[: len(devices) // 2]
    random.shuffle(shuffled)
    assert devices_digest(shuffled) == devices_digest(devices)
