"""The columns of a world: pools for the regions that its homes need, and where each hub stands in them."""

from collections.abc import Mapping
from dataclasses import replace

from emulator.csp.pools import PoolKind
from emulator.csp.regions import CspSettings
from emulator.domain.errors import Malformed
from emulator.estate.model import Estate, Home
from emulator.fanout.network import Network
from emulator.fanout.specs import PoolSpec
from emulator.fanout.tables import DAY_S, PoolProfile
from emulator.premises.images import Images
from emulator.premises.neighbours import SupplierKeys
from emulator.premises.profiles import seconds
from emulator.premises.rows import Rows
from emulator.premises.settings import HanSettings
from emulator.premises.state import PremisesState
from emulator.simulation.agenda import Agenda
from emulator.simulation.draws import draw_below

HOUR_S = DAY_S // 24
PLACES = 8
"""Places for devices that each hub has to begin with: enough for most homes, more are made where they are needed; ours."""


class Places:
    """Where hubs are reached; see :class:`emulator.premises.neighbours.HubPlaces`."""

    def __init__(self, settings: CspSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed

    def pool(self, home: Home) -> str:
        """The pool whose capacity the hub of a home shares."""
        return pool_name(self._settings, home.wan_technology, str(home.region))

    def spec(self, home: Home) -> PoolSpec:
        """The same as the columns have it."""
        return PoolSpec(_profile(self._settings, home.wan_technology), self.pool(home), places=PLACES)

    def cell(self, home: Home) -> int:
        """Its cell, which the seed chooses."""
        kind = kind_of(self._settings, home.wan_technology)
        return draw_below(kind.cells, self._seed, home.hub, 0, "radio cell") if kind.cells > 1 else 0

    def rate_bit_s(self, home: Home) -> int:
        """The rate of its technology."""
        return self._settings.technologies[home.wan_technology].image_rate_bits_per_s


def kind_of(settings: CspSettings, technology: str) -> PoolKind:
    """The kind of pool that hubs of a technology share; raise :class:`Malformed` for an unknown technology."""
    for kind in settings.pools.values():
        if technology in kind.technologies:
            return kind
    known = ", ".join(name for kind in settings.pools.values() for name in kind.technologies)
    raise Malformed(f"there is no WAN technology {technology!r}", where="wan_technology", expected=f"one of {known}")


def pool_name(settings: CspSettings, technology: str, region: str) -> str:
    """How people name the pool of a technology in a region."""
    return f"{kind_of(settings, technology).name}/{region}"


def pool_profiles(settings: CspSettings, estate: Estate) -> Mapping[str, PoolProfile]:
    """The pools that the homes of an estate need, by name, in the order of the homes."""
    found: dict[str, PoolProfile] = {}
    for home in estate.homes:
        name = pool_name(settings, home.wan_technology, str(home.region))
        if name not in found:
            found[name] = _profile(settings, home.wan_technology)
    return found


def _profile(settings: CspSettings, technology: str) -> PoolProfile:
    kind = kind_of(settings, technology)
    unplanned = settings.unplanned_failures
    common = PoolProfile(
        kind="radio" if kind.broadcasts else "cellular",
        sessions=kind.channels,
        channels=kind.channels,
        cells=kind.cells,
        window_to_s=kind.window_h * HOUR_S,
        session_error_permille=PoolProfile().session_error_permille if unplanned else 0,
        retries=min(settings.session_retries, 14),
        backoff_s=seconds(settings.backoff_ms),
        backoff_max_s=seconds(settings.backoff_max_ms),
        unreachable_permille=kind.unreachable_permille if unplanned else 0,
        give_up_s=seconds(settings.image_window_ms),
        rate_spread_permille=PoolProfile().rate_spread_permille if unplanned else 0,
    )
    if not kind.broadcasts:
        return common
    return replace(
        common,
        broadcast_rate_bit_s=settings.technologies[technology].image_rate_bits_per_s,
        segment_bytes=kind.segment_bytes,
        broadcast_rounds=kind.broadcast_rounds,
        segment_loss_permille=kind.segment_loss_permille,
        repair_rate_bit_s=kind.repair_rate_bits_per_s,
    )


def open_rows(
    state: PremisesState,
    estate: Estate,
    settings: tuple[CspSettings, HanSettings],
    agenda: Agenda,
    keys: SupplierKeys,
    now_ms: int,
) -> Rows:
    """The columns of a world: those of its state, or new ones whose time begins now."""
    csp, han = settings
    rows = state.rows
    if rows.columns:
        network = Network.load(rows.columns)
    else:
        profiles = pool_profiles(csp, estate)
        rows.origin_ms = now_ms
        rows.pools = {name: number for number, name in enumerate(profiles)}
        specs = [PoolSpec(profile, name, places=PLACES) for name, profile in profiles.items()]
        network = Network.create(estate.seed, specs, compiled=False, day_s=now_ms // 1_000 % DAY_S)
    return Rows(rows, network, Images(state), agenda, han, Places(csp, estate.seed), keys, state.certificates)
