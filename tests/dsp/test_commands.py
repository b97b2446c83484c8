"""Requests to devices: Transform and Send, dates, failures, and the state that a snapshot carries."""

import base64

import pytest

from emulator.domain.identifiers import format_eui
from emulator.duis.messages import Element, ServiceResponse, element
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.gbcs.results import read_result
from emulator.world import create_world, restore_world
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
    device_alerts,
    responses,
)
from tests.dsp.telling import told

HASH = bytes(32)
ESME, HUB = device(0, "A0"), device(0, "A2")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def pre_command(bench: Bench) -> bytes:
    body = element("ActivateFirmware", element("FirmwareHash", HASH.hex()))
    answer = bench.submit("11.3", body, to=ESME, variant=4)
    assert answer.code == "I0"
    assert answer.payload is not None
    assert answer.payload.value("GBCSVersion") == "4.2"
    octets = base64.b64decode(answer.payload.required("GBCSPayload"))
    assert octets[0] == 0xDF
    assert octets[-1] == 0
    return octets


def test_a_signed_pre_command_must_be_the_one_handed_out(bench: Bench) -> None:
    octets = pre_command(bench)
    changed = bytearray(octets)
    changed[-5] ^= 1
    altered = sign(decode_message(bytes(changed)), bench.key(SUPPLIER)).encode()
    assert bench.send_signed(ESME, altered).code == "E49"
    assert not bench.world.engine.state.dsp.transactions


def test_a_signed_pre_command_must_be_signed_by_its_sender(bench: Bench) -> None:
    octets = pre_command(bench)
    assert bench.send_signed(ESME, sign(decode_message(octets), bench.key(SUPPLIER_TWO)).encode()).code == "E50"
    bench_two = Bench()
    assert bench_two.send_signed(ESME, pre_command(bench_two)).code == "E50"
    assert not bench.world.engine.state.dsp.transactions


@pytest.mark.parametrize("payload", [b"", b"\xdf", b"\x00" * 80, b"\xdf\x09\x01" + bytes(20)])
def test_a_malformed_pre_command_is_refused(bench: Bench, payload: bytes) -> None:
    pre_command(bench)
    assert bench.send_signed(ESME, payload).code == "E47"


def test_without_transform_there_is_nothing_to_send(bench: Bench) -> None:
    octets = pre_command(bench)
    signed = sign(decode_message(octets), bench.key(SUPPLIER)).encode()
    assert bench.send_signed(ESME, signed, counter=bench.counter + 7).code == "E48"


def test_a_dated_activation_is_accepted_now_and_reported_then(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    image_hash = read_result(decode_message(device_alerts(bench.deliveries, 0x8F72)[0].gbcs_payload))["hash"]
    bench.activate(ESME, bytes.fromhex(str(image_hash)), at="2026-01-10T02:00:00Z")
    accepted = responses(bench.run_until_idle())
    assert [r.code for r in accepted] == ["I0"]
    assert bench.world.engine.awaited() == 0
    fresh = bench.advance(6 * DAY_MS)
    assert len(responses(fresh)) == 1
    outcome = responses(fresh)[0]
    assert outcome.request_id == accepted[0].request_id
    assert outcome.payload is not None
    assert outcome.payload.name == "FutureDatedDeviceAlertMessage"
    assert outcome.payload.value("FutureDatedAlertCode") == "8F66"
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010100"


def test_a_dated_activation_can_be_cancelled(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    image_hash = bytes.fromhex(str(read_result(decode_message(device_alerts(bench.deliveries, 0x8F72)[0].gbcs_payload))["hash"]))
    bench.activate(ESME, image_hash, at="2026-01-10T02:00:00Z")
    bench.run_until_idle()
    bench.activate(ESME, image_hash, at="3000-12-31T00:00:00Z")
    assert [r.code for r in responses(bench.run_until_idle())] == ["I0"]
    assert not bench.world.engine.context.lookup.dated(ESME)
    assert not responses(bench.advance(6 * DAY_MS))
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010000"


def test_a_read_dated_by_the_dsp_waits_and_passes_the_gate_again(bench: Bench) -> None:
    body = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-06T08:00:00Z"))
    assert bench.submit("11.2", body, to=ESME).code == "I99"
    assert not bench.advance(DAY_MS - 1)
    assert [r.code for r in responses(bench.advance(HOUR_MS))] == ["I0"]
    assert (
        bench.submit("11.2", element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-08T08:00:00Z")), to=ESME).code
        == "I99"
    )
    mpan = bench.world.engine.state.dsp.inventory[ESME].import_mpxn
    bench.control("registration.put", mpxn=mpan, role="IS", party="supplier-two", from_ms=bench.now_ms)
    bench.control(
        "registration.put", mpxn=bench.world.engine.state.dsp.inventory[ESME].export_mpan, role="ES", party="supplier-two"
    )
    bench.world.engine.state.dsp.users[SUPPLIER].roles = tuple(
        role for role in bench.world.engine.state.dsp.users[SUPPLIER].roles if role != "OU"
    )
    fresh = bench.advance(4 * DAY_MS)
    assert [r.code for r in responses(fresh)] == ["E4"]
    assert dcc_alerts(fresh, "N11")


def test_an_unreachable_hub_and_a_silent_device_have_their_codes(bench: Bench) -> None:
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(device(0, "A2")))
    bench.submit("11.2", to=ESME)
    assert [r.code for r in responses(bench.run_until_idle())] == ["E20"]
    silent = Bench()
    silent.control("fault.add", kind="device.silent", device=format_eui(ESME))
    silent.submit("11.2", to=ESME)
    assert [r.code for r in responses(silent.run_until_idle())] == ["E21"]


def test_installation_from_notification_to_commissioned(bench: Bench) -> None:
    meter, hub = device(8, "A0"), device(0, "A2")
    mpan = "1200000009001"
    bench.control("registration.put", mpxn=mpan, role="IS", party="supplier-one", from_ms=0)
    bench.control("registration.put", mpxn=mpan, role="ED", party="network-operator", from_ms=0)
    bench.submit(
        "12.2",
        element(
            "DevicePrenotification",
            element("DeviceID", format_eui(meter)),
            element("DeviceManufacturer", "11E5"),
            element("DeviceModel", "00020101"),
            element("DeviceType", "ESME"),
            element("SMETSCHTSVersion", "SMETS V5.1"),
            element("FirmwareVersion", "00010000"),
            element("ESMEVariant", "A"),
        ),
    )
    bench.control("device.fit", device=format_eui(meter), hub=format_eui(hub), supplier=format_eui(SUPPLIER))
    entry = bench.world.engine.state.dsp.inventory[meter]
    assert entry.status == "Pending"
    details = element(
        "AddDeviceToCHFWhitelist",
        element("JoinTimePeriod", "600"),
        element("InstallCode", "00112233445566778899AABBCCDDEEFF"),
        element("ImportMPxN", mpan),
    )
    body = element("UpdateHANDeviceLog", element("DeviceID", format_eui(meter)), element("RequestType", "Add"), details)
    assert bench.submit("8.11", body, to=hub).code == "I99"
    assert dcc_alerts(bench.run_until_idle(), "N24")
    assert entry.status == "Whitelisted"
    clock = element(
        "CommissionDeviceSynchroniseClock", element("CurrentDateTime", "2026-01-05T08:00:00Z"), element("TolerancePeriod", "3600")
    )
    first = bench.submit("8.1.1", clock, to=meter, variant=4)
    assert first.payload is not None
    octets = base64.b64decode(first.payload.required("GBCSPayload"))
    signed = sign(decode_message(octets), bench.key(SUPPLIER)).encode()
    signed_body = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(signed).decode()))
    assert bench.submit("8.1.1", signed_body, to=meter, variant=5, counter=bench.counter).code == "I99"
    fresh = bench.run_until_idle()
    assert entry.status == "Commissioned"
    told = dcc_alerts(fresh, "N16")
    assert [d.recipient for d in fresh if d.message in told] == [NETWORK_OPERATOR]


def test_a_snapshot_in_the_middle_changes_nothing() -> None:
    def run(interrupt: bool) -> tuple[str, int]:
        bench = Bench()
        bench.distribute("11.1", "ESME", [ESME, device(1, "A0")])
        bench.advance(HOUR_MS)
        if interrupt:
            bench.world = restore_world("default", bench.world.engine.snapshot())
        bench.submit("11.2", to=ESME)
        bench.run_until_idle()
        return bench.world.engine.digest(), len(bench.deliveries)

    assert run(False) == run(True)


def test_slices_of_time_change_nothing() -> None:
    def run(slices: int) -> str:
        bench = Bench()
        bench.distribute("11.1", "GSME", [device(0, "A1")])
        end = bench.now_ms + DAY_MS
        if slices:
            for step in range(1, slices + 1):
                while not bench.world.engine.advance(bench.world.estate.start_ms + DAY_MS * step // slices, 3):
                    bench.collect()
        bench.world.engine.advance(end)
        bench.collect()
        return bench.world.engine.digest()

    assert run(0) == run(97)


def test_another_seed_gives_other_keys_and_times() -> None:
    assert Bench(create_world(seed=2)).world.engine.digest() != Bench().world.engine.digest()


def dated(at: str) -> Element:
    return element("ReadFirmwareVersion", element("ExecutionDateTime", at))


def test_a_newer_dated_request_replaces_the_held_one_of_the_same_user(bench: Bench) -> None:
    for user in (SUPPLIER, OTHER_USER):
        assert bench.submit("11.2", dated("2026-01-06T08:00:00Z"), to=ESME, user=user).code == "I99"
    assert bench.submit("11.2", dated("2026-01-07T08:00:00Z"), to=ESME).code == "I99"
    assert told(bench.advance(DAY_MS + HOUR_MS)) == {"other": ["11.2 I0"]}
    assert told(bench.advance(DAY_MS)) == {"one": ["11.2 I0"]}


def test_a_held_request_is_cancelled_and_its_user_hears_so(bench: Bench) -> None:
    bench.submit("11.2", dated("2026-01-06T08:00:00Z"), to=ESME)
    assert bench.submit("11.2", dated("3000-12-31T00:00:00Z"), to=ESME).code == "I99"
    (answer,) = bench.deliveries
    assert isinstance(answer.message, ServiceResponse)
    assert (answer.message.code, answer.message.payload, answer.message.response_id) == ("I0", None, None)
    assert not bench.advance(3 * DAY_MS)


def test_a_held_request_falls_with_its_device(bench: Bench) -> None:
    bench.submit("11.2", dated("2026-01-06T08:00:00Z"), to=ESME)
    bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(ESME))))
    assert told(bench.deliveries) == {"one": ["N3"], "network": ["N1"]}
    assert not bench.advance(3 * DAY_MS)


def test_what_cannot_be_said_in_gbcs_is_refused_before_it_is_held(bench: Bench) -> None:
    counter = bench.world.engine.state.dsp.acb_counter
    assert (
        bench.submit("8.9", element("ReadDeviceLog", element("ExecutionDateTime", "2026-01-06T08:00:00Z")), to=HUB).code == "I99"
    )
    clock = element("CommissionDeviceSynchroniseClock", element("CurrentDateTime", "soon"), element("TolerancePeriod", "10"))
    assert bench.submit("8.1.1", clock, to=ESME, variant=4).code == "E51"
    assert bench.world.engine.state.dsp.acb_counter == counter, "a refused command uses up no counter"


def test_what_is_not_emulated_says_so(bench: Bench) -> None:
    assert bench.submit("6.2.4", to=device(0, "A3")).code == "E100"


@pytest.mark.parametrize(("setting", "expected"), [(True, ["11.2 E20", "N12"]), (False, ["11.2 E20"])])
def test_whether_an_undated_failure_is_told_twice_is_a_setting(setting: bool, expected: list[str]) -> None:
    bench = bench_with(command_failure_on_demand=setting)
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    bench.submit("11.2", to=ESME)
    assert told(bench.run_until_idle()) == {"one": expected}


def test_a_dated_failure_is_always_told_twice() -> None:
    bench = bench_with(command_failure_on_demand=False)
    bench.control("fault.add", kind="device.silent", device=format_eui(ESME))
    bench.submit("11.2", dated("2026-01-06T08:00:00Z"), to=ESME)
    assert told(bench.advance(4 * DAY_MS)) == {"one": ["11.2 E21", "N13"]}


def test_a_pre_command_comes_back_within_its_time(bench: Bench) -> None:
    octets = pre_command(bench)
    signed = sign(decode_message(octets), bench.key(SUPPLIER)).encode()
    bench.advance(DAY_MS + 1)
    assert bench.send_signed(ESME, signed).code == "E48"


def test_a_device_without_certificate_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.world.engine.context.keys, "device_key_agreement", lambda eui: None)
    assert bench.submit("11.2", to=ESME).code == "E53"
    assert not bench.world.engine.state.dsp.transactions


@pytest.mark.parametrize(("setting", "at_once", "when_due"), [("check", {}, ["11.2 E4", "N11"]), ("drop", {"one": ["N10"]}, [])])
def test_what_is_held_for_a_supplier_that_changes(setting: str, at_once: dict[str, list[str]], when_due: list[str]) -> None:
    bench = bench_with(held_on_change_of_supplier=setting)
    dsp = bench.world.engine.state.dsp
    dsp.users[SUPPLIER].roles = tuple(role for role in dsp.users[SUPPLIER].roles if role != "OU")
    for user in (SUPPLIER, NETWORK_OPERATOR):
        bench.submit("11.2", dated("2026-01-08T08:00:00Z"), to=ESME, user=user)
    for mpxn, role in ((dsp.inventory[ESME].import_mpxn, "IS"), (dsp.inventory[ESME].export_mpan, "ES")):
        bench.control("registration.put", mpxn=mpxn, role=role, party="supplier-two", from_ms=bench.now_ms + DAY_MS)
    assert told(bench.advance(2 * DAY_MS)) == at_once
    found = told(bench.advance(2 * DAY_MS))
    assert found.pop("network") == ["11.2 I0"]
    assert found == ({"one": when_due} if when_due else {})
