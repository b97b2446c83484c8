"""One firmware request for very many devices: answered at once, handed over in steps, told in portions."""

import pytest

from emulator.domain.limits import MAX_DEVICES_PER_REQUEST, STOCK_CLIENT_PUSH_BYTES
from emulator.domain.vocabulary import DeviceType
from emulator.duis.encode import encode_message
from emulator.duis.messages import Element
from tests.dsp.bench_world import SUPPLIER_TWO, Bench, firmware_body
from tests.engine.large import large_device, large_world


def request(bench: Bench, kind: str, devices: int) -> Element:
    srv = "11.4" if kind == "PPMID" else "11.1"
    return firmware_body(srv, bench.image(kind), "00010100", [large_device(number) for number in range(devices)])


def test_jobs_are_handed_over_in_steps() -> None:
    bench = Bench(large_world(1_200))
    state, engine = bench.world.engine.state.dsp, bench.world.engine
    assert bench.submit("11.1", request(bench, "ESME", 1_200)).code == "I99"
    handed = []
    until_ms = bench.now_ms + 100
    while not engine.advance(until_ms, 1):
        handed.append(sum(job.state == "WITH_CSP" for job in state.jobs.values()))
    bench.collect()
    assert list(dict.fromkeys(handed))[:2] == [100, 200], "the network looks at what it was given in between"
    assert {job.state for job in state.jobs.values()} == {"WITH_CSP"}
    assert engine.premises.images.held(next(iter(state.firmware_requests.values())).image_key)


def test_other_suppliers_are_told_in_messages_that_stock_clients_take() -> None:
    bench = Bench(large_world(4_000, DeviceType.PPMID, other_supplier="supplier-two"))
    assert bench.submit("11.4", request(bench, "PPMID", 4_000)).code == "I99"
    assert [delivery.recipient for delivery in bench.deliveries] == [SUPPLIER_TWO, SUPPLIER_TWO]
    told = [delivery.message.body.required("DeviceList").split(",") for delivery in bench.deliveries]  # type: ignore[union-attr]
    assert [len(devices) for devices in told] == [3_500, 500]
    assert len(set(told[0] + told[1])) == 4_000
    assert all(len(encode_message(delivery.message)) < STOCK_CLIENT_PUSH_BYTES * 9 // 10 for delivery in bench.deliveries)


@pytest.mark.verify
@pytest.mark.parametrize("kind", ["ESME", "PPMID"])
def test_the_largest_request_is_taken_whole(kind: str) -> None:
    bench = Bench(large_world(MAX_DEVICES_PER_REQUEST, DeviceType(kind)))
    body = request(bench, kind, MAX_DEVICES_PER_REQUEST)
    assert bench.submit("11.4" if kind == "PPMID" else "11.1", body).code == "I99"
    assert len(bench.world.engine.state.dsp.jobs) == MAX_DEVICES_PER_REQUEST
    assert all(len(encode_message(delivery.message)) < STOCK_CLIENT_PUSH_BYTES for delivery in bench.deliveries)
