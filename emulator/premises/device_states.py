"""A device's firmware: every legal transition, and nothing else.

Rules: all changes go through :func:`advance_loading` and :func:`advance_firmware`; a pair that is not in its table is our bug,
raises :class:`Broken` and changes nothing. Source: reference ota.md 11.6 (the emulator's model, confidence as there).

The reference draws one machine. Here it is two, because a device that holds a verified image can load another, and loses the
held one only when the other is stored: loading (how an image gets in) and firmware (what is held and runs). RUNNING_NEW and
RUNNING_OLD of the reference are RUNNING with the new version, and HELD: after a failed activation the image is still there
and activation may be tried again (ota.md 11.2, job VERIFIED).
"""

from enum import StrEnum

from emulator.domain.errors import Broken


class LoadingState(StrEnum):
    """How far an image has come into the device."""

    IDLE = "IDLE"
    QUERYING = "QUERYING"
    DOWNLOADING = "DOWNLOADING"
    VERIFYING = "VERIFYING"


class LoadingEvent(StrEnum):
    """What can happen to an image on its way in."""

    LEARNS_OF_IMAGE = "learns of an image"
    IMAGE_ACCEPTABLE = "image acceptable"
    NOTHING_ACCEPTABLE = "older, equal or unfit"
    POWER_LOST = "power lost"
    TRANSFER_FAILED = "transfer failed"
    DONE = "all blocks received"
    SIGNATURE_GOOD = "signature good"
    SIGNATURE_BAD = "signature bad"


class FirmwareState(StrEnum):
    """What the device holds and runs."""

    RUNNING = "RUNNING"
    HELD = "HELD"
    ACTIVATING = "ACTIVATING"
    DEAD = "DEAD"


class FirmwareEvent(StrEnum):
    """What can happen to the firmware of a device."""

    IMAGE_STORED = "good image stored"
    IMAGE_LOST = "held image lost"
    ACTIVATION_STARTS = "activation starts"
    BOOT_OK = "boot ok"
    BOOT_FAILED_FALLBACK = "boot failed, fell back"
    BOOT_FAILED = "boot failed"


LOADING: dict[tuple[LoadingState, LoadingEvent], LoadingState] = {
    (LoadingState.IDLE, LoadingEvent.LEARNS_OF_IMAGE): LoadingState.QUERYING,
    (LoadingState.QUERYING, LoadingEvent.IMAGE_ACCEPTABLE): LoadingState.DOWNLOADING,
    (LoadingState.QUERYING, LoadingEvent.NOTHING_ACCEPTABLE): LoadingState.IDLE,
    (LoadingState.QUERYING, LoadingEvent.POWER_LOST): LoadingState.IDLE,
    (LoadingState.DOWNLOADING, LoadingEvent.DONE): LoadingState.VERIFYING,
    (LoadingState.DOWNLOADING, LoadingEvent.TRANSFER_FAILED): LoadingState.IDLE,
    (LoadingState.DOWNLOADING, LoadingEvent.POWER_LOST): LoadingState.IDLE,
    (LoadingState.VERIFYING, LoadingEvent.SIGNATURE_GOOD): LoadingState.IDLE,
    (LoadingState.VERIFYING, LoadingEvent.SIGNATURE_BAD): LoadingState.IDLE,
}

FIRMWARE: dict[tuple[FirmwareState, FirmwareEvent], FirmwareState] = {
    (FirmwareState.RUNNING, FirmwareEvent.IMAGE_STORED): FirmwareState.HELD,
    (FirmwareState.HELD, FirmwareEvent.IMAGE_STORED): FirmwareState.HELD,
    (FirmwareState.HELD, FirmwareEvent.IMAGE_LOST): FirmwareState.RUNNING,
    (FirmwareState.HELD, FirmwareEvent.ACTIVATION_STARTS): FirmwareState.ACTIVATING,
    (FirmwareState.ACTIVATING, FirmwareEvent.BOOT_OK): FirmwareState.RUNNING,
    (FirmwareState.ACTIVATING, FirmwareEvent.BOOT_FAILED_FALLBACK): FirmwareState.HELD,
    (FirmwareState.ACTIVATING, FirmwareEvent.BOOT_FAILED): FirmwareState.DEAD,
}


def advance_loading(state: LoadingState, event: LoadingEvent) -> LoadingState:
    """The state after ``event``; raise :class:`Broken` for a pair that is not legal."""
    try:
        return LOADING[state, event]
    except KeyError:
        raise Broken(f"a device whose loading is {state} cannot have: {event}") from None


def advance_firmware(state: FirmwareState, event: FirmwareEvent) -> FirmwareState:
    """The state after ``event``; raise :class:`Broken` for a pair that is not legal."""
    try:
        return FIRMWARE[state, event]
    except KeyError:
        raise Broken(f"a device whose firmware is {state} cannot have: {event}") from None
