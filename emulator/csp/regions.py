"""What the WAN can carry: one profile per technology, read from ``data/regions.toml``, and the settings of the CSPs."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.settings import HOUR_MS, MINUTE_MS, setting


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    row: str
    """Row of the reference's ota/limits.csv."""
    estimate: bool


@dataclass(frozen=True, slots=True)
class Technology:
    """One way of reaching hubs."""

    name: str
    meaning: str
    command_latency_min_ms: int
    command_latency_max_ms: int
    """A message takes between these, one way."""
    image_rate_bits_per_s: int
    """Payload rate of one channel or session."""
    parallel_images: int
    """Channels or sessions that carry images at a time, per region."""
    sources: Mapping[str, Source]
    """Where each value comes from, by field name."""

    def transmission_ms(self, size_bytes: int) -> int:
        """How long a file of this size takes, rounded up."""
        return -(-size_bytes * 8 * 1_000 // self.image_rate_bits_per_s)


_VALUES = ("command_latency_min_ms", "command_latency_max_ms", "image_rate_bits_per_s", "parallel_images")


def read_technologies(text: str, source: str) -> dict[str, Technology]:
    """Profiles from TOML; raise :class:`Malformed` where a value or its source is missing or out of range."""
    try:
        tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(str(error), where=source, expected="TOML") from None
    technologies = {}
    for name, rows in tables.items():
        values: dict[str, int] = {}
        for key in _VALUES:
            row = rows.get(key)
            if not isinstance(row, dict) or not isinstance(row.get("value"), int) or row["value"] < 1:
                raise Malformed(
                    "no positive number here", where=f"{source}: {name}.{key}", expected="{ value, source, estimate }"
                )
            values[key] = row["value"]
        if values["command_latency_max_ms"] < values["command_latency_min_ms"]:
            raise Malformed("the longest latency is shorter than the shortest", where=f"{source}: {name}")
        sources = {key: Source(str(rows[key]["source"]), bool(rows[key]["estimate"])) for key in _VALUES}
        technologies[name] = Technology(name=name, meaning=str(rows["meaning"]), sources=sources, **values)
    return technologies


@cache
def default_technologies() -> Mapping[str, Technology]:
    """The profiles that come with the package."""
    return read_technologies(resources.files("emulator.csp").joinpath("data/regions.toml").read_text("utf-8"), "regions.toml")


@dataclass(frozen=True, slots=True)
class CspSettings:
    """What holds for all technologies; sources as in :class:`~emulator.premises.settings.HanSettings`."""

    command_window_ms: int = setting(24 * HOUR_MS, "L023", "low")
    """How long a command for an unreachable hub is kept."""
    image_window_ms: int = setting(120 * HOUR_MS, "L068", "low")
    """How long an image for an unreachable hub is kept."""
    session_retries: int = setting(3, "L063", "low")
    """Sessions that may break off before an image job fails."""
    backoff_ms: int = setting(15 * MINUTE_MS, "L064", "low", minimum=1)
    """Wait before the first repetition; doubles with each."""
    backoff_max_ms: int = setting(6 * HOUR_MS, "L064", "low", minimum=1)
    """Longest wait before a repetition."""
    technologies: Mapping[str, Technology] = field(default_factory=default_technologies)
    """Profiles by name."""

    def backoff_after(self, attempts: int) -> int:
        """The wait after this many failed attempts (1 or more), in milliseconds."""
        return min(self.backoff_ms << min(attempts - 1, 32), self.backoff_max_ms)
