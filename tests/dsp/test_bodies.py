"""Bodies that do not fit their device are refused before a Command is made of them (reference duis/duis.md 3.4)."""

import pytest

from emulator.duis.messages import Element, element
from tests.dsp.bench_world import NETWORK_OPERATOR, SUPPLIER, Bench, device

ESME, GSME, HUB, GPF = (device(0, last) for last in ("A0", "A1", "A2", "A3"))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def prices(kind: str) -> Element:
    return element("PriceElements", element(f"{kind}PriceElements"))


def alerts(name: str) -> Element:
    return element("ConfigureAlertBehaviour", element(name))


def period(start: int, end: int) -> Element:
    return element(
        "ReadLogPeriod",
        element("StartDateTime", f"2026-01-{start:02}T00:00:00Z"),
        element("EndDateTime", f"2026-01-{end:02}T00:00:00Z"),
    )


def log(name: str) -> Element:
    return element("ReadEventOrSecurityLog", period(1, 2), element("LogToRead", name))


@pytest.mark.parametrize(
    ("srv", "body", "to", "code"),
    [
        ("1.1.1", element("UpdateImportTariffPrimaryElement", element("GasTariffElements"), prices("Gas")), ESME, "E010101"),
        (
            "1.1.1",
            element("UpdateImportTariffPrimaryElement", element("ElecTariffElements"), prices("Electricity")),
            GSME,
            "E010101",
        ),
        (
            "1.1.1",
            element("UpdateImportTariffPrimaryElement", element("GasTariffElements"), prices("Electricity")),
            GSME,
            "E010101",
        ),
        ("1.2.1", element("UpdatePricePrimaryElement", prices("Electricity")), GSME, "E010201"),
        ("2.1", element("UpdatePrepayConfiguration", element("UpdatePrepayConfigGas")), ESME, "E51"),
        ("2.3", element("UpdateDebt", element("ElecDebtRecovery1")), GSME, "E51"),
        ("3.3", element("ClearEventLog", element("ESMEEventLogType", "ALCS")), GSME, "E030301"),
        ("3.3", element("ClearEventLog"), ESME, "E030302"),
        ("3.3", element("ClearEventLog", element("ESMEEventLogType", "ALCS")), ESME, "I99"),
        ("3.3", element("ClearEventLog"), GSME, "I99"),
        ("3.3", element("ClearEventLog"), HUB, "E100"),
        (
            "6.8",
            element("UpdateDeviceConfigurationBillingCalendar", element("GasBillingCalendar")),
            ESME,
            "E060801",
        ),
        ("6.13", log("PowerEvent"), GSME, "E061301"),
        ("6.13", log("GSMEEvent"), ESME, "E061301"),
        ("6.13", log("ALCSEvent"), HUB, "E061301"),
        ("6.13", log("PowerEvent"), ESME, "I99"),
        ("6.13", log("GSMEEvent"), GPF, "I99"),
        ("6.20.1", element("SetDeviceConfigurationImportMPxN", element("ImportMPRN", "7400000001")), ESME, "E51"),
        ("4.17", element("RetrieveDailyConsumptionLog", period(4, 2)), ESME, "E041701"),
        ("4.17", element("RetrieveDailyConsumptionLog", period(4, 2)), GPF, "E041701"),
        ("4.17", element("RetrieveDailyConsumptionLog", period(2, 4)), GPF, "I99"),
        ("8.9", element("ReadDeviceLog", element("ReadSecurityDetails")), ESME, "E080901"),
        ("8.9", element("ReadDeviceLog", element("ReadSecurityDetails")), HUB, "I99"),
        ("6.22", alerts("GasSupplierAlertEventSettings"), ESME, "E062201"),
        ("6.22", alerts("ElectricitySupplierAlerts"), GSME, "E062201"),
    ],
)
def test_a_body_is_for_the_type_of_its_device(bench: Bench, srv: str, body: Element, to: int, code: str) -> None:
    variant = 4 if srv in ("1.1.1", "1.2.1", "2.1", "2.3", "6.8") else 1
    assert bench.submit(srv, body, to=to, variant=variant).code == code


@pytest.mark.parametrize("kind", ["Alerts", "LoggingSettings"])
def test_each_role_sets_its_own_alerts(bench: Bench, kind: str) -> None:
    """The network operator's go through the Access Control Broker when a supplier sends them, and no meter would refuse that."""
    assert bench.submit("6.22", alerts(f"ElectricityNetworkOperator{kind}"), to=ESME).code == "E062202"
    assert bench.submit("6.22", alerts(f"ElectricitySupplier{kind}"), to=ESME, user=NETWORK_OPERATOR).code == "E062202"
    assert bench.submit("6.22", alerts(f"ElectricityNetworkOperator{kind}"), to=ESME, user=NETWORK_OPERATOR).code == "I99"
    assert bench.submit("6.22", alerts(f"ElectricitySupplier{kind}"), to=ESME, user=SUPPLIER).code == "I99"
