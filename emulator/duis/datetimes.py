"""xs:dateTime, as DUIS writes it."""

from emulator.domain.datetimes import format_datetime, parse_datetime_ms

__all__ = ["format_datetime", "parse_datetime_ms"]
