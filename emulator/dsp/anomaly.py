"""Anomaly detection: how much a user may ask for in a day, and what happens to what goes beyond.

A breach quarantines a request and does not refuse it: the user gets its acknowledgement and a QuarantinedRequest alert, and an
operator releases or deletes it (reference duis/duis.md 3.1 step 17, mechanism high; ota.md 11.1; limits.csv L024 to L027, the
numbers low, which is why no threshold is set unless an estate or an operator sets one).

A threshold of one user is taken as its own (N46), one of everybody as the DCC's (N47). Nothing raises N48: which attributes of
which requests have limits is in no source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import WebService
from emulator.duis.messages import Request

ANYBODY = "*"
"""In a threshold: every user, each counted for itself."""
MAX_THRESHOLDS = 500
"""Thresholds of a world (chosen: each request is held against all of its service)."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Most requests, or devices named in requests, that a user may send of one service in one UTC day."""

    user: Eui64 | None
    """None is every user, each for itself."""
    variant: str
    """Service Reference Variant."""
    requests: int | None = None
    devices: int | None = None
    """Devices count as an extra: one request for firmware can hide 50,000 (limits.csv L024, L025)."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What a request goes beyond."""

    reason: str
    of_the_dcc: bool
    """Whether the threshold is for everybody, not the user's own."""

    @property
    def purpose(self) -> str:
        """Of the DCC Alert that tells the user."""
        return "quarantined_dcc_threshold" if self.of_the_dcc else "quarantined_user_threshold"


@dataclass(slots=True)
class Usage:
    """What a user has sent of a service today."""

    day: int
    """Days since 1970 in UTC."""
    requests: int = 0
    devices: int = 0


@dataclass(slots=True)
class Quarantined:
    """A request that waits for an operator."""

    reference: int
    """QuarantineEventRef."""
    web_service: WebService
    request: Request
    user: Eui64
    at_ms: int
    reason: str
    operator: str = ""


@dataclass(slots=True)
class AnomalyState:
    """Thresholds, counts and what is quarantined."""

    thresholds: list[Threshold] = field(default_factory=list)
    usage: dict[tuple[int, str], Usage] = field(default_factory=dict)
    """By user and variant."""
    quarantine: dict[int, Quarantined] = field(default_factory=dict)
    """Oldest first; bounded by ``keep_quarantined``."""
    next_reference: int = 1


def read_threshold(values: Mapping[str, object], where: str) -> Threshold:
    """A threshold from plain values; raise :class:`Malformed` naming what is wrong."""
    known = {"user", "variant", "requests", "devices"}
    for name in values:
        if name not in known:
            raise Malformed(f"there is no {name!r} in a threshold", where=where, expected=", ".join(sorted(known)))
    user, variant = values.get("user", ANYBODY), values.get("variant")
    if not isinstance(user, str):
        raise Malformed(f"user is {user!r}", where=f"{where}.user", expected="an EUI or *")
    if not isinstance(variant, str) or variant not in service_reference_variants():
        raise Malformed(f"variant is {variant!r}", where=f"{where}.variant", expected="a Service Reference Variant such as 11.1")
    limits: dict[str, int | None] = {}
    for name in ("requests", "devices"):
        value = values.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise Malformed(f"{name} is {value!r}", where=f"{where}.{name}", expected="a number, 0 or more")
        limits[name] = value
    if limits["requests"] is None and limits["devices"] is None:
        raise Malformed("the threshold limits nothing", where=where, expected="requests, devices or both")
    return Threshold(None if user == ANYBODY else parse_eui(user), variant, limits["requests"], limits["devices"])


def read_thresholds(values: Mapping[str, object], where: str) -> tuple[Threshold, ...]:
    """The ``thresholds`` list of an estate's settings."""
    listed = values.get("thresholds", [])
    if set(values) - {"thresholds"} or not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Malformed("not a list of thresholds", where=where, expected='thresholds = [{ variant = "11.1", requests = 20 }]')
    return tuple(read_threshold(each, f"{where}.thresholds[{position}]") for position, each in enumerate(listed))


def put_threshold(state: AnomalyState, threshold: Threshold) -> None:
    """Set a threshold in place of an earlier one for the same user and variant; raise :class:`Malformed` for one too many."""
    key = (threshold.user, threshold.variant)
    others = [each for each in state.thresholds if (each.user, each.variant) != key]
    if len(others) >= MAX_THRESHOLDS:
        raise Malformed("there are too many thresholds", where="threshold", expected=f"at most {MAX_THRESHOLDS}")
    state.thresholds[:] = [*others, threshold]


def devices_named(request: Request) -> int:
    """How many devices a request is for: its DeviceIDList, else one."""
    listed = request.body.value("DeviceIDList")
    return 1 if listed is None else listed.count(",") + 1


def breach(state: AnomalyState, user: Eui64, request: Request, now_ms: int) -> Breach | None:
    """Count a request and say which threshold it breaches, or None.

    A user's own threshold stands in place of the one for everybody. What is over a threshold is not counted: it has not been let
    through.
    """
    variant = request.service_reference_variant
    threshold = _applicable(state.thresholds, user, variant)
    if threshold is None:
        return None
    day = now_ms // DAY_MS
    usage = state.usage.get((user, variant))
    if usage is None or usage.day != day:
        usage = state.usage[user, variant] = Usage(day)
    devices = devices_named(request)
    for name, sent, more, most in (
        ("requests", usage.requests, 1, threshold.requests),
        ("devices", usage.devices, devices, threshold.devices),
    ):
        if most is not None and sent + more > most:
            reason = f"{sent + more} {name} of {variant} by {format_eui(user)} today; the threshold is {most}"
            return Breach(reason, threshold.user is None)
    usage.requests += 1
    usage.devices += devices
    return None


def _applicable(thresholds: Sequence[Threshold], user: Eui64, variant: str) -> Threshold | None:
    found = [each for each in thresholds if each.variant == variant and each.user in (None, user)]
    return max(found, key=lambda each: each.user is not None, default=None)


def hold(
    state: AnomalyState, web_service: WebService, request: Request, user: Eui64, now_ms: int, reason: str, operator: str = ""
) -> Quarantined:
    """Put a request into quarantine."""
    held = Quarantined(state.next_reference, web_service, request, user, now_ms, reason, operator)
    state.quarantine[held.reference] = held
    state.next_reference += 1
    return held


def crowded_out(state: AnomalyState, limit: int) -> list[Quarantined]:
    """Take the oldest requests out of quarantine where it holds more than ``limit``."""
    too_many = len(state.quarantine) - limit
    return [state.quarantine.pop(reference) for reference in list(islice(state.quarantine, max(0, too_many)))]


def take(state: AnomalyState, reference: int) -> Quarantined:
    """Take a request out of quarantine; raise :class:`Malformed` when it is not there."""
    held = state.quarantine.pop(reference, None)
    if held is None:
        known = ", ".join(map(str, sorted(state.quarantine))) or "nothing is in quarantine"
        raise Malformed(f"nothing is quarantined under {reference}", where="reference", expected=known)
    return held
