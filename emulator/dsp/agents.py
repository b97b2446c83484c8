"""What a Registered Supplier Agent may do with firmware under the policy in force (reference ota/access.md section 4).

For each device one of its MPxNs must have the agent as registered agent *and* a *current* responsible supplier with a grant for
it that is live, covers MPxN, model, region and version, has the approval it asks for, and allows as many devices as the request
names of those that it covers. What anybody lost since the grant was made, the grant does not give back (section 5).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import UserRole
from emulator.dsp import grants
from emulator.dsp.context import Context
from emulator.dsp.device_lists import devices_digest
from emulator.dsp.grants import ApprovalToken, Grant, Offers, Subject
from emulator.dsp.registration import SUPPLIERS, claims, lost_since, registered, registered_party
from emulator.dsp.state import InventoryEntry, User

TODAY = "today"
CONTROLLED = "mp207_controlled"

AGENT_SERVICES = frozenset({"11.1"})
"""What the controlled policy adds to an agent's rights: distribution to meters, never activation (11.3) and never what
activates by itself (11.4) (M7-22, M7-16)."""

ACTIVATION = "11.3"
"""What agents may ask for under ``agents_may_activate`` alone."""


@dataclass(slots=True)
class Authorisation:
    """What an agent may do with one image."""

    granted: dict[Eui64, Grant] = field(default_factory=dict)
    refused: dict[Eui64, str] = field(default_factory=dict)
    """Devices and why not."""
    tokens: dict[int, ApprovalToken] = field(default_factory=dict)
    """By grant: the approval of a batch that using it uses up."""


def extra_roles(context: Context, variant: str) -> tuple[UserRole, ...]:
    """Roles that the policy in force makes eligible for a variant beside those of the matrix."""
    settings = context.settings
    controlled = settings.rsa_policy == CONTROLLED and variant in AGENT_SERVICES
    return (UserRole.RSA,) if controlled or (settings.agents_may_activate and variant == ACTIVATION) else ()


def _subject(context: Context, device: InventoryEntry, mpxn: str, version: str) -> Subject:
    """What a grant is held against."""
    return Subject(
        mpxn=mpxn,
        model=f"{device.manufacturer}/{device.model}",
        region=context.region(device.eui),
        version=version,
    )


def _supplied(context: Context, device: InventoryEntry) -> Iterator[tuple[str, str]]:
    """The MPxNs through which a device has a supplier now, and that supplier's company."""
    for mpxn, role in claims(context, device):
        if role in SUPPLIERS and (supplier := registered_party(context, mpxn, role, context.now_ms)) is not None:
            yield mpxn, supplier


class _Case:
    """The grants to one agent held against one request."""

    def __init__(self, context: Context, agent: User, version: str) -> None:
        self._context = context
        self._agent = agent
        self._version = version
        self._offers = Offers(grant for grant in context.state.grants.grants.values() if grant.agent == agent.eui)
        self._exclusive = Exclusive(context)
        self._assurance: dict[str, int] = {}

    def covering(self, device: InventoryEntry) -> list[Grant] | str:
        """The grants that cover a device, whatever else they ask for, or why there are none."""
        context, agent = self._context, self._agent
        found: dict[int, Grant] = {}  # a meter may have two MPxNs of one supplier
        reasons: list[str] = []
        appointed = False
        for mpxn, supplier in _supplied(context, device):
            if not registered(context, mpxn, UserRole.RSA, agent.party, context.now_ms):
                continue
            appointed = True
            for grant, reason in self._held_against(supplier, _subject(context, device, mpxn, self._version)):
                if reason:
                    reasons.append(reason)
                else:
                    found[grant.number] = grant
            if not self._offers.of(supplier, mpxn):
                reasons.append(f"{supplier} has granted the agent nothing for {mpxn}")
        if not appointed:
            return f"{agent.party} is not the registered agent"
        if found and (kept := self._exclusive.kept(agent.eui, device, self._version)):
            return kept
        return list(found.values()) or "; ".join(dict.fromkeys(reasons))

    def _held_against(self, supplier: str, subject: Subject) -> Iterator[tuple[Grant, str]]:
        context, agent = self._context, self._agent
        if supplier not in self._assurance:
            users = context.lookup.users_of(supplier)
            self._assurance[supplier] = max((user.security_assurance for user in users), default=0)
        for grant in self._offers.of(supplier, subject.mpxn):
            reason = grants.refusal(grant, subject, context.now_ms)
            if not reason and ended(context, grant, subject.mpxn):
                reason = f"grant {grant.number} ended for {subject.mpxn} when its supplier or its agent changed"
            if not reason and agent.security_assurance < self._assurance[supplier]:
                reason = f"the security assurance of {agent.party} is lower than that of {supplier}"
            yield grant, reason


def ended(context: Context, grant: Grant, mpxn: str) -> bool:
    """Whether the supplier or the agent lost the MPxN since the grant was made; that either has it again changes nothing
    (access.md sections 4 and 5: a grant is bound to supplier, MPxN and effective date)."""
    since_ms = grant.from_ms if grant.made_ms is None else grant.made_ms
    if lost_since(context, mpxn, SUPPLIERS, grant.supplier, since_ms):
        return True
    agent = context.state.users.get(grant.agent)
    return agent is not None and lost_since(context, mpxn, (UserRole.RSA,), agent.party, since_ms)


def authorise(
    context: Context, agent: User, devices: Iterable[InventoryEntry], version: str, image_hash: str, listed: Iterable[Eui64]
) -> Authorisation:
    """Hold the devices of a request against the grants; ``listed`` is the whole list, which an approval of a batch names.

    A device may have the image when one grant lets it have it, whatever others there are.
    """
    result, case = Authorisation(), _Case(context, agent, version)
    covering: dict[Eui64, list[Grant]] = {}
    sizes: dict[int, int] = {}
    for device in devices:
        found = case.covering(device)
        if isinstance(found, str):
            result.refused[device.eui] = found
            continue
        covering[device.eui] = found
        for grant in found:
            sizes[grant.number] = sizes.get(grant.number, 0) + 1
    unusable = _unusable(context, result, sizes, (version, image_hash, devices_digest(listed)))
    for eui, found in covering.items():
        usable = next((grant for grant in found if grant.number not in unusable), None)
        if usable is None:
            result.refused[eui] = "; ".join(unusable[grant.number] for grant in found)
        else:
            result.granted[eui] = usable
    return result


def _unusable(context: Context, result: Authorisation, sizes: Mapping[int, int], batch: tuple[str, str, str]) -> dict[int, str]:
    """Of the grants that cover devices of a request, those that do not let it pass, and why; ``batch`` is the version, the hash
    of the image and the digest of the list. Approvals that would be used up go into the result."""
    state, unusable = context.state.grants, {}
    for number, size in sizes.items():
        grant = state.grants[number]
        approval = grants.approval_for(state, grant, *batch)
        if isinstance(approval, str):
            unusable[number] = approval
        elif size > grant.max_devices:
            unusable[number] = f"grant {number} allows {grant.max_devices} devices in one request, not {size}"
        elif approval is not None and approval.devices_digest:
            result.tokens[number] = approval
    return unusable


class Exclusive:
    """The exclusive grants of this instant: what they cover, nobody but their agent distributes to (M7-25)."""

    def __init__(self, context: Context) -> None:
        """Look them up."""
        controlled = context.settings.rsa_policy == CONTROLLED
        found = context.state.grants.grants.values() if controlled else ()
        self._context = context
        self._offers = Offers(grant for grant in found if grant.exclusive and grant.live(context.now_ms))

    @property
    def guards(self) -> bool:
        """Whether there is any such grant."""
        return bool(self._offers)

    def kept(self, user: Eui64, device: InventoryEntry, version: str) -> str:
        """Why a user may not distribute to a device, as an exclusive grant of its supplier to another has it; empty when it
        may."""
        if not self._offers:
            return ""
        context = self._context
        for mpxn, supplier in _supplied(context, device):
            subject = _subject(context, device, mpxn, version)
            for grant in self._offers.of(supplier, mpxn):
                if grant.agent != user and not grants.covers(grant, subject) and not ended(context, grant, mpxn):
                    return f"{supplier} keeps the device for its agent"
        return ""
