"""A gas meter hears the HAN at its wake-ups only (L076, L077, L098)."""

from itertools import pairwise

from emulator.domain.identifiers import Eui64
from emulator.premises.settings import HanSettings
from emulator.premises.state import MAX_WAITING
from tests.premises.homes import DAY_MS, GSME, HOUR_MS, HUB, MINUTE_MS, SECOND_MS, Rig, default_estate, with_device

INTERVAL_MS = 30 * MINUTE_MS


def wake_ms(rig: Rig) -> int:
    """The meter's next wake-up, as it says itself when something waits for it."""
    described = rig.premises.describe(GSME, rig.now_ms)
    assert described is not None
    (wait,) = described["waiting_for"]
    assert wait["what"] == "its wake-up, 1 message(s) lie at the hub"
    return int(wait["until_ms"])


def test_a_command_waits_for_the_wake_up() -> None:
    rig = Rig()
    message = rig.send("11.2", GSME)
    rig.run(10 * SECOND_MS)
    due_ms = wake_ms(rig)
    assert rig.now_ms < due_ms <= rig.now_ms + INTERVAL_MS
    rig.run(due_ms - rig.now_ms - 1)
    assert not rig.heard
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    assert due_ms < answer.at_ms < due_ms + 10 * SECOND_MS


def test_wake_ups_are_at_a_fixed_interval() -> None:
    rig = Rig()
    times = []
    for _ in range(3):
        rig.send("11.2", GSME)
        rig.run(INTERVAL_MS + 20 * SECOND_MS)
        times.append(rig.heard[-1].at_ms)
    assert len(rig.heard) == 3
    assert all(later - earlier >= INTERVAL_MS - 20 * SECOND_MS for earlier, later in pairwise(times))


def test_several_commands_are_taken_at_one_wake_up_in_order() -> None:
    rig = Rig()
    messages = [rig.send("11.2", GSME) for _ in range(4)]
    rig.run(INTERVAL_MS + MINUTE_MS)
    assert [heard.message.counter for heard in rig.heard] == [message.counter for message in messages]
    assert rig.heard[-1].at_ms - rig.heard[0].at_ms < MINUTE_MS


def test_an_activation_is_answered_within_the_interval_and_the_reboot() -> None:
    rig = Rig()
    message = rig.activate(GSME, bytes(32))
    rig.run(31 * MINUTE_MS)
    assert len(rig.answers(message)) == 1


def test_a_large_image_takes_many_wake_ups() -> None:
    rig = Rig(HanSettings(store_images=4))
    rig.distribute(GSME, rig.image(GSME, size=300_000 - 122))
    rig.run(HOUR_MS)
    assert rig.deliveries[0][2] == 1
    described = rig.premises.describe(GSME, rig.now_ms)
    assert described is not None
    assert described["waiting_for"][0]["what"] == "the last block of its image 00010100"
    # 300,000 octets are 6,000 blocks: 15 wake-ups of 400 (L078 says 7.5 hours for a first wake-up after half an hour).
    rig.run(6 * HOUR_MS - 20 * MINUTE_MS)
    assert not rig.alerts(0x8F8A)
    rig.run(2 * HOUR_MS)
    (transfer,) = rig.alerts(0x8F8A)
    assert 7 * HOUR_MS < transfer.at_ms - rig.estate.start_ms < 8 * HOUR_MS
    assert rig.alerts(0x8F72)


def test_the_meter_has_no_patience_for_more_messages_than_fit() -> None:
    rig = Rig()
    message = rig.command("11.2", GSME)
    for _ in range(MAX_WAITING + 3):
        rig.transmit(message)
    rig.run(HOUR_MS)
    assert len(rig.heard) == MAX_WAITING
    assert sum("too many messages" in summary for *_, summary, _ in rig.journal) == 3


def test_messages_lie_at_the_hub_while_the_meter_is_off() -> None:
    rig = Rig()
    message = rig.send("11.2", GSME)
    rig.run(10 * SECOND_MS)
    rig.premises.power(GSME, False, rig.now_ms)
    rig.run(DAY_MS)
    assert not rig.heard
    rig.premises.power(GSME, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert len(rig.answers(message)) == 1


def test_meters_wake_at_times_of_their_own() -> None:
    rig = Rig()
    other = Eui64(0x00DB1234567891A1)
    for eui in (GSME, other):
        rig.send("11.2", eui)
    rig.run(HOUR_MS)
    first, second = sorted(heard.at_ms for heard in rig.heard)
    assert second - first > 10 * SECOND_MS


def test_a_clock_that_is_off_does_not_change_the_wake_ups() -> None:
    estate = with_device(default_estate(), GSME, image_capacity_bytes=2_000_000)
    rig = Rig(estate=estate)
    rig.state.devices[GSME].clock_offset_ms = 3 * HOUR_MS
    rig.send("11.2", GSME)
    rig.run(INTERVAL_MS + MINUTE_MS)
    assert len(rig.heard) == 1
    assert rig.heard[0].hub == HUB
