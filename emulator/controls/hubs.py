"""What is fitted into homes: devices as the inventory has them, and hubs in the place of others."""

from dataclasses import replace

from emulator.controls.params import HEX_DIGITS
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.dsp.inventory import recorded, set_status
from emulator.dsp.state import InventoryEntry, Premises
from emulator.engine import Engine
from emulator.estate.model import DeviceDefinition, Home


def definition_of(entry: InventoryEntry, hub: Eui64, supplier: Eui64 | None) -> DeviceDefinition:
    """A device as 12.2 made it known, in the home of a hub."""
    version = entry.firmware_version or "00000000"
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


def replace_hub(engine: Engine, entry: InventoryEntry, place: Premises, supplier: Eui64 | None) -> None:
    """Put a pre-notified hub with its GPF where another stands, which loses its power; the new one is on the WAN at once, and so
    Commissioned (duis.md 7.7, medium). Its device log is empty until 8.12.1 or 8.11 fills it.

    Raise :class:`Malformed` when it stands somewhere already.
    """
    state, context = engine.state, engine.context
    if entry.eui in state.dsp.premises or entry.associated_gpf is None:
        raise Malformed(f"{format_eui(entry.eui)} stands somewhere already", where="device", expected="a hub notified by 12.2")
    gpf = state.dsp.inventory[entry.associated_gpf]
    old = next((each for each in context.lookup.on_hub(place.hub) if each.device_type is DeviceType.GPF), None)
    trusted = supplier or (None if old is None else old.supplier)
    devices = tuple(
        replace(
            definition_of(each, entry.eui, trusted if each is gpf else None),
            network_operator=None if old is None or each is not gpf else old.network_operator,
        )
        for each in (entry, gpf)
    )
    technology = state.csp.hubs[place.hub].technology
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
    )
    engine.premises.add_home(home, engine.now_ms)
    engine.csp.add_hub(entry.eui, technology, place.region)
    context.lookup.add_premises(replace(place, hub=entry.eui))
    engine.premises.power(place.hub, False, engine.now_ms)
    gpf.supplier, gpf.network_operator = trusted, devices[1].network_operator
    with recorded(context, entry.eui), recorded(context, gpf.eui):
        set_status(context, entry, DeviceStatus.COMMISSIONED)
        set_status(context, gpf, DeviceStatus.INSTALLED_NOT_COMMISSIONED)
