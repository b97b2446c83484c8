"""Who may have firmware distributed to what, said a second time and as plainly as possible.

Nothing here is shared with the emulator but names of roles and types: lists are walked, nothing is indexed or remembered.
Sources: reference ota/access.md sections 2 to 5; the decisions of ours are those of docs/reference/grants.md.
"""

from dataclasses import dataclass, field

SUPPLIER_ROLE = {"ESME": "IS", "GSME": "GS"}
SERVED = {"11.1": ("ESME", "GSME", "HCALCS"), "11.4": ("PPMID",), "11.3": ("ESME", "GSME", "HCALCS")}


@dataclass
class Person:
    """A User ID."""

    name: str
    party: str
    roles: tuple[str, ...]
    assurance: int = 1
    active: bool = True
    held_back: bool = False
    """Every distribution it asks for is over its threshold."""


@dataclass(frozen=True)
class Thing:
    """A device."""

    kind: str
    model: str
    region: str
    mpxns: tuple[str, ...] = ()
    """Of a meter: those that its consumer imports by."""
    meters: tuple["Thing", ...] = ()
    """Of another device: the meters through which it belongs to somebody."""


@dataclass
class Given:
    """A grant."""

    number: int
    supplier: str
    agent: int
    made_ms: int
    from_ms: int
    to_ms: int
    mpxns: frozenset[str]
    models: frozenset[str]
    regions: frozenset[str]
    versions: frozenset[str]
    max_devices: int
    approval: str
    exclusive: bool
    revoked_ms: int | None = None


@dataclass
class Approved:
    """An approval."""

    grant: int
    version: str
    image_hash: str
    batch: frozenset[int]
    used: bool = False


@dataclass(frozen=True)
class Asked:
    """A request for distribution, or with one device and no list for an activation."""

    user: int
    variant: str
    devices: tuple[int, ...]
    kind: str = ""
    """Device type that the image is for."""
    version: str = ""
    image_hash: str = ""


@dataclass
class Oracle:
    """Everything that decides."""

    controlled: bool
    people: dict[int, Person] = field(default_factory=dict)
    things: dict[int, Thing] = field(default_factory=dict)
    tenures: dict[tuple[str, str], list[tuple[int, int, str]]] = field(default_factory=dict)
    """MPxN and role → from, to, party; in order, none overlap."""
    grants: list[Given] = field(default_factory=list)
    approvals: list[Approved] = field(default_factory=list)

    def holder(self, mpxn: str, role: str, at_ms: int) -> str | None:
        for from_ms, to_ms, party in self.tenures.get((mpxn, role), []):
            if from_ms <= at_ms < to_ms:
                return party
        return None

    def supplied(self, thing: Thing, at_ms: int) -> list[tuple[str, str, str]]:
        """MPxN, role and party of everybody who supplies the device's home through it."""
        found = []
        for meter in thing.meters or (thing,):
            role = SUPPLIER_ROLE[meter.kind]
            for mpxn in meter.mpxns:
                party = self.holder(mpxn, role, at_ms)
                if party is not None:
                    found.append((mpxn, role, party))
        return found

    def supplies(self, person: Person, thing: Thing, at_ms: int) -> bool:
        return any(
            role in person.roles and party == person.party and (thing.kind != "HCALCS" or role == "IS")
            for _, role, party in self.supplied(thing, at_ms)
        )

    def lost(self, mpxn: str, role: str, party: str, since_ms: int, at_ms: int) -> bool:
        """Whether the party held the role and was without it at an instant since."""
        ends = {to_ms for _, to_ms, _ in self.tenures.get((mpxn, role), []) if since_ms < to_ms <= at_ms}
        return any(self.holder(mpxn, role, end - 1) == party != self.holder(mpxn, role, end) for end in ends)

    def holds_good(self, grant: Given, thing: Thing, mpxn: str, version: str, at_ms: int) -> bool:
        """Live, fitting, and nobody lost anything since it was made."""
        if not grant.from_ms <= at_ms < grant.to_ms:
            return False
        if grant.revoked_ms is not None and at_ms >= grant.revoked_ms:
            return False
        if grant.mpxns and mpxn not in grant.mpxns:
            return False
        if grant.models and thing.model not in grant.models:
            return False
        if grant.regions and thing.region not in grant.regions:
            return False
        if grant.versions and version not in grant.versions:
            return False
        agent = self.people.get(grant.agent)
        if agent is not None and self.lost(mpxn, "RSA", agent.party, grant.made_ms, at_ms):
            return False
        return not any(self.lost(mpxn, role, grant.supplier, grant.made_ms, at_ms) for role in ("IS", "GS"))

    def kept_from(self, user: int, thing: Thing, version: str, at_ms: int) -> bool:
        """Whether a supplier of the device has given it to another for it alone."""
        if not self.controlled:
            return False
        for mpxn, _, supplier in self.supplied(thing, at_ms):
            for grant in self.grants:
                if not grant.exclusive or grant.supplier != supplier or grant.agent == user:
                    continue
                if self.holds_good(grant, thing, mpxn, version, at_ms):
                    return True
        return False

    def covering(self, asked: Asked, device: int, at_ms: int) -> list[Given]:
        """Grants under which the sender may have the device, but for their approvals and batch sizes."""
        person, thing = self.people[asked.user], self.things[device]
        if not self.controlled or "RSA" not in person.roles or asked.variant != "11.1":
            return []
        if self.supplies(person, thing, at_ms) or self.kept_from(asked.user, thing, asked.version, at_ms):
            return []
        found = []
        for grant in self.grants:
            for mpxn, _, supplier in self.supplied(thing, at_ms):
                assurance = max(other.assurance for other in self.people.values() if other.party == supplier)
                if (
                    grant.agent == asked.user
                    and grant.supplier == supplier
                    and self.holder(mpxn, "RSA", at_ms) == person.party
                    and person.assurance >= assurance
                    and self.holds_good(grant, thing, mpxn, asked.version, at_ms)
                    and grant not in found
                ):
                    found.append(grant)
        return found

    def approval(self, grant: Given, asked: Asked) -> Approved | None:
        for approval in self.approvals:
            if (approval.grant, approval.version, approval.image_hash) != (grant.number, asked.version, asked.image_hash):
                continue
            if approval.used or (grant.approval == "per_batch" and approval.batch != frozenset(asked.devices)):
                continue
            return approval
        return None

    def allowed(self, asked: Asked, at_ms: int) -> tuple[set[int], list[Given]]:
        """The devices of the list for which jobs start, and the grants under which an agent gets them."""
        person = self.people.get(asked.user)
        if person is None or not person.active:
            return set(), []
        served = [eui for eui in asked.devices if eui in self.things and self.things[eui].kind in SERVED[asked.variant]]
        covering = {eui: self.covering(asked, eui, at_ms) for eui in served}
        usable = []
        for grant in self.grants:
            count = len({eui for eui in served if grant in covering[eui]})
            approved = grant.approval == "none" or self.approval(grant, asked) is not None
            if approved and count <= grant.max_devices:
                usable.append(grant)
        devices: set[int] = set()
        used = []
        for eui in served:
            thing = self.things[eui]
            own = self.supplies(person, thing, at_ms)
            if asked.variant == "11.1" and self.kept_from(asked.user, thing, asked.version, at_ms):
                own = False
            under = [grant for grant in covering[eui] if grant in usable]
            if (own or under) and thing.kind == asked.kind:
                devices.add(eui)
                used += [] if own else under[:1]
        return devices, used

    def carry_out(self, used: list[Given], asked: Asked) -> None:
        """Approvals of a batch are used up."""
        for grant in used:
            if grant.approval == "per_batch":
                approval = self.approval(grant, asked)
                if approval is not None:
                    approval.used = True

    def may_activate(self, asked: Asked, at_ms: int) -> bool:
        person, thing = self.people.get(asked.user), self.things.get(asked.devices[0])
        return (
            person is not None
            and person.active
            and thing is not None
            and thing.kind in SERVED["11.3"]
            and self.supplies(person, thing, at_ms)
        )
