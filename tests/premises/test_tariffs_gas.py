"""Tariffs, prices, calendars and prepayment settings of gas meters, and what the gas proxy says of them."""

import pytest

from emulator.domain.identifiers import Eui64
from emulator.gbcs.gbz import DEFAULT_RESPONSE, NOT_FOUND, Component, decode_alert, decode_components, decode_records
from emulator.gbcs.message import GbcsMessage
from tests.premises.homes import DAY_MS, GPF, GSME, HOUR_MS, Rig
from tests.premises.tariff_bodies import (
    CREDIT,
    NEVER,
    Body,
    dated,
    gas_block_tariff,
    gas_prepayment_settings,
    gas_prices,
    gas_tariff,
    prepayment,
)

TOMORROW = "2026-01-06T09:00:00Z"

ALERTS = {
    "1.1.1": ["07070100", "07070104", "07000904", "07000905"],
    "1.2.1": ["07000904", "07000905"],
    "2.1": ["07050103", "0705010c", "07050109", "0705010b", "07070100", "07070104"],
    "1.6": ["07050106"],
}
"""What the alerts of a dated Command name (test messages GCS01b, GCS02, GCS05; GCS01a by the same rule)."""

BODIES: dict[str, Body] = {
    "1.1.1": gas_tariff(),
    "1.2.1": gas_prices(9, 8, 7, 6),
    "2.1": gas_prepayment_settings(),
    "1.6": prepayment(-5_000),
}


def told(rig: Rig, variant: str, body: Body) -> GbcsMessage:
    """Send the gas meter a Command that succeeds."""
    message = rig.send(variant, GSME, body)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    assert answer.says["ok"], answer.says
    return message


def asked(rig: Rig, variant: str, eui: Eui64 = GPF) -> list[Component]:
    """The components of the answer to a read."""
    message = rig.send(variant, eui)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return list(decode_components(answer.message.content))


def attributes(components: list[Component]) -> dict[str, int]:
    """The values of all attributes that were read, by cluster and attribute."""
    return {
        f"{component.cluster:04X} {record.attribute:04X}": record.value.value
        for component in components
        if not component.frame_control & 0x03 and component.command == 0x01
        for record in decode_records(component.payload)
        if record.value is not None and isinstance(record.value.value, int)
    }


def published(components: list[Component]) -> list[bytes]:
    """Days, weeks, seasons and special days, in the order of the answer."""
    return [component.payload for component in components if component.cluster == 0x0707 and component.frame_control == 0x19]


def sent(message: GbcsMessage, *commands: int) -> list[bytes]:
    """The parts of a calendar in a Command, in the order of an answer."""
    components = decode_components(message.content)
    return [part.payload for wanted in commands for part in components if part.cluster == 0x0707 and part.command == wanted]


def test_a_tariff_is_read_back_from_meter_and_proxy() -> None:
    rig = Rig()
    never_set = published(asked(rig, "4.11.1"))
    message = told(rig, "1.1.1", BODIES["1.1.1"])
    for eui in (GSME, GPF):
        answer = asked(rig, "4.11.1", eui)
        values = attributes(answer)
        assert [values[f"0700 {place:04X}"] for place in (0x0410, 0x0420, 0x0430, 0x0440)] == [3121, 2500, 5000, 0]
        assert (values["0700 0301"], values["0700 0616"], values["0700 0617"]) == (22_465, 0x033A, 0x50)
        assert published(answer) == sent(message, 1, 2, 3, 4)
        (price,) = (part for part in answer if part.cluster == 0x0700 and part.command == 0 and part.frame_control == 0x19)
        assert int.from_bytes(price.payload[-4:], "little") == 3121, "a Monday is of the first tier"
    assert published(asked(rig, "4.11.1")) != never_set


def test_block_prices_and_thresholds() -> None:
    rig = Rig()
    told(rig, "1.1.1", gas_block_tariff((100_000, 200_000), (9_600, 10_200, 10_750)))
    values = attributes(asked(rig, "4.11.1"))
    assert [values[f"0700 {place:04X}"] for place in (0x0400, 0x0401, 0x0402)] == [9_600, 10_200, 10_750]
    assert [values[f"0700 {place:04X}"] for place in (0x0100, 0x0101, 0x0102)] == [100_000, 200_000, 0]


def test_prepayment_settings_are_read_back() -> None:
    rig = Rig()
    message = told(rig, "2.1", BODIES["2.1"])
    answer = asked(rig, "4.13")
    values = attributes(answer)
    expected = {0x0006: 100_000, 0x0010: 300_000, 0x0011: 100_000, 0x0031: 200_000, 0x0021: 5_000_000, 0x0022: 1_000_000}
    assert {place: values[f"0705 {place:04X}"] for place in expected} == expected
    assert published(answer) == sent(message, 1, 2, 3, 4)


@pytest.mark.parametrize("variant", BODIES)
def test_what_is_set_for_a_date_is_active_then_and_each_part_is_reported(variant: str) -> None:
    read = {"1.1.1": "4.11.1", "1.2.1": "4.11.1", "2.1": "4.13", "1.6": "6.2.9"}[variant]

    def state(rig: Rig) -> tuple[dict[str, int], list[bytes]]:
        answer = asked(rig, read)
        return attributes(answer), [part[12:] for part in published(answer)]

    now, later = Rig(), Rig()
    never_set = state(later)
    told(now, variant, BODIES[variant])
    told(later, variant, dated(BODIES[variant], TOMORROW))
    assert state(later) == never_set
    later.run(2 * DAY_MS)
    alerts = [decode_alert(heard.message.content).extra[-4:].hex() for heard in later.alerts(0x8F66)]
    assert alerts == ALERTS[variant]
    now_state, later_state = state(now), state(later)
    assert now_state[0] == later_state[0] != never_set[0]
    assert len(now_state[1]) == len(later_state[1])
    later.assert_all_authentic()


def test_dates_are_cancelled_and_superseded() -> None:
    rig = Rig()
    before = published(asked(rig, "4.13"))
    told(rig, "2.1", dated(BODIES["2.1"], TOMORROW))
    told(rig, "2.1", dated(BODIES["2.1"], NEVER))
    assert not rig.state.devices[GSME].dated
    told(rig, "1.1.1", dated(BODIES["1.1.1"], TOMORROW))
    waiting = len(rig.state.devices[GSME].dated)
    told(rig, "2.1", dated(BODIES["2.1"], "2026-01-07T09:00:00Z"))
    assert len(rig.state.devices[GSME].dated) == waiting + 6, "calendars of two kinds wait beside each other"
    told(rig, "1.2.1", BODIES["1.2.1"])
    assert len(rig.state.devices[GSME].dated) == waiting + 4, "prices set at once supersede those that wait"
    assert published(asked(rig, "4.13")) == before
    rig.run(3 * DAY_MS)
    assert len(rig.alerts(0x8F66)) == 8
    assert published(asked(rig, "4.13")) != before


def test_payment_mode() -> None:
    rig = Rig()
    assert attributes(asked(rig, "6.2.9")) == {"0705 0000": 0x0C94}
    told(rig, "2.1", BODIES["2.1"])
    message = told(rig, "1.6", prepayment(-5_000))
    (answer,) = decode_components(rig.answers(message)[0].message.content)
    assert (answer.frame_control, answer.command) == (0x19, 0x02)
    assert answer.payload == bytes.fromhex("0102000000") + (300_000).to_bytes(4, "little") + (100_000).to_bytes(4, "little")
    assert attributes(asked(rig, "6.2.9")) == {"0705 0000": 0x0897}
    assert attributes(asked(rig, "4.13"))["0705 0040"] == -5_000
    told(rig, "1.6", CREDIT)
    assert attributes(asked(rig, "6.2.9")) == {"0705 0000": 0x0C94}
    assert attributes(asked(rig, "4.13"))["0705 0040"] == -5_000, "credit mode leaves the threshold"


def test_a_proxy_without_meter_finds_nothing() -> None:
    rig = Rig()
    rig.premises.remove_device(GSME, rig.now_ms)
    answers = [component for component in asked(rig, "4.11.1") if component.command == DEFAULT_RESPONSE]
    assert [component.payload[1] for component in answers] == [NOT_FOUND] * 5
