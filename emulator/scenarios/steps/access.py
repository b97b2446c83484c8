"""Who may do what, as steps: grants, approvals, thresholds, quarantine, credentials (:data:`emulator.controls.VERBS`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import CspRegion
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Moment, Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

Count = Annotated[int, Field(ge=0, strict=True)]


class PutGrant(Step):
    """Let an agent distribute firmware for a supplier; every list that is not empty limits it."""

    supplier: Reference
    """The company that grants, or a user of it."""
    agent: Reference
    """The User ID of the agent."""
    until: Moment = Field(alias="to")
    """Until when, exclusive."""
    since: Moment | None = Field(None, alias="from")
    """From when; at once when not given."""
    devices: References = []
    """Meters whose import MPxNs it covers; all of the supplier when not given."""
    regions: list[CspRegion] = []
    """Regions that it covers."""
    versions: list[str] = []
    """Firmware versions that it covers."""
    max_devices: Count = 50_000
    """Devices in one request."""
    approval: Literal["none", "per_version", "per_batch"] = "none"
    """What it asks for beside itself."""
    on_change_of_supplier: Literal["cancel", "let_run"] = "cancel"
    """What becomes of a distribution on its way when the supplier changes."""
    exclusive: bool = False
    """Whether nobody else distributes to what it covers."""

    def check(self, names: Names) -> None:
        """Parties and devices."""
        names.company(self.supplier, "supplier")
        names.user(self.agent, "agent")
        self._mpxns(names)
        if self.name:
            names.grants.add(self.name)

    def _mpxns(self, names: Names) -> list[str]:
        return [names.definition(names.shown(eui), "devices").import_mpxn for eui in names.devices_of(self.devices, "devices")]

    async def run(self, stage: "Stage") -> None:
        """Grant it."""
        names = stage.names
        body = {
            "supplier": names.company(self.supplier, "supplier"),
            "agent": format_eui(names.user(self.agent, "agent")),
            "from_ms": None if self.since is None else self.since.at_ms(stage.start_ms, stage.now_ms),
            "to_ms": self.until.at_ms(stage.start_ms, stage.now_ms),
            "mpxns": self._mpxns(names),
            "regions": [region.value for region in self.regions],
            "versions": self.versions,
            "max_devices": self.max_devices,
            "approval": self.approval,
            "on_change_of_supplier": self.on_change_of_supplier,
            "exclusive": self.exclusive,
        }
        number = (await stage.command("PUT", "grants", body))["grant"]
        if self.name:
            stage.grants[self.name] = number


class RevokeGrant(Step):
    """End a grant now."""

    grant: Reference
    """Name of the step that made it."""

    def check(self, names: Names) -> None:
        """The grant."""
        names.known("grant", self.grant, names.grants, "grant")

    async def run(self, stage: "Stage") -> None:
        """End it."""
        await stage.command("DELETE", f"grants/{stage.grants[self.grant]}")


class ApproveImage(Step):
    """Approve an image under a grant, for any list of devices or for one."""

    grant: Reference
    """Name of the step that made the grant."""
    image: Reference
    """The image."""
    devices: References = []
    """The list that it is for; any list when not given."""

    def check(self, names: Names) -> None:
        """Grant, image, devices."""
        names.known("grant", self.grant, names.grants, "grant")
        names.known("image", self.image, names.images, "image")
        names.devices_of(self.devices, "devices")

    async def run(self, stage: "Stage") -> None:
        """Approve it."""
        image = stage.images[self.image]
        body = {
            "grant": stage.grants[self.grant],
            "version": image.image.firmware_version,
            "image_hash": image.hash,
            "devices": [format_eui(eui) for eui in stage.names.devices_of(self.devices, "devices")],
        }
        await stage.command("POST", "approvals", body)


class SetThreshold(Step):
    """Set how much a user may send of a service in a day before anomaly detection keeps it back."""

    variant: str
    """Service Reference Variant."""
    user: Reference = ""
    """Whose; every user's, each for itself, when not given."""
    requests: Count | None = None
    """Requests in a day."""
    devices: Count | None = None
    """Devices named in them."""

    def check(self, names: Names) -> None:
        """User and variant."""
        if self.variant not in service_reference_variants():
            remedy = suggest(self.variant, set(service_reference_variants()))
            raise Malformed(f"there is no variant {self.variant!r}", where="variant", expected=remedy)
        if self.requests is None and self.devices is None:
            raise Malformed("the threshold limits nothing", where="requests", expected="requests, devices or both")
        if self.user:
            names.user(self.user, "user")

    async def run(self, stage: "Stage") -> None:
        """Set it."""
        user = format_eui(stage.names.user(self.user, "user")) if self.user else "*"
        body = {"user": user, "variant": self.variant, "requests": self.requests, "devices": self.devices}
        await stage.command("PUT", "anomaly", body)


class ReleaseQuarantined(Step):
    """Let a quarantined request go on."""

    reference: Annotated[int, Field(ge=1, strict=True)]
    """Its QuarantineEventRef; they count from 1."""

    async def run(self, stage: "Stage") -> None:
        """Release it."""
        await stage.command("POST", f"quarantine/{self.reference}/release")


class DeleteQuarantined(Step):
    """Delete a quarantined request."""

    reference: Annotated[int, Field(ge=1, strict=True)]
    """Its QuarantineEventRef; they count from 1."""

    async def run(self, stage: "Stage") -> None:
        """Delete it."""
        await stage.command("DELETE", f"quarantine/{self.reference}")


class PutCredentials(Step):
    """Put another supplier's certificates into devices, as a completed 6.23 would."""

    device: References
    """Which."""
    party: Reference
    """The User ID of the supplier."""

    def check(self, names: Names) -> None:
        """Devices and party."""
        names.devices_of(self.device, "device")
        names.user(self.party, "party")

    async def run(self, stage: "Stage") -> None:
        """Put them."""
        party = format_eui(stage.names.user(self.party, "party"))
        for eui in stage.names.devices_of(self.device, "device"):
            await stage.command("PUT", f"devices/{format_eui(eui)}/credentials", {"party": party})


STEPS: Mapping[str, type[Step]] = {
    "grant.put": PutGrant,
    "grant.revoke": RevokeGrant,
    "grant.approve": ApproveImage,
    "anomaly.threshold": SetThreshold,
    "quarantine.release": ReleaseQuarantined,
    "quarantine.delete": DeleteQuarantined,
    "device.credentials": PutCredentials,
}
"""One for each verb."""
