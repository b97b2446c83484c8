"""The façade of one world: inputs in, time forward, effects out.

The engine is pure: no socket, thread, clock or global chance. The same inputs at the same simulated times with the same
seed give the same answers and effects, on any machine and however :meth:`Engine.advance` is sliced.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emulator.csp.csp import Csp
from emulator.csp.network import open_rows
from emulator.csp.pools import change_pools
from emulator.csp.regions import CspSettings
from emulator.csp.state import CspState
from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import Eui64
from emulator.domain.settings import read_settings
from emulator.domain.tables import CheckCodes
from emulator.domain.vocabulary import DeviceType
from emulator.dsp import smki
from emulator.dsp.anomaly import Threshold, put_threshold, read_thresholds
from emulator.dsp.context import Context, PartyKeys
from emulator.dsp.dsp import Dsp
from emulator.dsp.effects import Answer, Effect
from emulator.dsp.entities import Entities
from emulator.dsp.inputs import DuisInput
from emulator.dsp.lifecycle import await_registrations
from emulator.dsp.settings import DspSettings
from emulator.dsp.state import DspState, InventoryEntry, User
from emulator.dsp.state import Premises as PremisesRecord
from emulator.dsp.upgrade_paths import UpgradePath, put_path, read_paths
from emulator.estate import snapshot
from emulator.estate.model import DeviceDefinition, Estate
from emulator.estate.registration_base import new_registrations, registration_base
from emulator.estate.registration_columns import RegistrationColumns
from emulator.logistics.logistics import Logistics
from emulator.logistics.settings import LogisticsSettings
from emulator.logistics.state import LogisticsState
from emulator.premises.premises import DeviceKeys, Premises
from emulator.premises.settings import HanSettings
from emulator.premises.state import PremisesState
from emulator.simulation.agenda import Agenda
from emulator.simulation.faults import FaultPlan, FaultState

STATE_FORMAT = 2
"""Raised when a snapshot of an older engine can no longer be read as it is. 2: images are in the columns of the fan-out core."""


@dataclass(slots=True)
class EngineState:
    """All that a world remembers: what a snapshot holds."""

    format: int
    estate: Estate
    now_ms: int
    agenda: Agenda = field(default_factory=Agenda)
    dsp: DspState = field(default_factory=DspState)
    csp: CspState = field(default_factory=CspState)
    premises: PremisesState = field(default_factory=PremisesState)
    faults: FaultState = field(default_factory=FaultState)
    numbers: dict[str, int] = field(default_factory=dict)
    logistics: LogisticsState = field(default_factory=LogisticsState)


class Keys(PartyKeys, DeviceKeys):
    """What the engine asks of a world's keys."""


class Engine:
    """One isolated emulated GB. The caller gives inputs their order and their simulated time."""

    def __init__(self, state: EngineState, keys: Keys) -> None:
        """Put behaviour over a state, new (:func:`new_state`) or restored."""
        self.state = state
        self._effects: list[Effect] = []
        estate = state.estate
        settings = _Settings.of(estate)
        networks = (settings.csp, settings.han)
        rows = open_rows(state.premises, estate, networks, state.agenda, keys, state.now_ms)
        self.entities = Entities(estate, state.premises, state.csp, state.dsp, rows)
        self.faults = FaultPlan(state.faults, seed=estate.seed, facts=self.entities.facts, journal=self._journal)
        self.premises = Premises(estate, keys, state.premises, state.agenda, settings.han, self.faults, self._journal, rows)
        self.csp = Csp(estate, state.csp, state.agenda, settings.csp, self.faults, estate.seed, self.premises, self._journal)
        self.context = Context(
            state=state.dsp,
            settings=settings.dsp,
            codes=settings.codes,
            agenda=state.agenda,
            keys=keys,
            csp=self.csp,
            faults=self.faults,
            effects=self._effects,
            numbers=state.numbers,
            now_ms=state.now_ms,
        )
        self.dsp = Dsp(self.context)
        smki.bring_back(state.dsp, keys)
        self.logistics = Logistics(state.logistics, self.context, settings.stock, estate.seed, self.faults)
        self._rooms = (
            (Dsp.TOPICS, self.dsp.handle),
            (Csp.TOPICS, self.csp.handle),
            (Premises.TOPICS, self.premises.handle),
            (Logistics.TOPICS, self.logistics.handle),
        )

    @property
    def now_ms(self) -> int:
        """The simulated instant up to which everything has happened."""
        return self.state.now_ms

    def submit(self, item: DuisInput, at_ms: int) -> Answer:
        """Advance to ``at_ms`` (not before ``now_ms``), process one DUIS request and return its synchronous answer."""
        self.advance(at_ms)
        self.logistics.entries.make_known(item.request)
        return self.dsp.submit(item)

    def advance(self, to_ms: int, budget: int | None = None) -> bool:
        """Run what is due up to ``to_ms``, at most ``budget`` events; True when ``to_ms`` was reached."""
        state, agenda = self.state, self.state.agenda
        left = -1 if budget is None else budget
        while left and (event := agenda.pop_due(to_ms)) is not None:
            self._set_now(max(event.at_ms, state.now_ms))
            for topics, handle in self._rooms:
                if event.topic.startswith(topics):
                    handle(event)
                    break
            else:
                raise Broken(f"nobody handles {event.topic}")
            left -= 1
        due = agenda.next_at_ms()
        if due is not None and due <= to_ms:
            return False
        self._set_now(max(to_ms, state.now_ms))
        return True

    def next_wakeup(self) -> int | None:
        """When the next event is due, or None."""
        return self.state.agenda.next_at_ms()

    def awaited(self) -> int:
        """How many things users are waiting for on simulated time (open transactions, firmware jobs under way).

        Autojump moves only while this is not zero or somebody waits explicitly.
        """
        return self.dsp.awaited()

    def take_effects(self) -> list[Effect]:
        """Hand over the effects made since the last call, in order."""
        effects = self._effects[:]
        self._effects.clear()
        return effects

    def snapshot(self) -> bytes:
        """The whole state; :func:`restore_state` reads it. Effects must have been taken."""
        if self._effects:
            raise Broken("a snapshot with effects that nobody took would lose them")
        self.state.agenda.settle()
        self.premises.rows.keep()
        self.logistics.keep()
        octets = snapshot.dump(self.state)
        self.state.logistics.columns = {}
        return octets

    def copy_of_state(self) -> EngineState:
        """The whole state anew, for another engine. Effects must have been taken."""
        if self._effects:
            raise Broken("a copy with effects that nobody took would lose them")
        state, estate = self.state, self.state.estate
        state.agenda.settle()
        self.premises.rows.keep()
        self.logistics.keep()
        devices = (device for home in estate.homes for device in home.devices)
        copied = snapshot.copy(state, (estate, state.dsp.registrations.base, *devices, *estate.cpl))
        state.logistics.columns = {}
        return copied

    def digest(self) -> str:
        """SHA-256 over the state, to compare runs."""
        self.state.agenda.settle()
        self.premises.rows.keep_digest()
        self.logistics.keep_digest()
        digest = snapshot.digest(self.state)
        self.state.logistics.columns = {}
        return digest

    def _set_now(self, now_ms: int) -> None:
        self.state.now_ms = self.context.now_ms = now_ms

    def _journal(self, kind: str, device: int | None, summary: str, data: Mapping[str, Any]) -> None:
        self.context.journal(kind, summary, device=device, data=data)


FindColumns = Callable[[str], RegistrationColumns | None]
"""Finds registration columns by their digest."""


def no_columns(digest: str) -> None:
    """None: where no estate names a registration file."""


def restore_state(data: bytes, columns: FindColumns = no_columns) -> EngineState:
    """The state in a snapshot; raise :class:`Malformed` for what is not one, or is one of a newer engine.

    ``columns`` finds registration columns by their digest: a snapshot of an estate that names a file does not hold them.
    """
    written = snapshot.field_of(data, "format")
    if isinstance(written, int) and written < STATE_FORMAT:
        remedy = f"format {STATE_FORMAT}; go on with the version that wrote it, or begin anew from the estate"
        raise Malformed(f"the snapshot has format {written}, from before images moved in columns", expected=remedy)
    state = snapshot.load(data)
    if not isinstance(state, EngineState) or state.format != STATE_FORMAT:
        raise Malformed("not the snapshot of this engine", expected=f"format {STATE_FORMAT}")
    registrations, estate = state.dsp.registrations, state.estate
    found = columns(registrations.base_digest) if estate.registration_file else None
    if estate.registration_file and found is None:
        raise Malformed("the registration columns are missing", where="registrations", expected=registrations.base_digest)
    registrations.attach(registration_base(estate, found))
    return state


def new_state(estate: Estate, start_ms: int | None = None, columns: RegistrationColumns | None = None) -> EngineState:
    """The state in which a world begins: the inventory agrees with the homes.

    ``columns`` hold the registrations of an estate that names a file for them.
    """
    settings = _Settings.of(estate)
    for home in estate.homes:
        if home.wan_technology not in settings.csp.technologies:
            detail, expected = (
                f"there is no WAN technology {home.wan_technology!r}",
                f"one of {', '.join(settings.csp.technologies)}",
            )
            raise Malformed(detail, where=f"home {home.name!r}, wan_technology", expected=expected)
    state = EngineState(STATE_FORMAT, estate, estate.start_ms if start_ms is None else start_ms)
    for party in estate.parties:
        if party.roles:
            state.dsp.users[party.eui] = User(
                eui=party.eui,
                name=party.name,
                party=party.party,
                roles=party.roles,
                remote_party_role=party.remote_party_role,
                endpoint=party.endpoint,
                security_assurance=party.security_assurance,
            )
    for home in estate.homes:
        state.dsp.premises[home.hub] = PremisesRecord(
            home.hub, home.region, home.uprn, home.post_code, home.address_identifier, home.han_variant, home.connectivity
        )
        for device in home.devices:
            state.dsp.inventory[device.eui] = _entry(device)
    state.dsp.registrations = new_registrations(estate, columns)
    await_registrations(state.agenda, state.dsp.registrations.base, state.now_ms)
    for threshold in settings.thresholds:
        put_threshold(state.dsp.anomaly, threshold)
    for path in settings.upgrade_paths:
        put_path(state.dsp.upgrade_paths, path)
    for row in estate.cpl:
        state.dsp.cpl[(row.device_type, row.manufacturer, row.model, row.firmware_version)] = row
    return state


def _entry(device: DeviceDefinition) -> InventoryEntry:
    return InventoryEntry(
        eui=device.eui,
        device_type=DeviceType(device.device_type),
        hub=Eui64(device.hub),
        manufacturer=device.manufacturer,
        model=device.model,
        smets_version=device.smets_version,
        firmware_version=device.firmware_version,
        gbcs_version=device.gbcs_version,
        status=device.status,
        joined_to=device.joined_to,
        import_mpxn=device.import_mpxn,
        secondary_import_mpan=device.secondary_import_mpan,
        export_mpan=device.export_mpan,
        esme_variant=device.esme_variant,
        date_commissioned=device.date_commissioned,
        supplier=device.supplier,
        network_operator=device.network_operator,
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    """The ``settings`` table of an estate, each part checked by the package that owns it."""

    dsp: DspSettings
    csp: CspSettings
    han: HanSettings
    stock: LogisticsSettings
    codes: CheckCodes
    thresholds: tuple[Threshold, ...]
    upgrade_paths: tuple[UpgradePath, ...]

    @classmethod
    def of(cls, estate: Estate) -> "_Settings":
        """Read them; raise :class:`Malformed` naming the setting that is wrong."""
        parts: dict[str, Mapping[str, Any]] = {
            "dsp": {},
            "csp": {},
            "han": {},
            "stock": {},
            "check_codes": {},
            "anomaly": {},
            "upgrade_paths": {},
            "pools": {},
        }
        for name, values in estate.settings.items():
            if name not in parts or not isinstance(values, Mapping):
                raise Malformed(f"{name!r} is not a part of settings", where="settings", expected=f"one of {', '.join(parts)}")
            parts[name] = values
        return cls(
            dsp=read_settings(DspSettings, parts["dsp"], "settings.dsp"),
            csp=replace(
                read_settings(CspSettings, parts["csp"], "settings.csp"), pools=change_pools(parts["pools"], "settings.pools")
            ),
            han=read_settings(HanSettings, parts["han"], "settings.han"),
            stock=read_settings(LogisticsSettings, parts["stock"], "settings.stock"),
            codes=CheckCodes(parts["check_codes"]),
            thresholds=read_thresholds(parts["anomaly"], "settings.anomaly"),
            upgrade_paths=read_paths(parts["upgrade_paths"], "settings.upgrade_paths"),
        )
