"""What an operator does with hubs and meters outside homes, as steps (:data:`emulator.controls.VERBS`), and what comes of it."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.logistics.tables import truths, variants
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.network import Version
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.visits import CarryOutVisit
from emulator.scenarios.steps.wanted import NONE, Expected, plain
from emulator.scenarios.values import Duration, Moment, Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

Level = Literal["unit", "carton", "pallet"]
Count = Annotated[int, Field(ge=1)]


class StockStep(Step):
    """A change of the books: its fields but those of every step are the body of the operation."""

    refused: str = ""
    """Words of the refusal that must come; nothing may have changed then."""
    gives: dict[str, Expected] = {}
    """What the answer must hold, by name."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = ""

    def check(self, names: Names) -> None:
        """Companies, units, tables."""
        for name in ("company", "owner", "to", "address"):
            if text := getattr(self, name, ""):
                names.company(text, name)
        if self.refused and self.gives:
            raise Malformed("what is refused gives nothing", where="gives", expected="one of refused and gives")

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        own = type(self).model_fields.keys() - StockStep.model_fields.keys()
        found: dict[str, Any] = {}
        for name in own:
            value = getattr(self, name)
            if value not in (None, "", []):
                found[name] = value
        for name in ("company", "owner", "to", "address"):
            if name in found:
                found[name] = stage.names.company(found[name], name)
        if "unit" in found:
            found["unit"] = format_eui(stage.names.device(found["unit"], "unit"))
        if "units" in found:
            found["units"] = [format_eui(eui) for eui in stage.names.devices_of(found["units"], "units")]
        return found

    async def run(self, stage: "Stage") -> None:
        """Ask for it."""
        body = self.body(stage)
        try:
            answer = await stage.command(self.method, f"stock/{self.path}", body)
        except Malformed as error:
            if not self.refused or self.refused not in str(error):
                stage.fail("refusal", self.refused or NONE, str(error))
            return
        if self.refused:
            stage.fail("refusal", self.refused, answer)
        for name, value in self.gives.items():
            stage.verify(name, value, plain(answer.get(name)))


class BookIn(StockStep):
    """Book a lot of new units in: in the CSP's warehouse, or at a supplier."""

    path: ClassVar[str] = "lots"
    variant: str
    """What they are (the variants of [stock](stock.md))."""
    count: Count
    """How many."""
    versions: dict[str, int]
    """Firmware versions and their parts of the whole."""
    manufacturer: str
    """As the firmware list has it."""
    model: str
    """The same."""
    owner: Reference = ""
    """A supplier that has them; the CSP when not given."""
    first: Reference = ""
    """The device that is the first of them; a hub's Gas Proxy Function has the EUI after its own."""
    age: Duration = 0
    """Since when they are in stock."""
    mixed: bool = False
    """Scatter the versions over cartons and pallets."""
    tsat_end: Moment | None = None
    """TSAT end date: hubs that are not installed by then must go back."""
    notified: bool = True
    """Whether the CSP has notified them; else 12.2 comes from a user."""

    def check(self, names: Names) -> None:
        """Variant and first unit."""
        super().check(names)
        if self.variant not in variants():
            raise Malformed(f"there is no variant {self.variant!r}", where="variant", expected=suggest(self.variant, variants()))
        if self.first:
            names.device(self.first, "first")

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        found = super().body(stage)
        found["age_days"] = found.pop("age", 0) // 86_400_000
        if "tsat_end" in found:
            found["tsat_end_ms"] = found.pop("tsat_end").at_ms(stage.start_ms, stage.now_ms)
        if self.first:
            found["first"] = format_eui(stage.names.device(self.first, "first"))
        return found


class Mark(StockStep):
    """Say of units what the books do not know by themselves."""

    method: ClassVar[str] = "PUT"
    path: ClassVar[str] = "units"
    units: References
    """Which."""
    damaged: bool | None = None
    """Whether their packaging is damaged."""
    registered: bool | None = None
    """Whether the order system has them as their owner's."""
    owner: Reference = ""
    """Another company that has them."""
    truth: str = ""
    """What really is the matter with them."""

    def check(self, names: Names) -> None:
        """Units and truth."""
        super().check(names)
        names.devices_of(self.units, "units")
        if self.truth and self.truth not in truths():
            raise Malformed(f"there is no truth {self.truth!r}", where="truth", expected=suggest(self.truth, truths()))


class SetPolicy(StockStep):
    """Say which firmware a supplier installs."""

    method: ClassVar[str] = "PUT"
    path: ClassVar[str] = "policies"
    company: Reference
    """Which supplier."""
    rule: Literal["newest", "newest-minus", "pinned"]
    """The newest version, one before it, or a certain one."""
    minus: int | None = None
    """How many versions before the newest."""
    version: Version | None = None
    """The certain one."""


class SetDefect(StockStep):
    """Say that a firmware version of hubs is bad."""

    method: ClassVar[str] = "PUT"
    path: ClassVar[str] = "defects"
    version: Version
    """Which."""
    kind: Literal["install", "service"]
    """Whether installations fail, or it shows after a while in service."""
    percent: int
    """Of how many hubs."""
    onset: Duration = 0
    """Mean time until it shows."""

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        found = super().body(stage)
        found["onset_days"] = found.pop("onset", 0) // 86_400_000
        return found


class Deliver(StockStep):
    """Deliver goods from the CSP's warehouse to a supplier."""

    path: ClassVar[str] = "deliveries"
    to: Reference
    """The supplier."""
    level: Level = "unit"
    """In what they are counted."""
    count: Count
    """How many of those."""
    variant: str = ""
    """Only of this variant."""


class IssueHubs(StockStep):
    """Hand hubs to an installer, or take them back."""

    path: ClassVar[str] = "issues"
    company: Reference
    """The supplier."""
    count: int | None = None
    """How many, as its policy has it."""
    units: References = []
    """Or which."""
    variant: str = ""
    """Only of this variant."""
    back: bool = False
    """Take them back into the store."""

    def check(self, names: Names) -> None:
        """Units."""
        super().check(names)
        names.devices_of(self.units, "units")


class InstallHubs(StockStep):
    """Have hubs installed: in homes of the books alone, or with `region` in emulated homes that begin with them. `stock.visit`
    carries one installation out over DUIS."""

    path: ClassVar[str] = "installations"
    company: Reference
    """Whose installers."""
    count: Count
    """How many visits."""
    update: bool = False
    """Send older hubs their firmware during the visit."""
    variant: str = ""
    """Only hubs of this variant."""
    region: str = ""
    """CSP region in which they begin emulated homes."""


class UpdateInstalled(StockStep):
    """Send firmware to hubs in homes, as the CSP does."""

    path: ClassVar[str] = "updates"
    version: Version | None = None
    """Which."""
    unit: Reference = ""
    """One hub in an emulated home, while its installer waits: as its owner's policy and its WAN have it."""
    from_version: Version | None = None
    """Only to hubs that run this one; to all older ones when not given."""
    takes: Duration | None = None
    """How long it takes to come; an hour when not given."""

    def check(self, names: Names) -> None:
        """A version, or one unit."""
        super().check(names)
        if bool(self.unit) is (self.version is not None):
            raise Malformed("it is not said what is sent", where="version", expected="one of version and unit")
        if self.unit:
            names.device(self.unit, "unit")

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        found = super().body(stage)
        if "takes" in found:
            found["duration_ms"] = found.pop("takes")
        return found


class TakeBack(StockStep):
    """Take units back of which no message tells: meters that were decommissioned, hubs that were never installed."""

    path: ClassVar[str] = "returns"
    company: Reference
    """Who sends them back."""
    units: References
    """Which."""
    came_with: Reference = ""
    """The hub with which they came."""

    def check(self, names: Names) -> None:
        """Units and hub."""
        super().check(names)
        names.devices_of(self.units, "units")
        if self.came_with:
            names.device(self.came_with, "came_with")

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        found = super().body(stage)
        if found.pop("came_with", ""):
            found["with"] = format_eui(stage.names.device(self.came_with, "came_with"))
        return found


class MakeReturns(StockStep):
    """Make a population of hubs that came back, part of them with their meters."""

    path: ClassVar[str] = "returns/generated"
    company: Reference
    """Whose they are now."""
    count: Count
    """How many hubs."""
    version: Version
    """What they run."""
    installers: References = []
    """Companies that had installed them, in turn."""

    def check(self, names: Names) -> None:
        """The companies."""
        super().check(names)
        for each in self.installers:
            names.company(each, "installers")

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        companies = [stage.names.company(each, "installers") for each in self.installers]
        return {**super().body(stage), "installers": companies}


class OrderReflash(StockStep):
    """Order units, cartons or pallets to be re-flashed."""

    path: ClassVar[str] = "orders"
    company: Reference
    """Who orders."""
    level: Level
    """In what."""
    items: list[str]
    """Cartons such as C12, pallets such as P3, or names of units."""
    image: Reference
    """The image that a step `image` built."""
    address: Reference = ""
    """The company to whose address the goods go back."""

    def check(self, names: Names) -> None:
        """Image and units."""
        super().check(names)
        names.known("image", self.image, names.images, "image")
        if self.level == "unit":
            names.devices_of(self.items, "items")

    def body(self, stage: "Stage") -> dict[str, Any]:
        """What is sent."""
        found = super().body(stage)
        found["image"] = base64.b64encode(stage.images[self.image].octets).decode()
        if self.level == "unit":
            named = [eui for each in self.items for eui in stage.names.devices_of([each], "items")]
            found["items"] = [format_eui(eui) for eui in named]
        return found


class StandTestHub(StockStep):
    """Put a hub up in a company's triage facility, for devices with dummy MPxNs to join."""

    path: ClassVar[str] = "test-hubs"
    unit: Reference
    """Which."""
    company: Reference
    """Who runs the facility."""
    region: str
    """Where it is."""

    def check(self, names: Names) -> None:
        """The unit."""
        super().check(names)
        names.device(self.unit, "unit")


class RunTriage(StockStep):
    """Triage returned units."""

    path: ClassVar[str] = "triages"
    company: Reference
    """Whose they are."""
    units: References = []
    """Which."""
    count: int | None = None
    """Or how many hubs."""
    actor: Literal["supplier", "manufacturer", "dcc"]
    """Who looks."""
    way: Literal["dcc", "local", "self"]
    """On the test hub, by the maker's own way, or as suppliers do with SMETS1."""
    swap: bool = False
    """Try the hub with another device, and the device at another hub."""
    access: Literal["standard", "engineering"] = "standard"
    """Standard interfaces, or engineering functions behind the seal."""

    def check(self, names: Names) -> None:
        """The units."""
        super().check(names)
        names.devices_of(self.units, "units")


class TakeStep(StockStep):
    """Open returned units, wipe, reset or seal them, put them into stock again, or scrap them."""

    path: ClassVar[str] = "steps"
    company: Reference
    """Whose they are."""
    units: References
    """Which."""
    step: Literal["open", "wipe", "reset", "reseal", "restock", "scrap"]
    """What is done."""

    def check(self, names: Names) -> None:
        """The units."""
        super().check(names)
        names.devices_of(self.units, "units")


STEPS: Mapping[str, type[Step]] = {
    "stock.book": BookIn,
    "stock.mark": Mark,
    "stock.policy": SetPolicy,
    "stock.defect": SetDefect,
    "stock.deliver": Deliver,
    "stock.issue": IssueHubs,
    "stock.install": InstallHubs,
    "stock.update": UpdateInstalled,
    "stock.visit": CarryOutVisit,
    "returns.take": TakeBack,
    "returns.batch": MakeReturns,
    "reflash.order": OrderReflash,
    "triage.hub": StandTestHub,
    "triage.run": RunTriage,
    "unit.step": TakeStep,
}
"""One for each verb."""
