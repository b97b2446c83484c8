"""All that the CSPs remember: plain dataclasses."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ImageJob:
    """One image for one device, from the DSP to the hub."""

    job_key: str
    number: int
    """Names the job in agenda events."""
    hub: int
    target: int
    image_key: str
    size_bytes: int
    queue: str
    """The channel group it waits for or uses."""
    since_ms: int
    """When it was handed over."""
    give_up_ms: int
    """End of the window in which an unreachable hub is tried again."""
    attempts: int = 0
    """Sessions that broke off."""
    transmitting: bool = False
    due_ms: int = 0
    """End of the transmission, or the next try."""


@dataclass(slots=True)
class PendingCommand:
    """A command that waits for an unreachable hub."""

    number: int
    hub: int
    target: int
    message: bytes
    give_up_ms: int
    attempts: int
    due_ms: int


@dataclass(slots=True)
class CspState:
    """The whole WAN."""

    jobs: dict[int, ImageJob] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """Job key to number."""
    queues: dict[str, list[int]] = field(default_factory=dict)
    """Jobs that wait for a channel, first come first served."""
    busy: dict[str, int] = field(default_factory=dict)
    """Channels or sessions in use per channel group."""
    commands: dict[int, PendingCommand] = field(default_factory=dict)
    next_number: int = 1
