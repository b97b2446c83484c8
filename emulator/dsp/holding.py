"""Who holds devices at one instant, asked about many of them at once: a firmware request may name 50,000.

The answers are those of :mod:`emulator.dsp.registration`. For meters they come from registration data that is looked up for all
of them in a few passes.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.context import Context
from emulator.dsp.registration import METER_ROLES, METERS, SUPPLIERS, other_parties, responsible, responsible_suppliers
from emulator.dsp.state import InventoryEntry, User


class _Held(dict[str, int | None]):
    """Which party holds one role at an instant, by MPxN; what was not looked up beforehand is when it is asked for."""

    def __init__(self, context: Context, role: UserRole, at_ms: int) -> None:
        super().__init__()
        self._context = context
        self.role = role
        self._at_ms = at_ms

    def look_up(self, mpxns: Sequence[str]) -> None:
        """Ask about many at once."""
        self.update(zip(mpxns, self._context.state.registrations.parties_for(mpxns, self.role, self._at_ms), strict=True))

    def __missing__(self, mpxn: str) -> int | None:
        found = self[mpxn] = self._context.state.registrations.party_for(mpxn, self.role, self._at_ms)
        return found


_Claim = tuple[Callable[[InventoryEntry], str], _Held]
"""An MPxN of a meter, and who holds the role in question for that."""


class Holding:
    """What a user holds at an instant in some roles, and who else does."""

    def __init__(self, context: Context, user: User, roles: Sequence[UserRole], at_ms: int) -> None:
        """Nothing is looked up yet."""
        self._context = context
        self._user = user
        self._roles = roles
        self._at_ms = at_ms
        self._party = context.state.registrations.party_number(user.party)
        held = {role: _Held(context, role, at_ms) for role in (*roles, *SUPPLIERS)}
        self._asked = self._claims(held)
        self._own = self._claims({role: held[role] for role in roles})
        self._supplied = self._claims({role: held[role] for role in SUPPLIERS})
        self._unchecked = bool(roles) and (UserRole.OU in roles or not context.settings.check_responsibility)

    def _claims(self, held: dict[UserRole, _Held]) -> tuple[list[_Claim], list[_Claim]]:
        """Those of electricity meters and those of gas meters."""
        electricity: list[_Claim] = []
        gas: list[_Claim] = []
        for meter, claims in ((DeviceType.ESME, electricity), (DeviceType.GSME, gas)):
            for name, possible in METER_ROLES[meter]:
                claims += [(attrgetter(name), held[role]) for role in possible if role in held]
        return electricity, gas

    def look_up(self, devices: Iterable[InventoryEntry]) -> None:
        """Look up what will be asked about these devices."""
        found = list(devices)
        for meter, claims in zip((DeviceType.ESME, DeviceType.GSME), self._asked, strict=True):
            meters = [device for device in found if device.device_type is meter]
            for mpxn_of, held in claims if meters else ():
                held.look_up([mpxn for device in meters if (mpxn := mpxn_of(device))])

    def entitled(self, device: InventoryEntry) -> bool:
        """Whether the user may act on a device in one of the roles (:func:`emulator.dsp.registration.responsible`)."""
        if self._unchecked:
            return True
        kind = device.device_type
        if kind not in METERS:
            return any(responsible(self._context, self._user, role, device, self._at_ms) for role in self._roles)
        party = self._party
        for mpxn_of, held in self._own[kind is DeviceType.GSME]:
            if (mpxn := mpxn_of(device)) and party is not None and held[mpxn] == party:
                return True
        return False

    def other_suppliers(self, device: InventoryEntry) -> Iterable[Eui64]:
        """User IDs of the responsible suppliers of other companies than the user's, by EUI."""
        kind = device.device_type
        if kind not in METERS:
            suppliers = responsible_suppliers(self._context, device, self._at_ms)
            return other_parties(self._context, suppliers, self._user.eui)
        found: set[tuple[int, UserRole]] | None = None
        for mpxn_of, held in self._supplied[kind is DeviceType.GSME]:
            if (mpxn := mpxn_of(device)) and (party := held[mpxn]) is not None and party != self._party:
                found = found or set()
                found.add((party, held.role))
        return () if found is None else self._users_of(found)

    def _users_of(self, parties: Iterable[tuple[int, UserRole]]) -> list[Eui64]:
        names, users_of = self._context.state.registrations.parties, self._context.lookup.users_of
        return sorted({user.eui for party, role in parties for user in users_of(names[party]) if role in user.roles})
