"""The same inputs at the same times with the same seed lead to the same octets, however time is cut and whoever was restarted."""

from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.vocabulary import WebService
from emulator.duis.messages import element
from tests.engine.actions import ACTIONS, DEVICES, USERS, Action, Ask, Run, Wait


def played(actions: list[Action]) -> Run:
    run = Run()
    for action in actions:
        run.do(action)
    return run


@given(st.lists(ACTIONS, max_size=15))
def test_the_same_again(actions: list[Action]) -> None:
    one, two = played(actions), played(actions)
    assert one.world.engine.digest() == two.world.engine.digest()
    assert one.effects == two.effects
    assert one.answers == two.answers


@given(st.lists(ACTIONS, max_size=15), st.integers(1, 3), st.integers(1, 4))
def test_slices_of_time_do_not_show(actions: list[Action], budget: int, parts: int) -> None:
    one, two = played(actions), Run()
    for action in actions:
        if not isinstance(action, Wait):
            two.do(action)
            continue
        engine = two.world.engine
        start_ms = engine.now_ms
        for part in range(1, parts + 1):
            to_ms = start_ms + action.by_ms * part // parts
            while not engine.advance(to_ms, budget):
                engine.next_wakeup()
                two.collect()
            engine.next_wakeup()
            two.collect()
    assert one.world.engine.digest() == two.world.engine.digest()
    assert one.effects == two.effects
    assert one.answers == two.answers


@given(st.lists(ACTIONS, max_size=15), st.sets(st.integers(0, 14), max_size=3))
def test_a_restart_does_not_show(actions: list[Action], restarts: set[int]) -> None:
    one, two = played(actions), Run()
    for number, action in enumerate(actions):
        if number in restarts:
            two.restart()
        two.do(action)
    assert one.world.engine.digest() == two.world.engine.digest()
    assert one.effects == two.effects
    assert one.answers == two.answers
    assert two.world.engine.context.lookup.differences(one.world.engine.context.lookup) == []


def test_looking_when_something_is_due_does_not_show() -> None:
    def dated(text: str) -> Ask:
        body = element("ReadFirmwareVersion", element("ExecutionDateTime", text))
        return Ask(USERS[0], DEVICES[0], 1, WebService.SEND_COMMAND, "11.2", "11.2", body, False)

    held, cancelled = dated("2026-01-05T09:00:00Z"), dated("3000-12-31T00:00:00Z")
    one, two = played([held, cancelled, held]), Run()
    for action in (held, cancelled, held):
        two.do(action)
        two.world.engine.next_wakeup()
    assert one.world.engine.digest() == two.world.engine.digest()
