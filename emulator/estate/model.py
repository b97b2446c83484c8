"""The estate as it is declared: parties, homes, hubs, devices, registration, firmware list.

Plain frozen data. What changes while the world runs lives in the state of ``dsp`` and ``premises``.
"""

from dataclasses import dataclass, field

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import CplStatus, CspRegion, DeviceStatus, DeviceType, RemotePartyRole, UserRole


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation that signs or is addressed: a DUIS user or one of the DCC's own parties."""

    eui: Eui64
    name: str
    party: str
    """The company; several User IDs may belong to one."""
    roles: tuple[UserRole, ...] = ()
    """Roles in which it may act over DUIS; empty for the DCC's own parties."""
    remote_party_role: RemotePartyRole = RemotePartyRole.OTHER
    """Role of its certificates on devices."""
    endpoint: str = ""
    """Where pushes go; empty until set."""
    security_assurance: int = 1
    """Level of its security arrangements (access.md section 4); higher is better."""


@dataclass(frozen=True, slots=True)
class DeviceDefinition:
    """One device as installed."""

    eui: Eui64
    device_type: DeviceType
    hub: Eui64
    """The CHF of its home; its own EUI for a CHF."""
    manufacturer: str
    """Four hexadecimal digits for meters and Type 1 devices (duis.md 7.2)."""
    model: str
    """Eight hexadecimal digits: model and hardware version as the CPL lists them."""
    hardware_version: int
    firmware_version: str
    """Eight hexadecimal digits, the OTA file version (firmware_examples.md 0.5)."""
    smets_version: str
    gbcs_version: str
    status: DeviceStatus | None
    """None for Type 2 devices (duis.md 7.7)."""
    joined_to: tuple[Eui64, ...] = ()
    """Devices it is joined with; an HCALCS to its ESME, a PPMID to its meters."""
    import_mpxn: str = ""
    secondary_import_mpan: str = ""
    export_mpan: str = ""
    esme_variant: str = ""
    supplier: Eui64 | None = None
    """Whose certificates it holds in its supplier slots; None for devices without supplier credentials."""
    network_operator: Eui64 | None = None
    date_commissioned: str = ""
    """ISO date, empty when not commissioned."""
    supports_cs09: bool = True
    """PPMID: reports its activation (ota.md section 8 C7); False is the legacy kind (C8)."""
    image_capacity_bytes: int = 1_048_576
    """Largest Manufacturer Image the device can hold (ota.md F28)."""
    profile: str = ""
    """Kind of device (docs/reference/network.md); empty is the kind named like its type."""


@dataclass(frozen=True, slots=True)
class Home:
    """One premises with its hub and devices."""

    name: str
    region: CspRegion
    hub: Eui64
    devices: tuple[DeviceDefinition, ...]
    """All devices, the CHF and GPF among them."""
    uprn: int | None = None
    post_code: str = ""
    address_identifier: str = ""
    han_variant: str = "Single Band"
    connectivity: str = "Cellular"
    wan_technology: str = "cellular"
    """Names the csp profile: ``radio``, ``cellular``, ``mesh`` or ``4g``."""
    hub_variant: str = ""
    """Variant of hub (docs/reference/network.md); empty is ``standard``."""
    alt_han: bool = False
    """Whether the devices are reached over an alternative HAN, as in a block of flats: one more hop, a lower rate."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Who is registered for an MPxN in a role over a time."""

    mpxn: str
    role: UserRole
    party: str
    """The company, as in :attr:`Party.party`."""
    from_ms: int
    to_ms: int | None = None
    """Exclusive; None is open-ended."""


@dataclass(frozen=True, slots=True)
class RegistrationRule:
    """For every MPxN of a range, one of some companies holds a role, since 1970 and for good."""

    role: UserRole
    first_mpxn: str
    last_mpxn: str
    """Inclusive; both have the same number of digits."""
    shares: tuple[tuple[str, int], ...]
    """Company, and how many of every ``sum of all`` MPxNs it has on average."""


@dataclass(frozen=True, slots=True)
class CplEntry:
    """One row of the Central Products List."""

    device_type: DeviceType
    manufacturer: str
    model: str
    firmware_version: str
    status: CplStatus
    image_hash: str
    """Lower-case hexadecimal SHA-256 of the Manufacturer Image; empty when the list has none."""
    gbcs_version: str
    smets_version: str = ""
    image_bytes: int = 0
    """Size of the image that :func:`emulator.estate.declaration.generated_manufacturer_image` makes for it; 0 for none."""


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything a world starts with."""

    name: str
    seed: int
    start_ms: int
    """Simulated UTC milliseconds at which the world begins."""
    parties: tuple[Party, ...]
    homes: tuple[Home, ...]
    registrations: tuple[Registration, ...]
    cpl: tuple[CplEntry, ...]
    registration_rules: tuple[RegistrationRule, ...] = ()
    """Registration of the MPxNs that neither :attr:`registrations` nor the file has."""
    registration_file: str = ""
    """CSV with more registrations."""
    settings: dict[str, object] = field(default_factory=dict)
    """Switches and timings, validated by the package that owns them."""
