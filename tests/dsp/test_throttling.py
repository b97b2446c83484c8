"""Storms of alerts: what is held back, what the next one says of it, and what comes of an update meanwhile."""

from emulator.domain.identifiers import format_eui
from emulator.dsp.settings import DspSettings
from emulator.dsp.throttling import Passage, ThrottleState, pass_alert
from emulator.duis.messages import Throttled
from tests.dsp.bench_world import DAY_MS, SUPPLIER, Bench, bench_with, device, device_alerts
from tests.dsp.telling import told

ESME = device(0, "A0")
KEY = (SUPPLIER, ESME, "8F72")
ON = DspSettings(alert_throttling=True, throttle_alerts=2, throttle_window_ms=1_000)


def passages(settings: DspSettings, *instants_ms: int, key: tuple[int, int, str] = KEY) -> list[Passage]:
    state = ThrottleState()
    return [pass_alert(state, settings, key, at_ms) for at_ms in instants_ms]


def test_beyond_the_limit_alerts_are_held_back_until_the_window_ends() -> None:
    found = passages(ON, 0, 10, 20, 999, 1_000, 1_001, 1_002, 2_000, 3_000)
    assert [each.held for each in found] == [False, False, True, True, False, False, True, False, False]
    assert [each.told for each in found] == [None, None, None, None, Throttled(1, 2), None, None, Throttled(2, 1), None]


def test_other_codes_devices_and_users_count_for_themselves() -> None:
    state, one = ThrottleState(), DspSettings(alert_throttling=True, throttle_alerts=1)
    for key in (KEY, (SUPPLIER, ESME, "8F1C"), (SUPPLIER, ESME + 1, "8F72"), (SUPPLIER + 1, ESME, "8F72")):
        assert not pass_alert(state, one, key, 0).held
        assert pass_alert(state, one, key, 1).held


def test_nothing_is_held_back_where_it_is_off_or_exempt() -> None:
    assert not any(each.held for each in passages(DspSettings(), *range(100)))
    exempt = DspSettings(alert_throttling=True, throttle_alerts=1, throttle_exempt="N60 8F72")
    assert not any(each.held for each in passages(exempt, *range(100)))
    assert passages(exempt, 0, 1, key=(SUPPLIER, ESME, "8F1C"))[1].held


def test_windows_are_bounded() -> None:
    state, few = ThrottleState(), DspSettings(alert_throttling=True, keep_throttled=10)
    for number in range(100):
        pass_alert(state, few, (SUPPLIER, number, "8F72"), number)
    assert len(state.windows) == 10


def updated(bench: Bench, version: str) -> list[str]:
    """The codes that the supplier gets on one distribution."""
    assert bench.distribute("11.1", "ESME", [ESME], version).code == "I99"
    return told(bench.run_until_idle()).get("one", [])


def test_a_receipt_that_is_held_back_changes_what_it_changes_and_is_counted() -> None:
    bench = bench_with(alert_throttling=True, throttle_alerts=1, throttle_exempt="N60 N62")
    assert updated(bench, "00010100") == ["N60", "N62", "8F72"]
    assert updated(bench, "00010100") == ["N60", "N62"]
    assert bench.world.views.device(ESME)["job"]["state"] == "VERIFIED"  # type: ignore[index]
    held = [entry for entry in bench.journal if entry.kind == "throttled"]
    assert [(entry.device, entry.data["code"]) for entry in held] == [(ESME, "8F72")]
    assert "held back" in held[0].summary
    assert format_eui(SUPPLIER) in held[0].summary
    bench.advance(DAY_MS)
    assert updated(bench, "00010100") == ["N60", "N62", "8F72"]
    assert [alert.throttled for alert in device_alerts(bench.deliveries, 0x8F72)] == [None, Throttled(1, 1)]


def test_alerts_of_the_dcc_are_held_back_like_those_of_devices() -> None:
    bench = bench_with(alert_throttling=True, throttle_alerts=1)
    assert updated(bench, "00010100") == ["N60", "N62", "8F72"]
    assert updated(bench, "00010100") == []
