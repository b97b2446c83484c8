"""What the hubs of a region share: channels of radio cells, or sessions. One kind of pool per row of ``data/pools.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources

from emulator.domain.errors import Malformed
from emulator.domain.sourced_rows import Source, read_rows


@dataclass(frozen=True, slots=True)
class PoolKind:
    """One kind of pool; a region has one of it when any of its hubs needs it."""

    name: str
    meaning: str
    technologies: tuple[str, ...]
    """Hubs of these technologies share it (names of :mod:`emulator.csp.regions`)."""
    channels: int
    """Images sent at a time: per cell where there are cells, else sessions of the whole pool."""
    window_h: int
    """Hours of the day, from midnight UTC, in which images are sent."""
    unreachable_permille: int
    """Hubs that a try finds off the WAN, where failures that nobody planned happen too."""
    cells: int = 1
    """Radio: cells of a region."""
    segment_bytes: int = 0
    """Radio: octets sent, lost and repaired together; 0 where images are not broadcast."""
    broadcast_rounds: int = 0
    """Radio: how often an image is sent to a cell before what is missing goes to each hub by itself."""
    segment_loss_permille: int = 0
    """Radio: segments that a hub misses of a round."""
    repair_rate_bits_per_s: int = 0
    """Radio: rate at which one hub gets what it missed."""
    mesh_percent: int = 0
    """Share of hubs that are reached through a neighbour, in estates that follow from a rule."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where each value comes from, by field name."""

    @property
    def broadcasts(self) -> bool:
        """Whether an image goes to all hubs of a cell at once."""
        return self.segment_bytes > 0


_ALWAYS = ("technologies", "channels", "window_h", "unreachable_permille")
_OF_RADIO = ("cells", "segment_bytes", "broadcast_rounds", "segment_loss_permille", "repair_rate_bits_per_s")
_COLUMNS: Mapping[str, type] = dict.fromkeys((*_ALWAYS, *_OF_RADIO, "mesh_percent"), int) | {"technologies": str}


def read_pools(text: str, source: str) -> dict[str, PoolKind]:
    """Kinds of pools from TOML; raise :class:`Malformed` where a value or its source is missing or out of range."""
    kinds = {}
    for row in read_rows(text, source, _COLUMNS, frozenset(_ALWAYS)).values():
        values = dict(row.values)
        if not 1 <= values["window_h"] <= 24:
            raise Malformed("no such part of a day", where=f"{source}: {row.name}.window_h", expected="1 to 24 hours")
        if values["channels"] < 1:
            raise Malformed("nothing could be sent", where=f"{source}: {row.name}.channels", expected="1 or more")
        missing = [key for key in _OF_RADIO if not values.get(key)]
        if 0 < len(missing) < len(_OF_RADIO):
            raise Malformed("a pool of radio cells needs it", where=f"{source}: {row.name}.{missing[0]}", expected="1 or more")
        technologies = tuple(str(values.pop("technologies")).split())
        kinds[row.name] = PoolKind(row.name, row.meaning, technologies, sources=row.sources, **values)
    return kinds


@cache
def default_pools() -> Mapping[str, PoolKind]:
    """The kinds that come with the package."""
    return read_pools(resources.files("emulator.csp").joinpath("data/pools.toml").read_text("utf-8"), "pools.toml")


CHANGEABLE = tuple(key for key in _COLUMNS if key not in ("technologies", "mesh_percent"))
"""What an estate may say of a kind of pool."""


def change_pools(values: Mapping[str, object], where: str) -> dict[str, PoolKind]:
    """The kinds with what an estate says of them, ``{name: {key: number}}``; raise :class:`Malformed` for what cannot be."""
    kinds = dict(default_pools())
    for name, changes in values.items():
        if name not in kinds or not isinstance(changes, Mapping):
            raise Malformed(f"there is no kind of pool {name!r}", where=where, expected=f"tables of {', '.join(kinds)}")
        known = [key for key in CHANGEABLE if key in kinds[name].sources]
        for key, value in changes.items():
            if key not in known:
                raise Malformed(f"there is no {key!r}", where=f"{where}.{name}", expected=f"one of {', '.join(known)}")
            at_least, at_most = (0, 1_000) if key.endswith("permille") else (1, 24 if key == "window_h" else _MOST)
            if type(value) is not int or not at_least <= value <= at_most:
                expected = f"a whole number from {at_least} to {at_most}"
                raise Malformed(f"{value!r} is not right", where=f"{where}.{name}.{key}", expected=expected)
        kinds[name] = replace(kinds[name], **changes)
    return kinds


_MOST = 1_000_000
"""More of anything is a slip; ours."""
