"""Who is responsible for a device at an instant (source: reference ota/access.md section 3)."""

from collections.abc import Iterator

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.state import DspState, InventoryEntry, User

_METER_ROLES: dict[DeviceType, tuple[tuple[str, tuple[UserRole, ...]], ...]] = {
    DeviceType.ESME: (
        ("import_mpxn", (UserRole.IS, UserRole.ED, UserRole.RSA)),
        ("secondary_import_mpan", (UserRole.IS, UserRole.ED, UserRole.RSA)),
        ("export_mpan", (UserRole.ES, UserRole.ED)),
    ),
    DeviceType.GSME: (("import_mpxn", (UserRole.GS, UserRole.GT, UserRole.RSA)),),
}
"""MPxNs of a meter and the roles whose registration for that MPxN makes a party responsible."""

_SHARED_ROLES: dict[DeviceType, tuple[UserRole, ...]] = {
    DeviceType.CHF: (UserRole.IS, UserRole.GS, UserRole.RSA, UserRole.ED, UserRole.GT, UserRole.ES),
    DeviceType.GPF: (UserRole.GS, UserRole.GT, UserRole.RSA),
    DeviceType.PPMID: (UserRole.IS, UserRole.GS, UserRole.RSA),
    DeviceType.HCALCS: (UserRole.IS, UserRole.RSA),
    DeviceType.IHD: (UserRole.IS, UserRole.GS),
    DeviceType.CAD: (UserRole.IS, UserRole.GS),
}
"""Devices without an MPxN of their own take responsibility from the meters they belong to."""


def meters_of(state: DspState, device: InventoryEntry) -> Iterator[InventoryEntry]:
    """The meters through which a device without MPxN belongs to somebody."""
    if device.device_type in _METER_ROLES:
        yield device
        return
    joined = [state.inventory[eui] for eui in device.joined_to if eui in state.inventory]
    in_home = [entry for entry in state.inventory.values() if entry.hub is not None and entry.hub == device.hub]
    if device.device_type is DeviceType.HCALCS:
        wanted = {DeviceType.ESME}
    elif device.device_type is DeviceType.GPF:
        wanted = {DeviceType.GSME}
    else:
        wanted = {DeviceType.ESME, DeviceType.GSME}
    # A hub or GPF serves the whole home; a PPMID or HCALCS only what it is joined to, and before it is joined, its home.
    shared_by_home = device.device_type in (DeviceType.CHF, DeviceType.GPF) or not joined
    for entry in in_home if shared_by_home else joined:
        if entry.device_type in wanted:
            yield entry


def registered(state: DspState, mpxn: str, role: UserRole, party: str, at_ms: int) -> bool:
    """Whether the party holds this role for the MPxN at that instant."""
    return any(
        entry.mpxn == mpxn
        and entry.role is role
        and entry.party == party
        and entry.from_ms <= at_ms
        and (entry.to_ms is None or at_ms < entry.to_ms)
        for entry in state.registrations
    )


def responsible(state: DspState, user: User, role: UserRole, device: InventoryEntry, at_ms: int) -> bool:
    """Whether the user, acting in this role, may act on the device at that instant.

    Other Users are not checked against registration (duis.md 3.1, E4 exceptions).
    """
    if role is UserRole.OU:
        return True
    shared = _SHARED_ROLES.get(device.device_type)
    if shared is not None and role not in shared:
        return False
    meters = list(meters_of(state, device))
    if not meters and device.device_type in (DeviceType.CHF, DeviceType.GPF):
        # A hub without meters belongs to nobody yet: the supplier that installs it acts on it first (our decision).
        return role in (UserRole.IS, UserRole.GS)
    for meter in meters:
        for field, roles in _METER_ROLES[meter.device_type]:
            mpxn = getattr(meter, field)
            if mpxn and role in roles and registered(state, mpxn, role, user.party, at_ms):
                return True
    return False


def responsible_suppliers(state: DspState, device: InventoryEntry, at_ms: int) -> list[Eui64]:
    """User IDs of the import and gas suppliers responsible for the device, in the order of their EUIs."""
    found = [
        user.eui
        for user in state.users.values()
        if any(role in user.roles and responsible(state, user, role, device, at_ms) for role in (UserRole.IS, UserRole.GS))
    ]
    return sorted(found)


def network_operators(state: DspState, device: InventoryEntry, at_ms: int) -> list[Eui64]:
    """User IDs of the distributor or transporter for the device, in the order of their EUIs."""
    return sorted(
        user.eui
        for user in state.users.values()
        if any(role in user.roles and responsible(state, user, role, device, at_ms) for role in (UserRole.ED, UserRole.GT))
    )
