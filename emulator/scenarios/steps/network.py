"""What an operator does to the network of images, under the names of the control interface."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Duration, Moment, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

Version = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}$", description="eight hexadecimal digits")]


class UpdateHub(Step):
    """Send hubs firmware of their own, as the CSP does."""

    hub: References
    """Which."""
    version: Version
    """What they run then."""
    gbcs_version: str = ""
    """GBCS version of that firmware; as the list of products has it when not given."""
    takes: Duration | None = None
    """How long it takes to come; as the technology of the hub has it when not given: 3 days by radio, half an hour by 4G."""

    def check(self, names: Names) -> None:
        """The hubs."""
        names.devices_of(self.hub, "hub")

    async def run(self, stage: "Stage") -> None:
        """Send it."""
        body: dict[str, str | int] = {"version": self.version, "gbcs_version": self.gbcs_version}
        if self.takes is not None:
            body["duration_ms"] = self.takes
        for eui in stage.names.devices_of(self.hub, "hub"):
            await stage.command("POST", f"devices/{format_eui(eui)}/hub-update", body)


class Capacity(Step):
    """Change how many images a pool sends at a time."""

    pool: str
    """Which, e.g. `cellular/Central`."""
    channels: int
    """Sessions, or channels of a radio cell."""
    cell: int | None = None
    """Of which cell; of all when not given."""

    def check(self, names: Names) -> None:
        """Nothing: the emulator knows its pools."""

    async def run(self, stage: "Stage") -> None:
        """Set it."""
        body = {"pool": self.pool, "channels": self.channels, "cell": self.cell}
        await stage.command("PUT", "network/capacity", body)


class Outage(Step):
    """Let no image through in a pool, or one of its cells, for a while."""

    pool: str
    """Which, e.g. `radio/North`."""
    until: Moment
    """Until when."""
    cell: int | None = None
    """Which cell; all when not given."""

    def check(self, names: Names) -> None:
        """Nothing: the emulator knows its pools."""

    async def run(self, stage: "Stage") -> None:
        """Set it."""
        body = {"pool": self.pool, "until_ms": self.until.at_ms(stage.start_ms, stage.now_ms), "cell": self.cell}
        await stage.command("PUT", "network/outage", body)


STEPS: Mapping[str, type[Step]] = {
    "hub.update": UpdateHub,
    "network.capacity": Capacity,
    "network.outage": Outage,
}
"""One for each verb."""
