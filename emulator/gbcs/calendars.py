"""Dates, times of day and day patterns of DUIS bodies as DLMS and ZCL write them.

A DUIS date leaves year, month, day or weekday open with an element of its own (``NonSpecifiedYear`` …); both forms write FF for
it. Source: the test messages of ECS01a, ECS08a, ECS46c, GCS05 beside their requests; LastDayOfMonth and SecondLastDayOfMonth as
DLMS has them (FE, FD), which no test message shows.
"""

import re
from collections.abc import Mapping, Sequence

from emulator.domain.errors import Malformed

OPEN = 0xFF
OPEN_YEAR = 0xFFFF
LAST_DAY, SECOND_LAST_DAY = 0xFE, 0xFD
DUIS_OPEN_YEAR = 65535
"""The year with which an xs:date says that it means every year."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))?", re.ASCII)
_DATE = re.compile(r"(\d{4,5})-(\d\d)-(\d\d)(?:Z|[+-]00:00)?", re.ASCII)
_SPECIAL = {"LastDayOfMonth": LAST_DAY, "SecondLastDayOfMonth": SECOND_LAST_DAY}
_ZCL_EPOCH_YEAR = 1900


def listed(value: object) -> list[object]:
    """The elements of what may be absent, one element, or several."""
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None or value == "" else [value]


def text_of(value: object) -> str:
    """The text of an element, whether or not it has attributes."""
    found = value.get("text", "") if isinstance(value, Mapping) else value
    if not isinstance(found, str):
        raise Malformed(f"{found!r} is not a text")
    return found.strip()


def clock_time(value: object) -> bytes:
    """xs:time as hour, minute, second, hundredths of UTC; no zone means UTC, and 24:00:00 is midnight."""
    found = _TIME.fullmatch(text_of(value))
    if not found:
        raise Malformed(f"{value!r} is not a time of day", expected="hh:mm:ssZ")
    hour, minute, second, ahead_hours, ahead_minutes = (int(found[n] or 0) for n in (1, 2, 3, 6, 7))
    ahead = (ahead_hours * 60 + ahead_minutes) * (-1 if found[5] == "-" else 1)
    of_day = (hour * 60 + minute - ahead) % (24 * 60)
    return bytes((*divmod(of_day, 60), second, int((found[4] or "0")[:2].ljust(2, "0"))))


def minutes_of(value: object) -> int:
    """xs:time as minutes since midnight."""
    hour, minute, _, _ = clock_time(value)
    return hour * 60 + minute


def _parts(value: object) -> tuple[int, int, int, int]:
    """Year, month, day and weekday of a DUIS date."""
    if isinstance(value, str):
        found = _DATE.fullmatch(value.strip())
        if not found:
            raise Malformed(f"{value[:40]!r} is not a date", expected="YYYY-MM-DD")
        year = int(found[1])
        return OPEN_YEAR if year == DUIS_OPEN_YEAR else year, int(found[2]), int(found[3]), OPEN
    if not isinstance(value, Mapping):
        raise Malformed("the date is missing")
    return (
        _part(value, "Year", OPEN_YEAR), _part(value, "Month", OPEN), _part(value, "DayOfMonth", OPEN),
        _part(value, "DayOfWeek", OPEN),
    )  # fmt: skip


def _part(date: Mapping[str, object], name: str, left_open: int) -> int:
    part = date.get(name, date.get(f"Gas{name}WithWildcards"))
    if not isinstance(part, Mapping):
        raise Malformed(f"{name} of the date is missing")
    specified = part.get(f"Specified{name}")
    if specified is not None:
        try:
            return int(text_of(specified))
        except ValueError:
            raise Malformed(f"{specified!r} is not a {name}") from None
    return next((octet for element, octet in _SPECIAL.items() if element in part), left_open)


def cosem_date(value: object) -> bytes:
    """A COSEM date: year in 2 octets, month, day, weekday."""
    year, month, day, weekday = _parts(value)
    return year.to_bytes(2, "big") + bytes((month, day, weekday))


def season_start(value: object) -> bytes:
    """A COSEM date-time at the beginning of a day."""
    return cosem_date(value) + bytes(4) + b"\x80\x00\xff"


def zcl_date(value: object) -> bytes:
    """A ZCL date: years since 1900, month, day, weekday."""
    year, month, day, weekday = _parts(value)
    since = OPEN if year == OPEN_YEAR else year - _ZCL_EPOCH_YEAR
    if not 0 <= since <= OPEN:
        raise Malformed(f"the year {year} does not fit a ZCL date", expected="1900 to 2154")
    return bytes((since, month, day, weekday))


def weekday_bits(applicability: object) -> str:
    """``"1111100"`` for a DaysOfWeekApplicability with Monday to Friday."""
    named = set()
    if isinstance(applicability, Mapping):
        for day in listed(applicability.get("DayOfWeekApplicability")):
            named.add(text_of(day.get("DayOfWeekID")) if isinstance(day, Mapping) else "")
    if named - set(WEEKDAYS):
        raise Malformed(f"{sorted(named)} are not days of the week", expected=", ".join(WEEKDAYS))
    return "".join("1" if day in named else "0" for day in WEEKDAYS)


def place_bits(places: object, key: str, count: int) -> str:
    """A bit per special day, ``count`` in all, set where ``places`` name it in the attribute or element ``key``."""
    named = {number_in(place, key) for place in listed(places)}
    if any(not 1 <= place <= count for place in named):
        raise Malformed(f"special days {sorted(named)} are named, {count} are defined")
    return "".join("1" if place in named else "0" for place in range(1, count + 1))


def number_in(element: object, key: str) -> int:
    """The number in an attribute or child of an element."""
    found = element.get(key) if isinstance(element, Mapping) else None
    try:
        return int(text_of(found))
    except (Malformed, ValueError):
        raise Malformed(f"{key} is missing", where=key) from None


def in_order(elements: Sequence[object], key: str) -> list[object]:
    """The elements by the number in ``key``."""
    return sorted(elements, key=lambda element: number_in(element, key))


_PERIOD_MONTHS = {"Quarterly": 3, "SixMonthly": 6, "Yearly": 12}


def billing_dates(calendar: object) -> list[object]:
    """The COSEM dates on which an ElectricityBillingCalendar bills, open where they repeat.

    Source: ECS30 for months, ECS30a for quarters; days, weeks, half-years and years by analogy.
    """
    if not isinstance(calendar, Mapping):
        raise Malformed("the billing calendar is missing")
    if "Daily" in calendar:
        return [bytes((OPEN,)) * 5]
    if "Weekly" in calendar:
        return [bytes((OPEN,)) * 4 + bytes((number_in(calendar, "Weekly"),))]
    if "Monthly" in calendar:
        return [bytes((OPEN, OPEN, OPEN, number_in(calendar, "Monthly"), OPEN))]
    name = next((name for name in _PERIOD_MONTHS if name in calendar), None)
    if name is None:
        raise Malformed("the billing calendar names no period", expected=", ".join(_PERIOD_MONTHS))
    day = number_in(calendar[name], "DayOfMonth")
    first, step = number_in(calendar[name], "BillingPeriodStartMonth"), _PERIOD_MONTHS[name]
    months = [(first - 1 + offset) % 12 + 1 for offset in range(0, 12, step)]
    return [bytes((OPEN, OPEN, month, day, OPEN)) for month in months]
