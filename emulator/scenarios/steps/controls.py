"""What an operator does to the world, under the names of the control interface (:data:`emulator.controls.VERBS`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import CplStatus, UserRole
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps import access, customers, faults, local, makers, network, releases, smki, stock
from emulator.scenarios.steps.products import ProductStep
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.visits import NewHome
from emulator.scenarios.values import Moment, Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _at_ms(stage: "Stage", moment: Moment | None) -> int | None:
    return None if moment is None else moment.at_ms(stage.start_ms, stage.now_ms)


class UserEndpoint(Step):
    """Take a user's endpoint away, so that its messages are held back, or give it back."""

    user: Reference
    """Whose."""
    there: bool
    """Whether the DCC knows where it is."""

    def check(self, names: Names) -> None:
        """The user."""
        names.user(self.user, "user")

    async def run(self, stage: "Stage") -> None:
        """Set the URL."""
        actor = stage.actors[stage.names.user(self.user, "user")]
        url = actor.receiver.url if self.there else ""
        await stage.command("PUT", f"users/{format_eui(actor.eui)}/endpoint", {"url": url, "floor_ms": 0})


class UserStatus(Step):
    """Suspend a user or make it active again."""

    user: Reference
    """Which."""
    active: bool
    """Whether it may act."""

    def check(self, names: Names) -> None:
        """The user."""
        names.user(self.user, "user")

    async def run(self, stage: "Stage") -> None:
        """Set it."""
        user = stage.names.user(self.user, "user")
        await stage.command("PUT", f"users/{format_eui(user)}/status", {"active": self.active})


class Register(Step):
    """Register a party for an MPxN in a role from an instant on; whoever held it until then ends there.

    Nobody holds it from `to` on.
    """

    role: UserRole
    """In which role."""
    party: Reference
    """The company, or a user of it."""
    mpxn: str = ""
    """For which MPxN."""
    device: Reference = ""
    """A meter, in place of `mpxn`: its import MPxN, or its export MPAN for role ES."""
    since: Moment | None = Field(None, alias="from")
    """From when; at once when not given."""
    until: Moment | None = Field(None, alias="to")
    """Until when, exclusive; until somebody else is registered when not given."""

    def check(self, names: Names) -> None:
        """Party and MPxN."""
        names.company(self.party, "party")
        self._mpxn(names)

    def _mpxn(self, names: Names) -> str:
        if bool(self.mpxn) == bool(self.device):
            raise Malformed("exactly one of mpxn and device is needed", where="mpxn", expected="an MPxN, or a meter")
        if self.device:
            meter = names.definition(self.device, "device")
            found = meter.export_mpan if self.role is UserRole.ES else meter.import_mpxn
            if found:
                return found
            raise Malformed(f"{self.device!r} has no MPxN for role {self.role}", where="device", expected="a meter")
        known = {mpxn for home in names.estate.homes for each in home.devices for mpxn in _mpxns(each) if mpxn}
        if self.mpxn not in known:
            raise Malformed(f"MPxN {self.mpxn!r} is not in the estate", where="mpxn", expected=suggest(self.mpxn, known))
        return self.mpxn

    async def run(self, stage: "Stage") -> None:
        """Register it."""
        names = stage.names
        party = names.company(self.party, "party")
        from_ms, to_ms = _at_ms(stage, self.since), _at_ms(stage, self.until)
        body = _given(mpxn=self._mpxn(names), role=self.role.value, party=party, from_ms=from_ms, to_ms=to_ms)
        await stage.command("POST", "registrations", body)


class RegisterFromCsv(Step):
    """Register parties from the text of a CSV file."""

    csv: str
    """Lines of `mpxn,role,party,from,to` under a line with these names."""

    def check(self, names: Names) -> None:
        """Nothing: the emulator reads it."""

    async def run(self, stage: "Stage") -> None:
        """Load it."""
        await stage.command("POST", "registrations/load", {"csv": self.csv})


def _mpxns(device: Any) -> tuple[str, ...]:
    return device.import_mpxn, device.secondary_import_mpan, device.export_mpan


class PutProduct(ProductStep):
    """Add a row to the Central Products List or change its status."""

    image_hash: str = ""
    """SHA-256 of the Manufacturer Image, where there is no `image`."""
    status: CplStatus = CplStatus.ACTIVE
    """Its status from now on."""
    gbcs_version: str = "4.2"
    """The version of GBCS that it speaks."""

    async def run(self, stage: "Stage") -> None:
        """Put the row."""
        image_hash = stage.images[self.image].hash if self.image else self.image_hash.lower()
        row = {**self.product(stage), "image_hash": image_hash, "status": self.status, "gbcs_version": self.gbcs_version}
        await stage.command("PUT", "firmware-list", row)


class Power(Step):
    """Switch devices or hubs on or off."""

    device: References
    """Which."""
    on: bool
    """Whether they have power."""

    def check(self, names: Names) -> None:
        """The devices."""
        names.devices_of(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Switch them."""
        for eui in stage.names.devices_of(self.device, "device"):
            await stage.command("PUT", f"devices/{format_eui(eui)}/power", {"on": self.on})


class Fit(Step):
    """Fit a pre-notified device in the home of a hub, as an installer would, or a hub in a home where none was."""

    device: Reference
    """Which."""
    hub: Reference = ""
    """Where: in the home of this hub, whose place another hub takes."""
    home: NewHome | None = None
    """Where a hub begins a home, in place of `hub`."""
    supplier: Reference = ""
    """Whose certificates it holds."""
    network_operator: Reference = ""
    """Whose certificates it holds."""
    refused: str = ""
    """Words of the refusal that must come."""

    def check(self, names: Names) -> None:
        """Device, place, parties."""
        names.device(self.device, "device")
        if bool(self.hub) is (self.home is not None):
            raise Malformed("it is not said where", where="hub", expected="one of hub and home")
        if self.hub:
            names.device(self.hub, "hub")
        for name in ("supplier", "network_operator"):
            if text := getattr(self, name):
                names.user(text, name)

    async def run(self, stage: "Stage") -> None:
        """Fit it."""
        names = stage.names
        parties = {name: getattr(self, name) for name in ("supplier", "network_operator")}
        body = _given(
            hub=format_eui(names.device(self.hub, "hub")) if self.hub else None,
            home=None if self.home is None else self.home.model_dump(),
            **{name: format_eui(names.user(text, name)) if text else None for name, text in parties.items()},
        )
        try:
            answer = await stage.command("POST", f"devices/{format_eui(names.device(self.device, 'device'))}/fit", body)
        except Malformed as error:
            if not self.refused or self.refused not in str(error):
                stage.fail("refusal", self.refused or "none", str(error))
            return
        if self.refused:
            stage.fail("refusal", self.refused, answer)


class CancelJob(Step):
    """Give up the firmware job that is open for a device."""

    device: References
    """Which."""

    def check(self, names: Names) -> None:
        """The devices."""
        names.devices_of(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Give it up."""
        for eui in stage.names.devices_of(self.device, "device"):
            await stage.command("DELETE", f"jobs/{format_eui(eui)}")


STEPS: Mapping[str, type[Step]] = {
    "user.endpoint": UserEndpoint,
    "user.status": UserStatus,
    "registration.put": Register,
    "registration.load": RegisterFromCsv,
    "cpl.put": PutProduct,
    "device.power": Power,
    "device.fit": Fit,
    **faults.STEPS,
    "job.cancel": CancelJob,
    **access.STEPS,
    **makers.STEPS,
    **network.STEPS,
    **local.STEPS,
    **customers.STEPS,
    **releases.STEPS,
    **smki.STEPS,
    **stock.STEPS,
}
"""One for each verb."""
