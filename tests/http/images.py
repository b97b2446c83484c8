"""OTA images that the default estate's list of products names, and broken ones."""

import base64
import struct
from dataclasses import replace

from emulator.client.requests import update_firmware, update_ppmid_firmware
from emulator.domain.identifiers import Eui64
from emulator.duis.messages import Element, Request, element
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image, load_estate
from emulator.estate.model import CplEntry
from emulator.ota.image import build
from tests.http.side import SUPPLIER, Side

VERSION = "00010100"
ESTATE = load_estate(default_estate_toml())


def product(kind: str, version: str = VERSION) -> CplEntry:
    """The row of the list with an image for this type of device."""
    return next(e for e in ESTATE.cpl if e.device_type == kind and e.firmware_version == version and e.image_bytes)


def image_hash(kind: str, version: str = VERSION) -> bytes:
    """Of the Manufacturer Image."""
    return bytes.fromhex(product(kind, version).image_hash)


def image(side: Side, kind: str, version: str = VERSION, *, content: bytes | None = None, header_version: str = "") -> bytes:
    """A whole OTA file, signed by the first supplier where it is for meters."""
    row = product(kind, version)
    key = None if kind == "PPMID" else side.gbcs_party(SUPPLIER).private_key
    if content is None:
        content = generated_manufacturer_image(row.manufacturer, row.model, version, row.image_bytes)
    return build(
        content,
        manufacturer_code=int(row.manufacturer, 16),
        image_type=0x0084 if kind == "PPMID" else 0,
        file_version=int(header_version or version, 16),
        header_string="test image",
        hardware_versions=(0x0100, 0x0200),
        private_key=key,
    )


def distribute(
    octets: bytes, devices: list[Eui64], version: str = VERSION, *, ppmid: bool = False, user: Eui64 = SUPPLIER
) -> Request:
    """11.1 or 11.4."""
    make = update_ppmid_firmware if ppmid else update_firmware
    return make(user, octets, version, devices)


def with_image_text(request: Request, text: str) -> Request:
    """The request with other text for its image."""
    children: list[Element] = [element("FirmwareImage", text), *request.body.children[1:]]
    return replace(request, body=replace(request.body, children=tuple(children)))


def with_field(octets: bytes, offset: int, form: str, value: int) -> bytes:
    """The file with another value at an offset, written as ``struct`` has it."""
    packed = struct.pack(f"<{form}", value)
    return octets[:offset] + packed + octets[offset + len(packed) :]


def broken_images(whole: bytes) -> dict[str, tuple[bytes, str]]:
    """Images with one fault each, and the words for it."""
    trailer = len(whole) - 66
    return {
        "bad magic": (with_field(whole, 0, "I", 0x0BEEF11F), "octet 0: file identifier 0BEEF11F; expected 0BEEF11E"),
        "magic in the other byte order": (b"\x0b\xee\xf1\x1e" + whole[4:], "octet 0: file identifier 1EF1EE0B"),
        "header version": (with_field(whole, 4, "H", 0x0200), "octet 4: header version 0200; expected 0100"),
        "header length": (with_field(whole, 6, "H", 56), "octet 6: header length 56 with field control 0004; expected 60"),
        "field control": (with_field(whole, 8, "H", 0x0001), "octet 8: field control 0001"),
        "total size too large": (with_field(whole, 52, "I", len(whole) + 1), f"octet 52: total image size {len(whole) + 1}"),
        "total size too small": (with_field(whole, 52, "I", len(whole) - 66), f"octet 52: total image size {len(whole) - 66}"),
        "hardware versions turned round": (with_field(whole, 56, "I", 0x0100_0200), "octet 56: hardware versions 0200 to 0100"),
        "cut off": (whole[:-1], f"octet 52: total image size {len(whole)} in a file of {len(whole) - 1} octets"),
        "cut off in the header": (whole[:55], "octet 55: the file ends inside the OTA header; expected at least 56 octets"),
        "nothing": (b"", "octet 0: the file ends inside the OTA header"),
        "one octet": (b"\x1e", "octet 1: the file ends inside the OTA header"),
        "forceReplace": (with_field(whole, trailer, "B", 2), f"octet {trailer}: forceReplace 02; expected 00 or 01"),
        "length of the signature": (
            with_field(whole, trailer + 1, "B", 72),
            f"octet {trailer + 1}: signature length 48; expected 40",
        ),
        "no room for the trailer": (
            with_field(whole, 52, "I", 100)[:100],
            "octet 100: no room for the GB trailer; expected 66 octets after the Manufacturer Image",
        ),
        "no Manufacturer Image": (
            with_field(whole[:60] + whole[trailer:], 52, "I", 126),
            "octet 60: the Manufacturer Image is empty; expected at least one octet",
        ),
        "something else": (b"PK\x03\x04" + bytes(200), "octet 0: file identifier 04034B50"),
    }


def encoded(octets: bytes) -> str:
    """Base64."""
    return base64.b64encode(octets).decode()
