"""Requests that are in order as documents and refused for what they ask: a DUIS code in a signed answer with HTTP 200."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.client.requests import (
    activate_firmware,
    decommission_device,
    delete_schedule,
    device_prenotification,
    hub_installed,
    read_firmware_version,
    read_import_registers,
    read_inventory,
    read_schedule,
    update_firmware,
)
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request
from emulator.estate.declaration import default_estate_toml
from tests.http.conftest import MakeSide
from tests.http.running import Emulator
from tests.http.side import (
    CHF,
    ESME,
    GSME,
    NETWORK_OPERATOR,
    NOBODY,
    SUPPLIER,
    SUPPLIER_TWO,
    Refused,
    Side,
    with_identity,
)

INVENTORY = read_inventory(SUPPLIER, ESME)
READ = read_firmware_version(SUPPLIER, ESME)
ACTIVATION = activate_firmware(SUPPLIER, ESME, bytes(32))
DAY_MS = 86_400_000


# who asks


async def test_unknown_originator(default: Side) -> None:
    """Nobody's EUI has a certificate, so nobody can sign for it."""
    request = default.xml(read_inventory(NOBODY, ESME))
    answer = await default.refuses(default.party().sign(request))
    assert answer.status == 403
    assert f"signed by {format_eui(SUPPLIER)} in the name of {format_eui(NOBODY)}" in answer.text


async def test_suspended_user(side: Side) -> None:
    await side.control.set_active(SUPPLIER, False)
    assert await side.refused(INVENTORY) == Refused("E3", "user_status: user supplier is suspended")
    await side.control.set_active(SUPPLIER, True)
    assert (await side.ask(INVENTORY)).code == "I0"


async def test_a_role_that_may_not_ask(side: Side) -> None:
    request = update_firmware(NETWORK_OPERATOR, b"image", "00010100", [ESME])
    refused = await side.refused(request)
    assert refused.code == "E2"
    assert refused.words.startswith("role_not_eligible: roles of the user (ED, GT) may not send 11.1; eligible: ")


async def test_a_supplier_of_others(side: Side) -> None:
    refused = await side.refused(read_firmware_version(SUPPLIER_TWO, ESME))
    assert refused.code == "E4"
    assert f"is not registered for {format_eui(ESME)}" in refused.words


# where and how it is asked


@pytest.mark.parametrize(
    ("given", "right"), [(INVENTORY, "D"), (READ, "S"), (ACTIVATION, "T")], ids=["Non-Device", "Send Command", "Transform"]
)
async def test_wrong_web_service(side: Side, given: Request, right: str) -> None:
    for service in {"S", "T", "D"} - {right}:
        refused = await side.refused(given, service)
        variant = given.command_variant
        words = f"web_service: Command Variant {variant} was posted to service{service}; it belongs to service{right}"
        assert refused == Refused("E13", words)


MISMATCHES = {
    "body of another variant": (
        replace(READ, body=INVENTORY.body),
        "S",
        "body ReadInventory does not go with variant 11.2, Command Variant 1; expected ReadFirmwareVersion",
    ),
    "body without its signature": (
        replace(ACTIVATION, command_variant=5),
        "S",
        "body ActivateFirmware does not go with variant 11.3, Command Variant 5; expected SignedPreCommand",
    ),
    "reference of another variant": (
        replace(READ, service_reference="8.2"),
        "S",
        "ServiceReference 8.2 does not go with variant 11.2; expected 11.2",
    ),
}


@pytest.mark.parametrize(("given", "service", "words"), MISMATCHES.values(), ids=MISMATCHES.keys())
async def test_variant_and_body_do_not_belong_together(side: Side, given: Request, service: str, words: str) -> None:
    assert await side.refused(given, service) == Refused("E12", f"service_consistency: {words}")


VARIANTS = {
    "9": (replace(INVENTORY, command_variant=9), "D", "Command Variant 9 cannot carry 8.2; expected one of 8"),
    "9 to a device": (replace(READ, command_variant=9), "S", "Command Variant 9 cannot carry 11.2; expected one of 1, 2, 3"),
    "critical sent at once": (replace(ACTIVATION, command_variant=1), "S", "cannot carry 11.3; expected one of 4, 5, 6, 7"),
    "transform of what is not critical": (replace(READ, command_variant=4), "T", "cannot carry 11.2; expected one of 1, 2, 3"),
    "DCC's own sent to a device": (replace(INVENTORY, command_variant=1), "S", "cannot carry 8.2; expected one of 8"),
    "DCC's own addressed to a device": (
        with_identity(INVENTORY, target=ESME),
        "D",
        f"8.2 is a request to the DCC, but the RequestID names {format_eui(ESME)}; expected {format_eui(ACCESS_CONTROL_BROKER)}",
    ),
}


@pytest.mark.parametrize(("given", "service", "words"), VARIANTS.values(), ids=VARIANTS.keys())
async def test_command_variants(side: Side, given: Request, service: str, words: str) -> None:
    refused = await side.refused(given, service)
    assert refused.code == "E12"
    assert refused.words.startswith("command_variant: ")
    assert words in refused.words


@pytest.mark.parametrize("variant", [0, 10, 999_999_999])
async def test_command_variants_that_the_schema_does_not_have(default: Side, variant: int) -> None:
    answer = await default.refuses(default.signed(replace(INVENTORY, command_variant=variant)))
    assert answer.status == 400
    assert f"CommandVariant has the value '{variant}'\nwhere: Request/Header/CommandVariant\nexpected: one of 1, 2" in answer.text


@pytest.mark.parametrize(("variant", "service"), [(2, "D"), (3, "S")])
async def test_local_delivery(side: Side, variant: int, service: str) -> None:
    request = read_firmware_version(NETWORK_OPERATOR, ESME)
    refused = await side.refused(replace(request, command_variant=variant), service)
    assert refused.code == "E17"
    assert refused.words.startswith("local_delivery: local delivery is for roles IS, GS, and ")


async def test_a_report_about_what_is_no_hub(side: Side) -> None:
    refused = await side.refused(hub_installed(SUPPLIER, ESME, "1200000000001"))
    assert refused.code == "E081401"
    assert "is no hub of the inventory" in refused.words


async def test_schedules_that_are_not_there(side: Side) -> None:
    assert await side.refused(read_schedule(SUPPLIER, schedule_id=7)) == Refused(
        "E050201", "schedule_unknown: there is no schedule 7"
    )
    assert (await side.ask(delete_schedule(SUPPLIER, device=ESME))).code == "W050301"
    assert await side.control.schedules(device=format_eui(ESME), user=format_eui(SUPPLIER)) == []


# RequestIDs


async def test_a_repeated_request_id(side: Side) -> None:
    request = side.stamped(INVENTORY)
    document = side.signed(request)
    assert (await side.ask(document)).code == "I0"
    words = f"request_id_used: RequestID {request.request_id} was used before at stage command"
    assert await side.refused(document) == Refused("E44", words)
    assert (await side.refused(replace(request, body=read_inventory(SUPPLIER, GSME).body))).code == "E44"
    assert (await side.refused(document, "S")).code == "E44"


async def test_a_request_id_in_another_case_is_the_same(side: Side) -> None:
    request = side.stamped(READ)
    assert (await side.ask(request)).code == "I99"
    lower = replace(request, request_id=replace(request.request_id, text=str(request.request_id).lower()))
    assert (await side.refused(lower)).code == "E44"


async def test_a_refused_givenhas_used_its_id(side: Side) -> None:
    request = side.stamped(with_identity(READ, target=NOBODY))
    assert (await side.refused(request)).code == "E19"
    assert (await side.refused(request)).code == "E44"


async def test_a_giventhat_was_refused_below_duis_has_not_used_its_id(side: Side) -> None:
    request = side.stamped(READ)
    assert (await side.refuses(side.xml(request), "S")).status == 403
    assert (await side.ask(request)).code == "I99"


async def test_the_same_counter_for_another_target_is_another_request(side: Side) -> None:
    first = side.stamped(READ)
    assert (await side.ask(first)).code == "I99"
    assert (await side.ask(with_identity(read_firmware_version(SUPPLIER, GSME), counter=first.request_id.counter))).code == "I99"


async def test_a_lower_counter_is_taken_by_default(side: Side) -> None:
    """Stock clients stamp milliseconds and overtake one another (wire_contract.md section 0 item 6)."""
    for counter in (2_000, 1_000, 1_500, 2**64 - 1, 1, 0):
        document = encode_request(with_identity(INVENTORY, counter=counter))
        assert (await side.ask(side.party().sign(document))).code == "I0"


async def test_a_counter_of_65_bits(default: Side) -> None:
    answer = await default.refuses(default.signed(with_identity(INVENTORY, counter=2**64)))
    assert answer.status == 400
    assert "where: Request/Header/RequestID\n" in answer.text


async def test_a_lower_counter_under_strict_counter(emulators: Callable[..., Emulator], sides: MakeSide) -> None:
    side = await sides(emulators(worlds__strict_counter="true"))
    assert (await side.ask(with_identity(INVENTORY, counter=2_000))).code == "I0"
    refused = await side.refused(with_identity(INVENTORY, counter=1_000))
    assert refused == Refused("E45", "counter_not_greater: counter 1000 is not above 2000")
    assert (await side.refused(with_identity(INVENTORY, counter=2_000))).code == "E44"
    assert (await side.ask(with_identity(READ, counter=1_000))).code == "I99", "each target counts for itself"
    assert (await side.ask(with_identity(INVENTORY, counter=2_001))).code == "I0"


async def test_strict_counter_of_one_world(emulator: Emulator, sides: MakeSide) -> None:
    estate = f"{default_estate_toml()}\n[settings.dsp]\nstrict_counter = true\n"
    side = await sides(emulator, "strict", estate=estate)
    assert (await side.ask(with_identity(INVENTORY, counter=2_000))).code == "I0"
    assert (await side.refused(with_identity(INVENTORY, counter=1_000))).code == "E45"


# devices


async def test_unknown_device(side: Side) -> None:
    refused = await side.refused(read_firmware_version(SUPPLIER, NOBODY))
    assert refused == Refused("E19", f"device_unknown: {format_eui(NOBODY)} is not in the inventory")


async def test_unknown_device_in_the_inventory(side: Side) -> None:
    assert (await side.refused(read_inventory(SUPPLIER, NOBODY))).code == "E080201"
    assert (await side.refused(read_inventory(SUPPLIER, mpxn="9999999999999"))).code == "E080201"
    assert (await side.refused(read_inventory(SUPPLIER, uprn=4_711))).code == "E080201"
    assert (await side.refused(read_inventory(SUPPLIER, post_code="ZZ1 1ZZ", address_identifier="1"))).code == "E080201"


async def test_wrong_device_type(side: Side) -> None:
    refused = await side.refused(activate_firmware(SUPPLIER, CHF, bytes(32)))
    assert refused.code == "E11"
    assert refused.words.startswith("device_type: 11.3 does not exist for a CHF; expected ")


async def test_a_party_is_no_device(side: Side) -> None:
    assert (await side.refused(read_firmware_version(SUPPLIER, SUPPLIER_TWO))).code == "E19"
    assert (await side.refused(read_firmware_version(SUPPLIER, ACCESS_CONTROL_BROKER))).code == "E19"


async def test_wrong_device_status(side: Side) -> None:
    assert (await side.ask(decommission_device(SUPPLIER, GSME))).code == "I99"
    refused = await side.refused(read_firmware_version(SUPPLIER, GSME))
    assert refused == Refused("E5", f"device_status: {format_eui(GSME)} is Decommissioned, which does not permit 11.2")


async def test_a_hub_that_is_only_notified(side: Side) -> None:
    details = {"manufacturer": "10C0", "model": "00010101", "smets_version": "CHTS V1.5", "firmware_version": "00010000"}
    hub = device_prenotification(SUPPLIER, NOBODY, DeviceType.CHF, gpf=Eui64(NOBODY + 1), **details)
    assert (await side.ask(hub)).code == "I99"
    refused = await side.refused(read_firmware_version(SUPPLIER, NOBODY))
    assert refused == Refused("E5", f"device_status: {format_eui(NOBODY)} is Pending, which does not permit 11.2")
    assert (await side.refused(hub)).code == "E120203"


# dates


@pytest.mark.parametrize("offset_ms", [-1, 0, 30 * DAY_MS + 1, 365 * DAY_MS], ids=["past", "now", "after 30 days", "next year"])
async def test_dates_out_of_the_window(side: Side, offset_ms: int) -> None:
    now_ms = (await side.control.clock())["now_ms"]
    refused = await side.refused(read_import_registers(SUPPLIER, ESME, at_ms=now_ms + offset_ms))
    assert refused.code == "E46"
    assert "is not within the next 30 days" in refused.words


async def test_a_date_before_the_year_1(side: Side) -> None:
    document = side.xml(read_import_registers(SUPPLIER, ESME, at_ms=1_800_000_000_000))
    document = document.replace(b"2027-01-15T", b"-0044-03-15T")
    refused = await side.refused(side.party().sign(document), "S")
    assert refused.code == "E46"
    assert "is not a date and time" in refused.words
