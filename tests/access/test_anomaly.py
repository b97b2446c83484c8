"""Thresholds of anomaly detection: what is counted, whose threshold holds, and when a day ends."""

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import WebService
from emulator.dsp.anomaly import (
    MAX_THRESHOLDS,
    AnomalyState,
    Threshold,
    breach,
    crowded_out,
    hold,
    put_threshold,
    read_threshold,
    take,
)
from emulator.dsp.inputs import ControlInput
from emulator.duis.messages import Request, element
from tests.dsp.bench_world import SUPPLIER, Bench, bench_with, dcc_alerts, device

USER, OTHER = Eui64(1), Eui64(2)


def request(devices: int) -> Request:
    body = element("UpdateFirmware", element("DeviceIDList", ",".join(format_eui(n) for n in range(devices))))
    return Request(RequestId(USER, ACCESS_CONTROL_BROKER, 1), 8, "11.1", "11.1", body)


def test_without_a_threshold_nothing_is_a_breach() -> None:
    state = AnomalyState()
    assert all(breach(state, USER, request(50_000), 0) is None for _ in range(100))


def test_requests_and_devices_are_counted_apart_and_per_user() -> None:
    state = AnomalyState()
    put_threshold(state, Threshold(None, "11.1", requests=2, devices=10))
    assert breach(state, USER, request(6), 0) is None
    assert "12 devices" in str(breach(state, USER, request(6), 0))
    assert breach(state, USER, request(4), 0) is None
    assert "3 requests" in str(breach(state, USER, request(1), 0))
    assert breach(state, OTHER, request(10), 0) is None


def test_a_day_ends_at_midnight_utc() -> None:
    state = AnomalyState()
    put_threshold(state, Threshold(None, "11.1", requests=1))
    assert breach(state, USER, request(1), DAY_MS - 1) is None
    assert breach(state, USER, request(1), DAY_MS - 1) is not None
    assert breach(state, USER, request(1), DAY_MS) is None


def test_a_users_own_threshold_stands_in_place_of_the_general_one() -> None:
    state = AnomalyState()
    put_threshold(state, Threshold(USER, "11.1", requests=5))
    put_threshold(state, Threshold(None, "11.1", requests=0))
    assert breach(state, USER, request(1), 0) is None
    assert breach(state, OTHER, request(1), 0) is not None
    put_threshold(state, Threshold(USER, "11.1", requests=0))
    assert len(state.thresholds) == 2
    assert breach(state, USER, request(1), 0) is not None


def test_what_is_held_can_be_taken_once() -> None:
    state = AnomalyState()
    held = hold(state, WebService.NON_DEVICE, request(1), USER, 7, "too many")
    assert take(state, held.reference) is held
    with pytest.raises(Malformed, match="nothing is in quarantine"):
        take(state, held.reference)


def test_the_oldest_are_crowded_out() -> None:
    state = AnomalyState()
    for _ in range(5):
        hold(state, WebService.NON_DEVICE, request(1), USER, 7, "too many")
    assert crowded_out(state, 5) == []
    assert [held.reference for held in crowded_out(state, 3)] == [1, 2]
    assert list(state.quarantine) == [3, 4, 5]


def test_there_are_so_many_thresholds() -> None:
    state = AnomalyState()
    for number in range(MAX_THRESHOLDS):
        put_threshold(state, Threshold(Eui64(number), "11.1", requests=1))
    with pytest.raises(Malformed, match="too many thresholds"):
        put_threshold(state, Threshold(None, "11.1", requests=1))
    put_threshold(state, Threshold(Eui64(0), "11.1", requests=2))
    assert len(state.thresholds) == MAX_THRESHOLDS


def quarantine_records(bench: Bench) -> list[tuple[str, str]]:
    return [(r.entry.outcome, r.entry.reason) for r in bench.audit if r.entry.kind == "quarantine"]


def test_where_quarantine_is_full_the_oldest_is_deleted_and_that_is_on_record() -> None:
    bench = bench_with(keep_quarantined=2)
    bench.control("anomaly.threshold", variant="11.1", requests=0)
    for _ in range(3):
        assert bench.distribute("11.1", "ESME", [device(0, "A0")]).code == "I99"
    assert list(bench.world.engine.state.dsp.anomaly.quarantine) == [2, 3]
    assert quarantine_records(bench)[-1] == ("deleted", "there is no more room in quarantine")
    requests = [r.entry.request_id for r in bench.audit if r.entry.kind == "quarantine"]
    assert requests[0] == requests[-1]
    assert not bench.world.engine.state.dsp.jobs


def test_what_is_kept_back_is_no_decision_until_it_goes_on() -> None:
    bench = Bench()
    bench.control("anomaly.threshold", variant="11.1", requests=0)
    bench.distribute("11.1", "ESME", [device(0, "A0"), device(1, "A0")])
    (kept,) = [r.entry for r in bench.audit if r.entry.variant == "11.1" and r.entry.kind != "message"]
    assert (kept.kind, kept.outcome, kept.devices) == ("quarantine", "quarantined", 2)
    assert kept.devices_digest
    bench.control("quarantine.release", reference=1)
    steps = [(r.entry.kind, r.entry.outcome) for r in bench.audit if r.entry.variant == "11.1" and r.entry.kind != "message"]
    assert steps == [("quarantine", "quarantined"), ("quarantine", "released"), ("decision", "I99")]


@pytest.mark.parametrize(("verb", "outcome"), [("quarantine.release", "released"), ("quarantine.delete", "deleted")])
def test_the_record_names_the_operator_who_released_or_deleted(verb: str, outcome: str) -> None:
    bench = bench_with(keep_quarantined=1)
    bench.control("anomaly.threshold", variant="11.2", requests=0)
    for _ in range(2):
        bench.submit("11.2", to=device(0, "A0"))
    bench.control(verb, reference=2, operator="J. Doe")
    made = [(r.entry.outcome, r.entry.operator) for r in bench.audit if r.entry.kind == "quarantine"]
    assert made == [("quarantined", ""), ("quarantined", ""), ("deleted", ""), (outcome, "J. Doe")]
    assert {r.entry.operator for r in bench.audit if r.entry.kind == "decision"} <= {""}


def test_a_name_that_cannot_be_recorded_releases_nothing() -> None:
    bench = Bench()
    bench.control("anomaly.threshold", variant="11.2", requests=0)
    bench.submit("11.2", to=device(0, "A0"))
    answer = bench.world.engine.control(ControlInput("quarantine.release", {"reference": 1, "operator": "ü"}), bench.now_ms)
    assert "cannot name an operator" in (answer.error or "")
    assert list(bench.world.engine.state.dsp.anomaly.quarantine) == [1]


def test_the_alert_says_whose_threshold_it_was() -> None:
    bench = Bench()
    bench.control("anomaly.threshold", variant="11.2", requests=0)
    bench.submit("11.2", to=device(0, "A0"))
    bench.control("anomaly.threshold", variant="11.2", user=format_eui(SUPPLIER), requests=0)
    bench.submit("11.2", to=device(0, "A0"))
    (of_the_dcc,), (own,) = dcc_alerts(bench.deliveries, "N47"), dcc_alerts(bench.deliveries, "N46")
    assert of_the_dcc.body.required("ADDCCThresholdBreach", "QuarantineEventRef") == "1"
    assert own.body.required("ADUserThresholdBreach", "QuarantineEventRef") == "2"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"variant": "11.9", "requests": 1},
        {"variant": "11.1"},
        {"variant": "11.1", "requests": -1},
        {"variant": "11.1", "requests": True},
        {"variant": "11.1", "requests": 1, "day": 1},
        {"variant": "11.1", "user": 3, "requests": 1},
    ],
)
def test_bad_thresholds_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_threshold(values, "anomaly")
