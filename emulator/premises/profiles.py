"""Variants of hubs and kinds of devices, from ``data/hubs.toml`` and ``data/devices.toml``, and their rows for the columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from emulator.domain.errors import Malformed
from emulator.domain.settings import KIB
from emulator.domain.sourced_rows import Source, read_rows
from emulator.domain.vocabulary import DeviceType
from emulator.fanout.tables import DeviceProfile, HubProfile
from emulator.premises.settings import HanSettings


@dataclass(frozen=True, slots=True)
class HubVariant:
    """A variant of Communications Hub. None: as the settings of the HAN say."""

    name: str
    meaning: str
    bands: str
    """``2.4 GHz``, with ``868 MHz`` for a dual-band hub."""
    store_bytes: int | None = None
    store_images: int | None = None
    max_image_bytes: int | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where each value comes from, by column of the table."""

    @property
    def dual_band(self) -> bool:
        """Whether it has a sub-GHz band."""
        return "868" in self.bands


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """How devices of a kind hear of an image and take it."""

    name: str
    meaning: str
    device_type: DeviceType
    learns: str
    """``notify``: by Image Notify, or its notification flag where it sleeps; ``poll``: by asking; ``never``."""
    sleepy: bool = False
    """Hears the HAN at its wake-ups only."""
    sub_ghz: bool = False
    """On the sub-GHz band of a dual-band hub."""
    fallback: bool = True
    """Goes back to its old firmware when the new does not start."""
    side_channel: bool = False
    """Its maker can change its firmware without the DCC."""
    takes_parts: bool = True
    """Can take an image in parts; the transfer of several to another fails after the first."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where each value comes from, by column of the table."""


_HUB_COLUMNS: Mapping[str, type] = {"bands": str, "store_kib": int, "store_images": int, "max_image_kib": int}
_DEVICE_COLUMNS: Mapping[str, type] = {
    "type": str, "learns": str, "sleepy": bool, "sub_ghz": bool, "fallback": bool, "side_channel": bool,
    "takes_parts": bool,
}  # fmt: skip
_LEARNS = ("notify", "poll", "never")

TYPE_NUMBERS: Mapping[DeviceType, int] = {kind: number for number, kind in enumerate(DeviceType)}
"""Numbers of device types in the columns."""


def read_hubs(text: str, source: str) -> dict[str, HubVariant]:
    """Variants by name; raise :class:`Malformed` with the place of what is wrong."""
    return {
        row.name: HubVariant(
            name=row.name,
            meaning=row.meaning,
            bands=row.values["bands"],
            store_bytes=row.values["store_kib"] * KIB if "store_kib" in row.values else None,
            store_images=row.values.get("store_images"),
            max_image_bytes=row.values["max_image_kib"] * KIB if "max_image_kib" in row.values else None,
            sources=row.sources,
        )
        for row in read_rows(text, source, _HUB_COLUMNS, frozenset({"bands"})).values()
    }


def read_kinds(text: str, source: str) -> dict[str, DeviceKind]:
    """Kinds by name; raise :class:`Malformed` with the place of what is wrong."""
    kinds = {}
    for row in read_rows(text, source, _DEVICE_COLUMNS, frozenset({"type", "learns"})).values():
        values = dict(row.values)
        if values["learns"] not in _LEARNS:
            raise Malformed("no such way", where=f"{source}: {row.name}.learns", expected=f"one of {', '.join(_LEARNS)}")
        try:
            device_type = DeviceType(values.pop("type"))
        except ValueError:
            expected = f"one of {', '.join(DeviceType)}"
            raise Malformed("no such device type", where=f"{source}: {row.name}.type", expected=expected) from None
        kinds[row.name] = DeviceKind(row.name, row.meaning, device_type, sources=row.sources, **values)
    return kinds


def _text(name: str) -> str:
    return resources.files("emulator.premises").joinpath(f"data/{name}").read_text("utf-8")


@cache
def hub_variants() -> Mapping[str, HubVariant]:
    """The variants that come with the package."""
    return read_hubs(_text("hubs.toml"), "hubs.toml")


@cache
def device_kinds() -> Mapping[str, DeviceKind]:
    """The kinds that come with the package."""
    return read_kinds(_text("devices.toml"), "devices.toml")


def hub_variant(name: str) -> HubVariant:
    """The variant of a hub (empty: ``standard``); raise :class:`Malformed` when there is none of this name."""
    found = hub_variants().get(name or "standard")
    if found is None:
        raise Malformed(f"there is no hub variant {name!r}", where="hub_variant", expected=f"one of {', '.join(hub_variants())}")
    return found


def device_kind(name: str, device_type: DeviceType) -> DeviceKind:
    """The kind of a device (empty: that of its type); raise :class:`Malformed` where name and type do not fit."""
    found = device_kinds().get(name or device_type.value)
    if found is None or found.device_type is not device_type:
        fitting = ", ".join(kind.name for kind in device_kinds().values() if kind.device_type is device_type)
        raise Malformed(f"there is no {device_type} of profile {name!r}", where="profile", expected=f"one of {fitting}")
    return found


def seconds(duration_ms: int) -> int:
    """A duration in the time of the columns, rounded up, at least one second."""
    return max(1, -(-duration_ms // 1_000))


def hub_profile(variant: HubVariant, settings: HanSettings, rate_bit_s: int, *, alt_han: bool) -> HubProfile:
    """A hub of a variant that images reach at this rate, as the columns have it."""
    return HubProfile(
        name=variant.name,
        rate_bit_s=rate_bit_s,
        dual_band=variant.dual_band,
        store_bytes=variant.store_bytes or settings.store_bytes,
        slots=min(variant.store_images or settings.store_images, 255),
        max_image_bytes=variant.max_image_bytes or settings.max_image_bytes,
        policy_on_full=settings.store_policy,
        resume=settings.hub_resumes,
        expiry_s=seconds(settings.ready_expiry_ms),
        reboot_s=seconds(settings.hub_reboot_ms),
        extender_homes=settings.alt_han_homes if alt_han else 0,
        duty_blocks_per_h=settings.sub_ghz_blocks_per_h,
        check_hardware=settings.check_hardware_version,
        update_waits=settings.hub_update_waits,
    )


def device_profile(
    kind: DeviceKind, settings: HanSettings, *, reports: bool, alt_han: bool, capacity_bytes: int
) -> DeviceProfile:
    """A device of a kind, as the columns have it. ``reports``: a PPMID that sends CS09."""
    by_itself = kind.device_type is DeviceType.PPMID
    return DeviceProfile(
        name=kind.name,
        device_type=TYPE_NUMBERS[kind.device_type],
        block_bytes=settings.block_bytes,
        blocks_per_s=settings.mains_blocks_per_s,
        wake_s=seconds(settings.gsme_wake_interval_ms) if kind.sleepy else 0,
        blocks_per_wake=settings.gsme_blocks_per_wake,
        sub_ghz=kind.sub_ghz,
        sub_ghz_permille=settings.sub_ghz_permille,
        alt_han=alt_han,
        alt_han_permille=settings.alt_han_permille,
        block_loss_permille=settings.block_loss_permille,
        block_retries=settings.block_retries,
        learns=kind.learns,
        capacity_bytes=min(capacity_bytes, 2**31 - 1),
        poll_s=seconds(settings.query_poll_ms),
        resume=settings.device_resumes,
        verify_s=0 if by_itself else seconds(settings.verification_ms),
        activation_s=seconds(settings.activation_ms),
        activates_itself=by_itself,
        supports_cs09=reports,
        reports_transfer=kind.device_type in settings.ccs08_for,
        fallback=kind.fallback,
        check_version=settings.check_file_version,
        check_manufacturer=settings.check_manufacturer,
        takes_parts=kind.takes_parts,
        check_hardware=settings.check_own_hardware_version,
    )
