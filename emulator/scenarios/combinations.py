"""Homes for combinations: every device model with every hub variant and hub version, in full or pairwise.

Pairwise means that every two values of different kinds are in one home together: a model with a variant, a model with a version,
a variant with a version. Which homes those are follows from the order of the file alone.
"""

import copy
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from emulator.domain.vocabulary import DeviceType

Table = dict[str, Any]
Choice = tuple[int, ...]
Names = Annotated[dict[str, Table], Field(min_length=1, max_length=40)]


class Combinations(BaseModel):
    """Homes for every combination of a device model, a hub variant and a hub version."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    home: str
    """Name of the home that each is made from; they are called `HOME-MODEL-HUB-N`, where N is the number of the version."""
    type: DeviceType
    """Type of the device whose models are combined; beside it a home has its hub and what `types` names."""
    types: list[DeviceType] = []
    """Further types of devices that each home has."""
    models: Names
    """Fields of the device, by a name for the model."""
    hubs: Names
    """Fields of the home such as `hub_variant` and `wan_technology`, by a name for the variant."""
    versions: Annotated[list[str], Field(min_length=1, max_length=9)]
    """Firmware versions of the hub."""
    mode: Literal["pairwise", "full"] = "pairwise"
    """Which combinations there are."""


def chosen(sizes: Sequence[int], mode: str) -> Iterator[Choice]:
    """The combinations of so many values of each kind: all, or the fewest that a greedy choice finds for all pairs."""
    every = list(product(*(range(size) for size in sizes)))
    if mode == "full":
        yield from every
        return
    left = {pair for choice in every for pair in _pairs(choice)}
    while left:
        best = max(every, key=lambda choice: sum(pair in left for pair in _pairs(choice)))
        left.difference_update(_pairs(best))
        every.remove(best)
        yield best


def _pairs(choice: Choice) -> list[tuple[int, int, int, int]]:
    return [(one, choice[one], two, choice[two]) for one, two in combinations(range(len(choice)), 2)]


def homes(wanted: Combinations, made: Sequence[Table]) -> None:
    """Turn copies of a home, one for each combination, into those."""
    models, hubs = list(wanted.models.items()), list(wanted.hubs.items())
    sizes = (len(models), len(hubs), len(wanted.versions))
    for home, (model, hub, version) in zip(made, chosen(sizes, wanted.mode), strict=True):
        home["name"] = f"{wanted.home}-{models[model][0]}-{hubs[hub][0]}-{version + 1}"
        home.update(copy.deepcopy(hubs[hub][1]))
        for device in home["devices"]:
            if device["type"] == wanted.type:
                device.update(copy.deepcopy(models[model][1]))
            elif device["type"] in (DeviceType.CHF, DeviceType.GPF):
                device["firmware_version"] = wanted.versions[version]


def count(wanted: Combinations) -> int:
    """How many homes there are."""
    return sum(1 for _ in chosen((len(wanted.models), len(wanted.hubs), len(wanted.versions)), wanted.mode))
