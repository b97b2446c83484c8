"""A virtual home for a case: the device that is asked, its neighbours, and what must be so for the case to go as its name says.

The devices are those of every world (:mod:`emulator.premises`). Only the surroundings are chosen here: who is trusted, which
counters were used, which image is held, and for a case whose name says that something fails, that the device is out of order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.conformance.cases import DEVICE_DIGITS, Case
from emulator.conformance.keys import FolderKeys, HomeKeys
from emulator.csp.network import open_rows
from emulator.csp.regions import CspSettings
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, parse_eui
from emulator.domain.vocabulary import CspRegion, DeviceStatus, DeviceType, RemotePartyRole
from emulator.estate.model import DeviceDefinition, Estate, Home, Party
from emulator.gbcs import dlms, times
from emulator.gbcs.commands import CommandView, read_command
from emulator.gbcs.dlms import Tag
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.usecases import Asn1Item
from emulator.gbcs.utrn import COUNTER_SHIFT
from emulator.ota.image import build
from emulator.premises.device import NOT_AUTHENTIC
from emulator.premises.premises import Premises
from emulator.premises.readings import store
from emulator.premises.settings import HanSettings
from emulator.premises.state import Account, CreditAdded, DebtPaid, DeviceState, MeterMemory, PremisesState
from emulator.premises.supply import ARMED_ALERT
from emulator.simulation.agenda import Agenda, Event
from emulator.simulation.faults import FaultPlan

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AGE_MS = 40 * DAY_MS
"""How long a home has been there when the Command comes; ours."""

MOST_EVENTS = 2_000
"""Events after which nothing more is waited for; ours."""

MOST_TIMERS = 10
"""What a device does by itself, again and again, is waited for so often; ours."""

LONGEST_MS = 30 * 366 * DAY_MS
"""How long dated changes are waited for; ours."""

ANSWERED_MS = 1_000
"""A device that answers at once has done so by then; ours."""

_FIRST_DEVICE = 0x00DB123456789000
"""The test devices are this with their last octet (gbcs.md 11)."""

DEVICES = {kind: Eui64(_FIRST_DEVICE | digit) for digit, kind in reversed(list(DEVICE_DIGITS.items()))}
"""The test device of each type, where a set names none."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who is about in the homes of a set of cases."""

    devices: Mapping[DeviceType, Eui64]
    """The device of each type that the cases ask, or a test device."""
    parties: Mapping[RemotePartyRole, Eui64]
    """Who is trusted in each role, where the case itself names nobody."""


def surroundings_of(cases: Iterable[Case], keys: FolderKeys) -> Surroundings:
    """Devices and parties that the cases have in common: the most frequent of each type and role."""
    listed = list(cases)
    devices = dict(DEVICES)
    asked = Counter((DeviceType(case.device_type), parse_eui(case.device)) for case in listed)
    for (kind, eui), _ in reversed(asked.most_common()):
        devices[kind] = eui
    parties: dict[RemotePartyRole, Eui64] = {}
    for eui, role in keys.parties():
        parties.setdefault(role, eui)
    users = Counter(parse_eui(case.user) for case in listed)
    for eui, _ in reversed(users.most_common()):
        named = keys.role(eui)
        if named is not None:
            parties[named] = eui
    return Surroundings(devices, parties)


@dataclass(slots=True)
class Answers:
    """What came of a Command."""

    messages: list[bytes] = field(default_factory=list)
    """What the home sent, in order."""
    notes: list[str] = field(default_factory=list)
    """What the device noted, for people."""


class VirtualHome:
    """One home at the time of one case."""

    def __init__(self, case: Case, keys: FolderKeys, around: Surroundings) -> None:
        self.case = case
        self.device = parse_eui(case.device)
        self.answers = Answers()
        self._now_ms = times.read_duis(case.current_utc)
        self._agenda = Agenda()
        self._faults = FaultPlan()
        self._start_ms = self._now_ms - AGE_MS
        han = HanSettings(check_supplier_signature=False, block_loss_permille=0)
        state, own = PremisesState(), HomeKeys(keys)
        estate = _estate(case, keys, around, self._start_ms)
        rows = open_rows(state, estate, (CspSettings(), han), self._agenda, own, self._start_ms)
        self._premises = Premises(estate, own, state, self._agenda, han, self._faults, self._note, rows)
        for role, party in _trusted(case, keys, around).items():
            if role not in (RemotePartyRole.SUPPLIER, RemotePartyRole.NETWORK_OPERATOR, RemotePartyRole.ACCESS_CONTROL_BROKER):
                self._premises.set_credential(self.device, role, party, self._start_ms)

    def take(self, command: bytes) -> Answers:
        """Give the device the Command at the time of the case, and wait for all that comes of it."""
        self.prepare(command)
        self.deliver(command)
        return self.wait()

    def prepare(self, command: bytes) -> None:
        """Let the home become what it has to be when the Command comes."""
        self._arrange(decode_message(command))
        self._run_to(self._now_ms - 1, MOST_EVENTS)
        there = self._premises.state.devices[self.device]
        there.alert_counter = max(0, self.case.device_counter - 1)
        there.clock_reliable = not self.case.clock_unreliable
        self.answers = Answers()

    def deliver(self, command: bytes) -> None:
        """Give the device the Command, and let it answer."""
        self._take(Event(self._now_ms, -1, "device.command", (self.device, command)))
        self._run_to(self._now_ms + ANSWERED_MS, MOST_EVENTS)

    def wait(self) -> Answers:
        """Wait for all that comes of it."""
        self._run_to(self._now_ms + LONGEST_MS, MOST_EVENTS)
        return self.answers

    def _arrange(self, message: GbcsMessage) -> None:
        """What must be so for the Command to succeed, or to fail where the case is one that does."""
        view = read_command(message)
        if view is None:
            return
        there = self._premises.state.devices[self.device]
        if self.case.finds_nothing:
            self._faults.add("device.finds_nothing", self.device)
        self._live_in()
        item = view.use_case.request[0]
        shape = item.shape if isinstance(item, Asn1Item) else ""
        signer = view.values.get("signer")
        if shape == "update_credentials" and isinstance(signer, dict):
            # Until a handover it is the ACB that a device trusts in the role that is handed over.
            self._premises.set_credential(self.device, signer["role"], message.originator, self._start_ms)
        if self.case.fails and _begins(view) == GAS_TOP_UP:
            # A gas meter says in an answer of its own why it refuses a token: here it has taken it before.
            there.account = Account(self._start_ms, supplier=message.originator, counters=[message.counter >> COUNTER_SHIFT])
        elif self.case.fails:
            if shape == "unjoin":
                there.joined_to.clear()
            if shape == "retrieve_credentials":
                _forget_last_role(there, view.values["roles"])
            if shape:
                self._faults.add("device.read_fails", self.device)
            else:
                self._faults.add("device.breaks_off", self.device, params={"rest": _rest(view)})
        elif _begins(view) in EMERGENCY_CREDIT:
            _offer_emergency_credit(there)
        elif shape == "activate_firmware":
            self._hold_image(there, view.values["hash"])
        elif shape == "unjoin":
            other = view.values["other_device"]
            assert isinstance(other, int)
            there.joined_to[other] = DEVICE_DIGITS.get(other & 0xFF, DeviceType.IHD)

    def _live_in(self) -> None:
        """Top-ups and payments of debt of the weeks before, and events of the hour, so that logs have entries; all ours."""
        for meter in self._premises.state.devices.values():
            meter.events += [(self._now_ms - HOUR_MS, code) for code in (ARMED_ALERT, NOT_AUTHENTIC)]
            if meter.device_type in (DeviceType.ESME, DeviceType.GSME):
                begun = [self._now_ms - week * 7 * DAY_MS for week in range(5, 0, -1)]
                meter.meter = MeterMemory(
                    credits=[CreditAdded(at_ms, 1_000_000, f"{at_ms:020}") for at_ms in begun],
                    debt_payments=[DebtPaid(at_ms, 50_000, kind, 500_000) for at_ms in begun for kind in range(3)],
                )

    def _hold_image(self, there: DeviceState, wanted: object) -> None:
        """The image of a case is not published: one of ours comes to the device, and stands for it under its hash."""
        version = int(there.definition.firmware_version, 16) + 1
        octets = build(
            bytes(64), manufacturer_code=int(there.definition.manufacturer, 16), image_type=1, file_version=version,
            private_key=HomeKeys(FolderKeys()).private_key(self.device, "DS"),
        )  # fmt: skip
        key = self._premises.images.hold(octets)
        self._premises.send_image(Eui64(there.hub), self.device, key, self._start_ms)
        for sent in self._premises.state.rows.images.values():
            assert isinstance(wanted, bytes)
            sent.manufacturer_image_hash = wanted

    def _run_to(self, end_ms: int, budget: int) -> None:
        timers = MOST_TIMERS
        while budget and (event := self._agenda.pop_due(end_ms)) is not None:
            by_itself = event.topic in ("device.timer", "device.asks")
            if not by_itself or timers:
                self._take(event)
            timers -= by_itself and timers > 0
            budget -= 1

    def _take(self, event: Event) -> None:
        if event.topic == "csp.upstream":
            octets = event.args[1]
            assert isinstance(octets, bytes)
            self.answers.messages.append(octets)
        elif event.topic.startswith(Premises.TOPICS):
            self._premises.handle(event)

    def _note(self, kind: str, device: int | None, summary: str, data: Mapping[str, Any]) -> None:
        if device == self.device:
            self.answers.notes.append(summary)


def _forget_last_role(there: DeviceState, roles: object) -> None:
    """A device that trusts nobody in the last role that it is asked about."""
    assert isinstance(roles, list)
    there.credentials.pop(roles[-1], None)


def _rest(view: CommandView) -> int:
    """How many parts come after the one that fails: mostly one in the failing test messages, none of two ZigBee commands."""
    commands = [part for part in view.components if part.frame_control & 0x03]
    return 0 if len(commands) == len(view.components) == 2 else 1


GAS_TOP_UP = "0705 04"
EMERGENCY_CREDIT = ("112 0-0:19.10.1.255 3", "0705 00")
"""What adds credit to a gas meter, and what takes emergency credit (test messages CS01b, ECS09, GCS06)."""


def _begins(view: CommandView) -> str:
    """The first attribute or method of a DLMS Command, cluster and command of a GBZ Command."""
    if view.accesses:
        return str(view.accesses[0].attribute)
    first = next((part for part in view.components if part.frame_control & 0x03), None)
    return "" if first is None else f"{first.cluster:04X} {first.command:02X}"


def _offer_emergency_credit(there: DeviceState) -> None:
    """A meter in prepayment mode that has some to give."""
    if there.device_type is DeviceType.GSME:
        there.attributes |= {"0705 0000": "0497", "0705 0010": "01"}
    else:
        mode = dlms.structure(dlms.number(Tag.ENUM, 2), dlms.number(Tag.ENUM, 2))
        store(there, "111 0-0:19.0.0.255 2", mode)
        store(there, "112 0-0:19.10.1.255 9", dlms.number(Tag.INT32, 1))


def _trusted(case: Case, keys: FolderKeys, around: Surroundings) -> dict[RemotePartyRole, Eui64]:
    """Whom the device trusts: the party of the case in its own role, else whoever is about."""
    user, originator = parse_eui(case.user), parse_eui(case.originator)
    role = keys.role(user)
    known = {role: user} if role is not None and user == originator else {}
    return {**around.parties, **known}


def _estate(case: Case, keys: FolderKeys, around: Surroundings, start_ms: int) -> Estate:
    trusted = _trusted(case, keys, around)
    asked = parse_eui(case.device)
    others = {kind: eui for kind, eui in around.devices.items() if eui != asked}
    euis = {**DEVICES, **others, DeviceType(case.device_type): asked}
    devices = tuple(_definition(kind, euis, case, trusted) for kind in euis)
    home = Home("case", CspRegion.CENTRAL, euis[DeviceType.CHF], devices, hub_variant="dual-band")
    broker = Party(ACCESS_CONTROL_BROKER, "accessControlBroker", "dcc", (), RemotePartyRole.ACCESS_CONTROL_BROKER)
    return Estate("conformance", 1, start_ms, (broker,), (home,), (), ())


_WITHOUT_SUPPLIER = frozenset((DeviceType.CHF, DeviceType.PPMID))


_JOINED = {
    DeviceType.PPMID: (DeviceType.ESME, DeviceType.GSME),
    DeviceType.HCALCS: (DeviceType.ESME,),
    DeviceType.GPF: (DeviceType.GSME,),
}
"""Who is joined with whom, as in the default estate."""


def _definition(
    kind: DeviceType, euis: Mapping[DeviceType, Eui64], case: Case, trusted: Mapping[RemotePartyRole, Eui64]
) -> DeviceDefinition:
    eui = euis[kind]
    metering = kind in (DeviceType.ESME, DeviceType.GSME, DeviceType.GPF)
    asked = eui == parse_eui(case.device)
    return DeviceDefinition(
        eui=eui, device_type=kind, hub=euis[DeviceType.CHF], manufacturer="11E5", model="00020101", hardware_version=1,
        firmware_version="0123ABCE", smets_version="", gbcs_version=case.gbcs_version, status=DeviceStatus.COMMISSIONED,
        esme_variant=case.esme_variant if kind is DeviceType.ESME and asked else "A" if kind is DeviceType.ESME else "",
        import_mpxn="1200000000001" if kind is DeviceType.ESME else "7400000001" if kind is not DeviceType.CHF else "",
        joined_to=tuple(euis[other] for other in _JOINED.get(kind, ())),
        supplier=None if kind in _WITHOUT_SUPPLIER else trusted.get(RemotePartyRole.SUPPLIER),
        network_operator=trusted.get(RemotePartyRole.NETWORK_OPERATOR) if metering else None,
    )  # fmt: skip
