"""Reads that the DSP repeats for a user: 5.1 creates a schedule, 5.2 reads, 5.3 deletes (source: reference duis/duis.md 1.9).

A run is a request like any other: it passes the gate, becomes a Command and awaits a Response. What differs is how the user
hears of it, which is in :mod:`emulator.dsp.transactions`.
"""

import base64
import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import RequestId, format_eui, parse_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.tables import ServiceReferenceVariant, service_reference_variants
from emulator.domain.vocabulary import UserRole, WebService
from emulator.dsp.commands import send_due, unsendable
from emulator.dsp.context import Context
from emulator.dsp.gate import SCHEDULE_CHECKS, Case, eligible_roles, pass_gate
from emulator.dsp.inventory import whole_number
from emulator.dsp.registration import responsible
from emulator.dsp.retention import use_request_id
from emulator.dsp.state import InventoryEntry, Schedule, Transaction, TransactionState
from emulator.duis.datetimes import format_datetime, parse_datetime_ms
from emulator.duis.messages import Element, Request, element
from emulator.pki.certificates import Usage, read_certificate

Outcome = Element | Refusal | None

_DAYS = {"Daily": 1, "Weekly": 7}
_MONTHS = {"Monthly": 1, "Quarterly": 3, "Half-Yearly": 6, "Yearly": 12}


@dataclass(frozen=True, slots=True)
class ScheduledRead:
    """How a schedule names a read, and what the read's own request holds (schema V5.4, certain)."""

    variant: str
    period: bool
    """Whether it reads a log, with a period relative to the day of the run."""
    certificate: bool = False
    """Whether its request has room for the certificate of a party that the device does not know."""


_READS: Mapping[str, ScheduledRead] = {
    "DSPReadInstantaneousExportRegisters": ScheduledRead("4.2", False),
    "DSPRetrieveImportDailyReadLog": ScheduledRead("4.6.1", True, True),
    "DSPRetrieveExportDailyReadLog": ScheduledRead("4.6.2", True),
    "DSPReadActiveImportProfileData": ScheduledRead("4.8.1", True, True),
    "DSPReadReactiveImportProfileData": ScheduledRead("4.8.2", True),
    "DSPReadExportProfileData": ScheduledRead("4.8.3", True),
    "DSPReadNetworkData": ScheduledRead("4.10", True, True),
    "DSPReadMaximumDemandImportRegisters": ScheduledRead("4.12.1", False),
    "DSPReadMaximumDemandExportRegisters": ScheduledRead("4.12.2", False),
    "DSPReadPrepaymentDailyReadLog": ScheduledRead("4.14", True, True),
    "DSPReadLoadLimitData": ScheduledRead("4.15", False),
    "DSPReadActivePowerImport": ScheduledRead("4.16", False),
    "DSPRetrieveDailyConsumptionLog": ScheduledRead("4.17", True, True),
    "DSPRecordNetworkDataGAS": ScheduledRead("14.1", False),
}
"""By the element of the schedule."""


# 5.1


def create(context: Context, case: Case) -> Outcome:
    """5.1: refuse what could not run, or remember it; the answer is its DSPScheduleID."""
    details = case.request.body
    device = parse_eui(details.required("DeviceID"))
    wanted = _read_of(details)
    row = service_reference_variants().get(details.required("DSPScheduledServiceReferenceVariant"))
    if wanted is None or row is None or wanted[1].variant != row.srv or not _refers_to(details, row):
        detail = f"{'nothing that is read' if wanted is None else wanted[0].name} does not go with {_named_variant(details)}"
        return _refuse(context, "schedule_variant", detail)
    first = _first_run(context, details)
    if isinstance(first, Refusal):
        return first
    run, at_ms = first
    refusal = _check_period(context, wanted[0]) or _check_certificate(context, details, wanted[1])
    if refusal is not None:
        return refusal
    trial = _request(context, details, run, RequestId(case.sender.eui, device, case.request.request_id.counter))
    scheduled = Case(WebService.SEND_COMMAND, trial, at_ms, row, case.user)
    refusal = pass_gate(context, scheduled, SCHEDULE_CHECKS, "5.1") or unsendable(context, scheduled)
    if refusal is not None:
        return refusal
    if len(context.lookup.schedules_of(device)) >= context.settings.schedules_per_device:
        return _refuse(context, "schedule_limit", f"{format_eui(device)} has {context.settings.schedules_per_device} schedules")
    number = context.state.next_schedule
    context.state.next_schedule += 1
    schedule = Schedule(number, case.sender.eui, device, str(case.request.request_id), details, context.now_ms, run, at_ms)
    context.lookup.add_schedule(schedule)
    _wait(context, schedule)
    context.journal(
        "schedule",
        f"{number}: {row.srv} of {format_eui(device)} {details.required('ScheduleFrequency').lower()}, "
        f"first at {format_datetime(at_ms)}",
        request_id=schedule.request_id,
        device=device,
        data={"schedule": number, "next_ms": at_ms},
    )
    return element("DSPScheduleID", str(number))


def _refuse(context: Context, check: str, detail: str, reference: str = "5.1") -> Refusal:
    return Refusal(context.codes.code(check, reference), detail, where=check)


def _read_of(details: Element) -> tuple[Element, ScheduledRead] | None:
    return next(((child, _READS[child.name]) for child in details.children if child.name in _READS), None)


def _refers_to(details: Element, row: ServiceReferenceVariant) -> bool:
    return row.dcc_scheduled and details.required("DSPScheduledServiceReference") == row.service_reference


def _named_variant(details: Element) -> str:
    return f"{details.value('DSPScheduledServiceReference')}/{details.value('DSPScheduledServiceReferenceVariant')}"


def _first_run(context: Context, details: Element) -> tuple[int, int] | Refusal:
    """Number and instant of the first run that is still to come."""
    start = _day(details.required("ScheduleStartDate"))
    today = datetime.fromtimestamp(context.now_ms / 1000, UTC).date()
    if start < today and context.settings.schedule_past_start == "refuse":
        return _refuse(context, "schedule_dates", f"ScheduleStartDate {start} is over")
    found = _next_run(context, details, _about(details.required("ScheduleFrequency"), start, today))
    if found is None:
        return _refuse(context, "schedule_dates", f"ScheduleEndDate {details.value('ScheduleEndDate')} leaves no day to run")
    return found


def _day(text: str) -> date:
    """An xs:date; its zone, which says nothing about a day in UTC, is left out."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise Malformed(f"{text[:40]!r} is not a date", where="CreateSchedule", expected="such as 2026-01-31") from None


def _about(frequency: str, start: date, today: date) -> int:
    """A run before today, from which to look for the next."""
    if frequency in _DAYS:
        return max(0, (today - start).days // _DAYS[frequency] - 1)
    months = (today.year - start.year) * 12 + today.month - start.month
    return max(0, months // _MONTHS.get(frequency, 1) - 1)


def _date_of_run(details: Element, run: int) -> date | None:
    """The day of a run; where its month has no such day, the last one. None beyond the end of the schedule."""
    start, frequency, end = _day(details.required("ScheduleStartDate")), details.required("ScheduleFrequency"), None
    if (text := details.value("ScheduleEndDate")) is not None:
        end = _day(text)
    try:
        if frequency in _DAYS:
            day = start + timedelta(days=run * _DAYS[frequency])
        else:
            month = start.year * 12 + start.month - 1 + run * _MONTHS[frequency]
            year, month = month // 12, month % 12 + 1
            day = date(year, month, min(start.day, calendar.monthrange(year, month)[1]))
    except (OverflowError, ValueError):
        return None  # beyond the year 9999
    except KeyError:
        raise Malformed(f"{frequency[:40]!r} is no frequency", where="ScheduleFrequency") from None
    return None if end is not None and day > end else day


def _next_run(context: Context, details: Element, run: int) -> tuple[int, int] | None:
    """The first run from ``run`` on that lies ahead, with its instant; None when the schedule is over."""
    while (day := _date_of_run(details, run)) is not None:
        at_ms = _instant(day, details.value("ScheduleExecutionStartTime"), context.settings.schedule_start_time_ms)
        if at_ms > context.now_ms:
            return run, at_ms
        run += 1
    return None


def _instant(day: date, time: str | None, default_ms: int = 0) -> int:
    """A time of a day, in UTC unless it names a zone."""
    return parse_datetime_ms(f"{day}T00:00:00Z") + default_ms if time is None else parse_datetime_ms(f"{day}T{time.strip()}")


def _period(read: Element, day: date) -> tuple[int, int]:
    """What a log is read from and to by the run of a day."""
    start, end = (
        _instant(day, read.required(f"{limit}Time")) - _days_back(read.required(f"{limit}DateOffset")) * DAY_MS
        for limit in ("Start", "End")
    )
    return start, end


def _days_back(text: str) -> int:
    return whole_number(text.strip().removeprefix("-"), "DateOffset")


def _check_period(context: Context, read: Element) -> Refusal | None:
    if not _READS[read.name].period:
        return None
    start_ms, end_ms = _period(read, date(2000, 1, 1))
    return None if start_ms < end_ms else _refuse(context, "schedule_read_period", "what is read ends before it begins")


def _check_certificate(context: Context, details: Element, read: ScheduledRead) -> Refusal | None:
    """The certificate is for key agreement, and the read has room for it."""
    text = details.value("KAPublicSecurityCredential")
    if text is None:
        return None
    if not read.certificate:
        return _refuse(context, "schedule_certificate", f"{read.variant} takes no KAPublicSecurityCredential")
    try:
        record = read_certificate(base64.b64decode("".join(text.split()), validate=True))
    except ValueError as error:
        return _refuse(context, "schedule_certificate", f"KAPublicSecurityCredential cannot be read: {error}")
    if record.usage is not Usage.KEY_AGREEMENT:
        return _refuse(context, "schedule_certificate", "KAPublicSecurityCredential is not for key agreement")
    return None


# Runs


def _wait(context: Context, schedule: Schedule) -> None:
    schedule.deadline = context.agenda.schedule(schedule.next_ms, "dsp.schedule_due", schedule.number)


def _request(context: Context, details: Element, run: int, request_id: RequestId) -> Request:
    """The read as its user would ask for it on the day of the run."""
    found, day = _read_of(details), _date_of_run(details, run)
    assert found is not None, "5.1 looked at it"
    assert day is not None, "there is no run beyond the end"
    read, kind = found
    row = service_reference_variants()[kind.variant]
    certificate = details.value("KAPublicSecurityCredential")
    period = None
    if kind.period:
        start_ms, end_ms = _period(read, day)
        period = element(
            "ReadLogPeriod",
            element("StartDateTime", format_datetime(start_ms)),
            element("EndDateTime", format_datetime(end_ms)),
        )
    body = element(row.body_element, period, None if certificate is None else element("KAPublicSecurityCredentials", certificate))
    return Request(request_id, 1, row.service_reference, row.srv, body)


def run_due(context: Context, number: int) -> None:
    """The day and time of a run have come; the next one is fixed, and a schedule whose last run it was is over."""
    schedule = context.state.schedules.get(number)
    if schedule is None:
        return
    request = _request(context, schedule.details, schedule.run, _run_id(context, schedule))
    transaction = Transaction(
        key=context.key(),
        request=request,
        user=schedule.user,
        role=_role(context, schedule),
        device=schedule.device,
        state=TransactionState.HELD,
        due_ms=schedule.next_ms,
        schedule=number,
        scheduled_by=schedule.request_id,
    )
    context.state.transactions[transaction.key] = transaction
    schedule.runs += 1
    following = _next_run(context, schedule.details, schedule.run + 1)
    if following is None:
        context.lookup.drop_schedule(schedule)
        context.journal("schedule", f"{number}: over with this run", request_id=schedule.request_id, device=schedule.device)
    else:
        schedule.run, schedule.next_ms = following
        _wait(context, schedule)
    send_due(context, transaction)


def _row(schedule: Schedule) -> ServiceReferenceVariant:
    return service_reference_variants()[schedule.details.required("DSPScheduledServiceReferenceVariant")]


def _role(context: Context, schedule: Schedule) -> UserRole:
    """A role in which the user may send the read; it is on record with the run."""
    row = _row(schedule)
    return (eligible_roles(context, context.state.users[schedule.user], row) or row.roles)[0]


def _run_id(context: Context, schedule: Schedule) -> RequestId:
    """A RequestID that nobody used: its counter is near the clock and above those that the user named the device with, since a
    device refuses a counter that is not (our decision; duis.md 1.9 leaves it open)."""
    highest = context.state.highest_counter.get((schedule.user, schedule.device), -1)
    counter = max(context.now_ms, context.state.schedule_counter + 1, highest + 1)
    while not use_request_id(context, (schedule.user, schedule.device, counter, "command")):
        counter += 1
    context.state.schedule_counter = counter
    return RequestId(schedule.user, schedule.device, counter)


# 5.2 and 5.3


def read(context: Context, case: Case) -> Outcome:
    """5.2: the schedules of the user by number or device, as they were asked for."""
    chosen = _chosen(context, case)
    if isinstance(chosen, Refusal):
        return chosen
    return element(
        "DSPSchedulesRead",
        *(
            element(
                "DSPSchedules",
                element("DSPScheduleID", str(schedule.number)),
                element("DSPScheduleDetails", *schedule.details.children),
            )
            for schedule in chosen
        ),
    )


def delete(context: Context, case: Case) -> Refusal | None:
    """5.3: the schedules of the user by number or device are no more; a run that is under way goes on."""
    chosen = _chosen(context, case)
    if isinstance(chosen, Refusal):
        return chosen
    for schedule in chosen:
        _drop(context, schedule, "deleted by its user")
    return None


def _chosen(context: Context, case: Case) -> list[Schedule] | Refusal:
    body, reference = case.request.body, case.row.service_reference
    if (text := body.value("DSPScheduleID")) is not None:
        schedule = context.state.schedules.get(whole_number(text, "DSPScheduleID"))
        if schedule is None:
            return _refuse(context, "schedule_unknown", f"there is no schedule {text}", reference)
        if schedule.user != case.sender.eui:
            return _refuse(context, "schedule_not_owned", f"schedule {text} is of another user", reference)
        return [schedule]
    device = parse_eui(body.required("DeviceID"))
    if device not in context.state.inventory:
        return Refusal(context.codes.code("device_unknown"), f"{format_eui(device)} is not in the inventory", "device_unknown")
    own = [schedule for schedule in context.lookup.schedules_of(device) if schedule.user == case.sender.eui]
    return own or _refuse(context, "schedule_none", f"{case.sender.name} has no schedule for {format_eui(device)}", reference)


def _drop(context: Context, schedule: Schedule, why: str) -> None:
    context.agenda.cancel(schedule.deadline)
    context.lookup.drop_schedule(schedule)
    context.journal("schedule", f"{schedule.number}: {why}", request_id=schedule.request_id, device=schedule.device)


# Removal by the DCC


def remove_schedules(context: Context, device: InventoryEntry, purpose: str) -> None:
    """The DCC ends the schedules of a device, and tells each owner (DSPScheduleRemoval; duis.md 1.9, medium)."""
    _remove(context, context.lookup.schedules_of(device.eui), purpose)


def remove_on_suspension(context: Context, device: InventoryEntry) -> None:
    """The device was suspended (N17, low)."""
    if context.settings.schedules_on_suspension == "remove":
        remove_schedules(context, device, "schedule_removed_suspended")


def remove_of_lost_suppliers(context: Context, device: InventoryEntry) -> None:
    """A registration changed: schedules of who will not be responsible at their next run are removed (N6, low)."""
    if context.settings.schedules_on_change_of_supplier == "keep":
        return
    lost = [schedule for schedule in context.lookup.schedules_of(device.eui) if not _entitled(context, schedule, device)]
    _remove(context, lost, "schedule_removed_change_of_supplier")


def _entitled(context: Context, schedule: Schedule, device: InventoryEntry) -> bool:
    user = context.state.users[schedule.user]
    roles = eligible_roles(context, user, _row(schedule))
    return any(responsible(context, user, role, device, schedule.next_ms) for role in roles)


def _remove(context: Context, schedules: Iterable[Schedule], purpose: str) -> None:
    for schedule in schedules:
        _drop(context, schedule, "removed by the DCC")
        body = element(
            "DSPScheduleRemoval",
            element("DeviceID", format_eui(schedule.device)),
            element("DSPScheduleID", str(schedule.number)),
        )
        context.dcc_alert([schedule.user], purpose, body, device=schedule.device, request_id=schedule.request_id)
