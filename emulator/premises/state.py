"""All that hubs and devices remember: plain dataclasses, so that a snapshot is this tree and nothing else."""

from dataclasses import dataclass, field

from emulator.domain.vocabulary import DeviceType
from emulator.estate.model import DeviceDefinition
from emulator.premises.device_states import FirmwareState, LoadingState
from emulator.premises.hub_states import SlotState

MAX_EVENT_LOG = 100
"""Entries kept of a device's event log; ours."""

MAX_WAITING = 50
"""Messages a hub keeps for a sleeping device; ours."""


@dataclass(slots=True)
class ImageSlot:
    """Room in a hub's image store, taken by one image for one device."""

    number: int
    """Names the slot in agenda events; a number is never used again."""
    target: int
    """EUI of the device."""
    image_key: str
    """SHA-256 of the OTA file in hexadecimal."""
    size_bytes: int
    """Size of the OTA file."""
    file_version: int
    state: SlotState
    expires_ms: int = 0
    """When the hub drops the image; 0 until the image is complete."""


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
    slots: list[ImageSlot] = field(default_factory=list)
    device_log: list[LogEntry] = field(default_factory=list)
    join_period_s: int = 0
    """How long newly added devices may join; set by 8.11."""
    powered: bool = True


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
    """An activation between its start and the moment the device runs again."""

    number: int
    """Names the activation in agenda events."""
    due_ms: int
    command: bytes = b""
    """The CS06 to answer; empty when nobody waits for a Response."""
    dated: PendingActivation | None = None
    """The dated CS06 that it executes, to be reported by an alert."""


@dataclass(slots=True)
class Transfer:
    """An image on its way from the hub's store into the device, until the device has checked it."""

    number: int
    """Names the transfer in agenda events."""
    slot: int
    """Number of the hub's slot."""
    image_key: str
    due_ms: int
    """End of the transfer, then of the verification."""


@dataclass(slots=True)
class DeviceState:
    """A device of a home."""

    definition: DeviceDefinition
    """What it was built as; what changes lies beside it."""
    running_version: int
    """The OTA file version that runs, as one number."""
    credentials: dict[int, int]
    """Remote Party Role to the EUI of the party whose certificates the device trusts in that role."""
    joined_to: dict[int, DeviceType] = field(default_factory=dict)
    """Its own device log: the devices with which it has joined."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Values that were set, encoded in hexadecimal, by attribute; the rest follows from its profile."""
    powered: bool = True
    on_han: bool = True
    loading: LoadingState = LoadingState.IDLE
    firmware: FirmwareState = FirmwareState.RUNNING
    transfer: Transfer | None = None
    held_hash: bytes = b""
    """SHA-256 of the Manufacturer Image it holds; empty when it holds none."""
    held_version: int = 0
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
    events: list[tuple[int, int]] = field(default_factory=list)
    """Event log, newest last: device time in milliseconds and event code."""

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
class PremisesState:
    """All homes."""

    hubs: dict[int, HubState] = field(default_factory=dict)
    devices: dict[int, DeviceState] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    """OTA files by key, each once, while anything uses them."""
    image_uses: dict[str, int] = field(default_factory=dict)
    """How many jobs, slots and transfers use an image."""
    next_number: int = 1
    """The next number for a slot, transfer or activation."""
