"""What meters show to customers and keep from them: electricity, gas, and the gas proxy."""

from collections.abc import Mapping

import pytest

from emulator.domain.identifiers import Eui64
from emulator.premises.display import displayed
from tests.premises.homes import ESME, GPF, GSME, HOUR_MS, Heard, Rig


def ask(rig: Rig, variant: str, eui: Eui64, parameters: Mapping[str, object] | None = None) -> Heard:
    message = rig.send(variant, eui, parameters)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


def shown(rig: Rig, eui: Eui64) -> dict[str, str]:
    return displayed(rig.state.devices[eui])


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_a_message_is_shown(eui: Eui64) -> None:
    rig = Rig()
    assert shown(rig, eui) == {}
    assert ask(rig, "3.1", eui, {"SupplierMessage": "Reset"}).says["ok"]
    assert shown(rig, eui) == {"message": "Reset"}
    described = rig.premises.describe(eui, rig.now_ms)
    assert described is not None
    assert described["display"] == {"message": "Reset"}


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_the_supplier_is_named(eui: Eui64) -> None:
    rig = Rig()
    assert ask(rig, "3.4", eui, {"SupplierTelephoneNumber": "0333 202 4650", "SupplierName": "E-ON"}).says["ok"]
    assert shown(rig, eui) == {"supplier_telephone": "0333 202 4650", "supplier_name": "E-ON"}


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_the_privacy_pin_is_taken_away(eui: Eui64) -> None:
    rig = Rig()
    assert ask(rig, "3.5", eui).says["ok"]
    assert shown(rig, eui) == {"privacy_pin": ""}


@pytest.mark.parametrize("eui", [ESME, GPF])
def test_data_of_a_former_tenant_is_hidden(eui: Eui64) -> None:
    rig = Rig()
    assert ask(rig, "3.2", eui, {"RestrictionDateTime": "2025-03-27T15:45:32Z"}).says["ok"]
    assert shown(rig, eui) == {"hidden_before": "2025-03-27T15:45:32Z"}


@pytest.mark.parametrize("eui", [ESME, GSME])
def test_a_customer_is_identified_by_a_number(eui: Eui64) -> None:
    rig = Rig()
    assert ask(rig, "9.1", eui, {"customer_identification_number": "4711"}).says["ok"]
    assert shown(rig, eui) == {"identification_number": "4711"}


def test_a_meter_that_takes_nothing() -> None:
    rig = Rig()
    rig.faults.add("device.read_fails", GSME)
    assert not ask(rig, "3.4", GSME, {"SupplierTelephoneNumber": "1", "SupplierName": "E-ON"}).says["ok"]
    assert shown(rig, GSME) == {}
