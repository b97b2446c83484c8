"""Read an estate from TOML and say precisely what is wrong with it.

The TOML is the user's; every unknown key, wrong unit or dangling reference is refused with its place and the remedy.
"""

import hashlib
import tomllib
from datetime import UTC, date, datetime
from importlib import resources
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.domain.vocabulary import CplStatus, CspRegion, DeviceStatus, DeviceType, RemotePartyRole, UserRole
from emulator.estate.model import CplEntry, DeviceDefinition, Estate, Home, Party, Registration

Eui = Annotated[int, BeforeValidator(lambda text: parse_eui(text) if isinstance(text, str) else text)]
Hex4 = Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")]
Hex8 = Annotated[str, Field(pattern=r"^[0-9A-F]{8}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class _Party(_Strict):
    eui: Eui
    name: str
    party: str
    roles: list[UserRole] = []
    remote_party_role: Annotated[RemotePartyRole, BeforeValidator(lambda name: RemotePartyRole[name.upper().replace("-", "_")])]
    endpoint: str = ""


class _Device(_Strict):
    eui: Eui
    type: DeviceType
    manufacturer: str = Field(max_length=30)
    model: str = Field(max_length=30)
    hardware_version: int = Field(0x0101, ge=0, le=0xFFFF)
    firmware_version: Hex8
    smets_version: str = Field("", max_length=20)
    gbcs_version: str = "4.2"
    status: DeviceStatus | None = None
    joined_to: list[Eui] = []
    import_mpxn: str = Field("", max_length=13)
    secondary_import_mpan: str = Field("", pattern=r"^([0-9]{13})?$")
    export_mpan: str = Field("", pattern=r"^([0-9]{13})?$")
    esme_variant: str = ""
    supplier: Eui | None = None
    network_operator: Eui | None = None
    date_commissioned: date | None = None
    supports_cs09: bool = True
    image_capacity_bytes: int = Field(1_048_576, gt=0)


class _Home(_Strict):
    name: str
    region: CspRegion
    wan_technology: str
    uprn: int | None = Field(None, gt=0, lt=10**12)
    post_code: str = Field("", max_length=8)
    address_identifier: str = Field("", max_length=30)
    han_variant: str = "Single Band"
    connectivity: str = "Cellular"
    devices: list[_Device] = Field(min_length=1)


class _Registration(_Strict):
    mpxn: str = Field(min_length=1, max_length=13)
    role: UserRole
    party: str
    start: datetime
    end: datetime | None = None


class _Cpl(_Strict):
    type: DeviceType
    manufacturer: str
    model: str
    firmware_version: Hex8
    status: CplStatus = CplStatus.ACTIVE
    image_hash: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    generated_image_bytes: int = Field(0, ge=0, le=10_000_000)
    gbcs_version: str = "4.2"
    smets_version: str = ""


class _Estate(_Strict):
    name: str
    seed: int = Field(1, ge=0)
    start: datetime
    parties: list[_Party]
    homes: list[_Home]
    registrations: list[_Registration] = []
    cpl: list[_Cpl] = []
    settings: dict[str, Any] = {}


def generated_manufacturer_image(manufacturer: str, model: str, firmware_version: str, size_bytes: int) -> bytes:
    """A Manufacturer Image that follows from what it is for, so that a list of products can name its hash without a file.

    The first line says what it is; the rest is a keyed stream without meaning.
    """
    head = f"MANUFACTURER IMAGE {manufacturer} {model} {firmware_version}\n".encode()
    body = hashlib.shake_256(head).digest(max(0, size_bytes - len(head)))
    return (head + body)[:size_bytes]


def default_estate_toml() -> str:
    """The embedded default: three homes, one per CSP region."""
    return resources.files("emulator.estate").joinpath("data/default.toml").read_text("utf-8")


def load_estate(text: str, *, source: str = "estate") -> Estate:
    """Read and check an estate; raise :class:`Malformed` naming the place of the first thing wrong.

    ``source`` is how messages name the file.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(str(error), where=source, expected="TOML 1.0") from None
    try:
        declared = _Estate.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"{first['msg']} (got {str(first.get('input'))[:80]!r})", where=f"{source}: {where}") from None
    estate = _convert(declared)
    _check_references(estate, source)
    return estate


def _ms(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _convert(declared: _Estate) -> Estate:
    homes = []
    for home in declared.homes:
        hub = next((d.eui for d in home.devices if d.type is DeviceType.CHF), 0)
        homes.append(
            Home(
                name=home.name,
                region=home.region,
                hub=Eui64(hub),
                devices=tuple(_device(device, hub) for device in home.devices),
                uprn=home.uprn,
                post_code=home.post_code,
                address_identifier=home.address_identifier,
                han_variant=home.han_variant,
                connectivity=home.connectivity,
                wan_technology=home.wan_technology,
            )
        )
    return Estate(
        name=declared.name,
        seed=declared.seed,
        start_ms=_ms(declared.start),
        parties=tuple(
            Party(Eui64(p.eui), p.name, p.party, tuple(p.roles), p.remote_party_role, p.endpoint) for p in declared.parties
        ),
        homes=tuple(homes),
        registrations=tuple(
            Registration(r.mpxn, r.role, r.party, _ms(r.start), None if r.end is None else _ms(r.end))
            for r in declared.registrations
        ),
        cpl=tuple(_cpl_entry(entry) for entry in declared.cpl),
        settings=declared.settings,
    )


def _device(device: _Device, hub: int) -> DeviceDefinition:
    return DeviceDefinition(
        eui=Eui64(device.eui),
        device_type=device.type,
        hub=Eui64(hub),
        manufacturer=device.manufacturer,
        model=device.model,
        hardware_version=device.hardware_version,
        firmware_version=device.firmware_version,
        smets_version=device.smets_version,
        gbcs_version=device.gbcs_version,
        status=device.status,
        joined_to=tuple(Eui64(eui) for eui in device.joined_to),
        import_mpxn=device.import_mpxn,
        secondary_import_mpan=device.secondary_import_mpan,
        export_mpan=device.export_mpan,
        esme_variant=device.esme_variant,
        supplier=None if device.supplier is None else Eui64(device.supplier),
        network_operator=None if device.network_operator is None else Eui64(device.network_operator),
        date_commissioned="" if device.date_commissioned is None else device.date_commissioned.isoformat(),
        supports_cs09=device.supports_cs09,
        image_capacity_bytes=device.image_capacity_bytes,
    )


def _cpl_entry(entry: _Cpl) -> CplEntry:
    digest = entry.image_hash
    if entry.generated_image_bytes:
        image = generated_manufacturer_image(entry.manufacturer, entry.model, entry.firmware_version, entry.generated_image_bytes)
        digest = hashlib.sha256(image).hexdigest()
    return CplEntry(
        device_type=entry.type,
        manufacturer=entry.manufacturer,
        model=entry.model,
        firmware_version=entry.firmware_version,
        status=entry.status,
        image_hash=digest,
        gbcs_version=entry.gbcs_version,
        smets_version=entry.smets_version,
        image_bytes=entry.generated_image_bytes,
    )


def _check_references(estate: Estate, source: str) -> None:
    parties = {party.eui for party in estate.parties}
    companies = {party.party for party in estate.parties}
    devices: set[int] = set()
    for home in estate.homes:
        where = f"{source}: home {home.name!r}"
        if sum(device.device_type is DeviceType.CHF for device in home.devices) != 1:
            raise Malformed("a home has exactly one hub", where=where, expected="one device of type CHF")
        for device in home.devices:
            if device.eui in devices or device.eui in parties:
                raise Malformed(f"EUI {device.eui:016X} is used twice", where=where, expected="every EUI once")
            devices.add(device.eui)
            if device.status is None and not device.device_type.type_2:
                raise Malformed(f"device {device.eui:016X} has no status", where=where, expected="a status, save for IHD and CAD")
            for owner in (device.supplier, device.network_operator):
                if owner is not None and owner not in parties:
                    raise Malformed(f"party {owner:016X} is not declared", where=where, expected="an EUI of [[parties]]")
    for home in estate.homes:
        for device in home.devices:
            for other in device.joined_to:
                if other not in devices:
                    raise Malformed(
                        f"joined_to names {other:016X}, which is not declared",
                        where=f"{source}: home {home.name!r}",
                        expected="the EUI of a device of the estate",
                    )
    for registration in estate.registrations:
        if registration.party not in companies:
            raise Malformed(
                f"party {registration.party!r} is not declared",
                where=f"{source}: registration of {registration.mpxn}",
                expected=f"one of {', '.join(sorted(companies))}",
            )
