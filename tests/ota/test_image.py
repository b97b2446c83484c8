"""The OTA file format: round trips, published samples, and precise refusals."""

import base64
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.ota.image import HEADER_BYTES, TRAILER_BYTES, OtaImage, build, parse_image

SUPPLIER_KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(0x5EED + 1, ec.SECP256R1())

HARDWARE = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)).map(lambda pair: (min(pair), max(pair)))


@st.composite
def images(draw: st.DrawFn) -> OtaImage:
    hardware = draw(st.none() | HARDWARE)
    lowest, highest = hardware or (None, None)
    signed = draw(st.booleans())
    return OtaImage(
        manufacturer_code=draw(st.integers(0, 0xFFFF)),
        image_type=draw(st.integers(0, 0xFFFF)),
        file_version=draw(st.integers(0, 0xFFFFFFFF)),
        manufacturer_image=draw(st.binary(min_size=1, max_size=300)),
        zigbee_stack=draw(st.integers(0, 0xFFFF)),
        header_string=draw(st.binary(min_size=32, max_size=32)),
        min_hardware_version=lowest,
        max_hardware_version=highest,
        force_replace=draw(st.integers(0, 1)) if signed else None,
        signature=draw(st.binary(min_size=64, max_size=64)) if signed else None,
    )


@given(images())
def test_round_trip(image: OtaImage) -> None:
    data = image.encode()
    assert len(data) == image.size_bytes
    assert parse_image(data, trailer=image.signature is not None) == image


@given(st.binary(max_size=400), st.booleans())
def test_any_octets_are_read_or_refused(data: bytes, trailer: bool) -> None:
    refusal = None
    try:
        image = parse_image(data, trailer=trailer)
    except Malformed as error:
        refusal = error
    assert (refusal.where.startswith("octet ") and refusal.expected) if refusal else image.encode() == data


@given(images(), st.integers(0, 1_000), st.integers(0, 255))
def test_a_changed_octet_is_refused_or_read_as_what_it_says(image: OtaImage, position: int, value: int) -> None:
    data = bytearray(image.encode())
    data[position % len(data)] = value
    try:
        again = parse_image(bytes(data), trailer=image.signature is not None)
    except Malformed:
        return
    assert again.encode() == bytes(data)


def test_header_forms() -> None:
    short = build(b"image", manufacturer_code=0x11E5, image_type=1, file_version=0x0002012F)
    long = build(b"image", manufacturer_code=0x11E5, image_type=1, file_version=0x0002012F, hardware_versions=(1, 0x0101))
    assert len(short) == 56 + 5
    assert len(long) == 60 + 5
    assert short[8:10] == b"\0\0"
    assert long[8:10] == b"\x04\0"
    # The header is little-endian, DUIS and GBCS are not (firmware_examples.md 0.5).
    assert long[14:18] == bytes.fromhex("2F010200")
    assert parse_image(long, trailer=False).firmware_version == "0002012F"


def test_signature_is_over_the_manufacturer_image_and_deterministic() -> None:
    def make(version: int) -> bytes:
        return build(
            b"code" * 9, manufacturer_code=1, image_type=2, file_version=version, private_key=SUPPLIER_KEY, force_replace=1
        )

    assert make(3) == make(3)
    image = parse_image(make(3), trailer=True)
    assert image.force_replace == 1
    assert image.signature == parse_image(make(4), trailer=True).signature
    assert image.verify_supplier_signature(SUPPLIER_KEY.public_key())
    assert not image.verify_supplier_signature(OTHER_KEY.public_key())
    unsigned = parse_image(build(b"code", manufacturer_code=1, image_type=2, file_version=3), trailer=False)
    assert not unsigned.verify_supplier_signature(SUPPLIER_KEY.public_key())


def test_hardware_range() -> None:
    ranged = OtaImage(1, 2, 3, b"x", min_hardware_version=0x0100, max_hardware_version=0x0200)
    assert [ranged.fits_hardware(version) for version in (0x00FF, 0x0100, 0x0200, 0x0201)] == [False, True, True, False]
    assert OtaImage(1, 2, 3, b"x").fits_hardware(7)


GOOD = build(
    b"manufacturer image", manufacturer_code=1, image_type=2, file_version=3, hardware_versions=(1, 2), private_key=SUPPLIER_KEY
)


def put(offset: int, layout: str, value: int) -> bytes:
    data = bytearray(GOOD)
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


BAD = {
    "empty": (b"", "octet 0", "at least 56 octets"),
    "cut in the header": (GOOD[:55], "octet 55", "at least 56 octets"),
    "magic": (put(0, "<I", 0x0BEEF11F), "octet 0", "0BEEF11E"),
    "header version": (put(4, "<H", 0x0101), "octet 4", "0100"),
    "header length": (put(6, "<H", 56), "octet 6", "60"),
    "field control": (put(8, "<H", 1), "octet 8", "0000, or 0004 for hardware versions"),
    "total size": (put(52, "<I", len(GOOD) - 1), "octet 52", str(len(GOOD))),
    "one octet missing": (GOOD[:-1], "octet 52", str(len(GOOD) - 1)),
    "one octet too many": (GOOD + b"\0", "octet 52", str(len(GOOD) + 1)),
    "hardware versions the wrong way": (put(56, "<H", 3), "octet 56", "the lower one first"),
    "forceReplace": (put(len(GOOD) - 66, "B", 2), f"octet {len(GOOD) - 66}", "00 or 01"),
    "signature length": (put(len(GOOD) - 65, "B", 0x41), f"octet {len(GOOD) - 65}", "40"),
}


@pytest.mark.parametrize(("data", "where", "expected"), BAD.values(), ids=BAD.keys())
def test_refusals_name_place_and_remedy(data: bytes, where: str, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_image(data, trailer=True)
    assert (caught.value.where, caught.value.expected) == (where, expected)


def test_missing_trailer_and_empty_image() -> None:
    bare = build(b"x" * 20, manufacturer_code=1, image_type=2, file_version=3)
    with pytest.raises(Malformed, match="no room for the GB trailer"):
        parse_image(bare, trailer=True)
    unsigned = build(b"x" * 200, manufacturer_code=1, image_type=2, file_version=3)
    with pytest.raises(Malformed, match=f"octet {len(unsigned) - TRAILER_BYTES}: forceReplace"):
        parse_image(unsigned, trailer=True)
    empty = bytearray(bare[:HEADER_BYTES])
    struct.pack_into("<I", empty, 52, HEADER_BYTES)
    with pytest.raises(Malformed, match="Manufacturer Image is empty"):
        parse_image(bytes(empty), trailer=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OtaImage(0x10000, 2, 3, b"x"),
        lambda: OtaImage(1, 2, 1 << 32, b"x"),
        lambda: OtaImage(1, 2, 3, b""),
        lambda: OtaImage(1, 2, 3, b"x", header_string=b"short"),
        lambda: OtaImage(1, 2, 3, b"x", min_hardware_version=1),
        lambda: OtaImage(1, 2, 3, b"x", min_hardware_version=2, max_hardware_version=1),
        lambda: OtaImage(1, 2, 3, b"x", force_replace=0),
        lambda: OtaImage(1, 2, 3, b"x", force_replace=2, signature=bytes(64)),
        lambda: OtaImage(1, 2, 3, b"x", force_replace=0, signature=bytes(63)),
    ],
)
def test_parts_that_do_not_fit_are_not_written(make: Callable[[], OtaImage]) -> None:
    with pytest.raises(Malformed):
        make().encode()
    with pytest.raises(Malformed, match="header string"):
        build(b"x", manufacturer_code=1, image_type=2, file_version=3, header_string="x" * 33)


def published(reference: Path, name: str) -> bytes:
    text = (reference / "duis" / "templates" / name).read_text("utf-8-sig")
    found = re.search(r"<(?:\w+:)?FirmwareImage>([^<]+)<", text)
    assert found
    return base64.b64decode("".join(found[1].split()))


def test_published_meter_image(reference: Path) -> None:
    data = published(reference, "11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML")
    image = parse_image(data, trailer=True)
    assert image.manufacturer_image_hash.hex() == "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"
    assert (image.manufacturer_code, image.image_type, image.file_version) == (0x121D, 0x0000, 0xACDCACDC)
    assert (image.min_hardware_version, image.max_hardware_version) == (0x1111, 0x1211)
    assert (len(data), len(image.manufacturer_image), image.force_replace) == (361, 235, 0)
    assert image.encode() == data
    keys = reference / "gbcs" / "rtds" / "keystore"
    supplier = x509.load_pem_x509_certificate((keys / "90b3d51f30010000-ds.pem").read_bytes()).public_key()
    assert isinstance(supplier, ec.EllipticCurvePublicKey)
    assert image.verify_supplier_signature(supplier)


def test_published_ppmid_image(reference: Path) -> None:
    data = published(reference, "11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML")
    image = parse_image(data, trailer=False)
    assert (image.image_type, len(data), len(image.manufacturer_image)) == (0x0084, 295, 235)
    assert image.signature is None
    assert image.encode() == data


def test_published_images_show_whether_they_have_a_trailer(reference: Path) -> None:
    meter = published(reference, "11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML")
    ppmid = published(reference, "11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML")
    assert parse_image(meter) == parse_image(meter, trailer=True)
    assert parse_image(ppmid) == parse_image(ppmid, trailer=False)


def test_a_header_that_ends_before_its_hardware_versions() -> None:
    data = bytearray(GOOD[:58])
    struct.pack_into("<I", data, 52, 58)
    with pytest.raises(Malformed, match="octet 58: the file ends inside the OTA header"):
        parse_image(bytes(data))
