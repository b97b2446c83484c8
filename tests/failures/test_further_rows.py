"""Rows of the failure catalogue (reference ota/ota.md section 12) beside those of tests/dsp/test_failure_catalogue.py."""

import pytest

from emulator.domain.identifiers import format_eui
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import element
from emulator.estate.declaration import default_estate_toml
from emulator.world import create_world
from tests.dsp.bench_world import AGENT, DAY_MS, HOUR_MS, MINUTE_MS, NETWORK_OPERATOR, Bench, bench_with, device
from tests.dsp.telling import bodies, told
from tests.dsp.test_failure_catalogue import ESME, GSME, HUB, fault, hash_of, smi, state_of, verified

ORDER = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": "00010200"}


@pytest.mark.parametrize("user", [AGENT, NETWORK_OPERATOR])
@pytest.mark.parametrize(("srv", "kind", "last"), [("11.1", "ESME", "A0"), ("11.4", "PPMID", "A4")])
def test_f01_a_role_without_the_right(user: int, srv: str, kind: str, last: str) -> None:
    bench = Bench()
    assert bench.distribute(srv, kind, [device(0, last)], user=user).code == "E2"
    assert not bench.world.engine.state.dsp.jobs
    assert not told(bench.advance(DAY_MS))


def test_f25_a_gas_meter_takes_its_image_over_many_wakes() -> None:
    """A mains device on the same HAN has a larger image within the hour."""
    bench = bench_with("han", gsme_blocks_per_wake=40)
    assert bench.distribute("11.1", "GSME", [GSME]).code == "I99"
    fresh = bench.advance(0)
    while "N60" not in told(fresh).get("one", ()):
        fresh = bench.advance(MINUTE_MS)
    at_hub_ms = bench.now_ms
    assert not bench.advance(4 * HOUR_MS), "it has been awake eight times, and nobody hears anything"
    assert state_of(bench, GSME) == "AT_CH"
    assert told(bench.run_until_idle()) == {"one": ["N62", "8F72"]}
    blocks = -(-next(e.image_bytes or 0 for e in bench.world.estate.cpl if e.device_type == "GSME" and e.image_bytes) // 50)
    wakes = blocks // 40
    assert bench.now_ms - at_hub_ms > wakes * 30 * MINUTE_MS


def test_f25_no_sub_ghz_scan_begins_while_a_gas_meter_loads() -> None:
    text = default_estate_toml().replace('name = "central"\n', 'name = "central"\nhub_variant = "dual-band"\n', 1)
    bench = Bench(create_world(estate_toml=f"{text}\n[settings.han]\ngsme_blocks_per_wake = 40\n"))
    scan = element("RequestCHFSubGHzChannelScan")

    def asked() -> list[tuple[str | None, ...]]:
        assert bench.submit("6.29", scan, to=HUB).code == "I99"
        fresh = bench.advance(HOUR_MS)
        assert "6.29 I0" in told(fresh)["one"]
        outcome = "SubGHzChannelScanRequestAssessmentOutcome"
        found = [body for body in bodies(fresh, "N54") if body.find(outcome)]
        return [(body.value("DeviceAlertCode"), body.value(outcome, "StatusCode")) for body in found]

    assert asked() == [("8F28", "ScanRequestAccepted")]
    assert bench.distribute("11.1", "GSME", [GSME]).code == "I99"
    bench.advance(4 * HOUR_MS)
    assert state_of(bench, GSME) == "AT_CH"
    assert asked() == [("8F28", "GSMEOTADistributionUnderway")]
    bench.run_until_idle()
    assert asked() == [("8F28", "ScanRequestAccepted")]


def test_f27_an_alternative_han_is_slower_and_tells_nobody() -> None:
    took = {}
    for alternative in (False, True):
        text = default_estate_toml()
        if alternative:
            text = text.replace('name = "central"\n', 'name = "central"\nalt_han = true\n', 1)
        bench = Bench(create_world(estate_toml=text))
        bench.distribute("11.1", "ESME", [ESME])
        assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}
        took[alternative] = bench.now_ms
    assert took[True] > took[False]


def test_f27_blocks_that_an_extender_loses_end_a_transfer() -> None:
    text = default_estate_toml().replace('name = "central"\n', 'name = "central"\nalt_han = true\n', 1)
    bench = Bench(create_world(estate_toml=text))
    fault(bench, "han.loses_blocks", ESME, params={"permille": 990})
    bench.distribute("11.1", "ESME", [ESME])
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62"]}
    assert state_of(bench) == "FAILED_HAN"


@pytest.mark.parametrize("verb", ["quarantine.release", "quarantine.delete"])
def test_f40_what_anomaly_detection_keeps_back_is_told_to_its_sender(verb: str) -> None:
    bench = Bench()
    bench.control("anomaly.threshold", variant="11.1", devices=1)
    assert bench.distribute("11.1", "ESME", [ESME, device(1, "A0")]).code == "I99"
    heard = told(bench.deliveries)
    assert list(heard) == ["one"]
    assert len(heard["one"]) == 1
    assert not bench.world.engine.state.dsp.jobs
    assert not bench.advance(DAY_MS)
    bench.control(verb, reference=1)
    after = told(bench.run_until_idle())
    if verb == "quarantine.release":
        assert sorted(after["one"]) == ["8F72", "8F72", "N60", "N60", "N62", "N62"]
    else:
        assert not bench.world.engine.state.dsp.jobs


def test_f45_a_version_left_out_is_refused_for_the_meters_that_cannot_reach_it() -> None:
    bench = Bench()
    bench.control("upgrade_path.put", **ORDER, from_versions=["00010100"])
    assert bench.distribute("11.1", "ESME", [ESME], "00010200").code == "E110101"
    assert not told(bench.advance(DAY_MS))
    bench.world.engine.state.dsp.inventory[device(1, "A0")].firmware_version = "00010100"
    answer = bench.distribute("11.1", "ESME", [ESME, device(1, "A0")], "00010200")
    assert answer.code == "W110101"
    assert answer.payload is not None
    assert answer.payload.value("NotApplicableFirmwareDeviceIDList") == format_eui(ESME)


def test_f45_where_nobody_keeps_the_order_the_device_answers_with_code_3() -> None:
    bench = bench_with(upgrade_order="warn")
    bench.control("upgrade_path.put", **ORDER, from_versions=["00010100"])
    fault(bench, "device.activation_fails", who={"firmware_version": "00010000"})
    assert bench.distribute("11.1", "ESME", [ESME], "00010200").code == "I99"
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}
    (request,) = bench.world.engine.state.dsp.firmware_requests.values()
    bench.activate(ESME, bytes.fromhex(request.image_hash))
    assert told(bench.run_until_idle()) == {"one": ["11.3 I0"]}
    described = bench.world.views.device(ESME)
    assert described is not None
    assert described["job"]["reason"] == "activation refused with code 3"
    assert (state_of(bench), smi(bench)) == ("VERIFIED", "00010000")


def test_f36_an_activation_that_is_taken_back_does_not_happen() -> None:
    bench = Bench()
    verified(bench)
    bench.activate(ESME, hash_of(bench), at="2026-01-10T02:00:00Z")
    assert told(bench.run_until_idle(HOUR_MS)) == {"one": ["11.3 I0"]}
    bench.activate(ESME, hash_of(bench), at="3000-12-31T00:00:00.00Z")
    heard = told(bench.advance(HOUR_MS))
    assert set(heard) == {"one"}
    later = told(bench.advance(20 * DAY_MS))
    assert "11.3 8F66" not in later.get("one", [])
    assert smi(bench) == "00010000"


@pytest.mark.parametrize(("minutes", "heard"), [(2, {}), (4, {"network": ["AD1"], "one": ["AD1"]})])
def test_a_hub_without_power_for_minutes_is_told_to_import_supplier_and_network_operator(
    minutes: int, heard: dict[str, list[str]]
) -> None:
    bench, hub = Bench(), device(0, "A2")
    since_ms = bench.now_ms
    bench.control("device.power", device=format_eui(hub), on=False)
    fresh = bench.advance(minutes * MINUTE_MS)
    bench.control("device.power", device=format_eui(hub), on=True)
    assert told(fresh) == heard
    assert not bench.advance(HOUR_MS), "nobody says that it is over"
    for body in bodies(fresh, "AD1"):
        assert body.value("CommsHubDeviceID") == format_eui(hub)
        assert body.value("StartDateTime") == format_datetime(since_ms)
        assert body.value("MPxN") == bench.world.engine.state.dsp.inventory[ESME].import_mpxn


def test_an_outage_begins_anew_when_power_was_back_in_between() -> None:
    bench, hub = Bench(), format_eui(device(0, "A2"))
    for on in (False, True, False):
        bench.control("device.power", device=hub, on=on)
        fresh = bench.advance(2 * MINUTE_MS)
    assert not told(fresh)
    assert told(bench.advance(2 * MINUTE_MS)) == {"network": ["AD1"], "one": ["AD1"]}
