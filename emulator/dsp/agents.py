"""What a Registered Supplier Agent may do with firmware under the policy in force (reference ota/access.md section 4).

Order of authorisation, first failure wins: the agent is registered for the device, the *current* responsible supplier has a live
grant for it that covers model, region and version, the approval it asks for is there, the batch is no larger than it allows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import CspRegion, UserRole
from emulator.dsp import grants
from emulator.dsp.context import Context
from emulator.dsp.grants import Grant, Subject
from emulator.dsp.registration import claims, registered, supplier_parties
from emulator.dsp.state import InventoryEntry, User

TODAY = "today"
CONTROLLED = "mp207_controlled"

AGENT_SERVICES = frozenset({"11.1"})
"""What the controlled policy adds to an agent's rights: distribution to meters, never activation (11.3) and never what
activates by itself (11.4) (M7-22, M7-16)."""


@dataclass(slots=True)
class Authorisation:
    """What an agent may do with one image."""

    granted: dict[Eui64, Grant] = field(default_factory=dict)
    refused: dict[Eui64, str] = field(default_factory=dict)
    """Devices and why not."""
    tokens: list[grants.ApprovalToken] = field(default_factory=list)
    """Approvals that acceptance uses up."""


def extra_roles(context: Context, variant: str) -> tuple[UserRole, ...]:
    """Roles that the policy in force makes eligible for a variant beside those of the matrix."""
    return (UserRole.RSA,) if context.settings.rsa_policy == CONTROLLED and variant in AGENT_SERVICES else ()


def subject_of(context: Context, device: InventoryEntry, version: str) -> Subject:
    """What a grant is held against."""
    premises = context.state.premises.get(device.hub) if device.hub is not None else None
    return Subject(
        mpxn=device.import_mpxn,
        model=f"{device.manufacturer}/{device.model}",
        region=premises.region if premises is not None else CspRegion.UNKNOWN,
        version=version,
    )


def authorise(
    context: Context, agent: User, devices: Iterable[InventoryEntry], version: str, image_hash: str, listed: Iterable[Eui64]
) -> Authorisation:
    """Hold the devices of a request against the grants; ``listed`` is the whole list, which an approval of a batch names."""
    result = Authorisation()
    by_grant: dict[int, list[Eui64]] = {}
    for device in devices:
        found = _grant(context, agent, device, version)
        if isinstance(found, str):
            result.refused[device.eui] = found
        else:
            result.granted[device.eui] = found
            by_grant.setdefault(found.number, []).append(device.eui)
    digest = grants.devices_digest(listed)
    for number, euis in by_grant.items():
        grant = context.state.grants.grants[number]
        approval = grants.approval_for(context.state.grants, grant, version, image_hash, digest)
        reason = approval if isinstance(approval, str) else ""
        if not reason and len(euis) > grant.max_devices:
            reason = f"grant {number} allows {grant.max_devices} devices in one request, not {len(euis)}"
        if reason:
            for eui in euis:
                del result.granted[eui]
                result.refused[eui] = reason
        elif approval is not None and not isinstance(approval, str) and approval.devices_digest:
            result.tokens.append(approval)
    return result


def _grant(context: Context, agent: User, device: InventoryEntry, version: str) -> Grant | str:
    now_ms = context.now_ms
    appointed = any(
        role is UserRole.RSA and registered(context, mpxn, role, agent.party, now_ms) for mpxn, role in claims(context, device)
    )
    if not appointed:
        return f"{agent.party} is not the registered agent"
    subject, reasons = subject_of(context, device, version), []
    for supplier in supplier_parties(context, device, now_ms):
        found = grants.find_grant(context.state.grants, agent.eui, supplier, subject, now_ms)
        if isinstance(found, str):
            reasons.append(found)
        elif agent.security_assurance < _assurance(context, supplier):
            reasons.append(f"the security assurance of {agent.party} is lower than that of {supplier}")
        else:
            return found
    return "; ".join(reasons) or "no supplier is registered"


def _assurance(context: Context, party: str) -> int:
    return max((user.security_assurance for user in context.lookup.users_of(party)), default=0)


def kept_for_an_agent(context: Context, user: User, device: InventoryEntry, version: str) -> str:
    """Why a supplier itself may not distribute to a device, as its own exclusive grant has it (M7-25); empty when it may."""
    if context.settings.rsa_policy != CONTROLLED:
        return ""
    subject = subject_of(context, device, version)
    for supplier in supplier_parties(context, device, context.now_ms):
        agent = grants.exclusive_agent(context.state.grants, supplier, subject, context.now_ms)
        if agent is not None and agent != user.eui:
            return f"{supplier} keeps the device for its agent"
    return ""
