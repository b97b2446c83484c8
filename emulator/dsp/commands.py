"""Requests that go to a device: Transform, Send Command and Signed Pre-Commands.

Source: reference duis/duis.md 1.6 to 1.8, gbcs/gbcs.md 3 to 5. What becomes of them is in :mod:`emulator.dsp.transactions`.
"""

import base64
from dataclasses import dataclass, replace

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, format_eui, parse_eui
from emulator.domain.tables import LOCAL_DELIVERY_VARIANTS, LOCAL_ONLY_VARIANTS, FutureDated, service_reference_variants
from emulator.domain.vocabulary import RemotePartyRole, WebService
from emulator.dsp import dated, restoring
from emulator.dsp.context import Context
from emulator.dsp.credential_checks import check_change_of_supplier
from emulator.dsp.credentials import CHANGE_OF_SUPPLIER, refused_when_due
from emulator.dsp.gate import DUE_CHECKS, Case, pass_gate
from emulator.dsp.retention import finish, keep_pre_command
from emulator.dsp.state import InventoryEntry, PreCommand, Transaction, TransactionState
from emulator.dsp.transactions import (
    CUSTOMER_IDENTIFICATION,
    answer,
    customer_number,
    fail,
    hand_out,
    hold,
    open_transaction,
    release,
    transmit,
    wait,
)
from emulator.duis.messages import Element, element
from emulator.gbcs.commands import accept_signed, build_command, finish_command
from emulator.gbcs.message import GbcsMessage, Supplementary, decode_message
from emulator.gbcs.protect import PublicKey, sign, verify_signature
from emulator.gbcs.usecases import Originator, UseCase, by_code, is_routed, use_case_for
from emulator.premises.credentials import slots_of

Outcome = Element | Refusal | None

_TYPE_PAIRS = {
    "8.7.1": "join_other_device",
    "8.7.2": "join_type_pair",
    "8.8.1": "unjoin_type_pair",
    "8.8.2": "unjoin_non_critical_type_pair",
}
"""Check that fails when the table has no message for two types of device, by Service Reference Variant."""


@dataclass(frozen=True, slots=True)
class _Built:
    """A Command that can go: without its MAC, and with the key that makes it."""

    use_case: UseCase
    message: GbcsMessage
    device_key: PublicKey


def body_parameters(body: Element) -> dict[str, object]:
    """The body as nested mappings, as :mod:`emulator.gbcs.expressions` reads them.

    An element that repeats becomes a list; attributes stand beside the children, and beside ``text`` where there are none.
    """
    found: dict[str, object] = dict(body.attributes)
    for child in body.children:
        value: object = child.text
        if child.children or child.attributes:
            value = body_parameters(child) if child.children else {**dict(child.attributes), "text": child.text}
        if child.name in found:
            earlier = found[child.name]
            found[child.name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            found[child.name] = value
    return found


def _parameters(context: Context, case: Case) -> dict[str, object]:
    """What the Command says: the body, and what the DSP knows and the body does not hold."""
    parameters = body_parameters(case.request.body)
    parameters["device_type"] = case.target.device_type
    parameters["esme_variant"] = case.target.esme_variant
    if case.row.srv == CUSTOMER_IDENTIFICATION:
        parameters["customer_identification_number"] = customer_number(context, case.request)
    if case.row.srv in restoring.RESTORES:
        parameters |= restoring.parameters(context, case)
    other_id = case.request.body.value("OtherDeviceID")
    other = None if other_id is None else context.state.inventory.get(parse_eui(other_id))
    if other is not None:
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


def _refusal(context: Context, case: Case, check: str, detail: str) -> Refusal:
    return Refusal(context.codes.code(check, case.row.service_reference), detail, where=check)


def _without_use_case(context: Context, case: Case, parameters: dict[str, object]) -> Refusal:
    """Why the table has no message for the request."""
    device_type = case.target.device_type
    if case.row.srv in _TYPE_PAIRS:
        detail = f"{case.row.srv} does not join or part a {device_type} and a {parameters.get('other_device_type')}"
        return _refusal(context, case, _TYPE_PAIRS[case.row.srv], detail)
    if use_case_for(case.row.srv, device_type, parameters) is not None:
        detail = f"a {device_type} of GBCS version {case.target.gbcs_version} has no command for {case.row.srv}"
        return _refusal(context, case, "gbcs_version", detail)
    if is_routed(case.row.srv, device_type):
        return _refusal(context, case, "body_for_device", f"a {device_type} has not what the body asks for")
    detail = f"{case.row.srv} to a {device_type} is not emulated; see docs/reference/coverage.md"
    return _refusal(context, case, "service_not_emulated", detail)


def _build(context: Context, case: Case) -> _Built | Refusal:
    """The Command of a request, or why there is none. Nothing is changed."""
    device = case.target
    parameters = _parameters(context, case)
    role = _role_on_device(case, device)
    use_case = use_case_for(case.row.srv, device.device_type, parameters, gbcs_version=device.gbcs_version, user_role=role)
    if use_case is None:
        return _without_use_case(context, case, parameters)
    device_key = context.keys.device_key_agreement(device.eui)
    if device_key is None:
        return _refusal(context, case, "device_certificate", f"no certificate in use is known for {format_eui(device.eui)}")
    by_cos = use_case.originator is Originator.TRANSITIONAL_COS
    try:
        message = build_command(
            use_case,
            user=case.sender.eui,
            user_counter=case.request.request_id.counter,
            device=device.eui,
            acb_counter=context.next_cos_counter() if by_cos else context.next_acb_counter(),
            parameters=parameters,
            now_ms=context.now_ms,
            certificate=context.keys.party_certificate(case.sender.eui, "KA") if role is RemotePartyRole.OTHER else None,
        )
    except Malformed as error:
        return _refusal(context, case, "transform_failed", str(error))
    return _Built(use_case, message, device_key)


def transform(context: Context, case: Case) -> Outcome:
    """Command Variant 4: answer with the Pre-Command that the user is to sign."""
    built = _build(context, case)
    if isinstance(built, Refusal):
        return built
    octets = built.message.encode()
    request_id = case.request.request_id
    key = (request_id.originator, request_id.target, request_id.counter)
    keep_pre_command(context, key, PreCommand(octets, case.row.srv, context.now_ms, case.execution_ms, case.request.body))
    return element(
        "PreCommand",
        element("GBCSVersion", case.target.gbcs_version),
        element("GBCSPayload", base64.b64encode(octets).decode()),
    )


def _not_carried_out(context: Context, case: Case, use_case: UseCase) -> Refusal | None:
    """Why a Command is not sent that the table can write; a device without the behaviour could only pretend."""
    if use_case.carried_out:
        return None
    detail = f"no emulated {case.target.device_type} carries out {use_case.name} yet; see docs/reference/coverage.md"
    return _refusal(context, case, "service_not_emulated", detail)


def send(context: Context, case: Case, waits: bool = False) -> Outcome:
    """Command Variants 1 to 3: build the whole Command; send it, at once or when it comes due, or hand it out. It ``waits`` for
    another in its sequence."""
    built = _build(context, case)
    if isinstance(built, Refusal):
        return built
    if refusal := _not_carried_out(context, case, built.use_case):
        return refusal
    if waits:
        wait(context, case)
        return None
    if case.row.future_dated is FutureDated.DSP and case.execution_ms is not None:
        hold(context, case)
        return None
    if _is_held_first(context, case):
        hold(context, case, (case.execution_ms or 0) - context.settings.cos_lead_ms)
        return None
    return _dispatch(context, case, open_transaction(context, case, TransactionState.SENT), built)


def _is_held_first(context: Context, case: Case) -> bool:
    """Whether the DSP keeps a request for a while whose date the device is to keep (6.23; duis.md 1.8). What cancels one that is
    still held needs no Command."""
    if case.row.future_dated is not FutureDated.DSP_AND_DEVICE or case.execution_ms is None:
        return False
    if case.cancels:
        held = context.lookup.held(case.target.eui)
        same = (case.sender.eui, case.row.srv, TransactionState.HELD)
        return any((each.user, each.request.service_reference_variant, each.state) == same for each in held)
    return case.execution_ms - context.settings.cos_lead_ms > context.now_ms


def _dispatch(context: Context, case: Case, transaction: Transaction, built: _Built) -> Outcome:
    message = built.message
    if message.originator == ACCESS_CONTROL_BROKER:
        context.state.acb_counter = message.counter
    by_cos = message.originator == TRANSITIONAL_COS
    if by_cos:
        context.state.cos_counter = message.counter
    if built.use_case.critical:
        message = sign(message, context.keys.cos_digital_signature() if by_cos else context.keys.acb_digital_signature())
    return _let_go(context, case.target, transaction, message, built.device_key)


def _let_go(
    context: Context, device: InventoryEntry, transaction: Transaction, message: GbcsMessage, device_key: PublicKey
) -> Outcome:
    """The Command goes over the WAN, to the user for local delivery, or both (duis.md 1.4)."""
    message = _through_broker(context, device, message)
    command = finish_command(message, context.keys.acb_key_agreement(), device_key)
    if dated.is_dated_by_device(transaction):
        transaction.instructions = dated.instructions(message, transaction.asked.value("ExecutionDateTime"))
    variant = transaction.request.command_variant
    if variant not in LOCAL_DELIVERY_VARIANTS:
        transmit(context, device, transaction, message, command)
        return None
    local = element("LocalCommand", element("GBCSPayload", base64.b64encode(command).decode()))
    if variant in LOCAL_ONLY_VARIANTS:
        hand_out(context, transaction, message, command)
        return local
    transmit(context, device, transaction, message, command)
    if context.settings.local_copy == "answered":
        return local
    answer(context, transaction, context.codes.code("done"), local)
    return None


def _through_broker(context: Context, device: InventoryEntry, message: GbcsMessage) -> GbcsMessage:
    """A critical Command of a user to a device that has no place for its certificates, as a hub: the ACB sends and signs
    it in its own name, with the user in the supplementary fields (gbcs.md 3 and 4; for critical ones inferred)."""
    if not message.signature or message.originator in (ACCESS_CONTROL_BROKER, TRANSITIONAL_COS):
        return message
    if slots_of(device.device_type, RemotePartyRole.SUPPLIER) is not None:
        return message
    behind = Supplementary(message.originator, message.counter)
    counter = context.state.acb_counter = context.next_acb_counter()
    own = replace(message, originator=ACCESS_CONTROL_BROKER, counter=counter, supplementary=behind, signature=b"")
    return sign(own, context.keys.acb_digital_signature())


def send_held(context: Context, key: int) -> None:
    """A held request is due: it passes the gate again, then goes."""
    transaction = context.state.transactions.get(key)
    if transaction is None or transaction.state is not TransactionState.HELD:
        return
    release(context, transaction)
    send_due(context, transaction)


def unsendable(context: Context, case: Case) -> Refusal | None:
    """Why the request could not be sent, as things stand; nothing is changed."""
    built = _build(context, case)
    return built if isinstance(built, Refusal) else _not_carried_out(context, case, built.use_case)


def send_due(context: Context, transaction: Transaction) -> None:
    """Send a request whose time has come: it passes the gate again, and fails where that lets it no longer."""
    request = transaction.request
    case = Case(WebService.SEND_COMMAND, request, context.now_ms, service_reference_variants()[request.service_reference_variant])
    refusal = pass_gate(context, case, DUE_CHECKS)
    if refusal is None and case.row.srv == CHANGE_OF_SUPPLIER:
        refusal = check_change_of_supplier(context, case)
    outcome: Outcome = refusal or _send_now(context, case, transaction)
    if isinstance(outcome, Refusal):
        finish(context, transaction, TransactionState.FAILED)
        refused_when_due(context, transaction)
        fail(context, transaction, outcome.code, "access_refused_when_due" if refusal else "command_not_delivered")
    elif outcome is not None:
        answer(context, transaction, context.codes.code("done"), outcome)


def _send_now(context: Context, case: Case, transaction: Transaction) -> Outcome:
    if not case.signed:
        built = _build(context, case)
        return built if isinstance(built, Refusal) else _dispatch(context, case, transaction, built)
    message = decode_message(base64.b64decode(case.request.body.required("GBCSPayload")))
    device_key = context.keys.device_key_agreement(case.target.eui)
    if device_key is None:
        return _without_certificate(context, case)
    return _let_go(context, case.target, transaction, message, device_key)


def _without_certificate(context: Context, case: Case) -> Refusal:
    return _refusal(context, case, "device_certificate", f"no certificate in use is known for {format_eui(case.target.eui)}")


def send_signed(context: Context, case: Case, waits: bool = False) -> Outcome:
    """Command Variants 5 to 7: the Signed Pre-Command must be the one handed out, signed by the user. It ``waits`` for another in
    its sequence."""
    request_id = case.request.request_id
    key = (request_id.originator, request_id.target, request_id.counter)
    known = context.state.pre_commands.get(key)
    try:
        octets = base64.b64decode("".join(case.request.body.required("GBCSPayload").split()), validate=True)
        decode_message(octets)
    except ValueError as error:
        return _refusal(context, case, "pre_command_malformed", f"the Signed Pre-Command cannot be read: {error}")
    if known is None or known.service_reference_variant != case.row.srv:
        detail = f"no Pre-Command for {case.row.srv} was handed out under RequestID {request_id}"
        return _refusal(context, case, "pre_command_unknown", detail)
    if context.now_ms - known.made_at_ms > context.settings.pre_command_validity_ms:
        return _refusal(context, case, "pre_command_unknown", "the Pre-Command was handed out too long ago")
    try:
        message = accept_signed(decode_message(known.octets), octets)
    except Malformed as error:
        check = "gbcs_signature_invalid" if "not signed" in error.detail else "pre_command_altered"
        return _refusal(context, case, check, str(error))
    if not any(verify_signature(message, key) for key in context.keys.user_digital_signatures(case.sender.eui)):
        detail = f"the signature is not by the digital signing key of {format_eui(case.sender.eui)}"
        return _refusal(context, case, "gbcs_signature_invalid", detail)
    use_case = by_code(message.message_code, case.target.device_type)
    if use_case is not None and (refusal := _not_carried_out(context, case, use_case)):
        return refusal
    device_key = context.keys.device_key_agreement(case.target.eui)
    if device_key is None:
        return _without_certificate(context, case)
    del context.state.pre_commands[key]
    if waits:
        wait(context, case, transformed=known.body)
        return None
    transaction = open_transaction(context, case, TransactionState.SENT, transformed=known.body)
    return _let_go(context, case.target, transaction, message, device_key)
