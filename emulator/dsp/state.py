"""Everything the DSP remembers, as plain state (see :mod:`emulator.estate.snapshot`)."""

from dataclasses import dataclass, field
from enum import StrEnum

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import CspRegion, DeviceStatus, DeviceType, RemotePartyRole, UserRole
from emulator.dsp.anomaly import AnomalyState
from emulator.dsp.audit import AuditState
from emulator.dsp.grants import GrantState
from emulator.dsp.releases import ReleaseState
from emulator.dsp.throttling import ThrottleState
from emulator.dsp.upgrade_paths import PathKey
from emulator.duis.messages import Element, Request
from emulator.estate.model import CplEntry
from emulator.estate.registrations import Registrations


@dataclass(slots=True)
class User:
    """A DUIS user as the DSP knows it."""

    eui: Eui64
    name: str
    party: str
    roles: tuple[UserRole, ...]
    remote_party_role: RemotePartyRole
    active: bool = True
    endpoint: str = ""
    security_assurance: int = 1
    """Level of its security arrangements; an agent's must not be lower than its supplier's (access.md section 4)."""


@dataclass(slots=True)
class InventoryEntry:
    """One device in the Smart Metering Inventory (duis.md 7.3). What the DSP believes, which may lag the device."""

    eui: Eui64
    device_type: DeviceType
    hub: Eui64 | None
    """None while the device is in no home."""
    manufacturer: str
    model: str
    smets_version: str
    firmware_version: str
    gbcs_version: str
    status: DeviceStatus | None
    """None for Type 2 devices."""
    joined_to: tuple[Eui64, ...] = ()
    import_mpxn: str = ""
    secondary_import_mpan: str = ""
    export_mpan: str = ""
    esme_variant: str = ""
    date_commissioned: str = ""
    status_before_suspension: DeviceStatus | None = None
    notified_by: Eui64 | None = None
    """Who pre-notified it (12.2)."""
    associated_gpf: Eui64 | None = None
    supplier: Eui64 | None = None
    """Whose certificates the DSP last knew in the device's supplier slots."""
    network_operator: Eui64 | None = None
    held_by: str = ""
    """The company that has it outside homes, where somebody keeps books of that; nobody else may report on it."""
    reported_version: str = ""
    """What it last said that it runs, in answer to 11.2 or on an activation; empty while it has said nothing."""
    reported_ms: int | None = None
    read_version: str = ""
    """What it last answered to 11.2; empty while it has not, and in old snapshots."""
    read_ms: int | None = None


@dataclass(slots=True)
class HubReport:
    """One report of a supplier about a hub (8.14.1 to 8.14.4)."""

    variant: str
    by: Eui64
    at_ms: int
    said: dict[str, str]
    """The elements of the body by name."""


@dataclass(slots=True)
class Premises:
    """Where a hub is and how it is reached."""

    hub: Eui64
    region: CspRegion
    uprn: int | None = None
    post_code: str = ""
    address_identifier: str = ""
    han_variant: str = ""
    connectivity: str = ""


class TransactionState(StrEnum):
    """Life of a request that waits for a device."""

    HELD = "held"
    """Future dated by the DSP: sent when due."""
    WAITING = "waiting"
    """In a sequence: sent when the request before it has succeeded."""
    SENT = "sent"
    ACCEPTED_BY_DEVICE = "accepted by device"
    """Future dated by the device: an alert will report the execution."""
    HANDED_OUT = "handed out"
    """For local delivery alone: the user may bring the Response back (8.13)."""
    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Transaction:
    """One request on its way to a device and back."""

    key: int
    request: Request
    user: Eui64
    role: UserRole
    device: Eui64
    message_code: int = 0
    originator: Eui64 = Eui64(0)
    """GBCS originator of the Command: the user, or the ACB acting for it."""
    counter: int = 0
    """GBCS originator counter; the device's Response carries it."""
    state: TransactionState = TransactionState.SENT
    deadline: int = -1
    """Order number of the time-out in the agenda, -1 for none."""
    until_ms: int = 0
    """When it is over unless something comes before; 0 where nothing is awaited."""
    due_ms: int | None = None
    """When a held request is sent or a dated command is executed."""
    transformed: Element | None = None
    """Body of the Transform request that a Signed Pre-Command answers to; None for everything else."""
    instructions: tuple[str, ...] = ()
    """What the Command tells the device to do at its date, as :func:`emulator.dsp.dated.instructions` has it; empty in old
    snapshots, for one."""
    reported: tuple[int, ...] = ()
    """Numbers of those that the device has reported, or that a later Command replaced."""
    succeeded: bool = True
    """Whether its Response says that all went well, as far as the DSP can read it."""
    schedule: int = 0
    """DSPScheduleID of the schedule whose run it is; 0 for everything else."""
    scheduled_by: str = ""
    """RequestID of the 5.1 that made that schedule."""

    @property
    def asked(self) -> Element:
        """The body that says what was asked for; a Signed Pre-Command says it in GBCS only."""
        return self.request.body if self.transformed is None else self.transformed

    @property
    def sequenced(self) -> bool:
        """Whether it stands in a sequence, as its first or after another."""
        return bool(self.request.first_in_sequence) or self.request.preceding_request_id is not None


@dataclass(frozen=True, slots=True)
class DeviceLogCopy:
    """What a hub last reported of its device log (duis.md 7.6)."""

    han_id: str
    """Hexadecimal."""
    devices: tuple[tuple[Eui64, str], ...]
    """With the hashes of their link keys, hexadecimal."""


@dataclass(slots=True)
class Schedule:
    """One DSP schedule (5.1; duis.md 1.9)."""

    number: int
    """DSPScheduleID."""
    user: Eui64
    """Who made it: it is read and deleted by the same User ID."""
    device: Eui64
    request_id: str
    """Of the 5.1."""
    details: Element
    """The body of the 5.1, as 5.2 gives it back."""
    created_ms: int
    run: int
    """Which day of the schedule is next, from 0 for its first."""
    next_ms: int
    """When that is."""
    deadline: int = -1
    """Order number of that in the agenda."""
    runs: int = 0
    """How often it has run."""


@dataclass(slots=True)
class PreCommand:
    """A Pre-Command given to a user, kept so that its signed form can be compared with it."""

    octets: bytes
    """From the ``DF`` tag to the last octet of content, without signature."""
    service_reference_variant: str
    made_at_ms: int
    execution_ms: int | None
    """When the device is to execute it; None for at once."""
    body: Element
    """What was asked for."""


@dataclass(slots=True)
class FirmwareRequest:
    """One accepted 11.1 or 11.4."""

    key: int
    request_id: str
    user: Eui64
    service_reference_variant: str
    firmware_version: str
    image_hash: str
    """SHA-256 of the Manufacturer Image, hexadecimal."""
    file_version: str
    """Version in the OTA header, which devices and hubs report; FirmwareVersion may differ."""
    image_key: str
    """SHA-256 of the whole OTA file, under which the csp keeps it."""
    accepted_ms: int
    jobs: list[int] = field(default_factory=list)
    open_jobs: int = 0
    """Jobs that have not ended."""
    by_agent: bool = False
    """Whether a Registered Supplier Agent sent it."""
    acting_for: tuple[str, ...] = ()
    """Suppliers for whom the agent acted."""
    grants: tuple[int, ...] = ()
    """Numbers of the grants that let it."""
    listed: int = 0
    """Devices that it named, each once; 0 in old snapshots."""
    deadline: int = -1
    """Order number in the agenda of the next look at whether its images are at their hubs in time, -1 for none."""


@dataclass(slots=True)
class Job:
    """One device of a firmware request (ota.md 11.2)."""

    key: int
    request: int
    device: Eui64
    hub: Eui64
    state: str
    reason: str = ""
    since_ms: int = 0
    deadline: int = -1
    """Order number in the agenda of the end of its patience in this state, -1 for none."""
    until_ms: int = 0
    """The instant of that end, 0 for none."""
    furthest: str = ""
    """The last of :data:`emulator.dsp.job_states.STAGES` that it came to; empty in old snapshots."""
    at_hub_ms: int | None = None
    """When its image was reported to be at its hub."""
    grant: int = 0
    """Number of the grant that let an agent ask for it; 0 where the requester did in its own right."""


@dataclass(slots=True)
class PendingLogUpdate:
    """An 8.11 whose outcome on the HAN is not yet known (duis.md 7.6)."""

    request_id: str
    user: Eui64
    hub: Eui64
    device: Eui64
    adding: bool
    deadline: int
    """Order number in the agenda of the end of the join window."""
    import_mpxn: str = ""
    secondary_import_mpan: str = ""
    export_mpan: str = ""


ProductKey = tuple[DeviceType, str, str, str]
"""Device type, manufacturer, model and firmware version of a row of the Central Products List."""


@dataclass(slots=True)
class DspState:
    """The DSP's memory."""

    users: dict[Eui64, User] = field(default_factory=dict)
    inventory: dict[Eui64, InventoryEntry] = field(default_factory=dict)
    premises: dict[Eui64, Premises] = field(default_factory=dict)
    hub_reports: dict[int, list[HubReport]] = field(default_factory=dict)
    """What suppliers reported of hubs, by the EUI of the hub."""
    test_hubs: dict[Eui64, str] = field(default_factory=dict)
    """Hubs of triage facilities, with the company that runs each: on them alone there are dummy MPxNs."""
    registrations: Registrations = field(default_factory=Registrations)
    cpl: dict[ProductKey, CplEntry] = field(default_factory=dict)
    request_ids: dict[tuple[int, int, int, str], None] = field(default_factory=dict)
    """(originator, target, counter, stage) of authenticated requests, oldest first; bounded by ``keep_request_ids``."""
    highest_counter: dict[tuple[int, int], int] = field(default_factory=dict)
    """Per originator and target, for ``strict_counter`` and scheduled runs; bounded by ``keep_counters``."""
    pre_commands: dict[tuple[int, int, int], PreCommand] = field(default_factory=dict)
    """Oldest first; bounded by their validity and ``keep_pre_commands``."""
    transactions: dict[int, Transaction] = field(default_factory=dict)
    finished: dict[int, None] = field(default_factory=dict)
    """Keys of transactions that are over, in that order; bounded by ``keep_transactions``."""
    commands: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    """(device, message code, recipient of the Response, counter) → key of the transaction that sent the Command."""
    device_certificates: dict[tuple[int, str], bytes] = field(default_factory=dict)
    """(device, usage) → certificate that the device took in place of the one that it was made with (6.15.2)."""
    renewals: dict[int, int] = field(default_factory=dict)
    """Party → how often it renewed its certificates."""
    issued: dict[int, int] = field(default_factory=dict)
    """Device → how many certificates were issued to it for keys that it made."""
    device_logs: dict[Eui64, DeviceLogCopy] = field(default_factory=dict)
    """By hub, for 8.12.1; those that have not reported since the world began are not here."""
    schedules: dict[int, Schedule] = field(default_factory=dict)
    next_schedule: int = 1
    schedule_counter: int = 0
    """The last counter that was given to a scheduled run."""
    firmware_requests: dict[int, FirmwareRequest] = field(default_factory=dict)
    completed_requests: dict[int, None] = field(default_factory=dict)
    """Keys of firmware requests without open jobs, in that order; bounded by ``keep_jobs``."""
    completed_jobs: int = 0
    """Jobs of those requests."""
    jobs: dict[int, Job] = field(default_factory=dict)
    untold: dict[int, list[int]] = field(default_factory=dict)
    """Firmware request → jobs whose failure its next FirmwareDistributionFailure tells."""
    log_updates: list[PendingLogUpdate] = field(default_factory=list)
    grants: GrantState = field(default_factory=GrantState)
    anomaly: AnomalyState = field(default_factory=AnomalyState)
    audit: AuditState = field(default_factory=AuditState)
    releases: ReleaseState = field(default_factory=ReleaseState)
    upgrade_paths: dict[PathKey, tuple[str, ...]] = field(default_factory=dict)
    """By version: those from which it may be reached."""
    throttling: ThrottleState = field(default_factory=ThrottleState)
    next_key: int = 1
    acb_counter: int = 0
    cos_counter: int = 0
    """Of the transitional CoS party."""
    alert_counter: int = 0
    open_jobs: int = 0
    open_transactions: int = 0
