"""Registered Supplier Agents: what a supplier lets an agent do with firmware (reference ota/access.md section 4).

Today an agent may not distribute firmware at all. Under the policy ``mp207_controlled`` it may send 11.1, and only that, where
the *current* responsible supplier of every device has granted it. Absence of a grant is a refusal.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, eui_bytes, parse_eui
from emulator.domain.vocabulary import CspRegion


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

    def live(self, at_ms: int) -> bool:
        """Whether it holds at that instant."""
        return self.from_ms <= at_ms < self.to_ms and (self.revoked_ms is None or at_ms < self.revoked_ms)


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


def devices_digest(devices: Iterable[int]) -> str:
    """One name for a list of devices, whatever its order and however often it names one."""
    return hashlib.sha256(b"".join(eui_bytes(eui) for eui in sorted(set(devices)))).hexdigest()


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


def find_grant(state: GrantState, agent: Eui64, supplier: str, subject: Subject, at_ms: int) -> Grant | str:
    """The first live grant of this supplier for the agent that covers the subject, or why there is none."""
    reasons = []
    for grant in state.grants.values():
        if grant.agent != agent or grant.supplier != supplier:
            continue
        if not grant.live(at_ms):
            reasons.append(f"grant {grant.number} is not live")
        elif reason := covers(grant, subject):
            reasons.append(reason)
        else:
            return grant
    return "; ".join(reasons) or f"{supplier} has granted the agent nothing"


def exclusive_agent(state: GrantState, supplier: str, subject: Subject, at_ms: int) -> Eui64 | None:
    """The agent that alone may distribute to a device of this supplier, or None."""
    for grant in state.grants.values():
        if grant.exclusive and grant.supplier == supplier and grant.live(at_ms) and not covers(grant, subject):
            return grant.agent
    return None


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
            models=_texts(values, "models"),
            regions=frozenset(CspRegion(text) for text in _texts(values, "regions")),
            versions=frozenset(text.upper() for text in _texts(values, "versions")),
            max_devices=_number(values, "max_devices", 50_000),
            approval=Approval(str(values.get("approval", "none"))),
            on_change_of_supplier=OnChangeOfSupplier(str(values.get("on_change_of_supplier", "cancel"))),
            exclusive=values.get("exclusive", False) is True,
        )
    except ValueError as error:
        raise Malformed(str(error), where="grant", expected="values as docs/reference/grants.md has them") from None
    if grant.to_ms <= grant.from_ms:
        raise Malformed("the grant would end before it begins", where="to_ms", expected=f"later than {grant.from_ms}")
    state.grants[grant.number] = grant
    state.next_number += 1
    return grant


def approve(state: GrantState, values: Mapping[str, object]) -> ApprovalToken:
    """Give an approval from plain values; ``devices`` makes it one for exactly that list."""
    known = {"grant", "version", "image_hash", "devices"}
    for name in values:
        if name not in known:
            raise Malformed(f"there is no {name!r} in an approval", where=name, expected=", ".join(sorted(known)))
    number = _number(values, "grant", None)
    if number not in state.grants:
        raise Malformed(f"there is no grant {number}", where="grant", expected="the number of a grant")
    devices = _texts(values, "devices")
    token = ApprovalToken(
        number=state.next_number,
        grant=number,
        version=_text(values, "version").upper(),
        image_hash=_text(values, "image_hash").lower(),
        devices_digest=devices_digest(parse_eui(text) for text in devices) if devices else "",
    )
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
