"""A generated estate at work: its network, who is meant by a group, and what can be seen of one device."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.campaigns.plan import Document, Group
from emulator.campaigns.population import Device, Kind, PoolRule, Population, population
from emulator.campaigns.reading import Plan
from emulator.campaigns.waves import Shuffle
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.domain.vocabulary import DeviceType
from emulator.fanout.network import Network
from emulator.fanout.specs import PoolSpec, Rule
from emulator.fanout.tables import DeviceProfile, HubProfile, Order, PoolProfile
from emulator.scenarios.names import suggest
from emulator.simulation.durations import format_duration

Index = npt.NDArray[np.int32]
"""Devices that an image is for, by their place among all of them: pool by pool, hub by hub."""

TYPE_NUMBERS = {kind.value: number for number, kind in enumerate(DeviceType)}
SILENCE_S = 25 * 3_600
"""How long the DSP waits for what a device has to report (``receipt_silence_ms`` of its settings)."""
PICKED_ONE_BY_ONE = 20_000
"""Devices of a wave up to which they are picked from all over the group; larger waves take those that are left in order."""


def network_of(estate: Population, *, channels: int | None, sessions: int | None, threads: int, day_s: int) -> Network:
    """The estate's network, with other capacities where given."""
    specs = [
        PoolSpec(
            profile=_pool_profile(pool, channels, sessions),
            name=pool.region,
            hubs=pool.hubs,
            rule=Rule(
                hubs=tuple((_hub_profile(estate, number), share) for number, share in _weights(pool.variants)),
                places=tuple(
                    tuple((None if kind < 0 else device_profile(estate.kinds[kind]), share) for kind, share in _weights(place))
                    for place in pool.places
                ),
                parties=tuple(enumerate(estate.suppliers.shares)),
                version=int(estate.fitted_version, 16),
            ),
            first_hub=pool.first,
        )
        for pool in estate.pools
    ]
    return Network.create(estate.seed, specs, threads=threads, day_s=day_s)


def _weights(shares: Any) -> Iterator[tuple[int, int]]:
    return zip(shares.choices, shares.shares, strict=True)


def _pool_profile(pool: PoolRule, channels: int | None, sessions: int | None) -> PoolProfile:
    values = dict(pool.settings)
    if pool.cells:
        values |= {"cells": pool.cells, **({} if channels is None else {"channels": channels})}
    else:
        values |= {"sessions": pool.sessions if sessions is None else sessions}
    return PoolProfile(**values)


def _hub_profile(estate: Population, number: int) -> HubProfile:
    variant = estate.variants[number]
    return HubProfile(name=variant.name, **variant.settings)


def device_profile(kind: Kind) -> DeviceProfile:
    """A kind of device as the network has it."""
    model = kind.model
    values = {"silence_s": SILENCE_S, **model.settings}
    return DeviceProfile(
        name=f"{model.type} {model.manufacturer} {model.model}",
        device_type=TYPE_NUMBERS[model.type],
        model=int(model.model, 16),
        manufacturer=int(model.manufacturer, 16),
        sub_ghz=kind.sub_ghz,
        alt_han=kind.alt_han,
        **values,
    )


@dataclass(slots=True)
class Applicable:
    """The devices of an estate that an image is for. A type has one place at a hub, so that a hub has at most one of them."""

    estate: Population
    place: int
    hubs: list[Index]
    """For each pool the hubs, counted within the pool, in order."""
    offsets: list[int]
    """Where each pool begins among all of them; one more than there are pools."""

    @classmethod
    def of(cls, estate: Population, document: Document, where: str) -> "Applicable":
        """Look through all hubs; raise :class:`Malformed` where nobody has such a device."""
        image = document.image
        if bool(image.manufacturer) != bool(image.model):
            detail = "a generated estate is asked for a product by both, or for all of a type by neither"
            raise Malformed(detail, where=where, expected="manufacturer and model, or none of them")
        wanted = [
            number
            for number, kind in enumerate(estate.kinds)
            if kind.model.type == image.type
            and image.manufacturer in ("", kind.model.manufacturer)
            and image.model in ("", kind.model.model)
        ]
        if not wanted:
            models = sorted({f"{kind.model.type} {kind.model.manufacturer} {kind.model.model}" for kind in estate.kinds})
            text = " ".join(filter(None, (image.type, image.manufacturer, image.model)))
            raise Malformed(f"{estate.name} has no {text}", where=where, expected=suggest(text, models))
        place = next(number for number, shares in enumerate(estate.pools[0].places) if set(shares.choices) & set(wanted))
        hubs = [_matching(estate, pool, place, wanted) for pool in estate.pools]
        return cls(estate, place, hubs, [0, *np.cumsum([len(each) for each in hubs]).tolist()])

    @property
    def count(self) -> int:
        """How many."""
        return self.offsets[-1]

    def device_id(self, index: int) -> int:
        """The network's id of one of them."""
        pool = self.pool_of(index)
        hub = int(self.hubs[pool][index - self.offsets[pool]])
        return pool << 40 | hub << 8 | self.place

    def pool_of(self, index: int) -> int:
        """The pool of one of them."""
        return int(np.searchsorted(self.offsets, index, side="right")) - 1

    def index_of(self, device: Device) -> int:
        """The place of a device among them, -1 when it is none of them."""
        if device.place != self.place:
            return -1
        hub = device.hub - self.estate.pools[device.pool].first
        found = int(np.searchsorted(self.hubs[device.pool], hub))
        if found == len(self.hubs[device.pool]) or self.hubs[device.pool][found] != hub:
            return -1
        return self.offsets[device.pool] + found

    def spans(self, chosen: Index) -> Iterator[tuple[int, int, int, int]]:
        """The chosen, in order, as spans of hubs that hold no other: pool, first hub, end, how many."""
        breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
        bounds = np.union1d(np.concatenate(([0], breaks, [len(chosen)])), np.searchsorted(chosen, self.offsets)).tolist()
        for begin, end in pairwise(bounds):
            if begin < end:
                pool = self.pool_of(int(chosen[begin]))
                hubs, offset = self.hubs[pool], self.offsets[pool]
                first, last = int(hubs[chosen[begin] - offset]), int(hubs[chosen[end - 1] - offset])
                yield pool, first, last + 1, end - begin


def _matching(estate: Population, pool: PoolRule, place: int, wanted: Sequence[int]) -> Index:
    """Hubs of a pool, some at a time so that the memory needed stays small."""
    step = 1 << 20
    found: list[Index] = []
    for first in range(0, pool.hubs, step):
        hubs = np.arange(first, min(first + step, pool.hubs), dtype=np.int64)
        kinds = estate.kind_of(pool, hubs + pool.first, place)
        found.append(hubs[np.isin(kinds, wanted)].astype(np.int32))
    return np.concatenate(found)


@dataclass(slots=True)
class Members:
    """The devices of a group, and which of them have had their turn."""

    index: Index
    order: Shuffle
    taken: npt.NDArray[np.bool_]
    cursor: int = 0

    def next(self, count: int) -> Index:
        """So many that have not had their turn, in order; few of them come from all over the group."""
        if count <= PICKED_ONE_BY_ONE:
            picked: list[int] = []
            while len(picked) < count:
                place = self.order[self.cursor]
                self.cursor += 1
                if not self.taken[place]:
                    picked.append(place)
            places = np.array(sorted(picked), np.int64)
        else:
            places = np.flatnonzero(~self.taken)[:count]
        self.taken[places] = True
        return self.index[places]


def members_of(plan: Plan, applicable: Applicable) -> list[Members]:
    """The devices of each group, each device in the first group that it fits."""
    document, file = plan.document, plan.path.name
    free = np.ones(applicable.count, np.bool_)
    found = []
    for number, group in enumerate(document.groups or [Group(name="all")], 1):
        chosen = _of_group(group, applicable, f"{file}: groups.{number}")
        index = chosen[free[chosen]][: group.limit]
        if not len(index):
            remedy = f"a group of {document.image.type}s that {applicable.estate.name} has"
            raise Malformed("no device is in it", where=f"{file}: groups.{number}", expected=remedy)
        free[index] = False
        order = Shuffle.of(len(index), document.campaign.seed, number - 1)
        found.append(Members(index, order, np.zeros(len(index), np.bool_)))
    return found


def _of_group(group: Group, applicable: Applicable, where: str) -> Index:
    estate = applicable.estate
    if group.homes:
        raise Malformed("a generated estate has no names of homes", where=f"{where}.homes", expected="regions or technologies")
    if group.payment:
        raise Malformed("a generated estate has no accounts", where=f"{where}.payment", expected="regions or technologies")
    if group.versions and estate.fitted_version not in group.versions:
        return np.empty(0, np.int32)
    if group.devices:
        return np.array(sorted(_named(group.devices, applicable, f"{where}.devices")), np.int32)
    parts = [
        np.arange(applicable.offsets[number], applicable.offsets[number + 1], dtype=np.int32)
        for number, pool in enumerate(estate.pools)
        if pool.region in (group.regions or (pool.region,)) and pool.technology in (group.technologies or (pool.technology,))
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _named(texts: Iterable[str], applicable: Applicable, where: str) -> set[int]:
    found = set()
    for text in texts:
        try:
            index = applicable.index_of(applicable.estate.find(parse_eui(text)))
        except Malformed as error:
            raise Malformed(error.detail, where=where, expected=error.expected) from None
        if index < 0:
            raise Malformed(f"{text} is not a device that the image is for", where=where, expected="another device")
        found.add(index)
    return found


def describe(estate: Population, network: Network, eui: int) -> dict[str, Any]:
    """One device in the middle of a run: what it is, how it stands, what it waits for."""
    device = estate.find(eui)
    number = device.pool << 40 | (device.hub - estate.pools[device.pool].first) << 8 | device.place
    seen, waits = network.look(number), network.waiting(number)
    left = None if waits.until is None else max(0, waits.until - network.now)
    return {
        **device.as_json(),
        "running_version": f"{seen['running']:08X}",
        "phase": seen["phase"],
        "firmware": seen["firmware"],
        "job": seen["job"],
        "waiting_for": None
        if waits.what == "IDLE"
        else {
            "what": waits.what.lower(),
            "until_s": waits.until,
            "at_most": None if left is None else format_duration(left * 1_000),
            "ahead": waits.ahead,
        },
    }


def opened(plan: Plan, threads: int, start_ms: int) -> tuple[Population, Network]:
    """The estate of a plan and its network."""
    document = plan.document
    wanted = document.population
    assert wanted is not None
    where = f"{plan.path.name}: population.name"
    estate = population(wanted.name, document.campaign.seed, hubs=wanted.hubs, where=where)
    day_s = start_ms // 1_000 % 86_400
    network = network_of(estate, channels=wanted.channels, sessions=wanted.sessions, threads=threads, day_s=day_s)
    return estate, network


def order_of(document: Document, *, version: str, size_bytes: int, activate_after_s: int, read_after_s: int) -> Order:
    """The order by which a wave's image, or a rollback's, moves."""
    image = document.image
    return Order(
        size_bytes=size_bytes,
        version=int(version, 16),
        device_types=1 << TYPE_NUMBERS[image.type],
        model=int(image.model, 16) if image.model else -1,
        manufacturer=int(image.manufacturer, 16) if image.manufacturer else -1,
        priority=("urgent", "normal", "background").index(document.campaign.priority),
        activate_after_s=activate_after_s,
        read_after_s=read_after_s,
    )
