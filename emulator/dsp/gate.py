"""The one gate: the same ordered checks for every request, each leaving a verdict that can be asked for afterwards.

Order and meaning: reference duis/duis.md 3.1 (sequence medium, code meanings high). What is specific to a service is checked
by its own module after the gate.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, format_eui
from emulator.domain.tables import (
    LOCAL_DELIVERY_VARIANTS,
    SIGNED_PRE_COMMAND_VARIANTS,
    WEB_SERVICE,
    FutureDated,
    ServiceReferenceVariant,
    service_reference_variants,
)
from emulator.domain.vocabulary import DeviceStatus, UserRole, WebService
from emulator.dsp.agents import extra_roles
from emulator.dsp.context import Context
from emulator.dsp.effects import SharedData
from emulator.dsp.registration import claims, meters_of, responsible
from emulator.dsp.retention import raise_counter, use_request_id
from emulator.dsp.state import InventoryEntry, User
from emulator.duis.datetimes import parse_datetime_ms
from emulator.duis.messages import Request
from emulator.gbcs.times import DUIS_CANCEL

_INSTALLING = ("6.", "8.1.1", "8.7.", "8.8.", "8.9", "8.11", "8.12", "11.2")
_SUSPENDED = ("8.8.", "8.9", "8.11", "11.2", "11.3")
STATUS_RULES: Mapping[DeviceStatus, tuple[str, ...]] = {
    DeviceStatus.COMMISSIONED: ("",),
    DeviceStatus.RECOVERED: ("",),
    # Only what installs and commissions (duis.md 3.1, low).
    DeviceStatus.INSTALLED_NOT_COMMISSIONED: _INSTALLING,
    # It joined the HAN and nothing was heard of it yet; its first answer makes it InstalledNotCommissioned (duis.md 7.7, medium).
    DeviceStatus.WHITELISTED: _INSTALLING,
    # 11.2 since November 2021, 11.3 as the way back to a listed version (duis.md 3.1 citing SR112, 6.3; medium).
    DeviceStatus.SUSPENDED: _SUSPENDED,
}
"""Status → prefixes of the variants it permits; a status that is not listed permits none."""


@dataclass(slots=True)
class Case:
    """One request at the gate, with what the checks found out about it."""

    web_service: WebService
    request: Request
    at_ms: int
    variant: ServiceReferenceVariant | None = None
    user: User | None = None
    eligible: list[UserRole] = field(default_factory=list)
    """Roles of the sender that may send the variant; only after ``role_not_eligible`` passed."""
    role: UserRole | None = None
    """The role in which the user may act: eligible for the variant and responsible for the device."""
    device: InventoryEntry | None = None
    execution_ms: int | None = None
    """When it is to be executed: ExecutionDateTime of the body, for a Signed Pre-Command that of its Transform; None for at
    once. A Signed Pre-Command's own ExecutionDateTime has no known purpose (duis.md section 9, item 11) and counts for nothing.
    """

    @property
    def row(self) -> ServiceReferenceVariant:
        """The variant's row; only after ``service_consistency`` passed."""
        assert self.variant is not None
        return self.variant

    @property
    def sender(self) -> User:
        """The user; only after ``user_unknown`` passed."""
        assert self.user is not None
        return self.user

    @property
    def target(self) -> InventoryEntry:
        """The device; only for device requests, after ``device_unknown`` passed."""
        assert self.device is not None
        return self.device

    @property
    def acting_role(self) -> UserRole:
        """The role; only after ``not_responsible`` passed."""
        assert self.role is not None
        return self.role

    @property
    def signed(self) -> bool:
        """Whether it is a Signed Pre-Command."""
        return self.request.command_variant in SIGNED_PRE_COMMAND_VARIANTS

    @property
    def stage(self) -> str:
        """Transform and its Signed Pre-Command share one RequestID and are counted apart (wire_contract.md 0.5)."""
        return "transform" if self.request.command_variant == 4 else "command"

    @property
    def cancels(self) -> bool:
        """Whether the date means: cancel what is pending (duis.md 1.8, certain). Any other so far ahead is out of the window."""
        return self.execution_ms == DUIS_CANCEL


Finding = str | None
"""What is wrong, or None."""


def _request_id_used(context: Context, case: Case) -> Finding:
    request_id = case.request.request_id
    if use_request_id(context, (request_id.originator, request_id.target, request_id.counter, case.stage)):
        return None
    return f"RequestID {request_id} was used before at stage {case.stage}"


def _counter_not_greater(context: Context, case: Case) -> Finding:
    # A Signed Pre-Command repeats the counter of its Transform, so it is not held against itself.
    request_id, strict = case.request.request_id, context.settings.strict_counter
    if case.signed or (request_id.target == ACCESS_CONTROL_BROKER and not strict):
        return None
    highest = raise_counter(context, (request_id.originator, request_id.target), request_id.counter)
    if not strict or request_id.counter > highest:
        return None
    return f"counter {request_id.counter} is not above {highest}"


def _web_service(context: Context, case: Case) -> Finding:
    wanted = WEB_SERVICE.get(case.request.command_variant)
    if wanted is not None and wanted is not case.web_service:
        return (
            f"Command Variant {case.request.command_variant} was posted to service{case.web_service}; "
            f"it belongs to service{wanted}"
        )
    return None


def _service_consistency(context: Context, case: Case) -> Finding:
    request = case.request
    row = service_reference_variants().get(request.service_reference_variant)
    if row is None:
        return f"ServiceReferenceVariant {request.service_reference_variant} does not exist"
    case.variant = row
    if request.service_reference != row.service_reference:
        return (
            f"ServiceReference {request.service_reference} does not go with variant {row.srv}; expected {row.service_reference}"
        )
    wanted = "SignedPreCommand" if case.signed else row.body_element
    if request.body.name != wanted:
        got = f"body {request.body.name} does not go with variant {row.srv}, Command Variant {request.command_variant}"
        return f"{got}; expected {wanted}"
    return None


def _command_variant(context: Context, case: Case) -> Finding:
    allowed = case.row.command_variants
    if case.request.command_variant not in allowed:
        return (
            f"Command Variant {case.request.command_variant} cannot carry {case.row.srv}; "
            f"expected one of {', '.join(map(str, allowed))}"
        )
    if case.row.non_device and case.request.request_id.target != ACCESS_CONTROL_BROKER:
        return (
            f"{case.row.srv} is a request to the DCC, but the RequestID names {format_eui(case.request.request_id.target)}; "
            f"expected {format_eui(ACCESS_CONTROL_BROKER)}"
        )
    return None


def _user_unknown(context: Context, case: Case) -> Finding:
    case.user = context.state.users.get(case.request.request_id.originator)
    if case.user is None:
        return f"{format_eui(case.request.request_id.originator)} is not a User ID"
    return None


def _user_status(context: Context, case: Case) -> Finding:
    return None if case.sender.active else f"user {case.sender.name} is suspended"


def eligible_roles(context: Context, user: User, row: ServiceReferenceVariant) -> list[UserRole]:
    """Roles of a user that may send the variant, by the matrix and the policy for agents; that of an Other User, who needs no
    registration, comes last."""
    eligible = row.roles + extra_roles(context, row.srv)
    roles = [role for role in user.roles if role in eligible]
    if UserRole.OU in roles:
        roles.remove(UserRole.OU)
        roles.append(UserRole.OU)
    return roles


def _role_not_eligible(context: Context, case: Case) -> Finding:
    case.eligible = eligible = eligible_roles(context, case.sender, case.row)
    if not eligible:
        held = ", ".join(case.sender.roles) or "none"
        wanted = ", ".join(case.row.roles) or "no role"
        return f"roles of the user ({held}) may not send {case.row.srv}; eligible: {wanted}"
    case.role = eligible[0]
    return None


def _device_unknown(context: Context, case: Case) -> Finding:
    if case.row.non_device:
        return None
    case.device = context.state.inventory.get(case.request.request_id.target)
    if case.device is None:
        return f"{format_eui(case.request.request_id.target)} is not in the inventory"
    return None


def _device_type(context: Context, case: Case) -> Finding:
    if case.row.non_device:
        return None
    allowed = case.row.device_types + case.row.device_types_uncertain
    if allowed and case.target.device_type not in allowed:
        return f"{case.row.srv} does not exist for a {case.target.device_type}; expected {', '.join(allowed)}"
    return None


def _required_time_ms(context: Context, case: Case) -> int:
    """When the user must be entitled: at the date of a dated request, else now (duis.md 3.3 E4, high)."""
    if case.signed:
        request_id = case.request.request_id
        known = context.state.pre_commands.get((request_id.originator, request_id.target, request_id.counter))
        case.execution_ms = None if known is None else known.execution_ms
    elif (text := case.request.body.value("ExecutionDateTime")) is not None:
        case.execution_ms = parse_datetime_ms(text)
    if case.cancels:
        return _cancelled_ms(context, case)
    return case.at_ms if case.execution_ms is None else case.execution_ms


def _cancelled_ms(context: Context, case: Case) -> int:
    """The date of what the user cancels, for which it was entitled then; now where nothing waits."""
    device = case.target.eui
    for waiting in (*context.lookup.held(device), *context.lookup.dated(device)):
        asked_for = waiting.user, waiting.request.service_reference_variant
        if asked_for == (case.sender.eui, case.row.srv) and waiting.due_ms is not None:
            return waiting.due_ms
    return case.at_ms


def _not_responsible(context: Context, case: Case) -> Finding:
    if case.row.non_device:
        return None
    try:
        when_ms = _required_time_ms(context, case)
    except Malformed:  # a later check tells what is wrong with the date
        when_ms = case.at_ms
    ahead = when_ms != case.at_ms and _needs_present_right(context, case)
    for role in case.eligible:
        if _entitled(context, case, role, when_ms) and not (ahead and not _entitled(context, case, role, case.at_ms)):
            case.role = role
            return None
    roles, when = ", ".join(case.eligible), "both now and at the date" if ahead else "at the required time"
    return f"{case.sender.name} ({roles}) is not registered for {format_eui(case.target.eui)} {when}"


def _entitled(context: Context, case: Case, role: UserRole, at_ms: int) -> bool:
    """Whether the sender may act on the device in a role at an instant: of a GPF also the import supplier of its home, for
    putting the log of a replaced one onto it and for nothing else (access.md 3)."""
    if responsible(context, case.sender, role, case.target, at_ms):
        return True
    restores = case.row.srv == "8.12.2" and role is UserRole.IS and context.settings.gpf_log_by_import_supplier
    hub = context.state.inventory.get(case.target.hub) if restores and case.target.hub is not None else None
    # A hub without meters lets anybody begin with it, which is no claim on what it holds.
    return hub is not None and bool(meters_of(context, hub)) and responsible(context, case.sender, role, hub, at_ms)


def _needs_present_right(context: Context, case: Case) -> bool:
    """Whether a dated request asks for a right now as well: a pending supplier does nothing to firmware (access.md 3)."""
    return context.settings.pending_supplier_firmware == "refuse" and case.row.srv.startswith("11.")


def _future_date(context: Context, case: Case) -> Finding:
    """The date of a request lies within the window; that of a Signed Pre-Command was looked at with its Transform."""
    text = case.request.body.value("ExecutionDateTime")
    if text is None or case.signed:
        return None
    date_ms = parse_datetime_ms(text)
    if case.row.future_dated is FutureDated.NO:
        return f"{case.row.srv} cannot be future dated"
    if case.cancels:
        return None
    latest_ms = case.at_ms + context.settings.future_date_limit_ms
    if not case.at_ms < date_ms <= latest_ms:
        return f"ExecutionDateTime {text} is not within the next {context.settings.future_date_limit_ms // 86_400_000} days"
    return None


def _device_status(context: Context, case: Case) -> Finding:
    if case.row.non_device or case.target.status is None:
        return None
    permitted = STATUS_RULES.get(case.target.status, ())
    suspended_read = case.target.status is DeviceStatus.SUSPENDED and case.row.srv == "11.2"
    barred = suspended_read and not context.settings.allow_112_suspended
    if barred or not case.row.srv.startswith(permitted):
        return f"{format_eui(case.target.eui)} is {case.target.status}, which does not permit {case.row.srv}"
    return None


def _local_delivery(context: Context, case: Case) -> Finding:
    if case.request.command_variant not in LOCAL_DELIVERY_VARIANTS:
        return None
    roles, statuses = context.settings.local_delivery_roles.split(), context.settings.local_delivery_statuses.split()
    if case.acting_role not in roles:
        return f"local delivery is for roles {', '.join(roles)}, and {case.sender.name} acts as {case.acting_role}"
    if case.target.status is not None and case.target.status not in statuses:
        return f"{format_eui(case.target.eui)} is {case.target.status}; local delivery is for {', '.join(statuses)}"
    if case.execution_ms is not None:
        return "a command for local delivery has no date: it is carried out when it is delivered"
    return None


Check = Callable[[Context, Case], Finding]


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """Checks in order: the first that finds something decides. There are few of these, each the same as itself alone."""

    named: tuple[tuple[str, Check], ...]
    """Name of the check, as in ``check_codes.toml``, and the check."""


CHECKS = Checks(
    (
        ("request_id_used", _request_id_used),
        ("counter_not_greater", _counter_not_greater),
        ("web_service", _web_service),
        ("service_consistency", _service_consistency),
        ("command_variant", _command_variant),
        ("user_unknown", _user_unknown),
        ("user_status", _user_status),
        ("role_not_eligible", _role_not_eligible),
        ("device_unknown", _device_unknown),
        ("device_type", _device_type),
        ("not_responsible", _not_responsible),
        ("device_status", _device_status),
        ("local_delivery", _local_delivery),
        ("future_date_out_of_window", _future_date),
    )
)
"""What every request passes."""

_AGAIN = frozenset(
    ("user_unknown", "user_status", "role_not_eligible", "device_unknown", "device_type", "not_responsible", "device_status")
)

DUE_CHECKS = Checks(tuple(each for each in CHECKS.named if each[0] in _AGAIN))
"""What a request held by the DSP passes again when it comes due (duis.md 3.1, medium)."""

SCHEDULE_CHECKS = Checks(
    (
        ("schedule_role", _role_not_eligible),
        ("schedule_device_unknown", _device_unknown),
        ("schedule_device_type", _device_type),
        ("schedule_not_responsible", _not_responsible),
        ("schedule_device_status", _device_status),
    )
)
"""What 5.1 asks of the request that is to be scheduled: the same checks, under names that have codes of that service."""


def looked_at(context: Context, case: Case) -> dict[str, object]:
    """What the gate knows of a case, as JSON values: the sender, the device, and who is registered for it."""
    known: dict[str, object] = {"at_ms": case.at_ms, "command_variant": case.request.command_variant}
    if case.variant is not None:
        known["eligible_roles"] = [*case.variant.roles, *extra_roles(context, case.variant.srv)]
        known["device_types"] = list(case.variant.device_types)
    if case.user is not None:
        known |= {"user": case.user.name, "party": case.user.party, "roles": list(case.user.roles), "active": case.user.active}
    if case.device is not None:
        device = case.device
        known |= {"device": format_eui(device.eui), "device_type": device.device_type, "status": device.status}
        known["registered"] = [
            {"mpxn": mpxn, "role": role, "party": entry.party, "from_ms": entry.from_ms, "to_ms": entry.to_ms}
            for mpxn, role in claims(context, device)
            for entry in context.state.registrations.history(mpxn)
            if entry.role is role
        ]
    if case.execution_ms is not None:
        known["execution_ms"] = case.execution_ms
    return known


def pass_gate(context: Context, case: Case, checks: Checks = CHECKS, reference: str = "") -> Refusal | None:
    """Run the checks in order; None when all pass, else the refusal of the first that does not.

    The verdicts go to the journal under kind ``gate``. Codes are those of the service ``reference``, by default the request's
    own.
    """
    refusal: Refusal | None = None
    for place, (name, check) in enumerate(checks.named):
        try:
            finding = check(context, case)
        except Malformed as error:
            finding = str(error)
        if finding is not None:
            reference = reference or (case.variant.service_reference if case.variant else "")
            refusal = Refusal(context.codes.code(name, reference), finding, where=name)
            failed = _verdict(name, passed=False, detail=finding, known=looked_at(context, case))
            data: dict[str, object] = {"role": case.role, "verdicts": [*_passed(checks.named[:place]), failed]}
            break
    else:
        data = _granted(case.role, checks)
    request_id = case.request.request_id
    context.journal(
        "gate",
        f"{case.request.service_reference_variant} from {format_eui(request_id.originator)}: "
        + (f"refused {refusal.code} by {refusal.where}" if refusal else "granted"),
        request_id=str(request_id),
        device=None if case.device is None else case.device.eui,
        data=data,
    )
    return refusal


def _verdict(check: str, *, passed: bool, detail: str = "", known: Mapping[str, object] | None = None) -> dict[str, object]:
    """What one check found; ``known`` is the data on which the one that decided did so."""
    return {"check": check, "passed": passed, "detail": detail, "looked_at": dict(known or {})}


def _passed(checks: Iterable[tuple[str, Check]]) -> list[dict[str, object]]:
    return [_verdict(name, passed=True) for name, _ in checks]


@lru_cache(64)
def _granted(role: UserRole | None, checks: Checks) -> SharedData:
    """What the journal says where every check passed: the same for everybody in a role."""
    return SharedData(role=role, verdicts=_passed(checks.named))
