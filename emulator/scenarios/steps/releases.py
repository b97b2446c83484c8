"""What is released of firmware over the air, and the order of versions, as steps (:data:`emulator.controls.VERBS`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class SetRelease(Step):
    """Release a feature, or back it out."""

    feature: Literal["dsp_release", "csp_release", "sr_11_4", "ch"]
    """Which: the DSP's part, the CSPs', the service 11.4, or that of hubs with one firmware version."""
    on: bool
    """Whether it is there from now on."""
    firmware_version: str = ""
    """Of the hubs, for `ch`."""
    jobs: Literal["cancel", "let_run", ""] = ""
    """What becomes of jobs whose image is not at its hub yet; as the setting `on_back_out` says when not given."""

    def check(self, names: Names) -> None:
        """Hubs have versions, the others have not."""
        if (self.feature == "ch") != bool(self.firmware_version):
            expected = "the firmware version of hubs for ch, and for nothing else"
            raise Malformed("it is not clear what is meant", where="firmware_version", expected=expected)

    async def run(self, stage: "Stage") -> None:
        """Switch it."""
        more = {name: value for name in ("firmware_version", "jobs") if (value := getattr(self, name))}
        await stage.command("PUT", "releases", {"feature": self.feature, "on": self.on, **more})


class PutUpgradePath(Step):
    """Say from which versions one of a model may be reached."""

    image: Reference = ""
    """A built image: product and version are its own."""
    type: DeviceType | None = None
    """Of the product, where there is no `image`."""
    manufacturer: str = ""
    """The same."""
    model: str = ""
    """The same."""
    firmware_version: str = ""
    """The same."""
    from_versions: list[str]
    """Those versions; none at all takes the rule away."""

    def check(self, names: Names) -> None:
        """Either an image or a product."""
        if self.image:
            names.known("image", self.image, names.images, "image")
        product = (self.type, self.manufacturer, self.model, self.firmware_version)
        if any(product) if self.image else not all(product):
            remedy = "image alone, or type, manufacturer, model and firmware_version"
            raise Malformed("it is not clear which product is meant", where="image", expected=remedy)

    async def run(self, stage: "Stage") -> None:
        """Put the row."""
        row = {
            "type": self.type,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "firmware_version": self.firmware_version,
        }
        if self.image:
            image = stage.images[self.image]
            row = {
                "type": image.device_type,
                "manufacturer": image.manufacturer,
                "model": image.model,
                "firmware_version": image.image.firmware_version,
            }
        await stage.command("PUT", "upgrade-paths", {**row, "from_versions": self.from_versions})


STEPS: Mapping[str, type[Step]] = {"release.set": SetRelease, "upgrade_path.put": PutUpgradePath}
"""One for each verb."""
