"""Thresholds of anomaly detection: what is counted, whose threshold holds, and when a day ends."""

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import WebService
from emulator.dsp.anomaly import AnomalyState, Threshold, breach, hold, put_threshold, read_threshold, take
from emulator.duis.messages import Request, element

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
