"""Commands that devices execute at a date: a report for each instruction, replacement, cancellation, and what never comes.

The bodies are those of published requests, read where they lie; their dates are moved to the days of the world.
"""

from pathlib import Path

import pytest

from emulator.domain.identifiers import format_eui
from emulator.dsp.lookup import Lookup
from emulator.duis.decode import decode_request
from emulator.duis.messages import Element, element
from emulator.duis.parse import parse_document
from emulator.world import restore_world
from tests.dsp.bench_world import DAY_MS, HOUR_MS, Bench, device, responses
from tests.dsp.telling import told

ESME, GSME = device(0, "A0"), device(0, "A1")
DATE, LATER, CANCEL = "2026-01-07T02:00:00Z", "2026-01-09T02:00:00Z", "3000-12-31T00:00:00Z"

TEMPLATES = {
    "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS": 6,
    "ECS01b_1.2.1_FUTURE_DATED_TOU_BLOCK_SUCCESS": None,
    "ECS08_2.1_FUTURE_DATED_SUCCESS": None,
    "ECS28a_6.4.1_FUTURE_DATED_SUCCESS": None,
    "ECS46c_6.14.2_FUTURE_DATED_ALL_OPTIONALS_SUCCESS": None,
    "GCS01a_1.1.1_FUTURE_DATED_BLOCK_SUCCESS": None,
    "GCS01b_1.2.1_FUTURE_DATED_BLOCK_SUCCESS": None,
    "GCS02_1.6_FUTURE_DATED_SUCCESS": None,
    "GCS05_2.1_FUTURE_DATED_SUCCESS": None,
}
"""Published requests and the number of their instructions, where the reference has it (gbcs.md 6)."""


def body_of(reference: Path, name: str, date: str | None) -> tuple[str, Element]:
    """Variant and body of a published request, with another date or none."""
    document = (reference / "duis" / "templates" / f"{name}_REQUEST_DUIS.XML").read_bytes()
    request = decode_request(parse_document(document))
    kept = [child for child in request.body.children if child.name != "ExecutionDateTime"]
    dated = element("ExecutionDateTime", date) if date else None
    return request.service_reference_variant, element(request.body.name, dated, *kept)


def send(bench: Bench, reference: Path, name: str, date: str | None) -> None:
    variant, body = body_of(reference, name, date)
    assert bench.critical(variant, body, GSME if name.startswith("GCS") else ESME).code == "I99"
    assert [answer.code for answer in responses(bench.run_until_idle())] == ["I0"]


def reports(bench: Bench, by_ms: int) -> list[tuple[str, str, str]]:
    """Code, InstructionNumber and TotalCommandInstructions of the reports that come within a time."""
    fresh = bench.advance(by_ms)
    assert told(fresh) is not None
    payloads = [answer.payload for answer in responses(fresh) if answer.payload is not None]
    names = ("FutureDatedAlertCode", "InstructionNumber", "TotalCommandInstructions")
    return [tuple(each.required(name) for name in names) for each in payloads]  # type: ignore[misc]


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_instruction_is_reported_once(reference: Path, name: str) -> None:
    bench = Bench()
    send(bench, reference, name, DATE)
    (held,) = bench.world.engine.context.lookup.dated(GSME if name.startswith("GCS") else ESME)
    total = len(held.instructions)
    assert TEMPLATES[name] in (None, total)
    assert not bench.advance(DAY_MS)
    found = reports(bench, DAY_MS)
    assert sorted(found, key=lambda each: int(each[1])) == [("8F66", str(n), str(total)) for n in range(1, total + 1)]
    assert held.state == "answered"
    assert not bench.advance(4 * DAY_MS)


@pytest.mark.parametrize("name", ["ECS28a_6.4.1_FUTURE_DATED_SUCCESS", "GCS02_1.6_FUTURE_DATED_SUCCESS"])
def test_a_newer_one_replaces_the_older(reference: Path, name: str) -> None:
    bench = Bench()
    send(bench, reference, name, DATE)
    send(bench, reference, name, LATER)
    first, second = bench.world.engine.state.dsp.transactions.values()
    assert (first.state, second.state) == ("cancelled", "accepted by device")
    assert not bench.advance(3 * DAY_MS)
    assert reports(bench, DAY_MS)
    assert second.state == "answered"


@pytest.mark.parametrize("name", ["ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS", "GCS02_1.6_FUTURE_DATED_SUCCESS"])
@pytest.mark.parametrize("date", [CANCEL, None])
def test_a_cancellation_or_an_immediate_one_ends_it(reference: Path, name: str, date: str | None) -> None:
    bench = Bench()
    send(bench, reference, name, DATE)
    send(bench, reference, name, date)
    first, second = bench.world.engine.state.dsp.transactions.values()
    assert (first.state, second.state) == ("cancelled", "answered")
    assert not bench.advance(4 * DAY_MS)


def test_a_part_that_is_replaced_is_not_waited_for(reference: Path) -> None:
    """1.2.1 says anew one of the things that 1.1.1 said; the other five are reported, and the request is over."""
    bench = Bench()
    send(bench, reference, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS", DATE)
    send(bench, reference, "ECS01b_1.2.1_FUTURE_DATED_TOU_BLOCK_SUCCESS", LATER)
    tariff, price = bench.world.engine.state.dsp.transactions.values()
    shared = set(tariff.instructions) & set(price.instructions)
    assert shared
    found = reports(bench, 2 * DAY_MS)
    assert len(found) == len(tariff.instructions) - len(shared)
    assert tariff.state == "answered"
    assert len(reports(bench, 3 * DAY_MS)) == len(price.instructions)


def test_what_a_device_holds_falls_with_it(reference: Path) -> None:
    bench = Bench()
    send(bench, reference, "ECS28a_6.4.1_FUTURE_DATED_SUCCESS", DATE)
    bench.deliveries.clear()
    bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(ESME))))
    assert told(bench.deliveries) == {"one": ["N3"], "network": ["N1"]}
    assert not bench.advance(5 * DAY_MS)


def test_of_a_report_that_is_lost_the_user_hears_in_the_end(reference: Path) -> None:
    bench = Bench()
    send(bench, reference, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS", DATE)
    bench.control("fault.add", kind="wan.loses_upstream", device="00-DB-12-34-56-78-90-A2", times=1)
    assert len(reports(bench, 2 * DAY_MS)) == 5
    assert told(bench.advance(2 * DAY_MS)) == {"one": ["1.1.1 E30", "N13"]}


def test_reports_come_although_the_response_was_lost(reference: Path) -> None:
    bench = Bench()
    bench.control("fault.add", kind="wan.loses_upstream", device="00-DB-12-34-56-78-90-A2", times=1)
    variant, body = body_of(reference, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS", "2026-01-05T12:00:00Z")
    assert bench.critical(variant, body, ESME).code == "I99"
    assert len(reports(bench, 6 * HOUR_MS)) == 6
    assert not bench.advance(3 * DAY_MS)


def test_a_snapshot_between_reports_changes_nothing(reference: Path) -> None:
    def run(interrupt: bool) -> str:
        bench = Bench()
        send(bench, reference, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS", DATE)
        if interrupt:
            bench.world = restore_world("default", bench.world.engine.snapshot())
            context = bench.world.engine.context
            assert Lookup(context.state).differences(context.lookup) == []
        bench.advance(3 * DAY_MS)
        return bench.world.engine.digest()

    assert run(False) == run(True)
