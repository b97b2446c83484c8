"""The gate: order of the checks, their codes, and that nothing happens behind a refusal."""

from typing import Any

import pytest

from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import DeviceStatus, WebService
from emulator.duis.messages import Element, element
from tests.dsp.bench_world import AGENT, DAY_MS, NETWORK_OPERATOR, OTHER_USER, SUPPLIER, SUPPLIER_TWO, Bench, device

STRANGER = 0x90B3D51F30990000


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_request_id_is_used_once_and_transform_counts_apart(bench: Bench) -> None:
    esme = device(0, "A0")
    assert bench.submit("11.2", to=esme, counter=5).code == "I99"
    assert bench.submit("11.2", to=esme, counter=5).code == "E44"
    assert bench.submit("11.2", to=device(0, "A1"), counter=5).code == "I99"
    body = element("ActivateFirmware", element("FirmwareHash", "00" * 32))
    assert bench.submit("11.3", body, to=esme, variant=4, counter=6).code == "I0"
    assert bench.submit("11.3", body, to=esme, variant=4, counter=6).code == "E44"


def test_a_lower_counter_is_accepted_unless_strict(bench: Bench) -> None:
    esme = device(0, "A0")
    assert bench.submit("11.2", to=esme, counter=10).code == "I99"
    assert bench.submit("11.2", to=esme, counter=9).code == "I99"
    from emulator.world import create_world

    strict = Bench(create_world(strict_counter=True))
    assert strict.submit("11.2", to=esme, counter=10).code == "I99"
    assert strict.submit("11.2", to=esme, counter=9).code == "E45"


@pytest.mark.parametrize("service", [WebService.TRANSFORM, WebService.NON_DEVICE])
def test_each_command_variant_has_its_web_service(bench: Bench, service: WebService) -> None:
    assert bench.submit("11.2", to=device(0, "A0"), service=service).code == "E13"


def test_variant_reference_and_body_belong_together(bench: Bench) -> None:
    esme = device(0, "A0")
    assert bench.submit("11.2", element("ReadInventory"), to=esme).code == "E12"
    assert bench.submit("11.2", to=esme, reference="11.3").code == "E12"
    assert bench.submit("11.2", to=esme, variant=4, service=WebService.TRANSFORM).code == "E12"
    assert bench.submit("11.2", to=esme, variant=9, service=WebService.SEND_COMMAND).code == "E12"
    assert bench.submit("11.3", element("SignedPreCommand", element("GBCSPayload", "AA==")), to=esme, variant=4).code == "E12"
    assert bench.submit("8.2", element("ReadInventory", element("DeviceID", format_eui(esme))), to=esme).code == "E12"


@pytest.mark.parametrize(
    ("user", "srv", "target", "code"),
    [
        (STRANGER, "11.2", "A0", "E1"),
        (NETWORK_OPERATOR, "4.18", "A0", "E2"),
        (AGENT, "4.1.1", "A0", "E2"),
        (SUPPLIER, "7.16", "A0", "E2"),
        (SUPPLIER, "11.2", "AF", "E19"),
        (SUPPLIER, "6.28", "A0", "E11"),
        (SUPPLIER_TWO, "11.2", "A0", "E4"),
        (AGENT, "11.2", "A0", "E4"),
    ],
)
def test_authorisation_codes(bench: Bench, user: int, srv: str, target: str, code: str) -> None:
    variant = 4 if srv == "7.16" else 1
    assert bench.submit(srv, to=device(0, target), user=user, variant=variant).code == code
    assert not bench.world.engine.state.dsp.transactions


def test_a_suspended_user_is_refused(bench: Bench) -> None:
    bench.control("user.status", user=format_eui(SUPPLIER), active=False)
    assert bench.submit("11.2", to=device(0, "A0")).code == "E3"
    bench.control("user.status", user=format_eui(SUPPLIER), active=True)
    assert bench.submit("11.2", to=device(0, "A0")).code == "I99"


def test_other_users_are_not_held_against_registration(bench: Bench) -> None:
    assert bench.submit("11.2", to=device(0, "A0"), user=OTHER_USER).code == "I99"


def test_a_change_of_registration_changes_who_is_responsible_at_that_instant(bench: Bench) -> None:
    esme, from_ms = device(0, "A0"), bench.now_ms + DAY_MS
    mpan = bench.world.engine.state.dsp.inventory[esme].import_mpxn
    bench.control("registration.put", mpxn=mpan, role="IS", party="supplier-two", from_ms=from_ms)
    assert bench.submit("4.1.1", to=esme, user=SUPPLIER_TWO).code == "E4"
    bench.advance(DAY_MS - 1)
    assert bench.submit("4.1.1", to=esme, user=SUPPLIER_TWO).code == "E4"
    bench.advance(1)
    assert bench.submit("4.18", to=esme, user=SUPPLIER).code == "E4"
    assert bench.submit("11.2", to=esme, user=SUPPLIER_TWO).code == "I99"


def test_status_decides_what_a_device_takes(bench: Bench) -> None:
    esme = device(0, "A0")
    bench.control("cpl.put", type="ESME", manufacturer="11E5", model="00020101", firmware_version="00010000", status="Withdrawn")
    assert bench.submit("4.18", to=esme).code == "E5"
    assert bench.submit("11.2", to=esme).code == "I99"


def test_a_date_must_lie_within_the_window(bench: Bench) -> None:
    esme = device(0, "A0")

    def read_at(text: str) -> str:
        return bench.submit("11.2", element("ReadFirmwareVersion", element("ExecutionDateTime", text)), to=esme).code

    assert read_at("2026-01-05T07:59:59Z") == "E46"
    assert read_at("2026-02-10T08:00:00Z") == "E46"
    assert read_at("2026-01-06T08:00:00Z") == "I99"
    assert read_at("3000-12-31T00:00:00Z") == "I99"
    assert read_at("3000-12-31T00:00:00.00Z") == read_at("3000-12-31T01:00:00+01:00") == "I99"
    for text in ("3000-01-01T00:00:00Z", "3000-12-31T00:00:01Z", "9999-12-31T23:59:59Z"):
        assert read_at(text) == "E46", "one instant cancels, and no other"


def test_every_verdict_is_kept(bench: Bench) -> None:
    bench.submit("11.2", to=device(0, "A0"), user=SUPPLIER_TWO)
    entry = next(e for e in bench.journal if e.kind == "gate")
    checks = [v["check"] for v in entry.data["verdicts"]]
    assert checks[0] == "request_id_used"
    assert checks[-1] == "not_responsible"
    assert [v["passed"] for v in entry.data["verdicts"]] == [True] * (len(checks) - 1) + [False]


def test_of_several_mistakes_the_first_in_the_order_of_checks_is_told(bench: Bench) -> None:
    """Everything wrong at once, then mended from the front (duis.md 3.1): each step shows the next code."""
    esme, unknown = device(0, "A0"), device(0, "AF")
    users = bench.world.engine.state.dsp.users
    bench.submit("11.2", to=esme, counter=1)
    users[SUPPLIER_TWO].active = False
    body = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-01T00:00:00Z"))
    wrong = element("ReadInventory")

    def code(srv: str, said: Element, **how: Any) -> str:
        return bench.submit(srv, said, **how).code

    wrong_service = {"service": WebService.NON_DEVICE, "variant": 1}
    assert code("11.2", wrong, to=unknown, user=STRANGER, **wrong_service) == "E13"
    assert code("11.2", wrong, to=unknown, user=STRANGER, variant=1) == "E12"
    assert code("11.2", body, to=unknown, user=STRANGER, variant=1) == "E1"
    assert code("1.5", element("UpdateMeterBalance"), to=unknown, user=SUPPLIER_TWO, variant=4) == "E3"
    users[SUPPLIER_TWO].active = True
    assert code("4.6.2", element("RetrieveExportDailyReadLog"), to=unknown, user=SUPPLIER_TWO, variant=1) == "E2"
    assert code("11.2", body, to=unknown, user=SUPPLIER_TWO, variant=2) == "E19"
    assert code("11.2", body, to=device(0, "A3"), user=SUPPLIER_TWO, variant=2) == "E11"
    bench.world.engine.state.dsp.inventory[esme].status = DeviceStatus.DECOMMISSIONED
    assert code("11.2", body, to=esme, user=SUPPLIER_TWO, variant=2) == "E4"
    assert code("11.2", body, to=esme, variant=2) == "E5"
    bench.world.engine.state.dsp.inventory[esme].status = DeviceStatus.COMMISSIONED
    assert code("11.2", body, to=esme, variant=2) == "E17"
    assert code("11.2", body, to=esme, variant=1) == "E46"
    assert code("11.2", body, to=esme, variant=1, counter=1) == "E44", "a RequestID that was used comes before everything"
