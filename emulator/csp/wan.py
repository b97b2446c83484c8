"""The way between DSP and hubs: who can be reached, and how long a message takes. Messages of one hub keep their order."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.csp.regions import CspSettings, Technology
from emulator.csp.state import CspState
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.premises.context import Journal
from emulator.premises.premises import Premises
from emulator.simulation.agenda import Agenda
from emulator.simulation.draws import draw_below
from emulator.simulation.faults import Faults


@dataclass(slots=True)
class Wan:
    """What commands and distribution share."""

    state: CspState
    agenda: Agenda
    settings: CspSettings
    faults: Faults
    seed: int
    premises: Premises
    journal: Journal

    @property
    def technologies(self) -> Mapping[str, Technology]:
        """The profiles by name."""
        return self.settings.technologies

    def check_technology(self, name: str) -> None:
        """Raise :class:`Malformed` for a technology without profile."""
        if name not in self.technologies:
            expected = f"one of {', '.join(self.technologies)}"
            raise Malformed(f"there is no WAN technology {name!r}", where="wan_technology", expected=expected)

    def number(self) -> int:
        """A number not used before for a job or message."""
        number = self.state.next_number
        self.state.next_number += 1
        return number

    def technology(self, hub: int) -> Technology:
        """How a known hub is reached."""
        return self.technologies[self.state.hubs[hub].technology]

    def reachable(self, hub: int, now_ms: int) -> bool:
        """Whether a hub is known, powered and on the WAN, when something is to be carried there or from there now."""
        return self._up(hub) and self.faults.find("wan.unreachable", hub, now_ms) is None

    def seems_reachable(self, hub: int, now_ms: int) -> bool:
        """The same for who only looks."""
        return self._up(hub) and not self.faults.active("wan.unreachable", hub, now_ms)

    def _up(self, hub: int) -> bool:
        return hub in self.state.hubs and self.premises.reachable(Eui64(hub))

    def arrives_down_ms(self, hub: int, now_ms: int) -> int:
        """When a command sent now reaches the hub."""
        way = self.state.hubs[hub]
        way.down_until_ms = max(way.down_until_ms, now_ms + self._latency_ms(hub, now_ms, "down"))
        return way.down_until_ms

    def arrives_up_ms(self, hub: int, now_ms: int) -> int:
        """When a message that leaves the hub now reaches the DSP."""
        way = self.state.hubs[hub]
        way.up_until_ms = max(way.up_until_ms, now_ms + self._latency_ms(hub, now_ms, "up"))
        return way.up_until_ms

    def arrivals_ms(self, hub: int, direction: str, at_ms: int, now_ms: int) -> list[int]:
        """When a message arrives that is due at ``at_ms``: it may be late, and arrive more than once, by fault."""
        late = self.faults.find("wan.delays_messages", hub, now_ms, direction)
        repeated = self.faults.find("wan.duplicates_messages", hub, now_ms, direction)
        first_ms = at_ms + (0 if late is None else int(late["delay_ms"]))
        return [first_ms] * (1 if repeated is None else 1 + int(repeated["copies"]))

    def _latency_ms(self, hub: int, now_ms: int, direction: str) -> int:
        technology = self.technology(hub)
        spread = technology.command_latency_max_ms - technology.command_latency_min_ms + 1
        return technology.command_latency_min_ms + draw_below(spread, self.seed, hub, now_ms, f"latency {direction}")
