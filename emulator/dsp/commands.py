"""Requests that go to a device: Transform, Send Command, and what becomes of them.

Source: reference duis/duis.md 1.6 to 1.8, gbcs/gbcs.md 3 to 5.
"""

import base64
import binascii
from collections.abc import Mapping

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.tables import FutureDated, service_reference_variants
from emulator.domain.vocabulary import RemotePartyRole, WebService
from emulator.dsp.context import Context
from emulator.dsp.gate import DUE_CHECKS, Case, pass_gate
from emulator.dsp.state import InventoryEntry, PreCommand, Transaction, TransactionState
from emulator.duis.messages import Element, element
from emulator.gbcs.commands import accept_signed, build_command, finish_command
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import sign, verify_signature
from emulator.gbcs.usecases import UseCase, use_case_for

Outcome = Element | Refusal | None


def body_parameters(body: Element) -> dict[str, object]:
    """The body as nested mappings; an element that repeats becomes a list."""
    found: dict[str, object] = {}
    for child in body.children:
        value: object = body_parameters(child) if child.children else child.text
        if child.name in found:
            earlier = found[child.name]
            found[child.name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            found[child.name] = value
    return found


def _parameters(context: Context, case: Case) -> dict[str, object] | Refusal:
    """What the Command says: the body, and what the DSP knows and the body does not hold."""
    parameters = body_parameters(case.request.body)
    parameters["device_type"] = case.target.device_type
    other_id = case.request.body.value("OtherDeviceID")
    if other_id is not None:
        other = context.state.inventory.get(parse_eui(other_id))
        if other is None:
            code = context.codes.code("join_other_device", "8.7")
            return Refusal(code, f"OtherDeviceID {other_id} is not in the inventory", where="join_other_device")
        parameters["other_device_type"] = other.device_type
        certificate = context.keys.party_certificate(other.eui, "KA")
        if certificate is not None:
            parameters["other_device_certificate"] = certificate
    return parameters


def _role_on_device(case: Case, device: InventoryEntry) -> RemotePartyRole:
    """In which role the device knows the user, as far as the DSP knows; OTHER when it does not know it."""
    if case.row.critical or device.supplier == case.sender.eui:
        return case.sender.remote_party_role
    if device.network_operator == case.sender.eui:
        return RemotePartyRole.NETWORK_OPERATOR
    return RemotePartyRole.OTHER


def _command(context: Context, case: Case) -> tuple[UseCase, GbcsMessage] | Refusal:
    parameters = _parameters(context, case)
    if isinstance(parameters, Refusal):
        return parameters
    device = case.target
    use_case = use_case_for(
        case.row.srv,
        device.device_type,
        parameters,
        gbcs_version=device.gbcs_version,
        user_role=_role_on_device(case, device),
    )
    if use_case is None:
        return Refusal(
            context.codes.code("service_not_emulated"),
            f"{case.row.srv} to a {device.device_type} is not emulated; see docs/reference/coverage.md",
            where="service_not_emulated",
        )
    try:
        message = build_command(
            use_case,
            user=case.sender.eui,
            user_counter=case.request.request_id.counter,
            device=device.eui,
            acb_counter=context.acb_counter(),
            parameters=parameters,
            now_ms=context.now_ms,
            certificate=context.keys.party_certificate(case.sender.eui, "KA") if not case.row.critical else None,
        )
    except Malformed as error:
        return Refusal(context.codes.code("transform_failed"), str(error), where="transform_failed")
    return use_case, message


def transform(context: Context, case: Case) -> Outcome:
    """Command Variant 4: answer with the Pre-Command that the user is to sign."""
    built = _command(context, case)
    if isinstance(built, Refusal):
        return built
    _, message = built
    request_id = case.request.request_id
    key = (request_id.originator, request_id.target, request_id.counter)
    context.state.pre_commands[key] = PreCommand(message.encode(), case.row.srv, context.now_ms, case.execution_ms)
    return element(
        "PreCommand",
        element("GBCSVersion", case.target.gbcs_version),
        element("GBCSPayload", base64.b64encode(message.encode()).decode()),
    )


def send(context: Context, case: Case) -> Outcome:
    """Command Variant 1: build the whole Command and send it, at once or when it comes due."""
    if case.row.future_dated is FutureDated.DSP and case.execution_ms is not None:
        return _hold(context, case)
    return _dispatch(context, case, None)


def _hold(context: Context, case: Case) -> Outcome:
    """Future dated by the DSP: a newer request of the variant to the device replaces the held one (duis.md 1.8, medium)."""
    for transaction in context.state.transactions.values():
        if (
            transaction.state is TransactionState.HELD
            and transaction.device == case.target.eui
            and transaction.user == case.sender.eui
            and transaction.request.service_reference_variant == case.row.srv
        ):
            context.agenda.cancel(transaction.deadline)
            transaction.state = TransactionState.CANCELLED
    if case.cancels:
        return None
    assert case.execution_ms is not None
    transaction = _open(context, case, TransactionState.HELD)
    transaction.due_ms = case.execution_ms
    transaction.deadline = context.agenda.schedule(case.execution_ms, "dsp.due", transaction.key)
    return None


def send_held(context: Context, key: int) -> None:
    """A held request is due: it passes the gate again, then goes."""
    transaction = context.state.transactions[key]
    if transaction.state is not TransactionState.HELD:
        return
    request = transaction.request
    case = Case(WebService.SEND_COMMAND, request, context.now_ms, service_reference_variants()[request.service_reference_variant])
    refusal = pass_gate(context, case, DUE_CHECKS) or _dispatch(context, case, transaction)
    if refusal is not None:
        transaction.state = TransactionState.FAILED
        _report_failure(context, transaction, refusal.code, "access_refused_when_due")


def _open(context: Context, case: Case, state: TransactionState) -> Transaction:
    transaction = Transaction(
        key=context.key(),
        request=case.request,
        user=case.sender.eui,
        role=case.acting_role,
        device=case.target.eui,
        state=state,
    )
    context.state.transactions[transaction.key] = transaction
    return transaction


def _dispatch(context: Context, case: Case, transaction: Transaction | None) -> Refusal | None:
    built = _command(context, case)
    if isinstance(built, Refusal):
        return built
    use_case, message = built
    if use_case.critical:
        message = sign(message, context.keys.acb_digital_signature())
    if transaction is None:
        transaction = _open(context, case, TransactionState.SENT)
    _transmit(context, case.target, transaction, message)
    return None


def send_signed(context: Context, case: Case) -> Outcome:
    """Command Variant 5: the Signed Pre-Command must be the one handed out, signed by the user."""
    request_id = case.request.request_id
    known = context.state.pre_commands.get((request_id.originator, request_id.target, request_id.counter))

    def refuse(check: str, detail: str, evidence: Mapping[str, object] | None = None) -> Refusal:
        return Refusal(context.codes.code(check), detail, where=check, evidence=evidence or {})

    try:
        octets = base64.b64decode(case.request.body.required("GBCSPayload"), validate=True)
        decode_message(octets)
    except (Malformed, binascii.Error) as error:
        return refuse("pre_command_malformed", f"the Signed Pre-Command cannot be read: {error}")
    if known is None or known.service_reference_variant != case.row.srv:
        return refuse("pre_command_unknown", f"no Pre-Command for {case.row.srv} was handed out under RequestID {request_id}")
    if context.now_ms - known.made_at_ms > context.settings.pre_command_validity_ms:
        return refuse("pre_command_unknown", "the Pre-Command was handed out too long ago")
    try:
        message = accept_signed(decode_message(known.octets), octets)
    except Malformed as error:
        check = "gbcs_signature_invalid" if "not signed" in error.detail else "pre_command_altered"
        return refuse(check, str(error))
    public_key = context.keys.user_digital_signature(case.sender.eui)
    if public_key is None or not verify_signature(message, public_key):
        return refuse(
            "gbcs_signature_invalid",
            f"the signature is not by the digital signing key of {format_eui(case.sender.eui)}",
        )
    transaction = _open(context, case, TransactionState.SENT)
    transaction.due_ms = known.execution_ms
    _transmit(context, case.target, transaction, message)
    return None


def _transmit(context: Context, device: InventoryEntry, transaction: Transaction, message: GbcsMessage) -> None:
    """Add the ACB's MAC, hand the Command to the csp and start waiting."""
    command = finish_command(message, context.keys.acb_key_agreement(), context.keys.device_key_agreement(device.eui))
    transaction.message_code = message.message_code
    transaction.originator = message.originator
    transaction.counter = message.counter
    transaction.state = TransactionState.SENT
    context.state.awaiting_response[(device.eui, message.message_code, message.originator, message.counter)] = transaction.key
    context.state.open_transactions += 1
    valid_until_ms = context.now_ms + context.settings.on_demand_validity_ms
    transaction.deadline = context.agenda.schedule(valid_until_ms, "dsp.timeout", transaction.key)
    request_id = str(transaction.request.request_id)
    context.journal(
        "gbcs.command",
        f"{message.message_code:04X} to {device.device_type} {format_eui(device.eui)}",
        request_id=request_id,
        device=device.eui,
        data={"gbcs": command.hex()},
    )
    hub = device.hub if device.hub is not None else device.eui
    context.csp.send_command(hub, device.eui, command, context.now_ms)


def close(context: Context, transaction: Transaction, state: TransactionState) -> None:
    """End a transaction that was sent."""
    key = (transaction.device, transaction.message_code, transaction.originator, transaction.counter)
    if context.state.awaiting_response.pop(key, None) is not None:
        context.state.open_transactions -= 1
        if transaction.deadline >= 0:
            context.agenda.cancel(transaction.deadline)
    transaction.state = state


def timed_out(context: Context, key: int) -> None:
    """No Response within the validity: E21, or E30 for a date (duis.md 1.6)."""
    transaction = context.state.transactions[key]
    if transaction.state is not TransactionState.SENT:
        return
    transaction.deadline = -1
    close(context, transaction, TransactionState.FAILED)
    _report_failure(context, transaction, context.codes.code("no_response"), "no_response")


def undeliverable(context: Context, command: bytes) -> None:
    """The csp gave up on a Command: E20 (duis.md 1.6)."""
    message = decode_message(command)
    key = (message.recipient, message.message_code, message.originator, message.counter)
    found = context.state.awaiting_response.get(key)
    if found is None:
        return
    transaction = context.state.transactions[found]
    close(context, transaction, TransactionState.FAILED)
    _report_failure(context, transaction, context.codes.code("no_contact"), "command_not_delivered")


def _report_failure(context: Context, transaction: Transaction, code: str, purpose: str) -> None:
    """Tell the user: a failure Response, and for held requests a CommandFailure alert too (duis.md 1.6, medium)."""
    request = transaction.request
    references = (request.service_reference, request.service_reference_variant)
    context.respond(transaction.user, transaction.device, request.request_id, references, code, None)
    if request.body.value("ExecutionDateTime") is not None:
        body = element(
            "CommandFailure",
            element("CommandRequestID", str(request.request_id)),
            element("DeviceID", format_eui(transaction.device)),
        )
        request_id = str(request.request_id)
        context.dcc_alert([transaction.user], purpose, body, device=transaction.device, request_id=request_id)
