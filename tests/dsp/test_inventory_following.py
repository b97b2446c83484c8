"""What the inventory follows after an activation, and whether a Suspended device may be read."""

import hashlib

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus
from emulator.duis.messages import element
from emulator.estate.declaration import generated_manufacturer_image
from tests.dsp.bench_world import DAY_MS, HOUR_MS, Bench, bench_with, device
from tests.dsp.telling import bodies, told

ESME, PPMID = device(0, "A0"), device(0, "A4")


def smi(bench: Bench, eui: int) -> str:
    return bench.world.engine.state.dsp.inventory[Eui64(eui)].firmware_version


def activated(bench: Bench, at: str | None = None) -> str:
    """What the inventory shows of a meter that activated an image."""
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    bench.run_until_idle()
    row = next(e for e in bench.world.estate.cpl if e.device_type == "ESME" and e.firmware_version == "00010100")
    image = generated_manufacturer_image(row.manufacturer, row.model, "00010100", row.image_bytes)
    bench.activate(ESME, hashlib.sha256(image).digest(), at=at)
    bench.advance(4 * DAY_MS)
    assert bench.world.engine.premises.rows.running_version(ESME) == 0x00010100
    return smi(bench, ESME)


@pytest.mark.parametrize(("followed", "at_once", "dated"), [("response", 1, 1), ("alert", 0, 1), ("112_only", 0, 0)])
def test_the_inventory_follows_what_the_setting_says(followed: str, at_once: int, dated: int) -> None:
    versions = ("00010000", "00010100")
    immediate = bench_with(smi_update_on=followed)
    assert activated(immediate) == versions[at_once]
    assert immediate.world.views.device(ESME)["job"]["state"] == "ACTIVATED"  # type: ignore[index]
    assert activated(bench_with(smi_update_on=followed), "2026-01-08T02:00:00Z") == versions[dated]
    by_alert = bench_with(smi_update_on=followed)
    assert by_alert.distribute("11.4", "PPMID", [PPMID]).code == "I99"
    by_alert.run_until_idle()
    assert smi(by_alert, PPMID) == versions[dated]
    assert immediate.submit("11.2", to=ESME).code == "I99"
    immediate.run_until_idle()
    assert smi(immediate, ESME) == "00010100"


def test_the_version_of_a_suspended_device_is_read_unless_the_setting_forbids_it() -> None:
    row = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": "00010000", "status": "Withdrawn"}
    usual, strict = Bench(), bench_with(allow_112_suspended=False)
    for bench, code in ((usual, "I99"), (strict, "E5")):
        bench.control("cpl.put", **row)
        assert bench.submit("11.2", to=ESME).code == code
        assert bench.submit("8.9", to=device(0, "A2")).code == "I99", "the hub is in service"


def test_a_suspended_hub_is_back_in_service_with_firmware_that_is_listed() -> None:
    bench, hub, gpf = Bench(), device(0, "A2"), device(0, "A3")
    for version, status, heard, after in (
        ("00010100", "Active", ["N64"], DeviceStatus.COMMISSIONED),
        ("00010200", "Withdrawn", ["N64", "N28", "N28"], DeviceStatus.SUSPENDED),
        ("00010300", "Active", ["N64", "N29", "N29"], DeviceStatus.COMMISSIONED),
        ("00010400", "", ["N64"], DeviceStatus.COMMISSIONED),  # not listed: the inventory takes the word of the CSP
    ):
        for kind in ("CHF", "GPF") if status else ():
            row = {"type": kind, "manufacturer": "10C0", "model": "00010101", "firmware_version": version, "status": status}
            bench.control("cpl.put", **row)
        assert bench.world.engine.premises.update_hub(hub, int(version, 16), "4.3", HOUR_MS, bench.now_ms)
        assert told(bench.advance(2 * HOUR_MS)) == {"one": heard}
        assert [smi(bench, function) for function in (hub, gpf)] == [version] * 2
        assert [bench.world.engine.state.dsp.inventory[function].status for function in (hub, gpf)] == [after] * 2


def test_a_receipt_after_decommissioning_is_dropped_as_unsolicited() -> None:
    bench = Bench()
    bench.control("fault.add", kind="device.message_late", device=format_eui(ESME), params={"delay_ms": DAY_MS})
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    bench.advance(DAY_MS // 2)
    assert bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(ESME)))).code == "I99"
    assert bench.world.views.device(ESME)["job"]["state"] == "CANCELLED"  # type: ignore[index]
    assert "8F72" not in told(bench.advance(2 * DAY_MS)).get("one", [])
    assert any("unsolicited" in entry.summary for entry in bench.journal if entry.kind == "dropped" and entry.device == ESME)


@pytest.mark.parametrize(("told_of", "joined", "other"), [("joined", 1, 0), ("any", 1, 1), ("off", 0, 0)])
def test_who_has_to_do_with_a_meter_hears_that_it_speaks_another_version(told_of: str, joined: int, other: int) -> None:
    """The ESME of one home is joined with an HCALCS, that of the other is not (N58)."""
    bench = bench_with(load_control_alert=told_of, mismatch_alert="off")
    for eui, count in ((ESME, joined), (device(1, "A0"), other)):
        bench.deliveries.clear()
        entry = bench.world.engine.state.dsp.inventory[eui]
        row = {"type": "ESME", "manufacturer": entry.manufacturer, "model": entry.model, "firmware_version": "00010700"}
        bench.control("cpl.put", **row, gbcs_version="4.3")
        bench.world.engine.premises.side_channel(eui, 0x00010700, bench.now_ms)
        assert bench.submit("11.2", to=eui).code == "I99"
        heard = told(bench.run_until_idle())
        assert heard == {"one": ["11.2 I0"] + ["N58"] * count, **({"network": ["N58"]} if count else {})}
        for body in bodies(bench.deliveries, "N58"):
            assert (body.value("ESMEDeviceID"), body.value("DeviceGBCSVersion")) == (format_eui(eui), "4.3")
            assert body.value("ESMEVariant") is None


def test_another_variant_of_a_meter_is_told_alike() -> None:
    bench = bench_with(load_control_alert="any")
    bench.world.engine.state.dsp.inventory[ESME].status = DeviceStatus.INSTALLED_NOT_COMMISSIONED
    for variant in ("B", "B"):
        details = element("UpdateDeviceDetails", element("ESMEVariant", variant))
        assert bench.submit("8.4", element("UpdateInventory", element("DeviceID", format_eui(ESME)), details)).code == "I99"
    assert told(bench.deliveries) == {"one": ["N58"], "network": ["N58"]}, "once, for the second changed nothing"
    (first, _) = bodies(bench.deliveries, "N58")
    assert (first.value("ESMEVariant"), first.value("DeviceGBCSVersion")) == ("B", None)
