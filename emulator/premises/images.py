"""The OTA files in use, each kept once however many hubs and devices have it."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from emulator.domain.errors import Broken
from emulator.domain.vocabulary import DeviceType
from emulator.ota.image import OtaImage, parse_image
from emulator.premises.state import PremisesState

_PARSED_LIMIT = 16
"""Parsed images kept at hand; ours."""

SIGNED_BY_SUPPLIER = frozenset((DeviceType.ESME, DeviceType.GSME, DeviceType.HCALCS))
"""Device types whose images end in a GB trailer and are activated by CS06 (ota.md 1 items 4 and 9, verified for meters)."""


TAKES_IMAGES = SIGNED_BY_SUPPLIER | {DeviceType.PPMID}
"""Device types that load images over the HAN (ota.md 1 item 9)."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An image and what it takes time to work out."""

    image: OtaImage
    manufacturer_image_hash: bytes


class Images:
    """Files over the dictionaries of a :class:`PremisesState`; parsed forms are a cache and no state."""

    def __init__(self, state: PremisesState) -> None:
        self._state = state
        self._parsed: OrderedDict[tuple[str, bool], Parsed] = OrderedDict()

    def hold(self, data: bytes) -> str:
        """Keep a file and return its key."""
        key = hashlib.sha256(data).hexdigest()
        self._state.images.setdefault(key, data)
        self._state.image_uses.setdefault(key, 0)
        return key

    def octets(self, key: str) -> bytes:
        """The file; :class:`Broken` when nobody held it."""
        try:
            return self._state.images[key]
        except KeyError:
            raise Broken(f"image {key} is used but was not held") from None

    def held(self, key: str) -> bool:
        """Whether the file is there."""
        return key in self._state.images

    def use(self, key: str) -> None:
        """One more user of the file."""
        if key not in self._state.images:
            raise Broken(f"image {key} is used but was not held")
        self._state.image_uses[key] += 1

    def release(self, key: str) -> None:
        """One user less; the file is dropped with the last."""
        self._state.image_uses[key] -= 1
        if self._state.image_uses[key] == 0:
            del self._state.image_uses[key], self._state.images[key]
            for trailer in (False, True):
                self._parsed.pop((key, trailer), None)

    def parsed(self, key: str, device_type: DeviceType) -> Parsed:
        """The image as a device of this type reads it; raise :class:`Malformed` when it cannot."""
        trailer = device_type in SIGNED_BY_SUPPLIER
        found = self._parsed.get((key, trailer))
        if found is None:
            image = parse_image(self.octets(key), trailer=trailer)
            found = self._parsed[key, trailer] = Parsed(image, image.manufacturer_image_hash)
            if len(self._parsed) > _PARSED_LIMIT:
                self._parsed.popitem(last=False)
        return found
