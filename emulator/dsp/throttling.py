"""Protection against storms of alerts: repeats of an alert of one device are held back (reference duis/duis.md section 1.10).

Within a window that begins with the first alert, so many go to a user; what is over that is dropped and counted. The first alert
of the next window says how many were held back. The schema has the fields alone; thresholds are not public (L028, low).
"""

from dataclasses import dataclass, field

from emulator.dsp.oldest import drop_oldest
from emulator.dsp.settings import DspSettings
from emulator.duis.messages import Throttled

Key = tuple[int, int, str]
"""Recipient, device and code."""


@dataclass(slots=True)
class Window:
    """Alerts with one code about one device to one user, since the window began."""

    began_ms: int
    passed: int = 0
    held: int = 0
    sequence_id: int = 0
    """Number of the time of holding back, 0 while nothing is held back."""


@dataclass(slots=True)
class ThrottleState:
    """Windows, oldest first; bounded by ``keep_throttled``."""

    windows: dict[Key, Window] = field(default_factory=dict)
    next_sequence_id: int = 1


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of an alert."""

    held: bool
    told: Throttled | None = None
    """What an alert that goes says of those before it."""


GOES = Passage(held=False)


def pass_alert(state: ThrottleState, settings: DspSettings, key: Key, now_ms: int) -> Passage:
    """Count an alert; it goes, with what it says of those that were held back before it, or is held back itself."""
    if not settings.alert_throttling or key[2] in settings.throttle_exempt.split():
        return GOES
    window = state.windows.get(key)
    if window is None or now_ms >= window.began_ms + settings.throttle_window_ms:
        state.windows.pop(key, None)
        state.windows[key] = Window(now_ms, passed=1)
        drop_oldest(state.windows, settings.keep_throttled)
        return Passage(False, Throttled(window.sequence_id, window.held)) if window is not None and window.held else GOES
    if window.passed < settings.throttle_alerts:
        window.passed += 1
        return GOES
    if not window.held:
        window.sequence_id = state.next_sequence_id
        state.next_sequence_id += 1
    window.held += 1
    return Passage(held=True)
