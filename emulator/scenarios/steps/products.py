"""Steps that name a product: one row's worth of device type, manufacturer, model and firmware version."""

from typing import TYPE_CHECKING

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class ProductStep(Step):
    """A step about one version of a product: that of a built image, or one that is written out."""

    image: Reference = ""
    """A built image: what it says of its product holds."""
    type: DeviceType | None = None
    """Of the product, where there is no `image`."""
    manufacturer: str = ""
    """The same."""
    model: str = ""
    """The same."""
    firmware_version: str = ""
    """The same."""

    def check(self, names: Names) -> None:
        """Either an image or a product."""
        if self.image:
            names.known("image", self.image, names.images, "image")
        product = (self.type, self.manufacturer, self.model, self.firmware_version)
        if any(product) if self.image else not all(product):
            remedy = "image alone, or type, manufacturer, model and firmware_version"
            raise Malformed("it is not clear which product is meant", where="image", expected=remedy)

    def product(self, stage: "Stage") -> dict[str, DeviceType | str | None]:
        """The product as the control interface names it."""
        if not self.image:
            return {
                "type": self.type,
                "manufacturer": self.manufacturer,
                "model": self.model,
                "firmware_version": self.firmware_version,
            }
        image = stage.images[self.image]
        return {
            "type": image.device_type,
            "manufacturer": image.manufacturer,
            "model": image.model,
            "firmware_version": image.image.firmware_version,
        }
