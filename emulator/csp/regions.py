"""What the WAN can carry: one profile per technology, read from ``data/regions.toml``, and the settings of the CSPs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from emulator.csp.pools import PoolKind, default_pools
from emulator.domain.errors import Malformed
from emulator.domain.settings import HOUR_MS, MINUTE_MS, setting
from emulator.domain.sourced_rows import Source, read_rows


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
    hub_update_minutes: int
    """How long a hub's own firmware takes to come, where nobody says."""
    sources: Mapping[str, Source]
    """Where each value comes from, by field name."""


_VALUES = ("command_latency_min_ms", "command_latency_max_ms", "image_rate_bits_per_s", "hub_update_minutes")


def read_technologies(text: str, source: str) -> dict[str, Technology]:
    """Profiles from TOML; raise :class:`Malformed` where a value or its source is missing or out of range."""
    technologies = {}
    for row in read_rows(text, source, dict.fromkeys(_VALUES, int), frozenset(_VALUES)).values():
        for key, value in row.values.items():
            if value < 1:
                raise Malformed("no positive number here", where=f"{source}: {row.name}.{key}", expected="1 or more")
        if row.values["command_latency_max_ms"] < row.values["command_latency_min_ms"]:
            raise Malformed("the longest latency is shorter than the shortest", where=f"{source}: {row.name}")
        technologies[row.name] = Technology(row.name, row.meaning, sources=row.sources, **row.values)
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
    max_image_bytes: int = setting(10_240_000, "L004; ota.md 3.2", "low", minimum=1)
    """Largest OTA file that the CSPs take. Hubs take less."""
    session_retries: int = setting(3, "L063", "low")
    """Sessions that may break off before an image job fails."""
    backoff_ms: int = setting(15 * MINUTE_MS, "L064", "low", minimum=1)
    """Wait before the first repetition; doubles with each."""
    backoff_max_ms: int = setting(6 * HOUR_MS, "L064", "low", minimum=1)
    """Longest wait before a repetition."""
    power_alert_ms: int = setting(3 * MINUTE_MS, "L043", "high", minimum=1)
    """How long a hub is without power before the CSP says so (AD1)."""
    unplanned_failures: bool = setting(False, "EMU", "low")
    """Whether hubs are out of reach, sessions break off and rates differ although nobody planned a fault."""
    technologies: Mapping[str, Technology] = field(default_factory=default_technologies)
    """Profiles by name."""
    pools: Mapping[str, PoolKind] = field(default_factory=default_pools)
    """What hubs of one region share, by kind."""

    def backoff_after(self, attempts: int) -> int:
        """The wait after this many failed attempts (1 or more), in milliseconds."""
        return min(self.backoff_ms << min(attempts - 1, 32), self.backoff_max_ms)
