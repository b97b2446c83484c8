"""12.1 and 9.1: what the DCC knows of a place, and the number that it has a meter show."""

import pytest

from emulator.dsp import commands
from emulator.duis.messages import Element, element
from tests.dsp.bench_world import NETWORK_OPERATOR, OTHER_USER, Bench, bench_with, device, responses
from tests.dsp.telling import valid

ESME, GSME = device(0, "A0"), device(0, "A1")


def place(*, uprn: str | None = None, post_code: str = "", address: str = "") -> Element:
    if uprn is not None:
        return element("RequestWANMatrix", element("UPRN", uprn))
    parts = element("PostCode", post_code), element("AddressIdentifier", address)
    return element("RequestWANMatrix", element("PartialAddress", *parts))


@pytest.mark.parametrize("home", [0, 1, 2])
@pytest.mark.parametrize("user", [NETWORK_OPERATOR, OTHER_USER])
def test_premises_are_found_by_number_address_and_post_code(home: int, user: int) -> None:
    bench = Bench()
    there = list(bench.world.engine.state.dsp.premises.values())[home]
    asked = [
        place(uprn=str(there.uprn)),
        place(post_code=there.post_code.lower(), address=f" {there.address_identifier} "),
        place(post_code=there.post_code.replace(" ", ""), address="99 Elsewhere"),
    ]
    for body in asked:
        answer = bench.submit("12.1", body, user=user)
        assert valid(answer)
        assert answer.code == "I0"
        assert answer.payload is not None
        assert answer.payload.children[0].children == body.children
        (found,) = answer.payload.children[1:]
        assert found.value("CSPRegion") == there.region
        assert found.value("CSPRegionResponseCode") == "I0"
        assert found.value("WANTechnology") == bench.world.estate.homes[home].wan_technology


def test_a_place_without_premises_is_refused_by_what_was_asked() -> None:
    bench = Bench()
    assert bench.submit("12.1", place(uprn="99")).code == "E120101"
    assert bench.submit("12.1", place(post_code="ZZ9 9ZZ", address="1")).code == "E120102"


@pytest.mark.parametrize(("target", "fixed"), [(ESME, "1234"), (GSME, "0042"), (ESME, "")])
def test_the_answer_names_the_number_that_the_meter_shows(monkeypatch: pytest.MonkeyPatch, target: int, fixed: str) -> None:
    monkeypatch.setattr(commands, "_not_carried_out", lambda context, case, use_case: None)
    bench = bench_with(customer_identification_number=fixed)
    numbers = []
    for _ in range(3):
        assert bench.submit("9.1", to=target, user=OTHER_USER).code == "I99"
        (answer,) = responses(bench.run_until_idle())
        assert valid(answer)
        assert answer.payload is not None
        assert answer.payload.name == "CINMessage"
        number = answer.payload.required("CustomerIdentificationNumber")
        command = next(entry for entry in reversed(bench.journal) if entry.kind == "gbcs.command")
        assert number.encode().hex() in command.data["gbcs"]
        numbers.append(number)
    assert set(numbers) == {fixed} if fixed else len(set(numbers)) == 3


def test_a_number_of_another_form_is_refused() -> None:
    bench = bench_with(customer_identification_number="12")
    assert bench.submit("9.1", to=ESME, user=OTHER_USER).code == "E51"
