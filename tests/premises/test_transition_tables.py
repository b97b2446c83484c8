"""The transition tables: every legal pair goes where it should, every other pair is refused and changes nothing."""

import itertools
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import pytest

from emulator.domain.errors import Broken
from emulator.premises import device_states, hub_states
from emulator.premises.device_states import FirmwareEvent, FirmwareState, LoadingEvent, LoadingState
from emulator.premises.hub_states import SlotEvent, SlotState

Machine = tuple[Mapping[Any, Any], Callable[[Any, Any], Any], type[StrEnum], type[StrEnum]]

MACHINES: dict[str, Machine] = {
    "slot": (hub_states.TRANSITIONS, hub_states.advance, SlotState, SlotEvent),
    "loading": (device_states.LOADING, device_states.advance_loading, LoadingState, LoadingEvent),
    "firmware": (device_states.FIRMWARE, device_states.advance_firmware, FirmwareState, FirmwareEvent),
}

# The tables once more, in the words of the reference (ota.md 11.4 and 11.6), so that a change of either is noticed.
EXPECTED = {
    "slot": """
        FREE + WAN transfer starts = RECEIVING
        RECEIVING + complete = READY
        RECEIVING + refused = FREE
        RECEIVING + replaced = FREE
        RECEIVING + WAN transfer fails = FREE
        READY + queried by its device = SERVING
        READY + replaced = FREE
        READY + expired = FREE
        READY + lost = FREE
        SERVING + upgrade end, success = FREE
        SERVING + upgrade end, failure = FREE
        SERVING + device fell silent = READY
    """,
    "loading": """
        IDLE + learns of an image = QUERYING
        QUERYING + image acceptable = DOWNLOADING
        QUERYING + older, equal or unfit = IDLE
        QUERYING + power lost = IDLE
        DOWNLOADING + all blocks received = VERIFYING
        DOWNLOADING + transfer failed = IDLE
        DOWNLOADING + power lost = IDLE
        VERIFYING + signature good = IDLE
        VERIFYING + signature bad = IDLE
    """,
    "firmware": """
        RUNNING + good image stored = HELD
        HELD + good image stored = HELD
        HELD + held image lost = RUNNING
        HELD + activation starts = ACTIVATING
        ACTIVATING + boot ok = RUNNING
        ACTIVATING + boot failed, fell back = HELD
        ACTIVATING + boot failed = DEAD
    """,
}


@pytest.mark.parametrize("name", MACHINES)
def test_tables_are_those_of_the_reference(name: str) -> None:
    table = MACHINES[name][0]
    lines = {f"{state} + {event} = {after}" for (state, event), after in table.items()}
    assert lines == {line.strip() for line in EXPECTED[name].strip().splitlines()}


@pytest.mark.parametrize("name", MACHINES)
def test_every_pair(name: str) -> None:
    table, advance, states, events = MACHINES[name]
    before = dict(table)
    for state, event in itertools.product(states, events):
        if (state, event) in table:
            assert advance(state, event) is table[state, event]
        else:
            with pytest.raises(Broken, match=str(state)):
                advance(state, event)
    assert table == before


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_and_event_is_used(name: str) -> None:
    table, _, states, events = MACHINES[name]
    assert {event for _, event in table} == set(events)
    assert {state for state, _ in table} | set(table.values()) == set(states)
