"""Estates that a rule makes: the same interpreted and compiled, exact counts, and memory."""

import pytest

from emulator.domain.errors import Malformed
from emulator.fanout.compiling import can_compile
from emulator.fanout.kernels.draws import below, draw32
from emulator.fanout.network import Network
from emulator.fanout.specs import PoolSpec, Rule
from emulator.fanout.tables import DAY_S, KIB, Chance, HubProfile, Order, PoolProfile
from tests.fanout.homes import DISPLAY, ESME, GAS_METER, GSME, METER, NEW, OLD

needs_scale = pytest.mark.skipif(not can_compile(), reason="the extra scale is not installed")


def estate(hubs: int, **how: object) -> Network:
    """A cellular and a radio pool."""
    tight = HubProfile(store_bytes=512 * KIB, policy_on_full="defer")
    rule = Rule(
        ((HubProfile(), 9), (tight, 1)), (((METER, 1),), ((GAS_METER, 3), (DISPLAY, 1), (None, 1))), ((0, 2), (1, 1)), OLD
    )
    cellular = PoolProfile(sessions=max(1, hubs // 300))
    radio = PoolProfile(kind="radio", cells=max(1, hubs // 2_000))
    return Network.create(
        9,
        [PoolSpec(cellular, "cellular", hubs, rule, 0), PoolSpec(radio, "radio", hubs // 2, rule, hubs)],
        **how,  # type: ignore[arg-type]
    )


def campaign(net: Network) -> tuple[int, int]:
    """An image for the meters of each fuel, to completion; return the orders."""
    net.add_chance(Chance("activation_fails", 1, 500))
    net.add_chance(Chance("falls_off_after_download", 1, 1_000))
    electricity = net.add_order(Order(450 * KIB, NEW, 1 << ESME, activate_after_s=3_600, read_after_s=60), signed_for=[0])
    gas = net.add_order(Order(300 * KIB, NEW, 1 << GSME, activate_after_s=3_600, read_after_s=60, lane=1))
    for order in (electricity, gas):
        for number, pool in enumerate(net.pools):
            net.submit_span(number, 0, pool.hubs, order)
    net.advance(40 * DAY_S)
    assert net.next_due() is None
    return electricity, gas


def test_counts_are_exact_and_add_up() -> None:
    net = estate(300)
    electricity, gas = campaign(net)
    for order in (electricity, gas):
        counts, jobs = net.counts(order), net.jobs(order)
        assert counts["SUBMITTED"] == sum(jobs.values()) == counts["DELIVERED"] + counts.get("NOT_DELIVERED", 0)
        assert counts["DELIVERED"] == counts["TRANSFERRED"] + counts.get("TRANSFER_FAILED", 0)
        assert counts["TRANSFERRED"] == counts["VERIFIED"] + counts.get("VERIFY_FAILED", 0)
    assert net.jobs(electricity)["FAILED_VERIFY"] > 80
    assert sum(sum(net.series(pool, "DELIVERED")) for pool in (0, 1)) == sum(
        net.counts(o)["DELIVERED"] for o in (electricity, gas)
    )
    device = next(iter(net.device_ids(0)))
    assert net.look(device)["running"] in (OLD, NEW)


@needs_scale
@pytest.mark.timeout(900)
@pytest.mark.parametrize("threads", [1, 2])
def test_two_thousand_homes_are_the_same_in_both_runners(threads: int) -> None:
    plain, fast = estate(1_400, compiled=False), estate(1_400, compiled=True, threads=threads)
    for net in (plain, fast):
        campaign(net)
    assert plain.digest() == fast.digest()
    assert fast.bytes_per_device() <= 32 / 0.8


@needs_scale
@pytest.mark.verify
@pytest.mark.timeout(900)
def test_the_large_wheel_is_the_same_in_both_runners() -> None:
    plain, fast = estate(8_200, compiled=False), estate(8_200, compiled=True, threads=2)
    for net in (plain, fast):
        campaign(net)
    assert plain.digest() == fast.digest()
    assert Network.load(fast.dump(), compiled=True).digest() == fast.digest()


def test_a_home_does_not_depend_on_its_pool() -> None:
    rule = Rule(((HubProfile(), 1), (HubProfile(slots=3), 1)), (((METER, 1), (GAS_METER, 1)), ((DISPLAY, 1), (None, 1))))
    whole = Network.create(3, [PoolSpec(PoolProfile(), "", 20, rule, 0)])
    halves = Network.create(3, [PoolSpec(PoolProfile(), "", 10, rule, first) for first in (0, 10)])
    profiles = [list(pool.memory.columns["profile"]) for net in (whole, halves) for pool in net.pools]  # type: ignore[call-overload]
    assert profiles[0] == profiles[1] + profiles[2]


def test_draws_are_even() -> None:
    found = [0] * 16
    for who in range(4_000):
        for purpose in (0, 5):
            found[below(draw32(7, who << 8, 3, purpose), 16)] += 1
    assert max(found) - min(found) < 150
    assert len({draw32(7, 1, when, 0) for when in range(1_000)}) == 1_000


def test_what_is_not_right_is_refused_in_words() -> None:
    net = estate(10)
    with pytest.raises(Malformed, match="no chance 'rain'"):
        net.add_chance(Chance("rain"))
    with pytest.raises(Malformed, match="no probability"):
        net.add_chance(Chance("alert_lost", 3, 2))
    with pytest.raises(Malformed, match="not right"):
        net.add_order(Order(0, 1))
    with pytest.raises(Malformed, match="not a choice"):
        Network.create(1, [PoolSpec(PoolProfile(kind="pigeon"))])
    with pytest.raises(Malformed):
        Network.load(b"nothing")
