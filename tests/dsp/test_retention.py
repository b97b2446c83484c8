"""What the DSP remembers is bounded; beyond each limit the oldest goes, and what comes late for it does no harm."""

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.dsp.lookup import Lookup
from emulator.dsp.oldest import drop_oldest
from emulator.duis.messages import element
from tests.dsp.bench_world import DAY_MS, HOUR_MS, SUPPLIER, Bench, bench_with, device, responses

ESME = device(0, "A0")


def test_the_oldest_tenth_goes() -> None:
    entries = dict.fromkeys(range(100))
    assert drop_oldest(entries, 100) == []
    entries[100] = None
    assert drop_oldest(entries, 100) == list(range(11))
    assert list(entries) == list(range(11, 101))
    assert drop_oldest(entries, 1) == list(range(11, 100))


def test_request_ids_beyond_the_limit_are_forgotten() -> None:
    limited = bench_with(keep_request_ids=3)
    for counter in (1, 2, 3, 4):
        assert limited.submit("11.2", to=ESME, counter=counter).code == "I99"
    assert limited.submit("11.2", to=ESME, counter=4).code == "E44"
    assert limited.submit("11.2", to=ESME, counter=1).code == "I99"
    assert len(limited.world.engine.state.dsp.request_ids) == 3


def test_counters_are_kept_only_where_they_count_and_are_bounded() -> None:
    usual = Bench()
    usual.submit("8.2", element("ReadInventory", element("DeviceID", format_eui(ESME))))
    assert not usual.world.engine.state.dsp.highest_counter
    usual.submit("11.2", to=ESME)
    assert list(usual.world.engine.state.dsp.highest_counter) == [(SUPPLIER, ESME)], "a scheduled run has to go above it"
    strict = bench_with(strict_counter=True, keep_counters=2)
    for target in (ESME, device(0, "A1"), device(0, "A2")):
        assert strict.submit("11.2", to=target, counter=10).code == "I99"
    assert len(strict.world.engine.state.dsp.highest_counter) == 2
    assert strict.submit("11.2", to=device(0, "A2"), counter=9).code == "E45"
    assert strict.submit("11.2", to=ESME, counter=9).code == "I99"


def transform(there: Bench, counter: int) -> None:
    body = element("ActivateFirmware", element("FirmwareHash", "00" * 32))
    assert there.submit("11.3", body, to=ESME, variant=4, counter=counter).code == "I0"


def test_expired_and_surplus_pre_commands_go() -> None:
    limited = bench_with(keep_pre_commands=2)
    state = limited.world.engine.state.dsp
    for counter in (1, 2, 3):
        transform(limited, counter)
    assert [counter for _, _, counter in state.pre_commands] == [2, 3]
    limited.advance(DAY_MS)
    transform(limited, 4)
    assert [counter for _, _, counter in state.pre_commands] == [3, 4]
    limited.advance(DAY_MS + 1)
    transform(limited, 5)
    assert [counter for _, _, counter in state.pre_commands] == [5]


def test_a_pre_command_is_sent_once() -> None:
    there = Bench()
    _, sent = there.activate(ESME, bytes(32))
    assert sent is not None
    assert sent.code == "I99"
    assert not there.world.engine.state.dsp.pre_commands


def test_finished_transactions_beyond_the_limit_go_and_late_answers_find_nobody() -> None:
    limited = bench_with(keep_transactions=2, on_demand_validity_ms=1)
    state = limited.world.engine.state.dsp
    for _ in range(4):
        limited.submit("11.2", to=ESME)
    fresh = limited.advance(10)
    assert [r.code for r in responses(fresh)] == ["E21"] * 4
    assert len(state.transactions) == len(state.finished) == len(state.commands) == 2
    assert state.open_transactions == 0
    assert not limited.advance(HOUR_MS)
    dropped = [entry.summary for entry in limited.journal if entry.kind == "dropped"]
    assert len(dropped) == 4


def test_requests_under_way_are_never_dropped() -> None:
    limited = bench_with(keep_transactions=1)
    for _ in range(5):
        limited.submit("11.2", to=ESME)
    assert len(limited.world.engine.state.dsp.transactions) == 5
    assert [r.code for r in responses(limited.run_until_idle())] == ["I0"] * 5
    assert len(limited.world.engine.state.dsp.transactions) == 1


def test_jobs_of_old_requests_go_and_their_late_alerts_name_no_request() -> None:
    limited = bench_with(keep_jobs=1)
    state = limited.world.engine.state.dsp
    limited.distribute("11.1", "ESME", [device(0, "A0"), device(1, "A0")])
    limited.run_until_idle()
    assert len(state.jobs) == 2, "the newest request stays"
    limited.distribute("11.1", "GSME", [device(0, "A1")])
    limited.run_until_idle()
    assert {job.device for job in state.jobs.values()} == {device(0, "A1")}
    assert state.completed_jobs == 1
    assert len(state.firmware_requests) == len(state.completed_requests) == 1
    _, sent = limited.activate(ESME, bytes.fromhex(next(iter(state.firmware_requests.values())).image_hash))
    assert sent is not None
    assert [r.code for r in responses(limited.run_until_idle())] == ["I0"]
    assert not limited.world.engine.context.lookup.differences(Lookup(state))


def test_zero_is_no_limit_one_can_set() -> None:
    with pytest.raises(Malformed, match="keep_jobs"):
        bench_with(keep_jobs=0)
