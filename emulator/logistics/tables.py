"""The facts of logistics, read from ``data/*.toml``: states and moves of units, what they are, what can be wrong with them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from emulator.domain.vocabulary import DeviceType


@dataclass(frozen=True, slots=True)
class State:
    """Where a unit can be."""

    number: int
    """As the columns have it."""
    name: str
    place: str
    meaning: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Move:
    """Something that may happen to a unit."""

    event: str
    come_from: frozenset[int]
    to: int
    meaning: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Variant:
    """What a unit can be."""

    number: int
    name: str
    device_type: DeviceType
    generation: str
    """SMETS1 or SMETS2."""
    band: str
    """Of a hub: ``single`` or ``dual``."""
    technology: str
    """Of a hub: how it is reached."""
    hub_variant: str
    """Of a hub: the row of the network's table."""
    local: str
    """The maker's own way to triage it: ``none``, ``optical``, ``han`` or ``proprietary``."""
    factory_reset: bool
    """Whether it can be made as new."""
    meaning: str
    source: str
    confidence: str

    @property
    def is_hub(self) -> bool:
        """Whether it is a Communications Hub."""
        return self.device_type is DeviceType.CHF

    @property
    def han_variant(self) -> str:
        """HANVariant of a hub as the inventory writes it."""
        return "Dual Band" if self.band == "dual" else "Single Band"


@dataclass(frozen=True, slots=True)
class Truth:
    """What can be the matter with a unit."""

    number: int
    name: str
    part: int
    """Its part of the units that are not free of faults, in a generated population."""
    device_types: frozenset[DeviceType]
    reason: str
    """The reason of 8.14.3 that is right; empty where there is none."""
    meaning: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Symptom:
    """How something wrong makes itself felt."""

    fault: str
    """Kind of fault."""
    percent: int
    """Of a hundred occasions, how many."""
    meaning: str
    source: str
    confidence: str


def _rows(name: str) -> list[dict[str, Any]]:
    document = tomllib.loads(resources.files("emulator.logistics").joinpath(f"data/{name}.toml").read_text("utf-8"))
    return [dict(zip(document["columns"], row, strict=True)) for row in document["rows"]]


@cache
def states() -> Mapping[str, State]:
    """Every state by name; numbers from 1, 0 is no unit."""
    return {
        row["state"]: State(number, row["state"], row["place"], row["meaning"], row["source"], row["confidence"])
        for number, row in enumerate(_rows("states"), 1)
    }


@cache
def state_names() -> tuple[str, ...]:
    """Names of states by number."""
    return ("", *states())


@cache
def moves() -> Mapping[str, Move]:
    """Every event by name."""
    return {
        row["event"]: Move(
            row["event"],
            frozenset(states()[each].number for each in row["from"].split()),
            states()[row["to"]].number,
            *(row[each] for each in ("meaning", "source", "confidence")),
        )
        for row in _rows("moves")
    }


@cache
def variants() -> Mapping[str, Variant]:
    """Every variant by name."""
    return {
        row["variant"]: Variant(
            number,
            row["variant"],
            DeviceType(row["type"]),
            *(row[each] for each in ("generation", "band", "technology", "hub_variant", "local", "factory_reset")),
            *(row[each] for each in ("meaning", "source", "confidence")),
        )
        for number, row in enumerate(_rows("variants"))
    }


@cache
def variant_list() -> tuple[Variant, ...]:
    """Variants by number."""
    return tuple(variants().values())


@cache
def truths() -> Mapping[str, Truth]:
    """Everything that can be the matter, by name; number 0 is nothing."""
    return {
        row["truth"]: Truth(
            number,
            row["truth"],
            row["part"],
            frozenset(map(DeviceType, row["types"].split())),
            *(row[each] for each in ("reason", "meaning", "source", "confidence")),
        )
        for number, row in enumerate(_rows("truths"))
    }


@cache
def truth_names() -> tuple[str, ...]:
    """Names of truths by number."""
    return tuple(truths())


@cache
def symptoms() -> Mapping[str, tuple[Symptom, ...]]:
    """What is felt, by its cause: a truth, or a defect of a version."""
    found: dict[str, tuple[Symptom, ...]] = {}
    for row in _rows("symptoms"):
        symptom = Symptom(*(row[each] for each in ("fault", "percent", "meaning", "source", "confidence")))
        found[row["cause"]] = (*found.get(row["cause"], ()), symptom)
    return found
