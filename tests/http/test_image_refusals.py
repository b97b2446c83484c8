"""Firmware that is not distributed: images that cannot be read, versions not on the list, devices that may not have it."""

import pytest

from emulator.domain.identifiers import Eui64, format_eui
from emulator.duis.messages import ServiceResponse
from emulator.estate.declaration import default_estate_toml
from tests.http.conftest import MakeSide
from tests.http.images import (
    broken_images,
    distribute,
    encoded,
    image,
    image_hash,
    product,
    with_field,
    with_image_text,
)
from tests.http.running import Emulator
from tests.http.side import CHF, ESME, GSME, HCALCS, NOBODY, PPMID, SUPPLIER_TWO, Refused, Side, device

NORTH_ESME, SOUTH_ESME = device(1, "A0"), device(2, "A0")


@pytest.mark.parametrize("name", broken_images(bytes(200)).keys())
async def test_images_that_cannot_be_read(side: Side, name: str) -> None:
    octets, words = broken_images(image(side, "ESME"))[name]
    refused = await side.refused(distribute(octets, [ESME]))
    assert refused.code == "E110105"
    assert refused.words.startswith("image_malformed: the OTA image cannot be read: ")
    assert words in refused.words


async def test_an_image_for_meters_without_its_trailer(side: Side) -> None:
    """The Manufacturer Image ends where the trailer should be, so what stands there is no trailer."""
    bare = image(side, "ESME")[:-66]
    refused = await side.refused(distribute(with_field(bare, 52, "I", len(bare)), [ESME]))
    assert refused.code == "E110105"
    assert "forceReplace" in refused.words or "signature length" in refused.words


async def test_broken_images_for_ppmids_have_codes_of_their_own(side: Side) -> None:
    octets = with_field(image(side, "PPMID"), 0, "I", 1)
    refused = await side.refused(distribute(octets, [PPMID], ppmid=True))
    assert (refused.code, "image_malformed" in refused.words) == ("E110405", True)
    changed = image(side, "PPMID")[:-1] + b"\x00"
    assert (await side.refused(distribute(changed, [PPMID], ppmid=True))).code == "E110403"
    assert (await side.refused(distribute(image(side, "PPMID"), [PPMID], "00099999", ppmid=True))).code == "E110402"
    assert (await side.refused(distribute(image(side, "PPMID"), [ESME], ppmid=True))).code == "E110401"


async def test_wrong_hash(side: Side) -> None:
    """Readable, signed, of a listed version, and not the Manufacturer Image that the list names."""
    octets = image(side, "ESME", content=b"something else")
    refused = await side.refused(distribute(octets, [ESME]))
    assert refused.code == "E110103"
    assert refused.words.startswith("image_hash_differs: the Manufacturer Image hashes to ")
    assert image_hash("ESME").hex() in refused.words


async def test_a_version_that_is_not_on_the_list(side: Side) -> None:
    refused = await side.refused(distribute(image(side, "ESME", header_version="00990000"), [ESME], "00990000"))
    words = "firmware_version_not_on_cpl: version 00990000 of manufacturer 11E5 is not on the Central Products List"
    assert refused == Refused("E110102", words)


async def test_a_version_of_another_manufacturer(side: Side) -> None:
    refused = await side.refused(distribute(with_field(image(side, "ESME"), 10, "H", 0x4711), [ESME]))
    assert refused.code == "E110102"
    assert "of manufacturer 4711 is not on" in refused.words


@pytest.mark.parametrize("status", ["Withdrawn", "Cancelled", "Expired"])
async def test_a_version_that_was_withdrawn(side: Side, status: str) -> None:
    row = product("ESME")
    listed = {"type": "ESME", "manufacturer": row.manufacturer, "model": row.model, "firmware_version": row.firmware_version}
    await side.control.put_firmware(**listed, status=status)
    refused = await side.refused(distribute(image(side, "ESME"), [ESME]))
    words = f"firmware_version_not_on_cpl: version 00010100 of manufacturer 11E5 is {status} on the Central Products List"
    assert refused == Refused("E110102", words)
    await side.control.put_firmware(**listed, status="Active")
    assert (await side.ask(distribute(image(side, "ESME"), [ESME]))).code == "I99"


@pytest.mark.parametrize(("agreement", "code"), [("off", "I99"), ("warn", "I99"), ("refuse", "E110105")])
async def test_versions_of_request_and_header(emulator: Emulator, sides: MakeSide, agreement: str, code: str) -> None:
    """The published sample disagrees with itself, so the default warns (ota.md 3.1)."""
    estate = f'{default_estate_toml()}\n[settings.dsp]\nversion_agreement = "{agreement}"\n'
    side = await sides(emulator, f"version-{agreement}", estate=estate)
    request = side.stamped(distribute(image(side, "ESME", header_version="00010199"), [ESME]))
    if code.startswith("E"):
        refused = await side.refused(request)
        words = "image_malformed: FirmwareVersion is 00010100, the file version in the OTA header is 00010199"
        assert refused == Refused(code, words)
    else:
        assert (await side.ask(request)).code == code
        warnings = await side.control.journal(request_id=str(request.request_id), kind="warning")
        assert bool(warnings) is (agreement == "warn")


async def test_base64_with_line_breaks_is_taken(side: Side) -> None:
    request = distribute(image(side, "ESME"), [ESME])
    lines = encoded(image(side, "ESME"))
    broken = "\n".join(lines[n : n + 76] for n in range(0, len(lines), 76))
    assert (await side.ask(with_image_text(request, broken))).code == "I99"


# devices


@pytest.mark.parametrize(
    ("devices", "code", "lists"),
    [
        ([NOBODY], "E110101", "InvalidDeviceIDList: 1"),
        ([SOUTH_ESME], "E110101", "InvalidDeviceIDList: 1"),
        ([CHF], "E110106", "InvalidDeviceIDList: 1"),
        ([PPMID, CHF], "E110106", "InvalidDeviceIDList: 2"),
        ([GSME], "E110101", "NotApplicableFirmwareDeviceIDList: 1"),
        ([GSME, HCALCS, SOUTH_ESME], "E110101", "NotApplicableFirmwareDeviceIDList: 2"),
    ],
    ids=["unknown", "another supplier's", "hub", "hub and PPMID", "another model", "several reasons"],
)
async def test_no_device_may_have_it(side: Side, devices: list[Eui64], code: str, lists: str) -> None:
    refused = await side.refused(distribute(image(side, "ESME"), devices))
    assert refused.code == code
    assert lists in refused.words


async def test_a_suspended_meter_may_have_it(side: Side) -> None:
    now = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": "00010000"}
    await side.control.put_firmware(**now, status="Withdrawn")
    assert (await side.control.device(ESME))["inventory"]["status"] == "Suspended"
    assert (await side.ask(distribute(image(side, "ESME"), [ESME]))).code == "I99", "new firmware is the way out of suspension"


def lists_of(answer: ServiceResponse) -> dict[str, list[str]]:
    assert answer.payload is not None
    return {entry.name: entry.text.split(",") for entry in answer.payload}


async def test_some_devices_may_have_it(side: Side) -> None:
    """A warning with the lists of those that may not; the others get it."""
    answer = await side.ask(distribute(image(side, "ESME"), [NOBODY, ESME, GSME, NORTH_ESME, SOUTH_ESME]))
    assert answer.code == "W110101"
    assert answer.payload is not None
    assert answer.payload.name == "DSPUpdateFirmwareWarning"
    assert lists_of(answer) == {
        "InvalidDeviceIDList": [format_eui(NOBODY), format_eui(SOUTH_ESME)],
        "NotApplicableFirmwareDeviceIDList": [format_eui(GSME)],
    }
    (request,) = await side.control.jobs()
    assert [job["device"] for job in request["jobs"]] == [format_eui(ESME), format_eui(NORTH_ESME)]


async def test_one_distribution_per_device_at_a_time(side: Side) -> None:
    await side.control.pause()
    assert (await side.ask(distribute(image(side, "ESME"), [ESME]))).code == "I99"
    refused = await side.refused(distribute(image(side, "ESME"), [ESME]))
    assert refused.code == "E110101"
    assert "OtherRequestInProgressList: 1" in refused.words
    answer = await side.ask(distribute(image(side, "ESME"), [NORTH_ESME, ESME]))
    assert (answer.code, lists_of(answer)) == ("W110101", {"OtherRequestInProgressList": [format_eui(ESME)]})


async def test_the_other_supplier_gets_nothing_onto_a_meter(side: Side) -> None:
    refused = await side.refused(distribute(image(side, "ESME"), [ESME], user=SUPPLIER_TWO))
    assert (refused.code, "InvalidDeviceIDList: 1" in refused.words) == ("E110101", True)
