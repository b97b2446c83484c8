"""What a device does with commands that it must not execute: no Response, an entry in its log, 8F30 where it is proven."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.gbcs.commands import finish_command
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.protect import sign
from emulator.premises.settings import HanSettings
from tests.premises.homes import (
    DS,
    ESME,
    GSME,
    HOUR_MS,
    HUB,
    KA,
    MINUTE_MS,
    NETWORK_OPERATOR,
    OTHER_SUPPLIER,
    PPMID,
    SUPPLIER,
    Rig,
    key,
)

HASH = {"FirmwareHash": "11" * 32}


def finished(message: GbcsMessage, mac_key_of: Eui64 = ACCESS_CONTROL_BROKER) -> bytes:
    return finish_command(message, key(mac_key_of, KA), key(message.recipient, KA).public_key())


def drop(rig: Rig, octets: bytes, target: Eui64 = ESME) -> str:
    """Deliver octets that must not be answered and return what the journal says of them."""
    before = len(rig.heard)
    rig.csp.send_command(Eui64(rig.definition(target).hub), target, octets, rig.now_ms)
    rig.run(HOUR_MS)
    responses = [heard for heard in rig.heard[before:] if heard.message.cra is Cra.RESPONSE]
    assert not responses
    summaries: list[str] = [entry[3] for entry in rig.journal if entry[1] == "device" and " drops " in entry[3]]
    return summaries[-1]


def test_a_forged_mac() -> None:
    rig = Rig()
    octets = bytearray(finished(rig.command("11.2", ESME)))
    octets[-1] ^= 1
    assert "MAC" in drop(rig, bytes(octets))
    assert "MAC" in drop(rig, finished(rig.command("11.2", ESME), mac_key_of=SUPPLIER))
    assert not rig.heard, "8F3D is a setting"
    assert [code for _, code in rig.state.devices[ESME].events] == [0x8F3D, 0x8F3D]


def test_alerts_about_failed_authentication_are_a_setting() -> None:
    rig = Rig(HanSettings(alert_on_authentication_failure=True))
    drop(rig, finished(rig.command("11.2", ESME), mac_key_of=SUPPLIER))
    assert [alert.message.recipient for alert in rig.alerts(0x8F3D)] == [SUPPLIER]
    rig.assert_all_authentic()


def test_a_signature_of_the_wrong_party() -> None:
    rig = Rig()
    message = sign(rig.command("11.3", ESME, HASH), key(OTHER_SUPPLIER, DS))
    assert "signature" in drop(rig, finished(message))
    assert rig.state.devices[ESME].command_counters == {}


def test_a_critical_command_without_signature() -> None:
    rig = Rig()
    assert "signature" in drop(rig, finished(replace(rig.command("11.3", ESME, HASH), signature=b"")))


def test_a_signed_command_that_should_not_be() -> None:
    rig = Rig()
    assert "signed and should not be" in drop(rig, finished(sign(rig.command("11.2", ESME), key(SUPPLIER, DS))))


def test_a_content_changed_after_signing() -> None:
    rig = Rig()
    message = rig.command("11.3", ESME, HASH)
    altered = replace(message, content=message.content.replace(b"\x11" * 32, b"\x12" * 32))
    assert "signature" in drop(rig, finished(altered))


@pytest.mark.parametrize("user", [OTHER_SUPPLIER, NETWORK_OPERATOR])
def test_a_party_without_authority_is_reported_to_the_supplier(user: Eui64) -> None:
    rig = Rig()
    message = rig.command("11.3", ESME, HASH, user=user)
    assert "no authority" in drop(rig, finished(message))
    (alert,) = rig.alerts(0x8F30)
    assert (alert.message.message_code, alert.message.recipient) == (0x1000, SUPPLIER)
    assert alert.message.signature
    rig.assert_all_authentic()


def test_the_broker_does_not_sign_for_a_meter_with_a_supplier() -> None:
    rig = Rig()
    message = replace(rig.command("11.3", ESME, HASH), originator=ACCESS_CONTROL_BROKER)
    assert "no authority" in drop(rig, finished(sign(message, key(ACCESS_CONTROL_BROKER, DS))))


def test_a_replayed_command() -> None:
    rig = Rig()
    message = rig.command("11.3", ESME, HASH)
    rig.transmit(message)
    rig.run(MINUTE_MS)
    assert len(rig.answers(message)) == 1
    assert "not above" in drop(rig, finished(message))
    older = rig.command("11.3", ESME, HASH)
    rig.send("11.3", ESME, HASH)
    rig.run(MINUTE_MS)
    assert "not above" in drop(rig, finished(older))
    assert 0x8F53 in [code for _, code in rig.state.devices[ESME].events]


def test_reads_are_not_protected_against_replay() -> None:
    rig = Rig()
    message = rig.command("11.2", ESME)
    rig.transmit(message)
    rig.transmit(message)
    rig.run(MINUTE_MS)
    assert len(rig.answers(message)) == 2


def test_counters_are_kept_per_party() -> None:
    rig = Rig()
    rig.send("11.3", ESME, HASH)
    rig.run(MINUTE_MS)
    assert rig.state.devices[ESME].command_counters == {SUPPLIER: rig.counter}


NOT_A_COMMAND: dict[str, Callable[[Rig], bytes]] = {
    "nothing": lambda rig: b"",
    "rubbish": lambda rig: bytes(range(60)),
    "cut short": lambda rig: finished(rig.command("11.2", ESME))[:-5],
    "another recipient": lambda rig: finished(rig.command("11.2", GSME)),
    "a response": lambda rig: finished(replace(rig.command("11.2", ESME), cra=Cra.RESPONSE)),
}
NOT_OF_THE_METER = {"unknown use case": 0x7777, "use case of a gas meter": 0x0084}


@pytest.mark.parametrize("make", NOT_A_COMMAND.values(), ids=NOT_A_COMMAND)
def test_what_is_no_command_for_the_device(make: Callable[[Rig], bytes]) -> None:
    rig = Rig()
    drop(rig, make(rig))
    assert not rig.heard


@pytest.mark.parametrize("code", NOT_OF_THE_METER.values(), ids=NOT_OF_THE_METER)
def test_a_command_that_the_meter_does_not_have_is_told_and_not_answered(code: int) -> None:
    rig = Rig()
    drop(rig, finished(replace(rig.command("11.2", ESME), message_code=code)))
    (heard,) = rig.heard
    assert (heard.message.cra, heard.message.message_code) == (Cra.ALERT, 0x0120)  # ECS100


def test_a_payload_that_cannot_be_read() -> None:
    rig = Rig()
    rig.transmit(replace(rig.command("11.2", ESME), content=b"\xd9\x20"))
    rig.run(MINUTE_MS)
    assert not rig.heard
    assert any("cannot execute" in summary for *_, summary, _ in rig.journal)


def test_a_counter_in_the_payload_that_is_not_the_headers() -> None:
    rig = Rig()
    message = replace(rig.command("11.3", ESME, HASH), counter=9_999_999)
    rig.transmit(sign(message, key(SUPPLIER, DS)))
    rig.run(MINUTE_MS)
    assert not rig.heard


def test_a_silent_device_is_silent_and_executes_nothing() -> None:
    rig = Rig()
    rig.faults.add("device.silent", ESME, to_ms=rig.now_ms + HOUR_MS)
    message = rig.send("11.3", ESME, HASH)
    rig.run(HOUR_MS)
    assert not rig.heard
    assert not rig.state.devices[ESME].command_counters
    rig.transmit(message)
    rig.run(MINUTE_MS)
    assert len(rig.answers(message)) == 1


def test_commands_for_what_is_not_there() -> None:
    rig = Rig()
    octets = finished(rig.command("11.2", ESME))
    for hub, target in ((HUB, Eui64(5)), (Eui64(0x00DB1234567891A2), ESME)):
        rig.premises.receive_command(hub, target, octets, rig.now_ms)
    rig.premises.receive_command(Eui64(5), ESME, octets, rig.now_ms)
    rig.premises.power(PPMID, False, rig.now_ms)
    rig.premises.receive_command(HUB, PPMID, finished(rig.command("11.2", PPMID)), rig.now_ms)
    rig.run(HOUR_MS)
    assert not rig.heard
    assert sum("lost" in summary for *_, summary, _ in rig.journal) == 4
