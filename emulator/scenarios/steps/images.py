"""Building OTA images: for which product and version, who signs, what is wrong with them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.domain.vocabulary import DeviceType
from emulator.estate.declaration import generated_manufacturer_image
from emulator.estate.model import DeviceDefinition
from emulator.ota.image import OtaImage
from emulator.pki.certificates import Usage
from emulator.scenarios.names import Names
from emulator.scenarios.stage import BuiltImage
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference, Size

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

NOBODY = "nobody"
"""In place of a signer: no trailer."""

DCC = "dcc"
"""In place of a user: the DCC, as for firmware of hubs."""


class Tampering(StrEnum):
    """What is wrong with an image."""

    CONTENT = "content"
    """One octet of the Manufacturer Image is another after signing."""
    SIGNATURE = "signature"
    """One octet of the signature is another."""
    TRUNCATED = "truncated"
    """The last octets are missing."""
    HEADER_VERSION = "header version"
    """The OTA header names another version than the request will."""


def _version(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{8}", value):
        return value.upper()
    raise Malformed(f"{str(value)[:40]!r} is not a firmware version", expected="eight hexadecimal digits in quotes")


Version = Annotated[str, BeforeValidator(_version)]


class BuildImage(Step):
    """Build an OTA image; for a version of the firmware list with the Manufacturer Image that its hash is for."""

    device: Reference
    """A device of the product that it is for; gives type, manufacturer, model and hardware version."""
    version: Version
    """Firmware version."""
    signed_by: Reference = ""
    """The user whose key signs it, `dcc` for firmware of hubs, or `nobody`. Images for PPMIDs are not signed."""
    content: str = ""
    """Any text: makes another Manufacturer Image for the same version, so that its hash is not the one of the firmware list."""
    size: Size | None = None
    """Size of the Manufacturer Image; needed for a version that the firmware list does not hold."""
    hardware: Annotated[str, Field(pattern=r"^([0-9A-F]{4}-[0-9A-F]{4}|none)$")] | None = None
    """Hardware versions of the header, `0101-0102`, or `none`; that of the device when not given."""
    force_replace: bool = False
    """Ask the hub to give way to it."""
    tamper: Tampering | None = None
    """What is wrong with it."""

    def check(self, names: Names) -> None:
        """Product, signer, size."""
        device = names.definition(self.device, "device")
        if not self.name:
            raise Malformed("name is missing", where="name", expected="a name by which requests refer to the image")
        if self.signed_by not in ("", NOBODY, DCC):
            names.user(self.signed_by, "signed_by")
        if not self.signed_by and device.device_type is not DeviceType.PPMID:
            detail = f"who signs an image for a {device.device_type} is missing"
            raise Malformed(detail, where="signed_by", expected=f"a user, or {NOBODY!r}")
        if self.tamper is Tampering.SIGNATURE and self.signed_by in ("", NOBODY):
            raise Malformed("there is no signature to tamper with", where="tamper", expected="signed_by")
        if self.size is None and not self._listed_bytes(names, device):
            detail = f"version {self.version} of {device.manufacturer} {device.model} has no image on the firmware list"
            raise Malformed(detail, where="version", expected=self._remedy(names, device))
        names.images.add(self.name)

    def title(self, names: Names) -> str:
        """Which image."""
        return f"image {self.name}: {self.version} for {self.device}"

    def _listed_bytes(self, names: Names, device: DeviceDefinition) -> int:
        product = (device.device_type, device.manufacturer, device.model, self.version)
        for row in names.estate.cpl:
            if (row.device_type, row.manufacturer, row.model, row.firmware_version) == product:
                return row.image_bytes
        return 0

    def _remedy(self, names: Names, device: DeviceDefinition) -> str:
        product = (device.device_type, device.manufacturer, device.model)
        listed = [
            row.firmware_version
            for row in names.estate.cpl
            if (row.device_type, row.manufacturer, row.model) == product and row.image_bytes
        ]
        return f"size, for a version of your own, or one of {', '.join(listed)}" if listed else "size, for a version of your own"

    async def run(self, stage: "Stage") -> None:
        """Build it."""
        device = stage.names.definition(self.device, "device")
        size_bytes = self.size or self._listed_bytes(stage.names, device)
        content = generated_manufacturer_image(device.manufacturer, device.model, self.version, size_bytes)
        if self.content:
            content = content[:-32] + hashlib.sha256(self.content.encode()).digest()
        low, high = self._hardware(device)
        image = OtaImage(
            manufacturer_code=int(device.manufacturer, 16),
            image_type=0,
            file_version=int(self.version, 16),
            manufacturer_image=content,
            header_string=f"{device.device_type} {self.version}".encode().ljust(32, b"\0"),
            min_hardware_version=low,
            max_hardware_version=high,
        )
        if self.signed_by not in ("", NOBODY):
            signer = ACCESS_CONTROL_BROKER if self.signed_by == DCC else stage.names.user(self.signed_by, "signed_by")
            record = stage.keys.live(signer, Usage.DIGITAL_SIGNATURE)
            if record is None or record.private_key is None:
                raise Malformed(f"{self.signed_by} has no digital-signature key", where="signed_by", expected="another user")
            image = image.sign(record.private_key, force_replace=int(self.force_replace))
        stage.images[self.name] = BuiltImage(image, self._encoded(image), device.device_type, device.manufacturer, device.model)

    def _hardware(self, device: DeviceDefinition) -> tuple[int | None, int | None]:
        if self.hardware is None:
            return device.hardware_version, device.hardware_version
        if self.hardware == "none":
            return None, None
        low, _, high = self.hardware.partition("-")
        return int(low, 16), int(high, 16)

    def _encoded(self, image: OtaImage) -> bytes:
        """The file, with what is wrong with it."""
        if self.tamper is Tampering.HEADER_VERSION:
            return replace(image, file_version=image.file_version ^ 0xFF).encode()
        octets = image.encode()
        if self.tamper is Tampering.TRUNCATED:
            return octets[:-8]
        if self.tamper is Tampering.CONTENT:
            return _flipped(octets, image.header_bytes + len(image.manufacturer_image) // 2)
        if self.tamper is Tampering.SIGNATURE:
            return _flipped(octets, len(octets) - 1)
        return octets


def _flipped(octets: bytes, position: int) -> bytes:
    return octets[:position] + bytes([octets[position] ^ 0xFF]) + octets[position + 1 :]


STEPS: Mapping[str, type[Step]] = {"image": BuildImage}
"""Building."""
