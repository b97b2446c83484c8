"""A hub is replaced: notified, fitted, its logs restored (8.12), and the home goes on."""

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp.lookup import Lookup
from emulator.duis.messages import element
from emulator.world import restore_world
from tests.dsp.bench_world import HOUR_MS, SUPPLIER, SUPPLIER_TWO, Bench, bench_with, device, responses
from tests.dsp.telling import bodies, told

ESME, GSME, HUB, GPF, PPMID = (device(0, last) for last in ("A0", "A1", "A2", "A3", "A4"))
NEW_HUB, NEW_GPF = device(0, "B2"), device(0, "B3")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def notify(bench: Bench) -> None:
    old = bench.world.engine.state.dsp.inventory[HUB]
    body = element(
        "DevicePrenotification",
        element("DeviceID", format_eui(NEW_HUB)),
        element("DeviceManufacturer", old.manufacturer),
        element("DeviceModel", old.model),
        element("DeviceType", "CHF"),
        element("SMETSCHTSVersion", old.smets_version),
        element("FirmwareVersion", old.firmware_version),
        element("AssociatedGPFDeviceID", format_eui(NEW_GPF)),
    )
    assert bench.submit("12.2", body).code == "I99"


def fit(bench: Bench) -> None:
    notify(bench)
    bench.control("device.fit", device=format_eui(NEW_HUB), hub=format_eui(HUB))


def restore_hub(bench: Bench, old: int = HUB, to: int = NEW_HUB, user: int = SUPPLIER) -> str:
    body = element("RestoreHANDeviceLog", element("OldCHFID", format_eui(Eui64(old))))
    return bench.submit("8.12.1", body, to=to, user=user).code


def restore_gpf(bench: Bench, old: int = GPF, to: int = NEW_GPF) -> str:
    return bench.submit("8.12.2", element("RestoreGPFDeviceLog", element("OldGPFID", format_eui(Eui64(old)))), to=to).code


def read(bench: Bench, eui: int) -> list[str]:
    assert bench.submit("11.2", to=eui).code == "I99"
    return [answer.code for answer in responses(bench.run_until_idle())]


def test_a_replaced_hub_takes_over_its_home(bench: Bench) -> None:
    inventory = bench.world.engine.state.dsp.inventory
    fit(bench)
    assert (inventory[NEW_HUB].status, inventory[NEW_GPF].status) == ("Commissioned", "InstalledNotCommissioned")
    assert read(bench, ESME) == ["E20"], "the old hub is off"
    assert restore_hub(bench) == "I99"
    assert told(bench.run_until_idle()) == {"one": ["8.12.1 I0"]}
    assert {inventory[eui].hub for eui in (ESME, GSME, PPMID)} == {NEW_HUB}
    assert inventory[HUB].hub == HUB
    assert inventory[GPF].hub == HUB
    for eui in (ESME, GSME, PPMID):
        assert read(bench, eui) == ["I0"]
    assert restore_gpf(bench) == "I99"
    bench.run_until_idle()
    assert inventory[NEW_GPF].status == "Commissioned"
    assert GSME in inventory[NEW_GPF].joined_to
    assert not inventory[GPF].joined_to
    assert GPF not in inventory[GSME].joined_to
    assert Lookup(bench.world.engine.context.state).differences(bench.world.engine.context.lookup) == []


def test_the_other_supplier_of_the_home_is_told(bench: Bench) -> None:
    gas = bench.world.engine.state.dsp.inventory[GSME].import_mpxn
    bench.control("registration.put", mpxn=gas, role="GS", party="supplier-two", from_ms=0)
    fit(bench)
    restore_hub(bench)
    heard = told(bench.run_until_idle())
    assert heard == {"one": ["8.12.1 I0"], "two": ["N30"]}
    (body,) = bodies(bench.deliveries, "N30")
    named = [child.text for child in body.children[1]]
    assert named == [format_eui(eui) for eui in (HUB, NEW_HUB, GPF, NEW_GPF)]
    body = element("RestoreGPFDeviceLog", element("OldGPFID", format_eui(GPF)))
    assert bench.submit("8.12.2", body, to=NEW_GPF, user=SUPPLIER_TWO).code == "I99"
    assert "8.12.2 I0" in told(bench.run_until_idle())["two"]


@pytest.mark.parametrize(("allowed", "code", "heard"), [(True, "I99", {"one": ["8.12.2 I0"], "two": ["N31"]}), (False, "E4", {})])
def test_the_import_supplier_restores_the_log_of_a_gpf_and_does_nothing_else_there(
    allowed: bool, code: str, heard: dict[str, list[str]]
) -> None:
    bench = bench_with(gpf_log_by_import_supplier=allowed)
    gas = bench.world.engine.state.dsp.inventory[GSME].import_mpxn
    bench.control("registration.put", mpxn=gas, role="GS", party="supplier-two", from_ms=0)
    fit(bench)
    restore_hub(bench)
    bench.run_until_idle()
    read = element("RetrieveDeviceSecurityCredentialsKRP", element("RemotePartyRole", "Supplier"))
    assert bench.submit("6.24.1", read, to=NEW_GPF).code == "E4"
    assert restore_gpf(bench) == code
    assert told(bench.run_until_idle()) == heard


def test_a_device_without_power_stays_behind_until_it_is_listed_anew(bench: Bench) -> None:
    bench.control("device.power", device=format_eui(PPMID), on=False)
    fit(bench)
    restore_hub(bench)
    bench.run_until_idle()
    state = bench.world.engine.state.premises
    assert state.devices[PPMID].hub == HUB
    assert state.devices[ESME].hub == NEW_HUB
    assert {entry.device: entry.joined for entry in state.hubs[NEW_HUB].device_log}[PPMID] is False


def test_what_cannot_be_restored_is_refused(bench: Bench) -> None:
    fit(bench)
    assert restore_hub(bench, old=7) == "E081202"
    assert restore_hub(bench, old=ESME) == "E081202"
    assert restore_hub(bench, old=NEW_HUB) == "E081204"
    assert restore_gpf(bench) == "E4", "no meter of its supplier is on that hub yet"
    bench.world.engine.premises.remove_device(device(1, "A2"), bench.now_ms)
    assert restore_hub(bench, old=device(1, "A2")) == "E081205"


def test_a_gas_proxy_without_a_log_or_of_another_type_is_refused(bench: Bench) -> None:
    fit(bench)
    restore_hub(bench)
    bench.run_until_idle()
    assert restore_gpf(bench, old=HUB) == "E081221"
    assert restore_gpf(bench, old=NEW_GPF) == "E081222"
    bench.world.engine.state.premises.devices[GPF].joined_to.clear()
    assert restore_gpf(bench) == "E081223"


def test_the_copy_of_the_log_is_what_the_hub_reported_last(bench: Bench) -> None:
    remove = element("UpdateHANDeviceLog", element("DeviceID", format_eui(PPMID)), element("RequestType", "Remove"))
    assert bench.submit("8.11", remove, to=HUB).code == "I99"
    bench.run_until_idle()
    bench.advance(HOUR_MS)
    kept = bench.world.engine.state.dsp.device_logs[HUB]
    assert PPMID not in [eui for eui, _ in kept.devices]
    assert ESME in [eui for eui, _ in kept.devices]
    fit(bench)
    restore_hub(bench)
    bench.run_until_idle()
    assert bench.world.engine.state.premises.devices[PPMID].hub == HUB


def test_a_hub_is_fitted_once_and_its_gpf_never_by_itself(bench: Bench) -> None:
    fit(bench)
    for eui, why in ((NEW_HUB, "stands somewhere already"), (NEW_GPF, "not fitted by itself")):
        with pytest.raises(AssertionError, match=why):
            bench.control("device.fit", device=format_eui(eui), hub=format_eui(HUB))


def test_a_snapshot_in_between_changes_nothing() -> None:
    def run(interrupt: bool) -> str:
        bench = Bench()
        fit(bench)
        restore_hub(bench)
        if interrupt:
            bench.world = restore_world("default", bench.world.engine.snapshot())
        bench.run_until_idle()
        read(bench, ESME)
        return bench.world.engine.digest()

    assert run(False) == run(True)


def test_nothing_comes_along_to_a_hub_that_refuses_joins(bench: Bench) -> None:
    fit(bench)
    fault = bench.control("fault.add", kind="hub.refuses_joins", device=format_eui(NEW_HUB))["fault"]
    assert restore_hub(bench) == "I99"
    bench.run_until_idle()
    rows = bench.world.engine.premises.rows
    assert [rows.on_han(eui) and bench.world.engine.state.premises.devices[eui].hub == NEW_HUB for eui in (ESME, GSME)] == [
        False,
        False,
    ]
    shown = bench.world.views.fault(int(str(fault)))
    assert shown is not None
    assert shown["hits"] >= 2
