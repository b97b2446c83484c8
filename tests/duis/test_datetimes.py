"""xs:dateTime to milliseconds and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.duis.datetimes import format_datetime, parse_datetime_ms

MOMENT_MS = 1_795_222_923_456


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-21T01:02:03.456Z", MOMENT_MS),
        ("2026-11-21T01:02:03.456", MOMENT_MS),
        (" 2026-11-21T01:02:03.456Z\n", MOMENT_MS),
        ("2026-11-21T01:02:03.4569999Z", MOMENT_MS),
        ("2026-11-21T01:02:03.4Z", MOMENT_MS - 56),
        ("2026-11-21T01:02:03Z", MOMENT_MS - 456),
        ("2026-11-21T02:02:03.456+01:00", MOMENT_MS),
        ("2026-11-20T12:02:03.456-13:00", MOMENT_MS),
        ("2026-11-21T15:02:03.456+14:00", MOMENT_MS),
        ("2026-11-21T01:32:03.456+00:30", MOMENT_MS),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00+01:00", -3_600_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("3000-12-31T00:00:00.00Z", 32_535_129_600_000),
        ("2026-11-20T24:00:00Z", 1_795_219_200_000),
        ("2026-11-20T24:00:00.000Z", 1_795_219_200_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
    ],
)
def test_reading(text: str, at_ms: int) -> None:
    assert parse_datetime_ms(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-11-21 01:02:03Z",
        "2026-11-21T01:02Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T24:00:01Z",
        "2026-11-21T24:00:00.1Z",
        "2026-11-21T01:60:00Z",
        "2026-11-21T01:02:60Z",
        "2026-11-21T01:02:03.Z",
        "2026-11-21T01:02:03+14:01",
        "2026-11-21T01:02:03+01:60",
        "2026-11-21T01:02:03z",
        "0000-01-01T00:00:00Z",
        "12026-01-01T00:00:00Z",
        "-2026-01-01T00:00:00Z",
        "\u0662026-11-21T01:02:03Z",
    ],
)
def test_what_is_no_date_and_time(text: str) -> None:
    with pytest.raises(Malformed):
        parse_datetime_ms(text)


def test_writing() -> None:
    assert format_datetime(MOMENT_MS) == "2026-11-21T01:02:03.456Z"
    assert format_datetime(0) == "1970-01-01T00:00:00.000Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_both_ways_agree_with_the_standard_library(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    text = format_datetime(parse_datetime_ms(moment.isoformat()))
    assert datetime.fromisoformat(text) == moment
    assert parse_datetime_ms(text) == parse_datetime_ms(moment.isoformat())
