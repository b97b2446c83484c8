"""What makers of devices do beside the DCC, under the names of the control interface."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.network import Version
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class SideChannel(Step):
    """Change what devices run without the DCC, as the maker of a combined PPMID/CAD does."""

    device: References
    """Which."""
    version: Version
    """What they run then."""
    way: Literal["internet", "local"] = "internet"
    """How the maker reaches them."""
    against_policy: bool = False
    """Whether the maker goes on although the setting `dsp.local_upgrade` does not let it."""
    outcome: Literal["taken", "banned", "switched off"] = "taken"
    """What must come of it, at each."""

    def check(self, names: Names) -> None:
        """The devices."""
        names.devices_of(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Change it."""
        body = {"version": self.version, "way": self.way, "against_policy": self.against_policy}
        for eui in stage.names.devices_of(self.device, "device"):
            answer = await stage.command("PUT", f"devices/{format_eui(eui)}/version", body)
            stage.verify(f"maker's update of {stage.names.shown(eui)}", self.outcome, answer["outcome"], about=eui)


class AnnounceVersion(Step):
    """Tell the DCC, as their maker, which version devices run; one that the DCC does not take is a failure."""

    device: References
    """Which."""
    version: Version
    """What they run."""

    def check(self, names: Names) -> None:
        """The devices."""
        names.devices_of(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Tell it."""
        for eui in stage.names.devices_of(self.device, "device"):
            refused = await stage.tried("PUT", f"devices/{format_eui(eui)}/announced-version", {"version": self.version})
            stage.verify(f"announcement about {stage.names.shown(eui)}", "taken", refused or "taken", about=eui)


STEPS: Mapping[str, type[Step]] = {"device.side_channel": SideChannel, "device.announce_version": AnnounceVersion}
"""Steps of makers."""
