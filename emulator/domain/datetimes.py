"""xs:dateTime and simulated milliseconds of UTC since 1970."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from emulator.domain.errors import Malformed

_DATE_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:(Z)|([+-])(\d\d):(\d\d))?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MAX_ZONE_MINUTES: Final = 14 * 60


def parse_datetime_ms(text: str) -> int:
    """Read an xs:dateTime of the years 1 to 9999; without a zone it is UTC, and fractions below a millisecond are cut off.

    The cancellation date of future-dated requests, 3000-12-31, is an ordinary date here (duis.md section 1.8). Raise
    :class:`Malformed` for anything else.
    """
    text = text.strip(" \t\r\n")
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise _not_a_datetime(text)
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    fraction, _, sign, zone_hours, zone_minutes = match.group(7, 8, 9, 10, 11)
    midnight = hour == 24 and minute == second == 0 and not (fraction or "").strip("0")
    try:
        moment = datetime(year, month, day, 0 if midnight else hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _not_a_datetime(text) from None
    at_ms = (moment - _EPOCH) // _MILLISECOND + int((fraction or "0").ljust(3, "0")[:3])
    if midnight:
        at_ms += 86_400_000
    if sign:
        offset_minutes = int(zone_hours) * 60 + int(zone_minutes)
        if int(zone_minutes) > 59 or offset_minutes > _MAX_ZONE_MINUTES:
            raise _not_a_datetime(text)
        at_ms += (-offset_minutes if sign == "+" else offset_minutes) * 60_000
    return at_ms


def format_datetime(at_ms: int) -> str:
    """Write UTC with milliseconds, as the DCC does: ``2026-11-21T01:02:03.456Z`` (source: duis.md section 1.3)."""
    at_s, rest_ms = divmod(at_ms, 1_000)
    return f"{_second(at_s)}.{rest_ms:03}Z"


@lru_cache(maxsize=64)
def _second(at_s: int) -> str:
    """What is written of many instants that follow one another."""
    return (_EPOCH + timedelta(seconds=at_s)).replace(tzinfo=None).isoformat(timespec="seconds")


def _not_a_datetime(text: str) -> Malformed:
    return Malformed(f"{text[:60]!r} is not a date and time", expected="for example 2026-11-21T01:02:03.456Z")
