"""Registration by rule: determined by seed and MPxN, in the shares that were asked for."""

from collections import Counter

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import UserRole
from emulator.estate.model import Registration, RegistrationRule
from emulator.estate.registration_columns import RegistrationColumns
from emulator.estate.registration_rule import RuleBase
from emulator.estate.registrations import ROLE_CODES, UNKNOWN, Layered, Registrations
from tests.estate.registration_model import columns

COMPANIES = ["agent", "one", "three", "two"]
SUPPLIERS = RegistrationRule(UserRole.IS, "1000000000000", "1999999999999", (("one", 60), ("two", 30), ("three", 10)))
AGENTS = RegistrationRule(UserRole.RSA, "1000000000000", "1499999999999", (("agent", 1),))
GAS = RegistrationRule(UserRole.GS, "0000000", "9999999", (("two", 1), ("one", 1)))
RULES = (SUPPLIERS, AGENTS, GAS)


def store(seed: int, rules: tuple[RegistrationRule, ...] = RULES) -> Registrations:
    return over(columns([]), seed, rules)


def over(listed: RegistrationColumns, seed: int, rules: tuple[RegistrationRule, ...] = RULES) -> Registrations:
    made = Registrations(list(COMPANIES), base_digest=listed.digest)
    made.attach(Layered(listed, RuleBase(seed, rules, COMPANIES)))
    return made


def test_shares_are_as_asked_for(seed: int) -> None:
    subject = store(seed)
    found = Counter(subject.party_for(f"{10**12 + number}", UserRole.IS, 0) for number in range(5_000))
    assert {COMPANIES[party]: round(count / 500) for party, count in found.items() if party is not None} == {
        "one": 6,
        "two": 3,
        "three": 1,
    }
    assert found[None] == 0


def test_seed_and_mpxn_decide_and_nothing_else(seed: int) -> None:
    mpxns = [f"{10**12 + 7 * number}" for number in range(200)]
    said = [store(seed).party_for(mpxn, UserRole.IS, 5) for mpxn in mpxns]
    backwards = store(seed, RULES[::-1])
    assert [backwards.party_for(mpxn, UserRole.IS, 9) for mpxn in mpxns[::-1]] == said[::-1]
    assert [store(seed + 1).party_for(mpxn, UserRole.IS, 5) for mpxn in mpxns] != said


def test_a_rule_holds_for_its_range_and_role(seed: int) -> None:
    subject = store(seed)
    base = subject.base
    for mpxn, role, known in [
        ("0999999999999", UserRole.IS, False),
        ("1000000000000", UserRole.IS, True),
        ("1999999999999", UserRole.IS, True),
        ("2000000000000", UserRole.IS, False),
        ("1499999999999", UserRole.RSA, True),
        ("1500000000000", UserRole.RSA, False),
        ("1500000000000", UserRole.ED, False),
        ("0000001", UserRole.GS, True),
        ("1", UserRole.GS, False),
        ("x", UserRole.GS, False),
    ]:
        assert (subject.party_for(mpxn, role, 0) is not None) is known
        assert subject.party_for(mpxn, role, -1) is None
        assert (base.party_at(mpxn, ROLE_CODES[role], 10**12) != UNKNOWN) is known
        assert subject.parties_for([mpxn, "7"], role, 0) == [subject.party_for(each, role, 0) for each in (mpxn, "7")]
    assert [entry.role for entry in subject.history("1000000000000")] == [UserRole.IS, UserRole.RSA]
    assert subject.changes(-1, 10**13, ["2000000000000"]) == subject.changes(0, 10**13) == []


def test_a_change_over_a_rule(seed: int) -> None:
    subject, mpxn = store(seed), "1000000000000"
    asked = [mpxn, "1000000000001"]
    before = subject.party_for(mpxn, UserRole.IS, 99)
    assert before is not None
    after = "two" if COMPANIES[before] != "two" else "one"
    subject.put([Registration(mpxn, UserRole.IS, after, 100)])
    assert subject.party_for(mpxn, UserRole.IS, 99) == before
    assert subject.party_for(mpxn, UserRole.IS, 100) == COMPANIES.index(after)
    assert subject.party_for(mpxn, UserRole.RSA, 100) == COMPANIES.index("agent")
    assert subject.parties_for(asked, UserRole.IS, 100) == [subject.party_for(each, UserRole.IS, 100) for each in asked]
    assert [(change.at_ms, change.after) for change in subject.changes(0, 200)] == [(100, after)]


def test_what_is_listed_goes_before_a_rule(seed: int) -> None:
    mpxn, other = "1000000000000", "1000000000001"
    listed = columns([Registration(mpxn, UserRole.IS, "agent", 5, 9)])
    subject = over(listed, seed)
    said = [subject.party_for(mpxn, UserRole.IS, at_ms) for at_ms in (4, 5, 9)]
    assert said == [None, COMPANIES.index("agent"), None]
    assert subject.party_for(mpxn, UserRole.RSA, 5) is None
    assert subject.party_for(other, UserRole.IS, 5) == store(seed).party_for(other, UserRole.IS, 5) is not None
    assert [change.at_ms for change in subject.changes(0, 99)] == [5, 9]
    assert subject.base.next_change_ms(5) == 9
    assert store(seed).base.next_change_ms(0) is None


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (RegistrationRule(UserRole.IS, "1", "1000000000000", (("one", 1),)), "is no range"),
        (RegistrationRule(UserRole.IS, "1000000000001", "1000000000000", (("one", 1),)), "is no range"),
        (RegistrationRule(UserRole.GS, "x", "9", (("one", 1),)), "is no range"),
        (RegistrationRule(UserRole.GS, "1000000000000", "1000000000001", (("one", 1),)), "nobody is registered as GS"),
        (RegistrationRule(UserRole.OU, "1000000000000", "1000000000001", (("one", 1),)), "nobody is registered as OU"),
        (RegistrationRule(UserRole.GS, "1", "2", (("four", 1),)), "party 'four' is not declared"),
        (RegistrationRule(UserRole.GS, "1", "2", (("one", 0),)), "the share of 'one' is 0"),
        (RegistrationRule(UserRole.GS, "1", "2", ()), "there are no shares"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: RegistrationRule, complaint: str) -> None:
    with pytest.raises(Malformed, match=f"registration rule 1: .*{complaint}"):
        RuleBase(1, (rule,), COMPANIES)


def test_rules_do_not_overlap() -> None:
    other = RegistrationRule(UserRole.IS, "1999999999999", "2000000000000", (("one", 1),))
    with pytest.raises(Malformed, match="two rules say who is registered as IS for 1999999999999"):
        RuleBase(1, (other, SUPPLIERS), COMPANIES)
