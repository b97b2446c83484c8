"""The agenda: order, ties, cancellation, and that what is cancelled does not pile up."""

from emulator.simulation.agenda import Agenda


def drained(agenda: Agenda) -> list[str]:
    topics = []
    while (event := agenda.pop_due(1_000_000)) is not None:
        topics.append(event.topic)
    return topics


def test_events_come_by_time_and_ties_by_the_order_of_scheduling() -> None:
    agenda = Agenda()
    for at_ms, topic in ((5, "b"), (1, "a"), (5, "c"), (9, "d")):
        agenda.schedule(at_ms, topic)
    assert agenda.next_at_ms() == 1
    assert agenda.pop_due(0) is None
    assert drained(agenda) == ["a", "b", "c", "d"]
    assert agenda.next_at_ms() is None


def test_what_is_cancelled_does_not_happen() -> None:
    agenda = Agenda()
    orders = [agenda.schedule(at_ms, str(at_ms)) for at_ms in range(5)]
    agenda.cancel(orders[0])
    agenda.cancel(orders[3])
    agenda.settle()
    assert not agenda.cancelled
    assert drained(agenda) == ["1", "2", "4"]


def test_cancelled_events_do_not_pile_up() -> None:
    agenda = Agenda()
    kept = agenda.schedule(10_000_000, "kept")
    for number in range(10_000):
        agenda.cancel(agenda.schedule(5_000_000 + number, "gone"))
    assert len(agenda.entries) < 2_500
    assert kept in {event.order for event in agenda.entries}
