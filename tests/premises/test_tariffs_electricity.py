"""Tariffs, prices and payment modes of electricity meters: set at once and at a date, cancelled, superseded, read."""

from dataclasses import replace

import pytest

from emulator.domain.identifiers import Eui64
from emulator.gbcs.dlms import (
    Access,
    AccessRequest,
    Attribute,
    Data,
    Operation,
    decode_access_request,
    decode_access_response,
    decode_notification,
    invoke_id,
)
from emulator.gbcs.message import GbcsMessage
from tests.premises.homes import DAY_MS, ESME, HOUR_MS, MINUTE_MS, Heard, Rig
from tests.premises.tariff_bodies import (
    CREDIT,
    NEVER,
    Body,
    dated,
    electricity_prepayment_settings,
    electricity_prices,
    electricity_tariff,
    prepayment,
    second_prices,
    second_tariff,
)

TOMORROW = "2026-01-06T09:00:00Z"

ACTIVE = {
    **{f"20 0-0:13.0.{n}.255 {index}": f"20 0-0:13.0.{n}.255 {index - 4}" for n in (0, 1) for index in (7, 8, 9)},
    **{f"11 0-1:11.0.{n}.255 2": f"11 0-0:11.0.{n}.255 2" for n in (0, 1, 2)},
    **{f"21 0-0:16.1.{n}.255 2": f"21 0-0:16.0.{n}.255 2" for n in range(11, 19)},
    "9000 0-0:94.44.2.0 4": "9000 0-0:94.44.2.0 2",
    **{f"113 0-0:19.20.{n}.255 6": f"113 0-0:19.20.{n}.255 5" for n in (0, 4, 5)},
    "9000 0-0:94.44.2.10 4": "9000 0-0:94.44.2.10 2",
    "9000 0-0:94.44.2.20 4": "9000 0-0:94.44.2.20 2",
    "10 0-1:12.0.1.255 2": "10 0-0:12.0.1.255 2",
    "9000 0-0:94.44.128.12 4": "111 0-0:19.0.0.255 18",
    "9000 0-0:94.44.128.13 4": "111 0-0:19.0.0.255 19",
    "9000 0-0:94.44.128.9 4": "111 0-0:19.0.0.255 16",
    "9000 0-0:94.44.128.2 4": "112 0-0:19.10.1.255 9",
    "9000 0-0:94.44.128.3 4": "112 0-0:19.10.1.255 10",
    "111 0-1:19.0.0.255 11": "111 0-0:19.0.0.255 11",
}
"""Where what is set can be read once it is active."""

ALERTS = {
    "1.1.1": ["20 13.0.0 10", "9000 94.44.128.29 6", "9000 94.44.2.0 6", "113 19.20.4 7", "113 19.20.0 7", "9000 63.1.1 6"],
    "1.1.2": ["20 13.0.1 10", "113 19.20.5 7", "9000 94.44.128.30 6"],
    "1.2.1": ["113 19.20.4 7", "113 19.20.0 7"],
    "1.2.2": ["113 19.20.5 7"],
    "2.1": [f"9000 94.44.{n} 6" for n in ("128.31", "2.20", "2.10", "128.12", "128.13", "128.9", "128.2", "128.3", "128.28")],
}
"""What the alerts of a dated Command name, in their order (test messages ECS01a to ECS01d, ECS08a)."""

BODIES: dict[str, Body] = {
    "1.1.1": electricity_tariff(),
    "1.1.2": second_tariff(1010, 1120, 1230, 1340),
    "1.2.1": electricity_prices((3121, 0, 5)),
    "1.2.2": second_prices(9, 8, 7, 6),
    "2.1": electricity_prepayment_settings(),
}


def told(rig: Rig, variant: str, body: Body, eui: Eui64 = ESME) -> GbcsMessage:
    """Send a Command that succeeds."""
    message = rig.send(variant, eui, body)
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    assert answer.says["ok"], answer.says["results"]
    assert answer.message.date_time is not None
    return message


def get(rig: Rig, *attributes: str) -> list[Data]:
    """The values of attributes."""
    message = rig.command("11.2", ESME)
    items = tuple(Access(Operation.GET, Attribute.parse(attribute)) for attribute in attributes)
    message = replace(message, content=AccessRequest(invoke_id(message.counter), items).encode())
    rig.transmit(message)
    rig.run(MINUTE_MS)
    response = decode_access_response(rig.answers(message)[0].message.content)
    assert [item.code for item in response.items] == [0] * len(items)
    return [item.data for item in response.items]


def was_set(message: GbcsMessage) -> dict[str, Data]:
    """By active attribute: what a Command sets."""
    items = decode_access_request(message.content).items
    return {ACTIVE[str(item.attribute)]: item.data for item in items if str(item.attribute) in ACTIVE}


def instruction(heard: Heard) -> str:
    """The attribute that an alert of a dated Command names, short."""
    octets = decode_notification(heard.message.content).value.items[2].octets[10:]
    class_id, obis, index = int.from_bytes(octets[:2], "big"), octets[4:8], octets[8]
    return f"{class_id} {'.'.join(str(part) for part in obis if part != 255)} {index}"


@pytest.mark.parametrize("variant", BODIES)
def test_what_is_set_at_once_is_read_back(variant: str) -> None:
    rig = Rig()
    values = was_set(told(rig, variant, BODIES[variant]))
    assert values
    assert get(rig, *values) == list(values.values())
    assert not rig.alerts(0x8F66)


@pytest.mark.parametrize("variant", BODIES)
def test_what_is_set_for_a_date_is_active_then_and_each_part_is_reported(variant: str) -> None:
    rig = Rig()
    values = was_set(told(rig, variant, dated(BODIES[variant], TOMORROW)))
    before = get(rig, *values)
    assert before != list(values.values())
    assert not rig.alerts(0x8F66)
    rig.run(2 * DAY_MS)
    assert get(rig, *values) == list(values.values())
    assert [instruction(heard) for heard in rig.alerts(0x8F66)] == ALERTS[variant]
    rig.assert_all_authentic()


def test_a_date_can_be_cancelled() -> None:
    rig = Rig()
    values = was_set(told(rig, "1.2.1", dated(BODIES["1.2.1"], TOMORROW)))
    before = get(rig, *values)
    told(rig, "1.2.1", dated(BODIES["1.2.1"], NEVER))
    rig.run(2 * DAY_MS)
    assert get(rig, *values) == before
    assert not rig.alerts(0x8F66)
    assert not rig.state.devices[ESME].dated


def test_a_later_command_supersedes_one_that_waits() -> None:
    rig = Rig()
    told(rig, "1.1.1", dated(BODIES["1.1.1"], TOMORROW))
    prices = was_set(told(rig, "1.2.1", dated(BODIES["1.2.1"], "2026-01-07T09:00:00Z")))
    rig.run(int(1.5 * DAY_MS))
    assert len(rig.alerts(0x8F66)) == 4, "prices and standing charge of the first Command are superseded"
    rig.run(DAY_MS)
    assert len(rig.alerts(0x8F66)) == 6
    assert get(rig, *prices) == list(prices.values())


def test_a_meter_without_power_at_the_date_makes_the_change_afterwards() -> None:
    rig = Rig()
    values = was_set(told(rig, "1.2.1", dated(BODIES["1.2.1"], TOMORROW)))
    rig.premises.power(ESME, False, rig.now_ms)
    rig.run(2 * DAY_MS)
    assert not rig.alerts(0x8F66)
    rig.premises.power(ESME, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert len(rig.alerts(0x8F66)) == 2
    assert get(rig, *values) == list(values.values())


def read(rig: Rig, variant: str) -> Heard:
    """The answer to a read."""
    message = rig.send(variant, ESME)
    rig.run(MINUTE_MS)
    (answer,) = rig.answers(message)
    assert answer.says["ok"]
    return answer


def test_payment_mode() -> None:
    rig = Rig()

    def mode() -> list[int]:
        (item,) = decode_access_response(read(rig, "6.2.9").message.content).items
        return [member.number for member in item.data.items]

    assert mode() == [1, 2]
    values = was_set(told(rig, "1.6", prepayment(-5_000, suspend=True)))
    assert mode() == [2, 2], "prepayment, and the account is active"
    assert get(rig, *values) == list(values.values())
    (threshold,) = get(rig, "21 0-0:16.0.1.255 2")
    assert [item.number for item in threshold.items] == [-5_000]
    told(rig, "1.6", dated(CREDIT, TOMORROW))
    assert mode() == [2, 2]
    rig.run(2 * DAY_MS)
    assert mode() == [1, 2]
    assert [instruction(heard) for heard in rig.alerts(0x8F66)] == ["111 19.0.0 13"]


def test_prepayment_settings_of_a_meter_that_never_had_any() -> None:
    answer = read(Rig(), "4.13")
    assert len(decode_access_response(answer.message.content).items) == 18
