"""How homes come about: hubs and devices from the declared estate, and devices fitted or taken away later."""

from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus, RemotePartyRole
from emulator.estate.model import DeviceDefinition, Estate, Home
from emulator.premises import han, type_two
from emulator.premises.context import Context
from emulator.premises.credential_updates import supplier_replaced
from emulator.premises.credentials import forget
from emulator.premises.hub import UNKNOWN_DEVICE, UNKNOWN_HUB
from emulator.premises.state import DeviceState, HubState, LogEntry

JOINED = frozenset(
    (
        DeviceStatus.INSTALLED_NOT_COMMISSIONED,
        DeviceStatus.COMMISSIONED,
        DeviceStatus.SUSPENDED,
        DeviceStatus.RECOVERY,
        DeviceStatus.RECOVERED,
    )
)
"""Inventory statuses of devices that are on the HAN (duis.md 7.7); type 2 devices without status are taken to be."""


def fill(context: Context, estate: Estate) -> None:
    """Build all homes of the estate."""
    broker = next(
        (party.eui for party in estate.parties if party.remote_party_role is RemotePartyRole.ACCESS_CONTROL_BROKER),
        ACCESS_CONTROL_BROKER,
    )
    for home in estate.homes:
        context.state.hubs[home.hub] = HubState(home.hub)
        context.rows.add_hub(home)
        for definition in home.devices:
            place(context, definition, broker, alt_han=home.alt_han)
    for device in context.state.devices.values():
        for eui in device.definition.joined_to:
            other = context.state.devices[eui]
            device.joined_to[eui] = other.device_type
            other.joined_to[device.eui] = device.device_type


def place(context: Context, definition: DeviceDefinition, broker: int, *, alt_han: bool = False) -> DeviceState:
    """Put one device into its home, with the credentials that its definition names."""
    home = context.state.hubs[definition.hub]
    credentials = {int(RemotePartyRole.ACCESS_CONTROL_BROKER): int(broker)}
    for role, party in (
        (RemotePartyRole.SUPPLIER, definition.supplier),
        (RemotePartyRole.NETWORK_OPERATOR, definition.network_operator),
    ):
        if party is not None:
            credentials[int(role)] = int(party)
    in_hub = definition.device_type in han.IN_HUB
    joined = in_hub or definition.status is None or definition.status in JOINED
    device = DeviceState(definition, credentials)
    context.state.devices[definition.eui] = device
    context.rows.add_device(definition, joined=joined, alt_han=alt_han)
    home.devices.append(definition.eui)
    if not in_hub and (joined or definition.status is DeviceStatus.WHITELISTED):
        home.device_log.append(LogEntry(definition.eui, 0, joined))
    type_two.begin_to_ask(context, device)
    return device


def begin_home(context: Context, home: Home) -> None:
    """A further home, with the devices that it is declared with; raise :class:`Malformed` when its hub is there already."""
    if home.hub in context.state.hubs:
        raise Malformed(f"there is a hub {format_eui(home.hub)} already", where="hub", expected="a new EUI")
    context.rows.add_hub(home)
    context.state.hubs[home.hub] = HubState(home.hub)
    for definition in home.devices:
        add(context, definition)


def add(context: Context, definition: DeviceDefinition) -> None:
    """Fit a device; raise :class:`Malformed` when its EUI is taken or its home does not exist."""
    if definition.eui in context.state.devices:
        raise Malformed(f"there is a device {format_eui(definition.eui)} already", where="eui", expected="a new EUI")
    if definition.hub not in context.state.hubs:
        raise Malformed(f"there is no hub {format_eui(definition.hub)}", where="hub", expected="the EUI of a fitted hub")
    brokers = (device.credentials[RemotePartyRole.ACCESS_CONTROL_BROKER] for device in context.state.devices.values())
    device = place(context, definition, next(brokers, ACCESS_CONTROL_BROKER))
    for eui in definition.joined_to:
        other = context.state.devices.get(eui)
        if other is not None:
            device.joined_to[eui] = other.device_type
    context.note(device, "is fitted")


def move(context: Context, device: DeviceState, hub: int, now_ms: int) -> None:
    """A device goes on in the HAN of the hub that replaced its own; what lay there for it is lost."""
    old, new = context.hub_of(device), context.state.hubs[hub]
    running = context.rows.running_version(device.eui)
    for order in context.rows.state.moving.get(device.eui, ()):
        context.agenda.schedule(now_ms, "csp.delivered", device.eui, order, UNKNOWN_HUB)
    context.rows.remove_device(device.eui, hub_stays=False)
    old.devices.remove(device.eui)
    device.definition = replace(device.definition, hub=Eui64(hub))
    context.rows.add_device(device.definition, joined=True, alt_han=False)
    context.rows.set_running(device.eui, running)
    new.devices.append(device.eui)
    device.waiting.clear()
    context.note(device, f"goes on in the HAN of {format_eui(hub)}")


def remove(context: Context, eui: int, now_ms: int) -> bool:
    """Take a device away, a hub with its whole home; the hub's log and images stay until they expire."""
    device = context.state.devices.get(eui)
    if device is None:
        return False
    home = context.hub_of(device)
    gone = list(home.devices) if eui == home.eui else [eui]
    for other in gone:
        context.note(context.state.devices[other], "is taken away")
        for order in context.rows.state.moving.get(other, ()):
            reason = UNKNOWN_DEVICE if eui != home.eui else UNKNOWN_HUB
            context.agenda.schedule(now_ms, "csp.delivered", other, order, reason)
        context.rows.remove_device(other, hub_stays=eui != home.eui)
        del context.state.devices[other]
        home.devices.remove(other)
    if eui == home.eui:
        context.rows.remove_hub(eui)
        del context.state.hubs[eui]
    return True


def set_credential(context: Context, eui: int, role: int, party: Eui64) -> bool:
    """Let a device hold the certificates of another party in ``role``."""
    device = context.state.devices.get(eui)
    if device is None:
        return False
    before = device.credentials.get(role)
    device.credentials[role] = party
    forget(device, role)
    if role == RemotePartyRole.SUPPLIER:
        supplier_replaced(context, device, before)
    context.note(device, f"trusts {format_eui(party)} as {RemotePartyRole(role).name}")
    return True
