"""What devices answer when they are read, joined, or have their clocks set."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.commands import build_command
from emulator.gbcs.dlms import (
    Access,
    AccessRequest,
    Attribute,
    Operation,
    decode_access_request,
    invoke_id,
    octets,
    structure,
)
from emulator.gbcs.gbz import decode_components, encode_components
from emulator.gbcs.protect import sign
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.usecases import Originator, use_case_for
from emulator.pki.smki import Organisation
from emulator.premises.objects import rows
from tests.premises.homes import (
    DAY_MS,
    DS,
    ESME,
    GPF,
    GSME,
    HCALCS,
    HOUR_MS,
    HUB,
    KA,
    MINUTE_MS,
    NETWORK_OPERATOR,
    PPMID,
    SMKI,
    SUPPLIER,
    Heard,
    Rig,
    default_estate,
    key,
    with_device,
)

OTHER_USER = Eui64(0x00DB123456780004)


def ask(rig: Rig, variant: str, eui: Eui64, parameters: Mapping[str, object] | None = None, **options: Eui64) -> Heard:
    message = rig.send(variant, eui, parameters, **options)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


@pytest.mark.parametrize("eui", [HUB, GPF, ESME, GSME, PPMID, HCALCS])
def test_running_version(eui: Eui64) -> None:
    assert Rig().read_version(eui) == "00010000"


@pytest.mark.parametrize("eui", [ESME, GSME, PPMID])
def test_a_version_that_cannot_be_read(eui: Eui64) -> None:
    rig = Rig()
    rig.faults.add("device.read_fails", eui)
    answer = ask(rig, "11.2", eui)
    assert not answer.says["ok"]
    # As in the failing test messages: null and hardware fault; status C0; version 00000000 and code 1.
    expected = {ESME: "0100010101", GSME: "0602c0", PPMID: "3009040400000000020101"}[eui]
    assert answer.message.content.hex().endswith(expected)


@pytest.mark.parametrize(("eui", "failures"), [(ESME, [1, 250]), (GSME, [0xC0, 1])])
def test_a_command_that_is_broken_off(eui: Eui64, failures: list[int]) -> None:
    rig = Rig()
    whole = ask(rig, "6.2.4", eui)
    rig.faults.add("device.breaks_off", eui, times=1)
    broken = ask(rig, "6.2.4", eui)
    codes = "results" if eui == ESME else "statuses"
    # As in the failing test messages: what comes before is answered, the last but one fails, the last is not reached.
    before, after = whole.says[codes], broken.says[codes]
    assert not any(before)
    assert [code for code in after if code] == failures
    assert ask(rig, "6.2.4", eui).says[codes] == before


def test_a_device_log_that_cannot_be_read() -> None:
    rig = Rig()
    rig.faults.add("device.read_fails", PPMID, times=1)
    assert ask(rig, "8.9", PPMID).message.content.hex() == "3003020101"


def test_import_registers_are_encrypted_and_grow() -> None:
    rig = Rig()
    first = ask(rig, "4.1.1", ESME)
    assert first.message.date_time is not None
    assert read_result(first.message)["encrypted"]
    rig.run(30 * DAY_MS)
    second = ask(rig, "4.1.1", ESME, user=NETWORK_OPERATOR)
    assert second.says["active_import"] > first.says["active_import"] > 1_000_000
    assert "secondary_active_import" not in first.says


def test_a_twin_element_meter_has_a_third_register() -> None:
    rig = Rig(estate=with_device(default_estate(), ESME, esme_variant="B"))
    assert ask(rig, "4.1.1", ESME).says["secondary_active_import"] > 0


def test_the_gas_proxy_answers_for_the_meter() -> None:
    rig = Rig()
    meter, proxy = ask(rig, "4.1.1", GSME), ask(rig, "4.1.1", GPF)
    assert meter.message.date_time is not None
    assert meter.message.date_time[-1] == 0
    assert 0 <= proxy.says["consumption"] - meter.says["consumption"] < 2_000
    rig.premises.remove_device(GSME, rig.now_ms)
    without_meter = ask(rig, "4.1.1", GPF).says
    assert "consumption" not in without_meter or without_meter["consumption"] is None
    assert without_meter["statuses"][3] == 0x8B


def test_a_party_unknown_to_the_device_gets_data_for_itself_alone() -> None:
    rig = Rig()
    organisation = Organisation(OTHER_USER, 127, "otherUser")
    certificate = next(c for c in SMKI.organisation_certificates(organisation) if c.usage is KA)
    for eui, counters in ((ESME, 1), (GSME, 1)):
        use_case = use_case_for("4.1.1", rig.definition(eui).device_type)
        assert use_case is not None
        message = build_command(
            replace(use_case, originator=Originator.ACB),
            user=OTHER_USER,
            user_counter=77,
            device=eui,
            acb_counter=88,
            parameters={},
            now_ms=rig.now_ms,
            certificate=certificate.der,
        )
        rig.transmit(message)
        rig.run(HOUR_MS)
        (answer,) = rig.answers(message)
        supplementary = answer.message.supplementary
        assert supplementary is not None
        assert (supplementary.party, supplementary.counter, supplementary.originator_counter) == (OTHER_USER, 77, counters)
        assert answer.message.recipient == ACCESS_CONTROL_BROKER
        says = read_result(answer.message, ReaderKeys(key(OTHER_USER, KA), key(eui, KA).public_key()))
        assert not says["encrypted"]
    rig.assert_all_authentic()


def test_a_certificate_of_somebody_else_is_not_used() -> None:
    rig = Rig()
    certificate = SMKI.organisation_certificates(Organisation(NETWORK_OPERATOR, 3, "networkOperator"))[1]
    use_case = use_case_for("4.1.1", DeviceType.ESME)
    assert use_case is not None
    message = build_command(
        replace(use_case, originator=Originator.ACB), user=OTHER_USER, user_counter=1, device=ESME, acb_counter=2,
        parameters={}, now_ms=rig.now_ms, certificate=certificate.der,
    )  # fmt: skip
    rig.transmit(message)
    rig.run(MINUTE_MS)
    assert rig.answers(message)[0].says["results"] == [250]


def test_identity() -> None:
    rig = Rig()
    assert (ask(rig, "6.2.4", ESME).says["meter_variant"], rig.heard[-1].says["model"]) == ("A", "00020101")
    assert ask(rig, "6.2.4", HUB).says["manufacturer"] == "10C0"
    assert ask(rig, "6.2.4", GSME).says["manufacturer"] == "12A5"


def test_unknown_attributes_are_errors_and_sets_are_kept() -> None:
    rig = Rig()

    def access(operation: Operation, attribute: str = "1 0-0:1.2.3.255 2") -> list[int]:
        message = rig.command("11.2", ESME)
        item = Access(operation, Attribute.parse(attribute))
        content = AccessRequest(invoke_id(message.counter), (item,)).encode()
        message = replace(message, content=content)
        rig.transmit(message)
        rig.run(MINUTE_MS)
        return list(rig.answers(message)[0].says["results"])

    assert access(Operation.GET) == [4]
    assert access(Operation.SET) == [4]
    assert access(Operation.ACTION) == [4]
    assert access(Operation.SET, "8 0-0:1.0.0.255 2") == [4], "what cannot be set is not there to be set"
    base = "8 0-0:1.0.0.255 9"
    assert access(Operation.SET, base) == [0]
    assert access(Operation.GET, base) == [0]
    assert rig.state.devices[ESME].attributes[base] == "00", "the null that was set"


def test_clocks() -> None:
    rig = Rig()
    now = "2026-01-05T08:00:00Z"
    for eui, reliable in ((ESME, "clock_status"), (GSME, "time_status")):
        rig.state.devices[eui].clock_offset_ms = 90_000
        late = ask(rig, "8.1.1", eui, {"CurrentDateTime": "2026-01-07T08:00:00Z", "TolerancePeriod": "10"})
        assert late.says[reliable] == 2
        assert not rig.state.devices[eui].clock_reliable
        good = ask(rig, "8.1.1", eui, {"CurrentDateTime": now, "TolerancePeriod": "86400"})
        assert good.says[reliable] == 0
        assert rig.state.devices[eui].clock_offset_ms == 0
        assert abs(good.says["device_time_ms"] - good.at_ms) < 10_000
    rig.state.devices[GSME].clock_reliable = False
    unreliable = ask(rig, "4.1.1", GSME).message.date_time
    assert unreliable is not None
    assert unreliable[-1] == 2


def test_joining() -> None:
    rig = Rig()
    certificate = SMKI.device_certificate(PPMID, KA).der
    other = {"OtherDeviceID": "00-DB-12-34-56-78-90-A4", "other_device_type": "PPMID"}
    rig.state.devices[GSME].joined_to.clear()
    assert ask(rig, "8.7.1", GSME, {**other, "other_device_certificate": certificate}).says["code"] == 0
    assert ask(rig, "8.9", GSME).says["devices"] == [{"device": PPMID, "device_type": 5}]
    assert ask(rig, "8.7.2", GSME, other).says["code"] == 2, "method B is for the gas proxy"
    wrong = {**other, "other_device_certificate": SMKI.device_certificate(ESME, KA).der}
    assert ask(rig, "8.7.1", GSME, wrong).says["code"] == 11
    assert ask(rig, "8.7.1", GSME, other).says["code"] == 11
    assert ask(rig, "8.8.1", GSME, other).says["code"] == 0
    assert ask(rig, "8.8.1", GSME, other).says["code"] == 1
    assert "devices" not in ask(rig, "8.9", GSME).says or not rig.heard[-1].says["devices"]


def test_joins_that_the_broker_commands() -> None:
    rig = Rig()
    parameters = {"OtherDeviceID": "00-DB-12-34-56-78-90-A0", "other_device_type": "ESME"}
    rig.state.devices[PPMID].joined_to.clear()
    answer = ask(rig, "8.7.2", PPMID, dict(parameters))
    assert answer.says["code"] == 0
    assert answer.message.recipient == ACCESS_CONTROL_BROKER
    assert answer.message.supplementary is not None
    assert ask(rig, "8.8.2", PPMID, dict(parameters)).says["code"] == 0
    meter = {"OtherDeviceID": "00-DB-12-34-56-78-90-A5", "other_device_type": "HCALCS"}
    assert ask(rig, "8.7.1", ESME, dict(meter)).says["code"] == 0
    assert ask(rig, "8.7.1", HCALCS, dict(parameters)).says["code"] == 0
    proxy = {"OtherDeviceID": "00-DB-12-34-56-78-90-A3", "other_device_type": "GPF"}
    assert ask(rig, "8.7.2", GSME, dict(proxy)).says["code"] == 0
    assert ask(rig, "8.8.2", GSME, dict(proxy)).says["code"] == 0


def test_gas_commands_without_behaviour_get_a_default_response() -> None:
    rig = Rig()
    message = rig.command("11.2", GSME)
    (component,) = decode_components(message.content)
    unknown = replace(component, frame_control=1, command=0x22, payload=b"")
    message = replace(message, content=encode_components([unknown]))
    rig.transmit(message)
    rig.run(HOUR_MS)
    (answer,) = decode_components(rig.answers(message)[0].message.content)
    assert (answer.command, answer.payload) == (0x0B, b"\x22\x01")


@pytest.mark.parametrize("kind", ["cosem", "zcl"])
def test_every_object_names_its_source(kind: str) -> None:
    assert rows(kind)
    for row in rows(kind).values():
        assert row.source
        assert row.confidence
        assert bool(row.rule) is not bool(row.constant)


def test_restoring_the_log_of_a_gas_proxy() -> None:
    rig = Rig()
    entries = [{"device": PPMID, "device_type": 5}, {"device": 99, "device_type": 6}]
    use_case = use_case_for("8.12.2", DeviceType.GPF)
    assert use_case is not None
    message = build_command(
        use_case, user=SUPPLIER, user_counter=1, device=GPF, acb_counter=2, parameters={"devices": entries}, now_ms=rig.now_ms
    )
    rig.transmit(message)
    rig.run(MINUTE_MS)
    answers = rig.answers(message)[0].says["devices"]
    assert [(entry["device"], entry["code"]) for entry in answers] == [(PPMID, 0), (99, 0)]
    assert list(rig.state.devices[GPF].joined_to) == [PPMID, 99]


def test_parameters_of_the_wrong_form_are_errors() -> None:
    rig = Rig()
    message = rig.command("8.1.1", ESME, {"CurrentDateTime": "2026-01-05T08:00:00Z", "TolerancePeriod": "10"})
    (_, preset, adjust, *_) = decode_access_request(message.content).items
    items = (adjust, replace(preset, data=octets(b"no structure")), replace(preset, data=structure(octets(b"one"))))
    content = AccessRequest(invoke_id(message.counter), items).encode()
    rig.transmit(sign(replace(message, content=content), key(SUPPLIER, DS)))
    rig.run(MINUTE_MS)
    assert rig.answers(message)[0].says["results"] == [250, 250, 250]


def test_a_device_without_supplier_has_nobody_to_complain_to() -> None:
    rig = Rig()
    rig.transmit(rig.command("8.8.2", PPMID, {"OtherDeviceID": "00-DB-12-34-56-78-90-A0"}, user=SUPPLIER))
    message = replace(rig.command("11.2", PPMID), originator=SUPPLIER, supplementary=None)
    rig.transmit(message)
    rig.run(MINUTE_MS)
    assert not rig.answers(message)
    assert any("nobody to send alert 8F30 to" in summary for *_, summary, _ in rig.journal)


def test_records_that_are_not_there() -> None:
    rig = Rig()
    parameters = {"ReadLogPeriod": {"StartDateTime": "2026-01-01T00:00:00Z", "EndDateTime": "2026-01-03T00:00:00Z"}}
    there = ask(rig, "4.6.1", GSME, parameters)
    rig.faults.add("device.finds_nothing", GSME, times=100)
    gone = ask(rig, "4.6.1", GSME, parameters)
    assert there.message.content != gone.message.content
    assert set(gone.says["statuses"]) == {0x8B}


def test_a_failure_that_is_told_in_an_answer_of_its_own() -> None:
    rig = Rig()
    rig.faults.add("device.breaks_off", GSME, times=1)
    (component,) = decode_components(ask(rig, "14.1", GSME).message.content)
    assert (component.command, component.payload.hex()) == (0x0D, "ffff")
