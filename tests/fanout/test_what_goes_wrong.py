"""Every kind of chance, in a home where it changes what is seen; power, restarts, and the hub's own firmware."""

from dataclasses import replace
from typing import Any

import pytest

from emulator.fanout.fields import PERCENT_SHIFT
from emulator.fanout.tables import CHANCES, DAY_S, KIB, Chance
from tests.fanout.homes import DISPLAY, METER, home, names, network, order, play

SEEN: dict[str, tuple[dict[str, Any], str]] = {
    "file_damaged": ({}, "NOT_DELIVERED"),
    "unreachable": ({}, "NOT_DELIVERED"),
    "session_error": ({}, "SESSION_BROKEN"),
    "segment_loss": ({"value": 1_000, "kind": "radio"}, "DELIVERED"),
    "store_full": ({}, "NOT_DELIVERED"),
    "hub_image_lost": ({}, "IMAGE_LOST"),
    "hub_store_lost": ({"update": True}, "IMAGE_LOST"),
    "power_cut_hub": ({"value": 700, "first_n": 1}, "SESSION_BROKEN"),
    "never_queries": ({}, "IGNORED"),
    "block_loss": ({"value": 999}, "TRANSFER_FAILED"),
    "drops_transfer": ({}, "TRANSFER_FAILED"),
    "wrong_offset": ({"first_n": 1}, "INTERRUPTED"),
    "power_cut_device": ({"value": 700, "first_n": 1}, "INTERRUPTED"),
    "invalid_image": ({}, "TRANSFER_FAILED"),
    "signature_bad": ({}, "VERIFY_FAILED"),
    "alert_lost": ({}, "UNREPORTED"),
    "command_lost": ({}, "UNANSWERED"),
    "response_lost": ({}, "RESPONSE_LOST"),
    "held_lost": ({}, "HELD_LOST"),
    "wrong_hash": ({}, "ACTIVATION_FAILED"),
    "activation_fails": ({}, "ACTIVATION_FAILED"),
    "activation_dies": ({}, "DIED"),
    "falls_off_after_download": ({}, "FELL_OFF"),
    "falls_off_after_activation": ({}, "FELL_OFF"),
    "falls_off_after_reboot": ({"update": True}, "FELL_OFF"),
    "supply_off": ({"value": 60}, "SUPPLY_OFF"),
    "stops_reporting": ({}, "STOPPED_REPORTING"),
    "rolls_back": ({"value": 60}, "ROLLED_BACK"),
    "self_check_fails": ({"value": 60}, "SELF_CHECK_FAILED"),
    "hub_update_fails": ({"update": True}, "HUB_ROLLED_BACK"),
    "hub_bricks": ({"update": True}, "HUB_BRICKED"),
}


def test_every_kind_is_here() -> None:
    assert set(SEEN) == set(CHANCES)


@pytest.mark.parametrize("kind", CHANCES)
def test_a_chance_that_is_certain_happens(kind: str) -> None:
    how, expected = SEEN[kind]
    net = network({"kind": how.get("kind", "cellular"), "segment_loss_permille": 0})
    hub, meter = home(net, METER)
    net.add_chance(Chance(kind, value=how.get("value", 0), first_n=how.get("first_n", -1)))
    net.submit(meter, net.add_order(order()))
    if how.get("update"):
        net.advance(30)
        net.hub_update(hub, 31, 60)
    assert expected in names(play(net, 7 * DAY_S))


@pytest.mark.parametrize("kind", [kind for kind in CHANCES if kind != "segment_loss"])
def test_what_is_for_another_device_happens_to_no_other(kind: str) -> None:
    net = network()
    _, meter = home(net, METER)
    other, _ = home(net, METER)
    net.add_chance(Chance(kind, value=SEEN[kind][0].get("value", 0), pool=0, hub=other >> 8 & 0xFFFF))
    net.add_chance(Chance(kind, from_s=40 * DAY_S))
    net.add_chance(Chance(kind, order=7))
    net.submit(meter, net.add_order(order()))
    assert names(play(net)) == ["DELIVERED", "QUERIED", "TRANSFERRED", "VERIFIED", "COMMAND_SENT", "ACTIVATED"]


def test_the_powerless_take_nothing_and_go_on_afterwards() -> None:
    for resume, longer in ((True, False), (False, True)):
        net = network()
        _, meter = home(net, replace(METER, resume=resume))
        net.submit(meter, net.add_order(order(300 * KIB)))
        net.advance(600)
        assert net.waiting(meter).what == "SERVING"
        left = (net.waiting(meter).until or 0) - 600
        net.set_power(meter, False)
        assert net.waiting(meter).what == "READY"
        net.advance(5_000)
        net.set_power(meter, True)
        seen = {o.name: o.tick for o in play(net)}
        took = seen["TRANSFERRED"] - seen["QUERIED"]
        assert (took > left + 60) is longer, (took, left)


def test_a_device_that_left_asks_when_it_is_back() -> None:
    net = network()
    _, meter = home(net, METER)
    net.leave_han(meter)
    net.submit(meter, net.add_order(order()))
    net.advance(50_000)
    assert net.waiting(meter).what == "READY"
    net.rejoin(meter)
    assert names(play(net))[-1] == "ACTIVATED"


def test_a_hub_updates_itself_after_the_transfer_and_restarts() -> None:
    net = network()
    hub, meter = home(net, METER)
    net.submit(meter, net.add_order(order(300 * KIB)))
    net.advance(400)
    net.hub_update(hub, 401, 3_600)
    seen = play(net)
    when = {o.name: o.tick for o in seen}
    assert when["TRANSFERRED"] < when["HUB_REBOOTED"]
    assert when["HUB_RUNNING_NEW"] - when["HUB_REBOOTED"] == 300
    assert {o.device for o in seen if o.name.startswith("HUB")} == {hub}


def test_nothing_is_offered_while_a_hub_updates_itself() -> None:
    net = network()
    hub, meter = home(net, METER)
    net.hub_update(hub, 0, 4_000)
    net.advance(2)
    net.submit(meter, net.add_order(order()))
    when = {o.name: o.tick for o in play(net)}
    assert when["DELIVERED"] < when["HUB_REBOOTED"] < when["HUB_RUNNING_NEW"] < when["QUERIED"]


def test_a_device_of_the_other_band_is_not_reached() -> None:
    for dual, last in ((False, "TRANSFER_FAILED"), (True, "ACTIVATED")):
        net = network()
        _, meter = home(net, replace(METER, sub_ghz=True), dual_band=dual)
        net.submit(meter, net.add_order(order()))
        assert names(play(net))[-1] == last


def test_the_duty_cycle_slows_and_is_told() -> None:
    net = network()
    _, meter = home(net, replace(METER, sub_ghz=True), dual_band=True, duty_blocks_per_h=500)
    net.submit(meter, net.add_order(order()))
    seen = play(net)
    when = {o.name: o.tick for o in seen}
    assert "DUTY_LIMITED" in names(seen)
    assert when["TRANSFERRED"] - when["QUERIED"] >= 2_048 * 3_600 // 500


def test_neighbours_share_an_extender() -> None:
    taken = []
    for homes in (1, 3):
        net = network()
        number = net.add_order(order(300 * KIB))
        for _ in range(homes):
            _, meter = home(net, replace(METER, alt_han=True), extender_homes=4)
            net.submit(meter, number)
        taken.append(max(o.tick for o in play(net) if o.name == "TRANSFERRED"))
    assert taken[1] > taken[0] * 1.5


def test_a_change_of_supplier_on_the_way_makes_the_signature_a_strangers() -> None:
    net = network()
    _, meter = home(net, METER)
    number = net.add_order(order(), signed_for=[0])
    net.submit(meter, number)
    net.advance(100)
    net.set_party(meter, 3)
    assert names(play(net))[-1] == "VERIFY_FAILED"


def test_a_ppmid_whose_activation_fails_says_so() -> None:
    net = network()
    _, display = home(net, DISPLAY)
    net.add_chance(Chance("activation_fails"))
    number = net.add_order(order())
    net.submit(display, number)
    assert names(play(net))[-2:] == ["ACTIVATION_FAILED", "CS09_FAILED"]
    assert net.jobs(number) == {"FAILED_ACTIVATE": 1}


def test_an_order_can_be_stopped_for_everybody() -> None:
    net = network({"sessions": 1})
    meters = [home(net, METER)[1] for _ in range(4)]
    number = net.add_order(order())
    for meter in meters:
        net.submit(meter, number)
    net.advance(45)
    assert net.stop_order(number) == 3
    assert net.jobs(number)["CANCELLED"] == 3
    assert {net.waiting(meter).what for meter in meters[1:]} == {"IDLE"}
    assert net.cancel(meters[0])
    assert not net.cancel(meters[0])
    play(net)
    assert net.remove_order(number)
    assert net.add_order(order()) == number
    assert net.counts(number) == {}


def test_a_device_that_is_gone_leaves_nothing() -> None:
    net = network()
    hub, meter = home(net, METER)
    net.submit(meter, net.add_order(order()))
    net.advance(100)
    net.remove_device(meter)
    net.remove_hub(hub)
    play(net)
    assert net.devices() == 0
    assert net.next_due() is None


@pytest.mark.parametrize("kind", ["power_cut_hub", "power_cut_device"])
def test_power_goes_at_a_percentage_of_the_transfer(kind: str) -> None:
    net = network({"segment_loss_permille": 0})
    _, meter = home(net, METER)
    net.add_chance(Chance(kind, value=700 | 60 << PERCENT_SHIFT, first_n=1))
    net.submit(meter, net.add_order(order()))
    seen = play(net, 7 * DAY_S)
    first, last = {each.name: each.tick for each in reversed(seen)}, {each.name: each.tick for each in seen}
    assert first["POWER_BACK"] - first["POWER_LOST"] == 700
    assert first["INTERRUPTED"] == first["POWER_LOST"]
    assert last["TRANSFERRED"] - last["QUERIED"] < first["POWER_LOST"] - first["QUERIED"]
