"""Times as GBCS writes them, from and to milliseconds of UTC since 1970.

Three forms: COSEM date-time (12 octets), ZCL UTCTime (seconds since 2000-01-01) and ASN.1 GeneralizedTime. "Now" and "never"
have their own octets in each form; in the API they are :data:`IMMEDIATE` and :data:`CANCEL`.
"""

from datetime import UTC, datetime, timedelta

from emulator.domain.datetimes import parse_datetime_ms
from emulator.domain.errors import Malformed

IMMEDIATE = None
"""Execution without an execution time."""

CANCEL = 253_402_300_799_000
"""9999-12-31T23:59:59Z: the execution time that cancels a pending command (gbcs.md section 8, proven)."""

DUIS_CANCEL = 32_535_129_600_000
"""3000-12-31T00:00:00Z, the same in DUIS (gbcs.md section 9, proven)."""

ZCL_EPOCH_MS = 946_684_800_000
ZCL_NOW, ZCL_CANCEL, ZCL_CANCEL_PUBLISH = 0, 0xFFFFFFFF, 0xFFFFFFFE
"""UTCTime of immediate execution, of cancelling, and of cancelling a Publish command (gbcs.md section 7, proven)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COSEM_TAIL = bytes.fromhex("8000ff")
COSEM_NOW = bytes(9) + _COSEM_TAIL
COSEM_CANCEL = b"\xff" * 9 + _COSEM_TAIL


def _moment(at_ms: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        raise Malformed(f"{at_ms} ms is beyond the calendar", expected="a time before the year 10000") from None


def _since_epoch(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def cosem(at_ms: int | None, status: int = 0xFF) -> bytes:
    """12 octets: date, weekday FF (not specified), time, deviation 8000 (not specified), clock status."""
    if at_ms is None:
        return COSEM_NOW
    if at_ms == CANCEL:
        return COSEM_CANCEL
    at = _moment(at_ms)
    fields = (at.month, at.day, 0xFF, at.hour, at.minute, at.second, at.microsecond // 10_000)
    return at.year.to_bytes(2, "big") + bytes(fields) + b"\x80\x00" + bytes((status,))


def read_cosem(octets: bytes) -> int | None:
    """Milliseconds of a COSEM date-time; None for :data:`IMMEDIATE`, :data:`CANCEL` for never.

    A weekday is not checked. :class:`Malformed` where date or time is left open, or the time is not UTC (GBCS leaves the
    deviation unspecified and means UTC).
    """
    if len(octets) != 12:
        raise Malformed(f"a COSEM date-time has {len(octets)} octets", expected="12")
    if octets == COSEM_NOW:
        return IMMEDIATE
    if octets == COSEM_CANCEL:
        return CANCEL
    year, month, day, hour, minute, second, hundredths = (int.from_bytes(octets[:2], "big"), *octets[2:4], *octets[5:9])
    try:
        if octets[9:11] not in (_COSEM_TAIL[:2], bytes(2)):
            raise ValueError
        at = datetime(year, month, day, hour, minute, second, 0 if hundredths == 0xFF else hundredths * 10_000, UTC)
    except ValueError:
        raise Malformed(f"{octets.hex()} is not one instant", expected="a COSEM date-time with date and time") from None
    return _since_epoch(at)


def utc_time(at_ms: int | None, *, publish: bool = False) -> int:
    """Seconds since 2000; ``publish`` chooses the form in which Publish commands cancel."""
    if at_ms is None:
        return ZCL_NOW
    if at_ms == CANCEL:
        return ZCL_CANCEL_PUBLISH if publish else ZCL_CANCEL
    seconds = (at_ms - ZCL_EPOCH_MS) // 1000
    if not 0 <= seconds < ZCL_CANCEL_PUBLISH:
        raise Malformed(f"{at_ms} ms does not fit a UTCTime", expected="2000-01-01 to 2136-02-07")
    return seconds


def read_utc_time(seconds: int) -> int | None:
    """Milliseconds of a UTCTime; None for 0, :data:`CANCEL` for the two values that cancel."""
    if seconds == ZCL_NOW:
        return IMMEDIATE
    if seconds in (ZCL_CANCEL, ZCL_CANCEL_PUBLISH):
        return CANCEL
    return ZCL_EPOCH_MS + seconds * 1000


def generalized(at_ms: int) -> str:
    """``YYYYMMDDhhmmssZ``."""
    at = _moment(at_ms)
    return f"{at.year:04}{at:%m%d%H%M%S}Z"


def read_generalized(text: str) -> int:
    """Milliseconds of a GeneralizedTime of 15 characters; the cancelling time reads as :data:`CANCEL`."""
    try:
        if len(text) != 15 or not text[:14].isdecimal() or not text.isascii() or text[14] != "Z":
            raise ValueError
        return _since_epoch(datetime.fromisoformat(f"{text[:8]}T{text[8:14]}+00:00"))
    except ValueError:
        raise Malformed(f"{text[:30]!r} is not a GeneralizedTime", expected="YYYYMMDDhhmmssZ") from None


def read_duis(text: str) -> int:
    """Milliseconds of an xs:dateTime as DUIS carries it; the cancelling date reads as :data:`CANCEL`. No zone means UTC."""
    at_ms = parse_datetime_ms(text)
    return CANCEL if at_ms == DUIS_CANCEL else at_ms


def as_text(at_ms: int | None) -> str:
    """A time for people: ISO text, ``now`` or ``never``."""
    if at_ms is None:
        return "now"
    return "never" if at_ms == CANCEL else f"{_moment(at_ms):%Y-%m-%dT%H:%M:%SZ}"
