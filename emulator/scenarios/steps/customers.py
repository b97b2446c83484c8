"""What customers and others do at meters and displays, under the names of the control interface."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class AddCredit(Step):
    """Type a UTRN in at a meter or its display, or buy credit and type that in; with neither, take the emergency credit."""

    device: Reference
    """Which meter."""
    utrn: str = ""
    """Twenty digits."""
    pence: int = 0
    """For how much a UTRN is bought of the meter's supplier."""
    taken: bool = True
    """Whether the meter takes it, or has emergency credit to give."""

    def check(self, names: Names) -> None:
        """The meter."""
        names.device(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Do it, and see what the meter makes of it."""
        device = stage.names.device(self.device, "device")
        body = {"utrn": self.utrn, "pence": self.pence}
        found = await stage.command("POST", f"devices/{format_eui(device)}/credit", body)
        stage.verify(f"whether {stage.names.shown(device)} takes it", self.taken, found["taken"])


class Happens(Step):
    """Let something happen at devices that has an alert code, such as 8F74 for a cover taken off."""

    device: References
    """Which."""
    code: str
    """Four hexadecimal digits."""

    def check(self, names: Names) -> None:
        """The devices."""
        names.devices_of(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Let it happen."""
        for eui in stage.names.devices_of(self.device, "device"):
            await stage.command("POST", f"devices/{format_eui(eui)}/events", {"code": self.code})


class Boost(Step):
    """Press the boost button of a meter."""

    device: Reference
    """Which meter."""
    minutes: int
    """For how long."""

    def check(self, names: Names) -> None:
        """The meter."""
        names.device(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Press it."""
        device = stage.names.device(self.device, "device")
        await stage.command("POST", f"devices/{format_eui(device)}/boost", {"minutes": self.minutes})


STEPS: Mapping[str, type[Step]] = {"device.credit": AddCredit, "device.event": Happens, "device.boost": Boost}
"""One for each verb."""
