"""Whatever comes in, an answer goes out: nothing is raised, what is refused changes nothing, and the books stay balanced."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.tables import response_codes
from emulator.dsp import job_states
from emulator.dsp.audit import AuditState
from emulator.dsp.effects import ControlAnswer
from emulator.dsp.lookup import Lookup
from emulator.dsp.state import DspState, TransactionState
from emulator.duis.encode import encode_message
from emulator.estate import snapshot
from tests.engine.actions import ACTIONS, Action, Ask, Control, Run, asks, controls


def balanced(state: DspState) -> bool:
    """Counts and cross references of the state agree with it."""
    transactions = Counter(transaction.state for transaction in state.transactions.values())
    open_jobs = [job for job in state.jobs.values() if job.state not in job_states.TERMINAL]
    over = [key for key, each in state.transactions.items() if each.state in {"answered", "failed", "cancelled", "handed out"}]
    return (
        state.open_transactions == transactions[TransactionState.SENT]
        and state.open_jobs == len(open_jobs) == sum(request.open_jobs for request in state.firmware_requests.values())
        and sorted(state.finished) == sorted(over)
        and set(state.commands.values()) <= set(state.transactions)
        and {job.request for job in state.jobs.values()} == set(state.firmware_requests)
        and set(state.completed_requests) == {r.key for r in state.firmware_requests.values() if not r.open_jobs}
        and state.completed_jobs == sum(len(state.firmware_requests[key].jobs) for key in state.completed_requests)
    )


@given(st.lists(ACTIONS, max_size=25))
def test_nothing_is_raised_and_the_books_balance(actions: list[Action]) -> None:
    run = Run()
    for action in actions:
        run.do(action)
        state = run.world.engine.state.dsp
        assert balanced(state), action
        assert not run.world.engine.context.lookup.differences(Lookup(state)), action
    for answer in run.answers:
        if isinstance(answer, ControlAnswer):
            assert answer.error is None or answer.error
        else:
            assert answer.code in response_codes()
            encode_message(answer)
    for delivery in run.deliveries:
        encode_message(delivery.message)


def everything_but_request_ids(run: Run) -> bytes:
    """The state without what a refusal may leave behind: that a RequestID was used, its audit record, the number of journal
    entries."""
    state = run.world.engine.state
    dsp = replace(state.dsp, request_ids={}, highest_counter={}, audit=AuditState())
    numbers = {name: number for name, number in state.numbers.items() if name != "journal"}
    return snapshot.dump(replace(state, dsp=dsp, numbers=numbers))


@given(st.lists(ACTIONS, max_size=10), st.lists(asks() | controls(), min_size=1, max_size=10))
def test_a_refusal_changes_nothing(before: list[Action], tried: list[Ask | Control]) -> None:
    run = Run()
    for action in before:
        run.do(action)
    for action in tried:
        run.world.engine.advance(run.world.engine.now_ms)
        state = everything_but_request_ids(run)
        run.do(action)
        answer = run.answers[-1]
        refused = answer.error is not None if isinstance(answer, ControlAnswer) else answer.code[0] == "E"
        assert not refused or everything_but_request_ids(run) == state, answer
