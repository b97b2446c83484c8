"""Requests that go one after the other (source: reference duis/duis.md 1.9, low).

The first of a sequence says so; each of the others names the one before it, and is sent once that has succeeded. They may come in
any order. Fields of a Transform say nothing yet: it is the signed request that goes.
"""

from emulator.domain.errors import Refusal
from emulator.domain.tables import FutureDated, service_reference_variants
from emulator.dsp.commands import send_due
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.retention import finish
from emulator.dsp.state import Transaction, TransactionState
from emulator.dsp.transactions import fail, hold_on, release

SEQUENCED_VARIANTS = frozenset({1, 3, 5, 7})
"""Command Variants that go over the WAN (duis.md 1.4); nothing else has an outcome that another could wait for."""


def waits(context: Context, case: Case) -> Refusal | bool:
    """Whether a request has to wait for another, or why it cannot stand where it says."""
    request, preceding = case.request, case.request.preceding_request_id
    variant = request.command_variant
    if variant == 4 or (preceding is None and not request.first_in_sequence):
        return False

    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check), detail, where=check)

    if variant not in SEQUENCED_VARIANTS:
        return refuse("sequence_impossible", f"a request with Command Variant {variant} stands in no sequence")
    if preceding is None:
        return False
    if request.first_in_sequence:
        return refuse("sequence_impossible", "the first of a sequence has none before it")
    if preceding.originator != case.sender.eui or str(preceding).lower() == str(request.request_id).lower():
        return refuse("sequence_impossible", f"{preceding} is not another request of {case.sender.name}")
    if case.cancels:
        return refuse("sequence_impossible", "a cancellation waits for nothing")
    before = context.lookup.in_sequence(str(preceding))
    if before is None:
        # It may still be on its way; what came and is no part of a sequence will never be.
        used = (preceding.originator, preceding.target, preceding.counter, "command") in context.state.request_ids
        detail = f"{preceding} was refused, is forgotten, or is no part of a sequence"
        return refuse("sequence_preceding_failed", detail) if used else True
    succeeded = _succeeded(context, before)
    if succeeded is False:
        return refuse("sequence_preceding_failed", f"{preceding} failed")
    return succeeded is None


def _succeeded(context: Context, transaction: Transaction) -> bool | None:
    """Whether a request succeeded; None while it is under way."""
    match transaction.state:
        case TransactionState.ANSWERED | TransactionState.ACCEPTED_BY_DEVICE:
            return transaction.succeeded or context.settings.sequence_success == "response"
        case TransactionState.FAILED | TransactionState.CANCELLED:
            return False
        case _:
            return None


def ended(context: Context, key: int) -> None:
    """A request of a sequence is over: those that wait for it go, or fail with it."""
    transaction = context.state.transactions.get(key)
    succeeded = None if transaction is None else _succeeded(context, transaction)
    if transaction is None or succeeded is None:
        return
    for follower in context.lookup.followers(str(transaction.request.request_id)):
        context.agenda.cancel(follower.deadline)
        if succeeded:
            release(context, follower)
            _go(context, follower)
        else:
            _break(context, follower, "sequence_preceding_failed")


def overdue(context: Context, key: int) -> None:
    """A request has waited long enough for the one before it."""
    transaction = context.state.transactions.get(key)
    if transaction is None or transaction.state is not TransactionState.WAITING:
        return
    preceding = context.lookup.in_sequence(str(transaction.request.preceding_request_id))
    _break(context, transaction, "sequence_preceding_unknown" if preceding is None else "sequence_overdue")


def _go(context: Context, transaction: Transaction) -> None:
    """Send it, or hold it until its date."""
    dated = service_reference_variants()[transaction.request.service_reference_variant].future_dated is FutureDated.DSP
    if dated and transaction.due_ms is not None and transaction.due_ms > context.now_ms:
        hold_on(context, transaction, transaction.due_ms)
    else:
        send_due(context, transaction)


def _break(context: Context, transaction: Transaction, check: str) -> None:
    release(context, transaction)
    finish(context, transaction, TransactionState.FAILED)
    fail(context, transaction, context.codes.code(check), "sequence_broken")
