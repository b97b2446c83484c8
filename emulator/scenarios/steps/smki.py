"""What the SMKI does outside the DCC's services, as steps (:data:`emulator.controls.VERBS`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class RenewCertificates(Step):
    """Issue new certificates to a party: its devices trust those before until 6.15.1 replaces them."""

    party: Reference
    """The User ID of a supplier or network operator."""

    def check(self, names: Names) -> None:
        """The party."""
        names.user(self.party, "party")

    async def run(self, stage: "Stage") -> None:
        """Renew them."""
        await stage.command("POST", f"users/{format_eui(stage.names.user(self.party, 'party'))}/certificates")


class IssueCertificate(Step):
    """Issue a certificate to a device, for the key in its signing request."""

    request: str
    """The request that the device answered to 6.17, PKCS#10 in base64."""

    async def run(self, stage: "Stage") -> None:
        """Issue it."""
        await stage.command("POST", "certificates", {"request": self.request})


STEPS: Mapping[str, type[Step]] = {"party.renew": RenewCertificates, "certificate.issue": IssueCertificate}
"""One for each verb."""
