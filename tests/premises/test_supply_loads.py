"""Auxiliary controllers: told for a while, by calendar, by the boost button, limited; and their log."""

import json
from collections.abc import Mapping

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.gbcs import dlms
from emulator.gbcs.times import as_text
from emulator.premises import loads
from emulator.premises.readings import store
from tests.premises.homes import DAY_MS, ESME, HCALCS, HOUR_MS, LOAD_CONTROLLER, MINUTE_MS, SUPPLIER, Heard, Rig


def ask(rig: Rig, variant: str, parameters: Mapping[str, object] | None = None, user: Eui64 = SUPPLIER) -> Heard:
    message = rig.send(variant, ESME, parameters, user)
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


def level(rig: Rig, controller: int, direction: str = "outputState") -> int:
    said = ask(rig, "7.15").says[f"auxiliary_controller_{controller}_state_and_associated_information"]
    found = json.loads(str(said))[direction]
    assert isinstance(found, int)
    return found


def switches(rig: Rig) -> list[bool]:
    answer = dlms.decode_access_response(ask(rig, "7.7").message.content)
    return [bool(item.data.number) for item in answer.items[-5:]]


def told(name: str, index: int, minutes: int | None = None) -> dict[str, object]:
    return {name: {"index": str(index)} | ({} if minutes is None else {"Duration": str(minutes)})}


def for_a_while(
    rig: Rig, controller: int, level_: int, after_ms: int = 0, for_ms: int = HOUR_MS, **more: str
) -> dict[str, object]:
    start = rig.now_ms + after_ms
    return {
        "auxiliaryControllerN": str(controller), "StartDateTime": as_text(start), "EndDateTime": as_text(start + for_ms),
        "CommandedStateLevel": str(level_), **more,
    }  # fmt: skip


def test_a_load_is_on_for_as_long_as_it_was_told() -> None:
    rig = Rig()
    assert switches(rig) == [False] * 5
    assert ask(rig, "7.5", told("ActivateALCSHCALCS", 2, 30)).says["ok"]
    assert switches(rig) == [False, True, False, False, False]
    rig.run(30 * MINUTE_MS)
    assert switches(rig) == [False] * 5


def test_a_load_is_given_back() -> None:
    rig = Rig()
    ask(rig, "7.5", told("ActivateALCSHCALCS", 3, 600))
    assert level(rig, 3) == 100
    ask(rig, "7.8", told("ResetALCSHCALCS", 3))
    assert level(rig, 3) == 0


def test_a_controller_takes_a_level_from_one_instant_to_another() -> None:
    rig = Rig()
    ask(rig, "7.13", for_a_while(rig, 5, 40, after_ms=HOUR_MS))
    ask(rig, "7.13", for_a_while(rig, 5, 70, after_ms=HOUR_MS, InputFromControlledLoad=""))
    assert level(rig, 5) == 0
    rig.run(HOUR_MS)
    assert (level(rig, 5), level(rig, 5, "inputState")) == (40, 70)
    rig.run(HOUR_MS)
    assert (level(rig, 5), level(rig, 5, "inputState")) == (0, 0)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    rig = Rig()
    answer = ask(rig, "7.13", for_a_while(rig, 5, 40, for_ms=-HOUR_MS))
    assert answer.says["results"] == [0, 0, 250]


def test_a_limit_is_reported_when_taken_up_and_when_it_ends() -> None:
    rig = Rig()
    rig.premises.set_credential(ESME, RemotePartyRole.LOAD_CONTROLLER, LOAD_CONTROLLER, rig.now_ms)
    ask(rig, "7.13", for_a_while(rig, 4, 80, for_ms=5 * HOUR_MS))
    ask(rig, "7.16", for_a_while(rig, 4, 25), LOAD_CONTROLLER)
    assert level(rig, 4) == 25
    rig.run(2 * HOUR_MS)
    assert level(rig, 4) == 80
    assert [heard.alert_code for heard in rig.heard if heard.message.cra == 3] == [0x8F86, 0x8F87]


def test_a_new_limit_ends_the_old_one() -> None:
    rig = Rig()
    rig.premises.set_credential(ESME, RemotePartyRole.LOAD_CONTROLLER, LOAD_CONTROLLER, rig.now_ms)
    ask(rig, "7.16", for_a_while(rig, 4, 25, for_ms=DAY_MS), LOAD_CONTROLLER)
    ask(rig, "7.16", for_a_while(rig, 4, 50, for_ms=DAY_MS), LOAD_CONTROLLER)
    assert [heard.alert_code for heard in rig.heard if heard.message.cra == 3] == [0x8F86, 0x8F87, 0x8F86]


def log(rig: Rig) -> list[tuple[int, int]]:
    period = {"StartDateTime": as_text(rig.now_ms - DAY_MS), "EndDateTime": as_text(rig.now_ms + DAY_MS)}
    message = rig.send("6.13", ESME, {"LogToRead": "ALCSEvent", "ReadLogPeriod": period})
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    (buffer,) = dlms.decode_access_response(answer.message.content).items
    return [(row.items[1].number, row.items[2].number) for row in buffer.data.items]


def test_the_log_says_what_was_told() -> None:
    rig = Rig()
    ask(rig, "7.5", told("ActivateALCSHCALCS", 3, 30))
    ask(rig, "7.8", told("ResetALCSHCALCS", 3))
    assert log(rig) == [(0x0311, 1), (0x0320, 1)]


def test_an_hcalcs_is_told_over_the_han() -> None:
    rig = Rig()
    device = rig.state.devices[ESME]
    ids = ask(rig, "7.15").says
    assert ids["auxiliary_controller_1_type_and_identifier"] is not None
    store(device, "1 0-0:94.44.0.21 2", dlms.octets(HCALCS.to_bytes(8, "big")))
    ask(rig, "7.5", told("ActivateALCSHCALCS", 1, 30))
    assert log(rig)[-2:] == [(0x0111, 0), (0x0100, 1)]
    rig.premises.power(HCALCS, False, rig.now_ms)
    ask(rig, "7.6", told("DeactivateALCSHCALCS", 1, 30))
    assert log(rig)[-2:] == [(0x0112, 0), (0x0100, 2)]


def test_the_first_controller_is_the_hcalcs_that_joined() -> None:
    rig = Rig()
    found = loads.identifier_of(rig.premises._context, rig.state.devices[ESME], 1)
    joined = ESME in rig.state.devices[HCALCS].joined_to and rig.state.devices[HCALCS].hub == rig.state.devices[ESME].hub
    assert found == (HCALCS.to_bytes(8, "big") if joined else bytes(8)), format_eui(HCALCS)


def test_descriptions_are_read_back() -> None:
    rig = Rig()
    assert ask(rig, "6.14.1", {"ALCSHCALCSDescription": [{"index": "2", "SwitchDescription": "Storage heater"}]}).says["ok"]
    said = ask(rig, "7.14").says
    assert said["auxiliary_controller_2_description"] == "Storage heater"
    assert said["auxiliary_controller_1_description"] == "Load 1"


@pytest.mark.parametrize(("limit", "most"), [("0", 0), ("1799", 1799)])
def test_the_randomised_offset_is_a_share_of_its_limit(limit: str, most: int) -> None:
    rig = Rig()
    ask(rig, "7.12", {"RandomisedOffsetLimit": limit})
    said = ask(rig, "6.2.2").says
    assert said["randomised_offset_limit"] == most
    assert said["randomised_offset"] == most * said["randomised_offset_number"] // 10_000


DAYS = [{"DayOfWeekID": day} for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")]
ANY_DATE = {
    "Year": {"NonSpecifiedYear": ""}, "Month": {"NonSpecifiedMonth": ""}, "DayOfMonth": {"NonSpecifiedDayOfMonth": ""},
    "DayOfWeek": {"NonSpecifiedDayOfWeek": ""},
}  # fmt: skip


def daily(controller: int, level_: int, at: str) -> dict[str, object]:
    return {
        "AuxiliaryControllerAction": {"auxiliaryControllerN": str(controller), "CommandedStateLevel": str(level_)},
        "DaysOfWeekApplicability": {"DayOfWeekApplicability": DAYS},
        "AuxiliaryControllerSchedulePeriodAndTime": {"SwitchTime": at, "StartDate": ANY_DATE, "EndDate": ANY_DATE},
    }


def to_time_of_day(rig: Rig, hours: int) -> None:
    rig.run((hours * HOUR_MS - rig.now_ms) % DAY_MS)


def test_a_controller_follows_its_calendar_moved_by_its_offset() -> None:
    rig = Rig()
    ask(rig, "7.12", {"RandomisedOffsetLimit": "1799"})
    offset_ms = ask(rig, "6.2.2").says["randomised_offset"] * 1000
    schedule = {
        "AuxiliaryControllerSchedule": [daily(2, 60, "09:00:00.00Z"), daily(2, 0, "17:00:00.00Z"), daily(3, 10, "01:00:00.00Z")]
    }
    schedule["AuxiliaryControllerSpecialDayDefinitions"] = {}
    assert ask(rig, "6.14.3", schedule).says["ok"]
    to_time_of_day(rig, 9)
    assert level(rig, 2) == (60 if offset_ms == 0 else 0)
    rig.run(offset_ms)
    assert (level(rig, 2), level(rig, 3)) == (60, 10)
    to_time_of_day(rig, 8)
    assert level(rig, 2) == 0, "it was switched off at 17:00"


def test_a_calendar_dated_ahead_is_reported_twice() -> None:
    rig = Rig()
    schedule: dict[str, object] = {"AuxiliaryControllerSchedule": [daily(2, 60, "09:00:00.00Z")]}
    schedule |= {"AuxiliaryControllerSpecialDayDefinitions": {}, "ExecutionDateTime": as_text(rig.now_ms + 2 * DAY_MS)}
    ask(rig, "6.14.3", schedule)
    to_time_of_day(rig, 12)
    assert level(rig, 2) == 0
    rig.run(3 * DAY_MS)
    assert level(rig, 2) == 60
    assert len(rig.alerts(0x8F66)) == 2


def test_the_boost_button_has_a_load_on_that_follows_it() -> None:
    rig = Rig()
    context, device = rig.premises._context, rig.state.devices[ESME]
    start, end = next(loads.boosts(context, device, rig.now_ms, rig.now_ms + 40 * DAY_MS))
    all_of = [{"index": str(number), "text": "true"} for number in range(1, 6)]
    ask(rig, "7.9", {"AddToBoostButton": all_of})
    period = {"StartDateTime": as_text(start), "EndDateTime": as_text(start + DAY_MS)}
    rig.run((start + end) // 2 - rig.now_ms)
    assert switches(rig) == [True] * 5
    read = ask(rig, "7.11", {"ReadLogPeriod": period}).says
    assert [bool(read[f"boost_function_control_{number}"]) for number in range(1, 6)] == [True] * 5
    ask(rig, "7.10", {"RemoveFromBoostButton": all_of})
    assert switches(rig) == [False] * 5
    entries = dlms.decode_access_response(ask(rig, "7.11", {"ReadLogPeriod": period}).message.content).items[1].data.items
    assert [entry.items[1].number - entry.items[0].number for entry in entries] == [(end - start) // 1000]
