"""Spans, instants and sizes as people write them, and plain values as TOML."""

import tomllib
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.scenarios.toml_text import to_toml
from emulator.scenarios.values import size_bytes
from emulator.simulation.durations import duration_ms, format_duration, read_instant

MIDNIGHT_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250 ms", 250),
        ("90 s", 90_000),
        ("90 min", 5_400_000),
        ("1h", 3_600_000),
        ("1 h 30 min", 5_400_000),
        ("5 days", 432_000_000),
        ("1 day 1 s", 86_401_000),
        ("2 weeks", 1_209_600_000),
        ("0 s", 0),
    ],
)
def test_spans(text: str, expected: int) -> None:
    assert duration_ms(text) == expected


@pytest.mark.parametrize("value", [90, 1.5, True, None, "", "90", "min", "90 m", "-1 h", "1 h and 2 min", "1.5 h", [], {}])
def test_what_is_no_span(value: object) -> None:
    with pytest.raises(Malformed, match="90 min"):
        duration_ms(value)


@given(st.integers(0, 10**12))
def test_spans_are_written_as_they_are_read(span_ms: int) -> None:
    exact = span_ms - span_ms % 1000 if span_ms >= 86_400_000 else span_ms
    exact = exact - exact % 60_000 if span_ms >= 86_400_000 else exact
    shown = duration_ms(format_duration(span_ms))
    assert exact <= span_ms
    assert 0 <= span_ms - shown < 60_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-05T00:00:00Z", MIDNIGHT_MS),
        ("2026-01-05T01:00:00+01:00", MIDNIGHT_MS),
        (datetime(2026, 1, 5, tzinfo=UTC), MIDNIGHT_MS),
        ("start", 1_000),
        ("start + 2 h", 7_201_000),
        ("start+1 s", 2_000),
        ("now - 1 s", 4_000),
        ("now + 1 day", 86_405_000),
    ],
)
def test_instants(value: object, expected: int) -> None:
    assert read_instant(value).at_ms(start_ms=1_000, now_ms=5_000) == expected


NO_ZONE = datetime(2026, 1, 5)  # noqa: DTZ001


@pytest.mark.parametrize("value", [0, 1.0, None, "", "later", "start 2 h", "start + 2", "2026-01-05T00:00:00", NO_ZONE])
def test_what_is_no_instant(value: object) -> None:
    with pytest.raises(Malformed):
        read_instant(value)


def test_sizes() -> None:
    assert [size_bytes(text) for text in ("64 B", "48 kB", "1 MiB")] == [64, 48_000, 1_048_576]
    for wrong in (48_000, "48000", "48 kb", "63 B", "1 GB"):
        with pytest.raises(Malformed, match="48 kB"):
            size_bytes(wrong)


VALUES: Any = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.dates(min_value=date(1900, 1, 1))
    | st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=4))
def test_toml_reads_back(document: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(document)) == document
