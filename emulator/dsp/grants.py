"""Registered Supplier Agents: what a supplier lets an agent do with firmware (reference ota/access.md section 4).

Today an agent may not distribute firmware at all. Under the policy ``mp207_controlled`` it may send 11.1, and only that, where
the *current* responsible supplier of every device has granted it. Absence of a grant is a refusal.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.domain.vocabulary import CspRegion
from emulator.dsp.device_lists import devices_digest

MAX_GRANTS = 2_000
"""Grants that a world remembers (chosen). Where there is no room, those that have ended are forgotten first."""
MAX_GRANT_MPXNS = 200_000
"""MPxNs that all of them may name together (chosen: they are written out in every snapshot)."""
MAX_APPROVALS = 10_000
"""Approvals that a world remembers (chosen). Where there is no room, those that nobody can use any more are forgotten first."""

MAX_WRITTEN_VALUES = 100
"""Values of a filter that the audit trail has in full (chosen)."""


class Approval(StrEnum):
    """What a grant asks for beside itself (M7-01, M7-02)."""

    NONE = "none"
    PER_VERSION = "per_version"
    """The supplier approved this image for this grant."""
    PER_BATCH = "per_batch"
    """The supplier approved this image for exactly this list of devices, once."""


class OnChangeOfSupplier(StrEnum):
    """What becomes of an agent's distribution that is not at its hub when the supplier changes (access.md section 5)."""

    CANCEL = "cancel"
    LET_RUN = "let_run"


@dataclass(slots=True)
class Grant:
    """Leave of one supplier for one agent; every filter that is not empty must fit."""

    number: int
    supplier: str
    """The company that grants."""
    agent: Eui64
    """User ID of the agent."""
    from_ms: int
    to_ms: int
    """Exclusive."""
    mpxns: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    """Manufacturer and model as ``11E5/00020101``."""
    regions: frozenset[CspRegion] = frozenset()
    versions: frozenset[str] = frozenset()
    max_devices: int = 50_000
    """Most devices of this supplier in one request."""
    approval: Approval = Approval.NONE
    on_change_of_supplier: OnChangeOfSupplier = OnChangeOfSupplier.CANCEL
    exclusive: bool = False
    """While it is live nobody else, not even the supplier, distributes to the devices it covers (M7-25)."""
    revoked_ms: int | None = None
    made_ms: int | None = None
    """When it was given: what the supplier or the agent loses after that, the grant does not give back. None in old snapshots."""

    def live(self, at_ms: int) -> bool:
        """Whether it holds at that instant."""
        return self.from_ms <= at_ms < self.to_ms and (self.revoked_ms is None or at_ms < self.revoked_ms)

    def over(self, at_ms: int) -> bool:
        """Whether it has ended for good."""
        return self.to_ms <= at_ms or (self.revoked_ms is not None and self.revoked_ms <= at_ms)


@dataclass(slots=True)
class ApprovalToken:
    """A supplier's approval of one image under one grant."""

    number: int
    grant: int
    version: str
    image_hash: str
    """SHA-256 of the Manufacturer Image, hexadecimal."""
    devices_digest: str = ""
    """Digest of the list it is for; empty for any list."""
    used_by: str = ""
    """RequestID that used up a token for one batch."""


@dataclass(slots=True)
class GrantState:
    """All grants and approvals."""

    grants: dict[int, Grant] = field(default_factory=dict)
    tokens: dict[int, ApprovalToken] = field(default_factory=dict)
    next_number: int = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """What a grant is held against: one device with one image."""

    mpxn: str
    model: str
    region: CspRegion
    version: str


def covers(grant: Grant, subject: Subject) -> str:
    """Why a grant does not cover a device and image; empty when it does."""
    for name, allowed, value in (
        ("MPxN", grant.mpxns, subject.mpxn),
        ("model", grant.models, subject.model),
        ("region", grant.regions, subject.region),
        ("version", grant.versions, subject.version),
    ):
        if allowed and value not in allowed:
            return f"grant {grant.number} does not cover {name} {value}"
    return ""


def refusal(grant: Grant, subject: Subject, at_ms: int) -> str:
    """Why a grant does not help at that instant; empty when it does."""
    return covers(grant, subject) if grant.live(at_ms) else f"grant {grant.number} is not live"


def written(grant: Grant) -> str:
    """Terms and filters of a grant, for the audit trail; a long list of MPxNs by number and SHA-256 of the sorted lines."""
    terms = [
        f"from {grant.from_ms}",
        f"to {grant.to_ms}",
        f"max_devices {grant.max_devices}",
        f"approval {grant.approval}",
        f"on_change_of_supplier {grant.on_change_of_supplier}",
        *(["exclusive"] if grant.exclusive else []),
    ]
    for name in ("mpxns", "models", "regions", "versions"):
        values = sorted(getattr(grant, name))
        if len(values) > MAX_WRITTEN_VALUES:
            digest = hashlib.sha256("\n".join(values).encode()).hexdigest()
            terms.append(f"{name} {len(values)} of sha256 {digest}")
        elif values:
            terms.append(f"{name} {' '.join(values)}")
    return "; ".join(terms)


class Offers:
    """Some grants by supplier and MPxN, so that a request for 50,000 devices does not try each grant on each device."""

    def __init__(self, found: Iterable[Grant]) -> None:
        """Sort them."""
        self._named: dict[tuple[str, str], list[Grant]] = {}
        self._open: dict[str, list[Grant]] = {}
        for grant in found:
            if grant.mpxns:
                for mpxn in grant.mpxns:
                    self._named.setdefault((grant.supplier, mpxn), []).append(grant)
            else:
                self._open.setdefault(grant.supplier, []).append(grant)

    def __bool__(self) -> bool:
        return bool(self._named or self._open)

    def of(self, supplier: str, mpxn: str) -> list[Grant]:
        """Grants of a supplier that may cover the MPxN, oldest first."""
        named, always = self._named.get((supplier, mpxn), []), self._open.get(supplier, [])
        return sorted(named + always, key=attrgetter("number")) if named and always else named or always


def approval_for(state: GrantState, grant: Grant, version: str, image_hash: str, digest: str) -> ApprovalToken | str | None:
    """The token that a grant asks for, None when it asks for none, or what is missing."""
    if grant.approval is Approval.NONE:
        return None
    for token in state.tokens.values():
        if (token.grant, token.version, token.image_hash) != (grant.number, version, image_hash) or token.used_by:
            continue
        if grant.approval is Approval.PER_VERSION and not token.devices_digest:
            return token
        if grant.approval is Approval.PER_BATCH and token.devices_digest == digest:
            return token
    what = "version" if grant.approval is Approval.PER_VERSION else "batch"
    return f"grant {grant.number} asks for an approval of this {what}, and there is none"


def put_grant(state: GrantState, values: Mapping[str, object], now_ms: int) -> Grant:
    """Make a grant from plain values; raise :class:`Malformed` naming what is wrong."""
    known = {
        "supplier", "agent", "from_ms", "to_ms", "mpxns", "models", "regions", "versions", "max_devices", "approval",
        "on_change_of_supplier", "exclusive",
    }  # fmt: skip
    for name in values:
        if name not in known:
            raise Malformed(f"there is no {name!r} in a grant", where=name, expected=", ".join(sorted(known)))
    try:
        grant = Grant(
            number=state.next_number,
            supplier=_text(values, "supplier"),
            agent=parse_eui(_text(values, "agent")),
            from_ms=_number(values, "from_ms", now_ms),
            to_ms=_number(values, "to_ms", None),
            mpxns=_texts(values, "mpxns"),
            models=frozenset(text.upper() for text in _texts(values, "models")),
            regions=frozenset(CspRegion(text) for text in _texts(values, "regions")),
            versions=frozenset(text.upper() for text in _texts(values, "versions")),
            max_devices=_number(values, "max_devices", 50_000),
            approval=Approval(str(values.get("approval", "none"))),
            on_change_of_supplier=OnChangeOfSupplier(str(values.get("on_change_of_supplier", "cancel"))),
            exclusive=_flag(values, "exclusive"),
            made_ms=now_ms,
        )
    except ValueError as error:
        raise Malformed(str(error), where="grant", expected="values as docs/reference/grants.md has them") from None
    if grant.to_ms <= grant.from_ms:
        raise Malformed("the grant would end before it begins", where="to_ms", expected=f"later than {grant.from_ms}")
    _make_room(state, grant, now_ms)
    state.grants[grant.number] = grant
    state.next_number += 1
    return grant


def _make_room(state: GrantState, wanted: Grant, now_ms: int) -> None:
    """Forget grants that have ended, with their approvals, where that is needed for one more; raise :class:`Malformed` where it
    does not help, and nothing changes."""

    def fit(grants: Iterable[Grant]) -> bool:
        sizes = [len(each.mpxns) for each in grants]
        return len(sizes) < MAX_GRANTS and sum(sizes) + len(wanted.mpxns) <= MAX_GRANT_MPXNS

    if fit(state.grants.values()):
        return
    kept = {number: grant for number, grant in state.grants.items() if not grant.over(now_ms)}
    if not fit(kept.values()):
        expected = f"at most {MAX_GRANTS} that have not ended, with {MAX_GRANT_MPXNS} MPxNs in all; revoke some"
        raise Malformed("there are too many grants", where="grants", expected=expected)
    state.grants = kept
    state.tokens = {number: token for number, token in state.tokens.items() if token.grant in kept}


def approve(state: GrantState, values: Mapping[str, object]) -> ApprovalToken:
    """Give an approval from plain values; ``devices`` makes it one for exactly that list."""
    known = {"grant", "version", "image_hash", "devices"}
    for name in values:
        if name not in known:
            raise Malformed(f"there is no {name!r} in an approval", where=name, expected=", ".join(sorted(known)))
    number, devices = _number(values, "grant", None), _texts(values, "devices")
    grant = state.grants.get(number)
    if grant is None:
        raise Malformed(f"there is no grant {number}", where="grant", expected="the number of a grant")
    if grant.approval is Approval.PER_BATCH and not devices:
        raise Malformed("devices are missing", where="devices", expected="the batch: the grant asks for an approval of each")
    if grant.approval is Approval.PER_VERSION and devices:
        raise Malformed("devices are given", where="devices", expected="none: the grant asks for an approval of the version")
    token = ApprovalToken(
        number=state.next_number,
        grant=number,
        version=_text(values, "version").upper(),
        image_hash=_text(values, "image_hash").lower(),
        devices_digest=devices_digest(parse_eui(text) for text in devices) if devices else "",
    )
    if len(state.tokens) >= MAX_APPROVALS:
        kept = {key: each for key, each in state.tokens.items() if not each.used_by}
        if len(kept) >= MAX_APPROVALS:
            raise Malformed("there are too many approvals", where="approvals", expected=f"at most {MAX_APPROVALS} not used")
        state.tokens = kept
    state.tokens[token.number] = token
    state.next_number += 1
    return token


def revoke(state: GrantState, number: int, now_ms: int) -> Grant:
    """End a grant now; raise :class:`Malformed` when there is none."""
    grant = state.grants.get(number)
    if grant is None:
        raise Malformed(f"there is no grant {number}", where="grant", expected="the number of a grant")
    if grant.revoked_ms is None:
        grant.revoked_ms = now_ms
    return grant


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is {value!r}", where=name, expected="a text")
    return value


def _number(values: Mapping[str, object], name: str, default: int | None) -> int:
    value = values.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"{name} is {value!r}", where=name, expected="a number, 0 or more")
    return value


def _texts(values: Mapping[str, object], name: str) -> frozenset[str]:
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Malformed(f"{name} is {value!r}", where=name, expected="a list of texts")
    return frozenset(value)


def _flag(values: Mapping[str, object], name: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise Malformed(f"{name} is {value!r}", where=name, expected="true or false")
    return value
