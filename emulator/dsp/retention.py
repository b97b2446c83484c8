"""How long the DSP remembers what is over: named limits of :class:`DspSettings`, oldest first out."""

from typing import TypeVar

from emulator.dsp.context import Context
from emulator.dsp.oldest import drop_oldest
from emulator.dsp.state import FirmwareRequest, PreCommand, Transaction, TransactionState

K = TypeVar("K")
V = TypeVar("V")


def use_request_id(context: Context, key: tuple[int, int, int, str]) -> bool:
    """Note a RequestID as used; False when it was used before."""
    used = context.state.request_ids
    if key in used:
        return False
    used[key] = None
    drop_oldest(used, context.settings.keep_request_ids)
    return True


def raise_counter(context: Context, key: tuple[int, int], counter: int) -> int:
    """Note a RequestID counter of a user and target; returns the highest before it, -1 for none."""
    counters = context.state.highest_counter
    highest = counters.pop(key, -1)
    counters[key] = max(highest, counter)  # the pair is now the youngest
    drop_oldest(counters, context.settings.keep_counters)
    return highest


def keep_pre_command(context: Context, key: tuple[int, int, int], pre_command: PreCommand) -> None:
    """Remember a Pre-Command that was handed out, and forget those that are no longer valid."""
    kept = context.state.pre_commands
    expired_ms = context.now_ms - context.settings.pre_command_validity_ms
    for old in [each for each, _ in _while_older(kept, expired_ms)]:
        del kept[old]
    kept.pop(key, None)
    kept[key] = pre_command
    drop_oldest(kept, context.settings.keep_pre_commands)


def _while_older(kept: dict[K, PreCommand], than_ms: int) -> list[tuple[K, PreCommand]]:
    found = []
    for key, pre_command in kept.items():
        if pre_command.made_at_ms >= than_ms:
            break
        found.append((key, pre_command))
    return found


def finish(context: Context, transaction: Transaction, outcome: TransactionState) -> None:
    """A transaction is over; the oldest ones that are over are forgotten."""
    state = context.state
    transaction.state = outcome
    if transaction.sequenced:
        context.agenda.schedule(context.now_ms, "dsp.sequence", transaction.key)
    state.finished.pop(transaction.key, None)
    state.finished[transaction.key] = None
    for key in drop_oldest(state.finished, context.settings.keep_transactions):
        gone = state.transactions.pop(key)
        context.lookup.drop_sequenced(gone)
        command = command_key(gone)
        if state.commands.get(command) == key:
            del state.commands[command]


def command_key(transaction: Transaction) -> tuple[int, int, int, int]:
    """By what a Response finds the transaction that sent its Command."""
    return transaction.device, transaction.message_code, transaction.originator, transaction.counter


def complete_request(context: Context, request: FirmwareRequest) -> None:
    """No job of a firmware request is open any more; the oldest such requests are forgotten with their jobs."""
    state = context.state
    state.completed_requests[request.key] = None
    state.completed_jobs += len(request.jobs)
    if request.deadline >= 0:
        context.agenda.cancel(request.deadline)
        request.deadline = -1
    while state.completed_jobs > context.settings.keep_jobs and len(state.completed_requests) > 1:
        oldest = next(iter(state.completed_requests))
        if oldest in state.untold:
            break  # its requester has yet to hear of a failure
        del state.completed_requests[oldest]
        gone = state.firmware_requests.pop(oldest)
        state.completed_jobs -= len(gone.jobs)
        for key in gone.jobs:
            context.lookup.drop_job(state.jobs.pop(key))
