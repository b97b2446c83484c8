"""All that the CSPs remember: plain dataclasses."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class WanHub:
    """How a hub is reached."""

    technology: str
    """Names a profile of :mod:`emulator.csp.regions`."""
    region: str
    down_until_ms: int = 0
    """Arrival of the last command on its way down; later ones do not overtake it."""
    up_until_ms: int = 0
    """Arrival of the last message on its way up."""


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
    group: str
    """The channels or sessions it waits for or uses: technology and region."""
    give_up_ms: int
    """End of the window in which an unreachable hub is tried again."""
    attempts: int = 0
    """Tries that found no hub or broke off."""
    broken_off: int = 0
    """Those of them that broke off."""
    transmitting: bool = False
    due_ms: int = 0
    """End of the transmission, or the next try; 0 while it waits for a channel."""


@dataclass(slots=True)
class WaitingMessage:
    """A message that waits because its hub cannot be reached."""

    number: int
    """Names it in agenda events."""
    hub: int
    target: int
    """The device a command is for; 0 for a message on its way up."""
    message: bytes
    give_up_ms: int
    attempts: int
    due_ms: int
    """The next try."""


@dataclass(slots=True)
class CspState:
    """The whole WAN."""

    hubs: dict[int, WanHub] = field(default_factory=dict)
    jobs: dict[int, ImageJob] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """Job key to number."""
    queues: dict[str, list[int]] = field(default_factory=dict)
    """Jobs that wait for a channel, first come first served."""
    busy: dict[str, int] = field(default_factory=dict)
    """Channels or sessions in use per group."""
    messages: dict[int, WaitingMessage] = field(default_factory=dict)
    next_number: int = 1
