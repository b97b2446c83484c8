"""The fault plan: what goes wrong, for whom, when.

Behaviour asks at named points whether a fault applies to an entity now. The plan is plain state: explicit entries, looked
through in the order in which they were made, so the same plan and the same questions give the same answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emulator.domain.errors import Malformed

Params = Mapping[str, int | str]

KINDS: Mapping[str, str] = {
    "csp.rejects_image": "the CSP finds the file damaged and refuses it (ota.md F12)",
    "wan.unreachable": "the hub is off the WAN: nothing reaches it or leaves it (F16)",
    "wan.loses_upstream": "a message from the home is lost on its way up (F30, F35)",
    "wan.transfer_fails": "the CSP cannot get the image to the hub (F17)",
    "hub.store_full": "the hub refuses an image for lack of room (F18)",
    "hub.loses_image": "the hub accepts an image and loses it before any device asks (F19, F21)",
    "han.transfer_fails": "the transfer to the device breaks off (F24)",
    "han.drop_after_download": "the device leaves the HAN once its image is verified (F37)",
    "han.drop_after_activation": "the device leaves the HAN once it runs the new firmware (F37)",
    "device.never_queries": "the device does not ask for its image (F23)",
    "device.verify_fails": "the device finds the supplier's signature wrong (F29)",
    "device.loses_image": "the device no longer holds its verified image (F32)",
    "device.activation_fails": "activation fails, the old firmware goes on (F34, F42)",
    "device.dies_on_activation": "the device does not come up again after activation (ota.md 11.6)",
    "device.silent": "the device answers nothing and reports nothing",
    "device.read_fails": "the device answers reads with a hardware fault",
}
"""Every point at which behaviour consults the plan, and what happens there."""


class Faults(Protocol):
    """What behaviour needs of a fault plan."""

    def find(self, kind: str, entity: int, now_ms: int) -> Params | None:
        """The parameters of the first entry that applies, or None; an entry with a limited count is used up by one."""
        ...

    def active(self, kind: str, entity: int, now_ms: int) -> bool:
        """Whether an entry applies now; uses nothing up."""
        ...


@dataclass(slots=True)
class FaultEntry:
    """One planned fault."""

    number: int
    kind: str
    entity: int | None
    """EUI of the hub or device; None is everyone."""
    from_ms: int
    """Simulated time from which it applies."""
    to_ms: int | None
    """Exclusive end; None is for ever."""
    times: int | None
    """How often it may still happen; None is without limit."""
    params: dict[str, int | str] = field(default_factory=dict)

    def applies(self, entity: int, now_ms: int) -> bool:
        """Whether this entry hits ``entity`` at ``now_ms``."""
        return (
            self.entity in (None, entity)
            and self.from_ms <= now_ms
            and (self.to_ms is None or now_ms < self.to_ms)
            and self.times != 0
        )


@dataclass(slots=True)
class FaultState:
    """All that a snapshot needs of the plan."""

    entries: list[FaultEntry] = field(default_factory=list)
    next_number: int = 1


class FaultPlan:
    """The plan of one world."""

    def __init__(self, state: FaultState | None = None) -> None:
        self.state = state or FaultState()

    def add(
        self,
        kind: str,
        entity: int | None = None,
        *,
        from_ms: int = 0,
        to_ms: int | None = None,
        times: int | None = None,
        params: Params | None = None,
    ) -> int:
        """Plan a fault and return its number; raise :class:`Malformed` for an unknown kind or an empty span."""
        if kind not in KINDS:
            raise Malformed(f"there is no fault {kind!r}", where="kind", expected=f"one of {', '.join(KINDS)}")
        if to_ms is not None and to_ms <= from_ms:
            raise Malformed("the fault would end before it begins", where="to_ms", expected=f"later than {from_ms}")
        if times is not None and times < 1:
            raise Malformed("the fault would never happen", where="times", expected="1 or more, or none")
        number = self.state.next_number
        self.state.next_number += 1
        self.state.entries.append(FaultEntry(number, kind, entity, from_ms, to_ms, times, dict(params or {})))
        return number

    def remove(self, number: int) -> bool:
        """Drop an entry; False when there is none of this number."""
        kept = [entry for entry in self.state.entries if entry.number != number]
        found = len(kept) != len(self.state.entries)
        self.state.entries[:] = kept
        return found

    def clear(self) -> None:
        """Drop all entries."""
        self.state.entries.clear()

    @property
    def entries(self) -> tuple[FaultEntry, ...]:
        """The entries in the order in which they were made, the used-up ones included."""
        return tuple(self.state.entries)

    def find(self, kind: str, entity: int, now_ms: int) -> Params | None:
        """See :meth:`Faults.find`."""
        for entry in self.state.entries:
            if entry.kind == kind and entry.applies(entity, now_ms):
                if entry.times is not None:
                    entry.times -= 1
                return entry.params
        return None

    def active(self, kind: str, entity: int, now_ms: int) -> bool:
        """See :meth:`Faults.active`."""
        return any(entry.kind == kind and entry.applies(entity, now_ms) for entry in self.state.entries)
