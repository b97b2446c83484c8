"""A change of supplier in short form: with the live certificates of who asks, and the authority that issued them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.client.credentials import change_of_supplier, live_certificates
from emulator.domain.errors import Malformed
from emulator.duis.messages import Request
from emulator.scenarios.names import Names
from emulator.scenarios.steps.sending import RequestStep
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Moment, Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class ChangeOfSupplier(RequestStep):
    """Put the certificates of who asks into a device, in the place of its supplier's (6.23)."""

    device: Reference
    """Which."""
    mpxn: str = ""
    """The import MPxN of the change; the device's own when not given."""
    at: Moment | None = None
    """When; at once when not given."""
    cancel: bool = False
    """Take back one that waits for its date."""

    def check(self, names: Names) -> None:
        """Device and MPxN."""
        super().check(names)
        if not (self.mpxn or names.definition(self.device, "device").import_mpxn):
            raise Malformed(f"{self.device!r} has no import MPxN", where="mpxn", expected="that of the meter it belongs to")
        if self.cancel and self.at is not None:
            raise Malformed("a cancellation has no date of its own", where="at", expected="cancel alone")

    async def run(self, stage: "Stage") -> None:
        """Learn who issues certificates, and send."""
        await stage.learn_authority()
        await super().run(stage)

    def requests(self, stage: "Stage") -> list[Request]:
        """6.23."""
        names = stage.names
        user, device = names.user(self.by, "by"), names.definition(self.device, "device")
        at_ms = None if self.at is None else self.at.at_ms(stage.start_ms, stage.now_ms)
        offered = live_certificates(stage.keys, user, [stage.authority])
        return [change_of_supplier(user, device.eui, offered, self.mpxn or device.import_mpxn, at_ms, cancel=self.cancel)]


STEPS: Mapping[str, type[Step]] = {"6.23": ChangeOfSupplier}
"""By Service Reference Variant."""
