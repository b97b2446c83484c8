"""Grants of suppliers to agents: absence denies, every filter narrows, approvals are used up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import CspRegion
from emulator.dsp.grants import (
    Grant,
    GrantState,
    Subject,
    approval_for,
    approve,
    covers,
    devices_digest,
    exclusive_agent,
    find_grant,
    put_grant,
    revoke,
)

AGENT = Eui64(0x90B3D51F30050000)
SUBJECT = Subject("1200000000001", "11E5/00020101", CspRegion.CENTRAL, "00010100")


def grant_values(**changes: object) -> dict[str, object]:
    return {"supplier": "supplier-one", "agent": format_eui(AGENT), "from_ms": 100, "to_ms": 200, **changes}


def test_absence_denies() -> None:
    found = find_grant(GrantState(), AGENT, "supplier-one", SUBJECT, 150)
    assert found == "supplier-one has granted the agent nothing"


@pytest.mark.parametrize(("at_ms", "live"), [(99, False), (100, True), (199, True), (200, False)])
def test_a_grant_lives_from_its_first_to_before_its_last_instant(at_ms: int, live: bool) -> None:
    state = GrantState()
    put_grant(state, grant_values(), 0)
    assert isinstance(find_grant(state, AGENT, "supplier-one", SUBJECT, at_ms), Grant) is live


def test_a_grant_is_of_one_supplier_for_one_agent() -> None:
    state = GrantState()
    put_grant(state, grant_values(), 0)
    assert isinstance(find_grant(state, AGENT, "supplier-two", SUBJECT, 150), str)
    assert isinstance(find_grant(state, Eui64(AGENT + 1), "supplier-one", SUBJECT, 150), str)


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
    assert isinstance(find_grant(state, AGENT, "supplier-one", SUBJECT, 150), str)


def test_a_revoked_grant_denies_from_that_instant_on() -> None:
    state = GrantState()
    grant = put_grant(state, grant_values(), 0)
    revoke(state, grant.number, 150)
    assert isinstance(find_grant(state, AGENT, "supplier-one", SUBJECT, 149), Grant)
    assert isinstance(find_grant(state, AGENT, "supplier-one", SUBJECT, 150), str)


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


def test_exclusive_grants_name_the_one_agent() -> None:
    state = GrantState()
    put_grant(state, grant_values(exclusive=True, regions=["Central"]), 0)
    assert exclusive_agent(state, "supplier-one", SUBJECT, 150) == AGENT
    assert exclusive_agent(state, "supplier-one", SUBJECT, 200) is None
    north = Subject(SUBJECT.mpxn, SUBJECT.model, CspRegion.NORTH, SUBJECT.version)
    assert exclusive_agent(state, "supplier-one", north, 150) is None


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
