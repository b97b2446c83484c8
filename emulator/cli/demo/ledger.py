"""What the demo found: devices and how far they are, and every check with its outcome."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.domain.errors import EmulatorError
from emulator.domain.identifiers import Eui64, RequestId
from emulator.domain.vocabulary import CspRegion, DeviceType
from emulator.estate.model import DeviceDefinition


class Milestone(StrEnum):
    """What a device passes on the way to its new firmware."""

    AT_HUB = "at hub"
    TRANSFERRED = "on device"
    VERIFIED = "verified"
    ACTIVATED = "activated"
    READ_BACK = "read"
    LISTED = "listed"


@dataclass(slots=True)
class Track:
    """One device on its way."""

    device: DeviceDefinition
    region: CspRegion
    supplier: Eui64
    """The user who asks for its firmware."""
    version: str
    """The version it is to run in the end."""
    image_hash: str = ""
    request_id: RequestId | None = None
    """Of the distribution."""
    reached: dict[Milestone, int] = field(default_factory=dict)
    """Milestones with the simulated instant."""

    @property
    def eui(self) -> Eui64:
        """The device's EUI."""
        return self.device.eui

    @property
    def activates_itself(self) -> bool:
        """PPMIDs do; meters and HCALCSs wait for 11.3."""
        return self.device.device_type is DeviceType.PPMID


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was verified."""

    subject: str
    what: str
    expected: object
    found: object

    @property
    def passed(self) -> bool:
        """Whether it is as it must be."""
        return self.expected == self.found


class DemoFailed(EmulatorError):
    """The story cannot go on."""


@dataclass(slots=True)
class Ledger:
    """All tracks, checks and steps of one run."""

    tracks: list[Track]
    changed: Callable[[], None] = lambda: None
    """Called after every change, for the display."""
    checks: list[Check] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        """Checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def step(self, text: str) -> None:
        """Begin a step of the story."""
        self.steps.append(text)
        self.changed()

    def verify(self, subject: str, what: str, found: object, expected: object = True) -> bool:
        """Add a check."""
        check = Check(subject, what, expected, found)
        self.checks.append(check)
        self.changed()
        return check.passed

    def reach(self, track: Track, milestone: Milestone, at_ms: int) -> None:
        """Note a milestone of a device."""
        track.reached[milestone] = at_ms
        self.changed()
