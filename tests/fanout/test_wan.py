"""Sessions, queues, windows and outages of a cellular pool; broadcasts and repair of the radio."""

from emulator.fanout.phases import NO_CHANNEL, REASONS, SESSIONS_BROKEN, UNREACHABLE
from emulator.fanout.radio_tables import complete_after, missing_after
from emulator.fanout.tables import DAY_S, KIB, Chance
from tests.fanout.homes import METER, NEW, home, names, network, order, play

IMAGE_S = -(-100 * KIB * 8 // 20_000)
ROUND_S = -(-100 * KIB * 8 // 4_000)


def ticks(outcomes: list, name: str) -> list[int]:  # type: ignore[type-arg]
    """When something happened."""
    return [outcome.tick for outcome in outcomes if outcome.name == name]


def test_sessions_are_no_more_than_there_are() -> None:
    net = network({"sessions": 2})
    homes = [home(net, METER) for _ in range(6)]
    number = net.add_order(order())
    for _, meter in homes:
        net.submit(meter, number)
    assert net.waiting(homes[0][1]).what == "SENDING"
    assert (net.waiting(homes[4][1]).what, net.waiting(homes[4][1]).ahead) == ("QUEUED", 2)
    assert ticks(play(net), "DELIVERED") == [IMAGE_S * n for n in (1, 1, 2, 2, 3, 3)]


def test_more_sessions_begin_at_once_and_fewer_end_nobodys() -> None:
    net = network({"sessions": 1})
    homes = [home(net, METER) for _ in range(5)]
    number = net.add_order(order())
    for _, meter in homes:
        net.submit(meter, number)
    net.advance(10)
    net.set_capacity(0, 3)
    assert [net.waiting(meter).what for _, meter in homes].count("SENDING") == 3
    net.set_capacity(0, 0)
    assert len(ticks(play(net, 4_000), "DELIVERED")) == 3
    net.set_capacity(0, 5)
    assert len(ticks(play(net), "DELIVERED")) == 2


def test_parties_share_and_the_urgent_go_first() -> None:
    net = network({"sessions": 1})
    many, few, urgent = (net.add_order(order(lane=lane, priority=priority)) for lane, priority in ((0, 1), (1, 1), (0, 0)))
    sent = [(home(net, METER)[1], number) for number in (many, many, many, many, few, few, urgent)]
    for meter, number in sent:
        net.submit(meter, number)
    done = [o.order for o in play(net) if o.name == "DELIVERED"]
    assert done == [many, urgent, few, many, few, many, many]


def test_what_finds_no_session_in_time_has_failed() -> None:
    net = network({"sessions": 0, "give_up_s": 1_000})
    _, meter = home(net, METER)
    number = net.add_order(order())
    net.submit(meter, number)
    (end,) = play(net)
    assert (end.tick, end.name, REASONS[end.code]) == (1_000, "NOT_DELIVERED", REASONS[NO_CHANNEL])
    assert net.jobs(number) == {"FAILED_CSP": 1}


def test_a_broken_session_goes_on_where_it_was() -> None:
    net = network()
    _, meter = home(net, METER)
    net.add_chance(Chance("session_error", first_n=2))
    net.submit(meter, net.add_order(order()))
    seen = play(net, 5_000)
    assert names(seen)[:2] == ["SESSION_BROKEN", "DELIVERED"]
    assert ticks(seen, "DELIVERED")[0] - ticks(seen, "SESSION_BROKEN")[0] == 900 + IMAGE_S - ticks(seen, "SESSION_BROKEN")[0]


def test_retries_are_used_up() -> None:
    net = network({"retries": 2})
    _, meter = home(net, METER)
    net.add_chance(Chance("session_error"))
    net.submit(meter, net.add_order(order()))
    seen = play(net)
    assert names(seen) == ["SESSION_BROKEN"] * 3 + ["NOT_DELIVERED"]
    assert seen[-1].code == SESSIONS_BROKEN


def test_a_hub_out_of_reach_is_given_up_at_the_end_of_the_window() -> None:
    net = network()
    hub, meter = home(net, METER)
    net.set_power(hub, False)
    net.submit(meter, net.add_order(order()))
    seen = play(net)
    assert names(seen) == ["NOT_DELIVERED"]
    assert 4 * DAY_S < seen[0].tick <= 5 * DAY_S
    other = network()
    _, meter = home(other, METER)
    other.add_chance(Chance("unreachable"))
    other.submit(meter, other.add_order(order()))
    assert [(o.name, o.code) for o in play(other)] == [("NOT_DELIVERED", UNREACHABLE)]


def test_transmissions_begin_within_their_hours() -> None:
    net = network({"window_from_s": 3_600, "window_to_s": 7_200}, day_s=43_200)
    _, meter = home(net, METER)
    net.submit(meter, net.add_order(order()))
    assert net.next_due() == 43_200 + 3_600
    assert ticks(play(net), "DELIVERED") == [43_200 + 3_600 + IMAGE_S]


def test_nothing_gets_through_an_outage() -> None:
    net = network()
    _, first = home(net, METER)
    _, second = home(net, METER)
    number = net.add_order(order())
    net.submit(first, number)
    net.advance(10)
    net.set_outage(0, 5_000)
    net.submit(second, number)
    seen = play(net, 10_000)
    assert names(seen, first)[0] == "SESSION_BROKEN"
    assert min(ticks(seen, "DELIVERED")) >= 5_000
    assert {o.device for o in seen if o.name == "DELIVERED"} == {first, second}


def test_an_outage_of_a_cell_is_none_of_the_others() -> None:
    net = network({"cells": 2})
    _, first = home(net, METER, cell=0)
    _, second = home(net, METER, cell=1)
    net.set_outage(0, 20_000, cell=1)
    number = net.add_order(order())
    net.submit(first, number)
    net.submit(second, number)
    seen = {o.device: o.tick for o in play(net, 60_000) if o.name == "DELIVERED"}
    assert seen[first] == IMAGE_S
    assert seen[second] > 20_000


def test_a_broadcast_serves_a_whole_cell() -> None:
    net = network({"kind": "radio", "segment_loss_permille": 0})
    meters = [home(net, METER)[1] for _ in range(20)]
    number = net.add_order(order())
    assert net.submit_span(0, 0, 20, number, listened=True) == len(meters)
    assert ticks(play(net, 3_000), "DELIVERED") == [ROUND_S] * 20
    assert net.counts(number)["CAST_STARTED"] == 1


def test_what_a_broadcast_left_out_is_repaired_one_by_one() -> None:
    net = network({"kind": "radio", "segment_loss_permille": 200, "broadcast_rounds": 2})
    meters = [home(net, METER)[1] for _ in range(10)]
    number = net.add_order(order())
    net.submit_span(0, 0, 10, number, listened=True)
    net.advance(2 * ROUND_S)
    states = [net.waiting(meter).what for meter in meters]
    assert states.count("REPAIRING") == 2
    assert states.count("REPAIR") == 8
    delivered = ticks(play(net), "DELIVERED")
    assert len(delivered) == 10
    assert len(set(delivered)) > 3


def test_a_late_hub_takes_part_from_the_next_round() -> None:
    net = network({"kind": "radio", "segment_loss_permille": 1, "broadcast_rounds": 3, "unreachable_permille": 0})
    _, early = home(net, METER)
    _, late = home(net, METER)
    net.add_chance(Chance("segment_loss", value=1_000))
    number = net.add_order(order())
    net.submit(early, number)
    net.advance(10)
    net.submit(late, number)
    net.advance(ROUND_S * 3)
    assert net.waiting(early).what in ("REPAIR", "REPAIRING")
    assert net.waiting(late).what == "CASTING"
    net.advance(ROUND_S * 4)
    assert net.waiting(late).what in ("REPAIR", "REPAIRING")


def test_a_cell_sends_as_many_images_as_it_has_channels() -> None:
    net = network({"kind": "radio", "channels": 1, "segment_loss_permille": 0})
    first, second = net.add_order(order(lane=0)), net.add_order(order(lane=1, version=NEW + 1))
    for number in (first, second):
        net.submit(home(net, METER)[1], number)
    seen = [(o.order, o.tick) for o in play(net, 5_000) if o.name == "DELIVERED"]
    assert seen == [(first, ROUND_S), (second, 2 * ROUND_S)]


def test_the_tables_of_the_radio_follow_the_formula() -> None:
    for segments, loss in ((500, 50), (3_072, 50), (512, 200)):
        for rounds, found in enumerate(complete_after(segments, loss), 1):
            assert abs(found / 2**32 - (1 - (loss / 1_000) ** rounds) ** segments) < 1e-6
    few, many = missing_after(500, 50, 3), missing_after(3_072, 200, 1)
    assert few == sorted(few)
    assert few[0] == 1
    assert abs(sum(many) / 16 - 614) < 5
    assert missing_after(100, 0, 1) == [1] * 16
    assert missing_after(100, 1_000, 2) == [100] * 16
