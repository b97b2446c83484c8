"""Firmware images: a Zigbee OTA header, the Manufacturer Image and, for meters, the GB trailer.

Layout (all integers little-endian; source: reference ota.md 3.1 and firmware_examples.md 0, verified on both published samples):

    offset  octets  field
    0       4       file identifier 0BEEF11E
    4       2       header version 0100
    6       2       header length: 56, or 60 with hardware versions
    8       2       field control; bit 2: hardware versions present
    10      2       manufacturer code
    12      2       image type
    14      4       file version
    18      2       Zigbee stack version
    20      32      header string
    52      4       total image size: the whole file
    56      2 + 2   minimum and maximum hardware version, if present
    header  n       Manufacturer Image
    -66     1       forceReplace            \\
    -65     1       signature length 40      > GB trailer: meters and HCALCS only
    -64     64      r || s                  /

The file itself does not say whether it has a trailer: what it is for does. A caller of :func:`parse_image` that knows says so.
"""

import hashlib
import struct
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from emulator.domain.errors import Malformed

FILE_IDENTIFIER = 0x0BEEF11E
HEADER_VERSION = 0x0100
ZIGBEE_PRO = 0x0002
HEADER_BYTES = 56
HEADER_BYTES_WITH_HARDWARE = 60
HARDWARE_VERSIONS_PRESENT = 0x0004
"""Bit 2 of the field control, the only one that GB images use."""
SIGNATURE_BYTES = 64
TRAILER_BYTES = 2 + SIGNATURE_BYTES
"""Size of the GB trailer (source: L072, exact)."""

_HEADER = struct.Struct("<IHHHHHIH32sI")
_HARDWARE = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class OtaImage:
    """One OTA file in its parts."""

    manufacturer_code: int
    """16 bits; the Manufacturer of the inventory in four hexadecimal digits."""
    image_type: int
    """16 bits, the manufacturer's own."""
    file_version: int
    """32 bits: the firmware version that the device will run."""
    manufacturer_image: bytes
    """What the manufacturer made: the part that is hashed, signed and run."""
    zigbee_stack: int = ZIGBEE_PRO
    header_string: bytes = bytes(32)
    """32 octets of free text."""
    min_hardware_version: int | None = None
    """Hardware versions the image is for, both ends included; both None in a 56-octet header."""
    max_hardware_version: int | None = None
    force_replace: int | None = None
    """A hint for the hub to give way to this image; None where there is no GB trailer."""
    signature: bytes | None = None
    """r || s of the supplier over the Manufacturer Image, 64 octets; None where there is no GB trailer."""

    @property
    def manufacturer_image_hash(self) -> bytes:
        """SHA-256 of the Manufacturer Image: the hash of 8F72, 11.3 and the Central Products List."""
        return hashlib.sha256(self.manufacturer_image).digest()

    @property
    def firmware_version(self) -> str:
        """The file version as DUIS and GBCS write it: eight hexadecimal digits, most significant first."""
        return f"{self.file_version:08X}"

    @property
    def header_bytes(self) -> int:
        """Length of the OTA header: 56 or 60 octets."""
        return HEADER_BYTES if self.min_hardware_version is None else HEADER_BYTES_WITH_HARDWARE

    @property
    def size_bytes(self) -> int:
        """Size of the whole file."""
        return self.header_bytes + len(self.manufacturer_image) + (0 if self.signature is None else TRAILER_BYTES)

    def fits_hardware(self, version: int) -> bool:
        """Whether a device of this hardware version may take the image; true where the header names none."""
        if self.min_hardware_version is None or self.max_hardware_version is None:
            return True
        return self.min_hardware_version <= version <= self.max_hardware_version

    def encode(self) -> bytes:
        """The file; raise :class:`Malformed` when a part does not fit its field."""
        _check_parts(self)
        with_hardware = self.min_hardware_version is not None
        header = _HEADER.pack(
            FILE_IDENTIFIER,
            HEADER_VERSION,
            self.header_bytes,
            HARDWARE_VERSIONS_PRESENT if with_hardware else 0,
            self.manufacturer_code,
            self.image_type,
            self.file_version,
            self.zigbee_stack,
            self.header_string,
            self.size_bytes,
        )
        hardware = _HARDWARE.pack(self.min_hardware_version, self.max_hardware_version) if with_hardware else b""
        trailer = b""
        if self.signature is not None and self.force_replace is not None:
            trailer = bytes((self.force_replace, SIGNATURE_BYTES)) + self.signature
        return header + hardware + self.manufacturer_image + trailer

    def sign(self, private_key: ec.EllipticCurvePrivateKey, *, force_replace: int = 0) -> "OtaImage":
        """The image with a GB trailer: deterministic ECDSA of the supplier's key over the Manufacturer Image alone."""
        der = private_key.sign(self.manufacturer_image, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return replace(self, force_replace=force_replace, signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def verify_supplier_signature(self, public_key: ec.EllipticCurvePublicKey) -> bool:
        """Whether the GB trailer holds this supplier's signature over the Manufacturer Image; False without a trailer."""
        if self.signature is None:
            return False
        r, s = int.from_bytes(self.signature[:32], "big"), int.from_bytes(self.signature[32:], "big")
        try:
            public_key.verify(encode_dss_signature(r, s), self.manufacturer_image, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def parse_image(data: bytes, *, trailer: bool | None = None) -> OtaImage:
    """Read an OTA file; ``trailer`` says whether a GB trailer ends it (meters, HCALCS) or not (PPMID).

    Without it the octets where forceReplace and the signature length would stand decide: right for every published image, and
    wrong for one Manufacturer Image in 32,768 of random content that has no trailer.
    Raises :class:`Malformed` naming the offset and what stands there instead of what is expected.
    """
    if len(data) < HEADER_BYTES:
        raise _wrong(len(data), "the file ends inside the OTA header", f"at least {HEADER_BYTES} octets")
    fields = _HEADER.unpack_from(data)
    identifier, version, header_bytes, control, manufacturer, image_type, file_version, stack, text, total = fields
    if identifier != FILE_IDENTIFIER:
        raise _wrong(0, f"file identifier {identifier:08X}", f"{FILE_IDENTIFIER:08X}")
    if version != HEADER_VERSION:
        raise _wrong(4, f"header version {version:04X}", f"{HEADER_VERSION:04X}")
    if control not in (0, HARDWARE_VERSIONS_PRESENT):
        raise _wrong(8, f"field control {control:04X}", f"0000, or {HARDWARE_VERSIONS_PRESENT:04X} for hardware versions")
    with_hardware = control == HARDWARE_VERSIONS_PRESENT
    proper = HEADER_BYTES_WITH_HARDWARE if with_hardware else HEADER_BYTES
    if header_bytes != proper:
        raise _wrong(6, f"header length {header_bytes} with field control {control:04X}", str(proper))
    if total != len(data):
        raise _wrong(52, f"total image size {total} in a file of {len(data)} octets", str(len(data)))
    if len(data) < proper:
        raise _wrong(len(data), "the file ends inside the OTA header", f"at least {proper} octets")
    lowest, highest = _read_hardware(data) if with_hardware else (None, None)
    force_replace, signature, end = None, None, len(data)
    if _has_trailer(data, proper) if trailer is None else trailer:
        force_replace, signature, end = _read_trailer(data, proper)
    if end == proper:
        raise _wrong(proper, "the Manufacturer Image is empty", "at least one octet")
    return OtaImage(
        manufacturer_code=manufacturer,
        image_type=image_type,
        file_version=file_version,
        manufacturer_image=data[proper:end],
        zigbee_stack=stack,
        header_string=text,
        min_hardware_version=lowest,
        max_hardware_version=highest,
        force_replace=force_replace,
        signature=signature,
    )


def build(
    manufacturer_image: bytes,
    *,
    manufacturer_code: int,
    image_type: int,
    file_version: int,
    header_string: str = "",
    hardware_versions: tuple[int, int] | None = None,
    force_replace: int = 0,
    private_key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Make an OTA file: with ``private_key`` (the supplier's digital-signing key) signed and with GB trailer, else without.

    ``hardware_versions`` are the lowest and highest; raises :class:`Malformed` when a part does not fit its field.
    """
    text = header_string.encode()
    if len(text) > 32:
        raise Malformed(f"the header string has {len(text)} octets", where="header_string", expected="at most 32")
    lowest, highest = hardware_versions or (None, None)
    image = OtaImage(
        manufacturer_code=manufacturer_code,
        image_type=image_type,
        file_version=file_version,
        manufacturer_image=manufacturer_image,
        header_string=text.ljust(32, b"\0"),
        min_hardware_version=lowest,
        max_hardware_version=highest,
    )
    return (image if private_key is None else image.sign(private_key, force_replace=force_replace)).encode()


def _read_hardware(data: bytes) -> tuple[int, int]:
    lowest, highest = _HARDWARE.unpack_from(data, HEADER_BYTES)
    if lowest > highest:
        raise _wrong(HEADER_BYTES, f"hardware versions {lowest:04X} to {highest:04X}", "the lower one first")
    return lowest, highest


def _has_trailer(data: bytes, header_bytes: int) -> bool:
    start = len(data) - TRAILER_BYTES
    return start > header_bytes and data[start] in (0, 1) and data[start + 1] == SIGNATURE_BYTES


def _read_trailer(data: bytes, header_bytes: int) -> tuple[int, bytes, int]:
    end = len(data) - TRAILER_BYTES
    if end < header_bytes:
        raise _wrong(len(data), "no room for the GB trailer", f"{TRAILER_BYTES} octets after the Manufacturer Image")
    if data[end] not in (0, 1):
        raise _wrong(end, f"forceReplace {data[end]:02X}", "00 or 01")
    if data[end + 1] != SIGNATURE_BYTES:
        raise _wrong(end + 1, f"signature length {data[end + 1]:02X}", f"{SIGNATURE_BYTES:02X}")
    return data[end], data[end + 2 :], end


def _check_parts(image: OtaImage) -> None:
    for name, bits in (("manufacturer_code", 16), ("image_type", 16), ("file_version", 32), ("zigbee_stack", 16)):
        value = getattr(image, name)
        if not 0 <= value < 1 << bits:
            raise Malformed(f"{value} does not fit", where=name, expected=f"{bits} bits")
    if len(image.header_string) != 32:
        raise Malformed(f"{len(image.header_string)} octets", where="header_string", expected="32")
    if not image.manufacturer_image:
        raise Malformed("the Manufacturer Image is empty", where="manufacturer_image", expected="at least one octet")
    lowest, highest = image.min_hardware_version, image.max_hardware_version
    if (lowest is None) != (highest is None):
        raise Malformed("one hardware version without the other", where="hardware versions", expected="both or none")
    if lowest is not None and highest is not None and not 0 <= lowest <= highest < 1 << 16:
        raise Malformed(f"{lowest} to {highest}", where="hardware versions", expected="0 to 65535, the lower one first")
    if (image.force_replace is None) != (image.signature is None):
        raise Malformed("half a GB trailer", where="force_replace and signature", expected="both or none")
    if image.force_replace not in (None, 0, 1):
        raise Malformed(f"{image.force_replace}", where="force_replace", expected="0 or 1")
    if image.signature is not None and len(image.signature) != SIGNATURE_BYTES:
        raise Malformed(f"{len(image.signature)} octets", where="signature", expected=str(SIGNATURE_BYTES))


def _wrong(offset: int, detail: str, expected: str) -> Malformed:
    return Malformed(detail, where=f"octet {offset}", expected=expected)
