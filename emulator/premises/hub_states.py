"""The image slots of a hub: every legal transition, and nothing else.

Rules: all changes of a slot's state go through :func:`advance`; a pair that is not in the table is our bug, raises
:class:`Broken` and changes nothing. Source: reference ota.md 11.4 (the emulator's model, confidence as there).
"""

from enum import StrEnum

from emulator.domain.errors import Broken


class SlotState(StrEnum):
    """What a slot is doing."""

    FREE = "FREE"
    RECEIVING = "RECEIVING"
    READY = "READY"
    SERVING = "SERVING"


class SlotEvent(StrEnum):
    """What can happen to a slot."""

    WAN_TRANSFER_STARTS = "WAN transfer starts"
    WAN_TRANSFER_FAILS = "WAN transfer fails"
    COMPLETE = "complete"
    REFUSED = "refused"
    REPLACED = "replaced"
    QUERIED = "queried by its device"
    EXPIRED = "expired"
    LOST = "lost"
    UPGRADE_END_SUCCESS = "upgrade end, success"
    UPGRADE_END_FAILURE = "upgrade end, failure"
    TARGET_SILENT = "device fell silent"


TRANSITIONS: dict[tuple[SlotState, SlotEvent], SlotState] = {
    (SlotState.FREE, SlotEvent.WAN_TRANSFER_STARTS): SlotState.RECEIVING,
    (SlotState.RECEIVING, SlotEvent.COMPLETE): SlotState.READY,
    (SlotState.RECEIVING, SlotEvent.REFUSED): SlotState.FREE,
    (SlotState.RECEIVING, SlotEvent.REPLACED): SlotState.FREE,
    (SlotState.RECEIVING, SlotEvent.WAN_TRANSFER_FAILS): SlotState.FREE,
    (SlotState.READY, SlotEvent.QUERIED): SlotState.SERVING,
    (SlotState.READY, SlotEvent.REPLACED): SlotState.FREE,
    (SlotState.READY, SlotEvent.EXPIRED): SlotState.FREE,
    (SlotState.READY, SlotEvent.LOST): SlotState.FREE,
    (SlotState.SERVING, SlotEvent.UPGRADE_END_SUCCESS): SlotState.FREE,
    (SlotState.SERVING, SlotEvent.UPGRADE_END_FAILURE): SlotState.FREE,
    (SlotState.SERVING, SlotEvent.TARGET_SILENT): SlotState.READY,
}


def advance(state: SlotState, event: SlotEvent) -> SlotState:
    """The state after ``event``; raise :class:`Broken` for a pair that is not legal."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise Broken(f"an image slot that is {state} cannot have: {event}") from None
