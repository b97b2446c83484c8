"""Faults on purpose, with the keys that a fault has everywhere (:data:`emulator.simulation.faults.KEYS`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Moment, Reference, References
from emulator.simulation.faults import read_fault

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class AddFault(Step):
    """Plan a fault: what goes wrong, for whom, when. [Faults](faults.md) explains each key and kind."""

    kind: str
    """What goes wrong."""
    device: References = []
    """Whom it hits; see `who`."""
    who: dict[str, Any] = {}
    """Whom it hits: conditions such as `{ type = "ESME", region = "North", share = [1, 20] }`; everyone when not given."""
    since: Moment | None = Field(None, alias="from")
    """From when; at once when not given."""
    until: Moment | None = Field(None, alias="to")
    """Until when; for ever when not given."""
    chance: list[int] | str | None = None
    """How likely it is on an occasion: `[n, d]`; always when not given."""
    times: Annotated[int, Field(ge=1, strict=True)] | None = None
    """How often at most."""
    after: Annotated[int, Field(ge=0, strict=True)] | None = None
    """How many occasions it lets pass first."""
    counted: Literal["all", "each"] | None = None
    """Whose occasions `times` and `after` count: `all` together, or `each` device for itself; `each` where `device` is given."""
    daily: list[str] | str | None = None
    """Only between two times of the day, UTC: `["22:00", "06:00"]`."""
    params: dict[str, int | str] = {}
    """What the kind needs beside that."""

    def check(self, names: Names) -> None:
        """Everything but whether the selector finds somebody, which depends on the devices of that moment."""
        timeless = {name: value for name, value in self.body(names, 0, 0).items() if name not in ("from_ms", "to_ms")}
        read_fault(timeless, 0)
        if self.since and self.until and self.since.base == self.until.base and self.until.offset_ms <= self.since.offset_ms:
            raise Malformed("the fault would end before it begins", where="to", expected=f"later than {self.since}")
        if self.name:
            names.faults.add(self.name)

    def title(self, names: Names) -> str:
        """What goes wrong for whom."""
        whom = list(self.device) or [f"{name} {value}" for name, value in self.who.items()]
        return f"fault {self.kind}" + (f" for {', '.join(whom)}" if whom else "")

    async def run(self, stage: "Stage") -> None:
        """Plan it."""
        answer = await stage.command("POST", "faults", self.body(stage.names, stage.start_ms, stage.now_ms))
        if self.name:
            stage.faults.setdefault(self.name, []).append(answer["fault"])

    def body(self, names: Names, start_ms: int, now_ms: int) -> dict[str, Any]:
        """The fault as the control API takes it."""
        euis = [format_eui(eui) for eui in names.devices_of(self.device, "device")]
        given = {
            "kind": self.kind,
            "device": euis or None,
            "who": self.who or None,
            "from_ms": None if self.since is None else self.since.at_ms(start_ms, now_ms),
            "to_ms": None if self.until is None else self.until.at_ms(start_ms, now_ms),
            "chance": self.chance,
            "times": self.times,
            "after": self.after,
            "counted": self.counted or ("each" if euis else None),
            "daily": self.daily,
            "params": self.params or None,
            "name": self.name or None,
        }
        return {name: value for name, value in given.items() if value is not None}


class RemoveFault(Step):
    """Take a planned fault back, or all of them."""

    fault: Reference = ""
    """Name of the step, or of the `[[faults]]` entry, that planned it; all when not given."""

    def check(self, names: Names) -> None:
        """The fault."""
        if self.fault:
            names.known("fault", self.fault, names.faults, "fault")

    async def run(self, stage: "Stage") -> None:
        """Take it back."""
        if not self.fault:
            await stage.command("DELETE", "faults")
        for number in stage.faults.pop(self.fault, []):
            await stage.command("DELETE", f"faults/{number}")


STEPS: Mapping[str, type[Step]] = {"fault.add": AddFault, "fault.remove": RemoveFault}
"""One for each verb."""
