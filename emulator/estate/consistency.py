"""Whether the parts of an estate hold together; every mistake is named with its place and the remedy."""

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.estate.model import DeviceDefinition, Estate, Home
from emulator.estate.registration_base import check_registrations

ESME_VARIANTS = frozenset(
    {
        "A", "AD", "ADE", "ADEF", "ADEG", "ADF", "ADG", "AEF", "AEG", "AF", "AG",
        "B", "BD", "BDE", "BDEF", "BDF", "BEF", "BF",
        "C", "CD", "CDE", "CDEF", "CDF", "CEF", "CF",
    }
)  # fmt: skip
"""The 25 values of the inventory (duis.md 7.1, schema V5.4, exact)."""

METERS = (DeviceType.ESME, DeviceType.GSME)
_HEXADECIMAL = frozenset("0123456789ABCDEF")


def check_estate(estate: Estate, source: str) -> None:
    """Raise :class:`Malformed` for the first thing that does not fit together; ``source`` names the document."""
    roles: dict[int, RemotePartyRole] = {}
    for party in estate.parties:
        if party.eui in roles:
            raise _mistake(source, f"party {party.name!r}", f"EUI {format_eui(party.eui)} is used twice", "every EUI once")
        roles[party.eui] = party.remote_party_role
    if roles.get(ACCESS_CONTROL_BROKER) is not RemotePartyRole.ACCESS_CONTROL_BROKER:
        expected = f"a party {format_eui(ACCESS_CONTROL_BROKER)} with remote_party_role access-control-broker"
        raise _mistake(source, "parties", "there is no Access Control Broker", expected)
    home_of: dict[int, str] = {}
    for home in estate.homes:
        _check_home(estate, home, roles, home_of, source)
    _check_lists(estate, source)


def _mistake(source: str, where: str, detail: str, expected: str) -> Malformed:
    return Malformed(detail, where=f"{source}: {where}", expected=expected)


def _check_home(estate: Estate, home: Home, roles: dict[int, RemotePartyRole], home_of: dict[int, str], source: str) -> None:
    where = f"home {home.name!r}"
    types = [device.device_type for device in home.devices]
    if types.count(DeviceType.CHF) != 1:
        raise _mistake(source, where, "a home has exactly one hub", "one device of type CHF")
    if types.count(DeviceType.GPF) > 1:
        raise _mistake(source, where, "a hub has one Gas Proxy Function", "at most one device of type GPF")
    if home.address_identifier and not home.post_code:
        raise _mistake(source, where, "an address_identifier without a post_code says nothing", "both or none")
    here = {device.eui for device in home.devices}
    for device in home.devices:
        place = f"{where}, device {format_eui(device.eui)}"
        if device.eui in home_of or device.eui in roles:
            raise _mistake(source, place, f"EUI {format_eui(device.eui)} is used twice", "every EUI once")
        home_of[device.eui] = home.name
        _check_device(device, roles, source, place)
        for other in device.joined_to:
            if other not in here or other == device.eui:
                detail = f"joined_to names {format_eui(other)}"
                raise _mistake(source, place, detail, "the EUI of another device of the same home")


def _check_device(device: DeviceDefinition, roles: dict[int, RemotePartyRole], source: str, place: str) -> None:
    kind = device.device_type
    if (device.status is None) != kind.type_2:
        detail = f"a {kind} has no status" if kind.type_2 else f"device {device.eui:016X} has no status"
        raise _mistake(source, place, detail, "a status, save for IHD and CAD")
    if not kind.type_2:
        for name, value, digits in (("manufacturer", device.manufacturer, 4), ("model", device.model, 8)):
            if len(value) != digits or not set(value) <= _HEXADECIMAL:
                raise _mistake(source, place, f"{name} is {value!r}", f"{digits} hexadecimal digits in upper case")
    if device.esme_variant and (kind is not DeviceType.ESME or device.esme_variant not in ESME_VARIANTS):
        detail = f"esme_variant is {device.esme_variant!r}"
        raise _mistake(source, place, detail, f"for an ESME one of {', '.join(sorted(ESME_VARIANTS))}")
    if (device.secondary_import_mpan or device.export_mpan) and (kind is not DeviceType.ESME or not device.import_mpxn):
        raise _mistake(source, place, "a second MPxN without a first", "import_mpxn as well, on an ESME")
    for name, party, role in (
        ("supplier", device.supplier, RemotePartyRole.SUPPLIER),
        ("network_operator", device.network_operator, RemotePartyRole.NETWORK_OPERATOR),
    ):
        if party is not None and roles.get(party) is not role:
            found = "is not declared" if party not in roles else f"is a {roles[party].name.lower()}"
            expected = f"the EUI of one of [[parties]] with remote_party_role {role.name.lower().replace('_', '-')}"
            raise _mistake(source, place, f"{name} {format_eui(party)} {found}", expected)


def _check_lists(estate: Estate, source: str) -> None:
    check_registrations(estate, source)
    seen = set()
    for row in estate.cpl:
        where = f"cpl {row.device_type} {row.manufacturer}/{row.model} {row.firmware_version}"
        key = (row.device_type, row.manufacturer, row.model, row.firmware_version)
        if key in seen:
            raise _mistake(source, where, "the product is listed twice", "every type, manufacturer, model and version once")
        seen.add(key)
        if row.smets_version and len(row.smets_version) > 20:
            raise _mistake(source, where, f"smets_version is {row.smets_version!r}", "at most 20 characters")
