"""The failure catalogue of firmware updates, row by row (reference ota/ota.md section 12): who hears of it, and nobody else."""

import hashlib
from dataclasses import replace

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.duis.messages import element
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image
from emulator.gbcs.message import decode_message
from emulator.gbcs.results import read_result
from emulator.ota.image import build, parse_image
from emulator.world import create_world
from tests.dsp.bench_world import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    bench_with,
    device,
    device_alerts,
    responses,
)
from tests.dsp.telling import bodies, told

ESME, GSME, HUB, PPMID, HCALCS = (device(0, last) for last in ("A0", "A1", "A2", "A4", "A5"))
SHARED_PPMID = device(1, "A4")
"""Its electricity supplier is the first, its gas supplier the second."""


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fault(bench: Bench, kind: str, on: int | None = None, **more: object) -> None:
    where = {} if on is None else {"device": format_eui(on)}
    bench.control("fault.add", kind=kind, **where, **more)


def state_of(bench: Bench, eui: int = ESME) -> str:
    described = bench.world.views.device(eui)
    assert described is not None
    assert described["job"] is not None
    return str(described["job"]["state"])


def smi(bench: Bench, eui: int = ESME) -> str:
    return bench.world.engine.state.dsp.inventory[Eui64(eui)].firmware_version


def hash_of(bench: Bench, kind: str = "ESME") -> bytes:
    row = next(e for e in bench.world.estate.cpl if e.device_type == kind and e.firmware_version == "00010100")
    return hashlib.sha256(generated_manufacturer_image(row.manufacturer, row.model, "00010100", row.image_bytes)).digest()


def verified(bench: Bench, eui: int = ESME, kind: str = "ESME") -> None:
    """The device holds its verified image."""
    assert bench.distribute("11.1", kind, [eui]).code == "I99"
    assert told(bench.run_until_idle())["one"] == ["N60", "N62", "8F72"]


def read_version(bench: Bench, eui: int = ESME, user: int = SUPPLIER) -> dict[str, list[str]]:
    assert bench.submit("11.2", to=eui, user=user).code == "I99"
    return told(bench.run_until_idle())


# At the DSP


def test_f02_a_version_that_is_not_listed(bench: Bench) -> None:
    assert bench.distribute("11.1", "ESME", [ESME], image=bench.image("ESME"), version="0001FFFF").code == "E110102"
    assert bench.distribute("11.4", "PPMID", [PPMID], image=bench.image("PPMID"), version="0001FFFF").code == "E110402"
    assert not bench.deliveries
    assert not bench.world.engine.state.dsp.jobs


@pytest.mark.parametrize("status", ["Cancelled", "Expired", "Withdrawn"])
def test_f03_a_listed_version_that_lost_its_status(bench: Bench, status: str) -> None:
    row = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "status": status}
    bench.control("cpl.put", firmware_version="00010100", **row)
    assert bench.distribute("11.1", "ESME", [ESME]).code == "E110102"
    assert not told(bench.deliveries)
    bench.control("cpl.put", firmware_version="00010000", **row)
    # Suspended, and each told to the import supplier of its meter.
    assert told(bench.deliveries) == {"one": ["N28", "N28"], "two": ["N28"]}


def test_f04_another_hash_than_the_list_has(bench: Bench) -> None:
    good = bench.image("ESME")
    tampered = good[:100] + bytes([good[100] ^ 1]) + good[101:]
    assert bench.distribute("11.1", "ESME", [ESME], image=tampered).code == "E110103"
    unchecked = bench_with(check_image_hash=False)
    assert unchecked.distribute("11.1", "ESME", [ESME], image=tampered).code == "I99"
    assert told(unchecked.run_until_idle()) == {"one": ["N60", "N62", "8F1C"]}, "the device still refuses it"


def test_f05_an_image_that_contradicts_itself(bench: Bench) -> None:
    good = bench.image("ESME")
    no_trailer = bench.image("ESME", signer=None)
    for image in (b"", good[:40], b"\0" + good[1:], good + b"\0", good[:-1], no_trailer):
        assert bench.distribute("11.1", "ESME", [ESME], image=image or b"\0").code == "E110105"
    limited = bench_with(max_image_bytes=len(good) - 1)
    assert limited.distribute("11.1", "ESME", [ESME]).code == "E110105"
    assert not bench.deliveries + limited.deliveries


def test_hardware_versions_may_be_left_out_unless_a_switch_asks_for_them(bench: Bench) -> None:
    strict = bench_with(hw_version_mandatory=True)
    for srv, kind, target, code in (("11.1", "ESME", ESME, "E110105"), ("11.4", "PPMID", PPMID, "E110405")):
        image = replace(parse_image(bench.image(kind)), min_hardware_version=None, max_hardware_version=None).encode()
        assert bench.distribute(srv, kind, [target], image=image).code == "I99"
        assert strict.distribute(srv, kind, [target], image=image).code == code
        assert strict.distribute(srv, kind, [target]).code == "I99"


def test_f06_to_f11_each_device_goes_to_the_list_of_its_reason(bench: Bench) -> None:
    unknown, foreign, pending, gas = device(7, "A0"), device(2, "A0"), device(1, "A0"), GSME
    inventory = bench.world.engine.state.dsp.inventory
    inventory[Eui64(pending)].status = type(inventory[ESME].status)("Recovery")
    inventory[HUB].gbcs_version = "3.2"
    answer = bench.distribute("11.1", "ESME", [unknown, foreign, pending, gas, ESME, ESME])
    assert answer.code == "W110101"
    assert answer.payload is not None
    assert {child.name: child.text for child in answer.payload} == {
        "InvalidDeviceIDList": ",".join(map(format_eui, (unknown, foreign))),
        "NotCommissionedDeviceIDList": format_eui(pending),
        "NotApplicableFirmwareDeviceIDList": format_eui(gas),
    }
    again = bench.distribute("11.1", "ESME", [ESME, device(1, "A0")])
    assert again.code == "E110101"
    for srv, kind, eui in (("11.1", "HCALCS", HCALCS), ("11.4", "PPMID", PPMID)):
        old_hub = bench.distribute(srv, kind, [eui, foreign])
        assert old_hub.code == {"11.1": "E110101", "11.4": "E110401"}[srv]
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}


def test_f10_whoever_sent_first_blocks_the_other_supplier(bench: Bench) -> None:
    assert bench.distribute("11.4", "PPMID", [SHARED_PPMID]).code == "I99"
    refused = bench.distribute("11.4", "PPMID", [SHARED_PPMID, device(2, "A4")], user=SUPPLIER_TWO)
    assert refused.code == "W110401"
    assert refused.payload is not None
    assert refused.payload.value("OtherRequestInProgressList") == format_eui(SHARED_PPMID)
    # N59 to the other supplier of each PPMID; N60 to who asked; the hub's and the PPMID's reports to both suppliers. The second
    # PPMID is a legacy one, which reports nothing.
    bench.run_until_idle()
    assert {user: sorted(heard) for user, heard in told(bench.deliveries).items()} == {
        "one": ["N39", "N59", "N60", "N62", "N62"],
        "two": ["N39", "N59", "N60", "N62", "N62"],
    }


@pytest.mark.parametrize(("until", "freed_by"), [("csp", "N60"), ("ch", "N62")])
def test_f10_what_ends_a_distribution_is_a_setting(until: str, freed_by: str) -> None:
    bench = bench_with(in_progress_until=until)
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "E110101"
    while freed_by not in told(bench.advance(MINUTE_MS)).get("one", ()):
        assert bench.distribute("11.1", "ESME", [ESME]).code == "E110101"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"


# At the CSP


def test_f12_a_file_damaged_on_the_way_to_the_csp_is_one_failure_for_all(bench: Bench) -> None:
    fault(bench, "csp.rejects_image")
    assert bench.distribute("11.1", "ESME", [ESME, device(1, "A0")]).code == "I99"
    fresh = bench.run_until_idle()
    assert told(fresh) == {"one": ["N18"]}
    (body,) = bodies(fresh, "N18")
    assert body.value("MeterIDs") == ",".join(map(format_eui, (ESME, device(1, "A0"))))
    assert state_of(bench) == state_of(bench, device(1, "A0")) == "FAILED_CSP"
    assert bench.world.engine.awaited() == 0


def test_f12_many_devices_are_told_in_portions() -> None:
    bench = bench_with(devices_per_alert=1)
    fault(bench, "csp.rejects_image")
    bench.distribute("11.1", "ESME", [ESME, device(1, "A0")])
    fresh = bench.advance(DAY_MS)
    assert told(fresh) == {"one": ["N18", "N18"]}
    assert [body.value("MeterIDs") for body in bodies(fresh, "N18")] == [format_eui(ESME), format_eui(device(1, "A0"))]


def test_f13_a_device_that_its_hub_does_not_know(bench: Bench) -> None:
    bench.world.engine.premises.remove_device(ESME, bench.now_ms)
    assert bench.distribute("11.1", "ESME", [ESME, device(1, "A0")]).code == "I99"
    fresh = bench.run_until_idle()
    assert sorted(told(fresh)["one"]) == ["8F72", "N18", "N60", "N62"]
    assert bodies(fresh, "N18")[0].value("MeterIDs") == format_eui(ESME)
    assert (state_of(bench), state_of(bench, device(1, "A0"))) == ("FAILED_CSP", "VERIFIED")


def test_f14_an_image_larger_than_the_hub_takes() -> None:
    bench = bench_with("han", max_image_bytes=1_000)
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.run_until_idle()) == {"one": ["N61"]}
    assert state_of(bench) == "FAILED_CSP"


def test_what_a_hub_reports_is_about_the_image_that_it_had() -> None:
    bench = bench_with(in_progress_guard=False)
    fault(bench, "device.never_queries", GSME, to="3 h")
    image = parse_image(bench.image("GSME")).sign(bench.key(SUPPLIER), force_replace=1).encode()
    sent = []
    for _ in range(2):
        sent.append(bench.distribute("11.1", "GSME", [GSME], image=image).request_id)
        bench.advance(HOUR_MS)
    (alert,) = bodies(bench.deliveries, "N62")
    assert alert.children[-1].value("UpdateFirmwareRequestID") == sent[0]
    assert alert.children[-1].value("TransferResponseCode") == "FirmwareImageDiscarded"
    dsp = bench.world.engine.state.dsp
    assert [(dsp.firmware_requests[job.request].request_id, job.state) for job in dsp.jobs.values()] == [
        (sent[0], "FAILED_HAN"),
        (sent[1], "AT_CH"),
    ]
    bench.run_until_idle()
    assert [job.state for job in dsp.jobs.values()] == ["FAILED_HAN", "VERIFIED"]


@pytest.mark.parametrize("kind", ["wan.unreachable", "wan.transfer_fails", "hub.store_full"])
def test_f16_f17_f18_the_hub_does_not_get_the_image(bench: Bench, kind: str) -> None:
    fault(bench, kind, HUB)
    bench.distribute("11.1", "ESME", [ESME])
    fresh = bench.run_until_idle()
    assert told(fresh) == {"one": ["N61"]}
    (body,) = bodies(fresh, "N61")
    assert body.value("CommsHubTransferStatus") == "Failure"
    assert body.value("CommsHubDeviceID") == format_eui(HUB)
    assert state_of(bench) == "FAILED_CSP"
    assert not bench.advance(30 * DAY_MS)


# At the hub and on the HAN


def test_f19_f21_the_hub_loses_the_image_and_nobody_is_told(bench: Bench) -> None:
    fault(bench, "hub.loses_image", HUB)
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.run_until_idle()) == {"one": ["N60"]}
    assert state_of(bench) == "UNKNOWN"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99", "a job that ended in silence blocks nothing"


def test_f20_hardware_that_the_image_excludes(bench: Bench) -> None:
    row = next(e for e in bench.world.estate.cpl if e.device_type == "ESME" and e.firmware_version == "00010100")
    content = generated_manufacturer_image(row.manufacturer, row.model, "00010100", row.image_bytes)
    image = build(
        content,
        manufacturer_code=int(row.manufacturer, 16),
        image_type=0,
        file_version=0x00010100,
        hardware_versions=(0x0300, 0x0400),
        private_key=bench.key(SUPPLIER),
    )
    bench.distribute("11.1", "ESME", [ESME], image=image)
    fresh = bench.run_until_idle()
    assert told(fresh) == {"one": ["N60", "N62"]}
    transfer = bodies(fresh, "N62")[0].find("FirmwareTransferAlert")
    assert transfer is not None
    assert transfer.value("TransferResponseCode") == "HardwareVersionMismatch"
    assert bodies(fresh, "N62")[0].value("AlertCode") == "8F89"
    assert state_of(bench) == "FAILED_HAN"


@pytest.mark.parametrize("why", ["no power", "never asks"])
def test_f22_f23_a_device_that_does_not_ask_until_the_image_expires(bench: Bench, why: str) -> None:
    if why == "no power":
        bench.control("device.power", device=format_eui(ESME), on=False)
    else:
        fault(bench, "device.never_queries", ESME)
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.advance(13 * DAY_MS)) == {"one": ["N60"]}
    assert state_of(bench) == "AT_CH"
    fresh = bench.run_until_idle()
    assert told(fresh) == {"one": ["N62"]}
    transfer = bodies(fresh, "N62")[0].find("FirmwareTransferAlert")
    assert transfer is not None
    assert transfer.value("TransferResponseCode") == "FirmwareImageDiscarded"
    assert state_of(bench) == "FAILED_HAN"


def test_f24_the_transfer_over_the_han_breaks_off(bench: Bench) -> None:
    fault(bench, "han.transfer_fails", ESME)
    bench.distribute("11.1", "ESME", [ESME])
    fresh = bench.run_until_idle()
    assert told(fresh) == {"one": ["N60", "N62"]}
    transfer = bodies(fresh, "N62")[0].find("FirmwareTransferAlert")
    assert transfer is not None
    assert transfer.value("TransferResponseCode") == "FileTransferFailure"


def test_f26_a_power_cut_in_the_middle_only_takes_time(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    while "N60" not in told(bench.advance(MINUTE_MS)).get("one", ()):
        pass
    bench.advance(MINUTE_MS)
    bench.control("device.power", device=format_eui(ESME), on=False)
    assert not bench.advance(HOUR_MS)
    bench.control("device.power", device=format_eui(ESME), on=True)
    assert told(bench.run_until_idle()) == {"one": ["N62", "8F72"], "network": ["8F36"]}


@pytest.mark.parametrize(("kind", "on"), [("hub.power_cut", HUB), ("device.power_cut", ESME)])
@pytest.mark.parametrize(("resumes", "rest_percent"), [(True, 40), (False, 100)])
def test_f26_a_power_cut_by_fault_comes_at_a_percentage(kind: str, on: int, resumes: bool, rest_percent: int) -> None:
    bench = bench_with("han", device_resumes=resumes)
    fault(bench, kind, on, params={"percent": 60, "off_ms": HOUR_MS}, times=1)
    bench.distribute("11.1", "ESME", [ESME])
    # The hub's outage is told to those who have to do with the supply; of its own a meter tells the network operator.
    dark = {"one": ["N60", "AD1", "N62", "8F72"], "network": ["AD1"]}
    assert told(bench.run_until_idle()) == (dark if on == HUB else {"one": ["N60", "N62", "8F72"], "network": ["8F36"]})
    begun, begun_again = noted_ms(bench, "takes image")
    (lost,), (back,) = noted_ms(bench, "has no power"), noted_ms(bench, "has power")
    assert back - lost == HOUR_MS
    (ended,) = noted_ms(bench, "FileTransferSuccess")
    whole_ms = (lost - begun) * 100 // 60
    assert ended - begun_again == pytest.approx(whole_ms * rest_percent // 100, abs=3_000)


def noted_ms(bench: Bench, words: str) -> list[int]:
    """When the journal says so."""
    return [entry.at_ms for entry in bench.journal if words in entry.summary]


def test_f28_an_image_larger_than_the_device_holds() -> None:
    text = default_estate_toml().replace('esme_variant = "A"\n', 'esme_variant = "A"\nimage_capacity_bytes = 1000\n', 1)
    bench = Bench(create_world(estate_toml=text))
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62"]}
    assert state_of(bench) == "FAILED_HAN"


# On the device


def test_f29_the_signature_of_another_supplier(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME], signer=SUPPLIER_TWO)
    fresh = bench.run_until_idle()
    assert told(fresh) == {"one": ["N60", "N62", "8F1C"]}
    assert read_result(decode_message(device_alerts(fresh, 0x8F1C)[0].gbcs_payload))["hash"] == hash_of(bench).hex()
    assert state_of(bench) == "FAILED_VERIFY"


def test_f30_a_lost_receipt_leaves_the_job_unknown_and_activation_possible(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    while "N62" not in told(bench.advance(1_000)).get("one", ()):
        pass
    fault(bench, "wan.loses_upstream", HUB, times=1)
    assert not bench.run_until_idle()
    assert state_of(bench) == "UNKNOWN"
    bench.activate(ESME, hash_of(bench))
    assert told(bench.run_until_idle()) == {"one": ["11.3 I0"]}
    assert (state_of(bench), smi(bench)) == ("ACTIVATED", "00010100")


def test_f31_activation_by_the_wrong_supplier_is_refused_twice() -> None:
    bench = Bench()
    verified(bench)
    first, _ = bench.activate(ESME, hash_of(bench), user=SUPPLIER_TWO)
    assert first.code == "E4"
    ungated = bench_with(check_responsibility=False)
    verified(ungated)
    _, sent = ungated.activate(ESME, hash_of(ungated), user=SUPPLIER_TWO)
    assert sent is not None
    assert sent.code == "I99"
    heard = told(ungated.run_until_idle())
    assert heard["two"] == ["11.3 E21", "N13"], "the device does not answer who has no authority"
    assert heard.get("one", ["8F30"]) == ["8F30"]
    assert (state_of(ungated), smi(ungated)) == ("VERIFIED", "00010000")


def test_f32_activation_before_the_download_is_done(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    while "N60" not in told(bench.advance(MINUTE_MS)).get("one", ()):
        pass
    bench.activate(ESME, hash_of(bench))
    fresh = bench.advance(5 * MINUTE_MS)
    answer = next(r for r in responses(fresh) if r.service_reference == "11.3")
    assert answer.payload is not None
    assert read_result(decode_message(_octets(answer.payload.text)))["activate_image_code"] == 1
    assert "8F72" in told([*fresh, *bench.run_until_idle()])["one"]
    assert state_of(bench) == "VERIFIED"


def _octets(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


@pytest.mark.parametrize(("row", "code"), [("F33", 2), ("F34", 3)])
def test_f33_f34_an_activation_that_does_not_succeed_may_be_tried_again(bench: Bench, row: str, code: int) -> None:
    verified(bench)
    if row == "F34":
        fault(bench, "device.activation_fails", ESME, times=1)
    bench.activate(ESME, hash_of(bench) if row == "F34" else bytes(32))
    assert told(bench.run_until_idle()) == {"one": ["11.3 I0"]}
    described = bench.world.views.device(ESME)
    assert described is not None
    assert (described["job"]["state"], described["job"]["reason"]) == ("VERIFIED", f"activation refused with code {code}")
    bench.activate(ESME, hash_of(bench))
    assert told(bench.run_until_idle()) == {"one": ["11.3 I0"]}
    assert state_of(bench) == "ACTIVATED"


def test_f35_f38_a_lost_response_leaves_the_inventory_stale_until_a_read(bench: Bench) -> None:
    verified(bench)
    fault(bench, "wan.loses_upstream", HUB, times=1)
    bench.activate(ESME, hash_of(bench))
    assert told(bench.run_until_idle()) == {"one": ["11.3 E21", "N13"]}
    assert (state_of(bench), smi(bench)) == ("VERIFIED", "00010000")
    assert read_version(bench) == {"one": ["11.2 I0", "N49"]}
    assert (state_of(bench), smi(bench)) == ("CONFIRMED", "00010100")
    assert read_version(bench) == {"one": ["11.2 I0"]}


@pytest.mark.parametrize(("setting", "expected"), [("off", []), ("unexplained", []), ("any", ["N49"])])
def test_f38_when_a_mismatch_is_told_is_a_setting(setting: str, expected: list[str]) -> None:
    bench = bench_with(mismatch_alert=setting)
    verified(bench)
    fault(bench, "wan.loses_upstream", HUB, times=1)
    bench.activate(ESME, hash_of(bench))
    bench.run_until_idle()
    assert read_version(bench) == {"one": ["11.2 I0", *expected]}
    assert smi(bench) == "00010100"


def test_f36_a_change_of_supplier_ends_a_dated_activation(bench: Bench) -> None:
    verified(bench)
    bench.activate(ESME, hash_of(bench), at="2026-01-10T02:00:00Z")
    assert told(bench.run_until_idle()) == {"one": ["11.3 I0"]}
    bench.world.engine.premises.set_credential(ESME, RemotePartyRole.SUPPLIER, SUPPLIER_TWO, bench.now_ms)
    # Nothing comes of it; in the end the DSP gives up waiting for the outcome.
    assert told(bench.advance(20 * DAY_MS)) == {"one": ["11.3 E30", "N13"]}
    assert not bench.world.engine.context.lookup.dated(ESME)
    assert smi(bench) == "00010000"


def test_f37_a_device_that_leaves_the_han_after_its_download(bench: Bench) -> None:
    fault(bench, "han.drop_after_download", ESME)
    verified(bench)
    for _ in range(2):
        assert read_version(bench) == {"one": ["11.2 E21", "N13"]}


def test_f37_a_device_that_leaves_the_han_after_its_activation(bench: Bench) -> None:
    verified(bench)
    fault(bench, "han.drop_after_activation", ESME)
    bench.activate(ESME, hash_of(bench))
    assert told(bench.run_until_idle()) == {"one": ["11.3 E21", "N13"]}
    assert smi(bench) == "00010000"


def test_f39_a_version_changed_behind_the_dcc_is_told_to_all_responsible(bench: Bench) -> None:
    bench.world.engine.premises.side_channel(SHARED_PPMID, 0x00010100, bench.now_ms)
    assert read_version(bench, SHARED_PPMID) == {"one": ["11.2 I0", "N49"], "two": ["N49"]}
    assert smi(bench, SHARED_PPMID) == "00010100"
    bench.world.engine.premises.side_channel(SHARED_PPMID, 0x00990000, bench.now_ms)
    assert read_version(bench, SHARED_PPMID) == {"one": ["11.2 I0", "N49"], "two": ["N49"]}
    assert smi(bench, SHARED_PPMID) == "00010100", "a version that is not listed is not believed"


def test_f42_a_ppmid_that_fails_to_activate(bench: Bench) -> None:
    fault(bench, "device.activation_fails", SHARED_PPMID)
    bench.distribute("11.4", "PPMID", [SHARED_PPMID])
    bench.run_until_idle()
    assert told(bench.deliveries) == {"one": ["N60", "N62", "N39"], "two": ["N59", "N62", "N39"]}
    upgrade = bodies(bench.deliveries, "N39")[0].find("PPMIDFirmwareUpgradeAlert")
    assert upgrade is not None
    assert upgrade.value("ActivateImageResultCode") == "ActivationFailure"
    assert (state_of(bench, SHARED_PPMID), smi(bench, SHARED_PPMID)) == ("FAILED_ACTIVATE", "00010000")


def test_f42_a_legacy_ppmid_says_nothing(bench: Bench) -> None:
    legacy = device(2, "A4")
    fault(bench, "device.activation_fails", legacy)
    bench.distribute("11.4", "PPMID", [legacy])
    bench.run_until_idle()
    assert told(bench.deliveries) == {"one": ["N60", "N62"], "two": ["N59", "N62"]}
    assert state_of(bench, legacy) == "UNKNOWN"
    assert read_version(bench, legacy) == {"one": ["11.2 I0"]}
    assert state_of(bench, legacy) == "MISMATCH"


# Devices, hubs and suppliers that come and go


@pytest.mark.parametrize("stage", ["QUEUED", "AT_CH"])
def test_f43_decommissioning_in_the_middle(bench: Bench, stage: str) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    while state_of(bench) != stage:
        bench.advance(MINUTE_MS)
    bench.deliveries.clear()
    body = element("DecommissionDevice", element("DeviceID", format_eui(ESME)))
    assert bench.submit("8.3", body).code == "I99"
    assert state_of(bench) == "CANCELLED"
    bench.advance(20 * DAY_MS)
    # The network operator learns that the meter left; what the device still reports is dropped and noted.
    assert told(bench.deliveries) == {"network": ["N1"]}
    dropped = [entry.summary for entry in bench.journal if entry.kind == "dropped"]
    assert len(dropped) == (0 if stage == "QUEUED" else 2)
    assert bench.world.engine.awaited() == 0


def test_f44_a_hub_that_leaves_service_takes_its_images_along(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    while state_of(bench) != "AT_CH":
        bench.advance(MINUTE_MS)
    bench.distribute("11.1", "GSME", [GSME])
    bench.deliveries.clear()
    bench.control("device.power", device=format_eui(HUB), on=False)
    returned = element("UpdateInventory", element("DeviceID", format_eui(HUB)), element("UpdateDeviceStatusCH", "Withdrawn"))
    assert bench.submit("8.4", returned).code == "I99"
    assert (state_of(bench), state_of(bench, GSME)) == ("FAILED_HAN", "FAILED_CSP")
    assert told(bench.advance(20 * DAY_MS)) == {"one": ["N18"]}
    assert bench.world.engine.awaited() == 0


def test_removal_from_the_hub_cancels_a_job(bench: Bench) -> None:
    bench.distribute("11.4", "PPMID", [SHARED_PPMID])
    bench.advance(1_000)
    bench.deliveries.clear()
    body = element("UpdateHANDeviceLog", element("DeviceID", format_eui(SHARED_PPMID)), element("RequestType", "Remove"))
    assert bench.submit("8.11", body, to=device(1, "A2")).code == "I99"
    assert told(bench.run_until_idle()) == {"one": ["8.11 I0", "N24"], "two": ["N43"]}
    assert state_of(bench, SHARED_PPMID) == "CANCELLED"
    assert bench.world.engine.state.dsp.inventory[SHARED_PPMID].joined_to == ()
    assert not told(bench.advance(30 * DAY_MS)), "what the hub reports of it later is noted only"


# Races (ota.md section 13)


def test_a_supplier_that_lost_the_meter_leaves_an_image_that_the_new_one_may_activate(bench: Bench) -> None:
    verified(bench)
    mpan = bench.world.engine.state.dsp.inventory[ESME].import_mpxn
    bench.control("registration.put", mpxn=mpan, role="IS", party="supplier-two", from_ms=bench.now_ms + HOUR_MS)
    assert state_of(bench) == "VERIFIED"
    bench.advance(HOUR_MS)
    assert state_of(bench) == "ORPHANED"
    first, _ = bench.activate(ESME, hash_of(bench))
    assert first.code == "E4"
    bench.world.engine.premises.set_credential(ESME, RemotePartyRole.SUPPLIER, SUPPLIER_TWO, bench.now_ms)
    bench.activate(ESME, hash_of(bench), user=SUPPLIER_TWO)
    assert told(bench.run_until_idle()) == {"two": ["11.3 I0"]}
    assert (state_of(bench), smi(bench)) == ("ACTIVATED", "00010100")


def test_an_image_on_its_way_across_a_change_of_supplier_fails_at_the_new_one(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    mpan = bench.world.engine.state.dsp.inventory[ESME].import_mpxn
    bench.control("registration.put", mpxn=mpan, role="IS", party="supplier-two")
    bench.world.engine.premises.set_credential(ESME, RemotePartyRole.SUPPLIER, SUPPLIER_TWO, bench.now_ms)
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62"], "two": ["N62", "8F1C"]}
    assert state_of(bench) == "FAILED_VERIFY"


def test_two_images_travel_where_the_guard_is_off() -> None:
    bench = bench_with(in_progress_guard=False)
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    assert bench.distribute("11.1", "ESME", [ESME], version="00010200").code == "I99"
    bench.run_until_idle()
    jobs = bench.world.engine.context.lookup.jobs_of(ESME)
    assert [job.state for job in jobs] == ["VERIFIED", "FAILED_CSP"], "the later image takes the place of the first at the hub"
    bench.activate(ESME, hash_of(bench))
    bench.run_until_idle()
    assert bench.world.engine.context.lookup.jobs_of(ESME)[1].reason == "activation refused with code 2"


def test_a_suspended_meter_comes_back_by_new_firmware(bench: Bench) -> None:
    """Off the list: suspended, other services refused; distribution, activation and reading are the way back (duis.md 6.3)."""
    row = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": "00010000"}
    bench.control("cpl.put", status="Withdrawn", **row)
    bench.deliveries.clear()
    assert bench.submit("4.1.1", to=ESME).code == "E5"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}
    bench.activate(ESME, hash_of(bench))
    assert told(bench.run_until_idle()) == {"one": ["11.3 I0", "N29"]}
    assert bench.submit("4.1.1", to=ESME).code == "I99"


def test_suspension_in_the_middle_cancels_nothing(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.advance(1_000)
    bench.control("cpl.put", type="ESME", manufacturer="11E5", model="00020101", firmware_version="00010000", status="Expired")
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}
    assert state_of(bench) == "VERIFIED"


# What bad firmware does, and what hubs do with their own


def updated(bench: Bench, eui: int = ESME) -> dict[str, list[str]]:
    """The device is told to run its new firmware: what is heard of it."""
    verified(bench, eui)
    bench.activate(eui, hash_of(bench))
    return told([*bench.run_until_idle(), *bench.advance(DAY_MS)])


def test_f15_no_channel_before_the_time_is_up() -> None:
    bench = bench_with("csp", image_window_ms=HOUR_MS)
    rows = bench.world.engine.premises.rows
    rows.set_capacity("cellular/Central", 0)
    bench.distribute("11.1", "ESME", [ESME])
    assert not told(bench.advance(30 * MINUTE_MS))
    assert told(bench.run_until_idle()) == {"one": ["N61"]}
    assert state_of(bench) == "FAILED_CSP"


def test_f17_segments_that_are_lost_take_time(bench: Bench) -> None:
    north = device(1, "A0")
    fault(bench, "wan.loses_segments", device(1, "A2"), params={"permille": 900})
    bench.distribute("11.1", "ESME", [north])
    assert not told(bench.advance(5 * MINUTE_MS))
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}


def test_f24_blocks_that_are_lost_end_a_transfer(bench: Bench) -> None:
    fault(bench, "han.loses_blocks", ESME, params={"permille": 990})
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62"]}
    assert state_of(bench) == "FAILED_HAN"


def test_f28_an_image_that_the_device_refuses(bench: Bench) -> None:
    fault(bench, "device.refuses_image", ESME)
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62"]}


def test_f39_a_device_that_goes_back_by_itself(bench: Bench) -> None:
    fault(bench, "device.rolls_back", ESME, params={"after_ms": 2 * HOUR_MS})
    assert updated(bench) == {"one": ["11.3 I0"]}
    assert smi(bench) == "00010100"
    assert read_version(bench) == {"one": ["11.2 I0", "N49"]}


def test_f41_firmware_that_cuts_the_supply_off(bench: Bench) -> None:
    fault(bench, "device.supply_off", ESME)
    assert sorted(updated(bench)["one"]) == ["11.3 I0", "8F0F"]


def test_f41_firmware_that_cuts_the_supply_off_later(bench: Bench) -> None:
    fault(bench, "device.supply_off", ESME, params={"after_ms": 2 * HOUR_MS})
    assert updated(bench) == {"one": ["11.3 I0", "8F0F"]}
    answer, alert = bench.deliveries[-2:]
    assert 2 * HOUR_MS <= alert.at_ms - answer.at_ms + MINUTE_MS < 3 * HOUR_MS


def test_f41_firmware_that_finds_itself_damaged(bench: Bench) -> None:
    fault(bench, "device.self_check_fails", ESME)
    assert updated(bench) == {"one": ["11.3 I0", "8F1B"]}


def test_f41_firmware_that_reports_nothing_any_more(bench: Bench) -> None:
    fault(bench, "device.stops_reporting", ESME)
    assert updated(bench) == {"one": ["11.3 E21", "N13"]}
    assert read_version(bench) == {"one": ["11.2 E21", "N13"]}


@pytest.mark.parametrize(("kind", "heard", "version"), [("", ["N64"], "00010100"), ("hub.update_fails", [], "00010000")])
def test_a_hub_that_updates_itself_is_told_to_all_suppliers_at_the_premises(
    bench: Bench, kind: str, heard: list[str], version: str
) -> None:
    if kind:
        fault(bench, kind, device(1, "A2"))
    assert bench.world.engine.premises.update_hub(device(1, "A2"), 0x00010100, "4.3", HOUR_MS, bench.now_ms)
    expected = {"one": heard, "two": heard} if heard else {}
    assert told(bench.advance(2 * HOUR_MS)) == expected
    assert smi(bench, device(1, "A2")) == smi(bench, device(1, "A3")) == version
    assert read_version(bench, device(1, "A0")) == {"one": ["11.2 I0"]}, "its HAN is up again"


def test_how_long_firmware_takes_to_come_to_a_hub_follows_from_its_technology(bench: Bench) -> None:
    hubs = {device(number, "A2"): hours for number, hours in ((0, 6), (1, 72))}
    for hub in hubs:
        bench.control("hub.update", hub=format_eui(hub), version="00010100")
    came: dict[int, int] = {}
    for hour in range(1, 74):
        told(bench.advance(HOUR_MS))
        came |= {hub: hour - 1 for hub in hubs if hub not in came and smi(bench, hub) == "00010100"}
    assert came == hubs, "whole hours, and minutes for the restart"
    with pytest.raises(AssertionError, match="is not a hub"):
        bench.control("hub.update", hub=format_eui(ESME), version="00010100")


def test_f22_a_device_that_does_not_come_back_after_its_hub_restarted(bench: Bench) -> None:
    fault(bench, "han.drop_after_hub_restart", ESME)
    assert bench.world.engine.premises.update_hub(HUB, 0x00010100, "", HOUR_MS, bench.now_ms)
    bench.advance(2 * HOUR_MS)
    assert read_version(bench) == {"one": ["11.2 E21", "N13"]}


def test_a_hub_that_does_not_come_up_again(bench: Bench) -> None:
    fault(bench, "hub.bricks", HUB)
    assert bench.world.engine.premises.update_hub(HUB, 0x00010100, "", HOUR_MS, bench.now_ms)
    assert not told(bench.advance(2 * HOUR_MS))
    assert read_version(bench) == {"one": ["11.2 E20", "N12"]}
