"""The largest request that DUIS knows: an image of 10,240,000 octets for 50,000 devices, beside small requests."""

import asyncio
import hashlib

import pytest

from emulator.client.requests import read_inventory
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.limits import MAX_DEVICES_PER_REQUEST, MAX_FIRMWARE_IMAGE_BYTES
from emulator.duis.messages import Request
from tests.http.images import distribute, encoded, image, with_image_text
from tests.http.side import ESME, SUPPLIER, Side

OVERHEAD_BYTES = 60 + 66
"""OTA header with hardware versions, and the GB trailer."""
NEW = "00020000"


def pattern(size: int) -> bytes:
    """Content that does not compress."""
    return hashlib.shake_256(b"large image").digest(size)


async def largest(side: Side, *, lines: bool = False) -> Request:
    """The largest 11.1, of a version that the list has; ``lines`` breaks its base64."""
    octets = image(side, "ESME", header_version=NEW, content=pattern(MAX_FIRMWARE_IMAGE_BYTES - OVERHEAD_BYTES))
    assert len(octets) == MAX_FIRMWARE_IMAGE_BYTES
    digest = hashlib.sha256(octets[60:-66]).hexdigest()
    await side.control.put_firmware(type="ESME", manufacturer="11E5", model="00020101", firmware_version=NEW, image_hash=digest)
    others = [Eui64(0x1122_0000_0000_0000 + number) for number in range(MAX_DEVICES_PER_REQUEST - 1)]
    request = distribute(octets, [*others, ESME], NEW)
    if lines:
        text = encoded(octets)
        request = with_image_text(request, "\n".join(text[at : at + 76] for at in range(0, len(text), 76)))
    return request


@pytest.mark.verify
@pytest.mark.parametrize("lines", [False, True], ids=["one line of base64", "lines of 76"])
async def test_the_largest_request(side: Side, lines: bool) -> None:
    """It is answered, and small ones beside it meanwhile (`make bench ONLY=ota` says how soon)."""
    request = side.stamped(await largest(side, lines=lines))
    document = await asyncio.to_thread(side.signed, request)
    assert 14_800_000 < len(document) < 16 * 1024 * 1024
    small = [side.signed(read_inventory(SUPPLIER, ESME)) for _ in range(400)]
    count = 0
    large = asyncio.create_task(side.post(document))
    while not large.done() and small:
        assert (await side.post(small.pop())).status == 200
        count += 1
        await asyncio.sleep(0.005)
    answer = await large
    assert answer.status == 200, answer.text
    message = side.reader.read(answer.body)
    assert message.code == "W110101"  # type: ignore[union-attr]
    assert answer.body.count(b"11-22-00-00-") == MAX_DEVICES_PER_REQUEST - 1
    assert count > 3


@pytest.mark.verify
async def test_the_largest_request_that_is_refused(side: Side) -> None:
    """Wrongly signed, unsigned, one device too many, cut off: nothing remains of it."""
    request = side.stamped(await largest(side))
    unsigned = await asyncio.to_thread(side.xml, request)
    signed = await asyncio.to_thread(side.party().sign, unsigned)
    one_more = unsigned.replace(b"<sr:DeviceIDList>", f"<sr:DeviceIDList>{format_eui(ESME)},".encode())
    cases = {
        "unsigned": (unsigned, 403, "the document is not signed"),
        "wrong digest": (signed.replace(b"11-22-00-00-00-00-00-07", b"11-22-00-00-00-00-00-08"), 403, "the digest is not that"),
        "one device more": (one_more, 400, "DeviceIDList has a length of 1,200,023"),
        "no base64": (unsigned.replace(b"<sr:FirmwareImage>", b"<sr:FirmwareImage>!!!!"), 400, "FirmwareImage"),
        "cut off": (signed[:-20], 400, "the document is cut off"),
    }
    for body, status, says in cases.values():
        answer = await side.refuses(body)
        assert (answer.status, says in answer.text) == (status, True), answer.text


@pytest.mark.verify
async def test_an_image_that_is_one_octet_too_large(side: Side) -> None:
    octets = image(side, "ESME", content=pattern(MAX_FIRMWARE_IMAGE_BYTES - OVERHEAD_BYTES + 1))
    answer = await side.refuses(await asyncio.to_thread(side.signed, distribute(octets, [ESME])))
    assert answer.status == 400
    assert "FirmwareImage has a length of 10,240,001" in answer.text
    assert "where: Request/Body/UpdateFirmware/FirmwareImage\n" in answer.text


@pytest.mark.verify
async def test_many_large_requests_at_once(side: Side) -> None:
    """Four of a megabyte each and small ones beside them."""
    content = pattern(700_000)
    documents = [
        await asyncio.to_thread(side.signed, side.stamped(distribute(image(side, "ESME", content=content), [ESME])))
        for _ in range(4)
    ]
    small = [side.signed(read_inventory(SUPPLIER, ESME)) for _ in range(20)]
    large = asyncio.gather(*(side.post(document) for document in documents))
    for document in small:
        assert (await side.post(document)).status == 200
    assert {answer.status for answer in await large} == {200}
