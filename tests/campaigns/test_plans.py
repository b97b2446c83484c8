"""A wrong plan is refused with its place and the remedy; two plans that say the same are the same."""

from pathlib import Path
from typing import Any

import pytest

from emulator.campaigns.plan import PPM
from emulator.campaigns.reading import parse_plan, read_plan
from emulator.domain.errors import Malformed
from emulator.scenarios.toml_text import to_toml
from tests.campaigns.plans import SMALL, document_of, plan_of

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"campaign": {"wait": 5}}, "campaign.wait: 5 has no unit; expected a number with a unit such as '90 min'"),
    ({"campaign": {"waves": [1, "rest", 5]}}, "'rest' comes before the last wave"),
    ({"campaign": {"waves": [0]}}, "'0' is not the size of a wave; expected sizes in order, such as [1, 10,"),
    ({"campaign": {"waves": []}}, "campaign.waves"),
    ({"campaign": {"windos": ["22:00-06:00"]}}, "'windos' is not a key of campaign; expected perhaps 'windows'"),
    ({"campaign": {"windows": ["22-06"]}}, "expected a time of day such as '22:00-06:00'"),
    ({"campaign": {"start": "now + 1 h"}}, "plan.toml: campaign.start"),
    ({"campaign": {"read_after": "sometimes"}}, "campaign.read_after"),
    (
        {"campaign": {"read_after": "never"}, "gates": {"max_contact_lost": "1 %"}},
        "gates.max_contact_lost: contact loss is seen by",
    ),
    ({"image": {"version": "1.0"}}, "expected eight hexadecimal digits in quotes"),
    ({"image": {"type": "TOASTER"}}, "image.type"),
    ({"image": {"file": "a.ota", "size": "10 kB"}}, "image.size: a file has its own size"),
    ({"gates": {"max_failed": 0.5}}, "gates.max_failed: 0.5 has no per cent sign; expected a share such as '0.5 %'"),
    ({"gates": {"max_failed": "101 %"}}, "101 % is more than all"),
    ({"activation": {"rule": "maybe"}}, "activation.rule"),
    ({"activation": {"at": "now + 1 h"}}, "activation.at: now + 1 h has no meaning in a plan"),
    ({"activation": {"at": "start + 1 day", "delay": "1 h"}}, "activation.delay: a date needs no delay; expected at or delay"),
    ({"activation": {"at": "start", "rule": "none"}}, "activation.at: nobody is told to activate"),
    ({"activation": {"unheard_after": "1 day", "rule": "none"}}, "activation.unheard_after: nobody is told to activate"),
    ({"activation": {"at": "start", "take_back": "5 %"}}, "activation.take_back_at: a date is taken back from a share"),
    ({"activation": {"at": "start", "take_back_at": "start"}}, "activation.take_back: a date is taken back from a share"),
    ({"activation": {"take_back": "5 %", "take_back_at": "start"}}, "activation.at: there is no date to take back"),
    (
        {"activation": {"at": "start + 6 days", "take_back": "5 %", "take_back_at": "start + 6 days"}},
        "activation.take_back_at: start + 6 days is too late; expected an instant before",
    ),
    ({"retry": {"of": ["not deliverd"]}}, "there is no failure 'not deliverd'; expected one of not delivered"),
    ({"rollback": {"when": "halted"}}, "rollback: 'version' is missing"),
    ({"rollback": {"when": "halted", "version": "00010000"}}, "00010000 is not above 00010100"),
    ({"groups": [{"name": "a"}, {"name": "a"}]}, "groups.2: the name 'a' is taken"),
    ({"operator": [{"at": "now", "do": "pause"}]}, "operator.1.at"),
    ({"operator": [{"at": "start", "do": "shout"}]}, "operator.1.do"),
    ({"estate": {}, "population": {"name": "town"}}, "expected either [estate] or [population]"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_what_is_wrong_is_said_with_place_and_remedy(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        plan_of(**change)
    assert words in str(caught.value)
    assert str(caught.value).startswith("plan.toml: ")


def test_a_table_that_is_missing_is_named() -> None:
    with pytest.raises(Malformed, match=r"plan.toml: 'image' is missing; expected what is distributed"):
        parse_plan('[campaign]\nname = "x"\ntitle = "X"\n', Path("plan.toml"))


def test_a_file_that_is_not_there_or_not_a_plan(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(Malformed, match="not UTF-8"):
        read_plan(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("[campaign\n")
    with pytest.raises(Malformed, match="expected TOML"):
        read_plan(tmp_path / "bad.toml")


def test_shares_are_exact() -> None:
    gates = document_of(gates={"max_failed": "0.5 %", "max_contact_lost": "0.0001 %", "min_verified": "100 %"}).gates
    assert (gates.max_failed, gates.max_contact_lost, gates.min_verified) == (5_000, 1, PPM)


def test_a_digest_is_of_what_a_plan_says() -> None:
    assert plan_of().digest == plan_of(campaign={"order": "evenly"}, gates={}).digest
    assert plan_of().digest != plan_of(campaign={"order": "in turn"}).digest


def test_the_command_line_can_give_keys(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(to_toml({**SMALL, "population": {"name": "town"}}))
    plan = read_plan(path, {"campaign": {"seed": 9}, "population": {"channels": 4}})
    assert plan.document.campaign.seed == 9
    assert plan.document.population is not None
    assert plan.document.population.channels == 4
