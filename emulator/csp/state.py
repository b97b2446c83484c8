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
    dark_since_ms: int = 0
    """Since when it has no power; 0 while it has."""


@dataclass(slots=True)
class ImageJob:
    """One image for one device that is not yet at its hub. Where it is, the columns know."""

    job_key: str
    hub: int
    target: int
    order: int
    """Which image of the columns it is."""
    size_bytes: int


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
    jobs: dict[str, ImageJob] = field(default_factory=dict)
    """By job key."""
    keys: dict[tuple[int, int], str] = field(default_factory=dict)
    """Job keys by device and order."""
    messages: dict[int, WaitingMessage] = field(default_factory=dict)
    next_number: int = 1
