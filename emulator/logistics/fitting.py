"""What is fitted into homes: devices as the inventory has them, and hubs in the place of others."""

from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.dsp.context import Context
from emulator.dsp.inventory import recorded, set_status
from emulator.dsp.state import InventoryEntry, Premises
from emulator.estate.model import DeviceDefinition, Home
from emulator.logistics.tables import Variant

HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")


def definition_of(entry: InventoryEntry, hub: Eui64, supplier: Eui64 | None, version: str = "") -> DeviceDefinition:
    """A device as 12.2 made it known, in the home of a hub; it runs ``version``, or what the inventory has."""
    version = version or entry.firmware_version or "00000000"
    return DeviceDefinition(
        eui=entry.eui,
        device_type=entry.device_type,
        hub=hub,
        manufacturer=entry.manufacturer,
        model=entry.model,
        hardware_version=0x0101,
        # The versions of Type 2 devices are free text, which nothing runs.
        firmware_version=version if len(version) == 8 and set(version) <= HEX_DIGITS else "00000000",
        smets_version=entry.smets_version,
        gbcs_version=entry.gbcs_version,
        status=entry.status,
        esme_variant=entry.esme_variant,
        supplier=supplier,
    )


def replace_hub(
    context: Context,
    entry: InventoryEntry,
    place: Premises,
    supplier: Eui64 | None,
    version: str = "",
    variant: Variant | None = None,
) -> None:
    """Put a pre-notified hub with its GPF where another stands, which loses its power; the new one is on the WAN at once, and so
    Commissioned (duis.md 7.7, medium). Its device log is empty until 8.12.1 or 8.11 fills it.

    ``variant`` says what it is, where that is known; else it is like the old one. Raise :class:`Malformed` when it stands
    somewhere already, or cannot be reached where the old one is.
    """
    old = next((each for each in context.lookup.on_hub(place.hub) if each.device_type is DeviceType.GPF), None)
    trusted = supplier or (None if old is None else old.supplier)
    technology = context.csp.state.hubs[place.hub].technology
    operator = None if old is None else old.network_operator
    new = replace(place, hub=entry.eui)
    hub_variant = ""
    if variant is not None:
        new.han_variant, technology, hub_variant = variant.han_variant, variant.technology, variant.hub_variant
    put_up(context, entry, new, technology, trusted, operator, version=version, hub_variant=hub_variant)
    context.csp.premises.power(place.hub, False, context.now_ms)


def check_free(context: Context, entry: InventoryEntry) -> None:
    """Raise :class:`Malformed` for a hub that stands somewhere already, or without its GPF."""
    if entry.eui in context.state.premises or entry.associated_gpf is None:
        raise Malformed(f"{format_eui(entry.eui)} stands somewhere already", where="device", expected="a hub notified by 12.2")


def put_up(
    context: Context,
    entry: InventoryEntry,
    place: Premises,
    technology: str,
    supplier: Eui64 | None,
    network_operator: Eui64 | None = None,
    *,
    version: str = "",
    hub_variant: str = "",
) -> None:
    """Begin a home with a pre-notified hub and its GPF. What the hub runs is ``version``, or what the inventory has.

    A hub that comes onto the WAN is Commissioned with that (duis.md 7.7, medium); one that does not stays as it was until 8.14.2
    or 8.4 says that it is installed.
    """
    check_free(context, entry)
    assert entry.associated_gpf is not None
    gpf = context.state.inventory[entry.associated_gpf]
    devices = tuple(
        replace(
            definition_of(each, entry.eui, supplier if each is gpf else None, version),
            network_operator=network_operator if each is gpf else None,
        )
        for each in (entry, gpf)
    )
    home = Home(
        name=format_eui(entry.eui),
        region=place.region,
        hub=entry.eui,
        devices=devices,
        uprn=place.uprn,
        post_code=place.post_code,
        address_identifier=place.address_identifier,
        han_variant=place.han_variant,
        connectivity=place.connectivity,
        wan_technology=technology,
        hub_variant=hub_variant,
    )
    context.csp.premises.add_home(home, context.now_ms)
    context.csp.add_hub(entry.eui, technology, place.region)
    context.lookup.add_premises(place)
    gpf.supplier, gpf.network_operator = supplier, network_operator
    with recorded(context, entry.eui), recorded(context, gpf.eui):
        if context.csp.seen(entry.eui, context.now_ms):
            set_status(context, entry, DeviceStatus.COMMISSIONED)
        set_status(context, gpf, DeviceStatus.INSTALLED_NOT_COMMISSIONED)
