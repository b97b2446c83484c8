"""Visits of installers: every message that puts a hub and its devices up, in one step."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from emulator.campaigns.site import Site
from emulator.campaigns.visiting import Order, Visit
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import NONE, Expected, plain
from emulator.scenarios.values import Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class NewHome(BaseModel):
    """Where a hub begins a home."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    region: str
    """CSP region."""
    technology: str = ""
    """WAN technology; that of the hub where it is a unit of the books, else `cellular`."""
    uprn: int | None = None
    """Its UPRN."""
    post_code: str = ""
    """Its post code."""
    address_identifier: str = ""
    """The house."""


class CarryOutVisit(Step):
    """Carry an installer's visit out over DUIS: 12.2 for what is not notified, the hub into a home that never had one, firmware
    while the installer waits, 8.14.1 or 8.14.2, and for each device 8.11, 8.1.1 and joins.

    What a visit that failed had put up is with the installer again, unless a meter was commissioned by then.
    """

    by: Reference
    """The supplier's user; the units are its company's."""
    home: NewHome
    """Where."""
    devices: dict[str, str] = {}
    """Meters and displays of the books, with the MPxN of each meter."""
    hub: Reference = ""
    """Which hub; as the company's policy has it when not given."""
    mpxn: str = ""
    """That 8.14.1 names; the first of a meter when not given."""
    update: bool = False
    """Send an older hub its firmware before anything joins it."""
    refused: str = ""
    """Words of the refusal that must come."""
    gives: dict[str, Expected] = {}
    """What came of it, by name: `installed`, `problem`, `minutes`, `updated`, `too_long`, `came_down`, `firmware_version`."""

    def check(self, names: Names) -> None:
        """The user and the units."""
        names.user(self.by, "by")
        self._order(names)
        if self.refused and self.gives:
            raise Malformed("what is refused gives nothing", where="gives", expected="one of refused and gives")

    def _order(self, names: Names) -> Order:
        devices: dict[Eui64, str] = {}
        for name, mpxn in self.devices.items():
            devices[names.device(name, "devices")] = mpxn
        hub = names.device(self.hub, "hub") if self.hub else None
        return Order(names.company(self.by, "by"), self.home.model_dump(), devices, self.mpxn, hub, self.update)

    async def run(self, stage: "Stage") -> None:
        """Carry it out."""
        actor = stage.actors[stage.names.user(self.by, "by")]
        taken = len(actor.receiver.received)
        site = Site(stage.control, actor.client, actor.receiver, stage.keys, actor.eui, taken=taken)
        try:
            found = await Visit(site, self._order(stage.names)).carry_out()
        except Malformed as error:
            if not self.refused or self.refused not in str(error):
                stage.fail("refusal", self.refused or NONE, str(error))
            return
        finally:
            await stage.settle()
        if self.refused:
            stage.fail("refusal", self.refused, found)
        for name, value in self.gives.items():
            stage.verify(name, value, plain(found.get(name)))
