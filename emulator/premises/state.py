"""All that hubs and devices remember: plain dataclasses, so that a snapshot is this tree and nothing else."""

from dataclasses import dataclass, field

from emulator.domain.vocabulary import DeviceType
from emulator.estate.model import DeviceDefinition

MAX_EVENT_LOG = 100
"""Entries kept of a device's event log; ours."""

MAX_WAITING = 50
"""Messages a hub keeps for a sleeping device; ours."""


@dataclass(slots=True)
class SentImage:
    """An image as it was sent at one moment: an order of the columns."""

    number: int
    """The order."""
    image_key: str
    """SHA-256 of the OTA file in hexadecimal."""
    manufacturer_image_hash: bytes
    file_version: int
    size_bytes: int
    """Size of the OTA file."""
    signed: bool
    """Whether it ends in a supplier's signature."""
    uses: int = 0
    """Devices to which it is on its way, while the file must be there."""
    judged_for: list[int] = field(default_factory=list)
    """For which numbers of parties and certificates the signature was checked."""


@dataclass(slots=True)
class LogEntry:
    """One entry of a CHF device log: a whitelisted device."""

    device: int
    join_until_ms: int
    """End of the join period."""
    joined: bool = False
    last_communication_ms: int = 0
    """0 while nothing has been heard from it."""


@dataclass(slots=True)
class HubState:
    """A Communications Hub beside its CHF and GPF, which are devices."""

    eui: int
    devices: list[int] = field(default_factory=list)
    """EUIs of the home, the CHF and GPF among them, in the order of the estate."""
    device_log: list[LogEntry] = field(default_factory=list)
    join_period_s: int = 0
    """How long newly added devices may join; set by 8.11."""
    coming_version: int = 0
    """Version of the firmware of its own that comes or came last; 0 is none."""
    coming_gbcs_version: str = ""
    """Its GBCS version as the CSP says; empty leaves that to the Central Products List."""
    han_id: bytes = b""
    """Of the hub that it replaced, whose HAN it goes on with; empty: one of its own."""
    historic_log: list[LogEntry] = field(default_factory=list)
    """The log before the last restore."""


@dataclass(slots=True)
class PendingActivation:
    """A CS06 that waits for its date."""

    number: int
    """Names the activation in agenda events."""
    manufacturer_image_hash: bytes
    originator: int
    """EUI of the supplier that sent it."""
    counter: int
    """Originator counter of the command."""
    at_ms: int
    """The date of the command, in the device's own time."""


@dataclass(slots=True)
class Activation:
    """Who hears of the activation that goes on."""

    command: bytes = b""
    """The CS06 to answer; empty when nobody waits for a Response."""
    dated: PendingActivation | None = None
    """The dated CS06 that it executes, to be reported by an alert."""


@dataclass(slots=True)
class DatedChange:
    """Something that a device does at a date of its own clock."""

    number: int
    """Names the change in agenda events."""
    form: str
    """Format of the Command: ``dlms`` or ``gbz``."""
    instruction: bytes
    """Class, OBIS and attribute, or cluster, frame control and command."""
    payload: bytes
    """What the format keeps for the date."""
    message_code: int
    counter: int
    """Originator counter of the Command."""
    at_ms: int
    """Device time; 0 is at once."""


@dataclass(slots=True)
class CreditAdded:
    """An entry of the log of credit added."""

    at_ms: int
    amount: int
    code: str
    """The 20 digits that brought it."""


@dataclass(slots=True)
class DebtPaid:
    """An entry of the log of payments towards debt."""

    at_ms: int
    amount: int
    kind: int
    """Number of the debt, from 0."""
    left: int
    """What is still owed."""


@dataclass(slots=True)
class MeterMemory:
    """What a meter remembers of what was done to it; its load shape gives all else."""

    history: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """By attribute: from when it had which value (hexadecimal), in order of time; for the attributes on which readings depend."""
    block_resets: list[int] = field(default_factory=list)
    """When the counters of the tariff's blocks were started anew."""
    resets: dict[str, int] = field(default_factory=dict)
    """When a highest demand or a counter was last reset, by ``"class obis"``."""
    sampled_from_ms: int = 0
    """Since when the gas network data is recorded; 0 is never."""
    sample_s: int = 0
    """How long one sample of it takes."""
    samples: int = 0
    """How many are taken."""
    credits: list[CreditAdded] = field(default_factory=list)
    """Oldest first, as many as the log keeps."""
    debt_payments: list[DebtPaid] = field(default_factory=list)
    """Oldest first, as many as the log keeps."""


@dataclass(slots=True)
class Timer:
    """Something that a device does by itself at a time."""

    number: int
    """Names it in agenda events."""
    what: str
    """Key of :data:`emulator.premises.actions.TIMERS`."""
    at_ms: int
    """Simulated time."""
    subject: int = 0
    """Which one, where a device has several of a kind."""


@dataclass(slots=True)
class Told:
    """What an auxiliary controller was told for a while."""

    level: int
    """Percent: 0 is off, 100 is on."""
    start_ms: int
    """Device time."""
    end_ms: int


@dataclass(slots=True)
class LoadMemory:
    """What a meter remembers of the auxiliary controllers; their schedules give all else."""

    told: dict[int, Told] = field(default_factory=dict)
    """What controllers were set to, by direction and number (0x11 is the output of the first, 0x21 its input)."""
    limits: dict[int, Told] = field(default_factory=dict)
    """Limits of their levels, by the same."""
    log: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Newest last: device time, what was told, outcome, and the time of the request where another device had to act."""
    boosts: list[tuple[int, int]] = field(default_factory=list)
    """When the customer was made to press the boost button, in device time: starts and ends."""


@dataclass(slots=True)
class LogMemory:
    """Entries of a device's logs that say more than when and what."""

    commands: list[tuple[int, int, int]] = field(default_factory=list)
    """Of the event log: device time, event code, message code of the Command."""
    outages: list[tuple[int, int, int]] = field(default_factory=list)
    """Of the power event log: device time, event code, seconds."""
    channels: list[tuple[int, int, str]] = field(default_factory=list)
    """Of a hub's log of sub-GHz channels: device time, event code, and what it says in hexadecimal."""
    unpowered_ms: int = -1
    """Since when the device had no power, in simulated time, until it has said that it is up again; -1 where it has."""
    powered_ms: int = -1
    """Since when it has power again."""


@dataclass(slots=True)
class OwnKey:
    """What became of one of the device's own key pairs."""

    made: int = 0
    """Number of the last key pair that it made; 0 is none."""
    waiting: bool = False
    """Whether that waits for its certificate."""
    number: int = 0
    """Number of the key pair in use."""
    certificate: str = ""
    """Of that key pair, by its digest in :attr:`PremisesState.certificates`; empty: the one that it was built with."""


@dataclass(slots=True)
class ChangedCredentials:
    """What differs in the credentials of a device from how it was built."""

    cells: dict[str, str] = field(default_factory=dict)
    """By cell: the certificate that was put there, by its digest in :attr:`PremisesState.certificates`."""
    own: dict[str, OwnKey] = field(default_factory=dict)
    """The device's own keys, by usage."""
    top_up_floor: int = 0
    """What the counter of a top-up token must be above, since the supplier's certificates were replaced last."""


@dataclass(slots=True)
class Account:
    """The money of a meter at one moment, in hundred-thousandths of the unit of currency; what follows is worked out."""

    settled_ms: int
    """Up to when charges have been taken, in simulated time."""
    meter: int = 0
    """Meter balance: credit left in prepayment mode; less all that was used, in the credit mode of an electricity meter."""
    bill: int = 0
    """What a gas meter in credit mode has charged since it was reset."""
    carry: int = 0
    """Thousandths that are not charged yet."""
    emergency_credit: int = 0
    """What is left of it."""
    emergency_taken: bool = False
    """Whether the customer has taken it and not paid it back."""
    accumulated_debt: int = 0
    debts: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Time debt 1 and 2, payment debt."""
    blocks: dict[int, int] = field(default_factory=dict)
    """What was used since the blocks were last started anew, by column of the block matrix; 0 for a gas meter."""
    told: list[int] = field(default_factory=list)
    """Alert codes of what is so and was reported."""
    cut_off: bool = False
    """Whether supply ended for want of credit."""
    supplier: int = 0
    """EUI of whose tokens were taken last."""
    counters: list[int] = field(default_factory=list)
    """Top-up counters of the tokens of this supplier that were taken, the newest of them."""
    history: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    """Balances at midnights and at changes: simulated time; meter, emergency credit, accumulated debt, debts."""


@dataclass(slots=True)
class DeviceState:
    """A device of a home. What it runs and holds, its power and its place on the HAN are in the columns."""

    definition: DeviceDefinition
    """What it was built as; what changes lies beside it."""
    credentials: dict[int, int]
    """Remote Party Role to the EUI of the party whose certificates the device trusts in that role."""
    joined_to: dict[int, DeviceType] = field(default_factory=dict)
    """Its own device log: the devices with which it has joined."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Values that were set, encoded in hexadecimal, by attribute; the rest follows from its profile."""
    dated: dict[str, DatedChange] = field(default_factory=dict)
    """Changes that wait for their date, by format and instruction."""
    pending: PendingActivation | None = None
    activation: Activation | None = None
    alert_counter: int = 0
    """Counter of the last alert; alerts use one sequence of their own (gbcs.md 5)."""
    command_counters: dict[int, int] = field(default_factory=dict)
    """Highest counter accepted per remote party, over the use cases with replay protection."""
    clock_offset_ms: int = 0
    """Device clock minus simulated time."""
    clock_reliable: bool = True
    waiting: list[bytes] = field(default_factory=list)
    """Messages that lie at the hub until a sleeping device wakes."""
    wakes_ms: int = 0
    """The wake-up for which something waits; 0 when nothing does."""
    changed_credentials: ChangedCredentials | None = None
    """None where all its credentials are those that it was built with."""
    events: list[tuple[int, int]] = field(default_factory=list)
    """Event log, newest last: device time in milliseconds and event code."""
    logs: LogMemory | None = None
    """None until something happened that has details."""
    timers: dict[str, Timer] = field(default_factory=dict)
    """What it does by itself at a time, by kind and subject."""
    loads: LoadMemory | None = None
    """None until an auxiliary controller was told something."""
    account: Account | None = None
    """None until something was done to the money of a meter."""
    meter: MeterMemory | None = None
    """None until something was done to a meter that its readings depend on."""

    @property
    def eui(self) -> int:
        """Its EUI-64."""
        return self.definition.eui

    @property
    def device_type(self) -> DeviceType:
        """Its device type."""
        return self.definition.device_type

    @property
    def hub(self) -> int:
        """EUI of the hub of its home."""
        return self.definition.hub


@dataclass(slots=True)
class PlannedChance:
    """A chance of the columns that stands for a planned fault and one hub or device."""

    fault: int
    """Number of the fault."""
    entity: int
    kind: str
    """One of :data:`emulator.fanout.tables.CHANCES`."""
    chance: int
    """Number of the chance."""
    left: int
    """How often it could still happen when that was looked at last."""
    skip: int
    """How many occasions it would still let pass then."""
    span: tuple[int, int]
    """Ticks from which and to which it applies."""


@dataclass(slots=True)
class RowsState:
    """What stands for what in the columns, and the columns themselves."""

    origin_ms: int = 0
    """Simulated time of tick 0."""
    columns: bytes = b""
    """The columns, as of the last snapshot."""
    pools: dict[str, int] = field(default_factory=dict)
    """Numbers of pools by name."""
    hubs: dict[int, int] = field(default_factory=dict)
    """Hub ids by EUI."""
    devices: dict[int, int] = field(default_factory=dict)
    """Device ids by EUI."""
    gone: dict[int, tuple[int, int]] = field(default_factory=dict)
    """EUIs of device and hub by the device id of devices that were taken away while their images lay at the hub."""
    parties: list[int] = field(default_factory=list)
    """EUIs of the suppliers whose certificates devices hold, and of senders, by the number that the columns have; 0 where the
    number is that of a certificate."""
    renewed: dict[int, str] = field(default_factory=dict)
    """Numbers of certificates that were put into devices as their supplier's, with their digests."""
    images: dict[int, SentImage] = field(default_factory=dict)
    """Images by order."""
    newest: dict[tuple[str, int, str, bool, bool, int], int] = field(default_factory=dict)
    """Orders of the latest tick by file, tick, device type, whether the image is for the device's hardware and maker, and sender:
    jobs of one request share one."""
    moving: dict[int, list[int]] = field(default_factory=dict)
    """Orders on their way to a device or being checked by it, by its EUI."""
    planned: list[PlannedChance] = field(default_factory=list)
    """Chances that stand for planned faults."""
    due: int = -1
    """Agenda order number of the event at which the columns go on; -1 is none."""
    due_ms: int = 0


@dataclass(slots=True)
class PremisesState:
    """All homes."""

    hubs: dict[int, HubState] = field(default_factory=dict)
    devices: dict[int, DeviceState] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    """OTA files by key, each once, while anything uses them."""
    image_uses: dict[str, int] = field(default_factory=dict)
    """How many jobs and devices use an image."""
    certificates: dict[str, bytes] = field(default_factory=dict)
    """Certificates that were put into devices, each once, by SHA-256 in hexadecimal."""
    next_number: int = 1
    """The next number for a pending activation."""
    rows: RowsState = field(default_factory=RowsState)
