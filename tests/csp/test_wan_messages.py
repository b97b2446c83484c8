"""Commands down and messages up: latency, order, unreachable hubs."""

import pytest

from emulator.csp.regions import CspSettings, default_technologies
from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import Eui64
from emulator.simulation.agenda import Event
from tests.premises.homes import DAY_MS, ESME, HOUR_MS, HUB, MINUTE_MS, NORTH_ESME, PPMID, SECOND_MS, Rig


def test_latency_is_within_the_profile() -> None:
    for eui, name in ((ESME, "cellular"), (NORTH_ESME, "radio")):
        technology = default_technologies()[name]
        rig = Rig()
        took = set()
        for _ in range(20):
            begun_ms = rig.now_ms
            rig.send("11.2", eui)
            rig.run(MINUTE_MS)
            took.add(rig.heard[-1].at_ms - begun_ms)
        inside_ms = 1_400  # over the HAN, execution and back
        least, most = 2 * technology.command_latency_min_ms + inside_ms, 2 * technology.command_latency_max_ms + inside_ms
        assert least <= min(took) < max(took) <= most
        assert len(took) > 10


def test_messages_keep_their_order() -> None:
    rig = Rig()
    sent = []
    for _ in range(40):
        sent.append(rig.send("11.2", ESME).counter)
        rig.run(50)
    rig.run(MINUTE_MS)
    assert [heard.message.counter for heard in rig.heard] == sent


def test_a_command_waits_for_an_unreachable_hub() -> None:
    rig = Rig()
    rig.faults.add("wan.unreachable", HUB, to_ms=rig.now_ms + 2 * HOUR_MS)
    message = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    described = rig.csp.describe_hub(HUB, rig.now_ms)
    assert described is not None
    assert described["reachable"] is False
    assert len(described["waiting_messages"]) == 1
    rig.run(DAY_MS)
    assert len(rig.answers(message)) == 1
    described = rig.csp.describe_hub(HUB, rig.now_ms)
    assert described is not None
    assert described["waiting_messages"] == []


def test_a_command_that_stays_undeliverable() -> None:
    rig = Rig()
    rig.faults.add("wan.unreachable", HUB)
    begun_ms = rig.now_ms
    rig.send("11.2", ESME)
    rig.run(3 * DAY_MS)
    ((at_ms, hub, target, octets),) = rig.undeliverable
    assert at_ms - begun_ms == CspSettings().command_window_ms
    assert (hub, target) == (HUB, ESME)
    assert octets
    assert not rig.csp_state.messages


def test_a_hub_without_power_is_unreachable() -> None:
    rig = Rig()
    rig.premises.power(HUB, False, rig.now_ms)
    message = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    rig.premises.power(HUB, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert len(rig.answers(message)) == 1


def test_what_the_home_sends_waits_too() -> None:
    rig = Rig()
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(30 * SECOND_MS)
    rig.faults.add("wan.unreachable", HUB, to_ms=rig.now_ms + 3 * HOUR_MS)
    rig.run(HOUR_MS)
    assert not rig.heard
    rig.run(12 * HOUR_MS)
    assert {heard.alert_code for heard in rig.heard} == {0x8F8A, 0x8F8B}


def test_what_the_home_sends_is_given_up_in_the_end() -> None:
    rig = Rig()
    rig.distribute(PPMID, rig.image(PPMID))
    rig.run(30 * SECOND_MS)
    rig.faults.add("wan.unreachable", HUB)
    rig.run(5 * DAY_MS)
    assert not rig.heard
    assert not rig.csp_state.messages
    assert any("given up" in summary for *_, summary, _ in rig.journal)


def test_a_message_lost_on_its_way_up() -> None:
    rig = Rig()
    rig.faults.add("wan.loses_upstream", HUB, times=1)
    lost, heard = rig.send("11.2", ESME), rig.send("11.2", ESME)
    rig.run(MINUTE_MS)
    assert not rig.answers(lost)
    assert len(rig.answers(heard)) == 1


def test_what_is_not_known() -> None:
    rig = Rig()
    with pytest.raises(Malformed, match="no WAN technology"):
        rig.csp.add_hub(Eui64(1), "pigeon", "North")
    assert rig.csp.describe_hub(Eui64(1), rig.now_ms) is None
    for handler in (rig.csp, rig.premises):
        with pytest.raises(Broken):
            handler.handle(Event(0, 0, "csp.nothing"))


def test_a_command_for_a_hub_that_is_not_known_is_undeliverable() -> None:
    rig = Rig()
    rig.csp.send_command(Eui64(1), ESME, b"octets", rig.now_ms)
    rig.run(2 * DAY_MS)
    assert [entry[1:] for entry in rig.undeliverable] == [(1, ESME, b"octets")]
