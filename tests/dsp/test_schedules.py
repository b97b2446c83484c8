"""DSP schedules: 5.1 creates, 5.2 reads, 5.3 deletes; what runs, what fails, and what the DCC removes."""

import base64
from datetime import date

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.tables import service_reference_variants
from emulator.dsp import commands
from emulator.dsp.lookup import Lookup
from emulator.dsp.schedules import _READS
from emulator.duis.messages import DccAlert, Element, ServiceResponse, element
from emulator.gbcs.message import decode_message
from emulator.gbcs.results import read_result
from emulator.pki.certificates import Usage
from emulator.world import restore_world
from tests.dsp.bench_world import (
    DAY_MS,
    HOUR_MS,
    NETWORK_OPERATOR,
    OTHER_USER,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    bench_with,
    dcc_alerts,
    device,
    responses,
)
from tests.dsp.telling import bodies, told, valid

ESME, GSME, HUB, GPF = device(0, "A0"), device(0, "A1"), device(0, "A2"), device(0, "A3")
MPAN = "1200000000001"
PERIOD = (
    element("StartDateOffset", "-1"),
    element("StartTime", "00:00:00.00Z"),
    element("EndDateOffset", "0"),
    element("EndTime", "00:30:00+01:00"),
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def schedule(
    variant: str = "4.16",
    *,
    to: int = ESME,
    frequency: str = "Daily",
    start: str = "2026-01-06",
    end: str | None = None,
    time: str | None = "07:00:00Z",
    certificate: str | None = None,
    **changes: str | Element,
) -> Element:
    """A 5.1 for a variant; ``changes`` replace its references or the read."""
    name, read = next((name, read) for name, read in _READS.items() if read.variant == variant)
    row = service_reference_variants()[variant]
    return element(
        "CreateSchedule",
        element("ScheduleFrequency", frequency),
        element("ScheduleStartDate", start),
        element("ScheduleEndDate", end) if end else None,
        element("ScheduleExecutionStartTime", time) if time else None,
        element("KAPublicSecurityCredential", certificate) if certificate else None,
        element("DSPScheduledServiceReference", str(changes.get("reference", row.service_reference))),
        element("DSPScheduledServiceReferenceVariant", str(changes.get("named", variant))),
        element("DeviceID", format_eui(Eui64(to))),
        changes.get("read") or element(name, *(PERIOD if read.period else ())),
    )


def by_number(kind: str, number: int) -> Element:
    return element(kind, element("DSPScheduleID", str(number)))


def by_device(kind: str, eui: int) -> Element:
    return element(kind, element("DeviceID", format_eui(Eui64(eui))))


def created(bench: Bench, body: Element | None = None, user: int = SUPPLIER) -> int:
    answer = bench.submit("5.1", body or schedule(), user=user)
    assert (answer.code, answer.payload and answer.payload.name) == ("I0", "DSPScheduleID")
    assert answer.payload is not None
    assert valid(answer)
    return int(answer.payload.text)


def scheduled(deliveries: list[object]) -> list[tuple[str, int]]:
    """Variant and DSPScheduleID of the scheduled messages among them."""
    found = []
    for delivery in deliveries:
        message = getattr(delivery, "message", None)
        if isinstance(message, ServiceResponse) and message.payload is not None:
            assert message.payload.name == "DSPScheduledMessage"
            found.append((message.service_reference_variant, int(message.payload.required("DSPScheduleID"))))
    return found


# What is made, read and deleted


def test_a_schedule_is_read_as_it_was_made_and_is_gone_when_deleted(bench: Bench) -> None:
    first, second = created(bench), created(bench, schedule("4.6.1", frequency="Monthly", end="2027-01-01"))
    assert (first, second) == (1, 2)
    answer = bench.submit("5.2", by_device("ReadSchedule", ESME))
    assert answer.code == "I0"
    assert answer.payload is not None
    assert answer.payload.name == "DSPSchedulesRead"
    assert valid(answer)
    assert [each.required("DSPScheduleID") for each in answer.payload] == ["1", "2"]
    assert answer.payload.children[1].find("DSPScheduleDetails", "DSPRetrieveImportDailyReadLog", "StartTime") is not None
    one = bench.submit("5.2", by_number("ReadSchedule", second)).payload
    assert one is not None
    assert one.children == answer.payload.children[1:]
    assert bench.submit("5.3", by_number("DeleteSchedule", first)).code == "I99"
    assert bench.submit("5.2", by_number("ReadSchedule", first)).code == "E050201"
    assert bench.submit("5.3", by_device("DeleteSchedule", ESME)).code == "I99"
    assert not bench.world.engine.state.dsp.schedules
    assert not bench.advance(3 * DAY_MS)


def test_nobody_reads_or_deletes_what_another_made(bench: Bench) -> None:
    number = created(bench)
    for service, kind in (("5.2", "ReadSchedule"), ("5.3", "DeleteSchedule")):
        major = service.replace(".", "0")
        assert bench.submit(service, by_number(kind, number), user=OTHER_USER).code == f"E0{major}02"
        assert bench.submit(service, by_number(kind, 77), user=OTHER_USER).code == f"E0{major}01"
        assert bench.submit(service, by_device(kind, ESME), user=OTHER_USER).code == f"W0{major}01"
        assert bench.submit(service, by_device(kind, 7), user=OTHER_USER).code == "E19"
    assert list(bench.world.engine.state.dsp.schedules) == [number]


def certificate(bench: Bench, user: int, usage: Usage) -> str:
    record = bench.world.keys.live(Eui64(user), usage)
    assert record is not None
    return base64.b64encode(record.der).decode()


@pytest.mark.parametrize(
    ("body", "user", "code"),
    [
        (schedule(named="4.15"), SUPPLIER, "E050101"),
        (schedule(reference="4.15"), SUPPLIER, "E050101"),
        (schedule(read=element("DSPReadLoadLimitData")), SUPPLIER, "E050101"),
        (schedule(start="2026-01-04"), SUPPLIER, "E050102"),
        (schedule(start="2026-01-07", end="2026-01-06"), SUPPLIER, "E050102"),
        (schedule("4.6.1", read=element("DSPRetrieveImportDailyReadLog", *PERIOD[2:], PERIOD[0], PERIOD[1])), SUPPLIER, "I0"),
        (schedule(), NETWORK_OPERATOR, "I0"),
        (schedule("4.6.1"), NETWORK_OPERATOR, "E050107"),
        (schedule(to=7), SUPPLIER, "E050108"),
        (schedule(to=GSME), SUPPLIER, "E050109"),
        (schedule(), SUPPLIER_TWO, "E050110"),
        (schedule(certificate="AAAA"), SUPPLIER, "E050112"),
        (schedule("4.6.1", certificate="AAAA"), SUPPLIER, "E050112"),
        (schedule("4.6.1", certificate="é"), SUPPLIER, "E050112"),
    ],
)
def test_what_cannot_run_is_refused_with_a_code_of_its_own(bench: Bench, body: Element, user: int, code: str) -> None:
    assert bench.submit("5.1", body, user=user).code == code
    assert len(bench.world.engine.state.dsp.schedules) == (code == "I0")


def test_a_period_that_ends_before_it_begins_is_refused(bench: Bench) -> None:
    turned = element(
        "DSPRetrieveImportDailyReadLog",
        element("StartDateOffset", "0"),
        element("StartTime", "00:00:00Z"),
        element("EndDateOffset", "-1"),
        element("EndTime", "23:00:00Z"),
    )
    assert bench.submit("5.1", schedule("4.6.1", read=turned)).code == "E050103"


def test_a_device_out_of_service_gets_no_schedule(bench: Bench) -> None:
    bench.submit("8.3", by_device("DecommissionDevice", ESME))
    assert bench.submit("5.1", schedule()).code == "E050111"


def test_a_device_has_so_many_schedules_and_no_more() -> None:
    bench = bench_with(schedules_per_device=2)
    created(bench)
    created(bench, user=NETWORK_OPERATOR)
    assert bench.submit("5.1", schedule()).code == "E050105"
    bench.submit("5.3", by_number("DeleteSchedule", 1))
    assert created(bench) == 3, "numbers are not used again"


def test_a_certificate_for_signatures_is_refused_and_one_for_agreement_goes_into_the_request(bench: Bench) -> None:
    signing = certificate(bench, OTHER_USER, Usage.DIGITAL_SIGNATURE)
    assert bench.submit("5.1", schedule("4.17", certificate=signing), user=OTHER_USER).code == "E050112"
    agreement = certificate(bench, OTHER_USER, Usage.KEY_AGREEMENT)
    created(bench, schedule("4.17", certificate=agreement), user=OTHER_USER)
    bench.advance(DAY_MS)
    (run,) = bench.world.engine.state.dsp.transactions.values()
    assert run.request.body.value("KAPublicSecurityCredentials") == agreement


def test_a_read_that_no_device_carries_out_is_not_scheduled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        commands, "_not_carried_out", lambda context, case, use_case: commands._refusal(context, case, "service_not_emulated", "")
    )
    assert bench.submit("5.1", schedule()).code == "E100"


def test_a_day_that_is_over_may_be_the_first_where_the_setting_says_so() -> None:
    bench = bench_with(schedule_past_start="accept")
    created(bench, schedule(start="2015-01-02", frequency="Weekly"))  # a Friday
    (entry,) = bench.world.engine.state.dsp.schedules.values()
    assert entry.next_ms == bench.now_ms + 4 * DAY_MS - HOUR_MS, "the Friday after the Monday on which the world begins"


# Runs


ALL = {read.variant: (GSME if read.variant == "14.1" else ESME) for read in _READS.values()}


def test_the_table_has_every_schedulable_variant() -> None:
    assert set(ALL) == {row.srv for row in service_reference_variants().values() if row.dcc_scheduled}
    assert len(ALL) == 14


@pytest.mark.parametrize("variant", ALL)
def test_every_schedulable_variant_runs_each_day(bench: Bench, variant: str) -> None:
    user = NETWORK_OPERATOR if variant == "14.1" else SUPPLIER
    if variant in ("4.6.2", "4.2", "4.8.3", "4.12.2"):
        bench.control("registration.put", mpxn=bench.world.engine.state.dsp.inventory[ESME].export_mpan or MPAN, role="ES",
                      party="supplier-one", from_ms=0)  # fmt: skip
    number = created(bench, schedule(variant, to=ALL[variant]), user)
    fresh = bench.advance(DAY_MS - HOUR_MS - 1)
    assert not fresh
    fresh = bench.advance(2 * DAY_MS)
    assert scheduled(fresh) == [(variant, number)] * 2
    for answer in responses(fresh):
        assert answer.payload is not None
        assert read_result(decode_message(base64.b64decode(answer.payload.required("GBCSPayload"))))["ok"]
    runs = list(bench.world.engine.state.dsp.transactions.values())
    assert [run.due_ms for run in runs] == [bench.world.estate.start_ms + days * DAY_MS - HOUR_MS for days in (1, 2)]
    row = service_reference_variants()[variant]
    assert {run.request.body.name for run in runs} == {row.body_element}
    if _READS_BY_VARIANT[variant].period:
        assert runs[0].request.body.value("ReadLogPeriod", "StartDateTime") == "2026-01-05T00:00:00.000Z"
        assert runs[0].request.body.value("ReadLogPeriod", "EndDateTime") == "2026-01-05T23:30:00.000Z"
        assert runs[1].request.body.value("ReadLogPeriod", "StartDateTime") == "2026-01-06T00:00:00.000Z"


_READS_BY_VARIANT = {read.variant: read for read in _READS.values()}


def test_the_response_names_schedule_device_and_user_and_no_request(bench: Bench) -> None:
    created(bench)
    (delivery,) = bench.advance(DAY_MS + HOUR_MS)
    assert told([delivery]) == {"one": ["4.16 I0"]}
    message = delivery.message
    assert isinstance(message, ServiceResponse)
    assert message.payload is not None
    gbcs = decode_message(base64.b64decode(message.payload.required("GBCSPayload")))
    assert message.request_id is None
    assert message.response_id == f"{format_eui(ESME)}:{format_eui(SUPPLIER)}:{gbcs.counter}"
    assert (gbcs.originator, gbcs.recipient) == (ESME, SUPPLIER)


@pytest.mark.parametrize(("setting", "of"), [("created", "made"), ("run", "run")])
def test_which_request_a_run_names_is_a_setting(setting: str, of: str) -> None:
    bench = bench_with(scheduled_request_id=setting)
    created(bench)
    made = next(iter(bench.world.engine.state.dsp.schedules.values())).request_id
    (answer,) = responses(bench.advance(DAY_MS + HOUR_MS))
    (run,) = bench.world.engine.state.dsp.transactions.values()
    assert answer.request_id == {"made": made, "run": str(run.request.request_id)}[of]


@pytest.mark.parametrize(
    ("frequency", "start", "dates"),
    [
        ("Weekly", "2026-01-06", ["2026-01-06", "2026-01-13", "2026-01-20"]),
        ("Monthly", "2026-01-31", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("Quarterly", "2026-11-30", ["2026-11-30", "2027-02-28", "2027-05-30"]),
        ("Half-Yearly", "2026-08-31", ["2026-08-31", "2027-02-28", "2027-08-31"]),
        ("Yearly", "2028-02-29", ["2028-02-29", "2029-02-28", "2030-02-28"]),
    ],
)
def test_each_frequency_has_its_days(bench: Bench, frequency: str, start: str, dates: list[str]) -> None:
    created(bench, schedule(frequency=frequency, start=start))
    (entry,) = bench.world.engine.state.dsp.schedules.values()
    found = []
    for _ in dates:
        found.append(entry.next_ms)
        bench.advance(entry.next_ms - bench.now_ms)
    first_ms = 1_767_682_800_000  # 2026-01-06T07:00:00Z
    days = [(at - first_ms) // DAY_MS for at in found]
    assert days == [(date.fromisoformat(each) - date(2026, 1, 6)).days for each in dates]


def test_a_schedule_ends_with_its_last_day(bench: Bench) -> None:
    created(bench, schedule(end="2026-01-07"))
    fresh = bench.advance(10 * DAY_MS)
    assert scheduled(fresh) == [("4.16", 1)] * 2
    assert not bench.world.engine.state.dsp.schedules
    assert bench.submit("5.2", by_number("ReadSchedule", 1)).code == "E050201"


def test_without_a_time_it_runs_at_that_of_the_setting() -> None:
    bench = bench_with(schedule_start_time_ms=3 * HOUR_MS)
    created(bench, schedule(time=None))
    (entry,) = bench.world.engine.state.dsp.schedules.values()
    assert entry.next_ms == bench.now_ms + 19 * HOUR_MS  # the world begins at 08:00


def test_a_run_goes_above_the_counters_that_the_user_has_used(bench: Bench) -> None:
    counter = 4_000_000_000_000
    bench.submit("11.2", to=ESME, counter=counter)
    created(bench)
    bench.advance(DAY_MS + HOUR_MS)
    *_, run = bench.world.engine.state.dsp.transactions.values()
    assert run.request.request_id.counter == counter + 1


# Failures


def failure(bench: Bench) -> tuple[str, str | None, str | None]:
    fresh = bench.advance(4 * DAY_MS)
    assert not responses(fresh), "a failed run has no Response"
    alerts = [d.message for d in fresh if isinstance(d.message, DccAlert)]
    assert told(fresh)
    return alerts[0].alert_code, alerts[0].body.value("DSPScheduleID"), alerts[0].body.value("CommandRequestID")


@pytest.mark.parametrize(("kind", "target", "code"), [("wan.unreachable", HUB, "N12"), ("device.silent", ESME, "N13")])
def test_a_run_that_fails_is_told_with_its_schedule(bench: Bench, kind: str, target: int, code: str) -> None:
    bench.control("fault.add", kind=kind, device=format_eui(Eui64(target)))
    created(bench)
    made = next(iter(bench.world.engine.state.dsp.schedules.values())).request_id
    assert failure(bench) == (code, "1", made)


def test_each_run_passes_the_gate_again(bench: Bench) -> None:
    created(bench)
    bench.control("user.status", user=format_eui(SUPPLIER), active=False)
    assert failure(bench)[:2] == ("N11", "1")
    assert bench.world.engine.state.dsp.schedules, "it goes on"
    bench.control("user.status", user=format_eui(SUPPLIER), active=True)
    assert scheduled(bench.advance(DAY_MS)) == [("4.16", 1)]


# What the DCC removes


def removal(bench: Bench, deliveries: list[object]) -> dict[str, list[str]]:
    found = told(deliveries)  # type: ignore[arg-type]
    assert not bench.world.engine.state.dsp.schedules
    assert not scheduled(list(bench.advance(2 * DAY_MS)))
    return {name: [code for code in codes if code in ("N4", "N5", "N6", "N17")] for name, codes in found.items()}


def test_decommissioning_ends_schedules(bench: Bench) -> None:
    created(bench)
    created(bench, user=NETWORK_OPERATOR)
    bench.submit("8.3", by_device("DecommissionDevice", ESME))
    (body, _) = bodies(bench.deliveries, "N4")
    assert (body.value("DeviceID"), body.value("DSPScheduleID")) == (format_eui(ESME), "1")
    assert removal(bench, list(bench.deliveries)) == {"one": ["N4"], "network": ["N4"]}


def test_a_withdrawn_hub_ends_the_schedules_of_its_home(bench: Bench) -> None:
    created(bench)
    withdrawn = element("UpdateInventory", element("DeviceID", format_eui(HUB)), element("UpdateDeviceStatusCH", "Withdrawn"))
    assert bench.submit("8.4", withdrawn).code == "I99"
    assert removal(bench, list(bench.deliveries)) == {"one": ["N5"]}


def suspend(bench: Bench, status: str = "Withdrawn") -> None:
    entry = bench.world.engine.state.dsp.inventory[ESME]
    bench.control(
        "cpl.put", type="ESME", manufacturer=entry.manufacturer, model=entry.model, firmware_version="00010000", status=status
    )


def test_suspension_ends_schedules(bench: Bench) -> None:
    created(bench)
    suspend(bench)
    assert removal(bench, list(bench.deliveries))["one"] == ["N17"]


def test_schedules_may_outlast_a_suspension() -> None:
    bench = bench_with(schedules_on_suspension="keep")
    created(bench)
    suspend(bench)
    assert dcc_alerts(bench.advance(DAY_MS), "N11")
    suspend(bench, "Active")
    assert scheduled(bench.advance(DAY_MS)) == [("4.16", 1)]


def lose(bench: Bench, at_ms: int) -> None:
    """Another supplier is registered from an instant on, and the first is no Other User."""
    user = bench.world.engine.state.dsp.users[SUPPLIER]
    user.roles = tuple(role for role in user.roles if role != "OU")
    for mpxn, role in ((MPAN, "IS"), (bench.world.engine.state.dsp.inventory[ESME].export_mpan, "ES")):
        bench.control("registration.put", mpxn=mpxn, role=role, party="supplier-two", from_ms=at_ms)


def test_a_change_of_supplier_ends_schedules_when_it_comes(bench: Bench) -> None:
    created(bench)
    created(bench, user=NETWORK_OPERATOR)
    lose(bench, bench.now_ms + DAY_MS + HOUR_MS)
    assert len(bench.world.engine.state.dsp.schedules) == 2
    fresh = bench.advance(DAY_MS + HOUR_MS)
    assert told(fresh) == {"one": ["4.16 I0", "N6"], "network": ["4.16 I0"]}
    assert [each.user for each in bench.world.engine.state.dsp.schedules.values()] == [NETWORK_OPERATOR]


def test_schedules_may_outlast_a_change_of_supplier() -> None:
    bench = bench_with(schedules_on_change_of_supplier="keep")
    created(bench)
    lose(bench, bench.now_ms)
    assert told(bench.advance(DAY_MS)) == {"one": ["N11"]}


def test_a_gaining_supplier_may_schedule_for_the_time_from_its_start(bench: Bench) -> None:
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-two", from_ms=bench.now_ms + 2 * DAY_MS)
    assert bench.submit("5.1", schedule(start="2026-01-06"), user=SUPPLIER_TWO).code == "E050110"
    assert bench.submit("5.1", schedule(start="2026-01-08"), user=SUPPLIER_TWO).code == "I0"
    bench.advance(2 * DAY_MS - 1)
    assert bench.world.engine.state.dsp.schedules


# State


def test_a_snapshot_between_runs_changes_nothing() -> None:
    def run(interrupt: bool) -> tuple[str, list[tuple[str, int]]]:
        bench = Bench()
        created(bench)
        bench.advance(DAY_MS)
        if interrupt:
            bench.world = restore_world("default", bench.world.engine.snapshot())
            context = bench.world.engine.context
            assert Lookup(context.state).differences(context.lookup) == []
        bench.advance(2 * DAY_MS)
        return bench.world.engine.digest(), scheduled(list(bench.deliveries))

    assert run(False) == run(True)
