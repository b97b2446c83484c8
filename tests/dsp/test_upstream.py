"""Homes are peers: whatever octets they send, the DSP notes them and goes on."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.dsp.upstream import receive
from emulator.duis.messages import element
from emulator.estate import snapshot
from emulator.gbcs.message import Cra, GbcsMessage
from tests.dsp.bench_world import HOUR_MS, SUPPLIER, Bench, bench_with, device, responses
from tests.dsp.telling import told

ESME, HUB, PPMID = device(0, "A0"), device(0, "A2"), device(0, "A4")


def campaign() -> list[bytes]:
    """Every message that came up in a whole update of three devices."""
    bench = Bench()
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    bench.distribute("11.4", "PPMID", [PPMID])
    bench.run_until_idle()
    row = next(e for e in bench.world.estate.cpl if e.device_type == "ESME" and e.firmware_version == "00010100")
    bench.activate(ESME, bytes.fromhex(row.image_hash), at="2026-01-08T00:00:00Z")
    bench.run_until_idle()
    bench.advance(72 * HOUR_MS)
    for eui in (ESME, HUB, PPMID):
        bench.submit("11.2", to=eui)
    bench.run_until_idle()
    return [bytes.fromhex(e.data["gbcs"]) for e in bench.journal if e.kind in ("gbcs.response", "gbcs.alert")]


MESSAGES = campaign()


@given(st.sampled_from(MESSAGES), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4), st.integers(0, 400))
def test_maimed_messages_stop_nothing(message: bytes, changes: list[tuple[int, int]], length: int) -> None:
    octets = bytearray(message)
    for at, value in changes:
        octets[at % len(octets)] = value
    bench = Bench()
    bench.submit("11.2", to=ESME)
    bench.distribute("11.4", "PPMID", [PPMID])
    bench.advance(60_000)
    for each in (bytes(octets), bytes(octets[:length]), message):
        receive(bench.world.engine.context, each)
    told(bench.collect())
    snapshot.dump(bench.world.engine.state)


@given(st.binary(max_size=60))
def test_any_octets_stop_nothing(octets: bytes) -> None:
    bench = Bench()
    receive(bench.world.engine.context, octets)
    assert not bench.collect()
    assert {entry.kind for entry in bench.journal} == {"dropped"}


ALERTS = st.sampled_from([0x0018, 0x00B2, 0x00CA, 0x00CE, 0x00CF, 0x0128, 0x012B, 0x0012, 0x1000, 0xFFFF])
CONTENTS = st.binary(max_size=80) | st.sampled_from([bytes.fromhex("3000"), bytes.fromhex("0F"), bytes.fromhex("0109"), b""])


@given(
    ALERTS,
    CONTENTS,
    st.sampled_from([ESME, HUB, PPMID]),
    st.sampled_from([ACCESS_CONTROL_BROKER, SUPPLIER]),
    st.sampled_from(Cra),
)
def test_well_formed_messages_with_any_content_stop_nothing(
    code: int, content: bytes, sender: Eui64, recipient: Eui64, cra: Cra
) -> None:
    bench = Bench()
    receive(bench.world.engine.context, GbcsMessage(cra, 7, sender, recipient, code, content).encode())
    assert not bench.collect()


def test_messages_of_nobody_are_noted_and_dropped() -> None:
    bench = Bench()
    receive(bench.world.engine.context, GbcsMessage(Cra.ALERT, 7, Eui64(5), SUPPLIER, 0x1000, b"\x0f").encode())
    assert not bench.collect()
    assert [entry.kind for entry in bench.journal] == ["dropped"]


@pytest.mark.parametrize(("setting", "expected"), [("drop", []), ("deliver", ["11.2 I0"])])
def test_what_becomes_of_a_late_response_is_a_setting(setting: str, expected: list[str]) -> None:
    bench = bench_with(late_responses=setting, on_demand_validity_ms=100, command_failure_on_demand=False)
    bench.world.engine.premises.side_channel(ESME, 0x00010100, bench.now_ms)
    bench.submit("11.2", to=ESME)
    assert told(bench.advance(200)) == {"one": ["11.2 E21"]}
    late = told(bench.advance(HOUR_MS)).get("one", [])
    assert [each for each in late if each != "N49"] == expected
    version = bench.world.engine.state.dsp.inventory[ESME].firmware_version
    assert version == ("00010100" if expected else "00010000")


def test_a_response_counts_once() -> None:
    bench = Bench()
    bench.submit("11.2", to=ESME)
    answer = responses(bench.run_until_idle())[0]
    assert answer.payload is not None
    receive(bench.world.engine.context, base64.b64decode(answer.payload.text))
    assert not bench.collect()


def test_an_outcome_reaches_its_request_although_the_first_answer_was_lost() -> None:
    bench = Bench()
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    row = next(e for e in bench.world.estate.cpl if e.device_type == "ESME" and e.firmware_version == "00010100")
    bench.control("fault.add", kind="wan.loses_upstream", times=1)
    bench.activate(ESME, bytes.fromhex(row.image_hash), at="2026-01-10T02:00:00Z")
    assert told(bench.run_until_idle()) == {"one": ["11.3 E21", "N13"]}
    assert told(bench.advance(200 * HOUR_MS)) == {"one": ["11.3 8F66"]}
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010100"


def test_critical_joins_and_partings_change_the_inventory() -> None:
    bench = Bench()
    hcalcs, inventory = device(0, "A5"), bench.world.engine.state.dsp.inventory
    assert inventory[hcalcs].joined_to == (ESME,)
    for srv, name, joined in (("8.8.1", "UnjoinServiceCritical", ()), ("8.7.1", "JoinServiceCritical", (ESME,))):
        body = element(name, element("OtherDeviceID", format_eui(hcalcs)))
        assert bench.critical(srv, body, ESME).code == "I99"
        assert told(bench.run_until_idle()) == {"one": [f"{srv} I0"]}
        assert inventory[hcalcs].joined_to == joined
