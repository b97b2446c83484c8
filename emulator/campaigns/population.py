"""Generated estates: hubs and devices that follow from a rule and a seed, and are not stored.

A hub has a number, counted over all pools of its estate; a device has its hub and a place at it. Variant, model, supplier and
MPxN of any of them are the draws by which the fan-out core makes its rows, so that one device can be looked at without the
others, and the devices of a pool are computed at once. EUIs are the numbers under a prefix; keys follow from them as everywhere
(:mod:`emulator.pki`).
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.fanout.kernels.draws import draw32
from emulator.fanout.phases import FOR_HUB, FOR_PARTY, FOR_PLACE
from emulator.scenarios.names import suggest

Numbers = npt.NDArray[np.int64]

PREFIX = 0x02DCC0 << 40
"""First three octets of every EUI of a generated estate; locally administered, so that none is anybody's."""
HUB_PLACE = 0xFF
"""Last octet of a hub's EUI; a device has its place there, from 0 on."""
THOUSAND = 1_000


@dataclass(frozen=True, slots=True)
class Shares:
    """Choices and their shares; who gets what follows from a draw of 32 bits."""

    choices: tuple[Any, ...]
    shares: tuple[int, ...]

    @classmethod
    def of(cls, shares: Mapping[Any, int]) -> "Shares":
        """From a table; what has no share is left out."""
        kept = {name: share for name, share in shares.items() if share}
        return cls(tuple(kept), tuple(kept.values()))

    @property
    def bounds(self) -> tuple[int, ...]:
        """The draws below which each choice is made."""
        whole, total, found = sum(self.shares), 0, []
        for share in self.shares:
            total += share
            found.append((total << 32) // whole)
        return tuple(found)

    def chosen(self, drawn: Any) -> Any:
        """Positions in :attr:`choices` for one draw, or for each of an array."""
        return np.searchsorted(self.bounds[:-1], drawn, side="right")


@dataclass(frozen=True, slots=True)
class Model:
    """A model of device as the firmware list would have it."""

    type: str
    manufacturer: str
    model: str
    image_bytes: int
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A model as it is fitted: on which band, behind an extender or not."""

    model: Model
    sub_ghz: bool
    alt_han: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of hub."""

    name: str
    technology: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PoolRule:
    """Hubs that share capacity: a region, or a part of one."""

    region: str
    technology: str
    first: int
    """Number of its first hub."""
    hubs: int
    cells: int
    """0 where there are none."""
    sessions: int
    variants: Shares
    """Positions in the population's variants."""
    places: tuple[Shares, ...]
    """For each place at a hub, positions in the population's kinds; -1 is nothing."""
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Device:
    """One device looked at."""

    hub: int
    place: int
    eui: Eui64
    hub_eui: Eui64
    pool: int
    region: str
    technology: str
    variant: str
    kind: Kind
    supplier: str
    mpxn: str

    def as_json(self) -> dict[str, Any]:
        """What it is, in the words of the interface."""
        model = self.kind.model
        return {
            "device": format_eui(self.eui),
            "hub": format_eui(self.hub_eui),
            "region": self.region,
            "technology": self.technology,
            "hub_variant": self.variant,
            "type": model.type,
            "manufacturer": model.manufacturer,
            "model": model.model,
            "sub_ghz": self.kind.sub_ghz,
            "alt_han": self.kind.alt_han,
            "supplier": self.supplier,
            "mpxn": self.mpxn or None,
        }


@dataclass(frozen=True, slots=True)
class Population:
    """One generated estate."""

    name: str
    seed: int
    pools: tuple[PoolRule, ...]
    kinds: tuple[Kind, ...]
    """Every kind of device that there can be."""
    variants: tuple[Variant, ...]
    suppliers: Shares
    fitted_version: str
    """What every device runs before anything is sent."""

    @property
    def hubs(self) -> int:
        """How many."""
        return sum(pool.hubs for pool in self.pools)

    @property
    def places(self) -> int:
        """Places for devices at a hub."""
        return len(self.pools[0].places)

    # Rules: for one hub, or an array of them

    def variant_of(self, pool: PoolRule, hub: Any) -> Any:
        """Positions in :attr:`variants`."""
        return np.array(pool.variants.choices)[pool.variants.chosen(self._drawn(hub, 0, FOR_HUB))]

    def kind_of(self, pool: PoolRule, hub: Any, place: int) -> Any:
        """Positions in :attr:`kinds`, -1 where nothing is at this place."""
        return np.array(pool.places[place].choices)[pool.places[place].chosen(self._drawn(hub, place, FOR_PLACE))]

    def supplier_of(self, hub: Any) -> Any:
        """Positions in :attr:`suppliers`."""
        return self.suppliers.chosen(self._drawn(hub, 0, FOR_PARTY))

    def _drawn(self, hub: Any, place: int, purpose: int) -> Any:
        return draw32(self.seed, hub * 256 + place, 0, purpose)

    # One device

    def device(self, hub: int, place: int) -> Device:
        """What the rule says of one device; raise :class:`Malformed` where there is none."""
        number = next((n for n, pool in enumerate(self.pools) if pool.first <= hub < pool.first + pool.hubs), -1)
        kind = -1 if number < 0 or not 0 <= place < self.places else int(self.kind_of(self.pools[number], hub, place))
        if kind < 0:
            remedy = f"a hub below {self.hubs} and a place below {self.places}"
            raise Malformed(f"there is no device at place {place} of hub {hub}", where=self.name, expected=remedy)
        pool, fitted = self.pools[number], self.kinds[kind]
        variant = self.variants[int(self.variant_of(pool, hub))]
        return Device(
            hub=hub,
            place=place,
            eui=eui_of(hub, place),
            hub_eui=eui_of(hub, HUB_PLACE),
            pool=number,
            region=pool.region,
            technology=variant.technology,
            variant=variant.name,
            kind=fitted,
            supplier=self.suppliers.choices[int(self.supplier_of(hub))],
            mpxn=_mpxn(fitted.model.type, hub),
        )

    def find(self, eui: int) -> Device:
        """The device with an EUI; raise :class:`Malformed` where there is none."""
        if eui >> 40 << 40 != PREFIX:
            detail = f"{format_eui(Eui64(eui))} is not of a generated estate"
            raise Malformed(detail, where=self.name, expected=f"one from {format_eui(eui_of(0, 0))} on")
        return self.device(eui >> 8 & 0xFFFFFFFF, eui & 0xFF)


def eui_of(hub: int, place: int) -> Eui64:
    """The EUI of a device, or with :data:`HUB_PLACE` of a hub."""
    return Eui64(PREFIX | hub << 8 | place)


def _mpxn(device_type: str, hub: int) -> str:
    """An MPAN of an electricity meter, an MPRN of a gas meter, nothing of others."""
    return {"ESME": f"19{hub:011d}", "GSME": f"79{hub:08d}"}.get(device_type, "")


@cache
def tables() -> Mapping[str, Any]:
    """What ``data/populations.toml`` says."""
    return tomllib.loads(resources.files("emulator.campaigns").joinpath("data/populations.toml").read_text("utf-8"))


def population(name: str, seed: int, *, hubs: int | None = None, where: str = "population.name") -> Population:
    """An estate of the package, or one of another size with its shares; raise :class:`Malformed` for an unknown name."""
    found = tables()
    row = found["populations"].get(name)
    if row is None:
        raise Malformed(f"there is no generated estate {name!r}", where=where, expected=suggest(name, found["populations"]))
    variants = tuple(Variant(each["name"], each["technology"], each["settings"]) for each in found["variants"])
    kinds = tuple(
        Kind(_model(each), sub_ghz, alt_han)
        for each in found["models"]
        for sub_ghz in ((False, True) if each["sub_ghz"] else (False,))
        for alt_han in (False, True)
    )
    rows = [each for each in found["pools"] if each["region"] in row.get("regions", (each["region"],))]
    return Population(
        name=name,
        seed=seed,
        pools=tuple(_pools(rows, hubs or row["hubs"], variants, kinds)),
        kinds=kinds,
        variants=variants,
        suppliers=Shares.of({each["name"]: each["share"] for each in found["suppliers"]}),
        fitted_version=found["fitted_version"],
    )


def _model(row: Mapping[str, Any]) -> Model:
    return Model(row["type"], row["manufacturer"], row["model"], row["image_bytes"], row.get("settings", {}))


def _pools(rows: Sequence[Mapping[str, Any]], hubs: int, variants: Sequence[Variant], kinds: Sequence[Kind]) -> list[PoolRule]:
    """Share the hubs out; capacity follows the number of hubs, as it is for the national estate."""
    whole = sum(row["share"] for row in rows)
    national = tables()["populations"]["national"]["hubs"] * whole // THOUSAND
    names = [variant.name for variant in variants]
    found: list[PoolRule] = []
    first = given = shares = 0
    for row in rows:
        shares += row["share"]
        of_region, given = hubs * shares // whole - given, hubs * shares // whole
        of_variant = Shares.of({names.index(name): share for name, share in row["variants"].items()})
        dual_band = all(variants[number].settings["dual_band"] for number in of_variant.choices)
        places = tuple(_place(each["types"], kinds, dual_band=dual_band) for each in tables()["places"])
        cells = max(1, row.get("cells", 0) * hubs // national)
        parts = min(row["parts"], cells)
        for part in range(parts):
            count = of_region * (part + 1) // parts - of_region * part // parts
            pool = PoolRule(
                region=row["region"],
                technology=row["technology"],
                first=first,
                hubs=count,
                cells=cells * (part + 1) // parts - cells * part // parts if "cells" in row else 0,
                sessions=-(-row["sessions"] * hubs // national) if "sessions" in row else 0,
                variants=of_variant,
                places=places,
                settings=row["settings"],
            )
            found += [pool] if count else []
            first += count
    return found


def _place(types: Mapping[str, int], kinds: Sequence[Kind], *, dual_band: bool) -> Shares:
    """Which kinds are at a place, as products of the shares of types, models, bands and extenders."""
    rows = {(row["manufacturer"], row["model"]): row for row in tables()["models"]}
    shares: dict[int, int] = {-1: (THOUSAND - sum(types.values())) * THOUSAND**3}
    for number, kind in enumerate(kinds):
        row = rows[kind.model.manufacturer, kind.model.model]
        band = row["sub_ghz"] if dual_band else 0
        of_band = band if kind.sub_ghz else THOUSAND - band
        of_extender = row["alt_han"] if kind.alt_han else THOUSAND - row["alt_han"]
        shares[number] = types.get(kind.model.type, 0) * row["share"] * of_band * of_extender
    return Shares.of(shares)
