"""One behaviour: interpreted or compiled, whole or in slices, on one thread or two, restored in the middle: the same digest."""

import json

import pytest
from hypothesis import given, settings

from emulator.fanout.compiling import can_compile
from emulator.fanout.fields import DEVICE_WIDTH
from emulator.fanout.network import Network
from emulator.fanout.tables import DAY_S
from tests.fanout.homes import METER, home, names, network, order
from tests.fanout.homes import play as run
from tests.fanout.plays import PLAYS, Play, Stage
from tests.fanout.watching import check, watch


def sliced(net: Network, to: int) -> None:
    """Go on in small pieces."""
    while not net.advance(to, budget=3):
        pass


@given(PLAYS)
@settings(max_examples=40)
def test_what_kernels_do_is_in_the_tables_and_within_the_limits(play: Play) -> None:
    play_watched(play)


@pytest.mark.verify
@given(PLAYS)
@settings(max_examples=120)
def test_what_kernels_do_is_in_the_tables_in_more_plays(play: Play) -> None:
    play_watched(play)


def play_watched(play: Play) -> None:
    """Do what is done to the network, looking at everything that is stored, and give it time to end what it began."""
    stage = Stage(play)
    watch(stage.net)
    for act in play.acts:
        stage.do(act)
        watch(stage.net)
        check(stage.net)
    for each in range(len(stage.net.pools)):
        stage.net.set_outage(each, 0)
    for hub in stage.hubs:
        stage.net.set_power(hub, True)
    stage.net.advance(stage.net.now + 120 * DAY_S)
    check(stage.net)
    for device in stage.devices:
        waiting = stage.net.waiting(device)
        assert waiting.what in ("IDLE", "READY", "SERVING", "BACKOFF", "DEFERRED") or waiting.until is not None, waiting


@given(PLAYS)
def test_slices_and_restored_dumps_change_nothing(play: Play) -> None:
    whole, pieces = Stage(play), Stage(play, threads=2)
    for number, act in enumerate(play.acts):
        whole.do(act)
        pieces.do(act, sliced)
        assert whole.net.digest() == pieces.net.digest(), act
        assert whole.net.take_outcomes() == pieces.net.take_outcomes()
        if number % 3 == 0:
            pieces.net = Network.load(pieces.net.dump(), threads=2)
            assert whole.net.digest() == pieces.net.digest()


@pytest.mark.skipif(not can_compile(), reason="the extra scale is not installed")
@pytest.mark.timeout(900)
@given(PLAYS)
def test_compiled_and_interpreted_are_the_same(play: Play) -> None:
    plain, fast = Stage(play, compiled=False), Stage(play, compiled=True, threads=2)
    for number, act in enumerate(play.acts):
        plain.do(act)
        fast.do(act, sliced if number % 2 else Network.advance)  # type: ignore[arg-type]
        assert plain.net.digest() == fast.net.digest(), act
        assert plain.net.take_outcomes() == fast.net.take_outcomes()
        if number % 7 == 3:
            fast.net, plain.net = Network.load(plain.net.dump(), compiled=True), Network.load(fast.net.dump(), compiled=False)
    orders = range(len(play.orders))
    assert [plain.net.counts(order) for order in plain.orders[: len(orders)]] == [fast.net.counts(order) for order in fast.orders]


def test_a_dump_with_fewer_parameters_of_devices_still_loads() -> None:
    net = network()
    _, meter = home(net, METER)
    net.submit(meter, net.add_order(order()))
    octets = net.dump()
    size = int.from_bytes(octets[:8], "little")
    header = json.loads(octets[8 : 8 + size])
    for device in header["declared"]["devices"]:
        del device["takes_parts"]
    width = DEVICE_WIDTH - 1
    header["declared"]["shared"]["dps"] = header["declared"]["shared"]["dps"][:width]
    text = json.dumps(header).encode()
    older = Network.load(len(text).to_bytes(8, "little") + text + octets[8 + size :])
    assert older.digest() == net.digest()
    assert names(run(older)) == names(run(net))
