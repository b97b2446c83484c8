"""A home with three devices, seen from outside."""

from dataclasses import replace

import pytest

from emulator.fanout.fields import RESERVED
from emulator.fanout.phases import LOST
from emulator.fanout.tables import DAY_S, KIB, Chance
from tests.fanout.homes import DISPLAY, GAS_METER, METER, NEW, NEWER, OLD, home, names, network, order, play
from tests.fanout.watching import check


def test_an_electricity_meter_goes_all_the_way() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(450 * KIB, read_after_s=0))
    assert net.submit(meter, number) == ""
    seen = play(net)
    assert names(seen) == ["DELIVERED", "QUERIED", "TRANSFERRED", "VERIFIED", "COMMAND_SENT", "ACTIVATED", "READ_BACK"]
    delivered, queried, transferred, *_ = (outcome.tick for outcome in seen)
    assert delivered == -(-450 * KIB * 8 // 20_000)
    assert transferred - queried == -(-9216 * 1_000 // (8 * 990))
    assert net.jobs(number) == {"CONFIRMED": 1}
    assert net.look(meter)["running"] == NEW
    assert net.waiting(meter).what == "IDLE"
    assert net.next_due() is None


def test_a_gas_meter_takes_its_blocks_at_wake_ups() -> None:
    net = network()
    _, meter = home(net, GAS_METER)
    net.submit(meter, net.add_order(order(300 * KIB)))
    seen = {outcome.name: outcome.tick for outcome in play(net)}
    wakes = -(-6144 // 396)
    assert (wakes - 1) * 1_800 < seen["TRANSFERRED"] - seen["QUERIED"] <= wakes * 1_800
    assert (seen["COMMAND_SENT"] - seen["QUERIED"]) % 1_800 == 0


def test_a_ppmid_activates_by_itself_and_reports() -> None:
    net = network()
    _, display = home(net, DISPLAY)
    number = net.add_order(order(signed=False))
    net.submit(display, number)
    assert names(play(net)) == ["DELIVERED", "QUERIED", "TRANSFERRED", "VERIFIED", "ACTIVATED", "CS09_OK"]
    assert net.jobs(number) == {"ACTIVATED": 1}


def test_an_old_ppmid_reports_nothing_and_the_dsp_stops_waiting() -> None:
    net = network()
    _, display = home(net, replace(DISPLAY, supports_cs09=False))
    number = net.add_order(order(signed=False))
    net.submit(display, number)
    assert names(play(net))[-2:] == ["ACTIVATED", "SILENCE"]
    assert net.jobs(number) == {"UNKNOWN": 1}


def test_devices_of_a_home_share_the_hub() -> None:
    alone, shared = network(), network()
    _, one = home(alone, METER)
    alone.submit(one, alone.add_order(order(450 * KIB)))
    _, first, second = home(shared, METER, METER)
    number = shared.add_order(order(450 * KIB))
    for device in (first, second):
        shared.submit(device, number)
    longest = [max(o.tick for o in play(net) if o.name == "TRANSFERRED") for net in (alone, shared)]
    assert longest[1] - longest[0] > 600


def test_a_signature_that_does_not_verify_is_told() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(), signed_for=[1])
    net.submit(meter, number)
    assert names(play(net))[-1] == "VERIFY_FAILED"
    assert net.jobs(number) == {"FAILED_VERIFY": 1}
    assert net.look(meter)["firmware"] == "RUNNING"


def test_a_meter_waits_for_its_supplier() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(activate_after_s=-1))
    net.submit(meter, number)
    play(net)
    assert net.look(meter)["firmware"] == "HELD"
    assert net.activate(meter, order=number + 5) == 2
    assert net.activate(meter, order=number) == 0
    assert names(play(net)) == ["ACTIVATED"]
    assert net.activate(meter) == 1


def test_an_older_image_is_left_at_the_hub_until_it_expires() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(version=OLD))
    net.submit(meter, number)
    seen = play(net)
    assert names(seen) == ["DELIVERED", "IGNORED", "EXPIRED", "TRANSFER_FAILED"]
    assert seen[-1].code == 1
    assert seen[-1].tick - seen[0].tick == 14 * 86_400
    assert net.jobs(number) == {"FAILED_HAN": 1}


def test_a_newer_image_takes_the_place_of_the_one_that_waits() -> None:
    net = network()
    _, meter = home(net, replace(METER, learns="never"))
    first, second = net.add_order(order()), net.add_order(order(version=NEWER))
    net.submit(meter, first)
    play(net, 1_000)
    assert net.submit(meter, first) == "the same image is there"
    assert net.submit(meter, second) == ""
    seen = play(net, 2_000)
    assert [(o.name, o.order, o.code) for o in seen] == [
        ("REPLACED", first, 0),
        ("TRANSFER_FAILED", first, 1),
        ("DELIVERED", second, 0),
    ]
    assert net.waiting(meter).what == "READY"
    assert net.look(meter)["order"] == second


def test_an_older_image_takes_it_only_by_force() -> None:
    net = network()
    _, meter = home(net, replace(METER, learns="never"))
    newer, older = net.add_order(order(version=NEWER)), net.add_order(order())
    forced = net.add_order(order(force_replace=True))
    net.submit(meter, newer)
    play(net, 1_000)
    net.submit(meter, older)
    assert [(o.name, o.code) for o in play(net, 2_000)] == [("NOT_DELIVERED", 6)]
    net.submit(meter, forced)
    assert names(play(net, 3_000)) == ["REPLACED", "TRANSFER_FAILED", "DELIVERED"]


@pytest.mark.parametrize(("policy", "expected"), [("reject", "NOT_DELIVERED"), ("defer", "PUT_OFF")])
def test_a_full_store_does_what_its_policy_says(policy: str, expected: str) -> None:
    net = network()
    _, first, second = home(net, replace(METER, learns="never"), METER, slots=1, policy_on_full=policy)
    number = net.add_order(order())
    net.submit(first, number)
    net.submit(second, number)
    assert expected in names(play(net, 1_000), second)


def test_a_full_store_gives_up_the_one_that_waits_longest() -> None:
    net = network()
    _, first, second = home(net, replace(METER, learns="never"), METER, slots=1, policy_on_full="evict")
    number = net.add_order(order())
    net.submit(first, number)
    play(net, 1_000)
    net.submit(second, number)
    seen = play(net, 5_000)
    assert names(seen, first) == ["EVICTED", "TRANSFER_FAILED"]
    assert names(seen, second)[0] == "DELIVERED"


def test_a_large_image_comes_in_parts() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(1_000 * KIB, part_bytes=400 * KIB))
    net.submit(meter, number)
    assert names(play(net)) == [
        *("DELIVERED", "QUERIED", "PART_TRANSFERRED") * 2,
        *("DELIVERED", "QUERIED", "TRANSFERRED", "VERIFIED", "COMMAND_SENT", "ACTIVATED"),
    ]
    other = network()
    _, meter = home(other, METER)
    other.submit(meter, other.add_order(order(1_000 * KIB)))
    assert [(o.name, o.code) for o in play(other)] == [("NOT_DELIVERED", 5)]


def test_a_device_that_takes_no_parts_fails_after_the_first() -> None:
    net = network()
    _, meter = home(net, replace(METER, takes_parts=False))
    number = net.add_order(order(1_000 * KIB, part_bytes=400 * KIB))
    net.submit(meter, number)
    seen = play(net)
    assert [(o.name, o.code) for o in seen] == [("DELIVERED", 0), ("QUERIED", 0), ("TRANSFER_FAILED", 3)]
    assert net.jobs(number) == {"FAILED_HAN": 1}
    whole = net.add_order(order(1_000, version=NEWER, part_bytes=400 * KIB))
    assert net.submit(meter, whole) == ""
    assert names(play(net))[-1] == "ACTIVATED", "an image of one part is not in parts"


def test_a_later_part_that_does_not_come_ends_in_a_report_of_the_hub() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(1_000 * KIB, part_bytes=400 * KIB))
    net.submit(meter, number)
    seen = play(net, 400)
    net.set_outage(0, 10 * DAY_S)
    seen += play(net)
    assert [(o.name, o.code) for o in seen if o.name != "SESSION_BROKEN"][-1] == ("TRANSFER_FAILED", 3)
    assert net.jobs(number) == {"FAILED_HAN": 1}


@pytest.mark.parametrize("kind", ["cellular", "radio"])
@pytest.mark.parametrize("resumes", [True, False])
def test_a_hub_keeps_what_came_before_its_power_went(kind: str, resumes: bool) -> None:
    taken = {}
    for cut in (False, True):
        radio = {"segment_loss_permille": 999, "broadcast_rounds": 1, "repair_rate_bit_s": 4_000}
        net = network({"kind": kind, "backoff_s": 60} | radio)
        hub, meter = home(net, METER, rate_bit_s=4_000, resume=resumes)
        net.submit(meter, net.add_order(order(100 * KIB)))
        begun = 0
        while net.look(meter)["phase"] not in ("SENDING", "REPAIRING"):
            begun = net.next_due() or 0
            net.advance(begun)
        net.advance(begun + 150)
        if cut:
            net.set_power(hub, False)
            net.set_power(hub, True)
        taken[cut] = next(o.tick for o in play(net) if o.name == "DELIVERED")
    longer = taken[True] - taken[False]
    # A minute of waiting; and where it lost them, the 150 s once more, on the radio after a round of the broadcast (205 s).
    assert abs(longer - 60 - (0 if resumes else 150 + (205 if kind == "radio" else 0))) <= 2, longer


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("state", ["CASTING", "REPAIR", "BACKOFF"])
def test_what_a_hub_has_of_a_broadcast_goes_with_its_power(state: str, resumes: bool) -> None:
    net = network({"kind": "radio", "channels": 1, "segment_loss_permille": 300, "broadcast_rounds": 1, "backoff_s": 60})
    homes = [home(net, METER, resume=resumes, slots=1) for _ in range(2)]
    number = net.add_order(order(100 * KIB))
    net.submit_span(0, 0, 2, number, listened=True)
    net.advance(100 if state == "CASTING" else 300)
    if state == "BACKOFF":
        net.set_outage(0, 500)
        net.advance(480)
    hub, meter = next(pair for pair in homes if net.waiting(pair[1]).what == state)
    held = net.look(meter)
    net.set_power(hub, False)
    check(net)
    after = net.look(meter)
    if resumes:
        assert (after["phase"], after["progress"], after["flags"]) == (held["phase"], held["progress"], held["flags"])
    else:
        assert (after["phase"], after["progress"], after["flags"] & RESERVED) == ("BACKOFF", 0, 0)
    net.set_power(hub, True)
    assert names(play(net), meter)[-1] == "ACTIVATED"
    assert net.counts(number)["ROUND_ENDED"] == (1 if resumes else 2)
    check(net)


@pytest.mark.parametrize(("at_hub", "at_device", "code"), [(True, True, 2), (False, True, 3), (False, False, 0)])
def test_hub_and_device_look_at_the_hardware_versions(at_hub: bool, at_device: bool, code: int) -> None:
    net = network()
    _, meter = home(net, replace(METER, hardware=7, check_hardware=at_device), check_hardware=at_hub)
    number = net.add_order(order(min_hardware=1, max_hardware=6))
    net.submit(meter, number)
    seen = play(net)
    if code:
        assert [(o.name, o.code) for o in seen][-1] == ("TRANSFER_FAILED", code)
        assert ("IGNORED" in names(seen)) is (code == 3)
        assert net.jobs(number) == {"FAILED_HAN": 1}
    else:
        assert names(seen)[-1] == "ACTIVATED"


@pytest.mark.parametrize(("lowest", "highest"), [(-1, -1), (7, 7), (1, 9), (7, -1)])
def test_hardware_that_fits_or_is_not_named_gets_the_image(lowest: int, highest: int) -> None:
    net = network()
    _, meter = home(net, replace(METER, hardware=7))
    net.submit(meter, net.add_order(order(min_hardware=lowest, max_hardware=highest)))
    assert names(play(net))[-1] == "ACTIVATED"


def test_a_lost_alert_leaves_the_supplier_in_the_dark() -> None:
    net = network()
    _, meter = home(net, METER)
    net.add_chance(Chance("alert_lost", device=meter, from_s=100))
    number = net.add_order(order())
    net.submit(meter, number)
    seen = play(net)
    assert [(o.name, o.lost) for o in seen if o.name == "VERIFIED"] == [("VERIFIED", True)]
    assert names(seen)[-1] == "SILENCE"
    assert net.jobs(number) == {"UNKNOWN": 1}
    assert net.look(meter)["firmware"] == "HELD"
    assert LOST == 256


def test_a_chance_that_is_limited_is_used_up() -> None:
    net = network()
    _, meter = home(net, METER)
    net.add_chance(Chance("activation_fails", first_n=1))
    net.submit(meter, net.add_order(order()))
    seen = play(net)
    assert [(o.name, o.code) for o in seen][-1] == ("ACTIVATION_FAILED", 3)
    assert net.activate(meter) == 0
    assert names(play(net)) == ["ACTIVATED"]


def test_what_was_put_off_goes_on_as_soon_as_there_is_room() -> None:
    net = network()
    _, first, second = home(net, METER, METER, slots=1, policy_on_full="defer")
    number = net.add_order(order())
    net.submit(first, number)
    net.submit(second, number)
    seen = play(net)
    freed = next(o.tick for o in seen if o.name == "TRANSFERRED" and o.device == first)
    put_off = [o.tick for o in seen if o.name == "PUT_OFF"]
    assert put_off == [0]
    assert next(o.tick for o in seen if o.name == "DELIVERED" and o.device == second) == freed + 41
