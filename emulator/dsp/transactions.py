"""The life of a request to a device: held, sent, answered or failed, and how the user hears of it.

Source: reference duis/duis.md 1.6 and 1.8. Every function that an event calls takes it calmly when the transaction is over or
forgotten.
"""

import base64
import hashlib

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.retention import command_key, finish
from emulator.dsp.state import InventoryEntry, Transaction, TransactionState
from emulator.duis.messages import Element, Request, element
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.times import DUIS_CANCEL

CUSTOMER_IDENTIFICATION = "9.1"
"""The one service whose answer holds something that the DCC made up (duis.md 1.6)."""


def names(transaction: Transaction) -> tuple[str, str]:
    """RequestID and Service Reference Variant, as records name the request."""
    return str(transaction.request.request_id), transaction.request.service_reference_variant


def open_transaction(context: Context, case: Case, state: TransactionState, transformed: Element | None = None) -> Transaction:
    """Begin to keep track of an accepted request; ``transformed`` is what its Transform request asked for."""
    transaction = Transaction(
        key=context.key(),
        request=case.request,
        user=case.sender.eui,
        role=case.acting_role,
        device=case.target.eui,
        state=state,
        transformed=transformed,
        due_ms=case.execution_ms,
    )
    context.state.transactions[transaction.key] = transaction
    context.lookup.add_sequenced(transaction)
    return transaction


def hold(context: Context, case: Case, until_ms: int | None = None) -> None:
    """Keep a request that the DSP dates ahead, until its date or ``until_ms``.

    A newer one of the same user, variant and device replaces what is held for them, and a cancellation only removes it
    (duis.md 1.8, medium).
    """
    for transaction in context.lookup.held(case.target.eui):
        of_same = (transaction.user, transaction.request.service_reference_variant) == (case.sender.eui, case.row.srv)
        if of_same and transaction.state is TransactionState.HELD:
            release(context, transaction, TransactionState.CANCELLED)
    if case.cancels:
        # The acknowledgement promised a result, and no device will give one (our decision).
        transaction = open_transaction(context, case, TransactionState.SENT)
        finish(context, transaction, TransactionState.ANSWERED)
        answer(context, transaction, context.codes.code("done"), None)
        return
    assert case.execution_ms is not None
    hold_on(context, open_transaction(context, case, TransactionState.HELD), until_ms or case.execution_ms)


def wait(context: Context, case: Case, transformed: Element | None = None) -> None:
    """Keep a request until the one before it in its sequence has succeeded, or for as long as that may take (duis.md 1.9)."""
    transaction = open_transaction(context, case, TransactionState.WAITING, transformed)
    context.lookup.add_held(transaction)
    transaction.until_ms = context.now_ms + context.settings.sequence_wait_ms
    transaction.deadline = context.agenda.schedule(transaction.until_ms, "dsp.sequence_overdue", transaction.key)


def hold_on(context: Context, transaction: Transaction, until_ms: int) -> None:
    """A request that waited for another is held until its date."""
    transaction.state = TransactionState.HELD
    context.lookup.add_held(transaction)
    transaction.deadline = context.agenda.schedule(until_ms, "dsp.due", transaction.key)


def release(context: Context, transaction: Transaction, outcome: TransactionState | None = None) -> None:
    """A held request is held no longer: it goes now, or ends with ``outcome``."""
    context.lookup.drop_held(transaction)
    if outcome is not None:
        context.agenda.cancel(transaction.deadline)
        finish(context, transaction, outcome)
    transaction.deadline = -1


def drop_held(context: Context, entry: InventoryEntry, purpose: str) -> None:
    """End everything that is held for a device, and tell who asked for it."""
    for transaction in context.lookup.held(entry.eui):
        release(context, transaction, TransactionState.CANCELLED)
        command_failure(context, transaction, purpose)


def transmit(context: Context, device: InventoryEntry, transaction: Transaction, message: GbcsMessage, command: bytes) -> None:
    """Hand the Command to the csp and start waiting. ``command`` is ``message`` with the ACB's MAC."""
    _know_by(context, transaction, message)
    transaction.state = TransactionState.SENT
    context.state.open_transactions += 1
    transaction.until_ms = context.now_ms + context.settings.on_demand_validity_ms
    transaction.deadline = context.agenda.schedule(transaction.until_ms, "dsp.timeout", transaction.key)
    context.journal(
        "gbcs.command",
        f"{message.message_code:04X} to {device.device_type} {format_eui(device.eui)}",
        request_id=str(transaction.request.request_id),
        device=device.eui,
        data={"gbcs": command.hex()},
    )
    hub = device.hub if device.hub is not None else device.eui
    context.csp.send_command(hub, device.eui, command, context.now_ms)


def hand_out(context: Context, transaction: Transaction, message: GbcsMessage, command: bytes) -> None:
    """The user gets the Command for local delivery; nobody waits for its Response, which may come back by 8.13."""
    _know_by(context, transaction, message)
    finish(context, transaction, TransactionState.HANDED_OUT)
    context.journal(
        "gbcs.command",
        f"{message.message_code:04X} for local delivery to {format_eui(transaction.device)}",
        request_id=str(transaction.request.request_id),
        device=transaction.device,
        data={"gbcs": command.hex()},
    )


def _know_by(context: Context, transaction: Transaction, message: GbcsMessage) -> None:
    """By what the Response to its Command will find the transaction."""
    transaction.message_code = message.message_code
    transaction.originator = message.originator
    transaction.counter = message.counter
    context.state.commands[command_key(transaction)] = transaction.key


def close(context: Context, transaction: Transaction, outcome: TransactionState) -> None:
    """End the wait of a transaction that was sent."""
    if transaction.state is TransactionState.SENT:
        context.state.open_transactions -= 1
        if transaction.deadline >= 0:
            context.agenda.cancel(transaction.deadline)
            transaction.deadline = -1
    finish(context, transaction, outcome)


def takes_date(transaction: Transaction) -> bool:
    """Whether the device is to execute it at a date that does not mean cancellation."""
    return transaction.due_ms is not None and transaction.due_ms != DUIS_CANCEL


def timed_out(context: Context, key: int) -> None:
    """No Response within the validity: E21 (duis.md 3.3, high)."""
    transaction = context.state.transactions.get(key)
    if transaction is None or transaction.state is not TransactionState.SENT:
        return
    transaction.deadline = -1
    close(context, transaction, TransactionState.FAILED)
    fail(context, transaction, context.codes.code("no_response"), "no_response")


def undeliverable(context: Context, command: bytes) -> None:
    """The csp gave up on a Command: E20 (duis.md 1.6)."""
    message = decode_message(command)
    key = context.state.commands.get((message.recipient, message.message_code, message.originator, message.counter))
    transaction = None if key is None else context.state.transactions[key]
    if transaction is None or transaction.state is not TransactionState.SENT:
        return
    close(context, transaction, TransactionState.FAILED)
    fail(context, transaction, context.codes.code("no_contact"), "command_not_delivered")


def answer(context: Context, transaction: Transaction, code: str, payload: Element | None) -> None:
    """Push a result of the request to the user."""
    request = transaction.request
    references = (request.service_reference, request.service_reference_variant)
    shown = shown_request_id(context, transaction)
    context.respond(transaction.user, transaction.device, request.request_id, references, code, payload, shown)


def shown_request_id(context: Context, transaction: Transaction) -> str | None:
    """The RequestID under which the user hears of a request: its own, for a scheduled run by ``scheduled_request_id``."""
    if not transaction.schedule or context.settings.scheduled_request_id == "run":
        return str(transaction.request.request_id)
    return transaction.scheduled_by if context.settings.scheduled_request_id == "created" else None


def customer_number(context: Context, request: Request) -> str:
    """The four digits that a meter is to show for a 9.1: those of the setting, or others for each request."""
    fixed = context.settings.customer_identification_number
    if fixed and not (len(fixed) == 4 and fixed.isascii() and fixed.isdigit()):
        raise Malformed(f"{fixed[:20]!r} is no such number", where="customer_identification_number", expected="four digits")
    digest = hashlib.blake2b(str(request.request_id).lower().encode(), digest_size=8).digest()
    return fixed or f"{int.from_bytes(digest, 'big') % 10_000:04}"


def answer_with(context: Context, transaction: Transaction, octets: bytes) -> None:
    """Push the Response of the device; that of a scheduled run names its schedule (duis.md 1.9, certain), that of a meter which
    shows a customer identification number names the number (duis.md 1.6, certain)."""
    payload = element("GBCSPayload", base64.b64encode(octets).decode())
    if transaction.request.service_reference_variant == CUSTOMER_IDENTIFICATION:
        number = customer_number(context, transaction.request)
        payload = element("CINMessage", payload, element("CustomerIdentificationNumber", number))
    if transaction.schedule:
        payload = element("DSPScheduledMessage", payload, element("DSPScheduleID", str(transaction.schedule)))
    answer(context, transaction, context.codes.code("done"), payload)


def fail(context: Context, transaction: Transaction, code: str, purpose: str) -> None:
    """Tell the user of a failure: a Response with this code, and a CommandFailure alert (duis.md 1.6, ota.md 5.3); of a scheduled
    run the alert alone (duis.md 1.9, medium)."""
    if not transaction.schedule:
        answer(context, transaction, code, None)
    if transaction.schedule or transaction.due_ms is not None or context.settings.command_failure_on_demand:
        command_failure(context, transaction, purpose)


def command_failure(context: Context, transaction: Transaction, purpose: str) -> None:
    """CommandFailure to who asked (duis.md section 4)."""
    request_id = shown_request_id(context, transaction) or transaction.scheduled_by
    body = element(
        "CommandFailure",
        element("CommandRequestID", request_id),
        element("DSPScheduleID", str(transaction.schedule)) if transaction.schedule else None,
        element("DeviceID", format_eui(transaction.device)),
    )
    context.dcc_alert([transaction.user], purpose, body, device=transaction.device, request_id=request_id)
