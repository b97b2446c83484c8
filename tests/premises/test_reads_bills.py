"""Bills that meters draw up on the dates of a calendar, and tell their supplier of."""

from emulator.domain.vocabulary import RemotePartyRole
from emulator.estate import snapshot
from emulator.gbcs.gbz import SERVER_TO_CLIENT, read_component
from emulator.gbcs.octets import Reader
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.times import read_duis
from emulator.premises import metering
from emulator.premises.actions.bills import LOGGED
from emulator.premises.load_shape import DAY_MS, GAS, IMPORT
from tests.premises.homes import (
    ESME,
    GSME,
    HOUR_MS,
    KA,
    MINUTE_MS,
    SUPPLIER,
    Rig,
    default_estate,
    key,
    with_device,
)

CALENDAR = {"ElectricityBillingCalendar": {"BillingTime": "12:00:00.00Z", "Monthly": "7"}}
GAS_CALENDAR = {"GasBillingCalendar": {"BillingPeriodStart": "2026-01-08T00:00:00Z", "Periodicity": "Daily"}}


def test_the_newest_entry_is_sent_for_the_supplier_s_eyes() -> None:
    for variant in ("A", "B"):
        rig = Rig(estate=with_device(default_estate(), ESME, esme_variant=variant))
        rig.send("6.8", ESME, dict(CALENDAR))
        rig.run(70 * DAY_MS)
        alerts = rig.alerts(LOGGED)
        dates = [read_duis(f"2026-0{month}-07T12:00:00Z") for month in (1, 2, 3)]
        assert [alert.says["time_ms"] for alert in alerts] == dates
        context, device = rig.premises._context, rig.state.devices[ESME]
        for alert, at_ms in zip(alerts, dates, strict=True):
            (entry,) = alert.says["billing_log"]
            assert entry["time"] == at_ms
            assert entry["active_import"] == metering.total(context, device, IMPORT, at_ms)
            assert ("secondary_active_import" in entry) is (variant == "B")
            assert read_result(alert.message)["encrypted"]
        rig.assert_all_authentic()
        assert [code for _, code in device.events].count(LOGGED) == 3


def test_gas() -> None:
    rig = Rig()
    rig.send("6.8", GSME, dict(GAS_CALENDAR))
    rig.run(5 * DAY_MS)
    alerts = rig.alerts(LOGGED)
    assert len(alerts) >= 2
    at_ms = alerts[0].says["time_ms"]
    says = read_result(alerts[0].message, ReaderKeys(key(SUPPLIER, KA), key(GSME, KA).public_key()))
    assert not says["encrypted"]
    consumption = metering.total(rig.premises._context, rig.state.devices[GSME], GAS, at_ms)
    assert consumption.to_bytes(6, "little").hex() in str(says["snapshot"]).lower()
    component = read_component(Reader(alerts[0].message.content[9:]))
    assert (component.cluster, component.command) == (0x0702, 0x06)
    assert component.frame_control & SERVER_TO_CLIENT
    rig.assert_all_authentic()


def test_a_new_calendar_takes_the_place_of_the_old() -> None:
    rig = Rig()
    rig.send("6.8", ESME, dict(CALENDAR))
    rig.run(HOUR_MS)
    later = {"ElectricityBillingCalendar": {"BillingTime": "06:00:00.00Z", "Monthly": "20"}}
    rig.send("6.8", ESME, later)
    rig.run(40 * DAY_MS)
    assert [alert.says["time_ms"] for alert in rig.alerts(LOGGED)] == [read_duis("2026-01-20T06:00:00Z")]
    message = rig.send(
        "4.4.3", ESME, {"ReadLogPeriod": {"StartDateTime": "2026-01-02T00:00:00Z", "EndDateTime": "2026-03-01T00:00:00Z"}}
    )
    rig.run(MINUTE_MS)
    (entry,) = rig.answers(message)[0].says["billing_log"]
    assert entry["time"] == read_duis("2026-01-20T06:00:00Z")
    device = rig.state.devices[ESME]
    assert snapshot.load(snapshot.dump(device)) == device


def test_a_meter_whose_supplier_is_gone_keeps_silent() -> None:
    rig = Rig()
    rig.send("6.8", ESME, dict(CALENDAR))
    rig.run(HOUR_MS)
    del rig.state.devices[ESME].credentials[RemotePartyRole.SUPPLIER]
    rig.run(5 * DAY_MS)
    assert not rig.alerts(LOGGED)
    assert any("nobody to send its bill to" in summary for *_, summary, _ in rig.journal)
