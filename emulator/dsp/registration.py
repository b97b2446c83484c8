"""Who is responsible for a device at an instant (source: reference ota/access.md section 3).

A device belongs to somebody through *claims*: pairs of an MPxN and a role whose registration decides.
"""

from collections.abc import Iterable, Iterator

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.state import InventoryEntry, User

METERS = (DeviceType.ESME, DeviceType.GSME)
SUPPLIERS = (UserRole.IS, UserRole.GS)
"""Roles of the responsible suppliers."""

METER_ROLES: dict[DeviceType, tuple[tuple[str, tuple[UserRole, ...]], ...]] = {
    DeviceType.ESME: (
        ("import_mpxn", (UserRole.IS, UserRole.ED, UserRole.RSA)),
        ("secondary_import_mpan", (UserRole.IS, UserRole.ED, UserRole.RSA)),
        ("export_mpan", (UserRole.ES, UserRole.ED)),
    ),
    DeviceType.GSME: (("import_mpxn", (UserRole.GS, UserRole.GT, UserRole.RSA)),),
}
"""MPxNs of a meter and the roles whose registration for that MPxN makes a party responsible."""

_ROLES: dict[DeviceType, tuple[UserRole, ...]] = {
    **{meter: tuple({role: None for _, roles in claims for role in roles}) for meter, claims in METER_ROLES.items()},
    DeviceType.CHF: (UserRole.IS, UserRole.GS, UserRole.RSA, UserRole.ED, UserRole.GT, UserRole.ES),
    DeviceType.GPF: (UserRole.GS, UserRole.GT, UserRole.RSA),
    DeviceType.PPMID: (UserRole.IS, UserRole.GS, UserRole.RSA),
    DeviceType.HCALCS: (UserRole.IS, UserRole.RSA),
    DeviceType.IHD: (UserRole.IS, UserRole.GS),
    DeviceType.CAD: (UserRole.IS, UserRole.GS),
}
"""Roles in which parties belong to a device; one without an MPxN of its own belongs to them through the meters it belongs to."""

Claim = tuple[str, UserRole]


def meters_of(context: Context, device: InventoryEntry) -> list[InventoryEntry]:
    """The meters through which a device belongs to somebody; a meter is its own.

    A hub and a GPF serve the whole home, the GPF its gas meters alone. A PPMID or HCALCS belongs to what it is joined with,
    where a GPF stands for the gas meters of its home, and to its home while it is joined with no meter.
    """
    if device.device_type in METERS:
        return [device]
    wanted = _meter_types(context, device)
    in_home = [entry for entry in context.lookup.on_hub(device.hub) if entry.device_type in wanted]
    if device.device_type in (DeviceType.CHF, DeviceType.GPF):
        return in_home
    joined = {eui: context.state.inventory[eui] for eui in device.joined_to if eui in context.state.inventory}
    through_gpf = any(entry.device_type is DeviceType.GPF for entry in joined.values())
    if through_gpf:
        joined |= {entry.eui: entry for entry in in_home if entry.device_type is DeviceType.GSME}
    return [entry for entry in joined.values() if entry.device_type in wanted] or in_home


def _meter_types(context: Context, device: InventoryEntry) -> tuple[DeviceType, ...]:
    if device.device_type is DeviceType.GPF:
        return (DeviceType.GSME,)
    if device.device_type is DeviceType.HCALCS and context.settings.hcalcs_responsible == "esme":
        return (DeviceType.ESME,)
    return METERS


def _roles(context: Context, device: InventoryEntry) -> tuple[UserRole, ...]:
    """Roles in which parties can belong to a device."""
    if device.device_type is DeviceType.HCALCS and context.settings.hcalcs_responsible == "meters":
        return _ROLES[DeviceType.PPMID]
    return _ROLES[device.device_type]


def claims(context: Context, device: InventoryEntry) -> Iterator[Claim]:
    """The MPxNs and roles through which parties belong to a device."""
    possible = _roles(context, device)
    for meter in meters_of(context, device):
        for field, roles in METER_ROLES[meter.device_type]:
            mpxn = getattr(meter, field)
            for role in roles:
                if mpxn and role in possible:
                    yield mpxn, role


def registered(context: Context, mpxn: str, role: UserRole, party: str, at_ms: int) -> bool:
    """Whether the party holds this role for the MPxN at that instant."""
    store = context.state.registrations
    return store.registered(mpxn, role, store.party_number(party), at_ms)


def registered_party(context: Context, mpxn: str, role: UserRole, at_ms: int) -> str | None:
    """The party that holds this role for the MPxN at that instant, or None."""
    store = context.state.registrations
    number = store.party_for(mpxn, role, at_ms)
    return None if number is None else store.parties[number]


def lost_since(context: Context, mpxn: str, roles: Iterable[UserRole], party: str, since_ms: int) -> bool:
    """Whether the party ceased to hold one of the roles for the MPxN after an instant and until now."""
    changes = context.state.registrations.changes(since_ms, context.now_ms, (mpxn,))
    return any(change.before == party and change.role in roles for change in changes)


def responsible(context: Context, user: User, role: UserRole, device: InventoryEntry, at_ms: int) -> bool:
    """Whether the user, acting in this role, may act on the device at that instant.

    Other Users are not checked against registration (duis.md 3.1, E4 exceptions).
    """
    if role is UserRole.OU or not context.settings.check_responsibility:
        return True
    if device.hub in context.state.test_hubs:
        # What stands in a triage facility has no registration: who runs the facility acts on it (ota.md 10, T-08).
        return context.state.test_hubs[device.hub] == user.party and role in _roles(context, device)
    if device.device_type is DeviceType.CHF and not meters_of(context, device):
        # A hub without meters belongs to nobody yet: the supplier that installs it acts on it first (our decision).
        return role in SUPPLIERS
    if device.device_type not in METERS and role not in _roles(context, device):
        return False
    store = context.state.registrations
    party = store.party_number(user.party)
    for meter in meters_of(context, device):
        for field, roles in METER_ROLES[meter.device_type]:
            if role in roles and (mpxn := getattr(meter, field)) and store.registered(mpxn, role, party, at_ms):
                return True
    return False


def holders(context: Context, device: InventoryEntry, roles: Iterable[UserRole], at_ms: int) -> list[Eui64]:
    """User IDs of the parties that hold one of the roles for the device, by EUI; all of a party that may act in that role."""
    found = {
        user.eui
        for mpxn, role in claims(context, device)
        if role in roles
        if (party := registered_party(context, mpxn, role, at_ms)) is not None
        for user in context.lookup.users_of(party)
        if role in user.roles
    }
    return sorted(found)


def supplier_parties(context: Context, device: InventoryEntry, at_ms: int) -> list[str]:
    """Companies registered as import or gas supplier of the device, each once, in the order of its claims."""
    found = {registered_party(context, mpxn, role, at_ms): None for mpxn, role in claims(context, device) if role in SUPPLIERS}
    return [party for party in found if party is not None]


def responsible_suppliers(context: Context, device: InventoryEntry, at_ms: int) -> list[Eui64]:
    """User IDs of the import and gas suppliers responsible for the device, by EUI."""
    return holders(context, device, SUPPLIERS, at_ms)


def other_parties(context: Context, users: Iterable[Eui64], acting: Eui64) -> list[Eui64]:
    """The users that belong to another company than the acting one: a company need not be told what it does itself."""
    party = context.state.users[acting].party
    return [user for user in users if context.state.users[user].party != party]
