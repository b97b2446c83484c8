"""Estates of any size: homes with a hub and one device each, all of one supplier."""

from dataclasses import replace

from emulator.controls import ControlledEngine
from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.engine import new_state
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import Estate, Home, Registration
from emulator.keyring import KeyRing
from emulator.views import Views
from emulator.world import World, key_store

FIRST = 0x00DB_2000_0000_0000


def large_estate(homes: int, kind: DeviceType = DeviceType.ESME, other_supplier: str = "") -> Estate:
    """The default estate with ``homes`` more homes; device *n* of the given type is :func:`large_device`.

    ``other_supplier`` is registered for a secondary MPAN of each electricity meter.
    """
    base = load_estate(default_estate_toml())
    home = base.homes[1]
    templates = {device.device_type: device for device in home.devices}
    more, registrations = [], []
    for number in range(homes):
        hub, eui, mpxn = Eui64(FIRST + 4 * number), large_device(number), f"20{number:011d}"
        meter = Eui64(eui) if kind in (DeviceType.ESME, DeviceType.GSME) else Eui64(FIRST + 4 * number + 2)
        second = f"21{number:011d}" if other_supplier else ""
        devices = [
            replace(templates[DeviceType.CHF], eui=hub, hub=hub),
            replace(
                templates[DeviceType.ESME], eui=meter, hub=hub, import_mpxn=mpxn, export_mpan="", secondary_import_mpan=second
            ),
        ]
        if kind is DeviceType.PPMID:
            devices.append(replace(templates[kind], eui=eui, hub=hub, joined_to=(meter,)))
        more.append(Home(f"home {number}", home.region, hub, tuple(devices), wan_technology="cellular"))
        registrations.append(Registration(mpxn, UserRole.IS, "supplier-one", 0))
        if other_supplier:
            registrations.append(Registration(second, UserRole.IS, other_supplier, 0))
    return replace(base, homes=(*base.homes, *more), registrations=(*base.registrations, *registrations))


def large_device(number: int) -> Eui64:
    """EUI of the device to update in the home of this number."""
    return Eui64(FIRST + 4 * number + 1)


def large_world(homes: int, kind: DeviceType = DeviceType.ESME, other_supplier: str = "") -> World:
    """A world over :func:`large_estate`."""
    estate = large_estate(homes, kind, other_supplier)
    keys = key_store(estate)
    engine = ControlledEngine(new_state(estate), KeyRing(keys, [party.eui for party in estate.parties]))
    return World("large", estate, keys, engine, Views(engine))
