"""What is released of firmware over the air, and the order of versions, as steps (:data:`emulator.controls.VERBS`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from emulator.domain.errors import Malformed
from emulator.scenarios.names import Names
from emulator.scenarios.steps.products import ProductStep
from emulator.scenarios.steps.step import Step

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


class PutUpgradePath(ProductStep):
    """Say from which versions one of a model may be reached."""

    from_versions: list[str]
    """Those versions; none at all takes the rule away."""

    async def run(self, stage: "Stage") -> None:
        """Put the row."""
        await stage.command("PUT", "upgrade-paths", {**self.product(stage), "from_versions": self.from_versions})


STEPS: Mapping[str, type[Step]] = {"release.set": SetRelease, "upgrade_path.put": PutUpgradePath}
"""One for each verb."""
