"""Random small networks and what is done to them, for the tests that hold runners to the same digest."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from emulator.fanout.network import Network
from emulator.fanout.specs import PoolSpec
from emulator.fanout.tables import CHANCES, KIB, Chance, DeviceProfile, HubProfile, Order, PoolProfile
from tests.fanout.homes import DISPLAY, GAS_METER, METER, NEW, NEWER, OLD

Act = tuple[Any, ...]


@dataclass(frozen=True)
class Play:
    """A network and what is done to it."""

    pools: tuple[PoolProfile, ...]
    hubs: tuple[tuple[int, HubProfile, tuple[DeviceProfile, ...]], ...]
    """Pool, variant, devices."""
    orders: tuple[tuple[Order, bool], ...]
    """And whether its signature verifies for party 1."""
    acts: tuple[Act, ...]


DEVICES = [
    METER,
    GAS_METER,
    DISPLAY,
    replace(METER, learns="poll", resume=False, fallback=False, verify_s=0),
    replace(METER, sub_ghz=True, block_loss_permille=300, block_retries=2, reports_transfer=False),
    replace(METER, alt_han=True, capacity_bytes=150 * KIB, hardware=7, manufacturer=9),
    replace(METER, hardware=3, check_hardware=False),
    replace(GAS_METER, sub_ghz=True, resume=False),
    replace(DISPLAY, supports_cs09=False, learns="never"),
]


def _pool(draw: Random) -> PoolProfile:
    return PoolProfile(
        kind=draw.choice(("cellular", "radio")),
        sessions=draw.randint(1, 3),
        channels=draw.randint(1, 2),
        cells=draw.randint(1, 2),
        window_from_s=draw.choice((0, 0, 0, 72_000)),
        window_to_s=draw.choice((86_400, 86_400, 86_400, 20_000)),
        background_permille=draw.choice((0, 0, 400)),
        broadcast_rounds=draw.randint(1, 3),
        segment_loss_permille=draw.choice((0, 50, 300)),
        session_error_permille=draw.choice((0, 100, 400)),
        unreachable_permille=draw.choice((0, 50, 200)),
        retries=draw.randint(0, 3),
        give_up_s=draw.choice((20_000, 400_000)),
        defer_s=1_000,
    )


def _hub(draw: Random) -> HubProfile:
    return HubProfile(
        rate_bit_s=draw.choice((4_000, 1_000_000)),
        dual_band=draw.random() < 0.7,
        store_bytes=draw.choice((200 * KIB, 1_500 * KIB, 1_500 * KIB)),
        slots=draw.randint(1, 3),
        max_image_bytes=draw.choice((150 * KIB, 750 * KIB, 750 * KIB)),
        policy_on_full=draw.choice(("reject", "defer", "evict")),
        resume=draw.random() < 0.6,
        expiry_s=draw.choice((40_000, 1_209_600)),
        distributes_to=draw.choice((-1, -1, -1, 3)),
        extender_homes=draw.choice((0, 2)),
        duty_blocks_per_h=draw.choice((0, 900, 3_000)),
        update_waits=draw.randint(0, 2),
        check_hardware=draw.random() < 0.5,
    )


def _order(draw: Random) -> tuple[Order, bool]:
    order = Order(
        draw.choice((10 * KIB, 100 * KIB, 100 * KIB, 300 * KIB)),
        draw.choice((OLD, NEW, NEW, NEWER, NEWER)),
        device_types=draw.choice((-1, -1, -1, 3)),
        manufacturer=draw.choice((-1, -1, -1, 8)),
        min_hardware=draw.choice((-1, -1, -1, 5)),
        max_hardware=draw.choice((-1, 9)),
        force_replace=draw.random() < 0.3,
        lane=draw.randint(0, 2),
        priority=draw.randint(0, 2),
        activate_after_s=draw.choice((-1, 0, 0, 5_000)),
        read_after_s=draw.choice((-1, 0)),
        from_version=draw.choice((-1, -1, -1, NEW)),
        part_bytes=draw.choice((0, 0, 60 * KIB)),
    )
    return order, draw.random() < 0.8


def _chance(draw: Random) -> Chance:
    return Chance(
        draw.choice(tuple(CHANCES)),
        draw.randint(1, 3),
        draw.choice((3, 4)),
        first_n=draw.choice((-1, 1)),
        hub=draw.choice((-1, -1, 0)),
        value=draw.choice((0, 100, 700)),
    )


def _act(draw: Random) -> Act:
    number, more, some = draw.randrange(64), draw.randrange(64), draw.random() < 0.5
    return draw.choice(
        [
            *[("submit", number, more, some)] * 6,
            *[("everybody", number, more)] * 3,
            *[("advance", draw.choice((1, 60, 700, 5_000, 90_000)))] * 10,
            ("cancel", number),
            ("stop", number, some),
            ("hold", number, some),
            *[("activate", number, draw.choice((0, 3_000)))] * 2,
            ("power", number, draw.random() < 0.7),
            ("hub power", number, draw.random() < 0.7),
            ("han", number, draw.random() < 0.7),
            ("capacity", number, draw.randint(0, 3)),
            ("outage", number, draw.choice((0, 2_000, 20_000)), some),
            ("update", number, draw.choice((60, 4_000))),
            *[("chance", _chance(draw))] * 3,
            ("no chance", number % 4),
            ("party", number, draw.randint(0, 3)),
            ("remove", number),
            ("add", number, more),
        ]
    )


def _play(seed: int) -> Play:
    draw = Random(seed)
    homes = [
        (draw.randrange(8), _hub(draw), tuple(draw.choice(DEVICES) for _ in range(draw.randint(1, 3))))
        for _ in range(draw.randint(1, 8))
    ]
    return Play(
        tuple(_pool(draw) for _ in range(draw.randint(1, 3))),
        tuple(homes),
        tuple(_order(draw) for _ in range(draw.randint(1, 4))),
        tuple(_act(draw) for _ in range(draw.randint(5, 60))),
    )


PLAYS = st.integers(0, 1 << 32).map(_play)
"""Plays in which much happens: drawn from a number, because what hypothesis builds of parts stays too near to nothing."""


class Stage:
    """A play on one network."""

    def __init__(self, play: Play, **how: Any) -> None:
        self.play = play
        self.net = Network.create(5, [PoolSpec(profile) for profile in play.pools], **how)
        self.hubs: list[int] = []
        self.devices: list[int] = []
        for number, hub, devices in play.hubs:
            self.add_hub(number % len(play.pools), hub, devices)
        self.orders = [self.net.add_order(order, None if good else [0]) for order, good in play.orders]
        self.chances: list[int] = []

    def add_hub(self, pool: int, profile: HubProfile, devices: tuple[DeviceProfile, ...]) -> None:
        """A further home."""
        hub = self.net.add_hub(pool, profile, len(self.hubs) % self.play.pools[pool].cells)
        self.hubs.append(hub)
        self.devices += [self.net.add_device(hub, device, len(self.devices) % 2, OLD) for device in devices]

    def do(self, act: Act, advance: Callable[[Network, int], None] = Network.advance) -> None:  # type: ignore[assignment]
        """Do one thing."""
        what, *numbers = act
        net = self.net
        if what == "advance":
            advance(net, net.now + numbers[0])
            return
        device = self.devices[numbers[0] % len(self.devices)] if self.devices and isinstance(numbers[0], int) else NONE_LEFT
        order = self.orders[numbers[1] % len(self.orders)] if len(numbers) > 1 and isinstance(numbers[1], int) else self.orders[0]
        number = numbers[0] if isinstance(numbers[0], int) else 0
        hub, pool = self.hubs[number % len(self.hubs)], number % len(net.pools)
        if what == "everybody":
            net.submit_span(pool, 0, net.pools[pool].hubs, order, listened=bool(numbers[1] % 2))
        elif what == "stop":
            net.stop_order(self.orders[number % len(self.orders)], numbers[1])
        elif what == "hold":
            net.hold_activation(self.orders[number % len(self.orders)], bool(numbers[1]))
        elif what == "hub power":
            net.set_power(hub, numbers[1])
        elif what == "capacity":
            net.set_capacity(pool, numbers[1])
        elif what == "outage":
            net.set_outage(pool, net.now + numbers[1], 0 if numbers[2] else -1)
        elif what == "update":
            net.hub_update(hub, net.now, numbers[1])
        elif what == "chance":
            self.chances.append(net.add_chance(numbers[0]))
        elif what == "no chance":
            net.remove_chance(number)
        elif what == "add":
            self.devices.append(net.add_device(hub, DEVICES[numbers[1] % len(DEVICES)], 0, OLD))
        elif device != NONE_LEFT:
            self.do_device(what, device, order, numbers)

    def do_device(self, what: str, device: int, order: int, numbers: list[Any]) -> None:
        """Do one thing to a device."""
        net = self.net
        if what == "submit":
            net.submit(device, order, numbers[2])
        elif what == "cancel":
            net.cancel(device)
        elif what == "activate":
            net.activate(device, net.now + numbers[1])
        elif what == "power":
            net.set_power(device, numbers[1])
        elif what == "han" and numbers[1]:
            net.rejoin(device)
        elif what == "han":
            net.leave_han(device)
        elif what == "party":
            net.set_party(device, numbers[1])
        elif what == "remove":
            self.devices.remove(device)
            net.remove_device(device)


NONE_LEFT = -1
