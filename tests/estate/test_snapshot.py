"""State to octets and back; what is no snapshot is refused in words."""

import json
from dataclasses import dataclass, field

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.engine import STATE_FORMAT, EngineState, restore_state
from emulator.estate import snapshot
from emulator.world import create_world, restore_world


@dataclass(slots=True)
class Sample:
    """One of everything that state may hold."""

    numbers: list[int] = field(default_factory=lambda: [1, 2**70])
    pairs: dict[tuple[int, str], bytes] = field(default_factory=lambda: {(1, "a"): b"\x00\xff"})
    kinds: set[DeviceType] = field(default_factory=lambda: {DeviceType.ESME, DeviceType.CHF})
    nothing: None = None


def test_a_world_comes_back_as_it_was() -> None:
    engine = create_world().engine
    octets = engine.snapshot()
    assert snapshot.dump(restore_state(octets)) == octets
    assert restore_world("again", octets).engine.digest() == engine.digest()


@pytest.mark.parametrize("value", [1.5, object(), {1: 1.5}, [complex(1)], print])
def test_what_is_no_state_cannot_be_kept(value: object) -> None:
    with pytest.raises(TypeError):
        snapshot.dump(value)


def test_only_classes_of_the_emulator_come_back() -> None:
    with pytest.raises(Malformed, match="not a snapshot"):
        snapshot.load(snapshot.dump(Sample()))


def wrapped(kind: str, name: str, value: object) -> bytes:
    return json.dumps({"$": kind, "c": name, "v": value}).encode()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"\xff",
        b"[1, 2",
        b"{}",
        b'{"$": "o"}',
        b'{"$": "b", "v": "?"}',
        b"[" * 100_000,
        wrapped("o", "os:system", {}),
        wrapped("o", "emulator.engine:Engine", {}),
        wrapped("o", "emulator.nowhere:Nothing", {}),
        wrapped("e", "emulator.domain.vocabulary:DeviceType", "TOASTER"),
        wrapped("o", "emulator.engine:EngineState", {}),
    ],
)
def test_what_is_no_snapshot_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed, match="not a snapshot"):
        restore_state(octets)


def test_a_snapshot_of_something_else_or_of_a_newer_engine_is_refused() -> None:
    with pytest.raises(Malformed, match="of this engine"):
        restore_state(snapshot.dump([1]))
    state = restore_state(create_world().engine.snapshot())
    assert isinstance(state, EngineState)
    state.format = STATE_FORMAT + 1
    with pytest.raises(Malformed, match="of this engine"):
        restore_state(snapshot.dump(state))


def test_fields_that_are_gone_or_new_are_no_hindrance() -> None:
    octets = create_world().engine.snapshot().replace(b'"alert_counter":0,', b'"forgotten":0,', 1)
    assert restore_state(octets).dsp.alert_counter == 0


def test_a_snapshot_from_before_the_columns_is_refused_in_words() -> None:
    octets = create_world().engine.snapshot().replace(b'"format":%d' % STATE_FORMAT, b'"format":1', 1)
    with pytest.raises(Malformed, match="format 1, from before images moved in columns") as caught:
        restore_state(octets)
    assert "begin anew from the estate" in caught.value.expected
