"""Reports on who did what: agents, grants, and other suppliers on shared devices. Decisions are read from the audit trail."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.audit import Entry, Query, Record
from emulator.dsp.grants import Grant
from emulator.dsp.jobs import is_open
from emulator.dsp.registration import SUPPLIERS, supplier_parties
from emulator.dsp.state import InventoryEntry, User
from emulator.engine import Engine
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit

DAY_MS = 86_400_000
BETWEEN = (
    Filter("from_ms", "from this instant on", Unit.INSTANT),
    Filter("to_ms", "before this instant", Unit.INSTANT),
)

# rsa-activity

ACCEPTED, IN_PART, QUARANTINED, REFUSED = "accepted", "accepted in part", "quarantined", "refused"

_Key = tuple[str, str, str, str, str, str]
"""User, role, variant, verdict, code and the check that refused."""


def _check(entry: Entry) -> str:
    """The check that a reason names (:meth:`emulator.domain.errors.Refusal.__str__`); empty for none."""
    named = re.match(rf"{re.escape(entry.outcome)}: ([a-z_0-9]+): ", entry.reason)
    return named[1] if named is not None else ""


@dataclass(slots=True)
class _Tally:
    """Requests of one kind with one verdict."""

    key: _Key
    party: str
    requests: int = 0
    devices: int = 0
    last_ms: int = 0


class _AgentActivity:
    """Decisions on the requests of agents, counted."""

    def __init__(self, users: Iterable[User], filters: Filters) -> None:
        self._users = {format_eui(user.eui): user for user in users}
        self._filters = filters
        self._found: dict[_Key, _Tally] = {}

    def queries(self) -> Sequence[Query]:
        """What was decided, and what was kept back without a decision."""
        since_ms, until_ms = self._filters.get("from_ms"), self._filters.get("to_ms")
        variant = self._filters.get("variant", "")
        kinds = ("decision", "quarantine")
        return [
            Query(user=user, kind=kind, variant=variant, from_ms=since_ms, to_ms=until_ms)
            for user in self._users
            for kind in kinds
        ]

    def wants_list(self, entry: Entry) -> bool:
        """The number of its devices is enough."""
        return False

    def take(self, record: Record, devices: Sequence[str]) -> None:
        """Count it."""
        entry = record.entry
        if entry.kind == "quarantine":
            if entry.outcome != QUARANTINED:
                return  # what became of it later: a decision if it was let go on
            verdict, code = QUARANTINED, ""
        else:
            verdict, code = {"I": ACCEPTED, "W": IN_PART}.get(entry.outcome[:1], REFUSED), entry.outcome
        key = (entry.user, entry.role, entry.variant, verdict, code, _check(entry))
        tally = self._found.setdefault(key, _Tally(key, self._users[entry.user].party))
        tally.requests += 1
        tally.devices += entry.devices or bool(entry.device)
        tally.last_ms = max(tally.last_ms, record.at_ms)

    def subjects(self) -> Sequence[_Tally]:
        """By user, variant and verdict."""
        return [self._found[key] for key in sorted(self._found)]


def _agent_activity(engine: Engine, filters: Filters) -> _AgentActivity:
    users = engine.state.dsp.users.values()
    return _AgentActivity((user for user in users if UserRole.RSA in user.roles and _is(user, filters)), filters)


def _is(user: User, filters: Filters) -> bool:
    return filters.get("user") in (None, user.eui)


def _tally_row(engine: Engine, tally: _Tally) -> Row:
    user, role, variant, verdict, code, check = tally.key
    return {
        "user": user,
        "party": tally.party,
        "role": role or None,
        "variant": variant,
        "verdict": verdict,
        "check": check or None,
        "code": code or None,
        "requests": tally.requests,
        "devices": tally.devices,
        "last_ms": tally.last_ms,
    }


RSA_ACTIVITY = Report(
    "rsa-activity",
    "What users with the role of Registered Supplier Agent asked for and what the gate said to it, counted from the audit "
    "trail. A request that was quarantined counts once as that, and once more with what it came to when it was let go on.",
    (
        Column("user", "the User ID", Unit.USER),
        Column("party", "its company", Unit.COMPANY),
        Column("role", "the role in which it acted, if that was established"),
        Column("variant", "Service Reference Variant"),
        Column("verdict", f"{ACCEPTED}, {IN_PART}, {QUARANTINED} or {REFUSED}"),
        Column("check", "the check that refused"),
        Column("code", "the response code"),
        Column("requests", "how many requests", Unit.NUMBER),
        Column("devices", "devices that they named, in all", Unit.NUMBER),
        Column("last_ms", "when the last of them came", Unit.INSTANT),
    ),
    (
        Filter("user", "this agent alone", Unit.USER),
        Filter("variant", "this Service Reference Variant alone"),
        *BETWEEN,
    ),
    row=_tally_row,
    gathering=_agent_activity,
)


# expiring-grants

WITHIN_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class _Ending:
    """A grant that ends soon."""

    grant: Grant
    open_jobs: int


def _select_grants(engine: Engine, filters: Filters) -> Sequence[_Ending]:
    now_ms = engine.now_ms
    until_ms = now_ms + filters.get("within_ms", WITHIN_MS)
    grants = [
        grant
        for grant in engine.state.dsp.grants.grants.values()
        if now_ms < grant.to_ms <= until_ms and (grant.revoked_ms is None or now_ms < grant.revoked_ms)
        if filters.get("user") in (None, grant.agent) and filters.get("supplier") in (None, grant.supplier)
    ]
    dsp, open_jobs = engine.state.dsp, Counter[int]()
    for request in dsp.firmware_requests.values() if grants else ():
        if request.grants and request.open_jobs:
            open_jobs.update(job.grant for job in map(dsp.jobs.__getitem__, request.jobs) if is_open(job))
    grants.sort(key=lambda grant: (grant.to_ms, grant.number))
    return [_Ending(grant, open_jobs[grant.number]) for grant in grants]


def _grant_row(engine: Engine, ending: _Ending) -> Row:
    grant = ending.grant
    return {
        "grant": grant.number,
        "supplier": grant.supplier,
        "agent": format_eui(grant.agent),
        "from_ms": grant.from_ms,
        "to_ms": grant.to_ms,
        "left_ms": grant.to_ms - engine.now_ms,
        "live": grant.live(engine.now_ms),
        "approval": grant.approval.value,
        "exclusive": grant.exclusive,
        "mpxns": len(grant.mpxns) or None,
        "open_jobs": ending.open_jobs,
    }


EXPIRING_GRANTS = Report(
    "expiring-grants",
    "Grants that end soon by their own terms. A grant also ends for a meter that changes its supplier or its agent, which "
    "nothing here foretells.",
    (
        Column("grant", "its number", Unit.GRANT),
        Column("supplier", "who gave it", Unit.COMPANY),
        Column("agent", "to whom", Unit.USER),
        Column("from_ms", "when it begins", Unit.INSTANT),
        Column("to_ms", "when it ends", Unit.INSTANT),
        Column("left_ms", "how long until then", Unit.DURATION),
        Column("live", "whether it holds now", Unit.FLAG),
        Column("approval", "the approval that it asks for beside itself"),
        Column("exclusive", "whether it keeps everybody else out", Unit.FLAG),
        Column("mpxns", "MPxNs that it is limited to", Unit.NUMBER),
        Column("open_jobs", "open firmware jobs that it allowed", Unit.NUMBER),
    ),
    (
        Filter("within_ms", f"how soon; {WITHIN_MS} (7 days) when not given", Unit.DURATION),
        Filter("user", "of this agent", Unit.USER),
        Filter("supplier", "of this supplier", Unit.COMPANY),
    ),
    row=_grant_row,
    select=_select_grants,
)


# other-supplier-actions

SHARED = frozenset({DeviceType.CHF, DeviceType.GPF, DeviceType.PPMID})
"""Device types that may belong to two suppliers (access.md section 6)."""


@dataclass(frozen=True, slots=True)
class _Action:
    """One decision on one shared device."""

    record: Record
    device: InventoryEntry
    actor: User


class _OtherActions:
    """Decisions on shared devices of a supplier, on requests of other suppliers."""

    def __init__(self, engine: Engine, filters: Filters) -> None:
        self._engine = engine
        self._filters = filters
        users = engine.state.dsp.users
        asking = filters.get("user")
        self._asking = None if asking is None or asking not in users else users[asking].party
        self._nobody = asking is not None and self._asking is None
        self._others = {
            format_eui(user.eui): user
            for user in users.values()
            if user.party != self._asking and any(role in SUPPLIERS for role in user.roles)
        }
        self._parties: dict[tuple[Eui64, int], frozenset[str]] = {}
        """Suppliers of a device at an instant."""
        self._found: list[_Action] = []
        self._excluded: set[tuple[str, Eui64]] = set()
        """RequestIDs and devices of their lists that were not taken."""

    def queries(self) -> Sequence[Query]:
        """Decisions on the requests of each other supplier, and what they did not take."""
        since_ms, until_ms = self._filters.get("from_ms"), self._filters.get("to_ms")
        device = "" if self._filters.get("device") is None else format_eui(self._filters["device"])
        return (
            []
            if self._nobody
            else [
                Query(user=user, kind=kind, device=device, from_ms=since_ms, to_ms=until_ms)
                for user in self._others
                for kind in ("decision", "exclusion")
            ]
        )

    def wants_list(self, entry: Entry) -> bool:
        """Only lists that may name shared devices."""
        row = service_reference_variants().get(entry.variant)
        return row is not None and any(kind in row.device_types for kind in SHARED)

    def take(self, record: Record, devices: Sequence[str]) -> None:
        """Keep what touched a shared device, or what is known not to have."""
        entry = record.entry
        for text in devices or ([entry.device] if entry.device else []):
            device = self._engine.state.dsp.inventory.get(parse_eui(text))
            if device is None or device.device_type not in SHARED or not self._concerns(device, record.at_ms):
                continue
            if entry.kind == "exclusion":
                self._excluded.add((entry.request_id, device.eui))
            else:
                self._found.append(_Action(record, device, self._others[entry.user]))

    def _concerns(self, device: InventoryEntry, at_ms: int) -> bool:
        if self._filters.get("device") not in (None, device.eui):
            return False
        if (device.eui, at_ms) not in self._parties:
            self._parties[device.eui, at_ms] = frozenset(supplier_parties(self._engine.context, device, at_ms))
        parties = self._parties[device.eui, at_ms]
        return len(parties) > 1 if self._asking is None else self._asking in parties

    def subjects(self) -> Sequence[_Action]:
        """In the order of the trail; of a list that was taken in part, the devices that were."""
        acted = [action for action in self._found if not self._was_excluded(action)]
        return sorted(acted, key=lambda action: (action.record.number, action.device.eui))

    def _was_excluded(self, action: _Action) -> bool:
        entry = action.record.entry
        return entry.outcome.startswith("W") and (entry.request_id, action.device.eui) in self._excluded


def _action_row(engine: Engine, action: _Action) -> Row:
    entry = action.record.entry
    return {
        "at_ms": action.record.at_ms,
        "device": format_eui(action.device.eui),
        "type": action.device.device_type.value,
        "user": entry.user,
        "party": action.actor.party,
        "operator": entry.operator or None,
        "role": entry.role or None,
        "variant": entry.variant,
        "request_id": entry.request_id,
        "code": entry.outcome,
        "check": _check(entry) or None,
        "version": entry.version or None,
        "record": action.record.number,
    }


OTHER_SUPPLIER_ACTIONS = Report(
    "other-supplier-actions",
    "What other suppliers asked of the hubs, GPFs and PPMIDs that a supplier shares with them, granted or refused, from the"
    " audit trail. Whose a device was at that instant follows from registration as it is known now. Of a list that was accepted"
    " in part only the devices that were taken are named.",
    (
        Column("at_ms", "when", Unit.INSTANT),
        Column("device", "the shared device", Unit.DEVICE),
        Column("type", "its device type"),
        Column("user", "who acted", Unit.USER),
        Column("party", "its company", Unit.COMPANY),
        Column("operator", "the human behind it, as named by the sender"),
        Column("role", "in which role, if that was established"),
        Column("variant", "Service Reference Variant"),
        Column("request_id", "the request", Unit.REQUEST),
        Column("code", "the response code"),
        Column("check", "the check that refused"),
        Column("version", "firmware version that was distributed"),
        Column("record", "number of the record in the audit trail", Unit.NUMBER),
    ),
    (
        Filter("user", "who asks: its shared devices and what others did; without it, what anybody did", Unit.USER),
        Filter("device", "this device alone", Unit.DEVICE),
        *BETWEEN,
    ),
    row=_action_row,
    gathering=_OtherActions,
)
