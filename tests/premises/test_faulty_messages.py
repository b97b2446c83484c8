"""Messages that are not as they should be, by fault: lost, late, repeated, badly protected, saying what is not so."""

from itertools import pairwise
from typing import Any

import pytest

from emulator.domain.identifiers import Eui64
from emulator.gbcs.protect import verify_mac, verify_signature
from tests.premises.homes import DAY_MS, DS, ESME, GSME, HCALCS, HOUR_MS, HUB, KA, MINUTE_MS, PPMID, SUPPLIER, Heard, Rig, key

RECEIPT, ACTIVATION = "8F72", "0012"


def receipt(rig: Rig) -> list[Heard]:
    """Distribute an image to the electricity meter and give what came of its check."""
    rig.distribute(ESME, rig.image(ESME))
    rig.run(HOUR_MS)
    return rig.alerts(0x8F72)


def test_a_lost_response_is_one_to_a_command_that_was_carried_out() -> None:
    rig = Rig()
    receipt(rig)
    rig.faults.add("device.response_lost", ESME, params={"code": ACTIVATION})
    asked = rig.activate(ESME, rig.rows.held(ESME).manufacturer_image_hash)
    rig.run(HOUR_MS)
    assert not rig.answers(asked)
    assert rig.rows.running_version(ESME) == 0x00010100
    assert rig.read_version(ESME) == "00010100", "other Responses are not lost"


def test_a_lost_alert_is_one_of_what_happened() -> None:
    rig = Rig()
    rig.faults.add("device.alert_lost", ESME, times=1, params={"code": RECEIPT})
    assert not receipt(rig)
    assert rig.rows.held(ESME)


def test_a_late_message_is_overtaken() -> None:
    rig = Rig()
    rig.faults.add("device.message_late", ESME, times=1, params={"delay_ms": "2 h"})
    first = rig.send("11.2", ESME)
    second = rig.send("11.2", ESME)
    rig.run(DAY_MS)
    (late,), (early,) = rig.answers(first), rig.answers(second)
    assert late.at_ms - early.at_ms > HOUR_MS


def test_a_repeated_message_is_the_same() -> None:
    rig = Rig()
    rig.faults.add("device.message_repeated", ESME, params={"copies": 2, "gap_ms": "5 min", "code": RECEIPT})
    found = receipt(rig)
    assert len({heard.octets for heard in found}) == 1
    assert len(found) == 3
    assert all(4 * MINUTE_MS < later.at_ms - earlier.at_ms < 6 * MINUTE_MS for earlier, later in pairwise(found))


@pytest.mark.parametrize("kind", ["device.bad_signature", "device.bad_mac"])
def test_protection_is_wrong(kind: str) -> None:
    rig = Rig()
    rig.faults.add(kind, ESME)
    receipt(rig)
    asked = rig.activate(ESME, rig.rows.held(ESME).manufacturer_image_hash)
    read = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    (critical,), (plain,) = rig.answers(asked), rig.answers(read)
    assert verify_signature(critical.message, key(ESME, DS).public_key()) is (kind != "device.bad_signature")
    assert verify_mac(plain.message, key(SUPPLIER, KA), key(ESME, KA).public_key()) is False or kind != "device.bad_mac"
    assert not plain.message.signature


def test_a_counter_is_repeated() -> None:
    rig = Rig()
    receipt(rig)
    rig.faults.add("device.wrong_counter", ESME, times=1)
    rig.distribute(ESME, rig.image(ESME, 0x00010200), "second")
    rig.run(HOUR_MS)
    first, second = rig.alerts(0x8F72)
    assert first.message.counter == second.message.counter
    assert second.says["hash"] != first.says["hash"]


def test_another_use_case_is_named() -> None:
    rig = Rig()
    rig.faults.add("device.wrong_use_case", ESME, params={"named": "004a"})
    asked = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    (heard,) = rig.heard
    assert (heard.message.message_code, heard.message.counter) == (0x004A, asked.counter)


@pytest.mark.parametrize("eui", [HUB, ESME, GSME, PPMID, HCALCS])
def test_another_version_is_named(eui: Eui64) -> None:
    rig = Rig()
    rig.faults.add("device.wrong_version", eui, times=1, params={"version": "0000abcd"})
    assert [rig.read_version(eui) for _ in range(2)] == ["0000ABCD", "00010000"]


def test_a_clock_that_has_drifted() -> None:
    """A dated activation is carried out when the device believes that its date has come (F36)."""
    rig = Rig()
    receipt(rig)
    rig.faults.add("device.clock_skew", ESME, params={"offset_ms": "-3 h"})
    rig.activate(ESME, rig.rows.held(ESME).manufacturer_image_hash, date="2026-01-10T02:00:00.00Z")
    rig.run(30 * DAY_MS)
    (done,) = rig.alerts(0x8F66)
    assert rig.state.devices[ESME].clock_offset_ms == -3 * HOUR_MS
    on_time = Rig()
    receipt(on_time)
    on_time.activate(ESME, on_time.rows.held(ESME).manufacturer_image_hash, date="2026-01-10T02:00:00.00Z")
    on_time.run(30 * DAY_MS)
    assert abs(done.at_ms - on_time.alerts(0x8F66)[0].at_ms - 3 * HOUR_MS) < MINUTE_MS


def test_a_slow_device_takes_its_commands_later() -> None:
    rig = Rig()
    rig.faults.add("device.slow", ESME, times=1, params={"delay_ms": "1 h"})
    first, second = rig.send("11.2", ESME), rig.send("11.2", ESME)
    rig.run(DAY_MS)
    (slow,), (quick,) = rig.answers(first), rig.answers(second)
    assert abs(slow.at_ms - quick.at_ms - HOUR_MS) < MINUTE_MS


def test_a_device_that_finds_its_commands_wrong() -> None:
    rig = Rig()
    rig.faults.add("device.rejects_command", ESME, times=1)
    first = rig.send("11.2", ESME)
    rig.run(HOUR_MS)
    assert not rig.answers(first)
    assert [code for _, code in rig.state.devices[ESME].events] == [0x8F3D]
    assert rig.read_version(ESME)


WAN: list[tuple[str, dict[str, Any], list[int]]] = [
    ("wan.loses_downstream", {}, [0, 1]),
    ("wan.loses_upstream", {}, [0, 1]),
    ("wan.duplicates_messages", {"direction": "up"}, [2, 1]),
    ("wan.duplicates_messages", {"direction": "down"}, [2, 1]),
]
"""What the WAN does to the first of two reads, and how many answers come to each; reads are not protected against replay."""


@pytest.mark.parametrize(("kind", "params", "answers"), WAN)
def test_the_wan_and_a_message(kind: str, params: dict[str, Any], answers: list[int]) -> None:
    rig = Rig()
    rig.faults.add(kind, HUB, times=1, params=params)
    asked = []
    for _ in range(2):
        asked.append(rig.send("11.2", ESME))
        rig.run(HOUR_MS)
    assert [len(rig.answers(message)) for message in asked] == answers


def test_the_wan_delays_one_direction() -> None:
    rig = Rig()
    rig.faults.add("wan.delays_messages", HUB, times=1, params={"direction": "up", "delay_ms": "3 h"})
    first, second = rig.send("11.2", ESME), rig.send("11.2", ESME)
    rig.run(DAY_MS)
    (late,), (early,) = rig.answers(first), rig.answers(second)
    assert late.at_ms - early.at_ms > 2 * HOUR_MS
