"""Requests that go one after the other: what waits, goes, fails and is refused."""

import base64

import pytest

from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.dsp.lookup import Lookup
from emulator.duis.messages import ServiceResponse, element
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.world import restore_world
from tests.dsp.bench_world import DAY_MS, HOUR_MS, OTHER_USER, SUPPLIER, Bench, bench_with, dcc_alerts, device, responses
from tests.dsp.telling import told

ESME, GSME, HUB = device(0, "A0"), device(0, "A1"), device(0, "A2")
ACTIVATION = element("ActivateFirmware", element("FirmwareHash", "00" * 32))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def named(counter: int, to: int = ESME, user: int = SUPPLIER) -> RequestId:
    return RequestId(Eui64(user), Eui64(to), counter)


def states(bench: Bench) -> list[str]:
    return [transaction.state.value for transaction in bench.world.engine.state.dsp.transactions.values()]


def answered(deliveries: list[object]) -> list[tuple[str, str]]:
    """RequestID counter and code of the responses among them."""
    found = [getattr(delivery, "message", None) for delivery in deliveries]
    return [(str(m.request_id).rpartition(":")[2], m.code) for m in found if isinstance(m, ServiceResponse)]


def chain(bench: Bench, *counters: int, to: int = ESME) -> None:
    """11.2 under each counter, the first of them first in its sequence."""
    for place, counter in enumerate(counters):
        after = None if place == 0 else named(counters[place - 1], to)
        assert bench.submit("11.2", to=to, counter=counter, first=place == 0, after=after).code == "I99"


def test_each_goes_when_the_one_before_has_succeeded(bench: Bench) -> None:
    chain(bench, 1, 2, 3)
    assert states(bench) == ["sent", "waiting", "waiting"]
    fresh = bench.run_until_idle()
    assert answered(list(fresh)) == [("1", "I0"), ("2", "I0"), ("3", "I0")]
    times = [delivery.at_ms for delivery in fresh]
    assert times == sorted(set(times))


def test_they_may_come_in_any_order(bench: Bench) -> None:
    for counter, after in ((3, 2), (2, 1)):
        assert bench.submit("11.2", to=ESME, counter=counter, after=named(after)).code == "I99"
    assert not bench.advance(HOUR_MS)
    assert bench.submit("11.2", to=ESME, counter=1, first=True).code == "I99"
    assert answered(list(bench.run_until_idle())) == [("1", "I0"), ("2", "I0"), ("3", "I0")]


def test_what_follows_a_success_goes_at_once(bench: Bench) -> None:
    chain(bench, 1)
    bench.run_until_idle()
    assert bench.submit("11.2", to=GSME, counter=2, after=named(1)).code == "I99"
    assert states(bench) == ["answered", "sent"]


def test_a_failure_breaks_the_rest(bench: Bench) -> None:
    bench.control("fault.add", kind="device.silent", device=format_eui(ESME))
    chain(bench, 1, 2, 3)
    fresh = bench.run_until_idle()
    assert answered(list(fresh)) == [("1", "E21"), ("2", "E41"), ("3", "E41")]
    assert [alert.body.value("CommandRequestID") for alert in dcc_alerts(fresh, "N14")] == [str(named(2)), str(named(3))]
    assert bench.submit("11.2", to=ESME, counter=4, after=named(3)).code == "E41"


@pytest.mark.parametrize(("setting", "expected"), [("ok", ["I0", "E41"]), ("response", ["I0", "I0"])])
def test_whether_an_answer_that_reports_an_error_is_a_success_is_a_setting(setting: str, expected: list[str]) -> None:
    bench = bench_with(sequence_success=setting)
    bench.control("fault.add", kind="device.read_fails", device=format_eui(ESME), times=1)
    chain(bench, 1, 2)
    assert [code for _, code in answered(list(bench.run_until_idle()))] == expected


def test_a_predecessor_that_never_comes_has_a_code(bench: Bench) -> None:
    assert bench.submit("11.2", to=ESME, counter=2, after=named(1)).code == "I99"
    assert not bench.advance(DAY_MS + 2 * HOUR_MS - 1)
    assert told(bench.advance(1)) == {"one": ["11.2 E40", "N14"]}


def test_a_predecessor_without_an_outcome_in_time_has_another() -> None:
    bench = bench_with(sequence_wait_ms=HOUR_MS)
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    chain(bench, 1, 2)
    assert answered(list(bench.advance(HOUR_MS))) == [("2", "E42")]
    assert answered(list(bench.advance(2 * DAY_MS))) == [("1", "E20")]


def test_a_refused_predecessor_has_failed(bench: Bench) -> None:
    assert bench.submit("8.9", to=GSME, user=SUPPLIER, counter=5, variant=2, first=True).code == "E43"
    assert bench.submit("11.2", to=ESME, counter=6, after=named(5, GSME)).code == "E41"


@pytest.mark.parametrize(
    ("given", "after"),
    [
        ({"first": True}, named(1)),
        ({"variant": 2}, named(1)),
        ({}, named(1, user=OTHER_USER)),
        ({}, named(2)),
    ],
)
def test_what_cannot_stand_in_a_sequence_is_refused(bench: Bench, given: dict[str, int], after: RequestId) -> None:
    assert bench.submit("11.2", to=ESME, counter=2, after=after, **given).code == "E43"  # type: ignore[arg-type]
    assert not bench.world.engine.state.dsp.transactions


def test_the_dccs_own_services_stand_in_no_sequence(bench: Bench) -> None:
    body = element("ReadInventory", element("DeviceID", format_eui(ESME)))
    assert bench.submit("8.2", body, first=True).code == "E43"


def test_a_signed_command_waits_as_it_is(bench: Bench) -> None:
    chain(bench, 1)
    first = bench.submit("11.3", ACTIVATION, to=ESME, variant=4, counter=2, after=named(1))
    assert first.payload is not None, "a Transform waits for nothing"
    octets = sign(decode_message(base64.b64decode(first.payload.required("GBCSPayload"))), bench.key(SUPPLIER)).encode()
    body = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(octets).decode()))
    assert bench.submit("11.3", body, to=ESME, variant=5, counter=2, after=named(1)).code == "I99"
    assert states(bench) == ["sent", "waiting"]
    assert answered(list(bench.run_until_idle())) == [("1", "I0"), ("2", "I0")]


def test_a_local_copy_follows_when_its_turn_comes() -> None:
    for where in ("pushed", "answered"):
        bench = bench_with(local_copy=where)
        chain(bench, 1)
        assert bench.submit("11.2", to=ESME, counter=2, after=named(1), variant=3).code == "I99"
        assert [answer.payload and answer.payload.name for answer in responses(bench.run_until_idle())] == [
            "GBCSPayload",
            "LocalCommand",
            "GBCSPayload",
        ]


def test_a_dated_follower_waits_for_both(bench: Bench) -> None:
    chain(bench, 1)
    dated = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-06T08:00:00Z"))
    assert bench.submit("11.2", dated, to=ESME, counter=2, after=named(1)).code == "I99"
    assert answered(list(bench.advance(HOUR_MS))) == [("1", "I0")]
    assert states(bench) == ["answered", "held"]
    assert answered(list(bench.advance(DAY_MS))) == [("2", "I0")]
    cancelling = element("ReadFirmwareVersion", element("ExecutionDateTime", "3000-12-31T00:00:00Z"))
    assert bench.submit("11.2", cancelling, to=ESME, counter=3, after=named(2)).code == "E43"


def test_what_waits_passes_the_gate_again(bench: Bench) -> None:
    chain(bench, 1, 2)
    bench.control("user.status", user=format_eui(SUPPLIER), active=False)
    assert answered(list(bench.run_until_idle())) == [("1", "I0"), ("2", "E3")]


def test_what_waits_falls_with_its_device(bench: Bench) -> None:
    assert bench.submit("11.2", to=ESME, counter=2, after=named(1)).code == "I99"
    bench.submit("8.3", element("DecommissionDevice", element("DeviceID", format_eui(ESME))))
    assert told(bench.deliveries) == {"one": ["N3"], "network": ["N1"]}
    assert not bench.advance(3 * DAY_MS)


def test_a_dated_request_does_not_replace_what_waits(bench: Bench) -> None:
    assert bench.submit("11.2", to=ESME, counter=2, after=named(1)).code == "I99"
    dated = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-06T08:00:00Z"))
    assert bench.submit("11.2", dated, to=ESME, counter=3).code == "I99"
    assert states(bench) == ["waiting", "held"]


def test_a_snapshot_while_one_waits_changes_nothing() -> None:
    def run(interrupt: bool) -> tuple[str, int]:
        bench = Bench()
        chain(bench, 1, 2)
        bench.submit("11.2", to=ESME, counter=9, after=named(8))
        if interrupt:
            bench.world = restore_world("default", bench.world.engine.snapshot())
            context = bench.world.engine.context
            assert Lookup(context.state).differences(context.lookup) == []
        bench.advance(2 * DAY_MS)
        return bench.world.engine.digest(), len(bench.deliveries)

    assert run(False) == run(True)


def test_what_is_forgotten_leaves_no_index() -> None:
    bench = bench_with(keep_transactions=3)
    for counter in range(1, 8):
        assert bench.submit("11.2", to=ESME, counter=counter, first=True).code == "I99"
        bench.run_until_idle()
    context = bench.world.engine.context
    assert len(context.state.transactions) <= 4
    assert Lookup(context.state).differences(context.lookup) == []
