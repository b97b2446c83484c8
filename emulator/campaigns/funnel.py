"""How far the devices of a campaign have come, in exact numbers.

Stages are cumulative: who came to one came to all before it, whether or not that was reported. Everything else of a
:class:`Tally` counts devices as they are now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

STAGES = ("requested", "accepted", "with_csp", "at_hub", "downloaded", "verified", "activated", "confirmed")
"""From the request to the read that proves the version (reference ota/ota.md sections 6 and 11.2). A user of DUIS is not told of
the hand-over to the CSP: there ``with_csp`` is what was accepted."""

STAGE_NUMBER: Mapping[str, int] = {name: number for number, name in enumerate(STAGES)}

NOT_DELIVERED = "not delivered"
"""The CSP did not bring the image to the hub (N61, FirmwareDistributionFailure)."""
TRANSFER_FAILED = "transfer failed"
"""The hub did not bring it to the device (8F89)."""
SIGNATURE_BAD = "signature bad"
"""The device found the supplier's signature wrong (8F1C)."""
NOTHING_HEARD = "nothing heard"
"""No outcome came within the plan's patience."""
ACTIVATION_FAILED = "activation failed"
"""The device stays on its old firmware (activation code 1 to 3, 8F67, a PPMID's failure)."""
VERSION_DIFFERS = "version differs"
"""A read showed another version than the one that was activated."""
CANCELLED = "cancelled"
"""An emergency stop ended it before the image was at the device."""

FAILURES: Mapping[str, str] = {
    NOT_DELIVERED: "the CSP did not bring the image to the hub",
    TRANSFER_FAILED: "the hub did not bring the image to the device",
    SIGNATURE_BAD: "the device found the supplier's signature wrong",
    NOTHING_HEARD: "no outcome came within the plan's patience",
    ACTIVATION_FAILED: "the device stays on its old firmware",
    VERSION_DIFFERS: "a read showed another version than the one that was activated",
    CANCELLED: "an emergency stop came first, or the date of its activation was cancelled",
}
"""Reasons of failures after acceptance. Devices that the DSP refuses have the name of their warning list, or the response code,
as their reason."""

ROLLBACK_WAVE = 0
"""Number of the wave that takes devices back; those of the plan are 1, 2, 3 …"""


class Slice(NamedTuple):
    """A part of a campaign that is counted by itself."""

    wave: int
    region: str
    technology: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Devices of one part of a campaign."""

    stages: tuple[int, ...] = (0,) * len(STAGES)
    """Devices that came to each of :data:`STAGES`."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Devices that failed, by reason."""
    contact_lost: int = 0
    """Devices that a read did not reach after the image had reached them."""
    overdue: int = 0
    """Devices whose image was not at the hub within the service level; they stay counted when it comes later."""
    open: int = 0
    """Devices for which something is still awaited: the image, its verification, or an activation that the plan wants."""
    unread: int = 0
    """Devices that are through and that the plan wants read, with no outcome of a read yet."""

    retriable: int = 0
    """Of those that failed, devices that the plan wants tried again."""

    @property
    def requested(self) -> int:
        """Devices in requests."""
        return self.stages[0]

    @property
    def accepted(self) -> int:
        """Devices that the DSP took."""
        return self.stages[1]

    @property
    def failed(self) -> int:
        """Devices that failed, for whatever reason."""
        return sum(self.failures.values())

    def at(self, stage: str) -> int:
        """Devices that came to a stage."""
        return self.stages[STAGE_NUMBER[stage]]

    def __add__(self, other: "Tally") -> "Tally":
        failures = dict(self.failures)
        for reason, count in other.failures.items():
            failures[reason] = failures.get(reason, 0) + count
        return Tally(
            tuple(one + two for one, two in zip(self.stages, other.stages, strict=True)),
            dict(sorted(failures.items())),
            self.contact_lost + other.contact_lost,
            self.overdue + other.overdue,
            self.open + other.open,
            self.unread + other.unread,
            self.retriable + other.retriable,
        )

    def as_json(self) -> dict[str, object]:
        """Stages by name, then the rest."""
        return {
            **dict(zip(STAGES, self.stages, strict=True)),
            "failed": self.failed,
            "failures": dict(sorted(self.failures.items())),
            "contact_lost": self.contact_lost,
            "overdue": self.overdue,
            "open": self.open,
            "unread": self.unread,
            "retriable": self.retriable,
        }


Tallies = Mapping[Slice, Tally]


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum."""
    found = Tally()
    for each in tallies:
        found += each
    return found


def by(name: str, tallies: Tallies, *, waves: bool = True) -> dict[int | str, Tally]:
    """Sums per ``wave``, ``region`` or ``technology``; without the rollback where ``waves`` asks for the plan's waves alone."""
    found: dict[int | str, Tally] = {}
    for part, tally in sorted(tallies.items()):
        if not waves or part.wave != ROLLBACK_WAVE:
            key = getattr(part, name)
            found[key] = found.get(key, Tally()) + tally
    return found
