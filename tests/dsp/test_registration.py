"""Who is responsible for which device, and who of a company is told (reference ota/access.md sections 3, 5 and 6)."""

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import UserRole
from emulator.dsp.registration import holders, responsible, responsible_suppliers
from emulator.duis.messages import element
from emulator.estate.declaration import default_estate_toml
from emulator.world import create_world
from tests.dsp.bench_world import (
    AGENT,
    DAY_MS,
    NETWORK_OPERATOR,
    OTHER_USER,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    bench_with,
    device,
)
from tests.dsp.telling import told

ESME, GSME, HUB, GPF, PPMID = (device(1, last) for last in ("A0", "A1", "A2", "A3", "A4"))
"""The second home: electricity by the first supplier, gas by the second."""
HCALCS = device(0, "A5")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def suppliers(bench: Bench, eui: int) -> list[Eui64]:
    context = bench.world.engine.context
    return responsible_suppliers(context, context.state.inventory[Eui64(eui)], bench.now_ms)


@pytest.mark.parametrize(
    ("eui", "expected"),
    [
        (ESME, [SUPPLIER]),
        (GSME, [SUPPLIER_TWO]),
        (HUB, [SUPPLIER, SUPPLIER_TWO]),
        (GPF, [SUPPLIER_TWO]),
        (PPMID, [SUPPLIER, SUPPLIER_TWO]),
        (HCALCS, [SUPPLIER]),
    ],
)
def test_responsible_suppliers_by_device_type(bench: Bench, eui: int, expected: list[Eui64]) -> None:
    assert suppliers(bench, eui) == expected


def test_a_gpf_stands_for_the_gas_meters_of_its_home(bench: Bench) -> None:
    bench.world.engine.state.dsp.inventory[PPMID].joined_to = (GPF,)
    assert suppliers(bench, PPMID) == [SUPPLIER_TWO]
    bench.world.engine.state.dsp.inventory[PPMID].joined_to = (GPF, ESME)
    assert suppliers(bench, PPMID) == [SUPPLIER, SUPPLIER_TWO]


def test_a_ppmid_joined_with_nothing_belongs_to_its_home(bench: Bench) -> None:
    bench.world.engine.state.dsp.inventory[PPMID].joined_to = ()
    assert suppliers(bench, PPMID) == [SUPPLIER, SUPPLIER_TWO]


@pytest.mark.parametrize(("setting", "expected"), [("esme", [SUPPLIER]), ("meters", [SUPPLIER, SUPPLIER_TWO])])
def test_through_which_meters_an_hcalcs_belongs_to_somebody_is_a_setting(setting: str, expected: list[Eui64]) -> None:
    bench = bench_with(hcalcs_responsible=setting)
    bench.control("registration.put", mpxn="7400000001", role="GS", party="supplier-two", from_ms=0)
    bench.world.engine.state.dsp.inventory[HCALCS].joined_to = (device(0, "A0"), device(0, "A1"))
    assert suppliers(bench, HCALCS) == expected


def test_a_hub_without_meters_is_open_to_the_supplier_that_installs_it_and_a_gpf_is_not(bench: Bench) -> None:
    context = bench.world.engine.context
    for eui in (ESME, GSME):
        context.lookup.drop_device(context.state.inventory[eui])
    for user, role, hub in (
        (SUPPLIER, UserRole.IS, True),
        (SUPPLIER_TWO, UserRole.GS, True),
        (NETWORK_OPERATOR, UserRole.ED, False),
    ):
        for eui, expected in ((HUB, hub), (GPF, False)):
            entry = context.state.inventory[eui]
            assert responsible(context, context.state.users[user], role, entry, bench.now_ms) is expected
    assert suppliers(bench, HUB) == []


def test_all_registered_parties_of_a_meter(bench: Bench) -> None:
    context = bench.world.engine.context

    def everybody() -> list[Eui64]:
        return holders(context, context.state.inventory[ESME], tuple(UserRole), bench.now_ms)

    assert everybody() == sorted({NETWORK_OPERATOR, SUPPLIER})
    bench.control("registration.put", mpxn="1300000001001", role="ES", party="supplier-two", from_ms=0)
    assert everybody() == sorted({NETWORK_OPERATOR, SUPPLIER}), "a company without a user in the role is told nothing"


def test_the_role_of_an_other_user_is_the_last_resort(bench: Bench) -> None:
    bench.world.engine.state.dsp.users[SUPPLIER].roles = (UserRole.OU, UserRole.IS, UserRole.GS)
    bench.submit("11.2", to=device(0, "A0"))
    bench.submit("11.2", to=GSME)
    roles = [transaction.role for transaction in bench.world.engine.state.dsp.transactions.values()]
    assert roles == [UserRole.IS, UserRole.OU]


SECOND_USER = """
[[parties]]
eui = "90-B3-D5-1F-30-01-00-01"
name = "supplier again"
party = "supplier-one"
roles = ["IS", "GS"]
remote_party_role = "supplier"
"""


def test_a_company_of_two_user_ids_is_told_at_both_and_not_of_itself() -> None:
    bench = Bench(create_world(estate_toml=default_estate_toml() + SECOND_USER))
    again = Eui64(SUPPLIER + 1)
    assert suppliers(bench, ESME) == [SUPPLIER, again]
    assert bench.distribute("11.4", "PPMID", [PPMID], user=again).code == "I99"
    bench.run_until_idle()
    heard: dict[Eui64, list[str]] = {}
    for delivery in bench.deliveries:
        heard.setdefault(delivery.recipient, []).append(getattr(delivery.message, "alert_code", ""))
    # The requester hears of the delivery, the other company of the request, all three of what hub and PPMID report.
    assert heard == {again: ["N60", "N62", "N39"], SUPPLIER: ["N62", "N39"], SUPPLIER_TWO: ["N59", "N62", "N39"]}


@pytest.mark.parametrize(
    ("eui", "expected"),
    [
        (ESME, {"network": ["N1"]}),
        (GSME, {"one": [], "network": ["N1"]}),
        (PPMID, {}),
    ],
)
def test_who_hears_of_a_decommissioned_device(bench: Bench, eui: int, expected: dict[str, list[str]]) -> None:
    user = SUPPLIER_TWO if eui == GSME else SUPPLIER
    assert bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(eui))), user=user).code == "I99"
    assert told(bench.deliveries) == {user: heard for user, heard in expected.items() if heard}


def test_every_supplier_on_a_hub_hears_that_it_is_decommissioned(bench: Bench) -> None:
    hub = device(1, "A2")
    for meter, user in ((device(1, "A0"), SUPPLIER), (device(1, "A1"), SUPPLIER_TWO), (hub, SUPPLIER)):
        bench.deliveries.clear()
        assert bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(meter))), user=user).code == "I99"
    assert told(bench.deliveries) == {"one": ["N8"], "two": ["N8"]}


def test_the_export_supplier_hears_of_a_decommissioned_meter(bench: Bench) -> None:
    bench.world.engine.state.dsp.users[SUPPLIER_TWO].roles += (UserRole.ES,)
    bench.control("registration.put", mpxn="1300000001001", role="ES", party="supplier-two")
    bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(ESME))))
    assert told(bench.deliveries) == {"network": ["N1"], "two": ["N1"]}


def test_checks_of_responsibility_can_be_switched_off() -> None:
    bench = bench_with(check_responsibility=False)
    assert bench.submit("11.2", to=ESME, user=SUPPLIER_TWO).code == "I99"
    assert bench.submit("11.2", to=ESME, user=AGENT).code == "I99"
    assert bench.distribute("11.1", "ESME", [ESME], user=SUPPLIER_TWO, signer=SUPPLIER).code == "I99"
    assert bench.distribute("11.1", "ESME", [ESME], user=OTHER_USER).code == "E2", "roles are checked all the same"


def test_the_date_in_a_signed_pre_command_entitles_nobody(bench: Bench) -> None:
    """Only the date that was transformed counts; a date of one's own choice in the envelope must not."""
    body = element("ActivateFirmware", element("FirmwareHash", "00" * 32))
    assert bench.submit("11.3", body, to=ESME, variant=4).code == "I0"
    counter = bench.counter
    bench.control("registration.put", mpxn="1200000001001", role="IS", party="supplier-two", from_ms=bench.now_ms + DAY_MS)
    bench.advance(DAY_MS - 1)
    signed = element("SignedPreCommand", element("ExecutionDateTime", "2026-01-05T09:00:00Z"), element("GBCSPayload", "AA=="))
    bench.advance(1)
    assert bench.submit("11.3", signed, to=ESME, variant=5, counter=counter).code == "E4"
    late = element("ActivateFirmware", element("ExecutionDateTime", "2026-01-08T00:00:00Z"), element("FirmwareHash", "00" * 32))
    assert bench.submit("11.3", late, to=ESME, variant=4, user=SUPPLIER_TWO).code == "I0"


PENDING_FROM_MS = DAY_MS
"""How long the second supplier of the tests below has to wait for the device."""


def pending(setting: str) -> Bench:
    bench = bench_with(pending_supplier_firmware=setting)
    from_ms = bench.now_ms + PENDING_FROM_MS
    bench.control("registration.put", mpxn="1200000001001", role="IS", party="supplier-two", from_ms=from_ms)
    return bench


def test_a_pending_supplier_asks_ahead_for_no_firmware_service(bench: Bench) -> None:
    assert bench.world.engine.context.settings.pending_supplier_firmware == "refuse", "the default"
    bench = pending("refuse")
    read = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-08T08:00:00Z"))
    activate = element(
        "ActivateFirmware", element("ExecutionDateTime", "2026-01-08T08:00:00Z"), element("FirmwareHash", "00" * 32)
    )
    assert bench.submit("11.2", read, to=ESME, user=SUPPLIER_TWO).code == "E4"
    assert bench.submit("11.3", activate, to=ESME, variant=4, user=SUPPLIER_TWO).code == "E4"
    assert bench.submit("11.3", activate, to=ESME, variant=4).code == "E4", "who loses the device before the date"
    bench.advance(PENDING_FROM_MS)
    assert bench.submit("11.2", read, to=ESME, user=SUPPLIER_TWO).code == "I99"
    assert bench.submit("11.3", activate, to=ESME, variant=4, user=SUPPLIER_TWO).code == "I0"


def test_who_will_be_responsible_at_the_date_may_ask_ahead() -> None:
    bench = pending("at_date")
    dated = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-08T08:00:00Z"))
    assert bench.submit("11.2", dated, to=ESME, user=SUPPLIER_TWO).code == "I99"
    assert bench.submit("11.2", to=ESME, user=SUPPLIER_TWO).code == "E4"
    assert told(bench.advance(4 * DAY_MS)) == {"two": ["11.2 I0"]}


@pytest.mark.parametrize("setting", ["refuse", "at_date"])
def test_other_dated_services_go_by_their_date_alone(setting: str) -> None:
    bench, row = pending(setting), service_reference_variants()["4.1.1"]
    dated = element(row.body_element, element("ExecutionDateTime", "2026-01-08T08:00:00Z"))
    assert bench.submit(row.srv, dated, to=ESME, user=SUPPLIER_TWO, variant=1).code == "I99"
    assert bench.submit(row.srv, to=ESME, user=SUPPLIER_TWO, variant=1).code == "E4"
