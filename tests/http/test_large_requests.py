"""The largest request that DUIS knows: an image of 10,240,000 octets for 50,000 devices, beside small requests."""

import asyncio
import hashlib
import time

import pytest

from emulator.client.requests import read_inventory
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.limits import MAX_DEVICES_PER_REQUEST, MAX_FIRMWARE_IMAGE_BYTES, STOCK_CLIENT_ANSWER_MS
from emulator.duis.messages import Request
from tests.http.images import distribute, encoded, image, with_image_text
from tests.http.side import ESME, SUPPLIER, Side

SMALL_ANSWER_S = 0.5
"""What a small request may take beside a large one."""
OVERHEAD_BYTES = 60 + 66
"""OTA header with hardware versions, and the GB trailer."""
NEW = "00020000"


def contention() -> float:
    """How much longer than alone a computation takes now: 1 on a machine that has a core to spare.

    Bounds on wall time are multiplied by it, so that they judge the emulator and not what else the machine does.
    """
    wall_s, cpu_s = time.monotonic(), time.process_time()
    while time.process_time() - cpu_s < 0.3:
        hashlib.sha256(bytes(10_000)).digest()
    return max(1.0, (time.monotonic() - wall_s) / (time.process_time() - cpu_s))


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
    """It is answered within the stock client's patience, and small ones beside it do not feel it."""
    request = side.stamped(await largest(side, lines=lines))
    document = await asyncio.to_thread(side.signed, request)
    assert 14_800_000 < len(document) < 16 * 1024 * 1024
    small = [side.signed(read_inventory(SUPPLIER, ESME)) for _ in range(400)]
    slowest_s, count, slowness = 0.0, 0, contention()
    began = time.monotonic()
    large = asyncio.create_task(side.post(document))
    while not large.done() and small:
        sent = time.monotonic()
        assert (await side.post(small.pop())).status == 200
        slowest_s, count = max(slowest_s, time.monotonic() - sent), count + 1
        await asyncio.sleep(0.005)
    answer = await large
    took_s = time.monotonic() - began
    slowness = max(slowness, contention())
    assert answer.status == 200, answer.text
    message = side.reader.read(answer.body)
    assert message.code == "W110101"  # type: ignore[union-attr]
    assert answer.body.count(b"11-22-00-00-") == MAX_DEVICES_PER_REQUEST - 1
    assert took_s < STOCK_CLIENT_ANSWER_MS / 1000 * slowness
    assert count > 3
    assert slowest_s < SMALL_ANSWER_S * slowness


@pytest.mark.verify
async def test_the_largest_request_that_is_refused(side: Side) -> None:
    """Wrongly signed, unsigned, one device too many, too deep: each soon, and nothing remains of it."""
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
        began = time.monotonic()
        answer = await side.refuses(body)
        assert time.monotonic() - began < STOCK_CLIENT_ANSWER_MS / 1000 * contention()
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
    slowest_s = 0.0
    large = asyncio.gather(*(side.post(document) for document in documents))
    for document in small:
        sent = time.monotonic()
        assert (await side.post(document)).status == 200
        slowest_s = max(slowest_s, time.monotonic() - sent)
    assert {answer.status for answer in await large} == {200}
    assert slowest_s < SMALL_ANSWER_S * contention()
