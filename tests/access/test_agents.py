"""What becomes of an agent's rights, and of what it has under way, when somebody changes."""

import pytest

from emulator.domain.vocabulary import UserRole
from tests.access.test_policy import NORTH_ESME, PPMID, appoint, grant, job_state, send, world
from tests.dsp.bench_world import AGENT, SUPPLIER, Bench, device

ESME = device(0, "A0")
MPAN = "1200000000001"


@pytest.fixture
def bench() -> Bench:
    bench = Bench(world(rsa_policy="mp207_controlled"))
    appoint(bench, ESME)
    appoint(bench, NORTH_ESME)
    return bench


@pytest.mark.parametrize(("policy", "state"), [("cancel", "CANCELLED"), ("let_run", "VERIFIED")])
def test_the_end_of_an_appointment_ends_what_is_on_its_way_as_the_grant_says(bench: Bench, policy: str, state: str) -> None:
    grant(bench, on_change_of_supplier=policy)
    assert send(bench, [ESME]).code == "I99"
    appoint(bench, ESME, "other-user")
    bench.run_until_idle()
    assert job_state(bench, ESME) == state


def test_what_is_on_the_device_stays_its_suppliers_when_the_agent_changes(bench: Bench) -> None:
    grant(bench)
    send(bench, [ESME])
    bench.run_until_idle()
    appoint(bench, ESME, "other-user")
    bench.run_until_idle()
    assert job_state(bench, ESME) == "VERIFIED"


@pytest.mark.parametrize(
    ("role", "loser", "other"), [("RSA", "meter-operator", "other-user"), ("IS", "supplier-one", "supplier-two")]
)
def test_a_grant_does_not_come_back_with_what_was_lost(bench: Bench, role: str, loser: str, other: str) -> None:
    grant(bench)
    for party in (other, loser):
        bench.advance(1_000)
        bench.control("registration.put", mpxn=MPAN, role=role, party=party, from_ms=bench.now_ms)
    bench.advance(1_000)
    assert send(bench, [ESME]).code == "E110101"
    assert send(bench, [NORTH_ESME]).code == "I99", "another MPxN, which nobody lost"
    grant(bench)
    assert send(bench, [ESME]).code == "I99"


def test_a_supplier_that_is_an_agent_too_needs_a_grant_as_such(bench: Bench) -> None:
    user = bench.world.engine.state.dsp.users[AGENT]
    user.roles = (UserRole.IS, UserRole.RSA)
    assert send(bench, [ESME]).code == "E110101"
    grant(bench)
    assert send(bench, [ESME]).code == "I99"


def test_an_exclusive_grant_keeps_other_agents_out_of_11_1_and_nobody_out_of_11_4(bench: Bench) -> None:
    grant(bench)
    other = "00-DB-12-34-56-78-00-04"
    bench.control("grant.put", supplier="supplier-one", agent=other, to_ms=4_000_000_000_000, exclusive=True)
    assert send(bench, [ESME]).code == "E110101"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "E110101"
    assert bench.distribute("11.4", "PPMID", [PPMID], user=SUPPLIER).code == "I99"
