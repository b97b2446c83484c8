"""What can be told about hubs, devices and users to whoever selects some: how they really are, and what the inventory adds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from emulator.csp.state import CspState
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.dsp.state import DspState, Premises
from emulator.estate.model import Estate
from emulator.premises.rows import Rows
from emulator.premises.state import DeviceState, PremisesState
from emulator.simulation.faults import FACTS, KINDS, Facts, FaultEntry, Subject, check_selects

Texts = tuple[str, ...]


class Entities:
    """The hubs, devices and users of a world, by the facts of :data:`emulator.simulation.faults.FACTS`."""

    def __init__(self, estate: Estate, premises: PremisesState, csp: CspState, dsp: DspState, rows: Rows) -> None:
        self.premises = premises
        self.csp = csp
        self.dsp = dsp
        self.rows = rows
        self._parties: Mapping[int, Texts] = {
            party.eui: (format_eui(party.eui), party.party, party.name) for party in estate.parties
        }

    def population(self, subject: Subject) -> Iterator[int]:
        """The EUIs of all hubs, of all devices or of all users."""
        if subject is Subject.USER:
            return iter(self.dsp.users)
        return iter(self.premises.hubs if subject is Subject.HUB else self.premises.devices)

    def check(self, entry: FaultEntry) -> None:
        """Raise :class:`Malformed` with the remedy when a fault names or selects what is not there."""
        subject = KINDS[entry.kind].subject
        named = [entry.entity] if entry.entity is not None else sorted(entry.devices)
        for eui in named:
            self._check_named(eui, subject, entry.kind)
        if not named:
            check_selects(entry.who, subject, self.population(subject), self.facts)

    def _check_named(self, eui: int, subject: Subject, kind: str) -> None:
        if subject is Subject.USER:
            if eui not in self.dsp.users:
                raise Malformed(f"{format_eui(eui)} is no user", where="device", expected="the EUI of a user of the estate")
            return
        device = self.premises.devices.get(eui)
        if device is None:
            expected = f"the EUI of a {subject} of the estate"
            raise Malformed(f"{format_eui(eui)} is in no home", where="device", expected=expected)
        if subject is Subject.HUB and device.eui != device.hub:
            detail = f"{kind} hits hubs, and {format_eui(eui)} is of type {device.device_type}"
            raise Malformed(detail, where="device", expected=f"its hub, {format_eui(device.hub)}")

    def facts(self, entity: int) -> Facts:
        """What can be told about one; each fact is looked up when it is asked for."""
        device = self.premises.devices.get(entity)
        return self._user_facts(entity) if device is None else _EntityFacts(self, device)

    def _user_facts(self, entity: int) -> Facts:
        user = self.dsp.users.get(Eui64(entity))
        if user is None:
            return {}
        eui = format_eui(entity)
        return {"eui": (eui,), "role": tuple(user.roles), "user": (eui, user.party, user.name)}

    def suppliers(self, device: DeviceState) -> Texts:
        """Whose certificates a device holds as its supplier's; for a hub those of its home."""
        home = self.premises.hubs[device.hub].devices if device.eui == device.hub else (device.eui,)
        holders = (self.premises.devices[eui].credentials.get(RemotePartyRole.SUPPLIER) for eui in home)
        euis = dict.fromkeys(eui for eui in holders if eui is not None)
        return tuple(text for eui in euis for text in self._parties.get(eui, (format_eui(eui),)))


@dataclass(frozen=True, slots=True)
class _EntityFacts(Mapping[str, Texts]):
    """Looks up what is asked for."""

    entities: Entities
    device: DeviceState

    def __getitem__(self, name: str) -> Texts:
        return tuple(text for text in _FACTS[name](self.entities, self.device) if text)

    def __iter__(self) -> Iterator[str]:
        return iter(_FACTS)

    def __len__(self) -> int:
        return len(_FACTS)


def _home(entities: Entities, device: DeviceState) -> Premises | None:
    return entities.dsp.premises.get(Eui64(device.hub))


def _wan(entities: Entities, device: DeviceState, name: str) -> Texts:
    way = entities.csp.hubs.get(device.hub)
    return () if way is None else (str(getattr(way, name)),)


def _inventoried(entities: Entities, device: DeviceState, name: str) -> Texts:
    home = _home(entities, device)
    return () if home is None else (str(getattr(home, name)),)


_FACTS: Mapping[str, Callable[[Entities, DeviceState], Texts]] = {
    "eui": lambda entities, device: (format_eui(device.eui),),
    "hub": lambda entities, device: (format_eui(device.hub),),
    "type": lambda entities, device: (DeviceType(device.device_type).value,),
    "manufacturer": lambda entities, device: (device.definition.manufacturer,),
    "model": lambda entities, device: (device.definition.model,),
    "region": lambda entities, device: _wan(entities, device, "region"),
    "technology": lambda entities, device: _wan(entities, device, "technology"),
    "hub_variant": lambda entities, device: _inventoried(entities, device, "han_variant"),
    "connectivity": lambda entities, device: _inventoried(entities, device, "connectivity"),
    "firmware_version": lambda entities, device: (f"{entities.rows.running_version(device.eui):08X}",),
    "supplier": Entities.suppliers,
    "role": lambda entities, device: (),
    "user": lambda entities, device: (),
}

assert set(_FACTS) == set(FACTS), "every fact that a selector may use is told"
