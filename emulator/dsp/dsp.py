"""The Data Service Provider: takes requests, answers them, and acts on what comes due."""

from collections.abc import Callable, Mapping, Sequence

from emulator.domain.errors import Broken, Malformed, Refusal
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui, parse_eui
from emulator.domain.tables import SIGNED_PRE_COMMAND_VARIANTS, alert_by_purpose, service_reference_variants
from emulator.dsp import (
    anomaly,
    bodies,
    commands,
    coverage,
    credential_checks,
    dated,
    deadlines,
    firmware,
    hub_firmware,
    hub_status,
    inventory,
    jobs,
    lifecycle,
    local,
    notification,
    outages,
    restoring,
    schedules,
    sequences,
    transactions,
    upstream,
)
from emulator.dsp.audit import Entry
from emulator.dsp.context import Context, Noted
from emulator.dsp.device_lists import listing
from emulator.dsp.effects import Answer
from emulator.dsp.gate import DUE_CHECKS, Case, pass_gate
from emulator.dsp.inputs import DuisInput
from emulator.duis.messages import Element, Request, ServiceResponse, element
from emulator.simulation.agenda import Event

Outcome = Element | Refusal | Noted | None
Service = Callable[[Context, Case], Outcome]

NON_DEVICE_SERVICES: Mapping[str, Service] = {
    "5.1": schedules.create,
    "5.2": schedules.read,
    "5.3": schedules.delete,
    "8.2": inventory.read_inventory,
    "8.3": lifecycle.decommission,
    "8.4": notification.update_inventory,
    "8.13": local.take_back,
    "8.14.1": hub_status.report,
    "8.14.2": hub_status.report,
    "8.14.3": hub_status.report,
    "8.14.4": hub_status.report,
    "11.1": firmware.update_firmware,
    "11.4": firmware.update_firmware,
    "12.1": coverage.read_wan_matrix,
    "12.2": notification.prenotify,
}
"""Services the DCC answers itself, by Service Reference Variant."""

SERVICE_CHECKS: Mapping[str, Callable[[Context, Case], Refusal | None]] = {
    **dict.fromkeys(bodies.PARTS, bodies.check),
    "3.3": bodies.check_event_log,
    "4.17": bodies.check_period,
    "6.22": bodies.check_alert_behaviour,
    "8.11": lifecycle.check_device_log_update,
    "8.12.1": restoring.check,
    "8.12.2": restoring.check,
    "8.7.1": lifecycle.check_join,
    "8.7.2": lifecycle.check_join,
    "8.8.1": lifecycle.check_unjoin,
    "8.8.2": lifecycle.check_unjoin,
    "11.3": firmware.check_activation_hash,
    "6.15.1": credential_checks.check_update,
    "6.15.2": credential_checks.check_device_certificate,
    "6.21": credential_checks.check_handover,
    "6.23": credential_checks.check_change_of_supplier,
}
"""What a device service asks beyond the gate."""

WARNING_PAYLOADS = frozenset({"DSPUpdateFirmwareWarning", "DSPUpdatePPMIDFirmwareWarning"})
"""Payloads that go with the W code of their service (duis.md 6.2, certain)."""


class Dsp:
    """The DSP over its :class:`Context`."""

    TOPICS = ("dsp.",)
    """Prefixes of the agenda topics that :meth:`handle` takes."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def submit(self, item: DuisInput) -> Answer:
        """Process one request at the context's instant and give the synchronous answer."""
        context, request = self.context, item.request
        case = Case(item.web_service, request, context.now_ms)
        context.operator = item.operator
        try:
            outcome = pass_gate(context, case)
            if outcome is None:
                if self._quarantined(case):
                    return Answer(self._response(case, self._accepted(case)))
                return Answer(self._answer(case, self._perform(case)))
        except Malformed as error:
            # Schema-valid and still not readable, e.g. an unknown enumeration of ours: refuse, change nothing more.
            outcome = Refusal(context.codes.code("transform_failed"), str(error), where="transform_failed")
        finally:
            context.operator = ""
        return Answer(self._answer(case, outcome))

    def _quarantined(self, case: Case) -> bool:
        """Whether anomaly detection keeps the request back; a Transform is not counted, its Signed Pre-Command is."""
        context, request = self.context, case.request
        if case.stage == "transform":
            return False
        breach = anomaly.breach(context.state.anomaly, case.sender.eui, request, context.now_ms)
        if breach is None:
            return False
        held = anomaly.hold(
            context.state.anomaly, case.web_service, request, case.sender.eui, context.now_ms, breach.reason, context.operator
        )
        request_id = str(request.request_id)
        choice = alert_by_purpose()[breach.purpose].variant
        told = element(choice, element("RequestID", request_id), element("QuarantineEventRef", str(held.reference)))
        context.dcc_alert(
            [case.sender.eui], breach.purpose, element("QuarantinedRequest", told), device=None, request_id=request_id
        )
        self._record_quarantine(case, "quarantined", breach.reason, context.operator)
        for oldest in anomaly.crowded_out(context.state.anomaly, context.settings.keep_quarantined):
            self._record_quarantine(self._case_of(oldest), "deleted", "there is no more room in quarantine")
        return True

    def release(self, reference: int) -> str:
        """Let a quarantined request go on: it passes the gate again, and what it comes to is pushed where the acknowledgement did
        not say it. Returns the code; raise :class:`Malformed` when there is no such request."""
        context, held = self.context, anomaly.take(self.context.state.anomaly, reference)
        case = self._case_of(held)
        context.operator = held.operator
        try:
            self._record_quarantine(case, "released", held.reason)
            outcome: Outcome = pass_gate(context, case, DUE_CHECKS)
            response = self._answer(case, outcome if outcome is not None else self._perform(case))
        except Malformed as error:
            response = self._answer(case, Refusal(context.codes.code("transform_failed"), str(error), where="transform_failed"))
        finally:
            context.operator = ""
        if response.code != self._accepted(case):
            context.deliver(held.user, None, str(held.request.request_id), response)
        return response.code

    def discard(self, reference: int) -> None:
        """Delete a quarantined request; raise :class:`Malformed` when there is none."""
        held = anomaly.take(self.context.state.anomaly, reference)
        self._record_quarantine(self._case_of(held), "deleted", held.reason)

    def _case_of(self, held: anomaly.Quarantined) -> Case:
        variant = service_reference_variants()[held.request.service_reference_variant]
        user = self.context.state.users.get(held.user)
        return Case(held.web_service, held.request, self.context.now_ms, variant=variant, user=user)

    def _record_quarantine(self, case: Case, outcome: str, reason: str, operator: str = "") -> None:
        """A request that is kept back is no decision yet: nothing was let through. ``operator`` is the human who did that."""
        entry, names = self._entry(case, "quarantine", outcome, reason)
        self.context.audit(entry._replace(operator=operator), names)

    def _perform(self, case: Case) -> Outcome:
        context, row = self.context, case.row
        waits = sequences.waits(context, case)
        if isinstance(waits, Refusal):
            return waits
        if row.non_device:
            service = NON_DEVICE_SERVICES.get(row.srv)
            if service is None:
                return Refusal(
                    context.codes.code("service_not_emulated"),
                    f"{row.srv} is not emulated; see docs/reference/coverage.md",
                    where="service_not_emulated",
                )
            return service(context, case)
        variant = case.request.command_variant
        if variant in SIGNED_PRE_COMMAND_VARIANTS:
            return commands.send_signed(context, case, waits)
        check = SERVICE_CHECKS.get(row.srv)
        refusal = check(context, case) if check is not None else None
        if refusal is not None:
            return refusal
        return commands.transform(context, case) if variant == 4 else commands.send(context, case, waits)

    def _accepted(self, case: Case) -> str:
        """The code of a request that is taken and has nothing to say yet."""
        context = self.context
        return context.settings.non_device_success_code if case.row.non_device else context.codes.code("accepted")

    def _answer(self, case: Case, outcome: Outcome) -> ServiceResponse:
        context, request = self.context, case.request
        if isinstance(outcome, Refusal):
            code, payload = outcome.code, None
            context.journal("refusal", str(outcome), request_id=str(request.request_id))
        elif isinstance(outcome, Noted):
            code, payload = context.codes.code(outcome.check, case.row.service_reference), None
            context.journal("warning", f"{code}: {outcome.detail}", request_id=str(request.request_id))
        elif outcome is None:
            code, payload = self._accepted(case), None
        elif outcome.name in WARNING_PAYLOADS:
            code, payload = context.codes.code("partly_accepted", case.row.service_reference), outcome
        else:
            code, payload = context.codes.code("done"), outcome
        reason = str(outcome) if isinstance(outcome, Refusal) else outcome.detail if isinstance(outcome, Noted) else ""
        self._record_decision(case, code, reason, payload)
        return self._response(case, code, payload)

    def _record_decision(self, case: Case, code: str, reason: str, payload: Element | None) -> None:
        """One record for the request; where only a part of its list was taken, another for the rest: nobody is to be held to
        have sent what was refused."""
        context = self.context
        context.audit(*self._entry(case, "decision", code, reason))
        if payload is None or payload.name not in WARNING_PAYLOADS:
            return
        excluded = firmware.excluded_devices(context, case.request)
        why = ", ".join(f"{warning.name}: {warning.text.count(',') + 1}" for warning in payload)
        entry, names = self._entry(case, "exclusion", code, why, excluded)
        context.audit(entry._replace(acting_for="", grant=""), names)

    def _response(self, case: Case, code: str, payload: Element | None = None) -> ServiceResponse:
        request = case.request
        return ServiceResponse(
            code=code,
            at_ms=self.context.now_ms,
            request_id=str(request.request_id),
            response_id=None,
            service_reference=request.service_reference,
            service_reference_variant=request.service_reference_variant,
            payload=payload,
        )

    def _entry(
        self, case: Case, kind: str, outcome: str, reason: str = "", only: Sequence[int] | None = None
    ) -> tuple[Entry, tuple[str, ...]]:
        """What the audit trail keeps of a decision on a request, and the devices of its list, or of it ``only`` these."""
        context, request = self.context, case.request
        named = firmware.named_devices(request)
        listed, found = (named.readable, named.listing) if only is None else (len(only), listing(only))
        accepted = firmware.request_of(context, str(request.request_id)) if listed else None
        asked, device = request.body, _device_named(request)
        entry = Entry(
            kind=kind,
            outcome=outcome,
            reason=reason,
            request_id=str(request.request_id),
            user=format_eui(request.request_id.originator),
            role="" if case.role is None else case.role.value,
            operator=context.operator,
            acting_for="" if accepted is None else " ".join(accepted.acting_for),
            grant="" if accepted is None else " ".join(map(str, accepted.grants)),
            device="" if device is None else format_eui(device),
            devices=listed,
            devices_digest=found.digest if listed else "",
            mpxn="" if case.device is None else case.device.import_mpxn,
            variant=request.service_reference_variant,
            version=asked.value("FirmwareVersion") or "",
            image_hash=(asked.value("FirmwareHash") or "").lower() if accepted is None else accepted.image_hash,
            file_hash="" if accepted is None else accepted.image_key,
            region=context.region_on_record(device),
        )
        return entry, found.names

    def handle(self, event: Event) -> None:
        """Run one due event of :attr:`TOPICS`."""
        handler = _HANDLERS.get(event.topic)
        if handler is None:
            raise Broken(f"nobody handles {event.topic}")
        handler(self.context, *event.args)

    def awaited(self) -> int:
        """Requests and firmware jobs whose outcome somebody waits for."""
        state = self.context.state
        return state.open_transactions + state.open_jobs + len(state.untold) + len(state.log_updates)


def _device_named(request: Request) -> Eui64 | None:
    """The one device that a request is about, known or not: its target, or for the DCC's own services that of its body."""
    if request.request_id.target != ACCESS_CONTROL_BROKER:
        return request.request_id.target
    try:
        named = request.body.value("DeviceID")
        return None if named is None else parse_eui(named)
    except Malformed:  # a name that cannot be read was refused for it
        return None


_HANDLERS: Mapping[str, Callable[..., None]] = {
    "dsp.upstream": lambda context, hub, message: upstream.receive(context, message),
    "dsp.delivery": lambda context, job, success, reason: jobs.delivered(context, job, bool(success), reason),
    "dsp.undeliverable": lambda context, hub, target, message: transactions.undeliverable(context, message),
    "dsp.hub_firmware": hub_firmware.hub_firmware_activated,
    "dsp.power_outage": outages.power_outage,
    "dsp.hand_over": jobs.hand_over,
    "dsp.distribution_failure": jobs.tell_undistributed,
    "dsp.silence": jobs.silence,
    "dsp.distribution_due": deadlines.time_over,
    "dsp.distribution_limit": deadlines.limit_reached,
    "dsp.registration": lifecycle.registration_changed,
    "dsp.registrations": lifecycle.registrations_changed,
    "dsp.timeout": transactions.timed_out,
    "dsp.execution_overdue": dated.overdue,
    "dsp.due": commands.send_held,
    "dsp.sequence": sequences.ended,
    "dsp.sequence_overdue": sequences.overdue,
    "dsp.schedule_due": schedules.run_due,
    "dsp.device_log_window": lifecycle.device_log_window_ended,
}
"""Agenda topic → what happens; arguments are those of the event."""
