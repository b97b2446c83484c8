"""What customers do at their meters and displays, under the names of the control interface."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference

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


STEPS: Mapping[str, type[Step]] = {"device.credit": AddCredit}
"""One for each verb."""
