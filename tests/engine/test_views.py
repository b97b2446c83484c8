"""What the control interface shows: portions of long lists, and for everything open what it waits for."""

import pytest

from emulator.domain.identifiers import format_eui
from emulator.duis.messages import element
from emulator.estate import snapshot
from tests.dsp.bench_world import DAY_MS, HOUR_MS, MINUTE_MS, SUPPLIER, Bench, bench_with, device, firmware_body
from tests.engine.large import large_device, large_world

ESME, GSME, HUB, PPMID = (device(0, last) for last in ("A0", "A1", "A2", "A4"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def waits(described: object) -> list[str]:
    assert isinstance(described, dict)
    return [wait["what"] for wait in described["waiting_for"]]


def test_devices_by_type_status_and_hub(bench: Bench) -> None:
    views = bench.world.views
    everything = views.devices()
    assert everything.count == len(everything.items) == len(bench.world.engine.state.dsp.inventory)
    assert views.devices(device_type="ESME").count == 3
    assert views.devices(device_type="ESME", hub=HUB).items[0]["device"] == format_eui(ESME)
    assert views.devices(status="Pending").count == 0
    second = views.devices(offset=1, limit=2)
    assert (second.count, second.items) == (everything.count, everything.items[1:3])


def test_a_large_request_in_portions() -> None:
    bench = Bench(large_world(600))
    for srv, devices in (("11.1", [large_device(n) for n in range(600)]), ("11.1", [ESME])):
        bench.submit(srv, firmware_body(srv, bench.image("ESME"), "00010100", devices))
    views = bench.world.views
    newest = views.jobs(limit=1)
    assert (newest.count, [entry["counts"] for entry in newest.items]) == (2, [{"QUEUED": 1}])
    bench.advance(1_000)  # jobs are handed over in portions
    older = views.jobs(offset=1, limit=1, job_offset=590, job_limit=50).items
    assert [(entry["counts"], len(entry["jobs"])) for entry in older] == [({"WITH_CSP": 600}, 10)]
    one = views.jobs(device=large_device(7)).items
    assert [[job["device"] for job in entry["jobs"]] for entry in one] == [[format_eui(large_device(7))]]
    assert views.jobs(request_id="nothing").count == 0
    by_id = views.jobs(request_id=str(newest.items[0]["request_id"]).lower())
    assert (by_id.count, by_id.items) == (1, views.jobs(limit=1).items)


def test_a_job_says_what_it_waits_for_from_stage_to_stage(bench: Bench) -> None:
    seen: list[str] = []

    def look() -> None:
        described = bench.world.views.device(ESME)
        assert described is not None
        for what in waits(described["job"]):
            if what not in seen:
                seen.append(what)

    bench.distribute("11.1", "ESME", [ESME])
    look()
    while bench.world.engine.awaited():
        bench.world.engine.advance(bench.world.engine.next_wakeup() or 0)
        bench.collect()
        look()
    assert seen[:3] == [
        "being handed to the csp",
        "image 00010100, which is on its way to the hub",
        "the csp's report of its delivery",
    ]
    assert "the last block of its image 00010100" in seen
    assert "a report of hub or device, for the last time" in seen


def test_an_overdue_distribution_shows() -> None:
    bench = bench_with(distribution_deadline_ms=HOUR_MS)
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    bench.distribute("11.1", "ESME", [ESME])
    bench.advance(HOUR_MS)
    (entry,) = bench.world.views.jobs().items
    assert (entry["open"], entry["overdue"]) == (True, False)
    assert waits(entry["jobs"][0]) == ["the next try to send image 00010100 to its hub"]
    bench.advance(1)
    assert bench.world.views.jobs().items[0]["overdue"]
    bench.run_until_idle()
    assert not bench.world.views.jobs().items[0]["overdue"]


def test_a_transaction_says_what_it_waits_for(bench: Bench) -> None:
    views = bench.world.views
    dated = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-06T08:00:00Z"))
    bench.submit("11.2", dated, to=ESME)
    assert waits(views.transactions().items[0]) == ["its date"]
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    bench.control("device.power", device=format_eui(PPMID), on=False)
    bench.submit("11.2", to=PPMID)
    bench.advance(MINUTE_MS)
    (sent,) = views.transactions(state="sent").items
    assert waits(sent) == [
        "the Response of its device, for the last time",
        "its hub, which cannot be reached: the next try",
        "its power",
    ]
    bench.advance(3 * DAY_MS)
    assert [waits(each) for each in views.transactions(state="failed").items] == [[], []]


def test_transactions_in_portions(bench: Bench) -> None:
    for eui in (ESME, GSME, ESME):
        bench.submit("11.2", to=eui)
    views = bench.world.views
    ids = [entry["request_id"] for entry in views.transactions().items]
    assert [entry["request_id"] for entry in views.transactions(limit=2).items] == ids[1:]
    assert [entry["request_id"] for entry in views.transactions(limit=2, offset=2).items] == ids[:1]
    assert views.transactions(device=ESME).count == 2
    assert views.transactions(request_id=ids[1].lower()).count == 1
    assert format_eui(SUPPLIER) == views.transactions().items[0]["user"]


def test_looking_changes_nothing(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.submit("11.2", to=GSME)
    bench.advance(MINUTE_MS)
    before = snapshot.dump(bench.world.engine.state)
    views = bench.world.views
    views.world(), views.users(), views.devices(), views.jobs(), views.transactions(), views.registrations()
    views.firmware_list(), views.faults(), [views.device(eui) for eui in bench.world.engine.state.dsp.inventory]
    assert views.device(5) is None
    assert not views.device_exists(5)
    assert snapshot.dump(bench.world.engine.state) == before
