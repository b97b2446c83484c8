"""Read an estate from TOML and say precisely what is wrong with it.

The TOML is the user's; every unknown key, wrong unit or dangling reference is refused with its place and the remedy.
"""

import hashlib
import tomllib
from datetime import UTC, date, datetime
from importlib import resources
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.domain.vocabulary import CplStatus, CspRegion, DeviceStatus, DeviceType, RemotePartyRole, UserRole
from emulator.estate.consistency import check_estate
from emulator.estate.mistakes import explain_mistake
from emulator.estate.model import CplEntry, DeviceDefinition, Estate, Home, Party, Registration, RegistrationRule

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Bounds of all instants of an estate; simulated time goes on for a while after its start."""


def _read_eui(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("an EUI-64 is written as text")
    return parse_eui(value)


def _read_role(value: Any) -> RemotePartyRole:
    try:
        return RemotePartyRole[str(value).upper().replace("-", "_")]
    except KeyError:
        raise ValueError("there is no such Remote Party Role") from None


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a character cannot be printed")
    return text


def _moment(value: datetime) -> datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    if not EARLIEST <= aware <= LATEST:
        raise ValueError("the instant is out of range")
    return aware


_ROLES = ", ".join(role.name.lower().replace("_", "-") for role in RemotePartyRole)
Eui = Annotated[int, BeforeValidator(_read_eui), Field(description='an EUI-64 such as "00-DB-12-34-56-78-90-A0"')]
Hex8 = Annotated[str, BeforeValidator(_upper), Field(pattern=r"^[0-9A-F]{8}$", description="eight hexadecimal digits")]
Text = Annotated[str, AfterValidator(_printable), Field(max_length=200, description="printable text")]
Text30 = Annotated[str, AfterValidator(_printable), Field(max_length=30, description="at most 30 printable characters")]
Mpan = Annotated[str, Field(pattern=r"^([0-9]{13})?$", description="13 digits")]
Mpxn = Annotated[str, Field(pattern=r"^([0-9]{1,13})?$", description="an MPAN of 13 digits or an MPRN of up to 10")]
Moment = Annotated[
    datetime,
    AfterValidator(_moment),
    Field(description="a date and time of the years 1970 to 8999, e.g. 2026-01-05T08:00:00Z"),
]
GbcsVersion = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){1,2}$", description="a GBCS version such as 4.2")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class _Party(_Strict):
    eui: Eui
    name: Text
    party: Text
    roles: list[UserRole] = []
    remote_party_role: Annotated[RemotePartyRole, BeforeValidator(_read_role), Field(description=f"one of {_ROLES}")]
    endpoint: str = ""
    security_assurance: int = Field(1, ge=0, le=9)


class _Device(_Strict):
    eui: Eui
    type: DeviceType
    manufacturer: Text30
    model: Text30
    hardware_version: int = Field(0x0101, ge=0, le=0xFFFF)
    firmware_version: Hex8
    smets_version: Annotated[str, AfterValidator(_printable)] = Field("", max_length=20, description="at most 20 characters")
    gbcs_version: GbcsVersion = "4.2"
    status: DeviceStatus | None = None
    joined_to: list[Eui] = []
    import_mpxn: Mpxn = ""
    secondary_import_mpan: Mpan = ""
    export_mpan: Mpan = ""
    esme_variant: str = ""
    supplier: Eui | None = None
    network_operator: Eui | None = None
    date_commissioned: date | None = None
    supports_cs09: bool = True
    image_capacity_bytes: int = Field(1_048_576, gt=0, lt=2**40)
    profile: Text30 = ""


class _Home(_Strict):
    name: Text
    region: CspRegion
    wan_technology: str
    hub_variant: Text30 = ""
    alt_han: bool = False
    uprn: int | None = Field(None, gt=0, lt=10**12, description="a positive number of up to 12 digits")
    post_code: Annotated[str, AfterValidator(_printable)] = Field(
        "", pattern=r"^(.{6,8})?$", description="6 to 8 characters, or none"
    )
    address_identifier: Text30 = ""
    han_variant: Text30 = "Single Band"
    connectivity: str = Field("Cellular", pattern="^(Cellular|Virtual)$", description="Cellular or Virtual")
    devices: list[_Device] = Field(
        min_length=1, max_length=17, description="1 to 17 devices, as the inventory answers for a home"
    )


class _Registration(_Strict):
    mpxn: Annotated[str, Field(pattern=r"^[0-9]{1,13}$", description="an MPAN of 13 digits or an MPRN of up to 10")]
    role: UserRole
    party: Text
    start: Moment
    end: Moment | None = None


class _RegistrationRule(_Strict):
    role: UserRole
    first_mpxn: Mpxn
    last_mpxn: Mpxn
    shares: dict[str, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        min_length=1, description="a table of companies with a share from 1 to 1000000 each"
    )


class _Cpl(_Strict):
    type: DeviceType
    manufacturer: Text30
    model: Text30
    firmware_version: Hex8
    status: CplStatus = CplStatus.ACTIVE
    image_hash: Annotated[str, BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)] = Field(
        "", pattern=r"^([0-9a-f]{64})?$", description="a SHA-256 in 64 hexadecimal digits"
    )
    generated_image_bytes: int = Field(0, ge=0, le=10_000_000, description="0 to 10000000")
    gbcs_version: GbcsVersion = "4.2"
    smets_version: Text = ""


class _Estate(_Strict):
    name: Text
    seed: int = Field(1, ge=0, lt=2**63, description="a number from 0 to 9223372036854775807")
    start: Moment
    parties: list[_Party]
    homes: list[_Home]
    registrations: list[_Registration] = []
    registration_file: Text = Field("", description="a path below the estate's folder, or nothing")
    registration_rules: list[_RegistrationRule] = []
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
    except RecursionError:
        raise Malformed("the document is nested too deeply", where=source, expected="an estate in TOML") from None
    try:
        declared = _Estate.model_validate(raw)
    except ValidationError as error:
        raise explain_mistake(error, raw, _Estate, source) from None
    estate = _convert(declared)
    check_estate(estate, source)
    return estate


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


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
                hub_variant=home.hub_variant,
                alt_han=home.alt_han,
            )
        )
    return Estate(
        name=declared.name,
        seed=declared.seed,
        start_ms=_ms(declared.start),
        parties=tuple(
            Party(Eui64(p.eui), p.name, p.party, tuple(p.roles), p.remote_party_role, p.endpoint, p.security_assurance)
            for p in declared.parties
        ),
        homes=tuple(homes),
        registrations=tuple(
            Registration(r.mpxn, r.role, r.party, _ms(r.start), None if r.end is None else _ms(r.end))
            for r in declared.registrations
        ),
        registration_file=declared.registration_file,
        registration_rules=tuple(
            RegistrationRule(rule.role, rule.first_mpxn, rule.last_mpxn, tuple(rule.shares.items()))
            for rule in declared.registration_rules
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
        profile=device.profile,
    )


def _cpl_entry(entry: _Cpl) -> CplEntry:
    digest = entry.image_hash
    if entry.generated_image_bytes:
        image = generated_manufacturer_image(entry.manufacturer, entry.model, entry.firmware_version, entry.generated_image_bytes)
        generated = hashlib.sha256(image).hexdigest()
        if digest not in ("", generated):
            raise Malformed(
                "image_hash is not that of the generated image",
                where=f"cpl {entry.type} {entry.manufacturer}/{entry.model} {entry.firmware_version}",
                expected="image_hash or generated_image_bytes",
            )
        digest = generated
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
