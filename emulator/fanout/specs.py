"""What a network is made of, and what it tells."""

from dataclasses import dataclass
from typing import NamedTuple

from emulator.domain.errors import Malformed
from emulator.fanout.declarations import Declarations
from emulator.fanout.fields import R_HUBS, R_PARTIES, R_PLACES, R_VERSION, UNUSED
from emulator.fanout.phases import NONE, OUTCOMES
from emulator.fanout.tables import DeviceProfile, HubProfile, PoolProfile

Weighted = tuple[tuple[DeviceProfile | None, int], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """How the homes of a pool are made: each choice with its weight, drawn by the identity of the home or place."""

    hubs: tuple[tuple[HubProfile, int], ...]
    places: tuple[Weighted, ...]
    """For each place at a hub the devices it may have, None for none."""
    parties: tuple[tuple[int, int], ...] = ((0, 1),)
    """Whose credentials the devices of a home hold."""
    version: int = 0
    """What they run, as in the OTA header."""


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool to be: of homes that a rule makes, or empty for homes that are added one by one."""

    profile: PoolProfile
    name: str = ""
    hubs: int = 0
    rule: Rule | None = None
    first_hub: int = NONE
    """Number of its first hub among all of the estate; draws depend on it. By default pools lie 2**32 apart."""
    places: int = 2
    """Places for devices that each hub has to begin with, where no rule says so."""


class Outcome(NamedTuple):
    """Something that happened to a device or hub that is listened to."""

    tick: int
    device: int
    order: int
    """The order it is about, -1 for none."""
    kind: int
    """One of :data:`emulator.fanout.phases.OUTCOMES`."""
    code: int
    """What the kind says; see there."""
    lost: bool
    """Whether its report does not reach the DSP."""

    @property
    def name(self) -> str:
        """The kind in words."""
        return OUTCOMES[self.kind]


class Waiting(NamedTuple):
    """What a device waits for."""

    what: str
    """Name of its phase."""
    until: int | None
    """The tick at which that ends at the latest, where it is known."""
    ahead: int
    """How many are before it in its queue; 0 elsewhere."""


def shift_of(spec: PoolSpec) -> int:
    """The places at each hub are two to the power of this."""
    places = len(spec.rule.places) if spec.rule else spec.places
    return max(places - 1, 0).bit_length()


def rule_table(rule: Rule, declared: Declarations) -> list[int]:
    """A rule as kernels see it."""
    table = [0] * (R_PLACES + 1 + len(rule.places))
    table[R_HUBS] = _choices(table, [(declared.hub_profile(profile), weight) for profile, weight in rule.hubs])
    table[R_PARTIES] = _choices(table, list(rule.parties))
    table[R_VERSION] = declared.version(rule.version)
    table[R_PLACES] = len(rule.places)
    for place, choices in enumerate(rule.places):
        numbers = [(UNUSED if one is None else declared.device_profile(one), weight) for one, weight in choices]
        table[R_PLACES + 1 + place] = _choices(table, numbers)
    for party, _ in rule.parties:
        declared.need_parties(party)
    return table


def _choices(table: list[int], choices: list[tuple[int, int]]) -> int:
    """Append a list of choices and return where it begins."""
    total = sum(weight for _, weight in choices)
    if total < 1:
        raise Malformed("a rule has nothing to choose from", where="rule", expected="weights above 0")
    begins, passed = len(table), 0
    table.append(len(choices))
    for number, weight in choices:
        passed += weight
        table += [number, (passed << 32) // total]
    return begins
